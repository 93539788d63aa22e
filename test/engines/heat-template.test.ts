import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { heat } from '../../src/engines/heat/index.ts';
import { lacksOpenstack, type RealOpenstack, startRealOpenstack } from '../counterparts/openstack/real.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { over } from './drive.ts';

const run = promisify(execFile);
const file = fileURLToPath(new URL('../../src/engines/heat/templates/kubeadm-ubuntu.yaml', import.meta.url));
const checker = fileURLToPath(new URL('../counterparts/openstack/check-template.py', import.meta.url));
const text = readFileSync(file, 'utf8');
const reference = parse(text) as Template;
const given = {
  flavor: 'm1.large',
  control_plane_flavor: 'm1.large',
  image: 'ubuntu',
  key_name: 'operators',
  external_network: 'public',
  api_cidr: '192.0.2.0/24',
};

interface Template {
  parameters: Record<string, unknown>;
  resources: Record<string, { type: string; properties: Record<string, unknown> | undefined }>;
}

interface Checked {
  resources: Record<string, { type: string; needs: string[] }>;
  order: string[];
  outputs: string[];
}

async function check(path: string, parameters: Record<string, unknown>): Promise<Checked> {
  const { stdout } = await run('/usr/bin/python3', [checker, path, JSON.stringify(parameters)], { maxBuffer: 1 << 24 });
  return JSON.parse(stdout) as Checked;
}

/** A script of the template as a machine gets it, its functions left out. */
function scriptOf(name: string): string {
  const { value } = reference.resources[name]?.properties ?? {};
  return typeof value === 'string' ? value : (value as { str_replace: { template: string } }).str_replace.template;
}

/** What a script writes into a file by `cat >FILE <<'WORD'`. */
function writtenBy(script: string, path: string): string {
  const found = new RegExp(`cat >${path} <<'(\\w+)'\\n([\\s\\S]*?)\\n\\1\\n`).exec(script);
  if (!found?.[2]) throw new Error(`nothing writes ${path}`);
  return `${found[2]}\n`;
}

