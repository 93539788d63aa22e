import type { Part } from '../card.ts';
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
