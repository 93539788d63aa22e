import type { AddonRead, SeenAddon } from '../addons.ts';
import type { AppBundle, AppSource } from '../apps.ts';
import type { Condition } from '../records.ts';
import type { Call } from './engine.ts';
import type { ScalingSight, ScalingWish } from './scaling.ts';
import type { Looked, Work, WorkPlan, WorkStep } from './work.ts';

/** Amounts in base units: cores, bytes, pods. */
export interface Amounts {
  cpu: number;
  memory: number;
  pods: number;
}

export interface NodeHealth {
  name: string;
  ready: boolean;
  /** Reasons other than Ready that are not as they should be. */
  problems: string[];
  version: string;
  capacity: Amounts;
  allocatable: Amounts;
  /** Sum of the requests of its running pods. */
  requests: Amounts;
}

export interface WorkloadProblem {
  kind: string;
  namespace: string;
  name: string;
  /** "0 of 3 ready", "CrashLoopBackOff, 12 restarts". */
  reason: string;
}

/** What a look at a cluster through its own API found. */
export interface ClusterHealth {
  at: number;
  version?: string;
  conditions: Condition[];
  nodes: NodeHealth[];
  pods: { total: number; running: number };
  deployments: { total: number; available: number };
  /** Absent from a brief look, and where they may not be read. */
  namespaces?: number;
  services?: number;
  /** Worst first, at most 20. */
  problems: WorkloadProblem[];
}

/** How a cluster is looked at by those who look at many. */
export interface ProbeManner {
  /** One request after the other, so that one connection is enough. */
  oneByOne?: boolean;
  /** Without what changes seldom: its version, and how many namespaces and services it has. */
  brief?: boolean;
}

/** The rights a personal credential carries: Kubernetes' own `view`, and ClusterRoles of KQueen's for `edit` and `admin`. */
export type AccessRole = 'view' | 'edit' | 'admin';

export interface PersonalAccess {
  /** Ready to use with stock kubectl. Secret: handed to its requester alone. */
  kubeconfig: string;
  expiresAt: number;
}

/** What a kubeconfig is worth: where it leads, whom it signs in as, and what that may do. */
export interface KubeReview {
  /** `https://…` */
  server: string;
  /** SHA-256 of the authority that its certificate is checked by, hex; '' when those are the public ones. */
  authority: string;
  /** How it signs in. */
  by: 'token' | 'client certificate' | 'user name and password';
  /** When the credential ends by its own word, epoch milliseconds; absent when it does not say. */
  expiresAt?: number;
  /** Only the current context of what was given, as YAML: what is kept. */
  kubeconfig: string;
  /** Who it is to the cluster; absent when the cluster does not say (before 1.28, or not allowed). */
  user?: string;
  groups?: string[];
  /** Whether it may do everything; null when the cluster does not say. */
  everything: boolean | null;
  /** Whether it may read nodes, and pods in all namespaces, which a look at the cluster needs; null when the cluster does not say. */
  looks: boolean | null;
}

/** Operating a cluster through its own API. `kubeconfig` is the admin one from the engine, YAML. Errors are Faults. */
export interface Kube {
  /** Never throws for an unhealthy cluster: that is a condition. */
  probe(kubeconfig: string, call: Call, manner?: ProbeManner): Promise<ClusterHealth>;
  /**
   * A ServiceAccount-bound token by TokenRequest, for at most an hour. `person` becomes part of the account's name and labels. With `namespaces`
   * it has rights in these alone; `bad-input` when one is not there.
   */
  issueAccess(
    kubeconfig: string,
    request: { cluster: string; person: string; role: AccessRole; seconds: number; namespaces?: string[] },
    call: Call,
  ): Promise<PersonalAccess>;
  /**
   * Reads a kubeconfig that a person gave and signs in with it; changes nothing. Unlike `probe` it throws when there is no way in: `bad-input`
   * for a file that is not taken or has expired, `unreachable` with the address, `not-allowed` when the cluster refuses the credential.
   */
  review(kubeconfig: string, call: Call): Promise<KubeReview>;
  /** A read-only look at what is in the cluster, by its name in the registry of src/kube/views. */
  look(kubeconfig: string, view: string, args: Record<string, string>, call: Call): Promise<Looked>;
  /** A look into backups that are kept, by its name in the registry of src/kube/backup; no cluster is asked. */
  lookKept(view: string, args: Record<string, string>, call: Call): Promise<Looked>;
  /**
   * The objects of an app from where they come from, read and packed; changes nothing and asks the cluster nothing but what a chart wants to know of it.
   * `bad-input` names what is wrong, by line where there are lines.
   */
  bundle(
    kubeconfig: string,
    app: { name: string; namespace: string },
    source: AppSource,
    call: Call,
  ): Promise<AppBundle>;
  /** The add-ons that can be had or are in the cluster, and what is wrong with descriptions of the installation's own, in sentences. */
  addons(kubeconfig: string, call: Call): Promise<{ addons: SeenAddon[]; problems: string[] }>;
  /**
   * An add-on read and packed; changes nothing. `pins` are the SHA-256 of files by address that were taken before: `bad-input` when one is another now,
   * before anything of it is read.
   */
  addon(
    kubeconfig: string,
    asked: { name: string; pins: Record<string, string> },
    call: Call,
  ): Promise<AppBundle & { read: AddonRead }>;
  /** What a piece of work would do; changes nothing. */
  plan(kubeconfig: string, work: Omit<Work, 'progress'>, call: Call): Promise<WorkPlan>;
  /** The next step of a piece of work; safe to repeat. */
  work(kubeconfig: string, work: Work, call: Call): Promise<WorkStep>;
  /** Whether node pools are too small or too large for what pods ask for; changes nothing. */
  scaling(kubeconfig: string, wish: ScalingWish, call: Call): Promise<ScalingSight>;
  close(): Promise<void>;
}
