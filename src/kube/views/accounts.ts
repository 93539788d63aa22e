import { accessNamespace, accountName, marks } from '../access.ts';
import { eachObject } from '../client.ts';
import { plain } from '../faults.ts';
import type { View } from '../operation.ts';

/** Most accounts in one message; the newest issues come first. */
const most = 50;

/** Who has an account for personal access, as the accounts say; with `person` that one alone. */
export const accountsView: View = {
  name: 'accounts',
  async look(talk, { person }) {
    const found: { issued: string; row: string[] }[] = [];
    await eachObject(
      (page) =>
        talk.client.core.listNamespacedServiceAccount({
          ...page,
          namespace: accessNamespace,
          labelSelector: 'app.kubernetes.io/managed-by=kqueen',
        }),
      ({ metadata }) => {
        const said = metadata?.annotations ?? {};
        const name = metadata?.name ?? '';
        const whose = said[marks.person] ?? '';
        if (person !== undefined && name !== accountName(person)) return;
        const issued = day(said[marks.issued]);
        found.push({
          issued,
          row: [
            // What an account says of itself can be changed by hand; its name is what counts.
            accountName(whose) === name ? plain(whose, 100) : name,
            plain(said[marks.role] ?? 'not said', 20),
            plain(said[marks.namespaces]?.replaceAll(',', ', ') || 'all', 200),
            day(metadata?.creationTimestamp),
            issued,
          ],
        });
      },
    );
    const rows = found.sort((a, b) => b.issued.localeCompare(a.issued)).map(({ row }) => row);
    if (rows.length === 0) {
      const text =
        person === undefined ? 'Nobody has an account for access here.' : 'There is no account of yours here.';
      return { title: 'No accounts', text, parts: [{ part: 'text', text }] };
    }
    const title = rows.length === 1 ? '1 account' : `${rows.length} accounts`;
    const more = rows.length > most ? ` The ${most} that were given access last are shown.` : '';
    return {
      title,
      text: `${title} for personal access.${more} A token lives for an hour at most after its last issue.`,
      parts: [
        {
          part: 'table',
          columns: ['Person', 'Role', 'Namespaces', 'Made', 'Last issue'],
          rows: rows.slice(0, most),
          ...(more ? { caption: more.trim() } : {}),
        },
      ],
    };
  },
};

/** A moment in UTC to the minute, for a table. */
function day(at: Date | string | undefined): string {
  const date = new Date(at ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? 'not said' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
