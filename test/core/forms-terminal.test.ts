/** Forms in the terminal to their full depth: by number or part of a name, long texts, files, fields that depend on others, refusals. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Inbound, Outbound } from '../../src/bot/inbound.ts';
import { openTerminal } from '../../src/bot/text/terminal.ts';
import type { Field, Form } from '../../src/core/card.ts';
import { readText } from '../../src/local.ts';

interface Asked {
  question: string;
  secret: boolean;
}

/** A terminal whose person answers with these replies, in order. */
function open(answers: (inbound: Inbound) => Outbound[], replies: (string | null)[]) {
  const written: string[] = [];
  const heard: Inbound[] = [];
  const asked: Asked[] = [];
  const terminal = openTerminal({
    handle: async (inbound) => {
      heard.push(inbound);
      return answers(inbound);
    },
    newId: () => `id${heard.length}`,
    write: (_name, text) => void written.push(text),
    ask: async (_name, question, secret) => {
      asked.push({ question, secret });
      return replies.shift() ?? null;
    },
    readFile: readText,
  });
  return { terminal, written, heard, asked };
}

const formOf = (fields: Field[], more: Partial<Form> = {}): Form => ({
  ...{ title: 'A form', command: 'cluster create', submit: 'Go on', fields, private: false },
  ...more,
});
const asking = (form: Form): Outbound[] => [{ audience: 'caller', form }];

/** What is sent of a form that is answered so. */
async function sent(fields: Field[], replies: (string | null)[]) {
  const chat = open(({ source }) => (source === 'form' ? [] : asking(formOf(fields))), replies);
  await chat.terminal.say('ada', 'create');
  return { ...chat, values: chat.heard.find(({ source }) => source === 'form')?.values };
}

const few: Field = {
  ...{ key: 'size', label: 'Size', kind: 'choice', required: true, value: 'small' },
  choices: [
    { value: 'small', label: 'small', note: '2 CPU' },
    { value: 'large', label: 'large', note: '8 CPU' },
    { value: '3', label: 'three' },
  ],
};
const machines = Array.from({ length: 250 }, (_, index) => ({ value: `m${index}`, label: `Machine ${index}` }));
const many: Field = { key: 'machine', label: 'Machine', kind: 'choice', required: true, choices: machines };

describe('choices', () => {
  test.each<[string, string]>([
    ['2', 'large'],
    ['3', '3'],
    ['LARGE', 'large'],
    ['8 cpu', 'large'],
    ['', 'small'],
    ['unheard-of', 'unheard-of'],
  ])('%j is %s', async (typed, value) => {
    const { values, written } = await sent([few], [typed]);
    expect(values).toEqual({ size: value });
    expect(written.join('\n')).toContain('1) small (2 CPU)');
  });

  test('long lists are searched by a part, and then chosen by number', async () => {
    const { values, written } = await sent([many], ['24', '2']);
    expect(values).toEqual({ machine: 'm240' });
    expect(written[0]).toContain('One of 250, such as');
    expect(written.at(-1)).toContain('1) m24 (Machine 24)');
    const only = await sent([many], ['249']);
    expect(only.values).toEqual({ machine: 'm249' });
    expect(only.written.at(-1)).toContain('Machine: m249');
    const cut = await sent([many], ['machine', '20']);
    expect(cut.written.at(-1)).toContain('… and 230 more');
    expect(cut.values).toEqual({ machine: 'm19' });
  });

  test('a toggle takes y and n', async () => {
    const toggle: Field = { key: 'on', label: 'On', kind: 'toggle', required: false };
    expect((await sent([toggle, { ...toggle, key: 'off' }], ['y', 'N'])).values).toEqual({ on: 'yes', off: 'no' });
  });
});

