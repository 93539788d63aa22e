import { clientOf, sealedParams } from '../core/connect.ts';
import { asFault, type Fault } from '../core/errors.ts';
import type { CheckResult } from '../core/ports/engine.ts';
import type { Provisioner } from '../core/records.ts';
import { bounded } from './bounded.ts';
import type { SweepParts } from './health-sweep.ts';
import { listAll, orgsOf } from './listing.ts';
import { inParallel } from './parallel.ts';

export interface ProvisionerSweepLimits {
  atOnce: number;
  /** What one check may take, in milliseconds. */
  checkMs: number;
  /** An unchanged record is written again when it is this old, so that "last seen" stays true, in milliseconds. */
  refreshMs: number;
}

const defaults: ProvisionerSweepLimits = { atOnce: 4, checkMs: 15_000, refreshMs: 1_800_000 };

/** Checks every provisioner with a real call and writes its record when the result has changed. */
export function createProvisionerSweep(
  parts: Pick<SweepParts, 'store' | 'cache' | 'sealer' | 'engines' | 'clock' | 'log'>,
  given: Partial<ProvisionerSweepLimits> = {},
): { sweep(signal: AbortSignal): Promise<void> } {
  const { store, clock, log } = parts;
  const limits = { ...defaults, ...given };

  async function sweep(signal: AbortSignal): Promise<void> {
    for (const org of orgsOf(parts.cache)) {
      const all = await listAll(parts, 'provisioner', org, () => true);
      await inParallel(all, limits.atOnce, async (provisioner) => {
        if (!signal.aborted) await one(provisioner);
      });
    }
  }

  async function one({ org, id }: Provisioner): Promise<void> {
    try {
      const held = await store.get({ kind: 'provisioner', org, id });
      if (!held) return;
      const result = await check(held.record);
      const after = checkedRecord(held.record, result, clock.now());
      if (!differs(held.record, after) && clock.now() - (held.record.checkedAt ?? 0) < limits.refreshMs) return;
      // When it was edited meanwhile, this result is about the old parameters and is dropped.
      await store.commit([{ op: 'put', ref: held.ref, record: after, if: held.revision }]);
    } catch (thrown) {
      const fault = asFault(thrown);
      log.warn({ provisioner: id, detail: fault.detail }, `a provisioner could not be checked: ${fault.message}`);
    }
  }

  async function check(provisioner: Provisioner): Promise<CheckResult> {
    const sealed = await sealedParams(store, provisioner);
    try {
      return await bounded(clock, { ms: limits.checkMs, who: 'The provider' }, async (call) => {
        const client = await clientOf(parts, provisioner, sealed);
        return client.check(call);
      });
    } catch (thrown) {
      return resultOf(asFault(thrown));
    }
  }

  return { sweep };
}

function resultOf(fault: Fault): CheckResult {
  const state = fault.kind === 'unreachable' ? 'Unreachable' : 'Error';
  return { state, message: fault.message, facts: [], ...(fault.next === undefined ? {} : { next: fault.next }) };
}

function checkedRecord(before: Provisioner, result: CheckResult, now: number): Provisioner {
  const { next: _next, ...rest } = before;
  const after: Provisioner = { ...rest, state: result.state, message: result.message, checkedAt: now };
  if (result.next !== undefined) after.next = result.next;
  // What was learnt before an outage is still worth showing during it.
  after.facts = result.state === 'OK' ? result.facts : before.facts;
  return after;
}

function differs(before: Provisioner, after: Provisioner): boolean {
  const seen = ({ state, message, next, facts }: Provisioner) => JSON.stringify([state, message, next, facts]);
  return seen(before) !== seen(after);
}
