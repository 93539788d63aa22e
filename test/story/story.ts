/** The whole story, told once and played in every chat: ask, approve, provision, watch, use, delete. */
import { expect } from 'vitest';
import type { Running } from '../../src/compose.ts';

export type Who = 'developer' | 'admin';

/** A chat as its people use it. `sees` looks at what is on the person's screen now, newest first. */
export interface StoryChat {
  say(who: Who, text: string): Promise<void>;
  /** Presses a button of the newest message whose words match. */
  click(who: Who, label: string, on: RegExp): Promise<void>;
  /** Fills in the form in front of the person; fields by label. Answers the problems shown at fields, joined. */
  submit(who: Who, values: Record<string, string>): Promise<string>;
  sees(who: Who, pattern: RegExp, ms?: number): Promise<string>;
  /** How many messages on the person's screen match now. */
  count(who: Who, pattern: RegExp): number | Promise<number>;
  /** The kubeconfig that `cluster access` handed to the person. */
  credential(who: Who): Promise<string>;
  /** Everything the chat showed or carried but for the personal credential. */
  everything(): string;
}

export interface Story {
  chat: StoryChat;
  kqueen: Pick<Running, 'cache' | 'store'>;
  /** Uses the credential as its owner would. */
  use?(kubeconfig: string): Promise<void>;
}

/** Plays it; throws where anything deviates. */
export async function playStory({ chat, kqueen, use }: Story): Promise<void> {
  const { cache } = kqueen;
  const newestJob = () => cache.query('job', 'default', { descending: true, limit: 1 }).items[0];

  // Lost at first: help says what can be done, and a typo runs nothing.
  await chat.say('developer', 'help');
  await chat.sees('developer', /cluster create/);
  await chat.say('developer', 'cluster crate dev-1');
  await chat.sees('developer', /Did you mean.*cluster create/s);

  // Asks with a form; a bad name is refused at its field and nothing is lost.
  await chat.say('developer', 'cluster create');
  const problem = await chat.submit('developer', { Name: 'Dev_1', Nodes: '2' });
  expect(problem).toMatch(/lower-case/i);
  expect(await chat.submit('developer', { Name: 'dev-1', Nodes: '2' })).toBe('');

  // The plan with its cost waits for an admin; the developer may not decide.
  const asked = await chat.sees('developer', /Create cluster dev-1: waiting for approval/);
  expect(asked).toMatch(/\$0\.\d\d an hour, about \$\d+ a month/);
  expect(asked).toMatch(/2 × small/);
  expect(asked).toMatch(/no real machines/i);
  const job = newestJob();
  if (!job) throw new Error('There is no job.');
  await chat.say('developer', `approve ${job.id}`);
  await chat.sees('developer', /needs the role admin/);
  expect(cache.get({ kind: 'job', org: 'default', id: job.id })?.state).toBe('AwaitingApproval');

  // The admin sees the same plan and presses the button; the one live message goes through to the summary.
  const request = await chat.sees('admin', /Create cluster dev-1: your decision is asked/);
  expect(request).toMatch(/\$0\.\d\d an hour/);
  await chat.click('admin', 'Approve', /your decision is asked/);
  await chat.sees('admin', /Create cluster dev-1: approved/);
  const ready = await chat.sees('developer', /Cluster dev-1 is ready.*Endpoint/s, 40_000);
  expect(ready).toMatch(/2 of 2 ready/);
  expect(ready).toMatch(/APIServerAvailable yes/);
  expect(ready).toMatch(/https:\/\/127\.0\.0\.1/);

  // It is looked at and used.
  await chat.say('developer', 'clusters');
  await chat.sees('developer', /dev-1.*Ready/s);
  await chat.say('developer', 'cluster check dev-1');
  await chat.sees('developer', /Cluster dev-1 is healthy/);
  await chat.say('developer', 'cluster access dev-1');
  const kubeconfig = await chat.credential('developer');
  expect(kubeconfig).toMatch(/^apiVersion: v1/);
  await use?.(kubeconfig);

  // Deleted by name; the wrong name deletes nothing.
  await chat.say('developer', 'cluster delete dev-1');
  expect(await chat.submit('developer', { 'Type dev-1 to delete it': 'dev-2' })).toMatch(/not its name/);
  expect(cache.query('cluster', 'default').items[0]?.phase).toBe('Ready');
  expect(await chat.submit('developer', { 'Type dev-1 to delete it': 'dev-1' })).toBe('');
  await chat.sees('developer', /Delete cluster dev-1: succeeded.*Confirm/s, 40_000);
  expect(cache.query('cluster', 'default').total).toBe(0);

  // All of it is on record.
  await chat.say('admin', 'audit');
  const audit = await chat.sees('admin', /Audit, page 1/);
  for (const word of [
    'cluster.create',
    'approval',
    'approved',
    'refused',
    'cluster.access',
    'issued',
    'cluster.delete',
  ])
    expect(audit).toContain(word);

  // No credential of KQueen's own and no personal one appears anywhere but where it was handed over.
  const token = /token: (\S+)/.exec(kubeconfig)?.[1];
  if (!token) throw new Error('The kubeconfig holds no token.');
  expect(chat.everything()).not.toContain(token);
  expect(chat.everything()).not.toMatch(/client-key-data|PRIVATE KEY/);
}
