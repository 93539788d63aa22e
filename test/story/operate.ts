/** The rest of a cluster's life, told once and played in every chat: apps, nodes, add-ons, backups, an upgrade. */
import { expect } from 'vitest';
import type { Running } from '../../src/compose.ts';
import type { StoryChat, Who } from './story.ts';

export interface Operating {
  chat: StoryChat;
  kqueen: Pick<Running, 'cache' | 'store'>;
}

/** Plays it with a cluster that the developer asks for first; throws where anything deviates. */
export async function playOperating({ chat, kqueen }: Operating): Promise<void> {
  const { cache } = kqueen;
  const newest = () => cache.query('job', 'default', { descending: true, limit: 1 }).items[0];
  /** Asks, presses the button of the plan, and waits for the end of the job. */
  const change = async (who: Who, line: string, plan: RegExp, button: string, end: RegExp): Promise<string> => {
    const before = newest()?.id;
    await chat.say(who, line);
    await chat.sees(who, plan);
    await chat.click(who, button, plan);
    const text = await chat.sees(who, end, 60_000);
    expect(newest()?.id).not.toBe(before);
    return text;
  };

  // An admin makes the cluster for the developer, whose it is then.
  await chat.say(
    'developer',
    'cluster create ops-1 on sandbox region=sandbox-north size=small version=1.33 nodes=2 for demo',
  );
  await chat.sees('admin', /Create cluster ops-1: your decision is asked/);
  await chat.click('admin', 'Approve', /Create cluster ops-1: your decision is asked/);
  await chat.sees('developer', /Cluster ops-1 is ready/, 60_000);

  // A program is deployed; the plan is shown first, and the end says where it can be reached.
  await change(
    'developer',
    'app run ops-1 web nginx:1.28 replicas=2 ports=80',
    /Deploy web to ops-1\?.*nginx:1\.28/s,
    'Deploy it',
    /Deploy web to ops-1: succeeded.*web\.default:80/s,
  );

  // An image that does not exist stops the update; the way back is on the same message.
  await change(
    'developer',
    'app update ops-1 web missing/web:2 within=5s',
    /Update web in ops-1\?/,
    'Update it',
    /Update web in ops-1: failed.*missing\/web:2.*Wait until it runs/s,
  );
  await chat.click('developer', 'Rollback', /Update web in ops-1: failed.*Wait until it runs/s);
  await chat.sees('developer', /Roll web back in ops-1\?/);
  await chat.click('developer', 'Roll it back', /Roll web back in ops-1\?/);
  await chat.sees('developer', /Roll web back in ops-1: succeeded/, 60_000);

  // A backup, the loss of what it holds, and its return.
  const kept = await change(
    'admin',
    'backup create ops-1 secrets=yes',
    /Back up ops-1\?/,
    'Back it up',
    /Back up ops-1: succeeded.*Verify it/s,
  );
  const backup = /backup show (\S+)/.exec(kept)?.[1] ?? cache.query('backup', 'default').items[0]?.id;
  expect(backup).toBeTruthy();
  await chat.say('developer', 'app delete ops-1 web');
  await chat.click('developer', 'Delete it', /Delete web from ops-1\?/);
  await chat.sees('developer', /Delete web from ops-1: succeeded/, 60_000);
  await change(
    'admin',
    `backup restore ${backup}`,
    /Restore backup \S+ of ops-1 into ops-1\?/,
    'Restore it',
    /Restore backup .*: succeeded/,
  );
  await chat.say('developer', 'app show ops-1 web');
  await chat.sees('developer', /nginx:1\.28.*2 of 2|2 of 2.*nginx:1\.28/s);

  // One node more, one taken out of service and let in again.
  await change(
    'admin',
    'cluster scale ops-1 nodes=+1',
    /Scale cluster ops-1/,
    'Scale it',
    /Scale cluster ops-1.*: succeeded/,
  );
  await chat.say('developer', 'node list ops-1');
  const nodes = await chat.sees('developer', /sandbox-ops-1-\w+-2/);
  const node = /sandbox-ops-1-\w+-1/.exec(nodes)?.[0];
  expect(node).toBeTruthy();
  await change(
    'developer',
    `node drain ops-1 ${node}`,
    /Drain node \S+ of ops-1\?/,
    'Drain it',
    /Drain node \S+ of ops-1: succeeded.*Move its pods/s,
  );
  await chat.click('developer', 'Uncordon', /Drain node \S+ of ops-1: succeeded.*Move its pods/s);

  // An upgrade says what it looked at before, and goes through to the end.
  await change(
    'admin',
    'cluster upgrade ops-1 1.34.2',
    /Upgrade cluster ops-1\?.*Pre-checks/s,
    'Upgrade it',
    /Upgrade cluster ops-1: succeeded/,
  );
  await chat.say('developer', 'cluster check ops-1');
  await chat.sees('developer', /Cluster ops-1 is healthy/);

  // All of it is on record.
  await chat.say('admin', 'audit ops-1');
  const late = await chat.sees('admin', /Audit, page 1 of 2/);
  for (const word of ['backup.restore', 'node.drain', 'cluster.upgrade']) expect(late).toContain(word);
  await chat.say('admin', 'audit ops-1 page=2');
  const early = await chat.sees('admin', /Audit, page 2 of 2/);
  for (const word of ['cluster.create', 'app.deploy']) expect(early).toContain(word);
}
