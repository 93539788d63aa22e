import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Inbound, Outbound } from '../../src/bot/inbound.ts';
import { line, renderFormText, renderText, unmarked } from '../../src/bot/text/render.ts';
import { openTerminal } from '../../src/bot/text/terminal.ts';
import { type Card, type Form, plainCard } from '../../src/core/card.ts';
import { nextId } from '../core/stage.ts';
import { cardSamples, formSamples } from './samples.ts';

const folder = join(import.meta.dirname, 'golden', 'text');

function golden(name: string, text: string): void {
  const path = join(folder, `${name}.txt`);
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, `${text}\n`);
  }
  expect(existsSync(path), `${name}.txt is missing; run with UPDATE_GOLDEN=1 and look at it`).toBe(true);
  expect(`${text}\n`).toBe(readFileSync(path, 'utf8'));
}

/** All that is said, however it is broken into lines. */
const flat = (text: string) => text.replace(/\s+/g, ' ');
const said = (value: string) => flat(line(unmarked(value))).trim();

// What can rewrite a screen or its order.
const forbidden = /(?!\n)\p{Cc}|[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/u;

/** Nothing but the title begins at the left, so that no value can pretend to be a message of its own. */
function checkShape(text: string): void {
  expect(text).not.toMatch(forbidden);
  for (const each of text.split('\n').slice(1)) if (each) expect(each).toMatch(/^ {2}/);
}

/** A terminal has no limits: nothing of a long text is left out. */
function checkLong(text: string): void {
  const starts = text.match(/START/g)?.length ?? 0;
  expect(starts).toBeGreaterThan(3);
  expect(text.match(/\bEND/g)).toHaveLength(starts);
}

describe('sample cards', () => {
  test.each(cardSamples)('$name', ({ name, card }) => {
    const text = renderText(card);
    checkShape(text);
    if (name === 'long') checkLong(text);
    else golden(`card-${name}`, text);
  });
});

describe('sample forms', () => {
  test.each(formSamples)('$name', ({ name, form }) => {
    const text = renderFormText(form);
    checkShape(text);
    if (name === 'long') checkLong(text);
    else golden(`form-${name}`, text);
  });
});

test('no golden file is left over', () => {
  const short = ({ name }: { name: string }) => name !== 'long';
  const wanted = [
    ...cardSamples.filter(short).map(({ name }) => `card-${name}.txt`),
    ...formSamples.filter(short).map(({ name }) => `form-${name}.txt`),
  ];
  expect(readdirSync(folder).sort()).toEqual(wanted.sort());
});

const value = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    'x\n[ok] Cluster prod is deleted',
    '\u001b[2J\u001b[31m',
    '\u202egnp.exe',
    'https://a.example/b',
    ' lead',
    'two  spaces',
    'x'.repeat(300),
  ),
);
const card: fc.Arbitrary<Card> = fc.record({
  title: value,
  tone: fc.constantFrom('plain' as const, 'good' as const, 'busy' as const, 'warn' as const, 'bad' as const),
  text: value,
  parts: fc.array(
    fc.oneof(
      fc.record({
        part: fc.constant('facts' as const),
        facts: fc.array(fc.record({ label: value, value }), { maxLength: 4 }),
      }),
      fc.record({
        part: fc.constant('table' as const),
        columns: fc.constant<string[]>(['A', 'B', 'C']),
        rows: fc.array(fc.array(value, { minLength: 3, maxLength: 3 }), { maxLength: 4 }),
        caption: value,
      }),
      fc.record({
        part: fc.constant('steps' as const),
        steps: fc.array(
          fc.record({ name: value, state: fc.constantFrom('todo' as const, 'failed' as const), note: value }),
          { maxLength: 3 },
        ),
      }),
      fc.record({
        part: fc.constant('progress' as const),
        percent: fc.double({ min: -5, max: 500, noNaN: true }),
        label: value,
      }),
      fc.record({ part: fc.constant('code' as const), text: value }),
      fc.record({ part: fc.constant('time' as const), label: value, at: fc.integer({ min: 0, max: 4e12 }) }),
    ),
    { maxLength: 4 },
  ),
  buttons: fc.array(fc.record({ label: value, command: value }), { maxLength: 3 }),
  footer: value,
});

