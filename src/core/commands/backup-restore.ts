import { z } from 'zod';
import { backupMs, restoreOps } from '../backup.ts';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { field } from '../schema.ts';
import { backupField, demandSource, isYes, namespacesField, namespacesOf, readableBackup } from './backup-fields.ts';
import { work, workable } from './cluster-work.ts';

/** Brings what a backup holds into a cluster: its own or another. */
export const backupRestore: Command = {
  name: 'backup restore',
  summary: 'Bring a backup back, into its cluster or another',
  examples: ['backup restore k3f9x2', 'backup restore k3f9x2 to=dev-2 namespaces=shop existing=overwrite'],
  group: 'Backups',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    backup: backupField,
    to: field(z.string().trim().min(1).optional(), {
      label: 'Into cluster',
      help: 'Without it, the one that the backup is of.',
      example: 'dev-2',
      order: 2,
    }),
    namespaces: namespacesField,
    existing: field(z.enum(['skip', 'overwrite']).default('skip'), {
      label: 'What is there already',
      help: 'skip: it stays as it is. overwrite: it is set to what the backup has.',
      order: 4,
    }),
    snapshots: field(z.boolean().default(false), {
      label: 'Volumes from snapshots',
      help: 'Claims begin with the snapshots of the backup, where it has some.',
      order: 5,
    }),
    as: field(z.string().optional(), { label: 'Its id', order: 98 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['backup'],
  words: { in: 'namespaces', into: 'to' },
  async run(context, values) {
    const record = await readableBackup(context, values.backup ?? '');
    const source = await demandSource(context, record);
    const name = values.to ?? source?.name;
    if (name === undefined) {
      throw new Fault('not-found', `Cluster ${record.clusterName}, which backup ${record.id} is of, is gone.`, {
        field: 'to',
        next: `Name another: backup restore ${record.id} to=…`,
      });
    }
    const found = await workable(context, name);
    const cluster = found.record;
    const namespaces = namespacesOf(values.namespaces);
    const missing = record.namespaces ? namespaces.filter((each) => !record.namespaces?.includes(each)) : [];
    if (missing.length > 0) {
      throw new Fault('bad-input', `Backup ${record.id} does not hold the namespace ${missing.join(', ')}.`, {
        field: 'namespaces',
        next: `It holds ${record.namespaces?.join(', ')}.`,
      });
    }
    const existing = values.existing === 'overwrite' ? 'overwrite' : 'skip';
    const snapshots = isYes(values.snapshots);
    // The restore marks what it makes by this id; it is that of the first asking, so that plan and click mean one.
    const restore = values.as ?? context.newId(8);
    const { org, id } = record;
    const same = cluster.id === record.cluster;
    return work(context, found, {
      ...{
        op: restoreOps[record.by],
        title: `Restore backup ${id} of ${record.clusterName} into`,
        button: 'Restore it',
      },
      ...{ plan: values.plan, allowedMs: backupMs },
      input: {
        ...{ backup: { org, cluster: record.cluster, id }, source: record.clusterName, same, restore },
        ...{ namespaces, existing, snapshots },
      },
      line: lineOf(backupRestore, {
        ...{ backup: id, to: cluster.name, namespaces: namespaces.join(','), existing },
        snapshots: snapshots ? 'yes' : '',
        as: restore,
      }),
    });
  },
};
