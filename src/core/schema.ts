/**
 * From one zod schema: the fields of a form, the validation of what comes back, which fields are secret, and the documentation.
 * Field meta is given with zod's `.meta(…)`; the keys are those of FieldMeta.
 */
import { z } from 'zod';
import type { Field, FieldKind } from './card.ts';
import type { Parameter } from './ports/engine.ts';

export interface FieldMeta {
  label: string;
  help?: string;
  example?: string;
  secret?: boolean;
  multiline?: boolean;
  order?: number;
  /** The value is one of the live choices of this field from the provider. */
  live?: boolean;
  /** Other fields' choices depend on it: changing it loads the form again. */
  reloads?: boolean;
}

/** Declares a field: `field(z.string().min(1), { label: 'Region', live: true })`. */
export function field<T extends z.ZodType>(schema: T, meta: FieldMeta): T {
  return schema.meta({ ...meta }) as T;
}

interface JsonProperty {
  type?: string;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  default?: unknown;
  label?: string;
  help?: string;
  example?: string;
  secret?: boolean;
  multiline?: boolean;
  order?: number;
  live?: boolean;
  reloads?: boolean;
}

interface JsonObject {
  properties?: Record<string, JsonProperty>;
  required?: string[];
}

interface Properties {
  all: readonly [string, JsonProperty][];
  required: readonly string[];
}

/** A schema never changes, and is asked for its fields with every line. */
const read = new WeakMap<z.ZodObject, Properties>();

function properties(schema: z.ZodObject): Properties {
  const known = read.get(schema);
  if (known) return known;
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonObject;
  const all = Object.entries(json.properties ?? {}).sort(([, a], [, b]) => (a.order ?? 50) - (b.order ?? 50));
  const made = { all, required: json.required ?? [] };
  read.set(schema, made);
  return made;
}

function kindOf(property: JsonProperty): FieldKind {
  if (property.secret) return property.multiline ? 'secret-multiline' : 'secret';
  if (property.enum || property.live) return 'choice';
  if (property.type === 'number' || property.type === 'integer') return 'number';
  if (property.type === 'boolean') return 'toggle';
  if (property.type === 'object') return 'labels';
  return property.multiline ? 'multiline' : 'text';
}

/** The fields of a schema in their order, prefilled with `values` (as text) or the defaults. */
export function fieldsOf(schema: z.ZodObject, values: Record<string, string> = {}): Field[] {
  const { all, required } = properties(schema);
  return all.map(([key, property]) => {
    const made: Field = {
      key,
      label: property.label ?? key,
      kind: kindOf(property),
      required: required.includes(key),
    };
    const value = values[key] ?? (property.default === undefined ? undefined : textOf(property.default));
    if (value !== undefined && !property.secret) made.value = value;
    if (property.help) made.help = property.help;
    if (property.example) made.example = property.example;
    if (property.enum) made.choices = property.enum.map((choice) => ({ value: choice, label: choice }));
    if (property.minimum !== undefined && property.minimum > -1e9) made.min = property.minimum;
    if (property.maximum !== undefined && property.maximum < 1e9) made.max = property.maximum;
    if (property.type === 'integer') made.whole = true;
    if (property.maxLength !== undefined) made.maxLength = property.maxLength;
    if (property.reloads) made.reloads = true;
    return made;
  });
}

/** Keys of the fields that others depend on. */
export function reloadingKeys(schema: z.ZodObject): string[] {
  return properties(schema)
    .all.filter(([, property]) => property.reloads)
    .map(([key]) => key);
}

/** Keys of the secret fields. */
export function secretKeys(schema: z.ZodObject): string[] {
  return properties(schema)
    .all.filter(([, property]) => property.secret)
    .map(([key]) => key);
}

/**
 * The schema of an engine's clusters at one provisioner: the engine's own fields and, after them, the parameters that only the provider knows.
 * A parameter never takes the place of one of the engine's own fields.
 */
export function clusterSchema(own: z.ZodObject, parameters: readonly Parameter[] = []): z.ZodObject {
  const added = parameters.filter(({ key }) => !Object.hasOwn(own.shape, key));
  if (added.length === 0) return own;
  return own.safeExtend(
    Object.fromEntries(added.map((each, index) => [each.key, parameterField(each, 50 + index / 1_000)])),
  );
}

function parameterField(parameter: Parameter, order: number): z.ZodType {
  const { label, help, kind, required } = parameter;
  let schema = parameterValue(parameter);
  if (parameter.default !== undefined) schema = schema.default(parameter.default);
  else if (!required) schema = schema.optional();
  const meta: FieldMeta = { label, order };
  if (help) meta.help = help;
  if (kind === 'multiline') meta.multiline = true;
  return field(schema, meta);
}

function parameterValue(parameter: Parameter): z.ZodType {
  const { kind, choices, min, max, minLength, maxLength, pattern } = parameter;
  if (kind === 'toggle') return z.boolean();
  if (kind === 'number') {
    let value = z.number();
    if (min !== undefined) value = value.min(min, `At least ${min}.`);
    if (max !== undefined) value = value.max(max, `At most ${max}.`);
    return value;
  }
  const [first, ...others] = choices ?? [];
  if (first !== undefined)
    return z.enum([first, ...others], `Choose one of: ${[first, ...others].slice(0, 20).join(', ')}.`);
  let value = z.string();
  if (minLength !== undefined) value = value.min(minLength, `At least ${minLength} characters.`);
  if (maxLength !== undefined) value = value.max(maxLength, `At most ${maxLength} characters.`);
  const rule = pattern === undefined ? undefined : wholePattern(pattern);
  return rule ? value.refine((text) => rule.test(text), `This must match ${pattern}.`) : value;
}

