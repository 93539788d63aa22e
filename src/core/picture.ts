/** Pictures as numbers and words: renderers draw them where the platform shows images, and write them as bars of letters where it does not. */
import type { Tone } from './card.ts';

/** A picture without a platform in it. What it shows is also said by `alt`, and by its rows as a table. */
export interface Picture {
  /**
   * `stacks`: for each row how many of each series. `use`: for each row how much is used, in percent from 0 to 100, of one series. `tree`: rows below
   * one another by their depth, with cells; whoever shows it writes the tree beside it, so that it has no bars.
   */
  kind: 'stacks' | 'use' | 'tree';
  title: string;
  /** Everything the picture says, in sentences: for who cannot see it. */
  alt: string;
  series: { name: string; tone: Tone }[];
  rows: PictureRow[];
  /** Of a tree: small print below it. */
  note?: string;
}

interface PictureRow {
  label: string;
  values: number[];
  note?: string;
  /** Of a tree: how far below the root, from 0. */
  depth?: number;
  /** Of a tree: what belongs to the row, each with at most three letters and the number of its series. */
  cells?: { text: string; series: number }[];
}

/** Most rows that stay readable on a phone. */
export const pictureRows = 6;
/** Most rows of a tree. */
export const treeRows = 48;

/** A number that can be drawn: not negative, not endless. */
export function drawable(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) ? Math.max(0, value) : 0;
}

/** The sum of a row. */
export function rowTotal(row: Picture['rows'][number]): number {
  return row.values.reduce((sum, value) => sum + drawable(value), 0);
}

/**
 * How long each value's piece of a bar is when the whole is `length` for `most`; what is not zero is at least `least` long, so that one broken
 * cluster of thousands is still seen. Whole numbers; never longer together than `length`.
 */
export function pieces(values: readonly number[], most: number, length: number, least: number): number[] {
  const wanted = values.map((value) => {
    const share = most > 0 ? Math.min(1, drawable(value) / most) * length : 0;
    return drawable(value) === 0 ? 0 : Math.max(least, Math.round(share));
  });
  let over = wanted.reduce((sum, each) => sum + each, 0) - length;
  while (over > 0) {
    const longest = wanted.indexOf(Math.max(...wanted));
    const now = wanted[longest] ?? 0;
    if (now <= 1) break;
    const less = Math.min(over, Math.max(1, now - Math.max(least, 1)));
    wanted[longest] = now - less;
    over -= less;
  }
  return wanted;
}

/** The picture as a table. */
export function pictureTable({ kind, title, series, rows }: Picture): {
  caption: string;
  columns: string[];
  rows: string[][];
} {
  const noted = rows.some(({ note }) => note !== undefined && note !== '');
  return {
    caption: title,
    columns: ['', ...series.map(({ name }) => name), ...(noted ? ['Note'] : [])],
    rows: rows.map(({ label, values, note }) => [
      label,
      ...series.map((_, index) => `${Math.round(drawable(values[index]))}${kind === 'use' ? ' %' : ''}`),
      ...(noted ? [note ?? ''] : []),
    ]),
  };
}

/** What a series is drawn with where there are only letters. */
const letters: Record<Tone, string> = { good: '#', busy: '~', warn: '!', bad: 'x', plain: '?' };

const longestLabel = 24;

/** Cut in its middle: names that belong together begin alike and end apart. */
export function clippedMiddle(text: string, fits: (shown: string) => boolean): string {
  if (fits(text)) return text;
  const letters = [...text];
  for (let kept = letters.length - 1; kept > 1; kept -= 1) {
    const end = Math.ceil(kept / 2);
    const shown = `${letters.slice(0, kept - end).join('')}…${letters.slice(-end).join('')}`;
    if (fits(shown)) return shown;
  }
  return '…';
}

function clipped(text: string, most: number): string {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : text;
}

/** The picture as bars of letters, each line at most `width` characters where the labels allow it; the last line says what the letters mean. */
export function pictureBars(picture: Picture, width: number): string[] {
  const { kind, series, rows } = picture;
  if (kind === 'tree') return [];
  const label = Math.min(longestLabel, Math.max(0, ...rows.map((row) => row.label.length)));
  const length = Math.max(10, Math.min(40, width - label - 24));
  const most = kind === 'use' ? 100 : Math.max(1, ...rows.map(rowTotal));
  const lines = rows.map((row) => {
    const drawn = pieces(row.values.slice(0, series.length), most, length, 1)
      .map((size, index) => (letters[series[index]?.tone ?? 'plain'] ?? '?').repeat(size))
      .join('')
      .slice(0, length);
    const said =
      kind === 'use'
        ? [`${Math.round(drawable(row.values[0]))} %`, clipped(row.note ?? '', 60)]
        : [String(rowTotal(row)), clipped(row.note ?? '', 60)];
    const name =
      kind === 'use'
        ? clippedMiddle(row.label, ({ length }) => length <= longestLabel)
        : clipped(row.label, longestLabel);
    return `${name.padEnd(label)}  [${drawn.padEnd(length, kind === 'use' ? '.' : ' ')}] ${said.filter(Boolean).join(', ')}`;
  });
  if (kind === 'use') return lines;
  const legend = series.map(({ name, tone }) => `${letters[tone]} ${clipped(name, 40)}`).join('   ');
  return [...lines, legend];
}
