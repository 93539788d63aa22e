/**
 * The doctor: `node src/main.ts doctor`, and the chat command `doctor` of a running KQueen. It looks at everything KQueen depends on and says for each
 * what was found, what it means and what to do. It changes nothing but the record and the text that it tries the store and the keys with.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Heard } from './bot/slack/app.ts';
import { diagnoseSlack } from './bot/slack/doctor.ts';
import { createInstallations } from './bot/slack/installations.ts';
import { events, scopeNames, slashCommand } from './bot/slack/needs.ts';
import { newId, systemClock } from './clock.ts';
import { ConfigError, readConfig } from './config.ts';
import {
  anyBroken,
  checkArchive,
  checkProvisioners,
  checkQueue,
  checkSecrets,
  checkStore,
  type DoctorParts,
  type Finding,
  faulty,
  fine,
  sorted,
  tally,
} from './core/doctor.ts';
import { asFault } from './core/errors.ts';
import type { Clock } from './core/ports/clock.ts';
import type { Engines } from './core/ports/engine.ts';
import { type Log, silentLog } from './core/ports/log.ts';
import type { Queue } from './core/ports/queue.ts';
import type { Sealer, Store } from './core/ports/store.ts';
import {
  type Base,
  bases,
  checkBase,
  checkClock,
  checkMessages,
  checkSignature,
  checkTeamsToken,
  etcdSkew,
} from './doctor-web.ts';
import { openEngines } from './engines/index.ts';
import { createBullmqQueue, createInProcessQueue } from './jobs/index.ts';
import { backupPlaceOf, type Settings } from './settings.ts';
import { openArchive } from './store/archive/index.ts';
import { type OpenedStore, openConfiguredStore } from './store/index.ts';

/** What is looked at. */
export interface ExamineParts {
  settings: Settings;
  /** Null where it could not be opened; then `storeFinding` says why. */
  opened: { store: Store; sealer: Sealer; checkSpace: OpenedStore['checkSpace'] } | null;
  storeFinding?: Finding;
  queue: Queue;
  engines: Engines;
  clock: Clock;
  /** What a running KQueen has heard from Slack. */
  heard?: Heard;
  /** The port it listens on, where that is not the configured one. */
  port?: number;
}

const root = join(import.meta.dirname, '..');

/** Looks at everything; takes about ten seconds at most. */
export async function examine(parts: ExamineParts): Promise<Finding[]> {
  const { settings, opened, clock, engines } = parts;
  const skews: { from: string; ms: number }[] = [];
  const doctor: DoctorParts | null = opened && {
    store: opened.store,
    sealer: opened.sealer,
    engines,
    org: settings.org,
    newId,
    now: clock.now(),
    call: (ms) => ({ signal: AbortSignal.timeout(ms), deadline: clock.now() + ms }),
  };
  const groups: [string, Promise<Finding[]>][] = [
    ['Store', lookAtStore(parts, doctor)],
    ['Queue', checkQueue(parts.queue, settings.redisUrl !== undefined).then((each) => [each])],
    ['Web', lookAtWeb(parts, skews)],
    ['Slack', lookAtSlack(parts, skews)],
    ['Teams', settings.teams ? checkTeamsToken(clock, settings.teams).then((each) => [each]) : none()],
    ['Backups', lookAtArchive(settings, clock)],
    ['Provisioners', doctor ? checkProvisioners(doctor) : none()],
    ['Engines', Promise.resolve(engines.all().map(({ name }) => checkPackages(name)))],
    ['Clock', etcdTime(settings, clock, skews)],
  ];
  const found = await Promise.all(
    groups.map(([name, looked]) =>
      looked.catch((thrown: unknown) => [faulty(name, 'check', thrown, 'Look into the log of KQueen.')]),
    ),
  );
  return [...checkSettings(settings), ...found.flat(), checkClock(skews)];
}

