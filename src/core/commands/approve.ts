import { z } from 'zod';
import { type Form, plainCard } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import { dyingOf, planCreate, planDelete } from '../plan.ts';
import { planAdopt, planDetach } from '../plan-adopt.ts';
import { baseOf, isChange, planChange, updateOf } from '../plan-change.ts';
import { planScaling } from '../plan-scaling.ts';
import { atLeast } from '../policy.ts';
import type { Change, Stored } from '../ports/store.ts';
import type { Approval, Job, Plan } from '../records.ts';
import { field } from '../schema.ts';
import { jobTitle } from '../views/job.ts';
import { planParts } from '../views/plan.ts';
import { jobName } from '../words.ts';
import { typedSpec } from './cluster-change.ts';
import { replanWork } from './cluster-work.ts';
import { findJob, jobField, movedFault, repeatAnswer, toCaller } from './common.ts';

/** The text form of the Approve button. The plan's hash says what the approver has seen. */
export const approve: Command = {
  name: 'approve',
  aliases: ['approval approve'],
  summary: 'Agree to a request',
  examples: ['approve k3f9x2ab', 'approve k3f9x2ab because the demo needs it', 'approve k3f9x2ab ask=note'],
  group: 'Jobs and approvals',
  policy: 'approval:decide',
  changes: true,
  args: z.object({
    job: jobField,
    reason: field(z.string().trim().max(500).optional(), { label: 'Reason', order: 2 }),
    ask: field(z.enum(['note']).optional(), {
      label: 'Ask',
      help: 'note: a form asks for a note before anything is decided.',
      order: 3,
    }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['job'],
  words: { because: 'reason' },
  async run(context, values) {
    const { job, approval } = await pending(context, values.job ?? '');
    const asksForNote = values.ask !== undefined && !values.reason && context.source !== 'form';
    if (asksForNote) return noteForm(job.record, values.plan ?? approval.record.planHash);
    const plan = await planNow(context, job.record);
    const seen = values.plan ?? approval.record.planHash;
    if (plan.hash !== seen) return stale(job.record, plan, values.reason);
    const { caller, now } = context;
    const decided: Approval = {
      ...approval.record,
      state: 'approved',
      planHash: plan.hash,
      decidedBy: caller.person,
      deciderName: caller.name,
      decidedAt: now,
    };
    if (values.reason) decided.reason = values.reason;
    const next: Job = {
      ...job.record,
      plan,
      state: 'Queued',
      tick: job.record.tick + 1,
      dueAt: now,
      note: 'Waiting for a free worker.',
      log: [
        ...job.record.log,
        { at: now, text: `Approved by ${caller.name}${values.reason ? `: ${values.reason}` : '.'}` },
      ],
    };
    return decide(context, job, approval, decided, next, [], 'approved', values.reason);
  },
};

/** The text form of the Deny button; a reason is asked for, because the person who asked will read it. */
export const deny: Command = {
  name: 'deny',
  aliases: ['approval deny', 'reject'],
  summary: 'Refuse a request, with a reason',
  examples: ['deny k3f9x2ab because the budget is used up'],
  group: 'Jobs and approvals',
  policy: 'approval:decide',
  changes: true,
  args: z.object({
    job: jobField,
    reason: field(z.string().trim().max(500).optional(), {
      label: 'Reason',
      help: 'The person who asked will read it. Without one it is asked for.',
      multiline: true,
      order: 2,
    }),
  }),
  positional: ['job'],
  words: { because: 'reason' },
  async run(context, values) {
    const { job, approval } = await pending(context, values.job ?? '');
    const { caller, now } = context;
    const reason = values.reason?.trim() ?? '';
    if (reason === '') return denyForm(context, job.record);
    const decided: Approval = {
      ...approval.record,
      state: 'denied',
      decidedBy: caller.person,
      deciderName: caller.name,
      decidedAt: now,
      reason,
    };
    const { dueAt: _due, ...rest } = job.record;
    const next: Job = {
      ...rest,
      state: 'Denied',
      endedAt: now,
      note: `Denied by ${caller.name}: ${reason}`,
      log: [...job.record.log, { at: now, text: `Denied by ${caller.name}: ${reason}` }],
    };
    return decide(context, job, approval, decided, next, await undoRequest(context, job.record), 'denied', reason);
  },
};

/** What goes with a yes, before it is one: under what is asked for, bound to the plan that was looked at. */
function noteForm(job: Job, plan: string): Answer {
  const form: Form = {
    title: `Approve ${jobName(job)}`,
    command: formatLine('approve', ['job'], { job: job.id, plan }),
    submit: 'Approve it',
    intro: `*${job.plan.title}*, asked for by ${job.requesterName}. Nothing is decided until you send this.`,
    fields: [
      {
        key: 'reason',
        label: 'Note',
        kind: 'multiline',
        required: false,
        help: `${job.requesterName} will read it; it stands on the job and in the audit. Empty: none.`,
        example: 'fine until Friday, please delete it then',
        maxLength: 500,
      },
    ],
    private: false,
  };
  return { audience: 'caller', form };
}

/** Asks for the reason alone, under what is asked for. */
function denyForm({ source }: Context, job: Job): Answer {
  const missing = 'Please give a reason.';
  const form: Form = {
    title: `Deny ${jobName(job)}`,
    command: formatLine('deny', ['job'], { job: job.id }),
    submit: 'Deny it',
    intro: `*${job.plan.title}*, asked for by ${job.requesterName}. Nothing of it has been done.`,
    fields: [
      {
        key: 'reason',
        label: 'Reason',
        kind: 'multiline',
        required: true,
        help: `${job.requesterName} will read it.`,
        example: 'the budget is used up',
        maxLength: 500,
        ...(source === 'form' ? { problem: missing } : {}),
      },
    ],
    private: false,
  };
  if (source !== 'form') return { audience: 'caller', form };
  return { audience: 'caller', form, problems: [{ field: 'reason', message: missing }] };
}

/**
 * The changes that take a request back of which nothing has been done yet: a new cluster goes, an existing one is free again. A retry's cluster
 * stays, because what the failed attempt left at the provider may still be there.
 */
export async function undoRequest(context: Context, job: Job): Promise<Change[]> {
  const ref = { kind: 'cluster', org: job.org, id: job.cluster } as const;
  const cluster = await context.store.get(ref);
  if (!cluster || cluster.record.openJob !== job.id) return [];
  if ((job.kind === 'cluster.create' || job.kind === 'cluster.adopt') && job.retryOf === undefined) {
    return [
      { op: 'delete', ref, if: cluster.revision },
      { op: 'delete', ref: { kind: 'name', org: job.org, id: `cluster.${cluster.record.name}` } },
    ];
  }
  const { openJob: _open, ...free } = cluster.record;
  // A retry of these has shown the failed cluster as requested, or as going, meanwhile.
  const shown = job.kind === 'cluster.create' || job.kind === 'cluster.delete';
  const phase = shown && job.retryOf !== undefined ? 'Failed' : free.phase;
  return [{ op: 'put', ref, record: { ...free, phase }, if: cluster.revision }];
}

interface Pending {
  job: Stored<'job'>;
  approval: Stored<'approval'>;
}

/** The change that takes a pending request for approval back, if the job has one. */
export async function withdrawApproval(context: Context, job: Job): Promise<Change[]> {
  const found = await context.store.get({ kind: 'approval', org: job.org, id: job.id });
  if (found?.record.state !== 'pending') return [];
  const record: Approval = { ...found.record, state: 'withdrawn', decidedAt: context.now };
  return [{ op: 'put', ref: found.ref, record, if: found.revision }];
}

/** The open request of a job, or the Fault that says honestly how it stands and why this person cannot decide. */
async function pending(context: Context, name: string): Promise<Pending> {
  const { caller, store, now } = context;
  const job = await findJob(context, name);
  const approval = await store.get({ kind: 'approval', org: caller.org, id: job.record.id });
  if (!approval) throw new Fault('conflict', `${jobTitle(job.record)} needs no approval.`);
  const { record } = approval;
  if (record.state !== 'pending' || record.expiresAt <= now) {
    const how =
      record.state === 'pending'
        ? 'has expired'
        : record.deciderName
          ? `was ${record.state} by ${record.deciderName}`
          : `is ${record.state}`;
    throw new Fault('conflict', `${jobTitle(job.record)} ${how}, so there is nothing to decide.`, {
      next: `See job show ${job.record.id}.`,
    });
  }
  if (record.requestedBy === caller.person) {
    throw new Fault('not-allowed', 'You asked for this yourself, so another person decides.', {
      next: `Ask a person with the role ${record.role}.`,
    });
  }
  if (!atLeast(caller.role, record.role)) {
    throw new Fault('not-allowed', `Deciding needs the role ${record.role}; you are a ${caller.role}.`, {
      next: `Ask a person with the role ${record.role}.`,
    });
  }
  return { job, approval };
}

/** The plan as it would be made now; what cannot be asked at the moment keeps its recorded value. */
async function planNow(context: Context, job: Job): Promise<Plan> {
  const { store, engines } = context;
  const cluster = await store.get({ kind: 'cluster', org: job.org, id: job.cluster });
  // What a member would need: a request that waits for approval needed one, whoever asked.
  const asker = { person: job.requestedBy, name: job.requesterName, role: 'member' as const, org: job.org };
  if (job.kind === 'cluster.delete' && cluster) {
    const health = context.cache.get({ kind: 'health', org: job.org, id: job.cluster });
    const plan = planDelete(cluster.record, engines.get(cluster.record.engine), health && dyingOf(health), asker);
    return plan.hash === job.plan.hash ? job.plan : { ...plan, approval: job.plan.approval };
  }
  if (cluster && job.kind === 'cluster.work') {
    const plan = await replanWork(context, cluster.record, job, asker);
    return plan.hash === job.plan.hash ? job.plan : { ...plan, approval: job.plan.approval };
  }
  if (cluster && job.kind === 'cluster.detach') {
    const plan = planDetach(cluster.record, engines.get(cluster.record.engine), asker);
    return plan.hash === job.plan.hash ? job.plan : { ...plan, approval: job.plan.approval };
  }
  if (cluster && job.scaling) {
    const plan = planScaling(cluster.record, engines.get(cluster.record.engine), job.scaling, asker);
    return plan.hash === job.plan.hash ? job.plan : { ...plan, approval: job.plan.approval };
  }
  const provisioner = await store.get({ kind: 'provisioner', org: job.org, id: job.provisioner });
  if (!cluster || !provisioner) {
    throw new Fault('stale-plan', 'What this request rests on is gone: its provisioner was removed.', {
      next: 'Deny it, and ask for it again elsewhere.',
    });
  }
  const engine = engines.get(provisioner.record.engine);
  if (!engine) throw new Fault('unsupported', `The engine ${provisioner.record.engine} is not allowed here any more.`);
  if (job.kind === 'cluster.adopt') {
    const plan = planAdopt(cluster.record, engine, asker);
    return plan.hash === job.plan.hash ? job.plan : { ...plan, approval: job.plan.approval };
  }
  const options = await context.options(provisioner.record, typedSpec(cluster.record.spec, engine));
  if (isChange(job.kind) && job.update) {
    const { kind, update } = job;
    const plan = planChange({ kind, cluster: cluster.record, engine, update: updateOf(update), options }, asker);
    if (plan.hash === job.plan.hash || (!options && job.base === baseOf(cluster.record))) return job.plan;
    return { ...plan, approval: job.plan.approval };
  }
  if (!options) return job.plan;
  const { name, spec, purpose, labels, owner, ownerName } = cluster.record;
  const plan = planCreate(
    {
      name,
      provisioner: provisioner.record,
      engine,
      spec,
      purpose,
      owner: { person: owner, name: ownerName },
      labels,
      options,
    },
    asker,
  );
  // A price unknown then and known now is news.
  return { ...plan, approval: job.plan.approval };
}

function stale(job: Job, plan: Plan, reason: string | undefined): Answer {
  const values: Record<string, string> = { job: job.id, ...(reason ? { reason } : {}), plan: plan.hash };
  const text = 'The plan has changed since it was shown. Nothing was decided; this is the plan now.';
  return toCaller({
    title: `${jobTitle(job)}: the plan has changed`,
    tone: 'warn',
    text,
    parts: [{ part: 'text', text }, ...planParts(plan)],
    buttons: [
      { label: 'Approve the new plan', command: formatLine('approve', ['job'], values), style: 'primary' },
      { label: 'Deny', command: formatLine('deny', ['job'], { job: job.id }), style: 'danger' },
    ],
  });
}

async function decide(
  context: Context,
  job: Stored<'job'>,
  approval: Stored<'approval'>,
  decided: Approval,
  next: Job,
  more: Change[],
  outcome: 'approved' | 'denied',
  reason: string | undefined,
): Promise<Answer> {
  const says = `You have ${outcome} ${jobTitle(next)} (${jobName(next)}).`;
  const done = await context.effect(
    [
      { op: 'put', ref: approval.ref, record: decided, if: approval.revision },
      { op: 'put', ref: job.ref, record: next, if: job.revision },
      ...more,
    ],
    {
      action: 'approval',
      outcome,
      subject: next.clusterName,
      says,
      job: next.id,
      approval: decided.id,
      ...(reason ? { reason } : {}),
    },
  );
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) {
    const now = await context.store.get(approval.ref);
    if (now && now.record.state !== 'pending') {
      throw new Fault('conflict', `${now.record.deciderName ?? 'Somebody'} was faster: it is ${now.record.state}.`, {
        next: `See job show ${next.id}.`,
      });
    }
    throw movedFault('The request');
  }
  if (outcome === 'approved') context.tick(next);
  return {
    ...toCaller(
      plainCard(outcome === 'approved' ? 'Approved' : 'Denied', says, outcome === 'approved' ? 'good' : 'plain'),
    ),
    receipt: true,
  };
}
