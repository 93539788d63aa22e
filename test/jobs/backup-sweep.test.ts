/** Scheduled backups and their retention, on a real store, a real directory and the real runner; the cluster's own API is on paper. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type BackupSummary, backupPrefix, manifestKey } from '../../src/core/backup.ts';
import { nextRun } from '../../src/core/backup-schedule.ts';
import { Fault } from '../../src/core/errors.ts';
import type { Archive } from '../../src/core/ports/archive.ts';
import type { WorkStep } from '../../src/core/ports/work.ts';
import type { Backup, BackupPlan, Cluster, Job } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createBackupSweep } from '../../src/jobs/backup-sweep.ts';
import { createInProcessQueue, startWorker } from '../../src/jobs/index.ts';
import { createRunner } from '../../src/jobs/run-job.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { eventually } from '../servers.ts';
import { handClock, realClock } from '../store/clocks.ts';
import { sampleCluster, temporaryFolder } from '../store/parts.ts';
import { countingIds, mustCommit, openTestStore, putProvisioner } from './bench.ts';
import { paperKube, paperProvider } from './paper.ts';
import { sampleJob } from './samples.ts';

const org = 'default';
const on = new AbortController().signal;
const day = 86_400_000;
const begun = Date.parse('2026-05-04T10:00:00Z');
const schedule = { minute: 150, zone: 'Europe/Berlin' };

function planFor(cluster: string, change: Partial<BackupPlan> = {}): BackupPlan {
  return {
    ...{
      v: 1,
      id: cluster,
      org,
      clusterName: `name-${cluster}`,
      owner: 'terminal:dev',
      by: 'terminal:dev',
      byName: 'Dev',
    },
    place: { chat: 'terminal', workspace: 'local', conversation: 'dev' },
    schedule: { ...schedule, dueAt: nextRun(schedule, begun) },
    ...{ namespaces: [], secrets: false, snapshots: false, fails: 0 },
    ...change,
  };
}

/** A store with one Ready cluster that has a schedule, and everything a worker has. */
async function setUp(change: { plan?: Partial<BackupPlan>; cluster?: Partial<Cluster> } = {}) {
  const { store, sealer, log } = openTestStore();
  const clock = handClock(begun);
  const paper = paperProvider();
  const engines = openEngines({ engines: [paper.engine], log, clock });
  const newId = countingIds();
  const dir = temporaryFolder();
  const archive = openArchive({ kind: 'dir', path: join(dir, 'b') }, { log, clock });
  const queue = createInProcessQueue({ clock, log });
  onTestFinished(() => queue.close(100));
  let outcome: 'kept' | 'failed' = 'kept';
  const kube = paperKube(undefined, (work): WorkStep => {
    if (outcome === 'failed')
      throw new Fault('not-allowed', 'The cluster lets KQueen read nothing.', { next: 'Give it its rights back.' });
    return { state: 'done', progress: { summary: summary() }, at: 4, note: `Kept by ${work.op}.` };
  });
  await putProvisioner(store, sealer);
  const secret = { kind: 'secret', org, id: 'kubeconfig.c1' } as const;
  await mustCommit(store, [
    {
      op: 'put',
      ref: { kind: 'cluster', org, id: 'c1' },
      record: sampleCluster('c1', { engine: 'paper', kubeconfig: true, ...change.cluster }),
    },
    { op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed: sealer.seal(secret, 'c1') } },
    { op: 'put', ref: { kind: 'backupplan', org, id: 'c1' }, record: planFor('c1', change.plan) },
  ]);
  const parts = { store, engines, queue, archive, clock, newId, log };
  const runner = createRunner({ ...parts, sealer, kube });

  const api = {
    ...parts,
    sealer,
    kube,
    paper,
    dir: join(dir, 'b'),
    sweeps: createBackupSweep(parts),
    another: () => createBackupSweep(parts),
    setOutcome(next: 'kept' | 'failed') {
      outcome = next;
    },
    plan: async () => (await store.get({ kind: 'backupplan', org, id: 'c1' }))?.record as BackupPlan,
    cluster: async () => (await store.get({ kind: 'cluster', org, id: 'c1' }))?.record as Cluster,
    async editCluster(edit: (before: Cluster) => Cluster) {
      const found = await store.get({ kind: 'cluster', org, id: 'c1' });
      if (!found) throw new Error('no cluster');
      await mustCommit(store, [{ op: 'put', ref: found.ref, record: edit(found.record) }]);
    },
    jobs: async () => (await store.page('job', org, { limit: 100 })).items.map(({ record }) => record),
    backups: async () => (await store.page('backup', org, { limit: 100 })).items.map(({ record }) => record),
    audit: async (action: string) =>
      (await store.page('audit', org, { limit: 500 })).items
        .map(({ record }) => record)
        .filter((each) => each.action === action),
    notices: async () => (await store.page('notice', org, { limit: 100 })).items.map(({ record }) => record),
    /** Runs every open job of the store to its end. */
    async work(): Promise<Job | undefined> {
      let last: Job | undefined;
      for (let turn = 0; turn < 50; turn += 1) {
        const open = (await api.jobs()).find((job) => job.dueAt !== undefined && job.kind === 'cluster.work');
        if (!open) return last;
        await clock.advance(Math.max(0, (open.dueAt ?? 0) - clock.now()));
        await runner.runTick({ org, job: open.id, tick: open.tick });
        last = (await store.get({ kind: 'job', org, id: open.id }))?.record;
      }
      throw new Error('the job does not end');
    },
    /** The next scheduled run, to its end. */
    async run(result: 'kept' | 'failed') {
      outcome = result;
      const { schedule: next } = await api.plan();
      await clock.advance((next?.dueAt ?? 0) - clock.now() + 1_000);
      await api.sweeps.sweep(on);
      const job = await api.work();
      await api.sweeps.sweep(on);
      return job;
    },
  };
  return api;
}

