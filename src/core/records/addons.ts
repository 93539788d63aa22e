/** What is kept of add-ons and of where images come from. */
import { z } from 'zod';
import { id, millis } from './common.ts';

/** The hash of an add-on's file as it was when it was first taken: another one at the same address is refused. Its id is a hash of the address. */
export const AddonPin = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  url: z.string(),
  /** Hex. */
  sha256: z.string(),
  bytes: z.number().int().nonnegative(),
  addon: z.string(),
  version: z.string(),
  at: millis,
  by: z.string(),
  byName: z.string(),
});
export type AddonPin = z.infer<typeof AddonPin>;

/** Mirrors of an organisation, for clusters that have none of their own; its id is `default`. */
export const Registry = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  mirrors: z.array(z.object({ from: z.string(), to: z.string() })),
  at: millis,
  by: z.string(),
  byName: z.string(),
});
