import { rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../src/core/ports/log.ts';
import { allowed, type HttpOptions, listen, type Routes } from '../src/http.ts';
import { eventually } from './servers.ts';
import { startTestKQueen, type TestKQueen } from './story/kqueen.ts';

const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0)) await close();
});

const nothing: Routes = {
  notReady: async () => ({}),
  metrics: async () => ({ type: 'text/plain; version=0.0.4', body: 'up 1\n' }),
};

async function serve(routes: Partial<Routes> = {}, options: Partial<HttpOptions> = {}): Promise<string> {
  const server = await listen(
    { host: '127.0.0.1', port: 0, metricsFrom: [], log: silentLog, ...options },
    { ...nothing, ...routes },
  );
  closes.push(() => server.close(500));
  return `http://127.0.0.1:${server.port}`;
}

describe('routes', () => {
  test('what is not there is 404, whatever the method', async () => {
    const url = await serve();
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/slack/events'],
      ['POST', '/slack/events'],
      ['POST', '/api/messages'],
      ['POST', '/local'],
      ['GET', '/d/abcdefghjkmnpqrstuvwxyz'],
      ['POST', '/healthz'],
      ['DELETE', '/metrics'],
      ['GET', '/healthz/x'],
    ] as const)
      expect((await fetch(url + path, { method })).status, `${method} ${path}`).toBe(404);
  });

  test('platforms get their own requests, with the query', async () => {
    const seen: string[] = [];
    const hear = (name: string) => (request: { url?: string | undefined }, response: { end(text: string): void }) => {
      seen.push(`${name} ${request.url}`);
      response.end(name);
    };
    const url = await serve({ slack: hear('slack') as never, teams: hear('teams') as never });
    await fetch(`${url}/slack/events?x=1`, { method: 'POST', body: 'a' });
    await fetch(`${url}/api/messages`, { method: 'POST', body: 'a' });
    expect(seen).toEqual(['slack /slack/events?x=1', 'teams /api/messages']);
  });

  test('a listener that throws answers 500 without a word of the inside', async () => {
    const url = await serve({
      slack: async () => {
        throw new Error('canary at /srv/x.ts');
      },
    });
    const answer = await fetch(`${url}/slack/events`, { method: 'POST' });
    expect(answer.status).toBe(500);
    expect(await answer.text()).toBe('Something went wrong inside KQueen.\n');
  });

  test('half a request does not hold the stop', async () => {
    const server = await listen({ host: '127.0.0.1', port: 0, metricsFrom: [], log: silentLog }, nothing);
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('POST /local HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
    await eventually('it is connected', () => socket.readyState === 'open');
    const began = performance.now();
    await server.close(300);
    expect(performance.now() - began).toBeLessThan(2_000);
    socket.destroy();
  });
});

