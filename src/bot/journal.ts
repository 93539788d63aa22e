/** What the thread below a job's live message says of how it went on: a line a step, a row of retries once, and the end of a failure. */
import type { Card } from '../core/card.ts';
import type { Job, Thread } from '../core/records.ts';
import { scrub } from '../core/secrets.ts';
import { formatDuration } from '../core/units.ts';
import { jobTitle } from '../core/views/job.ts';

/** What was told so far, without what is being said at the moment. */
export type Told = Omit<Thread, 'pending'>;

/** Lines about steps and retries below one message, at most; what comes later is on the message itself. */
const mostLines = 15;
/** Longer texts are files. */
export const longestText = 2_400;
/** Lines of a provider's log that are shown. */
const tailLines = 30;
const longestLine = 200;

const letters = { todo: 't', doing: 'd', done: 'x', failed: 'f' } as const;

/** What is told of a job whose message has just been posted: nothing but what the message shows. */
export function firstTold(job: Job): Told {
  return { steps: stepLetters(job), lines: 0 };
}

/** The next line, with what is told after it; null when there is nothing to say. `text` is empty for what needs no words. */
export function nextLine(job: Job, told: Told, now: number): { text: string; told: Told } | null {
  const steps = stepLetters(job);
  const tries = triesOf(job, told, now);
  if (steps === told.steps && tries === told.tries) return null;
  const { tries: _before, ...rest } = told;
  const after: Told = { ...rest, steps, ...(tries ? { tries } : {}) };
  if (told.lines >= mostLines) return { text: '', told: after };
  const text = [retryText(job, told, tries, now), stepText(job, told.steps)].filter(Boolean).join(' ');
  if (text === '') return { text, told: after };
  const lines = told.lines + 1;
  const end = lines === mostLines ? ' What comes next is on the message above.' : '';
  return { text: `${text}${end}`, told: { ...after, lines } };
}

function stepLetters(job: Job): string {
  return job.steps.map(({ state }) => letters[state]).join('');
}

/** "Done: Ask the provider. Now: Provision. 12 s after the start." */
function stepText(job: Job, before: string): string {
  const changed = job.steps.filter(({ state }, index) => state !== 'todo' && letters[state] !== before[index]);
  if (changed.length === 0) return '';
  const named = (state: 'done' | 'doing' | 'failed', word: string) => {
    const names = changed.filter((step) => step.state === state).map(({ name }) => name);
    return names.length === 0 ? [] : [`${word}: ${names.join(', ')}.`];
  };
  const at = Math.max(...changed.map((step) => step.at ?? 0));
  const since = at > 0 && job.startedAt !== undefined ? at - job.startedAt : null;
  const when = since === null || since < 1_000 ? [] : [`${formatDuration(since)} after the start.`];
  return [...named('done', 'Done'), ...named('failed', 'Failed'), ...named('doing', 'Now'), ...when].join(' ');
}

/** The row of retries the job is in; the same object while nothing new is to be said of it. */
function triesOf(job: Job, told: Told, now: number): Told['tries'] {
  if (job.attempt === 0) return undefined;
  const why = job.note.replace(/ Trying again \(attempt \d+\)\.$/, '');
  if (job.state !== 'Waiting' || told.tries?.why === why) return told.tries;
  return { since: told.tries?.since ?? now, attempts: job.attempt, why };
}

function retryText(job: Job, told: Told, tries: Told['tries'], now: number): string {
  if (tries && tries !== told.tries) return job.note;
  if (!told.tries || tries || job.endedAt !== undefined) return '';
  return `It goes on: the trouble is over after ${formatDuration(Math.max(1_000, now - told.tries.since))}.`;
}

/** What a provider said of a failure, as a card for the thread; null when it said no more than the message shows. */
export function wordsCard(job: Job): Card | null {
  const detail = job.failure?.detail?.trim();
  return detail ? codeCard(`What the provider said of ${jobTitle(job)}`, lastOf(scrub(detail))) : null;
}

/** The end of a provider's log, as a card for the thread; null when it is empty. */
export function tailCard(job: Job, log: string): Card | null {
  const lines = scrub(log).trimEnd().split('\n').slice(-tailLines);
  const shown = lastOf(lines.map((line) => line.slice(0, longestLine)).join('\n'));
  return shown.trim() === '' ? null : codeCard(`The end of the provider's log of ${jobTitle(job)}`, shown);
}

function lastOf(text: string): string {
  return text.length <= longestText ? text : `… ${text.slice(-longestText)}`;
}

function codeCard(title: string, code: string): Card {
  return {
    title,
    tone: 'plain',
    text: `${title}: ${code.slice(-300)}`,
    parts: [{ part: 'code', text: code }],
    buttons: [],
  };
}
