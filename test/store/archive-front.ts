/** A front on loopback before an object store: passes requests on, or gives them the weather that is asked for. */
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type Server } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { makeTestCertificate } from '../certificate.ts';

/** An answer of the front's own. */
export interface OwnAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

export interface Front {
  /** Plain HTTP. */
  url: string;
  /** The same over TLS, with an authority of its own. */
  secureUrl: string;
  ca: string;
  /** `METHOD /path` of what came, in order. */
  seen: string[];
  /** What becomes of requests: `hang` answers none, `lose` has them carried out and breaks the connection; a function may answer itself. */
  set(weather: 'pass' | 'hang' | 'lose' | ((request: IncomingMessage) => OwnAnswer | null)): void;
  close(): Promise<void>;
}

export async function openFront(target: string): Promise<Front> {
  const certificate = makeTestCertificate();
  const to = new URL(target);
  const sockets = new Set<Socket>();
  const seen: string[] = [];
  let weather: Parameters<Front['set']>[0] = 'pass';

  const listener: RequestListener = (request, response) => {
    const path = new URL(request.url ?? '/', 'http://front.test').pathname;
    seen.push(`${request.method} ${path}`);
    if (weather === 'hang') return;
    const own = typeof weather === 'function' ? weather(request) : null;
    if (own) {
      request.resume();
      response.writeHead(own.status, { ...own.headers, 'content-length': Buffer.byteLength(own.body ?? '') });
      response.end(request.method === 'HEAD' ? '' : own.body);
      return;
    }
    const loses = weather === 'lose';
    const upstream = http.request(
      // The host as it was asked for: it is signed.
      {
        host: to.hostname,
        port: to.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
        agent: false,
      },
      (answer) => {
        if (loses) {
          answer.resume();
          answer.once('end', () => request.socket.destroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    upstream.on('error', () => request.socket.destroy());
    request.pipe(upstream);
  };

  async function listen(server: Server | https.Server): Promise<number> {
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }
  const plain = http.createServer(listener);
  const secure = https.createServer({ key: certificate.key, cert: certificate.cert }, listener);
  const [port, securePort] = [await listen(plain), await listen(secure)];
  return {
    url: `http://127.0.0.1:${port}`,
    secureUrl: `https://127.0.0.1:${securePort}`,
    ca: certificate.ca,
    seen,
    set(next) {
      weather = next;
    },
    async close() {
      const ends = [once(plain, 'close'), once(secure, 'close')];
      plain.close();
      secure.close();
      for (const socket of sockets) socket.destroy();
      await Promise.all(ends);
    },
  };
}
