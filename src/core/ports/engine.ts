import type { ZodObject } from 'zod';

/** Bounds every outside call: aborts with the signal, and is over at `deadline` (epoch milliseconds) at the latest. */
export interface Call {
  signal: AbortSignal;
  deadline: number;
}

/** What an engine can do; what it cannot has no button, and a typed command gets one clear line (`Engine.instead`). */
export interface Capabilities {
  create: boolean;
  delete: boolean;
  /** Changing a running cluster: number of nodes of a pool. */
  scale: boolean;
  /** Changing a running cluster: Kubernetes version. */
  upgrade: boolean;
  /** Setting the bounds between which the provider itself scales a pool. */
  autoscale: boolean;
  /** Stopping a cluster so that it costs less, and starting it again. */
  power: boolean;
  /** Percent of a running operation, else steps by name only. */
  percent: boolean;
  /** Stopping a create half-way by deleting what is there. */
  cancel: boolean;
  /** Lists clusters at the provider, also those that KQueen does not know. */
  list: boolean;
  /** Taking over a cluster that somebody else made, by marking it as KQueen's, and letting it go again. */
  adopt: boolean;
  /** The whole text of what happened: a console log, a list of events. */
  log: boolean;
  /** Turning the provider's own add-ons of a cluster on and off. */
  addons: boolean;
  /** Turning the enforcement of NetworkPolicy objects on and off. */
  networkPolicy: boolean;
  /** A node pool of its own for what lets traffic in, with a label and a taint that keep all else off it. */
  gateways: boolean;
  /** Destroying the machine of one chosen node: in its place comes another, or the pool is smaller by it. */
  retire: boolean;
}

/** Which cluster at the provider: named deterministically, recognised by label, never by name alone. */
export interface Target {
  org: string;
  /** KQueen's cluster id, put into a label or tag of everything the engine makes. */
  cluster: string;
  /** Deterministic name at the provider: a DNS label of at most 40 characters. Of an adopted cluster: the name it has there. */
  externalName: string;
  /** The cluster's parameters as asked for, in which an engine finds where it is (a zone, a resource group). Never secrets. */
  spec: Record<string, unknown>;
  /** What the provider called it when it was last seen (`Observation.externalId`), so that it need not be searched for. */
  externalId?: string;
  /** Handle of the running or last operation, as returned by create, update, delete, adopt or release. */
  operation?: string;
}

/** A long-running operation at the provider. */
export interface Operation {
  /** The provider's handle, or all that is needed to ask for it again; saved in the job, at most 16 KiB, never a secret. */
  id: string;
}

export type ExternalState =
  | 'absent'
  | 'creating'
  | 'running'
  | 'updating'
  | 'stopped'
  | 'deleting'
  | 'error'
  | 'unknown';

/** Nodes that are alike and scaled together. */
export interface NodePool {
  name: string;
  /** How many nodes it is to have. */
  nodes: number;
  /** Machine type. */
  size?: string;
  /** Kubernetes version of its nodes, where the provider tells it apart from the control plane's. */
  version?: string;
  /** How far a person may scale it. */
  bounds?: { min: number; max: number };
  /** The provider's own autoscaler works on it between these. */
  autoscale?: { min: number; max: number };
}

/** A feature of a cluster that the provider itself brings and can take away. */
export interface ProviderAddon {
  /** What `ClusterUpdate.addons` calls it: small letters, digits and dashes. */
  name: string;
  /** For people: "Cloud Storage volumes". */
  title: string;
  on: boolean;
  /** What is worth knowing of it, such as what turning it off would stop. */
  note?: string;
  /** Why it stays as it is, in a sentence. */
  fixed?: string;
}

/** What is there now. `observe` answers `absent` without throwing, and `unknown` for states it has never heard of. */
export interface Observation {
  state: ExternalState;
  /** False when something with this name exists that does not carry this cluster's label. */
  mine: boolean;
  /**
   * How `target.operation` stands, when one was given and the provider can tell. A cluster that runs while its operation has `failed`
   * was not changed as wanted: `message` says why.
   */
  outcome?: 'running' | 'done' | 'failed';
  /** 0–100, when the provider gives a basis. */
  percent?: number;
  /** The step under way in the provider's words. */
  step?: string;
  /** Why it failed: the provider's own first useful sentence. */
  message?: string;
  /** The provider's whole text, for a file. */
  detail?: string;
  endpoint?: string;
  /** Kubernetes version of the control plane. */
  version?: string;
  /** Nodes of all pools. */
  nodes?: number;
  pools?: NodePool[];
  /** The add-ons that the provider has for this cluster, on or off. */
  addons?: ProviderAddon[];
  /** Whether the cluster enforces NetworkPolicy objects; absent when the provider does not tell. */
  networkPolicy?: boolean;
  /** Why that stays as it is, in a sentence. */
  networkPolicyFixed?: string;
  region?: string;
  /** The running operation, for adopting one whose answer was lost. */
  operation?: string;
  /** What the provider calls it, for a person who looks there and for the next call (`Target.externalId`). */
  externalId?: string;
  /** Billing or clean-up facts worth a line on the card. */
  notes?: string[];
  /** What a failed create has left behind, by name; a delete removes it. */
  leftovers?: string[];
}

