import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Part } from '../../src/core/card.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Looked } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { cleanLog, tail } from '../../src/kube/views/logs.ts';
import { topologyPicture } from '../../src/kube/views/topology-picture.ts';
import { callFor, faultOf, realClock } from '../engines/calls.ts';
import { json, type ScriptedServer, startScriptedServer } from '../engines/scripted-server.ts';
import { eventually } from '../servers.ts';
import { deployment, startSandboxCluster, type TestCluster } from './sandbox-cluster.ts';

const tables = ({ parts }: Looked) =>
  parts.filter((part): part is Extract<Part, { part: 'table' }> => part.part === 'table');
const rowsOf = (looked: Looked) => tables(looked).flatMap(({ rows }) => rows);
const all = (looked: Looked) => JSON.stringify(looked);

let kube: Kube;
beforeAll(() => {
  kube = openKube({ log: silentLog, clock: realClock });
});
afterAll(() => kube.close());

describe('a cluster of the sandbox', () => {
  let cluster: TestCluster;
  const look = (view: string, args: Record<string, string> = {}) =>
    kube.look(cluster.kubeconfig, view, { cluster: 'dev-1', ...args }, callFor());
  const make = (namespace: string, name: string, image: string, replicas?: number) =>
    cluster.api('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, deployment(name, image, replicas));

  beforeAll(async () => {
    cluster = await startSandboxCluster(3);
    await cluster.api('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
    await cluster.api('POST', '/api/v1/namespaces', { metadata: { name: 'empty' } });
    await make('shop', 'web', 'nginx:1.29', 2);
    await make('shop', 'broken', 'x/crash:1');
    await cluster.api('POST', '/api/v1/namespaces/shop/services', {
      metadata: { name: 'web' },
      spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 443, targetPort: 8443 }] },
    });
    await cluster.api('POST', '/api/v1/namespaces/shop/persistentvolumeclaims', {
      metadata: { name: 'nowhere' },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'gone', resources: { requests: { storage: '3Gi' } } },
    });
    // Bound to no ReplicaSet and no Deployment.
    await cluster.api('POST', '/api/v1/namespaces/shop/pods', {
      metadata: { name: 'orphan' },
      spec: { containers: [{ name: 'main', image: 'busybox:1.37' }] },
    });
    await eventually('the pods are what they will be', async () => {
      const rows = rowsOf(await look('pods', { namespace: 'shop' }));
      return (
        rows.length === 4 &&
        rows.filter((row) => row[2] === 'Running').length === 3 &&
        rows[0]?.[2] === 'CrashLoopBackOff'
      );
    });
  });
  afterAll(() => cluster.close());

  it('seeds 52: namespaces, deployments, services, images, volumes and nodes are tables of what the API has', async () => {
    const namespaces = rowsOf(await look('namespaces'));
    expect(namespaces.map(([name]) => name)).toEqual([
      'default',
      'empty',
      'kube-node-lease',
      'kube-public',
      'kube-system',
      'shop',
    ]);
    expect(namespaces.at(-1)).toEqual(['shop', 'Active', expect.stringMatching(/^[34] of 4 running$/), '0 min']);
    const deployments = await look('deployments', { namespace: 'shop' });
    expect(rowsOf(deployments)).toEqual([
      ['shop', 'broken', '0 of 1', 'x/crash:1', '0 min'],
      ['shop', 'web', '2 of 2', 'nginx:1.29', '0 min'],
    ]);
    expect(deployments).toMatchObject({ bad: true, title: '2 deployments of namespace shop' });
    expect(rowsOf(await look('services', { namespace: 'shop' }))[0]?.slice(0, 3)).toEqual([
      'shop',
      'web',
      'LoadBalancer',
    ]);
    expect(rowsOf(await look('images', { namespace: 'shop' })).map((row) => row.slice(0, 3))).toEqual([
      ['nginx:1.29', '2', 'shop'],
      ['busybox:1.37', '1', 'shop'],
      ['x/crash:1', '1', 'shop'],
    ]);
    const volumes = await look('volumes');
    expect(rowsOf(volumes)[0]?.slice(0, 5)).toEqual(['shop', 'nowhere', 'Pending', '3Gi wanted', 'gone']);
    expect(volumes.text).toMatch(/1 claim of 1 without a volume/);
  });

  it('seeds 50: nodes: exact sums of requests and limits, pods of most, and where live use comes from', async () => {
    const looked = await look('nodes');
    const [table] = tables(looked);
    expect(table?.columns.slice(0, 5)).toEqual(['Node', 'State', 'Version', 'Pods', 'CPU requests']);
    expect(rowsOf(looked)).toHaveLength(3);
    for (const row of rowsOf(looked)) {
      expect(row[1]).toBe('Ready');
      expect(row[4]).toMatch(/^\d+m of 1\.9 \(\d+ %\)$/);
    }
    const { body } = await cluster.api('GET', '/api/v1/pods');
    const pods = (body as { items: { spec: { nodeName?: string } }[] }).items;
    for (const [name, , , held] of rowsOf(looked))
      expect(held).toBe(`${pods.filter(({ spec }) => spec.nodeName === name).length} of 110`);
    expect(all(looked)).toMatch(/Live use is not known: this cluster has no metrics server/);
  });

  it('seeds 51: the pods that are not as they should be come first', async () => {
    const looked = await look('pods');
    expect(rowsOf(looked)[0]?.slice(0, 3)).toEqual(['shop', expect.stringMatching(/^broken-/), 'CrashLoopBackOff']);
    expect(looked).toMatchObject({ bad: true, text: expect.stringMatching(/^1 pod of \d+ not as it should be/) });
  });

  it('seeds 54: topology: namespace, workload, pod and node; a pod of nobody does not fail', async () => {
    const { parts, text } = await look('topology', { namespace: 'shop' });
    const tree = parts.find((part) => part.part === 'code')?.text ?? '';
    expect(tree.split('\n')[0]).toBe('shop');
    expect(tree).toMatch(/├─ Deployment broken\n│ {2}└─ broken-\S+ on \S+, CrashLoopBackOff\n/);
    expect(tree).toMatch(/├─ Deployment web\n│ {2}├─ web-\S+ on \S+\n│ {2}└─ web-\S+ on \S+\n/);
    expect(tree).toMatch(/└─ Pods of nobody\n {3}└─ orphan on \S+$/);
    expect(text).toBe('4 pods of 3 workloads in 1 namespace.');
    const [picture] = parts.flatMap((part) => (part.part === 'picture' ? [part.picture] : []));
    expect(picture).toMatchObject({ kind: 'tree', alt: text });
    expect(picture?.rows.map(({ label, depth, cells }) => [label, depth, cells?.length])).toEqual([
      ['shop', 0, undefined],
      ['broken', 1, 1],
      ['web', 1, 2],
      ['Pods of nobody', 1, 1],
    ]);
    expect(picture?.note).toMatch(/^Each square is a pod, with the number of its node\. · 1: \S+/);
  });

  it('the topology of more workloads than one can read is a bar for each namespace', () => {
    const pods = Array.from({ length: 3 }, (_, index) => ({ node: `n${index}`, series: index === 2 ? 2 : 0 }));
    const own = (count: number) => new Map(Array.from({ length: count }, (_, index) => [`Deployment d${index}`, pods]));
    expect(topologyPicture(new Map([['a', own(30)]]), 'What runs where', 'words')).toMatchObject({ kind: 'tree' });
    const many = new Map(Array.from({ length: 9 }, (_, index) => [`ns-${index}`, own(4 + index)]));
    const picture = topologyPicture(many, 'What runs where', 'words');
    expect(picture).toMatchObject({ kind: 'stacks', title: 'What runs where: pods by namespace' });
    expect(picture.series.map(({ name }) => name)).toEqual(['running', 'not as it should be']);
    expect(picture.rows).toHaveLength(6);
    expect(picture.rows[0]).toEqual({ label: 'ns-8', values: [24, 12], note: '12 workloads' });
    expect(picture.rows[5]).toEqual({ label: '4 other namespaces', values: [44, 22], note: '22 workloads' });
  });

  it('events are newest first, with what they are about', async () => {
    const looked = await look('events', { namespace: 'shop' });
    expect(rowsOf(looked).length).toBeGreaterThan(3);
    expect(all(looked)).toMatch(/Pod shop\/broken-/);
  });

  it('seeds 52: an empty namespace is not one that is missing, and neither is a cluster that does not answer', async () => {
    expect((await look('pods', { namespace: 'empty' })).text).toBe('There are no pods in namespace empty.');
    const missing = await faultOf(look('pods', { namespace: 'nowhere' }));
    expect(missing).toMatchObject({ kind: 'not-found', message: 'There is no namespace nowhere in this cluster.' });
  });

  it('logs of a workload, of a pod, before the last restart, and of what is not there', async () => {
    const broken = await look('logs', { app: 'broken', namespace: 'shop', lines: '20' });
    expect(all(broken)).toMatch(/FATAL: the configuration names no database/);
    const before = await look('logs', { app: 'broken', namespace: 'shop', previous: 'true' });
    expect(before.title).toBe('Log of broken before its last restart');
    expect(all(await look('logs', { app: 'web', namespace: 'shop', previous: 'true' }))).toMatch(
      /It has not restarted/,
    );
    expect(all(await look('logs', { app: 'orphan', namespace: 'shop' }))).toMatch(/busybox:1.37 is up/);
    const none = await faultOf(look('logs', { app: 'nothing', namespace: 'shop' }));
    expect(none).toMatchObject({ kind: 'not-found', message: 'There is no app nothing in namespace shop.' });
    const container = await faultOf(look('logs', { app: 'web', namespace: 'shop', container: 'other' }));
    expect(container).toMatchObject({ kind: 'not-found', field: 'container' });
  });
});

