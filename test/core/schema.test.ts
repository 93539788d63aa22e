import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  clusterSchema,
  field,
  fieldsOf,
  labelsSchema,
  parsePairs,
  readValues,
  reloadingKeys,
  secretKeys,
  textOf,
} from '../../src/core/schema.ts';
import { SandboxProvisioner } from '../../src/engines/sandbox/schema.ts';

const schema = z.object({
  name: field(z.string().min(2, 'Too short.').max(10), { label: 'Name', help: 'A name', example: 'x1', order: 1 }),
  nodes: field(z.number().int().min(1).max(20).default(3), { label: 'Nodes', order: 3 }),
  size: field(z.enum(['small', 'large']), { label: 'Size', order: 2 }),
  region: field(z.string(), { label: 'Region', live: true, order: 4 }),
  public: field(z.boolean().default(false), { label: 'Public', order: 5 }),
  labels: field(labelsSchema.optional(), { label: 'Labels', order: 6 }),
  password: field(z.string().optional(), { label: 'Password', secret: true, order: 7 }),
  key: field(z.string().optional(), { label: 'Key', secret: true, multiline: true, order: 8 }),
  note: field(z.string().optional(), { label: 'Note', multiline: true, order: 9 }),
});

const full = { name: 'dev', size: 'small', region: 'eu' };

describe('fields of a schema', () => {
  test('in their order, of their kind, prefilled', () => {
    const fields = fieldsOf(schema, { name: 'dev', password: 'hunter22', size: 'large' });
    expect(fields.map(({ key, kind, required, value }) => [key, kind, required, value])).toEqual([
      ['name', 'text', true, 'dev'],
      ['size', 'choice', true, 'large'],
      ['nodes', 'number', false, '3'],
      ['region', 'choice', true, undefined],
      ['public', 'toggle', false, 'false'],
      ['labels', 'labels', false, undefined],
      // A secret is never put back into a form.
      ['password', 'secret', false, undefined],
      ['key', 'secret-multiline', false, undefined],
      ['note', 'multiline', false, undefined],
    ]);
    expect(fields[0]).toMatchObject({ label: 'Name', help: 'A name', example: 'x1', maxLength: 10 });
    expect(fields[1]?.choices).toEqual([
      { value: 'small', label: 'small' },
      { value: 'large', label: 'large' },
    ]);
    expect(fields[2]).toMatchObject({ min: 1, max: 20 });
  });

  test('secret keys', () => {
    expect(secretKeys(schema)).toEqual(['password', 'key']);
    expect(secretKeys(SandboxProvisioner)).toEqual(['token']);
  });
});

describe('reading what was typed', () => {
  test('numbers, toggles and labels are converted, empty means absent', () => {
    const read = readValues(schema, { ...full, nodes: ' 5 ', public: 'Yes', labels: 'a=1, b=2\nc=', note: '' });
    expect(read).toEqual({
      ok: true,
      value: { ...full, nodes: 5, public: true, labels: { a: '1', b: '2', c: '' } },
    });
  });

  test('defaults fill in', () => {
    expect(readValues(schema, full)).toEqual({ ok: true, value: { ...full, nodes: 3, public: false } });
  });

  test.each<[string, Record<string, string>, [string, RegExp][]]>([
    [
      'missing',
      { size: 'small' },
      [
        ['name', /fill this in/],
        ['region', /fill this in/],
      ],
    ],
    ['blank counts as missing', { ...full, name: '  ' }, [['name', /fill this in/]]],
    ['too short', { ...full, name: 'x' }, [['name', /Too short/]]],
    ['no number', { ...full, nodes: 'three' }, [['nodes', /must be a number/]]],
    ['half a number', { ...full, nodes: '3x' }, [['nodes', /must be a number/]]],
    ['exponent', { ...full, nodes: '1e1' }, [['nodes', /must be a number/]]],
    ['fraction', { ...full, nodes: '1.5' }, [['nodes', /whole number/]]],
    ['below', { ...full, nodes: '0' }, [['nodes', /at least 1\./]]],
    ['above', { ...full, nodes: '21' }, [['nodes', /at most 20\./]]],
    ['huge', { ...full, nodes: '9'.repeat(30) }, [['nodes', /must be a number/]]],
    ['no choice', { ...full, size: 'smal' }, [['size', /small/]]],
    ['no toggle', { ...full, public: 'maybe' }, [['public', /yes or no/]]],
    ['no pairs', { ...full, labels: 'team' }, [['labels', /key=value/]]],
    ['a pair twice', { ...full, labels: 'a=1,a=2' }, [['labels', /key=value/]]],
    ['a label nobody takes', { ...full, labels: 'te am=1' }, [['labels', /key has at most 63/]]],
    ['a label value nobody takes', { ...full, labels: `a=${'x'.repeat(64)}` }, [['labels', /value has at most 63/]]],
    ['too many', { ...full, labels: [...'abcdefghijk'].map((key) => `${key}=1`).join(',') }, [['labels', /ten/]]],
    ['a prototype', { ...full, labels: '__proto__=1' }, [['labels', /key=value/]]],
    ['unknown', { ...full, colour: 'red' }, [['colour', /no field "colour".*Fields: name, size/]]],
    ['inherited', { ...full, constructor: 'red' }, [['constructor', /no field "constructor"/]]],
    [
      'several at once',
      { name: 'x', nodes: 'y', size: 'z', q: '1' },
      [
        ['nodes', /number/],
        ['q', /no field/],
        ['name', /short/],
        ['size', /./],
        ['region', /fill/],
      ],
    ],
  ])('%s', (_what, values, wanted) => {
    const read = readValues(schema, values);
    expect(read.ok).toBe(false);
    if (read.ok) return;
    expect(read.problems.map(({ field: key }) => key).sort()).toEqual(wanted.map(([key]) => key).sort());
    for (const [key, message] of wanted)
      expect(read.problems.find((problem) => problem.field === key)?.message).toMatch(message);
  });

  test('nothing throws and nothing is dropped in silence', () => {
    const keys = fc.constantFrom('name', 'nodes', 'size', 'labels', 'public', '__proto__', 'toString', 'x');
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, fc.string({ maxLength: 20 })), { maxLength: 6 }), (pairs) => {
        const values = Object.fromEntries(pairs);
        const read = readValues(schema, values);
        const wrong = read.ok ? [] : read.problems.map(({ field: key }) => key);
        for (const key of Object.keys(values)) {
          if (!Object.hasOwn(schema.shape, key)) expect(wrong).toContain(key);
        }
      }),
    );
  });
});

