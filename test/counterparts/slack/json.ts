/** Careful reading of JSON that another program sent. */
import type { Json } from './types.ts';

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value if it is an object, otherwise an empty one. */
export function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

/** The objects of a list; anything else in it is left out. */
export function objectsOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Arguments arrive as form text or as JSON; `'false'` and `'0'` are false in both. */
export function flagOf(value: unknown): boolean {
  return value === true || value === 'true' || value === '1' || value === 1;
}

export function numberOf(value: unknown, otherwise: number): number {
  const read = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof read === 'number' && Number.isFinite(read) ? read : otherwise;
}

/** Parses JSON text; undefined when it is not JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Every object inside a value, itself included, depth first. */
export function* within(value: unknown): Generator<Json> {
  if (Array.isArray(value)) {
    for (const item of value) yield* within(item);
  } else if (isObject(value)) {
    yield value;
    for (const item of Object.values(value)) yield* within(item);
  }
}
