import type { JsonObject } from './json.ts';
import { isNewEvent } from './kube-events.ts';

/** One kind of object that the Kubernetes API serves. */
export type Resource = {
  group: string;
  version: string;
  plural: string;
  singular: string;
  kind: string;
  namespaced: boolean;
  shortNames: readonly string[];
  categories: readonly string[];
  /** Whether `status` is a subresource that plain writes leave alone. */
  status: boolean;
  /** Whether `scale` is a subresource. */
  scale: boolean;
  /** Whether `metadata.generation` counts changes of the spec. */
  generation: boolean;
  /** Other subresources, for discovery: name and kind. */
  subresources: readonly { name: string; kind: string; group?: string; version?: string }[];
  /** Reviews are answered and not kept; they can only be created. */
  review: boolean;
  /** Whether objects are made up when they are read, and can only be read. */
  computed: boolean;
  /** Printed columns and paths of the scale of a custom resource, and what its users are warned of. */
  definition?: { columns: readonly JsonObject[]; scale: JsonObject; deprecated: string | undefined };
  /** The OpenAPI v3 schema of a custom resource; the kinds that every API server has come without. */
  schema?: JsonObject;
};

type Row = Partial<Omit<Resource, 'kind' | 'plural'>> & { kind: string; plural: string };

/** A resource from what is special about it. */
export function row(entry: Row): Resource {
  return {
    group: '',
    version: 'v1',
    singular: entry.kind.toLowerCase(),
    namespaced: true,
    shortNames: [],
    categories: [],
    status: false,
    scale: false,
    generation: false,
    subresources: [],
    review: false,
    computed: false,
    ...entry,
  };
}

const RBAC = 'rbac.authorization.k8s.io';
const ACCESS = 'authorization.k8s.io';

