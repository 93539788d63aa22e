/** Provisioners as ticks read them: once for many that begin together. */
import { sealedParams } from '../core/connect.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Store } from '../core/ports/store.ts';
import type { Provisioner } from '../core/records.ts';

/** A provisioner as it is in the store, with its sealed parameters when it has any. */
export interface FoundProvisioner {
  record: Provisioner;
  sealed: string | undefined;
}

/** Reads provisioners. */
export interface Provisioners {
  /** Undefined when there is none; throws `not-found` when its credentials are missing, and what the store throws. */
  read(org: string, id: string): Promise<FoundProvisioner | undefined>;
}

/** A thousand jobs that begin together on one provisioner need not read it a thousand times; nobody notices an edit half a second later. */
const freshMs = 500;

export function openProvisioners(store: Store, clock: Clock): Provisioners {
  const known = new Map<string, { at: number; found: Promise<FoundProvisioner | undefined> }>();

  async function load(org: string, id: string): Promise<FoundProvisioner | undefined> {
    const found = await store.get({ kind: 'provisioner', org, id });
    return found && { record: found.record, sealed: await sealedParams(store, found.record) };
  }

  return {
    read(org, id) {
      const now = clock.now();
      const key = `${org}/${id}`;
      const kept = known.get(key);
      if (kept && now - kept.at < freshMs) return kept.found;
      for (const [other, { at }] of known) if (now - at >= freshMs) known.delete(other);
      const found = load(org, id);
      known.set(key, { at: now, found });
      // What failed is asked again by the next one.
      found.catch(() => known.delete(key));
      return found;
    },
  };
}
