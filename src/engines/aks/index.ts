import { Fault } from '../../core/errors.ts';
import { type ClusterUpdate, type Engine, gatewayMark, type NodePool } from '../../core/ports/engine.ts';
import { readSpec } from '../fields.ts';
import { listPrice, readPriceList } from '../price-list.ts';
import { checkAddons } from './addons.ts';
import { fixedPolicy, usualEngine } from './network-policy.ts';
import { hasUserPool } from './rules.ts';
import { AksCluster, AksProvisioner, mostGateways } from './schema.ts';

/** Azure Kubernetes Service, in one resource group. */
export const aks: Engine = {
  name: 'aks',
  title: 'Azure Kubernetes Service',
  docs: 'docs/providers/aks.md',
  capabilities: {
    create: true,
    delete: true,
    scale: true,
    upgrade: true,
    autoscale: true,
    power: true,
    percent: false,
    cancel: true,
    list: true,
    adopt: true,
    log: true,
    addons: true,
    networkPolicy: true,
    gateways: true,
    retire: true,
  },
  instead: {
    percent: 'Azure does not say how far it is; the card shows what it works on, and how long that took before.',
  },
  mostGateways,
  // A token of Microsoft Entra ID, which clusters without local accounts need, is good for an hour at least.
  kubeconfigMs: 45 * 60_000,
  provisioner: AksProvisioner,
  cluster: AksCluster,
  price(spec, prices) {
    const read = AksCluster.safeParse(spec);
    const list = readPriceList(prices);
    if (!read.success || !list) return null;
    const { location, tier } = read.data;
    const machines = poolsOf(read.data).map((pool) => ({ size: pool.size ?? '', count: pool.nodes }));
    // The control plane of the Free tier costs nothing.
    const priced = tier === 'Free' ? { ...list, controlPlane: 0 } : list;
    return listPrice(priced, {
      region: location,
      machines,
      excludes: ['disks', 'load balancers and public addresses', 'traffic'],
    });
  },
  describe(spec) {
    const pools = poolsOf(spec);
    const sizes = pools.map((pool) => `${pool.nodes} × ${pool.size}`).join(' and ');
    const nodes = pools.length > 1 ? `${nodesOf(spec)} nodes (${sizes})` : sizes;
    const version = spec.version ? `Kubernetes ${String(spec.version)}` : "Azure's default Kubernetes";
    return `${nodes} in ${String(spec.location ?? 'Azure')}, ${version}`;
  },
  nodes: nodesOf,
  pools: poolsOf,
  after(spec, update) {
    const next = changed(spec, update);
    // A cluster that was adopted may be of a kind that this form would not make; only what the change brings about is refused.
    const before = problemsOf(spec);
    return problemsOf(next).every((problem) => before.includes(problem)) && before.length > 0
      ? next
      : readSpec(AksCluster, next);
  },
  async connect(params) {
    const { openAksClient } = await import('./client.ts');
    return openAksClient(AksProvisioner.parse(params));
  },
};

/** Keys of a pool's fields in the spec. */
const keysOf = {
  system: { nodes: 'nodes', min: 'autoscaleMin', max: 'autoscaleMax' },
  user: { nodes: 'userNodes', min: 'userAutoscaleMin', max: 'userAutoscaleMax' },
} as const;

/** The pools of a spec, the system pool first. Reads a spec as it is, since one of an adopted cluster may lack what the form asks for. */
function poolsOf(spec: Record<string, unknown>): NodePool[] {
  const number = (key: string, absent: number) => (typeof spec[key] === 'number' ? spec[key] : absent);
  const text = (key: string, absent: string) => (typeof spec[key] === 'string' ? spec[key] : absent);
  const size = text('size', String(AksCluster.shape.size.parse(undefined)));
  const pool = (name: string, of: keyof typeof keysOf, machine: string, absent: number): NodePool => {
    const keys = keysOf[of];
    const made: NodePool = {
      name,
      nodes: number(keys.nodes, absent),
      size: machine,
      bounds: { min: of === 'system' ? 1 : 0, max: 1_000 },
    };
    const [min, max] = [spec[keys.min], spec[keys.max]];
    if (typeof min === 'number' && typeof max === 'number') made.autoscale = { min, max };
    return made;
  };
  const pools = [pool(text('systemPool', 'system'), 'system', size, 2)];
  const userNodes = number('userNodes', 0);
  const userAutoscaleMax = typeof spec.userAutoscaleMax === 'number' ? spec.userAutoscaleMax : undefined;
  if (hasUserPool({ userNodes, userAutoscaleMax })) {
    pools.push(pool(text('userPool', 'user'), 'user', text('userSize', size), 0));
  }
  const gateways = number('gateways', 0);
  if (gateways > 0) {
    pools.push({ name: gatewayMark.value, nodes: gateways, size, bounds: { min: 0, max: mostGateways } });
  }
  return pools;
}

function problemsOf(spec: Record<string, unknown>): string[] {
  return (AksCluster.safeParse(spec).error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

function setPolicy(next: Record<string, unknown>, on: boolean): void {
  const before = next.networkPolicy ?? 'none';
  if (on === (before !== 'none')) return;
  if (before === 'cilium') {
    const fixed = fixedPolicy({ location: '', networkProfile: { networkDataplane: 'cilium' } });
    throw new Fault('unsupported', fixed ?? '', { whose: 'caller', retryable: false });
  }
  next.networkPolicy = on ? usualEngine : 'none';
}

function nodesOf(spec: Record<string, unknown>): number {
  return poolsOf(spec).reduce((sum, pool) => sum + pool.nodes, 0);
}

/** The spec with the wanted change in it, before it is checked. */
function changed(spec: Record<string, unknown>, update: ClusterUpdate): Record<string, unknown> {
  const next: Record<string, unknown> = { ...spec };
  if (update.version !== undefined) next.version = update.version;
  const gateways = update.gateways ?? (update.pool === gatewayMark.value ? update.nodes : undefined);
  if (gateways !== undefined) {
    next.gateways = gateways;
    return next;
  }
  if (update.networkPolicy !== undefined) setPolicy(next, update.networkPolicy);
  if (update.addons !== undefined) checkAddons(update.addons);
  if (update.nodes === undefined && update.autoscale === undefined) return next;
  const pools = poolsOf(spec);
  const at = update.pool === undefined ? 0 : pools.findIndex(({ name }) => name === update.pool);
  const pool = pools[at];
  // A pool that was made at Azure itself is no part of the spec; the provider judges a change of it.
  if (!pool) return next;
  const keys = at === 0 ? keysOf.system : keysOf.user;
  if (update.autoscale === null) {
    delete next[keys.min];
    delete next[keys.max];
  } else if (update.autoscale) {
    const { min, max } = update.autoscale;
    Object.assign(next, { [keys.min]: min, [keys.max]: max });
    next[keys.nodes] = Math.min(Math.max(pool.nodes, min), max);
  } else if (pool.autoscale) {
    throw new Fault(
      'bad-input',
      `Azure scales the pool ${pool.name} by itself, between ${pool.autoscale.min} and ${pool.autoscale.max} nodes.`,
      { field: 'nodes', next: 'Change those bounds with `cluster autoscale`, or turn the autoscaler off first.' },
    );
  }
  if (update.nodes !== undefined) next[keys.nodes] = update.nodes;
  return next;
}
