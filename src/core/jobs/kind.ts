/**
 * A job is a record, not a running function. Each tick: load → observe (never writes) → decide (pure) → act → save → report → next tick.
 *
 * Terms: a *tick* is one turn of a job, fenced by compare-and-swap on its revision; an *act* is a call that changes the provider; an *intent* is the
 * saved word that an act is about to be done; a *look* is everything a tick has seen.
 */
import { backoffMs, Fault } from '../errors.ts';
import type { NodePool, Observation, Operation } from '../ports/engine.ts';
import type { ClusterHealth } from '../ports/kube.ts';
import type { WorkStep } from '../ports/work.ts';
import type { Act, Cluster, Job, JobKindName, Step } from '../records.ts';
import { scrub } from '../secrets.ts';

/** Everything a tick has seen before it decides. */
export interface Look {
  job: Job;
  cluster: Cluster;
  /** What the provider shows, or why it could not be asked. */
  seen: Observation | Fault;
  /** The cluster as it is to be after the job's update, by its engine; a Fault for an update that cannot be. */
  wanted?: Wanted | Fault;
  /** Its kubeconfig is good for a while only, and is never stored. */
  shortLived?: boolean;
  /** How often this engine may be asked about one operation, when it says so itself. */
  poll?: { first: number; longest: number };
  /** Present when the kind asked for it (`wantsHealth`) and the provider gave a kubeconfig; a Fault when it did not. */
  kubeconfig?: string | Fault;
  /** What the cluster's own API shows, when there is a kubeconfig. */
  health?: ClusterHealth;
  now: number;
  /** Random in [0, 1), spreads retries. */
  jitter: number;
}

/** A cluster's parameters after an update, and what they come to. */
export interface Wanted {
  spec: Record<string, unknown>;
  summary: string;
  /** Nodes of all pools; absent when the provider's autoscaler decides on some of them. */
  nodes?: number;
}

/** What a tick does next, with the whole new records; nothing is saved that is not in here. */
export type Decision =
  /** Save the intent, call the engine, then `acted` decides with its answer. */
  | { do: 'act'; act: Act; job: Job; cluster: Cluster }
  | { do: 'wait'; ms: number; job: Job; cluster: Cluster }
  | {
      do: 'end';
      job: Job;
      /** Null removes the record and releases the name: only after the provider says that the cluster is gone. */
      cluster: Cluster | null;
      /** Sealed and kept with the cluster. */
      kubeconfig?: string;
      health?: ClusterHealth;
    };

/** Registered in `jobKinds`; by that it is run, recovered and part of the kill matrix. */
export interface JobKind {
  name: JobKindName;
  /** Names of its steps in order, for people. */
  steps: readonly string[];
  /** What a tick asks before it decides; absent: the provider, and what `wantsHealth` wants. */
  watches?(job: Job): { provider: boolean; credentials: boolean };
  /** Whether this tick wants the kubeconfig and the health of the cluster as well. */
  wantsHealth(look: Look): boolean;
  decide(look: Look): Decision;
  /** The engine's answer to the act of this tick: an operation, null (nothing to do), or a Fault. */
  acted(look: Look, act: Act, outcome: Operation | null | Fault): Decision;
  /** What the step of work of this tick came to; only for a kind whose act is `work`. */
  stepped?(look: Look, outcome: WorkStep | Fault): Decision;
}

/** How long to wait before looking again: a tenth of the operation's age, between 1 and 15 seconds or what the engine says. */
export function pollMs(job: Job, { now, poll }: Pick<Look, 'now' | 'poll'>): number {
  const { first, longest } = poll ?? { first: 1_000, longest: 15_000 };
  const age = now - (job.intent?.at ?? job.startedAt ?? now);
  return Math.min(longest, Math.max(first, Math.round(age / 10)));
}

/** The same job with one more line in its log; consecutive equal lines are kept once. */
export function logged(job: Job, at: number, text: string): Job {
  if (job.log.at(-1)?.text === text) return job;
  return { ...job, log: [...job.log, { at, text }].slice(-50) };
}

/** The same job with the step at `index` under way, those before it done, those after it open. */
export function atStep(job: Job, names: readonly string[], index: number, now: number): Job {
  const steps = names.map((name, position): Step => {
    const before = job.steps[position];
    const state = position < index ? 'done' : position === index ? 'doing' : 'todo';
    if (before && before.state === state) return before;
    return state === 'todo' ? { name, state } : { name, state, at: now };
  });
  return { ...job, steps };
}

