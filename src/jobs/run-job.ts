/**
 * One tick of a job: load → observe → decide → act → save → next tick. Every save is one transaction with compare-and-swap on the job and its
 * cluster, so of two workers that hold the same tick one stops; a crash anywhere costs this tick and nothing else.
 */
import { asFault, Fault } from '../core/errors.ts';
import { jobKinds } from '../core/jobs/index.ts';
import {
  type Decision,
  failed,
  failedJob,
  type JobKind,
  type Look,
  overdue,
  retried,
  retryLater,
  settleMs,
} from '../core/jobs/kind.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Engines, Operation } from '../core/ports/engine.ts';
import type { Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue, TickRef } from '../core/ports/queue.ts';
import type { Change, Sealer, Store, Stored } from '../core/ports/store.ts';
import type { WorkStep } from '../core/ports/work.ts';
import { type Act, endedStates, type Job, type JobKindName, type Kind } from '../core/records.ts';
import { auditChange, endChanges, type Held, heldChanges } from './changes.ts';
import { expire } from './expire.ts';
import { actAt, type LookParts, lookAt, workAt } from './look.ts';
import { type JobMeters, noMeters, type TickResult } from './meters.ts';
import { openProvisioners } from './provisioners.ts';

/** Bounds of outside calls, in milliseconds. */
interface TickLimits {
  /** Asking the provider, or for a kubeconfig. */
  observeMs: number;
  /** Asking the provider for a change, counted from the saved intent. Less than `settleMs`, after which "absent" is believed. */
  actMs: number;
  /** Looking at a cluster through its own API. */
  probeMs: number;
}

const defaultLimits: TickLimits = { observeMs: 10_000, actMs: 12_000, probeMs: 8_000 };

/** Everything a worker's runner is made of. */
export interface RunnerParts {
  store: Store;
  sealer: Sealer;
  engines: Engines;
  kube: Kube;
  queue: Queue;
  clock: Clock;
  newId: NewId;
  log: Log;
  /** A number in [0, 1); spreads retries and ticks. */
  random?: () => number;
  limits?: Partial<TickLimits>;
  meters?: JobMeters;
}

export interface Runner {
  /** Carries out one tick. Throws a Fault `unreachable` when the store does not answer: the tick is lost, and the recovery sweep adds it again. */
  runTick(tick: TickRef): Promise<void>;
}

/** How often one tick begins anew after somebody else changed its records, such as an edit of the cluster's labels. */
const turns = 5;

type Turn = { end: TickResult; kind?: JobKindName } | 'again';

