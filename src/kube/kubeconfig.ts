import { createPrivateKey, X509Certificate } from 'node:crypto';
import { parse, stringify } from 'yaml';
import { Fault } from '../core/errors.ts';

/** What KQueen takes from a kubeconfig: where the API is, whom to trust, and who it is there. Nothing that runs or reads anything. */
export interface KubeConnection {
  /** `https://…`, without a slash at its end. */
  server: string;
  /** PEM; absent means the public authorities. */
  ca?: string;
  token?: string;
  /** PEM certificate and key of a client. */
  cert?: string;
  key?: string;
  /** HTTP basic authentication: API servers before 1.19 and proxies before newer ones take it. */
  basic?: { username: string; password: string };
}

/** Longest kubeconfig that is read, in characters. */
const longest = 256 * 1024;

/**
 * Fields that would run a program, read a file of this machine, go through somebody's proxy or trust anybody. client-node follows all of
 * them (an `exec` entry runs at the first call), so a kubeconfig with one is refused instead of being read without it.
 */
const refusedInCluster: Record<string, string> = {
  'certificate-authority': 'names a certificate file; put the certificate itself into certificate-authority-data',
  'insecure-skip-tls-verify': 'turns the check of the certificate off; give certificate-authority-data instead',
  'proxy-url': 'sends the traffic through a proxy, which is not supported',
  'tls-server-name': 'asks for another host name in the certificate, which is not supported',
};
const refusedInUser: Record<string, string> = {
  exec: 'runs a program to get its credentials; use a token or client-certificate-data instead',
  'auth-provider': 'uses an auth provider, which may run a program; use a token or client-certificate-data instead',
  tokenFile: 'names a token file; put the token itself into token',
  'client-certificate': 'names a certificate file; put the certificate itself into client-certificate-data',
  'client-key': 'names a key file; put the key itself into client-key-data',
  as: 'acts as somebody else, which is not supported',
  'as-uid': 'acts as somebody else, which is not supported',
  'as-groups': 'acts as somebody else, which is not supported',
  'as-user-extra': 'acts as somebody else, which is not supported',
};
const knownInCluster = ['server', 'certificate-authority-data', 'disable-compression', 'extensions'];
const knownInUser = ['token', 'client-certificate-data', 'client-key-data', 'username', 'password', 'extensions'];

type Fields = Record<string, unknown>;

/**
 * Reads the current context of a kubeconfig. Throws a `bad-input` Fault that says which field it will not have and what to write
 * instead; the message never holds a value of the file, except the server's scheme.
 */
export function readKubeconfig(yaml: string): KubeConnection {
  if (yaml.length > longest) throw refused('is longer than 256 KiB');
  const parsed = readText(yaml);
  const root = fields(parsed);
  if (!root) throw refused('is not a YAML object');
  if (root.kind !== undefined && root.kind !== 'Config') throw refused('is not of kind Config');
  const contexts = entries(root.contexts, 'contexts');
  const current = typeof root['current-context'] === 'string' ? root['current-context'] : '';
  const context = current ? contexts.get(current) : contexts.size === 1 ? [...contexts.values()][0] : undefined;
  if (!context) throw refused(current ? 'has no context with the name in current-context' : 'has no current-context');
  const chosen = fields(context.context) ?? {};
  const cluster = fields(entries(root.clusters, 'clusters').get(String(chosen.cluster))?.cluster);
  if (!cluster) throw refused('has no cluster for its current context');
  const user = fields(entries(root.users, 'users').get(String(chosen.user))?.user);
  if (!user) throw refused('has no user for its current context');
  check('cluster', cluster, refusedInCluster, knownInCluster);
  check('user', user, refusedInUser, knownInUser);

  const connection: KubeConnection = { server: readServer(cluster.server) };
  const ca = pem(cluster, 'certificate-authority-data');
  if (ca !== undefined) connection.ca = certificate(ca, 'certificate-authority-data');
  const cert = pem(user, 'client-certificate-data');
  const key = pem(user, 'client-key-data');
  if ((cert === undefined) !== (key === undefined)) {
    throw refused('has only one of client-certificate-data and client-key-data');
  }
  if (cert !== undefined && key !== undefined) {
    connection.cert = certificate(cert, 'client-certificate-data');
    connection.key = privateKey(key);
  }
  if (user.token !== undefined && user.token !== '') {
    if (typeof user.token !== 'string' || !/^[\x21-\x7e]{1,16384}$/.test(user.token)) {
      throw refused('has a token that is not one line of printable characters');
    }
    connection.token = user.token;
  }
  const basic = readBasic(user);
  if (basic && connection.token !== undefined) {
    // Both would be one header, and client-go refuses the two together as well.
    throw refused('has a token and a password for the same user; leave one of them out');
  }
  if (basic) connection.basic = basic;
  if (connection.token === undefined && connection.cert === undefined && !basic) {
    throw refused('has neither a token nor a client certificate for its user');
  }
  return connection;
}

/** YAML, of which JSON is a part; JSON that is indented with tabs is not, so what looks like JSON is read as such first. */
function readText(text: string): unknown {
  if (/^\s*\{/.test(text)) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // Flow style is YAML that also begins with a brace.
      return readYaml(text);
    }
  }
  return readYaml(text);
}

function readYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 20 }) as unknown;
  } catch {
    // The parser's own message quotes the file, which holds credentials.
    throw refused('is neither valid YAML nor valid JSON');
  }
}

/** How long the credentials are good by their own word, as far as they have one. */
export interface Validity {
  /** "client certificate" or "token". */
  what: string;
  /** Epoch milliseconds. */
  from?: number;
  until: number;
}

