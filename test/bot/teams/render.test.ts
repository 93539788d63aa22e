import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HostConfig, AdaptiveCard as Parser, SerializationContext, Versions } from 'adaptivecards';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderForm } from '../../../src/bot/teams/form.ts';
import type { AdaptiveCard } from '../../../src/bot/teams/render.ts';
import { bytes, isPersonal, mostBytes, renderCard } from '../../../src/bot/teams/render.ts';
import type { Card, Field, Form, Part } from '../../../src/core/card.ts';
import { cardSamples, formSamples, hostileValue } from '../samples.ts';

const goldenFolder = join(import.meta.dirname, '..', 'golden', 'teams');

/** Compares with the golden file; UPDATE_GOLDEN=1 writes it instead. */
function matchesGolden(name: string, card: AdaptiveCard): void {
  const path = join(goldenFolder, `${name}.json`);
  const shown = `${JSON.stringify(card, null, 2)}\n`;
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, shown);
  }
  expect(existsSync(path), `${path} is missing; write it with UPDATE_GOLDEN=1`).toBe(true);
  expect(shown).toBe(readFileSync(path, 'utf8'));
}

/** What Microsoft's own parser has to say about a card: nothing. */
function complaints(card: AdaptiveCard): string[] {
  const context = new SerializationContext(Versions.v1_5);
  const parsed = new Parser();
  // Teams shows six and keeps the secondary ones behind "…"; the library counts both.
  parsed.hostConfig = new HostConfig({ actions: { maxActions: 12 } });
  parsed.parse(card, context);
  const events = [...Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index))];
  return [
    ...events.map(({ message }) => message),
    ...parsed.validateProperties().validationEvents.map(({ message }) => message),
  ];
}

/** Every string of a card that a reader sees. */
function seenStrings(value: unknown, key = ''): string[] {
  if (typeof value === 'string') {
    return ['text', 'title', 'label', 'placeholder', 'errorMessage', 'fallbackText'].includes(key) ? [value] : [];
  }
  if (Array.isArray(value)) return value.flatMap((each) => seenStrings(each, key));
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, each]) => seenStrings(each, name));
}

/** Every element of one type, anywhere in the card. */
function all(value: unknown, type: string): Record<string, unknown>[] {
  if (Array.isArray(value)) return value.flatMap((each) => all(each, type));
  if (value === null || typeof value !== 'object') return [];
  const here = (value as { type?: unknown }).type === type ? [value as Record<string, unknown>] : [];
  return [...here, ...Object.values(value).flatMap((each) => all(each, type))];
}

function text(card: AdaptiveCard): string {
  return seenStrings(card).join('\n');
}

/** True for characters that reorder, hide or control. */
function isUnseen(character: string): boolean {
  return /[\p{Cc}\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\ufeff]/u.test(character) && character !== '\n';
}

