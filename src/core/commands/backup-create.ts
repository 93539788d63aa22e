import { z } from 'zod';
import { type BackupWish, backupInput, backupMs, backupOps, newBackup } from '../backup.ts';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { field } from '../schema.ts';
import { isYes, namespacesField, namespacesOf } from './backup-fields.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';

/** Keeps what is in a cluster outside of it. */
export const backupCreate: Command = {
  name: 'backup create',
  aliases: ['cluster backup'],
  summary: 'Keep what is in a cluster, outside of it',
  examples: ['backup create dev-1', 'backup create dev-1 namespaces=shop,cart secrets=yes'],
  group: 'Backups',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    namespaces: namespacesField,
    secrets: field(z.boolean().default(false), {
      label: 'Secrets as well',
      help: 'Sealed with the key of KQueen. Without it they are left out, and what needs them is named.',
      order: 4,
    }),
    snapshots: field(z.boolean().default(false), {
      label: 'Snapshots of volumes',
      help: 'Where the cluster can make VolumeSnapshots. Without it volumes are kept as objects alone.',
      order: 5,
    }),
    by: field(z.enum(['kqueen', 'velero']).default('kqueen'), {
      label: 'Kept by',
      help: 'velero: where Velero is installed in the cluster, with its own storage.',
      order: 6,
    }),
    as: field(z.string().optional(), { label: 'Its id', order: 98 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster'],
  words: { in: 'namespaces' },
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const cluster = found.record;
    // The id is that of the first asking, so that the plan and the click on it mean one backup.
    const id = values.as ?? context.newId(6);
    if (!/^[a-z0-9]{4,20}$/.test(id)) {
      throw new Fault('bad-input', 'The id of a backup is made by KQueen.', { field: 'as', next: 'Leave it out.' });
    }
    const by = values.by === 'velero' ? 'velero' : 'kqueen';
    const wish: BackupWish = {
      ...{ id, org: cluster.org, cluster: cluster.id, clusterName: cluster.name, owner: cluster.owner, by },
      namespaces: namespacesOf(values.namespaces),
      secrets: isYes(values.secrets),
      snapshots: isYes(values.snapshots),
    };
    const taken = await context.store.get({ kind: 'backup', org: wish.org, id });
    if (taken && cluster.openJob !== taken.record.job) {
      throw new Fault('conflict', `Backup ${id} was asked for before.`, {
        next: `See backup show ${id}, or ask for another with backup create ${cluster.name}.`,
      });
    }
    const { namespaces, secrets, snapshots } = wish;
    return work(context, found, {
      ...{ op: backupOps[by], title: 'Back up', button: 'Back it up', plan: values.plan, allowedMs: backupMs },
      input: backupInput(wish),
      line: lineOf(backupCreate, {
        cluster: cluster.name,
        namespaces: namespaces.join(','),
        secrets: secrets ? 'yes' : '',
        snapshots: snapshots ? 'yes' : '',
        by: by === 'velero' ? by : '',
        as: id,
      }),
      alsoOf: (job) => [{ op: 'put', ref: { kind: 'backup', org: wish.org, id }, record: newBackup(wish, job), if: 0 }],
    });
  },
};
