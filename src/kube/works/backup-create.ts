import { BackupInput, type BackupSummary, backupPrefix, backupSteps } from '../../core/backup.ts';
import { Fault } from '../../core/errors.ts';
import type { WorkPlan, WorkStep } from '../../core/ports/work.ts';
import { formatBytes } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { objectAt } from '../apply/manifests.ts';
import { choose, type Left } from '../backup/choice.ts';
import { type Discovered, discover, resourceName, type Served } from '../backup/discovery.ts';
import { needsWithout } from '../backup/foresight.ts';
import { Manifest, putManifest, readChunk, readManifest } from '../backup/format.ts';
import { clearStrays, keepChosen, readChosen } from '../backup/keep.ts';
import { archiveOf, type BackupPlace } from '../backup/place.ts';
import { inTime, noVault, readStep } from '../backup/read.ts';
import { makeSnapshots, readSnapshots, withHandles } from '../backup/snapshots.ts';
import { Progress } from '../backup/tally.ts';
import { readVolumes, snapshotMeans } from '../backup/volumes.ts';
import type { Talk, WorkOperation } from '../operation.ts';
import { eachListed, metadataOnly } from '../views/pages.ts';

const steps = [...backupSteps];
const stepOf: Record<Progress['stage'], number> = {
  ...{ begin: 0, snapshot: 0, read: 1, volumes: 2, settle: 2, verify: 3, write: 4, done: 4 },
};

/** How long snapshots are waited for, in milliseconds. */
const snapshotsMs = 20 * 60_000;

/** Keeps what is in a cluster, as objects in the archive. */
export function createBackup(place: BackupPlace): WorkOperation {
  return {
    op: 'backup.create',
    plan: (talk, { input }) => planBackup(talk, place, BackupInput.parse(input)),
    async step(talk, work) {
      const input = BackupInput.parse(work.input);
      return stepBackup(talk, place, input, Progress.parse(work.progress));
    },
  };
}

/** What a cluster serves and what of it a backup takes. */
async function chosen(talk: Talk): Promise<{ taken: Served[]; left: Left[]; found: Discovered }> {
  const found = await discover(talk);
  const definitions = new Set<string>();
  let known = true;
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  try {
    await eachListed(talk, path, (each) => definitions.add(String(objectAt(each, 'metadata').name)), metadataOnly);
  } catch (thrown) {
    if (!(thrown instanceof Fault && (thrown.kind === 'not-allowed' || thrown.kind === 'not-found'))) throw thrown;
    known = false;
  }
  return { ...choose(found.resources, known ? definitions : undefined), found };
}

async function planBackup(talk: Talk, place: BackupPlace, input: BackupInput): Promise<WorkPlan> {
  const archive = archiveOf(place);
  const { namespaces, secrets, snapshots } = input;
  if (secrets && !place.vault) throw noVault();
  const { taken, left, found } = await chosen(talk);
  await demandNamespaces(talk, namespaces);
  const means = await snapshotMeans(talk, found.resources);
  const volumes = await readVolumes(talk, namespaces, means);
  const needs = secrets ? null : await needsWithout(talk, taken, namespaces);
  const amount = volumes.reduce((sum, each) => sum + each.volumes, 0);
  const warnings = [
    ...(needs && needs.secrets > 0 ? [secretsWords(needs.secrets, needs.needed)] : []),
    ...(snapshots && !means.present
      ? ['This cluster cannot make VolumeSnapshots: their definitions are not installed.']
      : []),
    ...volumes.map((each) => `${count(each.volumes, 'volume')}. ${each.guidance}`),
    ...found.silent.map((group) => `${group} does not answer, so nothing of it is kept.`),
  ];
  return {
    steps,
    facts: [
      { label: 'Namespaces', value: namespaces.length > 0 ? namespaces.join(', ') : "all but the cluster's own" },
      { label: 'Kinds', value: `${taken.length}; ${left.length} are left, since the cluster makes or is them itself` },
      { label: 'Secrets', value: secrets ? 'kept, sealed with the key of KQueen' : 'not kept' },
      { label: 'Volumes', value: amount === 0 ? 'none' : `${amount}: as objects, without what is in them` },
      ...(snapshots && means.present
        ? [
            {
              label: 'Snapshots',
              value: snapshotWords(
                volumes.map(({ driver }) => driver),
                means.classes,
              ),
            },
          ]
        : []),
      { label: 'Kept in', value: archive.where },
    ],
    disturbs: 'Nobody: the cluster is only read.',
    warnings: warnings.slice(0, 10),
    rests: { kinds: taken.map(resourceName), where: archive.where },
  };
}

function snapshotWords(drivers: readonly string[], classes: ReadonlyMap<string, string>): string {
  const can = drivers.filter((driver) => classes.has(driver));
  return can.length > 0 ? `of the volumes of ${can.join(', ')}` : 'none: no driver here has a VolumeSnapshotClass';
}

