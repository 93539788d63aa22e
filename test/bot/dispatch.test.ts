import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { usualPatienceMs } from '../../src/bot/dispatch.ts';
import { plainCard } from '../../src/core/card.ts';
import type { Command, Registry } from '../../src/core/command.ts';
import { registry } from '../../src/core/commands/index.ts';
import { Fault } from '../../src/core/errors.ts';
import type { Queue } from '../../src/core/ports/queue.ts';
import {
  clusterChanges,
  openStage,
  org,
  people,
  provisionerRecord,
  type Stage,
  type StageOptions,
  words,
} from '../core/stage.ts';
import { startTcpProxy, type TcpProxy } from '../proxy.ts';
import { eventually, needServer, startEtcd } from '../servers.ts';
import { sampleCluster } from '../store/parts.ts';

let stage: Stage | undefined;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await stage?.close();
  stage = undefined;
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function open(options: StageOptions = {}): Promise<Stage> {
  stage = await openStage(options);
  return stage;
}

/** The registry with one more command. */
function withCommand(run: Command['run'], more: Partial<Command> = {}): Registry {
  const extra: Command = {
    name: 'test it',
    summary: 'A command of the test',
    examples: ['test it'],
    group: 'KQueen',
    policy: 'kqueen:read',
    changes: false,
    args: z.object({}),
    positional: [],
    run,
    ...more,
  };
  return { all: [...registry.all, extra], find: (name) => (name === extra.name ? extra : registry.find(name)) };
}

const wish = 'cluster create dev-1 on lab region=a version=1 size=s nodes=1';

describe('what goes wrong inside', () => {
  test('is an answer with a reference and nothing of the inside', async () => {
    const { say, log } = await open({
      parts: {
        registry: withCommand(() => {
          throw new Error('canary-inside at /srv/kqueen/x.ts:1');
        }),
      },
    });
    const answer = await say('dev', 'test it');
    expect(answer.card).toMatchObject({
      title: 'Something went wrong',
      tone: 'bad',
      footer: expect.stringMatching(/^Reference \w{8}$/),
    });
    expect(words(answer)).not.toMatch(/canary|\.ts|Error/);
    const logged = log.lines.find(({ level }) => level === 'error');
    expect(logged?.fields.detail).toContain('canary-inside');
  });

  // D7: success was an error. D13: an unexpected error was an empty message.
  test('D13 a Fault says what, and what next, at its field in a form', async () => {
    const { say } = await open({
      parts: {
        registry: withCommand(async () => {
          throw new Fault('quota', 'Ten nodes are the most.', { field: 'nodes', next: 'Ask for fewer.' });
        }),
      },
    });
    const typed = await say('dev', 'test it');
    expect(typed.card).toMatchObject({ title: 'A quota is used up', text: 'Ten nodes are the most. Ask for fewer.' });
    expect(typed.problems).toBeUndefined();
    const form = await say('dev', 'test it', { source: 'form', values: {} });
    expect(form.problems).toEqual([{ field: 'nodes', message: 'Ten nodes are the most. Ask for fewer.' }]);
  });

  test('what cannot be read is said with what is meant by it', async () => {
    const { say } = await open();
    expect((await say('dev', 'x'.repeat(10_000))).card?.text).toMatch(/10000 characters long/);
    expect((await say('dev', 'deny k3 "no')).card?.text).toMatch(/never closed.*Nothing was done/);
    const typo = await say('dev', 'clutser create dev-1');
    expect(typo.card).toMatchObject({
      title: 'I do not know that',
      // A change is shown as it was probably meant, never run.
      text: expect.stringContaining('type `cluster create dev-1`'),
      buttons: [{ label: 'Show cluster create', command: 'help cluster create' }, { label: 'Help' }],
    });
    expect((await say('dev', 'clusetrs mine')).card?.buttons[0]).toMatchObject({
      label: 'Run it',
      command: 'clusters mine',
    });
    // A button on a message of three weeks ago, of a version that had another command.
    expect((await say('dev', 'cluster explode dev-1', { source: 'button' })).card?.title).toBe('I do not know that');
    expect((await say('grace', 'approve gone1234 plan=3f9a', { source: 'button' })).card?.title).toBe('Not found');
    expect((await say('dev', 'job cancel gone1234', { source: 'button' })).card?.title).toBe('Not found');
  });
});

