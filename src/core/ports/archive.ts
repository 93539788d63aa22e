/** Where backups are kept: whole objects by key, in a directory or in an object store. */
import type { Call } from './engine.ts';

/** An object as a listing tells of it. */
export interface Kept {
  key: string;
  /** Bytes. */
  size: number;
}

/**
 * Keeps objects of a few megabytes each, never more than 16 MiB. Keys are parts of `[A-Za-z0-9._-]+` joined by slashes, at most 512 characters. Every
 * error is a Fault: `unreachable`, `not-allowed`, `not-found` for a bucket that is not there, `quota` for a full disk.
 */
export interface Archive {
  /** For people, without secrets: "the directory /var/lib/kqueen/backups", "bucket clusters at https://s3.example". */
  where: string;
  /** Whole or not at all: what is read at this key afterwards is what was there before, or this. Safe to repeat. */
  put(key: string, body: Uint8Array, call: Call): Promise<void>;
  /** Undefined when there is none. */
  get(key: string, call: Call): Promise<Uint8Array | undefined>;
  /** Up to 1,000 objects whose keys begin with `prefix`, in order of their keys, from the one after `after`. */
  list(prefix: string, call: Call, after?: string): Promise<Kept[]>;
  /** No error when there is none. */
  delete(key: string, call: Call): Promise<void>;
  /** Writes, reads and deletes a small object: a Fault says what is wrong with it. */
  check(call: Call): Promise<void>;
  close(): Promise<void>;
}

/** Seals texts that are kept outside the store, bound to the name they are kept under: moved or altered ones do not open. */
export interface Vault {
  seal(name: string, plain: string): string;
  /** Throws a Fault `internal` when the key is unknown or the text was altered. */
  open(name: string, sealed: string): string;
}
