/** Posts digests: once when they are due, late when nobody could post them in time, at once when a person asks. */
import { nextDue, scheduleText } from '../core/digest.ts';
import { asFault } from '../core/errors.ts';
import { PlaceGone } from '../core/ports/chat.ts';
import type { Cache } from '../core/ports/store.ts';
import type { Channel } from '../core/records.ts';
import { formatDuration } from '../core/units.ts';
import { digestCard } from '../core/views/digest.ts';
import type { Posting, PostingParts } from './subscriptions-post.ts';

export interface DigestParts extends Omit<PostingParts, 'budget' | 'signal'> {
  cache: Cache;
  posting: Posting;
}

export interface Digests {
  /** Posts the digest that is due or on its way. Faults of the chat are kept for a later try; those of the store are thrown. */
  tell(channel: Channel): Promise<void>;
}

/** From here on it says that it is late, in milliseconds. */
const lateMs = 5 * 60_000;

/** Whoever finds one that another has taken up waits so long, in milliseconds: it may still arrive. */
const underWayMs = 30_000;

export function createDigests({ cache, store, clock, newId, log, org, posting }: DigestParts): Digests {
  async function tell(seen: Channel): Promise<void> {
    const ref = { kind: 'channel', org, id: seen.id } as const;
    const stored = await store.get(ref);
    if (!stored) return;
    let channel = stored.record;
    let { revision } = stored;
    const save = async (next: Channel): Promise<boolean> => {
      const done = await store.commit([{ op: 'put', ref, record: next, if: revision }]);
      if (done.ok) {
        revision = done.revision;
        channel = next;
      }
      return done.ok;
    };
    const { digest } = channel;
    const now = clock.now();
    if (digest && digest.dueAt <= now) {
      const { dueAt, clusters, by, byName } = digest;
      // However many were missed, one comes, and the next is the next there will be.
      const posting = channel.posting ?? {
        key: newId(16),
        due: dueAt,
        asked: false,
        clusters,
        by,
        byName,
        attempts: 0,
      };
      if (!(await save({ ...channel, posting, digest: { ...digest, dueAt: nextDue(digest, now) } }))) return;
    }
    const { posting: on } = channel;
    if (!on || (on.retryAt ?? 0) > now) return;
    // Whoever takes it up counts it first: who finds it counted looks whether it was posted.
    const mine = { ...on, attempts: on.attempts + 1, retryAt: now + underWayMs };
    if (!(await save({ ...channel, posting: mine }))) return;
    await post(channel, mine, on.attempts > 0, save);
  }

  async function post(
    channel: Channel,
    on: NonNullable<Channel['posting']>,
    again: boolean,
    save: (next: Channel) => Promise<boolean>,
  ): Promise<void> {
    const now = clock.now();
    const { posting: _posting, ...rest } = channel;
    try {
      const { card, counts } = digestCard(cache, org, {
        scope: on,
        now,
        zone: channel.digest?.zone,
        last: on.asked ? undefined : channel.digest?.last,
        footer: footerOf(channel, on, now),
      });
      await posting.post(channel.place, card, on.key, { again });
      const digest = channel.digest && !on.asked ? { ...channel.digest, last: { at: now, counts } } : channel.digest;
      await settle(channel.id, on.key, { ...rest, ...(digest ? { digest } : {}) }, save);
    } catch (thrown) {
      if (thrown instanceof PlaceGone) return posting.placeIsGone(channel.id, thrown.message);
      const fault = asFault(thrown);
      const retryAt = posting.retryAt(fault, on.attempts);
      log.warn({ channel: channel.id, error: fault.message, detail: fault.detail }, 'a digest could not be posted');
      if (retryAt === null) await settle(channel.id, on.key, rest, save);
      else await save({ ...channel, posting: { ...on, retryAt } });
    }
  }

  /** Takes the posting away, also when a person changed the conversation's settings meanwhile. */
  async function settle(
    id: string,
    key: string,
    next: Channel,
    save: (next: Channel) => Promise<boolean>,
  ): Promise<void> {
    if (await save(next)) return;
    const ref = { kind: 'channel', org, id } as const;
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const stored = await store.get(ref);
      if (stored?.record.posting?.key !== key) return;
      const { posting: _posting, ...rest } = stored.record;
      if ((await store.commit([{ op: 'put', ref, record: rest, if: stored.revision }])).ok) return;
    }
  }

  return { tell };
}

function footerOf({ digest }: Channel, { due, asked, byName }: NonNullable<Channel['posting']>, now: number): string {
  if (asked) return `Asked for by ${byName}. For one every day: digest daily at 09:00.`;
  const late = now - due >= lateMs ? `This one is ${formatDuration(now - due)} late. ` : '';
  return `${late}${digest ? `It comes ${scheduleText(digest)}; digest off ends it.` : ''}`;
}
