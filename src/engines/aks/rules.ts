import { gatewayMark } from '../../core/ports/engine.ts';
import { overlap, type Range, readAddress, readCidr, writeAddress } from './cidr.ts';

/** The fields that the rules are about; the schema's own type would make the two files depend on each other. */
interface Wanted {
  nodes: number;
  autoscaleMin?: number | undefined;
  autoscaleMax?: number | undefined;
  userNodes: number;
  userSize?: string | undefined;
  userAutoscaleMin?: number | undefined;
  userAutoscaleMax?: number | undefined;
  networkPlugin: string;
  networkPolicy: string;
  podCidr?: string | undefined;
  serviceCidr?: string | undefined;
  dnsServiceIp?: string | undefined;
  sshKey?: string | undefined;
  adminUsername?: string | undefined;
  systemPool: string;
  userPool: string;
  gateways?: number | undefined;
}

interface Problem {
  field: string;
  message: string;
}

const defaultPods = '10.244.0.0/16';
const defaultServices = '10.0.0.0/16';

/** Ranges that AKS keeps for itself (https://learn.microsoft.com/azure/aks/configure-kubenet and azure-cni-overlay). */
const reserved = ['169.254.0.0/16', '172.30.0.0/16', '172.31.0.0/16', '192.0.2.0/24'];

/** What is wrong with a cluster's fields taken together, each with the field to change. */
export function clusterProblems(spec: Wanted): Problem[] {
  return [
    ...autoscaleProblems('nodes', 'autoscaleMin', 'autoscaleMax', spec.nodes, spec.autoscaleMin, spec.autoscaleMax),
    ...autoscaleProblems(
      'userNodes',
      'userAutoscaleMin',
      'userAutoscaleMax',
      spec.userNodes,
      spec.userAutoscaleMin,
      spec.userAutoscaleMax,
    ),
    ...poolProblems(spec),
    ...policyProblems(spec),
    ...addressProblems(spec),
  ];
}

/** Whether the spec has a second pool. */
export function hasUserPool(spec: { userNodes: number; userAutoscaleMax?: number | undefined }): boolean {
  return spec.userNodes > 0 || spec.userAutoscaleMax !== undefined;
}

function autoscaleProblems(
  nodesKey: string,
  minKey: string,
  maxKey: string,
  nodes: number,
  min: number | undefined,
  max: number | undefined,
): Problem[] {
  if (min === undefined && max === undefined) return [];
  if (min === undefined) return [{ field: minKey, message: 'Give the fewest nodes, too, or leave both empty.' }];
  if (max === undefined) return [{ field: maxKey, message: 'Give the most nodes, too, or leave both empty.' }];
  if (min > max) return [{ field: maxKey, message: `The most nodes (${max}) are fewer than the fewest (${min}).` }];
  if (nodes < min || nodes > max) {
    return [{ field: nodesKey, message: `Begin with ${min} to ${max} nodes, as the autoscaler may.` }];
  }
  return [];
}

function poolProblems(spec: Wanted): Problem[] {
  const problems: Problem[] = [];
  if (spec.systemPool === spec.userPool) {
    problems.push({ field: 'userPool', message: 'The two node pools need two names.' });
  }
  if (spec.gateways) {
    for (const field of ['systemPool', 'userPool'] as const) {
      if (spec[field] !== gatewayMark.value) continue;
      problems.push({ field, message: `${gatewayMark.value} is the name of the pool of gateway nodes.` });
    }
  }
  if (spec.userSize !== undefined && !hasUserPool(spec)) {
    problems.push({
      field: 'userNodes',
      message: 'A machine size of the user pool needs nodes in it: give their number.',
    });
  }
  if (spec.adminUsername !== undefined && spec.sshKey === undefined) {
    problems.push({ field: 'sshKey', message: 'An SSH user needs an SSH public key.' });
  }
  return problems;
}

