import { z } from 'zod';
import { readBy } from '../backup.ts';
import { plainCard } from '../card.ts';
import type { Command } from '../command.ts';
import { Fault } from '../errors.ts';
import { endedStates } from '../records.ts';
import { field } from '../schema.ts';
import { ago } from '../words.ts';
import { backupField, demandSource, findBackup, sizeOf, stateOf } from './backup-fields.ts';
import { confirmByName, movedFault, repeatAnswer, toPlace } from './common.ts';

/** Takes a backup away for good. */
export const backupDelete: Command = {
  name: 'backup delete',
  summary: 'Delete a backup',
  examples: ['backup delete k3f9x2', 'backup delete k3f9x2 confirm=k3f9x2'],
  group: 'Backups',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    backup: backupField,
    confirm: field(z.string().trim().optional(), { label: 'Type its id', order: 2 }),
  }),
  positional: ['backup'],
  async run(context, values) {
    const found = await findBackup(context, values.backup ?? '');
    const { record, ref, revision } = found;
    await demandSource(context, record);
    const { id, clusterName, createdAt } = record;
    const state = await stateOf(context, record);
    if (state === 'making' || state === 'waiting') {
      throw new Fault('conflict', `Backup ${id} is being made.`, {
        next: `Cancel it first: job cancel ${record.job}.`,
      });
    }
    const reader = context.cache.query('job', record.org, {
      where: (job) => !endedStates.includes(job.state) && readBy(job)?.id === id,
      limit: 1,
    }).items[0];
    if (reader) {
      throw new Fault('conflict', `Backup ${id} is being restored by job #${reader.id}.`, {
        next: 'Wait for its end, then delete the backup.',
      });
    }
    if (values.confirm !== id) {
      const size = sizeOf(record);
      const asked = {
        title: `Delete backup ${id}?`,
        command: `backup delete ${id}`,
        submit: 'Delete it',
        intro: `The backup of ${clusterName}, made ${ago(context.now - createdAt)}${size ? ` (${size})` : ''}, is deleted for good.${record.by === 'velero' ? ` Velero keeps its own: delete that with \`velero backup delete kqueen-${id}\`.` : ''}`,
        ...{ name: id, to: 'delete', nothing: 'Nothing was deleted.' },
      };
      return confirmByName(context, asked, values.confirm);
    }
    const says = `Backup ${id} of ${clusterName} is being deleted.`;
    // What Velero keeps is not KQueen's to delete: only the record of it goes.
    const change =
      record.by === 'velero'
        ? ({ op: 'delete', ref, if: revision } as const)
        : ({ op: 'put', ref, record: { ...record, state: 'deleting' }, if: revision } as const);
    const effect = { action: 'backup.delete', outcome: 'requested' as const, subject: clusterName, says };
    const done = await context.effect([change], effect);
    if (done.ok === 'repeat') return repeatAnswer(done.delivery);
    if (!done.ok) throw movedFault(`Backup ${id}`);
    return toPlace(plainCard(`Deleting backup ${id}`, says, 'warn'));
  },
};
