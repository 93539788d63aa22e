import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  goingBy,
  keepingWords,
  lastRun,
  nextRun,
  readEvery,
  scheduleWords,
  settled,
  windowEnd,
} from '../../src/core/backup-schedule.ts';
import type { Backup, BackupPlan, Keeping } from '../../src/core/records.ts';

const at = (text: string) => Date.parse(text);
const shown = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');
const day = 86_400_000;
const hour = 3_600_000;

/** Each moment at which one is due after `from`, up to `to`. */
function runs(when: Parameters<typeof nextRun>[0], from: string, to: string): string[] {
  const found: string[] = [];
  for (let next = nextRun(when, at(from)); next <= at(to); next = nextRun(when, next)) found.push(shown(next));
  return found;
}

describe('when a backup is due', () => {
  const daily = { minute: 150, zone: 'Europe/Berlin' };

  it('goes by the clocks of the zone, also on the days when these are changed', () => {
    // 02:30 does not exist on 29 March 2026 in Berlin, and exists twice on 25 October.
    expect(runs(daily, '2026-03-27T12:00:00Z', '2026-03-31T00:00:00Z')).toEqual([
      '2026-03-28T01:30:00Z',
      '2026-03-29T01:30:00Z',
      '2026-03-30T00:30:00Z',
    ]);
    expect(runs(daily, '2026-10-24T12:00:00Z', '2026-10-27T00:00:00Z')).toEqual([
      '2026-10-25T00:30:00Z',
      '2026-10-26T01:30:00Z',
    ]);
  });

  it('comes every so many hours at the same times of the day, and once a week on its day', () => {
    const six = { hours: 6, minute: 150, zone: 'UTC' };
    expect(runs(six, '2026-05-01T00:00:00Z', '2026-05-02T03:00:00Z')).toEqual([
      '2026-05-01T02:30:00Z',
      '2026-05-01T08:30:00Z',
      '2026-05-01T14:30:00Z',
      '2026-05-01T20:30:00Z',
      '2026-05-02T02:30:00Z',
    ]);
    const hourly = { hours: 1, minute: 15, zone: 'Europe/Berlin' };
    // The hour that is not there is none, the hour that comes twice is one.
    expect(runs(hourly, '2026-03-28T23:30:00Z', '2026-03-29T03:30:00Z').length).toBeGreaterThanOrEqual(3);
    expect(new Set(runs(hourly, '2026-10-24T22:00:00Z', '2026-10-25T04:00:00Z')).size).toBe(
      runs(hourly, '2026-10-24T22:00:00Z', '2026-10-25T04:00:00Z').length,
    );
    const weekly = { weekday: 0, minute: 180, zone: 'America/New_York' };
    expect(runs(weekly, '2026-05-01T00:00:00Z', '2026-05-20T00:00:00Z')).toEqual([
      '2026-05-03T07:00:00Z',
      '2026-05-10T07:00:00Z',
      '2026-05-17T07:00:00Z',
    ]);
  });

  it('is always later than what it follows, and at most a schedule away', () => {
    const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu');
    const hours = fc.option(fc.constantFrom(1, 2, 3, 4, 6, 8, 12), { nil: undefined });
    fc.assert(
      fc.property(
        zone,
        hours,
        fc.integer({ min: 0, max: 1_439 }),
        fc.integer({ min: 0, max: 400 * day }),
        (z, h, minute, offset) => {
          const from = at('2026-01-01T00:00:00Z') + offset;
          const when = { minute, zone: z, ...(h === undefined ? {} : { hours: h }) };
          const next = nextRun(when, from);
          expect(next).toBeGreaterThan(from);
          expect(next - from).toBeLessThanOrEqual((h ?? 24) * hour + 2 * hour);
          expect(windowEnd(when, next)).toBeLessThan(nextRun(when, next));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('counts what was missed, and makes up for the last of it', () => {
    const due = nextRun(daily, at('2026-05-01T00:00:00Z'));
    expect(lastRun(daily, due, due)).toEqual({ due, missed: 0 });
    expect(lastRun(daily, due, due + 3 * day + hour)).toEqual({ due: due + 3 * day, missed: 3 });
    const hourly = { hours: 1, minute: 0, zone: 'UTC' };
    const long = lastRun(hourly, at('2020-01-01T00:00:00Z'), at('2026-05-01T10:20:00Z'));
    expect(shown(long.due)).toBe('2026-05-01T10:00:00Z');
    expect(long.missed).toBe(200);
  });

  it('is read and said in plain words', () => {
    expect(readEvery('daily')).toEqual({ weekly: false });
    expect(readEvery('every 6h')).toEqual({ hours: 6, weekly: false });
    expect(readEvery('Weekly')).toEqual({ weekly: true });
    expect(readEvery('hourly')).toEqual({ hours: 1, weekly: false });
    for (const wrong of ['5h', '0h', '24', 'monthly', '30 2 * * *', '']) expect(readEvery(wrong), wrong).toBeNull();
    expect(scheduleWords(daily)).toBe('every day at 02:30 (Europe/Berlin)');
    expect(scheduleWords({ weekday: 0, minute: 180, zone: 'UTC' })).toBe('every Sunday at 03:00 (UTC)');
    expect(scheduleWords({ hours: 6, minute: 150, zone: 'UTC' })).toBe('every 6 hours, counted from 02:30 (UTC)');
  });
});

const now = at('2026-06-30T12:00:00Z');

function backup(id: string, age: number, change: Partial<Backup> = {}): Backup {
  return {
    ...{
      v: 1,
      id,
      org: 'default',
      cluster: 'c1',
      clusterName: 'dev-1',
      owner: 'terminal:dev',
      state: 'kept',
      job: `j-${id}`,
    },
    ...{ requestedBy: 'kqueen', requesterName: 'KQueen', createdAt: now - age, endedAt: now - age + 60_000 },
    ...{ by: 'kqueen', schedule: 'c1', secrets: false, snapshots: false },
    ...change,
  };
}

const ids = (going: ReturnType<typeof goingBy>) => going.map((each) => each.backup.id);

describe('which backups stay', () => {
  it('seeds 46: keep=3 keeps the newest three and takes the oldest first', () => {
    const all = Array.from({ length: 6 }, (_, index) => backup(`b${index}`, index * day));
    const going = goingBy(all, { keep: 3, manual: false }, 'c1', now);
    expect(ids(going)).toEqual(['b5', 'b4', 'b3']);
    expect(going[0]?.why).toBe('5 newer ones are there, and 3 stay');
  });

  it('takes what is too old, but never the newest good one, nor the newest whole one', () => {
    const all = [
      backup('p', 40 * day, { state: 'partial' }),
      backup('k', 50 * day),
      backup('old', 60 * day),
      backup('f', 1 * day, { state: 'failed' }),
    ];
    expect(ids(goingBy(all, { maxAgeMs: 30 * day, manual: false }, 'c1', now))).toEqual(['old']);
    expect(ids(goingBy(all, { keep: 1, manual: false }, 'c1', now))).toEqual(['old']);
  });

  it('leaves alone what people asked for, what is made or read, and what Velero keeps', () => {
    const { schedule: _schedule, ...byHand } = backup('hand', 90 * day);
    const all = [
      backup('b0', 0),
      backup('read', 3 * day),
      byHand,
      backup('making', 4 * day, { state: 'making' }),
      backup('velero', 5 * day, { by: 'velero' }),
      backup('going', 6 * day, { state: 'deleting' }),
      backup('b1', 7 * day),
    ];
    expect(ids(goingBy(all, { keep: 1, manual: false }, 'c1', now, new Set(['read'])))).toEqual(['b1']);
    expect(ids(goingBy(all, { keep: 1, manual: true }, 'c1', now))).toEqual(['hand', 'b1', 'read']);
  });

  it('forgets failed ones after a week', () => {
    const all = [
      backup('b0', 0),
      backup('new', 6 * day, { state: 'failed' }),
      backup('old', 9 * day, { state: 'failed' }),
    ];
    expect(ids(goingBy(all, { keep: 9, manual: false }, 'c1', now))).toEqual(['old']);
  });

  it('never takes all good ones, whatever there is and whatever is set', () => {
    const state = fc.constantFrom<Backup['state']>('kept', 'partial', 'failed', 'making');
    const one = fc.record({ age: fc.integer({ min: 0, max: 400 }), state });
    const keeping = fc.record(
      {
        keep: fc.integer({ min: 1, max: 5 }),
        maxAgeMs: fc.integer({ min: 1, max: 100 * day }),
        manual: fc.constant(true),
      },
      { requiredKeys: ['manual'] },
    );
    fc.assert(
      fc.property(fc.array(one, { maxLength: 12 }), keeping, (made, rule) => {
        const all = made.map((each, index) => backup(`b${index}`, each.age * day, { state: each.state }));
        const going = new Set(ids(goingBy(all, rule as Keeping, 'c1', now)));
        const good = all.filter((each) => each.state === 'kept' || each.state === 'partial');
        const newest = good.toSorted((a, b) => b.createdAt - a.createdAt)[0];
        if (newest)
          expect(good.filter((each) => each.createdAt === newest.createdAt).some(({ id }) => !going.has(id))).toBe(
            true,
          );
        const whole = good.filter((each) => each.state === 'kept');
        if (whole.length > 0) expect(whole.some(({ id }) => !going.has(id))).toBe(true);
        const { keep } = rule as Keeping;
        if (keep !== undefined) {
          expect(good.length - good.filter(({ id }) => going.has(id)).length).toBeLessThanOrEqual(
            Math.max(keep, 1) + 1,
          );
        }
        for (const each of all) if (each.state === 'making') expect(going.has(each.id)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('is said in words', () => {
    expect(keepingWords(undefined)).toBe('all of them stay');
    expect(keepingWords({ keep: 7, maxAgeMs: 30 * day, manual: false })).toBe(
      'the newest 7 stay, what is older than 30 d goes',
    );
    expect(keepingWords({ keep: 1, manual: true })).toContain('also of those that people asked for');
  });
});

describe('how scheduled backups went', () => {
  const plan: BackupPlan = {
    ...{ v: 1, id: 'c1', org: 'default', clusterName: 'dev-1', owner: 'x', by: 'x', byName: 'X', fails: 0 },
    place: { chat: 'terminal', workspace: 'local', conversation: 'x' },
    ...{ namespaces: [], secrets: false, snapshots: false, running: { job: 'j', due: now } },
  };

  it('is an alert at the third failure in a row, once, until one is kept', () => {
    const failed = { result: 'failed', note: 'no' } as const;
    let after = settled(settled(plan, failed, now), failed, now + 1);
    expect(after).toMatchObject({ fails: 2 });
    expect(after.alertedAt).toBeUndefined();
    after = settled(after, failed, now + 2);
    expect(after).toMatchObject({ fails: 3, alertedAt: now + 2 });
    after = settled(after, failed, now + 3);
    expect(after).toMatchObject({ fails: 4, alertedAt: now + 2 });
    after = settled(after, { result: 'skipped', note: 'busy' }, now + 4);
    expect(after).toMatchObject({ fails: 4, alertedAt: now + 2 });
    after = settled(after, { result: 'kept', note: 'yes' }, now + 5);
    expect(after).toMatchObject({ fails: 0, last: { result: 'kept' } });
    expect(after.alertedAt).toBeUndefined();
    expect(after.running).toBeUndefined();
  });
});
