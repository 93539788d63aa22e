import { z } from 'zod';
import { keepingWords, nextRun, readEvery, scheduleWords } from '../backup-schedule.ts';
import type { Button, Fact } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { knownZone, readTime, readWeekday, timeText } from '../digest.ts';
import { Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import { approvalFor, atLeast } from '../policy.ts';
import type { BackupPlan, BackupSchedule } from '../records.ts';
import { field } from '../schema.ts';
import { ago } from '../words.ts';
import { isYes, namespacesField, namespacesOf } from './backup-fields.ts';
import {
  emptyPlan,
  goingAnswer,
  goingNow,
  keepField,
  keepingOf,
  manualField,
  maxAgeField,
  type Subject,
  soon,
  subjectOf,
  writePlan,
} from './backup-keeping.ts';
import { clusterField, toCaller } from './common.ts';

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** Has a cluster backed up by itself, every so often; alone it says how that is set. */
export const backupSchedule: Command = {
  name: 'backup schedule',
  aliases: ['backup every'],
  summary: 'Back a cluster up by itself, every day or so; off ends it',
  examples: [
    'backup schedule dev-1 daily at 02:30 keep=7',
    'backup schedule dev-1 weekly on sun at 03:00 zone=Europe/Berlin maxage=90d',
    'backup schedule dev-1 6h secrets=yes keep=28',
    'backup schedule dev-1 off',
    'backup schedule dev-1',
  ],
  group: 'Backups',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    every: field(z.string().trim().max(20).optional(), {
      label: 'How often',
      help: 'daily, weekly, hourly, 6h (a part of a day), or off.',
      example: 'daily',
      order: 2,
    }),
    at: field(z.string().trim().max(10).default('02:30'), {
      label: 'At',
      help: 'On the clocks of the zone.',
      example: '02:30',
      order: 3,
    }),
    day: field(z.string().trim().max(12).default('sun'), { label: 'Day', help: 'Of a weekly one.', order: 4 }),
    keep: keepField,
    maxage: maxAgeField,
    manual: manualField,
    zone: field(z.string().trim().max(60).optional(), {
      label: 'Time zone',
      help: 'Such as Europe/Berlin; yours when the chat tells it, else UTC.',
      example: 'Europe/Berlin',
      order: 8,
    }),
    namespaces: namespacesField,
    secrets: field(z.boolean().default(false), {
      label: 'Secrets as well',
      help: 'Sealed with the key of KQueen. Without it they are left out.',
      order: 10,
    }),
    snapshots: field(z.boolean().default(false), {
      label: 'Snapshots of volumes',
      help: 'Where the cluster can make VolumeSnapshots.',
      order: 11,
    }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'every'],
  words: { at: 'at', on: 'day', in: 'zone' },
  async run(context, values) {
    const subject = await subjectOf(context, values.cluster ?? '');
    const { every } = values;
    if (every === undefined || every === '') return show(context, subject);
    if (/^(off|stop|none|never)$/i.test(every)) return turnOff(context, subject);
    if (!subject.there) {
      throw new Fault('not-found', `Cluster ${subject.name} is gone, so there is nothing to back up.`, {
        field: 'cluster',
        next: `What is kept of it is in backup list ${subject.name}; which of it stays says backup retain ${subject.name}.`,
      });
    }
    demandSchedule(context, subject);
    return set(context, subject, every, values);
  },
};

/** A schedule begins without asking anybody: on a production cluster an admin sets it. */
function demandSchedule(context: Context, { name, purpose, readOnly }: Subject): void {
  if (readOnly) {
    throw new Fault('unsupported', `KQueen only looks at cluster ${name}, so it is not backed up from here.`, {
      next: 'Back it up where it was made, or import it to be operated.',
    });
  }
  if (!approvalFor('cluster.change', context.caller, purpose).needed || atLeast(context.caller.role, 'admin')) return;
  throw new Fault('not-allowed', `${name} is a production cluster, so an admin sets its schedule.`, {
    next: 'Ask an admin to write the same; single backups you can ask for with backup create.',
  });
}

async function set(context: Context, subject: Subject, every: string, values: Record<string, string>): Promise<Answer> {
  const { now, caller, place } = context;
  const schedule = readSchedule(context, every, values);
  const before = subject.plan?.record;
  const keeping = keepingOf(values, before?.keeping);
  const namespaces = namespacesOf(values.namespaces);
  const [secrets, snapshots] = [isYes(values.secrets), isYes(values.snapshots)];
  const words = scheduleWords(schedule);
  if (keeping) {
    const asked = goingAnswer(context, subject, {
      ...{ keeping, going: await goingNow(context, subject, keeping), also: words, plan: values.plan },
      ...{ button: 'Set it and delete them', line: lineFor(subject, schedule, values) },
    });
    if (asked) return asked;
  }
  const { waiting: _waiting, ...rest } = before ?? emptyPlan(context, subject);
  const next: BackupPlan = {
    ...rest,
    ...{ clusterName: subject.name, owner: subject.owner, by: caller.person, byName: caller.name, place },
    ...{ schedule, namespaces, secrets, snapshots },
    ...(keeping ? { keeping } : {}),
  };
  const what = namespaces.length > 0 ? `its namespaces ${namespaces.join(', ')}` : 'all of it';
  const hint = keeping ? '' : ` Add keep=7 to keep the newest seven alone.`;
  const says = `${subject.name} is backed up ${words}: ${what}, ${secrets ? 'with Secrets, sealed' : 'without Secrets'}; the first time ${soon(schedule.dueAt, now)}. Of what is made, ${keepingWords(keeping)}.${hint}${guessed(context, values)}`;
  return writePlan(context, subject, next, { action: 'backup.schedule', says });
}

function guessed(context: Context, { zone }: Record<string, string>): string {
  if (zone !== undefined) return '';
  return context.zone === undefined
    ? ' This chat does not tell your time zone, so it is UTC; add zone=Europe/Berlin for another.'
    : ' That is your time zone; add zone=… for another.';
}

function readSchedule(context: Context, every: string, values: Record<string, string>): BackupSchedule {
  const read = readEvery(every);
  if (read === null) {
    throw new Fault('bad-input', `${every.slice(0, 20)} is not how often a backup can be made.`, {
      field: 'every',
      next: 'Write daily, weekly, hourly, 2h, 3h, 4h, 6h, 8h or 12h, or off to end it.',
    });
  }
  const minute = readTime(values.at ?? '02:30');
  if (minute === null) {
    throw new Fault('bad-input', `${(values.at ?? '').slice(0, 20)} is no time of the day.`, {
      field: 'at',
      next: 'Write it as 02:30 or 5pm.',
    });
  }
  const asked = values.zone ?? context.zone;
  const zone = knownZone(asked ?? 'UTC');
  if (zone === null) {
    throw new Fault('bad-input', `There is no time zone ${(asked ?? '').slice(0, 60)}.`, {
      field: 'zone',
      next: 'Write it as Europe/Berlin or America/New_York.',
    });
  }
  const weekday = read.weekly ? readWeekday(values.day ?? 'sun') : undefined;
  if (weekday === null) {
    throw new Fault('bad-input', `${(values.day ?? '').slice(0, 20)} is no day of the week.`, {
      field: 'day',
      next: 'Write mon, tue, wed, thu, fri, sat or sun.',
    });
  }
  const when = {
    ...{ minute, zone },
    ...(read.hours === undefined ? {} : { hours: read.hours }),
    ...(weekday === undefined ? {} : { weekday }),
  };
  return { ...when, dueAt: nextRun(when, context.now) };
}

/** The same once more as it is written, with everything that it means. */
function lineFor(subject: Subject, schedule: BackupSchedule, values: Record<string, string>): string {
  const { hours, weekday, minute, zone } = schedule;
  const every = hours === undefined ? (weekday === undefined ? 'daily' : 'weekly') : `${hours}h`;
  return lineOf(backupSchedule, {
    ...{ cluster: subject.name, every, at: timeText(minute), zone },
    day: weekday === undefined ? '' : (dayNames[weekday] ?? ''),
    ...{ keep: values.keep ?? '', maxage: values.maxage ?? '', manual: isYes(values.manual) ? 'yes' : '' },
    namespaces: namespacesOf(values.namespaces).join(','),
    ...{ secrets: isYes(values.secrets) ? 'yes' : '', snapshots: isYes(values.snapshots) ? 'yes' : '' },
  });
}

async function turnOff(context: Context, subject: Subject): Promise<Answer> {
  const before = subject.plan?.record;
  if (!before?.schedule) {
    throw new Fault('conflict', `${subject.name} has no schedule.`, {
      next: `Write backup schedule ${subject.name} daily to give it one.`,
    });
  }
  const { schedule: _schedule, waiting: _waiting, ...rest } = before;
  const stays = before.keeping ? ` Its retention goes on: ${keepingWords(before.keeping)}.` : '';
  const says = `${subject.name} is not backed up by itself any more; what is kept stays.${stays}`;
  return writePlan(context, subject, rest, { action: 'backup.schedule', says });
}

function show(context: Context, subject: Subject): Answer {
  const plan = subject.plan?.record;
  const cluster = subject.name;
  const now: Button = { label: 'Back up now', command: formatLine('backup create', ['cluster'], { cluster }) };
  const list: Button = { label: 'Backups', command: formatLine('backup list', ['cluster'], { cluster }) };
  const daily = lineOf(backupSchedule, { cluster, every: 'daily', at: '02:30', keep: '7' });
  if (!plan?.schedule) {
    const text = `${cluster} is not backed up by itself. Of its backups, ${keepingWords(plan?.keeping)}.`;
    return toCaller({
      ...{ title: `Backups of ${cluster}`, tone: 'plain', text, parts: [{ part: 'text', text }] },
      buttons: subject.there
        ? [{ label: 'Every day at 02:30, keep 7', command: daily, style: 'primary' }, now, list]
        : [list],
    });
  }
  const text = `${cluster} is backed up ${scheduleWords(plan.schedule)}.`;
  return toCaller({
    title: `Backups of ${cluster}`,
    tone: plan.alertedAt === undefined ? 'plain' : 'bad',
    text,
    parts: [
      { part: 'text', text },
      { part: 'facts', facts: factsOf(plan, context.now) },
      { part: 'time', label: 'Next', at: plan.schedule.dueAt },
    ],
    buttons: [now, list, { label: 'End the schedule', command: lineOf(backupSchedule, { cluster, every: 'off' }) }],
    footer: `Set by ${plan.byName}`,
  });
}

/** What a plan comes to, for people. */
function factsOf(plan: BackupPlan, now: number): Fact[] {
  const { last, waiting, fails } = plan;
  return [
    {
      label: 'Namespaces',
      value: plan.namespaces.length > 0 ? plan.namespaces.join(', ') : "all but the cluster's own",
    },
    { label: 'Secrets', value: plan.secrets ? 'kept, sealed' : 'not kept' },
    ...(plan.snapshots ? [{ label: 'Snapshots', value: 'where the cluster can make them' }] : []),
    { label: 'Stays', value: keepingWords(plan.keeping) },
    ...(waiting ? [{ label: 'Waits', value: waiting.why }] : []),
    ...(last ? [{ label: 'Last', value: `${last.result}, ${ago(now - last.at)}: ${last.note}` }] : []),
    ...(fails > 0 ? [{ label: 'Failures in a row', value: String(fails) }] : []),
  ];
}
