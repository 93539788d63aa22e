/** Whether a cluster at Google enforces network policies, and the steps that change it. */
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import type { Api, Place } from './api.ts';
import type { ClusterAnswer, OperationAnswer } from './wire.ts';

/** Why GKE Dataplane V2 cannot be told to let everything through. */
export const alwaysOn =
  'GKE Dataplane V2 enforces network policies by itself and cannot be told not to; take the NetworkPolicy objects away instead.';

/** Whether the cluster has GKE Dataplane V2, which Autopilot always has. */
export function hasDataplaneV2(cluster: ClusterAnswer): boolean {
  return cluster.autopilot?.enabled === true || cluster.networkConfig?.datapathProvider === 'ADVANCED_DATAPATH';
}

export function enforces(cluster: ClusterAnswer): boolean {
  return hasDataplaneV2(cluster) || cluster.networkPolicy?.enabled === true;
}

/**
 * The next of two steps: Calico's control plane comes first and goes last, the nodes are told in between (https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy).
 * Null when all is as wanted.
 */
export function networkPolicyStep(
  api: Api,
  place: Place,
  cluster: ClusterAnswer,
  wanted: boolean | undefined,
  call: Call,
): (() => Promise<OperationAnswer>) | null {
  if (wanted === undefined) return null;
  if (hasDataplaneV2(cluster)) {
    if (wanted) return null;
    throw new Fault('unsupported', alwaysOn, { whose: 'caller', retryable: false });
  }
  const addon = cluster.addonsConfig?.networkPolicyConfig;
  // What Google leaves out of an answer is as it is by default: off, unless the nodes are told already.
  const ready = addon ? addon.disabled !== true : cluster.networkPolicy?.enabled === true;
  const told = cluster.networkPolicy?.enabled === true;
  const turnAddon = () =>
    api.update(place, { desiredAddonsConfig: { networkPolicyConfig: { disabled: !wanted } } }, call);
  const tellNodes = () => api.setNetworkPolicy(place, wanted, call);
  if (wanted) return ready ? (told ? null : tellNodes) : turnAddon;
  return told ? tellNodes : ready ? turnAddon : null;
}
