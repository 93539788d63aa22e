import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../sandbox/sandbox.ts';
import { type Answer, at, type BothCluster, itemsOf, SERVERS } from './both.ts';

const MERGE = 'application/merge-patch+json';

function template(name: string, image: string, more: object = {}): object {
  return { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image }], ...more } };
}

function conditionOf(body: unknown, type: string): unknown {
  const list = at(body, 'status.conditions');
  return (Array.isArray(list) ? list : []).find((entry) => at(entry, 'type') === type);
}

describe.each(SERVERS)('$name', ({ name: serverName, skipped, open }) => {
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

    const core = (path: string): string => `/api/v1/namespaces/${namespace}/${path}`;
    const group = (prefix: string, path: string): string => `/apis/${prefix}/namespaces/${namespace}/${path}`;
    const read = async (path: string): Promise<unknown> => (await cluster.call('GET', path)).body;
    const make = async (path: string, body: object): Promise<Answer> => {
      const made = await cluster.call('POST', path, { body });
      expect([made.status, at(made.body, 'message')]).toEqual([201, undefined]);
      return made;
    };
    const merge = (path: string, body: object): Promise<Answer> => cluster.call('PATCH', path, { body, type: MERGE });
    const pods = async (app: string): Promise<unknown[]> =>
      itemsOf(await cluster.call('GET', core(`pods?labelSelector=app%3D${app}`)));
    const settled = (path: string, field: string, value: unknown): Promise<unknown> =>
      until(
        `${path} to have ${field} ${String(value)}`,
        async () => {
          const body = await read(path);
          return at(body, field) === value ? body : undefined;
        },
        20_000,
      );

    test('a Deployment rolls out by ReplicaSets, is rolled back, and misses its deadline', async () => {
      const path = group('apps/v1', 'deployments/roll');
      await make(group('apps/v1', 'deployments'), {
        metadata: { name: 'roll' },
        spec: { replicas: 2, selector: { matchLabels: { app: 'roll' } }, template: template('roll', 'nginx:1') },
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
      expect(at(await read(path), 'metadata.annotations')).toMatchObject({ 'deployment.kubernetes.io/revision': '2' });
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
    });

    test('a StatefulSet has pods and claims by number and is renewed from the last to the first', async () => {
      const path = group('apps/v1', 'statefulsets/db');
      await make(group('apps/v1', 'statefulsets'), {
        metadata: { name: 'db' },
        spec: {
          replicas: 2,
          serviceName: 'db',
          selector: { matchLabels: { app: 'db' } },
          template: template('db', 'postgres:16'),
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
    });

    test('a DaemonSet has one pod on every node', async () => {
      const path = group('apps/v1', 'daemonsets/agent');
      await make(group('apps/v1', 'daemonsets'), {
        metadata: { name: 'agent' },
        spec: { selector: { matchLabels: { app: 'agent' } }, template: template('agent', 'agent:1') },
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

    test('a budget stands against evictions, in a dry run as well, and tells what it allows', async () => {
      await make(group('apps/v1', 'deployments'), {
        metadata: { name: 'kept' },
        spec: { replicas: 2, selector: { matchLabels: { app: 'kept' } }, template: template('kept', 'nginx:1') },
      });
      await settled(group('apps/v1', 'deployments/kept'), 'status.availableReplicas', 2);
      const budget = group('policy/v1', 'poddisruptionbudgets/kept');
      await make(group('policy/v1', 'poddisruptionbudgets'), {
        metadata: { name: 'kept' },
        spec: { minAvailable: 2, selector: { matchLabels: { app: 'kept' } } },
      });
      await settled(budget, 'status.currentHealthy', 2);
      const pod = String(at((await pods('kept'))[0], 'metadata.name'));
      const evict = (more: object = {}): Promise<Answer> =>
        cluster.call('POST', core(`pods/${pod}/eviction`), {
          body: { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name: pod, namespace }, ...more },
        });
      for (const refused of [await evict(), await evict({ deleteOptions: { dryRun: ['All'] } })]) {
        expect([refused.status, at(refused.body, 'reason')]).toEqual([429, 'TooManyRequests']);
        expect(at(refused.body, 'details.causes.0')).toMatchObject({
          reason: 'DisruptionBudget',
          message: 'The disruption budget kept needs 2 healthy pods and has 2 currently',
        });
      }
      await merge(budget, { spec: { minAvailable: 1 } });
      await settled(budget, 'status.disruptionsAllowed', 1);
      expect((await evict({ deleteOptions: { dryRun: ['All'] } })).status).toBe(201);
      expect((await cluster.call('GET', core(`pods/${pod}`))).status).toBe(200);
      expect((await evict()).status).toBe(201);
    });

    test('a quota refuses what is too much and the ReplicaSet says why', async () => {
      const small = await cluster.namespace();
      const quotas = `/api/v1/namespaces/${small}/resourcequotas`;
      await make(quotas, { metadata: { name: 'small' }, spec: { hard: { pods: '1', configmaps: '2' } } });
      await until('the quota to be counted', async () =>
        at(await read(`${quotas}/small`), 'status.used.pods') === '0' ? true : undefined,
      );
      const sets = `/apis/apps/v1/namespaces/${small}/replicasets`;
      await make(sets, {
        metadata: { name: 'many' },
        spec: { replicas: 2, selector: { matchLabels: { app: 'many' } }, template: template('many', 'nginx:1') },
      });
      const failure = await until('the refusal', async () => conditionOf(await read(`${sets}/many`), 'ReplicaFailure'));
      expect(at(failure, 'message')).toContain(
        'exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1',
      );
      const ranges = `/api/v1/namespaces/${small}/limitranges`;
      await make(ranges, {
        metadata: { name: 'limits' },
        spec: { limits: [{ type: 'Container', max: { cpu: '1' }, default: { cpu: '500m' } }] },
      });
      const greedy = await cluster.call('POST', `/api/v1/namespaces/${small}/pods?dryRun=All`, {
        body: {
          metadata: { name: 'greedy' },
          spec: { containers: [{ name: 'main', image: 'nginx:1', resources: { limits: { cpu: '2' } } }] },
        },
      });
      expect(greedy.status).toBe(403);
      expect(at(greedy.body, 'message')).toContain('maximum cpu usage per Container is 1, but limit is 2');
    });

    test('a definition makes its resource served, judged by its schema, and gone with it', async () => {
      const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      const suffix = namespace.slice(-8);
      const plural = `widgets${suffix}`;
      const schema = {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            required: ['size'],
            properties: {
              size: { type: 'integer', minimum: 1 },
              colour: { type: 'string', enum: ['red', 'green'], default: 'red' },
              free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
          status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      };
      await make(definitions, {
        metadata: { name: `${plural}.suite.example.com` },
        spec: {
          group: 'suite.example.com',
          scope: 'Namespaced',
          names: { plural, kind: `Widget${suffix}` },
          versions: [
            {
              name: 'v1',
              served: true,
              storage: true,
              schema: { openAPIV3Schema: schema },
              subresources: { status: {} },
            },
          ],
        },
      });
      const path = group('suite.example.com/v1', plural);
      await until('the resource to be served', async () =>
        (await cluster.call('GET', path)).status === 200 ? true : undefined,
      );
      const widget = (name: string, spec: object): object => ({
        kind: `Widget${suffix}`,
        apiVersion: 'suite.example.com/v1',
        metadata: { name },
        spec,
      });
      const made = await make(path, widget('one', { size: 2, free: { any: { thing: 1 } } }));
      expect(at(made.body, 'spec')).toEqual({ size: 2, colour: 'red', free: { any: { thing: 1 } } });
      const bad = await cluster.call('POST', path, { body: widget('two', { colour: 'blue' }) });
      expect(bad.status).toBe(422);
      expect(at(bad.body, 'message')).toContain('spec.size: Required value');
      expect(at(bad.body, 'message')).toContain('spec.colour: Unsupported value: "blue"');
      const typo = await cluster.call('POST', `${path}?fieldValidation=Strict`, {
        body: widget('three', { size: 1, colours: 'red' }),
      });
      expect([typo.status, String(at(typo.body, 'message'))]).toEqual([
        400,
        expect.stringContaining('unknown field "spec.colours"'),
      ]);
      const status = await merge(`${path}/one/status`, { status: { phase: 'Fine' }, spec: { size: 9 } });
      expect([at(status.body, 'status.phase'), at(status.body, 'spec.size')]).toEqual(['Fine', 2]);
      await cluster.call('DELETE', `${definitions}/${plural}.suite.example.com`);
      await until('the resource to be gone', async () =>
        (await cluster.call('GET', path)).status === 404 ? true : undefined,
      );
    });

    test('discovery comes whole for those who ask, and says what is namespaced', async () => {
      const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
      const whole = await cluster.call('GET', '/apis', { accept });
      expect([at(whole.body, 'kind'), at(whole.body, 'apiVersion')]).toEqual([
        'APIGroupDiscoveryList',
        'apidiscovery.k8s.io/v2',
      ]);
      const apps = itemsOf(whole).find((item) => at(item, 'metadata.name') === 'apps');
      const resources = at(apps, 'versions.0.resources') as unknown[];
      expect(resources.find((one) => at(one, 'resource') === 'deployments')).toMatchObject({
        scope: 'Namespaced',
        singularResource: 'deployment',
        responseKind: { group: 'apps', version: 'v1', kind: 'Deployment' },
      });
    });

    test('nobody gives away what they do not have; a bound token ends with what it is bound to', async () => {
      const rbac = (path: string): string => group('rbac.authorization.k8s.io/v1', path);
      await make(core('serviceaccounts'), { metadata: { name: 'small' } });
      await make(rbac('roles'), {
        metadata: { name: 'small' },
        rules: [
          { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] },
          {
            apiGroups: ['rbac.authorization.k8s.io'],
            resources: ['roles', 'rolebindings'],
            verbs: ['create', 'update', 'patch'],
          },
        ],
      });
      await make(rbac('rolebindings'), {
        metadata: { name: 'small' },
        subjects: [{ kind: 'ServiceAccount', name: 'small', namespace }],
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'small' },
      });
      await make(core('secrets'), { metadata: { name: 'tie' } });
      const asked = await cluster.call('POST', core('serviceaccounts/small/token'), {
        body: { spec: { expirationSeconds: 600, boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'tie' } } },
      });
      expect(asked.status).toBe(201);
      const token = String(at(asked.body, 'status.token'));
      await until('the rights of the token', async () =>
        (await cluster.call('GET', core('configmaps'), { token })).status === 200 ? true : undefined,
      );
      expect((await cluster.call('GET', core('secrets'), { token })).status).toBe(403);
      const body = { metadata: { name: 'more' }, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }] };
      const refused = await cluster.call('POST', rbac('roles'), { token, body });
      expect(refused.status).toBe(403);
      expect(at(refused.body, 'message')).toContain('is attempting to grant RBAC permissions not currently held');
      const own = { ...body, metadata: { name: 'small' } };
      expect((await cluster.call('PUT', rbac('roles/small'), { token, body: own })).status).toBe(403);
      const patched = { token, body: { rules: body.rules }, type: MERGE };
      expect((await cluster.call('PATCH', rbac('roles/small'), patched)).status).toBe(403);
      await cluster.call('DELETE', core('secrets/tie'));
      await until(
        'the end of the token',
        async () => ((await cluster.call('GET', core('configmaps'), { token })).status === 401 ? true : undefined),
        20_000,
      );
    });

    test('a namespace ends with all that it holds', async () => {
      const name = await cluster.namespace();
      await make(`/api/v1/namespaces/${name}/configmaps`, { metadata: { name: 'a', finalizers: ['suite/wait'] } });
      await cluster.call('DELETE', `/api/v1/namespaces/${name}`);
      expect(at(await read(`/api/v1/namespaces/${name}`), 'status.phase')).toBe('Terminating');
      const late = await cluster.call('POST', `/api/v1/namespaces/${name}/configmaps`, {
        body: { metadata: { name: 'b' } },
      });
      expect([late.status, at(late.body, 'details.causes.0.reason')]).toEqual([403, 'NamespaceTerminating']);
      await until('the map to wait for its finalizer', async () =>
        at(await read(`/api/v1/namespaces/${name}/configmaps/a`), 'metadata.deletionTimestamp') ? true : undefined,
      );
      await merge(`/api/v1/namespaces/${name}/configmaps/a`, { metadata: { finalizers: null } });
      await until(
        'the namespace to be gone',
        async () => ((await cluster.call('GET', `/api/v1/namespaces/${name}`)).status === 404 ? true : undefined),
        20_000,
      );
    });

    test('a node that dies is tainted, its pods go elsewhere and stay until it is removed', async () => {
      await make(group('apps/v1', 'deployments'), {
        metadata: { name: 'moving' },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: 'moving' } },
          template: template('moving', 'nginx:1', {
            tolerations: [
              { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 20 },
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
        (await pods('moving')).some((pod) => at(pod, 'spec.nodeName') !== node && at(pod, 'status.phase') === 'Running')
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
    });

    test.runIf(serverName === 'the sandbox')(
      'metrics are there while metrics-server runs, and scale by them',
      async () => {
        expect((await cluster.call('GET', '/apis/metrics.k8s.io/v1beta1/nodes')).status).toBe(404);
        await make('/apis/apps/v1/namespaces/kube-system/deployments', {
          metadata: { name: 'metrics-server' },
          spec: { selector: { matchLabels: { app: 'metrics' } }, template: template('metrics', 'metrics-server:0.7') },
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
