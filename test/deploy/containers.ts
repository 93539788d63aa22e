/**
 * Runs what a container of docker-compose.yml would run, with this machine's programs: the same command, environment and health check, where
 * ports become free ones on loopback and folders temporary ones. A replacement that has nothing to replace is an error, so that the
 * mapping cannot quietly miss the file.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { endProcess, freePort, spawnReaped } from '../servers.ts';
import type { Service } from './compose-file.ts';
import type { Image } from './dockerfile.ts';

export interface Container {
  service: Service;
  /** What the image brings; null for images of other people, whose environment is empty. */
  image: Image | null;
  /** Port within the container → port on loopback. */
  ports: Record<number, number>;
  /** Folder or file within the container → the one here. */
  paths: Record<string, string>;
  /** Working folder here. */
  cwd: string;
  /** Addresses of other containers as written in the file → loopback. */
  neighbours: Record<string, string>;
}

/** A running one. */
export interface Running {
  child: ChildProcess;
  /** Everything it printed. */
  logs(): string;
  /** SIGTERM; resolves with how it ended and how long it took, in milliseconds. */
  stop(patienceMs: number): Promise<{ code: number | null; signal: NodeJS.Signals | null; ms: number }>;
}

/** Makes the container's ports and writable folders: volumes and tmpfs under `folder`. `given` are paths that are there already. */
export async function prepare(
  service: Service,
  image: Image | null,
  { folder, ports, given = {}, neighbours = {}, cwd = folder }: PrepareOptions,
): Promise<Container> {
  const paths: Record<string, string> = { ...given };
  const targets = [
    ...service.volumes.map((volume) => volume.split(':')[1] ?? ''),
    ...service.tmpfs.map((each) => each.split(':')[0] ?? ''),
  ];
  for (const target of targets) {
    if (paths[target] !== undefined) continue;
    const here = join(folder, target.replaceAll('/', '-').slice(1));
    mkdirSync(here, { recursive: true });
    paths[target] = here;
  }
  const free: Record<number, number> = {};
  for (const port of ports) free[port] = await freePort();
  return { service, image, ports: free, paths, cwd, neighbours };
}

interface PrepareOptions {
  folder: string;
  ports: number[];
  given?: Record<string, string>;
  neighbours?: Record<string, string>;
  cwd?: string;
}

/** One text of the file, as it reads here. */
export function onLoopback(text: string, container: Container): string {
  const table: Record<string, string> = { '0.0.0.0': '127.0.0.1', ...container.neighbours, ...container.paths };
  for (const [inside, here] of Object.entries(container.ports)) table[inside] = String(here);
  const keys = Object.keys(table).sort((a, b) => b.length - a.length);
  const one = new RegExp(
    `(?<![\\w.-])(?:${keys.map((key) => key.replaceAll('.', '\\.')).join('|')})(?=[^\\w.-]|$)`,
    'g',
  );
  return text.replace(one, (found) => table[found] ?? found);
}

/** A program by the path it has in an image: the one of the same name here. Null when this machine has none. */
export function programHere(path: string): string | null {
  if (path === 'node') return process.execPath;
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin'];
  return folders.map((folder) => join(folder, basename(path))).find((each) => existsSync(each)) ?? null;
}

/** The environment of the image and of the file, as a process here gets it: nothing of the test's own but the search path. */
export function environmentOf(container: Container, more: Record<string, string> = {}): Record<string, string> {
  const written = { ...container.image?.env, ...container.service.environment };
  const env = Object.entries(written).map(([name, value]) => [name, onLoopback(value, container)] as const);
  return { PATH: '/usr/local/bin:/usr/bin:/bin', ...Object.fromEntries(env), ...more };
}

/** Starts the container's command. */
export function start(container: Container, more: Record<string, string> = {}): Running {
  const { service } = container;
  const words = [...(service.entrypoint ?? []), ...service.command].map((word) => onLoopback(word, container));
  const [name = '', ...args] = words;
  const program = programHere(name);
  if (program === null) throw new Error(`not installed here: ${name}`);
  const child = spawnReaped(program, args, environmentOf(container, more), container.cwd);
  let log = '';
  const keep = (chunk: Buffer) => {
    log += chunk.toString();
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return {
    child,
    logs: () => log,
    async stop(patienceMs) {
      const begin = performance.now();
      await endProcess(child, 'SIGTERM', patienceMs);
      return { code: child.exitCode, signal: child.signalCode, ms: performance.now() - begin };
    },
  };
}

/** The command of the container's health check as written: its own, or its image's. */
export function healthCheckOf({ service, image }: Container): { words: string[]; timeoutMs: number } {
  if (service.healthcheck) {
    const [kind, ...words] = service.healthcheck.test;
    if (kind !== 'CMD') throw new Error('a health check in exec form, please: not every image has a shell');
    return { words, timeoutMs: service.healthcheck.timeout * 1_000 };
  }
  if (!image) throw new Error('no health check');
  return { words: image.health, timeoutMs: Number.parseInt(image.healthTimes.timeout ?? '30', 10) * 1_000 };
}

/** Runs the health check once, with its own time limit: true when it says healthy. Throws when its program is not installed here. */
export async function isHealthy(container: Container, more: Record<string, string> = {}): Promise<boolean> {
  const { words, timeoutMs } = healthCheckOf(container);
  const [name = '', ...args] = words.map((word) => onLoopback(word, container));
  const program = programHere(name);
  if (program === null) throw new Error(`not installed here: ${name}`);
  return await new Promise((resolve) => {
    const env = environmentOf(container, more);
    execFile(program, args, { env, cwd: container.cwd, timeout: timeoutMs }, (error) => resolve(error === null));
  });
}
