/** An unmodified Bolt app over HTTP or Socket Mode, in front of one workspace or many. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { App, Logger, Receiver, RespondArguments, SocketModeReceiver, ViewResponseAction } from '@slack/bolt';
import { asFault, Fault } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import { clientOptions } from './api.ts';
import { ackCard } from './conversation.ts';
import { slashCommand } from './needs.ts';
import { ActionPayload, CommandPayload, EventPayload, SuggestionPayload, teamOf, ViewPayload } from './payloads.ts';
import { bodyLimit, joined, keepLink, type Link, serve } from './receivers.ts';
import { ShortcutPayload } from './shortcuts.ts';
import type { Workspace } from './workspace.ts';

/** How Slack reaches us. */
export interface Transport {
  /** For HTTP: every request has to be signed with it. */
  signingSecret?: string;
  /** `xapp-…`; with it the app is reached through Socket Mode instead of HTTP. */
  appToken?: string;
  /** Another place for Slack's Web API, ending in `/api/`. */
  apiUrl?: string;
  /** Pause before the second Socket Mode connection, so that Slack does not refresh both at once. Default 10 s. */
  staggerMs?: number;
}

export interface AppOptions extends Transport {
  log: Log;
  clock: Clock;
  logger: Logger;
  /** The workspace an event is for; `team` is empty where the payload does not say. Null: we are not installed there. */
  workspaceOf(team: string): Workspace | null;
  /** Whether events are to be read as the workspace's own, whatever other workspace they name besides. */
  many: boolean;
  /** What a person reads who calls us where we are not installed. */
  stranger: string;
  /** Told of `app_uninstalled` and `tokens_revoked`. */
  ended?(team: string, payload: EventPayload): Promise<void>;
}

/** What has been heard from Slack since the start: `command /kqueen`, `event message.im`, `interaction`; with the time of the last one. */
export type Heard = ReadonlyMap<string, number>;

