/** Changes of a running cluster as a person asks for them: what is refused, what is shown, who decides, what is asked of a worker. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Capabilities, Engine, NodePool } from '../../src/core/ports/engine.ts';
import { type Cluster, endedStates, type Job } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog, sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, org, people, type Stage, type StageOptions, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;

const spec = { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 3 };

/** A running cluster of Dev's on the sandbox, as its records show it. */
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

/** The sandbox with other powers, for what it cannot do itself. */
function engineWith(capabilities: Partial<Capabilities>, pools?: NodePool[]): Pick<StageOptions, 'parts'> {
  const engine: Engine = {
    ...sandbox,
    capabilities: { ...sandbox.capabilities, ...capabilities },
    ...(pools ? { pools: () => pools } : {}),
    after: (before, { autoscale: _autoscale, power: _power, pool: _pool, ...update }) => sandbox.after(before, update),
  };
  return { parts: { engines: openEngines({ engines: [engine], log: keepingLog(), clock: realClock }) } };
}

async function reopen(options: StageOptions): Promise<void> {
  await stage.close();
  stage = await openStage({ provider, ...options });
}

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  stage = await openStage({ provider });
  await running();
});
afterEach(() => stage.close());

const jobs = async () => (await stage.opened.store.page('job', org)).items.length;

