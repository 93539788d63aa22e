/** How much of what a chat bears is left: sliding windows for edits and posts, in the workspace and in each conversation. */
import type { Allowance, ChatLimits } from '../core/ports/chat.ts';
import type { Clock } from '../core/ports/clock.ts';

/** A call that the chat counts: a change of a message, or anything new. */
export type Spent = 'edit' | 'post';

export interface Budget {
  /**
   * How long until there is room, in milliseconds; 0: now. What can wait uses a `share` of the limits alone, so that there is room for what cannot.
   */
  wait(call: Spent, conversation: string, share?: number): number;
  /** Counts a call that is about to be made. */
  take(call: Spent, conversation: string): void;
  /** Counts a call that was made at this moment, perhaps by another process. */
  made(call: Spent, conversation: string, at: number): void;
  /** The chat has asked to wait for `ms`. */
  close(call: Spent, conversation: string, ms: number): void;
}

interface Lane {
  allowances: readonly Allowance[];
  /** When calls were made, oldest first. */
  sent: number[];
  closedUntil: number;
}

/** The chat counts when a call arrives, and we when it leaves: windows are this much longer than the chat's. */
const margin = 1.03;
const leastMarginMs = 50;
const mostConversations = 5_000;

export function createBudget(clock: Clock, limits: ChatLimits): Budget {
  const lane = (allowances: readonly Allowance[]): Lane => ({ allowances, sent: [], closedUntil: 0 });
  const edits = lane([{ most: limits.editsPerMinute, ms: 60_000 }]);
  const posts = lane([{ most: limits.postsPerMinute, ms: 60_000 }]);
  const conversations = new Map<string, Lane>();

  /** The lanes a call is counted in. */
  function lanesOf(call: Spent, conversation: string): Lane[] {
    if (call === 'edit' && !limits.conversation.editsCount) return [edits];
    const known = conversations.get(conversation) ?? lane(limits.conversation.allowances);
    // Ordered by last use, so that the first is the one to forget.
    conversations.delete(conversation);
    conversations.set(conversation, known);
    const [oldest] = conversations.keys();
    if (conversations.size > mostConversations && oldest !== undefined) conversations.delete(oldest);
    return [call === 'edit' ? edits : posts, known];
  }

  function waitIn({ allowances, sent, closedUntil }: Lane, share: number, now: number): number {
    let at = closedUntil;
    for (const { most, ms } of allowances) {
      const earlier = sent.at(-Math.max(1, Math.floor(most * share)));
      if (earlier !== undefined) at = Math.max(at, earlier + Math.max(ms * margin, ms + leastMarginMs));
    }
    return Math.max(0, Math.ceil(at - now));
  }

  function count(call: Spent, conversation: string, at: number): void {
    for (const each of lanesOf(call, conversation)) {
      const most = Math.max(0, ...each.allowances.map((allowance) => allowance.most));
      each.sent.push(at);
      if (at < (each.sent.at(-2) ?? 0)) each.sent.sort((a, b) => a - b);
      if (each.sent.length > most) each.sent.splice(0, each.sent.length - most);
    }
  }

  return {
    wait: (call, conversation, share = 1) =>
      Math.max(...lanesOf(call, conversation).map((each) => waitIn(each, share, clock.now()))),
    take: (call, conversation) => count(call, conversation, clock.now()),
    made: count,
    close(call, conversation, ms) {
      // For an edit that is the whole workspace, for a post its conversation.
      const closed = lanesOf(call, conversation).at(limits.conversation.editsCount || call === 'post' ? -1 : 0);
      if (closed) closed.closedUntil = Math.max(closed.closedUntil, clock.now() + ms);
    },
  };
}