function mustHold(card: AdaptiveCard): void {
  expect(complaints(card)).toEqual([]);
  expect(bytes(card)).toBeLessThanOrEqual(mostBytes);
  // Markdown is read in TextBlocks alone, so nothing but our own dates may stand in one.
  for (const { text: written } of all(card, 'TextBlock')) {
    expect(written).toMatch(/^\{\{DATE\([\dT:Z-]+, SHORT\)\}\} \{\{TIME\([\dT:Z-]+\)\}\}$/);
  }
  for (const { text: written } of all(card, 'TextRun')) expect(written).not.toMatch(/\{\{\s*(DATE|TIME)\s*\(/i);
  for (const each of seenStrings(card)) expect([...each].filter(isUnseen), JSON.stringify(each)).toEqual([]);
  for (const { url } of all(card, 'Action.OpenUrl')) expect(url).toMatch(/^https?:\/\//);
  expect(
    (card.actions ?? []).filter((each) => (each as { mode?: string }).mode !== 'secondary').length,
  ).toBeLessThanOrEqual(6);
  for (const action of all(card, 'Action.Execute')) {
    expect(action.verb).toBe('kqueen');
    if (action.fallback) expect(action.fallback).toMatchObject({ type: 'Action.Submit', data: action.data });
  }
}

describe('cards', () => {
  it.each(cardSamples)('$name looks as before, parses without complaint and stays small', ({ name, card }) => {
    const rendered = renderCard(card);
    mustHold(rendered);
    matchesGolden(name, rendered);
  });

  it('counts in words what it leaves out', () => {
    const wanted = cardSamples.find(({ name }) => name === 'table-200')?.card;
    const shown = text(renderCard(wanted as Card));
    const rows = (shown.match(/cluster-\d{3}/g) ?? []).length;
    expect(rows).toBeGreaterThan(30);
    expect(rows).toBeLessThan(200);
    expect(shown).toContain(`… and ${200 - rows} more rows`);
    expect(shown).toContain('Page 1 of 10');
  });

  it('says how many buttons it leaves out, and keeps six in sight', () => {
    const rendered = renderCard((cardSamples.find(({ name }) => name === 'many-parts') as { card: Card }).card);
    const modes = (rendered.actions ?? []).map((each) => (each as { mode?: string }).mode);
    expect(modes).toEqual([...Array(6).fill(undefined), ...Array(6).fill('secondary')]);
    expect(text(rendered)).toContain('… and 28 more actions');
  });

  it('keeps hostile text as text', () => {
    const rendered = renderCard((cardSamples.find(({ name }) => name === 'hostile') as { card: Card }).card);
    const shown = text(rendered);
    expect(shown).toContain('[x](javascript:alert(1))');
    expect(shown).toContain('<at>all</at>');
    expect(JSON.stringify(rendered)).not.toContain('entities');
    expect(all(rendered, 'Action.OpenUrl')).toEqual([]);
    expect(
      text(renderCard(cardOf([{ part: 'note', text: '{{DATE(2020-01-01T00:00:00Z)}} {{ time (x)}}' }]))),
    ).toContain('{ {DATE(2020-01-01T00:00:00Z)}} { { time (x)}}');
  });

  it('asks before a dangerous button by a card of its own', () => {
    const button = {
      label: 'Delete',
      command: 'cluster delete demo',
      style: 'danger' as const,
      confirm: { title: 'Delete demo?', text: 'It will be gone.', yes: 'Delete it' },
    };
    const [action] = renderCard({ ...cardOf([]), buttons: [button] }).actions as Record<string, unknown>[];
    expect(action).toMatchObject({ type: 'Action.ShowCard', title: 'Delete', style: 'destructive' });
    expect(all(action, 'Action.Execute')).toMatchObject([
      { title: 'Delete it', data: { kqueen: 'button', command: 'cluster delete demo' } },
    ]);
  });

  it('knows a one-time link, which only one person may see', () => {
    const link = (url: string) => ({ ...cardOf([]), buttons: [{ label: 'Get it', url }] });
    expect(isPersonal(link('https://kqueen.example/d/abcdefghijk'))).toBe(true);
    expect(isPersonal(link('https://kqueen.example/base/d/abc/'))).toBe(true);
    expect(isPersonal(link('https://docs.example/d'))).toBe(false);
    expect(isPersonal(link('javascript:alert(1)/d/x'))).toBe(false);
    expect(isPersonal(cardOf([]))).toBe(false);
  });

  it('holds for any card', () => {
    fc.assert(
      fc.property(anyCard, (card) => mustHold(renderCard(card))),
      { numRuns: 60 },
    );
  });
});

describe('forms', () => {
  it.each(formSamples)('$name looks as before, parses without complaint and stays small', ({ name, form }) => {
    const rendered = renderForm(form);
    mustHold(rendered);
    matchesGolden(`form-${name}`, rendered);
  });

  it('keeps what was typed, but never a secret', () => {
    const form = (formSamples.find(({ name }) => name === 'problems') as { form: Form }).form;
    const rendered = renderForm(
      { ...form, fields: form.fields.map((field) => ({ ...field, value: undefined }) as unknown as Field) },
      {
        values: {
          name: 'typed-name',
          token: 'canary-1',
          key: 'canary-2',
          nodes: '7',
          provisioner: 'gke',
          public: 'false',
        },
        wins: false,
      },
    );
    const inputs = Object.fromEntries(
      ['Input.Text', 'Input.Number', 'Input.ChoiceSet', 'Input.Toggle']
        .flatMap((type) => all(rendered, type))
        .map(({ id, value }) => [id, value]),
    );
    expect(inputs).toMatchObject({
      'field.name': 'typed-name',
      'field.nodes': 7,
      'field.provisioner': 'gke',
      'field.public': 'false',
    });
    expect(JSON.stringify(rendered)).not.toContain('canary');
    expect(text(rendered)).toContain('Something is wrong with Name.');
    expect(text(rendered)).toContain('8 fields need your attention');
  });

  it('does not send a prefilled secret back either', () => {
    const form: Form = {
      title: 'Add',
      command: 'provisioner add',
      submit: 'Add',
      private: true,
      fields: [
        { key: 'token', label: 'Token', kind: 'secret', required: true, value: 'canary-3' },
        { key: 'key', label: 'Key', kind: 'secret-multiline', required: true, value: 'canary-4' },
      ],
    };
    expect(JSON.stringify(renderForm(form))).not.toContain('canary');
    expect(all(renderForm(form), 'Input.Text')).toMatchObject([
      { style: 'Password', isRequired: true },
      { isMultiline: true },
    ]);
  });

  it('lets the fields be loaded again while required ones are still empty', () => {
    const field = (key: string, reloads: boolean): Field => ({
      key,
      label: key,
      kind: 'choice',
      required: true,
      reloads,
      choices: [{ value: 'a', label: 'a' }],
    });
    const form = (reloads: boolean): Form => ({
      title: 'x',
      command: 'cluster create',
      submit: 'Go',
      private: false,
      fields: [field('provisioner', reloads), field('size', false)],
    });
    expect(all(renderForm(form(false)), 'Input.ChoiceSet').map(({ isRequired }) => isRequired)).toEqual([true, true]);
    const reloading = renderForm(form(true));
    expect(all(reloading, 'Input.ChoiceSet').map(({ isRequired }) => isRequired)).toEqual([undefined, undefined]);
    expect(text(reloading)).toContain('size (required)');
    expect(all(reloading, 'Action.Execute').map(({ data }) => data)).toContainEqual({
      kqueen: 'reload',
      command: 'cluster create',
    });
  });

  it('holds for any form', () => {
    fc.assert(
      fc.property(anyForm, (form) => mustHold(renderForm(form))),
      { numRuns: 40 },
    );
  });
});

function cardOf(parts: Part[]): Card {
  return { title: 'Title', tone: 'plain', text: 'Text', parts, buttons: [] };
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({
    unit: fc.constantFrom('*', '_', '`', '[', ']', '(', ')', 'a', '\n', '\u202e', 'https://x.y', '{{DATE('),
    maxLength: 40,
  }),
  fc.constant(hostileValue),
  fc.integer({ min: 0, max: 20_000 }).map((length) => 'é'.repeat(length)),
);
const stepState = fc.constantFrom('todo' as const, 'doing' as const, 'done' as const, 'failed' as const);
const anyPart: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ part: fc.constant('text' as const), text: anyText }),
  fc.record({ part: fc.constant('note' as const), text: anyText }),
  fc.record({ part: fc.constant('code' as const), text: anyText }),
  fc.record({ part: fc.constant('divider' as const) }),
  fc.record({ part: fc.constant('time' as const), label: anyText, at: fc.double() }),
  fc.record({ part: fc.constant('progress' as const), percent: fc.double(), label: anyText }),
  fc.record({
    part: fc.constant('facts' as const),
    facts: fc.array(fc.record({ label: anyText, value: anyText }), { maxLength: 20 }),
  }),
  fc.record({
    part: fc.constant('steps' as const),
    steps: fc.array(fc.record({ name: anyText, state: stepState, note: anyText })),
  }),
  fc.record({
    part: fc.constant('table' as const),
    columns: fc.array(anyText, { maxLength: 6 }),
    rows: fc.array(fc.array(anyText)),
  }),
);
const anyCard: fc.Arbitrary<Card> = fc.record({
  title: anyText,
  tone: fc.constantFrom('plain' as const, 'good' as const, 'busy' as const, 'warn' as const, 'bad' as const),
  text: anyText,
  parts: fc.array(anyPart),
  buttons: fc.array(
    fc.oneof(
      fc.record({ label: anyText, command: anyText, style: fc.constantFrom('primary' as const, 'danger' as const) }),
      fc.record({ label: anyText, url: fc.oneof(fc.webUrl(), anyText) }),
      fc.record({
        label: anyText,
        command: anyText,
        confirm: fc.record({ title: anyText, text: anyText, yes: anyText }),
      }),
    ),
    { maxLength: 20 },
  ),
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
  choices: fc.array(fc.record({ value: anyText, label: anyText, note: anyText })),
});
const anyForm: fc.Arbitrary<Form> = fc.record({
  title: anyText,
  command: anyText,
  submit: anyText,
  intro: anyText,
  fields: fc.uniqueArray(anyField, { selector: ({ key }) => key, maxLength: 12 }),
  private: fc.boolean(),
});
