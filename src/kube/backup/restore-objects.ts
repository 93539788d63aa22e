/** One object of a backup on its way into a cluster: as it is to be there, and what became of it. */
import { z } from 'zod';
import { BackupRef } from '../../core/backup.ts';
import { asFault, type Fault } from '../../core/errors.ts';
import type { Vault } from '../../core/ports/archive.ts';
import { differenceOf } from '../apply/diff.ts';
import type { Place } from '../apply/kinds.ts';
import { pathOf } from '../apply/kinds.ts';
import { type Manifest as Applied, called, isObject, type JsonObject, objectAt } from '../apply/manifests.ts';
import { refusalOf } from '../apply/refusals.ts';
import { applyObject, ensureNamespace, manager, readObject } from '../apply/server.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { apiVersionOf, baseOf, resourceName, statusOf } from './discovery.ts';
import { objectOf, type Ref, type SnapshotMark, sealName, type TakenKind } from './format.ts';
import { noVault } from './read.ts';
import { bringSnapshot } from './restore-snapshots.ts';
import { outOfScope, restoredAnnotation } from './strip.ts';
import { madeOnDemand } from './volumes.ts';

/** What the work of restoring is told. */
export const RestoreInput = z.object({
  backup: BackupRef,
  /** Whose backup it is, by name. */
  source: z.string(),
  /** Whether it goes back into the cluster that it is of. */
  same: z.boolean(),
  /** Names this restore: a repeat knows what it has made. */
  restore: z.string().min(1),
  /** Empty: all that are in it. */
  namespaces: z.array(z.string()),
  existing: z.enum(['skip', 'overwrite']),
  /** Whether claims begin with their snapshots. */
  snapshots: z.boolean(),
});
export type RestoreInput = z.infer<typeof RestoreInput>;

export interface RestoreParts {
  talk: Talk;
  vault: Vault | undefined;
  input: RestoreInput;
  snapshots: readonly SnapshotMark[];
}

/** What became of an object. `left`: on purpose, with the reason. */
export interface Outcome {
  is: 'created' | 'changed' | 'same' | 'there' | 'left' | 'refused';
  /** For `left` and `refused`. */
  why?: string;
  /** A claim whose volume begins empty. */
  empty?: boolean;
}

/** The place of a kind in the API. */
export function placeOf(kind: TakenKind): Place {
  return { base: baseOf(kind), plural: kind.plural, namespaced: kind.namespaced, coming: false };
}

/** The kind of a line among those of the manifest. */
export function kindOf(kinds: readonly TakenKind[], object: JsonObject): TakenKind | undefined {
  return kinds.find((each) => each.kind === object.kind && apiVersionOf(each) === object.apiVersion);
}

/** A line as an object that can be applied; Secrets are unsealed. */
export function readLine(ref: Ref, line: string, vault: Vault | undefined): Applied {
  let object = objectOf(ref, line);
  if (typeof object.sealed === 'string') {
    if (!vault) throw noVault();
    const { namespace, name } = objectAt(object, 'metadata');
    object = objectOf(ref, vault.open(sealName(ref, String(namespace), String(name)), object.sealed));
  }
  return manifestOf(object);
}

function manifestOf(object: JsonObject): Applied {
  const { name, namespace } = objectAt(object, 'metadata');
  return {
    apiVersion: String(object.apiVersion),
    kind: String(object.kind),
    name: String(name ?? ''),
    ...(typeof namespace === 'string' ? { namespace } : {}),
    object,
  };
}

/** Why an object of a backup is not to be restored, or null. */
export function notWanted(kind: TakenKind, { object }: Applied, input: RestoreInput): string | null {
  if (input.namespaces.length > 0 && outOfScope(kind, object, input.namespaces) !== null) return 'it was not asked for';
  if (resourceName(kind) !== 'persistentvolumes') return null;
  if (madeOnDemand(object)) return 'it is made anew for its claim';
  const drawn = objectAt(object, 'metadata', 'annotations')['pv.kubernetes.io/provisioned-by'] !== undefined;
  return drawn && !input.same ? `its disk is that of ${input.source}` : null;
}

/** The object as this cluster is to get it. */
async function fitted(
  parts: RestoreParts,
  kind: TakenKind,
  manifest: Applied,
): Promise<{ object: JsonObject; empty: boolean }> {
  const { talk, input } = parts;
  if (resourceName(kind) !== 'persistentvolumeclaims') return { object: manifest.object, empty: false };
  const spec = objectAt(manifest.object, 'spec');
  const { volumeName, ...rest } = spec;
  const bound = typeof volumeName === 'string' && (await waitsFor(talk, volumeName, manifest));
  if (bound) return { object: manifest.object, empty: false };
  const mark = parts.snapshots.find(
    (each) => each.ready && each.namespace === manifest.namespace && each.claim === manifest.name,
  );
  const source = input.snapshots && mark ? await bringSnapshot(talk, input.backup, mark) : null;
  const from = source === null ? {} : { dataSource: source };
  return { object: { ...manifest.object, spec: { ...rest, ...from } }, empty: source === null };
}

