/** What was changed at a provider by hand: seen by one list, shown, accepted, and gone when it is as before. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { driftOf, type Shown } from '../../src/core/drift.ts';
import { Fault } from '../../src/core/errors.ts';
import type { Engine, ExternalCluster } from '../../src/core/ports/engine.ts';
import type { Cluster } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { manual } from '../../src/engines/manual/index.ts';
import { createDriftLook } from '../../src/jobs/drift.ts';
import { createHealthSweep } from '../../src/jobs/health-sweep.ts';
import { openProvisioners } from '../../src/jobs/provisioners.ts';
import { openStage, org, type Stage, words } from '../core/stage.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { handClock, realClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { mustCommit, openTestStore, putProvisioner } from './bench.ts';
import { paperKube, paperProvider } from './paper.ts';
import { start } from './samples.ts';

const on = new AbortController().signal;

describe('a difference', () => {
  const pool = (name: string, nodes: number, more = {}) => ({ name, nodes, ...more });
  const known = { version: '1.33.6', nodes: 3, pools: [pool('default', 3)] };
  const as = (change: Partial<Shown> = {}): Shown => ({ state: 'running', mark: 'ours', ...known, ...change });
  const auto = { autoscale: { min: 1, max: 5 } };

  it.each<[string, Partial<Cluster>, Shown, string[] | null]>([
    ['none', known, as(), []],
    ['nodes', known, as({ nodes: 5, pools: [pool('default', 5)] }), ['Nodes: 3 → 5, changed at the provider']],
    ['nodes in sum', { nodes: 3 }, as({ nodes: 5, pools: undefined }), ['Nodes: 3 → 5, changed at the provider']],
    ['a version', known, as({ version: '1.34.2' }), ['Kubernetes: 1.33.6 → 1.34.2, changed at the provider']],
    [
      'a pool more',
      known,
      as({ nodes: 4, pools: [pool('default', 3), pool('gpu', 1)] }),
      ['Pool gpu: added at the provider, with 1 node'],
    ],
    [
      'a pool less',
      { ...known, pools: [pool('default', 2), pool('gpu', 1)] },
      as({ pools: [pool('default', 2)] }),
      ['Pool gpu: removed at the provider'],
    ],
    [
      'nodes of one pool of two',
      { pools: [pool('a', 2), pool('b', 1)] },
      as({ pools: [pool('a', 2), pool('b', 4)] }),
      ['Nodes of pool b: 1 → 4, changed at the provider'],
    ],
    [
      "the provider's autoscaler at work",
      { pools: [pool('default', 3, auto)], nodes: 3 },
      as({ nodes: 5, pools: [pool('default', 5, auto)] }),
      [],
    ],
    [
      "the provider's autoscaler turned on",
      known,
      as({ pools: [pool('default', 3, auto)] }),
      ['Autoscaling: off → 1 to 5, changed at the provider'],
    ],
    [
      'the machine type',
      { pools: [pool('default', 3, { size: 'small' })] },
      as({ pools: [pool('default', 3, { size: 'big' })] }),
      ['Machine type: small → big, changed at the provider'],
    ],
    ['stopped', known, as({ state: 'stopped', nodes: 0 }), ['State: running → stopped, changed at the provider']],
    ['stopped as asked', { ...known, stopped: true }, as({ state: 'stopped', nodes: 0 }), []],
    ['started', { ...known, stopped: true }, as(), ['State: stopped → running, changed at the provider']],
    ['an error', known, as({ state: 'error' }), ['State: the provider reports an error']],
    ['a deletion', known, as({ state: 'deleting' }), ['State: being deleted, and not by KQueen']],
    ['the mark', known, as({ mark: 'gone' }), ["KQueen's mark: taken away at the provider"]],
    ["another's mark", known, as({ mark: 'other' }), ["KQueen's mark: replaced by another's at the provider"]],
    ['what was never known', {}, as({ nodes: 9, version: '1.30.0', pools: undefined }), []],
    ['what the list does not tell', known, { state: 'running', mark: 'ours' }, []],
    ['nothing while it is changed', known, as({ state: 'updating', nodes: 9 }), null],
    ['nothing of what is not known', known, as({ state: 'unknown', nodes: 9 }), null],
  ])('is %s', (_name, record, shown, wanted) => {
    expect(driftOf(sampleCluster('c1', record), shown)).toEqual(wanted);
  });
});

describe('the comparison with a list', () => {
  const clusterRef = (id: string) => ({ kind: 'cluster', org, id }) as const;

  async function setUp(count: number, change: Partial<Cluster> = {}) {
    const { store, sealer, log } = openTestStore();
    const paper = paperProvider();
    const clock = handClock(start);
    const listed: ExternalCluster[] = [];
    const hooks = { list: async (): Promise<void> => undefined };
    const engine: Engine = {
      ...paper.engine,
      connect: async (params) => ({
        ...(await paper.engine.connect(params)),
        async list() {
          paper.calls.push('list');
          await hooks.list();
          return structuredClone(listed);
        },
      }),
    };
    await putProvisioner(store, sealer);
    for (let index = 0; index < count; index += 1) {
      const id = `c${index}`;
      const record = sampleCluster(id, {
        engine: 'paper',
        nodes: 3,
        version: '1.33.6',
        externalId: `x-${id}`,
        ...change,
      });
      await mustCommit(store, [{ op: 'put', ref: clusterRef(id), record }]);
      listed.push({
        externalName: `kq-${id}`,
        externalId: `x-${id}`,
        cluster: id,
        org,
        state: 'running',
        nodes: 3,
        version: '1.33.6',
      });
    }
    const engines = openEngines({ engines: [engine, manual], log, clock });
    const drift = createDriftLook({ store, sealer, engines, clock, log, provisioners: openProvisioners(store, clock) });
    const all = async () => (await store.page('cluster', org, { limit: 500 })).items;
    const look = async () =>
      drift.look(
        (await all()).map(({ record }) => record),
        on,
      );
    const at = (index: number): ExternalCluster => listed[index] ?? { externalName: '', state: 'unknown' };
    return { store, sealer, engines, clock, log, paper, listed, hooks, look, all, at };
  }

  it('asks once for all clusters of a provisioner, and about none of them', async () => {
    const { look, paper, all } = await setUp(40);
    const before = await all();
    expect(await look()).toEqual(new Set());
    expect(paper.calls.filter((call) => call !== 'connect')).toEqual(['list']);
    // Nothing to say: nothing is written.
    expect(await all()).toEqual(before);
  });

  it('writes what differs once, keeps since when, and takes it back', async () => {
    const { look, at, all, clock } = await setUp(2);
    at(0).nodes = 5;
    await look();
    const [changed, same] = await all();
    expect(changed?.record.drift).toEqual({ at: start, changes: ['Nodes: 3 → 5, changed at the provider'] });
    expect(same?.record.drift).toBeUndefined();
    await clock.advance(300_000);
    await look();
    expect((await all())[0]?.revision).toBe(changed?.revision);
    at(0).version = '1.34.2';
    await look();
    expect((await all())[0]?.record.drift).toMatchObject({
      at: start,
      changes: [/Kubernetes/, /Nodes/].map((each) => expect.stringMatching(each)),
    });
    Object.assign(at(0), { nodes: 3, version: '1.33.6' });
    await look();
    expect((await all())[0]?.record.drift).toBeUndefined();
  });

  it('leaves what it does not find to a look of its own', async () => {
    const { look, listed, at, all } = await setUp(4);
    // Gone; under its name somebody else's; the same one without a mark; the same one, renamed.
    listed.splice(0, 1);
    Object.assign(at(0), { cluster: 'stranger', externalId: 'y-1' });
    delete at(1).cluster;
    at(2).externalName = 'renamed';
    expect(await look()).toEqual(new Set(['c0', 'c1']));
    expect((await all()).map(({ record }) => record.drift?.changes)).toEqual([
      undefined,
      undefined,
      ["KQueen's mark: taken away at the provider"],
      undefined,
    ]);
  });

  it('says nothing of a cluster that a job has changed while the list was on its way', async () => {
    const { look, at, hooks, store, all } = await setUp(1);
    at(0).nodes = 5;
    hooks.list = async () => {
      const held = await store.get(clusterRef('c0'));
      if (held) await mustCommit(store, [{ op: 'put', ref: held.ref, record: { ...held.record, nodes: 5 } }]);
    };
    await look();
    expect((await all())[0]?.record).toMatchObject({ nodes: 5 });
    expect((await all())[0]?.record.drift).toBeUndefined();
  });

  it('reads no failure of the provider as a change', async () => {
    const { look, hooks, all } = await setUp(3);
    const before = await all();
    hooks.list = async () => {
      throw new Fault('unreachable', 'Refused.');
    };
    expect(await look()).toEqual(new Set());
    // Who may see clusters and not the list of them can still be asked about each.
    hooks.list = async () => {
      throw new Fault('not-allowed', 'No right to list.');
    };
    expect(await look()).toEqual(new Set(['c0', 'c1', 'c2']));
    expect(await all()).toEqual(before);
  });

  it('is through although a provider hangs', async () => {
    const { store, sealer, engines, log, hooks, all } = await setUp(1);
    hooks.list = () => new Promise(() => {});
    const parts = { store, sealer, engines, log, clock: realClock, provisioners: openProvisioners(store, realClock) };
    const records = (await all()).map(({ record }) => record);
    const begun = performance.now();
    await createDriftLook(parts, { atOnce: 1, listMs: 200 }).look(records, on);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it('asks nobody about clusters that were imported', async () => {
    const { look, paper } = await setUp(1, { engine: 'manual', origin: 'imported' });
    expect(await look()).toEqual(new Set());
    expect(paper.calls).toEqual([]);
  });

  it('is made in every n-th sweep, and what is missing is confirmed before it is believed', async () => {
    const { store, sealer, engines, clock, log, listed, paper } = await setUp(2);
    const limits = { observeEvery: 3 };
    const sweep = createHealthSweep({ store, sealer, engines, clock, log, kube: paperKube(), limits, random: () => 0 });
    for (let count = 0; count < 6; count += 1) await sweep.sweep(on);
    expect(paper.calls.filter((call) => call === 'list')).toHaveLength(2);
    expect(paper.calls).not.toContain('observe');
    listed.splice(0, 1);
    paper.clusters.set('kq-c0', { state: 'running', mine: true });
    for (let count = 0; count < 3; count += 1) await sweep.sweep(on);
    expect(paper.calls.filter((call) => call === 'observe')).toHaveLength(1);
    // The list was behind; the cluster itself is there.
    expect((await store.get(clusterRef('c0')))?.record.phase).toBe('Ready');
    paper.clusters.clear();
    for (let count = 0; count < 4; count += 1) await sweep.sweep(on);
    expect((await store.get(clusterRef('c0')))?.record.phase).toBe('Unknown');
    expect((await store.get(clusterRef('c1')))?.record.phase).toBe('Ready');
  });
});

describe('a cluster of the sandbox provider, changed by hand', () => {
  let provider: SandboxProvider;
  let stage: Stage;
  let sweep: () => Promise<void>;
  let external = '';

  beforeAll(async () => {
    provider = await startSandboxProvider(400);
  });
  afterAll(() => provider.stop());
  beforeEach(async () => {
    stage = await openStage({ provider, worker: true });
    const plan = await stage.say(
      'anna',
      'cluster create dev-1 on sandbox region=sandbox-north version=1.33.6 size=small nodes=2',
    );
    await stage.press('anna', plan, 'Create it');
    const cluster = await eventually(
      'it is ready',
      async () => {
        const found = await stage.cluster('dev-1');
        return found?.phase === 'Ready' ? found : null;
      },
      { timeoutMs: 30_000 },
    );
    external = cluster.externalName;
    const { store, cache, sealer } = stage.opened;
    const { engines, kube, clock } = stage.parts;
    const health = createHealthSweep({
      store,
      cache,
      sealer,
      engines,
      kube,
      clock,
      log: stage.log,
      limits: { observeEvery: 1 },
      random: () => 0,
    });
    sweep = async () => {
      // The sweep reads from memory: it has to know what the store knows.
      await eventually('the cache is in step', async () => {
        const held = await stage.cluster('dev-1');
        return JSON.stringify(cache.get({ kind: 'cluster', org, id: held?.id ?? '' })) === JSON.stringify(held);
      });
      await health.sweep(on);
    };
  });
  afterEach(async () => {
    await stage.close();
    await provider.ask('DELETE', `/v1/clusters/${external}`);
  });

  const settled = () =>
    eventually(
      'the change at the provider is through',
      async () => {
        const { status } = (await provider.ask('GET', `/v1/clusters/${external}`)) as { status: string };
        return status === 'RUNNING';
      },
      { timeoutMs: 20_000 },
    );

  async function scaleByHand(nodes: number): Promise<void> {
    await provider.ask('PATCH', `/v1/clusters/${external}`, { nodes });
    await settled();
  }

  it('shows it, and is as before when the change is taken back', async () => {
    await sweep();
    expect((await stage.cluster('dev-1'))?.drift).toBeUndefined();
    await scaleByHand(3);
    await sweep();
    expect((await stage.cluster('dev-1'))?.drift?.changes).toEqual(['Nodes: 2 → 3, changed at the provider']);
    await eventually('it is shown', async () =>
      words(await stage.say('dev', 'cluster show dev-1')).includes('Nodes: 2 → 3, changed at the provider'),
    );
    const show = await stage.say('dev', 'cluster show dev-1');
    expect(show.card?.tone).toBe('warn');
    expect(words(await stage.say('dev', 'clusters'))).toMatch(/Ready, [a-z, ]*changed by hand/);
    const offered = async (who: 'dev' | 'anna') =>
      (await stage.say(who, 'cluster show dev-1')).card?.buttons.map(({ label }) => label);
    expect(await offered('anna')).toContain('Accept');
    expect(await offered('dev')).not.toContain('Accept');
    await scaleByHand(2);
    await sweep();
    expect((await stage.cluster('dev-1'))?.drift).toBeUndefined();
  });

  it('takes it over when that is accepted, by its owner, as it was seen', async () => {
    await scaleByHand(3);
    await sweep();
    expect((await stage.say('mel', 'cluster accept dev-1')).card?.title).toBe('Not allowed');
    const plan = await stage.say('anna', 'cluster accept dev-1');
    expect(words(plan)).toMatch(/Nodes: 2 → 3.*/);
    expect((await stage.cluster('dev-1'))?.nodes).toBe(2);
    // It moves on between looking and accepting.
    await scaleByHand(4);
    const moved = await stage.press('anna', plan, 'Accept it');
    expect(words(moved)).toMatch(/changed again.*Nodes: 2 → 4/s);
    expect((await stage.cluster('dev-1'))?.nodes).toBe(2);
    const done = await stage.press('anna', moved, 'Accept it');
    expect(done.card?.title).toBe('Accepted on dev-1');
    const cluster = await stage.cluster('dev-1');
    expect(cluster).toMatchObject({ nodes: 4, spec: { nodes: 4 }, summary: expect.stringContaining('4 ×') });
    expect(cluster?.drift).toBeUndefined();
    await sweep();
    expect((await stage.cluster('dev-1'))?.drift).toBeUndefined();
    expect(words(await stage.say('anna', 'cluster accept dev-1'))).toMatch(/nothing to accept/);
    expect((await stage.audit()).filter(({ action }) => action === 'cluster.accept')).toMatchObject([
      { outcome: 'refused' },
      { outcome: 'done', subject: 'dev-1' },
    ]);
  });

  it('does not take over that somebody deletes it', async () => {
    await provider.ask('PUT', '/v1/admin/faults', [{ operation: 'delete', times: 1, effect: { stuckAtPercent: 30 } }]);
    await provider.ask('DELETE', `/v1/clusters/${external}`);
    await sweep();
    expect((await stage.cluster('dev-1'))?.drift?.changes).toEqual(['State: being deleted, and not by KQueen']);
    expect(words(await stage.say('anna', 'cluster accept dev-1'))).toMatch(/nothing in that to take over/);
    await provider.ask('DELETE', '/v1/admin/faults');
  });

  it('says that its mark is gone, and does not read that as gone itself', async () => {
    const found = (await provider.ask('GET', `/v1/clusters/${external}`)) as {
      labels: object;
      labelFingerprint: string;
    };
    await provider.ask('PATCH', `/v1/clusters/${external}`, { labels: {}, labelFingerprint: found.labelFingerprint });
    await sweep();
    await sweep();
    expect(await stage.cluster('dev-1')).toMatchObject({
      phase: 'Ready',
      drift: { changes: ["KQueen's mark: taken away at the provider"] },
    });
    expect(words(await stage.say('anna', 'cluster accept dev-1'))).toMatch(/does not carry KQueen's mark/);
    const discover = words(await stage.say('anna', 'provisioner discover sandbox'));
    expect(discover).toMatch(/dev-1 of Anna, but its mark is gone/);
  });
});
