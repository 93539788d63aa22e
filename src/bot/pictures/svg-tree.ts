/** A tree as a drawing: one line a row, below one another by depth, with what belongs to it as squares. */
import { type Picture, treeRows } from '../../core/picture.ts';
import {
  clipped,
  clippedIn,
  type Drawn,
  edge,
  faint,
  inner,
  legendOf,
  looks,
  paint,
  pictureWidth,
  text,
  titleLines,
  widthOf,
} from './svg-parts.ts';

const heights = { root: 54, row: 46 };
const step = 30;
const square = 32;
const gap = 5;
/** Where the squares begin: what is left of it is for labels. */
const column = 440;
const fits = Math.floor((pictureWidth - edge - column + gap) / (square + gap));

export function treeBody(picture: Picture): Drawn {
  const rows = picture.rows.slice(0, treeRows);
  const head = titleLines(picture.title);
  const legend = legendOf(picture);
  const top = 40 + head.length * 42;
  const body = [
    ...head.map((line, index) => text(line, edge, 62 + index * 42, { size: 34, bold: true })),
    ...legend.body.map(({ x, y, made }) => `<g transform="translate(${edge + x} ${top + y})">${made}</g>`),
  ];
  let y = top + legend.height + 8;
  for (const [index, row] of rows.entries()) {
    const depth = row.depth ?? 0;
    const height = depth === 0 ? heights.root : heights.row;
    const last = (rows[index + 1]?.depth ?? 0) < depth;
    if (depth > 0) {
      const x = edge + (depth - 1) * step + 10;
      body.push(
        `<path d="M${x} ${y} V${last ? y + height / 2 : y + height} M${x} ${y + height / 2} H${x + 16}" stroke="#8c959f" stroke-width="2" fill="none"/>`,
      );
    }
    body.push(...line(row, picture, edge + depth * step, y, height));
    y += height;
  }
  const notes = [
    ...(picture.rows.length > rows.length ? [`… and ${picture.rows.length - rows.length} more rows`] : []),
    ...wrapped(picture.note ?? ''),
  ];
  for (const note of notes) {
    y += 34;
    body.push(text(note, edge, y, { size: 23, color: faint }));
  }
  return { body, height: y + 24 };
}

function line(row: Picture['rows'][number], { series }: Picture, x: number, y: number, height: number): string[] {
  const root = (row.depth ?? 0) === 0;
  const cells = row.cells ?? [];
  const room = (cells.length > 0 ? column : edge + inner) - x - 16;
  const size = root ? 28 : 24;
  const made = [text(clippedIn(row.label, room, size), x, y + height / 2 + 9, { size, bold: root })];
  const shown = cells.length > fits ? cells.slice(0, fits - 2) : cells;
  for (const [index, { text: letters, series: which }] of shown.entries()) {
    const tone = series[which]?.tone ?? 'plain';
    const left = column + index * (square + gap);
    const above = y + (height - square) / 2;
    made.push(
      `<rect x="${left}" y="${above}" width="${square}" height="${square}" rx="5" fill="${paint(tone)}" stroke="#1b1f24" stroke-opacity="0.35"/>`,
    );
    if (letters !== '') made.push(...plate(letters, tone, left, above));
  }
  if (cells.length > shown.length) {
    const left = column + shown.length * (square + gap) + 4;
    made.push(text(`+${cells.length - shown.length}`, left, y + height / 2 + 9, { size: 24, color: faint }));
  }
  return made;
}

/** The letters of a square, on its plain colour so that the pattern does not run through them. */
function plate(letters: string, tone: keyof typeof looks, left: number, above: number): string[] {
  const { fill, ink, lines } = looks[tone];
  const shown = [...letters].slice(0, 3).join('');
  const size = shown.length > 2 ? 15 : 20;
  const width = Math.min(square - 4, widthOf(shown, size, true) + 4);
  return [
    ...(lines === null
      ? []
      : [
          `<rect x="${left + (square - width) / 2}" y="${above + 5}" width="${width}" height="22" rx="3" fill="${fill}"/>`,
        ]),
    text(shown, left + square / 2, above + 23, { size, bold: true, color: ink, middle: true }),
  ];
}

/** Most lines of a note. */
const noteLines = 24;

/** A note in as many lines as it takes; what its dots part stays together. */
function wrapped(note: string): string[] {
  const lines: string[] = [];
  for (const piece of note.split(' · ').filter(Boolean)) {
    const last = lines.at(-1);
    if (last !== undefined && widthOf(`${last} · ${piece}`, 23) <= inner)
      lines[lines.length - 1] = `${last} · ${piece}`;
    else lines.push(clipped(piece, inner, 23));
  }
  return lines.length > noteLines ? [...lines.slice(0, noteLines - 1), '…'] : lines;
}
