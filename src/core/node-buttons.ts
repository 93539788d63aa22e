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

/** What to press when the news is that nodes are not ready, as the condition EveryNodeReady says it: one is replaced by its name. */
export function afterNodeNews(cluster: string, text: string): Button[] {
  const [, names = ''] =
    /\bnodes are ready; not ready: ([a-z0-9.-]+(?:, [a-z0-9.-]+)*(?: and \d+ more)?)\./.exec(text) ?? [];
  if (names === '') return [];
  if (/[ ,]/.test(names)) return [{ label: 'Repair', command: formatLine('cluster repair', ['cluster'], { cluster }) }];
  return [{ label: 'Replace', command: formatLine('cluster repair', ['cluster', 'node'], { cluster, node: names }) }];
}
