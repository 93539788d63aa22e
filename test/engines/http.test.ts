import net from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Http, type HttpOptions, openHttp } from '../../src/engines/http.ts';
import { retryAfter } from '../../src/engines/http-faults.ts';
import { oneLine, scrub } from '../../src/engines/scrub.ts';
import { startTcpProxy } from '../proxy.ts';
import { eventually, freePort } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

const token = 'canary-token-5f3a9';
let server: ScriptedServer;
let open: Http[] = [];

function http(options: Partial<HttpOptions> = {}): Http {
  const made = openHttp({
    base: server.url,
    provider: 'the test provider',
    authorize: () => ({ authorization: `Bearer ${token}` }),
    secrets: [token],
    caBundle: server.ca,
    ...options,
  });
  open.push(made);
  return made;
}

beforeEach(async () => {
  server = await startScriptedServer();
  open = [];
});
afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  await server.close();
});

describe('requests', () => {
  it('sends credentials, query and JSON, and reads JSON', async () => {
    server.answer((_request, response) => json(response, 201, { id: 7 }));
    const client = http({ base: `${server.url}/api/` });
    const answer = await client.send(
      { method: 'POST', path: '/v1/things', query: { dry: 'yes', none: undefined }, body: { name: 'ä' } },
      callFor(),
    );
    expect(answer).toMatchObject({ status: 201, body: { id: 7 } });
    expect(server.seen[0]).toMatchObject({ method: 'POST', path: '/api/v1/things?dry=yes', body: '{"name":"ä"}' });
    expect(server.seen[0]?.headers).toMatchObject({
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'user-agent': 'kqueen',
    });
  });

  it('keeps connections alive and bounds them', async () => {
    server.answer((_request, response) => setTimeout(() => json(response, 200, {}), 5));
    const client = http({ connections: 3 });
    await Promise.all(Array.from({ length: 60 }, () => client.send({ path: '/' }, callFor())));
    expect(server.connections().accepted).toBeLessThanOrEqual(3);
  });

  it('closes every connection', async () => {
    const client = http();
    await client.send({ path: '/' }, callFor());
    expect(server.connections().open).toBe(1);
    await client.close();
    await eventually('no open socket', () => server.connections().open === 0);
  });

  it("takes the API's own 404 as a value, and nobody else's", async () => {
    server.answer((_request, response) => json(response, 404, { code: 'no-such-thing' }));
    expect(await http().send({ path: '/x' }, callFor())).toMatchObject({
      status: 404,
      body: { code: 'no-such-thing' },
    });
    for (const text of ['<html>not here</html>', 'not found', '']) {
      server.answer((_request, response) => response.writeHead(404).end(text));
      expect(await faultOf(http().send({ path: '/x' }, callFor()))).toMatchObject({ kind: 'unreachable' });
    }
  });

  it('reads an answer without a body as undefined', async () => {
    server.answer((_request, response) => response.writeHead(204).end());
    expect((await http().send({ method: 'DELETE', path: '/x' }, callFor())).body).toBeUndefined();
  });
});

