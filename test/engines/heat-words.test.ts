import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterSchema, readValues } from '../../src/core/schema.ts';
import { heat } from '../../src/engines/heat/index.ts';
import { endpointFrom, readKubeconfig } from '../../src/engines/heat/kubeconfig.ts';
import { askedParameters, boundsOf, heatParameters, keysFor, specOf } from '../../src/engines/heat/parameters.ts';
import { failureOf, leftoversOf, progressOf } from '../../src/engines/heat/progress.ts';
import { HeatProvisioner, readFixed, templateProblem } from '../../src/engines/heat/schema.ts';
import { handleOf, outcomeOf, readHandle, stateOf, writeHandle } from '../../src/engines/heat/states.ts';
import { fromTemplate } from '../../src/engines/heat/template-parameter.ts';
import { isInner } from '../../src/engines/heat/template-url.ts';
import { newerVersions } from '../../src/engines/heat/versions.ts';
import type { Resource, Stack } from '../../src/engines/heat/wire.ts';

const account = { authUrl: 'https://cloud.example.com:5000', username: 'u', password: 'p', project: 'q' };
const params = HeatProvisioner.parse(account);

function aStack(stack_status: string, updated_time: string | null = null): Stack {
  return { id: 's1', stack_name: 'kq-1', stack_status, updated_time, parameters: {} };
}

describe('the states of a stack', () => {
  it('are told by action and status, and never guessed', () => {
    const expected: [string, string][] = [
      ['CREATE_IN_PROGRESS', 'creating'],
      ['CREATE_COMPLETE', 'running'],
      ['CREATE_FAILED', 'error'],
      ['UPDATE_IN_PROGRESS', 'updating'],
      ['UPDATE_COMPLETE', 'running'],
      ['UPDATE_FAILED', 'running'],
      ['ROLLBACK_IN_PROGRESS', 'updating'],
      ['ROLLBACK_COMPLETE', 'running'],
      ['ROLLBACK_FAILED', 'running'],
      ['SUSPEND_IN_PROGRESS', 'updating'],
      ['SUSPEND_COMPLETE', 'stopped'],
      ['SUSPEND_FAILED', 'error'],
      ['RESUME_IN_PROGRESS', 'updating'],
      ['RESUME_COMPLETE', 'running'],
      ['RESUME_FAILED', 'error'],
      ['CHECK_COMPLETE', 'running'],
      ['CHECK_FAILED', 'running'],
      ['SNAPSHOT_IN_PROGRESS', 'updating'],
      ['RESTORE_FAILED', 'error'],
      ['ADOPT_COMPLETE', 'running'],
      ['DELETE_IN_PROGRESS', 'deleting'],
      ['DELETE_COMPLETE', 'absent'],
      ['DELETE_FAILED', 'error'],
      ['INIT_COMPLETE', 'creating'],
    ];
    for (const [status, state] of expected) expect(stateOf(status), status).toBe(state);
    const known = new Set(expected.map(([status]) => status));
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('constructor_COMPLETE', '__proto___FAILED', 'CREATE_')),
        (text) => {
          if (!known.has(text)) expect(stateOf(text)).toBe('unknown');
        },
      ),
    );
  });

  it('tell how an operation stands, and only that one', () => {
    const create = { action: 'CREATE', stack: 's1' } as const;
    const update = { action: 'UPDATE', stack: 's1', since: '2026-01-01T00:00:05Z' } as const;
    const late = { ...update, since: '>2026-01-01T00:00:05Z' };
    expect(outcomeOf(create, aStack('CREATE_IN_PROGRESS'), false)).toBe('running');
    expect(outcomeOf(create, aStack('CREATE_FAILED'), false)).toBe('failed');
    expect(outcomeOf(create, aStack('ROLLBACK_IN_PROGRESS', '2026-01-01T00:00:09Z'), true)).toBe('running');
    expect(outcomeOf(create, aStack('ROLLBACK_COMPLETE', '2026-01-01T00:00:09Z'), true)).toBe('failed');
    expect(outcomeOf(create, aStack('UPDATE_FAILED', '2026-01-01T00:00:09Z'), false)).toBe('done');
    expect(outcomeOf(create, aStack('DELETE_IN_PROGRESS'), false)).toBeUndefined();
    expect(outcomeOf({ ...create, stack: 'other' }, aStack('CREATE_COMPLETE'), false)).toBeUndefined();
    expect(outcomeOf(update, aStack('UPDATE_COMPLETE', update.since), false)).toBe('done');
    expect(outcomeOf(update, aStack('UPDATE_COMPLETE', '2026-01-01T00:00:09Z'), false)).toBeUndefined();
    expect(outcomeOf(update, aStack('ROLLBACK_COMPLETE', '2026-01-01T00:00:09Z'), false)).toBe('failed');
    expect(outcomeOf(update, aStack('CREATE_COMPLETE'), false)).toBeUndefined();
    expect(outcomeOf(late, aStack('UPDATE_IN_PROGRESS', '2026-01-01T00:00:09Z'), false)).toBe('running');
    expect(outcomeOf(late, aStack('UPDATE_FAILED', update.since), false)).toBeUndefined();
    for (const each of [create, update, late]) expect(readHandle(writeHandle(each))).toEqual(each);
    for (const text of [undefined, '', 'x', 'EXPLODE/s1', 'CREATE/']) expect(readHandle(text)).toBeNull();
    expect(handleOf(aStack('HIBERNATE_COMPLETE'), false)).toBeNull();
  });
});

