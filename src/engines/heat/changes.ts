import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../../core/errors.ts';
import type { Call, ClusterUpdate, Operation, Preview } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { type Api, notHeat } from './api.ts';
import { poolNames, type Role, readValue } from './parameters.ts';
import type { HeatProvisioner } from './schema.ts';
import { busy, isBusy, type Stacks } from './stacks.ts';
import { type Handle, handleOf, later, statusOf, writeHandle } from './states.ts';
import { stackPath, type Templates } from './template.ts';
import { PreviewAnswer, readAnswer, type Stack } from './wire.ts';

/** How often, and how long apart in milliseconds, a stack is looked at until Heat shows what was just begun. */
const settleTries = 5;
const settleMs = 200;

/** Begins changes of a stack that exists and is this cluster's. */
export interface Changes {
  /** Sets the parameters of an update; null when the stack has them already. */
  apply(stack: Stack, update: ClusterUpdate, call: Call): Promise<Operation | null>;
  /** What Heat's own dry run says of the update; null when the stack is as wanted. */
  preview(stack: Stack, update: ClusterUpdate, call: Call): Promise<Preview | null>;
  /** Suspends or resumes; null when that is done. */
  switchPower(stack: Stack, power: 'on' | 'off', call: Call): Promise<Operation | null>;
  /** Sets the tags; an update that changes nothing else. */
  retag(stack: Stack, tags: string[], call: Call): Promise<Operation>;
  /** Throws where no update can begin. */
  refuse(stack: Stack): void;
  /** The parameters that an update changes, which one counts its pool, and whether that pool has more nodes by it than it is to have. */
  wanted(
    stack: Stack,
    update: ClusterUpdate,
    call: Call,
  ): Promise<{ parameters: Record<string, unknown>; counter: string; fewer: boolean }>;
  /** Begins an update with these parameters, and another template where one is given. */
  put(
    stack: Stack,
    body: { parameters: Record<string, unknown>; template?: Record<string, unknown> },
    call: Call,
  ): Promise<Operation>;
  /** The handle of what was just begun at a stack that was seen as `before`. */
  begun(before: Stack, action: Handle['action'], call: Call): Promise<Operation>;
}

