import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../src/core/ports/engine.ts';
import { openKubeBackend } from '../counterparts/kube.ts';
import { eventually, needServer } from '../servers.ts';
import { callFor } from './calls.ts';
import { openGkeHarness } from './gke-harness.ts';

describe('a GKE cluster with a real Kubernetes API', () => {
  it('lets kubectl in by the kubeconfig of the engine, for as long as its token is good', async (ctx) => {
    const kubectl = needServer(ctx, 'kubectl');
    const folder = mkdtempSync(join(tmpdir(), 'kqueen-test-gke-'));
    const kube = await openKubeBackend();
    const harness = await openGkeHarness({ createMs: 200, kube });
    const client = await harness.engine.connect(harness.params);
    const target: Target = { org: 'default', cluster: 'c1', externalName: 'kq-real-1', spec: harness.spec };
    // The front before the API lives in this process, which therefore must not stand still meanwhile.
    const nodes = () =>
      new Promise<{ count: number; error: string }>((resolve) => {
        const asked = ['--kubeconfig', join(folder, 'config'), 'get', 'nodes', '-o', 'name'];
        execFile(kubectl, asked, { timeout: 20_000 }, (_failure, out, error) => {
          resolve({ count: out.trim().split('\n').filter(Boolean).length, error });
        });
      });
    try {
      await client.create(target, harness.spec, callFor());
      await eventually('it runs', async () => (await client.observe(target, callFor())).state === 'running', {
        timeoutMs: 60_000,
        everyMs: 100,
      });
      writeFileSync(join(folder, 'config'), await client.kubeconfig(target, callFor()), { mode: 0o600 });
      expect(readFileSync(join(folder, 'config'), 'utf8')).toContain('https://127.0.0.1:');
      expect(await nodes()).toEqual({ count: 2, error: '' });
      await client.update(target, { nodes: 3 }, callFor());
      await eventually(
        'it has three nodes',
        async () => (await client.observe(target, callFor())).state === 'running',
        { timeoutMs: 60_000, everyMs: 100 },
      );
      expect((await nodes()).count).toBe(3);
      harness.google.signIn.revoke();
      expect((await nodes()).error).toMatch(/logged in|Unauthorized/i);
    } finally {
      await client.close();
      await harness.close();
      await kube.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 120_000);
});
