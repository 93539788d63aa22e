import { afterEach, describe, expect, test } from 'vitest';
import { liveAllowances } from '../../src/bot/teams/rates.ts';
import type { Job } from '../../src/core/records.ts';
import { openChat } from '../bot/chat.ts';
import type { Message } from '../counterparts/slack/index.ts';
import { endOf, type Live, liveJob, openLive, placeIn } from './stage.ts';

let live: Live;
afterEach(async () => {
  expect(live.slack.violations).toEqual([]);
  await live.close();
});

const minute = 60_000;
const isBoard = ({ revisions, threadTs }: Message) =>
  threadTs === undefined && /jobs? at once/.test(revisions[0]?.text ?? '');
const boards = (channel = 'C1') => live.top(channel).filter(isBoard);
const pings = (channel = 'C1') => live.below(channel).filter(({ text }) => text.includes('<@'));

/** The most calls of one method in any minute. */
function mostAMinute(method: string): number {
  const at = live.calls(method).map((call) => call.at);
  return Math.max(0, ...at.map((from) => at.filter((each) => each >= from && each < from + minute).length));
}

/** A repeatable number in [0, 1). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

interface Course {
  job: Job;
  from: number;
  to: number;
  state: 'Succeeded' | 'Failed';
}

/** Lets jobs go their course: each is asked for at its time, says how far it is now and then, and ends. */
async function run(courses: Course[], afterMs: number): Promise<void> {
  const last = Math.max(...courses.map(({ to }) => to));
  const open = new Map<string, { course: Course; told: number }>();
  const waiting = [...courses].sort((a, b) => a.from - b.from);
  await live.pass(last - live.now() + afterMs, 1_100, async (now) => {
    const changed: Job[] = [];
    while (waiting[0] && waiting[0].from <= now) {
      const course = waiting.shift();
      if (!course) break;
      open.set(course.job.id, { course, told: now });
      changed.push(course.job);
    }
    for (const [id, each] of open) {
      const { course } = each;
      if (course.to <= now) {
        open.delete(id);
        course.to = now;
        changed.push(endOf({ ...course.job, percent: 90 }, course.state, now));
      } else if (now - each.told >= 2 * minute) {
        each.told = now;
        changed.push({ ...course.job, percent: Math.floor((90 * (now - course.from)) / (course.to - course.from)) });
      }
    }
    if (changed.length > 0) await live.put(...changed);
  });
}

