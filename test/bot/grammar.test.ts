import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unknownAnswer } from '../../src/bot/answers.ts';
import { fromSlack, normalise, parse, tokenise } from '../../src/bot/grammar.ts';
import { type Command, lineOf } from '../../src/core/command.ts';
import { registry } from '../../src/core/commands/index.ts';
import { cleanValue, formatLine, quoteValue, spokenWords } from '../../src/core/line.ts';
import { readValues } from '../../src/core/schema.ts';

type Read = { name: string; values: Record<string, string> } | string;

/** The parsed command in short; else what kind of answer it was. */
function read(text: string): Read {
  const parsed = parse(text, registry);
  if (parsed.is !== 'command') return parsed.is;
  return { name: parsed.command.name, values: parsed.values };
}

const is = (name: string, values: Record<string, string> = {}): Read => ({ name, values });
const create = (values: Record<string, string> = {}) => is('cluster create', values);

describe('what people type', () => {
  test.each<[string, Read]>([
    // The same wish in every order.
    ['cluster create dev-1', create({ name: 'dev-1' })],
    ['create cluster dev-1', create({ name: 'dev-1' })],
    ['CLUSTER Create dev-1', create({ name: 'dev-1' })],
    ['/kqueen cluster create dev-1', create({ name: 'dev-1' })],
    ['KQueen: cluster create dev-1', create({ name: 'dev-1' })],
    ['@KQueen', 'unknown'],
    ['launch dev-1', create({ name: 'dev-1' })],
    ['new cluster dev-1', create({ name: 'dev-1' })],
    // Plurals list.
    ['clusters', is('clusters')],
    ['list clusters', is('clusters')],
    ['get clusters', is('clusters')],
    ['show jobs', is('jobs')],
    ['list approvals', is('approvals')],
    ['list provisioners', is('provisioners')],
    ['ls clusters', is('clusters')],
    ['ls', is('clusters')],
    ['clusters mine', is('clusters', { show: 'mine' })],
    ['jobs running page=2', is('jobs', { show: 'running', page: '2' })],
    // A verb that only one command has.
    ['access dev-1', is('cluster access', { cluster: 'dev-1' })],
    ['forget dev-1', is('cluster forget', { cluster: 'dev-1' })],
    ['cancel k3f9x2ab', is('job cancel', { job: 'k3f9x2ab' })],
    ['retry k3f9x2ab', is('job retry', { job: 'k3f9x2ab' })],
    ['cancel job k3f9x2ab', is('job cancel', { job: 'k3f9x2ab' })],
    ['retry job k3f9x2ab', is('job retry', { job: 'k3f9x2ab' })],
    ['kubeconfig cluster dev-1', is('cluster access', { cluster: 'dev-1' })],
    ['show cluster dev-1', is('cluster show', { cluster: 'dev-1' })],
    ['show job k3f9x2ab', is('job show', { job: 'k3f9x2ab' })],
    ['get job k3f9x2ab', 'unknown'],
    ['show dev-1', is('cluster show', { cluster: 'dev-1' })],
    ['delete dev-1', is('cluster delete', { cluster: 'dev-1' })],
    ['create dev-1', is('cluster create', { name: 'dev-1' })],
    // Aliases.
    ['cluster rm dev-1', is('cluster delete', { cluster: 'dev-1' })],
    ['done dev-1', is('cluster delete', { cluster: 'dev-1' })],
    ['hi', is('help')],
    ['?', is('help')],
    ['me', is('whoami')],
    ['pending', is('approvals')],
    // Keys.
    ['cluster create name=dev-1', create({ name: 'dev-1' })],
    ['cluster create NAME=dev-1', create({ name: 'dev-1' })],
    ['cluster create --name dev-1', create({ name: 'dev-1' })],
    ['cluster create --name=dev-1', create({ name: 'dev-1' })],
    ['cluster create \u2014name dev-1', create({ name: 'dev-1' })],
    ['cluster create \u2013name=dev-1', create({ name: 'dev-1' })],
    ['cluster create dev-1 on sandbox', create({ name: 'dev-1', provisioner: 'sandbox' })],
    [
      'cluster create dev-1 on sandbox in eu-1 for test',
      create({ name: 'dev-1', provisioner: 'sandbox', region: 'eu-1', purpose: 'test' }),
    ],
    ['cluster create dev-1 version=1.10', create({ name: 'dev-1', version: '1.10' })],
    ['cluster access dev-1 as view for 30m', is('cluster access', { cluster: 'dev-1', role: 'view', for: '30m' })],
    // Quotes.
    [
      'cluster edit dev-1 labels="team=data,tier=1"',
      is('cluster edit', { cluster: 'dev-1', labels: 'team=data,tier=1' }),
    ],
    ["cluster edit dev-1 labels='team=data'", is('cluster edit', { cluster: 'dev-1', labels: 'team=data' })],
    ['cluster edit dev-1 labels=\u201cteam=data\u201d', is('cluster edit', { cluster: 'dev-1', labels: 'team=data' })],
    ['cluster edit dev-1 labels=\u201eteam=data\u201c', is('cluster edit', { cluster: 'dev-1', labels: 'team=data' })],
    ['cluster edit dev-1 labels="team=data\u201d', is('cluster edit', { cluster: 'dev-1', labels: 'team=data' })],
    ['cluster edit dev-1 labels=\u2018team=data\u2019', is('cluster edit', { cluster: 'dev-1', labels: 'team=data' })],
    ['deny k3 reason="a \\"b\\" \\\\ c"', is('deny', { job: 'k3', reason: 'a "b" \\ c' })],
    ['deny k3 because it is full', is('deny', { job: 'k3', reason: 'it is full' })],
    ['deny k3 because "it is full"', is('deny', { job: 'k3', reason: 'it is full' })],
    ['deny k3 because page=2 is full', is('deny', { job: 'k3', reason: 'page=2 is full' })],
    ['cluster create constructor', create({ name: 'constructor' })],
    ["deny k3 because it isn't on the plan", is('deny', { job: 'k3', reason: "it isn't on the plan" })],
    ['cluster edit dev-1 labels="team=data', 'problem'],
    ['cluster edit dev-1 labels=\u201cteam=data', 'problem'],
    ['deny k3 "no', 'problem'],
    // Conditions.
    ['clusters phase!=ready sort=created', is('clusters', { where: 'phase!=ready', sort: 'created' })],
    ['clusters label.team=data age>7d', is('clusters', { where: 'label.team=data age>7d' })],
    ['clusters label.team="data science"', is('clusters', { where: 'label.team="data science"' })],
    ['clusters nodes>=3 version<1.34 name~dev', is('clusters', { where: 'nodes>=3 version<1.34 name~dev' })],
    ['jobs age>7d', 'problem'],
    // Help takes a topic of several words.
    ['help cluster create', is('help', { topic: 'cluster create' })],
    ['help "cluster create"', is('help', { topic: 'cluster create' })],
    // What does not fit is said, not guessed.
    ['cluster edit dev-1 labels=a=1 labels=b=2', 'problem'],
    ['cluster edit dev-1 cluster=dev-2', 'problem'],
    ['cluster edit dev-1 colour=red', 'problem'],
    ['cluster edit dev-1 --colour red', 'problem'],
    ['cluster edit dev-1 constructor=red', 'problem'],
    ['cluster create dev-1 constructor=red', create({ name: 'dev-1', constructor: 'red' } as never)],
    ['cluster create dev-1 on name=dev-2', 'problem'],
    ['cluster show dev-1 dev-2', 'problem'],
    ['whoami now', 'problem'],
    ['', 'empty'],
    ['   ', 'empty'],
    ['/kqueen', 'empty'],
    ['\u202e\u200b', 'empty'],
    ['make me a sandwich', 'unknown'],
    ['"cluster" create dev-1', 'unknown'],
    ['=', 'unknown'],
  ])('%s', (text, wanted) => {
    expect(read(text)).toEqual(wanted);
  });

  test('two words the wrong way round are taken the right way, where only one order can be meant', () => {
    const right = parse('cluster get topology dev-1', registry);
    expect(parse('cluster get dev-1 topology', registry)).toEqual(right);
    expect(parse('cluster get pods nodes', registry)).toMatchObject({ values: { what: 'pods', cluster: 'nodes' } });
  });

  test('an error points at the word it is about', () => {
    const parsed = parse('cluster edit dev-1 colour=red', registry);
    expect(parsed).toMatchObject({ is: 'problem', at: 19 });
    expect(parsed).toMatchObject({
      message: expect.stringContaining('It takes: cluster, purpose, labels, unlabel, owner.'),
    });
  });

  test('the last of several positions is told when nothing is left to fill', () => {
    expect(parse('cluster show dev-1 dev-2', registry)).toMatchObject({ message: expect.stringContaining('"dev-2"') });
  });
});

