import { isObject, type Json, type JsonObject, objectAt, objectsAt, textAt } from './json.ts';
import { memberOfShape, type Shape } from './kube-types.ts';

/**
 * The fields of objects and who manages them, as metadata.managedFields holds it. A path is a list of segments as in
 * FieldsV1: `f:name` a member, `k:{"name":"x"}` an item by its keys, `v:"x"` an item of a set, and `.` an item itself.
 */
export type Paths = Map<string, Json>;

/** What one manager owns by one kind of write. */
export type Entry = { manager: string; operation: string; subresource: string; time: string; paths: Set<string> };

const SEPARATOR = '\u0000';

/** Members of every object that nobody owns. */
const UNOWNED = new Set(['apiVersion', 'kind']);
const UNOWNED_METADATA = new Set([
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'managedFields',
  'selfLink',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generateName',
]);

/** What a key of list items is when an item does not say it. */
const KEY_DEFAULTS: Record<string, Json> = { protocol: 'TCP' };

/** The path as one text, by which paths are told apart. */
export function joined(path: readonly string[]): string {
  return path.join(SEPARATOR);
}

/** The segments of a path. */
export function segments(path: string): string[] {
  return path.split(SEPARATOR);
}

/** The segment of an item of a list whose items are told apart by keys. */
export function keySegment(keys: readonly string[], item: JsonObject): string {
  const entries = [...keys].sort().map((key) => [key, item[key] ?? KEY_DEFAULTS[key] ?? null]);
  return `k:${JSON.stringify(Object.fromEntries(entries))}`;
}

/** Where in a list the item of a `k:` or `v:` segment is; -1 when it is not there. */
export function indexOfItem(list: readonly Json[], shape: Shape, segment: string): number {
  if (shape.kind !== 'list') return -1;
  if (segment.startsWith('v:')) return list.findIndex((item) => `v:${JSON.stringify(item)}` === segment);
  return list.findIndex((item) => isObject(item) && keySegment(shape.keys, item) === segment);
}

/** The leaves of an object, and the items of its keyed lists, with their values. */
export function leavesOf(object: JsonObject, shape: Shape): Paths {
  const found: Paths = new Map();
  walk(object, shape, [], found);
  return found;
}

function walk(value: Json, shape: Shape, path: string[], found: Paths): void {
  const atomic = (shape.kind === 'object' || shape.kind === 'map') && shape.atomic;
  if (isObject(value) && !atomic && Object.keys(value).length > 0) {
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue;
      if (path.length === 0 && UNOWNED.has(name)) continue;
      if (path.length === 1 && path[0] === 'f:metadata' && UNOWNED_METADATA.has(name)) continue;
      walk(member, memberOfShape(shape, name) ?? { kind: 'any' }, [...path, `f:${name}`], found);
    }
    return;
  }
  if (Array.isArray(value) && value.length > 0 && shape.kind === 'list' && (shape.keys.length > 0 || shape.set)) {
    for (const item of value) {
      if (shape.set) found.set(joined([...path, `v:${JSON.stringify(item)}`]), item);
      else if (isObject(item)) {
        const place = [...path, keySegment(shape.keys, item)];
        found.set(joined([...place, '.']), true);
        walk(item, shape.item, place, found);
      }
    }
    return;
  }
  if (path.length > 0) found.set(joined(path), value);
}

function toFields(paths: Iterable<string>): JsonObject {
  const root: JsonObject = {};
  for (const path of paths) {
    let current = root;
    for (const segment of segments(path)) {
      const next = current[segment];
      const child: JsonObject = isObject(next) ? next : {};
      current[segment] = child;
      current = child;
    }
  }
  return root;
}

function fromFields(fields: JsonObject, path: string[], paths: Set<string>): void {
  const members = Object.entries(fields);
  if (members.length === 0 && path.length > 0) paths.add(joined(path));
  for (const [segment, child] of members) {
    // The map itself beside its members: only items of lists are owned apart from what they hold.
    if (segment === '.' && !path.at(-1)?.startsWith('k:')) continue;
    fromFields(isObject(child) ? child : {}, [...path, segment], paths);
  }
}

/** The managers of an object. */
export function entriesOf(object: JsonObject | undefined): Entry[] {
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

/** The object with these managers; those that own nothing are left out. */
export function withEntries(object: JsonObject, entries: readonly Entry[]): JsonObject {
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

/** A path as the API server writes it in conflicts: `.spec.containers[name="main"].image`. */
export function pathText(path: string): string {
  return segments(path)
    .filter((part) => part !== '.')
    .map((part) => {
      if (part.startsWith('f:')) return `.${part.slice(2)}`;
      if (part.startsWith('v:')) return `[=${part.slice(2)}]`;
      const keys: unknown = JSON.parse(part.slice(2));
      const pairs = Object.entries(isObject(keys) ? keys : {}).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
      return `[${pairs.join(',')}]`;
    })
    .join('');
}
