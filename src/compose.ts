/** Puts the folders together: one process with the roles it is given. Only this file and main.ts see all of them. */
import { createHash, randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createDispatch } from './bot/dispatch.ts';
import type { Inbound, Outbound } from './bot/inbound.ts';
import { createLiveOptions } from './bot/live-options.ts';
import { type Notifier, startNotifier } from './bot/notifier.ts';
import type { TeamsOptions } from './bot/teams/adapter.ts';
import { openTerminal, type Terminal } from './bot/text/terminal.ts';
import { issue } from './core/commands/cluster-access.ts';
import { registry } from './core/commands/index.ts';
import { connectProvisioner } from './core/connect.ts';
import { asFault } from './core/errors.ts';
import type { ChatPort } from './core/ports/chat.ts';
import type { Clock, NewId } from './core/ports/clock.ts';
import type { Log } from './core/ports/log.ts';
import type { Queue } from './core/ports/queue.ts';
import type { Sealer, Store } from './core/ports/store.ts';
import type { Place } from './core/records.ts';
import { openEngines } from './engines/index.ts';
import { type Listener, listen } from './http.ts';
import { createBullmqQueue, createInProcessQueue, startWorker, type WorkerHandle } from './jobs/index.ts';
import { openKube } from './kube/index.ts';
import { type Metrics, openMetrics } from './metrics.ts';
import { registerSandbox, startSandboxChild } from './sandbox-child.ts';
import { type OpenedStore, openConfiguredStore, type StoreSettings } from './store/index.ts';

export interface SlackSettings {
  botToken: string;
  signingSecret?: string;
  appToken?: string;
  apiUrl?: string;
}

export interface TeamsSettings {
  appId: string;
  appPassword: string;
  tenantId: string;
  appType: 'SingleTenant' | 'MultiTenant' | 'UserAssignedMSI';
  /** Authentication off; loopback only. */
  development: boolean;
  /** Other addresses than Microsoft's public cloud. */
  endpoints?: NonNullable<TeamsOptions['endpoints']>;
}

/** What one process is told to be. `config.ts` makes it from the environment; tests make their own. */
export interface Settings {
  roles: { bot: boolean; worker: boolean };
  org: string;
  dataDir: string;
  store: StoreSettings;
  redisUrl?: string;
  redisPrefix?: string;
  http: { host: string; port: number };
  publicUrl?: string;
  slack?: SlackSettings;
  teams?: TeamsSettings;
  /** Writes what KQueen says to a person of the terminal; absent: no terminal chat. */
  terminal?: {
    write(name: string, text: string): void;
    ask?: (name: string, question: string, secret: boolean) => Promise<string | null>;
  };
  /** Accepts lines for the terminal's admin over loopback HTTP with this token. */
  localToken?: string;
  sandbox: { on: boolean; speed: number; port: number; admin?: boolean };
  engines?: readonly string[];
  limits: { approvalMs: number; provisionMs: number };
  healthIntervalMs: number;
  retention: { auditMs: number; jobMs: number };
  bootstrapAdmins: readonly string[];
  approvals: readonly Place[];
  metrics: { from: readonly string[]; token?: string };
  version: string;
}

export interface Running {
  port: number;
  settings: Settings;
  store: Store;
  cache: OpenedStore['cache'];
  terminal?: Terminal;
  sandboxUrl?: string;
  notReady(): Promise<Record<string, string>>;
  /** Graceful stop within ten seconds. */
  stop(): Promise<void>;
}

const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';

/** Random ids without look-alikes. */
export const newId: NewId = (size = 8) =>
  Array.from({ length: size }, () => alphabet[randomInt(alphabet.length)]).join('');

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => pause(ms, undefined, signal ? { signal } : {}),
};

