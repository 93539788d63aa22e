import { backupChanges } from '../core/backup.ts';
import { kubeconfigSecret, workSecret } from '../core/connect.ts';
import { healthRecord } from '../core/health.ts';
import type { Decision } from '../core/jobs/kind.ts';
import type { NewId } from '../core/ports/clock.ts';
import type { Change, Sealer, Store, Stored } from '../core/ports/store.ts';
import type { Audit, Cluster, Job } from '../core/records.ts';

/** A job and its cluster as they were read. */
export interface Held {
  job: Stored<'job'>;
  cluster: Stored<'cluster'>;
}

export interface ChangeParts {
  store: Store;
  sealer: Sealer;
  newId: NewId;
}

/** The compare-and-swap of job and cluster; an unchanged cluster is only checked, so that watchers see no empty changes. */
export function heldChanges(held: Held, job: Job, cluster: Cluster): Change[] {
  const changes: Change[] = [{ op: 'put', ref: held.job.ref, record: job, if: held.job.revision }];
  if (JSON.stringify(cluster) === JSON.stringify(held.cluster.record)) {
    changes.push({ op: 'check', ref: held.cluster.ref, if: held.cluster.revision });
  } else {
    changes.push({ op: 'put', ref: held.cluster.ref, record: cluster, if: held.cluster.revision });
  }
  return changes;
}

/** Everything that the end of a job writes, as one transaction. */
export async function endChanges(
  parts: ChangeParts,
  held: Held,
  decision: Extract<Decision, { do: 'end' }>,
  now: number,
): Promise<Change[]> {
  const { org, id } = held.cluster.ref;
  const job: Job = { ...decision.job, tick: held.job.record.tick + 1 };
  const audit = auditChange(parts.newId, endOutcome(job), job, now);
  if (!decision.cluster) {
    return [
      { op: 'put', ref: held.job.ref, record: job, if: held.job.revision },
      ...(await removalChanges(parts.store, held.cluster)),
      audit,
    ];
  }
  const changes = [...heldChanges(held, job, decision.cluster), audit, ...(await backupChanges(parts.store, job, now))];
  // A failed one may be tried again, with what was sealed for it; its retention takes that away in the end.
  if (job.work?.bulk && job.state !== 'Failed') changes.push({ op: 'delete', ref: workSecret(org, job.id) });
  if (decision.kubeconfig !== undefined) {
    const ref = kubeconfigSecret(org, id);
    const sealed = parts.sealer.seal(ref, decision.kubeconfig);
    changes.push({ op: 'put', ref, record: { v: 1, id: ref.id, org, sealed } });
  }
  if (decision.health) {
    const ref = { kind: 'health', org, id } as const;
    const before = (await parts.store.get(ref))?.record;
    changes.push({ op: 'put', ref, record: healthRecord(org, id, decision.health, before) });
  }
  return changes;
}

/** The end of a cluster's record: its name is free again, and its health and kubeconfig go with it. */
export async function removalChanges(store: Store, cluster: Stored<'cluster'>): Promise<Change[]> {
  const { org, id } = cluster.ref;
  const changes: Change[] = [
    { op: 'delete', ref: cluster.ref, if: cluster.revision },
    { op: 'delete', ref: { kind: 'health', org, id } },
    { op: 'delete', ref: kubeconfigSecret(org, id) },
  ];
  const name = await store.get({ kind: 'name', org, id: `cluster.${cluster.record.name}` });
  if (name?.record.holder === id) changes.push({ op: 'delete', ref: name.ref, if: name.revision });
  return changes;
}

/** The audit entry of a job's end. Who asked for it stands for it; a cancelled one is the canceller's, an expired one nobody's. */
export function auditChange(newId: NewId, outcome: Audit['outcome'], job: Job, now: number): Change {
  const by =
    outcome === 'expired'
      ? { who: 'kqueen', whoName: 'KQueen' }
      : outcome === 'cancelled' && job.cancel
        ? { who: job.cancel.by, whoName: job.cancel.byName }
        : { who: job.requestedBy, whoName: job.requesterName };
  const id = `${String(now).padStart(13, '0')}-${newId()}`;
  const record: Audit = {
    v: 1,
    id,
    org: job.org,
    at: now,
    ...by,
    action: job.work?.op ?? job.kind,
    command: job.command,
    outcome,
    subject: job.clusterName,
    job: job.id,
    reason: job.note,
    place: job.place,
  };
  if (job.approval) record.approval = job.approval;
  return { op: 'put', ref: { kind: 'audit', org: job.org, id }, record, if: 0 };
}

function endOutcome(job: Job): Audit['outcome'] {
  if (job.state === 'Succeeded') return 'done';
  return job.state === 'Cancelled' ? 'cancelled' : 'failed';
}
