/** Installing KQueen in Slack workspaces: through the pages, by a browser that keeps cookies, against a Slack that holds to OAuth v2. */
import { afterEach, describe, expect, test } from 'vitest';
import { createStateStore } from '../../src/bot/slack/install-state.ts';
import { words } from '../counterparts/slack/index.ts';
import { eventually } from '../servers.ts';
import { type InstallOptions, type InstallStage, openInstallStage } from './stage.ts';

const org = 'default';
let stage: InstallStage;

async function open(options?: InstallOptions): Promise<InstallStage> {
  stage = await openInstallStage(options);
  return stage;
}

afterEach(async () => {
  const secrets = [...stage.cloud.everyToken(), stage.clientSecret];
  const { log } = stage.kqueen;
  await stage.close();
  for (const secret of secrets) expect(log.lines.join('\n')).not.toContain(secret);
  expect(stage.cloud.violations).toEqual([]);
});

async function audit(action: string) {
  const { items } = await stage.kqueen.store.page('audit', org, { limit: 500 });
  return items.map(({ record }) => record).filter((each) => each.action === action);
}

async function installedTeams(): Promise<string[]> {
  const { items } = await stage.kqueen.store.page('installation', org, { limit: 10 });
  return items.map(({ record }) => record.workspace).sort();
}

/** What the person reads in answer to a command; '' while there is nothing. */
async function asked(team: string, user: string, text: string): Promise<string> {
  const slack = stage.cloud.workspace(team);
  const outcome = await slack.user(user).command('/kqueen', text, { channel: 'C1' });
  expect(outcome).toMatchObject({ status: 200, error: undefined });
  const mine = [...outcome.shown(), ...slack.ephemeral('C1', user)];
  return mine.map(words).join('\n');
}

describe('a workspace that installs KQueen', () => {
  test('two of them, through the pages: each is served with its own token, and the very first installer is the first admin', async () => {
    const { cloud, kqueen } = await open();
    const first = await stage.install('T1', 'U1');
    expect(first).toMatchObject({ status: 200 });
    expect(first.text).toContain('KQueen is in First');
    expect(first.text).toContain('you are its first one');
    const second = await stage.install('T2', 'U1');
    expect(second.text).toContain('KQueen is in Second & <Co>');
    expect(second.text).not.toContain('first one');
    expect(second.html).not.toContain('<Co>');

    for (const team of ['T1', 'T2']) {
      const slack = cloud.workspace(team);
      await slack.sees(slack.user('U1').dm, /KQueen is installed/);
      expect(await asked(team, 'U1', 'whoami')).toContain(`slack:${team}:U1`);
    }
    expect(await asked('T1', 'U1', 'whoami')).toContain('superadmin');
    expect(await asked('T2', 'U1', 'whoami')).toContain('member');
    expect(cloud.token('T1')).not.toBe(cloud.token('T2'));

    const { items } = await kqueen.store.page('person', org, { limit: 10 });
    expect(items.map(({ record }) => [record.id, record.role])).toContainEqual(['slack:T1:U1', 'superadmin']);
    expect(await audit('workspace.install')).toMatchObject([
      { who: 'slack:T1:U1', subject: 'First' },
      { who: 'slack:T2:U1', subject: 'Second & <Co>' },
    ]);
    expect(await audit('person.role')).toMatchObject([
      { who: 'slack:T1:U1', reason: 'installed KQueen in its first workspace while it had no admin' },
    ]);
    expect(await (await fetch(`${kqueen.url}/readyz`)).text()).toBe('ready\n');
    for (const token of cloud.everyToken()) {
      expect(stage.disk()).not.toContain(token);
      expect(first.html + second.html).not.toContain(token);
      for (const team of ['T1', 'T2']) expect(cloud.workspace(team).emitted()).not.toContain(token);
    }
  });

  test('a job that is asked for in one is told there, and its request for approval goes to the admin in the other', async () => {
    const { cloud } = await open({ settings: { sandbox: { on: true, speed: 200, port: 0 } } });
    await stage.install('T1', 'U1');
    await stage.install('T2', 'U1');
    const [first, second] = [cloud.workspace('T1'), cloud.workspace('T2')];
    const line = 'cluster create dev-1 on sandbox region=sandbox-north size=small version=1.34 nodes=1';
    await second.user('U3').direct(line);
    await second.sees(second.user('U3').dm, /Create cluster dev-1: waiting for approval/, { ms: 10_000 });
    const request = await first.sees(first.user('U1').dm, /your decision is asked/, { ms: 10_000 });
    await first.user('U1').click(request, { text: 'Approve' });
    await second.sees(second.user('U3').dm, /Cluster dev-1 is ready/, { ms: 25_000 });
    expect(first.messages('C1')).toEqual([]);
  });

  test('is served again after a restart, without being asked anything', async () => {
    const { cloud } = await open();
    await stage.install('T1', 'U1');
    await stage.install('T2', 'U1');
    await stage.restart();
    expect(await asked('T2', 'U3', 'whoami')).toContain('slack:T2:U3');
    await cloud.workspace('T1').user('U2').direct('whoami');
    await cloud.workspace('T1').sees(cloud.workspace('T1').user('U2').dm, /slack:T1:U2/);
  });

  test('is reached through Socket Mode by one app token for all', async () => {
    const { cloud } = await open({ mode: 'socket' });
    await eventually('a connection', () => cloud.socket.connections >= 1);
    await stage.install('T1', 'U1');
    await stage.install('T2', 'U1');
    expect(await asked('T1', 'U1', 'whoami')).toContain('slack:T1:U1');
    expect(await asked('T2', 'U3', 'whoami')).toContain('slack:T2:U3');
    await cloud.uninstall('T2');
    await eventually('it is gone', async () => (await installedTeams()).join() === 'T1');
    expect(await asked('T2', 'U3', 'whoami')).toContain('has not installed KQueen');
  });

  test('with an admin in the configuration no installer becomes one', async () => {
    await open({ settings: { bootstrapAdmins: ['slack:T1:U2'] } });
    expect((await stage.install('T1', 'U1')).text).not.toContain('first one');
    expect(await asked('T1', 'U1', 'whoami')).toContain('member');
    expect(await asked('T1', 'U2', 'whoami')).toContain('superadmin');
  });

  test('nobody becomes the first admin twice, whatever becomes of the first', async () => {
    const { kqueen, cloud } = await open();
    await stage.install('T1', 'U1');
    await kqueen.store.commit([{ op: 'delete', ref: { kind: 'person', org, id: 'slack:T1:U1' } }]);
    await cloud.uninstall('T1');
    await eventually('it is gone', async () => (await installedTeams()).length === 0);
    expect((await stage.install('T2', 'U1')).text).not.toContain('first one');
    expect(await asked('T2', 'U1', 'whoami')).toContain('member');
  });
});

