/** Two hundred clusters in creation on each engine's counterpart, with one worker: what looking at them costs, and whether it stays flat. */
import { readFileSync } from 'node:fs';
import { systemClock } from '../../src/clock.ts';
import type { Provisioner } from '../../src/core/records.ts';
import { secretKeys } from '../../src/core/schema.ts';
import { createBullmqQueue } from '../../src/jobs/index.ts';
import { openConfiguredStore } from '../../src/store/index.ts';
import type { Harness, HarnessOptions } from '../../test/engines/harness.ts';
import { type Stage, startReplica } from '../../test/replicas/stage.ts';
import { keptLog } from '../../test/story/kqueen.ts';
import { median, type Row, residentMb, until } from './measure.ts';
import { putAll, someCluster, someJob } from './records.ts';

const org = 'default';

/** The counterparts, each opened with creations that take longer than the measurement. */
const harnesses: Record<string, (options: HarnessOptions) => Promise<Harness>> = {
  sandbox: async (options) => (await import('../../test/engines/sandbox-harness.ts')).openSandboxHarness(options),
  gke: async (options) => (await import('../../test/engines/gke-harness.ts')).openGkeHarness(options),
  aks: async (options) => (await import('../../test/engines/aks-harness.ts')).openAksHarness(options),
  heat: async (options) => (await import('../../test/engines/heat-harness.ts')).openHeatHarness(options),
  jenkins: async (options) => (await import('../../test/engines/jenkins-harness.ts')).openJenkinsHarness(options),
};

/** Milliseconds of processor time that a process has taken (Linux, in ticks of 10 ms). */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Measures every engine, or those named, one after the other. */
export async function measureEngines(stage: Stage, count: number, forMs: number, only?: string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, open] of Object.entries(harnesses).filter(([each]) => only?.includes(each) ?? true))
    rows.push(...(await measureEngine(stage, name, open, count, forMs)));
  return rows;
}

async function measureEngine(
  stage: Stage,
  name: string,
  open: (options: HarnessOptions) => Promise<Harness>,
  count: number,
  forMs: number,
): Promise<Row[]> {
  const harness = await open({ createMs: 3_600_000 });
  // Also gives the counterpart's account a quota that holds them all.
  await harness.faults.clear();
  const prefix = `/bench-engine-${name}`;
  const store = { ...stage.settings().store, prefix };
  const opened = await openConfiguredStore(store, { clock: systemClock, log: keptLog(), dataDir: '' });
  const redisPrefix = prefix.slice(1);
  const { slack: _slack, ...rest } = stage.settings({ roles: { bot: false, worker: true }, store, redisPrefix });
  const id = 'p1';
  const secrets = secretKeys(harness.engine.provisioner).filter((key) => harness.params[key] !== undefined);
  const provisioner: Provisioner = {
    ...{ v: 1, id, org, name: 'bench', engine: name, secretFields: secrets, paramsVersion: 'a', state: 'OK' },
    params: Object.fromEntries(Object.entries(harness.params).filter(([key]) => !secrets.includes(key))),
    ...{ message: 'a measurement', facts: [], createdBy: 'terminal:bench', createdAt: Date.now() },
  };
  const secret = { kind: 'secret', org, id: `provisioner.${id}` } as const;
  const sealed = opened.sealer.seal(
    secret,
    JSON.stringify(Object.fromEntries(secrets.map((key) => [key, harness.params[key]]))),
  );
  await putAll(opened.store, [
    { op: 'put', ref: { kind: 'provisioner', org, id }, record: provisioner },
    { op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed } },
  ]);
  const dueAt = Date.now() + 2_000;
  const clusters = Array.from({ length: count }, (_, index) => {
    // Nobody has seen it at the provider yet.
    const { externalId: _id, endpoint: _endpoint, readyAt: _ready, ...asked } = someCluster(index);
    const { id: openJob } = asked;
    return {
      ...asked,
      phase: 'Requested' as const,
      provisioner: id,
      engine: name,
      kubeconfig: false,
      spec: harness.spec,
      openJob,
    };
  });
  await putAll(
    opened.store,
    clusters.flatMap((record) => [
      { op: 'put', ref: { kind: 'cluster', org, id: record.id }, record },
      {
        op: 'put',
        ref: { kind: 'job', org, id: record.id },
        record: { ...someJob(record, id, dueAt), engine: name },
      },
    ]),
  );
  const queue = createBullmqQueue({
    ...{ url: stage.redis.url, prefix: redisPrefix, clock: systemClock, log: keptLog() },
  });
  const worker = await startReplica(rest);
  try {
    await Promise.all(clusters.map((cluster) => queue.add({ org, job: cluster.id, tick: 1 }, dueAt)));
    const jobs = () => opened.cache.query('job', org, { limit: 100_000 }).items;
    const failed = () => jobs().find(({ state }) => state === 'Failed');
    await until(
      `all are being created by ${name}`,
      () => failed() !== undefined || jobs().every((job) => job.intent?.answered === true),
      { mostMs: 180_000 },
    );
    // The first looks come quickly after each other; what is measured is the long wait after them.
    await new Promise((resolve) => setTimeout(resolve, Math.min(30_000, forMs)));
    const before = { ticks: ticksOf(jobs()), requests: await harness.requests(), cpu: processorMs(worker.pid) };
    const sizes: number[] = [];
    const begun = performance.now();
    while (performance.now() - begun < forMs) {
      sizes.push(residentMb(worker.pid));
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    const minutes = (performance.now() - begun) / 60_000;
    const ticks = ticksOf(jobs()) - before.ticks;
    const gone = failed();
    if (gone) throw new Error(`${name}: a job failed: ${gone.note}`);
    const third = Math.max(1, Math.floor(sizes.length / 3));
    return [
      {
        what: `${name}: ${count} in creation, worker's CPU for a look`,
        ...{ unit: 'ms', ours: (processorMs(worker.pid) - before.cpu) / Math.max(1, ticks) },
      },
      {
        what: `${name}: requests to the provider for a cluster and minute`,
        ...{ unit: '', ours: ((await harness.requests()) - before.requests) / count / minutes, most: 30 },
      },
      {
        what: `${name}: worker's memory, last third to first`,
        ...{ unit: 'MB', ours: median(sizes.slice(-third)), floor: median(sizes.slice(0, third)), most: 1.15 },
      },
    ];
  } finally {
    await worker.kill9();
    await queue.close(1_000);
    await opened.close();
    await harness.close();
  }
}

function ticksOf(jobs: readonly { tick: number }[]): number {
  return jobs.reduce((sum, { tick }) => sum + tick, 0);
}
