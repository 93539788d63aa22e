import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobKinds } from '../../src/core/jobs/index.ts';
import type { JobKindName } from '../../src/core/records.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { openSandboxHarness } from '../engines/sandbox-harness.ts';
import { type Kill, type Matrix, openMatrix, type Run, runKills, summary } from '../jobs/kill-matrix.ts';
import { unable } from '../jobs/matrix-scenarios.ts';
import { lacksServer } from '../servers.ts';

/** Runs at the same time: each waits for locks and starts of processes most of its life. */
const atOnce = 4;

describe.skipIf(lacksServer('etcd', 'redis-server'))('resume: the whole kill matrix', () => {
  let matrix: Matrix;
  beforeAll(async () => {
    matrix = await openMatrix({ open: openSandboxHarness });
  });
  afterAll(async () => {
    await matrix.close();
  });

  it.for(Object.keys(jobKinds) as JobKindName[])(
    '%s survives kill -9 at every request',
    { timeout: 3_600_000 },
    async (kind, { skip }) => {
      const lack = unable(sandbox, kind);
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
      console.info(summary(kind, runs, unharmed));
      expect(runs.filter((run) => run.killed).length).toBeGreaterThan(unharmed.requests.store.length);
    },
  );
});
