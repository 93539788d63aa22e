import type { V1Deployment, V1Node, V1Pod } from '@kubernetes/client-node';
import type { Fault } from '../core/errors.ts';
import type { Amounts, ClusterHealth, NodeHealth, ProbeManner } from '../core/ports/kube.ts';
import type { Condition } from '../core/records.ts';
import { addAmounts, podRequests, readAmounts } from './amounts.ts';
import { asKubeFault, countAt, eachRead, type Get } from './client.ts';
import { plain } from './faults.ts';
import { deploymentProblem, type Found, podProblem, ranks, replicas, worstFirst } from './workloads.ts';

/** Where Kubernetes keeps its own components. */
const systemNamespace = 'kube-system';
const mostProblems = 20;
/** Problems kept while reading; beyond it only a count would be left anyway. */
const mostKept = 5_000;

/** One part of the look: what was found, or why it could not be seen. */
type Part<T> = { seen: T } | { fault: Fault };

async function part<T>(look: () => Promise<T>): Promise<Part<T>> {
  try {
    return { seen: await look() };
  } catch (thrown) {
    return { fault: asKubeFault(thrown) };
  }
}

/** What a look asks with. */
export interface Asks {
  get: Get;
  text(path: string): Promise<string>;
  /** Epoch milliseconds. */
  now(): number;
}

/** Looks at a cluster. Never throws: what could not be seen is a condition that is Unknown, and an API that does not answer is one that is False. */
export async function probeCluster(asks: Asks, manner: ProbeManner = {}): Promise<ClusterHealth> {
  const { get, now } = asks;
  const readiness = () => part(() => asks.text('/readyz'));
  const early = manner.brief ? await readiness() : undefined;
  // Whoever is not plainly ready is looked at whole, so that there is one way to tell what is the matter.
  const brief = early !== undefined && 'seen' in early;
  const version = brief ? undefined : await part(() => get('/version'));
  if (version && 'fault' in version) return unseen(version.fault, now());
  const kept: Found[] = [];
  const keep = (problem: Found | null) => {
    if (problem && kept.length < mostKept) kept.push(problem);
  };
  let last: Promise<unknown> = Promise.resolve();
  // The pods come last: they take longest, and nothing shall wait behind them.
  const look = <T>(of: () => Promise<T>): Promise<Part<T>> => {
    const run = manner.oneByOne ? last.then(() => part(of)) : part(of);
    last = run;
    return run;
  };
  const [ready, nodes, deployments, namespaces, services, pods] = await Promise.all([
    early ?? look(() => asks.text('/readyz')),
    look(() => readNodes(get)),
    look(() => readDeployments(get, keep)),
    brief ? undefined : look(() => countAt(get, '/api/v1/namespaces')),
    brief ? undefined : look(() => countAt(get, '/api/v1/services')),
    look(() => readPods(get, now(), keep)),
  ]);

  const at = now();
  const requests = 'seen' in pods ? pods.seen.requests : new Map<string, Amounts>();
  const nodeList = 'seen' in nodes ? nodes.seen : [];
  for (const node of nodeList) {
    node.requests = requests.get(node.name) ?? node.requests;
    if (!node.ready) kept.push(nodeProblem(node));
  }
  const system = [pods, deployments].map((each) => ('seen' in each ? each.seen.system : 0));
  const lost = [nodes, pods, deployments, namespaces, services].find(
    (each) => each && 'fault' in each && isLost(each.fault),
  );
  const health: ClusterHealth = {
    at,
    conditions: [
      available(ready, lost && 'fault' in lost ? lost.fault : undefined, at),
      everyNodeReady(nodes, at),
      systemHealthy(pods, deployments, kept, (system[0] ?? 0) + (system[1] ?? 0), at),
    ],
    nodes: nodeList,
    pods: 'seen' in pods ? { total: pods.seen.total, running: pods.seen.running } : { total: 0, running: 0 },
    deployments:
      'seen' in deployments
        ? { total: deployments.seen.total, available: deployments.seen.available }
        : { total: 0, available: 0 },
    ...(namespaces && 'seen' in namespaces ? { namespaces: namespaces.seen } : {}),
    ...(services && 'seen' in services ? { services: services.seen } : {}),
    problems: worstFirst(kept, mostProblems),
  };
  const git = version?.seen.gitVersion;
  if (typeof git === 'string' && git !== '') health.version = versionOf(git);
  return health;
}

