/** What a message needs next. Pure: what is stored and what it is about go in, one move comes out. */
import type { Job, Message } from '../core/records.ts';
import { waitsForPerson } from '../core/views/job.ts';
import { nextLine } from './journal.ts';
import type { Standing } from './topics.ts';

/** One call of the chat, or the last word on a message. */
export interface Next {
  do: 'post' | 'edit' | 'reply' | 'ping' | 'close';
  /** Not before this moment. */
  at: number;
  /** Least goes first: ends and news of people before progress, progress before threads. */
  rank: number;
}

/** From this rank on a call leaves room for those before it. */
export const canWait = 2;

/** How long a running job's message stays as it is while nothing but time passes. */
const soonestMs = 10_000;
const latestMs = 90_000;
/** Edits of a message that may come at once, and how many a minute more: half an hour is less than sixty. */
const burst = 10;
const perMinute = 1.5;

/** How long an end waits for its edit, before it is told otherwise. */
const lateMs = 20_000;

/** Milliseconds between two looks at a job that has run for `elapsed`: fast at first, seldom when it takes long. */
export function gapMs(elapsed: number): number {
  return Math.min(latestMs, Math.max(soonestMs, elapsed / 10));
}

export interface MoveLook {
  now: number;
  editEveryMs: number;
  /** Its progress is on a board. */
  onBoard: boolean;
  /** The end of the job is told by a board's ping. */
  covered: boolean;
}

/** What the message of a job, an approval or a cluster's health needs next; null when nothing. */
export function nextMove(message: Message | undefined, standing: Standing | null, look: MoveLook): Next | null {
  const { now } = look;
  if (!standing) return message && !message.closed ? { do: 'close', at: now, rank: 0 } : null;
  const changed = message?.shown !== standing.mark;
  // A new change of health within the damping time opens its message again.
  if (message?.closed && !(message.about.kind === 'health' && changed)) return null;
  const found = planned(message, standing, changed, look);
  return found && { ...found, at: Math.max(found.at, message?.retryAt ?? 0) };
}

function planned(message: Message | undefined, standing: Standing, changed: boolean, look: MoveLook): Next | null {
  const { now } = look;
  const { job, last } = standing;
  if (!message?.ref && job?.quiet) return null;
  if (!message?.ref) return { do: 'post', at: Math.min(now, job?.requestedAt ?? now), rank: last ? 0 : 2 };
  const editedAt = message.editedAt ?? 0;
  if (changed) {
    const at = editedAt + look.editEveryMs;
    // An end that the chat takes no edit for is told by its ping, which says the same.
    const late = job?.endedAt !== undefined && now - job.endedAt >= lateMs && message.about.kind === 'job';
    if (last && late && !message.pinged && !look.covered) return { do: 'ping', at: now, rank: 1 };
    if (last) return { do: 'edit', at, rank: 0 };
    // On a board only what has to be pressed or decided changes a single message.
    if (!look.onBoard || !job || job.startedAt === undefined) {
      const edit: Next = { do: 'edit', at: Math.max(at, allowedAt(message)), rank: 2 };
      return edit.at > now && job && !look.onBoard && saysMore(message, job, now)
        ? { do: 'reply', at: now, rank: 4 }
        : edit;
    }
  }
  if (last) return job && message.about.kind === 'job' ? ending(message, job, look) : { do: 'close', at: now, rank: 1 };
  if (!job) return null;
  if (waitsForPerson(job) && !message.asked) return { do: 'ping', at: now, rank: 1 };
  if (look.onBoard || job.startedAt === undefined) return null;
  const progress = { do: 'edit' as const, at: progressAt(message, job), rank: 3 };
  if (progress.at <= now || !saysMore(message, job, now)) return progress;
  return { do: 'reply', at: now, rank: 4 };
}

function ending(message: Message, job: Job, { now, covered }: MoveLook): Next {
  if (!message.pinged && !covered) return { do: 'ping', at: now, rank: 1 };
  if (job.state === 'Failed' && message.thread && message.thread.end !== 'all')
    return { do: 'reply', at: now, rank: 4 };
  return { do: 'close', at: now, rank: 1 };
}

/** A line in the thread is due. In somebody else's thread steps are not told: they would reach all who follow it. */
function saysMore({ thread, ref }: Message, job: Job, now: number): boolean {
  if (!thread || ref?.thread !== undefined || thread.end !== undefined) return false;
  return thread.pending !== undefined || nextLine(job, thread, now) !== null;
}

/** When a running job's message is brought up to date although nothing but time has passed. */
export function progressAt(message: Pick<Message, 'editedAt' | 'edits' | 'createdAt'>, job: Job): number {
  const editedAt = message.editedAt ?? message.createdAt;
  return Math.max(editedAt + gapMs(editedAt - (job.startedAt ?? job.requestedAt)), allowedAt(message));
}

/** When a message may be edited once more. */
function allowedAt({ edits, createdAt }: Pick<Message, 'edits' | 'createdAt'>): number {
  return edits < burst ? 0 : createdAt + ((edits - burst) / perMinute) * 60_000;
}
