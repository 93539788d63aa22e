/** Which fields the messages of the container API have: read from the type definitions of Google's own library, which are made from its discovery document. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { refusals } from './errors.ts';

const definitions = createRequire(import.meta.url).resolve('googleapis/build/src/apis/container/v1.d.ts');

let read: Map<string, Map<string, string>> | undefined;

function shapes(): Map<string, Map<string, string>> {
  if (read) return read;
  read = new Map();
  const text = readFileSync(definitions, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  for (const [, name = '', body = ''] of text.matchAll(/export interface Schema\$(\w+) \{([\s\S]*?)\n {4}\}/g)) {
    const fields = [...body.matchAll(/^ {8}(\w+)\?: ([^;{]*)/gm)].map(
      ([, key = '', type = '']) => [key, type.trim()] as const,
    );
    read.set(name, new Map(fields));
  }
  return read;
}

/** Refuses a message with a field that it does not have, as Google's front end does. `at` is where it stands, for the refusal. */
export function checkShape(name: string, message: unknown, at: string): void {
  const fields = shapes().get(name);
  if (!fields) throw new Error(`the library has no message ${name}`);
  if (message === null || typeof message !== 'object') throw refusals.badRequest(`Invalid value at '${at}'.`);
  for (const [key, value] of Object.entries(message)) {
    const type = fields.get(key);
    if (type === undefined) throw refusals.unknownField(key, at);
    const inner = /^Schema\$(\w+)(\[\])?/.exec(type);
    if (!inner?.[1] || value === null || value === undefined) continue;
    const items: unknown[] = inner[2] ? (value as unknown[]) : [value];
    for (const [index, item] of items.entries())
      checkShape(inner[1], item, inner[2] ? `${at}.${key}[${index}]` : `${at}.${key}`);
  }
}
