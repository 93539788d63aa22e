import type { AgentPool, ManagedCluster, ManagedClusterAgentPoolProfile } from '@azure/arm-containerservice';
import { Fault } from '../../core/errors.ts';
import type { Call, ClusterUpdate, Operation } from '../../core/ports/engine.ts';
import { withAddons } from './addons.ts';
import type { Arm } from './arm.ts';
import { gatewayStep } from './gateways.ts';
import { withPolicy } from './network-policy.ts';
import { type Act, handleOf } from './operations.ts';
import { isSystem, pools, poolVersion, stateOf, stepOf, stopped, versionOf } from './states.ts';
import { minorsBetween, newer, satisfies } from './versions.ts';

/** The next step towards a wanted change. */
export interface Step {
  act: Act;
  send(arm: Arm, group: string, call: Call): Promise<Operation>;
}

/**
 * What to do next, or null when the cluster is as wanted. One thing at a time, in the order that Azure allows: power, the control plane's
 * version, each pool's version, then the pool's autoscaler and size, then all else. Throws `conflict` (retryable) while something else goes on, and
 * `bad-input` for what cannot be.
 */
export function nextStep(found: ManagedCluster, name: string, update: ClusterUpdate): Step | null {
  refuseBusy(found);
  if (update.power === 'on' && stopped(found)) return power(name, 'start');
  if (update.power === 'off') return stopped(found) ? null : power(name, 'stop');
  const change =
    upgradeStep(found, name, update) ??
    poolStep(found, name, update) ??
    gatewayStep(found, name, update.gateways) ??
    bodyStep(found, name, update.networkPolicy === undefined ? null : withPolicy(found, update.networkPolicy)) ??
    bodyStep(found, name, update.addons ? withAddons(found, update.addons) : null);
  if (change && stopped(found)) {
    throw new Fault('conflict', 'The cluster is stopped, and Azure changes nothing but running ones.', {
      retryable: false,
      next: 'Start it first, with `cluster start`.',
    });
  }
  return change;
}

/** Throws while something else goes on at the cluster. */
export function refuseBusy(found: ManagedCluster): void {
  const state = stateOf(found);
  if (state === 'creating' || state === 'updating' || state === 'deleting' || state === 'unknown') {
    throw new Fault('conflict', `Azure is busy with the cluster: ${stepOf(found)}.`, {
      whose: 'provider',
      retryable: true,
      next: 'Nothing to do: KQueen tries again by itself.',
    });
  }
}

function power(name: string, act: 'start' | 'stop'): Step {
  return {
    act,
    send: (arm, group, call) => arm.write(call, () => handleOf(arm.aks.managedClusters[act](group, name), name, act)),
  };
}

function upgradeStep(found: ManagedCluster, name: string, update: ClusterUpdate): Step | null {
  const wanted = update.version;
  if (wanted === undefined) return null;
  const current = versionOf(found) ?? '0.0';
  if (!satisfies(current, wanted)) {
    refuseUpgrade(current, wanted);
    // The pools keep their versions until it is their turn.
    return changeBody(found, name, 'upgrade', { kubernetesVersion: wanted });
  }
  const behind = pools(found).find((pool) => {
    const version = poolVersion(pool);
    return version !== undefined && !satisfies(version, wanted) && newer(current, version);
  });
  return behind ? changePool(name, behind.name, 'upgrade', { orchestratorVersion: current }) : null;
}

function bodyStep(found: ManagedCluster, name: string, change: Partial<ManagedCluster> | null): Step | null {
  return change && changeBody(found, name, 'change', change);
}

/** Puts the cluster back with some of it changed: a PUT replaces everything. */
function changeBody(found: ManagedCluster, name: string, act: Act, change: Partial<ManagedCluster>): Step {
  return {
    act,
    send: (arm, group, call) =>
      arm.write(call, () => {
        const { status: _status, agentPoolProfiles, ...rest } = found;
        const body: ManagedCluster = { ...rest, ...change };
        if (agentPoolProfiles) body.agentPoolProfiles = agentPoolProfiles.map(withoutReadings);
        return handleOf(arm.aks.managedClusters.createOrUpdate(group, name, body, ifMatch(found.eTag)), name, act);
      }),
  };
}

