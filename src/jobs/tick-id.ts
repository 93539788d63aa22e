import type { TickRef } from '../core/ports/queue.ts';

/**
 * The queue's id of a tick: `<org>-<job>-<tick>`. Without colons, which BullMQ refuses in ids; a job's next tick always has another id,
 * because adding the id of a running tick from inside its own processor is silently dropped.
 */
export function tickId({ org, job, tick }: TickRef): string {
  return `${encodeURIComponent(org)}-${encodeURIComponent(job)}-${tick}`;
}
