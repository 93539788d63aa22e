/** What only one kind of place gets wrong, or says in its own way. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ArchivePlace, openArchive } from '../../src/store/archive/index.ts';
import { readPlace } from '../../src/store/archive/place.ts';
import { openAmazonStorage } from '../counterparts/amazon/storage.ts';
import { openStorageServer } from '../counterparts/google/storage.ts';
import { spawnReaped } from '../servers.ts';
import { callFor, refusalOf } from './archive-conformance.ts';
import { openFront } from './archive-front.ts';
import { realClock } from './clocks.ts';
import { keepingLog, temporaryFolder } from './parts.ts';

/** Gives a program mounts of its own. */
const ownMounts = 'unshare';
const log = keepingLog();
const parts = { log, clock: realClock };
const repository = fileURLToPath(new URL('../..', import.meta.url));

describe('addresses of places', () => {
  it('are read as what they are', () => {
    expect(readPlace('dir:///var/lib/kqueen/backups')).toEqual({ kind: 'dir', path: '/var/lib/kqueen/backups' });
    expect(readPlace('dir:///a/../b')).toEqual({ kind: 'dir', path: '/b' });
    expect(readPlace('s3://clusters/kq/lab?region=eu-central-1')).toEqual({
      ...{ kind: 's3', bucket: 'clusters', prefix: 'kq/lab', region: 'eu-central-1', pathStyle: false },
    });
    expect(readPlace('s3://clusters?endpoint=https://minio.lab:9000/')).toEqual({
      ...{ kind: 's3', bucket: 'clusters', prefix: '', endpoint: 'https://minio.lab:9000', pathStyle: true },
    });
    expect(readPlace('s3://clusters?endpoint=https://s3.lab&style=host')).toMatchObject({ pathStyle: false });
    expect(readPlace('gs://clusters/kq')).toEqual({ kind: 'gcs', bucket: 'clusters', prefix: 'kq' });
    expect(readPlace('azure://account1/clusters/kq')).toEqual({
      ...{ kind: 'azure', account: 'account1', container: 'clusters', prefix: 'kq' },
    });
  });

  it('are refused with the reason, and without what could be a secret', () => {
    const wrong: [string, RegExp][] = [
      ['somewhere', /no address/],
      ['https://s3.example/bucket', /begins otherwise/],
      ['dir://relative/path', /three slashes/],
      ['dir:///', /root of this machine/],
      ['s3://key:c4n4ry@bucket/p', /variables of their own/],
      ['s3://B', /no bucket/],
      ['s3://bucket/a%20b', /prefix/],
      ['s3://bucket?regoin=x', /region, endpoint, style/],
      ['s3://bucket?endpoint=ftp://x', /https/],
      ['s3://bucket?endpoint=https://u:c4n4ry@x', /more than a host/],
      ['s3://bucket?style=flat', /path or host/],
      ['gs://bucket?region=x', /endpoint, token/],
      ['azure://account1', /no container/],
      ['azure://Account_1/c', /no container|no storage account/],
    ];
    for (const [text, why] of wrong) {
      const read = readPlace(text);
      expect(read, text).toMatch(why);
      expect(read).not.toContain('c4n4ry');
    }
  });
});