describe('typed faults', () => {
  it.each([
    [400, 'bad-input', false],
    [401, 'not-allowed', false],
    [403, 'not-allowed', false],
    [409, 'conflict', false],
    [422, 'bad-input', false],
    [429, 'rate-limited', false],
    [500, 'unreachable', true],
    [503, 'unreachable', true],
  ])('HTTP %i is %s', async (status, kind, outcomeUnknown) => {
    server.answer((_request, response) => json(response, status, { error: `no, ${token} is bad` }));
    const fault = await faultOf(http().send({ method: 'POST', path: '/x', body: {} }, callFor()));
    expect(fault).toMatchObject({ kind, outcomeUnknown });
    expect(fault.next).toBeTruthy();
    expect(`${fault.message} ${fault.next} ${fault.detail}`).not.toContain(token);
    expect(fault.message).not.toContain('is bad');
    expect(fault.detail).toContain('is bad');
  });

  it('tells renewing credentials from granting a permission', async () => {
    const next = async (status: number) => {
      server.answer((_request, response) => json(response, status, {}));
      return (await faultOf(http().send({ path: '/x' }, callFor()))).next;
    };
    expect(await next(401)).toMatch(/renew/);
    expect(await next(403)).toMatch(/permission/);
  });

  it("uses the engine's reading of the body: kind, field and sentence", async () => {
    server.answer((_request, response) => json(response, 400, { reason: `nodes must be\u202e at most 20 (${token})` }));
    const client = http({
      explain: (_status, body) => ({
        kind: 'quota',
        field: 'nodes',
        message: String((body as { reason?: unknown }).reason),
      }),
    });
    const fault = await faultOf(client.send({ path: '/x' }, callFor()));
    expect(fault).toMatchObject({ kind: 'quota', field: 'nodes' });
    expect(fault.message).toBe('The test provider did not accept the request: nodes must be at most 20 ([secret])');
  });

  it('refuses redirects, so that credentials go nowhere else', async () => {
    const other = await startScriptedServer();
    server.answer((_request, response) => response.writeHead(302, { location: other.url }).end());
    const fault = await faultOf(http().send({ path: '/x' }, callFor()));
    expect(fault.message).toContain('does not follow');
    expect(fault.retryable).toBe(false);
    expect(other.seen).toHaveLength(0);
    await other.close();
  });

  it('says plainly that a web page answered', async () => {
    server.answer((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<title>Sign in</title>'),
    );
    const read = await faultOf(http().send({ path: '/x' }, callFor()));
    expect(read).toMatchObject({ kind: 'unreachable', outcomeUnknown: false });
    expect(read.message).toContain('web page');
    expect(server.seen).toHaveLength(1);
    expect(await faultOf(http().send({ method: 'POST', path: '/x' }, callFor()))).toMatchObject({
      outcomeUnknown: true,
    });
  });

  it('says plainly that a certificate is not trusted, and sends nothing', async () => {
    const other = await startScriptedServer();
    const fault = await faultOf(http({ caBundle: other.ca }).send({ method: 'POST', path: '/x' }, callFor()));
    expect(fault.message).toMatch(/not safe: its certificate/);
    expect(fault).toMatchObject({ kind: 'unreachable', whose: 'admin', outcomeUnknown: false });
    expect(server.seen).toHaveLength(0);
    await other.close();
  });

  it('says plainly that there is no TLS', async () => {
    const plain = net.createServer((socket) => socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as net.AddressInfo;
    const fault = await faultOf(http({ base: `https://127.0.0.1:${port}` }).send({ path: '/' }, callFor()));
    expect(fault.message).toMatch(/does not speak TLS/);
    plain.close();
  });

  it('stops reading an answer that does not end', async () => {
    server.answer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = setInterval(() => response.write('"'.padEnd(16_384, 'x')), 1);
      response.on('close', () => clearInterval(more));
    });
    const fault = await faultOf(http({ maxAnswerBytes: 100_000 }).send({ path: '/x' }, callFor()));
    expect(fault.message).toContain('more than 98 KiB');
  });

  it('refuses a CA bundle and an address that are none', async () => {
    for (const options of [{ caBundle: 'nonsense' }, { base: 'ftp://x' }, { base: 'https://user:pw@host' }]) {
      expect(() => http(options)).toThrow(expect.objectContaining({ kind: 'bad-input' }));
    }
  });
});

