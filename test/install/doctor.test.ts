/** The doctor as a program and in chat: everything fine on a whole installation, and each thing that can be wrong named with its fix. */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { scopeNames } from '../../src/bot/slack/needs.ts';
import { systemClock } from '../../src/clock.ts';
import { type Running, startKQueen } from '../../src/compose.ts';
import { readConfig } from '../../src/config.ts';
import { doctorText, runDoctor } from '../../src/doctor.ts';
import { type Slack, startSlack, words } from '../counterparts/slack/index.ts';
import { startTeamsService, type TeamsService } from '../counterparts/teams/service.ts';
import { freePort, lacksServer, startEtcd, startRedis, type TestEtcd, type TestServer } from '../servers.ts';
import { keptLog } from '../story/kqueen.ts';
import { type InstallStage, openInstallStage } from './stage.ts';

type Env = Record<string, string | undefined>;

const secretKey = () => randomBytes(32).toString('base64');
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs the program; no secret of the environment is in what it writes. */
async function examined(env: Env, clock = systemClock): Promise<{ code: number; text: string }> {
  let text = '';
  const code = await runDoctor(
    env,
    [],
    (more) => {
      text += more;
    },
    { clock, columns: 200 },
  );
  for (const [name, value] of Object.entries(env)) {
    if (/TOKEN$|SECRET|PASSWORD|Password|KEYS/.test(name) && value) expect(text).not.toContain(value);
  }
  return { code, text };
}

/** A Slack for the token of one workspace, and an environment that fits it; KQueen does not run. */
async function alone(options: Partial<Parameters<typeof startSlack>[0]> = {}): Promise<{ slack: Slack; env: Env }> {
  const botToken = `xoxb-${randomBytes(8).toString('hex')}`;
  const appToken = `xapp-1-${randomBytes(8).toString('hex')}`;
  const signingSecret = randomBytes(16).toString('hex');
  const slack = await startSlack({
    signingSecret,
    botToken,
    appToken,
    users: [{ id: 'U1', name: 'ada' }],
    channels: [
      { id: 'C1', name: 'approvals' },
      { id: 'C2', name: 'public', hasBot: false },
      { id: 'C3', name: 'hidden', private: true, hasBot: false },
    ],
    scopes: [...scopeNames],
    ...options,
  });
  const dataDir = mkdtempSync(join(tmpdir(), 'kqueen-doctor-'));
  cleanups.push(
    async () => rmSync(dataDir, { recursive: true, force: true }),
    () => slack.close(),
  );
  const env: Env = {
    KQUEEN_DATA_DIR: dataDir,
    KQUEEN_PORT: String(await freePort()),
    KQUEEN_SECRET_KEYS: secretKey(),
    KQUEEN_BOOTSTRAP_ADMINS: 'slack:T1:U1',
    SLACK_BOT_TOKEN: botToken,
    SLACK_APP_TOKEN: appToken,
    SLACK_API_URL: slack.apiUrl.slice(0, -1),
  };
  return { slack, env };
}

