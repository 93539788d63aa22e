/** A Keystone and a Heat on loopback that speak the documented contracts, with faults on demand; see README.md for the sources. */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { makeTestCertificate } from '../../certificate.ts';
import type { KubeBackend } from '../../engines/harness.ts';
import { type Answer, heatError, type Limits, makeHeat } from './heat-routes.ts';
import type { Json } from './hot.ts';
import { type Keystone, keystoneId, makeKeystone } from './keystone.ts';
import { makeWorld, type World } from './stacks.ts';

/** What stands between a client and the cloud, or what ails it. */
export interface Trouble {
  hang?: boolean;
  webPage?: boolean;
  serverError?: boolean;
  cutAnswers?: boolean;
  limitSeconds?: number;
  /** Good tokens may do nothing any more. */
  forbid?: boolean;
  /** So many creates, or changes of any kind, are carried out and not answered. */
  loseCreates?: number;
  loseChanges?: number;
}

export interface Openstack {
  keystonePort: number;
  heatPort: number;
  /** PEM */
  ca: string;
  keystone: Keystone;
  world: World;
  limits: Limits;
  trouble: Trouble;
  /** Where the catalogue says that Heat and the other services are: a test may put a proxy before them. */
  places: { heat: string };
  /** What the project has, by custom constraint. */
  names: Record<string, string[]>;
  user: { id: string; name: string; password: string };
  project: { id: string; name: string };
  requests(): number;
  writes(): number;
  /** `POST /v1/<project>/stacks`, in order. */
  seen: { line: string; body: unknown }[];
  close(): Promise<void>;
}

export interface OpenstackOptions {
  createMs?: number;
  kube?: KubeBackend;
}

interface Incoming {
  method: string;
  url: URL;
  token: string | undefined;
  body: unknown;
}

