/** One suite over every place for backups: a directory, and Amazon's, Google's and Azure's object stores as servers on loopback. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { ArchivePlace } from '../../src/store/archive/index.ts';
import { openAmazonStorage } from '../counterparts/amazon/storage.ts';
import { openStorageServer } from '../counterparts/google/storage.ts';
import { endProcess, eventually, freePort, spawnReaped } from '../servers.ts';
import { type ArchiveHarness, archiveConformance } from './archive-conformance.ts';
import { openFront } from './archive-front.ts';

const require = createRequire(import.meta.url);

function folder(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'kqueen-archive-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

async function openDirectoryHarness(): Promise<ArchiveHarness> {
  const { dir, remove } = folder();
  return {
    place: (below) => ({ kind: 'dir', path: join(dir, 'backups', below) }),
    secrets: [],
    close: async () => remove(),
  };
}

/** The part of s3rver that is used: a server of Amazon's protocol that verifies signatures. */
type S3rver = new (options: Record<string, unknown>) => { run(): Promise<AddressInfo>; close(): Promise<void> };

async function openAmazonHarness(): Promise<ArchiveHarness> {
  const server = await openAmazonStorage();
  const front = await openFront(server.url);
  const wrongSecret = randomBytes(30).toString('base64');
  const { bucket, region, key } = server;
  const base = { kind: 's3', bucket, pathStyle: true, region, endpoint: front.url, key } as const;
  const at = (change: Partial<Extract<ArchivePlace, { kind: 's3' }>>): ArchivePlace => ({
    ...base,
    prefix: 'wrong',
    ...change,
  });
  return {
    place: (below) => ({ ...base, prefix: `kq/${below}` }),
    front,
    wrong: {
      key: at({ key: { id: key.id, secret: wrongSecret } }),
      bucket: at({ bucket: 'no-such-bucket' }),
      bucketName: 'no-such-bucket',
      authority: at({ endpoint: front.secureUrl }),
      trusted: at({ endpoint: front.secureUrl, ca: front.ca }),
      nobody: at({ endpoint: `http://127.0.0.1:${await freePort()}` }),
    },
    secrets: [wrongSecret, key.secret],
    async close() {
      await front.close();
      await server.close();
    },
  };
}

async function openS3rverHarness(): Promise<ArchiveHarness> {
  const { dir, remove } = folder();
  const S3rver = require('s3rver') as S3rver;
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: dir,
    vhostBuckets: false,
    configureBuckets: [{ name: 'backups', configs: [] }],
  });
  const { port } = await server.run();
  const front = await openFront(`http://127.0.0.1:${port}`);
  const wrongSecret = randomBytes(30).toString('base64');
  // The one key that s3rver knows.
  const key = { id: 'S3RVER', secret: 'S3RVER' };
  const base = {
    kind: 's3',
    bucket: 'backups',
    pathStyle: true,
    region: 'us-east-1',
    endpoint: front.url,
    key,
  } as const;
  const at = (change: Partial<Extract<ArchivePlace, { kind: 's3' }>>): ArchivePlace => ({
    ...base,
    prefix: 'wrong',
    ...change,
  });
  return {
    place: (below) => ({ ...base, prefix: `kq/${below}` }),
    front,
    wrong: {
      key: at({ key: { id: 'S3RVER', secret: wrongSecret } }),
      bucket: at({ bucket: 'no-such-bucket' }),
      bucketName: 'no-such-bucket',
      authority: at({ endpoint: front.secureUrl }),
      trusted: at({ endpoint: front.secureUrl, ca: front.ca }),
      nobody: at({ endpoint: `http://127.0.0.1:${await freePort()}` }),
    },
    quirks: {
      order: 's3rver lists folder by folder',
      pages: 's3rver answers a list of more than a thousand with an error of its own',
      shared: 's3rver writes a file in place, so that a reader meets half of it',
      key: 's3rver verifies no signatures of version 4',
    },
    secrets: [wrongSecret],
    async close() {
      await front.close();
      await server.close();
      remove();
    },
  };
}

