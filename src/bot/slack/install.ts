/**
 * Installing by OAuth v2: `GET /slack/install` and `/slack/oauth_redirect`, by Slack's own InstallProvider (docs.slack.dev/authentication/installing-with-oauth).
 * Ours are the state, where installations are kept, whom we refuse, and the pages.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Installation, Logger } from '@slack/bolt';
import { asFault, Fault } from '../../core/errors.ts';
import type { Clock, NewId } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Store } from '../../core/ports/store.ts';
import { clientOptions, createApi, type SlackCall } from './api.ts';
import { addPage, pageHeaders, sendPage, sendWelcome } from './install-pages.ts';
import { createStateStore, invalidState, stateLifeMs } from './install-state.ts';
import type { Granted, Installations } from './installations.ts';
import { scopeNames } from './needs.ts';
import { oneLine } from './text.ts';

export const installPath = '/slack/install';
export const redirectPath = '/slack/oauth_redirect';

/** How the app identifies itself when it is installed. */
export interface OAuth {
  clientId: string;
  clientSecret: string;
  /** Our own address, without a slash at its end. */
  publicUrl: string;
  /** The workspaces (team ids) that may install it; absent: every one that Slack lets. */
  workspaces?: readonly string[];
}

export interface InstallOptions extends OAuth {
  installations: Installations;
  store: Store;
  org: string;
  clock: Clock;
  newId: NewId;
  log: Log;
  logger: Logger;
  /** Another place for Slack's Web API, ending in `/api/`; its authorisation page is then beside it, as it is with GovSlack. */
  apiUrl?: string;
  onCall?: (call: SlackCall) => void;
  /** Told when an installation is in the store; resolves when its workspace is served here. */
  installed(team: string, user: string, firstAdmin: boolean): Promise<void>;
}

/** Serves `GET` of the two paths. */
export type Installer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** `__Host-`: only this host can have set it, over TLS. */
const cookieName = '__Host-kqueen-slack-install';
const urlMax = 4_096;
/** Exchanges at once: each costs a call to Slack. */
const exchangesMax = 10;

/** Opens the installer; loads Bolt. */
export async function openInstaller(options: InstallOptions): Promise<Installer> {
  const { clientId, clientSecret, publicUrl, apiUrl, log, logger } = options;
  const bolt = await import('@slack/bolt');
  const redirectUri = `${publicUrl}${redirectPath}`;
  const asks = { scopes: [...scopeNames], redirectUri };
  /** What came of keeping an installation, until the person has been told. */
  const saved = new WeakMap<object, { firstAdmin: boolean; granted: Granted }>();
  const { installer } = new bolt.HTTPReceiver({
    // No event is received here: only the installer is taken from it.
    signingSecret: clientSecret,
    endpoints: [],
    clientId,
    clientSecret,
    redirectUri,
    scopes: asks.scopes,
    logger,
    installationStore: {
      async storeInstallation(installation) {
        const granted = grantedOf(installation as Installation);
        if (granted === null) throw new Fault('internal', 'Slack granted no bot token.');
        saved.set(installation, { ...(await options.installations.save(granted)), granted });
      },
      async fetchInstallation() {
        throw new Fault('unsupported', 'Tokens are read by each workspace for itself, never through the installer.');
      },
    },
    installerOptions: {
      redirectUriPath: redirectPath,
      stateStore: createStateStore({ ...options, asks }),
      stateCookieName: cookieName,
      stateCookieExpirationSeconds: stateLifeMs / 1_000,
      renderHtmlForInstallPath: addPage,
      clientOptions: clientOptions(options, 10_000),
      ...(apiUrl === undefined ? {} : { authorizationUrl: new URL('../oauth/v2/authorize', apiUrl).href }),
    },
  });
  if (installer === undefined) throw new Fault('internal', 'Slack’s installer could not be opened.');

  /** Whether it may be kept; if not, it is undone, and the person is told. */
  async function mayStay(installation: Installation, response: ServerResponse): Promise<boolean> {
    const problem = refusalOf(options, installation);
    if (problem === null) return true;
    await uninstall(options, installation);
    log.warn({ team: installation.team?.id, enterprise: installation.enterprise?.id }, 'an installation was refused');
    sendPage(response, 403, 'KQueen was not installed', [problem]);
    return false;
  }

  async function welcome(installation: object, response: ServerResponse): Promise<void> {
    const made = saved.get(installation);
    if (made === undefined) throw new Fault('internal', 'An installation was not kept.');
    const { firstAdmin, granted } = made;
    const { team, name, appId, user } = granted;
    log.info({ team, firstAdmin }, 'KQueen was installed in a Slack workspace');
    await options.installed(team, user, firstAdmin).catch((error: unknown) => {
      log.warn({ team, detail: asFault(error).detail }, 'a new workspace could not be greeted');
    });
    sendWelcome(response, { team, name, appId, firstAdmin });
  }

  async function callback(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
    await installer?.handleCallback(request, response, {
      afterInstallation: (installation) => mayStay(installation as Installation, response),
      successAsync: (installation) => welcome(installation, response),
      failure: (error) => failed(error, log, response),
    });
  }

  let exchanging = 0;
  return async (request, response) => {
    const url = request.url ?? '';
    const path = url.split('?')[0];
    if (url.length > urlMax) return sendPage(response, 414, 'That address is too long', ['Start again.']);
    if (path === installPath) {
      for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
      return await installer.handleInstallPath(request, response, undefined, asks);
    }
    if (exchanging >= exchangesMax) {
      response.setHeader('retry-after', '10');
      return sendPage(response, 503, 'Too many at once', ['Please start again in some seconds.']);
    }
    exchanging += 1;
    try {
      await callback(request, response);
    } finally {
      exchanging -= 1;
    }
  };
}

