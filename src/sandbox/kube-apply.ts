import { copyOf, isObject, type Json, type JsonObject, objectAt, objectsAt, sameJson, textAt } from './json.ts';
import { mergeKeyOf } from './kube-patch.ts';
import { StatusError } from './kube-status.ts';

/** A field by its path: segments `f:name` for members and `k:{"name":"x"}` for items of keyed lists. */
type Paths = Map<string, { path: string[]; value: Json }>;

type Entry = { manager: string; operation: string; subresource: string; time: string; paths: Set<string> };

const SEPARATOR = '\u0000';

/** Members that nobody owns. */
const UNOWNED = new Set(['f:apiVersion', 'f:kind']);
const UNOWNED_METADATA = new Set([
  'f:name',
  'f:namespace',
  'f:uid',
  'f:resourceVersion',
  'f:generation',
  'f:creationTimestamp',
  'f:managedFields',
  'f:selfLink',
  'f:deletionTimestamp',
  'f:deletionGracePeriodSeconds',
  'f:generateName',
]);

/** The leaves of an object and their values. */
function leaves(object: JsonObject): Paths {
  const found: Paths = new Map();
  walk(object, [], found);
  return found;
}

function walk(value: JsonObject, path: string[], found: Paths): void {
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const segment = `f:${name}`;
    if (path.length === 0 && UNOWNED.has(segment)) continue;
    if (path.length === 1 && path[0] === 'f:metadata' && UNOWNED_METADATA.has(segment)) continue;
    const here = [...path, segment];
    if (isObject(member) && Object.keys(member).length > 0) {
      walk(member, here, found);
      continue;
    }
    const key = Array.isArray(member) && member.length > 0 ? mergeKeyOf(name, member) : undefined;
    if (Array.isArray(member) && key !== undefined) {
      for (const item of member.filter(isObject)) {
        const place = [...here, `k:${JSON.stringify({ [key]: item[key] ?? null })}`];
        walk(item, place, found);
      }
      continue;
    }
    found.set(here.join(SEPARATOR), { path: here, value: member });
  }
}

function toFields(paths: Iterable<string>): JsonObject {
  const root: JsonObject = {};
  for (const joined of paths) {
    let current = root;
    for (const segment of joined.split(SEPARATOR)) {
      const next = current[segment];
      const child: JsonObject = isObject(next) ? next : {};
      current[segment] = child;
      if (segment.startsWith('k:')) child['.'] ??= {};
      current = child;
    }
  }
  return root;
}

function fromFields(fields: JsonObject, path: string[], paths: Set<string>): void {
  const members = Object.entries(fields).filter(([segment]) => segment !== '.');
  if (members.length === 0 && path.length > 0) paths.add(path.join(SEPARATOR));
  for (const [segment, child] of members) fromFields(isObject(child) ? child : {}, [...path, segment], paths);
}

function entriesOf(object: JsonObject): Entry[] {
  return objectsAt(object, 'metadata', 'managedFields').map((item) => {
    const paths = new Set<string>();
    fromFields(objectAt(item, 'fieldsV1'), [], paths);
    return {
      manager: textAt(item, 'manager') ?? '',
      operation: textAt(item, 'operation') ?? 'Update',
      subresource: textAt(item, 'subresource') ?? '',
      time: textAt(item, 'time') ?? '',
      paths,
    };
  });
}

function withEntries(object: JsonObject, entries: Entry[]): JsonObject {
  const list = entries
    .filter((entry) => entry.paths.size > 0)
    .map((entry) => ({
      manager: entry.manager,
      operation: entry.operation,
      apiVersion: textAt(object, 'apiVersion') ?? 'v1',
      time: entry.time,
      fieldsType: 'FieldsV1',
      fieldsV1: toFields(entry.paths),
      ...(entry.subresource === '' ? {} : { subresource: entry.subresource }),
    }));
  const { managedFields: _, ...metadata } = objectAt(object, 'metadata');
  return { ...object, metadata: list.length === 0 ? metadata : { ...metadata, managedFields: list } };
}

/** What an applied configuration becomes: merged into the object, or the configuration itself when there is none. */
function mergeApplied(old: JsonObject, applied: JsonObject): JsonObject {
  const result: JsonObject = { ...old };
  for (const [name, value] of Object.entries(applied)) {
    if (value === undefined) continue;
    const before = result[name];
    if (isObject(value)) {
      result[name] = mergeApplied(isObject(before) ? before : {}, value);
      continue;
    }
    const key = Array.isArray(value) ? mergeKeyOf(name, value) : undefined;
    if (Array.isArray(value) && key !== undefined && Array.isArray(before)) {
      const items = [...before];
      for (const item of value.filter(isObject)) {
        const at = items.findIndex((other) => isObject(other) && sameJson(other[key], item[key]));
        const found = items[at];
        if (at >= 0 && isObject(found)) items[at] = mergeApplied(found, item);
        else items.push(item);
      }
      result[name] = items;
      continue;
    }
    result[name] = value;
  }
  return result;
}

