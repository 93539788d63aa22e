/** A worker's parts around an embedded store, a provider on paper and a clock moved by hand. */
import { onTestFinished } from 'vitest';
import type { Queue } from '../../src/core/ports/queue.ts';
import type { Change, Sealer, Store } from '../../src/core/ports/store.ts';
import { type Cluster, endedStates, type Job, type Provisioner } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createInProcessQueue } from '../../src/jobs/in-process.ts';
import { createRunner, type Runner, type RunnerParts } from '../../src/jobs/run-job.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { openSealer, secretKey } from '../../src/store/seal.ts';
import { openStore } from '../../src/store/store.ts';
import { handClock, realClock } from '../store/clocks.ts';
import { keepingLog, temporaryFolder } from '../store/parts.ts';
import { type Paper, paperKube, paperProvider, tokenCanary } from './paper.ts';
import { heldCluster, sampleJob, sampleProvisioner, start } from './samples.ts';

/** A store, a sealer and a log of this test alone. */
export function openTestStore(): { store: Store; sealer: Sealer; log: ReturnType<typeof keepingLog> } {
  const log = keepingLog();
  const driver = openEmbeddedDriver({ dir: temporaryFolder(), clock: realClock, log });
  const store = openStore(driver, { prefix: '/test', log });
  onTestFinished(() => store.close());
  return { store, sealer: openSealer([secretKey(Buffer.alloc(32, 7))]), log };
}

/** Ids that can be foreseen. */
export function countingIds(): (size?: number) => string {
  let made = 0;
  return () => {
    made += 1;
    return `id${made}`;
  };
}

/** Puts the provisioner `p1` with a sealed token. */
export async function putProvisioner(store: Store, sealer: Sealer, change: Partial<Provisioner> = {}): Promise<void> {
  const ref = { kind: 'secret', org: 'default', id: 'provisioner.p1' } as const;
  const record = sampleProvisioner({
    engine: 'paper',
    secretFields: ['token'],
    params: { region: 'north' },
    ...change,
  });
  await mustCommit(store, [
    { op: 'put', ref: { kind: 'provisioner', org: 'default', id: 'p1' }, record },
    {
      op: 'put',
      ref,
      record: { v: 1, id: ref.id, org: 'default', sealed: sealer.seal(ref, JSON.stringify({ token: tokenCanary })) },
    },
  ]);
}

/** Puts a cluster, its name and its job. */
export async function putJob(store: Store, job: Partial<Job> = {}, cluster: Partial<Cluster> = {}): Promise<void> {
  const made = heldCluster({ engine: 'paper', ...cluster });
  await mustCommit(store, [
    { op: 'put', ref: { kind: 'job', org: 'default', id: 'job1' }, record: sampleJob({ engine: 'paper', ...job }) },
    { op: 'put', ref: { kind: 'cluster', org: 'default', id: 'c1' }, record: made },
    {
      op: 'put',
      ref: { kind: 'name', org: 'default', id: 'cluster.dev-1' },
      record: { v: 1, id: 'cluster.dev-1', org: 'default', holder: 'c1' },
    },
  ]);
}

export async function mustCommit(store: Store, changes: Change[]): Promise<void> {
  const result = await store.commit(changes);
  if (!result.ok) throw new Error(`conflict on ${result.conflicts.map(({ id }) => id).join(', ')}`);
}

export interface Bench {
  store: Store;
  sealer: Sealer;
  log: ReturnType<typeof keepingLog>;
  clock: ReturnType<typeof handClock>;
  paper: Paper;
  queue: Queue;
  runner: Runner;
  /** Another runner over the same store and provider. */
  another(change?: Partial<RunnerParts>): Runner;
  job(): Promise<Job>;
  cluster(): Promise<Cluster | undefined>;
  /** Changes the job in the store as somebody else would. */
  edit(change: Partial<Job>): Promise<void>;
  /** Runs the next tick at its time. */
  tick(): Promise<Job>;
  /** Runs ticks, each at its time, until the job has ended. */
  toTheEnd(): Promise<Job>;
}

/** The provisioner is there; `putJob` says what is to be done. */
export async function openBench(change: Partial<RunnerParts> = {}): Promise<Bench> {
  const { store, sealer, log } = openTestStore();
  const clock = handClock(start);
  const paper = paperProvider();
  const queue = createInProcessQueue({ clock, log });
  const engines = openEngines({ engines: [paper.engine], log, clock });
  onTestFinished(() => engines.close());
  const parts: RunnerParts = {
    ...{ store, sealer, engines, queue, clock, log, kube: paperKube(), newId: countingIds(), random: () => 0.5 },
    ...change,
  };
  const runner = createRunner(parts);
  await putProvisioner(store, sealer);
  const jobRef = { kind: 'job', org: 'default', id: 'job1' } as const;

  async function job(): Promise<Job> {
    const found = await store.get(jobRef);
    if (!found) throw new Error('no job');
    return found.record;
  }

  async function tick(): Promise<Job> {
    const now = await job();
    await clock.advance(Math.max(0, (now.dueAt ?? 0) - clock.now()));
    await runner.runTick({ org: 'default', job: 'job1', tick: now.tick });
    return job();
  }

  return {
    ...{ store, sealer, log, clock, paper, queue, runner, job, tick },
    another: (other = {}) => createRunner({ ...parts, ...other }),
    cluster: async () => (await store.get({ kind: 'cluster', org: 'default', id: 'c1' }))?.record,
    async edit(changed) {
      await mustCommit(store, [{ op: 'put', ref: jobRef, record: { ...(await job()), ...changed } }]);
    },
    async toTheEnd() {
      for (let count = 0; count < 500; count += 1) {
        const after = await tick();
        if (endedStates.includes(after.state)) return after;
      }
      throw new Error(`it never ends: ${(await job()).note}`);
    },
  };
}