export interface Price {
  /** Per hour, for the whole cluster as asked. */
  perHour: number;
  /** ISO 4217. */
  currency: string;
  /** What it does not include, for people. */
  excludes: string[];
}

/** A choice only the provider knows. */
export interface Choice {
  value: string;
  label: string;
  note?: string;
}

/**
 * A cluster parameter that only the provider knows, such as a parameter of a Heat template or of a Jenkins job. Plain JSON; it becomes a
 * field of the form and a rule of the validation (`clusterSchema` in schema.ts). A secret one is never offered: it belongs to the provisioner.
 */
export interface Parameter {
  /** Not a key of the engine's own schemas. */
  key: string;
  label: string;
  help?: string;
  kind: 'text' | 'multiline' | 'number' | 'toggle' | 'choice';
  required: boolean;
  default?: string | number | boolean;
  choices?: string[];
  min?: number;
  max?: number;
  minLength?: number;
  maxLength?: number;
  /** A regular expression that the whole value has to match. */
  pattern?: string;
}

/** Live choices by field name of the cluster schema, the one to offer first; a field that is missing here has none. */
export interface Options {
  choices: Record<string, Choice[]>;
  /** Further parameters of a cluster, in the order in which they are asked. */
  parameters?: Parameter[];
  /** The provider's answer that `price` works on; opaque to the core, plain JSON. */
  prices: unknown;
  /** When it was read at the provider, epoch milliseconds. */
  at: number;
}

export type CheckState = 'OK' | 'Error' | 'Unreachable';

/** A real probe: bad credentials, a missing project or permission, and an unreachable provider are told apart. */
export interface CheckResult {
  state: CheckState;
  message: string;
  /** What to do next, when it is not OK. */
  next?: string;
  /** The field of the provisioner's schema that is to blame, when one is. */
  field?: string;
  /** Facts worth showing: project, quota, versions. */
  facts: { label: string; value: string }[];
}

/** A cluster as the provider lists it. */
export interface ExternalCluster {
  externalName: string;
  state: ExternalState;
  /** KQueen's cluster id from the label, when it carries one. */
  cluster?: string;
  /** KQueen's organisation from the label, when it carries one. */
  org?: string;
  version?: string;
  nodes?: number;
  pools?: NodePool[];
  /** Region, zone or folder. */
  where?: string;
  externalId?: string;
  /** Who made it, as the provider's own labels or tags say. */
  owner?: string;
  /** As much of the cluster's parameters as the provider tells, for adopting it. */
  spec?: Record<string, unknown>;
}

/** The wanted change of a running cluster; absent fields stay as they are. */
export interface ClusterUpdate {
  /** The node pool that `nodes` and `autoscale` are about, by name; absent means the first one. */
  pool?: string;
  nodes?: number;
  /** Bounds of the provider's own autoscaler for the pool; null turns it off. */
  autoscale?: { min: number; max: number } | null;
  version?: string;
  power?: 'on' | 'off';
  /** Add-ons of the provider by name, and whether each is to be on; those that are not named stay. */
  addons?: Record<string, boolean>;
  /** Whether NetworkPolicy objects are to be enforced. */
  networkPolicy?: boolean;
  /** Nodes of the pool `gatewayMark.value`, which is made when there is none yet and removed at 0. They carry the label and the taint of `gatewayMark`. */
  gateways?: number;
  /**
   * The machine of the node of this name goes; one of that name that was made after `before` (epoch milliseconds) is the new one already. `pool`
   * and `nodes` go with it, and say how many nodes that pool is to have then: as many as it had, and another machine takes the place; one
   * fewer, and none does, whenever it was made. No other machine ever goes for it. The node is drained before, by whoever asks.
   */
  retire?: { node: string; before: number };
}

/**
 * Label of gateway nodes, and their taint with the effect NoSchedule: what lets traffic in selects the one and tolerates the other. Clouds
 * refuse labels of kubernetes.io (such as a role) on their pools.
 */
export const gatewayMark = { key: 'kqueen-pool', value: 'gateways' } as const;

/** What a provider says that an update would do to the things a cluster is made of, by their names there. */
export interface Preview {
  added: string[];
  updated: string[];
  /** Removed and made anew: what is on them is lost. */
  replaced: string[];
  removed: string[];
}

/** How a person signs in at the provider with their own account: a kubeconfig that holds no secret. */
export interface SignIn {
  kubeconfig: string;
  /** What has to be installed and granted for it to work, in a sentence. */
  needs: string;
}

/**
 * A provisioner's connection. Rules (each held by a test of the conformance suite, see docs/engines.md):
 * observe never writes; create is safe to repeat and adopts by label; delete of an absent cluster succeeds (returns null);
 * every call honours its Call; every error is a Fault. A method whose capability is missing throws `unsupported`.
 */
