/** Backups at Amazon S3 and at servers that speak its API, by Amazon's own SDK. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { Fault } from '../../core/errors.ts';
import { type Driver, mostBytes, mostListed } from './driver.ts';
import { capital, codesOf, noCredentials, passing, refusal, skewed } from './faults.ts';
import { placeWords, type S3Place } from './place.ts';

const connectMs = 10_000;

export async function openS3(place: S3Place): Promise<Driver> {
  const sdk = await import('@aws-sdk/client-s3');
  const { bucket } = place;
  const where = placeWords(place);
  const trusted = place.ca === undefined ? {} : { ca: place.ca };
  const config: S3ClientConfig = {
    // Servers of other makers take any; Amazon says which one it is when it is another.
    ...(place.region !== undefined || place.endpoint !== undefined ? { region: place.region ?? 'us-east-1' } : {}),
    ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
    ...(place.key === undefined
      ? {}
      : { credentials: { accessKeyId: place.key.id, secretAccessKey: place.key.secret } }),
    forcePathStyle: place.pathStyle,
    // Trying again is done once, for all places alike.
    maxAttempts: 1,
    // Older servers refuse checksums at the end of a body; signatures cover the body all the same.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectMs,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: 16 }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: 16, ...trusted }),
    },
  };
  const client = new sdk.S3Client(config);

  return {
    async put(key, body, signal) {
      const command = new sdk.PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: body,
        ContentLength: body.byteLength,
        ContentType: 'application/octet-stream',
      });
      await client.send(command, { abortSignal: signal });
    },

    async get(key, signal) {
      try {
        const answer = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key }), {
          abortSignal: signal,
        });
        if ((answer.ContentLength ?? 0) > mostBytes) throw new RangeError('The object is larger than any of KQueen.');
        return await answer.Body?.transformToByteArray();
      } catch (thrown) {
        if (nameOf(thrown) === 'NoSuchKey') return undefined;
        throw thrown;
      }
    },

    async list(prefix, after, signal) {
      const command = new sdk.ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        MaxKeys: mostListed,
        ...(after === undefined ? {} : { StartAfter: after }),
      });
      const { Contents = [] } = await client.send(command, { abortSignal: signal });
      return Contents.flatMap(({ Key, Size }) => (Key === undefined ? [] : [{ key: Key, size: Number(Size ?? 0) }]));
    },

    async delete(key, signal) {
      await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal });
    },

    explain: (thrown) => explain(place, where, thrown),

    async close() {
      client.destroy();
    },
  };
}

/** What Amazon's SDK throws, as far as it is read here. */
interface S3Error {
  name: string;
  message: string;
  Region?: unknown;
  Endpoint?: unknown;
  $metadata?: { httpStatusCode?: number };
  $response?: { headers?: Record<string, string | undefined> };
}

function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : '';
}

