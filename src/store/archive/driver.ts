/** What each kind of place has to be able to do. Keys come checked and whole, with the prefix of the place. */
import type { Fault } from '../../core/errors.ts';
import type { Kept } from '../../core/ports/archive.ts';

/** One try of each; the signal ends it. What goes wrong is thrown as it is, and `explain` says what it means. */
export interface Driver {
  put(key: string, body: Uint8Array, signal: AbortSignal): Promise<void>;
  get(key: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** At most 1,000, in order, all after `after` where there is one. */
  list(prefix: string, after: string | undefined, signal: AbortSignal): Promise<Kept[]>;
  delete(key: string, signal: AbortSignal): Promise<void>;
  /** The Fault that something thrown by the others is; what it does not know is for `unknownFault`. */
  explain(thrown: unknown): Fault | null;
  close(): Promise<void>;
}

/** Most objects of one listing. */
export const mostListed = 1_000;

/** Most bytes of one object. */
export const mostBytes = 16 * 1024 * 1024;
