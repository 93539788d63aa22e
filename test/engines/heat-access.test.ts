import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { heat } from '../../src/engines/heat/index.ts';
import { callFor, faultOf } from './calls.ts';
import { drive, over } from './drive.ts';
import { type HeatHarness, openHeatHarness } from './heat-harness.ts';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

describe('the Heat engine and its cloud', () => {
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

  function aTarget(): Target {
    count += 1;
    return { org: 'default', cluster: `a${count}`, externalName: `kq-access-${count}`, spec: harness.spec };
  }

  async function made(more: Record<string, unknown> = {}): Promise<Target> {
    const target = aTarget();
    const operation = (await client.create(target, { ...harness.spec, ...more }, callFor())).id;
    const seen = await over(client, { ...target, operation }, 10_000);
    expect(seen).toMatchObject({ state: 'running', outcome: 'done' });
    return { ...target, ...(seen.externalId ? { externalId: seen.externalId } : {}) };
  }

  async function using<T>(change: Record<string, unknown>, work: (other: EngineClient) => Promise<T>): Promise<T> {
    const other = await heat.connect({ ...harness.params, ...change });
    try {
      return await work(other);
    } finally {
      await other.close();
    }
  }

  const signIns = () => harness.cloud.seen.filter(({ line }) => line === 'POST /v3/auth/tokens').length;

  it('signs in once for all calls, again before the token ends, and again when it is refused', async () => {
    await using({}, async (other) => {
      const before = signIns();
      await Promise.all(Array.from({ length: 6 }, () => other.observe(aTarget(), callFor())));
      await other.list(callFor());
      expect(signIns() - before).toBe(1);
      harness.cloud.keystone.tokens.clear();
      await Promise.all([other.list(callFor()), other.create(aTarget(), harness.spec, callFor())]);
      expect(signIns() - before).toBeGreaterThan(1);
    });
    harness.cloud.keystone.tokenMs = 2_000;
    await using({}, async (other) => {
      const before = signIns();
      await other.observe(aTarget(), callFor());
      await new Promise((resolve) => setTimeout(resolve, 1_600));
      await other.observe(aTarget(), callFor());
      // Its end came near before Heat could refuse it.
      expect(signIns() - before).toBe(2);
    });
    harness.cloud.keystone.tokenMs = 3_600_000;
  });

  it('looks at a cluster that runs with one request, and at one that is made with two', async () => {
    const target = await made();
    await client.observe(target, callFor());
    const before = harness.cloud.requests();
    await client.observe(target, callFor());
    expect(harness.cloud.requests() - before).toBe(1);
    await harness.faults.stall();
    const other = aTarget();
    const operation = (await client.create(other, harness.spec, callFor())).id;
    const { externalId = '' } = await client.observe({ ...other, operation }, callFor());
    const middle = harness.cloud.requests();
    await client.observe({ ...other, operation, externalId }, callFor());
    expect(harness.cloud.requests() - middle).toBe(2);
  });

  it('scales workers and gateways of the reference template apart, each within its bounds', async () => {
    const target = await made({ gateways: 1 });
    const seen = await client.observe(target, callFor());
    expect(seen.pools).toEqual([
      { name: 'workers', nodes: 2, size: 'm1.large', bounds: { min: 1, max: 50 } },
      { name: 'gateways', nodes: 1, size: 'm1.large', bounds: { min: 0, max: 3 } },
    ]);
    expect(seen.nodes).toBe(3);
    await drive(client, target, { pool: 'gateways', nodes: 3 }, 10_000);
    expect(await faultOf(client.update(target, { pool: 'gateways', nodes: 4 }, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'gateways',
      message: expect.stringContaining('0 to 3'),
    });
    expect((await client.observe(target, callFor())).pools?.map(({ nodes }) => nodes)).toEqual([2, 3]);
    const { line, body } = harness.cloud.seen.findLast(({ line: each }) => each.startsWith('PATCH ')) ?? {};
    expect(line).toContain(`/stacks/${target.externalName}/${target.externalId}`);
    expect(body).toEqual({
      existing: true,
      parameters: { gateway_count: 3 },
      timeout_mins: 60,
      disable_rollback: true,
    });
  });

  it('sends the credentials to Keystone alone', async () => {
    const target = await made();
    await client.update(target, { nodes: 3 }, callFor());
    const toHeat = JSON.stringify(harness.cloud.seen);
    expect(toHeat).not.toContain(harness.cloud.user.password);
    const create = harness.cloud.seen.findLast(
      ({ line }) => line === `POST /v1/${harness.cloud.project.id}/stacks`,
    )?.body;
    expect(create).toMatchObject({
      tags: `kqueen-cluster=${target.cluster},kqueen-org=default`,
      parameters: {
        node_count: 2,
        gateway_count: 0,
        kubernetes_version: '1.33',
        flavor: 'm1.large',
        key_name: 'operators',
      },
      ...{ timeout_mins: 60, disable_rollback: true },
    });
  });

  it('offers what the project has, and a text where it may not look', async () => {
    const { parameters = [] } = await client.options({}, callFor());
    const choices = Object.fromEntries(parameters.map(({ key, choices: some }) => [key, some]));
    expect(choices).toMatchObject({
      ...{ size: ['m1.large', 'm1.medium', 'm1.xlarge'], control_plane_flavor: ['m1.large', 'm1.medium', 'm1.xlarge'] },
      ...{ sshKey: ['operators'], image: ['ubuntu-22.04', 'ubuntu-24.04'], external_network: ['public'] },
    });
    const { names } = harness.cloud;
    const { 'nova.flavor': flavors = [] } = names;
    delete names['nova.flavor'];
    const { parameters: fewer = [] } = await client.options({}, callFor());
    expect(fewer.find(({ key }) => key === 'size')).toMatchObject({ kind: 'text', required: true });
    names['nova.flavor'] = flavors;
  });

  it('lists all pages, and only what is a cluster', async () => {
    const { world, project } = harness.cloud;
    const one = await made();
    const [sample] = [...world.stacks.values()].filter(({ id }) => id === one.externalId);
    if (!sample) throw new Error('no stack to copy');
    for (let each = 0; each < 205; each += 1) {
      const id = `copy-${each}`;
      world.stacks.set(id, { ...sample, id, name: id, tags: null, project: project.id, createdAt: each });
    }
    const before = harness.cloud.seen.length;
    const all = await client.list(callFor(30_000));
    const pages = harness.cloud.seen.slice(before).filter(({ line }) => line === `GET /v1/${project.id}/stacks`);
    expect(pages.length).toBeGreaterThanOrEqual(3);
    expect(all.filter(({ externalName }) => externalName.startsWith('copy-'))).toHaveLength(205);
    expect(all.find(({ externalName }) => externalName === 'copy-0')).toMatchObject({ state: 'running', nodes: 2 });
    for (let each = 0; each < 205; each += 1) world.stacks.delete(`copy-${each}`);
  });

  it('says which region, interface or service is missing and what there is', async () => {
    const observe = (other: EngineClient) => faultOf(other.observe(aTarget(), callFor()));
    const noOverride = { orchestrationUrl: undefined };
    expect(await using({ ...noOverride, region: 'Mars' }, observe)).toMatchObject({
      ...{ kind: 'not-found', whose: 'admin' },
      message: 'The catalogue has no public endpoint of Heat in region Mars.',
      next: expect.stringContaining('public in RegionOne'),
    });
    const { keystone } = harness.cloud;
    const { catalog } = keystone;
    const catalogs: [(id: string) => Record<string, unknown>[], string, string][] = [
      [() => [], 'no orchestration service', 'It has: nothing.'],
      [
        (id) => catalog(id).filter(({ type }) => type !== 'orchestration'),
        'no orchestration service',
        'compute, identity',
      ],
      [(id) => twoRegions(catalog(id)), 'several regions', 'RegionOne, RegionTwo'],
      [(id) => withoutTls(catalog(id)), 'without TLS', 'https endpoint'],
    ];
    for (const [made, message, next] of catalogs) {
      keystone.catalog = made;
      const fault = await using({ ...noOverride, region: '' }, observe);
      expect(fault.message).toContain(message);
      expect(fault.next).toContain(next);
      expect(fault).toMatchObject({ whose: 'admin', retryable: false });
    }
    keystone.catalog = catalog;
  });

  it('explains what an application credential may not', async () => {
    const { keystone, user, project, limits } = harness.cloud;
    const credential = { id: 'c0ffee', secret: 'secret-of-the-credential', user: user.id, project: project.id };
    keystone.credentials.push(credential);
    const change = {
      ...{ username: undefined, password: undefined, project: undefined },
      ...{ applicationCredentialId: credential.id, applicationCredentialSecret: credential.secret },
    };
    await using(change, async (other) => {
      expect((await other.check(callFor())).state).toBe('OK');
      const fault = await faultOf(other.create(aTarget(), harness.spec, callFor()));
      expect(fault).toMatchObject({ kind: 'not-allowed', whose: 'admin', retryable: false, outcomeUnknown: false });
      expect(fault.message).toContain('does not let application credentials create the trust');
      limits.credentialTrusts = true;
      const target = aTarget();
      await other.create(target, harness.spec, callFor());
      await over(other, target, 10_000);
      limits.credentialTrusts = false;
    });
    keystone.credentials.pop();
    const refused = await using(change, (other) => faultOf(other.observe(aTarget(), callFor())));
    expect(refused.message).toContain('application credential is wrong, expired or deleted');
  });

  it('tells what makes a template useless here', async () => {
    const good = readFileSync(new URL('../counterparts/openstack/cluster.yaml', import.meta.url), 'utf8');
    const cases: [Record<string, unknown>, string][] = [
      [{ template: good }, 'Hidden parameters of the template have no value: registry_password.'],
      [{ kubeconfigOutput: 'config' }, 'The template has no output config'],
      [{ nodeParameter: 'minions' }, 'The template has no parameter minions'],
      [{ hiddenParameters: 'no_such_thing=1' }, 'The template has no parameter no_such_thing'],
      [{ template: good.replace('OS::Heat::RandomString', 'OS::No::SuchThing') }, 'Heat does not take the template'],
    ];
    for (const [change, message] of cases) {
      const result = await using(change, (other) => other.check(callFor()));
      expect(result.state).toBe('Error');
      expect(result.message).toContain(message);
      expect(result.next).toBeTruthy();
    }
    const address = good.replace(/value:\n {6}str_replace:[\s\S]*$/, 'value: http://198.51.100.1/kubeconfig\n');
    await using({ template: address, hiddenParameters: 'registry_password=x' }, async (other) => {
      const target = aTarget();
      await other.create(target, { zone: 'north-1' }, callFor());
      await over(other, target, 10_000);
      const fault = await faultOf(other.kubeconfig(target, callFor()));
      expect(fault).toMatchObject({ kind: 'bad-input', whose: 'admin', retryable: false });
      expect(fault.next).toContain('It is an address');
    });
  });

  it('says why a create was rolled back, although nothing of it is left', async () => {
    await harness.faults.failCreates('No valid host was found.');
    await using({ rollback: true }, async (other) => {
      const target = aTarget();
      const operation = (await other.create(target, harness.spec, callFor())).id;
      const seen = await over(other, { ...target, operation }, 10_000);
      expect(seen).toMatchObject({ state: 'error', outcome: 'failed' });
      expect(seen.message).toMatch(/^Rolled back: No valid host was found\. \(\w+\)$/);
      expect(seen.leftovers).toBeUndefined();
      expect(await other.log(target, callFor())).toContain('CREATE_FAILED');
    });
  });

  it('reads no 404 but the one of Heat itself as gone', async () => {
    const front = await startScriptedServer((_request, response) =>
      json(response, 404, { error: { code: 404, message: 'no route' } }),
    );
    const caBundle = `${harness.params.caBundle}${front.ca}`;
    await using({ orchestrationUrl: front.url, caBundle }, async (other) => {
      const work = [
        other.observe(aTarget(), callFor()),
        other.delete(aTarget(), callFor()),
        other.list(callFor()),
        other.options({}, callFor()),
      ];
      for (const fault of await Promise.all(work.map((each) => faultOf(each)))) {
        expect(fault).toMatchObject({ kind: 'unreachable', whose: 'admin', outcomeUnknown: false });
        expect(fault.message).toContain('not that of a Heat');
      }
    });
    await front.close();
  });

  it('deletes again what could not be deleted, and waits for an earlier stack of the name', async () => {
    const target = await made();
    const stack = harness.cloud.world.stacks.get(target.externalId ?? '');
    if (!stack) throw new Error('no stack');
    Object.assign(stack, {
      action: 'DELETE',
      status: 'FAILED',
      reason: 'Resource DELETE failed: Conflict: resources.network: in use',
    });
    const operation = `DELETE/${stack.id}`;
    const failed = await client.observe({ ...target, operation }, callFor());
    expect(failed).toMatchObject({
      state: 'error',
      outcome: 'failed',
      message: 'in use',
      leftovers: expect.any(Array),
    });
    expect(await faultOf(client.update(target, { nodes: 3 }, callFor()))).toMatchObject({
      kind: 'conflict',
      retryable: false,
    });
    expect(await faultOf(client.create(target, harness.spec, callFor()))).toMatchObject({
      kind: 'conflict',
      retryable: true,
    });
    const again = await client.delete(target, callFor());
    expect(again).toEqual({ id: operation });
    expect(await over(client, { ...target, operation }, 10_000)).toMatchObject({ state: 'absent', outcome: 'done' });
    await made();
  });
});

describe('a template at an address', () => {
  const text = readFileSync(new URL('../counterparts/openstack/cluster.yaml', import.meta.url), 'utf8');
  let harness: HeatHarness;
  let front: ScriptedServer;
  let answer: (response: ServerResponse) => void;

  beforeAll(async () => {
    harness = await openHeatHarness();
    front = await startScriptedServer((_request, response) => answer(response));
  });
  afterAll(async () => {
    await front.close();
    await harness.close();
  });

  async function ask<T>(change: Record<string, unknown>, work: (client: EngineClient) => Promise<T>): Promise<T> {
    const caBundle = `${harness.params.caBundle}${front.ca}`;
    const base = { templateUrl: `${front.url}/x.yaml`, caBundle, hiddenParameters: 'registry_password=x' };
    const client = await heat.connect({ ...harness.params, ...base, ...change });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }

  it('is read, and read again for a form', async () => {
    answer = (response) => response.end(text);
    await ask({}, async (client) => {
      expect((await client.check(callFor())).state).toBe('OK');
      const keys = async () => ((await client.options({}, callFor())).parameters ?? []).map(({ key }) => key);
      expect(await keys()).toContain('zone');
      answer = (response) => response.end(text.replaceAll('zone', 'place'));
      expect(await keys()).toContain('place');
    });
  });

  it('is refused where it should not be read from, and when it is none', async () => {
    const options = (client: EngineClient) => faultOf(client.options({}, callFor()));
    const cases: [(response: ServerResponse) => void, string][] = [
      [(response) => response.writeHead(302, { location: 'https://elsewhere.example/' }).end(), 'does not follow'],
      [(response) => response.writeHead(404).end('no'), 'HTTP 404'],
      [(response) => response.end('<html>sign in</html>'), 'is none'],
      [(response) => response.end('x'.repeat(600_000)), '512 KiB'],
    ];
    for (const [made, message] of cases) {
      answer = made;
      const fault = await ask({}, options);
      expect(fault, message).toMatchObject({
        kind: 'bad-input',
        field: 'templateUrl',
        whose: 'admin',
        retryable: false,
      });
      expect(fault.message).toContain(message);
    }
    answer = (response) => response.writeHead(503).end();
    expect(await ask({}, options)).toMatchObject({ kind: 'unreachable', retryable: true });
    // Keystone's own host is known; another inner one is not, by number or by name.
    for (const host of ['10.0.0.1', '[::1]', '169.254.169.254', 'localhost']) {
      const fault = await ask({ templateUrl: `https://${host}:${new URL(front.url).port}/x.yaml` }, options);
      expect(fault, host).toMatchObject({ kind: 'bad-input', field: 'templateUrl' });
      expect(fault.message).toContain('private network');
    }
  });
});

type Entry = Record<string, unknown> & { endpoints?: Record<string, unknown>[] };

function twoRegions(catalog: Entry[]): Entry[] {
  return catalog.map((each) => ({
    ...each,
    endpoints: (each.endpoints ?? []).flatMap((one) => [one, { ...one, region: 'RegionTwo', region_id: 'RegionTwo' }]),
  }));
}

function withoutTls(catalog: Entry[]): Entry[] {
  return catalog.map((each) => ({
    ...each,
    endpoints: (each.endpoints ?? []).map((one) => ({ ...one, url: 'http://heat.example.com:8004/v1/x' })),
  }));
}
