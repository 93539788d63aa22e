import type { Call, Observation, Target } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import type { Api } from './api.ts';
import { lastFailure } from './events.ts';
import { endpointFrom, readKubeconfig } from './kubeconfig.ts';
import { boundsOf, keysFor, namesOf, poolsIn, specOf } from './parameters.ts';
import { failureOf, leftoversOf, progressOf, shorten } from './progress.ts';
import type { HeatProvisioner } from './schema.ts';
import { placeOf, type Session } from './session.ts';
import { isMine, type Stacks } from './stacks.ts';
import { handleOf, mayBeEmpty, outcomeOf, readHandle, stateOf, statusOf, writeHandle } from './states.ts';
import type { Templates } from './template.ts';
import type { Stack } from './wire.ts';

/** What the outputs of a stack say; they stay the same until its next update. */
interface Outputs {
  endpoint?: string;
  /** There is a kubeconfig, so there was a cluster. */
  usable: boolean;
}

/** Operations and stacks that are remembered. */
const mostKnown = 500;

/** Tells how a stack is, with as few requests as its state allows: one for a cluster that runs and was seen before. */
export interface Observer {
  observe(target: Target, call: Call): Promise<Observation>;
  /** Whether there never was a cluster in this stack. */
  isEmpty(stack: Stack, call: Call): Promise<boolean>;
}

export function openObserver(
  params: HeatProvisioner,
  api: Api,
  session: Session,
  stacks: Stacks,
  templates: Templates,
  secrets: readonly string[],
): Observer {
  const outputs = new Map<string, Outputs>();
  /** The highest percent shown of an operation: a resource that comes late must not make it shrink. */
  const shown = new Map<string, number>();

  async function outputsOf(stack: Stack, call: Call): Promise<Outputs> {
    const key = `${stack.id} ${stack.updated_time ?? ''} ${stack.stack_status}`;
    const known = outputs.get(key);
    if (known) return known;
    const whole = await stacks.whole(stack, call);
    const values = new Map((whole?.outputs ?? []).map((each) => [each.output_key, each.output_value]));
    const kubeconfig = readKubeconfig(values.get(params.kubeconfigOutput));
    const asked = params.endpointOutput || undefined;
    // What KQueen uses is what the kubeconfig says, unless the admin knows better.
    const endpoint = asked ? endpointFrom(values, asked) : (kubeconfig?.server ?? endpointFrom(values, undefined));
    const made: Outputs = { usable: kubeconfig !== null, ...(endpoint ? { endpoint } : {}) };
    // Of a stack that is at rest: while it is worked on, outputs appear.
    if (statusOf(stack.stack_status).status !== 'IN_PROGRESS') remember(outputs, key, made);
    return made;
  }

  async function isEmpty(stack: Stack, call: Call): Promise<boolean> {
    return mayBeEmpty(stack.stack_status) && !(await outputsOf(stack, call)).usable;
  }

  async function describe(stack: Stack, call: Call): Promise<Partial<Observation>> {
    const names = namesOf(stack.parameters);
    const spec = specOf(stack.parameters, keysFor(names, params));
    const seen: Partial<Observation> = { externalId: stack.id };
    seen.region = placeOf(await session.signedIn(call), params);
    if (typeof spec.version === 'string') seen.version = oneLine(spec.version, [], 40);
    if (spec.nodes !== undefined || spec.gateways !== undefined) {
      const { parameters, keys } = await templates.ofStack(stack, call);
      seen.pools = poolsIn(spec, boundsOf(parameters, keys));
      seen.nodes = seen.pools.reduce((sum, pool) => sum + pool.nodes, 0);
    }
    return seen;
  }

  async function running(stack: Stack, state: Observation['state'], call: Call): Promise<Partial<Observation>> {
    const resources = await stacks.resources(stack, call);
    const { percent, step } = progressOf(stack, resources, secrets);
    const seen: Partial<Observation> = { step: step ?? oneLine(words(stack), secrets, 80) };
    if (percent !== undefined && (state === 'creating' || state === 'updating')) {
      const key = `${stack.id} ${statusOf(stack.stack_status).action} ${stack.updated_time ?? ''}`;
      seen.percent = Math.max(percent, shown.get(key) ?? 0);
      remember(shown, key, seen.percent);
    }
    return seen;
  }

  async function failed(stack: Stack, empty: boolean, call: Call): Promise<Partial<Observation>> {
    const resources = await stacks.resources(stack, call);
    const { message, detail } = failureOf(stack, resources, secrets);
    const seen: Partial<Observation> = { message, detail };
    const { action, status } = statusOf(stack.stack_status);
    if (action === 'ROLLBACK' && status === 'COMPLETE') {
      const why = await lastFailure(api, stack, call);
      if (why) seen.message = oneLine(`Rolled back: ${shorten(why.reason)} (${why.resource})`, secrets);
    }
    if (action === 'CREATE' || action === 'DELETE' || empty) {
      const left = leftoversOf(stack, resources);
      if (left.length > 0) seen.leftovers = left;
    }
    return seen;
  }

  async function look(stack: Stack, target: Target, call: Call): Promise<Observation> {
    const empty = await isEmpty(stack, call);
    const { action, status } = statusOf(stack.stack_status);
    let state = stateOf(stack.stack_status);
    if (empty) state = status === 'IN_PROGRESS' ? 'creating' : 'error';
    const seen: Observation = { state, mine: isMine(stack, target), ...(await describe(stack, call)) };
    const handle = readHandle(target.operation);
    // Also of one that was let go: its release is what is waited for.
    const outcome = handle ? outcomeOf(handle, stack, empty) : undefined;
    if (outcome) seen.outcome = outcome;
    if (!seen.mine) return seen;
    const now = handleOf(stack, empty);
    if (now) seen.operation = writeHandle(now);

    if (state === 'unknown') seen.step = oneLine(stack.stack_status, [], 60);
    else if (status === 'IN_PROGRESS') Object.assign(seen, await running(stack, state, call));
    else if (status === 'FAILED' || (action === 'ROLLBACK' && (empty || outcome === 'failed'))) {
      Object.assign(seen, await failed(stack, empty, call));
      if (state === 'running') seen.notes = [`${failures[action] ?? 'The last change failed.'} ${seen.message ?? ''}`];
    }
    if (status !== 'IN_PROGRESS' && (state === 'running' || state === 'stopped')) {
      const { endpoint } = await outputsOf(stack, call);
      if (endpoint) seen.endpoint = endpoint;
    }
    return seen;
  }

  return {
    isEmpty,
    async observe(target, call) {
      const stack = await stacks.find(target, call);
      if (stack) return look(stack, target, call);
      const seen: Observation = { state: 'absent', mine: true };
      if (readHandle(target.operation)?.action === 'DELETE') seen.outcome = 'done';
      return seen;
    },
  };
}

/** What a failed action of a cluster that goes on means. */
const failures: Record<string, string> = {
  UPDATE: 'The last change of the stack failed.',
  ROLLBACK: 'The last change of the stack failed and could not be taken back.',
  CHECK: 'A check of the stack found something that is not as it should be.',
  SNAPSHOT: 'The last snapshot of the stack failed.',
};

function words(stack: Stack): string {
  return stack.stack_status_reason?.trim() || stack.stack_status;
}

/** Adds to a memory that forgets its oldest. */
function remember<T>(memory: Map<string, T>, key: string, value: T): void {
  memory.delete(key);
  memory.set(key, value);
  for (const oldest of memory.keys()) {
    if (memory.size <= mostKnown) break;
    memory.delete(oldest);
  }
}
