/** Marks and words for states: never colour or emoji alone. */
import type { Tone } from './card.ts';
import type { Cluster, Health, Job, JobState, Phase } from './records.ts';

export const phaseTone: Record<Phase, Tone> = {
  Requested: 'busy',
  Provisioning: 'busy',
  Ready: 'good',
  Updating: 'busy',
  Deleting: 'busy',
  Deleted: 'plain',
  Failed: 'bad',
  Unknown: 'warn',
};

export const jobTone: Record<JobState, Tone> = {
  AwaitingApproval: 'busy',
  Denied: 'bad',
  Expired: 'warn',
  Queued: 'busy',
  Running: 'busy',
  Waiting: 'busy',
  Succeeded: 'good',
  Failed: 'bad',
  Cancelled: 'warn',
};

/** Job states as people say them. */
export const jobWords: Record<JobState, string> = {
  AwaitingApproval: 'waiting for approval',
  Denied: 'denied',
  Expired: 'expired, nobody decided in time',
  Queued: 'queued',
  Running: 'running',
  Waiting: 'waiting to try again',
  Succeeded: 'succeeded',
  Failed: 'failed',
  Cancelled: 'cancelled',
};

/** How a cluster stands in one or two words, with its health when that is worse. */
export function standing(cluster: Cluster, health: Health | undefined): string {
  if (cluster.phase === 'Ready' && cluster.stopped) return 'Stopped';
  if (cluster.phase !== 'Ready') return cluster.phase;
  const worse = health && health.verdict !== 'Healthy' ? [health.verdict.toLowerCase()] : [];
  return ['Ready', ...worse, ...(cluster.drift ? ['changed by hand'] : [])].join(', ');
}

/** "an hour ago" in its plainest form. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400 * 2) return `${Math.round(seconds / 3_600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/**
 * A moment on the reader's clocks, for tables and logs, where no platform writes it in their zone itself: `2026-11-21 09:05:13`. Without a zone
 * (an IANA name) it is UTC; `zoneOf` says which it is.
 */
export function stamp(at: number, zone?: string): string {
  const known = zoneOf(zone);
  const clock =
    clocks.get(known) ??
    new Intl.DateTimeFormat('sv-SE', { timeZone: known, dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23' });
  clocks.set(known, clock);
  return Number.isFinite(at) ? clock.format(at) : 'unknown';
}

/** The zone that `stamp` writes in: the given one where the runtime knows it, else UTC. */
export function zoneOf(zone: string | undefined): string {
  if (zone === undefined) return 'UTC';
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  } catch (thrown) {
    if (thrown instanceof RangeError) return 'UTC';
    throw thrown;
  }
}

/** "1 node", "3 nodes". */
export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount} ${amount === 1 ? one : many}`;
}

/** A job as people call it: `#k3f9x2ab`. */
export function jobName(job: Pick<Job, 'id'>): string {
  return `#${job.id}`;
}
