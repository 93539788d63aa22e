/** The same home in Slack, in Teams and in the terminal, over one core. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Approval } from '../../src/core/records.ts';
import { clusterChanges, org, people, provisionerRecord } from '../core/stage.ts';
import { sampleJob } from '../jobs/samples.ts';
import { sampleCluster } from '../store/parts.ts';
import { type Chats, openChats, putPerson, sampleHealth } from './stage.ts';

let chats: Chats;
beforeEach(async () => {
  chats = await openChats();
});
afterEach(() => chats.close());

const now = Date.now();

/** Three clusters of a person: well, sick, and being made; one of somebody else's has failed. */
async function fleet(owner: string): Promise<void> {
  const { stage } = chats;
  const made = (id: string, more: object) =>
    clusterChanges(sampleCluster(id, { name: id, owner, createdAt: now - 3 * 86_400_000, ...more }));
  await stage.put(...made('well', {}));
  await stage.put(...made('sick', {}));
  await stage.put(...made('fresh', { phase: 'Provisioning', openJob: 'job1aaaa' }));
  const failure = { message: 'The provider has no room.', at: now };
  await stage.put(...made('theirs', { phase: 'Failed', owner: people.mel.id, ownerName: 'Mel', failure }));
  await stage.put({
    op: 'put',
    ref: { kind: 'health', org, id: 'well' },
    record: sampleHealth('well', 'Healthy', now),
  });
  await stage.put({
    op: 'put',
    ref: { kind: 'health', org, id: 'sick' },
    record: sampleHealth('sick', 'Degraded', now),
  });
  const job = sampleJob({
    ...{ id: 'job1aaaa', cluster: 'fresh', clusterName: 'fresh', requestedBy: owner, requesterName: 'Ada' },
    ...{ state: 'Running', percent: 45, startedAt: now - 120_000, requestedAt: now - 125_000 },
    steps: [{ name: 'Node pool', state: 'doing' }],
  });
  await stage.put({ op: 'put', ref: { kind: 'job', org, id: 'job1aaaa' }, record: job });
}

/** A request of Mel's that an admin decides on. */
async function request(): Promise<void> {
  const plan = {
    ...sampleJob().plan,
    title: 'Create cluster wish',
    cost: { perHour: 0.2, perMonth: 146, currency: 'USD', excludes: [] },
  };
  const job = sampleJob({
    ...{ id: 'k2', cluster: 'wish', clusterName: 'wish', requestedBy: people.mel.id, requesterName: 'Mel' },
    ...{ state: 'AwaitingApproval', plan, approval: 'k2', dueAt: now + 3_000_000 },
  });
  const approval: Approval = {
    ...{ v: 1, id: 'k2', org, job: 'k2', cluster: 'wish', clusterName: 'wish', requestedBy: people.mel.id },
    ...{ requesterName: 'Mel', requestedAt: now, role: 'admin', planHash: 'abc', state: 'pending' },
    expiresAt: now + 3_000_000,
  };
  await chats.stage.put(
    { op: 'put', ref: { kind: 'job', org, id: 'k2' }, record: job },
    { op: 'put', ref: { kind: 'approval', org, id: 'k2' }, record: approval },
  );
}

