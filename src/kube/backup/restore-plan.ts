/** What a restore would do, asked of the cluster without changing anything: by its lists, and by dry runs as far as the time goes. */
import { createHash } from 'node:crypto';
import { asFault } from '../../core/errors.ts';
import type { WorkPlan } from '../../core/ports/work.ts';
import { count } from '../../core/words.ts';
import { differenceOf } from '../apply/diff.ts';
import { type Manifest as Applied, called, objectAt } from '../apply/manifests.ts';
import { refusalOf } from '../apply/refusals.ts';
import { applyObject, readObject } from '../apply/server.ts';
import { inParallel } from '../apply/set.ts';
import type { Talk } from '../operation.ts';
import { eachListed, metadataOnly } from '../views/pages.ts';
import { baseOf, discover, resourceName, statusOf } from './discovery.ts';
import { type Manifest, readChunk, readManifest, type TakenKind } from './format.ts';
import { archiveOf, type BackupPlace } from './place.ts';
import { kindOf, notWanted, placeOf, post, type RestoreInput, readLine, refusedWhy } from './restore-objects.ts';
import { missingKinds, restoreSteps, serves } from './restore-step.ts';

type Verdict =
  | { is: 'new' | 'there' | 'same' | 'left' | 'unserved' | 'unchecked'; what: string; why?: string }
  | { is: 'changed'; what: string; lines: string[]; from: string[] }
  | { is: 'refused'; what: string; why: string };

/** Lines of the plan's text: planning keeps no more of a backup of 10,000 objects. */
const mostLines = 400;

/** What restoring would do. */
export async function planRestore(talk: Talk, place: BackupPlace, input: RestoreInput): Promise<WorkPlan> {
  const archive = archiveOf(place);
  const ref = input.backup;
  const manifest = await readManifest(archive, ref, talk.call);
  const { resources } = await discover(talk);
  const found = missingKinds(manifest.kinds, resources);
  const missing: TakenKind[] = [];
  for (const each of found.missing) if (!(await serves({ talk }, each))) missing.push(each);
  const coming = found.coming.filter((each) => missing.includes(each));
  const there = await whatIsThere(
    talk,
    manifest.kinds.filter((each) => !missing.includes(each)),
  );
  const until = talk.call.deadline - 2_000;
  const counts: Record<Verdict['is'], number> = {
    ...{ new: 0, there: 0, same: 0, left: 0, unserved: 0, unchecked: 0, changed: 0, refused: 0 },
  };
  const kept: Verdict[] = [];
  const met = createHash('sha256');
  const definitions = new Set<string>();
  for (const mark of manifest.chunks) {
    const lines = await readChunk(archive, ref, mark, talk.call);
    for (let from = 0; from < lines.length; from += 64) {
      const verdicts = await inParallel(lines.slice(from, from + 64), 6, async (line): Promise<Verdict> => {
        const object = readLine(ref, line, place.vault);
        const kind = kindOf(manifest.kinds, object.object);
        const what = called(object);
        if (!kind) return { is: 'refused', what, why: 'the backup does not name its kind' };
        if (resourceName(kind) === 'customresourcedefinitions.apiextensions.k8s.io') definitions.add(object.name);
        const unwanted = notWanted(kind, object, input);
        if (unwanted !== null) return { is: 'left', what, why: unwanted };
        if (missing.includes(kind)) {
          const comes = coming.includes(kind) && definitions.has(resourceName(kind));
          return { is: comes ? 'unchecked' : 'unserved', what, why: `${kind.kind} of ${object.apiVersion}` };
        }
        const live = there.get(idOf(kind, object));
        if (live !== undefined && input.existing === 'skip') return { is: 'there', what };
        if (Date.now() > until) return { is: live === undefined ? 'unchecked' : 'there', what };
        return live === undefined ? tryNew(talk, kind, object, there) : tryOver(talk, kind, object);
      });
      for (const [at, verdict] of verdicts.entries()) {
        counts[verdict.is] += 1;
        if (verdict.is !== 'left')
          met.update(`${verdict.is === 'unchecked' ? 'new' : verdict.is} ${verdict.what} ${at}\n`);
        const interesting = verdict.is !== 'left' && verdict.is !== 'there' && verdict.is !== 'same';
        if (interesting && kept.length < mostLines) kept.push(verdict);
      }
    }
  }
  return planOf(manifest, input, {
    counts,
    kept,
    missing,
    met: met.digest('hex').slice(0, 16),
    version: await versionOf(talk),
  });
}

async function versionOf(talk: Talk): Promise<string> {
  return String((await talk.raw({ method: 'GET', path: '/version' })).gitVersion ?? '');
}

