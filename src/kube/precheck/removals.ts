/**
 * API versions that Kubernetes has stopped serving, as its deprecation guide lists them
 * (https://kubernetes.io/docs/reference/using-api/deprecation-guide/). What the API server itself says of an API goes before this.
 */

/** One API version of a kind that goes, or went. */
export interface Removal {
  /** `policy/v1beta1`. */
  version: string;
  kind: string;
  /** Plural, as in paths. */
  resource: string;
  /** The first minor version of Kubernetes 1 without it. */
  gone: number;
  /** Where the same objects are found now: `policy/v1`; absent: nowhere. */
  instead?: string;
}

/** When the list was last compared with its source. */
export const removalsAsOf = '2026-08-18';
/** The newest release that the list knows: of what goes later it says nothing. */
export const removalsUpTo = 37;

function rows(gone: number, version: string, instead: string | undefined, kinds: Record<string, string>): Removal[] {
  return Object.entries(kinds).map(([kind, resource]) => ({
    ...{ version, kind, resource, gone },
    ...(instead === undefined ? {} : { instead }),
  }));
}

/** Every removal, newest first. */
export const removals: readonly Removal[] = [
  ...rows(32, 'flowcontrol.apiserver.k8s.io/v1beta3', 'flowcontrol.apiserver.k8s.io/v1', {
    FlowSchema: 'flowschemas',
    PriorityLevelConfiguration: 'prioritylevelconfigurations',
  }),
  ...rows(29, 'flowcontrol.apiserver.k8s.io/v1beta2', 'flowcontrol.apiserver.k8s.io/v1', {
    FlowSchema: 'flowschemas',
    PriorityLevelConfiguration: 'prioritylevelconfigurations',
  }),
  ...rows(27, 'storage.k8s.io/v1beta1', 'storage.k8s.io/v1', { CSIStorageCapacity: 'csistoragecapacities' }),
  ...rows(26, 'flowcontrol.apiserver.k8s.io/v1beta1', 'flowcontrol.apiserver.k8s.io/v1', {
    FlowSchema: 'flowschemas',
    PriorityLevelConfiguration: 'prioritylevelconfigurations',
  }),
  ...rows(26, 'autoscaling/v2beta2', 'autoscaling/v2', { HorizontalPodAutoscaler: 'horizontalpodautoscalers' }),
  ...rows(25, 'batch/v1beta1', 'batch/v1', { CronJob: 'cronjobs' }),
  ...rows(25, 'discovery.k8s.io/v1beta1', 'discovery.k8s.io/v1', { EndpointSlice: 'endpointslices' }),
  ...rows(25, 'autoscaling/v2beta1', 'autoscaling/v2', { HorizontalPodAutoscaler: 'horizontalpodautoscalers' }),
  ...rows(25, 'policy/v1beta1', 'policy/v1', { PodDisruptionBudget: 'poddisruptionbudgets' }),
  ...rows(25, 'policy/v1beta1', undefined, { PodSecurityPolicy: 'podsecuritypolicies' }),
  ...rows(25, 'node.k8s.io/v1beta1', 'node.k8s.io/v1', { RuntimeClass: 'runtimeclasses' }),
  ...rows(22, 'admissionregistration.k8s.io/v1beta1', 'admissionregistration.k8s.io/v1', {
    MutatingWebhookConfiguration: 'mutatingwebhookconfigurations',
    ValidatingWebhookConfiguration: 'validatingwebhookconfigurations',
  }),
  ...rows(22, 'apiextensions.k8s.io/v1beta1', 'apiextensions.k8s.io/v1', {
    CustomResourceDefinition: 'customresourcedefinitions',
  }),
  ...rows(22, 'apiregistration.k8s.io/v1beta1', 'apiregistration.k8s.io/v1', { APIService: 'apiservices' }),
  ...rows(22, 'extensions/v1beta1', 'networking.k8s.io/v1', { Ingress: 'ingresses' }),
  ...rows(22, 'networking.k8s.io/v1beta1', 'networking.k8s.io/v1', {
    Ingress: 'ingresses',
    IngressClass: 'ingressclasses',
  }),
  ...rows(22, 'rbac.authorization.k8s.io/v1beta1', 'rbac.authorization.k8s.io/v1', {
    ClusterRole: 'clusterroles',
    ClusterRoleBinding: 'clusterrolebindings',
    Role: 'roles',
    RoleBinding: 'rolebindings',
  }),
  ...rows(22, 'scheduling.k8s.io/v1beta1', 'scheduling.k8s.io/v1', { PriorityClass: 'priorityclasses' }),
  ...rows(22, 'storage.k8s.io/v1beta1', 'storage.k8s.io/v1', {
    CSIDriver: 'csidrivers',
    StorageClass: 'storageclasses',
  }),
  ...rows(16, 'extensions/v1beta1', 'apps/v1', { Deployment: 'deployments', DaemonSet: 'daemonsets' }),
  ...rows(16, 'apps/v1beta2', 'apps/v1', {
    Deployment: 'deployments',
    DaemonSet: 'daemonsets',
    StatefulSet: 'statefulsets',
  }),
  ...rows(16, 'apps/v1beta1', 'apps/v1', { Deployment: 'deployments', StatefulSet: 'statefulsets' }),
  ...rows(16, 'extensions/v1beta1', 'networking.k8s.io/v1', { NetworkPolicy: 'networkpolicies' }),
];
