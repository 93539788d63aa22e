/** The pools of a sandbox cluster, from what is wanted and from what is there. Pure. */
import { Fault } from '../../core/errors.ts';
import type { NodePool } from '../../core/ports/engine.ts';
import { gatewayPool, mostGateways, poolName } from './schema.ts';

/** The usual pool, and that of the gateways when there are any. */
export function poolsOf(cluster: {
  nodes: number;
  gateways: number;
  size: string;
  version?: string | undefined;
}): NodePool[] {
  const { nodes, gateways, size, version } = cluster;
  const alike = { size, ...(version === undefined ? {} : { version }) };
  const usual: NodePool = { name: poolName, nodes, ...alike, bounds: { min: 1, max: 20 } };
  if (gateways === 0) return [usual];
  return [usual, { name: gatewayPool, nodes: gateways, ...alike, bounds: { min: 0, max: mostGateways } }];
}

/** How many gateway nodes an update asks for, whichever way it says it; undefined when it is about something else. */
export function gatewaysIn(update: { pool?: string; nodes?: number; gateways?: number }): number | undefined {
  return update.gateways ?? (update.pool === gatewayPool ? update.nodes : undefined);
}

/** How many nodes an update asks for in the usual pool. */
export function nodesIn(update: { pool?: string; nodes?: number }): number | undefined {
  return update.pool === gatewayPool ? undefined : update.nodes;
}

/**
 * What asks the provider to retire the machine that an update names; null when that is done. A pool is never made smaller by another machine
 * than the one that was meant: that there is none of the name is a Fault then.
 */
export function retiredIn(
  found: { nodes: number; gateways: number; machines: { name: string; createdAt: string }[] },
  update: { pool?: string; nodes?: number; gateways?: number; retire?: { node: string; before: number } },
): Record<string, unknown> | null {
  const { retire } = update;
  if (!retire) return null;
  const machine = found.machines.find(({ name }) => name === retire.node);
  const [nodes, gateways] = [nodesIn(update), gatewaysIn(update)];
  const fewer = {
    ...(nodes !== undefined && nodes < found.nodes ? { nodes } : {}),
    ...(gateways !== undefined && gateways < found.gateways ? { gateways } : {}),
  };
  const shrinks = Object.keys(fewer).length > 0;
  if (!machine && shrinks) {
    throw new Fault('not-found', `The sandbox provider has no machine ${retire.node}.`, {
      field: 'node',
      whose: 'provider',
      retryable: false,
    });
  }
  const isNew = machine !== undefined && Date.parse(machine.createdAt) > retire.before;
  return machine && (shrinks || !isNew) ? { retire: retire.node, ...fewer } : null;
}
