import { likeness, remembered, tookMs } from '../core/eta.ts';
import type { Cache } from '../core/ports/store.ts';
import type { Job } from '../core/records.ts';

/** How long past jobs took, by what makes them alike. */
export interface Durations {
  /** Of jobs like this one, newest first, in milliseconds. */
  like(job: Job): readonly number[];
  close(): void;
}

/** Learns from the ended jobs that memory has and from each one that ends; it keeps the newest of each likeness. */
export function createDurations(cache: Cache, org: string): Durations {
  const known = new Map<string, number[]>();
  const counted = new Set<string>();

  function learn(job: Job): void {
    const took = tookMs(job);
    if (took === null || counted.has(job.id)) return;
    counted.add(job.id);
    const key = likeness(job);
    known.set(key, [took, ...(known.get(key) ?? [])].slice(0, remembered));
  }

  const past = cache.query('job', org, { where: (job) => job.state === 'Succeeded', limit: 100_000 }).items;
  for (const job of past.toSorted((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0))) learn(job);
  const unsubscribe = cache.onChange(({ ref }) => {
    if (ref.kind !== 'job' || ref.org !== org) return;
    const job = cache.get({ kind: 'job', org, id: ref.id });
    if (job) learn(job);
    // Taken away by its retention: it will not end a second time.
    else counted.delete(ref.id);
  });
  return { like: (job) => known.get(likeness(job)) ?? [], close: unsubscribe };
}
