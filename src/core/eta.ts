/** How long a job will still take, learnt from how long jobs like it took. */
import type { Cache } from './ports/store.ts';
import { endedStates, type Job } from './records.ts';
import { formatDuration } from './units.ts';

/** What past runs of the same kind say. All in milliseconds. */
export interface Estimate {
  /** The middle one of the past runs that took longer than this one has so far: how long it will take in all. */
  total: number;
  /** Between these lay eight of ten past runs. */
  low: number;
  high: number;
  /** How many past runs it rests on. */
  runs: number;
  /** It has taken longer than nearly all before it. */
  late: boolean;
}

/** Runs that are remembered: the newest, so that a provider that has become slower is believed soon. */
export const remembered = 30;
/** With fewer past runs nothing is said: a guess would be taken for knowledge. */
const fewest = 3;

/** Jobs that take alike: the same operation, on the same engine, of a similar size. */
export function likeness(job: Pick<Job, 'kind' | 'engine' | 'nodes' | 'work'>): string {
  const size = job.nodes === undefined ? '' : job.nodes <= 3 ? 'small' : job.nodes <= 10 ? 'medium' : 'large';
  return `${job.work?.op ?? job.kind} ${job.engine} ${size}`;
}

/** How long a job ran once it was allowed to, or null when it did not get to its end by itself. */
export function tookMs(job: Job): number | null {
  if (job.state !== 'Succeeded' || job.startedAt === undefined || job.endedAt === undefined) return null;
  return job.endedAt - job.startedAt;
}

/** How long the jobs took that are like these, newest first, by their likeness: from memory. */
export function pastRuns(cache: Pick<Cache, 'query'>, org: string, jobs: readonly Job[]): Map<string, number[]> {
  const past = new Map(jobs.map((job) => [likeness(job), [] as number[]]));
  if (past.size === 0) return past;
  const alike = cache.query('job', org, {
    where: (job) => tookMs(job) !== null && past.has(likeness(job)),
    descending: true,
    limit: remembered * past.size,
  });
  for (const job of alike.items) past.get(likeness(job))?.push(tookMs(job) ?? 0);
  return past;
}

/** The same for one job that has not ended; nothing for one that has. */
export function pastRunsOf(cache: Pick<Cache, 'query'>, job: Job): number[] {
  return endedStates.includes(job.state) ? [] : (pastRuns(cache, job.org, [job]).get(likeness(job)) ?? []);
}

/**
 * The estimate for a run that has taken `elapsed` so far, from the durations of past runs, newest first; null when they are too few. Only runs that
 * took longer than this one already has tell how long it will take, so the answer moves on with every look instead of standing still.
 */
export function estimate(past: readonly number[], elapsed: number): Estimate | null {
  const recent = past.slice(0, remembered);
  if (recent.length < fewest) return null;
  const sorted = recent.toSorted((a, b) => a - b);
  const longer = sorted.filter((each) => each > elapsed);
  const at = (values: readonly number[], share: number) =>
    values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
  const late = longer.length < recent.length * 0.1 || longer.length === 0;
  return {
    total: longer.length === 0 ? elapsed : at(longer, 0.5),
    low: at(sorted, 0.1),
    high: at(sorted, 0.9),
    runs: recent.length,
    late,
  };
}

/** "about 9 min left, usually 7 min to 14 min". */
export function estimateText(made: Estimate, elapsed: number): string {
  if (made.late) return `longer than usual (usually ${usualText(made)})`;
  return `${leftText(made, elapsed)}, usually ${usualText(made)}`;
}

/** "about 9 min left", or "longer than usual". */
export function leftText(made: Estimate, elapsed: number): string {
  return made.late ? 'longer than usual' : `about ${rounded(made.total - elapsed)} left`;
}

/** "7 min to 14 min". */
export function usualText({ low, high }: Estimate): string {
  return rounded(low) === rounded(high) ? rounded(low) : `${rounded(low)} to ${rounded(high)}`;
}

/** Minutes above two, tens of seconds below: an estimate is not exact and should not look so. */
function rounded(ms: number): string {
  const step = ms >= 120_000 ? 60_000 : ms >= 20_000 ? 10_000 : 1_000;
  return formatDuration(Math.max(step, Math.round(ms / step) * step));
}