async function openAzureHarness(): Promise<ArchiveHarness> {
  const { dir, remove } = folder();
  const port = await freePort();
  const account = 'kqueentest';
  const accountKey = randomBytes(64).toString('base64');
  const child = spawnReaped(
    process.execPath,
    [
      require.resolve('azurite/dist/src/blob/main.js'),
      ...[
        '--blobHost',
        '127.0.0.1',
        '--blobPort',
        String(port),
        '--location',
        dir,
        '--silent',
        '--skipApiVersionCheck',
      ],
      '--disableTelemetry',
    ],
    { PATH: process.env.PATH, AZURITE_ACCOUNTS: `${account}:${accountKey}` },
  );
  const service = `http://127.0.0.1:${port}/${account}`;
  await eventually(
    'the blob service answers',
    async () => {
      const answer = await fetch(service).catch(() => null);
      return answer !== null;
    },
    { timeoutMs: 30_000 },
  );
  const container = new BlobServiceClient(
    service,
    new StorageSharedKeyCredential(account, accountKey),
  ).getContainerClient('backups');
  await container.createIfNotExists();
  const front = await openFront(`http://127.0.0.1:${port}`);
  const wrongKey = randomBytes(64).toString('base64');
  const base = {
    kind: 'azure',
    account,
    container: 'backups',
    endpoint: `${front.url}/${account}`,
    key: accountKey,
  } as const;
  const at = (change: Partial<Extract<ArchivePlace, { kind: 'azure' }>>): ArchivePlace => ({
    ...base,
    prefix: 'wrong',
    ...change,
  });
  return {
    place: (below) => ({ ...base, prefix: `kq/${below}` }),
    front,
    wrong: {
      key: at({ key: wrongKey }),
      bucket: at({ container: 'no-such-container' }),
      bucketName: 'no-such-container',
      authority: at({ endpoint: `${front.secureUrl}/${account}` }),
      trusted: at({ endpoint: `${front.secureUrl}/${account}`, ca: front.ca }),
      nobody: at({ endpoint: `http://127.0.0.1:${await freePort()}/${account}` }),
    },
    secrets: [accountKey, wrongKey],
    async close() {
      await front.close();
      await endProcess(child, 'SIGTERM');
      remove();
    },
  };
}

async function openGcsHarness(): Promise<ArchiveHarness> {
  const server = await openStorageServer();
  const front = await openFront(server.url);
  const key = server.signIn.keyFile();
  const strange = server.signIn.strangeKeyFile();
  const base = {
    kind: 'gcs',
    bucket: server.bucket,
    endpoint: front.url,
    tokenUrl: `${server.url}/token`,
    key,
  } as const;
  const at = (change: Partial<Extract<ArchivePlace, { kind: 'gcs' }>>): ArchivePlace => ({
    ...base,
    prefix: 'wrong',
    ...change,
  });
  const privateKey = (file: string) => (JSON.parse(file) as { private_key: string }).private_key.slice(40, 90);
  return {
    place: (below) => ({ ...base, prefix: `kq/${below}` }),
    front,
    wrong: {
      key: at({ key: strange }),
      bucket: at({ bucket: 'no-such-bucket' }),
      bucketName: 'no-such-bucket',
      authority: at({ endpoint: front.secureUrl }),
      trusted: at({ endpoint: front.secureUrl, ca: front.ca, tokenUrl: `${server.url}/token` }),
      nobody: at({ endpoint: `http://127.0.0.1:${await freePort()}` }),
    },
    secrets: [privateKey(key), privateKey(strange)],
    async close() {
      await front.close();
      await server.close();
    },
  };
}

archiveConformance('A directory', openDirectoryHarness);
archiveConformance('Amazon S3', openAmazonHarness);
archiveConformance('An S3 of other makers', openS3rverHarness);
archiveConformance('Azure Blob Storage', openAzureHarness);
archiveConformance('Google Cloud Storage', openGcsHarness);
