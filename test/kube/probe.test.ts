import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterHealth, Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { openKube } from '../../src/kube/index.ts';
import { readKubeconfig, writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { callFor, faultOf, realClock } from '../engines/calls.ts';
import { json, type ScriptedServer, startScriptedServer } from '../engines/scripted-server.ts';
import { startHttpProxy, startTcpProxy } from '../proxy.ts';
import { eventually, freePort } from '../servers.ts';
import { startRealServer, whyNoRealServer } from './real-server.ts';
import { deployment, startSandboxCluster, type TestCluster } from './sandbox-cluster.ts';

const calls: [string, string][] = [];
const open = () =>
  openKube({ log: silentLog, clock: realClock, onCall: (operation, result) => calls.push([operation, result]) });

function condition(health: ClusterHealth, type: string) {
  return health.conditions.find((each) => each.type === type);
}
const statuses = (health: ClusterHealth) => health.conditions.map((each) => `${each.type} ${each.status}`);

describe('a sandbox cluster', () => {
  let cluster: TestCluster;
  let kube: Kube;
  beforeAll(async () => {
    cluster = await startSandboxCluster(3);
    kube = open();
  });
  afterAll(async () => {
    await kube.close();
    await cluster.close();
  });

  async function until(what: string, condition: (health: ClusterHealth) => boolean): Promise<ClusterHealth> {
    return eventually(what, async () => {
      const health = await kube.probe(cluster.kubeconfig, callFor());
      if (!condition(health)) throw new Error(JSON.stringify([health.conditions, health.problems, health.deployments]));
      return health;
    });
  }

  it('is seen healthy, with its nodes and what they hold', async () => {
    const health = await until('healthy', (seen) => seen.conditions.every((each) => each.status === 'True'));
    expect(health).toMatchObject({ version: '1.34.2', problems: [], deployments: { total: 1, available: 1 } });
    expect(health.nodes).toHaveLength(3);
    for (const node of health.nodes) {
      expect(node).toMatchObject({ ready: true, problems: [], version: '1.34.2' });
      expect(node.capacity).toEqual({ cpu: 2, memory: 8 * 2 ** 30, pods: 110 });
      expect(node.allocatable.cpu).toBe(1.9);
      expect(node.requests.cpu).toBeGreaterThan(0);
    }
    expect(health.pods.running).toBe(health.pods.total);
    expect(health.namespaces).toBeGreaterThanOrEqual(4);
    expect(calls).toContainEqual(['probe', 'ok']);
  });

  it('shows new workloads: their requests, and what is wrong with them, worst first', async () => {
    const before = await kube.probe(cluster.kubeconfig, callFor());
    const sum = (health: ClusterHealth) => health.nodes.reduce((total, node) => total + node.requests.cpu, 0);
    const make = (name: string, image: string, replicas?: number) =>
      cluster.api('POST', '/apis/apps/v1/namespaces/default/deployments', deployment(name, image, replicas));
    await make('good', 'nginx:1.27', 2);
    await make('crashing', 'x/crash:1', 3);
    await make('imageless', 'x/badimage:1');
    const health = await until(
      'both problems are seen',
      (seen) =>
        seen.problems.some(
          (each) => each.reason.startsWith('CrashLoopBackOff') && each.reason.endsWith('2 more like it'),
        ) &&
        seen.problems.some((each) => each.reason.startsWith('ImagePullBackOff')) &&
        seen.deployments.available === before.deployments.available + 1,
    );
    expect(health.deployments.total).toBe(before.deployments.total + 3);
    expect(sum(health)).toBeCloseTo(sum(before) + 0.6, 6);
    const kinds = health.problems.map((each) => `${each.kind} ${each.reason.split(/[,:]/)[0]}`);
    expect(kinds[0]).toBe('Pod CrashLoopBackOff');
    expect(kinds[1]).toBe('Pod ImagePullBackOff');
    expect(health.problems.filter((each) => each.kind === 'Deployment').map((each) => each.reason)).toEqual([
      '0 of 3 available',
      '0 of 1 available',
    ]);
    expect(health.problems.some((each) => each.name.startsWith('good'))).toBe(false);
    // Workloads of people are no system components.
    expect(condition(health, 'SystemComponentsHealthy')?.status).toBe('True');
    for (const name of ['good', 'crashing', 'imageless']) {
      await cluster.api('DELETE', `/apis/apps/v1/namespaces/default/deployments/${name}`);
    }
  });

  it('shows a broken system component', async () => {
    const path = '/apis/apps/v1/namespaces/kube-system/deployments';
    await cluster.api('POST', path, deployment('dns-extra', 'x/crash:1'));
    const health = await until(
      'the component is seen',
      (seen) => condition(seen, 'SystemComponentsHealthy')?.status === 'False',
    );
    expect(condition(health, 'SystemComponentsHealthy')).toMatchObject({ reason: 'ComponentsUnhealthy' });
    expect(condition(health, 'SystemComponentsHealthy')?.message).toContain('dns-extra');
    await cluster.api('DELETE', `${path}/dns-extra`);
    await until('it is gone', (seen) => condition(seen, 'SystemComponentsHealthy')?.status === 'True');
  });

  it('shows a node that is not ready', async () => {
    const nodes = (await cluster.api('GET', '/api/v1/nodes')).body as { items: { metadata: { name: string } }[] };
    const name = nodes.items[0]?.metadata.name ?? '';
    const trouble = (value: string | null) =>
      cluster.api(
        'PATCH',
        `/api/v1/nodes/${name}`,
        { metadata: { annotations: { 'sandbox.kqueen.io/not-ready': value } } },
        'application/merge-patch+json',
      );
    await trouble('true');
    const health = await until('it is seen', (seen) => condition(seen, 'EveryNodeReady')?.status === 'False');
    expect(condition(health, 'EveryNodeReady')).toMatchObject({ reason: 'NodesNotReady' });
    expect(condition(health, 'EveryNodeReady')?.message).toBe(`2 of 3 nodes are ready; not ready: ${name}.`);
    expect(health.problems[0]).toMatchObject({ kind: 'Node', name });
    expect(condition(health, 'APIServerAvailable')?.status).toBe('True');
    await trouble(null);
    await until('it is back', (seen) => condition(seen, 'EveryNodeReady')?.status === 'True');
  });

  it('is counted by one small page, and read in pages of 500, over few connections', async () => {
    const service = (n: number) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `s-${n}` },
      spec: { clusterIP: 'None', ports: [{ port: 80, protocol: 'TCP' }] },
    });
    const made = await Promise.all(
      Array.from({ length: 620 }, (_, n) => cluster.api('POST', '/api/v1/namespaces/default/services', service(n))),
    );
    expect(made.every((each) => each.status === 201)).toBe(true);
    const to = readKubeconfig(cluster.kubeconfig);
    const server = new URL(to.server);
    const proxy = await startHttpProxy(server.origin, { targetCa: to.ca ?? '' });
    const tcp = await startTcpProxy({ port: proxy.port });
    const through = { ...to, server: `https://127.0.0.1:${tcp.port}${server.pathname}`, ca: proxy.ca };
    for (let n = 0; n < 3; n += 1) {
      const health = await kube.probe(writeKubeconfig('x', 'y', through), callFor());
      expect(health.services).toBeGreaterThanOrEqual(620);
    }
    const lists = () => proxy.seen().filter((each) => each.path.includes('/services?'));
    expect(lists().map(({ path }) => path.split('?')[1])).toEqual(['limit=1', 'limit=1', 'limit=1']);
    expect(tcp.accepted()).toBeLessThanOrEqual(4);
    await kube.look(writeKubeconfig('x', 'y', through), 'services', {}, callFor());
    const pages = lists().slice(3);
    expect(pages).toHaveLength(2);
    expect(pages.every(({ path }) => path.includes('limit=500'))).toBe(true);
    expect(tcp.accepted()).toBeLessThanOrEqual(4);
    await tcp.close();
    await proxy.close();
  });

  it('is looked at over one connection by those who look at many, and without what changes seldom when they say so', async () => {
    const to = readKubeconfig(cluster.kubeconfig);
    const server = new URL(to.server);
    const proxy = await startHttpProxy(server.origin, { targetCa: to.ca ?? '' });
    const tcp = await startTcpProxy({ port: proxy.port });
    const through = writeKubeconfig('x', 'y', {
      ...to,
      server: `https://127.0.0.1:${tcp.port}${server.pathname}`,
      ca: proxy.ca,
    });
    const whole = await kube.probe(through, callFor(), { oneByOne: true });
    const { version, namespaces, services, ...rest } = await kube.probe(through, callFor(), {
      oneByOne: true,
      brief: true,
    });
    expect([version, namespaces, services]).toEqual([undefined, undefined, undefined]);
    const { at: _at, version: known, namespaces: _namespaces, services: _services, ...same } = whole;
    expect(known).toBe('1.34.2');
    expect({ ...rest, at: 0, conditions: rest.conditions.map((each) => ({ ...each, since: 0 })) }).toEqual({
      ...{ ...same, at: 0, conditions: same.conditions.map((each) => ({ ...each, since: 0 })) },
    });
    const asked = proxy.seen().map(({ path }) => path.slice(server.pathname.length).split('?')[0]);
    expect(asked.slice(7)).toEqual(['/readyz', '/api/v1/nodes', '/apis/apps/v1/deployments', '/api/v1/pods']);
    expect(tcp.accepted()).toBe(1);
    await tcp.close();
    await proxy.close();
  });

  it('keeps what could be seen when one list hangs, until the deadline', async () => {
    const to = readKubeconfig(cluster.kubeconfig);
    const server = new URL(to.server);
    const proxy = await startHttpProxy(server.origin, {
      targetCa: to.ca ?? '',
      before: (request) => (request.path.includes('/pods') ? new Promise(() => undefined) : undefined),
    });
    const kubeconfig = writeKubeconfig('x', 'y', { ...to, server: `${proxy.url}${server.pathname}`, ca: proxy.ca });
    const begun = performance.now();
    const health = await kube.probe(kubeconfig, callFor(1_000));
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(statuses(health)).toEqual([
      'APIServerAvailable False',
      'EveryNodeReady True',
      'SystemComponentsHealthy Unknown',
    ]);
    expect(health.nodes).toHaveLength(3);
    await proxy.close();
  });
});

