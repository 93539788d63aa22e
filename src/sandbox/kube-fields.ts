import { isObject, type Json, type JsonObject } from './json.ts';
import { canonicalQuantity } from './kube-quantities.ts';
import type { Resource } from './kube-registry.ts';
import { invalid, StatusError } from './kube-status.ts';
import { memberOfShape, type Shape, shapeOf } from './kube-types.ts';

/** What a write does with members that its kind does not have. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** How an object came: what is wrong with its fields is answered differently for each. */
export type Way = 'body' | 'patch' | 'apply';

/** What an object was found to be: only what its kind has, and the paths of what was left out. */
type Findings = { unknown: string[]; wrong: string | undefined };

const GO_TYPES: Record<string, string> = { s: 'string', i: 'int32', d: 'float64', b: 'bool', y: '[]uint8' };
const MISTAKES: Record<string, (value: Json) => boolean> = {
  s: (value) => typeof value !== 'string',
  i: (value) => !Number.isInteger(value),
  d: (value) => typeof value !== 'number',
  b: (value) => typeof value !== 'boolean',
  y: (value) => typeof value !== 'string',
  T: (value) => typeof value !== 'string' || Number.isNaN(Date.parse(value)),
  U: (value) => typeof value !== 'string' || Number.isNaN(Date.parse(value)),
  Q: (value) => typeof value !== 'string' && typeof value !== 'number',
  O: (value) => typeof value !== 'string' && !Number.isInteger(value),
};

function goName(value: Json): string {
  if (Array.isArray(value)) return 'array';
  if (isObject(value)) return 'object';
  if (typeof value === 'number') return Number.isInteger(value) ? 'number' : `number ${value}`;
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** Reads an object as its kind: unknown members and nulls are left out, quantities get their canonical form. */
function read(shape: Shape, value: Json, path: string, owner: string, strictTypes: boolean, found: Findings): Json {
  const wrong = (wanted: string): Json => {
    if (strictTypes) {
      found.wrong ??= `json: cannot unmarshal ${goName(value)} into Go struct field ${owner}${path.replaceAll(/\[\d+\]/g, '')} of type ${wanted}`;
    }
    return value;
  };
  switch (shape.kind) {
    case 'any':
      return value;
    case 'leaf': {
      if (shape.type === 'Q' && (typeof value === 'string' || typeof value === 'number')) {
        return canonicalQuantity(String(value));
      }
      const mistaken = MISTAKES[shape.type]?.(value) ?? false;
      return mistaken ? wrong(GO_TYPES[shape.type] ?? 'string') : value;
    }
    case 'list':
      if (!Array.isArray(value)) return wrong('slice');
      return value.map((item, index) =>
        item === null ? item : read(shape.item, item, `${path}[${index}]`, owner, strictTypes, found),
      );
    default:
      break;
  }
  if (!isObject(value)) return wrong(shape.kind === 'map' ? 'map' : shape.name === '' ? 'object' : `v1.${shape.name}`);
  const result: JsonObject = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const below = memberOfShape(shape, name);
    const place = path === '' ? name : `${path}.${name}`;
    if (below === undefined) {
      found.unknown.push(place);
      continue;
    }
    if (member === null) {
      // A time that is not known yet is written as null by the API server itself; elsewhere null says nothing.
      if (below.kind === 'any' || (below.kind === 'leaf' && below.type === 'T' && name !== 'creationTimestamp')) {
        result[name] = null;
      }
      continue;
    }
    result[name] = read(
      below,
      member,
      place,
      shape.kind === 'object' && shape.name !== '' ? `${shape.name}.` : owner,
      strictTypes,
      found,
    );
  }
  return result;
}

/**
 * The object with only what its kind has. Throws for values of a wrong type, and for unknown members when they are to
 * be refused; otherwise `warn` hears of each. An applied configuration may have no unknown members at all.
 */
export function readFields(
  resource: Resource,
  object: JsonObject,
  way: Way,
  validation: FieldValidation,
  warn: (warning: string) => void,
): JsonObject {
  const found: Findings = { unknown: [], wrong: undefined };
  const custom = resource.schema !== undefined;
  const result = read(shapeOf(resource), object, '', '', !custom, found);
  const { group, version, kind } = resource;
  if (found.wrong !== undefined) {
    throw new StatusError(
      400,
      'BadRequest',
      `${kind} in version "${version}" cannot be handled as a ${kind}: ${found.wrong}`,
    );
  }
  if (found.unknown.length > 0 && way === 'apply') {
    const { name, namespace } = isObject(object.metadata) ? object.metadata : {};
    const apiVersion = group === '' ? version : `${group}/${version}`;
    const list = found.unknown.map((path) => `.${path}: field not declared in schema`);
    const text = list.length === 1 ? list[0] : `errors:\n${list.map((line) => `  ${line}`).join('\n')}`;
    const message = `failed to create typed patch object (${String(namespace ?? '')}/${String(name ?? '')}; ${apiVersion}, Kind=${kind}): ${text}`;
    throw new StatusError(500, 'InternalError', message);
  }
  const lines = found.unknown.map((path) => `unknown field "${path}"`);
  if (lines.length > 0 && validation === 'Strict') {
    const error = `strict decoding error: ${lines.join(', ')}`;
    if (way === 'body') {
      throw new StatusError(
        400,
        'BadRequest',
        `${kind} in version "${version}" cannot be handled as a ${kind}: ${error}`,
      );
    }
    throw invalid({ group: '', plural: '', kind: '' }, '', [
      { reason: 'FieldValueInvalid', message: `Invalid value: "patch": ${error}`, field: 'patch' },
    ]);
  }
  if (validation === 'Warn') for (const line of lines) warn(line);
  return isObject(result) ? result : object;
}
