import type { Engine } from '../../core/ports/engine.ts';
import { readSpec } from '../fields.ts';
import { sandboxPrice } from './price.ts';
import { poolName, SandboxCluster, SandboxProvisioner, sandboxTitle } from './schema.ts';
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
    addons: false,
    networkPolicy: false,
    gateways: false,
  },
  instead: {
    autoscale: 'The sandbox has no autoscaler; set the number of nodes instead.',
    power: 'Sandbox clusters cost nothing, so there is nothing to gain by stopping one.',
  },
  provisioner: SandboxProvisioner,
  cluster: SandboxCluster,
  price: sandboxPrice,
  describe(spec) {
    return `${String(spec.nodes ?? 3)} × ${String(spec.size)} in ${String(spec.region)}, Kubernetes ${String(spec.version)}`;
  },
  nodes(spec) {
    return nodesOf(spec);
  },
  pools(spec) {
    return [{ name: poolName, nodes: nodesOf(spec), size: String(spec.size), bounds: { min: 1, max: 20 } }];
  },
  after(spec, update) {
    checkUpdate(update);
    const next: Record<string, unknown> = { ...spec };
    if (update.nodes !== undefined) next.nodes = update.nodes;
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
