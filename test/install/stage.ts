/** A KQueen that workspaces install themselves, in front of a Slack with two of them. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scopeNames } from '../../src/bot/slack/needs.ts';
import type { Settings } from '../../src/settings.ts';
import type { Page } from '../counterparts/slack/browser.ts';
import { type Browser, type CloudOptions, type SlackCloud, startSlackCloud } from '../counterparts/slack/cloud.ts';
import { eventually, freePort } from '../servers.ts';
import { startTestKQueen, type TestKQueen } from '../story/kqueen.ts';

export interface InstallStage {
  cloud: SlackCloud;
  kqueen: TestKQueen;
  clientSecret: string;
  dataDir: string;
  /** Goes through the pages as this person; the last page. */
  install(team: string, user: string, answer?: string): Promise<Page>;
  browser(team: string, user: string): Browser;
  /** Stops KQueen and starts it again on what it kept. */
  restart(): Promise<void>;
  /** Everything KQueen keeps on disk. */
  disk(): string;
  close(): Promise<void>;
}

export interface InstallOptions {
  mode?: 'http' | 'socket';
  app?: Partial<CloudOptions>;
  settings?: Partial<Settings>;
  workspaces?: readonly string[];
}

export async function openInstallStage(options: InstallOptions = {}): Promise<InstallStage> {
  const { mode = 'http' } = options;
  // The address of the redirect has to be known before KQueen listens.
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const clientSecret = randomBytes(16).toString('hex');
  const signingSecret = randomBytes(16).toString('hex');
  const appToken = `xapp-1-${randomBytes(8).toString('hex')}`;
  const cloud = await startSlackCloud({
    clientId: '12345.67890',
    clientSecret,
    signingSecret,
    redirectUrls: [`${url}/slack/oauth_redirect`],
    scopes: [...scopeNames],
    ...(mode === 'socket' ? { appToken } : {}),
    workspaces: [
      {
        team: 'T1',
        name: 'First',
        users: [
          { id: 'U1', name: 'ada' },
          { id: 'U2', name: 'grace' },
        ],
        channels: [{ id: 'C1', name: 'clusters' }],
      },
      {
        team: 'T2',
        name: 'Second & <Co>',
        users: [
          { id: 'U1', name: 'linus' },
          { id: 'U3', name: 'mel' },
        ],
        channels: [{ id: 'C1', name: 'clusters' }],
      },
    ],
    ...options.app,
  });
  const dataDir = mkdtempSync(join(tmpdir(), 'kqueen-install-'));
  const settings: Partial<Settings> = {
    dataDir,
    http: { host: '127.0.0.1', port },
    publicUrl: url,
    slack: {
      oauth: {
        clientId: '12345.67890',
        clientSecret,
        ...(options.workspaces === undefined ? {} : { workspaces: options.workspaces }),
      },
      apiUrl: cloud.apiUrl,
      ...(mode === 'socket' ? { appToken } : { signingSecret }),
    },
    sandbox: { on: false, speed: 1, port: 0 },
    ...options.settings,
  };
  const stage: InstallStage = {
    cloud,
    kqueen: await startTestKQueen(settings),
    clientSecret,
    dataDir,
    browser: (team, user) => cloud.browser(team, user),
    async install(team, user, answer = 'Allow') {
      const browser = cloud.browser(team, user);
      const asked = await browser.press(await browser.open(`${url}/slack/install`), 'Add to Slack');
      return await browser.press(asked, answer);
    },
    async restart() {
      await stage.kqueen.end();
      const { lines } = stage.kqueen.log;
      stage.kqueen = await startTestKQueen(settings);
      stage.kqueen.log.lines.unshift(...lines);
      // Connections that were kept from before are found dead one by one.
      await eventually('it listens', async () => {
        const looks = await Promise.allSettled([1, 2, 3, 4].map(() => fetch(`${url}/healthz`)));
        return looks.every(({ status }) => status === 'fulfilled');
      });
    },
    disk() {
      const files = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
      return files.map((file) => readFileSync(join(file.parentPath, file.name)).toString('latin1')).join('\n');
    },
    async close() {
      await stage.kqueen.end();
      await cloud.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  if (mode === 'http') cloud.deliverTo(`${url}/slack/events`);
  return stage;
}
