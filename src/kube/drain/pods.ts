/** The pods of a node as a drain sees them: which it evicts, which it leaves alone, and which are lost with it. */
import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { Fault } from '../../core/errors.ts';
import { gatewayMark } from '../../core/ports/engine.ts';
import { eachObject } from '../client.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';

/** A node, in what matters for taking it out of service. */
export interface DrainNode {
  name: string;
  uid: string;
  /** No new pods are put on it. */
  cordoned: boolean;
  /** Status of its condition Ready; `Unknown` means that its kubelet is silent. */
  ready: 'True' | 'False' | 'Unknown';
  /** Since when `ready` has been so, epoch milliseconds; since it was made when it never said. */
  since: number;
  /** Why it is not ready, in the cluster's own words. */
  reason: string;
  /** When the Node object was made, epoch milliseconds. */
  madeAt: number;
  labels: Record<string, string>;
  /** What the provider calls its machine, as the cluster says. */
  providerId: string;
}

/** Labels by which providers and KQueen's own templates say which pool a node belongs to. */
const poolLabels = [
  'cloud.google.com/gke-nodepool',
  'kubernetes.azure.com/agentpool',
  'agentpool',
  'eks.amazonaws.com/nodegroup',
  gatewayMark.key,
];

/** The pool of a node, as its provider has labelled it, and by which label; undefined when nothing says so. */
export function poolOf(labels: Record<string, string>): { name: string; label: string } | undefined {
  for (const label of poolLabels) {
    const name = labels[label];
    if (name) return { name, label };
  }
  return undefined;
}

/** Whether it carries the control plane: draining it is possible, while removing it could take the cluster's data along. */
export function isControlPlane(labels: Record<string, string>): boolean {
  return 'node-role.kubernetes.io/control-plane' in labels || 'node-role.kubernetes.io/master' in labels;
}

/** A pod on a node, and what draining means for it. */
export interface DrainPod {
  namespace: string;
  name: string;
  uid: string;
  /** `evict`: it goes elsewhere or for good; `daemon` and `mirror` belong to the node and are left alone. */
  fate: 'evict' | 'daemon' | 'mirror';
  /** Its controller, as `StatefulSet db`; '' when it has none. */
  owner: string;
  /** It runs to its end no more: nothing is disturbed and nothing is lost. */
  finished: boolean;
  ready: boolean;
  /** Nothing makes it anew elsewhere. */
  unmanaged: boolean;
  /** Names of its emptyDir volumes on the node's disk or in its memory: their data end with it. */
  emptyDirs: string[];
  /** When it is to be gone at the latest by its own grace, epoch milliseconds; absent while nobody has deleted it. */
  endsAt?: number;
  /** What has to let go of it before it can be gone. */
  finalizers: string[];
  /** Its annotation `cluster-autoscaler.kubernetes.io/safe-to-evict`; absent when it says nothing. */
  safeToEvict?: boolean;
}

/** `namespace/name`. */
export function podName({ namespace, name }: Pick<DrainPod, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

/** What a drain reads in a node. */
export function drainNode(node: V1Node): DrainNode {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  const since = ready?.lastTransitionTime ?? node.metadata?.creationTimestamp;
  const status = ready?.status;
  return {
    name: node.metadata?.name ?? '',
    uid: node.metadata?.uid ?? '',
    cordoned: node.spec?.unschedulable === true,
    ready: status === 'True' || status === 'False' ? status : 'Unknown',
    since: since === undefined ? 0 : new Date(since).getTime(),
    reason: plain(ready?.message || ready?.reason || 'it has never said that it is ready', 160),
    madeAt: node.metadata?.creationTimestamp === undefined ? 0 : new Date(node.metadata.creationTimestamp).getTime(),
    labels: node.metadata?.labels ?? {},
    providerId: node.spec?.providerID ?? '',
  };
}

/**
 * The node of that name, or null when the cluster says that there is none. An address that knows neither the node nor any other is no
 * cluster any more: that is a Fault.
 */
export async function readNode(talk: Talk, name: string): Promise<DrainNode | null> {
  try {
    const node = await talk.raw({ method: 'GET', path: `/api/v1/nodes/${encodeURIComponent(name)}` });
    return drainNode(typedNode(node));
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'not-found')) throw thrown;
  }
  try {
    await talk.raw({ method: 'GET', path: '/api/v1/nodes?limit=1' });
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'not-found')) throw thrown;
    throw new Fault('not-found', "Nothing of the cluster answers at its API's address any more.", {
      whose: 'provider',
      retryable: true,
      next: 'Look with cluster check whether the cluster is still there.',
      cause: thrown,
    });
  }
  return null;
}

/** The nodes of the cluster, by name. */
export async function readNodes(talk: Talk): Promise<DrainNode[]> {
  const all: DrainNode[] = [];
  await eachObject(
    (page) => talk.client.core.listNode(page),
    (node) => {
      all.push(drainNode(node));
    },
  );
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A node's JSON in the shape of the typed API, as far as `drainNode` reads it: times are read from texts there as well. */
function typedNode(node: Record<string, unknown>): V1Node {
  return node as unknown as V1Node;
}

/** What draining its node means for a pod. */
function drainPod(pod: V1Pod): DrainPod {
  const { metadata, spec, status } = pod;
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
  const finished = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  const mirror = metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined;
  const safe = metadata?.annotations?.['cluster-autoscaler.kubernetes.io/safe-to-evict'];
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    fate: mirror ? 'mirror' : owner?.kind === 'DaemonSet' ? 'daemon' : 'evict',
    owner: owner ? `${owner.kind} ${owner.name}` : '',
    finished,
    ready: status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True',
    unmanaged: owner === undefined && !finished && !mirror,
    emptyDirs: finished
      ? []
      : (spec?.volumes ?? []).filter(({ emptyDir }) => emptyDir !== undefined).map(({ name }) => name),
    finalizers: metadata?.finalizers ?? [],
    ...(metadata?.deletionTimestamp === undefined ? {} : { endsAt: new Date(metadata.deletionTimestamp).getTime() }),
    ...(safe === undefined ? {} : { safeToEvict: safe === 'true' }),
  };
}

/** The pods that are bound to a node. */
export async function podsOn(talk: Talk, node: string): Promise<DrainPod[]> {
  const all: DrainPod[] = [];
  await eachObject(
    (page) => talk.client.core.listPodForAllNamespaces({ ...page, fieldSelector: `spec.nodeName=${node}` }),
    (pod) => {
      all.push(drainPod(pod));
    },
  );
  return all.sort((a, b) => (podName(a) < podName(b) ? -1 : 1));
}
