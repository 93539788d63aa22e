/** Machines of single nodes: recreated in their group at Google under the same name, or deleted from it. */
import { Fault } from '../../core/errors.ts';
import type { Call, ClusterUpdate, Observation, Operation } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import type { Api, Place } from './api.ts';
import { type Group, groupsOf, type Machines } from './machines.ts';
import { handleOf } from './operations.ts';
import { autoscaleOf, zonesOfPool } from './seen.ts';
import { poolToChange, refuseWhileBusy, waiting } from './update.ts';
import type { ClusterAnswer, ComputeOperationAnswer, MachineAnswer, PoolAnswer } from './wire.ts';

/** An operation of the compute API on one machine. */
interface MachineHandle {
  group: Group;
  machine: string;
  operation: string;
}

/** How an operation on a machine stands; it is over only when its group has done what it was told to. */
interface Standing {
  outcome: NonNullable<Observation['outcome']>;
  handle: string;
  step?: string;
  message?: string;
}

/** Null for every other handle. */
export function readMachineHandle(handle: string | undefined): MachineHandle | null {
  const [kind, zone, name, machine, operation, ...more] = (handle ?? '').split('/');
  if (kind !== 'machine' || !zone || !name || !machine || !operation || more.length > 0) return null;
  return { group: { zone, name }, machine, operation };
}

function machineHandle({ group, machine, operation }: MachineHandle): string {
  return ['machine', group.zone, group.name, machine, operation].join('/');
}

/**
 * The next step of an update that retires a machine; null when it is made anew, or gone and the pool told to be as large as it is. Throws rather
 * than let another machine go.
 */
export async function retireMachine(
  api: Api,
  machines: Machines,
  place: Place,
  cluster: ClusterAnswer,
  update: ClusterUpdate & { retire: NonNullable<ClusterUpdate['retire']> },
  call: Call,
): Promise<Operation | null> {
  refuseWhileBusy(place, cluster);
  if (cluster.autopilot?.enabled) {
    throw new Fault('bad-input', 'Autopilot makes and repairs its nodes by itself; none can be retired from here.', {
      field: 'node',
      next: 'Nothing to do: Google replaces a node that stays broken.',
    });
  }
  const { retire, nodes } = update;
  const pool = poolToChange(place, cluster, update.pool);
  const groups = groupsOf(pool, retire.node);
  const found = await findMachine(machines, groups, retire.node, call);
  const size = async () => {
    const sizes = await Promise.all(groups.map((group) => machines.size(group, call)));
    return sizes.reduce((sum, each) => sum + each, 0);
  };
  if (!found) return tellSize(api, place, cluster, pool, retire.node, nodes, size, call);
  const { group, machine, peers } = found;
  const step = stepOf(machine);
  if (step !== null) throw waiting(`${step}.`);
  const now = await size();
  if (nodes === undefined || nodes >= now) {
    const madeAt = await machines.madeAt(group.zone, machine.name, call);
    if (madeAt === null) throw waiting(`Google does not show the machine ${machine.name} at the moment.`);
    return madeAt >= retire.before ? null : begun(found, await machines.recreate(group, machine, call));
  }
  refuseRemoval(cluster, pool, nodes, now, peers);
  return begun(found, await machines.remove(group, machine, call));
}

interface Found {
  group: Group;
  machine: MachineAnswer;
  /** All machines of its group. */
  peers: MachineAnswer[];
}

async function findMachine(machines: Machines, groups: Group[], name: string, call: Call): Promise<Found | null> {
  for (const group of groups) {
    const peers = await machines.list(group, call);
    const machine = peers.find((each) => each.name === name);
    if (machine) return { group, machine, peers };
  }
  return null;
}

function begun({ group, machine }: Found, operation: ComputeOperationAnswer): Operation {
  return { id: machineHandle({ group, machine: machine.name, operation: operation.name }) };
}

