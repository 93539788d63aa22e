/** A Jenkins on loopback that speaks the REST contract of the real one. */
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { makeTestCertificate } from '../../certificate.ts';
import { type Access, makeAccess } from './access.ts';
import { errorPage, loadingPage, oopsPage } from './pages.ts';
import { makeRenderer } from './render.ts';
import { type Answer, type Asked, makeRoutes } from './routes.ts';
import { makeWorld, type World } from './world.ts';

/** What stands between a client and Jenkins, or what ails it. */
export interface Trouble {
  hang?: boolean;
  /** A login page of a proxy in place of every answer. */
  webPage?: boolean;
  serverError?: boolean;
  /** It is starting. */
  loading?: boolean;
  cutAnswers?: boolean;
  /** Every request lacks this permission. */
  forbid?: string;
  /** A proxy's rate limit, in seconds to wait. */
  limitSeconds?: number;
  /** So many changes are carried out and not answered. */
  loseAnswers?: number;
  /** Artifacts are served by a domain of their own (the resource root URL). */
  resourceDomain?: boolean;
  /** Also answers that are no pages of Jenkins carry `X-Jenkins`. */
  headersEverywhere?: boolean;
  /** The plugin pipeline-rest-api is not installed. */
  withoutStages?: boolean;
}

export interface JenkinsServer {
  /** With the context path. */
  url: string;
  port: number;
  /** PEM; empty without TLS. */
  ca: string;
  world: World;
  access: Access;
  trouble: Trouble;
  /** All requests so far, and those that could change something. */
  requests(): number;
  writes(): number;
  /** What was asked, in order: `POST /job/a/buildWithParameters`. */
  seen: { line: string; authorization: boolean; crumb: boolean; host: string }[];
  close(): Promise<void>;
}

export interface JenkinsOptions {
  tls?: boolean;
  contextPath?: string;
  /** Whether the address that Jenkins believes to be its own is the real one; by default nobody can reach it. */
  knowsItself?: boolean;
}

/** Starts a Jenkins without users and jobs. */
export async function startJenkins(options: JenkinsOptions = {}): Promise<JenkinsServer> {
  const contextPath = options.contextPath ?? '/jenkins';
  let root = `http://jenkins.example.internal:8080${contextPath}`;
  const world = makeWorld();
  const access = makeAccess();
  const trouble: Trouble = {};
  const seen: JenkinsServer['seen'] = [];
  let writes = 0;

  /** The domain for untrusted content serves artifacts to whoever knows their address, and to nobody who brings credentials. */
  const resources = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://resources');
    seen.push({
      line: `GET resource ${url.pathname}`,
      authorization: request.headers.authorization !== undefined,
      crumb: false,
      host: request.headers.host ?? '',
    });
    const job = world.jobs.get(url.searchParams.get('job') ?? '');
    const [number = '', ...path] = decodeURIComponent(url.pathname.split('/').at(-1) ?? '').split('-');
    const content = job?.builds.find((build) => String(build.number) === number)?.course.artifacts?.[path.join('-')];
    response.writeHead(content === undefined ? 404 : 200, {
      'content-type': 'application/octet-stream',
      'x-jenkins': '2.541.1',
    });
    response.end(content ?? '');
  });
  resources.listen(0, '127.0.0.1');
  await once(resources, 'listening');
  const resourceUrl = `http://127.0.0.1:${(resources.address() as AddressInfo).port}`;

  const route = makeRoutes({
    world,
    access,
    render: makeRenderer(world, () => root),
    contextPath,
    root: () => root,
    version: '2.541.1',
    resourceRoot: () => (trouble.resourceDomain ? resourceUrl : null),
    headersEverywhere: () => trouble.headersEverywhere === true,
    stages: () => !trouble.withoutStages,
  });

  function troubled(): Answer | null {
    const page = { 'content-type': 'text/html;charset=utf-8' };
    if (trouble.webPage) return { status: 200, headers: page, body: '<html><body>Please sign in</body></html>' };
    if (trouble.limitSeconds !== undefined) {
      const headers = { 'retry-after': String(trouble.limitSeconds), ...page };
      return { status: 429, headers, body: '<html><body>Too many requests</body></html>' };
    }
    if (trouble.loading) return { status: 503, headers: page, body: loadingPage() };
    const own = { ...page, 'x-jenkins': '2.541.1' };
    if (trouble.serverError) return { status: 500, headers: own, body: oopsPage() };
    if (trouble.forbid) {
      const headers = {
        ...own,
        'x-you-are-authenticated-as': 'kqueen',
        'x-required-permission': trouble.forbid,
      };
      return { status: 403, headers, body: errorPage(403, 'Access Denied', `kqueen is missing ${trouble.forbid}`) };
    }
    return null;
  }

  function listener(request: http.IncomingMessage, response: http.ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://jenkins');
      const method = request.method ?? 'GET';
      seen.push({
        line: `${method} ${url.pathname}`,
        authorization: request.headers.authorization !== undefined,
        crumb: request.headers['jenkins-crumb'] !== undefined,
        host: request.headers.host ?? '',
      });
      if (method !== 'GET') writes += 1;
      if (trouble.hang) return;
      const form = new URLSearchParams(
        String(request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')
          ? Buffer.concat(chunks).toString('utf8')
          : '',
      );
      const inside = url.pathname.startsWith(contextPath);
      const path = url.pathname.slice(contextPath.length);
      const asked: Asked = { method, path, query: url.searchParams, form, headers: request.headers };
      const answer =
        troubled() ??
        (inside ? route(asked) : { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>404</h1>' });
      if (method !== 'GET' && (trouble.loseAnswers ?? 0) > 0 && answer.status < 400) {
        trouble.loseAnswers = (trouble.loseAnswers ?? 0) - 1;
        request.socket.destroy();
        return;
      }
      const body = answer.body ?? '';
      const date = new Date(world.now()).toUTCString();
      response.writeHead(answer.status, { date, ...answer.headers, 'content-length': Buffer.byteLength(body) });
      if (trouble.cutAnswers) {
        response.write(body.slice(0, Math.floor(body.length / 2)), () => request.socket.destroy());
        return;
      }
      response.end(body);
    });
  }

  const certificate = options.tls === false ? null : makeTestCertificate();
  const server = certificate
    ? https.createServer({ key: certificate.key, cert: certificate.cert }, listener)
    : http.createServer(listener);
  const sockets = new Set<Socket>();
  for (const each of [server, resources]) {
    each.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `${certificate ? 'https' : 'http'}://127.0.0.1:${port}${contextPath}`;
  if (options.knowsItself) root = url;
  return {
    url,
    port,
    ca: certificate?.ca ?? '',
    world,
    access,
    trouble,
    requests: () => seen.length,
    writes: () => writes,
    seen,
    async close() {
      const closed = Promise.all([once(server, 'close'), once(resources, 'close')]);
      server.close();
      resources.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
