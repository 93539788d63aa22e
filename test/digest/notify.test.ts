/** What a conversation asked to be told of clusters: transitions, in threads, damped, and nothing else. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startNotifier } from '../../src/bot/notifier.ts';
import { clusterOfThread } from '../../src/core/which.ts';
import { nextId, org, words } from '../core/stage.ts';
import { elsewhere, openTold, place, type Told } from './stage.ts';

const minute = 60_000;
let told: Told;

beforeEach(async () => {
  told = await openTold();
  await told.cluster('dev-1', { labels: { team: 'data' } });
  await told.cluster('web-1', { owner: 'slack:T1:UMEL', ownerName: 'Mel' });
  await told.health('dev-1', 'Healthy');
  await told.health('web-1', 'Healthy');
});
afterEach(async () => {
  expect(told.slack.violations).toEqual([]);
  await told.close();
});

/** `notify here …`, and a moment later. */
async function ask(line: string): Promise<void> {
  const answer = await told.say(line);
  expect(answer.card?.tone, words(answer)).toBe('good');
  await told.pass(2_000);
}

describe('notify here', () => {
  test('tells a change and its end: the first message of the day in the channel, the others in its thread', async () => {
    told.replica();
    await ask('notify here');
    await told.health('dev-1', 'Degraded');
    await told.pass(3_000);
    expect(told.top()).toEqual(['dev-1 is degraded']);
    expect(told.messages()[0]?.text).toContain('2 of 3 nodes are ready');
    await told.pass(20 * minute, 10_000);
    await told.health('dev-1', 'Healthy');
    await told.pass(3_000);
    expect(told.top()).toEqual(['dev-1 is degraded']);
    expect(told.below()).toEqual(['dev-1 is healthy']);
    // The thread is about the cluster.
    const thread = told.messages()[0]?.ts ?? '';
    expect(clusterOfThread(told.stage.opened.cache, org, { ...place, thread })?.name).toBe('dev-1');
    // Another cluster has a thread of its own, and the next day begins a new one.
    await told.health('web-1', 'Unreachable', 'no answer');
    await told.pass(3_000);
    await told.pass(24 * 60 * minute, 10 * minute);
    await told.health('dev-1', 'Unreachable', 'no answer');
    await told.pass(3_000);
    expect(told.top()).toEqual(['dev-1 is degraded', 'web-1 is unreachable', 'dev-1 is unreachable']);
    expect(told.below()).toHaveLength(1);
  });

  test('says nothing of what was so before, stays so, or was not asked for', async () => {
    await told.health('dev-1', 'Degraded');
    told.replica();
    await told.pass(2_000);
    await ask('notify here clusters=label=data events=drift level=problems');
    await told.health('dev-1', 'Unreachable');
    await told.health('web-1', 'Degraded');
    await told.pass(5 * minute, 10_000);
    await ask('notify here clusters=label=data');
    await told.pass(5 * minute, 10_000);
    expect(told.top()).toEqual([]);
    await told.health('web-1', 'Healthy');
    await told.health('dev-1', 'Healthy');
    await told.pass(3_000);
    expect(told.top()).toEqual(['dev-1 is healthy']);
    // The same again is no transition.
    await told.health('dev-1', 'Healthy');
    await told.pass(5 * minute, 10_000);
    expect(told.messages()).toHaveLength(1);
    await told.say('notify off');
    await told.health('dev-1', 'Degraded');
    await told.pass(minute, 5_000);
    expect(told.messages()).toHaveLength(1);
  });

  test('mine are those of the person who said it; a name is one', async () => {
    told.replica();
    await ask('notify here clusters=mine');
    await told.health('web-1', 'Degraded');
    await told.health('dev-1', 'Degraded');
    await told.pass(5_000);
    expect(told.top()).toEqual(['dev-1 is degraded']);
    await ask('notify here web-1');
    await told.health('web-1', 'Healthy');
    await told.health('dev-1', 'Healthy');
    await told.pass(5_000);
    expect(told.top()).toEqual(['dev-1 is degraded', 'web-1 is healthy']);
  });

  test('what comes and goes is told once, and once when it is steady again', async () => {
    told.replica();
    await ask('notify here');
    for (let turn = 0; turn < 10; turn += 1) {
      await told.health('dev-1', turn % 2 === 0 ? 'Degraded' : 'Healthy');
      await told.pass(minute, 5_000);
    }
    expect(told.top()).toEqual(['dev-1 is degraded']);
    expect(told.below()).toEqual(['dev-1 is healthy', 'dev-1 is flapping']);
    await told.pass(8 * minute, 5_000);
    expect(told.messages()).toHaveLength(3);
    await told.pass(2 * minute, 5_000);
    expect(told.below().at(-1)).toBe('dev-1 is steady again: healthy');
    expect(told.messages().at(-1)?.text).toContain('10 changes');
    await told.pass(30 * minute, 10_000);
    expect(told.messages()).toHaveLength(4);
    // Calm again, a change is told as such.
    await told.health('dev-1', 'Degraded');
    await told.pass(3_000);
    expect(told.below().at(-1)).toBe('dev-1 is degraded');
  });

  test('jobs and decisions are told where they were not asked for, and the health that a job disturbs is not', async () => {
    told.replica();
    await ask('notify here');
    const cluster = await told.cluster('dev-1', {
      labels: { team: 'data' },
      phase: 'Updating',
      openJob: 'k1',
      version: '1.33.1',
    });
    const job = await told.job({
      id: 'k1',
      kind: 'cluster.upgrade',
      cluster: 'dev-1',
      clusterName: 'dev-1',
      state: 'Running',
      startedAt: told.now(),
    });
    await told.health('dev-1', 'Degraded');
    await told.pass(3_000);
    expect(told.top()).toEqual(['Upgrade cluster dev-1: started']);
    await told.pass(2 * minute, 10_000);
    const { openJob: _open, ...rest } = cluster;
    await told.health('dev-1', 'Healthy');
    await told.cluster('dev-1', { ...rest, phase: 'Ready', version: '1.34.0' });
    await told.job({ ...job, state: 'Succeeded', endedAt: told.now() });
    await told.pass(5_000);
    expect(told.below().sort()).toEqual(['Upgrade cluster dev-1: succeeded', 'dev-1 runs Kubernetes 1.34.0 now']);
    // Where it was asked for the job has a message of its own.
    await told.say('notify here', { place: elsewhere });
    await told.job({
      id: 'k2',
      kind: 'cluster.scale',
      cluster: 'dev-1',
      clusterName: 'dev-1',
      state: 'Failed',
      startedAt: told.now(),
      endedAt: told.now(),
      failure: { kind: 'quota', message: 'The quota is used up', correlation: 'x' },
    });
    await told.pass(5_000);
    expect(told.below().at(-1)).toBe('Scale cluster dev-1: failed');
    expect(told.messages().at(-1)?.text).toContain('The quota is used up.');
    expect(told.messages('C9')).toEqual([]);
  });

  test('a request for approval is told with its decision, but not where it is asked for anyway', async () => {
    told.replica([{ ...place, conversation: 'C2' }]);
    await ask('notify here events=approvals');
    await told.say('notify here events=approvals', { place: { ...place, conversation: 'C2' } });
    const job = await told.job({
      id: 'k3',
      kind: 'cluster.delete',
      cluster: 'dev-1',
      clusterName: 'dev-1',
      state: 'AwaitingApproval',
    });
    const asked = {
      v: 1 as const,
      id: job.id,
      org,
      job: job.id,
      cluster: 'dev-1',
      clusterName: 'dev-1',
      requestedBy: job.requestedBy,
      requesterName: 'Dev',
      requestedAt: told.now(),
      role: 'admin' as const,
      planHash: 'h',
      expiresAt: told.now() + 60 * minute,
    };
    const ref = { kind: 'approval', org, id: job.id } as const;
    await told.stage.put({ op: 'put', ref, record: { ...asked, state: 'pending' } });
    await told.pass(3_000);
    expect(told.top()).toEqual(['Approval asked: Delete cluster dev-1']);
    await told.stage.put({
      op: 'put',
      ref,
      record: { ...asked, state: 'denied', decidedAt: told.now(), deciderName: 'Anna', reason: 'it is in use' },
    });
    await told.pass(3_000);
    expect(told.below()).toEqual(['Delete cluster dev-1: denied']);
    expect(told.messages().at(-1)?.text).toContain('Anna decided: it is in use.');
    expect(told.messages('C2')).toEqual([]);
  });

  test('a change by hand is told, and its end', async () => {
    told.replica();
    await ask('notify here level=problems');
    await told.cluster('dev-1', { drift: { at: told.now(), changes: ['It has 5 nodes instead of 3'] } });
    await told.pass(3_000);
    await told.cluster('dev-1', {});
    await told.pass(3_000);
    expect(told.top()).toEqual(['dev-1 was changed by hand']);
    expect(told.below()).toEqual(['dev-1 is as KQueen left it again']);
  });
});