describe.each(['Slack', 'Teams', 'terminal'] as const)('home in %s', (name) => {
  function chat() {
    const found = chats.all.find((each) => each.name === name);
    if (!found) throw new Error(name);
    return found;
  }

  test('shows what is mine, what runs and how the fleet is, and when that was', async () => {
    await fleet(chat().person);
    await chat().say('home');
    const said = await chat().sees(/Home of/);
    expect(said).toMatch(/You have 3 clusters\. 1 job running\./);
    expect(said).toMatch(/well\W*: Ready, healthy/);
    expect(said).toMatch(/sick\W*: Ready, degraded/);
    expect(said).toMatch(/1 of 3 nodes is not ready/);
    expect(said).toMatch(/3 nodes in north on sandbox, 3 d old/);
    expect(said).toMatch(/Create cluster fresh\W*: 45 %/);
    expect(said).toMatch(/Node pool; 2 min( \d+ s)? so far; asked for by Ada/);
    expect(said).toMatch(/1 of 4 clusters healthy; 1 failed, 1 degraded, 1 on the way/);
    expect(said).toMatch(/As of/);
    // What is somebody else's is not among mine, and what only admins decide is not offered.
    expect(said).not.toMatch(/theirs/);
    expect(said).not.toMatch(/Waits for your decision|Provisioners that fail/);
  });

  test('offers the next step beside each thing', async () => {
    await fleet(chat().person);
    await chat().say('home');
    await chat().press('Show job', /Home of/);
    expect(await chat().sees(/Create cluster fresh: running/)).toMatch(/Node pool/);
    await chat().press('Help', /Home of/);
    await chat().sees(/KQueen: clusters from chat|cluster create/);
  });

  test('shows admins what waits for them and which provisioners fail, and a member neither', async () => {
    await request();
    await chats.stage.put(...provisionerRecord('lab', { state: 'Unreachable', message: 'It does not answer.' }));
    await chat().say('home');
    expect(await chat().sees(/Home of/)).not.toMatch(/wish|lab/);
    await putPerson(chats.stage, chat().person, 'admin');
    await chat().say('home');
    const said = await chat().sees(/Waits for your decision/);
    expect(said).toMatch(/Create cluster wish\W*, asked for by Mel/);
    expect(said).toMatch(/\$0\.20 an hour, about \$146 a month/);
    expect(said).toMatch(/lab\W*: Unreachable/);
    await chat().press('Look', /Waits for your decision/);
    expect(await chat().sees(/your decision is asked/)).toMatch(/Disturbs/);
  });

  test('Refresh puts the new in place of the old where the chat can', async () => {
    await chat().say('home');
    expect(await chat().sees(/Home of/)).toMatch(/You have no clusters/);
    await fleet(chat().person);
    await chat().press('Refresh', /Home of/);
    expect(await chat().sees(/You have 3 clusters/)).toMatch(/well/);
    expect(chat().count(/Home of/)).toBe(name === 'terminal' ? 2 : 1);
  });

  test('says how long a job like it takes, when enough are known', async () => {
    await fleet(chat().person);
    for (const index of [1, 2, 3, 4]) {
      const id = `past${index}`;
      const past = sampleJob({
        ...{ id, state: 'Succeeded', startedAt: now - 9_000_000, endedAt: now - 9_000_000 + 480_000 + index * 60_000 },
        requestedAt: now - 9_000_000,
      });
      const { dueAt: _due, ...ended } = past;
      await chats.stage.put({ op: 'put', ref: { kind: 'job', org, id }, record: ended });
    }
    await chat().say('home');
    expect(await chat().sees(/Home of/)).toMatch(/about \d+ min left, usually 9 min to 12 min/);
  });

  test('finds what a text is about', async () => {
    await fleet(chat().person);
    await chat().say('about "is well slow again? see https://kqueen.example.com/c/sick"');
    expect(await chat().sees(/Cluster sick/)).toMatch(/1 of 3|Degraded|degraded/);
    await chat().say('about "well and sick"');
    expect(await chat().sees(/Which one/)).toMatch(/well[\s\S]*sick|sick[\s\S]*well/);
    await chat().say('about "job #job1aaaa"');
    await chat().sees(/Create cluster fresh: running/);
    await chat().say('about "nothing at all"');
    await chat().sees(/I find no cluster and no job in this/);
  });
});

test('a home stays readable with hundreds of clusters and jobs', async () => {
  const [slack] = chats.all;
  if (!slack) throw new Error('no chat');
  for (let index = 0; index < 300; index += 1) {
    const id = `c-${index}`;
    await chats.stage.put(...clusterChanges(sampleCluster(id, { name: id, owner: slack.person })));
  }
  for (const chat of chats.all) {
    await putPerson(chats.stage, chat.person, 'admin');
    await chat.say('home');
    await chat.sees(/0 of 300 clusters healthy; 300 not looked at yet/);
  }
  expect(await slack.sees(/Home of/)).toMatch(/Your clusters \(10 of 300\)/);
  expect(chats.slack.slack.violations).toEqual([]);
});
