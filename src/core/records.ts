/**
 * The nouns as they are stored. One zod schema a kind: the store validates with it on the way in and out, and every record carries
 * the version `v` of its shape, so that a newer KQueen can read what an older one wrote.
 */
import { z } from 'zod';

const millis = z.number().int().nonnegative();
const id = z.string().min(1).max(200);

/** Where something was said: a conversation in a chat workspace. */
export const Place = z.object({
  chat: z.enum(['slack', 'teams', 'terminal']),
  /** Slack team id, Microsoft tenant id, or `local`. */
  workspace: z.string().min(1),
  conversation: z.string().min(1),
  /** The message the answer belongs under, when it was said in a thread. */
  thread: z.string().optional(),
});
export type Place = z.infer<typeof Place>;

/** A health condition, as Kubernetes writes them. Unknown is not OK. */
export const Condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  since: millis,
});
export type Condition = z.infer<typeof Condition>;

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

/** What a change will do, shown before it is done and bound to its hash. */
export const Plan = z.object({
  title: z.string(),
  facts: z.array(z.object({ label: z.string(), value: z.string() })),
  /** Whom it disturbs, in a sentence. */
  disturbs: z.string(),
  /** What would change, as a text people read: a diff. */
  detail: z.string().max(20_000).optional(),
  /** What is worth knowing before it is done. */
  warnings: z.array(z.string()).optional(),
  cost: z
    .object({ perHour: z.number(), perMonth: z.number(), currency: z.string(), excludes: z.array(z.string()) })
    .nullable(),
  /** What it costs without the change. */
  costBefore: z.object({ perHour: z.number(), perMonth: z.number(), currency: z.string() }).optional(),
  /** Said instead of a cost: why it is not known, or that there is none to know. */
  costNote: z.string().optional(),
  approval: z.object({ needed: z.boolean(), role: z.enum(['admin', 'superadmin']), why: z.string() }),
  notice: z.string().optional(),
  hash: z.string(),
});
export type Plan = z.infer<typeof Plan>;

export const jobStates = [
  'AwaitingApproval',
  'Denied',
  'Expired',
  'Queued',
  'Running',
  'Waiting',
  'Succeeded',
  'Failed',
  'Cancelled',
] as const;
export type JobState = (typeof jobStates)[number];

/** States a job never leaves. */
export const endedStates: readonly JobState[] = ['Denied', 'Expired', 'Succeeded', 'Failed', 'Cancelled'];

export const Step = z.object({
  name: z.string(),
  state: z.enum(['todo', 'doing', 'done', 'failed']),
  at: millis.optional(),
});
export type Step = z.infer<typeof Step>;

export const jobKindNames = [
  'cluster.create',
  'cluster.delete',
  'cluster.scale',
  'cluster.autoscale',
  'cluster.upgrade',
  'cluster.stop',
  'cluster.start',
  'cluster.adopt',
  'cluster.detach',
  'cluster.work',
] as const;
/** What an engine is asked to do by a job. */
export const acts = ['create', 'update', 'delete', 'adopt', 'release', 'work'] as const;
export type Act = (typeof acts)[number];
export type JobKindName = (typeof jobKindNames)[number];

