import { Fault } from '../errors.ts';
import { formatDuration } from '../units.ts';
import { atStep, type Decision, ended, failed, type Look, logged, released, retryLater } from './kind.ts';

/** How a kind ends with a cluster that works: which of its steps these are, and what it says. */
export interface HandOver {
  steps: readonly string[];
  /** Position of the step in which the kubeconfig is fetched; the health check follows it. */
  from: number;
  /** "Ready", "Taken over". */
  done: string;
  /** How long nodes may take to become Ready before it is handed over as degraded, in milliseconds. */
  nodesMs: number;
  /** How long its API may take to answer before it is handed over all the same; absent: until the job's deadline. */
  apiMs?: number;
}

/** Fetches the kubeconfig of a running cluster, waits for its API and its nodes, and ends the job with it. `attempt` goes on counting retries. */
export function handOver(look: Look, way: HandOver, attempt: number): Decision {
  const { job, cluster, kubeconfig, health, now } = look;
  if (kubeconfig === undefined || kubeconfig instanceof Fault) {
    const fault =
      kubeconfig ?? new Fault('conflict', 'The provider has no credentials for it yet.', { retryable: true });
    const waiting = { ...look, job: { ...atStep(job, way.steps, way.from, now), percent: 96, attempt } };
    if (fault.kind === 'conflict' || fault.retryable) return retryLater(waiting, fault);
    return failed(waiting, fault, cluster);
  }
  const status = (type: string) => health?.conditions.find((condition) => condition.type === type)?.status;
  const available = status('APIServerAvailable') === 'True';
  const nodesReady = status('EveryNodeReady') === 'True';
  const checking = atStep(job, way.steps, way.from + 1, now);
  const waited = now - (checking.steps[way.from + 1]?.at ?? now);
  const patience = available ? way.nodesMs : (way.apiMs ?? Number.POSITIVE_INFINITY);
  if ((!available || !nodesReady) && waited < patience) {
    const worst = health?.conditions.find((condition) => condition.status !== 'True');
    const note = worst ? `Waiting: ${worst.message}` : 'Waiting for the cluster to answer.';
    return { do: 'wait', ms: 2_000, job: logged({ ...checking, percent: 98, note }, now, note), cluster };
  }
  const took = formatDuration(now - (job.startedAt ?? job.requestedAt));
  let note = `${way.done} after ${took}.`;
  if (!available) note = `Handed over after ${took}, but its API does not answer KQueen.`;
  else if (!nodesReady) note = `Handed over after ${took}, but not every node is ready.`;
  const { failure: _failure, stopped: _stopped, ...fit } = released(cluster);
  const decision: Decision = {
    do: 'end',
    job: ended(checking, 'Succeeded', now, note),
    cluster: { ...fit, phase: 'Ready', readyAt: cluster.readyAt ?? now, kubeconfig: !look.shortLived },
  };
  if (!look.shortLived) decision.kubeconfig = kubeconfig;
  if (health) decision.health = health;
  return decision;
}
