import { z } from 'zod';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';
import { enforcedBy, peersField, peersIn, ruledNamespace } from './network-fields.ts';

/** Keeps everything out of a namespace that no rule lets through. */
export const networkDeny: Command = {
  name: 'network deny',
  summary: 'Keep all out of a namespace but what is let through',
  examples: ['network deny dev-1 shop', 'network deny dev-1 shop from=same,ingress direction=in'],
  group: 'Network and images',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    namespace: ruledNamespace,
    direction: field(z.enum(['both', 'in']).default('both'), {
      label: 'Direction',
      help: 'both: what comes in and what goes out, but names (DNS); in: only what comes in.',
      order: 3,
    }),
    from: peersField(
      'Who may come in all the same: same (this namespace), ingress, outside, or namespaces.',
      'Let in',
      4,
    ),
    to: peersField('What its pods may reach all the same: same, outside (the internet), or namespaces.', 'Let out', 5),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'namespace'],
  words: { in: 'namespace', from: 'from', to: 'to' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { plan, namespace = '', direction = 'both', from, to } = values;
    const rules = [
      { kind: 'deny', direction },
      ...peersIn(from).map((peer) => ({ kind: 'from', peer })),
      ...peersIn(to).map((peer) => ({ kind: 'to', peer })),
    ];
    const line = { cluster: found.record.name, namespace, direction, ...(from ? { from } : {}), ...(to ? { to } : {}) };
    return work(context, found, {
      ...{ op: 'network.set', title: `Keep out of ${namespace} in`, button: 'Keep out', plan },
      input: { namespace, rules, ...(await enforcedBy(context, found.record)) },
      line: lineOf(networkDeny, line),
    });
  },
};
