import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderForm } from '../../../src/bot/slack/form.ts';
import { renderCard } from '../../../src/bot/slack/render.ts';
import { clean, oneLine } from '../../../src/bot/slack/text.ts';
import type { Card, Field, Form, Part } from '../../../src/core/card.ts';
import type { Place } from '../../../src/core/records.ts';
import { checkMessageBlocks, checkView } from '../../counterparts/slack/blocks.ts';
import { checkMrkdwn, mrkdwnTexts } from '../../counterparts/slack/mrkdwn.ts';
import { cardSamples, formSamples } from '../samples.ts';
import { messageFaults, viewFaults, wordsOf } from './limits.ts';

const folder = join(import.meta.dirname, '..', 'golden', 'slack');
const update = process.env.UPDATE_GOLDEN === '1';
const place: Place = { chat: 'slack', workspace: 'T1', conversation: 'C1' };

function golden(name: string, value: unknown): void {
  const path = join(folder, `${name}.json`);
  const text = `${JSON.stringify(value, null, 1)}\n`;
  if (update) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, text);
  }
  expect(existsSync(path), `${name}.json is missing; run with UPDATE_GOLDEN=1 and look at it`).toBe(true);
  expect(text).toBe(readFileSync(path, 'utf8'));
}

describe('sample cards', () => {
  test.each(cardSamples)('$name', ({ name, card }) => {
    const message = renderCard(card);
    expect(messageFaults(message)).toEqual([]);
    expect(checkMessageBlocks(message.blocks)).toEqual([]);
    for (const text of mrkdwnTexts(message.text, JSON.parse(JSON.stringify(message.blocks)))) {
      expect(checkMrkdwn(text, () => false)).toBeUndefined();
    }
    golden(`card-${name}`, message);
  });
});

describe('sample forms', () => {
  test.each(formSamples)('$name', ({ name, form }) => {
    const view = renderForm(form, place, false);
    expect(viewFaults(view)).toEqual([]);
    expect(checkView(JSON.parse(JSON.stringify(view)), 'modal')).toEqual([]);
    golden(`form-${name}`, view);
  });
});

test('no golden file is left over', () => {
  const wanted = [
    ...cardSamples.map(({ name }) => `card-${name}.json`),
    ...formSamples.map(({ name }) => `form-${name}.json`),
  ];
  expect(readdirSync(folder).sort()).toEqual(wanted.sort());
});

describe('what a reader sees', () => {
  test('the tone is a mark and a word', () => {
    const said = (tone: Card['tone']) =>
      renderCard({ title: 'x', tone, text: 'y', parts: [], buttons: [] }).text.split('\n')[0];
    expect(said('plain')).toBe('x');
    expect(said('good')).toBe('✅ OK · x');
    expect(said('busy')).toBe('⏳ In progress · x');
    expect(said('warn')).toBe('⚠️ Attention · x');
    expect(said('bad')).toBe('❌ Problem · x');
  });

  test('a long table counts the rows that are left out', () => {
    const rows = Array.from({ length: 500 }, (_, index) => [`row-${index}`, 'x'.repeat(30)]);
    const message = renderCard({
      title: 't',
      tone: 'plain',
      text: 't',
      parts: [{ part: 'table', columns: ['a', 'b'], rows }],
      buttons: [],
    });
    const said = wordsOf(message.blocks);
    const shown = rows.filter(([name]) => new RegExp(`${name}\\b`).test(said)).length;
    expect(shown).toBeGreaterThan(20);
    expect(said).toContain(`… and ${500 - shown} more`);
  });

  test('a command is never cut into another one', () => {
    const command = `cluster delete ${'x'.repeat(3_000)}`;
    const message = renderCard({
      title: 't',
      tone: 'plain',
      text: 't',
      parts: [],
      buttons: [{ label: 'Go', command }],
    });
    expect(JSON.stringify(message.blocks)).not.toContain('"button"');
    expect(wordsOf(message.blocks)).toContain('“Go” is too long for a button');
  });

  test('a link that names another host shows where it goes', () => {
    const text = '[bank.example](https://evil.example/x) and [docs.example](https://docs.example/y)';
    const message = renderCard({ title: 't', tone: 'plain', text: 't', parts: [{ part: 'text', text }], buttons: [] });
    expect(wordsOf(message.blocks)).toContain('bank.example (evil.example)');
    expect(wordsOf(message.blocks)).not.toContain('docs.example (');
  });

  test('a secret is never prefilled', () => {
    const field: Field = { key: 'token', label: 'Token', kind: 'secret', required: true, value: 'CANARY' };
    const form: Form = {
      title: 'f',
      command: 'x',
      submit: 'go',
      fields: [field, { ...field, key: 'b', kind: 'secret-multiline' }],
      private: true,
    };
    expect(JSON.stringify(renderForm(form, place, true))).not.toContain('CANARY');
  });
});

