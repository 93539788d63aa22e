/** A loopback Google: sign-in, container API and the bit of compute API that KQueen uses, over TLS on one port, with faults on demand. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { makeTestCertificate } from '../../certificate.ts';
import type { KubeBackend } from '../../engines/harness.ts';
import { object } from './cluster.ts';
import { computeRoutes } from './compute.ts';
import { containerRoutes, type Gaps } from './container.ts';
import { Refusal, refusals } from './errors.ts';
import { openSignIn, type SignIn } from './sign-in.ts';
import { openWorld, type World } from './world.ts';

export interface GoogleOptions {
  project?: string;
  /** How long a create takes, in milliseconds (default 500). */
  createMs?: number;
  kube?: KubeBackend;
}

/** What happens to requests, until it is taken back. */
export interface Weather {
  /** No request is answered. */
  hang: boolean;
  /** Every request is answered with a web page. */
  page: boolean;
  /** Every answer breaks off in its middle. */
  cut: boolean;
  /** Every change is carried out and not answered. */
  loseAnswers: boolean;
  /** The next create is carried out and not answered. */
  loseCreate: boolean;
  /** Requests of the APIs are refused with this. */
  refusal: (() => Refusal) | null;
  /** The same for the compute API alone. */
  computeRefusal: (() => Refusal) | null;
}

export interface GoogleServer {
  url: string;
  port: number;
  /** PEM. */
  ca: string;
  project: string;
  world: World;
  signIn: SignIn;
  weather: Weather;
  gaps: Gaps;
  /** Requests so far: all, those of the APIs that could change something, and those for a token. */
  counts: { all: number; writes: number; tokens: number };
  /** `METHOD /path` of each request of the APIs, in order. */
  seen: string[];
  /** The body of the last create. */
  lastCreate(): unknown;
  clear(): void;
  close(): Promise<void>;
}

const fair: Weather = {
  hang: false,
  page: false,
  cut: false,
  loseAnswers: false,
  loseCreate: false,
  refusal: null,
  computeRefusal: null,
};

/** Under this path running clusters are shown in a state that no version of Google has. */
export const strangePath = '/strange';

export async function openGoogleServer(options: GoogleOptions = {}): Promise<GoogleServer> {
  const project = options.project ?? 'kqueen-test-123456';
  const certificate = makeTestCertificate();
  const signIn = openSignIn(project);
  const world = openWorld({
    project,
    createMs: options.createMs ?? 500,
    accepts: signIn.accepts,
    ...(options.kube ? { kube: options.kube } : {}),
  });
  const gaps: Gaps = { missingZones: [] };
  const container = containerRoutes(world, project, gaps);
  const compute = computeRoutes({
    project,
    machineMs: (options.createMs ?? 500) * 0.4,
    clusters: () => world.clusters('-'),
    failure: () => world.troubles.updateFailure,
  });
  const weather: Weather = { ...fair };
  const counts = { all: 0, writes: 0, tokens: 0 };
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  let lastCreate: unknown;

  function answerOf(
    method: string,
    path: string,
    query: URLSearchParams,
    body: unknown,
    authorization: string,
  ): unknown {
    const token = /^Bearer (\S+)$/.exec(authorization)?.[1] ?? '';
    if (!signIn.accepts(token)) throw refusals.unauthenticated();
    if (weather.refusal) throw weather.refusal();
    if (path.startsWith('/compute/')) {
      if (weather.computeRefusal) throw weather.computeRefusal();
      return compute(method, path, query, object(body));
    }
    if (method === 'POST' && path.endsWith('/clusters')) lastCreate = body;
    return container({ method, path, body: object(body) });
  }

  function handle(request: IncomingMessage, response: ServerResponse, raw: string): void {
    const method = request.method ?? 'GET';
    const url = new URL(request.url ?? '/', 'https://google.test');
    const strange = url.pathname.startsWith(`${strangePath}/`);
    const path = strange ? url.pathname.slice(strangePath.length) : url.pathname;
    counts.all += 1;
    // The address of the sign-in may be given with or without its usual path.
    const forToken = method === 'POST' && (path === '/token' || path === '/');
    if (forToken) counts.tokens += 1;
    else {
      seen.push(`${method} ${path}`);
      if (changes(method, path)) counts.writes += 1;
    }
    if (weather.hang) return;
    if (weather.page) {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<!doctype html><title>Sign in</title><p>Please sign in to the guest network.</p>');
      return;
    }
    if (forToken) {
      const { status, body } = signIn.token(new URLSearchParams(raw));
      write(response, status, body);
      return;
    }
    try {
      const body = answerOf(method, path, url.searchParams, parsed(raw), request.headers.authorization ?? '');
      const create = method === 'POST' && path.endsWith('/clusters');
      if ((weather.loseAnswers && changes(method, path)) || (weather.loseCreate && create)) {
        if (create) weather.loseCreate = false;
        request.socket.destroy();
        return;
      }
      write(response, 200, strange ? hibernating(body) : body);
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      write(response, thrown.status, thrown.body, thrown.headers);
    }
  }

  function write(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
    const text = JSON.stringify(body, null, 2);
    response.writeHead(status, {
      'content-type': 'application/json; charset=UTF-8',
      'content-length': Buffer.byteLength(text),
      server: 'ESF',
      ...headers,
    });
    if (!weather.cut) {
      response.end(text);
      return;
    }
    response.write(text.slice(0, text.length / 2), () => response.socket?.destroy());
  }

  const server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handle(request, response, Buffer.concat(chunks).toString('utf8')));
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    url: `https://127.0.0.1:${port}`,
    port,
    ca: certificate.ca,
    project,
    world,
    signIn,
    weather,
    gaps,
    counts,
    seen,
    lastCreate: () => lastCreate,
    clear() {
      Object.assign(weather, fair);
      Object.assign(world.troubles, { createFailure: null, updateFailure: null, stall: false, quota: false });
      gaps.missingZones = [];
      world.resume();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
      await world.close();
    },
  };
}

/** Managed instances are listed by POST, which changes nothing. */
function changes(method: string, path: string): boolean {
  return method !== 'GET' && !path.endsWith('/listManagedInstances');
}

function parsed(raw: string): unknown {
  if (raw === '') return {};
  try {
    return JSON.parse(raw) as unknown;
  } catch {
    throw refusals.badRequest('Invalid JSON payload received.');
  }
}

function hibernating(body: unknown): unknown {
  return JSON.parse(JSON.stringify(body).replaceAll('"RUNNING"', '"HIBERNATING"')) as unknown;
}
