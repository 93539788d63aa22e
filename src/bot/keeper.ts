/**
 * Makes one move for one message: a post, an edit, a reply below it, a ping, or its end. Before a post or a reply its intent is saved, and after
 * an unknown answer it is looked for before it is posted again.
 */
import type { Card } from '../core/card.ts';
import { asFault, backoffMs, Fault } from '../core/errors.ts';
import { ownPerson } from '../core/own-jobs.ts';
import { type ChatPort, type MessageRef, PlaceGone } from '../core/ports/chat.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Store } from '../core/ports/store.ts';
import type { Job, Message, Place, Thread } from '../core/records.ts';
import { jobTitle } from '../core/views/job.ts';
import { jobWords } from '../core/words.ts';
import type { Boards } from './board.ts';
import { boardCard } from './board-card.ts';
import type { Budget, Spent } from './budget.ts';
import type { Durations } from './durations.ts';
import { firstTold, wordsCard } from './journal.ts';
import type { LogTailParts } from './log-tail.ts';
import { canWait, type Next, nextMove, progressAt } from './moves.ts';
import { nextReply, type Reply } from './replies.ts';
import { standingOf, type Topic, type TopicParts, wantedOf } from './topics.ts';

export interface KeeperParts extends TopicParts, LogTailParts {
  store: Store;
  clock: Clock;
  newId: NewId;
  log: Log;
  port: ChatPort;
  boards: Boards;
  budget: Budget;
  /** How long past jobs took; without it no card says how long a job will take. */
  durations?: Durations | undefined;
  /** Has the topic looked at again at a moment. */
  want(topic: Topic, at: number): void;
}

export interface Keeper {
  /** What a topic needs next, from what the cache holds; null when nothing. */
  glance(topic: Topic, now: number): Next | null;
  /** Milliseconds until the chat bears the move; 0: now. */
  wait(topic: Topic, next: Next): number;
  /** Makes the topic's next move, when it is time for it. */
  turn(topic: Topic): Promise<void>;
}

/** Share of the limits that moves take which can wait. */
const patientShare = 0.8;
const spends: Record<Next['do'], Spent | null> = {
  post: 'post',
  edit: 'edit',
  reply: 'post',
  ping: 'post',
  close: null,
};

/** A stored message under the hand that changes it. */
interface Held {
  topic: Topic;
  message: Message | undefined;
  save(next: Message): Promise<Message>;
}

/** A new message's record. */
export function newMessage(
  parts: Pick<KeeperParts, 'org' | 'newId'>,
  topic: Topic,
  place: Place,
  now: number,
): Message {
  return {
    v: 1,
    id: topic.id,
    org: parts.org,
    about: topic.about,
    place,
    key: parts.newId(16),
    edits: 0,
    closed: false,
    pinged: false,
    attempts: 0,
    createdAt: now,
  };
}

