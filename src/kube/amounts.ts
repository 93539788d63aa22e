import type { V1Pod, V1ResourceRequirements } from '@kubernetes/client-node';
import type { Amounts } from '../core/ports/kube.ts';
import { parseQuantity } from '../core/units.ts';

/** A capacity, allocatable or request map of the API in base units; what is missing or unreadable counts as nothing. */
export function readAmounts(quantities: Record<string, string> | undefined): Amounts {
  const read = (name: string) =>
    quantities?.[name] === undefined ? 0 : (parseQuantity(String(quantities[name])) ?? 0);
  // 1900m is 1.9000000000000001 in binary.
  return { cpu: Math.round(read('cpu') * 1e6) / 1e6, memory: read('memory'), pods: read('pods') };
}

/**
 * What a pod holds of its node, as the scheduler counts it: the containers together or the largest init container, whichever is more,
 * with restartable init containers counted like containers, and the overhead of its runtime class
 * (https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers).
 */
export function podRequests(pod: V1Pod): Amounts {
  let running = { cpu: 0, memory: 0 };
  let starting = { cpu: 0, memory: 0 };
  let sidecars = { cpu: 0, memory: 0 };
  for (const container of pod.spec?.initContainers ?? []) {
    const own = requestsOf(container.resources);
    if (container.restartPolicy === 'Always') sidecars = plus(sidecars, own);
    starting = most(starting, container.restartPolicy === 'Always' ? sidecars : plus(sidecars, own));
  }
  for (const container of pod.spec?.containers ?? []) running = plus(running, requestsOf(container.resources));
  const total = plus(most(plus(running, sidecars), starting), readAmounts(pod.spec?.overhead));
  // Sums of decimal fractions end in 0.30000000000000004.
  return { cpu: Math.round(total.cpu * 1e6) / 1e6, memory: Math.round(total.memory), pods: 1 };
}

type Pair = { cpu: number; memory: number };

function requestsOf(resources: V1ResourceRequirements | undefined): Pair {
  // A limit without a request is the request: the API server fills it in, but not every server that speaks the API does.
  return readAmounts({ ...resources?.limits, ...resources?.requests });
}

function plus(a: Pair, b: Pair): Pair {
  return { cpu: a.cpu + b.cpu, memory: a.memory + b.memory };
}

function most(a: Pair, b: Pair): Pair {
  return { cpu: Math.max(a.cpu, b.cpu), memory: Math.max(a.memory, b.memory) };
}

/** The sum of two amounts, free of binary fractions. */
export function addAmounts(a: Amounts, b: Amounts): Amounts {
  return {
    cpu: Math.round((a.cpu + b.cpu) * 1e6) / 1e6,
    memory: a.memory + b.memory,
    pods: a.pods + b.pods,
  };
}
