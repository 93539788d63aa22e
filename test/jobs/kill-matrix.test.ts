import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobKinds } from '../../src/core/jobs/index.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { openSandboxHarness } from '../engines/sandbox-harness.ts';
import { lacksServer } from '../servers.ts';
import { changesAmong, type Kill, type Matrix, openMatrix, runKills, spread, summary } from './kill-matrix.ts';
import { type ProviderJob, scenarios, unable } from './matrix-scenarios.ts';

const kinds = Object.keys(jobKinds).filter((name) => name !== 'cluster.work') as ProviderJob[];

it('has a scenario for every kind of job', () => {
  expect(Object.keys(scenarios).sort()).toEqual([...kinds].sort());
});

describe.skipIf(lacksServer('etcd', 'redis-server'))('resume: a spread of the kill matrix', () => {
  let matrix: Matrix;
  beforeAll(async () => {
    matrix = await openMatrix({ open: openSandboxHarness });
  }, 60_000);
  afterAll(async () => {
    await matrix.close();
  });

  it.for(kinds)('%s survives kill -9 at a spread of its requests', { timeout: 180_000 }, async (kind, { skip }) => {
    const lack = unable(sandbox, kind);
    if (lack) skip(lack);
    const unharmed = await matrix.run(kind);
    expect(unharmed.killed).toBe(false);
    const { store, provider } = unharmed.requests;
    // The one request that changes the provider is hit on both sides; transactions are where the store can be left half-way.
    const [change = 0] = changesAmong(provider);
    expect(change).toBeGreaterThan(0);
    const commits = store.flatMap((request, index) => (request.endsWith('/Txn') ? [index + 1] : []));
    const kills: Kill[] = [
      { at: 'provider', side: 'before', n: change },
      { at: 'provider', side: 'after', n: change },
      { at: 'provider', side: 'after', n: provider.length },
      ...spread(commits.length, 3).map((n): Kill => ({ at: 'store', side: 'after', n: commits[n - 1] ?? 1 })),
      { at: 'store', side: 'before', n: Math.ceil(store.length / 2) },
    ];
    const runs = await runKills(matrix, kind, kills, kills.length);
    console.info(summary(kind, runs, unharmed));
    expect(runs.filter((run) => run.killed).length).toBeGreaterThanOrEqual(kills.length - 2);
  });
});
