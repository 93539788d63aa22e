import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { makeTestCertificate } from '../certificate.ts';

/** What a scripted server saw. */
interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
  at: number;
}

export type Answerer = (request: Seen, response: ServerResponse, n: number) => void;

/** An HTTPS server on loopback that answers as the test says. */
export interface ScriptedServer {
  url: string;
  ca: string;
  seen: Seen[];
  /** Connections accepted so far, and open now. */
  connections(): { accepted: number; open: number };
  /** From now on requests are answered by this. */
  answer(answerer: Answerer): void;
  close(): Promise<void>;
}

/** Answers with JSON. */
export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Starts a scripted server; it answers 200 and `{}` until told otherwise. */
export async function startScriptedServer(first?: Answerer): Promise<ScriptedServer> {
  const certificate = makeTestCertificate();
  let answerer: Answerer = first ?? ((_request, response) => json(response, 200, {}));
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one: Seen = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
        at: Date.now(),
      };
      seen.push(one);
      answerer(one, response, seen.length);
    });
  });
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: certificate.ca,
    seen,
    connections: () => ({ accepted, open: sockets.size }),
    answer: (next) => {
      answerer = next;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
