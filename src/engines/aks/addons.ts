/** Add-ons that AKS itself has, wherever in the cluster's body Azure keeps each. What needs more than a word (a workspace, a subnet) is left to Azure's own tools. */
import type { ManagedCluster } from '@azure/arm-containerservice';
import { Fault } from '../../core/errors.ts';
import type { ProviderAddon } from '../../core/ports/engine.ts';

interface Addon {
  title: string;
  note?: string;
  on(found: ManagedCluster): boolean;
  /** The part of the body in which it is turned. */
  turn(found: ManagedCluster, on: boolean): Partial<ManagedCluster>;
}

/** How often images that nobody uses are looked for, in hours: Azure's own default. */
const cleanEveryHours = 168;

/** One of `addonProfiles`; Azure does not tell capital letters in its names apart. */
function profile(name: string, title: string, note?: string): Addon {
  const keyOf = ({ addonProfiles = {} }: ManagedCluster) =>
    Object.keys(addonProfiles).find((key) => key.toLowerCase() === name.toLowerCase()) ?? name;
  return {
    title,
    ...(note ? { note } : {}),
    on: (found) => found.addonProfiles?.[keyOf(found)]?.enabled === true,
    turn(found, on) {
      const key = keyOf(found);
      // What Azure has written of its identity is read-only.
      const { identity: _identity, ...before } = found.addonProfiles?.[key] ?? {};
      return { addonProfiles: { ...found.addonProfiles, [key]: { ...before, enabled: on } } };
    },
  };
}

/** One of `storageProfile`; `usual` is what Azure has where nothing is said. */
function storage(
  key: 'diskCSIDriver' | 'fileCSIDriver' | 'blobCSIDriver' | 'snapshotController',
  title: string,
  usual: boolean,
  note?: string,
): Addon {
  return {
    title,
    ...(note ? { note } : {}),
    on: (found) => found.storageProfile?.[key]?.enabled ?? usual,
    turn: (found, on) => ({
      storageProfile: { ...found.storageProfile, [key]: { ...found.storageProfile?.[key], enabled: on } },
    }),
  };
}

const lost = 'Without it no new volume of that kind is made or attached.';

const addons: Record<string, Addon> = {
  'app-routing': {
    title: 'Application routing (managed ingress)',
    note: 'Without it the Ingress objects of its class get no traffic.',
    on: (found) => found.ingressProfile?.webAppRouting?.enabled === true,
    turn(found, on) {
      const { identity: _identity, ...before } = found.ingressProfile?.webAppRouting ?? {};
      return { ingressProfile: { ...found.ingressProfile, webAppRouting: { ...before, enabled: on } } };
    },
  },
  'azure-policy': profile('azurepolicy', 'Azure Policy'),
  'key-vault': profile('azureKeyvaultSecretsProvider', 'Secrets of Azure Key Vault as volumes'),
  keda: {
    title: 'Scaling of apps by events (KEDA)',
    on: (found) => found.workloadAutoScalerProfile?.keda?.enabled === true,
    turn: (found, on) => ({
      workloadAutoScalerProfile: { ...found.workloadAutoScalerProfile, keda: { enabled: on } },
    }),
  },
  'vertical-pod-autoscaler': {
    title: 'Vertical pod autoscaler',
    on: (found) => found.workloadAutoScalerProfile?.verticalPodAutoscaler?.enabled === true,
    turn: (found, on) => ({
      workloadAutoScalerProfile: { ...found.workloadAutoScalerProfile, verticalPodAutoscaler: { enabled: on } },
    }),
  },
  'image-cleaner': {
    title: 'Removal of images that nobody uses',
    on: (found) => found.securityProfile?.imageCleaner?.enabled === true,
    turn(found, on) {
      const intervalHours = found.securityProfile?.imageCleaner?.intervalHours ?? cleanEveryHours;
      return { securityProfile: { ...found.securityProfile, imageCleaner: { enabled: on, intervalHours } } };
    },
  },
  'disk-csi': storage('diskCSIDriver', 'Azure disks', true, lost),
  'file-csi': storage('fileCSIDriver', 'Azure file shares', true, lost),
  'blob-csi': storage('blobCSIDriver', 'Azure blob storage as volumes', false, lost),
  snapshots: storage('snapshotController', 'Snapshots of volumes', true),
};

/** The add-ons of a cluster, on and off. */
export function addonsOf(found: ManagedCluster): ProviderAddon[] {
  return Object.entries(addons).map(([name, addon]) => ({
    ...{ name, title: addon.title, on: addon.on(found) },
    ...(addon.note ? { note: addon.note } : {}),
  }));
}

/** Throws `bad-input` for an add-on that AKS has not, and says which there are. */
export function checkAddons(wanted: Record<string, boolean>): void {
  const names = Object.keys(addons);
  const strange = Object.keys(wanted).find((name) => !names.includes(name));
  if (strange === undefined) return;
  throw new Fault('bad-input', `AKS has no add-on ${strange.slice(0, 60)}.`, {
    field: 'addon',
    next: `It has: ${names.join(', ')}.`,
  });
}

/** The cluster's body with the add-ons as wanted; null when they are. */
export function withAddons(found: ManagedCluster, wanted: Record<string, boolean>): Partial<ManagedCluster> | null {
  checkAddons(wanted);
  const differ = Object.entries(wanted).filter(([name, on]) => addons[name]?.on(found) !== on);
  if (differ.length === 0) return null;
  // Two may be parts of one profile, so that each is turned in what the one before has made.
  const made: Partial<ManagedCluster> = {};
  for (const [name, on] of differ) Object.assign(made, addons[name]?.turn({ ...found, ...made }, on));
  return made;
}
