/** The worker: takes due ticks, adds lost ones, sweeps clusters and provisioners, and calls the retention. */

import { createClaim } from '../core/claim.ts';
import { asFault } from '../core/errors.ts';
import type { Archive } from '../core/ports/archive.ts';
import type { Queue } from '../core/ports/queue.ts';
import type { Cache } from '../core/ports/store.ts';
import { createAutoscaleSweep } from './autoscale-sweep.ts';
import { createBackupSweep } from './backup-sweep.ts';
import type { BullmqOptions } from './bullmq.ts';
import { createHealthSweep, type SweepLimits } from './health-sweep.ts';
import { createProvisionerSweep } from './provisioner-sweep.ts';
import { createRecovery } from './recovery.ts';
import { createRepairSweep } from './repair-sweep.ts';
import { type Rhythm, startRhythm } from './rhythm.ts';
import { createRunner, type RunnerParts } from './run-job.ts';

export { createInProcessQueue } from './in-process.ts';
export type { JobMeters } from './meters.ts';

/** The queue on Redis (see bullmq.ts). Its libraries are loaded only when there is one: they cost a third of a second and 20 MB. */
export function createBullmqQueue(options: BullmqOptions): Queue {
  const loading = import('./bullmq.ts').then((driver) => driver.createBullmqQueue(options));
  // Whoever calls first is told; until then nobody has asked.
  loading.catch(() => undefined);
  return {
    add: async (tick, at) => (await loading).add(tick, at),
    work: async (handler, concurrency) => (await loading).work(handler, concurrency),
    depth: async () => (await loading).depth(),
    ready: async () => (await loading).ready(),
    close: async (graceMs) => (await loading).close(graceMs),
  };
}

export interface WorkerParts extends RunnerParts {
  cache?: Cache;
  /** Ticks at once; they spend their time waiting for providers. Default 64. */
  concurrency?: number;
  /** Deletes or archives what has been kept long enough; called by one worker at a time. */
  retain?: () => Promise<unknown>;
  /** Where backups are kept; without it none is made by itself. */
  archive?: Archive;
  sweepLimits?: Partial<SweepLimits>;
  /** Times between two runs, in milliseconds. */
  every?: Partial<Intervals>;
}

interface Intervals {
  /** At most 5,000. */
  recovery: number;
  inspection: number;
  health: number;
  provisioners: number;
  autoscale: number;
  backups: number;
  /** Of backups. */
  backupRetention: number;
  repair: number;
  retention: number;
  /** How long the claim on the sweeps outlives its holder. */
  claim: number;
}

const intervals: Intervals = {
  recovery: 5_000,
  inspection: 60_000,
  health: 30_000,
  provisioners: 300_000,
  autoscale: 30_000,
  backups: 15_000,
  backupRetention: 300_000,
  repair: 30_000,
  retention: 600_000,
  claim: 15_000,
};

export interface WorkerHandle {
  /** Stops taking work, waits for running ticks up to `graceMs` (default 8 s, so that a stop takes less than ten), then lets go. */
  close(graceMs?: number): Promise<void>;
}

/** Starts a worker. Any number may run against one store and one queue; the sweeps run in one of them at a time. */
export async function startWorker(parts: WorkerParts): Promise<WorkerHandle> {
  const { queue, store, clock, log } = parts;
  const every = { ...intervals, ...parts.every };
  const random = parts.random ?? Math.random;
  const runner = createRunner(parts);
  const recovery = createRecovery({ ...parts, everyMs: every.recovery });
  const { limits: _ticks, ...shared } = parts;
  const health = createHealthSweep({ ...shared, ...(parts.sweepLimits ? { limits: parts.sweepLimits } : {}) });
  const provisioners = createProvisionerSweep(parts);
  const autoscale = createAutoscaleSweep(shared);
  const repair = createRepairSweep(parts);
  const backups = createBackupSweep(parts);
  // The sweeps go over every organisation, so there is one claim for all of them.
  const claim = createClaim({ store, newId: parts.newId, org: 'default' }, 'sweeps', every.claim);
  let leader = false;

  await queue.work((tick) => runner.runTick(tick), parts.concurrency ?? 64);

  const rhythms: Rhythm[] = [
    { name: 'recovery', everyMs: Math.min(5_000, every.recovery), run: () => recovery.sweep() },
    {
      name: 'inspection',
      everyMs: every.inspection,
      firstMs: every.inspection,
      run: async () => leader && recovery.inspect(),
    },
    { name: 'queue depth', everyMs: 5_000, run: async () => parts.meters?.queueDepth(await queue.depth()) },
    {
      name: 'claim',
      everyMs: every.claim / 3,
      run: async () => {
        // While the store does not answer, nobody may believe that they lead.
        leader = await claim.hold().catch((thrown: unknown) => {
          leader = false;
          throw thrown;
        });
      },
    },
    {
      name: 'health',
      everyMs: every.health,
      firstMs: Math.min(1_000, every.health) * (1 + random()),
      run: async (signal) => leader && health.sweep(signal, () => leader),
    },
    {
      name: 'provisioners',
      everyMs: every.provisioners,
      firstMs: every.provisioners * random(),
      run: async (signal) => leader && provisioners.sweep(signal),
    },
    {
      name: 'autoscale',
      everyMs: every.autoscale,
      firstMs: Math.min(every.autoscale, 5_000) * (1 + random()),
      run: async (signal) => leader && autoscale.sweep(signal, () => leader),
    },
    {
      name: 'repair',
      everyMs: every.repair,
      firstMs: Math.min(every.repair, 5_000) * (1 + random()),
      run: async (signal) => leader && repair.sweep(signal, () => leader),
    },
    {
      name: 'backups',
      everyMs: every.backups,
      firstMs: Math.min(every.backups, 5_000) * (1 + random()),
      run: async (signal) => leader && backups.sweep(signal, () => leader),
    },
    {
      name: 'retention of backups',
      everyMs: every.backupRetention,
      firstMs: Math.min(every.backupRetention, 30_000) * (1 + random()),
      run: async (signal) => leader && backups.retain(signal, () => leader),
    },
    {
      name: 'retention',
      everyMs: every.retention,
      firstMs: every.retention * random(),
      run: async () => leader && parts.retain?.(),
    },
  ];
  const stops = rhythms.map((rhythm) => startRhythm({ clock, log }, rhythm));

  return {
    async close(graceMs = 8_000) {
      const timer = new AbortController();
      const grace = clock.sleep(graceMs, timer.signal).catch(() => undefined);
      await Promise.all([
        queue.close(graceMs),
        // A sweep that hangs in an outside call is not waited for longer than a tick is.
        Promise.race([Promise.all(stops.map((stop) => stop())), grace]),
      ]);
      leader = false;
      const released = claim.release().catch((thrown: unknown) => {
        log.warn({ error: asFault(thrown).message }, 'the claim on the sweeps ends by itself');
      });
      await Promise.race([released, clock.sleep(1_000, timer.signal).catch(() => undefined)]);
      timer.abort();
    },
  };
}
