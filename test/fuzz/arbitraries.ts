/** Any Card and any Form, with every part and every kind of field, and with texts that nobody means well. */
import fc from 'fast-check';
import type { Button, Card, Field, Form, Part, Tone } from '../../src/core/card.ts';
import { hostileValue } from '../bot/samples.ts';

const hostile = fc.string({
  unit: fc.constantFrom(
    '*',
    '_',
    '`',
    '[',
    ']',
    '(',
    ')',
    'a',
    '\n',
    '\u202e',
    'https://x.y',
    '{{DATE(',
    '<!here>',
    '<@U1>',
    '&',
  ),
  maxLength: 40,
});

export const anyText = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 60 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  { weight: 2, arbitrary: hostile },
  { weight: 1, arbitrary: fc.constant(hostileValue) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 9_000 }).map((length) => 'é'.repeat(length)) },
);
const anyTone = fc.constantFrom<Tone>('plain', 'good', 'busy', 'warn', 'bad');
const anyNumber = fc.oneof(fc.integer({ min: -5, max: 500 }), fc.double());

const anyButton: fc.Arbitrary<Button> = fc.oneof(
  fc.record({ label: anyText, command: anyText, style: fc.constantFrom('primary' as const, 'danger' as const) }),
  fc.record({ label: anyText, url: fc.oneof(fc.webUrl(), anyText) }),
  fc.record({
    label: anyText,
    command: anyText,
    confirm: fc.record({ title: anyText, text: anyText, yes: anyText }),
  }),
);

/** One arbitrary for each part: a part that is added to the model without one does not compile. */
const partsBy: { [Name in Part['part']]: fc.Arbitrary<Extract<Part, { part: Name }>> } = {
  text: fc.record({ part: fc.constant('text'), text: anyText }),
  note: fc.record({ part: fc.constant('note'), text: anyText }),
  code: fc.record({ part: fc.constant('code'), text: anyText }),
  divider: fc.record({ part: fc.constant('divider') }),
  time: fc.record({ part: fc.constant('time'), label: anyText, at: anyNumber }),
  progress: fc.record({ part: fc.constant('progress'), percent: anyNumber, label: anyText }),
  facts: fc.record({
    part: fc.constant('facts'),
    facts: fc.array(fc.record({ label: anyText, value: anyText }), { maxLength: 20 }),
  }),
  steps: fc.record({
    part: fc.constant('steps'),
    steps: fc.array(
      fc.record({
        name: anyText,
        state: fc.constantFrom('todo' as const, 'doing' as const, 'done' as const, 'failed' as const),
        note: anyText,
      }),
    ),
  }),
  table: fc.record({
    part: fc.constant('table'),
    columns: fc.array(anyText, { maxLength: 6 }),
    rows: fc.array(fc.array(anyText, { maxLength: 6 }), { maxLength: 40 }),
    caption: anyText,
  }),
  rows: fc.record({
    part: fc.constant('rows'),
    caption: anyText,
    rows: fc.array(fc.record({ text: anyText, note: anyText, buttons: fc.array(anyButton, { maxLength: 4 }) }), {
      maxLength: 30,
    }),
  }),
  picture: fc.record({
    part: fc.constant('picture'),
    picture: fc.record({
      kind: fc.constantFrom('stacks' as const, 'use' as const),
      title: anyText,
      alt: anyText,
      series: fc.array(fc.record({ name: anyText, tone: anyTone }), { maxLength: 5 }),
      rows: fc.array(fc.record({ label: anyText, values: fc.array(anyNumber, { maxLength: 5 }), note: anyText }), {
        maxLength: 8,
      }),
    }),
  }),
};

const anyPart: fc.Arbitrary<Part> = fc.oneof(...Object.values(partsBy));

export const anyCard: fc.Arbitrary<Card> = fc.record({
  title: anyText,
  tone: anyTone,
  text: anyText,
  parts: fc.array(anyPart, { maxLength: 12 }),
  buttons: fc.array(anyButton, { maxLength: 20 }),
  footer: anyText,
});

const anyField: fc.Arbitrary<Field> = fc.record({
  key: fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd'), minLength: 1, maxLength: 12 }),
  label: anyText,
  kind: fc.constantFrom('text', 'multiline', 'secret', 'secret-multiline', 'number', 'choice', 'toggle', 'labels'),
  required: fc.boolean(),
  value: anyText,
  help: anyText,
  example: anyText,
  problem: anyText,
  reloads: fc.boolean(),
  maxLength: fc.constantFrom(10, 200, 3_000, 60_000),
  choices: fc.array(fc.record({ value: anyText, label: anyText, note: anyText })),
});

export const anyForm: fc.Arbitrary<Form> = fc.record({
  title: anyText,
  command: fc.constantFrom('cluster create', 'provisioner add', 'cluster scale'),
  submit: anyText,
  intro: anyText,
  fields: fc.uniqueArray(anyField, { selector: ({ key }) => key, maxLength: 12 }),
  private: fc.boolean(),
});
