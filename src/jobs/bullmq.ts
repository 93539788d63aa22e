import { Queue as RedisQueue, type Job as RedisTick, Worker as RedisWorker } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { asFault, Fault } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Queue, TickRef } from '../core/ports/queue.ts';
import { tickId } from './tick-id.ts';

export interface BullmqOptions {
  /** `redis://` or `rediss://`, with user and password if there are any. */
  url: string;
  /** First part of every Redis key; default `kqueen`. */
  prefix?: string;
  clock: Clock;
  log: Log;
  /** The longest time any call of the Queue but `close` takes, in milliseconds; default 1,000. */
  callMs?: number;
}

const queueName = 'ticks';

/** A tick lost with its worker is taken over when its lock has ended and the next check for stalled ones has come: 5 to 7 s. */
const lockDuration = 5_000;
const stalledInterval = 2_000;

/** Every death of a worker counts, for as long as a tick lives; a tick must never fail for having seen too many. */
const maxStalledCount = 1_000_000;

/**
 * The queue on Redis, for any number of workers. The store stays the truth: what Redis loses is added again by the recovery sweep, so an add may
 * fail, and does so quickly, when Redis does not answer.
 */
export function createBullmqQueue(options: BullmqOptions): Queue {
  const { clock, log } = options;
  const prefix = options.prefix ?? 'kqueen';
  const callMs = options.callMs ?? 1_000;
  const complain = makeComplaints(log, clock);
  const producer = new Redis(options.url, {
    ...steady,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: callMs,
    socketTimeout: callMs * 3,
  });
  producer.on('error', (error) => complain('producer', error));
  let queue: Promise<RedisQueue> | undefined;
  let connecting: Promise<void> | undefined;
  let consumer: { redis: Redis; worker: RedisWorker; running: Set<Promise<void>> } | undefined;
  let closed = false;

  /** BullMQ's Queue is made when Redis is there: one whose first connection failed would stay broken for ever. */
  function opened(): Promise<RedisQueue> {
    queue ??= (async () => {
      const made = new RedisQueue(queueName, { connection: producer, prefix, streams: { events: { maxLen: 100 } } });
      made.on('error', (error) => complain('producer', error));
      await made.waitUntilReady();
      return made;
    })();
    queue.catch(() => {
      queue = undefined;
    });
    return queue;
  }

  /** Without an offline queue, BullMQ's own first commands would fail before the connection is there; all calls share one wait for it. */
  async function whenConnected(): Promise<void> {
    if (producer.status === 'ready') return;
    if (producer.status !== 'connecting' && producer.status !== 'connect')
      throw new Error(`Redis is ${producer.status}`);
    connecting ??= settled(producer).finally(() => {
      connecting = undefined;
    });
    await connecting;
  }

  /** Runs a call within `callMs`, or throws `unreachable`. */
  async function quickly<T>(run: (queue: RedisQueue) => Promise<T>): Promise<T> {
    if (closed) throw new Fault('unreachable', 'The queue is closed.', { whose: 'kqueen' });
    const timer = new AbortController();
    const late = clock.sleep(callMs, timer.signal).then((): never => {
      throw unreachable(new Error(`no answer within ${callMs} ms (connection: ${producer.status})`));
    });
    const work = async () => {
      await whenConnected();
      return run(await opened());
    };
    try {
      return await Promise.race([
        work().catch((thrown: unknown) => {
          throw unreachable(thrown);
        }),
        late,
      ]);
    } finally {
      timer.abort();
    }
  }

  return {
    async add(tick, at) {
      const delay = Math.max(0, at - clock.now());
      await quickly((ready) =>
        ready.add(
          'tick',
          { org: tick.org, job: tick.job, tick: tick.tick },
          {
            jobId: tickId(tick),
            delay,
            // Ticks that were put off come after those that are wanted at once, so that a job begins soon however many are under way.
            ...(delay > 0 ? { priority: 1 } : {}),
            attempts: 1,
            // A kept id would block the same tick for ever.
            removeOnComplete: true,
            removeOnFail: true,
          },
        ),
      );
    },

    async work(handler, concurrency) {
      if (consumer) throw new Fault('internal', 'This queue is already being worked on.');
      const running = new Set<Promise<void>>();
      const redis = new Redis(options.url, { ...steady, maxRetriesPerRequest: null, socketTimeout: 20_000 });
      redis.on('error', (error) => complain('worker', error));
      const worker = new RedisWorker(queueName, (entry) => track(running, runOne(entry, handler, log)), {
        connection: redis,
        prefix,
        concurrency,
        lockDuration,
        stalledInterval,
        maxStalledCount,
        // The default of 15 s would outlast our promise to go on within 10 s after Redis is back.
        runRetryDelay: 1_000,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      });
      worker.on('error', (error) => complain('worker', error));
      worker.on('stalled', (id) => log.warn({ tick: id }, 'a tick lost its worker and is taken over'));
      worker.on('lockRenewalFailed', (ids) => log.warn({ ticks: ids }, 'ticks whose lock could not be renewed'));
      consumer = { redis, worker, running };
    },

    async depth() {
      const counts = await quickly((ready) => ready.getJobCounts('waiting', 'prioritized', 'delayed', 'active'));
      return {
        waiting: (counts.waiting ?? 0) + (counts.prioritized ?? 0),
        delayed: counts.delayed ?? 0,
        active: counts.active ?? 0,
      };
    },

    async ready() {
      await quickly(() => producer.ping());
    },

    async close(graceMs) {
      closed = true;
      const until = clock.now() + graceMs;
      if (consumer) await closeConsumer(consumer, until);
      const opening = queue;
      if (opening) {
        const end = opening.then((made) => made.close()).catch((error: unknown) => complain('producer', error));
        await atMost(end, Math.max(200, until - clock.now()));
      }
      producer.disconnect();
    },
  };

  async function closeConsumer(open: NonNullable<typeof consumer>, until: number): Promise<void> {
    const { redis, worker, running } = open;
    await worker.pause(true);
    await atMost(Promise.all(running), Math.max(0, until - clock.now()));
    // Its own close waits without a limit for running ticks and for Redis; a forced one leaves them to be taken over by their lock's end.
    const end = worker.close(running.size > 0).catch((error: unknown) => complain('worker', error));
    await atMost(end, Math.max(500, until - clock.now()));
    redis.disconnect();
  }

  async function atMost(work: Promise<unknown>, ms: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([work, clock.sleep(ms, timer.signal).catch(() => undefined)]);
    timer.abort();
  }
}

