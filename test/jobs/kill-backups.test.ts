/** kill -9 in the middle of a backup and of a restore: each goes on from its last step and ends right. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backupInput, drive, restoreInput } from '../backup/drive.ts';
import { callFor } from '../engines/calls.ts';
import { eventually, lacksServer } from '../servers.ts';
import { must } from './matrix-scenarios.ts';
import { openWorkMatrix, type WorkGround, type WorkKill, type WorkMatrix, type WorkScenario } from './work-matrix.ts';

/** Enough for several parts of a backup, and for several steps. */
const large = 20;
const backupOf = (name: string) => ({ org: 'default', cluster: name, id: 'k1' });

async function fill({ api }: WorkGround): Promise<void> {
  await api('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
  for (let at = 0; at < large; at += 1) {
    const body = { metadata: { name: `large-${at}` }, data: { text: randomBytes(150_000).toString('hex') } };
    must((await api('POST', '/api/v1/namespaces/shop/configmaps', body)).status === 201, 'no ConfigMap');
  }
  for (let at = 0; at < 60; at += 1)
    await api('POST', '/api/v1/namespaces/shop/secrets', {
      metadata: { name: `s-${at}` },
      stringData: { a: `v${at}` },
    });
}

async function same({ kube, kubeconfig, name }: WorkGround): Promise<void> {
  const seen = await kube.look(kubeconfig, 'backup.diff', { ...backupOf(name), name: 'it' }, callFor(20_000));
  must(/Nothing differs: \d+ objects are the same/.test(seen.text), JSON.stringify(seen.parts).slice(0, 600));
}

describe.skipIf(lacksServer('etcd', 'redis-server'))('resume: backups survive kill -9', () => {
  let matrix: WorkMatrix;
  const archive = mkdtempSync(join(tmpdir(), 'kqueen-kill-backups-'));
  beforeAll(async () => {
    matrix = await openWorkMatrix({ archive });
  }, 60_000);
  afterAll(async () => {
    await matrix.close();
    rmSync(archive, { recursive: true, force: true });
  });

  const works: Record<string, WorkScenario> = {
    'backup.create': {
      async prepare(on) {
        await fill(on);
        return { input: backupInput('k1', { backup: backupOf(on.name), secrets: true }) };
      },
      async verify(on) {
        await same(on);
        const { text } = await on.kube.lookKept('backup.show', backupOf(on.name), callFor());
        must(/All \d+ parts are there and as they were written/.test(text), text);
        const parts = Number(/All (\d+) parts/.exec(text)?.[1]);
        must(parts >= 2, `${parts} parts`);
        // Interrupted steps have left nothing behind.
        const files = readdirSync(join(archive, 'default', on.name, 'k1'));
        must(files.length === parts + 2, files.join());
      },
    },
    'backup.restore': {
      async prepare(on) {
        await fill(on);
        const backup = backupOf(on.name);
        await drive(on.kube, on.kubeconfig, 'backup.create', backupInput('k1', { backup, secrets: true }));
        await on.api('DELETE', '/api/v1/namespaces/shop');
        const path = '/api/v1/namespaces/shop';
        await eventually('the namespace is gone', async () => (await on.api('GET', path)).status === 404);
        return { input: restoreInput('k1', { backup, same: true }) };
      },
      async verify(on, job) {
        await same(on);
        must(job.note.includes(`: ${1 + large + 60} made, `), job.note);
      },
    },
  };

  it.concurrent.for(Object.entries(works))('%s', { timeout: 240_000 }, async ([op, scenario]) => {
    const unharmed = await matrix.run(op, scenario);
    expect(unharmed.killed).toBe(false);
    const { changes, store } = unharmed.requests;
    const commits = store.flatMap((request, index) => (request.endsWith('/Txn') ? [index + 1] : []));
    const nth = (share: number) => commits[Math.floor(commits.length * share)] ?? 1;
    // A step's work is done before its save is asked for, and asked for again after it.
    const kills: WorkKill[] = [
      { at: 'store', side: 'before', n: nth(0.4) },
      { at: 'store', side: 'before', n: nth(0.7) },
      { at: 'store', side: 'after', n: nth(0.5) },
      ...(changes.length > 0
        ? ([
            { at: 'outside', side: 'before', n: Math.ceil(changes.length / 2) },
            { at: 'outside', side: 'after', n: Math.ceil(changes.length / 3) },
          ] as const)
        : []),
    ];
    const runs = await Promise.all(kills.map((kill) => matrix.run(op, scenario, kill)));
    const killed = runs.filter((run) => run.killed);
    console.info(
      `${op}: ${commits.length} saves and ${changes.length} changes unharmed; ${killed.length} of ${runs.length} killed, at ${killed.map(({ request }) => request).join(', ')}`,
    );
    expect(killed.length).toBeGreaterThanOrEqual(kills.length - 1);
  });
});
