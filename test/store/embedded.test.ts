import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { silentLog } from '../../src/core/ports/log.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { endProcess, eventually, spawnReaped } from '../servers.ts';
import { handClock, realClock } from './clocks.ts';
import { driverSuite } from './driver-suite.ts';
import { faultFrom, put, readAll, recordWatch } from './drives.ts';
import { temporaryFolder } from './parts.ts';

const clock = handClock();
const suiteDir = mkdtempSync(join(tmpdir(), 'kqueen-store-'));
const openSuite = async () => openEmbeddedDriver({ dir: suiteDir, clock, log: silentLog });

driverSuite('the embedded driver', {
  open: openSuite,
  reopen: openSuite,
  pass: (ms) => clock.advance(ms),
  end: async () => rmSync(suiteDir, { recursive: true, force: true }),
});

function open(dir: string) {
  const driver = openEmbeddedDriver({ dir, clock: realClock, log: silentLog });
  onTestFinished(() => driver.close());
  return driver;
}

const writer = fileURLToPath(new URL('./embedded-writer.ts', import.meta.url));

/** Starts a process that writes as fast as it can and prints each key once the store has confirmed it. */
function startWriter(dir: string, name: string) {
  const child = spawnReaped(process.execPath, ['--disable-warning=ExperimentalWarning', writer, dir, name]);
  let printed = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return {
    child,
    errors: () => errors,
    // The last line may have been cut by the kill.
    confirmed: () => printed.split('\n').slice(0, -1),
  };
}

describe('the embedded file', () => {
  it('keeps every confirmed commit through kill -9, three times in a row', async () => {
    const dir = temporaryFolder();
    const confirmed: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const running = startWriter(dir, `r${round}`);
      await eventually('some writes', () => running.confirmed().length > 40);
      const closed = once(running.child, 'close');
      await endProcess(running.child, 'SIGKILL');
      await closed;
      confirmed.push(...running.confirmed());
    }
    const driver = open(dir);
    const keys = new Set((await readAll(driver, '/w/')).map(({ key }) => key));
    expect(confirmed.length).toBeGreaterThan(120);
    expect(confirmed.filter((key) => !keys.has(key))).toEqual([]);
    const revision = (await driver.status()).revision;
    expect(await put(driver, '/w/next', 'x')).toBe(revision + 1);
    // Both keys of a pair were written by one transaction: never one without the other.
    const pairs = [...keys].filter((key) => key.endsWith('.a'));
    expect(pairs.filter((key) => !keys.has(key.replace(/a$/, 'b')))).toEqual([]);
  });

  it('refuses a second process and says which one holds it', async () => {
    const dir = temporaryFolder();
    const driver = open(dir);
    const second = startWriter(dir, 'second');
    await eventually('its end', () => second.child.exitCode !== null);
    expect(second.child.exitCode).toBe(3);
    expect(second.errors()).toContain(`in use by another KQueen (process ${process.pid})`);
    await put(driver, '/a', 'still works');
  });

  it('refuses a second opening in the same process, and opens after a close', async () => {
    const dir = temporaryFolder();
    const driver = open(dir);
    await put(driver, '/a', '1');
    expect(() => openEmbeddedDriver({ dir, clock: realClock, log: silentLog })).toThrow(/in use/);
    await driver.close();
    expect((await open(dir).get('/a'))?.value).toBe('1');
  });

  it('is readable by its owner alone', async () => {
    const dir = temporaryFolder();
    const driver = open(join(dir, 'deep', 'data'));
    await put(driver, '/a', '1');
    expect(statSync(join(dir, 'deep', 'data')).mode & 0o777).toBe(0o700);
    for (const file of ['store.db', 'store.db-wal']) {
      expect(statSync(join(dir, 'deep', 'data', file)).mode & 0o777).toBe(0o600);
    }
  });

  it('says that a damaged file is damaged', () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'store.db'), 'this is no database, however long it may be '.repeat(200));
    expect(() => open(dir)).toThrow(/damaged/);
  });

  it('ends the leases of the process before, and a watch sees it', async () => {
    const dir = temporaryFolder();
    const first = open(dir);
    const lease = await first.grant(3_600_000);
    await put(first, '/claim', 'mine', lease);
    const from = await put(first, '/kept', 'x');
    await first.close();
    const second = open(dir);
    expect(await second.get('/claim')).toBeUndefined();
    expect(await second.keepAlive(lease)).toBe(false);
    const seen = recordWatch(second, '/', from + 1);
    await eventually('the deletion', () => seen.events.length === 1);
    expect(seen.events).toEqual([{ key: '/claim', revision: from + 1 }]);
  });

  it('does what was asked before a close', async () => {
    const dir = temporaryFolder();
    const first = open(dir);
    const asked = first.txn([], [{ op: 'put', key: '/a', value: '1' }]);
    await first.close();
    expect((await asked).ok).toBe(true);
    expect((await open(dir).get('/a'))?.value).toBe('1');
  });

  it('commits a thousand transactions that are asked for at once in one go', async () => {
    const driver = open(temporaryFolder());
    const start = performance.now();
    const revisions = await Promise.all(Array.from({ length: 1000 }, (_, index) => put(driver, `/k${index}`, 'x')));
    expect(new Set(revisions).size).toBe(1000);
    // A thousand syncs of a disk take seconds; the bound leaves room for a busy machine.
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('shows a change to its watch before it answers the writer', async () => {
    const driver = open(temporaryFolder());
    const seen = recordWatch(driver, '/', (await driver.status()).revision + 1);
    await eventually('the watch is live', () => seen.progress > 0);
    const revision = await put(driver, '/a', '1');
    expect(seen.progress).toBe(revision);
  });

  it('gives space back after a compaction', async () => {
    const driver = open(temporaryFolder());
    for (let round = 0; round < 20; round += 1) {
      await driver.txn(
        [],
        Array.from({ length: 100 }, (_, index) => ({ op: 'put' as const, key: `/k${index}`, value: 'x'.repeat(2000) })),
      );
    }
    const before = await driver.status();
    expect(before.dbSize).toBeGreaterThan(4_000_000);
    await driver.compact(before.revision);
    expect(await driver.vacuum(100)).toBeGreaterThan(0);
    await eventually('all free pages given back', async () => (await driver.vacuum(500)) === 0);
    expect((await driver.status()).dbSize).toBeLessThan(before.dbSize / 4);
    expect(await readAll(driver, '/')).toHaveLength(100);
  });

  it('refuses to vacuum after it is closed', async () => {
    const driver = open(temporaryFolder());
    await driver.close();
    expect(await faultFrom(driver.vacuum(1))).toMatchObject({ kind: 'unreachable' });
  });
});
