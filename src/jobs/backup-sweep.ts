/**
 * Backups that are made by themselves: one that is due becomes a job like any other, once, whoever sweeps, since job, cluster and plan change in one
 * transaction. How it went is told when it went wrong; retention is beside it (backup-retention.ts).
 */
import { type BackupWish, backupInput, backupMs, backupOps, backupSteps, newBackup } from '../core/backup.ts';
import { alertFails, lastRun, nextRun, scheduleWords, settled, windowEnd } from '../core/backup-schedule.ts';
import { hasKubeconfig } from '../core/connect.ts';
import { asFault } from '../core/errors.ts';
import { formatLine } from '../core/line.ts';
import { ownAudit, ownPerson } from '../core/own-jobs.ts';
import { hashOf } from '../core/plan.ts';
import type { Archive } from '../core/ports/archive.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Engines } from '../core/ports/engine.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue } from '../core/ports/queue.ts';
import type { Cache, Change, Store, Stored } from '../core/ports/store.ts';
import {
  type Audit,
  type BackupPlan,
  type Cluster,
  endedStates,
  type Job,
  type Notice,
  type Plan,
} from '../core/records.ts';
import { count } from '../core/words.ts';
import { createBackupRetention } from './backup-retention.ts';
import { listAll, orgsOf } from './listing.ts';

export interface BackupSweepParts {
  store: Store;
  cache?: Cache;
  engines: Pick<Engines, 'get'>;
  queue: Queue;
  /** Absent: nothing is kept anywhere, and nothing begins. */
  archive?: Archive;
  clock: Clock;
  newId: NewId;
  log: Log;
}

export interface BackupSweep {
  /** Begins what is due, settles what has ended, removes what a person has deleted. Ends early, between clusters, when `go` says no or the signal fires. */
  sweep(signal: AbortSignal, go?: () => boolean): Promise<void>;
  /** Marks what goes by retention and removes what is marked; bounded, to be called again and again. */
  retain(signal: AbortSignal, go?: () => boolean): Promise<void>;
}

/** How long nothing is removed after that could not be done, in milliseconds. */
const pauseMs = 120_000;

