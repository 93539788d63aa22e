import { X509Certificate } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Agent } from 'undici';
import { Fault } from '../core/errors.ts';
import type { Call } from '../core/ports/engine.ts';
import { boundTo, gaveUp, unlessAborted } from './bound.ts';
import {
  type Asked,
  type BadAnswer,
  connectionFault,
  type Explanation,
  redirectFault,
  statusFault,
  strangeAnswer,
  timeoutFault,
  tooLargeFault,
} from './http-faults.ts';

/** How an engine talks to one provisioner. */
export interface HttpOptions {
  /** `https://host:port/path`; request paths are appended to it. */
  base: string;
  /** For people, in the middle of a sentence: "the sandbox provider". */
  provider: string;
  /** Headers that carry the credentials, asked for each request; a token that is fetched may use the call's time. */
  authorize(call: Call): Record<string, string> | Promise<Record<string, string>>;
  /** Secret values to take out of every text that is kept. */
  secrets: readonly string[];
  /** PEM certificates to trust instead of the public authorities. */
  caBundle?: string;
  /** Connections at once, kept alive (default 4). */
  connections?: number;
  /** Largest answer that is read, in bytes (default 8 MiB). */
  maxAnswerBytes?: number;
  /**
   * What the provider's error answer says; called with the parsed JSON, or undefined when it is none, and with the whole answer for providers
   * that say it in text or in headers.
   */
  explain?(status: number, body: unknown, answer: BadAnswer): Explanation;
  /**
   * Asked about a 401 or 403: true when the credentials were short-lived and have been dropped, so that `authorize` gets new ones. The request,
   * which was refused unread, is then sent once more.
   */
  renew?(status: number, answer: BadAnswer): boolean;
}

interface HttpRequest {
  /** Default GET. Only GET is ever repeated by itself. */
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with a slash; its variable parts are already percent-encoded. */
  path: string;
  query?: Record<string, string | number | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as an HTML form instead of a JSON body. */
  form?: Record<string, string>;
  headers?: Record<string, string>;
  /** `text` for an answer that is not JSON, such as a kubeconfig; default `json`. */
  answer?: 'json' | 'text';
  /** A redirect is an answer to be read (its `location` header), never followed; without it a redirect is a Fault. */
  redirect?: 'answer';
  /** Also a 404 that is no JSON is an answer. Only for a provider whose own 404 is a web page: the engine has to prove "gone" otherwise. */
  notFound?: 'any';
}

/** An answer of 2xx, or a 404 that the API itself gave. `body` is parsed JSON, the text, or undefined when empty. */
export interface HttpAnswer {
  status: number;
  body: unknown;
  headers: Record<string, string | string[] | undefined>;
}

export interface Http {
  /**
   * One request within the call's deadline. Resolves for 2xx and for a 404 with a JSON body: whether "no such thing" is an error is
   * the engine's to say. A 404 without JSON may come from anything on the way and is a Fault, so that it is never read as "gone".
   * Everything else is a Fault; a request other than GET that got no answer carries `outcomeUnknown`.
   */
  send(request: HttpRequest, call: Call): Promise<HttpAnswer>;
  close(): Promise<void>;
}

const repeats = 2;
const firstBackOffMs = 200;
/** A read waits this long by itself when it is told to slow down; longer is for the job's next tick. */
const patienceMs = 2_000;

