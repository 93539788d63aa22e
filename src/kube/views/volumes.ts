import { count } from '../../core/words.ts';
import { eachObject } from '../client.ts';
import type { View } from '../operation.ts';
import { ageOf, demandNamespace, inOrder, listed } from './listing.ts';

/** The volume claims of a cluster with their volumes, those that wait first, then the volumes that nobody holds. */
export const volumesView: View = {
  name: 'volumes',
  async look(talk, args) {
    const { client, now } = talk;
    const { namespace = '' } = args;
    await demandNamespace(talk, namespace);
    const claims: { bound: boolean; cells: string[] }[] = [];
    await eachObject(
      (page) =>
        namespace === ''
          ? client.core.listPersistentVolumeClaimForAllNamespaces(page)
          : client.core.listNamespacedPersistentVolumeClaim({ ...page, namespace }),
      ({ metadata, spec, status }) => {
        const bound = status?.phase === 'Bound';
        claims.push({
          bound,
          cells: [
            metadata?.namespace ?? '',
            metadata?.name ?? '',
            status?.phase ?? 'Unknown',
            status?.capacity?.storage ?? `${spec?.resources?.requests?.storage ?? '?'} wanted`,
            spec?.storageClassName ?? '',
            spec?.volumeName ?? '',
            ageOf(now(), metadata?.creationTimestamp),
          ],
        });
      },
    );
    const loose: string[][] = [];
    if (namespace === '') {
      await eachObject(
        (page) => client.core.listPersistentVolume(page),
        ({ metadata, spec, status }) => {
          if (status?.phase === 'Bound') return;
          loose.push([
            '',
            'no claim',
            status?.phase ?? 'Unknown',
            spec?.capacity?.storage ?? '',
            spec?.storageClassName ?? '',
            metadata?.name ?? '',
            ageOf(now(), metadata?.creationTimestamp),
          ]);
        },
      );
    }
    const waiting = claims.filter(({ bound }) => !bound).length;
    claims.sort((a, b) => Number(a.bound) - Number(b.bound) || inOrder(a.cells, b.cells));
    return listed(args, {
      ...{ view: 'volumes', one: 'volume' },
      columns: ['Namespace', 'Claim', 'State', 'Size', 'Class', 'Volume', 'Age'],
      rows: [...claims.map(({ cells }) => cells), ...loose.sort(inOrder)],
      ...(waiting > 0
        ? { sum: `${count(waiting, 'claim')} of ${claims.length} without a volume, shown first.`, bad: true }
        : {}),
    });
  },
};
