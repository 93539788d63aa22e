import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { type Decision, settleMs, vanishedMessage } from '../../src/core/jobs/kind.ts';
import {
  sameVersion,
  scaleCluster,
  startCluster,
  stopCluster,
  upgradeCluster,
} from '../../src/core/jobs/update-cluster.ts';
import type { ClusterHealth } from '../../src/core/ports/kube.ts';
import type { Job, Step } from '../../src/core/records.ts';
import { lookOf, probed, seen, start } from './samples.ts';

type Change = Parameters<typeof lookOf>[0];

const down = new Fault('unreachable', 'The provider does not answer.');
const refused = new Fault('not-allowed', 'The credentials are not valid any more.', { next: 'Give new ones.' });
const cancel = { by: 'terminal:dev', byName: 'Dev', at: start };
const asked = (answered: boolean, at = start + 5_000): NonNullable<Job['intent']> => ({ act: 'update', at, answered });
const wanted = { spec: { nodes: 5 }, summary: '5 nodes', nodes: 5 };
const yaml = 'kubeconfig: yaml';
const checking: Step[] = [
  { name: 'Ask the provider', state: 'done' },
  { name: 'Change the nodes', state: 'done' },
  { name: 'Check health', state: 'doing', at: start + 9_000 },
];

/** What a probe finds in a cluster of so many nodes. */
function nodes(count: number, ready = true, version?: string): ClusterHealth {
  const one = (index: number): ClusterHealth['nodes'][number] => ({
    ...probedNode(),
    name: `n${index}`,
    ready,
  });
  const health = { ...probed(true, ready), nodes: Array.from({ length: count }, (_, index) => one(index)) };
  return version === undefined ? health : { ...health, version };
}

function probedNode(): ClusterHealth['nodes'][number] {
  const none = { cpu: 0, memory: 0, pods: 0 };
  return { name: '', ready: true, version: 'v1.34.2', problems: [], capacity: none, allocatable: none, requests: none };
}

/** A look of a job that scales a running cluster from 3 to 5 nodes. */
function scaling(change: Change = {}) {
  return lookOf({
    seen: seen('running'),
    wanted,
    ...change,
    job: { kind: 'cluster.scale', update: { nodes: 5 }, ...change.job },
    cluster: { phase: 'Updating', kubeconfig: true, ...change.cluster },
  });
}

/** What a decision comes to, in a few words. */
function short(decision: Decision): string {
  const cluster = decision.cluster === null ? 'gone' : decision.cluster.phase;
  if (decision.do === 'act') return `act ${decision.act}, ${cluster}`;
  return decision.do === 'end' ? `end ${decision.job.state}, ${cluster}` : `wait, ${cluster}`;
}

interface Row {
  name: string;
  look: Change;
  comes: string;
  says?: RegExp;
}

