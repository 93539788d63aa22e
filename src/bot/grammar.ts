/** Reads what people type. One parser for slash commands, mentions, direct messages, buttons, forms and the terminal. */
import { z } from 'zod';
import { type Command, lineOf, type Registry } from '../core/command.ts';
import { distance } from '../core/commands/common.ts';
import { cleanValue, quoteValue } from '../core/line.ts';
import { readValues } from '../core/schema.ts';

/** One word of a line with where it began, so that an error can point at it. */
export interface Token {
  text: string;
  at: number;
  quoted: boolean;
  /** Of `key=value` and, where a command takes conditions, `key<value`. */
  key?: string;
  operator?: string;
  value?: string;
}

/** What was probably meant: a command, the whole line with it, and whether it would change anything. */
export interface Suggestion {
  name: string;
  line: string;
  changes: boolean;
  /**
   * `complete`: the line can be run as it stands. `lacking`: it would have to ask for something first. `wrong`: what follows the command's name
   * does not go with it, so that only the name can be offered.
   */
  fit: 'complete' | 'lacking' | 'wrong';
}

export type Parsed =
  | { is: 'command'; command: Command; values: Record<string, string>; line: string }
  | { is: 'empty' }
  | { is: 'unknown'; typed: string; suggestions: Suggestion[] }
  | { is: 'problem'; message: string; at: number };

/** The longest line that is read; longer ones are refused with a clear answer. */
export const longestLine = 3_000;

const doubleQuotes = '"\u201c\u201d\u201e\u201f\u2033';
const singleQuotes = "'\u2018\u2019\u201a\u201b\u2032";

/** What Slack did to typed text undone: links, mentions and entities. A canonical line has not been through it. */
export function fromSlack(text: string): string {
  return text
    .replace(/<(?:mailto:|tel:)[^|>]*\|([^>]*)>/g, '$1')
    .replace(/<@([A-Z0-9]+)(?:\|[^>]*)?>/g, '@$1')
    .replace(/<#([A-Z0-9]+)(?:\|([^>]*))?>/g, (_all, id: string, name: string | undefined) => `#${name || id}`)
    .replace(/<(https?:[^|>]*)(?:\|[^>]*)?>/g, '$1')
    .replace(/&(lt|gt|amp);/g, (_all, name: 'lt' | 'gt' | 'amp') => ({ lt: '<', gt: '>', amp: '&' })[name]);
}

/** One line without control and bidirectional characters: they can only mislead the person who approves. */
export function normalise(text: string): string {
  return cleanValue(text).replaceAll('\n', ' ').trim();
}

/** Where a quoted text ends: at its own kind of quote, else, because keyboards mix them, at any quote of its family. -1: nowhere. */
function endOfQuote(text: string, from: number, quote: string): number {
  const family = doubleQuotes.includes(quote) ? doubleQuotes : singleQuotes;
  const straight = quote === '"' || quote === "'";
  const find = (closers: string) => {
    for (let at = from; at < text.length; at += 1) {
      if (text[at] === '\\' && family === doubleQuotes) at += 1;
      else if (closers.includes(text[at] ?? ' ')) return at;
    }
    return -1;
  };
  const own = straight ? find(quote) : -1;
  return own >= 0 ? own : find(family);
}

/** Splits a normalised line into words; quotes may stand around a whole word or around the value after an operator. */
export function tokenise(text: string): Token[] | { message: string; at: number } {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at] ?? '')) {
      at += 1;
      continue;
    }
    const begin = at;
    // Phones write a dash for two hyphens.
    const dash = /^(?:--|[\u2013\u2014])(?=[A-Za-z])/.exec(text.slice(at, at + 3))?.[0] ?? '';
    const head = /^([A-Za-z][\w./-]*)(!=|<=|>=|=|<|>|~)/.exec(text.slice(at + dash.length));
    at += head ? dash.length + head[0].length : 0;
    const quote = text[at] ?? '';
    let value = '';
    let quoted = false;
    if (quote !== '' && (doubleQuotes.includes(quote) || singleQuotes.includes(quote))) {
      quoted = true;
      const end = endOfQuote(text, at + 1, quote);
      if (end < 0) return { message: `The quote (${quote}) at character ${at + 1} is never closed.`, at };
      value = text.slice(at + 1, end);
      if (doubleQuotes.includes(quote))
        value = value.replace(/\\(.)/gu, (_all, next: string) => (next === 'n' ? '\n' : next));
      at = end + 1;
    } else {
      const rest = /^\S*/.exec(text.slice(at))?.[0] ?? '';
      value = rest;
      at += rest.length;
    }
    const spelt = dash === '' ? '' : '--';
    const token: Token = {
      text: head ? `${spelt}${head[0]}${value}` : spelt === '' ? value : `--${value.slice(dash.length)}`,
      at: begin,
      quoted: quoted && !head,
    };
    if (head) Object.assign(token, { key: head[1] ?? '', operator: head[2] ?? '=', value });
    found.push(token);
  }
  return found;
}

