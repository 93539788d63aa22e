import { SIZES } from './catalog.ts';
import type { ClusterBackend } from './cloud-backend.ts';
import type { ClusterRecord, OperationRecord } from './cloud-records.ts';

/** What is true of a cluster's machines and version once a step of an operation is over. The record is changed. */
export function takeStep(
  step: string,
  operation: OperationRecord,
  cluster: ClusterRecord,
  backend: ClusterBackend | undefined,
): void {
  const size = SIZES.find((offer) => offer.name === cluster.size);
  const seed = (from: number, to: number): void => {
    if (size === undefined) return;
    for (let index = from; index < to; index += 1) backend?.seedNode(cluster, size, index);
  };
  switch (step) {
    case 'Joining nodes':
      seed(0, cluster.nodes);
      break;
    case 'Upgrading control plane':
      cluster.version = operation.version ?? cluster.version;
      break;
    case 'Upgrading nodes':
      backend?.upgradeNodes(cluster);
      break;
    case 'Resizing node pool': {
      const wanted = operation.nodes ?? cluster.nodes;
      seed(cluster.nodes, wanted);
      for (let index = wanted; index < cluster.nodes; index += 1) backend?.removeNode(cluster, index);
      cluster.nodes = wanted;
      break;
    }
    default:
      break;
  }
}
