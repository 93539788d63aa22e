import { setTimeout as wait } from 'node:timers/promises';
import type { compute_v1 } from 'googleapis/build/src/apis/compute/index.js';
import type { container_v1 } from 'googleapis/build/src/apis/container/index.js';
import type { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { boundTo, gaveUp } from '../bound.ts';
import { type Http, openHttp } from '../http.ts';
import { type Asked, redirectFault, strangeAnswer, timeoutFault } from '../http-faults.ts';
import { readKey, type ServiceAccountKey } from './key.ts';
import { readGoogleError, refusalFault } from './refusals.ts';
import type { GkeProvisioner } from './schema.ts';
import { accountName, explainSignIn, openSignIn } from './sign-in.ts';
import { openTokens } from './tokens.ts';
import { type Fetch, openTransport, type Transport } from './transport.ts';
import { readAnswer } from './wire.ts';

/** What is handed to every call of Google's library: our connection, our token, no retries of its own. */
export interface SdkOptions {
  signal: AbortSignal;
  headers: Record<string, string>;
  fetchImplementation: Fetch;
  retry: false;
  responseType: 'text';
  validateStatus: () => boolean;
  noProxy: RegExp[];
}

/** Whether a request changes anything, and how; a read that Google takes by POST is a GET here, and may be repeated like one. */
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/**
 * One request of the library within the call, its answer read by `shape`. Reads are repeated twice when the connection fails; nothing else ever
 * is. Whatever goes wrong is a Fault, a 404 as well.
 */
type Ask = <T extends z.ZodType>(
  method: Method,
  shape: T,
  call: Call,
  send: (options: SdkOptions) => Promise<unknown>,
) => Promise<z.infer<T>>;

/** The connection to one project at Google. */
export interface Google {
  project: string;
  /** Address of the service account, fit for a message. */
  account: string;
  secrets: readonly string[];
  /** The container API of Google's library. */
  container: container_v1.Container;
  ask: Ask;
  /** The compute API of Google's library, loaded when the first machine is asked for: few clusters ever need it. */
  computeLibrary(): Promise<compute_v1.Compute>;
  /** The same as `ask`, for requests of the compute API. */
  askCompute: Ask;
  /** A list of the compute API, read without the library; null when it answers that there is no such thing. */
  compute(path: string, query: Record<string, string | number | undefined>, call: Call): Promise<unknown>;
  /** An access token that is good for so many milliseconds at least. */
  token(call: Call, leastMs?: number): Promise<string>;
  close(): Promise<void>;
}

const apiAddress = 'https://container.googleapis.com';
const computeAddress = 'https://compute.googleapis.com';
const tokenAddress = 'https://oauth2.googleapis.com/token';
const provider = 'Google';

const repeats = 2;
const firstBackOffMs = 200;
/** A read waits this long by itself when it is told to slow down; longer is for the job's next tick. */
const patienceMs = 2_000;

/** Opens the connection; the library is loaded here and not before. */
export async function openGoogle(params: GkeProvisioner): Promise<Google> {
  const key = keyOf(params);
  const project = projectOf(params, key);
  const { container: load } = await import('googleapis/build/src/apis/container/index.js');
  const base = new URL(params.apiEndpoint || apiAddress);
  const tokenUrl = new URL(params.tokenUrl || tokenAddress);
  const secrets = [params.serviceAccountKey, key.privateKey, ...(key.keyId ? [key.keyId] : [])];
  const trusted = params.caBundle?.trim() ? { caBundle: params.caBundle } : {};
  const signInHttp = openHttp({
    base: tokenUrl.origin,
    provider: "Google's sign-in",
    authorize: () => ({}),
    secrets,
    connections: 1,
    ...trusted,
    explain: explainSignIn(accountName(key)),
  });
  const tokens = openTokens(await openSignIn(key, signInHttp, `${tokenUrl.pathname}${tokenUrl.search}`));
  const transport = openTransport(base, params.caBundle ?? '');
  const computeBase = params.apiEndpoint ? base : new URL(computeAddress);
  const computeTransport = params.apiEndpoint ? transport : openTransport(computeBase, params.caBundle ?? '');
  let computeToken = '';
  const computeHttp: Http = openHttp({
    base: computeBase.href.replace(/\/$/, ''),
    provider,
    async authorize(call) {
      computeToken = await tokens.get(call);
      return { authorization: `Bearer ${computeToken}` };
    },
    secrets,
    connections: 2,
    ...trusted,
    explain(status, _body, answer) {
      const fault = refusalFault({ provider, method: 'GET', secrets }, answer, project, Date.now());
      return status >= 500
        ? {}
        : { kind: fault.kind, message: readGoogleError(answer.text)?.message ?? '', retryable: fault.retryable };
    },
    renew(status) {
      if (status !== 401) return false;
      tokens.drop(computeToken);
      return true;
    },
  });

  async function once<T extends z.ZodType>(
    over: Transport,
    method: Method,
    shape: T,
    call: Call,
    signal: AbortSignal,
    send: (options: SdkOptions) => Promise<unknown>,
    first: boolean,
  ): Promise<z.infer<T>> {
    const token = await tokens.get(call);
    const asked: Asked = { provider, method, secrets: [...secrets, token] };
    if (signal.aborted) throw timeoutFault(asked, gaveUp(call), false);
    const exchange = over.exchange(asked, call, signal);
    try {
      await send({
        signal,
        headers: { authorization: `Bearer ${token}` },
        fetchImplementation: exchange.fetch,
        retry: false,
        responseType: 'text',
        // The answer is judged here, where its text and its headers are.
        validateStatus: () => true,
        noProxy: [/^/],
      });
    } catch (thrown) {
      // The library wraps what the connection throws.
      const inner = thrown instanceof Error && thrown.cause instanceof Fault ? thrown.cause : thrown;
      if (!exchange.answer()) throw inner;
    }
    const answer = exchange.answer();
    if (!answer) throw timeoutFault(asked, gaveUp(call), true);
    if (answer.status === 401 && first) {
      // Refused unread: the token may have been revoked, or the clocks differ.
      tokens.drop(token);
      return once(over, method, shape, call, signal, send, false);
    }
    if (answer.status >= 300 && answer.status < 400) throw redirectFault(asked, answer);
    if (answer.status === 404 && !readGoogleError(answer.text)) throw strangeAnswer(asked, answer);
    if (answer.status >= 400) throw refusalFault(asked, answer, project, Date.now());
    const body = parseJson(answer.text);
    if (body === undefined || body === null) throw strangeAnswer(asked, answer);
    return readAnswer(shape, body, method !== 'GET');
  }

  const askOver =
    (over: Transport): Ask =>
    async (method, shape, call, send) => {
      const { signal, done } = boundTo(call);
      try {
        for (let attempt = 0; ; attempt += 1) {
          try {
            return await once(over, method, shape, call, signal, send, true);
          } catch (thrown) {
            const pause = method === 'GET' && attempt < repeats ? pauseBefore(thrown, attempt) : null;
            if (pause === null || Date.now() + pause >= call.deadline || signal.aborted) throw thrown;
            await wait(pause, undefined, { signal }).catch(() => null);
          }
        }
      } finally {
        done();
      }
    };

  return {
    project,
    account: accountName(key),
    secrets,
    container: load('v1'),
    ask: askOver(transport),
    computeLibrary: async () => (await import('googleapis/build/src/apis/compute/index.js')).compute('v1'),
    askCompute: askOver(computeTransport),
    async compute(path, query, call) {
      const answer = await computeHttp.send({ path, query }, call);
      return answer.status === 404 ? null : answer.body;
    },
    token: (call, leastMs) => tokens.get(call, leastMs),
    async close() {
      tokens.close();
      await Promise.all([transport.close(), computeTransport.close(), computeHttp.close(), signInHttp.close()]);
    },
  };
}

function keyOf(params: GkeProvisioner): ServiceAccountKey {
  const read = readKey(params.serviceAccountKey);
  if ('key' in read) return read.key;
  throw new Fault('bad-input', read.problem, { field: 'serviceAccountKey', whose: 'admin' });
}

function projectOf(params: GkeProvisioner, key: ServiceAccountKey): string {
  const project = params.project || key.project;
  if (project) return project;
  throw new Fault('bad-input', 'The key does not name a project.', { field: 'project', whose: 'admin' });
}

/** The next pause before a read is repeated, or null when repeating is of no use. */
function pauseBefore(thrown: unknown, attempt: number): number | null {
  if (!(thrown instanceof Fault) || !thrown.retryable) return null;
  if (thrown.kind !== 'unreachable' && thrown.kind !== 'rate-limited') return null;
  // What an admin has to mend is the same 200 ms later.
  if (thrown.whose === 'admin') return null;
  if (thrown.retryAfterMs !== undefined) return thrown.retryAfterMs <= patienceMs ? thrown.retryAfterMs : null;
  return Math.round(firstBackOffMs * 3 ** attempt * (0.8 + 0.4 * Math.random()));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
