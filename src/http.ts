/** The one port: chat platforms, one-time links, health and metrics. */
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Log } from './core/ports/log.ts';

export type Listener = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface Routes {
  slack?: Listener;
  /** Both pages of an installation in Slack. */
  slackInstall?: Listener;
  teams?: Listener;
  /** The line of a person of the terminal, sent from this machine; see `local` in main.ts. */
  local?: { token: string; say(name: string, line: string): Promise<string> };
  /** Shows the page of a one-time link, and issues what it stands for. Null: there is no such link any more. */
  handout?: {
    look(token: string): Promise<string | null>;
    take(token: string): Promise<{ name: string; content: string } | null>;
  };
  /** The PNG of a picture that a chat shows by its link. Null: there is none any more. */
  picture?: (id: string) => Promise<Uint8Array | null>;
  /** Whether links to clusters lead to a page that says where to ask about them. */
  clusterLinks?: boolean;
  /** What is not ready, by name; empty when all is. */
  notReady(): Promise<Record<string, string>>;
  metrics(): Promise<{ type: string; body: string }>;
}

export interface HttpOptions {
  host: string;
  port: number;
  /** CIDRs that may read the metrics without a token. */
  metricsFrom: readonly string[];
  metricsToken?: string;
  log: Log;
}

/** Starts listening; resolves with the server and the port it has. */
export async function listen(
  options: HttpOptions,
  routes: Routes,
): Promise<{ server: Server; port: number; close(graceMs: number): Promise<void> }> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    route(options, routes, request, response).catch((thrown: unknown) => {
      options.log.error(
        { path: request.url?.split('?')[0], error: thrown instanceof Error ? thrown.stack : String(thrown) },
        'a request failed',
      );
      if (!response.headersSent) text(response, 500, 'Something went wrong inside KQueen.\n');
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    server,
    port: typeof address === 'object' && address ? address.port : options.port,
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

async function route(
  options: HttpOptions,
  routes: Routes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const probe = request.method === 'HEAD' && (path === '/healthz' || path === '/readyz');
  const key = `${probe ? 'GET' : request.method} ${path}`;
  if (key === 'POST /slack/events' && routes.slack) return routes.slack(request, response);
  if (routes.slackInstall && (key === 'GET /slack/install' || key === 'GET /slack/oauth_redirect'))
    return routes.slackInstall(request, response);
  if (key === 'POST /api/messages' && routes.teams) return routes.teams(request, response);
  if (key === 'GET /healthz') return text(response, 200, 'ok\n');
  if (key === 'GET /readyz') {
    const missing = Object.entries(await routes.notReady());
    return text(
      response,
      missing.length === 0 ? 200 : 503,
      missing.length === 0 ? 'ready\n' : missing.map(([name, why]) => `${name}: ${why}\n`).join(''),
    );
  }
  if (key === 'GET /metrics') {
    if (!mayReadMetrics(options, request))
      return text(response, 401, 'Metrics are for the addresses in KQUEEN_PROMETHEUS_WHITELIST, or with the token.\n');
    const page = await routes.metrics();
    response.writeHead(200, { 'content-type': page.type }).end(page.body);
    return;
  }
  if (path.startsWith('/c/') && routes.clusterLinks) return clusterPage(request, response, path.slice(3));
  const picture = /^\/p\/([a-z0-9]+)\.png$/.exec(path)?.[1];
  if (picture !== undefined && routes.picture && (request.method === 'GET' || request.method === 'HEAD'))
    return image(await routes.picture(picture), response);
  if (path.startsWith('/d/') && routes.handout) return handout(routes.handout, request, response, path.slice(3));
  if (key === 'POST /local' && routes.local) return local(routes.local, request, response);
  return text(response, 404, 'There is nothing here.\n');
}

/** Chats fetch it without signing in and keep it: the link is the secret, and what it leads to never changes. */
function image(png: Uint8Array | null, response: ServerResponse): void {
  if (png === null) {
    text(response, 404, 'There is no such picture any more.\n');
    return;
  }
  response
    .writeHead(200, {
      'content-type': 'image/png',
      'content-length': png.length,
      'cache-control': 'private, max-age=86400, immutable',
      'x-content-type-options': 'nosniff',
      'x-robots-tag': 'noindex',
    })
    .end(png);
}

function mayReadMetrics(options: HttpOptions, request: IncomingMessage): boolean {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (options.metricsToken && given && sameText(given, options.metricsToken)) return true;
  // Behind a proxy every caller has the proxy's address, so a forwarded request needs the token.
  if (forwarded(request)) return false;
  return allowed(options.metricsFrom, request.socket.remoteAddress ?? '');
}

function forwarded(request: IncomingMessage): boolean {
  return ['x-forwarded-for', 'forwarded', 'x-real-ip'].some((name) => request.headers[name] !== undefined);
}

/** Whether an address lies within one of the CIDRs; IPv4-mapped IPv6 addresses count as IPv4. */
export function allowed(cidrs: readonly string[], address: string): boolean {
  const plain = address.replace(/^::ffff:/, '');
  const family = isIP(plain);
  if (family === 0) return false;
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', bits] = cidr.split('/');
    const version = isIP(network);
    if (version === 0) continue;
    list.addSubnet(
      network,
      bits === undefined ? (version === 4 ? 32 : 128) : Number(bits),
      version === 4 ? 'ipv4' : 'ipv6',
    );
  }
  return list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
}

function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

const page = (
  body: string,
) => `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>KQueen</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:4rem auto;padding:0 1rem}button{font:inherit;padding:.6rem 1.2rem}</style>
<h1>KQueen</h1>${body}</html>`;

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
};

