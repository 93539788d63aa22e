/** Puts the folders together: one process with the roles it is given. Only this file, compose-bot.ts and main.ts see all of them. */

import type { Terminal } from './bot/text/terminal.ts';
import { newId, systemClock } from './clock.ts';
import { startBot } from './compose-bot.ts';
import { vaultOf } from './core/backup.ts';
import { asFault } from './core/errors.ts';
import { lookAtHandout, takeHandout } from './core/handout.ts';
import type { Clock } from './core/ports/clock.ts';
import type { Log } from './core/ports/log.ts';
import type { Queue } from './core/ports/queue.ts';
import type { Store } from './core/ports/store.ts';
import { openEngines } from './engines/index.ts';
import { listen } from './http.ts';
import { createBullmqQueue, createInProcessQueue, startWorker, type WorkerHandle } from './jobs/index.ts';
import { openKube } from './kube/index.ts';
import { openMetrics } from './metrics.ts';
import { registerSandbox, startSandboxChild } from './sandbox-child.ts';
import { backupPlaceOf, type Settings } from './settings.ts';
import { openArchive } from './store/archive/index.ts';
import { type OpenedStore, openConfiguredStore } from './store/index.ts';

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
  const archive = openArchive(backupPlaceOf(settings), { log, clock });
  stops.push({ name: 'archive', stop: () => archive.close() });
  const kube = openKube({
    ...{ log, clock, archive, vault: vaultOf(sealer) },
    ...(settings.apps ? { apps: settings.apps } : {}),
  });
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

  let listening: number | undefined;
  const chats = roles.bot
    ? await startBot(settings, {
        log,
        clock,
        stops,
        store,
        cache,
        sealer,
        queue,
        engines,
        kube,
        metrics,
        checkSpace: opened.checkSpace,
        port: () => listening,
      })
    : null;

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
      archive,
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
      ...[...(chats?.ready ?? [])].map(([name, ready]): [string, Promise<unknown>] => [name, ready()]),
    ];
    const wrong: Record<string, string> = {};
    // All at once: a check that fails while another is waited for must have somebody who hears it.
    const looks = checks.map(([name, check]) =>
      within(clock, check, 3_000).catch((thrown: unknown) => {
        wrong[name] = asFault(thrown, 'It does not answer.').message;
      }),
    );
    await Promise.all(looks);
    const space = opened.space();
    if (space) wrong.space = space;
    return wrong;
  };

  const links = { store, sealer, engines, kube, clock, newId, org };
  const handouts = {
    look: (token: string) => lookAtHandout(links, token),
    take: (token: string) => takeHandout(links, token),
  };
  const http = await listen(
    {
      ...settings.http,
      metricsFrom: settings.metrics.from,
      ...(settings.metrics.token ? { metricsToken: settings.metrics.token } : {}),
      log,
    },
    {
      ...(chats?.slack ? { slack: chats.slack } : {}),
      ...(chats?.slackInstall ? { slackInstall: chats.slackInstall } : {}),
      ...(chats?.teams ? { teams: chats.teams } : {}),
      ...(chats?.local ? { local: chats.local } : {}),
      ...(chats ? { picture: chats.picture } : {}),
      ...(roles.bot ? { handout: handouts, clusterLinks: true } : {}),
      notReady,
      metrics: () => metrics.page(),
    },
  );
  stops.push({ name: 'http', stop: () => http.close(3_000) });
  listening = http.port;
  await chats?.begin?.();
  return {
    port: http.port,
    settings,
    store,
    cache,
    ...(chats?.terminal ? { terminal: chats.terminal } : {}),
    ...(sandboxUrl ? { sandboxUrl } : {}),
    notReady,
    stop,
  };
}

/** The admins that the configuration names are superadmins: new people are written down, known ones are raised, and both is in the audit log. */
async function ensureAdmins(store: Store, org: string, admins: readonly string[], now: number): Promise<void> {
  for (const person of admins) {
    const ref = { kind: 'person', org, id: person } as const;
    const before = await store.get(ref);
    if (before?.record.role === 'superadmin') continue;
    const name = before?.record.name ?? person.split(':').at(-1) ?? person;
    const id = `${String(now).padStart(13, '0')}-${newId(8)}`;
    await store.commit([
      {
        op: 'put',
        ref,
        record: { v: 1, id: person, org, name, seenAt: now, ...before?.record, role: 'superadmin' },
        if: before?.revision ?? 0,
      },
      {
        op: 'put',
        ref: { kind: 'audit', org, id },
        record: {
          v: 1,
          id,
          org,
          at: now,
          who: 'kqueen',
          whoName: 'KQueen',
          action: 'person.role',
          command: 'KQUEEN_BOOTSTRAP_ADMINS',
          outcome: 'done',
          subject: name,
          reason: 'named in the configuration',
        },
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
