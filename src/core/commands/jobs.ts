import { z } from 'zod';
import { plainCard } from '../card.ts';
import { type Command, type Context, lineOf } from '../command.ts';
import { workSecret } from '../connect.ts';
import { engineAt } from '../engine-at.ts';
import { Fault } from '../errors.ts';
import { pastRunsOf } from '../eta.ts';
import { baseOf, isChange } from '../plan-change.ts';
import type { Change } from '../ports/store.ts';
import { type Cluster, endedStates, type Job } from '../records.ts';
import { field } from '../schema.ts';
import { formatDuration } from '../units.ts';
import { approvalCard } from '../views/approval.ts';
import { jobCard, jobTitle } from '../views/job.ts';
import { jobName, jobWords, stamp, zoneOf } from '../words.ts';
import { undoRequest, withdrawApproval } from './approve.ts';
import { busyFault, demand, findJob, jobField, movedFault, newJob, repeatAnswer, seeJob, toCaller } from './common.ts';

const perPage = 10;

/** The jobs of the organisation, newest first. */
export const jobs: Command = {
  name: 'jobs',
  aliases: ['job list'],
  summary: 'What runs and what ran',
  examples: ['jobs', 'jobs running', 'jobs mine page=2'],
  group: 'Jobs and approvals',
  policy: 'job:list',
  changes: false,
  args: z.object({
    show: field(z.enum(['all', 'mine', 'running', 'failed']).default('all'), { label: 'Which', order: 1 }),
    page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 2 }),
  }),
  positional: ['show'],
  async run(context, values) {
    const { cache, caller, now } = context;
    const show = values.show ?? 'all';
    const page = Number(values.page ?? 1);
    const where = (job: Job): boolean => {
      if (show === 'mine') return job.requestedBy === caller.person;
      if (show === 'running') return !endedStates.includes(job.state);
      return show === 'failed' ? job.state === 'Failed' : true;
    };
    const rows = cache.query('job', caller.org, {
      where,
      descending: true,
      offset: (page - 1) * perPage,
      limit: perPage,
    });
    if (rows.total === 0)
      return toCaller(plainCard('Jobs', show === 'all' ? 'There are no jobs yet.' : `No jobs match "${show}".`));
    const pages = Math.ceil(rows.total / perPage);
    const turn = (to: number, label: string) => ({ label, command: lineOf(jobs, { show, page: String(to) }) });
    return toCaller({
      title: `Jobs, page ${page} of ${pages}`,
      tone: 'plain',
      text: `${rows.total} jobs.`,
      parts: [
        {
          part: 'table',
          columns: ['Job', 'What', 'State', 'Who', 'Took'],
          rows: rows.items.map((job) => [
            jobName(job),
            jobTitle(job),
            jobWords[job.state],
            job.requesterName,
            formatDuration((job.endedAt ?? now) - (job.startedAt ?? job.requestedAt)),
          ]),
        },
      ],
      buttons: [
        ...(page > 1 ? [turn(page - 1, 'Previous page')] : []),
        ...(page < pages ? [turn(page + 1, 'Next page')] : []),
      ],
    });
  },
};

/** One job with its log. An open request is shown as its approver sees it. */
export const jobShow: Command = {
  name: 'job show',
  aliases: ['job status'],
  summary: 'One job with its steps and log',
  examples: ['job show k3f9x2ab'],
  group: 'Jobs and approvals',
  policy: 'job:list',
  changes: false,
  args: z.object({ job: jobField }),
  positional: ['job'],
  async run(context, values) {
    const { cache, caller, now } = context;
    const job = await seeJob(context, values.job ?? '');
    const approval = cache.get({ kind: 'approval', org: caller.org, id: job.id });
    const cluster = cache.get({ kind: 'cluster', org: caller.org, id: job.cluster });
    const health = cache.get({ kind: 'health', org: caller.org, id: job.cluster });
    const capabilities = engineAt(context, job)?.capabilities;
    const decidable = approval?.state === 'pending' && approval.requestedBy !== caller.person;
    const card = decidable
      ? approvalCard(approval, job)
      : jobCard(job, { approval, cluster, health, capabilities, now, past: pastRunsOf(cache, job) });
    const lines = job.log.slice(-20).map(({ at, text }) => `${stamp(at, context.zone).slice(11)} ${text}`);
    return toCaller({
      ...card,
      parts: [
        ...card.parts,
        { part: 'text', text: `Asked for with \`${job.command}\`.` },
        { part: 'code', text: lines.join('\n') },
        ...(job.failure?.detail ? [{ part: 'note' as const, text: 'The provider said more: see the log.' }] : []),
        { part: 'note', text: `Times of the log are those of ${zoneOf(context.zone)}.` },
      ],
      buttons: card.buttons.filter(({ command }) => !command?.startsWith('job show')),
    });
  },
};

