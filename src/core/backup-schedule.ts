/** When a scheduled backup is due, and which backups go by its retention. Pure. */
import { nextDue, timeText } from './digest.ts';
import type { Backup, BackupPlan, BackupSchedule, Keeping } from './records.ts';
import { formatDuration } from './units.ts';
import { count } from './words.ts';

type When = Omit<BackupSchedule, 'dueAt'>;

const dayMinutes = 1_440;
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** Hours between two backups that divide a day, so that they come at the same times each day. */
export const evenHours = [1, 2, 3, 4, 6, 8, 12] as const;

/** The first moment after `after` at which one is due, on the clocks of the zone also when these are put forward or back. */
export function nextRun({ hours, weekday, minute, zone }: When, after: number): number {
  if (hours === undefined) return nextDue({ weekday, minute, zone }, after);
  const times = Array.from({ length: 24 / hours }, (_, index) => (minute + index * hours * 60) % dayMinutes);
  return Math.min(...times.map((each) => nextDue({ minute: each, zone }, after)));
}

/** The last moment up to `now` at which one was due, counted from `dueAt`, which was; and how many came before it. */
export function lastRun(when: When, dueAt: number, now: number): { due: number; missed: number } {
  let due = dueAt;
  let missed = 0;
  for (let next = nextRun(when, due); next <= now; next = nextRun(when, due)) {
    due = next;
    missed += 1;
    // More than a week of hours: nobody counts on.
    if (missed >= 200) return { due: lastBefore(when, now), missed };
  }
  return { due, missed };
}

/** Without going through all of them. */
function lastBefore(when: When, now: number): number {
  let due = nextRun(when, now - 8 * 86_400_000);
  for (let next = nextRun(when, due); next <= now; next = nextRun(when, due)) due = next;
  return due;
}

/** How long a backup that is due is tried for, in milliseconds, before the next one comes. */
const mostWindowMs = 6 * 3_600_000;

/** Until when one that is due at `due` may still begin. */
export function windowEnd(when: When, due: number): number {
  return Math.min(due + mostWindowMs, nextRun(when, due) - 60_000);
}

/** Reads `daily`, `weekly`, `hourly`, `6h`, `every 6h`; null when it is none of them. */
export function readEvery(text: string): { hours?: number; weekly: boolean } | null {
  const word = text
    .trim()
    .toLowerCase()
    .replace(/^every[\s-]*/, '');
  if (['daily', 'day', 'nightly', '1d', '24h'].includes(word)) return { weekly: false };
  if (['weekly', 'week', '1w', '7d'].includes(word)) return { weekly: true };
  if (['hourly', 'hour'].includes(word)) return { hours: 1, weekly: false };
  const hours = Number(/^(\d{1,2})\s*h(?:ours?)?$/.exec(word)?.[1] ?? Number.NaN);
  return evenHours.some((each) => each === hours) ? { hours, weekly: false } : null;
}

/** "every day at 02:30 (Europe/Berlin)", "every Sunday at …", "every 6 hours from 02:30 (UTC)". */
export function scheduleWords({ hours, weekday, minute, zone }: When): string {
  if (hours === 1) return `every hour at ${String(minute % 60).padStart(2, '0')} minutes past (${zone})`;
  if (hours !== undefined) return `every ${hours} hours, counted from ${timeText(minute)} (${zone})`;
  return `every ${weekday === undefined ? 'day' : weekdays[weekday]} at ${timeText(minute)} (${zone})`;
}

/** "the newest 7 and none older than 30 d", or that all stay. */
export function keepingWords(keeping: Keeping | undefined): string {
  if (!keeping || (keeping.keep === undefined && keeping.maxAgeMs === undefined)) return 'all of them stay';
  const { keep, maxAgeMs, manual } = keeping;
  const parts = [
    ...(keep === undefined ? [] : [keep === 1 ? 'the newest one stays' : `the newest ${keep} stay`]),
    ...(maxAgeMs === undefined ? [] : [`what is older than ${formatDuration(maxAgeMs)} goes`]),
  ];
  return `${parts.join(', ')}${manual ? ', also of those that people asked for' : ''}`;
}

/** Failed ones have nothing that could be restored: their records stay this long, in milliseconds. */
export const failedMs = 7 * 86_400_000;

/** A backup that goes, and why. */
export interface Going {
  backup: Backup;
  why: string;
}

/**
 * Which backups of a cluster go now, oldest first. The newest good one never goes, nor the newest whole one, nor one that is in `read` (a restore reads
 * it), nor one that is being made. Velero keeps its own by its own rules.
 */
export function goingBy(
  backups: readonly Backup[],
  keeping: Keeping,
  plan: string,
  now: number,
  read: ReadonlySet<string> = new Set(),
): Going[] {
  const counted = backups
    .filter(({ by, schedule }) => by === 'kqueen' && (keeping.manual || schedule === plan))
    .toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  const good = counted.filter(({ state }) => state === 'kept' || state === 'partial');
  const safe = new Set(read);
  const [newest] = good;
  const whole = good.find(({ state }) => state === 'kept');
  for (const each of [newest, whole]) if (each) safe.add(each.id);
  const going: Going[] = [];
  for (const [index, backup] of good.entries()) {
    if (safe.has(backup.id)) continue;
    const { keep, maxAgeMs } = keeping;
    const age = now - backup.createdAt;
    if (keep !== undefined && index >= keep) {
      going.push({ backup, why: `${count(index, 'newer one')} ${index === 1 ? 'is' : 'are'} there, and ${keep} stay` });
    } else if (maxAgeMs !== undefined && age > maxAgeMs) {
      going.push({ backup, why: `it is ${formatDuration(age)} old, and ${formatDuration(maxAgeMs)} is the most` });
    }
  }
  for (const backup of counted) {
    if (backup.state !== 'failed' || safe.has(backup.id) || now - (backup.endedAt ?? backup.createdAt) <= failedMs)
      continue;
    going.push({ backup, why: 'it failed, and holds nothing that could be restored' });
  }
  return going.toSorted((a, b) => a.backup.createdAt - b.backup.createdAt);
}

/** Failures in a row from which on it is told once, and then no more. */
export const alertFails = 3;

/** How a plan stands after the job of a run has ended. */
export function settled(
  plan: BackupPlan,
  end: { result: 'kept' | 'failed' | 'skipped'; note: string },
  now: number,
): BackupPlan {
  const { running: _running, alertedAt, ...rest } = plan;
  const last = { at: now, result: end.result, note: end.note.slice(0, 300) };
  if (end.result === 'kept') return { ...rest, last, fails: 0 };
  const told = alertedAt === undefined ? {} : { alertedAt };
  if (end.result === 'skipped') return { ...rest, ...told, last };
  const fails = plan.fails + 1;
  return { ...rest, last, fails, ...(fails >= alertFails ? { alertedAt: alertedAt ?? now } : told) };
}
