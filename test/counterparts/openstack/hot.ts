/**
 * As much of Heat's templates as the fake understands: parameters with their constraints, conditions, and the functions that outputs use.
 * After https://docs.openstack.org/heat/latest/template_guide/hot_spec.html; the words of the refusals are those of Heat 19.
 */
import { parse } from 'yaml';

export type Json = Record<string, unknown>;

export interface HotParameter {
  name: string;
  type: string;
  schema: Json;
  constraints: Json[];
}

export interface HotResource {
  name: string;
  type: string;
  condition?: unknown;
  properties: Json;
}

export interface Hot {
  raw: Json;
  description: string;
  parameters: HotParameter[];
  conditions: Json;
  resources: HotResource[];
  outputs: { name: string; value: unknown }[];
}

/** A refusal of Heat: its HTTP status, the type in the body, and the words. */
export class HeatRefusal extends Error {
  readonly status: number;
  readonly type: string;
  constructor(status: number, type: string, message: string) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

export function object(value: unknown): Json {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Json) : {};
}

/** Reads a template as text or as an object; throws as POST /validate and POST /stacks do. */
export function readHot(given: unknown): Hot {
  let raw: unknown = given;
  if (typeof given === 'string') {
    try {
      // Dates stay text, as in Heat's own loader.
      raw = parse(given, { maxAliasCount: 1_000 });
    } catch (error) {
      throw new HeatRefusal(400, 'HTTPBadRequest', `Template not in valid format: Error parsing template: ${error}`);
    }
  }
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw)) {
    throw new HeatRefusal(
      400,
      'HTTPBadRequest',
      'Template not in valid format: The template is not a JSON object or YAML mapping.',
    );
  }
  const template = raw as Json;
  if (!('heat_template_version' in template)) {
    throw new HeatRefusal(400, 'HTTPBadRequest', 'Template not in valid format: Template format version not found.');
  }
  const resources = Object.entries(object(template.resources)).map(([name, value]): HotResource => {
    const one = object(value);
    const type = String(one.type ?? '');
    if (!/^OS::(Heat|Nova|Neutron|Cinder)::\w+$/.test(type)) {
      throw new HeatRefusal(400, 'HTTPBadRequest', `The Resource Type (${type}) could not be found.`);
    }
    return {
      name,
      type,
      properties: object(one.properties),
      ...('condition' in one ? { condition: one.condition } : {}),
    };
  });
  return {
    raw: template,
    description: String(template.description ?? 'No description').trim(),
    parameters: Object.entries(object(template.parameters)).map(([name, value]) => {
      const schema = object(value);
      const constraints = Array.isArray(schema.constraints) ? schema.constraints.map(object) : [];
      return { name, type: String(schema.type ?? 'string'), schema, constraints };
    }),
    conditions: object(template.conditions),
    resources,
    outputs: Object.entries(object(template.outputs)).map(([name, value]) => ({ name, value: object(value).value })),
  };
}

const apiTypes: Record<string, string> = {
  string: 'String',
  number: 'Number',
  boolean: 'Boolean',
  comma_delimited_list: 'CommaDelimitedList',
  json: 'Json',
};

/** A parameter in the answer of POST /validate (heat/engine/api.py, format_validate_parameter). */
export function validated({ name, type, schema, constraints }: HotParameter): Json {
  const made: Json = {
    Type: apiTypes[type] ?? type,
    Description: schema.description ?? '',
    NoEcho: schema.hidden ? 'true' : 'false',
    Label: schema.label ?? name,
  };
  if (schema.default !== undefined) {
    made.Default = type === 'comma_delimited_list' ? listOf(schema.default) : schema.default;
  }
  const words: string[] = [];
  for (const each of constraints) {
    const range = object(each.range);
    const length = object(each.length);
    if (range.min !== undefined) made.MinValue = range.min;
    if (range.max !== undefined) made.MaxValue = range.max;
    if (length.min !== undefined) made.MinLength = length.min;
    if (length.max !== undefined) made.MaxLength = length.max;
    if (each.allowed_values !== undefined) made.AllowedValues = each.allowed_values;
    if (each.allowed_pattern !== undefined) made.AllowedPattern = each.allowed_pattern;
    if (each.custom_constraint !== undefined) made.CustomConstraint = each.custom_constraint;
    if (typeof each.description === 'string') words.push(each.description);
  }
  if (words.length > 0) made.ConstraintDescription = words.join(' ');
  return made;
}

function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return String(value) === '' ? [] : String(value).split(',');
}

