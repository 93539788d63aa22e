/** What KQueen keeps for itself: sealed texts, and who does what only one process may do. */
import { z } from 'zod';
import { id } from './common.ts';

/**
 * A sealed text; its id says whose: `provisioner.<id>` (secret parameters, JSON), `kubeconfig.<cluster id>` (YAML), `slack.<team id>` (tokens of an
 * installation, JSON), or `doctor.canary` (a known text).
 */
export const Secret = z.object({ v: z.literal(1), id, org: z.string(), sealed: z.string() });

/** Who does a thing that only one process may do: a workspace's posts, the sweep. Bound to a lease. */
export const Claim = z.object({ v: z.literal(1), id, org: z.string(), holder: z.string(), fence: z.string() });
