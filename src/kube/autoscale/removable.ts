/** Whether a node can be emptied and removed without taking anything away, by the rules of the cluster autoscaler of Kubernetes. */

import type { V1NodeSelectorTerm } from '@kubernetes/client-node';
import { Fault } from '../../core/errors.ts';
import { isObject, listAt, objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import { eachListed, listPath } from '../views/pages.ts';
import { matches, place, type Space } from './fit.ts';
import type { NodeShape, PodShape } from './shapes.ts';
import type { VolumeNeeds } from './volumes.ts';

/** A PodDisruptionBudget as far as it matters here. */
export interface Budget {
  namespace: string;
  name: string;
  allowed: number;
  matchLabels: Record<string, string>;
  expressions: { key: string; operator: string; values: string[] }[];
}

/** Every budget; none where the cluster does not have them. */
export async function readBudgets(talk: Talk): Promise<Budget[]> {
  const all: Budget[] = [];
  try {
    await eachListed(talk, listPath('policy/v1', 'poddisruptionbudgets', ''), (object) => {
      const { name, namespace } = objectAt(object, 'metadata');
      const labels = Object.entries(objectAt(object, 'spec', 'selector', 'matchLabels'));
      all.push({
        ...{ name: String(name), namespace: String(namespace) },
        allowed: Number(objectAt(object, 'status').disruptionsAllowed ?? 0),
        matchLabels: Object.fromEntries(labels.map(([key, value]) => [key, String(value)])),
        expressions: listAt(object, 'spec', 'selector', 'matchExpressions')
          .filter(isObject)
          .map((each) => ({
            key: String(each.key),
            operator: String(each.operator),
            values: listAt(each, 'values').map(String),
          })),
      });
    });
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'not-found')) throw thrown;
  }
  return all;
}

function covers(budget: Budget, pod: PodShape): boolean {
  if (budget.namespace !== pod.namespace) return false;
  const labels = Object.entries(budget.matchLabels).every(([key, value]) => pod.labels[key] === value);
  return labels && budget.expressions.every(({ key, operator, values }) => holds(pod.labels[key], operator, values));
}

function holds(has: string | undefined, operator: string, values: readonly string[]): boolean {
  if (operator === 'In') return has !== undefined && values.includes(has);
  if (operator === 'NotIn') return has === undefined || !values.includes(has);
  return operator === 'Exists' ? has !== undefined : has === undefined;
}

/** A pod of the node that would have to live elsewhere; those of the node itself (DaemonSets, the kubelet's own) go with it. */
export function moves({ controller, mirror }: PodShape): boolean {
  return controller !== 'DaemonSet' && !mirror;
}

/** Why one pod keeps its node, in words that follow the node's name; null when it may go. */
function keeps(pod: PodShape, budgets: readonly Budget[], volumes: VolumeNeeds): string | null {
  const name = `${pod.namespace}/${pod.name}`;
  if (pod.safeToEvict === 'false') return `has ${name}, which is marked as not safe to evict`;
  const own = budgets.filter((budget) => covers(budget, pod));
  const closed = own.find(({ allowed }) => allowed < 1);
  if (closed) return `has ${name}, which PodDisruptionBudget ${closed.name} does not let go`;
  if ('never' in volumes) return `has ${name}, and ${volumes.never}`;
  if (pod.between) return `has ${name}, whose rules towards other pods KQueen does not compute`;
  if (pod.safeToEvict === 'true') return null;
  if (pod.controller === '') return `has ${name}, which nothing would make again`;
  if (pod.local) return `has ${name}, which keeps data on the node`;
  if (pod.namespace === 'kube-system' && own.length === 0)
    return `has ${name} of kube-system, which no PodDisruptionBudget covers`;
  return null;
}

/**
 * Why the node stays, in words that follow its name; null when everything on it would find room on the others. `others` is made anew for each node:
 * trying uses it up.
 */
export function whyKept(
  node: NodeShape,
  pods: readonly PodShape[],
  known: { budgets: readonly Budget[]; volumes: ReadonlyMap<PodShape, VolumeNeeds>; others: Space[] },
): string | null {
  if (node.keep) return 'is marked as not to be removed';
  const moving = pods.filter(moves);
  for (const pod of moving) {
    const why = keeps(pod, known.budgets, known.volumes.get(pod) ?? { terms: [] });
    if (why !== null) return why;
  }
  const termsOf = (pod: PodShape): V1NodeSelectorTerm[][] => {
    const needs = known.volumes.get(pod);
    return needs && 'terms' in needs ? needs.terms : [];
  };
  // What is bound to places by its volumes is put first, onto nodes that they reach.
  const bound = moving.filter((pod) => termsOf(pod).length > 0);
  const reach = (pod: PodShape) =>
    known.others.filter(({ node: other }) => termsOf(pod).every((any) => any.some((term) => matches(term, other))));
  const left = [
    ...bound.filter((pod) => place([pod], reach(pod)).length > 0),
    ...place(
      moving.filter((pod) => !bound.includes(pod)),
      known.others,
    ),
  ];
  const [first] = left;
  if (!first) return null;
  const more = left.length > 1 ? ` and ${left.length - 1} more` : '';
  return `has ${first.namespace}/${first.name}${more}, which would find no room on the other nodes`;
}
