/** What a backup keeps beside its objects while it is made: what it was to read, so that every step reads the same. */
import { z } from 'zod';
import { backupPrefix, manifestKey } from '../../core/backup.ts';
import { Fault } from '../../core/errors.ts';
import type { Archive } from '../../core/ports/archive.ts';
import type { Call } from '../../core/ports/engine.ts';
import type { ChunkMark, Ref } from './format.ts';

const ServedSchema = z.object({
  group: z.string(),
  version: z.string(),
  plural: z.string(),
  kind: z.string(),
  namespaced: z.boolean(),
});
const Chosen = z.object({
  taken: z.array(ServedSchema),
  left: z.array(z.object({ what: z.string(), why: z.string() })),
  /** Everything that the cluster served. */
  served: z.array(ServedSchema),
});
type Chosen = z.infer<typeof Chosen>;

const name = 'resources.json';

export async function keepChosen(archive: Archive, ref: Ref, chosen: Chosen, call: Call): Promise<void> {
  await archive.put(`${backupPrefix(ref)}${name}`, Buffer.from(`${JSON.stringify(chosen)}\n`), call);
}

export async function readChosen(archive: Archive, ref: Ref, call: Call): Promise<Chosen> {
  const bytes = await archive.get(`${backupPrefix(ref)}${name}`, call);
  const parsed = bytes && Chosen.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8'))).data;
  if (parsed) return parsed;
  throw new Fault('not-found', `What backup ${ref.id} has kept so far is gone from ${archive.where}.`, {
    whose: 'admin',
    retryable: false,
    next: 'Make a new backup.',
  });
}

/** Removes what interrupted steps have left under the backup's prefix. */
export async function clearStrays(archive: Archive, ref: Ref, chunks: readonly ChunkMark[], call: Call): Promise<void> {
  const prefix = backupPrefix(ref);
  const own = new Set([...chunks.map(([chunk]) => `${prefix}${chunk}`), `${prefix}${name}`, manifestKey(ref)]);
  let after: string | undefined;
  for (;;) {
    const page = await archive.list(prefix, call, after);
    for (const { key } of page) if (!own.has(key)) await archive.delete(key, call);
    after = page.at(-1)?.key;
    if (after === undefined) return;
  }
}
