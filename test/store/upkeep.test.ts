import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Change } from '../../src/core/ports/store.ts';
import type { Approval, Audit, Job, Kind, Message, RecordOf } from '../../src/core/records.ts';
import { openCache } from '../../src/store/cache.ts';
import { openCompaction } from '../../src/store/compaction.ts';
import { Compacted } from '../../src/store/driver.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { openConfiguredStore, openEmbedded, openEtcd } from '../../src/store/open.ts';
import { openRetention } from '../../src/store/retention.ts';
import { secretKeyFile } from '../../src/store/secret-key-file.ts';
import { openSpaceWatch } from '../../src/store/space.ts';
import { openStore } from '../../src/store/store.ts';
import { lacksServer, startEtcd } from '../servers.ts';
import { handClock } from './clocks.ts';
import { faultFrom, put } from './drives.ts';
import { clusterRef, deliveryRecord, keepingLog, sampleCluster, secretRef, temporaryFolder } from './parts.ts';

const day = 24 * 60 * 60_000;
const now = 1_800_000_000_000;
const place = { chat: 'terminal' as const, workspace: 'local', conversation: 'dev' };

function job(id: string, change: Partial<Job>): Job {
  const plan = {
    title: 'Create web',
    facts: [],
    disturbs: 'nobody',
    cost: null,
    approval: { needed: false, role: 'admin' as const, why: '' },
    hash: 'h',
  };
  return {
    ...{ v: 1, id, org: 'default', kind: 'cluster.create', cluster: 'c', clusterName: 'web', provisioner: 'p' },
    ...{ engine: 'sandbox', state: 'Succeeded', requestedBy: 'terminal:dev', requesterName: 'Dev', requestedAt: now },
    ...{
      place,
      command: 'cluster create web',
      plan,
      tick: 3,
      allowedMs: 1000,
      steps: [],
      note: '',
      attempt: 0,
      log: [],
    },
    ...change,
  };
}

function approval(id: string, change: Partial<Approval>): Approval {
  return {
    ...{ v: 1, id, org: 'default', job: 'j', cluster: 'c', clusterName: 'web', requestedBy: 'terminal:dev' },
    ...{ requesterName: 'Dev', requestedAt: now, role: 'admin', planHash: 'h', state: 'approved', expiresAt: now },
    ...change,
  };
}

function message(id: string, change: Partial<Message>): Message {
  return {
    ...{ v: 1, id, org: 'default', about: { kind: 'job', id: 'j' }, place, key: id, edits: 0, closed: true },
    ...{ pinged: true, attempts: 0, createdAt: now },
    ...change,
  };
}

function audit(id: string, at: number): Audit {
  return {
    ...{ v: 1, id, org: 'default', at, who: 'terminal:dev', whoName: 'Dev', action: 'cluster.create' },
    ...{ command: 'cluster create web', outcome: 'requested', subject: 'web' },
  };
}

function handout(id: string, expiresAt: number): RecordOf<'handout'> {
  return { v: 1, id, org: 'default', cluster: 'c', person: 'terminal:dev', role: 'view', seconds: 60, expiresAt };
}

function puts<K extends Kind>(kind: K, records: RecordOf<K>[]): Change[] {
  return records.map((record) => ({ op: 'put', ref: { kind, org: 'default', id: record.id }, record }) as Change);
}

async function openParts() {
  const clock = handClock(now);
  const driver = openEmbeddedDriver({ dir: temporaryFolder(), clock, log: silentLog });
  const store = openStore(driver, { prefix: '/kqueen', log: silentLog });
  const cache = await openCache(driver, { prefix: '/kqueen', clock, log: silentLog });
  onTestFinished(async () => {
    await cache.close();
    await store.close();
  });
  return { clock, driver, store, cache, log: silentLog };
}

