/**
 * Which backups stay. What goes is marked first, then removed: its manifest before all, so that nobody takes what is left for a backup; the chunks; at
 * last the record. A crash anywhere leaves a mark behind, by which the next sweep goes on.
 */
import { backupPrefix, manifestKey, readBy, standingOf } from '../core/backup.ts';
import { type Going, goingBy, keepingWords } from '../core/backup-schedule.ts';
import { asFault, Fault } from '../core/errors.ts';
import { formatLine } from '../core/line.ts';
import { ownPerson } from '../core/own-jobs.ts';
import type { Archive } from '../core/ports/archive.ts';
import type { Clock, NewId } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Cache, Change, Store } from '../core/ports/store.ts';
import { type Audit, type Backup, endedStates } from '../core/records.ts';
import { bounded } from './bounded.ts';
import { listAll, orgsOf } from './listing.ts';

export interface RetentionParts {
  store: Store;
  cache?: Cache;
  archive: Archive;
  clock: Clock;
  newId: NewId;
  log: Log;
}

export interface BackupRetention {
  /** Marks what goes, removes what is marked, and what interrupted backups have left. */
  retain(signal: AbortSignal, go: () => boolean): Promise<void>;
  /** Removes what is marked, by retention or by a person; false when some of it could not be. */
  removeMarked(signal: AbortSignal, go: () => boolean): Promise<boolean>;
}

/** What an interrupted backup has left is removed after so long, in milliseconds: until then its job may be tried again. */
export const strayMs = 86_400_000;

/** What one call of the archive may take, in milliseconds. */
const callMs = 20_000;

/** The archive is gone through for what no record knows this often, in milliseconds. */
const combMs = 6 * 3_600_000;