/** How many Secrets are not in a backup, and who needs them. */
export function secretsWords(secrets: number, needed: Readonly<Record<string, readonly string[]>>): string {
  const all = Object.entries(needed);
  const some = all.slice(0, 5).map(([secret, by]) => `${secret} (${by.join(', ')})`);
  const more = all.length > 5 ? ` and ${all.length - 5} more` : '';
  const who = all.length > 0 ? ` Needed: ${some.join('; ')}${more}.` : '';
  return `${count(secrets, 'Secret')} ${secrets === 1 ? 'is' : 'are'} not in it.${who} Say secrets=yes to keep them, sealed.`;
}

async function demandNamespaces(talk: Talk, namespaces: readonly string[]): Promise<void> {
  for (const each of namespaces) {
    try {
      await talk.raw({ method: 'GET', path: `/api/v1/namespaces/${encodeURIComponent(each)}` });
    } catch (thrown) {
      if (!(thrown instanceof Fault) || thrown.kind === 'not-allowed') continue;
      if (thrown.kind !== 'not-found') throw thrown;
      throw new Fault('bad-input', `There is no namespace ${each} in this cluster.`, { field: 'namespaces' });
    }
  }
}

async function stepBackup(talk: Talk, place: BackupPlace, input: BackupInput, before: Progress): Promise<WorkStep> {
  const archive = archiveOf(place);
  const ref = input.backup;
  const { call } = talk;
  switch (before.stage) {
    case 'begin': {
      const { taken, left, found } = await chosen(talk);
      const version = String((await talk.raw({ method: 'GET', path: '/version' })).gitVersion ?? '');
      await keepChosen(archive, ref, { taken, left, served: found.resources }, call);
      const unread = found.silent.map((what) => ({ what, why: 'the API server of this group does not answer' }));
      const stage = input.snapshots ? 'snapshot' : 'read';
      return again(
        { ...before, stage, version, unread, resources: taken.length, begun: talk.now() },
        `${count(taken.length, 'kind')} to read.`,
      );
    }
    case 'snapshot': {
      const { served } = await readChosen(archive, ref, call);
      const means = await snapshotMeans(talk, served);
      const until = Math.min(Date.now() + 5_000, call.deadline - 3_000);
      const all = !means.present || (await makeSnapshots(talk, ref, input.namespaces, means, until));
      const note = means.present ? 'Snapshots of volumes are asked for.' : 'This cluster cannot make VolumeSnapshots.';
      const notes = means.present ? before.notes : [...before.notes, note];
      return again({ ...before, notes, stage: all ? 'read' : 'snapshot' }, note);
    }
    case 'read': {
      const { taken } = await readChosen(archive, ref, call);
      const after = await readStep(
        {
          talk,
          archive,
          vault: place.vault,
          ref,
          namespaces: input.namespaces,
          secrets: input.secrets,
          resources: taken,
        },
        before,
      );
      const kept = after.chunks.reduce((sum, [, , , objects]) => sum + objects, 0);
      const of = taken[after.at];
      const note = of ? `${count(kept, 'object')} kept; now ${resourceName(of)}.` : `${count(kept, 'object')} kept.`;
      if (after.stage === 'volumes' && kept === 0 && after.unread.length >= taken.length) throw nothingRead();
      return after.tries > 0
        ? {
            ...again(after, `${of ? resourceName(of) : 'The list'} cannot be read; trying again.`),
            state: 'wait',
            ms: 2_000,
          }
        : again(after, note);
    }
    case 'volumes': {
      const { served } = await readChosen(archive, ref, call);
      const means = await snapshotMeans(talk, served);
      const { unread } = before;
      const gone = unread.some(({ what }) => what === 'persistentvolumes');
      const volumes = gone ? [] : await inTime(talk, readVolumes(talk, input.namespaces, means));
      const stage = input.snapshots && means.present ? 'settle' : 'verify';
      return again({ ...before, volumes, stage, at: 0 }, 'Its volumes are looked at.');
    }
    case 'settle':
      return settle(talk, input, before);
    case 'verify': {
      const until = Math.min(Date.now() + 4_000, call.deadline - 3_000);
      let { at } = before;
      for (let mark = before.chunks[at]; mark && Date.now() < until; mark = before.chunks[at]) {
        await readChunk(archive, ref, mark, call);
        at += 1;
      }
      const over = at >= before.chunks.length;
      const note = `${at} of ${count(before.chunks.length, 'part')} read back.`;
      return again({ ...before, at, stage: over ? 'write' : 'verify' }, note);
    }
    case 'write':
    case 'done':
      return write(talk, place, input, before);
  }
}

