/** Bolt's receivers, with acknowledgements held until the work is safe, and Socket Mode kept from going deaf. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { App, HTTPReceiver, Receiver, ReceiverEvent, SocketModeReceiver } from '@slack/bolt';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';

/** How long an event may go unacknowledged; Slack sends it again after 3 s. */
const holdMs = 2_500;
/** Largest request that is read. Slack's own are far smaller. */
export const bodyLimit = 1_000_000;
/** Slack closes a connection about ten seconds after it has asked for a new one; until then it may still be answered over. */
const drainMs = 8_000;
/** A connection that has not said hello by then is given up. */
const helloMs = 10_000;
const retryMaxMs = 30_000;

/** What has come over one receiver and is not acknowledged yet. */
interface Pending {
  /** Something has come; the result is called when it is acknowledged. */
  came(): () => void;
  /** Resolves when all that has come is acknowledged. */
  none(): Promise<void>;
}

const pendingOf = new WeakMap<Receiver, Pending>();

function createPending(): Pending {
  const open = new Set<Promise<void>>();
  return {
    came() {
      let left = () => {};
      const gone = new Promise<void>((resolve) => {
        left = resolve;
      });
      open.add(gone);
      return () => {
        open.delete(gone);
        left();
      };
    },
    async none() {
      await Promise.all(open);
    },
  };
}

/**
 * The app as a receiver sees it. Bolt acknowledges events before anybody has looked at them; here the acknowledgement waits until they
 * are handled, so that Slack sends again what dies with a process. What no listener acknowledged is acknowledged at the end: nothing
 * meets Slack's three seconds in silence.
 */
function holding(app: App, clock: Clock, log: Log, pending: Pending): App {
  async function processEvent(event: ReceiverEvent): Promise<void> {
    const acknowledged = pending.came();
    const isEvent = typeof event.body === 'object' && event.body !== null && event.body.type === 'event_callback';
    const acknowledge = event.ack;
    let acked = false;
    const once: ReceiverEvent['ack'] = async (body) => {
      if (acked) return;
      acked = true;
      await acknowledge(body).finally(acknowledged);
    };
    const work = app.processEvent({ ...event, ack: isEvent ? async () => undefined : once });
    const timer = new AbortController();
    const late = clock.sleep(holdMs, timer.signal).then(
      () => undefined,
      () => undefined,
    );
    try {
      await (isEvent ? Promise.race([work, late]) : work);
    } finally {
      timer.abort();
      await once().catch((error: unknown) =>
        log.warn({ error: String(error) }, 'an acknowledgement did not reach Slack'),
      );
    }
    await work;
  }
  return Object.create(app, { processEvent: { value: processEvent } }) as App;
}

/** Several receivers that feed one app. `start` and `stop` are done outside of Bolt. */
export function joined(receivers: Receiver[], clock: Clock, log: Log): Receiver {
  return {
    init(app: App) {
      for (const receiver of receivers) {
        const pending = createPending();
        pendingOf.set(receiver, pending);
        receiver.init(holding(app, clock, log, pending));
      }
    },
    async start() {},
    async stop() {},
  };
}

/** Serves one request for Slack's path: reads at most `bodyLimit`, refuses what is no payload, and leaves the rest to Bolt. */
export async function serve(receiver: HTTPReceiver, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refuse = (status: number, close = false) => {
    if (response.headersSent) return;
    response.writeHead(status, close ? { connection: 'close' } : {});
    response.end();
  };
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) return refuse(413, true);
  const body = await bodyOf(request);
  if (body === 'too large') return refuse(413, true);
  if (body === 'cut short') return refuse(400, true);
  if (!isPayload(request.headers['content-type'], body)) return refuse(400);
  Object.assign(request, { rawBody: body });
  try {
    receiver.requestListener(request, response);
  } catch (error) {
    // Bolt throws for other paths and methods, so that somebody else may answer them.
    if (!(error instanceof Error) || !('code' in error)) throw error;
    refuse(404);
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | 'too large' | 'cut short'> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      size += bytes.length;
      if (size > bodyLimit) return 'too large';
      chunks.push(bytes);
    }
  } catch (error) {
    if (error instanceof Error) return 'cut short';
    throw error;
  }
  return request.complete ? Buffer.concat(chunks) : 'cut short';
}

