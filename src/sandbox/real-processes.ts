import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { objectAt, parseObject, textAt } from './json.ts';

/** What a control plane is started with. */
export type ControlPlaneOptions = {
  /** The folder with etcd and kube-apiserver, as KUBEBUILDER_ASSETS names it. */
  assets: string;
  /** Where this cluster's keys, logs and data are. */
  directory: string;
  /** The address that the API server listens on. */
  host: string;
  /** PEM texts of the API server's certificate and key, and of the authority that signed it. */
  tls: { cert: string; key: string; ca: string };
  /** The tokens that are members of system:masters, by their users' names. */
  tokens: Record<string, string>;
};

/** An etcd and a kube-apiserver of one cluster. */
export type ControlPlane = {
  /** Where the API server is, once its ports are chosen. */
  url: () => string;
  /** Starts both and waits until the API server is ready; throws what went wrong, with the program's last words. */
  start: () => Promise<void>;
  /** Why the API server is not there any more, or undefined while it runs. */
  ended: () => string | undefined;
  stop: () => Promise<void>;
  /** Removes the directory. */
  drop: () => void;
};

type Ports = { etcd: number; peer: number; api: number };
type Program = { name: string; child: ChildProcess; log: string };

/** How long a program may take to be ready, and to end before it is killed, ms. */
const READY_WITHIN = 120_000;
const END_WITHIN = 5_000;

/** Ends a program with its parent, however that one ends; not every machine has it. */
const WITH_PARENT = '/usr/bin/setpriv';

/** Says what a folder of KUBEBUILDER_ASSETS lacks, or undefined when it has what is needed. */
export function missingAssets(folder: string): string | undefined {
  const missing = ['etcd', 'kube-apiserver'].filter((name) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length === 0) return undefined;
  return `KUBEBUILDER_ASSETS names ${folder}, which has no executable ${missing.join(' and no executable ')}`;
}

/** A port of 127.0.0.1 that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** The last lines of a program's log. */
function lastWords(log: string): string {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  return lines.slice(-3).join(' | ').slice(-600);
}

