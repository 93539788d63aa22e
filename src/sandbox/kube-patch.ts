import { copyOf, isObject, type Json, type JsonObject, sameJson } from './json.ts';
import { badRequest, StatusError } from './kube-status.ts';
import { memberOfShape, type Shape } from './kube-types.ts';

const ANY: Shape = { kind: 'any' };

/** RFC 7386: null removes a member, objects are merged, everything else is replaced. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** RFC 6902. Throws a 422 StatusError when an operation does not fit the document. */
export function jsonPatch(target: JsonObject, operations: readonly Json[]): JsonObject {
  let document: Json = copyOf(target);
  for (const operation of operations) {
    if (!isObject(operation)) throw badRequest('a JSON patch is a list of operations');
    document = applyOperation(document, operation);
  }
  if (!isObject(document)) throw unprocessable('the patched document is not an object');
  return document;
}

function unprocessable(message: string): StatusError {
  return new StatusError(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`);
}

function pointer(value: Json | undefined): string[] {
  if (typeof value !== 'string' || (value !== '' && !value.startsWith('/'))) throw badRequest('invalid JSON pointer');
  return value
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function read(document: Json, path: readonly string[]): Json {
  let current: Json | undefined = document;
  for (const part of path) {
    if (Array.isArray(current)) current = current[Number(part)];
    else if (isObject(current) && Object.hasOwn(current, part)) current = current[part];
    else current = undefined;
    if (current === undefined) throw unprocessable(`nothing at /${path.join('/')}`);
  }
  return current;
}

function write(
  document: Json,
  path: readonly string[],
  value: Json | undefined,
  mode: 'add' | 'replace' | 'remove',
): Json {
  const last = path.at(-1);
  if (last === undefined) return value ?? null;
  const parent = read(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : Number(last);
    const limit = mode === 'add' ? parent.length : parent.length - 1;
    if (!Number.isInteger(index) || index < 0 || index > limit) throw unprocessable(`no index ${last}`);
    if (mode === 'remove') parent.splice(index, 1);
    else parent.splice(index, mode === 'add' ? 0 : 1, value ?? null);
    return document;
  }
  if (!isObject(parent)) throw unprocessable(`nothing at /${path.join('/')}`);
  if (mode !== 'add' && !Object.hasOwn(parent, last)) throw unprocessable(`nothing at /${path.join('/')}`);
  if (mode === 'remove') delete parent[last];
  else parent[last] = value;
  return document;
}

function applyOperation(document: Json, operation: JsonObject): Json {
  const path = pointer(operation.path);
  switch (operation.op) {
    case 'add':
    case 'replace':
      return write(document, path, operation.value, operation.op);
    case 'remove':
      return write(document, path, undefined, 'remove');
    case 'test':
      if (!sameJson(read(document, path), operation.value)) throw unprocessable(`test of /${path.join('/')} failed`);
      return document;
    case 'copy':
      return write(document, path, copyOf(read(document, pointer(operation.from))), 'add');
    case 'move': {
      const value = copyOf(read(document, pointer(operation.from)));
      return write(write(document, pointer(operation.from), undefined, 'remove'), path, value, 'add');
    }
    default:
      throw badRequest(`unknown JSON patch operation ${String(operation.op)}`);
  }
}

/** A Kubernetes strategic merge patch with its directives ($patch, $setElementOrder, $deleteFromPrimitiveList, $retainKeys). */
export function strategicPatch(target: JsonObject, patch: JsonObject, shape: Shape): JsonObject {
  return mergeObjects(target, patch, shape);
}

function mergeObjects(target: JsonObject, patch: JsonObject, shape: Shape): JsonObject {
  if (patch.$patch === 'delete') return {};
  if (patch.$patch === 'replace') return withoutDirectives(patch);
  const result: JsonObject = { ...target };
  const retained = patch.$retainKeys;
  if (Array.isArray(retained)) {
    for (const key of Object.keys(result)) if (!retained.includes(key)) delete result[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const list = key.slice('$deleteFromPrimitiveList/'.length);
      const gone = Array.isArray(value) ? value : [];
      const old = result[list];
      if (Array.isArray(old)) result[list] = old.filter((item) => !gone.includes(item));
    }
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    const old = result[key];
    if (value === null || value === undefined) delete result[key];
    else if (Array.isArray(value))
      result[key] = mergeLists(memberOfShape(shape, key) ?? ANY, Array.isArray(old) ? old : [], value);
    else if (isObject(value)) {
      if (value.$patch === 'delete') delete result[key];
      else result[key] = mergeObjects(isObject(old) ? old : {}, value, memberOfShape(shape, key) ?? ANY);
    } else result[key] = value;
  }
  for (const [key, order] of Object.entries(patch)) {
    if (key.startsWith('$setElementOrder/') && Array.isArray(order)) {
      const list = key.slice('$setElementOrder/'.length);
      const items = result[list];
      if (Array.isArray(items)) result[list] = inOrder(memberOfShape(shape, list) ?? ANY, items, order);
    }
  }
  return result;
}

function withoutDirectives(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !key.startsWith('$')));
}

function patchKeyOf(shape: Shape): string {
  return shape.kind === 'list' ? shape.patchKey : '';
}

function mergeLists(shape: Shape, old: Json[], patch: Json[]): Json[] {
  const items = patch.filter(
    (item) => !(isObject(item) && item.$patch === 'replace' && Object.keys(item).length === 1),
  );
  if (items.length !== patch.length) return items;
  if (shape.kind === 'list' && shape.patchSet) return [...new Set([...old, ...items])];
  const key = patchKeyOf(shape);
  if (shape.kind !== 'list' || key === '')
    return items.map((item) => (isObject(item) ? withoutDirectives(item) : item));
  const result = [...old];
  for (const item of items) {
    if (!isObject(item)) continue;
    const at = result.findIndex((other) => isObject(other) && sameJson(other[key], item[key]));
    if (item[key] === undefined)
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    if (item.$patch === 'delete') {
      if (at >= 0) result.splice(at, 1);
      continue;
    }
    const found = result[at];
    if (at >= 0 && isObject(found)) result[at] = mergeObjects(found, item, shape.item);
    else result.push(mergeObjects({}, item, shape.item));
  }
  return result;
}

function inOrder(shape: Shape, items: Json[], order: Json[]): Json[] {
  const key = patchKeyOf(shape);
  const rank = (item: Json): number => {
    const at = order.findIndex((wanted) =>
      key !== '' && isObject(item) && isObject(wanted) ? sameJson(wanted[key], item[key]) : sameJson(wanted, item),
    );
    return at < 0 ? order.length : at;
  };
  return [...items].sort((a, b) => rank(a) - rank(b));
}
