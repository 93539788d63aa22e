import { describe, expect, it, onTestFinished } from 'vitest';
import type { Change } from '../../src/core/ports/store.ts';
import type { RecordOf } from '../../src/core/records.ts';
import { kinds, schemas } from '../../src/core/records.ts';
import { decode, encode } from '../../src/store/codecs.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { keyOf, normalPrefix, refOf } from '../../src/store/keys.ts';
import { listOrgs, openStore } from '../../src/store/store.ts';
import { realClock } from './clocks.ts';
import { faultFrom, put } from './drives.ts';
import { clusterRef, deliveryRecord, keepingLog, sampleCluster, secretRef, temporaryFolder } from './parts.ts';

function open(upgrades = {}) {
  const log = keepingLog();
  const driver = openEmbeddedDriver({ dir: temporaryFolder(), clock: realClock, log });
  const store = openStore(driver, { prefix: '/kqueen', log, upgrades });
  onTestFinished(() => store.close());
  return { driver, store, log };
}

const putCluster = (id: string, extra: { if?: number; lease?: string } = {}): Change => ({
  op: 'put',
  ref: clusterRef(id),
  record: sampleCluster(id),
  ...extra,
});

describe('the typed store', () => {
  it('gives back what was put, with the revision to compare with', async () => {
    const { store } = open();
    expect(await store.get(clusterRef('a'))).toBeUndefined();
    const commit = await store.commit([putCluster('a', { if: 0 })]);
    if (!commit.ok) throw new Error('conflict');
    const record = sampleCluster('a');
    expect(await store.get(clusterRef('a'))).toEqual({ ref: clusterRef('a'), record, revision: commit.revision });
  });

  it('names the refs whose condition did not hold and writes nothing', async () => {
    const { store } = open();
    const first = await store.commit([putCluster('a', { if: 0 })]);
    if (!first.ok) throw new Error('conflict');
    const second = await store.commit([
      putCluster('a', { if: first.revision }),
      putCluster('b', { if: 7 }),
      { op: 'delete', ref: clusterRef('c'), if: 9 },
      { op: 'check', ref: secretRef('s'), if: 3 },
      { op: 'check', ref: secretRef('none'), if: 0 },
    ]);
    expect(second).toEqual({ ok: false, conflicts: [clusterRef('b'), clusterRef('c'), secretRef('s')] });
    expect((await store.get(clusterRef('a')))?.revision).toBe(first.revision);
  });

  it('checks, puts and deletes in one transaction', async () => {
    const { store } = open();
    const first = await store.commit([putCluster('a'), putCluster('b')]);
    if (!first.ok) throw new Error('conflict');
    const second = await store.commit([
      { op: 'check', ref: clusterRef('a'), if: first.revision },
      { op: 'delete', ref: clusterRef('b'), if: first.revision },
      putCluster('c', { if: 0 }),
    ]);
    expect(second).toEqual({ ok: true, revision: first.revision + 1 });
    expect(await store.get(clusterRef('b'))).toBeUndefined();
  });

  it('refuses a record named twice and more than 128 changes', async () => {
    const { store } = open();
    const twice = store.commit([{ op: 'check', ref: clusterRef('a'), if: 0 }, putCluster('a')]);
    expect(await faultFrom(twice)).toMatchObject({ kind: 'bad-input' });
    const many = Array.from({ length: 129 }, (_, index) => putCluster(`c${index}`));
    expect(await faultFrom(store.commit(many))).toMatchObject({ kind: 'bad-input' });
    expect((await store.commit(many.slice(1))).ok).toBe(true);
  });

  it('pages through a kind, each record once, apart from other kinds and organisations', async () => {
    const { store } = open();
    for (let index = 0; index < 25; index += 1) {
      const id = `d:${index}/x y`;
      await store.commit([
        { op: 'put', ref: { kind: 'delivery', org: 'default', id }, record: deliveryRecord(id, index) },
        putCluster(`c${index}`),
      ]);
    }
    const other = { ...deliveryRecord('d:other', 1), org: 'default2' };
    await store.commit([{ op: 'put', ref: { kind: 'delivery', org: 'default2', id: 'd:other' }, record: other }]);
    const ids: string[] = [];
    let after: string | undefined;
    let pages = 0;
    do {
      const page = await store.page('delivery', 'default', { limit: 10, ...(after === undefined ? {} : { after }) });
      ids.push(...page.items.map(({ ref }) => ref.id));
      after = page.next;
      pages += 1;
    } while (after !== undefined);
    expect(pages).toBe(3);
    expect(new Set(ids)).toEqual(new Set(Array.from({ length: 25 }, (_, index) => `d:${index}/x y`)));
    expect(ids).toHaveLength(25);
  });

  it('binds a record to a lease', async () => {
    const { store } = open();
    const lease = await store.lease(60_000);
    const ref = { kind: 'claim' as const, org: 'default', id: 'posts.slack.T1' };
    const record = { v: 1 as const, id: ref.id, org: ref.org, holder: 'one', fence: 'f' };
    await store.commit([{ op: 'put', ref, record, if: 0, lease: lease.id }]);
    expect(await lease.keepAlive()).toBe(true);
    await lease.revoke();
    expect(await store.get(ref)).toBeUndefined();
    expect(await lease.keepAlive()).toBe(false);
  });

  it('is ready while it is open and says so when it is not', async () => {
    const { store } = open();
    await store.ready();
    await store.close();
    expect(await faultFrom(store.ready())).toMatchObject({ kind: 'unreachable' });
  });

  it('finds every organisation, whatever it holds and however it is written', async () => {
    const { store, driver } = open();
    for (const org of ['default', 'default2', 'a b', 'ünï/x', 'z']) {
      for (const id of ['1', '2', '\u{10ffff}']) {
        await store.commit([{ op: 'put', ref: secretRef(id, org), record: { v: 1, id, org, sealed: 'x' } }]);
      }
    }
    await put(driver, '/kqueen/stranger/nokind/1', 'x');
    await put(driver, '/kqueen2/not-ours/secret/1', 'x');
    expect((await listOrgs(driver, '/kqueen')).sort()).toEqual(['a b', 'default', 'default2', 'z', 'ünï/x']);
  });
});

