/**
 * Whether pods would fit onto nodes, by what the scheduler filters on: room, node selector, required node affinity, taints. Rules between pods and
 * volumes are not computed here. Pure.
 */
import type { V1NodeSelectorTerm, V1Taint, V1Toleration } from '@kubernetes/client-node';
import type { Amounts } from '../../core/ports/kube.ts';
import type { NodeShape, PodShape } from './shapes.ts';

/** A node with what is still free on it. */
export interface Space {
  node: NodeShape;
  free: Amounts;
  others: Record<string, number>;
}

/** What is free on a node beside the pods that are on it. */
export function spaceOf(node: NodeShape, pods: readonly PodShape[]): Space {
  const space: Space = { node, free: { ...node.allocatable }, others: { ...node.others } };
  for (const pod of pods) take(space, pod);
  return space;
}

/** The same node with the pod on it. */
export function take(space: Space, pod: PodShape): void {
  space.free = {
    cpu: Math.round((space.free.cpu - pod.requests.cpu) * 1e6) / 1e6,
    memory: space.free.memory - pod.requests.memory,
    pods: space.free.pods - 1,
  };
  for (const [name, amount] of Object.entries(pod.others)) space.others[name] = (space.others[name] ?? 0) - amount;
}

/** Why the pod does not fit onto the node, in words that follow "it"; null when it fits. */
export function whyNot(pod: PodShape, { node, free, others }: Space): string | null {
  if (!selects(pod, node)) return 'asks for a node with other labels';
  const taint = node.taints.find((each) => bars(each) && !pod.tolerations.some((one) => tolerates(one, each)));
  if (taint) return `does not tolerate ${taint.key}`;
  if (pod.requests.cpu > free.cpu) return 'asks for more CPU than there is room for';
  if (pod.requests.memory > free.memory) return 'asks for more memory than there is room for';
  if (free.pods < 1) return 'finds no room for one more pod';
  const lacking = Object.entries(pod.others).find(([name, amount]) => amount > 0 && amount > (others[name] ?? 0));
  return lacking ? `asks for more ${lacking[0]} than there is` : null;
}

/** Puts the pods into the spaces, the largest first, each where the least is left over; those that fit nowhere are returned. The spaces are used up. */
export function place(pods: readonly PodShape[], spaces: readonly Space[]): PodShape[] {
  return largestFirst(pods).filter((pod) => {
    const fitting = spaces.filter((space) => whyNot(pod, space) === null);
    const [best] = fitting.sort((a, b) => a.free.cpu - b.free.cpu || a.free.memory - b.free.memory);
    if (best) take(best, pod);
    return best === undefined;
  });
}

/** How many nodes like the template the pods need, each of which fits onto an empty one; at most `most`. */
export function nodesFor(pods: readonly PodShape[], template: () => Space, most: number): number {
  const open: Space[] = [];
  for (const pod of largestFirst(pods)) {
    const there = open.find((space) => whyNot(pod, space) === null);
    if (there) take(there, pod);
    else {
      if (open.length >= most) return most;
      const fresh = template();
      take(fresh, pod);
      open.push(fresh);
    }
  }
  return open.length;
}

function largestFirst(pods: readonly PodShape[]): PodShape[] {
  return pods.toSorted(
    (a, b) => b.priority - a.priority || b.requests.cpu - a.requests.cpu || b.requests.memory - a.requests.memory,
  );
}

function bars({ effect }: V1Taint): boolean {
  return effect === 'NoSchedule' || effect === 'NoExecute';
}

/** As the scheduler reads a toleration (kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration). */
export function tolerates(toleration: V1Toleration, taint: V1Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (!toleration.key) return toleration.operator === 'Exists';
  if (toleration.key !== taint.key) return false;
  return toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '');
}

function selects(pod: PodShape, node: NodeShape): boolean {
  const wanted = Object.entries(pod.nodeSelector).every(([key, value]) => node.labels[key] === value);
  return wanted && (pod.terms.length === 0 || pod.terms.some((term) => matches(term, node)));
}

/** Whether a node is one of those that a node selector term means; a term without any condition means none. */
export function matches(term: V1NodeSelectorTerm, node: NodeShape): boolean {
  const byLabel = term.matchExpressions ?? [];
  const byField = term.matchFields ?? [];
  if (byLabel.length + byField.length === 0) return false;
  return (
    byLabel.every((each) => holds(each, node.labels[each.key])) &&
    byField.every((each) => each.key === 'metadata.name' && holds(each, node.name))
  );
}

function holds({ operator, values = [] }: { operator: string; values?: string[] }, has: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return has !== undefined && values.includes(has);
    case 'NotIn':
      return has === undefined || !values.includes(has);
    case 'Exists':
      return has !== undefined;
    case 'DoesNotExist':
      return has === undefined;
    case 'Gt':
      return has !== undefined && Number(has) > Number(values[0]);
    case 'Lt':
      return has !== undefined && Number(has) < Number(values[0]);
    default:
      // An operator of a later Kubernetes: what is not understood must not be taken for a match.
      return false;
  }
}
