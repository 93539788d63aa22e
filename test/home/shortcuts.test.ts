/** Slack's shortcuts: global ones, those on a message of KQueen, and those on anybody's message. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message as LiveMessage } from '../../src/core/records.ts';
import { clusterChanges, openStage, org, type Stage } from '../core/stage.ts';
import type { View } from '../counterparts/slack/index.ts';
import { sampleJob } from '../jobs/samples.ts';
import { sampleCluster } from '../store/parts.ts';
import { openSlackOn, publicUrl, type SlackSide } from './stage.ts';

let stage: Stage;
let side: SlackSide;
beforeEach(async () => {
  stage = await openStage();
  side = await openSlackOn(stage);
});
afterEach(async () => {
  await side.close();
  await stage.close();
});

const ada = 'slack:T1:U1';

async function clusters(...names: string[]): Promise<void> {
  for (const name of names) await stage.put(...clusterChanges(sampleCluster(name, { name, owner: ada })));
}

function person(id = 'U1') {
  return side.slack.user(id);
}

/** The modal in front of the person once it reads like this. */
async function modal(pattern: RegExp, id = 'U1'): Promise<View> {
  return await side.slack.until(
    () => {
      const { view } = person(id);
      return view !== undefined && pattern.test(JSON.stringify([view.title, view.blocks])) ? view : undefined;
    },
    5_000,
    `a modal like ${pattern}`,
  );
}

/** Somebody's message in the channel, as a shortcut sees it. */
async function written(text: string, thread?: string) {
  await person('U2').say('C1', text, thread === undefined ? {} : { thread });
  const message = side.slack.messages('C1').at(-1);
  if (!message) throw new Error('nothing was written');
  return message;
}

/** A live message of KQueen's about a job, with its record. */
async function live(id: string, cluster: string): Promise<string> {
  const place = { chat: 'slack', workspace: 'T1', conversation: 'C1' } as const;
  const ref = await side.adapter.port.post(
    place,
    { title: `Job on ${cluster}`, tone: 'busy', text: 'It runs.', parts: [], buttons: [] },
    `key-${id}`,
  );
  const record: LiveMessage = {
    ...{ v: 1, id: `job.${id}`, org, about: { kind: 'job', id }, place, key: `key-${id}`, edits: 0 },
    ...{ closed: true, pinged: true, attempts: 0, createdAt: 1, ref },
  };
  const job = sampleJob({ id, cluster, clusterName: cluster, state: 'Succeeded', place });
  await stage.put(
    { op: 'put', ref: { kind: 'job', org, id }, record: job },
    { op: 'put', ref: { kind: 'message', org, id: `job.${id}` }, record },
  );
  return ref.id;
}

describe('global shortcuts', () => {
  test('show what waits in a modal, whose buttons answer in it', async () => {
    await clusters('dev-1');
    await person().shortcut('kqueen.home');
    const home = await modal(/Home of ada/);
    await person().clickIn(home, { text: 'Clusters' });
    await modal(/1 cluster/);
    expect(side.slack.messages(person().dm)).toEqual([]);
    expect(side.heard.map(({ text, private: alone, place }) => [text, alone, place.conversation])).toEqual([
      ['home', true, person().dm],
      ['clusters', true, person().dm],
    ]);
    expect(side.slack.violations).toEqual([]);
  });

  test('list my clusters', async () => {
    await clusters('dev-1', 'dev-2');
    await stage.put(...clusterChanges(sampleCluster('theirs', { name: 'theirs', owner: 'slack:T1:U9' })));
    await person().shortcut('kqueen.clusters');
    const view = await modal(/2 clusters/);
    expect(JSON.stringify(view.blocks)).not.toContain('theirs');
  });

  test('open the form for a new cluster, or say why there is none', async () => {
    await person().shortcut('kqueen.create');
    const view = await side.slack.until(() => person().view, 5_000, 'a modal');
    expect(JSON.stringify([view.title, view.blocks])).toMatch(/cluster|provisioner/i);
    expect(side.heard[0]).toMatchObject({ text: 'cluster create', canOpenForm: true });
    expect(side.slack.violations).toEqual([]);
  });

  test('a form opened from a card in a modal takes its place', async () => {
    await clusters('dev-1', 'dev-2');
    await person().shortcut('kqueen.home');
    const home = await modal(/Home of ada/);
    await person().clickIn(home, { text: 'Create a cluster' });
    await modal(/provisioner|Name/);
    expect(person().stack).toHaveLength(1);
    expect(side.slack.violations).toEqual([]);
  });

  test('a guest gets the reason, and one that is not ours nothing but the acknowledgement', async () => {
    await clusters('dev-1');
    await person('U3').shortcut('kqueen.home');
    const view = await modal(/guest/, 'U3');
    expect(JSON.stringify(view.blocks)).not.toContain('dev-1');
    const other = await person().shortcut('somebody.elses');
    expect(other).toMatchObject({ status: 200, ack: '' });
    expect(side.heard).toHaveLength(1);
  });

  test('the same shortcut heard twice has one view', async () => {
    const first = await person().shortcut('kqueen.home');
    await modal(/Home of ada/);
    await side.slack.redeliver(first, 1);
    expect(person().stack).toHaveLength(1);
    expect(side.heard[1]?.eventId).toBe(side.heard[0]?.eventId);
  });
});

