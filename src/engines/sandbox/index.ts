import type { Engine } from '../../core/ports/engine.ts';
import { sandboxPrice } from './price.ts';
import { SandboxCluster, SandboxProvisioner } from './schema.ts';

/** Clusters of the sandbox provider that ships with KQueen: a real API and imaginary machines. */
export const sandbox: Engine = {
  name: 'sandbox',
  title: 'KQueen sandbox',
  notice: 'Sandbox: no real machines, no real cost.',
  docs: 'docs/engines.md',
  capabilities: { create: true, delete: true, scale: true, upgrade: true, percent: true, cancel: true, list: true },
  provisioner: SandboxProvisioner,
  cluster: SandboxCluster,
  price: sandboxPrice,
  describe(spec) {
    return `${String(spec.nodes ?? 3)} × ${String(spec.size)} in ${String(spec.region)}, Kubernetes ${String(spec.version)}`;
  },
  nodes(spec) {
    return typeof spec.nodes === 'number' ? spec.nodes : 3;
  },
  async connect(params) {
    const { openSandboxClient } = await import('./client.ts');
    return openSandboxClient(SandboxProvisioner.parse(params));
  },
};