describe('Amazon S3', () => {
  async function open(change: { region?: string } = {}) {
    const server = await openAmazonStorage('kqueen-backups', 'eu-west-1');
    const place: ArchivePlace = {
      kind: 's3',
      bucket: server.bucket,
      prefix: 'kq',
      pathStyle: true,
      endpoint: server.url,
      key: server.key,
      region: change.region ?? server.region,
    };
    const archive = openArchive(place, parts);
    onTestFinished(async () => {
      await archive.close();
      await server.close();
    });
    return { server, archive };
  }

  it('names the right region when it was asked in another', async () => {
    const { archive } = await open({ region: 'us-east-1' });
    const fault = await refusalOf(archive.put('k', Buffer.from('x'), callFor(5_000)));
    expect(fault).toMatchObject({ kind: 'bad-input', whose: 'admin', retryable: false });
    expect(fault.message).toBe('The bucket kqueen-backups is in the region eu-west-1, not in us-east-1.');
    expect(fault.next).toContain('region=eu-west-1');
    const list = await refusalOf(archive.list('', callFor(5_000)));
    expect(list.message).toContain('eu-west-1');
  });

  it('goes by their clock when ours is wrong, and says what rights are missing', async () => {
    const { server, archive } = await open();
    server.setSkew(3_600_000);
    await archive.check(callFor(5_000));
    server.setSkew(0);
    await archive.check(callFor(5_000));
    server.setForbidden(true);
    const forbidden = await refusalOf(archive.list('', callFor(5_000)));
    expect(forbidden.kind).toBe('not-allowed');
    expect(forbidden.next).toContain('s3:ListBucket');
  });

  it('reads a full store and a bucket elsewhere as what they are', async () => {
    const { server } = await open();
    const front = await openFront(server.url);
    const archive = openArchive(
      {
        kind: 's3',
        bucket: server.bucket,
        prefix: '',
        pathStyle: true,
        endpoint: front.url,
        key: server.key,
        region: 'eu-west-1',
      },
      parts,
    );
    onTestFinished(async () => {
      await archive.close();
      await front.close();
    });
    const error = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`;
    const headers = { 'content-type': 'application/xml' };
    front.set(() => ({ status: 507, headers, body: error('XMinioStorageFull') }));
    expect((await refusalOf(archive.put('k', Buffer.from('x'), callFor(5_000)))).kind).toBe('quota');
    front.set(() => ({
      status: 301,
      headers: { ...headers, 'x-amz-bucket-region': 'ap-south-1' },
      body: error('PermanentRedirect'),
    }));
    expect((await refusalOf(archive.put('k', Buffer.from('x'), callFor(5_000)))).message).toContain('ap-south-1');
    front.set(() => ({ status: 503, headers, body: error('SlowDown') }));
    expect((await refusalOf(archive.put('k', Buffer.from('x'), callFor(5_000)))).kind).toBe('rate-limited');
    front.set(() => ({ status: 403, headers, body: error('InvalidObjectState') }));
    expect((await refusalOf(archive.get('k', callFor(5_000)))).message).toContain('archive tier');
  });
});

describe('Google Cloud Storage', () => {
  it('has a new token when the old one is refused, reads short pages, and says which role is missing', async () => {
    const server = await openStorageServer();
    const place = {
      kind: 'gcs',
      bucket: server.bucket,
      prefix: 'kq',
      endpoint: server.url,
      tokenUrl: `${server.url}/token`,
    } as const;
    const archive = openArchive({ ...place, key: server.signIn.keyFile() }, parts);
    onTestFinished(async () => {
      await archive.close();
      await server.close();
    });
    for (const name of ['a', 'b', 'c', 'd', 'e']) await archive.put(name, Buffer.from(name), callFor(5_000));
    server.setPage(2);
    expect((await archive.list('', callFor(5_000))).map(({ key }) => key)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect((await archive.list('', callFor(5_000), 'b')).map(({ key }) => key)).toEqual(['c', 'd', 'e']);
    server.signIn.revoke();
    expect(Buffer.from((await archive.get('a', callFor(5_000))) ?? '').toString()).toBe('a');
    expect(server.signIn.issued().length).toBe(2);
    server.setForbidden(true);
    const forbidden = await refusalOf(archive.put('f', Buffer.from('f'), callFor(5_000)));
    expect(forbidden.kind).toBe('not-allowed');
    expect(forbidden.next).toContain('roles/storage.objectUser');
    server.signIn.setAccount('disabled');
    server.signIn.revoke();
    expect((await refusalOf(archive.get('a', callFor(5_000)))).next).toContain('KQUEEN_BACKUP_GCS_KEY_FILE');
    server.signIn.setAccount('enabled');
    server.signIn.setSkew(-7_200_000);
    expect((await refusalOf(archive.get('a', callFor(5_000)))).message).toContain('clock of this machine');
    const secret = (JSON.parse(server.signIn.keyFile()) as { private_key: string }).private_key.slice(40, 90);
    expect(JSON.stringify(log.lines)).not.toContain(secret);
  });
});

describe('Azure Blob Storage', () => {
  it('tells its refusals apart', async () => {
    const front = await openFront('http://127.0.0.1:1');
    const key = Buffer.alloc(64, 7).toString('base64');
    const archive = openArchive(
      { kind: 'azure', account: 'account1', container: 'clusters', prefix: '', endpoint: `${front.url}/account1`, key },
      parts,
    );
    onTestFinished(async () => {
      await archive.close();
      await front.close();
    });
    const refuse = (status: number, code: string, message: string, more = '') =>
      front.set(() => ({
        status,
        headers: { 'content-type': 'application/xml', 'x-ms-error-code': code },
        body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`,
      }));
    const put = () => refusalOf(archive.put('k', Buffer.from('x'), callFor(5_000)));
    refuse(
      403,
      'AuthenticationFailed',
      'Server failed to authenticate the request.',
      "<AuthenticationErrorDetail>Request date header too old: 'Mon'</AuthenticationErrorDetail>",
    );
    expect((await put()).message).toContain('clock of this machine');
    refuse(
      403,
      'KeyBasedAuthenticationNotPermitted',
      'Key based authentication is not permitted on this storage account.',
    );
    expect((await put()).message).toContain('takes no keys');
    refuse(
      403,
      'AuthorizationPermissionMismatch',
      'This request is not authorized to perform this operation using this permission.',
    );
    expect((await put()).next).toContain('Storage Blob Data Contributor');
    refuse(
      409,
      'BlobImmutableDueToPolicy',
      'This operation is not permitted as the blob is immutable due to a policy.',
    );
    expect((await refusalOf(archive.delete('k', callFor(5_000)))).kind).toBe('conflict');
    refuse(503, 'ServerBusy', 'The server is busy.');
    expect(await put()).toMatchObject({ kind: 'unreachable', retryable: true });
  });
});

