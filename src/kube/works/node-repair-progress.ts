/** What a repair remembers between its steps. */
import { z } from 'zod';
import { DrainProgress } from '../drain/index.ts';

const NodeProgress = z.object({
  name: z.string(),
  uid: z.string(),
  /** Since when it was as the repair found it, by the cluster's clock, epoch milliseconds. */
  since: z.number(),
  /** Its pool, where the cluster tells, and how many nodes that had. */
  pool: z.string().optional(),
  size: z.number().int(),
  /** `remove`: the machine is retired, the Node object is next; `arrive`: the new node is awaited. */
  phase: z.enum(['drain', 'remove', 'arrive', 'done']),
  drain: DrainProgress,
  /** When the newest of the other nodes was made, and which ones at that very moment. */
  newest: z.number().optional(),
  peers: z.array(z.string()).optional(),
  end: z.enum(['replaced', 'removed', 'back', 'gone', 'drained']).optional(),
  /** The node in its place. */
  successor: z.string().optional(),
});
export type NodeProgress = z.infer<typeof NodeProgress>;

export const RepairProgress = z.object({
  nodes: z.array(NodeProgress).optional(),
  /** When the phase of the moment began. */
  since: z.number().optional(),
});
export type RepairProgress = z.infer<typeof RepairProgress>;
