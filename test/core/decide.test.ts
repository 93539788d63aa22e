import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../../src/core/records.ts';
import { expire } from '../../src/jobs/expire.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, nextId, openStage, org, people, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  stage = await openStage({ provider });
});
afterEach(() => stage.close());

const wish = (name: string, more = '') =>
  `cluster create ${name} on sandbox region=sandbox-north version=1.34.2 size=small nodes=2 ${more}`.trim();

/** A member's request that waits. */
async function asked(name = 'dev-1', more = ''): Promise<Job> {
  await stage.say('dev', wish(name, more));
  return stage.lastJob();
}

const approvalOf = async (job: Job) => (await stage.opened.store.get({ kind: 'approval', org, id: job.id }))?.record;
const outcomes = async () =>
  (await stage.audit()).map(({ action, outcome, who }) => `${who.split(':')[2]} ${action} ${outcome}`);

describe('approve', () => {
  test('by an admin, with a reason', async () => {
    const job = await asked();
    const answer = await stage.say('grace', `approve ${job.id} because the demo needs it`);
    expect(answer.card?.title).toBe('Approved');
    expect(await approvalOf(job)).toMatchObject({
      state: 'approved',
      decidedBy: people.grace.id,
      reason: 'the demo needs it',
    });
    expect(await stage.job(job.id)).toMatchObject({ state: 'Queued', tick: job.tick + 1 });
    expect(await outcomes()).toEqual(['dev cluster.create requested', 'grace approval approved']);
  });

  test('by the # people write before a job', async () => {
    const job = await asked();
    expect((await stage.say('grace', `approve #${job.id.toUpperCase()}`)).card?.title).toBe('Approved');
  });

  test('not by the person who asked, admin or not', async () => {
    await stage.say('grace', wish('prod-1', 'purpose=production'));
    const job = await stage.lastJob();
    const answer = await stage.say('grace', `approve ${job.id}`);
    expect(words(answer)).toMatch(/asked for this yourself/);
    expect(await approvalOf(job)).toMatchObject({ state: 'pending' });
    expect(await outcomes()).toContain('grace approve refused');
    expect((await stage.say('anna', `approve ${job.id}`)).card?.title).toBe('Approved');
  });

  test('not by a member, nor by the requester as a member', async () => {
    const job = await asked();
    for (const who of ['dev', 'mel'] as const) {
      expect((await stage.say(who, `approve ${job.id}`)).card?.title).toBe('Not allowed');
      expect((await stage.say(who, `deny ${job.id} because no`)).card?.title).toBe('Not allowed');
    }
    expect(await approvalOf(job)).toMatchObject({ state: 'pending' });
    expect((await stage.audit()).filter(({ outcome }) => outcome === 'refused')).toHaveLength(4);
    expect((await stage.audit()).find(({ outcome }) => outcome === 'refused')).toMatchObject({ subject: job.id });
  });

  test('of two admins at once one decides, and the other is told who', async () => {
    for (let round = 0; round < 5; round += 1) {
      const job = await asked(`dev-${round}`);
      const both = await Promise.all([
        stage.say('grace', `approve ${job.id}`),
        stage.say('anna', `deny ${job.id} because no`),
      ]);
      const titles = both.map(({ card }) => card?.title);
      expect(titles.filter((title) => title === 'Approved' || title === 'Denied')).toHaveLength(1);
      const decided = await approvalOf(job);
      const loser = both[titles.findIndex((title) => title !== 'Approved' && title !== 'Denied')];
      expect(words(loser ?? { audience: 'caller' })).toContain(decided?.deciderName);
      expect((await stage.job(job.id)).state).toBe(decided?.state === 'approved' ? 'Queued' : 'Denied');
    }
  });

  test('the same click four times at once', async () => {
    const job = await asked();
    const four = await Promise.all(
      [1, 2, 3, 4].map(() => stage.say('grace', `approve ${job.id}`, { eventId: 'click' })),
    );
    expect(four.map(({ card }) => card?.title).sort()).toEqual([
      'Already done',
      'Already done',
      'Already done',
      'Approved',
    ]);
    expect((await stage.say('grace', `approve ${job.id}`, { eventId: 'click' })).card?.title).toBe('Already done');
  });

  test('after it was decided, the answer says how', async () => {
    const job = await asked();
    await stage.say('grace', `deny ${job.id} because no`);
    expect(words(await stage.say('anna', `approve ${job.id}`))).toMatch(/was denied by Grace/);
  });

  test('an expired request is refused before the sweep has seen it', async () => {
    const job = await asked();
    const found = await stage.opened.store.get({ kind: 'approval', org, id: job.id });
    if (!found) throw new Error('no approval');
    await stage.put({ op: 'put', ref: found.ref, record: { ...found.record, expiresAt: Date.now() - 1 } });
    expect(words(await stage.say('grace', `approve ${job.id}`))).toMatch(/has expired/);
    expect(await stage.job(job.id)).toMatchObject({ state: 'AwaitingApproval' });
    expect((await stage.say('grace', 'approvals')).card?.text).toMatch(/Nothing waits/);
  });

  test('an expired request frees the name', async () => {
    const job = await asked();
    const found = await stage.opened.store.get({ kind: 'job', org, id: job.id });
    if (!found) throw new Error('no job');
    await expire({ store: stage.opened.store, newId: nextId }, found, Date.now());
    expect(await approvalOf(job)).toMatchObject({ state: 'expired' });
    expect((await stage.say('mel', wish('dev-1'))).card?.title).toBe('Asked for cluster dev-1');
  });

  // plan-before-apply: an approver agrees to what they saw.
  test('a price that moved is shown, and only the new plan is approved', async () => {
    const job = await asked();
    await stage.close();
    stage = await openStage({ provider });
    // The provisioner gets new parameters between the request and the decision.
    const again = await asked('dev-2');
    const ref = { kind: 'provisioner', org, id: again.provisioner } as const;
    const before = await stage.opened.store.get(ref);
    if (!before) throw new Error('no provisioner');
    await stage.put({ op: 'put', ref, record: { ...before.record, paramsVersion: 'other' } });
    const stale = await stage.say('grace', `approve ${again.id} because fine`);
    expect(stale.card?.title).toMatch(/the plan has changed/);
    expect(await approvalOf(again)).toMatchObject({ state: 'pending' });
    const done = await stage.press('grace', stale, 'Approve the new plan');
    expect(done.card?.title).toBe('Approved');
    expect(await approvalOf(again)).toMatchObject({
      state: 'approved',
      reason: 'fine',
      planHash: (await stage.job(again.id)).plan.hash,
    });
    expect(job.id).not.toBe(again.id);
  });

  test('a job that needs none says so, and one that is not there too', async () => {
    await stage.press('grace', await stage.say('grace', wish('ops-1')), 'Create it');
    const job = await stage.lastJob();
    expect(words(await stage.say('anna', `approve ${job.id}`))).toMatch(/needs no approval/);
    expect(words(await stage.say('anna', 'approve nosuchjob'))).toMatch(/There is no job #nosuchjob/);
    expect(words(await stage.say('anna', 'approve "../x"'))).toMatch(/There is no job/);
  });
});

describe('approve with a note', () => {
  test('the button asks for it, and it reaches the requester, the card and the audit', async () => {
    const job = await asked();
    const card = await stage.say('grace', `job show ${job.id}`);
    const form = await stage.press('grace', card, 'Approve with a note');
    expect(form.form).toMatchObject({ fields: [{ key: 'reason', label: 'Note', required: false }] });
    expect(await approvalOf(job)).toMatchObject({ state: 'pending' });
    expect((await stage.fill('grace', form, { reason: 'until Friday' })).card?.title).toBe('Approved');
    expect(await approvalOf(job)).toMatchObject({ state: 'approved', reason: 'until Friday' });
    expect(words(await stage.say('dev', `job show ${job.id}`))).toContain('Approved by Grace (until Friday)');
    expect((await stage.audit()).find(({ outcome }) => outcome === 'approved')).toMatchObject({
      reason: 'until Friday',
    });
  });

  test('without one it is an approval all the same; who may not decide is told before they write', async () => {
    const job = await asked();
    expect((await stage.say('dev', `approve ${job.id} ask=note`)).card?.title).toBe('Not allowed');
    const form = await stage.say('grace', `approve ${job.id} ask=note`);
    expect((await stage.fill('grace', form, { reason: '' })).card?.title).toBe('Approved');
    expect(await approvalOf(job)).toMatchObject({ state: 'approved' });
    expect((await approvalOf(job))?.reason).toBeUndefined();
  });

  test('it is bound to the plan that was looked at', async () => {
    const job = await asked();
    const form = await stage.say('grace', `approve ${job.id} ask=note plan=another`);
    const sent = await stage.fill('grace', form, { reason: 'until Friday' });
    expect(words(sent)).toMatch(/plan has changed/);
    expect(sent.card?.buttons[0]?.command).toContain('reason="until Friday"');
    expect(await approvalOf(job)).toMatchObject({ state: 'pending' });
  });
});

describe('deny', () => {
  test('asks for a reason, tells it, and frees the name', async () => {
    const job = await asked();
    const form = await stage.say('grace', `deny ${job.id}`, { source: 'button' });
    expect(form.form?.fields.find(({ key }) => key === 'reason')).toMatchObject({ required: true, kind: 'multiline' });
    const done = await stage.fill('grace', form, { reason: 'the budget\nis used up' });
    expect(done.card?.title).toBe('Denied');
    expect(await stage.job(job.id)).toMatchObject({ state: 'Denied', note: expect.stringContaining('the budget') });
    expect(await stage.cluster('dev-1')).toBeUndefined();
    expect((await stage.say('mel', wish('dev-1'))).card?.title).toBe('Asked for cluster dev-1');
  });

  test('a denied deletion leaves the cluster as it was', async () => {
    await stage.put(
      ...clusterChanges(sampleCluster('c1', { name: 'prod-1', purpose: 'production', owner: people.dev.id })),
    );
    await stage.say('dev', 'cluster delete prod-1 confirm=prod-1');
    const job = await stage.lastJob();
    expect(job.state).toBe('AwaitingApproval');
    expect(await stage.cluster('prod-1')).toMatchObject({ phase: 'Ready', openJob: job.id });
    await stage.say('grace', `deny ${job.id} because it is in use`);
    const after = await stage.cluster('prod-1');
    expect(after).toMatchObject({ phase: 'Ready' });
    expect(after?.openJob).toBeUndefined();
  });
});

describe('cancel', () => {
  test('before it began: nothing is left, the request is withdrawn', async () => {
    const job = await asked();
    const answer = await stage.say('dev', `job cancel ${job.id}`);
    expect(words(answer)).toMatch(/nothing had been done/);
    expect(await stage.job(job.id)).toMatchObject({ state: 'Cancelled' });
    expect(await approvalOf(job)).toMatchObject({ state: 'withdrawn' });
    expect(await stage.cluster('dev-1')).toBeUndefined();
    expect(words(await stage.say('dev', `cancel ${job.id}`))).toMatch(/has ended/);
  });

  test('not by another member', async () => {
    const job = await asked();
    expect((await stage.say('mel', `job cancel ${job.id}`)).card?.title).toBe('Not allowed');
    expect((await stage.say('anna', `job cancel ${job.id}`)).card?.title).toBe('Cancelled');
  });

  test('while it runs: what was made is removed again', async () => {
    await stage.close();
    stage = await openStage({ provider, worker: true });
    await provider.ask('PUT', '/v1/admin/faults', [{ operation: 'create', effect: { stuckAtPercent: 30 } }]);
    await stage.press('grace', await stage.say('grace', wish('slow-1')), 'Create it');
    const job = await stage.lastJob();
    await eventually('the provider has it', async () => (await stage.job(job.id)).intent?.answered);
    await stage.say('grace', `job cancel ${job.id}`);
    expect(words(await stage.say('anna', `job cancel ${job.id}`))).toMatch(/cancelling it already|has ended/);
    await provider.ask('PUT', '/v1/admin/faults', []);
    await eventually('it is cancelled', async () => (await stage.job(job.id)).state === 'Cancelled', {
      timeoutMs: 25_000,
    });
    expect(await stage.cluster('slow-1')).toBeUndefined();
    expect(await provider.ask('GET', '/v1/clusters')).toMatchObject({ clusters: [] });
  });

  // honest-teardown: a failed creation may have left something at the provider.
  test('of a retry that has not begun keeps the cluster, which may be half there', async () => {
    await stage.put(
      ...clusterChanges(sampleCluster('c1', { name: 'half-1', phase: 'Failed', owner: people.dev.id })),
      failedJob('failed1', 'c1', 'half-1'),
    );
    await stage.say('dev', 'job retry failed1');
    const retry = await stage.lastJob();
    expect(retry).toMatchObject({ state: 'Queued', retryOf: 'failed1' });
    await stage.say('dev', `job cancel ${retry.id}`);
    const cluster = await stage.cluster('half-1');
    expect(cluster).toMatchObject({ phase: 'Failed' });
    expect(cluster?.openJob).toBeUndefined();
    // Deleting it asks the provider; it is not just forgotten.
    await stage.say('dev', 'job retry failed1');
    await stage.say('dev', 'cluster delete half-1 confirm=half-1');
    expect(await stage.lastJob()).toMatchObject({ kind: 'cluster.delete', state: 'Queued' });
    expect(await stage.cluster('half-1')).toMatchObject({ phase: 'Deleting' });
  });
});

describe('retry', () => {
  test('makes a new job with what was agreed, once', async () => {
    await stage.put(
      ...clusterChanges(sampleCluster('c1', { name: 'half-1', phase: 'Failed', failure: { message: 'x', at: 1 } })),
      failedJob('failed1', 'c1', 'half-1'),
    );
    expect((await stage.say('mel', 'job retry failed1')).card?.title).toBe('Not allowed');
    const both = await Promise.all([stage.say('dev', 'job retry failed1'), stage.say('grace', 'retry failed1')]);
    expect(both.filter(({ card }) => card?.title === 'Trying again')).toHaveLength(1);
    const cluster = await stage.cluster('half-1');
    expect(cluster).toMatchObject({ phase: 'Requested', openJob: (await stage.lastJob()).id });
    expect(words(await stage.say('grace', 'retry failed1'))).toMatch(/is busy: create asked for by/);
  });

  test('only what has failed', async () => {
    const job = await asked();
    expect(words(await stage.say('dev', `job retry ${job.id}`))).toMatch(/has not failed: waiting for approval/);
  });
});

function failedJob(id: string, cluster: string, name: string) {
  const record: Job = {
    v: 1,
    id,
    org,
    kind: 'cluster.create',
    cluster,
    clusterName: name,
    provisioner: 'p1',
    engine: 'sandbox',
    state: 'Failed',
    requestedBy: people.dev.id,
    requesterName: 'Dev',
    requestedAt: 1,
    place: { chat: 'slack', workspace: 'T1', conversation: 'C1' },
    command: `cluster create ${name}`,
    plan: {
      title: `Create cluster ${name}`,
      facts: [],
      disturbs: 'Nobody.',
      cost: null,
      approval: { needed: false, role: 'admin', why: 'x' },
      hash: 'h',
    },
    tick: 9,
    startedAt: 2,
    endedAt: 3,
    allowedMs: 1_000,
    steps: [],
    note: 'It failed.',
    attempt: 0,
    log: [],
  };
  return { op: 'put' as const, ref: { kind: 'job' as const, org, id }, record };
}

describe('delete', () => {
  const ready = (change = {}) =>
    clusterChanges(sampleCluster('c1', { name: 'dev-1', owner: people.dev.id, ownerName: 'Dev', ...change }));

  test('shows what dies and asks for the name; another name deletes nothing', async () => {
    await stage.put(...ready());
    const form = await stage.say('dev', 'cluster delete dev-1');
    expect(words(form)).toMatch(/cannot be undone/);
    expect(form.form?.fields).toMatchObject([{ key: 'confirm', required: true }]);
    const wrong = await stage.fill('dev', form, { confirm: 'dev-2' });
    expect(wrong.problems).toMatchObject([
      { field: 'confirm', message: expect.stringContaining('Nothing was deleted') },
    ]);
    expect(words(await stage.say('dev', 'cluster delete dev-1 confirm=DEV-1'))).toMatch(/not its name/);
    expect(await stage.cluster('dev-1')).toMatchObject({ phase: 'Ready' });
    expect(await stage.audit()).toEqual([]);

    const done = await stage.fill('dev', form, { confirm: 'dev-1' });
    expect(words(done)).toMatch(/is being deleted/);
    // R6: the record stays until the provider says that the cluster is gone.
    expect(await stage.cluster('dev-1')).toMatchObject({ phase: 'Deleting', openJob: (await stage.lastJob()).id });
    const again = await stage.say('dev', 'cluster delete dev-1 confirm=dev-1');
    expect(words(again)).toMatch(/asked for this already/);
    expect(words(await stage.say('grace', 'cluster delete dev-1'))).toMatch(/is busy: delete asked for by Dev/);
  });

  test('a production cluster needs another person, also of its admin owner', async () => {
    await stage.put(...ready({ purpose: 'production', owner: people.grace.id }));
    await stage.say('grace', 'cluster delete dev-1 confirm=dev-1');
    const job = await stage.lastJob();
    expect(job.state).toBe('AwaitingApproval');
    expect((await stage.say('grace', `approve ${job.id}`)).card?.title).toBe('Not allowed');
    expect((await stage.say('anna', `approve ${job.id}`)).card?.title).toBe('Approved');
  });

  test('during a creation that has begun takes the cluster over', async () => {
    await stage.press('grace', await stage.say('grace', wish('new-1')), 'Create it');
    const create = await stage.lastJob();
    const begun = {
      ...create,
      state: 'Running' as const,
      startedAt: 5,
      intent: { act: 'create' as const, at: 5, answered: false },
    };
    await stage.put({ op: 'put', ref: { kind: 'job', org, id: create.id }, record: begun });
    await stage.say('anna', 'cluster delete new-1 confirm=new-1');
    const over = await stage.lastJob();
    expect(over).toMatchObject({ kind: 'cluster.delete', state: 'Queued', intent: { act: 'create', answered: false } });
    expect(await stage.job(create.id)).toMatchObject({ state: 'Cancelled', note: expect.stringContaining('Anna') });
    expect(await stage.cluster('new-1')).toMatchObject({ openJob: over.id, phase: 'Deleting' });
  });

  test('of a creation that has not begun withdraws it', async () => {
    const job = await asked();
    expect((await stage.say('dev', 'cluster delete dev-1 confirm=dev-1')).card?.title).toBe('Withdrawn');
    expect(await stage.job(job.id)).toMatchObject({ state: 'Cancelled' });
    expect(await approvalOf(job)).toMatchObject({ state: 'withdrawn' });
    expect(await stage.cluster('dev-1')).toBeUndefined();
  });

  test('not by another member', async () => {
    await stage.put(...ready());
    expect((await stage.say('mel', 'cluster delete dev-1 confirm=dev-1')).card?.title).toBe('Not allowed');
    expect(await stage.audit()).toMatchObject([{ action: 'cluster.delete', outcome: 'refused', subject: 'dev-1' }]);
  });
});

describe('forget', () => {
  test('removes the record, the name, the credentials and the open request; the provider is named', async () => {
    await stage.say('dev', wish('dev-1'));
    const job = await stage.lastJob();
    const id = (await stage.cluster('dev-1'))?.id ?? '';
    const ref = { kind: 'secret', org, id: `kubeconfig.${id}` } as const;
    await stage.put({ op: 'put', ref, record: { v: 1, id: ref.id, org, sealed: stage.opened.sealer.seal(ref, 'x') } });
    expect((await stage.say('dev', 'cluster forget dev-1 confirm=dev-1')).card?.title).toBe('Not allowed');
    const form = await stage.say('grace', 'cluster forget dev-1');
    expect(form.form?.intro).toMatch(/goes on costing money/);
    expect((await stage.fill('grace', form, { confirm: 'dev' })).problems).toMatchObject([{ field: 'confirm' }]);
    const done = await stage.fill('grace', form, { confirm: 'dev-1' });
    expect(done).toMatchObject({ audience: 'place', card: { title: 'Forgotten: dev-1' } });
    expect(await stage.cluster('dev-1')).toBeUndefined();
    expect(await stage.opened.store.get(ref)).toBeUndefined();
    expect(await stage.job(job.id)).toMatchObject({ state: 'Cancelled' });
    expect(await approvalOf(job)).toMatchObject({ state: 'withdrawn' });
  });
});

describe('edit', () => {
  beforeEach(() =>
    stage.put(
      ...clusterChanges(
        sampleCluster('c1', { name: 'dev-1', purpose: 'development', owner: people.dev.id, ownerName: 'Dev' }),
      ),
    ),
  );

  test('shows the change, then makes exactly it', async () => {
    const plan = await stage.say('dev', 'cluster edit dev-1 purpose=test labels="team=token-ring"');
    expect(words(plan)).toContain('development → test');
    expect(await stage.cluster('dev-1')).toMatchObject({ purpose: 'development' });
    const done = await stage.press('dev', plan, 'Change it');
    expect(done).toMatchObject({ audience: 'place', card: { tone: 'good' } });
    expect(await stage.cluster('dev-1')).toMatchObject({ purpose: 'test', labels: { team: 'token-ring' } });
  });

  test('a change of the cluster in between is shown anew', async () => {
    const plan = await stage.say('dev', 'cluster edit dev-1 purpose=test');
    const found = await stage.cluster('dev-1');
    if (!found) throw new Error('no cluster');
    await stage.put({ op: 'put', ref: { kind: 'cluster', org, id: 'c1' }, record: { ...found, purpose: 'demo' } });
    const moved = await stage.press('dev', plan, 'Change it');
    expect(words(moved)).toMatch(/has changed since.*demo → test/);
    expect(await stage.cluster('dev-1')).toMatchObject({ purpose: 'demo' });
  });

  test('the owner changes by an admin alone', async () => {
    expect((await stage.say('dev', 'cluster edit dev-1 owner=@grace')).card?.title).toBe('Not allowed');
    await stage.press('grace', await stage.say('grace', 'cluster edit dev-1 owner=@anna'), 'Change it');
    expect(await stage.cluster('dev-1')).toMatchObject({ owner: people.anna.id, ownerName: 'Anna' });
    expect(words(await stage.say('grace', 'cluster edit dev-1 owner=nobody'))).toMatch(/does not know nobody/);
    expect((await stage.say('dev', 'cluster edit dev-1 purpose=test')).card?.title).toBe('Not allowed');
  });

  test('production is left by an admin alone, entered by the owner', async () => {
    await stage.press('dev', await stage.say('dev', 'cluster edit dev-1 purpose=production'), 'Change it');
    expect((await stage.say('dev', 'cluster edit dev-1 purpose=development')).card?.title).toBe('Not allowed');
    expect((await stage.say('grace', 'cluster edit dev-1 purpose=development')).card?.buttons).toHaveLength(1);
  });

  test('labels are cleared: all of them, or single ones', async () => {
    const labelled = async (labels: Record<string, string>) => {
      const found = await stage.cluster('dev-1');
      if (!found) throw new Error('no cluster');
      await stage.put({ op: 'put', ref: { kind: 'cluster', org, id: 'c1' }, record: { ...found, labels } });
    };
    for (const line of [
      'cluster edit dev-1 labels=',
      'cluster edit dev-1 labels=""',
      'cluster edit dev-1 labels=none',
    ]) {
      await labelled({ team: 'data', tier: 'one' });
      const plan = await stage.say('dev', line);
      expect(words(plan), line).toContain('team=data, tier=one → none');
      expect(plan.card?.buttons[0]?.command).toContain('cluster edit dev-1 labels=none');
      await stage.press('dev', plan, 'Change it');
      expect((await stage.cluster('dev-1'))?.labels, line).toEqual({});
    }
    await labelled({ team: 'data', tier: 'one', cost: 'x' });
    await stage.press('dev', await stage.say('dev', 'cluster edit dev-1 unlabel=team,cost'), 'Change it');
    expect((await stage.cluster('dev-1'))?.labels).toEqual({ tier: 'one' });
    expect(words(await stage.say('dev', 'cluster edit dev-1 unlabel=team'))).toMatch(/no label team.*It has: tier/);
  });

  test('the emptied field of the form clears the labels; an empty one of a form that asks for everything does not', async () => {
    const found = await stage.cluster('dev-1');
    if (!found) throw new Error('no cluster');
    const ref = { kind: 'cluster', org, id: 'c1' } as const;
    await stage.put({ op: 'put', ref, record: { ...found, labels: { team: 'data' } } });
    const form = (text: string, values: Record<string, string>) => stage.say('dev', text, { source: 'form', values });
    const emptied = await form('cluster edit dev-1', { purpose: 'development', labels: '' });
    expect(words(emptied)).toContain('team=data → none');
    const untouched = await form('cluster edit', {
      cluster: 'dev-1',
      purpose: 'test',
      labels: '',
      unlabel: '',
      owner: '',
    });
    expect(words(untouched)).toContain('development → test');
    expect(words(untouched)).not.toContain('team=data');
    await stage.put({ op: 'put', ref, record: { ...found, labels: {} } });
    const other = await form('cluster edit dev-1', { purpose: 'test', labels: '' });
    expect(other.card?.buttons[0]?.command).not.toContain('labels');
  });

  test('nothing to change, wrong purpose, wrong labels', async () => {
    expect(words(await stage.say('dev', 'cluster edit dev-1 purpose=development'))).toMatch(/Nothing to change/);
    expect(words(await stage.say('dev', 'cluster edit dev-1 purpose=fun'))).toMatch(/purpose/);
    expect(words(await stage.say('dev', 'cluster edit dev-1 labels=team'))).toMatch(/key=value pairs/);
    expect(await stage.audit()).toEqual([]);
  });

  // S2 and S3: owner, state and credentials of a cluster could be set by whoever was logged in.
  test('S2 S3 nothing but purpose, labels and owner can be set, and by nobody else', async () => {
    for (const more of ['phase=Ready', 'openJob=x', 'externalName=x', 'role=admin', 'nodes=5'])
      expect(words(await stage.say('dev', `cluster edit dev-1 ${more}`))).toMatch(/cluster edit has no/);
    // A kubeconfig is a secret wherever it is written.
    expect(words(await stage.say('dev', 'cluster edit dev-1 kubeconfig=true'))).toMatch(/secret/);
    expect((await stage.say('mel', 'cluster edit dev-1 purpose=test')).card?.title).toBe('Not allowed');
  });
});
