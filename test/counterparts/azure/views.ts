import { randomBytes } from 'node:crypto';
import type { Cluster, Json, Pool } from './types.ts';

/**
 * A managed cluster as the API shows it: ManagedClustersGet.json in the examples of azure-rest-api-specs (containerservice, 2026-06-01), with the
 * fields that @azure/arm-containerservice 25.5 reads.
 */
export function clusterView(cluster: Cluster, subscription: string): Json {
  const { name, location, tags, sku, identity, eTag } = cluster;
  return {
    id: idOf(cluster, subscription),
    name,
    type: 'Microsoft.ContainerService/ManagedClusters',
    location,
    tags,
    sku,
    identity,
    eTag,
    systemData: {
      createdBy: cluster.createdBy,
      createdByType: 'Application',
      createdAt: cluster.createdAt,
      lastModifiedBy: cluster.createdBy,
      lastModifiedByType: 'Application',
      lastModifiedAt: cluster.createdAt,
    },
    properties: {
      ...cluster.rest,
      provisioningState: cluster.provisioningState,
      powerState: { code: cluster.powerState },
      kubernetesVersion: cluster.kubernetesVersion,
      currentKubernetesVersion: cluster.kubernetesVersion,
      agentPoolProfiles: cluster.pools.map((pool) => ({ ...pool })),
      ...(cluster.error ? { status: { provisioningError: cluster.error } } : {}),
    },
  };
}

/** AgentPoolsGet.json of the same examples. */
export function poolView(pool: Pool, cluster: Cluster, subscription: string): Json {
  const { name, ...properties } = pool;
  return {
    id: `${idOf(cluster, subscription)}/agentPools/${name}`,
    name,
    type: 'Microsoft.ContainerService/managedClusters/agentPools',
    properties,
  };
}

export function idOf(cluster: Cluster, subscription: string): string {
  return `/subscriptions/${subscription}/resourcegroups/${cluster.group}/providers/Microsoft.ContainerService/managedClusters/${cluster.name}`;
}

/** The admin's kubeconfig: the one of a cluster with local accounts, as `az aks get-credentials --admin` writes it. */
export function adminKubeconfig(cluster: Cluster): string {
  if (cluster.kube) return cluster.kube.kubeconfig;
  const user = `clusterAdmin_${cluster.group}_${cluster.name}`;
  return [
    'apiVersion: v1',
    'clusters:',
    '- cluster:',
    `    certificate-authority-data: ${Buffer.from('not a real authority').toString('base64')}`,
    `    server: ${serverOf(cluster)}`,
    `  name: ${cluster.name}`,
    'contexts:',
    '- context:',
    `    cluster: ${cluster.name}`,
    `    user: ${user}`,
    `  name: ${cluster.name}-admin`,
    `current-context: ${cluster.name}-admin`,
    'kind: Config',
    'preferences: {}',
    'users:',
    `- name: ${user}`,
    '  user:',
    `    client-certificate-data: ${randomBytes(60).toString('base64')}`,
    `    client-key-data: ${cluster.clientKey}`,
    `    token: ${cluster.token}`,
    '',
  ].join('\n');
}

/** The user's kubeconfig of a cluster with Microsoft Entra ID, format `exec` (https://azure.github.io/kubelogin/concepts/aks.html). */
export function entraKubeconfig(cluster: Cluster, tenant: string): string {
  const user = `clusterUser_${cluster.group}_${cluster.name}`;
  return [
    'apiVersion: v1',
    'clusters:',
    '- cluster:',
    `    certificate-authority-data: ${Buffer.from(cluster.kube?.ca ?? 'not a real authority').toString('base64')}`,
    `    server: ${serverOf(cluster)}`,
    `  name: ${cluster.name}`,
    'contexts:',
    '- context:',
    `    cluster: ${cluster.name}`,
    `    user: ${user}`,
    `  name: ${cluster.name}`,
    `current-context: ${cluster.name}`,
    'kind: Config',
    'preferences: {}',
    'users:',
    `- name: ${user}`,
    '  user:',
    '    exec:',
    '      apiVersion: client.authentication.k8s.io/v1beta1',
    '      args:',
    '      - get-token',
    '      - --environment',
    '      - AzurePublicCloud',
    '      - --server-id',
    '      - 6dae42f8-4368-4678-94ff-3960e28e3630',
    '      - --client-id',
    '      - 80faf920-1908-4b52-b5ef-a8e7bedfc67a',
    '      - --tenant-id',
    `      - ${tenant}`,
    '      - --login',
    '      - devicecode',
    '      command: kubelogin',
    '      env: null',
    '      provideClusterInfo: false',
    '',
  ].join('\n');
}

function serverOf(cluster: Cluster): string {
  return cluster.kube?.server ?? `https://${String(cluster.rest.fqdn)}:443`;
}