/** GET shows a page and burns nothing, so that link previews are harmless; POST issues and burns. */
async function handout(
  routes: NonNullable<Routes['handout']>,
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
): Promise<void> {
  const headers = pageHeaders;
  const gone = page(
    '<p>This link has been used or has expired. Ask KQueen for a new one with <code>cluster access</code>.</p>',
  );
  if (!/^[a-z0-9]{20,80}$/.test(token)) return void response.writeHead(404, headers).end(gone);
  if (request.method === 'GET' || request.method === 'HEAD') {
    const cluster = await routes.look(token);
    if (cluster === null) return void response.writeHead(410, headers).end(gone);
    const form = `<p>Your kubeconfig for <strong>${escapeHtml(cluster)}</strong>. It is made when you press the button, and can be taken once.</p><form method="post"><button>Download the kubeconfig</button></form>`;
    return void response.writeHead(200, headers).end(page(form));
  }
  if (request.method !== 'POST')
    return void response
      .writeHead(405, { ...headers, allow: 'GET, HEAD, POST' })
      .end(page('<p>Open this link in a browser.</p>'));
  const file = await routes.take(token);
  if (!file) return void response.writeHead(410, headers).end(gone);
  response
    .writeHead(200, {
      ...headers,
      'content-type': 'application/yaml',
      'content-disposition': `attachment; filename="${file.name}"`,
    })
    .end(file.content);
}

/** Says where to ask. The same for a cluster that exists and one that does not: whoever has a link is not known to be of the organisation. */
function clusterPage(request: IncomingMessage, response: ServerResponse, rest: string): void {
  const name = rest.replace(/\/$/, '');
  if (!/^[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?$/.test(name)) return void text(response, 404, 'There is nothing here.\n');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return void text(response, 405, 'Open this link in a browser.\n');
  const asked = `<p>This link is about the cluster <strong>${name}</strong>. Ask KQueen in Slack or Teams for it:</p><p><code>cluster show ${name}</code></p>`;
  response.writeHead(200, pageHeaders).end(page(asked));
}

/** The admin of a machine without a terminal: loopback only, and only with the token that was printed at the start. */
async function local(
  routes: NonNullable<Routes['local']>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const near = !forwarded(request) && allowed(['127.0.0.0/8', '::1/128'], request.socket.remoteAddress ?? '');
  if (!near || !sameText(given, routes.token))
    return text(response, 401, 'This is for the person who started KQueen on this machine.\n');
  const chunks: Buffer[] = [];
  let size = 0;
  // Not destroyed when it is left early: the answer goes over the same connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > 20_000) {
      response.setHeader('connection', 'close');
      return text(response, 413, 'That line is too long.\n');
    }
    chunks.push(chunk);
  }
  return text(response, 200, `${await routes.say('admin', Buffer.concat(chunks).toString('utf8'))}\n`);
}

function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }).end(body);
}
