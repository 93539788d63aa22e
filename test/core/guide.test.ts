import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { guideSections } from '../../src/core/views/guide.ts';
import { openStage, type Stage, words } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

describe('guide', () => {
  test('every engine has one that can be read whole in chat, section by section', async () => {
    for (const engine of stage.parts.engines.all()) {
      let answer = await stage.say('anna', `guide ${engine.name}`);
      const sections = guideSections((await stage.parts.guide(engine)) ?? '');
      expect(sections.length, engine.docs).toBeGreaterThanOrEqual(3);
      for (const [index, section] of sections.entries()) {
        answer = await stage.say('anna', `guide ${engine.name} ${index + 1}`);
        expect(answer.card?.title).toContain(section.title);
        expect(answer.card?.parts.length).toBeGreaterThan(0);
      }
      expect(words(await stage.say('anna', `guide ${engine.name} ${sections.length + 1}`))).toMatch(/has no section/);
    }
  });

  test('its buttons lead to the other sections, and the form of a provisioner leads to it', async () => {
    const first = await stage.say('anna', 'guide sandbox');
    expect((await stage.press('anna', first, 'Credentials')).card?.title).toBe('KQueen sandbox: Credentials');
    expect((await stage.say('anna', 'provisioner add lab engine=sandbox')).form?.intro).toContain('guide sandbox');
  });

  test('an engine that is not here is said, with those that are', async () => {
    expect(words(await stage.say('anna', 'guide vmware'))).toMatch(/There is no engine vmware.*sandbox/);
  });
});

test('reads headings, paragraphs, lists, tables and code', () => {
  const text = [
    '# Title',
    '',
    'A line that',
    'goes on with **bold** and [a page](../x.md) and [a site](https://example.com).',
    '',
    '- one',
    '- two',
    '  and more',
    '',
    '## Second',
    '',
    '### Small',
    '```',
    '# no heading',
    '```',
    '| A | B |',
    '| --- | --- |',
    '| `x` | y \\| z |',
    '',
    '## Empty',
  ].join('\n');
  expect(guideSections(text)).toEqual([
    {
      title: 'Title',
      parts: [
        { part: 'text', text: 'A line that goes on with *bold* and a page and [a site](https://example.com).' },
        { part: 'text', text: '- one\n- two and more' },
      ],
    },
    {
      title: 'Second',
      parts: [
        { part: 'text', text: '*Small*' },
        { part: 'code', text: '# no heading' },
        { part: 'table', columns: ['A', 'B'], rows: [['x', 'y | z']] },
      ],
    },
  ]);
});