export const Job = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  kind: z.enum(jobKindNames),
  cluster: id,
  clusterName: z.string(),
  provisioner: id,
  engine: z.string(),
  /** How many nodes it is about; jobs of a similar size take alike. */
  nodes: z.number().int().nonnegative().optional(),
  state: z.enum(jobStates),
  requestedBy: z.string(),
  requesterName: z.string(),
  requestedAt: millis,
  /** Where it was asked for: its one live message goes there. */
  place: Place,
  /** The canonical command that asked for it. */
  command: z.string(),
  plan: Plan,
  approval: id.optional(),
  /** Number of the next tick; a tick with another number is an old one. */
  tick: z.number().int().nonnegative(),
  /** When the next tick is due; absent when the job has ended. */
  dueAt: millis.optional(),
  startedAt: millis.optional(),
  endedAt: millis.optional(),
  /** When it is given up, counted from its start. */
  deadlineAt: millis.optional(),
  /** How long it may take once started, in milliseconds. */
  allowedMs: millis,
  steps: z.array(Step),
  percent: z.number().min(0).max(100).optional(),
  /** What it is doing now, or waiting for, in a sentence. */
  note: z.string(),
  /** Saved before an engine is asked for something, so that a crash is followed by a look, not by a repeat. */
  intent: z.object({ act: z.enum(acts), at: millis, answered: z.boolean() }).optional(),
  /** The provider's handle of the running operation. */
  operation: z.string().max(16_384).optional(),
  /** What is to be done in the cluster, for `cluster.work`; the shape is that of `Work` in core/ports/work.ts. */
  work: z
    .object({
      op: z.string(),
      /** "Deploy nginx to", before the cluster's name. */
      title: z.string(),
      /** Names of its steps, for people. */
      steps: z.array(z.string()),
      input: z.record(z.string(), z.unknown()),
      /** Whether something is sealed for it under `work.<job id>`. */
      bulk: z.boolean(),
      progress: z.record(z.string(), z.unknown()),
      /** What the provider is doing for it at the moment. */
      provider: Update.optional(),
      result: z.array(z.object({ label: z.string(), value: z.string() })).optional(),
    })
    .optional(),
  /** What is to be changed, for kinds that change a running cluster. */
  update: Update.optional(),
  /** Hash of the cluster's parameters that the change was planned on: on others it is not tried again. */
  base: z.string().optional(),
  /** Retries in a row since the last progress. */
  attempt: z.number().int().nonnegative(),
  cancel: z.object({ by: z.string(), byName: z.string(), at: millis }).optional(),
  failure: z
    .object({
      kind: z.string(),
      message: z.string(),
      next: z.string().optional(),
      correlation: z.string(),
      /** The end of the provider's whole text, scrubbed of secrets, for a file. */
      detail: z.string().max(16_384).optional(),
    })
    .optional(),
  /** What happened, newest last, at most 50 lines. */
  log: z.array(z.object({ at: millis, text: z.string() })).max(50),
  /** The job that a retry came from. */
  retryOf: id.optional(),
});
export type Job = z.infer<typeof Job>;

export const Approval = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  job: id,
  cluster: id,
  clusterName: z.string(),
  requestedBy: z.string(),
  requesterName: z.string(),
  requestedAt: millis,
  role: z.enum(['admin', 'superadmin']),
  planHash: z.string(),
  state: z.enum(['pending', 'approved', 'denied', 'expired', 'withdrawn']),
  expiresAt: millis,
  decidedBy: z.string().optional(),
  deciderName: z.string().optional(),
  decidedAt: millis.optional(),
  reason: z.string().optional(),
});
export type Approval = z.infer<typeof Approval>;

export const Audit = z.object({
  v: z.literal(1),
  /** Sorts by time: 13 digits of epoch milliseconds, a dash, random. */
  id,
  org: z.string(),
  at: millis,
  who: z.string(),
  whoName: z.string(),
  /** Such as `cluster.create`. */
  action: z.string(),
  /** The canonical command, redacted. */
  command: z.string(),
  outcome: z.enum(['requested', 'done', 'refused', 'approved', 'denied', 'expired', 'failed', 'cancelled', 'issued']),
  subject: z.string(),
  job: id.optional(),
  approval: id.optional(),
  reason: z.string().optional(),
  place: Place.optional(),
});
export type Audit = z.infer<typeof Audit>;

export const roles = ['member', 'admin', 'superadmin'] as const;
export type Role = (typeof roles)[number];

export const Person = z.object({
  v: z.literal(1),
  /** `slack:<team>:<user>`, `teams:<tenant>:<object id>`, `terminal:<name>`. */
  id,
  org: z.string(),
  name: z.string(),
  role: z.enum(roles),
  /** The direct conversation, once known. */
  direct: Place.optional(),
  seenAt: millis,
});
export type Person = z.infer<typeof Person>;

/** A chat conversation's own reference, needed to write there unasked (Microsoft's ConversationReference). */
export const Conversation = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  place: Place,
  reference: z.record(z.string(), z.unknown()),
  seenAt: millis,
});
export type Conversation = z.infer<typeof Conversation>;

export const notifyEvents = ['health', 'jobs', 'approvals', 'drift', 'versions'] as const;
export type NotifyEvent = (typeof notifyEvents)[number];

/** What a conversation is told of clusters: which (as in src/core/scope.ts), of what, and how much. */
const Notify = z.object({
  clusters: z.string(),
  events: z.array(z.enum(notifyEvents)),
  level: z.enum(['changes', 'problems', 'none']),
  by: z.string(),
  byName: z.string(),
  /** Nothing that was before this is told. */
  since: millis,
});
export type Notify = z.infer<typeof Notify>;

