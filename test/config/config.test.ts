import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Config, ConfigError, type Problem, readConfig } from '../../src/config.ts';
import { type Option, options } from '../../src/config-options.ts';
import type { Settings } from '../../src/settings.ts';
import { makeTestCertificate } from '../certificate.ts';

const key = Buffer.alloc(32, 7).toString('base64');
const tenant = '11111111-2222-3333-4444-555555555555';
const app = '99999999-8888-7777-6666-555555555555';
const etcd = { KQUEEN_ETCD_HOSTS: 'http://127.0.0.1:2379', KQUEEN_SECRET_KEYS: key };
const shared = { ...etcd, KQUEEN_REDIS_URL: 'redis://127.0.0.1:6379' };
const slack = { SLACK_BOT_TOKEN: 'xoxb-1-abc', SLACK_SIGNING_SECRET: 'f00f00f00f00', KQUEEN_SECRET_KEYS: key };
const teams = {
  MicrosoftAppId: app,
  MicrosoftAppPassword: 'pass word~1',
  MicrosoftAppTenantId: tenant,
  KQUEEN_SECRET_KEYS: key,
};

/** The problems of a configuration; fails when there are none. */
function problemsOf(env: Record<string, string>, roles: string[] = []): readonly Problem[] {
  try {
    readConfig(env, roles);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('no problem was found');
}

function namesOf(env: Record<string, string>, roles: string[] = []): string[] {
  return problemsOf(env, roles).map(({ name }) => name);
}

describe('nothing configured', () => {
  it('is a whole KQueen on loopback with embedded defaults and the sandbox', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      roles: { bot: true, worker: true },
      org: 'default',
      local: true,
      development: false,
      http: { host: '127.0.0.1', port: 3000 },
      store: { prefix: '/kqueen', historyMs: 3_600_000 },
      sandbox: { on: true, speed: 1, port: 3443 },
      limits: { approvalMs: 86_400_000, provisionMs: 3_600_000 },
      healthIntervalMs: 60_000,
      retention: { auditMs: 400 * 86_400_000, jobMs: 90 * 86_400_000 },
      bootstrapAdmins: [],
      approvals: [],
      metrics: { from: ['127.0.0.0/8', '::1/128'] },
      warnings: [],
    });
    for (const absent of ['slack', 'teams', 'redisUrl', 'publicUrl', 'engines'])
      expect(config).not.toHaveProperty(absent);
    expect(config.store).not.toHaveProperty('secretKeys');
  });

  it('is what empty variables mean, too, as compose files set them', () => {
    const empty = Object.fromEntries(Object.keys(options).map((name) => [name, ' ']));
    expect(readConfig(empty)).toEqual(readConfig({}));
  });

  it('has what a process needs but for its terminal and version', () => {
    const settings: Settings = { ...readConfig({}), version: '0.0.0' };
    expect(settings.dataDir).toMatch(/^\/.*\.kqueen$/);
  });
});

