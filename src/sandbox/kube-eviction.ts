import { type Json, type JsonObject, numberAt, objectAt, objectsAt, textAt, textsAt } from './json.ts';
import { matchesLabels } from './kube-selectors.ts';
import { StatusError } from './kube-status.ts';
import type { ObjectStore } from './kube-store.ts';

/** What a disruption budget amounts to at a moment; the fields of its status. */
export type BudgetCounts = {
  expectedPods: number;
  desiredHealthy: number;
  currentHealthy: number;
  disruptionsAllowed: number;
};

function isReady(pod: JsonObject): boolean {
  return objectsAt(pod, 'status', 'conditions').some(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  );
}

function isEnding(pod: JsonObject): boolean {
  return textAt(pod, 'metadata', 'deletionTimestamp') !== undefined;
}

/** A number or a percentage (rounded up) of a total. */
function amount(value: Json | undefined, total: number): number {
  if (typeof value === 'string' && value.endsWith('%')) return Math.ceil((Number(value.slice(0, -1)) / 100) * total);
  return Number(value ?? 0);
}

/** Whether a budget's selector covers a pod; an empty selector covers all, a missing one none. */
export function covers(budget: JsonObject, pod: JsonObject): boolean {
  const selector = objectAt(budget, 'spec').selector;
  if (selector === undefined || selector === null) return false;
  return matchesLabels(objectAt(budget, 'spec', 'selector'), textsAt(pod, 'metadata', 'labels'));
}

/**
 * Counts a budget over the pods that it covers. `replicasOf` tells how many pods a controlling object wants, by kind
 * and uid, or undefined when it is not known; the pods themselves are counted then.
 */
export function countBudget(
  budget: JsonObject,
  pods: readonly JsonObject[],
  replicasOf: (kind: string, name: string) => number | undefined,
): BudgetCounts {
  const covered = pods.filter((pod) => covers(budget, pod));
  const owners = new Map<string, number>();
  let single = 0;
  for (const pod of covered) {
    const owner = objectsAt(pod, 'metadata', 'ownerReferences').find((entry) => entry.controller === true);
    const kind = textAt(owner, 'kind') ?? '';
    const name = textAt(owner, 'name') ?? '';
    const wanted = owner === undefined ? undefined : replicasOf(kind, name);
    if (wanted === undefined) single += 1;
    else owners.set(`${kind}/${name}`, wanted);
  }
  const expectedPods = [...owners.values()].reduce((sum, wanted) => sum + wanted, single);
  const currentHealthy = covered.filter((pod) => isReady(pod) && !isEnding(pod)).length;
  const spec = objectAt(budget, 'spec');
  const desiredHealthy = Math.max(
    0,
    spec.minAvailable === undefined || spec.minAvailable === null
      ? expectedPods - amount(spec.maxUnavailable, expectedPods)
      : amount(spec.minAvailable, expectedPods),
  );
  const disruptionsAllowed = expectedPods === 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  return { expectedPods, desiredHealthy, currentHealthy, disruptionsAllowed };
}

const WORKLOADS: Record<string, string> = { ReplicaSet: 'replicasets.apps', StatefulSet: 'statefulsets.apps' };

/** Throws what the eviction of a pod is refused with now: 429 for a budget, 500 when two budgets cover the pod. */
export function checkBudgets(store: ObjectStore, namespace: string, pod: JsonObject): void {
  const phase = textAt(pod, 'status', 'phase');
  if (phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || isEnding(pod)) return;
  const budgets = store.list('poddisruptionbudgets.policy', namespace).filter((budget) => covers(budget, pod));
  const [budget, second] = budgets;
  if (budget === undefined) return;
  if (second !== undefined) {
    const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw new StatusError(500, 'InternalError', message);
  }
  const counts = countBudget(budget, store.list('pods', namespace), (kind, name) => {
    const owner = store.get(WORKLOADS[kind] ?? '', namespace, name);
    return owner === undefined ? undefined : numberAt(owner, 'spec', 'replicas');
  });
  if (!isReady(pod)) {
    if (textAt(budget, 'spec', 'unhealthyPodEvictionPolicy') === 'AlwaysAllow') return;
    if (counts.currentHealthy >= counts.desiredHealthy && counts.desiredHealthy > 0) return;
  }
  if (counts.disruptionsAllowed > 0) return;
  const name = textAt(budget, 'metadata', 'name');
  const pods = counts.desiredHealthy === 1 ? 'pod' : 'pods';
  const why = `The disruption budget ${name} needs ${counts.desiredHealthy} healthy ${pods} and has ${counts.currentHealthy} currently`;
  throw new StatusError(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: 'DisruptionBudget', message: why, field: '' }],
  });
}
