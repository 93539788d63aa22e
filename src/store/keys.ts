/**
 * Where a record lives: `<prefix>/<org>/<kind>/<id>`, organisation and id percent-encoded as `encodeURIComponent` does, so that
 * a slash or a space in an id never makes another path, and a key always reads back to one record. The order of a page is the byte order of
 * the encoded ids; ids of audit entries begin with their time, so that their order is the order of events.
 */
import { Fault } from '../core/errors.ts';
import type { Ref } from '../core/ports/store.ts';
import type { Kind } from '../core/records.ts';
import { kinds } from '../core/records.ts';

const longestId = 200;
const known = new Set<string>(kinds);

/** `/kqueen/` and `kqueen` become `/kqueen`; throws `bad-input` for a prefix that is not a plain path. */
export function normalPrefix(prefix: string): string {
  const parts = prefix.split('/').filter((part) => part !== '');
  if (parts.length === 0 || parts.some((part) => !/^[\w.-]+$/.test(part))) {
    throw new Fault(
      'bad-input',
      'The prefix of the store must be a path of letters, digits, dots, dashes and underscores.',
    );
  }
  return `/${parts.join('/')}`;
}

/** The key of a record; `prefix` as `normalPrefix` gives it. */
export function keyOf(prefix: string, ref: Ref): string {
  return `${prefix}/${recordPath(ref)}`;
}

/** `<org>/<kind>/<id>`: the part of the key that does not depend on where the store keeps it. */
export function recordPath(ref: Ref): string {
  return `${part(ref.org)}/${ref.kind}/${part(ref.id)}`;
}

/** The prefix of all records of a kind in an organisation. */
export function kindPrefix(prefix: string, org: string, kind: Kind): string {
  return `${prefix}/${part(org)}/${kind}/`;
}

/** Encodes an id or organisation for a key. */
export function part(text: string): string {
  if (text === '' || text.length > longestId || !text.isWellFormed()) {
    throw new Fault('bad-input', `An id must have 1 to ${longestId} characters of well-formed text.`, {
      whose: 'kqueen',
    });
  }
  return encodeURIComponent(text);
}

/** The record a key belongs to; undefined when the key is not one of ours. */
export function refOf(prefix: string, key: string): Ref | undefined {
  if (!key.startsWith(`${prefix}/`)) return undefined;
  const [org, kind, id, ...rest] = key.slice(prefix.length + 1).split('/');
  if (!org || !kind || !id || rest.length > 0 || !isKind(kind)) return undefined;
  try {
    return { kind, org: decodeURIComponent(org), id: decodeURIComponent(id) };
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** Whether this text names a kind of record. */
function isKind(text: string): text is Kind {
  return known.has(text);
}
