/** KQueen's own autoscaling, from the rule in chat over pods that wait to nodes that come and go, on real sandbox clusters. The clock is moved by hand. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { Autoscale, Job, Notice } from '../../src/core/records.ts';
import { type AutoscaleSweep, createAutoscaleSweep } from '../../src/jobs/autoscale-sweep.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { openStage, org, type Stage, words } from './stage.ts';

const minute = 60_000;

let provider: SandboxProvider;
let stage: Stage;
let api: ReturnType<typeof apiOf>;
let sweep: AutoscaleSweep;
let ahead = 0;
const clock: Clock = { now: () => Date.now() + ahead, sleep: realClock.sleep };

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  ahead = 0;
  stage = await openStage({ provider, worker: true, clock });
  const { store, cache, sealer } = stage.opened;
  const { engines, kube, queue, newId, log } = stage.parts;
  sweep = createAutoscaleSweep({ store, cache, sealer, engines, kube, queue, clock, newId, log });
});
afterEach(async () => {
  await api?.close();
  await stage.close();
});

async function made(name: string, nodes: number): Promise<void> {
  const wish = `cluster create ${name} on sandbox region=sandbox-north version=1.34.2 size=small nodes=${nodes}`;
  await stage.press('grace', await stage.say('grace', wish), 'Create it');
  const ready = await eventually(`${name} is ready`, async () => {
    const found = await stage.cluster(name);
    return found?.phase === 'Ready' ? found : null;
  });
  api = apiOf(String(await provider.ask('GET', `/v1/clusters/${ready.externalName}/kubeconfig`)));
}

/** A Deployment whose pods each fill most of a small node (1.9 CPU). */
async function deploy(name: string, replicas: number, cpu = '1500m'): Promise<void> {
  const resources = { requests: { cpu, memory: '64Mi' } };
  const { status } = await api.api('POST', '/apis/apps/v1/namespaces/default/deployments', {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image: 'nginx:1.29', resources }] },
      },
    },
  });
  expect(status).toBe(201);
}

async function resize(name: string, replicas: number): Promise<void> {
  const path = `/apis/apps/v1/namespaces/default/deployments/${name}`;
  await api.api('PATCH', path, { spec: { replicas } }, 'application/merge-patch+json');
}

interface Pod {
  spec: { nodeName?: string };
  status?: { phase?: string; conditions?: { type: string; status: string; reason?: string }[] };
}
const pods = async (): Promise<Pod[]> => {
  const { body } = await api.api('GET', '/api/v1/namespaces/default/pods');
  return (body as { items: Pod[] }).items;
};
const waiting = (count: number) =>
  eventually(`${count} pods wait for a node`, async () => {
    const found = (await pods()).filter(({ status }) =>
      status?.conditions?.some(({ type, reason }) => type === 'PodScheduled' && reason === 'Unschedulable'),
    );
    return found.length === count;
  });
const running = (count: number) =>
  eventually(`${count} pods run`, async () => {
    const all = await pods();
    return all.length === count && all.every(({ status }) => status?.phase === 'Running');
  });
const nodeNames = async (): Promise<string[]> => {
  const { body } = await api.api('GET', '/api/v1/nodes');
  return (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name).sort();
};

const jobs = async (): Promise<Job[]> => {
  const page = await stage.opened.store.page('job', org, { limit: 500 });
  return page.items
    .sort((a, b) => a.record.requestedAt - b.record.requestedAt)
    .map(({ record }) => record)
    .filter(({ requestedBy }) => requestedBy === 'kqueen');
};
const settled = () =>
  eventually('no job is open', async () => (await stage.cluster('web-1'))?.openJob === undefined, {
    timeoutMs: 30_000,
  });
const notices = async (): Promise<Notice[]> =>
  (await stage.opened.store.page('notice', org, { limit: 100 })).items.map(({ record }) => record);
const kept = async (): Promise<Autoscale | undefined> => {
  const id = (await stage.cluster('web-1'))?.id ?? '';
  return (await stage.opened.store.get({ kind: 'autoscale', org, id }))?.record;
};

/** Moves the clock, and looks. Never so far at once that what was seen before would prove nothing. */
async function later(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 4 * minute) {
    ahead += Math.min(left, 4 * minute);
    await sweep.sweep(new AbortController().signal);
  }
}

async function rule(line: string, button = 'Set it'): Promise<void> {
  await stage.press('grace', await stage.say('grace', line), button);
  await settled();
}

