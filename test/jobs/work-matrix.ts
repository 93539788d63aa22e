/**
 * The kill matrix of work in clusters: a worker on real etcd and Redis is killed at a request to the store, to the cluster's API or to its provider,
 * before it is forwarded or after it was carried out; a fresh worker finishes the job, and the cluster is as it must be.
 */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { vaultOf } from '../../src/core/backup.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { endedStates, type Job } from '../../src/core/records.ts';
import { secretKeys } from '../../src/core/schema.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { openKube } from '../../src/kube/index.ts';
import { openArchive } from '../../src/store/archive/index.ts';
import { openEtcdDriver } from '../../src/store/etcd.ts';
import { openSealer, parseSecretKeys } from '../../src/store/seal.ts';
import { openStore } from '../../src/store/store.ts';
import { callFor, realClock } from '../engines/calls.ts';
import { type SandboxProvider, startSandboxProvider } from '../engines/sandbox-provider.ts';
import { apiOf } from '../kube/sandbox-cluster.ts';
import { type ProxiedRequest, startGrpcProxy, startHttpProxy } from '../proxy.ts';
import { endProcess, eventually, spawnReaped, startEtcd, startRedis } from '../servers.ts';
import { keepingLog } from '../store/parts.ts';
import { mustCommit } from './bench.ts';
import { must, org } from './matrix-scenarios.ts';
import { heldCluster, sampleJob, sampleProvisioner } from './samples.ts';

/** A cluster of the sandbox, past the worker and its proxies. */
export interface WorkGround {
  name: string;
  kubeconfig: string;
  kube: Kube;
  api: ReturnType<typeof apiOf>['api'];
  /** A request to the provider's own API. */
  ask: SandboxProvider['ask'];
}

export interface WorkScenario {
  /** Makes the cluster ready and says what is to be done. */
  prepare(ground: WorkGround): Promise<{ input: Record<string, unknown>; bulk?: string }>;
  /** Throws when the cluster is not as it must be after the job. */
  verify(ground: WorkGround, job: Job): Promise<void>;
}

export interface WorkKill {
  at: 'store' | 'outside';
  side: 'before' | 'after';
  /** Which request, counted from 1; outside, among those that change something. */
  n: number;
}

export interface WorkRun {
  killed: boolean;
  request?: string;
  /** Requests until the end of the job: all to the store, and those outside that change something. */
  requests: { store: string[]; changes: string[] };
  job: Job;
}

export interface WorkMatrix {
  run(op: string, scenario: WorkScenario, kill?: WorkKill): Promise<WorkRun>;
  close(): Promise<void>;
}

const sealingKeys = Buffer.alloc(32, 7).toString('base64');
const workerProgram = fileURLToPath(new URL('./matrix-worker.ts', import.meta.url));
const patience = { timeoutMs: 90_000, everyMs: 50 };

const isChange = (request: string) => /^(POST|PUT|PATCH|DELETE) /.test(request) && !/dryRun=All/.test(request);

