import { clientOf, kubeconfigSecret } from '../core/connect.ts';
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
import { listAll, orgsOf } from './listing.ts';
import { targetOf } from './look.ts';
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
  /** The provider itself is asked about a cluster in every n-th sweep. */
  observeEvery: number;
  /** An unchanged record is written again when it is this old, so that "last seen" stays true, in milliseconds. */
  refreshMs: number;
}

const sweepLimits: SweepLimits = {
  atOnce: 16,
  clusterMs: 8_000,
  spreadMs: 10_000,
  observeEvery: 10,
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
  const missing = new Set<string>();
  let sweeps = 0;

  async function sweep(signal: AbortSignal, go: () => boolean = () => true): Promise<void> {
    const first = sweeps === 0;
    sweeps += 1;
    for (const org of orgsOf(parts.cache)) {
      const watched = await listAll(parts, 'cluster', org, isWatched);
      await inParallel(watched, limits.atOnce, async (cluster) => {
        if (signal.aborted || !go()) return;
        // All places together open one connection every spreadMs / n, and a few clusters need not wait for it.
        const wait = first ? Math.min(500, (limits.spreadMs * limits.atOnce) / watched.length) * 2 * random() : 0;
        if (wait > 0) await clock.sleep(wait, signal);
        await one(cluster);
      });
    }
  }

  async function one(cluster: Cluster): Promise<void> {
    try {
      if (cluster.phase === 'Ready') await probe(cluster);
      if (missing.has(cluster.id) || sweeps % limits.observeEvery === 0) await ask(cluster);
    } catch (thrown) {
      const fault = asFault(thrown);
      log.warn({ cluster: cluster.id, detail: fault.detail }, `a cluster could not be looked at: ${fault.message}`);
    }
  }

  async function probe(cluster: Cluster): Promise<void> {
    const { org, id } = cluster;
    const begun = clock.now();
    const ref = kubeconfigSecret(org, id);
    const secret = await store.get(ref);
    if (!secret) return;
    const kubeconfig = parts.sealer.open(ref, secret.record.sealed);
    const bounds = { ms: limits.clusterMs, who: 'The cluster' };
    const seen = await bounded(clock, bounds, (call) => kube.probe(kubeconfig, call)).catch((thrown: unknown) =>
      silent(clock.now(), asFault(thrown)),
    );
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