describe.skipIf(lacksOpenstack())('the reference template', () => {
  let folder = '';

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kqueen-test-template-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is taken by Heat for every number of gateways', async () => {
    for (const gateways of [0, 1, 2, 3]) {
      const { resources, outputs } = await check(file, { ...given, gateway_count: gateways });
      const servers = Object.entries(resources).filter(([, { type }]) => type === 'OS::Nova::Server');
      expect(servers).toHaveLength(1 + gateways);
      const addresses = Object.values(resources).filter(({ type }) => type === 'OS::Neutron::FloatingIP');
      expect(addresses).toHaveLength(1 + gateways);
      expect(outputs).toEqual(['api_endpoint', 'gateway_addresses', 'kubeconfig']);
    }
  }, 120_000);

  it('makes machines when what they need is there', async () => {
    const { resources, order } = await check(file, { ...given, gateway_count: 1 });
    const before = (first: string, then: string) =>
      expect(order.indexOf(first), then).toBeLessThan(order.indexOf(then));
    before('router_interface', 'control_plane');
    before('joinable', 'workers');
    before('joinable', 'gateway_0');
    before('ready_handle', 'control_plane');
    // Waiting for a machine before it is made would wait for ever.
    expect(resources.ready?.needs).not.toContain('control_plane');
    expect(resources.control_plane?.needs).not.toContain('joinable');
  }, 60_000);

  it('is refused by the same check when it is broken', async () => {
    const broken: [string, string, string][] = [
      ['count: { get_param: node_count }', 'count: { get_param: nodes }', 'nodes'],
      ['          flavor: { get_param: flavor }', '          flavour: m1.large', 'flavour'],
      ['get_resource: subnet', 'get_resource: subnets', 'subnets'],
      ['type: OS::Nova::Server', 'type: OS::Nova::Sewer', 'OS::Nova::Sewer'],
      ['condition: one_gateway', 'condition: no_gateway', 'no_gateway'],
    ];
    await Promise.all(
      broken.map(async ([from, to, words], index) => {
        expect(text).toContain(from);
        const path = join(folder, `broken-${index}.yaml`);
        writeFileSync(path, text.replace(from, to));
        await expect(check(path, { ...given, gateway_count: 1 })).rejects.toThrow(words);
      }),
    );
    await expect(check(file, { ...given, gateway_count: 4 })).rejects.toThrow('0 to 3.');
  }, 120_000);

  it('replaces no machine when a script or a parameter changes', () => {
    const servers = Object.entries(reference.resources).flatMap(([name, { type, properties }]) => {
      const { resource_def } = (properties ?? {}) as {
        resource_def?: { type: string; properties: Record<string, unknown> };
      };
      const one = resource_def ?? { type, properties };
      return one.type === 'OS::Nova::Server' && one.properties ? [{ name, properties: one.properties }] : [];
    });
    expect(servers.map(({ name }) => name)).toEqual([
      'control_plane',
      'workers',
      'gateway_0',
      'gateway_1',
      'gateway_2',
    ]);
    const changeable = Object.entries(reference.parameters)
      .filter(([, each]) => (each as { immutable?: boolean }).immutable !== true)
      .map(([name]) => name);
    expect(changeable).toEqual(['node_count', 'gateway_count', 'kubernetes_version', 'api_cidr']);
    for (const { name, properties } of servers) {
      expect(properties.user_data_update_policy, name).toBe('IGNORE');
      const { user_data: _ignored, metadata: _inPlace, ...rest } = properties;
      for (const each of changeable) expect(JSON.stringify(rest), name).not.toContain(`"${each}"`);
    }
  });

  it('opens nothing but HTTP and HTTPS to everybody', () => {
    const rules = Object.values(reference.resources)
      .filter(({ type }) => type === 'OS::Neutron::SecurityGroup')
      .flatMap(({ properties }) => properties?.rules as Record<string, unknown>[]);
    const open = rules.filter(
      (rule) => rule.direction === 'ingress' && rule.remote_ip_prefix === undefined && rule.remote_mode === undefined,
    );
    expect(open.map(({ port_range_min, port_range_max }) => [port_range_min, port_range_max])).toEqual([
      [80, 80],
      [443, 443],
    ]);
  });

  it('writes scripts that bash and Python can read', async () => {
    const scripts = ['common_script', 'control_plane_script', 'node_script'].map(scriptOf);
    const [common = '', control = '', node = ''] = scripts;
    const parts: [string, string][] = [
      ['control-plane', `${common}\n${control}`],
      ['worker', `${common}\n${node}\njoin workers '[]'\n`],
      ['archive', writtenBy(common, '/usr/local/sbin/kqueen-archive')],
      ['ready', writtenBy(control, '/usr/local/sbin/kqueen-ready')],
      ['follow-control-plane', writtenBy(control, '/usr/local/sbin/kqueen-follow')],
      ['follow-worker', writtenBy(node, '/usr/local/sbin/kqueen-follow')],
    ];
    for (const [name, script] of parts) {
      expect(script.trimStart().startsWith('#!/bin/bash'), name).toBe(true);
      const path = join(folder, `${name}.sh`);
      writeFileSync(path, script);
      await run('/bin/bash', ['-n', path]);
    }
    const path = join(folder, 'signal.py');
    writeFileSync(path, writtenBy(common, '/usr/local/sbin/kqueen-signal'));
    await run('/usr/bin/python3', ['-m', 'py_compile', path]);
  });
});