describe('on a message', () => {
  test('of KQueen the cluster of its job is shown, wherever in its thread', async () => {
    await clusters('dev-1', 'dev-2');
    const ts = await live('k1', 'dev-2');
    const message = side.slack.messages('C1').find((each) => each.ts === ts);
    if (!message) throw new Error('no live message');
    await person().messageShortcut(message, 'kqueen.this');
    await modal(/Cluster dev-2/);
    const reply = await written('what is that?', ts);
    await person('U2').messageShortcut(reply, 'kqueen.this');
    await modal(/Cluster dev-2/, 'U2');
    expect(side.slack.violations).toEqual([]);
  });

  test('of KQueen the job is shown when its cluster is gone', async () => {
    const ts = await live('k1', 'gone-1');
    const message = side.slack.messages('C1').find((each) => each.ts === ts);
    if (!message) throw new Error('no live message');
    await person().messageShortcut(message, 'kqueen.this');
    await modal(/Create cluster gone-1: succeeded/);
  });

  test('of anybody the cluster it names is found, by name, by link and by address', async () => {
    await clusters('dev-1', 'dev-2');
    await stage.put(...clusterChanges(sampleCluster('far', { name: 'far', endpoint: 'https://10.1.2.3:6443' })));
    for (const [text, found] of [
      ['is *dev-1* slow again?', /Cluster dev-1/],
      [`have a look at ${publicUrl}/c/dev-2 please`, /Cluster dev-2/],
      ['error: dial https://10.1.2.3:6443/api/v1/nodes refused', /Cluster far/],
      ['dev-1 or dev-2?', /Which one/],
      ['lunch?', /I find no cluster and no job in this/],
    ] as const) {
      await person().messageShortcut(await written(text), 'kqueen.ask');
      await modal(found);
    }
    expect(side.slack.violations).toEqual([]);
  });

  test('nothing but names, links and addresses is taken from what somebody else has written', async () => {
    await clusters('dev-1');
    const secret = `ghp_${'a1B2'.repeat(9)}`;
    await person().messageShortcut(
      await written(`dev-1 password=hunter22 ${secret} https://joe:canary@example.com/x?token=canary`),
      'kqueen.ask',
    );
    await modal(/Cluster dev-1/);
    expect(JSON.stringify(side.heard)).not.toMatch(/hunter22|ghp_|canary/);
  });

  test('where KQueen is not, it answers all the same', async () => {
    await clusters('dev-1');
    await person('U2').say('C2', 'dev-1?');
    const message = side.slack.messages('C2').at(-1);
    if (!message) throw new Error('nothing was written');
    await person().messageShortcut(message, 'kqueen.ask');
    await modal(/Cluster dev-1/);
    expect(side.slack.violations).toEqual([]);
  });
});
