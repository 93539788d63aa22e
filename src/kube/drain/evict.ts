/** Single changes of a drain: a node closed for new pods or opened again, a pod evicted, a node removed. Each is safe to repeat. */
import { Fault } from '../../core/errors.ts';
import { isObject, listAt, objectAt } from '../apply/manifests.ts';
import { inParallel } from '../apply/set.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { type DrainPod, podName } from './pods.ts';

/** Closes a node for new pods, or opens it again. False when there is no such node. */
export async function setCordon(talk: Talk, node: string, on: boolean): Promise<boolean> {
  try {
    await talk.raw({
      method: 'PATCH',
      path: `/api/v1/nodes/${encodeURIComponent(node)}?fieldManager=kqueen`,
      contentType: 'application/merge-patch+json',
      body: { spec: { unschedulable: on ? true : null } },
    });
    return true;
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'not-found') return false;
    throw thrown;
  }
}

/** What became of an attempt to evict a pod. */
export type Eviction =
  /** It is ending, or was gone already. */
  | { pod: DrainPod; is: 'going' }
  /** A disruption budget does not allow it now; `why` has its name and numbers. */
  | { pod: DrainPod; is: 'blocked'; why: string; budget: string }
  /** It cannot be asked for now, for a reason that passes. */
  | { pod: DrainPod; is: 'later'; why: string };

/** How many evictions are asked for at once. */
const width = 4;

/** Asks for the eviction of these pods; with `dryRun` only whether it would be granted. What is neither granted nor refused for now is thrown. */
export async function evict(talk: Talk, pods: readonly DrainPod[], dryRun = false): Promise<Eviction[]> {
  return inParallel(pods, width, (pod) => evictOne(talk, pod, dryRun));
}

async function evictOne(talk: Talk, pod: DrainPod, dryRun: boolean): Promise<Eviction> {
  const place = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}`;
  // The uid keeps a new pod of the same name, as a StatefulSet makes it, from being evicted for the old one.
  const deleteOptions = { preconditions: { uid: pod.uid }, ...(dryRun ? { dryRun: ['All'] } : {}) };
  const ask = (apiVersion: string) =>
    talk.raw({
      method: 'POST',
      path: `${place}/eviction${dryRun ? '?dryRun=All' : ''}`,
      body: {
        ...{ apiVersion, kind: 'Eviction', metadata: { name: pod.name, namespace: pod.namespace } },
        deleteOptions,
      },
    });
  try {
    try {
      await ask('policy/v1');
    } catch (thrown) {
      // Servers before 1.22 know evictions by their older name alone.
      const old = thrown instanceof Fault && thrown.kind === 'bad-input' && /policy\/v1\b/.test(thrown.message);
      if (!old) throw thrown;
      await ask('policy/v1beta1');
    }
    return { pod, is: 'going' };
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    // Gone, or another one has its name.
    if (thrown.kind === 'not-found' || thrown.kind === 'conflict') return { pod, is: 'going' };
    const refused = refusalIn(thrown);
    if (refused) return { pod, is: 'blocked', ...refused };
    if (thrown.kind === 'rate-limited') return { pod, is: 'later', why: 'the API asks for patience' };
    // In a namespace that is being deleted nothing can be made any more, evictions included; its pods go with it.
    if (thrown.kind === 'not-allowed' && /because it is being terminated/.test(thrown.detail ?? thrown.message))
      return { pod, is: 'later', why: `namespace ${pod.namespace} is being deleted, and its pods with it` };
    throw thrown;
  }
}

/** The budget that refuses, with its numbers; null when it is no budget that refuses. */
function refusalIn(fault: Fault): { why: string; budget: string } | null {
  const [, status = '', text = ''] = /^HTTP (\d+)\n([\s\S]*)$/.exec(fault.detail ?? '') ?? [];
  if (status === '500' && /more than one PodDisruptionBudget/.test(text)) {
    const why = 'more than one PodDisruptionBudget covers it, which Kubernetes cannot evict';
    return { why, budget: '' };
  }
  if (status !== '429') return null;
  const causes = listAt(parsed(text), 'details', 'causes').filter(isObject);
  const cause = causes.find(({ reason }) => reason === 'DisruptionBudget');
  const said = cause ? String(cause.message ?? '') : '';
  if (!cause && !/disruption budget/i.test(fault.message)) return null;
  const budget = /disruption budget (\S+)/i.exec(said)?.[1] ?? '';
  const numbers = /needs (\d+) healthy pods? and has (\d+) currently/.exec(said);
  const name = `PodDisruptionBudget ${plain(budget, 80)}`;
  if (numbers && budget !== '')
    return { budget, why: `${name} needs ${numbers[1]} healthy pods and has ${numbers[2]}` };
  return { budget, why: said === '' ? 'a PodDisruptionBudget does not allow it' : plain(said, 200) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    // A Fault keeps the beginning of an answer alone.
    if (thrown instanceof SyntaxError) return {};
    throw thrown;
  }
}

/** A disruption budget as it stands. */
export interface Budget {
  name: string;
  healthy: number;
  needed: number;
  expected: number;
  allowed: number;
}

/** The numbers of a budget; undefined when it cannot be read. */
export async function readBudget(talk: Talk, namespace: string, name: string): Promise<Budget | undefined> {
  const place = `namespaces/${encodeURIComponent(namespace)}/poddisruptionbudgets/${encodeURIComponent(name)}`;
  try {
    const status = objectAt(await talk.raw({ method: 'GET', path: `/apis/policy/v1/${place}` }), 'status');
    const number = (key: string) => Number(status[key] ?? 0);
    return {
      name,
      healthy: number('currentHealthy'),
      needed: number('desiredHealthy'),
      expected: number('expectedPods'),
      allowed: number('disruptionsAllowed'),
    };
  } catch (thrown) {
    // Told without numbers then: whether it may be read has no bearing on the drain.
    if (thrown instanceof Fault && (thrown.kind === 'not-found' || thrown.kind === 'not-allowed')) return undefined;
    throw thrown;
  }
}

/** What blocks, a line for each budget: "PodDisruptionBudget web needs 2 healthy pods and has 2: shop/web-1, shop/web-2". */
export function blockers(evictions: readonly Eviction[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const each of evictions) {
    if (each.is !== 'blocked') continue;
    const reason = `${each.pod.namespace}: ${each.why}`;
    byReason.set(reason, [...(byReason.get(reason) ?? []), podName(each.pod)]);
  }
  return [...byReason].map(([reason, pods]) => `${reason.slice(reason.indexOf(': ') + 2)} (${some(pods)})`);
}

/** At most five names, and how many more. */
export function some(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return `${names.slice(0, 5).join(', ')}${more}`;
}

/** Removes the Node object, and only the one with that uid; false when it was gone already. */
export async function removeNode(talk: Talk, name: string, uid: string): Promise<boolean> {
  try {
    await talk.raw({
      method: 'DELETE',
      path: `/api/v1/nodes/${encodeURIComponent(name)}`,
      body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } },
    });
    return true;
  } catch (thrown) {
    if (thrown instanceof Fault && (thrown.kind === 'not-found' || thrown.kind === 'conflict')) return false;
    throw thrown;
  }
}
