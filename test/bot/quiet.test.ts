/** Jobs that nobody asked for just now say nothing of themselves; what is worth knowing of them is told by a notice. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Notifier, startNotifier } from '../../src/bot/notifier.ts';
import type { Job } from '../../src/core/records.ts';
import { channel, clusterChanges, nextId, openStage, org, people, type Stage } from '../core/stage.ts';
import { sampleJob } from '../jobs/samples.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { type Chat, openChat } from './chat.ts';

let stage: Stage;
let chat: Chat;
let notifier: Notifier;

beforeEach(async () => {
  stage = await openStage();
  chat = openChat(realClock);
  await stage.put(...clusterChanges(sampleCluster('c1', { name: 'dev-1', place: channel, owner: people.dev.id })));
  const { store, cache } = stage.opened;
  const { engines, log } = stage.parts;
  notifier = startNotifier({
    ...{ store, cache, engines, log, org },
    clock: realClock,
    newId: nextId,
    port: chat.connect('one'),
    approvals: [],
  });
});
afterEach(async () => {
  await notifier.close();
  await stage.close();
});

async function put(change: Partial<Job>): Promise<void> {
  const now = Date.now();
  const job = sampleJob({
    place: channel,
    kind: 'cluster.work',
    requestedAt: now,
    startedAt: now,
    dueAt: now,
    ...change,
  });
  await stage.put({ op: 'put', ref: { kind: 'job', org, id: job.id }, record: job });
}

const titles = () => chat.screen.filter(({ deleted }) => !deleted).map(({ card }) => card.title);

test('a quiet job has no message, however it ends; one beside it has, and so has a notice', async () => {
  const work = { op: 'backup.create', title: 'Scheduled backup of', steps: [], input: {}, bulk: false, progress: {} };
  await put({ id: 'quiet', quiet: true, work, state: 'Running', requestedBy: 'kqueen' });
  await put({ id: 'loud', work: { ...work, title: 'Back up' }, state: 'Running', requestedBy: people.dev.id });
  await eventually('the other job shows', () => titles().some((title) => title.startsWith('Back up dev-1')));
  const failure = { kind: 'internal', message: 'no', correlation: 'x' };
  await put({ id: 'quiet', quiet: true, work, state: 'Failed', endedAt: Date.now(), failure, requestedBy: 'kqueen' });
  const notice = {
    ...{ v: 1 as const, id: 'n1', org, cluster: 'c1', place: channel, at: Date.now(), tone: 'warn' as const },
    ...{ title: 'The scheduled backup of dev-1 failed', text: 'no', buttons: [], owner: people.dev.id },
  };
  await stage.put({ op: 'put', ref: { kind: 'notice', org, id: 'n1' }, record: notice });
  await eventually('the notice shows', () => titles().includes('The scheduled backup of dev-1 failed'));
  expect(titles().filter((title) => title.startsWith('Scheduled backup of'))).toEqual([]);
});
