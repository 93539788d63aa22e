import type { Card } from '../card.ts';
import { formatLine } from '../line.ts';
import type { Approval, Job } from '../records.ts';
import { jobName } from '../words.ts';
import { jobTitle } from './job.ts';
import { planParts } from './plan.ts';

const outcomes: Record<Approval['state'], string> = {
  pending: 'your decision is asked',
  approved: 'approved',
  denied: 'denied',
  expired: 'expired, nobody decided in time',
  withdrawn: 'withdrawn, there is nothing to decide any more',
};

/** A request for approval as approvers see it: the plan and its cost, then Approve and Deny; after the decision, who decided and why. */
export function approvalCard(approval: Approval, job: Job): Card {
  const title = `${jobTitle(job)}: ${outcomes[approval.state]}`;
  const asked = `${approval.requesterName} asks: ${job.command}`;
  const decided = approval.deciderName
    ? `${approval.state === 'approved' ? 'Approved' : 'Denied'} by ${approval.deciderName}${approval.reason ? `: ${approval.reason}` : ''}.`
    : '';
  const pending = approval.state === 'pending';
  const card: Card = {
    title,
    tone: pending ? 'busy' : approval.state === 'approved' ? 'good' : approval.state === 'denied' ? 'bad' : 'warn',
    text: `${title}. ${asked}. ${decided}`.trim(),
    parts: [{ part: 'text', text: `${approval.requesterName} asks: \`${job.command}\`` }, ...planParts(job.plan)],
    buttons: [],
    footer: `Job ${jobName(job)}`,
  };
  if (decided) card.parts.unshift({ part: 'text', text: decided });
  if (pending) {
    card.parts.push({ part: 'time', label: 'Expires', at: approval.expiresAt });
    card.buttons.push(
      {
        label: 'Approve',
        command: formatLine('approve', ['job'], { job: job.id, plan: approval.planHash }),
        style: 'primary',
      },
      {
        label: 'Approve with a note',
        command: formatLine('approve', ['job'], { job: job.id, plan: approval.planHash, ask: 'note' }),
      },
      { label: 'Deny', command: formatLine('deny', ['job'], { job: job.id }), style: 'danger' },
    );
  }
  return card;
}
