/** Threads and mentions: the cluster of a live message is `this` in its thread, answers go there, and what is said to others stays theirs. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message as LiveMessage, Place } from '../../src/core/records.ts';
import { channel, tenantId } from '../bot/teams/stage.ts';
import { clusterChanges, org } from '../core/stage.ts';
import { activityFrom, deliver, say } from '../counterparts/teams/person.ts';
import { sampleJob } from '../jobs/samples.ts';
import { sampleCluster } from '../store/parts.ts';
import { type Chats, cardWords, openChats } from './stage.ts';

let chats: Chats;
beforeEach(async () => {
  chats = await openChats();
  for (const name of ['dev-1', 'dev-2']) await chats.stage.put(...clusterChanges(sampleCluster(name, { name })));
});
afterEach(() => chats.close());

/** Writes down that a message tells of a job on dev-2. */
async function record(place: Place, id: string, thread?: string): Promise<void> {
  const ref = { conversation: place.conversation, id, ...(thread === undefined ? {} : { thread }) };
  const message: LiveMessage = {
    ...{ v: 1, id: 'job.k1', org, about: { kind: 'job', id: 'k1' }, place, key: 'x', edits: 0 },
    ...{ closed: true, pinged: true, attempts: 0, createdAt: 1, ref },
  };
  const job = sampleJob({ id: 'k1', cluster: 'dev-2', clusterName: 'dev-2', state: 'Succeeded', place });
  await chats.stage.put(
    { op: 'put', ref: { kind: 'job', org, id: 'k1' }, record: job },
    { op: 'put', ref: { kind: 'message', org, id: 'job.k1' }, record: message },
  );
}

describe('in Slack', () => {
  const place: Place = { chat: 'slack', workspace: 'T1', conversation: 'C1' };

  async function live(): Promise<string> {
    const card = { title: 'Job', tone: 'busy' as const, text: 'It runs.', parts: [], buttons: [] };
    const { id } = await chats.slack.adapter.port.post(place, card, 'key');
    await record(place, id);
    return id;
  }

  test('a mention in the thread of a live message means its cluster, and is answered in the thread', async () => {
    const { slack } = chats.slack;
    const thread = await live();
    await slack.user('U1').mention('C1', 'cluster show', { thread });
    const answer = await slack.sees('C1', /Cluster dev-2/, { userId: 'U1' });
    expect(answer.threadTs).toBe(thread);
    await slack.user('U1').mention('C1', 'channel default dev-1', { thread });
    const said = await slack.sees('C1', /means dev-1/);
    expect(said.threadTs).toBe(thread);
    expect(slack.violations).toEqual([]);
  });

  test('elsewhere it means nothing that could be changed', async () => {
    const { slack } = chats.slack;
    await live();
    await slack.user('U1').mention('C1', 'cluster show this');
    const answer = await slack.sees('C1', /nothing here that "this" could mean/, { userId: 'U1' });
    expect(answer.threadTs).toBeUndefined();
  });

  test('a bare mention is answered with the home, in its thread where it is in one', async () => {
    const { slack } = chats.slack;
    await slack.user('U1').mention('C1', '');
    expect((await slack.sees('C1', /Home of ada/, { userId: 'U1' })).threadTs).toBeUndefined();
    const thread = await live();
    await slack.user('U2').mention('C1', '', { thread });
    expect((await slack.sees('C1', /Home of grace/, { userId: 'U2' })).threadTs).toBe(thread);
  });

  test('a direct message needs no prefix, and is answered in its thread', async () => {
    const { slack } = chats.slack;
    const { dm } = slack.user('U1');
    await slack.user('U1').direct('clusters');
    const answer = await slack.sees(dm, /2 clusters/);
    await slack.user('U1').direct('cluster show dev-1', { thread: answer.ts });
    expect((await slack.sees(dm, /Cluster dev-1/)).threadTs).toBe(answer.ts);
  });

  // D12: a peer answered every message in every channel it could read.
  test('D12 what people say to one another in a channel or a thread is not answered', async () => {
    const { slack, heard } = chats.slack;
    const thread = await live();
    const before = slack.everything('C1').length;
    await slack.user('U1').say('C1', 'clusters');
    await slack.user('U1').say('C1', 'cluster show this', { thread });
    await slack.user('U1').say('C1', 'kqueen is slow today');
    await slack.user('U1').direct('version');
    await slack.until(() => heard.some(({ text }) => text === 'version'));
    expect(heard).toHaveLength(1);
    expect(slack.everything('C1')).toHaveLength(before + 3);
    expect(slack.everything('C1').filter(({ byApp }) => byApp)).toHaveLength(1);
  });
});

describe('in Teams', () => {
  const root = '1699999999999';
  const place: Place = { chat: 'teams', workspace: tenantId, conversation: channel };
  const newest = () => chats.teams.service.messages.at(-1);

  test('a reply below a live message means its cluster, and is answered there', async () => {
    await record(place, root);
    await say(chats.teams.inChannel(), 'cluster show this');
    expect(cardWords(newest()?.activity.attachments)).toMatch(/Cluster dev-2/);
    expect(newest()?.thread).toBe(root);
  });

  test('a reply in a thread in which a live message stands means its cluster', async () => {
    await record({ ...place, thread: root }, '1700000000001', root);
    await say(chats.teams.inChannel(), 'cluster show');
    expect(cardWords(newest()?.activity.attachments)).toMatch(/Cluster dev-2/);
  });

  test('a bare mention is answered with the home, in its thread', async () => {
    await say(chats.teams.inChannel(), '');
    expect(cardWords(newest()?.activity.attachments)).toMatch(/Home of Ada/);
    expect(newest()?.thread).toBe(root);
  });

  test('D12 what does not mention KQueen is not answered, however much of it the app may hear', async () => {
    const seat = chats.teams.inChannel();
    const before = chats.teams.service.messages.length;
    const other = { type: 'mention', text: '<at>Bob</at>', mentioned: { id: '29:bob', name: 'Bob' } };
    for (const more of [
      { text: 'clusters' },
      { text: '<at>Bob</at> cluster show dev-1', entities: [other] },
      { text: '', attachments: [{ contentType: 'image/png' }] },
    ]) {
      expect((await deliver(seat, activityFrom(seat, more))).status).toBe(200);
    }
    expect(chats.teams.service.messages).toHaveLength(before);
    await say(seat, 'version');
    expect(cardWords(newest()?.activity.attachments)).toMatch(/KQueen/);
  });
});
