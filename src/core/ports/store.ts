import type { Kind, RecordOf } from '../records.ts';

/** Names one record. Every record belongs to an organisation. */
export interface Ref<K extends Kind = Kind> {
  kind: K;
  org: string;
  id: string;
}

/** A record with the store revision of its last change (compare-and-swap works on it). */
export interface Stored<K extends Kind = Kind> {
  ref: Ref<K>;
  record: RecordOf<K>;
  revision: number;
}

/**
 * One write or check of a transaction. `if` is the revision the record must still have; 0 means "must not exist"; absent means any.
 * `lease` binds a put to a lease: the record goes when the lease ends.
 */
export type Change =
  | { [K in Kind]: { op: 'put'; ref: Ref<K>; record: RecordOf<K>; if?: number; lease?: string } }[Kind]
  | { op: 'delete'; ref: Ref; if?: number }
  | { op: 'check'; ref: Ref; if: number };

/** `ok` with the revision of the transaction, or the refs whose condition did not hold; then nothing was written. */
export type Commit = { ok: true; revision: number } | { ok: false; conflicts: Ref[] };

export interface Page<K extends Kind> {
  items: Stored<K>[];
  /** Pass as `after` to go on; absent on the last page. */
  next?: string;
  /** The store revision this page was read at. Pages are not a snapshot together. */
  revision: number;
}

/** A time-bound claim; records put with its id go when it is not kept alive. */
export interface Lease {
  id: string;
  /** Extends it by its full time; false when it has already ended. */
  keepAlive(): Promise<boolean>;
  revoke(): Promise<void>;
}

/**
 * The truth. Semantics are etcd's: revisions, compare-and-swap transactions over several keys (at most 128 operations, no key twice).
 * Every call has a deadline of its own. When the store does not answer, calls throw a Fault `unreachable`; a commit's Fault then says
 * `outcomeUnknown`. Records are validated on the way in and out; an unreadable one throws `internal` on get and is skipped, with a log line, in pages.
 */
export interface Store {
  get<K extends Kind>(ref: Ref<K>): Promise<Stored<K> | undefined>;
  page<K extends Kind>(kind: K, org: string, options?: { limit?: number; after?: string }): Promise<Page<K>>;
  commit(changes: Change[]): Promise<Commit>;
  lease(ttlMs: number): Promise<Lease>;
  /** Resolves when the store answers, throws a Fault when it does not. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** One change as the watch saw it; `after` is absent when the record was deleted. */
export interface Seen<K extends Kind = Kind> {
  ref: Ref<K>;
  before?: RecordOf<K>;
  after?: RecordOf<K>;
  revision: number;
}

export interface Query<K extends Kind> {
  /** One of the kind's sort keys (`sortKeys` in records.ts); default its first. Ties are broken by id. */
  sort?: string;
  descending?: boolean;
  where?: (record: RecordOf<K>) => boolean;
  offset?: number;
  limit?: number;
}

export interface Rows<K extends Kind> {
  items: RecordOf<K>[];
  /** How many match in all. */
  total: number;
  /** How long ago the watch was last known to be in step, in milliseconds; 0 when it is. */
  staleMs: number;
}

/** Every list comes from here, from memory, kept by a watch. No decision is made from it. */
export interface Cache {
  get<K extends Kind>(ref: Ref<K>): RecordOf<K> | undefined;
  query<K extends Kind>(kind: K, org: string, query?: Query<K>): Rows<K>;
  /** Organisations that hold any record. */
  orgs(): string[];
  /** Waits until the cache holds the given revision; false when it did not within `waitMs`. */
  reached(revision: number, waitMs: number): Promise<boolean>;
  /** Called after each change is in the cache; returns the unsubscriber. */
  onChange(listener: (seen: Seen) => void): () => void;
  staleMs(): number;
}

/** Seals secrets (AES-256-GCM with a key id), bound to the record they are kept in: a moved or altered one does not open. */
export interface Sealer {
  seal(ref: Ref<'secret'>, plaintext: string): string;
  /** Throws a Fault `internal` when the key is unknown or the text was altered. */
  open(ref: Ref<'secret'>, sealed: string): string;
}
