/** Above about twenty open jobs in a workspace, a conversation's jobs are followed on one board instead of by edits of each message. */
import { ownPerson } from '../core/own-jobs.ts';
import { hashOf } from '../core/plan.ts';
import type { Clock } from '../core/ports/clock.ts';
import { endedStates, type Job, type Message, type Place } from '../core/records.ts';
import { endedText, pageSize, type Roll } from './board-card.ts';
import type { Next } from './moves.ts';
import { type Topic, type TopicParts, within } from './topics.ts';

/** Open jobs in a workspace from which boards begin. */
export const manyJobs = 20;
/** Fewer open jobs than these in one conversation are no board. */
const fewestRows = 3;
/** A board that could not be written is not begun again so soon. */
const restMs = 600_000;
/** How long a board that ended still answers for the jobs that ended on it. */
const coversMs = 24 * 3_600_000;
/** A board with ends to tell is edited this often, if the chat takes it; ends that were not shown for so long are told in its thread. */
const newsMs = 20_000;
const unseenMs = 30_000;
/** How long an end is awaited that is older than one already seen. */
export const settleMs = 3_000;
/** Who has failed jobs among those that still run hears of it this long after the first, and this seldom. */
const failureMs = 60_000;
const seldomMs = 600_000;

export interface Board {
  id: string;
  place: Place;
  since: number;
  until?: number;
}

export interface Boards {
  /** Whether the progress of jobs in this place is on a board. */
  shows(place: Place): boolean;
  /** The board of a place, when there is one now. */
  at(place: Place): Topic | null;
  /** Whether the end of this job is told by a board's ping. */
  covers(job: Job): boolean;
  get(id: string): Board | undefined;
  /** What a board's jobs are now. */
  roll(board: Board): Roll;
  /** Milliseconds between two looks of one board. */
  gapMs(): number;
  /** What a board needs next. */
  next(board: Board, message: Message | undefined, now: number): Next | null;
  /** Whose ping is due on a board, with its text and up to which end it tells; null when nobody's is. */
  due(board: Board, message: Message, now: number): { person: string; text: string; upTo: number } | null;
  /** Reads which boards there are, when this process begins to write. */
  load(now: number): void;
  /** Begins and ends boards; the topics and jobs that have to be looked at for it. */
  look(now: number): Topic[];
}

export interface BoardsParts extends TopicParts {
  clock: Clock;
  chat: Place['chat'];
  workspace: string;
  editEveryMs: number;
  editsPerMinute: number;
  /** Whether the chat bears an edit there at this moment. */
  hasRoom(place: Place): boolean;
}