export function openChanges(params: HeatProvisioner, api: Api, stacks: Stacks, templates: Templates): Changes {
  /** Looks until Heat shows that the action has begun, so that nobody takes the state from before for its end. */
  async function settled(before: Stack, action: Handle['action'], call: Call): Promise<Stack | null> {
    let stack: Stack | null = before;
    for (let tries = 0; tries < settleTries; tries += 1) {
      if (tries > 0) await wait(settleMs);
      stack = await stacks.look(before, call);
      if (!stack) return null;
      const moved = stack.stack_status !== before.stack_status || stack.updated_time !== before.updated_time;
      if (moved && statusOf(stack.stack_status).action !== statusOf(before.stack_status).action) return stack;
      if (moved && (action !== 'UPDATE' || stack.updated_time !== before.updated_time)) return stack;
    }
    return stack;
  }

  async function begun(before: Stack, action: Handle['action'], call: Call): Promise<Operation> {
    const plain: Operation = {
      id: writeHandle({
        action,
        stack: before.id,
        ...(action === 'UPDATE' ? { since: `${later}${before.updated_time ?? ''}` } : {}),
      }),
    };
    try {
      const stack = await settled(before, action, call);
      const handle = stack && handleOf(stack, false);
      return handle && handle.action === action ? { id: writeHandle(handle) } : plain;
    } catch (thrown) {
      // The change is under way, only the look at it failed; the next look tells.
      if (thrown instanceof Fault) return plain;
      throw thrown;
    }
  }

  async function patch(stack: Stack, body: Record<string, unknown>, call: Call): Promise<Operation> {
    const answer = await api.heat(
      { method: 'PATCH', path: stackPath(stack.stack_name, stack.id), body: { existing: true, ...body } },
      call,
    );
    if (answer.status === 404) throw notHeat(answer);
    return begun(stack, 'UPDATE', call);
  }

  /** A stack in which an update can begin, or the reason why not. */
  function refuseUpdate(stack: Stack): void {
    const { action } = statusOf(stack.stack_status);
    if (isBusy(stack)) throw busy(stack);
    if (action === 'SUSPEND') {
      throw new Fault(
        'conflict',
        oneLine(`The cluster ${stack.stack_name} is stopped, and Heat changes no stopped one.`),
        {
          retryable: false,
          next: 'Start it first.',
        },
      );
    }
    if (action === 'DELETE') {
      throw new Fault(
        'conflict',
        oneLine(`The deletion of ${stack.stack_name} failed half-way, so it cannot be changed.`),
        {
          retryable: false,
          next: 'Delete it again.',
        },
      );
    }
  }

  async function switchPower(stack: Stack, power: 'on' | 'off', call: Call): Promise<Operation | null> {
    const { action, status } = statusOf(stack.stack_status);
    if (isBusy(stack)) throw busy(stack);
    const suspended = action === 'SUSPEND';
    const done =
      power === 'off'
        ? suspended && status === 'COMPLETE'
        : !suspended && !(action === 'RESUME' && status === 'FAILED');
    if (done) return null;
    if (action === 'DELETE') refuseUpdate(stack);
    const body = power === 'off' ? { suspend: null } : { resume: null };
    const path = `${stackPath(stack.stack_name, stack.id)}/actions`;
    const answer = await api.heat({ method: 'POST', path, body }, call);
    if (answer.status === 404) throw notHeat(answer);
    return begun(stack, power === 'off' ? 'SUSPEND' : 'RESUME', call);
  }

  /** The parameters that differ from what the stack has, read by the rules of its own template. */
  async function wantedOf(stack: Stack, update: ClusterUpdate, call: Call): Promise<Record<string, unknown>> {
    const { parameters, keys } = await templates.ofStack(stack, call);
    const wanted: Record<string, unknown> = {};
    const set = (role: Role, value: unknown, what: string) => {
      const parameter = parameters.find((each) => each.name === keys.roles[role]);
      if (!parameter) throw cannotChange(role, `has no parameter for ${what}`);
      const read = readValue(parameter, role, value);
      if (String(read) === String(stack.parameters[parameter.name])) return;
      if (parameter.immutable) throw cannotChange(role, `does not let ${what} be changed later`);
      wanted[parameter.name] = read;
    };
    if (update.nodes !== undefined) {
      const role = roleOfPool(update.pool);
      set(role, update.nodes, role === 'nodes' ? 'the number of worker nodes' : 'the number of gateways');
    }
    if (update.gateways !== undefined) set('gateways', update.gateways, 'the number of gateways');
    if (update.version !== undefined) set('version', update.version, 'the version of Kubernetes');
    return wanted;
  }

  function put(stack: Stack, body: Record<string, unknown>, call: Call): Promise<Operation> {
    return patch(stack, { ...body, timeout_mins: params.timeoutMinutes, disable_rollback: !params.rollback }, call);
  }

  /** Adds or takes away KQueen's tags; an update that changes nothing else. */
  async function retag(stack: Stack, tags: string[], call: Call): Promise<Operation> {
    refuseUpdate(stack);
    if (statusOf(stack.stack_status).status === 'FAILED') {
      throw new Fault(
        'conflict',
        oneLine(
          `The stack ${stack.stack_name} is in ${stack.stack_status}; marking it would make Heat try that again.`,
        ),
        { whose: 'admin', retryable: false, next: 'Have the stack repaired in OpenStack first.' },
      );
    }
    return patch(stack, { tags: tags.join(',') }, call);
  }

  return {
    async apply(stack, update, call) {
      refuseUpdate(stack);
      const wanted = await wantedOf(stack, update, call);
      // A change that failed has left its parameters behind; as they are wanted, Heat is to try again.
      const failed = statusOf(stack.stack_status).status === 'FAILED';
      if (Object.keys(wanted).length === 0 && !failed) return null;
      return put(stack, { parameters: wanted }, call);
    },
    async preview(stack, update, call) {
      const wanted = await wantedOf(stack, update, call);
      if (Object.keys(wanted).length === 0) return null;
      const path = `${stackPath(stack.stack_name, stack.id)}/preview`;
      const answer = await api.heat({ method: 'PATCH', path, body: { existing: true, parameters: wanted } }, call);
      if (answer.status === 404) return null;
      const { added, updated, replaced, deleted } = readAnswer(PreviewAnswer, answer.body).resource_changes;
      const names = (all: { resource_name: string }[]) => [...new Set(all.map((each) => oneLine(each.resource_name)))];
      return { added: names(added), updated: names(updated), replaced: names(replaced), removed: names(deleted) };
    },
    refuse: refuseUpdate,
    async wanted(stack, update, call) {
      const parameters = await wantedOf(stack, update, call);
      const { keys } = await templates.ofStack(stack, call);
      const counter = keys.roles[roleOfPool(update.pool)] ?? '';
      const fewer = update.nodes !== undefined && update.nodes < Number(stack.parameters[counter]);
      return { parameters, counter, fewer };
    },
    put,
    switchPower,
    retag,
    begun,
  };
}

function roleOfPool(pool: string | undefined): 'nodes' | 'gateways' {
  if (pool === undefined || pool === poolNames.nodes) return 'nodes';
  if (pool === poolNames.gateways) return 'gateways';
  throw new Fault('bad-input', oneLine(`There is no node pool ${pool}.`), {
    field: 'pool',
    next: `Pools: ${poolNames.nodes}, ${poolNames.gateways}.`,
  });
}

function cannotChange(role: Role, why: string): Fault {
  return new Fault('bad-input', `The template of this cluster ${why}.`, {
    field: role,
    whose: 'admin',
    next: 'Ask an admin which template to use; a cluster keeps the one that it was made with.',
  });
}
