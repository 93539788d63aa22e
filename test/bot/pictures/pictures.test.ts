/** Pictures: the drawing as a golden SVG, the PNG decoded byte by byte, and what each chat makes of it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawPicture, fine, small } from '../../../src/bot/pictures/index.ts';
import { encodePng } from '../../../src/bot/pictures/png.ts';
import { openPublished } from '../../../src/bot/pictures/published.ts';
import { pictureSvg } from '../../../src/bot/pictures/svg.ts';
import { renderCard as slackCard } from '../../../src/bot/slack/render.ts';
import { renderWithPictures } from '../../../src/bot/teams/pictures.ts';
import { bytes, mostBytes } from '../../../src/bot/teams/render.ts';
import type { Card } from '../../../src/core/card.ts';
import { type Picture, pictureBars, pictureTable, pieces } from '../../../src/core/picture.ts';
import { listen } from '../../../src/http.ts';
import { nextId, openStage, org } from '../../core/stage.ts';
import { checkMessageBlocks } from '../../counterparts/slack/blocks.ts';
import { handClock } from '../../store/clocks.ts';
import { hostilePicture, hostileValue, stacksPicture, treePicture, usePicture } from '../samples.ts';

const folder = join(import.meta.dirname, 'golden');
const samples = { stacks: stacksPicture, use: usePicture, tree: treePicture, hostile: hostilePicture };

interface Decoded {
  width: number;
  height: number;
  depth: number;
  /** How often each colour is seen, as `#rrggbb`. */
  colours: Map<string, number>;
  at(x: number, y: number): string;
}

/** Reads a PNG with a palette, no filters and no interlacing; throws on a wrong checksum or anything else. */
function decode(png: Buffer): Decoded {
  expect(png.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const name = png.toString('latin1', at + 4, at + 8);
    expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(png.subarray(at + 4, at + 8 + length)));
    chunks.set(name, Buffer.concat([chunks.get(name) ?? Buffer.alloc(0), png.subarray(at + 8, at + 8 + length)]));
    at += 12 + length;
  }
  expect([...chunks.keys()]).toEqual(['IHDR', 'PLTE', 'IDAT', 'IEND']);
  const header = chunks.get('IHDR') ?? Buffer.alloc(13);
  const palette = chunks.get('PLTE') ?? Buffer.alloc(0);
  const [width, height, depth] = [header.readUInt32BE(0), header.readUInt32BE(4), header[8] ?? 0];
  expect(header.subarray(9)).toEqual(Buffer.from([3, 0, 0, 0]));
  const rows = inflateSync(chunks.get('IDAT') ?? Buffer.alloc(0));
  const length = Math.ceil((width * depth) / 8) + 1;
  expect(rows.length).toBe(length * height);
  const at = (x: number, y: number) => {
    const byte = rows[y * length + 1 + Math.floor((x * depth) / 8)] ?? 0;
    const index = depth === 8 ? byte : x % 2 === 0 ? byte >> 4 : byte & 15;
    if (index * 3 >= palette.length) throw new Error(`no colour ${index}`);
    return `#${palette.toString('hex', index * 3, index * 3 + 3)}`;
  };
  for (let y = 0; y < height; y += 1) expect(rows[y * length]).toBe(0);
  const colours = new Map<string, number>();
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) colours.set(at(x, y), (colours.get(at(x, y)) ?? 0) + 1);
  }
  return { width, height, depth, colours, at };
}

