import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { Json } from './json.ts';

/** The largest request body taken, bytes; kube-apiserver's own limit is 3 MiB. */
const LARGEST_BODY = 3 * 1024 * 1024;

/** What becomes of the answer: sent; the connection cut instead; cut half-way; replaced by a page of HTML. */
export type Fate = 'answer' | 'lose' | 'truncate' | 'html';

/** A body that is larger than the server takes. */
export class BodyTooLarge extends Error {}

type Reply = {
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  write(chunk: string): boolean;
  end(chunk?: string | Uint8Array): unknown;
  on(event: 'close', listener: () => void): unknown;
};

/** The text of a part of a path; what is no proper encoding stays as it is, and so names nothing. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}

/** One request and its answer, the same over HTTP/1.1 and HTTP/2. */
export class Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** What becomes of the answer; faults change it. */
  fate: Fate = 'answer';
  /** Whether an answer was begun or the connection was cut. */
  answered = false;
  readonly #warnings: string[] = [];
  readonly #request: IncomingMessage | Http2ServerRequest;
  readonly #reply: Reply;
  readonly #cut: () => void;
  #body: Promise<Buffer> | undefined;

  constructor(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) {
    this.#request = request;
    this.#reply = response as Reply;
    this.method = request.method ?? 'GET';
    // A target that is no path, such as `*`, is somewhere where nothing is.
    this.url = URL.parse(`https://sandbox.invalid${request.url ?? '/'}`) ?? new URL('https://sandbox.invalid/invalid');
    this.headers = request.headers;
    this.#cut = () => {
      if ('stream' in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      else response.socket?.destroy();
    };
  }

  /** The path of the request, without the query. */
  get path(): string {
    return this.url.pathname;
  }

  /** The query of the request. */
  get query(): URLSearchParams {
    return this.url.searchParams;
  }

  /** The bearer token, or undefined. */
  get token(): string | undefined {
    return /^Bearer\s+(\S+)$/i.exec(this.headers.authorization ?? '')?.[1];
  }

  /** The whole body; throws BodyTooLarge. */
  bytes(): Promise<Buffer> {
    this.#body ??= this.#read();
    return this.#body;
  }

  /** The whole body as text; throws BodyTooLarge. */
  async body(): Promise<string> {
    return (await this.bytes()).toString('utf8');
  }

  async #read(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.#request) {
      const bytes = Buffer.from(chunk as Uint8Array);
      size += bytes.length;
      if (size <= LARGEST_BODY) chunks.push(bytes);
    }
    // Read to its end all the same: an answer to a body that is still on its way would be lost with the connection.
    if (size > LARGEST_BODY) throw new BodyTooLarge(`the body is larger than ${LARGEST_BODY} bytes`);
    return Buffer.concat(chunks);
  }

  /** Sends a warning (RFC 7234) with the answer, as clients of Kubernetes show to their users. */
  warn(warning: string): void {
    this.#warnings.push(`299 - ${JSON.stringify(warning)}`);
  }

  /** Answers with JSON. */
  json(status: number, value: Json, headers: OutgoingHttpHeaders = {}): void {
    const warnings = this.#warnings.length === 0 ? {} : { warning: this.#warnings.join(', ') };
    this.send(status, JSON.stringify(value), 'application/json', { ...warnings, ...headers });
  }

  /** Answers with a body of any type. */
  send(status: number, body: string | Uint8Array, type: string, headers: OutgoingHttpHeaders = {}): void {
    if (this.answered) return;
    if (this.fate === 'html') {
      this.answered = true;
      this.#reply.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      this.#reply.end('<!doctype html><title>Sign in</title><h1>Sign in to continue</h1>');
      return;
    }
    if (this.fate === 'lose') {
      this.cut();
      return;
    }
    this.answered = true;
    const length = Buffer.byteLength(body);
    this.#reply.writeHead(status, { 'content-type': type, 'content-length': length, ...headers });
    if (this.fate === 'truncate') {
      const text = Buffer.from(body).toString('utf8');
      this.#reply.write(text.slice(0, Math.floor(text.length / 2)));
      setTimeout(this.#cut, 20);
      return;
    }
    this.#reply.end(body);
  }

  /** Begins an answer that goes on until it is ended; `onClose` is called once when either side ends it. */
  stream(type: string, onClose: () => void): { write(text: string): void; end(): void } {
    this.answered = true;
    if (this.fate === 'lose') {
      onClose();
      this.cut();
      return { write: () => undefined, end: () => undefined };
    }
    let open = true;
    this.#reply.on('close', () => {
      open = false;
      onClose();
    });
    this.#reply.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache, private' });
    // Headers alone are not flushed by Node: a watcher would wait for the first event to learn that it was accepted.
    if ('flushHeaders' in this.#reply && typeof this.#reply.flushHeaders === 'function') this.#reply.flushHeaders();
    return {
      write: (text) => {
        if (open) this.#reply.write(text);
      },
      end: () => {
        if (open) this.#reply.end();
        open = false;
      },
    };
  }

  /** Cuts the connection without an answer. */
  cut(): void {
    this.answered = true;
    this.#cut();
  }
}
