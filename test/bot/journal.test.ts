import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { firstTold, longestText, nextLine, tailCard, wordsCard } from '../../src/bot/journal.ts';
import type { Job, Step } from '../../src/core/records.ts';
import { sampleJob, start } from '../jobs/samples.ts';

const names = ['Ask', 'Provision', 'Check'];
const at = (index: number, change: Partial<Job> = {}): Job =>
  sampleJob({
    state: 'Running',
    startedAt: start,
    steps: names.map((name, position): Step => {
      const state = position < index ? 'done' : position === index ? 'doing' : 'todo';
      return state === 'todo' ? { name, state } : { name, state, at: start + index * 60_000 };
    }),
    ...change,
  });

describe('the thread below a live message', () => {
  test('says what changed since the message was posted, and nothing twice', () => {
    const told = firstTold(at(0));
    expect(nextLine(at(0), told, start)).toBeNull();
    const first = nextLine(at(2), told, start);
    expect(first?.text).toBe('Done: Ask, Provision. Now: Check. 2 min after the start.');
    expect(first && nextLine(at(2), first.told, start)).toBeNull();
  });

  test('groups retries: the first, another reason, and the end of the trouble', () => {
    const waiting = (attempt: number, why: string) =>
      at(1, { state: 'Waiting', attempt, note: `${why} Trying again (attempt ${attempt + 1}).` });
    let told = firstTold(at(1));
    const said: string[] = [];
    const see = (job: Job, now: number) => {
      const line = nextLine(job, told, now);
      if (!line) return;
      told = line.told;
      if (line.text) said.push(line.text);
    };
    for (let attempt = 1; attempt <= 9; attempt += 1) {
      see(waiting(attempt, attempt < 6 ? 'It does not answer.' : 'It has no room.'), start + attempt * 10_000);
      see(at(1, { attempt }), start + attempt * 10_000 + 1);
    }
    see(at(1), start + 130_000);
    expect(said).toEqual([
      'It does not answer. Trying again (attempt 2).',
      'It has no room. Trying again (attempt 7).',
      'It goes on: the trouble is over after 2 min.',
    ]);
  });

  test('is fifteen lines at most, whatever happens', () => {
    const states = fc.record({
      index: fc.integer({ min: 0, max: 3 }),
      attempt: fc.integer({ min: 0, max: 3 }),
      state: fc.constantFrom('Running' as const, 'Waiting' as const),
      note: fc.constantFrom('One.', 'Two.'),
    });
    fc.assert(
      fc.property(fc.array(states, { maxLength: 200 }), (all) => {
        let told = firstTold(at(0));
        let lines = 0;
        for (const { index, ...change } of all) {
          const line = nextLine(at(index, change), told, start);
          if (!line) continue;
          told = line.told;
          if (line.text !== '') lines += 1;
        }
        expect(lines).toBeLessThanOrEqual(15);
      }),
    );
  });

  test('shows the end of long texts, and no credential of either', () => {
    const token = `glpat token=${'s3cret'.repeat(5)}`;
    const failure = {
      kind: 'internal',
      message: 'x',
      correlation: 'x',
      detail: `${'a'.repeat(9_000)}\n${token}\nthe end`,
    };
    const card = wordsCard(sampleJob({ state: 'Failed', failure }));
    const code = card?.parts[0]?.part === 'code' ? card.parts[0].text : '';
    expect(code.length).toBeLessThanOrEqual(longestText + 2);
    expect(code).toMatch(/the end$/);
    expect(JSON.stringify(card)).not.toContain('s3crets3cret');
    const tail = tailCard(sampleJob(), `${'line\n'.repeat(500)}${token}\nlast line\n`);
    expect(JSON.stringify(tail)).toContain('last line');
    expect(JSON.stringify(tail)).not.toContain('s3crets3cret');
    expect(tailCard(sampleJob(), '\n')).toBeNull();
    expect(wordsCard(sampleJob())).toBeNull();
  });
});
