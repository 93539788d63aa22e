/**
 * Keeps one live message a topic: posted once, edited in place, coalesced under the platform's limits, last states first. Per workspace one
 * replica does it, holding a claim; what is posted is in the store, so that another goes on where it stopped. Before a post its intent is saved,
 * and after an unknown answer the message is looked for before it is posted again.
 */

import { createClaim } from '../core/claim.ts';
import { asFault, backoffMs, Fault } from '../core/errors.ts';
import { hashOf } from '../core/plan.ts';
import { type ChatPort, type MessageRef, PlaceGone } from '../core/ports/chat.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Seen, Store } from '../core/ports/store.ts';
import type { Message, Place } from '../core/records.ts';
import {
  approvalTopics,
  healthTopic,
  type Topic,
  type TopicParts,
  topicsOf,
  type Wanted,
  wantedOf,
  within,
} from './topics.ts';

export interface NotifierParts extends TopicParts {
  store: Store;
  clock: Clock;
  newId: NewId;
  log: Log;
  port: ChatPort;
}

export interface Notifier {
  /** Whether this process writes in the workspace at the moment. */
  leads(): boolean;
  /** Keeps a file's message to remove it after `ms`. */
  removeLater(place: Place, message: MessageRef, ms: number): Promise<void>;
  close(): Promise<void>;
}

const claimMs = 6_000;

