import { randomBytes } from 'node:crypto';
import type { SandboxClock } from './clock.ts';
import { type ClusterBackend, ownBackend } from './cloud-backend.ts';
import { Histories } from './cloud-history.ts';
import { Quotas } from './cloud-quota.ts';
import {
  type Change,
  type ClusterRecord,
  clusterOf,
  type Failure,
  type Happening,
  kept,
  machinesOf,
  type OperationRecord,
  type OperationType,
  operationOf,
  stepsOf,
} from './cloud-records.ts';
import {
  CloudError,
  type ClusterWish,
  checkAddons,
  checkRetired,
  checkVersion,
  checkWish,
  fingerprintOf,
  type Quota,
} from './cloud-rules.ts';
import { type CloudActions, OperationRunner } from './cloud-runner.ts';
import { machinesIn, takeStep } from './cloud-steps.ts';
import type { SandboxDatabase } from './database.ts';
import type { Faults } from './faults.ts';
import { KubeApi } from './kube-api.ts';
import { randomToken } from './kube-objects.ts';
import { ObjectStore } from './kube-store.ts';

/** What the cloud hangs on. */
export type CloudParts = {
  db: SandboxDatabase;
  clock: SandboxClock;
  faults: Faults;
  controllerToken: string;
  address: () => string;
  /** Called when a cluster's API comes up, and when it goes. */
  onApi: (cluster: string, up: boolean) => void;
  /** Gives a cluster a real API server instead of the sandbox's own, and says where it is; absent without one. */
  real?: (cluster: ClusterRecord, note: (message: string) => void) => ClusterBackend;
};

/** How long the events in clusters are kept, and how often old ones are looked for, ms. */
const EVENTS_KEPT = 3600 * 1000;
const PRUNE_EVERY = 300 * 1000;

/** How long the operations of deleted clusters can be asked for, ms. */
const OPERATIONS_KEPT = 24 * 3600 * 1000;

/** The clusters of the sandbox and their changes. */
export class Cloud {
  readonly #parts: CloudParts;
  readonly #clusters = new Map<string, ClusterRecord>();
  readonly #operations = new Map<string, OperationRecord>();
  readonly #running = new Map<string, ClusterBackend>();
  readonly #histories: Histories;
  readonly #runner: OperationRunner;
  readonly #quotas: Quotas;
  #pruning: NodeJS.Timeout | undefined;

  constructor(parts: CloudParts) {
    this.#parts = parts;
    this.#histories = new Histories(parts.db);
    this.#quotas = new Quotas(parts.db);
    this.#runner = new OperationRunner(parts.clock, this.#actions());
  }

  /** Reads what is kept and goes on with what was under way. */
  open(): void {
    const { db } = this.#parts;
    this.#pruning = setInterval(() => this.#prune(), PRUNE_EVERY);
    for (const body of db.records('cluster')) {
      const cluster = clusterOf(body);
      this.#clusters.set(cluster.name, cluster);
      if (cluster.apiUp) this.#startApi(cluster);
    }
    for (const body of db.records('operation')) {
      const operation = operationOf(body);
      if (this.#isOld(operation)) {
        db.dropRecord('operation', operation.id);
        continue;
      }
      this.#operations.set(operation.id, operation);
      if (operation.status !== 'running' && operation.status !== 'pending') continue;
      this.#redo(operation);
      this.#runner.start(operation);
    }
  }

