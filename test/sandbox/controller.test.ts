import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { type Body, callerOf, loginOf, runningCluster, temporaryDirectory, until } from './sandbox.ts';

const home = temporaryDirectory();
const dataDir = join(home.path, 'data');
let sandbox: Sandbox;
let kubeconfig = '';
let kube: ReturnType<typeof callerOf>;

beforeAll(async () => {
  const first = await startSandbox({ dataDir, speed: 200 });
  const provider = callerOf(first.url, first.ca, first.token);
  kubeconfig = await runningCluster(provider.call, 'apart', { nodes: 1 });
  await provider.close();
  await first.close();
  // The same cluster again, with nothing that moves it.
  sandbox = await startSandbox({ dataDir, speed: 200, controller: false, port: Number(new URL(first.url).port) });
  const { server, token } = loginOf(kubeconfig);
  kube = callerOf(server, sandbox.ca, token);
});

afterAll(async () => {
  await kube.close();
  await sandbox.close();
  home.remove();
});

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

async function read(path: string): Promise<Body> {
  return (await kube.call('GET', path)).body;
}

test('the controller runs alone, as a client of an API server that a kubeconfig names', async () => {
  const template = {
    metadata: { labels: { app: 'alone' } },
    spec: { containers: [{ name: 'main', image: 'nginx:1' }] },
  };
  const body = {
    metadata: { name: 'alone' },
    spec: { replicas: 3, selector: { matchLabels: { app: 'alone' } }, template },
  };
  expect((await kube.call('POST', DEPLOYMENTS, { body })).status).toBe(201);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await read(`${DEPLOYMENTS}/alone`)).status).toEqual({});

  const file = join(home.path, 'kubeconfig');
  writeFileSync(file, kubeconfig, { mode: 0o600 });
  const args = ['src/sandbox/controller.ts', '--kubeconfig', file, '--nodes', '2', '--speed', '200'];
  const controller = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const ready = (node: Body['items'][number]): boolean =>
      node.status?.conditions?.some((entry) => entry.type === 'Ready' && entry.status === 'True') === true;
    await until('three Ready nodes', async () => {
      const { items } = await read('/api/v1/nodes');
      return items.filter(ready).length === 3 ? items : undefined;
    });
    await until('an available deployment', async () =>
      (await read(`${DEPLOYMENTS}/alone`)).status.availableReplicas === 3 ? true : undefined,
    );
    const { items } = await read('/api/v1/namespaces/default/pods?labelSelector=app%3Dalone');
    const nodes = ['sandbox-0', 'sandbox-1', 'sandbox-apart-0'];
    for (const pod of items) expect(nodes).toContain(pod.spec.nodeName);

    // A node in trouble on demand, and one that is taken away: its pods are made anew elsewhere.
    const merge = { 'content-type': 'application/merge-patch+json' };
    const trouble = (value: string | null): object => ({
      metadata: { annotations: { 'sandbox.kqueen.io/not-ready': value } },
    });
    const lost = items[0]?.spec.nodeName ?? '';
    const sick = nodes.find((node) => node !== lost) ?? '';
    await kube.call('PATCH', `/api/v1/nodes/${sick}`, { body: trouble('true'), headers: merge });
    await until('a node that is not Ready', async () => {
      const { status } = await read(`/api/v1/nodes/${sick}`);
      return status.conditions?.some((entry) => entry.type === 'Ready' && entry.status === 'False') ? true : undefined;
    });
    await kube.call('DELETE', `/api/v1/nodes/${lost}`);
    await until('three pods elsewhere', async () => {
      const { items: pods } = await read(
        '/api/v1/namespaces/default/pods?labelSelector=app%3Dalone&fieldSelector=status.phase%3DRunning',
      );
      return pods.length === 3 && pods.every((pod) => pod.spec.nodeName !== lost) ? true : undefined;
    });
  } finally {
    const gone = once(controller, 'exit');
    controller.kill();
    await gone;
  }
});

test('without a kubeconfig it says how it is used', async () => {
  const controller = spawn(process.execPath, ['src/sandbox/controller.ts'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  controller.stderr.on('data', (chunk) => {
    text += String(chunk);
  });
  const [code] = await once(controller, 'exit');
  expect([code, text.includes('--kubeconfig FILE')]).toEqual([2, true]);
});
