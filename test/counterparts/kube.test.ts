import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openKube } from '../../src/kube/index.ts';
import { callFor, realClock } from '../engines/calls.ts';
import type { KubeBackend } from '../engines/harness.ts';
import { needServer } from '../servers.ts';
import { keptLog } from '../story/kqueen.ts';
import { type KubeFront, openKubeBackend, openKubeFront } from './kube.ts';

let backend: KubeBackend;
const kube = openKube({ clock: realClock, log: keptLog() });

beforeAll(async () => {
  backend = await openKubeBackend();
});
afterAll(async () => {
  await kube.close();
  await backend.close();
});

function kubeconfigFor(front: Pick<KubeFront, 'server' | 'ca'>, user: Record<string, string>): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'c',
        cluster: { server: front.server, 'certificate-authority-data': Buffer.from(front.ca).toString('base64') },
      },
    ],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}

describe('the Kubernetes backend of counterparts', () => {
  it('opens a cluster once for a name, with nodes that are Ready, scales it and removes it', async () => {
    const [first, second] = await Promise.all([backend.open('kq-a', 2), backend.open('kq-a', 2)]);
    expect(second).toEqual(first);
    expect((await kube.probe(first.kubeconfig, callFor())).nodes.map((node) => node.ready)).toEqual([true, true]);
    await backend.scale('kq-a', 3);
    await backend.scale('kq-a', 3);
    const scaled = await kube.probe(first.kubeconfig, callFor());
    expect(scaled.nodes.map((node) => node.ready)).toEqual([true, true, true]);
    await backend.remove('kq-a');
    await backend.remove('kq-a');
    const gone = await kube.probe(first.kubeconfig, callFor());
    expect(gone.conditions.find(({ type }) => type === 'APIServerAvailable')?.status).not.toBe('True');
    const again = await backend.open('kq-a', 1);
    expect(again.token).not.toBe(first.token);
    expect((await kube.probe(again.kubeconfig, callFor())).nodes).toHaveLength(1);
  });
});

describe('a front before a cluster', () => {
  it('lets in what is accepted, leaves the rest to the cluster, and refuses what has no credentials', async () => {
    const api = await backend.open('kq-front', 1);
    let good = 'token-of-the-provider';
    const front = await openKubeFront(api, (token) => token === good);
    const admin = kubeconfigFor(front, { token: good });
    expect((await kube.probe(admin, callFor())).nodes).toHaveLength(1);
    // The cluster's own tokens work through the front.
    const personal = await kube.issueAccess(
      admin,
      { cluster: 'c', person: 'p', role: 'view', seconds: 600 },
      callFor(),
    );
    expect(personal.kubeconfig).toContain(front.server);
    const admitted = front.counts().admitted;
    expect((await kube.probe(personal.kubeconfig, callFor())).pods.total).toBeGreaterThanOrEqual(0);
    expect(front.counts().admitted).toBe(admitted);
    // A token that is not good any more, one that never was, and that of the cluster behind.
    good = 'another';
    for (const token of ['token-of-the-provider', 'nonsense', api.token]) {
      const seen = await kube.probe(kubeconfigFor(front, { token }), callFor());
      expect(seen.conditions.find(({ type }) => type === 'APIServerAvailable')?.status).not.toBe('True');
    }
    await front.close();
  });

  it('serves stock kubectl, by token or by user name and password', async (ctx) => {
    const kubectl = needServer(ctx, 'kubectl');
    const api = await backend.open('kq-front', 1);
    const front = await openKubeFront(api, (token) => token === 'let-me-in', {
      basic: (user, password) => `${user}/${password}` === 'admin/a:b',
    });
    const folder = mkdtempSync(join(tmpdir(), 'kqueen-test-front-'));
    const run = async (user: Record<string, string>) => {
      const file = join(folder, 'kubeconfig');
      writeFileSync(file, kubeconfigFor(front, user));
      const child = spawn(kubectl, ['--kubeconfig', file, 'get', 'nodes', '-o', 'name'], {
        env: { PATH: process.env.PATH, HOME: folder },
      });
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      const [code] = await once(child, 'close');
      return { code, text };
    };
    const node = { code: 0, text: expect.stringContaining('node/') };
    expect(await run({ token: 'let-me-in' })).toMatchObject(node);
    expect(await run({ username: 'admin', password: 'a:b' })).toMatchObject(node);
    for (const wrong of [{ token: 'nonsense' }, { username: 'admin', password: 'x' }]) {
      const refused = await run(wrong);
      expect(refused.code).not.toBe(0);
      expect(refused.text).toMatch(/logged in|Unauthorized/i);
    }
    rmSync(folder, { recursive: true, force: true });
    await front.close();
  });
});
