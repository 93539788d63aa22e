import { join } from 'node:path';
import {
  AppsV1Api,
  AuthorizationV1Api,
  CoreV1Api,
  KubeConfig,
  makeInformer,
  RbacAuthorizationV1Api,
  type V1ConfigMap,
  type V1Deployment,
  Watch,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Answer,
  callerOf,
  loginOf,
  runningCluster,
  type SandboxChild,
  startChild,
  temporaryDirectory,
  until,
} from './sandbox.ts';

const home = temporaryDirectory();
let sandbox: SandboxChild;
let config: KubeConfig;
let core: CoreV1Api;
let raw: ReturnType<typeof callerOf>;
let server: string;

beforeAll(async () => {
  sandbox = await startChild(join(home.path, 'data'));
  const kubeconfig = await runningCluster(sandbox.call, 'api');
  const login = loginOf(kubeconfig);
  server = login.server;
  raw = callerOf(server, sandbox.ca, login.token);
  config = new KubeConfig();
  config.loadFromString(kubeconfig);
  core = config.makeApiClient(CoreV1Api);
});

afterAll(async () => {
  await raw.close();
  await sandbox.stop();
  home.remove();
});

/** The kubeconfig of a service account's token. */
function withToken(token: string): KubeConfig {
  const other = new KubeConfig();
  other.loadFromClusterAndUser(
    { name: 'sandbox', server, caData: Buffer.from(sandbox.ca).toString('base64'), skipTLSVerify: false },
    { name: 'account', token },
  );
  return other;
}

/** The HTTP status that a call of client-node failed with. */
async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => 'no failure',
    (error: unknown) => (typeof error === 'object' && error !== null && 'code' in error ? error.code : error),
  );
}

function deployment(name: string, replicas: number, image = 'nginx:1'): V1Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image }] } },
    },
  };
}

const MAPS = '/api/v1/namespaces/default/configmaps';

async function patch(path: string, kind: string, body: unknown): Promise<Answer> {
  return await raw.call('PATCH', path, { body, headers: { 'content-type': `application/${kind}` } });
}

