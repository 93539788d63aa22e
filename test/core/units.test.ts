import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatCores,
  formatDuration,
  formatMoney,
  parseDuration,
  parseQuantity,
} from '../../src/core/units.ts';
import { ago, count } from '../../src/core/words.ts';

describe('durations', () => {
  test.each<[string, number | null]>([
    ['90', 90_000],
    ['0', 0],
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    [' 2D ', 172_800_000],
    ['1w', 604_800_000],
    ['1h 30m', null],
    ['1.5h', null],
    ['-1h', null],
    ['h', null],
    ['', null],
    ['1y', null],
    ['9'.repeat(13), null],
  ])('%s', (text, wanted) => {
    expect(parseDuration(text)).toBe(wanted);
  });

  test.each([
    [0, '0 s'],
    [-5_000, '0 s'],
    [400, '0 s'],
    [45_000, '45 s'],
    [59_999, '1 min'],
    [200_000, '3 min 20 s'],
    [3_600_000, '1 h'],
    [3_605_000, '1 h'],
    [7_500_000, '2 h 5 min'],
    [273_600_000, '3 d 4 h'],
  ])('%i ms are "%s"', (ms, wanted) => {
    expect(formatDuration(ms)).toBe(wanted);
  });

  test.each([
    [0, '0 s ago'],
    [59_000, '59 s ago'],
    [90_000, '2 min ago'],
    [3_600_000, '1 h ago'],
    [47 * 3_600_000, '47 h ago'],
    [10 * 86_400_000, '10 d ago'],
  ])('%i ms are "%s"', (ms, wanted) => {
    expect(ago(ms)).toBe(wanted);
  });
});

describe('money', () => {
  test.each([
    [0.2, 'USD', '$0.20'],
    [99.994, 'USD', '$99.99'],
    [146, 'USD', '$146'],
    [1_240.4, 'USD', '$1,240'],
    [0.36, 'EUR', '€0.36'],
    [3, 'XYZ', 'XYZ\u00a03.00'],
    [3, 'credits', '3.00 credits'],
    [3, '', '3.00'],
  ])('%d %s is %s', (amount, currency, wanted) => {
    expect(formatMoney(amount, currency)).toBe(wanted);
  });
});

describe('quantities of Kubernetes', () => {
  test.each<[string, number | null]>([
    ['100m', 0.1],
    ['0.5', 0.5],
    ['.5', 0.5],
    ['5.', 5],
    ['+5', 5],
    ['-5', -5],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['2k', 2_000],
    ['1e3', 1_000],
    ['1E3', 1_000],
    ['1e-3', 0.001],
    ['1E', 1e18],
    ['1Ei', 2 ** 60],
    ['1Pi', 2 ** 50],
    ['1Ti', 2 ** 40],
    ['1Mi', 2 ** 20],
    ['1Ki', 1_024],
    ['3M', 3e6],
    ['3G', 3e9],
    ['3T', 3e12],
    ['3P', 3e15],
    ['128974848', 128_974_848],
    [' 7 ', 7],
    ['1K', null],
    ['n', null],
    ['', null],
    ['1e3Ki', null],
    ['1 Gi', null],
    ['1mi', null],
    ['0x10', null],
    ['NaN', null],
    ['Infinity', null],
    ['.', null],
  ])('%s', (text, wanted) => {
    const found = parseQuantity(text);
    if (wanted === null) expect(found).toBeNull();
    else expect(found).toBeCloseTo(wanted, 9);
  });

  test('tiny ones are close to nothing, not nothing', () => {
    expect(parseQuantity('250000n')).toBeCloseTo(0.00025, 12);
    expect(parseQuantity('250u')).toBeCloseTo(0.00025, 12);
  });

  test('nothing throws', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        const found = parseQuantity(text);
        expect(found === null || Number.isFinite(found)).toBe(true);
      }),
    );
  });
});

describe('amounts for people', () => {
  test.each([
    [0, '0'],
    [0.25, '250m'],
    [1, '1'],
    [3.84, '3.8'],
  ])('%d cores are %s', (cores, wanted) => {
    expect(formatCores(cores)).toBe(wanted);
  });

  test.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [536_870_912, '512 MiB'],
    [15.2 * 2 ** 30, '15.2 GiB'],
    [2 ** 20 - 1, '1 MiB'],
    [2 ** 60, '1024 PiB'],
  ])('%d bytes are %s', (bytes, wanted) => {
    expect(formatBytes(bytes)).toBe(wanted);
  });

  test('one is one', () => {
    expect([count(1, 'node'), count(0, 'node'), count(2, 'entry', 'entries')]).toEqual([
      '1 node',
      '0 nodes',
      '2 entries',
    ]);
  });
});
