/** The answers that dispatch itself gives: errors, suggestions, late and unconfirmed results. */
import { type Card, plainCard } from '../core/card.ts';
import type { Answer } from '../core/command.ts';
import type { Fault, FaultKind } from '../core/errors.ts';
import type { Suggestion } from './grammar.ts';

const titles: Record<FaultKind, string> = {
  'bad-input': 'That does not fit',
  'not-allowed': 'Not allowed',
  'not-found': 'Not found',
  quota: 'A quota is used up',
  capacity: 'The provider has no room',
  conflict: 'That does not go together',
  'rate-limited': 'The provider asks to slow down',
  unreachable: 'No answer',
  unsupported: 'That cannot be done here',
  'stale-plan': 'The plan has changed',
  internal: 'Something went wrong',
};

/** What happened, what it means, what to press next, and a correlation id; never a stack trace. */
export function faultCard(fault: Fault, correlation: string): Card {
  const text = `${fault.message}${fault.next ? ` ${fault.next}` : ''}`;
  const tone = fault.kind === 'internal' || fault.kind === 'unreachable' ? 'bad' : 'warn';
  return { ...plainCard(titles[fault.kind], text, tone), footer: `Reference ${correlation}` };
}

/**
 * "I do not know …", with what was probably meant. Nothing is run: a line that only looks and is complete can be run by a button, one that changes
 * something is only shown, to be typed as it was meant. Of all others the button shows how they are written.
 */
export function unknownAnswer(typed: string, suggestions: Suggestion[]): Answer {
  const said =
    suggestions.length > 0 ? ` Did you mean ${suggestions.map(({ name }) => `\`${name}\``).join(' or ')}?` : '';
  const changing = suggestions
    .filter(({ changes, fit }) => changes && fit !== 'wrong')
    .map(({ line }) => `\`${line}\``);
  const retype =
    changing.length > 0 ? ` What changes something is not run for you; type ${changing.join(' or ')}.` : '';
  const first = suggestions.find(runs);
  return {
    audience: 'caller',
    card: plainCard('I do not know that', `I do not know \`${typed}\`.${said}${retype} Nothing was done.`, 'warn', [
      ...suggestions.map((each) => {
        if (!runs(each)) return { label: `Show ${each.name}`, command: `help ${each.name}` };
        if (each !== first) return { label: `Run ${each.name}`, command: each.line };
        return { label: 'Run it', command: each.line, style: 'primary' as const };
      }),
      { label: 'Help', command: 'help' },
    ]),
  };
}

function runs({ changes, fit }: Suggestion): boolean {
  return !changes && fit === 'complete';
}

/** The person wrote a credential where it does not belong. */
export function secretAnswer(kind: string, isPrivate: boolean): Answer {
  const text = `That holds what looks like ${kind}. KQueen has not used it and has not kept it. Treat it as leaked: change it at its provider now. Secrets are only typed into private forms, such as the one of \`provisioner add\`.`;
  return { audience: 'caller', card: plainCard('A secret was written here', text, 'bad'), remove: !isPrivate };
}

export const workingAnswer: Answer = {
  audience: 'caller',
  card: plainCard('Still working', 'This takes a little longer. The answer comes here.', 'busy'),
};

export const unconfirmedAnswer: Answer = {
  audience: 'caller',
  card: plainCard(
    'Not confirmed',
    'KQueen could not make sure that this was recorded. It looks again until it knows, and will tell you here. Please do not repeat it.',
    'warn',
  ),
};

/** A late answer as a card that can be posted: forms become a button, problems become lines. */
export function lateCard(answer: Answer, line: string): Card | null {
  if (answer.problems?.length) {
    const lines = answer.problems.map(({ field, message }) => `${field}: ${message}`);
    return plainCard('That does not fit yet', lines.join('\n'), 'warn', [
      { label: 'Try again', command: line, style: 'primary' },
    ]);
  }
  if (answer.form)
    return plainCard(answer.form.title, answer.form.intro ?? 'Some things are missing.', 'plain', [
      { label: 'Fill in', command: line, style: 'primary' },
    ]);
  return answer.card ?? null;
}