/** The validity that the client certificate or, without one, the token (a JSON web token) states; undefined when neither does. */
export function validityOf(connection: KubeConnection): Validity | undefined {
  if (connection.cert !== undefined) {
    // The first certificate of a chain is the client's own.
    const own = new X509Certificate(connection.cert);
    return { what: 'client certificate', from: Date.parse(own.validFrom), until: Date.parse(own.validTo) };
  }
  const [, payload, signature] = (connection.token ?? '').split('.');
  if (!payload || signature === undefined) return undefined;
  const claims = claimsOf(payload);
  if (typeof claims?.exp !== 'number') return undefined;
  const from = typeof claims.nbf === 'number' ? { from: claims.nbf * 1_000 } : {};
  return { what: 'token', ...from, until: claims.exp * 1_000 };
}

function claimsOf(payload: string): Fields | null {
  try {
    return fields(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  } catch {
    // A token with dots in it need not be a JSON web token.
    return null;
  }
}

/** What tells two kubeconfigs of one cluster from those of two: a hash of the authority it is checked by; '' for the public ones. */
export function authorityOf(connection: KubeConnection): string {
  const [first] = connection.ca?.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/) ?? [];
  return first === undefined ? '' : new X509Certificate(first).fingerprint256.replaceAll(':', '').toLowerCase();
}

/** The headers that sign in by user name and password; none when the connection has other means. */
export function basicHeader({ basic }: KubeConnection): Record<string, string> {
  return basic ? { authorization: `Basic ${base64(`${basic.username}:${basic.password}`)}` } : {};
}

/** A kubeconfig for stock kubectl with one context, named after the cluster. */
export function writeKubeconfig(name: string, user: string, connection: KubeConnection, namespace?: string): string {
  const cluster: Fields = { server: connection.server };
  if (connection.ca !== undefined) cluster['certificate-authority-data'] = base64(connection.ca);
  const credentials: Fields = {};
  if (connection.token !== undefined) credentials.token = connection.token;
  if (connection.cert !== undefined) credentials['client-certificate-data'] = base64(connection.cert);
  if (connection.key !== undefined) credentials['client-key-data'] = base64(connection.key);
  if (connection.basic !== undefined) Object.assign(credentials, connection.basic);
  const context: Fields = { cluster: name, user };
  if (namespace !== undefined) context.namespace = namespace;
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster }],
      users: [{ name: user, user: credentials }],
      contexts: [{ name, context }],
      'current-context': name,
    },
    // A token on several lines would still be YAML, but people copy it.
    { lineWidth: 0 },
  );
}

function refused(
  what: string,
  next = 'Paste a kubeconfig with a server, its CA data, and a token or client certificate data.',
) {
  return new Fault('bad-input', `This kubeconfig ${what}.`, { field: 'kubeconfig', next });
}

function fields(value: unknown): Fields | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : null;
}

function entries(value: unknown, what: string): Map<string, Fields> {
  const named = new Map<string, Fields>();
  if (!Array.isArray(value)) throw refused(`has no list of ${what}`);
  for (const each of value) {
    const entry = fields(each);
    // As in client-go, the first of two with the same name counts.
    if (entry && typeof entry.name === 'string' && !named.has(entry.name)) named.set(entry.name, entry);
  }
  return named;
}

function check(where: string, given: Fields, refusing: Record<string, string>, known: string[]): void {
  for (const [key, value] of Object.entries(given)) {
    if (value === false || value === null || value === '') continue;
    const why = Object.hasOwn(refusing, key) ? refusing[key] : undefined;
    if (why !== undefined) throw refused(`${why} (${where}.${key})`);
    if (!known.includes(key)) throw refused(`has a field in its ${where} that is not known here`);
  }
}

function readBasic(user: Fields): KubeConnection['basic'] {
  const { username, password } = user;
  const empty = (value: unknown) => value === undefined || value === null || value === '';
  if (empty(username) && empty(password)) return undefined;
  if (empty(username) || empty(password)) throw refused('has only one of username and password');
  // A colon ends the name in the header (RFC 7617).
  const printable = /^[^\p{Cc}]{1,1024}$/u;
  if (typeof username !== 'string' || typeof password !== 'string' || !printable.test(username + password)) {
    throw refused('has a username or password that is not one line of text');
  }
  if (username.includes(':')) throw refused('has a username with a colon in it, which HTTP cannot carry');
  return { username, password };
}

function readServer(value: unknown): string {
  if (typeof value !== 'string' || !URL.canParse(value)) throw refused('has no server address');
  const url = new URL(value);
  if (url.protocol !== 'https:') throw refused('has a server address that does not begin with https://');
  if (url.username || url.password || url.search || url.hash) {
    throw refused('has a server address with more than a host, a port and a path in it');
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function pem(from: Fields, key: string): string | undefined {
  const value = from[key];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/=\s]+$/.test(value)) throw refused(`has a ${key} that is not base64`);
  return Buffer.from(value, 'base64').toString('utf8');
}

function certificate(text: string, key: string): string {
  const each = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  if (each.length === 0) throw refused(`has a ${key} that is not a PEM certificate`);
  try {
    for (const one of each) new X509Certificate(one);
  } catch {
    throw refused(`has a ${key} that is not a PEM certificate`);
  }
  return text;
}

function privateKey(text: string): string {
  try {
    createPrivateKey(text);
  } catch {
    throw refused('has a client-key-data that is not a PEM key without a passphrase');
  }
  return text;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