/** The place where backups are kept, as this process reaches it. */
async function lookAtArchive(settings: Settings, clock: Clock): Promise<Finding[]> {
  const place = backupPlaceOf(settings);
  if (place.kind === 'dir' && !existsSync(place.path) && !existsSync(settings.dataDir)) {
    const means =
      'There is no data folder yet; KQueen makes it, and the folder for backups in it, when they are needed.';
    return [{ part: 'Backups', check: 'place', verdict: 'unknown', means }];
  }
  const archive = openArchive(place, { log: silentLog, clock });
  try {
    return [await checkArchive(archive, { signal: AbortSignal.timeout(10_000), deadline: clock.now() + 10_000 })];
  } finally {
    await archive.close();
  }
}

async function none(): Promise<Finding[]> {
  return [];
}

function checkSettings({ warnings = [] }: Settings): Finding[] {
  const findings = warnings.map(
    ({ name, message }): Finding => ({
      part: 'Settings',
      check: name,
      verdict: 'attention',
      means: `${name} ${message}.`,
      fix: 'What it may be is in docs/configuration.md.',
    }),
  );
  return [fine('Settings', 'values', 'Every setting can be read, and they fit together.'), ...findings];
}

async function lookAtStore({ opened, storeFinding }: ExamineParts, doctor: DoctorParts | null): Promise<Finding[]> {
  if (opened === null || doctor === null) return storeFinding ? [storeFinding] : [];
  const space = await opened.checkSpace();
  const means = space.message || `${Math.round(space.used * 100)} % of its space is used.`;
  const fix =
    'Raise the quota (etcd: --quota-backend-bytes and KQUEEN_ETCD_QUOTA), compact and defragment, or free the disk.';
  const room: Finding =
    space.level === 'ok'
      ? fine('Store', 'space', means)
      : { part: 'Store', check: 'space', verdict: space.level === 'warn' ? 'attention' : 'broken', means, fix };
  return [await checkStore(doctor), room, await checkSecrets(doctor)];
}

/** KQueen's own port and public address, and what comes to them. */
async function lookAtWeb(
  { settings, clock, port }: ExamineParts,
  skews: { from: string; ms: number }[],
): Promise<Finding[]> {
  const { slack, teams } = settings;
  const looked = await Promise.all(
    bases(settings, port).map(async (base: Base) => {
      const { finding, up, skewMs } = await checkBase(clock, base);
      if (base.isPublic && up && skewMs !== undefined) skews.push({ from: base.url, ms: skewMs });
      const more: Promise<Finding>[] = [];
      const secret = slack?.appToken === undefined ? slack?.signingSecret : undefined;
      if (up && secret !== undefined) more.push(checkSignature(clock, base, secret));
      if (up && teams) more.push(checkMessages(clock, base, teams));
      return [finding, ...(await Promise.all(more))];
    }),
  );
  return looked.flat();
}

async function lookAtSlack(
  { settings, opened, clock, heard }: ExamineParts,
  skews: { from: string; ms: number }[],
): Promise<Finding[]> {
  const { slack, approvals, publicUrl } = settings;
  if (!slack) return [];
  const { findings, skewMs } = await diagnoseSlack({
    workspaces: await workspacesOf(settings, opened, clock),
    ...(slack.oauth && publicUrl ? { oauth: { ...slack.oauth, publicUrl } } : {}),
    ...(slack.appToken ? { appToken: slack.appToken } : {}),
    ...(slack.apiUrl ? { apiUrl: slack.apiUrl } : {}),
    ...(heard ? { heard } : {}),
    approvals,
    clock,
  });
  if (skewMs !== undefined) skews.push({ from: 'Slack', ms: skewMs });
  return [...findings, checkManifest()];
}

