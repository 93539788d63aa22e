import { copyOf, isObject, type Json, type JsonObject, listAt, sameJson, valueAt } from './json.ts';
import { entriesOf, indexOfItem, keySegment, leavesOf, pathText, segments, withEntries } from './kube-managed.ts';
import type { Resource } from './kube-registry.ts';
import { StatusError } from './kube-status.ts';
import { memberOfShape, type Shape, shapeOf } from './kube-types.ts';

/** How a write names itself in managedFields. */
export type Writer = { manager: string; subresource: string; time: string };

/** What an applied configuration becomes: merged into what is there. */
function merged(old: Json | undefined, applied: Json, shape: Shape): Json {
  const atomic = (shape.kind === 'object' || shape.kind === 'map') && shape.atomic;
  if (isObject(applied) && !atomic) {
    const result: JsonObject = isObject(old) ? { ...old } : {};
    for (const [name, value] of Object.entries(applied)) {
      if (value !== undefined)
        result[name] = merged(result[name], value, memberOfShape(shape, name) ?? { kind: 'any' });
    }
    return result;
  }
  if (!Array.isArray(applied) || shape.kind !== 'list' || !Array.isArray(old)) return applied;
  if (shape.set) return [...old, ...applied.filter((item) => !old.some((other) => sameJson(other, item)))];
  if (shape.keys.length === 0) return applied;
  const items = [...old];
  for (const item of applied.filter(isObject)) {
    const at = indexOfItem(items, shape, keySegment(shape.keys, item));
    if (at < 0) items.push(item);
    else items[at] = merged(items[at], item, shape.item);
  }
  return items;
}

/** Takes a path out of a value, and maps and items that are left with nothing. */
function removePath(value: Json, shape: Shape, path: readonly string[]): void {
  const [segment = '', ...rest] = path;
  if (Array.isArray(value) && shape.kind === 'list') {
    const at = indexOfItem(value, shape, segment);
    if (at < 0) return;
    if (rest.length === 0 || rest[0] === '.') value.splice(at, 1);
    else removePath(value[at] ?? null, shape.item, rest);
    return;
  }
  if (!isObject(value)) return;
  const name = segment.slice(2);
  const member = value[name];
  if (rest.length === 0) {
    delete value[name];
    return;
  }
  if (member === undefined) return;
  removePath(member, memberOfShape(shape, name) ?? { kind: 'any' }, rest);
  const empty = Array.isArray(member) ? member.length === 0 : isObject(member) && Object.keys(member).length === 0;
  if (empty) delete value[name];
}

/**
 * Server-side apply. `old` is undefined for a new object. Throws a 409 StatusError with reason Conflict, naming the
 * managers, when another manager owns a field with another value and `force` is not set. With a writer without a
 * manager nobody is recorded.
 */
export function applyPatch(
  resource: Resource,
  old: JsonObject | undefined,
  applied: JsonObject,
  writer: Writer,
  force: boolean,
): JsonObject {
  const shape = shapeOf(resource);
  const configuration: JsonObject = { ...applied };
  // The status of a kind that has it as a subresource is not this write's.
  if (resource.status && writer.subresource === '') delete configuration.status;
  const wanted = leavesOf(configuration, shape);
  const entries = entriesOf(old);
  const present = old === undefined ? new Map<string, Json>() : leavesOf(old, shape);
  const mine = entries.find(
    (entry) =>
      entry.manager === writer.manager && entry.operation === 'Apply' && entry.subresource === writer.subresource,
  );
  const causes: { reason: string; message: string; field: string }[] = [];
  for (const entry of entries) {
    if (entry === mine) continue;
    for (const [path, value] of wanted) {
      if (!entry.paths.has(path) || !present.has(path) || sameJson(present.get(path), value)) continue;
      if (force) entry.paths.delete(path);
      else {
        const using =
          entry.operation === 'Apply'
            ? ''
            : ` with subresource "${entry.subresource}"`.repeat(entry.subresource === '' ? 0 : 1);
        const version = entry.operation === 'Apply' ? '' : ` using ${String(old?.apiVersion ?? 'v1')}`;
        causes.push({
          reason: 'FieldManagerConflict',
          message: `conflict with "${entry.manager}"${using}${version}`,
          field: pathText(path),
        });
      }
    }
  }
  if (causes.length > 0) throw conflictOf(causes);
  const result = merged(copyOf(old ?? {}), configuration, shape);
  const next: JsonObject = isObject(result) ? result : configuration;
  const others = entries.filter((entry) => entry !== mine);
  for (const path of mine?.paths ?? []) {
    if (wanted.has(path) || others.some((entry) => entry.paths.has(path))) continue;
    removePath(next, shape, segments(path));
  }
  const own = { ...writer, operation: 'Apply', paths: new Set(wanted.keys()) };
  const same = mine !== undefined && sameSet(mine.paths, own.paths);
  return withEntries(next, [...others, same ? { ...own, time: mine.time } : own]);
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((path) => b.has(path));
}

