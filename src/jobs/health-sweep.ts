import {
  clientOf,
  clusterKubeconfig,
  kubeconfigSecret,
  refusesCredentials,
  renewKubeconfig,
  targetOf,
} from '../core/connect.ts';
import { asFault, Fault } from '../core/errors.ts';
import { healthDiffers, healthRecord } from '../core/health.ts';
import { vanishedMessage } from '../core/jobs/kind.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Engines, Observation } from '../core/ports/engine.ts';
import type { ClusterHealth, Kube } from '../core/ports/kube.ts';
import type { Log } from '../core/ports/log.ts';
import type { Cache, Sealer, Store, Stored } from '../core/ports/store.ts';
import type { Cluster } from '../core/records.ts';
import { bounded } from './bounded.ts';
import { createDriftLook } from './drift.ts';
import { listAll, orgsOf } from './listing.ts';
import { type JobMeters, noMeters } from './meters.ts';
import { inParallel } from './parallel.ts';
import { openProvisioners } from './provisioners.ts';

export interface SweepParts {
  store: Store;
  cache?: Cache;
  sealer: Sealer;
  engines: Engines;
  kube: Kube;
  clock: Clock;
  log: Log;
  random?: () => number;
  meters?: JobMeters;
  limits?: Partial<SweepLimits>;
}

export interface SweepLimits {
  /** Clusters looked at at once: 16 beat 64 on two cores. */
  atOnce: number;
  /** What one cluster may take, in milliseconds: a hung one costs its own place for so long. */
  clusterMs: number;
  /** Over how long the first sweep is spread, since each new connection costs a handshake, in milliseconds. */
  spreadMs: number;
  /** The providers themselves are asked about their clusters in every n-th sweep: for a list, or where there is none about each. */
  observeEvery: number;
  /** A cluster that refuses its credentials gets others from its provider at most so often, in milliseconds. */
  renewMs: number;
  /** An unchanged record is written again when it is this old, so that "last seen" stays true, in milliseconds. */
  refreshMs: number;
}

const sweepLimits: SweepLimits = {
  atOnce: 16,
  clusterMs: 8_000,
  spreadMs: 10_000,
  observeEvery: 10,
  renewMs: 600_000,
  refreshMs: 600_000,
};

export interface HealthSweep {
  /** Looks at every running cluster once. Ends early, between clusters, when `go` says no or the signal fires. */
  sweep(signal: AbortSignal, go?: () => boolean): Promise<void>;
}

/**
 * Looks at Ready clusters through their own API and keeps their health records. What a probe sees changes the health record only; the phase changes
 * when the provider itself says that the cluster is gone (twice in a row: a single answer may come from a provider that is just recovering).
 */