function summary(): BackupSummary {
  return { objects: 12, bytes: 34, partial: false, notes: [] };
}

/** A backup with its objects in the archive. */
async function putBackup(
  { store, archive, clock }: Pick<Awaited<ReturnType<typeof setUp>>, 'store' | 'archive' | 'clock'>,
  id: string,
  age: number,
  change: Partial<Backup> = {},
): Promise<Backup> {
  const at = clock.now() - age;
  const record: Backup = {
    ...{ v: 1, id, org, cluster: 'c1', clusterName: 'name-c1', owner: 'terminal:dev', state: 'kept', job: `job-${id}` },
    ...{
      requestedBy: 'kqueen',
      requesterName: 'KQueen',
      createdAt: at,
      endedAt: at + 1_000,
      by: 'kqueen',
      schedule: 'c1',
    },
    ...{ secrets: false, snapshots: false, objects: 3, bytes: 30 },
    ...change,
  };
  await mustCommit(store, [{ op: 'put', ref: { kind: 'backup', org, id }, record }]);
  const call = { signal: on, deadline: clock.now() + 60_000 };
  for (const name of ['chunk-0001', 'chunk-0002'])
    await archive.put(`${backupPrefix(record)}${name}`, Buffer.from(id), call);
  if (record.state === 'kept') await archive.put(manifestKey(record), Buffer.from('{}'), call);
  return record;
}

async function keysOf({ archive, clock }: { archive: Archive; clock: { now(): number } }): Promise<string[]> {
  const call = { signal: on, deadline: clock.now() + 60_000 };
  return (await archive.list('', call)).map(({ key }) => key);
}

