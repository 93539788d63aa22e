/**
 * The embedded driver: one SQLite file of the runtime, one process. Transactions that are asked for at the same moment are
 * committed together, each with its own revision, so that a hundred of them cost one sync of the disk.
 */
import { asFault, Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Compare, Driver, Entry, Operation, RangeOptions, RangePage, TxnResult, WatchEvent } from './driver.ts';
import { Compacted, checkKey, checkTxn, closedFault, pageSize } from './driver.ts';
import type { EmbeddedFile } from './embedded-file.ts';
import { openEmbeddedFile, sqliteFault } from './embedded-file.ts';
import { openLeases } from './embedded-leases.ts';
import { openWatches } from './embedded-watch.ts';

export interface EmbeddedOptions {
  /** The folder of the store's files; made when it is not there. */
  dir: string;
  clock: Clock;
  log: Log;
}

/** The embedded driver, with what only it can do. */
export interface EmbeddedDriver extends Driver {
  /** Gives up to `pages` free pages back to the file system; returns how many are still free. */
  vacuum(pages: number): Promise<number>;
}

interface Pending {
  compares: Compare[];
  operations: Operation[];
  resolve(result: TxnResult): void;
  reject(fault: Fault): void;
}

/** History rows deleted between two turns of the event loop. */
const sweepAtOnce = 500;