export function createRunner(parts: RunnerParts): Runner {
  const { store, queue, clock, log } = parts;
  const meters = parts.meters ?? noMeters;
  const random = parts.random ?? Math.random;
  const limits = { ...defaultLimits, ...parts.limits };
  if (limits.actMs >= settleMs) throw new Fault('bad-input', `actMs must be less than ${settleMs}.`);
  const looking: LookParts = { ...parts, limits, provisioners: openProvisioners(store, clock) };

  async function runTick(tick: TickRef): Promise<void> {
    const begun = clock.now();
    try {
      for (let turn = 1; turn <= turns; turn += 1) {
        const done = await once(tick);
        if (done === 'again') continue;
        meters.tickDone(done.kind ?? 'unknown', done.end, clock.now() - begun);
        return;
      }
      log.warn({ job: tick.job, tick: tick.tick }, 'the records of this job keep changing; its tick comes again');
      meters.tickDone('unknown', 'failed', clock.now() - begun);
    } catch (thrown) {
      meters.tickDone('unknown', 'failed', clock.now() - begun);
      throw thrown;
    }
  }

  async function once(tick: TickRef): Promise<Turn> {
    const found = await store.get({ kind: 'job', org: tick.org, id: tick.job });
    const job = found?.record;
    if (!found || !job || job.tick !== tick.tick || job.dueAt === undefined || endedStates.includes(job.state)) {
      return { end: 'dropped' };
    }
    const now = clock.now();
    if (job.state === 'AwaitingApproval') {
      if (now < job.dueAt) return { end: 'dropped', kind: job.kind };
      const expired = await expire(parts, found, now);
      if (!expired.commit.ok) return 'again';
      meters.jobEnded(job.kind, 'Expired', now - job.requestedAt);
      return { end: 'saved', kind: job.kind };
    }
    const begun: Job = {
      ...job,
      state: 'Running',
      startedAt: job.startedAt ?? now,
      deadlineAt: job.deadlineAt ?? now + job.allowedMs,
    };
    const cluster = await readable(store.get({ kind: 'cluster', org: job.org, id: job.cluster }));
    if (cluster instanceof Fault) return alone(found, begun, cluster);
    if (cluster?.record.openJob !== job.id) return alone(found, begun, lostCluster(job, cluster));
    return run({ job: found, cluster }, begun);
  }

  async function run(held: Held, begun: Job): Promise<Turn> {
    const { job } = held;
    const kind = jobKinds[begun.kind];
    const { look, client } = await lookAt(looking, kind, {
      job: begun,
      cluster: held.cluster.record,
      jitter: random(),
    });
    const decision = decided(look, () => kind.decide(look));
    const inside = decision.do === 'act' && decision.act === 'work';
    if (decision.do !== 'act' || (client instanceof Fault && !inside)) return finish(held, look, decision);

    // The saved intent is the fence: whoever loses this compare-and-swap never asks the provider for anything.
    const changes = heldChanges(held, decision.job, decision.cluster);
    const saved = await store.commit(changes);
    if (!saved.ok) return 'again';
    const after: Held = {
      job: { ...job, record: decision.job, revision: saved.revision },
      cluster: afterCommit(held.cluster, changes, saved.revision),
    };
    const asked = { ...look, job: decision.job, cluster: decision.cluster };
    if (client instanceof Fault) {
      const step = await workAt(looking, asked);
      return finish(after, asked, stepped(kind, { ...asked, now: clock.now() }, step));
    }
    const outcome = await actAt(looking, client, asked, decision.act);
    return finish(after, asked, acted(kind, { ...asked, now: clock.now() }, decision.act, outcome));
  }

  function acted(kind: JobKind, look: Look, act: Act, outcome: Operation | null | Fault): Decision {
    return decided(look, () => kind.acted(look, act, outcome));
  }

  function stepped(kind: JobKind, look: Look, step: WorkStep | Fault): Decision {
    return decided(look, () => {
      if (!kind.stepped) throw new Fault('internal', `${kind.name} has no steps of work.`, { retryable: false });
      return kind.stepped(look, step);
    });
  }

  /** A bug in a decision must not stop its job for ever: it is logged, tried again, and given up at the job's deadline. */
  function decided(look: Look, decide: () => Decision): Decision {
    try {
      return decide();
    } catch (thrown) {
      const fault = traced(thrown, look.job);
      return overdue(look) ? failed(look, fault) : retryLater(look, fault);
    }
  }

  function traced(thrown: unknown, job: Job): Fault {
    if (thrown instanceof Fault) return thrown;
    const correlation = parts.newId();
    const fault = asFault(thrown, `Something went wrong inside KQueen (reference ${correlation}).`);
    log.error({ job: job.id, correlation, detail: fault.detail }, 'a tick met an unexpected error');
    return fault;
  }

  async function finish(held: Held, look: Look, decision: Decision): Promise<Turn> {
    try {
      return await save(held, decision);
    } catch (thrown) {
      const fault = traced(thrown, look.job);
      if (fault.kind === 'unreachable') throw fault;
      // What was decided cannot be stored, and would not be the next time either: end the job on the records as they were read.
      log.error({ job: look.job.id, detail: fault.detail }, `a decision could not be saved: ${fault.message}`);
      const job = { ...held.job.record, startedAt: held.job.record.startedAt ?? look.now };
      return save(held, failed({ ...look, job, cluster: held.cluster.record }, fault));
    }
  }

  async function save(held: Held, decision: Decision): Promise<Turn> {
    const now = clock.now();
    const { kind } = decision.job;
    if (decision.do === 'end') {
      const saved = await store.commit(await endChanges(parts, held, decision, now));
      if (!saved.ok) return 'again';
      told(decision.job, now);
      return { end: 'saved', kind };
    }
    if (decision.do === 'act') throw new Fault('internal', 'An act must not be followed by an act in the same tick.');
    const next = withNextTick(decision.job, held.job.record, now + decision.ms * (1 + 0.1 * random()));
    const saved = await store.commit(heldChanges(held, next, decision.cluster));
    if (!saved.ok) return 'again';
    await addNext(next);
    return { end: 'saved', kind };
  }

  /** Waits or ends a job whose cluster cannot be read or is no longer its own; the cluster is not touched. */
  async function alone(found: Stored<'job'>, begun: Job, fault: Fault): Promise<Turn> {
    const now = clock.now();
    log.error({ job: begun.id, detail: fault.detail }, `a job without its cluster: ${fault.message}`);
    if (fault.retryable && now <= (begun.deadlineAt ?? now)) {
      const again = retried(begun, fault, now, random());
      const next = withNextTick(again.job, found.record, now + again.ms);
      const saved = await store.commit([{ op: 'put', ref: found.ref, record: next, if: found.revision }]);
      if (!saved.ok) return 'again';
      await addNext(next);
    } else {
      const next = { ...failedJob(begun, fault, now), tick: found.record.tick + 1 };
      const audit = auditChange(parts.newId, 'failed', next, now);
      const saved = await store.commit([{ op: 'put', ref: found.ref, record: next, if: found.revision }, audit]);
      if (!saved.ok) return 'again';
      told(next, now);
    }
    return { end: 'saved', kind: begun.kind };
  }

  /** The store has the next tick; the queue only hears of it sooner than from the sweep. */
  async function addNext(job: Job): Promise<void> {
    try {
      await queue.add({ org: job.org, job: job.id, tick: job.tick }, job.dueAt ?? clock.now());
    } catch (thrown) {
      log.warn({ job: job.id, tick: job.tick }, `the next tick waits for the sweep: ${asFault(thrown).message}`);
    }
  }

  function told(job: Job, now: number): void {
    if (job.state !== 'Succeeded' && job.state !== 'Failed' && job.state !== 'Cancelled') return;
    meters.jobEnded(job.kind, job.state, now - (job.startedAt ?? job.requestedAt));
    log.info({ job: job.id, kind: job.kind, state: job.state }, `job ended: ${job.note}`);
  }

  return { runTick };
}

