import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';

/** What is used of a service account's key file (https://cloud.google.com/iam/docs/keys-create-delete). */
export interface ServiceAccountKey {
  email: string;
  /** PEM. */
  privateKey: string;
  keyId?: string;
  project?: string;
  /** The cloud it belongs to; `googleapis.com` is Google's own public one. */
  universe: string;
  /** Where the key itself says that tokens are had. */
  tokenUri?: string;
}

const KeyFile = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(3),
  private_key: z.string().min(1),
  private_key_id: z.string().nullish(),
  project_id: z.string().nullish(),
  universe_domain: z.string().nullish(),
  token_uri: z.string().nullish(),
});

/** Other JSON files of Google that people paste by mistake, by their `type`. */
const otherKinds: Record<string, string> = {
  authorized_user: "a person's own login (`gcloud auth application-default login`)",
  external_account: 'a workload identity federation file',
  external_account_authorized_user: 'a workforce identity federation file',
  impersonated_service_account: 'a file for impersonating a service account',
  gdch_service_account: 'a key of Google Distributed Cloud',
};

const howTo = 'Make one with `gcloud iam service-accounts keys create` and paste the whole file.';

/** Reads the text of a key file; `problem` is a sentence for the admin and never holds a part of the text. */
export function readKey(text: string): { key: ServiceAccountKey } | { problem: string } {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  const file = parsed(trimmed);
  if (file === undefined) return { problem: notJson(trimmed) };
  const other = otherKind(file);
  if (other) return { problem: `This is ${other}, not the key of a service account. ${howTo}` };
  const read = KeyFile.safeParse(file);
  if (!read.success) {
    const missing = String(read.error.issues[0]?.path[0] ?? 'type');
    return { problem: `This is not the key file of a service account: "${missing}" is missing or wrong. ${howTo}` };
  }
  // A file that went through a shell or a variable often has its line ends escaped once more.
  const privateKey = read.data.private_key.replaceAll('\\n', '\n');
  if (!isRsaKey(privateKey)) {
    return { problem: `The private key in this file cannot be read: it was cut or changed. ${howTo}` };
  }
  const key: ServiceAccountKey = {
    email: read.data.client_email,
    privateKey,
    universe: read.data.universe_domain || 'googleapis.com',
  };
  if (read.data.private_key_id) key.keyId = read.data.private_key_id;
  if (read.data.project_id) key.project = read.data.project_id;
  if (read.data.token_uri) key.tokenUri = read.data.token_uri;
  return { key };
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? value : undefined;
  } catch {
    return undefined;
  }
}

function notJson(text: string): string {
  if (text.startsWith('-----BEGIN')) return `This is a private key alone, without the JSON file around it. ${howTo}`;
  if (text.startsWith('{'))
    return 'This JSON is not complete: paste the whole key file, from its first { to its last }.';
  return `This is not a JSON file. ${howTo}`;
}

function otherKind(file: unknown): string | undefined {
  const { type, web, installed } = file as { type?: unknown; web?: unknown; installed?: unknown };
  if (web !== undefined || installed !== undefined) return 'the secret of an OAuth client';
  return typeof type === 'string' && Object.hasOwn(otherKinds, type) ? otherKinds[type] : undefined;
}

/** Google signs service accounts in by RS256 alone. */
function isRsaKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}
