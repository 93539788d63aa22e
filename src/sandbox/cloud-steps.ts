import { SIZES } from './catalog.ts';
import type { ClusterBackend } from './cloud-backend.ts';
import type { ClusterRecord, OperationRecord } from './cloud-records.ts';
import { nodeName } from './cloud-seed.ts';

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
  const seed = (from: number, to: number, gateway = false): void => {
    if (size === undefined) return;
    for (const index of numbersOf(cluster, to, gateway).slice(from)) backend?.seedNode(cluster, size, index, gateway);
  };
  const remove = (from: number, to: number, gateway = false): void => {
    for (const index of numbersOf(cluster, to, gateway).slice(from)) backend?.removeNode(cluster, index, gateway);
  };
  switch (step) {
    case 'Joining nodes':
      seed(0, cluster.nodes);
      seed(0, cluster.gateways, true);
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
      seed(cluster.gateways, wanted, true);
      remove(wanted, cluster.gateways, true);
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
      remove(wanted, cluster.nodes);
      cluster.nodes = wanted;
      break;
    }
    case 'Retiring machine': {
      const machine = machinesIn(cluster).find(({ name }) => name === operation.retire);
      // Repeated after a restart, it has gone.
      if (machine === undefined) break;
      backend?.removeNode(cluster, machine.index, machine.gateway);
      const wanted = machine.gateway ? operation.gateways : operation.nodes;
      if (wanted === undefined) break;
      cluster.gaps = [...cluster.gaps, machine.name];
      if (machine.gateway) cluster.gateways = wanted;
      else cluster.nodes = wanted;
      break;
    }
    case 'Booting machine': {
      const machine = machinesIn(cluster).find(({ name }) => name === operation.retire);
      if (machine === undefined || size === undefined) break;
      backend?.seedNode(cluster, size, machine.index, machine.gateway);
      cluster.made = { ...cluster.made, [machine.name]: new Date().toISOString() };
      break;
    }
    default:
      break;
  }
}

/** The numbers of a pool's machines, the first `count` that are not left out. */
function numbersOf(cluster: ClusterRecord, count: number, gateway: boolean): number[] {
  const numbers: number[] = [];
  for (let index = 0; numbers.length < count; index += 1) {
    if (!cluster.gaps.includes(nodeName(cluster, index, gateway))) numbers.push(index);
  }
  return numbers;
}

/** The machines of a cluster. */
export function machinesIn(
  cluster: ClusterRecord,
): { name: string; index: number; gateway: boolean; createdAt: string }[] {
  const ofPool = (count: number, gateway: boolean) =>
    numbersOf(cluster, count, gateway).map((index) => {
      const name = nodeName(cluster, index, gateway);
      return { name, index, gateway, createdAt: cluster.made[name] ?? cluster.createdAt };
    });
  return [...ofPool(cluster.nodes, false), ...ofPool(cluster.gateways, true)];
}