describe.skipIf(lacksOpenstack())('the signals of the reference template and a real Heat', () => {
  let cloud: RealOpenstack;
  let client: EngineClient;
  let folder = '';
  const target: Target = { org: 'default', cluster: 'c1', externalName: 'kq-signals', spec: {} };
  const spec = { version: '1.33', nodes: 1 };
  const long = () => callFor(30_000);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kqueen-test-signals-'));
    cloud = await startRealOpenstack();
    const kept = [
      'join_handle',
      'joinable',
      'ready_handle',
      'ready',
      'versions',
      'bootstrap_first',
      'bootstrap_second',
    ];
    const { node_count, kubernetes_version } = reference.parameters;
    // The machines are left out; what they signal is sent by the test, with the script that they would have.
    const template = {
      ...{ heat_template_version: '2018-08-31', parameters: { node_count, kubernetes_version } },
      resources: Object.fromEntries(kept.map((name) => [name, reference.resources[name]])),
      outputs: {
        kubeconfig: { value: { get_attr: ['ready', 'data'] } },
        join_data: { value: { get_attr: ['joinable', 'data'] } },
        ready_signal: { value: { get_attr: ['ready_handle', 'signal'] } },
        join_signal: { value: { get_attr: ['join_handle', 'signal'] } },
        first: { value: { get_attr: ['bootstrap_first', 'value'] } },
        second: { value: { get_attr: ['bootstrap_second', 'value'] } },
      },
    };
    writeFileSync(join(folder, 'signal.py'), writtenBy(scriptOf('common_script'), '/usr/local/sbin/kqueen-signal'));
    client = await heat.connect({
      authUrl: cloud.keystoneUrl,
      username: cloud.user.name,
      password: cloud.user.password,
      project: cloud.project,
      template: JSON.stringify(template),
    });
  }, 180_000);

  afterAll(async () => {
    await client?.close();
    await cloud?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  /** Sends a signal as the control plane would. */
  async function signal(which: 'ready' | 'join', status: string, id: string, reason: string, data: string) {
    const place = join(folder, `${which}.json`);
    // Already JSON, which str_replace puts into the script as it is.
    writeFileSync(place, String(await known(`${which}_signal`)));
    const sending = run('/usr/bin/python3', [join(folder, 'signal.py'), place, status, id, reason]);
    sending.child.stdin?.end(data);
    await sending;
  }

  const known = (name: string) =>
    eventually(`${name} is known`, () => output(name), { timeoutMs: 20_000, everyMs: 200 });

  async function output(name: string): Promise<unknown> {
    const { user, projectId, keystoneUrl, heatUrl } = cloud;
    const password = { user: { id: user.id, password: user.password } };
    const auth = { identity: { methods: ['password'], password }, scope: { project: { id: projectId } } };
    const signedIn = await fetch(`${keystoneUrl}/v3/auth/tokens?nocatalog`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth }),
    });
    const headers = { 'x-auth-token': signedIn.headers.get('x-subject-token') ?? '' };
    const { externalId = '' } = await client.observe(target, long());
    const path = `/v1/${projectId}/stacks/${target.externalName}/${externalId}/outputs/${name}`;
    const answer = (await (await fetch(heatUrl + path, { headers })).json()) as { output: { output_value: unknown } };
    return answer.output.output_value;
  }

  function kubeconfig(server: string): string {
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'x' },
      clusters: [{ name: 'c', cluster: { server } }],
      users: [{ name: 'u', user: { token: 'made-by-the-test' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    };
    return Buffer.from(JSON.stringify(config)).toString('base64');
  }

  it('waits for the control plane, takes its kubeconfig, and waits again for an upgrade', async () => {
    const operation = (await client.create(target, spec, long())).id;
    await signal('join', 'SUCCESS', 'ca', '', 'f00d');
    expect(JSON.parse(String(await known('join_data')))).toEqual({ ca: 'f00d' });
    expect(await client.observe({ ...target, operation }, long())).toMatchObject({
      state: 'creating',
      outcome: 'running',
    });
    expect(await faultOf(client.kubeconfig(target, long()))).toMatchObject({ kind: 'conflict', retryable: true });
    expect(`${await known('first')}.${await known('second')}`).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}$/);

    await signal('ready', 'SUCCESS', '1.33', '', kubeconfig('https://198.51.100.1:6443'));
    const seen = await over(client, { ...target, operation }, 60_000);
    expect(seen).toMatchObject({ state: 'running', outcome: 'done', endpoint: 'https://198.51.100.1:6443' });
    expect(await client.kubeconfig(target, long())).toContain('198.51.100.1');

    expect((await client.upgrades(target, long())).map(({ value }) => value)).toEqual(['1.34']);
    const upgrade = (await client.update(target, { version: '1.34' }, long()))?.id ?? '';
    for (let looks = 0; looks < 3; looks += 1) {
      expect(await client.observe({ ...target, operation: upgrade }, long())).toMatchObject({ outcome: 'running' });
    }
    await signal('ready', 'SUCCESS', '1.33', '', kubeconfig('https://198.51.100.1:6443'));
    await signal('ready', 'SUCCESS', '1.34', '', kubeconfig('https://198.51.100.2:6443'));
    const after = await over(client, { ...target, operation: upgrade }, 60_000);
    expect(after).toMatchObject({ state: 'running', outcome: 'done', version: '1.34' });
    // The renewed kubeconfig counts.
    expect(after.endpoint).toBe('https://198.51.100.2:6443');
    expect(await client.kubeconfig(target, long())).toContain('198.51.100.2');
  }, 120_000);

  it('fails with the words of the control plane', async () => {
    const upgrade = (await client.update(target, { version: '1.35' }, long()))?.id ?? '';
    await signal('ready', 'FAILURE', '1.35', 'the upgrade to 1.35 failed; the log has the rest', '');
    const seen = await over(client, { ...target, operation: upgrade }, 60_000);
    expect(seen).toMatchObject({ state: 'running', outcome: 'failed' });
    expect(seen.message).toContain('the upgrade to 1.35 failed; the log has the rest');
  }, 120_000);
});