/** The health of a cluster whose API could not be asked at all. */
function unseen(fault: Fault, at: number): ClusterHealth {
  // Whoever refuses the credentials is there, but nothing more can be said of it.
  const refused = fault.kind === 'not-allowed' || fault.kind === 'rate-limited';
  const why = refused ? reasonOf(fault) : 'Unreachable';
  const unknown = (type: string): Condition => ({
    type,
    status: 'Unknown',
    reason: why,
    message: 'Not known: the API could not be asked.',
    since: at,
  });
  return {
    at,
    conditions: [
      {
        type: 'APIServerAvailable',
        status: refused ? 'Unknown' : 'False',
        reason: why,
        message: fault.message,
        since: at,
      },
      unknown('EveryNodeReady'),
      unknown('SystemComponentsHealthy'),
    ],
    nodes: [],
    pods: { total: 0, running: 0 },
    deployments: { total: 0, available: 0 },
    problems: [],
  };
}

function isLost(fault: Fault): boolean {
  return fault.kind === 'unreachable' || fault.kind === 'internal';
}

function reasonOf(fault: Fault): string {
  switch (fault.kind) {
    case 'not-allowed':
      return 'NotAllowed';
    case 'rate-limited':
      return 'RateLimited';
    case 'unreachable':
      return 'Unreachable';
    default:
      return 'NotSeen';
  }
}

function available(ready: Part<string>, lost: Fault | undefined, at: number): Condition {
  const type = 'APIServerAvailable';
  if (lost) return { type, status: 'False', reason: 'Unreachable', message: lost.message, since: at };
  if ('fault' in ready && isLost(ready.fault)) {
    const failing = [...(ready.fault.detail ?? '').matchAll(/^\[-\](\S+)/gm)].map(([, name]) => name);
    const message =
      failing.length > 0
        ? `The API answers, but is not ready: ${plain(failing.join(', '), 200)}.`
        : ready.fault.message;
    return { type, status: 'False', reason: 'NotReady', message, since: at };
  }
  // A server that does not show /readyz to KQueen has answered everything else.
  return { type, status: 'True', reason: 'Answers', message: 'The API answers.', since: at };
}

function everyNodeReady(nodes: Part<NodeHealth[]>, at: number): Condition {
  const type = 'EveryNodeReady';
  if ('fault' in nodes) return notSeen(type, nodes.fault, at);
  const all = nodes.seen;
  const not = all.filter((node) => !node.ready);
  if (all.length === 0) {
    return { type, status: 'False', reason: 'NoNodes', message: 'The cluster has no nodes.', since: at };
  }
  if (not.length === 0) {
    const message = all.length === 1 ? 'The node is ready.' : `All ${all.length} nodes are ready.`;
    return { type, status: 'True', reason: 'AllReady', message, since: at };
  }
  const names = not
    .slice(0, 3)
    .map((node) => node.name)
    .join(', ');
  const more = not.length > 3 ? ` and ${not.length - 3} more` : '';
  const message = `${all.length - not.length} of ${all.length} nodes are ready; not ready: ${names}${more}.`;
  return { type, status: 'False', reason: 'NodesNotReady', message, since: at };
}