describe('reading', () => {
  test('health is for everybody, the rest is not', async () => {
    for (const path of ['/healthz', '/livez', '/readyz']) {
      const answer = await raw.call('GET', path, { token: null });
      expect([answer.status, answer.text]).toEqual([200, 'ok']);
    }
    expect((await raw.call('GET', '/readyz?verbose', { token: null })).text).toContain('readyz check passed');
    for (const path of ['/version', '/api', '/api/v1/nodes']) {
      const answer = await raw.call('GET', path, { token: null });
      expect([answer.status, answer.body.reason]).toEqual([401, 'Unauthorized']);
    }
    expect((await raw.call('GET', '/api/v1/nodes', { token: 'made.up.token' })).status).toBe(401);
  });

  test('lists come in pages that hold everything once', async () => {
    for (let index = 0; index < 25; index += 1) {
      const metadata = { name: `paged-${index}`, labels: { set: index % 2 === 0 ? 'even' : 'odd' } };
      await core.createNamespacedConfigMap({
        namespace: 'default',
        body: { metadata, data: { index: String(index) } },
      });
    }
    const names: string[] = [];
    let token: string | undefined;
    let pages = 0;
    do {
      const page = await core.listNamespacedConfigMap({
        namespace: 'default',
        limit: 10,
        ...(token === undefined ? {} : { _continue: token }),
      });
      names.push(...page.items.map((item) => item.metadata?.name ?? ''));
      token = page.metadata?._continue;
      if (pages === 0) expect(page.metadata?.remainingItemCount).toBe(15);
      pages += 1;
    } while (token);
    expect(pages).toBe(3);
    expect(new Set(names).size).toBe(25);
    expect((await raw.call('GET', `${MAPS}?limit=5&continue=nonsense`)).status).toBe(400);
    const { items } = await core.listNamespacedConfigMap({
      namespace: 'default',
      labelSelector: 'set in (even),set notin (odd)',
    });
    expect(items).toHaveLength(13);
    const { items: odd } = await core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'set!=even,set' });
    expect(odd).toHaveLength(12);
    const { items: one } = await core.listNamespacedConfigMap({
      namespace: 'default',
      fieldSelector: 'metadata.name=paged-3',
    });
    expect(one).toHaveLength(1);
    expect((await raw.call('GET', `${MAPS}?fieldSelector=data.index%3D3`)).status).toBe(400);
    expect((await raw.call('GET', `${MAPS}?labelSelector=%3D%3D`)).status).toBe(400);
    expect((await raw.call('DELETE', `${MAPS}?labelSelector=set`)).status).toBe(200);
    expect((await core.listNamespacedConfigMap({ namespace: 'default' })).items).toHaveLength(0);
  });

  test('an informer keeps up with what is made, changed and deleted', async () => {
    const seen: string[] = [];
    const informer = makeInformer<V1ConfigMap>(config, MAPS, () =>
      core.listNamespacedConfigMap({ namespace: 'default' }),
    );
    for (const verb of ['add', 'update', 'delete'] as const) {
      informer.on(verb, (object) => seen.push(`${verb} ${object.metadata?.name}`));
    }
    await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'before' } } });
    await informer.start();
    await core.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'during' }, data: { a: '1' } },
    });
    await core.replaceNamespacedConfigMap({
      namespace: 'default',
      name: 'during',
      body: { metadata: { name: 'during' }, data: { a: '2' } },
    });
    await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'during' });
    await until('the deletion to be seen', () => (seen.includes('delete during') ? true : undefined));
    expect(seen).toEqual(['add before', 'add during', 'update during', 'delete during']);
    await informer.stop();
  });

  test('a watch with a selector sees objects enter and leave it; too old a version is 410; timeoutSeconds ends it', async () => {
    const { metadata } = await core.listNamespacedConfigMap({ namespace: 'default' });
    const seen: string[] = [];
    const ended = new Promise<unknown>((resolve) => {
      void new Watch(config).watch(
        MAPS,
        { resourceVersion: metadata?.resourceVersion, labelSelector: 'in=yes', timeoutSeconds: 1 },
        (type, object: V1ConfigMap) => seen.push(`${type} ${object.metadata?.name}`),
        resolve,
      );
    });
    await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'comes' } } });
    await patch(`${MAPS}/comes`, 'merge-patch+json', { metadata: { labels: { in: 'yes' } } });
    await patch(`${MAPS}/comes`, 'merge-patch+json', { data: { a: 'b' } });
    await patch(`${MAPS}/comes`, 'merge-patch+json', { metadata: { labels: { in: 'no' } } });
    expect(await ended).toBeFalsy();
    expect(seen).toEqual(['ADDED comes', 'MODIFIED comes', 'DELETED comes']);
    expect((await sandbox.call('POST', '/v1/admin/compact', { body: { cluster: 'api' } })).status).toBe(200);
    const old = await raw.call('GET', `${MAPS}?watch=1&resourceVersion=1&timeoutSeconds=2`);
    expect(JSON.parse(old.text)).toMatchObject({
      type: 'ERROR',
      object: { kind: 'Status', code: 410, reason: 'Expired' },
    });
    const initial = await raw.call(
      'GET',
      `${MAPS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=1`,
    );
    const lines = initial.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({
      type: 'BOOKMARK',
      object: { metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
    });
  });

  test('tables and metadata alone, for those who ask', async () => {
    const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };
    const table = await raw.call('GET', '/api/v1/nodes', { headers: accept });
    expect(JSON.parse(table.text)).toMatchObject({
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      rows: [
        {
          cells: [
            'sandbox-api-0',
            'Ready',
            'worker',
            expect.any(String),
            'v1.33.6',
            '10.0.0.10',
            '<none>',
            expect.any(String),
            expect.any(String),
            expect.any(String),
          ],
        },
        {},
      ],
    });
    const partial = await raw.call('GET', '/api/v1/nodes', {
      headers: { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' },
    });
    expect(partial.body.kind).toBe('PartialObjectMetadataList');
    expect(partial.body.items[0]?.status).toBeUndefined();
  });
});