/** Starts etcd, Redis and the provider; every run has its own keys in the store and its own cluster of three nodes. */
export async function openWorkMatrix(options: { archive?: string } = {}): Promise<WorkMatrix> {
  const [etcd, redis, provider] = await Promise.all([startEtcd(), startRedis(), startSandboxProvider(400)]);
  const driver = openEtcdDriver({ hosts: etcd.hosts });
  const sealer = openSealer(parseSecretKeys(sealingKeys));
  const kept = { log: silentLog, clock: realClock };
  const kube = openKube({
    ...{ ...kept, vault: vaultOf(sealer) },
    ...(options.archive ? { archive: openArchive({ kind: 'dir', path: options.archive }, kept) } : {}),
  });
  let runs = 0;

  async function ground(name: string): Promise<WorkGround & { close(): Promise<void> }> {
    await provider.ask('POST', '/v1/clusters', {
      ...{ name, region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 3 },
      labels: { 'kqueen-cluster': name, 'kqueen-org': org },
    });
    await eventually(
      'the cluster runs',
      async () => ((await provider.ask('GET', `/v1/clusters/${name}`)) as { status: string }).status === 'RUNNING',
      patience,
    );
    const kubeconfig = String(await provider.ask('GET', `/v1/clusters/${name}/kubeconfig`));
    const { api, close } = apiOf(kubeconfig);
    return { name, kubeconfig, kube, api, close, ask: provider.ask };
  }

  async function run(op: string, scenario: WorkScenario, kill?: WorkKill): Promise<WorkRun> {
    runs += 1;
    const name = `w${runs}-${op.replace('.', '-')}`;
    const prefix = `/works/${name}`;
    const store = openStore(driver, { prefix, log: keepingLog() });
    const on = await ground(name);
    let child: ChildProcess | undefined;
    let killedAt: number | undefined;
    let request: string | undefined;
    let said = '';
    const changes: string[] = [];
    const words = ({ method, path }: ProxiedRequest) => `${method} ${path}`;
    const hook = (at: WorkKill['at'], side: WorkKill['side']) => async (seen: ProxiedRequest) => {
      const is = words(seen);
      if (at === 'outside') {
        if (!isChange(is)) return undefined;
        if (side === 'before') changes.push(is);
      }
      const n = at === 'outside' ? changes.length : seen.n;
      if (killedAt !== undefined || kill?.at !== at || kill.side !== side || n !== kill.n || !child) return undefined;
      killedAt = performance.now();
      request = is;
      await endProcess(child, 'SIGKILL');
      return 'cut' as const;
    };
    const toStore = await startGrpcProxy(etcd.url, { before: hook('store', 'before'), after: hook('store', 'after') });
    const front = await startHttpProxy(`https://127.0.0.1:${provider.port}`, {
      ...{ targetCa: provider.ca, before: hook('outside', 'before'), after: hook('outside', 'after') },
    });
    function startWorker(): ChildProcess {
      const ours = { etcd: toStore.url, prefix, redis: redis.url, redisPrefix: name, secretKeys: sealingKeys };
      const settings = { ...ours, ...(options.archive ? { archive: options.archive } : {}) };
      const started = spawnReaped(process.execPath, [workerProgram], {
        PATH: process.env.PATH,
        MATRIX_WORKER: JSON.stringify(settings),
      });
      for (const stream of [started.stdout, started.stderr])
        stream?.on('data', (chunk: Buffer) => {
          said = (said + chunk.toString()).slice(-6_000);
        });
      return started;
    }
    const jobRef = { kind: 'job', org, id: name } as const;
    try {
      const { input, bulk } = await scenario.prepare(on);
      // What is asked for is planned first, as a person would.
      const plan = await kube.plan(on.kubeconfig, { op, input, ...(bulk ? { bulk } : {}) }, callFor(15_000));
      const now = Date.now();
      const hidden = secretKeys(sandbox.provisioner);
      const provisioner = { kind: 'secret', org, id: 'provisioner.p1' } as const;
      const access = { kind: 'secret', org, id: `kubeconfig.${name}` } as const;
      const brought = { kind: 'secret', org, id: `work.${name}` } as const;
      const through = on.kubeconfig
        .replace(/server: https:\/\/[^/]+/, `server: ${front.url}`)
        .replace(
          /certificate-authority-data: \S+/,
          `certificate-authority-data: ${Buffer.from(front.ca).toString('base64')}`,
        );
      const sealed = (ref: { kind: 'secret'; org: string; id: string }, text: string) => ({
        op: 'put' as const,
        ref,
        record: { v: 1 as const, id: ref.id, org, sealed: sealer.seal(ref, text) },
      });
      await mustCommit(store, [
        {
          op: 'put',
          ref: { kind: 'provisioner', org, id: 'p1' },
          record: sampleProvisioner({ params: { url: front.url, caBundle: front.ca }, secretFields: hidden }),
        },
        sealed(provisioner, JSON.stringify({ token: provider.token })),
        sealed(access, through),
        ...(bulk === undefined ? [] : [sealed(brought, bulk)]),
        {
          op: 'put',
          ref: jobRef,
          record: sampleJob({
            ...{ id: name, kind: 'cluster.work', cluster: name, clusterName: name, requestedAt: now, dueAt: now },
            work: { op, title: op, steps: plan.steps, input, bulk: bulk !== undefined, progress: {} },
          }),
        },
        {
          op: 'put',
          ref: { kind: 'cluster', org, id: name },
          record: heldCluster({
            ...{ id: name, name, externalName: name, openJob: name, phase: 'Ready', kubeconfig: true, nodes: 3 },
            spec: { region: 'sandbox-north', version: '1.34.2', size: 'small', nodes: 3 },
          }),
        },
      ]);
      const ended = async () => {
        const job = await store.get(jobRef);
        return job && endedStates.includes(job.record.state) ? job.record : undefined;
      };
      const first = startWorker();
      child = first;
      await eventually(
        'the end of the job, or of its worker',
        async () => killedAt !== undefined || (await ended()),
        patience,
      );
      if (killedAt !== undefined) {
        await eventually('the end of the killed worker', () => first.signalCode !== null);
        child = startWorker();
      }
      const job = await eventually('the end of the job', ended, patience);
      must(job.state === 'Succeeded', `the job ended as ${job.state}: ${job.note}`);
      const cluster = await store.get({ kind: 'cluster', org, id: name });
      must(cluster && cluster.record.openJob === undefined, 'the cluster is still held');
      must((await store.page('audit', org)).items.length === 1, 'there is not one audit entry of its end');
      await scenario.verify(on, job);
      const requests = { store: toStore.seen().map(words), changes };
      return { killed: killedAt !== undefined, requests, job, ...(request === undefined ? {} : { request }) };
    } catch (error) {
      const what = kill ? `killed ${kill.side} ${kill.at} ${kill.n} (${request})` : 'unharmed';
      const job = (await store.get(jobRef))?.record;
      throw new Error(`${op} ${what}: ${String(error)}\njob: ${JSON.stringify(job)}\nworker: ${said}`);
    } finally {
      if (child) await endProcess(child, 'SIGKILL');
      await Promise.all([toStore.close(), front.close(), on.close()]);
      await provider.ask('DELETE', `/v1/clusters/${name}`);
    }
  }

  return {
    run,
    async close() {
      await Promise.all([kube.close(), driver.close()]);
      await Promise.all([etcd.stop(), redis.stop(), provider.stop()]);
    },
  };
}