/** Error codes: docs.aws.amazon.com, "Error responses" of Amazon S3. */
function explain(place: S3Place, where: string, thrown: unknown): Fault | null {
  if (!(thrown instanceof Error)) return null;
  const error = thrown as unknown as S3Error;
  const status = error.$metadata?.httpStatusCode;
  const { bucket } = place;
  const region = place.region ?? 'us-east-1';
  const theirs = rightRegion(error);
  switch (error.name) {
    case 'NoSuchBucket':
      return refusal(
        'not-found',
        `There is no bucket ${bucket} at ${place.endpoint ?? 'Amazon S3'}.`,
        'Make the bucket, or name the right one in KQUEEN_BACKUP_URL.',
        thrown,
      );
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
    case 'ExpiredToken':
    case 'InvalidClientTokenId':
      return refusal(
        'not-allowed',
        `${capital(where)} does not take KQueen’s credentials: ${meaning[error.name] ?? 'they are refused'}.`,
        place.key === undefined
          ? 'Look at the credentials that Amazon’s SDK finds on this machine (variables, profile, role), or set KQUEEN_BACKUP_S3_KEY_ID and KQUEEN_BACKUP_S3_SECRET.'
          : 'Set KQUEEN_BACKUP_S3_KEY_ID and KQUEEN_BACKUP_S3_SECRET to a key that is good.',
        thrown,
      );
    case 'AccessDenied':
    case 'AllAccessDisabled':
    case 'AccountProblem':
      return refusal(
        'not-allowed',
        `KQueen’s credentials may not do that in ${where}.`,
        `Allow them s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on what is below ${place.prefix === '' ? 'it' : place.prefix}.`,
        thrown,
      );
    case 'RequestTimeTooSkewed':
      // The SDK has read the other side's time from this answer and signs the next try by it.
      return skewed(where, thrown, { whose: 'kqueen', retryable: true });
    case 'QuotaExceeded':
    case 'ServiceQuotaExceededException':
    case 'XMinioStorageFull':
    case 'EntityTooLarge':
      return refusal(
        'quota',
        `There is no space left in ${where}.`,
        'Give the bucket more, or delete old backups with backup delete.',
        thrown,
      );
    case 'CredentialsProviderError':
      return noCredentials(
        where,
        'Set KQUEEN_BACKUP_S3_KEY_ID and KQUEEN_BACKUP_S3_SECRET, or give this machine a role that Amazon’s SDK finds.',
        thrown,
      );
    case 'InvalidObjectState':
      return refusal(
        'conflict',
        `An object of the backup was moved to an archive tier in ${where}, where it cannot be read.`,
        'Restore it to a readable storage class first, and keep backups out of that lifecycle rule.',
        thrown,
      );
  }
  if (theirs !== undefined && theirs !== region) {
    return refusal(
      'bad-input',
      `The bucket ${bucket} is in the region ${theirs}, not in ${region}.`,
      `Write region=${theirs} in KQUEEN_BACKUP_URL.`,
      thrown,
    );
  }
  if (/region is missing/i.test(error.message)) {
    return refusal(
      'bad-input',
      `The region of the bucket ${bucket} is not known.`,
      'Write ?region=… behind the bucket in KQUEEN_BACKUP_URL.',
      thrown,
    );
  }
  if (status === 301 || status === 307 || error.name === 'PermanentRedirect') {
    return refusal(
      'bad-input',
      `The bucket ${bucket} is to be asked for at another address.`,
      'Write its region or its endpoint in KQUEEN_BACKUP_URL.',
      thrown,
    );
  }
  if (status === 429 || (status !== undefined && status >= 500) || error.name === 'SlowDown') {
    return passing(where, error.name === 'SlowDown' ? 429 : (status ?? 503), thrown, retryAfterOf(error));
  }
  if (status !== undefined && status >= 400) {
    return refusal(
      status === 401 || status === 403 ? 'not-allowed' : 'bad-input',
      `${capital(where)} refuses what KQueen asks of it (${codesOf(thrown)[0] ?? `status ${status}`}).`,
      'Check the address and the credentials in the settings KQUEEN_BACKUP_…; the log of KQueen has the whole answer.',
      thrown,
    );
  }
  if (status !== undefined && status < 300) {
    // What comes with a good status and cannot be read is a web page, or an answer that was cut.
    return refusal(
      'unreachable',
      `${capital(where)} does not answer as S3 does.`,
      'Check the endpoint in KQUEEN_BACKUP_URL.',
      thrown,
    );
  }
  return null;
}

const meaning: Record<string, string> = {
  InvalidAccessKeyId: 'it does not know the key',
  InvalidClientTokenId: 'it does not know the key',
  SignatureDoesNotMatch: 'the secret does not belong to the key',
  InvalidToken: 'the token is none',
  ExpiredToken: 'the token has expired',
};

/** The region that Amazon names when it was asked in another. */
function rightRegion(error: S3Error): string | undefined {
  const told = typeof error.Region === 'string' ? error.Region : undefined;
  const header = error.$response?.headers?.['x-amz-bucket-region'];
  const written = /expecting '([a-z0-9-]+)'/.exec(error.message)?.[1];
  return [header, told, written].find((each) => each !== undefined && /^[a-z0-9-]{1,40}$/.test(each));
}

function retryAfterOf(error: S3Error): number | undefined {
  const seconds = Number(error.$response?.headers?.['retry-after'] ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(seconds, 3_600) * 1_000 : undefined;
}
