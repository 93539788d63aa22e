/** The conformance suite that every queue must pass. */
import { afterEach, describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { Queue, TickRef } from '../../src/core/ports/queue.ts';
import { eventually } from '../servers.ts';

/** A tick of the default organisation. */
export function tickOf(job: string, tick = 1): TickRef {
  return { org: 'default', job, tick };
}

/** A promise and its end. */
export function gate(): { open: () => void; passed: Promise<void> } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

/** `open` gives an empty queue each time; `skip` says why the suite cannot run here. */
export function queueSuite(name: string, open: () => Promise<Queue>): void {
  describe(`queue: ${name}`, () => {
    const opened: Queue[] = [];
    async function fresh(): Promise<Queue> {
      const queue = await open();
      opened.push(queue);
      await eventually('a connection', () => queue.ready().then(() => true));
      return queue;
    }
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((queue) => queue.close(200)));
    });

    it('runs ticks in the order in which they are due, and none before its time', async () => {
      const queue = await fresh();
      const ran: { job: string; at: number }[] = [];
      const now = Date.now();
      const due = { late: now + 900, soon: now + 400, past: now - 60_000 };
      for (const [job, at] of Object.entries(due)) await queue.add(tickOf(job), at);
      await queue.work(async ({ job }) => {
        ran.push({ job, at: Date.now() });
      }, 1);
      await eventually('three ticks', () => ran.length === 3);
      expect(ran.map(({ job }) => job)).toEqual(['past', 'soon', 'late']);
      // Timers may ring a millisecond early.
      for (const { job, at } of ran) expect(at).toBeGreaterThanOrEqual(due[job as keyof typeof due] - 2);
    });

    it('hands over exactly the ids of the tick', async () => {
      const queue = await fresh();
      const ran: TickRef[] = [];
      await queue.work(async (tick) => {
        ran.push(tick);
      }, 1);
      await queue.add({ org: 'org:with colon', job: 'k3f9-x2ab', tick: 17 }, Date.now());
      await eventually('the tick', () => ran.length === 1);
      expect(ran).toEqual([{ org: 'org:with colon', job: 'k3f9-x2ab', tick: 17 }]);
    });

    it('takes blind double adds as one', async () => {
      const queue = await fresh();
      const ran: string[] = [];
      const now = Date.now();
      for (let round = 0; round < 5; round += 1) {
        await Promise.all(
          Array.from({ length: 40 }, (_, index) => queue.add(tickOf(`job${index}`), now + (index % 2) * 300)),
        );
      }
      await queue.work(async ({ job }) => {
        ran.push(job);
        await queue.add(tickOf(job), Date.now());
      }, 8);
      await eventually('all ticks', () => ran.length >= 40);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(ran.length).toBe(40);
      expect(new Set(ran).size).toBe(40);
    });

    it('runs a tick again that is added again after its end, and the next tick that is added from inside', async () => {
      const queue = await fresh();
      const ran: number[] = [];
      await queue.work(async ({ job, tick }) => {
        ran.push(tick);
        if (tick < 3) await queue.add(tickOf(job, tick + 1), Date.now());
      }, 2);
      await queue.add(tickOf('a'), Date.now());
      await eventually('three ticks', () => ran.length === 3);
      await eventually('an idle queue', async () => {
        const { waiting, delayed, active } = await queue.depth();
        return waiting + delayed + active === 0;
      });
      await queue.add(tickOf('a', 3), Date.now());
      await eventually('the fourth', () => ran.length === 4);
      expect(ran).toEqual([1, 2, 3, 3]);
    });

    it('loses only the tick whose handler throws, and takes it again when it is added again', async () => {
      const queue = await fresh();
      const ran: string[] = [];
      await queue.work(async ({ job }) => {
        ran.push(job);
        if (job === 'bad' && ran.filter((each) => each === 'bad').length === 1) throw new Error('on purpose');
      }, 1);
      await queue.add(tickOf('bad'), Date.now());
      await queue.add(tickOf('good'), Date.now());
      await eventually('both', () => ran.includes('bad') && ran.includes('good'));
      await eventually('the end of the bad one', async () => (await queue.depth()).active === 0);
      await queue.add(tickOf('bad'), Date.now());
      await eventually('the bad one again', () => ran.filter((job) => job === 'bad').length === 2);
    });

    it('runs no more at once than it is told, and says how much there is', async () => {
      const queue = await fresh();
      const hold = gate();
      let running = 0;
      let most = 0;
      let done = 0;
      await Promise.all(Array.from({ length: 12 }, (_, index) => queue.add(tickOf(`w${index}`), Date.now())));
      await queue.add(tickOf('far'), Date.now() + 3_600_000);
      await queue.work(async () => {
        running += 1;
        most = Math.max(most, running);
        await hold.passed;
        running -= 1;
        done += 1;
      }, 4);
      await eventually('a full house', () => running === 4);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(await queue.depth()).toEqual({ waiting: 8, delayed: 1, active: 4 });
      hold.open();
      await eventually('all of them', () => done === 12);
      expect(most).toBe(4);
    });

    it('waits for running ticks when it closes', async () => {
      const queue = await fresh();
      let ended = false;
      let begun = false;
      await queue.work(async () => {
        begun = true;
        await new Promise((resolve) => setTimeout(resolve, 400));
        ended = true;
      }, 2);
      await queue.add(tickOf('slow'), Date.now());
      await eventually('its start', () => begun);
      await queue.close(5_000);
      expect(ended).toBe(true);
    });

    it('closes within its grace although a tick hangs', async () => {
      const queue = await fresh();
      const hold = gate();
      let begun = false;
      await queue.work(async () => {
        begun = true;
        await hold.passed;
      }, 2);
      await queue.add(tickOf('stuck'), Date.now());
      await eventually('its start', () => begun);
      const start = performance.now();
      await queue.close(500);
      expect(performance.now() - start).toBeLessThan(2_500);
      hold.open();
    });

    it('refuses what comes after its end with a Fault', async () => {
      const queue = await fresh();
      await queue.ready();
      await queue.close(100);
      await expect(queue.add(tickOf('x'), Date.now())).rejects.toBeInstanceOf(Fault);
      await expect(queue.ready()).rejects.toMatchObject({ kind: 'unreachable' });
    });
  });
}
