import { type JsonObject, objectAt, objectsAt, textAt } from './json.ts';
import { quantity, quantityText } from './kube-quantities.ts';

/** What a pod asks for or is limited to of a resource, init containers as the scheduler counts them. */
export function podAmount(pod: JsonObject, kind: 'requests' | 'limits', resource: string): number {
  const of = (container: JsonObject): number => quantity(objectAt(container, 'resources', kind)[resource]);
  const main = objectsAt(pod, 'spec', 'containers').reduce((sum, container) => sum + of(container), 0);
  return Math.max(main, ...objectsAt(pod, 'spec', 'initContainers').map(of));
}

function isOver(pod: JsonObject): boolean {
  const phase = textAt(pod, 'status', 'phase');
  return phase === 'Succeeded' || phase === 'Failed';
}

/** The plural that a quota's name of a count means: `count/deployments.apps` or `services`; undefined for amounts. */
export function countedKind(name: string): string | undefined {
  if (name.startsWith('count/')) return name.slice('count/'.length);
  const plain = ['pods', 'services', 'secrets', 'configmaps', 'persistentvolumeclaims', 'resourcequotas'];
  return plain.includes(name) ? name : undefined;
}

/** What one object takes of a name of a quota. */
export function usageOf(name: string, kind: string, object: JsonObject): number {
  if (kind === 'pods' && isOver(object) && !name.startsWith('count/')) return 0;
  if (countedKind(name) === kind) return 1;
  if (kind === 'services') {
    const type = textAt(object, 'spec', 'type');
    if (name === 'services.loadbalancers') return type === 'LoadBalancer' ? 1 : 0;
    if (name === 'services.nodeports') return type === 'NodePort' || type === 'LoadBalancer' ? 1 : 0;
  }
  if (kind === 'persistentvolumeclaims' && name === 'requests.storage') {
    return quantity(objectAt(object, 'spec', 'resources', 'requests').storage);
  }
  if (kind !== 'pods') return 0;
  const [first = '', ...rest] = name.split('.');
  if (first === 'requests' || first === 'limits') return podAmount(object, first, rest.join('.'));
  return name === 'cpu' || name === 'memory' || name === 'ephemeral-storage' ? podAmount(object, 'requests', name) : 0;
}

/** The kinds that have to be counted for a name of a quota. */
export function kindOfName(name: string): string {
  if (name.startsWith('services.')) return 'services';
  if (name === 'requests.storage') return 'persistentvolumeclaims';
  return countedKind(name) ?? 'pods';
}

/** What a namespace uses of every name of a quota's hard limits, as texts; `list` gives the objects of a kind. */
export function quotaUsage(hard: JsonObject, list: (kind: string) => readonly JsonObject[]): Record<string, string> {
  return Object.fromEntries(
    Object.keys(hard).map((name) => {
      const kind = kindOfName(name);
      const used = list(kind).reduce((sum, object) => sum + usageOf(name, kind, object), 0);
      return [name, name.includes('memory') || name.includes('storage') ? bytesText(used) : quantityText(used)];
    }),
  );
}

/** Bytes with the largest binary suffix that leaves a whole number. */
export function bytesText(bytes: number): string {
  for (const [unit, size] of [
    ['Gi', 2 ** 30],
    ['Mi', 2 ** 20],
    ['Ki', 2 ** 10],
  ] as const) {
    if (bytes >= size && Number.isInteger(bytes / size)) return `${bytes / size}${unit}`;
  }
  return String(Math.round(bytes));
}
