/** Whether what was applied runs, by its conditions; and if not, why not, by its pods. */
import { scrub } from '../../core/secrets.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { type Place, pathOf } from './kinds.ts';
import { called, isObject, type JsonObject, listAt, type Manifest, objectAt } from './manifests.ts';
import { readObject } from './server.ts';

/** How one object stands. */
export interface Standing {
  name: string;
  is: 'ready' | 'waiting' | 'failed';
  ready: number;
  wanted: number;
  /** Said by the object itself. */
  why?: string;
}

/** Kinds that are waited for. */
const watched = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'Pod', 'CustomResourceDefinition'];

/** Whether an object of this kind is waited for. */
export function isWatched(kind: string): boolean {
  return watched.includes(kind);
}

function condition(object: JsonObject, type: string): JsonObject | undefined {
  return listAt(object, 'status', 'conditions')
    .filter(isObject)
    .find((each) => each.type === type);
}

/** How an object stands by its own status; undefined for kinds that are not waited for. */
export function standingOf(kind: string, object: JsonObject): Omit<Standing, 'name'> | undefined {
  const spec = objectAt(object, 'spec');
  const status = objectAt(object, 'status');
  const number = (key: string) => Number(status[key] ?? 0);
  const seen = number('observedGeneration') >= Number(objectAt(object, 'metadata').generation ?? 0);
  const wanted = Number(spec.replicas ?? 1);
  switch (kind) {
    case 'Deployment': {
      const late = condition(object, 'Progressing');
      const ready = Math.min(number('updatedReplicas'), number('availableReplicas'));
      if (seen && late?.reason === 'ProgressDeadlineExceeded')
        return { is: 'failed', ready, wanted, why: plain(String(late.message ?? 'it takes too long'), 160) };
      if (spec.paused === true && seen) return { is: 'ready', ready, wanted, why: 'paused' };
      return { is: seen && ready >= wanted && number('replicas') <= wanted ? 'ready' : 'waiting', ready, wanted };
    }
    case 'StatefulSet': {
      const byHand = objectAt(spec, 'updateStrategy').type === 'OnDelete';
      const from = Number(objectAt(spec, 'updateStrategy', 'rollingUpdate').partition ?? 0);
      const ready = number('readyReplicas');
      const updated =
        byHand ||
        wanted === 0 ||
        from > 0 ||
        status.updateRevision === undefined ||
        number('updatedReplicas') >= wanted;
      return {
        is: seen && ready >= wanted && updated ? 'ready' : 'waiting',
        ready: updated ? ready : Math.min(ready, number('updatedReplicas')),
        wanted,
      };
    }
    case 'DaemonSet': {
      const every = number('desiredNumberScheduled');
      const byHand = objectAt(spec, 'updateStrategy').type === 'OnDelete';
      const ready = byHand
        ? number('numberAvailable')
        : Math.min(number('updatedNumberScheduled'), number('numberAvailable'));
      return { is: seen && ready >= every ? 'ready' : 'waiting', ready, wanted: every };
    }
    case 'ReplicaSet':
      return {
        is: seen && number('availableReplicas') >= wanted ? 'ready' : 'waiting',
        ready: number('availableReplicas'),
        wanted,
      };
    case 'Job': {
      const failed = condition(object, 'Failed');
      if (failed?.status === 'True')
        return {
          is: 'failed',
          ready: 0,
          wanted: 1,
          why: plain(`${failed.reason ?? 'Failed'}: ${failed.message ?? ''}`, 160),
        };
      const done = condition(object, 'Complete')?.status === 'True' || spec.suspend === true;
      return { is: done ? 'ready' : 'waiting', ready: number('succeeded'), wanted: Number(spec.completions ?? 1) };
    }
    case 'Pod': {
      if (status.phase === 'Failed')
        return { is: 'failed', ready: 0, wanted: 1, why: plain(String(status.reason ?? 'it failed'), 120) };
      const ready = status.phase === 'Succeeded' || condition(object, 'Ready')?.status === 'True';
      return { is: ready ? 'ready' : 'waiting', ready: ready ? 1 : 0, wanted: 1 };
    }
    case 'CustomResourceDefinition': {
      const names = condition(object, 'NamesAccepted');
      if (names?.status === 'False')
        return { is: 'failed', ready: 0, wanted: 1, why: plain(String(names.message ?? ''), 160) };
      const ready = condition(object, 'Established')?.status === 'True';
      return { is: ready ? 'ready' : 'waiting', ready: ready ? 1 : 0, wanted: 1 };
    }
    default:
      return undefined;
  }
}

/** How all of them stand that are waited for. What is gone counts as waiting. */
export async function standings(talk: Talk, all: readonly { place: Place; manifest: Manifest }[]): Promise<Standing[]> {
  const found: Standing[] = [];
  for (const { place, manifest } of all) {
    if (!isWatched(manifest.kind)) continue;
    const live = await readObject(talk, place, manifest);
    const standing = live ? standingOf(manifest.kind, live) : goesByItself(manifest) ? ended : undefined;
    found.push({
      name: called(manifest),
      ...(standing ?? { is: 'waiting' as const, ready: 0, wanted: 1, why: 'it is gone' }),
    });
  }
  return found;
}

const ended: Omit<Standing, 'name'> = { is: 'ready', ready: 1, wanted: 1 };

/** A Job that is removed some time after it has ended: when it is not there any more, that is how it went. */
export function goesByItself({ kind, object }: Pick<Manifest, 'kind' | 'object'>): boolean {
  return kind === 'Job' && objectAt(object, 'spec').ttlSecondsAfterFinished !== undefined;
}