describe('records', () => {
  it('that break their schema are refused on the way in, without their values in the fault', async () => {
    const { store, driver } = open();
    const revision = (await driver.status()).revision;
    const record = { ...sampleCluster('a'), phase: 'hunter2' } as unknown as RecordOf<'cluster'>;
    const fault = await faultFrom(store.commit([putCluster('b'), { op: 'put', ref: clusterRef('a'), record }]));
    expect(fault).toMatchObject({ kind: 'internal', retryable: false });
    expect(fault.detail).toContain('phase');
    expect(`${fault.message}${fault.detail}`).not.toContain('hunter2');
    expect((await driver.status()).revision).toBe(revision);
  });

  it('are refused under a key that is not their own', async () => {
    const { store, driver } = open();
    const wrongId = store.commit([{ op: 'put', ref: clusterRef('a'), record: sampleCluster('b') }]);
    expect(await faultFrom(wrongId)).toMatchObject({ kind: 'internal' });
    const wrongOrg = store.commit([{ op: 'put', ref: clusterRef('a', 'x'), record: sampleCluster('a') }]);
    expect(await faultFrom(wrongOrg)).toMatchObject({ kind: 'internal' });
    await put(driver, '/kqueen/default/cluster/c', JSON.stringify(sampleCluster('d')));
    expect(await faultFrom(store.get(clusterRef('c')))).toMatchObject({ kind: 'internal' });
  });

  it('that cannot be read are a fault on get and a log line in pages, never the end of a list', async () => {
    const { store, driver, log } = open();
    for (const id of ['a', 'b', 'c']) await store.commit([putCluster(id)]);
    for (const text of ['{"v":1', 'null', '[]', '{"v":1,"id":"b"}', '{}', '{"v":99}', '{"v":0}']) {
      await put(driver, '/kqueen/default/cluster/b', text);
      expect(await faultFrom(store.get(clusterRef('b')))).toMatchObject({ kind: 'internal', retryable: false });
      const page = await store.page('cluster', 'default');
      expect(page.items.map(({ ref }) => ref.id)).toEqual(['a', 'c']);
    }
    expect(log.lines.filter(({ level, fields }) => level === 'error' && fields.id === 'b')).toHaveLength(7);
    const onlyBroken = await store.page('cluster', 'default', { limit: 1, after: 'a' });
    expect(onlyBroken.items).toEqual([]);
    expect(onlyBroken.next).toBe('b');
  });

  it('of an older version are brought to the current one, step by step', async () => {
    const upgrades = {
      cluster: {
        [-1]: (old: Record<string, unknown>) => ({ ...old, purpose: `${old.why}` }),
        0: (old: Record<string, unknown>) => ({ ...old, labels: {} }),
      },
    };
    const { store, driver } = open(upgrades);
    const { purpose, labels, ...rest } = sampleCluster('a');
    await put(driver, '/kqueen/default/cluster/a', JSON.stringify({ ...rest, v: -1, why: purpose }));
    expect((await store.get(clusterRef('a')))?.record).toMatchObject({ v: 1, purpose, labels: {} });
    expect(labels).not.toEqual({});
  });

  it('keep the fields that a newer release of the same version added', async () => {
    const text = JSON.stringify({ ...sampleCluster('a'), later: { than: 'this' } });
    expect(JSON.parse(encode(clusterRef('a'), decode(clusterRef('a'), text)))).toMatchObject({
      later: { than: 'this' },
    });
  });

  it('of every kind carry a version, an id and an organisation', () => {
    for (const kind of kinds)
      expect(Object.keys(schemas[kind].shape)).toEqual(expect.arrayContaining(['v', 'id', 'org']));
  });
});

describe('keys', () => {
  it('read back to the record they name, whatever the id holds', () => {
    for (const id of ['a', 'teams:t:o', 'a/b', '%2F', '..', 'ü ñ', '\u{1f680}', '?x=1#y']) {
      const ref = { kind: 'person' as const, org: id, id };
      const key = keyOf('/kqueen', ref);
      expect(key.split('/')).toHaveLength(5);
      expect(refOf('/kqueen', key)).toEqual(ref);
    }
  });

  it('are refused for ids that are none, and not understood when they are not ours', () => {
    for (const id of ['', 'x'.repeat(201), 'half \ud800']) {
      expect(() => keyOf('/kqueen', clusterRef(id))).toThrow(/id must have/);
    }
    for (const key of [
      '/kqueen',
      '/kqueen/a/cluster',
      '/kqueen/a/b/c',
      '/other/a/cluster/c',
      '/kqueen/a/cluster/%zz',
    ]) {
      expect(refOf('/kqueen', key)).toBeUndefined();
    }
    expect(normalPrefix('kqueen/')).toBe('/kqueen');
    expect(() => normalPrefix('/')).toThrow(/prefix/);
    expect(() => normalPrefix('/a b')).toThrow(/prefix/);
  });
});
