import { AsyncLocalStorage } from 'node:async_hooks';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import {
  createHttpHeaders,
  type HttpClient,
  type LogPolicyOptions,
  type PipelineRequest,
  type PipelineResponse,
} from '@azure/core-rest-pipeline';
import { Agent } from 'undici';
import { Fault } from '../../core/errors.ts';
import { unlessAborted } from '../bound.ts';
import { readCaBundle } from '../http.ts';
import {
  type Asked,
  type BadAnswer,
  connectionFault,
  redirectFault,
  strangeAnswer,
  timeoutFault,
  tooLargeFault,
} from '../http-faults.ts';

/** One piece of work at Azure, which may be several requests of the SDKs. */
export interface Errand {
  /** Fires when the caller gives up or its time is over. */
  signal: AbortSignal;
  /** Whether the caller gave up before its time was over. */
  gaveUp(): boolean;
  /** It changes something there. */
  writes: boolean;
  /** A request that changes something may have arrived. */
  sent: boolean;
  /** What went wrong in a request, before an SDK made its own error of it. */
  fault?: Fault;
}

/**
 * The errand that the code runs for. The SDKs hand their caller's signal on to some of their requests only (not to further pages, not to those
 * for tokens), so the transport finds it here.
 */
export const errands = new AsyncLocalStorage<Errand>();

/** One of the two services behind the transport. */
export interface Destination {
  /** For people, in the middle of a sentence. */
  name: string;
  /** Its configured address without a slash at its end. Requests to other addresses are sent here instead. */
  base: string;
  /** Other hosts that are the same service. */
  knows?(host: string): boolean;
  /** Its requests never change anything, whatever their method. */
  reads?: boolean;
  /** Refuses an answer by throwing. */
  judge?(answer: BadAnswer, asked: Asked): void;
}

export interface Transport {
  /** For the `httpClient` option of an SDK. */
  to(destination: Destination): HttpClient;
  close(): Promise<void>;
}

const unzip = promisify(gunzip);

type Logger = NonNullable<LogPolicyOptions['logger']>;

/** The SDKs' logger, which would write addresses with Azure's signatures in them wherever AZURE_LOG_LEVEL says. */
export const quiet: Logger = Object.assign(() => undefined, {
  enabled: false,
  namespace: 'kqueen',
  log: () => undefined,
  destroy: () => true,
  extend: (): Logger => quiet,
});

/** Largest answer that is read, in bytes: all machine sizes of a large location are some 3 MiB. */
const maxAnswerBytes = 16 * 1024 * 1024;

/**
 * Opens the connections that both SDKs use: kept alive and bounded, with the certificates given, without redirects. Secrets and tokens go to
 * the configured addresses alone: links in answers (next pages, operations, token endpoints) may name another host, which a private front
 * does not rewrite and a wrong one could abuse. Throws `bad-input` for a CA bundle that cannot be used.
 */
export function openTransport(options: { caBundle?: string | undefined; secrets: readonly string[] }): Transport {
  const connect: { timeout: number; ca?: string[] } = { timeout: 10_000 };
  if (options.caBundle?.trim()) connect.ca = readCaBundle(options.caBundle);
  const agent = new Agent({
    connections: 6,
    pipelining: 1,
    keepAliveTimeout: 20_000,
    // Every call has a deadline of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    connect,
  });

  async function send(destination: Destination, request: PipelineRequest): Promise<PipelineResponse> {
    const errand = errands.getStore();
    if (!errand) throw new Fault('internal', 'A request to Azure was not part of any call.');
    const changes = errand.writes && !destination.reads && request.method !== 'GET';
    const asked: Asked = {
      provider: destination.name,
      method: changes ? request.method : 'GET',
      secrets: options.secrets,
    };
    try {
      const url = homeward(destination, request.url);
      if (!errand.signal.aborted && changes) errand.sent = true;
      const answer = await unlessAborted(
        errand.signal,
        agent.request({
          origin: url.origin,
          path: url.pathname + url.search,
          method: request.method,
          headers: headersOf(request),
          body: typeof request.body === 'string' ? request.body : null,
          signal: errand.signal,
        }),
      );
      const text = await unlessAborted(errand.signal, readText(answer, asked));
      const seen: BadAnswer = { status: answer.statusCode, headers: answer.headers, text };
      if (seen.status >= 300 && seen.status < 400) throw redirectFault(asked, seen);
      refuseStrangers(seen, asked);
      destination.judge?.(seen, asked);
      return {
        request,
        status: seen.status,
        headers: createHttpHeaders(flat(answer.headers)),
        bodyAsText: text,
      };
    } catch (thrown) {
      errand.fault = faultOf(thrown, errand, asked);
      throw errand.fault;
    }
  }

  return {
    to: (destination) => ({ sendRequest: (request) => send(destination, request) }),
    async close() {
      await agent.destroy();
    },
  };
}

function faultOf(thrown: unknown, errand: Errand, asked: Asked): Fault {
  if (thrown instanceof Fault) return thrown;
  if (errand.signal.aborted) return timeoutFault(asked, errand.gaveUp(), errand.sent);
  return connectionFault(asked, thrown);
}

/** The address that a request goes to: its own when that is the destination's, else the same path there. */
function homeward(destination: Destination, address: string): URL {
  const url = new URL(address);
  const base = new URL(destination.base);
  if (url.origin === base.origin) return url;
  if (url.protocol === 'https:' && url.port === '' && destination.knows?.(url.hostname)) return url;
  return new URL(`${base.origin}${base.pathname.replace(/\/+$/, '')}${url.pathname}${url.search}`);
}

function headersOf(request: PipelineRequest): Record<string, string> {
  const headers = request.headers.toJSON({ preserveCase: false });
  // Counted by undici itself; and deflate, which the SDKs would take too, means two things on the web.
  delete headers['content-length'];
  headers['accept-encoding'] = 'gzip';
  return headers;
}

/** Takes a web page or a half answer for what it is, before an SDK stumbles over it. */
function refuseStrangers(answer: BadAnswer, asked: Asked): void {
  const text = answer.text.trim();
  if (answer.status < 300 && text === '') return;
  const ok = text !== '' && isJson(text);
  // A 404 without the API's own words may come from anything on the way, and must not be read as "gone".
  if (!ok && (answer.status < 300 || answer.status === 404)) throw strangeAnswer(asked, answer);
}

function isJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null;
  } catch {
    return false;
  }
}

async function readText(
  answer: { headers: Record<string, string | string[] | undefined>; body: AsyncIterable<Buffer> },
  asked: Asked,
): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    size += chunk.length;
    // Leaving the loop destroys the stream, and with it the connection.
    if (size > maxAnswerBytes) throw tooLargeFault(asked, maxAnswerBytes);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (String(answer.headers['content-encoding'] ?? '') !== 'gzip' || bytes.length === 0) return bytes.toString('utf8');
  try {
    return (await unzip(bytes, { maxOutputLength: maxAnswerBytes })).toString('utf8');
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLargeFault(asked, maxAnswerBytes);
    throw thrown;
  }
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const one: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) one[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return one;
}
