/** Pods and nodes as far as it matters for where a pod can run: small enough to keep thousands of them. */
import type { V1Affinity, V1Node, V1NodeSelectorTerm, V1Pod, V1Taint, V1Toleration } from '@kubernetes/client-node';
import type { Amounts } from '../../core/ports/kube.ts';
import { parseQuantity } from '../../core/units.ts';
import { podRequests, readAmounts } from '../amounts.ts';

/** A pod that the scheduler has placed, or has to place. */
export interface PodShape {
  namespace: string;
  name: string;
  /** '' while it has none. */
  node: string;
  requests: Amounts;
  /** Of other resources, such as `nvidia.com/gpu`. */
  others: Record<string, number>;
  nodeSelector: Record<string, string>;
  /** Required node affinity: one of these has to match; empty: any node. */
  terms: V1NodeSelectorTerm[];
  tolerations: V1Toleration[];
  /** Names of its volume claims. */
  claims: string[];
  /** Rules between pods that are not computed here: required pod (anti-)affinity and spreading that must hold. */
  between: boolean;
  /** What has made it, such as `ReplicaSet`; '' when nothing would make it again. */
  controller: string;
  /** It is the kubelet's own and goes with its node. */
  mirror: boolean;
  /** It writes into its node, which is lost with it. */
  local: boolean;
  labels: Record<string, string>;
  /** The annotation `cluster-autoscaler.kubernetes.io/safe-to-evict`, or ''. */
  safeToEvict: string;
  priority: number;
  /** Since when the scheduler says that it fits nowhere, epoch milliseconds; absent: it does not say so. */
  unschedulableSince?: number;
  /** What the scheduler says, cleaned by who shows it. */
  why: string;
}

/** A node as the scheduler sees it. */
export interface NodeShape {
  name: string;
  labels: Record<string, string>;
  taints: V1Taint[];
  cordoned: boolean;
  ready: boolean;
  allocatable: Amounts;
  others: Record<string, number>;
  /** When it joined, epoch milliseconds; 0 when it is not known. */
  since: number;
  /** The annotation that keeps it from being removed is set. */
  keep: boolean;
}

/** As the cluster autoscaler of Kubernetes reads them, so that what people have marked counts here as well. */
const marks = {
  safe: 'cluster-autoscaler.kubernetes.io/safe-to-evict',
  keepNode: 'cluster-autoscaler.kubernetes.io/scale-down-disabled',
  mirror: 'kubernetes.io/config.mirror',
};

/** The pod's shape; null for one that has ended, or is ending: it asks for nothing any more. */
export function shapeOfPod(pod: V1Pod): PodShape | null {
  const { metadata, spec, status } = pod;
  if (!spec || status?.phase === 'Succeeded' || status?.phase === 'Failed') return null;
  if (metadata?.deletionTimestamp && !spec.nodeName) return null;
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  const waits = !spec.nodeName && scheduled?.status === 'False' && scheduled.reason === 'Unschedulable';
  const since = scheduled?.lastTransitionTime ?? metadata?.creationTimestamp;
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    node: spec.nodeName ?? '',
    requests: podRequests(pod),
    others: othersOf(pod),
    nodeSelector: spec.nodeSelector ?? {},
    terms: spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [],
    tolerations: spec.tolerations ?? [],
    claims: (spec.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
      if (persistentVolumeClaim) return [persistentVolumeClaim.claimName];
      return ephemeral ? [`${metadata?.name ?? ''}-${name}`] : [];
    }),
    between: hasRulesBetween(spec.affinity) || (spec.topologySpreadConstraints ?? []).some(isHard),
    controller: metadata?.ownerReferences?.find(({ controller }) => controller)?.kind ?? '',
    mirror: metadata?.annotations?.[marks.mirror] !== undefined,
    local: (spec.volumes ?? []).some(
      ({ emptyDir, hostPath }) => (emptyDir && emptyDir.medium !== 'Memory') || hostPath,
    ),
    labels: metadata?.labels ?? {},
    safeToEvict: metadata?.annotations?.[marks.safe] ?? '',
    priority: spec.priority ?? 0,
    ...(waits && since ? { unschedulableSince: new Date(since).getTime() } : {}),
    why: scheduled?.message ?? '',
  };
}

function hasRulesBetween(affinity: V1Affinity | undefined): boolean {
  const required = [
    affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
    affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
  ];
  return required.some((rules) => (rules ?? []).length > 0);
}

function isHard({ whenUnsatisfiable }: { whenUnsatisfiable: string }): boolean {
  return whenUnsatisfiable === 'DoNotSchedule';
}

/** Requests of resources that only some nodes have; containers together, as the scheduler counts extended resources. */
function othersOf({ spec }: V1Pod): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { resources } of spec?.containers ?? []) {
    for (const [name, amount] of Object.entries({ ...resources?.limits, ...resources?.requests })) {
      if (name === 'cpu' || name === 'memory') continue;
      sum[name] = (sum[name] ?? 0) + (parseQuantity(String(amount)) ?? 0);
    }
  }
  return sum;
}

/** The node's shape. */
export function shapeOfNode(node: V1Node): NodeShape {
  const { metadata, spec, status } = node;
  const allocatable = status?.allocatable ?? {};
  const others = Object.entries(allocatable).filter(([name]) => !['cpu', 'memory', 'pods'].includes(name));
  return {
    name: metadata?.name ?? '',
    labels: metadata?.labels ?? {},
    taints: spec?.taints ?? [],
    cordoned: spec?.unschedulable === true,
    ready: status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    allocatable: readAmounts(allocatable),
    others: Object.fromEntries(others.map(([name, amount]) => [name, parseQuantity(String(amount)) ?? 0])),
    since: metadata?.creationTimestamp ? new Date(metadata.creationTimestamp).getTime() : 0,
    keep: metadata?.annotations?.[marks.keepNode] === 'true',
  };
}