describe('an answer that takes its time', () => {
  const slowly = (ms: number, answer: Awaited<ReturnType<Command['run']>>) =>
    withCommand(async () => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return answer;
    });

  // durable-ack: never later than 2.5 s.
  test('is announced in time and given later in the same place', async () => {
    const { say, told } = await open({
      parts: {
        patienceMs: usualPatienceMs,
        registry: slowly(2_300, { audience: 'caller', card: plainCard('Late', 'x') }),
      },
    });
    const began = performance.now();
    expect((await say('dev', 'test it')).card?.title).toBe('Still working');
    expect(performance.now() - began).toBeLessThan(2_500);
    const later = await eventually('it is told', () => told[0]);
    expect(later.answer.card?.title).toBe('Late');
    expect(later.inbound.person.id).toBe(people.dev.id);
  });

  test('a late form is a button, late problems are lines', async () => {
    const form = { title: 'Fill', command: 'test it', submit: 'Go', intro: 'Please.', fields: [], private: false };
    const { say, told } = await open({ parts: { patienceMs: 20, registry: slowly(60, { audience: 'caller', form }) } });
    await say('dev', 'test it');
    expect((await eventually('it is told', () => told[0])).answer.card?.buttons).toMatchObject([
      { label: 'Fill in', command: 'test it' },
    ]);
    await stage?.close();
    const problems = [{ field: 'name', message: 'Taken.' }];
    const other = await open({ parts: { patienceMs: 20, registry: slowly(60, { audience: 'caller', problems }) } });
    await other.say('dev', 'test it');
    expect((await eventually('it is told', () => other.told[0])).answer.card?.text).toBe('name: Taken.');
  });

  test('a chat that does not take the late answer is logged, not thrown', async () => {
    const { say, log } = await open({
      parts: {
        patienceMs: 20,
        registry: slowly(60, { audience: 'caller', card: plainCard('Late', 'x') }),
        tell: async () => {
          throw new Error('chat is down');
        },
      },
    });
    await say('dev', 'test it');
    await eventually('it is logged', () => log.lines.some(({ message }) => message === 'a late answer was lost'));
  });
});

// durable-ack: adding to the queue is never awaited by an answer.
test('a queue that hangs or fails costs nothing', async () => {
  const queue = (add: Queue['add']): Queue => ({
    add,
    work: async () => undefined,
    depth: async () => ({ waiting: 0, delayed: 0, active: 0 }),
    ready: async () => undefined,
    close: async () => undefined,
  });
  for (const broken of [queue(() => new Promise(() => undefined)), queue(() => Promise.reject(new Error('down')))]) {
    const { say, put, lastJob } = await open({ parts: { queue: broken } });
    await put(...provisionerRecord('lab'));
    const plan = await say('grace', wish);
    const began = performance.now();
    await stage?.press('grace', plan, 'Create it');
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(await lastJob()).toMatchObject({ state: 'Queued', dueAt: expect.any(Number) });
    await stage?.close();
  }
  stage = undefined;
});

test('each command is counted with its outcome', async () => {
  const seen: string[] = [];
  const { say } = await open({
    parts: { onCommand: (name, outcome, ms) => seen.push(`${name} ${outcome} ${ms >= 0}`) },
  });
  await say('dev', 'clusters');
  await say('dev', 'audit');
  await say('dev', 'cluster show nothing');
  await say('dev', 'clusters', { person: { ...people.dev, external: 'guest' } });
  expect(seen).toEqual(['clusters ok true', 'audit refused true', 'cluster show fault true', 'access refused true']);
});

