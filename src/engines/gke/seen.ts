/** What a cluster at Google is, in KQueen's words. Pure. */
import type { ExternalCluster, ExternalState, NodePool, Observation, Target } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { addonsOf } from './addons.ts';
import { clusterLabel, isMine, orgLabel, ownerOf } from './labels.ts';
import { alwaysOn, enforces, hasDataplaneV2 } from './network-policy.ts';
import { isZone } from './place.ts';
import { gkePools, poolBounds } from './pure.ts';
import { GkeCluster } from './schema.ts';
import type { ClusterAnswer, PoolAnswer } from './wire.ts';

const states: Record<string, ExternalState> = {
  PROVISIONING: 'creating',
  RUNNING: 'running',
  RECONCILING: 'updating',
  STOPPING: 'deleting',
  ERROR: 'error',
  // "May be lacking full functionality and requires user action": it is there and not as it should be.
  DEGRADED: 'error',
};

/** The state for a status; one that Google did not have when this was written is `unknown`, never a guess. */
export function stateOf(status: string): ExternalState {
  return (Object.hasOwn(states, status) ? states[status] : undefined) ?? 'unknown';
}

export function locationOf(cluster: ClusterAnswer): string {
  return cluster.location || cluster.zone;
}

/** In how many zones the nodes of a pool are. */
export function zonesOfPool(pool: PoolAnswer, cluster: ClusterAnswer): number {
  return pool.locations.length || cluster.locations.length || 1;
}

export function autoscaleOf(pool: PoolAnswer, cluster: ClusterAnswer): { min: number; max: number } | undefined {
  const { autoscaling } = pool;
  if (!autoscaling?.enabled) return undefined;
  const zones = zonesOfPool(pool, cluster);
  return {
    min: autoscaling.totalMinNodeCount ?? (autoscaling.minNodeCount ?? 0) * zones,
    max: autoscaling.totalMaxNodeCount ?? (autoscaling.maxNodeCount ?? 0) * zones,
  };
}

/** A pool as it is wanted: Google keeps the last number that was set in `initialNodeCount`, per zone. */
function poolOf(pool: PoolAnswer, cluster: ClusterAnswer): NodePool {
  const autoscale = autoscaleOf(pool, cluster);
  return {
    name: pool.name,
    nodes: (pool.initialNodeCount ?? 0) * zonesOfPool(pool, cluster),
    ...(pool.config?.machineType ? { size: pool.config.machineType } : {}),
    ...(pool.version ? { version: pool.version } : {}),
    ...(autoscale ? { autoscale } : { bounds: poolBounds }),
  };
}

/** The pools a person can do something with; Autopilot's come and go by themselves. */
export function poolsOfCluster(cluster: ClusterAnswer): NodePool[] {
  return cluster.autopilot?.enabled ? [] : cluster.nodePools.map((pool) => poolOf(pool, cluster));
}

/**
 * All nodes: as wanted, or as Google counts them where it decides on their number itself. Its count is deprecated, and lags behind by pools that
 * have just come or gone.
 */
function nodesOf(cluster: ClusterAnswer): number | undefined {
  const pools = poolsOfCluster(cluster);
  const wanted = pools.reduce((sum, pool) => sum + pool.nodes, 0);
  const counted = cluster.currentNodeCount ?? undefined;
  const byItself = cluster.autopilot?.enabled || pools.some((pool) => pool.autoscale);
  return byItself || pools.length === 0 ? (counted ?? (pools.length > 0 ? wanted : undefined)) : wanted;
}

/** Where a cluster's API is reached, and by which authority; null while there is nowhere. */
export function endpointOf(cluster: ClusterAnswer): { server: string; ca?: string } | null {
  const dns = cluster.controlPlaneEndpointsConfig?.dnsEndpointConfig;
  const ip = cluster.controlPlaneEndpointsConfig?.ipEndpointsConfig;
  const open = dns?.allowExternalTraffic === true && dns.endpoint !== '';
  const inside = cluster.privateClusterConfig?.enablePrivateEndpoint === true || ip?.enablePublicEndpoint === false;
  // The DNS name has a certificate of a public authority.
  if (open && (ip?.enabled === false || inside || cluster.endpoint === ''))
    return { server: `https://${dns.endpoint}` };
  if (cluster.endpoint === '') return null;
  const ca = cluster.masterAuth?.clusterCaCertificate;
  return { server: `https://${cluster.endpoint}`, ...(ca ? { ca } : {}) };
}

/** The conditions of a cluster and its pools, a line each, the first useful one first; empty when there are none. */
export function complaints(cluster: ClusterAnswer): string[] {
  const conditions = [
    ...cluster.conditions,
    ...cluster.nodePools.flatMap((pool) => pool.conditions.map((each) => ({ ...each, pool: pool.name }))),
  ];
  const lines = conditions.map((each) => {
    const code = each.code || each.canonicalCode;
    const pool = 'pool' in each ? `node pool ${each.pool}: ` : '';
    return `${pool}${each.message || code}${each.message && code ? ` (${code})` : ''}`;
  });
  const texts = [
    cluster.statusMessage,
    ...cluster.nodePools.map((pool) => pool.statusMessage && `node pool ${pool.name}: ${pool.statusMessage}`),
  ];
  return [...new Set([...lines, ...texts].filter(Boolean))];
}

