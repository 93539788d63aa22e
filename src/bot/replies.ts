/** What is said next in the thread below a live message: a board's ended jobs, a job's steps, and after a failure what the provider said of it. */
import type { Card } from '../core/card.ts';
import type { Attachment } from '../core/ports/chat.ts';
import type { Cache } from '../core/ports/store.ts';
import { scrub } from '../core/secrets.ts';
import { jobTitle } from '../core/views/job.ts';
import type { Boards } from './board.ts';
import { pageCard, pageSize } from './board-card.ts';
import { longestText, nextLine, type Told, tailCard, wordsCard } from './journal.ts';
import { type LogTailParts, readProviderLog } from './log-tail.ts';
import type { Topic } from './topics.ts';

export interface Reply {
  /** Null: nothing to say, but to remember. */
  what: Card | string | null;
  /** Said as a file instead, since it is too long for a message. */
  file?: Attachment;
  /** What is told once it is said. */
  told: Told;
}

export interface ReplyParts extends LogTailParts {
  cache: Cache;
  org: string;
  boards: Boards;
}

/** The next reply below a topic's message; null when that is all. After a failure it asks the provider for its log, once. */
export async function nextReply(parts: ReplyParts, topic: Topic, told: Told): Promise<Reply | null> {
  const { boards } = parts;
  const board = boards.get(topic.id);
  if (board) {
    const roll = boards.roll(board);
    const lines = Math.min(roll.ended.length, told.lines + pageSize);
    return { what: lines > told.lines ? pageCard(roll, told.lines) : null, told: { ...told, lines } };
  }
  const job = topic.about.kind === 'job' && parts.cache.get({ kind: 'job', org: parts.org, id: topic.about.id });
  if (!job) return null;
  if (job.endedAt === undefined) {
    const line = nextLine(job, told, parts.clock.now());
    return { what: line?.text || null, told: line?.told ?? told };
  }
  if (told.end === undefined) {
    const what = wordsCard(job);
    const detail = job.failure?.detail ?? '';
    const text = `What the provider said of ${jobTitle(job)}.`;
    const file = { name: `${job.clusterName}-failure.txt`, content: `${scrub(detail).trimEnd()}\n`, text };
    return { what, told: { ...told, end: 'words' }, ...(what && detail.length > longestText ? { file } : {}) };
  }
  const tail = await readProviderLog(parts, job);
  return { what: tail === null ? null : tailCard(job, tail), told: { ...told, end: 'all' } };
}
