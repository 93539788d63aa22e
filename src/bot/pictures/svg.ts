/**
 * Pictures as SVG: 800 units wide with letters that are still read when a phone shows it 360 wide, on a solid ground of its own so that dark mode
 * changes nothing, and each series with a pattern and its number, so that colour alone tells nothing.
 */
import type { Tone } from '../../core/card.ts';
import { drawable, type Picture, pictureRows, pieces, rowTotal } from '../../core/picture.ts';
import { seenText } from '../seen.ts';

export const pictureWidth = 800;

/** Colours that stay apart for every kind of colour blindness (Okabe and Ito's, darkened where white letters stand on them). */
const looks: Record<Tone, { fill: string; ink: string; lines: string | null }> = {
  good: { fill: '#00806a', ink: '#ffffff', lines: null },
  warn: { fill: '#f0b232', ink: '#1b1b1b', lines: 'M-4 4 L4 -4 M0 16 L16 0 M12 20 L20 12' },
  bad: { fill: '#bf3f00', ink: '#ffffff', lines: 'M0 0 L16 16 M16 0 L0 16' },
  busy: { fill: '#2a78b8', ink: '#ffffff', lines: 'M4 0 V16 M12 0 V16' },
  plain: { fill: '#b9c0c9', ink: '#1b1b1b', lines: 'M0 4 H16 M0 12 H16' },
};

const edge = 36;
const inner = pictureWidth - 2 * edge;
const barHeight = 46;
const rowHeight = 106;
const ground = '#ffffff';
const ink = '#1b1f24';
const faint = '#57606a';

/** The picture as an SVG document; the same picture gives the same text. */
export function pictureSvg(picture: Picture): string {
  const rows = picture.rows.slice(0, pictureRows);
  const head = titleLines(picture.title);
  const legend = picture.kind === 'stacks' ? legendOf(picture) : { body: [], height: 0 };
  const top = 40 + head.length * 42;
  const first = top + legend.height + 16;
  const left = picture.rows.length - rows.length;
  const height = first + rows.length * rowHeight + (left > 0 ? 44 : 8);
  const most = picture.kind === 'use' ? 100 : Math.max(1, ...rows.map(rowTotal));
  const body = [
    `<rect width="${pictureWidth}" height="${height}" fill="${ground}"/>`,
    `<rect x="1" y="1" width="${pictureWidth - 2}" height="${height - 2}" fill="none" stroke="#d0d7de" stroke-width="2"/>`,
    ...head.map((line, index) => text(line, edge, 62 + index * 42, { size: 34, bold: true })),
    ...legend.body.map(({ x, y, made }) => `<g transform="translate(${edge + x} ${top + y})">${made}</g>`),
    ...rows.map((row, index) => bar(picture, row, most, first + index * rowHeight)),
    ...(left > 0 ? [text(`… and ${left} more`, edge, height - 24, { size: 26, color: faint })] : []),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${pictureWidth}" height="${height}" viewBox="0 0 ${pictureWidth} ${height}" font-family="DejaVu Sans">`,
    `<title>${escaped(picture.title)}</title>`,
    `<defs>${Object.entries(looks).map(pattern).join('')}</defs>`,
    ...body,
    '</svg>\n',
  ].join('\n');
}

function pattern([tone, { fill, lines }]: [string, (typeof looks)[Tone]]): string {
  if (lines === null) return '';
  const stroke = tone === 'bad' ? '#7c2600' : tone === 'busy' ? '#144d7d' : tone === 'warn' ? '#b57b00' : '#7b8592';
  return `<pattern id="${tone}" width="16" height="16" patternUnits="userSpaceOnUse"><rect width="16" height="16" fill="${fill}"/><path d="${lines}" stroke="${stroke}" stroke-width="3" fill="none"/></pattern>`;
}

function paint(tone: Tone): string {
  return looks[tone].lines === null ? looks[tone].fill : `url(#${tone})`;
}

/** Swatch, name and sum of each series, in as many lines as they need. */
function legendOf({ series, rows }: Picture): { body: { x: number; y: number; made: string }[]; height: number } {
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

function bar(picture: Picture, row: Picture['rows'][number], most: number, top: number): string {
  const { kind, series } = picture;
  const use = drawable(row.values[0]);
  const said = [
    kind === 'use' ? `${Math.round(use)} %` : number(rowTotal(row)),
    ...(row.note ? [seen(row.note)] : []),
  ].join(' · ');
  const right = clipped(said, inner * 0.6, 27);
  const name = clipped(row.label, inner - widthOf(right, 27) - 28, 29);
  const sizes = pieces(row.values.slice(0, series.length), most, inner, 34);
  const parts: string[] = [];
  let x = edge;
  for (const [index, size] of sizes.entries()) {
    const tone = kind === 'use' ? useTone(use) : (series[index]?.tone ?? 'plain');
    if (size === 0) continue;
    const label = kind === 'use' ? '' : number(drawable(row.values[index]));
    parts.push(
      `<rect x="${x}" y="${top + 44}" width="${size}" height="${barHeight}" fill="${paint(tone)}" stroke="${ground}" stroke-width="2"/>`,
      label === '' ? '' : tag(label, x + size / 2, top + 44, tone, size),
    );
    x += size;
  }
  return [
    text(name, edge, top + 30, { size: 29, bold: true }),
    text(right, pictureWidth - edge, top + 30, { size: 27, color: faint, end: true }),
    `<rect x="${edge}" y="${top + 44}" width="${inner}" height="${barHeight}" fill="#eef1f4"/>`,
    ...parts.filter((each) => each !== ''),
  ].join('\n');
}

function useTone(percent: number): Tone {
  return percent >= 90 ? 'bad' : percent >= 75 ? 'warn' : 'good';
}

/** A number in its piece, on the plain colour so that the pattern does not run through it; left out where it does not fit. */
function tag(label: string, middle: number, top: number, tone: Tone, room: number): string {
  const width = widthOf(label, 27, true) + 12;
  if (width > room) return '';
  const { fill, ink: letters, lines } = looks[tone];
  const plate =
    lines === null
      ? ''
      : `<rect x="${round(middle - width / 2)}" y="${top + 6}" width="${round(width)}" height="34" rx="4" fill="${fill}"/>`;
  return `${plate}<text x="${round(middle)}" y="${top + 33}" font-size="27" font-weight="bold" fill="${letters}" text-anchor="middle">${escaped(label)}</text>`;
}

function text(
  words: string,
  x: number,
  y: number,
  { size, bold, color = ink, end }: { size: number; bold?: boolean; color?: string; end?: boolean },
): string {
  return `<text x="${x}" y="${y}" font-size="${size}"${bold ? ' font-weight="bold"' : ''} fill="${color}"${end ? ' text-anchor="end"' : ''}>${escaped(words)}</text>`;
}

/** The title in at most two lines. */
function titleLines(title: string): string[] {
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

function number(value: number): string {
  return new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 }).format(value);
}

/** How wide a text is at most in DejaVu Sans: narrow letters, wide ones, and all between. */
function widthOf(words: string, size: number, bold = false): number {
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

function clipped(words: string, room: number, size: number): string {
  const shown = seen(words);
  if (widthOf(shown, size, true) <= room) return shown;
  const letters = [...shown];
  while (letters.length > 1 && widthOf(`${letters.join('')}…`, size, true) > room) letters.pop();
  return `${letters.join('')}…`;
}

function seen(words: string): string {
  return seenText(words).replaceAll('\n', ' ').trim();
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(words: string): string {
  return seen(words).replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}
