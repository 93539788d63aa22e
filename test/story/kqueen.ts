/** One whole KQueen for a test: real store, real queue, the sandbox as a child, on loopback and in a folder of its own. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Running, startKQueen } from '../../src/compose.ts';
import type { Log } from '../../src/core/ports/log.ts';
import type { Settings } from '../../src/settings.ts';

/** Everything a process logged, for canary searches and for a failing test. */
export interface Kept extends Log {
  lines: string[];
}

export function keptLog(lines: string[] = []): Kept {
  const keep = (level: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const log: Kept = {
    lines,
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => keptLog(lines),
  };
  return log;
}

export interface TestKQueen extends Running {
  log: Kept;
  url: string;
  dataDir: string;
  end(): Promise<void>;
}

/** Settings of one process with both roles; what is given replaces the default. */
export function settingsFor(given: Partial<Settings>, dataDir: string): Settings {
  return {
    roles: { bot: true, worker: true },
    org: 'default',
    dataDir,
    store: { prefix: '/kqueen' },
    http: { host: '127.0.0.1', port: 0 },
    sandbox: { on: true, speed: 40, port: 0, admin: true },
    limits: { approvalMs: 3_600_000, provisionMs: 600_000 },
    healthIntervalMs: 5_000,
    retention: { auditMs: 86_400_000_000, jobMs: 86_400_000_000 },
    bootstrapAdmins: [],
    approvals: [],
    metrics: { from: ['127.0.0.0/8'] },
    version: '0.0.0-test',
    ...given,
  };
}

export async function startTestKQueen(given: Partial<Settings>): Promise<TestKQueen> {
  const dataDir = given.dataDir ?? mkdtempSync(join(tmpdir(), 'kqueen-story-'));
  const log = keptLog();
  const running = await startKQueen(settingsFor(given, dataDir), { log });
  return {
    ...running,
    log,
    dataDir,
    url: `http://127.0.0.1:${running.port}`,
    async end() {
      await running.stop();
      if (!given.dataDir) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** A key as KQUEEN_SECRET_KEYS takes it. */
export function someSecretKey(): string {
  return randomBytes(32).toString('base64');
}
