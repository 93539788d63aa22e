/** Starts the sandbox provider as a child and makes sure that its provisioner is there. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { provisionerSecret } from './core/connect.ts';
import { Fault } from './core/errors.ts';
import { hashOf } from './core/plan.ts';
import type { NewId } from './core/ports/clock.ts';
import type { Log } from './core/ports/log.ts';
import type { Sealer, Store } from './core/ports/store.ts';
import type { Provisioner } from './core/records.ts';

export interface SandboxChild {
  url: string;
  token: string;
  ca: string;
  /** Ends it and waits until it has ended. */
  stop(): Promise<void>;
}

/** Starts `src/sandbox/main.ts`; it ends with this process, however this process ends. */
export async function startSandboxChild(options: {
  dataDir: string;
  speed: number;
  port: number;
  log: Log;
  admin?: boolean;
}): Promise<SandboxChild> {
  const { log } = options;
  // Where it names etcd and kube-apiserver, each of the sandbox's clusters gets real ones.
  const assets = process.env.KUBEBUILDER_ASSETS;
  const child = spawn(process.execPath, [join(import.meta.dirname, 'sandbox', 'main.ts')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      SANDBOX_DATA_DIR: join(options.dataDir, 'sandbox'),
      SANDBOX_SPEED: String(options.speed),
      SANDBOX_PORT: String(options.port),
      SANDBOX_EXIT_WITH_STDIN: 'true',
      ...(options.admin ? { SANDBOX_ADMIN: 'true' } : {}),
      ...(assets ? { KUBEBUILDER_ASSETS: assets } : {}),
    },
  });
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors.push(line);
    if (errors.length > 20) errors.shift();
    log.warn({ sandbox: line.slice(0, 500) }, 'the sandbox provider says');
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const first = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(
        new Fault('internal', `The sandbox provider did not start (exit ${code}).`, { detail: errors.join('\n') }),
      ),
    );
  });
  const said = JSON.parse(first) as { url: string; caFile: string; tokenFile: string };
  child.once('exit', (code, signal) => log.info({ code, signal }, 'the sandbox provider has ended'));
  return {
    url: said.url,
    token: (await readFile(said.tokenFile, 'utf8')).trim(),
    ca: await readFile(said.caFile, 'utf8'),
    async stop() {
      child.stdin.end();
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), assets ? 8_000 : 3_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Registers the provisioner `sandbox`, or gives it the address and token that the provider has now. */
export async function registerSandbox(
  parts: { store: Store; sealer: Sealer; newId: NewId; org: string; now: number },
  child: Pick<SandboxChild, 'url' | 'token' | 'ca'>,
): Promise<void> {
  const { store, sealer, org, now } = parts;
  const name = 'sandbox';
  const params = { url: child.url, caBundle: child.ca };
  const paramsVersion = hashOf({ ...params, token: child.token });
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const held = await store.get({ kind: 'name', org, id: `provisioner.${name}` });
    const id = held?.record.holder ?? parts.newId(10);
    const ref = { kind: 'provisioner', org, id } as const;
    const before = held && (await store.get(ref));
    if (before?.record.paramsVersion === paramsVersion) return;
    const record: Provisioner = {
      v: 1,
      id,
      org,
      name,
      engine: 'sandbox',
      params,
      secretFields: ['token'],
      paramsVersion,
      state: 'OK',
      message: 'The sandbox provider was started with KQueen.',
      facts: [],
      checkedAt: now,
      createdBy: 'kqueen',
      createdAt: before?.record.createdAt ?? now,
    };
    const secret = provisionerSecret(org, id);
    const done = await store.commit([
      { op: 'put', ref, record, if: before?.revision ?? 0 },
      {
        op: 'put',
        ref: { kind: 'name', org, id: `provisioner.${name}` },
        record: { v: 1, id: `provisioner.${name}`, org, holder: id },
        if: held?.revision ?? 0,
      },
      {
        op: 'put',
        ref: secret,
        record: { v: 1, id: secret.id, org, sealed: sealer.seal(secret, JSON.stringify({ token: child.token })) },
      },
    ]);
    if (done.ok) return;
  }
  throw new Fault('conflict', 'The provisioner sandbox could not be registered: others change it all the time.');
}
