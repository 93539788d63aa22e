/** A loopback Amazon S3: put, get, list (version 2) and delete in one bucket, signatures verified, region and time minded. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { readSignature } from './signature.ts';

export interface AmazonStorage {
  url: string;
  bucket: string;
  region: string;
  key: { id: string; secret: string };
  objects: Map<string, Buffer>;
  /** How far this Amazon's clock is ahead of the caller's, in milliseconds. */
  setSkew(ms: number): void;
  /** Whether the key may do nothing in the bucket. */
  setForbidden(forbidden: boolean): void;
  close(): Promise<void>;
}

/** From here on Amazon refuses a signature for its time ("Error responses": RequestTimeTooSkewed). */
const mostSkewMs = 15 * 60_000;

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

function xml(text: string): string {
  return text.replace(/[<>&'"]/g, (each) => `&#${each.charCodeAt(0)};`);
}

/** Opens a bucket in a region, with a key that is made for it. */
export async function openAmazonStorage(bucket = 'kqueen-backups', region = 'us-east-1'): Promise<AmazonStorage> {
  const key = { id: `AK${randomBytes(9).toString('hex').toUpperCase()}`, secret: randomBytes(30).toString('base64') };
  const objects = new Map<string, Buffer>();
  const sockets = new Set<Socket>();
  let skew = 0;
  let forbidden = false;

  function refuse(
    response: ServerResponse,
    status: number,
    code: string,
    message: string,
    more = '',
    headers = {},
  ): void {
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${xml(message)}</Message>${more}<RequestId>656c76696e6727732072657175657374</RequestId><HostId>Uuag1LuByRx9e6j5Onimru9pO4ZVKnJ2Qz7/C1NPcfTWAtRPfTaOFg==</HostId></Error>`;
    response.writeHead(status, {
      'content-type': 'application/xml',
      server: 'AmazonS3',
      date: new Date(Date.now() + skew).toUTCString(),
      ...headers,
    });
    response.end(body);
  }

  function handle(request: IncomingMessage, response: ServerResponse, body: Buffer): unknown {
    const [path = '/', search = ''] = (request.url ?? '/').split('?');
    const query = new URLSearchParams(search);
    const method = request.method ?? 'GET';
    const signed = readSignature({ method, path, query, headers: request.headers, body });
    if (!signed) return refuse(response, 403, 'AccessDenied', 'Access Denied');
    const [, named = '', ...rest] = path.split('/');
    const name = rest.map(decodeURIComponent).join('/');
    if (signed.key !== key.id) {
      return refuse(
        response,
        403,
        'InvalidAccessKeyId',
        'The AWS Access Key Id you provided does not exist in our records.',
        `<AWSAccessKeyId>${xml(signed.key)}</AWSAccessKeyId>`,
      );
    }
    if (decodeURIComponent(named) === bucket && signed.region !== region) {
      // "Request redirection": in the bucket's own region only; its name stands in a header and in the body.
      const message = `The authorization header is malformed; the region '${signed.region}' is wrong; expecting '${region}'`;
      return refuse(response, 400, 'AuthorizationHeaderMalformed', message, `<Region>${region}</Region>`, {
        'x-amz-bucket-region': region,
      });
    }
    const at = Date.parse(signed.date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
    if (Math.abs(Date.now() + skew - at) > mostSkewMs) {
      const now = new Date(Date.now() + skew).toISOString();
      return refuse(
        response,
        403,
        'RequestTimeTooSkewed',
        'The difference between the request time and the current time is too large.',
        `<RequestTime>${signed.date}</RequestTime><ServerTime>${now}</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>`,
      );
    }
    if (!signed.verify(key.secret)) {
      return refuse(
        response,
        403,
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
        `<AWSAccessKeyId>${xml(signed.key)}</AWSAccessKeyId>`,
      );
    }
    if (decodeURIComponent(named) !== bucket) {
      return refuse(
        response,
        404,
        'NoSuchBucket',
        'The specified bucket does not exist',
        `<BucketName>${xml(named)}</BucketName>`,
      );
    }
    if (forbidden) return refuse(response, 403, 'AccessDenied', 'Access Denied');
    if (name === '') {
      if (method === 'GET' && query.get('list-type') === '2') return list(response, query);
      return refuse(response, 405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.');
    }
    if (method === 'PUT') {
      objects.set(name, body);
      response.writeHead(200, {
        etag: `"${randomBytes(16).toString('hex')}"`,
        'content-length': 0,
        server: 'AmazonS3',
      });
      response.end();
      return;
    }
    if (method === 'DELETE') {
      objects.delete(name);
      response.writeHead(204, { server: 'AmazonS3' });
      response.end();
      return;
    }
    const held = objects.get(name);
    if (!held)
      return refuse(response, 404, 'NoSuchKey', 'The specified key does not exist.', `<Key>${xml(name)}</Key>`);
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': held.length,
      server: 'AmazonS3',
    });
    response.end(held);
  }

  /** ListObjectsV2: in the order of UTF-8 bytes, from the one after `start-after`, at most a thousand. */
  function list(response: ServerResponse, query: URLSearchParams): void {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
    const most = Math.min(1_000, Number(query.get('max-keys') ?? 1_000));
    const names = [...objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
    const shown = names.slice(0, most);
    const contents = shown
      .map(
        (name) =>
          `<Contents><Key>${xml(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>${objects.get(name)?.length ?? 0}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
      )
      .join('');
    const next = names.length > most ? `<NextContinuationToken>${xml(shown.at(-1) ?? '')}</NextContinuationToken>` : '';
    const text = `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="${namespace}"><Name>${bucket}</Name><Prefix>${xml(prefix)}</Prefix><KeyCount>${shown.length}</KeyCount><MaxKeys>${most}</MaxKeys><IsTruncated>${names.length > most}</IsTruncated>${contents}${next}</ListBucketResult>`;
    response.writeHead(200, { 'content-type': 'application/xml', server: 'AmazonS3' });
    response.end(text);
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
    region,
    key,
    objects,
    setSkew(ms) {
      skew = ms;
    },
    setForbidden(next) {
      forbidden = next;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