describe.skipIf(lacksServer('etcd', 'redis-server'))(
  'a whole installation on etcd and Redis, in Slack and Teams',
  () => {
    let etcd: TestEtcd;
    let redis: TestServer;
    let slack: Slack;
    let teams: TeamsService;
    let kqueen: Running;
    let env: Env;

    beforeAll(async () => {
      [etcd, redis] = await Promise.all([startEtcd(), startRedis()]);
      const appId = randomUUID();
      const tenantId = randomUUID();
      const password = `pw-${randomBytes(8).toString('hex')}`;
      teams = await startTeamsService({ appId, secret: password, tenantId, authenticated: true });
      const botToken = `xoxb-${randomBytes(8).toString('hex')}`;
      const signingSecret = randomBytes(16).toString('hex');
      slack = await startSlack({
        signingSecret,
        botToken,
        users: [
          { id: 'U1', name: 'ada' },
          { id: 'U2', name: 'mel' },
        ],
        channels: [{ id: 'C1', name: 'approvals' }],
        scopes: [...scopeNames],
      });
      const port = await freePort();
      env = {
        KQUEEN_PORT: String(port),
        KQUEEN_PUBLIC_URL: `http://127.0.0.1:${port}`,
        KQUEEN_DATA_DIR: mkdtempSync(join(tmpdir(), 'kqueen-doctor-')),
        KQUEEN_ETCD_HOSTS: etcd.hosts.join(','),
        KQUEEN_REDIS_URL: redis.url,
        KQUEEN_SECRET_KEYS: secretKey(),
        KQUEEN_BOOTSTRAP_ADMINS: 'slack:T1:U1',
        KQUEEN_APPROVALS: 'slack:T1/C1',
        KQUEEN_SANDBOX: 'on',
        KQUEEN_SANDBOX_PORT: '0',
        SLACK_BOT_TOKEN: botToken,
        SLACK_SIGNING_SECRET: signingSecret,
        SLACK_API_URL: slack.apiUrl.slice(0, -1),
        MicrosoftAppId: appId,
        MicrosoftAppPassword: password,
        MicrosoftAppTenantId: tenantId,
        KQUEEN_TEAMS_OPENID_METADATA: teams.endpoints.openIdMetadataUrl,
        KQUEEN_TEAMS_TOKEN_ISSUER: teams.endpoints.issuer,
        KQUEEN_TEAMS_LOGIN: teams.endpoints.loginUrl,
        KQUEEN_TEAMS_OAUTH_SCOPE: teams.endpoints.scope,
      };
      kqueen = await startKQueen({ ...readConfig(env), version: '0' }, { log: keptLog() });
      slack.deliverTo(`http://127.0.0.1:${port}/slack/events`);
    });
    afterAll(async () => {
      await kqueen?.stop();
      await slack?.close();
      await teams?.stop();
      await Promise.all([etcd?.stop(), redis?.stop()]);
      rmSync(env?.KQUEEN_DATA_DIR ?? '', { recursive: true, force: true });
    });

    test('is fine in every part, beside the KQueen that runs', async () => {
      const { code, text } = await examined(env);
      expect(text).not.toMatch(/BROKEN|look at/);
      expect(code).toBe(0);
      for (const said of [
        'It answers, takes a change and gives it back.',
        'The keys open all of',
        'Redis answers',
        `KQueen answers at ${env.KQUEEN_PUBLIC_URL}`,
        'Slack takes the token: KQueen is kqueen in Loopback (T1).',
        'every scope of manifest.yml, and no other',
        'Requests for approval can be posted there.',
        'A request signed with SLACK_SIGNING_SECRET gets through and is believed.',
        'The file asks for the scopes, events and the command',
        'Microsoft takes the application id and its secret',
        'lets nobody in without Microsoft’s token',
        'Provisioner sandbox, answer',
        'agree on the time',
        'Engine sandbox, packages',
      ]) {
        expect(text).toContain(said);
      }
      expect(slack.violations).toEqual([]);
    });

    test('finds other keys than those that sealed, another signing secret, and a wrong secret of Teams', async () => {
      const { code, text } = await examined({
        ...env,
        KQUEEN_SECRET_KEYS: secretKey(),
        SLACK_SIGNING_SECRET: randomBytes(16).toString('hex'),
        MicrosoftAppPassword: 'not the password',
      });
      expect(code).toBe(1);
      expect(text).toMatch(/BROKEN +Secrets, keys.*cannot be opened.*doctor\.canary/);
      expect(text).toContain('Put the key that sealed them behind the first one in KQUEEN_SECRET_KEYS');
      expect(text).toMatch(/BROKEN +Slack, signature, this machine +A request signed .* is not believed/);
      expect(text).toMatch(/BROKEN +Teams, token +Microsoft does not take the client secret/);
      expect(text).toContain('not to its Secret ID');
      expect(text).toMatch(/BROKEN +Provisioner sandbox, answer/);
    });

    test('answers an admin in chat with a card, and nobody else', async () => {
      const outcome = await slack.user('U1').command('/kqueen', 'doctor', { channel: 'C1' });
      expect(outcome.status).toBe(200);
      const seen = () => [...slack.ephemeral('C1', 'U1'), ...slack.messages(slack.user('U1').dm)];
      const card = await slack.until(() => seen().find((each) => /Doctor: \d+/.test(words(each))), 10_000, 'the card');
      expect(words(card)).toMatch(/Doctor: (?:\d+ not looked at, )?\d+ fine/);
      expect(words(card)).toContain('Heard since the start: command /kqueen');
      expect(words(card)).toContain('Not heard since the start');
      await slack.user('U2').command('/kqueen', 'doctor', { channel: 'C1' });
      await slack.sees('C1', /needs the role admin/, { userId: 'U2' });
      for (const name of ['SLACK_BOT_TOKEN', 'SLACK_SIGNING_SECRET', 'MicrosoftAppPassword', 'KQUEEN_SECRET_KEYS']) {
        expect(slack.emitted()).not.toContain(env[name]);
      }
      expect(slack.violations).toEqual([]);
    });
  },
);

