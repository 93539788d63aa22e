import { type JsonObject, objectAt, textsAt } from './json.ts';

/** What a cluster is doing. */
type ClusterStatus = 'PROVISIONING' | 'RUNNING' | 'RECONCILING' | 'STOPPING' | 'ERROR';

/** One cluster of the sandbox as it is kept. */
export type ClusterRecord = {
  id: string;
  name: string;
  region: string;
  version: string;
  size: string;
  nodes: number;
  /** Nodes of the pool that lets traffic in. */
  gateways: number;
  /** Whether NetworkPolicy objects are enforced. */
  networkPolicy: boolean;
  /** Names of the add-ons that are on. */
  addons: string[];
  labels: Record<string, string>;
  status: ClusterStatus;
  statusMessage: string;
  createdAt: string;
  /** The operation that runs, or ran last. */
  operation: string;
  /** Whether the Kubernetes API answers. */
  apiUp: boolean;
  adminToken: string;
  tokenKey: string;
  /** Names of machines that were taken away from among the others; their numbers are not used again. */
  gaps: string[];
  /** When machines that took the place of others were made, by name. */
  made: Record<string, string>;
  /** Where its API is when it has a server of its own. */
  endpoint?: string;
};

/** How many machines a cluster has. */
export function machinesOf(cluster: Pick<ClusterRecord, 'nodes' | 'gateways'>): number {
  return cluster.nodes + cluster.gateways;
}

/** What kinds of change there are. */
export type OperationType = 'create' | 'update' | 'delete';

/** Where an operation stands. */
type OperationStatus = 'pending' | 'running' | 'done' | 'failed';

/** A code and a sentence. */
export type Failure = { code: string; message: string };

/** One change of a cluster as it is kept. */
export type OperationRecord = {
  id: string;
  type: OperationType;
  cluster: string;
  clusterId: string;
  status: OperationStatus;
  /** The step it is at, an index into its steps. */
  stepIndex: number;
  /** Milliseconds of the sandbox's own time that went by until the step began. */
  elapsed: number;
  /** What an update changes to. */
  nodes?: number;
  version?: string;
  gateways?: number;
  networkPolicy?: boolean;
  addons?: Record<string, boolean>;
  /** The machine of this name goes. */
  retire?: string;
  /** A fault that was taken at the start: fails or stops at a percentage. */
  fault?: { fail?: Failure; atPercent: number };
  error?: Failure;
  startedAt: string;
  finishedAt?: string;
};

/** One line of a cluster's history. */
export type Happening = { at: string; type: 'info' | 'error'; message: string };

/** One step of an operation: what a person reads, and its milliseconds at speed 1. */
export type Step = { name: string; ms: number };

/** What an update changes a cluster to; what it does not name stays. */
export type Change = Pick<OperationRecord, 'nodes' | 'version' | 'gateways' | 'networkPolicy' | 'addons' | 'retire'>;

/** The steps of an operation, in order; a create takes 60 s at speed 1. */
export function stepsOf(operation: Pick<OperationRecord, 'type'> & Change): Step[] {
  if (operation.type === 'create') {
    return [
      { name: 'Reserving quota', ms: 2_000 },
      { name: 'Creating network', ms: 10_000 },
      { name: 'Booting control plane', ms: 24_000 },
      { name: 'Joining nodes', ms: 18_000 },
      { name: 'Checking nodes', ms: 6_000 },
    ];
  }
  if (operation.type === 'delete') {
    return [
      { name: 'Draining nodes', ms: 6_000 },
      { name: 'Deleting nodes', ms: 10_000 },
      { name: 'Deleting control plane', ms: 8_000 },
      { name: 'Deleting network', ms: 6_000 },
    ];
  }
  const steps: Step[] = [];
  if (operation.retire !== undefined) {
    const goes: Step = { name: 'Retiring machine', ms: 10_000 };
    const fewer = operation.nodes !== undefined || operation.gateways !== undefined;
    // Other machines may be in trouble as well, so it is over without a look at all of them.
    return fewer ? [goes] : [goes, { name: 'Booting machine', ms: 15_000 }];
  }
  if (operation.version !== undefined) {
    steps.push({ name: 'Upgrading control plane', ms: 20_000 }, { name: 'Upgrading nodes', ms: 20_000 });
  }
  if (operation.nodes !== undefined) steps.push({ name: 'Resizing node pool', ms: 20_000 });
  if (operation.gateways !== undefined) steps.push({ name: 'Resizing gateway pool', ms: 20_000 });
  if (operation.networkPolicy !== undefined) steps.push({ name: 'Changing network agents', ms: 15_000 });
  if (operation.addons !== undefined) steps.push({ name: 'Changing add-ons', ms: 10_000 });
  return [...steps, { name: 'Checking nodes', ms: 5_000 }];
}

/** The kept form of a record; its inverse is `recordOf`. */
export function kept(record: ClusterRecord | OperationRecord): JsonObject {
  return record as unknown as JsonObject;
}

/** A cluster's record as it was kept. */
export function clusterOf(body: JsonObject): ClusterRecord {
  // What an older sandbox has kept lacks them.
  const before = { gateways: 0, networkPolicy: false, addons: [], gaps: [], made: {} };
  return { ...before, ...(body as unknown as ClusterRecord), labels: textsAt(body, 'labels') };
}

/** An operation's record as it was kept. */
export function operationOf(body: JsonObject): OperationRecord {
  const fault = objectAt(body, 'fault');
  const record = body as unknown as OperationRecord;
  if (Object.keys(fault).length === 0) delete record.fault;
  return record;
}