describe('a workspace that leaves', () => {
  test('its port goes, the other stays; who still calls is told; and it can come back with another token', async () => {
    const { cloud, kqueen } = await open();
    await stage.install('T1', 'U1');
    await stage.install('T2', 'U1');
    const before = cloud.token('T2');
    expect((await cloud.uninstall('T2')).map(({ status }) => status)).toEqual([200, 200]);
    await eventually('it is gone', async () => (await installedTeams()).join() === 'T1');
    expect(await kqueen.store.get({ kind: 'secret', org, id: 'slack.T2' })).toBeUndefined();
    expect(await audit('workspace.uninstall')).toMatchObject([{ who: 'slack', subject: 'Second & <Co>' }]);
    const calls = cloud.workspace('T2').calls.length;
    const told = await asked('T2', 'U1', 'clusters');
    expect(told).toContain('has not installed KQueen');
    expect(told).toContain('/slack/install');
    expect(cloud.workspace('T2').calls.length).toBe(calls);
    expect(await asked('T1', 'U1', 'whoami')).toContain('slack:T1:U1');
    await eventually('its notifier has let go', async () => {
      return (await kqueen.store.get({ kind: 'claim', org, id: 'posts.slack.T2' })) === undefined;
    });

    await stage.install('T2', 'U3');
    expect(cloud.token('T2')).not.toBe(before);
    expect(await asked('T2', 'U3', 'whoami')).toContain('slack:T2:U3');
    expect((await audit('workspace.install')).map(({ who }) => who)).toEqual([
      'slack:T1:U1',
      'slack:T2:U1',
      'slack:T2:U3',
    ]);
  });

  test.each(['token_revoked', 'account_inactive'])(
    'is let go as soon as Slack says %s, without an event',
    async (word) => {
      const { cloud } = await open();
      await stage.install('T1', 'U1');
      await stage.install('T2', 'U1');
      cloud.revoke('T2', word);
      await cloud.workspace('T2').user('U3').command('/kqueen', 'whoami', { channel: 'C1' });
      await eventually('it is gone', async () => (await installedTeams()).join() === 'T1');
      expect(await audit('workspace.uninstall')).toMatchObject([{ subject: 'Second & <Co>' }]);
      expect(await asked('T1', 'U1', 'whoami')).toContain('slack:T1:U1');
    },
  );

  test('an uninstall of long ago that comes late does not end the installation of now', async () => {
    const { cloud } = await open();
    await stage.install('T1', 'U1');
    await cloud.workspace('T1').event({ type: 'app_uninstalled' });
    await cloud.workspace('T1').event({ type: 'tokens_revoked', tokens: { oauth: ['U9'] } });
    await cloud.workspace('T1').event({ type: 'tokens_revoked', tokens: { bot: ['U0KQUEEN'] } });
    expect(await installedTeams()).toEqual(['T1']);
    expect(await asked('T1', 'U1', 'whoami')).toContain('slack:T1:U1');
  });

  test('installing over what is there takes the new token, and the old one ends nothing', async () => {
    const { cloud } = await open();
    await stage.install('T1', 'U1');
    const before = cloud.token('T1');
    await stage.install('T1', 'U2');
    expect(cloud.token('T1')).not.toBe(before);
    expect(await asked('T1', 'U2', 'whoami')).toContain('slack:T1:U2');
    expect(await installedTeams()).toEqual(['T1']);
    expect(cloud.workspace('T1').calls.filter(({ answer }) => answer.error === 'token_revoked')).toEqual([]);
  });
});

