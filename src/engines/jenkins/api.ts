import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { type Http, type HttpAnswer, openHttp } from '../http.ts';
import { openConsole, type Tail } from './console.ts';
import { explainAnswer, header, isCrumbRefusal, notJenkins, providerName } from './explain.ts';
import type { JenkinsProvisioner } from './schema.ts';
import { readLines } from './schema.ts';
import { CrumbAnswer, readAnswer, WhoAmIAnswer } from './wire.ts';

/** The connection to one Jenkins. Paths begin with a slash and are below the address of the provisioner. */
export interface Jenkins {
  /** Secret values, for scrubbing. */
  secrets: readonly string[];
  /** A JSON answer with its headers; null for Jenkins' own 404. A 404 of something else is a Fault. */
  get(path: string, call: Call, tree?: string): Promise<{ body: unknown; headers: HttpAnswer['headers'] } | null>;
  /** The same of a page that a plugin adds: any 404 says that there is none. */
  getIfThere(path: string, call: Call): Promise<unknown>;
  /** Sends a form; redirects and Jenkins' own 404 are answers. */
  post(
    path: string,
    form: Record<string, string>,
    call: Call,
    query?: Record<string, string | number>,
  ): Promise<HttpAnswer>;
  /** A text, following a redirect to another host without credentials; null for Jenkins' own 404. */
  text(path: string, call: Call): Promise<string | null>;
  /** The end of a console log. */
  tail: Tail['read'];
  close(): Promise<void>;
}

/** `/job/folder/job/name` for the full name `folder/name`. */
export function jobPath(job: string): string {
  return job
    .split('/')
    .map((part) => `/job/${encodeURIComponent(part)}`)
    .join('');
}

/** Opens the connections to one Jenkins. */
export function openJenkins(params: JenkinsProvisioner): Jenkins {
  const secret = params.apiToken || params.password || '';
  const basic = `Basic ${Buffer.from(`${params.username}:${secret}`, 'utf8').toString('base64')}`;
  const secrets = [secret, basic.slice(6), ...Object.values(readLines(params.secretParameters) ?? {})].filter(Boolean);
  const common = {
    base: params.url,
    provider: providerName,
    secrets,
    explain: explainAnswer,
    ...(params.caBundle?.trim() ? { caBundle: params.caBundle } : {}),
  };
  const session = params.apiToken ? null : openSession(openHttp({ ...common, connections: 1, authorize: signed }));

  function signed(): Record<string, string> {
    return { authorization: basic };
  }

  async function authorize(call: Call): Promise<Record<string, string>> {
    return { ...signed(), ...(await session?.headers(call)) };
  }

  const http = openHttp({
    ...common,
    authorize,
    // A page of builds with long parameters.
    maxAnswerBytes: 16 * 1024 * 1024,
    renew: (status, answer) => session !== null && isCrumbRefusal(status, answer) && session.drop(),
  });
  /**
   * Throws unless a 404 is Jenkins' own. Its pages say so in a header, but many a 404 comes from the servlet container below it, which does not;
   * then Jenkins has to answer where it always does.
   */
  async function proveOwn(headers: HttpAnswer['headers'], call: Call): Promise<void> {
    if (header(headers, 'x-jenkins')) return;
    const answer = await http.send({ path: '/whoAmI/api/json', notFound: 'any' }, call);
    if (answer.status === 404 || !WhoAmIAnswer.safeParse(answer.body).success) throw notJenkins();
  }

  const console = openConsole({ ...common, authorize, proveOwn });

  /** What a redirect of an artifact leads to: a host for untrusted content, whose address holds the right to read. */
  async function elsewhere(location: string, call: Call): Promise<string | null> {
    const from = new URL(params.url);
    const to = URL.canParse(location, params.url) ? new URL(location, params.url) : null;
    const safe = to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:');
    if (!to || !safe || to.username || to.origin === from.origin) throw strangeRedirect(location);
    const other = openHttp({ ...common, base: to.origin, connections: 1, authorize: () => ({}) });
    try {
      const path = `${to.pathname}${to.search}`;
      const answer = await other.send({ path, answer: 'text', notFound: 'any' }, call);
      return answer.status === 404 ? null : String(answer.body ?? '');
    } finally {
      await other.close();
    }
  }

  return {
    secrets,
    async get(path, call, tree) {
      const answer = await http.send({ path, query: { tree }, notFound: 'any' }, call);
      if (answer.status !== 404) return { body: answer.body, headers: answer.headers };
      await proveOwn(answer.headers, call);
      return null;
    },
    async getIfThere(path, call) {
      const answer = await http.send({ path, notFound: 'any' }, call);
      return answer.status === 404 ? null : answer.body;
    },
    async post(path, form, call, query = {}) {
      const answer = await http.send({ method: 'POST', path, query, form, redirect: 'answer', notFound: 'any' }, call);
      if (answer.status === 404) await proveOwn(answer.headers, call);
      return answer;
    },
    async text(path, call) {
      const answer = await http.send({ path, answer: 'text', redirect: 'answer', notFound: 'any' }, call);
      if (answer.status === 404) {
        await proveOwn(answer.headers, call);
        return null;
      }
      if (answer.status >= 300) return elsewhere(header(answer.headers, 'location') ?? '', call);
      return String(answer.body ?? '');
    },
    tail: console.read,
    async close() {
      await Promise.all([http.close(), session?.close(), console.close()]);
    },
  };
}

interface Session {
  headers(call: Call): Promise<Record<string, string>>;
  /** Forgets the crumb; true, so that `renew` says to try again. */
  drop(): true;
  close(): Promise<void>;
}

/**
 * The crumb and the session cookie that a password needs for every POST: the crumb is bound to user and session
 * (hudson.security.csrf.DefaultCrumbIssuer). Without an issuer (404) protection is off and nothing is needed.
 */
function openSession(http: Http): Session {
  let known: Promise<Record<string, string>> | null = null;

  async function fetchCrumb(call: Call): Promise<Record<string, string>> {
    const answer = await http.send({ path: '/crumbIssuer/api/json', notFound: 'any' }, call);
    // Something that is no Jenkins is found out by the request that follows.
    if (answer.status === 404) return {};
    const { crumb, crumbRequestField } = readAnswer(CrumbAnswer, answer.body);
    const set = answer.headers['set-cookie'] ?? [];
    const cookies = (Array.isArray(set) ? set : [set]).map((cookie) => cookie.split(';')[0]?.trim()).filter(Boolean);
    return { [crumbRequestField]: crumb, ...(cookies.length > 0 ? { cookie: cookies.join('; ') } : {}) };
  }

  return {
    async headers(call) {
      const mine = known ?? fetchCrumb(call);
      known = mine;
      try {
        return await mine;
      } catch (thrown) {
        // Whoever asks next tries anew; also one whose time is over must not spoil it for the others.
        if (known === mine) known = null;
        if (call.signal.aborted || call.deadline <= Date.now()) throw thrown;
        if (thrown instanceof Fault && thrown.kind === 'unreachable' && thrown.retryable) return fetchCrumb(call);
        throw thrown;
      }
    },
    drop() {
      known = null;
      return true;
    },
    close: () => http.close(),
  };
}

function strangeRedirect(location: string): Fault {
  const to = URL.canParse(location) ? new URL(location).origin : 'another page';
  return new Fault('unreachable', `Jenkins points to ${to} for the artifact, which KQueen does not follow.`, {
    whose: 'admin',
    retryable: false,
    next: 'Ask an admin to look at the resource root URL of Jenkins and at the address of the provisioner.',
  });
}
