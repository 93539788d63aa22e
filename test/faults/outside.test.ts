import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { endedStates } from '../../src/core/records.ts';
import { type Message, words } from '../counterparts/slack/index.ts';
import { startTcpProxy, type TcpProxy } from '../proxy.ts';
import { openStage, org, type Stage } from '../replicas/stage.ts';
import { eventually, lacksServer } from '../servers.ts';
import { startTestKQueen, type TestKQueen } from '../story/kqueen.ts';

const spec = 'on sandbox region=sandbox-north version=1.34.2 size=small nodes=1';

describe.skipIf(lacksServer('etcd', 'redis-server'))('what KQueen talks to fails', () => {
  let stage: Stage;
  let kqueen: TestKQueen;
  let toProvider: TcpProxy;

  beforeAll(async () => {
    stage = await openStage({
      speed: 60,
      async providerUrl({ url, port }) {
        toProvider = await startTcpProxy({ port });
        return url.replace(`:${port}`, `:${toProvider.port}`);
      },
    });
    kqueen = await startTestKQueen(stage.settings());
    stage.slack.deliverTo(`${kqueen.url}/slack/events`);
  }, 60_000);
  afterAll(async () => {
    stage?.slack.faults.clear();
    await toProvider?.setMode('pass');
    await kqueen?.end();
    await toProvider?.close();
    await stage?.close();
  });

  afterEach(async () => {
    stage.slack.faults.clear();
    await toProvider.setMode('pass');
  });

  const ask = async (name: string) => {
    const outcome = await stage.slack
      .user('U1')
      .command('/kqueen', `cluster create ${name} ${spec}`, { channel: 'C1' });
    expect(outcome.status).toBe(200);
    expect(outcome.ms).toBeLessThan(3_000);
    return JSON.stringify(outcome.ack);
  };
  const jobOf = async (name: string) => (await stage.all('job')).find((job) => job.clusterName === name);
  const requestOf = (name: string) =>
    stage.slack.until(
      () => stage.shown(stage.slack.user('U2').dm, new RegExp(`${name}: your decision is asked`))[0],
      10_000,
      `a request about ${name}`,
    );
  const press = async (message: Message, text: string, revision?: number) => {
    const pressed = await stage.slack
      .user('U2')
      .click(message, { text, ...(revision === undefined ? {} : { revision }) });
    expect(pressed.status).toBe(200);
  };
  const approve = async (name: string) => press(await requestOf(name), 'Approve');
  const ended = (name: string, timeoutMs = 30_000) =>
    eventually(
      `the end of ${name}`,
      async () => {
        const job = await jobOf(name);
        return job && endedStates.includes(job.state) ? job : undefined;
      },
      { timeoutMs, everyMs: 100 },
    );
  const ready = (name: string, ms = 15_000) =>
    stage.slack.until(() => stage.shown('C1', new RegExp(`Cluster ${name} is ready`))[0], ms, `the summary of ${name}`);
  const live = (name: string) => stage.shown('C1', new RegExp(`cluster ${name}\\b`, 'i'));
  const madeOnce = async (name: string) => {
    const made = Object.entries(await stage.made()).filter(([external]) => external.startsWith(`${name}-`));
    expect(made.map(([, count]) => count.made)).toEqual([1]);
  };

  it('the provider is away: the price is unknown, the job waits and says so, and goes on when it is back', async () => {
    await toProvider.setMode('hang');
    await ask('away-1');
    const request = await requestOf('away-1');
    expect(words(request)).toMatch(/Cost:.*Unknown: the provider did not tell/s);
    await toProvider.setMode('refuse');
    toProvider.cut();
    await approve('away-1');
    const says = /Create cluster away-1: waiting.*cannot be reached.*Trying again/s;
    await stage.slack.until(() => stage.shown('C1', says)[0], 20_000, 'word that it waits');
    expect(await jobOf('away-1')).toMatchObject({ state: 'Waiting' });
    await toProvider.setMode('pass');
    expect((await ended('away-1')).state).toBe('Succeeded');
    await ready('away-1');
    expect(live('away-1')).toHaveLength(1);
    await madeOnce('away-1');
  }, 80_000);

  it('Redis is down: commands are taken, and the job runs once it is back, though it forgot everything', async () => {
    await stage.redis.kill9();
    await ask('queue-1');
    await approve('queue-1');
    expect(await jobOf('queue-1')).toMatchObject({ state: 'Queued', tick: 2 });
    rmSync(join(stage.redis.dir, 'appendonlydir'), { recursive: true, force: true });
    await stage.redis.restart();
    expect((await ended('queue-1')).state).toBe('Succeeded');
    await ready('queue-1');
    expect(live('queue-1')).toHaveLength(1);
    await madeOnce('queue-1');
  }, 60_000);

  it('lost answers, errors and rate limits of Slack while a job runs: the last state arrives, in one message', async () => {
    const { faults } = stage.slack;
    faults.lose('chat.postMessage');
    await ask('chat-1');
    faults.status('chat.update', 500, 2);
    faults.lose('chat.update', 1);
    faults.rateLimit('chat.update', 1, 1);
    await approve('chat-1');
    expect((await ended('chat-1')).state).toBe('Succeeded');
    await ready('chat-1', 30_000);
    const met = () => stage.slack.calls.filter(({ method, fault }) => method === 'chat.update' && fault !== undefined);
    await eventually('all of the faults', () => met().length === 4, { timeoutMs: 20_000 });
    expect(live('chat-1')).toHaveLength(1);
    for (const admin of ['U2', 'U3'])
      expect(stage.shown(stage.slack.user(admin).dm, /cluster chat-1\b/i)).toHaveLength(1);
    await madeOnce('chat-1');
  }, 60_000);

  it('Slack is away for a whole job: it runs all the same, and its end is told when Slack is back', async () => {
    await ask('chat-2');
    await requestOf('chat-2');
    await approve('chat-2');
    stage.slack.faults.cut('*', 10_000);
    expect((await ended('chat-2')).state).toBe('Succeeded');
    expect(stage.shown('C1', /Cluster chat-2 is ready/)).toEqual([]);
    stage.slack.faults.clear();
    await ready('chat-2', 40_000);
    expect(live('chat-2')).toHaveLength(1);
  }, 80_000);

  it('a button on an old message says that the job has ended; one on a request that expired says so', async () => {
    const { slack } = stage;
    const told = async (pattern: RegExp, act: () => Promise<void>) => {
      const heard = () =>
        [...slack.ephemeral('C1', 'U2'), ...slack.messages(slack.user('U2').dm)].filter((each) =>
          pattern.test(words(each)),
        ).length;
      const before = heard();
      await act();
      await eventually(`an answer like ${pattern}`, () => heard() > before);
    };
    const ready = stage.shown('C1', /Cluster queue-1 is ready/)[0];
    const decided = stage.shown(slack.user('U2').dm, /queue-1: approved/)[0];
    if (!ready || !decided) throw new Error('The old messages are gone.');
    await told(/has ended|already|is over|succeeded/i, () => press(ready, 'Cancel', 0));
    await told(/was approved by grace, so there is nothing to decide/, () => press(decided, 'Approve', 0));

    await ask('late-1');
    const request = await requestOf('late-1');
    const job = await jobOf('late-1');
    const ref = { kind: 'approval', org, id: job?.id ?? '' } as const;
    const held = await stage.opened.store.get(ref);
    if (!held || !job) throw new Error('There is no request.');
    const past = Date.now() - 1;
    const jobRef = { kind: 'job', org, id: job.id } as const;
    await stage.opened.store.commit([
      { op: 'put', ref, record: { ...held.record, expiresAt: past } },
      { op: 'put', ref: jobRef, record: { ...job, dueAt: past, tick: job.tick + 1 } },
    ]);
    await told(/has expired|is expired/, () => press(request, 'Approve'));
    expect((await ended('late-1', 15_000)).state).toBe('Expired');
    await slack.until(() => stage.shown('C1', /late-1: expired/i)[0], 10_000, 'the expiry in the live message');
    await slack.until(
      () => stage.shown(slack.user('U2').dm, /late-1: expired/i)[0],
      10_000,
      'the expiry in the request',
    );
    await told(/is expired/, () => press(request, 'Approve', 0));
    expect((await stage.all('cluster')).map(({ name }) => name)).not.toContain('late-1');
    expect(await stage.made()).not.toHaveProperty('late-1');
  }, 40_000);

  it('Slack saw no rule broken, and no error was logged', () => {
    expect(stage.slack.violations).toEqual([]);
    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