describe('the drawing', () => {
  test.each(Object.entries(samples))('%s is as it was looked at', (name, picture) => {
    const path = join(folder, `${name}.svg`);
    const svg = pictureSvg(picture);
    if (process.env.UPDATE_GOLDEN === '1') {
      mkdirSync(folder, { recursive: true });
      writeFileSync(path, svg);
    }
    expect(existsSync(path), `${name}.svg is missing; run with UPDATE_GOLDEN=1 and look at it`).toBe(true);
    expect(svg).toBe(readFileSync(path, 'utf8'));
  });

  test('no golden file is left over', () => {
    expect(readdirSync(folder).sort()).toEqual(
      Object.keys(samples)
        .map((name) => `${name}.svg`)
        .sort(),
    );
  });

  test('no series is told by its colour alone, and no words can become markup', () => {
    const svg = pictureSvg(stacksPicture);
    const fills = [...svg.matchAll(/fill="(url\(#\w+\)|#[0-9a-f]{6})"[^>]*stroke-opacity/g)].map(([, fill]) => fill);
    expect(fills).toHaveLength(stacksPicture.series.length);
    expect(new Set(fills).size).toBe(fills.length);
    // Only one of them is plain; each of the others has lines of its own.
    expect(fills.filter((fill) => fill?.startsWith('#'))).toHaveLength(1);
    for (const { name } of stacksPicture.series) expect(svg).toContain(name);
    const hostile = pictureSvg(hostilePicture);
    expect(hostile).not.toContain('<script');
    expect(hostile).not.toMatch(/[\p{Cf}]|(?!\n)\p{Cc}/u);
    expect(hostile).not.toContain('NaN');
  });

  test('any picture can be drawn, in bounds', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 60 });
    const picture = fc.record({
      kind: fc.constantFrom('stacks' as const, 'use' as const),
      title: name,
      alt: name,
      series: fc.array(
        fc.record({
          name,
          tone: fc.constantFrom('plain' as const, 'good' as const, 'busy' as const, 'warn' as const, 'bad' as const),
        }),
        { maxLength: 5 },
      ),
      rows: fc.array(fc.record({ label: name, values: fc.array(fc.double(), { maxLength: 6 }) }), { maxLength: 9 }),
    });
    fc.assert(
      fc.property(picture, (each) => {
        const svg = pictureSvg(each);
        expect(svg).not.toMatch(/NaN|Infinity|undefined/);
        for (const [, x, width] of svg.matchAll(/<rect x="([\d.]+)"[^>]*? width="([\d.]+)"/g)) {
          expect(Number(x) + Number(width)).toBeLessThanOrEqual(800);
        }
        expect(pictureTable(each).rows).toHaveLength(each.rows.length);
        expect(pictureBars(each, 80).length).toBeGreaterThanOrEqual(each.rows.length);
      }),
      { numRuns: 300 },
    );
  });

  test('any tree can be drawn, in bounds, with no more rows than can be read', () => {
    const cell = fc.record({
      text: fc.string({ unit: 'grapheme', maxLength: 4 }),
      series: fc.integer({ min: -1, max: 5 }),
    });
    const row = fc.record({
      label: fc.string({ unit: 'grapheme', maxLength: 80 }),
      values: fc.array(fc.double(), { maxLength: 4 }),
      depth: fc.integer({ min: 0, max: 3 }),
      cells: fc.array(cell, { maxLength: 30 }),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 80 }), (rows) => {
        const svg = pictureSvg({ ...treePicture, rows, note: hostileValue });
        expect(svg).not.toMatch(/NaN|Infinity|undefined|<script/);
        for (const [, x, width] of svg.matchAll(/<rect x="([\d.]+)"[^>]*? width="([\d.]+)"/g)) {
          expect(Number(x) + Number(width)).toBeLessThanOrEqual(800);
        }
        expect(Number(/height="(\d+)"/.exec(svg)?.[1])).toBeLessThan(4_000);
      }),
      { numRuns: 100 },
    );
    // It is written beside its picture.
    expect(pictureBars(treePicture, 80)).toEqual([]);
  });

  test('one broken of thousands is seen, and nothing runs over', () => {
    expect(pieces([5_000, 1], 5_001, 700, 34)).toEqual([666, 34]);
    expect(pieces([1, 1, 1], 3, 9, 1)).toEqual([3, 3, 3]);
    expect(pieces([0, 0], 0, 700, 34)).toEqual([0, 0]);
    expect(pictureBars({ ...stacksPicture, rows: [{ label: 'a', values: [9_999, 0, 1] }] }, 80)[0]).toMatch(
      /#+!] 10000$/,
    );
  });
});

describe('the image', () => {
  test.each(Object.entries(samples))('%s is a PNG of the right size with something on it', async (_name, picture) => {
    const png = await drawPicture(picture);
    expect(png.length).toBeLessThan(150_000);
    const { width, height, colours, at } = decode(png);
    expect(width).toBe(1_600);
    expect(height).toBeGreaterThan(300);
    // The ground is its own, up to the edge: dark mode does not shine through.
    expect(at(20, 20)).toBe('#ffffff');
    expect(at(width - 20, height - 20)).toBe('#ffffff');
    expect(colours.size).toBeGreaterThan(5);
    const seen = [...colours.values()].reduce((sum, each) => sum + each, 0);
    expect((colours.get('#ffffff') ?? 0) / seen).toBeLessThan(0.95);
  });

  test('the colours of the series are there, and the words too', async () => {
    const { colours, at, width } = decode(await drawPicture(stacksPicture));
    for (const colour of ['#00806a', '#f0b232', '#bf3f00', '#2a78b8', '#b9c0c9'])
      expect(colours.get(colour) ?? 0, colour).toBeGreaterThan(200);
    // Without its font a title is an empty line.
    let ink = 0;
    for (let x = 72; x < width / 2; x += 1) if (at(x, 112) === '#1b1f24') ink += 1;
    expect(ink).toBeGreaterThan(20);
  });

  test('the small one fits into a message and still has all colours', async () => {
    const png = await drawPicture(stacksPicture, small);
    expect(png.length).toBeLessThan(18_000);
    const { width, depth, colours } = decode(png);
    expect([width, depth]).toEqual([800, 4]);
    for (const colour of ['#00806a', '#f0b232', '#bf3f00'])
      expect(colours.get(colour) ?? 0, colour).toBeGreaterThan(40);
  });

  test('drawing does not stand in the way of anything else', async () => {
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 5);
    const many = Array.from({ length: 4 }, (_, index) =>
      drawPicture({ ...stacksPicture, title: `Number ${index} of four` }, fine),
    );
    await Promise.all(many);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(10);
    // The same picture is drawn once.
    const began = performance.now();
    await drawPicture({ ...stacksPicture, title: 'Number 0 of four' }, fine);
    expect(performance.now() - began).toBeLessThan(50);
  });

  test('pixels of few colours come back as they were, of many nearly', () => {
    const few = Uint8Array.from([
      255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 9, 9, 9, 255, 1, 2, 3, 255, 7, 7, 7, 255,
    ]);
    for (const colours of [16, 256] as const) {
      const read = decode(encodePng(few, 3, 2, colours));
      expect([read.at(0, 0), read.at(1, 0), read.at(2, 0), read.at(0, 1)]).toEqual([
        '#ff0000',
        '#00ff00',
        '#0000ff',
        '#090909',
      ]);
      expect(read.at(2, 1)).toBe('#070707');
    }
    const many = Uint8Array.from({ length: 4 * 4_096 }, (_, index) =>
      index % 4 === 3 ? 255 : (Math.floor(index / 4) * (index % 4 === 0 ? 1 : index % 4 === 1 ? 3 : 7)) % 256,
    );
    expect(decode(encodePng(many, 64, 64)).colours.size).toBeGreaterThan(50);
  });
});

