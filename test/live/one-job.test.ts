import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Job, Step } from '../../src/core/records.ts';
import { words } from '../counterparts/slack/index.ts';
import { endOf, type Live, liveJob, openLive, placeIn } from './stage.ts';

let live: Live;
beforeEach(async () => {
  live = await openLive();
});
afterEach(async () => {
  expect(live.slack.violations).toEqual([]);
  await live.close();
});

const minute = 60_000;
const names = ['Ask the provider', 'Provision', 'Fetch credentials', 'Check health'];

function atStep(job: Job, index: number, now: number): Job {
  const steps = names.map((name, position): Step => {
    const state = position < index ? 'done' : position === index ? 'doing' : 'todo';
    return state === 'todo'
      ? { name, state }
      : { name, state, at: job.steps[position]?.state === state ? (job.steps[position]?.at ?? now) : now };
  });
  return { ...job, steps, state: 'Running' };
}

describe('one live message', () => {
  test('a job of thirty minutes: one channel message, at most 60 edits, at most 2 pings, and each step once in its thread', async () => {
    live.start();
    await live.pass(5_000);
    const began = live.now();
    let job = atStep(liveJob('dev-1', 'Running', began), 0, began);
    await live.put(job);
    // A provider that is asked every fifteen seconds, and says something new each time.
    await live.pass(30 * minute, 1_000, async (now) => {
      const elapsed = now - began;
      if (elapsed % 15_000 !== 0) return;
      const index = elapsed < minute ? 0 : elapsed < 25 * minute ? 1 : elapsed < 28 * minute ? 2 : 3;
      job = atStep(
        { ...job, percent: Math.floor((elapsed / (18 * minute)) * 50), note: `Working on part ${elapsed / 15_000}.` },
        index,
        now,
      );
      await live.put(job);
    });
    await live.put(endOf(job, 'Succeeded', live.now()));
    await live.pass(30_000);
    expect(live.top()).toHaveLength(1);
    const [message] = live.top();
    expect(message && words(message)).toMatch(/succeeded|is ready/);
    const edits = live.calls('chat.update');
    expect(edits.length).toBeLessThanOrEqual(60);
    expect(edits.length).toBeGreaterThan(20);
    const below = live.below().map(({ text }) => text);
    expect(below.filter((text) => text.includes('<@'))).toHaveLength(1);
    expect(below.filter((text) => !text.includes('<@'))).toEqual([
      'Done: Ask the provider. Now: Provision. 1 min after the start.',
      'Done: Provision. Now: Fetch credentials. 25 min after the start.',
      'Done: Fetch credentials. Now: Check health. 28 min after the start.',
    ]);
    expect(live.refusals()).toEqual([]);
    expect(await live.messages()).toMatchObject([{ closed: true, pinged: true }]);
  });

  test('a job that changes every second for thirty minutes: still at most 60 edits and 15 lines, and the end arrives', async () => {
    live.start();
    await live.pass(5_000);
    const began = live.now();
    let job = atStep(liveJob('dev-1', 'Running', began), 0, began);
    await live.put(job);
    await live.pass(30 * minute, 1_000, async (now) => {
      job = atStep(job, Math.floor((now - began) / 1_000) % names.length, now);
      await live.put(job);
    });
    await live.put(endOf(job, 'Failed', live.now()));
    await live.pass(10_000);
    expect(live.calls('chat.update').length).toBeLessThanOrEqual(60);
    const lines = live.below().filter(({ text }) => !text.includes('<@'));
    expect(lines).toHaveLength(15);
    expect(lines.at(-1)?.text).toMatch(/What comes next is on the message above/);
    expect(live.top()[0]?.text).toMatch(/failed/);
  });

  test('D1 the time that is left moves on with every look, and is said only when three runs are known', async () => {
    live.start();
    const shown = async (id: string): Promise<string[]> => {
      const began = live.now();
      const job = liveJob(id, 'Running', began, { engine: 'gke', nodes: 3 });
      await live.put(job);
      await live.pass(9 * minute);
      await live.put(endOf(job, 'Succeeded', live.now()));
      await live.pass(10_000);
      const message = live.top().at(-1);
      return message?.revisions.map(({ text }) => text) ?? [];
    };
    for (const id of ['a', 'b', 'c']) expect((await shown(id)).join(' ')).not.toMatch(/ left/);
    const texts = (await shown('d')).filter((text) => / left/.test(text));
    const left = texts.map((text) => /about (.*?) left/.exec(text)?.[1] ?? '');
    expect(left[0]).toBe('9 min');
    expect(new Set(left).size).toBeGreaterThan(8);
    expect(texts[0]).toMatch(/usually 9 min/);
    expect(texts[0]).toMatch(/Next look/);

    // A provider that has become slower: the newest runs count, and what takes longer than all of them says so.
    const slow = liveJob('e', 'Running', live.now(), { engine: 'gke', nodes: 3 });
    await live.put(slow);
    await live.pass(12 * minute);
    expect(live.top().at(-1)?.text).toMatch(/longer than usual \(usually 9 min\)/);
  });

  test('the error of the estimate is less than a quarter in the middle, after twenty runs', async () => {
    live.start();
    // A repeatable spread of durations around eight minutes, a tenth of them half as long again.
    let seed = 7;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    const duration = () => Math.round(8 * minute * (0.75 + random() * 0.5) * (random() < 0.1 ? 1.5 : 1));
    const past = Array.from({ length: 20 }, (_, index) => {
      const began = live.now() - (40 - index) * 3_600_000;
      const job = liveJob(`past-${index}`, 'Running', began, { engine: 'aks', nodes: 3 });
      return endOf(job, 'Succeeded', began + duration());
    });
    await live.put(...past);
    await live.pass(5_000);
    const errors: number[] = [];
    for (let run = 0; run < 12; run += 1) {
      const began = live.now();
      const takes = duration();
      const job = liveJob(`run-${run}`, 'Running', began, { engine: 'aks', nodes: 3 });
      await live.put(job);
      await live.pass(takes);
      await live.put(endOf(job, 'Succeeded', live.now()));
      await live.pass(5_000);
      for (const { text, at } of live.top().at(-1)?.revisions ?? []) {
        const said = /about (?:(\d+) min)? ?(?:(\d+) s)? ?left/.exec(text);
        if (!said) continue;
        const left = (Number(said[1] ?? 0) * 60 + Number(said[2] ?? 0)) * 1_000;
        // How far the whole duration was missed.
        errors.push(Math.abs(at - began + left - takes) / takes);
      }
    }
    errors.sort((a, b) => a - b);
    expect(errors.length).toBeGreaterThan(100);
    expect(errors[Math.floor(errors.length / 2)]).toBeLessThan(0.25);
  }, 60_000);

  test('a notifier that is killed: the next goes on with the same message and says no step twice', async () => {
    const first = live.start();
    await live.pass(5_000);
    const began = live.now();
    let job = atStep(liveJob('dev-1', 'Running', began), 0, began);
    await live.put(job);
    await live.pass(30_000);
    job = atStep(job, 1, live.now());
    await live.put(job);
    await live.pass(5_000);
    first.kill();
    job = atStep(job, 2, live.now());
    await live.put(job);
    live.start();
    await live.pass(30_000);
    expect(live.below()).toHaveLength(2);
    await live.put(endOf(job, 'Succeeded', live.now()));
    await live.pass(10_000);
    expect(live.top()).toHaveLength(1);
    expect(live.below().filter(({ text }) => text.includes('<@'))).toHaveLength(1);
    expect(live.below()).toHaveLength(3);
  });

  test('an answer to a reply that is lost: it is found in the thread and not said again', async () => {
    live.start();
    await live.pass(5_000);
    let job = atStep(liveJob('dev-1', 'Running', live.now()), 0, live.now());
    await live.put(job);
    await live.pass(15_000);
    live.slack.faults.lose('chat.postMessage');
    job = atStep(job, 1, live.now());
    await live.put(job);
    await live.pass(30_000);
    expect(live.below().map(({ text }) => text)).toEqual([expect.stringMatching(/^Done: Ask the provider/)]);
  });
});