describe('cluster scale', () => {
  test('shows before and after, and does what was seen', async () => {
    const plan = await stage.say('grace', 'cluster scale dev-1 nodes=5');
    expect(plan.card?.title).toBe('Scale cluster dev-1?');
    expect(words(plan)).toMatch(/3 → 5/);
    expect(words(plan)).toMatch(/\$0\.\d\d → \$0\.\d\d an hour, about \$\d+ → \$\d+ a month/);
    expect(words(plan)).toMatch(/Nobody: nodes are added/);
    expect(await jobs()).toBe(0);
    const asked = await stage.press('grace', plan, 'Scale it');
    expect(words(asked)).toMatch(/is being scaled/);
    const job = await stage.lastJob();
    expect(job).toMatchObject({
      ...{ kind: 'cluster.scale', state: 'Queued', update: { nodes: 5 }, nodes: 5, clusterName: 'dev-1' },
      command: 'cluster scale dev-1 5',
    });
    expect(await stage.cluster('dev-1')).toMatchObject({ openJob: job.id, phase: 'Ready', spec: { nodes: 3 } });
    expect((await stage.audit()).map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'cluster.scale requested',
    ]);
  });

  test.each([
    ['+2', 5],
    ['-1', 2],
    ['7', 7],
  ])('nodes=%s becomes absolute in the plan', async (typed, nodes) => {
    const plan = await stage.say('grace', `cluster scale dev-1 nodes=${typed}`);
    expect(plan.card?.buttons[0]?.command).toMatch(new RegExp(`^cluster scale dev-1 ${nodes} plan=`));
  });

  test('a member only asks for more nodes, and an admin sees the plan as it is then', async () => {
    const asked = await stage.say('dev', 'cluster scale dev-1 nodes=5');
    expect(words(asked)).toMatch(/is asked for; an admin decides/);
    const job = await stage.lastJob();
    expect(job).toMatchObject({ state: 'AwaitingApproval', plan: { approval: { needed: true } } });
    await stage.say('grace', `approve ${job.id} plan=${job.plan.hash}`);
    expect(await stage.lastJob()).toMatchObject({ state: 'Queued' });
  });

  test('approval of a plan that has moved is refused with the new one', async () => {
    await stage.say('dev', 'cluster scale dev-1 nodes=5');
    const job = await stage.lastJob();
    const found = await stage.cluster('dev-1');
    if (!found) throw new Error('no cluster');
    await stage.put(...clusterChanges({ ...found, spec: { ...spec, size: 'large' }, summary: '3 × large' }));
    const stale = await stage.say('grace', `approve ${job.id} plan=${job.plan.hash}`);
    expect(stale.card?.title).toMatch(/the plan has changed/);
    expect(await stage.lastJob()).toMatchObject({ state: 'AwaitingApproval' });
    await stage.press('grace', stale, 'Approve the new plan');
    expect(await stage.lastJob()).toMatchObject({ state: 'Queued' });
  });

  test('denied or cancelled, the cluster is free and as it was', async () => {
    for (const end of [
      ['grace', 'deny JOB because no'],
      ['dev', 'job cancel JOB'],
    ] as const) {
      await stage.say('dev', 'cluster scale dev-1 nodes=5');
      const { id } = await stage.lastJob();
      await stage.say(end[0], end[1].replace('JOB', id));
      const cluster = await stage.cluster('dev-1');
      expect(cluster).toMatchObject({ phase: 'Ready', spec: { nodes: 3 } });
      expect(cluster).not.toHaveProperty('openJob');
    }
  });

  test('a member makes their own cluster smaller without asking; a production cluster needs another admin', async () => {
    const own = await stage.say('dev', 'cluster scale dev-1 nodes=1');
    expect(own.card?.title).toBe('Scale cluster dev-1?');
    await running({ purpose: 'production' });
    await stage.say('grace', 'cluster scale dev-1 nodes=1');
    expect(await stage.lastJob()).toMatchObject({ state: 'AwaitingApproval' });
    expect(words(await stage.say('grace', `approve ${(await stage.lastJob()).id}`))).toMatch(/another person decides/);
  });

  test('the same wish again shows the job; another wish is told that the cluster is busy', async () => {
    await stage.say('dev', 'cluster scale dev-1 nodes=5');
    expect(words(await stage.say('dev', 'cluster scale dev-1 nodes=5'))).toMatch(/asked for this already/);
    expect(words(await stage.say('dev', 'cluster scale dev-1 nodes=6'))).toMatch(/is busy: scale asked for by Dev/);
    expect(words(await stage.say('grace', 'cluster scale dev-1 nodes=5'))).toMatch(/is busy/);
    expect(await jobs()).toBe(1);
  });

  test('a plan that no longer holds is shown anew and nothing is done', async () => {
    const plan = await stage.say('grace', 'cluster scale dev-1 nodes=5');
    const cluster = await stage.cluster('dev-1');
    if (!cluster) throw new Error('no cluster');
    await stage.put(...clusterChanges({ ...cluster, spec: { ...spec, nodes: 4 } }));
    const moved = await stage.press('grace', plan, 'Scale it');
    expect(moved.card?.title).toMatch(/the plan has changed/);
    expect(await jobs()).toBe(0);
  });

  test.each<[string, string, RegExp]>([
    ['too many', 'nodes=21', /21 is not possible: default takes 1 to 20 nodes/],
    ['none', 'nodes=0', /0 is not possible/],
    ['fewer than none', 'nodes=-5', /-2 is not possible/],
    ['no number', 'nodes=many', /Write a number/],
    ['another pool', 'nodes=5 pool=gpu', /There is no node pool gpu/],
    ['what it has', 'nodes=3', /has 3 nodes already/],
  ])('%s', async (_name, typed, says) => {
    expect(words(await stage.say('grace', `cluster scale dev-1 ${typed}`))).toMatch(says);
    expect(await jobs()).toBe(0);
  });

  test.each<[string, Partial<Cluster>, RegExp]>([
    ['is not there yet', { phase: 'Provisioning' }, /is Provisioning, so it cannot be scaled/],
    ['has failed', { phase: 'Failed' }, /is Failed/],
    ['is stopped', { stopped: true }, /is stopped.*cluster start dev-1/],
    ['is only looked at', { readOnly: true }, /only looks at cluster dev-1/],
    ['is of an engine that is not here', { engine: 'gone' }, /engine gone of cluster dev-1 is not allowed here/],
  ])('a cluster that %s', async (_name, change, says) => {
    await running(change);
    expect(words(await stage.say('grace', 'cluster scale dev-1 nodes=5'))).toMatch(says);
  });

  test('asks in a form for what is missing', async () => {
    const form = await stage.say('grace', 'cluster scale dev-1');
    expect(form.form?.fields).toMatchObject([{ key: 'nodes', value: '3' }]);
    const plan = await stage.fill('grace', form, { nodes: '+1' });
    expect(words(plan)).toMatch(/3 → 4/);
  });
});

