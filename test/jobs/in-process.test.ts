import { expect, it } from 'vitest';
import { createInProcessQueue } from '../../src/jobs/in-process.ts';
import { eventually } from '../servers.ts';
import { handClock, realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { queueSuite, tickOf } from './queue-suite.ts';

queueSuite('in process', async () => createInProcessQueue({ clock: realClock, log: keepingLog() }));

it('keeps time by the clock it is given, also for ticks a month away', async () => {
  const clock = handClock();
  const queue = createInProcessQueue({ clock, log: keepingLog() });
  const ran: string[] = [];
  await queue.work(async ({ job }) => {
    ran.push(job);
  }, 4);
  await queue.add(tickOf('month'), clock.now() + 30 * 86_400_000);
  await queue.add(tickOf('minute'), clock.now() + 60_000);
  await clock.advance(59_999);
  expect(ran).toEqual([]);
  await clock.advance(1);
  expect(ran).toEqual(['minute']);
  for (let hour = 0; hour < 30 * 24; hour += 1) await clock.advance(3_600_000);
  expect(ran).toEqual(['minute', 'month']);
  await queue.close(0);
});

it('logs a tick that was lost', async () => {
  const log = keepingLog();
  const queue = createInProcessQueue({ clock: realClock, log });
  await queue.work(async () => {
    throw new Error('on purpose');
  }, 1);
  await queue.add(tickOf('a', 4), 0);
  const line = await eventually('a line', () => log.lines[0]);
  expect(line).toMatchObject({ level: 'error', fields: { job: 'a', tick: 4 } });
  await queue.close(100);
});

it('keeps 20,000 waiting ticks in order', async () => {
  const clock = handClock();
  const queue = createInProcessQueue({ clock, log: keepingLog() });
  const start = clock.now();
  const order: number[] = [];
  for (let index = 0; index < 20_000; index += 1) {
    await queue.add(tickOf(String((index * 7_919) % 20_000)), start + ((index * 7_919) % 20_000));
  }
  await queue.work(async ({ job }) => {
    order.push(Number(job));
  }, 20_000);
  await clock.advance(20_000);
  await eventually('all', () => order.length === 20_000);
  expect(order.every((value, index) => value === index)).toBe(true);
  await queue.close(0);
});
