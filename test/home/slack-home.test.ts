/** Slack's home tab: published when it is opened, kept up to date by what happens, and honest about its age. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { homeCallback } from '../../src/bot/slack/home.ts';
import { clusterChanges, openStage, org, people, type Stage } from '../core/stage.ts';
import { words as messageWords, type View } from '../counterparts/slack/index.ts';
import { sampleJob } from '../jobs/samples.ts';
import { handClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { openSlackOn, putPerson, type SlackSide, sampleHealth } from './stage.ts';

let stage: Stage;
let side: SlackSide;
let clock: ReturnType<typeof handClock>;
beforeEach(async () => {
  clock = handClock(Date.now());
  stage = await openStage();
  side = await openSlackOn(stage, { clock });
});
afterEach(async () => {
  await side.close();
  await stage.close();
});

const ada = 'slack:T1:U1';

function said(view: View | undefined): string {
  const texts: string[] = [];
  const read = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(read);
    else if (value !== null && typeof value === 'object') {
      if ('text' in value && typeof value.text === 'string') texts.push(value.text);
      Object.values(value).forEach(read);
    }
  };
  read(view?.blocks);
  return texts.join('\n');
}

const published = () => side.slack.calls.filter(({ method }) => method === 'views.publish');

/** What the tab says once it reads like this; the clock moves meanwhile. */
async function shows(pattern: RegExp, user = 'U1'): Promise<string> {
  return await side.slack.until(
    async () => {
      await clock.advance(200);
      const text = said(side.slack.home(user));
      return pattern.test(text) ? text : '';
    },
    5_000,
    `home like ${pattern}`,
  );
}

async function opened(user = 'U1'): Promise<void> {
  const before = published().length;
  await side.slack.user(user).openHome();
  await side.slack.until(() => published().length > before, 5_000, 'a home');
}

async function put(id: string, more: object = {}): Promise<void> {
  await stage.put(...clusterChanges(sampleCluster(id, { name: id, owner: ada, ...more })));
}

