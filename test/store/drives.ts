/** What the tests do with a driver: put, read everything, write down what a watch is told. */
import { expect, onTestFinished } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { Driver, Entry, WatchEvent } from '../../src/store/driver.ts';

/** A watch that writes down all it is told. */
export function recordWatch(driver: Driver, prefix: string, fromRevision: number) {
  const seen = { events: [] as WatchEvent[], progress: 0, compacted: 0, down: [] as Fault[] };
  const watch = driver.watch(prefix, fromRevision, {
    events: (events) => seen.events.push(...events),
    progress: (revision) => {
      seen.progress = Math.max(seen.progress, revision);
    },
    compacted: () => {
      seen.compacted += 1;
    },
    down: (fault) => seen.down.push(fault),
  });
  onTestFinished(() => watch.close());
  return Object.assign(seen, { watch });
}

/** All entries of a prefix, page by page. */
export async function readAll(driver: Driver, prefix: string, limit = 500, revision?: number): Promise<Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const after = all.at(-1)?.key;
    const page = await driver.range(prefix, {
      limit,
      ...(after === undefined ? {} : { after }),
      ...(revision === undefined ? {} : { revision }),
    });
    all.push(...page.entries);
    if (!page.more) return all;
  }
}

/** Puts one key and returns the revision. */
export async function put(driver: Driver, key: string, value: string, lease?: string): Promise<number> {
  const result = await driver.txn([], [{ op: 'put', key, value, ...(lease === undefined ? {} : { lease }) }]);
  if (!result.ok) throw new Error('an unconditional put cannot conflict');
  return result.revision;
}

/** The fault that a call ends with. */
export async function faultFrom(call: Promise<unknown>): Promise<Fault> {
  const error = await call.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
}
