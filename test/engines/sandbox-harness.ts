import { sandbox } from '../../src/engines/sandbox/index.ts';
import { startTcpProxy } from '../proxy.ts';
import type { Harness, HarnessOptions } from './harness.ts';
import { startSandboxProvider } from './sandbox-provider.ts';
import { json, startScriptedServer } from './scripted-server.ts';

const spec = { region: 'sandbox-south', version: '1.33.6', size: 'medium', nodes: 2 };

interface Calls {
  calls: Record<string, { received: number; effective: number }>;
  creates: Record<string, { received: number; made: number }>;
}

/** A create at the provider's own speed, in milliseconds. */
const createAtSpeedOne = 60_000;

/** The sandbox engine with a provider of its own. Its clusters' APIs are real by themselves, so `kube` is of no use to it. */
export async function openSandboxHarness(options: HarnessOptions = {}): Promise<Harness> {
  const provider = await startSandboxProvider(createAtSpeedOne / (options.createMs ?? 600));
  const proxy = await startTcpProxy({ port: provider.port });
  const front = await startScriptedServer();
  const params = { url: `https://127.0.0.1:${proxy.port}`, token: provider.token, caBundle: provider.ca };
  const calls = async () => (await provider.ask('GET', '/v1/admin/calls')) as Calls;
  const onRequests = (effect: Record<string, unknown>, method?: string, times: number | null = null) =>
    provider.ask('PUT', '/v1/admin/faults', [
      { match: { pathPrefix: '/v1/', ...(method ? { method } : {}) }, times, effect },
    ]);
  const onChanges = (effect: Record<string, unknown>) =>
    provider.ask(
      'PUT',
      '/v1/admin/faults',
      ['POST', 'PATCH', 'DELETE'].map((method) => ({ match: { pathPrefix: '/v1/', method }, times: null, effect })),
    );
  const onOperations = (operations: string[], effect: Record<string, unknown>) =>
    provider.ask(
      'PUT',
      '/v1/admin/faults',
      operations.map((operation) => ({ operation, times: null, effect })),
    );
  return {
    engine: sandbox,
    params,
    addresses: [{ key: 'url', ca: provider.ca }],
    badParams: { ...params, token: 'canary-of-a-token-that-is-refused' },
    spec,
    badSpec: { spec: { ...spec, version: '0.9.9' }, field: 'version' },
    update: { nodes: 4, version: '1.34.2', addon: 'log-collector' },
    // The catalogue's 0.10 for the control plane and 2 × 0.16 for the nodes, times 1.08 in the south.
    price: { perHour: 0.4536, currency: 'USD' },
    async makeForeign(name) {
      await provider.ask('POST', '/v1/clusters', { ...spec, name, labels: { owner: 'somebody-else' } });
    },
    async requests() {
      const { calls: kinds } = await calls();
      const asked = Object.entries(kinds).filter(([kind]) => !kind.startsWith('admin '));
      return asked.reduce((sum, [, count]) => sum + count.received, 0);
    },
    async secrets() {
      const { clusters } = (await provider.ask('GET', '/v1/clusters?limit=200')) as { clusters: { name: string }[] };
      const kubeconfigs = await Promise.all(
        clusters.map(({ name }) => provider.ask('GET', `/v1/clusters/${name}/kubeconfig`).catch(() => '')),
      );
      const tokens = kubeconfigs.flatMap((text) =>
        [...String(text).matchAll(/token: (\S+)/g)].map(([, token]) => token),
      );
      return [provider.token, ...tokens.filter((token) => token !== undefined)];
    },
    async writes() {
      const { calls: kinds } = await calls();
      const writing = ['createCluster', 'updateCluster', 'deleteCluster', 'unknown'];
      return writing.reduce((sum, kind) => sum + (kinds[kind]?.received ?? 0), 0);
    },
    made: async (name) => (await calls()).creates[name]?.made ?? 0,
    async machines({ externalName }) {
      const { machines } = (await provider.ask('GET', `/v1/clusters/${externalName}`)) as {
        machines: { name: string; createdAt: string }[];
      };
      return machines.map(({ name, createdAt }) => ({ node: name, id: `${name} ${createdAt}` }));
    },
    openConnections: () => proxy.open(),
    faults: {
      loseCreateAnswer: async () => void (await onRequests({ loseAnswer: true }, 'POST', 1)),
      failCreates: async (message) => void (await onOperations(['create'], { fail: { message, atPercent: 40 } })),
      stall: async () => void (await onOperations(['create', 'update'], { stuckAtPercent: 30 })),
      exhaustQuota: async () => void (await provider.ask('PUT', '/v1/admin/quota', { clusters: 0, nodes: 0 })),
      limitRate: async (retryAfterSeconds) => void (await onRequests({ status: 429, retryAfterSeconds })),
      hang: async () => void (await onRequests({ hang: true })),
      refuse: async () => {
        await proxy.setMode('refuse');
        proxy.cut();
      },
      webPage: async () => void (await onRequests({ html: true })),
      async serverError() {
        // Broken programs tell what they were asked with.
        const message = `The database broke at {"authorization":"Bearer ${provider.token}","key":"${provider.token}"}.`;
        await onRequests({ status: 500, code: 'internal', message });
      },
      cutAnswer: async () => void (await onRequests({ truncate: true })),
      async forbid() {
        const message = 'This token lacks the permission clusters.manage.';
        await onRequests({ status: 403, code: 'forbidden', message });
        return 'clusters.manage';
      },
      failUpdates: async (message) => void (await onOperations(['update'], { fail: { message, atPercent: 40 } })),
      loseAnswers: async () => void (await onChanges({ loseAnswer: true })),
      async strangeState() {
        front.answer((request, response) => {
          provider.ask('GET', request.path).then(
            (body) => json(response, 200, JSON.parse(JSON.stringify(body).replaceAll('"RUNNING"', '"HIBERNATING"'))),
            (error: unknown) => json(response, 500, { error: { code: 'internal', message: String(error) } }),
          );
        });
        return { ...params, url: front.url, caBundle: front.ca };
      },
      async clear() {
        await proxy.setMode('pass');
        await provider.ask('DELETE', '/v1/admin/faults');
        await provider.ask('PUT', '/v1/admin/quota', { clusters: 1_000, nodes: 10_000 });
      },
    },
    async close() {
      await front.close();
      await proxy.close();
      await provider.stop();
    },
  };
}