function refuseUpgrade(current: string, wanted: string): void {
  const refuse = (message: string, next: string) => {
    throw new Fault('bad-input', message, { field: 'version', next });
  };
  if (newer(current, wanted)) {
    refuse(`The cluster runs ${current}; Kubernetes cannot go back to ${wanted}.`, 'Choose a newer version.');
  }
  if (minorsBetween(current, wanted) > 1) {
    refuse(
      `Kubernetes skips no minor version: ${current} cannot become ${wanted} at once.`,
      'Upgrade by one minor version at a time.',
    );
  }
}

/** What to do next about the number of nodes of a pool and its autoscaler, or null. */
export function poolStep(found: ManagedCluster, name: string, update: ClusterUpdate): Step | null {
  const { nodes, autoscale } = update;
  if (nodes === undefined && autoscale === undefined) return null;
  const pool = poolCalled(found, update.pool);
  if (autoscale) return autoscaleStep(name, pool, autoscale);
  if (nodes !== undefined && (nodes < (isSystem(pool) ? 1 : 0) || nodes > 1_000 || !Number.isInteger(nodes))) {
    throw new Fault('bad-input', `The pool ${pool.name} can have ${isSystem(pool) ? 1 : 0} to 1,000 nodes.`, {
      field: 'nodes',
    });
  }
  const scaled = pool.enableAutoScaling === true;
  if (autoscale === null && scaled) {
    const count = nodes ?? pool.count ?? 1;
    return changePool(name, pool.name, 'scale', { enableAutoScaling: false, count }, ['minCount', 'maxCount']);
  }
  if (nodes === undefined || nodes === pool.count) return null;
  if (scaled) {
    throw new Fault(
      'bad-input',
      `Azure scales the pool ${pool.name} by itself, between ${pool.minCount} and ${pool.maxCount} nodes.`,
      { field: 'nodes', next: 'Change those bounds with `cluster autoscale`, or turn the autoscaler off first.' },
    );
  }
  if (pool.type !== undefined && pool.type !== 'VirtualMachineScaleSets' && pool.type !== 'AvailabilitySet') {
    throw new Fault('bad-input', `The pool ${pool.name} is of the kind ${pool.type}, which has no number of nodes.`, {
      field: 'pool',
      next: 'Scale it at Azure.',
    });
  }
  return changePool(name, pool.name, 'scale', { count: nodes });
}

function autoscaleStep(
  name: string,
  pool: ManagedClusterAgentPoolProfile,
  { min, max }: { min: number; max: number },
): Step | null {
  const least = isSystem(pool) ? 1 : 0;
  if (min < least || max < 1 || max > 1_000 || min > max) {
    throw new Fault('bad-input', `The autoscaler takes ${least} to 1,000 nodes, the fewest first.`, {
      field: 'autoscale',
    });
  }
  if (pool.enableAutoScaling && pool.minCount === min && pool.maxCount === max) return null;
  // Azure refuses a number of nodes out of the new bounds.
  const count = Math.min(Math.max(pool.count ?? min, min), max);
  return changePool(name, pool.name, 'scale', { enableAutoScaling: true, minCount: min, maxCount: max, count });
}

function poolCalled(found: ManagedCluster, name: string | undefined): ManagedClusterAgentPoolProfile {
  const all = pools(found);
  const pool = name === undefined ? all[0] : all.find((each) => each.name === name);
  if (pool) return pool;
  throw new Fault('bad-input', `The cluster has no node pool ${name ?? ''}.`, {
    field: 'pool',
    next: `Node pools: ${all.map((each) => each.name).join(', ') || 'none'}.`,
  });
}

/** Reads a pool, changes it and puts it back, unless somebody else changed it meanwhile. */
export function changePool(
  name: string,
  pool: string,
  act: Act,
  change: Partial<AgentPool>,
  without: (keyof AgentPool)[] = [],
): Step {
  return {
    act,
    async send(arm, group, call) {
      const found = await arm.read(call, () => arm.aks.agentPools.get(group, name, pool));
      const body: AgentPool = { ...withoutReadings(found), ...change };
      for (const key of without) delete body[key];
      return arm.write(call, () =>
        handleOf(arm.aks.agentPools.createOrUpdate(group, name, pool, body, ifMatch(found.eTag)), name, act),
      );
    },
  };
}

/** A pool without what Azure measured: a node image that is sent back would be taken for the wish to go back to it. */
function withoutReadings<T extends AgentPool | ManagedClusterAgentPoolProfile>(pool: T): T {
  const { status: _status, nodeImageVersion: _image, ...rest } = pool;
  return rest as T;
}

export function ifMatch(eTag: string | undefined): { ifMatch?: string } {
  return eTag ? { ifMatch: eTag } : {};
}
