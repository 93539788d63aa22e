import type { V1Pod } from '@kubernetes/client-node';
import { count } from '../../core/words.ts';
import { eachRead, type Get } from '../client.ts';
import type { Talk, View } from '../operation.ts';
import { podProblem, ranks } from '../workloads.ts';
import { ageOf, demandNamespace, inOrder, listed } from './listing.ts';
import { listPath } from './pages.ts';

/** Gives every pod of a namespace, or with '' of all, to `each`; every date of it but that of its creation is a string. */
export function eachPod({ raw }: Talk, namespace: string, each: (pod: V1Pod) => void): Promise<void> {
  const get: Get = (path, accept) => raw({ method: 'GET', path, ...(accept === undefined ? {} : { accept }) });
  return eachRead(get, listPath('v1', 'pods', namespace), each);
}

/** What a pod is doing, in one word of Kubernetes' own: the reason it waits for before its phase. */
export function podState(pod: V1Pod): string {
  if (pod.metadata?.deletionTimestamp) return 'Terminating';
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const waiting = statuses.find((status) => status.state?.waiting?.reason)?.state?.waiting?.reason;
  return waiting ?? pod.status?.reason ?? pod.status?.phase ?? 'Unknown';
}

/** The pods of a cluster, those that are not as they should be first. */
export const podsView: View = {
  name: 'pods',
  async look(talk, args) {
    const { namespace = '' } = args;
    await demandNamespace(talk, namespace);
    const all: { rank: number; cells: string[] }[] = [];
    let bad = 0;
    await eachPod(talk, namespace, (pod) => {
      const problem = podProblem(pod, talk.now());
      if (problem) bad += 1;
      const statuses = pod.status?.containerStatuses ?? [];
      const ready = statuses.filter((status) => status.ready).length;
      const restarts = statuses.reduce((sum, status) => sum + status.restartCount, 0);
      all.push({
        rank: problem?.rank ?? ranks.replicas + 10,
        cells: [
          pod.metadata?.namespace ?? '',
          pod.metadata?.name ?? '',
          podState(pod),
          `${ready} of ${pod.spec?.containers.length ?? 0}`,
          String(restarts),
          pod.spec?.nodeName ?? 'no node',
          ageOf(talk.now(), pod.metadata?.creationTimestamp),
        ],
      });
    });
    all.sort((a, b) => a.rank - b.rank || inOrder(a.cells, b.cells));
    return listed(args, {
      ...{ view: 'pods', one: 'pod', columns: ['Namespace', 'Pod', 'State', 'Ready', 'Restarts', 'Node', 'Age'] },
      rows: all.map(({ cells }) => cells),
      ...(bad > 0 ? { sum: `${count(bad, 'pod')} of ${all.length} not as it should be, shown first.`, bad: true } : {}),
    });
  },
};
