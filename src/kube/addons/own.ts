/** Add-ons of an installation's own, and files for closed networks: the folder of KQUEEN_ADDON_DIR. */
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { OwnAddon } from '../../core/addons.ts';
import { largestManifest } from '../../core/apps.ts';
import { Fault } from '../../core/errors.ts';
import { demandSize } from '../apply/manifests.ts';
import { plain } from '../faults.ts';

/** Most descriptions that are read of a folder. */
const mostOwn = 50;

function reasonOf(thrown: unknown): string {
  const code = thrown instanceof Error ? (thrown as { code?: unknown }).code : undefined;
  if (code === 'ENOENT') return 'it is not there';
  if (code === 'EACCES') return 'KQueen may not read it';
  return plain(thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : 'it cannot be read', 160);
}

/** The descriptions of a folder by their names, and what is wrong with those that cannot be used, in sentences. */
export async function readOwn(folder: string | undefined): Promise<{ own: OwnAddon[]; problems: string[] }> {
  if (folder === undefined) return { own: [], problems: [] };
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => /\.addon\.ya?ml$/.test(name)).sort();
  } catch (thrown) {
    return { own: [], problems: [`The folder of KQUEEN_ADDON_DIR cannot be used: ${reasonOf(thrown)}.`] };
  }
  const own = new Map<string, OwnAddon>();
  const problems: string[] = [];
  for (const name of names.slice(0, mostOwn)) {
    try {
      const text = await readFile(join(folder, name), 'utf8');
      if (text.length > 64 * 1024) throw new Error('it is longer than a description may be');
      const read = OwnAddon.safeParse(parse(text));
      if (!read.success) {
        const [issue] = read.error.issues;
        throw new Error(`${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'it does not fit'}`);
      }
      if (own.has(read.data.name)) throw new Error(`there is another one of the name ${read.data.name}`);
      own.set(read.data.name, read.data);
    } catch (thrown) {
      problems.push(`${plain(name, 80)} cannot be used: ${reasonOf(thrown)}.`);
    }
  }
  if (names.length > mostOwn) problems.push(`Only the first ${mostOwn} of ${names.length} descriptions are read.`);
  return { own: [...own.values()], problems };
}

/** A file of the folder; undefined when it is not there. Throws for one that is too large or cannot be read. */
export async function readLocal(folder: string, name: string): Promise<Buffer | undefined> {
  try {
    const file = await open(join(folder, name), 'r');
    try {
      const { size } = await file.stat();
      if (size > largestManifest) demandSize(size);
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if ((thrown as { code?: unknown }).code === 'ENOENT') return undefined;
    throw new Fault('bad-input', `The file ${name} of KQUEEN_ADDON_DIR cannot be read: ${reasonOf(thrown)}.`, {
      field: 'addon',
      whose: 'admin',
    });
  }
}
