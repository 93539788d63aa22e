/**
 * The kill matrix: a worker on real etcd and Redis is killed at its n-th request to the store or to the provider, before the request is
 * forwarded or after it was carried out; a fresh worker finishes the job, and the provider has seen each change once. It runs for every
 * engine that has a harness.
 */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { Engine, Target } from '../../src/core/ports/engine.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { endedStates, type Job } from '../../src/core/records.ts';
import { secretKeys } from '../../src/core/schema.ts';
import { openEtcdDriver } from '../../src/store/etcd.ts';
import { openSealer, parseSecretKeys } from '../../src/store/seal.ts';
import { openStore } from '../../src/store/store.ts';
import type { Harness, HarnessOptions, KubeBackend } from '../engines/harness.ts';
import { type CountingProxy, type ProxiedRequest, startGrpcProxy, startHttpProxy } from '../proxy.ts';
import { compiled, endProcess, eventually, spawnReaped, startEtcd, startRedis } from '../servers.ts';
import { keepingLog } from '../store/parts.ts';
import { mustCommit } from './bench.ts';
import { type Ground, must, org, type ProviderJob, scenarios } from './matrix-scenarios.ts';
import { heldCluster, sampleJob, sampleProvisioner } from './samples.ts';

export interface Kill {
  at: 'store' | 'provider';
  side: 'before' | 'after';
  /** Which request, counted from 1. */
  n: number;
  /** Only those are counted that change the provider. */
  among?: 'changes';
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

export interface Matrix {
  engine: Engine;
  /** One job of the kind; its worker is killed as asked, if it gets so far. Throws when anything is not as it must be in the end. */
  run(kind: ProviderJob, kill?: Kill): Promise<Run>;
  close(): Promise<void>;
}

export interface MatrixOptions {
  open: (options: HarnessOptions) => Promise<Harness>;
  /** Lends the clusters of the harness real Kubernetes APIs; without it they have their own. */
  openKube?: () => Promise<KubeBackend>;
}

const sealingKeys = Buffer.alloc(32, 5).toString('base64');
const workerProgram = fileURLToPath(new URL('./matrix-worker.ts', import.meta.url));

/** How long a create takes at the providers of the tests, in milliseconds. */
const createMs = 300;

/** Proxies before each address of a provider, with one count of their requests. */
interface Fronts {
  params: Record<string, unknown>;
  seen: string[];
  close(): Promise<void>;
}

/** A request with its number among all, and among those that change the provider (0: it does not). */
interface Counted {
  n: number;
  change: number;
  words: string;
}

type Hook = (seen: Counted) => Promise<'cut' | undefined>;

async function openFronts(harness: Harness, hooks: Record<Kill['side'], Hook>): Promise<Fronts> {
  const seen: string[] = [];
  const known = new WeakMap<ProxiedRequest, Counted>();
  let changes = 0;
  const proxies: CountingProxy[] = [];
  const params = { ...harness.params };
  const authorities: string[] = [];
  for (const { key, ca } of harness.addresses) {
    const address = new URL(String(harness.params[key]));
    const proxy = await startHttpProxy(address.origin, {
      tls: address.protocol === 'https:',
      keepHost: true,
      ...(ca === undefined ? {} : { targetCa: ca }),
      before(request) {
        seen.push(words(request));
        const is = isChange(words(request));
        changes += is ? 1 : 0;
        const counted = { n: seen.length, change: is ? changes : 0, words: words(request) };
        known.set(request, counted);
        return hooks.before(counted);
      },
      async after(request) {
        const counted = known.get(request);
        return counted && hooks.after(counted);
      },
    });
    proxies.push(proxy);
    if (proxy.ca) authorities.push(proxy.ca);
    params[key] = String(harness.params[key]).replace(address.origin, proxy.url);
  }
  if ('caBundle' in harness.engine.provisioner.shape) {
    params.caBundle = [harness.params.caBundle, ...authorities].filter(Boolean).join('\n');
  }
  return { params, seen, close: async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))) };
}

