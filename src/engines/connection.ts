import { asFault, Fault, type FaultKind } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Call, Engine, EngineClient } from '../core/ports/engine.ts';
import type { Log } from '../core/ports/log.ts';
import { type Budget, openBudget } from './budget.ts';

/** Operations that change something at the provider. */
const changing: readonly string[] = ['create', 'update', 'delete', 'adopt', 'release'];

/** Told of each call: which engine, which operation, `ok` or the kind of its Fault, and how long it took in milliseconds. */
export type CallHook = (engine: string, operation: string, result: 'ok' | FaultKind, ms: number) => void;

export interface ConnectionOptions {
  engine: Engine;
  /** Gives the parameters, secrets included; called at each (re)connect and never kept. */
  params: () => Record<string, unknown>;
  log: Log;
  clock: Clock;
  concurrency: number;
  onCall?: CallHook;
}

/** One provisioner's connection, opened at its first call. */
export interface Connection {
  client: EngineClient;
  /** Epoch milliseconds of the last call. */
  usedAt(): number;
  busy(): boolean;
  /** Closes once nothing runs any more. */
  retire(): Promise<void>;
  /** Closes at once. */
  close(): Promise<void>;
}

/**
 * Wraps an engine's client: connects when needed, holds every call to its deadline whatever the engine does, lets only `concurrency`
 * calls run at once and only one observe a cluster, turns whatever is thrown into a Fault, and tells the hook.
 */
export function openConnection(options: ConnectionOptions): Connection {
  const { engine, log, clock } = options;
  const budget = openBudget(options.concurrency);
  const observing = new Map<string, Budget>();
  let inner: Promise<EngineClient> | null = null;
  let used = clock.now();
  let running = 0;
  let retiring = false;

  function connected(): Promise<EngineClient> {
    if (inner) return inner;
    const made = Promise.resolve().then(() => engine.connect(options.params()));
    inner = made;
    // A failed connect is tried again by the next call instead of being remembered.
    made.catch(() => {
      if (inner === made) inner = null;
    });
    return made;
  }

  async function disconnect(): Promise<void> {
    const closing = inner;
    inner = null;
    if (!closing) return;
    const client = await closing.catch(() => null);
    await client?.close();
  }

  async function run<T>(
    operation: string,
    call: Call,
    work: (client: EngineClient, call: Call) => Promise<T>,
  ): Promise<T> {
    const begun = performance.now();
    running += 1;
    used = clock.now();
    const bounded = bound(call, clock);
    let entered = false;
    let result: 'ok' | FaultKind = 'ok';
    try {
      if (bounded.call.signal.aborted) throw stopped;
      return await budget.run(bounded.call.signal, () => {
        entered = true;
        return raced(
          connected().then((client) => work(client, bounded.call)),
          bounded.call.signal,
        );
      });
    } catch (thrown) {
      const fault = thrown === stopped ? tooLate(engine, operation, entered) : asFault(thrown, strange(engine));
      result = fault.kind;
      const level = fault.kind === 'internal' ? 'error' : 'debug';
      log[level]({ operation, kind: fault.kind, detail: fault.detail }, fault.message);
      throw fault;
    } finally {
      bounded.done();
      running -= 1;
      used = clock.now();
      options.onCall?.(engine.name, operation, result, performance.now() - begun);
      if (retiring && running === 0) await disconnect();
    }
  }

  async function alone<T>(cluster: string, call: Call, work: () => Promise<T>): Promise<T> {
    const place = observing.get(cluster) ?? openBudget(1);
    observing.set(cluster, place);
    const bounded = bound(call, clock);
    try {
      return await place.run(bounded.call.signal, work);
    } finally {
      bounded.done();
      if (place.idle()) observing.delete(cluster);
    }
  }

  return {
    client: {
      observe: (target, call) =>
        alone(`${target.org}/${target.cluster}`, call, () => run('observe', call, (c, b) => c.observe(target, b))),
      create: (target, spec, call) => run('create', call, (c, b) => c.create(target, spec, b)),
      update: (target, update, call) => run('update', call, (c, b) => c.update(target, update, b)),
      preview: (target, update, call) =>
        run('preview', call, async (c, b) => (await c.preview?.(target, update, b)) ?? null),
      delete: (target, call) => run('delete', call, (c, b) => c.delete(target, b)),
      kubeconfig: (target, call) => run('kubeconfig', call, (c, b) => c.kubeconfig(target, b)),
      list: (call) => run('list', call, (c, b) => c.list(b)),
      check: (call) => run('check', call, (c, b) => c.check(b)),
      options: (given, call) => run('options', call, (c, b) => c.options(given, b)),
      adopt: (target, call) => run('adopt', call, (c, b) => c.adopt(target, b)),
      release: (target, call) => run('release', call, (c, b) => c.release(target, b)),
      signIn: (target, call) => run('signIn', call, (c, b) => c.signIn(target, b)),
      upgrades: (target, call) => run('upgrades', call, (c, b) => c.upgrades(target, b)),
      log: (target, call) => run('log', call, (c, b) => c.log(target, b)),
      close: disconnect,
    },
    usedAt: () => used,
    busy: () => running > 0,
    async retire() {
      retiring = true;
      if (running === 0) await disconnect();
    },
    async close() {
      retiring = true;
      await disconnect();
    },
  };
}

const stopped = new Error('stopped');

/**
 * The call in real time: its deadline is in the clock's time, which a test may have moved, while sockets know only the machine's.
 * The signal fires at the deadline or with the caller's.
 */
function bound(call: Call, clock: Clock): { call: Call; done: () => void } {
  const left = Math.max(0, call.deadline - clock.now());
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(stopped), Math.min(left, 2 ** 31 - 1));
  if (left === 0) timer.abort(stopped);
  return {
    call: { signal: AbortSignal.any([call.signal, timer.signal]), deadline: Date.now() + left },
    done: () => clearTimeout(timeout),
  };
}

/** How long an engine may take to end a call by itself once its time is over, in milliseconds: its own Fault says more than ours. */
const graceMs = 100;

/** Settles with the work, or rejects with `stopped` when the signal fired and the engine does not stop by itself. */
function raced<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    let grace: NodeJS.Timeout | undefined;
    const onAbort = () => {
      grace = setTimeout(() => reject(stopped), graceMs);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(grace);
      signal.removeEventListener('abort', onAbort);
    });
  });
}

function tooLate(engine: Engine, operation: string, entered: boolean): Fault {
  return new Fault('unreachable', `${engine.title} did not answer in time.`, {
    outcomeUnknown: entered && changing.includes(operation),
    next: 'Try again in a while.',
  });
}

function strange(engine: Engine): string {
  return `The engine for ${engine.title} failed in a way it should not.`;
}
