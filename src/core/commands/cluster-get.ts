import { z } from 'zod';
import type { Button } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import { field } from '../schema.ts';
import { clusterField, findCluster } from './common.ts';
import { lookedCard, openToLook } from './look-into.ts';

/** What can be looked at: names in the registry of src/kube/views. */
export const lookable = [
  ...['namespaces', 'nodes', 'deployments', 'pods', 'services', 'volumes', 'images', 'events', 'urls', 'topology'],
] as const;

/** A namespace to look at; without it, all of them. */
export const someNamespace = field(
  z
    .string()
    .trim()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'Use the name of a namespace, such as default.')
    .optional(),
  { label: 'Namespace', help: 'Without it, all of them.', order: 3 },
);

/** What is in a cluster, read from its own API. */
export const clusterGet: Command = {
  name: 'cluster get',
  summary: 'What is in a cluster: nodes, pods, services, events',
  examples: ['cluster get pods dev-1', 'cluster get events dev-1 namespace=shop', 'cluster get topology dev-1'],
  group: 'Clusters',
  policy: 'cluster:get',
  changes: false,
  args: z.object({
    what: field(z.enum(lookable), { label: 'What', example: 'pods', order: 0 }),
    cluster: clusterField,
    namespace: someNamespace,
    page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 4 }),
  }),
  positional: ['what', 'cluster'],
  words: { in: 'namespace', of: 'cluster' },
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const kubeconfig = await openToLook(context, cluster);
    const { what = 'pods', namespace = '', page = '1' } = values;
    const args = { cluster: cluster.name, namespace, page };
    const seen = await context.kube.look(kubeconfig, what, args, context.call(10_000));
    const next = (label: string, other: string): Button[] =>
      other === what ? [] : [{ label, command: lineOf(clusterGet, { what: other, cluster: cluster.name, namespace }) }];
    const buttons = [...next('Pods', 'pods'), ...next('Events', 'events'), ...next('Topology', 'topology')];
    return lookedCard(context, cluster, seen, buttons);
  },
};
