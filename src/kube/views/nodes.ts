import type { V1Node, V1Pod } from '@kubernetes/client-node';
import type { Amounts } from '../../core/ports/kube.ts';
import { formatBytes, formatCores } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { addAmounts, podRequests } from '../amounts.ts';
import { eachObject } from '../client.ts';
import type { Talk, View } from '../operation.ts';
import { nodeHealth } from '../probe.ts';
import { ageOf, listed } from './listing.ts';
import { eachPod } from './pods.ts';
import { nodeUse } from './usage.ts';
import { nodeUsePicture } from './use-picture.ts';

/** One node with what is asked of it. */
export interface NodeLoad {
  health: ReturnType<typeof nodeHealth>;
  node: V1Node;
  limits: Pick<Amounts, 'cpu' | 'memory'>;
}

/** What a pod may take at most, counted like its requests; containers without a limit count as nothing. */
function podLimits(pod: V1Pod): Amounts {
  const limited = <T extends { resources?: { limits?: Record<string, string> } }>(all: T[] = []): T[] =>
    all.map((each) => ({ ...each, resources: { requests: each.resources?.limits ?? {} } }));
  const { spec } = pod;
  if (!spec) return none;
  return podRequests({
    ...pod,
    spec: { ...spec, initContainers: limited(spec.initContainers), containers: limited(spec.containers) },
  });
}

const none: Amounts = { cpu: 0, memory: 0, pods: 0 };

/** Adds up what pods ask for and may take, by node, as the scheduler counts: bound to the node and not finished. */
export function openLoads(): { add(pod: V1Pod): void; of(node: string): { requests: Amounts; limits: Amounts } } {
  const sums = new Map<string, { requests: Amounts; limits: Amounts }>();
  return {
    add(pod) {
      const node = pod.spec?.nodeName;
      if (!node || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return;
      const sum = sums.get(node) ?? { requests: none, limits: none };
      sums.set(node, {
        requests: addAmounts(sum.requests, podRequests(pod)),
        limits: addAmounts(sum.limits, podLimits(pod)),
      });
    },
    of: (node) => sums.get(node) ?? { requests: none, limits: none },
  };
}

/** The nodes by name, before the pods on them are counted. */
export async function readNodeLoads(talk: Talk, loads: ReturnType<typeof openLoads>): Promise<NodeLoad[]> {
  const all: NodeLoad[] = [];
  await eachObject(
    (page) => talk.client.core.listNode(page),
    (node) => {
      const health = nodeHealth(node);
      const { requests, limits } = loads.of(health.name);
      all.push({ node, health: { ...health, requests }, limits });
    },
  );
  return all.sort(
    (a, b) => Number(a.health.ready) - Number(b.health.ready) || (a.health.name < b.health.name ? -1 : 1),
  );
}

/** A share of a whole: "250m of 1.9 (13 %)". */
export function share(part: number, whole: number, format: (amount: number) => string): string {
  const percent = whole > 0 ? ` (${Math.round((100 * part) / whole)} %)` : '';
  return `${format(part)} of ${format(whole)}${percent}`;
}

/** A node's state in words: not ready before ready, and what else is not as it should be. */
export function nodeState({ ready, problems }: NodeLoad['health']): string {
  const more = problems.length > 0 ? `: ${problems.join(', ')}` : '';
  return ready ? `Ready${more}` : `NOT ready${more}`;
}

/** The nodes of a cluster: state, version, what is asked of them, and what they use where that is measured. */
export const nodesView: View = {
  name: 'nodes',
  async look(talk, args) {
    const loads = openLoads();
    const [, use] = await Promise.all([eachPod(talk, '', loads.add), nodeUse(talk)]);
    const nodes = await readNodeLoads(talk, loads);
    const live = use.byNode.size > 0;
    const bad = nodes.filter(({ health }) => !health.ready || health.problems.length > 0).length;
    const rows = nodes.map(({ node, health, limits }) => {
      const { allocatable, requests } = health;
      const used = use.byNode.get(health.name);
      return [
        health.name,
        nodeState(health),
        health.version,
        `${requests.pods} of ${allocatable.pods}`,
        share(requests.cpu, allocatable.cpu, formatCores),
        formatCores(limits.cpu),
        share(requests.memory, allocatable.memory, formatBytes),
        formatBytes(limits.memory),
        ...(live ? [used ? `${formatCores(used.cpu)}, ${formatBytes(used.memory)}` : 'not measured'] : []),
        ageOf(talk.now(), node.metadata?.creationTimestamp),
      ];
    });
    return listed(args, {
      ...{ view: 'nodes', one: 'node', rows },
      columns: [
        ...['Node', 'State', 'Version', 'Pods', 'CPU requests', 'CPU limits', 'Memory requests', 'Memory limits'],
        ...(live ? ['In use'] : []),
        'Age',
      ],
      picture: nodeUsePicture(nodes, use),
      notes: [use.says],
      ...(bad > 0
        ? { sum: `${count(bad, 'node')} of ${nodes.length} not as it should be, worst first.`, bad: true }
        : {}),
    });
  },
};