/** Reads a line into a command with its values. It never runs anything, and never guesses at a change. */
export function parse(text: string, registry: Registry): Parsed {
  const clean = normalise(text).replace(/^\/?k-?queen\b[:,]?\s*/i, '');
  if (clean === '') return { is: 'empty' };
  if (clean.length > longestLine) {
    return {
      is: 'problem',
      message: `That line is ${clean.length} characters long; ${longestLine} is the most that is read.`,
      at: longestLine,
    };
  }
  const tokens = tokenise(clean);
  if (!Array.isArray(tokens)) return { is: 'problem', ...tokens };
  const bare = leadingWords(tokens);
  const found = findCommand(bare, registry);
  if (!found) return unknown(clean, bare, tokens, registry);
  const values = readArguments(found.command, tokens.slice(found.used), clean);
  if ('message' in values) return { is: 'problem', ...values };
  return { is: 'command', command: found.command, values: values.values, line: lineOf(found.command, values.values) };
}

function leadingWords(tokens: Token[]): string[] {
  const end = tokens.findIndex((token) => token.key !== undefined || token.quoted || token.text.startsWith('--'));
  return (end < 0 ? tokens : tokens.slice(0, end)).slice(0, 3).map((token) => token.text.toLowerCase());
}

const listing = new Set(['get', 'list', 'show', 'all']);

function findCommand(words: string[], registry: Registry): { command: Command; used: number } | undefined {
  const [first = '', second = ''] = words;
  const swapped = second === '' ? undefined : registry.find(`${second} ${first}`);
  for (let size = Math.min(3, words.length); size >= 1; size -= 1) {
    const command = registry.find(words.slice(0, size).join(' '));
    if (!command) continue;
    // "cancel job k3" is "job cancel k3", and "ls clusters" says one thing twice.
    if (size === 1 && swapped) return { command: swapped, used: 2 };
    return { command, used: size === 1 && command.name === second && first !== second ? 2 : size };
  }
  if (swapped) return { command: swapped, used: 2 };
  // "list clusters" and "get clusters": the plural says it all.
  const plural = listing.has(first) ? registry.find(second) : undefined;
  if (plural) return { command: plural, used: 2 };
  const phrases = registry.all.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  // "get job k3": a noun that the verb does not go with is no value of another command.
  if (phrases.some((phrase) => phrase.includes(' ') && phrase.split(' ')[0] === second)) return undefined;
  // A canonical name wins over aliases: `create` is `cluster create`. Of a verb that others have as well, clusters are meant.
  const named = registry.all.filter(({ name }) => name.split(' ')[1] === first);
  const meant = named.length === 1 ? named[0] : named.find(({ name }) => name === `cluster ${first}`);
  if (meant) return { command: meant, used: 1 };
  const byVerb = registry.all.filter(({ name, aliases = [] }) =>
    [name, ...aliases].some((phrase) => phrase.split(' ')[1] === first),
  );
  const [only] = byVerb;
  return only && byVerb.length === 1 ? { command: only, used: 1 } : undefined;
}

/** How many letters two phrases differ in, as far as it matters: each letter that one is longer by is a difference. */
function nearness(typed: string, phrase: string): number {
  return Math.abs(typed.length - phrase.length) > 2 ? Number.POSITIVE_INFINITY : distance(typed, phrase);
}

function unknown(clean: string, words: string[], tokens: Token[], registry: Registry): Parsed {
  // Longer than any command: how far off it is matters no more.
  const [first = '', second = ''] = words.map((word) => word.slice(0, 40));
  const phrases = registry.all.flatMap((command) =>
    [command.name, ...(command.aliases ?? [])].map((phrase) => ({ command, phrase })),
  );
  const scored = phrases
    .map(({ command, phrase }) => {
      const size = phrase.split(' ').length;
      const typed = size === 2 ? `${first} ${second}` : first;
      const verbOnly = size === 2 && phrase.split(' ')[1] === first;
      return {
        command,
        used: verbOnly ? 1 : size,
        // Of two words, a phrase of two words is the likelier meaning.
        score: verbOnly
          ? 0
          : Math.min(nearness(typed, phrase), nearness(`${second} ${first}`, phrase) + 1) +
            (size === 1 && second ? 0.5 : 0),
      };
    })
    .filter(({ score }) => score <= 2.5)
    .sort((a, b) => a.score - b.score);
  const seen = new Set<string>();
  const found: Suggestion[] = [];
  for (const { command, used } of scored) {
    if (seen.has(command.name)) continue;
    seen.add(command.name);
    const rest = tokens.slice(used)[0];
    const line = rest ? `${command.name} ${clean.slice(rest.at)}` : command.name;
    found.push({ name: command.name, line, changes: command.changes, fit: fitOf(command, line, registry) });
  }
  // What cannot have been meant with the rest of the line is only named when nothing else is near.
  const fitting = found.filter(({ fit }) => fit !== 'wrong');
  const suggestions = (fitting.length > 0 ? fitting : found).slice(0, 3);
  return { is: 'unknown', typed: words.join(' ') || clean.slice(0, 40), suggestions };
}

