/** Slack in one workspace, by the token that the configuration holds. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asFault } from '../../core/errors.ts';
import type { ChatPort } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Handle } from '../inbound.ts';
import type { SlackCall } from './api.ts';
import { boltLogger, type Heard, openApp, type SlackApp, type Transport } from './app.ts';
import type { Followed } from './home.ts';
import { openWorkspace } from './workspace.ts';

export interface SlackOptions extends Transport {
  /** `xoxb-…` */
  botToken: string;
  handle: Handle;
  log: Log;
  clock: Clock;
  /** The store's changes; without them a home shows what was when it was opened. */
  followed?: Followed;
  /** Told of each call to Slack. */
  onCall?: (call: SlackCall) => void;
}

export interface SlackAdapter {
  /** Serves `POST /slack/events`; only in HTTP mode. Nobody may have read the request's body. */
  requestListener?: (request: IncomingMessage, response: ServerResponse) => void;
  heard: Heard;
  /** Connects (Socket Mode) and learns who we are; failures are tried again in the background, `port.ready()` tells of them. */
  start(): Promise<void>;
  /** Takes nothing new, lets what runs finish for at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
  /** `workspace` is empty until Slack has answered for the first time. */
  port: ChatPort;
}

const startMs = 5_000;

/** Opens the adapter; loads Bolt. Throws a Fault when neither a signing secret nor an app token is given. */
export async function openSlack(options: SlackOptions): Promise<SlackAdapter> {
  const { clock, log } = options;
  const logger = await boltLogger(log);
  let app: SlackApp | undefined;
  const workspace = await openWorkspace({
    ...options,
    token: () => options.botToken,
    logger,
    linked: () => app?.linked() ?? false,
  });
  const { port } = workspace;
  app = await openApp({
    ...options,
    logger,
    workspaceOf: () => workspace,
    many: false,
    stranger: '',
    async ended(_team, { event }) {
      log.error({ event: event.type }, 'Slack says that the app was uninstalled: SLACK_BOT_TOKEN is of no more use');
    },
  });
  const { requestListener, heard } = app;
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

  return {
    ...(requestListener === undefined ? {} : { requestListener }),
    heard,
    async start() {
      const known = introduce();
      known.catch((error: unknown) => log.error({ detail: asFault(error).detail }, 'Slack could not be started'));
      await Promise.all([Promise.race([known, clock.sleep(startMs)]), app.start(startMs)]);
    },
    async stop(graceMs) {
      background.abort(new Error('stopping'));
      await app.stop(graceMs);
      await workspace.conversation.close();
    },
    port,
  };
}
