/**
 * Socket Mode: the WebSocket side of Slack.
 *
 * Contract: docs.slack.dev/apis/events-api/using-socket-mode: the URL of apps.connections.open works once; `hello` comes
 * first; every envelope is acknowledged by its `envelope_id` within 3 seconds, with a `payload` where
 * `accepts_response_payload` says so; up to 10 connections per app, each envelope goes to one of them; `disconnect` with
 * `refresh_requested` asks the app to connect again before Slack closes the old connection.
 */
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { APP_ID, type Core } from './core.ts';
import { isObject, parsed, textOf } from './json.ts';
import type { Delivery, Json } from './types.ts';

export const ACK_MS = 3_000;
const CONNECTIONS_MAX = 10;
/** Slack keeps a connection for a while after `refresh_requested`. */
const CLOSE_AFTER_REFRESH_MS = 10_000;
const PING_EVERY_MS = 5_000;

interface Pending {
  /** The connection it went over. */
  link: WebSocket;
  answered: (payload: unknown) => void;
}

export class SocketMode {
  readonly #core: Core;
  readonly #server: WebSocketServer;
  readonly #links: WebSocket[] = [];
  readonly #pending = new Map<string, Pending>();
  readonly #settled = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #turn = 0;

  constructor(core: Core, http: Server) {
    this.#core = core;
    this.#server = new WebSocketServer({ noServer: true });
    http.on('upgrade', (request, socket, head) => {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1');
      if (url.pathname !== '/link/' || !core.tickets.delete(url.searchParams.get('ticket') ?? '')) {
        core.world.violate('bad-ticket', 'a WebSocket URL of apps.connections.open works once');
        socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
        return;
      }
      this.#server.handleUpgrade(request, socket as Socket, head, (link) => this.#welcome(link));
    });
    this.#every(PING_EVERY_MS, () => {
      for (const link of this.#links) link.ping();
    });
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#links.length;
  }

  /**
   * Asks one connection (the oldest, or the given one) to be replaced, as Slack does every few hours. `warning` comes some seconds before a
   * connection is closed, `link_disabled` when Socket Mode is switched off (docs.slack.dev/apis/events-api/using-socket-mode, "disconnect").
   */
  refresh(index = 0, reason = 'refresh_requested'): void {
    const link = this.#links[index];
    if (link === undefined) throw new Error('no Socket Mode connection to refresh');
    this.#retire(link);
    this.#say(link, { type: 'disconnect', reason, debug_info: { host: 'loopback' } });
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      link.close();
    }, CLOSE_AFTER_REFRESH_MS);
    this.#timers.add(timer);
  }

  /** Cuts all connections without a word. */
  cut(): void {
    for (const link of this.#links.splice(0)) link.terminate();
  }

  /** Sends one envelope to one connection and waits for its acknowledgement. */
  async send(kind: Delivery['kind'], payload: Json, retry: number): Promise<Omit<Delivery, 'kind' | 'payload'>> {
    const link = this.#links[this.#turn++ % Math.max(1, this.#links.length)];
    if (link === undefined) return { status: 0, ms: 0, ack: '', error: 'dispatch_failed', retry };
    const envelopeId = randomUUID();
    const types = { command: 'slash_commands', interactive: 'interactive', event: 'events_api' };
    const started = performance.now();
    const answered = new Promise<{ payload: unknown } | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ACK_MS);
      this.#pending.set(envelopeId, {
        link,
        answered: (body) => {
          clearTimeout(timer);
          resolve({ payload: body });
        },
      });
    });
    this.#say(link, {
      envelope_id: envelopeId,
      type: types[kind],
      payload,
      accepts_response_payload: kind !== 'event',
      ...(kind === 'event' ? { retry_attempt: retry, retry_reason: retry > 0 ? 'timeout' : '' } : {}),
    });
    const answer = await answered;
    this.#pending.delete(envelopeId);
    this.#settled.add(envelopeId);
    const ms = performance.now() - started;
    if (answer === undefined) return { status: 0, ms, ack: '', error: 'operation_timeout', retry };
    const body = answer.payload;
    const empty = body === undefined || (isObject(body) && Object.keys(body).length === 0);
    return { status: 200, ms, ack: empty ? '' : body, error: undefined, retry };
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const link of this.#server.clients) link.terminate();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #every(ms: number, work: () => void): void {
    this.#timers.add(setInterval(work, ms));
  }

  #say(link: WebSocket, message: Json): void {
    link.send(JSON.stringify(message));
  }

  #retire(link: WebSocket): void {
    const index = this.#links.indexOf(link);
    if (index >= 0) this.#links.splice(index, 1);
  }

  #welcome(link: WebSocket): void {
    link.on('message', (data) => this.#heard(link, data.toString()));
    link.on('close', () => this.#retire(link));
    link.on('error', () => this.#retire(link));
    if (this.#links.length >= CONNECTIONS_MAX) {
      this.#core.world.violate('too-many-connections', `more than ${CONNECTIONS_MAX} Socket Mode connections`);
      this.#say(link, { type: 'disconnect', reason: 'too_many_websockets', debug_info: { host: 'loopback' } });
      link.close();
      return;
    }
    this.#links.push(link);
    this.#say(link, {
      type: 'hello',
      num_connections: this.#links.length,
      debug_info: { host: 'loopback', build_number: 1, approximate_connection_time: 18_060 },
      connection_info: { app_id: APP_ID },
    });
  }

  #heard(link: WebSocket, text: string): void {
    const message = parsed(text);
    const id = isObject(message) ? textOf(message.envelope_id) : '';
    const pending = this.#pending.get(id);
    // Slack's documentation does not say that it takes an acknowledgement over another connection: it is not relied upon.
    if (pending !== undefined && pending.link !== link) {
      this.#core.world.violate('ack-elsewhere', `${id} was acknowledged over another connection`);
    } else if (pending !== undefined && isObject(message)) pending.answered(message.payload);
    else if (!this.#settled.has(id)) this.#core.world.violate('unknown-envelope', `acknowledged ${JSON.stringify(id)}`);
  }
}
