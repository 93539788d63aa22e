import { Cleanup } from './controller-cleanup.ts';
import type { ApiClient } from './controller-client.ts';
import { Deployments } from './controller-deployments.ts';
import { Informer, keyOf, type OnChange } from './controller-informer.ts';
import { Loop } from './controller-loop.ts';
import { Nodes } from './controller-nodes.ts';
import { Pods } from './controller-pods.ts';
import { ReplicaSets } from './controller-replicasets.ts';
import { Scheduler } from './controller-scheduler.ts';
import { Services } from './controller-services.ts';
import { controllerOf, isEnding, isReady, type Kind, nameOf, PATHS, type World } from './controller-world.ts';
import { type Json, type JsonObject, sameJson, textAt, textsAt } from './json.ts';

/** How a controller works. */
export type ControllerOptions = {
  /** How much faster than the wall things happen. */
  speed: () => number;
  /** Only nodes and the pods on them; the API server has its own controllers for the rest. */
  kubeletOnly: boolean;
  /** How often leases of nodes are renewed, real ms. */
  heartbeat?: number;
  /** Hears of what failed and will be tried again; conflicts are among it, so most of it is harmless. */
  onFailure?: (what: string, error: unknown) => void;
};

/** Coarse, as nothing in the sandbox judges nodes by their leases; a hundred clusters then cost next to nothing. */
const HEARTBEAT = 60_000;

/** Everything that moves in one cluster: a plain client of its API, by lists and watches. */
export class Controller {
  readonly #world: World;
  readonly #kinds: readonly Kind[];
  readonly #loops: Record<string, Loop>;
  readonly #pods: Pods;
  readonly #kubeletOnly: boolean;
  readonly #onFailure: (what: string, error: unknown) => void;

