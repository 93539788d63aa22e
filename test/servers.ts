import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';

/** The programs of other people that the tests run: none of them is a dependency of the product itself. */
export type ServerName = 'etcd' | 'redis-server' | 'chromium' | 'kubectl' | 'prometheus' | 'promtool' | 'redis-cli';

/** Debian keeps some programs where an ordinary user's PATH does not look. */
const extraFolders = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin'];
const found = new Map<ServerName, string | null>();

/** The absolute path of a server program, or null when this machine has none. */
export function findServer(name: ServerName): string | null {
  const known = found.get(name);
  if (known !== undefined) return known;
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...extraFolders];
  const path = folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
  found.set(name, path);
  return path;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** True when a missing server is a failure instead of a skip: continuous integration installs them all. */
export function serversAreRequired(): boolean {
  return process.env.KQUEEN_CI === '1';
}

/**
 * Skips the test, with the reason in the report, when a server program is missing; with KQUEEN_CI=1 the test fails instead.
 * Call it first in the test: `it('…', async (ctx) => { needServer(ctx, 'etcd'); … })`. Returns the path of the (first) program.
 */
export function needServer(ctx: Pick<TestContext, 'skip'>, ...names: [ServerName, ...ServerName[]]): string {
  const reason = missingReason(names);
  if (reason !== null) {
    if (serversAreRequired()) throw new Error(reason);
    console.warn(`skipped: ${reason}`);
    ctx.skip(reason);
  }
  return findServer(names[0]) ?? '';
}

/**
 * The same for a whole suite: `describe.skipIf(lacksServer('etcd', 'redis-server'))('…', …)`.
 * Prints the reason once when it skips; throws with KQUEEN_CI=1, which fails the file.
 */
export function lacksServer(...names: [ServerName, ...ServerName[]]): boolean {
  const reason = missingReason(names);
  if (reason === null) return false;
  if (serversAreRequired()) throw new Error(reason);
  console.warn(`skipped: ${reason}`);
  return true;
}

function missingReason(names: ServerName[]): string | null {
  const missing = names.filter((name) => findServer(name) === null);
  return missing.length === 0 ? null : `not installed here: ${missing.join(', ')}`;
}

/** A free TCP port on loopback, not handed out before in this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const probe = createServer();
    probe.listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const address = probe.address();
    probe.close();
    await once(probe, 'close');
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    if (!handedOut.has(address.port)) {
      handedOut.add(address.port);
      return address.port;
    }
  }
}
const handedOut = new Set<number>();

/** Polls until `condition` returns something truthy and returns that; fails after `timeoutMs` with `what` in the message. */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, everyMs = 25 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<T>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(
        `not within ${timeoutMs} ms: ${what} (last: ${last instanceof Error ? last.message : String(last)})`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** A running server program of this test. Every method waits for its effect. */
export type TestServer = {
  /** Process id of the running program, or null while it is down. */
  readonly pid: number | null;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** What clients connect to: `http://127.0.0.1:1234` for etcd, `redis://127.0.0.1:1234` for Redis. */
  readonly url: string;
  /** Folder of the server's files; a folder that was not handed in is removed by `stop`. */
  readonly dir: string;
  /** Everything the program printed so far, the last 64 KiB. */
  logs(): string;
  /** SIGTERM, wait, and remove the temporary folder. Safe to call twice. */
  stop(): Promise<void>;
  /** SIGKILL; files stay, `restart` goes on with them. */
  kill9(): Promise<void>;
  /** Starts the program again on the same port and files; stops it first with SIGTERM when it still runs. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  /** SIGCONT after `pause`. */
  resume(): void;
};

/** A running etcd; `hosts` is what KQUEEN_ETCD_HOSTS takes. */
export type TestEtcd = TestServer & { readonly hosts: string[] };

type StartOptions = {
  /** Where the files go; without it a temporary folder that `stop` removes. */
  dir?: string;
  /** Port of the clients; without it a free one. */
  port?: number;
  /** More arguments for the program, after ours. */
  args?: string[];
};

/**
 * Starts an etcd of one member on loopback and waits until it answers healthy.
 * `fsync: false` (the default) skips syncing to disk where the installed etcd knows how: a crash of the machine would then
 * lose writes, a `kill -9` of the process does not.
 */
export async function startEtcd(options: StartOptions & { fsync?: boolean } = {}): Promise<TestEtcd> {
  const program = required('etcd');
  const dir = options.dir ?? temporaryFolder('etcd');
  const server = await startServer('etcd', program, options, dir, async (port) => {
    const client = `http://127.0.0.1:${port}`;
    const peer = `http://127.0.0.1:${await freePort()}`;
    return [
      ...['--name', 'test', '--data-dir', join(dir, 'member'), '--logger', 'zap', '--log-outputs', 'stderr'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `test=${peer}`],
      ...(options.fsync !== true && etcdCanSkipFsync(program) ? ['--unsafe-no-fsync'] : []),
    ];
  });
  const healthy = async () => {
    const response = await fetch(`${server.url}/health`, { signal: AbortSignal.timeout(1000) });
    return response.ok && ((await response.json()) as { health?: string }).health === 'true';
  };
  return Object.assign(await server.begin('http', healthy), { hosts: [server.url] });
}

/**
 * Starts a Redis on loopback, append-only and without eviction as the queue needs it, and waits for PONG.
 * `password` sets requirepass; the url then holds it.
 */
export async function startRedis(options: StartOptions & { password?: string } = {}): Promise<TestServer> {
  const program = required('redis-server');
  const dir = options.dir ?? temporaryFolder('redis');
  const server = await startServer('redis-server', program, options, dir, async (port) => [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--daemonize', 'no', '--save', ''],
    ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'],
    ...(options.password === undefined ? [] : ['--requirepass', options.password]),
  ]);
  const scheme = options.password === undefined ? 'redis' : `redis://:${encodeURIComponent(options.password)}@`;
  return server.begin(scheme, () => redisAnswers(server.port));
}

/** True when a Redis that has loaded its files answers on the port (PONG, or that it wants a password). */
async function redisAnswers(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.setTimeout(1000, () => socket.destroy(new Error('no answer')));
  try {
    socket.write('PING\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return /^(\+PONG|-NOAUTH)/.test(answer.toString());
  } finally {
    socket.destroy();
  }
}

let noFsync: boolean | undefined;
function etcdCanSkipFsync(program: string): boolean {
  // Asked with --version, which stops after reading the flags: 3.4 knows the flag without listing it in --help.
  noFsync ??= spawnSync(program, ['--unsafe-no-fsync', '--version']).status === 0;
  return noFsync;
}

function required(name: ServerName): string {
  const path = findServer(name);
  if (path === null) throw new Error(`not installed here: ${name}; call needServer or lacksServer before starting it`);
  return path;
}

const temporaryFolders = new Set<string>();
function temporaryFolder(name: string): string {
  const dir = mkdtempSync(join(tmpdir(), `kqueen-${name}-${process.pid}-`));
  temporaryFolders.add(dir);
  return dir;
}

const running = new Set<ChildProcess>();
let reaping = false;
/** Nothing outlives the test process: the kernel kills children with it where setpriv exists, this handler elsewhere. */
function reapOnExit(): void {
  if (reaping) return;
  reaping = true;
  process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL');
    for (const dir of temporaryFolders) rmSync(dir, { recursive: true, force: true });
  });
}