const words = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom('<@U1>', '<!channel>', '@here', '*bold*', '`x`', '```', '\u202ex', '[a](https://b.example)', '&amp;'),
  fc.string({ unit: 'binary', maxLength: 5_000, size: 'max' }),
);
const few = <T>(item: fc.Arbitrary<T>, maxLength = 30) => fc.array(item, { maxLength });

const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ part: fc.constant('text' as const), text: words }),
  fc.record({ part: fc.constant('facts' as const), facts: few(fc.record({ label: words, value: words })) }),
  fc.record({
    part: fc.constant('steps' as const),
    steps: few(
      fc.record({
        name: words,
        state: fc.constantFrom('todo' as const, 'doing' as const, 'done' as const, 'failed' as const),
        note: words,
      }),
    ),
  }),
  fc.record({ part: fc.constant('progress' as const), percent: fc.double(), label: words }),
  fc.record({
    part: fc.constant('table' as const),
    columns: few(words),
    rows: few(few(words, 25), 60),
    caption: words,
  }),
  fc.record({ part: fc.constant('code' as const), text: words }),
  fc.record({ part: fc.constant('time' as const), label: words, at: fc.double() }),
  fc.record({ part: fc.constant('note' as const), text: words }),
  fc.constant({ part: 'divider' as const }),
);

const card: fc.Arbitrary<Card> = fc.record({
  title: words,
  tone: fc.constantFrom('plain' as const, 'good' as const, 'busy' as const, 'warn' as const, 'bad' as const),
  text: words,
  parts: few(part, 60),
  buttons: few(
    fc.oneof(
      fc.record({
        label: words,
        command: words,
        style: fc.constantFrom('primary' as const, 'danger' as const),
        confirm: fc.record({ title: words, text: words, yes: words }),
      }),
      fc.record({ label: words, url: fc.oneof(words, fc.webUrl()) }),
    ),
    60,
  ),
  footer: words,
});

const field: fc.Arbitrary<Field> = fc
  .record(
    {
      label: words,
      kind: fc.constantFrom<Field['kind'][]>(
        'text',
        'multiline',
        'secret',
        'secret-multiline',
        'number',
        'choice',
        'toggle',
        'labels',
      ),
      required: fc.boolean(),
      value: fc.oneof(words, fc.double().map(String), fc.constantFrom('true', 'false')),
      help: words,
      example: words,
      choices: few(fc.record({ value: words, label: words, note: words }), 130),
      min: fc.double(),
      max: fc.double(),
      maxLength: fc.integer({ min: -5, max: 9_999 }),
      problem: words,
      reloads: fc.boolean(),
    },
    { requiredKeys: ['label', 'kind', 'required'] },
  )
  .map((made) => ({ key: 'k', ...made }) as Field);

test('any card renders within the limits and says its title and facts', () => {
  fc.assert(
    fc.property(card, (given) => {
      const message = renderCard(given);
      expect(messageFaults(message)).toEqual([]);
      expect(checkMessageBlocks(message.blocks)).toEqual([]);
      expect(checkMrkdwn(message.text, () => false)).toBeUndefined();
      const said = wordsOf(message.blocks);
      expect(said).toContain(oneLine(given.title).slice(0, 80));
    }),
    { numRuns: 150 },
  );
});

test('the facts of a card that is not too long are all there, in the blocks and in the text', () => {
  const short = fc.string({ unit: 'grapheme', maxLength: 40 });
  const facts = fc.array(fc.record({ label: short, value: short }), { maxLength: 12 });
  fc.assert(
    fc.property(facts, short, (given, title) => {
      const message = renderCard({
        title,
        tone: 'plain',
        text: 'x',
        parts: [{ part: 'facts', facts: given }],
        buttons: [],
      });
      const said = wordsOf(message.blocks);
      const alone = message.text
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&')
        .replaceAll('\u200b', '');
      for (const { label, value } of given) {
        expect(said).toContain(clean(value).trim());
        expect(said).toContain(oneLine(label));
        expect(alone).toContain(oneLine(value));
      }
    }),
    { numRuns: 200 },
  );
});

test('any form renders within the limits', () => {
  const form: fc.Arbitrary<Form> = fc.record({
    title: words,
    command: words,
    submit: words,
    intro: words,
    fields: few(field, 110),
    private: fc.boolean(),
  });
  fc.assert(
    fc.property(form, (given) => {
      const view = renderForm(given, place, false);
      expect(viewFaults(view)).toEqual([]);
      expect(checkView(JSON.parse(JSON.stringify(view)), 'modal')).toEqual([]);
    }),
    { numRuns: 100 },
  );
});
