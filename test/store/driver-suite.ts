/** The rules that every driver of the store keeps; `docs` of the port are in src/store/driver.ts. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Driver, WatchEvent } from '../../src/store/driver.ts';
import { Compacted } from '../../src/store/driver.ts';
import { eventually } from '../servers.ts';
import { faultFrom, put, readAll, recordWatch } from './drives.ts';

export interface Subject {
  /** One driver for the whole suite; each test keeps to keys of its own. */
  open(): Promise<Driver>;
  /** Another one on the same data, after the first is closed. */
  reopen(): Promise<Driver>;
  /** Lets this much time pass for leases. */
  pass(ms: number): Promise<void>;
  end(): Promise<void>;
}

async function remove(driver: Driver, key: string): Promise<number> {
  const result = await driver.txn([], [{ op: 'delete', key }]);
  return result.revision;
}

export function driverSuite(name: string, subject: Subject): void {
  describe(`${name} keeps the rules of a driver`, () => {
    let driver: Driver;
    let round = 0;
    const fresh = (): string => {
      round += 1;
      return `/suite/${round}/`;
    };
    beforeAll(async () => {
      driver = await subject.open();
    });
    afterAll(() => subject.end());

    describe('reading', () => {
      it('gives a key with its revisions and version, and nothing for an absent one', async () => {
        const at = fresh();
        expect(await driver.get(`${at}a`)).toBeUndefined();
        const first = await put(driver, `${at}a`, 'one');
        const second = await put(driver, `${at}a`, 'zwei ü 🚀');
        expect(await driver.get(`${at}a`)).toEqual({
          key: `${at}a`,
          value: 'zwei ü 🚀',
          revision: second,
          created: first,
          version: 2,
        });
        expect(second).toBe(first + 1);
        await remove(driver, `${at}a`);
        expect(await driver.get(`${at}a`)).toBeUndefined();
        const again = await put(driver, `${at}a`, 'three');
        expect(await driver.get(`${at}a`)).toMatchObject({ created: again, version: 1 });
      });

      it('pages through a prefix in byte order, each key once, whatever the page size', async () => {
        const at = fresh();
        const names = ['a', 'a/b', 'a0', 'B', 'b', 'é', 'z', '~', '%2F', '\u{1f680}', '\uff5e'];
        for (const each of names) await put(driver, at + each, each);
        // A neighbour on each side that is not of the prefix.
        await put(driver, `${at.slice(0, -1)}0`, 'after');
        await put(driver, `${at.slice(0, -1)}.`, 'before');
        const ordered = names.map((each) => at + each).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        for (const limit of [1, 2, 3, 500]) {
          expect((await readAll(driver, at, limit)).map(({ key }) => key)).toEqual(ordered);
        }
        const page = await driver.range(at, { limit: 2 });
        expect(page.more).toBe(true);
        expect((await driver.range(at, { after: ordered.at(-1) ?? '' })).entries).toEqual([]);
        expect((await driver.range(at, { after: `${at}b`, limit: 500 })).entries[0]?.key).toBe(`${at}z`);
      });

      it('never gives more than 500 keys at once', async () => {
        const at = fresh();
        for (let start = 0; start < 600; start += 120) {
          const operations = Array.from({ length: 120 }, (_, index) => ({
            op: 'put' as const,
            key: `${at}${String(start + index).padStart(4, '0')}`,
            value: 'x',
          }));
          await driver.txn([], operations);
        }
        const page = await driver.range(at, { limit: 10_000 });
        expect(page.entries).toHaveLength(500);
        expect(page.more).toBe(true);
        expect(await readAll(driver, at)).toHaveLength(600);
      });

      it('leaves values out when only keys are asked for', async () => {
        const at = fresh();
        const revision = await put(driver, `${at}a`, 'long');
        expect((await driver.range(at, { keysOnly: true })).entries).toMatchObject([{ value: '', revision }]);
      });

      it('reads as of an older revision, deleted keys included', async () => {
        const at = fresh();
        await put(driver, `${at}a`, '1');
        const then = await put(driver, `${at}b`, '1');
        await put(driver, `${at}a`, '2');
        await remove(driver, `${at}b`);
        await put(driver, `${at}c`, '1');
        const old = await readAll(driver, at, 1, then);
        expect(old.map(({ key, value }) => [key.slice(at.length), value])).toEqual([
          ['a', '1'],
          ['b', '1'],
        ]);
        expect((await readAll(driver, at)).map(({ value }) => value)).toEqual(['2', '1']);
        expect((await driver.range(at, { revision: then })).revision).toBeGreaterThan(then);
        await expect(driver.range(at, { revision: then + 10_000 })).rejects.toMatchObject({ kind: 'bad-input' });
      });
    });

    describe('transactions', () => {
      it('write when every condition holds, at one revision', async () => {
        const at = fresh();
        const a = await put(driver, `${at}a`, '1');
        const result = await driver.txn(
          [
            { key: `${at}a`, revision: a },
            { key: `${at}b`, revision: 0 },
          ],
          [
            { op: 'put', key: `${at}a`, value: '2' },
            { op: 'put', key: `${at}b`, value: '1' },
          ],
        );
        expect(result).toEqual({ ok: true, revision: a + 1 });
        expect((await readAll(driver, at)).map(({ revision }) => revision)).toEqual([a + 1, a + 1]);
      });

      it('write nothing when one does not, and name each that did not', async () => {
        const at = fresh();
        const a = await put(driver, `${at}a`, '1');
        await put(driver, `${at}b`, '1');
        const before = await readAll(driver, at);
        const result = await driver.txn(
          [
            { key: `${at}a`, revision: a },
            { key: `${at}b`, revision: 0 },
            { key: `${at}c`, revision: a },
          ],
          [
            { op: 'put', key: `${at}a`, value: '2' },
            { op: 'delete', key: `${at}b` },
          ],
        );
        expect(result).toMatchObject({ ok: false, conflicts: [`${at}b`, `${at}c`] });
        expect(await readAll(driver, at)).toEqual(before);
      });

      it('delete one key and put another at once', async () => {
        const at = fresh();
        const a = await put(driver, `${at}a`, '1');
        const result = await driver.txn(
          [{ key: `${at}a`, revision: a }],
          [
            { op: 'delete', key: `${at}a` },
            { op: 'put', key: `${at}b`, value: '2' },
          ],
        );
        expect(result.ok).toBe(true);
        expect((await readAll(driver, at)).map(({ key }) => key)).toEqual([`${at}b`]);
      });

      it('that change nothing leave the revision alone', async () => {
        const at = fresh();
        const revision = await put(driver, `${at}a`, '1');
        expect(await driver.txn([{ key: `${at}a`, revision }], [])).toEqual({ ok: true, revision });
        expect(await driver.txn([], [{ op: 'delete', key: `${at}nobody` }])).toEqual({ ok: true, revision });
        expect(await driver.txn([], [])).toEqual({ ok: true, revision });
      });

      it('of many writers on one key let exactly one win each round', async () => {
        const at = fresh();
        const start = await put(driver, `${at}n`, '0');
        const writers = Array.from({ length: 20 }, (_, index) =>
          driver.txn([{ key: `${at}n`, revision: start }], [{ op: 'put', key: `${at}n`, value: String(index) }]),
        );
        const results = await Promise.all(writers);
        expect(results.filter(({ ok }) => ok)).toHaveLength(1);
        const winner = results.findIndex(({ ok }) => ok);
        expect(await driver.get(`${at}n`)).toMatchObject({ value: String(winner), version: 2 });
      });

      it('lose no update under read-modify-write', async () => {
        const at = fresh();
        await put(driver, `${at}n`, '0');
        const add = async (): Promise<void> => {
          for (;;) {
            const now = await driver.get(`${at}n`);
            if (!now) throw new Error('gone');
            const compares = [{ key: now.key, revision: now.revision }];
            const value = String(Number(now.value) + 1);
            if ((await driver.txn(compares, [{ op: 'put', key: now.key, value }])).ok) return;
          }
        };
        await Promise.all(Array.from({ length: 12 }, add));
        expect((await driver.get(`${at}n`))?.value).toBe('12');
      });

      it('take 128 operations and refuse 129, a key written twice, and a key that is no text', async () => {
        const at = fresh();
        const many = (count: number) =>
          Array.from({ length: count }, (_, index) => ({ op: 'put' as const, key: `${at}${index}`, value: 'x' }));
        expect((await driver.txn([], many(128))).ok).toBe(true);
        expect(await faultFrom(driver.txn([], many(129)))).toMatchObject({ kind: 'bad-input' });
        const checks = many(129).map(({ key }) => ({ key, revision: 0 }));
        expect(await faultFrom(driver.txn(checks, []))).toMatchObject({ kind: 'bad-input' });
        const twice = driver.txn(
          [],
          [
            { op: 'delete', key: `${at}1` },
            { op: 'put', key: `${at}1`, value: 'y' },
          ],
        );
        expect(await faultFrom(twice)).toMatchObject({ kind: 'bad-input' });
        for (const key of ['', 'a\0b', 'half \ud800']) {
          expect(await faultFrom(driver.txn([], [{ op: 'put', key, value: 'x' }]))).toMatchObject({
            kind: 'bad-input',
          });
        }
        expect((await driver.get(`${at}1`))?.value).toBe('x');
      });
    });

    describe('leases', () => {
      it('take their keys with them when they run out', async () => {
        const at = fresh();
        const from = (await driver.range(at)).revision + 1;
        const lease = await driver.grant(2000);
        await put(driver, `${at}a`, '1', lease);
        await put(driver, `${at}b`, '1', lease);
        await put(driver, `${at}c`, '1');
        expect((await driver.get(`${at}a`))?.lease).toBe(lease);
        const seen = recordWatch(driver, at, from);
        await subject.pass(2000);
        await eventually('the keys are gone', async () => (await readAll(driver, at)).length === 1);
        await eventually(
          'the watch saw both go',
          () => seen.events.filter(({ value }) => value === undefined).length === 2,
        );
        const gone = seen.events.filter(({ value }) => value === undefined);
        expect(gone[0]?.revision).toBe(gone[1]?.revision);
        expect(await driver.keepAlive(lease)).toBe(false);
        expect(await faultFrom(put(driver, `${at}d`, '1', lease))).toMatchObject({ kind: 'conflict' });
        expect(await driver.get(`${at}d`)).toBeUndefined();
      });

      it('live on while they are kept alive', async () => {
        const at = fresh();
        const lease = await driver.grant(3000);
        await put(driver, `${at}a`, '1', lease);
        for (let round = 0; round < 4; round += 1) {
          await subject.pass(1500);
          expect(await driver.keepAlive(lease)).toBe(true);
        }
        expect(await driver.get(`${at}a`)).toBeDefined();
        await driver.revoke(lease);
      });

      it('end at once when revoked, and only once', async () => {
        const at = fresh();
        const lease = await driver.grant(60_000);
        await put(driver, `${at}a`, '1', lease);
        await driver.revoke(lease);
        expect(await driver.get(`${at}a`)).toBeUndefined();
        expect(await driver.keepAlive(lease)).toBe(false);
        await driver.revoke(lease);
      });

      it('let go of a key that is put without them', async () => {
        const at = fresh();
        const lease = await driver.grant(60_000);
        await put(driver, `${at}a`, '1', lease);
        await put(driver, `${at}a`, '2');
        await driver.revoke(lease);
        expect(await driver.get(`${at}a`)).toMatchObject({ value: '2', version: 2 });
        expect((await driver.get(`${at}a`))?.lease).toBeUndefined();
      });
    });

    describe('watches', () => {
      it('replay from an old revision and go on live, in order, without the neighbours', async () => {
        const at = fresh();
        await put(driver, `${at}old`, '0');
        const from = await put(driver, `${at}a`, '1');
        await put(driver, `${at.slice(0, -1)}x`, 'a neighbour');
        await put(driver, `${at}b`, '1');
        await remove(driver, `${at}a`);
        const seen = recordWatch(driver, at, from);
        await eventually('the old changes', () => seen.events.length === 3);
        const last = await put(driver, `${at}b`, '2');
        await eventually('the new change', () => seen.events.length === 4);
        expect(seen.events.map(({ key, value }) => [key.slice(at.length), value])).toEqual([
          ['a', '1'],
          ['b', '1'],
          ['a', undefined],
          ['b', '2'],
        ]);
        const revisions = seen.events.map(({ revision }) => revision);
        expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
        expect(revisions.at(-1)).toBe(last);
      });

      it('tell a change of several keys at once, in one call', async () => {
        const at = fresh();
        const from = (await driver.range(at)).revision + 1;
        const calls: WatchEvent[][] = [];
        const watch = driver.watch(at, from, {
          events: (events) => calls.push(events),
          progress() {},
          compacted() {},
          down() {},
        });
        onTestFinished(() => watch.close());
        const operations = Array.from({ length: 128 }, (_, index) => ({
          op: 'put' as const,
          key: `${at}${index}`,
          value: 'x'.repeat(100),
        }));
        const { revision } = await driver.txn([], operations);
        await eventually('all keys', () => calls.flat().length === 128);
        const withIt = calls.filter((events) => events.some((event) => event.revision === revision));
        expect(withIt).toHaveLength(1);
      });

      it('tell their progress although nothing of theirs changes', async () => {
        const at = fresh();
        const seen = recordWatch(driver, at, (await driver.range(at)).revision + 1);
        const elsewhere = await put(driver, `${fresh()}a`, '1');
        await eventually('progress', () => {
          seen.watch.poke();
          return seen.progress >= elsewhere;
        });
        expect(seen.events).toEqual([]);
      });

      it('replay thousands of changes whole', async () => {
        const at = fresh();
        const from = (await driver.range(at)).revision + 1;
        const writes = Array.from({ length: 1500 }, (_, index) => index);
        while (writes.length > 0) {
          await Promise.all(writes.splice(0, 100).map((index) => put(driver, `${at}${index % 50}`, String(index))));
        }
        const seen = recordWatch(driver, at, from);
        await eventually('1500 changes', () => seen.events.length >= 1500);
        expect(new Set(seen.events.map(({ revision }) => revision)).size).toBe(1500);
        expect(new Set(seen.events.map(({ value }) => value)).size).toBe(1500);
      });

      it('say nothing after they are closed', async () => {
        const at = fresh();
        const seen = recordWatch(driver, at, (await driver.range(at)).revision + 1);
        await put(driver, `${at}a`, '1');
        await eventually('one change', () => seen.events.length === 1);
        await seen.watch.close();
        const other = recordWatch(driver, at, (await driver.range(at)).revision + 1);
        await put(driver, `${at}b`, '1');
        await eventually('the other watch saw it', () => other.events.length === 1);
        expect(seen.events).toHaveLength(1);
      });

      it('say so when the store is younger than they think', async () => {
        const at = fresh();
        const seen = recordWatch(driver, at, (await driver.range(at)).revision + 1000);
        await eventually('told', () => seen.compacted === 1);
      });
    });

    describe('compaction', () => {
      it('forgets the past, keeps the present, and ends a watch that asks for what is gone', async () => {
        const at = fresh();
        const first = await put(driver, `${at}a`, '1');
        await put(driver, `${at}gone`, '1');
        await remove(driver, `${at}gone`);
        const then = await put(driver, `${at}a`, '2');
        const last = await put(driver, `${at}a`, '3');
        await driver.compact(then);
        await expect(driver.range(at, { revision: first })).rejects.toBeInstanceOf(Compacted);
        expect((await readAll(driver, at, 500, then)).map(({ value }) => value)).toEqual(['2']);
        expect((await readAll(driver, at)).map(({ value, version }) => [value, version])).toEqual([['3', 3]]);
        const late = recordWatch(driver, at, first);
        await eventually('told that it is too late', () => late.compacted === 1);
        expect(late.events).toEqual([]);
        const inTime = recordWatch(driver, at, then);
        await eventually('what is kept', () => inTime.events.length === 2);
        expect(inTime.events.map(({ revision }) => revision)).toEqual([then, last]);
        await expect(driver.compact(then)).rejects.toBeInstanceOf(Compacted);
        await expect(driver.compact(last + 10_000)).rejects.toMatchObject({ kind: 'bad-input' });
      });
    });

    describe('its state', () => {
      it('tells its size, its quota, its revision and no alarm', async () => {
        const at = fresh();
        const revision = await put(driver, `${at}a`, '1');
        const status = await driver.status();
        expect(status.revision).toBe(revision);
        expect(status.dbSize).toBeGreaterThan(0);
        expect(status.quota).toBeGreaterThan(status.dbSize);
        expect(status.alarms).toEqual([]);
      });

      it('is there again after a reopening, and a closed driver refuses every call', async () => {
        const at = fresh();
        const revision = await put(driver, `${at}a`, '1');
        const closed = driver;
        await closed.close();
        await closed.close();
        driver = await subject.reopen();
        for (const call of [
          () => closed.get(`${at}a`),
          () => closed.range(at),
          () => closed.txn([], []),
          () => closed.grant(1000),
          () => closed.status(),
        ]) {
          expect(await faultFrom(call())).toMatchObject({ kind: 'unreachable', retryable: false });
        }
        expect(await driver.get(`${at}a`)).toMatchObject({ value: '1', revision });
        expect(await put(driver, `${at}a`, '2')).toBe(revision + 1);
      });
    });
  });
}
