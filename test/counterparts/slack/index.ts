/**
 * The loopback Slack: a program that plays Slack's side for an unmodified Bolt app, over HTTP or Socket Mode, and holds the
 * app to Slack's documented contract. What the app did wrong is in `violations`; a test ends by asserting that it is empty.
 *
 * Installing by OAuth and several workspaces behind one address are in cloud.ts. It does not play: files read by people, and the
 * automatic retries of events (ask for them with `redeliver`). Listens on 127.0.0.1 only.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Core } from './core.ts';
import { Dispatch } from './dispatch.ts';
import { objectOf, textOf } from './json.ts';
import * as payloads from './payloads.ts';
import { Person } from './person.ts';
import { words } from './screen.ts';
import { SocketMode } from './socket-mode.ts';
import type { Channel, Delivery, Json, Message, SlackOptions, StoredFile, View } from './types.ts';
import { serve } from './web-api.ts';
import type { Change } from './world.ts';

export { BOT_USER } from './core.ts';
export { encoded, signature, signedHeaders } from './dispatch.ts';
export { Person } from './person.ts';
export { words } from './screen.ts';
export type * from './types.ts';

/** A running loopback Slack. */
export class Slack {
  readonly #core: Core;
  readonly #dispatch: Dispatch;
  readonly #people = new Map<string, Person>();
  readonly #stop: () => Promise<void>;
  /** The Socket Mode side: `connections`, `refresh()`, `cut()`. */
  readonly socket: SocketMode;

  constructor(core: Core, dispatch: Dispatch, socket: SocketMode, stop: () => Promise<void>) {
    this.#core = core;
    this.#dispatch = dispatch;
    this.socket = socket;
    this.#stop = stop;
    core.world.onChange = (change) => this.#echo(change);
  }

  /** For `clientOptions.slackApiUrl`; ends in `/api/`. */
  get apiUrl(): string {
    return `${this.#core.origin}/api/`;
  }

  /** Rules the app broke, in order. */
  get violations() {
    return this.#core.world.violations;
  }

  /** Every call of the app, in order. */
  get calls() {
    return this.#core.calls;
  }

  /** Every request to the app, with its acknowledgement. */
  get deliveries() {
    return this.#core.deliveries;
  }

  get faults() {
    return this.#core.faults;
  }

  /** Rate limits; `enabled = false` switches them off. */
  get rates() {
    return this.#core.rates;
  }

  /** Where the app listens; several URLs take turns as replicas behind one address. No URL: Socket Mode. */
  deliverTo(...urls: string[]): void {
    this.#dispatch.deliverTo(...urls);
  }

  async verifyUrl(url: string): Promise<boolean> {
    return await this.#dispatch.verifyUrl(url);
  }

  user(id: string): Person {
    const person = this.#people.get(id) ?? new Person(this.#core, this.#dispatch, id);
    this.#people.set(id, person);
    return person;
  }

  /** A conversation, whose flags (`archived`, `hasBot`, `gone`, …) a test may set. */
  channel(id: string): Channel {
    const channel = this.#core.world.channels.get(id);
    if (channel === undefined) throw new Error(`no channel ${id}`);
    return channel;
  }

  /** What everybody in a conversation sees now, oldest first, replies included. */
  messages(channel: string): Message[] {
    return this.everything(channel).filter((each) => !each.deleted && each.ephemeralTo === undefined);
  }

  /** What only this person sees there. */
  ephemeral(channel: string, userId: string): Message[] {
    return this.everything(channel).filter((each) => !each.deleted && each.ephemeralTo === userId);
  }

  /** All that was ever posted there, deleted and ephemeral messages included. */
  everything(channel: string): Message[] {
    return this.#core.world.messages.filter((each) => each.channel === channel);
  }

  home(userId: string): View | undefined {
    return this.#core.views.home(userId);
  }