describe('progress by resources', () => {
  const base = 'https://heat/v1/p/stacks';
  function resource(name: string, resource_status: string, home = 'kq-1/s1', nested?: string): Resource {
    const links = [{ rel: 'stack', href: `${base}/${home}` }];
    if (nested) links.push({ rel: 'nested', href: `${base}/${nested}` });
    return { resource_name: name, resource_type: 'T', resource_status, links, physical_resource_id: 'x' };
  }

  it('only grows while nested stacks come to light, and counts nothing that has not begun', () => {
    const group = 'kq-1-workers-abcdefghijkl/s2';
    const server = 'kq-1-workers-abcdefghijkl-0-mnopqrstuvwx/s3';
    const looks = [
      [resource('network', 'INIT_COMPLETE'), resource('workers', 'INIT_COMPLETE')],
      [resource('network', 'CREATE_IN_PROGRESS'), resource('workers', 'INIT_COMPLETE')],
      [resource('network', 'CREATE_COMPLETE'), resource('workers', 'CREATE_IN_PROGRESS', 'kq-1/s1', group)],
      [
        resource('network', 'CREATE_COMPLETE'),
        resource('workers', 'CREATE_IN_PROGRESS', 'kq-1/s1', group),
        resource('0', 'CREATE_IN_PROGRESS', group, server),
        resource('1', 'INIT_COMPLETE', group),
      ],
      [
        resource('network', 'CREATE_COMPLETE'),
        resource('workers', 'CREATE_IN_PROGRESS', 'kq-1/s1', group),
        resource('0', 'CREATE_IN_PROGRESS', group, server),
        resource('port', 'CREATE_COMPLETE', server),
        resource('machine', 'CREATE_IN_PROGRESS', server),
        resource('1', 'CREATE_COMPLETE', group),
      ],
      [resource('network', 'CREATE_COMPLETE'), resource('workers', 'CREATE_COMPLETE', 'kq-1/s1', group)],
    ];
    const seen = looks.map((each) => progressOf(aStack('CREATE_IN_PROGRESS'), each, []));
    expect(seen.map(({ percent }) => percent)).toEqual([0, 0, 50, 50, 82, 99]);
    expect(seen.map(({ step }) => step)).toEqual([
      ...[undefined, 'Creating network', 'Creating workers', 'Creating workers/0', 'Creating machine', undefined],
    ]);
  });

  it('gives the first useful sentence of a failure, and what it left behind', () => {
    const failed = { ...resource('0', 'CREATE_FAILED', 'kq-1-workers-abcdefghijkl/s2') };
    const reason =
      'ResourceInError: resources.workers.resources[0]: Went to status ERROR due to "No valid host was found."';
    failed.resource_status_reason = reason;
    const stack = { ...aStack('CREATE_FAILED'), stack_status_reason: `Resource CREATE failed: ${reason}` };
    const all = [
      resource('network', 'CREATE_COMPLETE'),
      resource('workers', 'CREATE_FAILED', 'kq-1/s1', 'kq-1-workers-abcdefghijkl/s2'),
      resource('ready', 'INIT_COMPLETE'),
      failed,
    ];
    const { message, detail } = failureOf(stack, all, []);
    expect(message).toBe('Went to status ERROR due to "No valid host was found." (workers/0)');
    expect(detail).toContain(reason);
    expect(leftoversOf(stack, all)).toEqual(['network (T)', 'workers (T)']);
    const late = { ...aStack('CREATE_FAILED'), stack_status_reason: 'Timed out' };
    expect(failureOf(late, [resource('ready', 'CREATE_FAILED')], []).message).toBe('Timed out while working on ready.');
    expect(failureOf(aStack('UPDATE_FAILED'), [], []).message).toBe('Heat does not say why.');
  });
});

