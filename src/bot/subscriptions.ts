/**
 * What conversations have asked to be told: transitions of clusters, and digests. One replica a workspace posts, the one that `leads` there; what it
 * is about to post is in the store first, so that another goes on where it stopped and nothing is said twice.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { asFault } from '../core/errors.ts';
import type { ChatPort } from '../core/ports/chat.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Cache, Seen, Store } from '../core/ports/store.ts';
import type { Channel, Cluster, Place } from '../core/records.ts';
import { inScope } from '../core/scope.ts';
import { dampMs, newsMs } from '../core/watch.ts';
import { createBudget } from './budget.ts';
import { createDigests } from './subscriptions-digest.ts';
import { createPosting } from './subscriptions-post.ts';
import { createWatches, latelyIn } from './subscriptions-watch.ts';

export interface SubscriptionParts {
  store: Store;
  cache: Cache;
  clock: Clock;
  newId: NewId;
  log: Log;
  port: ChatPort;
  org: string;
  /** Where requests for approval go anyway: there they are not told a second time. */
  approvals?: readonly Place[];
  /** Whether this process posts in the workspace at the moment. */
  leads(): boolean;
}

export interface Subscriptions {
  close(): Promise<void>;
}

/** How often it is looked whether something is due, in milliseconds. */
const lookMs = 1_000;
/** How often everything that is still news is gone through, so that nothing is missed for good, in milliseconds. */
const combMs = 60_000;

/** A cluster to look at for the conversations that watch it. */
interface Due {
  cluster: string;
  versionBefore?: string | undefined;
}

