/** Tells a conversation what changes with a cluster: the first message of a day in the conversation, later ones in its thread. */
import type { Button, Card } from '../core/card.ts';
import { asFault } from '../core/errors.ts';
import { formatLine } from '../core/line.ts';
import { afterNodeNews } from '../core/node-buttons.ts';
import { PlaceGone } from '../core/ports/chat.ts';
import type { Cache, Store } from '../core/ports/store.ts';
import { type Approval, type Channel, type Cluster, endedStates, type Job, type Watch } from '../core/records.ts';
import { advance, newsMs, newWatch, type Sight, watchId } from '../core/watch.ts';
import type { Posting, PostingParts } from './subscriptions-post.ts';

export interface WatchParts extends Omit<PostingParts, 'budget' | 'signal'> {
  cache: Cache;
  store: Store;
  posting: Posting;
}

export interface Watches {
  /** Brings the conversation up to date with a cluster. Faults of the chat are kept for a later try; those of the store are thrown. */
  tell(channel: Channel, cluster: Cluster, lately: Lately, versionBefore?: string): Promise<void>;
}

/** Jobs and requests for approval that run, or ended so lately that they are news, by cluster. */
export interface Lately {
  jobs: ReadonlyMap<string, readonly Job[]>;
  approvals: ReadonlyMap<string, readonly Approval[]>;
}

/** What happened lately in the whole organisation: looked up once for all clusters and conversations. */
export function latelyIn(cache: Cache, org: string, now: number): Lately {
  const recent = (at: number | undefined) => at !== undefined && now - at < newsMs;
  const jobs = cache.query('job', org, {
    where: ({ state, endedAt }) => !endedStates.includes(state) || recent(endedAt),
    limit: 100_000,
  }).items;
  const approvals = cache.query('approval', org, {
    where: ({ state, decidedAt, expiresAt }) => state === 'pending' || recent(decidedAt ?? expiresAt),
    limit: 100_000,
  }).items;
  return {
    jobs: Map.groupBy(jobs, ({ cluster }) => cluster),
    approvals: Map.groupBy(approvals, ({ cluster }) => cluster),
  };
}

/** More steps at one look than could be wanted: whatever is left comes with the next. */
const mostSteps = 20;
const daysKept = 7;
/** Whoever finds something that another is saying waits so long, in milliseconds: it may still arrive. */
const underWayMs = 30_000;

export function createWatches({ cache, store, clock, newId, log, org, posting }: WatchParts): Watches {
  function sightOf(cluster: Cluster, lately: Lately, versionBefore: string | undefined): Sight {
    const { id } = cluster;
    return {
      cluster,
      health: cache.get({ kind: 'health', org, id }),
      jobs: lately.jobs.get(id) ?? [],
      approvals: lately.approvals.get(id) ?? [],
      versionBefore,
      now: clock.now(),
    };
  }

  async function tell(channel: Channel, cluster: Cluster, lately: Lately, versionBefore?: string): Promise<void> {
    const { notify } = channel;
    if (!notify) return;
    const ref = { kind: 'watch', org, id: watchId(channel.id, cluster.id) } as const;
    // Most looks find nothing to tell, and memory is enough to see that.
    const known = cache.get(ref) ?? newWatch(org, channel, cluster, clock.now());
    if (!known.sending && advance(known, notify, sightOf(cluster, lately, versionBefore)) === null) return;
    const stored = await store.get(ref);
    let watch = stored?.record ?? newWatch(org, channel, cluster, clock.now());
    let revision = stored?.revision ?? 0;
    const save = async (next: Watch): Promise<boolean> => {
      const done = await store.commit([{ op: 'put', ref, record: next, if: revision }]);
      if (done.ok) {
        revision = done.revision;
        watch = next;
      }
      return done.ok;
    };
    let again = true;
    for (let step = 0; step < mostSteps; step += 1) {
      if (watch.sending) {
        if (again && (watch.retryAt ?? 0) > clock.now()) return;
        if (again && !(await save({ ...watch, retryAt: clock.now() + underWayMs }))) return;
        if (!(await send(channel, watch, again, save))) return;
      }
      const next = advance(watch, notify, sightOf(cluster, lately, versionBefore));
      if (!next) return;
      const { says } = next;
      const sending = says
        ? { sending: { ...says, key: newId(16), at: clock.now() }, retryAt: clock.now() + underWayMs }
        : {};
      // Another replica has taken it over.
      if (!(await save({ ...next.watch, ...sending, clusterName: cluster.name, place: channel.place }))) return;
      again = false;
    }
  }

  /** Says what is kept as being said; true when it is said, or never will be. */
  async function send(
    channel: Channel,
    watch: Watch,
    again: boolean,
    save: (next: Watch) => Promise<boolean>,
  ): Promise<boolean> {
    const { sending, retryAt: _retry, ...rest } = watch;
    if (!sending) return true;
    const day = new Date(clock.now()).toISOString().slice(0, 10);
    const root = watch.roots.find((each) => each.day === day)?.ref;
    try {
      const posted = await posting.post(channel.place, cardOf(watch, sending), sending.key, { root, again });
      const isRoot = root === undefined || (posted.thread === undefined && posted.id !== root.id);
      const roots = isRoot
        ? [...watch.roots.filter((each) => each.day !== day), { day, ref: posted }].slice(-daysKept)
        : watch.roots;
      return await save({ ...rest, roots, attempts: 0, at: clock.now() });
    } catch (thrown) {
      if (thrown instanceof PlaceGone) {
        await posting.placeIsGone(channel.id, thrown.message);
        await save({ ...rest, attempts: 0 });
        return false;
      }
      const fault = asFault(thrown);
      const attempts = watch.attempts + 1;
      const retryAt = posting.retryAt(fault, attempts);
      if (retryAt === null) {
        log.error(
          { channel: channel.id, error: fault.message, detail: fault.detail },
          'the chat refuses what was asked to be told',
        );
        return save({ ...rest, attempts: 0 });
      }
      await save({ ...watch, attempts, retryAt });
      return false;
    }
  }

  return { tell };
}

function cardOf({ clusterName }: Watch, { tone, title, text, job }: NonNullable<Watch['sending']>): Card {
  const buttons: Button[] = [
    { label: `Show ${clusterName}`, command: formatLine('cluster show', ['cluster'], { cluster: clusterName }) },
    ...afterNodeNews(clusterName, text),
    ...(job === undefined ? [] : [{ label: 'Show job', command: formatLine('job show', ['job'], { job }) }]),
  ];
  const rest = text.startsWith(`${title}.`) ? text.slice(title.length + 1).trim() : text;
  return {
    title,
    tone,
    text,
    parts: rest === '' ? [{ part: 'text', text }] : [{ part: 'text', text: rest }],
    buttons,
    footer: 'Asked for with notify here; notify off ends it.',
  };
}