export function createBackupSweep(parts: BackupSweepParts): BackupSweep {
  const { store, queue, clock, newId, log, archive } = parts;
  let pausedUntil = 0;
  const retention = archive ? createBackupRetention({ ...parts, archive }) : null;

  async function sweep(signal: AbortSignal, go: () => boolean = () => true): Promise<void> {
    if (!archive) return;
    for (const org of orgsOf(parts.cache)) {
      const now = clock.now();
      for (const { id } of await listAll(parts, 'backupplan', org, (plan) => isDue(plan, now))) {
        if (signal.aborted || !go()) return;
        try {
          await turn(org, id, archive);
        } catch (thrown) {
          const fault = asFault(thrown);
          if (fault.kind === 'unreachable') throw fault;
          log.warn({ cluster: id, detail: fault.detail }, `a scheduled backup could not begin: ${fault.message}`);
        }
      }
    }
    // A place that does not answer is not asked again at every sweep.
    if (!retention || clock.now() < pausedUntil) return;
    if (!(await retention.removeMarked(signal, go))) pausedUntil = clock.now() + pauseMs;
  }

  /** One look at a plan; every save is fenced by its revision. */
  async function turn(org: string, id: string, place: Archive): Promise<void> {
    const found = await store.get({ kind: 'backupplan', org, id });
    if (!found) return;
    const after = found.record.running ? await settle(found) : found;
    if (!after || after.record.running || !after.record.schedule) return;
    const due = await takeDue(after);
    if (due?.record.waiting) await begin(due, place);
  }

  /** What became of the job that was begun; null while it is not over, or when another has settled it. */
  async function settle(found: Stored<'backupplan'>): Promise<Stored<'backupplan'> | null> {
    const plan = found.record;
    const { org } = plan;
    const running = plan.running;
    if (!running) return found;
    const job = (await store.get({ kind: 'job', org, id: running.job }))?.record;
    if (job && !endedStates.includes(job.state)) return null;
    const now = clock.now();
    const after = settled(plan, endOf(job), now);
    const changes: Change[] = [{ op: 'put', ref: found.ref, record: after, if: found.revision }];
    if (after.fails > plan.fails) {
      if (after.fails <= alertFails) changes.push(noticeOf(failedNotice(after, job)));
      if (after.fails === alertFails) changes.push(auditOf(after, 'backup.alert', 'failed', after.last?.note ?? ''));
    } else if (plan.alertedAt !== undefined && after.alertedAt === undefined) {
      changes.push(noticeOf(recoveredNotice(plan)));
    }
    return commit(found, after, changes);
  }

  /** Writes down that one is due, however many were missed, and when the next one is. */
  async function takeDue(found: Stored<'backupplan'>): Promise<Stored<'backupplan'> | null> {
    const plan = found.record;
    const { schedule } = plan;
    const now = clock.now();
    if (!schedule || schedule.dueAt > now) return found;
    const { due, missed } = lastRun(schedule, schedule.dueAt, now);
    const dueAt = nextRun(schedule, now);
    // One that was missed is made up for at once, even when its own window has passed.
    const until = Math.max(windowEnd(schedule, due), Math.min(now + 3_600_000, dueAt - 60_000));
    const waiting = { due, until, why: 'It has just become due.', missed: missed + (plan.waiting ? 1 : 0) };
    const after: BackupPlan = { ...plan, schedule: { ...schedule, dueAt }, waiting };
    return commit(found, after, [{ op: 'put', ref: found.ref, record: after, if: found.revision }]);
  }

  async function begin(found: Stored<'backupplan'>, place: Archive): Promise<void> {
    const plan = found.record;
    const { org, waiting } = plan;
    if (!waiting) return;
    const cluster = await store.get({ kind: 'cluster', org, id: plan.id });
    if (!cluster) return endSchedule(found);
    const hindered = hindrance(cluster.record, parts.engines);
    if (hindered)
      return hindered.passes && clock.now() < waiting.until ? wait(found, hindered.why) : skip(found, hindered.why);
    const now = clock.now();
    const wish = { ...wishOf(plan, cluster.record), id: newId(6) };
    const job = jobOf(plan, cluster.record, { wish, place, now });
    const backup = newBackup(wish, job);
    const { waiting: _waiting, ...rest } = plan;
    const after: BackupPlan = {
      ...rest,
      clusterName: cluster.record.name,
      owner: cluster.record.owner,
      running: { job: job.id, due: waiting.due },
    };
    const done = await store.commit([
      { op: 'put', ref: found.ref, record: after, if: found.revision },
      { op: 'put', ref: { kind: 'job', org, id: job.id }, record: job, if: 0 },
      { op: 'put', ref: { kind: 'backup', org, id: backup.id }, record: backup, if: 0 },
      { op: 'put', ref: cluster.ref, record: { ...cluster.record, openJob: job.id }, if: cluster.revision },
      ownAudit(newId, job, reasonOf(plan), now),
    ]);
    // Another has begun it, or the cluster was taken for something else: the next sweep sees.
    if (!done.ok) return;
    log.info({ cluster: plan.id, job: job.id, missed: waiting.missed }, 'a scheduled backup begins');
    await queue.add({ org, job: job.id, tick: job.tick }, now).catch((thrown: unknown) => {
      log.warn({ job: job.id }, `its first tick waits for the sweep: ${asFault(thrown).message}`);
    });
  }

  /** It is tried again until its window ends; why it waits is kept, and written only when it changes. */
  async function wait(found: Stored<'backupplan'>, why: string): Promise<void> {
    const { waiting } = found.record;
    if (!waiting || waiting.why === why) return;
    const after = { ...found.record, waiting: { ...waiting, why } };
    await store.commit([{ op: 'put', ref: found.ref, record: after, if: found.revision }]);
  }

  async function skip(found: Stored<'backupplan'>, why: string): Promise<void> {
    const { waiting: _waiting, ...rest } = found.record;
    const after = settled(rest, { result: 'skipped', note: why }, clock.now());
    await store.commit([
      { op: 'put', ref: found.ref, record: after, if: found.revision },
      auditOf(after, 'backup.skip', 'cancelled', why),
    ]);
    log.info({ cluster: after.id, why }, 'a scheduled backup was left out');
  }

  /** The cluster is gone: nothing is backed up any more, and what is kept stays under its retention. */
  async function endSchedule(found: Stored<'backupplan'>): Promise<void> {
    const { schedule: _schedule, waiting: _waiting, ...rest } = found.record;
    const why = 'The cluster is gone, so its schedule has ended; its backups stay.';
    const after = settled(rest, { result: 'skipped', note: why }, clock.now());
    await store.commit([
      { op: 'put', ref: found.ref, record: after, if: found.revision },
      auditOf(after, 'backup.schedule', 'done', why),
    ]);
  }

  function jobOf(
    plan: BackupPlan,
    cluster: Cluster,
    { wish, place, now }: { wish: BackupWish; place: Archive; now: number },
  ): Job {
    const id = newId(8);
    const input = backupInput(wish);
    const words = { cluster: cluster.name, namespaces: plan.namespaces.join(','), secrets: plan.secrets ? 'yes' : '' };
    const snapshots = plan.snapshots ? 'yes' : '';
    return {
      ...{ v: 1, id, org: plan.org, kind: 'cluster.work', cluster: cluster.id, clusterName: cluster.name },
      ...{ provisioner: cluster.provisioner, engine: cluster.engine, state: 'Queued' },
      ...(cluster.nodes === undefined ? {} : { nodes: cluster.nodes }),
      ...{ requestedBy: ownPerson, requesterName: 'KQueen', requestedAt: now, place: plan.place, quiet: true },
      command: formatLine('backup create', ['cluster'], { ...words, snapshots }),
      plan: planOf(plan, cluster, place),
      ...{ tick: 1, dueAt: now, allowedMs: backupMs, steps: [], note: 'Waiting for a free worker.', attempt: 0 },
      log: [{ at: now, text: reasonOf(plan) }],
      work: {
        ...{ op: backupOps.kqueen, title: 'Scheduled backup of', steps: [...backupSteps], bulk: false },
        ...{ input, progress: {} },
      },
    };
  }

  function noticeOf(notice: Omit<Notice, 'v' | 'id' | 'at'>): Change {
    const id = newId(12);
    const record: Notice = { v: 1, id, at: clock.now(), ...notice };
    return { op: 'put', ref: { kind: 'notice', org: notice.org, id }, record, if: 0 };
  }

  function auditOf(plan: BackupPlan, action: string, outcome: Audit['outcome'], reason: string): Change {
    const at = clock.now();
    const id = `${String(at).padStart(13, '0')}-${newId()}`;
    const command = formatLine('backup schedule', ['cluster'], { cluster: plan.clusterName });
    const record: Audit = {
      ...{ v: 1, id, org: plan.org, at, who: ownPerson, whoName: 'KQueen', action, command, outcome },
      ...{ subject: plan.clusterName, reason, place: plan.place },
    };
    return { op: 'put', ref: { kind: 'audit', org: plan.org, id }, record, if: 0 };
  }

  async function commit(
    found: Stored<'backupplan'>,
    record: BackupPlan,
    changes: Change[],
  ): Promise<Stored<'backupplan'> | null> {
    const done = await store.commit(changes);
    return done.ok ? { ref: found.ref, record, revision: done.revision } : null;
  }

  return {
    sweep,
    async retain(signal, go = () => true) {
      await retention?.retain(signal, go);
    },
  };
}

