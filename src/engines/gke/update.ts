import { Fault } from '../../core/errors.ts';
import type { Call, ClusterUpdate, Operation } from '../../core/ports/engine.ts';
import { addonsChange } from './addons.ts';
import type { Api, Place } from './api.ts';
import { autoscalingOf } from './body.ts';
import { gatewayStep } from './gateways.ts';
import { networkPolicyStep } from './network-policy.ts';
import { handleOf } from './operations.ts';
import { scalesByItself } from './pure.ts';
import { autoscaleOf, stateOf, zonesOfPool } from './seen.ts';
import { compareVersions, isWhole, newerVersion } from './versions.ts';
import type { ClusterAnswer, OperationAnswer, PoolAnswer } from './wire.ts';

type Step = (() => Promise<OperationAnswer>) | null;

/**
 * Begins the next step towards the wanted change, or answers null when all is as wanted. Google takes one change with each request: the control
 * plane first, then each pool, then the pool's autoscaler, then its size, then whatever else is asked for.
 */
export async function updateCluster(
  api: Api,
  place: Place,
  cluster: ClusterAnswer,
  update: ClusterUpdate,
  call: Call,
): Promise<Operation | null> {
  refuseWhileBusy(place, cluster);
  const step =
    versionStep(api, place, cluster, update, call) ??
    poolStep(api, place, cluster, update, call) ??
    gatewayStep(api, place, cluster, update.gateways, call) ??
    networkPolicyStep(api, place, cluster, update.networkPolicy, call) ??
    addonStep(api, place, cluster, update.addons, call);
  return step ? { id: handleOf(place.location, await step()) } : null;
}

/** Throws while something else goes on at the cluster. */
export function refuseWhileBusy({ name }: Place, cluster: ClusterAnswer): void {
  const state = stateOf(cluster.status);
  if (state === 'running') {
    const busy = cluster.nodePools.find((pool) => ['PROVISIONING', 'RECONCILING', 'STOPPING'].includes(pool.status));
    if (!busy) return;
    throw waiting(`Google is still at work on the node pool ${busy.name} of ${name}.`);
  }
  if (state === 'error') return;
  throw waiting(`Google is still at work on the cluster ${name}.`);
}

/** What passes by itself. */
export function waiting(message: string): Fault {
  return new Fault('conflict', message, { retryable: true, next: 'KQueen tries again by itself.' });
}

function versionStep(api: Api, place: Place, cluster: ClusterAnswer, { version }: ClusterUpdate, call: Call): Step {
  if (version === undefined) return null;
  const current = cluster.currentMasterVersion;
  if (current !== '' && newerVersion(current, version)) {
    throw new Fault(
      'bad-input',
      `The cluster has Kubernetes ${current} already, and GKE cannot go back to ${version}.`,
      {
        field: 'version',
        next: 'Choose a newer version.',
      },
    );
  }
  if (compareVersions(current, version) !== 0 || current === '') {
    return () => api.update(place, { desiredMasterVersion: version }, call);
  }
  // Autopilot upgrades its nodes by itself.
  if (cluster.autopilot?.enabled) return null;
  const behind = cluster.nodePools.find(
    (pool) => compareVersions(pool.version, isWhole(version) ? version : current) < 0,
  );
  // "-" is the version of the control plane, which is what an alias has become by now.
  return behind ? () => api.upgradePool(place, behind.name, isWhole(version) ? version : '-', call) : null;
}

function poolStep(api: Api, place: Place, cluster: ClusterAnswer, update: ClusterUpdate, call: Call): Step {
  if (update.nodes === undefined && update.autoscale === undefined) return null;
  if (cluster.autopilot?.enabled) {
    throw new Fault('bad-input', 'Autopilot makes nodes as workloads need them; their number cannot be set.', {
      field: 'nodes',
      next: 'Change the replicas or the resource requests of the workloads instead.',
    });
  }
  const pool = poolToChange(place, cluster, update.pool);
  const zones = zonesOfPool(pool, cluster);
  const bounds = autoscaleOf(pool, cluster);
  if (update.autoscale !== undefined && !sameBounds(update.autoscale, bounds)) {
    return () => api.setAutoscaling(place, pool.name, autoscalingOf(update.autoscale ?? null, zones > 1), call);
  }
  if (update.nodes === undefined) return null;
  if (bounds) throw scalesByItself(pool.name, bounds);
  if (update.nodes % zones !== 0) {
    throw new Fault(
      'bad-input',
      `The node pool ${pool.name} is spread evenly over ${zones} zones: ask for a multiple of ${zones}.`,
      {
        field: 'nodes',
      },
    );
  }
  const perZone = update.nodes / zones;
  return perZone === (pool.initialNodeCount ?? 0) ? null : () => api.setSize(place, pool.name, perZone, call);
}

function addonStep(api: Api, place: Place, cluster: ClusterAnswer, wanted: ClusterUpdate['addons'], call: Call): Step {
  const config = wanted && addonsChange(cluster, wanted);
  return config ? () => api.update(place, { desiredAddonsConfig: config }, call) : null;
}

/** The pool of this name, or the first one. */
export function poolToChange({ name }: Place, cluster: ClusterAnswer, wanted: string | undefined): PoolAnswer {
  const pool = wanted === undefined ? cluster.nodePools[0] : cluster.nodePools.find((each) => each.name === wanted);
  if (pool) return pool;
  const there = cluster.nodePools.map((each) => each.name).join(', ');
  throw new Fault(
    'bad-input',
    wanted === undefined ? `The cluster ${name} has no node pool.` : `The cluster ${name} has no node pool ${wanted}.`,
    {
      field: 'pool',
      ...(there ? { next: `Node pools: ${there}.` } : {}),
    },
  );
}

function sameBounds(
  wanted: { min: number; max: number } | null,
  now: { min: number; max: number } | undefined,
): boolean {
  return wanted === null ? now === undefined : wanted.min === now?.min && wanted.max === now.max;
}
