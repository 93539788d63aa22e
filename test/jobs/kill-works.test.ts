/** kill -9 in the middle of work in clusters: each goes on from its last step and ends right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callFor } from '../engines/calls.ts';
import { eventually, lacksServer } from '../servers.ts';
import { must } from './matrix-scenarios.ts';
import { openWorkMatrix, type WorkGround, type WorkKill, type WorkMatrix, type WorkScenario } from './work-matrix.ts';

interface Item {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { unschedulable?: boolean; nodeName?: string };
  status: { conditions?: { type: string; status: string }[]; readyReplicas?: number };
}

const deployments = '/apis/apps/v1/namespaces/default/deployments';
const listed = async ({ api }: WorkGround, path: string) => ((await api('GET', path)).body as { items: Item[] }).items;
const podsOf = async (on: WorkGround) =>
  (await listed(on, '/api/v1/namespaces/default/pods?labelSelector=app%3Dweb')).filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
const readyOf = async ({ api }: WorkGround) =>
  ((await api('GET', `${deployments}/web`)).body as Item).status.readyReplicas;

/** An app of three pods with a budget that lets one go at a time. */
async function app(on: WorkGround): Promise<Item[]> {
  const labels = { app: 'web' };
  const spec = { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: 'nginx:1.29' }] };
  await on.api('POST', deployments, {
    metadata: { name: 'web' },
    spec: { replicas: 3, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  await on.api('POST', '/apis/policy/v1/namespaces/default/poddisruptionbudgets', {
    metadata: { name: 'web' },
    spec: { minAvailable: 2, selector: { matchLabels: labels } },
  });
  await eventually('the app is ready', async () => (await readyOf(on)) === 3);
  return podsOf(on);
}

const whole = (on: WorkGround) => eventually('the app is whole', async () => (await readyOf(on)) === 3);
const victims = new Map<string, Item>();

const works: Record<string, WorkScenario> = {
  'node.drain': {
    async prepare(on) {
      const pods = await app(on);
      return { input: { node: pods[0]?.spec.nodeName ?? '', force: true, withinMs: 60_000 } };
    },
    async verify(on, job) {
      const { node } = job.work?.input ?? {};
      const nodes = await listed(on, '/api/v1/nodes');
      must(nodes.find(({ metadata }) => metadata.name === node)?.spec.unschedulable, 'the node is open');
      must(
        (await podsOf(on)).every(({ spec }) => spec.nodeName !== node),
        'a pod is left on the node',
      );
      must(nodes.filter(({ spec }) => spec.unschedulable).length === 1, 'another node is closed');
      await whole(on);
    },
  },
  'node.repair': {
    async prepare(on) {
      const node = (await app(on))[0]?.spec.nodeName ?? '';
      await on.ask('PUT', '/v1/admin/node', { cluster: on.name, node, state: 'dead' });
      const seen = await eventually('the node is silent', async () => {
        const found = (await listed(on, '/api/v1/nodes')).find(({ metadata }) => metadata.name === node);
        const silent = found?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'Unknown');
        return silent && found ? found : null;
      });
      victims.set(on.name, seen);
      const how = { by: 'replace', retires: true, instead: '', force: false };
      return { input: { node, afterMs: 600_000, withinMs: 60_000, ...how } };
    },
    async verify(on) {
      const old = victims.get(on.name);
      const nodes = await listed(on, '/api/v1/nodes');
      must(nodes.length === 3, `${nodes.length} nodes`);
      must(
        nodes.every(({ metadata }) => metadata.uid !== old?.metadata.uid),
        'the dead node is still there',
      );
      must(
        nodes.every(({ spec }) => !spec.unschedulable),
        'a node is closed',
      );
      const { events } = (await on.ask('GET', `/v1/clusters/${on.name}/events`)) as { events: { message: string }[] };
      const retired = events.filter(({ message }) => /^Change to retire=.* began/.test(message)).length;
      must(retired === 1, `${retired} machines were retired`);
      await whole(on);
    },
  },
  'app.restart': {
    async prepare(on) {
      await app(on);
      return { input: { namespace: 'default', name: 'web', at: '2026-01-01T00:00:00Z' } };
    },
    async verify(on) {
      await whole(on);
      const sets = await listed(on, '/apis/apps/v1/namespaces/default/replicasets');
      must(sets.length === 2, `${sets.length} generations of pods`);
    },
  },
  'app.deploy': {
    async prepare(on) {
      const named = { name: 'shop', namespace: 'default' };
      const what = {
        image: 'nginx:1.29',
        env: {},
        secretEnv: {},
        ports: ['80'],
        replicas: 2,
        publish: 'cluster' as const,
      };
      const source = { from: 'image' as const, ...what };
      const { bulk } = await on.kube.bundle(on.kubeconfig, named, source, callFor());
      const more = { by: 'Grace', asked: 'asked-once', force: false, privileged: false, withinMs: 60_000 };
      return { input: { app: 'shop', namespace: 'default', source: 'an image', ...more }, bulk };
    },
    async verify(on) {
      const { body } = await on.api('GET', `${deployments}/shop`);
      must((body as Item).status.readyReplicas === 2, 'it is not ready');
      const secrets = await listed(on, '/api/v1/namespaces/kqueen/secrets');
      must(secrets.length <= 1, `${secrets.length} revisions`);
    },
  },
};

describe.skipIf(lacksServer('etcd', 'redis-server'))('resume: work in clusters survives kill -9', () => {
  let matrix: WorkMatrix;
  beforeAll(async () => {
    matrix = await openWorkMatrix();
  }, 60_000);
  afterAll(() => matrix.close());

  it.for(Object.entries(works))('%s', { timeout: 180_000 }, async ([op, scenario]) => {
    const unharmed = await matrix.run(op, scenario);
    expect(unharmed.killed).toBe(false);
    const { changes, store } = unharmed.requests;
    expect(changes.length).toBeGreaterThan(0);
    const middle = Math.ceil(changes.length / 2);
    const kills: WorkKill[] = [
      { at: 'outside', side: 'before', n: middle },
      // What is between two changes matters where there are several of one kind.
      ...(op.startsWith('node.') ? [{ at: 'outside' as const, side: 'after' as const, n: 1 }] : []),
      { at: 'outside', side: 'after', n: changes.length },
      { at: 'store', side: 'after', n: Math.ceil(store.length / 2) },
    ];
    const runs = await Promise.all(kills.map((kill) => matrix.run(op, scenario, kill)));
    const killed = runs.filter((run) => run.killed);
    console.info(
      `${op}: ${killed.length} of ${runs.length} killed, at ${killed.map(({ request }) => request).join(', ')}`,
    );
    expect(killed.length).toBeGreaterThanOrEqual(kills.length - 1);
  });
});
