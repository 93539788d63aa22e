/** Whether pools are too small or too large, by the clusters' own APIs. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { PoolSight, ScalingSight } from '../../src/core/ports/scaling.ts';
import { parseQuantity } from '../../src/core/units.ts';
import { openKube } from '../../src/kube/index.ts';
import { realClock } from '../engines/calls.ts';
import { until } from '../sandbox/sandbox.ts';
import { at, type BothCluster, itemsOf, podTemplate, SERVERS } from './both.ts';

let ahead = 60_000;
const clock: Clock = { now: () => Date.now() + ahead, sleep: realClock.sleep };
let kube: Kube;
beforeAll(() => {
  kube = openKube({ log: silentLog, clock });
});
afterAll(() => kube.close());

const needs = (cpu: string) => ({ resources: { requests: { cpu } } });

for (const server of SERVERS) {
  describe.skipIf(server.skipped !== null)(`what pools need on ${server.name}`, () => {
    let cluster: BothCluster;
    let space: string;
    let nodes: string[] = [];
    /** How many pods of 1.5 CPU each node has room for, beside what Kubernetes itself runs there. */
    let room: number[] = [];

    beforeAll(async () => {
      ahead = 60_000;
      cluster = await server.open();
      space = await cluster.namespace();
      await until('the nodes are ready', async () => {
        const all = itemsOf(await cluster.call('GET', '/api/v1/nodes'));
        nodes = all.map((node) => String(at(node, 'metadata.name'))).sort();
        const cores = all.map((node) => parseQuantity(String(at(node, 'status.allocatable.cpu'))) ?? 0);
        room = cores.map((cpu) => Math.floor((cpu - 0.35) / 1.5));
        return nodes.length >= 3 && JSON.stringify(all).match(/"KubeletReady"/g)?.length === nodes.length
          ? true
          : undefined;
      });
    }, 120_000);
    afterAll(() => cluster?.close());

    const make = async (path: string, body: object): Promise<void> => {
      const made = await cluster.call('POST', path, { body });
      if (made.status !== 201) throw new Error(`POST ${path}: ${made.text}`);
    };
    const deploy = (name: string, replicas: number, cpu: string, more: object = {}, annotations: object = {}) => {
      const template = podTemplate(name, 'nginx:1.29', {
        containers: [{ name: 'main', image: 'nginx:1.29', ...needs(cpu) }],
        ...more,
      }) as { metadata: object };
      const metadata = { ...template.metadata, annotations };
      const selector = { matchLabels: { app: name } };
      return make(`/apis/apps/v1/namespaces/${space}/deployments`, {
        metadata: { name },
        spec: { replicas, selector, template: { ...template, metadata } },
      });
    };
    const drop = async (...names: string[]) => {
      for (const name of names) await cluster.call('DELETE', `/apis/apps/v1/namespaces/${space}/deployments/${name}`);
      await until('its pods are gone', async () => {
        const left = itemsOf(await cluster.call('GET', `/api/v1/namespaces/${space}/pods`));
        return left.length === 0 ? true : undefined;
      });
    };
    const look = (change: object = {}): Promise<ScalingSight> =>
      kube.scaling(
        cluster.kubeconfig,
        { pools: ['workers'], all: ['workers'], waitMs: 30_000, use: 0.5, most: 3, ...change },
        { signal: AbortSignal.timeout(20_000), deadline: clock.now() + 20_000 },
      );
    const seen = (about: string, is: (sight: ScalingSight, pool: PoolSight) => boolean, change: object = {}) =>
      until(about, async () => {
        const sight = await look(change);
        const [pool] = sight.pools;
        return pool && is(sight, pool) ? { sight, pool } : undefined;
      });

    test('pods that a new node helps, those that none would help, and those that have not waited long', async () => {
      await deploy(
        'web',
        room.reduce((sum, each) => sum + each, 2),
        '1500m',
      );
      await deploy('huge', 1, '64');
      await deploy('elsewhere', 1, '100m', { nodeSelector: { disk: 'ssd' } });
      await deploy('claimed', 1, '100m', { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'none' } }] });
      const { sight, pool } = await seen(
        'all of them wait',
        (all, one) => one.waiting.pods === 2 && all.helpless.pods === 3,
      );
      expect(pool.waiting).toMatchObject({ pods: 2, needs: Math.ceil(2 / Math.min(...room)) });
      expect(pool.waiting.some).toEqual([
        expect.stringContaining(`${space}/web-`),
        expect.stringContaining(`${space}/web-`),
      ]);
      expect(pool.nodes.toSorted()).toEqual(nodes);
      const whys = sight.helpless.some.map(({ pod, why }) => `${pod.split('/')[1]?.split('-')[0]}: ${why}`).sort();
      expect(whys).toEqual([
        'claimed: its volume claim none is not there',
        'elsewhere: it asks for a node with other labels, also on a new node of workers',
        'huge: it asks for more CPU than there is room for, also on a new node of workers',
      ]);
      expect((await look({ most: 1 })).pools[0]?.waiting.needs).toBe(1);
      expect((await look({ waitMs: 600_000 })).pools[0]?.waiting.pods).toBe(0);
      await drop('web', 'huge', 'elsewhere', 'claimed');
    }, 60_000);

    test('what keeps a little-used node, and a node that may go', async () => {
      // Everything on one node, so that the others are empty but for what Kubernetes itself runs there.
      const [first = ''] = nodes;
      const pinned = { nodeName: first };
      await deploy('plain', 1, '100m', pinned);
      const reasons: [string, object, object, RegExp][] = [
        ['marked', {}, { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' }, /marked as not safe to evict/],
        ['local', { volumes: [{ name: 'scratch', emptyDir: {} }] }, {}, /keeps data on the node/],
        ['guarded', {}, {}, /PodDisruptionBudget guarded does not let go/],
      ];
      await make(`/apis/policy/v1/namespaces/${space}/poddisruptionbudgets`, {
        metadata: { name: 'guarded' },
        spec: { maxUnavailable: 0, selector: { matchLabels: { app: 'guarded' } } },
      });
      const system = { metadata: { name: 'all' }, spec: { maxUnavailable: 1, selector: {} } };
      await make('/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets', system);
      await seen('the node may go', (_all, pool) => pool.idle.some(({ node }) => node === first));
      for (const [name, more, annotations, says] of reasons) {
        await deploy(name, 1, '100m', { ...pinned, ...more }, annotations);
        const { pool } = await seen(`${name} keeps it`, (_all, one) => one.kept.some(({ node }) => node === first));
        expect(pool.kept.find(({ node }) => node === first)?.why).toMatch(says);
        await cluster.call('DELETE', `/apis/apps/v1/namespaces/${space}/deployments/${name}`);
        await seen(`${name} is gone`, (_all, one) => one.idle.some(({ node }) => node === first));
      }
      await make(`/api/v1/namespaces/${space}/pods`, {
        metadata: { name: 'alone' },
        spec: { nodeName: first, containers: [{ name: 'main', image: 'nginx:1.29', ...needs('10m') }] },
      });
      const { pool } = await seen('the lone pod keeps it', (_all, one) => one.kept.some(({ node }) => node === first));
      expect(pool.kept.find(({ node }) => node === first)?.why).toMatch(/alone, which nothing would make again/);
      await cluster.call('DELETE', `/api/v1/namespaces/${space}/pods/alone?gracePeriodSeconds=0`);
      const mark = { metadata: { annotations: { 'cluster-autoscaler.kubernetes.io/scale-down-disabled': 'true' } } };
      const type = 'application/merge-patch+json';
      await cluster.call('PATCH', `/api/v1/nodes/${first}`, { body: mark, type });
      const marked = await seen('the mark keeps it', (_all, one) => one.kept.some(({ node }) => node === first));
      expect(marked.pool.kept.find(({ node }) => node === first)?.why).toBe('is marked as not to be removed');
      expect((await look({ use: 0.01 })).pools[0]?.idle).toEqual([]);
    }, 90_000);

    test('pools that the nodes do not tell apart are not guessed', async () => {
      const sight = await look({ pools: ['one'], all: ['one', 'two'] });
      expect(sight.pools[0]).toMatchObject({ pool: 'one', nodes: [], idle: [], waiting: { needs: 0 } });
      expect(sight.pools[0]?.unknown).toMatch(/carry no label that says which of them are of one/);
    });
  });
}
