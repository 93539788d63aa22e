import type { ValidatedParameter } from './wire.ts';

/** A parameter of a Heat template, whoever described it. */
export interface TemplateParameter {
  name: string;
  type: 'string' | 'number' | 'boolean' | 'list' | 'json';
  label?: string;
  description?: string;
  /** Its value is never shown (`hidden`, `NoEcho`). */
  hidden: boolean;
  /** May not be changed later. Only templates say so, POST /validate does not. */
  immutable: boolean;
  default?: string | number | boolean;
  min?: number;
  max?: number;
  minLength?: number;
  maxLength?: number;
  allowed?: string[];
  /** Has to match the whole value. */
  pattern?: string;
  /** A number has to be `offset` more than a multiple of `step`. */
  step?: number;
  offset?: number;
  /** What Heat looks up elsewhere, such as `nova.flavor`. */
  custom?: string;
  /** The template's own words for a value that does not fit. */
  rule?: string;
}

/** From the answer of POST /validate. */
export function fromValidated(name: string, given: ValidatedParameter): TemplateParameter {
  const made: TemplateParameter = {
    name,
    type: typeOf(given.Type),
    hidden: String(given.NoEcho ?? 'false').toLowerCase() === 'true',
    immutable: false,
  };
  const label = given.Label?.trim();
  if (label && label !== name) made.label = label;
  if (given.Description?.trim()) made.description = given.Description.trim();
  constrain(made, {
    default: given.Default,
    min: given.MinValue,
    max: given.MaxValue,
    minLength: given.MinLength,
    maxLength: given.MaxLength,
    allowed: given.AllowedValues,
    pattern: given.AllowedPattern,
    step: given.Step,
    offset: given.Offset,
    custom: given.CustomConstraint,
    rule: given.ConstraintDescription,
  });
  return made;
}

/** Those of a template that Heat has taken: HOT as well as the older CloudFormation kind. In the template's order. */
export function fromTemplate(template: Record<string, unknown>): TemplateParameter[] {
  const hot = record(template.parameters);
  if (hot) return Object.entries(hot).map(([name, schema]) => fromHot(name, record(schema) ?? {}));
  return Object.entries(record(template.Parameters) ?? {}).map(([name, schema]) => fromCfn(name, record(schema) ?? {}));
}

/** https://docs.openstack.org/heat/latest/template_guide/hot_spec.html#parameters-section */
function fromHot(name: string, schema: Record<string, unknown>): TemplateParameter {
  const made: TemplateParameter = {
    name,
    type: typeOf(String(schema.type ?? 'string')),
    hidden: truth(schema.hidden),
    immutable: truth(schema.immutable),
  };
  if (typeof schema.label === 'string' && schema.label !== name) made.label = schema.label;
  if (typeof schema.description === 'string') made.description = schema.description;
  const found: Constraints = { default: schema.default };
  const rules: string[] = [];
  for (const each of Array.isArray(schema.constraints) ? schema.constraints : []) {
    const one = record(each) ?? {};
    const range = record(one.range);
    const length = record(one.length);
    const modulo = record(one.modulo);
    if (range) Object.assign(found, { min: range.min, max: range.max });
    if (length) Object.assign(found, { minLength: length.min, maxLength: length.max });
    if (modulo) Object.assign(found, { step: modulo.step, offset: modulo.offset });
    if (Array.isArray(one.allowed_values)) found.allowed = one.allowed_values;
    if (typeof one.allowed_pattern === 'string') found.pattern = one.allowed_pattern;
    if (typeof one.custom_constraint === 'string') found.custom = one.custom_constraint;
    if (typeof one.description === 'string') rules.push(one.description);
  }
  if (rules.length > 0) found.rule = rules.join(' ');
  constrain(made, found);
  return made;
}

function fromCfn(name: string, schema: Record<string, unknown>): TemplateParameter {
  const made: TemplateParameter = {
    name,
    type: typeOf(String(schema.Type ?? 'String')),
    hidden: truth(schema.NoEcho),
    immutable: false,
  };
  if (typeof schema.Description === 'string') made.description = schema.Description;
  constrain(made, {
    default: schema.Default,
    min: schema.MinValue,
    max: schema.MaxValue,
    minLength: schema.MinLength,
    maxLength: schema.MaxLength,
    allowed: schema.AllowedValues,
    pattern: schema.AllowedPattern,
    rule: schema.ConstraintDescription,
  });
  return made;
}

interface Constraints {
  default?: unknown;
  min?: unknown;
  max?: unknown;
  minLength?: unknown;
  maxLength?: unknown;
  allowed?: unknown;
  pattern?: unknown;
  step?: unknown;
  offset?: unknown;
  custom?: unknown;
  rule?: unknown;
}

function constrain(made: TemplateParameter, given: Constraints): void {
  const numbers = ['min', 'max', 'minLength', 'maxLength', 'step', 'offset'] as const;
  for (const key of numbers) {
    const value = given[key];
    const number = value === undefined || value === null || value === '' ? Number.NaN : Number(value);
    if (Number.isFinite(number)) made[key] = number;
  }
  if (Array.isArray(given.allowed) && given.allowed.length > 0) made.allowed = given.allowed.map(plain);
  for (const key of ['pattern', 'custom', 'rule'] as const) {
    const value = given[key];
    if (typeof value === 'string' && value.trim() !== '') made[key] = value.trim();
  }
  const fallback = given.default;
  if (fallback === undefined || fallback === null) return;
  if (made.type === 'number' && Number.isFinite(Number(fallback))) made.default = Number(fallback);
  else if (made.type === 'boolean') made.default = truth(fallback);
  else made.default = plain(fallback);
}

/** A value as the text that Heat takes for it. */
function plain(value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join(',');
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Heat's words for true (oslo.utils, `bool_from_string`). */
export function truth(value: unknown): boolean {
  return /^(1|t|true|on|y|yes)$/i.test(String(value ?? '').trim());
}

function typeOf(word: string): TemplateParameter['type'] {
  switch (word.toLowerCase()) {
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'commadelimitedlist':
    case 'comma_delimited_list':
      return 'list';
    case 'json':
      return 'json';
    default:
      return 'string';
  }
}

function record(value: unknown): Record<string, unknown> | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
