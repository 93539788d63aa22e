import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { createCluster } from '../../src/core/jobs/create-cluster.ts';
import { type Decision, settleMs } from '../../src/core/jobs/kind.ts';
import type { Job } from '../../src/core/records.ts';
import { lookOf, probed, seen, start } from './samples.ts';

const down = new Fault('unreachable', 'The provider does not answer.');
const refused = new Fault('not-allowed', 'The credentials are not valid any more.', { next: 'Give new ones.' });
const cancel = { by: 'terminal:dev', byName: 'Dev', at: start };
const asked = (answered: boolean, at = start + 5_000): Job['intent'] => ({ act: 'create', at, answered });
const clearing: Job['intent'] = { act: 'delete', at: start, answered: true };
const yaml = 'kubeconfig: yaml';

/** What a decision comes to, in a few words. */
function short(decision: Decision): string {
  const cluster = decision.cluster === null ? 'gone' : decision.cluster.phase;
  if (decision.do === 'act') return `act ${decision.act}, ${cluster}`;
  return decision.do === 'end' ? `end ${decision.job.state}, ${cluster}` : `wait, ${cluster}`;
}

interface Row {
  name: string;
  look: Parameters<typeof lookOf>[0];
  comes: string;
  says?: RegExp;
}

const rows: Row[] = [
  { name: 'nothing there yet', look: {}, comes: 'act create, Provisioning', says: /Asking the provider/ },
  {
    name: 'the answer was lost and nothing arrived',
    look: { job: { intent: asked(false) } },
    comes: 'act create, Provisioning',
  },
  {
    name: 'the answer was lost and it arrived',
    look: { job: { intent: asked(false) }, seen: seen('creating') },
    comes: 'wait, Provisioning',
  },
  { name: 'accepted, and the list lags', look: { job: { intent: asked(true) } }, comes: 'wait, Requested' },
  {
    name: 'accepted, and lost for minutes',
    look: { job: { intent: asked(true, start - 120_000) } },
    comes: 'end Failed, Failed',
    says: /accepted the cluster and then lost it/,
  },
  {
    name: 'a foreign cluster of the same name',
    look: { seen: seen('running', { mine: false }) },
    comes: 'end Failed, Failed',
    says: /already has a cluster named dev-1-abc/,
  },
  {
    name: 'under way',
    look: { seen: seen('creating', { percent: 40, step: 'Booting nodes' }) },
    comes: 'wait, Provisioning',
    says: /Booting nodes/,
  },
  { name: 'a state never heard of', look: { seen: seen('unknown') }, comes: 'wait, Provisioning' },
  { name: 'being removed by somebody at the provider', look: { seen: seen('deleting') }, comes: 'wait, Provisioning' },
  {
    name: 'the provider is unreachable',
    look: { seen: down },
    comes: 'wait, Requested',
    says: /Trying again \(attempt 2\)/,
  },
  { name: 'the provider refuses us', look: { seen: refused }, comes: 'end Failed, Failed', says: /not valid any more/ },
  {
    name: 'the provider failed to make it',
    look: { seen: seen('error', { message: 'No capacity in eu-1.' }), job: { intent: asked(true) } },
    comes: 'end Failed, Failed',
    says: /No capacity in eu-1/,
  },
  {
    name: 'running without credentials',
    look: { seen: seen('running'), kubeconfig: new Fault('conflict', 'None yet.') },
    comes: 'wait, Provisioning',
    says: /None yet/,
  },
  {
    name: 'running, credentials unreachable',
    look: { seen: seen('running'), kubeconfig: down },
    comes: 'wait, Provisioning',
  },
  {
    name: 'running, credentials forbidden',
    look: { seen: seen('running'), kubeconfig: refused },
    comes: 'end Failed, Failed',
  },
  {
    name: 'running, never probed',
    look: { seen: seen('running'), kubeconfig: yaml },
    comes: 'wait, Provisioning',
    says: /Waiting for the cluster to answer/,
  },
  {
    name: 'running, its API not there',
    look: { seen: seen('running'), kubeconfig: yaml, health: probed(false, false) },
    comes: 'wait, Provisioning',
    says: /APIServerAvailable is not there yet/,
  },
  {
    name: 'running, nodes not ready',
    look: { seen: seen('running'), kubeconfig: yaml, health: probed(true, false) },
    comes: 'wait, Provisioning',
  },
  {
    name: 'running, a node never ready',
    look: {
      seen: seen('running'),
      kubeconfig: yaml,
      health: probed(true, false),
      now: start + 1_000_000,
      job: {
        steps: ['Ask the provider', 'Provision', 'Fetch credentials', 'Check health'].map((name, index) => ({
          name,
          state: index < 3 ? ('done' as const) : ('doing' as const),
          at: start,
        })),
      },
    },
    comes: 'end Succeeded, Ready',
    says: /not every node is ready/,
  },
  {
    name: 'ready',
    look: { seen: seen('running'), kubeconfig: yaml, health: probed() },
    comes: 'end Succeeded, Ready',
    says: /Ready after 10 s/,
  },
  {
    name: 'past its deadline',
    look: { seen: seen('creating'), now: start + 1_800_001 },
    comes: 'end Failed, Failed',
    says: /did not finish within 30 min/,
  },
  { name: 'past its deadline, unreachable', look: { seen: down, now: start + 1_800_001 }, comes: 'end Failed, Failed' },
  // Retry of a failed one.
  {
    name: 'retry: what failed is still there',
    look: { job: { retryOf: 'job0' }, seen: seen('error') },
    comes: 'act delete, Provisioning',
    says: /left behind/,
  },
  {
    name: 'retry: still there while it is cleared away',
    look: { job: { retryOf: 'job0', intent: clearing }, seen: seen('error') },
    comes: 'act delete, Provisioning',
  },
  {
    name: 'retry: being cleared away',
    look: { job: { retryOf: 'job0', intent: clearing }, seen: seen('deleting') },
    comes: 'wait, Provisioning',
  },
  {
    name: 'retry: cleared away',
    look: { job: { retryOf: 'job0', intent: clearing } },
    comes: 'act create, Provisioning',
  },
  {
    name: 'retry: an earlier removal still runs',
    look: { job: { retryOf: 'job0' }, seen: seen('deleting'), cluster: { phase: 'Failed' } },
    comes: 'wait, Provisioning',
  },
  {
    name: 'retry: fails again',
    look: { job: { retryOf: 'job0', intent: asked(true) }, seen: seen('error') },
    comes: 'end Failed, Failed',
  },
  {
    name: 'retry: it came up after all',
    look: {
      job: { retryOf: 'job0' },
      cluster: { phase: 'Failed' },
      seen: seen('running'),
      kubeconfig: yaml,
      health: probed(),
    },
    comes: 'end Succeeded, Ready',
  },
  // Cancelled at each point.
  {
    name: 'cancelled before anything',
    look: { job: { cancel } },
    comes: 'end Cancelled, gone',
    says: /nothing is left/,
  },
  {
    name: 'cancelled before anything, provider down',
    look: { job: { cancel }, seen: down },
    comes: 'end Cancelled, gone',
  },
  {
    name: 'cancelled before anything, overdue',
    look: { job: { cancel }, seen: down, now: start + 1_800_001 },
    comes: 'end Cancelled, gone',
  },
  {
    name: 'cancelled before anything, foreign name',
    look: { job: { cancel }, seen: seen('running', { mine: false }) },
    comes: 'end Cancelled, gone',
  },
  {
    name: 'cancelled retry, provider down',
    look: { job: { cancel, retryOf: 'job0' }, seen: down },
    comes: 'wait, Requested',
  },
  {
    name: 'cancelled while the answer is out',
    look: { job: { cancel, intent: asked(false) } },
    comes: 'wait, Requested',
    says: /did not reach/,
  },
  {
    name: 'cancelled, the answer never came',
    look: { job: { cancel, intent: asked(false, start + 10_000 - settleMs) } },
    comes: 'end Cancelled, gone',
  },
  {
    name: 'cancelled, provider down after asking',
    look: { job: { cancel, intent: asked(false) }, seen: down },
    comes: 'wait, Requested',
  },
  {
    name: 'cancelled while it is made',
    look: { job: { cancel, intent: asked(true) }, seen: seen('creating') },
    comes: 'act delete, Deleting',
  },
  {
    name: 'cancelled when it runs',
    look: { job: { cancel, intent: asked(true) }, seen: seen('running') },
    comes: 'act delete, Deleting',
  },
  {
    name: 'cancelled when it failed',
    look: { job: { cancel, intent: asked(true) }, seen: seen('error') },
    comes: 'act delete, Deleting',
  },
  {
    name: 'cancelled, being removed',
    look: { job: { cancel, intent: clearing }, seen: seen('deleting') },
    comes: 'wait, Deleting',
  },
  { name: 'cancelled, removed', look: { job: { cancel, intent: clearing } }, comes: 'end Cancelled, gone' },
];

