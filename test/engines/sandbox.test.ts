import { describe, expect, it } from 'vitest';
import type { Target } from '../../src/core/ports/engine.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { callFor, faultOf } from './calls.ts';
import { engineConformance } from './conformance.ts';
import { openSandboxHarness } from './sandbox-harness.ts';
import { json, startScriptedServer } from './scripted-server.ts';

const spec = { region: 'sandbox-south', version: '1.33.6', size: 'medium', nodes: 2 };

engineConformance({
  name: 'sandbox',
  open: openSandboxHarness,
  skip: { 'check-place': 'an account of the sandbox has one project, and its token says which' },
});

describe('the sandbox engine against answers that its provider does not give', () => {
  const target: Target = { org: 'default', cluster: 'c1', externalName: 'kq-c1', spec };
  const cluster = {
    id: 'x1',
    name: 'kq-c1',
    region: 'r',
    version: '1.34.2',
    nodes: 3,
    labels: { 'kqueen-cluster': 'c1', 'kqueen-org': 'default' },
    status: 'RUNNING',
    operation: 'op-1',
    endpoint: 'https://x',
  };

  async function withServer(
    answerer: Parameters<typeof startScriptedServer>[0],
    test: (client: Awaited<ReturnType<typeof sandbox.connect>>) => Promise<void>,
  ): Promise<void> {
    const server = await startScriptedServer(answerer);
    const client = await sandbox.connect({ url: server.url, token: 'token-of-the-test', caBundle: server.ca });
    await test(client);
    await client.close();
    await server.close();
  }

  it('never reads the 404 of a wrong address as gone', async () => {
    await withServer(
      (_request, response) => json(response, 404, { error: { code: 'not_found', message: 'Nothing is here.' } }),
      async (client) => {
        for (const fault of await Promise.all(
          [client.observe(target, callFor()), client.delete(target, callFor()), client.list(callFor())].map(faultOf),
        )) {
          expect(fault).toMatchObject({ kind: 'unreachable', whose: 'admin' });
        }
        expect((await client.check(callFor())).state).toBe('Unreachable');
      },
    );
  });

  it('says that an answer has another shape', async () => {
    await withServer(
      (_request, response) => json(response, 200, { hello: 'world' }),
      async (client) => {
        for (const fault of await Promise.all(
          [client.observe(target, callFor()), client.options({}, callFor()), client.list(callFor())].map(faultOf),
        )) {
          expect(fault).toMatchObject({ kind: 'internal', whose: 'provider' });
        }
        expect((await client.check(callFor())).state).toBe('Error');
      },
    );
  });

  it('returns null when the cluster goes between the look and the delete', async () => {
    await withServer(
      (request, response) =>
        request.method === 'GET'
          ? json(response, 200, cluster)
          : json(response, 404, { error: { code: 'not_found', message: 'There is no cluster.' } }),
      async (client) => expect(await client.delete(target, callFor())).toBeNull(),
    );
  });

  it('waits for an earlier cluster of the name that is on its way out', async () => {
    await withServer(
      (request, response) =>
        request.method === 'GET'
          ? json(response, 200, { ...cluster, status: 'STOPPING' })
          : json(response, 409, { error: { code: 'name_taken', message: 'The name is taken.' } }),
      async (client) => {
        const fault = await faultOf(client.create(target, spec, callFor()));
        expect(fault).toMatchObject({ kind: 'conflict', retryable: true });
        expect(fault.message).toContain('still being deleted');
      },
    );
  });

  it('reads every page of a list', async () => {
    await withServer(
      (request, response) => {
        const page = Number(new URL(request.path, 'https://x').searchParams.get('page'));
        json(response, 200, { clusters: [{ ...cluster, name: `c-${page}` }], nextPage: page < 3 ? page + 1 : null });
      },
      async (client) => {
        expect((await client.list(callFor())).map((each) => each.externalName)).toEqual(['c-1', 'c-2', 'c-3']);
      },
    );
  });

  it('tells capacity from quota, and refuses a spec that is none before asking', async () => {
    let asked = 0;
    await withServer(
      (_request, response) => {
        asked += 1;
        json(response, 503, { error: { code: 'insufficient_capacity', message: 'No machines of this size.' } });
      },
      async (client) => {
        expect(await faultOf(client.create(target, spec, callFor()))).toMatchObject({
          kind: 'capacity',
          retryable: true,
          outcomeUnknown: false,
        });
        expect(await faultOf(client.create(target, { ...spec, nodes: 21 }, callFor()))).toMatchObject({
          kind: 'bad-input',
          field: 'nodes',
        });
        expect(asked).toBe(1);
      },
    );
  });

  it('marks what was seen and nothing newer, and keeps the labels of others', async () => {
    const labels = { owner: 'ada', team: 'x' };
    const { 'kqueen-cluster': mark, 'kqueen-org': org } = cluster.labels;
    const asked: unknown[] = [];
    let present: Record<string, string> = labels;
    await withServer(
      (request, response) => {
        if (request.method === 'GET') {
          return json(response, 200, { ...cluster, size: 'small', labels: present, labelFingerprint: 'seen-1' });
        }
        asked.push(JSON.parse(request.body));
        const late = asked.length === 1;
        const error = { code: 'precondition_failed', message: 'The labels were changed in the meantime.' };
        return late ? json(response, 412, { error }) : json(response, 200, { cluster });
      },
      async (client) => {
        expect(await faultOf(client.adopt(target, callFor()))).toMatchObject({ kind: 'conflict', retryable: true });
        expect(await client.adopt(target, callFor())).toBeNull();
        const wanted = { labels: { ...labels, 'kqueen-cluster': mark, 'kqueen-org': org }, labelFingerprint: 'seen-1' };
        expect(asked).toEqual([wanted, wanted]);
        present = { ...labels, ...cluster.labels };
        expect(await client.adopt(target, callFor())).toBeNull();
        expect(asked).toHaveLength(2);
        expect(await client.release(target, callFor())).toBeNull();
        expect(asked.at(-1)).toEqual({ labels, labelFingerprint: 'seen-1' });
        // Half a mark is somebody's.
        present = { 'kqueen-cluster': 'another' };
        expect(await faultOf(client.adopt(target, callFor()))).toMatchObject({ kind: 'conflict', retryable: false });
        expect(asked).toHaveLength(3);
      },
    );
  });

  it('offers the newest supported version first, and none that skips a minor', async () => {
    const version = (text: string, status = 'supported') => ({ version: text, status, endOfLife: '2027-01-31' });
    const catalog = {
      currency: 'USD',
      controlPlanePricePerHour: 0.1,
      regions: [],
      sizes: [],
      versions: [
        version('1.36.0'),
        version('1.35.2', 'preview'),
        version('1.34.2'),
        version('1.35.1'),
        version('1.34.10'),
      ],
    };
    await withServer(
      (request, response) => json(response, 200, request.path === '/v1/catalog' ? catalog : cluster),
      async (client) => {
        const offered = await client.upgrades(target, callFor());
        expect(offered.map(({ value }) => value)).toEqual(['1.35.1', '1.34.10', '1.35.2']);
        expect(offered.at(-1)?.note).toBe('preview until 2027-01-31');
      },
    );
  });

  it('takes only an https address and a real CA bundle', () => {
    const ok = { url: 'https://127.0.0.1:1', token: 'x' };
    expect(sandbox.provisioner.safeParse(ok).success).toBe(true);
    for (const bad of [{ url: 'http://127.0.0.1:1' }, { url: 'nonsense' }, { token: '' }, { caBundle: 'nonsense' }]) {
      expect(sandbox.provisioner.safeParse({ ...ok, ...bad }).success).toBe(false);
    }
  });
});
