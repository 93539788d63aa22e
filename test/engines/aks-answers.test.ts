import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { aks } from '../../src/engines/aks/index.ts';
import { type Azure, openAzure } from '../counterparts/azure/index.ts';
import { callFor, faultOf } from './calls.ts';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

const gateway = (code: string, message: string) => ({ error: { code, message } });
const flat = (code: string, message: string, subcode = '') => ({ code, details: null, message, subcode });

describe('the AKS engine against answers that are seldom', () => {
  let azure: Azure;
  let server: ScriptedServer;
  let client: EngineClient;
  const target: Target = { org: 'default', cluster: 'c1', externalName: 'kq-c1', spec: { location: 'eastus' } };
  const tags = { 'kqueen-cluster': 'c1', 'KQueen-Org': 'default' };
  const pool = { name: 'system', mode: 'System', count: 1, vmSize: 'S', provisioningState: 'Succeeded' };
  const cluster = {
    id: '/subscriptions/s/x',
    name: 'kq-c1',
    location: 'eastus',
    tags,
    properties: {
      provisioningState: 'Succeeded',
      powerState: { code: 'Running' },
      kubernetesVersion: '1.34',
      currentKubernetesVersion: '1.34.2',
      fqdn: 'kq-c1.hcp.eastus.azmk8s.io',
      agentPoolProfiles: [pool],
    },
  };
  const withState = (properties: Record<string, unknown>) => ({
    ...cluster,
    properties: { ...cluster.properties, ...properties },
  });
  const handle = (act: string, path = '/subscriptions/s/providers/x/operations/o?api-version=1&t=1&c=2&s=3&h=4') =>
    JSON.stringify({ name: 'kq-c1', act, path, kind: 'operation' });

  beforeAll(async () => {
    azure = await openAzure();
    server = await startScriptedServer();
    client = await aks.connect({
      tenantId: azure.tenantId,
      clientId: azure.clientId,
      clientSecret: azure.clientSecret,
      subscriptionId: azure.subscriptionId,
      resourceGroup: 'g',
      resourceManagerEndpoint: server.url,
      authorityHost: `https://127.0.0.1:${azure.authorityPort}`,
      caBundle: azure.ca + server.ca,
    });
  });
  afterAll(async () => {
    await client.close();
    await server.close();
    await azure.close();
  });

  /** Answers the cluster and its operation, and anything else with a refusal. */
  function show(found: unknown, operation: (response: ServerResponse) => void): void {
    server.answer((request, response) => {
      if (request.path.includes('/operations/')) operation(response);
      else if (request.path.includes('/managedClusters/kq-c1?')) json(response, 200, found);
      else json(response, 404, gateway('InvalidResourceType', 'no'));
    });
  }

  const ended = (status: string, error?: unknown) => (response: ServerResponse) =>
    json(response, 200, { name: 'o', status, startTime: '2026-01-01T00:00:00Z', ...(error ? { error } : {}) });

  it.each([
    [
      'a success that another operation overtook',
      'Succeeded',
      { code: 'NotLatestOperation', message: 'x' },
      'Succeeded',
      'change',
      { state: 'running', outcome: 'done' },
    ],
    [
      'the same while the other one runs',
      'Succeeded',
      { code: 'NotLatestOperation', message: 'x' },
      'Updating',
      'change',
      { state: 'updating', outcome: 'running' },
    ],
    [
      'a create that failed and came up all the same',
      'Failed',
      { code: 'Timeout', message: 'Too slow.' },
      'Succeeded',
      'create',
      { state: 'running', outcome: 'done' },
    ],
    [
      'an operation that still runs behind a finished cluster',
      'InProgress',
      undefined,
      'Succeeded',
      'scale',
      { state: 'updating', outcome: 'running' },
    ],
    [
      'a state of an operation that nobody knows',
      'Reticulating',
      undefined,
      'Updating',
      'change',
      { state: 'updating', outcome: 'running' },
    ],
    [
      'a cancelled change',
      'Canceled',
      undefined,
      'Canceled',
      'upgrade',
      { state: 'running', outcome: 'failed', message: 'It was cancelled at Azure.' },
    ],
    [
      'a failed change',
      'Failed',
      { code: 'X', message: 'No room.' },
      'Failed',
      'scale',
      { state: 'running', outcome: 'failed', message: 'No room.' },
    ],
    [
      'a delete that failed',
      'Failed',
      { code: 'X', message: 'In use.' },
      'Failed',
      'delete',
      { outcome: 'failed', message: 'In use.' },
    ],
    [
      'a delete that is done while the cluster lingers',
      'Succeeded',
      undefined,
      'Deleting',
      'delete',
      { state: 'deleting', outcome: 'running' },
    ],
  ])('reads %s', async (_what, status, error, provisioningState, act, wanted) => {
    show(withState({ provisioningState }), ended(status, error));
    expect(await client.observe({ ...target, operation: handle(act) }, callFor())).toMatchObject(wanted);
  });

  it('goes by the cluster when Azure has forgotten the operation', async () => {
    show(cluster, (response) => json(response, 404, gateway('NotFound', 'The entity was not found.')));
    expect(await client.observe({ ...target, operation: handle('create') }, callFor())).toMatchObject({
      state: 'running',
      outcome: 'done',
    });
    show(
      withState({
        provisioningState: 'Failed',
        agentPoolProfiles: null,
        status: { provisioningError: { code: 'Q', message: 'No cores left.' } },
      }),
      (response) => json(response, 404, gateway('NotFound', 'The entity was not found.')),
    );
    const seen = await client.observe({ ...target, operation: handle('create') }, callFor());
    expect(seen).toMatchObject({ state: 'error', outcome: 'failed', message: 'No cores left.' });
  });

  it('takes a handle of another cluster or kind for none', async () => {
    show(cluster, (response) => json(response, 500, {}));
    for (const operation of ['', 'nonsense', '{}', handle('create').replace('kq-c1', 'kq-c2')]) {
      const seen = await client.observe({ ...target, operation }, callFor());
      expect(seen).toMatchObject({ state: 'running' });
      expect(seen.outcome).toBeUndefined();
    }
    const before = server.seen.length;
    await client.observe({ ...target, operation: handle('create', 'https://evil.example/x') }, callFor());
    expect(server.seen.length).toBe(before + 1);
  });

  it('sends its token to no other address than its own, wherever links lead', async () => {
    const asked: string[] = [];
    server.answer((request, response) => {
      asked.push(`${request.method} ${request.path}`);
      if (request.method === 'PUT') {
        const operation = 'https://evil.example/subscriptions/s/providers/x/operations/o?api-version=1&t=1';
        return json(response, 201, withState({ provisioningState: 'Creating' }), { 'azure-asyncoperation': operation });
      }
      if (request.path.includes('/operations/')) return ended('InProgress')(response);
      if (request.path.includes('skipToken')) return json(response, 200, { value: [{ ...cluster, name: 'second' }] });
      if (request.path.includes('/managedClusters?')) {
        return json(response, 200, {
          value: [cluster],
          nextLink: 'https://evil.example/subscriptions/s/managedClusters?api-version=1&%24skipToken=a%2Bb',
        });
      }
      return json(response, 404, gateway('ResourceNotFound', 'not there'));
    });
    const { id } = await client.create(target, { location: 'eastus' }, callFor());
    expect(id).not.toContain('evil');
    expect((await client.list(callFor())).map(({ externalName }) => externalName)).toEqual(['kq-c1', 'second']);
    expect(asked.at(-1)).toBe('GET /subscriptions/s/managedClusters?api-version=1&%24skipToken=a%2Bb');
    expect(server.seen.every(({ headers }) => headers.authorization?.startsWith('Bearer '))).toBe(true);
  });

  it('follows no redirect', async () => {
    server.answer((_request, response) => json(response, 307, {}, { location: 'https://evil.example/' }));
    expect(await faultOf(client.observe(target, callFor()))).toMatchObject({
      kind: 'unreachable',
      whose: 'admin',
      retryable: false,
    });
  });

  it('never reads the 404 of a wrong address as gone', async () => {
    for (const body of [gateway('InvalidResourceType', 'x'), { hello: 'world' }, gateway('', '')]) {
      server.answer((_request, response) => json(response, 404, body));
      for (const each of [() => client.observe(target, callFor()), () => client.delete(target, callFor())]) {
        expect(await faultOf(each())).toMatchObject({ kind: 'unreachable', whose: 'admin' });
      }
    }
    server.answer((_request, response) => json(response, 404, flat('NotFound', 'gone')));
    expect((await client.observe(target, callFor())).state).toBe('absent');
  });

  it('says that an answer has another shape', async () => {
    server.answer((_request, response) => json(response, 200, { hello: 'world' }));
    for (const each of [() => client.observe(target, callFor()), () => client.list(callFor())]) {
      expect(await faultOf(each())).toMatchObject({ kind: 'internal', whose: 'provider' });
    }
    expect((await client.check(callFor())).state).toBe('Error');
  });

  it('repeats a read twice and a change never', async () => {
    let asked = 0;
    server.answer((request, response) => {
      asked += 1;
      if (request.method === 'GET' && asked < 3) return json(response, 503, gateway('ServerBusy', 'busy'));
      return json(response, 200, cluster);
    });
    expect((await client.observe(target, callFor())).state).toBe('running');
    expect(asked).toBe(3);
    const writes: string[] = [];
    server.answer((request, response) => {
      if (request.method === 'GET') return json(response, 200, cluster);
      writes.push(request.method);
      return json(response, 503, gateway('ServerBusy', 'busy'), { 'retry-after': '0' });
    });
    expect(await faultOf(client.delete(target, callFor()))).toMatchObject({
      kind: 'unreachable',
      outcomeUnknown: true,
    });
    expect(writes).toEqual(['DELETE']);
  });

  it('finds its tags in any case, and does not take one half of them for its own', async () => {
    show(cluster, ended('Succeeded'));
    expect((await client.observe(target, callFor())).mine).toBe(true);
    show({ ...cluster, tags: { 'kqueen-cluster': 'c1' } }, ended('Succeeded'));
    expect((await client.observe(target, callFor())).mine).toBe(false);
    show({ ...cluster, tags: null }, ended('Succeeded'));
    expect((await client.observe(target, callFor())).mine).toBe(false);
  });

  it('takes a pool that is busy for a cluster that is', async () => {
    show(withState({ agentPoolProfiles: [{ ...pool, provisioningState: 'Scaling' }] }), ended('Succeeded'));
    expect(await client.observe(target, callFor())).toMatchObject({ state: 'updating', step: 'pool system: Scaling' });
    show(withState({ agentPoolProfiles: [{ ...pool, provisioningState: 'Musing' }] }), ended('Succeeded'));
    expect((await client.observe(target, callFor())).state).toBe('unknown');
    expect(await faultOf(client.update(target, { nodes: 2 }, callFor()))).toMatchObject({
      kind: 'conflict',
      retryable: true,
    });
  });

  it('shows a running cluster whose last change failed as one that runs', async () => {
    const failed = {
      provisioningState: 'Failed',
      agentPoolProfiles: [pool, { ...pool, name: 'user', mode: 'User', provisioningState: 'Failed' }],
    };
    show(withState(failed), ended('Succeeded'));
    const seen = await client.observe(target, callFor());
    expect(seen.state).toBe('running');
    expect(seen.notes?.join()).toContain('failed');
  });
});