/** Opens the store of a folder for this process alone; faults as `openEmbeddedFile`. */
export function openEmbeddedDriver(options: EmbeddedOptions): EmbeddedDriver {
  const file = openEmbeddedFile(options.dir);
  let revision = file.read('revision');
  let compacted = file.read('compacted');
  let pending: Pending[] = [];
  let scheduled = false;
  let closed = false;

  const leases = openLeases(options.clock, () => !closed && flush());
  const watches = openWatches(
    { revision: () => revision, compacted: () => compacted, history: (...range) => historyOf(file, ...range) },
    options.log,
  );
  endAbandonedLeases();

  /** Nobody is left to keep alive what an earlier process had leased. */
  function endAbandonedLeases(): void {
    const keys = file.keysOfAnyLease();
    if (keys.length === 0) return;
    file.transaction(
      () => {
        for (const key of keys) file.delete(key, revision + 1);
        file.write('revision', revision + 1);
      },
      () => undefined,
    );
    revision += 1;
  }

  function usable(): void {
    if (closed) throw closedFault();
    if (leases.ended().length > 0) flush();
  }

  /** Commits everything that waits, together with the end of the leases that have run out. */
  function flush(): void {
    const batch = pending;
    pending = [];
    const ended = leases.ended();
    if (batch.length === 0 && ended.length === 0) return;
    const events: WatchEvent[] = [];
    const answers: (() => void)[] = [];
    let next = revision;
    let committing = false;
    try {
      file.transaction(
        () => {
          for (const lease of ended) next = deleteAll(file.keysOfLease(lease), next, events);
          for (const txn of batch) next = decide(txn, next, events, answers);
          if (next !== revision) file.write('revision', next);
        },
        () => {
          committing = true;
        },
      );
    } catch (error) {
      const fault = sqliteFault(error, committing);
      options.log.error({ detail: fault.detail, transactions: batch.length }, 'the store could not commit');
      for (const txn of batch) txn.reject(fault);
      return;
    }
    for (const lease of ended) leases.forget(lease);
    const changed = next !== revision;
    revision = next;
    // Watches first: whoever waits for the answer finds his own change in the cache.
    if (changed) watches.publish(events, revision);
    for (const answer of answers) answer();
  }

  function deleteAll(keys: string[], before: number, events: WatchEvent[]): number {
    for (const key of keys) {
      file.delete(key, before + 1);
      events.push({ key, revision: before + 1 });
    }
    return keys.length > 0 ? before + 1 : before;
  }

  /** Runs one transaction on top of revision `before`; returns the revision after it. */
  function decide(txn: Pending, before: number, events: WatchEvent[], answers: (() => void)[]): number {
    const conflicts = txn.compares.filter(({ key, revision }) => (file.current(key)?.revision ?? 0) !== revision);
    if (conflicts.length > 0) {
      answers.push(() => txn.resolve({ ok: false, revision: before, conflicts: conflicts.map(({ key }) => key) }));
      return before;
    }
    const lost = txn.operations.some((each) => each.op === 'put' && each.lease && !leases.alive(each.lease));
    if (lost) {
      answers.push(() => txn.reject(leaseFault()));
      return before;
    }
    const mine = before + 1;
    const first = events.length;
    for (const each of txn.operations) {
      const current = file.current(each.key);
      if (each.op === 'put') {
        const created = current?.created ?? mine;
        const version = (current?.version ?? 0) + 1;
        const { key, value } = each;
        file.put({ key, value, revision: mine, created, version, lease: each.lease ?? null });
        events.push({ key, value, revision: mine });
      } else if (current) {
        file.delete(each.key, mine);
        events.push({ key: each.key, revision: mine });
      }
    }
    const after = events.length > first ? mine : before;
    answers.push(() => txn.resolve({ ok: true, revision: after }));
    return after;
  }

  function txn(compares: Compare[], operations: Operation[]): Promise<TxnResult> {
    usable();
    checkTxn(compares, operations);
    return new Promise((resolve, reject) => {
      pending.push({ compares, operations, resolve, reject });
      if (scheduled) return;
      scheduled = true;
      setImmediate(() => {
        scheduled = false;
        if (!closed) flush();
      });
    });
  }

  function range(prefix: string, options: RangeOptions = {}): RangePage {
    usable();
    const limit = pageSize(options.limit);
    const end = prefixEnd(prefix);
    let entries: Entry[];
    if (options.revision !== undefined && options.revision !== revision) {
      if (options.revision < compacted) throw new Compacted(options.revision);
      if (options.revision > revision) {
        throw new Fault('bad-input', `The store has no revision ${options.revision} yet.`, { whose: 'kqueen' });
      }
      entries = file.rangeAt(options.revision, prefix, options.after, end, limit + 1);
    } else {
      entries = file.range(prefix, options.after, end, limit + 1);
    }
    const more = entries.length > limit;
    if (more) entries.pop();
    if (options.keysOnly) for (const entry of entries) entry.value = '';
    return { entries, more, revision };
  }

  async function compact(at: number): Promise<void> {
    usable();
    if (at <= compacted) throw new Compacted(at);
    if (at > revision) throw new Fault('bad-input', `The store has no revision ${at} yet.`, { whose: 'kqueen' });
    file.write('compacted', at);
    compacted = at;
    // Whoever opens the store after a crash here finds the counter; the rows go with the next compaction.
    while (!closed && file.sweep(compacted, sweepAtOnce) === sweepAtOnce) await turn();
  }

  /** Every call answers or fails as a Fault, later than it returns. */
  async function guarded<T>(act: () => T | Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw sqliteFault(error);
    }
  }

  return {
    name: 'embedded',
    get: (key) =>
      guarded(() => {
        usable();
        checkKey(key);
        return file.entry(key);
      }),
    range: (prefix, options) => guarded(() => range(prefix, options)),
    txn: (compares, operations) => guarded(() => txn(compares, operations)),
    grant: (ttlMs) =>
      guarded(() => {
        usable();
        return leases.grant(ttlMs);
      }),
    keepAlive: (lease) =>
      guarded(() => {
        usable();
        return leases.keepAlive(lease);
      }),
    revoke: (lease) =>
      guarded(async () => {
        usable();
        const events: WatchEvent[] = [];
        let next = revision;
        file.transaction(
          () => {
            next = deleteAll(file.keysOfLease(lease), revision, events);
            if (next !== revision) file.write('revision', next);
          },
          () => undefined,
        );
        leases.forget(lease);
        if (next === revision) return;
        revision = next;
        watches.publish(events, revision);
      }),
    watch(prefix, fromRevision, handlers) {
      if (closed) throw closedFault();
      return watches.open(prefix, fromRevision, handlers);
    },
    compact: (at) => guarded(() => compact(at)),
    status: () =>
      guarded(() => {
        usable();
        const { bytes, most } = file.size();
        return { dbSize: bytes, quota: most, revision, alarms: [] };
      }),
    vacuum: (pages) =>
      guarded(() => {
        usable();
        return file.vacuum(pages);
      }),
    async close() {
      if (closed) return;
      // What was asked for before the close is still done.
      try {
        flush();
      } catch (error) {
        options.log.error({ detail: asFault(error).detail }, 'the store could not finish its work before closing');
      }
      closed = true;
      leases.close();
      watches.close();
      file.close();
    },
  };
}

function historyOf(file: EmbeddedFile, prefix: string, first: number, last: number): WatchEvent[] {
  return file.history(prefix, prefixEnd(prefix), first, last).map(({ key, value, revision }) => ({
    key,
    revision,
    ...(value === null ? {} : { value }),
  }));
}

/** The first text after every text that begins with the prefix, in byte order. */
function prefixEnd(prefix: string): string {
  const points = [...prefix].map((character) => character.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    // Surrogates are no characters of their own.
    return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return '\u{10ffff}\u{10ffff}';
}

function leaseFault(): Fault {
  return new Fault('conflict', 'The lease has ended: nothing was saved.', { whose: 'kqueen', retryable: false });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