describe('retention', () => {
  it('deletes what is past its time and nothing else', async () => {
    const parts = await openParts();
    const { store, cache } = parts;
    const changes = [
      ...puts('delivery', [deliveryRecord('old', now - 3 * day - 1), deliveryRecord('new', now - 3 * day + 1)]),
      ...puts('handout', [handout('old', now - 1), handout('new', now + 1)]),
      ...puts('job', [
        job('old', { endedAt: now - 91 * day, requestedAt: now - 92 * day }),
        job('new', { endedAt: now - 89 * day, requestedAt: now - 92 * day }),
        job('running', { state: 'Running', requestedAt: now - 500 * day }),
      ]),
      ...puts('approval', [
        approval('old', { decidedAt: now - 91 * day }),
        approval('expired', { state: 'expired', expiresAt: now - 91 * day }),
        approval('new', { decidedAt: now - 89 * day }),
        approval('open', { state: 'pending', expiresAt: now - 500 * day }),
      ]),
      ...puts('message', [
        message('old', { createdAt: now - 60 * day, editedAt: now - 31 * day }),
        message('new', { createdAt: now - 60 * day, editedAt: now - 29 * day }),
        message('open', { createdAt: now - 60 * day, closed: false }),
      ]),
      ...puts('audit', [audit('1-old', now - 401 * day), audit('2-new', now - 399 * day)]),
    ];
    const commit = await store.commit(changes);
    if (!commit.ok) throw new Error('conflict');
    await cache.reached(commit.revision, 1000);
    const retention = openRetention(parts);
    const expected = { delivery: 1, handout: 1, job: 1, approval: 2, message: 1, audit: 1 };
    expect(await retention.sweep()).toEqual({ deleted: expected, more: false });
    expect(await retention.sweep()).toEqual({ deleted: {}, more: false });
    const left: string[] = [];
    for (const kind of ['delivery', 'handout', 'job', 'approval', 'message', 'audit'] as const) {
      left.push(...(await store.page(kind, 'default')).items.map(({ ref }) => `${kind} ${ref.id}`));
    }
    expect(left).toEqual([
      ...['delivery new', 'handout new', 'job new', 'job running', 'approval new', 'approval open'],
      ...['message new', 'message open', 'audit 2-new'],
    ]);
  });

  it('does a bounded part at a time and comes to the end', async () => {
    const parts = await openParts();
    for (let start = 0; start < 700; start += 100) {
      const ids = Array.from({ length: 100 }, (_, index) => `d${String(start + index).padStart(4, '0')}`);
      // Every other one is due, so that the sweep has to go on past those that stay.
      await parts.store.commit(
        puts(
          'delivery',
          ids.map((id, index) => deliveryRecord(id, index % 2 === 0 ? now - 4 * day : now)),
        ),
      );
      await parts.store.commit(
        puts(
          'audit',
          ids.map((id) => audit(id, now - 500 * day)),
        ),
      );
    }
    await parts.cache.reached((await parts.driver.status()).revision, 1000);
    const retention = openRetention({ ...parts, atMost: 300 });
    const first = await retention.sweep();
    expect(first).toEqual({ deleted: { delivery: 150, audit: 300 }, more: true });
    const second = await retention.sweep();
    const third = await retention.sweep();
    expect([second.more, third.more]).toEqual([true, false]);
    expect((second.deleted.delivery ?? 0) + (third.deleted.delivery ?? 0)).toBe(200);
    expect(parts.cache.query('audit', 'default').total).toBe(0);
  });

  it('leaves a record that changed after it was looked at', async () => {
    const parts = await openParts();
    const old = ['a', 'b', 'c'].map((id) => deliveryRecord(id, now - 4 * day));
    await parts.store.commit(puts('delivery', old));
    const racing = {
      ...parts.store,
      page: async (...args: Parameters<typeof parts.store.page>) => {
        const page = await parts.store.page(...args);
        if (args[0] === 'delivery') await parts.store.commit(puts('delivery', [deliveryRecord('b', now)]));
        return page;
      },
    } as typeof parts.store;
    const retention = openRetention({ ...parts, store: racing });
    expect((await retention.sweep()).deleted).toEqual({ delivery: 2 });
    expect((await parts.store.page('delivery', 'default')).items.map(({ ref }) => ref.id)).toEqual(['b']);
  });
});

