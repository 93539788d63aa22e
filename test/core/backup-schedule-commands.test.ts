import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Backup, BackupPlan, Cluster } from '../../src/core/records.ts';
import { createBackupSweep } from '../../src/jobs/backup-sweep.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { eventually } from '../servers.ts';
import { handClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, nextId, openStage, org, people, type Stage, words } from './stage.ts';

let stage: Stage;
const now = Date.parse('2026-05-04T10:00:00Z');
const day = 86_400_000;
let clock: ReturnType<typeof handClock>;

function cluster(id: string, change: Partial<Cluster> = {}): Cluster {
  return sampleCluster(id, {
    name: id,
    owner: people.dev.id,
    ownerName: 'Dev',
    purpose: 'test',
    kubeconfig: true,
    ...change,
  });
}

beforeEach(async () => {
  clock = handClock(now);
  stage = await openStage({ clock });
  await stage.put(...clusterChanges(cluster('dev-1')), ...clusterChanges(cluster('prod-1', { purpose: 'production' })));
});
afterEach(() => stage.close());

async function plan(id = 'dev-1'): Promise<BackupPlan | undefined> {
  return (await stage.opened.store.get({ kind: 'backupplan', org, id }))?.record;
}

/** Waits until memory has what was written last. */
const settled = async () => {
  const seen = await plan();
  await eventually(
    'memory is in step',
    () => JSON.stringify(stage.opened.cache.get({ kind: 'backupplan', org, id: 'dev-1' })) === JSON.stringify(seen),
  );
};

async function putBackup(id: string, age: number, change: Partial<Backup> = {}, scheduled = true): Promise<void> {
  const record: Backup = {
    ...{ v: 1, id, org, cluster: 'dev-1', clusterName: 'dev-1', owner: people.dev.id, state: 'kept', job: `job-${id}` },
    ...{ requestedBy: 'kqueen', requesterName: 'KQueen', createdAt: now - age, by: 'kqueen' },
    ...(scheduled ? { schedule: 'dev-1' } : {}),
    ...{ secrets: false, snapshots: false, objects: 3, bytes: 30 },
    ...change,
  };
  await stage.put({ op: 'put', ref: { kind: 'backup', org, id }, record });
}

describe('backup schedule', () => {
  test('sets one in the zone of the person, says it back, shows it, and ends it', async () => {
    const set = await stage.say('dev', 'backup schedule dev-1 daily at 02:30 keep=7 namespaces=shop,cart', {
      person: { id: people.dev.id, name: 'Dev', external: null, zone: 'Europe/Berlin' },
    });
    expect(set.card?.text).toBe(
      'dev-1 is backed up every day at 02:30 (Europe/Berlin): its namespaces cart, shop, without Secrets; the first time in 14 h 30 min. Of what is made, the newest 7 stay. That is your time zone; add zone=… for another.',
    );
    expect(await plan()).toMatchObject({
      ...{ by: people.dev.id, byName: 'Dev', owner: people.dev.id, namespaces: ['cart', 'shop'], secrets: false },
      schedule: { minute: 150, zone: 'Europe/Berlin', dueAt: Date.parse('2026-05-05T00:30:00Z') },
      keeping: { keep: 7, manual: false },
      place: { conversation: 'C1' },
    });
    await settled();
    const shown = await stage.say('mel', 'backup schedules');
    expect(words(shown)).toContain('every day at 02:30 (Europe/Berlin)');
    expect(words(shown)).toContain('1 cluster has no schedule: prod-1.');
    const own = await stage.say('dev', 'backup schedule dev-1');
    expect(own.card?.text).toBe('dev-1 is backed up every day at 02:30 (Europe/Berlin).');
    const off = await stage.press('dev', own, 'End the schedule');
    expect(off.card?.text).toContain('Its retention goes on: the newest 7 stay.');
    expect((await plan())?.schedule).toBeUndefined();
    await stage.say('dev', 'backup retain dev-1 off');
    expect(await plan()).toBeUndefined();
    expect((await stage.audit()).map(({ action }) => action).filter((action) => action.startsWith('backup'))).toEqual([
      'backup.schedule',
      'backup.schedule',
      'backup.retain',
    ]);
  });

  test('takes weeks and hours, and refuses what it cannot read at its place', async () => {
    await stage.say('dev', 'backup schedule dev-1 weekly on fri at 23:15 zone=America/New_York maxage=90d');
    expect(await plan()).toMatchObject({
      schedule: { weekday: 5, minute: 1_395, zone: 'America/New_York' },
      keeping: { maxAgeMs: 90 * day },
    });
    await stage.say('dev', 'backup schedule dev-1 6h at 01:00 secrets=yes');
    const six = await plan();
    expect(six).toMatchObject({
      schedule: { hours: 6, minute: 60, zone: 'UTC' },
      secrets: true,
      keeping: { maxAgeMs: 90 * day },
    });
    expect(six?.schedule?.weekday).toBeUndefined();
    const wrong: [string, RegExp][] = [
      ['backup schedule dev-1 5h', /5h is not how often/],
      ['backup schedule dev-1 monthly', /not how often/],
      ['backup schedule dev-1 daily at 25:00', /no time of the day/],
      ['backup schedule dev-1 daily zone=Mars/Base', /no time zone/],
      ['backup schedule dev-1 weekly on someday', /no day of the week/],
      ['backup schedule dev-1 daily keep=0', /keep|Keep/],
      ['backup schedule dev-1 daily maxage=forever', /no age/],
      ['backup schedule dev-1 daily namespaces=Not_One', /namespaces/i],
      ['backup schedule nowhere daily', /no cluster named nowhere/],
    ];
    for (const [line, why] of wrong) expect(words(await stage.say('dev', line)), line).toMatch(why);
    expect(await plan()).toEqual(six);
  });

  test('is the owner’s or an admin’s to set, and on a production cluster an admin’s alone', async () => {
    expect((await stage.say('mel', 'backup schedule dev-1 daily')).card?.title).toBe('Not allowed');
    const refused = await stage.say('dev', 'backup schedule prod-1 daily');
    expect(words(refused)).toContain('production cluster, so an admin sets its schedule');
    expect(await plan('prod-1')).toBeUndefined();
    await stage.say('anna', 'backup schedule prod-1 daily');
    expect(await plan('prod-1')).toMatchObject({ byName: 'Anna', owner: people.dev.id });
    // Its owner may see it, and end it.
    expect(words(await stage.say('dev', 'backup schedule prod-1'))).toContain('every day at 02:30');
    await stage.say('dev', 'backup schedule prod-1 off');
    expect(await plan('prod-1')).toBeUndefined();
  });

  test('is refused for a cluster that KQueen only looks at', async () => {
    await stage.put(...clusterChanges(cluster('seen-1', { readOnly: true })));
    expect(words(await stage.say('dev', 'backup schedule seen-1 daily'))).toContain('only looks at cluster seen-1');
    expect(await plan('seen-1')).toBeUndefined();
  });

  test('shows what its keep= would delete at once, before anything is set', async () => {
    for (let index = 0; index < 4; index += 1) await putBackup(`b${index}`, index * day);
    const asked = await stage.say('dev', 'backup schedule dev-1 daily keep=2');
    expect(asked.card?.title).toBe('Delete 2 backups of dev-1?');
    expect(words(asked)).toContain('b3');
    expect(await plan()).toBeUndefined();
    await stage.press('dev', asked, 'Set it and delete them');
    expect(await plan()).toMatchObject({ keeping: { keep: 2 }, schedule: { minute: 150 } });
  });
});

