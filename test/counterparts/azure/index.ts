import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { makeTestCertificate } from '../../certificate.ts';
import type { KubeBackend } from '../../engines/harness.ts';
import { openDirectory } from './authority.ts';
import { openWorld } from './clusters.ts';
import { openManager } from './manager.ts';
import type { World } from './types.ts';
import { type Answer, type Asked, gateway, Refusal } from './wire.ts';

/** What happens to requests before or after they are carried out; null lets them pass. */
export type Effect =
  | { kind: 'hang' }
  | { kind: 'page' }
  | { kind: 'refuse'; refusal: () => Refusal }
  /** Carried out, then half of the answer and the end of the connection. */
  | { kind: 'cut' }
  /** Carried out, then the end of the connection. */
  | { kind: 'lose'; times: number };

/** Which requests an effect is about. */
export type Match = 'all' | 'manager' | 'writes' | 'create';

export interface AzureOptions {
  createMs?: number;
  kube?: KubeBackend | undefined;
}

/** Azure on loopback: a directory and a resource manager with AKS, over TLS. */
export interface Azure {
  tenantId: string;
  clientId: string;
  clientSecret: string;
  expiredSecret: string;
  subscriptionId: string;
  resourceGroup: string;
  authorityPort: number;
  managerPort: number;
  /** PEM; of both. */
  ca: string;
  world: World;
  /** Requests so far: those that could change something, and all. */
  counts(): { writes: number; all: number };
  /** Requests of the resource manager so far, as "GET /path". */
  seen(): string[];
  /** Bodies of the requests that change something, in order. */
  bodies(): { request: string; body: unknown; headers: Record<string, string | string[] | undefined> }[];
  set(match: Match, effect: Effect): void;
  clear(): void;
  /** The actions of the service principal's roles. Null: they may not be read. */
  grant(actions: string[] | null): void;
  /** Refuses these actions from now on. */
  forbid(pattern: RegExp | null): void;
  /** Ends all tokens that were given so far. */
  expireTokens(): void;
  /** Everything secret that was handed out so far. */
  secrets(): string[];
  close(): Promise<void>;
}

/** What the role "Azure Kubernetes Service Contributor Role" gives (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers). */
const contributor = [
  'Microsoft.ContainerService/locations/*',
  'Microsoft.ContainerService/managedClusters/*',
  'Microsoft.ContainerService/managedclustersnapshots/*',
  'Microsoft.ContainerService/snapshots/*',
  'Microsoft.Insights/alertRules/*',
  'Microsoft.Resources/deployments/*',
  'Microsoft.Resources/subscriptions/resourceGroups/read',
  'Microsoft.Support/*',
  'Microsoft.Authorization/*/read',
];

