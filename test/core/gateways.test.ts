/** Gateway nodes, pools, network policies and add-ons of the provider, as a person asks for them on the sandbox. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Capabilities, Engine } from '../../src/core/ports/engine.ts';
import { type Cluster, endedStates, type Job } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog, sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, org, people, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;

const spec = { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 3 };

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

const jobs = async () => (await stage.opened.store.page('job', org)).items.length;

/** Changes that the provider was asked for. */
async function asked(): Promise<number> {
  const { calls } = (await provider.ask('GET', '/v1/admin/calls')) as { calls: Record<string, { effective: number }> };
  return calls.updateCluster?.effective ?? 0;
}

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

/** A real cluster of the sandbox that KQueen made, called `all-1`. */
async function made(): Promise<void> {
  const plan = await stage.say(
    'grace',
    'cluster create all-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=2',
  );
  await stage.press('grace', plan, 'Create');
  expect(await ended()).toMatchObject({ state: 'Succeeded' });
  await settled(({ phase }) => phase === 'Ready');
}

const settled = (check: (cluster: Cluster) => boolean) =>
  eventually('the cluster is as expected', () =>
    stage.opened.cache.query('cluster', org, { where: ({ name }) => name === 'all-1' }).items.some(check),
  );

/** An engine like the sandbox with other powers. */
async function reopen(capabilities: Partial<Capabilities>, instead: Engine['instead']): Promise<void> {
  await stage.close();
  const engine: Engine = { ...sandbox, capabilities: { ...sandbox.capabilities, ...capabilities }, instead };
  stage = await openStage({
    provider,
    parts: { engines: openEngines({ engines: [engine], log: keepingLog(), clock: realClock }) },
  });
  await running();
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

describe('cluster gateways', () => {
  test('shows how many there are, with the next steps as buttons', async () => {
    const none = await stage.say('dev', 'cluster gateways dev-1');
    expect(none.card?.title).toBe('dev-1: no gateway nodes');
    expect(none.card?.buttons.map(({ label }) => label)).toEqual(['+1']);
    await running({ spec: { ...spec, gateways: 2 } });
    const two = await stage.say('dev', 'cluster gateways dev-1');
    expect(two.card?.title).toBe('dev-1: 2 gateway nodes');
    expect(words(two)).toContain('kqueen-pool=gateways');
    expect(two.card?.buttons.map(({ label }) => label)).toEqual(['−1', '+1', 'Remove all']);
  });

  test('a plan says what they cost, and members only ask for more', async () => {
    const plan = await stage.say('grace', 'cluster gateways dev-1 2');
    expect(plan.card?.title).toBe('Set the gateways of cluster dev-1?');
    expect(words(plan)).toMatch(/0 → 2/);
    expect(words(plan)).toMatch(/\$0\.34 → \$0\.50 an hour/);
    expect(plan.card?.buttons[0]?.command).toMatch(/^cluster gateways dev-1 2 plan=/);
    expect(words(await stage.say('dev', 'cluster gateways dev-1 +1'))).toMatch(/an admin decides/);
    expect(await stage.lastJob()).toMatchObject({
      ...{ kind: 'cluster.gateways', state: 'AwaitingApproval', update: { gateways: 1 } },
      command: 'cluster gateways dev-1 1',
    });
  });

  test.each<[string, number, RegExp]>([
    ['-1', 0, /No gateway nodes that can be removed/],
    ['-3', 2, /No gateway nodes that can be removed beyond the 2/],
    ['6', 2, /The maximum number of gateway nodes is 5; 6 is more/],
    ['+4', 2, /The maximum number of gateway nodes is 5/],
    ['2', 2, /has 2 gateway nodes already/],
    ['0', 0, /has no gateway nodes already/],
    ['many', 0, /Write a number/],
  ])('seeds 39: %s of %i is refused without asking the provider', async (typed, there, says) => {
    await running({ spec: { ...spec, ...(there > 0 ? { gateways: there } : {}) } });
    const before = await asked();
    expect(words(await stage.say('grace', `cluster gateways dev-1 ${typed}`))).toMatch(says);
    expect(await jobs()).toBe(0);
    expect(await asked()).toBe(before);
  });

  test('seeds 38: an engine without them says so in one line, and what to do instead', async () => {
    await reopen({ gateways: false }, { gateways: 'This provider knows one pool only; add a LoadBalancer Service.' });
    const answer = await stage.say('dev', 'cluster gateways dev-1 1');
    expect(words(answer)).toContain('This provider knows one pool only; add a LoadBalancer Service.');
    const pools = await stage.say('dev', 'cluster pools dev-1');
    expect(pools.card?.buttons.map(({ label }) => label)).toEqual(['Show']);
    expect(await jobs()).toBe(0);
  });
});

describe('cluster pools', () => {
  test('seeds 36: each pool has one fewer and one more at a click', async () => {
    await running({ spec: { ...spec, gateways: 1 } });
    const pools = await stage.say('grace', 'cluster pools dev-1');
    const rows = pools.card?.parts.flatMap((part) => (part.part === 'rows' ? part.rows : [])) ?? [];
    expect(rows.map(({ text }) => text)).toEqual(['*default*: 3 nodes, small', '*gateways*: 1 node, small']);
    expect(rows.map(({ buttons }) => buttons?.map(({ command }) => command))).toEqual([
      ['cluster scale dev-1 -1 pool=default', 'cluster scale dev-1 +1 pool=default'],
      ['cluster gateways dev-1 -1', 'cluster gateways dev-1 +1'],
    ]);
    expect(words(await stage.say('grace', rows[0]?.buttons?.[1]?.command ?? ''))).toMatch(/3 → 4/);
    // Who may not change it gets the list alone.
    const member = await stage.say('mel', 'cluster pools dev-1');
    expect(words(member)).toContain('3 nodes, small');
    expect(words(member)).not.toContain('cluster scale');
  });

  test('seeds 37: at its bound a pool has no button beyond it, and the words say why', async () => {
    await running({ spec: { ...spec, nodes: 1 }, nodes: 1 });
    const pools = await stage.say('grace', 'cluster pools dev-1');
    const [row] = pools.card?.parts.flatMap((part) => (part.part === 'rows' ? part.rows : [])) ?? [];
    expect(row?.buttons?.map(({ label }) => label)).toEqual(['+1']);
    const before = await asked();
    expect(words(await stage.say('grace', 'cluster scale dev-1 0'))).toMatch(/default takes 1 to 20 nodes/);
    expect(words(await stage.say('grace', 'cluster scale dev-1 21'))).toMatch(/default takes 1 to 20 nodes/);
    expect(words(await stage.say('grace', 'cluster scale dev-1 1'))).toMatch(/has 1 node already/);
    expect(await asked()).toBe(before);
  });

  test('the form of scaling offers the pools', async () => {
    await running({ spec: { ...spec, gateways: 1 } });
    const form = await stage.say('grace', 'cluster scale dev-1');
    expect(form.form?.fields[0]?.choices?.map(({ value }) => value)).toEqual(['default', 'gateways']);
    expect(words(await stage.fill('grace', form, { pool: 'gateways', nodes: '3' }))).toMatch(/1 → 3/);
  });
});

describe('cluster netpol', () => {
  test('seeds 47: with one node it is refused without asking the provider', async () => {
    await running({ spec: { ...spec, nodes: 1 }, nodes: 1 });
    const before = await asked();
    const answer = await stage.say('grace', 'cluster netpol dev-1 on');
    expect(words(answer)).toMatch(/need at least 2 nodes, and cluster dev-1 has 1/);
    expect(words(answer)).toContain('cluster scale dev-1 +1');
    expect(await jobs()).toBe(0);
    expect(await asked()).toBe(before);
  });

  test('seeds 37: while they are enforced, the cluster keeps two nodes', async () => {
    await running({ spec: { ...spec, networkPolicy: true } });
    const before = await asked();
    expect(words(await stage.say('grace', 'cluster scale dev-1 1'))).toMatch(
      /Network policies need at least two nodes/,
    );
    expect(await asked()).toBe(before);
    expect(words(await stage.say('grace', 'cluster scale dev-1 2'))).toMatch(/3 → 2/);
  });

  test('seeds 47: an engine without it is refused with what to do instead', async () => {
    await reopen({ networkPolicy: false }, { networkPolicy: 'Make the cluster anew where they are enforced.' });
    expect(words(await stage.say('dev', 'cluster netpol dev-1 on'))).toContain('Make the cluster anew');
    expect(await jobs()).toBe(0);
  });

  test('a plan says whom it keeps out', async () => {
    const plan = await stage.say('dev', 'cluster netpol dev-1 on');
    expect(words(plan)).toMatch(/not enforced → enforced/);
    expect(words(plan)).toMatch(/what they do not allow is kept out/);
    await stage.press('dev', plan, 'Change it');
    expect(await stage.lastJob()).toMatchObject({
      ...{ kind: 'cluster.netpol', state: 'Queued', update: { networkPolicy: true } },
      command: 'cluster netpol dev-1 mode=on',
    });
  });
});

describe('the whole way on the sandbox', () => {
  beforeEach(async () => {
    await stage.close();
    stage = await openStage({ provider, worker: true });
  });

  test('gateways come, carry their marks, and go', { timeout: 90_000 }, async () => {
    await made();
    await stage.press('grace', await stage.say('grace', 'cluster gateways all-1 +2'), 'Set them');
    const done = await ended();
    expect(done).toMatchObject({ state: 'Succeeded', kind: 'cluster.gateways' });
    await settled(({ spec: is, nodes }) => is.gateways === 2 && nodes === 4);
    const nodes = await stage.say('grace', 'cluster get nodes all-1');
    expect(words(nodes)).toContain('gateway-1');
    const less = await stage.say('grace', 'cluster gateways all-1 -1');
    expect(words(less)).toMatch(/their connections end/);
    await stage.press('grace', less, 'Set them');
    expect(await ended()).toMatchObject({ state: 'Succeeded' });
    await stage.press('grace', await stage.say('grace', 'cluster gateways all-1 0'), 'Set them');
    expect(await ended()).toMatchObject({ state: 'Succeeded' });
    await settled(({ pools, nodes: all }) => pools?.length === 1 && all === 2);
    await away();
  });

  test('seeds 36: a failure says why, and the old count stays', { timeout: 90_000 }, async () => {
    await made();
    await provider.ask('PUT', '/v1/admin/faults', [
      { operation: 'update', effect: { fail: { message: 'No more machines of this size.', atPercent: 40 } }, times: 1 },
    ]);
    await stage.press('grace', await stage.say('grace', 'cluster gateways all-1 1'), 'Set them');
    const failed = await ended();
    expect(failed).toMatchObject({ state: 'Failed', failure: { message: 'No more machines of this size.' } });
    await settled(({ spec: is, nodes }) => is.gateways === undefined && nodes === 2);
    expect(words(await stage.say('grace', 'cluster gateways all-1'))).toContain('no gateway nodes');
    await away();
  });

  test('network policies are turned on once, and off again', { timeout: 90_000 }, async () => {
    await made();
    expect(words(await stage.say('grace', 'cluster netpol all-1'))).toContain('does not enforce');
    await stage.press('grace', await stage.say('grace', 'cluster netpol all-1 on'), 'Change it');
    expect(await ended()).toMatchObject({ state: 'Succeeded' });
    await settled(({ spec: is, openJob }) => is.networkPolicy === true && openJob === undefined);
    expect(words(await stage.say('grace', 'cluster netpol all-1 on'))).toContain('enforces network policies already');
    const state = await stage.say('grace', 'cluster netpol all-1');
    expect(words(state)).toContain('It enforces network policies');
    const off = await stage.press('grace', state, 'Turn off');
    expect(words(off)).toContain('enforced → not enforced');
    await stage.press('grace', off, 'Change it');
    expect(await ended()).toMatchObject({ state: 'Succeeded' });
    await away();
  });

  test('seeds 49: add-ons of the provider go on and off; a second time nothing changes', {
    timeout: 90_000,
  }, async () => {
    await made();
    const list = async () => words(await stage.say('grace', 'addon list all-1'));
    expect(await list()).toMatch(/Log collector/);
    expect(words(await stage.say('grace', 'addon enable all-1 coffee-machine'))).toMatch(/coffee-machine/);
    const plan = await stage.say('grace', 'addon enable all-1 log-collector');
    await stage.press('grace', plan, 'Turn it on');
    expect(await ended()).toMatchObject({ state: 'Succeeded', kind: 'cluster.work' });
    await settled(({ openJob }) => openJob === undefined);
    const programs = await stage.say('grace', 'cluster get deployments all-1 namespace=kube-system');
    expect(words(programs)).toContain('log-collector');
    expect(words(await stage.say('grace', 'addon enable all-1 log-collector'))).toContain('is on already');
    await stage.press('grace', await stage.say('grace', 'addon disable all-1 log-collector'), 'Turn it off');
    expect(await ended()).toMatchObject({ state: 'Succeeded', kind: 'cluster.work' });
    await settled(({ openJob }) => openJob === undefined);
    const gone = await stage.say('grace', 'cluster get deployments all-1 namespace=kube-system');
    expect(words(gone)).not.toContain('log-collector');
    await away();
  });

  async function away(): Promise<void> {
    await stage.say('grace', 'cluster delete all-1 confirm=all-1');
    await ended();
  }
});
