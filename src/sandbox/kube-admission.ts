import { isObject, type Json, type JsonObject, listAt, objectAt, objectsAt, textAt } from './json.ts';
import { quantity, quantityText } from './kube-quantities.ts';
import { type Resource, resourceKey } from './kube-registry.ts';
import { forbidden } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';
import { bytesText, kindOfName, quotaUsage, usageOf } from './kube-usage.ts';

/** How long a pod stays on a node that is not ready or not reached, seconds; Kubernetes' own figure. */
const TOLERATED = 300;

function child(target: JsonObject, name: string): JsonObject {
  const found = target[name];
  if (isObject(found)) return found;
  const made: JsonObject = {};
  target[name] = made;
  return made;
}

/**
 * What the admission plug-ins make of a new pod: the limits of its namespace, its priority, and how long it tolerates a
 * lost node. Throws a 403 when it breaks a LimitRange or its service account or priority class is not there. The pod is
 * changed in place.
 */
export function admitPod(store: ObjectStore, resource: Resource, namespace: string, pod: JsonObject): void {
  const name = textAt(pod, 'metadata', 'name') ?? '';
  const spec = child(pod, 'spec');
  const account = textAt(spec, 'serviceAccountName') ?? 'default';
  if (account !== 'default' && store.get('serviceaccounts', namespace, account) === undefined) {
    const why = `error looking up service account ${namespace}/${account}: serviceaccount "${account}" not found`;
    throw forbidden(resource, name, why);
  }
  const priority = textAt(spec, 'priorityClassName') ?? '';
  if (priority !== '' && !priority.startsWith('system-')) {
    const found = store.get('priorityclasses.scheduling.k8s.io', '', priority);
    if (found === undefined) throw forbidden(resource, name, `no PriorityClass with name ${priority} was found`);
    spec.priority = found.value ?? 0;
  }
  if (priority.startsWith('system-')) spec.priority = priority === 'system-node-critical' ? 2000001000 : 2000000000;
  limitPod(store, resource, namespace, name, pod);
  const tolerations = objectsAt(spec, 'tolerations');
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const known = tolerations.some(
      (entry) =>
        (entry.key === undefined || entry.key === key) && (entry.effect === undefined || entry.effect === 'NoExecute'),
    );
    if (known) continue;
    tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: TOLERATED });
  }
  spec.tolerations = tolerations;
}

function limitPod(store: ObjectStore, resource: Resource, namespace: string, name: string, pod: JsonObject): void {
  const limits = store
    .list('limitranges', namespace)
    .flatMap((range) => objectsAt(range, 'spec', 'limits'))
    .filter((limit) => limit.type === 'Container');
  for (const limit of limits) {
    for (const container of objectsAt(pod, 'spec', 'containers')) {
      const resources = child(container, 'resources');
      for (const [kind, from] of [
        ['limits', objectAt(limit, 'default')],
        [
          'requests',
          Object.keys(objectAt(limit, 'defaultRequest')).length > 0
            ? objectAt(limit, 'defaultRequest')
            : objectAt(limit, 'default'),
        ],
      ] as const) {
        for (const [key, amount] of Object.entries(from)) child(resources, kind)[key] ??= amount;
      }
      const checks: [string, JsonObject, string, (asked: number, bound: number) => boolean, string][] = [
        ['maximum', objectAt(limit, 'max'), 'limits', (asked, bound) => asked > bound, 'limit'],
        ['minimum', objectAt(limit, 'min'), 'requests', (asked, bound) => asked < bound, 'request'],
      ];
      for (const [word, bounds, kind, breaks, what] of checks) {
        for (const [key, bound] of Object.entries(bounds)) {
          const asked = objectAt(resources, kind)[key];
          if (asked === undefined) {
            throw forbidden(
              resource,
              name,
              `${word} ${key} usage per Container is ${String(bound)}.  No ${what} is specified`,
            );
          }
          if (breaks(quantity(asked), quantity(bound))) {
            const why = `${word} ${key} usage per Container is ${String(bound)}, but ${what} is ${String(asked)}`;
            throw forbidden(resource, name, why);
          }
        }
      }
    }
  }
}

/** Throws a 403 when a new object, or a larger one, breaks a quota of its namespace. */
export function checkQuotas(
  store: ObjectStore,
  resource: Resource,
  namespace: string,
  object: JsonObject,
  old: JsonObject | undefined,
): void {
  if (!resource.namespaced || resource.plural === 'resourcequotas') return;
  const kind = resourceKey(resource);
  const name = textAt(object, 'metadata', 'name') ?? '';
  for (const quota of store.list('resourcequotas', namespace)) {
    if (listAt(quota, 'spec', 'scopes').length > 0) continue;
    const hard = objectAt(quota, 'spec', 'hard');
    const quotaName = textAt(quota, 'metadata', 'name') ?? '';
    const concerned = Object.keys(hard).filter((entry) => kindOfName(entry) === kind);
    if (concerned.length === 0) continue;
    if (kind === 'pods' && old === undefined) checkStated(resource, name, quotaName, concerned, object);
    const used = quotaUsage(hard, (one) => store.list(one, namespace));
    const over = concerned.filter((entry) => {
      const more = usageOf(entry, kind, object) - (old === undefined ? 0 : usageOf(entry, kind, old));
      return more > 0 && quantity(used[entry]) + more > quantity(hard[entry]);
    });
    if (over.length === 0) continue;
    const list = (of: (entry: string) => string): string => over.map((entry) => `${entry}=${of(entry)}`).join(',');
    const asked = list((entry) => amountText(entry, usageOf(entry, kind, object)));
    const why = `exceeded quota: ${quotaName}, requested: ${asked}, used: ${list((entry) => used[entry] ?? '0')}, limited: ${list((entry) => String(hard[entry] as Json))}`;
    throw forbidden(resource, name, why);
  }
}

function amountText(name: string, amount: number): string {
  return name.includes('memory') || name.includes('storage') ? bytesText(amount) : quantityText(amount);
}

/** A quota of cpu or memory wants every container to say what it asks for. */
function checkStated(
  resource: Resource,
  name: string,
  quota: string,
  entries: readonly string[],
  pod: JsonObject,
): void {
  const missing = entries.flatMap((entry) => {
    const [first = '', second = ''] = entry.split('.');
    const kind = first === 'limits' ? 'limits' : 'requests';
    const key = first === 'requests' || first === 'limits' ? second : first;
    if (key !== 'cpu' && key !== 'memory') return [];
    const without = objectsAt(pod, 'spec', 'containers').filter(
      (container) => objectAt(container, 'resources', kind)[key] === undefined,
    );
    if (without.length === 0) return [];
    return [`${entry} for: ${without.map((container) => textAt(container, 'name')).join(',')}`];
  });
  if (missing.length > 0) throw forbidden(resource, name, `failed quota: ${quota}: must specify ${missing.join('; ')}`);
}
