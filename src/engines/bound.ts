/** What bounds a call to a provider: the caller's signal and the deadline, whichever comes first. */
import type { Call } from '../core/ports/engine.ts';

/** One signal for the caller's abort and the deadline; `done` releases the timer. */
export function boundTo(call: Call): { signal: AbortSignal; done: () => void } {
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(), Math.max(0, Math.min(call.deadline - Date.now(), 2 ** 31 - 1)));
  if (call.deadline <= Date.now()) timer.abort();
  return { signal: AbortSignal.any([call.signal, timer.signal]), done: () => clearTimeout(timeout) };
}

/**
 * Settles with the work, or rejects when the signal fires: undici looks at the signal of a request only once it has a connection, so one
 * that waits for a silent server would outlive its deadline. It is not sent any more when the connection comes.
 */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Whether the caller ended it, well before its time was over. */
export function gaveUp(call: Call): boolean {
  return call.signal.aborted && Date.now() < call.deadline - 50;
}
