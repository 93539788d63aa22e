/** The sweep of the fleet over real sockets: the clusters' APIs are servers on loopback, the clock is moved by hand where time matters. */
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { clusterCard } from '../../src/core/commands/cluster-show.ts';
import { Fault } from '../../src/core/errors.ts';
import { vanishedMessage } from '../../src/core/jobs/kind.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import type { Cluster } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createHealthSweep, type SweepLimits } from '../../src/jobs/health-sweep.ts';
import { inPlaces } from '../../src/jobs/parallel.ts';
import { startRhythm } from '../../src/jobs/rhythm.ts';
import { openKube } from '../../src/kube/index.ts';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { openConfiguredStore } from '../../src/store/index.ts';
import { type Answerer, json, type ScriptedServer, startScriptedServer } from '../engines/scripted-server.ts';
import { startTcpProxy } from '../proxy.ts';
import { eventually, freePort } from '../servers.ts';
import { handClock, realClock } from '../store/clocks.ts';
import { keepingLog, sampleCluster, temporaryFolder } from '../store/parts.ts';
import { mustCommit, putProvisioner } from './bench.ts';
import { never, paperKube, paperProvider } from './paper.ts';
import { probed, start } from './samples.ts';

const org = 'default';
const on = new AbortController().signal;
const servers: ScriptedServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** What a small cluster that is well answers. */
const well: Answerer = ({ path }, response) => {
  if (path === '/readyz') return void response.writeHead(200).end('ok');
  if (path === '/version') return json(response, 200, { gitVersion: 'v1.34.2' });
  const conditions = [{ type: 'Ready', status: 'True' }];
  const items: Record<string, unknown[]> = {
    '/api/v1/nodes': [{ metadata: { name: 'n1' }, status: { conditions, allocatable: { cpu: '2' } } }],
    '/api/v1/pods': [{ metadata: { name: 'dns', namespace: 'kube-system' }, status: { phase: 'Running' } }],
  };
  json(response, 200, { kind: 'List', apiVersion: 'v1', metadata: {}, items: items[path.split('?')[0] ?? ''] ?? [] });
};

async function api(answerer: Answerer = well): Promise<ScriptedServer> {
  const server = await startScriptedServer(answerer);
  servers.push(server);
  return server;
}

const config = ({ url, ca }: { url: string; ca: string }, token = 'sweep-canary-token') =>
  writeKubeconfig('x', 'y', { server: url, ca, token });

/** A store with its cache, a provider on paper, and the sweep. */
async function fleet({
  clock = handClock(start),
  kube,
  limits = {},
  connections = 200,
  random = () => 0,
}: {
  clock?: Clock;
  kube?: Kube;
  limits?: Partial<SweepLimits>;
  connections?: number;
  random?: () => number;
} = {}) {
  const log = keepingLog();
  const opened = await openConfiguredStore({ prefix: '/sweep' }, { clock: realClock, log, dataDir: temporaryFolder() });
  const { store, cache, sealer } = opened;
  const paper = paperProvider();
  const engines = openEngines({ engines: [paper.engine], log, clock });
  // The provider has no other credentials to give.
  paper.before.kubeconfig = () => {
    throw new Fault('not-allowed', 'There are no others.');
  };
  const used = kube ?? openKube({ log, clock, connections });
  await putProvisioner(store, sealer);
  const { sweep } = createHealthSweep({
    ...{ store, cache, sealer, engines, kube: used, clock, log, random, limits },
  });
  onTestFinished(async () => {
    await used.close();
    await engines.close();
    await opened.close();
  });
  const settled = async () => {
    const { revision } = await store.page('cluster', org, { limit: 1 });
    expect(await cache.reached(revision, 5_000)).toBe(true);
  };
  return {
    ...{ store, cache, sealer, paper, log, clock, sweep },
    async put(id: string, kubeconfig: string, change: Partial<Cluster> = {}) {
      const secret = { kind: 'secret', org, id: `kubeconfig.${id}` } as const;
      const record = sampleCluster(id, { engine: 'paper', kubeconfig: true, ...change });
      await mustCommit(store, [
        { op: 'put', ref: { kind: 'cluster', org, id }, record },
        { op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed: sealer.seal(secret, kubeconfig) } },
      ]);
      paper.clusters.set(`kq-${id}`, { state: 'running', mine: true });
      await settled();
    },
    async run() {
      await sweep(on);
      await settled();
    },
    health: (id: string) => cache.get({ kind: 'health', org, id }),
    cluster: (id: string) => cache.get({ kind: 'cluster', org, id }),
  };
}