  /** Asks again for what the finished steps of an operation asked for: a real API server may not have heard of it yet. */
  #redo(operation: OperationRecord): void {
    const { cluster, backend } = this.#stored(operation);
    if (backend === undefined || operation.type === 'delete') return;
    for (const { name } of stepsOf(operation).slice(0, operation.stepIndex)) {
      if (name === 'Booting control plane') backend.seedControlPlane();
      if (name === 'Joining nodes' || name.startsWith('Resizing'))
        takeStep('Joining nodes', operation, cluster, backend);
      if (name.startsWith('Changing')) takeStep(name, operation, cluster, backend);
    }
  }

  /** Whether an operation is of no use any more: its cluster is gone and it ended long ago. */
  #isOld(operation: OperationRecord): boolean {
    const ended = operation.finishedAt;
    return (
      ended !== undefined && !this.#clusters.has(operation.cluster) && Date.now() - Date.parse(ended) > OPERATIONS_KEPT
    );
  }

  /** Ends all watches, timers and programs; the state stays. */
  async close(): Promise<void> {
    clearInterval(this.#pruning);
    this.#runner.stop();
    await Promise.all([...this.#running.values()].map((backend) => backend.close()));
  }

  #prune(): void {
    const before = new Date(Date.now() - EVENTS_KEPT).toISOString();
    for (const backend of this.#running.values()) backend.pruneEvents(before);
  }

  /** What the account may use. */
  get quota(): Quota {
    return this.#quotas.limit;
  }

  /** Changes what the account may use. */
  setQuota(quota: Quota): void {
    this.#quotas.set(quota);
  }

  /** What the account uses. */
  used(): Quota {
    const clusters = [...this.#clusters.values()];
    return { clusters: clusters.length, nodes: clusters.reduce((sum, cluster) => sum + machinesOf(cluster), 0) };
  }

  /** All clusters by name. */
  list(): ClusterRecord[] {
    return [...this.#clusters.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The cluster of a name; throws a 404 CloudError. */
  cluster(name: string): ClusterRecord {
    const found = this.#clusters.get(name);
    if (found === undefined) throw new CloudError(404, 'not_found', `There is no cluster ${name}.`);
    return found;
  }

  /** The operation of an id; throws a 404 CloudError. */
  operation(id: string): OperationRecord {
    const found = this.#operations.get(id);
    if (found === undefined) throw new CloudError(404, 'not_found', `There is no operation ${id}.`);
    return found;
  }

  /** Percent and step of an operation at this moment. */
  progress(operation: OperationRecord): { percent: number; step: string } {
    return this.#runner.progress(operation);
  }

  /** What happened to a cluster, oldest first. */
  history(cluster: ClusterRecord): Happening[] {
    return this.#histories.of(cluster.id);
  }

  /** The API of a cluster by its id, while it is up. */
  api(id: string): KubeApi | undefined {
    return this.#running.get(id)?.api;
  }

  /** Makes a cluster's API forget its changes so far, so that watches from before are refused with 410. */
  compact(name: string): void {
    this.#running.get(this.cluster(name).id)?.compact();
  }

  /** Sets an annotation of a cluster's node, by which its machine is made to fail; throws a 404 CloudError. */
  annotateNode(name: string, node: string, key: string, value: string | undefined): void {
    const done = this.#running.get(this.cluster(name).id)?.annotateNode(node, key, value) ?? false;
    if (!done) throw new CloudError(404, 'not_found', `Cluster ${name} has no node ${node}.`);
  }

  /** Begins a new cluster; throws CloudError 400, 403 or 409. */
  create(wish: ClusterWish): { cluster: ClusterRecord; operation: OperationRecord } {
    const existing = this.#clusters.get(wish.name);
    if (existing !== undefined) {
      throw new CloudError(409, 'name_taken', `A cluster named ${wish.name} already exists.`, {
        labels: existing.labels,
      });
    }
    checkWish(wish);
    this.#quotas.check(this.used(), { clusters: 1, nodes: machinesOf(wish) });
    const cluster: ClusterRecord = {
      ...wish,
      addons: [],
      gaps: [],
      made: {},
      id: randomBytes(6).toString('hex'),
      status: 'PROVISIONING',
      statusMessage: '',
      createdAt: new Date().toISOString(),
      operation: '',
      apiUp: false,
      adminToken: randomToken(),
      tokenKey: randomToken(),
    };
    this.#clusters.set(cluster.name, cluster);
    this.#note(cluster, 'info', `Creation with ${wish.nodes} nodes of size ${wish.size} in ${wish.region} began`);
    return { cluster, operation: this.#begin(cluster, 'create', {}) };
  }

  /** Begins a change of a cluster; throws CloudError 400, 403, 404 or 409. */
  update(name: string, change: Change): OperationRecord {
    const cluster = this.cluster(name);
    const current = this.#operations.get(cluster.operation);
    if (current?.status === 'running') {
      throw new CloudError(
        409,
        'operation_in_progress',
        `Cluster ${name} is busy with operation ${current.id} (${current.type}).`,
        {
          operation: current.id,
        },
      );
    }
    if (!cluster.apiUp)
      throw new CloudError(409, 'not_ready', `Cluster ${name} never came up, so it cannot be changed.`);
    const { version } = change;
    if (version !== undefined) {
      checkVersion(cluster.version, version);
    }
    if (change.addons !== undefined) checkAddons(change.addons);
    if (change.retire !== undefined) checkRetired(change, cluster, machinesIn(cluster));
    this.#quotas.check(this.used(), {
      clusters: 0,
      nodes: machinesOf({ ...cluster, ...change }) - machinesOf(cluster),
    });
    cluster.status = 'RECONCILING';
    cluster.statusMessage = '';
    const parts = Object.entries(change).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    this.#note(cluster, 'info', `Change to ${parts.join(', ')} began`);
    return this.#begin(cluster, 'update', change);
  }

  /** Replaces a cluster's labels at once, whatever it is doing; throws CloudError 404, or 412 when they are not those that were seen. */
  setLabels(name: string, labels: Record<string, string>, seen: string): ClusterRecord {
    const cluster = this.cluster(name);
    if (fingerprintOf(cluster.labels) !== seen) {
      throw new CloudError(412, 'precondition_failed', `The labels of cluster ${name} were changed in the meantime.`);
    }
    cluster.labels = labels;
    this.#saveCluster(cluster);
    this.#note(cluster, 'info', 'Labels were changed');
    return cluster;
  }

  /** Begins the end of a cluster, whatever it is doing; a second call answers with the same operation. */
  delete(name: string): { operation: OperationRecord; began: boolean } {
    const cluster = this.cluster(name);
    const current = this.#operations.get(cluster.operation);
    if (current?.status === 'running') {
      if (current.type === 'delete') return { operation: current, began: false };
      this.#runner.cancel(current);
      this.#end(current, { code: 'cancelled', message: 'The cluster is being deleted.' });
    }
    cluster.status = 'STOPPING';
    cluster.statusMessage = '';
    this.#note(cluster, 'info', 'Deletion began');
    return { operation: this.#begin(cluster, 'delete', {}), began: true };
  }

  /** Lets operations that are stuck go on. */
  release(): void {
    for (const operation of this.#operations.values()) {
      if (operation.status !== 'running' || operation.fault === undefined) continue;
      delete operation.fault;
      this.#runner.restart(operation);
    }
  }

  #begin(cluster: ClusterRecord, type: OperationType, change: Change): OperationRecord {
    const fault = this.#parts.faults.take(type, cluster.name);
    const operation: OperationRecord = {
      id: `op-${randomBytes(6).toString('hex')}`,
      type,
      cluster: cluster.name,
      clusterId: cluster.id,
      status: 'running',
      stepIndex: 0,
      elapsed: 0,
      startedAt: new Date().toISOString(),
      ...change,
      ...(fault === undefined ? {} : { fault }),
    };
    cluster.operation = operation.id;
    this.#operations.set(operation.id, operation);
    this.#parts.db.atomically(() => {
      this.#save(operation);
      this.#saveCluster(cluster);
    });
    this.#runner.start(operation);
    return operation;
  }

  #save(operation: OperationRecord): void {
    this.#parts.db.putRecord('operation', operation.id, kept(operation));
  }

  #saveCluster(cluster: ClusterRecord): void {
    this.#parts.db.putRecord('cluster', cluster.name, kept(cluster));
  }

  #note(cluster: ClusterRecord, type: Happening['type'], message: string): void {
    this.#histories.add(cluster.id, type, message);
  }

  #startApi(cluster: ClusterRecord): ClusterBackend {
    const { db, real, onApi } = this.#parts;
    if (real !== undefined) {
      const backend = real(cluster, (message) => this.#note(cluster, 'error', message));
      this.#running.set(cluster.id, backend);
      return backend;
    }
    const store = new ObjectStore(db, cluster.id);
    const api = new KubeApi({
      store,
      adminToken: cluster.adminToken,
      controllerToken: this.#parts.controllerToken,
      tokenKey: cluster.tokenKey,
      version: () => cluster.version,
      address: this.#parts.address,
    });
    const backend = ownBackend(store, api, () => db.dropCluster(cluster.id));
    this.#running.set(cluster.id, backend);
    // Not at once: the caller may still be filling the store, or the server may not listen yet.
    queueMicrotask(() => onApi(cluster.id, true));
    return backend;
  }

  #end(operation: OperationRecord, error?: Failure): void {
    operation.status = error === undefined ? 'done' : 'failed';
    operation.finishedAt = new Date().toISOString();
    if (error !== undefined) operation.error = error;
    this.#save(operation);
  }

  #stored(operation: OperationRecord): { cluster: ClusterRecord; backend: ClusterBackend | undefined } {
    const cluster = this.cluster(operation.cluster);
    return { cluster, backend: this.#running.get(cluster.id) };
  }

  #actions(): CloudActions {
    return {
      save: (operation) => this.#save(operation),
      finishStep: (operation, step) => this.#finishStep(operation, step),
      nodesReady: (operation) => {
        const { cluster, backend } = this.#stored(operation);
        const ready = backend?.readyNodes() ?? 0;
        return typeof ready === 'number' ? ready >= machinesOf(cluster) : ready;
      },
      done: (operation) => this.#finish(operation),
      failed: (operation, error) => {
        const { cluster } = this.#stored(operation);
        cluster.status = 'ERROR';
        cluster.statusMessage = error.message;
        this.#end(operation, error);
        this.#saveCluster(cluster);
        this.#note(cluster, 'error', error.message);
      },
    };
  }

  /** What is true once a step of an operation is over. */
  #finishStep(operation: OperationRecord, step: string): void {
    const { cluster, backend } = this.#stored(operation);
    if (step === 'Booting control plane') {
      (backend ?? this.#startApi(cluster)).seedControlPlane();
      cluster.apiUp = true;
    } else if (step === 'Deleting control plane') {
      this.#stopApi(cluster);
    } else {
      takeStep(step, operation, cluster, backend);
    }
    this.#saveCluster(cluster);
    this.#note(cluster, 'info', `${step}: finished`);
  }

  #stopApi(cluster: ClusterRecord): void {
    cluster.apiUp = false;
    const backend = this.#running.get(cluster.id);
    if (backend === undefined) return;
    this.#running.delete(cluster.id);
    this.#parts.onApi(cluster.id, false);
    // The end of real programs takes its time; nothing waits for it, and what is kept goes after it.
    void backend.close().then(() => backend.drop());
  }

  #finish(operation: OperationRecord): void {
    const { cluster } = this.#stored(operation);
    this.#end(operation);
    if (operation.type === 'delete') {
      this.#stopApi(cluster);
      this.#clusters.delete(cluster.name);
      this.#histories.drop(cluster.id);
      this.#parts.db.dropRecord('cluster', cluster.name);
      return;
    }
    cluster.status = 'RUNNING';
    cluster.statusMessage = '';
    this.#saveCluster(cluster);
    this.#note(cluster, 'info', operation.type === 'create' ? 'The cluster is up' : 'The change is done');
  }
}