describe('a kubeconfig in an output', () => {
  const yaml = [
    'apiVersion: v1',
    'kind: Config',
    'clusters: [{ name: other, cluster: { server: "https://wrong:1" } }, { name: c, cluster: { server: "https://10.1.2.3:6443" } }]',
    'contexts: [{ name: x, context: { cluster: c, user: u } }]',
    'users: [{ name: u, user: { token: abc } }]',
    'current-context: x',
  ].join('\n');
  const base64 = Buffer.from(yaml).toString('base64');

  it('is read however a template wraps it', () => {
    const wrapped = [
      yaml,
      base64,
      base64.replace(/(.{76})/g, '$1\n'),
      JSON.stringify({ '1': yaml }),
      JSON.stringify({ '1.9': 'nothing', '1.10': base64 }),
      { kubeconfig: base64 },
      [yaml],
    ];
    for (const each of wrapped) expect(readKubeconfig(each)?.server, String(each)).toBe('https://10.1.2.3:6443');
    const older = Buffer.from(yaml.replace('10.1.2.3', '10.9.9.9')).toString('base64');
    expect(readKubeconfig(JSON.stringify({ '1.9': older, '1.10': base64 }))?.server).toBe('https://10.1.2.3:6443');
    for (const none of [null, undefined, '', '{}', 'http://10.0.0.1/config', 'kind: Config', 42, [], 'x'.repeat(60)]) {
      expect(readKubeconfig(none)).toBeNull();
    }
  });

  it('does not keep the address of the API from being named apart', () => {
    const outputs = new Map<string, unknown>([
      ['api_address', '10.0.0.9'],
      ['mine', 'https://api.example.com:443/'],
      ['six', '2001:db8::1'],
      ['list', ['10.0.0.8']],
    ]);
    expect(endpointFrom(outputs, undefined)).toBe('https://10.0.0.9:6443');
    expect(endpointFrom(outputs, 'mine')).toBe('https://api.example.com:443');
    expect(endpointFrom(outputs, 'six')).toBe('https://[2001:db8::1]:6443');
    expect(endpointFrom(outputs, 'list')).toBe('https://10.0.0.8:6443');
    expect(endpointFrom(outputs, 'absent')).toBeUndefined();
  });
});

