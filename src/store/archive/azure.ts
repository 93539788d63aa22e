/** Backups at Azure Blob Storage, by Microsoft's own SDK. */
import type { ContainerClient, StoragePipelineOptions } from '@azure/storage-blob';
import type { Fault } from '../../core/errors.ts';
import type { Kept } from '../../core/ports/archive.ts';
import { type Driver, mostBytes, mostListed } from './driver.ts';
import { capital, codesOf, noCredentials, passing, refusal, skewed } from './faults.ts';
import { type AzurePlace, placeWords } from './place.ts';

export async function openAzure(place: AzurePlace): Promise<Driver> {
  const sdk = await import('@azure/storage-blob');
  const where = placeWords(place);
  const service = place.endpoint ?? `https://${place.account}.blob.core.windows.net`;
  // The pipeline below the SDK takes an authority of one's own; the SDK's type does not say so.
  const options: StoragePipelineOptions & { tlsOptions?: { ca: string } } = {
    // Trying again is done once, for all places alike.
    retryOptions: { maxTries: 1 },
    userAgentOptions: { userAgentPrefix: 'kqueen' },
    ...(place.ca === undefined ? {} : { tlsOptions: { ca: place.ca } }),
  };
  const container = await open();

  async function open(): Promise<ContainerClient> {
    const address = `${service}/${encodeURIComponent(place.container)}`;
    const key = place.key?.trim();
    if (key === undefined) {
      const { DefaultAzureCredential } = await import('@azure/identity');
      return new sdk.ContainerClient(address, new DefaultAzureCredential(), options);
    }
    if (isSignature(key)) return new sdk.ContainerClient(`${address}?${key.replace(/^\?/, '')}`, undefined, options);
    return new sdk.ContainerClient(address, new sdk.StorageSharedKeyCredential(place.account, key), options);
  }

  return {
    async put(key, body, signal) {
      await container.getBlockBlobClient(key).upload(body, body.byteLength, {
        abortSignal: signal,
        blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
      });
    },

    async get(key, signal) {
      try {
        const answer = await container.getBlobClient(key).download(0, undefined, { abortSignal: signal });
        if ((answer.contentLength ?? 0) > mostBytes) throw new RangeError('The blob is larger than any of KQueen.');
        const chunks: Buffer[] = [];
        for await (const chunk of answer.readableStreamBody ?? []) chunks.push(Buffer.from(chunk));
        return Buffer.concat(chunks);
      } catch (thrown) {
        if (codeOf(thrown) === 'BlobNotFound') return undefined;
        throw thrown;
      }
    },

    async list(prefix, after, signal) {
      const found: Kept[] = [];
      const pages = container.listBlobsFlat({ prefix, abortSignal: signal }).byPage({ maxPageSize: mostListed });
      // Azure goes on from a mark of its own alone: what comes before is read, and left out.
      for await (const page of pages) {
        for (const { name, properties } of page.segment.blobItems) {
          if (after === undefined || name > after) found.push({ key: name, size: properties.contentLength ?? 0 });
        }
        if (found.length >= mostListed) break;
      }
      return found.slice(0, mostListed);
    },

    async delete(key, signal) {
      try {
        await container.getBlobClient(key).delete({ abortSignal: signal, deleteSnapshots: 'include' });
      } catch (thrown) {
        if (codeOf(thrown) !== 'BlobNotFound') throw thrown;
      }
    },

    explain: (thrown) => explain(place, where, thrown),

    // The SDK's connections are shared by all its clients, and let go when they are idle.
    async close() {},
  };
}

/** Whether a key is a token of a shared access signature: it has its own form, `sv=…&sig=…`. */
function isSignature(key: string): boolean {
  return /(?:^|[?&])sig=/.test(key);
}

/** What Microsoft's SDK throws for an answer of 400 and above, as far as it is read here. */
interface RestError {
  code?: string;
  statusCode?: number;
  message: string;
  details?: { errorCode?: string };
  response?: { bodyAsText?: string | null; headers?: { get(name: string): string | undefined } };
}

function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return '';
  const error = thrown as unknown as RestError;
  return error.details?.errorCode ?? error.code ?? '';
}

