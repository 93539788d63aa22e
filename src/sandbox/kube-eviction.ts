import { type Json, type JsonObject, objectAt, objectsAt, textAt, textsAt } from './json.ts';
import { matchesLabels } from './kube-selectors.ts';
import type { ObjectStore } from './kube-store.ts';

function isReady(pod: JsonObject): boolean {
  return objectsAt(pod, 'status', 'conditions').some(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  );
}

/** Why a pod may not be evicted now, or undefined when it may. */
export function budgetAgainst(store: ObjectStore, namespace: string, pod: JsonObject): string | undefined {
  if (!isReady(pod)) return undefined;
  for (const budget of store.list('poddisruptionbudgets.policy', namespace)) {
    const selector = objectAt(budget, 'spec', 'selector');
    const covers = (object: JsonObject): boolean => matchesLabels(selector, textsAt(object, 'metadata', 'labels'));
    if (!covers(pod)) continue;
    const covered = store.list('pods', namespace).filter(covers);
    const healthy = covered.filter(
      (other) => isReady(other) && textAt(other, 'metadata', 'deletionTimestamp') === undefined,
    );
    const spec = objectAt(budget, 'spec');
    const wanted =
      spec.minAvailable === undefined
        ? covered.length - amount(spec.maxUnavailable, covered.length)
        : amount(spec.minAvailable, covered.length);
    if (healthy.length - 1 >= wanted) continue;
    const name = textAt(budget, 'metadata', 'name');
    return `The disruption budget ${name} needs ${wanted} healthy pods and has ${healthy.length} currently`;
  }
  return undefined;
}

/** A number or a percentage (rounded up) of a total. */
function amount(value: Json | undefined, total: number): number {
  if (typeof value === 'string' && value.endsWith('%')) return Math.ceil((Number(value.slice(0, -1)) / 100) * total);
  return Number(value ?? 0);
}