describe('values', () => {
  it.each([
    ['KQUEEN_PROVISIONER_TIMEOUT', '3600', (c: Config) => c.limits.provisionMs, 3_600_000],
    ['KQUEEN_PROVISIONER_TIMEOUT', '1h30m', (c: Config) => c.limits.provisionMs, 5_400_000],
    ['KQUEEN_APPROVAL_TIMEOUT', '2d', (c: Config) => c.limits.approvalMs, 172_800_000],
    ['KQUEEN_PORT', '0', (c: Config) => c.http.port, 0],
    ['KQUEEN_PUBLIC_URL', 'https://kq.example.com/', (c: Config) => c.publicUrl, 'https://kq.example.com'],
    ['KQUEEN_PUBLIC_URL', 'http://127.0.0.1:3000', (c: Config) => c.publicUrl, 'http://127.0.0.1:3000'],
    ['KQUEEN_PUBLIC_URL', 'http://[::1]:3000', (c: Config) => c.publicUrl, 'http://[::1]:3000'],
    ['KQUEEN_SANDBOX', 'off', (c: Config) => c.sandbox.on, false],
    ['KQUEEN_SANDBOX_SPEED', '0.5', (c: Config) => c.sandbox.speed, 0.5],
    ['KQUEEN_HISTORY', '0', (c: Config) => c.store.historyMs, 0],
    ['KQUEEN_ENGINE_WHITELIST', 'sandbox', (c: Config) => c.engines, ['sandbox']],
    [
      'KQUEEN_PROMETHEUS_WHITELIST',
      '10.0.0.0/8, 192.168.1.7',
      (c: Config) => c.metrics.from,
      ['10.0.0.0/8', '192.168.1.7'],
    ],
    ['KQUEEN_METRICS_TOKEN', 'mytruepass-is-long', (c: Config) => c.metrics.token, 'mytruepass-is-long'],
    [
      'KQUEEN_BOOTSTRAP_ADMINS',
      `slack:T1:U1,teams:${tenant}:${app},terminal:ada`,
      (c: Config) => c.bootstrapAdmins,
      ['slack:T1:U1', `teams:${tenant}:${app}`, 'terminal:ada'],
    ],
    ['KQUEEN_SECRET_KEYS', `${key},${'ab'.repeat(32)}`, (c: Config) => c.store.secretKeys, `${key},${'ab'.repeat(32)}`],
  ] as const)('%s=%s is read', (name, value, pick, expected) => {
    expect(pick(readConfig({ [name]: value }))).toEqual(expected);
  });

  it.each([
    ['KQUEEN_PROVISIONER_TIMEOUT', 'abc'],
    ['KQUEEN_PROVISIONER_TIMEOUT', '-5'],
    ['KQUEEN_PROVISIONER_TIMEOUT', '0'],
    ['KQUEEN_APPROVAL_TIMEOUT', '1y'],
    ['KQUEEN_PORT', '65536'],
    ['KQUEEN_PORT', '3000.5'],
    ['KQUEEN_PORT', '0x10'],
    ['KQUEEN_LOG_LEVEL', 'loud'],
    ['KQUEEN_SANDBOX', 'true'],
    ['KQUEEN_SANDBOX', 'mytruepass'],
    ['KQUEEN_SANDBOX_SPEED', '0'],
    ['KQUEEN_SANDBOX_SPEED', '-1'],
    ['KQUEEN_DEVELOPMENT', '1'],
    ['KQUEEN_PUBLIC_URL', 'http://kq.example.com'],
    ['KQUEEN_PUBLIC_URL', 'kq.example.com'],
    ['KQUEEN_PUBLIC_URL', 'https://kq.example.com/?a=b'],
    ['KQUEEN_PUBLIC_URL', 'javascript:alert(1)'],
    ['KQUEEN_PROMETHEUS_WHITELIST', '10.0.0.0/33'],
    ['KQUEEN_PROMETHEUS_WHITELIST', '10.0.0.0/8,,::1'],
    ['KQUEEN_PROMETHEUS_WHITELIST', 'everywhere'],
    ['KQUEEN_BOOTSTRAP_ADMINS', 'ada'],
    ['KQUEEN_BOOTSTRAP_ADMINS', 'slack:T1'],
    ['KQUEEN_APPROVALS', 'slack:T1:C1'],
    ['KQUEEN_ENGINE_WHITELIST', 'no-such-engine'],
    ['KQUEEN_ETCD_PREFIX', 'kqueen/'],
    ['KQUEEN_ORGANIZATION', 'a/b'],
    ['KQUEEN_SECRET_KEYS', 'short'],
    ['KQUEEN_SECRET_KEYS', `${key},${key}`],
    ['KQUEEN_HOST', 'a b'],
  ])('%s=%s is refused by name', (name, value) => {
    expect(namesOf({ [name]: value })).toEqual([name]);
  });

  it('says what a wrong value is and what it must be, in one line', () => {
    expect(problemsOf({ KQUEEN_PROVISIONER_TIMEOUT: 'abc' })[0]?.message).toBe(
      'must be a duration such as 90s, 30m, 1h or 2d (a bare number counts as seconds), from 1s to 30d; it is "abc"',
    );
    expect(problemsOf({ KQUEEN_PORT: `1\n${'2'.repeat(99)}\u202e` })[0]?.message).not.toMatch(/[\n\u202e]|2{60}/);
    expect(problemsOf({ KQUEEN_PROMETHEUS_WHITELIST: '::1,nowhere' })[0]?.message).toMatch(
      /value 2 of 2 \("nowhere"\)/,
    );
  });
});

