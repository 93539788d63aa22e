/** What a backup has read so far, as its job carries it: small whatever the cluster holds. */
import { z } from 'zod';
import type { JsonObject } from '../apply/manifests.ts';
import { appKept } from '../apply/revisions.ts';
import { ChunkMark, SnapshotMark, VolumeMark } from './format.ts';

/** Counts that grow while objects are read; taken back to where they were when a list has to be read anew. */
export const Tally = z.object({
  /** Objects kept, by the index of their resource. */
  kept: z.record(z.string(), z.number()),
  /** Objects left, by resource and reason. */
  left: z.record(z.string(), z.number()),
  secretsLeft: z.number(),
  /** Workloads by the Secret that they need, `namespace/name`. */
  needed: z.record(z.string(), z.array(z.string())),
});
export type Tally = z.infer<typeof Tally>;

export const noTally: Tally = { kept: {}, left: {}, secretsLeft: 0, needed: {} };

export const Progress = z.object({
  stage: z.enum(['begin', 'snapshot', 'read', 'volumes', 'settle', 'verify', 'write', 'done']).default('begin'),
  version: z.string().default(''),
  /** When it began, epoch milliseconds. */
  begun: z.number().default(0),
  /** How many resources there are to read. */
  resources: z.number().default(0),
  /** Index of the resource that is read, or of the chunk that is verified. */
  at: z.number().default(0),
  /** Continues the list of that resource; '' at its beginning. */
  token: z.string().default(''),
  /** Objects asked for in a page. */
  limit: z.number().default(500),
  /** What there was before the list that is being read: where it begins anew. */
  before: z.object({ chunks: z.number(), tally: Tally }).optional(),
  /** How often that list had to begin anew. */
  restarts: z.number().default(0),
  /** How often in a row that list could not be read. */
  tries: z.number().default(0),
  /** Number of the next chunk: never used twice, so that a repeated step overwrites its own. */
  next: z.number().default(0),
  chunks: z.array(ChunkMark).default([]),
  tally: Tally.default(noTally),
  unread: z.array(z.object({ what: z.string(), why: z.string() })).default([]),
  volumes: z.array(VolumeMark).default([]),
  /** When its snapshots were first waited for, epoch milliseconds. */
  since: z.number().default(0),
  snapshots: z.array(SnapshotMark).default([]),
  notes: z.array(z.string()).default([]),
});
export type Progress = z.infer<typeof Progress>;

/** Secrets whose need is told; the others are only counted. */
const mostNeeded = 100;

/** Notes that a workload needs a Secret that is not in the backup. */
export function addNeed(tally: Tally, secret: string, workload: string): void {
  const by = tally.needed[secret];
  if (by) {
    if (by.length < 3 && !by.includes(workload)) by.push(workload);
  } else if (Object.keys(tally.needed).length < mostNeeded) tally.needed[secret] = [workload];
}

/** Notes a Secret that is not in the backup. What KQueen knows of an app is one as well, and is needed by its commands. */
export function addLeftSecret(tally: Tally, metadata: JsonObject): void {
  tally.secretsLeft += 1;
  const app = appKept(metadata);
  if (app !== undefined) addNeed(tally, "KQueen's records of apps", `app ${app}`);
}

/** Counts one more object of a resource that is left for a reason. */
export function addLeft(tally: Tally, what: string, why: string, objects = 1): void {
  const key = `${what}|${why}`;
  tally.left[key] = (tally.left[key] ?? 0) + objects;
}
