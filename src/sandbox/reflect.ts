/**
 * The metadata functions of Reflect that @peculiar/x509 (through tsyringe) wants to find when it is loaded. Only those
 * that it calls, and only when no other implementation is there: import this file before that library.
 */

const METADATA = new WeakMap<object, Map<unknown, unknown>>();

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const own = METADATA.get(target) ?? new Map<unknown, unknown>();
  own.set(key, value);
  METADATA.set(target, own);
}

function getOwnMetadata(key: unknown, target: object): unknown {
  return METADATA.get(target)?.get(key);
}

function getMetadata(key: unknown, target: object): unknown {
  let current: object | null = target;
  while (current !== null) {
    const own = METADATA.get(current);
    if (own?.has(key)) return own.get(key);
    current = Object.getPrototypeOf(current);
  }
  return undefined;
}

/** The decorator that compiled TypeScript calls with the types of a constructor's parameters. */
function metadata(key: unknown, value: unknown): (target: object) => void {
  return (target) => defineMetadata(key, value, target);
}

if (!('getMetadata' in Reflect)) Object.assign(Reflect, { defineMetadata, getOwnMetadata, getMetadata, metadata });