describe('what Slack makes of text', () => {
  test.each([
    ['see <https://a.example/x?y=1|a.example>', 'see https://a.example/x?y=1'],
    ['see <https://a.example>', 'see https://a.example'],
    ['to <mailto:a@b.example|a@b.example>', 'to a@b.example'],
    ['owner=<@U12345|dev>', 'owner=@U12345'],
    ['owner=<@U12345>', 'owner=@U12345'],
    ['in <#C123|general>', 'in #general'],
    ['in <#C123|>', 'in #C123'],
    ['age&lt;7d &amp; nodes&gt;3', 'age<7d & nodes>3'],
    // An entity that somebody typed is not undone twice.
    ['&amp;lt;b&amp;gt;', '&lt;b&gt;'],
  ])('%s', (text, wanted) => {
    expect(fromSlack(text)).toBe(wanted);
  });

  test('a canonical line survives the way through Slack and back', () => {
    const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }).map(cleanValue), (value) => {
        const line = formatLine('deny', ['job'], { job: 'k3', reason: value });
        expect(parse(fromSlack(escaped(line)), registry)).toMatchObject({ line });
      }),
    );
  });
});

describe('what could mislead', () => {
  test('control and bidirectional characters go', () => {
    expect(normalise('a\u0000b\u001b[31m\u202ec\u2066d\u200be\ufefff\u061cg\r\nh')).toBe('a b [31mcdefg h');
  });

  test('10,000 characters are refused with their number', () => {
    expect(parse(`deny k3 because ${'x'.repeat(10_000)}`, registry)).toMatchObject({
      is: 'problem',
      message: expect.stringContaining('10016'),
    });
  });

  test('a value of 10,000 quotes is read in a moment', () => {
    const began = performance.now();
    for (const text of [
      '"'.repeat(2_999),
      `a=${'\\'.repeat(2_990)}`,
      `deny ${"'".repeat(2_901)}`,
      `${'<'.repeat(2_990)}`,
    ])
      parse(text, registry);
    expect(performance.now() - began).toBeLessThan(500);
  });
});