/** Whether a line that was made from what somebody typed says all that its command needs, and nothing else. */
function fitOf(command: Command, line: string, registry: Registry): Suggestion['fit'] {
  const parsed = parse(line, registry);
  if (parsed.is !== 'command' || parsed.command !== command) return 'wrong';
  // Which further keys there are, such a command knows alone.
  if (command.open) return 'lacking';
  const read = readValues(command.args, parsed.values);
  if (read.ok) return 'complete';
  return read.problems.every(({ field }) => !parsed.values[field]?.trim()) ? 'lacking' : 'wrong';
}

/** `cluster get dev-1 pods` says what `cluster get pods dev-1` does: only one of the two words is among what the first place takes. */
function turnAround({ args, positional }: Command, values: Record<string, string>): void {
  const [first = '', second = ''] = positional;
  const choices = args.shape[first];
  const [given, other] = [values[first], values[second]];
  if (!(choices instanceof z.ZodEnum) || given === undefined || other === undefined) return;
  if (choices.options.includes(given) || !choices.options.includes(other)) return;
  values[first] = other;
  values[second] = given;
}

type Arguments = { values: Record<string, string> } | { message: string; at: number };

function readArguments(command: Command, tokens: Token[], line: string): Arguments {
  const values: Record<string, string> = {};
  const conditions: string[] = [];
  const known = Object.keys(command.args.shape);
  const keyOf = (typed: string) => known.find((key) => key.toLowerCase() === typed.toLowerCase()) ?? typed;
  const set = (key: string, value: string, at: number): { message: string; at: number } | null => {
    if (Object.hasOwn(values, key)) return { message: `${key} is given twice.`, at };
    values[key] = value;
    return null;
  };
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (!token) continue;
    let wrong: { message: string; at: number } | null = null;
    if (token.key !== undefined) {
      const key = keyOf(token.key);
      if (command.selectors && (token.operator !== '=' || !known.includes(key))) {
        const value = token.value ?? '';
        conditions.push(`${token.key}${token.operator}${/\s/.test(value) ? quoteValue(value) : value}`);
      } else if (token.operator !== '=') {
        wrong = {
          message: `${command.name} takes no conditions such as ${token.text}; write ${token.key}=…`,
          at: token.at,
        };
      } else if (!command.open && !known.includes(key)) {
        wrong = {
          message: `${command.name} has no ${token.key}. It takes: ${known.filter((each) => each !== 'plan').join(', ') || 'nothing'}.`,
          at: token.at,
        };
      } else wrong = set(key, token.value ?? '', token.at);
    } else if (!token.quoted && /^--[A-Za-z]/.test(token.text)) {
      const next = tokens[index + 1];
      const takes = next !== undefined && next.key === undefined && !(next.text.startsWith('--') && !next.quoted);
      const key = keyOf(token.text.slice(2));
      if (!command.open && !known.includes(key))
        wrong = { message: `${command.name} has no ${token.text}.`, at: token.at };
      else wrong = set(key, takes ? next.text : 'true', token.at);
      if (takes) index += 1;
    } else {
      const small = new Map(token.quoted ? [] : Object.entries(command.words ?? {}));
      const word = small.get(token.text.toLowerCase());
      const next = tokens[index + 1];
      if (word !== undefined && next !== undefined) {
        if (token.text.toLowerCase() !== 'because' && next.key !== undefined) {
          wrong = {
            message: `After "${token.text}" a value is missing: there is ${next.text.slice(0, 60)}.`,
            at: next.at,
          };
        } else if (token.text.toLowerCase() === 'because') {
          const rest = tokens.length === index + 2 && next.quoted ? next.text : line.slice(next.at);
          wrong = set(word, rest, token.at);
          index = tokens.length;
        } else {
          wrong = set(word, next.text, token.at);
          index += 1;
        }
      } else {
        const key = command.positional.find((each) => !Object.hasOwn(values, each));
        if (key === undefined) {
          wrong = {
            message: `I do not know what "${token.text.slice(0, 60)}" is for in ${command.name}.`,
            at: token.at,
          };
        } else {
          const topic = command.name === 'help' && !token.quoted;
          wrong = set(key, topic ? line.slice(token.at) : token.text, token.at);
        }
        if (command.name === 'help') index = tokens.length;
      }
    }
    if (wrong) return wrong;
  }
  if (conditions.length > 0) values.where = [values.where, ...conditions].filter(Boolean).join(' ');
  turnAround(command, values);
  return { values };
}
