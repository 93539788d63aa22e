import { BackupInput, type BackupSummary } from '../../core/backup.ts';
import { Fault } from '../../core/errors.ts';
import type { WorkPlan, WorkStep } from '../../core/ports/work.ts';
import { RestoreInput } from '../backup/restore-objects.ts';
import { askVelero, findVelero, isOver, type VeleroState, veleroFault, veleroState } from '../backup/velero.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const steps = ['Ask Velero', 'Wait for it'];
const apiVersion = 'velero.io/v1';

/** How Velero knows a backup of KQueen's. */
function nameOf(id: string): string {
  return `kqueen-${id}`;
}

/** A backup that Velero keeps. */
export const veleroBackup: WorkOperation = {
  op: 'backup.velero',
  async plan(talk, { input: given }) {
    const { namespaces, snapshots, secrets } = BackupInput.parse(given);
    const { namespace, locations } = await findVelero(talk);
    const [first] = locations;
    return {
      steps,
      facts: [
        { label: 'Kept by', value: `Velero, in its namespace ${namespace}` },
        { label: 'Kept in', value: `its storage location ${first?.name ?? ''}, which is ${first?.phase ?? 'Unknown'}` },
        { label: 'Namespaces', value: namespaces.length > 0 ? namespaces.join(', ') : 'all' },
        { label: 'Secrets', value: secrets ? 'kept, as Velero keeps them: not sealed by KQueen' : 'not kept' },
        { label: 'Volumes', value: snapshots ? 'snapshots, where Velero can' : 'without what is in them' },
      ],
      disturbs: 'Nobody: the cluster is only read.',
      warnings:
        first?.phase === 'Available' ? [] : [`Velero says that its storage location is ${first?.phase ?? 'Unknown'}.`],
      rests: { namespace, location: first?.name },
    };
  },
  async step(talk, { input: given, progress }) {
    const input = BackupInput.parse(given);
    const name = nameOf(input.backup.id);
    if (typeof progress.namespace !== 'string') {
      const { namespace } = await findVelero(talk);
      await askVelero(talk, namespace, 'backups', {
        ...{
          apiVersion,
          kind: 'Backup',
          metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'kqueen' } },
        },
        spec: {
          includedNamespaces: input.namespaces.length > 0 ? input.namespaces : ['*'],
          ...(input.secrets ? {} : { excludedResources: ['secrets'] }),
          snapshotVolumes: input.snapshots,
        },
      });
      return asked(namespace);
    }
    const state = await veleroState(talk, progress.namespace, 'backups', name);
    if (!isOver(state)) return waiting(progress.namespace, state);
    if (state.phase !== 'Completed') throw veleroFault('backup', name, state);
    const notes =
      state.warnings > 0 ? [`Velero gives ${state.warnings} warnings: see \`velero backup describe ${name}\`.`] : [];
    const summary: BackupSummary = { objects: state.items, bytes: 0, partial: false, notes };
    return done({ namespace: progress.namespace, summary }, `Velero keeps ${state.items} items as ${name}.`);
  },
};

/** Brings a backup of Velero's back, as Velero does it. */
export const veleroRestore: WorkOperation = {
  op: 'backup.velero-restore',
  async plan(talk, { input: given }): Promise<WorkPlan> {
    const { backup, namespaces, existing, source } = RestoreInput.parse(given);
    const { namespace } = await findVelero(talk);
    const state = await demandBackup(talk, namespace, nameOf(backup.id));
    return {
      steps,
      facts: [
        { label: 'Backup', value: `${nameOf(backup.id)} of ${source}, kept by Velero: ${state.items} items` },
        { label: 'Namespaces', value: namespaces.length > 0 ? namespaces.join(', ') : 'all that are in it' },
        {
          label: 'What is there',
          value: existing === 'skip' ? 'stays as it is' : 'is set to what the backup has, where Velero can',
        },
      ],
      disturbs:
        existing === 'skip'
          ? 'Nobody: what is there already stays as it is.'
          : 'Whoever uses what is changed; Velero does not say before what that is.',
      warnings: ['Velero has no dry run: what it would change is known only when it is done.'],
      rests: { namespace, backup: backup.id, items: state.items },
    };
  },
  async step(talk, { input: given, progress }) {
    const input = RestoreInput.parse(given);
    const name = `kqueen-${input.backup.id}-${input.restore}`;
    if (typeof progress.namespace !== 'string') {
      const { namespace } = await findVelero(talk);
      await demandBackup(talk, namespace, nameOf(input.backup.id));
      await askVelero(talk, namespace, 'restores', {
        ...{
          apiVersion,
          kind: 'Restore',
          metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'kqueen' } },
        },
        spec: {
          backupName: nameOf(input.backup.id),
          includedNamespaces: input.namespaces.length > 0 ? input.namespaces : ['*'],
          existingResourcePolicy: input.existing === 'overwrite' ? 'update' : 'none',
          restorePVs: input.snapshots,
        },
      });
      return asked(namespace);
    }
    const state = await veleroState(talk, progress.namespace, 'restores', name);
    if (!isOver(state)) return waiting(progress.namespace, state);
    if (state.phase !== 'Completed') throw veleroFault('restore', name, state);
    return done({ namespace: progress.namespace }, `Velero has restored ${state.items} items as ${name}.`);
  },
};

async function demandBackup(talk: Talk, namespace: string, name: string): Promise<VeleroState> {
  try {
    const state = await veleroState(talk, namespace, 'backups', name);
    if (state.phase === 'Completed' || state.phase === 'PartiallyFailed') return state;
    throw new Fault('conflict', `Velero's backup ${name} is ${state.phase}, so it cannot be restored.`);
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.kind !== 'not-found') throw thrown;
    throw new Fault('not-found', `Velero in this cluster does not know the backup ${name}.`, {
      next: 'Velero finds the backups of another cluster when it is given the same storage location.',
    });
  }
}

function asked(namespace: string): WorkStep {
  return { state: 'wait', ms: 1_000, progress: { namespace }, at: 1, note: 'Velero is asked.' };
}

function waiting(namespace: string, { phase, items, total }: VeleroState): WorkStep {
  const share = total > 0 ? { percent: Math.min(99, Math.floor((100 * items) / total)) } : {};
  const note = `Velero: ${phase}${total > 0 ? `, ${items} of ${total} items` : ''}.`;
  return { state: 'wait', ms: 3_000, progress: { namespace }, at: 1, ...share, note };
}

function done(progress: Record<string, unknown>, note: string): WorkStep {
  return { state: 'done', progress, at: 1, percent: 100, note };
}