/** Everything people and forms can put into a value, once cleaned as dispatch does. */
const value = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }),
    fc.constantFrom(
      'on',
      'BECAUSE',
      'cluster',
      '--name',
      '\u2014x',
      'a\nb',
      '\\n',
      '"',
      "'",
      '\u201cx\u201d',
      '=',
      'a=b',
      '&lt;',
    ),
    fc.constantFrom(
      'kqueen',
      '/kqueen',
      'approval',
      '<@U1>',
      '<https://a|b>',
      'true',
      '1.10',
      'http://a/?b=c&d',
      '\u2033',
      "it's",
    ),
  )
  .map(cleanValue)
  .filter((text) => text !== '');

/** Values for a command: some of its keys, and for open commands some of an engine's. */
function valuesOf(command: Command): fc.Arbitrary<Record<string, string>> {
  const keys = [...Object.keys(command.args.shape), ...(command.open ? ['region', 'size', 'nodes'] : [])];
  return fc
    .record(Object.fromEntries(keys.map((key) => [key, fc.option(value)])))
    .map((all) =>
      Object.fromEntries(Object.entries(all).flatMap(([key, given]) => (given === null ? [] : [[key, given]]))),
    );
}

describe('parse and format are each other\u2019s reverse', () => {
  test.each(registry.all.map((command) => [command.name, command] as const))('%s', (_name, command) => {
    fc.assert(
      fc.property(valuesOf(command), (values) => {
        const line = lineOf(command, values);
        fc.pre(line.length <= 3_000);
        const parsed = parse(line, registry);
        expect(parsed).toMatchObject({ is: 'command' });
        if (parsed.is !== 'command') return;
        expect(parsed.command.name).toBe(command.name);
        expect(parsed.values).toEqual(values);
        // A canonical line is a fixed point, but for the order of keys.
        expect(parse(parsed.line, registry)).toMatchObject({ values, line: parsed.line });
      }),
      { numRuns: 150 },
    );
  });

  test('every small word and noun of the registry is quoted when it is a value', () => {
    const small = registry.all.flatMap((command) => Object.keys(command.words ?? {}));
    const nouns = registry.all.flatMap((command) =>
      [command.name, ...(command.aliases ?? [])]
        .filter((phrase) => phrase.includes(' '))
        .map((p) => p.split(' ')[0] ?? ''),
    );
    for (const word of new Set([...small, ...nouns])) expect(spokenWords.has(word), word).toBe(true);
  });

  test('one word stays bare', () => {
    expect(['dev-1', '1.10', 'k3f9x2ab', '@ada', 'a,b', 'eu-1/x'].map(quoteValue)).toEqual([
      'dev-1',
      '1.10',
      'k3f9x2ab',
      '@ada',
      'a,b',
      'eu-1/x',
    ]);
  });
});

