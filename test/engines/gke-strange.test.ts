import { afterEach, describe, expect, it } from 'vitest';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { gke } from '../../src/engines/gke/index.ts';
import { openSignIn } from '../counterparts/google/sign-in.ts';
import { callFor, faultOf } from './calls.ts';
import { type Answerer, json, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

const signIn = openSignIn('kqueen-test-123456');
const target: Target = {
  org: 'default',
  cluster: 'c1',
  externalName: 'kq-c1',
  spec: { location: 'europe-west3-a' },
};
const mine = { 'kqueen-cluster': 'c1', 'kqueen-org': 'default' };

let server: ScriptedServer | undefined;
let client: EngineClient | undefined;

afterEach(async () => {
  await client?.close();
  await server?.close();
});

/** The engine before a server that signs in like Google and otherwise answers as the test says. */
async function connected(answerer: Answerer, tokens?: Answerer): Promise<EngineClient> {
  server = await startScriptedServer((request, response, n) => {
    if (request.path !== '/token') return answerer(request, response, n);
    if (tokens) return tokens(request, response, n);
    const { status, body } = signIn.token(new URLSearchParams(request.body));
    return json(response, status, body);
  });
  client = await gke.connect({
    serviceAccountKey: signIn.keyFile(),
    apiEndpoint: server.url,
    tokenUrl: `${server.url}/token`,
    caBundle: server.ca,
  });
  return client;
}

const notFound = (message: string) => ({ error: { code: 404, message, status: 'NOT_FOUND' } });

describe('the GKE engine before answers that Google does not give', () => {
  it('follows no redirect with its token', async () => {
    const connection = await connected((_request, response) => {
      response.writeHead(302, { location: 'https://elsewhere.example/' });
      response.end();
    });
    for (const fault of [
      await faultOf(connection.observe(target, callFor())),
      await faultOf(connection.create(target, target.spec, callFor())),
    ]) {
      expect(fault).toMatchObject({ kind: 'unreachable', whose: 'admin', retryable: false });
    }
    expect((await connection.check(callFor())).state).toBe('Unreachable');
  });

  it('takes the 404 of a proxy, and of an address half-way into an API, for no proof of anything', async () => {
    const page = await connected((_request, response) => {
      response.writeHead(404, { 'content-type': 'text/html' });
      response.end('<html>Error 404 (Not Found)!!1</html>');
    });
    expect(await faultOf(page.observe(target, callFor()))).toMatchObject({ kind: 'unreachable', whose: 'admin' });
    expect(await faultOf(page.delete(target, callFor()))).toMatchObject({ kind: 'unreachable', whose: 'admin' });
    await page.close();
    await server?.close();
    const vague = await connected((_request, response) => json(response, 404, notFound('Method not found.')));
    expect((await faultOf(vague.observe(target, callFor()))).kind).toBe('not-found');
  });

  it('looks into the list when the words of a 404 name no cluster', async () => {
    const connection = await connected((request, response) => {
      if (request.path.endsWith('/clusters'))
        return json(response, 200, { clusters: [{ name: 'another', status: 'RUNNING' }] });
      return json(response, 404, notFound('Requested entity was not found.'));
    });
    expect(await connection.observe(target, callFor())).toMatchObject({ state: 'absent', mine: true });
    expect(await connection.delete(target, callFor())).toBeNull();
  });

  it('does not believe a list that leaves out a zone', async () => {
    const connection = await connected((request, response) => {
      if (request.path.endsWith('/clusters')) return json(response, 200, { missingZones: ['europe-west3-a'] });
      return json(response, 404, notFound('Requested entity was not found.'));
    });
    const fault = await faultOf(connection.observe(target, callFor()));
    expect(fault).toMatchObject({ kind: 'unreachable', retryable: true });
    expect(fault.message).toContain('europe-west3-a');
  });

  it('says that an answer has another shape, and whose that is', async () => {
    const connection = await connected((_request, response) => json(response, 200, { login: 'please' }));
    expect(await faultOf(connection.observe(target, callFor()))).toMatchObject({ kind: 'internal', whose: 'provider' });
    expect(await faultOf(connection.create(target, target.spec, callFor()))).toMatchObject({
      kind: 'internal',
      outcomeUnknown: true,
    });
  });

  it('shows states and operations that it has never heard of', async () => {
    const connection = await connected((request, response) => {
      if (request.path.includes('/operations')) {
        return json(response, 200, { name: 'op-1', operationType: 'TELEPORT_CLUSTER', status: 'DREAMING' });
      }
      return json(response, 200, { name: 'kq-c1', status: 'DREAMING', resourceLabels: mine });
    });
    const seen = await connection.observe({ ...target, operation: 'europe-west3-a/op-1' }, callFor());
    expect(seen).toMatchObject({ state: 'unknown', mine: true, outcome: 'running' });
    expect(seen.step).toMatch(/DREAMING|Teleport cluster/);
  });

  it('reads a degraded cluster as broken, with its conditions', async () => {
    const conditions = [{ code: 'GCE_QUOTA_EXCEEDED', message: 'Quota CPUS is used up.' }];
    const connection = await connected((request, response) => {
      if (request.path.includes('/operations')) return json(response, 200, {});
      return json(response, 200, { name: 'kq-c1', status: 'DEGRADED', resourceLabels: mine, conditions });
    });
    const seen = await connection.observe(target, callFor());
    expect(seen).toMatchObject({ state: 'error', message: 'Quota CPUS is used up. (GCE_QUOTA_EXCEEDED)' });
    expect(seen.leftovers).toBeUndefined();
  });

  it('waits for a create and a delete whose cluster is not shown', async () => {
    let type = 'CREATE_CLUSTER';
    const targetLink = 'https://container.googleapis.com/v1/projects/1/zones/europe-west3-a/clusters/kq-c1';
    const connection = await connected((request, response) => {
      if (request.path.includes('/operations/')) {
        return json(response, 200, { name: 'op-1', operationType: type, status: 'RUNNING', targetLink });
      }
      return json(response, 404, notFound('Not found: projects/p/zones/europe-west3-a/clusters/kq-c1.'));
    });
    const asked = { ...target, operation: 'europe-west3-a/op-1' };
    expect(await connection.observe(asked, callFor())).toMatchObject({ state: 'creating', outcome: 'running' });
    type = 'DELETE_CLUSTER';
    expect((await connection.observe(asked, callFor())).state).toBe('deleting');
    type = 'UPDATE_CLUSTER';
    expect((await connection.observe(asked, callFor())).state).toBe('absent');
  });

  it('gives the public name of a cluster whose addresses are private', async () => {
    const dnsEndpointConfig = { endpoint: 'gke-1.europe-west3.gke.goog', allowExternalTraffic: true };
    const cluster = {
      name: 'kq-c1',
      status: 'RUNNING',
      resourceLabels: mine,
      endpoint: '10.0.0.2',
      masterAuth: { clusterCaCertificate: 'Y2E=' },
      privateClusterConfig: { enablePrivateEndpoint: true },
      controlPlaneEndpointsConfig: { dnsEndpointConfig },
    };
    const connection = await connected((_request, response) => json(response, 200, cluster));
    const kubeconfig = await connection.kubeconfig(target, callFor());
    expect(kubeconfig).toContain('server: https://gke-1.europe-west3.gke.goog');
    expect(kubeconfig).not.toContain('certificate-authority-data');
    dnsEndpointConfig.allowExternalTraffic = false;
    expect(await connection.kubeconfig(target, callFor())).toContain('server: https://10.0.0.2');
  });

  it('says what stands before the sign-in, and sends nothing further', async () => {
    let asked = 0;
    const connection = await connected(
      (_request, response) => {
        asked += 1;
        json(response, 200, {});
      },
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end('<html>Please sign in</html>');
      },
    );
    const fault = await faultOf(connection.create(target, target.spec, callFor()));
    expect(fault).toMatchObject({ kind: 'unreachable', whose: 'admin', outcomeUnknown: false });
    expect(fault.message).toMatch(/web page/);
    expect(asked).toBe(0);
  });

  it('repeats a read twice and a change never', async () => {
    const methods: string[] = [];
    const connection = await connected((request, response) => {
      methods.push(request.method);
      json(response, 503, {
        error: { code: 503, message: 'The service is currently unavailable.', status: 'UNAVAILABLE' },
      });
    });
    expect(await faultOf(connection.observe(target, callFor()))).toMatchObject({ kind: 'unreachable' });
    expect(methods).toEqual(['GET', 'GET', 'GET']);
    expect(await faultOf(connection.create(target, target.spec, callFor()))).toMatchObject({ outcomeUnknown: true });
    expect(methods.filter((method) => method === 'POST')).toHaveLength(1);
  });
});