/** Starts telling in one workspace. */
export function startSubscriptions(parts: SubscriptionParts): Subscriptions {
  const { cache, clock, port, log, org } = parts;
  const stop = new AbortController();
  const budget = createBudget(clock, port.limits);
  const posting = createPosting({ ...parts, budget, signal: stop.signal });
  const watches = createWatches({ ...parts, posting });
  const digests = createDigests({ ...parts, posting });
  const due = new Map<string, Due>();
  /** Clusters that are gone: what ended with them is still told. */
  const gone = new Map<string, Cluster>();
  let combedAt = Number.NEGATIVE_INFINITY;
  let wake: (() => void) | undefined;

  function channels(): Channel[] {
    const here = ({ place }: Channel) => place.chat === port.platform && place.workspace === port.workspace;
    return cache.query('channel', org, { where: here, limit: 100_000 }).items;
  }

  function want(cluster: string, versionBefore?: string): void {
    const before = due.get(cluster);
    due.set(cluster, { cluster, versionBefore: before?.versionBefore ?? versionBefore });
    wake?.();
  }

  function notice({ ref, before, after }: Seen): void {
    if (ref.org !== org) return;
    if (ref.kind === 'cluster') {
      const was = before as Cluster | undefined;
      if (after === undefined && was) {
        gone.set(was.id, was);
        const [oldest] = gone.keys();
        if (gone.size > 500 && oldest !== undefined) gone.delete(oldest);
        return;
      }
      const is = after as Cluster;
      const differs =
        was?.version !== is.version ||
        was?.phase !== is.phase ||
        was?.openJob !== is.openJob ||
        was?.drift?.at !== is.drift?.at ||
        was?.stopped !== is.stopped;
      if (was && differs) want(ref.id, was.version);
    } else if (ref.kind === 'health' && after) {
      const was = before as { verdict?: string; changes?: number } | undefined;
      const is = after as { verdict: string; changes: number };
      if (was && (was.verdict !== is.verdict || was.changes !== is.changes)) want(ref.id);
    } else if ((ref.kind === 'job' || ref.kind === 'approval') && after) {
      const was = before as { state?: string } | undefined;
      const is = after as { state: string; cluster: string };
      if (was?.state !== is.state) want(is.cluster);
    } else if (ref.kind === 'channel') wake?.();
  }

  /** Everything that is still news, and every watch that something is left to do for. */
  function comb(now: number): void {
    combedAt = now;
    const recent = (at: number | undefined) => at !== undefined && now - at < newsMs;
    for (const { id } of cache.query('health', org, {
      where: ({ since, changes }) => changes > 0 && recent(since),
      limit: 10_000,
    }).items)
      want(id);
    for (const { cluster } of cache.query('job', org, {
      where: ({ endedAt, startedAt }) => recent(endedAt ?? startedAt),
      limit: 10_000,
    }).items)
      want(cluster);
    for (const { cluster } of cache.query('approval', org, {
      where: (each) => recent(each.decidedAt ?? each.requestedAt),
      limit: 10_000,
    }).items)
      want(cluster);
    for (const { id } of cache.query('cluster', org, { where: ({ drift }) => recent(drift?.at), limit: 10_000 }).items)
      want(id);
  }

  /** Watches with something unsaid, or that may have become steady. */
  function unfinished(now: number): void {
    const where = ({
      sending,
      retryAt,
      flapping,
      lately,
      place,
    }: {
      sending?: unknown;
      retryAt?: number | undefined;
      flapping?: unknown;
      lately: number[];
      place: Channel['place'];
    }) =>
      place.chat === port.platform &&
      place.workspace === port.workspace &&
      ((sending !== undefined && (retryAt ?? 0) <= now) ||
        (flapping !== undefined && (lately.at(-1) ?? 0) <= now - dampMs));
    for (const { cluster } of cache.query('watch', org, { where, limit: 1_000 }).items) want(cluster);
  }

  async function look(): Promise<void> {
    const now = clock.now();
    const all = channels();
    for (const channel of all) {
      if (stop.signal.aborted || !parts.leads()) return;
      if (channel.posting || (channel.digest && channel.digest.dueAt <= now)) await digests.tell(channel);
    }
    const watching = all.filter(({ notify }) => notify !== undefined).map(withoutRequests);
    if (watching.length === 0) {
      due.clear();
      return;
    }
    if (now - combedAt >= combMs) comb(now);
    unfinished(now);
    if (due.size === 0) return;
    const lately = latelyIn(cache, org, now);
    for (const [index, each] of [...due.values()].entries()) {
      // Most have nothing to tell, which takes no waiting: a chat must get its turn all the same.
      if (index % 100 === 99) await turn();
      due.delete(each.cluster);
      const cluster = cache.get({ kind: 'cluster', org, id: each.cluster }) ?? gone.get(each.cluster);
      if (!cluster) continue;
      for (const channel of watching) {
        if (stop.signal.aborted || !parts.leads()) return;
        if (channel.notify && isWanted(channel.notify, cluster, now))
          await watches.tell(channel, cluster, lately, each.versionBefore);
      }
    }
  }

  /** The conversation without what it is asked anyway. */
  function withoutRequests(channel: Channel): Channel {
    const { notify, place } = channel;
    const isAsked = parts.approvals?.some(
      ({ chat, workspace, conversation }) =>
        chat === place.chat && workspace === place.workspace && conversation === place.conversation,
    );
    if (!notify || !isAsked) return channel;
    return { ...channel, notify: { ...notify, events: notify.events.filter((event) => event !== 'approvals') } };
  }

  function isWanted(notify: NonNullable<Channel['notify']>, cluster: Cluster, now: number): boolean {
    try {
      return notify.level !== 'none' && inScope(notify, now)(cluster);
    } catch (thrown) {
      log.warn({ error: asFault(thrown).message }, 'what a conversation wants to be told cannot be read');
      return false;
    }
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        if (parts.leads()) await look();
        else combedAt = Number.NEGATIVE_INFINITY;
      } catch (thrown) {
        log.warn(
          { error: asFault(thrown).message, detail: asFault(thrown).detail },
          'what was asked for could not be told yet',
        );
      }
      await nap();
    }
  }

  async function nap(): Promise<void> {
    const timer = new AbortController();
    const ended = AbortSignal.any([timer.signal, stop.signal]);
    await Promise.race([
      clock.sleep(lookMs, ended).catch(() => undefined),
      new Promise<void>((resolve) => {
        wake = resolve;
      }),
    ]);
    wake = undefined;
    timer.abort();
  }

  const unsubscribe = cache.onChange(notice);
  const running = run();
  return {
    async close() {
      unsubscribe();
      stop.abort(new Error('stopping'));
      wake?.();
      await running;
    },
  };
}
