import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { deleteCluster } from '../../src/core/jobs/delete-cluster.ts';
import { type Decision, settleMs } from '../../src/core/jobs/kind.ts';
import { lookOf, seen, start } from './samples.ts';

const down = new Fault('unreachable', 'The provider does not answer.');
const refused = new Fault('not-allowed', 'The credentials are not valid any more.');
const job = { kind: 'cluster.delete' as const };

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
  { name: 'running', look: { job, seen: seen('running'), cluster: { phase: 'Ready' } }, comes: 'act delete, Deleting' },
  { name: 'half made', look: { job, seen: seen('creating') }, comes: 'act delete, Deleting' },
  { name: 'failed', look: { job, seen: seen('error') }, comes: 'act delete, Deleting' },
  { name: 'in a state never heard of', look: { job, seen: seen('unknown') }, comes: 'act delete, Deleting' },
  {
    name: 'being removed',
    look: { job, seen: seen('deleting', { percent: 30, step: 'Removing nodes' }) },
    comes: 'wait, Deleting',
    says: /Removing nodes/,
  },
  { name: 'gone', look: { job }, comes: 'end Succeeded, gone', says: /Gone at the provider after 10 s/ },
  {
    name: 'what has its name is not ours',
    look: { job, seen: seen('running', { mine: false }) },
    comes: 'end Succeeded, gone',
  },
  { name: 'provider down', look: { job, seen: down }, comes: 'wait, Requested', says: /Trying again/ },
  { name: 'provider refuses', look: { job, seen: refused }, comes: 'end Failed, Failed' },
  {
    name: 'past its deadline',
    look: { job, seen: seen('deleting'), now: start + 1_800_001 },
    comes: 'end Failed, Failed',
    says: /not confirmed/,
  },
  {
    name: 'gone, but a create may still arrive',
    look: { job: { ...job, intent: { act: 'create', at: start + 5_000, answered: false } } },
    comes: 'wait, Deleting',
  },
  {
    name: 'gone, and no create can still arrive',
    look: { job: { ...job, intent: { act: 'create', at: start + 10_000 - settleMs, answered: false } } },
    comes: 'end Succeeded, gone',
  },
];

describe('what a tick of a deletion decides', () => {
  it.each(rows)('$name → $comes', ({ look, comes, says }) => {
    const decision = deleteCluster.decide(lookOf(look));
    expect(short(decision)).toBe(comes);
    if (says) expect(decision.job.note).toMatch(says);
    if (decision.do === 'end') {
      expect(decision.job.dueAt).toBeUndefined();
      expect(decision.cluster?.openJob).toBeUndefined();
    } else {
      expect(decision.cluster.openJob).toBe('job1');
    }
  });

  it('never reads an error as gone', () => {
    const kinds = [
      'unreachable',
      'internal',
      'rate-limited',
      'capacity',
      'not-allowed',
      'not-found',
      'quota',
      'conflict',
      'bad-input',
      'unsupported',
    ] as const;
    for (const kind of kinds) {
      expect(deleteCluster.decide(lookOf({ job, seen: new Fault(kind, 'x') })).cluster).not.toBeNull();
    }
  });

  it('needs no health', () => {
    expect(deleteCluster.wantsHealth(lookOf({ job, seen: seen('running') }))).toBe(false);
  });
});

describe('what the answer to a delete decides', () => {
  const look = lookOf({
    job: { ...job, intent: { act: 'delete', at: start + 9_000, answered: false } },
    cluster: { phase: 'Deleting' },
  });
  it.each([
    { name: 'accepted', answer: { id: 'op1' }, comes: 'wait, Deleting', answered: true },
    { name: 'nothing to do', answer: null, comes: 'wait, Deleting', answered: true },
    {
      name: 'no answer',
      answer: new Fault('unreachable', 'Lost.', { outcomeUnknown: true }),
      comes: 'wait, Deleting',
      answered: false,
    },
    {
      name: 'busy',
      answer: new Fault('conflict', 'Another operation runs.'),
      comes: 'wait, Deleting',
      answered: false,
    },
    { name: 'forbidden', answer: refused, comes: 'end Failed, Failed', answered: false },
  ])('$name → $comes', ({ answer, comes, answered }) => {
    const decision = deleteCluster.acted(look, 'delete', answer);
    expect(short(decision)).toBe(comes);
    expect(decision.job.intent?.answered).toBe(answered);
  });
});
