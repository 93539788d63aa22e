/**
 * Things that expire: trigger ids and response URLs.
 *
 * Sources: docs.slack.dev/interactivity/handling-user-interaction: a trigger_id "expires in 3 seconds" and "can only be
 * exchanged once" (errors `expired_trigger_id`, `exchanged_trigger_id`, `invalid_trigger_id` of views.open); a response_url
 * works "up to 5 times within 30 minutes" (errors `used_url`, `expired_url`, HTTP 404).
 */
import { randomBytes } from 'node:crypto';
import { unlucky, wrong } from './refusal.ts';
import type { Clock, Message } from './types.ts';

export const TRIGGER_LIFE_MS = 3_000;
export const RESPONSE_URL_LIFE_MS = 30 * 60_000;
export const RESPONSE_URL_USES = 5;

interface Trigger {
  userId: string;
  at: number;
  used: boolean;
}

export class Triggers {
  readonly #clock: Clock;
  readonly #all = new Map<string, Trigger>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  mint(userId: string): string {
    const at = this.#clock.now();
    const id = `${at}.${this.#all.size + 1}.${randomBytes(16).toString('hex')}`;
    this.#all.set(id, { userId, at, used: false });
    return id;
  }

  /** The person behind the trigger; it is spent by this call, as with Slack even if the view is refused later. */
  exchange(id: string): string {
    const trigger = this.#all.get(id);
    if (trigger === undefined) throw wrong('invalid_trigger_id');
    if (trigger.used) throw wrong('exchanged_trigger_id');
    if (this.#clock.now() - trigger.at > TRIGGER_LIFE_MS) throw wrong('expired_trigger_id');
    trigger.used = true;
    return trigger.userId;
  }
}

/** What a response URL is tied to. */
export interface ResponseContext {
  readonly id: string;
  readonly userId: string;
  readonly channelId: string;
  /** The message that was acted on; commands have none. */
  readonly source: Message | undefined;
}

export class ResponseUrls {
  readonly #clock: Clock;
  readonly #all = new Map<string, ResponseContext & { at: number; uses: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  mint(userId: string, channelId: string, source: Message | undefined): ResponseContext {
    const id = randomBytes(16).toString('hex');
    const context = { id, userId, channelId, source, at: this.#clock.now(), uses: 0 };
    this.#all.set(id, context);
    return context;
  }

  has(id: string): boolean {
    return this.#all.has(id);
  }

  /** Counts one use and returns what the URL is tied to. */
  use(id: string): ResponseContext {
    const context = this.#all.get(id);
    if (context === undefined) throw unlucky('no_such_url');
    if (this.#clock.now() - context.at > RESPONSE_URL_LIFE_MS) throw wrong('expired_url');
    if (context.uses >= RESPONSE_URL_USES) throw wrong('used_url');
    context.uses += 1;
    return context;
  }
}