/** Whether Bolt will read an object from the body; it stumbles over `null` and other bare JSON. */
function isPayload(contentType: string | undefined, body: Buffer): boolean {
  const text = body.toString('utf8');
  if (contentType !== 'application/x-www-form-urlencoded') return isObject(text);
  const payloads = new URLSearchParams(text).getAll('payload');
  return payloads.length === 0 || (payloads.length === 1 && payloads.every(isObject));
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** A Socket Mode connection that is made again whenever it ends. */
export interface Link {
  /** Whether Slack can reach us through it now. */
  connected(): boolean;
  /** Resolves when it has connected for the first time, or the first attempt has failed. */
  tried: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Lets what came over a connection be answered before the client closes it: at Slack's `disconnect` it would close at once, and what is under way would
 * go unanswered.
 */
function drainFirst(receiver: SocketModeReceiver, clock: Clock): void {
  const { client } = receiver;
  const read = client.listeners('ws_message');
  client.removeAllListeners('ws_message');
  client.on('ws_message', (data: unknown, isBinary: unknown) => {
    const pass = () => {
      for (const listener of read) listener(data, isBinary);
    };
    const pending = pendingOf.get(receiver);
    if (pending === undefined || typeof data !== 'string' || !isDisconnect(data)) return pass();
    const timer = new AbortController();
    const late = clock.sleep(drainMs, timer.signal).catch(() => undefined);
    void Promise.race([pending.none(), late]).then(() => {
      timer.abort();
      pass();
    });
  });
}

function isDisconnect(message: string): boolean {
  try {
    const read: unknown = JSON.parse(message);
    return typeof read === 'object' && read !== null && 'type' in read && read.type === 'disconnect';
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/**
 * Keeps one connection. Bolt's own reconnecting waits five seconds after each refresh and gives up with an unhandled rejection when
 * Slack is away; here a refreshed connection is replaced at once, and failures back off.
 */
export function keepLink(receiver: SocketModeReceiver, clock: Clock, log: Log): Link {
  const { client } = receiver;
  drainFirst(receiver, clock);
  const stopping = new AbortController();
  let connected = false;
  let firstTry = () => {};
  const tried = new Promise<void>((resolve) => {
    firstTry = resolve;
  });
  let ended = () => {};
  client.on('disconnected', () => {
    connected = false;
    ended();
  });

  async function connect(): Promise<void> {
    const timer = new AbortController();
    const late = clock.sleep(helloMs, timer.signal).then(
      () => Promise.reject(new Error('Slack said no hello')),
      () => undefined,
    );
    try {
      await Promise.race([receiver.start(), late]);
    } finally {
      timer.abort();
    }
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!stopping.signal.aborted) {
      const end = new Promise<void>((resolve) => {
        ended = resolve;
      });
      try {
        await connect();
        connected = true;
        failures = 0;
        log.info({}, 'connected to Slack in Socket Mode');
        firstTry();
        await end;
      } catch (error) {
        connected = false;
        failures += 1;
        firstTry();
        const waitMs = Math.min(retryMaxMs, retryAfterMs(error) ?? 500 * 2 ** Math.min(failures, 10));
        log.warn({ error: String(error ?? 'closed'), failures, waitMs }, 'no Socket Mode connection to Slack');
        await client
          .disconnect()
          .catch((failed: unknown) => log.debug({ error: String(failed) }, 'disconnecting failed'));
        await clock.sleep(waitMs, stopping.signal).catch(() => undefined);
      }
    }
  }

  const running = run();
  return {
    connected: () => connected,
    tried,
    async stop() {
      stopping.abort();
      ended();
      await Promise.race([client.disconnect(), clock.sleep(1_000)]);
      await Promise.race([running, clock.sleep(1_000)]);
    },
  };
}

function retryAfterMs(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('retryAfter' in error)) return undefined;
  const seconds = Number(error.retryAfter);
  return Number.isFinite(seconds) ? seconds * 1_000 : undefined;
}
