/** `docs/parity.md`: every command and every button in each chat, made from the run that is kept in `test/parity/seen.json`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { registry } from '../../src/core/commands/index.ts';

const root = join(import.meta.dirname, '../..');
const seen = 'test/parity/seen.json';

/** By `command`, and by `command > button`, how it was answered. */
type Run = Record<string, string>;

/** The page, for the list of generated documents. */
export const parityPage = { file: 'docs/parity.md', render: renderParity };

/** How each chat shows a form. */
const forms: Record<string, string> = { Slack: 'modal', Teams: 'card with fields', Terminal: 'questions' };

/** The whole page as Markdown; equal runs give equal texts. */
function renderParity(): string {
  const runs = JSON.parse(readFileSync(join(root, seen), 'utf8')) as Record<string, Run>;
  const chats = Object.keys(runs);
  const keys = [...new Set(Object.values(runs).flatMap((run) => Object.keys(run)))];
  const cells = (key: string) => chats.map((chat) => cell(chat, runs[chat]?.[key]));
  const names = registry.all.map(({ name }) => name);
  const buttons = keys.filter((key) => key.includes(' > ')).map((key) => key.split(' > ') as [string, string]);
  const messages = keys.filter((key) => !key.includes(' > ') && !names.includes(key));
  return [
    '<!-- Made by `npm run docs` from test/parity/seen.json; `vitest run test/parity -u` plays it anew. -->',
    '# The same in every chat',
    '',
    'Whatever can be done in one chat can be done in the others. `test/parity/parity.test.ts` plays the same steps in all three, each with a KQueen',
    'of its own: signed HTTP requests of Slack to unmodified Bolt, activities of Teams with signed tokens to Bot Framework’s endpoint, and lines typed',
    'in the terminal. It types a line for every command, presses every button of every answer, and fails where one chat answers differently, offers',
    'another button, or a command of the registry is missing.',
    '',
    'A cell says how the chat answered: with a message, with a form in its own way, or with a link. `–` is nothing.',
    '',
    '## By command',
    '',
    ...table(
      ['Command', ...chats],
      names.map((name) => [`\`${name}\``, ...cells(name)]),
    ),
    '',
    '## Messages that come by themselves',
    '',
    ...table(
      ['Message', ...chats],
      messages.map((key) => [key, ...cells(key)]),
    ),
    '',
    '## Buttons',
    '',
    ...table(
      ['On', 'Button', ...chats],
      buttons.map(([on, label]) => [names.includes(on) ? `\`${on}\`` : on, label, ...cells(`${on} > ${label}`)]),
    ),
    '',
  ].join('\n');
}

function cell(chat: string, result: string | undefined): string {
  if (result === undefined || result === 'nothing') return '–';
  if (result === 'link') return 'link';
  return result === 'form' ? (forms[chat] ?? 'form') : 'message';
}

function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]) => `| ${cells.map((each) => each.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
