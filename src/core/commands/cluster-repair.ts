import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { field } from '../schema.ts';
import { repairRule } from './cluster-repair-rule.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';
import { orForced } from './node-drain.ts';
import {
  afterField,
  afterOf,
  forceField,
  isYes,
  nodeField,
  planField,
  retiring,
  withinField,
  withinOf,
} from './node-fields.ts';

const slackMs = 600_000;

/** Finds dead nodes and replaces them. */
export const clusterRepair: Command = {
  name: 'cluster repair',
  aliases: ['node replace', 'node repair'],
  summary: 'Replace nodes that are dead, one by its name, or by a rule',
  examples: [
    'cluster repair dev-1',
    'cluster repair dev-1 dev-1-node-2',
    'cluster repair dev-1 after=30m',
    'cluster repair dev-1 auto on limit=2/h',
    'cluster repair dev-1 auto off',
  ],
  group: 'Nodes',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    node: nodeField.optional(),
    mode: field(z.enum(['on', 'off']).optional(), {
      label: 'By a rule',
      help: 'With auto in place of a node: turns the rule on or off.',
      order: 12,
    }),
    limit: field(z.string().trim().optional(), {
      label: 'Most an hour',
      help: 'With auto on: how many nodes the rule may replace in an hour.',
      example: '2/h',
      order: 13,
    }),
    after: afterField,
    timeout: withinField,
    force: forceField,
    plan: planField,
  }),
  positional: ['cluster', 'node', 'mode'],
  async run(context, values) {
    if (values.node === 'auto') return repairRule(context, values);
    refuseRuleWords(values);
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

/** What only a rule has is not passed over in silence. */
function refuseRuleWords({ mode, limit }: Record<string, string>): void {
  const field = mode !== undefined ? 'mode' : limit !== undefined ? 'limit' : undefined;
  if (field === undefined) return;
  throw new Fault('bad-input', 'That belongs to the repair rule.', {
    field,
    next: 'Write cluster repair <cluster> auto on limit=2/h.',
  });
}
