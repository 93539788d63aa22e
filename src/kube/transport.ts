import { Pool } from 'undici';
import { Fault } from '../core/errors.ts';
import type { Call } from '../core/ports/engine.ts';
import {
  type ApiAnswer,
  connectionFault,
  isClosed,
  statusFault,
  strangeAnswer,
  timeoutFault,
  tooLargeFault,
} from './faults.ts';
import type { KubeConnection } from './kubeconfig.ts';

/** Largest answer that is read, in bytes: a page of 500 pods is about 3 MB. */
const limit = 32 * 2 ** 20;

/**
 * How long connections stay open unused, in milliseconds. An API server closes them after 90 s (IdleTimeout in k8s.io/apiserver), and a sweep comes by
 * twice in that time. Those of a cluster that is not kept are only to last for the requests of one look.
 */
const idleMs = { kept: 75_000, passing: 2_000 };
/** A cluster that nobody has asked for so long gives its place to another, in milliseconds. */
const forgottenMs = 300_000;
/** Clusters that may be asked at once beyond those that are kept. */
const mostPassing = 512;
/**
 * A connection that has been open since before may lead nowhere by now, without that anybody has been told. When nothing comes over it for so long, a
 * read is asked for again over a new one, in milliseconds.
 */
const doubtMs = 2_500;
/** Over what something has come within so long leads somewhere, in milliseconds. */
const restMs = 10_000;

interface KubeRequest {
  method: string;
  /** Absolute. */
  url: string;
  headers?: Record<string, string>;
  body?: string;
  /** `text` for the health endpoints; default `json`. */
  answer?: 'json' | 'text';
}

interface KubeAnswer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

/** Sends a request to a cluster's API; every answer other than a success with the expected body is a Fault. */
export type Transport = (request: KubeRequest, call: Call) => Promise<KubeAnswer>;

/** Kept-alive connections: the same `key` means the same cluster and credentials. */
export interface Agents {
  transport(connection: KubeConnection, key: string): Transport;
  /** How many clusters have connections of their own, those that are kept and those that only pass. */
  size(): { kept: number; passing: number };
  close(): Promise<void>;
}

/** The connections to one cluster. */
interface Line {
  pool: Pool;
  usedAt: number;
  /** When something came over it last, epoch milliseconds; 0: never yet. */
  answeredAt: number;
}

/**
 * Opens an empty set of connections that keeps those of `size` clusters (some 250 KB each). client-node makes a new agent for each request unless it is
 * given one, which costs a TLS handshake per call and leaves the sockets idle for seconds (kubernetes-client/javascript#2893).
 *
 * Whoever comes when all places are taken passes: its connection is closed after the look. Giving it the place of the longest unused would be worse:
 * a sweep over more clusters than there are places would then find none of its connections again.
 */
export function openAgents(size: number, now: () => number = Date.now): Agents {
  const kept = new Map<string, Line>();
  const passing = new Map<string, Line>();

  function lineTo(connection: KubeConnection, key: string): Line {
    const at = now();
    const among = kept.has(key) ? kept : passing;
    const known = among.get(key);
    if (known) {
      // Put last, so that the first of the map is always the longest unused.
      among.delete(key);
      among.set(key, known);
      known.usedAt = at;
      return known;
    }
    for (const [oldest, { usedAt }] of kept) {
      if (at - usedAt < forgottenMs) break;
      drop(kept, oldest);
    }
    const made = openLine(connection, kept.size < size ? idleMs.kept : idleMs.passing, at);
    if (kept.size < size) kept.set(key, made);
    else {
      passing.set(key, made);
      const [oldest] = passing.keys();
      if (passing.size > mostPassing && oldest) drop(passing, oldest);
    }
    return made;
  }

  function drop(among: Map<string, Line>, key: string): void {
    const line = among.get(key);
    among.delete(key);
    // Graceful: calls under way on it end first.
    void line?.pool.close();
  }

  /** New connections in the place of those that `doubted` has; what is under way on them may still end. */
  function renew(connection: KubeConnection, key: string, doubted: Line): Line {
    const among = kept.has(key) ? kept : passing;
    const there = among.get(key);
    if (there && there !== doubted) return there;
    const made = openLine(connection, among === kept ? idleMs.kept : idleMs.passing, now());
    among.set(key, made);
    void doubted.pool.close();
    return made;
  }

  return {
    transport: (connection, key) => (request, call) => {
      const line = lineTo(connection, key);
      return send({ line, renew: () => renew(connection, key, line), now }, connection, request, call);
    },
    size: () => ({ kept: kept.size, passing: passing.size }),
    async close() {
      const open = [...kept.values(), ...passing.values()];
      kept.clear();
      passing.clear();
      await Promise.allSettled(open.map(({ pool }) => pool.destroy()));
    },
  };
}

function openLine(connection: KubeConnection, keepAliveTimeout: number, usedAt: number): Line {
  const pool = new Pool(new URL(connection.server).origin, {
    connections: 4,
    pipelining: 1,
    keepAliveTimeout,
    keepAliveMaxTimeout: keepAliveTimeout,
    // Every call has a deadline of its own; undici's defaults of five minutes would only hide one that is missing.
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    connect: {
      timeout: 10_000,
      ...(connection.ca === undefined ? {} : { ca: connection.ca }),
      ...(connection.cert === undefined ? {} : { cert: connection.cert }),
      ...(connection.key === undefined ? {} : { key: connection.key }),
    },
  });
  return { pool, usedAt, answeredAt: 0 };
}

interface Way {
  line: Line;
  renew(): Line;
  now(): number;
}