describe('an API server that says what the test wants', () => {
  let server: ScriptedServer;
  afterEach(() => server.close());

  /** Answers lists and objects by path; what has no answer is not found. */
  async function start(
    answers: Record<string, unknown>,
  ): Promise<(view: string, args?: Record<string, string>) => Promise<Looked>> {
    server = await startScriptedServer((request, response) => {
      const path = request.path.split('?')[0] ?? '';
      const found = answers[path];
      if (typeof found === 'string') {
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.end(found);
      } else if (found === undefined)
        json(response, 404, { kind: 'Status', apiVersion: 'v1', message: 'not found', code: 404 });
      else
        json(
          response,
          200,
          Array.isArray(found) ? { kind: 'List', apiVersion: 'v1', metadata: {}, items: found } : found,
        );
    });
    const kubeconfig = writeKubeconfig('x', 'me', { server: server.url, ca: server.ca, token: 'tok' });
    return (view, args = {}) => kube.look(kubeconfig, view, { cluster: 'dev-1', ...args }, callFor());
  }

  it('seeds 53: external URLs: https where the port says so, databases as host and port, nothing that is no host', async () => {
    const service = (name: string, hostname: string, ports: unknown[], type = 'LoadBalancer') => ({
      metadata: { name, namespace: 'shop' },
      spec: { type, ports },
      status: { loadBalancer: { ingress: hostname === '' ? [] : [{ hostname }] } },
    });
    const look = await start({
      '/api/v1/services': [
        service('web', 'lb.example.com', [{ port: 443 }, { port: 80 }, { port: 4430 }]),
        service('api', '203.0.113.7', [{ port: 6443 }]),
        service('db', 'db.example.com', [{ port: 5432 }]),
        service('evil', 'a](https://evil.example) [b', [{ port: 80 }]),
        service('slow', '', [{ port: 80 }]),
        service('inner', '', [{ port: 80 }], 'ClusterIP'),
      ],
      '/apis/networking.k8s.io/v1/ingresses': [
        {
          metadata: { name: 'front', namespace: 'shop' },
          spec: {
            tls: [{ hosts: ['shop.example.com'] }],
            rules: [{ host: 'shop.example.com', http: { paths: [{ path: '/' }, { path: '/api' }] } }],
          },
        },
      ],
    });
    const looked = await look('urls');
    const text = looked.parts[0]?.part === 'text' ? looked.parts[0].text : '';
    expect(text.split('\n')).toEqual([
      '[https://shop.example.com](https://shop.example.com), Ingress shop/front',
      '[https://shop.example.com/api](https://shop.example.com/api), Ingress shop/front',
      '[https://203.0.113.7:6443](https://203.0.113.7:6443), Service shop/api',
      '`db.example.com:5432`, Service shop/db',
      '[https://lb.example.com](https://lb.example.com), Service shop/web',
      '[http://lb.example.com](http://lb.example.com), Service shop/web',
      '[https://lb.example.com:4430](https://lb.example.com:4430), Service shop/web',
    ]);
    expect(all(looked)).toMatch(/No address yet: shop\/evil, shop\/slow|No address yet: shop\/slow/);
    expect(all(looked)).not.toMatch(/evil\.example/);
  });

  it('seeds 50: quantities of every form, and live use by metrics.k8s.io', async () => {
    const node = {
      metadata: { name: 'n1' },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        nodeInfo: { kubeletVersion: 'v1.34.2' },
        capacity: { cpu: '4', memory: '1Ei', pods: '1e2' },
        allocatable: { cpu: '4000000000n', memory: '4294967296', pods: '1e2' },
      },
    };
    const pod = (name: string, resources: unknown) => ({
      metadata: { name, namespace: 'a' },
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', resources }] },
      status: { phase: 'Running' },
    });
    const look = await start({
      '/api/v1/nodes': [node],
      '/api/v1/pods': [
        pod('a', { requests: { cpu: '100m', memory: '1Gi' }, limits: { cpu: '1', memory: '2Gi' } }),
        pod('b', { requests: { cpu: '900000u', memory: '1048576k' } }),
      ],
      '/apis/metrics.k8s.io/v1beta1/nodes': [
        { metadata: { name: 'n1' }, usage: { cpu: '250000000n', memory: '524288Ki' } },
      ],
    });
    const looked = await look('nodes');
    expect(rowsOf(looked)).toEqual([
      [
        ...['n1', 'Ready', '1.34.2', '2 of 100', '1 of 4 (25 %)', '1'],
        ...['2 GiB of 4 GiB (49 %)', '2 GiB', '250m, 512 MiB', ''],
      ],
    ]);
    expect(all(looked)).toMatch(/Live use by metrics.k8s.io/);
  });

  it('5,000 pods are read in pages and shown in pages, with all of them in a file of the first', async () => {
    const names = Array.from({ length: 5_000 }, (_, at) => `pod-${String(at).padStart(4, '0')}`);
    server = await startScriptedServer((request, response) => {
      const query = new URLSearchParams(request.path.split('?')[1]);
      const from = Number(query.get('continue') ?? 0);
      const size = Number(query.get('limit'));
      const items = names.slice(from, from + size).map((name) => ({
        metadata: { name, namespace: 'a' },
        spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
        status: { phase: 'Running' },
      }));
      const next = from + size < names.length ? { continue: String(from + size) } : {};
      json(response, 200, { kind: 'PodList', apiVersion: 'v1', metadata: next, items });
    });
    const kubeconfig = writeKubeconfig('x', 'me', { server: server.url, ca: server.ca, token: 'tok' });
    const first = await kube.look(kubeconfig, 'pods', { cluster: 'dev-1' }, callFor());
    expect(server.seen).toHaveLength(10);
    expect(first.title).toBe('5000 pods');
    expect(first.file?.content.split('\n')).toHaveLength(5_002);
    const nav = first.parts.find((part) => part.part === 'rows')?.rows[0];
    expect(nav?.buttons).toEqual([{ label: 'Next page', command: 'cluster get pods dev-1 page=2' }]);
    const shown = rowsOf(first).length;
    const second = await kube.look(kubeconfig, 'pods', { cluster: 'dev-1', page: '2' }, callFor());
    expect(rowsOf(second)[0]?.[1]).toBe(names[shown]);
    expect(second.file).toBeUndefined();
    const beyond = await kube.look(kubeconfig, 'pods', { cluster: 'dev-1', page: '9999' }, callFor());
    expect(rowsOf(beyond).at(-1)?.[1]).toBe('pod-4999');
  });

  it('a log is redacted before it is cut, and one container that fails does not hide another', async () => {
    const secret = `hunter${Math.random().toString(36).slice(2)}`;
    const pod = {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        containers: [
          { name: 'a', image: 'i' },
          { name: 'b', image: 'i' },
        ],
      },
      status: { containerStatuses: [{ name: 'a', ready: true, restartCount: 0 }] },
    };
    const look = await start({ '/api/v1/namespaces/default/pods/web': pod });
    server.answer((request, response) => {
      if (request.path.includes('/pods/web/log?container=a')) {
        response.writeHead(200, { 'content-type': 'text/plain' });
        const noise = `${'x'.repeat(80)}\n`.repeat(200);
        return void response.end(`${noise}\u001b[31mpassword=${secret}\u001b[0m\nready\n`);
      }
      if (request.path.includes('/log'))
        return json(response, 400, { kind: 'Status', message: 'container "b" is waiting to start', code: 400 });
      if (request.path.endsWith('/pods/web')) return json(response, 200, pod);
      if (request.path.includes('/secrets'))
        return json(response, 200, { kind: 'SecretList', apiVersion: 'v1', items: [] });
      json(response, 404, { kind: 'Status', message: 'not found', code: 404 });
    });
    const looked = await look('logs', { app: 'web', lines: '300' });
    expect(all(looked)).not.toContain(secret);
    expect(all(looked)).toContain('•••');
    expect(all(looked)).not.toContain('\\u001b');
    expect(all(looked)).toMatch(/waiting to start/);
    expect(looked.file?.name).toBe('web.log.txt');
    const asked = server.seen.find(({ path }) => path.includes('/log'))?.path ?? '';
    expect(asked).toContain('tailLines=300');
  });
});

describe('cleaning a log', () => {
  it('blots out a key whose beginning lies before the first line', () => {
    const key = `${'A'.repeat(64)}\n${'B'.repeat(20)}\n-----END RSA PRIVATE KEY-----\nnext`;
    expect(cleanLog(key)).toBe('•••\nnext');
    expect(cleanLog(`a\n-----BEGIN PRIVATE KEY-----\n${'C'.repeat(64)}\n-----END PRIVATE KEY-----\nb`)).toBe(
      'a\n•••\nb',
    );
  });
  it('keeps lines, and cuts at one', () => {
    expect(cleanLog('one\r\ntwo\u202e\u0007\n')).toBe('one\ntwo');
    expect(tail('first\nsecond\nthird', 12)).toBe('third');
    expect(tail('first', 12)).toBe('first');
  });
});
