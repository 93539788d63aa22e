import { z } from 'zod';
import type { Engine, EngineClient } from '../../core/ports/engine.ts';
import { field } from '../../core/schema.ts';
import { readSpec } from '../fields.ts';
import { cannot } from '../unsupported.ts';

const title = 'Existing clusters';

const importIt = 'Import one that exists with `cluster import`.';
const elsewhere = 'KQueen has its kubeconfig, and no way to the provider that made it; change it there.';

/** What may be done with the clusters that are imported here. */
export const ManualProvisioner = z.object({
  mode: field(z.enum(['read-only', 'operate']).default('read-only'), {
    label: 'What KQueen may do',
    help: 'read-only: look at the clusters and nothing else. operate: whoever imports one may let KQueen also change what runs in it, such as accounts for access.',
    order: 1,
  }),
});

/** Where an imported cluster is, and how its API is recognised. Written by the import, asked of nobody. */
export const ManualCluster = z.object({
  server: field(z.string().min(1).max(500), {
    label: 'API server',
    help: 'Its address, as in the kubeconfig.',
    order: 1,
  }),
  authority: field(z.string().max(64).optional(), {
    label: 'Authority',
    help: 'SHA-256 of the certificate that it is checked by; empty for a public one.',
    order: 2,
  }),
  nodes: field(z.number().int().min(0).max(1_000_000).optional(), {
    label: 'Nodes',
    help: 'When it was imported.',
    order: 3,
  }),
});

/**
 * Clusters that KQueen did not make and has no provider for: there is a kubeconfig, kept sealed by the core, and the cluster's own API. There is
 * nobody to ask about their machines, so `observe` says that it does not know; their health is what their own API shows.
 */
export const manual: Engine = {
  name: 'manual',
  title,
  docs: 'docs/providers/manual.md',
  capabilities: {
    create: false,
    delete: false,
    scale: false,
    upgrade: false,
    autoscale: false,
    power: false,
    percent: false,
    cancel: false,
    list: false,
    adopt: false,
    log: false,
    addons: false,
    networkPolicy: false,
    gateways: false,
    retire: false,
  },
  instead: {
    create: `This provisioner is for clusters that exist already. ${importIt}`,
    delete:
      'KQueen did not make it, so it does not delete it. Use `cluster detach`: KQueen lets go of it, and it stays as it is.',
    scale: elsewhere,
    upgrade: elsewhere,
    autoscale: elsewhere,
    power: elsewhere,
    addons: 'There is no provider to ask; put add-ons into the cluster with `addon enable`.',
    networkPolicy: elsewhere,
    gateways: elsewhere,
    retire: elsewhere,
    percent: 'There is nothing to wait for: an import is done at once.',
    cancel: 'There is nothing to stop: an import is done at once.',
    list: `There is no provider to ask. ${importIt}`,
    adopt: `There is no provider at which it could be marked. ${importIt}`,
    log: 'What happened to it before is known to its provider alone; what KQueen saw of it is on `cluster show`.',
  },
  provisioner: ManualProvisioner,
  cluster: ManualCluster,
  price: () => null,
  describe(spec) {
    const nodes = nodesOf(spec);
    const size = nodes === 0 ? '' : `, ${nodes} ${nodes === 1 ? 'node' : 'nodes'} when imported`;
    return `Existing cluster at ${String(spec.server ?? 'an unknown address')}${size}`;
  },
  nodes: nodesOf,
  pools(spec) {
    const nodes = nodesOf(spec);
    return nodes === 0 ? [] : [{ name: 'all', nodes }];
  },
  after: (spec) => readSpec(ManualCluster, spec),
  connect: async (params) => openManualClient(ManualProvisioner.parse(params)),
};

function nodesOf(spec: Record<string, unknown>): number {
  return typeof spec.nodes === 'number' ? spec.nodes : 0;
}

function openManualClient({ mode }: z.infer<typeof ManualProvisioner>): EngineClient {
  return {
    observe: async () => ({
      state: 'unknown',
      mine: true,
      step: 'There is no provider to ask; its own API is looked at.',
    }),
    create: async () => cannot(title, 'create'),
    update: async () => cannot(title, 'change'),
    delete: async () => cannot(title, 'delete'),
    adopt: async () => cannot(title, 'adopt'),
    release: async () => cannot(title, 'release'),
    kubeconfig: async () => cannot(title, 'give a kubeconfig of'),
    signIn: async () => null,
    upgrades: async () => [],
    log: async () => cannot(title, 'tell the history of'),
    list: async () => cannot(title, 'list'),
    check: async () => ({
      state: 'OK',
      message: 'There is no provider to ask: each cluster is looked at through its own API.',
      facts: [{ label: 'KQueen may', value: mode === 'operate' ? 'operate them' : 'look at them' }],
    }),
    options: async () => ({ choices: {}, prices: null, at: Date.now() }),
    close: async () => undefined,
  };
}
