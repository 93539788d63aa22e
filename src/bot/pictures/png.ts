/** Pixels as a small PNG: drawings have few colours, and one byte a pixel with a palette is a third of what four are. */
import { crc32, deflateSync } from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * Encodes opaque RGBA pixels (four bytes each, rows from the top) with a palette of at most 256 colours; where there are more, near ones fall
 * together. PNG, third edition, sections 5 and 9 to 11: colour type 3, no interlacing, no filters.
 */
export function encodePng(pixels: Uint8Array, width: number, height: number): Buffer {
  const { indexes, palette } = reduced(pixels, width * height);
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y += 1) rows.set(indexes.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Each pixel's place in the palette. Where there are too many colours, near ones become the one of them that is seen most. */
function reduced(pixels: Uint8Array, count: number): { indexes: Uint8Array; palette: Buffer } {
  const colour = (at: number) =>
    ((pixels[at * 4] ?? 0) << 16) | ((pixels[at * 4 + 1] ?? 0) << 8) | (pixels[at * 4 + 2] ?? 0);
  const seen = new Map<number, number>();
  for (let at = 0; at < count; at += 1) seen.set(colour(at), (seen.get(colour(at)) ?? 0) + 1);
  const often = [...seen].sort(([, a], [, b]) => b - a);
  for (let bits = 0; ; bits += 1) {
    const palette: number[] = [];
    const near = new Map<number, number>();
    const places = new Map<number, number>();
    for (const [rgb] of often) {
      const key = ((rgb >> (16 + bits)) << 16) | (((rgb >> (8 + bits)) & (255 >> bits)) << 8) | ((rgb & 255) >> bits);
      const place = near.get(key) ?? near.size;
      if (place === near.size) palette.push(rgb >> 16, (rgb >> 8) & 255, rgb & 255);
      near.set(key, place);
      places.set(rgb, place);
    }
    if (near.size > 256) continue;
    const indexes = Uint8Array.from({ length: count }, (_, at) => places.get(colour(at)) ?? 0);
    return { indexes, palette: Buffer.from(palette) };
  }
}

function chunk(name: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const made = Buffer.alloc(body.length + 8);
  made.writeUInt32BE(content.length, 0);
  body.copy(made, 4);
  made.writeUInt32BE(crc32(body), body.length + 4);
  return made;
}
