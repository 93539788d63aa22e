import type { Button } from './card.ts';
import { formatLine } from './line.ts';
import type { Job } from './records.ts';

/** What to press after work on nodes has ended: a node that it closed is opened again by hand, and one that is silent can be replaced. */
export function afterNodeWork(job: Pick<Job, 'work' | 'clusterName' | 'state'>): Button[] {
  const { work, clusterName: cluster, state } = job;
  if (!work || !/^node\./.test(work.op)) return [];
  const list: Button = { label: 'Nodes', command: formatLine('node list', ['cluster'], { cluster }) };
  const { node, on } = work.input;
  const of = (label: string, command: string): Button[] =>
    typeof node === 'string' ? [{ label, command: formatLine(command, ['cluster', 'node'], { cluster, node }) }] : [];
  const begun = Object.keys(work.progress).length > 0;
  if (work.op === 'node.cordon')
    return on === true && state === 'Succeeded' ? [...of('Uncordon', 'node uncordon'), list] : [list];
  if (work.op === 'node.drain') {
    const silent = state === 'Failed' ? of('Replace', 'cluster repair') : [];
    return [...(begun ? of('Uncordon', 'node uncordon') : []), ...silent, list];
  }
  return [...(begun && state !== 'Succeeded' ? of('Uncordon', 'node uncordon') : []), list];
}
