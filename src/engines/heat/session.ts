import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { gaveUp } from '../bound.ts';
import { type Http, openHttp } from '../http.ts';
import { timeoutFault } from '../http-faults.ts';
import { oneLine } from '../scrub.ts';
import { explainKeystone } from './explain.ts';
import { harmless } from './harmless.ts';
import type { HeatProvisioner } from './schema.ts';
import { type CatalogEntry, type EndpointEntry, ProjectsAnswer, readAnswer, TokenAnswer } from './wire.ts';

/** How long before its end a token is no longer used, in milliseconds. */
const marginMs = 60_000;
/** How long one sign-in may take, whoever waits for it, in milliseconds. */
const signInMs = 30_000;

/** What Keystone said at sign-in. */
export interface SignedIn {
  token: string;
  catalog: CatalogEntry[];
  project: { id: string; name: string };
  user: string;
  roles: string[];
  /** Epoch milliseconds until which the token is used. */
  until: number;
}

/** A sign-in under way and how many calls wait for it. */
interface SignIn {
  work: Promise<SignedIn>;
  stop: AbortController;
  waiting: number;
}

/** The account of a provisioner at Keystone, with its token kept until shortly before its end. */
export interface Session {
  signedIn(call: Call): Promise<SignedIn>;
  /** Forgets a token that was refused; the next call signs in again. False when that was done already, or nothing is known. */
  drop(token?: string): void;
  close(): Promise<void>;
}

/** The secrets of a provisioner, to be taken out of all text. */
export function secretsOf(params: HeatProvisioner, fixed: Iterable<string> = []): string[] {
  return [params.password, params.applicationCredentialSecret, ...fixed].filter(
    (each) => each !== undefined && each !== '',
  ) as string[];
}

/** Opens the connection to Keystone. The credentials go nowhere else. */
export function openSession(params: HeatProvisioner, secrets: readonly string[]): Session {
  const byCredential = Boolean(params.applicationCredentialId);
  const http: Http = openHttp({
    base: params.authUrl.replace(/\/+$/, '').replace(/\/v3$/, ''),
    provider: 'Keystone',
    authorize: () => ({}),
    secrets,
    connections: 2,
    ...(params.caBundle?.trim() ? { caBundle: params.caBundle } : {}),
    explain: explainKeystone(byCredential),
  });
  const closing = new AbortController();
  let known: SignedIn | null = null;
  let running: SignIn | null = null;

  async function signIn(signal: AbortSignal): Promise<SignedIn> {
    const call: Call = { signal, deadline: Date.now() + signInMs };
    const asked = Date.now();
    const answer = await askToken(authOf(params), call).catch(async (thrown: unknown) => {
      if (!(thrown instanceof Fault) || thrown.kind !== 'not-allowed' || byCredential) throw thrown;
      throw (await placeFault(call)) ?? thrown;
    });
    const token = answer.headers['x-subject-token'];
    if (answer.status === 404 || typeof token !== 'string') throw notKeystone(params.authUrl);
    const body = readAnswer(TokenAnswer, answer.body).token;
    if (!body.project) {
      throw new Fault('not-found', 'Keystone gave a token without a project, so there is nowhere to make clusters.', {
        whose: 'admin',
        next: 'Ask an admin to put the project into the provisioner with `provisioner edit`.',
      });
    }
    return {
      token,
      catalog: body.catalog,
      project: body.project,
      user: body.user?.name ?? '',
      roles: body.roles.map(({ name }) => name),
      until: asked + usableMs(body.issued_at, body.expires_at, asked),
    };
  }

  async function askToken(auth: unknown, call: Call) {
    try {
      return await http.send({ method: 'POST', path: '/v3/auth/tokens', body: { auth } }, call);
    } catch (thrown) {
      // Whether a token was made is of no consequence: no cluster hangs on it.
      throw harmless(thrown);
    }
  }

  /**
   * Keystone refuses a wrong password and a wrong project with the same words. Without a project it tells: then only the password counts.
   * Gives the Fault when it is the project, with those that there are; null when it is the account.
   */
  async function placeFault(call: Call): Promise<Fault | null> {
    try {
      const { identity } = authOf(params) as { identity: unknown };
      const answer = await askToken({ identity, scope: 'unscoped' }, call);
      const token = answer.headers['x-subject-token'];
      if (typeof token !== 'string') return null;
      const list = await http.send({ path: '/v3/auth/projects', headers: { 'x-auth-token': token } }, call);
      const projects = ProjectsAnswer.safeParse(list.body).data?.projects.map(({ name }) => name) ?? [];
      return noProject(params, projects);
    } catch (thrown) {
      if (thrown instanceof Fault) return null;
      throw thrown;
    }
  }

  /** One sign-in at a time, whoever needs it; it ends when nobody waits for it any more. */
  function join(call: Call): Promise<SignedIn> {
    const joined = running ?? begin();
    joined.waiting += 1;
    return within(call, joined.work, secrets).finally(() => {
      joined.waiting -= 1;
      if (joined.waiting > 0 || running !== joined) return;
      running = null;
      joined.stop.abort();
    });
  }

  function begin(): SignIn {
    const stop = new AbortController();
    const work = signIn(AbortSignal.any([closing.signal, stop.signal])).then((value) => {
      known = value;
      return value;
    });
    const made: SignIn = { work, stop, waiting: 0 };
    running = made;
    const over = () => {
      if (running === made) running = null;
    };
    work.then(over, over);
    return made;
  }

  return {
    async signedIn(call) {
      if (known && Date.now() < known.until) return known;
      known = null;
      return join(call);
    },
    drop(token) {
      if (token === undefined || known?.token === token) known = null;
    },
    async close() {
      closing.abort();
      await http.close();
    },
  };
}