const rows: Row[] = [
  { name: 'nothing asked yet', look: { cluster: { phase: 'Ready' } }, comes: 'act update, Updating', says: /Asking/ },
  { name: 'the answer was lost', look: { job: { intent: asked(false) } }, comes: 'act update, Updating' },
  {
    name: 'the answer was lost and it is under way',
    look: { job: { intent: asked(false) }, seen: seen('updating', { operation: 'op-9' }) },
    comes: 'wait, Updating',
  },
  {
    name: 'under way',
    look: { job: { intent: asked(true) }, seen: seen('updating', { percent: 40, step: 'Resizing' }) },
    comes: 'wait, Updating',
    says: /Resizing/,
  },
  {
    name: 'shown as running, and its operation is not over',
    look: { job: { intent: asked(true), operation: 'op-1' }, seen: seen('running', { outcome: 'running' }) },
    comes: 'wait, Updating',
  },
  {
    name: 'busy with something else',
    look: { seen: seen('updating', { step: 'Patching' }) },
    comes: 'wait, Updating',
    says: /busy with something else \(Patching\)/,
  },
  {
    name: 'the step is over',
    look: { job: { intent: asked(true), operation: 'op-1' }, seen: seen('running', { outcome: 'done' }) },
    comes: 'act update, Updating',
  },
  { name: 'a state never heard of', look: { seen: seen('unknown') }, comes: 'wait, Updating' },
  { name: 'being deleted at the provider', look: { seen: seen('deleting') }, comes: 'wait, Updating' },
  { name: 'in error before anything was asked', look: { seen: seen('error') }, comes: 'act update, Updating' },
  {
    name: 'its operation has failed and it runs',
    look: {
      job: { intent: asked(true), operation: 'op-1' },
      seen: seen('running', { outcome: 'failed', message: 'No quota for 5.' }),
    },
    comes: 'end Failed, Ready',
    says: /No quota for 5/,
  },
  {
    name: 'in error after it was asked, and its API answers',
    look: { job: { intent: asked(true) }, seen: seen('error', { message: 'Broken half-way.' }), health: nodes(4) },
    comes: 'end Failed, Ready',
    says: /Broken half-way/,
  },
  {
    name: 'in error after it was asked, and its API does not answer',
    look: { job: { intent: asked(true) }, seen: seen('error'), health: probed(false) },
    comes: 'end Failed, Failed',
    says: /change failed/,
  },
  { name: 'missing in one look', look: { seen: seen('absent') }, comes: 'wait, Updating' },
  {
    name: 'missing again and again',
    look: { seen: seen('absent'), job: { attempt: 2 } },
    comes: 'end Failed, Unknown',
    says: /vanished/,
  },
  {
    name: 'somebody else has its name now',
    look: { seen: seen('running', { mine: false }), job: { attempt: 2 } },
    comes: 'end Failed, Unknown',
  },
  { name: 'the provider is unreachable', look: { seen: down }, comes: 'wait, Updating', says: /Trying again/ },
  { name: 'the provider refuses us', look: { seen: refused }, comes: 'end Failed, Ready', says: /not valid any more/ },
  {
    name: 'an update that cannot be',
    look: { wanted: new Fault('bad-input', 'At most 20 nodes.') },
    comes: 'end Failed, Ready',
    says: /At most 20/,
  },
  { name: 'past its deadline', look: { now: start + 1_800_001 }, comes: 'end Failed, Ready', says: /did not finish/ },
  {
    name: 'as wanted, and its nodes are on the way',
    look: { job: { intent: asked(true), steps: checking }, kubeconfig: yaml, health: nodes(4) },
    comes: 'wait, Updating',
    says: /4 of 5 nodes are there/,
  },
  {
    name: 'as wanted, and not every node is ready',
    look: { job: { intent: asked(true), steps: checking }, kubeconfig: yaml, health: nodes(5, false) },
    comes: 'wait, Updating',
    says: /not every node is ready/,
  },
  {
    name: 'as wanted, and the credentials are not to be had for a moment',
    look: { job: { intent: asked(true), steps: checking }, kubeconfig: down },
    comes: 'wait, Updating',
  },
  {
    name: 'as wanted, and the credentials are not to be had at all',
    look: { job: { intent: asked(true), steps: checking }, kubeconfig: refused },
    comes: 'end Succeeded, Ready',
    says: /could not be looked at: The credentials/,
  },
  {
    name: 'as wanted',
    look: { job: { intent: asked(true), steps: checking }, kubeconfig: yaml, health: nodes(5) },
    comes: 'end Succeeded, Ready',
    says: /^Scaled after 10 s\.$/,
  },
  {
    name: 'as wanted, but for the nodes, for too long',
    look: {
      now: start + 700_000,
      job: { intent: asked(true), steps: checking },
      kubeconfig: yaml,
      health: nodes(4),
    },
    comes: 'end Succeeded, Ready',
    says: /but 4 of 5 nodes are there/,
  },
  {
    name: 'checked, and the provider is at it again',
    look: { job: { intent: asked(true), steps: checking }, seen: seen('updating') },
    comes: 'wait, Updating',
  },
  {
    name: 'cancelled before anything was asked',
    look: { job: { cancel } },
    comes: 'end Cancelled, Ready',
    says: /before anything was changed/,
  },
];

describe('what is decided', () => {
  it.each(rows)('$name', ({ look, comes, says }) => {
    const decision = scaleCluster.decide(scaling(look));
    expect(short(decision)).toBe(comes);
    if (says) expect(decision.job.note).toMatch(says);
    if (decision.do === 'end') expect(decision.cluster).not.toHaveProperty('openJob');
    else expect(decision.cluster?.openJob).toBe('job1');
  });
});