const crash = /^(CrashLoopBackOff|RunContainerError|StartError|OOMKilled|Error)$/;

/** Why the pods of a workload do not get ready, worst first: image, crash with its last lines, what the scheduler says. */
export async function reasonsOf(talk: Talk, place: Place, manifest: Manifest, most = 3): Promise<string[]> {
  const reasons = new Map<string, number>();
  for (const pod of await podsOf(talk, place, manifest)) {
    const reason = await podReason(talk, pod);
    if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const events = reasons.size === 0 ? await refusedPods(talk, place, manifest) : [];
  return [
    ...[...reasons]
      .sort(([, a], [, b]) => b - a)
      .map(([reason, times]) => (times > 1 ? `${reason} (${times} pods)` : reason)),
    ...events,
  ].slice(0, most);
}

/** The labels that a workload chooses its pods by, as a query; '' when it has none. */
export function selectorOf(object: JsonObject): string {
  const chosen = Object.entries(objectAt(object, 'spec', 'selector', 'matchLabels')).map(
    ([key, value]) => `${key}=${String(value)}`,
  );
  for (const each of listAt(object, 'spec', 'selector', 'matchExpressions').filter(isObject)) {
    const values = listAt(each, 'values').map(String).join(',');
    if (each.operator === 'In') chosen.push(`${String(each.key)} in (${values})`);
    if (each.operator === 'NotIn') chosen.push(`${String(each.key)} notin (${values})`);
    if (each.operator === 'Exists') chosen.push(String(each.key));
    if (each.operator === 'DoesNotExist') chosen.push(`!${String(each.key)}`);
  }
  return chosen.join(',');
}

/** The pods of a workload as it is in the cluster, at most 200. */
export async function podsOf(talk: Talk, place: Place, manifest: Manifest): Promise<JsonObject[]> {
  const live = await readObject(talk, place, manifest);
  if (!live) return [];
  if (manifest.kind === 'Pod') return [live];
  const selector = selectorOf(live);
  if (selector === '') return [];
  const path = `/api/v1/namespaces/${encodeURIComponent(manifest.namespace ?? 'default')}/pods?labelSelector=${encodeURIComponent(selector)}&limit=200`;
  return listAt(await talk.raw({ method: 'GET', path }), 'items').filter(isObject);
}

async function podReason(talk: Talk, pod: JsonObject): Promise<string | null> {
  const { name, namespace, deletionTimestamp } = objectAt(pod, 'metadata');
  if (deletionTimestamp !== undefined) return null;
  const statuses = ['initContainerStatuses', 'containerStatuses'].flatMap((list) =>
    listAt(pod, 'status', list).filter(isObject),
  );
  for (const status of statuses) {
    const waiting = objectAt(status, 'state', 'waiting');
    const ended = objectAt(status, 'state', 'terminated');
    const reason = String(waiting.reason ?? (Number(ended.exitCode ?? 0) > 0 ? (ended.reason ?? 'Error') : ''));
    if (reason === '' || reason === 'ContainerCreating' || reason === 'PodInitializing') continue;
    if (!crash.test(reason)) return plain(`${reason}: ${String(waiting.message ?? status.image ?? '')}`, 200);
    const code = objectAt(status, 'lastState', 'terminated').exitCode ?? ended.exitCode;
    const lines = await lastLines(
      talk,
      String(namespace),
      String(name),
      String(status.name),
      Number(status.restartCount ?? 0) > 0,
    );
    const exit = code === undefined ? '' : `, exit code ${String(code)}`;
    return `${reason}${exit}, ${Number(status.restartCount ?? 0)} restarts${lines === '' ? '' : `; it last said: ${lines}`}`;
  }
  const scheduled = condition(pod, 'PodScheduled');
  if (scheduled?.status === 'False')
    return plain(`Pending: ${String(scheduled.message ?? scheduled.reason ?? '')}`, 200);
  if (objectAt(pod, 'status').phase === 'Running' && condition(pod, 'Ready')?.status === 'False')
    return 'It runs, but its readiness check does not pass';
  return objectAt(pod, 'status').phase === 'Pending' ? 'Pending: its containers are not started yet' : null;
}

/** The end of a container's log, blotted; '' when there is none. */
async function lastLines(
  talk: Talk,
  namespace: string,
  pod: string,
  container: string,
  previous: boolean,
): Promise<string> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log`;
  for (const before of previous ? [true, false] : [false]) {
    try {
      const text = await talk.text(
        `${path}?container=${encodeURIComponent(container)}&tailLines=3&limitBytes=2000${before ? '&previous=true' : ''}`,
      );
      if (text.trim() !== '') return plain(scrub(text).trim().split('\n').join(' / '), 240);
    } catch {}
  }
  return '';
}

/** Why there is no pod at all: what the controller says of the ones it could not make, such as a quota. */
async function refusedPods(talk: Talk, place: Place, manifest: Manifest): Promise<string[]> {
  const live = await readObject(talk, place, manifest);
  const failure = live && condition(live, 'ReplicaFailure');
  return failure?.status === 'True'
    ? [plain(`No pod could be made: ${String(failure.message ?? failure.reason ?? '')}`, 200)]
    : [];
}

/** The path of a workload's scale. */
export function scalePath(place: Place, manifest: Pick<Manifest, 'name' | 'namespace'>): string {
  return `${pathOf(place, manifest)}/scale`;
}
