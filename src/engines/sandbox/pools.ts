/** The pools of a sandbox cluster, from what is wanted and from what is there. Pure. */
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

/** What asks the provider to retire the machine that an update names; null when that machine is gone or a new one. */
export function retiredIn(
  found: { nodes: number; gateways: number; machines: { name: string; createdAt: string }[] },
  update: { pool?: string; nodes?: number; gateways?: number; retire?: { node: string; before: number } },
): Record<string, unknown> | null {
  const { retire } = update;
  const machine = found.machines.find(({ name }) => name === retire?.node);
  if (!retire || !machine || Date.parse(machine.createdAt) > retire.before) return null;
  const [nodes, gateways] = [nodesIn(update), gatewaysIn(update)];
  return {
    retire: retire.node,
    ...(nodes !== undefined && nodes !== found.nodes ? { nodes } : {}),
    ...(gateways !== undefined && gateways !== found.gateways ? { gateways } : {}),
  };
}
