/** Which clusters a conversation is told of: all, those of the person who set it, some by name, or those that meet conditions. */
import { readConditions } from './commands/clusters.ts';
import { Fault } from './errors.ts';
import type { Cache } from './ports/store.ts';
import type { Cluster } from './records.ts';
import { count } from './words.ts';

export interface Scope {
  /** `all`, `mine`, names separated by commas, or conditions as `clusters` takes them. */
  clusters: string;
  /** Whose `mine` are. */
  by: string;
  byName: string;
}

/** Whether a cluster is in the scope; conditions that cannot be read throw a Fault. */
export function inScope({ clusters, by }: Scope, now: number): (cluster: Cluster) => boolean {
  const written = clusters.trim();
  if (written === '' || written === 'all') return () => true;
  if (written === 'mine') return (cluster) => cluster.owner === by;
  if (isConditions(written)) return readConditions(written, now);
  const names = new Set(namesOf(written));
  return (cluster) => names.has(cluster.name);
}

function isConditions(written: string): boolean {
  return /[=<>~]/.test(written);
}

function namesOf(written: string): string[] {
  return written
    .split(/[\s,]+/)
    .map((name) => name.toLowerCase())
    .filter((name) => name !== '');
}

/** What was written as it is kept; throws a Fault for conditions that cannot be read and for names that nothing has. */
export function readScope(written: string, cache: Cache, org: string, now: number): string {
  const wanted = written.trim();
  if (['', 'all', 'mine'].includes(wanted.toLowerCase())) return wanted.toLowerCase() || 'all';
  if (isConditions(wanted)) {
    try {
      readConditions(wanted, now);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      throw new Fault('bad-input', thrown.message, {
        field: 'clusters',
        ...(thrown.next ? { next: thrown.next } : {}),
      });
    }
    return wanted;
  }
  const names = namesOf(wanted);
  const known = new Set(
    cache.query('cluster', org, { where: ({ name }) => names.includes(name) }).items.map(({ name }) => name),
  );
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new Fault('not-found', `There is no cluster named ${unknown.join(' or ')}.`, {
      field: 'clusters',
      next: 'Write all, mine, names, or conditions such as label=data.',
    });
  }
  return names.join(',');
}

/** "all clusters", "the clusters of Ada", "cluster dev-1", "clusters with label=data". */
export function scopeText({ clusters, byName }: Scope): string {
  if (clusters === 'all') return 'all clusters';
  if (clusters === 'mine') return `the clusters of ${byName}`;
  if (isConditions(clusters)) return `clusters with ${clusters}`;
  const names = namesOf(clusters);
  return names.length === 1 ? `cluster ${names[0]}` : `${count(names.length, 'cluster')}: ${names.join(', ')}`;
}
