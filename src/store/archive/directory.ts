/** Backups in a directory: each object a file, written beside, flushed, and put in its place whole. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Kept } from '../../core/ports/archive.ts';
import type { Log } from '../../core/ports/log.ts';
import { type Driver, mostBytes, mostListed } from './driver.ts';
import { refusal } from './faults.ts';
import { type DirectoryPlace, placeWords } from './place.ts';

/** Where files are written before they are in their place; no key has such a name. */
const workshop = '~writing';

/** What an interrupted writer has left there is nobody's after so long, in milliseconds. */
const abandonedMs = 3_600_000;

/** A file is readable by the user of KQueen alone: it tells what is in a cluster. */
const fileMode = 0o600;
const folderMode = 0o700;

export async function openDirectory(place: DirectoryPlace, log: Log): Promise<Driver> {
  const root = place.path;
  const where = placeWords(place);
  await tidy(join(root, workshop), log);

  const pathOf = (key: string) => join(root, ...key.split('/'));

  async function write(key: string, body: Uint8Array): Promise<void> {
    const path = pathOf(key);
    await makeFolder(root, join(root, workshop));
    const temporary = join(root, workshop, `${process.pid}-${randomBytes(12).toString('hex')}`);
    try {
      const file = await open(temporary, 'wx', fileMode);
      try {
        await file.writeFile(body);
        await file.sync();
      } finally {
        await file.close();
      }
      // Whoever deletes the last file of a folder takes the folder away as well, perhaps just now.
      for (let attempt = 1; ; attempt += 1) {
        await makeFolder(root, dirname(path));
        try {
          await rename(temporary, path);
          break;
        } catch (thrown) {
          if (codeOf(thrown) !== 'ENOENT' || attempt === 5) throw thrown;
        }
      }
    } catch (thrown) {
      await rm(temporary, { force: true });
      throw thrown;
    }
    await flush(dirname(path));
  }

  return {
    put: (key, body) => write(key, body),

    async get(key) {
      let file: FileHandle;
      try {
        file = await open(pathOf(key), constants.O_RDONLY | constants.O_NOFOLLOW);
      } catch (thrown) {
        if (['ENOENT', 'ENOTDIR'].includes(codeOf(thrown))) return undefined;
        throw thrown;
      }
      try {
        const { size } = await file.stat();
        if (size > mostBytes) throw tooLarge(where);
        return await file.readFile();
      } finally {
        await file.close();
      }
    },

    async list(prefix, after, signal) {
      const found: Kept[] = [];
      await walk(root, '', { prefix, after, found, signal });
      return found;
    },

    async delete(key) {
      const path = pathOf(key);
      try {
        await unlink(path);
      } catch (thrown) {
        if (['ENOENT', 'ENOTDIR'].includes(codeOf(thrown))) return;
        throw thrown;
      }
      await flush(dirname(path));
      for (let folder = dirname(path); folder !== root && folder.startsWith(root); folder = dirname(folder)) {
        try {
          await rmdir(folder);
        } catch {
          // It is not empty, or somebody else has just removed it: either way it is not ours to remove.
          return;
        }
      }
    },

    explain(thrown) {
      switch (codeOf(thrown)) {
        case 'ENOSPC':
        case 'EDQUOT':
          return refusal(
            'quota',
            `There is no space left for ${where}.`,
            'Free space there or give it more; old backups go with backup delete, or by themselves with backup retain.',
            thrown,
          );
        case 'EACCES':
        case 'EPERM':
          return refusal(
            'not-allowed',
            `KQueen may not write to ${where}, or not read from it.`,
            'Give the folder to the user that KQueen runs as.',
            thrown,
          );
        case 'EROFS':
          return refusal(
            'not-allowed',
            `${where.replace(/^t/, 'T')} is mounted for reading alone.`,
            'Mount it for writing, or set KQUEEN_BACKUP_URL to another place.',
            thrown,
          );
        case 'ENOTDIR':
        case 'EEXIST':
        case 'ELOOP':
        case 'EISDIR':
          return refusal(
            'conflict',
            `Something that is no folder is in the way in ${where}.`,
            'Look there: only KQueen should write into that folder.',
            thrown,
          );
        case 'EIO':
        case 'ESTALE':
        case 'EMFILE':
        case 'ENFILE':
          return refusal(
            'unreachable',
            `${where.replace(/^t/, 'T')} cannot be read or written at the moment.`,
            'Look at the disk or the volume that it is on.',
            thrown,
            {
              retryable: true,
              whose: 'kqueen',
            },
          );
        default:
          return null;
      }
    },

    async close() {},
  };
}

interface Walk {
  prefix: string;
  after: string | undefined;
  found: Kept[];
  signal: AbortSignal;
}

/** Goes through a folder in the order of whole keys; folders that can hold nothing wanted are passed over. */
async function walk(root: string, at: string, wanted: Walk): Promise<void> {
  const entries = await readdir(join(root, at), { withFileTypes: true }).catch((thrown: unknown) => {
    // Removed since its name was read, or never there.
    if (codeOf(thrown) === 'ENOENT') return [];
    throw thrown;
  });
  // A folder's keys go on with a slash, and sort by it.
  const named = entries
    .filter(({ name }) => name !== workshop)
    .flatMap((entry) =>
      entry.isDirectory()
        ? [{ key: `${at}${entry.name}/`, folder: true }]
        : entry.isFile()
          ? [{ key: `${at}${entry.name}`, folder: false }]
          : [],
    )
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const { key, folder } of named) {
    if (wanted.found.length >= mostListed) return;
    if (wanted.signal.aborted) throw wanted.signal.reason;
    const { prefix, after } = wanted;
    if (folder) {
      const reaches = key.startsWith(prefix) || prefix.startsWith(key);
      // Everything below begins with the folder's name: it is behind only if the name itself is, and not its beginning.
      const behind = after !== undefined && key < after && !after.startsWith(key);
      if (reaches && !behind) await walk(root, key, wanted);
      continue;
    }
    if (!key.startsWith(prefix) || (after !== undefined && key <= after)) continue;
    const seen = await lstat(join(root, key)).catch(() => null);
    if (seen?.isFile()) wanted.found.push({ key, size: seen.size });
  }
}

/** Makes a folder and those above it; each name is on the disk before anything is kept below it. */
async function makeFolder(root: string, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: folderMode });
  if (first === undefined) return;
  const stop = dirname(first);
  for (let each = dirname(folder); each.length >= stop.length; each = dirname(each)) {
    await flush(each);
    if (each === dirname(each) || each === dirname(root)) return;
  }
}

/** A name is on the disk only when its folder is. */
async function flush(folder: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(folder, constants.O_RDONLY);
  } catch (thrown) {
    // Removed meanwhile, or a folder above ours that we may not read: then it is not ours to flush.
    if (['ENOENT', 'EACCES', 'EPERM'].includes(codeOf(thrown))) return;
    throw thrown;
  }
  try {
    await handle.sync();
  } catch (thrown) {
    // Some network file systems flush no folders; the file itself is flushed.
    if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes(codeOf(thrown))) throw thrown;
  } finally {
    await handle.close();
  }
}

async function tidy(folder: string, log: Log): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    const seen = await lstat(path).catch(() => null);
    if (!seen || Date.now() - seen.mtimeMs < abandonedMs) continue;
    await rm(path, { force: true });
    log.info({ bytes: seen.size }, 'half a file of a backup was removed');
  }
}

function tooLarge(where: string) {
  return refusal(
    'internal',
    `A file in ${where} is larger than any that KQueen writes.`,
    'Only KQueen should write into that folder.',
    'too large',
  );
}

function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' ? code : '';
}
