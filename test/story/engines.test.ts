import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { all } from '../../src/engines/index.ts';
import { openKubeBackend } from '../counterparts/kube.ts';
import { type Slack, startSlack } from '../counterparts/slack/index.ts';
import type { Harness, HarnessOptions, KubeBackend } from '../engines/harness.ts';
import { lacksServer, startEtcd, startRedis, type TestEtcd, type TestServer } from '../servers.ts';
import { leaksIn } from './engines-canaries.ts';
import { playEngine, playImport } from './engines-story.ts';
import { someSecretKey, startTestKQueen, type TestKQueen } from './kqueen.ts';
import { slackChat } from './slack-chat.ts';

type Open = (options?: HarnessOptions) => Promise<Harness>;

/** The harness of each engine that makes clusters, by the name of its file and its function. */
async function openerOf(name: string): Promise<Open> {
  const module = (await import(`../engines/${name}-harness.ts`)) as Record<string, Open>;
  const open = Object.entries(module).find(([each]) => each.toLowerCase() === `open${name}harness`)?.[1];
  if (!open) throw new Error(`test/engines/${name}-harness.ts exports no harness`);
  return open;
}

const making = all.filter((engine) => engine.capabilities.create);

describe.skipIf(lacksServer('etcd', 'redis-server'))('a cluster of each engine through chat', () => {
  let etcd: TestEtcd;
  let redis: TestServer;
  let slack: Slack;
  let kube: KubeBackend;
  let kqueen: TestKQueen;
  const harnesses: Harness[] = [];
  const secrets = new Set<string>();

  beforeAll(async () => {
    [etcd, redis, kube] = await Promise.all([startEtcd(), startRedis(), openKubeBackend()]);
    slack = await startSlack({
      signingSecret: 'story-signing-secret',
      botToken: 'xoxb-story-token',
      team: 'T1',
      users: [
        { id: 'U1', name: 'ada' },
        { id: 'U2', name: 'grace' },
      ],
      channels: [{ id: 'C1', name: 'clusters' }],
    });
    kqueen = await startTestKQueen({
      store: { prefix: '/kqueen', etcd: { hosts: etcd.hosts }, secretKeys: someSecretKey() },
      redisUrl: redis.url,
      sandbox: { on: false, speed: 1, port: 0 },
      slack: { botToken: 'xoxb-story-token', signingSecret: 'story-signing-secret', apiUrl: slack.apiUrl },
      bootstrapAdmins: ['slack:T1:U2'],
    });
    slack.deliverTo(`${kqueen.url}/slack/events`);
  }, 60_000);
  afterAll(async () => {
    await kqueen?.end();
    await slack?.close();
    await Promise.all(harnesses.map((harness) => harness.close()));
    await Promise.all([etcd?.stop(), redis?.stop(), kube?.close()]);
  }, 60_000);

  for (const { name } of making) {
    it(`${name}: add, create, watch, check, scale, upgrade, delete`, { timeout: 240_000 }, async () => {
      const harness = await (await openerOf(name))({ kube, createMs: 1_500 });
      harnesses.push(harness);
      const handed = await playEngine({ slack, chat: slackChat(slack), kqueen, harness });
      for (const each of handed) secrets.add(each);
    });
  }

  it('manual: import, check, detach', { timeout: 60_000 }, async () => {
    const api = await kube.open('kq-story-imported', 2);
    secrets.add(api.token);
    await playImport({ slack, chat: slackChat(slack), kqueen }, api);
    // What was never ours stays as it is.
    expect(await kube.open('kq-story-imported', 2)).toEqual(api);
  });

  it('leaves no secret of any engine in a message, a log line, the store or the queue', () => {
    expect(secrets.size).toBeGreaterThan(0);
    const texts = { chat: JSON.stringify(slack.calls), log: kqueen.log.lines.join('\n') };
    const folders = { etcd: etcd.dir, redis: redis.dir, 'data folder': kqueen.dataDir };
    expect(leaksIn(secrets, texts, folders)).toEqual([]);
    // What is looked for would be found.
    expect(leaksIn(['dev-sandbox'], texts, folders).length).toBeGreaterThan(2);
    expect(slack.violations).toEqual([]);
    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
