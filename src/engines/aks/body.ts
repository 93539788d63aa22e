import type { ManagedCluster, ManagedClusterAgentPoolProfile } from '@azure/arm-containerservice';
import { gatewayMark, type Target } from '../../core/ports/engine.ts';
import { dnsAddressOf, hasUserPool } from './rules.ts';
import type { AksCluster } from './schema.ts';
import { clusterTag, orgTag } from './states.ts';

/** The cluster to ask for (https://learn.microsoft.com/rest/api/aks/managed-clusters/create-or-update). */
export function bodyOf(target: Target, spec: AksCluster): ManagedCluster {
  const body: ManagedCluster = {
    location: spec.location,
    tags: { ...spec.tags, [clusterTag]: target.cluster, [orgTag]: target.org },
    sku: { name: 'Base', tier: spec.tier },
    identity: { type: 'SystemAssigned' },
    dnsPrefix: target.externalName,
    enableRbac: true,
    agentPoolProfiles: poolsOf(spec),
    networkProfile: networkOf(spec),
  };
  if (spec.version) body.kubernetesVersion = spec.version;
  // The Premium tier is there for long-term support, and its versions are refused without it.
  if (spec.tier === 'Premium') body.supportPlan = 'AKSLongTermSupport';
  if (spec.privateCluster) body.apiServerAccessProfile = { enablePrivateCluster: true };
  if (spec.sshKey) {
    body.linuxProfile = {
      adminUsername: spec.adminUsername ?? 'azureuser',
      ssh: { publicKeys: [{ keyData: spec.sshKey.trim() }] },
    };
  }
  return body;
}

function poolsOf(spec: AksCluster): ManagedClusterAgentPoolProfile[] {
  const gateways = spec.gateways ? [gatewayPool(spec, spec.gateways)] : [];
  const system = poolOf(spec, 'System', spec.systemPool, spec.size, spec.nodes, spec.autoscaleMin, spec.autoscaleMax);
  if (!hasUserPool(spec)) return [system, ...gateways];
  const size = spec.userSize ?? spec.size;
  return [
    system,
    poolOf(spec, 'User', spec.userPool, size, spec.userNodes, spec.userAutoscaleMin, spec.userAutoscaleMax),
    ...gateways,
  ];
}

function gatewayPool(spec: AksCluster, count: number): ManagedClusterAgentPoolProfile {
  const { key, value } = gatewayMark;
  return {
    ...poolOf(spec, 'User', value, spec.size, count, undefined, undefined),
    nodeLabels: { [key]: value },
    nodeTaints: [`${key}=${value}:NoSchedule`],
  };
}

function poolOf(
  spec: AksCluster,
  mode: 'System' | 'User',
  name: string,
  vmSize: string,
  count: number,
  min: number | undefined,
  max: number | undefined,
): ManagedClusterAgentPoolProfile {
  const pool: ManagedClusterAgentPoolProfile = {
    name,
    mode,
    vmSize,
    count,
    type: 'VirtualMachineScaleSets',
    osType: 'Linux',
  };
  if (spec.osDiskGb !== undefined) pool.osDiskSizeGB = spec.osDiskGb;
  if (spec.zones) pool.availabilityZones = spec.zones.split(',');
  if (min !== undefined && max !== undefined) {
    pool.enableAutoScaling = true;
    pool.minCount = min;
    pool.maxCount = max;
  }
  return pool;
}

function networkOf(spec: AksCluster): NonNullable<ManagedCluster['networkProfile']> {
  const network: NonNullable<ManagedCluster['networkProfile']> = {
    networkPlugin: spec.networkPlugin === 'azure-overlay' ? 'azure' : spec.networkPlugin,
    loadBalancerSku: 'standard',
  };
  if (spec.networkPlugin === 'azure-overlay') network.networkPluginMode = 'overlay';
  if (spec.networkPolicy !== 'none') network.networkPolicy = spec.networkPolicy;
  if (spec.networkPolicy === 'cilium') network.networkDataplane = 'cilium';
  if (spec.podCidr) network.podCidr = spec.podCidr;
  if (spec.serviceCidr) {
    network.serviceCidr = spec.serviceCidr;
    network.dnsServiceIP = spec.dnsServiceIp ?? dnsAddressOf(spec.serviceCidr);
  } else if (spec.dnsServiceIp) {
    network.dnsServiceIP = spec.dnsServiceIp;
  }
  return network;
}

/** As much of the form as an existing cluster tells, for adopting it. */
export function specOf(found: ManagedCluster): Record<string, unknown> {
  const spec: Record<string, unknown> = { location: found.location };
  const all = found.agentPoolProfiles ?? [];
  const system = all.find((pool) => pool.mode === 'System') ?? all[0];
  const user = all.find((pool) => pool !== system && pool.mode === 'User' && pool.name !== gatewayMark.value);
  const gateways = all.find((pool) => pool.name === gatewayMark.value);
  const version = found.currentKubernetesVersion ?? found.kubernetesVersion;
  if (version) spec.version = version;
  if (found.sku?.tier && ['Free', 'Standard', 'Premium'].includes(found.sku.tier)) spec.tier = found.sku.tier;
  if (system) {
    Object.assign(spec, { systemPool: system.name, size: system.vmSize, nodes: system.count });
    if (system.enableAutoScaling) Object.assign(spec, { autoscaleMin: system.minCount, autoscaleMax: system.maxCount });
    if (system.availabilityZones?.length) spec.zones = [...system.availabilityZones].sort().join(',');
  }
  if (user) {
    Object.assign(spec, { userPool: user.name, userSize: user.vmSize, userNodes: user.count });
    if (user.enableAutoScaling) {
      Object.assign(spec, { userAutoscaleMin: user.minCount, userAutoscaleMax: user.maxCount });
    }
  }
  if (gateways?.count) spec.gateways = gateways.count;
  const network = found.networkProfile;
  if (network?.networkPlugin) {
    spec.networkPlugin = network.networkPluginMode === 'overlay' ? 'azure-overlay' : network.networkPlugin;
  }
  if (network?.networkPolicy) spec.networkPolicy = network.networkPolicy;
  if (found.apiServerAccessProfile?.enablePrivateCluster) spec.privateCluster = true;
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined && value !== null));
}
