/** The health of one cluster and of the fleet, as the cards show it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cluster, Health } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createHealthSweep } from '../../src/jobs/health-sweep.ts';
import { openKube } from '../../src/kube/index.ts';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { json, type ScriptedServer, startScriptedServer } from '../engines/scripted-server.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { openStage, org, people, type Stage, words } from './stage.ts';

let stage: Stage;
let server: ScriptedServer;
beforeEach(async () => {
  [stage, server] = [await openStage(), await startScriptedServer()];
});
afterEach(async () => {
  await stage.close();
  await server.close();
});

const put = (record: Cluster) =>
  stage.put(
    { op: 'put', ref: { kind: 'cluster', org, id: record.id }, record },
    {
      op: 'put',
      ref: { kind: 'name', org, id: `cluster.${record.name}` },
      record: { v: 1, id: `cluster.${record.name}`, org, holder: record.id },
    },
  );
const named = (name: string, change: Partial<Cluster> = {}) =>
  sampleCluster(name, { name, owner: people.dev.id, ownerName: 'Dev', ...change });

/** A cluster whose API has so many objects. */
async function sweptCluster(counts: Record<string, number>): Promise<void> {
  server.answer(({ path }, response) => {
    const [plain = '', query = ''] = path.split('?');
    if (plain === '/readyz') return void response.writeHead(200).end('ok');
    if (plain === '/version') return json(response, 200, { gitVersion: 'v1.34.2' });
    const kind = plain.split('/').at(-1) ?? '';
    const limit = Number(new URLSearchParams(query).get('limit'));
    const all = Array.from({ length: counts[kind] ?? 0 }, (_, index) => objectOf(kind, index));
    const left = all.length - limit;
    const more = left > 0 ? { continue: 'x', remainingItemCount: left } : {};
    json(response, 200, { kind: 'List', apiVersion: 'v1', metadata: more, items: all.slice(0, limit) });
  });
  const { sealer, store } = stage.opened;
  const ref = { kind: 'secret', org, id: 'kubeconfig.dev-1' } as const;
  const text = writeKubeconfig('x', 'y', { server: server.url, ca: server.ca, token: 'tok' });
  await put(named('dev-1', { kubeconfig: true, endpoint: 'https://dev-1.example', version: '1.34.2' }));
  await stage.put({ op: 'put', ref, record: { v: 1, id: ref.id, org, sealed: sealer.seal(ref, text) } });
  const parts = { log: stage.log, clock: realClock };
  const [kube, engines] = [openKube(parts), openEngines(parts)];
  try {
    await createHealthSweep({ ...stage.opened, ...parts, kube, engines }).sweep(new AbortController().signal);
  } finally {
    await kube.close();
    await engines.close();
  }
  expect(await store.get({ kind: 'health', org, id: 'dev-1' })).toBeDefined();
  await eventually('it is seen', () => stage.opened.cache.get({ kind: 'health', org, id: 'dev-1' }) !== undefined);
}

function objectOf(kind: string, index: number): unknown {
  const metadata = { name: `${kind}-${index}`, namespace: 'kube-system' };
  if (kind === 'nodes') {
    const amounts = { cpu: '2', memory: '8Gi', pods: '110' };
    return {
      metadata,
      status: { conditions: [{ type: 'Ready', status: 'True' }], capacity: amounts, allocatable: amounts },
    };
  }
  if (kind === 'pods') {
    const resources = { requests: { cpu: '100m', memory: '1Gi' } };
    return { metadata, spec: { nodeName: 'nodes-0', containers: [{ resources }] }, status: { phase: 'Running' } };
  }
  return { metadata, spec: { replicas: 1 }, status: { availableReplicas: 1 } };
}

describe('one cluster', () => {
  test('seeds 13: its card has state, owner, engine, place, version, endpoint, counts as they are, and buttons by right', async () => {
    await sweptCluster({ nodes: 3, pods: 7, deployments: 4, namespaces: 5, services: 6 });
    const card = await stage.say('dev', 'cluster show dev-1');
    const said = words(card);
    expect(card.card?.title).toBe('Cluster dev-1: Ready');
    for (const each of ['"Owner","value":"Dev"', 'https://dev-1.example', '"Kubernetes","value":"1.34.2"', '"Created"'])
      expect(said).toContain(each);
    expect(said).toContain('3 of 3 ready; requests 700m of 6 cores, 7 GiB of 24 GiB');
    expect(said).toContain('4 of 4 deployments available, 7 of 7 pods running, 6 services, in 5 namespaces');
    expect(said).toMatch(/Health seen \d+ s ago|Health seen just now/);
    const labels = async (who: 'dev' | 'mel' | 'anna') =>
      (await stage.say(who, 'cluster show dev-1')).card?.buttons.map(({ label }) => label);
    expect(await labels('dev')).toEqual(expect.arrayContaining(['Get access', 'Check', 'Delete']));
    expect(await labels('anna')).toEqual(await labels('dev'));
    expect(await labels('mel')).toEqual(['Check', 'Show']);
  });

  test('cluster check says in words why nobody answers, and what to do', async () => {
    await sweptCluster({ nodes: 1 });
    server.answer((_request, response) => json(response, 500, { kind: 'Status', message: 'etcd is gone' }));
    const down = await stage.say('dev', 'cluster check dev-1');
    expect(down.card).toMatchObject({
      ...{ title: 'Cluster dev-1 is unreachable', tone: 'bad' },
      text: "Cluster dev-1 is unreachable. The cluster's API failed with HTTP 500: etcd is gone. Look at its provider whether it runs, and whether KQueen may reach its address.",
    });
    expect(down.card?.buttons[0]).toMatchObject({ label: 'Look again', command: 'cluster check dev-1' });
    server.answer((_request, response) => json(response, 401, { kind: 'Status', message: 'no' }));
    expect((await stage.say('dev', 'cluster check dev-1')).card?.text).toMatch(
      /does not accept KQueen's credentials\. KQueen asked its provider for other credentials, and none were given/,
    );
  });
});

describe('the fleet', () => {
  const now = Date.now();
  const seen = (id: string, verdict: Health['verdict']): Health => ({
    ...{
      v: 1,
      id,
      org,
      at: now,
      verdict,
      since: now,
      conditions: [],
      nodesReady: 1,
      nodes: 1,
      problems: [],
      changes: 0,
    },
    capacity: { cpu: 2, memory: 2 ** 33, pods: 110 },
    requests: { cpu: 1, memory: 2 ** 30, pods: 5 },
    pods: { total: 5, running: 5 },
    deployments: { total: 1, available: 1 },
  });

  test('seeds 33: three that are well, one that failed, one on the way: 75 %, the worst named first', async () => {
    for (const name of ['a', 'b', 'c']) {
      await put(named(name));
      await stage.put({ op: 'put', ref: { kind: 'health', org, id: name }, record: seen(name, 'Healthy') });
    }
    await put(named('broken', { phase: 'Failed', failure: { message: 'No quota is left.', at: now } }));
    await put(named('coming', { phase: 'Provisioning' }));
    const said = await stage.say('mel', 'health');
    expect(said.card?.text).toBe('3 of 4 clusters healthy (75 %), 1 on the way or stopped, 1 not as they should be.');
    const [table] = said.card?.parts.flatMap((part) => (part.part === 'table' ? [part.rows] : [])) ?? [];
    expect(table?.map(([name, , why]) => [name, why])).toEqual([['broken', 'No quota is left.']]);
    expect(said.card?.buttons[0]?.command).toBe('cluster show broken');
  });
});
