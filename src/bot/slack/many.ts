/**
 * Slack in every workspace that has installed KQueen: one app, one port a workspace. A port appears when its workspace installs, on every replica, and goes
 * when the workspace uninstalls or Slack says that the token is dead.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { plainCard } from '../../core/card.ts';
import { createClaim } from '../../core/claim.ts';
import { asFault, Fault } from '../../core/errors.ts';
import { type ChatPort, PlaceGone } from '../../core/ports/chat.ts';
import type { Clock, NewId } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Cache, Sealer, Store } from '../../core/ports/store.ts';
import type { Handle } from '../inbound.ts';
import { createApi, type SlackCall } from './api.ts';
import { boltLogger, type Heard, openApp, type SlackApp, type Transport } from './app.ts';
import type { Followed } from './home.ts';
import { type Installer, installPath, type OAuth, openInstaller } from './install.ts';
import { createInstallations, type Installed } from './installations.ts';
import type { EventPayload } from './payloads.ts';
import { openWorkspace, type Workspace } from './workspace.ts';

export interface ManyOptions extends Transport {
  oauth: OAuth;
  handle: Handle;
  store: Store;
  cache: Cache;
  sealer: Sealer;
  org: string;
  newId: NewId;
  log: Log;
  clock: Clock;
  onCall?: (call: SlackCall) => void;
  followed?: Followed;
  /** A workspace is served from now on. */
  opened(port: ChatPort): void;
  /** It is served no longer. */
  closed(port: ChatPort): Promise<void>;
}

export interface ManySlack {
  /** Serves `POST /slack/events`; only in HTTP mode. Nobody may have read the request's body. */
  requestListener?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Serves `GET /slack/install` and `/slack/oauth_redirect`. */
  installer: Installer;
  heard: Heard;
  /** Opens the workspaces there are, and connects (Socket Mode). */
  start(): Promise<void>;
  stop(graceMs: number): Promise<void>;
  /** Throws a Fault while Slack cannot reach us. One workspace's dead token is no reason to be out of service for the others. */
  ready(): Promise<void>;
}

/** A token is renewed this long before it ends, as Slack's own libraries do. */
const renewBeforeMs = 2 * 3_600_000;
const lookEveryMs = 60_000;
const claimMs = 30_000;
/** An uninstall that Slack tells of this soon after an installation may be the one before it. */
const settledMs = 60_000;

interface Open {
  installed: Installed;
  workspace: Workspace;
}

