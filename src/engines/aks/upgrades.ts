import type { ManagedCluster } from '@azure/arm-containerservice';
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Call, Choice } from '../../core/ports/engine.ts';
import type { Arm } from './arm.ts';
import { pools, poolVersion, versionOf } from './states.ts';
import { byVersion, minorsBetween, newer } from './versions.ts';

/**
 * GET …/upgradeProfiles/default (https://learn.microsoft.com/rest/api/aks/managed-clusters/get-upgrade-profile). Read here, since Azure has null
 * for `agentPoolProfiles` at times, at which the SDK (25.5) throws a TypeError.
 */
const UpgradeProfile = z.object({
  properties: z.object({
    controlPlaneProfile: z
      .object({
        upgrades: z
          .array(z.object({ kubernetesVersion: z.string().nullish(), isPreview: z.boolean().nullish() }))
          .nullish(),
      })
      .nullish(),
  }),
});

/** The API version of the SDK's own requests. */
const apiVersion = '2026-06-01';

/**
 * The versions that a cluster can be upgraded to, by its upgrade profile: the newest that is none of a preview first. Pools that stayed behind
 * make the control plane's own version a choice.
 */
export async function upgradeChoices(arm: Arm, found: ManagedCluster, name: string, call: Call): Promise<Choice[]> {
  const path = `${arm.group}/providers/Microsoft.ContainerService/managedClusters/${encodeURIComponent(name)}/upgradeProfiles/default`;
  const answer = await arm.read(call, () => arm.get(`${path}?api-version=${apiVersion}`));
  const profile = UpgradeProfile.safeParse(answer.body);
  if (!profile.success) {
    throw new Fault('internal', 'Azure described the upgrades of the cluster in a shape that KQueen does not know.', {
      whose: 'provider',
    });
  }
  const current = versionOf(found) ?? '';
  const preview = new Map<string, boolean>();
  for (const { kubernetesVersion, isPreview } of profile.data.properties.controlPlaneProfile?.upgrades ?? []) {
    if (kubernetesVersion && minorsBetween(current, kubernetesVersion) <= 1) {
      preview.set(kubernetesVersion, isPreview === true);
    }
  }
  const choices = [...preview.keys()]
    .sort((a, b) => Number(preview.get(a)) - Number(preview.get(b)) || byVersion(a, b))
    .map((version): Choice => {
      const choice: Choice = { value: version, label: version };
      if (preview.get(version)) choice.note = 'preview: not for production';
      return choice;
    });
  const behind = pools(found).filter((pool) => newer(current, poolVersion(pool) ?? current));
  if (behind.length > 0) {
    const names = behind.map((pool) => pool.name).join(', ');
    choices.push({ value: current, label: current, note: `brings the nodes of ${names} up to the control plane` });
  }
  return choices;
}
