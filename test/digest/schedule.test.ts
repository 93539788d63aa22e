/** When digests are due, on the clocks of their zones. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { knownZone, nextDue, readTime, readWeekday, type Schedule, scheduleText } from '../../src/core/digest.ts';

const at = (text: string) => Date.parse(text);
const shown = (moment: number) => new Date(moment).toISOString().slice(0, 16);
const times = (schedule: Schedule, from: string, count: number) => {
  const found: string[] = [];
  let after = at(from);
  for (let index = 0; index < count; index += 1) {
    after = nextDue(schedule, after);
    found.push(shown(after));
  }
  return found;
};

describe('on the clocks of a zone', () => {
  test('nine in Berlin stays nine when the clocks go forward and back', () => {
    const nine = { minute: 540, zone: 'Europe/Berlin' };
    expect(times(nine, '2027-03-26T12:00:00Z', 3)).toEqual([
      '2027-03-27T08:00',
      '2027-03-28T07:00',
      '2027-03-29T07:00',
    ]);
    expect(times(nine, '2027-10-29T12:00:00Z', 3)).toEqual([
      '2027-10-30T07:00',
      '2027-10-31T08:00',
      '2027-11-01T08:00',
    ]);
  });

  test('a time that the clocks leap over comes once that day, an hour later on them', () => {
    const half = { minute: 150, zone: 'Europe/Berlin' };
    expect(times(half, '2027-03-27T00:00:00Z', 3)).toEqual([
      '2027-03-27T01:30',
      '2027-03-28T01:30',
      '2027-03-29T00:30',
    ]);
  });

  test('a time that the clocks show twice comes once, the first time', () => {
    const half = { minute: 150, zone: 'Europe/Berlin' };
    expect(times(half, '2027-10-30T12:00:00Z', 2)).toEqual(['2027-10-31T00:30', '2027-11-01T01:30']);
    // Between the two it is not due again.
    expect(shown(nextDue(half, at('2027-10-31T00:45:00Z')))).toBe('2027-11-01T01:30');
  });

  test('zones a day ahead, by half hours, and with another change of clocks', () => {
    expect(times({ minute: 540, zone: 'Pacific/Auckland' }, '2027-01-10T00:00:00Z', 1)).toEqual(['2027-01-10T20:00']);
    expect(times({ minute: 540, zone: 'Asia/Kolkata' }, '2027-01-10T00:00:00Z', 1)).toEqual(['2027-01-10T03:30']);
    expect(times({ minute: 540, zone: 'America/New_York' }, '2027-03-13T15:00:00Z', 2)).toEqual([
      '2027-03-14T13:00',
      '2027-03-15T13:00',
    ]);
    // Lord Howe Island turns its clocks by half an hour.
    expect(times({ minute: 135, zone: 'Australia/Lord_Howe' }, '2027-10-02T00:00:00Z', 2)).toEqual([
      '2027-10-02T15:45',
      '2027-10-03T15:15',
    ]);
  });

  test('a day of the week, also over the end of a year', () => {
    const monday = { weekday: 1, minute: 540, zone: 'UTC' };
    expect(times(monday, '2026-12-27T00:00:00Z', 2)).toEqual(['2026-12-28T09:00', '2027-01-04T09:00']);
    expect(shown(nextDue(monday, at('2026-12-28T09:00:00Z')))).toBe('2027-01-04T09:00');
    expect(shown(nextDue(monday, at('2026-12-28T08:59:59Z')))).toBe('2026-12-28T09:00');
  });

  test('is always later, at most a day and the change of clocks away, and at that time unless the clocks leap over it', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Pacific/Apia'];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: 0, max: 1_439 }),
        fc.integer({ min: at('2024-01-01T00:00:00Z'), max: at('2034-01-01T00:00:00Z') }),
        (zone, minute, after) => {
          const due = nextDue({ minute, zone }, after);
          expect(due).toBeGreaterThan(after);
          expect(due - after).toBeLessThanOrEqual(26 * 3_600_000);
          const clock = new Intl.DateTimeFormat('en-GB', {
            timeZone: zone,
            hour: 'numeric',
            minute: 'numeric',
            hourCycle: 'h23',
          });
          const [hour = 0, minutes = 0] = clock.format(due).split(':').map(Number);
          expect([0, 30, 60]).toContain((hour * 60 + minutes - minute + 1_440) % 1_440);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('what people write', () => {
  test('times of the day', () => {
    const read = ['09:00', '9', '17.30', '9am', '12am', '12 pm', '5:30 PM', '0:00', '23:59'].map(readTime);
    expect(read).toEqual([540, 540, 1_050, 540, 0, 720, 1_050, 0, 1_439]);
    for (const wrong of ['24:00', '9:60', 'nine', '13pm', '0am', '', '9:5', '-1'])
      expect(readTime(wrong), wrong).toBeNull();
  });

  test('days and zones', () => {
    expect(['mon', 'Sunday', 'we', 'THU'].map(readWeekday)).toEqual([1, 0, 3, 4]);
    for (const wrong of ['m', 'someday', '', 'mondays']) expect(readWeekday(wrong), wrong).toBeNull();
    expect(knownZone('europe/berlin')).toBe('Europe/Berlin');
    expect(knownZone('utc')).toBe('UTC');
    expect(knownZone('Europe/Nowhere')).toBeNull();
    expect(scheduleText({ weekday: 1, minute: 545, zone: 'UTC' })).toBe('every Monday at 09:05 (UTC)');
    expect(scheduleText({ minute: 540, zone: 'Europe/Berlin' })).toBe('every day at 09:00 (Europe/Berlin)');
  });
});