describe('several pools', () => {
  const pools: NodePool[] = [
    { name: 'system', nodes: 1, bounds: { min: 1, max: 3 } },
    { name: 'workers', nodes: 4, bounds: { min: 0, max: 9 }, autoscale: { min: 2, max: 6 } },
  ];

  beforeEach(async () => {
    await reopen(engineWith({ autoscale: true }, pools));
    await running();
  });

  test('are shown, and none is guessed', async () => {
    const form = await stage.say('grace', 'cluster scale dev-1 nodes=2');
    expect(form.form?.intro).toMatch(/system.*1 node\n.*workers.*4 nodes, scaled by the provider, 2 to 6 nodes/);
    expect(form.form?.fields).toMatchObject([
      { key: 'pool', choices: [{ value: 'system' }, { value: 'workers' }] },
      { key: 'nodes', value: '2' },
    ]);
    const plan = await stage.fill('grace', form, { pool: 'system' });
    expect(words(plan)).toMatch(/Nodes of system.*1 → 2/);
    await stage.press('grace', plan, 'Scale it');
    expect((await stage.lastJob()).update).toEqual({ pool: 'system', nodes: 2 });
  });

  test('one that the provider scales is not scaled by hand', async () => {
    expect(words(await stage.say('grace', 'cluster scale dev-1 nodes=5 pool=workers'))).toMatch(
      /provider itself scales workers, between 2 to 6 nodes.*cluster autoscale/,
    );
  });

  test('bounds are set and taken away', async () => {
    const more = await stage.say('dev', 'cluster autoscale dev-1 min=3 max=8 pool=workers');
    expect(words(more)).toMatch(/an admin decides/);
    expect(await stage.lastJob()).toMatchObject({
      ...{ kind: 'cluster.autoscale', update: { pool: 'workers', autoscale: { min: 3, max: 8 } } },
      plan: { costNote: 'That is with as many nodes as it may have.' },
    });
    await stage.say('dev', `job cancel ${(await stage.lastJob()).id}`);
    const off = await stage.say('dev', 'cluster autoscale dev-1 off pool=workers');
    expect(words(off)).toMatch(/2 to 6 nodes → no autoscaling/);
    await stage.press('dev', off, 'Set it');
    expect((await stage.lastJob()).update).toEqual({ pool: 'workers', autoscale: null });
  });

  test.each<[string, RegExp]>([
    ['min=5 max=4 pool=workers', /At least 5 and at most 4 do not go together/],
    ['min=1 max=12 pool=workers', /12 is not possible/],
    ['min=2 max=6 pool=workers', /has 2 to 6 nodes already/],
    ['off pool=system', /has no autoscaling already/],
  ])('bounds of %s', async (typed, says) => {
    expect(words(await stage.say('grace', `cluster autoscale dev-1 ${typed}`))).toMatch(says);
    expect(await jobs()).toBe(0);
  });

  test('bounds are asked for in a form', async () => {
    const form = await stage.say('grace', 'cluster autoscale dev-1');
    expect(form.form?.fields.map(({ key }) => key)).toEqual(['pool', 'min', 'max']);
    const plan = await stage.fill('grace', form, { pool: 'system', min: '1', max: '2' });
    expect(words(plan)).toMatch(/no autoscaling → 1 to 2 nodes/);
  });
});

describe('cluster upgrade', () => {
  beforeAll(async () => {
    const labels = { 'kqueen-cluster': 'c1', 'kqueen-org': org };
    await provider.ask('POST', '/v1/clusters', { name: 'dev-1-abc', ...spec, version: '1.33.6', labels });
  });
  beforeEach(async () => {
    await running({ version: '1.33.6', spec: { ...spec, version: '1.33.6' } });
  });

  test('seeds 40: offers what the provider has for it, with what to know of each', async () => {
    const form = await stage.say('dev', 'cluster upgrade dev-1');
    expect(form.form).toMatchObject({
      intro: 'It has Kubernetes 1.33.6 now.',
      fields: [{ key: 'version', value: '1.34.2' }],
    });
    expect(form.form?.fields[0]?.choices).toMatchObject([
      { value: '1.34.2', note: /supported until/ as unknown as string },
    ]);
    const plan = await stage.fill('dev', form, {});
    expect(words(plan)).toMatch(/1\.33\.6 → 1\.34\.2/);
    expect(words(plan)).toMatch(/cannot be taken back/);
    await stage.press('dev', plan, 'Upgrade it');
    expect(await stage.lastJob()).toMatchObject({
      ...{ kind: 'cluster.upgrade', state: 'Queued', update: { version: '1.34.2' }, allowedMs: 4 * 3_600_000 },
      command: 'cluster upgrade dev-1 1.34.2',
    });
  });

  test('seeds 40: 1.34 means the newest 1.34', async () => {
    expect(words(await stage.say('dev', 'cluster upgrade dev-1 version=1.34'))).toMatch(/1\.33\.6 → 1\.34\.2/);
    expect(words(await stage.say('dev', 'upgrade dev-1 to v1.34.2'))).toMatch(/1\.33\.6 → 1\.34\.2/);
  });

  test.each<[string, RegExp]>([
    ['1.35', /1\.35 cannot be reached from 1\.33\.6\. Kubernetes goes up by one minor version.*It can go to: 1\.34\.2/],
    ['1.32', /cannot go back/],
    ['1.33', /has Kubernetes 1\.33\.6 already/],
    ['latest', /latest cannot be reached/],
  ])('to %s', async (version, says) => {
    expect(words(await stage.say('grace', `cluster upgrade dev-1 version=${version}`))).toMatch(says);
    expect(await jobs()).toBe(0);
  });

  test('a made-up plan is no way around what the provider offers', async () => {
    expect(words(await stage.say('grace', 'cluster upgrade dev-1 version=1.35.0 plan=000000000000'))).toMatch(
      /cannot be reached/,
    );
    await running({ version: '1.33.6', purpose: 'production', spec: { ...spec, version: '1.33.6' } });
    expect(words(await stage.say('grace', 'cluster upgrade dev-1 version=1.35.0 plan=000000000000'))).toMatch(
      /cannot be reached/,
    );
    expect(await jobs()).toBe(0);
  });
});

