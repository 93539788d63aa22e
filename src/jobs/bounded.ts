import { Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Call } from '../core/ports/engine.ts';

/** How an outside call is bounded: for how long, who is asked (for the sentence), and whether a lost answer leaves doubt. */
export interface Bounds {
  ms: number;
  /** "The provider", "The cluster". */
  who: string;
  /** True for calls that change something: after a time-out it may have happened. */
  changes?: boolean;
}

/**
 * Runs one outside call and is through after `ms` at the latest, even when the other side, or the code that asks it, ignores its signal.
 * Throws a retryable Fault `unreachable` then.
 */
export async function bounded<T>(clock: Clock, bounds: Bounds, run: (call: Call) => Promise<T>): Promise<T> {
  const call = new AbortController();
  const timer = new AbortController();
  const deadline = clock.now() + bounds.ms;
  const late = clock.sleep(bounds.ms, timer.signal).then((): never => {
    const fault = new Fault('unreachable', `${bounds.who} did not answer within ${Math.round(bounds.ms / 1_000)} s.`, {
      outcomeUnknown: bounds.changes ?? false,
    });
    call.abort(fault);
    throw fault;
  });
  try {
    return await Promise.race([run({ signal: call.signal, deadline }), late]);
  } finally {
    timer.abort();
  }
}
