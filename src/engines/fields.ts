import { z } from 'zod';
import { Fault } from '../core/errors.ts';
import { field } from '../core/schema.ts';
import { readCaBundle } from './http.ts';

/** The field for certificates of a private authority, the same in every engine that is reached over TLS. */
export function caBundleField(help: string, order: number) {
  return field(z.string().max(100_000).refine(isBundle, 'This must be a PEM certificate.').optional(), {
    label: 'CA bundle',
    help,
    multiline: true,
    order,
  });
}

/** The field for the address of a provider: https, and http only on this machine's loopback. */
export function addressField(meta: { label: string; help: string; example?: string; order: number }) {
  return field(
    z.string().trim().max(500).refine(isAddress, 'This must be an https:// address without a user in it.'),
    meta,
  );
}

/** A spec that passes its schema, defaults filled in; else a `bad-input` Fault at the first field that does not. */
export function readSpec<T extends z.ZodType>(schema: T, spec: Record<string, unknown>): z.infer<T> {
  const read = schema.safeParse(spec);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  const key = String(issue?.path[0] ?? '');
  throw new Fault('bad-input', `The ${key || 'cluster'} is not right: ${issue?.message ?? ''}`, { field: key });
}

function isAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username || password) return false;
  // Plain HTTP carries the credentials for everybody on the way to read; nobody is on the way to this machine itself.
  return protocol === 'https:' || (protocol === 'http:' && /^(127(\.\d+){3}|\[::1\]|localhost)$/.test(hostname));
}

function isBundle(text: string): boolean {
  if (text.trim() === '') return true;
  try {
    readCaBundle(text);
    return true;
  } catch (thrown) {
    if (thrown instanceof Fault) return false;
    throw thrown;
  }
}