describe('cluster stop and start', () => {
  test('what an engine cannot do is said in a line, with what to do instead', async () => {
    const answer = await stage.say('dev', 'cluster stop dev-1');
    expect(words(answer)).toContain('Sandbox clusters cost nothing');
    expect(words(await stage.say('mel', 'cluster stop dev-1'))).toContain('not its owner');
  });

  test('the owner stops and starts; what is not so is said', async () => {
    await reopen(engineWith({ power: true }));
    await running();
    expect(words(await stage.say('dev', 'cluster start dev-1'))).toMatch(/is not stopped/);
    const plan = await stage.say('dev', 'cluster stop dev-1');
    expect(words(plan)).toMatch(/running → stopped/);
    expect(words(plan)).toMatch(/cost nothing while it is stopped/);
    await stage.press('dev', plan, 'Stop it');
    expect((await stage.lastJob()).update).toEqual({ power: 'off' });

    await running({ stopped: true });
    expect(words(await stage.say('dev', 'cluster stop dev-1'))).toMatch(/stopped already/);
    const start = await stage.say('dev', 'cluster start dev-1');
    expect(words(start)).toMatch(/It costs this again/);
    await stage.press('dev', start, 'Start it');
    expect(await stage.lastJob()).toMatchObject({ kind: 'cluster.start', state: 'Queued', update: { power: 'on' } });
  });

  test('cards offer what fits the engine and the state', async () => {
    const labels = async () => (await stage.say('dev', 'cluster show dev-1')).card?.buttons.map(({ label }) => label);
    expect(await labels()).toEqual(['Get access', 'Check', 'Scale', 'Upgrade', 'Show', 'Delete']);
    await running({ readOnly: true, origin: 'imported' });
    expect(await labels()).toEqual(['Check', 'Show', 'Detach']);
    await reopen(engineWith({ power: true }));
    await running();
    expect(await labels()).toEqual(['Get access', 'Check', 'Scale', 'Upgrade', 'Stop', 'Delete']);
    await running({ stopped: true });
    expect(await labels()).toEqual(['Start', 'Show', 'Delete']);
    expect((await stage.say('dev', 'cluster show dev-1')).card?.title).toBe('Cluster dev-1: Stopped');
  });
});

describe('cancelling', () => {
  /** A job of Dev's that a worker has begun. */
  async function begun(line: string, change: Partial<Job>): Promise<Job> {
    const plan = await stage.say('dev', line);
    await stage.press('dev', plan, plan.card?.buttons[0]?.label ?? '');
    const job = { ...(await stage.lastJob()), state: 'Running' as const, startedAt: 1, ...change };
    await stage.put({ op: 'put', ref: { kind: 'job', org, id: job.id }, record: job });
    return job;
  }
  const intent = { act: 'update' as const, at: 1, answered: true };

  test('nothing was asked of the provider yet: the worker ends it', async () => {
    const job = await begun('cluster scale dev-1 nodes=2', {});
    expect(words(await stage.say('dev', `job cancel ${job.id}`))).toMatch(/nothing has been changed/);
    expect(await stage.job(job.id)).toMatchObject({
      state: 'Running',
      cancel: { by: people.dev.id },
      tick: job.tick + 1,
    });
  });

  test('the provider is at it: it cannot be stopped, and no button says so', async () => {
    const job = await begun('cluster scale dev-1 nodes=2', { intent });
    expect(words(await stage.say('dev', `job cancel ${job.id}`))).toMatch(/cannot be stopped any more/);
    const shown = await stage.say('dev', `job show ${job.id}`);
    expect(shown.card?.buttons.map(({ label }) => label)).not.toContain('Cancel');
  });

  test('an upgrade stops after the step it is at', async () => {
    await provider.ask('POST', '/v1/clusters', {
      ...{ name: 'old-1-abc', ...spec, version: '1.33.6' },
      labels: { 'kqueen-cluster': 'c1', 'kqueen-org': org },
    });
    await running({ version: '1.33.6', externalName: 'old-1-abc', spec: { ...spec, version: '1.33.6' } });
    const job = await begun('cluster upgrade dev-1 version=1.34', { intent });
    const shown = await stage.say('dev', `job show ${job.id}`);
    const cancel = shown.card?.buttons.find(({ label }) => label === 'Cancel');
    expect(cancel?.confirm?.text).toMatch(/stops after the step/);
    expect(words(await stage.say('dev', cancel?.command ?? ''))).toMatch(/what is done stays/);
  });
});

