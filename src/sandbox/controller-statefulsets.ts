import { ApiFailure } from './controller-client.ts';
import { hashOf, keepRevision, makePod, podOf, REVISION_HASH } from './controller-pod-template.ts';
import {
  controllerOf,
  deleteObject,
  isActive,
  isEnding,
  isReady,
  nameOf,
  patchStatus,
  tell,
  type World,
} from './controller-world.ts';
import { type JsonObject, numberAt, objectAt, objectsAt, sameJson, textAt, textsAt } from './json.ts';

/** Runs StatefulSets: pods with names and claims of their own, one after the other. */
export class StatefulSets {
  readonly #world: World;
  readonly #kept = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  #podsOf(uid: string): Map<number, JsonObject> {
    const own = [...this.#world.kinds.pods.items.values()].filter((pod) => controllerOf(pod)?.uid === uid);
    return new Map(own.map((pod) => [Number(nameOf(pod).name.split('-').at(-1)), pod]));
  }

  /** Looks at one StatefulSet. */
  async reconcile(key: string): Promise<undefined> {
    const set = this.#world.kinds.statefulsets.items.get(key);
    if (set === undefined) {
      this.#kept.delete(key);
      return undefined;
    }
    const { uid, name } = nameOf(set);
    const hash = hashOf(objectAt(set, 'spec', 'template'));
    if (!isEnding(set)) {
      if (this.#kept.get(key) !== hash) {
        await keepRevision(this.#world, set, hash);
        this.#kept.set(key, hash);
      }
      await this.#move(set, this.#podsOf(uid), hash);
    }
    const pods = [...this.#podsOf(uid).values()].filter(isActive);
    const ready = pods.filter(isReady).length;
    const updated = pods.filter(
      (pod) => textsAt(pod, 'metadata', 'labels')[REVISION_HASH] === `${name}-${hash}`,
    ).length;
    const wanted = numberAt(set, 'spec', 'replicas') ?? 1;
    const done = updated === pods.length && pods.length === wanted;
    const before = textAt(set, 'status', 'currentRevision');
    const status: JsonObject = {
      observedGeneration: numberAt(set, 'metadata', 'generation') ?? 0,
      replicas: pods.length,
      readyReplicas: ready,
      availableReplicas: ready,
      currentReplicas: done ? updated : pods.length - updated,
      updatedReplicas: updated,
      currentRevision: done || before === undefined ? `${name}-${hash}` : before,
      updateRevision: `${name}-${hash}`,
      collisionCount: 0,
    };
    if (!sameJson(objectAt(set, 'status'), status)) await patchStatus(this.#world, 'statefulsets', set, status);
    return undefined;
  }

  /** Does the next step: a missing pod, one too many, or one of an old revision. */
  async #move(set: JsonObject, pods: Map<number, JsonObject>, hash: string): Promise<void> {
    const { name } = nameOf(set);
    const first = numberAt(set, 'spec', 'ordinals', 'start') ?? 0;
    const wanted = numberAt(set, 'spec', 'replicas') ?? 1;
    const together = textAt(set, 'spec', 'podManagementPolicy') === 'Parallel';
    for (let ordinal = first; ordinal < first + wanted; ordinal += 1) {
      const pod = pods.get(ordinal);
      if (pod === undefined) await this.#make(set, ordinal, hash);
      else if (!isActive(pod) && !isEnding(pod)) await deleteObject(this.#world, 'pods', pod);
      const fine = pod !== undefined && isActive(pod) && isReady(pod);
      const old = pod !== undefined && textsAt(pod, 'metadata', 'labels')[REVISION_HASH] !== `${name}-${hash}`;
      // A pod of an old revision that never got ready is replaced below, or it would stand in its own way.
      if (!fine && !together && !old) return;
    }
    const surplus = [...pods.keys()].filter((ordinal) => ordinal >= first + wanted || ordinal < first);
    for (const ordinal of surplus.sort((a, b) => b - a)) {
      const pod = pods.get(ordinal);
      if (pod !== undefined && !isEnding(pod)) await deleteObject(this.#world, 'pods', pod);
      if (!together) return;
    }
    if (surplus.length > 0 || textAt(set, 'spec', 'updateStrategy', 'type') === 'OnDelete') return;
    const partition = numberAt(set, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') ?? 0;
    for (let ordinal = first + wanted - 1; ordinal >= first + partition; ordinal -= 1) {
      const pod = pods.get(ordinal);
      if (pod === undefined || isEnding(pod)) return;
      if (textsAt(pod, 'metadata', 'labels')[REVISION_HASH] !== `${name}-${hash}`) {
        await deleteObject(this.#world, 'pods', pod);
        return;
      }
      if (!isReady(pod)) return;
    }
  }

  async #make(set: JsonObject, ordinal: number, hash: string): Promise<void> {
    const { namespace, name } = nameOf(set);
    const podName = `${name}-${ordinal}`;
    const pod = podOf(set, podName, {
      [REVISION_HASH]: `${name}-${hash}`,
      'statefulset.kubernetes.io/pod-name': podName,
      'apps.kubernetes.io/pod-index': String(ordinal),
    });
    const spec = objectAt(pod, 'spec');
    spec.hostname = podName;
    spec.subdomain = textAt(set, 'spec', 'serviceName');
    const claims = objectsAt(set, 'spec', 'volumeClaimTemplates');
    const volumes = objectsAt(spec, 'volumes');
    for (const claim of claims) {
      const claimName = `${textAt(claim, 'metadata', 'name')}-${podName}`;
      volumes.push({ name: textAt(claim, 'metadata', 'name'), persistentVolumeClaim: { claimName } });
      await this.#claim(namespace, claimName, claim, set);
    }
    if (volumes.length > 0) spec.volumes = volumes;
    if ((await makePod(this.#world, pod)) !== undefined) {
      const message = `create Pod ${podName} in StatefulSet ${name} successful`;
      tell(this.#world, set, 'Normal', 'SuccessfulCreate', message, 'statefulset-controller');
    }
  }

  async #claim(namespace: string, name: string, template: JsonObject, set: JsonObject): Promise<void> {
    if (this.#world.kinds.persistentvolumeclaims.items.has(`${namespace}/${name}`)) return;
    const labels = { ...textsAt(set, 'spec', 'selector', 'matchLabels'), ...textsAt(template, 'metadata', 'labels') };
    try {
      await this.#world.api.request('POST', `/api/v1/namespaces/${namespace}/persistentvolumeclaims`, {
        kind: 'PersistentVolumeClaim',
        apiVersion: 'v1',
        metadata: { name, namespace, labels },
        spec: objectAt(template, 'spec'),
      });
    } catch (error) {
      if (!(error instanceof ApiFailure && error.reason === 'AlreadyExists')) throw error;
    }
  }
}
