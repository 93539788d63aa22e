import { createHash } from 'node:crypto';
import { ApiFailure } from './controller-client.ts';
import { nameOf, pathOf, type World } from './controller-world.ts';
import { isObject, type Json, type JsonObject, numberAt, objectAt, objectsAt, textAt, textsAt } from './json.ts';

const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** The label of pods that says of which revision of a StatefulSet or DaemonSet they are. */
export const REVISION_HASH = 'controller-revision-hash';

/** JSON with its members in order, so that equal templates have equal texts. */
function ordered(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isObject(value)) return value ?? null;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, ordered(member)]),
  );
}

/** Stands for a pod template: the same for equal templates. */
export function hashOf(template: JsonObject): string {
  const bytes = createHash('sha256')
    .update(JSON.stringify(ordered(template)))
    .digest()
    .subarray(0, 10);
  return [...bytes].map((byte) => LETTERS[byte % LETTERS.length]).join('');
}

/** The reference by which an object controls another. */
export function controlledBy(owner: JsonObject): JsonObject {
  const { name, uid } = nameOf(owner);
  return { apiVersion: owner.apiVersion, kind: owner.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** A pod of an owner's template; `name` is a whole name, or ends with - to have one made. */
export function podOf(owner: JsonObject, name: string, labels: Record<string, string> = {}): JsonObject {
  const template = objectAt(owner, 'spec', 'template');
  const named = name.endsWith('-') ? { generateName: name } : { name };
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      ...named,
      namespace: nameOf(owner).namespace,
      labels: { ...textsAt(template, 'metadata', 'labels'), ...labels },
      annotations: textsAt(template, 'metadata', 'annotations'),
      ownerReferences: [controlledBy(owner)],
    },
    spec: structuredClone(objectAt(template, 'spec')),
  };
}

/** Makes a pod and takes it into the copies; undefined when its name is taken. */
export async function makePod(world: World, pod: JsonObject): Promise<JsonObject | undefined> {
  try {
    const made = await world.api.request('POST', pathOf('pods', String(objectAt(pod, 'metadata').namespace)), pod);
    world.kinds.pods.accept(made);
    return made;
  } catch (error) {
    if (error instanceof ApiFailure && error.reason === 'AlreadyExists') return undefined;
    throw error;
  }
}

/**
 * Keeps the template of a StatefulSet or DaemonSet as a ControllerRevision, which `kubectl rollout history` and `undo`
 * read; the answer is its name. One that is used again becomes the newest.
 */
export async function keepRevision(world: World, owner: JsonObject, hash: string): Promise<string> {
  const { namespace, name, uid } = nameOf(owner);
  const path = `/apis/apps/v1/namespaces/${namespace}/controllerrevisions`;
  const all = objectsAt(await world.api.request('GET', path), 'items');
  const own = all.filter((entry) => objectsAt(entry, 'metadata', 'ownerReferences').some((ref) => ref.uid === uid));
  const newest = Math.max(0, ...own.map((entry) => numberAt(entry, 'revision') ?? 0));
  const wanted = `${name}-${hash}`;
  const found = own.find((entry) => textAt(entry, 'metadata', 'name') === wanted);
  if (found === undefined) {
    await world.api.request('POST', path, {
      kind: 'ControllerRevision',
      apiVersion: 'apps/v1',
      metadata: {
        name: wanted,
        namespace,
        labels: { ...textsAt(owner, 'spec', 'selector', 'matchLabels'), [REVISION_HASH]: hash },
        annotations: textsAt(owner, 'metadata', 'annotations'),
        ownerReferences: [controlledBy(owner)],
      },
      data: { spec: { template: { ...objectAt(owner, 'spec', 'template'), $patch: 'replace' } } },
      revision: newest + 1,
    });
  } else if ((numberAt(found, 'revision') ?? 0) < newest) {
    await world.api.request('PUT', `${path}/${wanted}`, { ...found, revision: newest + 1 });
  }
  return wanted;
}
