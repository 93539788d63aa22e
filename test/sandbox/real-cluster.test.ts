import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { callerOf, ended, loginOf, runningCluster, startChild, temporaryDirectory, until, wish } from './sandbox.ts';

const home = temporaryDirectory();
afterAll(() => home.remove());

/** A folder as KUBEBUILDER_ASSETS names one, with programs that stand in for the real ones. */
function assets(names = ['etcd', 'kube-apiserver']): string {
  const folder = join(home.path, `assets-${Math.random().toString(36).slice(2)}`);
  mkdirSync(folder);
  const sources: Record<string, URL> = {
    etcd: new URL('./stand-in-etcd.ts', import.meta.url),
    'kube-apiserver': new URL('./stand-in-apiserver.ts', import.meta.url),
  };
  for (const name of names) {
    writeFileSync(join(folder, name), `#!${process.execPath}\nimport('${sources[name]}');\n`, { mode: 0o755 });
  }
  return folder;
}

/** Whether a program runs; one that has ended and waits to be collected by an init that does not hurry does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
    return !/\) Z /.test(stat);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

/** The programs of the only cluster of a sandbox. */
function programsOf(dataDir: string): { folder: string; pids: number[] } {
  const [id = ''] = readdirSync(join(dataDir, 'kube'));
  const folder = join(dataDir, 'kube', id);
  return {
    folder,
    pids: ['etcd.pid', 'apiserver.pid'].map((name) => Number(readFileSync(join(folder, name), 'utf8'))),
  };
}

const DEPLOYMENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx:1' }] } },
  },
};

test('with KUBEBUILDER_ASSETS a cluster has an API server of its own, which the controller drives', async () => {
  const dataDir = join(home.path, 'real');
  const folder = assets();
  let sandbox = await startChild(dataDir, { KUBEBUILDER_ASSETS: folder });
  const kubeconfig = await runningCluster(sandbox.call, 'real', { nodes: 2 });
  const { server, token } = loginOf(kubeconfig);
  expect(new URL(server).port).not.toBe(new URL(sandbox.url).port);
  expect((await sandbox.call('GET', '/v1/clusters/real')).body.endpoint).toBe(server);
  let kube = callerOf(server, sandbox.ca, token);
  expect((await kube.call('GET', '/version')).text).toContain('v1.34.9');
  expect((await kube.call('GET', '/api/v1/nodes')).body.items).toHaveLength(2);
  const path = '/apis/apps/v1/namespaces/default/deployments';
  expect((await kube.call('POST', path, { body: DEPLOYMENT })).status).toBe(201);
  await until('two pods', async () =>
    (await kube.call('GET', `${path}/web`)).body.status.availableReplicas === 2 ? true : undefined,
  );
  expect((await kube.call('GET', '/apis/apps/v1/namespaces/kube-system/deployments/coredns')).status).toBe(200);

  const more = await sandbox.call('PATCH', '/v1/clusters/real', { body: { nodes: 3 } });
  expect((await ended(sandbox.call, more.body.operation.id)).status).toBe('done');
  expect((await kube.call('GET', '/api/v1/nodes')).body.items).toHaveLength(3);
  const dead = { cluster: 'real', node: 'sandbox-real-2', state: 'dead' };
  expect((await sandbox.call('PUT', '/v1/admin/node', { body: dead })).status).toBe(200);
  await until('the node to be unknown', async () => {
    const { status } = (await kube.call('GET', '/api/v1/nodes/sandbox-real-2')).body;
    return status.conditions?.some((entry) => entry.type === 'Ready' && entry.status === 'Unknown') ? true : undefined;
  });

  // Its programs end with it, even by kill -9, and its kubeconfig is good again when it is back.
  const before = programsOf(dataDir);
  await kube.close();
  await sandbox.stop('SIGKILL');
  sandbox = await startChild(dataDir, { KUBEBUILDER_ASSETS: folder });
  kube = callerOf(server, sandbox.ca, token);
  await until('the API server to be back', async () => {
    const answer = await kube.call('GET', `${path}/web`).catch(() => undefined);
    return answer?.status === 200 ? true : undefined;
  });
  for (const pid of before.pids) expect(isAlive(pid)).toBe(false);

  const after = programsOf(dataDir);
  await kube.close();
  const gone = await sandbox.call('DELETE', '/v1/clusters/real');
  expect((await ended(sandbox.call, gone.body.operation.id)).status).toBe('done');
  await until('its programs and files to be gone', () =>
    readdirSync(join(dataDir, 'kube')).length === 0 && !after.pids.some(isAlive) ? true : undefined,
  );
  await sandbox.stop();
});

test('an API server that does not start is named with its last words', async () => {
  const sandbox = await startChild(join(home.path, 'broken'), {
    KUBEBUILDER_ASSETS: assets(),
    STAND_IN_FAULT: 'apiserver',
  });
  const made = await sandbox.call('POST', '/v1/clusters', { body: wish('broken') });
  const end = await ended(sandbox.call, made.body.operation.id);
  expect([end.status, end.error?.code]).toEqual(['failed', 'control_plane_failed']);
  expect(end.error?.message).toMatch(/^The real kube-apiserver ended with code 1: .*invalid argument/);
  await sandbox.stop();
});

test('a folder without the programs is refused at the start, and said which are missing', async () => {
  const start = startChild(join(home.path, 'lacking'), { KUBEBUILDER_ASSETS: assets(['etcd']) });
  await expect(start).rejects.toThrow(/which has no executable kube-apiserver/);
});
