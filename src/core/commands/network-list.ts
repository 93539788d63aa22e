import { z } from 'zod';
import type { Button } from '../card.ts';
import type { Command } from '../command.ts';
import { formatLine } from '../line.ts';
import { atLeast } from '../policy.ts';
import { someNamespace } from './cluster-get.ts';
import { netpolLine } from './cluster-netpol.ts';
import { clusterField, findCluster } from './common.ts';
import { lookedCard, openToLook } from './look-into.ts';
import { enforcedBy } from './network-fields.ts';

/** The network policies in a cluster, in words. */
export const networkList: Command = {
  name: 'network list',
  aliases: ['networks'],
  summary: 'Which pods may talk to which, in words',
  examples: ['network list dev-1', 'network list dev-1 shop'],
  group: 'Network and images',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField, namespace: someNamespace }),
  positional: ['cluster', 'namespace'],
  words: { in: 'namespace', of: 'cluster' },
  async run(context, values) {
    const { record: cluster } = await findCluster(context, values.cluster ?? '');
    const kubeconfig = await openToLook(context, cluster);
    const { namespace = '' } = values;
    const { enforced = '' } = await enforcedBy(context, cluster);
    const args = { cluster: cluster.name, namespace, enforced };
    const seen = await context.kube.look(kubeconfig, 'network', args, context.call(10_000));
    const { caller } = context;
    const may = (cluster.owner === caller.person || atLeast(caller.role, 'admin')) && !cluster.readOnly;
    const deny = formatLine('network deny', ['cluster', 'namespace'], { cluster: cluster.name, namespace });
    const buttons: Button[] = [
      ...(may && enforced === 'no' ? [{ label: 'Enforce them', command: netpolLine(cluster.name, true) }] : []),
      ...(may ? [{ label: 'Keep out', command: deny }] : []),
    ];
    // A row that would remove a rule is for those who may.
    const parts = may
      ? seen.parts
      : seen.parts.map((part) =>
          part.part === 'rows' ? { ...part, rows: part.rows.map(({ buttons: _buttons, ...row }) => row) } : part,
        );
    return lookedCard(context, cluster, { ...seen, parts }, buttons);
  },
};
