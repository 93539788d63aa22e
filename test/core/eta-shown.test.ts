import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Job } from '../../src/core/records.ts';
import { sampleJob } from '../jobs/samples.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, org, people, type Stage } from './stage.ts';

const minute = 60_000;
let stage: Stage;

async function put(change: Partial<Job> & { id: string }): Promise<void> {
  const job = sampleJob({ cluster: 'c1', clusterName: 'dev-1', kind: 'cluster.scale', nodes: 3, ...change });
  await stage.put({ op: 'put', ref: { kind: 'job', org, id: job.id }, record: job });
}

beforeEach(async () => {
  stage = await openStage({});
  await stage.put(
    ...clusterChanges(sampleCluster('c1', { name: 'dev-1', owner: people.dev.id, openJob: 'now1', phase: 'Updating' })),
  );
  for (const [index, took] of [8, 10, 12].entries())
    await put({ id: `past${index}`, state: 'Succeeded', requestedAt: 1, startedAt: 1, endedAt: 1 + took * minute });
});
afterEach(() => stage.close());

test('a running job says how long it will still take, wherever it is looked at', async () => {
  const startedAt = Date.now() - 4 * minute;
  await put({ id: 'now1', state: 'Running', startedAt, requestedAt: startedAt, percent: 40 });
  for (const line of ['job show now1', 'about #now1', 'home']) {
    const said = JSON.stringify((await stage.say('dev', line)).card);
    expect(said, line).toMatch(/4 min( \d s)? so far[,;] about 6 min left, usually 8 min to 12 min/);
  }
});

test('a job that waits for a worker says how long it usually takes', async () => {
  await put({ id: 'now1', state: 'Queued', requestedAt: Date.now() });
  for (const line of ['job show now1', 'about #now1', 'home']) {
    const said = JSON.stringify((await stage.say('dev', line)).card);
    expect(said, line).toMatch(/usually takes 8 min to 12 min/);
  }
});

test('an ended job says nothing of it', async () => {
  expect(JSON.stringify((await stage.say('dev', 'job show past0')).card)).not.toMatch(/usually/);
});