/** The workspaces to look at: the one of the configuration, or those in the store. */
async function workspacesOf(
  { slack, org }: Settings,
  opened: ExamineParts['opened'],
  clock: Clock,
): Promise<{ team?: string; name?: string; token: string }[]> {
  if (slack?.botToken !== undefined) return [{ token: slack.botToken }];
  if (opened === null) return [];
  const { store, sealer } = opened;
  const installations = createInstallations({ store, sealer, org, clock, newId });
  const page = await store.page('installation', org, { limit: 100 });
  const found = await Promise.all(page.items.map(({ record }) => installations.load(record.workspace)));
  return found.flatMap((each) =>
    each ? [{ team: each.record.workspace, name: each.record.name, token: each.tokens.bot }] : [],
  );
}

const Manifest = z.looseObject({
  features: z.looseObject({ slash_commands: z.array(z.looseObject({ command: z.string() })) }),
  oauth_config: z.looseObject({ scopes: z.looseObject({ bot: z.array(z.string()) }) }),
  settings: z.looseObject({ event_subscriptions: z.looseObject({ bot_events: z.array(z.string()) }) }),
});

/** Whether the manifest.yml that is here still asks for what this KQueen needs. */
function checkManifest(): Finding {
  const [part, check] = ['Slack', 'manifest.yml'] as const;
  const path = join(root, 'manifest.yml');
  if (!existsSync(path)) return { part, check, verdict: 'unknown', means: 'The file is not here.' };
  const fix =
    'Take manifest.yml of this version of KQueen, and give it to the app (App Manifest at https://api.slack.com/apps).';
  const read = Manifest.safeParse(parse(readFileSync(path, 'utf8')));
  if (!read.success) return { part, check, verdict: 'attention', means: 'The file cannot be read as a manifest.', fix };
  const { features, oauth_config: oauth, settings } = read.data;
  const missing = [
    ...scopeNames.filter((each) => !oauth.scopes.bot.includes(each)),
    ...events.filter((each) => !settings.event_subscriptions.bot_events.includes(each)),
    ...[slashCommand].filter((each) => !features.slash_commands.some(({ command }) => command === each)),
  ];
  if (missing.length === 0)
    return fine(part, check, 'The file asks for the scopes, events and the command that KQueen needs.');
  return { part, check, verdict: 'attention', means: `The file does not ask for ${missing.join(', ')}.`, fix };
}

