import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { asSetUp } from '../../src/core/engine-at.ts';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { heat } from '../../src/engines/heat/index.ts';
import { lacksOpenstack, type RealOpenstack, startRealOpenstack } from '../counterparts/openstack/real.ts';
import { callFor, faultOf } from './calls.ts';
import { drive, over } from './drive.ts';
import { type HeatHarness, openHeatHarness } from './heat-harness.ts';

const reference = readFileSync(
  new URL('../../src/engines/heat/templates/kubeadm-ubuntu.yaml', import.meta.url),
  'utf8',
);
const plain = readFileSync(new URL('../counterparts/openstack/cluster.yaml', import.meta.url), 'utf8');
const long = () => callFor(30_000);

describe('which provisioners of Heat can let a single machine go', () => {
  const why = (params: Record<string, unknown>) => asSetUp(heat, params).instead.retire;

  it('is those whose template stands there and counts groups of servers, or servers under conditions', () => {
    expect(asSetUp(heat, {}).capabilities.retire).toBe(true);
    expect(why({ template: reference })).toBeUndefined();
    expect(why({ templateUrl: 'https://git.example.com/k.yaml' })).toContain('must stand in the provisioner');
    // Its nodes are no servers.
    expect(why({ template: plain })).toContain('something else than groups of servers');
    const servers = plain.replaceAll('OS::Heat::TestResource', 'OS::Nova::Server');
    expect(why({ template: servers })).toBeUndefined();
    expect(why({ template: servers, nodeParameter: 'wait_seconds' })).toContain('groups of servers');
    const scaling = servers.replace('type: OS::Heat::ResourceGroup', 'type: OS::Heat::AutoScalingGroup');
    expect(asSetUp(heat, { template: scaling }).capabilities.retire).toBe(false);
  });
});

describe('machines of the Heat engine that are retired', () => {
  let harness: HeatHarness;
  let client: EngineClient;
  let count = 0;

  beforeAll(async () => {
    harness = await openHeatHarness({ createMs: 200 });
    client = await heat.connect(harness.params);
  });
  afterEach(() => harness.faults.clear());
  afterAll(async () => {
    await client.close();
    await harness.close();
  });

  async function made(more: Record<string, unknown> = {}): Promise<Target> {
    count += 1;
    const target = { org: 'default', cluster: `r${count}`, externalName: `kq-retire-${count}`, spec: harness.spec };
    const operation = (await client.create(target, { ...harness.spec, ...more }, long())).id;
    const seen = await over(client, { ...target, operation }, 10_000);
    expect(seen).toMatchObject({ state: 'running', outcome: 'done' });
    return { ...target, externalId: seen.externalId ?? '' };
  }

  /** Servers by the resource that they are. */
  function servers({ externalId }: Target): Record<string, { node: string; id: string }> {
    const stack = harness.cloud.world.stacks.get(externalId ?? '');
    const all = stack ? harness.cloud.world.servers(stack) : [];
    return Object.fromEntries(all.map(({ name, host, physicalId }) => [name, { node: host, id: physicalId }]));
  }

  const update = (pool: string, nodes: number, node = '', before = Date.now()) => ({
    ...{ pool, nodes, retire: { node, before } },
  });

  it('removes the gateway that is meant, whichever it is, and makes it anew when there are more again', async () => {
    const target = await made({ gateways: 3 });
    const before = servers(target);
    const node = before.gateway_0?.node;
    expect(await drive(client, target, update('gateways', 2, node), 10_000)).toBe(1);
    expect(servers(target)).toEqual({ ...before, gateway_0: undefined });
    expect(await client.observe(target, long())).toMatchObject({ state: 'running', nodes: 4 });
    expect(await client.update(target, update('gateways', 2, node), long())).toBeNull();
    // The last one by number goes without any change of the template.
    expect(await drive(client, target, update('gateways', 1, before.gateway_1?.node), 10_000)).toBe(1);
    expect(servers(target)).toEqual({ ...before, gateway_0: undefined, gateway_1: undefined });
    expect(await drive(client, target, { gateways: 3 }, 10_000)).toBe(1);
    const after = servers(target);
    expect(after.gateway_2).toEqual(before.gateway_2);
    expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort());
  });

  it('replaces a server that is in no group by marking it as unhealthy', async () => {
    const target = await made({ gateways: 2 });
    const before = servers(target);
    expect(await drive(client, target, { ...update('gateways', 2, before.gateway_0?.node) }, 10_000)).toBe(1);
    const after = servers(target);
    expect(after).toEqual({ ...before, gateway_0: after.gateway_0 });
    expect(after.gateway_0?.id).not.toBe(before.gateway_0?.id);
  });

  it('takes a machine that was made after the time for the new one, and another pool for a mistake', async () => {
    const target = await made({ gateways: 1 });
    const before = servers(target);
    const writes = await harness.writes();
    const asked = harness.cloud.seen.length;
    const node = before['0']?.node;
    expect(await client.update(target, update('workers', 2, node, Date.now() - 3_600_000), long())).toBeNull();
    // A worker is not to go for a gateway less, nor a gateway for a worker less.
    for (const [pool, nodes, wrong] of [
      ['gateways', 0, node],
      ['workers', 1, before.gateway_0?.node],
    ] as const) {
      const fault = await faultOf(client.update(target, update(pool, nodes, wrong), long()));
      expect(fault).toMatchObject({ kind: 'unsupported', retryable: false });
      expect(fault.next).toContain('Scale the pool by hand');
    }
    expect(servers(target)).toEqual(before);
    const changed = harness.cloud.seen.slice(asked).filter(({ line }) => /^(POST|PUT|PATCH|DELETE)/.test(line));
    expect(changed.every(({ line }) => !line.startsWith('PATCH') || line.endsWith('/preview'))).toBe(true);
    expect((await harness.writes()) - writes).toBe(1);
  });

  it('tries a removal that failed half-way again, and removes no second machine for it', async () => {
    const target = await made({ nodes: 3 });
    const before = servers(target);
    await harness.faults.failUpdates?.('The network is away.');
    const wanted = update('workers', 2, before['1']?.node);
    const operation = (await client.update(target, wanted, long()))?.id ?? '';
    expect(await over(client, { ...target, operation }, 10_000)).toMatchObject({ outcome: 'failed' });
    await harness.faults.clear();
    expect(await drive(client, target, wanted, 10_000)).toBe(1);
    expect(servers(target)).toEqual({ ...before, 1: undefined });
  });
});

