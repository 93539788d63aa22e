/** The close look at a cluster: everything that is not as it should be, worst first, with next steps. */
import type { Part, Row } from '../../core/card.ts';
import type { Looked } from '../../core/ports/work.ts';
import { formatBytes, formatCores } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { plain } from '../faults.ts';
import type { Talk, View } from '../operation.ts';
import { type NodeLoad, nodeState, openLoads, readNodeLoads, share } from '../views/nodes.ts';
import { eachPod } from '../views/pods.ts';
import { controllers } from '../views/topology.ts';
import { type NodeUse, nodeUse } from '../views/usage.ts';
import { nodeUsePicture } from '../views/use-picture.ts';
import { certificateFindings } from './certificates.ts';
import { type Finding, type Seen, seen, worstFindings } from './findings.ts';
import { fullVolumes, nodeFindings, versionFindings } from './nodes.ts';
import { type Asker, openPodFindings } from './pods.ts';
import { failedJobs, shortWorkloads, waitingClaims } from './workloads.ts';

/** What one message shows. */
const most = { rows: 8, nodes: 20 };

/**
 * Looks closely at a cluster. Args: `cluster` for the buttons, `server` (its URL, for its certificate), `logs`, `upgrade` and `scale` (`yes`: the person
 * may see logs, and the cluster can be changed so). Throws when not even nodes and pods can be read.
 */
export const checkView: View = {
  name: 'check',
  async look(talk, args) {
    const may = (what: string) => args[what] === 'yes';
    const asker: Asker = {
      cluster: args.cluster ?? '',
      logs: may('logs'),
      upgrade: may('upgrade'),
      scale: may('scale'),
    };
    const [version, behind] = await Promise.all([talk.client.version.getCode(), controllers(talk, '')]);
    const loads = openLoads();
    const pods = openPodFindings(talk, asker, behind);
    await eachPod(talk, '', (pod) => {
      loads.add(pod);
      pods.add(pod);
    });
    const nodes = await readNodeLoads(talk, loads);
    const server = plain(version.gitVersion, 60).replace(/^v(?=\d)/, '');
    const [use, ...looks] = await Promise.all([
      nodeUse(talk),
      seen('Pods', pods.end),
      seen('Workloads', () => shortWorkloads(talk, asker)),
      seen('Jobs', () => failedJobs(talk, asker)),
      seen('Volume claims', () => waitingClaims(talk, asker)),
      fullVolumes(talk, nodes, asker),
      certificates(talk, args.server ?? ''),
    ]);
    const found = [
      ...nodeFindings(nodes, asker),
      ...versionFindings(server, nodes, talk.now(), asker),
      ...looks.flatMap((each) => each.found),
    ];
    const unseen = looks.flatMap((each) => each.unseen ?? []);
    return lookedAt(worstFindings(withoutEchoes(found)), nodes, use, unseen);
  },
};

/** Certificates are the one look that connects anew, so that it must not take the others with it. */
async function certificates(talk: Talk, server: string): Promise<Seen> {
  let unseen: string | undefined;
  const { found, unseen: failed } = await seen('Certificates', async () => {
    const all = await certificateFindings(talk, server);
    unseen = all.unseen;
    return all.found;
  });
  const why = failed ?? unseen;
  return { found, ...(why === undefined ? {} : { unseen: why }) };
}

/** A Deployment that lacks replicas because its pods crash is one finding, not two. */
function withoutEchoes(all: readonly Finding[]): Finding[] {
  const explained = new Set(all.filter(({ echo }) => !echo).map(({ about }) => about));
  return all.filter(({ echo, about }) => !(echo && explained.has(about)));
}

function lookedAt(found: readonly Finding[], nodes: readonly NodeLoad[], use: NodeUse, unseen: string[]): Looked {
  const now = found.filter(({ level }) => level === 'now');
  const soon = found.filter(({ level }) => level === 'soon');
  const parts: Part[] = [];
  const rows = (all: readonly Finding[], room: number): Row[] =>
    all.slice(0, room).map(({ about, why, next }) => ({ text: `*${about}*: ${why}`, buttons: next.slice(0, 3) }));
  if (now.length > 0)
    parts.push({ part: 'rows', caption: 'Not as it should be, worst first', rows: rows(now, most.rows) });
  for (const { about, log } of now.slice(0, most.rows)) {
    if (!log) continue;
    parts.push({ part: 'text', text: `The last lines of ${about}:` }, { part: 'code', text: log });
  }
  const room = Math.max(3, most.rows - now.length);
  if (soon.length > 0) parts.push({ part: 'rows', caption: 'Worth knowing', rows: rows(soon, room) });
  const left = Math.max(0, now.length - most.rows) + Math.max(0, soon.length - room);
  if (left > 0) parts.push({ part: 'note', text: `And ${left} more, in the file.` });
  const picture = nodeUsePicture(nodes, use);
  if (picture) parts.push({ part: 'picture', picture });
  if (nodes.length > 0) parts.push(nodeTable(nodes, use));
  parts.push({
    part: 'note',
    text: [use.says, ...(unseen.length > 0 ? [`Not seen. ${unseen.join(' ')}`] : [])].join(' '),
  });
  const line = ({ level, about, why, log }: Finding) =>
    `${level === 'now' ? '!' : '-'} ${about}: ${why}${log ? `\n${log}` : ''}`;
  return {
    title: now.length > 0 ? `${count(now.length, 'thing')} not as it should be` : 'Nothing is wrong',
    text: verdict(now, soon),
    parts,
    ...(left > 0 ? { file: { name: 'check.txt', content: `${found.map(line).join('\n')}\n` } } : {}),
    ...(now.length > 0 ? { bad: true } : {}),
  };
}

function verdict(now: readonly Finding[], soon: readonly Finding[]): string {
  const [worst] = now;
  const [first] = soon;
  const also = first
    ? ` Worth knowing: ${first.about} ${first.why}${soon.length > 1 ? `, and ${soon.length - 1} more` : ''}.`
    : '';
  if (!worst) return `Nothing that KQueen looks at is wrong now.${also}`;
  const are =
    now.length === 1
      ? '1 thing in it is not as it should be'
      : `${now.length} things in it are not as they should be, worst first`;
  return `${are}: ${worst.about}: ${worst.why}.${also}`;
}

function nodeTable(nodes: readonly NodeLoad[], use: NodeUse): Part {
  const live = use.byNode.size > 0;
  const more = nodes.length > most.nodes ? `, the first ${most.nodes} of ${nodes.length}` : '';
  return {
    part: 'table',
    caption: `Nodes: requests of what can be used${more}`,
    columns: ['Node', 'State', 'CPU', 'Memory', 'Pods', 'Limits', ...(live ? ['In use'] : [])],
    rows: nodes.slice(0, most.nodes).map(({ health, limits }) => {
      const used = use.byNode.get(health.name);
      return [
        health.name,
        nodeState(health),
        share(health.requests.cpu, health.allocatable.cpu, formatCores),
        share(health.requests.memory, health.allocatable.memory, formatBytes),
        `${health.requests.pods} of ${health.allocatable.pods}`,
        `${formatCores(limits.cpu)}, ${formatBytes(limits.memory)}`,
        ...(live ? [used ? `${formatCores(used.cpu)}, ${formatBytes(used.memory)}` : 'not measured'] : []),
      ];
    }),
  };
}