async function settle(talk: Talk, input: BackupInput, before: Progress): Promise<WorkStep> {
  const seen = await inTime(talk, readSnapshots(talk, input.backup));
  const since = before.since || talk.now();
  const open = seen.filter(({ ready }) => !ready);
  if (open.length > 0 && talk.now() - since < snapshotsMs) {
    const problem = open.find((each) => each.problem !== undefined)?.problem;
    const note = `Snapshots: ${seen.length - open.length} of ${seen.length} ready${problem ? `; ${problem}` : '.'}`;
    return { ...again({ ...before, since }, note), state: 'wait', ms: 3_000 };
  }
  const snapshots = (await withHandles(talk, seen)).slice(0, 200);
  return again({ ...before, snapshots, stage: 'verify', at: 0 }, `${count(snapshots.length, 'snapshot')} looked at.`);
}

async function write(talk: Talk, place: BackupPlace, input: BackupInput, before: Progress): Promise<WorkStep> {
  const archive = archiveOf(place);
  const { backup: ref, clusterName, namespaces, secrets } = input;
  const { call } = talk;
  const { taken, left } = await readChosen(archive, ref, call);
  const { tally } = before;
  const kinds = taken.map((each, index) => ({ ...each, objects: tally.kept[String(index)] ?? 0 }));
  const objects = before.chunks.reduce((sum, mark) => sum + mark[3], 0);
  const counted = kinds.reduce((sum, each) => sum + each.objects, 0);
  if (counted !== objects) {
    throw new Fault('internal', `The parts of the backup hold ${objects} objects, and ${counted} were read.`, {
      retryable: false,
    });
  }
  const lost = before.snapshots.filter(({ ready }) => !ready);
  const manifest = Manifest.parse({
    ...{
      format: 'kqueen-backup/1',
      ...ref,
      clusterName,
      version: before.version,
      at: before.begun,
      endedAt: talk.now(),
    },
    ...{ namespaces, secrets, objects, chunks: before.chunks, kinds: kinds.filter((each) => each.objects > 0) },
    left: [
      ...left,
      ...Object.entries(tally.left).map(([key, amount]) => {
        const [what = '', why = ''] = key.split('|');
        return { what, why, objects: amount };
      }),
    ],
    unread: before.unread,
    secretsLeft: tally.secretsLeft,
    secretsNeeded: Object.entries(tally.needed).map(([secret, by]) => ({ secret, by })),
    ...{ volumes: before.volumes, snapshots: before.snapshots, notes: before.notes },
  });
  await clearStrays(archive, ref, before.chunks, call);
  const written = await putManifest(archive, manifest, call);
  const back = await readManifest(archive, ref, call);
  if (JSON.stringify(back) !== JSON.stringify(manifest))
    throw new Fault('internal', 'The manifest of the backup does not read back as it was written.', {
      retryable: true,
    });
  const bytes = before.chunks.reduce((sum, mark) => sum + mark[2], written);
  const partial = manifest.unread.length > 0 || lost.length > 0;
  const notes = [
    ...manifest.unread.map(({ what, why }) => `Not in it: ${what}, because ${why}.`),
    ...lost.map(
      (each) => `No snapshot of ${each.namespace}/${each.claim}: ${each.problem ?? 'it was not ready in time'}.`,
    ),
    ...(manifest.secretsLeft > 0 ? [secretsWords(manifest.secretsLeft, tally.needed)] : []),
    ...before.notes,
  ].slice(0, 20);
  const summary: BackupSummary = { objects, bytes, partial, notes };
  const what = `${count(objects, 'object')} of ${count(manifest.kinds.length, 'kind')} are kept as backup ${ref.id}, ${formatBytes(bytes)}, read back and whole.`;
  return {
    state: 'done',
    progress: { stage: 'done', summary },
    at: 4,
    percent: 100,
    note: partial ? `${what} Not all that was wanted is in it.` : what,
    lines: notes.slice(0, 10),
    result: [
      { label: 'Backup', value: ref.id },
      { label: 'Objects', value: String(objects) },
      { label: 'Kept in', value: `${archive.where}, under ${backupPrefix(ref)}` },
      ...(manifest.unread.length > 0
        ? [{ label: 'Not in it', value: manifest.unread.map(({ what }) => what).join(', ') }]
        : []),
    ],
  };
}

function nothingRead(): Fault {
  return new Fault('not-allowed', 'KQueen may read nothing in this cluster, so there is nothing to keep.', {
    next: 'Ask an admin of the cluster to let KQueen list and read its objects.',
  });
}

function again(progress: Progress, note: string): WorkStep {
  const { stage, resources, at, chunks } = progress;
  const read = resources > 0 ? at / resources : 0;
  const share: Record<Progress['stage'], number> = {
    ...{ begin: 0, snapshot: 3, volumes: 80, settle: 82, write: 97, done: 100 },
    read: 5 + Math.round(75 * read),
    verify: 85 + Math.round((10 * at) / Math.max(1, chunks.length)),
  };
  return { state: 'again', progress, at: stepOf[stage], percent: Math.min(99, share[stage]), note };
}