/**
 * For programs of ours that tests start: what Node has compiled once is read by all that come later. They start in half the time, and on a busy
 * machine that is most of what some suites take.
 */
export const compiled = { NODE_COMPILE_CACHE: fileURLToPath(new URL('../node_modules/.cache/node', import.meta.url)) };

/** Starts any program so that it dies with this process; the pid is the program's own. stdio as in node:child_process. */
export function spawnReaped(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
): ChildProcess {
  reapOnExit();
  const wrapped = process.platform === 'linux' && isExecutable('/usr/bin/setpriv');
  const child = wrapped
    ? spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', program, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env,
        cwd,
      })
    : spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env, cwd });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Sends the signal and waits for the end of the process; SIGKILL after `patienceMs`. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals, patienceMs = 5000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  // A paused process only dies of SIGKILL; every other signal waits for SIGCONT.
  child.kill('SIGCONT');
  child.kill(signal);
  const harder = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await ended;
  clearTimeout(harder);
}

/** What every kind of server shares: ports, logs, restarts. `begin` starts it for the first time and gives the handle. */
async function startServer(
  name: ServerName,
  program: string,
  options: StartOptions,
  dir: string,
  argumentsFor: (port: number) => Promise<string[]>,
) {
  let port = options.port ?? (await freePort());
  let child: ChildProcess | null = null;
  let log = '';
  let scheme = '';

  const up = async (ready: () => Promise<boolean>) => {
    const started = spawnReaped(program, [...(await argumentsFor(port)), ...(options.args ?? [])]);
    child = started;
    const keep = (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-65_536);
    };
    started.stdout?.on('data', keep);
    started.stderr?.on('data', keep);
    const end = performance.now() + 20_000;
    for (;;) {
      if (started.exitCode !== null || started.signalCode !== null) {
        throw new Error(`${name} ended at its start (${started.exitCode ?? started.signalCode}):\n${log.slice(-4000)}`);
      }
      if (await ready().catch(() => false)) return;
      if (performance.now() > end) {
        await endProcess(started, 'SIGKILL');
        throw new Error(`${name} was not ready within 20 s:\n${log.slice(-4000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  };
  const signal = (which: NodeJS.Signals) => {
    if (child?.exitCode !== null || child.signalCode !== null) throw new Error(`${name} does not run`);
    child.kill(which);
  };
  const removeFolder = () => {
    if (options.dir !== undefined) return;
    rmSync(dir, { recursive: true, force: true });
    temporaryFolders.delete(dir);
  };
  const urlNow = () =>
    scheme.includes('://') ? `${scheme}127.0.0.1:${port}` : `${scheme || 'http'}://127.0.0.1:${port}`;

  return {
    get url() {
      return urlNow();
    },
    get port() {
      return port;
    },
    async begin(withScheme: string, ready: () => Promise<boolean>): Promise<TestServer> {
      scheme = withScheme;
      // Somebody else may have taken the free port in the meantime; another one is tried unless the caller asked for this one.
      for (let attempt = 1; ; attempt += 1) {
        try {
          await up(ready);
          break;
        } catch (error) {
          if (options.port !== undefined || attempt === 3 || !/address already in use/i.test(log)) {
            removeFolder();
            throw error;
          }
          port = await freePort();
        }
      }
      return {
        get pid() {
          return child !== null && child.exitCode === null && child.signalCode === null ? (child.pid ?? null) : null;
        },
        host: '127.0.0.1',
        port,
        url: urlNow(),
        dir,
        logs: () => log,
        async stop() {
          if (child) await endProcess(child, 'SIGTERM');
          removeFolder();
        },
        async kill9() {
          if (child) await endProcess(child, 'SIGKILL');
        },
        async restart() {
          if (child) await endProcess(child, 'SIGTERM');
          await up(ready);
        },
        pause: () => signal('SIGSTOP'),
        resume: () => signal('SIGCONT'),
      };
    },
  };
}
