import { isDead } from './controller-nodes.ts';
import {
  controllerOf,
  deleteObject,
  isEnding,
  nameOf,
  now,
  patchStatus,
  pathOf,
  tell,
  unlessGone,
  type World,
} from './controller-world.ts';
import { type JsonObject, numberAt, objectsAt, textAt } from './json.ts';

/** Times on the sandbox's clock, ms: until a container is up, until a pod has ended, and between two crashes. */
const START = 1500;
const END = 1000;
const FIRST_CRASH = 10_000;
const LAST_CRASH = 300_000;

type Fate = 'run' | 'crash' | 'badimage' | 'pending' | 'job' | 'failjob';

/**
 * What becomes of a container, told by its image's name: `x/crash…`, `x/badimage…` and all of `missing/…`,
 * `x/pending…`, `x/job…`, `x/failjob…`; anything else runs.
 */
export function fateOf(image: string): Fate {
  const name = image.split('/').at(-1) ?? '';
  if (!image.includes('/')) return 'run';
  if (/(^|\/)missing\//.test(image)) return 'badimage';
  for (const fate of ['crash', 'badimage', 'pending', 'job', 'failjob'] as const) {
    if (name.startsWith(fate)) return fate;
  }
  return 'run';
}

/** Runs the pods that are bound to nodes, as the kubelets and their containers would. */
export class Pods {
  readonly #world: World;
  readonly #begun = new Map<string, number>();
  readonly #crashes = new Map<string, { count: number; next: number }>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Looks at one pod; the answer is after how many real ms it wants to be looked at again. */
  async reconcile(key: string): Promise<number | undefined> {
    const pod = this.#world.kinds.pods.items.get(key);
    if (pod === undefined) return undefined;
    const { uid } = nameOf(pod);
    const nodeName = textAt(pod, 'spec', 'nodeName') ?? '';
    const node = this.#world.kinds.nodes.items.get(`/${nodeName}`);
    if (nodeName === '') return undefined;
    if (node === undefined) {
      // The copies of nodes may lag behind those of pods: only the API server knows that a node is gone.
      const found = await unlessGone(this.#world.api.request('GET', pathOf('nodes', '', nodeName)));
      if (found !== undefined) return 100;
      await deleteObject(this.#world, 'pods', pod, { gracePeriodSeconds: 0 });
      return undefined;
    }
    if (isDead(node)) return undefined;
    if (isEnding(pod)) return await this.#end(pod, uid);
    const phase = textAt(pod, 'status', 'phase');
    if (phase === 'Succeeded' || phase === 'Failed') return undefined;
    const begun = this.#begun.get(uid);
    const known = objectsAt(pod, 'status', 'containerStatuses').length > 0;
    if (begun === undefined && !known) {
      this.#begun.set(uid, performance.now());
      await this.#status(pod, node, 'creating');
      return this.#world.real(START);
    }
    const fates = objectsAt(pod, 'spec', 'containers').map((container) => fateOf(textAt(container, 'image') ?? ''));
    if (fates.includes('pending')) return undefined;
    const wait = begun === undefined ? 0 : begun + this.#world.real(START) - performance.now();
    if (wait > 0) return wait;
    if (fates.includes('badimage')) return await this.#badImage(pod, node);
    const end = endOf(pod, fates);
    if (end !== undefined) {
      if (phase !== 'Running') {
        await this.#status(pod, node, 'running');
        return this.#world.real(START);
      }
      await this.#finish(pod, end);
      return undefined;
    }
    if (fates.includes('crash') || fates.includes('failjob')) return await this.#crash(pod, node, uid);
    if (phase === 'Running' && objectsAt(pod, 'status', 'containerStatuses').every((entry) => entry.ready === true))
      return undefined;
    await this.#status(pod, node, 'running');
    for (const container of objectsAt(pod, 'spec', 'containers')) {
      const image = textAt(container, 'image');
      tell(this.#world, pod, 'Normal', 'Pulled', `Container image "${image}" already present on machine`, 'kubelet');
      tell(this.#world, pod, 'Normal', 'Started', `Started container ${textAt(container, 'name')}`, 'kubelet');
    }
    this.#begun.delete(uid);
    return undefined;
  }

  /** The end of a pod whose containers do not come back. */
  async #finish(pod: JsonObject, end: 'Succeeded' | 'Failed'): Promise<void> {
    const exitCode = end === 'Succeeded' ? 0 : 1;
    const containerStatuses = objectsAt(pod, 'status', 'containerStatuses').map((status) => {
      const startedAt = textAt(status, 'state', 'running', 'startedAt') ?? now();
      const reason = exitCode === 0 ? 'Completed' : 'Error';
      const terminated = { exitCode, reason, startedAt, finishedAt: now(), containerID: textAt(status, 'containerID') };
      return { ...status, ready: false, started: false, state: { terminated } };
    });
    const conditions = objectsAt(pod, 'status', 'conditions').map((condition) =>
      condition.type === 'Ready' || condition.type === 'ContainersReady'
        ? {
            ...condition,
            status: 'False',
            reason: exitCode === 0 ? 'PodCompleted' : 'PodFailed',
            lastTransitionTime: now(),
          }
        : condition,
    );
    await patchStatus(this.#world, 'pods', pod, { phase: end, containerStatuses, conditions });
    this.#begun.delete(nameOf(pod).uid);
  }

  async #end(pod: JsonObject, uid: string): Promise<number | undefined> {
    const begun = this.#begun.get(`end ${uid}`);
    const grace = numberAt(pod, 'metadata', 'deletionGracePeriodSeconds') ?? 0;
    if (begun === undefined && grace > 0) {
      this.#begun.set(`end ${uid}`, performance.now());
      tell(
        this.#world,
        pod,
        'Normal',
        'Killing',
        `Stopping container ${textAt(objectsAt(pod, 'spec', 'containers')[0], 'name')}`,
        'kubelet',
      );
      return this.#world.real(Math.min(END, grace * 1000));
    }
    const wait = begun === undefined ? 0 : begun + this.#world.real(Math.min(END, grace * 1000)) - performance.now();
    if (wait > 0) return wait;
    await deleteObject(this.#world, 'pods', pod, { gracePeriodSeconds: 0 });
    this.forget(uid);
    return undefined;
  }

  /** Forgets a pod that is gone. */
  forget(uid: string): void {
    this.#begun.delete(uid);
    this.#begun.delete(`end ${uid}`);
    this.#crashes.delete(uid);
  }

  async #badImage(pod: JsonObject, node: JsonObject): Promise<undefined> {
    const reason = textAt(objectsAt(pod, 'status', 'containerStatuses')[0], 'state', 'waiting', 'reason');
    if (reason === 'ImagePullBackOff') return undefined;
    await this.#status(pod, node, 'badimage');
    const image = textAt(objectsAt(pod, 'spec', 'containers')[0], 'image');
    tell(this.#world, pod, 'Warning', 'Failed', `Failed to pull image "${image}": not found`, 'kubelet');
    return undefined;
  }

  async #crash(pod: JsonObject, node: JsonObject, uid: string): Promise<number> {
    const before = numberAt(objectsAt(pod, 'status', 'containerStatuses')[0], 'restartCount') ?? 0;
    const state = this.#crashes.get(uid) ?? { count: before, next: 0 };
    this.#crashes.set(uid, state);
    const wait = state.next - performance.now();
    if (wait > 0) return wait;
    state.count += 1;
    const pause = this.#world.real(Math.min(FIRST_CRASH * 2 ** (state.count - 1), LAST_CRASH));
    // At high speeds a crash loop would otherwise keep the machine busy.
    const bounded = Math.max(pause, 2000);
    state.next = performance.now() + bounded;
    await this.#status(pod, node, 'crash', state.count);
    tell(this.#world, pod, 'Warning', 'BackOff', 'Back-off restarting failed container', 'kubelet');
    return bounded;
  }

  #address(pod: JsonObject, node: JsonObject): string {
    const present = textAt(pod, 'status', 'podIP');
    if (present !== undefined) return present;
    const [range = '10.244.0'] = /^\d+\.\d+\.\d+/.exec(textAt(node, 'spec', 'podCIDR') ?? '10.244.0.0/24') ?? [];
    const { name } = nameOf(node);
    const used = new Set<string>();
    for (const other of this.#world.kinds.pods.items.values()) {
      if (textAt(other, 'spec', 'nodeName') === name) used.add(textAt(other, 'status', 'podIP') ?? '');
    }
    for (let last = 2; last < 255; last += 1) if (!used.has(`${range}.${last}`)) return `${range}.${last}`;
    return `${range}.254`;
  }

  async #status(
    pod: JsonObject,
    node: JsonObject,
    state: 'creating' | 'running' | 'badimage' | 'crash',
    restarts = 0,
  ): Promise<void> {
    const started = textAt(pod, 'status', 'startTime') ?? now();
    const host = textAt(
      objectsAt(node, 'status', 'addresses').find((entry) => entry.type === 'InternalIP'),
      'address',
    );
    const up = state === 'running';
    const uid = nameOf(pod).uid;
    const containerStatuses = objectsAt(pod, 'spec', 'containers').map((container) => {
      const image = textAt(container, 'image') ?? '';
      const fate = fateOf(image);
      const runs = up || (state !== 'creating' && fate === 'run');
      const failing = fate === 'crash' || fate === 'failjob';
      const failed = {
        exitCode: 1,
        reason: 'Error',
        startedAt: started,
        finishedAt: now(),
        containerID: `sandbox://${uid}`,
      };
      return {
        name: textAt(container, 'name') ?? '',
        image,
        imageID: runs ? `sandbox://${image}` : '',
        restartCount: failing ? restarts : 0,
        ready: runs,
        started: runs,
        ...(runs ? { containerID: `sandbox://${uid}` } : {}),
        state: runs ? { running: { startedAt: now() } } : { waiting: waitingOf(state, image) },
        lastState: failing && restarts > 0 ? { terminated: failed } : {},
      };
    });
    const old = objectsAt(pod, 'status', 'conditions');
    const conditions = (
      [
        ['PodScheduled', true],
        ['PodReadyToStartContainers', state !== 'creating'],
        ['Initialized', true],
        ['ContainersReady', up],
        ['Ready', up],
      ] as const
    ).map(([type, holds]) => {
      const status = holds ? 'True' : 'False';
      const before = old.find((entry) => entry.type === type && entry.status === status);
      const why = holds ? {} : { reason: 'ContainersNotReady', message: 'containers with unready status' };
      return {
        type,
        status,
        lastProbeTime: null,
        lastTransitionTime: textAt(before, 'lastTransitionTime') ?? now(),
        ...why,
      };
    });
    const address = state === 'creating' ? undefined : this.#address(pod, node);
    await patchStatus(this.#world, 'pods', pod, {
      phase: up || state === 'crash' ? 'Running' : 'Pending',
      startTime: started,
      conditions,
      containerStatuses,
      ...(host === undefined ? {} : { hostIP: host, hostIPs: [{ ip: host }] }),
      ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
    });
  }
}

/** How a pod ends by itself, or undefined when its containers are to run or to be started again. */
function endOf(pod: JsonObject, fates: readonly Fate[]): 'Succeeded' | 'Failed' | undefined {
  const policy = textAt(pod, 'spec', 'restartPolicy');
  if (policy !== 'Never' && policy !== 'OnFailure') return undefined;
  if (fates.includes('crash') || fates.includes('failjob')) return policy === 'Never' ? 'Failed' : undefined;
  // A Job's work is done at some time whatever its image is called; other pods may well run on.
  return fates.includes('job') || controllerOf(pod)?.kind === 'Job' ? 'Succeeded' : undefined;
}

function waitingOf(state: 'creating' | 'running' | 'badimage' | 'crash', image: string): JsonObject {
  if (state === 'badimage') {
    const message = `Back-off pulling image "${image}": ErrImagePull: ${image}: not found`;
    return { reason: 'ImagePullBackOff', message };
  }
  if (state === 'crash') return { reason: 'CrashLoopBackOff', message: 'back-off restarting failed container' };
  return { reason: 'ContainerCreating' };
}