describe('the parameters of a template', () => {
  const template = {
    parameters: {
      minions: { type: 'number', constraints: [{ allowed_values: [1, 3, 5] }] },
      ingress_count: { type: 'number', default: 0 },
      version: { type: 'string', default: 'v1.33.1' },
      password: { type: 'string', hidden: true },
      'public net': { type: 'string', default: 'ext' },
      'public-net': { type: 'string', default: '' },
      nodes_extra: { type: 'json', default: {} },
    },
  };
  const all = fromTemplate(template);
  const names = all.map(({ name }) => name);
  const keys = keysFor(names, params);

  it('get keys that no field of the provisioner and no argument has, the same in any order', () => {
    const wanted = { minions: 'nodes', ingress_count: 'gateways', version: 'version', password: 'stack_password' };
    expect(Object.fromEntries(keys.keys)).toMatchObject({
      ...wanted,
      'public-net': 'public-net',
      'public net': 'public_net',
    });
    const words = ['name', 'region', 'stack_name', 'template', 'nodes', '1st', 'a b', 'a-b', 'a_b', 'labels', 'nodes2'];
    fc.assert(
      fc.property(fc.shuffledSubarray(words, { minLength: words.length }), (some) => {
        const made = keysFor(some, params);
        expect(Object.fromEntries(made.keys)).toEqual(Object.fromEntries(keysFor(words, params).keys));
        const values = [...made.keys.values()];
        expect(new Set(values).size).toBe(values.length);
        for (const each of values) {
          expect(Object.hasOwn(HeatProvisioner.shape, each)).toBe(false);
          expect(each).toMatch(/^[a-z][\w-]*$/i);
        }
      }),
    );
    expect(keysFor(['a', 'node_count'], { ...params, nodeParameter: 'a' }).roles.nodes).toBe('a');
    expect(keysFor(['node_count'], { ...params, nodeParameter: 'absent' }).roles.nodes).toBeUndefined();
  });

  it('become the form, and what is filled in becomes parameters again', () => {
    const asked = askedParameters(all, keys, new Set(['public net']), new Map([['public-net', ['one', 'two']]]));
    expect(asked.map(({ key }) => key)).toEqual(['nodes', 'gateways', 'version', 'public-net', 'nodes_extra']);
    expect(asked[0]).toMatchObject({ kind: 'choice', choices: ['1', '3', '5'], required: true });
    const read = readValues(clusterSchema(heat.cluster, asked), { nodes: '3', 'public-net': 'two' });
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    const spec = read.value as Record<string, unknown>;
    expect(heat.nodes(spec)).toBe(3);
    const fixed = new Map([
      ['password', 'secret-of-the-test'],
      ['public net', 'ext-2'],
    ]);
    expect(heatParameters(spec, all, keys, fixed)).toEqual({
      ...{ minions: 3, ingress_count: 0, version: 'v1.33.1', 'public-net': 'two', nodes_extra: '{}' },
      ...{ password: 'secret-of-the-test', 'public net': 'ext-2' },
    });
    expect(() => heatParameters(spec, all, keys, new Map())).toThrow(
      expect.objectContaining({ field: 'hiddenParameters' }),
    );
    expect(() => heatParameters({ ...spec, nodes: 4 }, all, keys, fixed)).toThrow(
      expect.objectContaining({ field: 'nodes' }),
    );
    expect(boundsOf(all, keys)).toEqual({ nodes: { min: 1, max: 5 }, gateways: { min: 0, max: 500 } });
    const stack = { 'OS::stack_id': 'x', minions: '3', ingress_count: '1', password: '******', version: 'v1.33.1' };
    expect(specOf(stack, keys)).toEqual({ nodes: 3, gateways: 1, version: 'v1.33.1' });
  });

  it('may also be of the older kind', () => {
    const cfn = {
      Parameters: { Workers: { Type: 'Number', MinValue: 1, MaxValue: '9', NoEcho: 'true', Default: '2' } },
    };
    expect(fromTemplate(cfn)).toEqual([
      { name: 'Workers', type: 'number', hidden: true, immutable: false, min: 1, max: 9, default: 2 },
    ]);
  });
});

