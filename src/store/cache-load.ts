/** Reading everything that the cache keeps, as it was at one revision. */
import { Fault } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Ref } from '../core/ports/store.ts';
import type { Kind, RecordOf } from '../core/records.ts';
import { cachedKinds } from '../core/records.ts';
import type { Row } from './cache-table.ts';
import { decode } from './codecs.ts';
import type { Driver, Entry, RangePage } from './driver.ts';
import { Compacted } from './driver.ts';
import { kindPrefix, refOf } from './keys.ts';
import { listOrgs } from './store.ts';

/** Everything at one revision. */
export interface Listing {
  revision: number;
  /** Organisations that hold any record, of a cached kind or not. */
  orgs: string[];
  tables: { org: string; kind: Kind; rows: Row[] }[];
  /** Keys of records that cannot be read, with their revisions. */
  broken: Map<string, number>;
}

/** Keys and revisions of all cached records, as of one revision. */
export interface KeyListing {
  revision: number;
  orgs: string[];
  keys: Map<string, number>;
}

const attempts = 3;

/** Reads all cached kinds of all organisations; throws what the driver throws. */
export function loadAll(driver: Driver, prefix: string, log: Log): Promise<Listing> {
  return atOneRevision(driver, prefix, async (revision, orgs) => {
    const broken = new Map<string, number>();
    const tables = await Promise.all(
      orgs.flatMap((org) =>
        cachedKinds.map(async (kind) => {
          const rows: Row[] = [];
          for await (const entries of pages(driver, kindPrefix(prefix, org, kind), revision, false)) {
            for (const entry of entries) {
              const ref = refOf(prefix, entry.key);
              const record = ref && readRecord(ref, entry.value, log);
              if (ref && record) rows.push({ id: ref.id, record, revision: entry.revision });
              else broken.set(entry.key, entry.revision);
            }
          }
          return { org, kind, rows };
        }),
      ),
    );
    return { revision, orgs, tables, broken };
  });
}

/** Reads the keys alone, to compare with what the cache holds. */
export function loadKeys(driver: Driver, prefix: string): Promise<KeyListing> {
  return atOneRevision(driver, prefix, async (revision, orgs) => {
    const keys = new Map<string, number>();
    for (const org of orgs) {
      for (const kind of cachedKinds) {
        for await (const entries of pages(driver, kindPrefix(prefix, org, kind), revision, true)) {
          for (const entry of entries) keys.set(entry.key, entry.revision);
        }
      }
    }
    return { revision, orgs, keys };
  });
}

/** The record, frozen all the way down because every reader of the cache shares it; undefined, with a log line, when it cannot be read. */
export function readRecord<K extends Kind>(ref: Ref<K>, text: string, log: Log): RecordOf<K> | undefined {
  try {
    return freeze(decode(ref, text));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    log.error({ ...ref, detail: error.detail }, 'a record cannot be read; it is missing from lists');
    return undefined;
  }
}

/** Compaction may take the revision away while it is read; then it begins again at a newer one. */
async function atOneRevision<T>(
  driver: Driver,
  prefix: string,
  read: (revision: number, orgs: string[]) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const { revision } = await driver.range(`${prefix}/`, { limit: 1, keysOnly: true });
    try {
      return await read(revision, await listOrgs(driver, prefix, revision));
    } catch (error) {
      if (!(error instanceof Compacted) || attempt === attempts) throw error;
    }
  }
}

/** The pages of a prefix; the next one is on its way while its reader works on this one. */
async function* pages(driver: Driver, prefix: string, revision: number, keysOnly: boolean): AsyncGenerator<Entry[]> {
  const ask = (after?: string) =>
    driver.range(prefix, { revision, keysOnly, ...(after === undefined ? {} : { after }) });
  let next: Promise<RangePage> | undefined = ask();
  while (next) {
    const page: RangePage = await next;
    const last = page.entries.at(-1)?.key;
    next = page.more && last !== undefined ? ask(last) : undefined;
    // It is awaited in the next round; until then its failure is not an unhandled one.
    next?.catch(() => undefined);
    yield page.entries;
  }
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
