import type { Happening } from './cloud-records.ts';
import type { SandboxDatabase } from './database.ts';

/** How many lines of history a cluster keeps. */
const HISTORY = 200;

/** What happened to each cluster, by its id, oldest first. */
export class Histories {
  readonly #db: SandboxDatabase;
  readonly #lines = new Map<string, Happening[]>();

  constructor(db: SandboxDatabase) {
    this.#db = db;
    for (const body of db.records('history')) {
      this.#lines.set(String(body.cluster), body.lines as unknown as Happening[]);
    }
  }

  /** What happened to a cluster. */
  of(cluster: string): Happening[] {
    return this.#lines.get(cluster) ?? [];
  }

  /** Notes that something happened now. */
  add(cluster: string, type: Happening['type'], message: string): void {
    const lines = [...this.of(cluster), { at: new Date().toISOString(), type, message }].slice(-HISTORY);
    this.#lines.set(cluster, lines);
    this.#db.putRecord('history', cluster, { cluster, lines });
  }

  /** Forgets a cluster. */
  drop(cluster: string): void {
    this.#lines.delete(cluster);
    this.#db.dropRecord('history', cluster);
  }
}
