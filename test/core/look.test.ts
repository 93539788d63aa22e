/** Looking at what is in a cluster from chat: lists, logs, and the close check, on a real sandbox cluster. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allButtons } from '../../src/core/card.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf, deployment } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { openStage, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
let api: ReturnType<typeof apiOf>;

beforeAll(async () => {
  provider = await startSandboxProvider(200);
  stage = await openStage({ provider, worker: true });
  const wish = 'cluster create dev-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=2';
  await stage.press('grace', await stage.say('grace', wish), 'Create it');
  const ready = await eventually('dev-1 is ready', async () => {
    const found = await stage.cluster('dev-1');
    return found?.phase === 'Ready' ? found : null;
  });
  api = apiOf(String(await provider.ask('GET', `/v1/clusters/${ready.externalName}/kubeconfig`)));
});
afterAll(async () => {
  await api.close();
  await stage.close();
  await provider.stop();
});

const make = (name: string, image: string, replicas?: number) =>
  api.api('POST', '/apis/apps/v1/namespaces/default/deployments', deployment(name, image, replicas));
const commands = (answer: Awaited<ReturnType<Stage['say']>>) =>
  allButtons(answer.card ?? { parts: [], buttons: [] }).map(({ command }) => command);

describe('the healthy cluster', () => {
  test('cluster check: one verdict, and what is worth knowing', async () => {
    const seen = await eventually('it is healthy', async () => {
      const answer = await stage.say('grace', 'cluster check dev-1');
      return answer.card?.title === 'Cluster dev-1 is healthy' ? answer : null;
    });
    expect(seen.card).toMatchObject({
      tone: 'good',
      text: expect.stringMatching(/^Cluster dev-1 is healthy\. Nothing/),
    });
    expect(words(seen)).toMatch(/Nodes: requests of what can be used/);
    expect(words(seen)).toMatch(/Live use is not known/);
  });

  test.each([
    ['namespaces', /^\d namespaces in dev-1$/, /kube-system/],
    ['nodes', /^2 nodes in dev-1$/, /CPU requests/],
    ['deployments', /^1 deployment in dev-1$/, /coredns/],
    ['pods', /^\d pods? in dev-1$/, /coredns-/],
    ['services', /^2 services in dev-1$/, /kube-dns/],
    ['volumes', /^No volumes in dev-1$/, /There are no volumes\./],
    ['images', /^\d images? in dev-1$/, /coredns/],
    ['events', /^\d+ events? in dev-1$/, /Scheduled|Started|Created/],
    ['urls', /^No external addresses in dev-1$/, /Nothing is reached from outside/],
    ['topology', /^Topology in dev-1$/, /Deployment coredns/],
  ])('cluster get %s', async (what, title, text) => {
    const seen = await stage.say('mel', `cluster get ${what} dev-1`);
    expect(seen.card?.title).toMatch(title);
    expect(words(seen)).toMatch(text);
  });

  test('a namespace, one that is not there, and what is none of the lists', async () => {
    expect((await stage.say('dev', 'cluster get pods dev-1 namespace=default')).card?.title).toBe(
      'No pods of namespace default in dev-1',
    );
    expect(words(await stage.say('dev', 'cluster get pods dev-1 in nowhere'))).toMatch(/There is no namespace nowhere/);
    expect(words(await stage.say('dev', 'cluster get secrets dev-1'))).toMatch(/namespaces/);
    expect(words(await stage.say('dev', 'cluster get pods dev-1 namespace=../../secrets'))).toMatch(
      /Use the name of a namespace/,
    );
  });
});

describe('a cluster with an app that crashes', () => {
  beforeAll(async () => {
    await make('web', 'nginx:1.29', 2);
    await make('broken', 'x/crash:1');
    await eventually('it crashes', async () =>
      /CrashLoopBackOff/.test(words(await stage.say('grace', 'cluster get pods dev-1'))),
    );
  });

  test('cluster check names it first, with its last lines and a way to its log', async () => {
    const seen = await eventually('its log is there', async () => {
      const answer = await stage.say('grace', 'cluster check dev-1');
      return /FATAL/.test(words(answer)) ? answer : null;
    });
    expect(seen.card?.title).toBe('Cluster dev-1 is healthy, yet not all in it');
    expect(seen.card?.tone).toBe('warn');
    expect(seen.card?.text).toMatch(
      /1 thing in it is not as it should be: Deployment default\/broken: CrashLoopBackOff/,
    );
    expect(commands(seen)).toContain('app logs dev-1 broken namespace=default previous=true');
    const log = await stage.say('grace', 'app logs dev-1 broken namespace=default previous=true', { source: 'button' });
    expect(log.card?.title).toBe('Log of broken before its last restart in dev-1');
    expect(words(log)).toMatch(/FATAL: the configuration names no database/);
    expect(commands(log)).toEqual(['app logs dev-1 broken namespace=default lines=50 previous=false']);
  });

  test('somebody else sees that it crashes, and neither its lines nor its log', async () => {
    const seen = await stage.say('mel', 'cluster check dev-1');
    expect(words(seen)).toMatch(/broken\*?: CrashLoopBackOff/);
    expect(words(seen)).not.toMatch(/FATAL|app logs/);
    const log = await stage.say('mel', 'app logs dev-1 web');
    expect(log.card?.title).toBe('Not allowed');
  });

  test('app logs: an app, its lines, and what is not there', async () => {
    expect(words(await stage.say('grace', 'app logs dev-1 web lines=5'))).toMatch(/nginx:1.29 is up/);
    expect(words(await stage.say('grace', 'app logs dev-1 nothing'))).toMatch(
      /There is no app nothing in namespace default/,
    );
    expect(words(await stage.say('grace', 'app logs dev-1 web lines=5000'))).toMatch(/500/);
  });
});
