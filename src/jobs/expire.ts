import { logged, released } from '../core/jobs/kind.ts';
import type { NewId } from '../core/ports/clock.ts';
import type { Change, Commit, Store, Stored } from '../core/ports/store.ts';
import type { Job } from '../core/records.ts';
import { formatDuration } from '../core/units.ts';
import { auditChange, removalChanges } from './changes.ts';

/**
 * Ends a request that nobody decided in time, in one transaction: a cluster that was only asked for goes with its name, one that existed
 * before (a deletion, or a retry of a failed creation) is free again.
 */
export async function expire(
  parts: { store: Store; newId: NewId },
  found: Stored<'job'>,
  now: number,
): Promise<{ commit: Commit; job: Job }> {
  const { store, newId } = parts;
  const { dueAt: _due, ...rest } = found.record;
  const note = `Nobody decided within ${formatDuration(now - rest.requestedAt)}.`;
  const job = logged({ ...rest, state: 'Expired', tick: rest.tick + 1, endedAt: now, note }, now, note);
  const changes: Change[] = [
    { op: 'put', ref: found.ref, record: job, if: found.revision },
    auditChange(newId, 'expired', job, now),
  ];
  const { org } = job;
  const approval = job.approval ? await store.get({ kind: 'approval', org, id: job.approval }) : undefined;
  if (approval?.record.state === 'pending') {
    const record = { ...approval.record, state: 'expired' as const, decidedAt: now };
    changes.push({ op: 'put', ref: approval.ref, record, if: approval.revision });
  }
  const cluster = await store.get({ kind: 'cluster', org, id: job.cluster });
  if (cluster?.record.openJob === job.id) {
    const onlyAsked = (job.kind === 'cluster.create' || job.kind === 'cluster.adopt') && job.retryOf === undefined;
    if (onlyAsked) changes.push(...(await removalChanges(store, cluster)));
    else {
      const free = released(cluster.record);
      // A retry of these has shown the failed cluster as requested, or as going, meanwhile.
      const shown = job.kind === 'cluster.create' || job.kind === 'cluster.delete';
      const record = shown && job.retryOf !== undefined ? { ...free, phase: 'Failed' as const } : free;
      changes.push({ op: 'put', ref: cluster.ref, record, if: cluster.revision });
    }
  }
  return { commit: await store.commit(changes), job };
}
