import type { Condition } from '../records.ts';
import type { Call } from './engine.ts';

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
  namespaces: number;
  services: number;
  /** Worst first, at most 20. */
  problems: WorkloadProblem[];
}

/** The rights a personal credential carries: Kubernetes' own aggregate roles. */
export type AccessRole = 'view' | 'edit' | 'admin';

export interface PersonalAccess {
  /** Ready to use with stock kubectl. Secret: handed to its requester alone. */
  kubeconfig: string;
  expiresAt: number;
}

/** Operating a cluster through its own API. `kubeconfig` is the admin one from the engine, YAML. Errors are Faults. */
export interface Kube {
  /** Never throws for an unhealthy cluster: that is a condition. */
  probe(kubeconfig: string, call: Call): Promise<ClusterHealth>;
  /** A ServiceAccount-bound token by TokenRequest, for at most an hour. `person` becomes part of the account's name and labels. */
  issueAccess(
    kubeconfig: string,
    request: { cluster: string; person: string; role: AccessRole; seconds: number },
    call: Call,
  ): Promise<PersonalAccess>;
  close(): Promise<void>;
}
