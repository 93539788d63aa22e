/** The choices of a select that has more of them than Slack shows at once: found by what is typed. */
import type { Option } from '@slack/types';
import type { Field } from '../../core/card.ts';
import { choiceOption, fittingChoices } from './form.ts';
import { limits } from './limits.ts';

type Choice = NonNullable<Field['choices']>[number];

/** The options for the letters typed so far, the best first, as many as Slack takes. With none typed: the first ones as they come. */
export function offered(choices: readonly Choice[], typed: string): Option[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return fittingChoices(choices)
    .map((choice) => ({ choice, rank: rank(choice, words) }))
    .filter(({ rank: at }) => at < noMatch)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, limits.options)
    .map(({ choice }) => choiceOption(choice));
}

const noMatch = 5;

/** 0 is the value itself; every word must be found somewhere. */
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