function isDue({ schedule, waiting, running }: BackupPlan, now: number): boolean {
  return running !== undefined || waiting !== undefined || (schedule !== undefined && schedule.dueAt <= now);
}

function wishOf(plan: BackupPlan, cluster: Cluster): Omit<BackupWish, 'id'> {
  const { org, id, namespaces, secrets, snapshots } = plan;
  return {
    ...{ org, cluster: id, clusterName: cluster.name, owner: cluster.owner, namespaces, secrets, snapshots },
    ...{ by: 'kqueen', schedule: id },
  };
}

/** Why a backup cannot begin now, and whether that passes by itself. */
function hindrance(cluster: Cluster, engines: Pick<Engines, 'get'>): { why: string; passes: boolean } | null {
  const { name, phase, openJob, stopped, readOnly } = cluster;
  if (readOnly) return { why: `KQueen only looks at cluster ${name}.`, passes: false };
  if (phase === 'Deleting' || phase === 'Deleted') return { why: `Cluster ${name} is being deleted.`, passes: false };
  if (stopped) return { why: `Cluster ${name} is stopped, so there was nothing to read.`, passes: false };
  if (openJob !== undefined) return { why: `Cluster ${name} is busy with job ${openJob}.`, passes: true };
  if (phase !== 'Ready') return { why: `Cluster ${name} is ${phase}.`, passes: true };
  if (!hasKubeconfig(cluster, engines)) return { why: `KQueen has no credentials for cluster ${name}.`, passes: true };
  return null;
}

