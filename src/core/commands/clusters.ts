import { z } from 'zod';
import { plainCard } from '../card.ts';
import { type Answer, type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import type { Cluster, Health } from '../records.ts';
import { field } from '../schema.ts';
import { formatDuration, parseDuration } from '../units.ts';
import { ago, count, standing } from '../words.ts';
import { toCaller } from './common.ts';

const perPage = 20;
const sorts = {
  name: 'name',
  created: 'createdAt',
  phase: 'phase',
  provisioner: 'provisionerName',
  owner: 'ownerName',
  version: 'version',
} as const;

/** The clusters of the organisation, from memory: no provider and no store is asked. */
export const clusters: Command = {
  name: 'clusters',
  aliases: ['cluster list', 'ls'],
  summary: 'All clusters, filtered, sorted, paged',
  examples: [
    'clusters',
    'clusters phase!=ready sort=created',
    'clusters label.team=data age>7d',
    'clusters label=data version<1.40',
    'clusters mine',
    'clusters as=csv',
  ],
  group: 'Clusters',
  policy: 'cluster:list',
  changes: false,
  args: z.object({
    show: field(z.enum(['all', 'mine']).default('all'), { label: 'Which', order: 1 }),
    where: field(z.string().optional(), {
      label: 'Conditions',
      help: 'Such as phase!=ready, age>7d, label.team=data, name~dev.',
      order: 2,
    }),
    sort: field(z.enum(['name', 'created', 'phase', 'provisioner', 'owner', 'version']).default('name'), {
      label: 'Sorted by',
      order: 3,
    }),
    order: field(z.enum(['asc', 'desc']).default('asc'), { label: 'Order', order: 4 }),
    page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 5 }),
    as: field(z.enum(['list', 'csv', 'json']).default('list'), {
      label: 'As',
      help: 'csv and json give all that match as a file, in your direct conversation.',
      order: 6,
    }),
  }),
  positional: ['show'],
  selectors: true,
  async run(context, values) {
    const { cache, caller, now } = context;
    const page = Number(values.page ?? 1);
    const matches = readConditions(values.where ?? '', now);
    const mine = values.show === 'mine';
    const all = !mine && !values.where;
    const sort = sorts[(values.sort ?? 'name') as keyof typeof sorts];
    const file = values.as === 'csv' || values.as === 'json' ? values.as : null;
    const rows = cache.query('cluster', caller.org, {
      sort,
      descending: values.order === 'desc',
      ...(all ? {} : { where: (each: Cluster) => (!mine || each.owner === caller.person) && matches(each) }),
      offset: file ? 0 : (page - 1) * perPage,
      limit: file ? mostExported : perPage,
    });
    if (rows.total === 0) {
      const text = all ? 'There are no clusters yet.' : 'No cluster matches.';
      return toCaller(
        plainCard('Clusters', text, 'plain', [
          { label: 'Create a cluster', command: 'cluster create', style: 'primary' },
        ]),
      );
    }
    if (file)
      return exported(rows.items, rows.total, file, (each) =>
        cache.get({ kind: 'health', org: each.org, id: each.id }),
      );
    const pages = Math.ceil(rows.total / perPage);
    const { page: _page, ...same } = values;
    const turn = (to: number, label: string) => ({ label, command: lineOf(clusters, { ...same, page: String(to) }) });
    return toCaller({
      title: `${count(rows.total, 'cluster')}${pages > 1 ? `, page ${page} of ${pages}` : ''}`,
      tone: 'plain',
      text: `${count(rows.total, 'cluster')}.`,
      parts: [
        {
          part: 'table',
          columns: ['Cluster', 'State', 'What', 'Where', 'Owner', 'Age', 'Seen'],
          rows: rows.items.map((each) => {
            const health = cache.get({ kind: 'health', org: each.org, id: each.id });
            return [
              each.name,
              standing(each, health),
              each.summary,
              each.provisionerName,
              each.ownerName,
              formatDuration(now - each.createdAt),
              health ? ago(now - health.at) : 'never',
            ];
          }),
        },
      ],
      buttons: [
        ...(page > 1 ? [turn(page - 1, 'Previous page')] : []),
        ...(page < pages ? [turn(page + 1, 'Next page')] : []),
      ],
    });
  },
};

/** Largest number of clusters in a file: some 10 MB. */
const mostExported = 20_000;

function exported(
  rows: readonly Cluster[],
  total: number,
  as: 'csv' | 'json',
  healthOf: (cluster: Cluster) => Health | undefined,
): Answer {
  const all = rows.map((cluster) => exportRow(cluster, healthOf(cluster)));
  const text = as === 'json' ? `${JSON.stringify(all, null, 2)}\n` : csv(all);
  const said =
    total > rows.length
      ? `The first ${rows.length} of ${count(total, 'cluster')}, as ${as}.`
      : `${count(total, 'cluster')}, as ${as}.`;
  const says = `${said} The file is in your direct conversation.`;
  return {
    audience: 'caller',
    card: plainCard('Clusters as a file', says, 'good'),
    files: [{ name: `clusters.${as}`, content: text, text: says }],
  };
}

