import { Fault } from '../errors.ts';
import { formatDuration } from '../units.ts';
import { atStep, createInFlight, ended, failed, type JobKind, logged, overdue, pollMs, retryLater } from './kind.ts';

const steps = ['Ask the provider', 'Remove', 'Confirm that it is gone'] as const;

/** Deletes a cluster. It ends only when the provider says that nothing is left; a passing error is never read as "gone". */
export const deleteCluster: JobKind = {
  name: 'cluster.delete',
  steps,
  wantsHealth: () => false,

  decide(look) {
    const { seen, now, job } = look;
    if (overdue(look)) {
      return failed(
        look,
        new Fault('internal', `The provider has not confirmed the deletion within ${formatDuration(job.allowedMs)}.`, {
          whose: 'provider',
          next: 'Press Retry to go on, or look at the provider: it may still be running and costing money.',
        }),
      );
    }
    if (seen instanceof Fault) return seen.retryable ? retryLater(look, seen) : failed(look, seen);
    const cluster = { ...look.cluster, phase: 'Deleting' as const };
    if (seen.state === 'absent') {
      if (createInFlight(look)) {
        const note = 'Making sure that an earlier create request did not reach the provider.';
        return { do: 'wait', ms: 2_000, job: logged({ ...job, state: 'Running', note }, now, note), cluster };
      }
      const took = formatDuration(now - (job.startedAt ?? job.requestedAt));
      return { do: 'end', job: ended(job, 'Succeeded', now, `Gone at the provider after ${took}.`), cluster: null };
    }
    if (!seen.mine) {
      // Ours does not exist any more; what carries the name belongs to somebody else and is not touched.
      return { do: 'end', job: ended(job, 'Succeeded', now, 'Gone at the provider.'), cluster: null };
    }
    if (seen.state === 'deleting') {
      const note = seen.step ?? 'The provider is removing it.';
      const next = logged(atStep({ ...job, state: 'Running', attempt: 0, note }, steps, 1, now), now, note);
      if (seen.percent !== undefined) next.percent = Math.min(99, Math.round(seen.percent));
      next.intent ??= { act: 'delete', at: now, answered: true };
      return { do: 'wait', ms: pollMs(next, look), job: next, cluster };
    }
    const note = 'Asking the provider to remove it.';
    const next = logged(atStep({ ...job, state: 'Running', note }, steps, 0, now), now, note);
    return { do: 'act', act: 'delete', job: { ...next, intent: { act: 'delete', at: now, answered: false } }, cluster };
  },

  acted(look, act, outcome) {
    const { now } = look;
    if (outcome instanceof Fault) {
      // The provider may refuse a delete while another operation runs: that passes.
      if (outcome.retryable || outcome.outcomeUnknown || outcome.kind === 'conflict') return retryLater(look, outcome);
      return failed(look, outcome);
    }
    const note = 'The provider is removing it.';
    const intent = { act, at: look.job.intent?.at ?? now, answered: true };
    const job = logged(atStep({ ...look.job, intent, note, attempt: 0 }, steps, 1, now), now, note);
    if (outcome) job.operation = outcome.id;
    return { do: 'wait', ms: 1_000, job, cluster: look.cluster };
  },
};
