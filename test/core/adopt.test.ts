/** Clusters that exist at a provider: listed whoever made them, taken over with their owner named, and let go again. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Outbound } from '../../src/bot/inbound.ts';
import { type Cluster, endedStates } from '../../src/core/records.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, org, people, provisionerRecord, type Stage, type Who, words } from './stage.ts';

let provider: SandboxProvider;
let stage: Stage;
let made = 0;

const spec = { region: 'sandbox-north', version: '1.33.6', size: 'small', nodes: 1 };

interface Listed {
  name: string;
  status: string;
  labels: Record<string, string>;
}

beforeAll(async () => {
  provider = await startSandboxProvider(400);
  await provider.ask('PUT', '/v1/admin/quota', { clusters: 100, nodes: 500 });
});
afterAll(() => provider.stop());
beforeEach(async () => {
  stage = await openStage({ provider, worker: true });
});
afterEach(async () => {
  await provider.ask('DELETE', '/v1/admin/faults');
  await stage.close();
});

const there = (name: string) => provider.ask('GET', `/v1/clusters/${name}`) as Promise<Listed>;

/** A cluster that somebody made at the provider without KQueen. */
async function legacy(labels: Record<string, string> = {}, wait = true): Promise<string> {
  made += 1;
  const name = `legacy-${made}`;
  await provider.ask('POST', '/v1/clusters', { ...spec, name, labels });
  if (wait)
    await eventually(`${name} runs`, async () => (await there(name)).status === 'RUNNING', { timeoutMs: 20_000 });
  return name;
}

/** The row of a cluster in an answer's table. */
function rowOf(answer: Outbound, name: string): string[] | undefined {
  const table = answer.card?.parts.find((part) => part.part === 'table');
  return table?.part === 'table' ? table.rows.find(([first]) => first === name) : undefined;
}

async function end(): Promise<string> {
  return eventually(
    'the job has ended',
    async () => {
      const job = await stage.lastJob();
      return endedStates.includes(job.state) ? `${job.state}: ${job.note}` : null;
    },
    { timeoutMs: 30_000 },
  );
}

async function adopted(who: Who, name: string, as: string, more = 'purpose=test'): Promise<Cluster> {
  const plan = await stage.say(who, `cluster adopt ${name} on sandbox name=${as} ${more}`);
  await stage.press(who, plan, 'Adopt it');
  expect(await end()).toMatch(/^Succeeded/);
  const cluster = await stage.cluster(as);
  if (!cluster) throw new Error('no record');
  return cluster;
}

