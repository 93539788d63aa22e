/** Nodes that are not as they should be, are nearly given away, or run a version that does not fit; volumes that are nearly full. */
import { endOfVersion, minorOf } from '../../core/digest-versions.ts';
import { Fault } from '../../core/errors.ts';
import { formatLine } from '../../core/line.ts';
import { formatBytes } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { inParallel } from '../apply/set.ts';
import type { Talk } from '../operation.ts';
import { type NodeLoad, nodeState } from '../views/nodes.ts';
import { ranks } from '../workloads.ts';
import { type Finding, findingRanks, type Seen } from './findings.ts';
import { type Asker, get, nodesOf } from './pods.ts';

/** Share of what nodes can give that is asked for, from which on little more fits. */
const nearlyAll = 0.9;

/** What is wrong with nodes themselves, and how much of them is given away. */
export function nodeFindings(nodes: readonly NodeLoad[], { cluster, scale }: Asker): Finding[] {
  const next = [nodesOf(cluster)];
  const found: Finding[] = nodes.flatMap(({ health }): Finding[] => {
    const { name, ready, problems } = health;
    if (ready && problems.length === 0) return [];
    // Somebody has cordoned it on purpose, which is worth knowing and no fault.
    const meant = ready && problems.every((each) => each === 'Cordoned');
    const rank = meant ? findingRanks.soon : ready ? ranks.config : ranks.node;
    return [{ rank, level: meant ? 'soon' : 'now', about: `Node ${name}`, why: nodeState(health), alike: name, next }];
  });
  if (nodes.length === 0) {
    const why = 'it has none, so nothing can run';
    found.push({ rank: ranks.node, level: 'now', about: 'Nodes', why, alike: 'none', next: [] });
  }
  const usable = nodes.filter(({ health }) => health.ready && !health.problems.includes('Cordoned'));
  for (const [what, key] of [
    ['CPU', 'cpu'],
    ['memory', 'memory'],
    ['pods', 'pods'],
  ] as const) {
    const sum = (of: 'requests' | 'allocatable') => usable.reduce((total, { health }) => total + health[of][key], 0);
    const part = sum('requests') / sum('allocatable');
    if (!(part >= nearlyAll)) continue;
    found.push({
      ...{ rank: findingRanks.soon, level: 'soon', about: 'Nodes', alike: `full/${what}` },
      why: `${Math.round(100 * part)} % of their ${what} is asked for, so little more fits`,
      next: [
        ...next,
        ...(scale ? [{ label: 'Scale', command: formatLine('cluster scale', ['cluster'], { cluster }) }] : []),
      ],
    });
  }
  return found;
}

/** When a version's end is told of beforehand, in milliseconds. */
const versionMs = 90 * 86_400_000;
/** A kubelet may be this many minor versions older than its API server, and never newer (kubernetes.io/releases/version-skew-policy). */
const mostSkew = 3;

/** Versions near their end of life or behind it, and kubelets that do not fit to the API server. */
export function versionFindings(
  server: string,
  nodes: readonly NodeLoad[],
  now: number,
  { cluster, upgrade }: Asker,
): Finding[] {
  const next = upgrade ? [{ label: 'Upgrade', command: formatLine('cluster upgrade', ['cluster'], { cluster }) }] : [];
  const found: Finding[] = [];
  const minor = minorOf(server);
  const end = endOfVersion(server);
  if (minor && end !== null && end - now < versionMs) {
    const day = new Date(end).toISOString().slice(0, 10);
    const why =
      end <= now
        ? `gets no more fixes from Kubernetes itself since ${day}; providers may go on longer`
        : `gets fixes from Kubernetes itself until ${day} only; providers may go on longer`;
    found.push({ rank: findingRanks.soon, level: 'soon', about: `Version ${minor}`, why, alike: 'version', next });
  }
  const own = Number(minor?.split('.')[1]);
  for (const { health } of nodes) {
    const skew = own - Number(minorOf(health.version)?.split('.')[1]);
    if (!(skew < 0 || skew >= mostSkew)) continue;
    const level = skew === mostSkew ? 'soon' : 'now';
    const why =
      skew < 0
        ? `its kubelet ${health.version} is newer than the API server ${server}, which Kubernetes does not support`
        : `its kubelet ${health.version} is ${skew} minor versions behind the API server ${server}; ${mostSkew} are the most`;
    const rank = level === 'now' ? findingRanks.skew : findingRanks.soon;
    found.push({ rank, level, about: `Node ${health.name}`, why, alike: `skew/${health.version}`, next });
  }
  return found;
}

