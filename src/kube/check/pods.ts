/** Pods that are not as they should be: what they belong to, why, and the last lines of those that crash. */
import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { Button } from '../../core/card.ts';
import { asFault } from '../../core/errors.ts';
import { formatLine } from '../../core/line.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { readLog, tail } from '../views/logs.ts';
import { podProblem, ranks } from '../workloads.ts';
import type { Finding } from './findings.ts';

/** Most crash loops whose logs are read, lines of each, and characters that are shown. */
const logs = { most: 3, lines: 12, room: 700 };
/** Kept while reading; beyond it only the count of alike ones would grow. */
const mostKept = 2_000;

/** A finding of a pod, with where its log is. */
interface PodFinding extends Finding {
  namespace: string;
  pod: string;
  /** The container that crashes. */
  container?: V1ContainerStatus;
}

/** Who asks: the cluster's name for the buttons, and what of it they may do. */
export interface Asker {
  cluster: string;
  logs: boolean;
  upgrade: boolean;
  scale: boolean;
}

/** Collects what is wrong with pods while they are read. */
export function openPodFindings(talk: Talk, asker: Asker, behind: ReadonlyMap<string, string>) {
  const kept: PodFinding[] = [];
  const { cluster } = asker;

  function add(pod: V1Pod): void {
    const problem = podProblem(pod, talk.now());
    if (!problem || kept.length >= mostKept) return;
    const { namespace } = problem;
    const owner = pod.metadata?.ownerReferences?.[0];
    const workload = owner ? (behind.get(owner.uid) ?? `${owner.kind} ${owner.name}`) : `Pod ${problem.name}`;
    const [kind = 'Pod', name = problem.name] = workload.split(' ');
    const crashing = problem.rank === ranks.crash;
    const container = crashing ? crashingContainer(pod) : undefined;
    const logApp = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'].includes(kind) ? name : problem.name;
    const log: Button = {
      label: 'Logs',
      command: formatLine('app logs', ['cluster', 'app'], { cluster, app: logApp, namespace, previous: 'true' }),
    };
    const events = get('Events', cluster, 'events', namespace);
    const next = crashing && asker.logs ? [log, events] : [events];
    if (problem.rank === ranks.pending) next.push(nodesOf(cluster));
    kept.push({
      ...{ rank: problem.rank, level: 'now', namespace, pod: problem.name, next },
      about: `${kind} ${namespace}/${name}`,
      why: problem.rank === ranks.pending ? pendingWhy(pod, problem.reason) : problem.reason,
      alike: `${namespace}/${workload}/${problem.reason.split(/[,:]/)[0]}`,
      ...(container ? { container } : {}),
    });
  }

  /** The findings, with the last lines of the worst crash loops. */
  async function end(): Promise<Finding[]> {
    const first = new Map<string, PodFinding>();
    for (const each of kept) if (each.container && !first.has(each.alike)) first.set(each.alike, each);
    if (!asker.logs) return kept;
    await Promise.all(
      [...first.values()].slice(0, logs.most).map(async (each) => {
        const log = await lastLines(talk, each);
        if (log !== '') each.log = log;
      }),
    );
    return kept;
  }

  return { add, end };
}

/** A button to one of the lists of a cluster. */
export function get(label: string, cluster: string, what: string, namespace = ''): Button {
  return { label, command: formatLine('cluster get', ['what', 'cluster'], { what, cluster, namespace }) };
}

/** A button to the nodes of a cluster, with what can be done about each. */
export function nodesOf(cluster: string): Button {
  return { label: 'Nodes', command: formatLine('node list', ['cluster'], { cluster }) };
}

function crashingContainer(pod: V1Pod): V1ContainerStatus | undefined {
  return [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(
    ({ state }) => state?.waiting?.reason !== undefined,
  );
}

/** What the scheduler says, whole: it names what every node lacks. */
function pendingWhy(pod: V1Pod, otherwise: string): string {
  const said = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  return said?.message ? plain(`Pending: ${said.message}`, 320) : otherwise;
}

/** The end of the log of what crashed, before its last restart where there was one; '' when there is none. */
async function lastLines(talk: Talk, { namespace, pod, container }: PodFinding): Promise<string> {
  if (!container) return '';
  const at = { namespace, pod, container: container.name, lines: logs.lines };
  for (const previous of container.restartCount > 0 ? [true, false] : [false]) {
    try {
      const log = await readLog(talk, { ...at, previous });
      if (log !== '') return tail(log, logs.room);
    } catch (thrown) {
      // A container whose log is gone, or not to be read, still has its reason.
      const { kind } = asFault(thrown);
      if (kind === 'unreachable') return '';
    }
  }
  return '';
}
