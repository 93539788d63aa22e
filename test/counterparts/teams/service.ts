/**
 * Microsoft's side of Teams on loopback, for the tests: OpenID metadata and keys, Entra ID's token endpoint, and a Bot Connector that
 * keeps conversations and answers as the real one is documented to, limits included.
 */
import { createSign, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { judgeCards } from './cards.ts';

interface KeptMessage {
  conversation: string;
  id: string;
  /** The newest content. */
  activity: Record<string, unknown>;
  edits: number;
  removed: boolean;
  /** The id of the message it answers in a thread, if any. */
  thread?: string;
}

/** What the next matching call gets instead of an answer. */
interface Trouble {
  /** Part of `POST /v3/conversations/…`. */
  match: RegExp;
  /** Without it the call hangs until the server closes. */
  status?: number;
  headers?: Record<string, string>;
  code?: string;
  /** The effect happens although the answer is bad. */
  after?: boolean;
  times?: number;
}

export interface Account {
  id: string;
  name: string;
  aadObjectId?: string;
  userRole?: string;
  userPrincipalName?: string;
}

const mostBytes = 28 * 1024;
const windows = [
  { most: 7, ms: 1_000 },
  { most: 8, ms: 2_000 },
  { most: 60, ms: 30_000 },
];

export interface TeamsService {
  url: string;
  serviceUrl: string;
  endpoints: { openIdMetadataUrl: string; issuer: string; loginUrl: string; scope: string };
  messages: KeptMessage[];
  /** Every call as `METHOD path`, newest last. */
  calls: string[];
  /** Requests for tokens. */
  tokenCalls: number;
  /** Conversations the bot is in, by id. */
  rosters: Map<string, Account[]>;
  trouble(...each: Trouble[]): void;
  /** A token as Microsoft signs it; `claims` replace the good ones. */
  token(claims?: Record<string, unknown>, how?: { key?: 'good' | 'other'; kid?: string; alg?: string }): string;
  /** The shown content of the newest message, or of the one with the id. */
  shown(id?: string): string;
  stop(): Promise<void>;
}

export interface ServiceOptions {
  appId: string;
  secret: string;
  tenantId: string;
  /** Whether calls without our own access token are refused (not so in development). */
  authenticated: boolean;
  limits?: boolean;
}

export async function startTeamsService(options: ServiceOptions): Promise<TeamsService> {
  const keys = { good: keyPair(), other: keyPair() };
  const rosters = new Map<string, Account[]>();
  const messages: KeptMessage[] = [];
  const calls: string[] = [];
  const troubles: Trouble[] = [];
  const issued = new Set<string>();
  const sends = new Map<string, number[]>();
  const issuer = 'https://api.botframework.com';
  let tokenCalls = 0;
  let counter = 0;

  const server = createServer((request, response) => {
    void serve(request, response).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  const url = `http://127.0.0.1:${address.port}`;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent((request.url ?? '').split('?')[0] ?? '');
    const call = `${request.method} ${path}`;
    calls.push(call);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const trouble = troubles.find(({ match }) => match.test(call));
    if (trouble) {
      trouble.times = (trouble.times ?? 1) - 1;
      if (trouble.times <= 0) troubles.splice(troubles.indexOf(trouble), 1);
      if (trouble.after) await answer(call, request, body);
      if (trouble.status === undefined) return;
      response.writeHead(trouble.status, { 'content-type': 'application/json', ...trouble.headers });
      response.end(
        JSON.stringify({ error: { code: trouble.code ?? 'ServiceError', message: 'trouble: canary-inside' } }),
      );
      return;
    }
    const { status, value } = await answer(call, request, body);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(value === undefined ? '' : JSON.stringify(value));
  }

  async function answer(
    call: string,
    request: IncomingMessage,
    body: Buffer,
  ): Promise<{ status: number; value?: unknown }> {
    if (call === 'GET /openid') {
      return {
        status: 200,
        value: { issuer, jwks_uri: `${url}/keys`, id_token_signing_alg_values_supported: ['RS256'] },
      };
    }
    if (call === 'GET /keys') {
      const jwk = {
        ...keys.good.publicKey.export({ format: 'jwk' }),
        kid: 'k1',
        use: 'sig',
        alg: 'RS256',
        endorsements: ['msteams'],
      };
      return { status: 200, value: { keys: [jwk] } };
    }
    if (call.endsWith('/oauth2/v2.0/token')) {
      tokenCalls += 1;
      const form = new URLSearchParams(body.toString());
      const good = form.get('client_id') === options.appId && form.get('client_secret') === options.secret;
      if (!good || !call.includes(options.tenantId))
        return { status: 401, value: { error: 'invalid_client', error_codes: [7000215] } };
      const token = `access-${randomUUID()}`;
      issued.add(token);
      return { status: 200, value: { token_type: 'Bearer', expires_in: 3_600, access_token: token } };
    }
    if (options.authenticated && !issued.has((request.headers.authorization ?? '').replace('Bearer ', ''))) {
      return refusal(401, 'Unauthorized');
    }
    return connector(call, body);
  }

  function connector(call: string, body: Buffer): { status: number; value?: unknown } {
    const found = /^(\w+) \/v3\/conversations(?:\/([^/]+)\/(activities|members)(?:\/([^/]+))?)?$/.exec(call);
    if (!found) return refusal(404, 'NotFound');
    const [, method, address = '', kind, id] = found;
    const json = (body.length > 0 ? JSON.parse(body.toString()) : {}) as Record<string, unknown>;
    if (!kind) return create(json);
    const [conversation = '', thread] = address.split(';messageid=');
    const roster = rosters.get(conversation);
    if (!roster) return refusal(404, 'ConversationNotFound');
    if (kind === 'members') {
      const member = roster.find((each) => each.id === id || each.aadObjectId === id);
      return member ? { status: 200, value: member } : refusal(404, 'MemberNotFoundInConversation');
    }
    if (roster.every((each) => each.id !== `28:${options.appId}`)) return refusal(403, 'BotNotInConversationRoster');
    if (limited(conversation)) return refusal(429, 'TooManyRequests');
    if (method === 'POST') {
      const bad = malformed(json, body);
      if (bad) return bad;
      counter += 1;
      const kept: KeptMessage = {
        conversation,
        id: `17${String(counter).padStart(11, '0')}`,
        activity: json,
        edits: 0,
        removed: false,
      };
      const under = thread ?? id;
      if (under) kept.thread = under;
      messages.push(kept);
      return { status: 201, value: { id: kept.id } };
    }
    const kept = messages.find((each) => each.conversation === conversation && each.id === id && !each.removed);
    if (!kept) return refusal(404, 'ActivityNotFoundInConversation');
    if (method === 'DELETE') {
      kept.removed = true;
      return { status: 200 };
    }
    const bad = malformed(json, body);
    if (bad) return bad;
    kept.activity = json;
    kept.edits += 1;
    return { status: 200, value: { id } };
  }

  function create(json: Record<string, unknown>): { status: number; value?: unknown } {
    const wanted = (json.members as Account[] | undefined)?.[0]?.id ?? '';
    const everybody = [...rosters.values()].flat();
    const member = everybody.find((each) => each.id === wanted || each.aadObjectId === wanted);
    if (!member || (json.channelData as { tenant?: { id?: string } } | undefined)?.tenant?.id !== options.tenantId) {
      return refusal(403, 'BotNotInConversationRoster');
    }
    const id = `a:personal-${member.id}`;
    rosters.set(id, [member, { id: `28:${options.appId}`, name: 'KQueen' }]);
    return { status: 201, value: { id } };
  }

  function malformed(json: Record<string, unknown>, body: Buffer): { status: number; value?: unknown } | null {
    const attachments = (json.attachments ?? []) as { content?: unknown }[];
    judgeCards('a message of Teams', attachments);
    if (
      attachments.some(({ content }) => Buffer.byteLength(JSON.stringify(content)) > mostBytes) ||
      body.length > 80_000
    ) {
      return refusal(413, 'MessageSizeTooBig');
    }
    if (json.type !== 'message' || (!json.text && attachments.length === 0)) return refusal(400, 'BadSyntax');
    return null;
  }

  function limited(conversation: string): boolean {
    if (options.limits === false) return false;
    const now = Date.now();
    const times = (sends.get(conversation) ?? []).filter((at) => at > now - 30_000);
    sends.set(conversation, times);
    if (windows.some(({ most, ms }) => times.filter((at) => at > now - ms).length >= most)) return true;
    times.push(now);
    return false;
  }

  const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    url,
    serviceUrl: `${url}/`,
    endpoints: { openIdMetadataUrl: `${url}/openid`, issuer, loginUrl: `${url}/login`, scope: issuer },
    messages,
    calls,
    get tokenCalls() {
      return tokenCalls;
    },
    rosters,
    trouble: (...each) => troubles.push(...each),
    token(claims = {}, { key = 'good', kid = 'k1', alg = 'RS256' } = {}) {
      const now = Math.floor(Date.now() / 1_000);
      const good = { iss: issuer, aud: options.appId, iat: now, nbf: now - 10, exp: now + 600, serviceurl: `${url}/` };
      const signed = `${base64({ alg, kid, typ: 'JWT' })}.${base64({ ...good, ...claims })}`;
      if (alg === 'none') return `${signed}.`;
      return `${signed}.${createSign('RSA-SHA256').update(signed).sign(keys[key].privateKey).toString('base64url')}`;
    },
    shown: (id) => JSON.stringify((id ? messages.find((each) => each.id === id) : messages.at(-1))?.activity ?? null),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function refusal(status: number, code: string): { status: number; value: unknown } {
  return { status, value: { error: { code, message: `${code}: canary-inside` } } };
}

function keyPair(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}
