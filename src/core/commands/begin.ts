/** What all changes of a cluster that is there share at their beginning: one transaction, and the words for it. */
import { plainCard } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import type { Change, Stored } from '../ports/store.ts';
import type { Cluster, Job } from '../records.ts';
import { jobName } from '../words.ts';
import { movedFault, repeatAnswer, toCaller, withApproval } from './common.ts';

/** A job that is asked for, and what is said of it. */
export interface Asked {
  /** As it is without an approval. */
  job: Job;
  /** What goes into the same transaction; `also` is told the job as it is recorded. */
  changes?: Change[];
  also?(job: Job): Change[];
  /** What the cluster is shown as from now on, unless somebody decides first. */
  phase?: Cluster['phase'];
  /** For the audit; absent: the job's kind. */
  action?: string;
  /** Absent: what the plan says. */
  approval?: boolean;
  /** "Cluster dev-1 is being scaled." */
  begins: string;
  /** "Detaching dev-1", before "is asked for; an admin decides."; absent: the plan's title. */
  doing?: string;
}

/** Records the job with, by its plan, the request for approval, has the cluster held by it, and begins. */
export async function begin(
  context: Context,
  { record, ref, revision }: Stored<'cluster'>,
  asked: Asked,
): Promise<Answer> {
  const { plan } = asked.job;
  const waits = asked.approval ?? plan.approval.needed;
  const waiting = waits ? withApproval(context, asked.job) : null;
  const job = waiting?.job ?? asked.job;
  const phase = waits ? record.phase : (asked.phase ?? record.phase);
  const says = waits ? `${asked.doing ?? plan.title} is asked for; an ${plan.approval.role} decides.` : asked.begins;
  const done = await context.effect(
    [
      ...(asked.changes ?? []),
      ...(waiting ? [waiting.change] : []),
      ...(asked.also?.(job) ?? []),
      { op: 'put', ref: { kind: 'job', org: job.org, id: job.id }, record: job, if: 0 },
      { op: 'put', ref, record: { ...record, openJob: job.id, phase }, if: revision },
    ],
    { action: asked.action ?? job.kind, outcome: 'requested', subject: record.name, says, job: job.id },
  );
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) throw movedFault(`Cluster ${record.name}`);
  context.tick(job);
  const card = plainCard(plan.title, `${says} Its message here shows how it goes.`, 'busy');
  return { ...toCaller({ ...card, footer: `Job ${jobName(job)}` }), receipt: true };
}

/** The answer for a person who asks for what they have asked for already. */
export function askedAlready(job: Job): Answer {
  return repeatAnswer({ effect: `You have asked for this already; it is job ${jobName(job)}.`, job: job.id });
}
