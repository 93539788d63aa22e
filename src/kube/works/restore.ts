import { archiveOf, type BackupPlace } from '../backup/place.ts';
import { RestoreInput } from '../backup/restore-objects.ts';
import { planRestore } from '../backup/restore-plan.ts';
import { RestoreProgress, stepRestore } from '../backup/restore-step.ts';
import type { WorkOperation } from '../operation.ts';

/** Brings what a backup holds into a cluster. */
export function restoreBackup(place: BackupPlace): WorkOperation {
  return {
    op: 'backup.restore',
    plan: (talk, { input }) => planRestore(talk, place, RestoreInput.parse(input)),
    async step(talk, work) {
      const input = RestoreInput.parse(work.input);
      const parts = { talk, vault: place.vault, input, snapshots: [] };
      return stepRestore(parts, archiveOf(place), RestoreProgress.parse(work.progress));
    },
  };
}
