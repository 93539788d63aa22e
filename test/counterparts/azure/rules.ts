/** What the AKS resource provider refuses, and what it makes of a request. */
import { randomBytes, randomUUID } from 'node:crypto';
import { resolveVersion, sizes } from './catalog.ts';
import type { Cluster, Json, Pool } from './types.ts';
import { type Asked, gateway, provider } from './wire.ts';

/** Azure does not tell capital letters in names apart. */
export function keyOf(group: string, name: string): string {
  return `${group}/${name}`.toLowerCase();
}

/** A stopped cluster takes no change but a start. */
export function refuseStopped(cluster: Cluster): void {
  if (cluster.powerState === 'Running') return;
  throw provider(400, 'BadRequest', 'Managed Cluster is in stopped state, no operations except for start are allowed.');
}

/** Refuses a change of what somebody else changed meanwhile. */
export function checkTag(eTag: string, asked: Asked): void {
  const wanted = asked.headers['if-match'];
  if (wanted === undefined || wanted === eTag || wanted === '*') return;
  // As quoted in Azure/terraform-azurerm-aks#604.
  throw provider(
    409,
    'EtagMismatch',
    'Operation is not allowed: Another operation is in progress',
    'PutManagedClusterAndComponents_FailedPrecondition',
  );
}

/** Refuses a pool that cannot be. */
export function checkPool(pool: Json, location: string): void {
  const name = String(pool.name ?? '');
  if (!/^[a-z][a-z0-9]{0,11}$/.test(name)) {
    throw provider(
      400,
      'InvalidParameter',
      `The value of parameter agentPool.name is invalid. Error details: The name ${name} is not valid.`,
    );
  }
  for (const label of Object.keys((pool.nodeLabels ?? {}) as Json)) {
    // As quoted in Azure/AKS#4613.
    if (!/(^|\.)(kubernetes|k8s)\.io\//.test(label) || /^(kubelet|node)\.kubernetes\.io\//.test(label)) continue;
    throw provider(
      400,
      'BadRequest',
      "For Kubernetes version greater than or equal to 1.16, node label keys in the 'kubernetes.io' or 'k8s.io' namespace must begin with an allowed prefix (kubelet.kubernetes.io, node.kubernetes.io). For more information, please check https://aka.ms/aks-node-labels-116.",
    );
  }
  const size = sizes.find((each) => each.name === pool.vmSize);
  if (!size || size.restricted) {
    const allowed = sizes.filter((each) => !each.restricted).map((each) => each.name.toLowerCase());
    throw provider(
      400,
      'BadRequest',
      `The VM size of ${String(pool.vmSize)} is not allowed in your subscription in location '${location}'. The available VM sizes are '${allowed.join(',')}'. For more details, please visit https://aka.ms/cpu-quota`,
    );
  }
  const count = Number(pool.count ?? 1);
  const least = pool.mode === 'System' ? 1 : 0;
  if (!Number.isInteger(count) || count < least || count > 1_000) {
    throw provider(
      400,
      'InvalidParameter',
      `The value of parameter agentPool.count is invalid. Error details: ${count} is not between ${least} and 1000.`,
    );
  }
  if (pool.enableAutoScaling && (count < Number(pool.minCount) || count > Number(pool.maxCount))) {
    throw provider(
      400,
      'InvalidParameter',
      'The value of parameter agentPool.count is not between minCount and maxCount.',
    );
  }
}

/** The patch version that was asked for. */
export function versionOf(wanted: unknown, name: string): string {
  const version = resolveVersion(typeof wanted === 'string' ? wanted : undefined);
  if (version) return version;
  throw provider(
    400,
    'K8sVersionNotSupported',
    `Managed cluster ${name} is on version ${String(wanted)} which is not supported in this region. Please use [az aks get-versions] command to get the supported version list in this region. For more information, please check https://aka.ms/supported-version-list`,
  );
}

/** A pool as it is when its creation begins. */
export function poolOf(profile: Json, version: string): Pool {
  const { eTag: _eTag, provisioningState: _state, currentOrchestratorVersion: _current, ...given } = profile;
  return {
    osDiskSizeGB: 128,
    osDiskType: 'Managed',
    maxPods: 250,
    type: 'VirtualMachineScaleSets',
    osType: 'Linux',
    osSKU: 'Ubuntu',
    ...given,
    name: String(profile.name),
    count: Number(profile.count ?? 1),
    vmSize: String(profile.vmSize),
    mode: String(profile.mode ?? 'User'),
    provisioningState: 'Creating',
    powerState: { code: 'Running' },
    orchestratorVersion: String(profile.orchestratorVersion ?? version),
    currentOrchestratorVersion: version,
    nodeImageVersion: 'AKSUbuntu-2204gen2containerd-202609.01.0',
    eTag: randomUUID(),
  };
}

/** A cluster as it is when its creation begins; a Refusal when it cannot be. */
export function newCluster(
  group: string,
  name: string,
  body: Json,
  options: { noQuota: boolean; createdBy: string },
): Cluster {
  const properties = (body.properties ?? {}) as Json;
  const location = String(body.location ?? '');
  if (location === '') throw gateway(400, 'LocationRequired', 'The location property is required for this definition.');
  const version = versionOf(properties.kubernetesVersion, name);
  const profiles = (properties.agentPoolProfiles ?? []) as Json[];
  if (!profiles.some((pool) => pool.mode === 'System')) {
    throw provider(400, 'BadRequest', 'Must define at least one system pool.');
  }
  for (const pool of profiles) checkPool(pool, location);
  if (options.noQuota) {
    const wanted = profiles.reduce((sum, pool) => sum + Number(pool.count ?? 1) * 2, 0);
    throw provider(
      400,
      'ErrCode_InsufficientVCPUQuota',
      `Insufficient regional vcpu quota left for location ${location}. left regional vcpu quota 0, requested quota ${wanted}. If you want to increase the quota, please follow this instruction: https://docs.microsoft.com/en-us/azure/azure-portal/supportability/regional-quota-requests.`,
    );
  }
  const { kubernetesVersion: _version, agentPoolProfiles: _pools, ...rest } = properties;
  const suffix = randomBytes(4).toString('hex');
  return {
    name,
    key: keyOf(group, name),
    group,
    location,
    tags: { ...((body.tags ?? {}) as Record<string, string>) },
    sku: { name: 'Base', tier: 'Free', ...((body.sku ?? {}) as Json) },
    identity: { ...((body.identity ?? {}) as Json), principalId: randomUUID(), tenantId: randomUUID() },
    eTag: randomUUID(),
    createdBy: options.createdBy,
    createdAt: new Date().toISOString(),
    rest: {
      ...rest,
      fqdn: `${String(properties.dnsPrefix ?? name)}-${suffix}.hcp.${location}.azmk8s.io`,
      azurePortalFQDN: `${String(properties.dnsPrefix ?? name)}-${suffix}.portal.hcp.${location}.azmk8s.io`,
      nodeResourceGroup: `MC_${group}_${name}_${location}`,
      maxAgentPools: 100,
      servicePrincipalProfile: { clientId: 'msi' },
      networkProfile: {
        podCidr: '10.244.0.0/16',
        serviceCidr: '10.0.0.0/16',
        dnsServiceIP: '10.0.0.10',
        outboundType: 'loadBalancer',
        ipFamilies: ['IPv4'],
        ...((properties.networkProfile ?? {}) as Json),
      },
    },
    provisioningState: 'Creating',
    powerState: 'Running',
    kubernetesVersion: version,
    pools: profiles.map((profile) => poolOf(profile, version)),
    error: null,
    token: randomBytes(64).toString('hex'),
    clientKey: randomBytes(120).toString('base64'),
    kube: null,
  };
}