/** What every cluster serves; kube-kinds.ts adds what is registered in one. */
export const RESOURCES: readonly Resource[] = [
  row({ kind: 'Node', plural: 'nodes', namespaced: false, shortNames: ['no'], status: true }),
  row({
    kind: 'Namespace',
    plural: 'namespaces',
    namespaced: false,
    shortNames: ['ns'],
    status: true,
    subresources: [{ name: 'finalize', kind: 'Namespace' }],
  }),
  row({
    kind: 'Pod',
    plural: 'pods',
    shortNames: ['po'],
    categories: ['all'],
    status: true,
    subresources: [
      { name: 'log', kind: 'Pod' },
      { name: 'binding', kind: 'Binding' },
      { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1' },
    ],
  }),
  row({ kind: 'Service', plural: 'services', shortNames: ['svc'], categories: ['all'], status: true }),
  row({ kind: 'Endpoints', plural: 'endpoints', shortNames: ['ep'], singular: 'endpoints' }),
  row({ kind: 'Event', plural: 'events', shortNames: ['ev'] }),
  row({ kind: 'ConfigMap', plural: 'configmaps', shortNames: ['cm'] }),
  row({ kind: 'Secret', plural: 'secrets' }),
  row({
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    shortNames: ['sa'],
    subresources: [{ name: 'token', kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1' }],
  }),
  row({ kind: 'PersistentVolume', plural: 'persistentvolumes', namespaced: false, shortNames: ['pv'], status: true }),
  row({ kind: 'PersistentVolumeClaim', plural: 'persistentvolumeclaims', shortNames: ['pvc'], status: true }),
  row({ kind: 'ResourceQuota', plural: 'resourcequotas', shortNames: ['quota'], status: true }),
  row({ kind: 'LimitRange', plural: 'limitranges', shortNames: ['limits'] }),
  row({
    group: 'apps',
    kind: 'Deployment',
    plural: 'deployments',
    shortNames: ['deploy'],
    categories: ['all'],
    status: true,
    scale: true,
    generation: true,
  }),
  row({
    group: 'apps',
    kind: 'ReplicaSet',
    plural: 'replicasets',
    shortNames: ['rs'],
    categories: ['all'],
    status: true,
    scale: true,
    generation: true,
  }),
  row({
    group: 'policy',
    kind: 'PodDisruptionBudget',
    plural: 'poddisruptionbudgets',
    shortNames: ['pdb'],
    status: true,
    generation: true,
  }),
  row({
    group: 'apps',
    kind: 'StatefulSet',
    plural: 'statefulsets',
    shortNames: ['sts'],
    categories: ['all'],
    status: true,
    scale: true,
    generation: true,
  }),
  row({
    group: 'apps',
    kind: 'DaemonSet',
    plural: 'daemonsets',
    shortNames: ['ds'],
    categories: ['all'],
    status: true,
    generation: true,
  }),
  row({ group: 'apps', kind: 'ControllerRevision', plural: 'controllerrevisions' }),
  row({ group: 'batch', kind: 'Job', plural: 'jobs', categories: ['all'], status: true, generation: true }),
  row({
    group: 'batch',
    kind: 'CronJob',
    plural: 'cronjobs',
    shortNames: ['cj'],
    categories: ['all'],
    status: true,
    generation: true,
  }),
  row({
    group: 'autoscaling',
    version: 'v2',
    kind: 'HorizontalPodAutoscaler',
    plural: 'horizontalpodautoscalers',
    shortNames: ['hpa'],
    categories: ['all'],
    status: true,
  }),
  row({
    group: 'networking.k8s.io',
    kind: 'Ingress',
    plural: 'ingresses',
    shortNames: ['ing'],
    status: true,
    generation: true,
  }),
  row({
    group: 'networking.k8s.io',
    kind: 'NetworkPolicy',
    plural: 'networkpolicies',
    shortNames: ['netpol'],
    generation: true,
  }),
  row({
    group: 'networking.k8s.io',
    kind: 'IngressClass',
    plural: 'ingressclasses',
    namespaced: false,
    generation: true,
  }),
  row({
    group: 'storage.k8s.io',
    kind: 'StorageClass',
    plural: 'storageclasses',
    namespaced: false,
    shortNames: ['sc'],
  }),
  row({
    group: 'scheduling.k8s.io',
    kind: 'PriorityClass',
    plural: 'priorityclasses',
    namespaced: false,
    shortNames: ['pc'],
    generation: true,
  }),
  row({
    group: 'admissionregistration.k8s.io',
    kind: 'ValidatingWebhookConfiguration',
    plural: 'validatingwebhookconfigurations',
    namespaced: false,
    categories: ['api-extensions'],
    generation: true,
  }),
  row({
    group: 'admissionregistration.k8s.io',
    kind: 'MutatingWebhookConfiguration',
    plural: 'mutatingwebhookconfigurations',
    namespaced: false,
    categories: ['api-extensions'],
    generation: true,
  }),
  row({
    group: 'apiextensions.k8s.io',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
    namespaced: false,
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    status: true,
    generation: true,
  }),
  row({
    group: 'apiregistration.k8s.io',
    kind: 'APIService',
    plural: 'apiservices',
    namespaced: false,
    categories: ['api-extensions'],
    status: true,
  }),
  row({ group: 'events.k8s.io', kind: 'Event', plural: 'events', shortNames: ['ev'] }),
  row({ group: 'coordination.k8s.io', kind: 'Lease', plural: 'leases' }),
  row({ group: 'discovery.k8s.io', kind: 'EndpointSlice', plural: 'endpointslices' }),
  row({ group: RBAC, kind: 'Role', plural: 'roles' }),
  row({ group: RBAC, kind: 'RoleBinding', plural: 'rolebindings' }),
  row({ group: RBAC, kind: 'ClusterRole', plural: 'clusterroles', namespaced: false }),
  row({ group: RBAC, kind: 'ClusterRoleBinding', plural: 'clusterrolebindings', namespaced: false }),
  row({
    group: ACCESS,
    kind: 'SelfSubjectAccessReview',
    plural: 'selfsubjectaccessreviews',
    namespaced: false,
    review: true,
  }),
  row({
    group: ACCESS,
    kind: 'SelfSubjectRulesReview',
    plural: 'selfsubjectrulesreviews',
    namespaced: false,
    review: true,
  }),
  row({ group: ACCESS, kind: 'SubjectAccessReview', plural: 'subjectaccessreviews', namespaced: false, review: true }),
  row({ group: ACCESS, kind: 'LocalSubjectAccessReview', plural: 'localsubjectaccessreviews', review: true }),
  row({
    group: 'authentication.k8s.io',
    kind: 'SelfSubjectReview',
    plural: 'selfsubjectreviews',
    namespaced: false,
    review: true,
  }),
  row({
    group: 'authentication.k8s.io',
    kind: 'TokenReview',
    plural: 'tokenreviews',
    namespaced: false,
    review: true,
  }),
];

// The first of a key counts: events of both groups are kept as the core's.
const BY_PLURAL = new Map(RESOURCES.toReversed().map((resource) => [resourceKey(resource), resource]));

/** The name of a resource in maps: `deployments.apps`, or `pods` in the core group. */
export function resourceKey(resource: Pick<Resource, 'group' | 'plural'>): string {
  return resource.group === '' || isNewEvent(resource) ? resource.plural : `${resource.plural}.${resource.group}`;
}

/** The `apiVersion` of a resource's objects. */
export function apiVersionOf(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** The resource by its key (see resourceKey); throws on an unknown one, which would be a mistake in this program. */
export function resourceOf(key: string): Resource {
  const found = BY_PLURAL.get(key);
  if (found === undefined) throw new Error(`unknown resource ${key}`);
  return found;
}
