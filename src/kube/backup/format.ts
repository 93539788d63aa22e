/**
 * What a backup is in its archive: objects as gzipped lines of JSON in chunks, and a manifest that names and hashes them, written last. Every line is a
 * Kubernetes object as it could be applied by hand; of a Secret only its name is readable.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { z } from 'zod';
import { type BackupRef, backupPrefix, manifestKey } from '../../core/backup.ts';
import { Fault } from '../../core/errors.ts';
import type { Archive } from '../../core/ports/archive.ts';
import type { Call } from '../../core/ports/engine.ts';
import { isObject, type JsonObject } from '../apply/manifests.ts';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

export type Ref = z.infer<typeof BackupRef>;

/** Most bytes of a chunk before it is packed: packed it is smaller, or by a few bytes larger where nothing can be. */
export const chunkBytes = 4 * 2 ** 20;
/** A chunk is never unpacked to more than this: one object may be larger than a chunk. */
const mostUnpacked = 40 * 2 ** 20;

/** Name, SHA-256 of what is kept, bytes kept, objects. Short, because a job carries them all. */
export const ChunkMark = z.tuple([z.string(), z.string(), z.number(), z.number()]);
export type ChunkMark = z.infer<typeof ChunkMark>;

export const TakenKind = z.object({
  group: z.string(),
  version: z.string(),
  plural: z.string(),
  kind: z.string(),
  namespaced: z.boolean(),
  objects: z.number(),
});
export type TakenKind = z.infer<typeof TakenKind>;

const LeftSchema = z.object({ what: z.string(), why: z.string(), objects: z.number().optional() });

export const SnapshotMark = z.object({
  namespace: z.string(),
  claim: z.string(),
  name: z.string(),
  ready: z.boolean(),
  driver: z.string().optional(),
  /** The volume snapshot at the storage, by which another cluster can be told of it. */
  handle: z.string().optional(),
  problem: z.string().optional(),
});
export type SnapshotMark = z.infer<typeof SnapshotMark>;

export const VolumeMark = z.object({
  driver: z.string(),
  volumes: z.number(),
  /** Some of the claims, `namespace/name`. */
  claims: z.array(z.string()),
  /** What is not in the backup, and how to save it. */
  guidance: z.string(),
});
export type VolumeMark = z.infer<typeof VolumeMark>;

const format = 'kqueen-backup/1';

export const Manifest = z.object({
  format: z.literal(format),
  org: z.string(),
  cluster: z.string(),
  id: z.string(),
  clusterName: z.string(),
  /** Of the cluster, such as `v1.34.2`. */
  version: z.string(),
  /** Epoch milliseconds. */
  at: z.number(),
  endedAt: z.number(),
  /** Empty: all but the cluster's own. */
  namespaces: z.array(z.string()),
  secrets: z.boolean(),
  objects: z.number(),
  chunks: z.array(ChunkMark),
  /** In the order of a restore. */
  kinds: z.array(TakenKind),
  /** Left out on purpose: kinds, and objects of kinds that are taken, with how many. */
  left: z.array(LeftSchema),
  /** Was to be in it and is not. */
  unread: z.array(LeftSchema),
  /** Secrets that are not in it, and which workloads need some of them. */
  secretsLeft: z.number(),
  secretsNeeded: z.array(z.object({ secret: z.string(), by: z.array(z.string()) })),
  volumes: z.array(VolumeMark),
  snapshots: z.array(SnapshotMark),
  notes: z.array(z.string()),
});
export type Manifest = z.infer<typeof Manifest>;

const Envelope = z.object({ sha256: z.string(), manifest: z.unknown() });

/** Packs lines into a chunk and keeps it; the same lines under the same name are the same chunk. */
export async function putChunk(
  archive: Archive,
  ref: Ref,
  name: string,
  lines: readonly string[],
  call: Call,
): Promise<ChunkMark> {
  const packed = await pack(`${lines.join('\n')}\n`, { level: 6 });
  await archive.put(`${backupPrefix(ref)}${name}`, packed, call);
  return [name, sha256(packed), packed.length, lines.length];
}

/** The lines of a chunk; a Fault that names it when it is missing or is not what it was. */
export async function readChunk(archive: Archive, ref: Ref, mark: ChunkMark, call: Call): Promise<string[]> {
  const [name, hash, bytes, objects] = mark;
  const packed = await archive.get(`${backupPrefix(ref)}${name}`, call);
  if (!packed) throw damaged(ref, `its part ${name} is missing`);
  if (packed.length !== bytes || sha256(packed) !== hash)
    throw damaged(ref, `its part ${name} is not what was written`);
  let text: string;
  try {
    text = (await unpack(packed, { maxOutputLength: mostUnpacked })).toString('utf8');
  } catch (thrown) {
    throw damaged(ref, `its part ${name} cannot be unpacked`, thrown);
  }
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length !== objects)
    throw damaged(ref, `its part ${name} has ${lines.length} objects instead of ${objects}`);
  return lines;
}

/** One line as the object that it is. */
export function objectOf(ref: Ref, line: string): JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (thrown) {
    throw damaged(ref, 'a line of it is no JSON', thrown);
  }
  if (!isObject(parsed)) throw damaged(ref, 'a line of it is no object');
  return parsed;
}

/** Writes the manifest, which makes it a backup. */
export async function putManifest(archive: Archive, manifest: Manifest, call: Call): Promise<number> {
  const envelope = { sha256: sha256(JSON.stringify(manifest)), manifest };
  const bytes = Buffer.from(`${JSON.stringify(envelope, null, 1)}\n`);
  await archive.put(manifestKey(manifest), bytes, call);
  return bytes.length;
}

/** The manifest of a backup; `not-found` when there is none, and a Fault that says so when it is not what was written. */
export async function readManifest(archive: Archive, ref: Ref, call: Call): Promise<Manifest> {
  const bytes = await archive.get(manifestKey(ref), call);
  if (!bytes) {
    throw new Fault('not-found', `Backup ${ref.id} is not in ${archive.where}: it has no manifest.`, {
      next: 'It was deleted there, or was never finished. See backup list for others.',
    });
  }
  let envelope: z.infer<typeof Envelope>;
  try {
    envelope = Envelope.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (thrown) {
    throw damaged(ref, 'its manifest cannot be read', thrown);
  }
  if (sha256(JSON.stringify(envelope.manifest)) !== envelope.sha256)
    throw damaged(ref, 'its manifest is not what was written');
  const parsed = Manifest.safeParse(envelope.manifest);
  if (!parsed.success) throw damaged(ref, 'its manifest is of a form that this KQueen does not know', parsed.error);
  const { org, cluster, id } = parsed.data;
  if (org !== ref.org || cluster !== ref.cluster || id !== ref.id)
    throw damaged(ref, 'its manifest is that of another backup');
  return parsed.data;
}

/** Whether a Fault says that a backup is damaged. */
export function isDamage(fault: Fault): boolean {
  return fault.kind === 'internal' && fault.message.includes('is damaged:');
}

function damaged({ id }: Ref, why: string, cause?: unknown): Fault {
  return new Fault('internal', `Backup ${id} is damaged: ${why}.`, {
    whose: 'admin',
    retryable: false,
    next: 'Look after the place where backups are kept, and use another backup.',
    ...(cause instanceof Error ? { detail: cause.message } : {}),
  });
}

/** The name that a Secret of a backup is sealed under. */
export function sealName({ org, cluster, id }: Ref, namespace: string, name: string): string {
  return `backup/${org}/${cluster}/${id}/${namespace}/${name}`;
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