function removePath(value: JsonObject, path: readonly string[]): void {
  const [segment, ...rest] = path;
  if (segment === undefined) return;
  const name = segment.slice(2);
  if (rest.length === 0) {
    delete value[name];
    return;
  }
  const member = value[name];
  const [next = '', ...further] = rest;
  if (isObject(member)) {
    removePath(member, rest);
    if (Object.keys(member).length === 0) delete value[name];
  } else if (Array.isArray(member) && next.startsWith('k:')) {
    const key: unknown = JSON.parse(next.slice(2));
    const [keyName, keyValue] = Object.entries(isObject(key) ? key : {})[0] ?? [];
    if (keyName === undefined) return;
    const at = member.findIndex((item) => isObject(item) && sameJson(item[keyName], keyValue));
    const item = member[at];
    if (!isObject(item)) return;
    // Without its key an item cannot be told apart, so the whole item goes with it.
    if (further[0] === `f:${keyName}`) member.splice(at, 1);
    else removePath(item, further);
    if (member.length === 0) delete value[name];
  }
}

/**
 * Server-side apply. `old` is undefined for a new object. Throws a 409 StatusError with reason Conflict, naming the
 * managers, when another manager owns a field with another value and `force` is not set.
 */
export function applyPatch(
  old: JsonObject | undefined,
  applied: JsonObject,
  manager: string,
  force: boolean,
  now: string,
): JsonObject {
  const wanted = leaves(applied);
  const entries = old === undefined ? [] : entriesOf(old);
  const present = old === undefined ? new Map() : leaves(old);
  const mine = entries.find((entry) => entry.manager === manager && entry.operation === 'Apply');
  const causes: { reason: string; message: string; field: string }[] = [];
  for (const entry of entries) {
    if (entry === mine) continue;
    for (const [joined, { path, value }] of wanted) {
      if (!entry.paths.has(joined) || sameJson(present.get(joined)?.value, value)) continue;
      if (force) entry.paths.delete(joined);
      else {
        causes.push({
          reason: 'FieldManagerConflict',
          message: `conflict with "${entry.manager}"`,
          field: path.map((part) => (part.startsWith('k:') ? `[${part.slice(2)}]` : `.${part.slice(2)}`)).join(''),
        });
      }
    }
  }
  if (causes.length > 0) {
    const list = causes.map((cause) => `${cause.message}: ${cause.field}`).join(', ');
    throw new StatusError(
      409,
      'Conflict',
      `Apply failed with ${causes.length} conflict${causes.length > 1 ? 's' : ''}: ${list}`,
      {
        causes,
      },
    );
  }
  const merged = mergeApplied(copyOf(old ?? {}), applied);
  const others = entries.filter((entry) => entry !== mine);
  for (const joined of mine?.paths ?? []) {
    if (wanted.has(joined) || others.some((entry) => entry.paths.has(joined))) continue;
    removePath(merged, joined.split(SEPARATOR));
  }
  return withEntries(merged, [
    ...others,
    { manager, operation: 'Apply', subresource: '', time: now, paths: new Set(wanted.keys()) },
  ]);
}

/**
 * Records who changed what by a write that is no apply. Objects that nobody applied to keep no such record: the only
 * use of it here is to find conflicts of later applies.
 */
export function recordUpdate(
  old: JsonObject | undefined,
  next: JsonObject,
  manager: string,
  subresource: string,
  now: string,
): JsonObject {
  const entries = old === undefined ? [] : entriesOf(old);
  if (!entries.some((entry) => entry.operation === 'Apply')) return next;
  const before = leaves(old ?? {});
  const after = leaves(next);
  const changed = [...after].filter(([joined, leaf]) => !sameJson(before.get(joined)?.value, leaf.value));
  const gone = [...before.keys()].filter((joined) => !after.has(joined));
  const touched = new Set([...changed.map(([joined]) => joined), ...gone]);
  if (touched.size === 0) return withEntries(next, entries);
  for (const entry of entries) for (const joined of touched) entry.paths.delete(joined);
  let own = entries.find(
    (entry) => entry.manager === manager && entry.operation === 'Update' && entry.subresource === subresource,
  );
  if (own === undefined) {
    own = { manager, operation: 'Update', subresource, time: now, paths: new Set() };
    entries.push(own);
  }
  own.time = now;
  for (const [joined] of changed) own.paths.add(joined);
  return withEntries(next, entries);
}
