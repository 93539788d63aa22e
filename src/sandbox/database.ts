import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type JsonObject, parseObject } from './json.ts';

/** One object of a cluster's Kubernetes API as it is kept. */
export type KeptObject = { key: string; object: JsonObject };

/**
 * The sandbox's state on disk: SQLite in WAL mode, one process at a time. Every write is in the file when the call
 * returns, so that `kill -9` loses nothing; a power cut may lose the last moments, as nothing is fsynced per write.
 */
export class SandboxDatabase {
  readonly #db: DatabaseSync;
  readonly #putRecord: StatementSync;
  readonly #dropRecord: StatementSync;
  readonly #putObject: StatementSync;
  readonly #dropObject: StatementSync;
  readonly #putVersion: StatementSync;

  /** Opens or makes the file; throws when another process has it open. */
  constructor(file: string) {
    this.#db = new DatabaseSync(file);
    this.#db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS records (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS objects (cluster TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (cluster, key)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS versions (cluster TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
    `);
    this.#putRecord = this.#db.prepare('INSERT OR REPLACE INTO records (kind, id, body) VALUES (?, ?, ?)');
    this.#dropRecord = this.#db.prepare('DELETE FROM records WHERE kind = ? AND id = ?');
    this.#putObject = this.#db.prepare('INSERT OR REPLACE INTO objects (cluster, key, body) VALUES (?, ?, ?)');
    this.#dropObject = this.#db.prepare('DELETE FROM objects WHERE cluster = ? AND key = ?');
    this.#putVersion = this.#db.prepare('INSERT OR REPLACE INTO versions (cluster, version) VALUES (?, ?)');
  }

  /** All records of a kind, by id. */
  records(kind: string): JsonObject[] {
    const rows = this.#db.prepare('SELECT body FROM records WHERE kind = ? ORDER BY id').all(kind);
    return rows.map((row) => parseObject(String(row.body)));
  }

  /** One record, or undefined. */
  record(kind: string, id: string): JsonObject | undefined {
    const row = this.#db.prepare('SELECT body FROM records WHERE kind = ? AND id = ?').get(kind, id);
    return row === undefined ? undefined : parseObject(String(row.body));
  }

  /** Writes one record. */
  putRecord(kind: string, id: string, body: JsonObject): void {
    this.#putRecord.run(kind, id, JSON.stringify(body));
  }

  /** Removes one record; absent is fine. */
  dropRecord(kind: string, id: string): void {
    this.#dropRecord.run(kind, id);
  }

  /** Runs several writes as one: all of them or none. */
  atomically(write: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      write();
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** All objects of a cluster and the newest version that it ever gave out. */
  cluster(id: string): { version: number; objects: KeptObject[] } {
    const version = this.#db.prepare('SELECT version FROM versions WHERE cluster = ?').get(id);
    const rows = this.#db.prepare('SELECT key, body FROM objects WHERE cluster = ?').all(id);
    return {
      version: Number(version?.version ?? 0),
      objects: rows.map((row) => ({ key: String(row.key), object: parseObject(String(row.body)) })),
    };
  }

  /** Writes one object of a cluster, or removes it when `body` is undefined, with the version that this change has. */
  putObject(cluster: string, key: string, body: string | undefined, version: number): void {
    this.atomically(() => {
      if (body === undefined) this.#dropObject.run(cluster, key);
      else this.#putObject.run(cluster, key, body);
      this.#putVersion.run(cluster, version);
    });
  }

  /** Removes everything of a cluster's Kubernetes API. */
  dropCluster(id: string): void {
    this.atomically(() => {
      this.#db.prepare('DELETE FROM objects WHERE cluster = ?').run(id);
      this.#db.prepare('DELETE FROM versions WHERE cluster = ?').run(id);
    });
  }

  /** Closes the file. */
  close(): void {
    this.#db.close();
  }
}
