/** A backup against something else that holds objects: a cluster as it is now, or another backup. */
import { createHash } from 'node:crypto';
import type { Archive, Vault } from '../../core/ports/archive.ts';
import type { Call } from '../../core/ports/engine.ts';
import { differenceOf } from '../apply/diff.ts';
import { called, isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import { choose } from './choice.ts';
import { baseOf, discover, resourceName, type Served, statusOf } from './discovery.ts';
import { type Manifest, type Ref, readChunk } from './format.ts';
import { readLine } from './restore-objects.ts';
import { stripped, whyLeft } from './strip.ts';

export interface Comparison {
  /** In the other alone, in the backup alone: "Deployment shop/web". */
  added: string[];
  gone: string[];
  changed: { what: string; lines: string[] }[];
  same: number;
  /** Changed ones past the bound, which are only counted. */
  more: number;
}

/** Changes that are told field by field. */
const mostChanged = 200;
/** Names kept of what is on one side alone. */
const mostNames = 2_000;

/** Two states of an object have the same one when a backup would keep the same of both. */
function printOf(value: unknown): string {
  return createHash('sha1').update(canonical(value)).digest('base64url');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`)
    .join(',')}}`;
}

/** The same object has the same one whatever version of its group it is kept in. */
function idOf(object: JsonObject): string {
  const { namespace = '', name = '' } = objectAt(object, 'metadata');
  return `${String(object.apiVersion).replace(/\/?v[a-z0-9]+$/, '')}|${String(object.kind)}|${String(namespace)}/${String(name)}`;
}

function nameOf(object: JsonObject): string {
  const { namespace, name } = objectAt(object, 'metadata');
  const within = typeof namespace === 'string' ? { namespace } : {};
  return called({ kind: String(object.kind), name: String(name), ...within });
}

/** Compares with a memory of hashes: neither side is held whole. */
export async function compare(
  parts: { archive: Archive; vault: Vault | undefined; call: Call },
  ref: Ref,
  manifest: Manifest,
  others: AsyncIterable<JsonObject>,
): Promise<Comparison> {
  const mine = new Map<string, string>();
  for await (const object of objectsOf(parts, ref, manifest)) mine.set(idOf(object), printOf(object));
  const found: Comparison = { added: [], gone: [], changed: [], same: 0, more: 0 };
  const differing = new Map<string, JsonObject>();
  for await (const object of others) {
    const id = idOf(object);
    const print = mine.get(id);
    mine.delete(id);
    if (print === undefined) {
      if (found.added.length < mostNames) found.added.push(nameOf(object));
    } else if (print === printOf(object)) found.same += 1;
    else if (differing.size < mostChanged) differing.set(id, object);
    else found.more += 1;
  }
  if (mine.size > 0 || differing.size > 0) {
    for await (const object of objectsOf(parts, ref, manifest)) {
      const id = idOf(object);
      const other = differing.get(id);
      if (other) {
        const { lines } = differenceOf(String(object.kind), object, other);
        if (lines.length > 0) found.changed.push({ what: nameOf(object), lines });
        else found.same += 1;
      } else if (mine.has(id) && found.gone.length < mostNames) found.gone.push(nameOf(object));
    }
  }
  return found;
}

/** Every object of a backup, chunk by chunk. */
export async function* objectsOf(
  { archive, vault, call }: { archive: Archive; vault: Vault | undefined; call: Call },
  ref: Ref,
  manifest: Manifest,
): AsyncGenerator<JsonObject> {
  for (const mark of manifest.chunks) {
    const lines = await readChunk(archive, ref, mark, call);
    for (const line of lines) yield readLine(ref, line, vault).object;
  }
}

/** Everything of a cluster that a backup of these namespaces would keep, page by page. What may not be read is left out and told of in `hidden`. */
export async function* objectsNow(
  talk: Talk,
  manifest: Pick<Manifest, 'namespaces' | 'secrets' | 'kinds'>,
  hidden: string[],
): AsyncGenerator<JsonObject> {
  const { resources } = await discover(talk);
  const kept = new Set(manifest.kinds.map(resourceName));
  const defined = resources.filter(({ group }) => group.includes('.')).map(resourceName);
  for (const served of choose(resources, new Set(defined)).taken) {
    if (resourceName(served) === 'secrets' && !manifest.secrets) continue;
    if (/(^|\.)metrics\.k8s\.io$/.test(served.group) && !kept.has(resourceName(served))) continue;
    yield* pagesOf(talk, served, manifest.namespaces, hidden);
  }
}

async function* pagesOf(
  talk: Talk,
  served: Served,
  namespaces: readonly string[],
  hidden: string[],
): AsyncGenerator<JsonObject> {
  let token = '';
  for (let page = 0; page < 400; page += 1) {
    const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    let answer: JsonObject;
    try {
      answer = await talk.raw({ method: 'GET', path: `${baseOf(served)}/${served.plural}?limit=500${more}` });
    } catch (thrown) {
      if (![403, 404, 405].includes(statusOf(thrown))) throw thrown;
      hidden.push(resourceName(served));
      return;
    }
    for (const item of listAt(answer, 'items')) {
      if (isObject(item) && whyLeft(served, item, namespaces) === null) yield stripped(served, item);
    }
    token = String(objectAt(answer, 'metadata').continue ?? '');
    if (token === '') return;
  }
}