describe('writing', () => {
  test('a stale version is a 409, a wrong kind a 400, a name in use a 409, an unknown namespace a 404', async () => {
    const made = await core.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'versions' }, data: { a: '1' } },
    });
    await core.replaceNamespacedConfigMap({
      namespace: 'default',
      name: 'versions',
      body: { ...made, data: { a: '2' } },
    });
    expect(
      await codeOf(
        core.replaceNamespacedConfigMap({
          namespace: 'default',
          name: 'versions',
          body: { ...made, data: { a: '3' } },
        }),
      ),
    ).toBe(409);
    expect(
      (await raw.call('POST', MAPS, { body: { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'x' } } })).status,
    ).toBe(400);
    expect((await raw.call('POST', MAPS, { body: { metadata: { name: 'versions' } } })).body.reason).toBe(
      'AlreadyExists',
    );
    expect(
      (await raw.call('POST', '/api/v1/namespaces/nowhere/configmaps', { body: { metadata: { name: 'x' } } })).status,
    ).toBe(404);
    for (const body of ['{', '[]', '7', '{"metadata":{"name":5}}', '{"metadata":{"name":["x"]}}']) {
      expect([body, (await raw.call('POST', MAPS, { body })).status]).toEqual([body, 400]);
    }
    const protobuf = { 'content-type': 'application/vnd.kubernetes.protobuf' };
    for (const body of ['', 'k8s', 'k8s\u0000\n\u00ff', 'not at all']) {
      expect([body, (await raw.call('POST', MAPS, { body, headers: protobuf })).status]).toEqual([body, 400]);
    }
    const unchanged = await patch(`${MAPS}/versions`, 'merge-patch+json', {});
    expect(unchanged.body.data).toEqual({ a: '2' });
    const { body: again } = await patch(`${MAPS}/versions`, 'merge-patch+json', { data: { a: '2' } });
    expect(again.metadata.resourceVersion).toBe(unchanged.body.metadata.resourceVersion);
  });

  test('invalid objects are refused with the fields', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments';
    const wrong = deployment('wrong', 1);
    if (wrong.spec?.template.metadata) wrong.spec.template.metadata.labels = { app: 'other' };
    const answer = await raw.call('POST', path, { body: wrong });
    expect([answer.status, answer.body.reason]).toEqual([422, 'Invalid']);
    expect(answer.body.details.causes?.[0]?.field).toBe('spec.template.metadata.labels');
    expect((await raw.call('POST', path, { body: deployment('Wrong_Name', 1) })).status).toBe(422);
    expect(
      (await raw.call('POST', path, { body: { metadata: { name: 'empty' }, spec: {} } })).body.details.causes?.map(
        (cause) => cause.field,
      ),
    ).toEqual(expect.arrayContaining(['spec.selector', 'spec.template.spec.containers']));
  });

  test('the three kinds of patches', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments/patched';
    await config
      .makeApiClient(AppsV1Api)
      .createNamespacedDeployment({ namespace: 'default', body: deployment('patched', 0) });
    const json = await patch(path, 'json-patch+json', [
      { op: 'test', path: '/spec/replicas', value: 0 },
      { op: 'add', path: '/metadata/labels', value: { 'a/b': 'c' } },
      { op: 'replace', path: '/metadata/labels/a~1b', value: 'd' },
    ]);
    expect(json.body.metadata.labels).toEqual({ 'a/b': 'd' });
    expect((await patch(path, 'json-patch+json', [{ op: 'test', path: '/spec/replicas', value: 9 }])).status).toBe(422);
    const merge = await patch(path, 'merge-patch+json', { metadata: { labels: { 'a/b': null, x: 'y' } } });
    expect(merge.body.metadata.labels).toEqual({ x: 'y' });
    const containers = [
      { name: 'main', env: [{ name: 'A', value: '1' }] },
      { name: 'side', image: 'busybox:1' },
    ];
    const strategic = await patch(path, 'strategic-merge-patch+json', { spec: { template: { spec: { containers } } } });
    expect(strategic.body.spec.template).toMatchObject({
      spec: {
        containers: [
          { name: 'main', image: 'nginx:1', env: [{ name: 'A', value: '1' }] },
          { name: 'side', image: 'busybox:1' },
        ],
      },
    });
    const removal = { spec: { template: { spec: { containers: [{ name: 'side', $patch: 'delete' }] } } } };
    const removed = await patch(path, 'strategic-merge-patch+json', removal);
    expect(JSON.stringify(removed.body.spec.template)).not.toContain('busybox');
    expect(removed.body.metadata.generation).toBe(3);
    expect((await patch(path, 'json', {})).status).toBe(415);
    expect((await patch(`${path}?dryRun=All`, 'merge-patch+json', { spec: { replicas: 7 } })).body.spec.replicas).toBe(
      7,
    );
    expect((await raw.call('GET', path)).body.spec.replicas).toBe(0);
    const scaled = await patch(`${path}/scale`, 'merge-patch+json', { spec: { replicas: 2 } });
    expect([scaled.body.kind, scaled.body.spec.replicas]).toEqual(['Scale', 2]);
    await raw.call('DELETE', path);
  });

  test('server-side apply: YAML, ownership, conflicts, force, and what is no longer applied goes', async () => {
    const path = `${MAPS}/applied`;
    const apply = (manager: string, text: string, force = false): Promise<Answer> =>
      patch(
        `${path}?fieldManager=${manager}${force ? '&force=true' : ''}`,
        'apply-patch+yaml',
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: ${text}\n`,
      );
    const first = await apply('one', '{a: "1", b: "1"}');
    expect([first.status, first.body.metadata.managedFields?.[0]]).toMatchObject([
      201,
      { manager: 'one', operation: 'Apply' },
    ]);
    const other = await apply('two', '{a: "2"}');
    expect([other.status, other.body.reason, other.body.details.causes?.[0]?.field]).toEqual([
      409,
      'Conflict',
      '.data.a',
    ]);
    expect((await apply('two', '{a: "2", c: "2"}', true)).body.data).toEqual({ a: '2', b: '1', c: '2' });
    expect((await apply('one', '{}')).body.data).toEqual({ a: '2', c: '2' });
    await patch(path, 'merge-patch+json', { data: { c: '3' } });
    expect((await apply('two', '{a: "2", c: "2"}')).status).toBe(409);
    expect((await patch(path, 'apply-patch+yaml', 'data: {}')).status).toBe(400);
  });

  test('finalizers hold an object until they are gone', async () => {
    await raw.call('POST', MAPS, { body: { metadata: { name: 'held', finalizers: ['example.com/hold'] } } });
    const deleted = await raw.call('DELETE', `${MAPS}/held`);
    expect(deleted.body.metadata.deletionTimestamp).toBeTruthy();
    expect((await raw.call('GET', `${MAPS}/held`)).status).toBe(200);
    await patch(`${MAPS}/held`, 'merge-patch+json', { metadata: { finalizers: null } });
    expect((await raw.call('GET', `${MAPS}/held`)).status).toBe(404);
  });

  test('owners: the background ends what they own, the foreground first, and orphans stay', async () => {
    const apps = config.makeApiClient(AppsV1Api);
    const sets = async (name: string): Promise<number> =>
      (await apps.listNamespacedReplicaSet({ namespace: 'default', labelSelector: `app=${name}` })).items.length;
    const pods = async (name: string): Promise<number> =>
      (await core.listNamespacedPod({ namespace: 'default', labelSelector: `app=${name}` })).items.length;
    for (const [name, propagationPolicy] of [
      ['back', 'Background'],
      ['fore', 'Foreground'],
      ['orphan', 'Orphan'],
    ] as const) {
      await apps.createNamespacedDeployment({ namespace: 'default', body: deployment(name, 2) });
      await until('two pods', async () => ((await pods(name)) === 2 ? true : undefined));
      await apps.deleteNamespacedDeployment({ namespace: 'default', name, body: { propagationPolicy } });
      await until('the end of the deployment', async () =>
        (await codeOf(apps.readNamespacedDeployment({ namespace: 'default', name }))) === 404 ? true : undefined,
      );
      if (name === 'fore') expect([await sets(name), await pods(name)]).toEqual([0, 0]);
      if (name === 'orphan') {
        const [set] = (await apps.listNamespacedReplicaSet({ namespace: 'default', labelSelector: 'app=orphan' }))
          .items;
        expect(set?.metadata?.ownerReferences ?? []).toEqual([]);
        await apps.deleteNamespacedReplicaSet({ namespace: 'default', name: set?.metadata?.name ?? '' });
      }
      await until('the end of the pods', async () =>
        (await sets(name)) + (await pods(name)) === 0 ? true : undefined,
      );
    }
  });

  test('a disruption budget stands against evictions', async () => {
    await config
      .makeApiClient(AppsV1Api)
      .createNamespacedDeployment({ namespace: 'default', body: deployment('guarded', 2) });
    const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
    await raw.call('POST', budgets, {
      body: { metadata: { name: 'guard' }, spec: { minAvailable: 2, selector: { matchLabels: { app: 'guarded' } } } },
    });
    const [pod] = await until('two ready pods', async () => {
      const { items } = await core.listNamespacedPod({ namespace: 'default', labelSelector: 'app=guarded' });
      const ready = items.filter((item) =>
        item.status?.conditions?.some((entry) => entry.type === 'Ready' && entry.status === 'True'),
      );
      return ready.length === 2 ? ready : undefined;
    });
    const name = pod?.metadata?.name ?? '';
    const evict = (): Promise<Answer> =>
      raw.call('POST', `/api/v1/namespaces/default/pods/${name}/eviction`, { body: { metadata: { name } } });
    const refused = await evict();
    expect([refused.status, refused.body.details.causes?.[0]?.reason]).toEqual([429, 'DisruptionBudget']);
    await patch(`${budgets}/guard`, 'merge-patch+json', { spec: { minAvailable: 1 } });
    expect((await evict()).status).toBe(201);
    await raw.call('DELETE', '/apis/apps/v1/namespaces/default/deployments/guarded');
  });
});

describe('access', () => {
  test('tokens of service accounts: least lifetime, who they are, and their end with the account', async () => {
    await core.createNamespacedServiceAccount({ namespace: 'default', body: { metadata: { name: 'robot' } } });
    const request = (expirationSeconds: number) =>
      core.createNamespacedServiceAccountToken({
        namespace: 'default',
        name: 'robot',
        body: { spec: { audiences: [], expirationSeconds } },
      });
    expect(await codeOf(request(60))).toBe(422);
    const { status } = await request(600);
    const left = new Date(status?.expirationTimestamp ?? 0).getTime() - Date.now();
    expect(left).toBeGreaterThan(590_000);
    expect(left).toBeLessThan(601_000);
    const token = status?.token ?? '';
    const review = await raw.call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body: {}, token });
    expect(review.body.status.userInfo).toMatchObject({ username: 'system:serviceaccount:default:robot' });
    expect((await raw.call('GET', '/version', { token })).status).toBe(200);
    expect((await raw.call('GET', '/api/v1/nodes', { token })).status).toBe(403);
    expect((await raw.call('GET', '/version', { token: `${token.slice(0, -4)}AAAA` })).status).toBe(401);
    await core.deleteNamespacedServiceAccount({ namespace: 'default', name: 'robot' });
    expect((await raw.call('GET', '/version', { token })).status).toBe(401);
    await core.createNamespacedServiceAccount({ namespace: 'default', body: { metadata: { name: 'robot' } } });
    expect((await raw.call('GET', '/version', { token })).status).toBe(401);
  });

  test("view reads all but secrets and writes nothing; edit writes; rules of one's own are exact", async () => {
    const rbac = config.makeApiClient(RbacAuthorizationV1Api);
    const group = 'rbac.authorization.k8s.io';
    await rbac.createNamespacedRole({
      namespace: 'default',
      body: {
        metadata: { name: 'one-map' },
        rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['mine'], verbs: ['get', 'patch'] }],
      },
    });
    const clients = new Map<string, KubeConfig>();
    for (const [name, kind, role] of [
      ['viewer', 'ClusterRole', 'view'],
      ['editor', 'ClusterRole', 'edit'],
      ['exact', 'Role', 'one-map'],
    ] as const) {
      await core.createNamespacedServiceAccount({ namespace: 'default', body: { metadata: { name } } });
      await rbac.createNamespacedRoleBinding({
        namespace: 'default',
        body: {
          metadata: { name },
          roleRef: { apiGroup: group, kind, name: role },
          subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
        },
      });
      const { status } = await core.createNamespacedServiceAccountToken({
        namespace: 'default',
        name,
        body: { spec: { audiences: [] } },
      });
      clients.set(name, withToken(status?.token ?? ''));
    }
    const as = (name: string): CoreV1Api => clients.get(name)?.makeApiClient(CoreV1Api) ?? core;
    const map = { namespace: 'default', body: { metadata: { name: 'mine' } } };
    expect((await as('viewer').listNamespacedPod({ namespace: 'default' })).kind).toBe('PodList');
    expect(await codeOf(as('viewer').listNamespacedSecret({ namespace: 'default' }))).toBe(403);
    expect(await codeOf(as('viewer').createNamespacedConfigMap(map))).toBe(403);
    expect(await codeOf(as('viewer').listNamespacedPod({ namespace: 'kube-system' }))).toBe(403);
    expect(await codeOf(as('viewer').listNode())).toBe(403);
    expect(await codeOf(as('exact').createNamespacedConfigMap(map))).toBe(403);
    expect((await as('editor').createNamespacedConfigMap(map)).metadata?.name).toBe('mine');
    expect(await codeOf(as('editor').createNamespace({ body: { metadata: { name: 'more' } } }))).toBe(403);
    expect((await as('exact').readNamespacedConfigMap({ namespace: 'default', name: 'mine' })).metadata?.name).toBe(
      'mine',
    );
    expect(await codeOf(as('exact').listNamespacedConfigMap({ namespace: 'default' }))).toBe(403);
    const refused = await raw.call('POST', MAPS, {
      body: map.body,
      token: clients.get('viewer')?.users[0]?.token ?? '',
    });
    expect(refused.body.message).toBe(
      'configmaps is forbidden: User "system:serviceaccount:default:viewer" cannot create resource "configmaps" in API group "" in the namespace "default"',
    );
    const may = async (verb: string, resource: string): Promise<boolean | undefined> => {
      const review = clients.get('viewer')?.makeApiClient(AuthorizationV1Api);
      const body = { spec: { resourceAttributes: { namespace: 'default', verb, resource } } };
      return (await review?.createSelfSubjectAccessReview({ body }))?.status?.allowed;
    };
    expect([await may('list', 'pods'), await may('create', 'pods'), await may('get', 'secrets')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