/** Waits for work that others wait for, too, no longer than this call may. */
function within<T>(call: Call, work: Promise<T>, secrets: readonly string[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      reject(timeoutFault({ provider: 'Keystone', method: 'GET', secrets }, gaveUp(call), false));
    };
    const timer = setTimeout(stop, Math.max(0, Math.min(call.deadline - Date.now(), 2 ** 31 - 1)));
    if (call.signal.aborted) stop();
    call.signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      call.signal.removeEventListener('abort', stop);
    });
  });
}

/** How long a token is used, by the cloud's own two times, so that a clock that is wrong here or there does no harm. */
function usableMs(issued: string | null | undefined, expires: string | null | undefined, now: number): number {
  const end = Date.parse(expires ?? '');
  const begin = Date.parse(issued ?? '');
  const life = end - (Number.isFinite(begin) ? begin : now);
  if (!Number.isFinite(life)) return marginMs;
  return Math.max(0, life - Math.min(marginMs, life / 4));
}

/** Ids of Keystone are 32 hex digits, those of users from LDAP 64. */
function isId(text: string): boolean {
  return /^([0-9a-f]{32}|[0-9a-f]{64})$/.test(text);
}

function named(text: string): { id: string } | { name: string } {
  // The domain that every Keystone has is the one whose id is a word.
  return isId(text) || text === 'default' ? { id: text } : { name: text };
}

/** The body of POST /v3/auth/tokens (https://docs.openstack.org/api-ref/identity/v3/#password-authentication-with-scoped-authorization). */
function authOf(params: HeatProvisioner): unknown {
  if (params.applicationCredentialId) {
    // Never with a scope: it has one of its own, and Keystone refuses another.
    const application_credential = {
      id: params.applicationCredentialId,
      secret: params.applicationCredentialSecret ?? '',
    };
    return { identity: { methods: ['application_credential'], application_credential } };
  }
  const account = params.username ?? '';
  const user = isId(account) ? { id: account } : { name: account, domain: named(params.userDomain) };
  const place = params.project ?? '';
  const project = isId(place) ? { id: place } : { name: place, domain: named(params.projectDomain) };
  return {
    identity: { methods: ['password'], password: { user: { ...user, password: params.password ?? '' } } },
    scope: { project },
  };
}

