/**
 * Who sweeps: `ours` is the sweep of the health of a whole KQueen on etcd, with its cache, its dispatch and everything sealed; `floor` is a bare HTTP client
 * that asks the same of the same clusters, with one kept connection for each.
 */
import { Pool } from 'undici';
import { createDispatch } from '../../src/bot/dispatch.ts';
import { newId, systemClock } from '../../src/clock.ts';
import { registry } from '../../src/core/commands/index.ts';
import { openEngines } from '../../src/engines/index.ts';
import { createHealthSweep } from '../../src/jobs/health-sweep.ts';
import { createInProcessQueue } from '../../src/jobs/index.ts';
import { openKube } from '../../src/kube/index.ts';
import { writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { openConfiguredStore } from '../../src/store/index.ts';
import { keptLog } from '../../test/story/kqueen.ts';
import { serveChild } from './child.ts';
import { median, residentMb, timed } from './measure.ts';
import { putAll, someCluster } from './records.ts';

/** What the program is given. */
interface Given {
  as: 'ours' | 'floor';
  ports: number[];
  ca: string;
  store: Parameters<typeof openConfiguredStore>[0];
  clusterMs: number;
}

/** What one sweep took. */
export interface Swept {
  ms: number;
  /** Of this process, in milliseconds. */
  cpuMs: number;
  /** Median of the lists that were asked for meanwhile, in milliseconds; NaN when none were. */
  listMs: number;
  residentMb: number;
}

const org = 'default';
const tokenOf = (port: number) => `bench-token-${port}`;

serveChild(async (asked) => {
  const given = asked as unknown as Given;
  const { sweep, list } = given.as === 'ours' ? await openOurs(given) : openFloor(given);
  return async ({ lists, idle }) => {
    if (idle) return residentMb(process.pid);
    const times: number[] = [];
    let going = true;
    const others = async () => {
      while (going && lists) {
        times.push(await timed(list));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const before = process.cpuUsage();
    const listing = others();
    const ms = await timed(sweep);
    const { user, system } = process.cpuUsage(before);
    going = false;
    await listing;
    const swept: Swept = {
      ...{ ms, cpuMs: (user + system) / 1_000, listMs: times.length > 0 ? median(times) : Number.NaN },
      residentMb: residentMb(process.pid),
    };
    return swept;
  };
});

interface Sweeper {
  sweep(): Promise<void>;
  list(): Promise<void>;
}

async function openOurs({ ports, ca, store: settings, clusterMs }: Given): Promise<Sweeper> {
  const log = keptLog();
  const clock = systemClock;
  const opened = await openConfiguredStore(settings, { clock, log, dataDir: '' });
  const { store, cache, sealer } = opened;
  await putAll(
    store,
    ports.flatMap((port, index) => {
      const record = someCluster(index, { phase: 'Ready', endpoint: `https://127.0.0.1:${port}` });
      const ref = { kind: 'secret', org, id: `kubeconfig.${record.id}` } as const;
      const kubeconfig = writeKubeconfig(record.name, 'kqueen', {
        ...{ server: `https://127.0.0.1:${port}`, ca, token: tokenOf(port) },
      });
      return [
        { op: 'put', ref: { kind: 'cluster', org, id: record.id }, record },
        { op: 'put', ref, record: { v: 1, id: ref.id, org, sealed: sealer.seal(ref, kubeconfig) } },
      ];
    }),
  );
  const engines = openEngines({ log, clock });
  const kube = openKube({ log, clock });
  const queue = createInProcessQueue({ clock, log });
  // What is measured is the look through the clusters' own APIs, at all of them in every sweep: the back-off for lost ones is off.
  const limits = { clusterMs, observeEvery: Number.POSITIVE_INFINITY, lostMs: 0 };
  const health = createHealthSweep({ ...opened, engines, kube, clock, log, limits });
  const handle = createDispatch({
    ...{ registry, store, cache, sealer, engines, kube, queue, clock, newId, log, org, version: '0' },
    limits: { approvalMs: 3_600_000, provisionMs: 600_000 },
    options: async () => null,
    guide: async () => null,
    tell: async () => undefined,
    handOver: async () => undefined,
  });
  const never = new AbortController().signal;
  return {
    sweep: () => health.sweep(never),
    async list() {
      const answers = await handle({
        ...{ source: 'command' as const, eventId: newId(16), private: false, canOpenForm: true },
        person: { id: 'slack:T1:U1', name: 'ada', external: null },
        place: { chat: 'slack' as const, workspace: 'T1', conversation: 'C1' },
        text: 'clusters',
      });
      if (!answers[0]?.card?.title.includes('clusters')) throw new Error(JSON.stringify(answers[0]));
    },
  };
}

function openFloor({ ports, ca }: Given): Sweeper {
  const pools = ports.map((port) => ({
    port,
    pool: new Pool(`https://127.0.0.1:${port}`, { connections: 1, keepAliveTimeout: 80_000, connect: { ca } }),
  }));
  const paths = ['/readyz', '/api/v1/nodes?limit=500', '/apis/apps/v1/deployments?limit=500', '/api/v1/pods?limit=500'];
  return {
    async sweep() {
      const next = pools.values();
      const place = async () => {
        for (const { port, pool } of next) {
          for (const path of paths) {
            const headers = { accept: 'application/json', authorization: `Bearer ${tokenOf(port)}` };
            const { body } = await pool.request({ method: 'GET', path, headers });
            const text = await body.text();
            if (path !== '/readyz') JSON.parse(text);
          }
        }
      };
      await Promise.all(Array.from({ length: 16 }, place));
    },
    list: async () => undefined,
  };
}
