import { ApiFailure } from './controller-client.ts';
import {
  controllerOf,
  deleteObject,
  isActive,
  isEnding,
  isReady,
  nameOf,
  now,
  patchStatus,
  pathOf,
  tell,
  type World,
} from './controller-world.ts';
import { type JsonObject, numberAt, objectAt, objectsAt, sameJson, textAt, textsAt } from './json.ts';

/** How many pods are made or ended in one go. */
const BATCH = 50;

/** Keeps as many pods as each ReplicaSet wants. */
export class ReplicaSets {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The pods of a ReplicaSet. */
  podsOf(uid: string): JsonObject[] {
    return [...this.#world.kinds.pods.items.values()].filter((pod) => controllerOf(pod)?.uid === uid);
  }

  /** Looks at one ReplicaSet. */
  async reconcile(key: string): Promise<undefined> {
    const set = this.#world.kinds.replicasets.items.get(key);
    if (set === undefined) return undefined;
    const { uid } = nameOf(set);
    let active = this.podsOf(uid).filter(isActive);
    const wanted = numberAt(set, 'spec', 'replicas') ?? 0;
    let failure: string | undefined;
    if (!isEnding(set)) {
      if (active.length < wanted) failure = await this.#make(set, Math.min(wanted - active.length, BATCH));
      else if (active.length > wanted) await this.#end(set, active, Math.min(active.length - wanted, BATCH));
      active = this.podsOf(uid).filter(isActive);
    }
    const ready = active.filter(isReady).length;
    const status = {
      replicas: active.length,
      fullyLabeledReplicas: active.length,
      readyReplicas: ready,
      availableReplicas: ready,
      observedGeneration: numberAt(set, 'metadata', 'generation') ?? 0,
    };
    const conditions = failure === undefined ? [] : [failureOf(set, failure)];
    const next = { ...status, ...(conditions.length > 0 ? { conditions } : {}) };
    if (!sameJson(objectAt(set, 'status'), next))
      await patchStatus(this.#world, 'replicasets', set, { conditions: null, ...next });
    // A batch was not all of it.
    if (!isEnding(set) && active.length !== wanted) throw new Error(`${active.length} of ${wanted} pods`);
    return undefined;
  }

  /** Makes pods; the answer is why one was refused, in the API server's words. */
  async #make(set: JsonObject, count: number): Promise<string | undefined> {
    const { namespace, name, uid } = nameOf(set);
    const template = objectAt(set, 'spec', 'template');
    const body: JsonObject = {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: {
        generateName: `${name}-`,
        namespace,
        labels: textsAt(template, 'metadata', 'labels'),
        annotations: textsAt(template, 'metadata', 'annotations'),
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true, blockOwnerDeletion: true },
        ],
      },
      spec: objectAt(template, 'spec'),
    };
    const results = await Promise.allSettled(
      Array.from({ length: count }, async () => {
        const pod = await this.#world.api.request('POST', pathOf('pods', namespace), body);
        this.#world.kinds.pods.accept(pod);
        tell(
          this.#world,
          set,
          'Normal',
          'SuccessfulCreate',
          `Created pod: ${nameOf(pod).name}`,
          'replicaset-controller',
        );
      }),
    );
    const refused = results.find((result) => result.status === 'rejected')?.reason;
    if (refused === undefined) return undefined;
    if (!(refused instanceof ApiFailure && (refused.code === 403 || refused.code === 422))) throw refused;
    tell(this.#world, set, 'Warning', 'FailedCreate', `Error creating: ${refused.message}`, 'replicaset-controller');
    return refused.message;
  }

  async #end(set: JsonObject, pods: JsonObject[], count: number): Promise<void> {
    // First what is of least use: not scheduled, not ready, youngest.
    const rank = (pod: JsonObject): number => {
      if ((textAt(pod, 'spec', 'nodeName') ?? '') === '') return 0;
      return isReady(pod) ? 2 : 1;
    };
    const made = (pod: JsonObject): string => textAt(pod, 'metadata', 'creationTimestamp') ?? '';
    const order = [...pods].sort((a, b) => rank(a) - rank(b) || (made(a) < made(b) ? 1 : -1));
    await Promise.all(
      order.slice(0, count).map(async (pod) => {
        await deleteObject(this.#world, 'pods', pod);
        tell(
          this.#world,
          set,
          'Normal',
          'SuccessfulDelete',
          `Deleted pod: ${nameOf(pod).name}`,
          'replicaset-controller',
        );
      }),
    );
  }
}

function failureOf(set: JsonObject, message: string): JsonObject {
  const old = objectsAt(set, 'status', 'conditions').find((entry) => entry.type === 'ReplicaFailure');
  const since = old?.message === message ? old.lastTransitionTime : now();
  return { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message, lastTransitionTime: since };
}
