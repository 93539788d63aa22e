import { z } from 'zod';
import { type Answer, type Command, lineOf } from '../command.ts';
import { field, fieldsOf } from '../schema.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';
import { enforcedBy, peersField, peersIn, ruledNamespace } from './network-fields.ts';

/** Lets something into a namespace, or its pods out to something. */
export const networkAllow: Command = {
  name: 'network allow',
  summary: 'Let something into a namespace, or out of it',
  examples: ['network allow dev-1 shop from=web', 'network allow dev-1 shop from=ingress to=outside'],
  group: 'Network and images',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    namespace: ruledNamespace,
    from: peersField('Who may come in: same (this namespace), ingress, outside, or names of namespaces.', 'Let in', 3),
    to: peersField('What its pods may reach: same, outside (the internet), or names of namespaces.', 'Let out', 4),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'namespace'],
  words: { in: 'namespace', from: 'from', to: 'to' },
  async run(context, values): Promise<Answer> {
    const found = await workable(context, values.cluster ?? '');
    const { plan, namespace = '', from, to } = values;
    const rules = [
      ...peersIn(from).map((peer) => ({ kind: 'from', peer })),
      ...peersIn(to).map((peer) => ({ kind: 'to', peer })),
    ];
    const named = { cluster: found.record.name, namespace };
    if (rules.length === 0) {
      return {
        audience: 'caller',
        form: {
          title: `Let through at ${namespace}`.slice(0, 60),
          command: lineOf(networkAllow, named),
          submit: 'Show the plan',
          fields: fieldsOf(networkAllow.args).filter(({ key }) => key === 'from' || key === 'to'),
          private: false,
        },
      };
    }
    return work(context, found, {
      ...{ op: 'network.set', title: `Let through at ${namespace} in`, button: 'Let through', plan },
      input: { namespace, rules, ...(await enforcedBy(context, found.record)) },
      line: lineOf(networkAllow, { ...named, ...(from ? { from } : {}), ...(to ? { to } : {}) }),
    });
  },
};