describe('each thing that can be wrong is named, with what to do', () => {
  test('settings: all at once, and nothing else is looked at', async () => {
    const { code, text } = await examined({
      KQUEEN_PORT: 'x',
      SLACK_BOT_TOKEN: 'xoxp-wrong',
      MicrosoftAppPassword: 'pw-of-nobody',
    });
    expect(code).toBe(1);
    for (const name of ['KQUEEN_PORT', 'SLACK_BOT_TOKEN', 'SLACK_SIGNING_SECRET', 'MicrosoftAppId']) {
      expect(text).toMatch(new RegExp(`BROKEN +Settings, ${name}`));
    }
    expect(text).not.toContain('Queue');
  });

  test('nothing: a Slack in Socket Mode that is as it should be', async () => {
    const { slack, env } = await alone();
    const { code, text } = await examined(env);
    expect([code, text]).toEqual([0, expect.not.stringMatching(/BROKEN|look at/)]);
    expect(text).toContain('A Socket Mode connection can be opened');
    expect(text).toContain('no KQueen runs there now');
    expect(text).toContain('There is no embedded store yet');
    expect(slack.violations).toEqual([]);
  });

  test.each<[string, string, string]>([
    ['invalid_auth', 'Slack does not know the token', 'copy its Bot User OAuth Token into SLACK_BOT_TOKEN'],
    ['account_inactive', 'The app is no longer installed there', 'Install it again'],
    ['token_expired', 'token rotation is on', 'Installing with SLACK_CLIENT_ID can'],
    ['ekm_access_denied', 'Slack refuses the token (ekm_access_denied)', 'Install it again'],
  ])('a bot token that Slack refuses with %s', async (word, means, fix) => {
    const { slack, env } = await alone();
    slack.faults.error('auth.test', word);
    const { code, text } = await examined(env);
    expect(code).toBe(1);
    expect(text).toMatch(/BROKEN +Slack, token/);
    expect(text).toContain(means);
    expect(text).toContain(fix);
  });

  test('a Slack that does not answer', async () => {
    const { slack, env } = await alone();
    slack.faults.cut('auth.test');
    const { code, text } = await examined(env);
    expect(code).toBe(1);
    expect(text).toContain('Slack does not answer.');
    expect(text).toContain('reach slack.com over HTTPS');
  });

  test('scopes: the missing with what they are for, and those that are too many', async () => {
    const granted = [...scopeNames.filter((name) => name !== 'files:write'), 'channels:read', 'admin'];
    const { env } = await alone({ scopes: granted });
    const { code, text } = await examined(env);
    expect(code).toBe(1);
    expect(text).toMatch(/BROKEN +Slack, scopes +The token lacks files:write \(to hand out a kubeconfig/);
    expect(text).toMatch(/look at +Slack, scopes +The token may more than KQueen uses: channels:read, admin\./);
    expect(text).toContain('Bring the app up to date with manifest.yml');
  });

  test.each<[string, string, string]>([
    ['invalid_auth', 'does not take the app-level token', 'connections:write'],
    ['not_allowed_token_type', 'does not take the app-level token', 'connections:write'],
    ['missing_scope', 'does not take the app-level token', 'connections:write'],
    ['fatal_error', 'opens no Socket Mode connection (fatal_error)', 'Switch Socket Mode on'],
  ])('an app token that Slack refuses with %s', async (word, means, fix) => {
    const { slack, env } = await alone();
    slack.faults.error('apps.connections.open', word);
    const { code, text } = await examined(env);
    expect(code).toBe(1);
    expect(text).toMatch(/BROKEN +Slack, Socket Mode/);
    expect(text).toContain(means);
    expect(text).toContain(fix);
  });

  test('channels for approval: not there, not a member, of another workspace', async () => {
    const { env } = await alone();
    const { code, text } = await examined({
      ...env,
      KQUEEN_APPROVALS: 'slack:T1/C1,slack:T1/C2,slack:T1/C3,slack:T9/C1',
    });
    expect(code).toBe(1);
    expect(text).toMatch(/fine +Slack, channel C1/);
    expect(text).toMatch(/look at +Slack, channel C2 +KQueen is no member/);
    expect(text).toMatch(/BROKEN +Slack, channel C3 +KQueen sees no such channel/);
    expect(text).toMatch(/BROKEN +Slack, channel C1 +KQUEEN_APPROVALS names a channel of T9/);
    expect(text).toContain('/invite @kqueen');
  });

  test.each<[number, RegExp]>([
    [-20_000, /look at +Clock, difference +This machine’s clock is (?:19|20|21) s behind that of Slack/],
    [600_000, /BROKEN +Clock, difference +This machine’s clock is 60\d s ahead of that of Slack.*refused/],
  ])('a clock that is %i ms off', async (off, line) => {
    const { env } = await alone();
    const { text } = await examined(env, { ...systemClock, now: () => Date.now() + off });
    expect(text).toMatch(line);
    expect(text).toContain('time synchronisation');
  });

  test('a public address that leads elsewhere, and one that leads nowhere', async () => {
    const { slack, env } = await alone();
    const elsewhere = await examined({ ...env, KQUEEN_PUBLIC_URL: new URL(slack.apiUrl).origin });
    expect(elsewhere.text).toMatch(/look at +HTTP, the public address .*and not as KQueen does/);
    slack.violations.splice(0);
    const nowhere = await examined({ ...env, KQUEEN_PUBLIC_URL: `http://127.0.0.1:${await freePort()}` });
    expect(nowhere.text).toMatch(/look at +HTTP, the public address .*ECONNREFUSED/);
    expect(nowhere.text).toContain('the proxy that ends TLS');
  });

  test.skipIf(lacksServer('redis-server'))('etcd that is away, and Redis that is not', async () => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    const { env } = await alone();
    const { code, text } = await examined({
      ...env,
      KQUEEN_ETCD_HOSTS: `127.0.0.1:${await freePort()}`,
      KQUEEN_REDIS_URL: redis.url,
    });
    expect(code).toBe(1);
    expect(text).toMatch(/BROKEN +Store/);
    expect(text).toMatch(/fine +Queue, answer +Redis answers/);
  });

  test('a client id and secret that Slack does not know, with nobody installed yet', async () => {
    const stage = await openInstallStage();
    cleanups.push(() => stage.close());
    const env: Env = {
      KQUEEN_DATA_DIR: stage.dataDir,
      KQUEEN_PORT: String(stage.kqueen.port),
      KQUEEN_PUBLIC_URL: stage.kqueen.url,
      KQUEEN_SECRET_KEYS: secretKey(),
      SLACK_CLIENT_ID: '12345.67890',
      SLACK_CLIENT_SECRET: stage.clientSecret,
      SLACK_SIGNING_SECRET: randomBytes(16).toString('hex'),
      SLACK_API_URL: stage.cloud.apiUrl.slice(0, -1),
    };
    const known = await examined(env);
    expect(known.text).toContain('Slack takes the client id and its secret.');
    expect(known.text).toContain('held by the KQueen that runs');
    expect(known.text).toMatch(/BROKEN +Slack, signature/);
    const wrong = await examined({ ...env, SLACK_CLIENT_SECRET: 'n0t-the-secret' });
    expect(wrong.text).toMatch(/BROKEN +Slack, client +The client secret is wrong/);
    const strange = await examined({ ...env, SLACK_CLIENT_ID: '1.2' });
    expect(strange.text).toContain('Slack does not know the client id');
  });
});

