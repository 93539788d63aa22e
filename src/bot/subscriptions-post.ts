/** Posting unasked, shared by transitions and digests: within the chat's limits, found again after an unknown answer, and ended where a place is gone. */
import { type Card, plainCard } from '../core/card.ts';
import { asFault, backoffMs, type Fault } from '../core/errors.ts';
import { type ChatPort, type MessageRef, PlaceGone } from '../core/ports/chat.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Store } from '../core/ports/store.ts';
import type { Channel, Place } from '../core/records.ts';
import type { Budget } from './budget.ts';

export interface PostingParts {
  store: Store;
  clock: Clock;
  newId: NewId;
  log: Log;
  port: ChatPort;
  org: string;
  budget: Budget;
  signal: AbortSignal;
}

export interface Posting {
  /** Posts in the place, or below `root` where the chat has threads. `again`: it may have been posted already, so it is looked for first. */
  post(
    place: Place,
    card: Card,
    key: string,
    options: { root?: MessageRef | undefined; again: boolean },
  ): Promise<MessageRef>;
  /** When to try again after a fault; null when trying again is of no use. */
  retryAt(fault: Fault, attempts: number): number | null;
  /** Ends what a conversation asked for, where nothing can be written any more, and tells who asked. */
  placeIsGone(channel: string, why: string): Promise<void>;
}

/** What waits may use this share of the chat's limits, so that live messages have room. */
const share = 0.5;

export function createPosting({ store, clock, newId, log, port, org, budget, signal }: PostingParts): Posting {
  async function room(conversation: string): Promise<void> {
    for (
      let wait = budget.wait('post', conversation, share);
      wait > 0;
      wait = budget.wait('post', conversation, share)
    ) {
      await clock.sleep(wait, signal);
    }
    budget.take('post', conversation);
  }

  async function put(
    place: Place,
    card: Card,
    key: string,
    root: MessageRef | undefined,
    again: boolean,
  ): Promise<MessageRef> {
    const thread = root ? (root.thread ?? root.id) : undefined;
    if (again) {
      const found = await port.find(thread === undefined ? place : { ...place, thread }, key);
      if (found) return found;
    }
    await room(place.conversation);
    const below = root ? await port.reply(place, root, card, key) : null;
    return below ?? (await port.post(place, card, key));
  }

  return {
    async post(place, card, key, { root, again }) {
      try {
        return await put(place, card, key, root, again);
      } catch (thrown) {
        // The first message of the day was taken away: the next begins a thread of its own.
        if (root && (thrown instanceof PlaceGone || asFault(thrown).kind === 'not-found'))
          return put(place, card, key, undefined, again);
        const fault = thrown instanceof PlaceGone ? null : asFault(thrown);
        if (fault?.kind === 'rate-limited') budget.close('post', place.conversation, fault.retryAfterMs ?? 5_000);
        throw thrown;
      }
    },

    retryAt(fault, attempts) {
      const isLost = !fault.retryable && fault.kind !== 'conflict';
      return isLost || attempts > 20 ? null : clock.now() + backoffMs(fault, Math.min(attempts, 6), 0.5);
    },

    async placeIsGone(channel, why) {
      const ref = { kind: 'channel', org, id: channel } as const;
      const stored = await store.get(ref);
      if (!stored || !(stored.record.notify || stored.record.digest || stored.record.posting)) return;
      const { notify, digest, posting, ...rest }: Channel = stored.record;
      const done = await store.commit([{ op: 'put', ref, record: rest, if: stored.revision }]);
      if (!done.ok) return;
      log.warn({ channel, why }, 'a conversation is gone; nothing is told there any more');
      const who = notify?.by ?? digest?.by ?? posting?.by;
      if (who === undefined) return;
      const text =
        'KQueen can no longer write in a conversation where you had set what is told. It was archived or deleted, or KQueen was removed from it. Nothing is told there any more.';
      try {
        const direct = await port.direct(who);
        if (direct.conversation !== rest.place.conversation)
          await port.post(direct, plainCard('A conversation is gone', text, 'warn'), newId(16));
      } catch (thrown) {
        log.info({ error: thrown instanceof Error ? thrown.message : '' }, 'who had set it could not be told');
      }
    },
  };
}
