import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import { type JsonObject, numberAt, parseObject, textAt } from './json.ts';

/** An answer of the API server that is no success, or none at all (code 0). */
export class ApiFailure extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

/** Where an API server is, and by what it and its caller are known; PEM texts. */
export type LinkOptions = { url: string; ca?: string; cert?: string; key?: string; insecure?: boolean };

/** Requests to one API server, or to one path below which one is. */
export type ApiClient = {
  request: (method: string, path: string, body?: JsonObject, type?: string) => Promise<JsonObject>;
  /** Reads a stream of JSON lines until it ends; the answer stops it. `onEnd` gets the failure, if any. */
  stream: (path: string, onLine: (line: JsonObject) => void, onEnd: (failure?: ApiFailure) => void) => () => void;
};

/** One HTTP/2 connection to a server, made when it is first wanted and again when it breaks. */
export type ApiLink = { api: (path: string, token: string | undefined) => ApiClient; close: () => void };

/** How long a request may take, ms. */
const DEADLINE = 30_000;

/** The Content-Type of a merge patch. */
export const MERGE = 'application/merge-patch+json';

/** The Content-Type of a server-side apply. */
export const APPLY = 'application/apply-patch+yaml';

/** Opens a link; nothing is sent before the first request. */
export function connectApi(options: LinkOptions): ApiLink {
  let session: ClientHttp2Session | undefined;
  let closed = false;

  function open(): ClientHttp2Session {
    if (closed) throw new ApiFailure(0, 'Closed', 'the link is closed');
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    const { ca, cert, key } = options;
    const fresh = connect(new URL(options.url).origin, {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      rejectUnauthorized: options.insecure !== true,
      peerMaxConcurrentStreams: 100_000,
      maxSessionMemory: 1000,
    });
    fresh.setMaxListeners(0);
    // Every stream on the session reports the failure to its own caller; without a listener it would end the process.
    fresh.on('error', () => undefined);
    fresh.on('goaway', () => fresh.close());
    session = fresh;
    return fresh;
  }

  function api(path: string, token: string | undefined): ApiClient {
    const base = `${new URL(options.url).pathname.replace(/\/$/, '')}${path}`;
    const common: OutgoingHttpHeaders = {
      'user-agent': 'kqueen-sandbox-controller',
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    return {
      request: (method, target, body, type = 'application/json') =>
        send(open(), common, method, `${base}${target}`, body, type),
      stream: (target, onLine, onEnd) => {
        try {
          return follow(open(), common, `${base}${target}`, onLine, onEnd);
        } catch (error) {
          onEnd(error instanceof ApiFailure ? error : new ApiFailure(0, 'Unreachable', String(error)));
          return () => undefined;
        }
      },
    };
  }

  return {
    api,
    close: () => {
      closed = true;
      session?.destroy();
    },
  };
}

function send(
  session: ClientHttp2Session,
  common: OutgoingHttpHeaders,
  method: string,
  path: string,
  body: JsonObject | undefined,
  type: string,
): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...common,
      ':method': method,
      ':path': path,
      ...(body === undefined ? {} : { 'content-type': type }),
    };
    // Node ends a DELETE's stream by itself unless told that a body follows.
    const stream = session.request(headers, { endStream: body === undefined });
    let status = 0;
    const chunks: Buffer[] = [];
    stream.setTimeout(DEADLINE, () => stream.destroy(new Error('no answer in time')));
    stream.on('response', (answer) => {
      status = Number(answer[':status']);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error) => reject(new ApiFailure(0, 'Unreachable', error.message)));
    stream.on('close', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      if (status === 0) {
        reject(new ApiFailure(0, 'Unreachable', 'the connection ended before an answer'));
        return;
      }
      try {
        const answer = text === '' ? {} : parseObject(text);
        if (status < 300) resolve(answer);
        else reject(new ApiFailure(status, textAt(answer, 'reason') ?? '', textAt(answer, 'message') ?? text));
      } catch {
        reject(new ApiFailure(status, 'NoJson', text.slice(0, 200)));
      }
    });
    if (body !== undefined) stream.end(JSON.stringify(body));
  });
}

function follow(
  session: ClientHttp2Session,
  common: OutgoingHttpHeaders,
  path: string,
  onLine: (line: JsonObject) => void,
  onEnd: (failure?: ApiFailure) => void,
): () => void {
  const stream = session.request({ ...common, ':method': 'GET', ':path': path });
  stream.setEncoding('utf8');
  let status = 0;
  let rest = '';
  let failure: ApiFailure | undefined;
  const take = (): void => {
    if (status !== 200) return;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(parseObject(line));
  };
  stream.on('response', (headers) => {
    status = Number(headers[':status']);
    // What came in one piece with the headers may be read before them, and nothing else may come for long.
    take();
  });
  stream.on('data', (text: string) => {
    rest += text;
    take();
  });
  stream.on('error', (error) => {
    failure = new ApiFailure(0, 'Unreachable', error.message);
  });
  stream.on('close', () => {
    if (status !== 200 && failure === undefined) failure = new ApiFailure(status, '', rest.slice(0, 200));
    onEnd(failure);
  });
  return () => stream.close();
}

/** The failure that an ERROR event of a watch carries. */
export function failureOf(status: JsonObject): ApiFailure {
  return new ApiFailure(numberAt(status, 'code') ?? 0, textAt(status, 'reason') ?? '', textAt(status, 'message') ?? '');
}