describe.skipIf(lacksOpenstack())('machines that a real Heat lets go', () => {
  let cloud: RealOpenstack;
  let client: EngineClient;
  let nova: Server;
  /** What stands in for Nova says; the ids are those of resources at Heat. */
  let servers: { id: string; name: string; created: string }[] = [];
  const target: Target = { org: 'default', cluster: 'c1', externalName: 'kq-retired', spec: {} };

  beforeAll(async () => {
    cloud = await startRealOpenstack();
    nova = createServer((request, response) => {
      const name = new URL(request.url ?? '/', 'http://127.0.0.1').searchParams.get('name') ?? '';
      const body = { servers: servers.filter((each) => new RegExp(name, 'i').test(each.name)) };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    }).listen(0, '127.0.0.1');
    await once(nova, 'listening');
    const url = `http://127.0.0.1:${(nova.address() as AddressInfo).port}/v2.1`;
    const service = await cloud.keystone('POST', '/services', { service: { type: 'compute', name: 'nova' } });
    const { id } = (service.body as { service: { id: string } }).service;
    const endpoint = { service_id: id, interface: 'public', url, region_id: 'RegionOne' };
    await cloud.keystone('POST', '/endpoints', { endpoint });
    const template = parse(plain);
    template.resources.lonely = { type: 'OS::Heat::TestResource', condition: 'one', properties: { value: 'x' } };
    const one = { not: { equals: [{ get_param: 'gateway_count' }, 0] } };
    template.conditions = { one, two: { equals: [{ get_param: 'gateway_count' }, 2] } };
    template.resources.gate_0 = { type: 'OS::Heat::TestResource', condition: 'one', properties: { value: 'a' } };
    template.resources.gate_1 = { type: 'OS::Heat::TestResource', condition: 'two', properties: { value: 'b' } };
    client = await heat.connect({
      ...{ authUrl: `${cloud.keystoneUrl}/v3`, region: cloud.region, project: cloud.project },
      ...{ username: cloud.user.name, password: cloud.user.password, template: stringify(template) },
      hiddenParameters: 'registry_password=something-hidden',
    });
    const spec = { nodes: 3, gateways: 2, version: '1.33', zone: 'north-1' };
    const operation = (await client.create(target, spec, long())).id;
    const seen = await over(client, { ...target, operation }, 60_000);
    expect(seen).toMatchObject({ state: 'running', outcome: 'done' });
    target.externalId = seen.externalId ?? '';
  }, 180_000);

  afterAll(async () => {
    await client?.close();
    nova?.close();
    await cloud?.stop();
  }, 30_000);

  async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const { id, password } = cloud.user;
    const identity = { methods: ['password'], password: { user: { id, password } } };
    const auth = { identity, scope: { project: { id: cloud.projectId } } };
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const token = await fetch(`${cloud.keystoneUrl}/v3/auth/tokens`, {
      ...{ method: 'POST', headers, body: JSON.stringify({ auth }) },
    });
    const text = token.headers.get('x-subject-token') ?? '';
    const answer = await fetch(
      `${cloud.heatUrl}/v1/${cloud.projectId}/stacks/${target.externalName}/${target.externalId}${path}`,
      { method, headers: { ...headers, 'x-auth-token': text }, ...(body ? { body: JSON.stringify(body) } : {}) },
    );
    const said = await answer.text();
    expect(answer.status, said).toBeLessThan(300);
    return said.startsWith('{') ? JSON.parse(said) : said;
  }

  /** Physical ids by `group/member` or name; tells the stand-in of Nova the same. */
  async function look(): Promise<Record<string, string>> {
    const { resources } = (await ask('GET', '/resources?nested_depth=2')) as {
      resources: Record<'resource_name' | 'parent_resource' | 'physical_resource_id' | 'creation_time', string>[];
    };
    const named = resources.map((each) => {
      const name = each.parent_resource ? `${each.parent_resource}/${each.resource_name}` : each.resource_name;
      return { name, id: each.physical_resource_id, created: each.creation_time };
    });
    servers = named.map((each) => ({ ...each, name: each.name.replace(/[/_]/g, '-') }));
    return Object.fromEntries(named.map(({ name, id }) => [name, id]));
  }

  const workers = (all: Record<string, string>) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith('workers/')));

  it('replaces and removes members of a group, and remembers those that went', async () => {
    const before = workers(await look());
    expect(Object.keys(before).sort()).toEqual(['workers/0', 'workers/1', 'workers/2']);
    const retire = (node: string) => ({ node, before: Date.now() + 1_000 });
    expect(await drive(client, target, { nodes: 3, retire: retire('workers-1') }, 60_000).catch(String)).toBe(1);
    const { 'workers/1': _first, ...kept } = before;
    const replaced = workers(await look());
    expect(replaced).toEqual({ ...kept, 'workers/3': expect.any(String) });

    expect(await drive(client, target, { nodes: 2, retire: retire('workers-0') }, 60_000)).toBe(1);
    const { 'workers/0': _second, ...left } = replaced;
    expect(workers(await look())).toEqual(left);
    expect(await client.update(target, { nodes: 2, retire: retire('workers-0') }, long())).toBeNull();
    expect(await client.observe(target, long())).toMatchObject({ state: 'running', mine: true });
    // Scaling goes on with the template as it is now.
    expect(await drive(client, target, { nodes: 3 }, 60_000)).toBe(1);
    expect(workers(await look())).toEqual({ ...left, 'workers/4': expect.any(String) });
    const strange = await faultOf(client.update(target, { nodes: 2, retire: retire('no-such-node') }, long()));
    expect(strange).toMatchObject({ kind: 'not-found', field: 'node' });
  }, 120_000);

  it('replaces a resource of its own after it was marked as unhealthy, and no other', async () => {
    const before = await look();
    const retire = { node: 'lonely', before: Date.now() + 1_000 };
    const update = { pool: 'gateways', nodes: 2, retire };
    const operation = (await client.update(target, update, long()))?.id ?? '';
    expect(await over(client, { ...target, operation }, 60_000)).toMatchObject({ outcome: 'done', state: 'running' });
    const { resource } = (await ask('GET', '/resources/lonely')) as { resource: Record<string, string> };
    expect(resource.resource_status).toBe('CREATE_COMPLETE');
    const after = await look();
    expect({ ...after, lonely: '' }).toEqual({ ...before, lonely: '' });
    const made = Date.parse(servers.find(({ name }) => name === 'lonely')?.created ?? '');
    expect(made).toBeGreaterThan(Date.parse('2020-01-01'));
    const again = { ...update, retire: { ...retire, before: made - 1 } };
    expect(await client.update(target, again, long())).toBeNull();
    // What is there whatever the number of a pool is stays.
    const master = { ...update, retire: { ...retire, node: 'control-plane' } };
    expect(await faultOf(client.update(target, master, long()))).toMatchObject({ kind: 'unsupported' });
  }, 90_000);

  it('says beforehand what two conditions that change places make go, and does that', async () => {
    const before = await look();
    const template = (await ask('GET', '/template')) as { conditions: Record<string, unknown> };
    const { one, two } = template.conditions;
    const body = { existing: true, template: { ...template, conditions: { one: two, two: one } } };
    const asked = { ...body, parameters: { gateway_count: 1 } };
    const { resource_changes: said } = (await ask('PATCH', '/preview', asked)) as {
      resource_changes: Record<'deleted' | 'replaced', Record<string, string>[]>;
    };
    const gone = [...said.deleted, ...said.replaced].map(({ resource_name, resource_type }) => [
      resource_name,
      resource_type,
    ]);
    expect(gone).toEqual(expect.arrayContaining([['gate_0', 'OS::Heat::TestResource']]));
    expect(gone.map(([name]) => name)).not.toContain('gate_1');
    await ask('PATCH', '', asked);
    await over(client, target, 60_000);
    const after = await look();
    expect(after.gate_1).toBe(before.gate_1);
    expect(after).not.toHaveProperty('gate_0');
  }, 90_000);
});
