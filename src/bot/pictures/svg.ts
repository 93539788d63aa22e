/**
 * Pictures as SVG: 800 units wide with letters that are still read when a phone shows it 360 wide, on a solid ground of its own so that dark mode
 * changes nothing, and each series with a pattern and its number, so that colour alone tells nothing.
 */
import type { Tone } from '../../core/card.ts';
import { drawable, type Picture, pictureRows, pieces, rowTotal } from '../../core/picture.ts';
import {
  clipped,
  clippedIn,
  type Drawn,
  edge,
  escaped,
  faint,
  ground,
  inner,
  legendOf,
  looks,
  number,
  paint,
  pattern,
  pictureWidth,
  round,
  seen,
  text,
  titleLines,
  widthOf,
} from './svg-parts.ts';
import { treeBody } from './svg-tree.ts';

const barHeight = 46;
const rowHeight = 106;

/** The picture as an SVG document; the same picture gives the same text. */
export function pictureSvg(picture: Picture): string {
  return picture.kind === 'tree' ? whole(picture.title, treeBody(picture)) : whole(picture.title, barsBody(picture));
}

function barsBody(picture: Picture): Drawn {
  const rows = picture.rows.slice(0, pictureRows);
  const head = titleLines(picture.title);
  const legend = picture.kind === 'stacks' ? legendOf(picture) : { body: [], height: 0 };
  const top = 40 + head.length * 42;
  const first = top + legend.height + 16;
  const left = picture.rows.length - rows.length;
  const height = first + rows.length * rowHeight + (left > 0 ? 44 : 8);
  const most = picture.kind === 'use' ? 100 : Math.max(1, ...rows.map(rowTotal));
  const body = [
    ...head.map((line, index) => text(line, edge, 62 + index * 42, { size: 34, bold: true })),
    ...legend.body.map(({ x, y, made }) => `<g transform="translate(${edge + x} ${top + y})">${made}</g>`),
    ...rows.map((row, index) => bar(picture, row, most, first + index * rowHeight)),
    ...(left > 0 ? [text(`… and ${left} more`, edge, height - 24, { size: 26, color: faint })] : []),
  ];
  return { body, height };
}

/** The document around what is drawn. */
function whole(title: string, { body, height }: Drawn): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${pictureWidth}" height="${height}" viewBox="0 0 ${pictureWidth} ${height}" font-family="DejaVu Sans">`,
    `<title>${escaped(title)}</title>`,
    `<defs>${Object.entries(looks).map(pattern).join('')}</defs>`,
    `<rect width="${pictureWidth}" height="${height}" fill="${ground}"/>`,
    `<rect x="1" y="1" width="${pictureWidth - 2}" height="${height - 2}" fill="none" stroke="#d0d7de" stroke-width="2"/>`,
    ...body,
    '</svg>\n',
  ].join('\n');
}

function bar(picture: Picture, row: Picture['rows'][number], most: number, top: number): string {
  const { kind, series } = picture;
  const use = drawable(row.values[0]);
  const said = [
    kind === 'use' ? `${Math.round(use)} %` : number(rowTotal(row)),
    ...(row.note ? [seen(row.note)] : []),
  ].join(' · ');
  const right = clipped(said, inner * 0.6, 27);
  const room = inner - widthOf(right, 27) - 28;
  const name = kind === 'use' ? clippedIn(row.label, room, 29) : clipped(row.label, room, 29);
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