/** A provider's pattern as ours, for the whole value; undefined for one that another language wrote: then the provider judges. */
function wholePattern(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u');
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

export interface Problem {
  field: string;
  message: string;
}

export type Read<T> = { ok: true; value: T } | { ok: false; problems: Problem[] };

/** A value as a person would type it. */
export function textOf(value: unknown): string {
  if (value && typeof value === 'object') {
    return Object.entries(value)
      .map(([key, inner]) => `${key}=${String(inner)}`)
      .join(',');
  }
  return String(value);
}

/** Written where a value would stand: there is to be none. */
export const noneWord = 'none';

/** Reads `a=1,b=2` (commas or new lines), or `none`; null when a piece has no `=` or a key is given twice. */
export function parsePairs(text: string): Record<string, string> | null {
  if (text.trim().toLowerCase() === noneWord) return {};
  const pairs = new Map<string, string>();
  for (const piece of text.split(/[,\n]/).map((each) => each.trim())) {
    if (!piece) continue;
    const at = piece.indexOf('=');
    const key = piece.slice(0, at).trim();
    if (at < 1 || key === '' || key === '__proto__' || pairs.has(key)) return null;
    pairs.set(key, piece.slice(at + 1).trim());
  }
  return Object.fromEntries(pairs);
}

/** Labels as Kubernetes and the large clouds take them; few enough that a command with all of them still fits a button. */
export const labelsSchema = z
  .record(z.string(), z.string())
  .refine((labels) => Object.keys(labels).length <= 10, 'Use at most ten labels.')
  .refine(
    (labels) => Object.keys(labels).every((key) => /^[a-z0-9]([\w./-]{0,61}[a-z0-9])?$/i.test(key)),
    "A label's key has at most 63 letters, digits, dashes, dots and slashes.",
  )
  .refine(
    (labels) => Object.values(labels).every((value) => /^([a-z0-9]([\w.-]{0,61}[a-z0-9])?)?$/i.test(value)),
    "A label's value has at most 63 letters, digits, dashes, dots and underscores.",
  );

/**
 * Reads what a person typed (all text) by a schema: numbers, toggles and labels are converted, empty means absent, and unknown keys are
 * problems of their own, so that nothing is dropped in silence.
 */
export function readValues<T extends z.ZodObject>(schema: T, values: Record<string, string>): Read<z.infer<T>> {
  const { all } = properties(schema);
  const known = new Map(all);
  const problems: Problem[] = [];
  const input: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(values)) {
    const property = known.get(key);
    if (!property) {
      problems.push({
        field: key,
        message: `There is no field "${key}" here. Fields: ${[...known.keys()].join(', ')}.`,
      });
      continue;
    }
    if (text.trim() === '') continue;
    const converted = convert(property, text);
    if (converted === undefined) problems.push({ field: key, message: expectation(property) });
    else input[key] = converted;
  }
  const parsed = schema.safeParse(input, { error: wordsOf });
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const key = String(issue.path[0] ?? '');
      if (problems.some((problem) => problem.field === key)) continue;
      // A rule over several fields says itself what an empty one is wanted for.
      const absent = input[key] === undefined && issue.code !== 'custom';
      problems.push({ field: key, message: absent ? 'Please fill this in.' : issue.message });
    }
  }
  if (problems.length > 0 || !parsed.success) return { ok: false, problems };
  return { ok: true, value: parsed.data as z.infer<T> };
}

/** What zod says in a programmer's words, for a person; a rule's own words go before these. */
function wordsOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_value':
      return `This must be ${oneOf(issue.values.map(String))}.`;
    case 'too_small':
      return issue.origin === 'string'
        ? `This must have at least ${issue.minimum} characters.`
        : `This must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}.`;
    case 'too_big':
      return issue.origin === 'string'
        ? `This must have at most ${issue.maximum} characters.`
        : `This must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}.`;
    case 'invalid_type':
      return issue.expected === 'int' ? 'This must be a whole number.' : undefined;
    default:
      return undefined;
  }
}

function oneOf(values: string[]): string {
  const last = values.at(-1) ?? '';
  return values.length < 2 ? last : `${values.slice(0, -1).join(', ')} or ${last}`;
}

function convert(property: JsonProperty, text: string): unknown {
  const trimmed = text.trim();
  switch (property.type) {
    case 'number':
    case 'integer':
      return /^[+-]?\d{1,15}(\.\d+)?$/.test(trimmed) ? Number(trimmed) : undefined;
    case 'boolean':
      if (/^(true|yes|on)$/i.test(trimmed)) return true;
      return /^(false|no|off)$/i.test(trimmed) ? false : undefined;
    case 'object':
      return parsePairs(trimmed) ?? undefined;
    default:
      return property.multiline || property.secret ? text : trimmed;
  }
}

function expectation(property: JsonProperty): string {
  switch (property.type) {
    case 'number':
    case 'integer':
      return 'This must be a number.';
    case 'boolean':
      return 'This must be yes or no.';
    default:
      return 'Write this as key=value pairs, separated by commas.';
  }
}