/** Starts etcd, Redis and the engine's provider; every run has its own keys in the stores and its own cluster. */
export async function openMatrix(options: MatrixOptions): Promise<Matrix> {
  const [etcd, redis, kube] = await Promise.all([startEtcd(), startRedis(), options.openKube?.()]);
  const harness = await options.open({ createMs, ...(kube ? { kube } : {}) });
  // The harness may begin with little.
  await harness.faults.clear();
  const client = await harness.engine.connect(harness.params);
  const log = keepingLog();
  const driver = openEtcdDriver({ hosts: etcd.hosts });
  const sealer = openSealer(parseSecretKeys(sealingKeys));
  let runs = 0;

  async function run(kind: ProviderJob, kill?: Kill): Promise<Run> {
    runs += 1;
    const name = `m${runs}-${kind.replace('cluster.', '')}`;
    const prefix = `/matrix/${name}`;
    const store = openStore(driver, { prefix, log });
    const scenario = scenarios[kind];
    const target: Target = { org, cluster: name, externalName: name, spec: harness.spec };
    const ground: Ground = { harness, client, target };
    let child: ChildProcess | undefined;
    let killedAt: number | undefined;
    let request: string | undefined;

    function hook(at: Kill['at'], side: Kill['side']): Hook {
      return async (seen) => {
        if (killedAt !== undefined || kill?.at !== at || kill.side !== side || !child) return undefined;
        if (kill.n !== (kill.among === 'changes' ? seen.change : seen.n)) return undefined;
        killedAt = performance.now();
        request = seen.words;
        await endProcess(child, 'SIGKILL');
        return 'cut';
      };
    }
    const counted = (run: Hook) => (seen: ProxiedRequest) => run({ n: seen.n, change: 0, words: words(seen) });
    const toStore = await startGrpcProxy(etcd.url, {
      before: counted(hook('store', 'before')),
      after: counted(hook('store', 'after')),
    });
    const fronts = await openFronts(harness, { before: hook('provider', 'before'), after: hook('provider', 'after') });
    let said = '';
    function startChild(): ChildProcess {
      const settings = { etcd: toStore.url, prefix, redis: redis.url, redisPrefix: name, secretKeys: sealingKeys };
      const started = spawnReaped(process.execPath, [workerProgram], {
        PATH: process.env.PATH,
        ...compiled,
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
      await seed(store, await scenario.prepare(ground), ground, fronts.params);
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
      const requests = { store: toStore.seen().map(words), provider: [...fronts.seen] };
      must(job.record.state === 'Succeeded', `the job ended as ${job.record.state}: ${job.record.note}`);
      await scenario.verify(ground, store);
      const audit = await store.page('audit', org);
      must(audit.items.length === 1, `${audit.items.length} audit entries of its end`);
      await endProcess(child, 'SIGKILL');
      await forget(redis.url, name);
      return { ...result, killed: killedAt !== undefined, requests, job: job.record, ...(request ? { request } : {}) };
    } catch (error) {
      const which = kill && `${kill.at} ${kill.among === 'changes' ? 'change' : 'request'} ${kill.n} (${request})`;
      const what = kill ? `${kind} killed ${kill.side} ${which}` : `${kind} unharmed`;
      const job = await store.get({ kind: 'job', org, id: name });
      throw new Error(`${what}: ${String(error)}\njob: ${JSON.stringify(job?.record)}\nworker: ${said}`);
    } finally {
      if (child) await endProcess(child, 'SIGKILL');
      await Promise.all([toStore.close(), fronts.close()]);
    }
  }

  async function seed(
    store: Store,
    begin: Awaited<ReturnType<(typeof scenarios)[ProviderJob]['prepare']>>,
    { target }: Ground,
    params: Record<string, unknown>,
  ): Promise<void> {
    const now = Date.now();
    const name = target.cluster;
    const engine = harness.engine.name;
    const hidden = secretKeys(harness.engine.provisioner);
    const pick = (wanted: boolean) =>
      Object.fromEntries(Object.entries(params).filter(([key]) => hidden.includes(key) === wanted));
    const secret = { kind: 'secret', org, id: 'provisioner.p1' } as const;
    const sealed = sealer.seal(secret, JSON.stringify(pick(true)));
    const record = sampleProvisioner({ engine, params: pick(false), secretFields: hidden });
    const job = sampleJob({
      ...{ id: name, cluster: name, clusterName: name, engine, requestedAt: now, dueAt: now, ...begin.job },
    });
    const cluster = heldCluster({
      ...{ id: name, name, externalName: name, engine, openJob: name, ...begin.cluster },
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
    engine: harness.engine,
    run,
    async close() {
      await Promise.all([client.close(), driver.close()]);
      await harness.close();
      await Promise.all([etcd.stop(), redis.stop(), kube?.close()]);
    },
  };
}

function words({ method, path }: Pick<ProxiedRequest, 'method' | 'path'>): string {
  return `${method} ${path}`;
}

/** Whether a request changes the provider; those for a token or a kubeconfig do not, nor those that only try something out. */
function isChange(request: string): boolean {
  return (
    /^(POST|PUT|PATCH|DELETE) /.test(request) &&
    !/token|oauth|crumb|listCluster\w+Credential|\/validate$|\/preview$/i.test(request)
  );
}

/** Positions, counted from 1, of the requests that change the provider. */
export function changesAmong(requests: readonly string[]): number[] {
  return requests.flatMap((request, index) => (isChange(request) ? [index + 1] : []));
}

/** A run's queue has no reader any more; Redis keeps everything in memory. */
async function forget(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url);
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
}

/** Runs the kills of a kind, `atOnce` at a time, and throws every failure together. */
export async function runKills(matrix: Matrix, kind: ProviderJob, kills: Kill[], atOnce: number): Promise<Run[]> {
  return runAll(
    matrix,
    kills.map((kill) => ({ kind, kill })),
    atOnce,
  );
}

/** Runs all of these, `atOnce` at a time, and throws every failure together. */
export async function runAll(
  matrix: Matrix,
  plans: { kind: ProviderJob; kill: Kill }[],
  atOnce: number,
): Promise<Run[]> {
  const runs: Run[] = [];
  const failures: string[] = [];
  const next = plans.values();
  async function place(): Promise<void> {
    for (const { kind, kill } of next) {
      try {
        runs.push(await matrix.run(kind, kill));
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, place));
  if (failures.length > 0) throw new Error(`${failures.length} of ${plans.length} failed:\n${failures.join('\n\n')}`);
  return runs;
}

/** `count` numbers from 1 to `last`, spread evenly, both ends among them. */
export function spread(last: number, count: number): number[] {
  if (last <= count) return Array.from({ length: last }, (_, index) => index + 1);
  return Array.from({ length: count }, (_, index) => 1 + Math.round((index * (last - 1)) / (count - 1)));
}

/** One line for the report. */
export function summary(kind: string, runs: Run[], unharmed: Run): string {
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