test('every fact, cell, step, button and footer is in the text, and nothing that could rewrite it', () => {
  fc.assert(
    fc.property(card, (each) => {
      const text = renderText(each);
      checkShape(text);
      const all = flat(text);
      // Only what is said is looked for: control characters and runs of spaces are gone.
      const plain = (given: string) => flat(line(given)).trim();
      const wanted: string[] = [plain(each.footer ?? '')];
      for (const part of each.parts) {
        if (part.part === 'facts') wanted.push(...part.facts.flatMap((fact) => [plain(fact.label), plain(fact.value)]));
        if (part.part === 'table') wanted.push(...part.rows.flat().map(plain), plain(part.caption ?? ''));
        if (part.part === 'steps')
          wanted.push(...part.steps.flatMap(({ name, note }) => [plain(name), plain(note ?? '')]));
        if (part.part === 'code' || part.part === 'progress' || part.part === 'time')
          wanted.push(plain(part.part === 'code' ? part.text : part.label));
      }
      for (const button of each.buttons) wanted.push(plain(button.label), plain(button.command ?? ''));
      for (const some of wanted) expect(all).toContain(some);
      expect(all).toContain(said(each.title));
    }),
    { numRuns: 300 },
  );
});

test('lines are as wide as asked where words allow it', () => {
  const long = 'word '.repeat(60).trim();
  const text = renderText(
    {
      ...plainCard('t', long),
      parts: [
        { part: 'text', text: long },
        { part: 'facts', facts: [{ label: 'l', value: long }] },
      ],
    },
    60,
  );
  for (const each of text.split('\n')) expect(each.length).toBeLessThanOrEqual(60);
});

describe('little markup', () => {
  test.each([
    ['*bold* and _italic_, (*both*)', 'bold and italic, (both)'],
    ['[docs](https://a.example/x)', 'docs (https://a.example/x)'],
    ['[x](javascript:alert(1))', '[x](javascript:alert(1))'],
    ['snake_case_name and 2*3*4', 'snake_case_name and 2*3*4'],
    ['`code`', '`code`'],
  ])('%s', (text, wanted) => {
    expect(unmarked(text)).toBe(wanted);
  });
});

