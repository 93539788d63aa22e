import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';

/** Work that is done one after the other where it has the same key. */
export interface Turns {
  take<T>(key: string, call: Call, work: () => Promise<T>): Promise<T>;
}

/** Makes an order of turns; whoever waits longer than its call allows gets an `unreachable` Fault and has done nothing. */
export function openTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    async take(key, call, work) {
      const before = last.get(key);
      const mine = Promise.withResolvers<void>();
      const upToMine = Promise.all([before, mine.promise]);
      last.set(key, upToMine);
      try {
        if (before) await within(before, call);
        return await work();
      } finally {
        mine.resolve();
        if (last.get(key) === upToMine) last.delete(key);
      }
    },
  };
}

async function within(before: Promise<unknown>, call: Call): Promise<void> {
  const stop = new AbortController();
  const late = wait(Math.max(0, call.deadline - Date.now()), true, {
    signal: AbortSignal.any([call.signal, stop.signal]),
  }).catch(() => true);
  const isLate = await Promise.race([before.then(() => false), late]);
  stop.abort();
  if (!isLate) return;
  throw new Fault('unreachable', 'An earlier request for the same cluster is still being answered by Jenkins.', {
    next: 'KQueen tries again by itself.',
  });
}
