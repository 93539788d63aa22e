import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { makeTestCertificate } from './certificate.ts';

/**
 * What a TCP proxy does with bytes:
 * `pass` forwards; `refuse` stops listening (open connections live on); `hang` accepts and holds all bytes until `pass`;
 * `half-open` drops all bytes and ends the server's side, while the client's connections stay open and are never told:
 * those are dead for good, connections made after `pass` work.
 */
export type ProxyMode = 'pass' | 'refuse' | 'hang' | 'half-open';

/** A TCP proxy on loopback in front of any server, with faults on demand. */
export type TcpProxy = {
  readonly port: number;
  /** Connections open from clients now. */
  open(): number;
  /** Connections accepted since the start. */
  accepted(): number;
  setMode(mode: ProxyMode): Promise<void>;
  /** Milliseconds that each chunk waits before it goes on, in both directions; 0 by default. */
  setDelay(milliseconds: number): void;
  /** Resets every open connection on both sides (RST); new ones are treated by the mode. */
  cut(): void;
  close(): Promise<void>;
};

/** Starts a TCP proxy in front of `target` on 127.0.0.1. */
export async function startTcpProxy(target: { host?: string; port: number }): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; upstream: Socket; dead: boolean }>();
  let mode: ProxyMode = 'pass';
  let delay = 0;
  let accepted = 0;

  const server = createServer({ noDelay: true }, (client) => {
    accepted += 1;
    const upstream = connect({ host: target.host ?? '127.0.0.1', port: target.port, noDelay: true });
    const pair = { client, upstream, dead: mode === 'half-open' };
    pairs.add(pair);
    if (pair.dead) upstream.destroy();
    forward(client, upstream, () => pair.dead);
    forward(upstream, client, () => pair.dead);
    client.once('close', () => {
      pairs.delete(pair);
      upstream.destroy();
    });
    upstream.once('close', () => {
      if (!pair.dead) client.destroySoon();
    });
    if (mode === 'hang') for (const socket of [client, upstream]) socket.pause();
  });

  function forward(from: Socket, to: Socket, dead: () => boolean): void {
    let queue = Promise.resolve();
    from.on('data', (chunk) => {
      if (dead()) return;
      if (delay === 0) {
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => mode !== 'hang' && from.resume());
        }
        return;
      }
      const due = performance.now() + delay;
      queue = queue
        .then(() => new Promise((resolve) => setTimeout(resolve, due - performance.now())))
        .then(() => {
          if (!to.destroyed && !dead()) to.write(chunk);
        });
    });
    from.on('end', () => {
      queue = queue.then(() => {
        if (!dead()) to.end();
      });
    });
    // Broken connections are what a fault proxy is for: each side's end reaches the other by the close events above.
    from.on('error', () => from.destroy());
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    port,
    open: () => pairs.size,
    accepted: () => accepted,
    async setMode(next) {
      mode = next;
      if (next === 'refuse' && server.listening) {
        // close() would wait for the open connections; only the listening ends here.
        server.close();
      } else if (next !== 'refuse' && !server.listening) {
        server.listen(port, '127.0.0.1');
        await once(server, 'listening');
      }
      for (const pair of pairs) {
        for (const socket of [pair.client, pair.upstream]) {
          if (next === 'hang') socket.pause();
          else socket.resume();
        }
        if (next === 'half-open') {
          pair.dead = true;
          pair.upstream.destroy();
        }
      }
    },
    setDelay(milliseconds) {
      delay = milliseconds;
    },
    cut() {
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.resetAndDestroy();
    },
    async close() {
      const closed = server.listening ? once(server, 'close') : Promise.resolve();
      server.close();
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.destroy();
      await closed;
    },
  };
}

/** A request that a counting proxy saw; `n` counts from 1 since the start or the last `reset`. */
export type ProxiedRequest = { n: number; method: string; path: string };

/** What a hook wants: go on, or reset the client's connection, so that the request (or its answer) is lost. */
export type Verdict = 'cut' | ProxyAnswer | undefined;
/** What an HTTP proxy answers by itself, in place of the server behind it: only before a request is forwarded. */
export type ProxyAnswer = { status: number; body: string; headers?: Record<string, string> };

