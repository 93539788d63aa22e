import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { EngineClient, Observation, Target } from '../../src/core/ports/engine.ts';
import { heat } from '../../src/engines/heat/index.ts';
import { lacksOpenstack, type RealOpenstack, startRealOpenstack } from '../counterparts/openstack/real.ts';
import { callFor, faultOf } from './calls.ts';
import { drive, over } from './drive.ts';

const template = readFileSync(new URL('../counterparts/openstack/cluster.yaml', import.meta.url), 'utf8');
const hidden = 'a-hidden-value-of-the-test';
const spec = { nodes: 2, gateways: 0, version: '1.33', zone: 'north-1' };
const patienceMs = 60_000;

describe.skipIf(lacksOpenstack())('the Heat engine and a real Keystone and Heat', () => {
  let cloud: RealOpenstack;
  let params: Record<string, unknown>;
  let client: EngineClient;
  /** Runs into Heat's own time-out, a minute after the beginning. */
  let slow: Target;
  let count = 0;

  beforeAll(async () => {
    cloud = await startRealOpenstack();
    params = {
      authUrl: `${cloud.keystoneUrl}/v3`,
      region: cloud.region,
      username: cloud.user.name,
      password: cloud.user.password,
      project: cloud.project,
      template,
      hiddenParameters: `registry_password=${hidden}`,
    };
    client = await heat.connect(params);
    slow = aTarget();
    const hurried = await heat.connect({ ...params, timeoutMinutes: 1 });
    slow.operation = (await hurried.create(slow, { ...spec, wait_seconds: 600 }, long())).id;
    await hurried.close();
  }, 180_000);

  afterAll(async () => {
    await client?.close();
    await cloud?.stop();
  }, 30_000);

  const long = () => callFor(30_000);

  function aTarget(): Target {
    count += 1;
    return { org: 'default', cluster: `c${count}`, externalName: `kq-real-${count}`, spec };
  }

  async function made(more: Record<string, unknown> = {}): Promise<Target> {
    const target = aTarget();
    const operation = (await client.create(target, { ...spec, ...more }, long())).id;
    const seen = await over(client, { ...target, operation }, patienceMs);
    expect(seen).toMatchObject({ state: 'running', outcome: 'done', mine: true });
    return { ...target, ...(seen.externalId ? { externalId: seen.externalId } : {}) };
  }

  /** A request past the engine, as somebody else with the same account. */
  async function send(url: string, method: string, body?: unknown, token = ''): Promise<Response> {
    const headers = { 'content-type': 'application/json', accept: 'application/json', 'x-auth-token': token };
    return fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  }

  async function token(): Promise<string> {
    const { id, password } = cloud.user;
    const identity = { methods: ['password'], password: { user: { id, password } } };
    const auth = { identity, scope: { project: { id: cloud.projectId } } };
    const answer = await send(`${cloud.keystoneUrl}/v3/auth/tokens?nocatalog`, 'POST', { auth });
    return answer.headers.get('x-subject-token') ?? '';
  }

  async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const answer = await send(`${cloud.heatUrl}/v1/${cloud.projectId}${path}`, method, body, await token());
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }

  it('checks the account, the catalogue and the template', async () => {
    const result = await client.check(long());
    expect(result).toMatchObject({ state: 'OK' });
    const facts = Object.fromEntries(result.facts.map(({ label, value }) => [label, value]));
    expect(facts).toMatchObject({ Project: 'clusters', Region: 'RegionOne' });
    expect(facts.Parameters).toContain('workers = node_count, gateways = gateway_count, version = kubernetes_version');
    expect(facts.Roles).toContain('heat_stack_owner');
  });

  it('makes the form of what Heat says of the template', async () => {
    const { parameters = [] } = await client.options({}, long());
    const byKey = new Map(parameters.map((each) => [each.key, each]));
    expect([...byKey.keys()]).toEqual([
      ...['nodes', 'gateways', 'version', 'size', 'zone', 'stack_region', 'stack_name', 'monitoring', 'servers'],
      ...['extra', 'wait_seconds', 'broken', 'network_name'],
    ]);
    expect(byKey.get('nodes')).toEqual({
      ...{ key: 'nodes', label: 'Workers', help: 'One to four.', kind: 'number', required: false, default: 2 },
      ...{ min: 1, max: 4 },
    });
    expect(byKey.get('version')).toMatchObject({ kind: 'choice', choices: ['1.33', '1.34', '1.35'], default: '1.33' });
    expect(byKey.get('zone')).toMatchObject({ required: true, pattern: '[a-z]+-[0-9]', minLength: 3, maxLength: 12 });
    expect(byKey.get('servers')).toMatchObject({ kind: 'text', default: 'a,b' });
    expect(byKey.get('extra')).toMatchObject({ kind: 'multiline', default: '{"a":1}' });
    expect(byKey.get('monitoring')).toMatchObject({ kind: 'toggle', default: false });
  });

  it('refuses what the template does not take before anything is asked for', async () => {
    const refused: [Record<string, unknown>, string][] = [
      [{ nodes: 9 }, 'nodes'],
      [{ nodes: 1.5 }, 'nodes'],
      [{ gateways: -1 }, 'gateways'],
      [{ version: '0.9.9' }, 'version'],
      [{ zone: 'North' }, 'zone'],
      [{ zone: undefined }, 'zone'],
      [{ extra: '{' }, 'extra'],
      [{ monitoring: 'perhaps' }, 'monitoring'],
      [{ wait_seconds: 1.5 }, 'wait_seconds'],
      [{ no_such_parameter: 'x' }, 'no_such_parameter'],
      [{ registry_password: 'mine' }, 'registry_password'],
    ];
    const target = aTarget();
    for (const [change, field] of refused) {
      const fault = await faultOf(client.create(target, { ...spec, ...change }, long()));
      expect(fault, field).toMatchObject({ kind: 'bad-input', field, retryable: false });
    }
    expect((await client.observe(target, long())).state).toBe('absent');
  });

  it('makes a cluster with progress, shows it, and gives its kubeconfig', async () => {
    const target = aTarget();
    const operation = (await client.create(target, { ...spec, wait_seconds: 5 }, long())).id;
    expect((await client.create(target, spec, long())).id).toBe(operation);
    expect(await faultOf(client.kubeconfig(target, long()))).toMatchObject({ kind: 'conflict', retryable: true });
    const shown: Observation[] = [];
    for (;;) {
      const seen = await client.observe({ ...target, operation }, long());
      shown.push(seen);
      if (seen.state !== 'creating') break;
    }
    const last = shown.at(-1);
    expect(last).toMatchObject({ state: 'running', outcome: 'done', version: '1.33', nodes: 2 });
    expect(last?.endpoint).toBe('https://198.51.100.7:6443');
    expect(last?.pools).toEqual([
      { name: 'workers', nodes: 2, size: 'm1.small', bounds: { min: 1, max: 4 } },
      { name: 'gateways', nodes: 0, size: 'm1.small', bounds: { min: 0, max: 2 } },
    ]);
    const percents = shown.slice(0, -1).map(({ percent }) => percent ?? Number.NaN);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(percents[0]).toBeLessThan(Number(percents.at(-1)));
    expect(shown.map(({ step }) => step)).toContain('Creating control_plane');
    expect(await client.observe({ ...target, org: 'elsewhere' }, long())).toMatchObject({ mine: false });

    const config = parse(await client.kubeconfig(target, long())) as { users: { user: { token: string } }[] };
    expect(config.users[0]?.user.token).toHaveLength(32);
    const log = (await client.log(target, long())) ?? '';
    expect(log).toMatch(/CREATE_IN_PROGRESS kq-real-\d+ Stack CREATE started/);
    expect(log).toMatch(/CREATE_COMPLETE kq-real-\d+-workers-\w+\/1 state changed/);
    const listed = (await client.list(long())).find(({ externalName }) => externalName === target.externalName);
    expect(listed).toMatchObject({ cluster: target.cluster, org: 'default', owner: 'kqueen', where: 'RegionOne' });
    expect(listed?.spec).toMatchObject({
      nodes: 2,
      gateways: 0,
      version: '1.33',
      zone: 'north-1',
      stack_name: 'something',
    });
    expect(JSON.stringify([shown, listed, log])).not.toContain(hidden);
    expect(listed?.spec).not.toHaveProperty('registry_password');
  }, 90_000);

  it('scales the pools, within the bounds of the template, and upgrades', async () => {
    const target = await made();
    expect(await client.update(target, { nodes: 2 }, long())).toBeNull();
    for (const [update, field] of [
      [{ nodes: 5 }, 'nodes'],
      [{ nodes: 0 }, 'nodes'],
      [{ pool: 'gateways', nodes: 3 }, 'gateways'],
      [{ version: '1.99' }, 'version'],
    ] as const) {
      expect(await faultOf(client.update(target, update, long()))).toMatchObject({ kind: 'bad-input', field });
    }
    // Heat's own dry run names what an update would touch, and does not touch it.
    expect(await client.preview?.(target, { nodes: 2 }, long())).toBeNull();
    const preview = await client.preview?.(target, { nodes: 4 }, long());
    expect(preview).toMatchObject({ replaced: [], removed: [] });
    expect([...(preview?.updated ?? []), ...(preview?.added ?? [])].length).toBeGreaterThan(0);
    expect(await client.observe(target, long())).toMatchObject({ state: 'running', nodes: 2 });
    const operation = (await client.update(target, { nodes: 4 }, long()))?.id ?? '';
    const busy = await faultOf(client.update(target, { nodes: 3 }, long()));
    expect(busy).toMatchObject({ kind: 'conflict', retryable: true });
    expect(await client.observe({ ...target, operation }, long())).toMatchObject({
      ...{ state: 'updating', outcome: 'running', operation, percent: expect.any(Number) },
    });
    expect(await over(client, { ...target, operation }, patienceMs)).toMatchObject({
      ...{ state: 'running', outcome: 'done', nodes: 4, mine: true, endpoint: 'https://198.51.100.7:6443' },
    });
    expect(await drive(client, target, { pool: 'gateways', nodes: 1 }, patienceMs)).toBe(1);
    expect((await client.upgrades(target, long())).map(({ value }) => value)).toEqual(['1.34']);
    expect(await drive(client, target, { version: '1.34' }, patienceMs)).toBe(1);
    const seen = await client.observe(target, long());
    expect(seen).toMatchObject({ nodes: 5, version: '1.34', mine: true });
    // The first operation is not the last one any more, and nobody says that it runs.
    expect((await client.observe({ ...target, operation }, long())).outcome).not.toBe('running');
  }, 120_000);

  it('tells a create that failed by the words of the resource, and what it left behind', async () => {
    const target = aTarget();
    const operation = (await client.create(target, { ...spec, broken: true }, long())).id;
    const seen = await over(client, { ...target, operation }, patienceMs);
    expect(seen).toMatchObject({
      state: 'error',
      outcome: 'failed',
      message: 'Test Resource failed control_plane (control_plane)',
    });
    // The failed one has nothing of its own, and the pools were not begun.
    expect(seen.leftovers).toEqual(['credential (OS::Heat::RandomString)']);
    expect(seen.detail).toContain('Resource CREATE failed: ValueError: resources.control_plane: Test Resource failed');
    await client.delete(target, long());
    await absent(target);
  }, 90_000);

  it('tells an update that failed from the cluster, which goes on and can be changed again', async () => {
    const target = await made();
    const stack = `/stacks/${target.externalName}/${target.externalId}`;
    // Somebody breaks the stack by hand.
    expect((await ask('PATCH', stack, { parameters: { broken: true } })).status).toBe(202);
    const broken = await over(client, target, patienceMs);
    expect(broken).toMatchObject({ state: 'running', message: expect.stringContaining('Test Resource failed') });
    expect(broken.notes?.[0]).toContain('The last change of the stack failed.');
    const operation = (await client.update(target, { nodes: 3 }, long()))?.id ?? '';
    expect(await over(client, { ...target, operation }, patienceMs)).toMatchObject({
      outcome: 'failed',
      state: 'running',
    });
    expect((await ask('PATCH', stack, { parameters: { broken: false } })).status).toBe(202);
    expect(await over(client, target, patienceMs)).toMatchObject({ state: 'running', nodes: 3 });
  }, 120_000);

  it('reads a create that was rolled back as failed, and an update that was rolled back as not done', async () => {
    const careful = await heat.connect({ ...params, rollback: true });
    const target = aTarget();
    const operation = (await careful.create(target, { ...spec, broken: true }, long())).id;
    const seen = await over(careful, { ...target, operation }, patienceMs);
    const message = 'Rolled back: Test Resource failed control_plane (control_plane)';
    expect(seen).toMatchObject({ state: 'error', outcome: 'failed', message });
    expect(seen.leftovers).toBeUndefined();
    expect((await client.observe(target, long())).state).toBe('error');

    const other = await made();
    await ask('PATCH', `/stacks/${other.externalName}/${other.externalId}`, {
      parameters: { broken: true, node_count: 3 },
      disable_rollback: false,
    });
    const begun = await client.observe(other, long());
    const after = await over(careful, { ...other, operation: begun.operation ?? '' }, patienceMs);
    expect(after.outcome).toBe('failed');
    expect(['running', 'error']).toContain(after.state);
    await careful.close();
  }, 120_000);

  it('stops a cluster and starts it again', async () => {
    const target = await made();
    expect(await drive(client, target, { power: 'off' }, patienceMs)).toBe(1);
    expect((await client.observe(target, long())).state).toBe('stopped');
    expect(await faultOf(client.update(target, { nodes: 3 }, long()))).toMatchObject({
      kind: 'conflict',
      retryable: false,
    });
    expect(await drive(client, target, { power: 'on' }, patienceMs)).toBe(1);
    expect((await client.observe(target, long())).state).toBe('running');
  }, 120_000);

  it('deletes a cluster, also in the middle of its create, and knows that it is gone', async () => {
    const target = aTarget();
    await client.create(target, { ...spec, wait_seconds: 300 }, long());
    expect((await client.observe(target, long())).state).toBe('creating');
    const operation = (await client.delete(target, long()))?.id ?? '';
    expect(operation).toMatch(/^DELETE\//);
    expect((await client.delete(target, long()))?.id ?? operation).toBe(operation);
    await absent(target);
    expect(await client.observe({ ...target, operation }, long())).toMatchObject({ outcome: 'done' });
    expect(await client.delete(target, long())).toBeNull();
    // Heat shows a deleted stack for ever by its id.
    const externalId = operation.split('/')[1] ?? '';
    expect((await client.observe({ ...target, externalId }, long())).state).toBe('absent');
  }, 90_000);

  it('adopts a stack that somebody else made, keeps its tags, and lets it go', async () => {
    const target = aTarget();
    const parameters = { zone: 'south-2', registry_password: 'x', node_count: 1 };
    const foreign = {
      stack_name: target.externalName,
      template,
      parameters,
      tags: 'team=data',
      disable_rollback: true,
    };
    expect((await ask('POST', '/stacks', foreign)).status).toBe(201);
    // A stack that is no cluster is not offered.
    const other = { stack_name: 'a-network', template: 'heat_template_version: 2018-08-31\nresources: {}' };
    expect((await ask('POST', '/stacks', other)).status).toBe(201);
    await over(client, target, patienceMs);
    const work = [
      () => client.create(target, spec, long()),
      () => client.update(target, { nodes: 2 }, long()),
      () => client.delete(target, long()),
      () => client.kubeconfig(target, long()),
    ];
    for (const each of work) expect(await faultOf(each())).toMatchObject({ kind: 'conflict', retryable: false });
    const all = await client.list(long());
    expect(all.map(({ externalName }) => externalName)).not.toContain('a-network');
    const listed = all.find(({ externalName }) => externalName === target.externalName);
    expect(listed).toMatchObject({ nodes: 1, spec: { zone: 'south-2' } });
    expect(listed?.cluster).toBeUndefined();

    const operation = (await client.adopt(target, long()))?.id ?? '';
    expect(await over(client, { ...target, operation }, patienceMs)).toMatchObject({ outcome: 'done', mine: true });
    expect(await client.adopt(target, long())).toBeNull();
    expect(await drive(client, target, { nodes: 2 }, patienceMs)).toBe(1);
    const letGo = (await client.release(target, long()))?.id ?? '';
    expect(await over(client, { ...target, operation: letGo }, patienceMs)).toMatchObject({
      outcome: 'done',
      mine: false,
    });
    const { body } = await ask('GET', `/stacks/${target.externalName}`);
    expect(body).toMatchObject({ stack: { tags: ['team=data'], parameters: { node_count: '2' } } });
    expect(await client.release(target, long())).toBeNull();
  }, 120_000);

  it('tells wrong credentials, projects, regions and templates apart', async () => {
    const cases: [Record<string, unknown>, Record<string, unknown>, string][] = [
      [{ password: 'not-the-password' }, { kind: 'not-allowed', whose: 'admin' }, 'provisioner edit'],
      [{ username: 'nobody' }, { kind: 'not-allowed', whose: 'admin' }, 'provisioner edit'],
      [{ project: 'nowhere' }, { kind: 'not-found', whose: 'admin' }, 'Projects of this user: clusters.'],
      [{ region: 'Mars' }, { kind: 'not-found', whose: 'admin' }, 'public in RegionOne'],
      [{ interface: 'internal' }, { kind: 'not-found', whose: 'admin' }, 'public in RegionOne'],
    ];
    for (const [change, expected, next] of cases) {
      const other = await heat.connect({ ...params, ...change });
      const fault = await faultOf(other.observe(aTarget(), long()));
      expect(fault).toMatchObject({ ...expected, retryable: false, outcomeUnknown: false });
      expect(fault.next).toContain(next);
      expect((await other.check(long())).state).toBe('Error');
      await other.close();
    }
    // Ids do as well as names, and the address may end in /v3 or not.
    const byId = { ...params, username: cloud.user.id, project: cloud.projectId, authUrl: cloud.keystoneUrl };
    const other = await heat.connect(byId);
    expect((await other.check(long())).state).toBe('OK');
    await other.close();
    for (const [wrong, words] of [
      [template.replace('OS::Heat::RandomString', 'OS::Heat::NoSuchThing'), 'NoSuchThing'],
      [template.replace('get_attr: [credential, value]', 'get_attr: [no_such_resource, value]'), 'no_such_resource'],
    ] as const) {
      const broken = await heat.connect({ ...params, template: wrong });
      const fault = await faultOf(broken.options({}, long()));
      expect(fault).toMatchObject({ kind: 'bad-input', field: 'template', whose: 'admin' });
      expect(fault.message).toContain(words);
      expect(fault.detail).toMatch(/x-openstack-request-id: req-/);
      await broken.close();
    }
  }, 60_000);

  it('signs in again when its token was revoked', async () => {
    const other = await heat.connect(params);
    await other.list(long());
    // Setting a password, even the same one, ends all tokens of the user.
    await cloud.keystone('PATCH', `/users/${cloud.user.id}`, { user: { password: cloud.user.password } });
    // Keystone counts in seconds: what is issued in the same one is revoked with the rest.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await other.observe(aTarget(), long())).state).toBe('absent');
    const again = await other.create(aTarget(), spec, long());
    expect(again.id).toMatch(/^CREATE\//);
    await other.close();
  }, 60_000);

  it('looks with an application credential, and explains why it cannot create', async () => {
    const { user, keystoneUrl } = cloud;
    const path = `${keystoneUrl}/v3/users/${user.id}/application_credentials`;
    const wanted = { application_credential: { name: 'kqueen', unrestricted: true } };
    const answer = await send(path, 'POST', wanted, await token());
    const { application_credential: made } = (await answer.json()) as {
      application_credential: { id: string; secret: string };
    };
    const { username: _user, password: _password, project: _project, ...rest } = params;
    const other = await heat.connect({
      ...rest,
      applicationCredentialId: made.id,
      applicationCredentialSecret: made.secret,
    });
    expect((await other.check(long())).state).toBe('OK');
    const fault = await faultOf(other.create(aTarget(), spec, long()));
    expect(fault).toMatchObject({ kind: 'not-allowed', whose: 'admin', retryable: false });
    expect(fault.message).toContain('application credentials');
    expect(fault.next).toContain('user and password');
    await other.close();
  }, 60_000);

  it("reads Heat's own time-out as a failure", async () => {
    const seen = await over(client, slow, 120_000);
    expect(seen).toMatchObject({ state: 'error', outcome: 'failed' });
    expect(seen.message).toContain('Timed out');
    await client.delete(slow, long());
    await absent(slow);
  }, 180_000);

  async function absent(target: Target): Promise<void> {
    const seen = await over(client, target, patienceMs);
    expect(seen.state).toBe('absent');
  }
});
