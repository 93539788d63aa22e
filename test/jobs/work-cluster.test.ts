import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { Look } from '../../src/core/jobs/kind.ts';
import { workCluster } from '../../src/core/jobs/work-cluster.ts';
import type { WorkStep } from '../../src/core/ports/work.ts';
import type { Job } from '../../src/core/records.ts';
import { heldCluster, sampleJob, start } from './samples.ts';

const work: NonNullable<Job['work']> = {
  ...{ op: 'app.restart', title: 'Restart web in', steps: ['Ask', 'Wait'], input: {}, bulk: false, progress: { a: 1 } },
};

/** A tick of a job that works in a cluster. */
function lookAt(change: Partial<Job> = {}, more: Partial<Look> = {}): Look {
  return {
    job: sampleJob({ kind: 'cluster.work', work, state: 'Running', startedAt: start, ...change }),
    cluster: heldCluster({ phase: 'Ready' }),
    seen: new Fault('internal', 'not asked'),
    kubeconfig: 'yaml',
    now: start + 60_000,
    jitter: 0.5,
    ...more,
  };
}

function step(outcome: WorkStep | Fault, change: Partial<Job> = {}) {
  if (!workCluster.stepped) throw new Error('it has no steps');
  return workCluster.stepped(lookAt(change), outcome);
}

const waiting: WorkStep = { state: 'wait', ms: 3_000, progress: { a: 2 }, at: 1, percent: 40, note: '2 of 5 are new.' };

describe('work in a cluster', () => {
  it('asks for the credentials, and for the provider only while that has something to do', () => {
    expect(workCluster.watches?.(lookAt().job)).toEqual({ provider: false, credentials: true });
    const asking = lookAt({ work: { ...work, provider: { nodes: 4 } } });
    expect(workCluster.watches?.(asking.job)).toEqual({ provider: true, credentials: false });
  });

  it('saves its intent, then does one step', () => {
    expect(workCluster.decide(lookAt())).toMatchObject({
      do: 'act',
      act: 'work',
      job: { intent: { act: 'work', answered: false } },
    });
  });

  it('keeps what a step leaves, shows it, and comes back when the step says', () => {
    expect(step(waiting)).toMatchObject({
      do: 'wait',
      ms: 3_000,
      job: {
        ...{ note: '2 of 5 are new.', percent: 40, attempt: 0, work: { progress: { a: 2 } } },
        steps: [
          { name: 'Ask', state: 'done' },
          { name: 'Wait', state: 'doing' },
        ],
      },
    });
    expect(step({ ...waiting, state: 'again' })).toMatchObject({ do: 'wait', ms: 50 });
    expect(step({ ...waiting, ms: 3_600_000 })).toMatchObject({ do: 'wait', ms: 60_000 });
  });

  it('ends with the result, and the cluster is free and as it was', () => {
    const done = step({ ...waiting, state: 'done', note: 'All are new.', result: [{ label: 'Pods', value: '5' }] });
    expect(done).toMatchObject({
      do: 'end',
      job: { state: 'Succeeded', note: expect.stringMatching(/^All are new\. It took 1 min/), percent: 100 },
      cluster: { phase: 'Ready' },
    });
    expect(done.job.work?.result).toEqual([{ label: 'Pods', value: '5' }]);
    expect(done.cluster?.openJob).toBeUndefined();
  });

  it('tries again what passes, lost answers among it, and gives up what does not', () => {
    expect(step(new Fault('unreachable', 'No answer.'), { attempt: 2 })).toMatchObject({
      do: 'wait',
      job: { attempt: 3, work: { progress: { a: 1 } } },
    });
    expect(step(new Fault('internal', 'Lost.', { retryable: false, outcomeUnknown: true }))).toMatchObject({
      do: 'wait',
    });
    const end = step(new Fault('bad-input', 'The field replica is not known.'));
    expect(end).toMatchObject({ do: 'end', job: { state: 'Failed' }, cluster: { phase: 'Ready' } });
    const steps = ['Keep it', 'Apply it', 'Wait'].map((name, at) => ({
      name,
      state: at < 2 ? ('done' as const) : ('doing' as const),
    }));
    expect(step(new Fault('not-allowed', 'No right to that'), { steps })).toMatchObject({
      job: { failure: { message: 'No right to that. Done before it, and kept: Keep it and Apply it.' } },
    });
    // The cluster itself is well: its card must not say that it failed.
    expect(end.cluster?.failure).toBeUndefined();
  });

  it('lets the provider do its part before it goes on', () => {
    const asked = step({ ...waiting, provider: { nodes: 4 } });
    expect(asked.job).toMatchObject({ update: { nodes: 4 }, work: { provider: { nodes: 4 }, progress: { a: 2 } } });
    const inside = (seen: Look['seen'], change: Partial<Job> = {}) =>
      workCluster.decide(lookAt({ ...asked.job, ...change }, { seen }));
    expect(inside({ state: 'running', mine: true })).toMatchObject({ do: 'act', act: 'update' });
    const busy = inside({ state: 'updating', mine: true, step: 'Adding a node' });
    expect(busy).toMatchObject({ do: 'wait', job: { note: 'Adding a node' } });
    expect(
      inside({ state: 'running', mine: true, outcome: 'failed', message: 'No quota.' }, { operation: 'o' }),
    ).toMatchObject({
      do: 'end',
      job: { state: 'Failed', failure: { message: 'No quota.' } },
    });
    expect(inside({ state: 'absent', mine: true })).toMatchObject({ do: 'end', job: { state: 'Failed' } });
    const look = lookAt(asked.job);
    expect(workCluster.acted(look, 'update', { id: 'op-1' })).toMatchObject({ do: 'wait', job: { operation: 'op-1' } });
    const over = workCluster.acted(look, 'update', null);
    expect(over).toMatchObject({ do: 'wait', job: { work: { progress: { a: 2 } } } });
    expect(over.job.work?.provider).toBeUndefined();
    expect(over.job.update).toBeUndefined();
  });

  it('stops between two steps when it is cancelled, and says what that means', () => {
    const cancel = { by: 'x', byName: 'Ada', at: start };
    expect(workCluster.decide(lookAt({ cancel }))).toMatchObject({
      do: 'end',
      job: { state: 'Cancelled', note: 'Cancelled by Ada before anything was changed.' },
    });
    const begun = { act: 'work' as const, at: start, answered: false };
    expect(workCluster.decide(lookAt({ cancel, intent: begun }))).toMatchObject({
      job: { note: 'Cancelled by Ada between two steps; what was done until then stays.' },
    });
  });

  it('waits for a way in, and says when there is none or its time is over', () => {
    expect(workCluster.decide(lookAt({}, { kubeconfig: new Fault('unreachable', 'No.') }))).toMatchObject({
      do: 'wait',
    });
    expect(workCluster.decide(lookAt({}, { kubeconfig: new Fault('not-found', 'None.') }))).toMatchObject({
      do: 'end',
      job: { state: 'Failed' },
    });
    const late = workCluster.decide(lookAt({ deadlineAt: start + 1, note: '3 of 5 are new.' }));
    expect(late).toMatchObject({
      do: 'end',
      job: { state: 'Failed', failure: { message: expect.stringContaining('3 of 5 are new.') } },
    });
  });
});
