/** Many jobs at once as one message: what runs, worst first, and what has ended. */
import type { Button, Card, Part } from '../core/card.ts';
import { leftText } from '../core/eta.ts';
import type { Job } from '../core/records.ts';
import { estimateOf, waitsForPerson } from '../core/views/job.ts';
import { count, jobWords } from '../core/words.ts';

/** The jobs of a board. */
export interface Roll {
  open: readonly Job[];
  /** In the order of their ends. */
  ended: readonly Job[];
}

export interface BoardLook {
  now: number;
  past(job: Job): readonly number[];
  /** Ended jobs that are listed below the board, by number: the first ones of the roll. */
  listed: number;
  /** When the board is over. */
  over: boolean;
  nextLook?: number;
}

/** Most ended jobs in one reply below a board. */
export const pageSize = 100;
const mostRows = 25;
/** Longest text of one part, in characters: platforms cut longer ones. */
const partRoom = 2_400;
const mostParts = 3;
const outcomes = ['Failed', 'Denied', 'Expired', 'Cancelled', 'Succeeded'] as const;

/** The board as it stands. */
export function boardCard(roll: Roll, look: BoardLook): Card {
  const { open, ended } = roll;
  const score = scoreOf(ended);
  const title = look.over
    ? `${count(ended.length, 'job')} ended: ${score}`
    : `${count(open.length, 'job')} at once${ended.length > 0 ? `, ${ended.length} ended` : ''}`;
  const bad = ended.some(({ state }) => state === 'Failed');
  // What failed stays on the board, above all else.
  const parts: Part[] = endedParts(ended.filter(({ state }) => state === 'Failed'));
  const rows = worstFirst(open, look).slice(0, mostRows);
  if (rows.length > 0) {
    parts.push({
      part: 'table',
      caption: look.over ? 'Still running, each with its own message' : 'Running and waiting',
      columns: ['Cluster', 'State', 'Left'],
      rows: rows.map((job) => [job.clusterName, stateText(job), leftOf(job, look)]),
    });
    const more = open.length - rows.length;
    if (more > 0) parts.push({ part: 'note', text: `And ${more} more; in all ${stateCounts(open)}.` });
  }
  parts.push(...endedParts(ended.slice(look.listed).filter(({ state }) => state !== 'Failed')));
  if (look.listed > 0)
    parts.push({ part: 'note', text: `The ${look.listed} that ended before these are listed in the thread below.` });
  if (look.nextLook !== undefined) parts.push({ part: 'time', label: 'Next look', at: look.nextLook });
  const buttons: Button[] = look.over ? [] : [{ label: 'All that run', command: 'jobs running' }];
  if (bad) buttons.push({ label: 'All that failed', command: 'jobs failed' });
  return {
    title,
    tone: look.over ? (bad ? 'warn' : 'good') : 'busy',
    text: look.over ? `${title}.` : `${title}. ${stateCounts(open)}${ended.length > 0 ? `; ended: ${score}` : ''}.`,
    parts,
    buttons,
    ...(look.over ? {} : { footer: 'Each job keeps a message of its own for its start and its end.' }),
  };
}

/** Ended jobs for the board's thread, from a number on that counts from 0. */
export function pageCard(roll: Roll, from: number): Card {
  const ended = roll.ended.slice(from, from + pageSize);
  const title = `Ended, ${from + 1} to ${from + ended.length}`;
  return { title, tone: 'plain', text: `${title}: ${scoreOf(ended)}.`, parts: endedParts(ended), buttons: [] };
}

/** "12 of your jobs have ended: 11 succeeded, 1 failed (dev-3)." */
export function endedText(ended: readonly Job[]): string {
  const failed = ended.filter(({ state }) => state === 'Failed').map(({ clusterName }) => clusterName);
  const names = failed.length === 0 ? '' : ` (${namesIn(failed, 600).text})`;
  return `${count(ended.length, 'job')} of yours ended: ${scoreOf(ended)}${names}.`;
}

/** "11 succeeded, 1 failed". */
function scoreOf(ended: readonly Job[]): string {
  const counted = outcomes
    .map((state) => ({ state, amount: ended.filter((job) => job.state === state).length }))
    .filter(({ amount }) => amount > 0)
    .map(({ state, amount }) => `${amount} ${shortWord(state)}`);
  return counted.reverse().join(', ') || 'none';
}

function shortWord(state: Job['state']): string {
  return jobWords[state].split(',')[0] ?? state;
}

/** "3 waiting to try again, 20 running". */
function stateCounts(open: readonly Job[]): string {
  const states = ['Waiting', 'Running', 'Queued', 'AwaitingApproval'] as const;
  const counted = states.map((state) => ({ state, amount: open.filter((job) => job.state === state).length }));
  return counted
    .filter(({ amount }) => amount > 0)
    .map(({ state, amount }) => `${amount} ${jobWords[state]}`)
    .join(', ');
}

function stateText(job: Job): string {
  if (waitsForPerson(job)) return 'waits for input';
  return job.percent !== undefined && job.state === 'Running' ? `running, ${job.percent} %` : jobWords[job.state];
}

function leftOf(job: Job, look: BoardLook): string {
  const made = estimateOf(job, { past: look.past(job), now: look.now });
  return made ? leftText(made, look.now - (job.startedAt ?? job.requestedAt)) : '';
}

function worstFirst(open: readonly Job[], look: BoardLook): Job[] {
  const rank = (job: Job): number => {
    if (waitsForPerson(job)) return 0;
    if (job.state === 'Waiting') return 1;
    if (job.state !== 'Running') return job.state === 'Queued' ? 4 : 5;
    return estimateOf(job, { past: look.past(job), now: look.now })?.late ? 2 : 3;
  };
  const ranked = open.map((job) => ({ job, rank: rank(job), since: job.startedAt ?? job.requestedAt }));
  return ranked.sort((a, b) => a.rank - b.rank || a.since - b.since).map(({ job }) => job);
}

/** Names of ended jobs by how they ended, failures first and with their reasons. */
function endedParts(ended: readonly Job[]): Part[] {
  const parts: Part[] = [];
  for (const state of outcomes) {
    const jobs = ended.filter((job) => job.state === state);
    if (jobs.length === 0 || parts.length >= mostParts) continue;
    const why = state === 'Failed' && jobs.length <= 10;
    const names = jobs.map((job) =>
      why ? `${job.clusterName} (${(job.failure?.message ?? job.note).slice(0, 120)})` : job.clusterName,
    );
    const { text, left } = namesIn(names, partRoom);
    parts.push({ part: 'text', text: `${capital(shortWord(state))} (${jobs.length}): ${text}` });
    if (left > 0) parts.push({ part: 'note', text: `And ${left} more.` });
  }
  return parts;
}

function namesIn(names: readonly string[], room: number): { text: string; left: number } {
  let used = 0;
  let fitting = 0;
  for (const name of names) {
    used += name.length + 2;
    if (used > room && fitting > 0) break;
    fitting += 1;
  }
  return { text: names.slice(0, fitting).join(', '), left: names.length - fitting };
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