/** Most kubelets that are asked, and how long each may take, in milliseconds. */
const kubelets = { most: 30, atOnce: 4, ms: 3_000 };
const fill = { soon: 0.85, now: 0.95 };

/** Volumes that are nearly full, by the kubelets' own numbers through the API server. */
export async function fullVolumes(talk: Talk, nodes: readonly NodeLoad[], { cluster }: Asker): Promise<Seen> {
  const ready = nodes.filter(({ health }) => health.ready);
  const asked = ready.slice(0, kubelets.most);
  const found: Finding[] = [];
  let silent = 0;
  let why = '';
  await inParallel(asked, kubelets.atOnce, async ({ health: { name } }) => {
    // One that refuses does so on every node: the first word is enough.
    if (why !== '') return;
    const path = `/api/v1/nodes/${encodeURIComponent(name)}/proxy/stats/summary`;
    try {
      const stats = await within(kubelets.ms, talk.raw({ method: 'GET', path }));
      if (stats === null) silent += 1;
      else found.push(...fullOf(stats, name, cluster));
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      if (thrown.kind === 'not-allowed') why = 'KQueen may not ask the kubelets.';
      else silent += 1;
    }
  });
  if (why === '' && silent > 0) why = `the kubelets of ${count(silent, 'node')} of ${asked.length} did not answer.`;
  if (why === '' && ready.length > asked.length) why = `only ${asked.length} of ${ready.length} nodes were asked.`;
  return { found, ...(why === '' ? {} : { unseen: `How full volumes are: ${why}` }) };
}

function fullOf(stats: JsonObject, node: string, cluster: string): Finding[] {
  const disk = fillOf(objectAt(stats, 'node', 'fs'), `Disk of node ${node}`, cluster, '');
  const volumes = listAt(stats, 'pods').flatMap((pod) =>
    listAt(pod, 'volume')
      .filter(isObject)
      .flatMap((volume) => {
        const { name, namespace } = objectAt(volume, 'pvcRef');
        if (name === undefined) return [];
        return fillOf(volume, `Volume claim ${String(namespace)}/${String(name)}`, cluster, String(namespace));
      }),
  );
  return [...disk, ...volumes];
}

function fillOf(use: JsonObject, about: string, cluster: string, namespace: string): Finding[] {
  const share = (used: unknown, all: unknown) => (Number(all) > 0 ? Number(used ?? 0) / Number(all) : 0);
  const bytes = share(use.usedBytes, use.capacityBytes);
  const inodes = share(use.inodesUsed, use.inodes);
  const most = Math.max(bytes, inodes);
  if (!(most >= fill.soon)) return [];
  const level = most >= fill.now ? 'now' : 'soon';
  const percent = Math.floor(100 * most);
  const why =
    bytes >= inodes
      ? `${percent} % of its ${formatBytes(Number(use.capacityBytes))} is used`
      : `${percent} % of its files (inodes) are used`;
  const rank = level === 'now' ? findingRanks.fullVolume : findingRanks.soon;
  // A volume that several pods share is one finding: each of them tells of it.
  const next = [namespace === '' ? nodesOf(cluster) : get('Volumes', cluster, 'volumes', namespace)];
  return [{ rank, level, about, why, alike: `full/${about}`, next }];
}

/** What the work comes to, or null when it takes longer than that. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  // What comes after its time is of no interest, and no unhandled rejection either.
  const guarded = work.finally(() => clearTimeout(timer));
  guarded.catch(() => null);
  return Promise.race([guarded, late]);
}
