/**
 * Work on what is in a cluster, through its own API: one step after the other until the work says that it is done. The provider is asked only
 * where a step needs it (a node to be replaced, a version to be raised).
 */
import { Fault } from '../errors.ts';
import type { WorkStep } from '../ports/work.ts';
import type { Cluster, Job } from '../records.ts';
import { formatDuration } from '../units.ts';
import {
  atStep,
  type Decision,
  ended,
  failed,
  type JobKind,
  type Look,
  logged,
  overdue,
  pollMs,
  providerFault,
  released,
  retryLater,
  withObservation,
} from './kind.ts';

/** How long a step waits at the longest before it is looked at again, in milliseconds. */
const longestWaitMs = 60_000;

/** Every change of what is in a cluster. Which one it is says `job.work`. */
export const workCluster: JobKind = {
  name: 'cluster.work',
  steps: [],
  wantsHealth: () => false,
  watches: (job) => ({ provider: job.work?.provider !== undefined, credentials: job.work?.provider === undefined }),

  decide(look) {
    const { job, cluster, now, kubeconfig } = look;
    const { work } = job;
    if (!work) return unchanged(look, new Fault('internal', 'This job does not say what is to be done.'));
    if (job.cancel) return cancelled(look);
    if (overdue(look)) return unchanged(look, overdueFault(look));
    if (work.provider) return provider(look);
    if (kubeconfig === undefined || kubeconfig instanceof Fault) {
      const fault = kubeconfig ?? new Fault('internal', 'The credentials of the cluster were not looked for.');
      return fault.retryable ? retryLater(look, fault) : unchanged(look, fault);
    }
    const intent = { act: 'work' as const, at: now, answered: false };
    return { do: 'act', act: 'work', job: { ...job, state: 'Running', intent }, cluster };
  },

  stepped(look, outcome) {
    if (!(outcome instanceof Fault)) return stepped(look, outcome);
    // Every step is safe to repeat, so an answer that was lost is no harm.
    return outcome.retryable || outcome.outcomeUnknown
      ? retryLater(look, outcome)
      : unchanged(look, withWhatIsDone(look.job, outcome));
  },

  acted(look, _act, outcome) {
    const { job, now, cluster } = look;
    if (outcome instanceof Fault) {
      return outcome.retryable || outcome.outcomeUnknown ? retryLater(look, outcome) : unchanged(look, outcome);
    }
    const { work } = job;
    if (!work) return unchanged(look, new Fault('internal', 'This job does not say what is to be done.'));
    if (outcome) {
      const note = 'The provider has accepted the request.';
      const begun = logged({ ...job, note, attempt: 0, operation: outcome.id }, now, note);
      return { do: 'wait', ms: 1_000, job: begun, cluster };
    }
    // Null is the provider's word that all is as wanted: the work goes on.
    const { provider: _done, ...rest } = work;
    const { operation: _over, update: _update, ...free } = job;
    return { do: 'wait', ms: 100, job: { ...free, attempt: 0, work: rest }, cluster: asWanted(look) };
  },
};

/** The cluster as it is wanted to be from now on, where its provider was asked for other nodes or add-ons, with the pools it shows now. */
function asWanted({ job, cluster, seen, wanted }: Look): Cluster {
  const { nodes: asked, addons } = job.update ?? {};
  if (asked === undefined && addons === undefined) return cluster;
  if (wanted === undefined || wanted instanceof Fault) return cluster;
  const { spec, summary, nodes } = wanted;
  const shown = seen instanceof Fault ? cluster : withObservation(cluster, seen);
  return { ...shown, spec, summary, ...(nodes === undefined ? {} : { nodes }) };
}

