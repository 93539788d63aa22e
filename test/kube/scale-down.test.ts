/** Taking one node out of a pool: what makes it stay, and that it is open again then. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { WorkStep } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { realClock } from '../engines/calls.ts';
import { until } from '../sandbox/sandbox.ts';
import { at, type BothCluster, itemsOf, podTemplate, SERVERS } from './both.ts';

let ahead = 0;
const clock: Clock = { now: () => Date.now() + ahead, sleep: realClock.sleep };
let kube: Kube;
beforeAll(() => {
  kube = openKube({ log: silentLog, clock });
});
afterAll(() => kube.close());

for (const server of SERVERS) {
  describe.skipIf(server.skipped !== null)(`taking a node out on ${server.name}`, () => {
    let cluster: BothCluster;
    let space: string;
    let node = '';

    beforeAll(async () => {
      cluster = await server.open();
    }, 120_000);
    afterAll(() => cluster?.close());
    beforeEach(async () => {
      ahead = 0;
      space = await cluster.namespace();
      const pods = itemsOf(
        await cluster.call('GET', '/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns'),
      );
      const taken = pods.map((pod) => at(pod, 'spec.nodeName'));
      node = await until('a node without a part of Kubernetes itself', async () => {
        const all = itemsOf(await cluster.call('GET', '/api/v1/nodes')).map((each) =>
          String(at(each, 'metadata.name')),
        );
        return all.find((name) => !taken.includes(name));
      });
    });

    afterEach(async () => {
      await cluster.call('DELETE', `/apis/apps/v1/namespaces/${space}/deployments`);
      await until('its pods are gone', async () => {
        const left = itemsOf(await cluster.call('GET', `/api/v1/namespaces/${space}/pods`));
        const free = { body: { metadata: { finalizers: null } }, type: 'application/merge-patch+json' };
        for (const pod of left.filter((each) => at(each, 'metadata.finalizers') !== undefined))
          await cluster.call('PATCH', `/api/v1/namespaces/${space}/pods/${String(at(pod, 'metadata.name'))}`, free);
        return left.length === 0 ? true : undefined;
      });
    });

    const input = (change: object = {}) => ({
      ...{ node, pool: 'workers', all: ['workers'], size: 3, waitMs: 30_000, use: 0.9, withinMs: 60_000 },
      ...change,
    });
    const call = () => ({ signal: AbortSignal.timeout(20_000), deadline: clock.now() + 20_000 });
    const cordoned = async () =>
      at((await cluster.call('GET', `/api/v1/nodes/${node}`)).body, 'spec.unschedulable') === true;
    /** Step after step, until it is over, or asks the provider; in between the clock moves by `pause`. */
    async function run(pause = 0, change: object = {}): Promise<WorkStep> {
      let progress: Record<string, unknown> = {};
      for (let count = 0; count < 200; count += 1) {
        const step = await kube.work(
          cluster.kubeconfig,
          { op: 'node.scale-down', input: input(change), progress },
          call(),
        );
        if (step.state === 'done' || step.provider) return step;
        ({ progress } = step);
        if (step.state === 'wait') {
          ahead += pause;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
      throw new Error('it does not end');
    }
    const pinned = async (name: string, annotations: object = {}): Promise<void> => {
      const template = podTemplate(name, 'nginx:1.29', { nodeName: node, terminationGracePeriodSeconds: 0 }) as {
        metadata: object;
      };
      const made = await cluster.call('POST', `/apis/apps/v1/namespaces/${space}/deployments`, {
        body: {
          metadata: { name },
          spec: {
            replicas: 1,
            selector: { matchLabels: { app: name } },
            template: { ...template, metadata: { ...template.metadata, annotations } },
          },
        },
      });
      if (made.status !== 201) throw new Error(made.text);
      await until(`${name} runs`, async () => {
        const pods = itemsOf(await cluster.call('GET', `/api/v1/namespaces/${space}/pods`));
        return pods.some((pod) => at(pod, 'status.phase') === 'Running') ? true : undefined;
      });
    };

    test('an empty node is closed, and its machine is asked for by name, with the count after it', async () => {
      const step = await run();
      expect(step.provider).toMatchObject({ nodes: 2, retire: { node } });
      expect(step.provider?.pool).toBeUndefined();
      expect(await cordoned()).toBe(true);
      const before = step.provider?.retire?.before ?? 0;
      const made = Date.parse(
        String(at((await cluster.call('GET', `/api/v1/nodes/${node}`)).body, 'metadata.creationTimestamp')),
      );
      expect(before).toBeGreaterThan(made);
      expect(before).toBeLessThan(Date.now() + 2_000);
      const open = { body: { spec: { unschedulable: null } }, type: 'application/merge-patch+json' };
      await cluster.call('PATCH', `/api/v1/nodes/${node}`, open);
    });

    test('what has come to it meanwhile keeps it, and it takes pods again', async () => {
      await pinned('marked', { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' });
      const step = await run();
      expect(step).toMatchObject({ state: 'done', at: 1 });
      expect(step.note).toMatch(
        new RegExp(`Node ${node} stays: it has ${space}/marked-.*not safe to evict. It takes pods again`),
      );
      expect(await cordoned()).toBe(false);
    });

    test('pods that do not leave in time keep it, and it takes pods again', async () => {
      await pinned('slow');
      const hold = { metadata: { finalizers: ['example.com/hold'] } };
      const [pod] = itemsOf(await cluster.call('GET', `/api/v1/namespaces/${space}/pods`));
      const path = `/api/v1/namespaces/${space}/pods/${String(at(pod, 'metadata.name'))}`;
      const type = 'application/merge-patch+json';
      await cluster.call('PATCH', path, { body: hold, type });
      await expect(run(20_000)).rejects.toThrow(/\d pods? did not leave .* within .*It stays, and takes pods again/);
      expect(await cordoned()).toBe(false);
    });

    test('a node that somebody has cordoned, or that is gone, is left alone', async () => {
      const close = { body: { spec: { unschedulable: true } }, type: 'application/merge-patch+json' };
      await cluster.call('PATCH', `/api/v1/nodes/${node}`, close);
      expect((await run()).note).toMatch(/Somebody has cordoned/);
      expect(await cordoned()).toBe(true);
      const open = { body: { spec: { unschedulable: null } }, type: 'application/merge-patch+json' };
      await cluster.call('PATCH', `/api/v1/nodes/${node}`, open);
      expect((await run(0, { node: 'nowhere' })).note).toBe('Node nowhere is gone already.');
    });
  });
}
