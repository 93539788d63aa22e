import type { ClusterUpdate, Engine, EngineClient, Observation, Target } from '../../src/core/ports/engine.ts';
import type { FaultName, OperationName, Rule, Skips } from './rules.ts';

/** Faults that the provider, or something before it, shows on demand. All of them end with `clear`. */
interface Faults {
  /** The next create is carried out and its answer is lost. */
  loseCreateAnswer(): Promise<void>;
  /** Creates fail half-way with this sentence. */
  failCreates(message: string): Promise<void>;
  /** Creates and updates that begin now stop half-way and go on after `clear`. */
  stall(): Promise<void>;
  /** The quota is used up. */
  exhaustQuota(): Promise<void>;
  /** Every request is refused with a rate limit and this wait. */
  limitRate(seconds: number): Promise<void>;
  /** No request is answered. */
  hang(): Promise<void>;
  /** Nothing listens any more. */
  refuse(): Promise<void>;
  /** Every request is answered with 200 and a web page. */
  webPage(): Promise<void>;
  /** Parameters of a front before the provider, which shows running clusters in a state that no version of the provider has. */
  strangeState(): Promise<Record<string, unknown>>;
  /** Every request is answered with HTTP 500 in the provider's own words for it. Without it: a reason in `skip` (`server-error`). */
  serverError?(): Promise<void>;
  /** Every answer's body breaks off in its middle, with the connection. Without it: a reason in `skip` (`cut-answer`). */
  cutAnswer?(): Promise<void>;
  /**
   * The credentials stay good and may do nothing any more: every request of the API (not the one for a token) is refused as the provider
   * refuses it. Gives the permission or role that the Fault has to name, the same for all requests. Without it: a reason in `skip` (`permission`).
   */
  forbid?(): Promise<string>;
  /** Updates that begin now are accepted and fail afterwards with this sentence. Without it: a reason in `skip` (`update-failed`). */
  failUpdates?(message: string): Promise<void>;
  /**
   * Every request that could change something is carried out, and its connection ends without an answer. Requests for a token and reads pass.
   * Without it: a reason in `skip` (`lost-answer`).
   */
  loseAnswers?(): Promise<void>;
  /** Ends every fault above, and lets what stalled go on. */
  clear(): Promise<void>;
}

/** A cluster's own API, really there: a sandbox cluster behind it. */
export interface KubeApi {
  /** `https://127.0.0.1:port/…` */
  server: string;
  /** PEM. */
  ca: string;
  /** Lets in its admin. */
  token: string;
  /** YAML with the three above. */
  kubeconfig: string;
}

/** Gives the clusters of a counterpart real Kubernetes APIs (`openKubeBackend` in test/counterparts/kube.ts). */
export interface KubeBackend {
  /** The API of the cluster of this name, made at the first call; resolves when its nodes are Ready. */
  open(name: string, nodes: number): Promise<KubeApi>;
  scale(name: string, nodes: number): Promise<void>;
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

/** What a harness is opened with. */
export interface HarnessOptions {
  /** How long a create takes at the counterpart, in milliseconds (default about 500). */
  createMs?: number;
  /** Without it the counterpart gives kubeconfigs that lead nowhere. */
  kube?: KubeBackend;
}

/** One engine with its provider, ready to be tried. */
export interface Harness {
  engine: Engine;
  /** Parameters that work. */
  params: Record<string, unknown>;
  /**
   * The parameters that are addresses of the provider, so that a test can put a proxy before each: their values are replaced by the proxy's
   * address, and `caBundle`, where the engine has one, by the proxy's authority.
   */
  addresses: { key: string; ca?: string }[];
  /** The same with credentials that the provider refuses. */
  badParams: Record<string, unknown>;
  /** A cluster that can be had. */
  spec: Record<string, unknown>;
  /** A spec that the provider refuses, and the field it is about. */
  badSpec: { spec: Record<string, unknown>; field: string };
  /** A change that a running cluster of `spec` can take; `addon` is one of the provider's that is off at first. */
  update: { nodes: number; version: string; addon?: string };
  /** What `spec` costs per hour by the prices of the provider's documentation, and in what. */
  price: { perHour: number; currency: string } | null;
  /** Parameters that work but for the project, account, folder or the like, which does not exist. Without it: a reason in `skip` (`check-place`). */
  nowhereParams?: Record<string, unknown>;
  /** Makes a cluster of this name at the provider as somebody else would; a label or tag says that `somebody-else` made it, where there are any. */
  makeForeign(externalName: string): Promise<void>;
  /** A cluster that is there and runs, another one at each call. Only for an engine that creates none. */
  existing?(): Promise<Target>;
  /** Requests that could change something, as the provider counted them. */
  writes(): Promise<number>;
  /** All requests that reached the provider and its token endpoint so far, whatever became of them. */
  requests(): Promise<number>;
  /** How many requests one `observe` of a running cluster may take at most, tokens left aside (default 3). */
  readsPerObserve?: number;
  /** Secrets that the provider has handed out so far (access tokens, kubeconfig tokens and keys), so that a test can look for them elsewhere. */
  secrets(): Promise<string[]>;
  /** Clusters of this name that were ever made. */
  made(externalName: string): Promise<number>;
  /** The machines of a running cluster as the provider has them: node name, and an identity that a new machine of that name does not share. */
  machines?(target: Target): Promise<{ node: string; id: string; pool?: string }[]>;
  /** Connections from the engine that are open now, as the provider's side sees them. */
  openConnections(): number;
  faults: Faults;
  close(): Promise<void>;
}

/** What the rules are written with. `harness` and `client` are there once the tests run. */
export interface Suite {
  readonly harness: Harness;
  readonly client: EngineClient;
  readonly skip: Skips;
  /** How long a create or delete may take at the provider of the test, in milliseconds. */
  readonly patienceMs: number;
  /** Declares the test of a rule; `unable` says why this engine cannot have it, or false. */
  rule(id: Rule, test: () => Promise<void>, unable?: (harness: Harness) => string | false): void;
  /** Declares the test of a fault. The test gives for each call `ok`, or the reason why the two do not meet. */
  fault(id: FaultName, test: () => Promise<Record<OperationName, string>>): void;
  /** A cluster that was never asked for. */
  aTarget(): Target;
  /** Asks for the cluster and gives the target with its operation, as a job keeps it. */
  begin(target: Target): Promise<Target>;
  /** Waits until the cluster is seen in this state. */
  reach(target: Target, state: Observation['state']): Promise<Observation>;
  /** A cluster of one's own that runs. */
  running(): Promise<Target>;
  /** A cluster that runs and that all tests share: to look at, never to change. */
  shared(): Promise<Target>;
  /** A cluster that somebody else made and that runs, as the list gives it to whoever adopts it. */
  foreign(): Promise<Target>;
  /** Asks for the change as a job does, step by step until there is nothing left to do. Gives how many steps it took. */
  drive(target: Target, update: ClusterUpdate): Promise<number>;
}
