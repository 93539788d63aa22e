import type { Engine } from '../../core/ports/engine.ts';
import { readSpec } from '../fields.ts';
import { gatewaysIn, nodesIn, poolsOf } from './pools.ts';
import { sandboxPrice } from './price.ts';
import { mostGateways, SandboxCluster, SandboxProvisioner, sandboxTitle } from './schema.ts';
import { checkUpdate } from './update.ts';

/** Clusters of the sandbox provider that ships with KQueen: a real API and imaginary machines. */
export const sandbox: Engine = {
  name: 'sandbox',
  title: sandboxTitle,
  notice: 'Sandbox: no real machines, no real cost.',
  docs: 'docs/providers/sandbox.md',
  capabilities: {
    create: true,
    delete: true,
    scale: true,
    upgrade: true,
    autoscale: false,
    power: false,
    percent: true,
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
    autoscale: 'The sandbox has no autoscaler; set the number of nodes instead.',
    power: 'Sandbox clusters cost nothing, so there is nothing to gain by stopping one.',
  },
  mostGateways,
  provisioner: SandboxProvisioner,
  cluster: SandboxCluster,
  price: sandboxPrice,
  describe(spec) {
    const gateways = gatewaysOf(spec);
    const more = gateways === 0 ? '' : ` and ${gateways} ${gateways === 1 ? 'gateway' : 'gateways'}`;
    return `${String(spec.nodes ?? 3)} × ${String(spec.size)}${more} in ${String(spec.region)}, Kubernetes ${String(spec.version)}`;
  },
  nodes: (spec) => nodesOf(spec) + gatewaysOf(spec),
  pools: (spec) => poolsOf({ nodes: nodesOf(spec), gateways: gatewaysOf(spec), size: String(spec.size) }),
  after(spec, update) {
    checkUpdate(update);
    const next: Record<string, unknown> = { ...spec };
    const nodes = nodesIn(update);
    if (nodes !== undefined) next.nodes = nodes;
    const gateways = gatewaysIn(update);
    if (gateways !== undefined) next.gateways = gateways;
    if (update.networkPolicy !== undefined) next.networkPolicy = update.networkPolicy;
    if (update.version !== undefined) next.version = update.version;
    return readSpec(SandboxCluster, next);
  },
  async connect(params) {
    const { openSandboxClient } = await import('./client.ts');
    return openSandboxClient(SandboxProvisioner.parse(params));
  },
};

function nodesOf(spec: Record<string, unknown>): number {
  return typeof spec.nodes === 'number' ? spec.nodes : 3;
}

function gatewaysOf(spec: Record<string, unknown>): number {
  return typeof spec.gateways === 'number' ? spec.gateways : 0;
}
