/** The place where backups are kept: keys checked, calls bounded, what fails in passing repeated, and the SDK of the place loaded when it is first used. */
import { randomBytes } from 'node:crypto';
import { asFault, Fault } from '../../core/errors.ts';
import type { Archive } from '../../core/ports/archive.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Call } from '../../core/ports/engine.ts';
import type { Log } from '../../core/ports/log.ts';
import { type Driver, mostBytes } from './driver.ts';
import { connectionFault, gaveUpFault, timeoutFault } from './faults.ts';
import { type ArchivePlace, placeWords } from './place.ts';

export type { ArchivePlace } from './place.ts';

const keyForm = /^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;
const longestKey = 512;

/** Pauses before what failed in passing is tried again, in milliseconds: every call of an Archive is safe to repeat. */
const pauses = [250, 1_000];

/** Opens a place. Nothing is sent, and no SDK loaded, before the first call. */
export function openArchive(place: ArchivePlace, parts: { log: Log; clock: Clock }): Archive {
  const { log, clock } = parts;
  const where = placeWords(place);
  const prefix = place.kind === 'dir' || place.prefix === '' ? '' : `${place.prefix}/`;
  let opened: Promise<Driver> | undefined;
  let closed = false;

  async function driver(): Promise<Driver> {
    if (closed) throw new Fault('unreachable', 'The place for backups is closed.', { whose: 'kqueen' });
    opened ??= open(place, log);
    try {
      return await opened;
    } catch (thrown) {
      // Credentials may be there the next time.
      opened = undefined;
      throw thrown;
    }
  }

  async function run<T>(call: Call, work: (on: Driver, signal: AbortSignal) => Promise<T>): Promise<T> {
    const timer = new AbortController();
    const left = call.deadline - clock.now();
    const timeout = setTimeout(() => timer.abort(), Math.max(0, Math.min(left, 2 ** 31 - 1)));
    const signal = AbortSignal.any([call.signal, timer.signal]);
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          if (signal.aborted) throw signal.reason;
          return await unlessAborted(signal, once(work, signal));
        } catch (thrown) {
          if (signal.aborted)
            throw call.signal.aborted && !timer.signal.aborted ? gaveUpFault(where) : timeoutFault(where);
          const fault = asFault(thrown, `Something went wrong with ${where}.`);
          const pause = pauses[attempt];
          if (!fault.retryable || pause === undefined || !mends(fault)) throw fault;
          const ms = fault.retryAfterMs ?? Math.round(pause * (0.8 + 0.4 * Math.random()));
          if (clock.now() + ms >= call.deadline) throw fault;
          log.debug({ where, error: fault.message, detail: fault.detail }, 'the place for backups is asked again');
          await unlessAborted(signal, new Promise((resolve) => setTimeout(resolve, ms))).catch(() => undefined);
        }
      }
    } finally {
      clearTimeout(timeout);
    }
  }

  async function once<T>(work: (on: Driver, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const on = await driver();
    try {
      return await work(on, signal);
    } catch (thrown) {
      if (thrown instanceof Fault || signal.aborted) throw thrown;
      throw on.explain(thrown) ?? connectionFault(where, thrown);
    }
  }

  const archive: Archive = {
    where,
    async put(key, body, call) {
      checkKey(key);
      if (body.byteLength > mostBytes)
        throw new Fault('internal', 'An object of a backup is too large.', { retryable: false });
      await run(call, (on, signal) => on.put(prefix + key, body, signal));
    },
    async get(key, call) {
      checkKey(key);
      return run(call, (on, signal) => on.get(prefix + key, signal));
    },
    async list(wanted, call, after) {
      checkPrefix(wanted);
      if (after !== undefined) checkKey(after);
      let from = after === undefined ? undefined : prefix + after;
      for (;;) {
        const found = await run(call, (on, signal) => on.list(prefix + wanted, from, signal));
        // What others keep beside ours is none of ours; there may be a whole page of it.
        const ours = found
          .map(({ key, size }) => ({ key: key.slice(prefix.length), size }))
          .filter(({ key }) => isKey(key));
        if (ours.length > 0 || found.length === 0) return ours;
        from = found.at(-1)?.key;
      }
    },
    async delete(key, call) {
      checkKey(key);
      await run(call, (on, signal) => on.delete(prefix + key, signal));
    },
    async check(call) {
      const key = `check/kqueen-${randomBytes(8).toString('hex')}`;
      const body = randomBytes(64);
      try {
        await archive.put(key, body, call);
        const read = await archive.get(key, call);
        if (read === undefined || !body.equals(read)) {
          throw new Fault('internal', `What was written to ${where} does not come back as it was.`, {
            whose: 'admin',
            retryable: false,
            next: 'Look for what stands between KQueen and that place: a cache, a proxy, or a policy that moves objects.',
          });
        }
        const [seen] = await archive.list(key, call);
        if (seen?.key !== key) {
          throw new Fault('internal', `What was written to ${where} is not in its list.`, {
            whose: 'admin',
            retryable: false,
            next: 'Look whether the place lists what is in it at once.',
          });
        }
      } finally {
        await archive.delete(key, call).catch((thrown: unknown) => {
          log.debug({ where, error: asFault(thrown).message }, 'an object of a check stays');
          throw thrown;
        });
      }
    },
    async close() {
      closed = true;
      const held = opened;
      opened = undefined;
      await held?.then((on) => on.close()).catch(() => undefined);
    },
  };
  return archive;
}

async function open(place: ArchivePlace, log: Log): Promise<Driver> {
  switch (place.kind) {
    case 'dir':
      return (await import('./directory.ts')).openDirectory(place, log);
    case 's3':
      return (await import('./s3.ts')).openS3(place);
    case 'gcs':
      return (await import('./gcs.ts')).openGcs(place);
    case 'azure':
      return (await import('./azure.ts')).openAzure(place);
  }
}

function isKey(key: string): boolean {
  return key.length <= longestKey && keyForm.test(key) && !key.split('/').some((each) => each === '.' || each === '..');
}

/** A key that leads out of the place is a mistake of ours, whoever wrote a part of it. */
function checkKey(key: string): void {
  if (!isKey(key)) throw strangeKey();
}

function checkPrefix(prefix: string): void {
  if (prefix !== '' && !isKey(prefix.replace(/\/$/, ''))) throw strangeKey();
}

function strangeKey(): Fault {
  return new Fault('internal', 'This is no name that anything is kept under in the place for backups.', {
    retryable: false,
  });
}

/** Whether another try within the same second or two may help: what an admin has to mend is the same then. */
function mends(fault: Fault): boolean {
  if (fault.whose === 'admin') return false;
  return fault.retryAfterMs === undefined || fault.retryAfterMs <= 2_000;
}

/** Settles with the work, or rejects when the signal fires: not every SDK looks at a signal at all times. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
