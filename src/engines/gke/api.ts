/** The calls of the container API that KQueen makes, by names of places and clusters. */
import type { container_v1 } from 'googleapis/build/src/apis/container/index.js';
import { z } from 'zod';
import type { Call } from '../../core/ports/engine.ts';
import type { Google } from './google.ts';
import {
  ClusterAnswer,
  ClustersAnswer,
  OperationAnswer,
  OperationsAnswer,
  ServerConfigAnswer,
  UpgradeInfoAnswer,
} from './wire.ts';

/** Which cluster: a zone or region, and its name there. */
export interface Place {
  location: string;
  name: string;
}

/** How many nodes a pool has in each of its zones, or all of them together; Google takes one or the other. */
export type Autoscaling = container_v1.Schema$NodePoolAutoscaling;

export interface Api {
  get(place: Place, call: Call): Promise<ClusterAnswer>;
  /** `-` for all locations. */
  list(location: string, call: Call): Promise<z.infer<typeof ClustersAnswer>>;
  create(location: string, cluster: container_v1.Schema$Cluster, call: Call): Promise<OperationAnswer>;
  delete(place: Place, call: Call): Promise<OperationAnswer>;
  /** One change: Google takes exactly one with each request. */
  update(place: Place, update: container_v1.Schema$ClusterUpdate, call: Call): Promise<OperationAnswer>;
  setLabels(place: Place, labels: Record<string, string>, fingerprint: string, call: Call): Promise<OperationAnswer>;
  upgradePool(place: Place, pool: string, nodeVersion: string, call: Call): Promise<OperationAnswer>;
  /** `nodeCount` is per zone. */
  setSize(place: Place, pool: string, nodeCount: number, call: Call): Promise<OperationAnswer>;
  setAutoscaling(place: Place, pool: string, autoscaling: Autoscaling, call: Call): Promise<OperationAnswer>;
  createPool(place: Place, pool: container_v1.Schema$NodePool, call: Call): Promise<OperationAnswer>;
  deletePool(place: Place, pool: string, call: Call): Promise<OperationAnswer>;
  setNetworkPolicy(place: Place, enabled: boolean, call: Call): Promise<OperationAnswer>;
  operation(location: string, name: string, call: Call): Promise<OperationAnswer>;
  operations(location: string, call: Call): Promise<OperationAnswer[]>;
  cancel(location: string, operation: string, call: Call): Promise<void>;
  serverConfig(location: string, call: Call): Promise<ServerConfigAnswer>;
  upgradeInfo(place: Place, call: Call): Promise<z.infer<typeof UpgradeInfoAnswer>>;
}

export function openApi(google: Google): Api {
  const { locations } = google.container.projects;
  const { clusters, operations } = locations;
  const parentOf = (location: string) => `projects/${google.project}/locations/${location}`;
  const nameOf = ({ location, name }: Place) => `${parentOf(location)}/clusters/${name}`;
  const poolOf = (place: Place, pool: string) => `${nameOf(place)}/nodePools/${pool}`;

  return {
    get: (place, call) =>
      google.ask('GET', ClusterAnswer, call, (options) => clusters.get({ name: nameOf(place) }, options)),

    list: (location, call) =>
      google.ask('GET', ClustersAnswer, call, (options) => clusters.list({ parent: parentOf(location) }, options)),

    create: (location, cluster, call) =>
      google.ask('POST', OperationAnswer, call, (options) =>
        clusters.create({ parent: parentOf(location), requestBody: { cluster } }, options),
      ),

    delete: (place, call) =>
      google.ask('DELETE', OperationAnswer, call, (options) => clusters.delete({ name: nameOf(place) }, options)),

    update: (place, update, call) =>
      google.ask('PUT', OperationAnswer, call, (options) =>
        clusters.update({ name: nameOf(place), requestBody: { update } }, options),
      ),

    setLabels: (place, resourceLabels, labelFingerprint, call) =>
      google.ask('POST', OperationAnswer, call, (options) =>
        clusters.setResourceLabels({ name: nameOf(place), requestBody: { resourceLabels, labelFingerprint } }, options),
      ),

    upgradePool: (place, pool, nodeVersion, call) =>
      google.ask('PUT', OperationAnswer, call, (options) =>
        clusters.nodePools.update({ name: poolOf(place, pool), requestBody: { nodeVersion } }, options),
      ),

    setSize: (place, pool, nodeCount, call) =>
      google.ask('POST', OperationAnswer, call, (options) =>
        clusters.nodePools.setSize({ name: poolOf(place, pool), requestBody: { nodeCount } }, options),
      ),

    setAutoscaling: (place, pool, autoscaling, call) =>
      google.ask('POST', OperationAnswer, call, (options) =>
        clusters.nodePools.setAutoscaling({ name: poolOf(place, pool), requestBody: { autoscaling } }, options),
      ),

    createPool: (place, nodePool, call) =>
      google.ask('POST', OperationAnswer, call, (options) =>
        clusters.nodePools.create({ parent: nameOf(place), requestBody: { nodePool } }, options),
      ),

    deletePool: (place, pool, call) =>
      google.ask('DELETE', OperationAnswer, call, (options) =>
        clusters.nodePools.delete({ name: poolOf(place, pool) }, options),
      ),

    setNetworkPolicy: (place, enabled, call) =>
      google.ask('POST', OperationAnswer, call, (options) => {
        // Off is said without a provider, as gcloud does.
        const networkPolicy = enabled ? { enabled, provider: 'CALICO' } : { enabled };
        return clusters.setNetworkPolicy({ name: nameOf(place), requestBody: { networkPolicy } }, options);
      }),

    operation: (location, name, call) =>
      google.ask('GET', OperationAnswer, call, (options) =>
        operations.get({ name: `${parentOf(location)}/operations/${name}` }, options),
      ),

    async operations(location, call) {
      const answer = await google.ask('GET', OperationsAnswer, call, (options) =>
        operations.list({ parent: parentOf(location) }, options),
      );
      return answer.operations;
    },

    async cancel(location, operation, call) {
      await google.ask('POST', z.looseObject({}), call, (options) =>
        operations.cancel({ name: `${parentOf(location)}/operations/${operation}`, requestBody: {} }, options),
      );
    },

    serverConfig: (location, call) =>
      google.ask('GET', ServerConfigAnswer, call, (options) =>
        locations.getServerConfig({ name: parentOf(location) }, options),
      ),

    upgradeInfo: (place, call) =>
      google.ask('GET', UpgradeInfoAnswer, call, (options) =>
        clusters.fetchClusterUpgradeInfo({ name: nameOf(place) }, options),
      ),
  };
}
