/** How full nodes are, as a picture: the fullest first. */
import { drawable, type Picture, pictureRows } from '../../core/picture.ts';
import { formatBytes, formatCores } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import type { NodeLoad } from './nodes.ts';
import type { NodeUse } from './usage.ts';

/** One node with its shares in percent. */
interface Fill {
  name: string;
  cpu: number;
  memory: number;
  said: { cpu: string; memory: string };
}

/** Up to so many nodes each has a bar for its CPU and one for its memory; beyond it one for the fuller of the two. */
const both = pictureRows / 2;

/** What nodes use where that is measured, else what is asked of them; null when there is nothing to draw. */
export function nodeUsePicture(nodes: readonly NodeLoad[], use: NodeUse): Picture | null {
  const live = use.byNode.size > 0;
  const fills = nodes.flatMap(({ health }): Fill[] => {
    const { name, allocatable, requests } = health;
    const taken = live ? use.byNode.get(name) : requests;
    if (!taken || !(allocatable.cpu > 0) || !(allocatable.memory > 0)) return [];
    return [
      {
        name,
        cpu: percent(taken.cpu, allocatable.cpu),
        memory: percent(taken.memory, allocatable.memory),
        said: {
          cpu: `${formatCores(taken.cpu)} of ${formatCores(allocatable.cpu)} cores`,
          memory: `${formatBytes(taken.memory)} of ${formatBytes(allocatable.memory)}`,
        },
      },
    ];
  });
  if (fills.length === 0) return null;
  fills.sort((a, b) => fullest(b) - fullest(a) || (a.name < b.name ? -1 : 1));
  const rows: Picture['rows'] =
    fills.length <= both
      ? fills.flatMap(({ name, cpu, memory, said }) => [
          { label: `${name}: CPU`, values: [cpu], note: said.cpu },
          { label: `${name}: memory`, values: [memory], note: said.memory },
        ])
      : few(fills).map(({ name, cpu, memory }) => ({
          label: name,
          values: [Math.max(cpu, memory)],
          note: cpu >= memory ? `CPU (memory ${Math.round(memory)} %)` : `memory (CPU ${Math.round(cpu)} %)`,
        }));
  const title = live ? 'Live use of the nodes' : 'Requests on the nodes';
  const words = few(fills).map(
    ({ name, cpu, memory }) => `${name} CPU ${Math.round(cpu)} %, memory ${Math.round(memory)} %`,
  );
  return {
    ...{ kind: 'use', title, alt: `${title}: ${words.join('; ')}.` },
    series: [{ name: live ? 'In use' : 'Requests', tone: 'good' }],
    rows,
  };
}

/** As many as stay readable: the others together are the last, by their mean. */
function few(fills: readonly Fill[]): Fill[] {
  if (fills.length <= pictureRows) return [...fills];
  const rest = fills.slice(pictureRows - 1);
  const mean = (pick: 'cpu' | 'memory') => rest.reduce((sum, each) => sum + each[pick], 0) / rest.length;
  const others = {
    ...{ name: `${count(rest.length, 'other')}, on average`, cpu: mean('cpu'), memory: mean('memory') },
    said: { cpu: '', memory: '' },
  };
  return [...fills.slice(0, pictureRows - 1), others];
}

function fullest({ cpu, memory }: Fill): number {
  return Math.max(cpu, memory);
}

/** Rounded to a tenth: nodes may be given away beyond what they have, and the picture is full then. */
function percent(part: number, whole: number): number {
  return Math.round(drawable((100 * part) / whole) * 10) / 10;
}
