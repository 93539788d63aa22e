import { describe, expect, it, vi } from 'vitest';
import { createClaim } from '../../src/core/claim.ts';
import { Fault } from '../../src/core/errors.ts';
import { vanishedMessage } from '../../src/core/jobs/kind.ts';
import type { ClusterHealth } from '../../src/core/ports/kube.ts';
import type { Store } from '../../src/core/ports/store.ts';
import type { Cluster } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createHealthSweep, type SweepParts } from '../../src/jobs/health-sweep.ts';
import { createProvisionerSweep } from '../../src/jobs/provisioner-sweep.ts';
import { eventually } from '../servers.ts';
import { handClock, realClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { countingIds, mustCommit, openTestStore, putProvisioner } from './bench.ts';
import { never, type Paper, paperKube, paperProvider } from './paper.ts';
import { probed, start } from './samples.ts';

const org = 'default';
const on = new AbortController().signal;

/** A store with a provisioner and `count` Ready clusters whose kubeconfig is their id. */
async function setUp(
  count: number,
  change: Partial<SweepParts> & { look?: (id: string) => ClusterHealth | Promise<ClusterHealth> } = {},
) {
  const { look = () => probed(), ...given } = change;
  const { store, sealer, log } = openTestStore();
  const paper = paperProvider();
  const clock = given.clock ?? realClock;
  await putProvisioner(store, sealer);
  for (let index = 0; index < count; index += 1) await putCluster(`c${index}`);
  async function putCluster(id: string, changed: Partial<Cluster> = {}): Promise<void> {
    const secret = { kind: 'secret', org, id: `kubeconfig.${id}` } as const;
    await mustCommit(store, [
      {
        op: 'put',
        ref: { kind: 'cluster', org, id },
        record: sampleCluster(id, { engine: 'paper', kubeconfig: true, ...changed }),
      },
      { op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed: sealer.seal(secret, id) } },
    ]);
    paper.clusters.set(`kq-${id}`, { state: 'running', mine: true });
  }
  const parts: SweepParts = {
    ...{ store, sealer, log, clock, random: () => 0, kube: paperKube(look) },
    engines: openEngines({ engines: [paper.engine], log, clock }),
    ...given,
  };
  return { store, sealer, log, paper, parts, putCluster };
}

async function healthOf(store: Store, id: string) {
  return store.get({ kind: 'health', org, id });
}

describe('the health sweep', () => {
  it('looks at Ready clusters that no job works on, and at no others', async () => {
    const looked: string[] = [];
    const { parts, putCluster } = await setUp(2, {
      look: (id) => {
        looked.push(id);
        return probed();
      },
    });
    await putCluster('busy', { openJob: 'job1' });
    await putCluster('failed', { phase: 'Failed' });
    await putCluster('coming', { phase: 'Provisioning' });
    await createHealthSweep(parts).sweep(on);
    expect(looked.sort()).toEqual(['c0', 'c1']);
  });

  it('writes what changed, and nothing when nothing did', async () => {
    const clock = handClock(start);
    let health = probed(true, true);
    const { parts, store } = await setUp(1, { look: () => ({ ...health, at: clock.now() }), clock });
    const { sweep } = createHealthSweep(parts);
    await sweep(on);
    const first = await healthOf(store, 'c0');
    expect(first?.record).toMatchObject({ verdict: 'Healthy', changes: 0 });
    await clock.advance(30_000);
    await sweep(on);
    expect(await healthOf(store, 'c0')).toEqual(first);
    health = probed(true, false);
    await sweep(on);
    expect((await healthOf(store, 'c0'))?.record).toMatchObject({ verdict: 'Degraded', changes: 1 });
    const cluster = await store.get({ kind: 'cluster', org, id: 'c0' });
    expect(cluster?.record.phase).toBe('Ready');
  });

  it('writes an unchanged record again before it grows old, so that "last seen" is true', async () => {
    const clock = handClock(start);
    const { parts, store } = await setUp(1, { look: () => probed(true, true, clock.now()), clock });
    const { sweep } = createHealthSweep(parts);
    await sweep(on);
    await clock.advance(601_000);
    await sweep(on);
    expect((await healthOf(store, 'c0'))?.record).toMatchObject({ at: start + 601_000, changes: 0 });
  });

  it('lets hung clusters cost their own place and time only, and holds at most 16 at once', async () => {
    let running = 0;
    let most = 0;
    const { parts, store } = await setUp(60, {
      async look(id) {
        running += 1;
        most = Math.max(most, running);
        try {
          // Three that hang for ever, two that refuse.
          if (/^c(7|21|40)$/.test(id)) return await never;
          if (/^c(8|9)$/.test(id)) throw new Fault('unreachable', 'Connection refused.');
          await new Promise((resolve) => setTimeout(resolve, 10));
          return probed();
        } finally {
          running -= 1;
        }
      },
    });
    const begun = performance.now();
    await createHealthSweep({ ...parts, limits: { clusterMs: 700 } }).sweep(on);
    const took = performance.now() - begun;
    expect(took).toBeGreaterThan(690);
    expect(took).toBeLessThan(2_000);
    expect(most).toBe(16);
    const verdicts = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => (await healthOf(store, `c${index}`))?.record.verdict),
    );
    expect(verdicts.filter((verdict) => verdict === 'Healthy')).toHaveLength(55);
    expect(verdicts.filter((verdict) => verdict === 'Unreachable')).toHaveLength(5);
    const hung = await healthOf(store, 'c7');
    expect(hung?.record.conditions[0]).toMatchObject({
      status: 'False',
      message: 'The cluster did not answer within 1 s.',
    });
  });

  it('gives no record back to a cluster that was deleted during the look', async () => {
    const { parts, store } = await setUp(1, {
      look: async (id) => {
        await mustCommit(store, [{ op: 'delete', ref: { kind: 'cluster', org, id } }]);
        return probed();
      },
    });
    await createHealthSweep(parts).sweep(on);
    expect(await healthOf(store, 'c0')).toBeUndefined();
  });

  it('believes that a cluster vanished when the provider says so twice, and takes it back when it is there again', async () => {
    const { parts, store, paper } = await setUp(2);
    const { sweep } = createHealthSweep({ ...parts, limits: { observeEvery: 2 } });
    const phases = async () =>
      Promise.all(['c0', 'c1'].map(async (id) => (await store.get({ kind: 'cluster', org, id }))?.record.phase));
    paper.clusters.delete('kq-c0');
    await sweep(on);
    expect(await phases()).toEqual(['Ready', 'Ready']);
    await sweep(on);
    expect(await phases()).toEqual(['Ready', 'Ready']);
    await sweep(on);
    expect(await phases()).toEqual(['Unknown', 'Ready']);
    expect((await store.get({ kind: 'cluster', org, id: 'c0' }))?.record.failure?.message).toBe(vanishedMessage);
    paper.clusters.set('kq-c0', { state: 'running', mine: true });
    await sweep(on);
    expect(await phases()).toEqual(['Ready', 'Ready']);
    expect((await store.get({ kind: 'cluster', org, id: 'c0' }))?.record.failure).toBeUndefined();
  });

  it('reads no error of the provider as vanished', async () => {
    const { parts, store, paper } = await setUp(1);
    const { sweep } = createHealthSweep({ ...parts, limits: { observeEvery: 1 } });
    paper.before.observe = () => {
      throw new Fault('not-found', 'The project is gone.');
    };
    for (let count = 0; count < 5; count += 1) await sweep(on);
    expect((await store.get({ kind: 'cluster', org, id: 'c0' }))?.record.phase).toBe('Ready');
  });

  it('ends between two clusters when its claim is lost', async () => {
    let looks = 0;
    const { parts } = await setUp(20, {
      look: () => {
        looks += 1;
        return probed();
      },
    });
    await createHealthSweep({ ...parts, limits: { atOnce: 1 } }).sweep(on, () => looks < 3);
    expect(looks).toBe(3);
  });
});