const Digest = z.object({
  /** 0 is Sunday; absent: every day. */
  weekday: z.number().int().min(0).max(6).optional(),
  /** Of the day, on the clocks of the zone. */
  minute: z.number().int().min(0).max(1_439),
  /** A zone of the IANA database. */
  zone: z.string(),
  clusters: z.string(),
  by: z.string(),
  byName: z.string(),
  dueAt: millis,
  /** The last one: what has changed since is told in the next. */
  last: z.object({ at: millis, counts: z.record(z.string(), z.number()) }).optional(),
});
export type Digest = z.infer<typeof Digest>;

/** What a conversation is set to; its id is a hash of where it is. Threads share their channel's. */
export const Channel = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  place: Place,
  /** The cluster that is looked at when none is named. */
  cluster: id.optional(),
  /** What of its clusters is told there unasked. */
  notify: Notify.optional(),
  /** When the fleet is summed up there. */
  digest: Digest.optional(),
  /** A digest that is being posted: saved before it is, so that it comes once. */
  posting: z
    .object({
      key: z.string(),
      /** When it was due, or asked for. */
      due: millis,
      asked: z.boolean(),
      clusters: z.string(),
      by: z.string(),
      byName: z.string(),
      attempts: z.number().int().nonnegative(),
      retryAt: millis.optional(),
    })
    .optional(),
});
export type Channel = z.infer<typeof Channel>;

/** What was told in a conversation of one cluster; its id is `<channel>.<cluster>`. */
export const Watch = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  channel: id,
  cluster: id,
  clusterName: z.string(),
  place: Place,
  /** The health that was told, or was there before anything was. */
  health: z.string().optional(),
  /** How often the verdict had changed by then. */
  changes: z.number().int().nonnegative(),
  version: z.string().optional(),
  /** Hash of the drift that was told. */
  drift: z.string().optional(),
  /** When its state changed lately, newest last. */
  lately: z.array(millis),
  /** It changes to and fro, which was told once. */
  flapping: z.object({ since: millis, changes: z.number().int() }).optional(),
  /** Ends of jobs and decisions that were told, newest last. */
  told: z.array(z.string()),
  /** The first message of each day, newest last: later ones go below it. */
  roots: z.array(
    z.object({
      day: z.string(),
      ref: z.object({ conversation: z.string(), id: z.string(), thread: z.string().optional() }),
    }),
  ),
  /** What is being said at the moment: it is looked for when no answer came. */
  sending: z
    .object({
      key: z.string(),
      at: millis,
      tone: z.enum(['plain', 'good', 'busy', 'warn', 'bad']),
      title: z.string(),
      text: z.string(),
      job: id.optional(),
    })
    .optional(),
  attempts: z.number().int().nonnegative(),
  retryAt: millis.optional(),
  at: millis,
});
export type Watch = z.infer<typeof Watch>;

/** A picture that a chat fetches by a link nobody can guess: its id. */
export const StoredPicture = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  picture: z.object({
    kind: z.enum(['stacks', 'use']),
    title: z.string(),
    alt: z.string(),
    series: z.array(z.object({ name: z.string(), tone: z.enum(['plain', 'good', 'busy', 'warn', 'bad']) })),
    rows: z.array(z.object({ label: z.string(), values: z.array(z.number()), note: z.string().optional() })),
  }),
  expiresAt: millis,
});

/** A delivered event that had an effect; the same event again is answered from here. */
export const Delivery = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  at: millis,
  who: z.string(),
  command: z.string(),
  job: id.optional(),
  /** One sentence on what it did. */
  effect: z.string(),
});
export type Delivery = z.infer<typeof Delivery>;

/** How far the thread below a live message tells what happened. */
const Told = z.object({
  /** State of each step, by its first letters, as it was last told. */
  steps: z.string(),
  lines: z.number().int().nonnegative(),
  /** A row of retries that was told of, and is not over. */
  tries: z.object({ since: millis, attempts: z.number().int(), why: z.string() }).optional(),
  /** Of a failure: what was said of it; `all` as well when nothing more can be said there. */
  end: z.enum(['words', 'all']).optional(),
});

/** The same, and what is being said at the moment: it is looked for when no answer came. */
const Thread = Told.extend({ pending: z.object({ key: z.string(), next: Told }).optional() });
export type Thread = z.infer<typeof Thread>;

