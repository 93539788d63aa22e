/** The rule by which KQueen replaces dead nodes of a cluster by itself, and what it has done by it. */
import { z } from 'zod';
import { id, millis, Place } from './common.ts';

/** Its id is the cluster's. */
export const RepairRule = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  /** Most replacements that are begun within an hour. */
  limit: z.number().int().positive(),
  /** How long a node has to be out of service, in milliseconds. */
  afterMs: millis,
  by: z.string(),
  byName: z.string(),
  at: millis,
  /** Where it was set: what it does is told there. */
  place: Place,
  /** What was begun lately, oldest first. */
  begun: z.array(z.object({ at: millis, job: id, nodes: z.number().int().positive() })).max(50),
  /** What was told of last without doing anything, so that it is told once. */
  told: z.object({ key: z.string(), at: millis }).optional(),
  /** The last decision in words. */
  said: z.object({ at: millis, text: z.string() }).optional(),
});
export type RepairRule = z.infer<typeof RepairRule>;
