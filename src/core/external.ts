/** Clusters as a provider lists them, held against the records: whose they are, and which can be taken over. */
import type { ExternalCluster } from './ports/engine.ts';
import type { Cluster } from './records.ts';

/** Whose a listed cluster is. */
export type Whose =
  /** A cluster of this KQueen: its record is there, and the mark at the provider is its own. */
  | { is: 'ours'; cluster: Cluster }
  /** There is a record for it, and the mark at the provider is gone or another's. */
  | { is: 'unmarked'; cluster: Cluster }
  /** It carries the mark of another organisation. */
  | { is: 'elsewhere'; org: string }
  /** It carries a mark that no record belongs to: the record was lost, or another KQueen made it. */
  | { is: 'unknown'; id: string }
  /** Nobody's: no mark at all. */
  | { is: 'free' };

/** Whether a listed cluster is the one of a record: by the mark, else by what the provider calls it, else by its name. */
export function isSame(found: ExternalCluster, cluster: Cluster): boolean {
  if (found.cluster === cluster.id) return true;
  if (found.externalId !== undefined && cluster.externalId !== undefined)
    return found.externalId === cluster.externalId;
  // Under the same name, what carries another's mark is another cluster.
  return found.externalName === cluster.externalName && found.cluster === undefined;
}

/** Whose a cluster is that the provider of these records lists. */
export function whoseIs(found: ExternalCluster, org: string, records: readonly Cluster[]): Whose {
  const marked = records.find((each) => each.id === found.cluster);
  if (marked && (found.org === undefined || found.org === org)) return { is: 'ours', cluster: marked };
  if (found.org !== undefined && found.org !== org) return { is: 'elsewhere', org: found.org };
  const same = records.find((each) => isSame(found, each));
  if (same) return { is: 'unmarked', cluster: same };
  return found.cluster === undefined ? { is: 'free' } : { is: 'unknown', id: found.cluster };
}

/** Why a listed cluster cannot be taken over in its state, in words; null when it can. */
export function stateRefusal({ state }: ExternalCluster): string | null {
  switch (state) {
    case 'creating':
      return 'It is still being created.';
    case 'deleting':
      return 'It is being deleted.';
    case 'absent':
      return 'It is not there any more.';
    default:
      return null;
  }
}

/** Whether KQueen's mark can be put on it: nobody else's is there, and it is in a state for it. */
export function canAdopt(found: ExternalCluster, whose: Whose): boolean {
  return (whose.is === 'free' || whose.is === 'unknown') && stateRefusal(found) === null;
}

/** One line on a cluster of which the provider told no parameters. */
export function describeExternal({ nodes, version, where }: ExternalCluster): string {
  const said = [
    nodes === undefined ? '' : `${nodes} ${nodes === 1 ? 'node' : 'nodes'}`,
    version ? `Kubernetes ${version}` : '',
    where ? `in ${where}` : '',
  ].filter((each) => each !== '');
  return said.length > 0 ? said.join(', ') : 'Made elsewhere';
}
