/** Where an organisation's clusters take their images from, and what pulls them: as people give it. */
import { z } from 'zod';
import type { Mirror } from './addons-images.ts';
import { readPlace } from './addons-images.ts';
import { Fault } from './errors.ts';
import type { Ref, Store } from './ports/store.ts';

/** The mirrors of an organisation. */
export function registryRef(org: string): Ref<'registry'> {
  return { kind: 'registry', org, id: 'default' };
}

/** The rules for clusters that have none of their own. */
export async function generalMirrors(store: Pick<Store, 'get'>, org: string): Promise<Mirror[]> {
  return (await store.get(registryRef(org)))?.record.mirrors ?? [];
}

/** What signs in at a registry. */
export interface PullGiven {
  host?: string | undefined;
  user?: string | undefined;
  password?: string | undefined;
  /** JSON: a Google service account's key, or a whole Docker configuration. */
  key?: string | undefined;
}

const ServiceAccount = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(3),
  private_key: z.string().min(20),
});
const Docker = z.object({
  auths: z
    .record(
      z.string(),
      z.looseObject({ auth: z.string().optional(), username: z.string().optional(), password: z.string().optional() }),
    )
    .refine((auths) => Object.keys(auths).length > 0),
});

function wrong(field: keyof PullGiven, message: string, next?: string): Fault {
  return new Fault('bad-input', message, { field, ...(next ? { next } : {}) });
}

/**
 * The content of a pull Secret (`.dockerconfigjson`) from what was given; undefined when nothing was. Throws `bad-input` with the field, and never
 * with anything of a password or key.
 */
export function dockerConfig({ host, user, password, key }: PullGiven): string | undefined {
  if (key?.trim()) {
    if (user || password) throw wrong('key', 'There are a key and a user name: take one of them away.');
    return ofKey(key, host);
  }
  if (!host && !user && !password) return undefined;
  if (!host) throw wrong('host', 'Say which registry that is for.', 'Such as registry.example.com.');
  if (!user) throw wrong('user', 'Say as whom it signs in.');
  if (!password) throw wrong('password', 'Give the password or token that goes with it.');
  return configOf(placeOf(host), user, password);
}

function placeOf(host: string): string {
  const place = readPlace(host.replace(/^https:\/\//i, ''));
  if (place === null)
    throw wrong('host', `${host.slice(0, 80)} is no address of a registry.`, 'Such as registry.example.com.');
  // Docker Hub is known by this name in the configuration (https://kubernetes.io/docs/concepts/containers/images/#config-json).
  return place === 'docker.io' ? 'https://index.docker.io/v1/' : place;
}

function configOf(host: string, username: string, password: string): string {
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  return JSON.stringify({ auths: { [host]: { username, password, auth } } });
}

function ofKey(text: string, host: string | undefined): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    // What is wrong with it would quote it.
    if (!(thrown instanceof SyntaxError)) throw thrown;
    throw wrong(
      'key',
      'This key is no JSON. Nothing of it was kept.',
      'Paste the whole file, from its first brace to its last.',
    );
  }
  const docker = Docker.safeParse(value);
  if (docker.success) {
    const auths = Object.entries(docker.data.auths).map(([name, entry]) => [name, withNames(entry)] as const);
    return JSON.stringify({ auths: Object.fromEntries(auths) });
  }
  const account = ServiceAccount.safeParse(value);
  if (!account.success)
    throw wrong(
      'key',
      'This JSON is neither a service account key nor a Docker configuration with auths.',
      'A key of a service account has type, client_email and private_key.',
    );
  if (!host) throw wrong('host', 'Say which registry the key is for.', 'Such as europe-docker.pkg.dev or gcr.io.');
  // https://cloud.google.com/artifact-registry/docs/docker/authentication#json-key
  return configOf(placeOf(host), '_json_key', JSON.stringify(value));
}

/** An entry that has a user name to show, also when only `auth` was given. */
function withNames<T extends { auth?: string | undefined; username?: string | undefined }>(entry: T): T {
  if (entry.username !== undefined || entry.auth === undefined) return entry;
  const name = Buffer.from(entry.auth, 'base64').toString('utf8').split(':')[0] ?? '';
  return /^[\w.@+-]{1,100}$/.test(name) ? { ...entry, username: name } : entry;
}
