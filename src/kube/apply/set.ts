/** The objects of an app on their way into a cluster: where each goes, what it would change, what is in the way. */
import { createHash } from 'node:crypto';
import { Fault } from '../../core/errors.ts';
import { count } from '../../core/words.ts';
import type { Talk } from '../operation.ts';
import { type Difference, differenceOf } from './diff.ts';
import { type Kinds, openKinds, type Place, unknownKind } from './kinds.ts';
import { called, isObject, type JsonObject, keyOf, type Manifest, objectAt } from './manifests.ts';
import { inOrder } from './order.ts';
import { type Refusal, refusalFault, refusalOf } from './refusals.ts';
import { home, type Revision } from './revisions.ts';
import { applyObject, readObject } from './server.ts';

/** Which app an object belongs to, and of which revision it is. */
export const appLabel = 'kqueen/app';
const revisionAnnotation = 'kqueen/revision';
/** On a Secret whose values were made up: once it is there it stays as it is, since what uses it has them already. */
export const generatedAnnotation = 'kqueen/generated';

/** What removing would lose data with, or more than the app's own: it stays unless that is asked for. */
const lasting = ['Namespace', 'PersistentVolumeClaim', 'PersistentVolume', 'CustomResourceDefinition'];

/** An object with the place it goes to. */
export interface Placed {
  place: Place;
  manifest: Manifest;
}

/** Where an object of an earlier revision is, by its inventory. */
export type Listed = Pick<Manifest, 'apiVersion' | 'kind' | 'name' | 'namespace'>;

/** An app's manifests placed, marked and in order; throws for kinds the cluster does not know and for KQueen's own namespace. */
export async function placed(
  talk: Talk,
  app: { name: string; namespace: string },
  manifests: readonly Manifest[],
  revision = 0,
): Promise<Placed[]> {
  const kinds = openKinds(talk, manifests);
  const all: Placed[] = [];
  for (const manifest of inOrder(manifests)) {
    const place = await kinds.find(manifest);
    if (!place) throw unknownKind(manifest);
    all.push({ place, manifest: stamped(manifest, place, app, revision) });
  }
  const seen = new Set<string>();
  for (const { manifest } of all) {
    if (manifest.namespace === home || (manifest.kind === 'Namespace' && manifest.name === home)) {
      throw new Fault('not-allowed', `The namespace ${home} is KQueen's own; nothing is deployed there.`, {
        whose: 'caller',
        next: 'Choose another namespace.',
      });
    }
    const key = keyOf(manifest);
    if (seen.has(key))
      throw new Fault('bad-input', `${called(manifest)} is there twice: with its namespace and without.`, {
        field: 'manifest',
      });
    seen.add(key);
  }
  return all;
}

function stamped(
  manifest: Manifest,
  place: Place,
  app: { name: string; namespace: string },
  revision: number,
): Manifest {
  const metadata = objectAt(manifest.object, 'metadata');
  const { namespace: written, ...rest } = metadata;
  const namespace = place.namespaced ? (typeof written === 'string' ? written : app.namespace) : undefined;
  const object: JsonObject = {
    ...manifest.object,
    metadata: {
      ...rest,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...objectAt(metadata, 'labels'), [appLabel]: app.name },
      ...(revision > 0
        ? { annotations: { ...objectAt(metadata, 'annotations'), [revisionAnnotation]: String(revision) } }
        : {}),
    },
  };
  const { namespace: _old, ...named } = manifest;
  return { ...named, ...(namespace === undefined ? {} : { namespace }), object };
}

/** What would become of one object. */
export interface Verdict {
  manifest: Manifest;
  is: 'new' | 'changed' | 'same' | 'kept';
  difference?: Difference;
  /** The server could not be asked about it yet. */
  unchecked?: boolean;
  /** It is there and is not of this app. */
  taken?: boolean;
  uid?: string;
  /** Fields that are taken over from others. */
  from?: NonNullable<Refusal['others']>;
}

export interface Foreseen {
  verdicts: Verdict[];
  /** Namespaces that are not there and would be made. */
  namespaces: string[];
}

