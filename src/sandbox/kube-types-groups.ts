/**
 * The types of the groups batch, networking, autoscaling, storage, scheduling, events, admissionregistration and
 * apiextensions, and of StatefulSets and DaemonSets, written as in kube-protobuf-types.ts; A is any JSON. A name that
 * two groups use carries its group in front.
 */
export const GROUP_TYPES = `
ApiextensionsServiceReference namespace=1s name=2s path=3?s port=4?i
ApiextensionsWebhookClientConfig url=3?s service=1?ApiextensionsServiceReference caBundle=2y
ContainerResourceMetricSource name=1s target=2MetricTarget container=3s
ContainerResourceMetricStatus name=1s current=2MetricValueStatus container=3s
ControllerRevision metadata=1ObjectMeta data=2R revision=3i
CronJob metadata=1ObjectMeta spec=2CronJobSpec status=3CronJobStatus
CronJobSpec schedule=1s timeZone=8?s startingDeadlineSeconds=2?i concurrencyPolicy=3s suspend=4?b jobTemplate=5JobTemplateSpec successfulJobsHistoryLimit=6?i failedJobsHistoryLimit=7?i
CronJobStatus active=1*ObjectReference lastScheduleTime=4?T lastSuccessfulTime=5?T
CrossVersionObjectReference kind=1s name=2s apiVersion=3s
CustomResourceColumnDefinition name=1s type=2s format=3s description=4s priority=5i jsonPath=6s
CustomResourceConversion strategy=1s webhook=2?WebhookConversion
CustomResourceDefinition metadata=1ObjectMeta spec=2CustomResourceDefinitionSpec status=3CustomResourceDefinitionStatus
CustomResourceDefinitionCondition type=1s status=2s lastTransitionTime=3T reason=4s message=5s observedGeneration=6i
CustomResourceDefinitionNames plural=1s singular=2s shortNames=3*s kind=4s listKind=5s categories=6*s
CustomResourceDefinitionSpec group=1s names=3CustomResourceDefinitionNames scope=4s versions=7*CustomResourceDefinitionVersion conversion=9?CustomResourceConversion preserveUnknownFields=10b
CustomResourceDefinitionStatus conditions=1*CustomResourceDefinitionCondition acceptedNames=2CustomResourceDefinitionNames storedVersions=3*s observedGeneration=4i
CustomResourceDefinitionVersion name=1s served=2b storage=3b deprecated=7b deprecationWarning=8?s schema=4?CustomResourceValidation subresources=5?CustomResourceSubresources additionalPrinterColumns=6*CustomResourceColumnDefinition selectableFields=9*SelectableField
CustomResourceSubresourceScale specReplicasPath=1s statusReplicasPath=2s labelSelectorPath=3?s
CustomResourceSubresources status=1?A scale=2?CustomResourceSubresourceScale
CustomResourceValidation openAPIV3Schema=1?JSONSchemaProps
DaemonSet metadata=1ObjectMeta spec=2DaemonSetSpec status=3DaemonSetStatus
DaemonSetCondition type=1s status=2s lastTransitionTime=3T reason=4s message=5s
DaemonSetSpec selector=1?LabelSelector template=2PodTemplateSpec updateStrategy=3DaemonSetUpdateStrategy minReadySeconds=4i revisionHistoryLimit=6?i
DaemonSetStatus currentNumberScheduled=1i numberMisscheduled=2i desiredNumberScheduled=3i numberReady=4i observedGeneration=5i updatedNumberScheduled=6i numberAvailable=7i numberUnavailable=8i collisionCount=9?i conditions=10*DaemonSetCondition
DaemonSetUpdateStrategy type=1s rollingUpdate=2?RollingUpdateDaemonSet
DiscoveryEndpointPort name=1?s protocol=2?s port=3?i appProtocol=4?s
EventsEvent metadata=1ObjectMeta eventTime=2U series=3?EventsEventSeries reportingController=4s reportingInstance=5s action=6s reason=7s regarding=8ObjectReference related=9?ObjectReference note=10s type=11s deprecatedSource=12EventSource deprecatedFirstTimestamp=13T deprecatedLastTimestamp=14T deprecatedCount=15i
EventsEventSeries count=1i lastObservedTime=2U
ExternalDocumentation description=1s url=2s
ExternalMetricSource metric=1MetricIdentifier target=2MetricTarget
ExternalMetricStatus metric=1MetricIdentifier current=2MetricValueStatus
HPAScalingPolicy type=1s value=2i periodSeconds=3i
HPAScalingRules stabilizationWindowSeconds=3?i selectPolicy=1?s policies=2*HPAScalingPolicy tolerance=4?Q
HTTPIngressPath path=1s pathType=3?s backend=2IngressBackend
HTTPIngressRuleValue paths=1*HTTPIngressPath
HorizontalPodAutoscaler metadata=1ObjectMeta spec=2HorizontalPodAutoscalerSpec status=3HorizontalPodAutoscalerStatus
HorizontalPodAutoscalerBehavior scaleUp=1?HPAScalingRules scaleDown=2?HPAScalingRules
HorizontalPodAutoscalerCondition type=1s status=2s lastTransitionTime=3T reason=4s message=5s observedGeneration=6?i
HorizontalPodAutoscalerSpec scaleTargetRef=1CrossVersionObjectReference minReplicas=2?i maxReplicas=3i metrics=4*MetricSpec behavior=5?HorizontalPodAutoscalerBehavior
HorizontalPodAutoscalerStatus observedGeneration=1?i lastScaleTime=2?T currentReplicas=3i desiredReplicas=4i currentMetrics=5*MetricStatus conditions=6*HorizontalPodAutoscalerCondition
IPBlock cidr=1s except=2*s
Ingress metadata=1ObjectMeta spec=2IngressSpec status=3IngressStatus
IngressBackend service=4?IngressServiceBackend resource=3?TypedLocalObjectReference
IngressClass metadata=1ObjectMeta spec=2IngressClassSpec
IngressClassParametersReference apiGroup=1?s kind=2s name=3s scope=4?s namespace=5?s
IngressClassSpec controller=1s parameters=2?IngressClassParametersReference
IngressLoadBalancerIngress ip=1s hostname=2s ports=4*IngressPortStatus
IngressLoadBalancerStatus ingress=1*IngressLoadBalancerIngress
IngressPortStatus port=1i protocol=2s error=3?s
IngressRule host=1s ^=2IngressRuleValue
IngressRuleValue http=1?HTTPIngressRuleValue
IngressServiceBackend name=1s port=2ServiceBackendPort
IngressSpec ingressClassName=4?s defaultBackend=1?IngressBackend tls=2*IngressTLS rules=3*IngressRule
IngressStatus loadBalancer=1IngressLoadBalancerStatus
IngressTLS hosts=1*s secretName=2s
JSONSchemaProps id=1s $schema=2s $ref=3?s description=4s type=5s format=6s title=7s default=8?A maximum=9?d exclusiveMaximum=10b minimum=11?d exclusiveMinimum=12b maxLength=13?i minLength=14?i pattern=15s maxItems=16?i minItems=17?i uniqueItems=18b multipleOf=19?d enum=20*A maxProperties=21?i minProperties=22?i required=23*s items=24?A allOf=25*JSONSchemaProps oneOf=26*JSONSchemaProps anyOf=27*JSONSchemaProps not=28?JSONSchemaProps properties=29mJSONSchemaProps additionalProperties=30?A patternProperties=31mJSONSchemaProps dependencies=32mA additionalItems=33?A definitions=34mJSONSchemaProps externalDocs=35?ExternalDocumentation example=36?A nullable=37b x-kubernetes-preserve-unknown-fields=38?b x-kubernetes-embedded-resource=39b x-kubernetes-int-or-string=40b x-kubernetes-list-map-keys=41*s x-kubernetes-list-type=42?s x-kubernetes-map-type=43?s x-kubernetes-validations=44*ValidationRule
Job metadata=1ObjectMeta spec=2JobSpec status=3JobStatus
JobCondition type=1s status=2s lastProbeTime=3T lastTransitionTime=4T reason=5s message=6s
JobSchedulingConfiguration schedulingPolicy=1?A schedulingConstraints=2?A disruptionMode=3?A resourceClaims=4*A
JobSpec parallelism=1?i completions=2?i activeDeadlineSeconds=3?i podFailurePolicy=11?PodFailurePolicy successPolicy=16?SuccessPolicy backoffLimit=7?i backoffLimitPerIndex=12?i maxFailedIndexes=13?i selector=4?LabelSelector manualSelector=5?b template=6PodTemplateSpec ttlSecondsAfterFinished=8?i completionMode=9?s suspend=10?b podReplacementPolicy=14?s managedBy=15?s scheduling=17?JobSchedulingConfiguration
JobStatus conditions=1*JobCondition startTime=2?T completionTime=3?T active=4i succeeded=5i failed=6i terminating=11?i completedIndexes=7s failedIndexes=10?s uncountedTerminatedPods=8?UncountedTerminatedPods ready=9?i
JobTemplateSpec metadata=1ObjectMeta spec=2JobSpec
LocalSubjectAccessReview metadata=1ObjectMeta spec=2SubjectAccessReviewSpec status=3SubjectAccessReviewStatus
MatchCondition name=1s expression=2s
MetricIdentifier name=1s selector=2?LabelSelector
MetricSpec type=1s object=2?ObjectMetricSource pods=3?PodsMetricSource resource=4?ResourceMetricSource containerResource=7?ContainerResourceMetricSource external=5?ExternalMetricSource
MetricStatus type=1s object=2?ObjectMetricStatus pods=3?PodsMetricStatus resource=4?ResourceMetricStatus containerResource=7?ContainerResourceMetricStatus external=5?ExternalMetricStatus
MetricTarget type=1s value=2?Q averageValue=3?Q averageUtilization=4?i
MetricValueStatus value=1?Q averageValue=2?Q averageUtilization=3?i
MutatingWebhook name=1s clientConfig=2WebhookClientConfig rules=3*RuleWithOperations failurePolicy=4?s matchPolicy=9?s namespaceSelector=5?LabelSelector objectSelector=11?LabelSelector sideEffects=6?s timeoutSeconds=7?i admissionReviewVersions=8*s reinvocationPolicy=10?s matchConditions=12*MatchCondition
MutatingWebhookConfiguration metadata=1ObjectMeta webhooks=2*MutatingWebhook
NetworkPolicy metadata=1ObjectMeta spec=2NetworkPolicySpec
NetworkPolicyEgressRule ports=1*NetworkPolicyPort to=2*NetworkPolicyPeer
NetworkPolicyIngressRule ports=1*NetworkPolicyPort from=2*NetworkPolicyPeer
NetworkPolicyPeer podSelector=1?LabelSelector namespaceSelector=2?LabelSelector ipBlock=3?IPBlock
NetworkPolicyPort protocol=1?s port=2?O endPort=3?i
NetworkPolicySpec podSelector=1LabelSelector ingress=2*NetworkPolicyIngressRule egress=3*NetworkPolicyEgressRule policyTypes=4*s
ObjectMetricSource describedObject=1CrossVersionObjectReference target=2MetricTarget metric=3MetricIdentifier
ObjectMetricStatus metric=1MetricIdentifier current=2MetricValueStatus describedObject=3CrossVersionObjectReference
PodFailurePolicy rules=1*PodFailurePolicyRule
PodFailurePolicyOnExitCodesRequirement containerName=1?s operator=2s values=3*i
PodFailurePolicyOnPodConditionsPattern type=1s status=2s
PodFailurePolicyRule action=1s onExitCodes=2?PodFailurePolicyOnExitCodesRequirement onPodConditions=3*PodFailurePolicyOnPodConditionsPattern
PodsMetricSource metric=1MetricIdentifier target=2MetricTarget
PodsMetricStatus metric=1MetricIdentifier current=2MetricValueStatus
PriorityClass metadata=1ObjectMeta value=2i globalDefault=3b description=4s preemptionPolicy=5?s
ResourceMetricSource name=1s target=2MetricTarget
ResourceMetricStatus name=1s current=2MetricValueStatus
RollingUpdateDaemonSet maxUnavailable=1?O maxSurge=2?O
RollingUpdateStatefulSetStrategy partition=1?i maxUnavailable=2?O
Rule apiGroups=1*s apiVersions=2*s resources=3*s scope=4?s
RuleWithOperations operations=1*s ^=2Rule
SelectableField jsonPath=1s
ServiceBackendPort name=1s number=2i
ServiceReference namespace=1s name=2s path=3?s port=4?i
StatefulSet metadata=1ObjectMeta spec=2StatefulSetSpec status=3StatefulSetStatus
StatefulSetCondition type=1s status=2s lastTransitionTime=3T reason=4s message=5s
StatefulSetOrdinals start=1i
StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted=1s whenScaled=2s
StatefulSetSpec replicas=1?i selector=2?LabelSelector template=3PodTemplateSpec volumeClaimTemplates=4*PersistentVolumeClaim serviceName=5s podManagementPolicy=6s updateStrategy=7StatefulSetUpdateStrategy revisionHistoryLimit=8?i minReadySeconds=9i persistentVolumeClaimRetentionPolicy=10?StatefulSetPersistentVolumeClaimRetentionPolicy ordinals=11?StatefulSetOrdinals
StatefulSetStatus observedGeneration=1i replicas=2i readyReplicas=3i currentReplicas=4i updatedReplicas=5i currentRevision=6s updateRevision=7s collisionCount=9?i conditions=10*StatefulSetCondition availableReplicas=11i
StatefulSetUpdateStrategy type=1s rollingUpdate=2?RollingUpdateStatefulSetStrategy
StorageClass metadata=1ObjectMeta provisioner=2s parameters=3ms reclaimPolicy=4?s mountOptions=5*s allowVolumeExpansion=6?b volumeBindingMode=7?s allowedTopologies=8*TopologySelectorTerm
SuccessPolicy rules=1*SuccessPolicyRule
SuccessPolicyRule succeededIndexes=1?s succeededCount=2?i
TopologySelectorLabelRequirement key=1s values=2*s
TopologySelectorTerm matchLabelExpressions=1*TopologySelectorLabelRequirement
UncountedTerminatedPods succeeded=1*s failed=2*s
ValidatingWebhook name=1s clientConfig=2WebhookClientConfig rules=3*RuleWithOperations failurePolicy=4?s matchPolicy=9?s namespaceSelector=5?LabelSelector objectSelector=10?LabelSelector sideEffects=6?s timeoutSeconds=7?i admissionReviewVersions=8*s matchConditions=11*MatchCondition
ValidatingWebhookConfiguration metadata=1ObjectMeta webhooks=2*ValidatingWebhook
ValidationRule rule=1s message=2s messageExpression=3s reason=4?s fieldPath=5s optionalOldSelf=6?b
WebhookClientConfig url=3?s service=1?ServiceReference caBundle=2y
WebhookConversion clientConfig=2?ApiextensionsWebhookClientConfig conversionReviewVersions=3*s
`;
