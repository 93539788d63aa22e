/**
 * A very small schema language for Block Kit. A rule looks at a value and writes down what Slack would complain about, in
 * Slack's own words: the messages and the `[json-pointer:…]` suffix are those that the Web API returns in
 * `response_metadata.messages` (see "Error responses" in docs.slack.dev/apis/web-api).
 */
import { isObject } from './json.ts';
import type { Json } from './types.ts';

/** Checks `value`, which stands at the JSON pointer `at`, and adds complaints to `errors`. */
export type Rule = (value: unknown, at: string, errors: string[]) => void;

export function complain(errors: string[], at: string, what: string): void {
  errors.push(`${what} [json-pointer:${at}]`);
}

export function text(max: number, min = 0): Rule {
  return (value, at, errors) => {
    if (typeof value !== 'string') complain(errors, at, 'must be a string');
    else if (value.length < min) complain(errors, at, `must be more than ${min - 1} characters`);
    else if (value.length > max) complain(errors, at, `must be less than ${max + 1} characters`);
  };
}

export function bool(value: unknown, at: string, errors: string[]): void {
  if (typeof value !== 'boolean') complain(errors, at, 'must be a boolean');
}

export function whole(min: number, max: number): Rule {
  return (value, at, errors) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) complain(errors, at, 'must be an integer');
    else if (value < min || value > max) complain(errors, at, `must be between ${min} and ${max}`);
  };
}

export function matching(pattern: RegExp, what: string): Rule {
  return (value, at, errors) => {
    if (typeof value !== 'string' || !pattern.test(value)) complain(errors, at, `must be ${what}`);
  };
}

export function oneOf(...allowed: string[]): Rule {
  return (value, at, errors) => {
    if (typeof value !== 'string' || !allowed.includes(value)) {
      complain(errors, at, `must be one of: ${allowed.join(', ')}`);
    }
  };
}

export function list(item: Rule, max: number, min = 0): Rule {
  return (value, at, errors) => {
    if (!Array.isArray(value)) return complain(errors, at, 'must provide an array');
    if (value.length < min) complain(errors, at, `no less than ${min} items required`);
    if (value.length > max) complain(errors, at, `no more than ${max} items allowed`);
    for (const [index, each] of value.entries()) item(each, `${at}/${index}`, errors);
  };
}

/** An object with these fields and no others; `type` is always allowed. */
export function shape(required: Record<string, Rule>, optional: Record<string, Rule> = {}): Rule {
  const known: Record<string, Rule> = { ...required, ...optional };
  return (value, at, errors) => {
    if (!isObject(value)) return complain(errors, at, 'must provide an object');
    for (const name of Object.keys(required)) {
      if (value[name] === undefined) complain(errors, at, `missing required field: ${name}`);
    }
    for (const [name, field] of Object.entries(value)) {
      const rule = known[name];
      if (rule !== undefined) {
        if (field !== undefined) rule(field, `${at}/${name}`, errors);
      } else if (name !== 'type') complain(errors, at, `invalid additional property: ${name}`);
    }
  };
}

/** Chooses the rule by the object's `type`. */
export function byType(rules: Record<string, Rule>): Rule {
  return (value, at, errors) => {
    if (!isObject(value)) return complain(errors, at, 'must provide an object');
    const rule = typeof value.type === 'string' ? rules[value.type] : undefined;
    if (rule === undefined) complain(errors, `${at}/type`, `unsupported type: ${String(value.type)}`);
    else rule(value, at, errors);
  };
}

/** Several rules on one value. */
export function all(...rules: Rule[]): Rule {
  return (value, at, errors) => {
    for (const rule of rules) rule(value, at, errors);
  };
}

/** A rule on the object as a whole; says what is wrong, or nothing. */
export function agree(check: (value: Json) => string | undefined): Rule {
  return (value, at, errors) => {
    const wrong = isObject(value) ? check(value) : undefined;
    if (wrong !== undefined) complain(errors, at, wrong);
  };
}