/** The values of all parameters, defaults filled in; throws where one is missing or does not fit. `exists` answers custom constraints. */
export function valuesOf(hot: Hot, given: Json, exists: (constraint: string, value: string) => boolean): Json {
  const values: Json = {};
  for (const parameter of hot.parameters) {
    const { name, schema, type } = parameter;
    const value = given[name] ?? schema.default;
    if (value === undefined) {
      throw new HeatRefusal(400, 'UserParameterMissing', `The Parameter (${name}) was not provided.`);
    }
    values[name] =
      type === 'number' ? Number(value) : type === 'boolean' ? String(value).toLowerCase() === 'true' : value;
    if (given[name] !== undefined) check(parameter, values[name], exists);
  }
  return values;
}

function check(parameter: HotParameter, value: unknown, exists: (constraint: string, value: string) => boolean): void {
  const refuse = (why: string, words: unknown) => {
    const said = typeof words === 'string' ? words : why;
    throw new HeatRefusal(400, 'StackValidationFailed', `Parameter '${parameter.name}' is invalid: ${said}`);
  };
  if (parameter.type === 'number' && Number.isNaN(value)) refuse(`could not convert string to float: '${value}'`, null);
  for (const each of parameter.constraints) {
    const { min, max } = object(each.range);
    const number = Number(value);
    if ((min !== undefined && number < Number(min)) || (max !== undefined && number > Number(max))) {
      refuse(`${value} is out of range (min: ${min}, max: ${max})`, each.description);
    }
    const allowed = each.allowed_values;
    if (Array.isArray(allowed) && !allowed.map(String).includes(String(value))) {
      refuse(`"${value}" is not an allowed value [${allowed.map((one) => `"${one}"`).join(', ')}]`, each.description);
    }
    const pattern = each.allowed_pattern;
    if (typeof pattern === 'string' && !new RegExp(`^(?:${pattern})$`).test(String(value))) {
      refuse(`"${value}" does not match pattern "${pattern}"`, each.description);
    }
    const custom = each.custom_constraint;
    if (typeof custom === 'string' && !exists(custom, String(value))) {
      refuse(`Error validating value '${value}': The ${custom} (${value}) could not be found.`, each.description);
    }
  }
}

/** What a function in a template is resolved with. */
export interface Scope {
  values: Json;
  conditions: Json;
  attribute(resource: string, path: unknown[]): unknown;
}

/** The value of what stands in a template, its functions resolved; null where something is not known yet. */
export function resolve(given: unknown, scope: Scope): unknown {
  if (Array.isArray(given)) return given.map((each) => resolve(each, scope));
  if (given === null || typeof given !== 'object') return given;
  const entries = Object.entries(given);
  const [name, argument] = entries.length === 1 ? (entries[0] ?? ['', null]) : ['', null];
  const list = Array.isArray(argument) ? argument : [argument];
  switch (name) {
    case 'get_param':
      return scope.values[String(list[0])] ?? null;
    case 'get_resource':
      return String(argument);
    case 'get_attr':
      return scope.attribute(
        String(list[0]),
        list.slice(1).map((each) => resolve(each, scope)),
      );
    case 'if':
      return resolve(holds(list[0], scope) ? list[1] : list[2], scope);
    case 'list_join': {
      const items = list.slice(1).flatMap((each) => resolve(each, scope));
      return items.map(String).join(String(list[0]));
    }
    case 'str_replace': {
      const { template, params } = object(argument);
      let text = String(template);
      for (const [word, value] of Object.entries(object(params))) {
        const found = resolve(value, scope);
        if (found === null) return null;
        text = text.replaceAll(word, typeof found === 'string' ? found : JSON.stringify(found));
      }
      return text;
    }
    default:
      return Object.fromEntries(entries.map(([key, value]) => [key, resolve(value, scope)]));
  }
}

/** Whether a condition holds, by its name or as it is written. */
export function holds(condition: unknown, scope: Scope): boolean {
  if (typeof condition === 'boolean') return condition;
  if (typeof condition === 'string') return holds(scope.conditions[condition] ?? false, scope);
  const [[name, argument] = ['', null]] = Object.entries(object(condition));
  const list = Array.isArray(argument) ? argument : [argument];
  if (name === 'equals') return String(resolve(list[0], scope)) === String(resolve(list[1], scope));
  if (name === 'not') return !holds(list[0], scope);
  if (name === 'or') return list.some((each) => holds(each, scope));
  return name === 'and' && list.every((each) => holds(each, scope));
}
