import { z } from 'zod';
import { plainCard } from '../card.ts';
import type { Command } from '../command.ts';
import { formatLine } from '../line.ts';
import type { Cluster, Health } from '../records.ts';
import { field } from '../schema.ts';
import { ago, count, stamp, standing, zoneOf } from '../words.ts';
import { toCaller } from './common.ts';

/** The whole fleet in one look, worst first, from what the sweep has seen. */
export const health: Command = {
  name: 'health',
  aliases: ['fleet', 'fleet health'],
  summary: 'The fleet at a glance, worst first',
  examples: ['health'],
  group: 'Clusters',
  policy: 'cluster:list',
  changes: false,
  args: z.object({}),
  positional: [],
  async run(context) {
    const { cache, caller, now } = context;
    const rows = cache.query('cluster', caller.org, { limit: 100_000 });
    if (rows.total === 0) return toCaller(plainCard('Fleet', 'There are no clusters yet.'));
    const all = rows.items.map((cluster) => ({
      cluster,
      seen: cache.get({ kind: 'health', org: caller.org, id: cluster.id }),
    }));
    const healthy = all.filter(({ cluster, seen }) => cluster.phase === 'Ready' && seen?.verdict === 'Healthy').length;
    const worst = all
      .filter((each) => badness(each.cluster, each.seen) > 0)
      .sort((a, b) => badness(b.cluster, b.seen) - badness(a.cluster, a.seen));
    const busy = all.filter(({ cluster }) => cluster.openJob !== undefined).length;
    const bad = cache.query('provisioner', caller.org, { where: ({ state }) => state !== 'OK' }).items;
    // What is being made, changed or taken away, and what is stopped, is neither healthy nor not.
    const counted = all.filter(({ cluster }) => shouldRun(cluster)).length;
    const others = rows.total - counted;
    const provisioners = cache.query('provisioner', caller.org, { limit: 100_000 }).total;
    const fleet = [
      `${healthy} of ${count(counted, 'cluster')} healthy${shareOf(healthy, counted)}`,
      ...(others > 0 ? [`${others} on the way or stopped`] : []),
      ...(busy > 0 ? [`${busy} busy`] : []),
      ...(worst.length > 0 ? [`${worst.length} not as they should be`] : []),
    ].join(', ');
    const fine = provisioners - bad.length;
    const providers =
      provisioners > 0 ? ` ${fine} of ${count(provisioners, 'provisioner')} OK${shareOf(fine, provisioners)}.` : '';
    const text = `${fleet}.${providers}`;
    return toCaller({
      title: 'Fleet',
      tone: worst.length > 0 || bad.length > 0 ? 'warn' : 'good',
      text,
      parts: [
        { part: 'text', text },
        ...(worst.length > 0
          ? [
              {
                part: 'table' as const,
                caption: 'Worst first',
                columns: ['Cluster', 'State', 'Why', 'Seen'],
                rows: worst
                  .slice(0, 15)
                  .map(({ cluster, seen }) => [
                    cluster.name,
                    standing(cluster, seen),
                    why(cluster, seen),
                    seen ? ago(now - seen.at) : 'never',
                  ]),
              },
            ]
          : []),
        ...bad.map((each) => ({
          part: 'note' as const,
          text: `Provisioner ${each.name}: ${each.state}. ${each.message}`,
        })),
      ],
      buttons: worst.slice(0, 2).map(({ cluster }) => ({
        label: `Show ${cluster.name}`,
        command: formatLine('cluster show', ['cluster'], { cluster: cluster.name }),
      })),
    });
  },
};

/** Whether a cluster counts among those that are to be healthy. */
function shouldRun({ phase, stopped }: Cluster): boolean {
  return !stopped && (phase === 'Ready' || phase === 'Failed' || phase === 'Unknown');
}

function shareOf(part: number, whole: number): string {
  return whole > 0 ? ` (${Math.floor((100 * part) / whole)} %)` : '';
}

/** How bad a cluster is, from 0 (as it should be) to 5. */
export function badness(cluster: Cluster, seen: Health | undefined): number {
  if (cluster.phase === 'Failed') return 5;
  if (cluster.phase === 'Unknown') return 4;
  if (cluster.phase !== 'Ready') return 0;
  if (!seen) return 1;
  return { Unreachable: 3, Degraded: 2, Unknown: 2, Healthy: 0 }[seen.verdict];
}

/** Why, in a sentence of the cluster's or the provider's. */
export function why(cluster: Cluster, seen: Health | undefined): string {
  if (cluster.failure) return cluster.failure.message;
  return seen?.conditions.find(({ status }) => status !== 'True')?.message ?? 'Not looked at yet.';
}

/** Who did what, newest first. */
export const audit: Command = {
  name: 'audit',
  summary: 'Who did what, newest first',
  examples: ['audit', 'audit dev-1', 'audit page=2'],
  group: 'KQueen',
  policy: 'audit:list',
  changes: false,
  args: z.object({
    about: field(z.string().trim().optional(), {
      label: 'About',
      help: 'A cluster, a provisioner or a person.',
      order: 1,
    }),
    page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 2 }),
  }),
  positional: ['about'],
  async run(context, values) {
    const perPage = 15;
    const page = Number(values.page ?? 1);
    const about = values.about?.replace(/^@/, '').toLowerCase();
    const rows = context.cache.query('audit', context.caller.org, {
      descending: true,
      ...(about
        ? {
            where: (each) =>
              each.subject.toLowerCase() === about ||
              each.whoName.toLowerCase() === about ||
              each.who.toLowerCase() === about,
          }
        : {}),
      offset: (page - 1) * perPage,
      limit: perPage,
    });
    if (rows.total === 0)
      return toCaller(plainCard('Audit', about ? `Nothing is recorded about ${about}.` : 'Nothing is recorded yet.'));
    const pages = Math.ceil(rows.total / perPage);
    const turn = (to: number, label: string) => ({
      label,
      command: formatLine('audit', ['about'], { ...(about ? { about } : {}), page: String(to) }),
    });
    return toCaller({
      title: `Audit, page ${page} of ${pages}`,
      tone: 'plain',
      text: `${count(rows.total, 'entry', 'entries')}.`,
      parts: [
        {
          part: 'table',
          columns: [`When (${zoneOf(context.zone)})`, 'Who', 'What', 'About', 'Outcome'],
          rows: rows.items.map((each) => [
            stamp(each.at, context.zone),
            each.whoName,
            each.action,
            each.subject,
            each.reason ? `${each.outcome}: ${each.reason}` : each.outcome,
          ]),
        },
      ],
      buttons: [
        ...(page > 1 ? [turn(page - 1, 'Previous page')] : []),
        ...(page < pages ? [turn(page + 1, 'Next page')] : []),
      ],
    });
  },
};