describe('what a tick of a creation decides', () => {
  it.each(rows)('$name → $comes', ({ look, comes, says }) => {
    const decision = createCluster.decide(lookOf(look));
    expect(short(decision)).toBe(comes);
    if (says) expect(decision.job.note).toMatch(says);
    if (decision.do === 'end') {
      expect(decision.job.dueAt).toBeUndefined();
      expect(decision.job.endedAt).toBe(look.now ?? start + 10_000);
      expect(decision.cluster?.openJob).toBeUndefined();
    } else {
      expect(decision.cluster.openJob).toBe('job1');
    }
    if (decision.do === 'wait') expect(decision.ms).toBeGreaterThanOrEqual(700);
    if (decision.job.state === 'Failed') {
      expect(decision.job.failure?.message).toBe(decision.job.note);
      expect(decision.cluster?.failure?.message).toBe(decision.job.note);
    }
  });

  it('saves an unanswered intent with the act', () => {
    expect(createCluster.decide(lookOf({})).job.intent).toEqual({ act: 'create', at: start + 10_000, answered: false });
  });

  it('hands over credentials and health at the end, and forgets an earlier failure', () => {
    const failure = { message: 'once', at: start };
    const health = probed();
    const decision = createCluster.decide(
      lookOf({
        cluster: { failure },
        seen: seen('running', { endpoint: 'https://c', version: '1.34.1', nodes: 3 }),
        kubeconfig: yaml,
        health,
      }),
    );
    expect(decision).toMatchObject({
      kubeconfig: yaml,
      health,
      cluster: { kubeconfig: true, endpoint: 'https://c', version: '1.34.1', nodes: 3, readyAt: start + 10_000 },
    });
    expect(decision.cluster?.failure).toBeUndefined();
    expect(decision.job).toMatchObject({ percent: 100 });
    expect(decision.job.steps.map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done']);
  });

  it('takes a cluster that is there for the answer, so that one removed by hand is not made a second time', () => {
    const found = createCluster.decide(lookOf({ job: { intent: asked(false) }, seen: seen('creating') }));
    expect(found.job.intent?.answered).toBe(true);
    const gone = createCluster.decide(lookOf({ job: { intent: found.job.intent }, now: start + 200_000 }));
    expect(short(gone)).toBe('end Failed, Failed');
  });

  it('makes it anew after a removal that was found under way, instead of waiting for it', () => {
    const removing = createCluster.decide(lookOf({ job: { retryOf: 'job0' }, seen: seen('deleting') }));
    expect(short(createCluster.decide(lookOf({ job: removing.job })))).toBe('act create, Provisioning');
  });

  it('never shows more than 95 % before the provider is done', () => {
    const { job } = createCluster.decide(lookOf({ seen: seen('creating', { percent: 100 }) }));
    expect(job.percent).toBe(95);
  });

  it('waits longer with each try, up to half a minute, and as long as it was asked to', () => {
    const waits = [0, 1, 2, 5, 20].map((attempt) => {
      const decision = createCluster.decide(lookOf({ job: { attempt }, seen: down }));
      return decision.do === 'wait' ? decision.ms : 0;
    });
    expect(waits).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]);
    const limited = new Fault('rate-limited', 'Slow down.', { retryAfterMs: 42_000 });
    expect(createCluster.decide(lookOf({ seen: limited }))).toMatchObject({ do: 'wait', ms: 42_000 });
    const credentials = createCluster.decide(lookOf({ job: { attempt: 3 }, seen: seen('running'), kubeconfig: down }));
    expect(credentials).toMatchObject({ do: 'wait', ms: 8_000, job: { attempt: 4 } });
  });

  it('asks for health only where it will be used', () => {
    const wants = (look: Parameters<typeof lookOf>[0]) => createCluster.wantsHealth(lookOf(look));
    expect(wants({ seen: seen('running') })).toBe(true);
    expect(wants({ seen: seen('running', { mine: false }) })).toBe(false);
    expect(wants({ seen: seen('creating') })).toBe(false);
    expect(wants({ seen: down })).toBe(false);
    expect(wants({ seen: seen('running'), job: { cancel } })).toBe(false);
  });
});

