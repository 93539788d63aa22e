/**
 * The watch cache: every list is answered from memory. It reads everything once, follows the store by a watch, and when the watch
 * has lost its place reads everything again and tells the differences as changes. While the store does not answer, lists go on and say how old they are.
 */
import { asFault, Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Cache, Query, Ref, Rows, Seen } from '../core/ports/store.ts';
import type { Kind, RecordOf } from '../core/records.ts';
import { cachedKinds } from '../core/records.ts';
import type { Listing } from './cache-load.ts';
import { loadAll, loadKeys, readRecord } from './cache-load.ts';
import type { Table } from './cache-table.ts';
import { makeTable, sortKeyFor } from './cache-table.ts';
import type { Driver, Watch, WatchEvent } from './driver.ts';
import { keyOf, normalPrefix, refOf } from './keys.ts';

export interface CacheOptions {
  prefix: string;
  clock: Clock;
  log: Log;
  /** How often the cache is compared with the store's keys, in milliseconds; default five minutes. */
  compareMs?: number;
}

/** The cache with what its owner needs of it. */
export interface WatchCache extends Cache {
  /** The revision it holds. */
  revision(): number;
  /** Compares with the keys in the store and reads everything again if anything differs; true when nothing did. */
  compareWithStore(): Promise<boolean>;
  /** How often everything had to be read again. */
  relists(): number;
  close(): Promise<void>;
}

const defaultCompareMs = 5 * 60_000;
const firstRetryMs = 200;
const lastRetryMs = 5_000;
const cached = new Set<Kind>(cachedKinds);

