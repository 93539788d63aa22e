import type { QueueDepth } from '../core/ports/queue.ts';
import type { JobKindName } from '../core/records.ts';

/** What became of a tick: it saved something, it was an old one, or it could not be carried out. */
export type TickResult = 'saved' | 'dropped' | 'failed';

/** What the jobs count (the engines count their own calls). No ids among the labels: a kind, an engine, a result. */
export interface JobMeters {
  /** A job has reached the end named by `state`; `ms` since it was started (or asked for). */
  jobEnded(kind: JobKindName, state: 'Succeeded' | 'Failed' | 'Cancelled' | 'Expired', ms: number): void;
  tickDone(kind: JobKindName | 'unknown', result: TickResult, ms: number): void;
  queueDepth(depth: QueueDepth): void;
  /** A look at a cluster's own API in the sweep; `verdict` as in its health record. */
  probed(verdict: string, ms: number): void;
}

/** Counts nothing, for code that runs without meters. */
export const noMeters: JobMeters = {
  jobEnded() {},
  tickDone() {},
  queueDepth() {},
  probed() {},
};