/** Error codes: learn.microsoft.com, "Blob Storage error codes" and "Common REST API error codes". */
function explain(place: AzurePlace, where: string, thrown: unknown): Fault | null {
  if (!(thrown instanceof Error)) return null;
  const error = thrown as unknown as RestError;
  const { statusCode: status, message } = error;
  const { account, container } = place;
  const said = `${message} ${error.response?.bodyAsText ?? ''}`;
  // Some servers call it a want of rights when a signature is wrong, and say in words which it is.
  const code = /failed to authenticate the request/i.test(said) ? 'AuthenticationFailed' : codeOf(thrown);
  switch (code) {
    case 'ContainerNotFound':
    case 'ContainerBeingDeleted':
      return refusal(
        'not-found',
        `There is no container ${container} in the storage account ${account}.`,
        'Make the container, or name the right one in KQUEEN_BACKUP_URL.',
        thrown,
      );
    case 'AuthenticationFailed':
    case 'InvalidAuthenticationInfo': {
      if (/request date header|too old|not within|clock/i.test(said)) return skewed(where, thrown);
      const expired = /signature not valid in the specified time frame|expir/i.test(said);
      return refusal(
        'not-allowed',
        `${capital(where)} does not take KQueen’s credentials${expired ? ': they have expired' : ''}.`,
        place.key === undefined
          ? 'Look at the identity that Azure’s SDK finds on this machine, or set KQUEEN_BACKUP_AZURE_KEY.'
          : 'Set KQUEEN_BACKUP_AZURE_KEY to a key of this storage account, or to a shared access signature that is valid.',
        thrown,
      );
    }
    case 'KeyBasedAuthenticationNotPermitted':
      return refusal(
        'not-allowed',
        `The storage account ${account} takes no keys.`,
        'Unset KQUEEN_BACKUP_AZURE_KEY and give KQueen an identity with the role Storage Blob Data Contributor, or allow keys on the account.',
        thrown,
      );
    case 'AuthorizationFailure':
    case 'AuthorizationPermissionMismatch':
    case 'AuthorizationResourceTypeMismatch':
    case 'AuthorizationServiceMismatch':
    case 'AuthorizationProtocolMismatch':
    case 'AuthorizationSourceIPMismatch':
    case 'InsufficientAccountPermissions':
      return refusal(
        'not-allowed',
        `KQueen’s credentials may not do that in ${where}.`,
        'Give them the role Storage Blob Data Contributor on the container, or a shared access signature for reading, writing, deleting and listing; look at the account’s firewall as well.',
        thrown,
      );
    case 'AccountIsDisabled':
      return refusal(
        'not-allowed',
        `The storage account ${account} is disabled.`,
        'Enable the account or its subscription in the Azure portal.',
        thrown,
      );
    case 'BlobArchived':
      return refusal(
        'conflict',
        `A blob of the backup was moved to the archive tier in ${where}, where it cannot be read.`,
        'Bring it back to the hot or cool tier first, and keep backups out of that lifecycle rule.',
        thrown,
      );
    case 'BlobImmutableDueToPolicy':
    case 'LeaseIdMissing':
      return refusal(
        'conflict',
        `A blob in ${where} may not be changed or deleted: a policy or a lease keeps it.`,
        'Wait for the end of the policy, or break the lease in the Azure portal.',
        thrown,
      );
  }
  const names = codesOf(thrown);
  if (names.includes('CredentialUnavailableError') || names.includes('AggregateAuthenticationError')) {
    return noCredentials(
      where,
      'Set KQUEEN_BACKUP_AZURE_KEY, or give this machine an identity that Azure’s SDK finds.',
      thrown,
    );
  }
  if (names.includes('AuthenticationError')) {
    return refusal(
      'not-allowed',
      'Microsoft refuses the identity that KQueen has for its backups.',
      'Look at the identity that Azure’s SDK finds on this machine, or set KQUEEN_BACKUP_AZURE_KEY.',
      thrown,
    );
  }
  if (names.includes('ENOTFOUND') && place.endpoint === undefined) {
    return refusal(
      'not-found',
      `There is no storage account ${account}.`,
      'Name the right one in KQUEEN_BACKUP_URL.',
      thrown,
    );
  }
  // The SDK stumbles over a list that is none.
  if (status === undefined && !(thrown instanceof TypeError)) return null;
  if (status === undefined || status < 300) {
    // What comes with a good status and cannot be read is a web page, or an answer that was cut.
    return refusal(
      'unreachable',
      `${capital(where)} does not answer as Azure does.`,
      'Check the endpoint in KQUEEN_BACKUP_URL.',
      thrown,
    );
  }
  if (status === 429 || status >= 500) return passing(where, status, thrown, retryAfterOf(error));
  if (status >= 400) {
    return refusal(
      status === 401 || status === 403 ? 'not-allowed' : 'bad-input',
      `${capital(where)} refuses what KQueen asks of it (${code === '' ? `status ${status}` : code}).`,
      'Check the address and the credentials in the settings KQUEEN_BACKUP_…; the log of KQueen has the whole answer.',
      thrown,
    );
  }
  return null;
}

function retryAfterOf(error: RestError): number | undefined {
  const seconds = Number(error.response?.headers?.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(seconds, 3_600) * 1_000 : undefined;
}
