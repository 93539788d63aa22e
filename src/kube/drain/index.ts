/**
 * Draining a node step by step: it is closed for new pods, then each pod that can live elsewhere is evicted, as its PodDisruptionBudget
 * allows. Nothing here waits: a caller repeats `drainStep` until it says that it is over, also after a crash in between.
 */
import { z } from 'zod';
import { count } from '../../core/words.ts';
import type { Talk } from '../operation.ts';
import { blockers, type Eviction, evict, readBudget, setCordon, some } from './evict.ts';
import { type DrainNode, type DrainPod, podName, podsOn, readNode } from './pods.ts';

export { removeNode, setCordon, some } from './evict.ts';
export { type DrainNode, podName, readNode, readNodes } from './pods.ts';

/** What is to be drained. */
export interface DrainWish {
  node: string;
  /** Also pods that nothing makes anew, and those whose emptyDir data end with them. */
  force: boolean;
}

/** What a drain remembers between its steps; plain JSON. */
export const DrainProgress = z.object({
  /** When it began, epoch milliseconds. */
  since: z.number().optional(),
  /** The node's own uid: one that comes under the same name is another. */
  uid: z.string().optional(),
  /** It was cordoned before the drain began, so that it is somebody else's to open. */
  wasCordoned: z.boolean().optional(),
  /** How many pods had to go when it began. */
  total: z.number().optional(),
});
export type DrainProgress = z.infer<typeof DrainProgress>;

/** What one step came to. */
export interface DrainStep {
  /**
   * `done`: nothing is left that has to go. `gone`: the node itself is. `silent`: all that is left is ending, and cannot end because the kubelet
   * is silent. `wait`: repeat.
   */
  is: 'done' | 'gone' | 'silent' | 'wait';
  progress: DrainProgress;
  node: DrainNode | null;
  /** Pods that have to go and are still there. */
  left: DrainPod[];
  /** What a budget does not allow now, a line for each. */
  blocked: string[];
  /** What keeps others, a line for each: finalizers, pods that end too slowly, such as need `force`. */
  stuck: string[];
  /** 0–100. */
  percent: number;
  /** What it waits for, in a sentence. */
  note: string;
}

/** Most evictions of one step, so that it stays within seconds. */
const mostAtOnce = 40;
/** How long a pod may take past its own grace before it is said to be stuck, in milliseconds. */
const slackMs = 10_000;

/** Pods that are lost with a drain, beyond what eviction is: they need `force`. */
export function needForce(pods: readonly DrainPod[]): { unmanaged: DrainPod[]; emptyDir: DrainPod[] } {
  const going = pods.filter(({ fate, endsAt }) => fate === 'evict' && endsAt === undefined);
  return {
    unmanaged: going.filter(({ unmanaged }) => unmanaged),
    emptyDir: going.filter(({ emptyDirs }) => emptyDirs.length > 0),
  };
}

/** The next step of a drain; safe to repeat, and done again from the start it only finds less to do. */
export async function drainStep(talk: Talk, wish: DrainWish, before: DrainProgress): Promise<DrainStep> {
  const now = talk.now();
  const node = await readNode(talk, wish.node);
  if (!node || (before.uid !== undefined && before.uid !== node.uid)) return gone(before, node, wish.node);
  const begun: DrainProgress = {
    ...{ since: now, uid: node.uid, wasCordoned: node.cordoned },
    ...before,
  };
  if (!node.cordoned && !(await setCordon(talk, wish.node, true))) return gone(begun, null, wish.node);
  const pods = (await podsOn(talk, wish.node)).filter(({ fate }) => fate === 'evict');
  const lost = new Set(wish.force ? [] : Object.values(needForce(pods)).flatMap((each) => each.map(({ uid }) => uid)));
  const due = pods.filter(({ uid, endsAt }) => endsAt === undefined && !lost.has(uid)).slice(0, mostAtOnce);
  const asked = await evict(talk, due);
  const progress = { ...begun, total: Math.max(begun.total ?? 0, pods.length) };
  const step = { progress, node, left: pods, blocked: blockers(asked), stuck: stuckAmong(pods, lost, node, now) };
  const percent = progress.total === 0 ? 100 : Math.floor((100 * (progress.total - pods.length)) / progress.total);
  if (pods.length === 0)
    return { ...step, is: 'done', percent: 100, note: `Nothing is left on ${wish.node} that has to go.` };
  const silent = node.ready === 'Unknown' && pods.every(({ endsAt }) => endsAt !== undefined && now > endsAt + slackMs);
  const note = waitingFor(wish.node, pods, asked, step.stuck);
  return { ...step, is: silent ? 'silent' : 'wait', percent, note };
}