describe('rules across variables', () => {
  it('refuses split roles without both etcd and Redis', () => {
    for (const role of ['bot', 'worker']) {
      expect(namesOf({}, [role])).toEqual(['KQUEEN_ETCD_HOSTS', 'KQUEEN_REDIS_URL']);
      expect(namesOf(etcd, [role])).toEqual(['KQUEEN_REDIS_URL']);
      expect(readConfig(shared, [role]).roles).toEqual({ bot: role === 'bot', worker: role === 'worker' });
    }
    expect(readConfig({}, ['worker', 'bot']).roles).toEqual({ bot: true, worker: true });
    expect(namesOf({}, ['boss'])).toEqual(['roles']);
  });

  it('refuses Redis without etcd, and warns of etcd without Redis', () => {
    expect(namesOf({ KQUEEN_REDIS_URL: 'redis://h:6379' })).toEqual(['KQUEEN_REDIS_URL']);
    expect(readConfig(etcd).warnings.map(({ name }) => name)).toEqual(['KQUEEN_REDIS_URL']);
    expect(readConfig(shared)).toMatchObject({ warnings: [], redisUrl: 'redis://127.0.0.1:6379', local: false });
  });

  it('refuses production without keys for sealing', () => {
    for (const { KQUEEN_SECRET_KEYS: _, ...env } of [etcd, slack, teams]) {
      expect(namesOf(env)).toEqual(['KQUEEN_SECRET_KEYS']);
    }
    expect(problemsOf({ ...slack, KQUEEN_SECRET_KEYS: 'bad' }).map(({ name }) => name)).toEqual(['KQUEEN_SECRET_KEYS']);
  });

  it('reads etcd with its user and certificates, all of it or none', () => {
    const dir = mkdtempSync(join(tmpdir(), 'kqueen-config-'));
    try {
      const made = makeTestCertificate();
      const paths = Object.fromEntries(
        Object.entries(made).map(([name, pem]) => {
          writeFileSync(join(dir, name), pem);
          return [name, join(dir, name)];
        }),
      ) as Record<keyof typeof made, string>;
      const secure = {
        ...shared,
        KQUEEN_ETCD_HOSTS: 'https://a.example.com,https://b.example.com:12379',
        KQUEEN_ETCD_USERNAME: 'kqueen',
        KQUEEN_ETCD_PASSWORD: 'p@ss',
        KQUEEN_ETCD_CA_FILE: paths.ca,
        KQUEEN_ETCD_CERT_FILE: paths.cert,
        KQUEEN_ETCD_KEY_FILE: paths.key,
        KQUEEN_ETCD_QUOTA: '8Gi',
      };
      expect(readConfig(secure).store.etcd).toEqual({
        hosts: ['https://a.example.com:2379', 'https://b.example.com:12379'],
        username: 'kqueen',
        password: 'p@ss',
        ...made,
        quotaBytes: 8 * 2 ** 30,
      });
      expect(namesOf({ ...secure, KQUEEN_ETCD_KEY_FILE: '' })).toEqual(['KQUEEN_ETCD_KEY_FILE']);
      expect(namesOf({ ...secure, KQUEEN_ETCD_KEY_FILE: paths.cert })).toEqual(['KQUEEN_ETCD_KEY_FILE']);
      expect(namesOf({ ...secure, KQUEEN_ETCD_CA_FILE: join(dir, 'none') })).toEqual(['KQUEEN_ETCD_CA_FILE']);
      expect(namesOf({ ...secure, KQUEEN_ETCD_PASSWORD: '' })).toEqual(['KQUEEN_ETCD_PASSWORD']);
      expect(namesOf({ ...secure, KQUEEN_ETCD_HOSTS: 'https://a,http://b' })).toEqual(['KQUEEN_ETCD_HOSTS']);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('refuses etcd’s settings without etcd, and warns of a password in plain text', () => {
    expect(namesOf({ KQUEEN_ETCD_USERNAME: 'a', KQUEEN_ETCD_PASSWORD: 'b' })).toEqual([
      'KQUEEN_ETCD_USERNAME',
      'KQUEEN_ETCD_PASSWORD',
    ]);
    const open = { ...shared, KQUEEN_ETCD_HOSTS: 'etcd:2379', KQUEEN_ETCD_USERNAME: 'a', KQUEEN_ETCD_PASSWORD: 'b' };
    expect(readConfig(open).warnings.map(({ name }) => name)).toEqual(['KQUEEN_ETCD_PASSWORD']);
  });

  it('wants a whole Slack: token, and a way in', () => {
    expect(namesOf({ ...slack, SLACK_BOT_TOKEN: '' })).toEqual(['SLACK_BOT_TOKEN']);
    expect(namesOf({ ...slack, SLACK_SIGNING_SECRET: '' })).toEqual(['SLACK_SIGNING_SECRET']);
    expect(namesOf({ ...slack, SLACK_BOT_TOKEN: 'xoxp-user' })).toEqual(['SLACK_BOT_TOKEN']);
    expect(namesOf({ ...slack, SLACK_API_URL: 'http://slack.example.com/api/' })).toEqual(['SLACK_API_URL']);
    const socket = {
      ...slack,
      SLACK_SIGNING_SECRET: '',
      SLACK_APP_TOKEN: 'xapp-1-A-b',
      SLACK_API_URL: 'http://127.0.0.1:9/api',
    };
    expect(readConfig(socket)).toMatchObject({
      slack: { botToken: 'xoxb-1-abc', appToken: 'xapp-1-A-b', apiUrl: 'http://127.0.0.1:9/api/' },
      sandbox: { on: false },
      local: false,
    });
    expect(readConfig(slack).warnings.map(({ name }) => name)).toEqual(['KQUEEN_BOOTSTRAP_ADMINS']);
  });

  it('serves one workspace by its token, or many by installing, never both', () => {
    const { SLACK_BOT_TOKEN: _token, ...rest } = slack;
    const many = {
      ...rest,
      SLACK_CLIENT_ID: '123.456',
      SLACK_CLIENT_SECRET: 'c11e47c11e47',
      KQUEEN_PUBLIC_URL: 'https://kqueen.example.com',
    };
    const read = readConfig({ ...many, KQUEEN_SLACK_WORKSPACES: 'T1, T2' });
    expect(read.slack).toEqual({
      oauth: { clientId: '123.456', clientSecret: 'c11e47c11e47', workspaces: ['T1', 'T2'] },
      signingSecret: 'f00f00f00f00',
    });
    expect(read.warnings.map(({ name }) => name)).toEqual(['KQUEEN_BOOTSTRAP_ADMINS']);
    const open = readConfig(many);
    expect(open.slack?.oauth).not.toHaveProperty('workspaces');
    expect(open.warnings.map(({ name }) => name)).toEqual(['KQUEEN_SLACK_WORKSPACES', 'KQUEEN_BOOTSTRAP_ADMINS']);
    expect(namesOf({ ...many, SLACK_BOT_TOKEN: 'xoxb-1-abc' })).toEqual(['SLACK_BOT_TOKEN']);
    expect(namesOf({ ...many, SLACK_CLIENT_SECRET: '' })).toEqual(['SLACK_CLIENT_SECRET']);
    expect(namesOf({ ...many, SLACK_CLIENT_ID: '' })).toEqual(['SLACK_CLIENT_ID']);
    expect(namesOf({ ...many, SLACK_CLIENT_ID: 'A0123' })).toEqual(['SLACK_CLIENT_ID']);
    expect(namesOf({ ...many, KQUEEN_PUBLIC_URL: '' })).toEqual(['KQUEEN_PUBLIC_URL']);
    expect(namesOf({ ...many, SLACK_SIGNING_SECRET: '' })).toEqual(['SLACK_SIGNING_SECRET']);
    expect(readConfig({ ...many, SLACK_SIGNING_SECRET: '', SLACK_APP_TOKEN: 'xapp-1-A-b' }).slack?.oauth).toBeDefined();
    expect(namesOf({ ...slack, KQUEEN_SLACK_WORKSPACES: 'T1' })).toEqual(['KQUEEN_SLACK_WORKSPACES']);
  });

  it('hands no chat tokens to a worker, and says that it does not need them', () => {
    const worker = readConfig({ ...shared, ...slack, ...teams }, ['worker']);
    expect(worker).not.toHaveProperty('slack');
    expect(worker).not.toHaveProperty('teams');
    expect(worker.warnings.map(({ name }) => name)).toEqual(['SLACK_BOT_TOKEN', 'MicrosoftAppId']);
  });

  it('wants a whole Teams, and refuses an empty id that would turn authentication off', () => {
    expect(readConfig(teams).teams).toEqual({
      appId: app,
      appPassword: 'pass word~1',
      tenantId: tenant,
      appType: 'SingleTenant',
      development: false,
    });
    expect(namesOf({ ...teams, MicrosoftAppId: '' })).toEqual(['MicrosoftAppId']);
    expect(namesOf({ ...teams, MicrosoftAppId: '', KQUEEN_DEVELOPMENT: 'on' })).toEqual(['MicrosoftAppId']);
    expect(namesOf({ ...teams, MicrosoftAppTenantId: '' })).toEqual(['MicrosoftAppTenantId']);
    expect(namesOf({ ...teams, MicrosoftAppPassword: '' })).toEqual(['MicrosoftAppPassword']);
    expect(namesOf({ ...teams, MicrosoftAppType: 'UserAssignedMSI' })).toEqual(['MicrosoftAppPassword']);
    expect(namesOf({ ...teams, MicrosoftAppType: 'Some' })).toEqual(['MicrosoftAppType']);
    expect(
      readConfig({ ...teams, MicrosoftAppType: 'UserAssignedMSI', MicrosoftAppPassword: '' }).teams?.appPassword,
    ).toBe('');
  });

  it('takes the four addresses of a sovereign cloud, or none', () => {
    const addresses = {
      KQUEEN_TEAMS_OPENID_METADATA: 'https://login.botframework.azure.us/v1/.well-known/openidconfiguration',
      KQUEEN_TEAMS_TOKEN_ISSUER: 'https://api.botframework.us',
      KQUEEN_TEAMS_LOGIN: 'https://login.microsoftonline.us',
      KQUEEN_TEAMS_OAUTH_SCOPE: 'https://api.botframework.us',
    };
    expect(readConfig({ ...teams, ...addresses }).teams?.endpoints).toEqual({
      openIdMetadataUrl: addresses.KQUEEN_TEAMS_OPENID_METADATA,
      issuer: addresses.KQUEEN_TEAMS_TOKEN_ISSUER,
      loginUrl: addresses.KQUEEN_TEAMS_LOGIN,
      scope: addresses.KQUEEN_TEAMS_OAUTH_SCOPE,
    });
    expect(namesOf({ ...teams, ...addresses, KQUEEN_TEAMS_LOGIN: '' })).toEqual(['KQUEEN_TEAMS_LOGIN']);
  });

  it('turns the development switch on for loopback only', () => {
    expect(readConfig({ KQUEEN_DEVELOPMENT: 'on' }).teams).toMatchObject({ appId: '', development: true });
    expect(namesOf({ KQUEEN_DEVELOPMENT: 'on', KQUEEN_HOST: '0.0.0.0' })).toEqual(['KQUEEN_DEVELOPMENT']);
  });

  it('refuses a sandbox for each half of a split installation', () => {
    expect(namesOf({ ...shared, KQUEEN_SANDBOX: 'on' }, ['bot'])).toEqual(['KQUEEN_SANDBOX']);
    expect(readConfig(shared, ['bot']).sandbox.on).toBe(false);
    expect(readConfig({ ...slack, KQUEEN_SANDBOX: 'on' }).sandbox.on).toBe(true);
  });

  it('names places for approvals as the notifier knows them, and only in a chat that is configured', () => {
    const places = { KQUEEN_APPROVALS: 'slack:T1/C1,teams:19:abc@thread.tacv2' };
    expect(readConfig({ ...slack, ...teams, ...places }).approvals).toEqual([
      { chat: 'slack', workspace: 'T1', conversation: 'C1' },
      { chat: 'teams', workspace: tenant, conversation: '19:abc@thread.tacv2' },
    ]);
    expect(namesOf(places)).toEqual(['KQUEEN_APPROVALS', 'KQUEEN_APPROVALS']);
    expect(readConfig({ ...shared, ...places }, ['worker']).approvals).toEqual([]);
  });
});

describe('names', () => {
  it.each([
    ['KQUEEN_ETCD_HOST', 'KQUEEN_ETCD_HOSTS'],
    ['KQUEEN_PROVISIONNER_TIMEOUT', 'KQUEEN_PROVISIONER_TIMEOUT'],
    ['kqueen_port', 'KQUEEN_PORT'],
    ['MICROSOFT_APP_ID', 'MicrosoftAppId'],
    ['SlackBotToken', 'SLACK_BOT_TOKEN'],
  ])('%s is warned about, with %s as what was meant', (name, meant) => {
    expect(readConfig({ [name]: '1' }).warnings).toEqual([
      { name, message: `is not a setting of KQueen and does nothing; did you mean ${meant}?` },
    ]);
  });

  it('warns of unknown ones of ours without guessing, and leaves those of others alone', () => {
    const { warnings } = readConfig({ KQUEEN_JWT_REALM_OF_OLD: 'x', PATH: '/bin', SLACK_DEBUG: '1', KQUEEN_CI: '1' });
    expect(warnings).toEqual([
      { name: 'KQUEEN_JWT_REALM_OF_OLD', message: 'is not a setting of KQueen and does nothing' },
    ]);
  });
});

describe('all mistakes at once', () => {
  it('names every one in one error', () => {
    const env = { KQUEEN_PORT: 'x', KQUEEN_HEALTH_INTERVAL: 'y', MicrosoftAppPassword: 'z', KQUEEN_SANDBOX: 'on' };
    expect(namesOf(env, ['worker'])).toEqual([
      'KQUEEN_PORT',
      'KQUEEN_HEALTH_INTERVAL',
      'KQUEEN_ETCD_HOSTS',
      'KQUEEN_REDIS_URL',
      'MicrosoftAppId',
      'KQUEEN_SANDBOX',
    ]);
  });

  it('never repeats a secret, however wrong it is, nor a password in an address', () => {
    const secrets = Object.entries<Option>(options).flatMap(([name, { secret }]) => (secret ? [name] : []));
    const withAddress = ['KQUEEN_ETCD_HOSTS', 'KQUEEN_PUBLIC_URL', 'KQUEEN_BACKUP_URL', 'SLACK_API_URL'];
    expect(secrets).toEqual([
      'KQUEEN_ETCD_PASSWORD',
      'KQUEEN_SECRET_KEYS',
      'KQUEEN_REDIS_URL',
      'KQUEEN_BACKUP_S3_SECRET',
      'KQUEEN_BACKUP_AZURE_KEY',
      'KQUEEN_METRICS_TOKEN',
      'SLACK_BOT_TOKEN',
      'SLACK_CLIENT_SECRET',
      'SLACK_SIGNING_SECRET',
      'SLACK_APP_TOKEN',
      'MicrosoftAppPassword',
    ]);
    const canary = fc
      .string({ minLength: 6, maxLength: 40, unit: fc.constantFrom(...'abcXYZ019_,:/@ ') })
      .map((text) => `c4n4ry${text}`);
    fc.assert(
      fc.property(fc.constantFrom(...secrets, ...withAddress), canary, (name, value) => {
        const text = withAddress.includes(name) ? `https://user:${value}@host` : value;
        try {
          const { warnings } = readConfig({ [name]: text });
          expect(JSON.stringify(warnings)).not.toContain('c4n4ry');
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect(`${error} ${JSON.stringify(error)}`).not.toContain('c4n4ry');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never throws anything but a ConfigError, whatever the values are', () => {
    const name = fc.constantFrom(...Object.keys(options));
    fc.assert(
      fc.property(fc.dictionary(name, fc.string({ maxLength: 200, unit: 'grapheme' })), (env) => {
        try {
          readConfig(env, [], { readFile: () => 'nothing' });
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
