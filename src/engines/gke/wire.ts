/**
 * What is read of Google's answers (googleapis, container v1; https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1). What else they
 * hold is ignored. JSON of Google leaves out what is empty, zero or false.
 */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';

function listOf<T extends z.ZodType>(item: T) {
  return z
    .array(item)
    .nullish()
    .transform((items) => items ?? []);
}

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});

const ConditionAnswer = z.object({ code: text, canonicalCode: text, message: text });

export const PoolAnswer = z.object({
  name: z.string(),
  status: text,
  statusMessage: text,
  conditions: listOf(ConditionAnswer),
  initialNodeCount: z.number().nullish(),
  version: text,
  locations: listOf(z.string()),
  instanceGroupUrls: listOf(z.string()),
  config: z
    .object({
      machineType: text,
      diskSizeGb: z.number().nullish(),
      diskType: text,
      serviceAccount: text,
      oauthScopes: listOf(z.string()),
      labels,
      spot: z.boolean().nullish(),
      preemptible: z.boolean().nullish(),
    })
    .nullish(),
  autoscaling: z
    .object({
      enabled: z.boolean().nullish(),
      minNodeCount: z.number().nullish(),
      maxNodeCount: z.number().nullish(),
      totalMinNodeCount: z.number().nullish(),
      totalMaxNodeCount: z.number().nullish(),
    })
    .nullish(),
});
export type PoolAnswer = z.infer<typeof PoolAnswer>;

/** An add-on is told by one of the two. */
const told = z.object({ disabled: z.boolean().nullish(), enabled: z.boolean().nullish() }).nullish();

export const ClusterAnswer = z.object({
  name: z.string(),
  status: text,
  statusMessage: text,
  conditions: listOf(ConditionAnswer),
  location: text,
  /** Deprecated for `location`, and still what older answers have. */
  zone: text,
  locations: listOf(z.string()),
  resourceLabels: labels,
  labelFingerprint: text,
  endpoint: text,
  masterAuth: z.object({ clusterCaCertificate: text }).nullish(),
  currentMasterVersion: text,
  currentNodeCount: z.number().nullish(),
  releaseChannel: z.object({ channel: text }).nullish(),
  autopilot: z.object({ enabled: z.boolean().nullish() }).nullish(),
  nodePools: listOf(PoolAnswer),
  addonsConfig: z
    .object({
      httpLoadBalancing: told,
      horizontalPodAutoscaling: told,
      gcePersistentDiskCsiDriverConfig: told,
      dnsCacheConfig: told,
      gcpFilestoreCsiDriverConfig: told,
      gcsFuseCsiDriverConfig: told,
      gkeBackupAgentConfig: told,
      statefulHaConfig: told,
      rayOperatorConfig: told,
      networkPolicyConfig: told,
    })
    .nullish(),
  networkPolicy: z.object({ enabled: z.boolean().nullish() }).nullish(),
  networkConfig: z.object({ datapathProvider: text }).nullish(),
  network: text,
  subnetwork: text,
  privateClusterConfig: z.object({ enablePrivateEndpoint: z.boolean().nullish() }).nullish(),
  controlPlaneEndpointsConfig: z
    .object({
      dnsEndpointConfig: z.object({ endpoint: text, allowExternalTraffic: z.boolean().nullish() }).nullish(),
      ipEndpointsConfig: z
        .object({ enabled: z.boolean().nullish(), enablePublicEndpoint: z.boolean().nullish() })
        .nullish(),
    })
    .nullish(),
});
export type ClusterAnswer = z.infer<typeof ClusterAnswer>;

export const ClustersAnswer = z.object({ clusters: listOf(ClusterAnswer), missingZones: listOf(z.string()) });

/** Numbers come as text (int64 in JSON); a metric of another kind is of no use here. */
const MetricAnswer = z.object({
  name: text,
  intValue: z
    .union([z.string(), z.number()])
    .nullish()
    .transform((value) => (value === null || value === undefined ? null : Number(value))),
});

