/** Drives work in a cluster to its end, as a job would, without a job. */
import { randomBytes } from 'node:crypto';
import { type BackupInput, vaultOf } from '../../src/core/backup.ts';
import { Fault } from '../../src/core/errors.ts';
import type { Vault } from '../../src/core/ports/archive.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import type { WorkPlan, WorkStep } from '../../src/core/ports/work.ts';
import type { RestoreInput } from '../../src/kube/backup/restore-objects.ts';
import { openSealer, secretKey } from '../../src/store/seal.ts';
import { callFor } from '../engines/calls.ts';

export const org = 'default';

/** A vault with a key of its own. */
export function testVault(): Vault {
  const sealer = openSealer([secretKey(randomBytes(32))]);
  return vaultOf(sealer);
}

export function backupInput(id: string, change: Partial<BackupInput> = {}): BackupInput {
  return {
    backup: { org, cluster: 'c1', id },
    clusterName: 'shop',
    namespaces: [],
    secrets: false,
    snapshots: false,
    ...change,
  };
}

export function restoreInput(id: string, change: Partial<RestoreInput> = {}): RestoreInput {
  return {
    backup: { org, cluster: 'c1', id },
    ...{ source: 'shop', same: false, restore: 'r1', namespaces: [], existing: 'skip', snapshots: false },
    ...change,
  };
}

export interface Driven {
  last: WorkStep;
  steps: WorkStep[];
}

/** Steps until the work is done; each step's progress goes through JSON, as in a record. */
export async function drive(
  kube: Kube,
  kubeconfig: string,
  op: string,
  input: Record<string, unknown>,
  options: {
    progress?: Record<string, unknown>;
    each?: (step: WorkStep) => void | Promise<void>;
    /** Each step is done twice, as after a crash before its word was saved. */
    twice?: boolean;
    /** Told of a Fault that may pass, before the step is tried again. */
    retry?: (fault: Fault) => void;
  } = {},
): Promise<Driven> {
  let progress = options.progress ?? {};
  const steps: WorkStep[] = [];
  for (let turn = 0; turn < 2_000; turn += 1) {
    const one = () => kube.work(kubeconfig, { op, input, progress }, callFor(12_000));
    let step: WorkStep;
    try {
      if (options.twice) await one();
      step = await one();
    } catch (thrown) {
      if (!options.retry || !(thrown instanceof Fault) || !thrown.retryable) throw thrown;
      options.retry(thrown);
      continue;
    }
    steps.push(step);
    await options.each?.(step);
    if (step.state === 'done') return { last: step, steps };
    progress = JSON.parse(JSON.stringify(step.progress)) as Record<string, unknown>;
    if (step.state === 'wait') await new Promise((resolve) => setTimeout(resolve, Math.min(step.ms ?? 100, 300)));
  }
  throw new Error(`not done: ${steps.at(-1)?.note}`);
}

export function planned(kube: Kube, kubeconfig: string, op: string, input: Record<string, unknown>): Promise<WorkPlan> {
  return kube.plan(kubeconfig, { op, input }, callFor(12_000));
}
