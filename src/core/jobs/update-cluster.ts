/**
 * Every change of a running cluster: its nodes, the bounds of its autoscaler, its version, its power, its gateways. The engine is asked for the next step
 * until it answers that all is as wanted; then the cluster itself is looked at. A change that fails leaves the cluster as it is.
 */
import { Fault } from '../errors.ts';
import type { Observation } from '../ports/engine.ts';
import type { Cluster, Job, JobKindName } from '../records.ts';
import { formatDuration } from '../units.ts';
import { withStanding } from './half-way.ts';
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
  settleMs,
  vanishedMessage,
  type Wanted,
  withObservation,
} from './kind.ts';
import { withOwnRule } from './scaling-rule.ts';

/** How long nodes, and the API's version, may take to be as wanted after the provider is done, in milliseconds. */
const healthPatienceMs = 10 * 60_000;

/** In how many looks in a row a cluster has to be missing until that is believed. */
const missingLooks = 3;

interface Words {
  name: JobKindName;
  /** The step in which the provider works. */
  change: string;
  /** "Scaled". */
  done: string;
}

function updateKind({ name, change, done }: Words): JobKind {
  const off = name === 'cluster.stop';
  // A cluster that is stopped has nothing to check.
  const steps = ['Ask the provider', change, ...(off ? [] : ['Check health'])] as const;
  const checkStep = 2;

  function checking({ job }: Look): boolean {
    return !off && job.steps[checkStep]?.state === 'doing';
  }

  /** Whether the provider shows the end of what this job asked for as a failure. */
  function hasFailed({ job }: Look, seen: Observation): boolean {
    const asked = job.intent?.act === 'update' && job.intent.answered;
    return (job.operation !== undefined && seen.outcome === 'failed') || (asked === true && seen.state === 'error');
  }

  function decide(look: Look): Decision {
    const { job, seen } = look;
    if (job.cancel && job.intent === undefined) return cancelled(look, 'before anything was changed');
    if (overdue(look)) return unchanged(look, overdueFault(look));
    if (seen instanceof Fault) return seen.retryable ? retryLater(look, seen) : unchanged(look, seen);
    if (look.wanted instanceof Fault) return unchanged(look, look.wanted);
    if (seen.state === 'absent' || !seen.mine) return missing(look);
    const cluster: Cluster = { ...withObservation(look.cluster, seen), phase: 'Updating' };
    const running: Job = { ...job, state: 'Running', attempt: 0 };
    const next = { ...look, cluster, job: running };
    if (hasFailed(look, seen)) return refused(next, seen);
    const busy = seen.outcome === 'running' && job.operation !== undefined;
    const steady = seen.state === 'running' || seen.state === 'stopped' || seen.state === 'error';
    if (busy || !steady) return waiting(next, seen);
    if (job.cancel) return stopping(next);
    if (checking(look) && seen.state === 'running') return check(next, seen, job.attempt);
    return act(next);
  }

  /** The provider is at work, for this job or for somebody else. */
  function waiting(look: Look, seen: Observation): Decision {
    const { now } = look;
    const ours = look.job.intent?.act === 'update';
    const step = seen.step ?? (seen.state === 'unknown' ? 'The provider shows a state that KQueen does not know.' : '');
    const note = ours
      ? step || 'The provider is working on it.'
      : `Waiting: the provider is busy with something else${seen.step ? ` (${seen.step})` : ''}.`;
    let job = logged(atStep(look.job, steps, ours ? 1 : 0, now), now, note);
    job = { ...job, note };
    if (ours && seen.percent !== undefined) job.percent = Math.min(95, Math.round(seen.percent * 0.95));
    // The answer may have been lost: what runs now is what was asked for.
    if (ours && seen.state === 'updating') {
      if (seen.operation) job.operation = seen.operation;
      if (job.intent) job.intent = { ...job.intent, answered: true };
    }
    return { do: 'wait', ms: pollMs(job, look), job, cluster: look.cluster };
  }

  function act(look: Look): Decision {
    const { now } = look;
    const { percent: _percent, ...job } = look.job;
    const again = job.intent?.answered === true;
    const note = again ? 'Looking for what is left to be done.' : 'Asking the provider for the change.';
    const asking = atStep({ ...job, note }, steps, again ? 1 : 0, now);
    return {
      do: 'act',
      act: 'update',
      job: {
        ...(again ? asking : logged(asking, now, note)),
        intent: { act: 'update', at: now, answered: false },
      },
      cluster: look.cluster,
    };
  }

  function check(look: Look, seen: Observation, attempt: number): Decision {
    const { cluster, job, now, health, kubeconfig } = look;
    const late = now - (job.steps[checkStep]?.at ?? now) >= healthPatienceMs;
    if (kubeconfig instanceof Fault) {
      if ((kubeconfig.retryable || kubeconfig.kind === 'conflict') && !late) {
        return retryLater({ ...look, job: { ...job, attempt } }, kubeconfig);
      }
      return finished(look, seen, `but its nodes could not be looked at: ${kubeconfig.message}`);
    }
    const lacks = lacking(look);
    if (lacks === null) return finished(look, seen);
    if (late) return finished(look, seen, `but ${lacks}`);
    const note = `Waiting: ${lacks}.`;
    const worst = health?.conditions.find((condition) => condition.status !== 'True');
    const next = logged({ ...job, percent: 98, note }, now, worst ? `${note} ${worst.message}` : note);
    return { do: 'wait', ms: 2_000, job: next, cluster };
  }

  function finished(look: Look, seen: Observation, but?: string): Decision {
    const { cluster, job, now, kubeconfig, health } = look;
    const wanted = look.wanted instanceof Fault ? undefined : look.wanted;
    const took = formatDuration(now - (job.startedAt ?? job.requestedAt));
    const note = `${done} after ${took}${but ? `, ${but}` : ''}${/[.!?]$/.test(but ?? '') ? '' : '.'}`;
    const { failure: _failure, stopped: _stopped, ...fit } = released(cluster);
    const after: Cluster = { ...fit, phase: 'Ready', ...(off ? { stopped: true } : {}) };
    if (wanted) Object.assign(after, { spec: wanted.spec, summary: wanted.summary });
    const nodes = seen.nodes ?? wanted?.nodes;
    if (nodes !== undefined) after.nodes = nodes;
    const decision: Decision = { do: 'end', job: ended(job, 'Succeeded', now, note), cluster: after };
    if (typeof kubeconfig === 'string' && !look.shortLived) {
      decision.kubeconfig = kubeconfig;
      after.kubeconfig = true;
    }
    if (health) decision.health = health;
    return decision;
  }

  /** A multi-step change ends after the step that it is at. */
  function stopping(look: Look): Decision {
    const { job, now, cluster } = look;
    const { intent } = job;
    if (intent && !intent.answered && now - intent.at < settleMs) {
      const note = 'Stopping: making sure that the last request did not reach the provider.';
      return { do: 'wait', ms: 2_000, job: logged({ ...job, note }, now, note), cluster };
    }
    return cancelled(look, 'after the step it was at; what was done until then stays');
  }

  return {
    name,
    steps,
    wantsHealth(look) {
      const { seen } = look;
      if (off || seen instanceof Fault || !seen.mine) return false;
      if (seen.state === 'running') return checking(look) && seen.outcome !== 'running';
      return seen.state === 'error' && hasFailed(look, seen);
    },
    decide,

    acted(look, _act, outcome) {
      const { now, job, seen } = look;
      if (outcome instanceof Fault) {
        if (outcome.retryable || outcome.outcomeUnknown) return retryLater(look, outcome);
        return unchanged(look, outcome);
      }
      const intent = { act: 'update' as const, at: job.intent?.at ?? now, answered: true };
      if (outcome) {
        const note = 'The provider has accepted the request.';
        const begun = atStep({ ...job, intent, note, attempt: 0, operation: outcome.id }, steps, 1, now);
        return { do: 'wait', ms: look.poll?.first ?? 1_000, job: logged(begun, now, note), cluster: look.cluster };
      }
      const { operation: _over, ...rest } = { ...job, intent, attempt: 0 };
      if (off) return finished({ ...look, job: rest }, seen instanceof Fault ? { state: 'stopped', mine: true } : seen);
      const note = 'The provider is done; looking at the cluster itself.';
      const next = { ...logged(atStep(rest, steps, checkStep, now), now, note), note, percent: 96 };
      return { do: 'wait', ms: 100, job: next, cluster: look.cluster };
    },
  };
}