describe('health', () => {
  test('lives and is ready, or names what is missing', async () => {
    let missing: Record<string, string> = {};
    const url = await serve({ notReady: async () => missing });
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok\n');
    expect((await fetch(`${url}/healthz`, { method: 'HEAD' })).status).toBe(200);
    expect(await (await fetch(`${url}/readyz`)).text()).toBe('ready\n');
    missing = { store: 'The store does not answer.', slack: 'It does not answer in time.' };
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toBe('store: The store does not answer.\nslack: It does not answer in time.\n');
    expect((await fetch(`${url}/readyz`, { method: 'HEAD' })).status).toBe(503);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});

describe('metrics', () => {
  const status = async (url: string, headers: Record<string, string> = {}) =>
    (await fetch(`${url}/metrics`, { headers })).status;

  test('from the whitelist, or with the token; never forwarded without it', async () => {
    const open = await serve({}, { metricsFrom: ['127.0.0.0/8'], metricsToken: 't0ken' });
    expect(await status(open)).toBe(200);
    for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip']) {
      expect(await status(open, { [name]: '127.0.0.1' })).toBe(401);
      expect(await status(open, { [name]: '127.0.0.1', authorization: 'Bearer t0ken' })).toBe(200);
    }
    const closed = await serve({}, { metricsFrom: ['10.0.0.0/8'], metricsToken: 't0ken' });
    expect(await status(closed)).toBe(401);
    expect(await status(closed, { authorization: 'Bearer t0ken' })).toBe(200);
    for (const wrong of ['Bearer', 'Bearer ', 'Bearer t0kenx', 'Bearer T0KEN', 'Basic t0ken', 't0ken'])
      expect(await status(closed, { authorization: wrong }), wrong).toBe(401);
    const none = await serve();
    expect(await status(none, { authorization: 'Bearer undefined' })).toBe(401);
    expect(await status(none, { authorization: 'Bearer ' })).toBe(401);
  });

  test.each<[string[], string, boolean]>([
    [['127.0.0.0/8'], '127.9.9.9', true],
    [['127.0.0.0/8'], '::ffff:127.0.0.1', true],
    [['10.1.2.3'], '10.1.2.3', true],
    [['10.1.2.3'], '10.1.2.4', false],
    [['0.0.0.0/0'], '203.0.113.9', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['2001:db8::/32'], '2001:db8::1', true],
    [['::1'], '::1', true],
    [['10.0.0.0/8', '192.168.0.0/16'], '192.168.7.7', true],
    [['nonsense'], '127.0.0.1', false],
    [[], '127.0.0.1', false],
    [['127.0.0.0/8'], '', false],
    [['127.0.0.0/8'], 'localhost', false],
  ])('%j lets in %s: %s', (cidrs, address, wanted) => {
    expect(allowed(cidrs, address)).toBe(wanted);
  });
});

describe('one-time links', () => {
  const token = 'abcdefghjkmnpqrstuvwxyz23456789';

  async function links() {
    let left = 1;
    let taken = 0;
    const url = await serve({
      handout: {
        look: async (given) => (given === token && left > 0 ? 'dev<1>&"' : null),
        async take(given) {
          if (given !== token || left === 0) return null;
          left -= 1;
          taken += 1;
          return { name: 'dev-1.kubeconfig', content: 'kind: Config\n' };
        },
      },
    });
    return { url: `${url}/d/${token}`, base: url, taken: () => taken };
  }

  test('looking burns nothing, taking burns', async () => {
    const { url, taken } = await links();
    for (const method of ['GET', 'HEAD', 'GET']) {
      const page = await fetch(url, { method });
      expect(page.status).toBe(200);
      expect(page.headers.get('cache-control')).toBe('no-store');
      expect(page.headers.get('referrer-policy')).toBe('no-referrer');
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      if (method === 'GET')
        expect(await page.text()).toMatch(/<strong>dev&#60;1&#62;&#38;&#34;<\/strong>.*<form method="post">/s);
    }
    expect(taken()).toBe(0);
    const file = await fetch(url, { method: 'POST' });
    expect(file.status).toBe(200);
    expect(file.headers.get('content-disposition')).toBe('attachment; filename="dev-1.kubeconfig"');
    expect(file.headers.get('cache-control')).toBe('no-store');
    expect(await file.text()).toBe('kind: Config\n');
    for (const method of ['POST', 'GET']) {
      const gone = await fetch(url, { method });
      expect(gone.status).toBe(410);
      expect(await gone.text()).toContain('cluster access');
    }
    expect(taken()).toBe(1);
  });

  test('other methods and other tokens', async () => {
    const { url, base } = await links();
    expect((await fetch(url, { method: 'PUT' })).status).toBe(405);
    for (const other of ['short', `${token}x`, token.toUpperCase(), '..%2f..%2fetc', 'a'.repeat(5_000)])
      expect([404, 410]).toContain((await fetch(`${base}/d/${other}`)).status);
  });
});

describe('the admin of a machine without a terminal', () => {
  const say = async (
    url: string,
    body: string,
    headers: Record<string, string> = { authorization: 'Bearer l0cal' },
  ) => {
    const answer = await fetch(`${url}/local`, { method: 'POST', body, headers });
    return { status: answer.status, text: await answer.text() };
  };
  const local = { token: 'l0cal', say: async (name: string, line: string) => `${name} said ${line}` };

  test('speaks with the token alone, from this machine alone', async () => {
    const url = await serve({ local });
    expect(await say(url, 'help')).toEqual({ status: 200, text: 'admin said help\n' });
    expect(await say(url, 'h\u00e9lp')).toEqual({ status: 200, text: 'admin said h\u00e9lp\n' });
    expect((await say(url, 'help', {})).status).toBe(401);
    expect((await say(url, 'help', { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await say(url, 'help', { authorization: 'Bearer l0cal', 'x-forwarded-for': '203.0.113.9' })).status).toBe(
      401,
    );
  });

  test('is answered that a line is too long, however long it is', async () => {
    const url = await serve({ local });
    expect((await say(url, 'x'.repeat(20_000))).status).toBe(200);
    const port = Number(new URL(url).port);
    // A body that never ends.
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest({
        port,
        host: '127.0.0.1',
        path: '/local',
        method: 'POST',
        headers: { authorization: 'Bearer l0cal' },
      });
      request.on('response', (response) => {
        resolve(response.statusCode);
        response.resume();
        clearInterval(timer);
        request.destroy();
      });
      request.on('error', reject);
      const timer = setInterval(() => request.write('x'.repeat(1_000)), 1);
    });
    expect(status).toBe(413);
  });
});

describe('a whole KQueen', () => {
  let kqueen: TestKQueen;
  const told: string[] = [];
  beforeAll(async () => {
    kqueen = await startTestKQueen({
      publicUrl: 'https://kqueen.example',
      localToken: 'l0cal',
      terminal: { write: (name, text) => void told.push(`${name}: ${text}`) },
      bootstrapAdmins: ['terminal:admin'],
      metrics: { from: [], token: 'm3trics' },
      sandbox: { on: true, speed: 200, port: 0 },
    });
  });
  afterAll(async () => {
    await kqueen.end();
    rmSync(kqueen.dataDir, { recursive: true, force: true });
  });

  const say = async (line: string) =>
    (
      await fetch(`${kqueen.url}/local`, { method: 'POST', body: line, headers: { authorization: 'Bearer l0cal' } })
    ).text();

  test('is ready, and its metrics say what it did, without ids', async () => {
    expect(await (await fetch(`${kqueen.url}/readyz`)).text()).toBe('ready\n');
    expect(await say('whoami')).toContain('superadmin');
    const plan = await say('cluster create web-1 on sandbox region=sandbox-north version=1.34 size=small nodes=1');
    const line = /type {2}(cluster create .*plan=\w+)/.exec(plan)?.[1] ?? '';
    await say(line);
    await eventually('web-1 is ready', async () => /State +Ready/.test(await say('cluster show web-1')), {
      timeoutMs: 25_000,
      everyMs: 200,
    });
    expect((await fetch(`${kqueen.url}/metrics`)).status).toBe(401);
    const page = await fetch(`${kqueen.url}/metrics`, { headers: { authorization: 'Bearer m3trics' } });
    const text = await page.text();
    expect(page.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text).toMatch(/kqueen_commands_total\{command="cluster create",outcome="ok"\} 2/);
    expect(text).toMatch(/kqueen_jobs_total\{kind="cluster.create",result="Succeeded"\} 1/);
    expect(text).toMatch(/kqueen_clusters\{phase="Ready",engine="sandbox"\} 1/);
    expect(text).toMatch(/kqueen_engine_call_seconds_count\{.*call="create"/);
    expect(text).toMatch(/kqueen_queue_depth/);
    expect(text).not.toContain('web-1');
    for (const job of kqueen.cache.query('job', 'default').items) expect(text).not.toContain(job.id);
  });

  test('hands a credential over by a link that works once', async () => {
    const answer = await say('cluster access web-1 as view');
    const link = /https:\/\/kqueen\.example(\/d\/\w+)/.exec(answer)?.[1] ?? 'no link';
    const url = kqueen.url + link;
    const page = await (await fetch(url)).text();
    expect(page).toContain('web-1');
    expect(page).not.toContain('token');
    const both = await Promise.all([fetch(url, { method: 'POST' }), fetch(url, { method: 'POST' })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 410]);
    const text = await (both.find(({ status }) => status === 200) ?? new Response('')).text();
    expect(text).toMatch(/token: \S+/);
    const token = /token: (\S+)/.exec(text)?.[1] ?? 'no token';
    expect((await fetch(url)).status).toBe(410);
    expect(kqueen.log.lines.join('\n')).not.toContain(token);
    expect(kqueen.log.lines.join('\n')).not.toContain(link.slice(3));
    expect(told.join('\n')).not.toContain(token);
  });

  test('a member who is named as admin later becomes one at the next start', async () => {
    const { terminal, dataDir } = kqueen;
    await terminal?.say(
      'late',
      'cluster create late-1 on sandbox region=sandbox-north version=1.34 size=small nodes=1',
    );
    await kqueen.stop();
    kqueen = await startTestKQueen({
      dataDir,
      bootstrapAdmins: ['terminal:late'],
      terminal: { write: () => undefined },
      sandbox: { on: false, speed: 1, port: 0 },
    });
    const person = await kqueen.store.get({ kind: 'person', org: 'default', id: 'terminal:late' });
    expect(person?.record).toMatchObject({ role: 'superadmin', name: 'late' });
  });
});
