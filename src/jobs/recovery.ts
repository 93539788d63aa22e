import { asFault, type Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue } from '../core/ports/queue.ts';
import type { Cache, Store } from '../core/ports/store.ts';
import { endedStates, type Job } from '../core/records.ts';
import { listAll, orgsOf } from './listing.ts';

export interface RecoveryParts {
  store: Store;
  cache?: Cache;
  queue: Queue;
  clock: Clock;
  log: Log;
  /** Time between two sweeps, in milliseconds; at most 5,000, which is also the default. */
  everyMs?: number;
}

export interface Recovery {
  /** One sweep: adds every tick that is due, or will be before the next sweep. Returns how many it added. */
  sweep(): Promise<number>;
  /** Logs jobs whose cluster does not name them, and clusters that name a job that has ended. Returns how many it found. */
  inspect(): Promise<number>;
}

/** Adds at once; enough to hide the way to Redis, few enough for the event loop. */
const addsAtOnce = 32;

/**
 * What makes losing the queue harmless: the store says which tick of which job is due when, and this adds it again. Adding a tick that is already
 * queued does nothing, and running one twice is fenced, so it need not know what the queue holds.
 */
export function createRecovery(parts: RecoveryParts): Recovery {
  const { store, queue, clock, log } = parts;
  const everyMs = Math.min(parts.everyMs ?? 5_000, 5_000);
  let first = true;

  async function openJobs(): Promise<Job[]> {
    const open = (job: Job) => job.dueAt !== undefined && !endedStates.includes(job.state);
    const jobs = await Promise.all(orgsOf(parts.cache).map((org) => listAll(parts, 'job', org, open)));
    return jobs.flat();
  }

  async function sweep(): Promise<number> {
    // The first one may follow a crash of everything: it adds all there is, however far in the future.
    const horizon = first ? Number.POSITIVE_INFINITY : clock.now() + everyMs;
    const due = (await openJobs())
      .filter((job) => (job.dueAt ?? 0) <= horizon)
      .sort((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0));
    let added = 0;
    let stopped: Fault | undefined;
    const next = due.values();
    async function addSome(): Promise<void> {
      for (const job of next) {
        if (stopped) return;
        try {
          await queue.add({ org: job.org, job: job.id, tick: job.tick }, job.dueAt ?? clock.now());
          added += 1;
        } catch (thrown) {
          stopped = asFault(thrown);
        }
      }
    }
    await Promise.all(Array.from({ length: addsAtOnce }, addSome));
    if (stopped) throw stopped;
    first = false;
    return added;
  }

  async function inspect(): Promise<number> {
    let broken = 0;
    for (const job of await openJobs()) {
      const cluster = await store.get({ kind: 'cluster', org: job.org, id: job.cluster });
      if (cluster?.record.openJob === job.id) continue;
      // The two reads are not one: only a job that is still the same counts.
      const again = await store.get({ kind: 'job', org: job.org, id: job.id });
      if (again?.record.tick !== job.tick || endedStates.includes(again.record.state)) continue;
      broken += 1;
      log.error(
        { job: job.id, cluster: job.cluster, openJob: cluster?.record.openJob },
        'an open job whose cluster does not name it',
      );
    }
    for (const org of orgsOf(parts.cache)) {
      for (const cluster of await listAll(parts, 'cluster', org, ({ openJob }) => openJob !== undefined)) {
        const job = await store.get({ kind: 'job', org, id: cluster.openJob ?? '' });
        if (job && !endedStates.includes(job.record.state)) continue;
        const again = await store.get({ kind: 'cluster', org, id: cluster.id });
        if (again?.record.openJob !== cluster.openJob) continue;
        broken += 1;
        log.error({ cluster: cluster.id, openJob: cluster.openJob }, 'a cluster that is held by a job which has ended');
      }
    }
    return broken;
  }

  return { sweep, inspect };
}
