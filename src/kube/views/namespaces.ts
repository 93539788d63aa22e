import { eachObject } from '../client.ts';
import type { View } from '../operation.ts';

/** The namespaces of a cluster, with how many pods run in each. */
export const namespacesView: View = {
  name: 'namespaces',
  async look({ client, now }) {
    const rows = new Map<string, { status: string; at: number; pods: number; running: number }>();
    await eachObject(
      (page) => client.core.listNamespace(page),
      ({ metadata, status }) => {
        const at = metadata?.creationTimestamp?.getTime() ?? now();
        rows.set(metadata?.name ?? '', { status: status?.phase ?? '', at, pods: 0, running: 0 });
      },
    );
    await eachObject(
      (page) => client.core.listPodForAllNamespaces(page),
      ({ metadata, status }) => {
        const row = rows.get(metadata?.namespace ?? '');
        if (!row) return;
        row.pods += 1;
        if (status?.phase === 'Running') row.running += 1;
      },
    );
    const days = (at: number) => `${Math.floor((now() - at) / 86_400_000)} d`;
    const sorted = [...rows].sort(([a], [b]) => a.localeCompare(b));
    return {
      title: `${rows.size} ${rows.size === 1 ? 'namespace' : 'namespaces'}`,
      text: `Namespaces: ${sorted.map(([name]) => name).join(', ')}.`,
      parts: [
        {
          part: 'table',
          columns: ['Namespace', 'State', 'Pods', 'Age'],
          rows: sorted.map(([name, row]) => [name, row.status, `${row.running} of ${row.pods} running`, days(row.at)]),
        },
      ],
    };
  },
};
