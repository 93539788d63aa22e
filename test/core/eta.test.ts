import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { estimate, estimateText, likeness, remembered, tookMs } from '../../src/core/eta.ts';
import { sampleJob } from '../jobs/samples.ts';

const minutes = (...all: number[]) => all.map((each) => each * 60_000);
/** The estimate, which has to be there. */
function made(past: number[], elapsed = 0) {
  const found = estimate(past, elapsed);
  if (!found) throw new Error('there is no estimate');
  return found;
}

describe('how long a job will take', () => {
  test('is not said before three runs are known', () => {
    expect(estimate([], 0)).toBeNull();
    expect(estimate(minutes(5, 6), 0)).toBeNull();
    expect(made(minutes(5, 6, 7)).total).toBe(6 * 60_000);
  });

  test('D1 never freezes: the newest runs count, however many came before', () => {
    // Newest first: a hundred runs of an hour after ten of half an hour, then the other way round.
    expect(made([...minutes(...Array(100).fill(60)), ...minutes(...Array(10).fill(30))]).total).toBe(3_600_000);
    const faster = [...minutes(...Array(remembered).fill(30)), ...minutes(...Array(1_000).fill(60))];
    expect(made(faster).total).toBe(1_800_000);
    // And it is off by less than a quarter after twenty runs of a new kind.
    expect(made([...minutes(...Array(20).fill(60)), ...minutes(...Array(100).fill(30))]).total).toBe(3_600_000);
  });

  test('moves on while the job runs, and says so when it takes longer than usual', () => {
    const past = minutes(7, 8, 9, 10, 14);
    const texts = [0, 4, 8.5, 12].map((at) => estimateText(made(past, at * 60_000), at * 60_000));
    expect(texts).toEqual([
      'about 9 min left, usually 7 min to 14 min',
      'about 5 min left, usually 7 min to 14 min',
      'about 1 min 30 s left, usually 7 min to 14 min',
      'about 2 min left, usually 7 min to 14 min',
    ]);
    expect(estimateText(made(past, 900_000), 900_000)).toBe('longer than usual (usually 7 min to 14 min)');
  });

  test('never promises the past, and never more than was ever seen', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1e8 }), { minLength: 3, maxLength: 60 }),
        fc.nat(2e8),
        (past, elapsed) => {
          const found = made(past, elapsed);
          expect(found.total).toBeGreaterThanOrEqual(elapsed);
          expect(found.low).toBeLessThanOrEqual(found.high);
          expect(found.total).toBeLessThanOrEqual(Math.max(elapsed, ...past.slice(0, remembered)));
          expect(estimateText(found, elapsed)).not.toMatch(/NaN|Infinity|-\d/);
        },
      ),
    );
  });

  test('is learnt from runs that are alike, and only from those that reached their end', () => {
    const job = sampleJob({ kind: 'cluster.create', engine: 'gke', nodes: 3 });
    expect(likeness({ ...job, nodes: 2 })).toBe(likeness(job));
    for (const other of [{ nodes: 50 }, { engine: 'aks' }, { kind: 'cluster.delete' as const }]) {
      expect(likeness({ ...job, ...other })).not.toBe(likeness(job));
    }
    const ended = sampleJob({ state: 'Succeeded', startedAt: 1_000, endedAt: 61_000, requestedAt: 0 });
    expect(tookMs(ended)).toBe(60_000);
    expect(tookMs({ ...ended, state: 'Failed' })).toBeNull();
    expect(tookMs(sampleJob())).toBeNull();
  });
});
