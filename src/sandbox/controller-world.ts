import { randomBytes } from 'node:crypto';
import { type ApiClient, ApiFailure, MERGE } from './controller-client.ts';
import type { Informer } from './controller-informer.ts';
import { type JsonObject, objectAt, objectsAt, textAt } from './json.ts';

/** The API path of each kind that the controller keeps copies of, all namespaces. */
export const PATHS = {
  nodes: '/api/v1/nodes',
  pods: '/api/v1/pods',
  namespaces: '/api/v1/namespaces',
  services: '/api/v1/services',
  persistentvolumes: '/api/v1/persistentvolumes',
  persistentvolumeclaims: '/api/v1/persistentvolumeclaims',
  resourcequotas: '/api/v1/resourcequotas',
  replicasets: '/apis/apps/v1/replicasets',
  deployments: '/apis/apps/v1/deployments',
  statefulsets: '/apis/apps/v1/statefulsets',
  daemonsets: '/apis/apps/v1/daemonsets',
  jobs: '/apis/batch/v1/jobs',
  cronjobs: '/apis/batch/v1/cronjobs',
  horizontalpodautoscalers: '/apis/autoscaling/v2/horizontalpodautoscalers',
  ingresses: '/apis/networking.k8s.io/v1/ingresses',
  poddisruptionbudgets: '/apis/policy/v1/poddisruptionbudgets',
} as const;

/** The kinds that the controller keeps copies of. */
export type Kind = keyof typeof PATHS;

/** What the parts of the controller share: the API, the copies, the clock. */
export type World = {
  api: ApiClient;
  kinds: Record<Kind, Informer>;
  /** Real ms for ms of the sandbox's clock. */
  real: (ms: number) => number;
};

/** The path of a namespace's objects of a kind, or of one object. */
export function pathOf(kind: Kind, namespace: string, name?: string): string {
  const whole: string = PATHS[kind];
  const at = whole.lastIndexOf('/');
  const list = namespace === '' ? whole : `${whole.slice(0, at)}/namespaces/${namespace}${whole.slice(at)}`;
  return name === undefined ? list : `${list}/${name}`;
}

/** Namespace and name of an object. */
export function nameOf(object: JsonObject): { namespace: string; name: string; uid: string } {
  const { namespace, name, uid } = objectAt(object, 'metadata');
  return { namespace: String(namespace ?? ''), name: String(name ?? ''), uid: String(uid ?? '') };
}

/** The time now as Kubernetes writes it, whole seconds. */
export function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}

/** Whether an object is being deleted. */
export function isEnding(object: JsonObject): boolean {
  return textAt(object, 'metadata', 'deletionTimestamp') !== undefined;
}

/** Whether a pod's Ready condition, or a node's, is True. */
export function isReady(object: JsonObject): boolean {
  return objectsAt(object, 'status', 'conditions').some((entry) => entry.type === 'Ready' && entry.status === 'True');
}

/** Whether a pod is neither ended nor ending. */
export function isActive(pod: JsonObject): boolean {
  const phase = textAt(pod, 'status', 'phase');
  return phase !== 'Succeeded' && phase !== 'Failed' && !isEnding(pod);
}

/** The uid of the object that controls this one, or undefined. */
export function controllerOf(object: JsonObject): { kind: string; name: string; uid: string } | undefined {
  const owner = objectsAt(object, 'metadata', 'ownerReferences').find((entry) => entry.controller === true);
  if (owner === undefined) return undefined;
  return { kind: textAt(owner, 'kind') ?? '', name: textAt(owner, 'name') ?? '', uid: textAt(owner, 'uid') ?? '' };
}

/** Sends a request whose object may be gone by now, which is fine. */
export async function unlessGone<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiFailure && error.code === 404) return undefined;
    throw error;
  }
}

/** Changes an object's status by a merge patch and takes the answer into the copies. */
export async function patchStatus(world: World, kind: Kind, object: JsonObject, status: JsonObject): Promise<void> {
  const { namespace, name, uid } = nameOf(object);
  const path = `${pathOf(kind, namespace, name)}/status`;
  const changed = await unlessGone(world.api.request('PATCH', path, { metadata: { uid }, status }, MERGE));
  if (changed !== undefined) world.kinds[kind].accept(changed);
}

/** Deletes exactly this object, not another one of its name. */
export async function deleteObject(
  world: World,
  kind: Kind,
  object: JsonObject,
  options: JsonObject = {},
): Promise<void> {
  const { namespace, name, uid } = nameOf(object);
  const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid }, ...options };
  try {
    const answer = await unlessGone(world.api.request('DELETE', pathOf(kind, namespace, name), body));
    if (answer !== undefined && isEnding(answer) && options.gracePeriodSeconds !== 0) world.kinds[kind].accept(answer);
  } catch (error) {
    // Another object has the name by now: the one that was meant is gone.
    if (!(error instanceof ApiFailure && error.code === 409)) throw error;
  }
}

/** Tells what happened to an object, as `kubectl describe` shows it. Nothing depends on it, so failures are let go. */
export function tell(
  world: World,
  object: JsonObject,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  component: string,
): void {
  const { namespace, name, uid } = nameOf(object);
  const home = namespace === '' ? 'default' : namespace;
  const time = now();
  const event = {
    kind: 'Event',
    apiVersion: 'v1',
    metadata: { name: `${name}.${randomBytes(8).toString('hex')}`, namespace: home },
    involvedObject: {
      kind: object.kind,
      apiVersion: object.apiVersion,
      name,
      uid,
      ...(namespace === '' ? {} : { namespace }),
    },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
    source: { component },
    reportingComponent: component,
  };
  world.api.request('POST', `/api/v1/namespaces/${home}/events`, event).catch(() => undefined);
}
