/** A worker that is killed while it removes backups: whoever comes after it ends it right. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { backupPrefix, manifestKey } from '../../src/core/backup.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Backup, BackupPlan } from '../../src/core/records.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { openStore } from '../../src/store/store.ts';
import { realClock } from '../store/clocks.ts';
import { temporaryFolder } from '../store/parts.ts';

const org = 'default';
const program = fileURLToPath(new URL('./backup-retention-child.ts', import.meta.url));
const day = 86_400_000;
const names = ['chunk-0001', 'chunk-0002', 'chunk-0003'];

function open(dir: string) {
  const driver = openEmbeddedDriver({ dir: join(dir, 'store'), clock: realClock, log: silentLog });
  const store = openStore(driver, { prefix: '/test', log: silentLog });
  const archive = openArchive({ kind: 'dir', path: join(dir, 'archive') }, { log: silentLog, clock: realClock });
  return { store, archive };
}
const call = () => ({ signal: new AbortController().signal, deadline: Date.now() + 20_000 });

/** Four backups of which two go. */
async function fill(dir: string): Promise<void> {
  const { store, archive } = open(dir);
  const plan: BackupPlan = {
    ...{ v: 1, id: 'c1', org, clusterName: 'dev-1', owner: 'terminal:dev', by: 'terminal:dev', byName: 'Dev' },
    place: { chat: 'terminal', workspace: 'local', conversation: 'dev' },
    ...{ namespaces: [], secrets: false, snapshots: false, fails: 0, keeping: { keep: 2, manual: false } },
  };
  await store.commit([{ op: 'put', ref: { kind: 'backupplan', org, id: 'c1' }, record: plan }]);
  for (let index = 0; index < 4; index += 1) {
    const id = `b${index}`;
    const record: Backup = {
      ...{ v: 1, id, org, cluster: 'c1', clusterName: 'dev-1', owner: 'terminal:dev', state: 'kept', job: `job-${id}` },
      ...{ requestedBy: 'kqueen', requesterName: 'KQueen', createdAt: Date.now() - index * day, by: 'kqueen' },
      ...{ schedule: 'c1', secrets: false, snapshots: false, objects: 3, bytes: 30 },
    };
    await store.commit([{ op: 'put', ref: { kind: 'backup', org, id }, record }]);
    for (const name of names) await archive.put(`${backupPrefix(record)}${name}`, Buffer.from(id), call());
    await archive.put(manifestKey(record), Buffer.from('{}'), call());
  }
  await store.close();
}

function run(dir: string, side: string, nth: number) {
  return spawnSync(process.execPath, [program, dir, side, String(nth)], { encoding: 'utf8', timeout: 30_000 });
}

async function look(dir: string) {
  const { store, archive } = open(dir);
  const records = (await store.page('backup', org, { limit: 100 })).items.map(({ record }) => record);
  const keys = (await archive.list('', call())).map(({ key }) => key);
  const audit = (await store.page('audit', org, { limit: 100 })).items.map(({ record }) => record);
  await store.close();
  return { records, keys, audit };
}

it.each([
  ['before', 1],
  ['after', 1],
  ['after', 2],
  ['before', 4],
  ['after', 4],
  ['after', 6],
  ['before', 8],
  ['after', 8],
] as const)('ends right after kill -9 %s the %ith deletion', { timeout: 60_000 }, async (side, nth) => {
  const dir = temporaryFolder();
  await fill(dir);
  const killed = run(dir, side, nth);
  expect(killed.signal, killed.stderr).toBe('SIGKILL');
  const middle = await look(dir);
  // Whatever is half gone is marked, and nothing that still has a manifest has lost a chunk.
  for (const { id, state } of middle.records) {
    const own = middle.keys.filter((key) => key.startsWith(`default/c1/${id}/`));
    if (state === 'kept') expect(own.length).toBe(4);
    if (own.length > 0 && own.length < 4) {
      expect(state).toBe('deleting');
      expect(own).not.toContain(`default/c1/${id}/manifest.json`);
    }
  }
  const second = run(dir, 'before', 0);
  expect(second.status, second.stderr).toBe(0);
  const end = await look(dir);
  expect(end.records.map(({ id, state }) => [id, state])).toEqual([
    ['b0', 'kept'],
    ['b1', 'kept'],
  ]);
  expect(end.keys).toEqual(
    ['b0', 'b1'].flatMap((id) => [...names, 'manifest.json'].map((name) => `default/c1/${id}/${name}`)),
  );
  // Each was said to go once, and to be gone once.
  for (const action of ['backup.expire', 'backup.delete'])
    expect(end.audit.filter((each) => each.action === action).length).toBe(2);
});
