import { Agent } from 'undici';
import { aks } from '../../src/engines/aks/index.ts';
import { openAzure } from '../counterparts/azure/index.ts';
import { gateway } from '../counterparts/azure/wire.ts';
import { startTcpProxy } from '../proxy.ts';
import type { Harness, HarnessOptions } from './harness.ts';
import { startScriptedServer } from './scripted-server.ts';

const spec = { location: 'westeurope', version: '1.33.6', size: 'Standard_D2s_v5', nodes: 2 };

const prices = [
  'currency: USD',
  'controlPlane: 0.10',
  'sizes:',
  '  Standard_D2s_v5: 0.096',
  '  Standard_D4s_v5: 0.192',
  'regions:',
  '  westeurope:',
  '    Standard_D2s_v5: 0.115',
].join('\n');

/** The role that the engine asks for. */
const role = 'Azure Kubernetes Service Contributor Role';

/** The AKS engine with an Azure of its own on loopback. */
export async function openAksHarness(options: HarnessOptions = {}): Promise<Harness> {
  const azure = await openAzure({
    createMs: options.createMs ?? 500,
    ...(options.kube ? { kube: options.kube } : {}),
  });
  const authority = await startTcpProxy({ port: azure.authorityPort });
  const manager = await startTcpProxy({ port: azure.managerPort });
  const front = await startScriptedServer();
  const proxies = [authority, manager];
  const params = {
    tenantId: azure.tenantId,
    clientId: azure.clientId,
    clientSecret: azure.clientSecret,
    subscriptionId: azure.subscriptionId,
    resourceGroup: azure.resourceGroup,
    prices,
    resourceManagerEndpoint: `https://127.0.0.1:${manager.port}`,
    authorityHost: `https://127.0.0.1:${authority.port}`,
    caBundle: azure.ca,
  };
  const agent = new Agent({ connect: { ca: azure.ca }, allowH2: false });
  return {
    engine: aks,
    params,
    addresses: [
      { key: 'resourceManagerEndpoint', ca: azure.ca },
      { key: 'authorityHost', ca: azure.ca },
    ],
    badParams: { ...params, clientSecret: 'canary-of-a-secret-that-is-refused' },
    nowhereParams: { ...params, resourceGroup: 'no-such-group' },
    spec,
    badSpec: { spec: { ...spec, version: '1.20.9' }, field: 'version' },
    update: { nodes: 3, version: '1.34.2', addon: 'keda' },
    // Two machines of the list; the control plane of the Free tier costs nothing.
    price: { perHour: 0.23, currency: 'USD' },
    async makeForeign(name) {
      azure.world.makeRunning(azure.resourceGroup, name, (cluster) => {
        cluster.tags = { owner: 'somebody-else' };
      });
    },
    writes: async () => azure.counts().writes,
    requests: async () => azure.counts().all,
    secrets: async () => azure.secrets(),
    made: async (name) => azure.world.made(name),
    async machines({ externalName }) {
      const pools = azure.world.find(azure.resourceGroup, externalName)?.pools ?? [];
      return pools.flatMap((pool) => azure.world.machines(pool).map((node) => ({ node, id: node, pool: pool.name })));
    },
    openConnections: () => proxies.reduce((sum, proxy) => sum + proxy.open(), 0),
    faults: {
      loseCreateAnswer: async () => azure.set('create', { kind: 'lose', times: 1 }),
      failCreates: async (message) => {
        azure.world.troubles.failCreates = message;
      },
      stall: async () => {
        azure.world.troubles.stall = true;
      },
      exhaustQuota: async () => {
        azure.world.troubles.noQuota = true;
      },
      limitRate: async (seconds) =>
        azure.set('all', {
          kind: 'refuse',
          refusal: () =>
            gateway(
              429,
              'SubscriptionRequestsThrottled',
              `Number of requests for subscription '${azure.subscriptionId}' exceeded the limit. Please try again after '${seconds}' seconds.`,
              { 'retry-after': String(seconds) },
            ),
        }),
      hang: async () => azure.set('all', { kind: 'hang' }),
      refuse: async () => {
        for (const proxy of proxies) {
          await proxy.setMode('refuse');
          proxy.cut();
        }
      },
      webPage: async () => azure.set('all', { kind: 'page' }),
      serverError: async () =>
        azure.set('all', {
          kind: 'refuse',
          refusal: () =>
            gateway(
              500,
              'InternalServerError',
              `Encountered internal server error. Diagnostic information: timestamp '${new Date().toISOString()}', subscription id '${azure.subscriptionId}'.`,
            ),
        }),
      cutAnswer: async () => azure.set('all', { kind: 'cut' }),
      async forbid() {
        azure.forbid(/./);
        return role;
      },
      failUpdates: async (message) => {
        azure.world.troubles.failUpdates = message;
      },
      loseAnswers: async () => azure.set('writes', { kind: 'lose', times: Number.POSITIVE_INFINITY }),
      async strangeState() {
        front.answer((request, response) => {
          const { authorization = '' } = request.headers;
          agent
            .request({
              origin: `https://127.0.0.1:${azure.managerPort}`,
              path: request.path,
              method: 'GET',
              headers: { authorization },
            })
            .then(async ({ statusCode, body }) => {
              const text = await body.text();
              response.writeHead(statusCode, { 'content-type': 'application/json' });
              response.end(text.replaceAll('"provisioningState":"Succeeded"', '"provisioningState":"Hibernating"'));
            })
            .catch((error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))));
        });
        return { ...params, resourceManagerEndpoint: front.url, caBundle: azure.ca + front.ca };
      },
      async clear() {
        for (const proxy of proxies) await proxy.setMode('pass');
        azure.clear();
      },
    },
    async close() {
      await agent.destroy();
      await front.close();
      for (const proxy of proxies) await proxy.close();
      await azure.close();
    },
  };
}
