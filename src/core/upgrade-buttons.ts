import { formatLine } from './line.ts';
import type { Job } from './records.ts';

/** What to do next about an upgrade that failed, beside going on. */
export function afterUpgradeFailed(job: Job): { label: string; command: string }[] {
  if (job.kind !== 'cluster.upgrade') return [];
  const cluster = job.clusterName;
  const version = job.update?.version ?? '';
  return [
    { label: 'Check', command: formatLine('cluster check', ['cluster'], { cluster }) },
    { label: 'Pre-check', command: formatLine('cluster precheck', ['cluster', 'version'], { cluster, version }) },
    { label: 'Nodes', command: formatLine('node list', ['cluster'], { cluster }) },
  ];
}
