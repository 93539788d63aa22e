import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Outbound } from '../../src/bot/inbound.ts';
import type { Cluster } from '../../src/core/records.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, people, provisionerRecord, type Stage, words } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const rowsOf = (answer: Outbound): string[][] =>
  answer.card?.parts.flatMap((part) => (part.part === 'table' ? part.rows : [])) ?? [];
const names = (answer: Outbound): string[] => rowsOf(answer).map(([name]) => name ?? '');
const number = (index: number) => String(index).padStart(2, '0');

async function fleet(size: number, change: (index: number) => Partial<Cluster> = () => ({})): Promise<void> {
  for (let index = 1; index <= size; index += 1) {
    const cluster = sampleCluster(`c${index}`, {
      name: `dev-${number(index)}`,
      createdAt: 1_700_000_000_000 + index,
      ...change(index),
    });
    await stage.put(...clusterChanges(cluster));
  }
}

describe('clusters', () => {
  // R7: `order=asc` sorted descending, `limit` was ignored, the total was counted wrongly.
  test('R7 45 of them are three pages, in order, forth and back', async () => {
    await fleet(45);
    const first = await stage.say('dev', 'clusters');
    expect(first.card?.title).toBe('45 clusters, page 1 of 3');
    expect(names(first)).toEqual(Array.from({ length: 20 }, (_, index) => `dev-${number(index + 1)}`));
    expect(first.card?.buttons.map(({ label }) => label)).toEqual(['Next page']);
    const second = await stage.press('dev', first, 'Next page');
    expect(names(second)[0]).toBe('dev-21');
    const third = await stage.press('dev', second, 'Next page');
    expect(names(third)).toEqual(['dev-41', 'dev-42', 'dev-43', 'dev-44', 'dev-45']);
    expect(third.card?.buttons.map(({ label }) => label)).toEqual(['Previous page']);
    expect(names(await stage.press('dev', third, 'Previous page'))).toEqual(names(second));
    expect(names(await stage.say('dev', 'clusters order=asc'))).toEqual(names(first));
    expect(names(await stage.say('dev', 'clusters order=desc'))[0]).toBe('dev-45');
  });

  test('sorted by what is asked, and pages keep the question', async () => {
    await fleet(22, (index) => ({ createdAt: 1_700_000_000_000 - index, phase: index % 2 ? 'Ready' : 'Failed' }));
    const oldest = await stage.say('dev', 'clusters sort=created');
    expect(names(oldest)[0]).toBe('dev-22');
    expect(names(await stage.press('dev', oldest, 'Next page'))).toEqual(['dev-02', 'dev-01']);
    expect(names(await stage.say('dev', 'clusters sort=created order=desc'))[0]).toBe('dev-01');
    const failed = await stage.say('dev', 'clusters phase=failed sort=created order=desc');
    expect(failed.card?.title).toBe('11 clusters');
    expect(names(failed).slice(0, 2)).toEqual(['dev-02', 'dev-04']);
  });

  test('mine, by condition, and what cannot be read is said', async () => {
    await fleet(3, (index) =>
      index === 2 ? { owner: people.dev.id, ownerName: 'Dev', labels: { team: 'data science' } } : {},
    );
    expect(names(await stage.say('dev', 'clusters mine'))).toEqual(['dev-02']);
    expect(names(await stage.say('dev', 'clusters label.team="data science"'))).toEqual(['dev-02']);
    expect(words(await stage.say('dev', 'clusters colour=red'))).toMatch(/colour=red: there is no field colour/);
    expect(words(await stage.say('dev', 'clusters phase=gone'))).toMatch(/No cluster matches/);
    expect(words(await stage.say('dev', 'clusters sort=colour'))).toMatch(/sort/);
    expect(words(await stage.say('dev', 'clusters page=0'))).toMatch(/page/);
    expect((await stage.say('dev', 'clusters page=99')).card?.buttons.map(({ label }) => label)).toContain(
      'Previous page',
    );
  });

  test('a cluster that was never looked at says so, and none is not an error', async () => {
    expect((await stage.say('dev', 'clusters')).card).toMatchObject({
      text: 'There are no clusters yet.',
      buttons: [{ label: 'Create a cluster' }],
    });
    await fleet(1);
    expect(rowsOf(await stage.say('dev', 'clusters'))[0]?.at(-1)).toBe('never');
  });

  // R2: one broken cluster broke the whole list. R5, D17: a list asked every provider.
  test('R2 R5 D17 a cluster without a provider, a version or an engine is one row, and nobody is asked', async () => {
    await fleet(3, (index) =>
      index === 2 ? { engine: 'gone', provisioner: 'gone', provisionerName: 'gone', phase: 'Unknown' } : {},
    );
    await stage.put(...provisionerRecord('dead'));
    const began = performance.now();
    const answers = await Promise.all(
      ['clusters', 'health', 'cluster show dev-02', 'provisioners', 'jobs'].map((line) => stage.say('dev', line)),
    );
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(names(answers[0] ?? { audience: 'caller' })).toEqual(['dev-01', 'dev-02', 'dev-03']);
    expect(words(answers[1] ?? { audience: 'caller' })).toContain('dev-02');
    expect(answers[2]?.card?.title).toBe('Cluster dev-02: Unknown');
  });

  test('near names are suggested', async () => {
    await fleet(2);
    expect(words(await stage.say('dev', 'cluster show dev-1'))).toMatch(/no cluster named dev-1.*Did you mean dev-01/);
  });
});

