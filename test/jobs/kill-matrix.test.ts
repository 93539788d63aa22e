import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobKinds } from '../../src/core/jobs/index.ts';
import type { JobKindName } from '../../src/core/records.ts';
import { lacksServer } from '../servers.ts';
import { type Kill, type Matrix, openMatrix, runKills, scenarios, spread, summary } from './kill-matrix.ts';

const kinds = Object.keys(jobKinds) as JobKindName[];

it('has a scenario for every kind of job', () => {
  expect(Object.keys(scenarios).sort()).toEqual([...kinds].sort());
});

describe.skipIf(lacksServer('etcd', 'redis-server'))('resume: a spread of the kill matrix', () => {
  let matrix: Matrix;
  beforeAll(async () => {
    matrix = await openMatrix();
  });
  afterAll(async () => {
    await matrix.close();
  });

  it.each(kinds)(
    '%s survives kill -9 at a spread of its requests',
    async (kind) => {
      const unharmed = await matrix.run(kind);
      expect(unharmed.killed).toBe(false);
      const { store, provider } = unharmed.requests;
      // The one request that changes the provider is hit on both sides; transactions are where the store can be left half-way.
      const change = 1 + provider.findIndex((request) => /^(POST|DELETE) /.test(request));
      expect(change).toBeGreaterThan(0);
      const commits = store.flatMap((request, index) => (request.endsWith('/Txn') ? [index + 1] : []));
      const kills: Kill[] = [
        { at: 'provider', side: 'before', n: change },
        { at: 'provider', side: 'after', n: change },
        { at: 'provider', side: 'after', n: provider.length },
        ...spread(commits.length, 3).map((n): Kill => ({ at: 'store', side: 'after', n: commits[n - 1] ?? 1 })),
        ...spread(store.length, 2).map((n): Kill => ({ at: 'store', side: 'before', n })),
      ];
      const runs = await runKills(matrix, kind, kills, kills.length);
      console.info(summary(kind, runs, unharmed));
      expect(runs.filter((run) => run.killed).length).toBeGreaterThanOrEqual(kills.length - 2);
    },
    120_000,
  );
});
