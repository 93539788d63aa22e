/**
 * The kill matrix of each engine that makes clusters, at the requests that change the provider: each worker dies before or after one of them.
 * Every request of every kind of job is for test/soak.
 */
import { describe, expect, it } from 'vitest';
import { lacksServer } from '../servers.ts';
import { type Kill, openMatrix, runAll } from './kill-matrix.ts';
import { matrixEngines } from './matrix-engines.ts';
import { type ProviderJob, unable } from './matrix-scenarios.ts';

const change = (side: Kill['side'], n: number): Kill => ({ at: 'provider', side, n, among: 'changes' });

/** An upgrade has a step for the control plane and one for the nodes, at most providers. */
const plans: { kind: ProviderJob; kill: Kill }[] = [
  { kind: 'cluster.create', kill: change('before', 1) },
  { kind: 'cluster.create', kill: change('after', 1) },
  { kind: 'cluster.scale', kill: change('after', 1) },
  { kind: 'cluster.upgrade', kill: change('before', 1) },
  { kind: 'cluster.upgrade', kill: change('after', 2) },
  { kind: 'cluster.gateways', kill: change('after', 1) },
  // In two steps at some providers: the crash comes between them.
  { kind: 'cluster.netpol', kill: change('after', 1) },
  { kind: 'cluster.delete', kill: change('after', 1) },
];

describe.skipIf(lacksServer('etcd', 'redis-server'))('resume: the kill matrix at the changes of each engine', () => {
  it.for(Object.entries(matrixEngines))('%s', { timeout: 240_000 }, async ([name, options]) => {
    const matrix = await openMatrix(await options());
    try {
      const able = plans.filter(({ kind }) => unable(matrix.engine, kind) === false);
      for (const kind of new Set(plans.map((plan) => plan.kind))) {
        const lack = unable(matrix.engine, kind);
        if (lack) console.info(`${name} ${kind}: left out, ${lack}`);
      }
      const runs = await runAll(matrix, able, 3);
      const killed = runs.filter((run) => run.killed);
      console.info(
        `${name}: ${killed.length} of ${runs.length} killed, at ${killed.map((run) => run.request).join(', ')}`,
      );
      // Not every provider upgrades in two steps.
      expect(killed.length).toBeGreaterThanOrEqual(able.length - 1);
    } finally {
      await matrix.close();
    }
  });
});
