/**
 * Draws the icons of the Teams app, a crown: `node scripts/draw-icons.ts` writes teams/color.png and teams/outline.png.
 * What Teams asks for: 192x192 in full colour with the symbol well inside, and 32x32 in nothing but white and transparency
 * (learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/apps-package#app-icons).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

type Point = readonly [x: number, y: number];

/** Pixels in rows from the top, four bytes each: red, green, blue, alpha. */
export interface Picture {
  size: number;
  pixels: Buffer;
}

/** The colour of KQueen, #1d3557. */
const navy = [0x1d, 0x35, 0x57] as const;
const white = [0xff, 0xff, 0xff] as const;

/** The crown in a square of side 1: three points over a straight foot. */
const crown: readonly Point[] = [
  [0.13, 0.88],
  [0.04, 0.3],
  [0.31, 0.54],
  [0.5, 0.12],
  [0.69, 0.54],
  [0.96, 0.3],
  [0.87, 0.88],
];
/** The line between crown and foot, from left to right. */
const seam: readonly [Point, Point] = [
  [0.16, 0.73],
  [0.84, 0.73],
];
/** Samples along each side of a pixel; their share inside the shape is how much of the pixel is covered. */
const samples = 4;

/** Navy on white, 192 pixels wide; the crown fills the middle half, as every mask of Teams leaves it whole. */
export function colorIcon(): Picture {
  return draw(192, ([x, y]) => {
    const at: Point = [(x - 44) / 104, (y - 44) / 104];
    return isInside(crown, at) && distance(at, ...seam) > 0.022 ? [...navy, 1] : [...white, 1];
  });
}

/** The outline of the crown in white on nothing, 32 pixels wide. */
export function outlineIcon(): Picture {
  return draw(32, ([x, y]) => {
    const at: Point = [(x - 1) / 30, (y - 1) / 30];
    const sides = crown.map((point, index) => distance(at, point, crown[(index + 1) % crown.length] ?? point));
    return Math.min(...sides, distance(at, ...seam)) * 30 <= 1 ? [...white, 1] : [...white, 0];
  });
}

/** The picture as a PNG file (www.w3.org/TR/png-3): eight bits a channel with alpha, no filter, no interlacing. */
export function png({ size, pixels }: Picture): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const row = size * 4;
  const lines = Array.from({ length: size }, (_, y) => [Buffer.of(0), pixels.subarray(y * row, (y + 1) * row)]);
  return Buffer.concat([
    Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(lines.flat()), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** Asks `paint` for red, green, blue and coverage (0 or 1) all over each pixel and takes the mean. */
function draw(size: number, paint: (at: Point) => readonly [number, number, number, number]): Picture {
  const pixels = Buffer.alloc(size * size * 4);
  for (let pixel = 0; pixel < size * size; pixel += 1) {
    const sum = [0, 0, 0, 0];
    for (let sample = 0; sample < samples * samples; sample += 1) {
      const x = (pixel % size) + ((sample % samples) + 0.5) / samples;
      const y = Math.floor(pixel / size) + (Math.floor(sample / samples) + 0.5) / samples;
      for (const [index, value] of paint([x, y]).entries()) sum[index] = (sum[index] ?? 0) + value;
    }
    const [red = 0, green = 0, blue = 0, alpha = 0] = sum.map((value) => value / samples ** 2);
    pixels.set([red, green, blue, alpha * 255].map(Math.round), pixel * 4);
  }
  return { size, pixels };
}

/** Whether a ray to the right crosses the polygon's sides an odd number of times. */
function isInside(polygon: readonly Point[], [x, y]: Point): boolean {
  const crossings = polygon.filter(([x1, y1], index) => {
    const [x2, y2] = polygon[(index + 1) % polygon.length] ?? [x1, y1];
    return y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1);
  });
  return crossings.length % 2 === 1;
}

/** From a point to the nearest point of the line between two others. */
function distance([x, y]: Point, [x1, y1]: Point, [x2, y2]: Point): number {
  const along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2);
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1));
}

if (process.argv[1] === import.meta.filename) {
  const folder = join(import.meta.dirname, '..', 'teams');
  writeFileSync(join(folder, 'color.png'), png(colorIcon()));
  writeFileSync(join(folder, 'outline.png'), png(outlineIcon()));
}