/** One live message of KQueen's in a chat: saved before it is posted, then with where it is and what it shows. */
export const Message = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  /** What it reports: a job's progress, an approval asked of someone, a cluster's health, many jobs at once, or a file to take away again. */
  about: z.object({ kind: z.enum(['job', 'approval', 'health', 'board', 'file']), id }),
  place: Place,
  /** Sent with the post, so that it can be looked for after an unknown answer. */
  key: z.string(),
  ref: z.object({ conversation: z.string(), id: z.string(), thread: z.string().optional() }).optional(),
  /** Hash of what it shows, apart from how time passes. */
  shown: z.string().optional(),
  editedAt: millis.optional(),
  edits: z.number().int().nonnegative(),
  /** Set when the last state has arrived. */
  closed: z.boolean(),
  pinged: z.boolean(),
  /** Somebody was pinged because the job waits for a person. */
  asked: z.boolean().optional(),
  /** What was said below it. */
  thread: Thread.optional(),
  /** Of a board: when it ended, and up to which end of a job each person was told. */
  board: z.object({ until: millis.optional(), told: z.record(z.string(), millis) }).optional(),
  /** How often in a row it could not be written, and when to try again. */
  attempts: z.number().int().nonnegative(),
  retryAt: millis.optional(),
  createdAt: millis,
});
export type Message = z.infer<typeof Message>;

/**
 * A sealed text; its id says whose: `provisioner.<id>` (secret parameters, JSON), `kubeconfig.<cluster id>` (YAML), `slack.<team id>` (tokens of an
 * installation, JSON), or `doctor.canary` (a known text).
 */
export const Secret = z.object({ v: z.literal(1), id, org: z.string(), sealed: z.string() });

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
  problems: z.array(z.object({ kind: z.string(), namespace: z.string(), name: z.string(), reason: z.string() })),
  /** How often the verdict changed, for damping. */
  changes: z.number().int().nonnegative(),
});
export type Health = z.infer<typeof Health>;

/** A one-time link to a personal credential; the id is the SHA-256 of the token. */
export const Handout = z.object({
  v: z.literal(1),
  id,
  org: z.string(),
  cluster: id,
  person: z.string(),
  role: z.enum(['view', 'edit', 'admin']),
  /** Only these; absent: the whole cluster. */
  namespaces: z.array(z.string()).optional(),
  seconds: z.number().int(),
  expiresAt: millis,
});
export type Handout = z.infer<typeof Handout>;

/** Who does a thing that only one process may do: a workspace's posts, the sweep. Bound to a lease. */
export const Claim = z.object({ v: z.literal(1), id, org: z.string(), holder: z.string(), fence: z.string() });

/** A chat workspace that KQueen was installed in by its own people; the tokens are in the secret record of the same id. */
export const Installation = z.object({
  v: z.literal(1),
  /** `slack.<team id>`. */
  id,
  org: z.string(),
  chat: z.literal('slack'),
  workspace: z.string().min(1),
  name: z.string(),
  appId: z.string(),
  botUser: z.string(),
  scopes: z.array(z.string()),
  /** A person, as everywhere. */
  installedBy: z.string(),
  installedAt: millis,
  /** Changes with the tokens, so that every process knows when to read them again. */
  tokensVersion: z.string(),
  /** When the token ends; absent: it does not end. */
  expiresAt: millis.optional(),
});
export type Installation = z.infer<typeof Installation>;

/** Every kind with its schema. The kind's name is part of its key in the store. */
export const schemas = {
  cluster: Cluster,
  name: Name,
  provisioner: Provisioner,
  job: Job,
  approval: Approval,
  audit: Audit,
  person: Person,
  conversation: Conversation,
  channel: Channel,
  delivery: Delivery,
  message: Message,
  secret: Secret,
  health: Health,
  handout: Handout,
  claim: Claim,
  installation: Installation,
  watch: Watch,
  picture: StoredPicture,
};

export type Kind = keyof typeof schemas;
export type RecordOf<K extends Kind> = z.infer<(typeof schemas)[K]>;
export const kinds = Object.keys(schemas) as Kind[];

/** Kinds the watch cache keeps; the others are read by key alone. */
export const cachedKinds = [
  'cluster',
  'provisioner',
  'job',
  'approval',
  'person',
  'message',
  'health',
  'audit',
  'installation',
  'channel',
  'watch',
] as const satisfies Kind[];

/** Sorted indexes that the cache keeps for each kind; the first is the default order. Fields are paths of the record. */
export const sortKeys: { [K in Kind]?: string[] } = {
  cluster: ['name', 'createdAt', 'phase', 'provisionerName', 'ownerName', 'version'],
  provisioner: ['name', 'engine', 'state', 'createdAt'],
  job: ['requestedAt', 'state', 'clusterName'],
  approval: ['requestedAt', 'expiresAt'],
  audit: ['id'],
  person: ['name'],
  message: ['createdAt'],
  health: ['at'],
  installation: ['name'],
};