/** Starts the notifier of one workspace. */
export function startNotifier(parts: NotifierParts): Notifier {
  const { cache, store, clock, port, log, org } = parts;
  const claim = createClaim({ store, newId: parts.newId, org }, `posts.${port.platform}.${port.workspace}`, claimMs);
  const stop = new AbortController();
  /** Topics to look at, with the time before which it is no use. */
  const due = new Map<string, { topic: Topic; at: number }>();
  const busy = new Set<string>();
  let leader = false;
  let edits = port.limits.editsPerMinute;
  let refilledAt = clock.now();
  let wake: (() => void) | undefined;

  function want(topic: Topic, at: number): void {
    const before = due.get(topic.id);
    due.set(topic.id, { topic, at: before ? Math.min(before.at, at) : at });
    wake?.();
  }

  function notice(seen: Seen): void {
    if (!leader || seen.ref.org !== org) return;
    const now = clock.now();
    const { kind, id } = seen.ref;
    if (kind === 'job') {
      const job = cache.get({ kind: 'job', org, id });
      if (job && within(job.place, port.platform, port.workspace))
        want({ id: `job.${id}`, about: { kind: 'job', id }, to: job.place }, now);
    }
    if (kind === 'approval' || kind === 'job') {
      for (const topic of approvalTopics(parts, id, port.platform, port.workspace)) want(topic, now);
    }
    if (kind === 'health') {
      const after = cache.get({ kind: 'health', org, id });
      const before = seen.before as { verdict?: string } | undefined;
      if (after && before?.verdict !== undefined && before.verdict !== after.verdict) {
        const topic = healthTopic(parts, id, port.platform, port.workspace, now);
        if (topic) want(topic, now);
      }
    }
  }

  async function lead(): Promise<void> {
    while (!stop.signal.aborted) {
      const before = leader;
      try {
        leader = await claim.hold();
      } catch (thrown) {
        leader = false;
        log.warn({ error: asFault(thrown).message }, 'the claim on the workspace cannot be held');
      }
      if (leader && !before)
        for (const topic of topicsOf(parts, port.platform, port.workspace, clock.now())) want(topic, clock.now());
      if (leader) heartbeat();
      await clock.sleep(claimMs / 3, stop.signal).catch(() => undefined);
    }
  }

  /** Running jobs are looked at again now and then, for their elapsed time. */
  function heartbeat(): void {
    const now = clock.now();
    const running = cache.query('job', org, {
      where: (job) =>
        job.startedAt !== undefined && job.endedAt === undefined && within(job.place, port.platform, port.workspace),
      limit: 1_000,
    });
    for (const job of running.items)
      want({ id: `job.${job.id}`, about: { kind: 'job', id: job.id }, to: job.place }, now + running.total * 200);
  }

  function refill(now: number): void {
    edits = Math.min(port.limits.editsPerMinute, edits + ((now - refilledAt) * port.limits.editsPerMinute) / 60_000);
    refilledAt = now;
  }

  async function write(): Promise<void> {
    while (!stop.signal.aborted) {
      const now = clock.now();
      refill(now);
      const ready = leader ? [...due.values()].filter(({ topic, at }) => at <= now && !busy.has(topic.id)) : [];
      const ranked = ready
        .map((each) => ({ ...each, wanted: wantedOf(parts, each.topic.about, now) }))
        .sort((a, b) => Number(b.wanted?.last ?? false) - Number(a.wanted?.last ?? false));
      for (const { topic } of ranked.slice(0, Math.max(0, 8 - busy.size))) {
        due.delete(topic.id);
        busy.add(topic.id);
        keep(topic)
          .catch((thrown: unknown) => {
            log.warn({ topic: topic.id, error: asFault(thrown).message }, 'a message could not be brought up to date');
            want(topic, clock.now() + 5_000);
          })
          .finally(() => {
            busy.delete(topic.id);
            wake?.();
          });
      }
      const waiting = [...due.values()].map(({ at }) => at);
      const pause = waiting.length > 0 ? Math.max(50, Math.min(1_000, Math.min(...waiting) - now)) : 1_000;
      await nap(pause);
    }
  }

  async function nap(ms: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([
      clock.sleep(ms, AbortSignal.any([timer.signal, stop.signal])).catch(() => undefined),
      new Promise<void>((resolve) => {
        wake = resolve;
      }),
    ]);
    wake = undefined;
    timer.abort();
  }

  /** Brings one message up to date: intent, post, edit, ping, close. */
  async function keep(topic: Topic): Promise<void> {
    const now = clock.now();
    const ref = { kind: 'message', org, id: topic.id } as const;
    const stored = await store.get(ref);
    if (stored?.record.closed) {
      // A new change of health within the damping time opens its message again.
      if (topic.about.kind !== 'health') return;
    }
    const wanted = wantedOf(parts, topic.about, now);
    let message = stored?.record;
    let revision = stored?.revision ?? 0;
    const save = async (next: Message): Promise<void> => {
      const done = await store.commit([{ op: 'put', ref, record: next, if: revision }]);
      if (!done.ok) throw new Fault('conflict', 'Another replica has written this message.');
      revision = done.revision;
      message = next;
    };
    if (!wanted) {
      if (message && !message.closed) await save({ ...message, closed: true });
      return;
    }
    if (message?.retryAt !== undefined && message.retryAt > now) return want(topic, message.retryAt);
    try {
      let fresh = false;
      if (!message) {
        const place = 'person' in topic.to ? await port.direct(topic.to.person) : topic.to;
        await save(newMessage(parts, topic, place, now));
        fresh = true;
      }
      if (!message) return;
      const shows = hashOf(wanted.card);
      if (!message.ref) {
        const found = fresh ? null : await port.find(message.place, message.key);
        const posted = found ?? (await port.post(message.place, wanted.card, message.key));
        const { retryAt: _retry, ...rest } = message;
        await save({ ...rest, ref: posted, attempts: 0, editedAt: clock.now(), ...(found ? {} : { shown: shows }) });
        if (found) return want(topic, clock.now());
      } else if (message.shown !== shows) {
        const next = (message.editedAt ?? 0) + port.limits.editEveryMs;
        if (!wanted.last && (next > now || edits < port.limits.editsPerMinute * 0.2))
          return want(topic, Math.max(next, now + 500));
        if (edits < 1) return want(topic, now + 1_000);
        edits -= 1;
        await port.edit(message.place, message.ref, wanted.card);
        const { retryAt: _retry, ...rest } = message;
        await save({
          ...rest,
          shown: shows,
          edits: message.edits + 1,
          attempts: 0,
          editedAt: clock.now(),
          closed: false,
        });
      }
      if (wanted.last && message.shown === shows && !message.closed) {
        const ping = wanted.ping && !message.pinged ? wanted.ping : undefined;
        await save({ ...message, closed: true, pinged: message.pinged || ping !== undefined });
        if (ping) await port.ping(message.place, message.ref ?? null, ping.person, ping.text);
      }
    } catch (thrown) {
      await failed(topic, message, wanted, thrown, save);
    }
  }

  async function failed(
    topic: Topic,
    message: Message | undefined,
    wanted: Wanted,
    thrown: unknown,
    save: (next: Message) => Promise<void>,
  ): Promise<void> {
    const now = clock.now();
    if (thrown instanceof PlaceGone) {
      log.warn({ topic: topic.id, error: thrown.message }, 'a place is gone');
      if (!message) return;
      const direct = wanted.fallback ? await port.direct(wanted.fallback).catch(() => null) : null;
      if (!direct || direct.conversation === message.place.conversation) return save({ ...message, closed: true });
      const { ref: _ref, shown: _shown, ...rest } = message;
      await save({ ...rest, place: direct, attempts: 0 });
      return want(topic, now);
    }
    const fault = asFault(thrown);
    if (fault.kind === 'conflict') return want(topic, now + 1_000);
    if (!message || fault.kind === 'internal') throw fault;
    if (fault.kind === 'not-found' && message.ref) {
      // Somebody has deleted it: what it had to say is said in a new one.
      const { ref: _ref, shown: _shown, ...rest } = message;
      await save({ ...rest, key: parts.newId(16) });
      return want(topic, now);
    }
    if (!fault.retryable) {
      log.error({ topic: topic.id, error: fault.message, detail: fault.detail }, 'the chat refuses a message');
      return save({ ...message, closed: true });
    }
    const attempts = message.attempts + 1;
    const retryAt = now + backoffMs(fault, Math.min(attempts, 6), 0.5);
    await save({ ...message, attempts, retryAt });
    want(topic, retryAt);
  }

  /** Resolves when the message is not there any more, whoever removed it. */
  async function removed(place: Place, message: MessageRef): Promise<void> {
    try {
      await port.remove(place, message);
    } catch (thrown) {
      if (!(thrown instanceof PlaceGone) && asFault(thrown).kind !== 'not-found') throw thrown;
    }
  }

  /** Files handed to a person are taken away again. */
  async function tidy(): Promise<void> {
    while (!stop.signal.aborted) {
      if (leader) {
        const now = clock.now();
        const files = cache.query('message', org, {
          where: (each) =>
            each.about.kind === 'file' &&
            !each.closed &&
            (each.retryAt ?? 0) <= now &&
            within(each.place, port.platform, port.workspace),
          limit: 50,
        });
        for (const file of files.items) {
          try {
            if (file.ref) await removed(file.place, file.ref);
            await store.commit([{ op: 'delete', ref: { kind: 'message', org, id: file.id } }]);
          } catch (thrown) {
            log.warn({ error: asFault(thrown).message }, 'a file could not be removed yet');
          }
        }
      }
      await clock.sleep(5_000, stop.signal).catch(() => undefined);
    }
  }

  const unsubscribe = cache.onChange(notice);
  const loops = [lead(), write(), tidy()];

  return {
    leads: () => leader,
    async removeLater(place, message, ms) {
      const now = clock.now();
      const id = `file.${parts.newId(12)}`;
      const record: Message = {
        ...newMessage(parts, { id, about: { kind: 'file', id }, to: place }, place, now),
        ref: message,
        retryAt: now + ms,
      };
      await store.commit([{ op: 'put', ref: { kind: 'message', org, id }, record, if: 0 }]);
    },
    async close() {
      unsubscribe();
      stop.abort();
      wake?.();
      await Promise.all(loops);
      leader = false;
      await claim
        .release()
        .catch((thrown: unknown) =>
          log.info({ error: asFault(thrown).message }, 'the claim on the workspace ends by itself'),
        );
    },
  };
}

function newMessage(parts: NotifierParts, topic: Topic, place: Place, now: number): Message {
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
