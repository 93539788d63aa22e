/** `POST /api/messages` on plain node:http: bounded bodies, JSON only, and answers that say nothing about the inside. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Largest body, in bytes: Teams' own messages stay below 100 KB. */
const mostBodyBytes = 256 * 1024;

/** A request that is answered with a status and one short sentence. */
export class HttpRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'HttpRefusal';
    this.status = status;
  }
}

/** The body as a JSON object. Throws HttpRefusal for anything else. */
export async function readJson(request: IncomingMessage, timeoutMs: number): Promise<Record<string, unknown>> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new HttpRefusal(415, 'Only application/json is taken here.');
  if (Number(request.headers['content-length'] ?? 0) > mostBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  const late = setTimeout(() => request.destroy(new Error('the body came too slowly')), timeoutMs);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > mostBodyBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof HttpRefusal) throw error;
    throw new HttpRefusal(400, 'The body did not arrive whole.');
  } finally {
    clearTimeout(late);
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) throw new HttpRefusal(400, 'The body is not JSON.');
    throw error;
  }
  if (body === null || typeof body !== 'object' || Array.isArray(body)) {
    throw new HttpRefusal(400, 'The body is not an activity.');
  }
  return body as Record<string, unknown>;
}

function tooLarge(): HttpRefusal {
  return new HttpRefusal(413, `The body is larger than ${mostBodyBytes} bytes.`);
}

/** Ends the response with JSON, or without a body. Does nothing when the other side has gone. */
export function reply(response: ServerResponse, status: number, body?: unknown): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = status;
  // What is left of a refused body is not worth reading.
  if (status === 413) response.setHeader('connection', 'close');
  if (body === undefined) {
    response.end();
    return;
  }
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.end(JSON.stringify(body));
}

/** True when the request came from this machine, and was addressed to it by a loopback name (a page elsewhere cannot do both). */
export function isLocal(request: IncomingMessage): boolean {
  const address = request.socket.remoteAddress ?? '';
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  return isLoopback(address) && isLoopback(host);
}

/** A loopback address or the name of one. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?|::ffff:127(\.\d{1,3}){3})$/i.test(host);
}
