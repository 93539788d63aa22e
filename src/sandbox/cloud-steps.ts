import { SIZES } from './catalog.ts';
import type { ClusterBackend } from './cloud-backend.ts';
import type { ClusterRecord, OperationRecord } from './cloud-records.ts';

/** What enforces network policies; it runs like an add-on and is none that can be chosen. */
const NETWORK_AGENT = 'network-policy-agent';

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
  const seedGateways = (from: number, to: number): void => {
    if (size === undefined) return;
    for (let index = from; index < to; index += 1) backend?.seedNode(cluster, size, index, true);
  };
  switch (step) {
    case 'Joining nodes':
      seed(0, cluster.nodes);
      seedGateways(0, cluster.gateways);
      if (cluster.networkPolicy) backend?.seedAddon(NETWORK_AGENT);
      break;
    case 'Upgrading control plane':
      cluster.version = operation.version ?? cluster.version;
      break;
    case 'Upgrading nodes':
      backend?.upgradeNodes(cluster);
      break;
    case 'Resizing gateway pool': {
      const wanted = operation.gateways ?? cluster.gateways;
      seedGateways(cluster.gateways, wanted);
      for (let index = wanted; index < cluster.gateways; index += 1) backend?.removeNode(cluster, index, true);
      cluster.gateways = wanted;
      break;
    }
    case 'Changing network agents':
      cluster.networkPolicy = operation.networkPolicy ?? cluster.networkPolicy;
      if (cluster.networkPolicy) backend?.seedAddon(NETWORK_AGENT);
      else backend?.removeAddon(NETWORK_AGENT);
      break;
    case 'Changing add-ons':
      for (const [name, on] of Object.entries(operation.addons ?? {})) {
        cluster.addons = [...cluster.addons.filter((each) => each !== name), ...(on ? [name] : [])];
        if (on) backend?.seedAddon(name);
        else backend?.removeAddon(name);
      }
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