describe('lost answers', () => {
  it('knows that nothing was sent when nothing listens', async () => {
    const client = http({ base: `https://127.0.0.1:${await freePort()}` });
    const fault = await faultOf(client.send({ method: 'POST', path: '/x' }, callFor()));
    expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: false });
  });

  it('does not know the outcome of a change whose answer is cut, and never repeats it', async () => {
    for (const cut of ['before', 'half-way'] as const) {
      const before = server.seen.length;
      server.answer((_request, response) => {
        if (cut === 'before') return void response.socket?.destroy();
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
        response.write('{"id":');
        setTimeout(() => response.socket?.destroy(), 10);
      });
      for (const method of ['POST', 'PATCH', 'DELETE', 'PUT'] as const) {
        expect(await faultOf(http().send({ method, path: '/x' }, callFor()))).toMatchObject({
          kind: 'unreachable',
          outcomeUnknown: true,
        });
      }
      expect(server.seen.length - before).toBe(4);
    }
  });

  it('repeats a read twice with growing pauses, then gives up', async () => {
    server.answer((_request, response) => json(response, 502, {}));
    await faultOf(http().send({ path: '/x' }, callFor()));
    expect(server.seen).toHaveLength(3);
    const [first, second, third] = server.seen.map((each) => each.at);
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThan((second ?? 0) - (first ?? 0));
    server.answer((_request, response, n) => (n === 4 ? json(response, 502, {}) : json(response, 200, { ok: true })));
    expect((await http().send({ path: '/x' }, callFor())).body).toEqual({ ok: true });
  });

  it('does not repeat a read beyond its deadline', async () => {
    server.answer((_request, response) => json(response, 502, {}));
    await faultOf(http().send({ path: '/x' }, callFor(120)));
    expect(server.seen).toHaveLength(1);
  });

  it.each(['GET', 'POST'] as const)('%s ends at its deadline when the provider hangs', async (method) => {
    server.answer(() => undefined);
    const begun = performance.now();
    const fault = await faultOf(http().send({ method, path: '/x' }, callFor(300)));
    expect(performance.now() - begun).toBeLessThan(900);
    expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: method === 'POST' });
    expect(fault.message).toContain('in time');
  });

  it('ends at its deadline when the body stops half-way or TCP is silent', async () => {
    server.answer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"a":');
    });
    expect(await faultOf(http().send({ path: '/x' }, callFor(300)))).toMatchObject({ kind: 'unreachable' });
    const proxy = await startTcpProxy({ port: Number(new URL(server.url).port) });
    proxy.setMode('hang');
    const begun = performance.now();
    const fault = await faultOf(http({ base: `https://127.0.0.1:${proxy.port}` }).send({ path: '/x' }, callFor(300)));
    expect(performance.now() - begun).toBeLessThan(900);
    expect(fault.kind).toBe('unreachable');
    await proxy.close();
  });

  it('ends at once when its caller gives up, and sends nothing when it was over before', async () => {
    server.answer(() => undefined);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    const begun = performance.now();
    const fault = await faultOf(http().send({ path: '/x' }, callFor(10_000, stop.signal)));
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(fault.message).toContain('stopped waiting');
    const before = server.seen.length;
    expect(await faultOf(http().send({ method: 'POST', path: '/x' }, callFor(-1)))).toMatchObject({
      outcomeUnknown: false,
    });
    expect(server.seen.length).toBe(before);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-03-01T10:00:00Z');
  it.each([
    ['7', 7_000],
    ['0', 0],
    ['Sun, 01 Mar 2026 10:00:30 GMT', 30_000],
    ['Sun, 01 Mar 2026 09:00:00 GMT', 0],
    ['999999999', 86_400_000],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (header, ms) => {
    expect(retryAfter(header, now)).toBe(ms);
  });

  it('is waited for by a read when it is short, and handed on when it is long', async () => {
    server.answer((_request, response, n) =>
      n === 1 ? json(response, 429, {}, { 'retry-after': '1' }) : json(response, 200, { n }),
    );
    const begun = performance.now();
    expect((await http().send({ path: '/x' }, callFor())).body).toEqual({ n: 2 });
    expect(performance.now() - begun).toBeGreaterThan(950);
    server.answer((_request, response) => json(response, 429, {}, { 'retry-after': '30' }));
    expect(await faultOf(http().send({ path: '/x' }, callFor()))).toMatchObject({
      kind: 'rate-limited',
      retryAfterMs: 30_000,
      retryable: true,
    });
    expect(server.seen).toHaveLength(3);
  });
});

describe('scrubbing', () => {
  it('takes out known values and what looks like a secret', () => {
    const text = [
      'known value here: s3cr3t-value',
      '"password": "hunter2 with \\" quote"',
      'client_secret=abc123&x=1',
      'Authorization: Bearer abcdefghijk',
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
      '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----',
    ].join('\n');
    const clean = scrub(text, ['s3cr3t-value']);
    for (const secret of ['s3cr3t-value', 'hunter2', 'quote', 'abc123', 'abcdefghijk', 'c2lnbmF0dXJl', 'MIIE']) {
      expect(clean).not.toContain(secret);
    }
    expect(clean).toContain('x=1');
  });

  it('keeps a bounded text, and one line for people', () => {
    expect(scrub('x'.repeat(100_000)).length).toBeLessThan(4_100);
    expect(oneLine('a\r\n\u0007b\u202ec', [])).toBe('a b c');
    expect(oneLine('word '.repeat(100), [], 20)).toHaveLength(20);
  });
});
