/** Digests: once when they are due, late rather than never, with what is worst, what changed, and a picture. */
import { afterEach, describe, expect, test } from 'vitest';
import { words } from '../core/stage.ts';
import { openTold, place, type Told } from './stage.ts';

const minute = 60_000;
const hour = 60 * minute;
let told: Told;

afterEach(async () => {
  expect(told.slack.violations).toEqual([]);
  await told.close();
});

/** A small fleet, some of it not as it should be. */
async function fleet(): Promise<void> {
  await told.cluster('good-1', { version: '1.35.2' });
  await told.cluster('slow-1', { version: '1.33.6', labels: { team: 'data' } });
  await told.cluster('lost-1', { provisionerName: 'berlin', version: '1.33.6' });
  await told.cluster('new-1', { phase: 'Provisioning', provisionerName: 'berlin' });
  await told.health('good-1', 'Healthy');
  await told.health('slow-1', 'Degraded', '2 of 3 nodes are ready');
  await told.health('lost-1', 'Unreachable', 'The API does not answer');
}

const posts = () => told.messages().filter(({ text }) => text.includes('The fleet') || text.includes('lusters'));
/** Passes until the clock shows this, in steps of a minute. */
const until = (time: string) => told.pass(Date.parse(time) - told.now(), minute);
/** Pictures are drawn beside the clock's time. */
async function drawn(count: number): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (posts().length < count && Date.now() < deadline) {
    await told.pass(1_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(posts()).toHaveLength(count);
}

describe('when it comes', () => {
  test('every day at nine in the zone of the person, also over the change of clocks', async () => {
    told = await openTold({}, '2027-03-26T20:00:00Z');
    told.replica();
    const answer = await told.say('digest daily at 09:00', { zone: 'Europe/Berlin' });
    expect(answer.card?.text).toContain('every day at 09:00 (Europe/Berlin), for the first time in 12 h');
    expect(answer.card?.text).toContain('That is your time zone');
    await until('2027-03-27T07:59:00Z');
    expect(posts()).toHaveLength(0);
    await until('2027-03-27T08:01:00Z');
    expect(posts()).toHaveLength(1);
    // The clocks go forward on the 28th.
    await until('2027-03-28T06:59:00Z');
    expect(posts()).toHaveLength(1);
    await until('2027-03-28T07:01:00Z');
    expect(posts()).toHaveLength(2);
    expect((await told.channel())?.digest?.dueAt).toBe(Date.parse('2027-03-29T07:00:00Z'));
  });

  test('is dated by the day of its zone', async () => {
    told = await openTold();
    await fleet();
    told.replica();
    await told.say('digest daily at 09:00', { zone: 'Pacific/Auckland' });
    await until('2027-03-04T20:01:00Z');
    await drawn(1);
    expect(posts()[0]?.text).toContain('The fleet on Friday 5 March');
  });

  test('without a zone it is UTC, and that is said', async () => {
    told = await openTold();
    const answer = await told.say('digest weekly fri at 4pm');
    expect(answer.card?.text).toContain('every Friday at 16:00 (UTC)');
    expect(answer.card?.text).toContain('does not tell your time zone, so it is UTC');
    expect((await told.channel())?.digest?.dueAt).toBe(Date.parse('2027-03-05T16:00:00Z'));
    expect(words(await told.say('digest'))).toContain('next in 1 d 11 h');
    expect(words(await told.say('channel'))).toContain('every Friday at 16:00');
  });

  test('seeds 33: at its time it is posted once, by two replicas as well', async () => {
    told = await openTold();
    told.replica();
    told.replica();
    await told.say('digest daily at 09:00');
    await until('2027-03-06T10:00:00Z');
    expect(posts()).toHaveLength(3);
    expect(new Set(posts().map(({ text }) => text.split('\n')[0])).size).toBe(3);
  });

  test('what was missed comes once, and says how late it is', async () => {
    told = await openTold();
    await told.say('digest daily at 09:00');
    await told.pass(3 * 24 * hour + 6 * hour, hour);
    expect(posts()).toHaveLength(0);
    told.replica();
    await told.pass(minute, 5_000);
    expect(posts()).toHaveLength(1);
    expect(JSON.stringify(posts()[0]?.blocks)).toContain('This one is 3 d 2 h late.');
    await told.pass(2 * hour, minute);
    expect(posts()).toHaveLength(1);
  });

  test('one whose replica died before Slack answered is found, and not sent again', async () => {
    told = await openTold();
    const first = told.replica();
    await told.say('digest daily at 09:00');
    await until('2027-03-04T08:59:30Z');
    told.slack.faults.next('chat.postMessage', { kind: 'lost' });
    await told.pass(31_000, 500);
    expect(posts()).toHaveLength(1);
    first.kill();
    told.replica();
    await told.pass(10 * minute, 5_000);
    expect(posts()).toHaveLength(1);
    expect((await told.channel())?.posting).toBeUndefined();
    await until('2027-03-05T09:01:00Z');
    expect(posts()).toHaveLength(2);
  });

  test('a chat that is away for a while gets it when it is back', async () => {
    told = await openTold();
    told.replica();
    await told.say('digest daily at 09:00');
    await until('2027-03-04T08:59:00Z');
    told.slack.faults.next('chat.postMessage', { kind: 'status', status: 503 }, 3);
    await told.pass(5 * minute, 1_000);
    expect(posts()).toHaveLength(1);
  });

  test('digest off ends it, and wrong times, days and zones are refused with what to write', async () => {
    told = await openTold();
    told.replica();
    expect((await told.say('digest daily at 25:00')).card?.text).toContain(
      '25:00 is no time of the day. Write it as 09:00',
    );
    expect((await told.say('digest weekly someday')).card?.text).toContain('someday is no day of the week');
    expect((await told.say('digest daily at 09:00 zone=Mars/Base')).card?.text).toContain(
      'There is no time zone Mars/Base',
    );
    expect((await told.say('digest off')).card?.text).toContain('No digest is sent here.');
    await told.say('digest daily at 09:00');
    await told.say('digest off');
    await until('2027-03-05T10:00:00Z');
    expect(posts()).toHaveLength(0);
  });
});

describe('what it says', () => {
  test('counts, the worst first with why, jobs, versions, and a picture with its words', async () => {
    told = await openTold({ fileSettleMs: 2_500 });
    await fleet();
    await told.job({
      id: 'k1',
      cluster: 'slow-1',
      clusterName: 'slow-1',
      kind: 'cluster.scale',
      state: 'Failed',
      endedAt: told.now(),
    });
    told.replica();
    const answer = await told.say('digest now');
    expect(answer.receipt).toBe(true);
    await drawn(1);
    const [post] = posts();
    expect(post?.text).toContain('1 of 4 clusters healthy, 1 busy, 1 degraded, 1 down or failed.');
    expect(post?.text).toContain('Bar chart of clusters by provisioner.');
    expect(post?.text.indexOf('lost-1')).toBeLessThan(post?.text.indexOf('slow-1') ?? 0);
    expect(post?.text).toContain('The API does not answer');
    expect(post?.text).toContain('0 done, 1 failed: Scale cluster slow-1 (#k1).');
    expect(post?.text).toContain('1.33 has had no more fixes from Kubernetes since 2026-06-28: lost-1, slow-1.');
    const image = post?.blocks.find(({ type }) => type === 'image') as
      | { alt_text: string; slack_file: { id: string } }
      | undefined;
    expect(image?.alt_text).toContain('berlin: 1 busy, 1 down or failed.');
    const file = told.slack.files().find(({ id }) => id === image?.slack_file.id);
    expect(file?.bytes?.length).toBeGreaterThan(5_000);
    expect(file?.bytes?.length).toBeLessThan(150_000);
    expect(file?.shares).toEqual([]);
    expect((await told.channel())?.posting).toBeUndefined();
  });

  test('the next one tells what has changed since, and only what was asked for', async () => {
    told = await openTold();
    await fleet();
    told.replica();
    await told.say('digest daily at 09:00 clusters=label=data');
    await until('2027-03-04T09:00:30Z');
    await drawn(1);
    expect(posts()[0]?.text).toContain('0 of 1 cluster healthy, 1 degraded.');
    expect(posts()[0]?.text).not.toContain('lost-1');
    await told.pass(hour, minute);
    await told.health('slow-1', 'Healthy');
    await until('2027-03-05T09:00:30Z');
    await drawn(2);
    expect(posts()[1]?.text).toContain('Since 24 h ago: Slow-1 is healthy; 0 were healthy then.');
  });

  test('a picture that Slack does not take is written in letters, and its file is taken away', async () => {
    told = await openTold({ fileSettleMs: 3_600_000 });
    await fleet();
    told.replica();
    await told.say('digest now', { place });
    await drawn(1);
    const [post] = posts();
    expect(post?.blocks.some(({ type }) => type === 'image')).toBe(false);
    expect(JSON.stringify(post?.blocks)).toContain('x Down or failed');
    expect(told.slack.files().every(({ deleted }) => deleted)).toBe(true);
  });
});