/**
 * Called for every counted request: `before` it is forwarded, and `after` the server has carried it out but before the
 * client hears of it. To kill a worker at its n-th request: kill it in the hook, wait for its end, return 'cut'.
 */
export type RequestHooks = {
  before?: (request: ProxiedRequest) => Verdict | Promise<Verdict>;
  after?: (request: ProxiedRequest) => Verdict | Promise<Verdict>;
};

/** A proxy that knows requests. */
export type CountingProxy = {
  readonly port: number;
  readonly url: string;
  /** PEM of the certificate that clients must trust; empty when the proxy speaks plain text. */
  readonly ca: string;
  /** Counted requests so far. */
  count(): number;
  /** Every counted request so far, in order. */
  seen(): readonly ProxiedRequest[];
  /** Starts counting at 1 again. */
  reset(): void;
  setHooks(hooks: RequestHooks): void;
  close(): Promise<void>;
};

/** The counting and the hooks that both kinds of request proxy share. */
function makeCounter(hooks: RequestHooks) {
  let seen: ProxiedRequest[] = [];
  let current = hooks;
  return {
    count: () => seen.length,
    seen: (): readonly ProxiedRequest[] => seen,
    reset(): void {
      seen = [];
    },
    setHooks(next: RequestHooks): void {
      current = next;
    },
    add(method: string, path: string): ProxiedRequest {
      const request = { n: seen.length + 1, method, path };
      seen.push(request);
      return request;
    },
    before: async (request: ProxiedRequest) => current.before?.(request),
    after: async (request: ProxiedRequest) => current.after?.(request),
  };
}

/**
 * An HTTP/1.1 proxy that ends TLS with a certificate of its own (`ca` of the result) and forwards to `target`,
 * `https://…` (trusting `targetCa`, PEM) or `http://…`. `tls: false` makes the client's side plain HTTP; `host` makes the certificate one for that
 * host name alone; `keepHost` forwards the client's own `host` header, for servers that build addresses from it.
 */
export async function startHttpProxy(
  target: string,
  options: RequestHooks & { targetCa?: string; tls?: boolean; host?: string; keepHost?: boolean } = {},
): Promise<CountingProxy> {
  const counter = makeCounter(options);
  const to = new URL(target);
  const agent =
    to.protocol === 'https:'
      ? new https.Agent({ keepAlive: true, ...(options.targetCa === undefined ? {} : { ca: options.targetCa }) })
      : new http.Agent({ keepAlive: true });
  const send = to.protocol === 'https:' ? https.request : http.request;

  async function handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const counted = counter.add(request.method ?? 'GET', request.url ?? '/');
    const verdict = await counter.before(counted);
    if (verdict === 'cut') return reset(request);
    if (verdict) {
      request.resume();
      response.writeHead(verdict.status, { 'content-type': 'application/json', ...verdict.headers });
      response.end(verdict.body);
      return;
    }
    const headers = { ...request.headers, ...(options.keepHost ? {} : { host: to.host }) };
    const onward = send({
      host: to.hostname,
      port: to.port,
      method: counted.method,
      path: counted.path,
      headers,
      agent,
    });
    onward.on('error', () => reset(request));
    response.on('close', () => onward.destroy());
    onward.on('response', (answer) => {
      answer.on('error', () => reset(request));
      counter.after(counted).then(
        (verdict) => {
          if (verdict === 'cut') return reset(request);
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          // Headers of a watch must not wait for its first event.
          response.flushHeaders();
          answer.pipe(response);
        },
        () => reset(request),
      );
    });
    request.pipe(onward);
  }

  const certificate = options.tls === false ? null : makeTestCertificate(options.host);
  const listener: http.RequestListener = (request, response) => {
    handle(request, response).catch(() => reset(request));
  };
  const server = certificate
    ? https.createServer({ key: certificate.key, cert: certificate.cert }, listener)
    : http.createServer(listener);
  const sockets = trackSockets(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    ...counter,
    port,
    url: `${certificate ? 'https' : 'http'}://127.0.0.1:${port}`,
    ca: certificate?.ca ?? '',
    async close() {
      agent.destroy();
      await closeServer(server, sockets);
    },
  };
}