describe('A directory', () => {
  it('says that the disk is full, and keeps what was there', async (context) => {
    // A disk of one megabyte in a namespace of its own.
    const can = spawnSync(ownMounts, ['-rm', 'true']);
    if (can.status !== 0) return context.skip('this machine lets nobody mount a small disk of their own (unshare -rm)');
    const dir = temporaryFolder();
    const program = `
      import { openArchive } from '${repository}/src/store/archive/index.ts';
      import { silentLog } from '${repository}/src/core/ports/log.ts';
      const archive = openArchive({ kind: 'dir', path: '${dir}/b' }, { log: silentLog, clock: { now: Date.now, sleep: async () => {} } });
      const call = { signal: new AbortController().signal, deadline: Date.now() + 10000 };
      await archive.put('k', Buffer.alloc(300000, 1), call);
      const fault = await archive.put('k', Buffer.alloc(900000, 2), call).then(() => null, (thrown) => thrown);
      const kept = await archive.get('k', call);
      console.log(JSON.stringify({ kind: fault?.kind, whose: fault?.whose, message: fault?.message, next: fault?.next, kept: kept.length, first: kept[0], list: await archive.list('', call) }));`;
    const script = `mount -t tmpfs -o size=1m none '${dir}' && exec '${process.execPath}' --input-type=module -e "$PROGRAM"`;
    const run = spawnSync(ownMounts, ['-rm', 'sh', '-c', script], {
      env: { ...process.env, PROGRAM: program },
      encoding: 'utf8',
    });
    if (/mount:.*(denied|permitted)/i.test(run.stderr))
      return context.skip('this machine lets nobody mount a small disk');
    const seen = JSON.parse(run.stdout || '{}') as Record<string, unknown>;
    expect(seen, run.stderr).toMatchObject({
      kind: 'quota',
      whose: 'admin',
      kept: 300_000,
      first: 1,
      list: [{ key: 'k', size: 300_000 }],
    });
    expect(seen.message).toContain('no space left');
    expect(seen.next).toContain('backup retain');
  });

  it('says who may not write there', async (context) => {
    const dir = temporaryFolder();
    mkdirSync(join(dir, 'shut'), { mode: 0o500 });
    if (process.getuid?.() === 0) {
      // Root writes everywhere: somebody else has to try.
      execFileSync('chmod', ['755', dir]);
      const program = `
        import { openArchive } from '${repository}/src/store/archive/index.ts';
        import { silentLog } from '${repository}/src/core/ports/log.ts';
        const archive = openArchive({ kind: 'dir', path: '${dir}/shut/b' }, { log: silentLog, clock: { now: Date.now, sleep: async () => {} } });
        process.setegid(65534); process.seteuid(65534);
        const fault = await archive.put('k', Buffer.from('x'), { signal: new AbortController().signal, deadline: Date.now() + 5000 }).then(() => null, (thrown) => thrown);
        console.log(JSON.stringify({ kind: fault?.kind, message: fault?.message }));`;
      const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
      if (run.stdout === '') return context.skip(`nobody else may read the program: ${run.stderr.slice(0, 100)}`);
      expect(JSON.parse(run.stdout)).toMatchObject({ kind: 'not-allowed' });
      return;
    }
    const archive = openArchive({ kind: 'dir', path: join(dir, 'shut', 'b') }, parts);
    expect((await refusalOf(archive.put('k', Buffer.from('x'), callFor(5_000)))).kind).toBe('not-allowed');
  });

  it('follows no link, lists no half file, and clears what an interrupted writer left', async () => {
    const dir = temporaryFolder();
    const path = join(dir, 'b');
    mkdirSync(join(path, '~writing'), { recursive: true });
    writeFileSync(join(path, '~writing', 'old'), 'half');
    writeFileSync(join(path, '~writing', 'new'), 'half');
    utimesSync(join(path, '~writing', 'old'), 1, 1);
    writeFileSync(join(dir, 'outside'), 'secret');
    symlinkSync(join(dir, 'outside'), join(path, 'link'));
    const archive = openArchive({ kind: 'dir', path }, parts);
    expect(await archive.list('', callFor(5_000))).toEqual([]);
    expect((await refusalOf(archive.get('link', callFor(5_000)))).kind).toBe('conflict');
    expect(readdirSync(join(path, '~writing'))).toEqual(['new']);
  });

  it('leaves only whole objects behind when its writer is killed', { timeout: 60_000 }, async () => {
    const dir = temporaryFolder();
    const program = fileURLToPath(new URL('./archive-writer-child.ts', import.meta.url));
    for (let round = 0; round < 6; round += 1) {
      const child = spawnReaped(process.execPath, [program, join(dir, 'b')], { PATH: process.env.PATH });
      await once(child.stdout ?? child, 'data');
      await new Promise((resolve) => setTimeout(resolve, 20 + round * 37));
      child.kill('SIGKILL');
      await once(child, 'exit');
      const archive = openArchive({ kind: 'dir', path: join(dir, 'b') }, parts);
      for (const { key, size } of await archive.list('', callFor(5_000))) {
        const body = Buffer.from((await archive.get(key, callFor(5_000))) ?? '');
        const value = body[0] ?? 0;
        expect(size).toBe(200_000 + value * 4_001);
        expect(body.equals(Buffer.alloc(size, value))).toBe(true);
      }
      expect(existsSync(join(dir, 'b'))).toBe(true);
    }
  });
});
