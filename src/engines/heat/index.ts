import { Fault } from '../../core/errors.ts';
import type { ClusterUpdate, Engine } from '../../core/ports/engine.ts';
import { listPrice } from '../price-list.ts';
import { oneLine } from '../scrub.ts';
import { countIn, mostNodes, poolNames, poolsIn } from './parameters.ts';
import { HeatCluster, HeatProvisioner } from './schema.ts';
import { whyNoRetire } from './template-servers.ts';

/** Clusters as stacks of OpenStack Heat, made from a template of the admin's. */
export const heat: Engine = {
  name: 'heat',
  title: 'OpenStack Heat',
  docs: 'docs/providers/heat.md',
  capabilities: {
    create: true,
    delete: true,
    scale: true,
    upgrade: true,
    autoscale: false,
    power: true,
    percent: true,
    cancel: true,
    list: true,
    adopt: true,
    log: true,
    addons: false,
    networkPolicy: false,
    gateways: true,
    retire: true,
  },
  instead: {
    addons: 'OpenStack Heat has no add-ons of its own; put them into the cluster with `addon enable`.',
    networkPolicy:
      'What enforces network policies is chosen by the Heat template when a cluster is made, such as with network_plugin=calico of the usual one; make the cluster anew to change it.',
    autoscale: 'A Heat template sets the number of nodes as a parameter; scale the pools by hand instead.',
  },
  lacks: (params) => {
    const why = whyNoRetire(params);
    return why === null ? {} : { retire: why };
  },
  liveParameters: true,
  pollMs: { first: 3_000, longest: 30_000 },
  provisioner: HeatProvisioner,
  cluster: HeatCluster,
  price(spec, prices) {
    if (typeof spec.size !== 'string' || countIn(spec, 'nodes') === 0) return null;
    return listPrice(prices, {
      machines: [{ size: spec.size, count: countIn(spec, 'nodes') + countIn(spec, 'gateways') }],
      excludes: ['volumes', 'floating IP addresses', 'network traffic'],
    });
  },
  describe(spec) {
    const workers = countIn(spec, 'nodes');
    const gateways = countIn(spec, 'gateways');
    const total = workers + gateways;
    const count = `${total} ${total === 1 ? 'node' : 'nodes'}`;
    const kinds = gateways > 0 ? ` (${gateways} of them ${gateways === 1 ? 'a gateway' : 'gateways'})` : '';
    const size = text(spec.size) ? ` of ${text(spec.size)}` : '';
    const version = text(spec.version) ? `, Kubernetes ${text(spec.version).replace(/^v/, '')}` : '';
    return `${count}${kinds}${size}${version}`;
  },
  nodes: (spec) => countIn(spec, 'nodes') + countIn(spec, 'gateways'),
  pools: (spec) => poolsIn(spec),
  after: afterUpdate,
  async connect(params) {
    const { openHeatClient } = await import('./client.ts');
    return openHeatClient(HeatProvisioner.parse(params));
  },
};

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? oneLine(String(value), [], 60) : '';
}

/** The template's own ranges are known only to the provider and are held to when the update begins; this is what no template can mean. */
function afterUpdate(spec: Record<string, unknown>, update: ClusterUpdate): Record<string, unknown> {
  const next: Record<string, unknown> = { ...spec };
  if (update.autoscale) {
    throw new Fault('unsupported', 'OpenStack Heat has no autoscaler that KQueen could set.', {
      next: 'Set the number of nodes instead.',
    });
  }
  if (update.gateways !== undefined) return afterUpdate(spec, { pool: poolNames.gateways, nodes: update.gateways });
  if (update.nodes !== undefined) {
    const role = update.pool === poolNames.gateways ? 'gateways' : 'nodes';
    if (update.pool !== undefined && update.pool !== poolNames[role]) {
      throw new Fault('bad-input', oneLine(`There is no node pool ${update.pool}.`), {
        field: 'pool',
        next: `Pools: ${poolNames.nodes}, ${poolNames.gateways}.`,
      });
    }
    const least = role === 'nodes' ? 1 : 0;
    if (!Number.isInteger(update.nodes) || update.nodes < least || update.nodes > mostNodes) {
      throw new Fault('bad-input', `The number of ${poolNames[role]} must be between ${least} and ${mostNodes}.`, {
        field: role,
        next: 'Choose another number.',
      });
    }
    if (spec[role] === undefined) {
      throw new Fault(
        'bad-input',
        `The template of this cluster has no parameter for the number of ${poolNames[role]}.`,
        {
          field: role,
          whose: 'admin',
          next: 'Ask an admin which template to use; a cluster keeps the one that it was made with.',
        },
      );
    }
    next[role] = update.nodes;
  }
  if (update.version !== undefined) {
    if (!/^[\w.+-]{1,63}$/.test(update.version)) {
      throw new Fault('bad-input', 'That is not a version of Kubernetes.', {
        field: 'version',
        next: 'Write it as the template does, like 1.34.',
      });
    }
    next.version = update.version;
  }
  return next;
}
