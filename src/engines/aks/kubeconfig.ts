import type { CredentialResults, ManagedCluster } from '@azure/arm-containerservice';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Call, SignIn } from '../../core/ports/engine.ts';
import type { Arm } from './arm.ts';
import { stateOf, stepOf } from './states.ts';

/** The application that every AKS cluster with Microsoft Entra ID knows its callers by (https://azure.github.io/kubelogin/concepts/aks.html). */
const entraServer = '6dae42f8-4368-4678-94ff-3960e28e3630/.default';

/** As much of a kubeconfig as is read and rebuilt. */
const Kubeconfig = z.object({
  clusters: z
    .array(
      z.object({
        name: z.string(),
        cluster: z.object({ server: z.string(), 'certificate-authority-data': z.string().optional() }),
      }),
    )
    .min(1),
  users: z.array(z.object({ name: z.string(), user: z.record(z.string(), z.unknown()) })).default([]),
});

/**
 * The kubeconfig for KQueen's own use: the admin's while local accounts are on, else that of the provisioner's service principal, with a token
 * of Microsoft Entra ID that is good for an hour.
 */
export async function adminKubeconfig(arm: Arm, group: string, found: ManagedCluster, name: string, call: Call) {
  refuseWhileBusy(found);
  if (!found.disableLocalAccounts) {
    const answer = await arm.read(call, () => arm.aks.managedClusters.listClusterAdminCredentials(group, name));
    return textOf(answer, 'clusterAdmin');
  }
  if (!found.aadProfile) {
    throw new Fault('not-allowed', 'Local accounts of this cluster are disabled, and it has no Microsoft Entra ID.', {
      next: `Ask an admin to enable one of the two, such as with \`az aks update --name ${name} --enable-local-accounts\`.`,
    });
  }
  const answer = await arm.read(call, () =>
    arm.aks.managedClusters.listClusterUserCredentials(group, name, { format: 'exec' }),
  );
  const { clusters } = readKubeconfig(textOf(answer, 'clusterUser'));
  const token = await arm.read(call, () => arm.tokens.fresh(entraServer));
  const cluster = clusters[0];
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [cluster],
    users: [{ name: 'kqueen', user: { token } }],
    contexts: [{ name, context: { cluster: cluster?.name, user: 'kqueen' } }],
    'current-context': name,
  });
}

/** The kubeconfig for people with an account in the directory; null where the cluster does not know them. */
export async function entraSignIn(
  arm: Arm,
  group: string,
  found: ManagedCluster,
  name: string,
  call: Call,
): Promise<SignIn | null> {
  if (!found.aadProfile) return null;
  refuseWhileBusy(found);
  const answer = await arm.read(call, () =>
    arm.aks.managedClusters.listClusterUserCredentials(group, name, { format: 'exec' }),
  );
  const kubeconfig = textOf(answer, 'clusterUser');
  const { users } = readKubeconfig(kubeconfig);
  // What signs in without an account of one's own is a secret, and not for everybody.
  const free = users.every(({ user }) => user.exec && Object.keys(user).every((key) => key === 'exec'));
  if (!free || users.length === 0) return null;
  return {
    kubeconfig,
    needs:
      'Install kubectl and kubelogin (`az aks install-cli` does both). Your account needs a role in the cluster: ' +
      (found.aadProfile.enableAzureRbac
        ? 'an Azure role such as "Azure Kubernetes Service RBAC Reader", or membership in one of its admin groups.'
        : 'membership in one of its admin groups, or a Kubernetes role binding.'),
  };
}

function refuseWhileBusy(found: ManagedCluster): void {
  const state = stateOf(found);
  if (state === 'stopped') {
    throw new Fault('conflict', 'The cluster is stopped, so its API does not answer.', {
      retryable: false,
      next: 'Start it first, with `cluster start`.',
    });
  }
  if (state === 'creating' || state === 'deleting') {
    throw new Fault('conflict', `The cluster has no credentials to give while it is ${stepOf(found)}.`, {
      whose: 'provider',
      retryable: true,
      next: 'Nothing to do: KQueen tries again by itself.',
    });
  }
}

/** The kubeconfig of that name in the answer, else its first one. */
function textOf(answer: CredentialResults, name: string): string {
  const all = answer.kubeconfigs ?? [];
  const value = (all.find((each) => each.name === name) ?? all[0])?.value;
  if (!value || value.length === 0) {
    throw new Fault('conflict', 'Azure has no credentials for the cluster yet.', {
      whose: 'provider',
      retryable: true,
      next: 'Nothing to do: KQueen tries again by itself.',
    });
  }
  return Buffer.from(value).toString('utf8');
}

function readKubeconfig(text: string): z.infer<typeof Kubeconfig> {
  let raw: unknown;
  try {
    raw = parse(text, { maxAliasCount: 0 });
  } catch {
    raw = null;
  }
  const read = Kubeconfig.safeParse(raw);
  if (read.success) return read.data;
  // The text may hold credentials, so nothing of it goes into the Fault.
  throw new Fault('internal', 'Azure gave a kubeconfig that KQueen does not understand.', { whose: 'provider' });
}
