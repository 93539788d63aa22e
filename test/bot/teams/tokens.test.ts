import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openTeams } from '../../../src/bot/teams/adapter.ts';
import { plainCard } from '../../../src/core/card.ts';
import { activityFrom, deliver, say } from '../../counterparts/teams/person.ts';
import type { Stage } from './stage.ts';
import { openStage, quiet, realClock, secret } from './stage.ts';

const open: Stage[] = [];
async function stageFor(...options: Parameters<typeof openStage>): Promise<Stage> {
  const stage = await openStage(...options);
  open.push(stage);
  return stage;
}
afterEach(async () => {
  for (const stage of open.splice(0)) await stage.stop();
});

const past = Math.floor(Date.now() / 1_000) - 3_600;

describe('what comes in', () => {
  it('is let in with a good token, and nothing else is', async () => {
    const stage = await stageFor();
    const { service } = stage;
    const hello = activityFrom(stage.personal(), { text: 'help' });
    expect(await deliver(stage.personal(), hello)).toEqual({ status: 200, body: undefined });
    expect(stage.heard.map(({ text }) => text)).toEqual(['help']);
    stage.heard.length = 0;

    const bad: [string, string | null][] = [
      ['no token', null],
      ['an empty token', ''],
      ['no token at all', 'x'],
      ['expired', service.token({ exp: past, nbf: past - 600, iat: past - 600 })],
      ['not valid yet', service.token({ nbf: past + 7_200 })],
      ['for another bot', service.token({ aud: 'other' })],
      ['from another issuer', service.token({ iss: 'https://evil.example' })],
      ['signed by another key', service.token({}, { key: 'other' })],
      ['with an unknown key id', service.token({}, { kid: 'k2' })],
      ['not signed', service.token({}, { alg: 'none' })],
      ['with a cut signature', service.token().slice(0, -12)],
      ['with changed claims', tampered(service.token())],
      ['for another service address', service.token({ serviceurl: 'https://other.example/' })],
    ];
    for (const [what, token] of bad) {
      const answered = await deliver(stage.personal(), hello, token);
      expect(answered, what).toEqual({ status: 401, body: { error: 'Not authenticated.' } });
    }
    const elsewhere = activityFrom(stage.personal(), { text: 'help', serviceUrl: 'https://evil.example/' });
    expect((await deliver(stage.personal(), elsewhere)).status).toBe(401);
    expect(stage.heard).toEqual([]);
  });

  it('comes from Teams alone', async () => {
    const stage = await stageFor();
    for (const channelId of ['AseChannel', 'emulator', 'slack', undefined]) {
      const answered = await deliver(stage.personal(), activityFrom(stage.personal(), { text: 'help', channelId }));
      expect(answered.status).toBe(403);
    }
    expect(stage.heard).toEqual([]);
  });

  it.each([
    ['refuses connections', 'http://127.0.0.1:9/openid'],
    ['answers 500', '/openid'],
    ['hangs', '/openid'],
  ])('is answered 503 while the OpenID server %s', async (what, address) => {
    const stage = await stageFor();
    const { service } = stage;
    if (what === 'answers 500') service.trouble({ match: /openid/, status: 500, times: 9 });
    if (what === 'hangs') service.trouble({ match: /openid/, times: 9 });
    const url = `${address.startsWith('http') ? '' : service.url}${address}?${what.replace(' ', '-')}`;
    const teams = await stage.another({ endpoints: { ...service.endpoints, openIdMetadataUrl: url }, timeoutMs: 300 });
    const answered = await stage.serve(teams, (seat) => say(seat, 'help'));
    expect(answered).toEqual({ status: 503, body: { error: 'Microsoft cannot be asked for its keys at the moment.' } });
    expect(stage.heard).toEqual([]);
  });

  it('is bounded and JSON, and says so in our own words', async () => {
    const stage = await stageFor();
    const seat = stage.personal();
    const post = async (body: string, headers: Record<string, string> = {}, method = 'POST') => {
      const response = await fetch(stage.botUrl, {
        method,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${stage.service.token()}`, ...headers },
        ...(method === 'POST' ? { body } : {}),
      });
      return { status: response.status, body: await response.text() };
    };
    expect(await post('', {}, 'GET')).toMatchObject({ status: 405 });
    expect(await post('hello', { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
    expect(await post('{"type":')).toEqual({ status: 400, body: '{"error":"The body is not JSON."}' });
    for (const body of ['[]', 'null', '"x"', '{}', '{"type":"message"}'])
      expect(await post(body)).toMatchObject({ status: 400 });
    expect((await deliver(seat, activityFrom(seat, { type: 7 }))).status).toBe(400);
    expect((await deliver(seat, activityFrom(seat, { serviceUrl: 'ftp://x/' }))).status).toBe(400);
    const big = JSON.stringify(activityFrom(seat, { text: 'x'.repeat(300_000) }));
    expect(await post(big).catch(() => ({ status: 413 }))).toMatchObject({ status: 413 });
    expect(stage.heard).toEqual([]);
    expect((await say(seat, 'still here')).status).toBe(200);
  });

  it('is dropped when it arrives cut or too slowly', async () => {
    const stage = await stageFor({ timeoutMs: 300 });
    const { port, host } = new URL(stage.botUrl);
    const head = `POST /api/messages HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\nauthorization: Bearer ${stage.service.token()}\r\ncontent-length: 5000\r\n\r\n`;
    const slow = connect(Number(port), '127.0.0.1');
    slow.write(`${head}{"type":`);
    const started = Date.now();
    slow.resume();
    slow.on('error', () => slow.destroy());
    await once(slow, 'close');
    expect(Date.now() - started).toBeLessThan(5_000);
    const cut = connect(Number(port), '127.0.0.1');
    cut.write(`${head}{"type":`, () => cut.destroy());
    await once(cut, 'close');
    expect((await say(stage.personal(), 'still here')).status).toBe(200);
    expect(stage.heard.map(({ text }) => text)).toEqual(['still here']);
  });

  it('is served with the body of nothing else when dispatch fails', async () => {
    const stage = await stageFor();
    stage.script = () => {
      throw new Error('canary-inside');
    };
    expect(await say(stage.personal(), 'help')).toEqual({ status: 200, body: undefined });
    expect(stage.service.shown()).toContain('Something went wrong inside KQueen');
    expect(stage.service.shown()).not.toContain('canary');
  });
});

describe('what goes out', () => {
  it('carries a token of our own, fetched once and never shown', async () => {
    const stage = await stageFor();
    stage.script = () => [{ audience: 'caller', card: plainCard('Hello', 'Hello') }];
    await Promise.all([say(stage.personal(), 'a'), say(stage.personal(), 'b'), say(stage.inChannel(), 'c')]);
    expect(stage.service.messages).toHaveLength(3);
    expect(stage.service.tokenCalls).toBe(1);
    expect(JSON.stringify([stage.logged, stage.service.messages, [...stage.stored]])).not.toContain(secret);
    await stage.teams.port.ready();
  });

  it('says whose fault it is when the credentials are wrong', async () => {
    const stage = await stageFor({ appPassword: 'canary-wrong' });
    await expect(stage.teams.port.ready()).rejects.toMatchObject({
      name: 'Fault',
      kind: 'not-allowed',
      next: 'Check MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId.',
    });
    stage.script = () => [{ audience: 'caller', card: plainCard('Hello', 'Hello') }];
    expect((await say(stage.personal(), 'help')).status).toBe(200);
    expect(stage.logged.join()).toContain('invalid_client');
    expect(stage.logged.join()).not.toContain('canary-wrong');
  });

  it('is unreachable, not refused, while Entra ID is down', async () => {
    const stage = await stageFor();
    stage.service.trouble({ match: /token/, status: 503 });
    await expect(stage.teams.port.ready()).rejects.toMatchObject({ kind: 'unreachable', retryable: true });
    await stage.teams.port.ready();
  });
});

describe('without MicrosoftAppId', () => {
  const none = {
    appPassword: '',
    appType: 'SingleTenant' as const,
    handle: async () => [],
    clock: realClock,
    async saveConversation() {
      throw new Error('not used');
    },
    loadConversation: async () => null,
  };

  it('nothing opens unless it is said to be for development', async () => {
    const log = quiet;
    await expect(openTeams({ ...none, log, appId: '', tenantId: 'x', development: false })).rejects.toMatchObject({
      kind: 'bad-input',
      field: 'MicrosoftAppId',
    });
    await expect(openTeams({ ...none, log, appId: 'x', tenantId: '', development: false })).rejects.toMatchObject({
      field: 'MicrosoftAppTenantId',
    });
  });

  it('only this machine is served', async () => {
    const stage = await stageFor(
      { appId: '', appPassword: '', tenantId: '', development: true },
      { authenticated: false },
    );
    expect((await deliver(stage.personal(), activityFrom(stage.personal(), { text: 'help' }), null)).status).toBe(200);
    expect(stage.heard[0]).toMatchObject({
      place: { workspace: 'local' },
      person: { id: 'teams:local:aaaaaaaa-0000-0000-0000-000000000001', external: null },
    });
    const away = activityFrom(stage.personal(), { text: 'help', serviceUrl: 'https://evil.example/' });
    expect((await deliver(stage.personal(), away, null)).status).toBe(403);
    // A page elsewhere that has its name resolve to 127.0.0.1 still sends its own name.
    const { port } = new URL(stage.botUrl);
    const body = JSON.stringify(activityFrom(stage.personal(), { text: 'rebound' }));
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `POST /api/messages HTTP/1.1\r\nhost: evil.example:${port}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    let answered = '';
    socket.on('data', (chunk: Buffer) => {
      answered += chunk.toString();
    });
    await once(socket, 'close');
    expect(answered).toMatch(/^HTTP\/1.1 403/);
    expect(stage.heard).toHaveLength(1);
  });
});

function tampered(token: string): string {
  const [head, claims = '', signature] = token.split('.');
  const changed = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), exp: 4_000_000_000 };
  return [head, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
}
