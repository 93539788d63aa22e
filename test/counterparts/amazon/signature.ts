/** Verification of AWS Signature Version 4 in headers (docs.aws.amazon.com, "Authenticating Requests: Using the Authorization Header"). */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface SignedRequest {
  method: string;
  /** As it was sent: the path is signed escaped, and for S3 not escaped a second time. */
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Signature {
  key: string;
  region: string;
  /** ISO 8601 basic, as in `x-amz-date`. */
  date: string;
  /** Whether the secret made it, and the body is the one that was signed. */
  verify(secret: string): boolean;
}

const sha = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
const mac = (key: Buffer | string, data: string) => createHmac('sha256', key).update(data).digest();

/** Escapes as RFC 3986 has it: the alphabet of signatures. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** What a request is signed with; null when it is not signed. */
export function readSignature(request: SignedRequest): Signature | null {
  const { method, path, query, headers, body } = request;
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request,\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  const date = headers['x-amz-date'];
  const hash = headers['x-amz-content-sha256'];
  if (!found || typeof date !== 'string' || typeof hash !== 'string') return null;
  const [, key = '', day = '', region = '', names = '', given] = found;
  const canonicalQuery = [...query.entries()]
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .sort()
    .join('&');
  const canonicalHeaders = names
    .split(';')
    .map(
      (name) =>
        `${name}:${String(headers[name] ?? '')
          .trim()
          .replace(/\s+/g, ' ')}\n`,
    )
    .join('');
  const canonical = [method, path, canonicalQuery, canonicalHeaders, names, hash].join('\n');
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${region}/s3/aws4_request`, sha(canonical)].join('\n');
  return {
    key,
    region,
    date,
    verify(secret) {
      const signing = mac(mac(mac(mac(`AWS4${secret}`, day), region), 's3'), 'aws4_request');
      const bodyIsSigned = hash === 'UNSIGNED-PAYLOAD' || hash === sha(body);
      return bodyIsSigned && createHmac('sha256', signing).update(text).digest('hex') === given;
    },
  };
}