/** What both connections share: try again soon and for ever, notice a dead peer. */
const steady = {
  connectTimeout: 3_000,
  keepAlive: 5_000,
  retryStrategy: (times: number) => Math.min(100 * 2 ** Math.min(times, 4), 1_000),
} satisfies RedisOptions;

/** Resolves when a connection that is being made can take commands, rejects when it was not made. */
async function settled(redis: Redis): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const settle = (end: () => void) => {
      redis.off('ready', good);
      redis.off('close', bad);
      end();
    };
    const good = () => settle(resolve);
    const bad = () => settle(() => reject(new Error('the connection to Redis was not made')));
    redis.on('ready', good);
    redis.on('close', bad);
  });
}

function unreachable(cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new Fault('unreachable', 'The queue does not answer; what is due is picked up when it is back.', {
    whose: 'kqueen',
    detail,
    cause,
  });
}

async function track(running: Set<Promise<void>>, run: Promise<void>): Promise<void> {
  running.add(run);
  try {
    await run;
  } finally {
    running.delete(run);
  }
}

/** A handler that throws has lost this tick and nothing else: the sweep adds it again. */
async function runOne(entry: RedisTick<unknown>, handler: (tick: TickRef) => Promise<void>, log: Log): Promise<void> {
  const tick = readTick(entry.data);
  if (!tick) {
    log.error({ id: entry.id }, 'an entry of the queue is no tick and is dropped');
    return;
  }
  try {
    await handler(tick);
  } catch (thrown) {
    const fault = asFault(thrown);
    log.error({ job: tick.job, tick: tick.tick, detail: fault.detail }, `tick lost: ${fault.message}`);
  }
}

function readTick(data: unknown): TickRef | undefined {
  if (!data || typeof data !== 'object') return undefined;
  const { org, job, tick } = data as Record<string, unknown>;
  if (typeof org !== 'string' || typeof job !== 'string' || typeof tick !== 'number') return undefined;
  return { org, job, tick };
}

/** One line a side in five seconds: ioredis reports every attempt to reconnect. */
function makeComplaints(log: Log, clock: Clock): (side: string, error: unknown) => void {
  const last = new Map<string, number>();
  return (side, error) => {
    const now = clock.now();
    if (now - (last.get(side) ?? 0) < 5_000) return;
    last.set(side, now);
    log.warn({ side, error: error instanceof Error ? error.message : String(error) }, 'trouble with Redis');
  };
}
