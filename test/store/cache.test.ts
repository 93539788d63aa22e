import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Change, Seen, Store } from '../../src/core/ports/store.ts';
import type { Cluster } from '../../src/core/records.ts';
import { phases } from '../../src/core/records.ts';
import type { WatchCache } from '../../src/store/cache.ts';
import { openCache } from '../../src/store/cache.ts';
import { compare, sortKeysOf } from '../../src/store/cache-table.ts';
import type { Driver } from '../../src/store/driver.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { openStore } from '../../src/store/store.ts';
import { eventually } from '../servers.ts';
import { handClock, realClock } from './clocks.ts';
import { put } from './drives.ts';
import { clusterRef, deliveryRecord, keepingLog, sampleCluster, secretRef, temporaryFolder } from './parts.ts';

function openEmbedded() {
  const driver = openEmbeddedDriver({ dir: temporaryFolder(), clock: realClock, log: silentLog });
  const store = openStore(driver, { prefix: '/kqueen', log: silentLog });
  onTestFinished(() => store.close());
  return { driver, store };
}

async function follow(driver: Driver, log = keepingLog(), clock = handClock()): Promise<WatchCache> {
  const cache = await openCache(driver, { prefix: '/kqueen', clock, log });
  onTestFinished(() => cache.close());
  return cache;
}

async function commit(store: Store, ...changes: Change[]): Promise<number> {
  const result = await store.commit(changes);
  if (!result.ok) throw new Error('an unexpected conflict');
  return result.revision;
}

const putCluster = (id: string, change: Partial<Cluster> = {}): Change => ({
  op: 'put',
  ref: clusterRef(id, change.org),
  record: sampleCluster(id, change),
});

async function pageThrough(store: Store, org: string): Promise<Cluster[]> {
  const all: Cluster[] = [];
  let after: string | undefined;
  do {
    const page = await store.page('cluster', org, { limit: 7, ...(after === undefined ? {} : { after }) });
    all.push(...page.items.map(({ record }) => record));
    after = page.next;
  } while (after !== undefined);
  return all;
}

/** What a list must be, computed the slow way. */
function naive(
  all: Cluster[],
  sort: keyof Cluster,
  descending: boolean,
  where?: (cluster: Cluster) => boolean,
): Cluster[] {
  const value = (cluster: Cluster) => cluster[sort] as string | number | undefined;
  const sorted = all
    .filter((cluster) => where?.(cluster) ?? true)
    .sort((a, b) => compare(value(a), value(b)) || compare(a.id, b.id));
  return descending ? sorted.reverse() : sorted;
}