describe('connections of the sweep', () => {
  it('are kept: one for each cluster, however often it is swept', async () => {
    const { put, run, health } = await fleet();
    const apis = await Promise.all(['a', 'b', 'c'].map(() => api()));
    for (const [index, server] of apis.entries()) await put(`c${index}`, config(server));
    for (let count = 0; count < 4; count += 1) await run();
    expect(apis.map((server) => server.connections().accepted)).toEqual([1, 1, 1]);
    expect(health('c1')).toMatchObject({ verdict: 'Healthy', version: '1.34.2', namespaces: 0, changes: 0 });
    // What changes seldom is asked for once: 7 requests, and 4 each time after.
    expect(apis[0]?.seen).toHaveLength(7 + 3 * 4);
  });

  it('beyond those that are kept are made anew, and cost the others theirs not', async () => {
    const { put, run, health } = await fleet({ connections: 2 });
    const apis = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(() => api()));
    for (const [index, server] of apis.entries()) await put(`c${index}`, config(server));
    await run();
    await eventually('those of the ones that pass are closed', () => {
      const open = apis.map((server) => server.connections().open);
      return open.filter((each) => each === 1).length === 2 && open.filter((each) => each === 0).length === 3;
    });
    await run();
    expect(apis.map((server) => server.connections().accepted).sort()).toEqual([1, 1, 2, 2, 2]);
    expect(apis.map((_, index) => health(`c${index}`)?.verdict)).toEqual(apis.map(() => 'Healthy'));
  });

  it('that the server has closed meanwhile are no news', async () => {
    const server = await api();
    const proxy = await startTcpProxy({ port: Number(new URL(server.url).port) });
    const { put, run, health } = await fleet();
    await put('c0', config({ url: `https://127.0.0.1:${proxy.port}`, ca: server.ca }));
    await run();
    proxy.cut();
    await run();
    await run();
    expect(health('c0')).toMatchObject({ verdict: 'Healthy', changes: 0 });
    await proxy.close();
  });

  it('that are half-open are no news either: another one is opened when nothing comes', async () => {
    const server = await api();
    const proxy = await startTcpProxy({ port: Number(new URL(server.url).port) });
    const clock = handClock(start);
    const { put, run, health } = await fleet({ clock });
    await put('c0', config({ url: `https://127.0.0.1:${proxy.port}`, ca: server.ca }));
    await run();
    await proxy.setMode('half-open');
    await proxy.setMode('pass');
    await clock.advance(30_000);
    await run();
    expect(health('c0')).toMatchObject({ verdict: 'Healthy', changes: 0 });
    expect(proxy.accepted()).toBe(2);
    await proxy.close();
  });
});

