import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { adoptCluster } from '../../src/core/jobs/adopt-cluster.ts';
import { detachCluster } from '../../src/core/jobs/detach-cluster.ts';
import type { Decision } from '../../src/core/jobs/kind.ts';
import type { Act, Job } from '../../src/core/records.ts';
import { lookOf, probed, seen, start } from './samples.ts';

type Change = Parameters<typeof lookOf>[0];

const down = new Fault('unreachable', 'The provider does not answer.');
const refused = new Fault('not-allowed', 'The credentials are not valid any more.');
const cancel = { by: 'terminal:dev', byName: 'Dev', at: start };
const asked = (act: Act, answered: boolean): NonNullable<Job['intent']> => ({ act, at: start + 5_000, answered });
const theirs = seen('running', { mine: false });
const yaml = 'kubeconfig: yaml';

const adopting = (change: Change = {}) =>
  lookOf({ seen: theirs, ...change, job: { kind: 'cluster.adopt', ...change.job } });
const detaching = (change: Change = {}) =>
  lookOf({
    seen: seen('running'),
    ...change,
    job: { kind: 'cluster.detach', ...change.job },
    cluster: { phase: 'Ready', ...change.cluster },
  });

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

describe('taking a cluster over', () => {
  const rows: Row[] = [
    { name: 'not marked yet', look: {}, comes: 'act adopt, Provisioning' },
    { name: 'the answer was lost', look: { job: { intent: asked('adopt', false) } }, comes: 'act adopt, Provisioning' },
    {
      name: 'being marked',
      look: { job: { intent: asked('adopt', true), operation: 'op' }, seen: { ...theirs, outcome: 'running' } },
      comes: 'wait, Provisioning',
    },
    {
      name: 'marking failed',
      look: {
        job: { intent: asked('adopt', true), operation: 'op' },
        seen: { ...theirs, outcome: 'failed', message: 'No.' },
      },
      comes: 'end Failed, gone',
      says: /^No\.$/,
    },
    {
      name: 'marked, no credentials yet',
      look: { seen: seen('running'), kubeconfig: down },
      comes: 'wait, Provisioning',
    },
    {
      name: 'marked, and it works',
      look: { seen: seen('running'), kubeconfig: yaml, health: probed() },
      comes: 'end Succeeded, Ready',
      says: /^Taken over after 10 s\.$/,
    },
    {
      name: 'marked, and its API does not answer yet',
      look: { seen: seen('running'), kubeconfig: yaml, health: probed(false) },
      comes: 'wait, Provisioning',
    },
    {
      name: 'marked and stopped',
      look: { seen: seen('stopped') },
      comes: 'end Succeeded, Ready',
      says: /it is stopped/,
    },
    { name: 'marked and busy', look: { seen: seen('updating', { step: 'Patching' }) }, comes: 'wait, Provisioning' },
    { name: 'gone meanwhile', look: { seen: seen('absent') }, comes: 'end Failed, gone', says: /no cluster dev-1-abc/ },
    { name: 'the provider is unreachable', look: { seen: down }, comes: 'wait, Requested' },
    { name: 'the provider refuses us at once', look: { seen: refused }, comes: 'end Failed, gone' },
    {
      name: 'the provider refuses us after it may have been marked',
      look: { seen: refused, job: { intent: asked('adopt', false) } },
      comes: 'end Failed, Failed',
    },
    {
      name: 'past its deadline, marked',
      look: { seen: seen('running'), job: { intent: asked('adopt', true) }, now: start + 1_800_001 },
      comes: 'end Failed, Failed',
    },
    { name: 'cancelled before it was marked', look: { job: { cancel } }, comes: 'end Cancelled, gone' },
  ];
  it.each(rows)('$name', ({ look, comes, says }) => {
    const decision = adoptCluster.decide(adopting(look));
    expect(short(decision)).toBe(comes);
    if (says) expect(decision.job.note).toMatch(says);
  });

  it('hands over what is closed to KQueen, and says so', () => {
    const marked = { seen: seen('running'), kubeconfig: yaml, health: probed(false) };
    const waiting = adoptCluster.decide(adopting(marked));
    const later = adoptCluster.decide(adopting({ ...marked, job: waiting.job, now: start + 75_000 }));
    expect(short(later)).toBe('end Succeeded, Ready');
    expect(later.job.note).toMatch(/its API does not answer KQueen/);
  });

  it.each<[string, Fault | null, string]>([
    ['done', null, 'wait, Requested'],
    ["another's mark", new Fault('conflict', 'It is marked as another.'), 'end Failed, gone'],
    ['busy', new Fault('conflict', 'Busy.', { retryable: true }), 'wait, Requested'],
    ['no answer', new Fault('unreachable', 'Lost.', { outcomeUnknown: true }), 'wait, Requested'],
  ])('the answer: %s', (_name, answer, comes) => {
    const look = adopting({ job: { intent: asked('adopt', false) } });
    // What the engine refuses outright has not been done.
    const outcome = adoptCluster.acted(look, 'adopt', answer);
    expect(short(outcome)).toBe(comes);
  });
});

describe('letting a cluster go', () => {
  const rows: Row[] = [
    { name: 'marked', look: {}, comes: 'act release, Ready' },
    { name: 'not marked any more', look: { seen: theirs }, comes: 'end Succeeded, gone' },
    { name: 'gone at the provider', look: { seen: seen('absent') }, comes: 'end Succeeded, gone' },
    {
      name: 'the mark is being taken away',
      look: { job: { intent: asked('release', true), operation: 'op' }, seen: seen('running', { outcome: 'running' }) },
      comes: 'wait, Ready',
    },
    {
      name: 'the mark could not be taken away',
      look: { job: { intent: asked('release', true), operation: 'op' }, seen: seen('running', { outcome: 'failed' }) },
      comes: 'end Failed, Ready',
    },
    { name: 'the provider is unreachable', look: { seen: down }, comes: 'wait, Ready' },
    { name: 'the provider refuses us', look: { seen: refused }, comes: 'end Failed, Ready' },
    {
      name: 'one that had failed stays so',
      look: { seen: refused, cluster: { phase: 'Failed' } },
      comes: 'end Failed, Failed',
    },
    { name: 'past its deadline', look: { now: start + 1_800_001 }, comes: 'end Failed, Ready' },
    { name: 'cancelled before anything', look: { job: { cancel } }, comes: 'end Cancelled, Ready' },
  ];
  it.each(rows)('$name', ({ look, comes, says }) => {
    const decision = detachCluster.decide(detaching(look));
    expect(short(decision)).toBe(comes);
    if (says) expect(decision.job.note).toMatch(says);
    if (decision.do === 'end' && decision.cluster) expect(decision.cluster).not.toHaveProperty('openJob');
  });

  it.each<[string, { id: string } | Fault | null, string]>([
    ['done', null, 'end Succeeded, gone'],
    ['begun', { id: 'op' }, 'wait, Ready'],
    ['not allowed', refused, 'end Failed, Ready'],
    ['no answer', new Fault('unreachable', 'Lost.', { outcomeUnknown: true }), 'wait, Ready'],
  ])('the answer: %s', (_name, answer, comes) => {
    const look = detaching({ job: { intent: asked('release', false) } });
    expect(short(detachCluster.acted(look, 'release', answer))).toBe(comes);
  });
});
