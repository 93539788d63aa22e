/**
 * Keeps one live message a topic: posted once, edited in place, coalesced under the platform's limits, last states first. Per workspace one
 * replica does it, holding a claim; what is posted is in the store, so that another goes on where it stopped. Before a post its intent is saved,
 * and after an unknown answer the message is looked for before it is posted again.
 */

import { createClaim } from '../core/claim.ts';
import { asFault } from '../core/errors.ts';
import { type ChatPort, type MessageRef, PlaceGone } from '../core/ports/chat.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Seen, Store } from '../core/ports/store.ts';
import type { Message, Place } from '../core/records.ts';
import { createBoards, settleMs } from './board.ts';
import { createBudget } from './budget.ts';
import type { Durations } from './durations.ts';
import { createKeeper, newMessage } from './keeper.ts';
import type { LogTailParts } from './log-tail.ts';
import type { Next } from './moves.ts';
import { approvalTopics, healthTopic, noticeTopic, type Topic, type TopicParts, topicsOf, within } from './topics.ts';

export interface NotifierParts extends TopicParts, LogTailParts {
  store: Store;
  clock: Clock;
  newId: NewId;
  log: Log;
  port: ChatPort;
  /** How long past jobs took; without it no message says how long a job will take. */
  durations?: Durations;
}

export interface Notifier {
  /** Whether this process writes in the workspace at the moment. */
  leads(): boolean;
  /** Keeps a file's message to remove it after `ms`. */
  removeLater(place: Place, message: MessageRef, ms: number): Promise<void>;
  close(): Promise<void>;
}

const claimMs = 6_000;
/** Calls of the chat that are under way at the same moment. */
const mostAtOnce = 8;
/** What waits for room is looked at again this often. */
const recheckMs = 5_000;

/** Starts the notifier of one workspace. */
export function startNotifier(parts: NotifierParts): Notifier {
  const { cache, store, clock, port, log, org } = parts;
  const claim = createClaim({ store, newId: parts.newId, org }, `posts.${port.platform}.${port.workspace}`, claimMs);
  const stop = new AbortController();
  const budget = createBudget(clock, port.limits);
  const boards = createBoards({
    ...{ cache, engines: parts.engines, org, approvals: parts.approvals, clock },
    ...{ chat: port.platform, workspace: port.workspace },
    ...{ editEveryMs: port.limits.editEveryMs, editsPerMinute: port.limits.editsPerMinute },
    hasRoom: (place) => budget.wait('edit', place.conversation) === 0,
  });
  const keeper = createKeeper({ ...parts, boards, budget, want });
  /** Topics to look at, with the time before which it is no use. */
  const due = new Map<string, { topic: Topic; at: number }>();
  const busy = new Set<string>();
  let leader = false;
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
      if (job && within(job.place, port.platform, port.workspace)) {
        want({ id: `job.${id}`, about: { kind: 'job', id }, to: job.place }, now);
        const board = job.endedAt === undefined ? null : boards.at(job.place);
        if (board) want(board, now + settleMs);
      }
    }
    if (kind === 'approval' || kind === 'job') {
      for (const topic of approvalTopics(parts, id, port.platform, port.workspace)) want(topic, now);
    }
    if (kind === 'notice') {
      const topic = noticeTopic(parts, id, port.platform, port.workspace);
      if (topic) want(topic, now);
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
      if (leader && !before) begin();
      if (leader) for (const topic of boards.look(clock.now())) want(topic, clock.now());
      await clock.sleep(claimMs / 3, stop.signal).catch(() => undefined);
    }
  }

  /** Takes over from whoever wrote before: what they have just spent is spent, and what is open is looked at. */
  function begin(): void {
    const now = clock.now();
    const recent = cache.query('message', org, {
      where: ({ editedAt, place }) =>
        editedAt !== undefined && now - editedAt < 60_000 && within(place, port.platform, port.workspace),
      limit: 10_000,
    });
    for (const { edits, editedAt, place } of recent.items)
      budget.made(edits > 0 ? 'edit' : 'post', place.conversation, editedAt ?? now);
    boards.load(now);
    for (const topic of topicsOf(parts, port.platform, port.workspace, now)) want(topic, now);
  }

  async function write(): Promise<void> {
    while (!stop.signal.aborted) {
      const pause = leader ? startTurns(clock.now()) : 1_000;
      await nap(Math.max(20, Math.min(1_000, pause)));
    }
  }

  /** Starts the turns that matter most and that the chat bears; the milliseconds until there is something to do again. */
  function startTurns(now: number): number {
    let soonest = 1_000;
    const ready: { topic: Topic; next: Next }[] = [];
    for (const [id, { topic, at }] of due) {
      if (at > now) soonest = Math.min(soonest, at - now);
      if (at > now || busy.has(id)) continue;
      const next = keeper.glance(topic, now);
      if (next && next.at <= now) ready.push({ topic, next });
      else due.delete(id);
      if (next && next.at > now) want(topic, next.at);
    }
    ready.sort((a, b) => a.next.rank - b.next.rank || a.next.at - b.next.at);
    for (const { topic, next } of ready) {
      if (busy.size >= mostAtOnce) return 1_000;
      const waits = keeper.wait(topic, next);
      if (waits === 0) startTurn(topic);
      else {
        // Not looked at again at once, unless it changes; after a while another move may tell the same.
        const again = Math.min(waits, recheckMs);
        due.set(topic.id, { topic, at: now + again });
        soonest = Math.min(soonest, again);
      }
    }
    return soonest;
  }

  function startTurn(topic: Topic): void {
    due.delete(topic.id);
    busy.add(topic.id);
    keeper
      .turn(topic)
      .catch((thrown: unknown) => {
        log.warn({ topic: topic.id, error: asFault(thrown).message }, 'a message could not be brought up to date');
        want(topic, clock.now() + 5_000);
      })
      .finally(() => {
        busy.delete(topic.id);
        wake?.();
      });
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
