/**
 * The kill matrix: a worker on real etcd and Redis is killed at its n-th request to the store or to the provider, before the request is
 * forwarded or after it was carried out; a fresh worker finishes the job, and the provider has seen one creation.
 */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { Store } from '../../src/core/ports/store.ts';
import { endedStates, type Job, type JobKindName } from '../../src/core/records.ts';
import { openEtcdDriver } from '../../src/store/etcd.ts';
import { openSealer, parseSecretKeys } from '../../src/store/seal.ts';
import { openStore } from '../../src/store/store.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { type ProxiedRequest, startGrpcProxy, startHttpProxy } from '../proxy.ts';
import { endProcess, eventually, spawnReaped, startEtcd, startRedis } from '../servers.ts';
import { keepingLog } from '../store/parts.ts';
import { mustCommit } from './bench.ts';
import { heldCluster, sampleJob, sampleProvisioner } from './samples.ts';

export interface Kill {
  at: 'store' | 'provider';
  side: 'before' | 'after';
  n: number;
}

export interface Run {
  killed: boolean;
  /** What the worker was killed at, for the report. */
  request?: string;
  /** Requests until the end of the job, in order; those of a killed worker and of its successor alike. */
  requests: { store: string[]; provider: string[] };
  /** From the kill, over the start of the fresh worker, to the next change of the job. */
  resumedMs?: number;
  job: Job;
}

/** How a kind of job begins and how its end is recognised; `name` is the cluster's at the provider. */
interface Scenario {
  job: Partial<Job>;
  cluster: Parameters<typeof heldCluster>[0];
  prepare(provider: SandboxProvider, name: string, cluster: string): Promise<void>;
  /** Throws when the world is not as it must be after the job. */
  verify(provider: SandboxProvider, store: Store, name: string, cluster: string): Promise<void>;
}

const org = 'default';
const spec = { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 1 };

/** One for every kind of job: a kind without one fails the matrix. */
export const scenarios: Partial<Record<JobKindName, Scenario>> = {
  'cluster.create': {
    job: { kind: 'cluster.create' },
    cluster: { phase: 'Requested' },
    async prepare() {},
    async verify(provider, store, name, cluster) {
      const { record } = (await store.get({ kind: 'cluster', org, id: cluster })) ?? {};
      must(
        record?.phase === 'Ready' && record.openJob === undefined && record.kubeconfig,
        `cluster is ${record?.phase}`,
      );
      must(await store.get({ kind: 'secret', org, id: `kubeconfig.${cluster}` }), 'no kubeconfig');
      must(await store.get({ kind: 'health', org, id: cluster }), 'no health record');
      must((await statusOf(provider, name)) === 'RUNNING', 'it does not run at the provider');
      const made = await creations(provider, name);
      must(made === 1, `${made} creations at the provider`);
    },
  },
  'cluster.delete': {
    job: { kind: 'cluster.delete' },
    cluster: { phase: 'Ready' },
    async prepare(provider, name, cluster) {
      const labels = { 'kqueen-cluster': cluster, 'kqueen-org': org };
      await provider.ask('POST', '/v1/clusters', { name, ...spec, labels });
      await eventually('a cluster to delete', async () => (await statusOf(provider, name)) === 'RUNNING', {
        timeoutMs: 30_000,
        everyMs: 100,
      });
    },
    async verify(provider, store, name, cluster) {
      must((await store.get({ kind: 'cluster', org, id: cluster })) === undefined, 'the record is still there');
      must((await store.get({ kind: 'name', org, id: `cluster.${name}` })) === undefined, 'its name is not free');
      must((await statusOf(provider, name)) === undefined, 'it is still there at the provider');
    },
  },
};

function must(holds: unknown, problem: string): asserts holds {
  if (!holds) throw new Error(problem);
}

async function statusOf(provider: SandboxProvider, name: string): Promise<string | undefined> {
  const { clusters } = (await provider.ask('GET', `/v1/clusters?label=kqueen-cluster%3D${name}&limit=200`)) as {
    clusters: { name: string; status: string }[];
  };
  return clusters.find((each) => each.name === name)?.status;
}