export function createBackupRetention(parts: RetentionParts): BackupRetention {
  const { store, archive, clock, newId, log } = parts;
  /** When each prefix without a record was first seen by this process. */
  const strays = new Map<string, number>();
  let combedAt = Number.NEGATIVE_INFINITY;

  async function retain(signal: AbortSignal, go: () => boolean): Promise<void> {
    const goes = () => !signal.aborted && go();
    for (const org of orgsOf(parts.cache)) {
      await mark(org, goes);
    }
    await removeMarked(signal, go);
    for (const org of orgsOf(parts.cache)) {
      for (const backup of await listAll(parts, 'backup', org, isLeft)) {
        if (!goes()) return;
        await attempt(org, backup.id, () => clear(org, backup.id, goes));
      }
    }
    if (clock.now() - combedAt >= combMs) {
      combedAt = clock.now();
      for (const org of orgsOf(parts.cache)) if (goes()) await attempt(org, 'strays', () => comb(org, goes));
    }
  }

  async function removeMarked(signal: AbortSignal, go: () => boolean): Promise<boolean> {
    const goes = () => !signal.aborted && go();
    let all = true;
    for (const org of orgsOf(parts.cache)) {
      for (const { id } of await listAll(parts, 'backup', org, ({ state }) => state === 'deleting')) {
        if (!goes()) return all;
        all = (await attempt(org, id, () => remove(org, id, goes))) && all;
      }
    }
    return all;
  }

  /** One that cannot be removed now is tried again at the next sweep, and stands in nobody's way. */
  async function attempt(org: string, backup: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      const fault = asFault(thrown);
      log.warn({ org, backup, detail: fault.detail }, `a backup is not removed yet: ${fault.message}`);
      return false;
    }
  }

  /** Says which go and why, and marks them. */
  async function mark(org: string, goes: () => boolean): Promise<void> {
    for (const seen of await listAll(parts, 'backupplan', org, ({ keeping }) => keeping !== undefined)) {
      if (!goes()) return;
      const plan = (await store.get({ kind: 'backupplan', org, id: seen.id }))?.record;
      if (!plan?.keeping) continue;
      const own = await backupsOf(org, plan.id);
      const going = goingBy(own, plan.keeping, plan.id, clock.now(), await readOnes(org));
      if (going.length === 0) continue;
      log.info(
        {
          cluster: plan.id,
          keeping: keepingWords(plan.keeping),
          going: going.map(({ backup, why }) => `${backup.id}: ${why}`),
        },
        'these backups go by retention',
      );
      for (const each of going) await markOne(each);
    }
  }

  async function markOne({ backup, why }: Going): Promise<void> {
    const found = await store.get({ kind: 'backup', org: backup.org, id: backup.id });
    // What has changed since it was looked at is judged anew.
    if (!found || found.record.state !== backup.state) return;
    await store.commit([
      { op: 'put', ref: found.ref, record: { ...found.record, state: 'deleting' }, if: found.revision },
      auditOf(backup, 'backup.expire', 'requested', `${why}.`),
    ]);
  }

  /** From the store itself: what is not in memory yet would be counted wrong. */
  async function backupsOf(org: string, cluster: string): Promise<Backup[]> {
    return listAll({ store }, 'backup', org, (each) => each.cluster === cluster);
  }

  /** Backups that an open restore reads, or is going to. */
  async function readOnes(org: string): Promise<Set<string>> {
    const jobs = await listAll(
      { store },
      'job',
      org,
      (job) => !endedStates.includes(job.state) && readBy(job) !== null,
    );
    return new Set(jobs.flatMap((job) => readBy(job)?.id ?? []));
  }

  async function remove(org: string, id: string, goes: () => boolean): Promise<void> {
    const found = await store.get({ kind: 'backup', org, id });
    if (found?.record.state !== 'deleting') return;
    // One that was begun before the mark still needs it.
    if ((await readOnes(org)).has(id)) return;
    if (!(await empty(found.record, goes))) return;
    await store.commit([
      { op: 'delete', ref: found.ref, if: found.revision },
      auditOf(found.record, 'backup.delete', 'done', 'Its manifest and everything under it is removed.'),
    ]);
    log.info({ backup: id, cluster: found.record.cluster }, 'a backup was removed');
  }

  /** Removes all objects of a backup, its manifest first; false when it had to stop before the end. */
  async function empty(backup: Pick<Backup, 'org' | 'cluster' | 'id'>, goes: () => boolean): Promise<boolean> {
    await called((call) => archive.delete(manifestKey(backup), call));
    let before: string | undefined;
    for (;;) {
      const left = await called((call) => archive.list(backupPrefix(backup), call));
      if (left.length === 0) return true;
      if (left[0]?.key === before) throw staysFault(archive.where);
      before = left[0]?.key;
      for (const { key } of left) {
        if (!goes()) return false;
        await called((call) => archive.delete(key, call));
      }
    }
  }

  /** What an interrupted backup has left in the archive. Its record stays, and says that it failed. */
  async function clear(org: string, id: string, goes: () => boolean): Promise<void> {
    const found = await store.get({ kind: 'backup', org, id });
    if (!found || !isLeft(found.record)) return;
    const backup = found.record;
    const job = (await store.get({ kind: 'job', org, id: backup.job }))?.record;
    if (standingOf(backup, job) !== 'failed') return;
    const endedAt = backup.endedAt ?? job?.endedAt ?? backup.createdAt;
    if (clock.now() - endedAt < strayMs || backup.by !== 'kqueen') return;
    if (!(await empty(backup, goes))) return;
    const record: Backup = {
      ...backup,
      ...{ state: 'failed', endedAt, bytes: 0 },
      failure: backup.failure ?? { message: 'It was never finished.' },
    };
    await store.commit([{ op: 'put', ref: found.ref, record, if: found.revision }]);
    log.info({ backup: id, cluster: backup.cluster }, 'what an interrupted backup had left was removed');
  }

  /**
   * Goes through the archive for what no record knows. What has a manifest is a whole backup that this store has forgotten, and stays; anything else goes
   * when it has been there for a day.
   */
  async function comb(org: string, goes: () => boolean): Promise<void> {
    const seen = new Map<string, { cluster: string; id: string; manifest: boolean }>();
    let after: string | undefined;
    do {
      if (!goes()) return;
      const from = after;
      const page = await called((call) => archive.list(`${org}/`, call, from));
      for (const { key } of page) {
        const [, cluster = '', id = '', name = ''] = key.split('/');
        if (id === '' || name === '') continue;
        const whole = `${org}/${cluster}/${id}/`;
        const before = seen.get(whole) ?? { cluster, id, manifest: false };
        seen.set(whole, { ...before, manifest: before.manifest || key === manifestKey({ org, cluster, id }) });
      }
      after = page.length > 0 ? page.at(-1)?.key : undefined;
    } while (after !== undefined);
    const now = clock.now();
    for (const prefix of strays.keys()) if (prefix.startsWith(`${org}/`) && !seen.has(prefix)) strays.delete(prefix);
    for (const [prefix, { cluster, id, manifest }] of seen) {
      const known = await store.get({ kind: 'backup', org, id });
      if (manifest || known) {
        strays.delete(prefix);
        continue;
      }
      const since = strays.get(prefix) ?? now;
      strays.set(prefix, since);
      if (now - since < strayMs) continue;
      if (!(await empty({ org, cluster, id }, goes))) return;
      strays.delete(prefix);
      log.info({ prefix }, 'objects that belonged to no backup were removed');
    }
  }

  function called<T>(run: Parameters<typeof bounded<T>>[2]): Promise<T> {
    return bounded(clock, { ms: callMs, who: 'The place for backups' }, run);
  }

  function auditOf(backup: Backup, action: string, outcome: Audit['outcome'], reason: string): Change {
    const at = clock.now();
    const id = `${String(at).padStart(13, '0')}-${newId()}`;
    const record: Audit = {
      ...{ v: 1, id, org: backup.org, at, who: ownPerson, whoName: 'KQueen', action, outcome, reason },
      command: formatLine('backup delete', ['backup'], { backup: backup.id }),
      subject: backup.clusterName,
    };
    return { op: 'put', ref: { kind: 'audit', org: backup.org, id }, record, if: 0 };
  }

  return { retain, removeMarked };
}

/** A deletion that is taken and not carried out must not be tried for ever. */
function staysFault(where: string): Fault {
  return new Fault('conflict', `What is deleted in ${where} does not go.`, {
    whose: 'admin',
    next: 'Look whether a policy of that place keeps objects.',
  });
}

/** May have left objects behind that are no backup: its job did not come to its end. */
function isLeft({ state, bytes }: Backup): boolean {
  return state === 'making' || (state === 'failed' && bytes !== 0);
}