describe('the cache', () => {
  it('equals a naive sort of everything in the store after any changes, by every key and in both directions', async () => {
    const change = fc.record({
      org: fc.constantFrom('default', 'other'),
      id: fc.constantFrom(...Array.from({ length: 12 }, (_, index) => `c${index}`)),
      act: fc.constantFrom('put', 'put', 'put', 'delete', 'break'),
      name: fc.constantFrom('alpha', 'beta', 'beta-2', 'Gamma', 'z'),
      createdAt: fc.integer({ min: 0, max: 4 }),
      phase: fc.constantFrom(...phases),
      version: fc.option(fc.constantFrom('1.9', '1.10', '1.32.1'), { nil: undefined }),
    });
    const query = fc.record({
      sort: fc.constantFrom(...sortKeysOf('cluster')),
      descending: fc.boolean(),
      offset: fc.integer({ min: 0, max: 6 }),
      limit: fc.integer({ min: 0, max: 6 }),
      only: fc.option(fc.constantFrom(...phases), { nil: undefined }),
    });
    const property = fc.asyncProperty(
      fc.array(change, { maxLength: 12 }),
      fc.array(change, { maxLength: 40 }),
      fc.array(query, { minLength: 3, maxLength: 6 }),
      async (before, after, queries) => {
        const driver = openEmbeddedDriver({ dir: temporaryFolder(), clock: realClock, log: silentLog });
        const store = openStore(driver, { prefix: '/kqueen', log: silentLog });
        const act = async ({ act, id, org, version, ...rest }: (typeof before)[number]) => {
          if (act === 'put') {
            await commit(store, putCluster(id, { ...rest, org, ...(version === undefined ? {} : { version }) }));
          } else if (act === 'delete') await commit(store, { op: 'delete', ref: clusterRef(id, org) });
          else await put(driver, `/kqueen/${org}/cluster/${id}`, '{"v":1}');
        };
        for (const each of before) await act(each);
        const cache = await openCache(driver, { prefix: '/kqueen', clock: realClock, log: silentLog });
        for (const each of after) await act(each);
        expect(await cache.reached((await driver.status()).revision, 2000)).toBe(true);
        for (const org of ['default', 'other']) {
          const all = await pageThrough(store, org);
          for (const { sort, descending, offset, limit, only } of queries) {
            const where = only === undefined ? undefined : (cluster: Cluster) => cluster.phase === only;
            const expected = naive(all, sort as keyof Cluster, descending, where);
            const rows = cache.query('cluster', org, { sort, descending, offset, limit, ...(where ? { where } : {}) });
            expect(rows.items).toEqual(expected.slice(offset, offset + limit));
            expect(rows.total).toBe(expected.length);
            expect(cache.query('cluster', org, { sort, descending }).items).toEqual(
              naive(all, sort as keyof Cluster, descending),
            );
          }
        }
        expect(await cache.compareWithStore()).toBe(true);
        expect(cache.relists()).toBe(0);
        await cache.close();
        await store.close();
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });

  it('holds a change before its writer is answered, and tells it with what was before', async () => {
    const { driver, store } = openEmbedded();
    await commit(store, putCluster('a', { phase: 'Requested' }));
    const cache = await follow(driver);
    await eventually('the watch is live', () => cache.revision() >= 2 && cache.reached(2, 100));
    const told: Seen[] = [];
    const stop = cache.onChange((seen) => told.push(seen));
    const revision = await commit(store, putCluster('a', { phase: 'Ready' }), putCluster('b'));
    expect(await cache.reached(revision, 1000)).toBe(true);
    const last = await commit(store, { op: 'delete', ref: clusterRef('b') });
    await cache.reached(last, 1000);
    expect(told.map(({ ref, revision }) => [ref.id, revision])).toEqual([
      ['a', revision],
      ['b', revision],
      ['b', last],
    ]);
    expect(told[0]).toMatchObject({ before: { phase: 'Requested' }, after: { phase: 'Ready' } });
    expect(told[1]).not.toHaveProperty('before');
    expect(told[2]).not.toHaveProperty('after');
    stop();
    await cache.reached(await commit(store, putCluster('c')), 1000);
    expect(told).toHaveLength(3);
  });

  it('says that a revision did not come in time', async () => {
    const { driver } = openEmbedded();
    const cache = await follow(driver);
    const start = performance.now();
    expect(await cache.reached(cache.revision() + 5, 50)).toBe(false);
    expect(performance.now() - start).toBeGreaterThanOrEqual(45);
  });

  it('keeps to its kinds, knows every organisation, and refuses a sort it has no index for', async () => {
    const { driver, store } = openEmbedded();
    await commit(store, {
      op: 'put',
      ref: secretRef('s', 'quiet'),
      record: { v: 1, id: 's', org: 'quiet', sealed: 'x' },
    });
    const cache = await follow(driver);
    const told: Seen[] = [];
    cache.onChange((seen) => told.push(seen));
    const record = deliveryRecord('d', 1);
    const revision = await commit(store, putCluster('a'), {
      op: 'put',
      ref: { kind: 'delivery', org: 'default', id: 'd' },
      record,
    });
    await cache.reached(revision, 1000);
    expect(told.map(({ ref }) => ref.kind)).toEqual(['cluster']);
    expect(cache.orgs()).toEqual(['default', 'quiet']);
    expect(() => cache.query('delivery', 'default')).toThrow(/not in the cache/);
    expect(() => cache.query('cluster', 'nobody', { sort: 'secrets' })).toThrow(/cannot be sorted by secrets/);
    expect(cache.query('cluster', 'nobody')).toEqual({ items: [], total: 0, staleMs: 0 });
    expect(cache.get(clusterRef('a'))?.name).toBe('name-a');
    expect(cache.get(clusterRef('b'))).toBeUndefined();
  });

  it('goes on after a listener that throws', async () => {
    const { driver, store } = openEmbedded();
    const log = keepingLog();
    const cache = await follow(driver, log);
    const told: Seen[] = [];
    cache.onChange(() => {
      throw new Error('a broken listener');
    });
    cache.onChange((seen) => told.push(seen));
    await cache.reached(await commit(store, putCluster('a')), 1000);
    expect(told).toHaveLength(1);
    expect(log.lines.some(({ message }) => message.includes('listener'))).toBe(true);
  });

  it('gives out records that nobody can change for the others', async () => {
    const { driver, store } = openEmbedded();
    await commit(store, putCluster('a'));
    const cache = await follow(driver);
    const cluster = cache.get(clusterRef('a'));
    expect(() => Object.assign(cluster?.labels ?? {}, { team: 'mine' })).toThrow(TypeError);
  });

  it('leaves a record that cannot be read out of its lists, and takes it back once it can', async () => {
    const { driver, store } = openEmbedded();
    await commit(store, putCluster('a'), putCluster('b'));
    await put(driver, '/kqueen/default/cluster/b', 'not json');
    const log = keepingLog();
    const cache = await follow(driver, log);
    expect(cache.query('cluster', 'default').items.map(({ id }) => id)).toEqual(['a']);
    expect(log.lines.some(({ fields }) => fields.id === 'b')).toBe(true);
    expect(await cache.compareWithStore()).toBe(true);
    await cache.reached(await commit(store, putCluster('b')), 1000);
    expect(cache.query('cluster', 'default').total).toBe(2);
    await cache.reached(await put(driver, '/kqueen/default/cluster/b', '{}'), 1000);
    expect(cache.query('cluster', 'default').total).toBe(1);
    expect(await cache.compareWithStore()).toBe(true);
  });

  it('finds by comparison what its watch did not tell, and mends it', async () => {
    const { driver, store } = openEmbedded();
    await commit(store, putCluster('a'), putCluster('b'), putCluster('c'));
    let deaf = false;
    // A driver whose watch loses changes while it claims to be in step.
    const losing: Driver = {
      ...driver,
      watch: (prefix, from, handlers) =>
        driver.watch(prefix, from, { ...handlers, events: (events) => (deaf ? undefined : handlers.events(events)) }),
    };
    const clock = handClock();
    const cache = await follow(losing, keepingLog(), clock);
    const told: Seen[] = [];
    cache.onChange((seen) => told.push(seen));
    expect(await cache.compareWithStore()).toBe(true);
    deaf = true;
    await commit(store, putCluster('a', { phase: 'Failed' }), { op: 'delete', ref: clusterRef('b') }, putCluster('d'));
    deaf = false;
    expect(cache.query('cluster', 'default').items.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    // The comparison that runs by itself every five minutes.
    await clock.advance(5 * 60_000);
    await eventually('mended', () => cache.relists() === 1 && cache.staleMs() === 0 && told.length > 0);
    expect(cache.query('cluster', 'default').items.map(({ id }) => id)).toEqual(['a', 'c', 'd']);
    expect(told.map(({ ref, after }) => [ref.id, after === undefined]).sort()).toEqual([
      ['a', false],
      ['b', true],
      ['d', false],
    ]);
    await cache.reached(await commit(store, putCluster('e')), 1000);
    expect(cache.query('cluster', 'default').total).toBe(4);
  });

  it('says how old it is while the store does not answer', async () => {
    const { driver, store } = openEmbedded();
    await commit(store, putCluster('a'));
    let handlers: Parameters<Driver['watch']>[2] | undefined;
    const tapped: Driver = {
      ...driver,
      watch: (prefix, from, given) => {
        handlers = given;
        return driver.watch(prefix, from, given);
      },
    };
    const clock = handClock();
    const cache = await follow(tapped, keepingLog(), clock);
    await cache.reached(await commit(store, putCluster('a')), 1000);
    handlers?.down(new Fault('unreachable', 'gone'));
    await clock.advance(4000);
    expect(cache.query('cluster', 'default')).toMatchObject({ total: 1, staleMs: 4000 });
    handlers?.progress(cache.revision());
    expect(cache.staleMs()).toBe(0);
  });

  it('loads ten thousand clusters quickly and answers a page of them in no time', async () => {
    const { driver, store } = openEmbedded();
    const spec = { note: 'x'.repeat(1500) };
    for (let start = 0; start < 10_000; start += 100) {
      const batch = Array.from({ length: 100 }, (_, index) =>
        putCluster(`c${start + index}`, { spec, createdAt: ((start + index) * 7919) % 10_007 }),
      );
      await store.commit(batch);
    }
    const began = performance.now();
    const cache = await follow(driver);
    const loadMs = performance.now() - began;
    expect(cache.query('cluster', 'default').total).toBe(10_000);
    const laps: number[] = [];
    for (let lap = 0; lap < 50; lap += 1) {
      const at = performance.now();
      cache.query('cluster', 'default', { sort: 'createdAt', descending: lap % 2 === 0, offset: lap * 20, limit: 20 });
      laps.push(performance.now() - at);
    }
    laps.sort((a, b) => a - b);
    console.log(
      `10,000 clusters of 2 KB loaded in ${Math.round(loadMs)} ms; a page of 20 in ${laps[25]?.toFixed(3)} ms`,
    );
    // Generous: what it guards against is sorting or reading the store for each page.
    expect(loadMs).toBeLessThan(5000);
    expect(laps[25]).toBeLessThan(2);
  });
});
