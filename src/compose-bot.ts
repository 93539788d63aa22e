/** The bot role of a process: its chats, the one dispatch behind them, the notifiers that write unasked, and one-time links. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createDispatch } from './bot/dispatch.ts';
import { createDurations } from './bot/durations.ts';
import { createFirstContact } from './bot/first-contact.ts';
import type { Inbound, Outbound } from './bot/inbound.ts';
import { createLiveOptions } from './bot/live-options.ts';
import { type Notifier, startNotifier } from './bot/notifier.ts';
import { openPublished } from './bot/pictures/published.ts';
import type { Heard } from './bot/slack/app.ts';
import { type Subscriptions, startSubscriptions } from './bot/subscriptions.ts';
import { openTerminal, type Terminal } from './bot/text/terminal.ts';
import { newId } from './clock.ts';
import { openRunningSlack } from './compose-slack.ts';
import { withDoctor } from './core/commands/doctor.ts';
import { registry } from './core/commands/index.ts';
import { connectProvisioner } from './core/connect.ts';
import type { Finding } from './core/doctor.ts';
import { asFault } from './core/errors.ts';
import type { ChatPort } from './core/ports/chat.ts';
import type { Clock } from './core/ports/clock.ts';
import type { Engine, Engines } from './core/ports/engine.ts';
import type { Kube } from './core/ports/kube.ts';
import type { Log } from './core/ports/log.ts';
import type { Queue } from './core/ports/queue.ts';
import type { Cache, Sealer, Store } from './core/ports/store.ts';
import type { Place } from './core/records.ts';
import type { Listener } from './http.ts';
import type { Metrics } from './metrics.ts';
import type { Settings } from './settings.ts';
import type { OpenedStore } from './store/index.ts';

/** What the bot role is made of. */
export interface BotParts {
  log: Log;
  clock: Clock;
  /** Filled with what has to be stopped, in the order of starting. */
  stops: { name: string; stop: () => Promise<unknown> }[];
  store: Store;
  cache: Cache;
  sealer: Sealer;
  queue: Queue;
  engines: Engines;
  kube: Kube;
  metrics: Metrics;
  /** For the doctor: the store's space, and the port that is listened on, once it is. */
  checkSpace: OpenedStore['checkSpace'];
  port(): number | undefined;
}

/** What the one port serves for the chats. */
export interface Chats {
  slack?: Listener;
  /** `/slack/install` and where Slack sends the browser back to. */
  slackInstall?: Listener;
  teams?: Listener;
  /** The PNG of a picture that a chat shows by its link. */
  picture(id: string): Promise<Uint8Array | null>;
  /** What has to answer for each chat to be served, by its name. */
  ready: ReadonlyMap<string, () => Promise<void>>;
  local?: { token: string; say(name: string, line: string): Promise<string> };
  terminal?: Terminal;
  begin?(): Promise<void>;
}

/** An engine's guide as it ships beside the sources. */
async function readGuide({ docs }: Engine): Promise<string | null> {
  try {
    return await readFile(new URL(`../${docs}`, import.meta.url), 'utf8');
  } catch {
    // Documentation may have been left out of an image; the command says where it is.
    return null;
  }
}

