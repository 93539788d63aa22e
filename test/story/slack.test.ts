import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Slack, startSlack } from '../counterparts/slack/index.ts';
import { lacksServer, needServer, startEtcd, startRedis, type TestEtcd, type TestServer } from '../servers.ts';
import { someSecretKey, startTestKQueen, type TestKQueen } from './kqueen.ts';
import { playOperating } from './operate.ts';
import { slackChat } from './slack-chat.ts';
import { playStory } from './story.ts';

const run = promisify(execFile);

describe.skipIf(lacksServer('etcd', 'redis-server'))('the whole story in Slack, on etcd and Redis', () => {
  let etcd: TestEtcd;
  let redis: TestServer;
  let slack: Slack;
  let kqueen: TestKQueen;

  beforeAll(async () => {
    [etcd, redis] = await Promise.all([startEtcd(), startRedis()]);
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
      slack: { botToken: 'xoxb-story-token', signingSecret: 'story-signing-secret', apiUrl: slack.apiUrl },
      bootstrapAdmins: ['slack:T1:U2'],
    });
    slack.deliverTo(`${kqueen.url}/slack/events`);
  });
  afterAll(async () => {
    await kqueen?.end();
    await slack?.close();
    await Promise.all([etcd?.stop(), redis?.stop()]);
  });

  it('ask, approve, provision, watch, use with stock kubectl, delete', { timeout: 120_000 }, async (ctx) => {
    needServer(ctx, 'kubectl');
    const chat = slackChat(slack);

    await playStory({ chat, kqueen, use: useWithKubectl });

    expect(chat.count('developer', /Create cluster dev-1|Cluster dev-1 is ready/)).toBeLessThanOrEqual(4);
    expect(slack.violations).toEqual([]);
    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
    expect(kqueen.log.lines.join('\n')).not.toMatch(/xoxb-story-token|story-signing-secret|client-key-data/);
  });

  it('deploy, back up, lose, restore, scale, drain, upgrade', { timeout: 300_000 }, async () => {
    await playOperating({ chat: slackChat(slack), kqueen });

    expect(slack.violations).toEqual([]);
    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});

/** What a developer does with a fresh cluster, by Debian's kubectl. */
async function useWithKubectl(kubeconfig: string): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'kqueen-kubectl-'));
  const file = join(dir, 'kubeconfig');
  writeFileSync(file, kubeconfig, { mode: 0o600 });
  const kubectl = async (...args: string[]) =>
    (await run('kubectl', ['--kubeconfig', file, ...args], { env: { ...process.env, HOME: dir }, timeout: 60_000 }))
      .stdout;
  try {
    expect((await kubectl('get', 'nodes')).match(/ Ready /g)).toHaveLength(2);
    await kubectl('create', 'deployment', 'web', '--image=nginx');
    await kubectl('wait', '--for=condition=Available', 'deployment/web', '--timeout=30s');
    await kubectl('scale', 'deployment/web', '--replicas=3');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=30s');
    expect(await kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.status.availableReplicas}')).toBe('3');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