describe('tokens that Slack rotates', () => {
  test('are renewed before they end, on disk too, and calls go on with the new one', async () => {
    const { cloud, kqueen } = await open({ app: { rotates: true, expiresIn: 3_600 } });
    const access = () => cloud.workspace('T1').calls.filter(({ method }) => method === 'oauth.v2.access');
    cloud.app.expiresIn = 3_600;
    await stage.install('T1', 'U1');
    cloud.app.expiresIn = 43_200;
    await eventually('it is renewed', () => access().length >= 2);
    const first = access()[0]?.answer.access_token;
    expect(cloud.token('T1')).not.toBe(first);
    expect(await asked('T1', 'U1', 'whoami')).toContain('slack:T1:U1');
    await cloud.workspace('T1').user('U2').direct('whoami');
    await cloud.workspace('T1').sees(cloud.workspace('T1').user('U2').dm, /slack:T1:U2/);
    const renewed = kqueen.log.lines.filter((line) => line.includes('a Slack token was renewed'));
    expect(renewed.length).toBeGreaterThanOrEqual(1);
    await stage.restart();
    expect(await asked('T1', 'U1', 'whoami')).toContain('slack:T1:U1');
    for (const { answer } of access()) {
      for (const secret of [answer.access_token, answer.refresh_token]) expect(stage.disk()).not.toContain(secret);
    }
  });
});

