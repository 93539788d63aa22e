import { eachObject } from '../client.ts';
import type { View } from '../operation.ts';
import { ageOf, inOrder, listed } from './listing.ts';
import { eachPod } from './pods.ts';

/** The namespaces of a cluster, with how many pods run in each. */
export const namespacesView: View = {
  name: 'namespaces',
  async look(talk, args) {
    const rows = new Map<string, { status: string; age: string; pods: number; running: number }>();
    await eachObject(
      (page) => talk.client.core.listNamespace(page),
      ({ metadata, status }) => {
        const age = ageOf(talk.now(), metadata?.creationTimestamp);
        rows.set(metadata?.name ?? '', { status: status?.phase ?? '', age, pods: 0, running: 0 });
      },
    );
    await eachPod(talk, '', ({ metadata, status }) => {
      const row = rows.get(metadata?.namespace ?? '');
      if (!row) return;
      row.pods += 1;
      if (status?.phase === 'Running') row.running += 1;
    });
    return listed(
      { ...args, namespace: '' },
      {
        ...{ view: 'namespaces', one: 'namespace', columns: ['Namespace', 'State', 'Pods', 'Age'] },
        rows: [...rows]
          .map(([name, row]) => [name, row.status, `${row.running} of ${row.pods} running`, row.age])
          .sort(inOrder),
      },
    );
  },
};
