import { Fault } from '../errors.ts';
import { formatDuration } from '../units.ts';
import {
  atStep,
  type Decision,
  ended,
  failedJob,
  type JobKind,
  type Look,
  logged,
  overdue,
  pollMs,
  released,
  retryLater,
} from './kind.ts';

const steps = ['Take the mark away', 'Confirm'] as const;

/** Lets a cluster go: its mark at the provider is taken away, then its record goes; all else at the provider stays as it is. */
export const detachCluster: JobKind = {
  name: 'cluster.detach',
  steps,
  wantsHealth: () => false,

  decide(look) {
    const { seen, job, now, cluster } = look;
    if (job.cancel && job.intent === undefined) {
      const note = `Cancelled by ${job.cancel.byName} before anything was changed.`;
      return { do: 'end', job: ended(job, 'Cancelled', now, note), cluster: released(cluster) };
    }
    if (overdue(look)) return kept(look, overdueFault(look));
    if (seen instanceof Fault) return seen.retryable ? retryLater(look, seen) : kept(look, seen);
    if (seen.state === 'absent' || !seen.mine) return gone(look);
    const running = { ...job, state: 'Running' as const };
    if (seen.outcome === 'running' && job.operation !== undefined) {
      const note = seen.step ?? 'The provider is taking the mark away.';
      const waiting = logged({ ...atStep({ ...running, attempt: 0 }, steps, 1, now), note }, now, note);
      return { do: 'wait', ms: pollMs(waiting, look), job: waiting, cluster };
    }
    if (seen.outcome === 'failed' && job.operation !== undefined) {
      const fault = new Fault('internal', seen.message ?? 'The provider could not take the mark away.', {
        whose: 'provider',
        next: 'Press Retry to try again.',
        ...(seen.detail ? { detail: seen.detail } : {}),
      });
      return kept(look, fault);
    }
    const note = 'Asking the provider to take the mark away.';
    const asking = logged(atStep({ ...running, note }, steps, 0, now), now, note);
    return {
      do: 'act',
      act: 'release',
      job: { ...asking, intent: { act: 'release', at: now, answered: false } },
      cluster,
    };
  },

  acted(look, _act, outcome) {
    const { now, job } = look;
    if (outcome instanceof Fault) {
      if (outcome.retryable || outcome.outcomeUnknown) return retryLater(look, outcome);
      return kept(look, outcome);
    }
    const intent = { act: 'release' as const, at: job.intent?.at ?? now, answered: true };
    // Null is the provider's word that there is no mark any more.
    if (!outcome) return gone({ ...look, job: { ...job, intent } });
    const note = 'The provider is taking the mark away.';
    const begun = logged({ ...atStep({ ...job, attempt: 0 }, steps, 1, now), intent, note }, now, note);
    return { do: 'wait', ms: 1_000, job: { ...begun, operation: outcome.id }, cluster: look.cluster };
  },
};

function gone(look: Look): Decision {
  const { job, now, cluster } = look;
  const took = formatDuration(now - (job.startedAt ?? job.requestedAt));
  const note = `Let go after ${took}. KQueen has nothing more to do with ${cluster.externalName}; it is as it was.`;
  return { do: 'end', job: ended(job, 'Succeeded', now, note), cluster: null };
}

/** The end by a Fault: the cluster stays with KQueen, in the phase it was in. */
function kept(look: Look, fault: Fault): Decision {
  return { do: 'end', job: failedJob(look.job, fault, look.now), cluster: released(look.cluster) };
}

function overdueFault(look: Look): Fault {
  return new Fault('internal', `The provider has not let it go within ${formatDuration(look.job.allowedMs)}.`, {
    whose: 'provider',
    next: 'Press Retry to go on, or look at the provider.',
  });
}
