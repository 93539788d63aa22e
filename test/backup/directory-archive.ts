/** Backups in a directory of the test's own, with the faults that a test asks for. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Archive } from '../../src/core/ports/archive.ts';

export interface TestArchive extends Archive {
  dir: string;
  /** Thrown instead of the next calls of this kind, until it is taken away. */
  fail: { put?: (key: string) => Error | null; get?: (key: string) => Error | null };
  /** Keys put, in order, with repeats. */
  puts: string[];
  keys(): string[];
  /** Everything that is kept, unpacked where it is packed. */
  texts(): Map<string, string>;
  remove(): void;
}

/** Keeps what is there when it is given a directory. */
export function openTestArchive(given?: string): TestArchive {
  const dir = given ?? mkdtempSync(join(tmpdir(), 'kqueen-archive-'));
  const keys = (): string[] =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile() && !file.name.endsWith('~'))
      .map((file) => relative(dir, join(file.parentPath, file.name)))
      .sort();
  const archive: TestArchive = {
    dir,
    where: 'the directory of the test',
    fail: {},
    puts: [],
    keys,
    texts: () =>
      new Map(
        keys().map((key) => {
          const bytes = readFileSync(join(dir, key));
          return [key, (key.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')];
        }),
      ),
    async put(key, body) {
      const fault = archive.fail.put?.(key);
      if (fault) throw fault;
      archive.puts.push(key);
      const path = join(dir, key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}~`, body);
      await rename(`${path}~`, path);
    },
    async get(key) {
      const fault = archive.fail.get?.(key);
      if (fault) throw fault;
      try {
        return await readFile(join(dir, key));
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw thrown;
      }
    },
    async list(prefix, _call, after) {
      return keys()
        .filter((key) => key.startsWith(prefix) && (after === undefined || key > after))
        .slice(0, 1_000)
        .map((key) => ({ key, size: readFileSync(join(dir, key)).length }));
    },
    delete: (key) => rm(join(dir, key), { force: true }),
    async check() {},
    async close() {},
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  return archive;
}
