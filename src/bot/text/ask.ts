/** The questions of a form in the terminal: one field at a time, choices by number or by a part of their name, long texts from lines or a file. */
import type { Field } from '../../core/card.ts';
import { type Choice, matching } from '../search.ts';
import { line } from './render.ts';

export interface Asking {
  /** The answer, or null when the person has gone. `secret` is not echoed. */
  ask(question: string, secret: boolean): Promise<string | null>;
  write(text: string): void;
  /** Reads a file of the person's own machine, at most this many characters; throws an Error that says why not. */
  readFile?: ((path: string, most: number) => Promise<string>) | undefined;
}

/** Shorter texts are one line. */
const shortText = 3_000;
/** Choices that are listed with numbers. */
const mostListed = 20;
/** What ends a text of several lines. */
const end = '.';
const longestFile = 1_000_000;

/** Asks for a field: its value as text, what it had when nothing is answered; null when the person has gone. */
export async function askField(field: Field, asking: Asking): Promise<string | null> {
  if (field.kind === 'multiline' || field.kind === 'secret-multiline') return await askText(field, asking);
  if (field.choices !== undefined && field.choices.length > 0) return await askChoice(field, field.choices, asking);
  const typed = await asking.ask(question(field), field.kind === 'secret');
  if (typed === null) return null;
  const given = typed.trim();
  if (given === '') return field.value ?? '';
  if (field.kind === 'toggle' && /^[yn]$/i.test(given)) return given.toLowerCase() === 'y' ? 'yes' : 'no';
  return typed;
}

function question(field: Field): string {
  const shown = field.value === undefined || field.kind.startsWith('secret') ? '' : ` [${line(field.value)}]`;
  return `  ${line(field.label)}${shown}: `;
}

async function askChoice(field: Field, all: readonly Choice[], asking: Asking): Promise<string | null> {
  let listed = all.length <= mostListed ? all : [];
  if (listed.length > 1) asking.write(numbered(listed));
  for (;;) {
    const typed = await asking.ask(question(field), false);
    if (typed === null) return null;
    const given = typed.trim();
    if (given === '') return field.value ?? '';
    const named = all.find(({ value }) => value === given) ?? all.find((each) => sameWord(each, given));
    if (named !== undefined) return named.value;
    const counted = /^\d{1,4}$/.test(given) ? listed[Number(given) - 1] : undefined;
    if (counted !== undefined) return counted.value;
    const found = matching(all, given);
    const [only] = found;
    // What is in no list is judged by the server, which knows more than the list does.
    if (only === undefined) return given;
    if (found.length === 1) {
      asking.write(`  ${line(field.label)}: ${line(only.value)}`);
      return only.value;
    }
    listed = found.slice(0, mostListed);
    const more = found.length - listed.length;
    asking.write(`${numbered(listed)}${more > 0 ? `\n    … and ${more} more: type more of the name.` : ''}`);
  }
}

function sameWord({ value, label }: Choice, typed: string): boolean {
  const word = typed.toLowerCase();
  return value.toLowerCase() === word || label.toLowerCase() === word;
}

function numbered(choices: readonly Choice[]): string {
  return choices
    .map(({ value, label, note }, index) => {
      const more = [label === value ? '' : line(label), line(note ?? '')].filter(Boolean).join(', ');
      return `    ${index + 1}) ${line(value)}${more ? ` (${more})` : ''}`;
    })
    .join('\n');
}

async function askText(field: Field, asking: Asking): Promise<string | null> {
  const secret = field.kind === 'secret-multiline';
  const most = field.maxLength ?? longestFile;
  const file = asking.readFile === undefined ? '' : ', or @path for a file';
  if (most > shortText) asking.write(`  (several lines; one with a single ${end} ends them${file})`);
  for (;;) {
    const first = await asking.ask(question(field), secret);
    if (first === null) return null;
    if (first.trim() === '' || first.trim() === end) return field.value ?? '';
    if (asking.readFile !== undefined && first.startsWith('@')) {
      const read = await fromFile(first.slice(1).trim(), most, asking.readFile);
      if (read.text !== undefined) return read.text;
      asking.write(`  ! ${line(read.why)}`);
    } else return most > shortText ? await restOf(first, secret, asking) : first;
  }
}

async function restOf(first: string, secret: boolean, asking: Asking): Promise<string | null> {
  const lines = [first];
  for (;;) {
    const next = await asking.ask('', secret);
    if (next === null) return null;
    if (next.trim() === end) return lines.join('\n');
    lines.push(next);
  }
}

async function fromFile(
  path: string,
  most: number,
  readFile: (path: string, most: number) => Promise<string>,
): Promise<{ text: string; why?: never } | { text?: never; why: string }> {
  try {
    return { text: await readFile(path, most) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { why: error.message };
  }
}
