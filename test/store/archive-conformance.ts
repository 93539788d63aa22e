/** What every place for backups has to do, whoever keeps it. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { asFault, type Fault } from '../../src/core/errors.ts';
import type { Archive } from '../../src/core/ports/archive.ts';
import type { Call } from '../../src/core/ports/engine.ts';
import { type ArchivePlace, openArchive } from '../../src/store/archive/index.ts';
import type { Front } from './archive-front.ts';
import { realClock } from './clocks.ts';
import { keepingLog } from './parts.ts';

/** A place under test; the parts that a directory does not have are left out. */
export interface ArchiveHarness {
  /** A good place; `below` becomes a part of its prefix. */
  place(below: string): ArchivePlace;
  /** What stands before it on the network. */
  front?: Front;
  /** The same place with something wrong. */
  wrong?: {
    /** A key that the place does not take. */
    key: ArchivePlace;
    /** A bucket or container that is not there, with its name. */
    bucket: ArchivePlace;
    bucketName: string;
    /** TLS by an authority that is not known here, and with it known. */
    authority: ArchivePlace;
    trusted: ArchivePlace;
    /** Nothing listens there. */
    nobody: ArchivePlace;
  };
  /** What a server of other makers does otherwise than the protocol has it, with the reason that is told for what is left out. */
  quirks?: Partial<Record<'order' | 'pages' | 'shared' | 'key', string>>;
  /** Texts that must be in no message and in no log line. */
  secrets: string[];
  close(): Promise<void>;
}

export function callFor(ms: number, signal: AbortSignal = new AbortController().signal): Call {
  return { signal, deadline: Date.now() + ms };
}

/** What a call is refused with. */
export async function refusalOf(work: Promise<unknown>): Promise<Fault> {
  const result = await work.then(
    () => undefined,
    (thrown: unknown) => asFault(thrown),
  );
  if (!result) throw new Error('it was not refused');
  return result;
}

