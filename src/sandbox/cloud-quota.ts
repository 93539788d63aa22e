import { CloudError, type Quota } from './cloud-rules.ts';
import type { SandboxDatabase } from './database.ts';
import { numberAt } from './json.ts';

const DEFAULT_QUOTA: Quota = { clusters: 100, nodes: 500 };

/** What the account may use, kept over restarts. */
export class Quotas {
  readonly #db: SandboxDatabase;
  #limit: Quota = DEFAULT_QUOTA;

  constructor(db: SandboxDatabase) {
    this.#db = db;
    for (const body of db.records('quota')) {
      this.#limit = { clusters: numberAt(body, 'clusters') ?? 0, nodes: numberAt(body, 'nodes') ?? 0 };
    }
  }

  /** What the account may use. */
  get limit(): Quota {
    return this.#limit;
  }

  /** Changes what the account may use. */
  set(quota: Quota): void {
    this.#limit = quota;
    this.#db.putRecord('quota', 'quota', { ...quota });
  }

  /** Throws a 403 CloudError when more is asked for than is left. */
  check(used: Quota, wanted: Quota): void {
    for (const kind of ['clusters', 'nodes'] as const) {
      const limit = this.#limit[kind];
      if (wanted[kind] <= 0 || used[kind] + wanted[kind] <= limit) continue;
      const message = `Quota of ${kind} exceeded: ${used[kind]} of ${limit} in use, ${wanted[kind]} more asked for.`;
      throw new CloudError(403, 'quota_exceeded', message, { quota: kind, limit, used: used[kind] });
    }
  }
}
