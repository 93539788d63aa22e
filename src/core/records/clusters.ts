/** Clusters and what they are made by, as they are stored. */
import { z } from 'zod';
import { ScalingRule } from './autoscale.ts';
import { id, millis, Place } from './common.ts';

export const phases = [
  'Requested',
  'Provisioning',
  'Ready',
  'Updating',
  'Deleting',
  'Deleted',
  'Failed',
  'Unknown',
] as const;
export type Phase = (typeof phases)[number];

/** Nodes that are alike and scaled together, as the provider last showed them. */
export const Pool = z.object({
  name: z.string(),
  nodes: z.number().int().nonnegative(),
  size: z.string().optional(),
  version: z.string().optional(),
  bounds: z.object({ min: z.number().int(), max: z.number().int() }).optional(),
  autoscale: z.object({ min: z.number().int(), max: z.number().int() }).optional(),
});

/** The wanted change of a running cluster, as in the engine contract (`ClusterUpdate`). */
export const Update = z.object({
  pool: z.string().optional(),
  nodes: z.number().int().nonnegative().optional(),
  autoscale: z.object({ min: z.number().int(), max: z.number().int() }).nullable().optional(),
  version: z.string().optional(),
  power: z.enum(['on', 'off']).optional(),
  addons: z.record(z.string(), z.boolean()).optional(),
  networkPolicy: z.boolean().optional(),
  gateways: z.number().int().nonnegative().optional(),
  retire: z.object({ node: z.string(), before: z.number() }).optional(),
});

/** How KQueen came to a cluster: it made it, took it over at the provider, or was given its kubeconfig. */
export const origins = ['created', 'adopted', 'imported'] as const;

export const Cluster = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  /** A DNS label, unique in the organisation while the record exists. */
  name: z.string(),
  provisioner: id,
  /** Copied for lists, so that a row needs no second record. */
  provisionerName: z.string(),
  engine: z.string(),
  externalName: z.string(),
  phase: z.enum(phases),
  /** Engine fields, as validated by the engine's cluster schema. Never secrets. */
  spec: z.record(z.string(), z.unknown()),
  /** One line of the spec for lists. */
  summary: z.string(),
  purpose: z.string(),
  owner: z.string(),
  ownerName: z.string(),
  labels: z.record(z.string(), z.string()),
  /** The one open job; set and cleared by transaction. */
  openJob: id.optional(),
  createdAt: millis,
  readyAt: millis.optional(),
  /** Where health transitions are told. */
  place: Place,
  endpoint: z.string().optional(),
  version: z.string().optional(),
  nodes: z.number().int().optional(),
  pools: z.array(Pool).optional(),
  externalId: z.string().optional(),
  /** Absent: created. */
  origin: z.enum(origins).optional(),
  /** KQueen only looks at it: nothing that changes it is offered or done. */
  readOnly: z.boolean().optional(),
  /** It was stopped on purpose, and is to be started again. */
  stopped: z.boolean().optional(),
  /** Pools that KQueen itself scales, by their names at the provider. */
  scaling: z.record(z.string(), ScalingRule).optional(),
  /** What the provider shows that KQueen did not do, in sentences; absent when all is as KQueen left it. */
  drift: z.object({ at: millis, changes: z.array(z.string()) }).optional(),
  /** What a failed creation has left behind at the provider, by name. */
  leftovers: z.array(z.string()).optional(),
  /** Whether a sealed admin kubeconfig is kept under this id. */
  kubeconfig: z.boolean(),
  failure: z.object({ message: z.string(), next: z.string().optional(), at: millis }).optional(),
  notes: z.array(z.string()).optional(),
});
export type Cluster = z.infer<typeof Cluster>;

/** Holds a cluster or provisioner name; its id is `cluster.<name>` or `provisioner.<name>`. `first-admin` is held by who became one by installing. */
export const Name = z.object({ v: z.literal(1), id, org: z.string(), holder: id });

export const Provisioner = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  name: z.string(),
  engine: z.string(),
  /** Parameters that are not secret; the secret ones are sealed in the secret record of the same id. */
  params: z.record(z.string(), z.unknown()),
  secretFields: z.array(z.string()),
  /** Changes whenever the parameters do. */
  paramsVersion: z.string(),
  state: z.enum(['OK', 'Error', 'Unreachable', 'Unknown']),
  message: z.string(),
  next: z.string().optional(),
  facts: z.array(z.object({ label: z.string(), value: z.string() })),
  checkedAt: millis.optional(),
  createdBy: z.string(),
  createdAt: millis,
});
export type Provisioner = z.infer<typeof Provisioner>;

/** A health condition, as Kubernetes writes them. Unknown is not OK. */
export const Condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  since: millis,
});
export type Condition = z.infer<typeof Condition>;

export const Health = z.object({
  v: z.literal(1),
  /** The cluster's id. */
  id,
  org: z.string(),
  at: millis,
  /** Healthy, Degraded, Unreachable: what changed is told, what stays is not. */
  verdict: z.enum(['Healthy', 'Degraded', 'Unreachable', 'Unknown']),
  since: millis,
  conditions: z.array(Condition),
  version: z.string().optional(),
  nodesReady: z.number().int(),
  nodes: z.number().int(),
  capacity: z.object({ cpu: z.number(), memory: z.number(), pods: z.number() }),
  requests: z.object({ cpu: z.number(), memory: z.number(), pods: z.number() }),
  pods: z.object({ total: z.number().int(), running: z.number().int() }),
  deployments: z.object({ total: z.number().int(), available: z.number().int() }),
  namespaces: z.number().int().optional(),
  services: z.number().int().optional(),
  problems: z.array(z.object({ kind: z.string(), namespace: z.string(), name: z.string(), reason: z.string() })),
  /** How often the verdict changed, for damping. */
  changes: z.number().int().nonnegative(),
});
export type Health = z.infer<typeof Health>;
