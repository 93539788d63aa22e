import { ApiFailure, MERGE } from './controller-client.ts';
import { isEnding, nameOf, now, patchStatus, tell, type World } from './controller-world.ts';
import { type JsonObject, objectAt, objectsAt, textAt } from './json.ts';

/** How long a machine boots, ms of the sandbox's clock. */
const BOOT = 1500;

/** How often a node's status is sent although nothing changed, ms; the kubelet's own figure. */
const STATUS_EVERY = 300_000;

/** A node with this annotation set to "true" reports that it is not Ready: a machine in trouble on demand. */
const TROUBLE = 'sandbox.kqueen.io/not-ready';

/** A node with this annotation set to "true" is a machine that died: nothing is heard of it, and its pods never end. */
const DEATH = 'sandbox.kqueen.io/dead';

/** Whether a node's machine is dead. */
export function isDead(node: JsonObject): boolean {
  return textAt(node, 'metadata', 'annotations', DEATH) === 'true';
}

const CONDITIONS: readonly [string, string, string, string][] = [
  ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
];

type Seen = { boot: number; status: number; lease: number };

/** Keeps nodes Ready and their leases fresh, as a kubelet on each would. */
export class Nodes {
  readonly #world: World;
  readonly #heartbeat: number;
  readonly #seen = new Map<string, Seen>();

  readonly #real: boolean;

  /** `heartbeat` is how often leases are renewed, real ms; `real` that others watch over them. */
  constructor(world: World, heartbeat: number, real: boolean) {
    this.#real = real;
    this.#world = world;
    this.#heartbeat = heartbeat;
  }

  /** Looks at one node; the answer is after how many real ms it wants to be looked at again. */
  async reconcile(key: string): Promise<number | undefined> {
    const node = this.#world.kinds.nodes.items.get(key);
    if (node === undefined || isEnding(node)) {
      this.#seen.delete(key);
      return undefined;
    }
    const seen = this.#seen.get(key) ?? { boot: performance.now(), status: 0, lease: 0 };
    this.#seen.set(key, seen);
    const booted = objectsAt(node, 'status', 'conditions').some((entry) => entry.type === 'MemoryPressure');
    const wait = seen.boot + this.#world.real(BOOT) - performance.now();
    if (!booted && wait > 0) return wait;
    if (isDead(node)) {
      await this.#lose(node);
      return undefined;
    }
    const trouble = textAt(node, 'metadata', 'annotations', TROUBLE) === 'true';
    const ready = objectsAt(node, 'status', 'conditions').find((entry) => entry.type === 'Ready');
    const changed = (ready?.status === 'True') === trouble || ready?.status === 'Unknown' || !booted;
    if (changed || performance.now() - seen.status > STATUS_EVERY) {
      seen.status = performance.now();
      await patchStatus(this.#world, 'nodes', node, { conditions: conditionsOf(node, trouble), ...capacityOf(node) });
      if (changed)
        tell(
          this.#world,
          node,
          'Normal',
          trouble ? 'NodeNotReady' : 'NodeReady',
          `Node ${nameOf(node).name} status is now: ${trouble ? 'NodeNotReady' : 'NodeReady'}`,
          'kubelet',
        );
    }
    // A machine in trouble sends no heartbeats either.
    if (!trouble && performance.now() - seen.lease >= this.#heartbeat * 0.9) {
      await this.#renew(node);
      seen.lease = performance.now();
    }
    return this.#heartbeat;
  }

  /** What the API server is told by those who miss a node's heartbeats; a real one has its own for that. */
  async #lose(node: JsonObject): Promise<void> {
    const old = objectsAt(node, 'status', 'conditions');
    if (this.#real || old.every((entry) => entry.status === 'Unknown')) return;
    const conditions = old.map((entry) => ({
      ...entry,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: entry.status === 'Unknown' ? entry.lastTransitionTime : now(),
    }));
    await patchStatus(this.#world, 'nodes', node, { conditions });
    const message = `Node ${nameOf(node).name} status is now: NodeNotReady`;
    tell(this.#world, node, 'Normal', 'NodeNotReady', message, 'node-controller');
  }

  async #renew(node: JsonObject): Promise<void> {
    const { name, uid } = nameOf(node);
    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    const renewTime = `${new Date().toISOString().slice(0, -1)}000Z`;
    try {
      await this.#world.api.request('PATCH', `${leases}/${name}`, { spec: { renewTime } }, MERGE);
    } catch (error) {
      if (!(error instanceof ApiFailure && error.code === 404)) throw error;
      await this.#world.api.request('POST', leases, {
        metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] },
        spec: { holderIdentity: name, leaseDurationSeconds: Math.ceil((this.#heartbeat * 4) / 1000), renewTime },
      });
    }
  }
}

function conditionsOf(node: JsonObject, trouble: boolean): JsonObject[] {
  const old = objectsAt(node, 'status', 'conditions');
  const ready: [string, string, string, string] = trouble
    ? ['Ready', 'False', 'KubeletNotReady', `annotation ${TROUBLE} is set`]
    : ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'];
  return [...CONDITIONS, ready].map(([type, status, reason, message]) => {
    const before = old.find((entry) => entry.type === type);
    const since = before?.status === status ? textAt(before, 'lastTransitionTime') : undefined;
    return { type, status, reason, message, lastHeartbeatTime: now(), lastTransitionTime: since ?? now() };
  });
}

/** Sizes for a node that came without any, as one made by hand does. */
function capacityOf(node: JsonObject): JsonObject {
  if (Object.keys(objectAt(node, 'status', 'capacity')).length > 0) return {};
  const capacity = { cpu: '4', memory: '16Gi', pods: '110' };
  return { capacity, allocatable: { cpu: '3900m', memory: '15Gi', pods: '110' } };
}
