/** The embedded store's file: opening, the exclusive lock, and the tables with etcd's revisions in them. */
import { closeSync, mkdirSync, openSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '../core/errors.ts';
import type { Entry } from './driver.ts';

const layout = 1;
const corrupt = 11;
const full = 13;
const busy = 5;
const notADatabase = 26;

/** One row of the history: the state of a key from this revision on; `value` null says that it was deleted. */
interface HistoryRow {
  revision: number;
  key: string;
  value: string | null;
  created: number;
  version: number;
  lease: string | null;
}

/** The tables, one method for each statement. All of them are synchronous and throw what SQLite throws. */
export interface EmbeddedFile {
  /** Runs it in one transaction that is on disk when this returns. `onCommit` is told right before the commit itself. */
  transaction(body: () => void, onCommit: () => void): void;
  current(key: string): { revision: number; created: number; version: number } | undefined;
  entry(key: string): Entry | undefined;
  range(from: string, after: string | undefined, end: string, limit: number): Entry[];
  rangeAt(revision: number, from: string, after: string | undefined, end: string, limit: number): Entry[];
  put(row: HistoryRow & { value: string }): void;
  delete(key: string, revision: number): void;
  keysOfLease(lease: string): string[];
  keysOfAnyLease(): string[];
  /** Changes of the keys in [from, end) with revisions in [first, last], in the order they were made. */
  history(from: string, end: string, first: number, last: number): HistoryRow[];
  read(name: 'revision' | 'compacted'): number;
  write(name: 'revision' | 'compacted', value: number): void;
  /** Deletes up to `limit` rows that nobody can ask for after compaction at this revision; returns how many it deleted. */
  sweep(compacted: number, limit: number): number;
  /** Gives up to this many free pages back to the file system; returns how many are left. */
  vacuum(pages: number): number;
  /** Bytes of the file, and bytes it could grow to with what the file system has left. */
  size(): { bytes: number; most: number };
  close(): void;
}

/**
 * Opens (or makes) `<dir>/store.db` for this process alone. Throws `conflict`, naming the process, when another one holds it, and
 * `internal` when the file is damaged or was written by a newer KQueen.
 */
export function openEmbeddedFile(dir: string): EmbeddedFile {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'store.db');
  // Made before SQLite opens it, because SQLite would let the umask decide who may read it; its WAL gets the same rights.
  closeSync(openSync(path, 'a', 0o600));
  const db = new DatabaseSync(path, { timeout: 250 });
  try {
    lock(db, dir);
    prepareLayout(db);
  } catch (error) {
    db.close();
    throw openingFault(error, dir);
  }
  return statements(db, dir);
}

/** SQLite's exclusive mode holds an advisory lock on the file that the kernel drops when the process dies, however it dies. */
function lock(db: DatabaseSync, dir: string): void {
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA auto_vacuum = INCREMENTAL;');
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000;');
  db.exec('BEGIN EXCLUSIVE; COMMIT;');
  writeFileSync(join(dir, 'store.pid'), `${process.pid}\n`, { mode: 0o600 });
}

function prepareLayout(db: DatabaseSync): void {
  const found = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (found > layout) {
    throw new Fault('internal', 'A newer KQueen made this data folder; this one cannot open it.', { retryable: false });
  }
  if (found === layout) return;
  db.exec(`
    BEGIN;
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters VALUES ('revision', 1), ('compacted', 0);
    CREATE TABLE history (
      id INTEGER PRIMARY KEY AUTOINCREMENT, revision INTEGER NOT NULL, key TEXT NOT NULL, value TEXT,
      created INTEGER NOT NULL, version INTEGER NOT NULL, lease TEXT
    );
    CREATE INDEX history_key ON history (key, revision);
    CREATE INDEX history_revision ON history (revision);
    CREATE TABLE current (key TEXT PRIMARY KEY, id INTEGER NOT NULL, revision INTEGER NOT NULL,
      created INTEGER NOT NULL, version INTEGER NOT NULL, lease TEXT) WITHOUT ROWID;
    CREATE INDEX current_lease ON current (lease) WHERE lease IS NOT NULL;
    PRAGMA user_version = ${layout};
    COMMIT;
  `);
}

function openingFault(error: unknown, dir: string): Fault {
  if (error instanceof Fault) return error;
  const code = sqliteCode(error);
  if (code === busy) {
    return new Fault('conflict', `The data folder is in use by another KQueen${holder(dir)}.`, {
      whose: 'kqueen',
      retryable: true,
      next: 'Stop it first, or give this one another KQUEEN_DATA_DIR; several processes need etcd.',
      cause: error,
    });
  }
  return sqliteFault(error);
}

function holder(dir: string): string {
  try {
    const pid = readFileSync(join(dir, 'store.pid'), 'utf8').trim();
    return pid === '' ? '' : ` (process ${pid})`;
  } catch {
    // Without the note the fault still says what is wrong.
    return '';
  }
}

function sqliteCode(error: unknown): number {
  const code = (error as { errcode?: unknown }).errcode;
  // The low byte is the primary result code; the rest says more exactly where it happened.
  return typeof code === 'number' ? code & 0xff : 0;
}

/** What SQLite threw, as a Fault. */
export function sqliteFault(error: unknown, outcomeUnknown = false): Fault {
  if (error instanceof Fault) return error;
  const code = sqliteCode(error);
  const detail = error instanceof Error ? error.message : String(error);
  if (code === full) {
    return new Fault('capacity', 'The store has no space left: nothing was saved.', {
      whose: 'kqueen',
      next: 'Free space on the disk of KQUEEN_DATA_DIR.',
      detail,
      cause: error,
    });
  }
  if (code === corrupt || code === notADatabase) {
    return new Fault('internal', 'The store file is damaged.', {
      retryable: false,
      next: 'Restore the data folder from a backup.',
      detail,
      cause: error,
    });
  }
  return new Fault('internal', 'The store could not read or write its file.', { outcomeUnknown, detail, cause: error });
}