describe('the terminal', () => {
  const form: Form = {
    title: 'Create',
    command: 'cluster create',
    submit: 'Go',
    fields: [
      { key: 'name', label: 'Name', kind: 'text', required: true },
      { key: 'size', label: 'Size', kind: 'choice', required: true, value: 'small' },
      { key: 'token', label: 'Token', kind: 'secret', required: false },
    ],
    private: false,
  };

  function open(answers: (inbound: Inbound) => Outbound[], replies?: (string | null)[]) {
    const written: string[] = [];
    const heard: Inbound[] = [];
    const asked: { question: string; secret: boolean }[] = [];
    const terminal = openTerminal({
      handle: async (inbound) => {
        heard.push(inbound);
        return answers(inbound);
      },
      newId: nextId,
      write: (name, text) => written.push(`${name}: ${text}`),
      ...(replies
        ? {
            ask: async (_name: string, question: string, secret: boolean) => {
              asked.push({ question, secret });
              return replies.shift() ?? null;
            },
          }
        : {}),
    });
    return { terminal, written, heard, asked };
  }

  test('asks the fields of a form one by one, secrets without echo, and sends them as a form', async () => {
    const { terminal, heard, asked } = open(
      ({ source }) => (source === 'form' ? [] : [{ audience: 'caller', form }]),
      ['dev-1', '', 's3cret'],
    );
    await terminal.say('ada', 'create');
    expect(asked).toEqual([
      { question: '  Name: ', secret: false },
      { question: '  Size [small]: ', secret: false },
      { question: '  Token: ', secret: true },
    ]);
    expect(heard[1]).toMatchObject({
      source: 'form',
      text: 'cluster create',
      values: { name: 'dev-1', size: 'small', token: 's3cret' },
      person: { id: 'terminal:ada' },
      private: true,
    });
  });

  test('a refused form is asked again, and leaving it does nothing', async () => {
    let round = 0;
    const again = { ...form, fields: form.fields.map((each) => ({ ...each, problem: 'Not so.' })) };
    const { terminal, heard, written } = open(() => {
      round += 1;
      return [
        { audience: 'caller', form: round > 1 ? again : form, problems: [{ field: 'name', message: 'Not so.' }] },
      ];
    }, ['a', 'b', 'c', null]);
    await terminal.say('ada', 'create');
    expect(heard).toHaveLength(2);
    expect(written.join('\n')).toContain('! Not so.');
    expect(written.at(-1)).toBe('ada: Left as it was; nothing was done.');
  });

  test('where nobody can be asked, it says what to type, and never a secret', async () => {
    const shown = open(() => [{ audience: 'caller', form }]);
    await shown.terminal.say('ada', 'create');
    expect(shown.written.at(-1)).toBe('ada: Type it in one line, such as: cluster create name=… size=small token=…');
    const secret = open(() => [{ audience: 'caller', form: { ...form, private: true } }]);
    await secret.terminal.say('ada', 'create');
    expect(secret.written.at(-1)).toMatch(/never typed into a line/);
  });

  test('numbers press buttons, and go on from card to card', async () => {
    const { terminal, heard } = open(({ text }) =>
      text === 'help'
        ? [
            {
              audience: 'caller',
              card: plainCard('t', 'x', 'plain', [
                { label: 'A', command: 'clusters' },
                { label: 'Docs', url: 'https://a.example' },
                { label: 'B', command: 'jobs' },
              ]),
            },
          ]
        : [],
    );
    await terminal.say('ada', '1');
    await terminal.say('ada', 'help');
    await terminal.say('ada', ' 2 ');
    await terminal.say('ada', 'help');
    await terminal.say('ada', '1');
    await terminal.say('ada', '4');
    await terminal.say('bob', '2');
    expect(heard.map(({ source, text }) => `${source} ${text}`)).toEqual([
      'direct 1',
      'direct help',
      'button jobs',
      'direct help',
      'button clusters',
      'button jobs',
      'direct 2',
    ]);
  });

  test('live messages: progress in a line, the end in full, hostile words harmless', async () => {
    const { terminal, written } = open(() => []);
    const place = { chat: 'terminal' as const, workspace: 'local', conversation: 'ada' };
    const busy = {
      ...plainCard('Create dev-1: running', 'Create dev-1: running. Making\n[ok] it\u001b[2J', 'busy' as const),
      parts: [{ part: 'progress' as const, percent: 40, label: '40 %' }],
    };
    const ref = await terminal.port.post(place, busy, 'k');
    await terminal.port.edit(place, ref, busy);
    expect(written).toHaveLength(1);
    await terminal.port.edit(place, ref, { ...busy, text: 'Create dev-1: running. Nearly\n[ok] it\u001b[2J' });
    expect(written.at(-1)).toBe('ada: [..] Create dev-1: running (40 %). Nearly [ok] it [2J');
    await terminal.port.edit(place, ref, plainCard('Done', 'It is done.', 'good'));
    expect(written.at(-1)).toBe('ada: [ok] Done\n  It is done.');
    await terminal.port.attach(place, { name: 'x.kubeconfig', content: 'a: 1\n', text: 'Yours.' });
    expect(written.at(-1)).toBe('ada: Yours.\n--- x.kubeconfig\na: 1\n---');
    expect(await terminal.port.direct('terminal:bob')).toEqual({ ...place, conversation: 'bob' });
  });
});