/** What the cluster's own API does not show yet, in words that follow "but"; null when all is as wanted. */
function lacking({ health, wanted, job }: Look): string | null {
  const status = (type: string) => health?.conditions.find((condition) => condition.type === type)?.status;
  if (!health || status('APIServerAvailable') !== 'True') return 'its API does not answer';
  const nodes = (wanted as Wanted | undefined)?.nodes;
  const counted = job.update?.nodes ?? job.update?.gateways;
  if (counted !== undefined && nodes !== undefined && health.nodes.length !== nodes) {
    return `${health.nodes.length} of ${nodes} nodes are there`;
  }
  if (status('EveryNodeReady') !== 'True') return 'not every node is ready';
  const version = job.update?.version;
  if (version !== undefined && health.version !== undefined && !sameVersion(health.version, version)) {
    return `its API still says version ${health.version}`;
  }
  return null;
}

/** Whether two spellings of a version are one: `v1.35.0` is `1.35.0`, and `1.35` is any 1.35. */
export function sameVersion(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => text.replace(/^v/, '').split(/[.+-]/));
  return (a ?? []).every((piece, index) => b?.[index] === undefined || b[index] === piece);
}

/** The end by a Fault of a change: the cluster stays as it is, and the reason is told with it. */
function unchanged(look: Look, fault: Fault): Decision {
  return failed(look, fault, look.cluster, 'Ready');
}

