/** The tables of what each engine was seen to do in `docs/engines.md`, made from the runs that are kept in `test/engines/matrix`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Matrix } from '../../test/engines/matrix.ts';
import { type FaultName, faults, operations, type Rule, rules } from '../../test/engines/rules.ts';

const root = join(import.meta.dirname, '../..');
const file = 'docs/engines.md';
const begin = '<!-- matrix: begin -->';
const end = '<!-- matrix: end -->';

/** The page, for the list of generated documents: what is written by hand stays as it is in the file. */
export const enginesPage = { file, render: renderEngines };

/** The whole page as Markdown, its tables made anew. */
function renderEngines(): string {
  const text = readFileSync(join(root, file), 'utf8');
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${file} has no ${begin} and ${end}.`);
  return [before, begin, '\n', ...section(), end, after].join('');
}

function section(): string[] {
  const runs = readdirSync(join(root, 'test/engines/matrix'))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({
      engine: name.replace(/\.json$/, ''),
      matrix: JSON.parse(readFileSync(join(root, 'test/engines/matrix', name), 'utf8')) as Matrix,
    }));
  const notes = footnotes();
  const ruleRows = Object.keys(rules).map((id) => [
    `\`${id}\``,
    ...runs.map(({ matrix }) => notes.cell(matrix.rules[id as Rule])),
  ]);
  const faultTables = runs.flatMap(({ engine, matrix }) => [
    `### ${engine}: calls and faults\n\n`,
    ...(same(matrix) ??
      table(
        ['Call', ...Object.keys(faults)],
        operations.map((operation) => [
          `\`${operation}\``,
          ...Object.keys(faults).map((id) => notes.cell(matrix.faults[id as FaultName]?.[operation])),
        ]),
      )),
    '\n',
  ]);
  return [
    '\n## What each engine was seen to do\n\n',
    'Made by `npm run docs` from the runs of `test/engines`, which fail when they come out otherwise. `ok` is a test that passed; a letter is a\n',
    'reason why there is nothing to test, listed at the end.\n\n',
    ...table(['Rule', ...runs.map(({ engine }) => engine)], ruleRows),
    '\n',
    'Under every fault, each call has to fail in time, with the right kind, with the right word on whether to repeat it and whether it may have\n',
    'taken effect, with what to do next, and without a secret in it. `check` has to answer instead.\n\n',
    ...table(
      ['Fault', 'What stands between the engine and its provider'],
      Object.entries(faults).map(([id, words]) => [id, words]),
    ),
    '\n',
    ...faultTables,
    '### Reasons\n\n',
    ...notes.list(),
    '\n',
  ];
}

/** The one reason for which no call meets any fault; null when there are several, or when some do. */
function same(matrix: Matrix): string[] | null {
  const cells = new Set(Object.values(matrix.faults).flatMap((each) => Object.values(each)));
  const [only] = cells;
  return cells.size === 1 && only && only !== 'ok' ? [`No call meets any of them: ${only}.\n`] : null;
}

/** Letters for reasons, in the order in which they come up. */
function footnotes() {
  const reasons: string[] = [];
  return {
    cell(result: string | undefined): string {
      if (result === undefined || result === 'ok') return result ?? '';
      if (!reasons.includes(result)) reasons.push(result);
      return letter(reasons.indexOf(result));
    },
    list: () => reasons.map((reason, index) => `- ${letter(index)}: ${reason}.\n`),
  };
}

/** a, b, … z, aa, ab, … */
function letter(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : `${letter(Math.floor(index / 26) - 1)}${last}`;
}

function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]) => `| ${cells.map((each) => each.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