describe('a scheduled backup', () => {
  it('is begun when it is due, as a job like any other, and not before', async () => {
    const stage = await setUp({ plan: { namespaces: ['shop'], secrets: true } });
    await stage.sweeps.sweep(on);
    expect(await stage.jobs()).toEqual([]);
    const job = await stage.run('kept');
    expect(job).toMatchObject({
      ...{ kind: 'cluster.work', state: 'Succeeded', requestedBy: 'kqueen', requesterName: 'KQueen', quiet: true },
      command: 'backup create name-c1 namespaces=shop secrets=yes',
      place: planFor('c1').place,
    });
    const [backup] = await stage.backups();
    expect(backup).toMatchObject({
      state: 'kept',
      job: job?.id,
      schedule: 'c1',
      secrets: true,
      namespaces: ['shop'],
      objects: 12,
    });
    expect(job?.work?.input).toMatchObject({ backup: { org, cluster: 'c1', id: backup?.id } });
    const plan = await stage.plan();
    expect(plan).toMatchObject({ fails: 0, last: { result: 'kept' } });
    expect(plan.running).toBeUndefined();
    expect(new Date(plan.schedule?.dueAt ?? 0).toISOString()).toBe('2026-05-06T00:30:00.000Z');
    expect((await stage.cluster()).openJob).toBeUndefined();
    expect(await stage.notices()).toEqual([]);
    expect((await stage.audit('backup.create')).map(({ outcome, who }) => [outcome, who])).toEqual([
      ['requested', 'kqueen'],
      ['done', 'kqueen'],
    ]);
  });

  it('is one, however many workers sweep at the same moment', async () => {
    const stage = await setUp();
    await stage.clock.advance(day);
    const sweeps = Array.from({ length: 5 }, () => stage.another());
    for (let round = 0; round < 4; round += 1) await Promise.all(sweeps.map((each) => each.sweep(on)));
    expect((await stage.jobs()).length).toBe(1);
    expect((await stage.backups()).length).toBe(1);
    await stage.work();
    for (let round = 0; round < 2; round += 1) await Promise.all(sweeps.map((each) => each.sweep(on)));
    expect((await stage.jobs()).length).toBe(1);
    expect((await stage.audit('backup.create')).filter(({ outcome }) => outcome === 'requested').length).toBe(1);
  });

  it('is made up for once when several were missed, and says so', async () => {
    const stage = await setUp();
    await stage.clock.advance(5 * day);
    await stage.sweeps.sweep(on);
    const [job] = await stage.jobs();
    expect(job?.log[0]?.text).toContain('It makes up for 5 runs that came while KQueen could not begin.');
    await stage.work();
    await stage.sweeps.sweep(on);
    expect((await stage.jobs()).length).toBe(1);
    expect((await stage.plan()).schedule?.dueAt).toBeGreaterThan(stage.clock.now());
  });

  it('waits while the cluster has an open job, and is left out with a note when that lasts', async () => {
    const stage = await setUp();
    await stage.editCluster((cluster) => ({ ...cluster, openJob: 'other' }));
    await stage.clock.advance(nextRun(schedule, begun) - begun + 1);
    await stage.sweeps.sweep(on);
    expect((await stage.plan()).waiting?.why).toBe('Cluster name-c1 is busy with job other.');
    await stage.clock.advance(3 * 3_600_000);
    await stage.sweeps.sweep(on);
    await stage.editCluster(({ openJob: _job, ...cluster }) => cluster);
    await stage.sweeps.sweep(on);
    expect((await stage.work())?.state).toBe('Succeeded');
    await stage.sweeps.sweep(on);
    expect(await stage.plan()).toMatchObject({ last: { result: 'kept' } });

    await stage.editCluster((cluster) => ({ ...cluster, openJob: 'other' }));
    await stage.clock.advance(day);
    await stage.sweeps.sweep(on);
    await stage.clock.advance(7 * 3_600_000);
    await stage.sweeps.sweep(on);
    const plan = await stage.plan();
    expect(plan).toMatchObject({
      fails: 0,
      last: { result: 'skipped', note: 'Cluster name-c1 is busy with job other.' },
    });
    expect(plan.waiting).toBeUndefined();
    expect((await stage.audit('backup.skip')).length).toBe(1);
    expect((await stage.jobs()).length).toBe(1);
  });

  it('is left out while the cluster is stopped, and ends with the cluster; what is kept stays', async () => {
    const stage = await setUp({ cluster: { stopped: true }, plan: { keeping: { keep: 2, manual: false } } });
    await putBackup(stage, 'b0', 10 * day);
    await stage.clock.advance(day);
    await stage.sweeps.sweep(on);
    expect((await stage.plan()).last).toMatchObject({ result: 'skipped', note: expect.stringContaining('is stopped') });
    const found = await stage.store.get({ kind: 'cluster', org, id: 'c1' });
    if (found) await mustCommit(stage.store, [{ op: 'delete', ref: found.ref }]);
    await stage.clock.advance(day);
    await stage.sweeps.sweep(on);
    const plan = await stage.plan();
    expect(plan.schedule).toBeUndefined();
    expect(plan.last?.note).toBe('The cluster is gone, so its schedule has ended; its backups stay.');
    await stage.sweeps.retain(on);
    expect((await stage.backups()).map(({ id }) => id)).toEqual(['b0']);
    expect(await stage.jobs()).toEqual([]);
  });

  it('tells a failure each time up to the third, an alert once, and that it works again', async () => {
    const stage = await setUp();
    for (let round = 1; round <= 5; round += 1) {
      expect((await stage.run('failed'))?.state).toBe('Failed');
      expect((await stage.plan()).fails).toBe(round);
    }
    const told = (await stage.notices()).sort((a, b) => a.at - b.at);
    expect(told.map(({ tone, title }) => [tone, title])).toEqual([
      ['warn', 'The scheduled backup of name-c1 failed'],
      ['warn', 'The scheduled backup of name-c1 failed'],
      ['bad', 'Scheduled backups of name-c1 fail: 3 in a row'],
    ]);
    expect(told[2]?.text).toContain('The cluster lets KQueen read nothing. Give it its rights back.');
    expect(told[2]?.text).toContain('Nothing more is said of it until it works again.');
    expect((await stage.audit('backup.alert')).length).toBe(1);
    await stage.run('kept');
    expect((await stage.plan()).fails).toBe(0);
    const last = (await stage.notices()).sort((a, b) => a.at - b.at);
    expect(last.length).toBe(4);
    expect(last[3]).toMatchObject({ tone: 'good', title: 'Scheduled backups of name-c1 work again' });
    await stage.run('kept');
    expect((await stage.notices()).length).toBe(4);
  });

  it('is neither a failure nor a success when a person cancels it', async () => {
    const stage = await setUp();
    await stage.clock.advance(day);
    await stage.sweeps.sweep(on);
    const [job] = await stage.jobs();
    if (!job) throw new Error('no job');
    const cancel = { by: 'terminal:dev', byName: 'Dev', at: stage.clock.now() };
    await mustCommit(stage.store, [{ op: 'put', ref: { kind: 'job', org, id: job.id }, record: { ...job, cancel } }]);
    await stage.work();
    await stage.sweeps.sweep(on);
    expect(await stage.plan()).toMatchObject({ fails: 0, last: { result: 'skipped' } });
    expect(await stage.notices()).toEqual([]);
  });

  it('is begun once by two whole workers over one store', { timeout: 60_000 }, async () => {
    const stage = await setUp();
    // Due now, on the clock of the machine.
    const found = await stage.store.get({ kind: 'backupplan', org, id: 'c1' });
    if (!found) throw new Error('no plan');
    const due = { ...schedule, dueAt: Date.now() - 1_000 };
    await mustCommit(stage.store, [{ op: 'put', ref: found.ref, record: { ...found.record, schedule: due } }]);
    const { store, sealer, engines, kube, log, archive } = stage;
    const parts = { store, sealer, kube, log, archive, clock: realClock };
    const every = { backups: 100, claim: 300, recovery: 500 };
    const queues = ['a', 'b'].map((prefix) => ({ prefix, queue: createInProcessQueue({ clock: realClock, log }) }));
    const workers = await Promise.all(
      queues.map(({ prefix, queue }) => {
        const next = countingIds();
        const own = openEngines({ engines: [stage.paper.engine], log, clock: realClock });
        return startWorker({ ...parts, queue, engines: own, newId: (size) => `${prefix}${next(size)}`, every });
      }),
    );
    onTestFinished(async () => {
      await Promise.all(workers.map((each) => each.close(1_000)));
      await Promise.all(queues.map(({ queue }) => queue.close(100)));
      await engines.close();
    });
    await eventually('the backup is kept', async () => (await stage.backups())[0]?.state === 'kept', {
      timeoutMs: 20_000,
    });
    await eventually('the plan knows', async () => (await stage.plan()).last?.result === 'kept', { timeoutMs: 20_000 });
    expect((await stage.jobs()).length).toBe(1);
    expect((await stage.backups()).length).toBe(1);
  });
});