/** Whether the packages that an engine loads when it connects are installed. */
function checkPackages(engine: string): Finding {
  const [part, check] = [`Engine ${engine}`, 'packages'] as const;
  const folder = join(import.meta.dirname, 'engines', engine);
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.ts')) : [];
  const named = files.flatMap((name) =>
    [
      ...readFileSync(join(folder, name), 'utf8').matchAll(
        /(?:^import (?!type)[^;]*? from |\bimport\()'([^'.][^']*)'/gm,
      ),
    ].map(([, specifier = '']) => specifier),
  );
  const missing = [...new Set(named)].filter((name) => !isBuiltin(name) && !isInstalled(name));
  if (missing.length === 0) return fine(part, check, 'Everything it loads is installed.');
  const means = `It cannot load ${missing.join(', ')}.`;
  return {
    part,
    check,
    verdict: 'broken',
    means,
    fix: 'Run npm install in the folder of KQueen, or take the image that was built for it.',
  };
}

function isInstalled(specifier: string): boolean {
  try {
    return import.meta.resolve(specifier) !== '';
  } catch {
    return false;
  }
}

async function etcdTime(settings: Settings, clock: Clock, skews: { from: string; ms: number }[]): Promise<Finding[]> {
  const { etcd } = settings.store;
  const ms = etcd ? await etcdSkew(clock, etcd) : null;
  if (ms !== null) skews.push({ from: 'etcd', ms });
  return [];
}

/** What the doctor found, as a table for a terminal of so many columns. */
export function doctorText(found: readonly Finding[], columns = 100): string {
  const words = { broken: 'BROKEN', attention: 'look at', unknown: 'unknown', fine: 'fine' };
  const findings = sorted(found);
  const names = findings.map(({ part, check }) => `${part}, ${check}`);
  const whatWidth = Math.min(30, Math.max(4, ...names.map(({ length }) => length)));
  const textWidth = Math.max(30, columns - 9 - whatWidth - 2);
  const row = (result: string, what: string[], text: string[]) =>
    Array.from({ length: Math.max(what.length, text.length) }, (_, index) =>
      `${(index === 0 ? result : '').padEnd(9)}${(what[index] ?? '').padEnd(whatWidth)}  ${text[index] ?? ''}`.trimEnd(),
    );
  const rows = findings.flatMap(({ verdict, means, fix }, index) =>
    row(words[verdict], wrapped(names[index] ?? '', whatWidth), [
      ...wrapped(means, textWidth),
      ...(fix === undefined ? [] : wrapped(`Do this: ${fix}`, textWidth)),
    ]),
  );
  return `${[...row('Result', ['What'], ['Meaning']), ...rows].join('\n')}\n\n${tally(findings)}.\n`;
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/**
 * The doctor as a program. Writes what it found; the exit code is 1 when something is broken, else 0. `roles` are the words that the process itself
 * would be started with.
 */
export async function runDoctor(
  env: Record<string, string | undefined>,
  roles: readonly string[],
  write: (text: string) => void,
  { clock = systemClock, log = silentLog, columns }: { clock?: Clock; log?: Log; columns?: number } = {},
): Promise<number> {
  const findings = await examineFromOutside(env, roles, clock, log);
  write(doctorText(findings, columns));
  return anyBroken(findings) ? 1 : 0;
}

async function examineFromOutside(
  env: Record<string, string | undefined>,
  roles: readonly string[],
  clock: Clock,
  log: Log,
): Promise<Finding[]> {
  let settings: Settings;
  try {
    settings = { ...readConfig(env, roles), version: '' };
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return thrown.problems.map(({ name, message }) => ({
      part: 'Settings',
      check: name,
      verdict: 'broken',
      means: `${name} ${message}.`,
      fix: 'What it may be is in docs/configuration.md. Nothing else was looked at.',
    }));
  }
  const engines = openEngines({ ...(settings.engines ? { allowed: settings.engines } : {}), log, clock });
  const queue = settings.redisUrl
    ? createBullmqQueue({
        url: settings.redisUrl,
        clock,
        log,
        ...(settings.redisPrefix ? { prefix: settings.redisPrefix } : {}),
      })
    : createInProcessQueue({ clock, log });
  const store = await openStoreOf(settings, clock, log);
  try {
    return await examine({ settings, queue, engines, clock, ...store });
  } finally {
    await Promise.allSettled([queue.close(500), engines.close(), store.opened?.close()]);
  }
}

/** The store, or why it cannot be looked at from here. */
async function openStoreOf(
  settings: Settings,
  clock: Clock,
  log: Log,
): Promise<{ opened: OpenedStore | null; storeFinding?: Finding }> {
  const embedded = settings.store.etcd === undefined;
  const [part, check] = ['Store', 'opening'] as const;
  if (embedded && !existsSync(join(settings.dataDir, 'store.db'))) {
    const means = 'There is no embedded store yet; KQueen makes it at its first start.';
    return { opened: null, storeFinding: { part, check, verdict: 'unknown', means } };
  }
  try {
    return { opened: await openConfiguredStore(settings.store, { clock, log, dataDir: settings.dataDir }) };
  } catch (thrown) {
    const fault = asFault(thrown);
    if (embedded && fault.kind === 'conflict') {
      const means =
        'The embedded store is held by the KQueen that runs, as it should be. Store, keys, installed workspaces and provisioners were not looked at.';
      const fix = 'Write doctor to that KQueen in chat, or stop it and repeat this.';
      return { opened: null, storeFinding: { part, check, verdict: 'unknown', means, fix } };
    }
    return { opened: null, storeFinding: faulty(part, check, thrown, 'Mend what it says, and repeat this.') };
  }
}
