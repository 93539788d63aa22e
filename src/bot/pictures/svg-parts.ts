/** What drawings are made of: colours, letters and their widths. */
import type { Tone } from '../../core/card.ts';
import { clippedMiddle, drawable, type Picture } from '../../core/picture.ts';
import { seenText } from '../seen.ts';

export const pictureWidth = 800;

/** Colours that stay apart for every kind of colour blindness (Okabe and Ito's, darkened where white letters stand on them). */
export const looks: Record<Tone, { fill: string; ink: string; lines: string | null }> = {
  good: { fill: '#00806a', ink: '#ffffff', lines: null },
  warn: { fill: '#f0b232', ink: '#1b1b1b', lines: 'M-4 4 L4 -4 M0 16 L16 0 M12 20 L20 12' },
  bad: { fill: '#bf3f00', ink: '#ffffff', lines: 'M0 0 L16 16 M16 0 L0 16' },
  busy: { fill: '#2a78b8', ink: '#ffffff', lines: 'M4 0 V16 M12 0 V16' },
  plain: { fill: '#b9c0c9', ink: '#1b1b1b', lines: 'M0 4 H16 M0 12 H16' },
};

export const edge = 36;
export const inner = pictureWidth - 2 * edge;
export const ground = '#ffffff';
export const ink = '#1b1f24';
export const faint = '#57606a';

/** What is drawn, and how high it is. */
export interface Drawn {
  body: string[];
  height: number;
}

export function pattern([tone, { fill, lines }]: [string, (typeof looks)[Tone]]): string {
  if (lines === null) return '';
  const stroke = tone === 'bad' ? '#7c2600' : tone === 'busy' ? '#144d7d' : tone === 'warn' ? '#b57b00' : '#7b8592';
  return `<pattern id="${tone}" width="16" height="16" patternUnits="userSpaceOnUse"><rect width="16" height="16" fill="${fill}"/><path d="${lines}" stroke="${stroke}" stroke-width="3" fill="none"/></pattern>`;
}

export function paint(tone: Tone): string {
  return looks[tone].lines === null ? looks[tone].fill : `url(#${tone})`;
}

/** Swatch, name and sum of each series, in as many lines as they need. */
export function legendOf({ series, rows }: Picture): {
  body: { x: number; y: number; made: string }[];
  height: number;
} {
  const body: { x: number; y: number; made: string }[] = [];
  let x = 0;
  let y = 0;
  for (const [index, { name, tone }] of series.entries()) {
    const sum = rows.reduce((all, row) => all + drawable(row.values[index]), 0);
    const said = `${number(sum)} ${clipped(name, 420, 28)}`;
    const width = 44 + widthOf(said, 28) + 34;
    if (x > 0 && x + width - 34 > inner) {
      x = 0;
      y += 46;
    }
    const swatch = `<rect y="4" width="32" height="32" rx="4" fill="${paint(tone)}" stroke="${ink}" stroke-opacity="0.35"/>`;
    body.push({ x, y, made: `${swatch}${text(said, 44, 31, { size: 28 })}` });
    x += width;
  }
  return { body, height: series.length === 0 ? 0 : y + 52 };
}

/** How words are written; x is where they begin unless it says otherwise. */
interface Letters {
  size: number;
  bold?: boolean;
  color?: string;
  end?: boolean;
  middle?: boolean;
}

export function text(words: string, x: number, y: number, { size, bold, color = ink, end, middle }: Letters): string {
  const anchor = end ? ' text-anchor="end"' : middle ? ' text-anchor="middle"' : '';
  return `<text x="${x}" y="${y}" font-size="${size}"${bold ? ' font-weight="bold"' : ''} fill="${color}"${anchor}>${escaped(words)}</text>`;
}

/** The title in at most two lines. */
export function titleLines(title: string): string[] {
  const words = seen(title).split(' ');
  const lines = [''];
  for (const word of words) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && widthOf(`${last} ${word}`, 34, true) > inner) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.length > 2
    ? [lines[0] ?? '', clipped(lines.slice(1).join(' '), inner, 34)]
    : lines.map((line) => clipped(line, inner, 34));
}

export function number(value: number): string {
  return new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 }).format(value);
}

/** How wide a text is at most in DejaVu Sans: narrow letters, wide ones, and all between. */
export function widthOf(words: string, size: number, bold = false): number {
  let ems = 0;
  for (const letter of words) {
    if (/[ijlI.,:;'|!()[\]]/.test(letter)) ems += 0.4;
    else if (/[mwMW@%]/.test(letter)) ems += 0.99;
    else if (/[A-Z…]/.test(letter)) ems += 0.76;
    else if (letter === ' ') ems += 0.33;
    else ems += letter.charCodeAt(0) < 0x250 ? 0.635 : 1;
  }
  return ems * size * (bold ? 1.1 : 1);
}

export function clipped(words: string, room: number, size: number): string {
  const shown = seen(words);
  if (widthOf(shown, size, true) <= room) return shown;
  const letters = [...shown];
  while (letters.length > 1 && widthOf(`${letters.join('')}…`, size, true) > room) letters.pop();
  return `${letters.join('')}…`;
}

/** Like clipped, but in its middle. */
export function clippedIn(words: string, room: number, size: number): string {
  return clippedMiddle(seen(words), (shown) => widthOf(shown, size, true) <= room);
}

export function seen(words: string): string {
  return seenText(words).replaceAll('\n', ' ').trim();
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function escaped(words: string): string {
  return seen(words).replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}
