import { z } from 'zod';
import type { Button } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import { refusal } from '../policy.ts';
import { field } from '../schema.ts';
import { clusterField, findCluster } from './common.ts';
import { lookedCard, openToLook } from './look-into.ts';

/** The nodes of a cluster, one by one, with what can be done with each. */
export const nodeList: Command = {
  name: 'node list',
  aliases: ['nodes'],
  summary: 'Show the nodes of a cluster, and what can be done with each',
  examples: ['node list dev-1', 'nodes dev-1'],
  group: 'Nodes',
  policy: 'cluster:get',
  changes: false,
  args: z.object({
    cluster: clusterField,
    page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 4 }),
  }),
  positional: ['cluster'],
  words: { of: 'cluster', in: 'cluster' },
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const kubeconfig = await openToLook(context, cluster);
    const may = refusal('cluster:update', context.caller, [cluster.owner]) === null && !cluster.readOnly;
    const args = {
      cluster: cluster.name,
      page: values.page ?? '1',
      ...(may ? { change: 'yes', repair: 'yes' } : {}),
    };
    const seen = await context.kube.look(kubeconfig, 'node-list', args, context.call(10_000));
    const again: Button = { label: 'Look again', command: lineOf(nodeList, { cluster: cluster.name }) };
    const check: Button = { label: 'Check', command: `cluster check ${cluster.name}` };
    const repair: Button = { label: 'Repair', command: `cluster repair ${cluster.name}`, style: 'primary' };
    return lookedCard(context, cluster, seen, [...(may && seen.bad ? [repair] : []), again, check]);
  },
};
