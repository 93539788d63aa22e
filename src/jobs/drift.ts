import { clientOf } from '../core/connect.ts';
import { driftOf, type Shown } from '../core/drift.ts';
import { asFault, Fault } from '../core/errors.ts';
import { isSame } from '../core/external.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Engines, ExternalCluster } from '../core/ports/engine.ts';
import type { Log } from '../core/ports/log.ts';
import type { Sealer, Store } from '../core/ports/store.ts';
import type { Cluster } from '../core/records.ts';
import { bounded } from './bounded.ts';
import { inParallel } from './parallel.ts';
import type { Provisioners } from './provisioners.ts';

export interface DriftParts {
  store: Store;
  sealer: Sealer;
  engines: Engines;
  clock: Clock;
  log: Log;
  provisioners: Provisioners;
}

export interface DriftLimits {
  /** Provisioners asked at once. */
  atOnce: number;
  /** What one list may take, in milliseconds. */
  listMs: number;
}

export const driftLimits: DriftLimits = { atOnce: 4, listMs: 20_000 };

/** Compares clusters with what their providers list: one call for each provisioner, however many clusters it has. */
export interface DriftLook {
  /**
   * Looks once and writes what differs into the records. Returns the ids of clusters that need a look of their own: their provider lists nothing,
   * or its list does not show them, which is no proof yet that they are gone.
   */
  look(clusters: readonly Cluster[], signal: AbortSignal): Promise<Set<string>>;
}

export function createDriftLook(parts: DriftParts, limits: DriftLimits = driftLimits): DriftLook {
  const { store, engines, clock, log } = parts;

  async function look(clusters: readonly Cluster[], signal: AbortSignal): Promise<Set<string>> {
    const alone = new Set<string>();
    const byProvisioner = new Map<string, Cluster[]>();
    for (const cluster of clusters) {
      const capabilities = engines.get(cluster.engine)?.capabilities;
      // Nobody can be asked about a cluster whose engine neither makes nor lists any.
      if (capabilities && !capabilities.list && !capabilities.create) continue;
      if (!capabilities?.list) alone.add(cluster.id);
      else byProvisioner.set(cluster.provisioner, [...(byProvisioner.get(cluster.provisioner) ?? []), cluster]);
    }
    await inParallel([...byProvisioner.values()], limits.atOnce, async (own) => {
      if (!signal.aborted) for (const id of await compare(own)) alone.add(id);
    });
    return alone;
  }

  /** Clusters of one provisioner against its list; the ids that need a look of their own. */
  async function compare(own: readonly Cluster[]): Promise<string[]> {
    const [first] = own;
    if (!first) return [];
    try {
      const found = finder(await list(first));
      const missed: string[] = [];
      for (const cluster of own) {
        const there = found(cluster);
        // One that had vanished is believed to be back when it is seen itself.
        if (!there || cluster.phase !== 'Ready') missed.push(cluster.id);
        else await note(cluster, shownAs(cluster, there));
      }
      return missed;
    } catch (thrown) {
      const fault = asFault(thrown);
      log.warn(
        { provisioner: first.provisioner, detail: fault.detail },
        `a provider did not list its clusters: ${fault.message}`,
      );
      // Who does not answer at all will not answer about each of them either; who only keeps its list back may.
      return fault.kind === 'unreachable' || fault.kind === 'rate-limited' ? [] : own.map(({ id }) => id);
    }
  }

  async function list({ org, provisioner, provisionerName }: Cluster): Promise<ExternalCluster[]> {
    const found = await parts.provisioners.read(org, provisioner);
    if (!found) throw new Fault('not-found', `Provisioner ${provisionerName} does not exist any more.`);
    return bounded(clock, { ms: limits.listMs, who: 'The provider' }, async (call) => {
      const client = await clientOf(parts, found.record, found.sealed);
      return client.list(call);
    });
  }

  /** Writes the differences, or their end. What changed while the provider was asked is judged at the next look. */
  async function note(cluster: Cluster, shown: Shown): Promise<void> {
    const changes = driftOf(cluster, shown);
    if (changes === null || JSON.stringify(changes) === JSON.stringify(cluster.drift?.changes ?? [])) return;
    const held = await store.get({ kind: 'cluster', org: cluster.org, id: cluster.id });
    if (!held || JSON.stringify(held.record) !== JSON.stringify(cluster)) return;
    const { drift: before, ...rest } = held.record;
    const record: Cluster =
      changes.length === 0 ? rest : { ...rest, drift: { at: before?.at ?? clock.now(), changes } };
    await store.commit([{ op: 'put', ref: held.ref, record, if: held.revision }]);
    log.info(
      { cluster: cluster.id, changes },
      changes.length === 0 ? 'a cluster is as before' : 'a cluster was changed',
    );
  }

  return { look };
}

/** Finds clusters in a list without going through all of it for each. */
function finder(all: readonly ExternalCluster[]): (cluster: Cluster) => ExternalCluster | undefined {
  const byMark = new Map<string, ExternalCluster>();
  const byId = new Map<string, ExternalCluster>();
  const byName = new Map<string, ExternalCluster[]>();
  for (const each of all) {
    if (each.cluster !== undefined) byMark.set(each.cluster, each);
    if (each.externalId !== undefined) byId.set(each.externalId, each);
    byName.set(each.externalName, [...(byName.get(each.externalName) ?? []), each]);
  }
  return (cluster) =>
    byMark.get(cluster.id) ??
    (cluster.externalId === undefined ? undefined : byId.get(cluster.externalId)) ??
    byName.get(cluster.externalName)?.find((each) => isSame(each, cluster));
}

function shownAs(cluster: Cluster, { state, version, nodes, pools, cluster: mark }: ExternalCluster): Shown {
  return { state, version, nodes, pools, mark: mark === cluster.id ? 'ours' : mark === undefined ? 'gone' : 'other' };
}
