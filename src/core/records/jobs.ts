/** What is done to clusters: plans, jobs, approvals and what is kept of them afterwards. */
import { z } from 'zod';
import { ScalingChange } from './autoscale.ts';
import { Update } from './clusters.ts';
import { id, millis, Place } from './common.ts';

/** What a change will do, shown before it is done and bound to its hash. */
export const Plan = z.object({
  title: z.string(),
  facts: z.array(z.object({ label: z.string(), value: z.string() })),
  /** Whom it disturbs, in a sentence. */
  disturbs: z.string(),
  /** What would change, as a text people read: a diff. */
  detail: z.string().max(20_000).optional(),
  /** What is worth knowing before it is done. */
  warnings: z.array(z.string()).optional(),
  cost: z
    .object({ perHour: z.number(), perMonth: z.number(), currency: z.string(), excludes: z.array(z.string()) })
    .nullable(),
  /** What it costs without the change. */
  costBefore: z.object({ perHour: z.number(), perMonth: z.number(), currency: z.string() }).optional(),
  /** Said instead of a cost: why it is not known, or that there is none to know. */
  costNote: z.string().optional(),
  approval: z.object({ needed: z.boolean(), role: z.enum(['admin', 'superadmin']), why: z.string() }),
  notice: z.string().optional(),
  hash: z.string(),
});
export type Plan = z.infer<typeof Plan>;

export const jobStates = [
  'AwaitingApproval',
  'Denied',
  'Expired',
  'Queued',
  'Running',
  'Waiting',
  'Succeeded',
  'Failed',
  'Cancelled',
] as const;
export type JobState = (typeof jobStates)[number];

/** States a job never leaves. */
export const endedStates: readonly JobState[] = ['Denied', 'Expired', 'Succeeded', 'Failed', 'Cancelled'];

export const Step = z.object({
  name: z.string(),
  state: z.enum(['todo', 'doing', 'done', 'failed']),
  at: millis.optional(),
});
export type Step = z.infer<typeof Step>;

export const jobKindNames = [
  'cluster.create',
  'cluster.delete',
  'cluster.scale',
  'cluster.autoscale',
  'cluster.upgrade',
  'cluster.stop',
  'cluster.start',
  'cluster.netpol',
  'cluster.gateways',
  'cluster.adopt',
  'cluster.detach',
  'cluster.work',
] as const;
/** What an engine is asked to do by a job. */
export const acts = ['create', 'update', 'delete', 'adopt', 'release', 'work'] as const;
export type Act = (typeof acts)[number];
export type JobKindName = (typeof jobKindNames)[number];

export const Job = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  kind: z.enum(jobKindNames),
  cluster: id,
  clusterName: z.string(),
  provisioner: id,
  engine: z.string(),
  /** How many nodes it is about; jobs of a similar size take alike. */
  nodes: z.number().int().nonnegative().optional(),
  state: z.enum(jobStates),
  requestedBy: z.string(),
  requesterName: z.string(),
  requestedAt: millis,
  /** Where it was asked for: its one live message goes there. */
  place: Place,
  /** Nobody asked for it just now, and what is worth knowing of it is told otherwise: it has no live message. */
  quiet: z.boolean().optional(),
  /** The canonical command that asked for it. */
  command: z.string(),
  plan: Plan,
  approval: id.optional(),
  /** Number of the next tick; a tick with another number is an old one. */
  tick: z.number().int().nonnegative(),
  /** When the next tick is due; absent when the job has ended. */
  dueAt: millis.optional(),
  startedAt: millis.optional(),
  endedAt: millis.optional(),
  /** When it is given up, counted from its start. */
  deadlineAt: millis.optional(),
  /** How long it may take once started, in milliseconds. */
  allowedMs: millis,
  steps: z.array(Step),
  percent: z.number().min(0).max(100).optional(),
  /** What it is doing now, or waiting for, in a sentence. */
  note: z.string(),
  /** Saved before an engine is asked for something, so that a crash is followed by a look, not by a repeat. */
  intent: z.object({ act: z.enum(acts), at: millis, answered: z.boolean() }).optional(),
  /** The provider's handle of the running operation. */
  operation: z.string().max(16_384).optional(),
  /** What is to be done in the cluster, for `cluster.work`; the shape is that of `Work` in core/ports/work.ts. */
  work: z
    .object({
      op: z.string(),
      /** "Deploy nginx to", before the cluster's name. */
      title: z.string(),
      /** Names of its steps, for people. */
      steps: z.array(z.string()),
      input: z.record(z.string(), z.unknown()),
      /** Whether something is sealed for it under `work.<job id>`. */
      bulk: z.boolean(),
      progress: z.record(z.string(), z.unknown()),
      /** What the provider is doing for it at the moment. */
      provider: Update.optional(),
      result: z.array(z.object({ label: z.string(), value: z.string() })).optional(),
    })
    .optional(),
  /** What is to be changed, for kinds that change a running cluster. */
  update: Update.optional(),
  /** The rule of KQueen's own autoscaling that is to be set or taken away. */
  scaling: ScalingChange.optional(),
  /** Hash of the cluster's parameters that the change was planned on: on others it is not tried again. */
  base: z.string().optional(),
  /** Retries in a row since the last progress. */
  attempt: z.number().int().nonnegative(),
  cancel: z.object({ by: z.string(), byName: z.string(), at: millis }).optional(),
  failure: z
    .object({
      kind: z.string(),
      message: z.string(),
      next: z.string().optional(),
      correlation: z.string(),
      /** The end of the provider's whole text, scrubbed of secrets, for a file. */
      detail: z.string().max(16_384).optional(),
    })
    .optional(),
  /** What happened, newest last, at most 50 lines. */
  log: z.array(z.object({ at: millis, text: z.string() })).max(50),
  /** The job that a retry came from. */
  retryOf: id.optional(),
});
export type Job = z.infer<typeof Job>;

export const Approval = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  job: id,
  cluster: id,
  clusterName: z.string(),
  requestedBy: z.string(),
  requesterName: z.string(),
  requestedAt: millis,
  role: z.enum(['admin', 'superadmin']),
  planHash: z.string(),
  state: z.enum(['pending', 'approved', 'denied', 'expired', 'withdrawn']),
  expiresAt: millis,
  decidedBy: z.string().optional(),
  deciderName: z.string().optional(),
  decidedAt: millis.optional(),
  reason: z.string().optional(),
});
export type Approval = z.infer<typeof Approval>;

export const Audit = z.object({
  v: z.literal(1),
  /** Sorts by time: 13 digits of epoch milliseconds, a dash, random. */
  id,
  org: z.string(),
  at: millis,
  who: z.string(),
  whoName: z.string(),
  /** Such as `cluster.create`. */
  action: z.string(),
  /** The canonical command, redacted. */
  command: z.string(),
  outcome: z.enum(['requested', 'done', 'refused', 'approved', 'denied', 'expired', 'failed', 'cancelled', 'issued']),
  subject: z.string(),
  job: id.optional(),
  approval: id.optional(),
  reason: z.string().optional(),
  place: Place.optional(),
});
export type Audit = z.infer<typeof Audit>;
