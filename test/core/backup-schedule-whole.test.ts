/** A scheduled backup from chat to the archive, on a cluster of the sandbox with its own API. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { manifestKey } from '../../src/core/backup.ts';
import type { Backup, Job } from '../../src/core/records.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { openStage, org, words } from './stage.ts';

test('is made when it is due, is whole, and can be shown like one that a person asked for', {
  timeout: 90_000,
}, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'kqueen-backups-'));
  const archive = openArchive({ kind: 'dir', path: dir }, { log: keepingLog(), clock: realClock });
  const provider = await startSandboxProvider(200);
  const stage = await openStage({ provider, worker: true, archive });
  const { store } = stage.opened;
  const backups = async () => (await store.page('backup', org, { limit: 10 })).items.map(({ record }) => record);
  const jobOf = async ({ job }: Backup): Promise<Job | undefined> =>
    (await store.get({ kind: 'job', org, id: job }))?.record;
  try {
    const wish = 'cluster create web-1 on sandbox region=sandbox-north version=1.34.2 size=small nodes=1';
    await stage.press('grace', await stage.say('grace', wish), 'Create it');
    const cluster = await eventually(
      'web-1 is ready',
      async () => {
        const found = await stage.cluster('web-1');
        return found?.phase === 'Ready' && found.openJob === undefined ? found : null;
      },
      { timeoutMs: 30_000 },
    );

    await stage.say('grace', 'backup schedule web-1 daily at 02:30 keep=2');
    const ref = { kind: 'backupplan', org, id: cluster.id } as const;
    await eventually('it is due', async () => {
      const found = await store.get(ref);
      if (!found?.record.schedule) return false;
      const schedule = { ...found.record.schedule, dueAt: Date.now() - 1_000 };
      return (await store.commit([{ op: 'put', ref, record: { ...found.record, schedule }, if: found.revision }])).ok;
    });
    const made = await eventually(
      'it is kept',
      async () => (await backups()).find(({ state }) => state === 'kept' || state === 'partial'),
      { timeoutMs: 40_000 },
    );
    expect(made).toMatchObject({ state: 'kept', schedule: cluster.id, requesterName: 'KQueen', cluster: cluster.id });
    expect(made.objects).toBeGreaterThan(0);
    const call = { signal: new AbortController().signal, deadline: Date.now() + 10_000 };
    expect(await archive.get(manifestKey(made), call)).toBeDefined();
    await eventually('the plan knows', async () => (await store.get(ref))?.record.last?.result === 'kept');
    expect(words(await stage.say('grace', `backup show ${made.id}`))).toContain(made.id);

    // One that a person asks for takes the same steps.
    const asked = await stage.say('grace', 'backup create web-1');
    await stage.press('grace', asked, 'Back it up');
    const own = await eventually(
      'the other is kept',
      async () => (await backups()).find(({ id, state }) => id !== made.id && state === 'kept'),
      { timeoutMs: 40_000 },
    );
    const [byRule, byHand] = [await jobOf(made), await jobOf(own)];
    expect(byRule?.work?.steps).toEqual(byHand?.work?.steps);
    expect(byRule).toMatchObject({ quiet: true, requestedBy: 'kqueen' });
    expect(byHand?.quiet).toBeUndefined();
  } finally {
    await stage.close();
    await provider.stop();
    await archive.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