export function archiveConformance(name: string, open: () => Promise<ArchiveHarness>): void {
  describe(`${name} as a place for backups`, () => {
    let harness: ArchiveHarness;
    const log = keepingLog();
    const opened: Archive[] = [];
    let counted = 0;
    const said: string[] = [];

    function at(place: ArchivePlace): Archive {
      const archive = openArchive(place, { log, clock: realClock });
      opened.push(archive);
      return archive;
    }
    function fresh(): Archive {
      counted += 1;
      return at(harness.place(`t${counted}`));
    }
    async function refused(work: Promise<unknown>): Promise<Fault> {
      const fault = await refusalOf(work);
      said.push(JSON.stringify([fault.message, fault.next, fault.detail]));
      return fault;
    }

    beforeAll(async () => {
      harness = await open();
    });
    afterEach(() => harness.front?.set('pass'));
    afterAll(async () => {
      for (const each of opened) await each.close();
      await harness.close();
      const everything = JSON.stringify([log.lines, said]);
      for (const secret of harness.secrets) expect(everything).not.toContain(secret);
    });

    it('gives back what was put, byte for byte, and replaces it whole', async () => {
      const archive = fresh();
      const body = randomBytes(4 * 1024 * 1024);
      await archive.put('org/c1/b1/chunk-0001.gz', body, callFor(20_000));
      expect(body.equals((await archive.get('org/c1/b1/chunk-0001.gz', callFor(20_000))) ?? Buffer.alloc(0))).toBe(
        true,
      );
      await archive.put('org/c1/b1/chunk-0001.gz', Buffer.from('short'), callFor(5_000));
      expect(Buffer.from((await archive.get('org/c1/b1/chunk-0001.gz', callFor(5_000))) ?? '').toString()).toBe(
        'short',
      );
      await archive.put('org/c1/b1/empty', Buffer.alloc(0), callFor(5_000));
      expect((await archive.get('org/c1/b1/empty', callFor(5_000)))?.byteLength).toBe(0);
    });

    it('knows what is not there, and deletes it without a word', async () => {
      const archive = fresh();
      expect(await archive.get('nothing/here', callFor(5_000))).toBeUndefined();
      await archive.delete('nothing/here', callFor(5_000));
      await archive.put('once', Buffer.from('x'), callFor(5_000));
      await archive.delete('once', callFor(5_000));
      expect(await archive.get('once', callFor(5_000))).toBeUndefined();
      expect(await archive.list('', callFor(5_000))).toEqual([]);
    });

    it('lists by prefix in the order of whole keys, with sizes, from any key on', async () => {
      const archive = fresh();
      const strictly = ['a-b/1', 'a/b.c'];
      const all = ['a/b/2', 'a/b/10', 'a/b.c', 'a-b/1', 'a/c', 'b/1', 'A/1', 'a/b/1', 'a0', 'a_b'];
      const keys = harness.quirks?.order === undefined ? all : all.filter((key) => !strictly.includes(key));
      for (const key of keys) await archive.put(key, Buffer.from(key), callFor(5_000));
      const sorted = [...keys].sort();
      const seen = await archive.list('', callFor(5_000));
      expect(seen).toEqual(sorted.map((key) => ({ key, size: key.length })));
      const below = await archive.list('a/b', callFor(5_000));
      expect(below.map(({ key }) => key)).toEqual(sorted.filter((key) => key.startsWith('a/b')));
      expect((await archive.list('a/b/', callFor(5_000), 'a/b/1')).map(({ key }) => key)).toEqual(['a/b/10', 'a/b/2']);
      for (const after of sorted) {
        const rest = await archive.list('', callFor(5_000), after);
        expect(rest.map(({ key }) => key)).toEqual(sorted.filter((key) => key > after));
      }
      expect(await archive.list('nothing/', callFor(5_000))).toEqual([]);
      expect(await archive.list('', callFor(5_000), 'zz')).toEqual([]);
    });

    it('lists a thousand at a time, and the rest from there', { timeout: 120_000 }, async (context) => {
      if (harness.quirks?.pages) return context.skip(harness.quirks.pages);
      const archive = fresh();
      const keys = Array.from(
        { length: 1_203 },
        (_, index) => `many/${index % 7}/${String(index).padStart(5, '0')}`,
      ).sort();
      const left = [...keys];
      await Promise.all(
        Array.from({ length: 12 }, async () => {
          for (let key = left.pop(); key !== undefined; key = left.pop())
            await archive.put(key, Buffer.from('.'), callFor(60_000));
        }),
      );
      const first = await archive.list('many/', callFor(20_000));
      expect(first.map(({ key }) => key)).toEqual(keys.slice(0, 1_000));
      const second = await archive.list('many/', callFor(20_000), first.at(-1)?.key);
      expect(second.map(({ key }) => key)).toEqual(keys.slice(1_000));
    });

    it('keeps two prefixes of one place apart', async () => {
      const [one, other] = [fresh(), fresh()];
      await one.put('same/key', Buffer.from('one'), callFor(5_000));
      expect(await other.get('same/key', callFor(5_000))).toBeUndefined();
      expect(await other.list('', callFor(5_000))).toEqual([]);
      await other.delete('same/key', callFor(5_000));
      expect(Buffer.from((await one.get('same/key', callFor(5_000))) ?? '').toString()).toBe('one');
    });

    it('is led nowhere else by a key', async () => {
      const archive = fresh();
      const strange = [
        '../x',
        'a/../../x',
        '/etc/passwd',
        'a//b',
        'a/./b',
        '.',
        '..',
        '',
        'a\\b',
        'a b',
        'a\0b',
        'ä',
        '%2e%2e/x',
        'a?b',
        `${'k'.repeat(513)}`,
      ];
      for (const key of strange) {
        expect((await refused(archive.put(key, Buffer.from('x'), callFor(5_000)))).kind, key).toBe('internal');
        expect((await refused(archive.get(key, callFor(5_000)))).kind, key).toBe('internal');
        expect((await refused(archive.delete(key, callFor(5_000)))).kind, key).toBe('internal');
      }
      for (const prefix of ['../', '/', 'a/../', 'a//']) {
        expect((await refused(archive.list(prefix, callFor(5_000)))).kind, prefix).toBe('internal');
      }
      const large = await refused(archive.put('large', Buffer.alloc(16 * 1024 * 1024 + 1), callFor(5_000)));
      expect(large).toMatchObject({ kind: 'internal', retryable: false });
    });

    it('shows one whole object or the other while several write it', async (context) => {
      if (harness.quirks?.shared) return context.skip(harness.quirks.shared);
      const archive = fresh();
      const bodies = Array.from({ length: 6 }, (_, index) => Buffer.alloc(300_000, index + 1));
      const whole = (body: Uint8Array | undefined) => bodies.some((each) => body !== undefined && each.equals(body));
      await archive.put('shared', bodies[0] ?? Buffer.alloc(0), callFor(5_000));
      const writers = bodies.map((body) => archive.put('shared', body, callFor(20_000)));
      const readers = Array.from({ length: 12 }, () => archive.get('shared', callFor(20_000)));
      for (const read of await Promise.all(readers)) expect(whole(read)).toBe(true);
      await Promise.all(writers);
      expect(whole(await archive.get('shared', callFor(5_000)))).toBe(true);
    });

    it('checks itself and leaves nothing behind', async () => {
      const archive = fresh();
      await archive.check(callFor(10_000));
      expect(await archive.list('', callFor(5_000))).toEqual([]);
      expect(archive.where).not.toBe('');
    });

    it('does nothing more when it is closed', async () => {
      const archive = fresh();
      await archive.put('k', Buffer.from('x'), callFor(5_000));
      await archive.close();
      expect((await refused(archive.get('k', callFor(5_000)))).kind).toBe('unreachable');
    });

    it('gives up at the deadline, and when it is told to', async (context) => {
      const { front } = harness;
      if (!front) return context.skip('a directory is not behind a network');
      const archive = fresh();
      await archive.put('k', Buffer.from('x'), callFor(5_000));
      front.set('hang');
      const begun = Date.now();
      const late = await refused(archive.get('k', callFor(700)));
      expect(Date.now() - begun).toBeLessThan(3_000);
      expect(late).toMatchObject({ kind: 'unreachable', retryable: true });
      expect(late.message).toContain('did not answer in time');
      for (const work of [
        (call: Call) => archive.put('k', Buffer.from('y'), call),
        (call: Call) => archive.list('', call),
        (call: Call) => archive.delete('k', call),
      ])
        expect((await refused(work(callFor(300)))).message).toContain('did not answer in time');
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 100);
      expect((await refused(archive.get('k', callFor(20_000, stop.signal)))).message).toContain('stopped waiting');
      expect((await refused(archive.get('k', callFor(-1)))).kind).toBe('unreachable');
      front.set('pass');
      expect(Buffer.from((await archive.get('k', callFor(5_000))) ?? '').toString()).toMatch(/[xy]/);
    });

    it('asks again for what fails in passing, a few times', async (context) => {
      const { front } = harness;
      if (!front) return context.skip('a directory is not behind a network');
      const archive = fresh();
      await archive.put('k', Buffer.from('x'), callFor(5_000));
      let left = 2;
      front.set(() => {
        left -= 1;
        return left >= 0 ? { status: 503, body: 'out of order' } : null;
      });
      expect(Buffer.from((await archive.get('k', callFor(10_000))) ?? '').toString()).toBe('x');
      front.set(() => ({ status: 503, body: 'out of order' }));
      const down = await refused(archive.put('k', Buffer.from('y'), callFor(10_000)));
      expect(down).toMatchObject({ kind: 'unreachable', retryable: true, whose: 'provider' });
      front.set(() => ({ status: 429, headers: { 'retry-after': '7' }, body: 'slow down' }));
      const begun = Date.now();
      const slow = await refused(archive.list('', callFor(10_000)));
      expect(slow).toMatchObject({ kind: 'rate-limited', retryAfterMs: 7_000 });
      // So long a wait is for those who asked.
      expect(Date.now() - begun).toBeLessThan(2_000);
    });

    it('repeats a change whose answer was lost', async (context) => {
      const { front } = harness;
      if (!front) return context.skip('a directory is not behind a network');
      const archive = fresh();
      await archive.put('warm', Buffer.from('x'), callFor(5_000));
      let lost = false;
      front.set('lose');
      const put = archive.put('k', Buffer.from('y'), callFor(10_000));
      const watch = setInterval(() => {
        lost = true;
        front.set('pass');
      }, 120);
      await put.finally(() => clearInterval(watch));
      expect(lost).toBe(true);
      expect(Buffer.from((await archive.get('k', callFor(5_000))) ?? '').toString()).toBe('y');
    });

    it('says which key, bucket or authority is wrong, and what to do', async (context) => {
      const { wrong } = harness;
      if (!wrong) return context.skip('a directory has none of these');
      if (!harness.quirks?.key) {
        const key = await refused(at(wrong.key).check(callFor(10_000)));
        expect(key).toMatchObject({ kind: 'not-allowed', whose: 'admin', retryable: false });
        expect(`${key.message} ${key.next}`).toMatch(/credentials|key/i);
        expect(key.next).toContain('KQUEEN_BACKUP_');
      }
      const bucket = at(wrong.bucket);
      for (const work of [
        () => bucket.list('', callFor(5_000)),
        () => bucket.put('k', Buffer.from('x'), callFor(5_000)),
        () => bucket.get('k', callFor(5_000)),
      ]) {
        const missing = await refused(work());
        expect(missing, missing.detail).toMatchObject({ kind: 'not-found', whose: 'admin' });
        expect(missing.message).toContain(wrong.bucketName);
      }
      const authority = await refused(at(wrong.authority).get('k', callFor(5_000)));
      expect(authority).toMatchObject({ kind: 'unreachable', whose: 'admin' });
      expect(authority.next).toContain('KQUEEN_BACKUP_CA_FILE');
      await at(wrong.trusted).check(callFor(10_000));
      const nobody = await refused(at(wrong.nobody).get('k', callFor(5_000)));
      expect(nobody.kind).toBe('unreachable');
      expect(nobody.message).toContain('nothing listens');
    });

    it('takes a web page for none of its answers', async (context) => {
      const { front } = harness;
      if (!front) return context.skip('a directory is not behind a network');
      const archive = fresh();
      await archive.put('k', Buffer.from('x'), callFor(5_000));
      front.set(() => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><p>Sign in' }));
      const page = await refused(archive.list('', callFor(5_000)));
      expect(page.message).not.toBe('');
      expect(page.kind, page.detail).toBe('unreachable');
    });
  });
}
