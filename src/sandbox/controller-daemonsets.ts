import { matchesNode, untolerated } from './controller-placement.ts';
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

/** What pods of DaemonSets tolerate beside what their template says; a cordoned or sick node keeps them. */
const TOLERATED: readonly [string, string][] = [
  ['node.kubernetes.io/not-ready', 'NoExecute'],
  ['node.kubernetes.io/unreachable', 'NoExecute'],
  ['node.kubernetes.io/disk-pressure', 'NoSchedule'],
  ['node.kubernetes.io/memory-pressure', 'NoSchedule'],
  ['node.kubernetes.io/pid-pressure', 'NoSchedule'],
  ['node.kubernetes.io/unschedulable', 'NoSchedule'],
];

/** Runs DaemonSets: one pod on every node that it fits. */
export class DaemonSets {
  readonly #world: World;
  readonly #kept = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  #template(set: JsonObject, hash: string): JsonObject {
    const pod = podOf(set, `${nameOf(set).name}-`, { [REVISION_HASH]: hash });
    const spec = objectAt(pod, 'spec');
    const more = TOLERATED.map(([key, effect]) => ({ key, operator: 'Exists', effect }));
    spec.tolerations = [...objectsAt(spec, 'tolerations'), ...more];
    return pod;
  }

  /** Looks at one DaemonSet. */
  async reconcile(key: string): Promise<undefined> {
    const set = this.#world.kinds.daemonsets.items.get(key);
    if (set === undefined) {
      this.#kept.delete(key);
      return undefined;
    }
    const { uid } = nameOf(set);
    const hash = hashOf(objectAt(set, 'spec', 'template'));
    const template = this.#template(set, hash);
    const nodes = [...this.#world.kinds.nodes.items.values()].filter(
      (node) => !isEnding(node) && matchesNode(template, node) && untolerated(template, node, true) === undefined,
    );
    const wanted = new Set(nodes.map((node) => nameOf(node).name));
    const own = (): JsonObject[] =>
      [...this.#world.kinds.pods.items.values()].filter((pod) => controllerOf(pod)?.uid === uid);
    if (!isEnding(set)) {
      if (this.#kept.get(key) !== hash) {
        await keepRevision(this.#world, set, hash);
        this.#kept.set(key, hash);
      }
      await this.#place(set, template, wanted, own());
      await this.#renew(set, hash, wanted.size, own());
    }
    const pods = own().filter((pod) => isActive(pod) && wanted.has(textAt(pod, 'spec', 'nodeName') ?? ''));
    const ready = pods.filter(isReady).length;
    const fresh = pods.filter((pod) => textsAt(pod, 'metadata', 'labels')[REVISION_HASH] === hash).length;
    const status: JsonObject = {
      observedGeneration: numberAt(set, 'metadata', 'generation') ?? 0,
      desiredNumberScheduled: wanted.size,
      currentNumberScheduled: pods.length,
      updatedNumberScheduled: fresh,
      numberMisscheduled: 0,
      numberReady: ready,
      numberAvailable: ready,
      numberUnavailable: wanted.size - ready,
    };
    if (!sameJson(objectAt(set, 'status'), status)) await patchStatus(this.#world, 'daemonsets', set, status);
    return undefined;
  }

  async #place(set: JsonObject, template: JsonObject, wanted: Set<string>, pods: JsonObject[]): Promise<void> {
    const placed = new Set<string>();
    for (const pod of pods) {
      const node = textAt(pod, 'spec', 'nodeName') ?? '';
      const over = textAt(pod, 'status', 'phase') === 'Failed' || textAt(pod, 'status', 'phase') === 'Succeeded';
      if (!isEnding(pod) && (over || !wanted.has(node) || placed.has(node))) {
        await deleteObject(this.#world, 'pods', pod);
      }
      placed.add(node);
    }
    for (const node of wanted) {
      if (placed.has(node)) continue;
      const pod = structuredClone(template);
      objectAt(pod, 'spec').nodeName = node;
      const made = await makePod(this.#world, pod);
      if (made === undefined) continue;
      tell(this.#world, set, 'Normal', 'SuccessfulCreate', `Created pod: ${nameOf(made).name}`, 'daemonset-controller');
    }
  }

  /** Ends pods of old revisions, no more at a time than may be unavailable. */
  async #renew(set: JsonObject, hash: string, total: number, pods: JsonObject[]): Promise<void> {
    if (textAt(set, 'spec', 'updateStrategy', 'type') === 'OnDelete') return;
    const given = objectAt(set, 'spec', 'updateStrategy', 'rollingUpdate').maxUnavailable ?? 1;
    const most = typeof given === 'string' ? Math.ceil((Number.parseInt(given, 10) / 100) * total) : Number(given);
    let spare = Math.max(most, 1) - (total - pods.filter((pod) => isActive(pod) && isReady(pod)).length);
    for (const pod of pods) {
      if (textsAt(pod, 'metadata', 'labels')[REVISION_HASH] === hash || isEnding(pod)) continue;
      if (isReady(pod)) {
        if (spare <= 0) continue;
        spare -= 1;
      }
      await deleteObject(this.#world, 'pods', pod);
    }
  }
}