export function createKeeper(parts: KeeperParts): Keeper {
  const { cache, store, clock, port, log, org, boards, budget, want } = parts;

  const past = (job: Job) => parts.durations?.like(job) ?? [];
  const jobOf = (topic: Topic) =>
    topic.about.kind === 'job' ? cache.get({ kind: 'job', org, id: topic.about.id }) : undefined;

  function nextOf(topic: Topic, message: Message | undefined, now: number): Next | null {
    if (topic.about.kind === 'board') {
      const board = boards.get(topic.id);
      if (board) return boards.next(board, message, now);
      return message && !message.closed ? { do: 'close', at: now, rank: 1 } : null;
    }
    const standing = standingOf(parts, topic.about);
    const { job } = standing ?? {};
    return nextMove(message, standing, {
      now,
      editEveryMs: port.limits.editEveryMs,
      onBoard: job !== undefined && boards.shows(job.place),
      covered: job !== undefined && boards.covers(job),
    });
  }

  function glance(topic: Topic, now: number): Next | null {
    return nextOf(topic, cache.get({ kind: 'message', org, id: topic.id }), now);
  }

  function conversationOf(topic: Topic, message?: Message): string {
    const known = message ?? cache.get({ kind: 'message', org, id: topic.id });
    if (known) return known.place.conversation;
    return 'person' in topic.to ? topic.to.person : topic.to.conversation;
  }

  function wait(topic: Topic, next: Next, message?: Message): number {
    const call = spends[next.do];
    return call === null
      ? 0
      : budget.wait(call, conversationOf(topic, message), next.rank >= canWait ? patientShare : 1);
  }

  async function turn(topic: Topic): Promise<void> {
    const ref = { kind: 'message', org, id: topic.id } as const;
    const stored = await store.get(ref);
    let revision = stored?.revision ?? 0;
    const held: Held = {
      topic,
      message: stored?.record,
      async save(next) {
        const done = await store.commit([{ op: 'put', ref, record: next, if: revision }]);
        if (!done.ok) throw new Fault('conflict', 'Another replica has written this message.');
        revision = done.revision;
        held.message = next;
        return next;
      },
    };
    const now = clock.now();
    const next = nextOf(topic, held.message, now);
    if (!next) return;
    const waits = wait(topic, next, held.message);
    if (next.at > now || waits > 0) return want(topic, Math.max(next.at, now + waits));
    const call = spends[next.do];
    if (call) budget.take(call, conversationOf(topic, held.message));
    try {
      await move(next.do, held);
      want(topic, clock.now());
    } catch (thrown) {
      await failed(held, call, thrown);
    }
  }

  async function move(what: Next['do'], held: Held): Promise<void> {
    switch (what) {
      case 'post':
        return await post(held);
      case 'edit':
        return await edit(held);
      case 'reply':
        return await reply(held);
      case 'ping':
        return await ping(held);
      case 'close': {
        const job = jobOf(held.topic);
        const pinged = held.message?.pinged === true || (job !== undefined && boards.covers(job));
        if (held.message) await held.save({ ...held.message, closed: true, pinged });
      }
    }
  }

  /** The card of a topic and what marks it; null when what it is about is gone. */
  function shownNow(topic: Topic, message: Message | undefined): { card: Card; mark: string } | null {
    const now = clock.now();
    if (topic.about.kind === 'board') {
      const board = boards.get(topic.id);
      if (!board) return null;
      const over = board.until !== undefined;
      const listed = message?.thread?.end === undefined ? (message?.thread?.lines ?? 0) : 0;
      const nextLook = over ? {} : { nextLook: now + boards.gapMs() };
      return {
        card: boardCard(boards.roll(board), { now, past, listed, over, ...nextLook }),
        mark: over ? 'over' : 'busy',
      };
    }
    const standing = standingOf(parts, topic.about);
    if (!standing) return null;
    const { job } = standing;
    const isJob = topic.about.kind === 'job' && job !== undefined;
    const edited = { editedAt: now, edits: (message?.edits ?? -1) + 1, createdAt: message?.createdAt ?? now };
    const wanted = wantedOf(parts, topic.about, now, {
      ...(isJob ? { past: past(job) } : {}),
      ...(isJob && job.startedAt !== undefined ? { nextLook: progressAt(edited, job) } : {}),
      ...(isJob && boards.shows(job.place) ? { onBoard: true } : {}),
    });
    return wanted && { card: wanted.card, mark: standing.mark };
  }

  async function post(held: Held): Promise<void> {
    const { topic } = held;
    const isNew = held.message === undefined;
    if (!held.message) {
      const place = 'person' in topic.to ? await port.direct(topic.to.person) : topic.to;
      await held.save(newMessage(parts, topic, place, clock.now()));
    }
    const { message } = held;
    const shown = shownNow(topic, message);
    if (!message || !shown) return;
    const found = isNew ? null : await port.find(message.place, message.key);
    const ref = found ?? (await port.post(message.place, shown.card, message.key));
    const { retryAt: _retry, ...rest } = message;
    const job = jobOf(topic);
    await held.save({
      ...rest,
      ref,
      attempts: 0,
      editedAt: clock.now(),
      ...(found ? {} : { shown: shown.mark }),
      ...(message.thread === undefined && job ? { thread: firstTold(job) } : {}),
      ...(topic.about.kind === 'board'
        ? { thread: message.thread ?? { steps: '', lines: 0 }, board: message.board ?? { told: {} } }
        : {}),
    });
  }

  async function edit(held: Held): Promise<void> {
    const { message, topic } = held;
    const shown = shownNow(topic, message);
    if (!message?.ref || !shown) return;
    const until = boards.get(topic.id)?.until;
    // Said in the store before it is said in the chat: whoever takes over goes on with the end.
    if (until !== undefined && message.board?.until === undefined)
      await held.save({ ...message, board: { told: {}, ...message.board, until } });
    await port.edit(message.place, message.ref, shown.card);
    const { retryAt: _retry, ...rest } = held.message ?? message;
    await held.save({
      ...rest,
      shown: shown.mark,
      edits: message.edits + 1,
      attempts: 0,
      editedAt: clock.now(),
      closed: false,
    });
  }

  async function ping(held: Held): Promise<void> {
    const { message, topic } = held;
    if (!message) return;
    const board = boards.get(topic.id);
    if (board) {
      const due = boards.due(board, message, clock.now());
      if (!due) return;
      const told = { ...message.board?.told, [due.person]: due.upTo };
      return await pinged(held, { ...message, board: { ...message.board, told } }, due.person, due.text);
    }
    const job = jobOf(topic);
    if (!job) return;
    if (job.endedAt === undefined) {
      const text = `${jobTitle(job)} waits for you. ${job.note}`;
      return await pinged(held, { ...message, asked: true }, job.requestedBy, text);
    }
    const title = shownNow(topic, message)?.card.title ?? `${jobTitle(job)}: ${jobWords[job.state]}`;
    const told = { ...message, pinged: true };
    const person = whoHears(job);
    if (person === null) await held.save(told);
    else await pinged(held, told, person, title);
  }

  /** Whom the end of a job is told; of what a rule began, the owner of the cluster hears when it failed, and nobody when it went well. */
  function whoHears(job: Job): string | null {
    if (job.requestedBy !== ownPerson) return job.requestedBy;
    if (job.state !== 'Failed') return null;
    return cache.get({ kind: 'cluster', org, id: job.cluster })?.owner ?? null;
  }

  /** Pings once at most: what is known not to have arrived is tried again, what may have is not. */
  async function pinged(held: Held, after: Message, person: string, text: string): Promise<void> {
    const before = held.message;
    await held.save(after);
    try {
      await port.ping(after.place, after.ref ?? null, person, text);
    } catch (thrown) {
      if (thrown instanceof PlaceGone) throw thrown;
      const fault = asFault(thrown);
      if (fault.retryable && !fault.outcomeUnknown && before) {
        await held.save(before);
        throw fault;
      }
      log.info({ topic: held.topic.id, error: fault.message }, 'a ping may not have arrived');
    }
  }

  async function reply(held: Held): Promise<void> {
    const { message } = held;
    if (!message?.ref) return;
    const thread: Thread = message.thread ?? { steps: '', lines: 0 };
    const { pending, ...told } = thread;
    if (pending) {
      const place = { ...message.place, thread: message.ref.thread ?? message.ref.id };
      if (await port.find(place, pending.key)) return void (await held.save({ ...message, thread: pending.next }));
    }
    const said = await nextReply(parts, held.topic, told);
    if (!said) return void (await held.save({ ...message, thread: { ...told, end: 'all' } }));
    if (said.what === null) return void (await held.save({ ...message, thread: said.told }));
    try {
      if (said.file) await attach(message, message.ref, said.file);
      else {
        const key = pending?.key ?? parts.newId(16);
        await held.save({ ...message, thread: { ...told, pending: { key, next: said.told } } });
        const made = await port.reply(message.place, message.ref, said.what, key);
        if (!made) return void (await held.save({ ...message, thread: { ...told, end: 'all' } }));
      }
      await held.save({ ...message, thread: said.told });
    } catch (thrown) {
      const fault = thrown instanceof PlaceGone ? null : asFault(thrown);
      if (fault?.kind === 'conflict' || fault?.retryable) throw fault;
      // A thread that cannot be written is no reason to lose the message above it.
      log.info({ topic: held.topic.id, error: fault?.message ?? 'the place is gone' }, 'a thread is left as it is');
      await held.save({ ...(held.message ?? message), thread: { ...told, end: 'all' } });
    }
  }

  /** A file in the thread; where the chat takes none, its end as a reply. */
  async function attach(message: Message, ref: MessageRef, file: NonNullable<Reply['file']>): Promise<void> {
    const place = { ...message.place, conversation: ref.conversation, thread: ref.thread ?? ref.id };
    try {
      await port.attach(place, file);
    } catch (thrown) {
      if (thrown instanceof PlaceGone || asFault(thrown).kind !== 'unsupported') throw thrown;
      const job = cache.get({ kind: 'job', org, id: message.about.id });
      const card = job && wordsCard(job);
      if (card) await port.reply(message.place, ref, card, parts.newId(16));
    }
  }

  async function failed(held: Held, call: Spent | null, thrown: unknown): Promise<void> {
    const { topic, message, save } = held;
    const now = clock.now();
    if (thrown instanceof PlaceGone) {
      log.warn({ topic: topic.id, error: thrown.message }, 'a place is gone');
      if (!message) return;
      const fallback = wantedOf(parts, topic.about, now)?.fallback;
      const direct = fallback && topic.about.kind !== 'board' ? await port.direct(fallback).catch(() => null) : null;
      if (!direct || direct.conversation === message.place.conversation)
        return void (await save({ ...message, closed: true }));
      const { ref: _ref, shown: _shown, ...rest } = message;
      await save({ ...rest, place: direct, attempts: 0 });
      return want(topic, now);
    }
    const fault = asFault(thrown);
    if (fault.kind === 'conflict') return want(topic, now + 1_000);
    if (fault.kind === 'rate-limited' && call) {
      // What is said later is what is true later: nothing is kept for it but the topic itself.
      const ms = fault.retryAfterMs ?? backoffMs(fault, 1, 0.5);
      budget.close(call, conversationOf(topic, message), ms);
      return want(topic, now + ms);
    }
    if (!message || (fault.kind === 'internal' && fault.retryable)) throw fault;
    if (fault.kind === 'not-found' && message.ref) {
      // Somebody has deleted it: what it had to say is said in a new one.
      const { ref: _ref, shown: _shown, ...rest } = message;
      await save({ ...rest, key: parts.newId(16) });
      return want(topic, now);
    }
    if (!fault.retryable) {
      log.error({ topic: topic.id, error: fault.message, detail: fault.detail }, 'the chat refuses a message');
      return void (await save({ ...message, closed: true }));
    }
    const attempts = message.attempts + 1;
    const retryAt = now + backoffMs(fault, Math.min(attempts, 6), 0.5);
    await save({ ...message, attempts, retryAt });
    want(topic, retryAt);
  }

  return { glance, wait, turn };
}
