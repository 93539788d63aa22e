import { Fault } from '../errors.ts';
import { formatDuration } from '../units.ts';
import { type HandOver, handOver } from './hand-over.ts';
import {
  atStep,
  type Decision,
  ended,
  failed,
  failedJob,
  type JobKind,
  type Look,
  logged,
  overdue,
  pollMs,
  released,
  retryLater,
  withObservation,
} from './kind.ts';

const steps = ['Mark it at the provider', 'Fetch credentials', 'Check health'] as const;

/** A cluster that runs already is taken as it is: its nodes get a moment, and its API a few, since it may be closed to KQueen. */
const way: HandOver = { steps, from: 1, done: 'Taken over', nodesMs: 10_000, apiMs: 60_000 };

/** Takes over a cluster that somebody else made: mark it at the provider as this one, fetch the kubeconfig, check its health. */
export const adoptCluster: JobKind = {
  name: 'cluster.adopt',
  steps,
  wantsHealth: ({ seen }) =>
    !(seen instanceof Fault) && seen.mine && (seen.state === 'running' || seen.state === 'error'),

  decide(look) {
    const { seen, job, now } = look;
    if (job.cancel && job.intent === undefined) return given(look);
    if (overdue(look)) return refused(look, overdueFault(look));
    if (seen instanceof Fault) return seen.retryable ? retryLater(look, seen) : refused(look, seen);
    if (seen.state === 'absent' || seen.state === 'deleting') return refused(look, goneFault(look));
    const cluster = { ...withObservation(look.cluster, seen), phase: 'Provisioning' as const };
    const running = { ...job, state: 'Running' as const, attempt: 0 };
    if (!seen.mine) {
      if (seen.outcome === 'failed') return refused(look, markFault(look, seen.message, seen.detail));
      if (seen.outcome === 'running') {
        return { do: 'wait', ms: pollMs(running, look), job: running, cluster };
      }
      const note = 'Asking the provider to mark it as KQueen’s.';
      const asking = logged(atStep({ ...running, note }, steps, 0, now), now, note);
      return {
        do: 'act',
        act: 'adopt',
        job: { ...asking, attempt: job.attempt, intent: { act: 'adopt', at: now, answered: false } },
        cluster,
      };
    }
    if (seen.state === 'running' || seen.state === 'error') {
      return handOver({ ...look, cluster, job: running }, way, job.attempt);
    }
    if (seen.state === 'stopped') return asleep({ ...look, cluster, job: running });
    const note = `Waiting: the provider is busy with it${seen.step ? ` (${seen.step})` : ''}.`;
    const waiting = logged({ ...atStep(running, steps, 0, now), note }, now, note);
    return { do: 'wait', ms: pollMs(waiting, look), job: waiting, cluster };
  },

  acted(look, _act, outcome) {
    const { now, job } = look;
    const intent = { act: 'adopt' as const, at: job.intent?.at ?? now, answered: true };
    if (outcome instanceof Fault) {
      if (outcome.retryable || outcome.outcomeUnknown) return retryLater(look, outcome);
      return refused({ ...look, job: { ...job, intent } }, outcome);
    }
    const note = 'It is marked at the provider.';
    const begun = logged({ ...job, intent, note }, now, note);
    if (outcome) begun.operation = outcome.id;
    // Lists and labels lag: each look that does not show the mark yet waits a little longer.
    const attempt = job.attempt + 1;
    return { do: 'wait', ms: Math.min(15_000, 500 * 2 ** attempt), job: { ...begun, attempt }, cluster: look.cluster };
  },
};

/** True while the cluster at the provider carries no mark of this one, so that its record can go without leaving anything behind. */
function unmarked({ job, seen }: Look): boolean {
  if (job.intent === undefined && job.retryOf === undefined) return true;
  return !(seen instanceof Fault) && (seen.state === 'absent' || !seen.mine) && job.intent?.answered !== false;
}

/** The end by a Fault: what was never marked is forgotten with its name, so that deleting it can never be asked by mistake. */
function refused(look: Look, fault: Fault): Decision {
  if (!unmarked(look)) return failed(look, fault);
  return { do: 'end', job: failedJob(look.job, fault, look.now), cluster: null };
}

function given(look: Look): Decision {
  const note = `Cancelled by ${look.job.cancel?.byName ?? 'someone'} before it was marked.`;
  return { do: 'end', job: ended(look.job, 'Cancelled', look.now, note), cluster: null };
}

/** A stopped cluster is taken over as it is. */
function asleep(look: Look): Decision {
  const { job, cluster, now } = look;
  const took = formatDuration(now - (job.startedAt ?? job.requestedAt));
  const { failure: _failure, ...fit } = released(cluster);
  return {
    do: 'end',
    job: ended(job, 'Succeeded', now, `Taken over after ${took}; it is stopped.`),
    cluster: { ...fit, phase: 'Ready', readyAt: cluster.readyAt ?? now, stopped: true },
  };
}

function goneFault({ cluster }: Look): Fault {
  return new Fault('not-found', `The provider has no cluster ${cluster.externalName} any more.`, {
    whose: 'provider',
    next: 'Look at what there is with provisioner discover.',
  });
}

function markFault({ cluster }: Look, message: string | undefined, detail: string | undefined): Fault {
  return new Fault('internal', message ?? `The provider could not mark ${cluster.externalName}.`, {
    whose: 'provider',
    next: 'Look at the provider, then adopt it again.',
    ...(detail ? { detail } : {}),
  });
}

function overdueFault(look: Look): Fault {
  return new Fault('internal', `It did not finish within ${formatDuration(look.job.allowedMs)}.`, {
    whose: 'provider',
    next: 'Look at the provider, then try again.',
  });
}