function policyProblems({ networkPlugin, networkPolicy }: Wanted): Problem[] {
  if (networkPolicy === 'none') return [];
  const refuse = (message: string) => [{ field: 'networkPolicy', message }];
  if (networkPlugin === 'none') return refuse('Without a network plugin Azure installs no network policy.');
  if (networkPlugin === 'kubenet' && networkPolicy !== 'calico') return refuse('kubenet works with calico only.');
  if (networkPlugin === 'azure' && networkPolicy === 'cilium') return refuse('cilium needs the plugin azure-overlay.');
  return [];
}

function addressProblems(spec: Wanted): Problem[] {
  const problems: Problem[] = [];
  const refuse = (field: string, message: string) => problems.push({ field, message });
  const pods = readCidr(spec.podCidr ?? defaultPods);
  const services = readCidr(spec.serviceCidr ?? defaultServices);
  if (spec.podCidr !== undefined && (spec.networkPlugin === 'azure' || spec.networkPlugin === 'none')) {
    refuse('podCidr', 'Only azure-overlay and kubenet have a range for pods.');
  } else if (!pods) {
    refuse('podCidr', 'Write a range such as 10.244.0.0/16, its address without bits beyond the prefix.');
  } else if (isReserved(pods)) {
    refuse('podCidr', `AKS keeps ${reserved.join(', ')} for itself.`);
  } else if (!roomFor(spec, pods)) {
    refuse('podCidr', 'Every node takes 256 addresses: this range is too small for so many nodes.');
  }
  if (!services) {
    refuse('serviceCidr', 'Write a range such as 10.0.0.0/16, its address without bits beyond the prefix.');
  } else if (services.prefix < 12 || services.prefix > 28) {
    refuse('serviceCidr', 'The service range has a prefix of /12 to /28.');
  } else if (isReserved(services)) {
    refuse('serviceCidr', `AKS keeps ${reserved.join(', ')} for itself.`);
  } else {
    if (pods && hasPodRange(spec) && overlap(pods, services)) {
      const of = spec.serviceCidr === undefined ? 'podCidr' : 'serviceCidr';
      refuse(
        of,
        `${spec.podCidr ?? defaultPods} for pods and ${spec.serviceCidr ?? defaultServices} for services overlap.`,
      );
    }
    problems.push(...dnsProblems(spec.dnsServiceIp, services));
  }
  return problems;
}

function dnsProblems(text: string | undefined, services: Range): Problem[] {
  if (text === undefined) return [];
  const address = readAddress(text);
  const message =
    address === null
      ? 'Write an address such as 10.0.0.10.'
      : address < services.first || address > services.last
        ? 'This address is not in the service range.'
        : // The first one names the range and the second one is that of the Kubernetes API within the cluster.
          address < services.first + 2 || address === services.last
          ? `Use another address: ${writeAddress(services.first + 1)} is the API's, and the first and last cannot be used.`
          : null;
  return message ? [{ field: 'dnsServiceIp', message }] : [];
}

/** The address of the DNS service that goes with a service range where none is given: Azure's own default fits its default range only. */
export function dnsAddressOf(serviceCidr: string): string {
  return writeAddress((readCidr(serviceCidr)?.first ?? 0) + 10);
}

function hasPodRange(spec: Wanted): boolean {
  return spec.networkPlugin === 'azure-overlay' || spec.networkPlugin === 'kubenet';
}

function roomFor(spec: Wanted, pods: Range): boolean {
  if (!hasPodRange(spec)) return true;
  const most =
    Math.max(spec.nodes, spec.autoscaleMax ?? 0) +
    Math.max(spec.userNodes, spec.userAutoscaleMax ?? 0) +
    (spec.gateways ?? 0);
  return pods.prefix <= 24 && 2 ** (24 - pods.prefix) >= most;
}

function isReserved(range: Range): boolean {
  return reserved.some((text) => {
    const each = readCidr(text);
    return each !== null && overlap(each, range);
  });
}
