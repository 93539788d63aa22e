import { MERGE } from './controller-client.ts';
import { tolerates } from './controller-placement.ts';
import { deleteObject, isEnding, isReady, nameOf, now, patchStatus, tell, type World } from './controller-world.ts';
import { type JsonObject, numberAt, objectAt, objectsAt, sameJson, textAt } from './json.ts';

const CORDONED = 'node.kubernetes.io/unschedulable';
const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';

/** The taints that the state of nodes makes; all others are people's. */
const OWN = new Set([CORDONED, NOT_READY, UNREACHABLE]);

/** Taints nodes by their state, and evicts pods that do not tolerate it, or no longer. */
export class NodeLife {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Looks at one node; the answer is after how many real ms a pod's patience ends. */
  async reconcile(key: string): Promise<number | undefined> {
    const node = this.#world.kinds.nodes.items.get(key);
    if (node === undefined || isEnding(node)) return undefined;
    const taints = objectsAt(node, 'spec', 'taints');
    const wanted = this.#wanted(node, taints);
    if (!sameJson(taints, wanted)) {
      const { resourceVersion } = objectAt(node, 'metadata');
      const patch = { metadata: { resourceVersion }, spec: { taints: wanted.length === 0 ? null : wanted } };
      const path = `/api/v1/nodes/${nameOf(node).name}`;
      this.#world.kinds.nodes.accept(await this.#world.api.request('PATCH', path, patch, MERGE));
    }
    const evicting = wanted.filter((taint) => taint.effect === 'NoExecute');
    if (evicting.length === 0) return undefined;
    const unknown = wanted.some((taint) => taint.key === UNREACHABLE);
    let soonest: number | undefined;
    for (const pod of [...this.#world.kinds.pods.items.values()]) {
      if (textAt(pod, 'spec', 'nodeName') !== nameOf(node).name || isEnding(pod)) continue;
      if (unknown && isReady(pod)) await this.#lose(pod);
      const wait = this.#patience(pod, evicting);
      if (wait === undefined) continue;
      if (wait > 0) soonest = Math.min(soonest ?? wait, wait);
      else {
        tell(
          this.#world,
          pod,
          'Normal',
          'TaintManagerEviction',
          `Marking for deletion Pod ${nameOf(pod).namespace}/${nameOf(pod).name}`,
          'taint-eviction-controller',
        );
        await deleteObject(this.#world, 'pods', pod);
      }
    }
    return soonest;
  }

  #wanted(node: JsonObject, taints: readonly JsonObject[]): JsonObject[] {
    const ready = objectsAt(node, 'status', 'conditions').find((entry) => entry.type === 'Ready');
    const own: [string, string][] = [];
    if (objectAt(node, 'spec').unschedulable === true) own.push([CORDONED, 'NoSchedule']);
    const booted = objectsAt(node, 'status', 'conditions').some((entry) => entry.type === 'MemoryPressure');
    if (ready?.status === 'False' && booted) own.push([NOT_READY, 'NoSchedule'], [NOT_READY, 'NoExecute']);
    if (ready?.status === 'Unknown') own.push([UNREACHABLE, 'NoSchedule'], [UNREACHABLE, 'NoExecute']);
    const present = own.map(([key, effect]) => {
      const old = taints.find((taint) => taint.key === key && taint.effect === effect);
      return old ?? { key, effect, timeAdded: now() };
    });
    return [...taints.filter((taint) => !OWN.has(String(taint.key))), ...present];
  }

  /** How long, in real ms, a pod still bears a node's taints; undefined when it always does. */
  #patience(pod: JsonObject, taints: readonly JsonObject[]): number | undefined {
    let least: number | undefined;
    for (const taint of taints) {
      const toleration = tolerates(pod, taint);
      const seconds = toleration === undefined ? 0 : numberAt(toleration, 'tolerationSeconds');
      if (seconds === undefined) continue;
      const since = Date.parse(textAt(taint, 'timeAdded') ?? now());
      const left = since + this.#world.real(seconds * 1000) - Date.now();
      least = Math.min(least ?? left, left);
    }
    return least;
  }

  /** A pod of which nothing is heard any more. */
  async #lose(pod: JsonObject): Promise<void> {
    const conditions = objectsAt(pod, 'status', 'conditions').map((condition) =>
      condition.type === 'Ready'
        ? { ...condition, status: 'False', reason: 'NodeLost', lastTransitionTime: now() }
        : condition,
    );
    await patchStatus(this.#world, 'pods', pod, { conditions });
  }
}