describe('what is refused', () => {
  const nothing = async () => {
    expect(await installedTeams()).toEqual([]);
    expect(stage.cloud.workspace('T1').calls.filter(({ method }) => method === 'oauth.v2.access')).toEqual([]);
  };

  test('a denied consent', async () => {
    await open();
    const page = await stage.install('T1', 'U1', 'Cancel');
    expect(page.text).toContain('You did not allow it');
    await nothing();
  });

  test('a state in another browser than it was given to: a link that somebody was sent', async () => {
    const { kqueen } = await open();
    const thief = stage.browser('T2', 'U3');
    const asked = await thief.press(await thief.open(`${kqueen.url}/slack/install`), 'Add to Slack');
    const victim = stage.browser('T1', 'U1');
    const page = await victim.press(await victim.open(asked.url), 'Allow');
    expect(page.status).toBe(400);
    expect(page.text).toContain('did not begin in this browser');
    await nothing();
  });

  test('a state that was used, expired, changed, made by somebody else, or is missing', async () => {
    const { kqueen, cloud, clientSecret } = await open();
    const cookie = '__Host-kqueen-slack-install';
    const come = async (state: string | null, code = 'c0de') => {
      const browser = stage.browser('T1', 'U1');
      if (state !== null) browser.signIn(kqueen.url, cookie, state);
      const query = new URLSearchParams(state === null ? { code } : { code, state });
      return await browser.open(`${kqueen.url}/slack/oauth_redirect?${query}`);
    };
    const made = async (secret: string, at: number) => {
      const parts = {
        clientSecret: secret,
        store: kqueen.store,
        org,
        clock: { now: () => at, sleep: async () => undefined },
        newId: () => 'x',
        asks: { scopes: [] },
      };
      return await createStateStore(parts).generateStateParam({ scopes: [] }, new Date());
    };
    const good = await made(clientSecret, Date.now());
    for (const state of [
      await made(clientSecret, Date.now() - 601_000),
      await made(clientSecret, Date.now() + 3_600_000),
      await made('another secret', Date.now()),
      good.replace(/^./, (first) => (first === 'a' ? 'b' : 'a')),
      good.slice(0, -1),
      `${good}.x`,
      'nonsense',
      '',
      null,
    ]) {
      const page = await come(state);
      expect([page.status, page.text], String(state)).toEqual([400, expect.stringContaining('Nothing was done')]);
    }
    await nothing();

    const browser = stage.browser('T1', 'U1');
    const asked = await browser.press(await browser.open(`${kqueen.url}/slack/install`), 'Add to Slack');
    const state = browser.cookies(kqueen.url).get(cookie) ?? '';
    await browser.press(asked, 'Allow');
    expect(await installedTeams()).toEqual(['T1']);
    expect(browser.cookies(kqueen.url).get(cookie)).toBeUndefined();
    const again = await come(state);
    expect(again.status).toBe(400);
    expect(cloud.workspace('T1').calls.filter(({ method }) => method === 'oauth.v2.access')).toHaveLength(1);
    expect(kqueen.log.lines.join('\n')).not.toContain(state);
  });

  test('a code that Slack does not know', async () => {
    const { kqueen } = await open();
    const browser = stage.browser('T1', 'U1');
    await browser.open(`${kqueen.url}/slack/install`);
    const state = browser.cookies(kqueen.url).get('__Host-kqueen-slack-install') ?? '';
    const page = await browser.open(
      `${kqueen.url}/slack/oauth_redirect?${new URLSearchParams({ code: 'c0de', state })}`,
    );
    expect(page.status).toBe(502);
    expect(page.text).toContain('Slack did not hand out its token');
    expect(await installedTeams()).toEqual([]);
  });

  test('a whole organisation at once; what Slack had granted is given back', async () => {
    const { cloud } = await open();
    const page = await stage.install('T1', 'U1', 'Allow everywhere');
    expect(page.status).toBe(403);
    expect(page.text).toContain('not in a whole organisation');
    expect(await installedTeams()).toEqual([]);
    expect(cloud.token('T1')).toBe('');
  });

  test('a workspace that is not on the list; those on it are served', async () => {
    const { cloud } = await open({ workspaces: ['T2'] });
    const page = await stage.install('T1', 'U1');
    expect(page.status).toBe(403);
    expect(page.text).toContain('KQUEEN_SLACK_WORKSPACES');
    expect(cloud.token('T1')).toBe('');
    expect((await stage.install('T2', 'U1')).text).toContain('first one');
    expect(await installedTeams()).toEqual(['T2']);
  });

  test('commands and events of a workspace that never installed it, without a call to Slack', async () => {
    const { cloud, kqueen } = await open();
    expect(await asked('T1', 'U1', 'clusters')).toContain('has not installed KQueen');
    await cloud.workspace('T1').user('U1').direct('clusters');
    await cloud.workspace('T1').user('U1').mention('C1', 'clusters');
    expect(cloud.workspace('T1').calls).toEqual([]);
    const told = kqueen.log.lines.filter((line) => line.includes('in which KQueen is not installed'));
    expect(told).toHaveLength(3);
  });

  test('other methods, and addresses beyond all measure', async () => {
    const { kqueen } = await open();
    expect((await fetch(`${kqueen.url}/slack/install`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${kqueen.url}/slack/oauth_redirect?code=${'x'.repeat(5_000)}`)).status).toBe(414);
    const page = await fetch(`${kqueen.url}/slack/install`);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page.headers.get('set-cookie')).toMatch(
      /^__Host-kqueen-slack-install=\S+; Secure; HttpOnly; Path=\/; Max-Age=600$/,
    );
  });
});