describe('the claim on the sweeps', () => {
  it('is held by one at a time, and goes to another when its holder releases it or dies', async () => {
    const { store } = openTestStore();
    const newId = countingIds();
    const [one, two] = [
      createClaim({ store, newId, org: 'default' }, 'sweeps', 1_000),
      createClaim({ store, newId, org: 'default' }, 'sweeps', 1_000),
    ];
    expect(await one.hold()).toBe(true);
    expect(await two.hold()).toBe(false);
    expect(await one.hold()).toBe(true);
    await one.release();
    expect(await two.hold()).toBe(true);
    expect(await one.hold()).toBe(false);
    // Two does not keep it alive any more.
    await eventually('the end of the lease', () => one.hold(), { timeoutMs: 5_000, everyMs: 100 });
    expect(await two.hold()).toBe(false);
  });
});

describe('the provisioner sweep', () => {
  async function checked(before: Paper['before']['check'], change: Parameters<typeof putProvisioner>[2] = {}) {
    const { parts, store, sealer, paper } = await setUp(0, { clock: handClock(start) });
    await putProvisioner(store, sealer, change);
    if (before) paper.before.check = before;
    const { sweep } = createProvisionerSweep(parts, { checkMs: 5_000 });
    await sweep(on);
    const get = () => store.get({ kind: 'provisioner', org, id: 'p1' });
    return { sweep, get, found: await get(), paper, clock: parts.clock as ReturnType<typeof handClock> };
  }

  it('keeps the result, and writes nothing while it stays the same', async () => {
    const { sweep, get, found, clock } = await checked(undefined, { state: 'Unknown' });
    expect(found?.record).toMatchObject({ state: 'OK', checkedAt: start, facts: [{ label: 'Quota', value: '10' }] });
    await clock.advance(300_000);
    await sweep(on);
    expect((await get())?.revision).toBe(found?.revision);
  });

  it.each([
    { name: 'bad credentials', thrown: new Fault('not-allowed', 'No.', { next: 'Renew it.' }), state: 'Error' },
    { name: 'nobody there', thrown: new Fault('unreachable', 'Refused.'), state: 'Unreachable' },
  ])('tells $name apart', async ({ thrown, state }) => {
    const { found } = await checked(
      () => {
        throw thrown;
      },
      { facts: [{ label: 'Quota', value: '9' }] },
    );
    expect(found?.record).toMatchObject({ state, message: thrown.message, facts: [{ label: 'Quota', value: '9' }] });
    expect(found?.record.next).toBe(thrown.next);
  });

  it('is through although a provider hangs', async () => {
    const { parts, store, paper } = await setUp(0, { clock: realClock });
    paper.before.check = () => never;
    await createProvisionerSweep(parts, { checkMs: 300 }).sweep(on);
    expect((await store.get({ kind: 'provisioner', org, id: 'p1' }))?.record.state).toBe('Unreachable');
  });

  it('drops a result about parameters that were edited meanwhile', async () => {
    const { parts, store, sealer, paper } = await setUp(0);
    paper.before.check = () => putProvisioner(store, sealer, { paramsVersion: '2', state: 'Unknown' });
    await createProvisionerSweep(parts).sweep(on);
    await vi.waitFor(async () => {
      const found = await store.get({ kind: 'provisioner', org, id: 'p1' });
      expect(found?.record).toMatchObject({ paramsVersion: '2', state: 'Unknown' });
    });
  });
});