describe('an API that misbehaves', () => {
  let server: ScriptedServer | undefined;
  let kube: Kube | undefined;
  afterEach(async () => {
    await kube?.close();
    await server?.close();
    server = undefined;
    kube = undefined;
  });

  const config = (url: string, ca: string) => writeKubeconfig('x', 'y', { server: url, ca, token: 'canary-token' });

  async function look(
    answerer: Parameters<typeof startScriptedServer>[0],
    ms = 5_000,
    change: (server: ScriptedServer) => string = (started) => config(started.url, started.ca),
  ): Promise<ClusterHealth> {
    server = await startScriptedServer(answerer);
    kube = open();
    const begun = performance.now();
    const health = await kube.probe(change(server), callFor(ms));
    expect(performance.now() - begun).toBeLessThan(ms + 1_500);
    expect(JSON.stringify(health)).not.toContain('canary-token');
    return health;
  }

  const unreachable = ['APIServerAvailable False', 'EveryNodeReady Unknown', 'SystemComponentsHealthy Unknown'];
  const refused = ['APIServerAvailable Unknown', 'EveryNodeReady Unknown', 'SystemComponentsHealthy Unknown'];

  it('hangs', async () => {
    // The first call loads client-node, which may take seconds on a busy machine.
    await import('@kubernetes/client-node');
    const health = await look(() => undefined, 400);
    expect(statuses(health)).toEqual(unreachable);
    expect(condition(health, 'APIServerAvailable')).toMatchObject({
      reason: 'Unreachable',
      message: "The cluster's API did not answer in time.",
    });
  });

  it('is not there', async () => {
    const port = await freePort();
    const health = await look(undefined, 5_000, (started) => config(`https://127.0.0.1:${port}`, started.ca));
    expect(statuses(health)).toEqual(unreachable);
    expect(condition(health, 'APIServerAvailable')?.message).toContain('nothing listens');
  });

  it('answers with a web page', async () => {
    const health = await look((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>'),
    );
    expect(statuses(health)).toEqual(unreachable);
    expect(condition(health, 'APIServerAvailable')?.message).toContain('web page');
  });

  it('answers with other JSON', async () => {
    const health = await look((_request, response) => json(response, 200, { status: 'ok' }));
    expect(statuses(health)).toEqual(unreachable);
    expect(condition(health, 'APIServerAvailable')?.message).toContain('not the Kubernetes API');
  });

  it('answers with JSON that is cut, or broken', async () => {
    const cut = await look((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
      response.write('{"gitVersion":"v1');
      setTimeout(() => response.socket?.destroy(), 20);
    });
    expect(statuses(cut)).toEqual(unreachable);
    await server?.close();
    await kube?.close();
    const broken = await look((_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"gitVersion": oops }'),
    );
    expect(statuses(broken)).toEqual(unreachable);
  });

  it('has a certificate of another authority', async () => {
    const other = await startScriptedServer();
    const health = await look(undefined, 5_000, (started) => config(started.url, other.ca));
    await other.close();
    expect(statuses(health)).toEqual(unreachable);
    expect(condition(health, 'APIServerAvailable')?.message).toContain('certificate');
    expect(server?.seen).toHaveLength(0);
  });

  it.each([
    [401, 'does not accept', refused],
    [403, 'does not allow', refused],
    [302, 'does not follow', unreachable],
    [500, 'HTTP 500', unreachable],
    [503, 'HTTP 503', unreachable],
    [429, 'slow down', refused],
  ])('answers %i', async (status, message, expected) => {
    const health = await look((_request, response) =>
      json(
        response,
        status,
        { kind: 'Status', message: 'no: Authorization: Bearer canary-token-abcdef' },
        { location: 'https://127.0.0.1:1/' },
      ),
    );
    expect(statuses(health)).toEqual(expected);
    expect(condition(health, 'APIServerAvailable')?.message).toContain(message);
  });

  it('is not ready by its own word', async () => {
    const health = await look((request, response) => {
      if (request.path.startsWith('/version')) return json(response, 200, { gitVersion: 'v1.34.2' });
      if (request.path === '/readyz')
        return void response.writeHead(500).end('[+]ping ok\n[-]etcd failed: reason withheld\n');
      json(response, 200, { kind: 'List', apiVersion: 'v1', metadata: {}, items: [] });
    });
    expect(condition(health, 'APIServerAvailable')).toMatchObject({ status: 'False', reason: 'NotReady' });
    expect(condition(health, 'APIServerAvailable')?.message).toContain('etcd');
    expect(condition(health, 'EveryNodeReady')).toMatchObject({ status: 'False', reason: 'NoNodes' });
    expect(condition(health, 'SystemComponentsHealthy')).toMatchObject({ status: 'Unknown', reason: 'NoComponents' });
  });

  it('does not show everything to KQueen', async () => {
    const health = await look((request, response) => {
      if (request.path.startsWith('/version')) return json(response, 200, { gitVersion: 'v1.34.2' });
      if (request.path.startsWith('/api/v1/nodes') || request.path === '/readyz') {
        return json(response, 403, { kind: 'Status', message: 'nodes is forbidden' });
      }
      json(response, 200, { kind: 'List', apiVersion: 'v1', metadata: {}, items: [] });
    });
    expect(condition(health, 'APIServerAvailable')?.status).toBe('True');
    expect(condition(health, 'EveryNodeReady')).toMatchObject({ status: 'Unknown', reason: 'NotAllowed' });
  });

  it('hands out the same page for ever', async () => {
    const health = await look((request, response) => {
      if (request.path.startsWith('/version')) return json(response, 200, { gitVersion: 'v1.34.2' });
      json(response, 200, { kind: 'List', apiVersion: 'v1', metadata: { continue: 'x' }, items: [] });
    }, 8_000);
    expect(condition(health, 'EveryNodeReady')?.status).not.toBe('True');
  });

  it('is given up by its caller: a Fault, so that nothing is written down', async () => {
    server = await startScriptedServer(() => undefined);
    kube = open();
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    const fault = await faultOf(kube.probe(config(server.url, server.ca), callFor(10_000, stop.signal)));
    expect(fault.message).toContain('stopped waiting');
  });

  it('is not asked at all with a kubeconfig that is not safe', async () => {
    server = await startScriptedServer();
    kube = open();
    const unsafe = config(server.url, server.ca).replace('token:', 'exec: {command: "false"}\n      token:');
    expect(await faultOf(kube.probe(unsafe, callFor()))).toMatchObject({ kind: 'bad-input' });
    expect(server.seen).toHaveLength(0);
  });

  it('leaves no connection after close, and ends what is under way', async () => {
    server = await startScriptedServer(() => undefined);
    kube = open();
    const hanging = kube.probe(config(server.url, server.ca), callFor(20_000)).then(
      (health) => statuses(health)[0],
      () => 'Fault',
    );
    await eventually('the call arrived', () => server?.seen.length === 1);
    await kube.close();
    expect(['APIServerAvailable False', 'Fault']).toContain(await hanging);
    await eventually('no connection is left', () => server?.connections().open === 0);
    expect((await faultOf(kube.probe(config(server.url, server.ca), callFor()))).kind).toBe('internal');
  });
});

describe('a real API server', () => {
  const reason = whyNoRealServer();
  if (reason !== null) console.warn(`skipped: ${reason}`);

  it.skipIf(reason !== null)(
    'is probed like any other',
    async () => {
      const cluster = await startRealServer();
      const kube = open();
      try {
        const health = await kube.probe(cluster.kubeconfig, callFor(20_000));
        expect(statuses(health)).toEqual([
          'APIServerAvailable True',
          'EveryNodeReady False',
          'SystemComponentsHealthy Unknown',
        ]);
        expect(health.version).toMatch(/^1\.\d+\.\d+/);
        expect(health.namespaces).toBeGreaterThanOrEqual(3);
      } finally {
        await kube.close();
        await cluster.close();
      }
    },
    120_000,
  );
});