describe('pairs', () => {
  test('are written as they are read', () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9.-]{0,10}$/);
    fc.assert(
      fc.property(fc.dictionary(label, label, { noNullPrototype: true }), (pairs) => {
        expect(parsePairs(textOf(pairs))).toEqual(pairs);
      }),
    );
  });
});

describe('parameters that only the provider knows', () => {
  const own = z
    .object({ nodes: field(z.number().int().min(1).default(3), { label: 'Nodes', order: 1 }) })
    .superRefine((value, context) => {
      if (value.nodes === 13) context.addIssue({ code: 'custom', path: ['nodes'], message: 'Not that one.' });
    });
  const widened = clusterSchema(own, [
    { key: 'nodes', label: 'Theirs', kind: 'text', required: true },
    { key: 'flavor', label: 'Flavor', kind: 'choice', required: true, choices: ['m1.small', 'm1.large'] },
    { key: 'disk', label: 'Disk', help: 'In GB.', kind: 'number', required: false, min: 10, max: 100, default: 20 },
    { key: 'public', label: 'Public', kind: 'toggle', required: false },
    { key: 'zone', label: 'Zone', kind: 'text', required: false, pattern: '[a-z]+-\\d', maxLength: 10 },
    { key: 'odd', label: 'Odd', kind: 'text', required: false, pattern: '(?<broken' },
  ]);

  test('become fields after the own ones, which they never replace', () => {
    const fields = fieldsOf(widened);
    expect(fields.map(({ key, label, kind, required, value }) => [key, label, kind, required, value])).toEqual([
      ['nodes', 'Nodes', 'number', false, '3'],
      ['flavor', 'Flavor', 'choice', true, undefined],
      ['disk', 'Disk', 'number', false, '20'],
      ['public', 'Public', 'toggle', false, undefined],
      ['zone', 'Zone', 'text', false, undefined],
      ['odd', 'Odd', 'text', false, undefined],
    ]);
    expect(fields[2]).toMatchObject({ help: 'In GB.', min: 10, max: 100 });
  });

  test('are checked before the provider is asked, each at its field', () => {
    const problemsOf = (values: Record<string, string>) => {
      const read = readValues(widened, values);
      return read.ok ? [] : read.problems.map((problem) => problem.field);
    };
    expect(problemsOf({ flavor: 'm1.small', zone: 'eu-1', odd: 'anything', public: 'yes' })).toEqual([]);
    expect(problemsOf({})).toEqual(['flavor']);
    expect(problemsOf({ flavor: 'huge' })).toEqual(['flavor']);
    expect(problemsOf({ flavor: 'm1.small', disk: '5' })).toEqual(['disk']);
    expect(problemsOf({ flavor: 'm1.small', disk: 'much' })).toEqual(['disk']);
    expect(problemsOf({ flavor: 'm1.small', zone: 'eu-1 or else' })).toEqual(['zone']);
    expect(problemsOf({ flavor: 'm1.small', colour: 'red' })).toEqual(['colour']);
    // The engine's own rules still hold.
    expect(problemsOf({ flavor: 'm1.small', nodes: '13' })).toEqual(['nodes']);
    expect(readValues(widened, { flavor: 'm1.large' })).toMatchObject({
      ok: true,
      value: { nodes: 3, flavor: 'm1.large', disk: 20 },
    });
  });

  test('are nothing when there are none', () => {
    expect(clusterSchema(own, [])).toBe(own);
  });

  test('fields that others depend on say so', () => {
    const region = z.object({ region: field(z.string(), { label: 'Region', live: true, reloads: true }) });
    expect(reloadingKeys(region)).toEqual(['region']);
    expect(fieldsOf(region)[0]?.reloads).toBe(true);
  });
});
