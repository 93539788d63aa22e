import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { renderText } from '../../src/bot/text/render.ts';
import { stamp, zoneOf } from '../../src/core/words.ts';
import { openStage, people, provisionerRecord, type Stage, words } from './stage.ts';

const at = Date.UTC(2026, 6, 1, 22, 5, 13);

describe('times for a reader', () => {
  test.each<[string | undefined, string, string]>([
    [undefined, '2026-07-01 22:05:13', 'UTC'],
    ['Europe/Berlin', '2026-07-02 00:05:13', 'Europe/Berlin'],
    ['America/New_York', '2026-07-01 18:05:13', 'America/New_York'],
    ['Asia/Kolkata', '2026-07-02 03:35:13', 'Asia/'],
    ['Mars/Olympus', '2026-07-01 22:05:13', 'UTC'],
  ])('%s', (zone, shown, name) => {
    expect(stamp(at, zone)).toBe(shown);
    expect(zoneOf(zone)).toContain(name);
  });

  test('no time at all is said to be unknown', () => expect(stamp(Number.NaN, 'Europe/Berlin')).toBe('unknown'));

  test('the terminal writes them on its own clock, with the zone', () => {
    const card = {
      title: 'x',
      tone: 'plain',
      text: 'x',
      parts: [{ part: 'time', label: 'Since', at }],
      buttons: [],
    } as const;
    const made = (zone?: string) => renderText({ ...card, parts: [...card.parts], buttons: [] }, 100, zone);
    expect(made('Europe/Berlin')).toContain('Since: 2026-07-02 00:05 Europe/Berlin');
    expect(made()).toContain('Since: 2026-07-01 22:05 UTC');
  });
});

describe('tables and logs', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage();
    await stage.put(...provisionerRecord('lab'));
    await stage.say('dev', 'cluster create dev-1 on lab region=a version=1 size=s nodes=1');
  });
  afterEach(() => stage.close());

  test.each(['audit', 'job show JOB'])('%s is in the zone of the reader, and says which', async (line) => {
    const { id } = await stage.lastJob();
    const asked = (zone?: string) =>
      stage.say('grace', line.replace('JOB', id), {
        person: { id: people.grace.id, name: 'Grace', external: null, ...(zone ? { zone } : {}) },
      });
    expect(words(await asked('Asia/Tokyo'))).toContain('Asia/Tokyo');
    expect(words(await asked('Asia/Tokyo'))).not.toMatch(/\bUTC\b/);
    if (line === 'audit') expect(words(await asked())).toContain('(UTC)');
  });
});
