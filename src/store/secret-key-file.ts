/** The embedded default keeps its sealing key in a file of its own, which it makes at the first start. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../core/errors.ts';
import type { SecretKey } from './seal.ts';
import { parseSecretKeys } from './seal.ts';

/** Name of the key file in the data folder. It may hold several keys, one a line: the first seals, all open. */
export const secretKeyFile = 'secret.key';

/** The keys in a data folder, or undefined when it has no key file. Throws `not-allowed` when others may read the file. */
export function readSecretKeyFile(dir: string): SecretKey[] | undefined {
  const path = join(dir, secretKeyFile);
  let text: string;
  try {
    const { mode } = statSync(path);
    // Windows has no such bits and reports them all.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new Fault('not-allowed', `The key file ${secretKeyFile} may be read by others.`, {
        whose: 'kqueen',
        next: `chmod 600 ${path}`,
      });
    }
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof Fault) throw error;
    throw new Fault('internal', `The key file ${secretKeyFile} cannot be read.`, {
      retryable: false,
      detail: (error as NodeJS.ErrnoException).code ?? 'unknown',
    });
  }
  return parseSecretKeys(text);
}

/**
 * Makes the key file (0600) whole or not at all, on disk when this returns, and reads it back. When another process was faster,
 * that one's key counts.
 */
export function makeSecretKeyFile(dir: string): SecretKey[] {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, secretKeyFile);
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    writeThrough(draft, `${randomBytes(32).toString('base64')}\n`);
    // A link, unlike a rename, never replaces a key that is already there.
    linkSync(draft, path);
    syncFolder(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  const keys = readSecretKeyFile(dir);
  if (!keys) throw new Fault('internal', `The key file ${secretKeyFile} could not be made.`, { retryable: false });
  return keys;
}

function writeThrough(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(dir: string): void {
  const folder = openSync(dir, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