function gone(progress: DrainProgress, node: DrainNode | null, name: string): DrainStep {
  const note = node
    ? `Another node has the name ${name} now; the one that was drained is gone.`
    : `Node ${name} is gone: somebody or something else has removed it.`;
  return { is: 'gone', progress, node, left: [], blocked: [], stuck: [], percent: 100, note };
}

function waitingFor(node: string, pods: readonly DrainPod[], asked: readonly Eviction[], stuck: string[]): string {
  const blocked = blockers(asked);
  const ending =
    pods.filter(({ endsAt }) => endsAt !== undefined).length + asked.filter(({ is }) => is === 'going').length;
  const parts = [
    ...(ending > 0 ? [`${count(ending, 'pod')} ending`] : []),
    ...(blocked.length > 0 ? [`not allowed yet: ${blocked.join('; ')}`] : []),
    ...stuck,
    ...new Set(asked.flatMap((each) => (each.is === 'later' ? [each.why] : []))),
  ];
  return `${count(pods.length, 'pod')} left on ${node}${parts.length > 0 ? `: ${parts.join('; ')}` : ''}.`;
}

/** What keeps pods from going that no budget holds. */
function stuckAmong(pods: readonly DrainPod[], lost: ReadonlySet<string>, node: DrainNode, now: number): string[] {
  const late = pods.filter(({ endsAt }) => endsAt !== undefined && now > endsAt + slackMs);
  const held = late.filter(({ finalizers }) => finalizers.length > 0);
  const slow = late.filter(({ finalizers }) => finalizers.length === 0);
  const need = pods.filter(({ uid }) => lost.has(uid));
  const why =
    node.ready === 'Unknown' ? 'cannot end because the kubelet of the node is silent' : 'should have ended by now';
  return [
    ...held.map((pod) => `${podName(pod)} is held by its finalizer ${pod.finalizers.slice(0, 3).join(', ')}`),
    ...(slow.length > 0 ? [`${some(slow.map(podName))} ${why}`] : []),
    ...(need.length > 0 ? [`${some(need.map(podName))} would be lost, which needs force=yes`] : []),
  ];
}

/** What a drain would do, found without changing anything. */
export interface DrainForeseen {
  node: DrainNode;
  pods: DrainPod[];
  goes: DrainPod[];
  /** Belong to the node and are left alone. */
  stays: DrainPod[];
  need: ReturnType<typeof needForce>;
  /** What a budget does not allow now, a line for each; of a budget that can never allow it, the line says so. */
  blocked: string[];
}

/** Looks at what a drain of the node would meet; null when there is no such node. The budgets are asked by a dry run. */
export async function foreseeDrain(talk: Talk, name: string): Promise<DrainForeseen | null> {
  const node = await readNode(talk, name);
  if (!node) return null;
  const pods = await podsOn(talk, name);
  const goes = pods.filter(({ fate }) => fate === 'evict');
  const due = goes.filter(({ endsAt, finished }) => endsAt === undefined && !finished).slice(0, mostAtOnce);
  const asked = await evict(talk, due, true);
  return {
    ...{ node, pods, goes, need: needForce(pods) },
    stays: pods.filter(({ fate }) => fate !== 'evict'),
    blocked: await withNever(talk, asked),
  };
}

/** The blocking budgets; one that needs all of its pods is said never to allow an eviction. */
async function withNever(talk: Talk, asked: readonly Eviction[]): Promise<string[]> {
  const lines: string[] = [];
  const seen = new Map<string, Eviction[]>();
  for (const each of asked) {
    if (each.is !== 'blocked') continue;
    const key = `${each.pod.namespace}/${each.budget}/${each.budget === '' ? each.why : ''}`;
    seen.set(key, [...(seen.get(key) ?? []), each]);
  }
  for (const group of seen.values()) {
    const [first] = group;
    const line = blockers(group).join('; ');
    const budget =
      first?.is === 'blocked' && first.budget !== ''
        ? await readBudget(talk, first.pod.namespace, first.budget)
        : undefined;
    const never = budget !== undefined && budget.expected > 0 && budget.needed >= budget.expected;
    lines.push(never ? `${line}; it needs all ${budget.expected} of its pods, so it never allows one to go` : line);
  }
  return lines;
}
