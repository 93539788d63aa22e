import { Fault } from '../errors.ts';
import type { Observation, Operation } from '../ports/engine.ts';
import { formatDuration } from '../units.ts';
import { type HandOver, handOver } from './hand-over.ts';
import {
  atStep,
  createInFlight,
  type Decision,
  ended,
  failed,
  type JobKind,
  type Look,
  logged,
  overdue,
  pollMs,
  providerFault,
  retryLater,
  withObservation,
} from './kind.ts';

const steps = ['Ask the provider', 'Provision', 'Fetch credentials', 'Check health'] as const;

const way: HandOver = { steps, from: 2, done: 'Ready', nodesMs: 10 * 60_000 };

/** Creates a cluster: find or make it at the provider, follow the operation, fetch the kubeconfig, check its health. */
export const createCluster: JobKind = {
  name: 'cluster.create',
  steps,
  wantsHealth: ({ job, seen }) => !job.cancel && !(seen instanceof Fault) && seen.mine && seen.state === 'running',

  decide(look) {
    const { seen, now } = look;
    if (neverAsked(look)) return cancelled(look);
    if (overdue(look)) return failed(look, overdueFault(look));
    if (seen instanceof Fault) return seen.retryable ? retryLater(look, seen) : failed(look, seen);
    if (seen.state !== 'absent' && !seen.mine) return failed(look, foreignFault(look));
    if (look.job.cancel) return cancelling(look, seen);
    // Also one that is found half-made, or tried again after a failure, is being provisioned from here on.
    const cluster = { ...withObservation(look.cluster, seen), phase: 'Provisioning' as const };
    const running = answeredBy(seen, { ...look.job, state: 'Running', attempt: 0 });

    switch (seen.state) {
      case 'absent':
        return decideAbsent(look);
      case 'running':
        return handOver({ ...look, cluster, job: running }, way, look.job.attempt);
      case 'error':
        return decideError({ ...look, cluster, job: running }, seen);
      default: {
        const note = seen.step ?? 'The provider is working on it.';
        let job = logged(atStep(running, steps, 1, now), now, note);
        job = { ...job, note };
        if (seen.state === 'creating') job.intent ??= { act: 'create', at: now, answered: true };
        if (seen.percent !== undefined) job.percent = Math.min(95, Math.round(seen.percent * 0.95));
        if (seen.operation) job.operation = seen.operation;
        return { do: 'wait', ms: pollMs(job, look), job, cluster };
      }
    }
  },

  acted(look, act, outcome) {
    const { now } = look;
    if (outcome instanceof Fault) {
      // The provider may refuse to remove what it is still making: that passes.
      const passes = act === 'delete' && outcome.kind === 'conflict';
      if (!outcome.retryable && !outcome.outcomeUnknown && !passes) return failed(look, outcome);
      return retryLater(look, outcome);
    }
    const intent = { act, at: look.job.intent?.at ?? now, answered: true };
    const note =
      act === 'create' ? 'The provider has accepted the request.' : 'The provider is removing what was there.';
    const job = logged(
      atStep({ ...look.job, intent, note, attempt: 0 }, steps, act === 'create' ? 1 : 0, now),
      now,
      note,
    );
    return { do: 'wait', ms: 1_000, job: withOperation(job, outcome), cluster: look.cluster };
  },
};

/** A cluster that is there is the answer to an unanswered create: when it is gone later, it was removed and is not made a second time. */
function answeredBy(seen: Observation, job: Look['job']): Look['job'] {
  if (seen.state === 'absent' || job.intent?.act !== 'create') return job;
  return { ...job, intent: { ...job.intent, answered: true } };
}

function withOperation(job: Look['job'], outcome: Operation | null): Look['job'] {
  return outcome ? { ...job, operation: outcome.id } : job;
}

function decideAbsent(look: Look): Decision {
  const { now } = look;
  const intent = look.job.intent;
  if (intent?.act === 'create' && intent.answered) {
    // The provider took it and shows nothing: lists lag for a moment, but not for minutes.
    if (now - intent.at < 2 * 60_000) {
      return { do: 'wait', ms: pollMs(look.job, look), job: { ...look.job, state: 'Running' }, cluster: look.cluster };
    }
    return failed(
      look,
      new Fault('internal', 'The provider accepted the cluster and then lost it.', {
        whose: 'provider',
        next: 'Press Retry to ask for it again.',
      }),
    );
  }
  const note = 'Asking the provider to create it.';
  const job = logged(atStep({ ...look.job, state: 'Running', note }, steps, 0, now), now, note);
  return {
    do: 'act',
    act: 'create',
    job: { ...job, intent: { act: 'create', at: now, answered: false } },
    cluster: { ...look.cluster, phase: 'Provisioning' },
  };
}

function decideError(look: Look, seen: Observation): Decision {
  const firstLookOfRetry =
    look.job.retryOf !== undefined && (look.job.intent === undefined || look.job.intent.act === 'delete');
  if (firstLookOfRetry) {
    // A retry clears away what the failed attempt left, then begins anew.
    const note = 'Removing what the failed attempt left behind.';
    const job = logged(
      { ...look.job, note, intent: { act: 'delete' as const, at: look.now, answered: false } },
      look.now,
      note,
    );
    return { do: 'act', act: 'delete', job, cluster: { ...look.cluster, phase: 'Provisioning' } };
  }
  const fault = providerFault(
    seen,
    'The provider reports that creating it failed.',
    'Press Retry to clear it away and try again, or Delete to remove what is left.',
  );
  return failed(look, fault);
}

/** True for a cancelled job that has asked the provider for nothing, so that there is nothing of its to be found there. */
function neverAsked({ job, seen }: Look): boolean {
  if (!job.cancel || job.intent !== undefined || job.retryOf !== undefined) return false;
  return seen instanceof Fault || seen.state === 'absent' || !seen.mine;
}

function cancelled(look: Look): Decision {
  const by = look.job.cancel?.byName ?? 'someone';
  const note = `Cancelled by ${by}; nothing is left at the provider.`;
  return { do: 'end', job: ended(look.job, 'Cancelled', look.now, note), cluster: null };
}

function cancelling(look: Look, seen: Observation): Decision {
  const { now } = look;
  if (seen.state === 'absent') {
    if (createInFlight(look)) {
      const note = 'Cancelling: making sure that the request did not reach the provider.';
      return { do: 'wait', ms: 2_000, job: logged({ ...look.job, note }, now, note), cluster: look.cluster };
    }
    return cancelled(look);
  }
  if (seen.state === 'deleting') {
    const note = 'Cancelling: the provider is removing it.';
    const job = logged({ ...look.job, note }, now, note);
    return { do: 'wait', ms: pollMs(job, look), job, cluster: { ...look.cluster, phase: 'Deleting' } };
  }
  const note = 'Cancelling: asking the provider to remove it.';
  const job = logged({ ...look.job, note, intent: { act: 'delete' as const, at: now, answered: false } }, now, note);
  return { do: 'act', act: 'delete', job, cluster: { ...look.cluster, phase: 'Deleting' } };
}

function overdueFault(look: Look): Fault {
  return new Fault('internal', `It did not finish within ${formatDuration(look.job.allowedMs)}.`, {
    whose: 'provider',
    next: 'Look at the provider, then press Retry to go on or Delete to remove what is there.',
  });
}

function foreignFault(look: Look): Fault {
  return new Fault(
    'conflict',
    `The provider already has a cluster named ${look.cluster.externalName} that is not this one.`,
    {
      whose: 'admin',
      next: 'Choose another name, or remove that cluster at the provider.',
    },
  );
}
