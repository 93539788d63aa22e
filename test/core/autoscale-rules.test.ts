/** Who may set a rule of autoscaling, what is refused, and that nothing is done for a cluster that is busy, stopped or silent. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cluster, Job, ScalingRule } from '../../src/core/records.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { createAutoscaleSweep } from '../../src/jobs/autoscale-sweep.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { channel, clusterChanges, openStage, org, people, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
const spec = { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 3 };
const rule: ScalingRule = {
  ...{ min: 2, max: 4, waitMs: 30_000, use: 0.5, idleMs: 600_000 },
  ...{ by: people.grace.id, byName: 'Grace', at: 1, place: channel },
};

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  stage = await openStage({ provider, worker: true });
  await running();
});
afterEach(() => stage.close());

/** A running cluster of Dev's, as its records show it. */
async function running(change: Partial<Cluster> = {}): Promise<void> {
  const at = stage.opened.cache.query('provisioner', org).items[0];
  const cluster = sampleCluster('c1', {
    ...{ name: 'dev-1', externalName: 'dev-1-abc', owner: people.dev.id, ownerName: 'Dev', purpose: 'development' },
    ...{ provisioner: at?.id ?? 'none', spec, summary: sandbox.describe(spec), version: '1.34.2', nodes: 3 },
    kubeconfig: true,
    ...change,
  });
  await stage.put(...clusterChanges(cluster));
}

const jobs = async (): Promise<Job[]> =>
  (await stage.opened.store.page('job', org, { limit: 100 })).items.map(({ record }) => record);
const ended = () =>
  eventually('the job ends', async () => {
    const job = await stage.lastJob();
    return job.endedAt === undefined ? null : job;
  });
const scaling = async () => (await stage.cluster('dev-1'))?.scaling?.default;

describe('setting a rule', () => {
  test('a member asks for more nodes than there are, and an admin decides on the rule', async () => {
    const asked = await stage.say('dev', 'cluster autoscale dev-1 min=2 max=6');
    expect(words(asked)).toMatch(/is asked for; an admin decides/);
    const job = await stage.lastJob();
    expect(job).toMatchObject({ state: 'AwaitingApproval', scaling: { pool: 'default', rule: { min: 2, max: 6 } } });
    expect(await scaling()).toBeUndefined();
    expect(words(await stage.say('anna', `approve ${job.id}`))).toMatch(/You have approved/);
    expect(await ended()).toMatchObject({ state: 'Succeeded', note: /between 2 and 6 nodes/ as unknown as string });
    expect(await scaling()).toMatchObject({ min: 2, max: 6, byName: 'Dev' });
    const facts = words(await stage.say('dev', 'cluster show dev-1'));
    expect(facts).toMatch(/default by KQueen itself, 2 to 6 nodes/);
  });

  test('within what is there already nobody has to agree; in production somebody always has to', async () => {
    await stage.press(
      'dev',
      await stage.say('dev', 'cluster autoscale dev-1 min=1 max=3 use=40 idle=20 wait=60'),
      'Set it',
    );
    await ended();
    expect(await scaling()).toMatchObject({ use: 0.4, idleMs: 1_200_000, waitMs: 60_000 });
    expect(words(await stage.say('dev', 'cluster autoscale dev-1 min=1 max=3 use=40 idle=20 wait=60'))).toMatch(
      /Nothing to change/,
    );
    await running({ purpose: 'production' });
    expect(words(await stage.say('grace', 'cluster autoscale dev-1 min=1 max=3'))).toMatch(/is asked for/);
  });

  test.each<[string, RegExp]>([
    ['min=4 max=2', /At least 4 and at most 2 do not go together/],
    ['min=1 max=99', /99 is not possible/],
    ['min=0 max=3', /0 is not possible: default takes 1 to 20 nodes/],
    ['min=1 max=3 pool=other', /There is no node pool other/],
    ['min=1 max=3 use=99', /use|95/],
    ['off', /KQueen does not scale default/],
    ['why', /Say between how many nodes it may/],
  ])('%s', async (typed, says) => {
    expect(words(await stage.say('grace', `cluster autoscale dev-1 ${typed}`))).toMatch(says);
    expect(await jobs()).toEqual([]);
  });

  test('who may not change the cluster may not set a rule, nor read why', async () => {
    for (const line of ['cluster autoscale dev-1 min=1 max=3', 'cluster autoscale dev-1 why'])
      expect(words(await stage.say('mel', line))).toMatch(/Only its owner or an admin/);
  });

  test('a person does not scale past a rule by mistake', async () => {
    await running({ scaling: { default: rule } });
    expect(words(await stage.say('grace', 'cluster scale dev-1 nodes=6'))).toMatch(
      /KQueen itself scales default, between 2 to 4 nodes, and 6 is outside/,
    );
    expect((await stage.say('grace', 'cluster scale dev-1 nodes=4')).card?.title).toBe('Scale cluster dev-1?');
  });
});

describe('nothing is done', () => {
  const sweepOnce = async () => {
    const { store, cache, sealer } = stage.opened;
    const { engines, kube, queue, newId, log } = stage.parts;
    const made = createAutoscaleSweep({ store, cache, sealer, engines, kube, queue, clock: realClock, newId, log });
    await made.sweep(new AbortController().signal);
  };
  const seen = async () => (await stage.opened.store.get({ kind: 'autoscale', org, id: 'c1' }))?.record;

  test.each<[string, Partial<Cluster>]>([
    ['stopped', { stopped: true }],
    ['held by a job', { openJob: 'other' }],
    ['being changed', { phase: 'Updating' }],
    ['only looked at', { readOnly: true }],
    ['without a rule', {}],
    ['without credentials', { kubeconfig: false, scaling: { default: rule } }],
  ])('for a cluster that is %s', async (about, change) => {
    await running({ ...(about === 'without a rule' ? {} : { scaling: { default: rule } }), ...change });
    await sweepOnce();
    expect(await seen()).toBeUndefined();
    expect(await jobs()).toEqual([]);
  });

  test('for one that does not answer, and what was seen of it before stays as it was', async () => {
    const { sealer } = stage.opened;
    const ref = { kind: 'secret', org, id: 'kubeconfig.c1' } as const;
    const nobody =
      'apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n';
    const kubeconfig = `${nobody}clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]\nusers: [{name: a, user: {token: t}}]\n`;
    await stage.put({ op: 'put', ref, record: { v: 1, id: ref.id, org, sealed: sealer.seal(ref, kubeconfig) } });
    await running({ scaling: { default: rule } });
    await sweepOnce();
    expect(await seen()).toBeUndefined();
    expect(await jobs()).toEqual([]);
    expect(JSON.stringify(stage.log.lines)).toMatch(/autoscaling could not look/);
  });
});
