/** Nodes and pods before an upgrade: what is not ready, what would not come again, what would not fit while a node is away. */
import { endOfVersion, minorOf, versionsAsOf } from '../../core/digest-versions.ts';
import { count } from '../../core/words.ts';
import { place, spaceOf } from '../autoscale/fit.ts';
import type { NodeShape, PodShape } from '../autoscale/shapes.ts';
import type { Finding } from '../check/findings.ts';
import { get } from '../check/pods.ts';
import { plain } from '../faults.ts';
import { type NodeLoad, nodeState } from '../views/nodes.ts';
import { type Aim, concernRanks, minorNumber } from './aim.ts';

/** Nodes that are not ready, under pressure or cordoned. */
export function unreadyNodes(nodes: readonly NodeLoad[], { cluster }: Aim): Finding[] {
  return nodes.flatMap(({ health }): Finding[] => {
    if (health.ready && health.problems.length === 0) return [];
    const meant = health.ready && health.problems.every((each) => each === 'Cordoned');
    return [
      {
        ...{ rank: concernRanks.node, level: meant ? 'soon' : 'now', about: `Node ${health.name}` },
        why: `${nodeState(health)}${meant ? ': nothing new is placed on it' : ''}`,
        alike: `node/${nodeState(health)}`,
        next: [get('Nodes', cluster, 'nodes')],
      },
    ];
  });
}

/**
 * Kubelets that would not fit to the API server after the upgrade: at most three minor versions older (two before 1.28), never newer
 * (kubernetes.io/releases/version-skew-policy).
 */
export function skewedNodes(nodes: readonly NodeLoad[], { minor }: Aim): Finding[] {
  if (minor === null) return [];
  const most = minor >= 28 ? 3 : 2;
  return nodes.flatMap(({ health }): Finding[] => {
    const own = minorNumber(health.version);
    if (own === null || (own <= minor && minor - own <= most)) return [];
    const why =
      own > minor
        ? `its kubelet ${health.version} is newer than 1.${minor}, which Kubernetes does not support`
        : `its kubelet ${health.version} is ${minor - own} minor versions older than 1.${minor}, and ${most} are the most: bring the nodes up first`;
    return [
      {
        ...{ rank: concernRanks.skew, level: 'now', about: `Node ${health.name}`, why },
        ...{ alike: `skew/${health.version}`, next: [] },
      },
    ];
  });
}

/** Until when the version that is aimed at is mended. */
export function endOfAim({ target }: Aim, now: number): Finding[] {
  const end = endOfVersion(target);
  const minor = minorOf(target);
  if (end === null || minor === null || end - now > 90 * 86_400_000) return [];
  const day = new Date(end).toISOString().slice(0, 10);
  return [
    {
      ...{ rank: concernRanks.deprecated, level: 'soon', about: `Version ${minor}` },
      why: `gets fixes from Kubernetes itself ${end <= now ? 'no more since' : 'only until'} ${day} (as of ${versionsAsOf}); the provider may go on longer`,
      ...{ alike: 'end', next: [] },
    },
  ];
}

/** Pods that nothing would make again, and pods that wait for a node already. */
export function loosePods(pods: readonly PodShape[], { cluster }: Aim): Finding[] {
  return pods.flatMap((pod): Finding[] => {
    const about = `Pod ${pod.namespace}/${pod.name}`;
    const next = [get('Pods', cluster, 'pods', pod.namespace)];
    if (pod.unschedulableSince !== undefined) {
      const why = `waits for a node already: ${plain(pod.why, 160)}`;
      return [{ rank: concernRanks.pending, level: 'now', about, why, alike: 'pending', next }];
    }
    if (pod.controller !== '' || pod.mirror || pod.node === '') return [];
    const why = 'nothing would make it again when its node is replaced';
    return [{ rank: concernRanks.alone, level: 'soon', about, why, alike: 'alone', next }];
  });
}

/** Most nodes that are tried; the fullest are the ones that matter. */
const mostTried = 40;

/** Nodes whose pods would find no place on the others: without a node more they wait until theirs is back. */
export function tightNodes(nodes: readonly NodeShape[], pods: readonly PodShape[], { cluster }: Aim): Finding[] {
  const byNode = Map.groupBy(pods, ({ node }) => node);
  const of = (node: NodeShape) => byNode.get(node.name) ?? [];
  const usable = nodes.filter(({ ready, cordoned }) => ready && !cordoned);
  const cpu = (node: NodeShape) => of(node).reduce((sum, { requests }) => sum + requests.cpu, 0);
  const fullest = usable.toSorted((a, b) => cpu(b) - cpu(a)).slice(0, mostTried);
  const tight = fullest.flatMap((node) => {
    const moving = of(node).filter(({ controller, mirror }) => controller !== 'DaemonSet' && !mirror);
    const spaces = usable.filter((other) => other !== node).map((other) => spaceOf(other, of(other)));
    const left = place(moving, spaces);
    return left.length > 0 ? [{ node, left: left.length }] : [];
  });
  const [worst] = tight.toSorted((a, b) => b.left - a.left);
  if (!worst) return [];
  return [
    {
      ...{
        rank: concernRanks.room,
        level: 'soon',
        about: usable.length === 1 ? 'The only node' : `Node ${worst.node.name}`,
      },
      why: `while it is replaced, ${count(worst.left, 'pod')} of its pods would find no room on the others${tight.length > 1 ? `, and ${tight.length - 1} more nodes like it` : ''}; a provider that adds a node first needs room in its quota for it`,
      ...{ alike: 'room', next: [get('Nodes', cluster, 'nodes')] },
    },
  ];
}