/** Starts the two servers on free ports, with one project and one user that may use it. */
export async function startOpenstack(options: OpenstackOptions = {}): Promise<Openstack> {
  const certificate = makeTestCertificate();
  const world = makeWorld({
    createMs: options.createMs ?? 500,
    ca: certificate.ca,
    ...(options.kube ? { kube: options.kube } : {}),
  });
  const places = { heat: '' };
  const trouble: Trouble = {};
  const seen: { line: string; body: unknown }[] = [];
  const counts = { requests: 0, writes: 0 };
  const keystone = makeKeystone(catalog);
  const project = { id: keystoneId(), name: 'clusters' };
  keystone.projects.push(project, { id: keystoneId(), name: 'not-for-kqueen' });
  const user = { id: keystoneId(), name: 'kqueen', password: randomBytes(16).toString('hex'), projects: [project.id] };
  keystone.accounts.push(user);
  const names: Record<string, string[]> = {
    'nova.flavor': ['m1.medium', 'm1.large', 'm1.xlarge'],
    'nova.keypair': ['operators'],
    'glance.image': ['ubuntu-22.04', 'ubuntu-24.04'],
    'neutron.network': ['public'],
  };
  const limits: Limits = {
    stacks: 10_000,
    credentialTrusts: false,
    exists: (constraint, value) =>
      constraint === 'net_cidr' ? /^[\d.]+\/\d+$/.test(value) : (names[constraint]?.includes(value) ?? true),
  };
  const heat = makeHeat(world, limits);

  /** As Keystone gives it: one entry for each service, one endpoint for each interface. */
  function catalog(id: string): Json[] {
    const at: [string, string, string][] = [
      ['orchestration', 'heat', `${places.heat}/v1/${id}`],
      ['identity', 'keystone', `https://127.0.0.1:${keystonePort}/v3`],
      ['compute', 'nova', `${places.heat}/compute/v2.1`],
      ['image', 'glance', `${places.heat}/image`],
      ['network', 'neutron', `${places.heat}/network`],
    ];
    return at.map(([type, name, url]) => ({
      type,
      name,
      id: keystoneId(),
      endpoints: ['public', 'internal', 'admin'].map((which) => {
        const inner = which === 'public' ? url : url.replace(/127\.0\.0\.1/, '10.0.0.1');
        return { id: keystoneId(), interface: which, region: 'RegionOne', region_id: 'RegionOne', url: inner };
      }),
    }));
  }

  function keystoneAnswer({ method, url, token, body }: Incoming): Answer {
    const path = url.pathname.replace(/\/+$/, '');
    if (method === 'GET' && path === '') {
      return { status: 300, body: { versions: { values: [versionOf(url)] } } };
    }
    if (method === 'GET' && path === '/v3') return { status: 200, body: { version: versionOf(url) } };
    if (method === 'POST' && path === '/v3/auth/tokens') {
      const made = keystone.signIn(body);
      if (!made) return unauthorised('The request you have made requires authentication.');
      world.secrets.add(made.token.text);
      return { status: 201, headers: { 'x-subject-token': made.token.text, vary: 'X-Auth-Token' }, body: made.body };
    }
    const who = keystone.who(token);
    if (!who) return unauthorised('The request you have made requires authentication.');
    if (method === 'GET' && path === '/v3/auth/projects') {
      const mine = keystone.projects.filter(({ id }) => who.user.projects.includes(id));
      return {
        status: 200,
        body: { projects: mine.map((each) => ({ ...each, domain_id: 'default', enabled: true })) },
      };
    }
    return { status: 404, body: { error: { code: 404, title: 'Not Found', message: `Could not find: ${path}.` } } };
  }

  function serviceAnswer(incoming: Incoming): Answer {
    const { method, url, token, body } = incoming;
    const who = keystone.who(token);
    if (!who)
      return { ...unauthorised('The request you have made requires authentication.'), headers: wwwAuthenticate() };
    if (trouble.forbid) return heatError(403, 'Forbidden', 'You are not authorized to use stacks:any.');
    const path = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
    if (path[0] !== 'v1') return listed(url, who.project?.id ?? '');
    if (path[1] !== who.project?.id) return heatError(403, 'InvalidTenant');
    const base = `${places.heat}/v1/${path[1]}`;
    return heat({
      method,
      path: path.slice(2),
      query: url.searchParams,
      body,
      token: who,
      project: path[1] ?? '',
      base,
    });
  }

  function wwwAuthenticate(): Record<string, string> {
    return { 'www-authenticate': `Keystone uri="https://127.0.0.1:${keystonePort}/v3"` };
  }

  /** The short lists of Nova, Glance and Neutron. */
  function listed({ pathname: path, searchParams }: URL, owner: string): Answer {
    if (/^\/compute\/v2\.1\/servers\/detail$/.test(path)) {
      // Nova reads the name as a pattern of its database, whatever the case.
      const pattern = new RegExp(searchParams.get('name') ?? '', 'i');
      const own = [...world.stacks.values()].filter(({ project: of }) => of === owner);
      const servers = own.flatMap((stack) => world.servers(stack)).filter(({ host }) => pattern.test(host));
      const shown = servers.map(({ physicalId: id, host: name, madeAt }) => ({
        ...{ id, name, status: 'ACTIVE', created: `${new Date(madeAt).toISOString().slice(0, 19)}Z` },
      }));
      return { status: 200, body: { servers: shown } };
    }
    const named = (constraint: string) => (names[constraint] ?? []).map((name) => ({ id: randomUUID(), name }));
    if (/^\/compute\/v2\.1\/flavors$/.test(path)) return { status: 200, body: { flavors: named('nova.flavor') } };
    if (/^\/compute\/v2\.1\/os-keypairs$/.test(path)) {
      const keypairs = (names['nova.keypair'] ?? []).map((name) => ({
        keypair: { name, public_key: 'ssh-ed25519 AAAA' },
      }));
      return { status: 200, body: { keypairs } };
    }
    if (/^\/image\/v2\/images$/.test(path)) return { status: 200, body: { images: named('glance.image') } };
    if (/^\/network\/v2\.0\/networks$/.test(path)) return { status: 200, body: { networks: named('neutron.network') } };
    return { status: 404, body: { error: { code: 404, message: 'not here' } } };
  }

  async function handle(request: IncomingMessage, response: ServerResponse, identity: boolean): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '/', `https://${request.headers.host ?? 'localhost'}`);
    const method = request.method ?? 'GET';
    const body = text === '' ? undefined : (JSON.parse(text) as unknown);
    const change = !identity && method !== 'GET' && !url.pathname.endsWith('/validate');
    counts.requests += 1;
    if (change) counts.writes += 1;
    seen.push({ line: `${method} ${url.pathname}`, body: identity ? undefined : body });
    if (trouble.hang) return;
    if (trouble.webPage) return page(response);
    if (trouble.limitSeconds !== undefined) {
      return send(response, {
        status: 429,
        body: { error: 'slow down' },
        headers: { 'retry-after': `${trouble.limitSeconds}` },
      });
    }
    if (trouble.serverError) {
      return send(response, identity ? keystoneBroken() : heatError(500, 'DBConnectionError', 'The database broke.'));
    }
    const token = request.headers['x-auth-token'];
    const incoming: Incoming = { method, url, token: Array.isArray(token) ? token[0] : token, body };
    const answer = identity ? keystoneAnswer(incoming) : serviceAnswer(incoming);
    if (change && lost(method, url)) return void response.destroy();
    send(response, answer);
  }

  function lost(method: string, url: URL): boolean {
    if (method === 'POST' && url.pathname.endsWith('/stacks') && (trouble.loseCreates ?? 0) > 0) {
      trouble.loseCreates = (trouble.loseCreates ?? 0) - 1;
      return true;
    }
    if ((trouble.loseChanges ?? 0) <= 0) return false;
    trouble.loseChanges = (trouble.loseChanges ?? 0) - 1;
    return true;
  }

  function send(response: ServerResponse, answer: Answer): void {
    const text = answer.body === undefined ? '' : JSON.stringify(answer.body);
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'x-openstack-request-id': `req-${randomUUID()}`,
      ...answer.headers,
    };
    if (!trouble.cutAnswers) {
      response.writeHead(answer.status, headers).end(text);
      return;
    }
    response.writeHead(answer.status === 204 ? 200 : answer.status, {
      ...headers,
      'content-length': String(text.length + 20),
    });
    response.write(text.slice(0, Math.ceil(text.length / 2)));
    setTimeout(() => response.destroy(), 10);
  }

  async function listen(identity: boolean) {
    const sockets = new Set<Socket>();
    const server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
      handle(request, response, identity).catch(() => response.destroy());
    });
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      port: (server.address() as AddressInfo).port,
      async close() {
        for (const socket of sockets) socket.destroy();
        server.close();
        await once(server, 'close');
      },
    };
  }

  const servers = await Promise.all([listen(true), listen(false)]);
  const [keystonePort, heatPort] = servers.map(({ port }) => port) as [number, number];
  places.heat = `https://127.0.0.1:${heatPort}`;
  return {
    ...{ keystonePort, heatPort, ca: certificate.ca, keystone, world, limits, trouble, places, names, project, seen },
    user,
    requests: () => counts.requests,
    writes: () => counts.writes,
    async close() {
      world.close();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

function versionOf(url: URL): Json {
  const links = [{ rel: 'self', href: `${url.origin}/v3/` }];
  return { id: 'v3.14', status: 'stable', updated: '2020-04-07T00:00:00Z', links };
}

function unauthorised(message: string): Answer {
  return { status: 401, body: { error: { code: 401, message, title: 'Unauthorized' } } };
}

function keystoneBroken(): Answer {
  const message = 'An unexpected error prevented the server from fulfilling your request.';
  return { status: 500, body: { error: { code: 500, message, title: 'Internal Server Error' } } };
}

function page(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title><h1>Sign in</h1>');
}
