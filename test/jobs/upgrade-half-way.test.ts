/** What is said of an upgrade that stops half-way. */
import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { upgradeCluster } from '../../src/core/jobs/update-cluster.ts';
import type { Job } from '../../src/core/records.ts';
import { jobCard } from '../../src/core/views/job.ts';
import { lookOf, probed, seen, start } from './samples.ts';

const intent = { act: 'update', at: start, answered: true } as const;
const pools = [
  { name: 'system', nodes: 1, version: '1.35.0' },
  { name: 'workers', nodes: 3, version: 'v1.34.2' },
];
const upgrading = (change: Parameters<typeof lookOf>[0]) =>
  lookOf({
    wanted: { spec: {}, summary: '', nodes: 4 },
    ...change,
    job: { kind: 'cluster.upgrade', update: { version: '1.35.0' }, intent, operation: 'op-2', ...change?.job },
    cluster: { phase: 'Updating', kubeconfig: true, version: '1.34.2', ...change?.cluster },
  });
const end = (change: Parameters<typeof lookOf>[0]): Job => {
  const decision = upgradeCluster.decide(upgrading(change));
  expect(decision.do).toBe('end');
  return decision.job;
};

describe('an upgrade that stops half-way', () => {
  const failed = { outcome: 'failed', message: 'Quota CPUS exceeded.', version: '1.35.0', pools } as const;

  it('says which pool is at what version, that it does not go back, and how to go on', () => {
    const job = end({ seen: seen('running', { ...failed, pools: [...pools] }) });
    expect(job.failure).toMatchObject({
      message: 'Quota CPUS exceeded.',
      next: 'The control plane is at 1.35.0; pool system is at 1.35.0 (1 node); pool workers is at 1.34.2 (3 nodes). A newer control plane works with older nodes for a while, and does not go back. The cluster still runs. Press Retry to try the change again.',
    });
    const card = jobCard(job, { now: start });
    expect(card.text).toMatch(/pool workers is at 1\.34\.2/);
    expect(card.buttons.map(({ label }) => label)).toEqual(['Retry', 'Show log', 'Check', 'Pre-check', 'Nodes']);
    expect(card.buttons[3]?.command).toBe('cluster precheck dev-1 1.35.0');
  });

  it('tells by the nodes where the provider tells no versions of pools', () => {
    const node = (version: string) => ({
      ...(probed().nodes[0] as ReturnType<typeof probed>['nodes'][number]),
      version,
    });
    const health = { ...probed(), nodes: [node('v1.35.0'), node('v1.34.2'), node('v1.34.2')] };
    const { pools: _pools, ...without } = failed;
    const job = end({ seen: seen('error', without), health });
    expect(job.failure?.next).toMatch(/^The control plane is at 1\.35\.0; 1 node at 1\.35\.0, 2 nodes at 1\.34\.2\./);
  });

  it('says that nothing has changed yet when the control plane itself failed', () => {
    const job = end({ seen: seen('running', { ...failed, version: '1.34.2', pools: [] }) });
    expect(job.failure?.next).toMatch(
      /^The control plane is at 1\.34\.2\. Nothing that runs in it has changed version yet\./,
    );
  });

  it('says what was seen last when the provider is silent, and how far it was when it is cancelled', () => {
    const gone = end({
      seen: new Fault('not-allowed', 'The credentials are not valid any more.'),
      cluster: { pools: [{ name: 'workers', nodes: 3, version: '1.34.2' }] },
    });
    expect(gone.failure?.next).toMatch(/pool workers is at 1\.34\.2 \(3 nodes\), when it was last seen\./);
    const cancel = { by: 'terminal:dev', byName: 'Dev', at: start };
    const stopped = end({
      job: { cancel },
      seen: seen('running', { version: '1.35.0', pools: [...pools], outcome: 'done' }),
      now: start + 60_000,
    });
    expect(stopped).toMatchObject({ state: 'Cancelled', note: expect.stringMatching(/pool workers is at 1\.34\.2/) });
  });
});
