/**
 * Tables. A narrow one is aligned in a monospaced block. A wide one would wrap into noise on a phone, so each row becomes a line that
 * starts with its first cell. Slack's own table block is not used: a message may hold one only.
 */
import type { Span } from './markup.ts';
import { andMore, columnsOf, cut, cutColumns, oneLine } from './text.ts';

/** Columns of a monospaced block that a phone held upright shows without wrapping. */
const phoneColumns = 44;
const cellColumns = 40;
const lineCell = 120;
const columnsMax = 20;

export interface TableText {
  /** Aligned text for a preformatted block; absent when the lines are given. */
  aligned?: string;
  lines?: Span[];
}

/** The table in at most `max` units; rows that do not fit are counted. */
export function tableText(columns: string[], rows: string[][], max: number): TableText {
  const width = Math.min(columnsMax, Math.max(columns.length, ...rows.map((row) => row.length), 0));
  const hidden = Math.max(columns.length, ...rows.map((row) => row.length), 0) - width;
  if (width === 0) return { lines: [{ text: rows.length === 0 ? 'Nothing.' : andMore(rows.length), italic: true }] };
  const heads = padded(columns, width);
  if (rows.length === 0)
    return { lines: [{ text: cut(`${heads.filter(Boolean).join(', ')}: nothing.`, max), italic: true }] };
  const cells = rows.map((row) => padded(row, width));
  const widths = heads.map((head, index) =>
    Math.min(cellColumns, Math.max(columnsOf(head), ...cells.map((row) => columnsOf(row[index] ?? '')))),
  );
  const total = widths.reduce((sum, each) => sum + each + 2, -2);
  if (total <= phoneColumns && hidden === 0) return { aligned: aligned([heads, ...cells], widths, max) };
  return { lines: lines(heads, cells, hidden, max) };
}

function padded(row: string[], width: number): string[] {
  return Array.from({ length: width }, (_, index) => oneLine(row[index] ?? ''));
}

function aligned(rows: string[][], widths: number[], max: number): string {
  const texts = rows.map((row) =>
    row
      .map((cell, index) => {
        const kept = cutColumns(cell, widths[index] ?? 0);
        return kept + ' '.repeat(Math.max(0, (widths[index] ?? 0) - columnsOf(kept)));
      })
      .join('  ')
      .trimEnd(),
  );
  const kept = fitting(texts, max);
  return kept.length === texts.length ? texts.join('\n') : [...kept, andMore(texts.length - kept.length)].join('\n');
}

function lines(heads: string[], rows: string[][], hidden: number, max: number): Span[] {
  const texts = [heads, ...rows].map((row) => row.map((cell) => cut(cell, lineCell)));
  const kept = fitting(
    texts.map((row) => `${row.filter(Boolean).join(' · ')}\n`),
    max,
  );
  const spans: Span[] = [];
  for (const [index, row] of texts.slice(0, kept.length).entries()) {
    const [first = '', ...rest] = row;
    const tail = rest
      .filter(Boolean)
      .map((cell) => ` · ${cell}`)
      .join('');
    const end = index < kept.length - 1 ? '\n' : '';
    if (index === 0) spans.push({ text: `${first}${tail}${end}`, italic: true });
    else spans.push({ text: first === '' ? '–' : first, bold: true }, { text: `${tail}${end}` });
  }
  const left = texts.length - kept.length;
  if (left > 0) spans.push({ text: `\n${andMore(left)}` });
  if (hidden > 0) spans.push({ text: `\n${andMore(hidden, hidden === 1 ? 'column' : 'columns')}`, italic: true });
  return spans.filter((span) => span.text !== '');
}

/** The first texts that fit into `max` units together, leaving room for the count of the rest; at least one. */
function fitting(texts: string[], max: number): string[] {
  let left = max - 60;
  const kept: string[] = [];
  for (const text of texts) {
    left -= text.length + 1;
    if (left < 0 && kept.length > 0) break;
    kept.push(left < 0 ? cut(text, Math.max(1, max - 60)) : text);
  }
  return kept;
}
