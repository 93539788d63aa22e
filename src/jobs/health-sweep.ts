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
import type { Cache, Ref, Sealer, Store, Stored } from '../core/ports/store.ts';
import type { Cluster, Health } from '../core/records.ts';
import { bounded } from './bounded.ts';
import { createDriftLook } from './drift.ts';
import { listAll, orgsOf } from './listing.ts';
import { type JobMeters, noMeters } from './meters.ts';
import { inParallel, inPlaces } from './parallel.ts';
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
  /** A look that has waited so long gives its place to the next cluster and goes on waiting, in milliseconds: it costs next to nothing meanwhile. */
  patienceMs: number;
  /** Most looks that wait beyond their places, and as many clusters at once of those that did not answer last time. */
  waiting: number;
  /** A cluster that has not answered for long is looked at at least so often, in milliseconds. */
  lostMs: number;
  /** The version and other counts that change seldom are asked for so often, in milliseconds. */
  wholeMs: number;
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
  patienceMs: 300,
  waiting: 256,
  lostMs: 300_000,
  wholeMs: 300_000,
  clusterMs: 8_000,
  spreadMs: 10_000,
  observeEvery: 10,
  renewMs: 600_000,
  refreshMs: 600_000,
};

/** How long the cache may be behind before the store is asked instead, in milliseconds. */
const patienceWithCacheMs = 2_000;

/** What the sweep remembers of a cluster. */
interface Note {
  /** Its kubeconfig as it is stored. */
  sealed?: string | undefined;
  /** Not to be looked at before, epoch milliseconds. */
  nextAt: number;
  /** When everything about it was asked for last, epoch milliseconds. */
  wholeAt: number;
}

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
  /** What is known of a cluster as long as its record stays the same; the cache gives the same object for it. */
  const notes = new WeakMap<Cluster, Note>();
  let sweeps = 0;

  function noteOf(cluster: Cluster): Note {
    const known = notes.get(cluster);
    if (known) return known;
    const made: Note = { nextAt: 0, wholeAt: 0 };
    notes.set(cluster, made);
    return made;
  }

  async function sweep(signal: AbortSignal, go: () => boolean = () => true): Promise<void> {
    const first = sweeps === 0;
    sweeps += 1;
    for (const org of orgsOf(parts.cache)) {
      const watched = await listAll(parts, 'cluster', org, isWatched);
      const due = sweeps % limits.observeEvery === 0;
      const now = clock.now();
      const looked = watched.filter((each) => each.phase === 'Ready' && !each.stopped && noteOf(each).nextAt <= now);
      const isLost = ({ org, id }: Cluster) => parts.cache?.get({ kind: 'health', org, id })?.verdict === 'Unreachable';
      const lost = looked.filter(isLost);
      const others = looked.filter((each) => !isLost(each));
      async function one(cluster: Cluster): Promise<void> {
        if (signal.aborted || !go()) return;
        await guarded(cluster, probe);
      }
      /** At first all places together open one connection every spreadMs / n, and a few clusters need not wait for it. */
      async function spread(): Promise<void> {
        const wait = first ? Math.min(500, (limits.spreadMs * limits.atOnce) / looked.length) * 2 * random() : 0;
        if (wait === 0 || signal.aborted) return;
        await clock.sleep(wait, signal).catch((reason: unknown) => {
          if (!signal.aborted) throw reason;
        });
      }
      // At the same time: a provider that takes long over its list must not keep the clusters waiting, nor those that are lost the others.
      const [alone] = await Promise.all([
        due ? drift.look(watched, signal) : new Set<string>(),
        inPlaces(clock, others, limits, one, spread),
        inParallel(lost, limits.waiting, one),
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
    const note = noteOf(cluster);
    const kubeconfig = await kubeconfigOf(cluster, note);
    if (kubeconfig === null) return;
    const brief = begun - note.wholeAt < limits.wholeMs;
    let seen = await through(kubeconfig, brief);
    if (refusesCredentials(seen)) {
      const fresh = await others(cluster, kubeconfig, note);
      if (fresh !== null) seen = await through(fresh, brief);
    }
    const healthRef = { kind: 'health', org, id } as const;
    const known = await lastOf(healthRef);
    const after = healthRecord(org, id, seen, known);
    meters.probed(after.verdict, clock.now() - begun);
    if (after.verdict === 'Unreachable') {
      // After a minute without an answer a quarter of a minute later, after twenty every five minutes.
      note.nextAt = clock.now() + Math.min(limits.lostMs, (clock.now() - after.since) / 4);
    } else if (!brief) note.wholeAt = begun;
    if (!healthDiffers(known, after) && after.at - (known?.at ?? 0) < limits.refreshMs * (1 - random() / 4)) return;
    // A cluster that is being deleted meanwhile must not get a record back.
    const [before, held] = await Promise.all([store.get(healthRef), store.get({ kind: 'cluster', org, id })]);
    if (!held || !isWatched(held.record)) return;
    await store.commit([
      { op: 'check', ref: held.ref, if: held.revision },
      { op: 'put', ref: healthRef, record: healthRecord(org, id, seen, before?.record), if: before?.revision ?? 0 },
    ]);
  }

  /** What was seen last: from memory while that is in step, since nothing rests on it but whether to write. */
  async function lastOf(ref: Ref<'health'>): Promise<Health | undefined> {
    if (parts.cache && parts.cache.staleMs() <= patienceWithCacheMs) return parts.cache.get(ref);
    return (await store.get(ref))?.record;
  }

  /** The kubeconfig to look with; null when none is kept. Throws when its provider, which gives one each time, does not. */
  async function kubeconfigOf(cluster: Cluster, note: Note): Promise<string | null> {
    if (parts.engines.get(cluster.engine)?.kubeconfigMs !== undefined) {
      return bounded(clock, { ms: limits.clusterMs, who: 'The provider' }, (call) =>
        clusterKubeconfig(parts, cluster, { now: clock.now(), call }),
      );
    }
    const ref = kubeconfigSecret(cluster.org, cluster.id);
    // Kept as it is stored, sealed.
    note.sealed ??= (await store.get(ref))?.record.sealed;
    return note.sealed === undefined ? null : parts.sealer.open(ref, note.sealed);
  }

  function through(kubeconfig: string, brief: boolean): Promise<ClusterHealth> {
    const bounds = { ms: limits.clusterMs, who: 'The cluster' };
    return bounded(clock, bounds, (call) => kube.probe(kubeconfig, call, { oneByOne: true, brief })).catch(
      (thrown: unknown) => silent(clock.now(), asFault(thrown)),
    );
  }

  /**
   * Other credentials for a cluster that refuses those in `refused`: those that somebody else has stored since, or its provider's. Null when there are
   * none, or it was asked not long ago.
   */
  async function others(cluster: Cluster, refused: string, note: Note): Promise<string | null> {
    const now = clock.now();
    if (note.sealed !== undefined) {
      delete note.sealed;
      const stored = await kubeconfigOf(cluster, note);
      if (stored !== null && stored !== refused) return stored;
    }
    for (const [id, at] of renewed) if (now - at >= limits.renewMs) renewed.delete(id);
    if (renewed.has(cluster.id)) return null;
    renewed.set(cluster.id, now);
    try {
      delete note.sealed;
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
    else if (!gone && isThere(seen.state) && held.record.phase === 'Unknown') await comeBack(held);
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

/** States of a cluster that stands as somebody wants it: one that was stopped comes back stopped. */
function isThere(state: Observation['state']): boolean {
  return state === 'running' || state === 'stopped';
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
    problems: [],
  };
}
