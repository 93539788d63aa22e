/** Which cluster a person means who does not name it: the one their thread is about, the channel's own, or the only one there is. */
import { createHash } from 'node:crypto';
import type { Choice } from './ports/engine.ts';
import type { Cache, Ref } from './ports/store.ts';
import type { Cluster, Place, Watch } from './records.ts';
import { ago } from './words.ts';

/** The word for the cluster that the thread is about. */
export const thisOne = 'this';

/** The settings of a conversation. Threads have those of their channel. */
export function channelRef(org: string, place: Place): Ref<'channel'> {
  const id = createHash('sha256')
    .update(JSON.stringify([place.chat, place.workspace, place.conversation]))
    .digest('hex')
    .slice(0, 32);
  return { kind: 'channel', org, id };
}

/** The cluster that the thread of a place is about: the one whose live message it hangs under. */
export function clusterOfThread(cache: Cache, org: string, place: Place): Cluster | undefined {
  const { thread } = place;
  if (thread === undefined) return undefined;
  const found = cache.query('message', org, {
    where: ({ ref, place: at }) =>
      at.chat === place.chat &&
      at.workspace === place.workspace &&
      at.conversation === place.conversation &&
      (ref?.id === thread || ref?.thread === thread),
    descending: true,
    limit: 1,
  }).items[0];
  const told = found ? undefined : toldInThread(cache, org, place, thread);
  if (told) return cache.get({ kind: 'cluster', org, id: told.cluster });
  if (!found) return undefined;
  const { kind, id } = found.about;
  if (kind === 'health') return cache.get({ kind: 'cluster', org, id });
  // A job and the request for its approval have one id.
  const job = kind === 'job' || kind === 'approval' ? cache.get({ kind: 'job', org, id }) : undefined;
  return job && cache.get({ kind: 'cluster', org, id: job.cluster });
}

/** What the conversation was told of a cluster, when the thread hangs under that. */
function toldInThread(cache: Cache, org: string, place: Place, thread: string): Watch | undefined {
  const channel = channelRef(org, place).id;
  const where = (each: Watch) =>
    each.channel === channel && each.roots.some(({ ref }) => ref.id === thread || ref.thread === thread);
  return cache.query('watch', org, { where, limit: 1 }).items[0];
}

/**
 * The cluster that is meant by `this` or by nothing; undefined when that cannot be told. A thread counts for everything. The channel's default and
 * the only cluster count for looking alone (`looks`): a change is never guessed.
 */
export function impliedCluster(cache: Cache, org: string, place: Place, looks: boolean): Cluster | undefined {
  const here = clusterOfThread(cache, org, place);
  if (here || !looks) return here;
  const settings = cache.get(channelRef(org, place));
  const usual = settings?.cluster === undefined ? undefined : cache.get({ kind: 'cluster', org, id: settings.cluster });
  if (usual) return usual;
  const all = cache.query('cluster', org, { limit: 2 });
  return all.total === 1 ? all.items[0] : undefined;
}

/** The clusters to choose from, the caller's own first, the newest before older ones; at most two thousand. */
export function clusterChoices(cache: Cache, org: string, person: string, now: number): Choice[] {
  const { items } = cache.query('cluster', org, { sort: 'createdAt', descending: true, limit: 2_000 });
  const mine = items.filter(({ owner }) => owner === person);
  const others = items.filter(({ owner }) => owner !== person);
  return [...mine, ...others].map(({ name, phase, ownerName, owner, createdAt }) => ({
    value: name,
    label: name,
    note: `${phase}, ${owner === person ? 'yours' : `of ${ownerName}`}, made ${ago(now - createdAt)}`,
  }));
}
