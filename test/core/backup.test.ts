import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { createBackupSweep } from '../../src/jobs/backup-sweep.ts';
import { openTestArchive, type TestArchive } from '../backup/directory-archive.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf, deployment } from '../kube/sandbox-cluster.ts';
import { eventually } from '../servers.ts';
import { openStage, org, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
let archive: TestArchive;
const apis: Record<string, ReturnType<typeof apiOf>> = {};

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  archive = openTestArchive();
  stage = await openStage({ provider, worker: true, archive });
  for (const name of ['one', 'two']) {
    const wish = `cluster create ${name} on sandbox region=sandbox-north version=1.34.2 size=small nodes=1 purpose=${name === 'two' ? 'production' : 'test'}`;
    const asked = await stage
      .press('grace', await stage.say('grace', wish), name === 'two' ? 'Ask' : 'Create it')
      .catch(() => null);
    const open = await stage.lastJob();
    if (asked === null || open.state === 'AwaitingApproval') await stage.say('anna', `approve ${open.id}`);
    const ready = await eventually(`${name} is ready`, async () => {
      const found = await stage.cluster(name);
      return found?.phase === 'Ready' ? found : null;
    });
    apis[name] = apiOf(String(await provider.ask('GET', `/v1/clusters/${ready.externalName}/kubeconfig`)));
  }
  await api('one', 'POST', '/apis/apps/v1/namespaces/default/deployments', deployment('web', 'nginx:1.29'));
  await api('one', 'POST', '/api/v1/namespaces/default/secrets', { metadata: { name: 'key' }, stringData: { a: 'b' } });
}, 60_000);
afterEach(async () => {
  for (const each of Object.values(apis)) await each.close();
  await stage.close();
  archive.remove();
});

async function api(name: string, method: string, path: string, body?: unknown) {
  const found = apis[name];
  if (!found) throw new Error(`no api of ${name}`);
  return found.api(method, path, body);
}

const ended = (id?: string) =>
  eventually(
    'the job ends',
    async () => {
      const job = id ? await stage.job(id) : await stage.lastJob();
      return job.endedAt === undefined ? null : job;
    },
    { timeoutMs: 20_000 },
  );

/** Backs the cluster up and gives the id. */
async function backUp(line = 'backup create one'): Promise<string> {
  await stage.press('grace', await stage.say('grace', line), 'Back it up');
  const job = await ended();
  expect(job).toMatchObject({ state: 'Succeeded', work: { op: 'backup.create' } });
  const [record] = (await stage.opened.store.page('backup', org)).items.sort((a, b) => b.revision - a.revision);
  return record?.record.id ?? '';
}