/** Ends a job: at once while nothing has been done, else by taking back what was made. */
export const jobCancel: Command = {
  name: 'job cancel',
  aliases: ['cancel', 'job stop'],
  summary: 'Stop a job and take back what it made',
  examples: ['job cancel k3f9x2ab'],
  group: 'Jobs and approvals',
  policy: 'job:control',
  changes: true,
  args: z.object({ job: jobField }),
  positional: ['job'],
  async run(context, values) {
    const { caller, now } = context;
    const found = await findJob(context, values.job ?? '');
    const job = found.record;
    demand(context, 'job:control', [job.requestedBy]);
    if (endedStates.includes(job.state)) {
      throw new Fault('conflict', `${jobTitle(job)} has ended: ${jobWords[job.state]}.`, {
        next: `See job show ${job.id}.`,
      });
    }
    const begun = job.startedAt !== undefined;
    const refusedWhy = begun ? cannotStop(job) : null;
    if (refusedWhy) throw new Fault('unsupported', refusedWhy);
    if (begun && job.cancel) throw new Fault('conflict', `${job.cancel.byName} is cancelling it already.`);
    const says = begun
      ? `${jobTitle(job)} is being cancelled; ${takenBack(job)}.`
      : `${jobTitle(job)} is cancelled; nothing had been done.`;
    const log = [...job.log, { at: now, text: `Cancelled by ${caller.name}.` }].slice(-50);
    const changes: Change[] = [];
    let next: Job;
    if (begun) {
      next = {
        ...job,
        cancel: { by: caller.person, byName: caller.name, at: now },
        tick: job.tick + 1,
        dueAt: now,
        note: 'Cancelling.',
        log,
      };
    } else {
      const { dueAt: _due, ...rest } = job;
      next = {
        ...rest,
        state: 'Cancelled',
        endedAt: now,
        note: `Cancelled by ${caller.name} before anything was done.`,
        log,
      };
      changes.push(...(await undoRequest(context, job)));
      changes.push(...(await withdrawApproval(context, job)));
    }
    changes.push({ op: 'put', ref: found.ref, record: next, if: found.revision });
    const done = await context.effect(changes, {
      action: 'job.cancel',
      outcome: begun ? 'requested' : 'done',
      subject: job.clusterName,
      says,
      job: job.id,
    });
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault('The job');
    if (begun) context.tick(next);
    return { ...toCaller(plainCard('Cancelled', says, 'warn')), receipt: true };
  },
};

/** Why a job that has begun cannot be stopped; null when it can. */
function cannotStop(job: Job): string | null {
  if (job.kind === 'cluster.create') return null;
  if (job.kind === 'cluster.delete')
    return 'A deletion that has begun cannot be stopped: the provider is already removing it.';
  // Nothing has been asked of the provider, or the change has several steps.
  if (job.intent === undefined || job.kind === 'cluster.upgrade' || job.kind === 'cluster.work') return null;
  return `${jobTitle(job)} cannot be stopped any more: the provider is already at it. Wait for it, then change it back.`;
}

/** What becomes of what was done, in words that follow a semicolon. */
function takenBack(job: Job): string {
  if (job.kind === 'cluster.create') return 'what was made is removed again';
  return job.intent === undefined
    ? 'nothing has been changed'
    : 'it stops after the step it is at, and what is done stays';
}

