import { type JsonObject, listAt, objectAt, objectsAt, textAt, textsAt } from './json.ts';

/** Whether a requirement of a node selector term holds for some labels (or fields). */
function holds(requirement: JsonObject, values: Record<string, string>): boolean {
  const key = textAt(requirement, 'key') ?? '';
  const wanted = listAt(requirement, 'values').map(String);
  const value = values[key];
  switch (textAt(requirement, 'operator')) {
    case 'In':
      return value !== undefined && wanted.includes(value);
    case 'NotIn':
      return value === undefined || !wanted.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return Number(value) > Number(wanted[0]);
    case 'Lt':
      return Number(value) < Number(wanted[0]);
    default:
      return false;
  }
}

/** Whether a pod's node selector and required node affinity let it onto a node. */
export function matchesNode(pod: JsonObject, node: JsonObject): boolean {
  const labels = textsAt(node, 'metadata', 'labels');
  const selector = Object.entries(textsAt(pod, 'spec', 'nodeSelector'));
  if (!selector.every(([key, value]) => labels[key] === value)) return false;
  const affinity = objectAt(pod, 'spec', 'affinity', 'nodeAffinity');
  const required = objectAt(affinity, 'requiredDuringSchedulingIgnoredDuringExecution');
  const terms = objectsAt(required, 'nodeSelectorTerms');
  if (terms.length === 0) return true;
  const fields = { 'metadata.name': textAt(node, 'metadata', 'name') ?? '' };
  return terms.some(
    (term) =>
      objectsAt(term, 'matchExpressions').every((entry) => holds(entry, labels)) &&
      objectsAt(term, 'matchFields').every((entry) => holds(entry, fields)),
  );
}

/** Whether a toleration of a pod covers a taint. */
export function tolerates(pod: JsonObject, taint: JsonObject): JsonObject | undefined {
  return objectsAt(pod, 'spec', 'tolerations').find(
    (entry) =>
      ((entry.key ?? '') === '' || entry.key === taint.key) &&
      ((entry.effect ?? '') === '' || entry.effect === taint.effect) &&
      (entry.operator === 'Exists' || (entry.value ?? '') === (taint.value ?? '')),
  );
}

/** The first taint of a node that keeps a pod off; `running` counts only those that would also end it there. */
export function untolerated(pod: JsonObject, node: JsonObject, running = false): JsonObject | undefined {
  return objectsAt(node, 'spec', 'taints').find((taint) => {
    if (taint.effect === 'PreferNoSchedule') return false;
    if (running && taint.effect === 'NoSchedule' && String(taint.key).startsWith('node.kubernetes.io/')) return false;
    return tolerates(pod, taint) === undefined;
  });
}