export const OperationAnswer = z.object({
  name: z.string().min(1),
  operationType: text,
  status: text,
  detail: text,
  statusMessage: text,
  targetLink: text,
  startTime: text,
  endTime: text,
  progress: z.object({ metrics: listOf(MetricAnswer) }).nullish(),
  clusterConditions: listOf(ConditionAnswer),
  nodepoolConditions: listOf(ConditionAnswer),
  error: z.object({ code: z.number().nullish(), message: text }).nullish(),
});
export type OperationAnswer = z.infer<typeof OperationAnswer>;

export const OperationsAnswer = z.object({ operations: listOf(OperationAnswer) });

export const ServerConfigAnswer = z.object({
  defaultClusterVersion: text,
  validMasterVersions: listOf(z.string()),
  channels: listOf(
    z.object({
      channel: text,
      defaultVersion: text,
      validVersions: listOf(z.string()),
      upgradeTargetVersion: text,
    }),
  ),
});
export type ServerConfigAnswer = z.infer<typeof ServerConfigAnswer>;

export const UpgradeInfoAnswer = z.object({
  minorTargetVersion: text,
  patchTargetVersion: text,
  endOfStandardSupportTimestamp: text,
});

/** The compute API's lists (https://cloud.google.com/compute/docs/reference/rest/v1/zones/list, …/machineTypes/list). */
export const ZonesAnswer = z.object({
  items: listOf(z.object({ name: z.string(), region: text, status: text })),
  nextPageToken: text,
});
export const MachineTypesAnswer = z.object({
  items: listOf(
    z.object({
      name: z.string(),
      guestCpus: z.number().nullish(),
      memoryMb: z.number().nullish(),
      deprecated: z.object({ state: text }).nullish(),
    }),
  ),
  nextPageToken: text,
});
export type MachineTypesAnswer = z.infer<typeof MachineTypesAnswer>;

/** What is read of groups of machines (https://cloud.google.com/compute/docs/reference/rest/v1/instanceGroupManagers). */
export const GroupAnswer = z.object({ targetSize: z.number().nullish() });
export const MachineAnswer = z.object({
  name: text,
  id: text,
  instance: text,
  currentAction: text,
  lastAttempt: z.object({ errors: z.object({ errors: listOf(z.object({ message: text })) }).nullish() }).nullish(),
});
export type MachineAnswer = z.infer<typeof MachineAnswer>;
export const MachinesAnswer = z.object({ managedInstances: listOf(MachineAnswer), nextPageToken: text });
export const InstanceAnswer = z.object({ creationTimestamp: text });

/** An operation of the compute API, which is another thing than one of the container API. */
export const ComputeOperationAnswer = z.object({
  name: z.string().min(1),
  status: text,
  httpErrorMessage: text,
  error: z.object({ errors: listOf(z.object({ code: text, message: text })) }).nullish(),
});
export type ComputeOperationAnswer = z.infer<typeof ComputeOperationAnswer>;

/** Google's error body, wherever it answers 400 and above (https://google.aip.dev/193). */
export const ErrorAnswer = z.object({
  error: z.object({
    code: z.number(),
    message: text,
    status: text,
    details: listOf(
      z.looseObject({
        '@type': text,
        reason: text,
        domain: text,
        retryDelay: text,
        metadata: labels,
        fieldViolations: listOf(z.object({ field: text, description: text })),
      }),
    ),
    /** The older form, still sent with some refusals. */
    errors: listOf(z.object({ reason: text, message: text })),
  }),
});
export type GoogleError = z.infer<typeof ErrorAnswer>['error'];

/** Reads an answer, or throws `internal`: a provider that answers in another shape is not the one this engine was made for. */
export function readAnswer<T extends z.ZodType>(shape: T, body: unknown, changes = false): z.infer<T> {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Fault('internal', 'Google answered in a shape that KQueen does not know.', {
    whose: 'provider',
    outcomeUnknown: changes,
    detail: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
  });
}