function stepped(look: Look, step: WorkStep): Decision {
  const { job, now, cluster } = look;
  const { work } = job;
  if (!work) return unchanged(look, new Fault('internal', 'This job does not say what is to be done.'));
  const after = { ...work, progress: step.progress };
  let next: Job = { ...job, attempt: 0, note: step.note, work: after };
  for (const line of step.lines ?? []) next = logged(next, now, line);
  next = logged(atStep(next, work.steps, step.at, now), now, step.note);
  if (step.percent === undefined) delete next.percent;
  else next.percent = Math.max(0, Math.min(100, Math.round(step.percent)));
  if (step.provider) {
    next = { ...next, update: step.provider, work: { ...after, provider: step.provider } };
    return { do: 'wait', ms: 100, job: next, cluster };
  }
  if (step.state !== 'done') {
    const ms = step.state === 'again' ? 50 : Math.min(longestWaitMs, Math.max(200, step.ms ?? 2_000));
    return { do: 'wait', ms, job: next, cluster };
  }
  const took = formatDuration(now - (job.startedAt ?? job.requestedAt));
  if (step.result) next.work = { ...after, result: step.result };
  const done = ended(next, 'Succeeded', now, `${step.note} It took ${took}.`);
  return { do: 'end', job: done, cluster: released(cluster) };
}

/** The provider is asked for the change that a step needs, until it says that all is as wanted. */
function provider(look: Look): Decision {
  const { job, seen, now, cluster } = look;
  if (seen instanceof Fault) return seen.retryable ? retryLater(look, seen) : unchanged(look, seen);
  if (seen.state === 'absent' || !seen.mine) {
    return unchanged(look, new Fault('not-found', 'The cluster is gone at the provider.', { whose: 'provider' }));
  }
  if (job.operation !== undefined && seen.outcome === 'failed') {
    return unchanged(
      look,
      providerFault(seen, 'The provider could not do its part.', 'Press Retry to go on from here.'),
    );
  }
  const busy = seen.outcome === 'running' || (seen.state !== 'running' && seen.state !== 'error');
  if (busy) {
    const note = seen.step ?? 'The provider is working on it.';
    const waiting = logged({ ...job, state: 'Running' as const, attempt: 0, note }, now, note);
    return { do: 'wait', ms: pollMs(waiting, look), job: waiting, cluster };
  }
  const intent = { act: 'update' as const, at: now, answered: false };
  return { do: 'act', act: 'update', job: { ...job, state: 'Running', intent }, cluster };
}

/** Between two steps there is nothing under way, so that is where it stops; what was done until then stays. */
function cancelled(look: Look): Decision {
  const { job, cluster, now } = look;
  const by = job.cancel?.byName ?? 'someone';
  const begun = job.intent !== undefined;
  const note = begun
    ? `Cancelled by ${by} between two steps; what was done until then stays.`
    : `Cancelled by ${by} before anything was changed.`;
  return { do: 'end', job: ended(job, 'Cancelled', now, note), cluster: released(cluster) };
}

/** The end by a Fault: the cluster itself has not failed, and stays as it was. */
function unchanged(look: Look, fault: Fault): Decision {
  const decision = failed(look, fault, look.cluster, look.cluster.phase);
  const { failure: _failure, ...cluster } = decision.cluster ?? look.cluster;
  return { ...decision, cluster: look.cluster.failure ? { ...cluster, failure: look.cluster.failure } : cluster };
}

/** The same Fault with the steps that were done before it: nobody has to guess how far it came. */
function withWhatIsDone(job: Job, fault: Fault): Fault {
  const done = job.steps.filter(({ state }) => state === 'done').map(({ name }) => name);
  if (done.length === 0) return fault;
  const list = `${done.slice(0, -1).join(', ')}${done.length > 1 ? ' and ' : ''}${done.at(-1)}`;
  const { kind, whose, retryable, next, field, detail } = fault;
  return new Fault(kind, `${fault.message.replace(/[.\s]*$/, '.')} Done before it, and kept: ${list}.`, {
    ...{ whose, retryable, cause: fault },
    ...(next === undefined ? {} : { next }),
    ...(field === undefined ? {} : { field }),
    ...(detail === undefined ? {} : { detail }),
  });
}

function overdueFault(look: Look): Fault {
  return new Fault('internal', `It did not finish within ${formatDuration(look.job.allowedMs)}. ${look.job.note}`, {
    whose: 'caller',
    retryable: false,
    next: 'What was done until then stays. Press Retry to go on from here.',
  });
}
