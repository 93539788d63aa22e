/** kill -9 in the middle of taking a node out of a pool: it goes on from its last step, and one machine goes, the chosen one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, lacksServer } from '../servers.ts';
import { must } from './matrix-scenarios.ts';
import { openWorkMatrix, type WorkGround, type WorkKill, type WorkMatrix, type WorkScenario } from './work-matrix.ts';

interface Item {
  metadata: { name: string };
  spec: { unschedulable?: boolean; nodeName?: string };
  status: { readyReplicas?: number };
}

const deployments = '/apis/apps/v1/namespaces/default/deployments';
const listed = async ({ api }: WorkGround, path: string) => ((await api('GET', path)).body as { items: Item[] }).items;
const readyOf = async ({ api }: WorkGround) =>
  ((await api('GET', `${deployments}/web`)).body as Item).status.readyReplicas;

/** An app on every node, and a budget that lets one of its pods go at a time. */
const scaleDown: WorkScenario = {
  async prepare(on) {
    const labels = { app: 'web' };
    const spec = { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: 'nginx:1.29' }] };
    await on.api('POST', deployments, {
      metadata: { name: 'web' },
      spec: { replicas: 6, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    });
    await on.api('POST', '/apis/policy/v1/namespaces/default/poddisruptionbudgets', {
      metadata: { name: 'web' },
      spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
    });
    await eventually('the app is ready', async () => (await readyOf(on)) === 6);
    await eventually('the budget lets one go', async () => {
      const { body } = await on.api('GET', '/apis/policy/v1/namespaces/default/poddisruptionbudgets/web');
      return (body as { status?: { disruptionsAllowed?: number } }).status?.disruptionsAllowed === 1;
    });
    const dns = await listed(on, '/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns');
    const nodes = await listed(on, '/api/v1/nodes');
    // Where a part of Kubernetes itself runs that no budget covers the node stays.
    const free = nodes.find(({ metadata }) => dns.every((pod) => pod.spec.nodeName !== metadata.name));
    must(free, 'every node carries a part of Kubernetes itself');
    const { name: node } = free.metadata;
    const input = { node, pool: 'default', all: ['default'], size: 3, waitMs: 30_000, use: 0.9, withinMs: 60_000 };
    return { input };
  },
  async verify(on, job) {
    const nodes = await listed(on, '/api/v1/nodes');
    must(/is gone; default has 2 nodes now/.test(job.note), job.note);
    must(nodes.length === 2, `${nodes.length} nodes`);
    must(
      nodes.every(({ metadata, spec }) => metadata.name !== job.work?.input.node && !spec.unschedulable),
      'the wrong node went, or one is closed',
    );
    const seen = (await on.ask('GET', `/v1/clusters/${on.name}`)) as { nodes: number; machines: { name: string }[] };
    must(seen.nodes === 2 && seen.machines.length === 2, `the provider has ${seen.nodes} nodes`);
    const { events } = (await on.ask('GET', `/v1/clusters/${on.name}/events`)) as { events: { message: string }[] };
    const retired = events.filter(({ message }) => /^Change to .*retire=.* began/.test(message)).length;
    must(retired === 1, `${retired} machines were retired`);
    await eventually('the app is whole', async () => (await readyOf(on)) === 6);
  },
};

describe.skipIf(lacksServer('etcd', 'redis-server'))('resume: taking a node out survives kill -9', () => {
  let matrix: WorkMatrix;
  beforeAll(async () => {
    matrix = await openWorkMatrix();
  }, 60_000);
  afterAll(() => matrix.close());

  it('node.scale-down', { timeout: 180_000 }, async () => {
    const op = 'node.scale-down';
    const { changes, store } = (await matrix.run(op, scaleDown)).requests;
    const retire = changes.findIndex((request) => /^PATCH \/v1\/clusters\//.test(request)) + 1;
    expect(retire).toBeGreaterThan(0);
    const kills: WorkKill[] = [
      // The cordon, an eviction, the request to the provider on both sides, and between two saved steps.
      { at: 'outside', side: 'after', n: 1 },
      { at: 'outside', side: 'after', n: Math.ceil(retire / 2) },
      { at: 'outside', side: 'before', n: retire },
      { at: 'outside', side: 'after', n: retire },
      { at: 'store', side: 'after', n: Math.ceil(store.length / 2) },
    ];
    const runs = await Promise.all(kills.map((kill) => matrix.run(op, scaleDown, kill)));
    const killed = runs.filter((run) => run.killed);
    console.info(`${op}: ${killed.length} killed, at ${killed.map(({ request }) => request).join(', ')}`);
    expect(killed.length).toBeGreaterThanOrEqual(kills.length - 1);
  });
});
