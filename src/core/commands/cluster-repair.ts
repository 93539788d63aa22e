import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';
import { orForced } from './node-drain.ts';
import { durationOf, forceField, isYes, nodeField, planField, retiring, withinField, withinOf } from './node-fields.ts';

/** How long a node is out of service before it counts as dead, in milliseconds: what GKE's auto-repair waits, and Cluster API's usual rule. */
export const usualAfterMs = 600_000;

const slackMs = 600_000;

/** How long a node has to be out of service. */
export const afterField = field(z.string().trim().optional(), {
  label: 'Out of service for',
  help: 'How long a node has to be not ready until it counts as dead, such as 10m (the default).',
  example: '10m',
  order: 3,
});

/** Reads `after`, in milliseconds. */
export function afterOf(values: Record<string, string>): number {
  return durationOf(values.after, { field: 'after', usual: usualAfterMs, least: 60_000, most: 86_400_000 });
}

/** Finds dead nodes and replaces them. */
export const clusterRepair: Command = {
  name: 'cluster repair',
  aliases: ['node replace', 'node repair'],
  summary: 'Replace nodes that are dead, or one by its name',
  examples: ['cluster repair dev-1', 'cluster repair dev-1 dev-1-node-2', 'cluster repair dev-1 after=30m'],
  group: 'Clusters',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    node: nodeField.optional(),
    after: afterField,
    timeout: withinField,
    force: forceField,
    plan: planField,
  }),
  positional: ['cluster', 'node'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { node, plan, timeout, after } = values;
    const force = isYes(values.force);
    const withinMs = withinOf(values);
    const afterMs = afterOf(values);
    const named = {
      cluster: found.record.name,
      ...(node ? { node } : {}),
      ...(after ? { after } : {}),
      ...(timeout ? { timeout } : {}),
    };
    const line = lineOf(clusterRepair, { ...named, ...(force ? { force: 'yes' } : {}) });
    const input = {
      ...(node ? { node } : {}),
      ...{ afterMs, withinMs, by: 'replace', force },
      ...retiring(context, found.record),
    };
    const title = node ? `Replace node ${node} of` : 'Repair';
    const wish = { op: 'node.repair', title, button: node ? 'Replace it' : 'Repair it', plan, line, input };
    return orForced(() => work(context, found, { ...wish, allowedMs: withinMs * 4 + 6 * slackMs }), {
      label: 'Replace it all the same',
      command: lineOf(clusterRepair, { ...named, force: 'yes' }),
    });
  },
};