/**
 * The address of a service for this provisioner. Throws `not-found` that says what there is instead; null only with `optional`.
 */
export function endpointOf(signedIn: SignedIn, params: HeatProvisioner, type: string, optional: true): string | null;
export function endpointOf(signedIn: SignedIn, params: HeatProvisioner, type: string, optional?: false): string;
export function endpointOf(signedIn: SignedIn, params: HeatProvisioner, type: string, optional = false): string | null {
  const service = signedIn.catalog.filter((each) => each.type === type);
  if (service.length === 0) {
    if (optional) return null;
    const types = [...new Set(signedIn.catalog.map((each) => each.type))].sort();
    throw missing(
      `The catalogue of this cloud has no ${type} service, so it has no Heat for this project.`,
      `It has: ${types.join(', ') || 'nothing'}.`,
    );
  }
  const endpoints = service.flatMap((each) => each.endpoints);
  const fitting = endpoints.filter((each) => each.interface === params.interface);
  const region = params.region || undefined;
  const found = fitting.find((each) => region === undefined || regionOf(each) === region);
  if (!found) {
    if (optional) return null;
    const there = endpoints.map((each) => `${each.interface} in ${regionOf(each)}`).sort();
    throw missing(
      `The catalogue has no ${params.interface} endpoint of Heat${region ? ` in region ${region}` : ''}.`,
      `It has: ${[...new Set(there)].join(', ') || 'none'}. An admin corrects it with \`provisioner edit\`.`,
    );
  }
  const regions = [...new Set(fitting.map(regionOf))].sort();
  if (region === undefined && regions.length > 1) {
    if (optional) return null;
    throw missing('This cloud has several regions.', `An admin chooses one of ${regions.join(', ')}.`);
  }
  return safeEndpoint(found.url, optional);
}

/** The region of the Heat that is used, for people; the project where the catalogue does not say. */
export function placeOf(signedIn: SignedIn, params: HeatProvisioner): string {
  const endpoints = signedIn.catalog.filter((each) => each.type === 'orchestration').flatMap((each) => each.endpoints);
  const found = endpoints.find((each) => each.interface === params.interface);
  return oneLine(params.region || (found && regionOf(found)) || signedIn.project.name, [], 80);
}

function regionOf(endpoint: EndpointEntry): string {
  return endpoint.region_id ?? endpoint.region ?? '';
}

/** A token is sent only where nobody on the way can read it. */
function safeEndpoint(text: string, optional: boolean): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  const local = url !== null && /^(127(\.\d+){3}|\[::1\]|localhost)$/.test(url.hostname);
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && local))) return text.replace(/\/+$/, '');
  if (optional) return null;
  throw new Fault('unreachable', 'The catalogue gives an address without TLS, to which KQueen sends no token.', {
    whose: 'admin',
    retryable: false,
    detail: oneLine(text),
    next: 'Ask an admin of the cloud for an https endpoint, or choose another interface or Heat address.',
  });
}

function missing(message: string, next: string): Fault {
  return new Fault('not-found', oneLine(message), { whose: 'admin', next: oneLine(next, [], 400) });
}

function noProject(params: HeatProvisioner, projects: string[]): Fault {
  const some = projects.slice(0, 10).join(', ');
  const there = projects.length === 0 ? 'none' : projects.length > 10 ? `${some} and others` : some;
  return new Fault(
    'not-found',
    oneLine(`Keystone knows the user, but gives no access to a project ${params.project ?? ''}.`),
    {
      whose: 'admin',
      next: oneLine(
        `There is no such project in that domain, or the user has no role in it. Projects of this user: ${there}.`,
        [],
        400,
      ),
    },
  );
}

function notKeystone(authUrl: string): Fault {
  return new Fault('unreachable', 'The Keystone address of the provisioner is not that of a Keystone.', {
    whose: 'admin',
    detail: oneLine(authUrl),
    next: 'Ask an admin to compare it with OS_AUTH_URL in the openrc file of the cloud.',
  });
}
