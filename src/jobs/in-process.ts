import { asFault, Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue, TickRef } from '../core/ports/queue.ts';
import { tickId } from './tick-id.ts';

/** Timers are armed again at least this often: longer ones than 24.8 days overflow in Node. */
const longestSleepMs = 3_600_000;

interface Entry {
  id: string;
  tick: TickRef;
  at: number;
}

/**
 * The queue of one process: nothing is kept on disk, because the store says what is due and the recovery sweep adds it again after a restart.
 * Same semantics as the distributed one, down to this: an id that is waiting or running is not added a second time.
 */
export function createInProcessQueue({ clock, log }: { clock: Clock; log: Log }): Queue {
  /** Sorted by time, the earliest last, so that taking one is cheap. */
  const pending: Entry[] = [];
  const known = new Set<string>();
  const running = new Set<Promise<void>>();
  let handle: ((tick: TickRef) => Promise<void>) | undefined;
  let limit = 0;
  let closed = false;
  let alarm: { at: number; stop: AbortController } | undefined;

  function insert(entry: Entry): void {
    let low = 0;
    let high = pending.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      // Among equal times the new one comes first here, thus last in turn.
      if ((pending[middle]?.at ?? 0) > entry.at) low = middle + 1;
      else high = middle;
    }
    pending.splice(low, 0, entry);
  }

  function pump(): void {
    if (!handle || closed) return;
    while (running.size < limit) {
      const first = pending.at(-1);
      if (!first || first.at > clock.now()) break;
      pending.pop();
      start(first, handle);
    }
    arm();
  }

  function start(entry: Entry, handler: (tick: TickRef) => Promise<void>): void {
    const run = (async () => {
      try {
        await handler(entry.tick);
      } catch (thrown) {
        const fault = asFault(thrown);
        log.error({ job: entry.tick.job, tick: entry.tick.tick, detail: fault.detail }, `tick lost: ${fault.message}`);
      } finally {
        known.delete(entry.id);
      }
    })();
    running.add(run);
    void run.then(() => {
      running.delete(run);
      pump();
    });
  }

  function arm(): void {
    const first = pending.at(-1);
    if (!first || running.size >= limit || closed) return;
    if (alarm && alarm.at <= first.at) return;
    alarm?.stop.abort();
    const stop = new AbortController();
    const set = { at: first.at, stop };
    alarm = set;
    const wait = Math.min(longestSleepMs, Math.max(0, first.at - clock.now()));
    const ring = () => {
      if (alarm !== set) return;
      alarm = undefined;
      pump();
    };
    // A stopped alarm has nothing to ring for; the one that replaced it does.
    clock.sleep(wait, stop.signal).then(ring, () => undefined);
  }

  return {
    async add(tick, at) {
      if (closed) throw new Fault('unreachable', 'The queue is closed.', { whose: 'kqueen' });
      const id = tickId(tick);
      if (known.has(id)) return;
      known.add(id);
      insert({ id, tick, at });
      pump();
    },
    async work(handler, concurrency) {
      if (handle) throw new Fault('internal', 'This queue is already being worked on.');
      handle = handler;
      limit = concurrency;
      pump();
    },
    async depth() {
      const now = clock.now();
      const due = pending.filter((entry) => entry.at <= now).length;
      return { waiting: due, delayed: pending.length - due, active: running.size };
    },
    async ready() {
      if (closed) throw new Fault('unreachable', 'The queue is closed.', { whose: 'kqueen' });
    },
    async close(graceMs) {
      closed = true;
      alarm?.stop.abort();
      alarm = undefined;
      pending.length = 0;
      if (running.size === 0) return;
      const timer = new AbortController();
      await Promise.race([Promise.all(running), clock.sleep(graceMs, timer.signal).catch(() => undefined)]);
      timer.abort();
    },
  };
}
