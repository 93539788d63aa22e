import type { Card } from '../card.ts';
import type { Place } from '../records.ts';

/** Where a posted message is. Opaque to the core, plain JSON; kept in the message record. */
export interface MessageRef {
  conversation: string;
  id: string;
  thread?: string | undefined;
}

/** A file for one person or a thread. */
export interface Attachment {
  name: string;
  content: string;
  /** One plain sentence beside it. */
  text: string;
}

/** The person has left, the bot was removed, the channel is archived or gone: try the direct message. */
export class PlaceGone extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PlaceGone';
  }
}

/** At most `most` calls in any `ms` milliseconds. */
export interface Allowance {
  most: number;
  ms: number;
}

/** What a chat bears of a bot. */
export interface ChatLimits {
  /** Shortest time between two edits of one message, in milliseconds. */
  editEveryMs: number;
  /** In the whole workspace. */
  editsPerMinute: number;
  /** In the whole workspace: messages, replies and pings. */
  postsPerMinute: number;
  /** What one conversation bears of posts, and of edits too where they count there. */
  conversation: { allowances: readonly Allowance[]; editsCount: boolean };
}

/**
 * One chat workspace as the notifier uses it. Errors are Faults (`rate-limited` with retryAfterMs, `unreachable` with outcomeUnknown) or PlaceGone.
 * Cards are rendered inside; no platform field appears in a card.
 */
export interface ChatPort {
  platform: Place['chat'];
  workspace: string;
  limits: ChatLimits;
  /** Posts a card; `key` is kept with the message where the platform can, so that `find` sees it after an unknown answer. */
  post(place: Place, card: Card, key: string): Promise<MessageRef>;
  edit(place: Place, message: MessageRef, card: Card): Promise<void>;
  /**
   * Says something in the thread of a message, silently; null where there are no threads, and nothing is said then. `find` sees it by its
   * key in the place with that thread.
   */
  reply(place: Place, message: MessageRef, said: Card | string, key: string): Promise<MessageRef | null>;
  /** The message posted with this key, if the platform can tell; null when there is none or it cannot. */
  find(place: Place, key: string): Promise<MessageRef | null>;
  /** The direct conversation with a person (an id as in Caller.person). */
  direct(person: string): Promise<Place>;
  /** A short line that notifies a person in the place, below the message. */
  ping(place: Place, message: MessageRef | null, person: string, text: string): Promise<void>;
  /** A file in a direct conversation or a thread. */
  attach(place: Place, file: Attachment): Promise<MessageRef>;
  remove(place: Place, message: MessageRef): Promise<void>;
  /** Resolves when the platform accepts our credentials. */
  ready(): Promise<void>;
}
