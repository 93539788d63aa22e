/** Who talks to KQueen, and what is handed to them. */
import { z } from 'zod';
import { id, millis, Place } from './common.ts';

export const roles = ['member', 'admin', 'superadmin'] as const;
export type Role = (typeof roles)[number];

export const Person = z.object({
  v: z.literal(1),
  /** `slack:<team>:<user>`, `teams:<tenant>:<object id>`, `terminal:<name>`. */
  id,
  org: z.string(),
  name: z.string(),
  role: z.enum(roles),
  /** The direct conversation, once known. */
  direct: Place.optional(),
  seenAt: millis,
});
export type Person = z.infer<typeof Person>;

/** A one-time link to a personal credential; the id is the SHA-256 of the token. */
export const Handout = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  cluster: id,
  person: z.string(),
  role: z.enum(['view', 'edit', 'admin']),
  /** Only these; absent: the whole cluster. */
  namespaces: z.array(z.string()).optional(),
  seconds: z.number().int(),
  expiresAt: millis,
});
export type Handout = z.infer<typeof Handout>;
