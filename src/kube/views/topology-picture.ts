/** What runs where, as a picture: a line for each workload, a square for each pod, with the number of its node. */
import type { V1Pod } from '@kubernetes/client-node';
import { type Picture, pictureRows } from '../../core/picture.ts';
import { count } from '../../core/words.ts';
import { podProblem } from '../workloads.ts';
import { podState } from './pods.ts';

/** One pod of the picture. */
export interface Placed {
  /** '' while it has none. */
  node: string;
  series: number;
}

/** Namespaces, their workloads and the pods of each. */
export type Placing = Map<string, Map<string, Placed[]>>;

/** Most workloads that stay readable one by one; beyond it each namespace is a bar. */
const mostWorkloads = 30;

const series: Picture['series'] = [
  { name: 'running', tone: 'good' },
  { name: 'on the way', tone: 'busy' },
  { name: 'not as it should be', tone: 'bad' },
  { name: 'finished', tone: 'plain' },
];

/** Which of the picture's series a pod belongs to. */
export function seriesOf(pod: V1Pod, now: number): number {
  if (podProblem(pod, now)) return 2;
  const state = podState(pod);
  if (state === 'Succeeded' || state === 'Completed') return 3;
  const statuses = pod.status?.containerStatuses ?? [];
  return state === 'Running' && statuses.every(({ ready }) => ready) ? 0 : 1;
}

/** The picture of what runs; whoever shows it has the tree in words beside it. */
export function topologyPicture(placing: Placing, title: string, text: string): Picture {
  const namespaces = [...placing].sort(([a], [b]) => (a < b ? -1 : 1));
  const workloads = namespaces.reduce((sum, [, each]) => sum + each.size, 0);
  const counted = (pods: readonly Placed[]) =>
    series.map((_, index) => pods.filter((each) => each.series === index).length);
  if (workloads > mostWorkloads) return summary(namespaces, title, text, counted);
  const nodes = [...new Set(namespaces.flatMap(([, each]) => [...each.values()].flat().map(({ node }) => node)))]
    .filter(Boolean)
    .sort();
  const numbers = new Map(nodes.map((node, index) => [node, index + 1]));
  const rows = namespaces.flatMap(([namespace, own]): Picture['rows'] => [
    { label: namespace, values: series.map(() => 0), depth: 0 },
    ...[...own]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([workload, pods]) => ({
        ...{ label: nameOf(workload), values: counted(pods), depth: 1 },
        cells: [...pods]
          // What is not as it should be comes first: of many pods the last are only counted.
          .sort((a, b) => urgency(b) - urgency(a) || (numbers.get(a.node) ?? 0) - (numbers.get(b.node) ?? 0))
          .map((each) => ({ text: String(numbers.get(each.node) ?? '–'), series: each.series })),
      })),
  ]);
  const legend = nodes.map((node, index) => `${index + 1}: ${node}`).join(' · ');
  return {
    ...{ kind: 'tree', title, alt: text, ...withoutEmpty(rows) },
    ...(nodes.length > 0 ? { note: `Each square is a pod, with the number of its node. · ${legend}` } : {}),
  };
}

/** The name alone, which is what people look for; what runs once and ends is told apart. */
function nameOf(workload: string): string {
  const [kind = '', name, ...more] = workload.split(' ');
  if (name === undefined || more.length > 0) return workload;
  return /Job$/.test(kind) ? `${name}, ${kind}` : name;
}

function urgency({ series }: Placed): number {
  return [1, 2, 3, 0][series] ?? 0;
}

/** Without the series that nothing is of. */
function withoutEmpty(rows: Picture['rows']): Pick<Picture, 'series' | 'rows'> {
  const kept = series
    .map((_, index) => index)
    .filter((index) => index === 0 || rows.some(({ values }) => (values[index] ?? 0) > 0));
  return {
    series: kept.flatMap((index) => series[index] ?? []),
    rows: rows.map((row) => ({
      ...row,
      values: kept.map((index) => row.values[index] ?? 0),
      ...(row.cells ? { cells: row.cells.map((cell) => ({ ...cell, series: kept.indexOf(cell.series) })) } : {}),
    })),
  };
}

function summary(
  namespaces: [string, Map<string, Placed[]>][],
  title: string,
  text: string,
  counted: (pods: readonly Placed[]) => number[],
): Picture {
  const all = namespaces
    .map(([label, own]) => ({ label, own: own.size, values: counted([...own.values()].flat()) }))
    .sort((a, b) => total(b.values) - total(a.values) || (a.label < b.label ? -1 : 1));
  const first = all.length > pictureRows ? all.slice(0, pictureRows - 1) : all;
  const rest = all.slice(first.length);
  const rows = first.map(({ label, own, values }) => ({ label, values, note: count(own, 'workload') }));
  if (rest.length > 0) {
    const values = series.map((_, index) => rest.reduce((sum, each) => sum + (each.values[index] ?? 0), 0));
    const own = rest.reduce((sum, each) => sum + each.own, 0);
    rows.push({ label: `${rest.length} other namespaces`, values, note: count(own, 'workload') });
  }
  return { ...{ kind: 'stacks', title: `${title}: pods by namespace`, alt: text }, ...withoutEmpty(rows) };
}

function total(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0);
}
