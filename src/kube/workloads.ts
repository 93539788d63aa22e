import type { V1ContainerStatus, V1Deployment, V1Pod } from '@kubernetes/client-node';
import type { WorkloadProblem } from '../core/ports/kube.ts';
import { plain } from './faults.ts';

/** A problem with its rank (lower is worse) and what it shares with others of its kind, so that 500 alike are one line. */
export interface Found extends WorkloadProblem {
  rank: number;
  alike: string;
}

/** Ranks of problems, worst first. */
export const ranks = { node: 0, crash: 1, image: 2, config: 3, failed: 4, pending: 5, replicas: 6 };

const crashReasons = ['CrashLoopBackOff', 'RunContainerError', 'OOMKilled', 'StartError'];
const imageReasons = ['ImagePullBackOff', 'ErrImagePull', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError'];
const configReasons = [
  'CreateContainerConfigError',
  'CreateContainerError',
  'PreCreateHookError',
  'PostStartHookError',
];

/** How long a pod may be on its way before it is a problem, in milliseconds. */
const patienceMs = 120_000;

/** What is wrong with a pod, or null; `now` in epoch milliseconds. Pods of finished jobs and pods that are going are not wrong. */
export function podProblem(pod: V1Pod, now: number): Found | null {
  const phase = pod.status?.phase;
  if (pod.metadata?.deletionTimestamp || phase === 'Succeeded') return null;
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const waiting = worstWaiting(statuses);
  if (waiting) return found(pod, waiting.rank, waiting.reason, waiting.text);
  if (phase === 'Failed') {
    // A job's failed tries are the job's business: it starts new ones or says itself that it gave up.
    if (pod.metadata?.ownerReferences?.some((owner) => owner.kind === 'Job')) return null;
    const reason = pod.status?.reason ?? 'Failed';
    return found(pod, ranks.failed, reason, withMessage(reason, pod.status?.message));
  }
  if (phase === 'Pending') {
    const scheduled = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled');
    if (scheduled?.status === 'False') {
      const reason = scheduled.reason ?? 'Unschedulable';
      return found(pod, ranks.pending, reason, withMessage(`Pending: ${reason}`, scheduled.message));
    }
    const age = now - (pod.metadata?.creationTimestamp?.getTime() ?? now);
    if (age < patienceMs) return null;
    const reason = statuses.find((status) => status.state?.waiting)?.state?.waiting?.reason ?? 'no reason given';
    return found(pod, ranks.pending, reason, `Pending: ${plain(reason, 60)}`);
  }
  return null;
}

function worstWaiting(statuses: V1ContainerStatus[]): { rank: number; reason: string; text: string } | null {
  let worst: { rank: number; reason: string; text: string } | null = null;
  for (const status of statuses) {
    const reason = status.state?.waiting?.reason;
    if (!reason) continue;
    const rank = crashReasons.includes(reason)
      ? ranks.crash
      : imageReasons.includes(reason)
        ? ranks.image
        : configReasons.includes(reason)
          ? ranks.config
          : null;
    if (rank === null || (worst && worst.rank <= rank)) continue;
    const restarts = status.restartCount ?? 0;
    const text =
      rank === ranks.crash
        ? `${reason}, ${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`
        : withMessage(reason, status.state?.waiting?.message);
    worst = { rank, reason, text };
  }
  return worst;
}

function withMessage(reason: string, message: string | undefined): string {
  const said = message ? plain(message, 120) : '';
  return said ? `${plain(reason, 60)}: ${said}` : plain(reason, 60);
}

function found(pod: V1Pod, rank: number, reason: string, text: string): Found {
  const namespace = pod.metadata?.namespace ?? '';
  const name = pod.metadata?.name ?? '';
  const owner = pod.metadata?.ownerReferences?.[0];
  return {
    kind: 'Pod',
    namespace,
    name,
    reason: text,
    rank,
    alike: `${namespace}/${owner ? `${owner.kind}/${owner.uid}` : `Pod/${name}`}/${reason}`,
  };
}

/** How many replicas a Deployment wants and how many are available. */
export function replicas(deployment: V1Deployment): { wanted: number; available: number } {
  const wanted = deployment.spec?.replicas ?? 1;
  const seen = deployment.status?.observedGeneration ?? 0;
  // Counts of an older generation say nothing about what is wanted now.
  const stale = seen < (deployment.metadata?.generation ?? 0);
  const available = deployment.status?.availableReplicas ?? 0;
  return { wanted, available: stale ? Math.min(available, Math.max(0, wanted - 1)) : available };
}

/** What is wrong with a Deployment, or null when it has what it wants. */
export function deploymentProblem(deployment: V1Deployment): Found | null {
  const { wanted, available } = replicas(deployment);
  if (available >= wanted) return null;
  const namespace = deployment.metadata?.namespace ?? '';
  const name = deployment.metadata?.name ?? '';
  const given = deployment.status?.conditions?.find(
    (condition) => condition.type === 'Progressing' && condition.status === 'False',
  );
  const text = `${available} of ${wanted} available${given?.reason ? ` (${plain(given.reason, 60)})` : ''}`;
  // Nothing left running is worse than one replica short.
  const rank = ranks.replicas + (available === 0 ? 0 : 1);
  return { kind: 'Deployment', namespace, name, reason: text, rank, alike: `Deployment/${namespace}/${name}` };
}

/** The worst problems first, alike ones folded into one line, at most `most`. */
export function worstFirst(all: readonly Found[], most: number): WorkloadProblem[] {
  const folded = new Map<string, { first: Found; count: number }>();
  for (const each of all) {
    const known = folded.get(each.alike);
    if (known) known.count += 1;
    else folded.set(each.alike, { first: each, count: 1 });
  }
  return [...folded.values()]
    .sort((a, b) => a.first.rank - b.first.rank || b.count - a.count || compare(a.first, b.first))
    .slice(0, most)
    .map(({ first: { kind, namespace, name, reason }, count }) => ({
      kind,
      namespace,
      name,
      reason: count > 1 ? `${reason}, and ${count - 1} more like it` : reason,
    }));
}

function compare(a: Found, b: Found): number {
  const left = `${a.namespace}/${a.name}`;
  const right = `${b.namespace}/${b.name}`;
  return left < right ? -1 : left > right ? 1 : 0;
}