  constructor(api: ApiClient, options: ControllerOptions) {
    this.#kubeletOnly = options.kubeletOnly;
    this.#onFailure = options.onFailure ?? (() => undefined);
    this.#kinds = options.kubeletOnly ? ['nodes', 'pods'] : (Object.keys(PATHS) as Kind[]);
    const informer = (kind: Kind): Informer =>
      new Informer(api, PATHS[kind], this.#listener(kind), () => this.#synced());
    this.#world = {
      api,
      kinds: {
        nodes: informer('nodes'),
        pods: informer('pods'),
        namespaces: informer('namespaces'),
        services: informer('services'),
        replicasets: informer('replicasets'),
        deployments: informer('deployments'),
      },
      real: (ms) => ms / options.speed(),
    };
    const nodes = new Nodes(this.#world, options.heartbeat ?? HEARTBEAT);
    this.#pods = new Pods(this.#world);
    const scheduler = new Scheduler(this.#world);
    const sets = new ReplicaSets(this.#world);
    const deployments = new Deployments(this.#world);
    const services = new Services(this.#world);
    const cleanup = new Cleanup(this.#world);
    this.#loops = {
      nodes: this.#loop('nodes', (key) => nodes.reconcile(key), 4),
      kubelet: this.#loop('kubelet', (key) => this.#pods.reconcile(key), 16),
      // One at a time: every decision needs the load that the last one made.
      scheduler: this.#loop('scheduler', (key) => scheduler.reconcile(key), 1),
      replicasets: this.#loop('replicasets', (key) => sets.reconcile(key), 4),
      deployments: this.#loop('deployments', (key) => deployments.reconcile(key), 4),
      services: this.#loop('services', (key) => services.reconcile(key), 4),
      namespaces: this.#loop('namespaces', (key) => cleanup.namespace(key), 2),
      podOwners: this.#loop('podOwners', (key) => cleanup.orphan('pods', key), 4),
      setOwners: this.#loop('setOwners', (key) => cleanup.orphan('replicasets', key), 4),
      endingSets: this.#loop('endingSets', (key) => cleanup.foreground('replicasets', key), 2),
      endingDeployments: this.#loop('endingDeployments', (key) => cleanup.foreground('deployments', key), 2),
    };
  }

  /** Begins to list and watch. */
  start(): void {
    for (const kind of this.#kinds) this.#world.kinds[kind].start();
  }

  /** Ends all watches and timers. */
  stop(): void {
    for (const informer of Object.values(this.#world.kinds)) informer.stop();
    for (const loop of Object.values(this.#loops)) loop.stop();
  }

  #loop(name: string, reconcile: (key: string) => Promise<number | undefined>, width: number): Loop {
    const work = async (key: string): Promise<void> => {
      const again = await reconcile(key);
      if (again !== undefined) this.#loops[name]?.addAfter(key, Math.max(again, 1));
    };
    return new Loop(work, width, (key, error) => this.#onFailure(`${name} ${key}`, error));
  }

  #ready(): boolean {
    return this.#kinds.every((kind) => this.#world.kinds[kind].synced);
  }

  /** Once every first list is in, all is looked at; before, a copy could be missing what another refers to. */
  #synced(): void {
    if (!this.#ready()) return;
    for (const kind of this.#kinds) {
      for (const object of this.#world.kinds[kind].items.values()) this.#changed(kind, object, undefined);
    }
  }

  #listener(kind: Kind): OnChange {
    return (now, before) => {
      if (this.#ready()) this.#changed(kind, now, before);
    };
  }

  #add(loop: string, key: string): void {
    this.#loops[loop]?.add(key);
  }

  #changed(kind: Kind, now: JsonObject | undefined, before: JsonObject | undefined): void {
    const object = now ?? before;
    if (object === undefined) return;
    const key = keyOf(object);
    switch (kind) {
      case 'nodes':
        this.#nodeChanged(key, now, before);
        return;
      case 'pods':
        this.#podChanged(key, object, now, before);
        return;
      case 'replicasets': {
        this.#add('replicasets', key);
        const owner = controllerOf(object);
        if (owner !== undefined) {
          this.#add('deployments', `${nameOf(object).namespace}/${owner.name}`);
          this.#add('endingDeployments', `${nameOf(object).namespace}/${owner.name}`);
          if (before === undefined) this.#add('setOwners', key);
        }
        if (now === undefined) this.#lostOwner('pods', nameOf(object).uid, 'podOwners');
        else if (isEnding(now)) this.#add('endingSets', key);
        return;
      }
      case 'deployments':
        this.#add('deployments', key);
        if (now === undefined) this.#lostOwner('replicasets', nameOf(object).uid, 'setOwners');
        else if (isEnding(now)) this.#add('endingDeployments', key);
        return;
      default:
        this.#add(kind, key);
    }
  }

  #lostOwner(kind: 'pods' | 'replicasets', uid: string, loop: string): void {
    for (const [key, object] of this.#world.kinds[kind].items)
      if (controllerOf(object)?.uid === uid) this.#add(loop, key);
  }

  #nodeChanged(key: string, now: JsonObject | undefined, before: JsonObject | undefined): void {
    this.#add('nodes', key);
    const name = key.slice(1);
    if (now === undefined || before === undefined) {
      for (const [pod, object] of this.#world.kinds.pods.items)
        if (textAt(object, 'spec', 'nodeName') === name) this.#add('kubelet', pod);
    }
    const offer = (node: JsonObject | undefined): Json => [
      isReady(node ?? {}),
      node?.spec ?? null,
      textsAt(node, 'metadata', 'labels'),
      textsAt(node, 'status', 'allocatable'),
    ];
    if (!sameJson(offer(before), offer(now))) this.#wakeScheduler();
  }

  #wakeScheduler(): void {
    if (this.#kubeletOnly) return;
    for (const [key, pod] of this.#world.kinds.pods.items) if (Scheduler.waits(pod)) this.#add('scheduler', key);
  }

  #podChanged(key: string, object: JsonObject, now: JsonObject | undefined, before: JsonObject | undefined): void {
    this.#add('kubelet', key);
    if (now === undefined) this.#pods.forget(nameOf(object).uid);
    if (this.#kubeletOnly) return;
    if (now === undefined) this.#wakeScheduler();
    else if (Scheduler.waits(now)) this.#add('scheduler', key);
    const { namespace } = nameOf(object);
    const owner = controllerOf(object);
    if (owner?.kind === 'ReplicaSet') {
      this.#add('replicasets', `${namespace}/${owner.name}`);
      if (before === undefined) this.#add('podOwners', key);
      if (now === undefined) {
        this.#add('endingSets', `${namespace}/${owner.name}`);
        // A Deployment that is recreated waits for the last old pod to be gone.
        const set = this.#world.kinds.replicasets.items.get(`${namespace}/${owner.name}`);
        const above = set === undefined ? undefined : controllerOf(set);
        if (above !== undefined) this.#add('deployments', `${namespace}/${above.name}`);
      }
    }
    for (const [service, entry] of this.#world.kinds.services.items) {
      if (nameOf(entry).namespace === namespace && Services.selects(entry, object)) this.#add('services', service);
    }
  }
}
