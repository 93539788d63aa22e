/** Backups as everything that has to do with them knows them: where each is kept, its work, and what becomes of its record. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Vault } from './ports/archive.ts';
import type { Change, Sealer, Store } from './ports/store.ts';
import { type Backup, endedStates, type Job } from './records.ts';

/** Work that makes a backup, by who keeps it, and work that restores one; names in the registry of src/kube/works. */
export const backupOps = { kqueen: 'backup.create', velero: 'backup.velero' } as const;
export const restoreOps = { kqueen: 'backup.restore', velero: 'backup.velero-restore' } as const;

/** Names of the steps of the work that makes one, for people. */
export const backupSteps = [
  'Find what there is',
  'Read and keep its objects',
  'Look after volumes',
  'Verify it',
  'Write its manifest',
] as const;

/** Everything of a backup is kept under this; ends with a slash. */
export function backupPrefix({ org, cluster, id }: Pick<Backup, 'org' | 'cluster' | 'id'>): string {
  return `${org}/${cluster}/${id}/`;
}

/** The object that makes what is under the prefix a backup: written last, deleted first. */
export function manifestKey(backup: Pick<Backup, 'org' | 'cluster' | 'id'>): string {
  return `${backupPrefix(backup)}manifest.json`;
}

/** Which backup a piece of work reads or makes. */
export const BackupRef = z.object({ org: z.string().min(1), cluster: z.string().min(1), id: z.string().min(1) });

/** What the work of making a backup is told. */
export const BackupInput = z.object({
  backup: BackupRef,
  clusterName: z.string(),
  /** Empty: all but the cluster's own. */
  namespaces: z.array(z.string()),
  secrets: z.boolean(),
  snapshots: z.boolean(),
});
export type BackupInput = z.infer<typeof BackupInput>;

/** What a finished backup came to, as its work leaves it in `progress.summary`. */
export const BackupSummary = z.object({
  objects: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  /** Set when not all is in it that it was to hold. */
  partial: z.boolean(),
  notes: z.array(z.string()),
});
export type BackupSummary = z.infer<typeof BackupSummary>;

/** A backup as it is asked for. */
export interface BackupWish {
  id: string;
  org: string;
  cluster: string;
  clusterName: string;
  /** Of the cluster. */
  owner: string;
  namespaces: string[];
  secrets: boolean;
  snapshots: boolean;
  by: Backup['by'];
  /** The schedule that asks for it. */
  schedule?: string;
}

/** How long a backup may take, in milliseconds. */
export const backupMs = 3 * 60 * 60_000;

/** The input of the work that makes a backup. */
export function backupInput(wish: BackupWish): BackupInput {
  const { org, cluster, id, clusterName, namespaces, secrets, snapshots } = wish;
  return { backup: { org, cluster, id }, clusterName, namespaces, secrets, snapshots };
}

/** The record of a backup that is asked for: put in the transaction that puts its job. */
export function newBackup(
  wish: BackupWish,
  job: Pick<Job, 'id' | 'requestedBy' | 'requesterName' | 'requestedAt'>,
): Backup {
  const { id, org, cluster, clusterName, owner, by, namespaces, secrets, snapshots, schedule } = wish;
  return {
    ...{ v: 1, id, org, cluster, clusterName, owner, state: 'making', job: job.id, by, secrets, snapshots },
    requestedBy: job.requestedBy,
    requesterName: job.requesterName,
    createdAt: job.requestedAt,
    ...(namespaces.length > 0 ? { namespaces } : {}),
    ...(schedule === undefined ? {} : { schedule }),
  };
}

/** Which backup a job makes, or null. */
export function madeBy(job: Pick<Job, 'work'>): z.infer<typeof BackupRef> | null {
  const { work } = job;
  if (!work || !(Object.values(backupOps) as string[]).includes(work.op)) return null;
  return BackupRef.safeParse(work.input.backup).data ?? null;
}

/** Which backup a job reads to restore it, or null: that one must stay. */
export function readBy(job: Pick<Job, 'work'>): z.infer<typeof BackupRef> | null {
  const { work } = job;
  if (!work || !(Object.values(restoreOps) as string[]).includes(work.op)) return null;
  return BackupRef.safeParse(work.input.backup).data ?? null;
}

/** What the end of a job writes of the backup that it made; nothing for other jobs. Goes into the job's own transaction. */
export async function backupChanges(store: Store, job: Job, now: number): Promise<Change[]> {
  const made = madeBy(job);
  if (!made) return [];
  const found = await store.get({ kind: 'backup', org: made.org, id: made.id });
  if (!found || found.record.state === 'deleting') return [];
  return [{ op: 'put', ref: found.ref, record: afterJob(found.record, job, now), if: found.revision }];
}

function afterJob(before: Backup, job: Job, now: number): Backup {
  const { failure: _old, ...rest } = before;
  const record: Backup = { ...rest, job: job.id, endedAt: now };
  const summary = BackupSummary.safeParse(job.work?.progress.summary).data;
  if (job.state === 'Succeeded' && summary) {
    const { objects, bytes, partial, notes } = summary;
    return { ...record, state: partial ? 'partial' : 'kept', objects, bytes, notes: notes.slice(0, 20) };
  }
  const next = job.failure?.next;
  return {
    ...record,
    state: 'failed',
    failure: { message: job.failure?.message ?? job.note, ...(next === undefined ? {} : { next }) },
  };
}

/** How a backup stands: one whose job was denied, or ended without a word, will never be whole. `job` is its own, when there is one. */
export function standingOf(
  backup: Pick<Backup, 'state'>,
  job: Pick<Job, 'state'> | undefined,
): Backup['state'] | 'waiting' {
  if (backup.state !== 'making') return backup.state;
  if (!job || endedStates.includes(job.state)) return 'failed';
  return job.state === 'AwaitingApproval' ? 'waiting' : 'making';
}

/** Seals what is kept in an archive with the keys of the store: bound to its name, which is hashed because it may be longer than a record's id. */
export function vaultOf(sealer: Sealer): Vault {
  const ref = (name: string) =>
    ({ kind: 'secret', org: 'backups', id: createHash('sha256').update(name).digest('hex') }) as const;
  return {
    seal: (name, plain) => sealer.seal(ref(name), plain),
    open: (name, sealed) => sealer.open(ref(name), sealed),
  };
}