describe('trouble on the way', () => {
  test('retries are one line when they begin and one when they are over', async () => {
    live.start();
    await live.pass(5_000);
    let job = liveJob('dev-1', 'Running', live.now());
    await live.put(job);
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      const note = `The provider does not answer. Trying again (attempt ${attempt + 1}).`;
      job = { ...job, state: 'Waiting', attempt, note };
      await live.put(job);
      await live.pass(15_000);
      await live.put({ ...job, state: 'Running' });
      await live.pass(2_000);
    }
    await live.put({ ...job, state: 'Running', attempt: 0, note: 'The provider is working on it.' });
    await live.pass(10_000);
    expect(live.below().map(({ text }) => text)).toEqual([
      'The provider does not answer. Trying again (attempt 2).',
      expect.stringMatching(/^It goes on: the trouble is over after 2 min/),
    ]);
  });

  test('the words of the provider on a failure are in the thread, long ones as a file, and the message offers what to do', async () => {
    live.start();
    const short = liveJob('dev-1', 'Running', live.now());
    const long = liveJob('dev-2', 'Running', live.now());
    await live.put(short, long);
    await live.pass(10_000);
    const failure = { kind: 'quota', message: 'No more room.', correlation: 'x' };
    await live.put(
      { ...endOf(short, 'Failed', live.now()), failure: { ...failure, detail: 'QUOTA_EXCEEDED: 24 of 24 cores' } },
      { ...endOf(long, 'Failed', live.now()), failure: { ...failure, detail: `begin ${'x'.repeat(6_000)} end` } },
    );
    await live.pass(60_000);
    const below = live.below();
    expect(below.filter((each) => words(each).includes('QUOTA_EXCEEDED: 24 of 24 cores'))).toHaveLength(1);
    const files = live.slack.files();
    expect(files.map(({ name }) => name)).toEqual(['dev-2-failure.txt']);
    expect(files[0]?.bytes?.toString()).toMatch(/^begin x+ end\n$/);
    expect(below.filter(({ text }) => text.includes('<@'))).toHaveLength(2);
    expect(JSON.stringify(live.top()[0]?.blocks)).toMatch(/Retry.*Show log/);
  });

  test('a job that waits for input at the provider pings once, and once when it ends', async () => {
    live.start();
    const job = liveJob('dev-1', 'Running', live.now());
    await live.put(job);
    await live.pass(20_000);
    const note = 'Approve: waits for input in Jenkins: https://jenkins.example/job/x/1/input/';
    await live.put({ ...job, note });
    await live.pass(5 * minute);
    const pings = () => live.below().filter(({ text }) => text.includes('<@'));
    expect(pings().map(({ text }) => text)).toEqual([expect.stringContaining('waits for you')]);
    expect(live.top()[0]?.text).toMatch(/Attention · Create cluster dev-1: waits for input/);
    expect(JSON.stringify(live.top()[0]?.blocks)).toContain('"url":"https://jenkins.example/job/x/1/input/"');
    await live.put({ ...job, note: 'Building.' });
    await live.pass(minute);
    await live.put({ ...job, note });
    await live.pass(minute);
    await live.put(endOf(job, 'Succeeded', live.now()));
    await live.pass(minute);
    expect(pings()).toHaveLength(2);
  });

  test('in somebody else’s thread steps are not told: they would reach all who follow it', async () => {
    live.start();
    await live.pass(5_000);
    await live.slack.user('UDEV').say('C1', 'let us make one');
    const place = { ...placeIn(), thread: live.top()[0]?.ts ?? '' };
    let job = atStep(liveJob('dev-1', 'Running', live.now(), { place }), 0, live.now());
    await live.put(job);
    await live.pass(20_000);
    job = atStep(job, 1, live.now());
    await live.put(job);
    await live.pass(20_000);
    expect(live.below()).toHaveLength(1);
  });
});
