import type { ZodObject } from 'zod';

/** Bounds every outside call: aborts with the signal, and is over at `deadline` (epoch milliseconds) at the latest. */
export interface Call {
  signal: AbortSignal;
  deadline: number;
}

/** What an engine can do; what it cannot has no button, and a typed command gets one clear line. */
export interface Capabilities {
  create: boolean;
  delete: boolean;
  /** Changing a running cluster: number of nodes. */
  scale: boolean;
  /** Changing a running cluster: Kubernetes version. */
  upgrade: boolean;
  /** Percent of a running operation, else steps by name only. */
  percent: boolean;
  /** Stopping a create half-way by deleting what is there. */
  cancel: boolean;
  /** Lists clusters at the provider that KQueen does not know. */
  list: boolean;
}

/** Which cluster at the provider: named deterministically, recognised by label, never by name alone. */
export interface Target {
  org: string;
  /** KQueen's cluster id, put into a label or tag of everything the engine makes. */
  cluster: string;
  /** Deterministic name at the provider: a DNS label of at most 40 characters. */
  externalName: string;
  /** Handle of the running or last operation, as returned by create, update or delete. */
  operation?: string;
}

/** A long-running operation at the provider. */
export interface Operation {
  /** The provider's handle; saved in the job. */
  id: string;
}

export type ExternalState = 'absent' | 'creating' | 'running' | 'updating' | 'deleting' | 'error' | 'unknown';

/** What is there now. `observe` answers `absent` without throwing, and `unknown` for states it has never heard of. */
export interface Observation {
  state: ExternalState;
  /** False when something with this name exists that does not carry this cluster's label. */
  mine: boolean;
  /** 0–100, when the provider gives a basis. */
  percent?: number;
  /** The step under way in the provider's words. */
  step?: string;
  /** Why it failed: the provider's own first useful sentence. */
  message?: string;
  /** The provider's whole text, for a file. */
  detail?: string;
  endpoint?: string;
  version?: string;
  nodes?: number;
  region?: string;
  /** The running operation, for adopting one whose answer was lost. */
  operation?: string;
  /** What the provider calls it, for a person who looks there. */
  externalId?: string;
  /** Billing or clean-up facts worth a line on the card. */
  notes?: string[];
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

/** Live choices by field name of the cluster schema, the one to offer first; a field that is missing here has none. */
export interface Options {
  choices: Record<string, Choice[]>;
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
  /** Facts worth showing: project, quota, versions. */
  facts: { label: string; value: string }[];
}

export interface ExternalCluster {
  externalName: string;
  state: ExternalState;
  /** KQueen's cluster id from the label, when it carries one. */
  cluster?: string;
  version?: string;
  nodes?: number;
}

/** The wanted change of a running cluster; absent fields stay as they are. */
export interface ClusterUpdate {
  nodes?: number;
  version?: string;
}

/**
 * A provisioner's connection. Rules (each held by a test of the conformance suite, see docs/engines.md):
 * observe never writes; create is safe to repeat and adopts by label; delete of an absent cluster succeeds (returns null);
 * every call honours its Call; every error is a Fault.
 */
export interface EngineClient {
  observe(target: Target, call: Call): Promise<Observation>;
  create(target: Target, spec: Record<string, unknown>, call: Call): Promise<Operation>;
  update(target: Target, update: ClusterUpdate, call: Call): Promise<Operation>;
  delete(target: Target, call: Call): Promise<Operation | null>;
  /** The admin kubeconfig as YAML, for KQueen's own use. Throws `conflict` (retryable) while there is none yet. */
  kubeconfig(target: Target, call: Call): Promise<string>;
  list(call: Call): Promise<ExternalCluster[]>;
  check(call: Call): Promise<CheckResult>;
  options(call: Call): Promise<Options>;
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
  docs: string;
  capabilities: Capabilities;
  /** Parameters of a provisioner; field meta (see schema.ts) marks secrets, labels, help, order. */
  provisioner: ZodObject;
  /** Parameters of a cluster. It can never hold a field of the provisioner schema. */
  cluster: ZodObject;
  /** The price of a spec by the provider's list, or null when it cannot be known. Pure. */
  price(spec: Record<string, unknown>, prices: unknown): Price | null;
  /** A short line for lists and plans: "3 × small in eu-1, Kubernetes 1.34". Pure. */
  describe(spec: Record<string, unknown>): string;
  /** How many nodes the spec asks for. Pure. */
  nodes(spec: Record<string, unknown>): number;
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
