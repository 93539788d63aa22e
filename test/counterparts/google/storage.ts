/** A loopback Google Cloud Storage: the JSON API's media upload, download, list and delete of objects in one bucket, with the sign-in beside it. */
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { openSignIn, type SignIn } from './sign-in.ts';

export interface StorageServer {
  /** Of the API; the sign-in is at `/token` below it. */
  url: string;
  bucket: string;
  signIn: SignIn;
  objects: Map<string, Buffer>;
  /** Whether the account has no role on the bucket. */
  setForbidden(forbidden: boolean): void;
  /** Most objects of a page of a list; Google itself may give fewer than were asked for. */
  setPage(most: number): void;
  close(): Promise<void>;
}

/** Body of an error: cloud.google.com/storage/docs/json_api/v1/status-codes. */
function errorBody(code: number, reason: string, message: string): string {
  return JSON.stringify({ error: { code, message, errors: [{ message, domain: 'global', reason }] } });
}

export async function openStorageServer(bucket = 'kqueen-backups'): Promise<StorageServer> {
  const signIn = openSignIn('kqueen-test-123456');
  const objects = new Map<string, Buffer>();
  const sockets = new Set<Socket>();
  let forbidden = false;
  let page = 1_000;

  function answer(
    response: ServerResponse,
    status: number,
    body: string | Buffer,
    type = 'application/json; charset=UTF-8',
  ): void {
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      server: 'UploadServer',
    });
    response.end(body);
  }

  function handle(request: IncomingMessage, response: ServerResponse, body: Buffer): unknown {
    const url = new URL(request.url ?? '/', 'http://google.test');
    const method = request.method ?? 'GET';
    if (method === 'POST' && url.pathname === '/token') {
      const { status, body: said } = signIn.token(new URLSearchParams(body.toString('utf8')));
      return answer(response, status, JSON.stringify(said));
    }
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const media = url.searchParams.get('alt') === 'media';
    // Reference: "401—Unauthorized", reason authError.
    if (!signIn.accepts(token)) return answer(response, 401, errorBody(401, 'authError', 'Invalid Credentials'));
    const upload = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(url.pathname);
    const list = /^\/storage\/v1\/b\/([^/]+)\/o$/.exec(url.pathname);
    // An object's name is one part of the path: its slashes are escaped.
    const one = /^\/storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/.exec(url.pathname);
    const named = decodeURIComponent((upload ?? list ?? one)?.[1] ?? '');
    if (named !== bucket) {
      return answer(response, 404, errorBody(404, 'notFound', 'The specified bucket does not exist.'));
    }
    if (forbidden) {
      // Reference: "403—Forbidden", with the permission that is missing in the message.
      const message = `kqueen@kqueen-test-123456.iam.gserviceaccount.com does not have storage.objects.${method === 'GET' ? 'list' : 'create'} access to the Google Cloud Storage bucket. Permission 'storage.objects.create' denied on resource (or it may not exist).`;
      return answer(response, 403, errorBody(403, 'forbidden', message));
    }
    if (method === 'POST' && upload) {
      const name = url.searchParams.get('name') ?? '';
      if (url.searchParams.get('uploadType') !== 'media' || name === '')
        return answer(response, 400, errorBody(400, 'required', 'Required'));
      objects.set(name, body);
      return answer(response, 200, JSON.stringify({ kind: 'storage#object', name, bucket, size: String(body.length) }));
    }
    if (method === 'GET' && list) return answer(response, 200, JSON.stringify(listed(url.searchParams)));
    if (one) {
      const name = decodeURIComponent(one[2] ?? '');
      const held = objects.get(name);
      if (!held) {
        const message = `No such object: ${bucket}/${name}`;
        // A download is refused in plain text.
        return media
          ? answer(response, 404, message, 'text/html; charset=UTF-8')
          : answer(response, 404, errorBody(404, 'notFound', message));
      }
      if (method === 'DELETE') {
        objects.delete(name);
        response.writeHead(204);
        response.end();
        return;
      }
      if (media) return answer(response, 200, held, 'application/octet-stream');
      return answer(response, 200, JSON.stringify({ kind: 'storage#object', name, size: String(held.length) }));
    }
    answer(response, 404, 'Not Found', 'text/html; charset=UTF-8');
  }

  /** Reference of objects.list: in the order of names, `startOffset` included, pages by a token that is Google's own affair. */
  function listed(query: URLSearchParams): unknown {
    const prefix = query.get('prefix') ?? '';
    const from = query.get('startOffset') ?? '';
    const token = query.get('pageToken');
    const after = token === null ? undefined : Buffer.from(token, 'base64url').toString('utf8');
    const most = Math.min(page, Number(query.get('maxResults') ?? 1_000));
    const names = [...objects.keys()]
      .filter((name) => name.startsWith(prefix) && name >= from && (after === undefined || name > after))
      .sort();
    const shown = names.slice(0, most);
    const last = shown.at(-1);
    return {
      // An empty list has no items at all.
      ...(shown.length > 0
        ? { items: shown.map((name) => ({ name, size: String(objects.get(name)?.length ?? 0) })) }
        : {}),
      ...(names.length > most && last !== undefined ? { nextPageToken: Buffer.from(last).toString('base64url') } : {}),
    };
  }

  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handle(request, response, Buffer.concat(chunks)));
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    bucket,
    signIn,
    objects,
    setForbidden(next) {
      forbidden = next;
    },
    setPage(most) {
      page = most;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