/** When the end of each job could first be read somewhere: on its own message, on a board, in its thread, or in a ping. */
function seenAt(courses: readonly Course[], channels: readonly string[]): Map<string, number> {
  const seen = new Map<string, number>();
  const see = (id: string, at: number) => seen.set(id, Math.min(at, seen.get(id) ?? Number.POSITIVE_INFINITY));
  for (const channel of channels) {
    for (const { revisions } of live.slack.messages(channel)) {
      for (const { text, blocks, at } of revisions) {
        const shown = JSON.stringify(blocks);
        for (const [, names = ''] of shown.matchAll(/(?:Succeeded|Failed) \(\d+\): ([^"]*)"/g))
          for (const name of names.split(', ')) see(name.replace(/ \(.*$/, ''), at);
        const own = /(?:Create cluster (\S+): (?:failed|succeeded)|Cluster (\S+) is ready)/.exec(text);
        if (own) see(own[1] ?? own[2] ?? '', at);
      }
    }
  }
  expect(seen.size).toBeGreaterThanOrEqual(courses.length);
  return seen;
}

describe('a board of many jobs', () => {
  test('takes the place of single edits above twenty jobs, shows the worst first, and ends with a summary', async () => {
    live = await openLive();
    live.start();
    await live.pass(5_000);
    const began = live.now();
    const courses = Array.from({ length: 30 }, (_, index): Course => {
      const job = liveJob(`dev-${index + 1}`, 'Running', began);
      return {
        job,
        from: began,
        to: began + 10 * minute + index * 10_000,
        state: index === 3 ? 'Failed' : 'Succeeded',
      };
    });
    const trouble = liveJob('slow-1', 'Waiting', began, {
      attempt: 2,
      note: 'It does not answer. Trying again (attempt 3).',
    });
    await live.put(trouble);
    await run(courses, 10_000);
    const [board] = boards();
    expect(boards()).toHaveLength(1);
    const early = JSON.stringify(board?.revisions.at(3)?.blocks);
    expect(early).toMatch(/slow-1.*waiting to try again.*dev-1/);
    expect(early).toContain('jobs running');
    await live.put(endOf(trouble, 'Succeeded', live.now()));
    await live.pass(3 * minute);
    // The last two are no wave any more: they go on by themselves.
    expect(boards()[0]?.text).toMatch(/29 jobs ended: 28 succeeded, 1 failed/);
    const single = live.top().filter((each) => !isBoard(each));
    expect(single).toHaveLength(31);
    for (const { text } of single) expect(text).toMatch(/failed|succeeded|is ready/);
    // A start, an end, and at most the few edits before the board began.
    for (const { revisions } of single) expect(revisions.length).toBeLessThanOrEqual(4);
    expect(pings().map(({ text }) => text)).toEqual([
      // The first failure is told after a minute, the rest when there is nothing left to wait for.
      expect.stringMatching(/^<@UDEV> \d+ jobs of yours ended: \d+ succeeded, 1 failed \(dev-4\)/),
      expect.stringMatching(/^<@UDEV> \d+ jobs of yours ended: \d+ succeeded\.$/),
      expect.stringMatching(/dev-30/),
      expect.stringMatching(/slow-1/),
    ]);
    expect(live.refusals()).toEqual([]);
    const kept = await live.messages();
    expect(kept.filter(({ closed }) => !closed)).toEqual([]);
  });

  test('each person hears once of what was theirs, as soon as all of it has ended', async () => {
    live = await openLive();
    live.start();
    await live.pass(5_000);
    const began = live.now();
    const courses = Array.from({ length: 25 }, (_, index): Course => {
      const mine = index === 0 ? { requestedBy: 'slack:T1:UMEL', requesterName: 'Mel' } : {};
      const to = began + (index === 0 ? 3 * minute : 10 * minute);
      return { job: liveJob(`dev-${index + 1}`, 'Running', began, mine), from: began, to, state: 'Succeeded' };
    });
    await run(
      courses.map((each) => ({ ...each })),
      -6 * minute,
    );
    expect(pings().map(({ text }) => text)).toEqual([
      expect.stringMatching(/^<@UMEL> 1 job of yours ended: 1 succeeded/),
    ]);
    await live.put(...courses.slice(1).map(({ job }) => endOf(job, 'Succeeded', live.now())));
    await live.pass(3 * minute);
    expect(pings().map(({ text }) => text.slice(0, 30))).toEqual([
      expect.stringMatching(/^<@UMEL> 1 job/),
      expect.stringMatching(/^<@UDEV> 24 jobs/),
    ]);
  });

  test('a killed notifier: the next goes on with the same board', async () => {
    live = await openLive();
    const first = live.start();
    await live.pass(5_000);
    const jobs = Array.from({ length: 24 }, (_, index) => liveJob(`dev-${index + 1}`, 'Running', live.now()));
    await live.put(...jobs);
    await live.pass(minute);
    expect(boards()).toHaveLength(1);
    first.kill();
    await live.put(...jobs.slice(0, 12).map((job) => endOf(job, 'Succeeded', live.now())));
    live.start();
    await live.pass(minute);
    await live.put(...jobs.slice(12).map((job) => endOf(job, 'Succeeded', live.now())));
    await live.pass(3 * minute);
    expect(boards()).toHaveLength(1);
    expect(boards()[0]?.text).toMatch(/24 jobs ended: 24 succeeded/);
    expect(live.top()).toHaveLength(25);
    expect(pings()).toHaveLength(1);
    expect(live.refusals()).toEqual([]);
  });
});

describe.each([
  { jobs: 1_000, channels: 1 },
  { jobs: 1_000, channels: 20 },
  { jobs: 1_000, channels: 250 },
])('$jobs jobs in $channels channels', ({ jobs, channels }) => {
  test('at most 50 edits a minute, no 429 at all, 99 % of final states within 60 s of their end', async () => {
    live = await openLive({ channels });
    live.start();
    await live.pass(5_000);
    const began = live.now();
    const random = dice(42);
    const courses = Array.from({ length: jobs }, (_, index): Course => {
      const place = placeIn(`C${(index % channels) + 1}`);
      const from = began + Math.floor(random() * 3 * minute);
      const to = from + Math.floor((8 + random() * 20) * minute);
      const job = liveJob(`dev-${index + 1}`, 'Running', from, { place });
      return { job, from, to, state: random() < 0.05 ? 'Failed' : 'Succeeded' };
    });
    await run(courses, 2 * minute);
    expect(live.refusals()).toEqual([]);
    expect(mostAMinute('chat.update')).toBeLessThanOrEqual(50);
    const names = Array.from({ length: channels }, (_, index) => `C${index + 1}`);
    const seen = seenAt(courses, names);
    const late = courses.filter(({ job, to }) => (seen.get(job.id) ?? Number.POSITIVE_INFINITY) - to > minute);
    expect(late.length).toBeLessThanOrEqual(jobs / 100);
    // All of them arrive on their own messages as well, as fast as Slack takes edits.
    await live.pass(30 * minute, 5_000);
    const open = (await live.messages()).filter(({ closed }) => !closed);
    expect(open).toEqual([]);
    const single = names.flatMap((channel) => live.top(channel)).filter((each) => !isBoard(each));
    expect(single).toHaveLength(jobs);
    for (const { text } of single) expect(text).toMatch(/failed|succeeded|is ready/);
  }, 300_000);
});

describe('other limits', () => {
  test('in a conversation of Teams edits, posts and replies together stay under what it bears, and the ends arrive', async () => {
    live = await openLive();
    const chat = openChat(
      { now: live.now, sleep: () => Promise.resolve() },
      {
        editEveryMs: 2_000,
        editsPerMinute: 600,
        postsPerMinute: 600,
        conversation: { allowances: liveAllowances, editsCount: true },
      },
    );
    live.start({ port: chat.connect('one') });
    await live.pass(5_000);
    const began = live.now();
    const random = dice(3);
    const courses = Array.from({ length: 300 }, (_, index): Course => {
      const to = began + Math.floor((4 + random() * 8) * minute);
      return { job: liveJob(`dev-${index + 1}`, 'Running', began), from: began, to, state: 'Succeeded' };
    });
    await run(courses, 2 * minute);
    const at = chat.made.filter(({ call }) => call !== 'find' && call !== 'direct').map((each) => each.at);
    // Microsoft's own limits for one bot in one conversation.
    for (const [most, ms] of [
      [7, 1_000],
      [8, 2_000],
      [60, 30_000],
      [1_800, 3_600_000],
    ] as const) {
      const seen = Math.max(...at.map((from) => at.filter((each) => each >= from && each < from + ms).length));
      expect(seen).toBeLessThanOrEqual(most);
    }
    const own = chat.screen.filter(({ key, card }) => key !== '' && !/at once|ended/.test(card.title));
    expect(own).toHaveLength(300);
    for (const { card } of own) expect(card.title).toMatch(/succeeded|is ready/);
    const late = courses.filter(({ job, to }) => {
      const shown = own.find(({ card }) => card.title.includes(`${job.id}:`));
      return (shown?.editedAt.at(-1) ?? Number.POSITIVE_INFINITY) - to > minute;
    });
    expect(late.length).toBeLessThanOrEqual(3);
  }, 120_000);

  test('a notifier that takes over counts what the one before has just spent: no 429', async () => {
    live = await openLive({ channels: 20 });
    const first = live.start();
    await live.pass(5_000);
    // Just not a board, and as restless as can be.
    let jobs = Array.from({ length: 20 }, (_, index) =>
      liveJob(`dev-${index + 1}`, 'Running', live.now(), { place: placeIn(`C${index + 1}`) }),
    );
    const restless = async (ms: number) => {
      await live.pass(ms, 1_000, async (now) => {
        const state = Math.floor(now / 1_000) % 2 === 0 ? 'doing' : 'done';
        jobs = jobs.map((job) => ({ ...job, steps: [{ name: 'One', state }] }));
        await live.put(...jobs);
      });
    };
    await restless(40_000);
    first.kill();
    live.start();
    await restless(2 * minute);
    expect(live.refusals()).toEqual([]);
    expect(mostAMinute('chat.update')).toBeLessThanOrEqual(50);
    expect(mostAMinute('chat.update')).toBeGreaterThan(20);
  });
});

describe('limits that are met all the same', () => {
  test('on a 429 the newest state wins, as soon as Slack allows, and nothing is lost', async () => {
    live = await openLive();
    live.start();
    await live.pass(5_000);
    let job = liveJob('dev-1', 'Running', live.now());
    await live.put(job);
    await live.pass(5_000);
    live.slack.faults.rateLimit('chat.update', 30);
    job = { ...job, steps: [{ name: 'One', state: 'doing' }] };
    await live.put(job);
    await live.pass(5_000);
    const limited = live.now();
    job = { ...job, steps: [{ name: 'One', state: 'done' }] };
    await live.put(job);
    await live.pass(1_000);
    await live.put(endOf(job, 'Failed', live.now()));
    await live.pass(minute);
    const [message] = live.top();
    expect(message?.text).toMatch(/failed/);
    const [refused, ...later] = live.slack.calls.filter(({ method }) => method === 'chat.update');
    expect(refused?.status).toBe(429);
    expect((later[0]?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(30_000);
    expect(later).toHaveLength(1);
    expect(pings()).toHaveLength(1);
    expect(limited).toBeGreaterThan(refused?.at ?? 0);
  });

  test('a ping that Slack has no room for comes later, once', async () => {
    live = await openLive();
    live.start();
    const job = liveJob('dev-1', 'Running', live.now());
    await live.put(job);
    await live.pass(10_000);
    live.slack.faults.rateLimit('chat.postMessage', 20);
    await live.put(endOf(job, 'Succeeded', live.now()));
    await live.pass(minute);
    expect(pings()).toHaveLength(1);
  });
});