describe('the other lists', () => {
  test('jobs, approvals, audit, health: pages and empty ones', async () => {
    for (const [line, text] of [
      ['jobs', /no jobs yet/],
      ['jobs failed', /No jobs match/],
      ['approvals', /Nothing of yours waits/],
      ['health', /no clusters yet/],
      ['provisioners', /an admin adds one/],
    ] as const)
      expect(words(await stage.say('dev', line))).toMatch(text);
    expect(words(await stage.say('grace', 'audit'))).toMatch(/Nothing is recorded/);

    await stage.put(...provisionerRecord('lab'));
    for (let index = 1; index <= 12; index += 1)
      await stage.say('dev', `cluster create dev-${number(index)} on lab region=a version=1 size=s nodes=1`);
    const jobs = await stage.say('mel', 'jobs');
    expect(jobs.card?.title).toBe('Jobs, page 1 of 2');
    expect(rowsOf(jobs)[0]?.[1]).toBe('Create cluster dev-12');
    expect(rowsOf(await stage.press('mel', jobs, 'Next page')).map(([, what]) => what)).toEqual([
      'Create cluster dev-02',
      'Create cluster dev-01',
    ]);
    expect(words(await stage.say('mel', 'jobs mine'))).toMatch(/No jobs match/);
    expect(rowsOf(await stage.say('grace', 'approvals'))).toHaveLength(12);
    expect(words(await stage.say('mel', 'approvals'))).toMatch(/Nothing of yours/);
    const look = await stage.press('grace', await stage.say('grace', 'approvals'), 'Look at');
    expect(look.card?.buttons.map(({ label }) => label)).toEqual(['Approve', 'Approve with a note', 'Deny']);
    const audit = await stage.say('grace', 'audit dev-07');
    expect(rowsOf(audit)).toHaveLength(1);
    expect(rowsOf(await stage.say('grace', 'audit @dev'))).toHaveLength(12);
    expect(rowsOf(await stage.say('grace', 'audit'))[0]?.[3]).toBe('dev-12');
  });

  test('the requester sees no Approve on their own request', async () => {
    await stage.put(...provisionerRecord('lab'));
    await stage.say('dev', 'cluster create dev-1 on lab region=a version=1 size=s nodes=1');
    const own = await stage.say('dev', `job show ${(await stage.lastJob()).id}`);
    expect(own.card?.buttons.map(({ label }) => label)).toEqual(['Cancel']);
  });

  test('whoami, version and engines', async () => {
    expect(words(await stage.say('dev', 'whoami'))).toMatch(
      /You are Dev, member of the organisation default.*slack:T1:dev/,
    );
    expect(words(await stage.say('grace', 'me'))).toContain('superadmin');
    expect(words(await stage.say('dev', 'version'))).toContain('KQueen 1.2.3');
    expect(words(await stage.say('dev', 'engines'))).toMatch(/sandbox.*API token/i);
  });
});

describe('clusters as a file', () => {
  test('CSV and JSON hold all that match, whatever the page, and formulas stay text', async () => {
    await fleet(25, (index) =>
      index === 3 ? { labels: { team: 'data' }, ownerName: '=HYPERLINK("x")', summary: '3 × small, "eu"' } : {},
    );
    const answer = await stage.say('dev', 'clusters as=csv page=2', { private: true });
    const file = stage.handed.at(-1)?.files[0] ?? answer.files?.[0];
    expect(file?.name).toBe('clusters.csv');
    const lines = file?.content.trim().split('\r\n') ?? [];
    expect(lines).toHaveLength(26);
    expect(lines[0]).toMatch(/^name,phase,health,/);
    expect(lines[3]).toContain(`"3 × small, ""eu"""`);
    expect(lines[3]).toContain(`"'=HYPERLINK(""x"")"`);
    const json = await stage.say('dev', 'clusters label=data as=json', { private: true });
    const listed = JSON.parse((stage.handed.at(-1)?.files[0] ?? json.files?.[0])?.content ?? '[]') as {
      name: string;
    }[];
    expect(listed.map(({ name }) => name)).toEqual(['dev-03']);
  });

  test('a label is found by its key, by its value, and not by anything else', async () => {
    await fleet(3, (index) => (index === 2 ? { labels: { tier: 'data' } } : {}));
    expect(names(await stage.say('dev', 'clusters label=data'))).toEqual(['dev-02']);
    expect(names(await stage.say('dev', 'clusters label=tier'))).toEqual(['dev-02']);
    expect(names(await stage.say('dev', 'clusters label!=tier'))).toEqual(['dev-01', 'dev-03']);
    expect(words(await stage.say('dev', 'clusters label=dat'))).toMatch(/No cluster matches/);
    expect(words(await stage.say('dev', 'clusters label<3'))).toMatch(/labels can be compared/);
  });
});
