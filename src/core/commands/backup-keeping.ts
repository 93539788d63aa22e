/** What the commands of schedules and of retention share: whose backups they are about, what goes, and how it is written down. */
import { z } from 'zod';
import { readBy } from '../backup.ts';
import { type Going, goingBy, keepingWords } from '../backup-schedule.ts';
import { plainCard } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import { asFault, Fault } from '../errors.ts';
import { hashOf } from '../plan.ts';
import type { Change, Stored } from '../ports/store.ts';
import { type BackupPlan, endedStates, type Keeping, type Plan } from '../records.ts';
import { field } from '../schema.ts';
import { formatDuration, parseDuration } from '../units.ts';
import { proposalCard } from '../views/plan.ts';
import { ago, count } from '../words.ts';
import { demand, findCluster, movedFault, repeatAnswer, toPlace } from './common.ts';

/** How many stay. */
export const keepField = field(z.number().int().min(1).max(1_000).optional(), {
  label: 'Keep',
  help: 'So many of the newest good ones; the others go.',
  example: '7',
  order: 5,
});

/** How old they may become. */
export const maxAgeField = field(z.string().trim().max(20).optional(), {
  label: 'At most so old',
  help: 'Older ones go, but never the newest good one.',
  example: '30d',
  order: 6,
});

export const manualField = field(z.boolean().default(false), {
  label: 'Those asked for by people as well',
  help: 'Without it only what the schedule made counts and goes.',
  order: 7,
});

/** Of whom a plan is: a cluster, or one that is gone and has left backups. */
export interface Subject {
  org: string;
  /** The cluster's. */
  id: string;
  name: string;
  owner: string;
  purpose: string;
  /** Whether it is still there. */
  there: boolean;
  /** KQueen only looks at it. */
  readOnly: boolean;
  plan: Stored<'backupplan'> | undefined;
}

/** The subject of that name that this person may decide on; a cluster that is gone is known by its backups. */
export async function subjectOf(context: Context, name: string): Promise<Subject> {
  const { org } = context.caller;
  const planOf = (id: string) => context.store.get({ kind: 'backupplan', org, id });
  try {
    const { record } = await findCluster(context, name);
    demand(context, 'cluster:update', [record.owner]);
    const { id, name: called, owner, purpose } = record;
    const readOnly = record.readOnly === true;
    return { org, id, name: called, owner, purpose, there: true, readOnly, plan: await planOf(id) };
  } catch (thrown) {
    const fault = asFault(thrown);
    const wanted = name.trim().toLowerCase();
    const left = context.cache.query('backup', org, {
      ...{ sort: 'createdAt', descending: true, limit: 1 },
      where: ({ clusterName }) => clusterName === wanted,
    }).items[0];
    if (fault.kind !== 'not-found' || !left) throw fault;
    demand(context, 'cluster:update', [left.owner]);
    const { cluster: id, clusterName, owner } = left;
    return { org, id, name: clusterName, owner, purpose: '', there: false, readOnly: false, plan: await planOf(id) };
  }
}

/** What stays, as it was asked for over what is set; undefined when nothing was said of it. */
export function keepingOf(values: Record<string, string>, before: Keeping | undefined): Keeping | undefined {
  const { keep, maxage, manual } = values;
  if (keep === undefined && maxage === undefined) return before;
  const maxAgeMs = maxage === undefined ? undefined : parseDuration(maxage);
  if (maxAgeMs === null || (maxAgeMs !== undefined && (maxAgeMs < 3_600_000 || maxAgeMs > 3_650 * 86_400_000))) {
    throw new Fault('bad-input', `${(maxage ?? '').slice(0, 20)} is no age that backups can have.`, {
      field: 'maxage',
      next: 'Write it as 30d or 12h, from an hour to ten years.',
    });
  }
  return {
    ...(keep === undefined ? {} : { keep: Number(keep) }),
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    manual: /^(yes|true|on)$/i.test(manual ?? ''),
  };
}

/** What would go at once. */
export async function goingNow(context: Context, subject: Subject, keeping: Keeping): Promise<Going[]> {
  const { org, id } = subject;
  const own = context.cache.query('backup', org, { where: ({ cluster }) => cluster === id, limit: 10_000 }).items;
  const jobs = context.cache.query('job', org, {
    where: (job) => !endedStates.includes(job.state) && readBy(job) !== null,
    limit: 1_000,
  }).items;
  const read = new Set(jobs.flatMap((job) => readBy(job)?.id ?? []));
  return goingBy(own, keeping, id, context.now, read);
}

/** The card that lists what goes before anything does. */
export function goingAnswer(
  context: Context,
  subject: Subject,
  wish: {
    keeping: Keeping;
    going: readonly Going[];
    line: string;
    button: string;
    plan: string | undefined;
    also?: string;
  },
): Answer | null {
  const { keeping, going, line, button } = wish;
  if (going.length === 0) return null;
  const lines = going
    .slice(0, 30)
    .map(({ backup, why }) => `${backup.id}  ${ago(context.now - backup.createdAt)}: ${why}`);
  const more = going.length > 30 ? [`and ${going.length - 30} more`] : [];
  const made: Omit<Plan, 'hash'> = {
    title: `Delete ${count(going.length, 'backup')} of ${subject.name}`,
    facts: [
      ...(wish.also === undefined ? [] : [{ label: 'Schedule', value: wish.also }]),
      { label: 'From now on', value: keepingWords(keeping) },
      { label: 'Goes at once', value: count(going.length, 'backup') },
    ],
    disturbs: 'Nobody; what is deleted cannot be restored any more.',
    detail: [...lines, ...more].join('\n'),
    cost: null,
    costNote: 'Less than before.',
    approval: { needed: false, role: 'admin', why: 'they are backups of your own cluster, or you are an admin' },
  };
  const plan: Plan = {
    ...made,
    hash: hashOf([subject.id, keeping, wish.also ?? '', going.map(({ backup }) => backup.id)]),
  };
  if (wish.plan === plan.hash) return null;
  return { audience: 'caller', card: proposalCard(plan, { line, button, moved: wish.plan !== undefined }) };
}

/** A plan that says nothing yet. */
export function emptyPlan(context: Context, subject: Subject): BackupPlan {
  const { caller, place } = context;
  return {
    ...{ v: 1, id: subject.id, org: subject.org, clusterName: subject.name, owner: subject.owner, place },
    ...{ by: caller.person, byName: caller.name, namespaces: [], secrets: false, snapshots: false, fails: 0 },
  };
}

/** Writes the plan down, or takes it away when it says nothing any more. */
export async function writePlan(
  context: Context,
  subject: Subject,
  next: BackupPlan,
  { action, says }: { action: string; says: string },
): Promise<Answer> {
  const { plan: before } = subject;
  const ref = { kind: 'backupplan', org: subject.org, id: subject.id } as const;
  const isEmpty = next.schedule === undefined && next.keeping === undefined && next.running === undefined;
  const change: Change =
    isEmpty && before
      ? { op: 'delete', ref, if: before.revision }
      : { op: 'put', ref, record: next, if: before?.revision ?? 0 };
  const done = await context.effect([change], { action, outcome: 'done', subject: subject.name, says });
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) throw movedFault(`The schedule of ${subject.name}`);
  return toPlace(
    plainCard(`Backups of ${subject.name}`, says, 'good', [
      { label: 'Schedules', command: 'backup schedules' },
      { label: 'Backups', command: `backup list ${subject.name}` },
    ]),
  );
}

/** "in 3 h 5 min", "now". */
export function soon(at: number, now: number): string {
  return at <= now ? 'now' : `in ${formatDuration(at - now)}`;
}
