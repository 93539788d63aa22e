/** The nouns of the loopback Slack: what a test hands in, and what it can look at afterwards. */

/** A JSON object as it came over the wire. */
export type Json = Record<string, unknown>;

/** Where the loopback Slack takes its time from; lets a test pass thirty minutes without waiting for them. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/** A person of the workspace, or a stranger who shares a channel with it. */
export interface UserSpec {
  id: string;
  name: string;
  realName?: string;
  /** Multi-channel guest (`is_restricted`). */
  restricted?: boolean;
  /** Single-channel guest (`is_ultra_restricted`). */
  ultraRestricted?: boolean;
  /** Somebody of another workspace in a shared channel (`is_stranger`). */
  stranger?: boolean;
  /** Home workspace, when it is not the workspace of the app. */
  teamId?: string;
  admin?: boolean;
  deleted?: boolean;
  bot?: boolean;
  email?: string;
  /** IANA time zone, e.g. `Europe/Prague`. */
  tz?: string;
  /** Seconds east of UTC. */
  tzOffset?: number;
}

export interface ChannelSpec {
  id: string;
  name: string;
  /** User ids; everybody when left out. */
  members?: string[];
  archived?: boolean;
  private?: boolean;
  /** Whether the app's bot is a member; true when left out. */
  hasBot?: boolean;
}

export interface SlackOptions {
  signingSecret: string;
  /** `xoxb-…` */
  botToken: string;
  /** `xapp-…`; needed for Socket Mode. */
  appToken?: string;
  /** Workspace id. */
  team?: string;
  /** Workspace name. */
  name?: string;
  users: UserSpec[];
  channels: ChannelSpec[];
  clock?: Clock;
  /** Scopes granted to the bot token; every scope when left out. */
  scopes?: string[];
  /** Hosts whose links the app unfurls (`unfurl_domains` of the manifest). */
  unfurlDomains?: string[];
  /** Bot events the app subscribed to. */
  events?: string[];
  /** The manifest's `should_escape` of the slash command: mentions, channels and links arrive as entities. */
  shouldEscape?: boolean;
  /** How long after its upload a file is not taken in a message yet, in milliseconds; 0 when left out. */
  fileSettleMs?: number;
  /** Messages one channel takes at once before the rule of one per second bites. */
  postBurst?: number;
}

/** A conversation; tests may flip the flags while the app runs. */
export interface Channel {
  readonly id: string;
  readonly name: string;
  readonly kind: 'channel' | 'im' | 'mpim';
  readonly members: Set<string>;
  private: boolean;
  archived: boolean;
  hasBot: boolean;
  /** A deleted channel answers `channel_not_found`. */
  gone: boolean;
}

/** One content of a message. */
export interface Revision {
  text: string;
  blocks: Json[];
  /** Milliseconds at which this content was put there. */
  at: number;
}

export interface Message {
  readonly channel: string;
  readonly ts: string;
  /** User id of the author. */
  readonly author: string;
  readonly byApp: boolean;
  text: string;
  blocks: Json[];
  metadata: Json | undefined;
  readonly threadTs: string | undefined;
  /** The only person who sees it, for ephemeral messages. */
  readonly ephemeralTo: string | undefined;
  /** Ids of attached files. */
  files: string[];
  /** Contents, oldest first; the last one is what `text` and `blocks` show. */
  readonly revisions: Revision[];
  deleted: boolean;
  /** The response_url (or acknowledgement) that made it, if one did. */
  readonly via: string | undefined;
  readonly reactions: Map<string, Set<string>>;
  /** Blocks that the app has put below a link of it, by the link. */
  readonly unfurls: Map<string, Json[]>;
}

/** What the app told Slack, and what Slack answered. */
export interface Call {
  /** e.g. `chat.postMessage`, or `response_url` and `upload`. */
  method: string;
  args: Json;
  /** Milliseconds, of the loopback Slack's clock. */
  at: number;
  /** HTTP status of the answer; 0 when none was sent. */
  status: number;
  answer: Json;
  /** The injected fault that decided this call, if any. */
  fault: string | undefined;
}

/** The app broke a documented rule. */
export interface Violation {
  /** Stable word to assert on, e.g. `late-ack`. */
  kind: string;
  /** What happened, for the reader of a failing test. */
  detail: string;
  at: number;
}

/** What became of one request from Slack to the app. */
export interface Delivery {
  kind: 'command' | 'interactive' | 'event';
  /** The payload as JSON (for commands: the form fields). */
  payload: Json;
  /** HTTP status; 200 for an acknowledged Socket Mode envelope; 0 when there was no answer in time. */
  status: number;
  /** Milliseconds until the acknowledgement. */
  ms: number;
  /** Parsed body of the acknowledgement; '' when it was empty. */
  ack: unknown;
  /** What the person would read under their message, when the app failed them. */
  error: string | undefined;
  /** How often Slack had tried before. */
  retry: number;
}

/** A modal or home view as the API shows it, plus what the person typed into it. */
export interface View {
  readonly id: string;
  readonly type: 'modal' | 'home';
  readonly userId: string;
  callbackId: string;
  externalId: string;
  title: string;
  submit: string | undefined;
  close: string | undefined;
  blocks: Json[];
  privateMetadata: string;
  clearOnClose: boolean;
  notifyOnClose: boolean;
  rootViewId: string;
  previousViewId: string | undefined;
  hash: string;
  /** Input values: block id → action id → value. */
  values: Record<string, Record<string, Json>>;
  /** Errors that the last submission was answered with: block id → text. */
  errors: Record<string, string>;
}

export interface StoredFile {
  readonly id: string;
  name: string;
  title: string;
  readonly declaredLength: number;
  bytes: Buffer | undefined;
  /** Where it was shared. */
  shares: { channel: string; ts: string }[];
  completed: boolean;
  /** When its upload was completed. */
  completedAt?: number;
  deleted: boolean;
  /** Who uploaded it; the app's bot when left out. Only they can delete it. */
  owner?: string;
}
