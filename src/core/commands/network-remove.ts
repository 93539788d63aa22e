import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';
import { ruledNamespace } from './network-fields.ts';

/** Takes rules of KQueen's away. */
export const networkRemove: Command = {
  name: 'network remove',
  summary: 'Take network rules of a namespace away again',
  examples: ['network remove dev-1 shop', 'network remove dev-1 shop kqueen-from-web'],
  group: 'Network and images',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    namespace: ruledNamespace,
    rule: field(
      z
        .string()
        .trim()
        .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'Use the name of a rule, as network list shows it.')
        .optional(),
      { label: 'Rule', help: "Without it, all that KQueen made there; others' stay.", order: 3 },
    ),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'namespace', 'rule'],
  words: { in: 'namespace' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { plan, namespace = '', rule } = values;
    return work(context, found, {
      ...{ op: 'network.remove', title: `Remove network rules of ${namespace} in`, button: 'Remove them', plan },
      input: { namespace, ...(rule ? { name: rule } : {}) },
      line: lineOf(networkRemove, { cluster: found.record.name, namespace, ...(rule ? { rule } : {}) }),
    });
  },
};
