import type { NewId } from './ports/clock.ts';
import type { Lease, Ref, Store } from './ports/store.ts';

export interface ClaimHolder {
  /** True while this process holds the claim; tries to get it, or to keep it, at each call. */
  hold(): Promise<boolean>;
  /** Gives it up, so that another need not wait for the lease's end. */
  release(): Promise<void>;
}

/**
 * A thing that only one process may do at a time: a record bound to a lease. Call `hold` at least every third of `ttlMs`; a process that dies or
 * loses the store loses the claim when the lease ends.
 */
export function createClaim(
  parts: { store: Store; newId: NewId; org: string },
  id: string,
  ttlMs: number,
): ClaimHolder {
  const ref: Ref<'claim'> = { kind: 'claim', org: parts.org, id };
  const holder = parts.newId(12);
  let lease: Lease | undefined;

  async function take(): Promise<boolean> {
    if (await parts.store.get(ref)) return false;
    const made = await parts.store.lease(ttlMs);
    const record = { v: 1 as const, id, org: ref.org, holder, fence: made.id };
    const saved = await parts.store.commit([{ op: 'put', ref, record, if: 0, lease: made.id }]);
    if (saved.ok) lease = made;
    else await made.revoke();
    return saved.ok;
  }

  return {
    async hold() {
      if (!lease) return take();
      if (await lease.keepAlive()) return true;
      lease = undefined;
      return take();
    },
    async release() {
      const held = lease;
      lease = undefined;
      await held?.revoke();
    },
  };
}