/** What Slack granted, as we keep it; null when there is no bot in one workspace. */
function grantedOf(installation: Installation): Granted | null {
  const { team, bot, appId, user } = installation;
  if (team === undefined || bot === undefined || bot.userId === undefined) return null;
  return {
    team: team.id,
    name: oneLine(team.name ?? team.id).slice(0, 80),
    appId: appId ?? '',
    botUser: bot.userId,
    scopes: bot.scopes,
    user: user.id,
    tokens: { bot: bot.token, ...(bot.refreshToken === undefined ? {} : { refresh: bot.refreshToken }) },
    ...(bot.expiresAt === undefined ? {} : { expiresAt: bot.expiresAt * 1_000 }),
  };
}

/** Why this installation is not kept, in words for the person in front of the browser; null when it is. */
function refusalOf(options: OAuth, installation: Installation): string | null {
  if (installation.isEnterpriseInstall === true) {
    return 'KQueen is installed in single workspaces, not in a whole organisation at once. Start again, and choose one workspace in Slack’s page.';
  }
  const granted = grantedOf(installation);
  if (granted === null) return 'Slack granted no bot token. The app has to be made from KQueen’s manifest.yml.';
  const missing = scopeNames.filter((name) => !granted.scopes.includes(name));
  if (missing.length > 0) {
    return `Slack did not grant: ${missing.join(', ')}. Bring the app’s manifest up to date with KQueen’s manifest.yml, then start again.`;
  }
  if (options.workspaces !== undefined && !options.workspaces.includes(granted.team)) {
    return `The workspace ${granted.name} (${granted.team}) may not use this KQueen. Who runs it can add it to KQUEEN_SLACK_WORKSPACES.`;
  }
  return null;
}

/** Gives back what is not kept, so that no token of ours is left over; a workspace that is served already keeps its app. */
async function uninstall(options: InstallOptions, installation: Installation): Promise<void> {
  const token = installation.bot?.token;
  if (token === undefined) return;
  try {
    if (installation.team !== undefined && (await options.installations.load(installation.team.id))) return;
    const api = await createApi({ ...options, token: () => token });
    await api.call('apps.uninstall', { client_id: options.clientId, client_secret: options.clientSecret });
  } catch (error) {
    options.log.warn({ detail: asFault(error).detail }, 'an installation that was refused could not be undone');
  }
}

/** Answers a callback that came to nothing. */
function failed(error: { code?: string; message: string }, log: Log, response: ServerResponse): void {
  if (response.headersSent) return;
  const again = `Start again at ${installPath}.`;
  const say = (status: number, text: string, next = again) =>
    sendPage(response, status, 'KQueen was not installed', [text, next]);
  if (error instanceof Fault) {
    log.error({ kind: error.kind, detail: error.detail }, 'KQueen could not be installed in a Slack workspace');
    say(503, error.message, error.next);
  } else if (error.code === 'slack_oauth_installer_authorization_error') {
    say(200, 'You did not allow it, so nothing was done.');
  } else if (badRequests.has(error.code ?? '')) {
    log.warn({ reason: error.message }, 'an installation was refused for its state');
    say(400, 'This did not begin in this browser, took longer than ten minutes, or was used before. Nothing was done.');
  } else {
    log.error({ reason: error.message }, 'Slack did not let KQueen be installed');
    say(502, 'Slack did not hand out its token. Who runs KQueen finds the reason in its log, and by its doctor.');
  }
}

/** Codes of @slack/oauth (errors.ts) for a callback that is not the end of what began here. */
const badRequests = new Set([invalidState, 'slack_oauth_missing_state', 'slack_oauth_missing_code']);
