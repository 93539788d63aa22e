/** teams/manifest.json: valid by Microsoft's newest schema, with commands of the registry and icons as Teams wants them. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { crc32, inflateSync } from 'node:zlib';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { colorIcon, outlineIcon, type Picture } from '../../scripts/draw-icons.ts';
import { messageAction } from '../../src/bot/teams/extensions.ts';
import { registry } from '../../src/core/commands/index.ts';

interface Manifest {
  manifestVersion: string;
  id: string;
  name: { short: string; [key: string]: unknown };
  icons: { color: string; outline: string };
  accentColor: string;
  developer: { websiteUrl: string };
  composeExtensions: { botId: string; commands: { id: string }[]; messageHandlers: unknown[] }[];
  bots: {
    botId: string;
    scopes: string[];
    commandLists: { scopes: string[]; commands: { title: string; description: string }[] }[];
  }[];
  [key: string]: unknown;
}

const folder = join(import.meta.dirname, '..', '..', 'teams');
const manifest = (): Manifest => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
const emptyId = '00000000-0000-0000-0000-000000000000';

const require = createRequire(import.meta.url);
const shipped = join(
  dirname(require.resolve('@microsoft/app-manifest/package.json')),
  'build',
  'json-schemas',
  'teams',
);
const newest = readdirSync(shipped)
  .filter((name) => /^v\d+\.\d+$/.test(name))
  .map((name) => name.slice(1))
  .sort(
    (a, b) => Number(a.split('.')[0]) - Number(b.split('.')[0]) || Number(a.split('.')[1]) - Number(b.split('.')[1]),
  )
  .at(-1);

// The schema calls itself draft-04, which Ajv no longer reads; it has none of what later drafts read otherwise (id, exclusive limits as booleans).
const { $schema: draft, ...schema } = JSON.parse(
  readFileSync(join(shipped, `v${newest}`, 'MicrosoftTeams.schema.json'), 'utf8'),
) as Record<string, unknown>;
const ajv = new Ajv({ allErrors: true, strict: false });
formats.default(ajv);
const check = ajv.compile(schema);

/** What is wrong with a manifest, each with its place. */
function problems(candidate: unknown): string[] {
  check(candidate);
  return (check.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
}

function changed(change: (draft: Manifest) => unknown): Manifest {
  const copy = manifest();
  change(copy);
  return copy;
}

describe('the manifest', () => {
  it('follows the newest schema of Microsoft', () => {
    expect(draft).toContain('draft-04');
    expect(JSON.stringify(schema)).not.toMatch(/"exclusiveM|"id":"http/);
    expect(manifest().manifestVersion).toBe(newest);
    expect(problems(manifest())).toEqual([]);
  });

  it.each<[string, (draft: Manifest) => unknown, string]>([
    [
      'a short name of 31 characters',
      (it) => Object.assign(it.name, { short: 'n'.repeat(31) }),
      '/name/short maxLength',
    ],
    ['an unknown key', (it) => Object.assign(it, { bot: {} }), ' additionalProperties'],
    ['a second bot', (it) => Object.assign(it, { bots: [...it.bots, ...it.bots] }), '/bots maxItems'],
    ['a scope that does not exist', (it) => it.bots[0]?.scopes.push('channel'), '/bots/0/scopes/3 enum'],
    ['an id that is none', (it) => Object.assign(it, { id: 'kqueen' }), '/id pattern'],
    ['an address that is none', (it) => Object.assign(it, { $schema: 'not a uri' }), '/$schema format'],
    ['an older version', (it) => Object.assign(it, { manifestVersion: '1.19' }), '/manifestVersion const'],
  ])('would be refused with %s', (_what, change, problem) => {
    expect(problems(changed(change))).toContain(problem);
  });

  it('has one bot for people, teams and group chats, under an id to be filled in', () => {
    const { id, bots } = manifest();
    expect(bots.map(({ botId, scopes }) => ({ botId, scopes }))).toEqual([
      { botId: emptyId, scopes: ['personal', 'team', 'groupChat'] },
    ]);
    expect(id).toBe(emptyId);
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain(emptyId);
  });

  it('offers the action on messages and unfurls the links that the code answers', () => {
    const [extension, ...others] = manifest().composeExtensions;
    expect(others).toEqual([]);
    expect(extension?.botId).toBe(emptyId);
    expect(extension?.commands).toMatchObject([
      { id: messageAction, type: 'action', context: ['message'], fetchTask: true },
    ]);
    const host = new URL(manifest().developer.websiteUrl).hostname;
    expect(extension?.messageHandlers).toEqual([{ type: 'link', value: { domains: [host] } }]);
  });

  it('lists commands that exist, as help describes them, in each scope once', () => {
    const [bot] = manifest().bots;
    const lists = bot?.commandLists ?? [];
    expect(lists.flatMap(({ scopes }) => scopes).sort()).toEqual([...(bot?.scopes ?? [])].sort());
    for (const { commands } of lists) {
      // Ten is what the documentation allows; the schema takes twelve.
      expect(commands.length).toBeLessThanOrEqual(10);
      expect(new Set(commands.map(({ title }) => title)).size).toBe(commands.length);
      const known = commands.map(({ title }) => ({ title, description: registry.find(title)?.summary }));
      expect(commands).toEqual(known);
      expect(commands.map(({ title }) => registry.find(title)?.name)).toEqual(commands.map(({ title }) => title));
    }
  });
});

/** Reads a PNG of eight bits a channel with alpha whose rows are not filtered; throws for any other and for a broken one. */
function readPng(file: Buffer): Picture {
  expect(file.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  const chunks: { type: string; content: Buffer }[] = [];
  for (let at = 8; at < file.length; ) {
    const end = at + 8 + file.readUInt32BE(at);
    expect(file.readUInt32BE(end)).toBe(crc32(file.subarray(at + 4, end)));
    chunks.push({ type: file.toString('latin1', at + 4, at + 8), content: file.subarray(at + 8, end) });
    at = end + 4;
  }
  expect(chunks.map(({ type }) => type)).toEqual(['IHDR', 'IDAT', 'IEND']);
  const [header = Buffer.alloc(0), body = Buffer.alloc(0)] = chunks.map(({ content }) => content);
  const size = header.readUInt32BE(0);
  expect([header.readUInt32BE(4), ...header.subarray(8)]).toEqual([size, 8, 6, 0, 0, 0]);
  const rows = inflateSync(body);
  expect(rows.length).toBe(size * (size * 4 + 1));
  const lines = Array.from({ length: size }, (_, y) => rows.subarray(y * (size * 4 + 1), (y + 1) * (size * 4 + 1)));
  expect(lines.every(([filter]) => filter === 0)).toBe(true);
  return { size, pixels: Buffer.concat(lines.map((line) => line.subarray(1))) };
}

/** How often each colour occurs, as `rrggbbaa`. */
function colours({ pixels }: Picture): Map<string, number> {
  const counts = new Map<string, number>();
  for (let at = 0; at < pixels.length; at += 4) {
    const colour = pixels.toString('hex', at, at + 4);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  return counts;
}

describe('the icons', () => {
  const { icons, accentColor } = manifest();
  const color = readPng(readFileSync(join(folder, icons.color)));
  const outline = readPng(readFileSync(join(folder, icons.outline)));

  it('have the sizes that Teams takes', () => {
    expect(color.size).toBe(192);
    expect(outline.size).toBe(32);
  });

  it('are opaque in the colour of the app, and an outline in nothing but white', () => {
    const inColour = colours(color);
    expect(inColour.get(`${accentColor.slice(1)}ff`)).toBeGreaterThan(1_000);
    expect([...inColour.keys()].filter((colour) => !colour.endsWith('ff'))).toEqual([]);
    const inOutline = colours(outline);
    expect([...inOutline.keys()].filter((colour) => !colour.startsWith('ffffff'))).toEqual([]);
    expect(inOutline.get('ffffffff')).toBeGreaterThan(50);
    expect(inOutline.get('ffffff00')).toBeGreaterThan(300);
  });

  it('are what scripts/draw-icons.ts draws', () => {
    expect(color.pixels.equals(colorIcon().pixels)).toBe(true);
    expect(outline.pixels.equals(outlineIcon().pixels)).toBe(true);
  });
});
