import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Queue } from '../../src/core/ports/queue.ts';
import { createBullmqQueue } from '../../src/jobs/index.ts';
import { endProcess, eventually, freePort, lacksServer, spawnReaped, startRedis, type TestServer } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { gate, queueSuite, tickOf } from './queue-suite.ts';

describe.skipIf(lacksServer('redis-server'))('BullMQ', () => {
  let redis: TestServer;
  let prefixes = 0;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.stop();
  });

  function prefix(): string {
    prefixes += 1;
    return `test${prefixes}`;
  }

  function openAt(url: string, within = prefix()): Queue {
    const queue = createBullmqQueue({ url, prefix: within, clock: realClock, log: keepingLog() });
    onTestFinished(() => queue.close(100));
    return queue;
  }

  queueSuite('BullMQ on Redis', async () =>
    createBullmqQueue({ url: redis.url, prefix: prefix(), clock: realClock, log: keepingLog() }),
  );

  it('runs 1,000 ticks of 200 jobs exactly once each, with blind double adds by two others', async () => {
    const within = prefix();
    const [one, two] = [openAt(redis.url, within), openAt(redis.url, within)];
    const ran: string[] = [];
    for (const queue of [one, two]) {
      await queue.work(async ({ job, tick }) => {
        ran.push(`${job}-${tick}`);
        if (tick < 5) await Promise.all([one, two].map((each) => each.add(tickOf(job, tick + 1), Date.now())));
      }, 50);
    }
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        Promise.all([one, two].map((each) => each.add(tickOf(`j${index}`), Date.now()))),
      ),
    );
    await eventually('1,000 ticks', () => ran.length >= 1_000, { timeoutMs: 20_000 });
    expect(ran.length).toBe(1_000);
    expect(new Set(ran).size).toBe(1_000);
  });

  it('keeps nothing of ended and failed ticks, and ids only of waiting ones', async () => {
    const within = prefix();
    const queue = openAt(redis.url, within);
    let ran = 0;
    await queue.work(async ({ job }) => {
      ran += 1;
      if (job === 'bad') throw new Error('on purpose');
    }, 2);
    await queue.add(tickOf('bad'), Date.now());
    await queue.add(tickOf('good'), Date.now());
    await queue.add(tickOf('later'), Date.now() + 60_000);
    await eventually('both', () => ran === 2);
    const raw = new Redis(redis.url);
    onTestFinished(() => raw.disconnect());
    const left = await eventually('one entry', async () => {
      const keys = await raw.keys(`${within}:ticks:default-*`);
      return keys.length === 1 ? keys : undefined;
    });
    expect(left).toEqual([`${within}:ticks:default-later-1`]);
    expect(JSON.parse((await raw.hget(left[0] ?? '', 'data')) ?? '')).toEqual({
      org: 'default',
      job: 'later',
      tick: 1,
    });
  });

  it('gives the tick of a killed worker to another within 10 s, again and again', async () => {
    const within = prefix();
    const queue = openAt(redis.url, within);
    await queue.add(tickOf('held'), Date.now());
    for (let kill = 1; kill <= 2; kill += 1) {
      const entry = fileURLToPath(new URL('./queue-child.ts', import.meta.url));
      const child = spawnReaped(process.execPath, [entry, redis.url, within]);
      child.stderr?.pipe(process.stderr);
      const [said] = child.stdout ? ((await once(child.stdout, 'data')) as [Buffer]) : [Buffer.of()];
      expect(said.toString()).toBe('took held\n');
      await endProcess(child, 'SIGKILL');
    }
    const killed = performance.now();
    let taken = 0;
    await queue.work(async () => {
      taken = performance.now();
    }, 1);
    await eventually('the other worker', () => taken > 0, { timeoutMs: 12_000 });
    expect(taken - killed).toBeLessThan(10_000);
  }, 60_000);

  it('fails an add quickly while nobody listens, while Redis hangs, and works again afterwards', async () => {
    const port = await freePort();
    const queue = openAt(`redis://127.0.0.1:${port}`);
    await quicklyRefused(queue);
    const server = await startRedis({ port });
    onTestFinished(() => server.stop());
    await eventually('an add', async () => {
      await queue.add(tickOf('a'), Date.now());
      return true;
    });
    server.pause();
    await quicklyRefused(queue);
    server.resume();
    await eventually('another add', async () => {
      await queue.add(tickOf('b'), Date.now());
      return true;
    });
    await server.kill9();
    await eventually('the loss is known', () =>
      queue.ready().then(
        () => false,
        () => true,
      ),
    );
    await quicklyRefused(queue);
    await expect(queue.ready()).rejects.toMatchObject({ kind: 'unreachable' });
  }, 30_000);

  async function quicklyRefused(queue: Queue): Promise<void> {
    for (const attempt of [1, 2, 3]) {
      const start = performance.now();
      await expect(queue.add(tickOf('down', attempt), Date.now())).rejects.toMatchObject({
        kind: 'unreachable',
        whose: 'kqueen',
      });
      expect(performance.now() - start).toBeLessThan(2_000);
    }
  }

  it('goes on after a restart of Redis in the middle of a tick', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const queue = openAt(server.url);
    const hold = gate();
    const ran: string[] = [];
    await queue.work(async ({ job }) => {
      ran.push(job);
      if (job === 'mid') await hold.passed;
    }, 2);
    await queue.add(tickOf('mid'), Date.now());
    await queue.add(tickOf('later'), Date.now() + 1_500);
    await eventually('its start', () => ran.length === 1);
    await server.restart();
    hold.open();
    await eventually('the delayed one', () => ran.includes('later'), { timeoutMs: 10_000 });
    await eventually('a new one', async () => {
      await queue.add(tickOf('new'), Date.now());
      return ran.includes('new');
    });
  }, 30_000);

  it('takes ticks again after Redis lost everything', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const queue = openAt(server.url);
    const ran: string[] = [];
    await queue.work(async ({ job }) => {
      ran.push(job);
    }, 2);
    await queue.add(tickOf('lost'), Date.now() + 1_000);
    const raw = new Redis(server.url);
    await raw.flushall();
    raw.disconnect();
    await queue.add(tickOf('lost'), Date.now());
    await eventually('the tick', () => ran.length === 1);
  });

  it('closes within its grace while Redis hangs', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const queue = openAt(server.url);
    await queue.work(async () => {}, 2);
    await queue.add(tickOf('a'), Date.now());
    server.pause();
    const start = performance.now();
    await queue.close(1_000);
    expect(performance.now() - start).toBeLessThan(4_000);
    server.resume();
  });
});
