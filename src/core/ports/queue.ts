/**
 * "Tick job X at time T", and nothing more. Payloads are ids. A tick may be lost (the sweep adds it again) and may come twice (ticks are
 * fenced by compare-and-swap on the job), so the queue needs no transaction with the store.
 */
export interface TickRef {
  org: string;
  job: string;
  /** The job's tick number; `<job>-<tick>` is the queue's id. */
  tick: number;
}

export interface QueueDepth {
  waiting: number;
  delayed: number;
  active: number;
}

export interface Queue {
  /** Adds the tick for time `at` (epoch milliseconds). Adding one that is already there does nothing. */
  add(tick: TickRef, at: number): Promise<void>;
  /** Starts working: calls the handler for each due tick, at most `concurrency` at once. A handler that throws only loses this tick. */
  work(handler: (tick: TickRef) => Promise<void>, concurrency: number): Promise<void>;
  depth(): Promise<QueueDepth>;
  ready(): Promise<void>;
  /** Stops taking ticks, waits for running handlers up to `graceMs`, then closes. */
  close(graceMs: number): Promise<void>;
}
