/** Gateways, network policies and add-ons at Azure: what is sent, and that nothing else of the cluster changes with it. */
import type { ManagedCluster } from '@azure/arm-containerservice';
import { describe, expect, it } from 'vitest';
import { addonsOf, withAddons } from '../../src/engines/aks/addons.ts';
import { bodyOf } from '../../src/engines/aks/body.ts';
import { aks } from '../../src/engines/aks/index.ts';
import { enforces, fixedPolicy, withPolicy } from '../../src/engines/aks/network-policy.ts';
import { AksCluster } from '../../src/engines/aks/schema.ts';
import { nextStep } from '../../src/engines/aks/update.ts';

const spec = { location: 'westeurope', version: '1.33.6', size: 'Standard_D2s_v5', nodes: 2 };

/** A running cluster as Azure shows it. */
function shown(more: Partial<ManagedCluster> = {}): ManagedCluster {
  return {
    ...{ location: 'westeurope', name: 'one', provisioningState: 'Succeeded', powerState: { code: 'Running' } },
    agentPoolProfiles: [
      { name: 'system', mode: 'System', count: 2, vmSize: 'Standard_D2s_v5', provisioningState: 'Succeeded' },
    ],
    networkProfile: { networkPlugin: 'azure', podCidr: '10.244.0.0/16' },
    ...more,
  };
}

const gateways = (count: number, more = {}) => ({
  ...{ name: 'gateways', mode: 'User', count, vmSize: 'Standard_D2s_v5', provisioningState: 'Succeeded' },
  nodeLabels: { 'kqueen-pool': 'gateways' },
  ...more,
});

describe('gateways', () => {
  it('come with a new cluster in a pool of their own', () => {
    const wish = AksCluster.parse({ ...spec, gateways: 2 });
    const body = bodyOf({ org: 'default', cluster: 'c', externalName: 'one', spec }, wish);
    expect(body.agentPoolProfiles?.at(-1)).toMatchObject({
      ...{ name: 'gateways', mode: 'User', count: 2, vmSize: 'Standard_D2s_v5' },
      nodeLabels: { 'kqueen-pool': 'gateways' },
      nodeTaints: ['kqueen-pool=gateways:NoSchedule'],
    });
    expect(aks.nodes({ ...spec, gateways: 2 })).toBe(4);
    expect(aks.describe({ ...spec, gateways: 2 })).toMatch(/^4 nodes \(2 × Standard_D2s_v5 and 2 × Standard_D2s_v5\)/);
    expect(AksCluster.safeParse({ ...spec, gateways: 1, userPool: 'gateways' }).error?.issues[0]?.path).toEqual([
      'userPool',
    ]);
  });

  it('are refused where somebody else has a pool of that name, or Azure scales it', () => {
    const theirs = shown({
      agentPoolProfiles: [...(shown().agentPoolProfiles ?? []), gateways(1, { nodeLabels: {} })],
    });
    expect(() => nextStep(theirs, 'one', { gateways: 2 })).toThrow(/none of KQueen's/);
    const scaled = gateways(1, { enableAutoScaling: true, minCount: 1, maxCount: 3 });
    const byItself = shown({ agentPoolProfiles: [...(shown().agentPoolProfiles ?? []), scaled] });
    expect(() => nextStep(byItself, 'one', { gateways: 2 })).toThrow(/scales the pool gateways by itself/);
    expect(nextStep(shown(), 'one', { gateways: 0 })).toBeNull();
  });

  it.each([
    [{ gateways: 3 }, 3],
    [{ pool: 'gateways', nodes: 1 }, 1],
  ])('the spec after %j', (update, count) => {
    expect(aks.after({ ...spec, gateways: 2 }, update)).toMatchObject({ gateways: count, nodes: 2 });
  });
});

describe('network policies', () => {
  it('are turned on with Calico and off again, with the rest of the network as it was', () => {
    const on = withPolicy(shown(), true);
    expect(on).toEqual({
      networkProfile: { networkPlugin: 'azure', podCidr: '10.244.0.0/16', networkPolicy: 'calico' },
    });
    const enforcing = shown(on ?? {});
    expect(enforces(enforcing)).toBe(true);
    expect(withPolicy(enforcing, true)).toBeNull();
    expect(withPolicy(enforcing, false)?.networkProfile).toMatchObject({ networkPolicy: 'none' });
    expect(withPolicy(shown(), false)).toBeNull();
  });

  it('stay as they are with Cilium, and without a plugin', () => {
    const cilium = shown({
      networkProfile: { networkPlugin: 'azure', networkPolicy: 'cilium', networkDataplane: 'cilium' },
    });
    expect(enforces(cilium)).toBe(true);
    expect(fixedPolicy(cilium)).toMatch(/Cilium enforces/);
    expect(() => withPolicy(cilium, false)).toThrow(/Cilium enforces/);
    expect(() => withPolicy(shown({ networkProfile: { networkPlugin: 'none' } }), true)).toThrow(/network plugin/);
    expect(() => aks.after({ ...spec, networkPolicy: 'cilium' }, { networkPolicy: false })).toThrow(/Cilium/);
    expect(aks.after(spec, { networkPolicy: true })).toMatchObject({ networkPolicy: 'calico' });
  });
});

describe('add-ons', () => {
  it('are told wherever Azure keeps each, several in one request', () => {
    const found = shown({
      addonProfiles: { azurePolicy: { enabled: false, config: { version: 'v2' } } },
      workloadAutoScalerProfile: { keda: { enabled: true } },
      securityProfile: { workloadIdentity: { enabled: true } },
    });
    const wanted = { 'azure-policy': true, keda: false, 'vertical-pod-autoscaler': true, 'image-cleaner': true };
    expect(withAddons(found, wanted)).toEqual({
      addonProfiles: { azurePolicy: { enabled: true, config: { version: 'v2' } } },
      workloadAutoScalerProfile: { keda: { enabled: false }, verticalPodAutoscaler: { enabled: true } },
      securityProfile: { workloadIdentity: { enabled: true }, imageCleaner: { enabled: true, intervalHours: 168 } },
    });
    expect(withAddons(shown(), { 'disk-csi': true, keda: false })).toBeNull();
    expect(withAddons(shown(), { 'disk-csi': false })).toEqual({
      storageProfile: { diskCSIDriver: { enabled: false } },
    });
  });

  it('are on where Azure has them on by itself', () => {
    const on = addonsOf(shown()).filter((addon) => addon.on);
    expect(on.map(({ name }) => name)).toEqual(['disk-csi', 'file-csi', 'snapshots']);
    expect(() => aks.after(spec, { addons: { coffee: true } })).toThrow(/AKS has no add-on coffee/);
  });
});
