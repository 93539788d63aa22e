/** Compaction: the history of revisions is forgotten after a while. Nothing tells how old a revision is, so pairs of both are remembered. */
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Driver } from './driver.ts';
import { Compacted } from './driver.ts';

export interface CompactionOptions {
  driver: Driver;
  clock: Clock;
  log: Log;
  /** How much history is kept, in milliseconds; default one hour. */
  keepMs?: number;
}

export interface Compaction {
  /** Notes the present revision and forgets what is older than the kept time; returns the revision it compacted at, if it did. */
  run(): Promise<number | undefined>;
}

const hour = 60 * 60_000;
/** Pairs closer together than this share of the kept time say nothing new. */
const spacing = 1 / 12;

/** Several processes may run it on one store: who comes second finds the work done. After a restart it begins to remember anew. */
export function openCompaction(options: CompactionOptions): Compaction {
  const { driver, clock, log, keepMs = hour } = options;
  const noted: { revision: number; at: number }[] = [];
  let done = 0;

  async function run(): Promise<number | undefined> {
    const now = clock.now();
    const { revision } = await driver.status();
    const last = noted.at(-1);
    if (!last || now - last.at >= keepMs * spacing) noted.push({ revision, at: now });
    let due: number | undefined;
    while (noted[0] && noted[0].at <= now - keepMs) due = noted.shift()?.revision;
    if (due === undefined || due <= done) return undefined;
    done = due;
    try {
      await driver.compact(due);
    } catch (error) {
      if (error instanceof Compacted) return undefined;
      throw error;
    }
    log.debug({ revision: due }, 'history before this revision was compacted');
    return due;
  }

  return { run };
}