describe('backup retain', () => {
  test('seeds 46: lists what goes before it goes; a plan that has moved is shown anew', async () => {
    for (let index = 0; index < 5; index += 1) await putBackup(`b${index}`, (index + 1) * day);
    const asked = await stage.say('dev', 'backup retain dev-1 3');
    expect(asked.card?.title).toBe('Delete 2 backups of dev-1?');
    const code = asked.card?.parts.find(({ part }) => part === 'code');
    expect(code).toMatchObject({
      text: 'b4  5 d ago: 4 newer ones are there, and 3 stay\nb3  4 d ago: 3 newer ones are there, and 3 stay',
    });
    expect(await plan()).toBeUndefined();
    await putBackup('b9', 0);
    const moved = await stage.press('dev', asked, 'Delete them');
    expect(moved.card?.title).toBe('Delete 3 backups of dev-1: the plan has changed');
    expect(await plan()).toBeUndefined();
    const done = await stage.press('dev', moved, 'Delete them');
    expect(done.card?.text).toBe(
      'Of the backups of dev-1, the newest 3 stay; the newest good one always stays. 3 backups go in a moment.',
    );
    const archive = openArchive({ kind: 'dir', path: `${stage.dir}/backups` }, { log: stage.log, clock });
    const { store } = stage.opened;
    const { engines, queue } = stage.parts;
    await createBackupSweep({ store, engines, queue, archive, clock, newId: nextId, log: stage.log }).retain(
      new AbortController().signal,
    );
    const left = (await store.page('backup', org, { limit: 100 })).items.map(({ record }) => record.id);
    expect(left.sort()).toEqual(['b0', 'b1', 'b9']);
    await archive.close();
  });

  test('leaves what people asked for, and says so', async () => {
    await putBackup('hand', 50 * day, { requestedBy: people.dev.id }, false);
    const set = await stage.say('dev', 'backup retain dev-1 maxage=30d');
    expect(set.card?.text).toContain('1 backup that people asked for stays; add manual=yes');
    expect(await plan()).toMatchObject({ keeping: { maxAgeMs: 30 * day, manual: false } });
    expect(words(await stage.say('dev', 'backup retain dev-1'))).toContain('what is older than 30 d goes');
  });

  test('is for a cluster that is gone as well, by its last owner', async () => {
    await putBackup('b0', day, { cluster: 'old', clusterName: 'gone-1', schedule: 'old' });
    await putBackup('b1', 2 * day, { cluster: 'old', clusterName: 'gone-1', schedule: 'old' });
    expect((await stage.say('mel', 'backup retain gone-1 1')).card?.title).toBe('Not allowed');
    const asked = await stage.say('dev', 'backup retain gone-1 1');
    await stage.press('dev', asked, 'Delete them');
    expect(await plan('old')).toMatchObject({ clusterName: 'gone-1', keeping: { keep: 1 } });
    expect(words(await stage.say('dev', 'backup schedule gone-1 daily'))).toContain(
      'is gone, so there is nothing to back up',
    );
  });
});