/** The provider could not carry it out. The cluster has failed only when it does not work any more. */
function refused(look: Look, seen: Observation): Decision {
  const broken =
    seen.state === 'error' &&
    look.health?.conditions.find(({ type }) => type === 'APIServerAvailable')?.status !== 'True';
  const fault = providerFault(
    seen,
    'The provider reports that the change failed.',
    broken
      ? 'Look at the provider, then press Retry to try the change again.'
      : 'The cluster still runs. Press Retry to try the change again.',
  );
  const decision = failed(look, fault, look.cluster, broken ? 'Failed' : 'Ready');
  if (look.health) decision.health = look.health;
  return decision;
}

function missing(look: Look): Decision {
  const { job } = look;
  const fault = new Fault('not-found', vanishedMessage, {
    whose: 'provider',
    next: 'Delete it to release its name, or look at the provider.',
  });
  // A single answer may come from a provider that is just recovering.
  if (job.attempt + 1 < missingLooks) return retryLater(look, fault);
  return failed(look, fault, look.cluster, 'Unknown');
}

function cancelled(look: Look, when: string): Decision {
  const note = `Cancelled by ${look.job.cancel?.byName ?? 'someone'} ${when}.`;
  return {
    do: 'end',
    job: ended(look.job, 'Cancelled', look.now, note),
    cluster: { ...released(look.cluster), phase: look.cluster.phase === 'Updating' ? 'Ready' : look.cluster.phase },
  };
}

function overdueFault(look: Look): Fault {
  return new Fault('internal', `It did not finish within ${formatDuration(look.job.allowedMs)}.`, {
    whose: 'provider',
    next: 'Look at the provider, then press Retry to go on.',
  });
}

/** Changes the number of nodes of a pool. */
export const scaleCluster = updateKind({ name: 'cluster.scale', change: 'Change the nodes', done: 'Scaled' });

/** Sets, or takes away, the bounds of the provider's autoscaler for a pool, or the rule of KQueen's own. */
export const autoscaleCluster = withOwnRule(
  updateKind({
    name: 'cluster.autoscale',
    change: 'Set the bounds',
    done: 'Autoscaling is set',
  }),
);

/** Upgrades Kubernetes: the control plane, then the pools. */
export const upgradeCluster = withStanding(
  updateKind({ name: 'cluster.upgrade', change: 'Upgrade', done: 'Upgraded' }),
);

/** Stops a cluster, so that it costs less. */
export const stopCluster = updateKind({ name: 'cluster.stop', change: 'Stop', done: 'Stopped' });

/** Starts a stopped cluster. */
export const startCluster = updateKind({ name: 'cluster.start', change: 'Start', done: 'Started' });

/** Turns the enforcement of network policies on or off. */
export const netpolOfCluster = updateKind({
  name: 'cluster.netpol',
  change: 'Change network policies',
  done: 'Changed',
});

/** Sets how many gateway nodes there are. */
export const gatewaysOfCluster = updateKind({
  name: 'cluster.gateways',
  change: 'Change the gateways',
  done: 'Scaled',
});
