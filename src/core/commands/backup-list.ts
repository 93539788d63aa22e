import { z } from 'zod';
import { standingOf } from '../backup.ts';
import type { Button, Part } from '../card.ts';
import { plainCard } from '../card.ts';
import { type Command, type Context, lineOf } from '../command.ts';
import { formatLine } from '../line.ts';
import type { Backup } from '../records.ts';
import { field } from '../schema.ts';
import { ago, count } from '../words.ts';
import { sizeOf, stateWords } from './backup-fields.ts';
import { toCaller } from './common.ts';

const perPage = 15;

/** The backups that are kept, newest first. */
export const backupList: Command = {
  name: 'backup list',
  aliases: ['backups'],
  summary: 'The backups that are kept, newest first',
  examples: ['backup list', 'backup list dev-1'],
  group: 'Backups',
  policy: 'cluster:list',
  changes: false,
  args: z.object({
    cluster: field(z.string().trim().min(1).optional(), {
      label: 'Cluster',
      help: 'By its name; without it, all. One that is gone can be named as well.',
      order: 1,
    }),
    page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 2 }),
  }),
  positional: ['cluster'],
  words: { of: 'cluster' },
  async run(context, values) {
    const cluster = (values.cluster ?? '').toLowerCase();
    const wanted = Math.max(1, Number(values.page ?? 1));
    const rows = query(context, cluster, (wanted - 1) * perPage);
    const title = `${count(rows.total, 'backup')}${cluster === '' ? '' : ` of ${cluster}`}`;
    const create = formatLine('backup create', ['cluster'], { cluster });
    const back: Button[] = cluster === '' ? [] : [{ label: 'Back up now', command: create }];
    if (rows.total === 0) {
      const text = `There are no backups${cluster === '' ? '' : ` of ${cluster}`} yet. Write backup create with the name of a cluster.`;
      return toCaller(plainCard('No backups', text, 'plain', back));
    }
    const turn = (page: number, label: string): Button => ({
      label,
      command: lineOf(backupList, { cluster, page: String(page) }),
    });
    const pages = Math.ceil(rows.total / perPage);
    return toCaller({
      title,
      tone: 'plain',
      text: `${title}${pages > 1 ? `, page ${wanted} of ${pages}` : ''}.`,
      parts: [tableOf(context, rows.items)],
      buttons: [
        ...rows.items
          .filter(({ state }) => state === 'kept' || state === 'partial')
          .slice(0, 2)
          .map(({ id }) => ({ label: `Show ${id}`, command: formatLine('backup show', ['backup'], { backup: id }) })),
        ...back,
        ...(wanted > 1 ? [turn(wanted - 1, 'Previous page')] : []),
        ...(wanted < pages ? [turn(wanted + 1, 'Next page')] : []),
      ],
    });
  },
};

function query({ cache, caller }: Context, cluster: string, offset: number, limit = perPage) {
  return cache.query('backup', caller.org, {
    sort: 'createdAt',
    descending: true,
    where: (each) => cluster === '' || each.clusterName === cluster,
    ...{ offset, limit },
  });
}

function tableOf(context: Context, backups: readonly Backup[]): Part {
  return {
    part: 'table',
    columns: ['Backup', 'Cluster', 'When', 'State', 'Holds'],
    rows: backups.map((each) => {
      const job = context.cache.get({ kind: 'job', org: each.org, id: each.job });
      const state = stateWords[standingOf(each, job)].replace(/^is /, '');
      const what = [
        each.namespaces ? each.namespaces.join(', ') : 'all',
        each.by === 'velero' ? 'by Velero' : sizeOf(each),
        ...(each.secrets ? ['Secrets sealed'] : []),
      ];
      return [each.id, each.clusterName, ago(context.now - each.createdAt), state, what.filter(Boolean).join('; ')];
    }),
  };
}

/** What backups are, for who writes no more than the word. */
export const backup: Command = {
  name: 'backup',
  summary: 'What backups are, and how to make and use them',
  examples: ['backup'],
  group: 'Backups',
  policy: 'cluster:list',
  changes: false,
  args: z.object({}),
  positional: [],
  async run(context) {
    const rows = query(context, '', 0, 5);
    const how = [
      '`backup create dev-1` keeps all objects of a cluster outside of it; Secrets only with `secrets=yes`, and then sealed.',
      '`backup list`, `backup show <id>` and `backup diff <id>` say what is kept, whether it is whole, and what differs now.',
      '`backup restore <id>` brings it back, into the same cluster or with `to=other` into another; what is there stays unless you say `existing=overwrite`.',
      '`backup schedule dev-1 daily keep=7` makes them by itself and keeps the newest seven; `backup delete <id>` removes one.',
      'What is in volumes is not in a backup: each backup says how to save that, and takes snapshots with `snapshots=yes` where the cluster can.',
    ];
    return toCaller({
      title: 'Backups',
      tone: 'plain',
      text: how.join(' ').replaceAll('`', ''),
      parts: [
        ...how.map((text): Part => ({ part: 'text', text })),
        ...(rows.total > 0 ? [tableOf(context, rows.items)] : []),
      ],
      buttons: [
        { label: 'All backups', command: 'backup list' },
        { label: 'Schedules', command: 'backup schedules' },
      ],
    });
  },
};