describe('whatever is typed', () => {
  test('nothing throws, and what is read is a fixed point', () => {
    const pieces = fc.constantFrom(
      ...registry.all.flatMap(({ name, aliases = [], examples }) => [name, ...aliases, ...examples]),
      ...[
        'on',
        'because',
        '--',
        '--x',
        '=',
        '"',
        "'",
        '\u201c',
        '\\',
        'phase!=ready',
        'a=',
        '=b',
        '<@U1>',
        '\u0000',
        '~',
        '\ud800',
      ],
    );
    const line = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.array(fc.oneof(pieces, fc.string({ maxLength: 8 })), { maxLength: 8 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(line, (text) => {
        const parsed = parse(fromSlack(text), registry);
        if (parsed.is !== 'command') return;
        const again = parse(parsed.line, registry);
        const kept = Object.fromEntries(Object.entries(parsed.values).filter(([, given]) => given !== ''));
        expect(again).toMatchObject({ is: 'command', values: kept });
        if (again.is === 'command') expect(again.command.name).toBe(parsed.command.name);
      }),
      { numRuns: 2_000 },
    );
  });

  test('tokens know where they began', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const tokens = tokenise(text);
        if (!Array.isArray(tokens)) return;
        for (const { at } of tokens) expect(text.slice(at, at + 1)).toMatch(/\S/);
      }),
    );
  });
});

