import { z } from 'zod';
import type { Command } from '../command.ts';
import { Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import { field } from '../schema.ts';
import { backupField, demandSource, readableBackup } from './backup-fields.ts';
import { backupCard } from './backup-show.ts';
import { demand, findCluster } from './common.ts';
import { openToLook } from './look-into.ts';

/** A backup against a cluster as it is now, or against another backup. */
export const backupDiff: Command = {
  name: 'backup diff',
  summary: 'What differs between a backup and a cluster now',
  examples: ['backup diff k3f9x2', 'backup diff k3f9x2 cluster=dev-2', 'backup diff k3f9x2 against=p8w2mm'],
  group: 'Backups',
  policy: 'cluster:access',
  changes: false,
  args: z.object({
    backup: backupField,
    cluster: field(z.string().trim().min(1).optional(), {
      label: 'Cluster',
      help: 'Without it, the one that the backup is of.',
      example: 'dev-2',
      order: 2,
    }),
    against: field(z.string().trim().min(1).max(40).optional(), {
      label: 'Another backup',
      help: 'Compared with instead of a cluster.',
      order: 3,
    }),
  }),
  positional: ['backup'],
  words: { with: 'against', of: 'cluster' },
  async run(context, values) {
    const record = await readableBackup(context, values.backup ?? '');
    const source = await demandSource(context, record);
    demandOwn(record.by, record.id);
    const { org, cluster, id } = record;
    const restore = formatLine('backup restore', ['backup'], { backup: id });
    const args = { org, cluster, id };
    if (values.against !== undefined) {
      const other = await readableBackup(context, values.against);
      await demandSource(context, other);
      demandOwn(other.by, other.id);
      const both = { ...args, otherCluster: other.cluster, otherId: other.id };
      const seen = await context.kube.lookKept('backup.diff', both, context.call(20_000));
      return backupCard(context, record, seen, []);
    }
    if (values.cluster === undefined && !source) {
      throw new Fault('not-found', `Cluster ${record.clusterName}, which backup ${id} is of, is gone.`, {
        field: 'cluster',
        next: `Name another: backup diff ${id} cluster=…`,
      });
    }
    const target = values.cluster === undefined ? source : (await findCluster(context, values.cluster)).record;
    if (!target) throw new Fault('internal', 'There is no cluster to compare with.');
    demand(context, 'cluster:access', [target.owner]);
    const kubeconfig = await openToLook(context, target);
    const look = { ...args, name: target.name };
    const seen = await context.kube.look(kubeconfig, 'backup.diff', look, context.call(20_000));
    const to = target.id === cluster ? '' : ` to=${target.name}`;
    return backupCard(context, record, seen, [{ label: 'Restore', command: `${restore}${to}` }]);
  },
};

function demandOwn(by: 'kqueen' | 'velero', id: string): void {
  if (by === 'kqueen') return;
  throw new Fault('unsupported', `Backup ${id} is kept by Velero, so KQueen cannot read what is in it.`, {
    next: `Use \`velero backup describe kqueen-${id} --details\`.`,
  });
}
