/** Time and chance, handed in so that no test waits for real minutes and every id can be foreseen. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Makes short random ids in lower-case letters and digits without look-alikes; `size` in characters (default 8). */
export type NewId = (size?: number) => string;