describe('a typo never becomes a changing command by itself', () => {
  const phrases = registry.all.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  const verbs = phrases.map((phrase) => phrase.split(' ')[1]).filter((verb) => verb !== undefined);
  const swapped = phrases.map((phrase) => phrase.split(' ').reverse().join(' '));
  /** What is understood on purpose. */
  const exact = new Set([...phrases, ...verbs, ...swapped]);
  const letters = 'aeorst -';

  function* typos(phrase: string): Generator<string> {
    for (let at = 0; at <= phrase.length; at += 1) {
      for (const letter of letters) {
        yield phrase.slice(0, at) + letter + phrase.slice(at);
        yield phrase.slice(0, at) + letter + phrase.slice(at + 1);
      }
      yield phrase.slice(0, at) + phrase.slice(at + 1);
      yield `${phrase.slice(0, at)}${phrase[at + 1] ?? ''}${phrase[at] ?? ''}${phrase.slice(at + 2)}`;
    }
  }

  test.each(registry.all.filter(({ changes }) => changes).map((command) => [command.name, command] as const))(
    '%s',
    (_name, command) => {
      for (const phrase of [command.name, ...(command.aliases ?? [])]) {
        for (const typo of typos(phrase)) {
          const parsed = parse(`${typo} k3f9x2ab`, registry);
          if (parsed.is !== 'command' || !parsed.command.changes) continue;
          const words = typo.trim().toLowerCase().split(/\s+/);
          const meant = [words.slice(0, 3), words.slice(0, 2), words.slice(0, 1)].some((some) =>
            exact.has(some.join(' ')),
          );
          expect(meant, `"${typo}" ran ${parsed.command.name}`).toBe(true);
        }
      }
    },
  );

  test('it is suggested with the rest of the line, up to three times', () => {
    const parsed = parse('clutser craete dev-1 on sandbox', registry);
    expect(parsed).toMatchObject({ is: 'unknown' });
    const near = parse('clutser create dev-1 on sandbox', registry);
    expect(near).toMatchObject({
      is: 'unknown',
      suggestions: expect.arrayContaining([
        { name: 'cluster create', line: 'cluster create dev-1 on sandbox', changes: true, fit: 'lacking' },
      ]),
    });
    expect(near.is === 'unknown' && near.suggestions.length).toBeLessThanOrEqual(3);
  });

  test.each([
    ['cluster crate dev-1', [['cluster create dev-1', 'lacking']]],
    ['cluster shwo dev-1', [['cluster show dev-1', 'complete']]],
    ['cluster shwo', [['cluster show', 'lacking']]],
    ['clsuters', [['clusters', 'complete']]],
    ['clsuters mine', [['clusters mine', 'complete']]],
    ['clsuters phase!=ready', [['clusters phase!=ready', 'complete']]],
    ['jbos running', [['jobs running', 'complete']]],
    ['job shwo k3f9x2ab', [['job show k3f9x2ab', 'complete']]],
    ['clutser scale dev-1 nodes=3', [['cluster scale dev-1 nodes=3', 'complete']]],
    ['cluster delte dev-1', [['cluster delete dev-1', 'complete']]],
    ['approvasl', [['approvals', 'complete']]],
    ['hlep', [['help', 'complete']]],
    // Nothing near goes with the rest: the name alone is offered.
    ['clsuters page=last', [['clusters page=last', 'wrong']]],
  ])('"%s": what is offered first goes with the rest of the line', (typed, wanted) => {
    const parsed = parse(typed, registry);
    if (parsed.is !== 'unknown') throw new Error(`"${typed}" is read as ${parsed.is}`);
    const [first] = parsed.suggestions;
    expect([[first?.line, first?.fit]]).toEqual(wanted);
    const wrong = parsed.suggestions.filter(({ fit }) => fit === 'wrong');
    expect(wrong.length === 0 || wrong.length === parsed.suggestions.length).toBe(true);
  });

  test('no button of an unknown line leads to one that cannot be run', () => {
    for (const { name } of registry.all) {
      for (let at = 1; at < name.length; at += 2) {
        const typo = `${name.slice(0, at - 1)}${name[at]}${name[at - 1]}${name.slice(at + 1)}`;
        for (const rest of ['', ' dev-1', ' dev-1 nodes=3', ' running', ' page=last']) {
          const parsed = parse(`${typo}${rest}`, registry);
          if (parsed.is !== 'unknown') continue;
          for (const { command } of unknownAnswer(parsed.typed, parsed.suggestions).card?.buttons ?? []) {
            const led = parse(command ?? '', registry);
            if (led.is !== 'command') throw new Error(`"${typo}${rest}" offers "${command}": ${led.is}`);
            expect(led.command.changes, command).toBe(false);
            if (!led.command.open) expect(readValues(led.command.args, led.values).ok, command).toBe(true);
          }
        }
      }
    }
  });
});
