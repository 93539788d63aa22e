import { describe, expect, it, onTestFinished } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { Queue, TickRef } from '../../src/core/ports/queue.ts';
import type { Cache, Store } from '../../src/core/ports/store.ts';
import type { Job } from '../../src/core/records.ts';
import { createRecovery } from '../../src/jobs/recovery.ts';
import { openEmbedded } from '../../src/store/open.ts';
import { handClock, realClock } from '../store/clocks.ts';
import { keepingLog, sampleCluster, temporaryFolder } from '../store/parts.ts';
import { mustCommit, openTestStore } from './bench.ts';
import { sampleJob, start } from './samples.ts';

/** A queue that writes down what is added, and can be down. */
function noting(): Queue & { added: (TickRef & { at: number })[]; down: boolean } {
  const queue = {
    added: [] as (TickRef & { at: number })[],
    down: false,
    async add(tick: TickRef, at: number) {
      if (queue.down) throw new Fault('unreachable', 'The queue does not answer.');
      queue.added.push({ ...tick, at });
    },
    async work() {},
    depth: async () => ({ waiting: 0, delayed: 0, active: 0 }),
    async ready() {},
    async close() {},
  };
  return queue;
}

async function putJobs(store: Store, jobs: Partial<Job>[]): Promise<void> {
  for (const change of jobs) {
    const job = sampleJob(change);
    await mustCommit(store, [{ op: 'put', ref: { kind: 'job', org: 'default', id: job.id }, record: job }]);
  }
}

const jobs: Partial<Job>[] = [
  { id: 'due', tick: 3, dueAt: start - 1 },
  { id: 'long-overdue', tick: 7, dueAt: start - 3_600_000, state: 'Waiting' },
  { id: 'soon', tick: 2, dueAt: start + 4_000, state: 'Running' },
  { id: 'later', tick: 2, dueAt: start + 60_000, state: 'Running' },
  { id: 'undecided', tick: 1, dueAt: start + 86_400_000, state: 'AwaitingApproval' },
  { id: 'ended', tick: 9, state: 'Succeeded' },
];

describe('recovery', () => {
  it('adds everything there is at the start, and then what is due before the next sweep, earliest first', async () => {
    const { store, log } = openTestStore();
    const clock = handClock(start);
    const queue = noting();
    await putJobs(store, jobs);
    const recovery = createRecovery({ store, queue, clock, log });
    expect(await recovery.sweep()).toBe(5);
    expect(queue.added.map(({ job }) => job)).toEqual(['long-overdue', 'due', 'soon', 'later', 'undecided']);
    expect(queue.added[0]).toEqual({ org: 'default', job: 'long-overdue', tick: 7, at: start - 3_600_000 });
    queue.added = [];
    expect(await recovery.sweep()).toBe(3);
    expect(queue.added.map(({ job }) => job)).toEqual(['long-overdue', 'due', 'soon']);
    await clock.advance(60_000);
    expect(await recovery.sweep()).toBe(4);
  });

  it('stops at once when the queue is down, and adds everything when it is back', async () => {
    const { store, log } = openTestStore();
    const queue = noting();
    await putJobs(store, jobs);
    const recovery = createRecovery({ store, queue, clock: handClock(start), log });
    queue.down = true;
    await expect(recovery.sweep()).rejects.toMatchObject({ kind: 'unreachable' });
    queue.down = false;
    expect(await recovery.sweep()).toBe(5);
  });

  it('reads every page of the store, and the cache when that is in step', async () => {
    const log = keepingLog();
    const opened = await openEmbedded({ dir: temporaryFolder(), clock: realClock, log });
    onTestFinished(() => opened.close());
    const many = Array.from({ length: 1_203 }, (_, index) => ({ id: `j${index}`, dueAt: start }));
    for (let at = 0; at < many.length; at += 100) {
      await mustCommit(
        opened.store,
        many.slice(at, at + 100).map((change) => ({
          ...{
            op: 'put' as const,
            ref: { kind: 'job' as const, org: 'default', id: change.id },
            record: sampleJob(change),
          },
        })),
      );
    }
    const clock = handClock(start);
    const fromStore = noting();
    expect(await createRecovery({ store: opened.store, queue: fromStore, clock, log }).sweep()).toBe(1_203);

    const last = await opened.store.get({ kind: 'job', org: 'default', id: 'j1202' });
    await opened.cache.reached(last?.revision ?? 0, 5_000);
    let pages = 0;
    const counted: Store = {
      ...opened.store,
      async page(...asked) {
        pages += 1;
        return opened.store.page(...asked);
      },
    };
    const fromCache = noting();
    expect(await createRecovery({ store: counted, cache: opened.cache, queue: fromCache, clock, log }).sweep()).toBe(
      1_203,
    );
    expect(pages).toBe(0);

    const behind: Cache = { ...opened.cache, staleMs: () => 30_000 };
    await createRecovery({ store: counted, cache: behind, queue: noting(), clock, log }).sweep();
    expect(pages).toBeGreaterThan(2);
  });

  it('reports jobs and clusters that have lost one another, and only those', async () => {
    const { store, log } = openTestStore();
    const clusterOf = (id: string, openJob?: string) =>
      mustCommit(store, [
        {
          op: 'put',
          ref: { kind: 'cluster', org: 'default', id },
          record: sampleCluster(id, openJob === undefined ? {} : { openJob }),
        },
      ]);
    await putJobs(store, [
      { id: 'good', cluster: 'a' },
      { id: 'robbed', cluster: 'b' },
      { id: 'orphan', cluster: 'nowhere' },
      { id: 'over', cluster: 'c', state: 'Failed' },
    ]);
    await clusterOf('a', 'good');
    await clusterOf('b', 'good');
    await clusterOf('c', 'over');
    await clusterOf('d', 'never-was');
    await clusterOf('e');
    const recovery = createRecovery({ store, queue: noting(), clock: handClock(start), log });
    expect(await recovery.inspect()).toBe(4);
    const reported = log.lines.map(({ fields }) => fields.job ?? fields.cluster);
    expect(reported.sort()).toEqual(['c', 'd', 'orphan', 'robbed']);
  });
});
