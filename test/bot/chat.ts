/** A small chat platform in memory: what it was asked, what is on the screen, and faults on demand. */
import type { Card } from '../../src/core/card.ts';
import { Fault } from '../../src/core/errors.ts';
import { type ChatLimits, type ChatPort, PlaceGone } from '../../src/core/ports/chat.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { Place } from '../../src/core/records.ts';

/** What happens to one call: `lose` does it and loses the answer, the others do nothing. */
export type Fate = 'ok' | 'lose' | 'down' | 'rate' | 'gone' | 'refuse' | 'hang';
export type ChatCall = 'post' | 'edit' | 'reply' | 'find' | 'direct' | 'ping' | 'attach' | 'remove';

export interface OnScreen {
  id: string;
  place: Place;
  key: string;
  card: Card;
  /** Titles it has shown, in order. */
  titles: string[];
  editedAt: number[];
  deleted: boolean;
}

export interface Chat {
  screen: OnScreen[];
  pings: { place: Place; person: string; text: string }[];
  /** What was said below messages, in order; `under` is the message's id. */
  replies: { under: string; key: string; said: Card | string; at: number }[];
  files: { place: Place; name: string; content: string }[];
  /** Every call, in order, whatever became of it. */
  calls: ChatCall[];
  /** When each of them was made, and where. */
  made: { call: ChatCall; at: number; conversation: string | undefined }[];
  /** Replaced by a test: what becomes of a call. */
  fate: (call: ChatCall, place: Place | null) => Fate;
  /** A connection to it; several processes may have one each. */
  connect(who: string): ChatPort;
  /** Which connection posted, in order. */
  posters: string[];
  /** A person deletes a message. */
  deleteByHand(id: string): void;
}

/** Opens a platform with the limits it asks its bots to keep. */
export function openChat(clock: Clock, asked: Partial<ChatLimits> = {}): Chat {
  const limits: ChatLimits = {
    editEveryMs: 1_000,
    editsPerMinute: 600,
    postsPerMinute: 600,
    conversation: { allowances: [], editsCount: false },
    ...asked,
  };
  let counted = 0;
  const at = (id: string) => chat.screen.find((each) => each.id === id && !each.deleted);

  async function meet(call: ChatCall, place: Place | null, act: () => void): Promise<void> {
    chat.calls.push(call);
    chat.made.push({ call, at: clock.now(), conversation: place?.conversation });
    const fate = chat.fate(call, place);
    if (fate === 'ok' || fate === 'lose') act();
    if (fate === 'lose') throw new Fault('unreachable', 'The chat does not answer.', { outcomeUnknown: true });
    if (fate === 'down') throw new Fault('unreachable', 'The chat does not answer.');
    if (fate === 'rate') throw new Fault('rate-limited', 'Slow down.', { retryAfterMs: 3_000 });
    if (fate === 'gone') throw new PlaceGone('is_archived');
    if (fate === 'refuse') throw new Fault('bad-input', 'The chat refuses this.', { retryable: false });
    if (fate === 'hang') {
      await clock.sleep(8_000);
      throw new Fault('unreachable', 'The chat does not answer.', { outcomeUnknown: true });
    }
  }

  function show(place: Place, key: string, card: Card): OnScreen {
    counted += 1;
    const made = { id: `m${counted}`, place, key, card, titles: [card.title], editedAt: [clock.now()], deleted: false };
    chat.screen.push(made);
    return made;
  }

  const chat: Chat = {
    screen: [],
    pings: [],
    replies: [],
    files: [],
    calls: [],
    made: [],
    posters: [],
    fate: () => 'ok',
    deleteByHand(id) {
      const found = at(id);
      if (found) found.deleted = true;
    },
    connect: (who) => ({
      platform: 'slack',
      workspace: 'T1',
      limits,
      async post(place, card, key) {
        let id = '';
        await meet('post', place, () => {
          id = show(place, key, card).id;
          chat.posters.push(who);
        });
        return { conversation: place.conversation, id };
      },
      async edit(place, message, card) {
        await meet('edit', place, () => {
          const found = at(message.id);
          if (!found) throw new Fault('not-found', 'It is no longer there.');
          found.card = card;
          found.titles.push(card.title);
          found.editedAt.push(clock.now());
        });
      },
      async reply(place, message, said, key) {
        await meet('reply', place, () => chat.replies.push({ under: message.id, key, said, at: clock.now() }));
        return { conversation: place.conversation, id: `r${chat.replies.length}`, thread: message.id };
      },
      async find(place, key) {
        let found: { id: string } | undefined;
        await meet('find', place, () => {
          const below = chat.replies.findIndex((each) => each.under === place.thread && each.key === key);
          if (below >= 0) found = { id: `r${below + 1}` };
          found ??= chat.screen.find(
            (each) => each.key === key && each.place.conversation === place.conversation && !each.deleted,
          );
        });
        return found ? { conversation: place.conversation, id: found.id } : null;
      },
      async direct(person) {
        const place: Place = { chat: 'slack', workspace: 'T1', conversation: `D-${person.split(':')[2]}` };
        await meet('direct', place, () => undefined);
        return place;
      },
      async ping(place, _message, person, text) {
        await meet('ping', place, () => chat.pings.push({ place, person, text }));
      },
      async attach(place, file) {
        let id = '';
        await meet('attach', place, () => {
          chat.files.push({ place, name: file.name, content: file.content });
          id = show(place, '', { title: file.name, tone: 'plain', text: file.text, parts: [], buttons: [] }).id;
        });
        return { conversation: place.conversation, id };
      },
      async remove(place, message) {
        await meet('remove', place, () => {
          const found = at(message.id);
          if (!found) throw new Fault('not-found', 'It is no longer there.');
          found.deleted = true;
        });
      },
      async ready() {},
    }),
  };
  return chat;
}
