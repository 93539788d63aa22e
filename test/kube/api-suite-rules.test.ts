import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../sandbox/sandbox.ts';
import { type Answer, at, type BothCluster, conditionOf, deskOf, itemsOf, podTemplate, SERVERS } from './both.ts';

const MERGE = 'application/merge-patch+json';

describe.each(SERVERS)('$name', ({ name: serverName, skipped, open }) => {
  describe.skipIf(skipped !== null)('the rules', () => {
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

    test('a budget stands against evictions, in a dry run as well, and tells what it allows', async () => {
      await make(group('apps/v1', 'deployments'), {
        metadata: { name: 'kept' },
        spec: { replicas: 2, selector: { matchLabels: { app: 'kept' } }, template: podTemplate('kept', 'nginx:1') },
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
        spec: { replicas: 2, selector: { matchLabels: { app: 'many' } }, template: podTemplate('many', 'nginx:1') },
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
      const limit = 'maximum cpu usage per Container is 1, but limit is 2';
      // A real API server takes a moment before it heeds a new range; until then it is the quota that refuses.
      const greedy = await until('the refusal of the range', async () => {
        const answer = await cluster.call('POST', `/api/v1/namespaces/${small}/pods?dryRun=All`, {
          body: {
            metadata: { name: 'greedy' },
            spec: { containers: [{ name: 'main', image: 'nginx:1', resources: { limits: { cpu: '2' } } }] },
          },
        });
        return String(at(answer.body, 'message')).includes(limit) ? answer : undefined;
      });
      expect(greedy.status).toBe(403);
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
      const older = group('suite.example.com/v1beta1', `${plural}/one`);
      await merge(`${definitions}/${plural}.suite.example.com`, {
        spec: {
          versions: [
            {
              name: 'v1',
              served: true,
              storage: true,
              schema: { openAPIV3Schema: schema },
              subresources: { status: {} },
            },
            { name: 'v1beta1', served: true, storage: false, deprecated: true, schema: { openAPIV3Schema: schema } },
          ],
        },
      });
      const beta = await until('the older version to be served', async () => {
        const answer = await cluster.call('GET', older);
        return answer.status === 200 ? answer : undefined;
      });
      expect(at(beta.body, 'apiVersion')).toBe('suite.example.com/v1beta1');
      expect(beta.warnings.join()).toContain(`suite.example.com/v1beta1 Widget${suffix} is deprecated`);
      const metric = await cluster.call('GET', '/metrics');
      expect(metric.text).toMatch(
        new RegExp(`apiserver_requested_deprecated_apis\\{[^}]*resource="${plural}"[^}]*version="v1beta1"`),
      );
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
        responseKind: { group: '', version: '', kind: 'Deployment' },
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

    test('events are the same by their old and their new names', async () => {
      const made = await make(group('events.k8s.io/v1', 'events'), {
        metadata: { generateName: 'new-' },
        regarding: { kind: 'Pod', namespace, name: 'x' },
        reason: 'Tried',
        note: 'as the new group says it',
        type: 'Normal',
        action: 'Try',
        eventTime: '2026-01-01T00:00:00.000000Z',
        reportingController: 'suite.example.com/suite',
        reportingInstance: 'suite-1',
      });
      const name = String(at(made.body, 'metadata.name'));
      expect([at(made.body, 'apiVersion'), at(made.body, 'note')]).toEqual([
        'events.k8s.io/v1',
        'as the new group says it',
      ]);
      expect(await read(core(`events/${name}`))).toMatchObject({
        apiVersion: 'v1',
        message: 'as the new group says it',
        involvedObject: { kind: 'Pod', name: 'x' },
      });
      const listed = itemsOf(await cluster.call('GET', group('events.k8s.io/v1', 'events')));
      expect(listed.find((event) => at(event, 'metadata.name') === name)).toMatchObject({ regarding: { name: 'x' } });
    });

    // The work of a controller that a real API server does not have by itself.
    test.runIf(serverName === 'the sandbox')(
      'a Secret may ask for the token of a service account, which ends with it',
      async () => {
        await make(core('serviceaccounts'), { metadata: { name: 'lasting' } });
        await make(core('secrets'), {
          metadata: { name: 'lasting', annotations: { 'kubernetes.io/service-account.name': 'lasting' } },
          type: 'kubernetes.io/service-account-token',
        });
        const data = at(await read(core('secrets/lasting')), 'data.token');
        const token = Buffer.from(String(data), 'base64').toString();
        const who = { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' };
        const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
        const seen = await cluster.call('POST', path, { token, body: who });
        expect(at(seen.body, 'status.userInfo.username')).toBe(`system:serviceaccount:${namespace}:lasting`);
        await cluster.call('DELETE', core('secrets/lasting'));
        expect((await cluster.call('POST', path, { token, body: who })).status).toBe(401);
      },
    );
  });
});