describe('what the answer to an act of a creation decides', () => {
  const look = lookOf({ job: { intent: asked(false, start + 9_000) }, cluster: { phase: 'Provisioning' } });
  const answers: {
    name: string;
    act: 'create' | 'delete';
    answer: { id: string } | null | Fault;
    comes: string;
    answered: boolean;
  }[] = [
    { name: 'accepted', act: 'create', answer: { id: 'op1' }, comes: 'wait, Provisioning', answered: true },
    {
      name: 'quota',
      act: 'create',
      answer: new Fault('quota', 'No room.'),
      comes: 'end Failed, Failed',
      answered: false,
    },
    {
      name: 'bad input',
      act: 'create',
      answer: new Fault('bad-input', 'No such size.'),
      comes: 'end Failed, Failed',
      answered: false,
    },
    {
      name: 'conflict',
      act: 'create',
      answer: new Fault('conflict', 'Name taken.'),
      comes: 'end Failed, Failed',
      answered: false,
    },
    {
      name: 'no answer',
      act: 'create',
      answer: new Fault('unreachable', 'Lost.', { outcomeUnknown: true }),
      comes: 'wait, Provisioning',
      answered: false,
    },
    {
      name: 'doubt',
      act: 'create',
      answer: new Fault('bad-input', 'Cut.', { outcomeUnknown: true }),
      comes: 'wait, Provisioning',
      answered: false,
    },
    {
      name: 'capacity',
      act: 'create',
      answer: new Fault('capacity', 'Full.'),
      comes: 'wait, Provisioning',
      answered: false,
    },
    { name: 'clearing accepted', act: 'delete', answer: { id: 'op2' }, comes: 'wait, Provisioning', answered: true },
    { name: 'clearing needless', act: 'delete', answer: null, comes: 'wait, Provisioning', answered: true },
    {
      name: 'clearing while it is busy',
      act: 'delete',
      answer: new Fault('conflict', 'Busy.'),
      comes: 'wait, Provisioning',
      answered: false,
    },
    { name: 'clearing forbidden', act: 'delete', answer: refused, comes: 'end Failed, Failed', answered: false },
  ];
  it.each(answers)('$act, $name → $comes', ({ act, answer, comes, answered }) => {
    const decision = createCluster.acted(look, act, answer);
    expect(short(decision)).toBe(comes);
    expect(decision.job.intent?.answered).toBe(answered);
    if (answer && !(answer instanceof Fault)) expect(decision.job.operation).toBe(answer.id);
  });
});