test('people are remembered with their first change, and their direct conversation when they write there', async () => {
  const { say, opened, put } = await open();
  await put(...provisionerRecord('lab'));
  const known = async () => (await opened.store.get({ kind: 'person', org, id: people.dev.id }))?.record;
  await say('dev', 'clusters');
  expect(await known()).toBeUndefined();
  await say('dev', wish);
  expect(await known()).toMatchObject({ name: 'Dev', role: 'member' });
  await eventually('the cache knows Dev', () => opened.cache.get({ kind: 'person', org, id: people.dev.id }));
  const direct = { chat: 'slack' as const, workspace: 'T1', conversation: 'D9' };
  await say('dev', wish.replace('dev-1', 'dev-2'), { private: true, place: direct });
  expect(await known()).toMatchObject({ direct });
  // Five first things at once: all of them are done.
  const five = await Promise.all([1, 2, 3, 4, 5].map((n) => say('mel', wish.replace('dev-1', `mel-${n}`))));
  expect(five.map(({ card }) => card?.tone)).toEqual(['busy', 'busy', 'busy', 'busy', 'busy']);
  // A role is the record's own: whatever a person calls themselves.
  await say('dev', wish.replace('dev-1', 'dev-3'), { person: { id: people.dev.id, name: 'Grace', external: null } });
  expect(await known()).toMatchObject({ role: 'member' });
});

// A role that is taken away must not come back with what its person did at that moment.
test('a role that changes while a command runs stays changed, and the command is refused', async () => {
  const ref = { kind: 'person', org, id: people.anna.id } as const;
  const { say, opened } = await open({
    parts: {
      registry: withCommand(
        async (context) => {
          const before = await context.store.get(ref);
          if (!before) throw new Error('no person');
          await context.store.commit([{ op: 'put', ref, record: { ...before.record, role: 'member' } }]);
          await context.effect([], { action: 'test', outcome: 'done', subject: 'test', says: 'Done.' });
          return { audience: 'caller', card: plainCard('Done', 'x') };
        },
        { changes: true },
      ),
    },
  });
  // Another name makes the person's record be written.
  const answer = await say('anna', 'test it', { person: { id: people.anna.id, name: 'Anna B.', external: null } });
  expect(answer.card?.title).toBe('Not allowed');
  expect((await opened.store.get(ref))?.record.role).toBe('member');
});

test('a process reads its own writes', async () => {
  const { say, put } = await open();
  await put(...provisionerRecord('lab'));
  for (let index = 1; index <= 10; index += 1) {
    await say('dev', wish.replace('dev-1', `dev-${index}`));
    expect((await say('dev', 'clusters')).card?.title).toBe(index === 1 ? '1 cluster' : `${index} clusters`);
  }
});