describe('autoscaling by KQueen itself', () => {
  test('seeds 42: a pod that finds no node brings one node, within bounds; full is told once; off stops', async () => {
    await made('web-1', 2);
    const plan = await stage.say('grace', 'cluster autoscale web-1 min=2 max=3');
    expect(words(plan)).toMatch(/none → 2 to 3 nodes; up when a pod has waited for 30 s/);
    expect(words(plan)).toMatch(/KQueen itself, since the provider has no autoscaler here/);
    await stage.press('grace', plan, 'Set it');
    await settled();
    expect(await stage.cluster('web-1')).toMatchObject({ scaling: { default: { min: 2, max: 3, byName: 'Grace' } } });

    await deploy('web', 3);
    await waiting(1);
    await sweep.sweep(new AbortController().signal);
    expect(await jobs()).toEqual([]);
    await later(40_000);
    await settled();
    const [up, ...more] = await jobs();
    expect(more).toEqual([]);
    expect(up).toMatchObject({
      ...{ kind: 'cluster.scale', state: 'Succeeded', update: { nodes: 3 }, requesterName: 'KQueen' },
      plan: { approval: { needed: false, why: 'the rule that Grace has set allows 2 to 3 nodes' } },
      place: { conversation: 'C1' },
    });
    expect(up?.log[0]?.text).toMatch(/1 pod waits for a node of default since \d\d:\d\d UTC \(default\/web-/);
    await running(3);
    expect(
      (await stage.audit())
        .filter(({ who }) => who === 'kqueen')
        .map(({ outcome }) => outcome)
        .sort(),
    ).toEqual(['done', 'requested']);

    // The most there may be: told once, however often it is looked.
    await resize('web', 4);
    await waiting(1);
    await later(5 * minute);
    await later(5 * minute);
    expect(await jobs()).toHaveLength(1);
    const told = await notices();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      title: 'web-1: default has as many nodes as it may have',
      place: { conversation: 'C1' },
    });
    expect(told[0]?.text).toMatch(/has 3 nodes, of 3 that it may have/);
    expect(words(await stage.say('grace', 'cluster autoscale web-1 why'))).toMatch(/of 3 that it may have/);

    await rule('cluster autoscale web-1 min=2 max=4');
    await rule('cluster autoscale web-1 off', 'Turn it off');
    expect((await stage.cluster('web-1'))?.scaling).toBeUndefined();
    await later(5 * minute);
    expect(await jobs()).toHaveLength(1);
    expect(await kept()).toBeUndefined();
  }, 120_000);

  test('seeds 42: the cool-down holds; what is little used is emptied and goes, and it is that very node', async () => {
    await made('web-1', 2);
    await rule('cluster autoscale web-1 min=1 max=5');
    await deploy('web', 3);
    await waiting(1);
    await later(minute);
    await settled();
    await running(3);
    await resize('web', 4);
    await waiting(1);
    await later(minute);
    expect(await jobs()).toHaveLength(1);
    expect((await kept())?.said.at(-1)?.text).toMatch(/KQueen waits until .* because nodes were added lately/);
    await later(3 * minute);
    await settled();
    expect((await jobs()).map(({ update }) => update?.nodes)).toEqual([3, 4]);
    await running(4);

    await resize('web', 1);
    await running(1);
    await later(4 * minute);
    expect(await jobs()).toHaveLength(2);
    await later(12 * minute);
    await settled();
    const down = (await jobs()).at(-1);
    expect(down).toMatchObject({ kind: 'cluster.work', state: 'Succeeded', work: { op: 'node.scale-down' } });
    const gone = String(down?.work?.input.node);
    expect(await nodeNames()).toHaveLength(3);
    expect(await nodeNames()).not.toContain(gone);
    expect(down?.log[0]?.text).toMatch(new RegExp(`${gone} is little used \\(\\d+ %\\) since`));
    expect(await stage.cluster('web-1')).toMatchObject({ phase: 'Ready', spec: { nodes: 3 }, nodes: 3 });
    // One at a time, with a pause.
    await later(4 * minute);
    expect(await jobs()).toHaveLength(3);
    // What Kubernetes itself needs keeps its node until a budget says that it may go.
    for (let round = 0; round < 3; round += 1) {
      await later(16 * minute);
      await settled();
    }
    const before = await nodeNames();
    expect(before.length).toBeGreaterThanOrEqual(2);
    expect(JSON.stringify((await kept())?.said)).toMatch(
      /stays: it has kube-system\/coredns-.* no PodDisruptionBudget covers/,
    );
    const labels = { 'k8s-app': 'kube-dns' };
    const budget = { metadata: { name: 'dns' }, spec: { minAvailable: 1, selector: { matchLabels: labels } } };
    await api.api('POST', '/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets', budget);
    await eventually('the budget lets one go', async () => {
      const { body } = await api.api('GET', '/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets/dns');
      return (body as { status?: { disruptionsAllowed?: number } }).status?.disruptionsAllowed === 1;
    });
    await later(16 * minute);
    await settled();
    expect(await nodeNames()).toHaveLength(before.length - 1);
    await running(1);
    expect((await jobs()).every(({ state }) => state === 'Succeeded')).toBe(true);
  }, 120_000);
});
