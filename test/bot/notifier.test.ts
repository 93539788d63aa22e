import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Notifier, startNotifier } from '../../src/bot/notifier.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { Approval, Health, Job, JobState, Place } from '../../src/core/records.ts';
import { channel, clusterChanges, nextId, openStage, org, people, type Stage } from '../core/stage.ts';
import { eventually } from '../servers.ts';
import { handClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { type Chat, openChat } from './chat.ts';

/** Time runs ten times as fast. */
const speed = 10;
const began = Date.now();
const clock: Clock = {
  now: () => began + Math.round((Date.now() - began) * speed),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms / speed);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    }),
};

let stage: Stage;
let chat: Chat;
let open: Notifier[] = [];

beforeEach(async () => {
  stage = await openStage({ clock });
  chat = openChat(clock);
  await stage.put(...clusterChanges(sampleCluster('c1', { name: 'dev-1', place: channel, owner: people.dev.id })));
});
afterEach(async () => {
  for (const each of open) await each.close();
  open = [];
  await stage.close();
});

function start(who = 'one', approvals: readonly Place[] = []): Notifier {
  const { store, cache } = stage.opened;
  const { engines, log } = stage.parts;
  const made = startNotifier({
    store,
    cache,
    engines,
    clock,
    newId: nextId,
    log,
    port: chat.connect(who),
    org,
    approvals,
  });
  open.push(made);
  return made;
}

async function stop(notifier: Notifier): Promise<void> {
  open = open.filter((each) => each !== notifier);
  await notifier.close();
}

let jobs = 0;
/** Puts a job into a state; the record grows with it. */
async function put(state: JobState, before?: Job, change: Partial<Job> = {}): Promise<Job> {
  const now = clock.now();
  const ended = ['Denied', 'Expired', 'Succeeded', 'Failed', 'Cancelled'].includes(state);
  jobs += before ? 0 : 1;
  const job: Job = {
    v: 1,
    id: `job${jobs}`,
    org,
    kind: 'cluster.create',
    cluster: 'c1',
    clusterName: 'dev-1',
    provisioner: 'p1',
    engine: 'sandbox',
    requestedBy: people.dev.id,
    requesterName: 'Dev',
    requestedAt: now,
    place: channel,
    command: 'cluster create dev-1',
    plan: {
      title: 'Create',
      facts: [],
      disturbs: 'Nobody.',
      cost: null,
      approval: { needed: true, role: 'admin', why: 'x' },
      hash: 'h',
    },
    tick: 1,
    allowedMs: 1,
    steps: [],
    note: `It is ${state}.`,
    attempt: 0,
    log: [],
    ...before,
    state,
    ...(state === 'Running' && !before?.startedAt ? { startedAt: now } : {}),
    ...(ended ? { endedAt: now } : {}),
    ...change,
  };
  await stage.put({ op: 'put', ref: { kind: 'job', org, id: job.id }, record: job });
  return job;
}

const shown = () => chat.screen.filter(({ deleted }) => !deleted);
const title = (index = 0) => shown()[index]?.card.title ?? '';
const showing = (text: RegExp, index = 0) => eventually(`the message shows ${text}`, () => text.test(title(index)));
const messages = async () => (await stage.opened.store.page('message', org)).items.map(({ record }) => record);
const settled = () =>
  eventually('every message is closed', async () => (await messages()).every(({ closed }) => closed));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms / speed));