/** Starts everything the settings ask for; what was started is stopped again when something fails. */
export async function startKQueen(settings: Settings, parts: { log: Log; clock?: Clock }): Promise<Running> {
  const { log } = parts;
  const clock = parts.clock ?? systemClock;
  const stops: { name: string; stop: () => Promise<unknown> }[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) {
      await each
        .stop()
        .catch((thrown: unknown) =>
          log.warn(
            { part: each.name, error: asFault(thrown).detail ?? asFault(thrown).message },
            'a part did not stop cleanly',
          ),
        );
    }
  };
  try {
    return await start(settings, { log, clock, stops, stop });
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

interface StartParts {
  log: Log;
  clock: Clock;
  stops: { name: string; stop: () => Promise<unknown> }[];
  stop: () => Promise<void>;
}

async function start(settings: Settings, { log, clock, stops, stop }: StartParts): Promise<Running> {
  const { org, roles } = settings;
  const opened = await openConfiguredStore(settings.store, {
    clock,
    log,
    dataDir: settings.dataDir,
    retention: settings.retention,
  });
  stops.push({ name: 'store', stop: () => opened.close() });
  const { store, cache, sealer } = opened;
  const metrics = openMetrics(cache, org);
  const queue: Queue = settings.redisUrl
    ? createBullmqQueue({
        url: settings.redisUrl,
        clock,
        log,
        ...(settings.redisPrefix ? { prefix: settings.redisPrefix } : {}),
      })
    : createInProcessQueue({ clock, log });
  stops.push({ name: 'queue', stop: () => queue.close(1_000) });
  const engines = openEngines({
    ...(settings.engines ? { allowed: settings.engines } : {}),
    log,
    clock,
    onCall: (engine, call, result, ms) => metrics.engineCall(engine, call, result, ms / 1_000),
  });
  stops.push({ name: 'engines', stop: () => engines.close() });
  const kube = openKube({ log, clock });
  stops.push({ name: 'kube', stop: () => kube.close() });
  await ensureAdmins(store, org, settings.bootstrapAdmins, clock.now());

  let sandboxUrl: string | undefined;
  if (settings.sandbox.on) {
    const child = await startSandboxChild({
      dataDir: settings.dataDir,
      speed: settings.sandbox.speed,
      port: settings.sandbox.port,
      log,
      ...(settings.sandbox.admin ? { admin: true } : {}),
    });
    stops.push({ name: 'sandbox', stop: () => child.stop() });
    sandboxUrl = child.url;
    await registerSandbox({ store, sealer, newId, org, now: clock.now() }, child);
  }

  const ports: ChatPort[] = [];
  const chats = roles.bot
    ? await startBot(settings, { log, clock, stops, stop, store, cache, sealer, queue, engines, kube, metrics, ports })
    : {};

  let worker: WorkerHandle | undefined;
  if (roles.worker) {
    worker = await startWorker({
      store,
      cache,
      sealer,
      engines,
      kube,
      queue,
      clock,
      newId,
      log,
      every: { health: settings.healthIntervalMs },
      retain: () => opened.retain(),
      meters: {
        jobEnded: (kind, state, ms) => metrics.job(kind, state, ms / 1_000),
        tickDone: (kind, result, ms) => metrics.tick(kind, result, ms / 1_000),
        queueDepth: (depth) => metrics.queueDepth(depth),
        probed: (verdict, ms) => metrics.engineCall('kube', 'probe', verdict, ms / 1_000),
      },
    });
    const running = worker;
    stops.push({ name: 'worker', stop: () => running.close(8_000) });
  }

  const notReady = async (): Promise<Record<string, string>> => {
    const checks: [string, Promise<unknown>][] = [
      ['store', store.ready()],
      ['queue', queue.ready()],
      ...ports.map((port): [string, Promise<unknown>] => [port.platform, port.ready()]),
    ];
    const wrong: Record<string, string> = {};
    for (const [name, check] of checks) {
      await within(clock, check, 3_000).catch((thrown: unknown) => {
        wrong[name] = asFault(thrown, 'It does not answer.').message;
      });
    }
    const space = opened.space();
    if (space) wrong.space = space;
    return wrong;
  };

  const http = await listen(
    {
      ...settings.http,
      metricsFrom: settings.metrics.from,
      ...(settings.metrics.token ? { metricsToken: settings.metrics.token } : {}),
      log,
    },
    {
      ...(chats.slack ? { slack: chats.slack } : {}),
      ...(chats.teams ? { teams: chats.teams } : {}),
      ...(chats.local ? { local: chats.local } : {}),
      ...(roles.bot ? { handout: handouts(settings, { store, sealer, kube, clock }) } : {}),
      notReady,
      metrics: () => metrics.page(),
    },
  );
  stops.push({ name: 'http', stop: () => http.close(3_000) });
  await chats.begin?.();
  return {
    port: http.port,
    settings,
    store,
    cache,
    ...(chats.terminal ? { terminal: chats.terminal } : {}),
    ...(sandboxUrl ? { sandboxUrl } : {}),
    notReady,
    stop,
  };
}

interface BotParts extends StartParts {
  store: Store;
  cache: OpenedStore['cache'];
  sealer: Sealer;
  queue: Queue;
  engines: ReturnType<typeof openEngines>;
  kube: ReturnType<typeof openKube>;
  metrics: Metrics;
  ports: ChatPort[];
}

interface Chats {
  slack?: Listener;
  teams?: Listener;
  local?: { token: string; say(name: string, line: string): Promise<string> };
  terminal?: Terminal;
  begin?(): Promise<void>;
}

async function startBot(settings: Settings, parts: BotParts): Promise<Chats> {
  const { log, clock, stops, store, cache, sealer, queue, engines, kube, metrics, ports } = parts;
  const { org } = settings;
  const notifiers = new Map<ChatPort, Notifier>();
  const portOf = (place: Place) =>
    ports.find((port) => port.platform === place.chat && port.workspace === place.workspace);

  const tell = async (inbound: Inbound, answer: Outbound): Promise<void> => {
    const port = portOf(inbound.place);
    if (!port || !answer.card) return;
    const direct = answer.audience === 'caller' && !inbound.private && port.platform === 'slack';
    await port.post(direct ? await port.direct(inbound.person.id) : inbound.place, answer.card, newId(16));
  };
  const handle = createDispatch({
    registry,
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

  const chats: Chats = {};
  const begins: (() => Promise<void>)[] = [];
  if (settings.slack) {
    const { openSlack } = await import('./bot/slack/adapter.ts');
    const slack = await openSlack({
      ...settings.slack,
      handle,
      log,
      clock,
      onCall: ({ method, outcome }) => metrics.chatCall('slack', method, outcome),
    });
    stops.push({ name: 'slack', stop: () => slack.stop(3_000) });
    if (slack.requestListener) chats.slack = slack.requestListener;
    begins.push(() => slack.start());
    ports.push(slack.port);
  }
  if (settings.teams) {
    const { openTeams } = await import('./bot/teams/adapter.ts');
    const conversation = (id: string) => ({ kind: 'conversation', org, id }) as const;
    const teams = await openTeams({
      ...settings.teams,
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
    ports.push(teams.port);
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
    });
    chats.terminal = terminal;
    ports.push(terminal.port);
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
  const notify = (port: ChatPort) => {
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
    });
    notifiers.set(port, notifier);
    stops.push({ name: `notifier ${port.platform}`, stop: () => notifier.close() });
  };
  chats.begin = async () => {
    for (const begin of begins) await begin();
    const waiting = new AbortController();
    stops.push({ name: 'chats', stop: async () => waiting.abort() });
    for (const port of ports) {
      if (port.workspace) notify(port);
      else
        notifyWhenKnown(port, waiting.signal).catch((thrown: unknown) =>
          log.debug({ error: asFault(thrown).message }, 'a chat was not reached'),
        );
    }
  };
  /** A platform that has not answered yet has not said which workspace it serves. */
  async function notifyWhenKnown(port: ChatPort, signal: AbortSignal): Promise<void> {
    while (!port.workspace) await clock.sleep(500, signal);
    notify(port);
  }
  return chats;
}

/** One-time links: looking burns nothing, taking issues and burns. */
function handouts(settings: Settings, parts: Pick<BotParts, 'store' | 'sealer' | 'kube' | 'clock'>) {
  const { store, clock } = parts;
  const { org } = settings;
  const find = async (token: string) => {
    const id = createHash('sha256').update(token).digest('hex');
    const found = await store.get({ kind: 'handout', org, id });
    if (!found || found.record.expiresAt < clock.now()) return null;
    const cluster = await store.get({ kind: 'cluster', org, id: found.record.cluster });
    return cluster ? { handout: found, cluster: cluster.record } : null;
  };
  return {
    async look(token: string): Promise<string | null> {
      return (await find(token))?.cluster.name ?? null;
    },
    async take(token: string) {
      const found = await find(token);
      if (!found) return null;
      const { handout, cluster } = found;
      // Burnt first: two clicks at once hand out one credential.
      const burnt = await store.commit([{ op: 'delete', ref: handout.ref, if: handout.revision }]);
      if (!burnt.ok) return null;
      const call = (ms: number) => ({ signal: AbortSignal.timeout(ms), deadline: clock.now() + ms });
      const access = await issue(
        { ...parts, call },
        cluster,
        handout.record.person,
        handout.record.role,
        handout.record.seconds,
      );
      return { name: `${cluster.name}.kubeconfig`, content: access.kubeconfig };
    },
  };
}

/** The first admins of an installation. They are written once; later roles are the records' own. */
async function ensureAdmins(store: Store, org: string, admins: readonly string[], now: number): Promise<void> {
  for (const id of admins) {
    const name = id.split(':').at(-1) ?? id;
    await store.commit([
      {
        op: 'put',
        ref: { kind: 'person', org, id },
        record: { v: 1, id, org, name, role: 'superadmin', seenAt: now },
        if: 0,
      },
    ]);
  }
}

async function within<T>(clock: Clock, work: Promise<T>, ms: number): Promise<T> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      work,
      clock.sleep(ms, timer.signal).then(() => {
        throw new Error('It does not answer in time.');
      }),
    ]);
  } finally {
    timer.abort();
  }
}
