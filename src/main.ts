/**
 * KQueen's entry: `node src/main.ts` runs both roles, `node src/main.ts bot` and `node src/main.ts worker` one each. Without configuration it
 * starts everything on loopback, to try; with configuration it is the production bot. `node src/main.ts doctor` looks for what is wrong.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Running, startKQueen } from './compose.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { asFault } from './core/errors.ts';
import type { Log } from './core/ports/log.ts';
import { type LocalConsole, makeLocalToken, openConsole, type Playground, startPlayground } from './local.ts';
import { openLog } from './log.ts';
import type { Settings } from './settings.ts';

const version = (
  JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string }
).version;

async function main(): Promise<void> {
  const config = readConfig(process.env, process.argv.slice(2));
  const onTerminal = config.local && process.stdin.isTTY === true;
  // Where people type, a log would write over their lines; it tells only what goes wrong.
  const log = openLog({ level: config.local && process.env.KQUEEN_LOG_LEVEL === undefined ? 'warn' : config.logLevel });
  for (const { name, message } of config.warnings) log.warn({ setting: name }, `${name} ${message}`);
  await (config.local ? runLocal(config, log, onTerminal) : runConfigured(config, log));
}

async function runConfigured(config: Config, log: Log): Promise<void> {
  const kqueen = await startKQueen({ ...config, version }, { log });
  log.info({ port: kqueen.port, roles: config.roles, version }, 'KQueen is up');
  await stopped(kqueen, log);
}

async function runLocal(config: Config, log: Log, onTerminal: boolean): Promise<void> {
  const localToken = makeLocalToken();
  const lines: LocalConsole | undefined = onTerminal ? openConsole() : undefined;
  const settings: Settings = {
    ...config,
    version,
    teams: { appId: '', appPassword: '', tenantId: 'local', appType: 'SingleTenant', development: true },
    terminal: lines?.terminal ?? {
      write: (name, text) =>
        console.log(
          text
            .split('\n')
            .map((line) => `${name} | ${line}`)
            .join('\n'),
        ),
    },
    bootstrapAdmins: config.bootstrapAdmins.length > 0 ? config.bootstrapAdmins : ['terminal:admin'],
    ...(onTerminal ? {} : { localToken }),
    ...(config.publicUrl || config.http.port === 0 ? {} : { publicUrl: `http://127.0.0.1:${config.http.port}` }),
  };
  console.log(
    `KQueen ${version}. Nothing is configured, so it starts on this machine alone, with a sandbox: no real machines, no real cost.`,
  );
  const kqueen = await startKQueen(settings, { log });
  const botUrl = `http://127.0.0.1:${kqueen.port}`;
  let playground: Playground | null = null;
  try {
    playground = await startPlayground({ botUrl, port: kqueen.port + 1, dataDir: config.dataDir, log });
    console.log(welcome(playground, onTerminal ? null : { botUrl, localToken }));
    const typing = lines?.read((line) => kqueen.terminal?.say('admin', line) ?? Promise.resolve());
    await stopped(kqueen, log, typing);
  } finally {
    lines?.close();
    await playground?.stop();
  }
}

function welcome(playground: Playground | null, local: { botUrl: string; localToken: string } | null): string {
  const lines = [''];
  if (playground) {
    lines.push(
      `  Developer: open ${playground.url} and write   cluster create`,
      "             This is Microsoft's Agents Playground. It listens on every interface of this machine; KQueen itself on loopback only.",
    );
  } else
    lines.push(
      "  Developer: Microsoft's Agents Playground is not installed here; install with the development dependencies to get it.",
    );
  if (local) {
    lines.push(
      '  Admin:     this is no terminal, so act as the admin from this machine with',
      `             curl -H 'Authorization: Bearer ${local.localToken}' ${local.botUrl}/local -d 'approvals'`,
    );
  } else lines.push('  Admin:     type here. Try   approvals   when the developer has asked, and   exit   to stop.');
  return `${lines.join('\n')}\n`;
}

/** Resolves when KQueen has been told to stop and has stopped; a second signal ends it at once. */
async function stopped(kqueen: Running, log: Log, also?: Promise<unknown>): Promise<void> {
  const signal = new Promise<string>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve(name));
  });
  const why = await Promise.race([signal, ...(also ? [also.then(() => 'the terminal')] : [])]);
  log.info({ why }, 'KQueen is stopping');
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(1));
  await kqueen.stop();
}

async function doctor(): Promise<number> {
  const { runDoctor } = await import('./doctor.ts');
  const { columns } = process.stdout;
  const write = (text: string) => process.stdout.write(text);
  return runDoctor(process.env, process.argv.slice(3), write, columns === undefined ? {} : { columns });
}

try {
  if (process.argv[2] === 'doctor') process.exit(await doctor());
  await main();
  process.exit(0);
} catch (thrown) {
  const fault = asFault(thrown);
  if (thrown instanceof ConfigError) console.error(thrown.message);
  else
    console.error(
      `KQueen did not start: ${fault.kind === 'internal' && thrown instanceof Error ? thrown.message : fault.message}${fault.next ? ` ${fault.next}` : ''}`,
    );
  process.exit(thrown instanceof ConfigError ? 2 : 1);
}