async function creations(provider: SandboxProvider, name: string): Promise<number> {
  const { creates } = (await provider.ask('GET', '/v1/admin/calls')) as { creates: Record<string, { made: number }> };
  return creates[name]?.made ?? 0;
}

export interface Matrix {
  /** One job of the kind; its worker is killed as asked, if it gets so far. Throws when anything is not as it must be in the end. */
  run(kind: JobKindName, kill?: Kill): Promise<Run>;
  close(): Promise<void>;
}

const secretKeys = Buffer.alloc(32, 5).toString('base64');
const workerProgram = fileURLToPath(new URL('./matrix-worker.ts', import.meta.url));

/** Starts etcd, Redis and the sandbox provider; every run has its own keys in the stores and its own cluster name. */
export async function openMatrix(): Promise<Matrix> {
  const [etcd, redis, provider] = await Promise.all([startEtcd(), startRedis(), startSandboxProvider(200)]);
  await provider.ask('PUT', '/v1/admin/quota', { clusters: 10_000, nodes: 10_000 });
  const log = keepingLog();
  const driver = openEtcdDriver({ hosts: etcd.hosts });
  const sealer = openSealer(parseSecretKeys(secretKeys));
  let runs = 0;

  async function run(kind: JobKindName, kill?: Kill): Promise<Run> {
    runs += 1;
    const name = `m${runs}-${kind.replace('cluster.', '')}`;
    const prefix = `/matrix/${name}`;
    const store = openStore(driver, { prefix, log });
    const scenario = scenarios[kind];
    if (!scenario) throw new Error(`no scenario for ${kind}`);
    let child: ChildProcess | undefined;
    let killedAt: number | undefined;
    let request: string | undefined;

    function hook(at: Kill['at'], side: Kill['side']) {
      return async (seen: ProxiedRequest): Promise<'cut' | undefined> => {
        if (killedAt !== undefined || kill?.at !== at || kill.side !== side || kill.n !== seen.n || !child)
          return undefined;
        killedAt = performance.now();
        request = words(seen);
        await endProcess(child, 'SIGKILL');
        return 'cut';
      };
    }
    const toStore = await startGrpcProxy(etcd.url, { before: hook('store', 'before'), after: hook('store', 'after') });
    const toProvider = await startHttpProxy(provider.url, {
      targetCa: provider.ca,
      before: hook('provider', 'before'),
      after: hook('provider', 'after'),
    });
    let said = '';
    function startChild(): ChildProcess {
      const settings = { etcd: toStore.url, prefix, redis: redis.url, redisPrefix: name, secretKeys };
      const started = spawnReaped(process.execPath, [workerProgram], {
        PATH: process.env.PATH,
        MATRIX_WORKER: JSON.stringify(settings),
      });
      for (const stream of [started.stdout, started.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          said = (said + chunk.toString()).slice(-8_000);
        });
      }
      return started;
    }

    try {
      await scenario.prepare(provider, name, name);
      await seed(store, scenario, name, { url: toProvider.url, caBundle: toProvider.ca });
      const jobRef = { kind: 'job', org, id: name } as const;
      const first = startChild();
      child = first;
      const ended = async () => {
        const job = await store.get(jobRef);
        return job && endedStates.includes(job.record.state) ? job : undefined;
      };
      await eventually('the end of the job, or of its worker', async () => killedAt !== undefined || (await ended()), {
        timeoutMs: 60_000,
        everyMs: 50,
      });
      const result: Partial<Run> = {};
      if (killedAt !== undefined) {
        await eventually('the end of the killed worker', () => first.signalCode !== null);
        const before = await store.get(jobRef);
        child = startChild();
        if (!(await ended())) {
          await eventually('the next step', async () => (await store.get(jobRef))?.revision !== before?.revision, {
            timeoutMs: 40_000,
            everyMs: 50,
          });
          result.resumedMs = performance.now() - killedAt;
        }
      }
      const job = await eventually('the end of the job', ended, { timeoutMs: 60_000, everyMs: 50 });
      const requests = { store: toStore.seen().map(words), provider: toProvider.seen().map(words) };
      must(job.record.state === 'Succeeded', `the job ended as ${job.record.state}: ${job.record.note}`);
      await scenario.verify(provider, store, name, name);
      const audit = await store.page('audit', org);
      must(audit.items.length === 1, `${audit.items.length} audit entries of its end`);
      await endProcess(child, 'SIGKILL');
      await forget(redis.url, name);
      return { ...result, killed: killedAt !== undefined, requests, job: job.record, ...(request ? { request } : {}) };
    } catch (error) {
      const what = kill ? `${kind} killed ${kill.side} ${kill.at} request ${kill.n} (${request})` : `${kind} unharmed`;
      const job = await store.get({ kind: 'job', org, id: name });
      throw new Error(`${what}: ${String(error)}\njob: ${JSON.stringify(job?.record)}\nworker: ${said}`);
    } finally {
      if (child) await endProcess(child, 'SIGKILL');
      await Promise.all([toStore.close(), toProvider.close()]);
    }
  }

  async function seed(store: Store, scenario: Scenario, name: string, params: Record<string, string>): Promise<void> {
    const now = Date.now();
    const secret = { kind: 'secret', org, id: 'provisioner.p1' } as const;
    const sealed = sealer.seal(secret, JSON.stringify({ token: provider.token }));
    const record = sampleProvisioner({ params, secretFields: ['token'] });
    const job = sampleJob({
      ...{ id: name, cluster: name, clusterName: name, requestedAt: now, dueAt: now, ...scenario.job },
    });
    const cluster = heldCluster({
      ...{ id: name, name, externalName: name, openJob: name, spec, ...scenario.cluster },
    });
    await mustCommit(store, [
      { op: 'put', ref: { kind: 'provisioner', org, id: 'p1' }, record },
      { op: 'put', ref: secret, record: { v: 1, id: secret.id, org, sealed } },
      { op: 'put', ref: { kind: 'job', org, id: name }, record: job },
      { op: 'put', ref: { kind: 'cluster', org, id: name }, record: cluster },
      {
        op: 'put',
        ref: { kind: 'name', org, id: `cluster.${name}` },
        record: { v: 1, id: `cluster.${name}`, org, holder: name },
      },
    ]);
  }

  return {
    run,
    async close() {
      await driver.close();
      await Promise.all([etcd.stop(), redis.stop(), provider.stop()]);
    },
  };
}