/** Time passes in steps, so that whoever waits gets to do something in between. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    await clock.advance(500);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('the tab', () => {
  test('shows the home that a message would show, and as of when', async () => {
    await put('dev-1');
    await opened();
    const text = await shows(/Home of ada/);
    expect(text).toMatch(/dev-1/);
    expect(text).toMatch(/As of/);
    expect(side.slack.home('U1')).toMatchObject({ type: 'home', callbackId: homeCallback });
    expect(side.slack.violations).toEqual([]);
  });

  test('follows what happens to what is on it, at most every ten seconds', async () => {
    await put('dev-1');
    await opened();
    await shows(/dev-1/);
    const before = published().length;
    const job = sampleJob({ id: 'k1', cluster: 'dev-1', clusterName: 'dev-1', requestedBy: ada, state: 'Running' });
    for (let percent = 1; percent <= 40; percent += 1) {
      await stage.put({ op: 'put', ref: { kind: 'job', org, id: 'k1' }, record: { ...job, startedAt: 1, percent } });
      await pass(500);
    }
    // Twenty seconds of progress: two changes, perhaps a third.
    expect(published().length - before).toBeGreaterThanOrEqual(1);
    expect(published().length - before).toBeLessThanOrEqual(3);
    await shows(/40 %/);
    expect(side.slack.violations).toEqual([]);
  });

  test('hears of new clusters, health, requests and provisioners, and not of what is no concern of its person', async () => {
    await opened();
    await shows(/You have no clusters/);
    await put('dev-1');
    await shows(/You have 1 cluster/);
    await stage.put({
      op: 'put',
      ref: { kind: 'health', org, id: 'dev-1' },
      record: sampleHealth('dev-1', 'Degraded'),
    });
    await shows(/Ready, degraded/);
    const before = published().length;
    // Progress of somebody else's job, and health that is as before.
    const other = sampleJob({ id: 'k9', cluster: 'x', requestedBy: people.mel.id, state: 'AwaitingApproval' });
    await stage.put({ op: 'put', ref: { kind: 'job', org, id: 'k9' }, record: other });
    await pass(12_000);
    const after = published().length;
    await stage.put({ op: 'put', ref: { kind: 'job', org, id: 'k9' }, record: { ...other, note: 'Still waiting.' } });
    await stage.put({
      op: 'put',
      ref: { kind: 'health', org, id: 'dev-1' },
      record: sampleHealth('dev-1', 'Degraded', 2),
    });
    await pass(12_000);
    expect(published().length).toBe(after);
    expect(after - before).toBeLessThanOrEqual(1);
  });

  test('is kept up to date by the replica that published it last, and by no other', async () => {
    await put('dev-1');
    await opened();
    await shows(/dev-1/);
    const other = await openSlackOn(stage, { clock, on: side.slack });
    side.slack.deliverTo(other.url);
    await opened();
    await pass(12_000);
    await put('dev-2');
    await shows(/dev-2/);
    await pass(12_000);
    const before = published().length;
    await put('dev-3');
    await shows(/dev-3/);
    await pass(12_000);
    expect(published().length).toBe(before + 1);
    await other.close();
    expect(side.slack.violations).toEqual([]);
  });

  test('that was changed elsewhere is not fought over', async () => {
    await put('dev-1');
    await opened();
    await shows(/dev-1/);
    side.slack.faults.error('views.publish', 'hash_conflict');
    await put('dev-2');
    await pass(12_000);
    const before = published().length;
    await put('dev-3');
    await pass(12_000);
    expect(published().length).toBe(before);
    // Who opens it again has the newest.
    await opened();
    await shows(/dev-3/);
  });

  test('comes to everybody when more people open it at once than Slack takes in a minute', async () => {
    await side.close();
    const users = Array.from({ length: 130 }, (_, index) => ({ id: `U${index + 1}`, name: `ada${index + 1}` }));
    side = await openSlackOn(stage, { clock, slack: { users, clock } });
    // Who they are is known from before, as with people who use it every day.
    for (const [index, { id }] of users.entries()) {
      if (index === users.length / 2) await clock.advance(61_000);
      await side.slack.user(id).openHome('messages');
    }
    const known = () => side.slack.calls.filter(({ method }) => method === 'users.info').length;
    await side.slack.until(() => known() === users.length, 5_000, 'all are known');
    await clock.advance(61_000);
    for (const { id } of users) await side.slack.user(id).openHome();
    const seen = () => users.filter(({ id }) => /Home of/.test(said(side.slack.home(id)))).length;
    await side.slack.until(() => published().length >= users.length, 10_000, 'all were tried');
    expect(seen()).toBeLessThan(users.length);
    /** Time passes until it is so; what the clock says that took. */
    const took = async (what: string, isSo: () => boolean) => {
      const began = clock.now();
      await side.slack.until(() => (isSo() ? true : pass(1_000).then(() => false)), 20_000, what);
      return clock.now() - began;
    };
    expect(await took('all have seen it', () => seen() === users.length)).toBeLessThan(120_000);
    // A change that concerns all of them takes its time, and nobody is left behind.
    const refused = () => published().filter(({ status }) => status === 429).length;
    const before = refused();
    await put('dev-1');
    const counted = () => users.filter(({ id }) => /0 of 1 cluster healthy/.test(said(side.slack.home(id)))).length;
    expect(await took('all have seen the change', () => counted() === users.length)).toBeLessThan(240_000);
    expect(refused()).toBe(before);
  }, 60_000);

  test('waits as long as Slack asks', async () => {
    await put('dev-1');
    await opened();
    await shows(/dev-1/);
    side.slack.faults.rateLimit('views.publish', 30);
    await put('dev-2');
    await pass(12_000);
    const before = published().length;
    await pass(10_000);
    expect(published().length).toBe(before);
    await pass(25_000);
    expect(said(side.slack.home('U1'))).toMatch(/dev-2/);
  });

  test('says so when the store is out of touch', async () => {
    await put('dev-1');
    let staleMs = 0;
    const { cache } = stage.opened;
    const behind = new Proxy(cache, {
      get: (target, name, receiver) => (name === 'staleMs' ? () => staleMs : Reflect.get(target, name, receiver)),
    });
    Object.assign(stage.parts, { cache: behind });
    Object.assign(stage.opened, { cache: behind });
    const other = await openSlackOn(stage, { clock });
    const old = side;
    side = other;
    await opened();
    expect(await shows(/dev-1/)).not.toMatch(/lost touch/);
    staleMs = 120_000;
    await pass(12_000);
    expect(await shows(/lost touch with its store: this is how it was 2 min ago/)).toMatch(/dev-1/);
    staleMs = 0;
    await pass(12_000);
    expect(said(side.slack.home('U1'))).not.toMatch(/lost touch/);
    await other.close();
    side = old;
  });
});

