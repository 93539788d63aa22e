/** What all lists of a cluster's objects share: a page of a table, buttons to turn it, and everything as a file. */
import type { Button } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import { formatLine } from '../../core/line.ts';
import type { Picture } from '../../core/picture.ts';
import type { Looked } from '../../core/ports/work.ts';
import { count } from '../../core/words.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';

/** A list as it was read, whole. */
export interface Listing {
  /** The view's name, such as `pods`. */
  view: string;
  /** "pod", and where adding an s is wrong "pods". */
  one: string;
  many?: string;
  columns: string[];
  /** In the order they are shown; texts of the cluster, cleaned and cut here. */
  rows: string[][];
  /** What the list comes to, in a sentence. */
  sum?: string;
  /** Above the first page. */
  picture?: Picture | null;
  /** Small print. */
  notes?: string[];
  bad?: boolean;
}

/** Longest cell of a table in a message, in characters; the file has more. */
const longestCell = 56;
const longestInFile = 400;
/** Rows of one page: as many as fit into a message of `room` characters, within these bounds. */
const bounds = { least: 5, most: 20, room: 2_600 };

/** The page of a list that `args` asks for; `args.cluster` is the cluster's name, for the buttons. */
export function listed(talkArgs: Record<string, string>, listing: Listing): Looked {
  const { view, one, many = `${one}s`, columns, notes = [] } = listing;
  const { namespace = '', cluster = '' } = talkArgs;
  const of = namespace === '' ? '' : ` of namespace ${namespace}`;
  if (listing.rows.length === 0) {
    const text = `There are no ${many}${namespace === '' ? '' : ` in namespace ${namespace}`}.`;
    const parts = [text, ...notes].map((each) => ({ part: 'text' as const, text: each }));
    return { title: `No ${many}${of}`, text, parts };
  }
  const cells = listing.rows.map((row) => row.map((cell) => plain(cell, longestCell)));
  const perPage = fitting(columns, cells);
  const pages = Math.ceil(cells.length / perPage);
  const page = Math.min(pages, Math.max(1, Number(talkArgs.page) || 1));
  const from = (page - 1) * perPage;
  const title = `${count(cells.length, one, many)}${of}`;
  const looked: Looked = {
    title,
    text: listing.sum ?? `${title}.`,
    parts: [
      ...(listing.sum ? [{ part: 'text' as const, text: listing.sum }] : []),
      ...(listing.picture && page === 1 ? [{ part: 'picture' as const, picture: listing.picture }] : []),
      { part: 'table', columns, rows: cells.slice(from, from + perPage) },
      ...notes.map((text) => ({ part: 'note' as const, text })),
    ],
    ...(listing.bad ? { bad: true } : {}),
  };
  if (pages === 1) return looked;
  const turn = (to: number, label: string): Button => ({
    label,
    command: formatLine('cluster get', ['what', 'cluster'], { what: view, cluster, namespace, page: String(to) }),
  });
  const buttons = [
    ...(page > 1 ? [turn(page - 1, 'Previous page')] : []),
    ...(page < pages ? [turn(page + 1, 'Next page')] : []),
  ];
  const last = Math.min(from + perPage, cells.length);
  const text = `Page ${page} of ${pages}: ${from + 1} to ${last} of ${cells.length}.`;
  looked.parts.push({ part: 'rows', rows: [{ text, buttons }] });
  if (page === 1) looked.file = { name: `${view}.txt`, content: fileOf(columns, listing.rows) };
  return looked;
}

function fitting(columns: string[], rows: readonly string[][]): number {
  const width = columns.reduce(
    (sum, column, at) => sum + 2 + rows.reduce((most, row) => Math.max(most, row[at]?.length ?? 0), column.length),
    0,
  );
  return Math.max(bounds.least, Math.min(bounds.most, Math.floor(bounds.room / width) - 1));
}

/** The whole table with tabs between its columns, one row a line. */
function fileOf(columns: string[], rows: readonly string[][]): string {
  const lines = rows.map((row) => row.map((cell) => plain(cell, longestInFile)).join('\t'));
  return `${[columns.join('\t'), ...lines].join('\n')}\n`;
}

/** How long ago, in the largest unit that fits: `3 d`, `5 h`, `12 min`; '' when it is not known. */
export function ageOf(now: number, at: Date | string | undefined): string {
  const since = at === undefined ? Number.NaN : new Date(at).getTime();
  if (Number.isNaN(since)) return '';
  const minutes = Math.max(0, Math.floor((now - since) / 60_000));
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2_880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1_440)} d`;
}

/** A `not-found` Fault when there is no such namespace: an empty list of one that is not there would be no answer. */
export async function demandNamespace(talk: Talk, namespace: string): Promise<void> {
  if (namespace === '') return;
  try {
    await talk.raw({ method: 'GET', path: `/api/v1/namespaces/${encodeURIComponent(namespace)}` });
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    // Who may list a namespace's objects need not be allowed to read the namespace itself.
    if (thrown.kind === 'not-allowed') return;
    if (thrown.kind !== 'not-found') throw thrown;
    throw new Fault('not-found', `There is no namespace ${namespace} in this cluster.`, { field: 'namespace' });
  }
}

/** The order of rows by their cells, from the first. */
export function inOrder(a: readonly string[], b: readonly string[]): number {
  for (const [at, left] of a.entries()) {
    const right = b[at] ?? '';
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