function systemHealthy(
  pods: Part<unknown>,
  deployments: Part<unknown>,
  kept: readonly Found[],
  components: number,
  at: number,
): Condition {
  const type = 'SystemComponentsHealthy';
  const bad = kept.filter((problem) => problem.namespace === systemNamespace);
  if (bad.length > 0) {
    const [worst] = worstFirst(bad, 1);
    const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : '';
    const message = worst ? `${worst.kind} ${worst.name}: ${worst.reason}${more}.` : '';
    return { type, status: 'False', reason: 'ComponentsUnhealthy', message, since: at };
  }
  if ('fault' in pods) return notSeen(type, pods.fault, at);
  if ('fault' in deployments) return notSeen(type, deployments.fault, at);
  if (components === 0) {
    const message = `Nothing runs in ${systemNamespace}, so there is nothing to judge by.`;
    return { type, status: 'Unknown', reason: 'NoComponents', message, since: at };
  }
  return { type, status: 'True', reason: 'AllHealthy', message: 'Every system component is healthy.', since: at };
}

function notSeen(type: string, fault: Fault, at: number): Condition {
  return { type, status: 'Unknown', reason: reasonOf(fault), message: fault.message, since: at };
}

async function readNodes(get: Get): Promise<NodeHealth[]> {
  const all: NodeHealth[] = [];
  await eachRead<V1Node>(get, '/api/v1/nodes', (node) => {
    all.push(nodeHealth(node));
  });
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A node as it stands: pressure and a missing network are problems of a node that is ready, too. */
export function nodeHealth(node: V1Node): NodeHealth {
  const conditions = node.status?.conditions ?? [];
  const ready = conditions.find((condition) => condition.type === 'Ready');
  const problems = conditions
    .filter((condition) => condition.type !== 'Ready' && condition.status === 'True')
    .map((condition) => plain(condition.type, 60));
  if (ready?.status !== 'True') problems.unshift(plain(ready?.reason ?? 'NoReadyCondition', 60));
  if (node.spec?.unschedulable) problems.push('Cordoned');
  return {
    name: node.metadata?.name ?? '',
    ready: ready?.status === 'True',
    problems,
    version: versionOf(node.status?.nodeInfo?.kubeletVersion ?? ''),
    capacity: readAmounts(node.status?.capacity),
    allocatable: readAmounts(node.status?.allocatable),
    requests: { cpu: 0, memory: 0, pods: 0 },
  };
}

/** `v1.34.2` as people and providers write it: `1.34.2`. */
function versionOf(text: string): string {
  return plain(text, 60).replace(/^v(?=\d)/, '');
}

function nodeProblem(node: NodeHealth): Found {
  const reason = node.problems.length > 0 ? `not ready: ${node.problems.join(', ')}` : 'not ready';
  return { kind: 'Node', namespace: '', name: node.name, reason, rank: ranks.node, alike: `Node/${node.name}` };
}

async function readPods(get: Get, now: number, keep: (problem: Found | null) => void) {
  const requests = new Map<string, Amounts>();
  let total = 0;
  let running = 0;
  let system = 0;
  await eachRead<V1Pod>(get, '/api/v1/pods', (pod) => {
    total += 1;
    const phase = pod.status?.phase;
    if (phase === 'Running') running += 1;
    if (pod.metadata?.namespace === systemNamespace) system += 1;
    const node = pod.spec?.nodeName;
    // As the scheduler counts: bound to the node and not finished.
    if (node && phase !== 'Succeeded' && phase !== 'Failed') {
      requests.set(node, addAmounts(requests.get(node) ?? { cpu: 0, memory: 0, pods: 0 }, podRequests(pod)));
    }
    keep(podProblem(pod, now));
  });
  return { total, running, system, requests };
}

async function readDeployments(get: Get, keep: (problem: Found | null) => void) {
  let total = 0;
  let available = 0;
  let system = 0;
  await eachRead<V1Deployment>(get, '/apis/apps/v1/deployments', (deployment) => {
    total += 1;
    const counts = replicas(deployment);
    if (counts.available >= counts.wanted) available += 1;
    if (deployment.metadata?.namespace === systemNamespace) system += 1;
    keep(deploymentProblem(deployment));
  });
  return { total, available, system };
}
