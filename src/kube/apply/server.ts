/** Single objects: reading, applying and removing them through the API. */
import { Fault } from '../../core/errors.ts';
import type { Talk } from '../operation.ts';
import type { Place } from './kinds.ts';
import { pathOf } from './kinds.ts';
import type { JsonObject, Manifest } from './manifests.ts';
import { refusalOf } from './refusals.ts';

/** The field manager that everything of KQueen is written as. */
export const manager = 'kqueen';

/** The object of that name, or undefined. */
export async function readObject(
  talk: Talk,
  place: Place,
  manifest: Pick<Manifest, 'name' | 'namespace'>,
): Promise<JsonObject | undefined> {
  try {
    return await talk.raw({ method: 'GET', path: pathOf(place, manifest) });
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'not-found') return undefined;
    throw thrown;
  }
}

export interface ApplyHow {
  dryRun: boolean;
  /** Takes over fields that others keep. */
  force: boolean;
}

/**
 * Server-side apply with strict field validation. JSON goes as it is: it is YAML, and what passes through typed clients loses fields they do not
 * know. What KQueen itself has set past apply, such as a scale, is no conflict.
 */
export async function applyObject(talk: Talk, place: Place, manifest: Manifest, how: ApplyHow): Promise<JsonObject> {
  const send = (force: boolean) =>
    talk.raw({
      method: 'PATCH',
      path: `${pathOf(place, manifest)}?fieldManager=${manager}&fieldValidation=Strict${force ? '&force=true' : ''}${how.dryRun ? '&dryRun=All' : ''}`,
      contentType: 'application/apply-patch+yaml',
      body: manifest.object,
    });
  try {
    return await send(how.force);
  } catch (thrown) {
    const refusal = refusalOf(thrown, manifest);
    if (refusal?.why === 'conflict' && refusal.others?.every((other) => other.manager === manager)) return send(true);
    throw thrown;
  }
}

/** Removes an object, and what it made with it; fine when it is gone. */
export async function removeObject(
  talk: Talk,
  place: Place,
  manifest: Pick<Manifest, 'name' | 'namespace'>,
): Promise<void> {
  try {
    await talk.raw({
      method: 'DELETE',
      path: pathOf(place, manifest),
      body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' },
    });
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'not-found')) throw thrown;
  }
}

/** Makes a namespace unless it is there. */
export async function ensureNamespace(talk: Talk, name: string): Promise<void> {
  try {
    await talk.raw({
      method: 'POST',
      path: `/api/v1/namespaces?fieldManager=${manager}`,
      body: {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name, labels: { 'app.kubernetes.io/managed-by': 'kqueen' } },
      },
    });
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.kind === 'conflict')) throw thrown;
  }
}
