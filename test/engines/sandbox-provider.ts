import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import { compiled } from '../servers.ts';

/** The sandbox provider, running as a program of its own. */
export interface SandboxProvider {
  url: string;
  port: number;
  token: string;
  ca: string;
  /** A request to the provider, past everything that is tested. Throws unless the answer is 2xx. */
  ask(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL('../../src/sandbox/main.ts', import.meta.url));

/** Starts the provider with its admin routes on a free port and an empty folder; `speed` multiplies its clock. */
export async function startSandboxProvider(speed = 100): Promise<SandboxProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'kqueen-test-sandbox-'));
  const child = spawn(process.execPath, [program], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      ...compiled,
      SANDBOX_DATA_DIR: folder,
      SANDBOX_ADMIN: 'true',
      SANDBOX_SPEED: String(speed),
      // Whatever happens to the test's process, the provider goes with it.
      SANDBOX_EXIT_WITH_STDIN: 'true',
    },
  });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-8_000);
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), exited.then(() => null)]);
  if (first === null) throw new Error(`the sandbox provider did not start: ${complaints}`);
  const printed = JSON.parse(String(first[0])) as { url: string; caFile: string; tokenFile: string };
  const token = readFileSync(printed.tokenFile, 'utf8').trim();
  const ca = readFileSync(printed.caFile, 'utf8');
  const agent = new Agent({ connect: { ca }, allowH2: false });
  return {
    url: printed.url,
    port: Number(new URL(printed.url).port),
    token,
    ca,
    async ask(method, path, body) {
      const answer = await agent.request({
        origin: printed.url,
        path,
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: body === undefined ? null : JSON.stringify(body),
      });
      const text = await answer.body.text();
      if (answer.statusCode > 299) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
      return text.startsWith('{') ? (JSON.parse(text) as unknown) : text;
    },
    async stop() {
      await agent.destroy();
      lines.close();
      child.stdin.end();
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(force);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