export interface EngineClient {
  observe(target: Target, call: Call): Promise<Observation>;
  create(target: Target, spec: Record<string, unknown>, call: Call): Promise<Operation>;
  /**
   * Begins the next step towards the wanted change and returns its operation; null when the cluster is as wanted already. A change that takes
   * several steps at the provider (control plane, then pools) is asked for again after each. While another operation runs it throws a
   * retryable `conflict`.
   */
  update(target: Target, update: ClusterUpdate, call: Call): Promise<Operation | null>;
  /** What the update would do, by the provider's own dry run; null, or no such method, where there is none. Changes nothing. */
  preview?(target: Target, update: ClusterUpdate, call: Call): Promise<Preview | null>;
  delete(target: Target, call: Call): Promise<Operation | null>;
  /** Marks a cluster that carries no mark yet as this one; null when that is done. `conflict` when it carries another's mark. */
  adopt(target: Target, call: Call): Promise<Operation | null>;
  /** Takes this cluster's mark away and leaves all else as it is; null when that is done, or when there is none. */
  release(target: Target, call: Call): Promise<Operation | null>;
  /** The admin kubeconfig as YAML, for KQueen's own use. Throws `conflict` (retryable) while there is none yet. */
  kubeconfig(target: Target, call: Call): Promise<string>;
  /** For people who have an account at the provider; null where there is no such way. */
  signIn(target: Target, call: Call): Promise<SignIn | null>;
  /** The versions that this cluster can be upgraded to, the one to offer first; the note tells of an end of life. */
  upgrades(target: Target, call: Call): Promise<Choice[]>;
  /** The text of the operation, or of all that happened; null when there is none. Scrubbed of secrets, at most 1 MiB, the end of it. */
  log(target: Target, call: Call): Promise<string | null>;
  list(call: Call): Promise<ExternalCluster[]>;
  check(call: Call): Promise<CheckResult>;
  /** `given` holds what a form has so far, for choices that depend on others (machine sizes on the region). */
  options(given: Record<string, string>, call: Call): Promise<Options>;
  close(): Promise<void>;
}

/** A kind of provider. One folder in src/engines and one line in its registry. */
export interface Engine {
  /** Stored in records: lower case, never changed. */
  name: string;
  /** For people: "Google Kubernetes Engine". */
  title: string;
  /** Shown wherever a person meets its clusters, such as "Sandbox: no real machines". */
  notice?: string;
  /** The guide for its admins, a path in the repository. */
  docs: string;
  capabilities: Capabilities;
  /** For each missing capability that people ask for: why, and what to do instead, in a sentence or two. */
  instead: Partial<Record<keyof Capabilities, string>>;
  /**
   * The capabilities that a provisioner with these parameters lacks, although the engine has them, each with why and what to do instead. Pure.
   * Asked by `engineAt`; absent: every provisioner can what the engine can.
   */
  lacks?(params: Record<string, unknown>): Partial<Record<keyof Capabilities, string>>;
  /** Its clusters have further parameters (`Options.parameters`): without the provider's answer none can be asked for. */
  liveParameters?: boolean;
  /** How long a kubeconfig from `kubeconfig` is good, in milliseconds; it is then never stored. Absent: until it is revoked. */
  kubeconfigMs?: number;
  /** Most gateway nodes that one cluster may have, where the pool itself does not say (`NodePool.bounds`). */
  mostGateways?: number;
  /** How often it may be asked about one operation, in milliseconds between two looks: the first and the longest. Default 1 and 15 s. */
  pollMs?: { first: number; longest: number };
  /** Parameters of a provisioner; field meta (see schema.ts) marks secrets, labels, help, order. */
  provisioner: ZodObject;
  /** Parameters of a cluster. It can never hold a field of the provisioner schema. Others may come with `Options.parameters`. */
  cluster: ZodObject;
  /** The price of a spec by the provider's list, or null when it cannot be known. Pure. */
  price(spec: Record<string, unknown>, prices: unknown): Price | null;
  /** A short line for lists and plans: "3 × small in eu-1, Kubernetes 1.34". Pure. */
  describe(spec: Record<string, unknown>): string;
  /** How many nodes the spec asks for. Pure. */
  nodes(spec: Record<string, unknown>): number;
  /** The node pools the spec asks for, the one that is scaled by default first. Pure. */
  pools(spec: Record<string, unknown>): NodePool[];
  /** The spec after the update. Throws `bad-input` with the field for a value that cannot be. Pure. */
  after(spec: Record<string, unknown>, update: ClusterUpdate): Record<string, unknown>;
  /** `params` has passed the provisioner schema. Heavy SDKs are imported inside, not before. */
  connect(params: Record<string, unknown>): Promise<EngineClient>;
}

/** The engines this installation allows, and open connections by provisioner (kept, and renewed when the provisioner changes). */
export interface Engines {
  all(): Engine[];
  get(name: string): Engine | undefined;
  /**
   * The client for a provisioner record. `version` is the record's revision of parameters: another value makes a new client.
   * Throws `unsupported` for an engine that is not allowed here.
   */
  client(
    engine: string,
    provisioner: string,
    version: string,
    params: () => Record<string, unknown>,
  ): Promise<EngineClient>;
}