describe('nothing twice, nothing lost', () => {
  test('two replicas that both think they lead tell it once', async () => {
    told.replica();
    told.replica();
    await ask('notify here');
    for (const verdict of ['Degraded', 'Unreachable'] as const) {
      await told.health('dev-1', verdict);
      await told.pass(15 * minute, 10_000);
    }
    expect(told.messages()).toHaveLength(2);
  });

  test('one that dies before Slack answers is followed by one that finds what it said', async () => {
    const first = told.replica();
    await ask('notify here');
    told.slack.faults.next('chat.postMessage', { kind: 'lost' });
    await told.health('dev-1', 'Degraded');
    await told.pass(1_000);
    first.kill();
    told.replica();
    await told.pass(2 * minute, 5_000);
    expect(told.top()).toEqual(['dev-1 is degraded']);
    await told.health('dev-1', 'Healthy');
    await told.pass(5_000);
    expect(told.below()).toEqual(['dev-1 is healthy']);
  });

  test('what changed while nobody was there is told afterwards, as it is then', async () => {
    await told.say('notify here');
    await told.pass(minute, 10_000);
    await told.health('dev-1', 'Degraded');
    await told.pass(10 * minute, 10_000);
    told.replica();
    await told.pass(5_000);
    expect(told.top()).toEqual(['dev-1 is degraded']);
  });

  test('a limit of Slack is kept, and nothing is left out for it', async () => {
    for (let index = 0; index < 12; index += 1) {
      await told.cluster(`many-${index}`);
      await told.health(`many-${index}`, 'Healthy');
    }
    told.replica();
    await ask('notify here');
    for (let index = 0; index < 12; index += 1) await told.health(`many-${index}`, 'Degraded');
    told.slack.faults.next('chat.postMessage', { kind: 'rate-limit', retryAfter: 20 });
    await told.pass(2 * minute, 1_000);
    expect(new Set(told.top()).size).toBe(12);
    expect(told.messages()).toHaveLength(12);
    const refused = told.slack.calls.filter(
      ({ method, answer }) => method === 'chat.postMessage' && answer.ok !== true,
    );
    expect(refused).toHaveLength(1);
  });

  test('a thread whose first message was taken away goes on in a new one', async () => {
    told.replica();
    await ask('notify here');
    await told.health('dev-1', 'Degraded');
    await told.pass(3_000);
    const [root] = told.messages();
    if (root) root.deleted = true;
    await told.pass(15 * minute, 10_000);
    await told.health('dev-1', 'Healthy');
    await told.pass(5_000);
    expect(told.messages().filter(({ deleted }) => !deleted)).toHaveLength(1);
  });

  test('an archived channel is told no more, and who asked hears of it once', async () => {
    told.replica();
    await ask('notify here');
    told.slack.channel('C1').archived = true;
    await told.health('dev-1', 'Degraded');
    await told.pass(minute, 5_000);
    await told.health('dev-1', 'Healthy');
    await told.pass(minute, 5_000);
    expect((await told.channel())?.notify).toBeUndefined();
    const direct = told.slack.calls.filter(
      ({ method, args }) => method === 'chat.postMessage' && args.channel !== 'C1',
    );
    expect(direct).toHaveLength(1);
    expect(JSON.stringify(direct[0]?.args)).toContain('A conversation is gone');
  });
});

