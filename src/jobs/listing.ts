import type { Cache, Store } from '../core/ports/store.ts';
import type { Kind, RecordOf } from '../core/records.ts';

/** The organisation of an installation without governance. */
const only = ['default'];

/** A cache that is further behind than this is passed over, in milliseconds. */
const patienceMs = 2_000;

/** The organisations to sweep. */
export function orgsOf(cache: Cache | undefined): string[] {
  return [...new Set([...only, ...(cache?.orgs() ?? [])])];
}

/** All records of a kind that `where` keeps: from memory when the watch is in step, else page by page from the store. */
export async function listAll<K extends Kind>(
  { store, cache }: { store: Store; cache?: Cache },
  kind: K,
  org: string,
  where: (record: RecordOf<K>) => boolean,
): Promise<RecordOf<K>[]> {
  if (cache && cache.staleMs() <= patienceMs) return cache.query(kind, org, { where }).items;
  const kept: RecordOf<K>[] = [];
  let after: string | undefined;
  do {
    const page = await store.page(kind, org, { limit: 500, ...(after === undefined ? {} : { after }) });
    for (const { record } of page.items) if (where(record)) kept.push(record);
    after = page.next;
  } while (after !== undefined);
  return kept;
}
