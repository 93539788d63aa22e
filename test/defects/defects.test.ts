/**
 * Defects that other bots and cluster services of this kind have had, each as a test of ours by its number. Those that have a better place
 * elsewhere are tested there; the last test here sees that none is missing.
 */
import { globSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { parse } from '../../src/bot/grammar.ts';
import { registry } from '../../src/core/commands/index.ts';
import { estimate } from '../../src/core/eta.ts';
import { parseDuration } from '../../src/core/units.ts';
import {
  clusterChanges,
  openStage,
  people,
  provisionerRecord,
  type Stage,
  type StageOptions,
  words,
} from '../core/stage.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';
import { sampleCluster } from '../store/parts.ts';

const org = 'default';
const wish = 'cluster create dev-1 on lab region=a version=1 size=s nodes=1';
const real = 'on sandbox region=sandbox-north version=1.34.2 size=small nodes=1';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(options: StageOptions = {}): Promise<Stage> {
  const stage = await openStage(options);
  closing.push(() => stage.close());
  return stage;
}

async function openProvider(): Promise<SandboxProvider> {
  const provider = await startSandboxProvider(400);
  closing.push(() => provider.stop());
  return provider;
}

// The peer told the latest end of all clusters as the time of the next free slot.
test('D2 a time that is told is the usual one of what it is about, never the worst of all', async () => {
  const minute = 60_000;
  const usual = estimate(
    [5, 6, 6, 7, 90].map((each) => each * minute),
    0,
  );
  expect(usual?.total).toBe(6 * minute);
  // Where a quota is used up nobody knows when there is room again: what to do is told, and no time.
  const provider = await openProvider();
  await provider.ask('PUT', '/v1/admin/quota', { clusters: 0, nodes: 0 });
  const stage = await open({ provider, worker: true });
  await stage.press('grace', await stage.say('grace', `cluster create dev-1 ${real}`), 'Create it');
  const { id } = await stage.lastJob();
  const job = await eventually(
    'the end',
    async () => ((await stage.job(id)).state === 'Failed' ? stage.job(id) : null),
    {
      timeoutMs: 20_000,
    },
  );
  const shown = words(await stage.say('grace', `job show ${job.id}`));
  expect(shown).toMatch(/quota/i);
  expect(shown).not.toMatch(/(?:available|free|again|slot) in (?:about )?\d+/i);
});

// The peer warned of an unusual name and then did nothing.
test('D4 what is not refused is done, however unusual', async () => {
  const stage = await open();
  await stage.put(...provisionerRecord('lab'));
  const unusual = [
    'cluster create x on lab region=a version=1 size=s nodes=1',
    'cluster create a-very-long-name-that-is-still-fine-1 on lab region=a version=1 size=s nodes=1 purpose=production',
    'cluster create test-custom on lab region=never-heard-of version=v1 size=odd nodes=1 labels="team=data"',
  ];
  for (const line of unusual) {
    const answer = await stage.say('dev', line);
    const name = line.split(' ')[2] ?? '';
    const wasDone = (await stage.cluster(name)) !== undefined;
    // A warning alone is no outcome: either it is asked for, or it is refused and says what to change.
    expect([line, wasDone]).toEqual([line, answer.card?.tone === 'busy']);
    if (!wasDone) expect(answer.form ?? answer.card?.tone).toBeTruthy();
  }
  expect(await stage.cluster('x')).toBeDefined();
});

// The peer compared nanoseconds with hours, so that no duration was ever too long.
describe('D5 the longest duration holds in every unit', () => {
  const longest = 3_600;
  const shortest = 600;

  test.each(['1h', '8h', '999999h', '60m', '3600s', '86400', '30d', '999999999w', '10m', '1s', '0'])(
    '%s',
    async (text) => {
      const stage = await open({ parts: { publicUrl: 'https://kqueen.example' } });
      const lab = provisionerRecord('lab');
      const own = { name: 'dev-1', owner: people.dev.id, provisioner: 'lab', kubeconfig: true };
      await stage.put(...lab, ...clusterChanges(sampleCluster('c1', own)));
      await stage.say('dev', `cluster access dev-1 for ${text}`);
      const { items } = await stage.opened.store.page('handout', org, { limit: 10 });
      for (const { record } of items) {
        expect(record.seconds).toBeLessThanOrEqual(longest);
        expect(record.seconds).toBeGreaterThanOrEqual(shortest);
      }
      expect(items).toHaveLength(1);
    },
  );

  test('a duration is read in its own unit', () => {
    const units = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
        (n, unit) => {
          expect(parseDuration(`${n}${unit}`)).toBe(n * units[unit] * 1_000);
        },
      ),
    );
  });
});

// The peer took the first of several platforms and dropped the others.
test('D6 nothing that was typed is dropped in silence', () => {
  const refused = [
    'cluster create dev-1 on gke on aks',
    'cluster create dev-1 provisioner=gke provisioner=aks',
    'cluster create dev-1 gke aks',
    'cluster show dev-1 dev-2',
    'cluster scale dev-1 nodes=3 nodes=4',
    'cluster show dev-1 colour=red',
    'cluster show dev-1 --colour red',
  ];
  for (const line of refused) {
    const parsed = parse(line, registry);
    expect(parsed.is, line).toBe('problem');
    if (parsed.is === 'problem') expect(parsed.message, line).toMatch(/twice|what ".+" is for|has no/);
  }
});

