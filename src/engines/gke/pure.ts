import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { type ClusterUpdate, gatewayMark, type NodePool, type Price } from '../../core/ports/engine.ts';
import { readSpec } from '../fields.ts';
import { listPrice } from '../price-list.ts';
import { addonNames, checkNames, readAddons, usualAddons } from './addons.ts';
import { alwaysOn } from './network-policy.ts';
import { regionOf, zoneCount } from './place.ts';
import { type GkeCluster, GkeClusterAfter, initialNodes, mostNodes } from './schema.ts';
import { newerVersion } from './versions.ts';

/** The pool that a cluster is made with; Google's own name for it. */
export const firstPool = 'default-pool';

export const defaultMachine = 'e2-standard-2';

/** How long an access token of Google is good at least when `kubeconfig` hands it out, in milliseconds; they are made for an hour. */
export const kubeconfigMs = 50 * 60_000;

/** How far a person may scale a pool. */
export const poolBounds = { min: 0, max: mostNodes };

const Bounds = z.object({ min: z.number(), max: z.number() });

/** The pools of a cluster that was made elsewhere, as `list` tells them; a cluster of ours has the one that its form asks for. */
const ListedPools = z
  .array(
    z.object({
      name: z.string(),
      nodes: z.number(),
      size: z.string().optional(),
      autoscale: Bounds.optional(),
    }),
  )
  .min(1);
type ListedPool = z.infer<typeof ListedPools>[number];

function listedPools(spec: Record<string, unknown>): ListedPool[] | null {
  const read = ListedPools.safeParse(spec.pools);
  return read.success ? read.data : null;
}

/** The spec as far as it can be read; a form is described while it is filled in. */
function wishOf(spec: Record<string, unknown>): GkeCluster | null {
  const read = GkeClusterAfter.safeParse(spec);
  return read.success ? read.data : null;
}

export function gkePools(spec: Record<string, unknown>): NodePool[] {
  return poolsOf(spec).map(({ name, nodes, size, autoscale }) => ({
    name,
    nodes,
    ...(size === undefined ? {} : { size }),
    ...(autoscale ? { autoscale } : { bounds: poolBounds }),
  }));
}

function poolsOf(spec: Record<string, unknown>): ListedPool[] {
  const listed = listedPools(spec);
  if (listed) return listed;
  const wish = wishOf(spec);
  if (spec.autopilot === true || !wish) return [];
  const pool: ListedPool = { name: firstPool, nodes: initialNodes(wish), size: wish.machineType ?? defaultMachine };
  if (wish.autoscaleMin !== undefined && wish.autoscaleMax !== undefined) {
    pool.autoscale = { min: wish.autoscaleMin, max: wish.autoscaleMax };
  }
  return [pool];
}

export function gkeNodes(spec: Record<string, unknown>): number {
  return poolsOf(spec).reduce((sum, pool) => sum + pool.nodes, 0);
}

export function gkeDescribe(spec: Record<string, unknown>): string {
  const where = typeof spec.location === 'string' ? spec.location : 'Google Cloud';
  const channel = spec.releaseChannel === undefined ? 'REGULAR' : String(spec.releaseChannel);
  const version =
    typeof spec.version === 'string'
      ? `Kubernetes ${spec.version}${channel === 'none' ? '' : ` (${channel})`}`
      : channel === 'none'
        ? "Google's usual Kubernetes version"
        : `Kubernetes of the channel ${channel}`;
  if (spec.autopilot === true) return `Autopilot in ${where}, ${version}`;
  const machines = poolsOf(spec).map(({ nodes, size, autoscale }) => {
    const between = autoscale ? ` (by itself ${autoscale.min} to ${autoscale.max})` : '';
    return `${nodes} × ${size ?? 'nodes'}${spec.spot === true ? ' (spot)' : ''}${between}`;
  });
  return `${machines.join(' and ') || 'No nodes'} in ${where}, ${version}`;
}

const excludes = ['disks', 'traffic', 'load balancers', 'logs and metrics', "Google's discounts"];

/** By the operator's list; spot machines are looked for as `<machine type>-spot`. Autopilot is billed by pods, which nobody knows before. */
export function gkePrice(spec: Record<string, unknown>, prices: unknown): Price | null {
  const wish = GkeClusterAfter.safeParse(spec);
  if (!wish.success || wish.data.autopilot) return null;
  const pools = poolsOf(spec);
  return listPrice(prices, {
    region: regionOf(wish.data.location),
    machines: pools.map(({ nodes, size }) => ({
      size: `${size ?? ''}${wish.data.spot ? '-spot' : ''}`,
      count: nodes,
    })),
    excludes: pools.some((pool) => pool.autoscale) ? [...excludes, 'nodes that the autoscaler adds'] : excludes,
  });
}

