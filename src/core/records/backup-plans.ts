/** When backups of a cluster are made by themselves, and which of them stay. */
import { z } from 'zod';
import { id, millis, Place } from './common.ts';

export const BackupSchedule = z.object({
  /** So many hours apart, a divisor of 24; absent: once a day, or a week with `weekday`. */
  hours: z.number().int().min(1).max(12).optional(),
  /** 0 is Sunday. */
  weekday: z.number().int().min(0).max(6).optional(),
  /** Of the day, on the clocks of the zone. */
  minute: z.number().int().min(0).max(1_439),
  /** A zone of the IANA database. */
  zone: z.string(),
  /** The first after now, or since the last one that was begun. */
  dueAt: millis,
});
export type BackupSchedule = z.infer<typeof BackupSchedule>;

export const Keeping = z.object({
  /** So many of the newest good ones stay. */
  keep: z.number().int().min(1).max(1_000).optional(),
  /** Older ones go, in milliseconds. */
  maxAgeMs: millis.optional(),
  /** Those that people asked for count and go as well. */
  manual: z.boolean(),
});
export type Keeping = z.infer<typeof Keeping>;

/** Of one cluster; its id is the cluster's, and it outlives it: what was kept is kept on by it. */
export const BackupPlan = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  clusterName: z.string(),
  /** Of the cluster. */
  owner: z.string(),
  by: z.string(),
  byName: z.string(),
  /** Where it was set: what goes wrong is told there. */
  place: Place,
  schedule: BackupSchedule.optional(),
  keeping: Keeping.optional(),
  /** Empty: all but the cluster's own. */
  namespaces: z.array(z.string()),
  secrets: z.boolean(),
  snapshots: z.boolean(),
  /** One is due and could not begin yet. */
  waiting: z
    .object({
      due: millis,
      /** It is given up then. */
      until: millis,
      why: z.string(),
      /** How many before it were missed, since no KQueen was there. */
      missed: z.number().int().nonnegative(),
    })
    .optional(),
  /** The job that makes one. */
  running: z.object({ job: id, due: millis }).optional(),
  last: z.object({ at: millis, result: z.enum(['kept', 'failed', 'skipped']), note: z.string() }).optional(),
  /** Failures in a row. */
  fails: z.number().int().nonnegative(),
  /** When it was told that it fails again and again. */
  alertedAt: millis.optional(),
});
export type BackupPlan = z.infer<typeof BackupPlan>;
