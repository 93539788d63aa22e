import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Openstack, startOpenstack } from '../counterparts/openstack/index.ts';
import { serversAreRequired } from '../servers.ts';

const run = promisify(execFile);
const program = '/usr/bin/openstack';

/** True when Debian's `openstack` command is not here: prints the reason; throws with KQUEEN_CI=1. */
function lacksCommand(): boolean {
  // The stack commands are a plug-in from the package of Heat's own client.
  if (existsSync(program) && existsSync('/usr/lib/python3/dist-packages/heatclient/osc/plugin.py')) return false;
  const reason = 'not installed here: python3-openstackclient and python3-heatclient, which come with python3-heat';
  if (serversAreRequired()) throw new Error(reason);
  console.warn(`skipped: ${reason}`);
  return true;
}

const template = `
heat_template_version: 2018-08-31
parameters:
  node_count: { type: number, default: 2, constraints: [{ range: { min: 1, max: 3 }, description: One to three. }] }
resources:
  password: { type: OS::Heat::RandomString }
  workers:
    type: OS::Heat::ResourceGroup
    properties:
      count: { get_param: node_count }
      resource_def: { type: OS::Heat::TestResource, properties: { value: '%index%' } }
outputs:
  nodes: { value: { get_param: node_count } }
`;

describe.skipIf(lacksCommand())("Debian's openstack command and the loopback OpenStack", () => {
  let cloud: Openstack;
  let folder = '';

  beforeAll(async () => {
    cloud = await startOpenstack({ createMs: 300 });
    password = cloud.user.password;
    folder = mkdtempSync(join(tmpdir(), 'kqueen-test-cli-'));
    writeFileSync(join(folder, 'ca.pem'), cloud.ca);
    writeFileSync(join(folder, 'stack.yaml'), template);
  });
  afterAll(async () => {
    await cloud?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  let password = '';

  async function openstack(...args: string[]): Promise<string> {
    const env = {
      ...{ PATH: '/usr/bin:/bin', HOME: folder, LANG: 'C.UTF-8', OS_IDENTITY_API_VERSION: '3' },
      ...{ OS_AUTH_URL: `https://127.0.0.1:${cloud.keystonePort}/v3`, OS_CACERT: join(folder, 'ca.pem') },
      ...{ OS_USERNAME: cloud.user.name, OS_PASSWORD: password, OS_PROJECT_NAME: cloud.project.name },
      ...{ OS_USER_DOMAIN_NAME: 'Default', OS_PROJECT_DOMAIN_NAME: 'Default', OS_REGION_NAME: 'RegionOne' },
    };
    const { stdout } = await run(program, args, { env, cwd: folder, timeout: 60_000 });
    return stdout;
  }

  async function shown<T>(...args: string[]): Promise<T> {
    return JSON.parse(await openstack(...args, '-f', 'json')) as T;
  }

  it('makes, shows, scales and deletes a stack', async () => {
    const created = ['stack', 'create', '--wait', '--poll', '1', '--tags', 'team=data', '-t', 'stack.yaml', 'one'];
    expect(await openstack(...created)).toContain('CREATE_COMPLETE');
    const stack = await shown<{ id: string; stack_status: string; parameters: Record<string, string> }>(
      ...['stack', 'show', 'one'],
    );
    expect(stack).toMatchObject({ stack_status: 'CREATE_COMPLETE', parameters: { node_count: '2' } });
    const output = await shown<{ output_value: string }>('stack', 'output', 'show', 'one', 'nodes');
    expect(String(output.output_value)).toBe('2');
    const resources = await shown<{ resource_name: string; resource_status: string }[]>(
      ...['stack', 'resource', 'list', '--nested-depth', '2', 'one'],
    );
    expect(resources.map(({ resource_name }) => resource_name).sort()).toEqual(['0', '1', 'password', 'workers']);
    expect(new Set(resources.map(({ resource_status }) => resource_status))).toEqual(new Set(['CREATE_COMPLETE']));

    const scale = ['stack', 'update', '--existing', '--wait', '--parameter'];
    expect(await openstack(...scale, 'node_count=3', 'one')).toContain('UPDATE_COMPLETE');
    await expect(openstack(...scale, 'node_count=9', 'one')).rejects.toThrow('One to three.');
    const list = await shown<Record<string, string>[]>('stack', 'list', '--tags', 'team=data');
    expect(list).toHaveLength(1);
    expect(list[0]).toMatchObject({ 'Stack Name': 'one', 'Stack Status': 'UPDATE_COMPLETE', ID: stack.id });
    const events = await openstack('stack', 'event', 'list', 'one');
    expect(events).toContain('Stack UPDATE completed successfully');

    await openstack('stack', 'delete', '--yes', '--wait', 'one');
    await expect(openstack('stack', 'show', 'one')).rejects.toThrow('Stack not found: one');
    expect(await shown<unknown[]>('stack', 'list')).toEqual([]);
  }, 120_000);

  it('is told of a failure and of a wrong password as a cloud tells it', async () => {
    cloud.world.mood.failCreates = 'No valid host was found.';
    const failing = openstack('stack', 'create', '--wait', '--poll', '1', '-t', 'stack.yaml', 'two');
    await expect(failing).rejects.toThrow('CREATE_FAILED');
    expect(await openstack('stack', 'failures', 'list', 'two')).toContain('No valid host was found.');
    cloud.world.mood.failCreates = null;
    password = 'something-else';
    await expect(openstack('stack', 'list')).rejects.toThrow('HTTP 401');
    password = cloud.user.password;
  }, 120_000);

  it('validates the reference template', async () => {
    const reference = new URL('../../src/engines/heat/templates/kubeadm-ubuntu.yaml', import.meta.url).pathname;
    const validated = await openstack('orchestration', 'template', 'validate', '-t', reference);
    expect(validated).toContain('kubernetes_version');
  }, 60_000);
});
