/**
 * Microsoft's limits for one bot in one conversation: 7 sends in 1 s, 8 in 2 s, 60 in 30 s, 1,800 in an hour, edits included
 * ("Optimize your bot with rate limiting in Teams", Microsoft Learn).
 */
import { Fault } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';

const windows = [
  { most: 7, ms: 1_000 },
  { most: 8, ms: 2_000 },
  { most: 60, ms: 30_000 },
  { most: 1_800, ms: 3_600_000 },
] as const;
/** What live messages take of that; the rest is left for answers to people. */
export const liveAllowances = [
  { most: 4, ms: 1_000 },
  { most: 6, ms: 2_000 },
  { most: 48, ms: 30_000 },
  { most: 1_500, ms: 3_600_000 },
] as const;
/** Their clock and ours count from different moments of the same call. */
const margin = 100;
const longest = 3_600_000 + margin;
const mostConversations = 5_000;

interface Lane {
  /** When the last sends went or will go, oldest first. */
  sends: number[];
  /** Not before this moment: the other side asked us to wait. */
  closedUntil: number;
}

export interface Rates {
  /**
   * Waits for a free slot in the conversation, at most `patienceMs`; throws a rate-limited Fault with the time until there is one,
   * and takes no slot then.
   */
  enter(conversation: string, patienceMs: number): Promise<void>;
  /** The other side said no for `ms`. */
  close(conversation: string, ms: number): void;
}

export function openRates(clock: Clock): Rates {
  const lanes = new Map<string, Lane>();

  const laneOf = (conversation: string): Lane => {
    const lane = lanes.get(conversation) ?? { sends: [], closedUntil: 0 };
    // The map is ordered by last use, so that the first is the one to forget.
    lanes.delete(conversation);
    lanes.set(conversation, lane);
    if (lanes.size > mostConversations) {
      const [oldest] = lanes.keys();
      if (oldest !== undefined) lanes.delete(oldest);
    }
    return lane;
  };

  return {
    async enter(conversation, patienceMs) {
      const lane = laneOf(conversation);
      const now = clock.now();
      while (lane.sends[0] !== undefined && lane.sends[0] <= now - longest) lane.sends.shift();
      let at = Math.max(now, lane.closedUntil);
      for (const { most, ms } of windows) {
        const earlier = lane.sends.at(-most);
        if (earlier !== undefined) at = Math.max(at, earlier + ms + margin);
      }
      const wait = at - now;
      if (wait > patienceMs) {
        throw new Fault('rate-limited', 'Teams takes no more messages in this conversation at the moment.', {
          retryAfterMs: wait,
          whose: 'provider',
        });
      }
      lane.sends.push(at);
      if (wait > 0) await clock.sleep(wait);
    },
    close(conversation, ms) {
      const lane = laneOf(conversation);
      lane.closedUntil = Math.max(lane.closedUntil, clock.now() + ms);
    },
  };
}