describe('on etcd behind a proxy', () => {
  let proxy: TcpProxy;

  const settings = () => ({
    prefix: '/kqueen',
    historyMs: 0,
    secretKeys: Buffer.alloc(32, 7).toString('base64'),
    etcd: { hosts: [`http://127.0.0.1:${proxy.port}`] },
  });

  async function onEtcd(parts: StageOptions['parts'] = {}): Promise<Stage> {
    const etcd = await startEtcd();
    cleanups.push(() => etcd.stop());
    proxy = await startTcpProxy({ port: etcd.port });
    cleanups.push(() => proxy.close());
    const made = await open({ store: settings(), parts });
    await made.put(
      ...provisionerRecord('lab'),
      ...clusterChanges(sampleCluster('c1', { name: 'old-1', owner: people.dev.id })),
    );
    return made;
  }

  // fail-closed: no store, no changes, and the bot says so.
  test('refused: changes say so, lists go on and say how old they are', async (ctx) => {
    needServer(ctx, 'etcd');
    const { say, told, opened } = await onEtcd();
    await proxy.setMode('refuse');
    proxy.cut();
    await eventually('the cache knows', () => opened.cache.staleMs() > 0);
    const began = performance.now();
    const change = await say('dev', wish);
    expect(performance.now() - began).toBeLessThan(2_500);
    const said = change.card?.title === 'Still working' ? (await eventually('told', () => told[0])).answer : change;
    expect(said.card).toMatchObject({
      title: expect.stringMatching(/No answer|Not confirmed/),
      tone: expect.stringMatching(/bad|warn/),
    });
    expect(words(said)).toMatch(/store does not answer/);

    for (const line of ['clusters', 'health', 'jobs', 'provisioners', 'cluster show old-1', 'engines']) {
      const list = await say('dev', line);
      expect(list.card?.footer, line).toMatch(/lost touch with its store/);
    }
    expect(words(await say('dev', 'clusters'))).toContain('old-1');
    expect(words(await say('grace', 'whoami'))).toContain('superadmin');
    expect((await say('dev', 'audit')).card?.title).toMatch(/Not allowed|Still working/);
    // Back again: nothing was lost and nothing was done.
    await proxy.setMode('pass');
    await eventually('the cache is in step', () => opened.cache.staleMs() === 0, { timeoutMs: 15_000 });
    expect((await say('dev', 'clusters')).card?.footer).toBeUndefined();
    expect(await stage?.cluster('dev-1')).toBeUndefined();
    expect((await say('dev', wish)).card?.title).toBe('Asked for cluster dev-1');
  });

  /** Lets everything through up to the commit, then holds it. */
  function heldCommit(mode: 'hang' | 'half-open'): Registry {
    return withCommand(
      async (context) => {
        await proxy.setMode(mode);
        const done = await context.effect([], {
          action: 'test',
          outcome: 'done',
          subject: 'test',
          says: 'It was done.',
        });
        return { audience: 'caller', card: plainCard(done.ok === true ? 'Done' : 'Odd', 'x') };
      },
      { changes: true },
    );
  }

  // durable-ack: past its deadline a change is "not confirmed", never "nothing happened", and is followed up by what the store says.
  test.for(['hang', 'half-open'] as const)(
    '%s in the commit: not confirmed, then told how it was',
    async (mode, ctx) => {
      needServer(ctx, 'etcd');
      const { say, told, audit } = await onEtcd({ registry: heldCommit(mode) });
      const began = performance.now();
      // Somebody whose record need not be read first, so that the commit is what meets the fault.
      const first = await say('grace', 'test it', { eventId: 'held' });
      expect(performance.now() - began).toBeLessThan(2_500);
      const unconfirmed =
        first.card?.title === 'Not confirmed' ? first : (await eventually('told', () => told[0])).answer;
      expect(unconfirmed.card?.title).toBe('Not confirmed');
      expect(unconfirmed.card?.text).toMatch(/will tell you here/);
      await proxy.setMode('pass');
      const last = await eventually(
        'told how it was',
        () => told.find(({ answer }) => /recorded/.test(answer.card?.title ?? '')),
        { timeoutMs: 25_000 },
      );
      const recorded = (await audit()).some(({ action }) => action === 'test');
      expect(last.answer.card?.title).toBe(recorded ? 'It was recorded' : 'It was not recorded');
      if (recorded) expect(last.answer.card?.text).toBe('It was done.');
      else expect(last.answer.card?.buttons).toMatchObject([{ label: 'Run it again', command: 'test it' }]);
    },
  );

  test('the same event on two replicas at once has one effect', async (ctx) => {
    needServer(ctx, 'etcd');
    const one = await onEtcd();
    const two = await openStage({ store: settings() });
    cleanups.push(() => two.close());
    const answers = await Promise.all(
      [one, two, one, two].map((replica) => replica.say('dev', wish, { eventId: 'same' })),
    );
    expect(answers.map(({ card }) => card?.title).sort()).toEqual([
      'Already done',
      'Already done',
      'Already done',
      'Asked for cluster dev-1',
    ]);
    expect((await one.opened.store.page('job', org)).items).toHaveLength(1);
    // And the cache of the other one follows.
    await eventually(
      'replica two lists it',
      async () => (await two.say('dev', 'clusters')).card?.title === '2 clusters',
    );
  });
});