/** Asks the server what applying would do, without doing it. Throws one Fault that names all that is refused. */
export async function foresee(talk: Talk, app: string, all: readonly Placed[], force: boolean): Promise<Foreseen> {
  const missing = await missingNamespaces(talk, all);
  const brought = new Set(
    all.filter(({ manifest }) => manifest.kind === 'Namespace').map(({ manifest }) => manifest.name),
  );
  const refusals: Refusal[] = [];
  const verdicts = await inParallel(all, 4, async (each): Promise<Verdict> => {
    const { place, manifest } = each;
    if (place.coming) return { manifest, is: 'new', unchecked: true };
    if (missing.has(manifest.namespace ?? '')) return foreseeElsewhere(talk, each, refusals);
    const live = await readObject(talk, place, manifest);
    const owner = objectAt(live, 'metadata', 'labels')[appLabel];
    const uid = String(objectAt(live, 'metadata').uid ?? '');
    if (live && typeof owner === 'string' && owner !== app) {
      refusals.push({
        why: 'conflict',
        // Add-ons are kept under names that no app can have.
        text: `${called(manifest)} belongs to the ${owner.startsWith('addon.') ? `add-on ${owner.slice(6)}` : `app ${owner}`}.`,
        next: 'Deploy into another namespace, or give the object another name.',
      });
      return { manifest, is: 'same' };
    }
    if (live && objectAt(manifest.object, 'metadata', 'annotations')[generatedAnnotation] === 'true')
      return { manifest, is: 'kept', uid };
    const tried = await attempt(talk, each, force, refusals);
    if (!tried) return { manifest, is: 'same' };
    const taken = live !== undefined && owner !== app;
    const difference = differenceOf(manifest.kind, live, tried.object);
    const from = tried.from ? { from: tried.from } : {};
    // What is new is told by its manifest; the server draws addresses and ports anew in each dry run.
    if (!live) return { manifest, is: 'new' };
    return {
      manifest,
      is: difference.lines.length > 0 ? 'changed' : 'same',
      difference,
      uid,
      ...(taken ? { taken } : {}),
      ...from,
    };
  });
  if (refusals.length > 0) throw refusalFault(refusals);
  return { verdicts, namespaces: [...missing].filter((name) => !brought.has(name)).sort() };
}

async function attempt(
  talk: Talk,
  { place, manifest }: Placed,
  force: boolean,
  refusals: Refusal[],
): Promise<{ object: JsonObject; from?: NonNullable<Refusal['others']> } | null> {
  try {
    return { object: await applyObject(talk, place, manifest, { dryRun: true, force: false }) };
  } catch (thrown) {
    const refusal = refusalOf(thrown, manifest);
    if (!refusal) throw thrown;
    if (refusal.why !== 'conflict' || !force) {
      refusals.push(refusal);
      return null;
    }
    const object = await applyObject(talk, place, manifest, { dryRun: true, force: true });
    return { object, ...(refusal.others ? { from: refusal.others } : {}) };
  }
}

/**
 * A dry run in a namespace that is not there answers 404 for everything, so the object is tried under a name of nobody's in the one that always is: its
 * fields are checked, and nothing else is taken from the answer.
 */
async function foreseeElsewhere(talk: Talk, { place, manifest }: Placed, refusals: Refusal[]): Promise<Verdict> {
  const alias = `kqueen-check-${createHash('sha256').update(keyOf(manifest)).digest('hex').slice(0, 12)}`;
  const metadata = { ...objectAt(manifest.object, 'metadata'), name: alias, namespace: 'default' };
  const other: Manifest = { ...manifest, name: alias, namespace: 'default', object: { ...manifest.object, metadata } };
  try {
    await applyObject(talk, place, other, { dryRun: true, force: false });
    return { manifest, is: 'new' };
  } catch (thrown) {
    const refusal = refusalOf(thrown, manifest);
    if (refusal && (refusal.why === 'unknown-field' || refusal.why === 'invalid'))
      refusals.push({ ...refusal, text: refusal.text.replaceAll(alias, manifest.name) });
    else if (!refusal) throw thrown;
    return { manifest, is: 'new', unchecked: true };
  }
}

async function missingNamespaces(talk: Talk, all: readonly Placed[]): Promise<Set<string>> {
  const names = [...new Set(all.flatMap(({ manifest }) => manifest.namespace ?? []))];
  const missing = new Set<string>();
  await inParallel(names, 4, async (name) => {
    const found = await readObject(
      talk,
      { base: '/api/v1', plural: 'namespaces', namespaced: false, coming: false },
      { name },
    );
    if (!found) missing.add(name);
    else if (objectAt(found, 'metadata').deletionTimestamp !== undefined) {
      throw new Fault('conflict', `The namespace ${name} is being deleted.`, {
        retryable: false,
        next: 'Wait until it is gone, then deploy again.',
      });
    }
  });
  return missing;
}

