import type { container_v1 } from 'googleapis/build/src/apis/container/index.js';
import type { Target } from '../../core/ports/engine.ts';
import { addonsConfig, readAddons } from './addons.ts';
import { marksOf } from './labels.ts';
import { isZone, zoneCount, zonesOf } from './place.ts';
import { defaultMachine, firstPool } from './pure.ts';
import { type GkeCluster, initialNodes } from './schema.ts';

/** What a node may ask of Google for itself: the set that `gcloud container clusters create` gives (gke-default). */
const nodeScopes = [
  'devstorage.read_only',
  'logging.write',
  'monitoring',
  'service.management.readonly',
  'servicecontrol',
  'trace.append',
];

/** The cluster as the container API wants it in a create. */
export function clusterBody(target: Target, wish: GkeCluster): container_v1.Schema$Cluster {
  const body: container_v1.Schema$Cluster = {
    name: target.externalName,
    description: 'Made by KQueen',
    resourceLabels: marksOf(target),
    releaseChannel: { channel: wish.releaseChannel === 'none' ? 'UNSPECIFIED' : wish.releaseChannel },
    ipAllocationPolicy: addressesOf(wish),
  };
  if (wish.version) body.initialClusterVersion = wish.version;
  if (wish.network) body.network = wish.network;
  if (wish.subnetwork) body.subnetwork = wish.subnetwork;
  if (wish.privateNodes) body.networkConfig = { defaultEnablePrivateNodes: true };
  if (wish.maintenanceStart) {
    body.maintenancePolicy = { window: { dailyMaintenanceWindow: { startTime: wish.maintenanceStart } } };
  }
  if (wish.autopilot) body.autopilot = { enabled: true };
  else addNodes(body, wish);
  return body;
}

function addNodes(body: container_v1.Schema$Cluster, wish: GkeCluster): void {
  body.nodePools = [poolBody(wish)];
  if (wish.nodeZones) body.locations = zonesOf(wish.nodeZones);
  if (wish.maxPodsPerNode) body.defaultMaxPodsConstraint = { maxPodsPerNode: String(wish.maxPodsPerNode) };
  const addons = wish.addons ? addonsConfig(readAddons(wish.addons) ?? []) : undefined;
  if (addons) body.addonsConfig = addons;
  if (wish.networkPolicy === 'calico') {
    body.networkPolicy = { enabled: true, provider: 'CALICO' };
    body.addonsConfig = { ...addons, networkPolicyConfig: { disabled: false } };
  }
  if (wish.networkPolicy === 'dataplane-v2') {
    body.networkConfig = { ...body.networkConfig, datapathProvider: 'ADVANCED_DATAPATH' };
  }
}

function poolBody(wish: GkeCluster): container_v1.Schema$NodePool {
  const zones = zoneCount(wish.location, wish.nodeZones);
  const pool: container_v1.Schema$NodePool = {
    name: firstPool,
    // Google counts per zone.
    initialNodeCount: initialNodes(wish) / zones,
    config: {
      machineType: wish.machineType ?? defaultMachine,
      diskSizeGb: wish.diskGb ?? 100,
      diskType: wish.diskType ?? 'pd-balanced',
      oauthScopes: nodeScopes.map((scope) => `https://www.googleapis.com/auth/${scope}`),
      ...(wish.spot ? { spot: true } : {}),
      ...(wish.nodeServiceAccount ? { serviceAccount: wish.nodeServiceAccount } : {}),
    },
    // A release channel upgrades nodes by itself and refuses anything else.
    management: { autoRepair: true, autoUpgrade: wish.releaseChannel !== 'none' },
  };
  if (wish.autoscaleMin !== undefined && wish.autoscaleMax !== undefined) {
    pool.autoscaling = autoscalingOf(
      { min: wish.autoscaleMin, max: wish.autoscaleMax },
      !isZone(wish.location) || zones > 1,
    );
  }
  return pool;
}

/** Bounds for all zones together where there are several; Google takes either these or bounds per zone, never both. */
export function autoscalingOf(
  bounds: { min: number; max: number } | null,
  spread: boolean,
): container_v1.Schema$NodePoolAutoscaling {
  if (!bounds) return { enabled: false };
  return spread
    ? { enabled: true, totalMinNodeCount: bounds.min, totalMaxNodeCount: bounds.max }
    : { enabled: true, minNodeCount: bounds.min, maxNodeCount: bounds.max };
}

function addressesOf(wish: GkeCluster): container_v1.Schema$IPAllocationPolicy {
  return {
    useIpAliases: true,
    ...(wish.clusterCidr ? { clusterIpv4CidrBlock: wish.clusterCidr } : {}),
    ...(wish.servicesCidr ? { servicesIpv4CidrBlock: wish.servicesCidr } : {}),
  };
}