/** A record, undefined, or why it cannot be read; a store that does not answer is thrown. */
async function readable<K extends Kind>(read: Promise<Stored<K> | undefined>): Promise<Stored<K> | undefined | Fault> {
  try {
    return await read;
  } catch (thrown) {
    const fault = asFault(thrown);
    if (fault.kind === 'unreachable') throw fault;
    return fault;
  }
}

function lostCluster(job: Job, cluster: Stored<'cluster'> | undefined): Fault {
  const message = cluster
    ? `Cluster ${job.clusterName} is no longer in the hands of this job.`
    : `The record of cluster ${job.clusterName} is gone.`;
  return new Fault('not-found', message, { whose: 'kqueen', retryable: false });
}

function withNextTick(job: Job, before: Job, at: number): Job {
  // Never later than just after its deadline, so that it is given up in time.
  const dueAt = Math.round(Math.min(at, (job.deadlineAt ?? at) + 1));
  return { ...job, tick: before.tick + 1, dueAt };
}

function afterCommit(before: Stored<'cluster'>, changes: Change[], revision: number): Stored<'cluster'> {
  for (const change of changes) {
    if (change.op === 'put' && change.ref.kind === 'cluster') {
      return { ref: before.ref, record: change.record as Stored<'cluster'>['record'], revision };
    }
  }
  return before;
}
