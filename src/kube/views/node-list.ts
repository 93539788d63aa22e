import type { Button, Row } from '../../core/card.ts';
import { formatLine } from '../../core/line.ts';
import { formatBytes, formatCores } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { drainNode, isControlPlane, poolOf } from '../drain/pods.ts';
import { plain } from '../faults.ts';
import type { View } from '../operation.ts';
import { ageOf } from './listing.ts';
import { type NodeLoad, nodeState, openLoads, readNodeLoads, share } from './nodes.ts';
import { eachPod } from './pods.ts';
import { nodeUse } from './usage.ts';
import { nodeUsePicture } from './use-picture.ts';

/** Nodes of one page: each is a row with buttons, of which a message shows few. */
const perPage = 10;

/**
 * The nodes one by one, those in trouble first: pool, version, how long in their state, taints, what is asked of them, and what can be done with
 * each. `args.change` is `yes` for who may change them, `args.repair` for a cluster whose dead nodes can be replaced.
 */
export const nodeListView: View = {
  name: 'node-list',
  async look(talk, args) {
    const { cluster = '', page: asked = '1' } = args;
    const loads = openLoads();
    const [, use] = await Promise.all([eachPod(talk, '', loads.add), nodeUse(talk)]);
    const nodes = await readNodeLoads(talk, loads);
    const pages = Math.max(1, Math.ceil(nodes.length / perPage));
    const page = Math.min(pages, Math.max(1, Number(asked) || 1));
    const bad = nodes.filter(({ health }) => !health.ready).length;
    const cordoned = nodes.filter(({ node }) => node.spec?.unschedulable === true).length;
    const shown = nodes.slice((page - 1) * perPage, page * perPage);
    const rows = shown.map((each): Row => {
      const used = use.byNode.get(each.health.name);
      const note = [
        loadText(each),
        ...(used ? [`in use ${formatCores(used.cpu)}, ${formatBytes(used.memory)}`] : []),
        ...taintsText(each),
      ];
      return { text: standText(talk.now(), each), note: `${note.join('; ')}.`, buttons: buttonsOf(each, args) };
    });
    const turn = (to: number, label: string): Button => ({
      label,
      command: formatLine('node list', ['cluster'], { cluster, page: String(to) }),
    });
    if (pages > 1) {
      const buttons = [
        ...(page > 1 ? [turn(page - 1, 'Previous page')] : []),
        ...(page < pages ? [turn(page + 1, 'Next page')] : []),
      ];
      rows.push({ text: `Page ${page} of ${pages}.`, buttons });
    }
    const title = count(nodes.length, 'node');
    const parts = [
      nodes.length === 0 ? 'nothing can run' : bad === 0 ? 'all ready' : `${bad} NOT ready`,
      ...(cordoned > 0 ? [`${cordoned} cordoned`] : []),
    ];
    const text = `${title}: ${parts.join(', ')}.`;
    const picture = nodeUsePicture(nodes, use);
    return {
      ...{ title, text, bad: bad > 0 || nodes.length === 0 },
      parts: [
        { part: 'text', text },
        ...(picture && page === 1 ? [{ part: 'picture' as const, picture }] : []),
        { part: 'rows', rows },
        { part: 'note', text: `Requests and limits are those of its pods, of what the node can give. ${use.says}` },
      ],
    };
  },
};

function standText(now: number, { node, health }: NodeLoad): string {
  const { name, labels, since, ready } = drainNode(node);
  const pool = isControlPlane(labels) ? 'control plane' : poolOf(labels)?.name;
  const kept = ageOf(now, since === 0 ? undefined : new Date(since));
  const long = kept === '' ? '' : ready === 'Unknown' ? `, silent for ${kept}` : ` for ${kept}`;
  return `*${plain(name, 80)}*: ${nodeState(health)}${long}; ${[...(pool ? [`pool ${plain(pool, 40)}`] : []), `version ${health.version}`].join(', ')}`.replace(
    'pool control plane',
    'control plane',
  );
}

function loadText({ health: { allocatable, requests }, limits }: NodeLoad): string {
  return [
    `pods ${requests.pods} of ${allocatable.pods}`,
    `CPU ${share(requests.cpu, allocatable.cpu, formatCores)} requested, limits ${formatCores(limits.cpu)}`,
    `memory ${share(requests.memory, allocatable.memory, formatBytes)} requested, limits ${formatBytes(limits.memory)}`,
  ].join('; ');
}

/** Taints that people made; those of its state are told by the state itself. */
function taintsText({ node }: NodeLoad): string[] {
  const taints = (node.spec?.taints ?? [])
    .filter(({ key }) => !/^node\.kubernetes\.io\/(unschedulable|not-ready|unreachable)$/.test(key))
    .map(({ key, value, effect }) => plain(`${key}${value ? `=${value}` : ''}:${effect}`, 80));
  return taints.length === 0 ? [] : [`taints ${taints.slice(0, 4).join(', ')}`];
}

function buttonsOf({ node, health }: NodeLoad, { cluster = '', change, repair }: Record<string, string>): Button[] {
  const { name, labels } = drainNode(node);
  if (change !== 'yes') return [];
  const of = (label: string, command: string): Button => ({
    label,
    command: formatLine(command, ['cluster', 'node'], { cluster, node: name }),
  });
  const cordoned = node.spec?.unschedulable === true;
  // The control plane's machines are its provider's, and losing one can lose the cluster.
  const replace = repair === 'yes' && !health.ready && !isControlPlane(labels);
  return [
    ...(replace ? [of('Replace', 'cluster repair')] : []),
    of(cordoned ? 'Uncordon' : 'Cordon', cordoned ? 'node uncordon' : 'node cordon'),
    of('Drain', 'node drain'),
  ];
}
