/** What a provider shows that KQueen did not do: changes by somebody's hand, in sentences. Pure. */
import type { ExternalState, NodePool } from './ports/engine.ts';
import type { Cluster } from './records.ts';
import { count } from './words.ts';

/** A pool as it is stored. */
type Pool = NonNullable<Cluster['pools']>[number];

/** What a list or an observation tells of a cluster. */
export interface Shown {
  state: ExternalState;
  version?: string | undefined;
  nodes?: number | undefined;
  pools?: NodePool[] | undefined;
  /** Whether it carries this cluster's mark: `gone` without any, `other` with another's. */
  mark: 'ours' | 'gone' | 'other';
}

/** States in which a cluster stands still, so that what is shown is what it is to be. */
const still: readonly ExternalState[] = ['running', 'stopped', 'error', 'deleting'];

/**
 * How a cluster differs from its record, one sentence a change; empty when it does not. Null when nothing can be said now, because it is being
 * changed or its state is not known. What the record does not hold is no difference, and nodes that the provider's autoscaler adds are none either.
 */
export function driftOf(cluster: Cluster, shown: Shown): string[] | null {
  if (!still.includes(shown.state)) return null;
  const changes: string[] = [];
  if (shown.mark === 'gone') changes.push("KQueen's mark: taken away at the provider");
  if (shown.mark === 'other') changes.push("KQueen's mark: replaced by another's at the provider");
  if (shown.state === 'deleting') return [...changes, 'State: being deleted, and not by KQueen'];
  if (shown.state === 'error') changes.push('State: the provider reports an error');
  const stopped = cluster.stopped ?? false;
  if (shown.state === 'stopped' && !stopped) changes.push('State: running → stopped, changed at the provider');
  if (shown.state === 'running' && stopped) changes.push('State: stopped → running, changed at the provider');
  if (shown.version && cluster.version && shown.version !== cluster.version) {
    changes.push(`Kubernetes: ${cluster.version} → ${shown.version}, changed at the provider`);
  }
  // A stopped cluster shows no nodes, or all of them, by the provider's taste.
  if (shown.state !== 'running' || stopped) return changes;
  const pools = poolChanges(cluster.pools ?? [], shown.pools);
  if (pools) return [...changes, ...pools];
  const autoscaled = [...(cluster.pools ?? []), ...(shown.pools ?? [])].some((pool) => pool.autoscale !== undefined);
  if (!autoscaled && shown.nodes !== undefined && cluster.nodes !== undefined && shown.nodes !== cluster.nodes) {
    changes.push(`Nodes: ${cluster.nodes} → ${shown.nodes}, changed at the provider`);
  }
  return changes;
}

/** The differences pool by pool; null when one side does not tell its pools. */
function poolChanges(known: readonly Pool[], shown: readonly NodePool[] | undefined): string[] | null {
  if (known.length === 0 || !shown || shown.length === 0) return null;
  const one = known.length === 1 && shown.length === 1 && known[0]?.name === shown[0]?.name;
  const changes: string[] = [];
  for (const before of known) {
    const after = shown.find(({ name }) => name === before.name);
    const of = one ? '' : ` of pool ${before.name}`;
    if (!after) {
      changes.push(`Pool ${before.name}: removed at the provider`);
      continue;
    }
    const [was, is] = [boundsText(before.autoscale), boundsText(after.autoscale)];
    if (was !== is) changes.push(`Autoscaling${of}: ${was} → ${is}, changed at the provider`);
    if (after.nodes !== before.nodes && !before.autoscale && !after.autoscale) {
      changes.push(`Nodes${of}: ${before.nodes} → ${after.nodes}, changed at the provider`);
    }
    if (before.version && after.version && before.version !== after.version) {
      changes.push(`Kubernetes of the nodes${of}: ${before.version} → ${after.version}, changed at the provider`);
    }
    if (before.size && after.size && before.size !== after.size) {
      changes.push(`Machine type${of}: ${before.size} → ${after.size}, changed at the provider`);
    }
  }
  for (const after of shown) {
    if (known.some(({ name }) => name === after.name)) continue;
    changes.push(`Pool ${after.name}: added at the provider, with ${count(after.nodes, 'node')}`);
  }
  return changes;
}

function boundsText(autoscale: Pool['autoscale']): string {
  return autoscale ? `${autoscale.min} to ${autoscale.max}` : 'off';
}