test('the conversation says what it is set to, and refuses what cannot be', async () => {
  expect(words(await told.say('notify'))).toContain('Only the health of clusters that were asked for here');
  const line = 'notify here clusters=label=data events=health,drift level=problems';
  expect((await told.say(line)).card?.text).toContain(
    'Problems of clusters with label=data, and when they are over, are told here (health, drift)',
  );
  expect(words(await told.say('notify'))).toContain('Set by Dev.');
  expect(words(await told.say('channel'))).toContain('label=data');
  expect((await told.say('notify here clusters=nope')).card?.text).toContain('There is no cluster named nope.');
  expect((await told.say('notify here events=weather')).card?.text).toContain('There are no events called weather.');
  expect((await told.say('notify here clusters=age>x')).card?.text).toContain('no duration');
  await told.say('notify off');
  expect((await told.say('notify off')).card?.text).toContain('Nothing is set to be told here.');
  const audited = (await told.stage.audit()).filter(({ action }) => action === 'channel.notify');
  expect(audited.map(({ subject }) => subject)).toEqual(['label=data', 'off']);
});

test('a conversation that has said what it wants gets no health of its own clusters besides', async () => {
  await told.cluster('here-1', { place });
  await told.health('here-1', 'Healthy');
  await told.say('notify here level=none');
  const { store, cache } = told.stage.opened;
  const { engines, log, clock } = told.stage.parts;
  const posts: string[] = [];
  const refuse = async () => null;
  const notifier = startNotifier({
    ...{ store, cache, engines, clock, newId: nextId, log, org, approvals: [] },
    port: {
      platform: 'slack',
      workspace: 'T1',
      limits: {
        editEveryMs: 1_000,
        editsPerMinute: 50,
        postsPerMinute: 100,
        conversation: { allowances: [], editsCount: false },
      },
      async post(at, card) {
        posts.push(card.title);
        return { conversation: at.conversation, id: String(posts.length) };
      },
      async edit() {},
      reply: refuse,
      find: refuse,
      direct: async () => place,
      async ping() {},
      attach: async (at) => ({ conversation: at.conversation, id: 'x' }),
      async remove() {},
      async ready() {},
    },
  });
  await told.pass(5_000);
  await told.health('here-1', 'Degraded');
  await told.pass(5_000);
  expect(posts).toEqual([]);
  await told.say('notify off');
  await told.health('here-1', 'Healthy');
  await told.pass(5_000);
  expect(posts).toHaveLength(1);
  let closed = false;
  const closing = notifier.close().finally(() => {
    closed = true;
  });
  while (!closed) await told.pass(2_000);
  await closing;
});
