import { gke } from '../../src/engines/gke/index.ts';
import { refusals } from '../counterparts/google/errors.ts';
import { type GoogleServer, openGoogleServer, strangePath } from '../counterparts/google/index.ts';
import { groupsOf } from '../counterparts/google/machines.ts';
import { startTcpProxy } from '../proxy.ts';
import type { Harness, HarnessOptions } from './harness.ts';

const spec = {
  location: 'europe-west3-a',
  releaseChannel: 'REGULAR',
  version: '1.33.6-gke.1130000',
  machineType: 'e2-standard-2',
  nodes: 2,
};

/** List prices of Frankfurt, per hour. */
const prices = `
currency: USD
controlPlane: 0.10
sizes:
  e2-standard-2: 0.0670
regions:
  europe-west3:
    e2-standard-2: 0.0863
`;

/** What a project needs that people made elsewhere. */
const foreignCluster = (name: string) => ({
  name,
  resourceLabels: { owner: 'somebody-else' },
  releaseChannel: { channel: 'REGULAR' },
  nodePools: [
    {
      name: 'default-pool',
      initialNodeCount: 1,
      config: { machineType: 'e2-standard-4' },
      management: { autoUpgrade: true },
    },
  ],
});

/** A harness that gives its Google away, for tests of this engine alone. */
export interface GkeHarness extends Harness {
  google: GoogleServer;
}

/** The GKE engine with a loopback Google of its own. */
export async function openGkeHarness(options: HarnessOptions = {}): Promise<GkeHarness> {
  const google = await openGoogleServer(options);
  const proxy = await startTcpProxy({ port: google.port });
  const address = `https://127.0.0.1:${proxy.port}`;
  const params = {
    serviceAccountKey: google.signIn.keyFile(),
    defaultLocation: 'europe-west3-a',
    apiEndpoint: address,
    tokenUrl: `${address}/token`,
    caBundle: google.ca,
    prices,
  };
  return {
    google,
    engine: gke,
    params,
    addresses: [
      { key: 'apiEndpoint', ca: google.ca },
      { key: 'tokenUrl', ca: google.ca },
    ],
    badParams: { ...params, serviceAccountKey: google.signIn.strangeKeyFile() },
    nowhereParams: { ...params, project: 'nowhere-987654' },
    spec,
    badSpec: { spec: { ...spec, version: '1.99' }, field: 'version' },
    update: { nodes: 4, version: '1.34.2-gke.1042000', addon: 'gcs-fuse' },
    // 0.10 for the control plane and two nodes at the price of the region.
    price: { perHour: 0.2726, currency: 'USD' },
    async makeForeign(name) {
      google.world.place('europe-west3-a', foreignCluster(name));
    },
    writes: async () => google.counts.writes,
    requests: async () => google.counts.all,
    secrets: async () => google.signIn.issued(),
    made: async (name) => google.world.made(name),
    async machines({ externalName }) {
      const cluster = google.world.clusters('-').find(({ name }) => name === externalName);
      if (!cluster) return [];
      return cluster.pools.flatMap((pool) =>
        groupsOf(cluster, pool).flatMap(({ machines }) =>
          machines.map(({ name, id }) => ({ node: name, id, pool: pool.name })),
        ),
      );
    },
    openConnections: () => proxy.open(),
    faults: {
      async loseCreateAnswer() {
        google.weather.loseCreate = true;
      },
      async failCreates(message) {
        google.world.troubles.createFailure = message;
      },
      async stall() {
        google.world.troubles.stall = true;
      },
      async exhaustQuota() {
        google.world.troubles.quota = true;
      },
      async limitRate(seconds) {
        google.weather.refusal = () => refusals.rate(seconds);
      },
      async hang() {
        google.weather.hang = true;
      },
      async refuse() {
        await proxy.setMode('refuse');
        proxy.cut();
      },
      async webPage() {
        google.weather.page = true;
      },
      strangeState: async () => ({ ...params, apiEndpoint: `${address}${strangePath}` }),
      async serverError() {
        google.weather.refusal = () => refusals.internal();
      },
      async cutAnswer() {
        google.weather.cut = true;
      },
      async forbid() {
        google.weather.refusal = () => refusals.missingPermission('container.clusters.list', google.project);
        return 'container.clusters.list';
      },
      async failUpdates(message) {
        google.world.troubles.updateFailure = message;
      },
      async loseAnswers() {
        google.weather.loseAnswers = true;
      },
      async clear() {
        await proxy.setMode('pass');
        google.clear();
      },
    },
    async close() {
      await proxy.close();
      await google.close();
    },
  };
}
