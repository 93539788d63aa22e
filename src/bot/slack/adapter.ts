/** Slack: an unmodified Bolt app over HTTP or Socket Mode in front of the one `handle`, and the port that the notifier posts through. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { App, Logger, Receiver, RespondArguments, SocketModeReceiver, ViewResponseAction } from '@slack/bolt';
import { asFault, Fault } from '../../core/errors.ts';
import type { ChatPort } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Handle } from '../inbound.ts';
import { createAnswers } from './answers.ts';
import { clientOptions, createApi, type SlackCall } from './api.ts';
import { ackCard, type Conversation, createConversation } from './conversation.ts';
import { ActionPayload, CommandPayload, EventPayload, ViewPayload } from './payloads.ts';
import { createPeople } from './people.ts';
import { createPort } from './port.ts';
import { bodyLimit, joined, keepLink, type Link, serve } from './receivers.ts';

export interface SlackOptions {
  /** `xoxb-…` */
  botToken: string;
  /** For HTTP: every request has to be signed with it. */
  signingSecret?: string;
  /** `xapp-…`; with it the app is reached through Socket Mode instead of HTTP. */
  appToken?: string;
  /** Another place for Slack's Web API, ending in `/api/`. */
  apiUrl?: string;
  handle: Handle;
  log: Log;
  clock: Clock;
  /** Told of each call to Slack. */
  onCall?: (call: SlackCall) => void;
  /** Pause before the second Socket Mode connection, so that Slack does not refresh both at once. Default 10 s. */
  staggerMs?: number;
}

export interface SlackAdapter {
  /** Serves `POST /slack/events`; only in HTTP mode. Nobody may have read the request's body. */
  requestListener?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Connects (Socket Mode) and learns who we are; failures are tried again in the background, `port.ready()` tells of them. */
  start(): Promise<void>;
  /** Takes nothing new, lets what runs finish for at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
  /** `workspace` is empty until Slack has answered for the first time. */
  port: ChatPort;
}

const slashCommand = '/kqueen';
const socketLinks = 2;
const anything = /[\s\S]*/;

/** Opens the adapter; loads Bolt. Throws a Fault when neither a signing secret nor an app token is given. */
export async function openSlack(options: SlackOptions): Promise<SlackAdapter> {
  const { clock, log } = options;
  const { signingSecret, appToken } = options;
  if (appToken === undefined && (signingSecret === undefined || signingSecret === '')) {
    throw new Fault('bad-input', 'Slack needs SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN (Socket Mode).');
  }
  const bolt = await import('@slack/bolt');
  const logger = boltLogger(log, bolt.LogLevel.INFO);
  const api = await createApi({ ...options, logger });
  const links: Link[] = [];
  const port = createPort(api, () => appToken === undefined || links.some((link) => link.connected()));
  const people = createPeople({ api, clock, log });
  const answers = createAnswers({ api, port, clock, log });
  const conversation = createConversation({ api, port, people, answers, handle: options.handle, clock, log });

  const http =
    appToken === undefined && signingSecret !== undefined
      ? new bolt.HTTPReceiver({ signingSecret, logger, bodyLimit, endpoints: ['/slack/events'] })
      : null;
  const sockets: SocketModeReceiver[] = [];
  for (let index = 0; appToken !== undefined && index < socketLinks; index += 1) {
    const calls = clientOptions({ ...options, logger }, 10_000);
    sockets.push(
      new bolt.SocketModeReceiver({
        appToken,
        logger,
        autoReconnectEnabled: false,
        installerOptions: { clientOptions: calls },
      }),
    );
  }

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
    authorize: async () => {
      const botUserId = port.known()?.botUser;
      return { botToken: options.botToken, ...(botUserId === undefined ? {} : { botUserId }) };
    },
    ignoreSelf: false,
    convoStore: false,
    logger,
    clientOptions: clientOptions({ ...options, logger }, 10_000),
  });
  app.error(async (error) => log.error({ detail: asFault(error).detail }, 'an event from Slack met an error'));
  listen(app, conversation, tracked, log);

  const background = new AbortController();

  /** Learns who we are, however long Slack is away. */
  async function introduce(): Promise<void> {
    for (let attempt = 1; !background.signal.aborted && port.known() === null; attempt += 1) {
      try {
        await port.identity();
      } catch (error) {
        const fault = asFault(error);
        log.warn({ kind: fault.kind, detail: fault.detail }, fault.message);
        const waitMs = Math.min(30_000, fault.retryAfterMs ?? 250 * 2 ** Math.min(attempt, 7));
        await clock.sleep(waitMs, background.signal).catch(() => undefined);
      }
    }
  }

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
    async start() {
      const known = introduce();
      const linked = startLinks();
      const first = async () => {
        while (sockets.length > 0 && links.length === 0) await clock.sleep(5, background.signal);
        await links[0]?.tried;
      };
      await Promise.race([Promise.all([known, first()]), clock.sleep(5_000)]);
      for (const work of [known, linked]) {
        work.catch((error: unknown) => log.error({ detail: asFault(error).detail }, 'Slack could not be started'));
      }
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
    port,
  };
}

/** One listener per kind of event; each looks at everything of its kind, so that nothing is left to Bolt's 404 after three seconds. */
function listen(app: App, conversation: Conversation, tracked: <T>(work: Promise<T>) => Promise<T>, log: Log): void {
  function ignored(kind: string, problem: { message: string }): void {
    log.warn({ kind, problem: problem.message.slice(0, 500) }, 'something from Slack could not be read');
  }

  app.command(anything, async ({ body, ack }) => {
    if (body.command !== slashCommand) {
      await ack(ackCard('I do not know this command', `Write ${slashCommand} help.`) as unknown as RespondArguments);
      return;
    }
    const payload = CommandPayload.safeParse(body);
    if (!payload.success) return ignored('command', payload.error);
    const answered = (answer?: Record<string, unknown>) => ack(answer as unknown as RespondArguments);
    await tracked(
      conversation.command(payload.data, answered).catch(async (error: unknown) => {
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
    await tracked(conversation.event(payload.data));
  });
  app.action({}, async ({ body, ack }) => {
    const payload = ActionPayload.safeParse(body);
    if (!payload.success || body.type !== 'block_actions') return await ack();
    await tracked(conversation.action(payload.data, () => ack()));
  });
  app.view({ type: 'view_submission', callback_id: anything }, async ({ body, ack }) => {
    const payload = ViewPayload.safeParse(body);
    if (!payload.success) {
      ignored('view', payload.error);
      return await ack();
    }
    await tracked(
      conversation.submission(payload.data, (answer) =>
        answer === undefined ? ack() : ack(answer as ViewResponseAction),
      ),
    );
  });
  app.view({ type: 'view_closed', callback_id: anything }, async ({ ack }) => await ack());
  app.shortcut({}, async ({ ack }) => await ack());
  app.options({}, async ({ ack }) => await ack({ options: [] }));
}

/** Bolt's and the Web API's words in our log; their debug lines hold whole payloads and are dropped. */
function boltLogger(log: Log, level: ReturnType<Logger['getLevel']>): Logger {
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
    getLevel: () => level,
    setName() {},
  };
}
