/** Choices found by what is typed of them. */
import type { Field } from '../core/card.ts';

export type Choice = NonNullable<Field['choices']>[number];

const noMatch = 5;

/** The choices that hold every word somewhere, the best first; with none typed all of them as they come. */
export function matching(choices: readonly Choice[], typed: string): Choice[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return choices
    .map((choice) => ({ choice, rank: rank(choice, words) }))
    .filter(({ rank: at }) => at < noMatch)
    .sort((a, b) => a.rank - b.rank)
    .map(({ choice }) => choice);
}

/** 0 is the value or the label itself. */
function rank({ value, label, note }: Choice, words: string[]): number {
  const whole = words.join(' ');
  if (whole === '') return 0;
  const names = [value.toLowerCase(), label.toLowerCase()];
  const all = `${names.join(' ')} ${(note ?? '').toLowerCase()}`;
  if (!words.every((word) => all.includes(word))) return noMatch;
  if (names.includes(whole)) return 0;
  if (names.some((name) => name.startsWith(whole))) return 1;
  if (names.some((name) => name.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(whole)))) return 2;
  return names.some((name) => words.every((word) => name.includes(word))) ? 3 : 4;
}
