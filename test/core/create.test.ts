import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { usualPatienceMs } from '../../src/bot/dispatch.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { openStage, org, type Stage, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;

beforeAll(async () => {
  provider = await startSandboxProvider(200);
});
afterAll(() => provider.stop());
beforeEach(async () => {
  // As long as people really wait.
  stage = await openStage({ provider, parts: { patienceMs: usualPatienceMs } });
});
afterEach(async () => {
  await provider.ask('PUT', '/v1/admin/faults', []);
  await stage.close();
});

const wish = (name: string, more = '') =>
  `cluster create ${name} on sandbox region=sandbox-north version=1.34.2 size=small nodes=2 ${more}`.trim();

describe('a member asks', () => {
  test('the request waits for approval, and the name is reserved', async () => {
    const answer = await stage.say('dev', wish('dev-1', 'labels="team=data"'));
    expect(answer.card?.title).toBe('Asked for cluster dev-1');
    const job = await stage.lastJob();
    expect(job).toMatchObject({ state: 'AwaitingApproval', kind: 'cluster.create', requestedBy: 'slack:T1:dev' });
    expect(job.plan.cost).toMatchObject({ perHour: expect.any(Number) });
    expect(await stage.cluster('dev-1')).toMatchObject({
      phase: 'Requested',
      openJob: job.id,
      owner: 'slack:T1:dev',
      labels: { team: 'data' },
      spec: { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 2 },
    });
    const approval = await stage.opened.store.get({ kind: 'approval', org, id: job.id });
    expect(approval?.record).toMatchObject({ state: 'pending', planHash: job.plan.hash });
    expect(await stage.audit()).toMatchObject([
      { action: 'cluster.create', outcome: 'requested', subject: 'dev-1', who: 'slack:T1:dev', job: job.id },
    ]);
    // Nothing was asked of the provider.
    expect(await provider.ask('GET', '/v1/clusters')).toMatchObject({ clusters: [] });
  });

  // plan-before-apply
  test('a line with an old plan hash asks all the same: the approver sees the plan', async () => {
    const answer = await stage.say('dev', wish('dev-1', 'plan=000000000000'));
    expect(answer.card?.title).toBe('Asked for cluster dev-1');
  });
});

describe('an admin asks', () => {
  test('plan first, then the job, bound to the plan', async () => {
    const plan = await stage.say('grace', wish('ops-1'));
    expect(plan.card).toMatchObject({
      title: 'Create cluster ops-1?',
      buttons: [{ label: 'Create it', style: 'primary' }],
    });
    expect(words(plan)).toMatch(/an hour, about/);
    expect(words(plan)).toMatch(/sandbox/i);
    expect(await stage.cluster('ops-1')).toBeUndefined();
    expect(await stage.audit()).toEqual([]);

    const made = await stage.press('grace', plan, 'Create it');
    expect(made.card?.title).toBe('Creating cluster ops-1');
    expect(await stage.lastJob()).toMatchObject({
      state: 'Queued',
      command: expect.stringContaining('cluster create ops-1'),
    });
  });

  test('for production another admin decides', async () => {
    await stage.say('grace', wish('prod-1', 'purpose=production'));
    expect(await stage.lastJob()).toMatchObject({ state: 'AwaitingApproval' });
  });

  // plan-before-apply
  test('a plan that no longer holds is shown anew and nothing is done', async () => {
    const plan = await stage.say('grace', wish('ops-1'));
    const line = plan.card?.buttons[0]?.command ?? '';
    const moved = await stage.say('grace', line.replace('nodes=2', 'nodes=3'), { source: 'button' });
    expect(moved.card?.title).toMatch(/the plan has changed/);
    expect(await stage.cluster('ops-1')).toBeUndefined();
    const made = await stage.press('grace', moved, 'Create it');
    expect(made.card?.title).toBe('Creating cluster ops-1');
  });

  test('labels over several lines come through the button as they were', async () => {
    const form = await stage.say('grace', 'cluster create ops-1 on sandbox', { source: 'open-form' });
    const plan = await stage.fill('grace', form, { labels: 'team=data\ntier=1\r\nbad\u202e=x' });
    const made = await stage.press('grace', plan, 'Create it');
    expect(made.card?.title).toBe('Creating cluster ops-1');
    expect((await stage.cluster('ops-1'))?.labels).toEqual({ team: 'data', tier: '1', bad: 'x' });
  });

  test('the whole way to a cluster that is ready', async () => {
    await stage.close();
    stage = await openStage({ provider, worker: true });
    await stage.press('grace', await stage.say('grace', wish('ops-2')), 'Create it');
    const ready = await eventually(
      'ops-2 is ready',
      async () => {
        const cluster = await stage.cluster('ops-2');
        return cluster?.phase === 'Ready' ? cluster : null;
      },
      { timeoutMs: 25_000 },
    );
    expect(ready).toMatchObject({ kubeconfig: true, endpoint: expect.stringMatching(/^https:/) });
    expect(ready.openJob).toBeUndefined();

    // secrets-stay: the personal credential goes to the requester's direct conversation, and only there.
    const access = await stage.say('grace', 'cluster access ops-2 as view for 30m');
    expect(words(access)).not.toMatch(/token:|certificate/);
    expect(access.files).toBeUndefined();
    expect(stage.handed).toHaveLength(1);
    const file = stage.handed[0]?.files[0];
    expect(file).toMatchObject({ name: 'ops-2.kubeconfig', content: expect.stringContaining('token:') });
    const token = /token: (\S+)/.exec(file?.content ?? '')?.[1] ?? 'no token';
    expect(stage.onDisk(token)).toBe(false);
    expect(JSON.stringify(stage.log.lines)).not.toContain(token);

    const refusedAccess = await stage.say('dev', 'cluster access ops-2');
    expect(refusedAccess.card?.title).toBe('Not allowed');
    expect(stage.handed).toHaveLength(1);

    const seen = await stage.say('dev', 'cluster check ops-2');
    expect(seen.card?.title).toMatch(/ops-2 is (healthy|degraded)/);

    const form = await stage.say('grace', 'cluster delete ops-2');
    await stage.fill('grace', form, { confirm: 'ops-2' });
    await eventually('it is gone', async () => (await stage.cluster('ops-2')) === undefined, { timeoutMs: 20_000 });
    expect(await provider.ask('GET', '/v1/clusters')).toMatchObject({ clusters: [] });
    const actions = (await stage.audit()).map(({ action, outcome }) => `${action} ${outcome}`);
    expect(actions).toEqual(
      expect.arrayContaining([
        'cluster.create requested',
        'cluster.access issued',
        'cluster.access refused',
        'cluster.delete requested',
      ]),
    );
  });
});