function endOf(job: Job | undefined): { result: 'kept' | 'failed' | 'skipped'; note: string } {
  if (!job) return { result: 'failed', note: 'Its job is gone without a word.' };
  if (job.state === 'Succeeded') return { result: 'kept', note: job.note };
  if (job.state === 'Cancelled') return { result: 'skipped', note: job.note };
  return { result: 'failed', note: job.failure?.message ?? job.note };
}

function reasonOf({ schedule, byName, waiting }: BackupPlan): string {
  const missed =
    waiting && waiting.missed > 0
      ? ` It makes up for ${count(waiting.missed + 1, 'run')} that came while KQueen could not begin.`
      : '';
  const words = schedule ? scheduleWords(schedule) : 'by a schedule that has ended';
  return `Backed up ${words}, as ${byName} has set.${missed}`;
}

function planOf(plan: BackupPlan, cluster: Cluster, place: Archive): Plan {
  const made: Omit<Plan, 'hash'> = {
    title: `Scheduled backup of ${cluster.name}`,
    facts: [
      { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster of ${cluster.ownerName}` },
      { label: 'Schedule', value: plan.schedule ? scheduleWords(plan.schedule) : 'none' },
      {
        label: 'Namespaces',
        value: plan.namespaces.length > 0 ? plan.namespaces.join(', ') : "all but the cluster's own",
      },
      { label: 'Secrets', value: plan.secrets ? 'kept, sealed with the key of KQueen' : 'not kept' },
      { label: 'Kept in', value: place.where },
    ],
    disturbs: 'Nobody: the cluster is only read.',
    cost: null,
    costNote: 'None of its own: it uses the nodes that are there.',
    approval: { needed: false, role: 'admin', why: `${plan.byName} has set the schedule` },
  };
  return { ...made, hash: hashOf(made) };
}

type Told = Omit<Notice, 'v' | 'id' | 'at'>;

function failedNotice(plan: BackupPlan, job: Job | undefined): Told {
  const { clusterName: name, fails, last } = plan;
  const again = fails >= alertFails;
  const why = last?.note ?? '';
  const next = job?.failure?.next ? ` ${job.failure.next}` : '';
  const then = plan.schedule ? ` The next try is ${scheduleWords(plan.schedule)}.` : '';
  const silence = ' Nothing more is said of it until it works again.';
  return {
    ...baseOf(plan),
    tone: again ? 'bad' : 'warn',
    title: again ? `Scheduled backups of ${name} fail: ${fails} in a row` : `The scheduled backup of ${name} failed`,
    text: `${why}${next}${then}${again ? silence : ''}`,
    buttons: [
      ...(job ? [{ label: 'Show job', command: formatLine('job show', ['job'], { job: job.id }) }] : []),
      { label: 'Back up now', command: formatLine('backup create', ['cluster'], { cluster: name }) },
      { label: 'Schedule', command: formatLine('backup schedule', ['cluster'], { cluster: name }) },
    ],
  };
}

function recoveredNotice(plan: BackupPlan): Told {
  const since = plan.alertedAt === undefined ? '' : `, after ${count(plan.fails, 'failure')} in a row`;
  const title = `Scheduled backups of ${plan.clusterName} work again`;
  return {
    ...baseOf(plan),
    ...{ tone: 'good', title, text: `${title}${since}.` },
    buttons: [{ label: 'Backups', command: formatLine('backup list', ['cluster'], { cluster: plan.clusterName }) }],
  };
}

function baseOf({ org, id, place, owner }: BackupPlan) {
  return { org, cluster: id, place, owner };
}
