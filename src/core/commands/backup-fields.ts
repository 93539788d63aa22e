/** What the commands of backups share: their fields, finding one by its id, and who may. */
import { z } from 'zod';
import { standingOf } from '../backup.ts';
import type { Context } from '../command.ts';
import { Fault } from '../errors.ts';
import type { Stored } from '../ports/store.ts';
import type { Backup, Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { formatBytes } from '../units.ts';
import { demand } from './common.ts';

const list = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\s*,\s*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** The id of a backup. */
export const backupField = field(z.string().trim().min(1).max(40), {
  label: 'Backup',
  help: 'Its id, as in backup list.',
  example: 'k3f9x2',
  order: 1,
});

/** Namespaces with commas between them. */
export const namespacesField = field(
  z
    .string()
    .trim()
    .max(600)
    .regex(list, 'Write names of namespaces with commas between them, such as shop,cart.')
    .optional(),
  { label: 'Namespaces', help: 'Without it, all of them.', example: 'shop,cart', order: 3 },
);

/** The namespaces of such a value, each once, in order. */
export function namespacesOf(value: string | undefined): string[] {
  const names = (value ?? '').split(',').map((each) => each.trim());
  return [...new Set(names.filter((each) => each !== ''))].sort();
}

/** Whether a switch was set. */
export function isYes(value: string | undefined): boolean {
  return /^(yes|true|on)$/i.test(value ?? '');
}

/** The backup of that id, in the caller's own organisation. */
export async function findBackup(context: Context, name: string): Promise<Stored<'backup'>> {
  const id = name.trim().replace(/^#/, '').toLowerCase();
  const found = /^[a-z0-9]{1,40}$/.test(id)
    ? await context.store.get({ kind: 'backup', org: context.caller.org, id })
    : undefined;
  if (found) return found;
  throw new Fault('not-found', `There is no backup ${id.slice(0, 40)}.`, {
    field: 'backup',
    next: 'Write backup list to see them.',
  });
}

/** A backup that can be read; a Fault that says why it cannot. */
export async function readableBackup(context: Context, name: string): Promise<Backup> {
  const { record } = await findBackup(context, name);
  const state = await stateOf(context, record);
  if (record.by === 'kqueen' && state !== 'kept' && state !== 'partial') {
    throw new Fault('conflict', `Backup ${record.id} cannot be read: it ${stateWords[state]}.`, {
      next: state === 'failed' ? 'Make another with backup create.' : 'See backup list.',
    });
  }
  return record;
}

/** How a backup stands now. */
export async function stateOf(context: Context, backup: Backup): Promise<ReturnType<typeof standingOf>> {
  if (backup.state !== 'making') return backup.state;
  const job = await context.store.get({ kind: 'job', org: backup.org, id: backup.job });
  return standingOf(backup, job?.record);
}

/** A state in words that follow "it". */
export const stateWords: Record<ReturnType<typeof standingOf>, string> = {
  kept: 'is kept',
  partial: 'is kept, and not whole',
  making: 'is being made',
  waiting: 'waits for approval',
  failed: 'failed',
  deleting: 'is being deleted',
};

/** Lets pass who may do as they like with the cluster that a backup is of; of one that is gone, its last owner and admins. */
export async function demandSource(context: Context, backup: Backup): Promise<Cluster | undefined> {
  const cluster = await context.store.get({ kind: 'cluster', org: backup.org, id: backup.cluster });
  demand(context, 'cluster:update', [cluster?.record.owner ?? backup.owner]);
  return cluster?.record;
}

/** "412 objects, 1.2 MiB", or ''. */
export function sizeOf({ objects, bytes }: Backup): string {
  return objects === undefined ? '' : `${objects} objects, ${formatBytes(bytes ?? 0)}`;
}
