/**
 * How often a method may be called, per workspace, and which scope and token it needs.
 *
 * Sources: docs.slack.dev/apis/web-api/rate-limits (Tier 1: 1+ per minute, 2: 20+, 3: 50+, 4: 100+; posting: one message per
 * second and channel, short bursts tolerated; HTTP 429, `Retry-After` in seconds, error `ratelimited`) and the method pages
 * for each method's tier and scope. Only what is promised is given: the "+" is not relied upon.
 */
import type { Clock } from './types.ts';

export interface MethodRule {
  /** Calls per minute and workspace; undefined where Slack names no tier. */
  perMinute: number | undefined;
  /** Bot scope it needs. */
  scope?: string;
  /** `none`: without a token, by what is in the arguments. */
  token: 'bot' | 'app' | 'none';
}

const T2 = 20;
const T3 = 50;
const T4 = 100;

function bot(perMinute: number | undefined, scope?: string): MethodRule {
  return scope === undefined ? { perMinute, token: 'bot' } : { perMinute, scope, token: 'bot' };
}

/** Every method this Slack answers. */
export const METHODS: Record<string, MethodRule> = {
  'auth.test': bot(undefined),
  'api.test': { perMinute: undefined, token: 'none' },
  'oauth.v2.access': { perMinute: T4, token: 'none' },
  'apps.uninstall': bot(T2),
  // Documented as Tier 1; as many as for Tier 2 are given, so that a test can reconnect more than once.
  'apps.connections.open': { perMinute: T2, token: 'app' },
  'chat.postMessage': bot(undefined, 'chat:write'),
  'chat.postEphemeral': bot(T4, 'chat:write'),
  'chat.update': bot(T3, 'chat:write'),
  'chat.delete': bot(T3, 'chat:write'),
  'chat.unfurl': bot(T3, 'links:write'),
  'chat.getPermalink': bot(undefined),
  'conversations.open': bot(T3, 'im:write'),
  'conversations.info': bot(T3, 'channels:read'),
  'conversations.list': bot(T2, 'channels:read'),
  'conversations.members': bot(T4, 'channels:read'),
  'conversations.history': bot(T3, 'channels:history'),
  'conversations.replies': bot(T3, 'channels:history'),
  'conversations.join': bot(T3, 'channels:join'),
  'users.info': bot(T4, 'users:read'),
  'users.list': bot(T2, 'users:read'),
  'team.info': bot(T3, 'team:read'),
  'views.open': bot(T4),
  'views.push': bot(T4),
  'views.update': bot(T4),
  'views.publish': bot(T4),
  'files.getUploadURLExternal': bot(T4, 'files:write'),
  'files.completeUploadExternal': bot(T4, 'files:write'),
  'files.info': bot(T4, 'files:read'),
  'files.delete': bot(T3, 'files:write'),
  'reactions.add': bot(T3, 'reactions:write'),
  'reactions.remove': bot(T2, 'reactions:write'),
};

/** Counts calls and says when one too many comes. */
export class Rates {
  /** Switch off for tests that measure something else. */
  enabled = true;
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #calls = new Map<string, number[]>();
  readonly #channels = new Map<string, { tokens: number; at: number }>();

  constructor(clock: Clock, burst: number) {
    this.#clock = clock;
    this.#burst = burst;
  }

  /** Seconds to wait before trying again; 0 when the call is let through (and counted). */
  admit(method: string, perMinute: number | undefined): number {
    if (!this.enabled || perMinute === undefined) return 0;
    const now = this.#clock.now();
    const recent = (this.#calls.get(method) ?? []).filter((at) => at > now - 60_000);
    this.#calls.set(method, recent);
    const oldest = recent[0];
    if (recent.length >= perMinute && oldest !== undefined) return Math.ceil((oldest + 60_000 - now) / 1000);
    recent.push(now);
    return 0;
  }

  /** The same for posting to one channel: one message per second, with a small burst. */
  admitPost(channel: string): number {
    if (!this.enabled) return 0;
    const now = this.#clock.now();
    const bucket = this.#channels.get(channel) ?? { tokens: this.#burst, at: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.at) / 1000);
    bucket.at = now;
    this.#channels.set(channel, bucket);
    if (bucket.tokens < 1) return Math.max(1, Math.ceil(1 - bucket.tokens));
    bucket.tokens -= 1;
    return 0;
  }
}
