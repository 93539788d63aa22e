/** Tables: real ones while they fit a phone's width, else one block a row. */
import type { Part } from '../../core/card.ts';
import type { Element } from './render.ts';
import type { TextRun } from './text.ts';
import { block, clip, oneLine, run, shorten } from './text.ts';

type TablePart = Extract<Part, { part: 'table' }>;

/** More columns than these are unreadable on a phone, and Teams does not scroll sideways. */
const columnsOfATable = 3;
const longestCell = 200;

/** The table within `room` bytes; `left` says how many rows are missing. */
export function renderTable(part: TablePart, room: number): { elements: Element[]; left: string } {
  const columns = part.columns.map((column) => shorten(column, 60));
  const rows = part.rows.map((cells) => columns.map((_, index) => clip(oneLine(cells[index] ?? ''), longestCell)));
  const caption = shorten(part.caption ?? '', 120);
  const elements: Element[] = caption ? [block([run(caption, { weight: 'Bolder' })], { spacing: 'Medium' })] : [];
  if (columns.length === 0 || rows.length === 0) {
    elements.push(block([run('Nothing to list.', { isSubtle: true })], { spacing: 'Small' }));
    return size(elements) > room ? { elements: [], left: '… and a table' } : { elements, left: '' };
  }
  const rest = room - size(elements);
  const shown = columns.length <= columnsOfATable ? realTable(columns, rows, rest) : rowBlocks(columns, rows, rest);
  if (shown.count === 0) return { elements: [], left: `… and ${rows.length} more rows` };
  const missing = rows.length - shown.count;
  return {
    elements: [...elements, ...shown.elements],
    left: missing > 0 ? `… and ${missing} more ${missing === 1 ? 'row' : 'rows'}` : '',
  };
}

function size(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function tableRow(cells: string[], header: boolean): unknown {
  return {
    type: 'TableRow',
    cells: cells.map((cell) => ({
      type: 'TableCell',
      items: [block([run(cell || '–', header ? { weight: 'Bolder' } : {})])],
    })),
  };
}

function realTable(columns: string[], rows: string[][], room: number): { elements: Element[]; count: number } {
  const widths = columns.map((column, index) => {
    const longest = Math.max(column.length, ...rows.map((cells) => cells[index]?.length ?? 0));
    return { width: Math.min(4, Math.max(1, Math.ceil(longest / 8))) };
  });
  const table = {
    type: 'Table',
    firstRowAsHeaders: true,
    showGridLines: false,
    spacing: 'Small',
    columns: widths,
    rows: [tableRow(columns, true)],
  };
  let used = size(table);
  let count = 0;
  for (const cells of rows) {
    const next = tableRow(cells, false);
    used += size(next) + 1;
    if (used > room) break;
    table.rows.push(next);
    count += 1;
  }
  return { elements: [table], count };
}

/** The first cell is the row's name, the second stands beside it, the others follow in small print with their columns' names. */
function rowBlocks(columns: string[], rows: string[][], room: number): { elements: Element[]; count: number } {
  const elements: Element[] = [];
  let used = 0;
  for (const [index, cells] of rows.entries()) {
    const [name = '', second = '', ...others] = cells;
    const first: TextRun[] = [run(name || '–', { weight: 'Bolder' })];
    if (second) first.push(run(`  ${second}`));
    const details = others.flatMap((cell, at) => (cell ? [`${columns[at + 2]} ${cell}`] : []));
    const next: Element = {
      type: 'Container',
      spacing: 'Small',
      ...(index > 0 ? { separator: true } : {}),
      items: [
        block(first),
        ...(details.length > 0
          ? [block([run(clip(details.join(' · '), 600), { isSubtle: true, size: 'Small' })], { spacing: 'None' })]
          : []),
      ],
    };
    used += size(next) + 1;
    if (used > room) break;
    elements.push(next);
  }
  return { elements, count: elements.length };
}