export function createBoards(parts: BoardsParts): Boards {
  const { cache, org, clock, chat, workspace } = parts;
  const active = new Map<string, Board>();
  const past: Board[] = [];
  const resting = new Map<string, number>();
  const rolls = new Map<string, { at: number; roll: Roll }>();

  const here = (job: Job) => !job.quiet && within(job.place, chat, workspace);
  const isOpen = (job: Job) => !endedStates.includes(job.state);

  function boardOf(message: Message): Board {
    const since = Number(message.id.split('.')[2]);
    const until = message.board?.until;
    return { id: message.id, place: message.place, since, ...(until === undefined ? {} : { until }) };
  }

  function rollOf(board: Board): Roll {
    const known = rolls.get(board.id);
    const now = clock.now();
    if (known && now - known.at < 1_000) return known.roll;
    const { since, until } = board;
    const on = cache.query('job', org, {
      where: (job) =>
        here(job) &&
        job.place.conversation === board.place.conversation &&
        (job.endedAt === undefined || job.endedAt >= since) &&
        (until === undefined || job.requestedAt <= until),
      limit: 100_000,
    }).items;
    // What was told is told by number, so nothing may come in before it later: several workers write ends at the same moment.
    const settled = Math.min(until ?? now, now - settleMs);
    const hasEnded = (job: Job) => job.endedAt !== undefined && job.endedAt <= settled;
    const roll: Roll = {
      open: on.filter((job) => !hasEnded(job)),
      ended: on.filter(hasEnded).sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0) || (a.id < b.id ? -1 : 1)),
    };
    rolls.set(board.id, { at: now, roll });
    return roll;
  }

  function gapMs(): number {
    // All boards together take two fifths of the edits; the rest is for what ends.
    return Math.max(10_000, parts.editEveryMs, (active.size * 60_000) / (parts.editsPerMinute * 0.4));
  }

  /** Ended jobs that neither the board nor its thread shows. */
  function unseen(board: Board, { editedAt = 0, thread }: Message): Job[] {
    const listed = thread?.end === undefined ? (thread?.lines ?? 0) : 0;
    return rollOf(board)
      .ended.slice(listed)
      .filter(({ endedAt }) => (endedAt ?? 0) > editedAt);
  }

  /** Ends go into the thread when there are too many for the board, or the chat takes no edit of it in time. */
  function tellsEnds(board: Board, message: Message): Next | null {
    const { thread } = message;
    if (!thread || thread.end !== undefined) return null;
    const oldest = unseen(board, message)[0]?.endedAt;
    if (rollOf(board).ended.length - thread.lines >= pageSize) return { do: 'reply', at: 0, rank: 0 };
    return oldest === undefined ? null : { do: 'reply', at: oldest + unseenMs, rank: 0 };
  }

  function due(board: Board, message: Message, now: number): ReturnType<Boards['due']> {
    const { open, ended } = rollOf(board);
    const told = message.board?.told ?? {};
    const news = new Map<string, Job[]>();
    for (const job of ended) {
      // What a rule began nobody waits for.
      if (job.requestedBy === ownPerson) continue;
      if ((job.endedAt ?? 0) <= (told[job.requestedBy] ?? -1)) continue;
      news.set(job.requestedBy, [...(news.get(job.requestedBy) ?? []), job]);
    }
    const busy = new Set(open.map(({ requestedBy }) => requestedBy));
    for (const [person, jobs] of news) {
      const failed = jobs.find(({ state }) => state === 'Failed')?.endedAt;
      const waits = failed !== undefined && now - failed >= failureMs && now - (told[person] ?? 0) >= seldomMs;
      if (busy.has(person) && board.until === undefined && !waits) continue;
      return { person, text: endedText(jobs), upTo: jobs.at(-1)?.endedAt ?? now };
    }
    return null;
  }

  return {
    shows: (place) => active.has(place.conversation),
    at(place) {
      const board = active.get(place.conversation);
      return board ? topicOf(board) : null;
    },
    covers(job) {
      const at = job.endedAt;
      if (at === undefined || !here(job)) return false;
      return [active.get(job.place.conversation), ...past].some(
        (board) =>
          board?.place.conversation === job.place.conversation &&
          board.since <= at &&
          at <= (board.until ?? Number.POSITIVE_INFINITY),
      );
    },
    get: (id) => [...active.values(), ...past].find((board) => board.id === id),
    roll: rollOf,
    gapMs,
    due,

    next(board, message, now) {
      if (message?.closed) return null;
      if (!message?.ref) return { do: 'post', at: now, rank: 0 };
      const { editedAt = 0 } = message;
      const { ended } = rollOf(board);
      const ends = tellsEnds(board, message);
      const news = unseen(board, message).length;
      const editAt = editedAt + (news > 0 ? Math.min(newsMs, gapMs()) : gapMs());
      const full = ended.length - (message.thread?.lines ?? 0) >= pageSize;
      if (ends && ends.at <= now && (full || editAt > now || !parts.hasRoom(board.place))) return { ...ends, at: 0 };
      if (board.until !== undefined && message.shown !== 'over')
        return { do: 'edit', at: Math.max(editedAt + parts.editEveryMs, board.until + settleMs + 1_000), rank: 0 };
      const ping = due(board, message, now);
      const over = board.until !== undefined;
      if (ping && (over || editAt > now || !parts.hasRoom(board.place))) return { do: 'ping', at: 0, rank: 1 };
      if (over) return { do: 'close', at: now, rank: 1 };
      // One edit that tells the ends of many comes before those that tell the end of one.
      const rank = news >= 3 ? 0 : news > 0 ? 2 : 3;
      return ends && ends.at > now && ends.at < editAt ? ends : { do: 'edit', at: editAt, rank };
    },

    load(now) {
      active.clear();
      past.length = 0;
      const known = cache.query('message', org, {
        where: ({ about, place, createdAt }) =>
          about.kind === 'board' && within(place, chat, workspace) && now - createdAt < 7 * coversMs,
        limit: 10_000,
      });
      for (const message of known.items) {
        const board = boardOf(message);
        if (board.until !== undefined) past.push(board);
        else if (!message.closed) active.set(board.place.conversation, board);
      }
    },

    look(now) {
      const open = cache.query('job', org, { where: (job) => here(job) && isOpen(job), limit: 100_000 }).items;
      const groups = Map.groupBy(open, ({ place }) => place.conversation);
      const topics: Topic[] = [];
      for (const [conversation, board] of active) {
        const left = groups.get(conversation) ?? [];
        const message = cache.get({ kind: 'message', org, id: board.id });
        if (message?.closed) {
          active.delete(conversation);
          resting.set(conversation, now + restMs);
        } else if (left.length === 0 || (open.length <= manyJobs / 2 && left.length < fewestRows)) {
          active.delete(conversation);
          rolls.delete(board.id);
          past.push({ ...board, until: now });
        } else continue;
        topics.push(topicOf(board), ...left.map(jobTopic));
      }
      while ((past[0]?.until ?? now) < now - coversMs) rolls.delete(past.shift()?.id ?? '');
      if (open.length <= manyJobs) return topics;
      for (const [conversation, jobs] of groups) {
        const [first] = jobs;
        const rests = (resting.get(conversation) ?? 0) > now;
        if (!first || jobs.length < fewestRows || active.has(conversation) || rests) continue;
        const thread = jobs.every((job) => job.place.thread === first.place.thread) ? first.place.thread : undefined;
        const place: Place = { chat, workspace, conversation, ...(thread === undefined ? {} : { thread }) };
        const board: Board = { id: `board.${hashOf(conversation)}.${now}`, place, since: now };
        active.set(conversation, board);
        topics.push(topicOf(board));
      }
      return topics;
    },
  };
}

function topicOf({ id, place }: Board): Topic {
  return { id, about: { kind: 'board', id }, to: place };
}

function jobTopic({ id, place }: Job): Topic {
  return { id: `job.${id}`, about: { kind: 'job', id }, to: place };
}
