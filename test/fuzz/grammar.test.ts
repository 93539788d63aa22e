import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromSlack, parse } from '../../src/bot/grammar.ts';
import { lineOf } from '../../src/core/command.ts';
import { registry } from '../../src/core/commands/index.ts';
import { clusterChanges, openStage, org, people, provisionerRecord, type Stage } from '../core/stage.ts';
import { sampleCluster } from '../store/parts.ts';

const phrases = registry.all.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
const pieces = fc.oneof(
  fc.constantFrom(...phrases, ...phrases.flatMap((phrase) => phrase.split(' '))),
  fc.constantFrom(
    'dev-1',
    'lab',
    '=',
    '--',
    '—',
    '"',
    '“',
    "'",
    '\\',
    '<',
    '>',
    '!=',
    'nodes=',
    'because',
    'plan=',
    'confirm=dev-1',
    'this',
    '-1',
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
/** Anything that somebody might type: near commands, far from them, and text that is no text. */
const anyLine = fc.oneof(
  fc.array(pieces, { maxLength: 12 }).map((all) => all.join(' ')),
  fc.array(pieces, { maxLength: 12 }).map((all) => all.join('')),
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.integer({ min: 0, max: 20_000 }).map((length) => 'cluster '.repeat(length / 8)),
);

describe('any text through the grammar', () => {
  it('is read without an exception, and what is read is written and read the same again', () => {
    fc.assert(
      fc.property(anyLine, (text) => {
        const parsed = parse(fromSlack(text), registry);
        if (parsed.is !== 'command') return;
        expect(registry.find(parsed.command.name)).toBe(parsed.command);
        const line = lineOf(parsed.command, parsed.values);
        expect(line).toBe(parsed.line);
        // A value of the longest line may need more room once it is quoted.
        if (line.length > 3_000) return;
        const again = parse(line, registry);
        expect(again).toMatchObject({ is: 'command', line });
        const given = Object.entries(parsed.values).filter(([, value]) => value !== '');
        if (again.is === 'command') expect(Object.entries(again.values).sort()).toEqual(given.sort());
      }),
      { numRuns: 3_000 },
    );
  });

  it('suggests only commands that exist, and says of each whether it changes anything', () => {
    fc.assert(
      fc.property(anyLine, (text) => {
        const parsed = parse(text, registry);
        if (parsed.is !== 'unknown') return;
        expect(parsed.suggestions.length).toBeLessThanOrEqual(3);
        for (const { name, changes } of parsed.suggestions) expect(registry.find(name)?.changes).toBe(changes);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('any text to the dispatch', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage({ parts: { patienceMs: 60_000 } });
    await stage.put(
      ...provisionerRecord('lab'),
      ...clusterChanges(sampleCluster('c1', { name: 'dev-1', owner: people.dev.id, provisioner: 'lab' })),
    );
  });
  afterAll(() => stage.close());

  const world = async () => {
    const kinds = ['cluster', 'name', 'provisioner', 'job', 'approval', 'secret', 'channel'] as const;
    const pages = await Promise.all(kinds.map((kind) => stage.opened.store.page(kind, org, { limit: 500 })));
    return JSON.stringify(pages.map(({ items }) => items));
  };

  it('what is no command of a change changes nothing, and everything is answered', async () => {
    const before = await world();
    await fc.assert(
      fc.asyncProperty(anyLine, async (text) => {
        const parsed = parse(fromSlack(text), registry);
        // A change that is spelt whole is one; everything else may only look.
        fc.pre(parsed.is !== 'command' || !parsed.command.changes);
        fc.pre(parsed.is !== 'command' || !['doctor', 'provisioner check'].includes(parsed.command.name));
        const answer = await stage.say('grace', text);
        expect(answer.card ?? answer.form ?? answer.problems).toBeDefined();
        expect(answer.card?.title).not.toBe('Something went wrong');
      }),
      { numRuns: 150 },
    );
    expect(await world()).toBe(before);
  }, 120_000);

  it('a button of a suggestion changes nothing', async () => {
    const before = await world();
    for (const typo of [
      'clutser create new-1 on lab',
      'cluster delte dev-1 confirm=dev-1',
      'clusetrs',
      'cluster scael dev-1 nodes=9',
    ]) {
      const answer = await stage.say('grace', typo);
      expect(answer.card?.title).toBe('I do not know that');
      for (const { command } of answer.card?.buttons ?? [])
        await stage.say('grace', command ?? '', { source: 'button' });
    }
    expect(await world()).toBe(before);
  });
});