async function send(way: Way, to: KubeConnection, request: KubeRequest, call: Call): Promise<KubeAnswer> {
  const { method } = request;
  const left = Math.max(0, Math.min(call.deadline - Date.now(), 2 ** 31 - 1));
  const given = new AbortController();
  const give = () => given.abort();
  const timeout = setTimeout(give, left);
  if (left === 0 || call.signal.aborted) give();
  call.signal.addEventListener('abort', give, { once: true });
  try {
    const read = await asked(way, to, request, given.signal);
    if (read.status < 200 || read.status > 299) throw statusFault(method, read);
    if (request.answer !== 'text' && !isObject(read.text)) throw strangeAnswer(method, read);
    const headers = { ...read.headers, 'content-type': 'application/json' };
    return { status: read.status, headers, text: read.text };
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (given.signal.aborted) throw timeoutFault(method, call.signal.aborted && Date.now() < call.deadline - 50);
    throw connectionFault(method, thrown);
  } finally {
    clearTimeout(timeout);
    call.signal.removeEventListener('abort', give);
  }
}

type Read = ApiAnswer & { headers: Record<string, string> };

/** The answer, over another connection where one that was kept has been closed or leads nowhere: only reads may be sent twice. */
async function asked(
  { line, renew, now }: Way,
  to: KubeConnection,
  request: KubeRequest,
  signal: AbortSignal,
): Promise<Read> {
  const answered = (over: Line, read: Read): Read => {
    over.answeredAt = now();
    return read;
  };
  const first = exchange(line.pool, to, request, signal);
  if (request.method !== 'GET' || line.answeredAt === 0) return answered(line, await first.read);
  let other: Line | undefined;
  try {
    const rested = now() - line.answeredAt > restMs;
    if (!rested || (await begins(first, doubtMs))) return answered(line, await first.read);
    other = renew();
  } catch (thrown) {
    if (signal.aborted || !isClosed(thrown)) throw thrown;
    other = renew();
    return answered(other, await exchange(other.pool, to, request, signal).read);
  }
  const second = exchange(other.pool, to, request, signal);
  try {
    // Whichever way leads somewhere; what the new one met with counts when neither does.
    return answered(other, await Promise.any([first.read, second.read]));
  } catch (thrown) {
    throw thrown instanceof AggregateError ? thrown.errors.at(-1) : thrown;
  } finally {
    first.giveUp();
    second.giveUp();
  }
}

/** Whether an answer begins within `ms`; throws what it fails with. */
async function begins(exchange: Exchange, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    return await Promise.race([exchange.begun, late]);
  } finally {
    clearTimeout(timer);
  }
}

interface Exchange {
  read: Promise<Read>;
  /** True when the answer begins; rejects with `read`. */
  begun: Promise<true>;
  giveUp(): void;
}

/** One request over one way, and its answer. */
function exchange(pool: Pool, to: KubeConnection, request: KubeRequest, signal: AbortSignal): Exchange {
  const { method, body } = request;
  const { promise: read, resolve, reject } = Promise.withResolvers<Read>();
  const { promise: begun, resolve: begin, reject: fail } = Promise.withResolvers<true>();
  // Whoever does not wait for the one waits for the other.
  for (const each of [read, begun]) each.catch(() => undefined);
  const chunks: Buffer[] = [];
  const headers: Record<string, string> = {};
  let size = 0;
  let status = 0;
  let stop: ((reason: Error) => void) | undefined;
  const ends = (error?: Error) => {
    signal.removeEventListener('abort', giveUp);
    if (!error) return;
    reject(error);
    fail(error);
  };
  // The pool looks at a request only once it has a connection for it, which may be never.
  function giveUp(): void {
    const reason = new Error('given up');
    ends(reason);
    stop?.(reason);
  }
  if (signal.aborted) {
    giveUp();
    return { read, begun, giveUp };
  }
  signal.addEventListener('abort', giveUp, { once: true });
  const { pathname, search } = new URL(request.url);
  pool.dispatch(
    {
      method: method as 'GET',
      path: `${pathname}${search}`,
      headers: {
        accept: 'application/json',
        'user-agent': 'kqueen',
        ...request.headers,
        ...(to.token === undefined ? {} : { authorization: `Bearer ${to.token}` }),
      },
      body: body ?? null,
    },
    {
      onRequestStart(controller) {
        stop = (reason) => controller.abort(reason);
        if (signal.aborted) stop(new Error('given up'));
      },
      onResponseStart(_controller, code, given) {
        status = code;
        for (const [name, value] of Object.entries(given)) {
          if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
        }
        begin(true);
      },
      onResponseData(controller, chunk) {
        size += chunk.length;
        if (size > limit) controller.abort(tooLargeFault(method, limit));
        else chunks.push(chunk);
      },
      onResponseEnd() {
        ends();
        const [only] = chunks;
        const text = (chunks.length === 1 && only ? only : Buffer.concat(chunks)).toString('utf8');
        const contentType = headers['content-type'] ?? '';
        const whole: Read = { status, headers, contentType, retryAfter: headers['retry-after'], text };
        // undici frees a connection in the next turn of the loop; whoever asks on before that would open another.
        queueMicrotask(() => setImmediate(resolve, whole));
      },
      onResponseError(_controller, error) {
        ends(error);
      },
    },
  );
  return { read, begun, giveUp };
}

/** Whether a text is an object of the Kubernetes API, or the version document. Parsing it twice would double the work of large lists. */
function isObject(text: string): boolean {
  if (!text.slice(0, 64).trimStart().startsWith('{') || !text.slice(-64).trimEnd().endsWith('}')) return false;
  const head = text.slice(0, 4_096);
  if (/"(kind|apiVersion|gitVersion)"\s*:/.test(head)) return true;
  return /"(kind|apiVersion|gitVersion)"\s*:/.test(text);
}
