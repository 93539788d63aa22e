import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encoded, type Slack, signature, signedHeaders, startSlack } from '../counterparts/slack/index.ts';
import { startTeamsService, type TeamsService } from '../counterparts/teams/service.ts';
import { startTestKQueen, type TestKQueen } from '../story/kqueen.ts';

const secret = 'requests-signing-secret';
const botToken = 'xoxb-requests-token';
const json = 'application/json';
const form = 'application/x-www-form-urlencoded';
/** Words that only a library or an interpreter says. */
const inside =
  /\bat .*:\d+:\d+|node_modules|Error:|botbuilder|bolt|slack_|ECONN|SyntaxError|Unexpected token|undefined/i;

describe('requests that nobody honest sends', () => {
  let kqueen: TestKQueen;
  let slack: Slack;
  let teams: TeamsService;

  beforeAll(async () => {
    slack = await startSlack({
      ...{ signingSecret: secret, botToken, team: 'T1' },
      users: [{ id: 'U1', name: 'ada' }],
      channels: [{ id: 'C1', name: 'clusters' }],
    });
    const app = {
      appId: '11111111-1111-1111-1111-111111111111',
      tenantId: '22222222-2222-2222-2222-222222222222',
      secret: 'requests-app-password',
    };
    teams = await startTeamsService({ ...app, authenticated: true, limits: true });
    kqueen = await startTestKQueen({
      sandbox: { on: false, speed: 1, port: 0 },
      slack: { botToken, signingSecret: secret, apiUrl: slack.apiUrl },
      teams: {
        ...{ appId: app.appId, appPassword: app.secret, tenantId: app.tenantId, appType: 'SingleTenant' },
        development: false,
        endpoints: teams.endpoints,
      },
      terminal: { write: () => undefined },
      localToken: 'requests-local-token',
      metrics: { from: ['10.0.0.0/8'], token: 'requests-metrics-token' },
    });
    slack.deliverTo(`${kqueen.url}/slack/events`);
  });
  afterAll(async () => {
    await kqueen?.end();
    await slack?.close();
    await teams?.stop();
  });

  const command = encoded('command', {
    ...{ command: '/kqueen', text: 'help', trigger_id: '1.2.3', response_url: 'https://127.0.0.1/', team_id: 'T1' },
    ...{ user_id: 'U1', channel_id: 'C1' },
  }).body;
  const signed = (body: string, type = form) => signedHeaders(secret, body, type);
  const at = (seconds: number, body: string) => ({
    'content-type': form,
    'x-slack-request-timestamp': String(seconds),
    'x-slack-signature': signature(secret, seconds, body),
  });
  const now = () => Math.floor(Date.now() / 1_000);
  const other = (body: string) => ({
    ...signed(body),
    'x-slack-signature': `v0=${createHmac('sha256', 'another').update(body).digest('hex')}`,
  });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const forged = [
    { alg: 'RS256', kid: 'k' },
    { iss: 'https://api.botframework.com', aud: 'x', exp: now() + 600 },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat('c2lnbmF0dXJl')
    .join('.');
  const huge = 'x'.repeat(1_100_000);

  const activity = JSON.stringify({
    ...{ type: 'message', id: '1', text: 'help', channelId: 'msteams', serviceUrl: 'https://127.0.0.1/' },
    ...{ from: { id: '29:1' }, recipient: { id: '28:2' }, conversation: { id: 'a:1' } },
  });
  /** What is no token at all is not worth reading the body for. */
  const claimed = (type = json) => ({ 'content-type': type, ...bearer(forged) });

  interface Bad {
    what: string;
    path: string;
    headers: () => Record<string, string>;
    body: string;
    status: number;
  }
  const events = '/slack/events';
  const messages = '/api/messages';
  const bad: Bad[] = [
    { what: 'unsigned', path: events, headers: () => ({ 'content-type': form }), body: command, status: 401 },
    { what: 'signed by somebody else', path: events, headers: () => other(command), body: command, status: 401 },
    { what: 'signed, then altered', path: events, headers: () => signed(command), body: `${command}&a=b`, status: 401 },
    { what: 'six minutes old', path: events, headers: () => at(now() - 360, command), body: command, status: 401 },
    {
      what: 'with a time that is none',
      path: events,
      headers: () => ({ ...signed(command), 'x-slack-request-timestamp': 'x' }),
      body: command,
      status: 401,
    },
    { what: 'too large', path: events, headers: () => signed(huge), body: huge, status: 413 },
    { what: 'JSON that is none', path: events, headers: () => signed('{"a":', json), body: '{"a":', status: 400 },
    { what: 'bare null', path: events, headers: () => signed('null', json), body: 'null', status: 400 },
    {
      what: 'a payload that is no JSON',
      path: events,
      headers: () => signed('payload=%7B', form),
      body: 'payload=%7B',
      status: 400,
    },
    { what: 'nothing', path: events, headers: () => signed('', json), body: '', status: 400 },
    { what: 'unsigned', path: messages, headers: () => ({ 'content-type': json }), body: activity, status: 401 },
    {
      what: 'with a token that is none',
      path: messages,
      headers: () => ({ 'content-type': json, ...bearer('nonsense') }),
      body: activity,
      status: 401,
    },
    {
      what: 'with a forged token',
      path: messages,
      headers: () => claimed(),
      body: activity,
      status: 401,
    },
    { what: 'too large', path: messages, headers: () => claimed(), body: huge, status: 413 },
    { what: 'JSON that is none', path: messages, headers: () => claimed(), body: '{', status: 400 },
    { what: 'an array', path: messages, headers: () => claimed(), body: '[]', status: 400 },
    {
      what: 'another type',
      path: messages,
      headers: () => claimed('text/plain'),
      body: 'help',
      status: 415,
    },
    { what: 'no token', path: '/local', headers: () => ({}), body: 'approvals', status: 401 },
    { what: 'another token', path: '/local', headers: () => bearer('another'), body: 'approvals', status: 401 },
    { what: 'too large', path: '/local', headers: () => bearer('requests-local-token'), body: huge, status: 413 },
    { what: 'a link that never was', path: `/d/${'a'.repeat(40)}`, headers: () => ({}), body: '', status: 410 },
    { what: 'a link that is none', path: '/d/%2e%2e%2fsecret', headers: () => ({}), body: '', status: 404 },
    { what: 'nowhere', path: '/slack/install', headers: () => ({}), body: '{}', status: 404 },
    { what: 'nowhere', path: '/%00', headers: () => ({}), body: '', status: 404 },
  ];

  it.each(bad)('POST $path, $what: $status', async ({ path, headers, body, status }) => {
    const answer = await send('POST', path, headers(), body);
    expect(answer.status).toBe(status);
    expect(answer.body).not.toMatch(inside);
    expect(answer.body.length).toBeLessThan(1_000);
  });

  /** Like fetch, but content with an answer that comes before the body has been read to its end. */
  async function send(method: string, path: string, headers: Record<string, string>, body: string) {
    const sent = httpRequest(`${kqueen.url}${path}`, { method, headers, agent: false });
    const answered = once(sent, 'response');
    // A refused body is not read, so writing the rest of it may fail once the answer is here.
    sent.on('error', () => sent.destroy());
    sent.end(body);
    const [response] = (await answered) as [import('node:http').IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode, body: Buffer.concat(chunks).toString('utf8') };
  }

  it.each([events, messages])('a body that stops half-way at %s gets 400 or no answer, never 500', async (path) => {
    const { port } = new URL(kqueen.url);
    const socket = connect({ host: '127.0.0.1', port: Number(port) });
    const heard: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => heard.push(chunk));
    const headers = { ...signed(command, json), authorization: 'Bearer requests-local-token' };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join('')}content-length: 1000\r\n\r\n{"a":`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.end();
    await once(socket, 'close');
    const said = Buffer.concat(heard).toString('utf8');
    expect(said).toMatch(/^$|^HTTP\/1\.1 400 /);
    expect(said).not.toMatch(inside);
  });

  it('the other methods, and the metrics without leave', async () => {
    for (const path of [events, messages, '/local']) expect((await send('GET', path, {}, '')).status).toBe(404);
    expect((await send('PUT', `/d/${'a'.repeat(40)}`, {}, '')).status).toBe(405);
    expect((await send('GET', '/metrics', {}, '')).status).toBe(401);
    expect((await send('GET', '/metrics', bearer('another'), '')).status).toBe(401);
    expect((await send('GET', '/metrics', { 'x-forwarded-for': '10.1.1.1' }, '')).status).toBe(401);
    expect((await send('GET', '/metrics', bearer('requests-metrics-token'), '')).status).toBe(200);
    expect((await send('GET', '/healthz', {}, '')).status).toBe(200);
  });

  it('after all of it, an honest command is answered, and no request has been an error or an entry', async () => {
    const outcome = await slack.user('U1').command('/kqueen', 'help', { channel: 'C1' });
    expect(outcome.status).toBe(200);
    expect(JSON.stringify(outcome.ack)).toMatch(/cluster create/);
    expect(kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
    expect((await kqueen.store.page('audit', 'default')).items).toEqual([]);
    expect(slack.calls.filter(({ method }) => method.startsWith('chat.'))).toEqual([]);
  });
});