describe('compaction', () => {
  it('forgets history older than the kept hour, and no younger', async () => {
    const { driver, clock, log } = await openParts();
    const compaction = openCompaction({ driver, clock, log });
    const revisions: number[] = [];
    const done: (number | undefined)[] = [];
    for (let round = 0; round < 14; round += 1) {
      revisions.push(await put(driver, '/n', String(round)));
      done.push(await compaction.run());
      await clock.advance(10 * 60_000);
    }
    // Six rounds make the hour; from then on each round forgets one more.
    expect(done.slice(0, 6)).toEqual(Array(6).fill(undefined));
    expect(done.slice(6)).toEqual(revisions.slice(0, 8));
    const oldest = revisions[7] ?? 0;
    expect((await driver.range('/', { revision: oldest })).entries[0]?.value).toBe('7');
    await expect(driver.range('/', { revision: oldest - 1 })).rejects.toBeInstanceOf(Compacted);
  });

  it('lets a second process come too late in peace', async () => {
    const { driver, clock, log } = await openParts();
    const both = [1, 2].map(() => openCompaction({ driver, clock, log, keepMs: 1000 }));
    await put(driver, '/n', '1');
    for (const each of both) await each.run();
    await put(driver, '/n', '2');
    await clock.advance(1000);
    const done = [];
    for (const each of both) done.push(await each.run());
    expect(done.filter((revision) => revision !== undefined)).toHaveLength(1);
  });
});

describe('space', () => {
  it('is warned of at 60 %, alarmed at 80 %, told when full, and unknown when nobody answers', async () => {
    const { driver } = await openParts();
    const log = keepingLog();
    let state = { dbSize: 10, quota: 100, revision: 1, alarms: [] as string[] };
    const watch = openSpaceWatch({ ...driver, status: async () => state }, log);
    expect(watch.last().level).toBe('unknown');
    const steps: [number, string[], string][] = [
      [10, [], 'ok'],
      [59, [], 'ok'],
      [60, [], 'warn'],
      [79, [], 'warn'],
      [80, [], 'alarm'],
      [30, ['CORRUPT'], 'alarm'],
      [100, ['NOSPACE'], 'full'],
      [20, [], 'ok'],
    ];
    for (const [dbSize, alarms, level] of steps) {
      state = { ...state, dbSize, alarms };
      expect(await watch.check()).toMatchObject({ level, used: dbSize / 100, alarms });
      expect(watch.last().message === '').toBe(level === 'ok');
    }
    expect(log.lines.map(({ level }) => level)).toEqual(['info', 'warn', 'error', 'error', 'info']);
    await driver.close();
    const closed = openSpaceWatch(driver, log);
    expect(await closed.check()).toMatchObject({ level: 'unknown', bytes: 0 });
  });
});