describe('the retention of backups', () => {
  it('seeds 46: keep-last-N: says what goes, then removes it, manifest first', async () => {
    const stage = await setUp({ plan: { keeping: { keep: 3, manual: false } } });
    for (let index = 0; index < 6; index += 1) await putBackup(stage, `b${index}`, index * day);
    const removed: string[] = [];
    const { archive } = stage;
    const seen: Archive = {
      ...archive,
      async delete(key, call) {
        removed.push(key);
        await archive.delete(key, call);
      },
    };
    await createBackupSweep({ ...stage, archive: seen }).retain(on);
    expect((await stage.backups()).map(({ id }) => id)).toEqual(['b0', 'b1', 'b2']);
    expect(await keysOf(stage)).toEqual(
      ['b0', 'b1', 'b2'].flatMap((id) =>
        ['chunk-0001', 'chunk-0002', 'manifest.json'].map((name) => `default/c1/${id}/${name}`),
      ),
    );
    for (const id of ['b3', 'b4', 'b5']) {
      const own = removed.filter((key) => key.includes(`/${id}/`));
      expect(own[0]).toBe(`default/c1/${id}/manifest.json`);
    }
    const said = stage.log.lines.find(({ message }) => message === 'these backups go by retention');
    expect(said?.fields.going).toEqual([
      'b5: 5 newer ones are there, and 3 stay',
      'b4: 4 newer ones are there, and 3 stay',
      'b3: 3 newer ones are there, and 3 stay',
    ]);
    expect((await stage.audit('backup.expire')).map(({ reason }) => reason)).toContain(
      '5 newer ones are there, and 3 stay.',
    );
    expect((await stage.audit('backup.delete')).length).toBe(3);
    // And again: nothing is left to do.
    await stage.sweeps.retain(on);
    expect((await stage.backups()).length).toBe(3);
  });

  it('does not take what a restore reads, until it has ended', async () => {
    const stage = await setUp({ plan: { keeping: { keep: 1, manual: false } } });
    const read = await putBackup(stage, 'old', 5 * day);
    await putBackup(stage, 'new', 0);
    const job = sampleJob({
      ...{ id: 'restore', kind: 'cluster.work', cluster: 'c2', state: 'Running' },
      work: {
        ...{ op: 'backup.restore', title: 'Restore', steps: [], bulk: false, progress: {} },
        input: { backup: { org, cluster: read.cluster, id: 'old' } },
      },
    });
    await mustCommit(stage.store, [{ op: 'put', ref: { kind: 'job', org, id: 'restore' }, record: job }]);
    await stage.sweeps.retain(on);
    expect((await stage.backups()).map(({ state }) => state)).toEqual(['kept', 'kept']);
    // Marked by somebody just before the restore began: it is removed when the restore is over.
    await mustCommit(stage.store, [
      { op: 'put', ref: { kind: 'backup', org, id: 'old' }, record: { ...read, state: 'deleting' } },
    ]);
    await stage.sweeps.retain(on);
    expect((await keysOf(stage)).filter((key) => key.includes('/old/')).length).toBe(3);
    await mustCommit(stage.store, [
      { op: 'put', ref: { kind: 'job', org, id: 'restore' }, record: { ...job, state: 'Succeeded', endedAt: 1 } },
    ]);
    await stage.sweeps.retain(on);
    expect((await stage.backups()).map(({ id }) => id)).toEqual(['new']);
    expect((await keysOf(stage)).filter((key) => key.includes('/old/'))).toEqual([]);
  });

  it('goes on later when the place does not answer, and lets others pass', async () => {
    const stage = await setUp({ plan: { keeping: { keep: 1, manual: false } } });
    for (let index = 0; index < 4; index += 1) await putBackup(stage, `b${index}`, index * day);
    const { archive } = stage;
    let down = true;
    const moody: Archive = {
      ...archive,
      async delete(key, call) {
        if (down && key.includes('/b2/')) throw new Fault('unreachable', 'The place is away.');
        await archive.delete(key, call);
      },
    };
    const sweeps = createBackupSweep({ ...stage, archive: moody });
    await sweeps.retain(on);
    expect((await stage.backups()).map(({ id, state }) => [id, state])).toEqual([
      ['b0', 'kept'],
      ['b2', 'deleting'],
    ]);
    down = false;
    await sweeps.retain(on);
    expect((await stage.backups()).map(({ id }) => id)).toEqual(['b0']);
  });

  it('removes after a day what interrupted backups and strangers have left, and never a manifest that is whole', async () => {
    const stage = await setUp();
    const { clock, store, archive } = stage;
    await putBackup(stage, 'failed', 60_000, { state: 'failed', job: 'gone' });
    await putBackup(stage, 'lost', 60_000, { state: 'making', job: 'never' });
    const open = sampleJob({ id: 'open', state: 'Running', dueAt: 1 });
    await mustCommit(store, [{ op: 'put', ref: { kind: 'job', org, id: 'open' }, record: open }]);
    await putBackup(stage, 'open', 60_000, { state: 'making', job: 'open' });
    const call = { signal: on, deadline: clock.now() + 60_000 };
    await archive.put('default/c9/stray/chunk-0001', Buffer.from('x'), call);
    await archive.put('default/c9/whole/chunk-0001', Buffer.from('x'), call);
    await archive.put('default/c9/whole/manifest.json', Buffer.from('{}'), call);
    await stage.sweeps.retain(on);
    expect((await keysOf(stage)).length).toBe(9);
    await clock.advance(day + 7 * 3_600_000);
    await stage.sweeps.retain(on);
    expect(await keysOf(stage)).toEqual([
      'default/c1/open/chunk-0001',
      'default/c1/open/chunk-0002',
      'default/c9/whole/chunk-0001',
      'default/c9/whole/manifest.json',
    ]);
    const records = new Map((await stage.backups()).map((each) => [each.id, each]));
    expect(records.get('failed')).toMatchObject({ state: 'failed', bytes: 0 });
    expect(records.get('lost')).toMatchObject({ state: 'failed', failure: { message: 'It was never finished.' } });
    expect(records.get('open')).toMatchObject({ state: 'making' });
  });

  it('leaves no folder of a removed backup behind', async () => {
    const stage = await setUp({ plan: { keeping: { keep: 1, manual: false } } });
    mkdirSync(stage.dir, { recursive: true });
    await putBackup(stage, 'b0', 0);
    await putBackup(stage, 'b1', day);
    await stage.sweeps.retain(on);
    expect(readdirSync(join(stage.dir, 'default', 'c1'))).toEqual(['b0']);
  });
});