/** Starts it on two free ports of 127.0.0.1. */
export async function openAzure(options: AzureOptions = {}): Promise<Azure> {
  const certificate = makeTestCertificate();
  const tenantId = randomUUID();
  const clientId = randomUUID();
  const subscriptionId = randomUUID();
  const resourceGroup = 'kqueen-test';
  const clientSecret = `kq~${randomBytes(24).toString('base64url')}`;
  const expiredSecret = `old~${randomBytes(24).toString('base64url')}`;
  const world = openWorld({ createMs: options.createMs ?? 500, kube: options.kube, createdBy: clientId });
  const directory = openDirectory({ tenantId, clientId, clientSecret, expiredSecret });
  let actions: string[] | null = contributor;
  let forbidden: RegExp | null = null;
  const manager = openManager({
    subscriptionId,
    resourceGroup,
    tenantId,
    clientId,
    world,
    actions: () => actions,
    forbids: (action) => forbidden?.test(action) === true,
  });
  const effects = new Map<Match, Effect>();
  const seen: string[] = [];
  const bodies: ReturnType<Azure['bodies']> = [];
  const sockets = new Set<Socket>();
  let all = 0;
  let writes = 0;

  function effectOn(asked: Asked, toManager: boolean): Effect | undefined {
    const matches: Match[] = ['all'];
    if (toManager) matches.push('manager');
    if (toManager && isWrite(asked)) matches.push('writes');
    if (toManager && asked.method === 'PUT' && /managedClusters\/[^/]+$/.test(asked.path)) matches.push('create');
    const found = matches.map((match) => effects.get(match)).find((effect) => effect !== undefined);
    if (found?.kind === 'lose') {
      if (found.times <= 0) return undefined;
      found.times -= 1;
    }
    return found;
  }

  function carryOut(asked: Asked, toManager: boolean): Answer {
    try {
      if (!toManager) return directory.answer(asked);
      if (!directory.accepts(String(asked.headers.authorization ?? ''))) {
        throw gateway(401, 'InvalidAuthenticationToken', 'The access token is invalid.', {
          'www-authenticate': 'Bearer authorization_uri="https://login.windows.net/", error="invalid_token"',
        });
      }
      return manager(asked);
    } catch (thrown) {
      if (thrown instanceof Refusal) return thrown.answer;
      throw thrown;
    }
  }

  function serve(asked: Asked, toManager: boolean, response: import('node:http').ServerResponse): void {
    all += 1;
    if (toManager) seen.push(`${asked.method} ${asked.path}`);
    if (toManager && isWrite(asked)) {
      writes += 1;
      const body = asked.text === '' ? undefined : (JSON.parse(asked.text) as unknown);
      bodies.push({ request: `${asked.method} ${asked.path}`, body, headers: asked.headers });
    }
    const effect = effectOn(asked, toManager);
    if (effect?.kind === 'hang') return;
    if (effect?.kind === 'page') {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<!DOCTYPE html><html><body>Please sign in to the guest network.</body></html>');
      return;
    }
    const answer = effect?.kind === 'refuse' ? effect.refusal().answer : carryOut(asked, toManager);
    if (effect?.kind === 'lose') {
      response.destroy();
      return;
    }
    send(asked, answer, response, effect?.kind === 'cut');
  }

  async function listen(toManager: boolean): Promise<{ port: number; server: https.Server }> {
    const server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const origin = `https://${request.headers.host}`;
        const url = new URL(request.url ?? '/', origin);
        const asked: Asked = {
          method: request.method ?? 'GET',
          path: url.pathname,
          query: url.searchParams,
          headers: request.headers,
          text: Buffer.concat(chunks).toString('utf8'),
          origin,
        };
        serve(asked, toManager, response);
      });
    });
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port, server };
  }

  const authority = await listen(false);
  const resources = await listen(true);
  return {
    tenantId,
    clientId,
    clientSecret,
    expiredSecret,
    subscriptionId,
    resourceGroup,
    authorityPort: authority.port,
    managerPort: resources.port,
    ca: certificate.ca,
    world,
    counts: () => ({ writes, all }),
    seen: () => [...seen],
    bodies: () => [...bodies],
    set: (match, effect) => effects.set(match, effect),
    clear() {
      effects.clear();
      forbidden = null;
      actions = contributor;
      Object.assign(world.troubles, { stall: false, failCreates: null, failUpdates: null, noQuota: false });
      world.resume();
    },
    grant(given) {
      actions = given;
    },
    forbid(pattern) {
      forbidden = pattern;
    },
    expireTokens: () => directory.expire(),
    secrets: () => [clientSecret, ...directory.all(), ...world.secrets()],
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const { server } of [authority, resources]) {
        server.close();
        await once(server, 'close');
      }
    },
  };
}

/** Changes something: POST is an action, and those that list credentials or profiles only read. */
function isWrite(asked: Asked): boolean {
  if (asked.method === 'POST') return !/\/list\w+$/.test(asked.path);
  return asked.method !== 'GET';
}

function send(asked: Asked, answer: Answer, response: import('node:http').ServerResponse, cut: boolean): void {
  const headers: Record<string, string> = {
    'cache-control': 'no-cache',
    'x-ms-request-id': randomUUID(),
    'x-ms-correlation-request-id': randomUUID(),
    ...answer.headers,
  };
  let bytes: Buffer = Buffer.alloc(0);
  if (answer.body !== undefined) {
    headers['content-type'] = 'application/json; charset=utf-8';
    bytes = Buffer.from(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
    // The gateway compresses what is long for whoever takes it.
    if (bytes.length > 1_024 && /\bgzip\b/.test(String(asked.headers['accept-encoding'] ?? ''))) {
      bytes = gzipSync(bytes);
      headers['content-encoding'] = 'gzip';
    }
  }
  if (cut) {
    response.writeHead(answer.status, { ...headers, 'content-length': String(Math.max(bytes.length, 40)) });
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
    setImmediate(() => response.destroy());
    return;
  }
  response.writeHead(
    answer.status,
    bytes.length > 0 ? { ...headers, 'content-length': String(bytes.length) } : headers,
  );
  response.end(bytes);
}
