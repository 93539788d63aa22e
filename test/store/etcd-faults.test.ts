/** What the store does when etcd dies, hangs, forgets, fills up or refuses: nothing confirmed is lost, nothing hangs, and lists say how old they are. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createServer } from 'node:tls';
import { AlarmAction, Etcd3 } from 'etcd3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Change, Seen, Store } from '../../src/core/ports/store.ts';
import type { WatchCache } from '../../src/store/cache.ts';
import { openCache } from '../../src/store/cache.ts';
import type { EtcdOptions } from '../../src/store/etcd.ts';
import { openEtcdDriver } from '../../src/store/etcd.ts';
import { openSpaceWatch } from '../../src/store/space.ts';
import { openStore } from '../../src/store/store.ts';
import { makeTestCertificate } from '../certificate.ts';
import { startGrpcProxy, startTcpProxy } from '../proxy.ts';
import { eventually, freePort, lacksServer, startEtcd } from '../servers.ts';
import { realClock } from './clocks.ts';
import { faultFrom, put, readAll, recordWatch } from './drives.ts';
import { clusterRef, sampleCluster } from './parts.ts';

const deadlineMs = 1000;

async function startServer(args: string[] = []) {
  const etcd = await startEtcd({ args });
  onTestFinished(() => etcd.stop());
  return etcd;
}

function openDriver(options: EtcdOptions) {
  const driver = openEtcdDriver({ deadlineMs, heartbeatMs: 300, ...options });
  onTestFinished(() => driver.close());
  return driver;
}

async function openAll(options: EtcdOptions) {
  const driver = openDriver(options);
  const store = openStore(driver, { prefix: '/kqueen', log: silentLog });
  const cache = await openCache(driver, { prefix: '/kqueen', clock: realClock, log: silentLog });
  onTestFinished(() => cache.close());
  const told: Seen[] = [];
  cache.onChange((seen) => told.push(seen));
  return { driver, store, cache, told };
}

const putCluster = (id: string, name = id): Change => ({
  op: 'put',
  ref: clusterRef(id),
  record: sampleCluster(id, { name }),
});

async function namesIn(store: Store): Promise<string[]> {
  const names: string[] = [];
  let after: string | undefined;
  do {
    const page = await store.page('cluster', 'default', after === undefined ? {} : { after });
    names.push(...page.items.map(({ record }) => record.name));
    after = page.next;
  } while (after !== undefined);
  return names.sort();
}

const namesCached = (cache: WatchCache): string[] => cache.query('cluster', 'default').items.map(({ name }) => name);

async function commit(store: Store, ...changes: Change[]): Promise<number> {
  const result = await store.commit(changes);
  if (!result.ok) throw new Error('an unexpected conflict');
  return result.revision;
}

describe.skipIf(lacksServer('etcd'))('the store on an etcd in trouble', () => {
  it('misses no change over a kill -9 and a restart, and knows what was confirmed', async () => {
    const etcd = await startServer();
    const { store, cache, told } = await openAll({ hosts: etcd.hosts });
    const confirmed = new Set<string>();
    const impossible = new Set<string>();
    const unknown = new Set<string>();
    let stopped = false;
    const write = async (lane: number) => {
      for (let index = 0; !stopped; index += 1) {
        const id = `w${lane}.${index}`;
        try {
          await commit(store, putCluster(id));
          confirmed.add(id);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'unreachable' });
          (error instanceof Fault && error.outcomeUnknown ? unknown : impossible).add(id);
          // A refusal comes at once: without a pause six writers would do nothing but be refused.
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
    };
    onTestFinished(() => {
      stopped = true;
    });
    const writing = Promise.all([0, 1, 2, 3, 4, 5].map(write));
    await eventually('some writes', () => confirmed.size > 60);
    await eventually('the cache follows', () => cache.query('cluster', 'default').total > 50);
    await etcd.kill9();
    await eventually('some refusals', () => impossible.size > 5);
    await eventually('the cache knows', () => cache.staleMs() > 0);
    const before = cache.query('cluster', 'default');
    expect(before.total).toBeGreaterThan(50);
    expect(before.staleMs).toBeGreaterThan(0);
    await etcd.restart();
    const after = confirmed.size;
    await eventually('writes again', () => confirmed.size > after + 20);
    stopped = true;
    await writing;
    const there = new Set(await namesIn(store));
    expect([...confirmed].filter((id) => !there.has(id))).toEqual([]);
    expect([...impossible].filter((id) => there.has(id))).toEqual([]);
    expect([...there].filter((id) => !confirmed.has(id) && !unknown.has(id))).toEqual([]);
    await eventually('in step', () => cache.staleMs() === 0 && namesCached(cache).length === there.size);
    expect(namesCached(cache)).toEqual([...there].sort());
    expect(told.filter(({ after }) => after).length).toBe(there.size);
    expect(cache.relists()).toBe(0);
    expect(await cache.compareWithStore()).toBe(true);
  });

  it('equals a full range after a compaction past its watch, and tells each difference once', async () => {
    const etcd = await startServer();
    const proxy = await startTcpProxy({ port: etcd.port });
    onTestFinished(() => proxy.close());
    const { store, cache, told } = await openAll({ hosts: [`http://127.0.0.1:${proxy.port}`] });
    const direct = openDriver({ hosts: etcd.hosts });
    const other = openStore(direct, { prefix: '/kqueen', log: silentLog });
    await cache.reached(await commit(store, putCluster('a'), putCluster('b'), putCluster('c')), 2000);
    told.length = 0;
    await proxy.setMode('refuse');
    proxy.cut();
    await eventually('out of step', () => cache.staleMs() > 0);
    await commit(other, putCluster('a', 'renamed'), { op: 'delete', ref: clusterRef('b') }, putCluster('d'));
    await commit(other, putCluster('a', 'renamed-again'));
    const last = await commit(other, putCluster('e'));
    await direct.compact(last);
    expect(namesCached(cache)).toEqual(['a', 'b', 'c']);
    await proxy.setMode('pass');
    await eventually('in step again', () => cache.staleMs() === 0);
    expect(cache.relists()).toBe(1);
    expect(namesCached(cache)).toEqual(await namesIn(other));
    expect(told.map(({ ref, before, after }) => [ref.id, before !== undefined, after !== undefined]).sort()).toEqual([
      ['a', true, true],
      ['b', true, false],
      ['d', false, true],
      ['e', false, true],
    ]);
    expect(await cache.reached(await commit(other, putCluster('f')), 2000)).toBe(true);
    expect(namesCached(cache)).toContain('f');
  });

  it('ends a put within its deadline on a server that stands still, says that the list is old, and recovers', async () => {
    const etcd = await startServer();
    const { driver, store, cache } = await openAll({ hosts: etcd.hosts });
    await cache.reached(await commit(store, putCluster('a')), 2000);
    etcd.pause();
    const start = performance.now();
    const fault = await faultFrom(store.commit([putCluster('b')]));
    expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: true });
    expect(performance.now() - start).toBeLessThan(deadlineMs + 700);
    const read = await faultFrom(store.get(clusterRef('a')));
    expect(read).toMatchObject({ kind: 'unreachable', outcomeUnknown: false });
    expect(await faultFrom(store.ready())).toMatchObject({ kind: 'unreachable' });
    await eventually('the cache knows', () => cache.staleMs() > 0, { timeoutMs: 5000 });
    expect(namesCached(cache)).toContain('a');
    expect(await faultFrom(driver.grant(5000))).toMatchObject({ kind: 'unreachable' });
    etcd.resume();
    await eventually('it answers', () => store.ready().then(() => true));
    await eventually('in step again', () => cache.staleMs() === 0);
    const revision = await commit(store, putCluster('c'));
    expect(await cache.reached(revision, 5000)).toBe(true);
    // Whether the put was done is found by looking, as the fault said.
    expect(namesCached(cache)).toEqual(await namesIn(store));
  });

  it('notices a connection that was forgotten by the other side, and makes a new one', async () => {
    const etcd = await startServer();
    const proxy = await startTcpProxy({ port: etcd.port });
    onTestFinished(() => proxy.close());
    const { cache } = await openAll({ hosts: [`http://127.0.0.1:${proxy.port}`] });
    const other = openStore(openDriver({ hosts: etcd.hosts }), { prefix: '/kqueen', log: silentLog });
    await cache.reached(await commit(other, putCluster('a')), 2000);
    await proxy.setMode('half-open');
    await eventually('out of step', () => cache.staleMs() > 0, { timeoutMs: 5000 });
    // Until it has tried new connections, too, and they are as dead as the first.
    const tried = proxy.accepted();
    await eventually('new connections', () => proxy.accepted() > tried + 1);
    const revision = await commit(other, putCluster('b'));
    expect(await cache.reached(revision, 50)).toBe(false);
    await proxy.setMode('pass');
    await eventually('in step again', () => cache.staleMs() === 0);
    expect(namesCached(cache)).toEqual(['a', 'b']);
    expect(cache.relists()).toBe(0);
  });

  it('sends a transaction once, also when its answer is lost', async () => {
    const etcd = await startServer();
    let cutNext = false;
    const proxy = await startGrpcProxy(etcd.url, {
      after: ({ path }) => {
        if (!cutNext || !path.endsWith('/Txn')) return undefined;
        cutNext = false;
        return 'cut';
      },
    });
    onTestFinished(() => proxy.close());
    const driver = openDriver({ hosts: [proxy.url] });
    const first = await put(driver, '/n', '1');
    cutNext = true;
    const fault = await faultFrom(driver.txn([{ key: '/n', revision: first }], [{ op: 'put', key: '/n', value: '2' }]));
    expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: true });
    expect(await driver.get('/n')).toMatchObject({ value: '2', version: 2 });
  });

  it('goes on with another member when one is not there', async () => {
    const etcd = await startServer();
    const dead = `http://127.0.0.1:${await freePort()}`;
    const { store, cache } = await openAll({ hosts: [dead, ...etcd.hosts] });
    await cache.reached(await commit(store, putCluster('a')), 2000);
    expect(namesCached(cache)).toEqual(['a']);
    const nobody = openDriver({ hosts: [dead, dead] });
    const fault = await faultFrom(put(nobody, '/a', '1'));
    expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: false });
  });

  it('pages through more than one message may hold', async () => {
    const etcd = await startServer();
    const driver = openDriver({ hosts: etcd.hosts, maxMessageBytes: 4 * 1024 * 1024, deadlineMs: 10_000 });
    const value = 'x'.repeat(10_000);
    for (let start = 0; start < 1000; start += 100) {
      const operations = Array.from({ length: 100 }, (_, index) => ({
        op: 'put' as const,
        key: `/big/${String(start + index).padStart(4, '0')}`,
        value,
      }));
      await driver.txn([], operations);
    }
    const page = await driver.range('/big/');
    expect(page.more).toBe(true);
    expect(page.entries.length).toBeGreaterThan(100);
    const all = await readAll(driver, '/big/');
    expect(all.map(({ key }) => key)).toEqual(
      Array.from({ length: 1000 }, (_, i) => `/big/${String(i).padStart(4, '0')}`),
    );
    // The same ten megabytes through a watch.
    const seen = recordWatch(driver, '/big/', all[0]?.revision ?? 0);
    await eventually('all of them', () => seen.events.length === 1000);
    expect(seen.down).toEqual([]);
    const tooLarge = await faultFrom(put(driver, '/huge', 'x'.repeat(3_000_000)));
    expect(tooLarge).toMatchObject({ kind: 'bad-input' });
  });

  it('says that it is full, goes on reading, and writes again once there is space', async () => {
    // Without the second flag etcd tells its size as it was up to 100 ms ago, which on a fast machine is a level behind.
    const etcd = await startServer(['--quota-backend-bytes', String(16 * 1024 * 1024), '--backend-batch-limit', '1']);
    const driver = openDriver({ hosts: etcd.hosts, quotaBytes: 16 * 1024 * 1024, deadlineMs: 10_000 });
    const space = openSpaceWatch(driver, silentLog);
    expect((await space.check()).level).toBe('ok');
    const levels = new Set<string>();
    let fault: Fault | undefined;
    for (let index = 0; index < 100 && !fault; index += 1) {
      try {
        await put(driver, '/fill', 'x'.repeat(800_000));
        levels.add((await space.check()).level);
      } catch (error) {
        fault = error as Fault;
      }
    }
    expect(fault).toMatchObject({ kind: 'capacity', outcomeUnknown: false });
    expect(fault?.next).toContain('alarm');
    expect([...levels]).toEqual(['ok', 'warn', 'alarm']);
    const status = await space.check();
    expect(status).toMatchObject({ level: 'full', alarms: ['NOSPACE'] });
    expect(space.last()).toEqual(status);
    expect((await driver.get('/fill'))?.value).toHaveLength(800_000);
    await driver.compact((await driver.status()).revision);
    const operator = new Etcd3({ hosts: etcd.hosts });
    onTestFinished(() => operator.close());
    await operator.maintenance.defragment();
    const { alarms } = await operator.maintenance.alarm({ action: AlarmAction.Get });
    for (const each of alarms) await operator.maintenance.alarm({ ...each, action: AlarmAction.Deactivate });
    await put(driver, '/fill', 'small');
    expect((await space.check()).level).toBe('ok');
  });

  it('says that its password is wrong, and keeps its session with the right one over a restart', async () => {
    const etcd = await startServer();
    const root = new Etcd3({ hosts: etcd.hosts });
    onTestFinished(() => root.close());
    await root.role('root').create();
    const user = await root.user('root').create('right');
    await user.addRole('root');
    await root.auth.authEnable();
    const wrong = openDriver({ hosts: etcd.hosts, username: 'root', password: 'hunter2' });
    const fault = await faultFrom(put(wrong, '/a', '1'));
    expect(fault).toMatchObject({ kind: 'not-allowed', outcomeUnknown: false });
    expect(`${fault.message} ${fault.detail} ${fault.next}`).not.toContain('hunter2');
    const seen = recordWatch(wrong, '/', 1);
    await eventually('the watch is told', () => seen.down[0]);
    expect(seen.down[0]).toMatchObject({ kind: 'not-allowed' });
    const nameless = openDriver({ hosts: etcd.hosts });
    expect(await faultFrom(put(nameless, '/a', '1'))).toMatchObject({ kind: 'not-allowed' });
    const { store, cache } = await openAll({ hosts: etcd.hosts, username: 'root', password: 'right' });
    expect(await cache.reached(await commit(store, putCluster('a')), 2000)).toBe(true);
    // etcd keeps its tokens in memory: after the restart the old one is worth nothing.
    await etcd.restart();
    await eventually('it answers', () => store.ready().then(() => true));
    const revision = await commit(store, putCluster('b'));
    expect(await cache.reached(revision, 5000)).toBe(true);
    await eventually('in step', () => cache.staleMs() === 0);
  });

  it('speaks TLS, and trusts the authority it was given alone', async () => {
    const etcd = await startServer();
    const { ca, cert, key } = makeTestCertificate();
    const server = createServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => {
      const upstream = connect(etcd.port, '127.0.0.1');
      socket.pipe(upstream).pipe(socket);
      socket.on('error', () => upstream.destroy());
      upstream.on('error', () => socket.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    const hosts = [`https://localhost:${address.port}`];
    const { store, cache } = await openAll({ hosts, tls: { ca } });
    expect(await cache.reached(await commit(store, putCluster('a')), 2000)).toBe(true);
    const distrustful = openDriver({ hosts });
    expect(await faultFrom(put(distrustful, '/a', '1'))).toMatchObject({ kind: 'unreachable', outcomeUnknown: false });
    expect(() => openEtcdDriver({ hosts: [...hosts, 'http://127.0.0.1:1'] })).toThrow(/all of them/);
    expect(() => openEtcdDriver({ hosts: [] })).toThrow(/Name the hosts/);
  });
});
