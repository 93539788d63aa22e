/** Which nodes belong to which pool of the provider. */
import type { NodeShape } from './shapes.ts';

/**
 * Labels in which providers put the name of a node's pool: KQueen's own, GKE, AKS (new and old), EKS, Magnum, Gardener, OpenShift's and Rancher's
 * machine pools, and Cluster API's.
 */
const poolLabels = [
  'kqueen-pool',
  'cloud.google.com/gke-nodepool',
  'kubernetes.azure.com/agentpool',
  'agentpool',
  'eks.amazonaws.com/nodegroup',
  'magnum.openstack.org/nodegroup',
  'worker.gardener.cloud/pool',
  'cattle.io/pool',
  'cluster.x-k8s.io/pool-name',
];

const controlPlane = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/**
 * The nodes of each of these pools. Of nodes without any label of a pool it is known only where there is one pool that none carries the label of;
 * else the pool is missing in the answer.
 */
export function nodesByPool(nodes: readonly NodeShape[], all: readonly string[]): Map<string, NodeShape[]> {
  const byPool = new Map<string, NodeShape[]>();
  const unlabelled: NodeShape[] = [];
  for (const node of nodes) {
    if (controlPlane.some((label) => label in node.labels)) continue;
    const named = poolLabels
      .map((label) => node.labels[label])
      .find((value) => value !== undefined && all.includes(value));
    if (named === undefined) unlabelled.push(node);
    else byPool.set(named, [...(byPool.get(named) ?? []), node]);
  }
  const without = all.filter((pool) => !byPool.has(pool));
  const [only] = without;
  if (without.length === 1 && only !== undefined) byPool.set(only, unlabelled);
  else if (unlabelled.length === 0) for (const pool of without) byPool.set(pool, []);
  return byPool;
}