describe('one-live-message', () => {
  test('a job has one message through all its states, and one ping at the end', async () => {
    start();
    let job = await put('AwaitingApproval');
    await showing(/waiting for approval/);
    job = await put('Queued', job);
    await showing(/queued/);
    job = await put('Running', job, { percent: 10 });
    await showing(/running/);
    job = await put('Waiting', job);
    await showing(/waiting to try again/);
    expect(chat.pings).toEqual([]);
    await put('Succeeded', job);
    await showing(/Cluster dev-1 is ready/);
    await settled();
    expect(chat.screen).toHaveLength(1);
    expect(chat.pings).toEqual([
      { place: channel, person: people.dev.id, text: expect.stringMatching(/dev-1 is ready/) },
    ]);
    expect(await messages()).toMatchObject([{ closed: true, pinged: true, edits: 4 }]);
  });

  test.each(['Denied', 'Expired', 'Failed', 'Cancelled'] as const)('a job that is %s says so', async (state) => {
    start();
    await put(state, await put('Queued'));
    await settled();
    await eventually('it is pinged', () => chat.pings.length === 1);
    expect(title()).toMatch(state === 'Expired' ? /expired/ : new RegExp(state.toLowerCase()));
  });

  test('many changes are few edits, and the last state arrives', async () => {
    chat = openChat(clock, { editEveryMs: 3_000, editsPerMinute: 600 });
    start();
    let job = await put('Running');
    for (let percent = 1; percent <= 60; percent += 1) {
      const state = percent % 2 === 0 ? 'done' : 'doing';
      job = await put('Running', job, { percent, steps: [{ name: 'Provision', state }] });
      await pause(200);
    }
    await put('Failed', job);
    await showing(/failed/);
    const times = shown()[0]?.editedAt ?? [];
    const gaps = times.slice(1, -1).map((at, index) => at - (times[index] ?? 0));
    // A timer may ring a little early in a clock that runs ten times as fast.
    for (const gap of gaps) expect(gap).toBeGreaterThan(2_800);
    expect(times.length).toBeLessThan(12);
    expect(times.length).toBeGreaterThan(3);
  });

  test('a workspace with little budget still hears every end', async () => {
    chat = openChat(clock, { editEveryMs: 0, editsPerMinute: 30 });
    start();
    const all = await Promise.all(Array.from({ length: 12 }, () => put('Running')));
    await eventually('all are posted', () => shown().length === 12);
    for (let percent = 1; percent <= 8; percent += 1) {
      for (const [index, job] of all.entries()) all[index] = await put('Running', job, { percent });
      await pause(500);
    }
    for (const job of all) await put('Failed', job);
    await eventually('all ends are shown', () => shown().every(({ card }) => /failed/.test(card.title)), {
      timeoutMs: 15_000,
    });
    const edits = chat.calls.filter((call) => call === 'edit').length;
    const spent = chat.screen.flatMap(({ editedAt }) => editedAt.slice(1)).sort((a, b) => a - b);
    const minutes = ((spent.at(-1) ?? 0) - (spent[0] ?? 0)) / 60_000;
    expect(edits).toBeLessThanOrEqual(30 + minutes * 30 + 2);
  });

  test('elapsed time is brought up to date now and then, not all the time', async () => {
    start();
    await put('Running');
    await eventually('it was edited twice', () => (shown()[0]?.editedAt.length ?? 0) >= 3, { timeoutMs: 8_000 });
    const [first = 0, second = 0, third = 0] = shown()[0]?.editedAt ?? [];
    expect(third - second).toBeGreaterThan(9_000);
    expect(second - first).toBeGreaterThan(5_000);
  });
});

describe('what chats do', () => {
  // D10: a crash between two steps lost a message for ever, or posted it twice.
  test('D10 a lost answer to a post: the message is found and adopted', async () => {
    let lost = 0;
    chat.fate = (call) => (call === 'post' && lost++ === 0 ? 'lose' : 'ok');
    start();
    const job = await put('Queued');
    await put('Failed', job);
    await showing(/failed/);
    await settled();
    expect(chat.screen).toHaveLength(1);
    expect(chat.calls.filter((call) => call === 'find')).toHaveLength(1);
  });

  test('down, then back: it is posted once', async () => {
    let calls = 0;
    chat.fate = (call) => (call === 'post' && calls++ < 3 ? 'down' : 'ok');
    start();
    await put('Failed', await put('Queued'));
    await showing(/failed/);
    expect(chat.screen).toHaveLength(1);
  });

  test('a rate limit is waited for as long as was asked', async () => {
    let limited = 0;
    chat.fate = (call) => {
      if (call !== 'edit' || limited > 0) return 'ok';
      limited = clock.now();
      return 'rate';
    };
    start();
    const job = await put('Queued');
    await showing(/queued/);
    await put('Failed', job);
    await showing(/failed/);
    expect((shown()[0]?.editedAt.at(-1) ?? 0) - limited).toBeGreaterThan(2_900);
  });

  test('a call that hangs holds up no other message', async () => {
    const other: Place = { ...channel, conversation: 'C2' };
    chat.fate = (_call, place) => (place?.conversation === 'C2' ? 'hang' : 'ok');
    start();
    await put('Queued', undefined, { place: other });
    const job = await put('Queued');
    const at = clock.now();
    await put('Failed', job);
    await showing(/failed/);
    expect(clock.now() - at).toBeLessThan(6_000);
  });

  test('an archived channel: the direct message of the requester instead', async () => {
    chat.fate = (_call, place) => (place?.conversation === 'C1' ? 'gone' : 'ok');
    start();
    await put('Failed', await put('Queued'));
    await showing(/failed/);
    expect(shown().map(({ place }) => place.conversation)).toEqual(['D-dev']);
    await settled();
    expect(chat.pings).toHaveLength(1);
  });

  test('archived while the job runs: a new message in the direct conversation', async () => {
    start();
    const job = await put('Running');
    await showing(/running/);
    chat.fate = (_call, place) => (place?.conversation === 'C1' ? 'gone' : 'ok');
    await put('Failed', job);
    await eventually('told directly', () =>
      shown().some(({ place, card }) => place.conversation === 'D-dev' && /failed/.test(card.title)),
    );
    await settled();
  });

  test('nowhere to go: it is given up with a line in the log, and the others go on', async () => {
    chat.fate = (_call, place) => (place?.conversation === 'C1' || place?.conversation === 'D-dev' ? 'gone' : 'ok');
    start();
    await put('Failed', await put('Queued'));
    await settled();
    expect(stage.log.lines.some(({ message }) => message === 'a place is gone')).toBe(true);
  });

  test('a refused message is given up with its reason in the log', async () => {
    chat.fate = (call) => (call === 'post' ? 'refuse' : 'ok');
    start();
    await put('Queued');
    await eventually('logged', () =>
      stage.log.lines.some(({ level, message }) => level === 'error' && message === 'the chat refuses a message'),
    );
    await settled();
  });

  test('a message that somebody deleted is written anew for what comes', async () => {
    start();
    const job = await put('Running');
    await showing(/running/);
    chat.deleteByHand(chat.screen[0]?.id ?? '');
    await put('Failed', job);
    await showing(/failed/);
    await settled();
    expect(shown()).toHaveLength(1);
  });

  test('a ping that fails is not sent twice', async () => {
    chat.fate = (call) => (call === 'ping' ? 'lose' : 'ok');
    start();
    await put('Failed', await put('Queued'));
    await settled();
    await pause(5_000);
    expect(chat.pings).toHaveLength(1);
  });
});

