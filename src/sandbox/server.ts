import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { Calls } from './calls.ts';
import { certificates } from './certificates.ts';
import { SandboxClock } from './clock.ts';
import { Cloud } from './cloud.ts';
import { connectApi } from './controller-client.ts';
import { Controller } from './controller-cluster.ts';
import { SandboxDatabase } from './database.ts';
import { Exchange } from './exchange.ts';
import { Faults } from './faults.ts';
import { sameSecret } from './kube-access.ts';
import { randomToken } from './kube-objects.ts';
import { answerError } from './kube-requests.ts';
import { StatusError } from './kube-status.ts';
import { ProviderApi } from './provider-api.ts';
import { realControlPlanes } from './real-clusters.ts';
import { missingAssets } from './real-processes.ts';

/** How a sandbox is started. */
export type SandboxOptions = {
  /** Where its state is; made when absent. */
  dataDir: string;
  /** 0 takes any free port. */
  port?: number;
  host?: string;
  /** host:port or URL that kubeconfigs and endpoints carry; the listening address when absent. */
  advertise?: string;
  /** The API token; when absent the one in the data directory, which is made at the first start. */
  token?: string;
  /** How much faster than the wall its clock is; at 1 a create takes about a minute. */
  speed?: number;
  /** Whether the routes below /v1/admin are served. */
  admin?: boolean;
  /** A folder with etcd and kube-apiserver: every cluster then gets real ones instead of the sandbox's own API. */
  assets?: string;
  /** False leaves the clusters to a controller that is started apart; see controller.ts. */
  controller?: boolean;
};

/** A sandbox that is up. */
export type Sandbox = {
  url: string;
  caFile: string;
  ca: string;
  tokenFile: string;
  token: string;
  close: () => Promise<void>;
};

function openToken(file: string, given: string | undefined): string {
  if (given === undefined && existsSync(file)) return readFileSync(file, 'utf8').trim();
  const token = given ?? randomToken();
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
  return token;
}

/** The URL that clients are told, without a trailing slash, and its host. */
function advertised(option: string | undefined, host: string, port: number): { url: string; host: string } {
  const shown = host.includes(':') ? `[${host}]` : host;
  const text = option ?? `${shown}:${port}`;
  const url = new URL(text.includes('://') ? text : `https://${text}`);
  return { url: url.href.replace(/\/$/, ''), host: url.hostname.replace(/^\[|\]$/g, '') };
}

/** Starts the sandbox in this process; throws when the port or the data directory is taken. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { dataDir, host = '127.0.0.1', speed = 1 } = options;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const file = join(dataDir, 'sandbox.db');
  // It holds the administrators' tokens; SQLite gives its journal the same mode.
  writeFileSync(file, '', { flag: 'a', mode: 0o600 });
  const lacking = options.assets === undefined ? undefined : missingAssets(options.assets);
  if (lacking !== undefined) throw new Error(lacking);
  const db = new SandboxDatabase(file);
  const tokenFile = join(dataDir, 'token');
  const token = openToken(tokenFile, options.token);
  const names = options.advertise === undefined ? [] : [advertised(options.advertise, host, 0).host];
  const tls = await certificates(dataDir, host === '0.0.0.0' || host === '::' ? names : [host, ...names]);

  let place = { url: '', host: '' };
  const clock = new SandboxClock(speed);
  const faults = new Faults();
  const controllerToken = randomToken();
  const controllers = new Map<string, Controller>();
  let link: ReturnType<typeof connectApi> | undefined;
  const cloud = new Cloud({
    db,
    clock,
    faults,
    controllerToken,
    address: () => new URL(place.url).host,
    ...(options.assets === undefined
      ? {}
      : {
          real: realControlPlanes({ assets: options.assets, dataDir, host, tls, advertised: () => place.host, clock }),
        }),
    onApi: (cluster, up) => {
      controllers.get(cluster)?.stop();
      controllers.delete(cluster);
      if (!up || options.controller === false || link === undefined || cloud.api(cluster) === undefined) return;
      const controller = new Controller(link.api(`/clusters/${cluster}`, controllerToken), {
        speed: () => clock.speed,
        kubeletOnly: false,
      });
      controllers.set(cluster, controller);
      controller.start();
    },
  });
  const provider = new ProviderApi({
    cloud,
    db,
    clock,
    faults,
    calls: new Calls(),
    token,
    admin: options.admin ?? false,
    ca: tls.ca,
    url: () => place.url,
  });

  async function answer(exchange: Exchange): Promise<void> {
    const { path } = exchange;
    if (path === '/healthz') {
      exchange.send(200, 'ok', 'text/plain; charset=utf-8');
      return;
    }
    const match = /^\/clusters\/([^/]+)(\/.*)?$/.exec(path);
    if (match === null) {
      await provider.handle(exchange);
      return;
    }
    // The controller is part of the sandbox: a fault for its clusters' clients must not stop the clusters themselves.
    const own = exchange.token !== undefined && sameSecret(exchange.token, controllerToken);
    if (!own) {
      const refuse = (status: number, code: string, message: string, retryAfterSeconds?: number): void => {
        const details = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
        answerError(exchange, new StatusError(status, code, message, details));
      };
      if (!(await faults.apply(exchange, refuse))) return;
    }
    const api = cloud.api(match[1] ?? '');
    if (api === undefined) {
      answerError(exchange, new StatusError(404, 'NotFound', 'there is no cluster here'));
      return;
    }
    await api.handle(exchange, match[2] ?? '/');
  }

  const server = createSecureServer({
    cert: tls.cert,
    key: tls.key,
    allowHTTP1: true,
    // HTTP/2 only for clients that speak nothing else, which is the controller: one connection for all its watches.
    ALPNCallback: ({ protocols }) => (protocols.includes('http/1.1') || !protocols.includes('h2') ? 'http/1.1' : 'h2'),
    settings: { maxConcurrentStreams: 100_000 },
    maxSessionMemory: 1000,
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.on('request', (request, response) => {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const exchange = new Exchange(request, response);
    answer(exchange).catch((error: unknown) => answerError(exchange, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  place = advertised(options.advertise, host, port);
  const local = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : advertised(undefined, host, port).host;
  link = connectApi({
    url: `https://${local.includes(':') && !local.startsWith('[') ? `[${local}]` : local}:${port}`,
    ca: tls.ca,
  });
  cloud.open();

  async function close(): Promise<void> {
    for (const controller of controllers.values()) controller.stop();
    link?.close();
    await cloud.close();
    clock.stop();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
    db.close();
  }
  return { url: place.url, caFile: tls.caFile, ca: tls.ca, tokenFile, token, close };
}