describe('the Heat engine without a cloud', () => {
  const spec = { nodes: 3, gateways: 1, version: '1.34', size: 'm1.large' };

  it('describes, counts, prices and changes a spec', () => {
    expect(heat.describe(spec)).toBe('4 nodes (1 of them a gateway) of m1.large, Kubernetes 1.34');
    expect(heat.describe({})).toBe('0 nodes');
    expect(heat.nodes(spec)).toBe(4);
    expect(heat.pools(spec)).toEqual([
      { name: 'workers', nodes: 3, size: 'm1.large' },
      { name: 'gateways', nodes: 1, size: 'm1.large' },
    ]);
    const list = 'currency: EUR\ncontrolPlane: 0.1\nsizes: { m1.large: 0.2 }';
    expect(heat.price(spec, list)).toMatchObject({ perHour: 0.9, currency: 'EUR' });
    expect(heat.price({ ...spec, size: 'm9' }, list)).toBeNull();
    expect(heat.after(spec, { pool: 'gateways', nodes: 0 })).toEqual({ ...spec, gateways: 0 });
    for (const [update, field] of [
      [{ nodes: 0 }, 'nodes'],
      [{ nodes: 1.5 }, 'nodes'],
      [{ nodes: 501 }, 'nodes'],
      [{ pool: 'gateways', nodes: -1 }, 'gateways'],
      [{ pool: 'others', nodes: 1 }, 'pool'],
      [{ version: 'a b' }, 'version'],
    ] as const) {
      expect(() => heat.after(spec, update)).toThrow(expect.objectContaining({ kind: 'bad-input', field }));
    }
    expect(() => heat.after({ nodes: 1 }, { pool: 'gateways', nodes: 1 })).toThrow(
      'no parameter for the number of gateways',
    );
  });

  it('offers the next minor version at most', () => {
    const offered = ['1.35', '1.34', '1.33', 'v1.33.5', 'latest', '2.0'];
    expect(newerVersions(offered, '1.33').map(({ value }) => value)).toEqual(['1.34', 'v1.33.5']);
    expect(newerVersions(offered, '1.35')).toEqual([]);
    expect(newerVersions(offered, 'latest')).toEqual([]);
  });

  it('wants an account or an application credential, and one template', () => {
    const good = (more: Record<string, unknown>) => HeatProvisioner.safeParse({ ...account, ...more });
    expect(good({}).success).toBe(true);
    const { authUrl } = account;
    const credential = { authUrl, applicationCredentialId: 'a', applicationCredentialSecret: 'b' };
    expect(HeatProvisioner.safeParse(credential).success).toBe(true);
    const wrong: [Record<string, unknown>, string][] = [
      [{ password: undefined }, 'password'],
      [{ username: '' }, 'username'],
      [{ project: undefined }, 'project'],
      [{ applicationCredentialId: 'a', applicationCredentialSecret: 'b' }, 'username'],
      [{ authUrl: 'http://cloud.example.com' }, 'authUrl'],
      [{ authUrl: 'https://me:secret@cloud.example.com' }, 'authUrl'],
      [{ templateUrl: 'http://git.example.com/x.yaml' }, 'templateUrl'],
      [{ template: 'heat_template_version: 2018-08-31', templateUrl: 'https://git.example.com/x' }, 'templateUrl'],
      [{ template: 'nonsense' }, 'template'],
      [{ template: 'resources: {}' }, 'template'],
      [{ template: 'a: [' }, 'template'],
      [{ hiddenParameters: 'no equals sign' }, 'hiddenParameters'],
      [{ timeoutMinutes: 0 }, 'timeoutMinutes'],
      [{ prices: 'sizes: 3' }, 'prices'],
    ];
    for (const [change, key] of wrong) {
      expect(
        good(change).error?.issues.map(({ path }) => path[0]),
        JSON.stringify(change),
      ).toContain(key);
    }
    expect(templateProblem(`heat_template_version: 1\n# ${'x'.repeat(524_288)}`)).toContain('512 KiB');
    expect(readFixed('# a comment\n\na = 1\nb=c=d, e\n')).toEqual(
      new Map([
        ['a', '1'],
        ['b', 'c=d, e'],
      ]),
    );
  });

  it('knows the addresses that are nobody else to read', () => {
    const inner = [
      '127.0.0.1',
      '10.1.2.3',
      '172.31.0.1',
      '192.168.9.9',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '::1',
    ];
    for (const each of [...inner, 'fd00::1', 'fe80::1', '::ffff:10.0.0.1', '240.0.0.1', 'not an address']) {
      expect(isInner(each), each).toBe(true);
    }
    for (const each of ['9.9.9.9', '172.32.0.1', '2620:fe::fe', '::ffff:9.9.9.9'])
      expect(isInner(each), each).toBe(false);
  });
});