describe('in a chat', () => {
  const cardOf = (picture: Picture, more: Card['parts'] = []): Card => ({
    title: 'The fleet',
    tone: 'good',
    text: 'All is well.',
    parts: [{ part: 'picture', picture }, ...more],
    buttons: [],
  });
  const imageOf = (card: { body: object[] }) =>
    card.body.find((each) => 'type' in each && each.type === 'Image') as { url: string; altText: string } | undefined;

  test('Slack shows the uploaded file with its words', () => {
    const { blocks, text } = slackCard(cardOf(stacksPicture), new Map([[stacksPicture, 'F0123456789']]));
    expect(checkMessageBlocks(JSON.parse(JSON.stringify(blocks)))).toEqual([]);
    expect(blocks[1]).toEqual({
      type: 'image',
      slack_file: { id: 'F0123456789' },
      alt_text: stacksPicture.alt,
      title: { type: 'plain_text', text: stacksPicture.title, emoji: true },
    });
    expect(text).toContain('gke-production: 12 healthy');
  });

  test('Teams has it in the card where it fits, else by its link, else in letters', async () => {
    const inside = await renderWithPictures(cardOf(stacksPicture));
    expect(imageOf(inside)?.url).toMatch(/^data:image\/png;base64,/);
    expect(imageOf(inside)?.altText).toBe(stacksPicture.alt);
    expect(bytes(inside)).toBeLessThanOrEqual(mostBytes);
    const asked: Picture[] = [];
    const linked = await renderWithPictures(cardOf(stacksPicture), async (picture) => {
      asked.push(picture);
      return 'https://kqueen.example/p/abc.png';
    });
    expect(imageOf(linked)?.url).toBe('https://kqueen.example/p/abc.png');
    expect(asked).toEqual([stacksPicture]);
    // So much else that no picture fits: the words and the bars are what is left.
    const table = {
      part: 'table' as const,
      columns: ['a'],
      rows: Array.from({ length: 200 }, (_, index) => [`row ${index} ${'x'.repeat(200)}`]),
    };
    const long = { part: 'text' as const, text: 'Long. '.repeat(600) };
    const full = {
      ...cardOf(stacksPicture),
      parts: [long, long, long, long, long, { part: 'picture' as const, picture: stacksPicture }, table],
    };
    const letters = await renderWithPictures(full);
    expect(imageOf(letters)).toBeUndefined();
    expect(JSON.stringify(letters)).toContain('gke-production: 12 healthy');
    expect(bytes(letters)).toBeLessThanOrEqual(mostBytes);
    // A store that is away keeps no card back.
    const away = await renderWithPictures(cardOf(stacksPicture), async () => {
      throw new Error('the store does not answer');
    });
    expect(imageOf(away)?.url).toMatch(/^data:image/);
  });

  test('a link leads to the picture for thirty days, and nothing else does', async () => {
    const clock = handClock();
    const stage = await openStage({ clock });
    const pictures = openPublished({ store: stage.opened.store, clock, newId: nextId, org });
    const http = await listen(
      { host: '127.0.0.1', port: 0, metricsFrom: [], log: stage.log },
      {
        picture: (id) => pictures.read(id),
        notReady: async () => ({}),
        metrics: async () => ({ type: 'text/plain', body: '' }),
      },
    );
    const get = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${http.port}${path}`, { method });
    const id = await pictures.publish(usePicture);
    expect(id).toHaveLength(32);
    const answer = await get(`/p/${id}.png`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(await drawPicture(usePicture));
    expect((await get(`/p/${id}.png`, 'HEAD')).status).toBe(200);
    expect((await get(`/p/${id}.png`, 'POST')).status).toBe(404);
    for (const path of [`/p/${id}`, `/p/${'a'.repeat(32)}.png`, '/p/..%2f..%2fetc.png', '/p/.png'])
      expect((await get(path)).status, path).toBe(404);
    await clock.advance(31 * 86_400_000);
    expect((await get(`/p/${id}.png`)).status).toBe(404);
    await http.close(100);
    await stage.close();
  });
});
