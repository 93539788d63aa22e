/** Work on backups in the registry of works, for an installation that has or has not a place for them. */
import type { WorkOperation } from '../operation.ts';
import { createBackup } from '../works/backup-create.ts';
import { veleroBackup, veleroRestore } from '../works/backup-velero.ts';
import { restoreBackup } from '../works/restore.ts';
import type { BackupPlace } from './place.ts';

export function backupWorks(place: BackupPlace): Record<string, WorkOperation> {
  const all = [createBackup(place), restoreBackup(place), veleroBackup, veleroRestore];
  return Object.fromEntries(all.map((each) => [each.op, each]));
}