describe('what is missing or wrong opens the form', () => {
  test('with what was typed and the live choices', async () => {
    const answer = await stage.say('dev', 'cluster create dev-1 size=small');
    expect(answer.form).toMatchObject({ command: 'cluster create', private: false });
    const fields = new Map(answer.form?.fields.map((each) => [each.key, each]));
    expect(fields.get('name')?.value).toBe('dev-1');
    expect(fields.get('size')?.value).toBe('small');
    expect(fields.get('region')?.choices?.map(({ value }) => value)).toContain('sandbox-north');
    expect([...fields.values()].some(({ problem }) => problem)).toBe(false);
  });

  test('problems stand at their fields', async () => {
    const typed = await stage.say(
      'dev',
      wish('Dev_1', 'purpose=fun').replace('size=small', 'size=smal').replace('nodes=2', 'nodes=99'),
    );
    const problems = Object.fromEntries(
      typed.form?.fields.flatMap((each) => (each.problem ? [[each.key, each.problem]] : [])) ?? [],
    );
    expect(Object.keys(problems).sort()).toEqual(['name', 'nodes', 'purpose', 'size']);
    expect(problems.size).toMatch(/smal is not offered. Choose one of: small/);
    const form = await stage.fill('dev', typed, { purpose: 'test', size: 'small', nodes: '0', name: 'x'.repeat(31) });
    expect(form.problems?.map(({ field }) => field).sort()).toEqual(['name', 'nodes']);
    expect(await stage.audit()).toEqual([]);
  });

  test('a stray key is said, not dropped', async () => {
    const answer = await stage.say('dev', wish('dev-1', 'colour=red'));
    expect(answer.form?.intro).toContain('no field "colour"');
    expect(await stage.cluster('dev-1')).toBeUndefined();
  });

  test('1.34 means the newest of 1.34 on offer', async () => {
    await stage.say('dev', wish('dev-1').replace('1.34.2', '1.34'));
    expect((await stage.cluster('dev-1'))?.spec.version).toBe('1.34.2');
  });

  test('an unknown provisioner lists those there are', async () => {
    const answer = await stage.say('dev', 'cluster create dev-1 on moon');
    expect(words(answer)).toMatch(/no provisioner named moon.*There are: sandbox/);
  });
});

