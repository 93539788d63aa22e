import { manual } from '../../src/engines/manual/index.ts';
import type { Harness } from './harness.ts';

const spec = { server: 'https://k.example:6443', authority: 'ab'.repeat(32), nodes: 3 };

/** The engine of imported clusters. It asks nobody, so there is no provider that could be made to fail, and nothing to count. */
export async function openManualHarness(): Promise<Harness> {
  const nobody = async () => undefined;
  return {
    engine: manual,
    params: { mode: 'read-only' },
    addresses: [],
    badParams: { mode: 'read-only' },
    spec,
    badSpec: { spec: { ...spec, server: '' }, field: 'server' },
    update: { nodes: 4, version: '1.34.2' },
    price: null,
    makeForeign: nobody,
    existing: async () => ({ org: 'default', cluster: 'c1', externalName: 'k.example:6443', spec }),
    writes: async () => 0,
    requests: async () => 0,
    secrets: async () => [],
    made: async () => 0,
    openConnections: () => 0,
    faults: {
      loseCreateAnswer: nobody,
      failCreates: nobody,
      stall: nobody,
      exhaustQuota: nobody,
      limitRate: nobody,
      hang: nobody,
      refuse: nobody,
      webPage: nobody,
      strangeState: async () => ({}),
      clear: nobody,
    },
    close: nobody,
  };
}
