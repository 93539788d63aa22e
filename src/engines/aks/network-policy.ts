/** Whether a cluster of AKS enforces network policies, and turning that. */
import type { ManagedCluster } from '@azure/arm-containerservice';
import { Fault } from '../../core/errors.ts';

/** What is installed where nothing enforced policies before: it works with every plugin of Azure. */
export const usualEngine = 'calico';

export function enforces(found: ManagedCluster): boolean {
  const policy = found.networkProfile?.networkPolicy ?? 'none';
  return policy !== 'none' || found.networkProfile?.networkDataplane === 'cilium';
}

/** Why it stays as it is, or undefined (https://learn.microsoft.com/azure/aks/use-network-policies). */
export function fixedPolicy({ networkProfile }: ManagedCluster): string | undefined {
  if (networkProfile?.networkDataplane === 'cilium') {
    return 'Cilium enforces network policies by itself and cannot be told not to; take the NetworkPolicy objects away instead.';
  }
  if (networkProfile?.networkPlugin === 'none') {
    return 'Without a network plugin Azure installs nothing that enforces network policies; your own plugin may.';
  }
  return undefined;
}

/** The part of the body that turns it; null when it is as wanted. Azure then gives every node another image, pool by pool. */
export function withPolicy(found: ManagedCluster, wanted: boolean): Partial<ManagedCluster> | null {
  if (enforces(found) === wanted) return null;
  const fixed = fixedPolicy(found);
  if (fixed) throw new Fault('unsupported', fixed, { whose: 'caller', retryable: false });
  return { networkProfile: { ...found.networkProfile, networkPolicy: wanted ? usualEngine : 'none' } };
}
