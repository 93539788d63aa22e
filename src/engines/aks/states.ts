import type { AgentPool, ManagedCluster, ManagedClusterAgentPoolProfile } from '@azure/arm-containerservice';
import type { ExternalState, NodePool, Target } from '../../core/ports/engine.ts';

/** Tags on every cluster this engine makes or adopts. */
export const clusterTag = 'kqueen-cluster';
export const orgTag = 'kqueen-org';

/**
 * What provisioning states mean (https://learn.microsoft.com/azure/aks/use-multiple-node-pools#view-the-status-of-node-pools; the API has them
 * as plain strings). Succeeded, Failed and Canceled are ends, all others pass.
 */
const passing: Record<string, ExternalState> = {
  creating: 'creating',
  accepted: 'creating',
  updating: 'updating',
  scaling: 'updating',
  upgrading: 'updating',
  upgradingnodeimageversion: 'updating',
  reconcilingclusteretcdcertificates: 'updating',
  rotatingclustercertificates: 'updating',
  migrating: 'updating',
  resetting: 'updating',
  starting: 'updating',
  stopping: 'updating',
  canceling: 'updating',
  deleting: 'deleting',
};

const ends: readonly string[] = ['succeeded', 'failed', 'canceled'];

/** The state of a cluster by itself; one that Azure did not have when this was written is `unknown`, never a guess. */
export function stateOf(found: ManagedCluster): ExternalState {
  const state = lower(found.provisioningState);
  if (!ends.includes(state)) return (Object.hasOwn(passing, state) ? passing[state] : undefined) ?? 'unknown';
  if (state === 'succeeded' && stopped(found)) return 'stopped';
  // A pool is changed without the cluster saying so, at times.
  const busy = pools(found).find((pool) => !ends.includes(lower(pool.provisioningState ?? 'Succeeded')));
  if (busy && state === 'succeeded') {
    return Object.hasOwn(passing, lower(busy.provisioningState)) ? 'updating' : 'unknown';
  }
  if (state === 'succeeded') return 'running';
  return livesOn(found) ? 'running' : 'error';
}

/** Azure's own word for an end that is none of success: the last change failed or was cancelled. */
export function endedBadly(found: ManagedCluster): boolean {
  return ['failed', 'canceled'].includes(lower(found.provisioningState));
}

/** A cluster that Azure marks as failed runs all the same when a system pool of it came through: a later change is what failed. */
function livesOn(found: ManagedCluster): boolean {
  if (lower(found.powerState?.code) !== 'running') return false;
  return pools(found).some((pool) => lower(pool.mode) === 'system' && lower(pool.provisioningState) === 'succeeded');
}

export function stopped(found: ManagedCluster): boolean {
  return lower(found.powerState?.code) === 'stopped';
}

/** Azure's words for what goes on: "Scaling; pool system: Scaling". */
export function stepOf(found: ManagedCluster): string {
  const busy = pools(found).filter((pool) => !ends.includes(lower(pool.provisioningState ?? 'Succeeded')));
  const state = lower(found.provisioningState) === 'succeeded' ? [] : [found.provisioningState ?? 'no state'];
  return [...state, ...busy.map((pool) => `pool ${pool.name}: ${pool.provisioningState}`)].join('; ');
}

/** Whether the cluster carries the target's mark; Azure does not tell capital letters in the keys of tags apart. */
export function isMine(found: ManagedCluster, target: Target): boolean {
  return tagOf(found, clusterTag) === target.cluster && tagOf(found, orgTag) === target.org;
}

export function tagOf(found: ManagedCluster, name: string): string | undefined {
  return Object.entries(found.tags ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];
}

export function versionOf(found: ManagedCluster): string | undefined {
  return found.currentKubernetesVersion || found.kubernetesVersion || undefined;
}

/** The version of a pool's nodes. */
export function poolVersion(pool: AgentPool | ManagedClusterAgentPoolProfile): string | undefined {
  return pool.currentOrchestratorVersion || pool.orchestratorVersion || undefined;
}

/** The cluster's pools, its system pools first. */
export function pools(found: ManagedCluster): ManagedClusterAgentPoolProfile[] {
  const all = [...(found.agentPoolProfiles ?? [])];
  return all.sort((a, b) => Number(isSystem(b)) - Number(isSystem(a)));
}

export function isSystem(pool: { mode?: string }): boolean {
  return lower(pool.mode) === 'system';
}

/** A pool as the core knows it. */
export function nodePool(pool: ManagedClusterAgentPoolProfile): NodePool {
  const made: NodePool = {
    name: pool.name,
    nodes: pool.count ?? 0,
    bounds: { min: isSystem(pool) ? 1 : 0, max: 1_000 },
  };
  const version = poolVersion(pool);
  if (pool.vmSize) made.size = pool.vmSize;
  if (version) made.version = version;
  if (pool.enableAutoScaling) made.autoscale = { min: pool.minCount ?? 0, max: pool.maxCount ?? 0 };
  return made;
}

/** The address of the cluster's API; a private one's is known within its network only. */
export function endpointOf(found: ManagedCluster): string | undefined {
  const host = found.apiServerAccessProfile?.enablePrivateCluster ? (found.privateFqdn ?? found.fqdn) : found.fqdn;
  return host ? `https://${host}:443` : undefined;
}

function lower(text: string | undefined): string {
  return (text ?? '').toLowerCase();
}
