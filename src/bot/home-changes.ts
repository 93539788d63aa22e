/** Whose home a change in the store concerns. */
import { atLeast } from '../core/policy.ts';
import type { Cache, Seen } from '../core/ports/store.ts';
import type { Cluster, Health, Job, Kind, Provisioner, RecordOf } from '../core/records.ts';

/** Whether a person's home shows something else now. */
export type Concerned = (person: string) => boolean;

const everybody: Concerned = () => true;

/** Null for changes that no home shows. A job's progress concerns its own people alone; where it begins or ends, whoever looks at what runs. */
export function concernedBy(cache: Cache, org: string, { ref, before }: Seen): Concerned | null {
  if (ref.org !== org) return null;
  const now = <K extends Kind>(kind: K): RecordOf<K> | undefined => cache.get({ kind, org, id: ref.id });
  switch (ref.kind) {
    case 'job': {
      const [was, is] = [before as Job | undefined, now('job')];
      if (was?.state !== is?.state) return everybody;
      const owner = is && cache.get({ kind: 'cluster', org, id: is.cluster })?.owner;
      return (person) => person === is?.requestedBy || person === owner;
    }
    case 'approval': {
      const is = now('approval');
      if (!is) return null;
      const roleOf = (person: string) => cache.get({ kind: 'person', org, id: person })?.role ?? 'member';
      return (person) => person === is.requestedBy || atLeast(roleOf(person), is.role);
    }
    case 'cluster': {
      const [was, is] = [before as Cluster | undefined, now('cluster')];
      if (was?.phase !== is?.phase || was?.stopped !== is?.stopped) return everybody;
      return (person) => person === is?.owner || person === was?.owner;
    }
    case 'health':
      return (before as Health | undefined)?.verdict === now('health')?.verdict ? null : everybody;
    case 'provisioner': {
      if ((before as Provisioner | undefined)?.state === now('provisioner')?.state) return null;
      return (person) => atLeast(cache.get({ kind: 'person', org, id: person })?.role ?? 'member', 'admin');
    }
    case 'person':
      return (person) => person === ref.id;
    default:
      return null;
  }
}