/** Tries a failed job again with the same specification, as a new job on the same cluster. */
export const jobRetry: Command = {
  name: 'job retry',
  aliases: ['retry'],
  summary: 'Try a failed job again',
  examples: ['job retry k3f9x2ab'],
  group: 'Jobs and approvals',
  policy: 'job:control',
  changes: true,
  args: z.object({ job: jobField }),
  positional: ['job'],
  async run(context, values) {
    const { store, newId } = context;
    const { record: job } = await findJob(context, values.job ?? '');
    demand(context, 'job:control', [job.requestedBy]);
    if (job.state !== 'Failed') throw new Fault('conflict', `${jobTitle(job)} has not failed: ${jobWords[job.state]}.`);
    const cluster = await store.get({ kind: 'cluster', org: job.org, id: job.cluster });
    if (!cluster)
      throw new Fault('not-found', `Cluster ${job.clusterName} is gone, so there is nothing to try again.`, {
        next: 'Ask for a new one.',
      });
    if (cluster.record.openJob) throw await busyFault(context, cluster.record);
    demandRetryable(job, cluster.record);
    // The retry does what was agreed to, no more: the same plan, the same provisioner, the same specification.
    const next: Job = {
      ...newJob(context, {
        id: newId(8),
        kind: job.kind,
        cluster: job.cluster,
        clusterName: job.clusterName,
        provisioner: job.provisioner,
        engine: job.engine,
        plan: job.plan,
        command: job.command,
        nodes: job.nodes,
      }),
      retryOf: job.id,
      allowedMs: job.allowedMs,
      ...(job.update ? { update: job.update } : {}),
      ...(job.base ? { base: job.base } : {}),
      ...(job.work ? { work: withNewTime(job.work) } : {}),
    };
    const says = `${jobTitle(job)} is tried again.`;
    const { failure: _failure, ...rest } = cluster.record;
    const done = await context.effect(
      [
        {
          op: 'put',
          ref: cluster.ref,
          record: { ...rest, openJob: next.id, phase: phaseOfRetry(job, rest) },
          if: cluster.revision,
        },
        { op: 'put', ref: { kind: 'job', org: job.org, id: next.id }, record: next, if: 0 },
        ...(await bulkOfRetry(context, job, next)),
      ],
      { action: 'job.retry', outcome: 'requested', subject: job.clusterName, says, job: next.id },
    );
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault('The cluster');
    context.tick(next);
    return { ...toCaller(plainCard('Trying again', `${says} Job ${jobName(next)}.`, 'busy')), receipt: true };
  },
};

/** The work as the failed job left it; what it counts its time from (`since`) begins anew, so that it is not over before it begins. */
function withNewTime(work: NonNullable<Job['work']>): NonNullable<Job['work']> {
  const { since: _since, ...progress } = work.progress;
  return { ...work, progress };
}

/** What was sealed for the failed job, sealed for its retry, which goes on from the last step that was saved. */
async function bulkOfRetry(context: Context, job: Job, next: Job): Promise<Change[]> {
  if (!job.work?.bulk) return [];
  const from = workSecret(job.org, job.id);
  const kept = await context.store.get(from);
  if (!kept) {
    throw new Fault('not-found', `What ${jobTitle(job)} was to apply is not kept any more.`, {
      next: `Ask for it anew: ${job.command}.`,
    });
  }
  const ref = workSecret(next.org, next.id);
  const sealed = context.sealer.seal(ref, context.sealer.open(from, kept.record.sealed));
  return [
    { op: 'put', ref, record: { v: 1, id: ref.id, org: ref.org, sealed } },
    { op: 'delete', ref: from },
  ];
}

/** Throws when the cluster is no longer as the failed job left it. */
function demandRetryable(job: Job, cluster: Cluster): void {
  const moved = new Fault('conflict', `Cluster ${job.clusterName} has moved on: it is ${cluster.phase}.`);
  // Its steps look at what is there before they change it, so going on is safe whatever happened since.
  if (job.kind === 'cluster.work') {
    if (cluster.phase !== 'Ready') throw moved;
    return;
  }
  if (isChange(job.kind)) {
    if (cluster.phase !== 'Ready' && cluster.phase !== 'Failed') throw moved;
    if (job.base !== baseOf(cluster)) {
      throw new Fault(
        'stale-plan',
        `Cluster ${job.clusterName} has been changed since, so what was agreed to no longer holds.`,
        {
          next: `Ask for it anew: ${job.command}.`,
        },
      );
    }
    return;
  }
  if (job.kind !== 'cluster.detach' && cluster.phase !== 'Failed') throw moved;
}

/** How a cluster is shown from the click on Retry on; changes say it when they begin. */
function phaseOfRetry(job: Job, cluster: Pick<Cluster, 'phase'>): Cluster['phase'] {
  if (job.kind === 'cluster.create') return 'Requested';
  return job.kind === 'cluster.delete' ? 'Deleting' : cluster.phase;
}
