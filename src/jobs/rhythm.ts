import { asFault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

export interface Rhythm {
  /** For the log: "recovery". */
  name: string;
  everyMs: number;
  /** Wait before the first run; default none. */
  firstMs?: number;
  run: (signal: AbortSignal) => Promise<unknown>;
}

/**
 * Runs something again and again, never twice at a time, until stopped. An error is logged and the next run comes all the same.
 * The returned function stops it and resolves when the current run is through.
 */
export function startRhythm({ clock, log }: { clock: Clock; log: Log }, rhythm: Rhythm): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  async function pause(ms: number): Promise<void> {
    // A run may have ended because of the stop; whether a clock notices a signal from before is its own affair.
    if (signal.aborted) return;
    try {
      await clock.sleep(ms, signal);
    } catch (reason) {
      if (!signal.aborted) throw reason;
    }
  }

  async function beat(): Promise<void> {
    if (rhythm.firstMs) await pause(rhythm.firstMs);
    while (!signal.aborted) {
      try {
        await rhythm.run(signal);
      } catch (thrown) {
        const fault = asFault(thrown);
        if (!signal.aborted) log.warn({ what: rhythm.name, detail: fault.detail }, `a sweep failed: ${fault.message}`);
      }
      await pause(rhythm.everyMs);
    }
  }

  const running = beat().catch((error: unknown) => {
    log.error({ what: rhythm.name, error: String(error) }, 'a sweep stopped for good');
  });
  return async () => {
    stop.abort();
    await running;
  };
}
