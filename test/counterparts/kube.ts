/** Real Kubernetes APIs for the clusters of counterparts: sandbox clusters, and servers that stand before them. */

import { once } from 'node:events';
import type http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { makeTestCertificate } from '../certificate.ts';
import type { KubeApi, KubeBackend } from '../engines/harness.ts';
import { startSandboxProvider } from '../engines/sandbox-provider.ts';
import { eventually } from '../servers.ts';

/** A create takes 60 s at speed 1; faster than this it is the wait for the nodes that counts. */
const speed = 400;

interface Cluster {
  status: string;
  statusMessage: string;
  nodes: number;
}

/**
 * Starts a sandbox provider whose clusters lend their APIs. Names are DNS labels of at most 40 characters; a cluster has 1 to 20 nodes, and
 * other numbers are taken as the nearest of these.
 */
export async function openKubeBackend(): Promise<KubeBackend> {
  const provider = await startSandboxProvider(speed);
  await provider.ask('PUT', '/v1/admin/quota', { clusters: 10_000, nodes: 100_000 });
  const apis = new Map<string, Promise<KubeApi>>();
  /** What is done to a cluster is done one after the other, as its provider demands. */
  const turns = new Map<string, Promise<unknown>>();

  function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = (turns.get(name) ?? Promise.resolve()).then(work, work);
    // Whoever asked hears of a failure; the next in turn goes on all the same.
    turns.set(
      name,
      turn.then(
        () => null,
        () => null,
      ),
    );
    return turn;
  }

  async function settled(name: string): Promise<void> {
    await eventually(
      `the cluster ${name} of the sandbox runs`,
      async () => {
        const cluster = (await provider.ask('GET', `/v1/clusters/${name}`)) as Cluster;
        return cluster.status === 'RUNNING';
      },
      { timeoutMs: 30_000 },
    );
  }

  async function make(name: string, nodes: number): Promise<KubeApi> {
    const wish = { region: 'sandbox-north', version: '1.34.2', size: 'large', nodes: within(nodes), labels: {} };
    await provider.ask('POST', '/v1/clusters', { name, ...wish });
    await settled(name);
    const kubeconfig = String(await provider.ask('GET', `/v1/clusters/${name}/kubeconfig`));
    const server = /server: (\S+)/.exec(kubeconfig)?.[1];
    const token = /token: (\S+)/.exec(kubeconfig)?.[1];
    if (!server || !token) throw new Error(`the kubeconfig of ${name} has no server or no token`);
    return { server, ca: provider.ca, token, kubeconfig };
  }

  return {
    open(name, nodes) {
      const known = apis.get(name);
      if (known) return known;
      const made = inTurn(name, () => make(name, nodes));
      apis.set(name, made);
      made.catch(() => apis.delete(name));
      return made;
    },
    scale(name, nodes) {
      return inTurn(name, async () => {
        const cluster = (await provider.ask('GET', `/v1/clusters/${name}`)) as Cluster;
        if (cluster.nodes === within(nodes)) return;
        await provider.ask('PATCH', `/v1/clusters/${name}`, { nodes: within(nodes) });
        await settled(name);
      });
    },
    remove(name) {
      if (!apis.delete(name)) return Promise.resolve();
      return inTurn(name, async () => {
        await provider.ask('DELETE', `/v1/clusters/${name}`);
        await eventually(
          `the cluster ${name} of the sandbox is gone`,
          () =>
            provider.ask('GET', `/v1/clusters/${name}`).then(
              () => false,
              (error: unknown) => String(error).includes(': 404 '),
            ),
          { timeoutMs: 30_000 },
        );
      });
    },
    close: () => provider.stop(),
  };
}

function within(nodes: number): number {
  return Math.min(20, Math.max(1, Math.round(nodes)));
}

/** What lets a request in as the cluster's admin, besides an accepted bearer token. */
export interface FrontOptions {
  /** PEM of the authority whose client certificates are the admin's. */
  clientCa?: string;
  /** Whether a user name and password of HTTP basic authentication are the admin's. */
  basic?: (user: string, password: string) => boolean;
}

/** A cluster's API as its provider serves it: another address, another authority, other credentials. */
export interface KubeFront {
  /** `https://127.0.0.1:port` */
  server: string;
  port: number;
  /** PEM. */
  ca: string;
  /** Requests that came, and those of them that were let in as the admin. */
  counts(): { received: number; admitted: number };
  close(): Promise<void>;
}

/**
 * Stands before a cluster's API and makes those its admin whose bearer token is accepted. Everybody else goes on with what they brought, so that
 * the cluster's own tokens (service accounts) work and a strange one gets the cluster's 401, a v1.Status; without any credentials the 401 is ours.
 */
export async function openKubeFront(
  api: KubeApi,
  accepts: (token: string) => boolean,
  options: FrontOptions = {},
): Promise<KubeFront> {
  const to = new URL(api.server);
  const agent = new https.Agent({ keepAlive: true, ca: api.ca });
  const certificate = makeTestCertificate();
  const sockets = new Set<Socket>();
  let received = 0;
  let admitted = 0;

  function authorization(request: http.IncomingMessage): string | null {
    const header = request.headers.authorization ?? '';
    if (options.clientCa && (request.socket as TLSSocket).authorized) return `Bearer ${api.token}`;
    const basic = /^Basic\s+(\S+)$/i.exec(header)?.[1];
    if (basic !== undefined) {
      const [user = '', ...rest] = Buffer.from(basic, 'base64').toString('utf8').split(':');
      return options.basic?.(user, rest.join(':')) ? `Bearer ${api.token}` : null;
    }
    const token = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
    if (token === undefined || token === api.token) return null;
    return accepts(token) ? `Bearer ${api.token}` : header;
  }

  function forward(request: http.IncomingMessage, response: http.ServerResponse): void {
    received += 1;
    const credentials = authorization(request);
    if (credentials === null) {
      refuse(response);
      return;
    }
    if (credentials === `Bearer ${api.token}`) admitted += 1;
    const onward = https.request({
      host: to.hostname,
      port: to.port,
      method: request.method ?? 'GET',
      path: `${to.pathname.replace(/\/+$/, '')}${request.url ?? '/'}`,
      headers: { ...request.headers, host: to.host, authorization: credentials },
      agent,
    });
    onward.on('error', () => request.socket.destroy());
    response.on('close', () => onward.destroy());
    onward.on('response', (answer) => {
      answer.on('error', () => request.socket.destroy());
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      // A watcher learns by the headers that it was accepted.
      response.flushHeaders();
      answer.pipe(response);
    });
    request.pipe(onward);
  }

  const server = https.createServer(
    {
      key: certificate.key,
      cert: certificate.cert,
      ...(options.clientCa ? { ca: options.clientCa, requestCert: true, rejectUnauthorized: false } : {}),
    },
    forward,
  );
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server: `https://127.0.0.1:${port}`,
    port,
    ca: certificate.ca,
    counts: () => ({ received, admitted }),
    async close() {
      agent.destroy();
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** As kube-apiserver answers a request that nobody signed. */
function refuse(response: http.ServerResponse): void {
  response.writeHead(401, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'Unauthorized',
      reason: 'Unauthorized',
      code: 401,
    }),
  );
}