export function createHealthSweep(parts: SweepParts): HealthSweep {
  const { store, clock, log, kube } = parts;
  const limits = { ...sweepLimits, ...parts.limits };
  const meters = parts.meters ?? noMeters;
  const random = parts.random ?? Math.random;
  const provisioners = openProvisioners(store, clock);
  const drift = createDriftLook({ ...parts, provisioners });
  const missing = new Set<string>();
  const renewed = new Map<string, number>();
  let sweeps = 0;

  async function sweep(signal: AbortSignal, go: () => boolean = () => true): Promise<void> {
    const first = sweeps === 0;
    sweeps += 1;
    for (const org of orgsOf(parts.cache)) {
      const watched = await listAll(parts, 'cluster', org, isWatched);
      const due = sweeps % limits.observeEvery === 0;
      // At the same time: a provider that takes long over its list must not keep the clusters waiting.
      const [alone] = await Promise.all([
        due ? drift.look(watched, signal) : new Set<string>(),
        inParallel(watched, limits.atOnce, async (cluster) => {
          if (signal.aborted || !go()) return;
          // All places together open one connection every spreadMs / n, and a few clusters need not wait for it.
          const wait = first ? Math.min(500, (limits.spreadMs * limits.atOnce) / watched.length) * 2 * random() : 0;
          if (wait > 0) await clock.sleep(wait, signal);
          if (cluster.phase === 'Ready' && !cluster.stopped) await guarded(cluster, probe);
        }),
      ]);
      const doubtful = watched.filter(({ id }) => missing.has(id) || alone.has(id));
      await inParallel(doubtful, limits.atOnce, async (cluster) => {
        if (!signal.aborted && go()) await guarded(cluster, ask);
      });
    }
  }

  async function guarded(cluster: Cluster, look: (cluster: Cluster) => Promise<void>): Promise<void> {
    try {
      await look(cluster);
    } catch (thrown) {
      const fault = asFault(thrown);
      log.warn({ cluster: cluster.id, detail: fault.detail }, `a cluster could not be looked at: ${fault.message}`);
    }
  }

  async function probe(cluster: Cluster): Promise<void> {
    const { org, id } = cluster;
    const begun = clock.now();
    const kubeconfig = await kubeconfigOf(cluster);
    if (kubeconfig === null) return;
    let seen = await through(kubeconfig);
    if (refusesCredentials(seen)) {
      const fresh = await others(cluster, kubeconfig);
      if (fresh !== null) seen = await through(fresh);
    }
    const healthRef = { kind: 'health', org, id } as const;
    const before = await store.get(healthRef);
    const after = healthRecord(org, id, seen, before?.record);
    meters.probed(after.verdict, clock.now() - begun);
    if (!healthDiffers(before?.record, after) && after.at - (before?.record.at ?? 0) < limits.refreshMs) return;
    // A cluster that is being deleted meanwhile must not get a record back.
    const held = await store.get({ kind: 'cluster', org, id });
    if (!held || !isWatched(held.record)) return;
    await store.commit([
      { op: 'check', ref: held.ref, if: held.revision },
      { op: 'put', ref: healthRef, record: after, if: before?.revision ?? 0 },
    ]);
  }

  /** The kubeconfig to look with; null when none is kept. Throws when its provider, which gives one each time, does not. */
  async function kubeconfigOf(cluster: Cluster): Promise<string | null> {
    if (parts.engines.get(cluster.engine)?.kubeconfigMs !== undefined) {
      return bounded(clock, { ms: limits.clusterMs, who: 'The provider' }, (call) =>
        clusterKubeconfig(parts, cluster, { now: clock.now(), call }),
      );
    }
    const ref = kubeconfigSecret(cluster.org, cluster.id);
    const secret = await store.get(ref);
    return secret ? parts.sealer.open(ref, secret.record.sealed) : null;
  }

  function through(kubeconfig: string): Promise<ClusterHealth> {
    const bounds = { ms: limits.clusterMs, who: 'The cluster' };
    return bounded(clock, bounds, (call) => kube.probe(kubeconfig, call)).catch((thrown: unknown) =>
      silent(clock.now(), asFault(thrown)),
    );
  }

  /** Other credentials for a cluster that refuses those in `refused`; null when its provider gives none, or was asked not long ago. */
  async function others(cluster: Cluster, refused: string): Promise<string | null> {
    const now = clock.now();
    for (const [id, at] of renewed) if (now - at >= limits.renewMs) renewed.delete(id);
    if (renewed.has(cluster.id)) return null;
    renewed.set(cluster.id, now);
    try {
      return await bounded(clock, { ms: limits.clusterMs, who: 'The provider' }, (call) =>
        renewKubeconfig(parts, cluster, refused, { now, call }),
      );
    } catch (thrown) {
      const fault = asFault(thrown);
      log.info({ cluster: cluster.id, detail: fault.detail }, `no other credentials were given: ${fault.message}`);
      return null;
    }
  }

  /** Asks the provider whether the cluster is still there. */
  async function ask(cluster: Cluster): Promise<void> {
    const seen = await observe(cluster);
    const gone = seen.state === 'absent' || !seen.mine;
    if (gone && cluster.phase === 'Ready' && !missing.has(cluster.id)) {
      missing.add(cluster.id);
      return;
    }
    missing.delete(cluster.id);
    const held = await store.get({ kind: 'cluster', org: cluster.org, id: cluster.id });
    if (!held || !isWatched(held.record)) return;
    if (gone && held.record.phase === 'Ready') await vanish(held);
    else if (!gone && seen.state === 'running' && held.record.phase === 'Unknown') await comeBack(held);
  }

  async function observe(cluster: Cluster): Promise<Observation> {
    const found = await provisioners.read(cluster.org, cluster.provisioner);
    if (!found) throw new Fault('not-found', `Provisioner ${cluster.provisionerName} does not exist any more.`);
    return bounded(clock, { ms: limits.clusterMs, who: 'The provider' }, async (call) => {
      const client = await clientOf(parts, found.record, found.sealed);
      return client.observe(targetOf(cluster), call);
    });
  }

  async function vanish(held: Stored<'cluster'>): Promise<void> {
    const failure = {
      message: vanishedMessage,
      next: 'Delete it to release its name, or look at the provider.',
      at: clock.now(),
    };
    const record: Cluster = { ...held.record, phase: 'Unknown', failure };
    await store.commit([{ op: 'put', ref: held.ref, record, if: held.revision }]);
    log.warn({ cluster: held.ref.id }, 'a cluster vanished at its provider');
  }

  async function comeBack(held: Stored<'cluster'>): Promise<void> {
    const { failure: _failure, ...fit } = held.record;
    const record: Cluster = { ...fit, phase: 'Ready' };
    await store.commit([{ op: 'put', ref: held.ref, record, if: held.revision }]);
  }

  return { sweep };
}

/** Clusters that should be running and that no job works on. */
function isWatched({ phase, openJob, failure }: Cluster): boolean {
  if (openJob !== undefined) return false;
  return phase === 'Ready' || (phase === 'Unknown' && failure?.message === vanishedMessage);
}

/** What a look that brought no answer at all is worth. */
function silent(at: number, fault: Fault): ClusterHealth {
  return {
    at,
    conditions: [
      { type: 'APIServerAvailable', status: 'False', reason: 'NoAnswer', message: fault.message, since: at },
    ],
    nodes: [],
    pods: { total: 0, running: 0 },
    deployments: { total: 0, available: 0 },
    namespaces: 0,
    services: 0,
    problems: [],
  };
}