describe('backups in chat', () => {
  test('plan, click, a job, a record, a list, a look, a diff', async () => {
    const plan = await stage.say('grace', 'backup create one');
    expect(plan.card?.title).toBe('Back up one?');
    expect(words(plan)).toMatch(/1 Secret is not in it/);
    const id = await backUp();
    const record = (await stage.opened.store.get({ kind: 'backup', org, id }))?.record;
    expect(record).toMatchObject({ state: 'kept', clusterName: 'one', by: 'kqueen', secrets: false });
    expect(record?.objects).toBeGreaterThan(0);
    expect(words(await stage.say('grace', `job show ${(await stage.lastJob()).id}`))).toContain(`backup show ${id}`);
    await eventually('it is listed', async () => words(await stage.say('dev', 'backups')).includes(id));
    expect(words(await stage.say('dev', 'backup list one'))).toMatch(/kept/);
    expect(words(await stage.say('dev', `backup show ${id}`))).toMatch(/there and as/);
    expect(words(await stage.say('grace', `backup diff ${id}`))).toMatch(/Nothing differs/);
    expect(words(await stage.say('dev', `backup diff ${id}`))).toMatch(/Only its owner or an admin/);
    expect(words(await stage.say('dev', 'backup'))).toMatch(/What is in volumes is not in a backup/);
    expect((await stage.audit()).map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(
      expect.arrayContaining(['backup.create requested', 'backup.create done']),
    );
    expect(words(await stage.say('grace', 'backup show zz9')).toLowerCase()).toMatch(/there is no backup zz9/);
  });

  test('a restore into its cluster, and into another that is for production, where somebody else decides', async () => {
    const id = await backUp('backup create one secrets=yes');
    await api('one', 'DELETE', '/apis/apps/v1/namespaces/default/deployments/web');
    const plan = await stage.say('grace', `backup restore ${id}`);
    expect(words(plan)).toMatch(/\+ Deployment default\/web/);
    await stage.press('grace', plan, 'Restore it');
    expect((await ended()).note).toMatch(/is restored: 1 made/);
    // The same click again makes nothing a second time.
    await stage.press('grace', plan, 'Restore it');
    expect((await stage.lastJob()).work?.op).toBe('backup.restore');

    await stage.say('grace', `backup restore ${id} to=two`);
    const asked = await stage.lastJob();
    expect(asked).toMatchObject({ state: 'AwaitingApproval', clusterName: 'two' });
    expect(words(await stage.say('grace', `backup delete ${id} confirm=${id}`))).toMatch(
      /being restored|restored by job/,
    );
    await stage.say('anna', `approve ${asked.id}`);
    expect(await ended(asked.id)).toMatchObject({ state: 'Succeeded' });
    const made = await api('two', 'GET', '/apis/apps/v1/namespaces/default/deployments/web');
    expect(made.status).toBe(200);
    const secret = (await api('two', 'GET', '/api/v1/namespaces/default/secrets/key')).body;
    expect((secret as { data: unknown }).data).toEqual({ a: Buffer.from('b').toString('base64') });
  }, 60_000);

  test('rights on both clusters are needed, and what is of another organisation is never there', async () => {
    const id = await backUp();
    expect(words(await stage.say('mel', `backup restore ${id}`))).toMatch(/Only its owner or an admin/);
    const found = await stage.opened.store.get({ kind: 'backup', org, id });
    if (!found) throw new Error('no backup');
    // Mel owns what it is of, and not the cluster it would go to.
    const cluster = await stage.cluster('one');
    if (!cluster) throw new Error('no cluster');
    await stage.put({
      op: 'put',
      ref: { kind: 'cluster', org, id: cluster.id },
      record: { ...cluster, owner: 'slack:T1:mel' },
    });
    expect(words(await stage.say('mel', `backup restore ${id} to=two`))).toMatch(/Only its owner or an admin/);
    expect(words(await stage.say('mel', `backup restore ${id}`))).not.toMatch(/Only its owner or an admin/);
    await stage.put({
      op: 'put',
      ref: { kind: 'backup', org: 'other', id: 'alien' },
      record: { ...found.record, id: 'alien', org: 'other' },
    });
    for (const line of ['backup show alien', 'backup diff alien', 'backup restore alien', 'backup delete alien'])
      expect(words(await stage.say('grace', line))).toMatch(/There is no backup alien/);
    expect(words(await stage.say('grace', 'backup list'))).not.toContain('alien');
  }, 60_000);

  test('a backup that fails says so in its record, and is no backup', async () => {
    archive.fail.put = () => new Fault('quota', 'The disk of the place for backups is full.');
    await stage.press('grace', await stage.say('grace', 'backup create one'), 'Back it up');
    expect((await ended()).state).toBe('Failed');
    const [record] = (await stage.opened.store.page('backup', org)).items;
    expect(record?.record).toMatchObject({
      state: 'failed',
      failure: { message: 'The disk of the place for backups is full.' },
    });
    archive.fail = {};
    expect(words(await stage.say('grace', `backup restore ${record?.record.id}`))).toMatch(/cannot be read: it failed/);
    // Retry goes on with the same backup.
    await stage.say('grace', `job retry ${(await stage.lastJob()).id}`);
    expect((await ended()).state).toBe('Succeeded');
    expect((await stage.opened.store.get({ kind: 'backup', org, id: record?.record.id ?? '' }))?.record.state).toBe(
      'kept',
    );
  });

  test('a deleted backup goes with everything of it', async () => {
    const id = await backUp();
    const form = await stage.say('grace', `backup delete ${id}`);
    expect(form.form?.title).toBe(`Delete backup ${id}?`);
    await stage.fill('grace', form, { confirm: id });
    expect((await stage.opened.store.get({ kind: 'backup', org, id }))?.record.state).toBe('deleting');
    const { store, cache } = stage.opened;
    const { engines, queue, clock, newId, log } = stage.parts;
    const sweep = createBackupSweep({ store, cache, engines, queue, archive, clock, newId, log });
    await sweep.retain(new AbortController().signal);
    expect(archive.keys()).toEqual([]);
    expect(await store.get({ kind: 'backup', org, id })).toBeUndefined();
  });
});
