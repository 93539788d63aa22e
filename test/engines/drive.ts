import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../../src/core/errors.ts';
import type { ClusterUpdate, EngineClient, Observation, Operation, Target } from '../../src/core/ports/engine.ts';
import { callFor } from './calls.ts';

/** No change takes more steps than this: a control plane, its pools, and some room. */
const mostSteps = 8;
const everyMs = 50;

/** Throws when a cluster or its operation has failed, so that nobody waits for what will not come. */
export function runsOrFails(seen: Observation): void {
  if (seen.state === 'error' || seen.outcome === 'failed') throw new Error(`it failed: ${seen.message}`);
}

/** Asks for a change until there is nothing left to do, waiting for each step's operation. Gives the number of steps. */
export async function drive(
  client: EngineClient,
  target: Target,
  update: ClusterUpdate,
  patienceMs: number,
): Promise<number> {
  for (let steps = 0; steps <= mostSteps; steps += 1) {
    const operation = await next(client, target, update, patienceMs);
    if (!operation) return steps;
    runsOrFails(await over(client, { ...target, operation: operation.id }, patienceMs));
  }
  throw new Error(`still changing after ${mostSteps} steps`);
}

/** The next step's operation; waits while the provider says that another one runs. */
async function next(
  client: EngineClient,
  target: Target,
  update: ClusterUpdate,
  patienceMs: number,
): Promise<Operation | null> {
  for (const end = performance.now() + patienceMs; ; ) {
    try {
      return await client.update(target, update, callFor());
    } catch (thrown) {
      const busy = thrown instanceof Fault && thrown.kind === 'conflict' && thrown.retryable;
      if (!busy || performance.now() > end) throw thrown;
    }
    await wait(everyMs);
  }
}

/** What is seen once the target's operation is over, however it ended. */
export async function over(client: EngineClient, target: Target, patienceMs: number): Promise<Observation> {
  for (const end = performance.now() + patienceMs; ; ) {
    const seen = await client.observe(target, callFor());
    const busy = ['updating', 'creating', 'deleting', 'unknown'].includes(seen.state);
    if (seen.outcome === undefined ? !busy : seen.outcome !== 'running') return seen;
    if (performance.now() > end) throw new Error(`not over within ${patienceMs} ms: ${JSON.stringify(seen)}`);
    await wait(everyMs);
  }
}
