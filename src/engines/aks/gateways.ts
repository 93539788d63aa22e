/** The node pool for what lets traffic in: made like the first pool, with a label and a taint of its own. */
import type { AgentPool, ManagedCluster } from '@azure/arm-containerservice';
import { Fault } from '../../core/errors.ts';
import { gatewayMark } from '../../core/ports/engine.ts';
import { handleOf } from './operations.ts';
import { pools } from './states.ts';
import { changePool, ifMatch, type Step } from './update.ts';

/** The step to this many gateway nodes; null when there are as many. */
export function gatewayStep(found: ManagedCluster, name: string, wanted: number | undefined): Step | null {
  if (wanted === undefined) return null;
  const { key, value } = gatewayMark;
  const pool = pools(found).find((each) => each.name === value);
  if (pool && pool.nodeLabels?.[key] !== value) {
    throw new Fault('conflict', `The cluster has a node pool ${value} already, and it is none of KQueen's.`, {
      ...{ whose: 'admin', retryable: false },
      next: 'Have that pool renamed or removed at Azure.',
    });
  }
  if (pool?.enableAutoScaling && wanted > 0) {
    throw new Fault(
      'bad-input',
      `Azure scales the pool ${value} by itself, between ${pool.minCount} and ${pool.maxCount} nodes.`,
      {
        field: 'gateways',
        next: 'Change those bounds with `cluster autoscale`, or turn the autoscaler off first.',
      },
    );
  }
  if (wanted === 0) {
    if (!pool) return null;
    return {
      act: 'scale',
      send: (arm, group, call) =>
        arm.write(call, () =>
          handleOf(arm.aks.agentPools.delete(group, name, value, ifMatch(pool.eTag)), name, 'scale'),
        ),
    };
  }
  if (pool) return pool.count === wanted ? null : changePool(name, value, 'scale', { count: wanted });
  return {
    act: 'scale',
    send: (arm, group, call) =>
      arm.write(call, () =>
        handleOf(arm.aks.agentPools.createOrUpdate(group, name, value, poolLike(found, wanted)), name, 'scale'),
      ),
  };
}

function poolLike(found: ManagedCluster, count: number): AgentPool {
  const first = pools(found)[0];
  const { key, value } = gatewayMark;
  return {
    ...{ count, mode: 'User', type: 'VirtualMachineScaleSets', osType: 'Linux' },
    nodeLabels: { [key]: value },
    nodeTaints: [`${key}=${value}:NoSchedule`],
    ...(first?.vmSize ? { vmSize: first.vmSize } : {}),
    ...(first?.osDiskSizeGB ? { osDiskSizeGB: first.osDiskSizeGB } : {}),
    ...(first?.availabilityZones?.length ? { availabilityZones: first.availabilityZones } : {}),
    // Pools of one cluster are in one virtual network.
    ...(first?.vnetSubnetID ? { vnetSubnetID: first.vnetSubnetID } : {}),
  };
}