/** Opens Slack for all workspaces; loads Bolt. Throws a Fault when neither a signing secret nor an app token is given. */
export async function openSlackForMany(options: ManyOptions): Promise<ManySlack> {
  const { oauth, store, cache, org, clock, newId, log } = options;
  const logger = await boltLogger(log);
  const installations = createInstallations(options);
  const open = new Map<string, Open>();
  /** One at a time for each workspace. */
  const turns = new Map<string, Promise<void>>();
  const background = new AbortController();
  let app: SlackApp | undefined;

  function inTurn(team: string, work: () => Promise<void>): Promise<void> {
    const before = turns.get(team) ?? Promise.resolve();
    const next = before.catch(() => undefined).then(work);
    turns.set(team, next);
    const done = () => {
      if (turns.get(team) === next) turns.delete(team);
    };
    next.then(done, done);
    return next;
  }

  function mayBeServed(team: string): boolean {
    return oauth.workspaces === undefined || oauth.workspaces.includes(team);
  }

  /** Brings a workspace to what the store says of it. */
  function sync(team: string): Promise<void> {
    return inTurn(team, async () => {
      const found = mayBeServed(team) ? await installations.load(team) : undefined;
      if (background.signal.aborted) return;
      const known = open.get(team);
      if (found === undefined) return await close(team);
      if (known !== undefined && known.installed.record.botUser === found.record.botUser) known.installed = found;
      else {
        await close(team);
        await openTeam(team, found);
      }
      await renewInTime(team);
    });
  }

  async function openTeam(team: string, installed: Installed): Promise<void> {
    const opening: { kept: Open | null } = { kept: null };
    const token = () => (opening.kept ?? { installed }).installed.tokens.bot;
    const workspace = await openWorkspace({
      ...options,
      token,
      logger,
      identity: { team, botUser: installed.record.botUser },
      log: log.child({ team }),
      linked: () => app?.linked() ?? false,
      onDead: () => inBackground(endIfDead(team, 'Slack says that its token is dead'), team),
    });
    opening.kept = { installed, workspace };
    open.set(team, opening.kept);
    log.info({ team }, 'a Slack workspace is served');
    options.opened(workspace.port);
  }

  async function close(team: string): Promise<void> {
    const known = open.get(team);
    if (known === undefined) return;
    open.delete(team);
    log.info({ team }, 'a Slack workspace is served no longer');
    await known.workspace.conversation.close();
    await options.closed(known.workspace.port);
  }

  function inBackground(work: Promise<void>, team: string): void {
    work.catch((error: unknown) =>
      log.warn(
        { team, detail: asFault(error).detail ?? asFault(error).message },
        'a Slack workspace was not brought up to date',
      ),
    );
  }

  /** Forgets the installation when Slack refuses its token for good; a new one that has come meanwhile stays. */
  function endIfDead(team: string, reason: string): Promise<void> {
    return inTurn(team, async () => {
      const found = await installations.load(team);
      if (found && (await isDead(found))) await forget(found, reason);
    });
  }

  async function isDead({ tokens }: Installed): Promise<boolean> {
    const verdict = { dead: false };
    const api = await createApi({
      ...options,
      token: () => tokens.bot,
      logger,
      onDead: () => {
        verdict.dead = true;
      },
    });
    try {
      await api.call('auth.test', {});
    } catch (error) {
      if (!verdict.dead && !(error instanceof Fault || error instanceof PlaceGone)) throw error;
    }
    return verdict.dead;
  }

  async function forget(installed: Installed, reason: string): Promise<void> {
    const team = installed.record.workspace;
    if (!(await installations.remove(installed, reason))) return;
    log.warn({ team, reason }, 'KQueen is no longer installed in a Slack workspace');
    await close(team);
  }

  /** `app_uninstalled`, or `tokens_revoked` with the bot's among them. */
  async function ended(team: string, { event, event_time: at }: EventPayload): Promise<void> {
    const reason = `Slack sent ${event.type}`;
    if (event.type === 'tokens_revoked' && !revokesBot(event)) return;
    await inTurn(team, async () => {
      const found = await installations.load(team);
      if (found === undefined) return;
      const settled = (at ?? 0) * 1_000 > found.record.installedAt + settledMs;
      const sure = event.type === 'app_uninstalled' && settled;
      if (sure || (await isDead(found))) await forget(found, reason);
      else log.warn({ team, event: event.type }, 'an uninstall is not believed: the token still works');
    });
  }

  /** Changes a token that will end soon for the next one, on one replica. Called in the workspace's turn. */
  async function renewInTime(team: string): Promise<void> {
    const known = open.get(team);
    if (known === undefined || !isDue(known.installed)) return;
    const claim = createClaim({ store, newId, org }, `slack-renew.${team}`, claimMs);
    if (!(await claim.hold())) return;
    try {
      const found = await installations.load(team);
      if (found === undefined) return;
      if (isDue(found)) known.installed = (await renewed(found)) ?? found;
      else known.installed = found;
    } finally {
      await claim.release();
    }
  }

  function isDue({ record, tokens }: Installed): boolean {
    return (
      tokens.refresh !== undefined && record.expiresAt !== undefined && record.expiresAt - clock.now() <= renewBeforeMs
    );
  }

  /** docs.slack.dev/authentication/using-token-rotation: the refresh token is spent by this, and a new one comes with the new token. */
  async function renewed(found: Installed): Promise<Installed | null> {
    const api = await createApi({ ...options, token: () => undefined, logger });
    const answer = await api.call('oauth.v2.access', {
      client_id: oauth.clientId,
      client_secret: oauth.clientSecret,
      grant_type: 'refresh_token',
      refresh_token: found.tokens.refresh,
    });
    const { access_token: bot, refresh_token: refresh, expires_in: seconds } = answer;
    if (typeof bot !== 'string' || typeof refresh !== 'string' || typeof seconds !== 'number') {
      throw new Fault('internal', 'Slack renewed a token, and its answer cannot be read.');
    }
    log.info({ team: found.record.workspace }, 'a Slack token was renewed');
    return await installations.renew(found, { bot, refresh }, clock.now() + seconds * 1_000);
  }

  /** What the watch may have missed, and tokens that will end soon. */
  async function look(): Promise<void> {
    while (!background.signal.aborted) {
      await clock.sleep(lookEveryMs, background.signal).catch(() => undefined);
      if (background.signal.aborted) return;
      for (const team of teams()) {
        const known = open.get(team);
        const seen = cache.get({ kind: 'installation', org, id: `slack.${team}` });
        const changed = seen?.tokensVersion !== known?.installed.record.tokensVersion;
        if (changed || (known !== undefined && isDue(known.installed))) inBackground(sync(team), team);
      }
    }
  }

  /** Workspaces that are installed, and those that are still open. */
  function teams(): string[] {
    const there = cache.query('installation', org, { limit: 10_000 }).items.map(({ workspace }) => workspace);
    return [...new Set([...there, ...open.keys()])];
  }

  const unsubscribe = cache.onChange(({ ref, before }) => {
    if (ref.kind !== 'installation' || ref.org !== org || background.signal.aborted) return;
    const team = ref.id.slice('slack.'.length);
    const version = cache.get({ kind: 'installation', org, id: ref.id })?.tokensVersion;
    if (before !== undefined && open.get(team)?.installed.record.tokensVersion === version) return;
    inBackground(sync(team), team);
  });

  const installer = await openInstaller({
    ...options,
    ...oauth,
    installations,
    logger,
    async installed(team, user, firstAdmin) {
      await sync(team);
      const port = open.get(team)?.workspace.port;
      if (port !== undefined) await greet(port, `slack:${team}:${user}`, firstAdmin, newId(16));
    },
  });
  app = await openApp({
    ...options,
    logger,
    workspaceOf: (team) => open.get(team)?.workspace ?? null,
    many: true,
    stranger: `This workspace has not installed KQueen, or has uninstalled it. It is installed at ${oauth.publicUrl}${installPath}`,
    ended,
  });
  const { requestListener, heard } = app;

  return {
    ...(requestListener === undefined ? {} : { requestListener }),
    installer,
    heard,
    async start() {
      const all = teams();
      for (const team of all.filter((each) => !mayBeServed(each))) {
        log.warn({ team }, 'a workspace is installed that is not in KQUEEN_SLACK_WORKSPACES: it is not served');
      }
      await Promise.all(
        all.map((team) => sync(team).catch((error: unknown) => inBackground(Promise.reject(error), team))),
      );
      inBackground(look(), '');
      await app.start(5_000);
    },
    async stop(graceMs) {
      background.abort(new Error('stopping'));
      unsubscribe();
      await app.stop(graceMs);
      await Promise.all([...open.values()].map(({ workspace }) => workspace.conversation.close()));
      await Promise.allSettled([...turns.values()]);
    },
    async ready() {
      if (!app.linked()) throw new Fault('unreachable', 'There is no Socket Mode connection to Slack.');
    },
  };
}

/** Whether the bot's own token is among the revoked ones (docs.slack.dev/reference/events/tokens_revoked). */
function revokesBot(event: EventPayload['event']): boolean {
  const { tokens } = event;
  const bots = typeof tokens === 'object' && tokens !== null && 'bot' in tokens ? tokens.bot : undefined;
  return Array.isArray(bots) && bots.length > 0;
}

/** The first words in a new workspace, to the person who brought KQueen there. */
async function greet(port: ChatPort, person: string, firstAdmin: boolean, key: string): Promise<void> {
  const admin = firstAdmin ? ' You are the first admin here: you decide on what others ask for.' : '';
  const text = `KQueen is installed. Write help here, or /kqueen help in any channel.${admin}`;
  const card = plainCard('Hello', text, 'good', [
    { label: 'What can I do here?', command: 'help' },
    { label: 'Create a cluster', command: 'cluster create' },
  ]);
  await port.post(await port.direct(person), card, key);
}