/** Works on all with at most `width` at once, answers in order. */
export async function inParallel<T, R>(all: readonly T[], width: number, work: (each: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  async function lane(): Promise<void> {
    for (let at = next++; at < all.length; at = next++) {
      const each = all[at];
      if (each !== undefined) results[at] = await work(each);
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, all.length) }, lane));
  return results;
}

/** Objects of earlier revisions that the new set has no more, those that go last first; what keeps data is named apart. */
export function leftOver(
  revisions: readonly Revision[],
  wanted: readonly Listed[],
): { goes: Listed[]; stays: Listed[] } {
  const kept = new Set(wanted.map(keyOf));
  const old = new Map<string, Listed>();
  for (const revision of revisions) {
    for (const each of inventory(revision)) if (!kept.has(keyOf(each))) old.set(keyOf(each), each);
  }
  const all = inOrder([...old.values()]).reverse();
  return {
    goes: all.filter(({ kind }) => !lasting.includes(kind)),
    stays: all.filter(({ kind }) => lasting.includes(kind)),
  };
}

/** What a revision was made of. */
export function inventory({ objects }: Pick<Revision, 'objects'>): Listed[] {
  return objects.map(([apiVersion, kind, namespace, name]) => ({
    apiVersion,
    kind,
    name,
    ...(namespace === '' ? {} : { namespace }),
  }));
}

/** Those of them that are there and are this app's: nothing else is ever removed. */
export async function ownAmong(
  talk: Talk,
  app: string,
  kinds: Kinds,
  all: readonly Listed[],
): Promise<{ place: Place; listed: Listed; uid: string }[]> {
  const found = await inParallel(all, 4, async (listed) => {
    const place = await kinds.find(listed);
    const live = place && (await readObject(talk, place, listed));
    if (!place || !live || objectAt(live, 'metadata', 'labels')[appLabel] !== app) return null;
    return { place, listed, uid: String(objectAt(live, 'metadata').uid ?? '') };
  });
  return found.filter((each) => each !== null);
}

/** The difference of a whole app as a text: what is new, what changes field by field, what goes, and how much stays. */
export function diffText(foreseen: Foreseen, goes: readonly Listed[]): string {
  const lines: string[] = foreseen.namespaces.map((name) => `+ Namespace ${name} (it is not there yet)`);
  for (const { manifest, is, difference, unchecked } of foreseen.verdicts) {
    if (is === 'new')
      lines.push(
        `+ ${called(manifest)}${gist(manifest)}${unchecked ? ' (the cluster can check it only when it is there)' : ''}`,
      );
    if (is === 'changed')
      lines.push(`~ ${called(manifest)}`, ...(difference?.lines ?? []).map((line) => `    ${line}`));
  }
  lines.push(...goes.map((listed) => `- ${called(listed)}`));
  const kept = foreseen.verdicts.filter(({ is }) => is === 'kept').length;
  const same = foreseen.verdicts.filter(({ is }) => is === 'same').length;
  if (kept > 0)
    lines.push(
      `= ${count(kept, 'generated Secret')} stay as they are`.replace(
        'Secret stay as they are',
        'Secret stays as it is',
      ),
    );
  if (same > 0) lines.push(`= ${count(same, 'object')} unchanged`);
  return lines.join('\n');
}

/** What matters of a new object, in a few words. */
function gist({ kind, object }: Manifest): string {
  const spec = objectAt(object, 'spec');
  const template = objectAt(spec, 'template', 'spec');
  const images = (Array.isArray(template.containers) ? template.containers : [])
    .filter(isObject)
    .map(({ image }) => String(image ?? ''));
  const parts: string[] = [];
  if (images.length > 0) parts.push(images.join(', '));
  if (kind === 'Deployment' || kind === 'StatefulSet') parts.push(count(Number(spec.replicas ?? 1), 'pod'));
  if (kind === 'Service') parts.push(String(spec.type ?? 'ClusterIP'));
  if (kind === 'Secret')
    parts.push(
      `${count(Object.keys({ ...objectAt(object, 'data'), ...objectAt(object, 'stringData') }).length, 'value')}, not shown`,
    );
  return parts.length > 0 ? `: ${parts.join('; ')}` : '';
}
