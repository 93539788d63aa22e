import { createHash } from 'node:crypto';
import { Agent } from 'undici';
import { Fault } from '../core/errors.ts';
import type { Call } from '../core/ports/engine.ts';
import { type ApiAnswer, connectionFault, statusFault, strangeAnswer, timeoutFault, tooLargeFault } from './faults.ts';
import type { KubeConnection } from './kubeconfig.ts';

/** Largest answer that is read, in bytes: a page of 500 pods is about 3 MB. */
const limit = 32 * 2 ** 20;

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

/** Kept-alive connections by kubeconfig: at most `size` clusters at once, the longest unused is closed first. */
export interface Agents {
  transport(connection: KubeConnection): Transport;
  /** How many clusters have an agent. */
  size(): number;
  close(): Promise<void>;
}

/**
 * Opens an empty set of agents. client-node makes a new agent for each request unless it is given one, which costs a TLS handshake per
 * call and leaves the sockets idle for seconds (kubernetes-client/javascript#2893).
 */
export function openAgents(size: number): Agents {
  const agents = new Map<string, Agent>();

  function agentFor(connection: KubeConnection): Agent {
    const key = createHash('sha256').update(JSON.stringify(connection)).digest('base64');
    const known = agents.get(key);
    const agent = known ?? makeAgent(connection);
    // Put last, so that the first of the map is always the longest unused.
    agents.delete(key);
    agents.set(key, agent);
    for (const [oldest, old] of agents) {
      if (agents.size <= size) break;
      agents.delete(oldest);
      // Graceful: calls under way on it end first.
      void old.close();
    }
    return agent;
  }

  return {
    transport: (connection) => (request, call) => send(agentFor(connection), connection, request, call),
    size: () => agents.size,
    async close() {
      const open = [...agents.values()];
      agents.clear();
      await Promise.allSettled(open.map((agent) => agent.destroy()));
    },
  };
}

function makeAgent(connection: KubeConnection): Agent {
  return new Agent({
    connections: 4,
    pipelining: 1,
    keepAliveTimeout: 20_000,
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
}

async function send(agent: Agent, to: KubeConnection, request: KubeRequest, call: Call): Promise<KubeAnswer> {
  const { method } = request;
  const url = new URL(request.url);
  const timer = new AbortController();
  const left = Math.max(0, Math.min(call.deadline - Date.now(), 2 ** 31 - 1));
  const timeout = setTimeout(() => timer.abort(), left);
  if (left === 0) timer.abort();
  const signal = AbortSignal.any([call.signal, timer.signal]);
  try {
    const answer = await unlessAborted(
      signal,
      agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: method as 'GET',
        headers: {
          accept: 'application/json',
          'user-agent': 'kqueen',
          ...request.headers,
          ...(to.token === undefined ? {} : { authorization: `Bearer ${to.token}` }),
        },
        body: request.body ?? null,
        signal,
      }),
    );
    const text = await readText(answer.body, method);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(answer.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    const read: ApiAnswer = {
      status: answer.statusCode,
      contentType: headers['content-type'] ?? '',
      retryAfter: headers['retry-after'],
      text,
    };
    if (read.status < 200 || read.status > 299) throw statusFault(method, read);
    if (request.answer !== 'text' && !isObject(text)) throw strangeAnswer(method, read);
    return { status: read.status, headers: { ...headers, 'content-type': 'application/json' }, text };
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (signal.aborted) throw timeoutFault(method, call.signal.aborted && Date.now() < call.deadline - 50);
    throw connectionFault(method, thrown);
  } finally {
    clearTimeout(timeout);
  }
}

/** Settles with the work, or rejects when the signal fires: undici looks at a request's signal only once it has a connection. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

async function readText(body: AsyncIterable<Buffer>, method: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw tooLargeFault(method, limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Whether a text is an object of the Kubernetes API, or the version document. Parsing it twice would double the work of large lists. */
function isObject(text: string): boolean {
  if (!/^\s*\{/.test(text) || !/\}\s*$/.test(text)) return false;
  const head = text.slice(0, 4_096);
  if (/"(kind|apiVersion|gitVersion)"\s*:/.test(head)) return true;
  return /"(kind|apiVersion|gitVersion)"\s*:/.test(text);
}