describe('the opened store', () => {
  const open = (dir: string, more = {}) => openEmbedded({ dir, clock: handClock(now), log: silentLog, ...more });

  it('keeps state, secrets and cache over a restart on embedded defaults', async () => {
    const dir = temporaryFolder();
    const first = await open(dir);
    const sealed = first.sealer.seal(secretRef('s'), 'hunter2');
    await first.store.commit([
      { op: 'put', ref: secretRef('s'), record: { v: 1, id: 's', org: 'default', sealed }, if: 0 },
      { op: 'put', ref: clusterRef('a'), record: sampleCluster('a'), if: 0 },
    ]);
    expect(first.spaceStatus().level).not.toBe('unknown');
    await first.close();
    const second = await open(dir);
    onTestFinished(() => second.close());
    expect(second.cache.query('cluster', 'default').items.map(({ id }) => id)).toEqual(['a']);
    const secret = await second.store.get(secretRef('s'));
    expect(second.sealer.open(secretRef('s'), secret?.record.sealed ?? '')).toBe('hunter2');
    expect(await second.retain()).toEqual({ deleted: {}, more: false });
  });

  it('refuses to go on with a new key when the old one is lost, and leaves the folder free', async () => {
    const dir = temporaryFolder();
    const first = await open(dir);
    const sealed = first.sealer.seal(secretRef('s'), 'hunter2');
    await first.store.commit([
      { op: 'put', ref: secretRef('s'), record: { v: 1, id: 's', org: 'default', sealed }, if: 0 },
    ]);
    await first.close();
    rmSync(join(dir, secretKeyFile));
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const fault = await faultFrom(open(dir));
      expect(fault.message).toContain(secretKeyFile);
      expect(fault.next).toContain('Put the key file back');
    }
  });

  it('rotates its keys', async () => {
    const dir = temporaryFolder();
    const [old, fresh] = [Buffer.alloc(32, 1).toString('base64'), Buffer.alloc(32, 2).toString('base64')];
    const first = await open(dir, { secretKeys: old });
    const ref = secretRef('s', 'elsewhere');
    const sealed = first.sealer.seal(ref, 'hunter2');
    await first.store.commit([{ op: 'put', ref, record: { v: 1, id: 's', org: 'elsewhere', sealed }, if: 0 }]);
    await first.close();
    const second = await open(dir, { secretKeys: `${fresh},${old}` });
    expect(await second.reseal()).toEqual({ seen: 1, resealed: 1, failed: 0 });
    await second.close();
    const third = await open(dir, { secretKeys: fresh });
    onTestFinished(() => third.close());
    expect(third.sealer.open(ref, (await third.store.get(ref))?.record.sealed ?? '')).toBe('hunter2');
  });

  it('does not open on etcd without a key, or on one that does not answer', async () => {
    const parts = { clock: handClock(now), log: silentLog };
    const nowhere = { hosts: ['http://127.0.0.1:1'] };
    const keyless = openConfiguredStore({ prefix: '/kqueen', etcd: nowhere }, { ...parts, dataDir: temporaryFolder() });
    expect(await faultFrom(keyless)).toMatchObject({ kind: 'bad-input', field: 'KQUEEN_SECRET_KEYS' });
    const secretKeys = Buffer.alloc(32, 1).toString('base64');
    expect(await faultFrom(openEtcd({ ...parts, ...nowhere, secretKeys, deadlineMs: 500 }))).toMatchObject({
      kind: 'unreachable',
    });
  });

  it.skipIf(lacksServer('etcd'))('is the same on etcd', async () => {
    const etcd = await startEtcd();
    onTestFinished(() => etcd.stop());
    const secretKeys = Buffer.alloc(32, 1).toString('base64');
    const settings = { prefix: '/kq/test', etcd: { hosts: etcd.hosts }, secretKeys };
    const parts = { clock: handClock(now), log: silentLog, dataDir: temporaryFolder() };
    const opened = await openConfiguredStore(settings, { ...parts, retention: { auditMs: day, jobMs: day } });
    onTestFinished(() => opened.close());
    const commit = await opened.store.commit([
      ...puts('audit', [audit('1', now - 2 * day), audit('2', now)]),
      { op: 'put', ref: clusterRef('a'), record: sampleCluster('a'), if: 0 },
    ]);
    if (!commit.ok) throw new Error('conflict');
    expect(await opened.cache.reached(commit.revision, 5000)).toBe(true);
    expect(opened.cache.query('cluster', 'default').total).toBe(1);
    expect(await opened.retain()).toEqual({ deleted: { audit: 1 }, more: false });
    expect(opened.space()).toBeNull();
    expect(opened.spaceStatus()).toMatchObject({ level: 'ok', quota: 2 * 1024 ** 3 });
  });
});