/** Opens the kept-alive connections to one provider. Throws `bad-input` for an address or CA bundle that cannot be used. */
export function openHttp(options: HttpOptions): Http {
  const base = readBase(options.base);
  const connect: { timeout: number; ca?: string[] } = { timeout: 10_000 };
  if (options.caBundle?.trim()) connect.ca = readCaBundle(options.caBundle);
  const agent = new Agent({
    connections: options.connections ?? 4,
    pipelining: 1,
    keepAliveTimeout: 20_000,
    // Every call has a deadline of its own; undici's defaults of five minutes would only hide one that is missing.
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    connect,
  });
  const limit = options.maxAnswerBytes ?? 8 * 1024 * 1024;
  /** The answers behind the Faults of refused credentials, for `renew`. */
  const refusals = new WeakMap<Fault, BadAnswer>();

  async function once(request: HttpRequest, asked: Asked, call: Call, signal: AbortSignal): Promise<HttpAnswer> {
    const headers: Record<string, string> = {
      accept: request.answer === 'text' ? '*/*' : 'application/json',
      'user-agent': 'kqueen',
      ...(await options.authorize(call)),
      ...request.headers,
    };
    const body = bodyOf(request);
    if (body) headers['content-type'] = body.type;
    let sent = false;
    try {
      sent = !signal.aborted;
      const answer = await unlessAborted(
        signal,
        agent.request({
          origin: base.origin,
          path: pathOf(base, request),
          method: asked.method as NonNullable<HttpRequest['method']>,
          headers,
          body: body?.text ?? null,
          signal,
        }),
      );
      const text = await readText(answer.body, limit, asked);
      return judge({ status: answer.statusCode, headers: answer.headers, text }, request, asked);
    } catch (thrown) {
      if (thrown instanceof Fault) throw thrown;
      if (signal.aborted) throw timeoutFault(asked, gaveUp(call), sent);
      throw connectionFault(asked, thrown);
    }
  }

  function judge(answer: BadAnswer, request: HttpRequest, asked: Asked): HttpAnswer {
    const { status, headers, text } = answer;
    if (status >= 300 && status < 400) {
      if (request.redirect === 'answer') return { status, headers, body: parseJson(text) };
      throw redirectFault(asked, answer);
    }
    const good = status >= 200 && status < 300;
    if (good && request.answer === 'text') {
      if (String(headers['content-type'] ?? '').includes('html') || /^\s*</.test(text))
        throw strangeAnswer(asked, answer);
      return { status, headers, body: text };
    }
    const parsed = parseJson(text);
    if (good) {
      if (text.trim() === '') return { status, headers, body: undefined };
      if (parsed === undefined) throw strangeAnswer(asked, answer);
      return { status, headers, body: parsed };
    }
    if (status === 404) {
      const foreign = parsed === undefined || parsed === null || typeof parsed !== 'object';
      if (foreign && request.notFound !== 'any') throw strangeAnswer(asked, answer);
      return { status, headers, body: parsed };
    }
    const fault = statusFault(asked, answer, options.explain?.(status, parsed, answer) ?? {}, Date.now());
    if (status === 401 || status === 403) refusals.set(fault, answer);
    throw fault;
  }

  return {
    async send(request, call) {
      const asked: Asked = {
        provider: options.provider,
        method: request.method ?? 'GET',
        secrets: options.secrets,
      };
      const { signal, done } = boundTo(call);
      try {
        let renewed = false;
        for (let attempt = 0; ; attempt += 1) {
          if (signal.aborted) throw timeoutFault(asked, gaveUp(call), false);
          try {
            return await once(request, asked, call, signal);
          } catch (thrown) {
            const refusal = thrown instanceof Fault ? refusals.get(thrown) : undefined;
            if (refusal && !renewed && options.renew?.(refusal.status, refusal)) {
              renewed = true;
              attempt -= 1;
              continue;
            }
            const pause = asked.method === 'GET' && attempt < repeats ? pauseBefore(thrown, attempt) : null;
            if (pause === null || Date.now() + pause >= call.deadline || signal.aborted) throw thrown;
            await rest(pause, signal);
          }
        }
      } finally {
        done();
      }
    },
    async close() {
      await agent.destroy();
    },
  };
}

/** The next pause before a read is repeated, or null when repeating is of no use. */
function pauseBefore(thrown: unknown, attempt: number): number | null {
  if (!(thrown instanceof Fault) || !thrown.retryable) return null;
  if (thrown.kind !== 'unreachable' && thrown.kind !== 'rate-limited') return null;
  // What an admin has to mend (a certificate, a login page) is the same 200 ms later.
  if (thrown.whose === 'admin') return null;
  if (thrown.retryAfterMs !== undefined) return thrown.retryAfterMs <= patienceMs ? thrown.retryAfterMs : null;
  return Math.round(firstBackOffMs * 3 ** attempt * (0.8 + 0.4 * Math.random()));
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch (thrown) {
    // An abort ends the pause; the loop turns it into the Fault.
    if (!signal.aborted) throw thrown;
  }
}

async function readText(body: AsyncIterable<Buffer>, limit: number, asked: Asked): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop destroys the stream, and with it the connection.
    if (size > limit) throw tooLargeFault(asked, limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function bodyOf(request: HttpRequest): { type: string; text: string } | null {
  if (request.form) {
    return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(request.form).toString() };
  }
  return request.body === undefined ? null : { type: 'application/json', text: JSON.stringify(request.body) };
}

function pathOf(base: URL, request: HttpRequest): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) query.set(key, String(value));
  }
  const search = query.size > 0 ? `?${query}` : '';
  return `${base.pathname.replace(/\/+$/, '')}${request.path}${search}`;
}

function readBase(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new Fault('bad-input', 'The address of the provider is not a URL without credentials in it.', {
      field: 'url',
      next: 'Write it like https://provider.example.com.',
    });
  }
  return url;
}

/** The certificates of a PEM bundle, each checked. Throws `bad-input` when there is none or one cannot be read. */
export function readCaBundle(pem: string): string[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const each of found) new X509Certificate(each);
  } catch (cause) {
    throw badBundle(cause);
  }
  if (found.length === 0) throw badBundle(undefined);
  return found;
}

function badBundle(cause: unknown): Fault {
  return new Fault('bad-input', 'The CA bundle is not a PEM certificate.', {
    field: 'caBundle',
    cause,
    next: 'Paste the certificate with its BEGIN CERTIFICATE and END CERTIFICATE lines.',
  });
}
