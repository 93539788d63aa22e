/** What is kept of a cluster outside of it, as KQueen knows it; what is in it is said by its manifest in the archive. */
import { z } from 'zod';
import { id, millis } from './records/common.ts';

/**
 * `making`: its job is open, or ended without a word (see `standingOf` in core/backup.ts); `kept`: whole and verified; `partial`: kept, and not all that it
 * was to hold; `failed`: nothing that could be restored; `deleting`: the sweep removes its manifest, then everything under its prefix, then this record.
 */
export const backupStates = ['making', 'kept', 'partial', 'failed', 'deleting'] as const;

export const Backup = z.object({
  v: z.literal(1),
  /** Short enough to be typed; part of its prefix in the archive. */
  id,
  org: z.string(),
  cluster: id,
  /** As it was called then: the cluster may be gone. */
  clusterName: z.string(),
  /** Of the cluster then: who may restore it when the cluster is gone. */
  owner: z.string(),
  state: z.enum(backupStates),
  /** The job that makes it. */
  job: id,
  requestedBy: z.string(),
  requesterName: z.string(),
  createdAt: millis,
  endedAt: millis.optional(),
  /** Who keeps it: KQueen in its archive, or Velero where its own administrators have told it to. */
  by: z.enum(['kqueen', 'velero']),
  /** The schedule that asked for it. */
  schedule: id.optional(),
  /** Only these; absent: all but the cluster's own. */
  namespaces: z.array(z.string()).optional(),
  /** Whether Secrets are in it, sealed. */
  secrets: z.boolean(),
  /** Whether its volumes were to be snapshotted. */
  snapshots: z.boolean(),
  objects: z.number().int().nonnegative().optional(),
  /** In the archive. */
  bytes: z.number().int().nonnegative().optional(),
  /** What is worth knowing of it, in sentences. */
  notes: z.array(z.string()).max(20).optional(),
  failure: z.object({ message: z.string(), next: z.string().optional() }).optional(),
});
export type Backup = z.infer<typeof Backup>;
