/** Socket Mode is never deaf: whatever Slack does to the connections, a command that was sent over one of them is answered in time. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSlack, type SlackAdapter } from '../../../src/bot/slack/adapter.ts';
import { plainCard } from '../../../src/core/card.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import { type Delivery, type Slack, startSlack } from '../../counterparts/slack/index.ts';

let slack: Slack;
let adapter: SlackAdapter;
/** How long a command takes; real ones read the store. */
let workMs = 0;

beforeEach(async () => {
  workMs = 0;
  const tokens = { botToken: 'xoxb-test', appToken: 'xapp-test' };
  slack = await startSlack({
    signingSecret: 'a-signing-secret',
    ...tokens,
    users: [{ id: 'U1', name: 'ada' }],
    channels: [{ id: 'C1', name: 'clusters' }],
  });
  slack.rates.enabled = false;
  adapter = await openSlack({
    ...tokens,
    apiUrl: slack.apiUrl,
    handle: async () => {
      await pause(workMs);
      return [{ audience: 'caller', card: plainCard('Hello', 'Hello there.') }];
    },
    log: silentLog,
    clock: {
      now: () => Date.now(),
      sleep: (ms, signal) => pause(ms, undefined, signal === undefined ? {} : { signal }),
    },
    staggerMs: 50,
  });
  await adapter.start();
  await slack.until(() => slack.socket.connections === 2);
});

afterEach(async () => {
  await adapter.stop(2_000);
  await slack.close();
});

/** Commands one after the other every `everyMs`, without waiting for their answers, while `trouble` goes on; what became of each. */
async function commandsDuring(trouble: () => Promise<void>, everyMs = 10): Promise<Delivery[]> {
  const sent: Promise<Delivery>[] = [];
  let over = false;
  const end = trouble().finally(() => {
    over = true;
  });
  while (!over) {
    sent.push(slack.user('U1').command('/kqueen', `round ${sent.length}`, { channel: 'C1' }));
    await pause(everyMs);
  }
  await end;
  return await Promise.all(sent);
}

function answeredInTime(outcomes: Delivery[], atLeast: number): void {
  expect(outcomes.length).toBeGreaterThanOrEqual(atLeast);
  expect(outcomes.filter(({ status, ms }) => status !== 200 || ms >= 3_000)).toEqual([]);
  expect(slack.violations).toEqual([]);
}

test('Socket Mode refresh under load: no command unanswered for 3 s', async () => {
  const opened = () => slack.calls.filter(({ method }) => method === 'apps.connections.open').length;
  const before = opened();
  const outcomes = await commandsDuring(async () => {
    for (let round = 0; round < 6; round += 1) {
      slack.socket.refresh(0);
      await slack.until(() => slack.socket.connections === 2, 3_000, 'the refreshed connection');
      await pause(50);
    }
  });
  answeredInTime(outcomes, 20);
  expect(opened() - before).toBe(6);
});

test('what is under way when its connection is refreshed is still answered over it', async () => {
  workMs = 700;
  const outcomes = await commandsDuring(async () => {
    for (let round = 0; round < 3; round += 1) {
      await pause(300);
      slack.socket.refresh(0);
      await slack.until(() => slack.socket.connections === 2, 5_000, 'the refreshed connection');
    }
  }, 50);
  answeredInTime(outcomes, 10);
});

test('a refresh of both connections at once leaves nothing unanswered that Slack could deliver', async () => {
  const outcomes = await commandsDuring(async () => {
    for (let round = 0; round < 3; round += 1) {
      slack.socket.refresh(0);
      slack.socket.refresh(0);
      await slack.until(() => slack.socket.connections === 2, 3_000, 'both connections');
      await pause(50);
    }
  });
  // With no connection at all Slack has nowhere to send a command; those moments are short, and end with both links.
  const delivered = outcomes.filter(({ error }) => error !== 'dispatch_failed');
  answeredInTime(delivered, 10);
  expect(delivered.length).toBeGreaterThan(outcomes.length * 0.7);
});

test.each(['warning', 'link_disabled'])('a disconnect for the reason %s is taken like a refresh', async (reason) => {
  const outcomes = await commandsDuring(async () => {
    slack.socket.refresh(0, reason);
    await slack.until(() => slack.socket.connections === 2, 3_000, 'the next connection');
  });
  answeredInTime(outcomes, 1);
});

test('after a cut without a word both links come back within two seconds', async () => {
  slack.socket.cut();
  await slack.until(() => slack.socket.connections === 2, 2_000, 'both links');
  answeredInTime(await commandsDuring(() => pause(300)), 10);
});
