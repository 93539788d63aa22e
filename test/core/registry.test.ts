import { describe, expect, test } from 'vitest';
import { parse } from '../../src/bot/grammar.ts';
import { compareVersions, readConditions } from '../../src/core/commands/clusters.ts';
import { distance } from '../../src/core/commands/common.ts';
import { registry } from '../../src/core/commands/index.ts';
import { type Policy, policies } from '../../src/core/policy.ts';
import { fieldsOf } from '../../src/core/schema.ts';
import { sampleCluster } from '../store/parts.ts';

describe.each(registry.all.map((command) => [command.name, command] as const))('%s', (name, command) => {
  test('every example parses to it', () => {
    expect(command.examples.length).toBeGreaterThan(0);
    for (const example of command.examples) {
      const parsed = parse(example, registry);
      expect(parsed, example).toMatchObject({ is: 'command' });
      if (parsed.is === 'command') expect(parsed.command.name).toBe(name);
    }
  });

  test('names a policy that exists', () => {
    expect(Object.keys(policies)).toContain(command.policy satisfies Policy);
  });

  test('has words for help, and fields that are spelt out', () => {
    expect(command.summary).toMatch(/^[A-Z].*[^.]$/);
    expect(command.summary.length).toBeLessThanOrEqual(60);
    const keys = Object.keys(command.args.shape);
    expect(command.positional.every((key) => keys.includes(key))).toBe(true);
    // What a command itself does not know as a key can only be a key of an open command.
    for (const key of Object.values(command.words ?? {})) expect(command.open || keys.includes(key)).toBe(true);
    for (const each of fieldsOf(command.args)) expect(each.label).toMatch(/^[A-Z]/);
  });
});

test('no two commands share a phrase, and each is found by all of its own', () => {
  const phrases = registry.all.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  expect(new Set(phrases).size).toBe(phrases.length);
  for (const command of registry.all)
    for (const phrase of [command.name, ...(command.aliases ?? [])]) expect(registry.find(phrase)).toBe(command);
  expect(registry.find('cluster explode')).toBeUndefined();
  expect(registry.find('constructor')).toBeUndefined();
});

// D8: help of a peer documented commands that did not exist, and hid some that did.
test('D8 the registry holds the commands of the design and no other', () => {
  expect(registry.all.map(({ name }) => name).sort()).toEqual(
    [
      ...[
        'home',
        'about',
        'help',
        'whoami',
        'version',
        'engines',
        'guide',
        'channel',
        'channel default',
        'notify',
        'notify here',
        'notify off',
        'digest',
        'digest daily',
        'digest weekly',
        'digest now',
        'digest off',
        ...[
          'app list',
          'app show',
          'app logs',
          'app deploy',
          'app update',
          'app scale',
          'app expose',
          'app restart',
          'app recreate',
        ],
        ...['app run', 'app install', 'app chart', 'app pause', 'app resume', 'app rollback', 'app delete'],
        ...['backup', 'backup create', 'backup list', 'backup show', 'backup diff', 'backup restore', 'backup delete'],
        ...['backup schedule', 'backup schedules', 'backup retain'],
        'clusters',
        'health',
        'audit',
        'people',
        'person role',
        'doctor',
      ],
      ...['create', 'show', 'check', 'get', 'access', 'edit', 'delete', 'forget'].map((verb) => `cluster ${verb}`),
      ...['list', 'show', 'enable', 'disable', 'upgrade', 'choose', 'dns'].map((verb) => `addon ${verb}`),
      ...['cluster registry', 'cluster registry show', 'registry default'],
      ...['access list', 'access revoke'].map((verb) => `cluster ${verb}`),
      ...['list', 'cordon', 'uncordon', 'drain', 'remove'].map((verb) => `node ${verb}`),
      'cluster repair',
      ...['pools', 'gateways', 'netpol'].map((verb) => `cluster ${verb}`),
      ...['list', 'deny', 'allow', 'remove'].map((verb) => `network ${verb}`),
      ...['scale', 'autoscale', 'precheck', 'upgrade', 'stop', 'start'].map((verb) => `cluster ${verb}`),
      ...['provisioners', 'provisioner add', 'provisioner check', 'provisioner edit', 'provisioner remove'],
      ...['provisioner discover', 'cluster import', 'cluster adopt', 'cluster detach', 'cluster accept'],
      ...['approvals', 'approve', 'deny', 'jobs', 'job show', 'job log', 'job cancel', 'job retry'],
    ].sort(),
  );
});

describe('conditions of clusters', () => {
  const now = 1_800_000_000_000;
  const day = 86_400_000;
  const fleet = [
    sampleCluster('a', { name: 'alpha', phase: 'Ready', version: '1.33.6', nodes: 3, createdAt: now - day }),
    sampleCluster('b', {
      name: 'beta',
      phase: 'Failed',
      version: 'v1.34.2',
      nodes: 10,
      createdAt: now - 9 * day,
      labels: {},
    }),
    sampleCluster('c', {
      name: 'gamma',
      phase: 'Ready',
      createdAt: now - 30 * day,
      labels: { team: 'data science' },
      purpose: 'production',
      ownerName: 'Ada',
    }),
  ];
  test.each<[string, string]>([
    ['', 'alpha beta gamma'],
    ['phase=ready', 'alpha gamma'],
    ['phase!=ready', 'beta'],
    ['age>7d', 'beta gamma'],
    ['age<=1d', 'alpha'],
    ['age>7d phase=ready', 'gamma'],
    ['nodes>=3', 'alpha beta'],
    ['nodes>3', 'beta'],
    ['nodes!=3', 'beta gamma'],
    ['version>=1.34', 'beta'],
    ['version=1.33', 'alpha'],
    ['version<1.34', 'alpha'],
    ['name~ET', 'beta'],
    ['label.team=web', 'alpha'],
    ['label.team!=web', 'beta gamma'],
    ['label.team="data science"', 'gamma'],
    ['label.team~data', 'gamma'],
    ['owner=ada', 'gamma'],
    ['label.constructor=x', ''],
    ['label.constructor!=x', 'alpha beta gamma'],
    ['purpose=production', 'gamma'],
    ['provisioner=sandbox engine=sandbox', 'alpha beta gamma'],
  ])('%s', (text, wanted) => {
    const matches = readConditions(text, now);
    expect(
      fleet
        .filter(matches)
        .map(({ name }) => name)
        .join(' '),
    ).toBe(wanted);
  });

  test.each(['colour=red', 'phase', 'age>soon', 'nodes>many', '=x', 'constructor=1', 'label.=x'])(
    '%s is refused by name',
    (text) => {
      expect(() => readConditions(text, now)(fleet[0] ?? sampleCluster('x'))).toThrow(text);
    },
  );

  // One bad condition may not depend on whether there is a cluster to test it on.
  test.each(['colour=red', 'constructor=1'])('%s is refused with no cluster at all', (text) => {
    expect(() => readConditions(text, now)).toThrow(text);
  });

  test('versions are compared by number', () => {
    expect(compareVersions('1.9.0', '1.10.0')).toBeLessThan(0);
    expect(compareVersions('v1.34.2', '1.34')).toBe(0);
    expect(compareVersions('1.34.2+k3s1', '1.34.1')).toBeGreaterThan(0);
  });
});

test('distance counts swaps as one', () => {
  expect([
    distance('clutser', 'cluster'),
    distance('', 'abc'),
    distance('abc', 'abc'),
    distance('kitten', 'sitting'),
  ]).toEqual([1, 3, 0, 3]);
});