export function observationOf(cluster: ClusterAnswer, target: Target, project: string): Observation {
  const seen: Observation = {
    state: stateOf(cluster.status),
    mine: isMine(cluster.resourceLabels, target),
    region: locationOf(cluster),
    externalId: `projects/${project}/locations/${locationOf(cluster)}/clusters/${cluster.name}`,
  };
  if (seen.state === 'unknown') seen.step = oneLine(cluster.status || 'no status', [], 60);
  const endpoint = endpointOf(cluster);
  if (endpoint) seen.endpoint = endpoint.server;
  if (cluster.currentMasterVersion) seen.version = cluster.currentMasterVersion;
  const nodes = nodesOf(cluster);
  if (nodes !== undefined) seen.nodes = nodes;
  const pools = poolsOfCluster(cluster);
  if (pools.length > 0) seen.pools = pools;
  seen.addons = addonsOf(cluster);
  seen.networkPolicy = enforces(cluster);
  if (hasDataplaneV2(cluster)) seen.networkPolicyFixed = alwaysOn;
  const notes = notesOf(cluster, seen);
  if (notes.length > 0) seen.notes = notes;
  return seen;
}

function notesOf(cluster: ClusterAnswer, { state }: Observation): string[] {
  const notes: string[] = [];
  if (state === 'error') notes.push('It exists at Google and costs money until it is deleted.');
  if (state === 'deleting') {
    notes.push(
      'Disks of volumes and load balancers that its workloads made can stay behind in the project, and cost money there.',
    );
  }
  if (state === 'running')
    notes.push(
      ...complaints(cluster)
        .map((text) => oneLine(text))
        .slice(0, 3),
    );
  return notes;
}

/** A cluster of the project as it is listed, with as much of its parameters as Google tells. */
export function externalOf(cluster: ClusterAnswer, project: string): ExternalCluster {
  const { resourceLabels: labels } = cluster;
  const target: Target = { org: '', cluster: '', externalName: cluster.name, spec: {} };
  const { state, version, nodes, pools, externalId } = observationOf(cluster, target, project);
  const owner = ownerOf(labels);
  return {
    externalName: cluster.name,
    state,
    where: locationOf(cluster),
    spec: specOf(cluster),
    ...(labels[clusterLabel] ? { cluster: labels[clusterLabel] } : {}),
    ...(labels[orgLabel] ? { org: labels[orgLabel] } : {}),
    ...(version ? { version } : {}),
    ...(nodes === undefined ? {} : { nodes }),
    ...(pools ? { pools } : {}),
    ...(externalId ? { externalId } : {}),
    ...(owner ? { owner: oneLine(owner, [], 63) } : {}),
  };
}

/** The parameters of a cluster that was made elsewhere; only what our own form would take, so that it can be read back. */
function specOf(cluster: ClusterAnswer): Record<string, unknown> {
  const location = locationOf(cluster);
  const spec: Record<string, unknown> = { location };
  const add = (key: keyof typeof GkeCluster.shape, value: unknown) => {
    if (value === undefined || value === '' || value === null) return;
    if (GkeCluster.safeParse({ ...spec, [key]: value }).success) spec[key] = value;
  };
  if (cluster.autopilot?.enabled) add('autopilot', true);
  add('releaseChannel', cluster.releaseChannel?.channel.replace(/^UNSPECIFIED$|^$/, 'none') ?? 'none');
  add('version', cluster.currentMasterVersion);
  const enforced = hasDataplaneV2(cluster) ? 'dataplane-v2' : 'calico';
  if (!cluster.autopilot?.enabled && enforces(cluster)) add('networkPolicy', enforced);
  add('network', cluster.network);
  add('subnetwork', cluster.subnetwork);
  const pool = cluster.nodePools[0];
  if (cluster.autopilot?.enabled || !pool) return spec;
  const shown = poolOf(pool, cluster);
  const usual = isZone(location) ? 1 : 3;
  if (cluster.locations.every(isZone) && cluster.locations.length !== usual)
    add('nodeZones', cluster.locations.join(','));
  add('machineType', shown.size);
  add('diskGb', pool.config?.diskSizeGb ?? undefined);
  add('diskType', pool.config?.diskType);
  if (pool.config?.spot) add('spot', true);
  if (!shown.autoscale) add('nodes', shown.nodes);
  else {
    const bounds = { autoscaleMin: shown.autoscale.min, autoscaleMax: shown.autoscale.max };
    if (GkeCluster.safeParse({ ...spec, ...bounds }).success) Object.assign(spec, bounds);
  }
  // Our form makes one pool of a certain name; whatever else is there is told beside its fields.
  const pools = cluster.nodePools.map((each) => listed(poolOf(each, cluster)));
  if (JSON.stringify(gkePools(spec).map(listed)) !== JSON.stringify(pools)) spec.pools = pools;
  return spec;
}

function listed({ name, nodes, size, autoscale }: NodePool): Record<string, unknown> {
  return { name, nodes, ...(size ? { size } : {}), ...(autoscale ? { autoscale } : {}) };
}