describe('a change that is done', () => {
  it('is in the record of the cluster, which keeps its place in the world', () => {
    const pools = [{ name: 'default', nodes: 5 }];
    const decision = scaleCluster.decide(
      scaling({
        seen: seen('running', { nodes: 5, pools, version: '1.34.2', notes: ['Group MC_dev'] }),
        job: { intent: asked(true), steps: checking },
        cluster: { failure: { message: 'earlier', at: start }, readyAt: start - 1 },
        kubeconfig: yaml,
        health: nodes(5),
      }),
    );
    if (decision.do !== 'end') throw new Error(decision.do);
    expect(decision.cluster).toMatchObject({
      ...{ spec: { nodes: 5 }, summary: '5 nodes', nodes: 5, pools, version: '1.34.2', kubeconfig: true },
      ...{ notes: ['Group MC_dev'], readyAt: start - 1 },
    });
    expect(decision.cluster).not.toHaveProperty('failure');
    expect(decision.kubeconfig).toBe(yaml);
    expect(decision.health?.nodes).toHaveLength(5);
    expect(decision.job.percent).toBe(100);
  });

  it('does not keep a kubeconfig that expires', () => {
    const look = { job: { intent: asked(true), steps: checking }, kubeconfig: yaml, health: nodes(5) };
    const decision = scaleCluster.decide(scaling({ ...look, shortLived: true, cluster: { kubeconfig: false } }));
    expect(decision).not.toHaveProperty('kubeconfig');
    expect(decision.cluster?.kubeconfig).toBe(false);
  });

  it('does not count nodes that the provider itself scales', () => {
    const { nodes: _nodes, ...some } = wanted;
    const look = scaling({
      ...{ wanted: some, kubeconfig: yaml, health: nodes(7) },
      job: { intent: asked(true), steps: checking },
    });
    expect(short(scaleCluster.decide(look))).toBe('end Succeeded, Ready');
  });
});

describe('the answer of the engine', () => {
  const look = (change: Change = {}) => scaling({ ...change, job: { intent: asked(false), ...change.job } });

  it('is saved as the operation', () => {
    const decision = scaleCluster.acted(look(), 'update', { id: 'op-1' });
    expect(short(decision)).toBe('wait, Updating');
    expect(decision.job).toMatchObject({ operation: 'op-1', intent: { answered: true } });
    expect(scaleCluster.wantsHealth(scaling({ job: decision.job }))).toBe(false);
  });

  it('is null when all is as wanted: then the cluster itself is looked at', () => {
    const decision = scaleCluster.acted(look({ job: { operation: 'op-1' } }), 'update', null);
    expect(short(decision)).toBe('wait, Updating');
    expect(decision.job).not.toHaveProperty('operation');
    expect(decision.job.steps.map(({ state }) => state)).toEqual(['done', 'done', 'doing']);
    expect(scaleCluster.wantsHealth(scaling({ job: decision.job }))).toBe(true);
  });

  it.each([
    ['another operation runs', new Fault('conflict', 'Busy.', { retryable: true }), 'wait, Updating'],
    ['no answer', new Fault('unreachable', 'Gone.', { outcomeUnknown: true }), 'wait, Updating'],
    ['a quota', new Fault('quota', 'Not so many.'), 'end Failed, Ready'],
    ['refused', new Fault('conflict', 'Not now.'), 'end Failed, Ready'],
  ])('%s', (_name, fault, comes) => {
    expect(short(scaleCluster.acted(look(), 'update', fault))).toBe(comes);
  });

  it('keeps the whole text of the provider, but never a stack of KQueen’s', () => {
    const told = new Fault('quota', 'Not so many.', { detail: `password=hunter22 ${'x'.repeat(20_000)}the end` });
    const { job } = scaleCluster.acted(look(), 'update', told);
    expect(job.failure?.detail).toMatch(/the end$/);
    expect(job.failure?.detail?.length).toBeLessThanOrEqual(16_384);
    expect(job.failure?.detail).not.toMatch(/hunter22/);
    const own = new Fault('internal', 'Odd.', { retryable: false, detail: 'Error: at line 3' });
    expect(scaleCluster.acted(look(), 'update', own).job.failure).not.toHaveProperty('detail');
    const history = scaleCluster.decide(
      scaling({
        job: { intent: asked(true), operation: 'op-1' },
        seen: seen('running', { outcome: 'failed', message: 'No.', detail: 'line 1\nline 2' }),
      }),
    );
    expect(history.job.failure).toMatchObject({ message: 'No.', detail: 'line 1\nline 2', next: /Retry/ as unknown });
  });
});

