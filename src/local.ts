/**
 * KQueen without configuration, on this machine alone: Microsoft's Agents Playground is the developer's chat in the browser, the terminal is
 * the admin's. It is the same bot, store, queue and engine; only the people are few.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Log } from './core/ports/log.ts';
import type { Settings } from './settings.ts';

export interface LocalConsole {
  terminal: NonNullable<Settings['terminal']>;
  /** Reads the admin's lines until the terminal is closed or `exit` is typed. */
  read(say: (line: string) => Promise<unknown>): Promise<void>;
  close(): void;
}

const adminName = 'admin';

/** The admin's terminal: lines are commands, forms are questions, secrets are not echoed. */
export function openConsole(): LocalConsole {
  let hidden = false;
  const output = new Writable({
    write(chunk, encoding, done) {
      // Keys typed into a secret field are swallowed; everything else passes.
      if (!hidden) process.stdout.write(chunk, encoding);
      done();
    },
  });
  const lines: Interface = createInterface({
    input: process.stdin,
    output,
    terminal: process.stdin.isTTY === true,
    prompt: 'admin> ',
  });
  let answer: ((line: string | null) => void) | undefined;
  let closed = false;
  /** While a line is being answered, the prompt waits. */
  let busy = false;
  let onLine: ((line: string) => void) | undefined;
  lines.on('line', (line) => {
    const waiting = answer;
    answer = undefined;
    if (waiting) waiting(line);
    else onLine?.(line);
  });
  const ended = new Promise<void>((resolve) => {
    lines.on('close', () => {
      closed = true;
      answer?.(null);
      resolve();
    });
  });

  return {
    terminal: {
      write(name, text) {
        if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
        process.stdout.write(`${name === adminName ? '' : `(to ${name}) `}${text}\n`);
        if (!closed && !busy && process.stdin.isTTY) lines.prompt(true);
      },
      async ask(_name, question, secret) {
        if (closed) return null;
        process.stdout.write(question);
        hidden = secret;
        const line = await new Promise<string | null>((resolve) => {
          answer = resolve;
        });
        hidden = false;
        if (secret) process.stdout.write('\n');
        return line;
      },
      readFile: readText,
    },
    async read(say) {
      let work: Promise<unknown> = Promise.resolve();
      onLine = (line) => {
        if (/^\s*(exit|quit)\s*$/i.test(line)) return lines.close();
        work = work.then(async () => {
          busy = true;
          if (line.trim()) await say(line);
          busy = false;
          if (!closed && process.stdin.isTTY) lines.prompt();
        });
      };
      if (process.stdin.isTTY) lines.prompt();
      await ended;
      await work;
    },
    close: () => lines.close(),
  };
}

/** A text file of this machine for the person who sits at it: at most `most` characters. Throws an Error that says why it cannot be taken. */
export async function readText(path: string, most: number): Promise<string> {
  const found = path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
  const file = await open(found).catch((error: unknown) => {
    throw new Error(`${path} cannot be read (${codeOf(error)}).`);
  });
  try {
    const about = await file.stat();
    if (!about.isFile()) throw new Error(`${path} is no file.`);
    const { size } = about;
    const tooLong = new Error(`${path} is too long: at most ${most.toLocaleString('en')} characters are taken here.`);
    // A character takes at most three bytes for each unit that it is counted as. What grows while it is read is too long as well.
    if (size > most * 3) throw tooLong;
    const bytes = Buffer.alloc(size + 1);
    const { bytesRead } = await file.read(bytes, 0, size + 1, 0);
    if (bytesRead > size) throw tooLong;
    const text = decoded(bytes.subarray(0, bytesRead));
    if (text === null) throw new Error(`${path} is not text in UTF-8.`);
    if (text.trim() === '') throw new Error(`${path} is empty.`);
    if (text.length > most) throw tooLong;
    return text;
  } finally {
    await file.close();
  }
}

function decoded(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown';
}

/** The token with which the person who started KQueen acts as the admin where there is no terminal. */
export function makeLocalToken(): string {
  return randomBytes(18).toString('base64url');
}

export interface Playground {
  url: string;
  stop(): Promise<void>;
}

/** Starts Microsoft's Agents Playground in front of the bot; null when the package is not installed (production installations leave it out). */
export async function startPlayground(options: {
  botUrl: string;
  port: number;
  dataDir: string;
  log: Log;
}): Promise<Playground | null> {
  const { log, port } = options;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve('@microsoft/m365agentsplayground/cli.js');
  } catch {
    return null;
  }
  const listening = (await portIsFree(port)) ? port : await anyPort();
  const child = spawn(
    process.execPath,
    [
      entry,
      'start',
      '-e',
      `${options.botUrl}/api/messages`,
      '-c',
      'msteams',
      '-p',
      String(listening),
      '--disable-telemetry',
    ],
    {
      // It leaves files of its own in the folder it runs in.
      cwd: options.dataDir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', BROWSER: 'none' },
    },
  );
  child.on('error', (error) => log.warn({ error: error.message }, 'the Agents Playground did not start'));
  child.stderr.on('data', (chunk: Buffer) =>
    log.debug({ playground: chunk.toString('utf8').slice(0, 300) }, 'the Agents Playground says'),
  );
  child.stdout.resume();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = () => child.kill('SIGTERM');
  process.once('exit', kill);
  const url = `http://127.0.0.1:${listening}`;
  for (let attempt = 0; attempt < 100 && child.exitCode === null; attempt += 1) {
    const up = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      (answer) => answer.ok,
      () => false,
    );
    if (up) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    url,
    async stop() {
      process.removeListener('exit', kill);
      kill();
      const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

async function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, () => probe.close(() => resolve(true)));
  });
}

async function anyPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
