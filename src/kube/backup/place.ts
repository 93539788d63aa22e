/** Where backups are kept, for what reads and writes them. */
import { Fault } from '../../core/errors.ts';
import type { Archive, Vault } from '../../core/ports/archive.ts';

/** What an installation keeps backups with; without an archive it keeps none. */
export interface BackupPlace {
  archive?: Archive | undefined;
  vault?: Vault | undefined;
}

/** The archive, or a Fault that says how to get one. */
export function archiveOf({ archive }: BackupPlace): Archive {
  if (archive) return archive;
  throw new Fault('unsupported', 'This KQueen has no place to keep backups.', {
    whose: 'admin',
    next: 'An admin sets KQUEEN_BACKUP_URL.',
  });
}