/** Ends what a sandbox that was killed has left running on this directory. */
function endStrays(directory: string): void {
  const file = join(directory, 'pids');
  if (!existsSync(file)) return;
  for (const pid of readFileSync(file, 'utf8').trim().split('\n').map(Number)) {
    try {
      // A number may belong to another program by now: only one that was started for this directory is ended.
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (pid > 1 && command.includes(directory)) process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
  rmSync(file);
}

/** A control plane in a directory; nothing runs before it is started. */
export function controlPlane(options: ControlPlaneOptions): ControlPlane {
  const { assets, directory, host, tls, tokens } = options;
  const programs: Program[] = [];
  let ports: Ports | undefined;
  let stopping = false;

  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };

  function launch(name: string, args: readonly string[]): Program {
    const log = join(directory, `${name}.log`);
    const output = openSync(log, 'w', 0o600);
    const program = join(assets, name);
    const [command, given] = existsSync(WITH_PARENT)
      ? [WITH_PARENT, ['--pdeathsig', 'KILL', '--', program, ...args]]
      : [program, [...args]];
    const child = spawn(command, given, { stdio: ['ignore', output, output], cwd: directory });
    closeSync(output);
    // A program that cannot be started at all is seen by its missing pid, where it is waited for.
    child.on('error', (error) => writeFileSync(log, `${error.message}\n`, { flag: 'a' }));
    const started = { name, child, log };
    programs.push(started);
    writeFileSync(join(directory, 'pids'), programs.map((each) => `${each.child.pid ?? 0}\n`).join(''));
    return started;
  }

  function endOf({ name, child, log }: Program): string | undefined {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) return undefined;
    const how =
      child.pid === undefined ? 'could not be started' : `ended with ${child.signalCode ?? `code ${child.exitCode}`}`;
    return `The real ${name} ${how}: ${lastWords(log)}`;
  }

  async function waitFor(program: Program, isReady: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + READY_WITHIN;
    while (!stopping) {
      if (await isReady()) return;
      const end = endOf(program);
      if (end !== undefined) throw new Error(end);
      if (performance.now() > deadline) {
        throw new Error(
          `The real ${program.name} was not ready in ${READY_WITHIN / 1000} s: ${lastWords(program.log)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('The control plane was stopped while it started');
  }

  function reachable(): Promise<boolean> {
    return new Promise((resolve) => {
      const [token = ''] = Object.values(tokens);
      const headers = { authorization: `Bearer ${token}` };
      const target = {
        host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host,
        port: ports?.api ?? 0,
        path: '/readyz',
        ca: tls.ca,
        headers,
        timeout: 3000,
      };
      const asked = request(target, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      });
      asked.on('timeout', () => asked.destroy());
      asked.on('error', () => resolve(false));
      asked.end();
    });
  }

  async function etcdHealthy(): Promise<boolean> {
    try {
      const answer = await fetch(`http://127.0.0.1:${ports?.etcd}/health`, { signal: AbortSignal.timeout(3000) });
      return textAt(parseObject(await answer.text()), 'health') === 'true';
    } catch {
      return false;
    }
  }

  /** Ports stay the same over restarts, so that kubeconfigs stay good. */
  async function choosePorts(): Promise<Ports> {
    const path = join(directory, 'ports.json');
    if (existsSync(path)) {
      const kept = parseObject(readFileSync(path, 'utf8'));
      const { etcd, peer, api } = objectAt(kept);
      if (typeof etcd === 'number' && typeof peer === 'number' && typeof api === 'number') return { etcd, peer, api };
    }
    const chosen = { etcd: await freePort(), peer: await freePort(), api: await freePort() };
    file('ports.json', JSON.stringify(chosen));
    return chosen;
  }

  function writeKeys(): Record<'cert' | 'key' | 'tokens' | 'signing' | 'verifying' | 'ca', string> {
    const signing = join(directory, 'sa.key');
    const verifying = join(directory, 'sa.pub');
    if (!existsSync(signing) || !existsSync(verifying)) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      file('sa.key', privateKey.export({ type: 'sec1', format: 'pem' }).toString());
      file('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString());
    }
    const lines = Object.entries(tokens).map(([user, token]) => `${token},${user},${user},"system:masters"\n`);
    return {
      cert: file('apiserver.crt', tls.cert),
      key: file('apiserver.key', tls.key),
      ca: file('ca.crt', tls.ca),
      tokens: file('tokens.csv', lines.join('')),
      signing,
      verifying,
    };
  }

  return {
    url: () => `https://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${ports?.api ?? 0}`,
    async start() {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      endStrays(directory);
      ports = await choosePorts();
      const keys = writeKeys();
      const client = `http://127.0.0.1:${ports.etcd}`;
      const peer = `http://127.0.0.1:${ports.peer}`;
      const etcd = launch('etcd', [
        ...['--name', 'sandbox', '--data-dir', join(directory, 'etcd'), '--unsafe-no-fsync', '--log-level', 'warn'],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', `sandbox=${peer}`],
      ]);
      await waitFor(etcd, etcdHealthy);
      const server = launch('kube-apiserver', [
        ...[`--etcd-servers=${client}`, `--bind-address=${host}`, `--secure-port=${ports.api}`],
        // A loopback address may not be advertised; nobody uses this one.
        ...['--advertise-address=10.255.255.1', '--endpoint-reconciler-type=none', `--cert-dir=${directory}`],
        ...[`--tls-cert-file=${keys.cert}`, `--tls-private-key-file=${keys.key}`, `--client-ca-file=${keys.ca}`],
        ...[`--token-auth-file=${keys.tokens}`, '--authorization-mode=Node,RBAC', '--allow-privileged=true'],
        ...[`--service-account-key-file=${keys.verifying}`, `--service-account-signing-key-file=${keys.signing}`],
        '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
        ...['--service-cluster-ip-range=10.96.0.0/16', '--profiling=false'],
      ]);
      await waitFor(server, reachable);
    },
    ended: () => programs.map(endOf).find((end) => end !== undefined),
    async stop() {
      stopping = true;
      for (const { child } of programs.toReversed()) {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        const late = setTimeout(() => child.kill('SIGKILL'), END_WITHIN);
        await gone;
        clearTimeout(late);
      }
    },
    drop: () => rmSync(directory, { recursive: true, force: true }),
  };
}
