/** What is kept for how long. A sweep deletes what is past its time, a bounded part of it at a time, and never what has changed since it looked. */
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Cache, Change, Ref, Store } from '../core/ports/store.ts';
import type { Kind, RecordOf } from '../core/records.ts';
import { endedStates } from '../core/records.ts';

/** How long records are kept, in milliseconds since they ended. */
export interface RetentionTimes {
  /** Deliveries: long after every chat platform has stopped to send an event again. */
  deliveries: number;
  jobs: number;
  approvals: number;
  /** Closed messages, and what conversations were told of a cluster: their buttons carry commands and go on working. */
  messages: number;
  audit: number;
}

const day = 24 * 60 * 60_000;

const defaultRetention: RetentionTimes = {
  deliveries: 3 * day,
  jobs: 90 * day,
  approvals: 90 * day,
  messages: 30 * day,
  audit: 400 * day,
};

export interface RetentionOptions {
  store: Store;
  cache: Cache;
  clock: Clock;
  log: Log;
  times?: Partial<RetentionTimes>;
  /** The most records of a kind and organisation that one sweep looks at or deletes; default 1,000. */
  atMost?: number;
}

/** What a sweep did. */
export interface SweepResult {
  deleted: { [K in Kind]?: number };
  /** Whether it stopped at its bound: sweep again soon. */
  more: boolean;
}

export interface Retention {
  sweep(): Promise<SweepResult>;
}

type Due<K extends Kind> = (record: RecordOf<K>, now: number) => boolean;
type Rules = { [K in Kind]?: Due<K> };

/** Kinds whose due records are found in the cache; the others are paged through. */
const listed = ['job', 'approval', 'message', 'watch', 'audit'] as const;
const paged = ['delivery', 'handout', 'picture'] as const;
const together = 50;

/** What is due, by kind; pure. */
function retentionRules(
  times: RetentionTimes,
): Rules & Required<Pick<Rules, (typeof listed)[number] | (typeof paged)[number]>> {
  return {
    delivery: (record, now) => record.at < now - times.deliveries,
    handout: (record, now) => record.expiresAt < now,
    job: (record, now) =>
      endedStates.includes(record.state) && (record.endedAt ?? record.requestedAt) < now - times.jobs,
    approval: (record, now) =>
      record.state !== 'pending' && (record.decidedAt ?? record.expiresAt) < now - times.approvals,
    message: (record, now) => record.closed && (record.editedAt ?? record.createdAt) < now - times.messages,
    watch: (record, now) => record.at < now - times.messages,
    picture: (record, now) => record.expiresAt < now,
    audit: (record, now) => record.at < now - times.audit,
  };
}

/** Remembers how far it has paged, so that each sweep goes on where the last one stopped. */
export function openRetention(options: RetentionOptions): Retention {
  const { store, cache, clock, log, atMost = 1_000 } = options;
  const rules = retentionRules({ ...defaultRetention, ...options.times });
  const cursors = new Map<string, string>();

  async function sweep(): Promise<SweepResult> {
    const result: SweepResult = { deleted: {}, more: false };
    const now = clock.now();
    for (const org of cache.orgs()) {
      for (const kind of listed) await sweepListed(kind, org, now, result);
      for (const kind of paged) await sweepPaged(kind, org, now, result);
    }
    const total = Object.values(result.deleted).reduce((sum, count) => sum + count, 0);
    if (total > 0)
      log.info({ deleted: result.deleted, more: result.more }, 'records past their retention were deleted');
    return result;
  }

  async function sweepListed<K extends (typeof listed)[number]>(
    kind: K,
    org: string,
    now: number,
    result: SweepResult,
  ): Promise<void> {
    const due = rules[kind] as Due<K>;
    const { items, total } = cache.query(kind, org, { where: (record) => due(record, now), limit: atMost });
    if (total > items.length) result.more = true;
    for (let start = 0; start < items.length; start += together) {
      const refs = items.slice(start, start + together).map(({ id }): Ref<K> => ({ kind, org, id }));
      // The cache only says where to look.
      const stored = await Promise.all(refs.map((ref) => store.get(ref).catch(unreadable)));
      const changes = stored.flatMap((found): Change[] =>
        found && due(found.record, now) ? [{ op: 'delete', ref: found.ref, if: found.revision }] : [],
      );
      count(result, kind, await deleteUnchanged(changes));
    }
  }

  async function sweepPaged<K extends (typeof paged)[number]>(
    kind: K,
    org: string,
    now: number,
    result: SweepResult,
  ): Promise<void> {
    const due = rules[kind] as Due<K>;
    const place = `${org}\0${kind}`;
    for (let looked = 0; looked < atMost; ) {
      const after = cursors.get(place);
      const limit = Math.min(500, atMost - looked);
      const page = await store.page(kind, org, { limit, ...(after === undefined ? {} : { after }) });
      looked += limit;
      const changes = page.items.flatMap((found): Change[] =>
        due(found.record, now) ? [{ op: 'delete', ref: found.ref, if: found.revision }] : [],
      );
      for (let start = 0; start < changes.length; start += together) {
        count(result, kind, await deleteUnchanged(changes.slice(start, start + together)));
      }
      if (page.next === undefined) {
        cursors.delete(place);
        return;
      }
      cursors.set(place, page.next);
    }
    result.more = true;
  }

  /** Deletes them in one transaction; those that changed meanwhile are left out, and come again with the next sweep if they are still due. */
  async function deleteUnchanged(changes: Change[]): Promise<number> {
    if (changes.length === 0) return 0;
    const commit = await store.commit(changes);
    if (commit.ok) return changes.length;
    const changed = new Set(commit.conflicts.map(({ id }) => id));
    return deleteUnchanged(changes.filter(({ ref }) => !changed.has(ref.id)));
  }

  /** A record that cannot be read is nobody's to delete unseen; pages and lists have logged it. Anything else ends the sweep. */
  function unreadable(error: unknown): undefined {
    if ((error as { kind?: unknown }).kind !== 'internal') throw error;
  }

  return { sweep };
}

function count(result: SweepResult, kind: Kind, more: number): void {
  if (more > 0) result.deleted[kind] = (result.deleted[kind] ?? 0) + more;
}
