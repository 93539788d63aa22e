/** The node pool for what lets traffic in: made like the first pool, with a label and a taint of its own. */
import type { container_v1 } from 'googleapis/build/src/apis/container/index.js';
import { Fault } from '../../core/errors.ts';
import { type Call, gatewayMark } from '../../core/ports/engine.ts';
import type { Api, Place } from './api.ts';
import { defaultMachine, scalesByItself, unevenGateways } from './pure.ts';
import { autoscaleOf, zonesOfPool } from './seen.ts';
import type { ClusterAnswer, OperationAnswer } from './wire.ts';

/** The step to this many gateway nodes; null when there are as many. */
export function gatewayStep(
  api: Api,
  place: Place,
  cluster: ClusterAnswer,
  wanted: number | undefined,
  call: Call,
): (() => Promise<OperationAnswer>) | null {
  if (wanted === undefined) return null;
  if (cluster.autopilot?.enabled) {
    throw new Fault('bad-input', 'Autopilot makes nodes as workloads need them; none can be set apart.', {
      field: 'gateways',
      next: 'Nothing to do: what lets traffic in gets nodes by its own requests.',
    });
  }
  const pool = cluster.nodePools.find(({ name }) => name === gatewayMark.value);
  if (pool && pool.config?.labels[gatewayMark.key] !== gatewayMark.value) {
    throw new Fault('conflict', `The cluster has a node pool ${pool.name} already, and it is none of KQueen's.`, {
      ...{ whose: 'admin', retryable: false },
      next: 'Have that pool renamed or removed at Google.',
    });
  }
  const bounds = pool && autoscaleOf(pool, cluster);
  if (bounds && wanted > 0) throw scalesByItself(gatewayMark.value, bounds);
  const zones = pool ? zonesOfPool(pool, cluster) : cluster.locations.length || 1;
  if (wanted % zones !== 0) throw unevenGateways(zones);
  if (wanted === 0) return pool ? () => api.deletePool(place, pool.name, call) : null;
  if (!pool) return () => api.createPool(place, poolLike(cluster, wanted / zones), call);
  const perZone = wanted / zones;
  return perZone === (pool.initialNodeCount ?? 0) ? null : () => api.setSize(place, pool.name, perZone, call);
}

function poolLike(cluster: ClusterAnswer, perZone: number): container_v1.Schema$NodePool {
  const config = cluster.nodePools[0]?.config;
  const { key, value } = gatewayMark;
  return {
    name: value,
    initialNodeCount: perZone,
    config: {
      machineType: config?.machineType || defaultMachine,
      labels: { [key]: value },
      taints: [{ key, value, effect: 'NO_SCHEDULE' }],
      ...(config?.diskSizeGb ? { diskSizeGb: config.diskSizeGb } : {}),
      ...(config?.diskType ? { diskType: config.diskType } : {}),
      ...(config?.serviceAccount ? { serviceAccount: config.serviceAccount } : {}),
      ...(config?.oauthScopes.length ? { oauthScopes: config.oauthScopes } : {}),
    },
    // A release channel upgrades nodes by itself and refuses anything else.
    management: { autoRepair: true, autoUpgrade: !['', 'UNSPECIFIED'].includes(cluster.releaseChannel?.channel ?? '') },
  };
}
