/** Two replicas on one etcd: a workspace that installs at one is served by both, its token is renewed once, and it leaves both. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scopeNames } from '../../src/bot/slack/needs.ts';
import { type SlackCloud, startSlackCloud } from '../counterparts/slack/cloud.ts';
import { words } from '../counterparts/slack/index.ts';
import {
  eventually,
  freePort,
  lacksServer,
  startEtcd,
  startRedis,
  type TestEtcd,
  type TestServer,
} from '../servers.ts';
import { someSecretKey, startTestKQueen, type TestKQueen } from '../story/kqueen.ts';

describe.skipIf(lacksServer('etcd', 'redis-server'))('two replicas', () => {
  let etcd: TestEtcd;
  let redis: TestServer;
  let cloud: SlackCloud;
  let kqueens: TestKQueen[];
  const urls = () => kqueens.map(({ url }) => `${url}/slack/events`);

  beforeAll(async () => {
    [etcd, redis] = await Promise.all([startEtcd(), startRedis()]);
    const ports = [await freePort(), await freePort()];
    const publicUrl = `http://127.0.0.1:${ports[0]}`;
    const clientSecret = randomBytes(16).toString('hex');
    const signingSecret = randomBytes(16).toString('hex');
    cloud = await startSlackCloud({
      clientId: '12345.67890',
      clientSecret,
      signingSecret,
      redirectUrls: [`${publicUrl}/slack/oauth_redirect`],
      scopes: [...scopeNames],
      rotates: true,
      workspaces: [
        { team: 'T1', name: 'First', users: [{ id: 'U1', name: 'ada' }], channels: [{ id: 'C1', name: 'clusters' }] },
      ],
    });
    const secretKeys = someSecretKey();
    kqueens = await Promise.all(
      ports.map((port) =>
        startTestKQueen({
          store: { prefix: '/kqueen', etcd: { hosts: etcd.hosts }, secretKeys },
          redisUrl: redis.url,
          http: { host: '127.0.0.1', port },
          publicUrl,
          sandbox: { on: false, speed: 1, port: 0 },
          slack: { oauth: { clientId: '12345.67890', clientSecret }, signingSecret, apiUrl: cloud.apiUrl },
        }),
      ),
    );
  });
  afterAll(async () => {
    await Promise.all((kqueens ?? []).map((each) => each.end()));
    await cloud?.close();
    await Promise.all([etcd?.stop(), redis?.stop()]);
  });

  async function whoami(url: string): Promise<string> {
    cloud.deliverTo(url);
    const outcome = await cloud.workspace('T1').user('U1').command('/kqueen', 'whoami', { channel: 'C1' });
    return outcome.shown().map(words).join('\n');
  }

  test('serve it both, renew its token once, and let it go both', { timeout: 60_000 }, async () => {
    const first = urls()[0] ?? '';
    cloud.deliverTo(first);
    const browser = cloud.browser('T1', 'U1');
    const page = await browser.open(`${kqueens[0]?.url}/slack/install`);
    // Its first token ends within the two hours in which it is to be renewed, so both replicas want to at once.
    cloud.app.expiresIn = 3_600;
    const asked = await browser.press(page, 'Add to Slack');
    const done = await browser.press(asked, 'Allow');
    cloud.app.expiresIn = 43_200;
    expect(done.text).toContain('KQueen is in First');

    const { calls } = cloud.workspace('T1');
    for (const url of urls()) {
      await eventually(`${url} serves it`, async () => (await whoami(url)).includes('slack:T1:U1'));
    }
    const renewals = () =>
      calls.filter(({ method, args }) => method === 'oauth.v2.access' && args.grant_type === 'refresh_token');
    await eventually('its token is renewed', () => {
      const good = renewals().filter(({ answer }) => answer.expires_in === 43_200);
      return good.length === 1;
    });
    // Both know the new token, or learn it at once: who hears of it late is refused with the old one, and writes again.
    const before = calls.length;
    for (const url of urls()) {
      cloud.deliverTo(url);
      await cloud.workspace('T1').user('U1').direct('clusters');
    }
    const later = () => calls.slice(before).filter(({ method }) => method === 'chat.postMessage');
    const good = () => later().filter(({ answer }) => answer.ok === true);
    await eventually('both answer', () => good().length === 2);
    expect(later().length).toBeLessThanOrEqual(4);
    expect(renewals().filter(({ answer }) => answer.ok !== true)).toEqual([]);

    cloud.deliverTo(first);
    await cloud.uninstall('T1');
    for (const url of urls()) {
      await eventually(`${url} lets it go`, async () => (await whoami(url)).includes('has not installed KQueen'));
    }
    const secrets = cloud.everyToken();
    for (const { log } of kqueens) {
      for (const secret of secrets) expect(log.lines.join('\n')).not.toContain(secret);
      expect(log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
    }
    expect(cloud.violations).toEqual([]);
  });
});