function statements(db: DatabaseSync, dir: string): EmbeddedFile {
  const columns = 'h.key, h.value, h.revision, h.created, h.version, h.lease';
  const sql = {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    current: db.prepare('SELECT revision, created, version FROM current WHERE key = ?'),
    entry: db.prepare(`SELECT ${columns} FROM current c JOIN history h ON h.id = c.id WHERE c.key = ?`),
    range: db.prepare(
      `SELECT ${columns} FROM current c JOIN history h ON h.id = c.id
       WHERE c.key >= ? AND c.key > ? AND c.key < ? ORDER BY c.key LIMIT ?`,
    ),
    rangeAt: db.prepare(
      `SELECT ${columns} FROM history h
       WHERE h.key >= ? AND h.key > ? AND h.key < ? AND h.revision <= ? AND h.value IS NOT NULL
         AND h.revision = (SELECT max(o.revision) FROM history o WHERE o.key = h.key AND o.revision <= ?)
       ORDER BY h.key LIMIT ?`,
    ),
    addHistory: db.prepare(
      'INSERT INTO history (revision, key, value, created, version, lease) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    setCurrent: db.prepare(
      'INSERT OR REPLACE INTO current (key, id, revision, created, version, lease) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    dropCurrent: db.prepare('DELETE FROM current WHERE key = ?'),
    ofLease: db.prepare('SELECT key FROM current WHERE lease = ? ORDER BY key'),
    ofAnyLease: db.prepare('SELECT key FROM current WHERE lease IS NOT NULL ORDER BY key'),
    history: db.prepare(
      `SELECT ${columns} FROM history h
       WHERE h.revision >= ? AND h.revision <= ? AND h.key >= ? AND h.key < ? ORDER BY h.id`,
    ),
    read: db.prepare('SELECT value FROM counters WHERE name = ?'),
    write: db.prepare('UPDATE counters SET value = ? WHERE name = ?'),
    // A deletion at the compacted revision itself stays: a watch may still begin there.
    sweep: db.prepare(
      `DELETE FROM history WHERE id IN (
         SELECT h.id FROM history h WHERE h.revision <= ? AND (
           (h.value IS NULL AND h.revision < ?) OR
           EXISTS (SELECT 1 FROM history o WHERE o.key = h.key AND o.revision > h.revision AND o.revision <= ?)
         ) LIMIT ?)`,
    ),
    freePages: db.prepare('PRAGMA freelist_count'),
    pages: db.prepare('PRAGMA page_count'),
    pageSize: db.prepare('PRAGMA page_size'),
  };
  const number = (row: Record<string, unknown> | undefined): number => Number(Object.values(row ?? {})[0] ?? 0);
  const toEntry = (row: Record<string, unknown>): Entry => ({
    key: String(row.key),
    value: String(row.value),
    revision: Number(row.revision),
    created: Number(row.created),
    version: Number(row.version),
    ...(row.lease === null ? {} : { lease: String(row.lease) }),
  });
  const keys = (rows: Record<string, unknown>[]): string[] => rows.map((row) => String(row.key));

  return {
    transaction(body, onCommit) {
      sql.begin.run();
      try {
        body();
        onCommit();
        sql.commit.run();
      } catch (error) {
        // SQLite has already rolled back by itself after some errors (a full disk, for one).
        if (db.isTransaction) sql.rollback.run();
        throw error;
      }
    },
    current(key) {
      const row = sql.current.get(key);
      return row && { revision: Number(row.revision), created: Number(row.created), version: Number(row.version) };
    },
    entry(key) {
      const row = sql.entry.get(key);
      return row && toEntry(row);
    },
    range: (from, after, end, limit) => sql.range.all(from, after ?? '', end, limit).map(toEntry),
    rangeAt: (revision, from, after, end, limit) =>
      sql.rangeAt.all(from, after ?? '', end, revision, revision, limit).map(toEntry),
    put(row) {
      const { lastInsertRowid } = sql.addHistory.run(
        ...([row.revision, row.key, row.value, row.created, row.version, row.lease] as const),
      );
      sql.setCurrent.run(row.key, lastInsertRowid, row.revision, row.created, row.version, row.lease);
    },
    delete(key, revision) {
      sql.addHistory.run(revision, key, null, 0, 0, null);
      sql.dropCurrent.run(key);
    },
    keysOfLease: (lease) => keys(sql.ofLease.all(lease)),
    keysOfAnyLease: () => keys(sql.ofAnyLease.all()),
    history: (from, end, first, last) =>
      sql.history.all(first, last, from, end).map((row) => ({
        ...toEntry(row),
        value: row.value === null ? null : String(row.value),
        lease: row.lease === null ? null : String(row.lease),
      })),
    read: (name) => number(sql.read.get(name)),
    write(name, value) {
      sql.write.run(value, name);
    },
    sweep: (compacted, limit) => Number(sql.sweep.run(compacted, compacted, compacted, limit).changes),
    vacuum(pages) {
      db.exec(`PRAGMA incremental_vacuum(${Math.trunc(pages)})`);
      return number(sql.freePages.get());
    },
    size() {
      const bytes = number(sql.pages.get()) * number(sql.pageSize.get());
      const { bavail, bsize } = statfsSync(dir);
      return { bytes, most: bytes + bavail * bsize };
    },
    close: () => db.close(),
  };
}