describe('several steps', () => {
  const upgrading = (change: Change = {}) =>
    scaling({
      ...change,
      wanted: { spec: { version: '1.35' }, summary: 'Kubernetes 1.35', nodes: 3 },
      job: { kind: 'cluster.upgrade', update: { version: '1.35' }, ...change.job },
    });

  it('are asked for one after the other, each with a percentage of its own', () => {
    const first = upgradeCluster.decide(
      upgrading({
        job: { intent: asked(true), operation: 'op-1', percent: 90 },
        seen: seen('running', { outcome: 'done' }),
      }),
    );
    expect(short(first)).toBe('act update, Updating');
    expect(first.job).not.toHaveProperty('percent');
  });

  it('stop after the one that is under way when they are cancelled', () => {
    const job = { cancel, intent: asked(true), operation: 'op-1' };
    expect(short(upgradeCluster.decide(upgrading({ job, seen: seen('updating') })))).toBe('wait, Updating');
    const stopped = upgradeCluster.decide(
      upgrading({ job, seen: seen('running', { outcome: 'done', version: '1.35.0' }) }),
    );
    expect(short(stopped)).toBe('end Cancelled, Ready');
    expect(stopped.job.note).toMatch(/what was done until then stays/);
    expect(stopped.cluster).toMatchObject({ version: '1.35.0', spec: { region: 'north', nodes: 3 } });
    const failed = upgradeCluster.decide(upgrading({ job, seen: seen('running', { outcome: 'failed' }) }));
    expect(short(failed)).toBe('end Failed, Ready');
  });

  it('wait for a lost request before they are called stopped', () => {
    const job = { cancel, intent: asked(false) };
    expect(short(upgradeCluster.decide(upgrading({ job })))).toBe('wait, Updating');
    const later = start + 5_000 + settleMs;
    expect(short(upgradeCluster.decide(upgrading({ job, now: later })))).toBe('end Cancelled, Ready');
  });

  it('are over when the API itself says the version', () => {
    const steps = checking.map((step) => (step.name === 'Change the nodes' ? { ...step, name: 'Upgrade' } : step));
    const look = (version: string) =>
      upgrading({ job: { intent: asked(true), steps }, kubeconfig: yaml, health: nodes(3, true, version) });
    expect(upgradeCluster.decide(look('v1.34.2')).job.note).toMatch(/still says version v1\.34\.2/);
    expect(short(upgradeCluster.decide(look('v1.35.1')))).toBe('end Succeeded, Ready');
  });

  it.each([
    ['v1.35.0', '1.35.0', true],
    ['v1.35.0', '1.35', true],
    ['v1.35.0-gke.100', '1.35.0-gke.100', true],
    ['v1.35.0-gke.100', '1.35.0', true],
    ['v1.35.0', '1.3', false],
    ['v1.35.1', '1.35.0', false],
  ])('%s and %s', (one, other, same) => {
    expect(sameVersion(one, other)).toBe(same);
  });
});

describe('power', () => {
  const at = (kind: 'cluster.stop' | 'cluster.start', power: 'on' | 'off', change: Change = {}) =>
    lookOf({
      ...{ seen: seen('running'), wanted: { spec: { nodes: 3 }, summary: '3 nodes', nodes: 3 } },
      ...change,
      job: { kind, update: { power }, intent: asked(false), ...change.job },
      cluster: { phase: 'Updating', kubeconfig: true, ...change.cluster },
    });

  it('off ends without a look at what does not run, and the cluster is known to be stopped', () => {
    const look = at('cluster.stop', 'off', { seen: seen('stopped') });
    expect(stopCluster.wantsHealth(look)).toBe(false);
    const decision = stopCluster.acted(look, 'update', null);
    expect(short(decision)).toBe('end Succeeded, Ready');
    expect(decision.cluster?.stopped).toBe(true);
    expect(short(stopCluster.decide(at('cluster.stop', 'off', { seen: seen('stopped') })))).toBe(
      'act update, Updating',
    );
  });

  it('on ends when it works again', () => {
    const stopped = at('cluster.start', 'on', { seen: seen('stopped'), cluster: { stopped: true } });
    expect(short(startCluster.decide(stopped))).toBe('act update, Updating');
    const { job } = startCluster.acted(stopped, 'update', null);
    const over = startCluster.decide(
      at('cluster.start', 'on', { job, cluster: { stopped: true }, kubeconfig: yaml, health: nodes(3) }),
    );
    expect(short(over)).toBe('end Succeeded, Ready');
    expect(over.cluster).not.toHaveProperty('stopped');
  });
});

it('a cluster that vanished is known as such to the sweep, which may find it again', () => {
  const decision = scaleCluster.decide(scaling({ seen: seen('absent'), job: { attempt: 2 } }));
  expect(decision.cluster?.failure?.message).toBe(vanishedMessage);
});

it('asks no more often than the engine allows', () => {
  const look = scaling({
    seen: seen('updating'),
    job: { intent: asked(true, start) },
    poll: { first: 3_000, longest: 9_000 },
  });
  expect(scaleCluster.decide({ ...look, now: start + 100 })).toMatchObject({ do: 'wait', ms: 3_000 });
  expect(scaleCluster.decide({ ...look, now: start + 60_000 })).toMatchObject({ do: 'wait', ms: 6_000 });
  expect(scaleCluster.decide({ ...look, now: start + 600_000 })).toMatchObject({ do: 'wait', ms: 9_000 });
});
