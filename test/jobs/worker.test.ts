/** The worker as a whole, with the real store, queue, engine and provider. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Queue } from '../../src/core/ports/queue.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { endedStates, type Job, type Kind } from '../../src/core/records.ts';
import { openEngines } from '../../src/engines/index.ts';
import {
  createBullmqQueue,
  createInProcessQueue,
  type JobMeters,
  startWorker,
  type WorkerParts,
} from '../../src/jobs/index.ts';
import { openKube } from '../../src/kube/index.ts';
import { openEmbedded } from '../../src/store/open.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually, needServer, startRedis } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog, temporaryFolder } from '../store/parts.ts';
import { countingIds, mustCommit } from './bench.ts';
import { heldCluster, sampleJob, sampleProvisioner } from './samples.ts';

const org = 'default';
const clock = realClock;

describe('a worker', () => {
  let provider: SandboxProvider;
  beforeAll(async () => {
    provider = await startSandboxProvider(200);
    await provider.ask('PUT', '/v1/admin/quota', { clusters: 1_000, nodes: 1_000 });
  });
  afterAll(async () => {
    await provider.stop();
  });

  async function openParts(
    queue?: Queue,
  ): Promise<WorkerParts & { counted: string[]; log: ReturnType<typeof keepingLog> }> {
    const log = keepingLog();
    const opened = await openEmbedded({ dir: temporaryFolder(), clock, log });
    onTestFinished(() => opened.close());
    const { store, cache, sealer } = opened;
    const secret = { kind: 'secret', org, id: 'provisioner.p1' } as const;
    const sealed = sealer.seal(secret, JSON.stringify({ token: provider.token }));
    const params = { url: provider.url, caBundle: provider.ca };
    await mustCommit(store, [
      {
        op: 'put',
        ref: { kind: 'provisioner', org, id: 'p1' },
        record: sampleProvisioner({ params, secretFields: ['token'], state: 'Unknown' }),
      },
      { op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed } },
    ]);
    const counted: string[] = [];
    const meters: JobMeters = {
      jobEnded: (kind, state, ms) => counted.push(`${kind} ${state} ${ms > 0}`),
      tickDone: () => {},
      queueDepth: () => counted.push('depth'),
      probed: (verdict) => counted.push(`probed ${verdict}`),
    };
    const engines = openEngines({ log, clock });
    const kube = openKube({ log, clock });
    onTestFinished(async () => {
      await Promise.all([engines.close(), kube.close()]);
    });
    return {
      ...{ store, cache, sealer, log, clock, engines, kube, meters, counted, newId: countingIds() },
      queue: queue ?? createInProcessQueue({ clock, log }),
    };
  }

  async function ask(store: Store, name: string, kind: Job['kind'] = 'cluster.create'): Promise<void> {
    const spec = { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 1 };
    const now = Date.now();
    const id = `${name}-${kind.slice(8)}`;
    const record = sampleJob({ id, kind, cluster: name, clusterName: name, requestedAt: now, dueAt: now });
    const held = await store.get({ kind: 'cluster', org, id: name });
    await mustCommit(store, [
      { op: 'put', ref: { kind: 'job', org, id }, record },
      {
        op: 'put',
        ref: { kind: 'cluster', org, id: name },
        record: { ...(held?.record ?? heldCluster({ id: name, name, externalName: name, spec })), openJob: id },
      },
    ]);
  }

  async function endOf(store: Store, id: string): Promise<Job> {
    return eventually(
      `the end of ${id}`,
      async () => {
        const job = (await store.get({ kind: 'job', org, id }))?.record;
        return job && endedStates.includes(job.state) ? job : undefined;
      },
      { timeoutMs: 25_000 },
    );
  }

  it('creates, sweeps, deletes, and stops in time, with nothing but the sweep to tell the queue', async () => {
    const parts = await openParts();
    const { store, log } = parts;
    const worker = await startWorker({ ...parts, every: { recovery: 500, health: 500, provisioners: 500 } });
    await ask(store, 'w1');
    expect(await endOf(store, 'w1-create')).toMatchObject({ state: 'Succeeded' });
    await eventually('a look by the sweep', () => parts.counted.includes('probed Healthy'));
    await eventually('a check of the provisioner', async () => {
      const found = await store.get({ kind: 'provisioner', org, id: 'p1' });
      return found?.record.state === 'OK' && found.record.facts.length > 0;
    });
    await ask(store, 'w1', 'cluster.delete');
    expect(await endOf(store, 'w1-delete')).toMatchObject({ state: 'Succeeded' });
    expect(await store.get({ kind: 'cluster', org, id: 'w1' })).toBeUndefined();
    expect(parts.counted).toContain('cluster.create Succeeded true');
    expect(parts.counted).toContain('cluster.delete Succeeded true');
    expect(parts.counted).toContain('depth');
    const begun = performance.now();
    await worker.close();
    expect(performance.now() - begun).toBeLessThan(3_000);

    const kinds: Kind[] = ['job', 'cluster', 'provisioner', 'secret', 'health', 'audit'];
    const everything = JSON.stringify([log.lines, await Promise.all(kinds.map((kind) => store.page(kind, org)))]);
    expect(everything).not.toContain(provider.token);
    expect(everything).not.toContain('client-key-data');
  }, 60_000);

  it('stops within its grace while a tick and a sweep hang at the provider, and another worker finishes', async () => {
    const parts = await openParts();
    const worker = await startWorker({ ...parts, every: { recovery: 500, provisioners: 500 } });
    await provider.ask('PUT', '/v1/admin/faults', [{ effect: { hang: true } }]);
    await ask(parts.store, 'w2');
    await eventually('a hanging tick', async () => (await parts.queue.depth()).active === 1);
    const begun = performance.now();
    await worker.close(1_000);
    expect(performance.now() - begun).toBeLessThan(3_500);
    await provider.ask('DELETE', '/v1/admin/faults');
    const next = await startWorker({ ...parts, queue: createInProcessQueue({ clock, log: parts.log }) });
    expect(await endOf(parts.store, 'w2-create')).toMatchObject({ state: 'Succeeded' });
    await next.close();
  }, 60_000);

  it('loses nothing when Redis loses everything in the middle of ten jobs', async (ctx) => {
    needServer(ctx, 'redis-server');
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const queue = createBullmqQueue({ url: redis.url, clock, log: keepingLog() });
    const parts = await openParts(queue);
    const worker = await startWorker(parts);
    onTestFinished(() => worker.close(100));
    const names = Array.from({ length: 10 }, (_, index) => `flush${index}`);
    await Promise.all(names.map((name) => ask(parts.store, name)));
    await eventually('the first acts', async () => {
      const jobs = await parts.store.page('job', org);
      return jobs.items.filter(({ record }) => record.intent?.answered).length >= 5;
    });
    const raw = new Redis(redis.url);
    await raw.flushall();
    raw.disconnect();
    const flushed = performance.now();
    for (const name of names) expect((await endOf(parts.store, `${name}-create`)).state).toBe('Succeeded');
    expect(performance.now() - flushed).toBeLessThan(20_000);
    const { creates } = (await provider.ask('GET', '/v1/admin/calls')) as { creates: Record<string, { made: number }> };
    for (const name of names) expect(creates[name]?.made).toBe(1);
  }, 60_000);

  it.each([
    { name: 'a lost answer', fault: { match: { method: 'POST' }, times: 1, effect: { loseAnswer: true } } },
    { name: 'a cut connection', fault: { match: { method: 'POST' }, times: 1, effect: { dropBefore: true } } },
    { name: 'a rate limit', fault: { times: 3, effect: { status: 429, retryAfterSeconds: 0.2 } } },
    { name: 'errors of the provider', fault: { times: 4, effect: { status: 503 } } },
  ])(
    'creates exactly one cluster through $name',
    async ({ name, fault }) => {
      const parts = await openParts();
      const worker = await startWorker({ ...parts, every: { recovery: 500 } });
      onTestFinished(() => worker.close(100));
      await provider.ask('PUT', '/v1/admin/faults', [fault]);
      const cluster = `f-${name.replaceAll(' ', '-')}`;
      await ask(parts.store, cluster);
      const job = await endOf(parts.store, `${cluster}-create`);
      await provider.ask('DELETE', '/v1/admin/faults');
      expect(job).toMatchObject({ state: 'Succeeded' });
      const { creates } = (await provider.ask('GET', '/v1/admin/calls')) as {
        creates: Record<string, { made: number }>;
      };
      expect(creates[cluster]?.made).toBe(1);
    },
    60_000,
  );

  it('ends as Failed with the reason of the provider, when that cannot make it', async () => {
    const parts = await openParts();
    const worker = await startWorker({ ...parts, every: { recovery: 500 } });
    onTestFinished(() => worker.close(100));
    const fail = { code: 'no_capacity', message: 'No machines of this size are left.', atPercent: 30 };
    await provider.ask('PUT', '/v1/admin/faults', [{ operation: 'create', clusterPrefix: 'sad', effect: { fail } }]);
    await ask(parts.store, 'sad');
    const job = await endOf(parts.store, 'sad-create');
    await provider.ask('DELETE', '/v1/admin/faults');
    expect(job).toMatchObject({ state: 'Failed' });
    expect(job.note).toMatch(/No machines of this size are left/);
    expect((await parts.store.get({ kind: 'cluster', org, id: 'sad' }))?.record).toMatchObject({ phase: 'Failed' });
  }, 60_000);
});
