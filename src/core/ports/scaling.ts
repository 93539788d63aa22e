/** What a cluster's own API tells of whether its node pools are too small or too large. */

/** What is asked of one look. */
export interface ScalingWish {
  /** The pools of the cluster that are scaled by a rule of KQueen's, by their names at the provider. */
  pools: string[];
  /** Every pool of the cluster: the nodes of a cluster with one pool need no mark of it. */
  all: string[];
  /** For how long a pod has to have found no node until it counts, in milliseconds. */
  waitMs: number;
  /** A node of which less than this share (0–1) is asked for is little used. */
  use: number;
  /** Most new nodes of one step. */
  most: number;
}

/** One pool as it was seen. */
export interface PoolSight {
  pool: string;
  /** Names of its nodes in the cluster. */
  nodes: string[];
  /** Why nothing can be said of it, in a sentence. */
  unknown?: string;
  /** Pods that wait for a node, and that new nodes of this pool would help. */
  waiting: {
    pods: number;
    /** `namespace/name` of the first few. */
    some: string[];
    /** Since when the one that waits longest waits, epoch milliseconds. */
    since: number;
    /** How many new nodes they need, at most what was asked for. */
    needs: number;
  };
  /** Nodes that are little used, and whose pods would find room on the others: the least used first. */
  idle: { node: string; use: number; pods: number }[];
  /** Nodes that are little used and stay all the same, with why, in words that follow the name. */
  kept: { node: string; why: string }[];
}

/** The whole cluster as it was seen. */
export interface ScalingSight {
  at: number;
  pools: PoolSight[];
  /** Pods that wait for a node, and that no new node of any of these pools would help, the first few, with why. */
  helpless: { pods: number; some: { pod: string; why: string }[] };
}
