/** The typed store over a driver: records instead of texts, refs instead of keys. */
import { Fault } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Change, Commit, Lease, Page, Ref, Store, Stored } from '../core/ports/store.ts';
import type { Kind } from '../core/records.ts';
import type { Upgrades } from './codecs.ts';
import { upgrades as currentUpgrades, decode, encode } from './codecs.ts';
import type { Compare, Driver, Operation } from './driver.ts';
import { maxOperations } from './driver.ts';
import { keyOf, kindPrefix, normalPrefix, part, refOf } from './keys.ts';

export interface StoreOptions {
  /** Where the records live, such as `/kqueen`. */
  prefix: string;
  log: Log;
  /** Shapes of older versions; only a test hands in its own. */
  upgrades?: Upgrades;
}

/** Opens the typed store; the driver stays its caller's until `close`, which closes it. */
export function openStore(driver: Driver, options: StoreOptions): Store {
  const prefix = normalPrefix(options.prefix);
  const table = options.upgrades ?? currentUpgrades;

  async function get<K extends Kind>(ref: Ref<K>): Promise<Stored<K> | undefined> {
    const entry = await driver.get(keyOf(prefix, ref));
    return entry && { ref, record: decode(ref, entry.value, table), revision: entry.revision };
  }

  async function page<K extends Kind>(
    kind: K,
    org: string,
    { limit, after }: { limit?: number; after?: string } = {},
  ): Promise<Page<K>> {
    const below = kindPrefix(prefix, org, kind);
    const read = await driver.range(below, {
      ...(limit === undefined ? {} : { limit }),
      ...(after === undefined ? {} : { after: `${below}${part(after)}` }),
    });
    const items: Stored<K>[] = [];
    let last: string | undefined;
    for (const entry of read.entries) {
      const ref = refOf(prefix, entry.key) as Ref<K> | undefined;
      if (!ref) {
        options.log.error({ key: entry.key }, 'a key of the store names no record; skipped');
        continue;
      }
      last = ref.id;
      try {
        items.push({ ref, record: decode(ref, entry.value, table), revision: entry.revision });
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        options.log.error({ ...ref, detail: error.detail }, 'a record cannot be read; skipped');
      }
    }
    return { items, revision: read.revision, ...(read.more && last !== undefined ? { next: last } : {}) };
  }

  async function commit(changes: Change[]): Promise<Commit> {
    const { compares, operations, refs } = translate(prefix, changes);
    const result = await driver.txn(compares, operations);
    if (result.ok) return { ok: true, revision: result.revision };
    const failed = new Set(result.conflicts);
    return { ok: false, conflicts: [...refs].filter(([key]) => failed.has(key)).map(([, ref]) => ref) };
  }

  async function lease(ttlMs: number): Promise<Lease> {
    const id = await driver.grant(ttlMs);
    return { id, keepAlive: () => driver.keepAlive(id), revoke: () => driver.revoke(id) };
  }

  async function ready(): Promise<void> {
    await driver.range(`${prefix}/`, { limit: 1, keysOnly: true });
  }

  return { get, page, commit, lease, ready, close: () => driver.close() };
}

function translate(
  prefix: string,
  changes: Change[],
): { compares: Compare[]; operations: Operation[]; refs: Map<string, Ref> } {
  const refs = new Map<string, Ref>();
  const compares: Compare[] = [];
  const operations: Operation[] = [];
  if (changes.length > maxOperations) {
    throw new Fault('bad-input', `A transaction may hold ${maxOperations} changes, not ${changes.length}.`, {
      whose: 'kqueen',
    });
  }
  for (const change of changes) {
    const key = keyOf(prefix, change.ref);
    if (refs.has(key)) {
      throw new Fault('bad-input', 'A transaction may not name the same record twice.', {
        whose: 'kqueen',
        detail: key,
      });
    }
    refs.set(key, change.ref);
    if (change.if !== undefined) compares.push({ key, revision: change.if });
    if (change.op === 'put') {
      const value = encode(change.ref, change.record);
      operations.push({ op: 'put', key, value, ...(change.lease === undefined ? {} : { lease: change.lease }) });
    } else if (change.op === 'delete') {
      operations.push({ op: 'delete', key });
    }
  }
  return { compares, operations, refs };
}

/** Every organisation that holds a record, found by skipping from one to the next: one small read each. */
export async function listOrgs(driver: Driver, prefix: string, revision?: number): Promise<string[]> {
  const root = `${normalPrefix(prefix)}/`;
  const orgs: string[] = [];
  let after: string | undefined;
  for (;;) {
    const read = await driver.range(root, {
      limit: 1,
      keysOnly: true,
      ...(after === undefined ? {} : { after }),
      ...(revision === undefined ? {} : { revision }),
    });
    const first = read.entries[0];
    if (!first) return orgs;
    const encoded = first.key.slice(root.length).split('/')[0] ?? '';
    const ref = refOf(root.slice(0, -1), first.key);
    if (ref) orgs.push(ref.org);
    // U+10FFFF is the last character there is: the whole organisation is passed over.
    after = ref ? `${root}${encoded}/\u{10ffff}` : first.key;
  }
}
