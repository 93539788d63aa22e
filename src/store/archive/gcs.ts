/** Backups at Google Cloud Storage, by Google's own library and its JSON API. */
import type { storage_v1 } from 'googleapis/build/src/apis/storage/index.js';
import { Agent, fetch as fetchThrough } from 'undici';
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Kept } from '../../core/ports/archive.ts';
import { type Driver, mostBytes, mostListed } from './driver.ts';
import { capital, codesOf, noCredentials, passing, refusal, skewed } from './faults.ts';
import { openGoogleTokens } from './gcs-tokens.ts';
import { type GcsPlace, placeWords } from './place.ts';

const publicEndpoint = 'https://storage.googleapis.com';

/** An answer of 400 and above, or one that cannot be read. */
class GoogleRefusal extends Error {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterMs?: number) {
    super(message);
    this.name = 'GoogleRefusal';
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Google's error body (cloud.google.com/storage/docs/json_api/v1/status-codes). */
const ErrorBody = z.object({
  error: z.object({
    message: z.string().catch(''),
    errors: z
      .array(z.object({ reason: z.string().catch('') }))
      .catch([])
      .default([]),
  }),
});

const Listing = z.object({
  items: z.array(z.object({ name: z.string(), size: z.union([z.string(), z.number()]).transform(Number) })).default([]),
  nextPageToken: z.string().optional(),
});

export async function openGcs(place: GcsPlace): Promise<Driver> {
  const { storage: load } = await import('googleapis/build/src/apis/storage/index.js');
  const where = placeWords(place);
  const endpoint = place.endpoint ?? publicEndpoint;
  const agent = new Agent({
    connections: 16,
    keepAliveTimeout: 20_000,
    // Every call has a deadline of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: 10_000, ...(place.ca === undefined ? {} : { ca: place.ca }) },
  });
  const carry = ((input: string | URL, init: Record<string, unknown> = {}) => {
    // The library writes addresses of Google's public cloud for uploads whatever it is told.
    const asked = new URL(String(input));
    const base = new URL(endpoint);
    const path = `${base.pathname.replace(/\/+$/, '')}${asked.pathname}${asked.search}`;
    return fetchThrough(`${base.origin}${path}`, { ...init, dispatcher: agent, redirect: 'manual' });
  }) as unknown as typeof fetch;
  const tokens = await openGoogleTokens(place, agent);
  const { objects }: storage_v1.Storage = load('v1');

  /** One request of the library; a refused token is had anew once. */
  async function ask(
    signal: AbortSignal,
    responseType: 'arraybuffer' | 'text',
    send: (options: Record<string, unknown>) => Promise<unknown>,
    first = true,
  ): Promise<{ status: number; body: Buffer }> {
    const token = await tokens.get(signal);
    const answer = (await send({
      signal,
      responseType,
      fetchImplementation: carry,
      retry: false,
      // The answer is judged here.
      validateStatus: () => true,
      headers: { authorization: `Bearer ${token}` },
    })) as { status: number; data: unknown; headers: unknown };
    const body = Buffer.isBuffer(answer.data)
      ? answer.data
      : answer.data instanceof ArrayBuffer
        ? Buffer.from(answer.data)
        : Buffer.from(typeof answer.data === 'string' ? answer.data : JSON.stringify(answer.data ?? ''));
    if (answer.status === 401 && first) {
      tokens.drop(token);
      return ask(signal, responseType, send, false);
    }
    if (answer.status >= 300) throw refused(answer.status, body.toString('utf8'), answer.headers);
    return { status: answer.status, body };
  }

  return {
    async put(key, body, signal) {
      await ask(signal, 'text', (options) =>
        objects.insert(
          {
            bucket: place.bucket,
            name: key,
            fields: 'name',
            media: { mimeType: 'application/octet-stream', body: Buffer.from(body) },
          },
          options,
        ),
      );
    },

    async get(key, signal) {
      try {
        const { body } = await ask(signal, 'arraybuffer', (options) =>
          objects.get({ bucket: place.bucket, object: key, alt: 'media' }, options),
        );
        if (body.byteLength > mostBytes) throw new RangeError('The object is larger than any of KQueen.');
        return body;
      } catch (thrown) {
        if (isMissing(thrown)) return undefined;
        throw thrown;
      }
    },

    async list(prefix, after, signal) {
      const found: Kept[] = [];
      let pageToken: string | undefined;
      do {
        const { body } = await ask(signal, 'text', (options) =>
          objects.list(
            {
              bucket: place.bucket,
              prefix,
              maxResults: mostListed,
              fields: 'items(name,size),nextPageToken',
              // From this one on: it is left out below.
              ...(after === undefined ? {} : { startOffset: after }),
              ...(pageToken === undefined ? {} : { pageToken }),
            },
            options,
          ),
        );
        const read = Listing.safeParse(parsed(body.toString('utf8')));
        if (!read.success) throw new GoogleRefusal(200, 'strange', 'The list cannot be read.');
        for (const { name, size } of read.data.items) if (name !== after) found.push({ key: name, size });
        pageToken = read.data.nextPageToken;
      } while (pageToken !== undefined && found.length < mostListed);
      return found.slice(0, mostListed);
    },

    async delete(key, signal) {
      try {
        await ask(signal, 'text', (options) => objects.delete({ bucket: place.bucket, object: key }, options));
      } catch (thrown) {
        if (!isMissing(thrown)) throw thrown;
      }
    },

    explain: (thrown) => explain(place, where, thrown),

    async close() {
      await agent.destroy();
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function refused(status: number, text: string, headers: unknown): GoogleRefusal {
  const read = ErrorBody.safeParse(parsed(text));
  const seconds = Number(headerOf(headers, 'retry-after') ?? Number.NaN);
  const waits = Number.isFinite(seconds) ? Math.min(seconds, 3_600) * 1_000 : undefined;
  // With alt=media Google answers refusals of one line as plain text.
  if (!read.success) return new GoogleRefusal(status, '', text.slice(0, 300), waits);
  const { message, errors } = read.data.error;
  return new GoogleRefusal(status, errors[0]?.reason ?? '', message, waits);
}

/** The library hands on headers as an object of its own making, or as the platform's. */
function headerOf(headers: unknown, name: string): string | null {
  if (headers === null || typeof headers !== 'object') return null;
  const get = 'get' in headers && typeof headers.get === 'function' ? headers.get(name) : undefined;
  const found: unknown = get ?? (headers as Record<string, unknown>)[name];
  return typeof found === 'string' ? found : null;
}

/** A bucket that is not there is another thing than an object that is not. */
function isMissing(thrown: unknown): boolean {
  return thrown instanceof GoogleRefusal && thrown.status === 404 && !/bucket does not exist/i.test(thrown.message);
}

function explain(place: GcsPlace, where: string, thrown: unknown): Fault | null {
  const refusedBy = thrown instanceof GoogleRefusal ? thrown : null;
  if (refusedBy) return explainAnswer(place, where, refusedBy);
  const names = codesOf(thrown);
  const said = thrown instanceof Error ? thrown.message : '';
  if (/could not load the default credentials/i.test(said)) {
    return noCredentials(
      where,
      'Set KQUEEN_BACKUP_GCS_KEY_FILE to the key file of a service account, or give this machine a service account of its own.',
      thrown,
    );
  }
  if (/invalid_grant|invalid_client/i.test(said)) {
    if (/reasonable timeframe|\biat\b|issued in the future/i.test(said)) return skewed(where, thrown);
    return refusal(
      'not-allowed',
      'Google does not take the key of the service account that keeps the backups.',
      'Make a new key and set KQUEEN_BACKUP_GCS_KEY_FILE to its file; look whether the account is disabled or deleted.',
      thrown,
    );
  }
  // What fetch throws has the connection's own error inside.
  if (names.includes('TypeError') && thrown instanceof Error && thrown.cause instanceof Fault) return thrown.cause;
  return null;
}

function explainAnswer(place: GcsPlace, where: string, error: GoogleRefusal): Fault | null {
  const { status, reason, message } = error;
  const { bucket } = place;
  if (status === 404) {
    return refusal(
      'not-found',
      `There is no bucket ${bucket} at ${place.endpoint ?? 'Google Cloud Storage'}.`,
      'Make the bucket, or name the right one in KQUEEN_BACKUP_URL.',
      error,
    );
  }
  if (status === 401) {
    return refusal(
      'not-allowed',
      `${capital(where)} does not take KQueen’s credentials.`,
      'Set KQUEEN_BACKUP_GCS_KEY_FILE to the key file of a service account that is good.',
      error,
    );
  }
  if (
    status === 429 ||
    status === 408 ||
    status >= 500 ||
    reason === 'rateLimitExceeded' ||
    reason === 'userRateLimitExceeded'
  ) {
    return passing(where, status === 408 ? 503 : status === 403 ? 429 : status, error, error.retryAfterMs);
  }
  if (status === 403) {
    if (reason === 'accountDisabled' || /billing/i.test(message)) {
      return refusal(
        'not-allowed',
        `The project of the bucket ${bucket} has no billing account that is open.`,
        'Link the project to an open billing account in the Google Cloud console.',
        error,
      );
    }
    if (/quota|exceeded/i.test(reason)) {
      return refusal(
        'quota',
        `The quota of ${where} is used up.`,
        'Raise it in the Google Cloud console, or delete old backups.',
        error,
      );
    }
    const retained = reason === 'retentionPolicyNotMet' || reason === 'objectUnderActiveHold';
    if (retained) {
      return refusal(
        'conflict',
        `An object in ${where} may not be changed or deleted yet: the bucket’s retention policy or a hold keeps it.`,
        'Wait for its end, or take the policy or the hold away.',
        error,
      );
    }
    return refusal(
      'not-allowed',
      `KQueen’s credentials may not do that in ${where}.`,
      'Give its service account the role Storage Object User (roles/storage.objectUser) on the bucket.',
      error,
    );
  }
  if (status === 412) {
    return refusal(
      'conflict',
      `${capital(where)} refuses a change because of a condition on the bucket or the object.`,
      'Look at the organisation policies and the retention policy of the bucket.',
      error,
    );
  }
  if (status >= 300 && status < 400) {
    return refusal(
      'bad-input',
      `${capital(where)} is to be asked for at another address.`,
      'Check the endpoint in KQUEEN_BACKUP_URL.',
      error,
    );
  }
  if (status >= 400) {
    return refusal(
      'bad-input',
      `${capital(where)} refuses what KQueen asks of it (${reason === '' ? `status ${status}` : reason}).`,
      'Check the address in KQUEEN_BACKUP_URL; the log of KQueen has the whole answer.',
      error,
    );
  }
  return refusal(
    'unreachable',
    `${capital(where)} does not answer as Google does.`,
    'Check the endpoint in KQUEEN_BACKUP_URL.',
    error,
  );
}
