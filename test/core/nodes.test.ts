/** Nodes from chat: what the plan says, the calls in their order, who may, what is left when it is stopped, and clusters that vanish meanwhile. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { openStage, org, type Stage, type Who, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
let api: ReturnType<typeof apiOf>;
let nodes: string[] = [];
let number = 0;
let name = '';
let external = '';

interface Item {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { unschedulable?: boolean; nodeName?: string };
  status: { conditions?: { type: string; status: string }[] };
}

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  stage = await openStage({ provider, worker: true });
  number += 1;
  name = `web-${number}`;
  const wish = `cluster create ${name} on sandbox region=sandbox-north version=1.34.2 size=small nodes=3`;
  await stage.press('grace', await say('grace', wish), 'Create it');
  const ready = await eventually(`${name} is ready`, async () => {
    const found = await stage.cluster(name);
    return found?.phase === 'Ready' ? found : null;
  });
  external = ready.externalName;
  api = apiOf(String(await provider.ask('GET', `/v1/clusters/${external}/kubeconfig`)));
  nodes = (await listed('/api/v1/nodes')).map(({ metadata }) => metadata.name).sort();
});
afterEach(async () => {
  await api.close();
  await stage.close();
});

/** The answer to a line; asked once more when a busy machine needs longer than a chat waits. */
const say = (who: Who, line: string) =>
  eventually('an answer in time', async () => {
    const answer = await stage.say(who, line);
    return /takes a little longer/.test(answer.card?.text ?? '') ? null : answer;
  });
const listed = async (path: string) => ((await api.api('GET', path)).body as { items: Item[] }).items;
const nodeOf = async (node: string) => (await api.api('GET', `/api/v1/nodes/${node}`)).body as Item;

async function deploy(app: string, replicas: number): Promise<void> {
  const path = '/apis/apps/v1/namespaces/default/deployments';
  const { status } = await api.api('POST', path, {
    metadata: { name: app },
    spec: {
      replicas,
      selector: { matchLabels: { app } },
      template: {
        metadata: { labels: { app } },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: app, image: 'nginx:1.29' }] },
      },
    },
  });
  expect(status).toBe(201);
  await eventually(`${app} is available`, async () => {
    const { body } = await api.api('GET', `${path}/${app}`);
    return (body as { status?: { availableReplicas?: number } }).status?.availableReplicas === replicas;
  });
}
const podsOf = (app: string) => listed(`/api/v1/namespaces/default/pods?labelSelector=app%3D${app}`);
async function budget(app: string, minAvailable: number): Promise<void> {
  const path = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
  await api.api('POST', path, { metadata: { name: app }, spec: { minAvailable, selector: { matchLabels: { app } } } });
}
/** Its kubelet falls silent, as that of a machine that died. */
async function kill(node: string): Promise<void> {
  await provider.ask('PUT', '/v1/admin/node', { cluster: external, node, state: 'dead' });
  await eventually(`${node} is silent`, async () =>
    (await nodeOf(node)).status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'Unknown'),
  );
}
const ended = () =>
  eventually(
    'the job ends',
    async () => {
      const job = await stage.lastJob();
      return job.endedAt === undefined ? null : job;
    },
    { timeoutMs: 60_000 },
  );
const buttons = (answer: { card?: { buttons: { label: string }[] } }) => answer.card?.buttons.map(({ label }) => label);

