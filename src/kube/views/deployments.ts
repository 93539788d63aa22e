import { count } from '../../core/words.ts';
import { eachObject } from '../client.ts';
import type { View } from '../operation.ts';
import { deploymentProblem, replicas } from '../workloads.ts';
import { ageOf, demandNamespace, inOrder, listed } from './listing.ts';

/** The Deployments of a cluster, those that lack replicas first. */
export const deploymentsView: View = {
  name: 'deployments',
  async look(talk, args) {
    const { client, now } = talk;
    const { namespace = '' } = args;
    await demandNamespace(talk, namespace);
    const all: { rank: number; cells: string[] }[] = [];
    let bad = 0;
    await eachObject(
      (page) =>
        namespace === ''
          ? client.apps.listDeploymentForAllNamespaces(page)
          : client.apps.listNamespacedDeployment({ ...page, namespace }),
      (each) => {
        const problem = deploymentProblem(each);
        if (problem) bad += 1;
        const { wanted, available } = replicas(each);
        const images = each.spec?.template.spec?.containers.map(({ image }) => image ?? '') ?? [];
        all.push({
          rank: problem?.rank ?? 99,
          cells: [
            each.metadata?.namespace ?? '',
            each.metadata?.name ?? '',
            `${available} of ${wanted}${each.spec?.paused ? ', paused' : ''}`,
            images.join(', '),
            ageOf(now(), each.metadata?.creationTimestamp),
          ],
        });
      },
    );
    all.sort((a, b) => a.rank - b.rank || inOrder(a.cells, b.cells));
    return listed(args, {
      ...{ view: 'deployments', one: 'deployment' },
      columns: ['Namespace', 'Deployment', 'Available', 'Images', 'Age'],
      rows: all.map(({ cells }) => cells),
      ...(bad > 0
        ? { sum: `${count(bad, 'deployment')} of ${all.length} short of replicas, shown first.`, bad: true }
        : {}),
    });
  },
};