/** Opens the configured chats; `begin` connects them, once the port listens. */
export async function startBot(settings: Settings, parts: BotParts): Promise<Chats> {
  const { log, clock, stops, store, cache, sealer, queue, engines, kube, metrics } = parts;
  const { org } = settings;
  const ports: ChatPort[] = [];
  const notifiers = new Map<ChatPort, Notifier>();
  const subscriptions = new Map<ChatPort, Subscriptions>();
  const pictures = openPublished({ store, clock, newId, org });
  const durations = createDurations(cache, org);
  const portOf = (place: Place) =>
    ports.find((port) => port.platform === place.chat && port.workspace === place.workspace);

  const ready = new Map<string, () => Promise<void>>();
  const ending = new AbortController();
  let begun = false;

  /** Takes a port in; its messages are written once all chats have begun. */
  function serve(port: ChatPort): void {
    ports.push(port);
    if (begun) notify(port);
  }

  async function leave(port: ChatPort): Promise<void> {
    ports.splice(ports.indexOf(port), 1);
    const notifier = notifiers.get(port);
    notifiers.delete(port);
    await subscriptions.get(port)?.close();
    subscriptions.delete(port);
    await notifier?.close();
  }

  /** Starts to write in a workspace; a platform that has not answered yet has not said which it serves. */
  function notify(port: ChatPort): void {
    const known = async () => {
      while (!port.workspace) await clock.sleep(500, ending.signal);
      startNotifying(port);
    };
    if (port.workspace) startNotifying(port);
    else known().catch((thrown: unknown) => log.debug({ error: asFault(thrown).message }, 'a chat was not reached'));
  }

  function startNotifying(port: ChatPort): void {
    if (ending.signal.aborted || !ports.includes(port)) return;
    const notifier = startNotifier({
      store,
      cache,
      engines,
      clock,
      newId,
      log: log.child({ chat: port.platform }),
      port,
      org,
      approvals: settings.approvals,
      durations,
      connect: (provisioner) => connectProvisioner({ store, sealer, engines }, provisioner),
    });
    notifiers.set(port, notifier);
    const told = startSubscriptions({
      store,
      cache,
      clock,
      newId,
      log: log.child({ chat: port.platform }),
      port,
      org,
      approvals: settings.approvals,
      leads: () => notifier.leads(),
    });
    subscriptions.set(port, told);
  }

  async function stopNotifying(): Promise<void> {
    ending.abort();
    await Promise.all([...subscriptions.values()].map((told) => told.close()));
    await Promise.all([...notifiers.values()].map((notifier) => notifier.close()));
    durations.close();
  }

  let slackHeard: Heard | undefined;
  async function lookAtAll(): Promise<Finding[]> {
    const { examine } = await import('./doctor.ts');
    const port = parts.port();
    return examine({
      settings,
      opened: { store, sealer, checkSpace: parts.checkSpace },
      queue,
      engines,
      clock,
      ...(slackHeard ? { heard: slackHeard } : {}),
      ...(port === undefined ? {} : { port }),
    });
  }

  const tell = async (inbound: Inbound, answer: Outbound): Promise<void> => {
    const port = portOf(inbound.place);
    if (!port || !answer.card) return;
    const direct = answer.audience === 'caller' && !inbound.private && port.platform === 'slack';
    await port.post(direct ? await port.direct(inbound.person.id) : inbound.place, answer.card, newId(16));
  };
  const handle = createDispatch({
    registry: withDoctor(registry, lookAtAll),
    store,
    cache,
    engines,
    kube,
    sealer,
    queue,
    clock,
    newId,
    log,
    limits: settings.limits,
    org,
    version: settings.version,
    ...(settings.publicUrl ? { publicUrl: settings.publicUrl } : {}),
    options: createLiveOptions({
      connect: (provisioner) => connectProvisioner({ store, sealer, engines }, provisioner),
      clock,
      log,
    }),
    guide: readGuide,
    tell,
    async handOver(inbound, files) {
      const port = portOf(inbound.place);
      if (!port) return;
      const place = inbound.private ? inbound.place : await port.direct(inbound.person.id);
      for (const file of files) {
        const message = await port.attach(place, file);
        await notifiers.get(port)?.removeLater(place, message, 600_000);
      }
    },
    onCommand: (name, outcome, ms) => metrics.command(name, outcome, ms),
  });

  const chats: Chats = { ready, picture: (id) => pictures.read(id) };
  const begins: (() => Promise<void>)[] = [];
  if (settings.slack) {
    const slack = await openRunningSlack(settings, settings.slack, {
      handle,
      log,
      clock,
      store,
      cache,
      sealer,
      onCall: ({ method, outcome }) => metrics.chatCall('slack', method, outcome),
      opened: (port) => serve(port),
      closed: (port) => leave(port),
    });
    stops.push({ name: 'slack', stop: () => slack.stop(3_000) });
    slackHeard = slack.heard;
    if (slack.events) chats.slack = slack.events;
    if (slack.installer) chats.slackInstall = slack.installer;
    begins.push(() => slack.start());
    ready.set('slack', () => slack.ready());
  }
  if (settings.teams) {
    const { openTeams } = await import('./bot/teams/adapter.ts');
    const conversation = (id: string) => ({ kind: 'conversation', org, id }) as const;
    const { publicUrl } = settings;
    const teams = await openTeams({
      ...settings.teams,
      ...(publicUrl ? { publish: async (picture) => `${publicUrl}/p/${await pictures.publish(picture)}.png` } : {}),
      ...(settings.publicUrl ? { publicUrl: settings.publicUrl } : {}),
      firstContact: createFirstContact({ store, clock, org }),
      handle,
      log,
      clock,
      onCall: (call, result) => metrics.chatCall('teams', call, result),
      saveConversation: async (record) => {
        const id = createHash('sha256').update(record.id).digest('hex');
        await store.commit([
          {
            op: 'put',
            ref: conversation(id),
            record: { v: 1, id, org, place: record.place, reference: record.reference, seenAt: clock.now() },
          },
        ]);
      },
      loadConversation: async (id) => {
        const found = await store.get(conversation(createHash('sha256').update(id).digest('hex')));
        return found ? { ...found.record, id } : undefined;
      },
    });
    stops.push({ name: 'teams', stop: () => teams.stop(3_000) });
    chats.teams = teams.requestListener;
    ready.set('teams', () => teams.port.ready());
    serve(teams.port);
  }
  if (settings.terminal) {
    const heard = new Map<string, string[]>();
    const output = settings.terminal;
    const terminal = openTerminal({
      handle,
      newId,
      write(name, text) {
        heard.get(name)?.push(text);
        output.write(name, text);
      },
      ...(output.ask ? { ask: output.ask } : {}),
      readFile: output.readFile,
    });
    chats.terminal = terminal;
    serve(terminal.port);
    if (settings.localToken) {
      chats.local = {
        token: settings.localToken,
        async say(name, line) {
          const lines: string[] = [];
          heard.set(name, lines);
          await terminal.say(name, line);
          heard.delete(name);
          return lines.join('\n') || 'Done.';
        },
      };
    }
  }
  chats.begin = async () => {
    for (const begin of begins) await begin();
    stops.push({ name: 'notifiers', stop: stopNotifying });
    begun = true;
    for (const port of ports) notify(port);
  };
  return chats;
}
