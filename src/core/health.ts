import type { ClusterHealth } from './ports/kube.ts';
import type { Health } from './records.ts';

/** One word for a cluster's health: unreachable when its API does not answer, degraded when anything is not as it should be. */
export function verdictOf(health: ClusterHealth): Health['verdict'] {
  const status = (type: string) => health.conditions.find((condition) => condition.type === type)?.status;
  if (status('APIServerAvailable') !== 'True') return 'Unreachable';
  if (health.conditions.some((condition) => condition.status !== 'True')) return 'Degraded';
  return 'Healthy';
}

/** The health record of a cluster after a look at it; conditions keep the time since when they have stood as they do. */
export function healthRecord(org: string, cluster: string, seen: ClusterHealth, before: Health | undefined): Health {
  const verdict = verdictOf(seen);
  const changed = before === undefined || before.verdict !== verdict;
  const sum = (pick: 'capacity' | 'requests') =>
    seen.nodes.reduce(
      (total, node) => ({
        cpu: total.cpu + node[pick].cpu,
        memory: total.memory + node[pick].memory,
        pods: total.pods + node[pick].pods,
      }),
      { cpu: 0, memory: 0, pods: 0 },
    );
  const record: Health = {
    v: 1,
    id: cluster,
    org,
    at: seen.at,
    verdict,
    since: changed ? seen.at : before.since,
    conditions: seen.conditions.map((condition) => {
      const earlier = before?.conditions.find((each) => each.type === condition.type);
      return earlier?.status === condition.status ? { ...condition, since: earlier.since } : condition;
    }),
    nodesReady: seen.nodes.filter((node) => node.ready).length,
    nodes: seen.nodes.length,
    capacity: sum('capacity'),
    requests: sum('requests'),
    pods: seen.pods,
    deployments: seen.deployments,
    problems: seen.problems.slice(0, 20),
    changes: (before?.changes ?? 0) + (before && changed ? 1 : 0),
  };
  // What a brief look leaves out stays as it was.
  const version = seen.version ?? before?.version;
  if (version) record.version = version;
  const namespaces = seen.namespaces ?? before?.namespaces;
  if (namespaces !== undefined) record.namespaces = namespaces;
  const services = seen.services ?? before?.services;
  if (services !== undefined) record.services = services;
  return record;
}

/** Whether a new look is worth a write: the verdict, a condition, or a count that people see has changed. */
export function healthDiffers(before: Health | undefined, after: Health): boolean {
  if (!before) return true;
  // In one order: a record from the store has its schema's.
  const seen = ({ at: _at, conditions, ...rest }: Health) =>
    JSON.stringify([
      Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)),
      conditions.map(({ type, status, reason }) => [type, status, reason]),
    ]);
  return seen(before) !== seen(after);
}
