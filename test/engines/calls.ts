import { Fault } from '../../src/core/errors.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { Call } from '../../src/core/ports/engine.ts';

/** A call with `ms` to go. */
export function callFor(ms = 10_000, signal: AbortSignal = new AbortController().signal): Call {
  return { signal, deadline: Date.now() + ms };
}

/** The Fault that a promise rejects with; fails when it does not, or with something else. */
export async function faultOf(work: Promise<unknown>): Promise<Fault> {
  let value: unknown;
  try {
    value = await work;
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    throw new Error('rejected with something that is not a Fault', { cause: thrown });
  }
  throw new Error(`did not fail: ${JSON.stringify(value)}`);
}

/** The machine's own time. */
export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};
