import type { KubeApi, KubeBackend } from '../../engines/harness.ts';
import type { Asked } from './wire.ts';

export type Json = Record<string, unknown>;

/** A node pool's `properties`, as far as the counterpart reckons with them. */
export interface Pool extends Json {
  name: string;
  count: number;
  vmSize: string;
  mode: string;
  provisioningState: string;
  powerState: { code: string };
  orchestratorVersion: string;
  currentOrchestratorVersion: string;
  enableAutoScaling?: boolean;
  minCount?: number | undefined;
  maxCount?: number | undefined;
  eTag: string;
}

/** A machine of a pool's scale set: its number is never used again. */
export interface Machines {
  next: number;
  names: string[];
}

export interface Cluster {
  name: string;
  /** How it is named in paths, in small letters. */
  key: string;
  group: string;
  location: string;
  tags: Record<string, string>;
  sku: Json;
  identity: Json;
  eTag: string;
  createdBy: string;
  createdAt: string;
  /** `properties` apart from the ones below. */
  rest: Json;
  provisioningState: string;
  powerState: string;
  kubernetesVersion: string;
  pools: Pool[];
  error: Json | null;
  token: string;
  clientKey: string;
  kube: KubeApi | null;
}

/** What an operation does to its cluster when it ends. */
export interface Operation {
  id: string;
  cluster: Cluster;
  startTime: number;
  endsAt: number;
  stalled: boolean;
  status: 'InProgress' | 'Succeeded' | 'Failed' | 'Canceled';
  error: Json | null;
  endTime: number | null;
  /** Has to be there before it can end well. */
  ready: () => boolean;
  done(): void;
  failed(): void;
}

/** Faults of what Azure does after it has answered. */
export interface Troubles {
  stall: boolean;
  failCreates: string | null;
  failUpdates: string | null;
  noQuota: boolean;
}

export interface WorldOptions {
  createMs: number;
  kube?: KubeBackend | undefined;
  createdBy: string;
}

/** The clusters of a subscription and what goes on with them. */
export interface World {
  readonly troubles: Troubles;
  /** Lets what stalled go on. */
  resume(): void;
  /** Carries out what time has brought. */
  settle(): void;
  find(group: string, name: string): Cluster | undefined;
  inGroup(group: string): Cluster[];
  /** Clusters of this name that were ever made. */
  made(name: string): number;
  put(
    group: string,
    name: string,
    body: Json,
    asked: Asked,
  ): { cluster: Cluster; operation: Operation; isNew: boolean };
  putPool(
    cluster: Cluster,
    name: string,
    body: Json,
    asked: Asked,
  ): { pool: Pool; operation: Operation; isNew: boolean };
  removePool(cluster: Cluster, pool: Pool): Operation;
  /** Names of a pool's machines. */
  machines(pool: Pool): string[];
  /** Deletes these machines; the pool is smaller by them. */
  deleteMachines(cluster: Cluster, pool: Pool, names: readonly string[]): Operation;
  tag(cluster: Cluster, tags: Record<string, string>, asked: Asked): Operation;
  power(cluster: Cluster, on: boolean): Operation;
  abort(cluster: Cluster): Operation;
  remove(cluster: Cluster): Operation;
  operation(id: string): Operation | undefined;
  /** Makes a running cluster as somebody else's tool would. */
  makeRunning(group: string, name: string, change?: (cluster: Cluster) => void): Cluster;
  secrets(): string[];
}