/** All fields of an ended job. */
export function ended(job: Job, state: 'Succeeded' | 'Failed' | 'Cancelled', now: number, note: string): Job {
  const { dueAt: _due, ...rest } = job;
  const steps = job.steps.map((step): Step => {
    if (state === 'Succeeded') return step.state === 'done' ? step : { ...step, state: 'done', at: now };
    return step.state === 'doing' ? { ...step, state: 'failed', at: now } : step;
  });
  const done: Job = { ...rest, state, endedAt: now, note, steps };
  if (state === 'Succeeded') done.percent = 100;
  return logged(done, now, note);
}

/** The cluster without its open job. */
export function released(cluster: Cluster): Cluster {
  const { openJob: _open, ...rest } = cluster;
  return rest;
}

/** The job after a Fault that may pass, and how long to wait: back-off by its kind, said in the note. */
export function retried(job: Job, fault: Fault, now: number, jitter: number): { job: Job; ms: number } {
  const attempt = job.attempt + 1;
  const note = `${fault.message} Trying again (attempt ${attempt + 1}).`;
  return {
    job: logged({ ...job, state: 'Waiting', attempt, note }, now, fault.message),
    ms: backoffMs(fault, attempt, jitter, 1_000, 30_000),
  };
}

/** A waiting decision after a Fault that may pass. */
export function retryLater(look: Look, fault: Fault): Decision {
  return { do: 'wait', ...retried(look.job, fault, look.now, look.jitter), cluster: look.cluster };
}

/** Longest text of a provider that a job keeps, in characters; the end of a log is what says why. */
const longestDetail = 16_000;

/** The job ended by a Fault. */
export function failedJob(job: Job, fault: Fault, now: number): Job {
  const failure: NonNullable<Job['failure']> = { kind: fault.kind, message: fault.message, correlation: job.id };
  if (fault.next) failure.next = fault.next;
  // A fault of KQueen's own has its stack there, which is for the log alone.
  if (fault.detail && fault.whose !== 'kqueen') failure.detail = scrub(fault.detail).slice(-longestDetail);
  return { ...ended(job, 'Failed', now, fault.message), failure };
}

/** The end of a job by a Fault; the cluster gets the reason and the phase, and stays. */
export function failed(
  look: Look,
  fault: Fault,
  cluster: Cluster = look.cluster,
  phase: Cluster['phase'] = 'Failed',
): Extract<Decision, { do: 'end' }> {
  const reason: NonNullable<Cluster['failure']> = { message: fault.message, at: look.now };
  if (fault.next) reason.next = fault.next;
  return {
    do: 'end',
    job: failedJob(look.job, fault, look.now),
    cluster: { ...released(cluster), phase, failure: reason },
  };
}

/** What the provider says of a failed operation, as a Fault. */
export function providerFault(seen: Observation, otherwise: string, next: string): Fault {
  return new Fault('internal', seen.message ?? otherwise, {
    whose: 'provider',
    next,
    ...(seen.detail ? { detail: seen.detail } : {}),
  });
}

/** Facts of the cluster that the provider has told. */
export function withObservation(cluster: Cluster, seen: Observation): Cluster {
  const { leftovers: _left, ...known } = cluster;
  const next: Cluster = { ...known };
  if (seen.pools) next.pools = seen.pools.map(poolOf);
  if (seen.leftovers?.length) next.leftovers = seen.leftovers;
  if (seen.endpoint) next.endpoint = seen.endpoint;
  if (seen.version) next.version = seen.version;
  if (seen.nodes !== undefined) next.nodes = seen.nodes;
  if (seen.externalId) next.externalId = seen.externalId;
  if (seen.notes?.length) next.notes = seen.notes;
  return next;
}

/** A pool as it is stored. */
function poolOf(pool: NodePool): NonNullable<Cluster['pools']>[number] {
  const { name, nodes, size, version, bounds, autoscale } = pool;
  return {
    ...{ name, nodes },
    ...(size === undefined ? {} : { size }),
    ...(version === undefined ? {} : { version }),
    ...(bounds === undefined ? {} : { bounds }),
    ...(autoscale === undefined ? {} : { autoscale }),
  };
}

/** True when the job has run longer than it may. */
export function overdue(look: Look): boolean {
  return look.job.deadlineAt !== undefined && look.now > look.job.deadlineAt;
}

export const vanishedMessage = 'It vanished at the provider: nothing is there any more.';

/** How long an unanswered create may still arrive at the provider after its intent was saved. */
export const settleMs = 20_000;

/** True while a create of this cluster may still be on its way to the provider, so that "absent" proves nothing yet. */
export function createInFlight(look: Look): boolean {
  const intent = look.job.intent;
  return intent?.act === 'create' && !intent.answered && look.now - intent.at < settleMs;
}