describe('what the sweep says of a cluster that is not well', () => {
  const expired = `e30.${Buffer.from(JSON.stringify({ exp: (start - 86_400_000) / 1_000 })).toString('base64url')}.x`;
  const says =
    (status: number, headers: Record<string, string> = {}): Answerer =>
    (_request, response) =>
      json(response, status, { kind: 'Status', message: 'by its own word' }, headers);

  it.each<[string, Answerer, RegExp, string?]>([
    ['401', says(401), /does not accept KQueen's credentials/],
    ['an expired token', says(401), /^The token that KQueen keeps for this cluster expired on 2023-11-13/, expired],
    ['403', says(403), /does not allow this to KQueen: by its own word/],
    ['429', says(429, { 'retry-after': '5' }), /asks KQueen to slow down/],
    ['500', says(500), /failed with HTTP 500: by its own word/],
    ['a server that hangs', () => undefined, /did not answer (in time|within)/],
    ['a web page', (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'), /web page/],
  ])('%s', async (_name, answerer, words, token) => {
    const { put, run, health, log } = await fleet({ limits: { clusterMs: 600 } });
    const server = await api();
    await put('c0', config(server, token));
    await run();
    expect(health('c0')).toMatchObject({ verdict: 'Healthy', changes: 0 });
    server.answer(answerer);
    await run();
    const seen = health('c0');
    expect(seen).toMatchObject({ verdict: 'Unreachable', changes: 1 });
    expect(seen?.conditions[0]?.message).toMatch(words);
    // Of what could not be asked nothing is said.
    expect(seen?.conditions.slice(1).every(({ status }) => status === 'Unknown')).toBe(true);
    await run();
    expect(health('c0')?.changes).toBe(1);
    server.answer(well);
    await run();
    expect(health('c0')).toMatchObject({ verdict: 'Healthy', changes: 2 });
    expect(JSON.stringify([seen, log.lines])).not.toContain('sweep-canary-token');
  });

  it('another authority, nobody there, and a connection that leads nowhere', async () => {
    const { put, run, health } = await fleet({ limits: { clusterMs: 600 } });
    const [one, other] = [await api(), await api()];
    await put('wrong-ca', config({ url: one.url, ca: other.ca }));
    await put('nobody', config({ url: `https://127.0.0.1:${await freePort()}`, ca: one.ca }));
    const proxy = await startTcpProxy({ port: Number(new URL(one.url).port) });
    await proxy.setMode('half-open');
    await put('nowhere', config({ url: `https://127.0.0.1:${proxy.port}`, ca: one.ca }));
    await run();
    const words = (id: string) => health(id)?.conditions[0]?.message;
    expect(words('wrong-ca')).toMatch(/certificate is not signed by the authority/);
    expect(words('nobody')).toMatch(/nothing listens at its address/);
    expect(words('nowhere')).toMatch(/did not answer in time/);
    expect(one.seen).toHaveLength(0);
    await proxy.close();
  });

  it('tries the credentials that somebody has stored meanwhile before it asks the provider', async () => {
    const { put, run, health, store, sealer, paper } = await fleet();
    const server = await api();
    await put('c0', config(server, 'first-token'));
    await run();
    server.answer((request, response, n) =>
      request.headers.authorization === 'Bearer second-token'
        ? well(request, response, n)
        : json(response, 401, { kind: 'Status', message: 'no' }),
    );
    const secret = { kind: 'secret', org, id: 'kubeconfig.c0' } as const;
    const sealed = sealer.seal(secret, config(server, 'second-token'));
    await mustCommit(store, [{ op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed } }]);
    await run();
    expect(health('c0')).toMatchObject({ verdict: 'Healthy', changes: 0 });
    expect(paper.calls).not.toContain('kubeconfig');
  });
});

describe('the time of the sweep', () => {
  it('is not taken by clusters that hang, whether they did before or begin to', async () => {
    const hung = new Set<string>();
    const kube = paperKube(async (id) => {
      if (hung.has(id)) return never;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return probed();
    });
    const { put, run, health } = await fleet({ clock: realClock, kube, limits: { clusterMs: 1_000, patienceMs: 40 } });
    for (let index = 0; index < 200; index += 1) await put(`c${index}`, `c${index}`);
    const timed = async () => {
      const begun = performance.now();
      await run();
      return performance.now() - begun;
    };
    await timed();
    const healthy = await timed();
    for (let index = 0; index < 200; index += 20) hung.add(`c${index}`);
    for (const _ of ['fresh', 'known']) {
      expect(await timed()).toBeLessThan(1_000 + 2 * healthy + 300);
      expect(health('c20')).toMatchObject({ verdict: 'Unreachable', changes: 1 });
      expect(health('c21')).toMatchObject({ verdict: 'Healthy', changes: 0 });
    }
  });

  it('goes less and less often to what has not answered for long, and at once when its record changes', async () => {
    let looks = 0;
    const kube = paperKube(() => {
      looks += 1;
      return probed(false, false, clock.now());
    });
    const clock = handClock(start);
    const { put, run } = await fleet({ clock, kube });
    await put('c0', 'c0');
    const during = async (ms: number) => {
      const before = looks;
      for (let at = 0; at < ms; at += 30_000) {
        await clock.advance(30_000);
        await run();
      }
      return looks - before;
    };
    await run();
    expect(await during(120_000)).toBe(4);
    const [early, late] = [await during(1_200_000), await during(3_600_000)];
    expect(early).toBeLessThan(20);
    expect(late).toBeGreaterThanOrEqual(11);
    expect(late).toBeLessThanOrEqual(13);
    await put('c0', 'c0', { labels: { team: 'other' } });
    expect(await during(30_000)).toBe(1);
  });
});

describe('the end of the sweep', () => {
  it('comes at once when it is called off, also while it spreads the first connections, and leaves nothing behind', async () => {
    const kube = paperKube(() => probed());
    const { put, sweep } = await fleet({
      clock: realClock,
      kube,
      limits: { spreadMs: 60_000, atOnce: 2 },
      random: () => 0.9,
    });
    for (let index = 0; index < 6; index += 1) await put(`c${index}`, `c${index}`);
    const off = new AbortController();
    const going = sweep(off.signal);
    setTimeout(() => off.abort(), 400);
    const begun = performance.now();
    await going;
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it('waits for those that hang, and tells of one that failed', async () => {
    const seen: number[] = [];
    const work = async (item: number) => {
      await new Promise((resolve) => setTimeout(resolve, item === 1 ? 120 : 1));
      seen.push(item);
      if (item === 1) throw new Error('the first');
    };
    const places = { atOnce: 1, patienceMs: 20, waiting: 5 };
    await expect(inPlaces(realClock, [1, 2, 3], places, work)).rejects.toThrow('the first');
    expect(seen).toEqual([2, 3, 1]);
  });
});

describe('transitions', () => {
  it('are counted once each, not with each look, and write nothing in between', async () => {
    let nodesReady = true;
    const kube = paperKube(() => probed(true, nodesReady, clock.now()));
    const clock = handClock(start);
    const { put, run, health, store } = await fleet({ clock, kube });
    await put('c0', 'c0');
    const revisions = new Set<number>();
    for (let count = 0; count < 12; count += 1) {
      nodesReady = count < 4 || count >= 8;
      await run();
      revisions.add((await store.get({ kind: 'health', org, id: 'c0' }))?.revision ?? 0);
      await clock.advance(30_000);
    }
    expect(health('c0')).toMatchObject({ verdict: 'Healthy', changes: 2 });
    expect(revisions.size).toBe(3);
  });

  it('seeds 16: what changes is seen within the interval, with its age on the card, without that anybody asks', async () => {
    const clock = handClock(start);
    const { put, sweep, health, cluster, log } = await fleet({ clock });
    const server = await api();
    await put('c0', config(server));
    const stop = startRhythm({ clock, log }, { name: 'health', everyMs: 30_000, run: sweep });
    await eventually('it was looked at', () => health('c0')?.verdict === 'Healthy');
    server.answer((_request, response) => json(response, 503, { kind: 'Status', message: 'going down' }));
    await eventually('the change is seen', async () => {
      await clock.advance(30_000);
      return health('c0')?.verdict === 'Unreachable';
    });
    const found = cluster('c0');
    const at = health('c0')?.at ?? 0;
    const card = found && clusterCard(found, health('c0'), at + 40_000, undefined);
    expect(JSON.stringify(card)).toContain('40 s ago');
    expect(JSON.stringify(card)).toContain('failed with HTTP 503: going down');
    await stop();
  });
});

describe('clusters that are stopped', () => {
  it('are left out, and looked at again as soon as they are started', async () => {
    const looked: string[] = [];
    const kube = paperKube((id) => {
      looked.push(id);
      return probed();
    });
    const { put, run } = await fleet({ kube });
    await put('c0', 'c0', { stopped: true });
    await put('c1', 'c1');
    await run();
    await put('c0', 'c0');
    await run();
    expect(looked[0]).toBe('c1');
    expect(looked.slice(1).sort()).toEqual(['c0', 'c1']);
  });

  it('and that had vanished come back as they are', async () => {
    const { put, run, cluster, paper } = await fleet({ kube: paperKube(), limits: { observeEvery: 1 } });
    await put('c0', 'c0', { stopped: true });
    paper.clusters.delete('kq-c0');
    for (let count = 0; count < 3; count += 1) await run();
    expect(cluster('c0')).toMatchObject({ phase: 'Unknown', failure: { message: vanishedMessage } });
    paper.clusters.set('kq-c0', { state: 'stopped', mine: true });
    for (let count = 0; count < 2; count += 1) await run();
    expect(cluster('c0')).toMatchObject({ phase: 'Ready', stopped: true });
    expect(cluster('c0')?.failure).toBeUndefined();
  });
});
