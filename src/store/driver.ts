/**
 * The raw key-value port below the typed store: text keys, text values, the semantics of etcd v3. Two drivers implement it,
 * and one conformance suite holds them to the same rules.
 */
import { Fault } from '../core/errors.ts';

/** etcd refuses larger transactions by default (`--max-txn-ops`). */
export const maxOperations = 128;

/** Keys are read in pages of at most this many. */
const maxPage = 500;

/** One key as it is now or was at the revision read. */
export interface Entry {
  key: string;
  /** Empty when only keys were asked for. */
  value: string;
  /** Revision of its last change. */
  revision: number;
  /** Revision at which it came into being; a deleted key that returns starts anew. */
  created: number;
  /** How often it was put since then, from 1. */
  version: number;
  /** The lease of the last put, if it had one. */
  lease?: string;
}

export interface RangeOptions {
  /** Entries of this page, 1 to 500; default 500. A page may be shorter although `more` is true. */
  limit?: number;
  /** Only keys after this one, in byte order. */
  after?: string;
  /** Read as of this revision; one that was compacted away throws `Compacted`. */
  revision?: number;
  /** Leave the values out. */
  keysOnly?: boolean;
}

/** One page of a range, in byte order of the keys. */
export interface RangePage {
  entries: Entry[];
  /** Whether keys of the prefix follow. */
  more: boolean;
  /** The store's revision when the page was read (not the one asked for). */
  revision: number;
}

export type Operation = { op: 'put'; key: string; value: string; lease?: string } | { op: 'delete'; key: string };

/** Holds when the key's last change has this revision; 0 means that the key must not exist. */
export interface Compare {
  key: string;
  revision: number;
}

/**
 * `ok` with the revision of the transaction (the store's revision when it changed nothing), or the keys whose condition did not
 * hold; then nothing was written.
 */
export type TxnResult = { ok: true; revision: number } | { ok: false; revision: number; conflicts: string[] };

/** A change as the watch saw it; `value` is absent when the key was deleted. */
export interface WatchEvent {
  key: string;
  value?: string;
  revision: number;
}

export interface WatchHandlers {
  /** Changes in the order of their revisions; a revision is never split over two calls. */
  events(events: WatchEvent[]): void;
  /** Everything up to this revision has been handed over, and the watch is alive now. */
  progress(revision: number): void;
  /** The revisions asked for are gone (or the store went back to an older state): the watch is over; read everything and watch anew. */
  compacted(): void;
  /** The store does not answer the watch at the moment; the driver keeps trying, and `progress` tells when it is back. */
  down(fault: Fault): void;
}

export interface Watch {
  /** Asks the store at once whether anything is missing, instead of at the next heartbeat. */
  poke(): void;
  close(): Promise<void>;
}

export interface DriverStatus {
  /** Bytes of the database on disk, with freed space that was not given back. */
  dbSize: number;
  /** Bytes at which writes are refused. */
  quota: number;
  revision: number;
  /** Alarms in the store's own words, such as `NOSPACE`. */
  alarms: string[];
}

/**
 * Every call has a deadline of its own and throws a Fault: `unreachable` when no answer came (with `outcomeUnknown` for a
 * transaction that may have been done), `capacity` when the store has no space left, `bad-input` for a transaction that breaks
 * the rules, `conflict` for a put on a lease that has ended.
 */
export interface Driver {
  readonly name: 'etcd' | 'embedded';
  get(key: string): Promise<Entry | undefined>;
  range(prefix: string, options?: RangeOptions): Promise<RangePage>;
  txn(compares: Compare[], operations: Operation[]): Promise<TxnResult>;
  /** Grants a lease of at least this time (etcd: whole seconds, at least two) and returns its id. */
  grant(ttlMs: number): Promise<string>;
  /** Extends a lease by its full time; false when it has ended. */
  keepAlive(lease: string): Promise<boolean>;
  /** Ends a lease and deletes its keys, at one revision; a lease that has ended already is no error. */
  revoke(lease: string): Promise<void>;
  /** Changes of the prefix from this revision on, the old ones first. */
  watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Watch;
  /** Forgets the history before this revision; throws `Compacted` when that was done already. */
  compact(revision: number): Promise<void>;
  status(): Promise<DriverStatus>;
  close(): Promise<void>;
}

/** The history asked for was compacted away. */
export class Compacted extends Fault {
  constructor(revision: number) {
    super('not-found', `The store no longer keeps revision ${revision}.`, { whose: 'kqueen', retryable: false });
    this.name = 'Compacted';
  }
}

/** Throws `bad-input` when a transaction is one that etcd would refuse: more than 128 compares or operations, a key written twice. */
export function checkTxn(compares: Compare[], operations: Operation[]): void {
  const most = Math.max(compares.length, operations.length);
  if (most > maxOperations) {
    throw new Fault('bad-input', `A transaction may hold ${maxOperations} operations, not ${most}.`, {
      whose: 'kqueen',
    });
  }
  const written = new Set<string>();
  for (const { key } of operations) {
    checkKey(key);
    if (written.has(key)) {
      throw new Fault('bad-input', 'A transaction may not write the same key twice.', { whose: 'kqueen', detail: key });
    }
    written.add(key);
  }
  for (const { key } of compares) checkKey(key);
}

/** Throws `bad-input` for a key that not every driver can hold: empty, or with a zero character or half a surrogate pair. */
export function checkKey(key: string): void {
  if (key === '' || key.includes('\0') || !key.isWellFormed()) {
    throw new Fault('bad-input', 'A key of the store must be well-formed text.', { whose: 'kqueen' });
  }
}

/** The page size asked for, held to 1…500. */
export function pageSize(limit: number | undefined): number {
  return Math.max(1, Math.min(limit ?? maxPage, maxPage));
}

/** The fault of every call after `close`. */
export function closedFault(): Fault {
  return new Fault('unreachable', 'The store is closed.', { whose: 'kqueen', retryable: false });
}
