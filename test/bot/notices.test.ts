/** What is told once, unasked; and who hears of what a rule began. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Notifier, startNotifier } from '../../src/bot/notifier.ts';
import type { Channel, Job, Notice } from '../../src/core/records.ts';
import { channelRef } from '../../src/core/which.ts';
import { channel, clusterChanges, nextId, openStage, org, people, type Stage } from '../core/stage.ts';
import { sampleJob } from '../jobs/samples.ts';
import { eventually } from '../servers.ts';
import { realClock } from '../store/clocks.ts';
import { sampleCluster } from '../store/parts.ts';
import { type Chat, openChat } from './chat.ts';

let stage: Stage;
let chat: Chat;
let open: Notifier[] = [];

beforeEach(async () => {
  stage = await openStage();
  chat = openChat(realClock);
  await stage.put(...clusterChanges(sampleCluster('c1', { name: 'dev-1', place: channel, owner: people.dev.id })));
});
afterEach(async () => {
  for (const each of open) await each.close();
  open = [];
  await stage.close();
});

function start(who = 'one'): Notifier {
  const { store, cache } = stage.opened;
  const { engines, log } = stage.parts;
  const port = chat.connect(who);
  const made = startNotifier({ store, cache, engines, clock: realClock, newId: nextId, log, port, org, approvals: [] });
  open.push(made);
  return made;
}

const shown = () => chat.screen.filter(({ deleted }) => !deleted);

async function notice(id: string): Promise<void> {
  const record: Notice = {
    ...{ v: 1, id, org, cluster: 'c1', place: channel, at: Date.now(), tone: 'warn', owner: people.dev.id },
    ...{ title: 'dev-1: workers has as many nodes as it may have', text: 'Two pods wait.' },
    buttons: [{ label: 'Change the bounds', command: 'cluster autoscale dev-1' }],
  };
  await stage.put({ op: 'put', ref: { kind: 'notice', org, id }, record });
}

describe('a notice', () => {
  test('is posted once, whoever leads, with its buttons', async () => {
    const first = start();
    await eventually('it leads', () => first.leads());
    await notice('n1');
    await eventually('it is there', () => shown().length === 1);
    expect(shown()[0]).toMatchObject({
      place: { conversation: 'C1' },
      card: { title: 'dev-1: workers has as many nodes as it may have', buttons: [{ label: 'Change the bounds' }] },
    });
    await eventually('it is over', async () => {
      const message = await stage.opened.store.get({ kind: 'message', org, id: 'notice.n1' });
      return message?.record.closed;
    });
    open = [];
    await first.close();
    const next = start('two');
    await eventually('it leads', () => next.leads());
    await notice('n2');
    await eventually('the second is there', () => shown().length === 2);
  });

  test('is not posted where the conversation has said that it wants no such news', async () => {
    const ref = channelRef(org, channel);
    const notify = {
      clusters: '',
      events: ['jobs' as const],
      level: 'changes' as const,
      by: 'x',
      byName: 'X',
      since: 0,
    };
    const record: Channel = { v: 1, id: ref.id, org, place: channel, notify };
    await stage.put({ op: 'put', ref, record });
    const notifier = start();
    await eventually('it leads', () => notifier.leads());
    await notice('n1');
    const job: Job = sampleJob({
      id: 'j1',
      cluster: 'c1',
      clusterName: 'dev-1',
      place: channel,
      requestedAt: Date.now(),
    });
    await stage.put({ op: 'put', ref: { kind: 'job', org, id: 'j1' }, record: job });
    await eventually('the job is there', () => shown().length > 0);
    expect(shown().map(({ card }) => card.title)).not.toContain('dev-1: workers has as many nodes as it may have');
  });
});

test('the end of what a rule began pings nobody, and the owner of the cluster when it failed', async () => {
  const notifier = start();
  await eventually('it leads', () => notifier.leads());
  const put = async (id: string, state: 'Succeeded' | 'Failed') => {
    const now = Date.now();
    const job: Job = sampleJob({
      ...{ id, kind: 'cluster.scale', cluster: 'c1', clusterName: 'dev-1', place: channel, requestedBy: 'kqueen' },
      ...{ requesterName: 'KQueen', requestedAt: now, startedAt: now, endedAt: now, state, note: 'It ended.' },
    });
    const { dueAt: _due, ...ended } = job;
    await stage.put({ op: 'put', ref: { kind: 'job', org, id }, record: ended });
    await eventually(`${id} is told`, async () => {
      const message = await stage.opened.store.get({ kind: 'message', org, id: `job.${id}` });
      return message?.record.pinged;
    });
  };
  await put('good', 'Succeeded');
  expect(chat.pings).toEqual([]);
  await put('bad', 'Failed');
  await eventually('the owner hears', () => chat.pings.length === 1);
  expect(chat.pings[0]).toMatchObject({ person: people.dev.id });
});
