/** The choices of a select that has more of them than Slack shows at once: found by what is typed. */
import type { Option } from '@slack/types';
import { type Choice, matching } from '../search.ts';
import { choiceOption, fittingChoices } from './form.ts';
import { limits } from './limits.ts';

/** The options for the letters typed so far, the best first, as many as Slack takes. */
export function offered(choices: readonly Choice[], typed: string): Option[] {
  return matching(fittingChoices(choices), typed).slice(0, limits.options).map(choiceOption);
}
