import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../src/core/records.ts';
import { sampleJob } from '../jobs/samples.ts';
import { sampleCluster } from '../store/parts.ts';
import { channel, clusterChanges, openStage, org, people, type Stage, words } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

async function clusters(...names: string[]): Promise<void> {
  for (const name of names) await stage.put(...clusterChanges(sampleCluster(name, { name, owner: people.dev.id })));
}

const thread = '1700000000.000100';
const inThread = { place: { ...channel, thread } };

/** A live message about a cluster's job, with a thread under it. */
async function liveMessage(cluster: string): Promise<void> {
  const job = sampleJob({ id: 'k1', cluster, clusterName: cluster, state: 'Succeeded', place: channel });
  const message: Message = {
    ...{ v: 1, id: 'job.k1', org, about: { kind: 'job', id: 'k1' }, place: channel, key: 'x', edits: 0 },
    ...{ closed: true, pinged: true, attempts: 0, createdAt: 1 },
    ref: { conversation: channel.conversation, id: thread },
  };
  await stage.put(
    { op: 'put', ref: { kind: 'job', org, id: 'k1' }, record: job },
    { op: 'put', ref: { kind: 'message', org, id: 'job.k1' }, record: message },
  );
}

describe('a cluster that is not named', () => {
  test('is the one its thread is about, for looking and for changing', async () => {
    await clusters('dev-1', 'dev-2');
    await liveMessage('dev-2');
    expect((await stage.say('dev', 'cluster show', inThread)).card?.title).toMatch(/^Cluster dev-2/);
    expect((await stage.say('dev', 'cluster show this', inThread)).card?.title).toMatch(/^Cluster dev-2/);
    expect((await stage.say('dev', 'cluster delete', inThread)).form?.title).toMatch(/dev-2/);
    expect((await stage.say('dev', 'cluster show dev-1', inThread)).card?.title).toMatch(/^Cluster dev-1/);
  });

  test('is chosen from a list when nothing tells, the own ones first', async () => {
    await clusters('dev-1', 'dev-2');
    await stage.put(...clusterChanges(sampleCluster('m', { name: 'mels', owner: people.mel.id, ownerName: 'Mel' })));
    const { form } = await stage.say('dev', 'cluster show');
    const asked = form?.fields.find(({ key }) => key === 'cluster');
    expect(asked?.kind).toBe('choice');
    expect(asked?.choices?.map(({ value }) => value).sort()).toEqual(['dev-1', 'dev-2', 'mels']);
    expect(asked?.choices?.at(-1)?.value).toBe('mels');
    const answer = await stage.fill('dev', { audience: 'caller', ...(form ? { form } : {}) }, { cluster: 'dev-2' });
    expect(answer.card?.title).toMatch(/^Cluster dev-2/);
  });

  test('is the only one there is for a look, and never for a change', async () => {
    await clusters('dev-1');
    expect((await stage.say('dev', 'cluster show')).card?.title).toMatch(/^Cluster dev-1/);
    const change = await stage.say('dev', 'cluster delete');
    expect(change.form?.fields.map(({ key }) => key)).toContain('cluster');
    expect(await stage.cluster('dev-1')).toBeDefined();
  });

  test('is the default of the channel for a look, never for a change, until it is taken away', async () => {
    await clusters('dev-1', 'dev-2');
    expect(words(await stage.say('dev', 'channel default dev-2'))).toMatch(/means dev-2/);
    expect((await stage.say('mel', 'cluster show')).card?.title).toMatch(/^Cluster dev-2/);
    expect((await stage.say('mel', 'cluster show', inThread)).card?.title).toMatch(/^Cluster dev-2/);
    expect((await stage.say('mel', 'cluster show', { place: { ...channel, conversation: 'C2' } })).form).toBeDefined();
    expect((await stage.say('dev', 'cluster delete')).form?.title).not.toMatch(/dev-2/);
    expect(words(await stage.say('dev', 'channel'))).toMatch(/dev-2/);
    await stage.say('dev', 'channel default none');
    expect((await stage.say('mel', 'cluster show')).form).toBeDefined();
    expect(words(await stage.say('dev', 'channel default none'))).toMatch(/No cluster is set/);
    expect(words(await stage.say('dev', 'channel default nope'))).toMatch(/no cluster named nope/);
  });

  test('"this" outside of such a thread means nothing, and says so', async () => {
    await clusters('dev-1', 'dev-2');
    expect(words(await stage.say('dev', 'cluster show this'))).toMatch(/nothing here that .*this.* could mean/);
    expect(words(await stage.say('dev', 'cluster delete this'))).toMatch(/nothing here that .*this.* could mean/);
  });
});

test('a cluster has an address of its own where KQueen has one', async () => {
  await stage.close();
  stage = await openStage({ parts: { publicUrl: 'https://kqueen.example/' } });
  await clusters('dev-1');
  expect(words(await stage.say('dev', 'cluster show dev-1'))).toContain('https://kqueen.example/c/dev-1');
});