describe('processes come and go', () => {
  test('a restarted one goes on with the message there is', async () => {
    const first = start();
    const job = await put('Running');
    await showing(/running/);
    await stop(first);
    await put('Failed', job);
    start('two');
    await showing(/failed/);
    await settled();
    expect(chat.screen).toHaveLength(1);
  });

  test('what happened meanwhile is told; what is old news is not', async () => {
    await put('Failed', await put('Queued'));
    await put('Failed', await put('Queued'), { endedAt: clock.now() - 7_200_000 });
    start();
    await showing(/failed/);
    await pause(5_000);
    expect(chat.screen).toHaveLength(1);
  });

  test('of two one posts, and when it dies the other takes over without a second message', async () => {
    const one = start('one');
    await eventually('one leads', () => one.leads());
    const two = start('two');
    const job = await put('Running');
    await showing(/running/);
    await pause(8_000);
    expect([one.leads(), two.leads()]).toEqual([true, false]);
    await stop(one);
    await put('Failed', job);
    await showing(/failed/);
    expect(two.leads()).toBe(true);
    await settled();
    expect(chat.screen).toHaveLength(1);
    expect(chat.posters).toEqual(['one']);
    expect(chat.pings).toHaveLength(1);
  });
});

describe('requests for approval', () => {
  async function request(job: Job, change: Partial<Approval> = {}): Promise<Approval> {
    const approval: Approval = {
      v: 1,
      id: job.id,
      org,
      job: job.id,
      cluster: 'c1',
      clusterName: 'dev-1',
      requestedBy: people.dev.id,
      requesterName: 'Dev',
      requestedAt: clock.now(),
      role: 'admin',
      planHash: 'h',
      state: 'pending',
      expiresAt: clock.now() + 3_600_000,
      ...change,
    };
    await stage.put({ op: 'put', ref: { kind: 'approval', org, id: job.id }, record: approval });
    return approval;
  }
  const copies = () => shown().filter(({ place }) => place.conversation !== 'C1');

  test('go to each approver, and all copies are edited on the decision', async () => {
    start();
    const job = await put('AwaitingApproval');
    const approval = await request(job);
    await eventually('both admins have it', () => copies().length === 2);
    expect(
      copies()
        .map(({ place }) => place.conversation)
        .sort(),
    ).toEqual(['D-anna', 'D-grace']);
    expect(copies()[0]?.card.buttons.map(({ label }) => label)).toEqual(['Approve', 'Approve with a note', 'Deny']);
    await request(job, {
      ...approval,
      state: 'approved',
      deciderName: 'Anna',
      decidedBy: people.anna.id,
      decidedAt: clock.now(),
      reason: 'fine',
    });
    await eventually('both show the decision', () => copies().every(({ card }) => /approved/.test(card.title)));
    for (const { card } of copies()) {
      expect(card.buttons).toEqual([]);
      expect(JSON.stringify(card.parts)).toContain('Approved by Anna: fine.');
    }
  });

  test('go to the place that is configured, and not to the person who asked', async () => {
    start('one', [{ chat: 'slack', workspace: 'T1', conversation: 'C-approvals' }]);
    await request(await put('AwaitingApproval', undefined, { requestedBy: people.grace.id }), {
      requestedBy: people.grace.id,
    });
    await eventually('it is posted', () => copies().length === 1);
    expect(copies()[0]?.place.conversation).toBe('C-approvals');
    await pause(3_000);
    expect(copies()).toHaveLength(1);
  });

  test('not to the admin who asked', async () => {
    start();
    await request(await put('AwaitingApproval', undefined, { requestedBy: people.grace.id }), {
      requestedBy: people.grace.id,
    });
    await eventually('it is posted', () => copies().length === 1);
    expect(copies()[0]?.place.conversation).toBe('D-anna');
  });

  test.each(['expired', 'withdrawn', 'denied'] as const)('that are %s say so', async (state) => {
    start();
    const job = await put('AwaitingApproval');
    const approval = await request(job);
    await eventually('both admins have it', () => copies().length === 2);
    await request(job, { ...approval, state, decidedAt: clock.now() });
    await eventually('both show it', () =>
      copies().every(({ card }) => card.title.includes(state) && card.buttons.length === 0),
    );
  });
});