function idOf(kind: TakenKind, { namespace, name }: Pick<Applied, 'namespace' | 'name'>): string {
  return `${resourceName(kind)}|${namespace ?? ''}/${name}`;
}

/** Everything of these kinds that is in the cluster, by its name; only names are read. */
async function whatIsThere(talk: Talk, kinds: readonly TakenKind[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  await inParallel(kinds, 4, async (kind) => {
    try {
      await eachListed(
        talk,
        `${baseOf(kind)}/${kind.plural}`,
        (each) => {
          const { namespace, name, uid } = objectAt(each, 'metadata');
          const named = { name: String(name ?? ''), ...(typeof namespace === 'string' ? { namespace } : {}) };
          found.set(idOf(kind, named), String(uid ?? ''));
        },
        metadataOnly,
      );
    } catch (thrown) {
      // What may not be listed may still be made; each one says so then.
      if (statusOf(thrown) !== 403) throw thrown;
    }
  });
  return found;
}

const namespaceKind = {
  group: '',
  version: 'v1',
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
  objects: 0,
};

/**
 * Whether the cluster would take a new object. A dry run in a namespace that is not there answers 404 for everything, so the object is tried under a name of
 * nobody's in the one that always is, and only what is wrong with the object itself counts.
 */
async function tryNew(
  talk: Talk,
  kind: TakenKind,
  manifest: Applied,
  there: ReadonlyMap<string, string>,
): Promise<Verdict> {
  const what = called(manifest);
  const home = manifest.namespace;
  const away = home !== undefined && !there.has(idOf(namespaceKind, { name: home }));
  const alias = `kqueen-check-${createHash('sha256').update(`${kind.plural}/${what}`).digest('hex').slice(0, 12)}`;
  const metadata = { ...objectAt(manifest.object, 'metadata'), name: alias, namespace: 'default' };
  const tried: Applied = away
    ? { ...manifest, name: alias, namespace: 'default', object: { ...manifest.object, metadata } }
    : manifest;
  try {
    await post(talk, placeOf(kind), tried, '&dryRun=All');
    return { is: 'new', what };
  } catch (thrown) {
    const fault = asFault(thrown);
    const refusal = refusalOf(fault, tried);
    if (away && refusal?.why !== 'unknown-field' && refusal?.why !== 'invalid') return { is: 'unchecked', what };
    const why = refusedWhy(fault, tried, true);
    if (why === null) throw fault;
    return { is: 'refused', what, why: why.replaceAll(alias, manifest.name).replaceAll('default/', `${home ?? ''}/`) };
  }
}

/** What overwriting one that is there would change, and whose fields it would take over. */
async function tryOver(talk: Talk, kind: TakenKind, manifest: Applied): Promise<Verdict> {
  const what = called(manifest);
  const place = placeOf(kind);
  const live = await readObject(talk, place, manifest);
  if (!live) return { is: 'new', what };
  const from: string[] = [];
  try {
    let after: Record<string, unknown>;
    try {
      after = await applyObject(talk, place, manifest, { dryRun: true, force: false });
    } catch (thrown) {
      const refusal = refusalOf(thrown, manifest);
      if (refusal?.why !== 'conflict') throw thrown;
      for (const other of refusal.others ?? []) from.push(`${other.manager}: ${other.fields.slice(0, 3).join(', ')}`);
      after = await applyObject(talk, place, manifest, { dryRun: true, force: true });
    }
    const { lines } = differenceOf(manifest.kind, live, after);
    return lines.length > 0 ? { is: 'changed', what, lines, from } : { is: 'same', what };
  } catch (thrown) {
    const fault = asFault(thrown);
    const why = refusedWhy(fault, manifest, true);
    if (why === null) throw fault;
    return { is: 'refused', what, why };
  }
}

interface Seen {
  counts: Record<Verdict['is'], number>;
  kept: Verdict[];
  missing: readonly TakenKind[];
  met: string;
  version: string;
}

function planOf(manifest: Manifest, input: RestoreInput, { counts, kept, missing, met, version }: Seen): WorkPlan {
  const refused = kept.filter((each): each is Extract<Verdict, { is: 'refused' }> => each.is === 'refused');
  const changed = kept.filter((each): each is Extract<Verdict, { is: 'changed' }> => each.is === 'changed');
  const conflicts = changed.filter(({ from }) => from.length > 0);
  const unserved = new Map<string, number>();
  for (const each of kept) {
    if (each.is === 'unserved') unserved.set(each.why ?? '', (unserved.get(each.why ?? '') ?? 0) + 1);
  }
  const amounts = [
    `${counts.new + counts.unchecked} new`,
    `${counts.changed} changed`,
    `${counts.there + counts.same} unchanged`,
    `${conflicts.length} in conflict`,
    `${counts.refused} refused`,
    ...(counts.unserved > 0 ? [`${counts.unserved} of kinds that are not served`] : []),
  ];
  const warnings = [
    ...[...unserved].map(
      ([kind, amount]) => `${count(amount, 'object')} cannot be restored: this cluster does not serve ${kind}.`,
    ),
    ...refused.slice(0, 3).map(({ why }) => why),
    ...(refused.length > 3 ? [`${refused.length - 3} more would be refused.`] : []),
    ...conflicts.slice(0, 3).map(({ what, from }) => `${what}: taken over from ${from.join('; ')}.`),
    ...(counts.unchecked > 0
      ? [
          `${count(counts.unchecked, 'object')} could not be tried out before: ${counts.unchecked === 1 ? 'it is' : 'they are'} told of when ${counts.unchecked === 1 ? 'it is' : 'they are'} made.`,
        ]
      : []),
    ...(manifest.secretsLeft > 0
      ? [`The backup lacks ${count(manifest.secretsLeft, 'Secret')}: make what is missing by hand.`]
      : []),
    ...manifest.unread.map(({ what }) => `${what} are not in the backup, because they could not be read.`),
    ...(manifest.volumes.length > 0 ? [volumeWords(manifest, input)] : []),
  ];
  const nothing = counts.new + counts.unchecked + counts.changed + counts.refused + counts.unserved === 0;
  const missed = missing.length > 0 ? `, which does not serve ${missing.length} of its kinds` : '';
  return {
    steps: restoreSteps,
    facts: [
      {
        label: 'Backup',
        value: `${manifest.id} of ${manifest.clusterName}, ${new Date(manifest.at).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
      },
      { label: 'Versions', value: `from ${manifest.version} into ${version}${missed}` },
      { label: 'Namespaces', value: input.namespaces.length > 0 ? input.namespaces.join(', ') : 'all that are in it' },
      { label: 'Objects', value: amounts.join(', ') },
      { label: 'What is there', value: input.existing === 'skip' ? 'stays as it is' : 'is set to what the backup has' },
    ],
    disturbs:
      counts.changed > 0
        ? `Whoever uses what is changed: ${changed
            .slice(0, 5)
            .map(({ what }) => what)
            .join(', ')}${changed.length > 5 ? ` and ${changed.length - 5} more` : ''}.`
        : 'Nobody: what is there already stays as it is.',
    detail: detailOf(kept, counts),
    warnings: warnings.slice(0, 12),
    rests: { backup: manifest.id, chunks: manifest.chunks.map(([, hash]) => hash), met },
    ...(nothing
      ? {
          nothing: `Everything of backup ${manifest.id} is there already${counts.left > 0 ? ', apart from volumes that are made anew' : ''}.`,
        }
      : {}),
  };
}

function volumeWords(manifest: Manifest, input: RestoreInput): string {
  const amount = manifest.volumes.reduce((sum, each) => sum + each.volumes, 0);
  const ready = manifest.snapshots.filter((each) => each.ready).length;
  if (input.snapshots && ready > 0)
    return `${count(ready, 'claim')} begin with their snapshots; the contents of other volumes are not in the backup.`;
  const offer = ready > 0 ? ` Say snapshots=yes to begin with its ${count(ready, 'snapshot')}.` : '';
  return `The contents of ${count(amount, 'volume')} are not in the backup; volumes that were made on demand begin empty.${offer}`;
}

function detailOf(kept: readonly Verdict[], counts: Seen['counts']): string {
  const lines: string[] = [];
  for (const each of kept) if (each.is === 'refused') lines.push(`! ${each.what}: ${each.why}`);
  for (const each of kept)
    if (each.is === 'unserved') lines.push(`! ${each.what}: this cluster does not serve ${each.why ?? 'it'}`);
  for (const each of kept)
    if (each.is === 'changed') lines.push(`~ ${each.what}`, ...each.lines.slice(0, 20).map((line) => `    ${line}`));
  for (const each of kept)
    if (each.is === 'new' || each.is === 'unchecked')
      lines.push(`+ ${each.what}${each.is === 'unchecked' ? ' (not tried out)' : ''}`);
  const rest = counts.there + counts.same;
  if (rest > 0) lines.push(`= ${count(rest, 'object')} there already`);
  if (counts.left > 0) lines.push(`= ${count(counts.left, 'object')} left out`);
  return lines.join('\n').slice(0, 19_000);
}