// The peer returned success as an error, so that nobody could tell them apart.
test('D7 success and failure are told apart in the answer, the count and the audit', async () => {
  const counted: string[] = [];
  const stage = await open({ parts: { onCommand: (name, outcome) => counted.push(`${name} ${outcome}`) } });
  await stage.put(...provisionerRecord('lab'));
  const done = await stage.say('dev', 'cluster create', {
    source: 'form',
    values: { name: 'dev-1', provisioner: 'lab', region: 'a', version: '1', size: 's', nodes: '1' },
  });
  expect(done.problems).toBeUndefined();
  expect(done.card?.tone).toBe('busy');
  const failed = await stage.say('dev', 'cluster create', {
    source: 'form',
    values: { name: 'dev-1', provisioner: 'lab', region: 'a', version: '2', size: 's', nodes: '1' },
  });
  expect(failed.problems).toMatchObject([{ field: 'name' }]);
  expect((await stage.say('dev', 'audit')).card?.tone).toBe('warn');
  expect(counted).toEqual(['cluster create ok', 'cluster create fault', 'audit refused']);
  expect((await stage.audit()).map(({ action, outcome }) => `${action} ${outcome}`).sort()).toEqual([
    'audit refused',
    'cluster.create requested',
  ]);
});

// The peer wrote a map from its event loop while workers read it.
test('D14 many people at once each get their own answer', async () => {
  const stage = await open({ parts: { patienceMs: 60_000 } });
  await stage.put(...provisionerRecord('lab'));
  const names = Array.from({ length: 60 }, (_, index) => `person-${index}`);
  const answers = await Promise.all(
    names.flatMap((name) => {
      const person = { id: `slack:T1:${name}`, name, external: null };
      return [
        stage.say('dev', 'whoami', { person }),
        stage.say('dev', wish.replace('dev-1', `of-${name}`), { person }),
      ];
    }),
  );
  for (const [index, name] of names.entries()) {
    expect(answers[index * 2]?.card?.title).toBe(name);
    const told = words(answers[index * 2 + 1] ?? { audience: 'caller' });
    expect(new Set(told.match(/of-person-\d+/g) ?? [])).toEqual(new Set([`of-${name}`]));
    expect((await stage.cluster(`of-${name}`))?.ownerName).toBe(name);
  }
});

// The peer set the state in memory and never saved it: the record said "provisioning" until a time-out.
test('D15 a creation that the provider refuses is in the store as failed, with the reason', async () => {
  const provider = await openProvider();
  await provider.ask('PUT', '/v1/admin/quota', { clusters: 0, nodes: 0 });
  const stage = await open({ provider, worker: true });
  await stage.press('grace', await stage.say('grace', `cluster create dev-1 ${real}`), 'Create it');
  const failed = await eventually(
    'the record says so',
    async () => {
      const cluster = await stage.cluster('dev-1');
      return cluster?.phase === 'Failed' ? cluster : null;
    },
    { timeoutMs: 20_000 },
  );
  expect(failed.openJob).toBeUndefined();
  const job = await stage.lastJob();
  expect(job).toMatchObject({ state: 'Failed', note: expect.stringMatching(/quota/i) });
  expect(words(await stage.say('dev', 'clusters'))).toMatch(/Failed/);
});

// The peer refreshed every state inside the request for a list, so that a silent cloud hung it.
test('D17 a list asks no provider and is there at once while a provider hangs', async () => {
  let asked = 0;
  const silent: Server = createServer(() => {
    asked += 1;
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<{ destroy(): unknown }>();
  silent.on('connection', (socket) => sockets.add(socket));
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  const stage = await open();
  const url = `https://127.0.0.1:${address.port}`;
  await stage.put(...provisionerRecord('lab', { params: { url } }));
  for (let index = 0; index < 200; index += 1)
    await stage.put(
      ...clusterChanges(sampleCluster(`c${index}`, { name: `dev-${index}`, provisioner: 'lab', owner: people.dev.id })),
    );
  for (const line of ['clusters', 'clusters mine', 'health', 'home', 'jobs', 'provisioners', 'cluster show dev-1']) {
    const began = performance.now();
    const answer = await stage.say('dev', line);
    expect(answer.card?.title, line).not.toBe('Still working');
    expect(performance.now() - began, line).toBeLessThan(1_000);
  }
  expect(asked).toBe(0);
});

test('every defect from the first to the seventeenth has a test by its name', () => {
  const files = globSync('test/**/*.test.ts', { cwd: join(import.meta.dirname, '../..') });
  const named = new Set<number>();
  for (const file of files) {
    const text = readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
    for (const [, title = ''] of text.matchAll(/\b(?:it|test|describe)(?:\.each\([^\n]*\))?\(\s*['`]([^'`\n]*)/g)) {
      for (const [, number] of title.matchAll(/(?:^| )D(\d{1,2})(?= )/g)) named.add(Number(number));
    }
  }
  const wanted = Array.from({ length: 17 }, (_, index) => index + 1);
  expect(wanted.filter((number) => !named.has(number))).toEqual([]);
});
