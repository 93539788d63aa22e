import { stringify } from 'yaml';
import { Fault } from '../../core/errors.ts';
import type { Place } from './api.ts';
import { endpointOf, stateOf } from './seen.ts';
import type { ClusterAnswer } from './wire.ts';

/** A kubeconfig for a cluster and the way `user` signs in. Throws `conflict` while there is nothing to sign in to. */
export function kubeconfigFor(
  cluster: ClusterAnswer,
  { location, name }: Place,
  project: string,
  user: Record<string, unknown>,
): string {
  const endpoint = endpointOf(cluster);
  const state = stateOf(cluster.status);
  if (state === 'creating' || state === 'deleting' || !endpoint) {
    const passing = state !== 'deleting' && state !== 'error';
    throw new Fault('conflict', `The cluster ${name} has no API to sign in to${passing ? ' yet' : ''}.`, {
      retryable: passing,
      next: passing ? 'Try again in a while.' : 'Look at it with `cluster show`.',
    });
  }
  // As gcloud names them, so that both kinds of entries stand side by side in one file.
  const context = `gke_${project}_${location}_${name}`;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: context,
        cluster: {
          server: endpoint.server,
          ...(endpoint.ca ? { 'certificate-authority-data': endpoint.ca } : {}),
        },
      },
    ],
    users: [{ name: context, user }],
    contexts: [{ name: context, context: { cluster: context, user: context } }],
    'current-context': context,
  });
}

/** Signs people in with their own Google account (https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl). */
export const pluginUser = {
  exec: {
    apiVersion: 'client.authentication.k8s.io/v1beta1',
    command: 'gke-gcloud-auth-plugin',
    installHint: 'Install gke-gcloud-auth-plugin: gcloud components install gke-gcloud-auth-plugin',
    provideClusterInfo: true,
    interactiveMode: 'IfAvailable',
  },
};
