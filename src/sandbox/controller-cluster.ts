import { Autoscalers } from './controller-autoscalers.ts';
import { Budgets } from './controller-budgets.ts';
import { Cleanup, DEPENDENTS, type Dependent, type Owner, ownerKind } from './controller-cleanup.ts';
import type { ApiClient } from './controller-client.ts';
import { CronJobs } from './controller-cronjobs.ts';
import { DaemonSets } from './controller-daemonsets.ts';
import { Deployments } from './controller-deployments.ts';
import { Informer, keyOf, type OnChange } from './controller-informer.ts';
import { Jobs } from './controller-jobs.ts';
import { Loop } from './controller-loop.ts';
import { NodeLife } from './controller-node-life.ts';
import { isDead, Nodes } from './controller-nodes.ts';
import { Pods } from './controller-pods.ts';
import { ReplicaSets } from './controller-replicasets.ts';
import { Scheduler } from './controller-scheduler.ts';
import { Services } from './controller-services.ts';
import { StatefulSets } from './controller-statefulsets.ts';
import { Volumes } from './controller-volumes.ts';
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
      kinds: Object.fromEntries((Object.keys(PATHS) as Kind[]).map((kind) => [kind, informer(kind)])) as Record<
        Kind,
        Informer
      >,
      real: (ms) => ms / options.speed(),
    };
    const nodes = new Nodes(this.#world, options.heartbeat ?? HEARTBEAT, options.kubeletOnly);
    const life = new NodeLife(this.#world);
    this.#pods = new Pods(this.#world);
    const scheduler = new Scheduler(this.#world);
    const sets = new ReplicaSets(this.#world);
    const deployments = new Deployments(this.#world);
    const services = new Services(this.#world);
    const cleanup = new Cleanup(this.#world);
    const stateful = new StatefulSets(this.#world);
    const daemons = new DaemonSets(this.#world);
    const jobs = new Jobs(this.#world);
    const crons = new CronJobs(this.#world);
    const volumes = new Volumes(this.#world);
    const budgets = new Budgets(this.#world);
    const scalers = new Autoscalers(this.#world);
    this.#loops = {
      nodes: this.#loop('nodes', (key) => nodes.reconcile(key), 4),
      nodeLife: this.#loop('nodeLife', (key) => life.reconcile(key), 2),
      kubelet: this.#loop('kubelet', (key) => this.#pods.reconcile(key), 16),
      // One at a time: every decision needs the load that the last one made.
      scheduler: this.#loop('scheduler', (key) => scheduler.reconcile(key), 1),
      replicasets: this.#loop('replicasets', (key) => sets.reconcile(key), 4),
      deployments: this.#loop('deployments', (key) => deployments.reconcile(key), 4),
      services: this.#loop('services', (key) => services.reconcile(key), 4),
      namespaces: this.#loop('namespaces', (key) => cleanup.namespace(key), 2),
      statefulsets: this.#loop('statefulsets', (key) => stateful.reconcile(key), 2),
      daemonsets: this.#loop('daemonsets', (key) => daemons.reconcile(key), 2),
      jobs: this.#loop('jobs', (key) => jobs.reconcile(key), 2),
      cronjobs: this.#loop('cronjobs', (key) => crons.reconcile(key), 1),
      persistentvolumeclaims: this.#loop('persistentvolumeclaims', (key) => volumes.claim(key), 1),
      persistentvolumes: this.#loop('persistentvolumes', (key) => volumes.volume(key), 2),
      poddisruptionbudgets: this.#loop('poddisruptionbudgets', (key) => budgets.budget(key), 1),
      resourcequotas: this.#loop('resourcequotas', (key) => budgets.quota(key), 1),
      ingresses: this.#loop('ingresses', (key) => budgets.ingress(key), 1),
      horizontalpodautoscalers: this.#loop('horizontalpodautoscalers', (key) => scalers.reconcile(key), 1),
      orphans: this.#loop('orphans', (key) => cleanup.orphan(...placeOf<Dependent>(key)), 4),
      endings: this.#loop('endings', (key) => cleanup.foreground(...placeOf<Owner>(key)), 2),
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
      case 'persistentvolumeclaims':
        this.#add(kind, key);
        if (now === undefined)
          for (const volume of this.#world.kinds.persistentvolumes.items.keys()) this.#add('persistentvolumes', volume);
        this.#wakeScheduler();
        return;
      case 'replicasets':
      case 'deployments':
      case 'statefulsets':
      case 'daemonsets':
      case 'jobs':
      case 'cronjobs':
        this.#ownerChanged(kind, key, object, now, before);
        return;
      default:
        this.#add(kind, key);
    }
  }

  #ownerChanged(
    kind: Owner,
    key: string,
    object: JsonObject,
    now: JsonObject | undefined,
    before: JsonObject | undefined,
  ): void {
    this.#add(kind, key);
    const owner = controllerOf(object);
    const above = owner === undefined ? undefined : ownerKind(owner.kind);
    if (owner !== undefined && above !== undefined) {
      const place = `${nameOf(object).namespace}/${owner.name}`;
      this.#add(above, place);
      this.#add('endings', `${above}:${place}`);
      if (before === undefined) this.#add('orphans', `${kind}:${key}`);
    }
    if (kind === 'replicasets' || kind === 'statefulsets') this.#addNamespace('poddisruptionbudgets', object);
    if (now === undefined) this.#lostOwner(nameOf(object).uid);
    else if (isEnding(now)) this.#add('endings', `${kind}:${key}`);
  }

  #lostOwner(uid: string): void {
    for (const kind of DEPENDENTS) {
      for (const [key, object] of this.#world.kinds[kind].items) {
        if (controllerOf(object)?.uid === uid) this.#add('orphans', `${kind}:${key}`);
      }
    }
  }

  /** Looks at all objects of a kind in an object's namespace. */
  #addNamespace(kind: 'poddisruptionbudgets' | 'resourcequotas', object: JsonObject): void {
    const { namespace } = nameOf(object);
    for (const [key, each] of this.#world.kinds[kind].items) {
      if (nameOf(each).namespace === namespace) this.#add(kind, key);
    }
  }

  #nodeChanged(key: string, now: JsonObject | undefined, before: JsonObject | undefined): void {
    this.#add('nodes', key);
    if (!this.#kubeletOnly) this.#add('nodeLife', key);
    const name = key.slice(1);
    if (now === undefined || before === undefined || isDead(now) !== isDead(before)) {
      for (const [pod, object] of this.#world.kinds.pods.items)
        if (textAt(object, 'spec', 'nodeName') === name) this.#add('kubelet', pod);
    }
    const offer = (node: JsonObject | undefined): Json => [
      isReady(node ?? {}),
      node?.spec ?? null,
      textsAt(node, 'metadata', 'labels'),
      textsAt(node, 'status', 'allocatable'),
    ];
    if (sameJson(offer(before), offer(now))) return;
    this.#wakeScheduler();
    if (!this.#kubeletOnly) for (const set of this.#world.kinds.daemonsets.items.keys()) this.#add('daemonsets', set);
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
    const above = ownerKind(owner?.kind ?? '');
    if (owner !== undefined && above !== undefined) {
      const place = `${namespace}/${owner.name}`;
      this.#add(above, place);
      if (before === undefined) this.#add('orphans', `pods:${key}`);
      if (now === undefined) {
        this.#add('endings', `${above}:${place}`);
        // A Deployment that is recreated waits for the last old pod to be gone.
        const set = this.#world.kinds[above].items.get(place);
        const top = set === undefined ? undefined : controllerOf(set);
        if (top?.kind === 'Deployment') this.#add('deployments', `${namespace}/${top.name}`);
      }
    }
    this.#addNamespace('poddisruptionbudgets', object);
    this.#addNamespace('resourcequotas', object);
    for (const [service, entry] of this.#world.kinds.services.items) {
      if (nameOf(entry).namespace === namespace && Services.selects(entry, object)) this.#add('services', service);
    }
  }
}

/** Kind and key of a place such as `pods:default/web`. */
function placeOf<T extends Kind>(place: string): [T, string] {
  const colon = place.indexOf(':');
  return [place.slice(0, colon) as T, place.slice(colon + 1)];
}
