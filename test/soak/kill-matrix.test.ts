/** The whole kill matrix of the sandbox, or of the engines in KQUEEN_MATRIX: names separated by commas, or `all`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSandboxHarness } from '../engines/sandbox-harness.ts';
import {
  type Kill,
  type Matrix,
  type MatrixOptions,
  openMatrix,
  type Run,
  runKills,
  summary,
} from '../jobs/kill-matrix.ts';
import { matrixEngines } from '../jobs/matrix-engines.ts';
import { type ProviderJob, scenarios, unable } from '../jobs/matrix-scenarios.ts';
import { lacksServer } from '../servers.ts';

/** Runs at the same time: each waits for locks and starts of processes most of its life. */
const atOnce = 4;

const engines: Record<string, () => Promise<MatrixOptions>> = {
  sandbox: async () => ({ open: openSandboxHarness }),
  ...matrixEngines,
};
const asked = process.env.KQUEEN_MATRIX ?? 'sandbox';
const chosen = asked === 'all' ? Object.keys(engines) : asked.split(',');

describe.skipIf(lacksServer('etcd', 'redis-server')).each(chosen)('resume: the whole kill matrix of %s', (name) => {
  let matrix: Matrix;
  beforeAll(async () => {
    const options = engines[name];
    if (!options) throw new Error(`there is no matrix of ${name}; there are: ${Object.keys(engines).join(', ')}`);
    matrix = await openMatrix(await options());
  }, 60_000);
  afterAll(async () => {
    await matrix.close();
  });

  it.for(Object.keys(scenarios) as ProviderJob[])(
    '%s survives kill -9 at every request',
    { timeout: 3_600_000 },
    async (kind, { skip }) => {
      const lack = unable(matrix.engine, kind);
      if (lack) skip(lack);
      const unharmed = await matrix.run(kind);
      const runs: Run[] = [];
      for (const at of ['store', 'provider'] as const) {
        for (const side of ['before', 'after'] as const) {
          for (let n = 1; ; n += atOnce) {
            const kills = Array.from({ length: atOnce }, (_, index): Kill => ({ at, side, n: n + index }));
            const done = await runKills(matrix, kind, kills, atOnce);
            runs.push(...done);
            if (done.some((run) => !run.killed)) break;
          }
        }
      }
      console.info(summary(`${name} ${kind}`, runs, unharmed));
      expect(runs.filter((run) => run.killed).length).toBeGreaterThan(unharmed.requests.store.length);
    },
  );
});
