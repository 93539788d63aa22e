/**
 * How the lists and maps of the Kubernetes types are merged, as the markers of k8s.io/api and k8s.io/apimachinery
 * (+listType, +listMapKey, patchStrategy, patchMergeKey, +mapType) state it. A line is a type; a member is
 * `name=apply/patch`: for server-side apply the members that tell items apart, `set` or `-` for a list that is one
 * value; for a strategic merge patch the one member, `set` or `-`. `name=atomic` is a map that is one value. What is
 * not named here is replaced as a whole when it is a list, and merged when it is a map.
 */
export const LISTS = `
Container ports=containerPort,protocol/containerPort env=name/name volumeMounts=mountPath/mountPath volumeDevices=devicePath/devicePath
ContainerRestartRuleOnExitCodes values=set/-
ContainerStatus volumeMounts=mountPath/mountPath allocatedResourcesStatus=name/name
CustomResourceDefinitionStatus conditions=type/-
DaemonSetStatus conditions=type/type
DeploymentStatus conditions=type/type
Endpoint addresses=set/-
EphemeralContainerCommon ports=containerPort,protocol/containerPort env=name/name volumeMounts=mountPath/mountPath volumeDevices=devicePath/devicePath
HorizontalPodAutoscalerStatus conditions=type/type
JSONSchemaProps x-kubernetes-validations=rule/rule
JobSchedulingConfiguration resourceClaims=name/name
JobStatus conditions=-/type
MutatingWebhook matchConditions=name/name
MutatingWebhookConfiguration webhooks=name/name
NamespaceStatus conditions=type/type
NodeAllocatableResourceClaimStatus containers=set/- mapping=name/name overhead=name/name
NodePodPreemptionPolicy disableResizePreemption=set/-
NodeSpec podCIDRs=set/set
NodeStatus conditions=type/type addresses=type/type
ObjectMeta ownerReferences=uid/uid finalizers=set/set
PersistentVolumeClaimStatus conditions=type/type
PodDisruptionBudgetStatus conditions=type/type
PodFailurePolicyOnExitCodesRequirement values=set/-
PodSpec volumes=name/name initContainers=name/name containers=name/name ephemeralContainers=name/name nodeSelector=atomic imagePullSecrets=name/name hostAliases=ip/ip topologySpreadConstraints=topologyKey,whenUnsatisfiable/topologyKey schedulingGates=name/name resourceClaims=name/name evictionResponders=name/name
PodStatus conditions=type/type hostIPs=-/ip podIPs=ip/ip resourceClaimStatuses=name/name nodeAllocatableResourceClaimStatuses=resourceClaimName/resourceClaimName volumeHealth=name/-
PodVolumeHealth healthConditions=status,reason/status
ReplicaSetStatus conditions=type/type
ResourceRequirements claims=name/-
ResourceStatus resources=resourceID/-
ServiceAccount secrets=name/name
ServiceSpec ports=port,protocol/port selector=atomic
ServiceStatus conditions=type/type
StatefulSetStatus conditions=type/type
UncountedTerminatedPods succeeded=set/- failed=set/-
ValidatingWebhook matchConditions=name/name
ValidatingWebhookConfiguration webhooks=name/name
VolumeHealthStatus healthConditions=status,reason/status
VolumeMount bindMountOptions=set/-
`;

/** The types whose objects are one value for server-side apply. */
export const ATOMIC = new Set(
  'ConfigMapKeySelector DiscoveryEndpointPort EndpointAddress EndpointPort EvictionResponder FileKeySelector LabelSelector LocalObjectReference NodeSelector NodeSelectorTerm ObjectFieldSelector ObjectReference OwnerReference ResourceFieldSelector RoleRef ScopeSelector SecretKeySelector SecretReference ServiceBackendPort Subject TopologySelectorTerm TypedLocalObjectReference'.split(
    ' ',
  ),
);