/** Reads everything and follows the store from there; throws the driver's Fault when the first reading fails. */
export async function openCache(driver: Driver, options: CacheOptions): Promise<WatchCache> {
  const { clock, log } = options;
  const prefix = normalPrefix(options.prefix);
  const tables = new Map<string, Map<Kind, Table>>();
  const listeners = new Set<(seen: Seen) => void>();
  const waiting = new Set<() => void>();
  const ending = new AbortController();
  let orgs = new Set<string>();
  let broken = new Map<string, number>();
  let held = 0;
  let inStep = true;
  let inStepAt = clock.now();
  let relists = 0;
  let watch: Watch | undefined;
  /** Counts the watches, so that a late word from an old one is not heard. */
  let generation = 0;
  /** Keys that changed while a comparison runs; undefined when none does. */
  let touched: Set<string> | undefined;

  function tableOf<K extends Kind>(kind: K, org: string): Table<K> {
    let kinds = tables.get(org);
    if (!kinds) {
      kinds = new Map();
      tables.set(org, kinds);
    }
    let table = kinds.get(kind);
    if (!table) {
      table = makeTable(kind) as unknown as Table;
      kinds.set(kind, table);
    }
    return table as unknown as Table<K>;
  }

  const findTable = <K extends Kind>(kind: K, org: string): Table<K> | undefined =>
    tables.get(org)?.get(kind) as Table<K> | undefined;

  function tell(seen: Seen): void {
    for (const listener of [...listeners]) {
      try {
        listener(seen);
      } catch (error) {
        log.error({ ...seen.ref, detail: asFault(error).detail }, 'a listener of the cache failed');
      }
    }
  }

  /** Takes one record over; undefined deletes it. */
  function apply(ref: Ref, after: RecordOf<Kind> | undefined, revision: number): void {
    const table = tableOf(ref.kind, ref.org);
    const before = table.get(ref.id)?.record;
    if (after) table.set({ id: ref.id, record: after, revision });
    else table.delete(ref.id);
    if (!before && !after) return;
    tell({ ref, revision, ...(before ? { before } : {}), ...(after ? { after } : {}) });
  }

  function take({ key, value, revision }: WatchEvent): void {
    const ref = refOf(prefix, key);
    if (!ref) return;
    if (value !== undefined) orgs.add(ref.org);
    if (!cached.has(ref.kind)) return;
    touched?.add(key);
    broken.delete(key);
    const record = value === undefined ? undefined : readRecord(ref, value, log);
    if (value !== undefined && !record) broken.set(key, revision);
    apply(ref, record, revision);
  }

  function advance(revision: number): void {
    if (revision <= held) return;
    held = revision;
    for (const check of [...waiting]) check();
  }

  /** Makes the cache what the listing is, telling each difference. */
  function adopt(listing: Listing): void {
    orgs = new Set(listing.orgs);
    broken = listing.broken;
    const present = new Set<string>();
    for (const { org, kind, rows } of listing.tables) {
      const table = tableOf(kind, org);
      if (table.size === 0 && listeners.size === 0) table.fill(rows);
      for (const row of rows) {
        present.add(`${org}\0${kind}\0${row.id}`);
        if (table.get(row.id)?.revision !== row.revision) apply({ kind, org, id: row.id }, row.record, row.revision);
      }
    }
    for (const [org, kinds] of tables) {
      for (const [kind, table] of kinds) {
        for (const { id } of [...table.rows()]) {
          if (!present.has(`${org}\0${kind}\0${id}`)) apply({ kind, org, id }, undefined, listing.revision);
        }
      }
    }
    // Not `advance`: a store that was put back to an older state counts from there.
    held = listing.revision;
    for (const check of [...waiting]) check();
  }

  function follow(): void {
    generation += 1;
    const mine = generation;
    const current = () => mine === generation && !ending.signal.aborted;
    watch = driver.watch(`${prefix}/`, held + 1, {
      events(events) {
        if (!current()) return;
        for (const event of events) take(event);
        advance(events.at(-1)?.revision ?? 0);
      },
      progress(revision) {
        if (!current()) return;
        advance(revision);
        if (!inStep) log.info({ revision: held }, 'the cache is in step with the store again');
        inStep = true;
        inStepAt = clock.now();
      },
      compacted() {
        if (current()) relist('the watch lost its place');
      },
      down(fault) {
        if (!current() || !inStep) return;
        inStep = false;
        log.warn({ detail: fault.detail ?? fault.message }, 'the cache is out of step: the store does not answer');
      },
    });
  }

  /** Reads everything again until that works, then follows from there. Lists are answered meanwhile, as stale. */
  function relist(why: string): void {
    generation += 1;
    inStep = false;
    relists += 1;
    log.warn({ revision: held, why }, 'the cache reads everything again');
    const old = watch;
    watch = undefined;
    void readAgain(old);
  }

  async function readAgain(old: Watch | undefined): Promise<void> {
    await old
      ?.close()
      .catch((error: unknown) => log.debug({ detail: asFault(error).detail }, 'an old watch did not close'));
    for (let waitMs = firstRetryMs; !ending.signal.aborted; waitMs = Math.min(waitMs * 2, lastRetryMs)) {
      try {
        const listing = await loadAll(driver, prefix, log);
        if (ending.signal.aborted) return;
        adopt(listing);
        follow();
        return;
      } catch (error) {
        log.warn(
          { detail: asFault(error).detail ?? asFault(error).message },
          'the cache could not read everything again',
        );
        await pause(waitMs, ending.signal);
      }
    }
  }

  async function compareWithStore(): Promise<boolean> {
    if (touched || !watch) return true;
    const changed = new Set<string>();
    touched = changed;
    const mine = generation;
    try {
      const listing = await loadKeys(driver, prefix);
      // What the watch has still on its way is no difference.
      if (!(await reached(listing.revision, 5_000)) && inStep) return differs('a revision that never came');
      if (mine !== generation) return true;
      for (const [key, revision] of listing.keys) {
        const ref = refOf(prefix, key);
        const known = ref && (findTable(ref.kind, ref.org)?.get(ref.id)?.revision ?? broken.get(key));
        if (!changed.has(key) && ref && known !== revision) return differs(key);
      }
      for (const [org, kinds] of tables) {
        for (const [kind, table] of kinds) {
          for (const { id } of table.rows()) {
            const key = keyOf(prefix, { kind, org, id });
            if (!changed.has(key) && !listing.keys.has(key)) return differs(key);
          }
        }
      }
      for (const org of [...orgs]) if (!listing.orgs.includes(org) && !hasRows(org)) orgs.delete(org);
      return true;
    } finally {
      touched = undefined;
    }
  }

  function hasRows(org: string): boolean {
    return [...(tables.get(org)?.values() ?? [])].some((table) => table.size > 0);
  }

  function differs(key: string): false {
    log.error({ key }, 'the cache differs from the store');
    relist('it differed from the store');
    return false;
  }

  async function compareNowAndThen(): Promise<void> {
    while (!ending.signal.aborted) {
      try {
        await clock.sleep(options.compareMs ?? defaultCompareMs, ending.signal);
        if (inStep) await compareWithStore();
      } catch (error) {
        if (ending.signal.aborted) return;
        log.warn({ detail: asFault(error).detail }, 'the cache could not be compared with the store');
      }
    }
  }

  function reached(revision: number, waitMs: number): Promise<boolean> {
    if (held >= revision) return Promise.resolve(true);
    if (ending.signal.aborted) return Promise.resolve(false);
    watch?.poke();
    return new Promise((resolve) => {
      const end = (answer: boolean) => {
        clearTimeout(timer);
        waiting.delete(check);
        resolve(answer);
      };
      const check = () => {
        if (held >= revision) end(true);
        else if (ending.signal.aborted) end(false);
      };
      // A deadline of real time: it bounds how long a person waits, whatever the clock says.
      const timer = setTimeout(() => end(false), waitMs);
      waiting.add(check);
    });
  }

  function mustBeCached(kind: Kind): void {
    if (!cached.has(kind)) {
      throw new Fault('internal', `Records of the kind ${kind} are not in the cache.`, { retryable: false });
    }
  }

  const staleMs = () => (inStep ? 0 : Math.max(1, clock.now() - inStepAt));

  adopt(await loadAll(driver, prefix, log));
  inStepAt = clock.now();
  follow();
  void compareNowAndThen();

  return {
    get(ref) {
      mustBeCached(ref.kind);
      return findTable(ref.kind, ref.org)?.get(ref.id)?.record;
    },
    query<K extends Kind>(kind: K, org: string, query: Query<K> = {}): Rows<K> {
      mustBeCached(kind);
      sortKeyFor(kind, query.sort);
      const found = findTable(kind, org)?.query(query) ?? { items: [], total: 0 };
      return { ...found, staleMs: staleMs() };
    },
    orgs: () => [...orgs].sort(),
    reached,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    staleMs,
    revision: () => held,
    compareWithStore,
    relists: () => relists,
    async close() {
      ending.abort();
      for (const check of [...waiting]) check();
      listeners.clear();
      await watch?.close();
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