describe('health', () => {
  const health = (verdict: Health['verdict'], changes: number): Health => ({
    v: 1,
    id: 'c1',
    org,
    at: clock.now(),
    verdict,
    since: clock.now(),
    conditions: [],
    nodesReady: 1,
    nodes: 1,
    capacity: { cpu: 1, memory: 1, pods: 1 },
    requests: { cpu: 0, memory: 0, pods: 0 },
    pods: { total: 1, running: 1 },
    deployments: { total: 1, available: 1 },
    problems: [],
    changes,
  });
  const see = (verdict: Health['verdict'], changes = 0) =>
    stage.put({ op: 'put', ref: { kind: 'health', org, id: 'c1' }, record: health(verdict, changes) });

  test('the first look is no news, a change is, and flapping is one message', async () => {
    const notifier = start();
    await eventually('it leads', () => notifier.leads());
    await see('Healthy');
    await pause(2_000);
    expect(chat.screen).toEqual([]);
    await see('Degraded', 1);
    await showing(/Ready, degraded/);
    await see('Healthy', 2);
    await showing(/Cluster dev-1: Ready$/);
    await see('Unreachable', 3);
    await showing(/unreachable/);
    expect(shown()).toHaveLength(1);
    expect(shown()[0]?.place.conversation).toBe('C1');
  });

  test('a change that nobody was there to tell is told by the next who leads, and only once', async () => {
    await see('Healthy');
    await see('Degraded', 1);
    const first = start('one');
    await showing(/Ready, degraded/);
    await stop(first);
    const next = start('two');
    await eventually('it leads', () => next.leads());
    await pause(3_000);
    expect(shown()).toHaveLength(1);
  });
});

describe('files that were handed over', () => {
  const direct: Place = { chat: 'slack', workspace: 'T1', conversation: 'D-dev' };

  async function handOver(notifier: Notifier, ms = 600_000): Promise<void> {
    const ref = await chat.connect('x').attach(direct, { name: 'dev-1.kubeconfig', content: 'secret', text: 'Yours.' });
    await notifier.removeLater(direct, ref, ms);
  }

  test('are removed after their time, not before', async () => {
    const notifier = start();
    await handOver(notifier, 20_000);
    await pause(12_000);
    expect(shown()).toHaveLength(1);
    await eventually('it is gone', () => shown().length === 0);
    await eventually('it is forgotten', async () => (await messages()).length === 0);
  });

  test('stay for ten minutes of the clock that is handed in', async () => {
    const hand = handClock();
    const still = await openStage({ clock: hand });
    chat = openChat(hand);
    const { store, cache } = still.opened;
    const { engines, log } = still.parts;
    const notifier = startNotifier({
      store,
      cache,
      engines,
      clock: hand,
      newId: nextId,
      log,
      port: chat.connect('x'),
      org,
      approvals: [],
    });
    const pass = async (seconds: number) => {
      for (let second = 0; second < seconds; second += 2) {
        await hand.advance(2_000);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    await pass(4);
    await handOver(notifier);
    await pass(590);
    expect(shown()).toHaveLength(1);
    await pass(20);
    expect(shown()).toHaveLength(0);
    const closing = notifier.close();
    await pass(10);
    await closing;
    await still.close();
  });

  test('are removed by the next process when this one ends', async () => {
    const notifier = start();
    await handOver(notifier, 15_000);
    await stop(notifier);
    start('two');
    await eventually('it is gone', () => shown().length === 0);
    expect(chat.calls).not.toContain('edit');
  });

  test('that are gone already are not tried for ever; others are until it works', async () => {
    const notifier = start();
    await handOver(notifier, 1_000);
    chat.deleteByHand(chat.screen[0]?.id ?? '');
    await eventually('it is forgotten', async () => (await messages()).length === 0);
    let tries = 0;
    chat.fate = (call) => (call === 'remove' && tries++ < 2 ? 'down' : 'ok');
    await handOver(notifier, 1_000);
    await eventually('it is gone', () => shown().length === 0);
    expect(tries).toBe(3);
  });
});