/** Whether a volume is there and is free for this claim, or was kept for it. */
async function waitsFor(talk: Talk, volume: string, claim: Applied): Promise<boolean> {
  const place = { base: '/api/v1', plural: 'persistentvolumes', namespaced: false, coming: false };
  const live = await readObject(talk, place, { name: volume });
  if (!live) return false;
  const ref = objectAt(live, 'spec').claimRef;
  if (!isObject(ref)) return true;
  return ref.namespace === claim.namespace && ref.name === claim.name && ref.uid === undefined;
}

/** Brings one object into the cluster. Throws what may pass; what the cluster refuses is an outcome. `patience`: whether a failing server counts as one. */
export async function restoreOne(
  parts: RestoreParts,
  kind: TakenKind,
  manifest: Applied,
  patience: boolean,
): Promise<Outcome> {
  const unwanted = notWanted(kind, manifest, parts.input);
  if (unwanted !== null) return { is: 'left', why: unwanted };
  try {
    return await bring(parts, kind, manifest);
  } catch (thrown) {
    const fault = asFault(thrown);
    const why = refusedWhy(fault, manifest, patience);
    if (why === null) throw fault;
    return { is: 'refused', why };
  }
}

/** Why the cluster does not take an object; null for what may pass or is none of the object's business. */
export function refusedWhy(fault: Fault, manifest: Applied, patience: boolean): string | null {
  const status = statusOf(fault);
  if (status === 401 || status === 429) return null;
  const refusal = refusalOf(fault, manifest);
  if (refusal) return refusal.text;
  if (status >= 500) return patience ? null : plain(fault.message, 300);
  return status >= 400 ? `${called(manifest)}: ${plain(fault.message, 300)}` : null;
}

async function bring(parts: RestoreParts, kind: TakenKind, manifest: Applied): Promise<Outcome> {
  const { talk, input } = parts;
  const place = placeOf(kind);
  if (input.existing === 'overwrite') {
    const live = await readObject(talk, place, manifest);
    if (live && mine(live, input)) return { is: 'created' };
    if (live) return overwrite(parts, place, manifest, live);
  }
  const { object, empty } = await fitted(parts, kind, manifest);
  const made = await create(talk, place, marked(manifest, object, input.restore));
  if (made) return { is: 'created', ...(empty ? { empty } : {}) };
  const live = await readObject(talk, place, manifest);
  return live && mine(live, input) ? { is: 'created', ...(empty ? { empty } : {}) } : { is: 'there' };
}

function mine(live: JsonObject, { restore }: RestoreInput): boolean {
  return objectAt(live, 'metadata', 'annotations')[restoredAnnotation] === restore;
}

async function overwrite(parts: RestoreParts, place: Place, manifest: Applied, live: JsonObject): Promise<Outcome> {
  // What a claim or a volume is bound to is the cluster's own by now.
  const { volumeName: _bound, claimRef: _claim, ...spec } = objectAt(manifest.object, 'spec');
  const wanted = place.plural.startsWith('persistentvolume') ? { ...manifest.object, spec } : manifest.object;
  const after = await applyObject(parts.talk, place, { ...manifest, object: wanted }, { dryRun: false, force: true });
  // Applying writes down whose the fields are, which is a new version of the object though nothing in it differs.
  return { is: differenceOf(manifest.kind, live, after).lines.length > 0 ? 'changed' : 'same' };
}

function marked(manifest: Applied, object: JsonObject, restore: string): Applied {
  const metadata = objectAt(object, 'metadata');
  const annotations = { ...objectAt(metadata, 'annotations'), [restoredAnnotation]: restore };
  return { ...manifest, object: { ...object, metadata: { ...metadata, annotations } } };
}

/** Makes an object; false when one of its name is there. A namespace that the backup does not hold is made as well. */
async function create(talk: Talk, place: Place, manifest: Applied): Promise<boolean> {
  try {
    await post(talk, place, manifest, '');
    return true;
  } catch (thrown) {
    if (statusOf(thrown) === 409 && /already exists/.test(asFault(thrown).message)) return false;
    if (refusalOf(thrown, manifest)?.why !== 'no-namespace' || manifest.namespace === undefined) throw thrown;
    await ensureNamespace(talk, manifest.namespace);
    await post(talk, place, manifest, '');
    return true;
  }
}

/** Asks the server for a new object; unknown fields are refused, never dropped. `more` begins with an ampersand. */
export async function post(talk: Talk, place: Place, manifest: Applied, more: string): Promise<JsonObject> {
  const path = pathOf(place, manifest).replace(/\/[^/]+$/, '');
  return talk.raw({
    method: 'POST',
    path: `${path}?fieldManager=${manager}&fieldValidation=Strict${more}`,
    body: manifest.object,
  });
}