  files(): StoredFile[] {
    return [...this.#core.world.files.values()];
  }

  /** Sends an event of any kind to the app, e.g. `app_uninstalled`. */
  async event(event: Json): Promise<Delivery> {
    return await this.#dispatch.send('event', payloads.eventEnvelope(this.#core, event));
  }

  /**
   * Sends the very same request again, `times` times at once (retry numbers 1, 2, …; Slack stops at 3), to each of `to`, or to
   * the app's usual place. Slack retries events only; for commands and clicks it plays two replicas hearing the same thing.
   */
  async redeliver(delivery: Delivery, times = 1, { to = [] }: { to?: string[] } = {}): Promise<Delivery[]> {
    const places: (string | undefined)[] = to.length > 0 ? to : [undefined];
    const sent: Promise<Delivery>[] = [];
    for (let retry = delivery.retry + 1; retry <= delivery.retry + times; retry += 1) {
      for (const place of places) {
        const options = place === undefined ? { retry } : { retry, to: place };
        sent.push(this.#dispatch.send(delivery.kind, delivery.payload, options));
      }
    }
    return await Promise.all(sent);
  }

  /** Waits until `condition` gives something, and returns it. */
  async until<T>(
    condition: () => T | Promise<T>,
    ms = 5_000,
    what = 'the condition',
  ): Promise<Exclude<T, undefined | null | false | '' | 0>> {
    const deadline = performance.now() + ms;
    for (;;) {
      const found = await condition();
      if (isTruthy(found)) return found;
      if (performance.now() > deadline) {
        const last = this.calls
          .slice(-5)
          .map(({ method, status, answer }) => `${method} ${status} ${textOf(answer.error)}`);
        const broken = this.violations.map(({ kind, detail }) => `${kind}: ${detail}`);
        throw new Error(
          `${what} did not come within ${ms} ms; last calls: ${last.join(', ')}; violations: ${broken.join('; ')}`,
        );
      }
      await sleep(10);
    }
  }

  /** Waits for a message in a conversation that reads like this (seen by all, or by `userId` alone), the newest if several. */
  async sees(
    channel: string,
    pattern: RegExp,
    { ms = 5_000, userId }: { ms?: number; userId?: string } = {},
  ): Promise<Message> {
    const shown = () => (userId === undefined ? this.messages(channel) : this.ephemeral(channel, userId));
    return await this.until(
      () => shown().findLast((each) => pattern.test(words(each))),
      ms,
      `${pattern} in ${channel}`,
    );
  }

  /** Everything the app let out, as text: arguments of calls, acknowledgements and its current files; for canary searches. */
  emitted(): string {
    const ours = this.files().filter(({ owner }) => owner === undefined);
    const files = ours.map((file) => file.bytes?.toString('utf8') ?? '');
    return JSON.stringify([this.calls.map(({ args }) => args), this.deliveries.map(({ ack }) => ack), files]);
  }

  async close(): Promise<void> {
    this.#core.world.onChange = () => undefined;
    await this.#stop();
  }

  /** An app subscribed to message events hears its own messages too, with its bot_id. */
  #echo({ kind, message }: Change): void {
    const channel = this.channel(message.channel);
    const { subscription, type } = payloads.audience(channel);
    const events = this.#core.options.events ?? ['app_mention', 'message.im'];
    if (!message.byApp || !events.includes(subscription)) return;
    const json = payloads.messageJson(this.#core, message);
    const common = { channel: channel.id, channel_type: type, event_ts: payloads.stamp(this.#core) };
    const hidden = { type: 'message', hidden: true, ts: payloads.stamp(this.#core), ...common };
    const event = {
      posted: { ...json, ...common },
      edited: { ...hidden, subtype: 'message_changed', message: json },
      deleted: { ...hidden, subtype: 'message_deleted', deleted_ts: message.ts, previous_message: json },
    }[kind];
    this.event(event).catch((error: unknown) =>
      this.#core.world.violate('echo-failed', String(objectOf(error).message)),
    );
  }
}

function isTruthy<T>(value: T): value is Exclude<T, undefined | null | false | '' | 0> {
  return Boolean(value);
}

/** Starts a loopback Slack on a free port of 127.0.0.1. */
export async function startSlack(options: SlackOptions): Promise<Slack> {
  const core = new Core(options);
  const http = createServer((request, response) => void serve(core, request, response));
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = http.address() as AddressInfo;
  core.origin = `http://127.0.0.1:${port}`;
  const socket = new SocketMode(core, http);
  const dispatch = new Dispatch(core, socket);
  async function stop(): Promise<void> {
    await socket.close();
    http.closeAllConnections();
    await new Promise<void>((resolve) => http.close(() => resolve()));
  }
  return new Slack(core, dispatch, socket, stop);
}
