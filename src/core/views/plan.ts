import type { Card, Part } from '../card.ts';
import { costText } from '../plan.ts';
import type { Plan } from '../records.ts';

/** The parts that show a plan: what will be made, where, what it costs, whom it disturbs, who decides and why. */
export function planParts(plan: Plan): Part[] {
  const parts: Part[] = [
    {
      part: 'facts',
      facts: [
        ...plan.facts,
        { label: 'Cost', value: costText(plan) },
        { label: 'Disturbs', value: plan.disturbs },
        {
          label: 'Approval',
          value: plan.approval.needed ? `Needed: ${plan.approval.why}.` : `Not needed: ${plan.approval.why}.`,
        },
      ],
    },
  ];
  for (const warning of plan.warnings ?? []) parts.push({ part: 'text', text: `*Careful*: ${warning}` });
  if (plan.detail) parts.push({ part: 'code', text: plan.detail });
  if (plan.cost?.excludes.length) parts.push({ part: 'note', text: `Not included: ${plan.cost.excludes.join(', ')}.` });
  if (plan.notice) parts.push({ part: 'note', text: plan.notice });
  return parts;
}

/**
 * A plan that waits for its click. `line` is the canonical command without the plan, `button` what carries it out; `moved` when another plan was seen,
 * which does not hold any more.
 */
export function proposalCard(
  plan: Plan,
  { line, button, moved }: { line: string; button: string; moved: boolean },
): Card {
  const text = moved
    ? 'What you saw no longer holds. This is the plan now; nothing was done.'
    : `Nothing happens until you press ${button}.`;
  return {
    title: moved ? `${plan.title}: the plan has changed` : `${plan.title}?`,
    tone: moved ? 'warn' : 'plain',
    text: moved ? text : `This is the plan. ${text}`,
    parts: [{ part: 'text', text }, ...planParts(plan)],
    buttons: [{ label: button, command: `${line} plan=${plan.hash}`, style: 'primary' }],
    footer: `Plan ${plan.hash}`,
  };
}
