import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { callerOf, ended, loginOf, runningCluster, startChild, temporaryDirectory, until, wish } from './sandbox.ts';

const home = temporaryDirectory();
afterAll(() => home.remove());

test('clusters and what runs in them survive kill -9, and a creation goes on', async () => {
  const before = await startChild(home.path);
  expect(before.readyAfter).toBeLessThan(3000);
  expect(statSync(join(home.path, 'token')).mode & 0o777).toBe(0o600);
  expect(statSync(join(home.path, 'ca-key.pem')).mode & 0o777).toBe(0o600);
  const kubeconfig = await runningCluster(before.call, 'survivor');
  const { server, token } = loginOf(kubeconfig);
  const kube = callerOf(server, before.ca, token);
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx:1' }] } },
    },
  };
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  expect((await kube.call('POST', deployments, { body: deployment })).status).toBe(201);
  await until('three pods', async () => {
    const { body } = await kube.call('GET', `${deployments}/web`);
    return body.status.availableReplicas === 3 ? true : undefined;
  });
  await before.call('POST', '/v1/admin/clock', { body: { speed: 20 } });
  const half = await before.call('POST', '/v1/clusters', { body: wish('halfway') });
  await until('the control plane of the second cluster', async () => {
    const { body } = await before.call('GET', `/v1/operations/${half.body.operation.id}`);
    return body.percent > 30 ? true : undefined;
  });
  await before.stop('SIGKILL');
  await kube.close();

  const port = new URL(before.url).port;
  const after = await startChild(home.path, { SANDBOX_PORT: port });
  expect([after.ca, after.token, after.url]).toEqual([before.ca, before.token, before.url]);
  expect((await after.call('GET', '/v1/clusters/survivor')).body.status).toBe('RUNNING');
  const again = callerOf(server, after.ca, token);
  const kept = (await again.call('GET', `${deployments}/web`)).body;
  expect(kept.status.availableReplicas).toBe(3);
  const old = await again.call('GET', '/api/v1/nodes?watch=true&timeoutSeconds=5&resourceVersion=2');
  expect(JSON.parse(old.text.split('\n')[0] ?? '')).toMatchObject({ type: 'ERROR', object: { code: 410 } });
  expect(
    (
      await again.call('PATCH', `${deployments}/web`, {
        body: { spec: { replicas: 4 } },
        headers: { 'content-type': 'application/merge-patch+json' },
      })
    ).status,
  ).toBe(200);
  await until('a fourth pod', async () => {
    const { body } = await again.call('GET', `${deployments}/web`);
    return body.status.availableReplicas === 4 ? true : undefined;
  });
  expect((await ended(after.call, half.body.operation.id)).status).toBe('done');
  expect((await after.call('GET', '/v1/clusters/halfway')).body.status).toBe('RUNNING');
  await again.close();
  expect(await after.stop()).toBeLessThan(1000);
});

test('a second sandbox on the same directory is refused', async () => {
  const own = temporaryDirectory();
  const first = await startChild(own.path);
  await expect(startChild(own.path)).rejects.toThrow(/did not start/);
  await first.stop();
  own.remove();
});

test('it ends when its parent closes its stdin, and when the IPC channel breaks', async () => {
  const own = temporaryDirectory();
  const sandbox = await startChild(own.path);
  const gone = once(sandbox.child, 'exit');
  sandbox.child.stdin?.end();
  await gone;
  expect(existsSync(join(own.path, 'sandbox.db'))).toBe(true);
  own.remove();
});

test('mistakes in the environment are named, and nothing starts', async () => {
  const own = temporaryDirectory();
  await expect(startChild(own.path, { SANDBOX_SPEED: 'fast', SANDBOX_PORT: '99999' })).rejects.toThrow(
    /SANDBOX_PORT.*\n.*SANDBOX_SPEED/,
  );
  own.remove();
});