describe('in chat, of workspaces that installed KQueen', () => {
  let stage: InstallStage;
  test('each is looked at by its own token', async () => {
    stage = await openInstallStage();
    cleanups.push(() => stage.close());
    await stage.install('T1', 'U1');
    await stage.install('T2', 'U1');
    stage.cloud.revoke('T2', 'token_expired');
    const slack = stage.cloud.workspace('T1');
    await slack.user('U1').direct('doctor');
    const card = await slack.sees(slack.user('U1').dm, /Doctor: 1 broken/, { ms: 10_000 });
    expect(words(card)).toContain('Broken: Slack Second & <Co>, token');
    expect(words(card)).toContain('could not be renewed');
    expect(words(card)).toContain(`${stage.kqueen.url}/slack/install`);
    expect(words(card)).toContain('KQueen is kqueen in First (T1)');
    expect(stage.cloud.violations).toEqual([]);
  });
});

test('what it writes is a table as wide as the terminal, and blots out what looks like a credential', () => {
  const text = doctorText(
    [
      { part: 'Store', check: 'change', verdict: 'fine', means: 'It is fine.' },
      {
        part: 'Slack',
        check: 'token',
        verdict: 'broken',
        means: `It is ${'long '.repeat(30)}.`,
        fix: 'Not xoxb-1234567890-abcdef.',
      },
    ],
    80,
  );
  const lines = text.split('\n');
  expect(lines[0]).toMatch(/^Result +What +Meaning$/);
  expect(lines[1]).toMatch(/^BROKEN +Slack, token +It is long/);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  expect(text).toContain('Do this: Not •••');
  expect(text).toMatch(/1 broken, 1 fine\.\n$/);
});
