import { Fault } from '../../core/errors.ts';
import type { ClusterUpdate } from '../../core/ports/engine.ts';
import { cannot } from '../unsupported.ts';
import { poolName, sandboxTitle } from './schema.ts';

/** Throws for what no sandbox cluster can be changed to, so that it is never taken for done. */
export function checkUpdate(update: ClusterUpdate): void {
  if (update.autoscale !== undefined) cannot(sandboxTitle, 'autoscale');
  if (update.power !== undefined) cannot(sandboxTitle, 'stop or start');
  if (update.pool !== undefined && update.pool !== poolName) {
    throw new Fault('bad-input', `A sandbox cluster has no node pool ${update.pool}.`, {
      field: 'pool',
      next: `Leave the pool out, or call it ${poolName}.`,
    });
  }
}