function words({ method, path }: ProxiedRequest): string {
  return `${method} ${path}`;
}

/** A run's queue has no reader any more; Redis keeps everything in memory. */
async function forget(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url);
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
}

/** Runs the kills, `atOnce` at a time, and throws every failure together. */
export async function runKills(matrix: Matrix, kind: JobKindName, kills: Kill[], atOnce: number): Promise<Run[]> {
  const runs: Run[] = [];
  const failures: string[] = [];
  const next = kills.values();
  async function place(): Promise<void> {
    for (const kill of next) {
      try {
        runs.push(await matrix.run(kind, kill));
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, place));
  if (failures.length > 0) throw new Error(`${failures.length} of ${kills.length} failed:\n${failures.join('\n\n')}`);
  return runs;
}

/** `count` numbers from 1 to `last`, spread evenly, both ends among them. */
export function spread(last: number, count: number): number[] {
  if (last <= count) return Array.from({ length: last }, (_, index) => index + 1);
  return Array.from({ length: count }, (_, index) => 1 + Math.round((index * (last - 1)) / (count - 1)));
}

/** One line for the report. */
export function summary(kind: JobKindName, runs: Run[], unharmed: Run): string {
  const killed = runs.filter((run) => run.killed);
  const resumed = killed.flatMap((run) => (run.resumedMs === undefined ? [] : [run.resumedMs])).sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(resumed[Math.min(resumed.length - 1, Math.floor(resumed.length * share))] ?? 0);
  const { store, provider } = unharmed.requests;
  return (
    `${kind}: ${store.length} store and ${provider.length} provider requests unharmed; ${killed.length} of ${runs.length} runs killed, ` +
    `all finished; next step after kill and restart p50 ${at(0.5)} ms, max ${at(1)} ms`
  );
}