describe('buttons on the tab', () => {
  test('answer in the direct conversation, and the tab says so', async () => {
    await put('dev-1', { phase: 'Failed' });
    await opened();
    await shows(/dev-1/);
    const view = side.slack.home('U1');
    if (!view) throw new Error('no home');
    await side.slack.user('U1').clickIn(view, { text: 'Show' });
    const { dm } = side.slack.user('U1');
    const answer = await side.slack.sees(dm, /Cluster dev-1: Failed/);
    expect(messageWords(answer)).toMatch(/Owner/);
    expect(side.heard.find(({ text }) => text === 'cluster show dev-1')).toMatchObject({
      source: 'button',
      private: true,
      place: { conversation: dm },
      person: { id: ada },
    });
    expect(await shows(/the answer is in Messages/)).toMatch(/dev-1/);
    expect(side.slack.violations).toEqual([]);
  });

  test('open forms above it', async () => {
    await opened();
    await shows(/Home of/);
    const view = side.slack.home('U1');
    if (!view) throw new Error('no home');
    await side.slack.user('U1').clickIn(view, { text: 'Create a cluster' });
    await side.slack.until(
      () => side.slack.user('U1').view ?? side.slack.messages(side.slack.user('U1').dm).length > 0,
      5_000,
      'a form or why there is none',
    );
    expect(side.slack.violations).toEqual([]);
  });

  test('Refresh shows what is there now, at once', async () => {
    await opened();
    await shows(/You have no clusters/);
    await put('dev-1');
    const view = side.slack.home('U1');
    if (!view) throw new Error('no home');
    await side.slack.user('U1').clickIn(view, { text: 'Refresh' });
    await side.slack.until(() => /You have 1 cluster/.test(said(side.slack.home('U1'))), 2_000, 'a fresh home');
    expect(side.slack.messages(side.slack.user('U1').dm).filter(({ text }) => /Home of/.test(text))).toEqual([]);
  });

  test('decide as a typed command would', async () => {
    await putPerson(stage, ada, 'admin');
    const job = sampleJob({
      ...{ id: 'k2', cluster: 'wish', clusterName: 'wish', requestedBy: people.mel.id },
      state: 'AwaitingApproval',
    });
    const expiresAt = clock.now() + 3_000_000;
    await stage.put(
      { op: 'put', ref: { kind: 'job', org, id: 'k2' }, record: { ...job, dueAt: expiresAt } },
      {
        op: 'put',
        ref: { kind: 'approval', org, id: 'k2' },
        record: {
          ...{ v: 1, id: 'k2', org, job: 'k2', cluster: 'wish', clusterName: 'wish', requestedBy: people.mel.id },
          ...{ requesterName: 'Mel', requestedAt: 1, role: 'admin', planHash: 'abc', state: 'pending', expiresAt },
        },
      },
    );
    await opened();
    await shows(/Waits for your decision/);
    const view = side.slack.home('U1');
    if (!view) throw new Error('no home');
    await side.slack.user('U1').clickIn(view, { text: 'Approve' });
    await side.slack.until(() => side.heard.some(({ text }) => text === 'approve k2 plan=abc'), 2_000, 'the decision');
    expect(side.slack.violations).toEqual([]);
  });
});

describe('people', () => {
  test('are greeted once, in the direct conversation, when they come for the first time', async () => {
    const { dm } = side.slack.user('U1');
    await side.slack.user('U1').openHome('messages');
    const hello = await side.slack.sees(dm, /Hello ada, I am KQueen/);
    expect(messageWords(hello)).toMatch(/without any prefix/);
    await opened();
    await side.slack.user('U1').openHome('messages');
    // A replica that has just started knows nobody.
    const other = await openSlackOn(stage, { clock, on: side.slack });
    await pass(1_000);
    expect(side.slack.messages(dm).filter((each) => /Hello ada/.test(messageWords(each)))).toHaveLength(1);
    expect(side.slack.messages('C1')).toEqual([]);
    await other.close();
  });

  test('who have talked with KQueen before are not greeted', async () => {
    await side.slack.user('U1').direct('help');
    await side.slack.sees(side.slack.user('U1').dm, /cluster create/);
    await opened();
    await pass(1_000);
    expect(side.slack.messages(side.slack.user('U1').dm).some((each) => /Hello ada/.test(messageWords(each)))).toBe(
      false,
    );
  });

  test('from outside see why there is nothing, and are not followed', async () => {
    await put('dev-1');
    await opened('U3');
    expect(said(side.slack.home('U3'))).toMatch(/guest/);
    const before = published().length;
    await put('dev-2');
    await pass(12_000);
    expect(published().length).toBe(before);
    expect(said(side.slack.home('U3'))).not.toMatch(/dev-/);
    expect(side.slack.messages(side.slack.user('U3').dm)).toEqual([]);
    // Whom Slack did not vouch for in time may look again.
    side.slack.faults.error('users.info', 'internal_error');
    await opened();
    expect(said(side.slack.home('U1'))).toMatch(/did not tell who you are/);
    const view = side.slack.home('U1');
    if (!view) throw new Error('no home');
    await side.slack.user('U1').clickIn(view, { text: 'Try again' });
    await shows(/Home of ada/);
  });
});