/** The spec after an update. Throws `bad-input` with the field. */
export function gkeAfter(spec: Record<string, unknown>, update: ClusterUpdate): Record<string, unknown> {
  const next: Record<string, unknown> = { ...spec };
  if (update.version !== undefined) {
    if (typeof spec.version === 'string' && newerVersion(spec.version, update.version)) {
      throw new Fault(
        'bad-input',
        `The cluster has Kubernetes ${spec.version} already, and GKE cannot go back to ${update.version}.`,
        {
          field: 'version',
          next: 'Choose a newer version.',
        },
      );
    }
    next.version = update.version;
  }
  if (update.nodes !== undefined || update.autoscale !== undefined) changePool(next, update);
  if (update.gateways !== undefined) changeGateways(next, update.gateways);
  if (update.networkPolicy !== undefined) changePolicy(next, update.networkPolicy);
  if (update.addons !== undefined) changeAddons(next, update.addons);
  const { pools, ...fields } = next;
  const read: Record<string, unknown> = readSpec(GkeClusterAfter, fields);
  return pools === undefined ? read : { ...read, pools };
}

function changePool(next: Record<string, unknown>, update: ClusterUpdate): void {
  if (next.autopilot === true) {
    throw new Fault('bad-input', 'Autopilot makes nodes as workloads need them; their number cannot be set.', {
      field: 'nodes',
      next: 'Change the replicas or the resource requests of the workloads instead.',
    });
  }
  const pools = poolsOf(next);
  const name = update.pool ?? pools[0]?.name ?? firstPool;
  const old = pools.find((pool) => pool.name === name) ?? { name, nodes: 0 };
  const { autoscale: oldBounds, ...rest } = old;
  const bounds = update.autoscale === undefined ? oldBounds : (update.autoscale ?? undefined);
  if (update.nodes !== undefined && bounds) throw scalesByItself(name, bounds);
  if (bounds) checkBounds(bounds);
  const changed: ListedPool = { ...rest, ...(bounds ? { autoscale: bounds } : {}) };
  if (update.nodes !== undefined) changed.nodes = checkedNodes(update.nodes);
  // The provider's autoscaler brings a pool within its bounds by itself.
  if (bounds) changed.nodes = Math.min(Math.max(changed.nodes, bounds.min), bounds.max);
  if (listedPools(next) || name !== firstPool) {
    next.pools = pools.some((pool) => pool.name === name)
      ? pools.map((pool) => (pool.name === name ? changed : pool))
      : [...pools, changed];
    return;
  }
  if (bounds) delete next.nodes;
  else next.nodes = changed.nodes;
  delete next.autoscaleMin;
  delete next.autoscaleMax;
  if (bounds) Object.assign(next, { autoscaleMin: bounds.min, autoscaleMax: bounds.max });
}

function changeGateways(next: Record<string, unknown>, gateways: number): void {
  if (next.autopilot === true) {
    throw new Fault('bad-input', 'Autopilot makes nodes as workloads need them; none can be set apart.', {
      field: 'gateways',
    });
  }
  const zones = zoneCount(String(next.location ?? ''), typeof next.nodeZones === 'string' ? next.nodeZones : undefined);
  if (gateways % zones !== 0) throw unevenGateways(zones);
  const others = poolsOf(next).filter(({ name }) => name !== gatewayMark.value);
  const size = others[0]?.size;
  const pool = { name: gatewayMark.value, nodes: checkedNodes(gateways), ...(size ? { size } : {}) };
  const before = listedPools(next);
  if (gateways > 0 || before) next.pools = gateways > 0 ? [...others, pool] : others;
}

/** Google spreads a pool evenly over its zones. */
export function unevenGateways(zones: number): Fault {
  return new Fault('bad-input', `The gateways are spread evenly over ${zones} zones: ask for a multiple of ${zones}.`, {
    field: 'gateways',
  });
}

function changePolicy(next: Record<string, unknown>, on: boolean): void {
  const dataplane = next.autopilot === true || next.networkPolicy === 'dataplane-v2';
  if (dataplane && !on) throw new Fault('unsupported', alwaysOn, { whose: 'caller', retryable: false });
  if (!dataplane) next.networkPolicy = on ? 'calico' : 'off';
}

function changeAddons(next: Record<string, unknown>, wanted: Record<string, boolean>): void {
  checkNames(wanted);
  if (next.autopilot === true) {
    throw new Fault('bad-input', 'Autopilot decides on its add-ons by itself.', { field: 'addon' });
  }
  const before = (typeof next.addons === 'string' ? readAddons(next.addons) : null) ?? usualAddons;
  const names = addonNames.filter((name) => wanted[name] ?? before.includes(name));
  next.addons = names.join(',') || 'none';
}

function checkedNodes(nodes: number): number {
  if (Number.isInteger(nodes) && nodes >= 0 && nodes <= mostNodes) return nodes;
  throw new Fault('bad-input', `A pool has between 0 and ${mostNodes} nodes.`, { field: 'nodes' });
}

function checkBounds({ min, max }: { min: number; max: number }): void {
  const whole = Number.isInteger(min) && Number.isInteger(max);
  if (whole && min >= 0 && max >= 1 && min <= max && max <= mostNodes) return;
  throw new Fault(
    'bad-input',
    `The bounds have to be whole numbers, the first at most the second, up to ${mostNodes}.`,
    {
      field: 'autoscaleMax',
    },
  );
}

/** The refusal to set the number of nodes of a pool that Google scales. */
export function scalesByItself(pool: string, { min, max }: { min: number; max: number }): Fault {
  return new Fault('bad-input', `The node pool ${pool} scales by itself between ${min} and ${max} nodes.`, {
    field: 'nodes',
    next: 'Change its bounds, or turn autoscaling off before setting a number.',
  });
}
