/**
 * Records as text: JSON, checked with the kind's schema on the way in and out. A record that an older KQueen wrote is brought to today's shape when it
 * is read; one that a newer KQueen wrote in a later shape is refused. Fields a schema does not know are kept, so that two
 * releases can run side by side without one wiping what the other wrote.
 */
import type { z } from 'zod';
import { Fault } from '../core/errors.ts';
import type { Ref } from '../core/ports/store.ts';
import type { Kind, RecordOf } from '../core/records.ts';
import { kinds, schemas } from '../core/records.ts';

/**
 * For each kind, what turns a record of version n into one of version n + 1, by n. A step gets the parsed JSON and returns the
 * next shape; the schema judges the last one.
 */
export type Upgrades = { [K in Kind]?: Record<number, (old: Record<string, unknown>) => Record<string, unknown>> };

/** The upgrades that today's schemas need: every kind is still at its first version. */
export const upgrades: Upgrades = {};

const readers = new Map<Kind, { version: number; schema: z.ZodType }>(
  kinds.map((kind) => [kind, { version: schemas[kind].shape.v.value, schema: schemas[kind].loose() }]),
);

function reader(kind: Kind): { version: number; schema: z.ZodType } {
  const found = readers.get(kind);
  if (!found) throw new Fault('internal', `The store knows no records of the kind ${kind}.`, { retryable: false });
  return found;
}

/** The text of a record; throws `internal` when the record breaks its schema or carries another id or organisation than its ref. */
export function encode(ref: Ref, record: unknown): string {
  const checked = reader(ref.kind).schema.safeParse(record);
  if (!checked.success) throw broken(ref, 'A record that breaks its schema was not saved.', issues(checked.error));
  mustBelong(ref, checked.data);
  return JSON.stringify(checked.data);
}

/** The record in a text; throws `internal` when it cannot be read. Values never appear in the fault, only the paths that are wrong. */
export function decode<K extends Kind>(ref: Ref<K>, text: string, table: Upgrades = upgrades): RecordOf<K> {
  const { version, schema } = reader(ref.kind);
  let record = parse(ref, text);
  const found = record.v;
  if (typeof found !== 'number') throw broken(ref, 'A record without a version cannot be read.', 'v: not a number');
  if (found > version) {
    throw broken(
      ref,
      'A newer KQueen wrote this record; this one cannot read it.',
      `v: ${found}, known up to ${version}`,
    );
  }
  for (let from = found; from < version; from += 1) {
    const step = table[ref.kind]?.[from];
    if (!step) throw broken(ref, 'A record is too old to be read.', `no upgrade from version ${from}`);
    record = { ...step(record), v: from + 1 };
  }
  const checked = schema.safeParse(record);
  if (!checked.success) throw broken(ref, 'A record in the store cannot be read.', issues(checked.error));
  mustBelong(ref, checked.data);
  return checked.data as RecordOf<K>;
}

function parse(ref: Ref, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw broken(ref, 'A record in the store cannot be read.', 'not a JSON object');
}

function mustBelong(ref: Ref, record: unknown): void {
  const { id, org } = record as { id: string; org: string };
  if (id !== ref.id || org !== ref.org)
    throw broken(ref, 'A record lies under a key that is not its own.', 'id or org');
}

function issues(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || '(record)'}: ${issue.code}`)
    .join('; ');
}

function broken(ref: Ref, message: string, detail: string): Fault {
  return new Fault('internal', message, { retryable: false, detail: `${ref.org}/${ref.kind}/${ref.id}: ${detail}` });
}
