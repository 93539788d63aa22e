import { Fault } from '../../core/errors.ts';
import type { ClusterUpdate } from '../../core/ports/engine.ts';
import { cannot } from '../unsupported.ts';
import { gatewaysIn } from './pools.ts';
import { gatewayPool, mostGateways, poolName, sandboxTitle } from './schema.ts';

/** Throws for what no sandbox cluster can be changed to, so that it is never taken for done. */
export function checkUpdate(update: ClusterUpdate): void {
  if (update.autoscale !== undefined) cannot(sandboxTitle, 'autoscale');
  if (update.power !== undefined) cannot(sandboxTitle, 'stop or start');
  if (update.pool !== undefined && update.pool !== poolName && update.pool !== gatewayPool) {
    throw new Fault('bad-input', `A sandbox cluster has no node pool ${update.pool}.`, {
      field: 'pool',
      next: `Leave the pool out, or call it ${poolName}.`,
    });
  }
  const gateways = gatewaysIn(update);
  if (gateways === undefined || (Number.isInteger(gateways) && gateways >= 0 && gateways <= mostGateways)) return;
  throw new Fault('bad-input', `A sandbox cluster has 0 to ${mostGateways} gateway nodes.`, { field: 'gateways' });
}

/** Throws for an add-on that there is not, and says which there are. */
export function checkAddons(wanted: Record<string, boolean>, known: readonly { name: string }[]): void {
  const strange = Object.keys(wanted).find((name) => !known.some((addon) => addon.name === name));
  if (strange === undefined) return;
  throw new Fault('bad-input', `The sandbox provider has no add-on ${strange}.`, {
    field: 'addon',
    next: `There are: ${known.map(({ name }) => name).join(', ')}.`,
  });
}
