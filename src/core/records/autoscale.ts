/** What KQueen's own autoscaling keeps: the rule with the cluster, what it has seen beside it. */
import { z } from 'zod';
import { id, millis, Place } from './common.ts';

/** Between how many nodes KQueen itself scales a pool, and when. */
export const ScalingRule = z.object({
  min: z.number().int().nonnegative(),
  max: z.number().int().nonnegative(),
  /** For how long a pod has to have found no node, in milliseconds. */
  waitMs: millis,
  /** A node of which less than this share is asked for may go, 0–1. */
  use: z.number().min(0).max(1),
  /** For how long it has to have been so, in milliseconds. */
  idleMs: millis,
  by: z.string(),
  byName: z.string(),
  at: millis,
  /** Where it was set: what it does is told there. */
  place: Place,
});
export type ScalingRule = z.infer<typeof ScalingRule>;

/** The wanted change of a rule, in the job that makes it; null takes it away. */
export const ScalingChange = z.object({ pool: z.string(), rule: ScalingRule.nullable() });

/** The last change that a rule made. */
const Made = z.object({ job: id, at: millis, pool: z.string(), to: z.number().int() });

/** What was seen of a cluster with a rule, between two looks; its id is the cluster's. */
export const Autoscale = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  /** When it was last looked. */
  at: millis,
  pools: z.record(
    z.string(),
    z.object({
      /** Since when each node has been so little used that it may go. */
      idle: z.record(z.string(), millis),
      /** The most there may be are there, and more are needed: told once, until it has been over for a while. */
      full: z.object({ since: millis, seen: millis }).optional(),
    }),
  ),
  up: Made.optional(),
  down: Made.optional(),
  /** What was decided, newest last: said once while it stays the same. */
  said: z.array(z.object({ at: millis, text: z.string() })).max(30),
});
export type Autoscale = z.infer<typeof Autoscale>;

/** Something to be told in a conversation once, unasked. */
export const Notice = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  cluster: id,
  place: Place,
  at: millis,
  tone: z.enum(['plain', 'good', 'busy', 'warn', 'bad']),
  title: z.string(),
  text: z.string(),
  buttons: z.array(z.object({ label: z.string(), command: z.string() })),
  /** Whose direct conversation it goes to when the place is gone. */
  owner: z.string(),
});
export type Notice = z.infer<typeof Notice>;