describe('nodes', () => {
  test('node list shows them with buttons; cordon and uncordon are jobs with a plan', async () => {
    const list = await say('grace', `nodes ${name}`);
    expect(list.card?.text).toBe('3 nodes: all ready.');
    for (const node of nodes) expect(words(list)).toContain(`*${node}*: Ready`);
    const [node = ''] = nodes;
    const plan = await say('grace', `node cordon ${name} ${node}`);
    expect(plan.card?.title).toBe(`Cordon node ${node} of ${name}?`);
    await stage.press('grace', plan, 'Cordon it');
    expect(await ended()).toMatchObject({ state: 'Succeeded', note: expect.stringMatching(/takes no new pods/) });
    expect((await nodeOf(node)).spec.unschedulable).toBe(true);
    const shown = await say('grace', `job show ${(await stage.lastJob()).id}`);
    expect(buttons(shown)).toContain('Uncordon');
    const back = await stage.press('grace', shown, 'Uncordon');
    await stage.press('grace', back, 'Uncordon it');
    await ended();
    expect((await nodeOf(node)).spec.unschedulable ?? false).toBe(false);
    // Others may look, and change nothing.
    const other = await say('mel', `node list ${name}`);
    expect(words(other)).not.toContain('node drain');
    expect(words(await say('mel', `node drain ${name} ${node}`))).toMatch(/Only its owner or an admin/);
    expect(words(await say('grace', `node drain ${name} nobody`))).toMatch(/has no node nobody.*Its nodes: /);
  });

  test('seeds 43: a dead node is cordoned, drained as its budgets allow, replaced and gone, by right and approval alone', async () => {
    await deploy('web', 3);
    await budget('web', 2);
    const victim = (await podsOf('web'))[0]?.spec.nodeName ?? '';
    const before = await nodeOf(victim);
    await kill(victim);
    const list = await say('grace', `node list ${name}`);
    expect(list.card?.text).toMatch(/3 nodes: 1 NOT ready/);
    expect(words(list)).toContain(`cluster repair ${name} ${victim}`);
    // Not before it has been out of service for so long.
    expect(words(await say('grace', `cluster repair ${name}`))).toMatch(/No node has been out of service for 10 min/);
    expect(words(await say('mel', `cluster repair ${name} ${victim}`))).toMatch(/Only its owner or an admin/);
    const plan = await say('grace', `cluster repair ${name} ${victim}`);
    expect(words(plan)).toMatch(/silent for/);
    expect(words(plan)).toMatch(/the provider puts another machine in its place/);
    await provider.ask('DELETE', '/v1/admin/calls');
    await stage.press('grace', plan, 'Replace it');
    const job = await ended();
    expect(job).toMatchObject({ state: 'Succeeded', note: expect.stringContaining(`Replaced: ${victim}.`) });
    // In order: closed and drained, its machine retired, the node gone, a new one ready.
    const log = job.log.map(({ text }) => text).join('\n');
    expect(log).toMatch(
      /drained as far as it answers[\s\S]*The provider has accepted the request[\s\S]*(removed from|gone from) the cluster[\s\S]*is ready in place of/,
    );
    const after = await nodeOf(victim);
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
    expect(after.spec.unschedulable ?? false).toBe(false);
    expect((await listed('/api/v1/nodes')).length).toBe(3);
    const { calls } = (await provider.ask('GET', '/v1/admin/calls')) as {
      calls: Record<string, { effective: number }>;
    };
    expect(calls.updateCluster?.effective).toBe(1);
    expect((await stage.audit()).map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(
      expect.arrayContaining(['node.repair requested', 'node.repair done']),
    );
    expect((await stage.cluster(name))?.openJob).toBeUndefined();
    await eventually('the app is whole again', async () => {
      const pods = await podsOf('web');
      return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined).length === 3;
    });
    expect(words(await say('grace', `cluster repair ${name} ${victim}`))).toMatch(
      /is ready, so there is nothing to repair/,
    );
  });

  test('a production cluster waits for another admin', async () => {
    const cluster = await stage.cluster(name);
    if (!cluster) throw new Error('no cluster');
    const ref = { kind: 'cluster', org, id: cluster.id } as const;
    await stage.put({ op: 'put', ref, record: { ...cluster, purpose: 'production' } });
    const [node = ''] = nodes;
    const asked = await say('grace', `node drain ${name} ${node}`);
    expect(words(asked)).toMatch(/an admin decides/);
    expect(await stage.lastJob()).toMatchObject({ state: 'AwaitingApproval' });
    expect((await nodeOf(node)).spec.unschedulable).toBeUndefined();
    await say('anna', `approve ${(await stage.lastJob()).id}`);
    expect(await ended()).toMatchObject({ state: 'Succeeded' });
    expect((await nodeOf(node)).spec.unschedulable).toBe(true);
  });

  test('murano removeFromCluster: cordon, drain, the machine goes for good, and the node with it', async () => {
    await deploy('web', 3);
    const node = (await podsOf('web'))[0]?.spec.nodeName ?? '';
    const plan = await say('grace', `node remove ${name} ${node}`);
    expect(plan.card?.title).toBe(`Remove node ${node} from ${name}?`);
    expect(words(plan)).toMatch(/the pool is smaller by one/);
    await stage.press('grace', plan, 'Remove it');
    expect(await ended()).toMatchObject({ state: 'Succeeded', note: expect.stringContaining(`Removed: ${node}.`) });
    const left = (await listed('/api/v1/nodes')).map(({ metadata }) => metadata.name);
    expect(left.sort()).toEqual(nodes.filter((each) => each !== node));
    const there = (await provider.ask('GET', `/v1/clusters/${external}`)) as { nodes: number };
    expect(there.nodes).toBe(2);
    expect(await stage.cluster(name)).toMatchObject({ nodes: 2, spec: { nodes: 2 } });
    for (const pod of await podsOf('web')) expect(pod.spec.nodeName).not.toBe(node);
  });

  test('what would be lost is asked for by a button of its own', async () => {
    const [node = ''] = nodes;
    await api.api('POST', '/api/v1/namespaces/default/pods', {
      metadata: { name: 'alone' },
      spec: { nodeName: node, terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'nginx:1.29' }] },
    });
    const answer = await say('grace', `node drain ${name} ${node}`);
    expect(answer.card?.title).toBe('That would lose something');
    expect(answer.card?.text).toMatch(/default\/alone would be gone for good/);
    const plan = await stage.press('grace', answer, 'Drain it all the same');
    await stage.press('grace', plan, 'Drain it');
    expect(await ended()).toMatchObject({ state: 'Succeeded' });
    expect((await api.api('GET', '/api/v1/namespaces/default/pods/alone')).status).toBe(404);
  });

  test('a drain that a budget never allows ends with its name; cancelled, it leaves the node cordoned and says so', async () => {
    await deploy('web', 1);
    await budget('web', 1);
    const node = (await podsOf('web'))[0]?.spec.nodeName ?? '';
    const plan = await say('grace', `node drain ${name} ${node} timeout=10s`);
    expect(words(plan)).toMatch(/it needs all 1 of its pods, so it never allows one to go/);
    await stage.press('grace', plan, 'Drain it');
    const failed = await ended();
    expect(failed).toMatchObject({ state: 'Failed' });
    expect(failed.note).toMatch(/PodDisruptionBudget web needs 1 healthy pods and has 1/);
    const shown = await say('grace', `job show ${failed.id}`);
    expect(buttons(shown)).toEqual(expect.arrayContaining(['Retry', 'Uncordon']));
    expect((await nodeOf(node)).spec.unschedulable).toBe(true);
    // Tried again it has its whole time once more, until it is cancelled.
    await stage.press('grace', shown, 'Retry');
    const again = await eventually('it is tried again', async () => {
      const job = await stage.lastJob();
      return job.id !== failed.id && /not allowed yet/.test(job.note) ? job : null;
    });
    await say('grace', `job cancel ${again.id}`);
    expect(await ended()).toMatchObject({
      state: 'Cancelled',
      note: expect.stringMatching(/what was done until then stays/),
    });
    expect(buttons(await say('grace', `job show ${again.id}`))).toContain('Uncordon');
    expect((await podsOf('web'))[0]?.spec.nodeName).toBe(node);
  });

  test('a node that comes back in the middle of its repair is left as it is', async () => {
    await deploy('web', 1);
    await budget('web', 1);
    const node = (await podsOf('web'))[0]?.spec.nodeName ?? '';
    await provider.ask('PUT', '/v1/admin/node', { cluster: external, node, state: 'not-ready' });
    await eventually('it is not ready', async () =>
      (await nodeOf(node)).status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'False'),
    );
    const before = await nodeOf(node);
    await provider.ask('DELETE', '/v1/admin/calls');
    await stage.press('grace', await say('grace', `cluster repair ${name} ${node}`), 'Replace it');
    await eventually('it waits for the budget', async () => /not allowed yet/.test((await stage.lastJob()).note));
    await provider.ask('PUT', '/v1/admin/node', { cluster: external, node, state: 'ready' });
    expect(await ended()).toMatchObject({
      state: 'Succeeded',
      note: expect.stringContaining(`Ready again by itself: ${node}.`),
    });
    const after = await nodeOf(node);
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.spec.unschedulable ?? false).toBe(false);
    const { calls } = (await provider.ask('GET', '/v1/admin/calls')) as {
      calls: Record<string, { effective: number }>;
    };
    expect(calls.updateCluster?.effective ?? 0).toBe(0);
  });

  test('a cluster that vanishes in the middle of a drain ends it in words', async () => {
    await deploy('web', 1);
    await budget('web', 1);
    const node = (await podsOf('web'))[0]?.spec.nodeName ?? '';
    await stage.press('grace', await say('grace', `node drain ${name} ${node}`), 'Drain it');
    await eventually('it waits for the budget', async () => /not allowed yet/.test((await stage.lastJob()).note));
    await provider.ask('DELETE', `/v1/clusters/${external}`);
    const waiting = await eventually(
      'it is said',
      async () => {
        const job = await stage.lastJob();
        return /cluster/i.test(job.note) && /Trying again/.test(job.note) ? job : null;
      },
      { timeoutMs: 30_000 },
    );
    expect(waiting.note).toMatch(/answers at its API's address any more|does not accept|cannot be reached|not know/);
    await say('grace', `job cancel ${waiting.id}`);
    expect(await ended()).toMatchObject({ state: 'Cancelled' });
  });
});