describe('long texts', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'kqueen-forms-'));
    writeFileSync(join(dir, 'ca.pem'), '-----BEGIN CERTIFICATE-----\nQUJD\n');
    writeFileSync(join(dir, 'big.pem'), 'x'.repeat(20_001));
    writeFileSync(join(dir, 'photo.png'), new Uint8Array([0x89, 0xff, 0x00]));
    writeFileSync(join(dir, 'empty'), ' \n');
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const long: Field = {
    key: 'ca',
    label: 'CA bundle',
    kind: 'multiline',
    required: false,
    maxLength: 20_000,
    value: 'old',
  };

  test('are lines up to a single dot; short ones are one line', async () => {
    const note: Field = { ...long, key: 'note', label: 'Note', maxLength: 500 };
    const { values } = await sent([long, note], ['first', '', ' third', '.', 'one line']);
    expect(values).toEqual({ ca: 'first\n\n third', note: 'one line' });
    expect((await sent([long], [''])).values).toEqual({ ca: 'old' });
    expect((await sent([long], ['first', null])).values).toBeUndefined();
  });

  test('secret ones are not echoed, line by line', async () => {
    const { asked } = await sent([{ ...long, kind: 'secret-multiline' }], ['a', 'b', '.']);
    expect(asked.map(({ secret }) => secret)).toEqual([true, true, true]);
    expect(asked[0]?.question).not.toContain('old');
  });

  test('or a file of this machine; what cannot be taken is said, and asked again', async () => {
    const at = (name: string) => `@${join(dir, name)}`;
    const replies = [at('none'), at('big.pem'), at('photo.png'), at('empty'), `@${dir}`, at('ca.pem')];
    const { values, written } = await sent([long], replies);
    expect(values).toEqual({ ca: '-----BEGIN CERTIFICATE-----\nQUJD\n' });
    const said = written.join('\n');
    for (const why of ['(ENOENT)', 'at most 20,000 characters', 'not text in UTF-8', 'is empty', 'is no file'])
      expect(said).toContain(why);
  });

  test('where nobody sits at the machine, @ is a text like any other', async () => {
    const heard: Inbound[] = [];
    const replies = ['@/etc/hostname', '.'];
    const terminal = openTerminal({
      handle: async (inbound) => {
        heard.push(inbound);
        return inbound.source === 'form' ? [] : asking(formOf([long]));
      },
      newId: () => 'id',
      write: () => undefined,
      ask: async () => replies.shift() ?? null,
    });
    await terminal.say('ada', 'create');
    expect(heard[1]?.values).toEqual({ ca: '@/etc/hostname' });
  });
});

describe('fields that depend on another', () => {
  const engine = (value: string): Field => ({
    ...{ key: 'engine', label: 'Engine', kind: 'choice', required: true, reloads: true, value },
    choices: ['gke', 'aks'].map((each) => ({ value: each, label: each })),
  });
  const text = (key: string): Field => ({ key, label: key, kind: 'text', required: false });
  const shape = (values: Record<string, string> = {}) =>
    formOf([text('name'), engine(values.engine ?? 'gke'), text(values.engine === 'aks' ? 'group' : 'project')]);

  test('are asked for anew, and what was answered is not asked again', async () => {
    const { terminal, heard, asked } = open(
      ({ source, values }) => (source === 'form' ? [] : asking(shape(values))),
      ['demo', 'aks', 'rg-1'],
    );
    await terminal.say('ada', 'create');
    expect(asked.map(({ question }) => question.trim())).toEqual(['name:', 'Engine [gke]:', 'group:']);
    expect(heard[1]).toMatchObject({ source: 'open-form', values: { name: 'demo', engine: 'aks' } });
    expect(heard.at(-1)).toMatchObject({ source: 'form', values: { name: 'demo', engine: 'aks', group: 'rg-1' } });
  });

  test('choices that come late are waited for, and it says so', async () => {
    const { terminal, heard, written, asked } = open(
      ({ source }) => {
        if (source === 'form') return [];
        return asking(source === 'open-form' ? formOf([few]) : formOf([text('name')], { loading: 'lab' }));
      },
      ['large'],
    );
    await terminal.say('ada', 'create');
    expect(written[0]).toContain('Loading what lab offers');
    expect(heard[1]).toMatchObject({ source: 'open-form', waitMs: 8_000 });
    expect(asked).toHaveLength(1);
    const never = open(() => asking(formOf([text('name')], { loading: 'lab' })), [null]);
    await never.terminal.say('ada', 'create');
    expect(never.written.join('\n')).toContain('lab does not answer at the moment');
  });
});

describe('a refused form', () => {
  const name: Field = { key: 'name', label: 'Name', kind: 'text', required: true };
  const token: Field = { key: 'token', label: 'Token', kind: 'secret', required: true };

  test.each([true, false])('asks only for what was wrong, secrets are kept (with its form: %s)', async (withForm) => {
    let round = 0;
    const { terminal, heard, asked } = open(
      ({ source }) => {
        if (source !== 'form') return asking(formOf([name, token]));
        round += 1;
        if (round > 1) return [];
        const problems = [{ field: 'name', message: 'The name is taken.' }];
        const form = formOf([{ ...name, value: 'a', problem: 'The name is taken.' }, token]);
        return [{ audience: 'caller', problems, ...(withForm ? { form } : {}) }];
      },
      ['a', 's3cret', 'b'],
    );
    await terminal.say('ada', 'create');
    expect(asked).toHaveLength(3);
    expect(heard.at(-1)).toMatchObject({ source: 'form', values: { name: 'b', token: 's3cret' } });
  });

  test('is not asked for ever', async () => {
    const { terminal, asked } = open(
      () => [
        {
          audience: 'caller',
          form: formOf([{ ...name, problem: 'No.' }]),
          problems: [{ field: 'name', message: 'No.' }],
        },
      ],
      Array.from({ length: 100 }, () => 'x'),
    );
    await terminal.say('ada', 'create');
    expect(asked.length).toBeLessThan(12);
  });
});