export interface SlackApp {
  /** Serves `POST /slack/events`; only in HTTP mode. Nobody may have read the request's body. */
  requestListener?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Whether Slack can reach us; always true over HTTP, where that is not ours to know. */
  linked(): boolean;
  heard: Heard;
  /** Makes the Socket Mode connections; resolves when the first has been tried, at most after `patienceMs`. */
  start(patienceMs: number): Promise<void>;
  /** Takes nothing new, lets what runs finish for at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const socketLinks = 2;
const anything = /[\s\S]*/;

/** Opens the app; loads Bolt. Throws a Fault when neither a signing secret nor an app token is given. */
export async function openApp(options: AppOptions): Promise<SlackApp> {
  const { clock, log, logger, signingSecret, appToken } = options;
  if (appToken === undefined && (signingSecret === undefined || signingSecret === '')) {
    throw new Fault('bad-input', 'Slack needs SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN (Socket Mode).');
  }
  const bolt = await import('@slack/bolt');
  const calls = clientOptions(options, 10_000);
  const http =
    appToken === undefined && signingSecret !== undefined
      ? new bolt.HTTPReceiver({ signingSecret, logger, bodyLimit, endpoints: ['/slack/events'] })
      : null;
  const sockets: SocketModeReceiver[] = [];
  for (let index = 0; appToken !== undefined && index < socketLinks; index += 1) {
    sockets.push(
      new bolt.SocketModeReceiver({
        appToken,
        logger,
        autoReconnectEnabled: false,
        installerOptions: { clientOptions: calls },
      }),
    );
  }

  const links: Link[] = [];
  const heard = new Map<string, number>();
  const running = new Set<Promise<unknown>>();
  let stopping = false;
  function tracked<T>(work: Promise<T>): Promise<T> {
    const kept = work.finally(() => running.delete(kept));
    running.add(kept);
    return kept;
  }

  const receivers: Receiver[] = http === null ? sockets : [http];
  const app = new bolt.App({
    receiver: joined(receivers, clock, log),
    authorize: async ({ teamId }) => options.workspaceOf(teamId ?? '')?.authorize() ?? {},
    ignoreSelf: false,
    convoStore: false,
    logger,
    clientOptions: calls,
  });
  app.error(async (error) => log.error({ detail: asFault(error).detail }, 'an event from Slack met an error'));
  listen(app, options, tracked, (what) => heard.set(what, clock.now()));

  const background = new AbortController();

  async function startLinks(): Promise<void> {
    for (const [index, receiver] of sockets.entries()) {
      if (index > 0) await clock.sleep(options.staggerMs ?? 10_000, background.signal).catch(() => undefined);
      if (background.signal.aborted) return;
      const link = keepLink(receiver, clock, log.child({ link: index + 1 }));
      links.push(link);
      if (index === 0) await link.tried;
    }
  }

  return {
    ...(http === null
      ? {}
      : {
          requestListener(request: IncomingMessage, response: ServerResponse) {
            if (stopping) {
              response.writeHead(503, { connection: 'close' });
              response.end();
              return;
            }
            serve(http, request, response).catch((error: unknown) => {
              log.error({ detail: asFault(error).detail }, 'a request from Slack met an error');
              if (!response.headersSent) response.writeHead(500);
              response.end();
            });
          },
        }),
    linked: () => appToken === undefined || links.some((link) => link.connected()),
    heard,
    async start(patienceMs) {
      const linked = startLinks();
      linked.catch((error: unknown) => log.error({ detail: asFault(error).detail }, 'Slack could not be started'));
      const first = async () => {
        while (sockets.length > 0 && links.length === 0) await clock.sleep(5, background.signal);
        await links[0]?.tried;
      };
      await Promise.race([first(), clock.sleep(patienceMs)]);
    },
    async stop(graceMs) {
      stopping = true;
      background.abort(new Error('stopping'));
      const patience = new AbortController();
      const late = clock.sleep(graceMs, patience.signal).then(
        () => undefined,
        () => undefined,
      );
      await Promise.race([Promise.allSettled([...running]), late]);
      patience.abort();
      await Promise.all(links.map((link) => link.stop()));
    },
  };
}

/** One listener per kind of event; each looks at everything of its kind, so that nothing is left to Bolt's 404 after three seconds. */
function listen(
  app: App,
  options: AppOptions,
  tracked: <T>(work: Promise<T>) => Promise<T>,
  hear: (what: string) => void,
): void {
  const { log, many, workspaceOf } = options;

  function ignored(kind: string, problem: { message: string }): void {
    log.warn({ kind, problem: problem.message.slice(0, 500) }, 'something from Slack could not be read');
  }

  /** The workspace a body is for, with its team where that must be taken from us instead of from the payload. */
  function routed(kind: string, body: unknown): { workspace: Workspace; team?: string } | null {
    const team = teamOf(body);
    const workspace = workspaceOf(team);
    if (workspace !== null) return { workspace, ...(many ? { team } : {}) };
    log.warn({ kind, team }, 'something came from a workspace in which KQueen is not installed');
    return null;
  }

  app.command(anything, async ({ body, ack }) => {
    if (body.command !== slashCommand) {
      await ack(ackCard('I do not know this command', `Write ${slashCommand} help.`) as unknown as RespondArguments);
      return;
    }
    hear(`command ${slashCommand}`);
    const payload = CommandPayload.safeParse(body);
    if (!payload.success) return ignored('command', payload.error);
    const answered = (answer?: Record<string, unknown>) => ack(answer as unknown as RespondArguments);
    const found = routed('command', body);
    if (found === null) return await answered(ackCard('KQueen is not installed here', options.stranger));
    await tracked(
      found.workspace.conversation.command(payload.data, answered).catch(async (error: unknown) => {
        log.error({ detail: asFault(error).detail }, 'a command met an error');
        await answered(
          ackCard('Something went wrong', 'It is in the log of KQueen. Please look before you repeat it.'),
        );
      }),
    );
  });
  app.event(anything, async ({ body }) => {
    const payload = EventPayload.safeParse(body);
    if (!payload.success) return ignored('event', payload.error);
    const said = payload.data.event;
    hear(`event ${said.type === 'message' ? `message.${said.channel_type ?? 'unknown'}` : said.type}`);
    if (said.type === 'app_uninstalled' || said.type === 'tokens_revoked') {
      await tracked(options.ended?.(teamOf(body), payload.data) ?? Promise.resolve());
      return;
    }
    const found = routed('event', body);
    if (found === null) return;
    const { workspace, team } = found;
    await tracked(workspace.conversation.event(team === undefined ? payload.data : { ...payload.data, team_id: team }));
  });
  app.action({}, async ({ body, ack }) => {
    const payload = ActionPayload.safeParse(body);
    if (!payload.success || body.type !== 'block_actions') return await ack();
    hear('interaction');
    const found = routed('action', body);
    if (found === null) return await ack();
    const { workspace, team } = found;
    const data = team === undefined ? payload.data : { ...payload.data, team: { id: team } };
    await tracked(workspace.conversation.action(data, () => ack()));
  });
  app.view({ type: 'view_submission', callback_id: anything }, async ({ body, ack }) => {
    const payload = ViewPayload.safeParse(body);
    if (!payload.success) {
      ignored('view', payload.error);
      return await ack();
    }
    hear('interaction');
    const found = routed('view', body);
    if (found === null) return await ack();
    await tracked(
      found.workspace.conversation.submission(payload.data, (answer) =>
        answer === undefined ? ack() : ack(answer as ViewResponseAction),
      ),
    );
  });
  app.view({ type: 'view_closed', callback_id: anything }, async ({ ack }) => await ack());
  app.shortcut({}, async ({ body, ack }) => {
    const payload = ShortcutPayload.safeParse(body);
    if (!payload.success) {
      ignored('shortcut', payload.error);
      return await ack();
    }
    hear('interaction');
    const found = routed('shortcut', body);
    if (found === null) return await ack();
    const { workspace, team } = found;
    const data = team === undefined ? payload.data : { ...payload.data, team: { id: team } };
    await tracked(workspace.conversation.shortcut(data, () => ack()));
  });
  app.options({}, async ({ body, ack }) => {
    const payload = SuggestionPayload.safeParse(body);
    if (!payload.success || body.type !== 'block_suggestion') return await ack({ options: [] });
    hear('interaction');
    const found = routed('options', body);
    if (found === null) return await ack({ options: [] });
    const answered = (answer?: { options: unknown[] }) => ack(answer as unknown as never);
    await tracked(found.workspace.conversation.suggestion(payload.data, answered));
  });
}

/** Bolt's and the Web API's words in our log; their debug lines hold whole payloads and are dropped. */
export async function boltLogger(log: Log): Promise<Logger> {
  const { LogLevel } = await import('@slack/bolt');
  const said = (words: unknown[]) =>
    words
      .map((word) => (word instanceof Error ? word.message : String(word)))
      .join(' ')
      .slice(0, 1_000);
  return {
    debug() {},
    info: (...words: unknown[]) => log.debug({}, said(words)),
    warn: (...words: unknown[]) => log.warn({}, said(words)),
    error: (...words: unknown[]) => log.error({}, said(words)),
    setLevel() {},
    getLevel: () => LogLevel.INFO,
    setName() {},
  };
}