// S5: a member's cluster parameters overrode the provisioner's, and sent its password to another address.
describe('S5 a cluster never reaches a provisioner\u2019s parameters', () => {
  test.each(['url=https://evil.example', 'caBundle=x'])('%s', async (more) => {
    const answer = await stage.say('dev', wish('dev-1', more));
    expect(words(answer)).toMatch(/belongs to the provisioner/);
    expect(await stage.cluster('dev-1')).toBeUndefined();
  });
});

// S2: the creator could set owner, state and id.
test.each(['owner=slack:T1:grace', 'phase=Ready', 'id=x', 'org=other', 'openJob=x'])(
  'S2 %s cannot be set by its creator',
  async (more) => {
    const answer = await stage.say('dev', wish('dev-1', more));
    expect(answer.form?.intro).toContain('There is no field');
    expect(await stage.cluster('dev-1')).toBeUndefined();
  },
);

// R9 and D11: a repeated request made a second cluster of the same name.
describe('R9 D11 one click, one effect', () => {
  test('the same event four times at once', async () => {
    const four = await Promise.all([1, 2, 3, 4].map(() => stage.say('dev', wish('dev-1'), { eventId: 'same' })));
    expect(four.map(({ card }) => card?.title).sort()).toEqual([
      'Already done',
      'Already done',
      'Already done',
      'Asked for cluster dev-1',
    ]);
    expect((await stage.opened.store.page('job', org)).items).toHaveLength(1);
    expect(await stage.audit()).toHaveLength(1);
    const later = await stage.say('dev', wish('dev-1'), { eventId: 'same' });
    expect(later.card).toMatchObject({ title: 'Already done', buttons: [{ label: 'Show job' }] });
  });

  test('the same wish by another event shows the running job', async () => {
    await stage.say('dev', wish('dev-1'));
    const again = await stage.say('dev', wish('dev-1'));
    expect(words(again)).toContain('exactly this already');
    const job = await stage.press('dev', again, 'Show job');
    expect(job.card?.title).toContain('Create cluster dev-1');
  });

  test('of two who want the name at once exactly one gets it', async () => {
    const both = await Promise.all([stage.say('dev', wish('dev-1')), stage.say('mel', wish('dev-1'))]);
    const won = both.filter(({ card }) => card?.title === 'Asked for cluster dev-1');
    const lost = both.filter(({ card }) => card?.title !== 'Asked for cluster dev-1');
    expect([won.length, lost.length]).toEqual([1, 1]);
    expect(words(lost[0] ?? { audience: 'caller' })).toMatch(/name dev-1 is taken.*It is a cluster of (Dev|Mel)/);
    expect((await stage.opened.store.page('cluster', org)).items).toHaveLength(1);
  });

  test('a taken name stands at its field in a form', async () => {
    await stage.say('dev', wish('dev-1'));
    const form = await stage.say('mel', 'cluster create dev-1 on sandbox', { source: 'open-form' });
    const answer = await stage.fill('mel', form, {});
    expect(answer.problems).toMatchObject([{ field: 'name', message: expect.stringContaining('is taken') }]);
  });
});

// D3: a request was recorded before it was known whether it could be done, and blocked its person for hours.
test('D3 a refused request leaves nothing behind', async () => {
  await stage.say('dev', wish('dev-1', 'colour=red'));
  const answer = await stage.say('dev', wish('dev-1'));
  expect(answer.card?.title).toBe('Asked for cluster dev-1');
});

describe('a provider that does not answer', () => {
  test('costs the plan its price, not the person their answer', async () => {
    await provider.ask('PUT', '/v1/admin/faults', [{ match: { pathPrefix: '/v1/catalog' }, effect: { hang: true } }]);
    const began = performance.now();
    const answer = await stage.say('dev', wish('dev-1'));
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(answer.card?.title).toBe('Asked for cluster dev-1');
    expect((await stage.lastJob()).plan).toMatchObject({ cost: null, costNote: expect.stringContaining('Unknown') });
  });

  test('hangs in provisioner check: an answer within 2.5 s, the result later in the same place', async () => {
    await provider.ask('PUT', '/v1/admin/faults', [
      { match: { pathPrefix: '/v1/account' }, times: 1, effect: { delayMs: 2_600 } },
    ]);
    const began = performance.now();
    const answer = await stage.say('grace', 'provisioner check sandbox');
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(answer.card?.title).toBe('Still working');
    const later = await eventually('the answer is told', () => stage.told[0]);
    expect(later.answer.card?.title).toBe('Provisioner sandbox: OK');
    expect(later.inbound.place.conversation).toBe('C1');
  });
});
