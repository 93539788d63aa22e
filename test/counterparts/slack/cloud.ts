/**
 * Slack with several workspaces behind one address, and the pages by which an app is installed in them. Each workspace is a loopback Slack of its own;
 * which one a call is for is told by its token, as with Slack.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Browser } from './browser.ts';
import { Core } from './core.ts';
import { Dispatch } from './dispatch.ts';
import { Slack } from './index.ts';
import { type AppSpec, Registration } from './registration.ts';
import { SocketMode } from './socket-mode.ts';
import type { ChannelSpec, Clock, Delivery, UserSpec, Violation } from './types.ts';
import { serve } from './web-api.ts';

export { Browser } from './browser.ts';

export interface CloudOptions extends AppSpec {
  signingSecret: string;
  /** `xapp-…`, one for all workspaces. */
  appToken?: string;
  workspaces: { team: string; name: string; users: UserSpec[]; channels: ChannelSpec[] }[];
  clock?: Clock;
}

interface Member {
  core: Core;
  slack: Slack;
}

/** Who a browser is signed in as. */
interface Session {
  member: Member;
  userId: string;
}

export class SlackCloud {
  readonly app: AppSpec;
  readonly socket: SocketMode;
  readonly #registration: Registration;
  readonly #members: Map<string, Member>;
  readonly #sessions: Map<string, Session>;
  readonly #stop: () => Promise<void>;
  readonly origin: string;

  constructor(
    registration: Registration,
    members: Map<string, Member>,
    sessions: Map<string, Session>,
    socket: SocketMode,
    origin: string,
    stop: () => Promise<void>,
  ) {
    this.#registration = registration;
    this.app = registration.app;
    this.#members = members;
    this.#sessions = sessions;
    this.socket = socket;
    this.origin = origin;
    this.#stop = stop;
  }

  get apiUrl(): string {
    return `${this.origin}/api/`;
  }

  workspace(team: string): Slack {
    return this.#member(team).slack;
  }

  /** The token the app has in a workspace; empty when it is not installed there. */
  token(team: string): string {
    return this.#member(team).core.options.botToken;
  }

  /** Every token there ever was, and every refresh token that a call carried. */
  everyToken(): string[] {
    return [...this.#members.values()]
      .flatMap(({ core }) => [core.options.botToken, ...core.deadTokens.keys()])
      .filter(Boolean);
  }

  get violations(): Violation[] {
    return [...this.#members.values()].flatMap(({ slack }) => slack.violations);
  }

  /** Request URL of the app, for all workspaces. */
  deliverTo(...urls: string[]): void {
    for (const { slack } of this.#members.values()) slack.deliverTo(...urls);
  }

  /** The browser of a person who is signed in to a workspace. */
  browser(team: string, userId: string): Browser {
    const session = randomBytes(12).toString('hex');
    this.#sessions.set(session, { member: this.#member(team), userId });
    const browser = new Browser();
    browser.signIn(this.origin, 'd', session);
    return browser;
  }

  /** An owner of the workspace removes the app: its tokens die, and Slack tells the app, in either order. */
  async uninstall(team: string): Promise<Delivery[]> {
    const { slack } = this.#member(team);
    this.revoke(team, 'account_inactive');
    const revoked = { type: 'tokens_revoked', tokens: { oauth: [], bot: ['U0KQUEEN'] } };
    return await Promise.all([slack.event(revoked), slack.event({ type: 'app_uninstalled' })]);
  }

  /** The token dies, and nobody is told. */
  revoke(team: string, word: string): void {
    this.#registration.revoke(this.#member(team).core, word);
  }

  async close(): Promise<void> {
    await this.#stop();
  }

  #member(team: string): Member {
    const member = this.#members.get(team);
    if (member === undefined) throw new Error(`no workspace ${team}`);
    return member;
  }
}

/** Starts a Slack with several workspaces on a free port of 127.0.0.1. */
export async function startSlackCloud(options: CloudOptions): Promise<SlackCloud> {
  const clock = options.clock ?? { now: () => Date.now() };
  const registration = new Registration(options, clock);
  const members = new Map<string, Member>();
  const sessions = new Map<string, Session>();
  const http = createServer((request, response) => {
    if (request.url?.startsWith('/oauth/v2/authorize')) void consent(registration, sessions, request, response);
    else void serve(coreFor([...members.values()], request), request, response);
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  let socket: SocketMode | undefined;
  for (const { team, name, users, channels } of options.workspaces) {
    const core = new Core({
      signingSecret: options.signingSecret,
      botToken: '',
      ...(options.appToken === undefined ? {} : { appToken: options.appToken }),
      team,
      name,
      users,
      channels,
      clock,
      shouldEscape: true,
      postBurst: 50,
    });
    core.origin = origin;
    core.registration = registration;
    // One app has one set of connections, whichever workspace an event is of; its tickets are kept by the first.
    socket ??= new SocketMode(core, http);
    members.set(team, { core, slack: new Slack(core, new Dispatch(core, socket), socket, async () => undefined) });
  }
  if (socket === undefined) throw new Error('a Slack without a workspace');
  const links = socket;
  return new SlackCloud(registration, members, sessions, links, origin, async () => {
    await links.close();
    http.closeAllConnections();
    await new Promise<void>((resolve) => http.close(() => resolve()));
  });
}

/** The workspace a request is for: by its token, or by what its path names. Without either it is for any. */
function coreFor(members: Member[], request: IncomingMessage): Core {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const [, area, id = ''] = (request.url ?? '').split('?')[0]?.split('/') ?? [];
  const found = members.find(({ core }) => {
    if (area === 'response') return core.responseUrls.has(id);
    if (area === 'upload' || area === 'files') return core.world.files.has(id);
    return token !== '' && (core.options.botToken === token || core.deadTokens.has(token));
  });
  const core = found?.core ?? members[0]?.core;
  if (core === undefined) throw new Error('a Slack without a workspace');
  return core;
}

/** The page on which a person allows an app, and what follows from the answer. */
async function consent(
  registration: Registration,
  sessions: Map<string, Session>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const page = (status: number, body: string) =>
    response
      .writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
      .end(`<!doctype html><body>${body}</body>`);
  const session = sessions.get(/(?:^|; )d=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? '');
  if (session === undefined) return void page(403, 'Sign in to your workspace');
  const complaint = registration.complaint(url.searchParams);
  if (complaint !== null) return void page(400, `Something went wrong when authorizing this app. ${complaint}`);
  if (request.method === 'GET') {
    const name = session.member.core.options.name ?? '';
    const buttons = ['Allow', 'Allow everywhere', 'Cancel'].map(
      (each) => `<button name="answer" value="${each}">${each}</button>`,
    );
    const action = `${url.pathname}${url.search}`.replaceAll('&', '&amp;');
    return void page(
      200,
      `KQueen is requesting permission to access ${name}<form method="post" action="${action}">${buttons.join('')}</form>`,
    );
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  const answer = new URLSearchParams(Buffer.concat(chunks).toString('utf8')).get('answer');
  const redirectUri = url.searchParams.get('redirect_uri') ?? '';
  const back = new URL(redirectUri);
  if (answer === 'Cancel') back.searchParams.set('error', 'access_denied');
  else {
    const scopes = (url.searchParams.get('scope') ?? '').split(',');
    const wholeOrganisation = answer === 'Allow everywhere';
    const { member, userId } = session;
    back.searchParams.set('code', registration.allow(member.core, { scopes, redirectUri, userId, wholeOrganisation }));
  }
  back.searchParams.set('state', url.searchParams.get('state') ?? '');
  response.writeHead(302, { location: back.href }).end();
}
