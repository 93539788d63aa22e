import type { Manifest } from './manifests.ts';

/** What others need comes first: what makes kinds and namespaces, then what is referred to, then what runs, then what looks at others. */
const first = [
  ...['Namespace', 'CustomResourceDefinition', 'PriorityClass', 'RuntimeClass', 'StorageClass', 'IngressClass'],
  ...['ResourceQuota', 'LimitRange', 'NetworkPolicy', 'ServiceAccount', 'Secret', 'ConfigMap'],
  ...['PersistentVolume', 'PersistentVolumeClaim', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
  ...[
    'PodDisruptionBudget',
    'Service',
    'DaemonSet',
    'Pod',
    'ReplicaSet',
    'Deployment',
    'StatefulSet',
    'Job',
    'CronJob',
  ],
  ...['HorizontalPodAutoscaler', 'Ingress'],
];
/** Called for every change once they are there, so that what they ask must run before. */
const last = [
  'APIService',
  'ValidatingWebhookConfiguration',
  'MutatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
];

function rank(kind: string): number {
  const at = first.indexOf(kind);
  if (at >= 0) return at;
  return last.includes(kind) ? 1_000 + last.indexOf(kind) : 500;
}

/** The manifests in the order in which they are applied; removal goes the other way round. */
export function inOrder<T extends Pick<Manifest, 'kind'>>(manifests: readonly T[]): T[] {
  return manifests
    .map((manifest, at) => ({ manifest, at, rank: rank(manifest.kind) }))
    .sort((a, b) => a.rank - b.rank || a.at - b.at)
    .map(({ manifest }) => manifest);
}
