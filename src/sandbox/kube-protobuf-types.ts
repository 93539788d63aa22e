/**
 * The members of the Kubernetes types and their numbers in protobuf, as the struct tags of k8s.io/api and
 * k8s.io/apimachinery state them. A line is a type; a member is `name=number`, `*` for a list, `m` for a map with text
 * keys, `?` where Go has a pointer (a zero value is then a value, not an absence), and its type: s text, i whole number,
 * d number, b bool, y bytes, T time, U time with microseconds, Q quantity, O number or text, F and R JSON in bytes,
 * V list of texts in a message, or the name of another line. The name ^ marks a type whose members stand in its
 * parent's JSON.
 */
export const TYPES = `
AWSElasticBlockStoreVolumeSource volumeID=1s fsType=2s partition=3i readOnly=4b
Affinity nodeAffinity=1?NodeAffinity podAffinity=2?PodAffinity podAntiAffinity=3?PodAntiAffinity
AggregationRule clusterRoleSelectors=1*LabelSelector
AppArmorProfile type=1s localhostProfile=2?s
AttachedVolume name=1s devicePath=2s
AzureDiskVolumeSource diskName=1s diskURI=2s cachingMode=3?s fsType=4?s readOnly=5?b kind=6?s
AzureFilePersistentVolumeSource secretName=1s shareName=2s readOnly=3b secretNamespace=4?s
AzureFileVolumeSource secretName=1s shareName=2s readOnly=3b
Binding metadata=1ObjectMeta target=2ObjectReference
BoundObjectReference kind=1s apiVersion=2s name=3s uid=4s
CSIPersistentVolumeSource driver=1s volumeHandle=2s readOnly=3b fsType=4s volumeAttributes=5ms controllerPublishSecretRef=6?SecretReference nodeStageSecretRef=7?SecretReference nodePublishSecretRef=8?SecretReference controllerExpandSecretRef=9?SecretReference nodeExpandSecretRef=10?SecretReference
CSIVolumeSource driver=1s readOnly=2?b fsType=3?s volumeAttributes=4ms nodePublishSecretRef=5?LocalObjectReference
Capabilities add=1*s drop=2*s
CephFSPersistentVolumeSource monitors=1*s path=2s user=3s secretFile=4s secretRef=5?SecretReference readOnly=6b
CephFSVolumeSource monitors=1*s path=2s user=3s secretFile=4s secretRef=5?LocalObjectReference readOnly=6b
CinderPersistentVolumeSource volumeID=1s fsType=2s readOnly=3b secretRef=4?SecretReference
CinderVolumeSource volumeID=1s fsType=2s readOnly=3b secretRef=4?LocalObjectReference
ClientIPConfig timeoutSeconds=1?i
ClusterRole metadata=1ObjectMeta rules=2*PolicyRule aggregationRule=3?AggregationRule
ClusterRoleBinding metadata=1ObjectMeta subjects=2*Subject roleRef=3RoleRef
ClusterTrustBundleProjection name=1?s signerName=2?s labelSelector=3?LabelSelector optional=5?b path=4s user=6?i
Condition type=1s status=2s observedGeneration=3i lastTransitionTime=4T reason=5s message=6s
ConfigMap metadata=1ObjectMeta immutable=4?b data=2ms binaryData=3my
ConfigMapEnvSource ^=1LocalObjectReference optional=2?b
ConfigMapKeySelector ^=1LocalObjectReference key=2s optional=3?b
ConfigMapNodeConfigSource namespace=1s name=2s uid=3s resourceVersion=4s kubeletConfigKey=5s
ConfigMapProjection ^=1LocalObjectReference items=2*KeyToPath optional=4?b
ConfigMapVolumeSource ^=1LocalObjectReference items=2*KeyToPath defaultMode=3?i optional=4?b defaultUser=5?i
Container name=1s image=2s command=3*s args=4*s workingDir=5s ports=6*ContainerPort envFrom=19*EnvFromSource env=7*EnvVar resources=8ResourceRequirements resizePolicy=23*ContainerResizePolicy restartPolicy=24?s restartPolicyRules=25*ContainerRestartRule volumeMounts=9*VolumeMount volumeDevices=21*VolumeDevice livenessProbe=10?Probe readinessProbe=11?Probe startupProbe=22?Probe lifecycle=12?Lifecycle terminationMessagePath=13s terminationMessagePolicy=20s imagePullPolicy=14s securityContext=15?SecurityContext stdin=16b stdinOnce=17b tty=18b
ContainerExtendedResourceRequest containerName=1s resourceName=2s requestName=3s
ContainerImage names=1*s sizeBytes=2i
ContainerPort name=1s hostPort=2i containerPort=3i protocol=4s hostIP=5s
ContainerResizePolicy resourceName=1s restartPolicy=2s
ContainerRestartRule action=1s exitCodes=2?ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes operator=1s values=2*i
ContainerState waiting=1?ContainerStateWaiting running=2?ContainerStateRunning terminated=3?ContainerStateTerminated
ContainerStateRunning startedAt=1T
ContainerStateTerminated exitCode=1i signal=2i reason=3s message=4s startedAt=5T finishedAt=6T containerID=7s
ContainerStateWaiting reason=1s message=2s
ContainerStatus name=1s state=2ContainerState lastState=3ContainerState ready=4b restartCount=5i image=6s imageID=7s containerID=8s started=9?b allocatedResources=10mQ resources=11?ResourceRequirements volumeMounts=12*VolumeMountStatus user=13?ContainerUser allocatedResourcesStatus=14*ResourceStatus stopSignal=15?s
ContainerUser linux=1?LinuxContainerUser
DaemonEndpoint Port=1i
DeleteOptions gracePeriodSeconds=1?i preconditions=2?Preconditions orphanDependents=3?b propagationPolicy=4?s dryRun=5*s ignoreStoreReadErrorWithClusterBreakingPotential=6?b
Deployment metadata=1ObjectMeta spec=2DeploymentSpec status=3DeploymentStatus
DeploymentCondition type=1s status=2s lastUpdateTime=6T lastTransitionTime=7T reason=4s message=5s
DeploymentSpec replicas=1?i selector=2?LabelSelector template=3PodTemplateSpec strategy=4DeploymentStrategy minReadySeconds=5i revisionHistoryLimit=6?i paused=7b progressDeadlineSeconds=9?i
DeploymentStatus observedGeneration=1i replicas=2i updatedReplicas=3i readyReplicas=7i availableReplicas=4i unavailableReplicas=5i terminatingReplicas=9?i conditions=6*DeploymentCondition collisionCount=8?i
DeploymentStrategy type=1s rollingUpdate=2?RollingUpdateDeployment
DownwardAPIProjection items=1*DownwardAPIVolumeFile
DownwardAPIVolumeFile path=1s fieldRef=2?ObjectFieldSelector resourceFieldRef=3?ResourceFieldSelector mode=4?i user=5?i
DownwardAPIVolumeSource items=1*DownwardAPIVolumeFile defaultMode=2?i defaultUser=3?i
EmptyDirVolumeSource medium=1s sizeLimit=2?Q mode=3?i
Endpoint addresses=1*s conditions=2EndpointConditions hostname=3?s targetRef=4?ObjectReference deprecatedTopology=5ms nodeName=6?s zone=7?s hints=8?EndpointHints
EndpointAddress ip=1s hostname=3s nodeName=4?s targetRef=2?ObjectReference
EndpointConditions ready=1?b serving=2?b terminating=3?b
EndpointHints forZones=1*ForZone forNodes=2*ForNode
EndpointPort name=1s port=2i protocol=3s appProtocol=4?s
EndpointSlice metadata=1ObjectMeta addressType=4s endpoints=2*Endpoint ports=3*DiscoveryEndpointPort
EndpointSubset addresses=1*EndpointAddress notReadyAddresses=2*EndpointAddress ports=3*EndpointPort
Endpoints metadata=1ObjectMeta subsets=2*EndpointSubset
EnvFromSource prefix=1s configMapRef=2?ConfigMapEnvSource secretRef=3?SecretEnvSource
EnvVar name=1s value=2s valueFrom=3?EnvVarSource
EnvVarSource fieldRef=1?ObjectFieldSelector resourceFieldRef=2?ResourceFieldSelector configMapKeyRef=3?ConfigMapKeySelector secretKeyRef=4?SecretKeySelector fileKeyRef=5?FileKeySelector
EphemeralContainer ^=1EphemeralContainerCommon targetContainerName=2s
EphemeralContainerCommon name=1s image=2s command=3*s args=4*s workingDir=5s ports=6*ContainerPort envFrom=19*EnvFromSource env=7*EnvVar resources=8ResourceRequirements resizePolicy=23*ContainerResizePolicy restartPolicy=24?s restartPolicyRules=25*ContainerRestartRule volumeMounts=9*VolumeMount volumeDevices=21*VolumeDevice livenessProbe=10?Probe readinessProbe=11?Probe startupProbe=22?Probe lifecycle=12?Lifecycle terminationMessagePath=13s terminationMessagePolicy=20s imagePullPolicy=14s securityContext=15?SecurityContext stdin=16b stdinOnce=17b tty=18b
EphemeralVolumeSource volumeClaimTemplate=1?PersistentVolumeClaimTemplate
Event metadata=1ObjectMeta involvedObject=2ObjectReference reason=3s message=4s source=5EventSource firstTimestamp=6T lastTimestamp=7T count=8i type=9s eventTime=10U series=11?EventSeries action=12s related=13?ObjectReference reportingComponent=14s reportingInstance=15s
EventSeries count=1i lastObservedTime=2U
EventSource component=1s host=2s
Eviction metadata=1ObjectMeta deleteOptions=2?DeleteOptions
EvictionResponder name=1s priority=2?i
ExecAction command=1*s
FCVolumeSource targetWWNs=1*s lun=2?i fsType=3s readOnly=4b wwids=5*s
FieldSelectorAttributes rawSelector=1s requirements=2*FieldSelectorRequirement
FieldSelectorRequirement key=1s operator=2s values=3*s
FileKeySelector volumeName=1s path=2s key=3s optional=4?b
FlexPersistentVolumeSource driver=1s fsType=2s secretRef=3?SecretReference readOnly=4b options=5ms
FlexVolumeSource driver=1s fsType=2s secretRef=3?LocalObjectReference readOnly=4b options=5ms
FlockerVolumeSource datasetName=1s datasetUUID=2s
ForNode name=1s
ForZone name=1s
GCEPersistentDiskVolumeSource pdName=1s fsType=2s partition=3i readOnly=4b
GRPCAction port=1i service=2?s mode=3?s
GitRepoVolumeSource repository=1s revision=2s directory=3s
GlusterfsPersistentVolumeSource endpoints=1s path=2s readOnly=3b endpointsNamespace=4?s
GlusterfsVolumeSource endpoints=1s path=2s readOnly=3b
HTTPGetAction path=1s port=2O host=3s scheme=4s httpHeaders=5*HTTPHeader protocol=6?s
HTTPHeader name=1s value=2s
HostAlias ip=1s hostnames=2*s
HostIP ip=1s
HostPathVolumeSource path=1s type=2?s
ISCSIPersistentVolumeSource targetPortal=1s iqn=2s lun=3i iscsiInterface=4s fsType=5s readOnly=6b portals=7*s chapAuthDiscovery=8b chapAuthSession=11b secretRef=10?SecretReference initiatorName=12?s
ISCSIVolumeSource targetPortal=1s iqn=2s lun=3i iscsiInterface=4s fsType=5s readOnly=6b portals=7*s chapAuthDiscovery=8b chapAuthSession=11b secretRef=10?LocalObjectReference initiatorName=12?s
ImageVolumeSource reference=1s pullPolicy=2s
ImageVolumeStatus imageRef=1s
KeyToPath key=1s path=2s mode=3?i user=4?i
LabelSelector matchLabels=1ms matchExpressions=2*LabelSelectorRequirement
LabelSelectorAttributes rawSelector=1s requirements=2*LabelSelectorRequirement
LabelSelectorRequirement key=1s operator=2s values=3*s
Lease metadata=1ObjectMeta spec=2LeaseSpec
LeaseSpec holderIdentity=1?s leaseDurationSeconds=2?i acquireTime=3?U renewTime=4?U leaseTransitions=5?i strategy=6?s preferredHolder=7?s
Lifecycle postStart=1?LifecycleHandler preStop=2?LifecycleHandler stopSignal=3?s
LifecycleHandler exec=1?ExecAction httpGet=2?HTTPGetAction tcpSocket=3?TCPSocketAction sleep=4?SleepAction
LimitRange metadata=1ObjectMeta spec=2LimitRangeSpec
LimitRangeItem type=1s max=2mQ min=3mQ default=4mQ defaultRequest=5mQ maxLimitRequestRatio=6mQ
LimitRangeSpec limits=1*LimitRangeItem
LinuxContainerUser uid=1i gid=2i supplementalGroups=3*i
LoadBalancerIngress ip=1s hostname=2s ipMode=3?s ports=4*PortStatus
LoadBalancerStatus ingress=1*LoadBalancerIngress
LocalObjectReference name=1s
LocalVolumeSource path=1s fsType=2?s
ManagedFieldsEntry manager=1s operation=2s apiVersion=3s time=4?T fieldsType=6s fieldsV1=7?F subresource=8s
ModifyVolumeStatus targetVolumeAttributesClassName=1s status=2s
NFSVolumeSource server=1s path=2s readOnly=3b
Namespace metadata=1ObjectMeta spec=2NamespaceSpec status=3NamespaceStatus
NamespaceCondition type=1s status=2s lastTransitionTime=4T reason=5s message=6s
NamespaceSpec finalizers=1*s
NamespaceStatus phase=1s conditions=2*NamespaceCondition
Node metadata=1ObjectMeta spec=2NodeSpec status=3NodeStatus
NodeAddress type=1s address=2s
NodeAffinity requiredDuringSchedulingIgnoredDuringExecution=1?NodeSelector preferredDuringSchedulingIgnoredDuringExecution=2*PreferredSchedulingTerm
NodeAllocatableMappedResources name=1s quantity=2?Q
NodeAllocatableOverheadResources name=1s perPod=2?Q perContainer=3?Q
NodeAllocatableResourceClaimStatus resourceClaimName=1s containers=2*s mapping=4*NodeAllocatableMappedResources overhead=5*NodeAllocatableOverheadResources
NodeCondition type=1s status=2s lastHeartbeatTime=3T lastTransitionTime=4T reason=5s message=6s
NodeConfigSource configMap=2?ConfigMapNodeConfigSource
NodeConfigStatus assigned=1?NodeConfigSource active=2?NodeConfigSource lastKnownGood=3?NodeConfigSource error=4s
NodeDaemonEndpoints kubeletEndpoint=1DaemonEndpoint
NodeFeatures supplementalGroupsPolicy=1?b
NodePodPreemptionPolicy disableResizePreemption=1*s
NodeRuntimeHandler name=1s features=2?NodeRuntimeHandlerFeatures
NodeRuntimeHandlerFeatures recursiveReadOnlyMounts=1?b userNamespaces=2?b
NodeSelector nodeSelectorTerms=1*NodeSelectorTerm
NodeSelectorRequirement key=1s operator=2s values=3*s
NodeSelectorTerm matchExpressions=1*NodeSelectorRequirement matchFields=2*NodeSelectorRequirement
NodeSpec podCIDR=1s podCIDRs=7*s providerID=3s unschedulable=4b taints=5*Taint configSource=6?NodeConfigSource externalID=2s podPreemptionPolicy=8?NodePodPreemptionPolicy
NodeStatus capacity=1mQ allocatable=2mQ phase=3s conditions=4*NodeCondition addresses=5*NodeAddress daemonEndpoints=6NodeDaemonEndpoints nodeInfo=7NodeSystemInfo images=8*ContainerImage volumesInUse=9*s volumesAttached=10*AttachedVolume config=11?NodeConfigStatus runtimeHandlers=12*NodeRuntimeHandler features=13?NodeFeatures declaredFeatures=14*s
NodeSwapStatus capacity=1?i
NodeSystemInfo machineID=1s systemUUID=2s bootID=3s kernelVersion=4s osImage=5s containerRuntimeVersion=6s kubeletVersion=7s kubeProxyVersion=8s operatingSystem=9s architecture=10s swap=11?NodeSwapStatus
NonResourceAttributes path=1s verb=2s
NonResourceRule verbs=1*s nonResourceURLs=2*s
ObjectFieldSelector apiVersion=1s fieldPath=2s
ObjectMeta name=1s generateName=2s namespace=3s selfLink=4s uid=5s resourceVersion=6s generation=7i creationTimestamp=8T deletionTimestamp=9?T deletionGracePeriodSeconds=10?i labels=11ms annotations=12ms ownerReferences=13*OwnerReference finalizers=14*s managedFields=17*ManagedFieldsEntry
ObjectReference kind=1s namespace=2s name=3s uid=4s apiVersion=5s resourceVersion=6s fieldPath=7s
OwnerReference apiVersion=5s kind=1s name=3s uid=4s controller=6?b blockOwnerDeletion=7?b
PersistentVolume metadata=1ObjectMeta spec=2PersistentVolumeSpec status=3PersistentVolumeStatus
PersistentVolumeClaim metadata=1ObjectMeta spec=2PersistentVolumeClaimSpec status=3PersistentVolumeClaimStatus
PersistentVolumeClaimCondition type=1s status=2s lastProbeTime=3T lastTransitionTime=4T reason=5s message=6s
PersistentVolumeClaimSpec accessModes=1*s selector=4?LabelSelector resources=2VolumeResourceRequirements volumeName=3s storageClassName=5?s volumeMode=6?s dataSource=7?TypedLocalObjectReference dataSourceRef=8?TypedObjectReference volumeAttributesClassName=9?s
PersistentVolumeClaimStatus phase=1s accessModes=2*s capacity=3mQ conditions=4*PersistentVolumeClaimCondition allocatedResources=5mQ allocatedResourceStatuses=7ms currentVolumeAttributesClassName=8?s modifyVolumeStatus=9?ModifyVolumeStatus healthStatus=10?VolumeHealthStatus
PersistentVolumeClaimTemplate metadata=1ObjectMeta spec=2PersistentVolumeClaimSpec
PersistentVolumeClaimVolumeSource claimName=1s readOnly=2b
PersistentVolumeSource gcePersistentDisk=1?GCEPersistentDiskVolumeSource awsElasticBlockStore=2?AWSElasticBlockStoreVolumeSource hostPath=3?HostPathVolumeSource glusterfs=4?GlusterfsPersistentVolumeSource nfs=5?NFSVolumeSource rbd=6?RBDPersistentVolumeSource iscsi=7?ISCSIPersistentVolumeSource cinder=8?CinderPersistentVolumeSource cephfs=9?CephFSPersistentVolumeSource fc=10?FCVolumeSource flocker=11?FlockerVolumeSource flexVolume=12?FlexPersistentVolumeSource azureFile=13?AzureFilePersistentVolumeSource vsphereVolume=14?VsphereVirtualDiskVolumeSource quobyte=15?QuobyteVolumeSource azureDisk=16?AzureDiskVolumeSource photonPersistentDisk=17?PhotonPersistentDiskVolumeSource portworxVolume=18?PortworxVolumeSource scaleIO=19?ScaleIOPersistentVolumeSource local=20?LocalVolumeSource storageos=21?StorageOSPersistentVolumeSource csi=22?CSIPersistentVolumeSource
PersistentVolumeSpec capacity=1mQ ^=2PersistentVolumeSource accessModes=3*s claimRef=4?ObjectReference persistentVolumeReclaimPolicy=5s storageClassName=6s mountOptions=7*s volumeMode=8?s nodeAffinity=9?VolumeNodeAffinity volumeAttributesClassName=10?s
PersistentVolumeStatus phase=1s message=2s reason=3s lastPhaseTransitionTime=4?T
PhotonPersistentDiskVolumeSource pdID=1s fsType=2s
Pod metadata=1ObjectMeta spec=2PodSpec status=3PodStatus
PodAffinity requiredDuringSchedulingIgnoredDuringExecution=1*PodAffinityTerm preferredDuringSchedulingIgnoredDuringExecution=2*WeightedPodAffinityTerm
PodAffinityTerm labelSelector=1?LabelSelector namespaces=2*s topologyKey=3s namespaceSelector=4?LabelSelector matchLabelKeys=5*s mismatchLabelKeys=6*s
PodAntiAffinity requiredDuringSchedulingIgnoredDuringExecution=1*PodAffinityTerm preferredDuringSchedulingIgnoredDuringExecution=2*WeightedPodAffinityTerm
PodCertificateProjection signerName=1s keyType=2s maxExpirationSeconds=3?i credentialBundlePath=4s keyPath=5s certificateChainPath=6s userAnnotations=7ms user=8?i
PodCondition type=1s observedGeneration=7i status=2s lastProbeTime=3T lastTransitionTime=4T reason=5s message=6s
PodDNSConfig nameservers=1*s searches=2*s options=3*PodDNSConfigOption
PodDNSConfigOption name=1s value=2?s
PodDisruptionBudget metadata=1ObjectMeta spec=2PodDisruptionBudgetSpec status=3PodDisruptionBudgetStatus
PodDisruptionBudgetSpec minAvailable=1?O selector=2?LabelSelector maxUnavailable=3?O unhealthyPodEvictionPolicy=4?s
PodDisruptionBudgetStatus observedGeneration=1i disruptedPods=2mT disruptionsAllowed=3i currentHealthy=4i desiredHealthy=5i expectedPods=6i conditions=7*Condition
PodExtendedResourceClaimStatus requestMappings=1*ContainerExtendedResourceRequest resourceClaimName=2s
PodIP ip=1s
PodOS name=1s
PodReadinessGate conditionType=1s
PodResourceClaim name=1s resourceClaimName=3?s resourceClaimTemplateName=4?s
PodResourceClaimStatus name=1s resourceClaimName=2?s
PodSchedulingGate name=1s
PodSchedulingGroup podGroupName=1?s
PodSecurityContext seLinuxOptions=1?SELinuxOptions windowsOptions=8?WindowsSecurityContextOptions runAsUser=2?i runAsGroup=6?i runAsNonRoot=3?b supplementalGroups=4*i supplementalGroupsPolicy=12?s fsGroup=5?i sysctls=7*Sysctl fsGroupChangePolicy=9?s seccompProfile=10?SeccompProfile appArmorProfile=11?AppArmorProfile seLinuxChangePolicy=13?s
PodSpec volumes=1*Volume initContainers=20*Container containers=2*Container ephemeralContainers=34*EphemeralContainer restartPolicy=3s terminationGracePeriodSeconds=4?i activeDeadlineSeconds=5?i dnsPolicy=6s nodeSelector=7ms serviceAccountName=8s serviceAccount=9s automountServiceAccountToken=21?b nodeName=10s hostNetwork=11b hostPID=12b hostIPC=13b shareProcessNamespace=27?b securityContext=14?PodSecurityContext imagePullSecrets=15*LocalObjectReference hostname=16s subdomain=17s affinity=18?Affinity schedulerName=19s tolerations=22*Toleration hostAliases=23*HostAlias priorityClassName=24s priority=25?i dnsConfig=26?PodDNSConfig readinessGates=28*PodReadinessGate runtimeClassName=29?s enableServiceLinks=30?b preemptionPolicy=31?s overhead=32mQ topologySpreadConstraints=33*TopologySpreadConstraint setHostnameAsFQDN=35?b os=36?PodOS hostUsers=37?b schedulingGates=38*PodSchedulingGate resourceClaims=39*PodResourceClaim resources=40?ResourceRequirements hostnameOverride=41?s schedulingGroup=43?PodSchedulingGroup evictionResponders=44*EvictionResponder
PodStatus observedGeneration=17i phase=1s conditions=2*PodCondition message=3s reason=4s nominatedNodeName=11s hostIP=5s hostIPs=16*HostIP podIP=6s podIPs=12*PodIP startTime=7?T initContainerStatuses=10*ContainerStatus containerStatuses=8*ContainerStatus qosClass=9s ephemeralContainerStatuses=13*ContainerStatus resize=14s resourceClaimStatuses=15*PodResourceClaimStatus extendedResourceClaimStatus=18?PodExtendedResourceClaimStatus allocatedResources=19mQ resources=20?ResourceRequirements nodeAllocatableResourceClaimStatuses=21*NodeAllocatableResourceClaimStatus volumeHealth=22*PodVolumeHealth
PodTemplateSpec metadata=1ObjectMeta spec=2PodSpec
PodVolumeHealth name=1s healthConditions=2*VolumeHealthCondition lastTransitionTime=3T
PolicyRule verbs=1*s apiGroups=2*s resources=3*s resourceNames=4*s nonResourceURLs=5*s
PortStatus port=1i protocol=2s error=3?s
PortworxVolumeSource volumeID=1s fsType=2s readOnly=3b
Preconditions uid=1?s resourceVersion=2?s
PreferredSchedulingTerm weight=1i preference=2NodeSelectorTerm
Probe ^=1ProbeHandler initialDelaySeconds=2i timeoutSeconds=3i periodSeconds=4i successThreshold=5i failureThreshold=6i terminationGracePeriodSeconds=7?i
ProbeHandler exec=1?ExecAction httpGet=2?HTTPGetAction tcpSocket=3?TCPSocketAction grpc=4?GRPCAction
ProjectedVolumeSource sources=1*VolumeProjection defaultMode=2?i defaultUser=3?i
QuobyteVolumeSource registry=1s volume=2s readOnly=3b user=4s group=5s tenant=6s
RBDPersistentVolumeSource monitors=1*s image=2s fsType=3s pool=4s user=5s keyring=6s secretRef=7?SecretReference readOnly=8b
RBDVolumeSource monitors=1*s image=2s fsType=3s pool=4s user=5s keyring=6s secretRef=7?LocalObjectReference readOnly=8b
ReplicaSet metadata=1ObjectMeta spec=2ReplicaSetSpec status=3ReplicaSetStatus
ReplicaSetCondition type=1s status=2s lastTransitionTime=3T reason=4s message=5s
ReplicaSetSpec replicas=1?i minReadySeconds=4i selector=2?LabelSelector template=3PodTemplateSpec
ReplicaSetStatus replicas=1i fullyLabeledReplicas=2i readyReplicas=4i availableReplicas=5i terminatingReplicas=7?i observedGeneration=3i conditions=6*ReplicaSetCondition
ResourceAttributes namespace=1s verb=2s group=3s version=4s resource=5s subresource=6s name=7s fieldSelector=8?FieldSelectorAttributes labelSelector=9?LabelSelectorAttributes
ResourceClaim name=1s request=2s
ResourceFieldSelector containerName=1s resource=2s divisor=3Q
ResourceHealth resourceID=1s health=2s message=6?s
ResourceQuota metadata=1ObjectMeta spec=2ResourceQuotaSpec status=3ResourceQuotaStatus
ResourceQuotaSpec hard=1mQ scopes=2*s scopeSelector=3?ScopeSelector
ResourceQuotaStatus hard=1mQ used=2mQ
ResourceRequirements limits=1mQ requests=2mQ claims=3*ResourceClaim
ResourceRule verbs=1*s apiGroups=2*s resources=3*s resourceNames=4*s
ResourceStatus name=1s resources=2*ResourceHealth
Role metadata=1ObjectMeta rules=2*PolicyRule
RoleBinding metadata=1ObjectMeta subjects=2*Subject roleRef=3RoleRef
RoleRef apiGroup=1s kind=2s name=3s
RollingUpdateDeployment maxUnavailable=1?O maxSurge=2?O
SELinuxOptions user=1s role=2s type=3s level=4s
ScaleIOPersistentVolumeSource gateway=1s system=2s secretRef=3?SecretReference sslEnabled=4b protectionDomain=5s storagePool=6s storageMode=7s volumeName=8s fsType=9s readOnly=10b
ScaleIOVolumeSource gateway=1s system=2s secretRef=3?LocalObjectReference sslEnabled=4b protectionDomain=5s storagePool=6s storageMode=7s volumeName=8s fsType=9s readOnly=10b
ScopeSelector matchExpressions=1*ScopedResourceSelectorRequirement
ScopedResourceSelectorRequirement scopeName=1s operator=2s values=3*s
SeccompProfile type=1s localhostProfile=2?s
Secret metadata=1ObjectMeta immutable=5?b data=2my stringData=4ms type=3s
SecretEnvSource ^=1LocalObjectReference optional=2?b
SecretKeySelector ^=1LocalObjectReference key=2s optional=3?b
SecretProjection ^=1LocalObjectReference items=2*KeyToPath optional=4?b
SecretReference name=1s namespace=2s
SecretVolumeSource secretName=1s items=2*KeyToPath defaultMode=3?i optional=4?b defaultUser=5?i
SecurityContext capabilities=1?Capabilities privileged=2?b seLinuxOptions=3?SELinuxOptions windowsOptions=10?WindowsSecurityContextOptions runAsUser=4?i runAsGroup=8?i runAsNonRoot=5?b readOnlyRootFilesystem=6?b allowPrivilegeEscalation=7?b procMount=9?s seccompProfile=11?SeccompProfile appArmorProfile=12?AppArmorProfile
SelfSubjectAccessReview metadata=1ObjectMeta spec=2SelfSubjectAccessReviewSpec status=3SubjectAccessReviewStatus
SelfSubjectAccessReviewSpec resourceAttributes=1?ResourceAttributes nonResourceAttributes=2?NonResourceAttributes
SelfSubjectReview metadata=1ObjectMeta status=2SelfSubjectReviewStatus
SelfSubjectReviewStatus userInfo=1UserInfo
SelfSubjectRulesReview metadata=1ObjectMeta spec=2SelfSubjectRulesReviewSpec status=3SubjectRulesReviewStatus
SelfSubjectRulesReviewSpec namespace=1s
Service metadata=1ObjectMeta spec=2ServiceSpec status=3ServiceStatus
ServiceAccount metadata=1ObjectMeta secrets=2*ObjectReference imagePullSecrets=3*LocalObjectReference automountServiceAccountToken=4?b
ServiceAccountTokenProjection audience=1s expirationSeconds=2?i path=3s user=4?i
ServicePort name=1s protocol=2s appProtocol=6?s port=3i targetPort=4O nodePort=5i
ServiceSpec ports=1*ServicePort selector=2ms clusterIP=3s clusterIPs=18*s type=4s externalIPs=5*s sessionAffinity=7s loadBalancerIP=8s loadBalancerSourceRanges=9*s externalName=10s externalTrafficPolicy=11s healthCheckNodePort=12i publishNotReadyAddresses=13b sessionAffinityConfig=14?SessionAffinityConfig ipFamilies=19*s ipFamilyPolicy=17?s allocateLoadBalancerNodePorts=20?b loadBalancerClass=21?s internalTrafficPolicy=22?s trafficDistribution=23?s
ServiceStatus loadBalancer=1LoadBalancerStatus conditions=2*Condition
SessionAffinityConfig clientIP=1?ClientIPConfig
SleepAction seconds=1i
StorageOSPersistentVolumeSource volumeName=1s volumeNamespace=2s fsType=3s readOnly=4b secretRef=5?ObjectReference
StorageOSVolumeSource volumeName=1s volumeNamespace=2s fsType=3s readOnly=4b secretRef=5?LocalObjectReference
Subject kind=1s apiGroup=2s name=3s namespace=4s
SubjectAccessReview metadata=1ObjectMeta spec=2SubjectAccessReviewSpec status=3SubjectAccessReviewStatus
SubjectAccessReviewSpec resourceAttributes=1?ResourceAttributes nonResourceAttributes=2?NonResourceAttributes user=3s groups=4*s extra=5mV uid=6s
SubjectAccessReviewStatus allowed=1b denied=4b reason=2s evaluationError=3s
SubjectRulesReviewStatus resourceRules=1*ResourceRule nonResourceRules=2*NonResourceRule incomplete=3b evaluationError=4s
Sysctl name=1s value=2s
TCPSocketAction port=1O host=2s
Taint key=1s value=2s effect=3s timeAdded=4?T
TokenRequest metadata=1ObjectMeta spec=2TokenRequestSpec status=3TokenRequestStatus
TokenRequestSpec audiences=1*s expirationSeconds=4?i boundObjectRef=3?BoundObjectReference attestations=5*ms
TokenRequestStatus token=1s expirationTimestamp=2T
TokenReview metadata=1ObjectMeta spec=2TokenReviewSpec status=3TokenReviewStatus
TokenReviewSpec token=1s audiences=2*s
TokenReviewStatus authenticated=1b user=2UserInfo audiences=4*s error=3s
Toleration key=1s operator=2s value=3s effect=4s tolerationSeconds=5?i
TopologySpreadConstraint maxSkew=1i topologyKey=2s whenUnsatisfiable=3s labelSelector=4?LabelSelector minDomains=5?i nodeAffinityPolicy=6?s nodeTaintsPolicy=7?s matchLabelKeys=8*s
TypedLocalObjectReference apiGroup=1?s kind=2s name=3s
TypedObjectReference apiGroup=1?s kind=2s name=3s namespace=4?s
UserInfo username=1s uid=2s groups=3*s extra=4mV
Volume name=1s ^=2VolumeSource
VolumeDevice name=1s devicePath=2s
VolumeHealthCondition status=1s reason=2s message=3s
VolumeHealthStatus healthConditions=1*VolumeHealthCondition lastTransitionTime=2T
VolumeMount name=1s readOnly=2b recursiveReadOnly=7?s mountPath=3s subPath=4s mountPropagation=5?s subPathExpr=6s bindMountOptions=8*s
VolumeMountStatus name=1s mountPath=2s readOnly=3b recursiveReadOnly=4?s volumeStatus=5?VolumeStatus
VolumeNodeAffinity required=1?NodeSelector
VolumeProjection secret=1?SecretProjection downwardAPI=2?DownwardAPIProjection configMap=3?ConfigMapProjection serviceAccountToken=4?ServiceAccountTokenProjection clusterTrustBundle=5?ClusterTrustBundleProjection podCertificate=6?PodCertificateProjection
VolumeResourceRequirements limits=1mQ requests=2mQ
VolumeSource hostPath=1?HostPathVolumeSource emptyDir=2?EmptyDirVolumeSource gcePersistentDisk=3?GCEPersistentDiskVolumeSource awsElasticBlockStore=4?AWSElasticBlockStoreVolumeSource gitRepo=5?GitRepoVolumeSource secret=6?SecretVolumeSource nfs=7?NFSVolumeSource iscsi=8?ISCSIVolumeSource glusterfs=9?GlusterfsVolumeSource persistentVolumeClaim=10?PersistentVolumeClaimVolumeSource rbd=11?RBDVolumeSource flexVolume=12?FlexVolumeSource cinder=13?CinderVolumeSource cephfs=14?CephFSVolumeSource flocker=15?FlockerVolumeSource downwardAPI=16?DownwardAPIVolumeSource fc=17?FCVolumeSource azureFile=18?AzureFileVolumeSource configMap=19?ConfigMapVolumeSource vsphereVolume=20?VsphereVirtualDiskVolumeSource quobyte=21?QuobyteVolumeSource azureDisk=22?AzureDiskVolumeSource photonPersistentDisk=23?PhotonPersistentDiskVolumeSource projected=26?ProjectedVolumeSource portworxVolume=24?PortworxVolumeSource scaleIO=25?ScaleIOVolumeSource storageos=27?StorageOSVolumeSource csi=28?CSIVolumeSource ephemeral=29?EphemeralVolumeSource image=30?ImageVolumeSource
VolumeStatus image=1?ImageVolumeStatus
VsphereVirtualDiskVolumeSource volumePath=1s fsType=2s storagePolicyName=3s storagePolicyID=4s
WeightedPodAffinityTerm weight=1i podAffinityTerm=2PodAffinityTerm
WindowsSecurityContextOptions gmsaCredentialSpecName=1?s gmsaCredentialSpec=2?s runAsUserName=3?s hostProcess=4?b
`;