function exportRow(cluster: Cluster, health: Health | undefined): Record<string, string | number> {
  const time = (at: number | undefined) => (at === undefined ? '' : new Date(at).toISOString());
  return {
    name: cluster.name,
    phase: cluster.phase,
    health: health?.verdict ?? '',
    healthSeen: time(health?.at),
    engine: cluster.engine,
    provisioner: cluster.provisionerName,
    nameAtProvider: cluster.externalName,
    version: cluster.version ?? '',
    nodes: cluster.nodes ?? '',
    summary: cluster.summary,
    purpose: cluster.purpose,
    owner: cluster.ownerName,
    labels: Object.entries(cluster.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    created: time(cluster.createdAt),
    endpoint: cluster.endpoint ?? '',
  };
}

/** RFC 4180. A cell that a spreadsheet would take for a formula begins with an apostrophe. */
function csv(rows: Record<string, string | number>[]): string {
  const cell = (value: string | number): string => {
    const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const [first] = rows;
  const lines = [Object.keys(first ?? {}), ...rows.map((row) => Object.values(row))];
  return lines.map((line) => `${line.map(cell).join(',')}\r\n`).join('');
}

type Test = (cluster: Cluster) => boolean;

/** Reads `phase!=ready age>7d label.team=data`; throws a Fault that names the condition it cannot read. */
export function readConditions(text: string, now: number): Test {
  const tests = [...text.matchAll(/(?:"(?:\\.|[^"\\])*"|[^\s"]|")+/g)].map(([each]) => readCondition(each, now));
  return (cluster) => tests.every((test) => test(cluster));
}

const fields = [
  'name',
  'phase',
  'owner',
  'provisioner',
  'engine',
  'purpose',
  'version',
  'age',
  'nodes',
  'label',
  'label.<key>',
];

function readCondition(text: string, now: number): Test {
  const found = /^([a-z]+(?:\.[\w./-]+)?)(!=|<=|>=|=|<|>|~)(.*)$/is.exec(text);
  const [, key = '', operator = '', written = ''] = found ?? [];
  const wanted = /^".*"$/s.test(written) ? written.slice(1, -1).replace(/\\(.)/g, '$1') : written;
  const bad = (why: string) =>
    new Fault('bad-input', `I cannot read the condition ${text}: ${why}`, {
      field: 'where',
      next: `Fields: ${fields.join(', ')}.`,
    });
  if (!found) throw bad('write field, operator, value, such as phase!=ready.');
  if (!key.startsWith('label.') && !fields.includes(key)) throw bad(`there is no field ${key}.`);
  const label = key.startsWith('label.') ? key.slice(6) : null;
  const read = (cluster: Cluster): string | number | undefined => {
    if (label !== null) return Object.hasOwn(cluster.labels, label) ? cluster.labels[label] : undefined;
    switch (key) {
      case 'name':
        return cluster.name;
      case 'phase':
        return cluster.phase;
      case 'owner':
        return cluster.ownerName;
      case 'provisioner':
        return cluster.provisionerName;
      case 'engine':
        return cluster.engine;
      case 'purpose':
        return cluster.purpose;
      case 'version':
        return cluster.version;
      case 'nodes':
        return cluster.nodes;
      default:
        return now - cluster.createdAt;
    }
  };
  if (key === 'label') {
    // Also a word that is only a label's key or only its value: that is how people remember them.
    const words = (cluster: Cluster) => Object.entries(cluster.labels).flat();
    if (operator === '=') return (cluster) => words(cluster).includes(wanted);
    if (operator === '!=') return (cluster) => !words(cluster).includes(wanted);
    if (operator === '~') return (cluster) => words(cluster).some((word) => word.includes(wanted));
    throw bad('labels can be compared with =, != and ~.');
  }
  if (key === 'age') {
    const ms = parseDuration(wanted);
    if (ms === null) throw bad(`${wanted} is no duration, such as 7d or 12h.`);
    return (cluster) => compare(Number(read(cluster)) - ms, operator);
  }
  if (key === 'nodes' && !/^\d+$/.test(wanted)) throw bad(`${wanted} is no number.`);
  return (cluster) => {
    const value = read(cluster);
    if (operator === '~') return value !== undefined && String(value).toLowerCase().includes(wanted.toLowerCase());
    if (value === undefined) return operator === '!=';
    if (typeof value === 'number') return compare(value - Number(wanted), operator);
    if (key === 'version') return compare(compareVersions(value, wanted), operator);
    return compare(value.toLowerCase().localeCompare(wanted.toLowerCase()), operator);
  };
}

function compare(difference: number, operator: string): boolean {
  switch (operator) {
    case '=':
      return difference === 0;
    case '!=':
      return difference !== 0;
    case '<':
      return difference < 0;
    case '<=':
      return difference <= 0;
    case '>':
      return difference > 0;
    default:
      return difference >= 0;
  }
}

/** Compares dotted versions by number, as far as the second one goes: 1.31.4 equals 1.31. */
export function compareVersions(a: string, b: string): number {
  const numbers = (text: string) =>
    text
      .replace(/^v/, '')
      .split(/[.+-]/)
      .map((part) => Number.parseInt(part, 10) || 0);
  const left = numbers(a);
  const right = numbers(b);
  for (const [index, part] of right.entries()) {
    const difference = (left[index] ?? 0) - part;
    if (difference !== 0) return difference;
  }
  return 0;
}