function refuseRemoval(
  cluster: ClusterAnswer,
  pool: PoolAnswer,
  nodes: number,
  size: number,
  peers: MachineAnswer[],
): void {
  const zones = zonesOfPool(pool, cluster);
  if (zones > 1 && !autoscaleOf(pool, cluster)) {
    throw new Fault(
      'bad-input',
      `Google keeps one number of nodes for all ${zones} zones of the node pool ${pool.name}: none of them can go without another in its place.`,
      {
        field: 'nodes',
        next: `Replace the machine with \`cluster repair\`, or scale the pool down by ${zones} nodes.`,
      },
    );
  }
  // Who counts nodes in the cluster does not count those that have not joined yet.
  const coming = peers.find((each) => each.currentAction.startsWith('CREATING'));
  if (coming) throw waiting(`${stepOf(coming) ?? 'Google is making a machine'}.`);
  if (nodes < size - 1) {
    throw new Fault(
      'conflict',
      `The node pool ${pool.name} has ${size} machines at Google and would have to have ${nodes}: more than the one would have to go.`,
      {
        whose: 'provider',
        retryable: false,
        next: 'Wait until all its nodes have joined the cluster, or look at its machines at Google; then try again.',
      },
    );
  }
}

/**
 * The machine is gone. What GKE itself says of the size of a pool is the last number that it was told, whatever its groups have by now: it is told
 * the number that is there, with which no machine comes or goes. Where Google's autoscaler has the pool, that number means nothing.
 */
async function tellSize(
  api: Api,
  place: Place,
  cluster: ClusterAnswer,
  pool: PoolAnswer,
  node: string,
  nodes: number | undefined,
  size: () => Promise<number>,
  call: Call,
): Promise<Operation | null> {
  if (nodes === undefined || autoscaleOf(pool, cluster)) return null;
  const now = await size();
  if (nodes < now) {
    throw new Fault('not-found', `The node pool ${pool.name} at Google has no machine ${node}.`, {
      field: 'node',
      whose: 'provider',
      retryable: false,
    });
  }
  const alone = zonesOfPool(pool, cluster) === 1;
  if (!alone || nodes !== now || nodes === (pool.initialNodeCount ?? 0)) return null;
  return { id: handleOf(place.location, await api.setSize(place, pool.name, nodes, call)) };
}

const actions: Record<string, string> = {
  CREATING: 'making',
  CREATING_WITHOUT_RETRIES: 'making',
  RECREATING: 'recreating',
  DELETING: 'deleting',
  ABANDONING: 'giving away',
  RESTARTING: 'restarting',
  REFRESHING: 'changing',
  VERIFYING: 'looking after',
};

/** What the group does with a machine, in words; null when nothing. It tries again until it succeeds, so a try that failed is told with it. */
function stepOf({ name, currentAction, lastAttempt }: MachineAnswer): string | null {
  if (currentAction === '' || currentAction === 'NONE') return null;
  const trouble = lastAttempt?.errors?.errors.find(({ message }) => message)?.message;
  const doing = Object.hasOwn(actions, currentAction) ? actions[currentAction] : 'at work on';
  return `Google is ${doing} the machine ${name}${trouble ? `; its last try failed: ${oneLine(trouble, [], 160)}` : ''}`;
}

/** "This operation is marked as DONE when the action is scheduled": whether it has been carried out is asked of the group. */
export async function machineStanding(machines: Machines, handle: MachineHandle, call: Call): Promise<Standing> {
  const { group, machine: name } = handle;
  const id = machineHandle(handle);
  const operation = await machines.operation(group.zone, handle.operation, call);
  if (operation && operation.status !== 'DONE') {
    return { outcome: 'running', handle: id, step: `Google is about to begin with the machine ${name}` };
  }
  const failure = operation?.error?.errors.find(({ message, code }) => message || code);
  if (failure || operation?.httpErrorMessage) {
    const message = failure?.message || failure?.code || operation?.httpErrorMessage || '';
    return { outcome: 'failed', handle: id, message };
  }
  const machine = (await machines.list(group, call)).find((each) => each.name === name);
  const step = machine ? stepOf(machine) : null;
  return step === null ? { outcome: 'done', handle: id } : { outcome: 'running', handle: id, step };
}

/** The cluster, which Google itself shows as running all the while. */
export function withMachine(seen: Observation, standing: Standing, secrets: readonly string[]): Observation {
  const { outcome, handle, step, message } = standing;
  if (seen.state === 'absent' || !seen.mine) return seen;
  if (outcome === 'failed') return { ...seen, outcome, message: oneLine(message ?? '', secrets) };
  if (outcome === 'done') return { ...seen, outcome };
  const state = seen.state === 'running' ? 'updating' : seen.state;
  return { ...seen, outcome, state, operation: handle, ...(step ? { step: oneLine(step, secrets) } : {}) };
}
