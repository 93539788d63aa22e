/** Many jobs at once, and the next step of those whose worker dies. */
import { systemClock } from '../../src/clock.ts';
import { createBullmqQueue } from '../../src/jobs/index.ts';
import { openConfiguredStore } from '../../src/store/index.ts';
import { type Replica, type Stage, startReplica } from '../../test/replicas/stage.ts';
import { keptLog } from '../../test/story/kqueen.ts';
import { median, quantile, type Row, residentMb, until } from './measure.ts';
import { putAll, someCluster, someJob } from './records.ts';

const org = 'default';

/** A store of its own on the stage, with the stage's provisioner in it. */
async function openPart(stage: Stage, prefix: string) {
  const settings = { ...stage.settings().store, prefix };
  const opened = await openConfiguredStore(settings, { clock: systemClock, log: keptLog(), dataDir: '' });
  const [provisioner] = (await stage.opened.store.page('provisioner', org)).items;
  if (!provisioner) throw new Error('The stage has no provisioner.');
  const secret = { kind: 'secret', org, id: `provisioner.${provisioner.record.id}` } as const;
  const sealed = opened.sealer.seal(secret, JSON.stringify({ token: stage.provider.token }));
  await putAll(opened.store, [
    { op: 'put', ref: provisioner.ref, record: provisioner.record },
    { op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed } },
  ]);
  const redisPrefix = prefix.slice(1);
  // Workers hold no chat tokens.
  const { slack: _slack, ...rest } = stage.settings({
    roles: { bot: false, worker: true },
    store: settings,
    redisPrefix,
  });
  const worker = () => startReplica(rest);
  /** Writes jobs that are all due at `dueAt`, and tells the queue as a command does. */
  async function ask(count: number, from: number, dueAt: number): Promise<void> {
    const clusters = Array.from({ length: count }, (_, index) =>
      someCluster(from + index, {
        ...{ phase: 'Requested', provisioner: provisioner?.record.id ?? '', kubeconfig: false },
        openJob: someCluster(from + index).id,
        spec: { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 1 },
      }),
    );
    await putAll(
      opened.store,
      clusters.flatMap((record) => [
        { op: 'put', ref: { kind: 'cluster', org, id: record.id }, record },
        { op: 'put', ref: { kind: 'job', org, id: record.id }, record: someJob(record, record.provisioner, dueAt) },
      ]),
    );
    const queue = createBullmqQueue({
      ...{ url: stage.redis.url, prefix: redisPrefix, clock: systemClock, log: keptLog() },
    });
    await Promise.all(clusters.map(({ id }) => queue.add({ org, job: id, tick: 1 }, dueAt)));
    await queue.close(1_000);
  }
  const jobs = () => opened.cache.query('job', org, { limit: 100_000 }).items;
  return { opened, worker, ask, jobs };
}

/** All of `count` jobs come due at the same moment, for one worker; the provider takes minutes for each. */
export async function measureMany(stage: Stage, count: number): Promise<Row[]> {
  const part = await openPart(stage, '/bench-many');
  const worker = await part.worker();
  try {
    // What one job loads, the engine's client and the connections, is not what a thousand cost.
    await part.ask(1, 90_000, Date.now());
    await until('a job before the measurement', () => (part.jobs()[0]?.tick ?? 0) > 3, { mostMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const before = residentMb(worker.pid);
    const dueAt = Date.now() + 5_000 + count * 4;
    await part.ask(count, 0, dueAt);
    await until('the moment', () => Date.now() >= dueAt, { mostMs: 60_000, everyMs: 5 });
    let most = before;
    const looked = () => {
      most = Math.max(most, residentMb(worker.pid));
      return part.jobs();
    };
    const begun = performance.now();
    await until(
      'the first tick of all',
      () => looked().filter((job) => job.startedAt !== undefined).length === count + 1,
      {
        mostMs: 120_000,
        everyMs: 50,
      },
    );
    const ms = performance.now() - begun;
    // The memory that they need while they run on, some ticks each.
    await until('a second tick of all', () => looked().every((job) => job.tick > 2), { mostMs: 120_000, everyMs: 100 });
    const failed = part.jobs().filter(({ state }) => state === 'Failed').length;
    if (failed > 0)
      throw new Error(`${failed} jobs failed: ${part.jobs().find(({ state }) => state === 'Failed')?.note}`);
    return [
      { what: `${count} jobs at once, first tick of the last`, unit: 's', ours: ms / 1_000, most: 10 },
      { what: `${count} jobs at once, growth of the worker`, unit: 'MB', ours: most - before, most: 100 },
    ];
  } finally {
    await worker.kill9();
    await part.opened.close();
  }
}

/** Jobs in the middle of a tick when their worker is killed with SIGKILL; another worker runs. */
export async function measureDeath(stage: Stage, rounds: number): Promise<Row[]> {
  const part = await openPart(stage, '/bench-death');
  const workers: Replica[] = [await part.worker(), await part.worker()];
  const times: number[] = [];
  const perRound = 20;
  try {
    for (let round = 0; round < rounds; round += 1) {
      await part.ask(perRound, 20_000 + round * perRound, Date.now() + 500);
      const mine = () => part.jobs().filter(({ id }) => Number(id.slice(6)) >= 20_000 + round * perRound);
      await until('the start of all', () => mine().filter((job) => job.startedAt !== undefined).length === perRound);
      // Every call takes its time from now on, so that the worker dies inside of ticks.
      await stage.provider.ask('PUT', '/v1/admin/faults', [{ effect: { delayMs: 1_000 } }]);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const ticks = new Map(mine().map(({ id, tick }) => [id, tick]));
      await workers.shift()?.kill9();
      const began = performance.now();
      await stage.provider.ask('DELETE', '/v1/admin/faults');
      const open = new Set(ticks.keys());
      await until(
        'the next step of all',
        () => {
          for (const { id, tick, endedAt } of mine())
            if (tick > (ticks.get(id) ?? 0) || endedAt !== undefined) open.delete(id);
          return open.size === 0;
        },
        { mostMs: 60_000, everyMs: 10 },
      );
      times.push((performance.now() - began) / 1_000);
      workers.push(await part.worker());
    }
    return [
      { what: "next step of all jobs after a worker's kill -9, median", unit: 's', ours: median(times), most: 10 },
      { what: "next step of all jobs after a worker's kill -9, worst", unit: 's', ours: quantile(times, 1), most: 10 },
    ];
  } finally {
    await Promise.all(workers.map((worker) => worker.kill9()));
    await part.opened.close();
  }
}
