import {
  isObject,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  sameJson,
  textAt,
} from './json.ts';
import type { Cause } from './kube-status.ts';

/** A definition with what is filled in when it is not said. The object is changed in place. */
export function defaultDefinition(definition: JsonObject): void {
  const spec = objectAt(definition, 'spec');
  const names = objectAt(spec, 'names');
  const kind = textAt(names, 'kind') ?? '';
  names.singular ??= kind.toLowerCase();
  names.listKind ??= `${kind}List`;
  if (!isObject(spec.conversion)) spec.conversion = { strategy: 'None' };
}

/** The status of a definition whose names nobody else has: it is served at once. */
export function definitionStatus(definition: JsonObject, now: string): JsonObject {
  const before = objectAt(definition, 'status');
  const storage = objectsAt(definition, 'spec', 'versions').find((version) => version.storage === true);
  const stored = listAt(before, 'storedVersions');
  const name = textAt(storage, 'name') ?? '';
  const condition = (type: string, reason: string, message: string): JsonObject => {
    const old = objectsAt(before, 'conditions').find((entry) => entry.type === type);
    return old ?? { type, status: 'True', reason, message, lastTransitionTime: now };
  };
  return {
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ],
    acceptedNames: objectAt(definition, 'spec', 'names'),
    storedVersions: stored.includes(name) ? stored : [...stored, name],
  };
}

/** What is wrong with a definition. */
export function definitionCauses(definition: JsonObject): Cause[] {
  const causes: Cause[] = [];
  const spec = objectAt(definition, 'spec');
  const wanted = `${textAt(spec, 'names', 'plural') ?? ''}.${textAt(spec, 'group') ?? ''}`;
  const name = textAt(definition, 'metadata', 'name') ?? '';
  const wrong = (field: string, value: Json, why: string): void => {
    causes.push({ reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field });
  };
  if (name !== wanted) wrong('metadata.name', name, 'must be spec.names.plural+"."+spec.group');
  for (const field of ['plural', 'kind']) {
    if ((textAt(spec, 'names', field) ?? '') === '') {
      causes.push({ reason: 'FieldValueRequired', message: 'Required value', field: `spec.names.${field}` });
    }
  }
  const scope = textAt(spec, 'scope') ?? '';
  if (scope !== 'Namespaced' && scope !== 'Cluster') {
    const message = `Unsupported value: ${JSON.stringify(scope)}: supported values: "Cluster", "Namespaced"`;
    causes.push({ reason: 'FieldValueNotSupported', message, field: 'spec.scope' });
  }
  const versions = objectsAt(spec, 'versions');
  if (versions.filter((version) => version.storage === true).length !== 1) {
    wrong('spec.versions', versions.length, 'must have exactly one version marked as storage version');
  }
  for (const [index, version] of versions.entries()) {
    if (isObject(version.schema) && isObject(version.schema.openAPIV3Schema)) continue;
    const field = `spec.versions[${index}].schema.openAPIV3Schema`;
    causes.push({ reason: 'FieldValueRequired', message: 'Required value: schemas are required', field });
  }
  return causes;
}

/** Fills in a schema's defaults. The value is changed in place. */
export function defaultBySchema(schema: JsonObject, value: Json): void {
  if (Array.isArray(value)) for (const item of value) defaultBySchema(objectAt(schema, 'items'), item);
  if (!isObject(value)) return;
  for (const [name, member] of Object.entries(objectAt(schema, 'properties'))) {
    if (!isObject(member)) continue;
    if (value[name] === undefined && member.default !== undefined) value[name] = structuredClone(member.default);
    const present = value[name];
    if (present !== undefined) defaultBySchema(member, present);
  }
  const extra = schema.additionalProperties;
  if (isObject(extra))
    for (const member of Object.values(value)) if (member !== undefined) defaultBySchema(extra, member);
}

function typeOf(value: Json): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/** What a custom object's value has against its schema: types, required members, choices, bounds, lengths, patterns. */
export function schemaCauses(schema: JsonObject, value: Json, path: string): Cause[] {
  if (schema['x-kubernetes-int-or-string'] === true) return [];
  if (value === null && schema.nullable === true) return [];
  const causes: Cause[] = [];
  const wrong = (why: string): void => {
    const shown = typeof value === 'object' ? `"${typeOf(value)}"` : JSON.stringify(value);
    causes.push({ reason: 'FieldValueInvalid', message: `Invalid value: ${shown}: ${why}`, field: path });
  };
  const wanted = textAt(schema, 'type');
  const found = typeOf(value);
  if (wanted !== undefined && wanted !== found && !(wanted === 'number' && found === 'integer')) {
    causes.push({
      reason: 'FieldValueTypeInvalid',
      message: `Invalid value: "${found}": ${path} in body must be of type ${wanted}: "${found}"`,
      field: path,
    });
    return causes;
  }
  const choices = listAt(schema, 'enum');
  if (choices.length > 0 && !choices.some((choice) => sameJson(choice, value))) {
    const list = choices.map((choice) => JSON.stringify(choice)).join(', ');
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
      field: path,
    });
  }
  if (typeof value === 'number') {
    const least = numberAt(schema, 'minimum');
    const most = numberAt(schema, 'maximum');
    if (least !== undefined && value < least) wrong(`${path} in body should be greater than or equal to ${least}`);
    if (most !== undefined && value > most) wrong(`${path} in body should be less than or equal to ${most}`);
  }
  if (typeof value === 'string') {
    const pattern = textAt(schema, 'pattern');
    if (pattern !== undefined && !new RegExp(pattern).test(value)) wrong(`${path} in body should match '${pattern}'`);
    const shortest = numberAt(schema, 'minLength');
    const longest = numberAt(schema, 'maxLength');
    if (shortest !== undefined && value.length < shortest)
      wrong(`${path} in body should be at least ${shortest} chars long`);
    if (longest !== undefined && value.length > longest) wrong(`may not be more than ${longest} bytes`);
  }
  if (Array.isArray(value)) {
    const least = numberAt(schema, 'minItems');
    const most = numberAt(schema, 'maxItems');
    if (least !== undefined && value.length < least) wrong(`${path} in body should have at least ${least} items`);
    if (most !== undefined && value.length > most) wrong(`must have at most ${most} items`);
    const items = objectAt(schema, 'items');
    for (const [index, item] of value.entries()) causes.push(...schemaCauses(items, item, `${path}[${index}]`));
  }
  if (!isObject(value)) return causes;
  const below = (name: string): string => (path === '' ? name : `${path}.${name}`);
  for (const name of listAt(schema, 'required')) {
    if (typeof name === 'string' && value[name] === undefined) {
      causes.push({ reason: 'FieldValueRequired', message: 'Required value', field: below(name) });
    }
  }
  const properties = objectAt(schema, 'properties');
  const extra = schema.additionalProperties;
  for (const [name, member] of Object.entries(value)) {
    const rule = properties[name];
    if (member === undefined) continue;
    if (isObject(rule)) causes.push(...schemaCauses(rule, member, below(name)));
    else if (isObject(extra)) causes.push(...schemaCauses(extra, member, below(name)));
  }
  return causes;
}
