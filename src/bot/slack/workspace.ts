/** One Slack workspace: its token, its people, its conversations, and the port that the notifier posts through. */
import type { Logger } from '@slack/bolt';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Handle } from '../inbound.ts';
import { createAnswers } from './answers.ts';
import { createApi, type SlackApi, type SlackCall } from './api.ts';
import { type Conversation, createConversation } from './conversation.ts';
import type { Followed } from './home.ts';
import { createPeople } from './people.ts';
import { createPort, type Identity, type SlackPort } from './port.ts';

export interface WorkspaceOptions {
  /** The bot's token as it is now; it may change while the workspace is open. */
  token(): string;
  /** Who we are there, where that is known before Slack is asked. */
  identity?: Identity;
  apiUrl?: string;
  handle: Handle;
  log: Log;
  logger: Logger;
  clock: Clock;
  onCall?: (call: SlackCall) => void;
  /** Told when Slack says that the token is dead. */
  onDead?: () => void;
  /** Whether Slack can reach us, where that takes a connection of ours. */
  linked(): boolean;
  followed?: Followed;
}

export interface Workspace {
  port: SlackPort;
  api: SlackApi;
  conversation: Conversation;
  /** What Bolt wants to know of the workspace an event is for. */
  authorize(): { botToken: string; botUserId?: string };
}

/** Opens the workspace; nothing is asked of Slack yet. */
export async function openWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const { handle, clock, log } = options;
  const followed = options.followed === undefined ? {} : { followed: options.followed };
  const api = await createApi(options);
  const port = createPort(api, options.linked, options.identity ?? null);
  const people = createPeople({ api, clock, log });
  const answers = createAnswers({ api, port, clock, log });
  return {
    port,
    api,
    conversation: createConversation({ api, port, people, answers, handle, clock, log, ...followed }),
    authorize() {
      const botUserId = port.known()?.botUser;
      return { botToken: options.token(), ...(botUserId === undefined ? {} : { botUserId }) };
    },
  };
}
