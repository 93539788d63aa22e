/**
 * Sealing of secrets: AES-256-GCM, bound to the record they are kept in. The text is `s1.<key id>.<nonce, tag and ciphertext>`;
 * the key id says which key opens it without saying anything about the key.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { Fault } from '../core/errors.ts';
import type { Ref, Sealer } from '../core/ports/store.ts';
import { recordPath } from './keys.ts';

const form = 's1';
const nonceBytes = 12;
const tagBytes = 16;
const keyBytes = 32;

/** A key for sealing; its id is derived from it, so that nobody has to name keys. */
export interface SecretKey {
  id: string;
  key: Buffer;
}

/** A sealer that can say what a rotation of keys has left to do. */
export interface KeyedSealer extends Sealer {
  /** Whether the first key sealed this text. */
  current(sealed: string): boolean;
  /** The ids of the keys, the sealing one first. */
  keyIds(): string[];
}

/** Makes a key of 32 bytes; the id is the start of a hash of it. */
export function secretKey(key: Buffer): SecretKey {
  if (key.length !== keyBytes) throw badKey('A secret key must have 32 bytes.');
  const id = createHash('sha256').update('kqueen secret key id\0').update(key).digest('hex').slice(0, 10);
  return { id, key };
}

/**
 * Reads keys as they are configured: one or more, separated by commas or white space, each 32 bytes in base64 or 64 hexadecimal
 * digits. The first seals, all of them open. Throws `bad-input` that says which one is wrong, never what it was.
 */
export function parseSecretKeys(text: string): SecretKey[] {
  const parts = text.split(/[\s,]+/).filter((each) => each !== '');
  if (parts.length === 0) throw badKey('There is no secret key.');
  const keys = parts.map((each, index) => secretKey(decodeKey(each, index)));
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) throw badKey('The same secret key is there twice.');
  return keys;
}

function decodeKey(text: string, index: number): Buffer {
  const hex = /^[0-9a-f]{64}$/i.test(text);
  const base64 = /^[A-Za-z0-9+/_-]{43}=?$/.test(text);
  if (!hex && !base64) {
    throw badKey(`Secret key number ${index + 1} is not 32 bytes in base64 or 64 hexadecimal digits.`);
  }
  // Node reads the URL-safe alphabet as base64, too.
  return Buffer.from(text, hex ? 'hex' : 'base64');
}

function badKey(message: string): Fault {
  return new Fault('bad-input', message, {
    whose: 'kqueen',
    field: 'KQUEEN_SECRET_KEYS',
    next: 'Make one with: openssl rand -base64 32',
  });
}

/** A sealer with these keys: the first seals, all of them open. */
export function openSealer(keys: SecretKey[]): KeyedSealer {
  const [first] = keys;
  if (!first) throw badKey('There is no secret key.');
  const byId = new Map(keys.map((each) => [each.id, each.key]));

  return {
    seal(ref, plaintext) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', first.key, nonce, { authTagLength: tagBytes });
      cipher.setAAD(binding(first.id, ref));
      const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
      return `${form}.${first.id}.${Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')}`;
    },
    open(ref, sealed) {
      const { id, bytes } = dissect(ref, sealed);
      const key = byId.get(id);
      if (!key) {
        throw cannotOpen(ref, `key ${id} is not among the configured ones`, {
          next: 'Add the key that sealed it to KQUEEN_SECRET_KEYS.',
        });
      }
      const nonce = bytes.subarray(0, nonceBytes);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(binding(id, ref));
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      try {
        return decipher.update(bytes.subarray(nonceBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8');
      } catch {
        // OpenSSL's own error says nothing more, and its cause must not travel with half-opened text.
        throw cannotOpen(ref, 'altered, or moved from another record');
      }
    },
    current: (sealed) => sealed.startsWith(`${form}.${first.id}.`),
    keyIds: () => keys.map(({ id }) => id),
  };
}

function binding(keyId: string, ref: Ref): Buffer {
  return Buffer.from(`${form}.${keyId}.${recordPath(ref)}`, 'utf8');
}

function dissect(ref: Ref, sealed: string): { id: string; bytes: Buffer } {
  const [head, id, body, ...rest] = sealed.split('.');
  const bytes = Buffer.from(body ?? '', 'base64url');
  // Base64 that does not come back as it was written would let one altered character pass unseen.
  const exact = bytes.toString('base64url') === body;
  if (head !== form || !id || rest.length > 0 || !exact || bytes.length < nonceBytes + tagBytes) {
    throw cannotOpen(ref, 'not a sealed text');
  }
  return { id, bytes };
}

function cannotOpen(ref: Ref, detail: string, options: { next?: string } = {}): Fault {
  return new Fault('internal', 'A stored secret cannot be opened.', {
    retryable: false,
    ...options,
    detail: `${recordPath(ref)}: ${detail}`,
  });
}
