/** Pixels as a small PNG: drawings have few colours, and one byte a pixel with a palette is a third of what four are. */
import { crc32, deflateSync } from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * Encodes opaque RGBA pixels (four bytes each, rows from the top) with a palette of so many colours at most, 16 or 256; where there are more, near
 * ones fall together. PNG, third edition, sections 5, 7 and 9 to 11: colour type 3, no interlacing, no filters.
 */
export function encodePng(pixels: Uint8Array, width: number, height: number, colours: 16 | 256 = 256): Buffer {
  const { indexes, palette } = reduced(pixels, width * height, colours);
  const perByte = colours === 16 ? 2 : 1;
  const length = Math.ceil(width / perByte) + 1;
  const rows = Buffer.alloc(length * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const index = indexes[y * width + x] ?? 0;
      const at = y * length + 1 + Math.floor(x / perByte);
      rows[at] = perByte === 1 ? index : (rows[at] ?? 0) | (x % 2 === 0 ? index << 4 : index);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8 / perByte, 3, 0, 0, 0], 8);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Each pixel's place in the palette: of the colours seen most often, those that are not almost the same; every other becomes the nearest. */
function reduced(pixels: Uint8Array, count: number, most: number): { indexes: Uint8Array; palette: Buffer } {
  const colour = (at: number) =>
    ((pixels[at * 4] ?? 0) << 16) | ((pixels[at * 4 + 1] ?? 0) << 8) | (pixels[at * 4 + 2] ?? 0);
  const seen = new Map<number, number>();
  for (let at = 0; at < count; at += 1) seen.set(colour(at), (seen.get(colour(at)) ?? 0) + 1);
  const often = [...seen].sort(([, a], [, b]) => b - a).map(([rgb]) => rgb);
  const apart = often.length <= most ? 0 : most === 16 ? 40 : 6;
  const chosen: number[] = [];
  for (const rgb of often) {
    if (chosen.length === most) break;
    if (chosen.every((each) => distance(each, rgb) >= apart)) chosen.push(rgb);
  }
  const places = new Map<number, number>();
  for (const rgb of often) {
    let best = 0;
    for (const [place, each] of chosen.entries()) {
      if (distance(each, rgb) < distance(chosen[best] ?? 0, rgb)) best = place;
    }
    places.set(rgb, best);
  }
  const indexes = Uint8Array.from({ length: count }, (_, at) => places.get(colour(at)) ?? 0);
  return { indexes, palette: Buffer.from(chosen.flatMap((rgb) => [rgb >> 16, (rgb >> 8) & 255, rgb & 255])) };
}

/** How far apart two colours are, from 0 to 765. */
function distance(a: number, b: number): number {
  return (
    Math.abs((a >> 16) - (b >> 16)) + Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)) + Math.abs((a & 255) - (b & 255))
  );
}

function chunk(name: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const made = Buffer.alloc(body.length + 8);
  made.writeUInt32BE(content.length, 0);
  body.copy(made, 4);
  made.writeUInt32BE(crc32(body), body.length + 4);
  return made;
}
