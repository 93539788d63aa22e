import { z } from 'zod';
import { keepingWords, scheduleWords } from '../backup-schedule.ts';
import { plainCard } from '../card.ts';
import type { Command } from '../command.ts';
import { formatLine } from '../line.ts';
import type { BackupPlan } from '../records.ts';
import { field } from '../schema.ts';
import { ago, count } from '../words.ts';
import { soon } from './backup-keeping.ts';
import { toCaller } from './common.ts';

const perPage = 20;
const shownWithout = 8;

/** Which clusters are backed up by themselves, and how that goes. */
export const backupSchedules: Command = {
  name: 'backup schedules',
  summary: 'Which clusters are backed up by themselves, and how it goes',
  examples: ['backup schedules'],
  group: 'Backups',
  policy: 'cluster:list',
  changes: false,
  args: z.object({
    page: field(z.number().int().min(1).max(10_000).default(1), { label: 'Page', order: 1 }),
  }),
  positional: ['page'],
  async run({ cache, caller, now }, values) {
    const page = Math.max(1, Number(values.page ?? 1));
    const rows = cache.query('backupplan', caller.org, { offset: (page - 1) * perPage, limit: perPage });
    const set = new Set(
      cache
        .query('backupplan', caller.org, { where: ({ schedule }) => schedule !== undefined, limit: 100_000 })
        .items.map(({ id }) => id),
    );
    const without = cache.query('cluster', caller.org, {
      where: ({ id, phase, readOnly }) => phase === 'Ready' && !readOnly && !set.has(id),
      limit: shownWithout,
    });
    const names = without.items.map(({ name }) => name).join(', ');
    const left =
      without.total === 0
        ? ''
        : `${count(without.total, 'cluster')} ${without.total === 1 ? 'has' : 'have'} no schedule: ${names}${without.total > shownWithout ? ', …' : ''}.`;
    const [first] = without.items;
    const offer = first
      ? [
          {
            label: `Back up ${first.name} daily`,
            command: formatLine('backup schedule', ['cluster', 'every'], {
              cluster: first.name,
              every: 'daily',
              keep: '7',
            }),
          },
        ]
      : [];
    if (rows.total === 0)
      return toCaller(plainCard('No schedules', `No cluster is backed up by itself. ${left}`.trim(), 'plain', offer));
    const failing = rows.items.filter(({ alertedAt }) => alertedAt !== undefined);
    const text =
      `${count(rows.total, 'schedule')}${failing.length > 0 ? `, ${failing.length} of them failing again and again` : ''}. ${left}`.trim();
    const pages = Math.ceil(rows.total / perPage);
    return toCaller({
      title: count(rows.total, 'schedule'),
      tone: failing.length > 0 ? 'bad' : 'plain',
      text,
      parts: [
        { part: 'text', text },
        {
          part: 'table',
          columns: ['Cluster', 'When', 'Stays', 'Next', 'Last'],
          rows: rows.items.map((plan) => rowOf(plan, now)),
        },
      ],
      buttons: [
        ...offer,
        { label: 'All backups', command: 'backup list' },
        ...(page < pages
          ? [{ label: 'Next page', command: formatLine('backup schedules', ['page'], { page: String(page + 1) }) }]
          : []),
      ],
    });
  },
};

function rowOf(plan: BackupPlan, now: number): string[] {
  const { clusterName, schedule, keeping, waiting, running, last, fails } = plan;
  const next = running ? 'runs now' : waiting ? `waits: ${waiting.why}` : schedule ? soon(schedule.dueAt, now) : '';
  const went = last ? `${last.result} ${ago(now - last.at)}${fails > 1 ? `, ${fails} in a row` : ''}` : 'not yet';
  return [clusterName, schedule ? scheduleWords(schedule) : 'by hand alone', keepingWords(keeping), next, went];
}
