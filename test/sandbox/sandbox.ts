import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Agent, fetch, type Response } from 'undici';
import { compiled } from '../servers.ts';

/** A fresh directory and what removes it. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'kqueen-sandbox-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What the provider API shows of an operation. */
type Operation = {
  id: string;
  type: string;
  status: string;
  percent: number;
  step: string;
  error?: { code: string; message: string };
};

/** A Kubernetes object, as far as the tests look. */
type KubeObject = {
  kind: string;
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    generation: number;
    continue?: string;
    remainingItemCount?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    finalizers?: string[];
    managedFields?: { manager: string; operation: string }[];
    ownerReferences?: object[];
  };
  spec: { [field: string]: unknown; replicas?: number; nodeName?: string };
  status: {
    [field: string]: unknown;
    phase?: string;
    replicas?: number;
    availableReplicas?: number;
    conditions?: { type: string; status: string; reason: string; message: string }[];
    containerStatuses?: { restartCount: number; state: { waiting?: { reason: string } } }[];
    token?: string;
  };
  data?: Record<string, string>;
};

/** All that bodies of answers have in some case; what is not there is undefined, and the test that looks at it fails. */
export type Body = KubeObject &
  Operation & {
    title: string;
    currency: string;
    nodes: number;
    endpoint: string;
    pricePerHour: number;
    used: { clusters: number; nodes: number };
    regions: { name: string; priceFactor: number }[];
    sizes: { name: string; pricePerHour: number }[];
    versions: { version: string; status: string }[];
    cluster: { id: string; name: string; status: string; labelFingerprint: string };
    clusters: { name: string }[];
    nextPage: number | null;
    operation: Operation;
    events: { message: string }[];
    creates: Record<string, { received: number; made: number }>;
    items: KubeObject[];
    message: string;
    reason: string;
    details: { name: string; causes?: { reason: string; field: string; message: string }[] };
    error: { code: string; message: string; field?: string; quota?: string; labels?: Record<string, string> };
  };

/** An answer of the sandbox. */
export type Answer = { status: number; body: Body; text: string; headers: Response['headers'] };

type CallOptions = { body?: unknown; token?: string | null; headers?: Record<string, string>; signal?: AbortSignal };

/** Calls of one server's API. */
export type Caller = (method: string, path: string, options?: CallOptions) => Promise<Answer>;

/** A caller for a server that a CA vouches for; failures of the connection are thrown. */
export function callerOf(url: string, ca: string, token: string): { call: Caller; close: () => Promise<void> } {
  const dispatcher = new Agent({ connect: { ca } });
  const call: Caller = async (method, path, options = {}) => {
    const headers: Record<string, string> = { ...options.headers };
    if (options.token !== null) headers.authorization = `Bearer ${options.token ?? token}`;
    if (options.body !== undefined) headers['content-type'] ??= 'application/json';
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      dispatcher,
      ...(options.body === undefined
        ? {}
        : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const text = await response.text();
    const watch = path.includes('watch=');
    const json = !watch && response.headers.get('content-type')?.startsWith('application/json') === true && text !== '';
    return { status: response.status, body: json ? JSON.parse(text) : {}, text, headers: response.headers };
  };
  return { call, close: () => dispatcher.destroy() };
}

/** The sandbox as a child process. */
export type SandboxChild = {
  url: string;
  ca: string;
  token: string;
  child: ChildProcess;
  /** Milliseconds from its start to its ready line. */
  readyAfter: number;
  call: Caller;
  /** Ends it and waits until it is gone; the answer is the milliseconds that took. */
  stop: (signal?: NodeJS.Signals) => Promise<number>;
};

/** Starts `node src/sandbox/main.ts` on a data directory and waits for its ready line. */
export async function startChild(dataDir: string, env: Record<string, string> = {}): Promise<SandboxChild> {
  const began = performance.now();
  const child = spawn(process.execPath, ['src/sandbox/main.ts'], {
    env: {
      PATH: process.env.PATH ?? '',
      ...compiled,
      SANDBOX_DATA_DIR: dataDir,
      SANDBOX_SPEED: '200',
      SANDBOX_ADMIN: '1',
      SANDBOX_EXIT_WITH_STDIN: '1',
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += String(text);
  });
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([
    once(lines, 'line').then(([text]) => String(text)),
    once(child, 'exit').then(() => {
      throw new Error(`the sandbox ended before it was ready: ${errors}`);
    }),
  ]);
  const ready: { url: string; caFile: string; tokenFile: string; pid: number } = JSON.parse(line);
  const ca = readFileSync(ready.caFile, 'utf8');
  const token = readFileSync(ready.tokenFile, 'utf8').trim();
  const { call, close } = callerOf(ready.url, ca, token);
  return {
    url: ready.url,
    ca,
    token,
    child,
    readyAfter: performance.now() - began,
    call,
    stop: async (signal = 'SIGTERM') => {
      const asked = performance.now();
      await close();
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill(signal);
        await gone;
      }
      return performance.now() - asked;
    },
  };
}

/** Asks again and again until the answer is something; throws after `ms` with what was waited for. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  ms = 10_000,
): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

/** The body of a creation. */
export function wish(name: string, more: object = {}): object {
  return { name, region: 'sandbox-north', version: '1.33.6', size: 'small', nodes: 2, ...more };
}

/** Waits until an operation has ended. */
export async function ended(call: Caller, operation: string): Promise<Body> {
  return await until(`the end of operation ${operation}`, async () => {
    const { body } = await call('GET', `/v1/operations/${operation}`);
    return body.status === 'done' || body.status === 'failed' ? body : undefined;
  });
}

/** Makes a cluster, waits until it runs, and gives its kubeconfig. */
export async function runningCluster(call: Caller, name: string, more: object = {}): Promise<string> {
  const made = await call('POST', '/v1/clusters', { body: wish(name, more) });
  if (made.status !== 202) throw new Error(`creation answered ${made.status}: ${made.text}`);
  const end = await ended(call, made.body.operation.id);
  if (end.status !== 'done') throw new Error(`creation ended as ${JSON.stringify(end)}`);
  const { status, text } = await call('GET', `/v1/clusters/${name}/kubeconfig`);
  if (status !== 200) throw new Error(`kubeconfig answered ${status}`);
  return text;
}

/** Server and token of one of the sandbox's kubeconfigs. */
export function loginOf(kubeconfig: string): { server: string; token: string } {
  const server = /server: (\S+)/.exec(kubeconfig)?.[1] ?? '';
  const token = /token: (\S+)/.exec(kubeconfig)?.[1] ?? '';
  return { server, token };
}