function reset(request: http.IncomingMessage): void {
  // On TLS the RST belongs to the socket below; destroying is as sudden for the client.
  request.socket.destroy();
}

/** gRPC calls of etcd that stay open: forwarded as they flow, and neither counted nor given to the hooks. */
const streamingCalls = new Set([
  '/etcdserverpb.Watch/Watch',
  '/etcdserverpb.Lease/LeaseKeepAlive',
  '/etcdserverpb.Maintenance/Snapshot',
]);

/**
 * A gRPC proxy (HTTP/2 in plain text) in front of an etcd at `target` (`http://host:port`). Unary calls are counted and given to
 * the hooks; the answer of a unary call is held until `after` is through. Pings are answered by the proxy and not counted.
 */
export async function startGrpcProxy(target: string, hooks: RequestHooks = {}): Promise<CountingProxy> {
  const counter = makeCounter(hooks);
  const server = http2.createServer();
  const sockets = trackSockets(server);
  const sessions = new Set<http2.ClientHttp2Session>();

  server.on('session', (session) => {
    const upstream = http2.connect(target);
    sessions.add(upstream);
    const end = () => {
      session.destroy();
      upstream.destroy();
      sessions.delete(upstream);
    };
    for (const side of [session, upstream]) {
      side.on('error', end);
      side.on('close', end);
    }
    session.on('stream', (stream, headers) => {
      handle(session, upstream, stream, headers).catch(end);
    });
  });

  async function handle(
    session: http2.ServerHttp2Session,
    upstream: http2.ClientHttp2Session,
    stream: http2.ServerHttp2Stream,
    headers: http2.IncomingHttpHeaders,
  ): Promise<void> {
    const path = headers[':path'] ?? '';
    const counted = streamingCalls.has(path) ? null : counter.add('POST', path);
    // A stream that breaks is told to the other side by its close event.
    stream.on('error', () => stream.close());
    if (counted && (await counter.before(counted)) === 'cut') return session.destroy();
    if (stream.destroyed || upstream.destroyed) return;
    const onward = upstream.request(headers, { endStream: false });
    onward.on('error', () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    stream.on('close', () => onward.close(http2.constants.NGHTTP2_CANCEL));
    stream.pipe(onward);
    if (counted) await answerWhole(session, stream, onward, () => counter.after(counted));
    else answerAsItFlows(stream, onward);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    ...counter,
    port,
    url: `http://127.0.0.1:${port}`,
    ca: '',
    async close() {
      for (const session of sessions) session.destroy();
      await closeServer(server, sockets);
    },
  };
}

async function answerWhole(
  session: http2.ServerHttp2Session,
  stream: http2.ServerHttp2Stream,
  onward: http2.ClientHttp2Stream,
  after: () => Promise<Verdict>,
): Promise<void> {
  let headers: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders | null = null;
  const body: Buffer[] = [];
  onward.on('response', (received) => {
    headers = received;
  });
  onward.on('trailers', (received) => {
    trailers = received;
  });
  onward.on('data', (chunk: Buffer) => body.push(chunk));
  await once(onward, 'end');
  if ((await after()) === 'cut') return session.destroy();
  if (stream.destroyed) return;
  if (trailers === null && body.length === 0) return stream.respond(headers, { endStream: true });
  respondWithTrailers(stream, headers, () => trailers ?? {});
  stream.end(Buffer.concat(body));
}

function answerAsItFlows(stream: http2.ServerHttp2Stream, onward: http2.ClientHttp2Stream): void {
  let trailers: http2.IncomingHttpHeaders = {};
  onward.on('trailers', (received) => {
    trailers = received;
  });
  onward.on('response', (headers, flags) => {
    if (stream.destroyed) return;
    if (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) return stream.respond(headers, { endStream: true });
    respondWithTrailers(stream, headers, () => trailers);
    onward.pipe(stream);
  });
}

function respondWithTrailers(
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  trailers: () => http2.IncomingHttpHeaders,
): void {
  stream.on('wantTrailers', () => stream.sendTrailers(trailers()));
  stream.respond(headers, { waitForTrailers: true });
}

function trackSockets(server: Server | http2.Http2Server): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

async function closeServer(server: Server | http2.Http2Server, sockets: Set<Socket>): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}
