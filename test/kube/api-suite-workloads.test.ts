import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../sandbox/sandbox.ts';
import { at, type BothCluster, conditionOf, deskOf, itemsOf, podTemplate, SERVERS } from './both.ts';

describe.each(SERVERS)('$name', ({ name: serverName, skipped, lasting, open }) => {
  if (lasting !== null) console.log(`skipped in part: ${serverName}: ${lasting}`);
  describe.skipIf(skipped !== null)('what runs', () => {
    let cluster: BothCluster;
    let namespace: string;

    beforeAll(async () => {
      cluster = await open();
      namespace = await cluster.namespace();
    }, 120_000);

    afterAll(async () => {
      await cluster?.close();
    });

    const { core, group, read, make, merge, pods, settled } = deskOf(
      () => cluster,
      () => namespace,
    );

    test.skipIf(lasting !== null)(
      'a Deployment rolls out by ReplicaSets, is rolled back, and misses its deadline',
      async () => {
        const path = group('apps/v1', 'deployments/roll');
        await make(group('apps/v1', 'deployments'), {
          metadata: { name: 'roll' },
          spec: { replicas: 2, selector: { matchLabels: { app: 'roll' } }, template: podTemplate('roll', 'nginx:1') },
        });
        await settled(path, 'status.availableReplicas', 2);
        const first = at(await read(path), 'spec.template');
        await merge(path, {
          spec: {
            progressDeadlineSeconds: 20,
            template: { spec: { containers: [{ name: 'main', image: 'missing/app:2' }] } },
          },
        });
        await until('the missed deadline', async () =>
          at(conditionOf(await read(path), 'Progressing'), 'reason') === 'ProgressDeadlineExceeded' ? true : undefined,
        );
        expect(at(await read(path), 'metadata.annotations')).toMatchObject({
          'deployment.kubernetes.io/revision': '2',
        });
        const bad = (await pods('roll')).find((pod) => at(pod, 'spec.containers.0.image') === 'missing/app:2');
        expect(at(bad, 'status.containerStatuses.0.state.waiting.reason')).toBe('ImagePullBackOff');
        await cluster.call('PATCH', path, {
          body: [{ op: 'replace', path: '/spec/template', value: first }],
          type: 'application/json-patch+json',
        });
        await settled(path, 'metadata.annotations.deployment.kubernetes.io/revision', undefined);
        await until('the old revision to be the newest', async () => {
          const body = await read(path);
          const notes = at(body, 'metadata.annotations') as Record<string, string>;
          return notes['deployment.kubernetes.io/revision'] === '3' && at(body, 'status.updatedReplicas') === 2
            ? true
            : undefined;
        });
      },
    );

    test.skipIf(lasting !== null)(
      'a StatefulSet has pods and claims by number and is renewed from the last to the first',
      async () => {
        const path = group('apps/v1', 'statefulsets/db');
        await make(group('apps/v1', 'statefulsets'), {
          metadata: { name: 'db' },
          spec: {
            replicas: 2,
            serviceName: 'db',
            selector: { matchLabels: { app: 'db' } },
            template: podTemplate('db', 'postgres:16'),
            volumeClaimTemplates: [
              {
                metadata: { name: 'data' },
                spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
              },
            ],
          },
        });
        await settled(path, 'status.readyReplicas', 2);
        expect((await pods('db')).map((pod) => at(pod, 'metadata.name'))).toEqual(['db-0', 'db-1']);
        const claim = await read(core('persistentvolumeclaims/data-db-1'));
        expect([at(claim, 'status.phase'), at(claim, 'status.capacity.storage')]).toEqual(['Bound', '1Gi']);
        await merge(path, { spec: { template: { spec: { containers: [{ name: 'main', image: 'postgres:17' }] } } } });
        await until('both pods to be renewed', async () => {
          const images = (await pods('db')).map((pod) => at(pod, 'spec.containers.0.image'));
          const body = await read(path);
          return images.every((image) => image === 'postgres:17') && at(body, 'status.readyReplicas') === 2
            ? true
            : undefined;
        });
        const fixed = await merge(path, { spec: { serviceName: 'other' } });
        expect(fixed.status).toBe(422);
        expect(at(fixed.body, 'message')).toContain('updates to statefulset spec for fields other than');
        const revisions = itemsOf(await cluster.call('GET', group('apps/v1', 'controllerrevisions')));
        expect(revisions).toHaveLength(2);
        await cluster.call('DELETE', path);
        await until('its pods to go', async () => ((await pods('db')).length === 0 ? true : undefined));
        expect((await cluster.call('GET', core('persistentvolumeclaims/data-db-0'))).status).toBe(200);
      },
    );

    test('a DaemonSet has one pod on every node', async () => {
      const path = group('apps/v1', 'daemonsets/agent');
      await make(group('apps/v1', 'daemonsets'), {
        metadata: { name: 'agent' },
        spec: { selector: { matchLabels: { app: 'agent' } }, template: podTemplate('agent', 'agent:1') },
      });
      await settled(path, 'status.numberReady', 3);
      const nodes = (await pods('agent')).map((pod) => at(pod, 'spec.nodeName'));
      expect(new Set(nodes).size).toBe(3);
    });

    test('a Job ends complete or failed, and says so', async () => {
      for (const [name, image, end] of [
        ['works', 'work/job:1', 'Complete'],
        ['fails', 'work/failjob:1', 'Failed'],
      ] as const) {
        await make(group('batch/v1', 'jobs'), {
          metadata: { name },
          spec: {
            backoffLimit: 0,
            template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image }] } },
          },
        });
        const job = await until(`the end of ${name}`, async () => {
          const body = await read(group('batch/v1', `jobs/${name}`));
          return at(conditionOf(body, end), 'status') === 'True' ? body : undefined;
        });
        expect(at(job, end === 'Complete' ? 'status.succeeded' : 'status.failed')).toBe(1);
      }
    });

    test.skipIf(lasting !== null)(
      'a node that dies is tainted, its pods go elsewhere and stay until it is removed',
      async () => {
        await make(group('apps/v1', 'deployments'), {
          metadata: { name: 'moving' },
          spec: {
            replicas: 1,
            selector: { matchLabels: { app: 'moving' } },
            template: podTemplate('moving', 'nginx:1', {
              tolerations: [
                {
                  key: 'node.kubernetes.io/unreachable',
                  operator: 'Exists',
                  effect: 'NoExecute',
                  tolerationSeconds: 20,
                },
              ],
            }),
          },
        });
        await settled(group('apps/v1', 'deployments/moving'), 'status.availableReplicas', 1);
        const before = (await pods('moving'))[0];
        const node = String(at(before, 'spec.nodeName'));
        await merge(`/api/v1/nodes/${node}`, { metadata: { annotations: { 'sandbox.kqueen.io/dead': 'true' } } });
        await until('the node to be unknown', async () =>
          at(conditionOf(await read(`/api/v1/nodes/${node}`), 'Ready'), 'status') === 'Unknown' ? true : undefined,
        );
        await until('a pod elsewhere', async () =>
          (await pods('moving')).some(
            (pod) => at(pod, 'spec.nodeName') !== node && at(pod, 'status.phase') === 'Running',
          )
            ? true
            : undefined,
        );
        const taints = at(await read(`/api/v1/nodes/${node}`), 'spec.taints') as unknown[];
        expect(taints.map((taint) => `${at(taint, 'key')}:${at(taint, 'effect')}`)).toContain(
          'node.kubernetes.io/unreachable:NoExecute',
        );
        expect(at(await read(core(`pods/${at(before, 'metadata.name')}`)), 'metadata.deletionTimestamp')).toBeDefined();
        await cluster.call('DELETE', `/api/v1/nodes/${node}`);
        await until('the lost pod to be gone', async () =>
          (await cluster.call('GET', core(`pods/${at(before, 'metadata.name')}`))).status === 404 ? true : undefined,
        );
      },
    );

    test.runIf(serverName === 'the sandbox')(
      'metrics are there while metrics-server runs, and scale by them',
      async () => {
        expect((await cluster.call('GET', '/apis/metrics.k8s.io/v1beta1/nodes')).status).toBe(404);
        await make('/apis/apps/v1/namespaces/kube-system/deployments', {
          metadata: { name: 'metrics-server' },
          spec: {
            selector: { matchLabels: { app: 'metrics' } },
            template: podTemplate('metrics', 'metrics-server:0.7'),
          },
        });
        await make(group('apps/v1', 'deployments'), {
          metadata: { name: 'busy' },
          spec: {
            selector: { matchLabels: { app: 'busy' } },
            template: {
              metadata: { labels: { app: 'busy' }, annotations: { 'sandbox.kqueen.io/cpu-percent': '90' } },
              spec: { containers: [{ name: 'main', image: 'nginx:1', resources: { requests: { cpu: '100m' } } }] },
            },
          },
        });
        await make(group('autoscaling/v2', 'horizontalpodautoscalers'), {
          metadata: { name: 'busy' },
          spec: {
            scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'busy' },
            minReplicas: 1,
            maxReplicas: 3,
            metrics: [
              { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 30 } } },
            ],
          },
        });
        await settled(group('apps/v1', 'deployments/busy'), 'spec.replicas', 3);
        const nodes = await cluster.call('GET', '/apis/metrics.k8s.io/v1beta1/nodes');
        expect(nodes.status).toBe(200);
        expect(String(at(itemsOf(nodes)[0], 'usage.cpu'))).toMatch(/^\d+n$/);
      },
    );
  });
});