describe('the whole way on the sandbox', () => {
  /** The job that the last click began, when it has ended. */
  async function ended(): Promise<Job> {
    const { id } = await stage.lastJob();
    return eventually(
      'the end of the job',
      async () => {
        const job = await stage.job(id);
        return endedStates.includes(job.state) ? job : null;
      },
      { timeoutMs: 30_000 },
    );
  }
  /** Once the chat's memory has what the worker wrote. */
  const settled = (check: (cluster: Cluster) => boolean) =>
    eventually('the cluster is as expected', () =>
      stage.opened.cache.query('cluster', org, { where: ({ name }) => name === 'all-1' }).items.some(check),
    );

  test('create, scale, upgrade, a change that fails and its retry, the log', async () => {
    await reopen({ worker: true });
    const make = 'cluster create all-1 on sandbox region=sandbox-north version=1.33.6 size=small nodes=2';
    await stage.press('grace', await stage.say('grace', make), 'Create it');
    expect((await ended()).state).toBe('Succeeded');

    await stage.press('grace', await stage.say('grace', 'cluster scale all-1 nodes=3'), 'Scale it');
    const scaled = await ended();
    expect(scaled).toMatchObject({ state: 'Succeeded', note: expect.stringMatching(/^Scaled after/) as string });
    expect(await stage.cluster('all-1')).toMatchObject({
      ...{ phase: 'Ready', nodes: 3, spec: { nodes: 3 }, summary: expect.stringMatching(/^3 × small/) as string },
      pools: [{ name: 'default', nodes: 3 }],
    });
    const health = await stage.opened.store.get({ kind: 'health', org, id: scaled.cluster });
    expect(health?.record).toMatchObject({ nodes: 3, nodesReady: 3 });

    await settled(({ openJob }) => openJob === undefined);
    await stage.press('grace', await stage.say('grace', 'cluster upgrade all-1 version=1.34'), 'Upgrade it');
    expect((await ended()).state).toBe('Succeeded');
    expect(await stage.cluster('all-1')).toMatchObject({ version: '1.34.2', spec: { version: '1.34.2', nodes: 3 } });

    const fail = { code: 'no_room', message: 'The rack is on fire.', atPercent: 50 };
    await provider.ask('PUT', '/v1/admin/faults', [{ operation: 'update', times: 1, effect: { fail } }]);
    await settled(({ openJob, version }) => openJob === undefined && version === '1.34.2');
    await stage.press('grace', await stage.say('grace', 'cluster scale all-1 nodes=4'), 'Scale it');
    const failed = await ended();
    expect(failed).toMatchObject({
      state: 'Failed',
      note: 'The rack is on fire.',
      failure: { detail: expect.stringMatching(/on fire/) as string },
    });
    expect(await stage.cluster('all-1')).toMatchObject({
      phase: 'Ready',
      failure: { message: 'The rack is on fire.' },
    });

    await eventually('the chat knows of the end', async () => {
      const shown = await stage.say('grace', `job show ${failed.id}`);
      return shown.card?.buttons.some(({ label }) => label === 'Retry');
    });
    const log = await stage.say('grace', `job log ${failed.id}`);
    expect(words(log)).toContain('The rack is on fire.');
    const file = stage.handed.at(-1)?.files[0];
    expect(file).toMatchObject({ name: `job-${failed.id}.log` });
    expect(file?.content).toMatch(
      /KQueen's log[\s\S]*Asked for by Grace[\s\S]*The provider's log[\s\S]*Creation with 2 nodes/,
    );
    expect((await stage.say('mel', `job log ${failed.id}`)).card?.title).toBe('Not allowed');

    await stage.say('grace', `job retry ${failed.id}`);
    expect(await ended()).toMatchObject({ state: 'Succeeded', retryOf: failed.id, update: { nodes: 4 } });
    const healed = await stage.cluster('all-1');
    expect(healed).toMatchObject({ phase: 'Ready', nodes: 4 });
    expect(healed).not.toHaveProperty('failure');

    // What was agreed to then no longer holds now.
    expect(words(await stage.say('grace', `job retry ${failed.id}`))).toMatch(/no longer holds/);
  }, 60_000);
});