function conflictOf(causes: { reason: string; message: string; field: string }[]): StatusError {
  const who = new Map<string, string[]>();
  for (const { message, field } of causes) who.set(message, [...(who.get(message) ?? []), field]);
  const list = [...who].map(([message, fields]) =>
    fields.length === 1
      ? `${message}: ${fields[0]}`
      : `${message.replace('conflict with', 'conflicts with')}:\n${fields.map((field) => `- ${field}`).join('\n')}`,
  );
  const text = `Apply failed with ${causes.length} conflict${causes.length > 1 ? 's' : ''}: ${list.join('\n')}`;
  return new StatusError(409, 'Conflict', text, { causes });
}

/**
 * Records who changed what by a write that is no apply; a writer who sets managedFields has them as they were sent.
 * `track` false leaves objects that have no record without one.
 */
export function recordUpdate(
  resource: Resource,
  old: JsonObject | undefined,
  next: JsonObject,
  writer: Writer,
  track: boolean,
): JsonObject {
  const sent = listAt(next, 'metadata', 'managedFields');
  const cleared = sent.length > 0 && sent.every((entry) => isObject(entry) && Object.keys(entry).length === 0);
  const entries = cleared ? [] : entriesOf(sent.length > 0 ? next : old);
  if (!track && entries.length === 0) return cleared ? withEntries(next, []) : next;
  const shape = shapeOf(resource);
  const before = old === undefined ? new Map<string, Json>() : leavesOf(old, shape);
  const after = leavesOf(next, shape);
  const changed = [...after].filter(([path, value]) => !before.has(path) || !sameJson(before.get(path), value));
  const gone = [...before.keys()].filter((path) => !after.has(path));
  if (changed.length + gone.length === 0 || cleared) return withEntries(next, entries);
  for (const entry of entries) {
    for (const path of gone) entry.paths.delete(path);
    for (const [path] of changed) entry.paths.delete(path);
  }
  let own = entries.find(
    (entry) =>
      entry.manager === writer.manager && entry.operation === 'Update' && entry.subresource === writer.subresource,
  );
  if (own === undefined) {
    own = { ...writer, operation: 'Update', paths: new Set() };
    entries.push(own);
  }
  own.time = writer.time;
  for (const [path] of changed) own.paths.add(path);
  return withEntries(next, entries);
}

/** Whether two objects have the same managers, whenever they wrote. */
export function sameManagers(a: JsonObject, b: JsonObject): boolean {
  const text = (object: JsonObject): string =>
    JSON.stringify(
      listAt(object, 'metadata', 'managedFields').map((entry) => [
        valueAt(entry, 'manager') ?? null,
        valueAt(entry, 'operation') ?? null,
        valueAt(entry, 'fieldsV1') ?? null,
      ]),
    );
  return text(a) === text(b);
}