describe('discover', () => {
  test('lists what is at the provider, managed or not, and says whose it is', async () => {
    const free = await legacy({ owner: 'ops-team' });
    const elsewhere = await legacy({ 'kqueen-cluster': 'zz1', 'kqueen-org': 'another' }, false);
    const unknown = await legacy({ 'kqueen-cluster': 'lost1', 'kqueen-org': org }, false);
    const ours = await legacy({ 'kqueen-cluster': 'mine1', 'kqueen-org': org }, false);
    const at = stage.opened.cache.query('provisioner', org).items[0];
    const record = { name: 'ours-1', externalName: ours, provisioner: at?.id ?? '', ownerName: 'Dev' };
    await stage.put(...clusterChanges(sampleCluster('mine1', record)));

    const answer = await stage.say('anna', 'provisioner discover sandbox');
    expect(rowOf(answer, free)).toEqual([
      free,
      'sandbox-north',
      'running',
      '1.33.6',
      '1',
      expect.stringMatching(/^Not KQueen's/),
    ]);
    expect(rowOf(answer, elsewhere)?.[5]).toMatch(/another organisation of KQueen \(another\)/);
    expect(rowOf(answer, unknown)?.[5]).toMatch(/another KQueen, or its record was lost \(id lost1\)/);
    expect(rowOf(answer, ours)?.[5]).toBe('ours-1 of Dev');
    // Only what can be adopted now has a button: nobody's, and running.
    expect(answer.card?.buttons.map(({ command }) => command)).toContain(`cluster adopt ${free} sandbox`);
    expect(words(answer)).not.toContain(`cluster adopt ${elsewhere}`);
    expect(words(answer)).not.toContain(`cluster adopt ${ours}`);
    const others = await stage.say('anna', 'provisioner discover sandbox others');
    expect(rowOf(others, ours)).toBeUndefined();
    expect(rowOf(others, free)).toBeDefined();
    // Nothing was kept of it.
    expect((await stage.audit()).filter(({ action }) => action.includes('discover'))).toEqual([]);
  });

  test('goes over pages', async () => {
    for (let count = 0; count < 16; count += 1) await legacy({}, false);
    const first = await stage.say('anna', 'provisioner discover sandbox');
    expect(first.card?.title).toMatch(/page 1 of \d/);
    const second = await stage.press('anna', first, 'Next page');
    expect(second.card?.title).toMatch(/page 2 of \d/);
    const names = (answer: Outbound) => {
      const table = answer.card?.parts.find((part) => part.part === 'table');
      return table?.part === 'table' ? table.rows.map(([name]) => name) : [];
    };
    expect(names(first)).toHaveLength(15);
    expect(names(first).filter((name) => names(second).includes(name))).toEqual([]);
    // A wall of buttons helps nobody: three to press, the others are typed.
    await eventually('four can be adopted', async () => {
      const answer = await stage.say('anna', 'provisioner discover sandbox others');
      const adopt = answer.card?.buttons.filter(({ label }) => label.startsWith('Adopt')) ?? [];
      expect(adopt.length).toBeLessThanOrEqual(3);
      return adopt.length === 3 && words(answer).includes('cluster adopt <name> on sandbox');
    });
  });

  test('says which clusters with a record the list does not show', async () => {
    const at = stage.opened.cache.query('provisioner', org).items[0];
    await stage.put(
      ...clusterChanges(sampleCluster('c9', { name: 'gone-1', externalName: 'nowhere', provisioner: at?.id ?? '' })),
    );
    const answer = await stage.say('anna', 'provisioner discover sandbox');
    expect(words(answer)).toMatch(/does not show gone-1 \(there nowhere\).*may be incomplete, or they are gone/);
    expect(answer.card?.tone).toBe('warn');
  });

  test('a list that is not whole is no list', async () => {
    await provider.ask('PUT', '/v1/admin/faults', [
      { match: { method: 'GET', pathPrefix: '/v1/clusters' }, times: null, effect: { truncate: true } },
    ]);
    const answer = await stage.say('anna', 'provisioner discover sandbox');
    const told = await eventually('it is told', () =>
      answer.card?.title === 'Working on it' ? stage.told[0]?.answer : answer,
    );
    expect(words(told)).not.toMatch(/clusters? at sandbox/);
    expect(told.card?.parts.some(({ part }) => part === 'table')).toBe(false);
  });

  test('an engine without a list says what to do instead', async () => {
    await stage.put(...provisionerRecord('existing', { engine: 'manual', params: {} }));
    const answer = await stage.say('anna', 'provisioner discover existing');
    expect(words(answer)).toMatch(/no list of its clusters.*cluster import/);
    expect(words(await stage.say('anna', 'cluster adopt x on existing'))).toMatch(/cannot be adopted.*cluster import/);
  });
});

describe('adopt', () => {
  test('form, plan, approval, mark at the provider; then it is a cluster like others, and is let go again', async () => {
    const name = await legacy({ owner: 'ops-team' });
    const form = await stage.say('grace', `cluster adopt ${name} on sandbox`);
    const value = (key: string) => form.form?.fields.find((each) => each.key === key)?.value;
    expect([value('name'), value('owner'), value('purpose')]).toEqual([name, 'Grace', 'production']);
    expect(form.form?.intro).toMatch(/running/);
    await stage.say('dev', 'clusters');
    const plan = await stage.fill('grace', form, { name: 'old-1', owner: people.anna.id, labels: 'team=data' });
    // What changes is said before anything does.
    expect(plan.card?.title).toBe('Adopt cluster old-1?');
    expect(words(plan)).toMatch(/marked as KQueen's; nothing else is changed/);
    expect(words(plan)).toMatch(/scale, upgrade and delete/);
    expect(words(plan)).toMatch(/Anna/);
    expect((await there(name)).labels).toEqual({ owner: 'ops-team' });
    expect(await stage.cluster('old-1')).toBeUndefined();

    const asked = await stage.press('grace', plan, 'Adopt it');
    expect(asked.card?.title).toBe('Asked to adopt old-1');
    const waiting = await stage.lastJob();
    expect(waiting).toMatchObject({ kind: 'cluster.adopt', state: 'AwaitingApproval' });
    expect(words(await stage.say('grace', `approve ${waiting.id}`))).toMatch(/another person decides/);
    expect((await stage.say('anna', `approve ${waiting.id}`)).card?.title).toBe('Approved');
    expect(await end()).toMatch(/^Succeeded/);

    const cluster = await stage.cluster('old-1');
    expect(cluster).toMatchObject({
      origin: 'adopted',
      phase: 'Ready',
      externalName: name,
      owner: people.anna.id,
      ownerName: 'Anna',
      purpose: 'production',
      labels: { team: 'data' },
      spec: { region: 'sandbox-north', version: '1.33.6', nodes: 1 },
      kubeconfig: true,
    });
    expect((await there(name)).labels).toEqual({
      owner: 'ops-team',
      'kqueen-cluster': cluster?.id,
      'kqueen-org': org,
    });
    expect(words(await stage.say('anna', 'cluster show old-1'))).toMatch(/Adopted: somebody else made it/);
    expect((await stage.say('anna', 'cluster access old-1')).card?.title).toBe('Access to old-1');

    const sure = await stage.say('anna', 'cluster detach old-1');
    expect(sure.form?.intro).toMatch(/mark is taken away/);
    await stage.fill('anna', sure, { confirm: 'old-1' });
    await stage.say('grace', `approve ${(await stage.lastJob()).id}`);
    expect(await end()).toMatch(/^Succeeded/);
    expect(await stage.cluster('old-1')).toBeUndefined();
    expect(await there(name)).toMatchObject({ status: 'RUNNING', labels: { owner: 'ops-team' } });
    const trail = (await stage.audit())
      .filter(({ subject }) => subject === 'old-1')
      .map(({ action, outcome }) => `${action} ${outcome}`);
    expect(trail).toEqual(
      expect.arrayContaining(['cluster.adopt requested', 'cluster.adopt done', 'cluster.detach done']),
    );
  });

  test('an admin adopts what is not for production at once', async () => {
    const name = await legacy();
    const cluster = await adopted('anna', name, 'team-1');
    expect(cluster).toMatchObject({ owner: people.anna.id, purpose: 'test' });
    // And again is no second one.
    const again = await stage.say('anna', `cluster adopt ${name} on sandbox name=team-2 purpose=test`);
    expect(words(again)).toMatch(/cluster of KQueen already: team-1 of Anna/);
  });

  test('R9 a plan that no longer holds is shown anew, and nothing is done', async () => {
    const name = await legacy();
    const answer = await stage.say('anna', `cluster adopt ${name} on sandbox name=x-1 purpose=test plan=000000000000`);
    expect(answer.card?.title).toMatch(/the plan has changed/);
    expect((await there(name)).labels).toEqual({});
    expect(await stage.cluster('x-1')).toBeUndefined();
  });

  test('what is wrong is said at its field', async () => {
    const name = await legacy();
    await stage.put(...clusterChanges(sampleCluster('c7', { name: 'taken-1' })));
    const at = (answer: Outbound) => answer.problems?.map(({ field }) => field);
    const form = await stage.say('anna', `cluster adopt ${name} on sandbox`);
    expect(at(await stage.fill('anna', form, { name: 'Not A Name' }))).toEqual(['name']);
    const nobody = await stage.fill('anna', form, { owner: 'nobody' });
    expect(at(nobody)).toEqual(['owner']);
    expect(words(nobody)).toMatch(/does not know nobody/);
    expect(at(await stage.fill('anna', form, { labels: 'x' }))).toEqual(['labels']);
    expect(words(await stage.fill('anna', form, { name: 'taken-1' }))).toMatch(/name taken-1 is taken/);
    expect(words(await stage.say('anna', `cluster adopt ${name.replace('legacy', 'legaci')} on sandbox`))).toMatch(
      new RegExp(`lists no cluster named.*Did you mean.*${name}`),
    );
    expect((await there(name)).labels).toEqual({});
  });

  test("what is another's stays another's", async () => {
    const elsewhere = await legacy({ 'kqueen-cluster': 'zz1', 'kqueen-org': 'another' });
    const strange = await legacy({ 'kqueen-cluster': 'NOT_an_id', 'kqueen-org': org });
    const say = async (name: string) =>
      words(await stage.say('anna', `cluster adopt ${name} on sandbox name=n-1 purpose=test`));
    expect(await say(elsewhere)).toMatch(/another organisation of KQueen, another/);
    expect(await say(strange)).toMatch(/none of KQueen's ids/);
    await provider.ask('PUT', '/v1/admin/faults', [
      { operation: 'create', times: null, effect: { stuckAtPercent: 30 } },
    ]);
    expect(await say(await legacy({}, false))).toMatch(/cannot be adopted now\. It is still being created/);
    expect((await there(elsewhere)).labels['kqueen-org']).toBe('another');
    expect(await stage.cluster('n-1')).toBeUndefined();
  });

  test('a cluster whose record was lost comes back under the id of its mark', async () => {
    const name = await legacy({ 'kqueen-cluster': 'lost7', 'kqueen-org': org });
    const plan = await stage.say('anna', `cluster adopt ${name} on sandbox name=back-1 purpose=test`);
    expect(words(plan)).toMatch(/without a record here \(id lost7\).*another KQueen/);
    await stage.press('anna', plan, 'Adopt it');
    expect(await end()).toMatch(/^Succeeded/);
    expect(await stage.cluster('back-1')).toMatchObject({ id: 'lost7', phase: 'Ready', origin: 'adopted' });
  });

  test('denied, nothing is left of the request', async () => {
    const name = await legacy();
    const plan = await stage.say('grace', `cluster adopt ${name} on sandbox name=no-1`);
    await stage.press('grace', plan, 'Adopt it');
    const { id } = await stage.lastJob();
    await stage.say('anna', `deny ${id} because it belongs to ops`);
    expect(await stage.cluster('no-1')).toBeUndefined();
    expect((await there(name)).labels).toEqual({});
  });

  // Deleting takes a creation over without an approval; an adoption is no creation, and what it is about is somebody's.
  test('while it is asked for or under way it cannot be deleted instead', async () => {
    const name = await legacy();
    const plan = await stage.say('grace', `cluster adopt ${name} on sandbox name=busy-1`);
    await stage.press('grace', plan, 'Adopt it');
    const answer = await stage.say('grace', 'cluster delete busy-1 confirm=busy-1');
    expect(words(answer)).toMatch(/busy-1 is busy: adopt asked for by Grace/);
    expect(await there(name)).toMatchObject({ status: 'RUNNING', labels: {} });
    expect(await stage.lastJob()).toMatchObject({ kind: 'cluster.adopt', state: 'AwaitingApproval' });
  });

  test('what KQueen made is not detached', async () => {
    const record = { name: 'made-1', owner: people.dev.id };
    await stage.put(...clusterChanges(sampleCluster('c8', record)));
    const answer = await stage.say('dev', 'cluster detach made-1 confirm=made-1');
    expect(words(answer)).toMatch(/made by KQueen, so it is deleted/);
    expect(answer.card?.buttons).toMatchObject([{ label: 'Delete', command: 'cluster delete made-1' }]);
    expect(await stage.cluster('made-1')).toBeDefined();
  });
});
