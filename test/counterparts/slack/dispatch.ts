/**
 * Requests from Slack to the app, over HTTP or Socket Mode.
 *
 * Contract: docs.slack.dev/authentication/verifying-requests-from-slack (`v0=` HMAC-SHA256 of `v0:timestamp:body` in
 * `X-Slack-Signature`), docs.slack.dev/interactivity/handling-user-interaction (an HTTP 200 within 3 seconds; the person
 * otherwise reads `operation_timeout`, or `dispatch_failed` for another status), docs.slack.dev/apis/events-api (retries carry
 * `x-slack-retry-num` and `x-slack-retry-reason` with the same event_id, three at most).
 */
import { createHmac } from 'node:crypto';
import type { Core } from './core.ts';
import { isObject, parsed } from './json.ts';
import { ACK_MS, type SocketMode } from './socket-mode.ts';
import type { Delivery, Json } from './types.ts';

/** The signature Slack puts on a request body. `timestamp` is in seconds. */
export function signature(secret: string, timestamp: number, body: string): string {
  return `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`;
}

/** Headers of a signed request. Times are real ones, because the app checks them against its own clock. */
export function signedHeaders(secret: string, body: string, contentType: string): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1000);
  return {
    'content-type': contentType,
    'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
    'x-slack-request-timestamp': String(timestamp),
    'x-slack-signature': signature(secret, timestamp, body),
  };
}

const FORM = 'application/x-www-form-urlencoded';

/** How a payload travels in HTTP: commands and interactions as forms, events as JSON. */
export function encoded(kind: Delivery['kind'], payload: Json): { body: string; type: string } {
  if (kind === 'event') return { body: JSON.stringify(payload), type: 'application/json' };
  const fields = kind === 'interactive' ? { payload: JSON.stringify(payload) } : payload;
  const pairs = Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)]);
  return { body: new URLSearchParams(pairs).toString(), type: FORM };
}

export interface SendOptions {
  /** Deliver here instead of to the app's usual place. */
  to?: string;
  /** How often this event was tried before. */
  retry?: number;
}

export class Dispatch {
  readonly #core: Core;
  readonly #socket: SocketMode;
  #urls: string[] = [];
  #turn = 0;

  constructor(core: Core, socket: SocketMode) {
    this.#core = core;
    this.#socket = socket;
  }

  /** Request URLs of the app; several stand for replicas behind one load balancer and take turns. None: Socket Mode. */
  deliverTo(...urls: string[]): void {
    this.#urls = urls;
  }

  /** Sends a payload and waits for the acknowledgement; records it, and whether the app broke the rules of it. */
  async send(kind: Delivery['kind'], payload: Json, { to, retry = 0 }: SendOptions = {}): Promise<Delivery> {
    const url = to ?? this.#urls[this.#turn++ % Math.max(1, this.#urls.length)];
    const result =
      url === undefined ? await this.#socket.send(kind, payload, retry) : await this.#post(url, kind, payload, retry);
    const delivery: Delivery = { kind, payload, ...result };
    this.#core.deliveries.push(delivery);
    this.#judge(delivery);
    return delivery;
  }

  /** Slack's handshake with a new request URL: the challenge must come back at once. */
  async verifyUrl(url: string): Promise<boolean> {
    const challenge = Math.random().toString(36);
    const body = JSON.stringify({ token: 'unused', challenge, type: 'url_verification' });
    const headers = signedHeaders(this.#core.options.signingSecret, body, 'application/json');
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(ACK_MS) });
    const text = await response.text();
    const json = parsed(text);
    return response.status === 200 && (text === challenge || (isObject(json) && json.challenge === challenge));
  }

  async #post(
    url: string,
    kind: Delivery['kind'],
    payload: Json,
    retry: number,
  ): Promise<Omit<Delivery, 'kind' | 'payload'>> {
    const { body, type } = encoded(kind, payload);
    const headers = signedHeaders(this.#core.options.signingSecret, body, type);
    if (retry > 0 && kind === 'event') {
      headers['x-slack-retry-num'] = String(retry);
      headers['x-slack-retry-reason'] = 'http_timeout';
    }
    const started = performance.now();
    try {
      const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(ACK_MS) });
      const text = await response.text();
      const ms = performance.now() - started;
      const ack = text.startsWith('{') ? (parsed(text) ?? text) : text;
      const error = response.status === 200 ? undefined : 'dispatch_failed';
      return { status: response.status, ms, ack, error, retry };
    } catch (error) {
      const ms = performance.now() - started;
      const late = error instanceof Error && error.name === 'TimeoutError';
      return { status: 0, ms, ack: '', error: late ? 'operation_timeout' : 'dispatch_failed', retry };
    }
  }

  #judge({ kind, status, ms, error, ack, payload }: Delivery): void {
    const what = `${kind} ${String(payload.command ?? payload.type)}`;
    if (error === 'operation_timeout') {
      this.#core.world.violate('late-ack', `${what}: no acknowledgement within ${ACK_MS} ms (${Math.round(ms)} ms)`);
    } else if (status !== 200 && status !== 0) {
      this.#core.world.violate('bad-ack', `${what}: answered with status ${status}`);
    }
    const silent =
      kind === 'event' || ['block_actions', 'view_closed', 'shortcut', 'message_action'].includes(String(payload.type));
    if (status === 200 && silent && ack !== '') {
      this.#core.world.violate('ack-with-body', `${what}: Slack ignores ${JSON.stringify(ack).slice(0, 200)}`);
    }
  }
}
