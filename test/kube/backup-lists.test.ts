import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Kube } from '../../src/core/ports/kube.ts';
import { openKube } from '../../src/kube/index.ts';
import { make } from '../backup/busy.ts';
import { openTestArchive, type TestArchive } from '../backup/directory-archive.ts';
import { backupInput, drive, testVault } from '../backup/drive.ts';
import { callFor, faultOf } from '../engines/calls.ts';
import { type CountingProxy, type ProxiedRequest, startHttpProxy } from '../proxy.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { at } from './both.ts';
import { startSandboxCluster } from './sandbox-cluster.ts';

describe('lists of a backup', () => {
  let cluster: Awaited<ReturnType<typeof startSandboxCluster>>;
  let front: CountingProxy;
  let kubeconfig: string;
  let archive: TestArchive;
  let kube: Kube;
  let before: (request: ProxiedRequest) => Promise<'cut' | undefined> = async () => undefined;
  const seen: string[] = [];

  beforeAll(async () => {
    cluster = await startSandboxCluster(1);
    const { provider } = cluster;
    front = await startHttpProxy(`https://127.0.0.1:${provider.port}`, {
      targetCa: provider.ca,
      before: async (request) => {
        seen.push(request.path);
        return before(request);
      },
    });
    kubeconfig = cluster.kubeconfig
      .replace(/server: https:\/\/[^/]+/, `server: ${front.url}`)
      .replace(
        /certificate-authority-data: \S+/,
        `certificate-authority-data: ${Buffer.from(front.ca).toString('base64')}`,
      );
    archive = openTestArchive();
    kube = openKube({ log: keepingLog(), clock: realClock, archive, vault: testVault() });
    const call = async (method: string, path: string, asking: { body?: unknown } = {}) => ({
      ...(await cluster.api(method, path, asking.body)),
      ...{ text: '', warnings: [] },
    });
    await make(call, '/api/v1/namespaces', { metadata: { name: 'many' } });
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (let n = lane; n < 1_150; n += 8)
        await make(call, '/api/v1/namespaces/many/configmaps', {
          metadata: { name: `c-${String(n).padStart(5, '0')}` },
          data: { n: String(n) },
        });
    });
    await Promise.all(lanes);
  }, 120_000);
  afterAll(async () => {
    await kube?.close();
    archive?.remove();
    await front?.close();
    await cluster?.close();
  });

  const namesIn = (id: string): string[] =>
    [...archive.texts()]
      .filter(([key]) => key.startsWith(`default/c1/${id}/objects-`))
      .flatMap(([, text]) => text.trim().split('\n'))
      .map((line) => JSON.parse(line) as unknown)
      .filter((object) => at(object, 'kind') === 'ConfigMap')
      .map((object) => String(at(object, 'metadata.name')));

  test('pages of 500; a list that expires half-way begins anew, and nothing is in it twice', async () => {
    let compacted = 0;
    before = async ({ path }) => {
      if (!path.includes('/configmaps?') || !path.includes('continue=') || compacted >= 2) return undefined;
      compacted += 1;
      await cluster.api('POST', '/api/v1/namespaces/many/configmaps', { metadata: { name: `new-${compacted}` } });
      await cluster.provider.ask('POST', '/v1/admin/compact', { cluster: 'kube-test' });
      return undefined;
    };
    seen.length = 0;
    const made = await drive(kube, kubeconfig, 'backup.create', backupInput('lists'));
    expect(compacted).toBe(2);
    expect(made.last.state).toBe('done');
    const lists = seen.filter((path) => path.includes('/configmaps?'));
    expect(lists.every((path) => path.includes('limit=500'))).toBe(true);
    expect(lists.filter((path) => !path.includes('continue=')).length).toBe(3);
    const names = namesIn('lists');
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBe(1_152);
  }, 60_000);

  test('a cluster that vanishes in the middle is told as unreachable, and the backup goes on when it is back', async () => {
    let cut = 0;
    before = async ({ path }) => {
      if (!path.includes('/configmaps?') || cut >= 2) return undefined;
      cut += 1;
      return 'cut';
    };
    const made = await drive(kube, kubeconfig, 'backup.create', backupInput('gone'), { retry: () => undefined });
    expect(made.steps.some(({ note }) => /cannot be read; trying again/.test(note))).toBe(true);
    expect(namesIn('gone').length).toBe(1_152);
    before = async () => 'cut';
    const fault = await faultOf(
      kube.work(kubeconfig, { op: 'backup.create', input: backupInput('gone2'), progress: {} }, callFor()),
    );
    expect(fault).toMatchObject({ kind: 'unreachable', retryable: true });
    before = async () => undefined;
  }, 60_000);

  test('a kind that hangs is left out and named; the rest is kept', async () => {
    const held: (() => void)[] = [];
    before = ({ path }) =>
      path.includes('/configmaps?')
        ? new Promise((resolve) => held.push(() => resolve('cut')))
        : Promise.resolve(undefined);
    const step = (progress: Record<string, unknown>) =>
      kube.work(kubeconfig, { op: 'backup.create', input: backupInput('hung'), progress }, callFor(4_000));
    let progress: Record<string, unknown> = {};
    let done = false;
    for (let turn = 0; turn < 40 && !done; turn += 1) {
      const word = await step(progress);
      progress = word.progress;
      done = word.state === 'done';
    }
    for (const free of held) free();
    before = async () => undefined;
    expect(done).toBe(true);
    expect(at(progress, 'summary.partial')).toBe(true);
    expect(JSON.stringify(at(progress, 'summary.notes'))).toMatch(
      /Not in it: configmaps, because they cannot be read: .*did not answer in time/,
    );
  }, 60_000);
});
