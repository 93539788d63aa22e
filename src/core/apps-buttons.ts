import type { Button } from './card.ts';
import { formatLine } from './line.ts';
import type { Job } from './records.ts';

/** Work that makes a new revision of an app. */
const revising = ['app.deploy', 'app.update', 'app.expose', 'app.rollback'];

/** What to press when a new revision of an app has failed: back to the one before. */
export function afterAppFailed(job: Pick<Job, 'work' | 'clusterName'>): Button[] {
  const { work, clusterName } = job;
  const app = work?.input.app;
  if (!work || !revising.includes(work.op) || typeof app !== 'string') return [];
  // The first step keeps the revision; before it there is nothing to go back from.
  const revision = Number(work.progress.revision ?? 0);
  if (revision < 2) return [];
  return [
    {
      label: 'Rollback',
      command: formatLine('app rollback', ['cluster', 'name'], { cluster: clusterName, name: app }),
    },
  ];
}

/** What to press when an app runs as it was asked for. */
export function afterAppDone({ work, clusterName: cluster }: Pick<Job, 'work' | 'clusterName'>): Button[] {
  const app = work?.input.app;
  if (!work || !revising.includes(work.op) || typeof app !== 'string') return [];
  const of = (label: string, command: string): Button => ({
    label,
    command: formatLine(command, ['cluster', 'name'], { cluster, name: app }),
  });
  return [of('Show app', 'app show'), of('Logs', 'app logs')];
}
