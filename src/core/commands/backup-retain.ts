import { z } from 'zod';
import { keepingWords } from '../backup-schedule.ts';
import { plainCard } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import { field } from '../schema.ts';
import { count } from '../words.ts';
import { isYes } from './backup-fields.ts';
import {
  emptyPlan,
  goingAnswer,
  goingNow,
  keepingOf,
  manualField,
  maxAgeField,
  subjectOf,
  writePlan,
} from './backup-keeping.ts';
import { clusterField, toCaller } from './common.ts';

/** Which backups of a cluster stay. What goes at once is listed before it goes. */
export const backupRetain: Command = {
  name: 'backup retain',
  aliases: ['backup retention', 'backup keep'],
  summary: 'Keep so many backups of a cluster; what goes is shown first',
  examples: [
    'backup retain dev-1 7',
    'backup retain dev-1 maxage=30d',
    'backup retain dev-1 keep=5 maxage=90d manual=yes',
    'backup retain dev-1 off',
  ],
  group: 'Backups',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    keep: field(
      z
        .string()
        .trim()
        .regex(/^(?:off|all|[1-9]\d{0,2}|1000)$/i, 'Write a number from 1 to 1000, or off.')
        .optional(),
      { label: 'Keep', help: 'So many of the newest good ones, or off: all stay.', example: '7', order: 2 },
    ),
    maxage: maxAgeField,
    manual: manualField,
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'keep'],
  async run(context, values) {
    const subject = await subjectOf(context, values.cluster ?? '');
    const before = subject.plan?.record;
    const cluster = subject.name;
    if (values.keep === undefined && values.maxage === undefined) {
      const text = `Of the backups of ${cluster}, ${keepingWords(before?.keeping)}.`;
      return toCaller(
        plainCard(`Backups of ${cluster}`, text, 'plain', [
          { label: 'Keep the newest 7', command: lineOf(backupRetain, { cluster, keep: '7' }) },
          { label: 'Backups', command: formatLine('backup list', ['cluster'], { cluster }) },
        ]),
      );
    }
    if (/^(off|all)$/i.test(values.keep ?? '')) {
      if (!before?.keeping) {
        throw new Fault('conflict', `All backups of ${cluster} stay already.`, { next: `See backup list ${cluster}.` });
      }
      const { keeping: _keeping, ...rest } = before;
      const says = `All backups of ${cluster} stay from now on, until they are deleted one by one.`;
      return writePlan(context, subject, rest, { action: 'backup.retain', says });
    }
    const keeping = keepingOf(values, undefined) ?? { manual: false };
    const going = await goingNow(context, subject, keeping);
    const asked = goingAnswer(context, subject, {
      ...{ keeping, going, plan: values.plan, button: 'Delete them' },
      line: lineOf(backupRetain, {
        ...{ cluster, keep: values.keep ?? '', maxage: values.maxage ?? '' },
        manual: isYes(values.manual) ? 'yes' : '',
      }),
    });
    if (asked) return asked;
    const byHand = keeping.manual ? 0 : handMade(context, subject.id);
    const others =
      byHand > 0
        ? ` ${count(byHand, 'backup')} that people asked for ${byHand === 1 ? 'stays' : 'stay'}; add manual=yes to count those as well.`
        : '';
    const goes =
      going.length > 0 ? ` ${count(going.length, 'backup')} ${going.length === 1 ? 'goes' : 'go'} in a moment.` : '';
    const says = `Of the backups of ${cluster}, ${keepingWords(keeping)}; the newest good one always stays.${goes}${others}`;
    const next = { ...(before ?? emptyPlan(context, subject)), keeping };
    return writePlan(context, subject, next, { action: 'backup.retain', says });
  },
};

function handMade({ cache, caller }: Parameters<Command['run']>[0], cluster: string): number {
  return cache.query('backup', caller.org, {
    where: (each) => each.cluster === cluster && each.schedule === undefined && each.by === 'kqueen',
    limit: 1,
  }).total;
}
