import { matchesNode, tolerates, untolerated } from './controller-placement.ts';
import { fateOf } from './controller-pods.ts';
import { claimObstacle } from './controller-volumes.ts';
import {
  isActive,
  isEnding,
  isReady,
  nameOf,
  now,
  patchStatus,
  tell,
  unlessGone,
  type World,
} from './controller-world.ts';
import { type JsonObject, objectAt, objectsAt, textAt } from './json.ts';
import { quantity } from './kube-quantities.ts';

/** What pods ask of a node; `score` counts something for pods that ask for nothing, as the real scheduler does. */
type Load = { cpu: number; memory: number; pods: number; score: number };

/** What a container that asks for nothing counts as when nodes are compared: cores and bytes. */
const UNSTATED_CPU = 0.1;
const UNSTATED_MEMORY = 200 * 2 ** 20;

/** Bytes of memory that weigh as much as one core when nodes are compared. */
const MEMORY_PER_CPU = 4 * 2 ** 30;

/** The taint of a cordoned node. */
const CORDONED = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

function noLoad(): Load {
  return { cpu: 0, memory: 0, pods: 0, score: 0 };
}

function requestsOf(pod: JsonObject): Load {
  const load = { ...noLoad(), pods: 1 };
  for (const container of objectsAt(pod, 'spec', 'containers')) {
    const requests = objectAt(container, 'resources', 'requests');
    const cpu = quantity(requests.cpu);
    const memory = quantity(requests.memory);
    load.cpu += cpu;
    load.memory += memory;
    load.score += (cpu || UNSTATED_CPU) + (memory || UNSTATED_MEMORY) / MEMORY_PER_CPU;
  }
  return load;
}

/** Why a pod does not fit on a node, or undefined when it does. */
function obstacle(pod: JsonObject, node: JsonObject, used: Load): string | undefined {
  if (objectAt(node, 'spec').unschedulable === true && tolerates(pod, CORDONED) === undefined) {
    return 'node(s) were unschedulable';
  }
  if (!isReady(node)) return 'node(s) were not ready';
  if (!matchesNode(pod, node)) return "node(s) didn't match Pod's node affinity/selector";
  const taint = untolerated(pod, node);
  if (taint !== undefined) {
    const value = textAt(taint, 'value') ?? '';
    return `node(s) had untolerated taint {${String(taint.key)}: ${value}}`;
  }
  const wanted = requestsOf(pod);
  const allocatable = objectAt(node, 'status', 'allocatable');
  if (used.pods + 1 > quantity(allocatable.pods)) return 'Too many pods';
  if (used.cpu + wanted.cpu > quantity(allocatable.cpu)) return 'Insufficient cpu';
  if (used.memory + wanted.memory > quantity(allocatable.memory)) return 'Insufficient memory';
  return undefined;
}

/** Gives pods to nodes: those that fit, the least loaded first. */
export class Scheduler {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Whether a pod waits for a node. */
  static waits(pod: JsonObject): boolean {
    return (textAt(pod, 'spec', 'nodeName') ?? '') === '' && isActive(pod);
  }

  /** Looks at one pod; one that fits nowhere is looked at again when a node or a pod changes. */
  async reconcile(key: string): Promise<undefined> {
    const pod = this.#world.kinds.pods.items.get(key);
    if (pod === undefined || !Scheduler.waits(pod)) return undefined;
    const nodes = [...this.#world.kinds.nodes.items.values()].filter((node) => !isEnding(node));
    const loads = this.#loads();
    const counts = new Map<string, number>();
    const pending = objectsAt(pod, 'spec', 'containers').some(
      (entry) => fateOf(textAt(entry, 'image') ?? '') === 'pending',
    );
    const claim = claimObstacle(this.#world, pod);
    let best: { node: JsonObject; share: number } | undefined;
    for (const node of nodes) {
      const used = loads.get(nameOf(node).name) ?? noLoad();
      const why = claim ?? (pending ? 'node(s) refused an image that is to stay pending' : obstacle(pod, node, used));
      if (why !== undefined) {
        counts.set(why, (counts.get(why) ?? 0) + 1);
        continue;
      }
      const allocatable = objectAt(node, 'status', 'allocatable');
      const share = used.score / quantity(allocatable.cpu);
      if (best === undefined || share < best.share) best = { node, share };
    }
    if (best === undefined) await this.#refuse(pod, nodes.length, counts);
    else await this.#bind(pod, nameOf(best.node).name);
    return undefined;
  }

  #loads(): Map<string, Load> {
    const loads = new Map<string, Load>();
    for (const pod of this.#world.kinds.pods.items.values()) {
      const node = textAt(pod, 'spec', 'nodeName') ?? '';
      const phase = textAt(pod, 'status', 'phase');
      if (node === '' || phase === 'Succeeded' || phase === 'Failed') continue;
      const load = loads.get(node) ?? noLoad();
      const more = requestsOf(pod);
      loads.set(node, {
        cpu: load.cpu + more.cpu,
        memory: load.memory + more.memory,
        pods: load.pods + 1,
        score: load.score + more.score,
      });
    }
    return loads;
  }

  async #bind(pod: JsonObject, node: string): Promise<void> {
    const { namespace, name } = nameOf(pod);
    const body = {
      kind: 'Binding',
      apiVersion: 'v1',
      metadata: { name, namespace },
      target: { kind: 'Node', apiVersion: 'v1', name: node },
    };
    const bound = await unlessGone(
      this.#world.api.request('POST', `/api/v1/namespaces/${namespace}/pods/${name}/binding`, body),
    );
    if (bound === undefined) return;
    // The next pod must see this one's load before the watch brings it.
    this.#world.kinds.pods.accept({ ...pod, spec: { ...objectAt(pod, 'spec'), nodeName: node } });
    tell(
      this.#world,
      pod,
      'Normal',
      'Scheduled',
      `Successfully assigned ${namespace}/${name} to ${node}`,
      'default-scheduler',
    );
  }

  async #refuse(pod: JsonObject, nodes: number, counts: Map<string, number>): Promise<void> {
    const reasons = [...counts].map(([why, count]) => (why.includes('ersistent') ? why : `${count} ${why}`)).sort();
    const message =
      nodes === 0 ? 'no nodes available to schedule pods' : `0/${nodes} nodes are available: ${reasons.join(', ')}.`;
    const old = objectsAt(pod, 'status', 'conditions').find((entry) => entry.type === 'PodScheduled');
    if (old?.status === 'False' && old.message === message) return;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastProbeTime: null,
      lastTransitionTime: now(),
    };
    await patchStatus(this.#world, 'pods', pod, { phase: 'Pending', conditions: [condition] });
    tell(this.#world, pod, 'Warning', 'FailedScheduling', message, 'default-scheduler');
  }
}
