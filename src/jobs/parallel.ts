import type { Clock } from '../core/ports/clock.ts';

/** Runs `work` over the items in order, at most `limit` at once; throws what a run throws after the others have ended. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const next = items.values();
  async function place(): Promise<void> {
    for (const item of next) await work(item);
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, place));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** How work that may have to wait for others is spread. */
export interface Places {
  /** How many are worked on at once. */
  atOnce: number;
  /** Work that has not ended after so long gives its place to the next and goes on without one, in milliseconds. */
  patienceMs: number;
  /** How many may go on without a place; beyond that they keep it. */
  waiting: number;
}

/** Like inParallel, but a few that hang do not hold up the others. */
export async function inPlaces<T>(
  clock: Clock,
  items: readonly T[],
  { atOnce, patienceMs, waiting }: Places,
  work: (item: T) => Promise<void>,
  /** Waited for in the place before each, which its patience is not for. */
  pause: () => Promise<void> = async () => undefined,
): Promise<void> {
  const slow = new Set<Promise<void>>();
  const failures: unknown[] = [];
  await inParallel(items, atOnce, async (item) => {
    await pause();
    const run = work(item);
    if (slow.size >= waiting) return run;
    const timer = new AbortController();
    const ended = run.then(() => true);
    const late = clock.sleep(patienceMs, timer.signal).then(
      () => false,
      () => true,
    );
    const inTime = await Promise.race([ended, late]);
    timer.abort();
    if (inTime) return;
    const ending = run.then(
      () => void slow.delete(ending),
      (failure: unknown) => {
        slow.delete(ending);
        failures.push(failure);
      },
    );
    slow.add(ending);
  });
  await Promise.all(slow);
  if (failures.length > 0) throw failures[0];
}
