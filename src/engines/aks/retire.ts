/** Machines of single nodes: Azure deletes them by name and makes their pool smaller by them; another comes when the pool grows back. */
import type { ManagedCluster } from '@azure/arm-containerservice';
import { Fault } from '../../core/errors.ts';
import type { Call, ClusterUpdate } from '../../core/ports/engine.ts';
import type { Arm } from './arm.ts';
import { handleOf } from './operations.ts';
import { pools } from './states.ts';
import { poolStep, refuseBusy, type Step } from './update.ts';

/** A node of a scale set, as AKS names it: its pool is in the name. */
const nodeName = /^aks-([a-z0-9]{1,12})-\d+-vmss[0-9a-z]{6}$/;

/**
 * The next step of an update that retires a machine, or null when it is gone and its pool is as large as wanted. Azure uses no name of a machine a
 * second time, so whatever carries it is the one that was meant. Throws `not-found` rather than let another machine go.
 */
export async function retireStep(
  arm: Arm,
  group: string,
  found: ManagedCluster,
  name: string,
  update: ClusterUpdate & { retire: NonNullable<ClusterUpdate['retire']> },
  call: Call,
): Promise<Step | null> {
  refuseBusy(found);
  const { retire, nodes } = update;
  const poolName = update.pool ?? nodeName.exec(retire.node)?.[1];
  const pool = pools(found).find((each) => each.name === poolName);
  if (!pool?.name) {
    throw new Fault('not-found', `No node pool of the cluster at Azure has a machine ${retire.node}.`, {
      field: poolName === undefined ? 'node' : 'pool',
      retryable: false,
      next: `Node pools: ${
        pools(found)
          .map((each) => each.name)
          .join(', ') || 'none'
      }.`,
    });
  }
  const within = pool.name;
  const known = await arm.read(call, async () => {
    for await (const machine of arm.aks.machines.list(group, name, within)) {
      if (machine.name?.toLowerCase() === retire.node) return machine.name;
    }
    return undefined;
  });
  if (known !== undefined) {
    return {
      act: 'scale',
      send: (on, where, bound) =>
        on.write(bound, () =>
          handleOf(on.aks.agentPools.deleteMachines(where, name, within, { machineNames: [known] }), name, 'scale'),
        ),
    };
  }
  // The autoscaler of the pool decides itself whether another one is needed.
  if (nodes === undefined || pool.enableAutoScaling === true) return null;
  if (nodes < (pool.count ?? 0)) {
    throw new Fault('not-found', `The node pool ${within} at Azure has no machine ${retire.node}.`, {
      field: 'node',
      whose: 'provider',
      retryable: false,
    });
  }
  return poolStep(found, name, { pool: within, nodes });
}
