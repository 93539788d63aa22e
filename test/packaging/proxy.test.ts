import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { Etcd3 } from 'etcd3';
import { Agent, fetch } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { startGrpcProxy, startHttpProxy, startTcpProxy } from '../proxy.ts';
import { eventually, needServer, startEtcd } from '../servers.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startEcho() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  cleanups.push(() => socket.destroy());
  return socket;
}

async function echo(socket: Socket, text: string, patienceMs = 300): Promise<string> {
  const answer = once(socket, 'data', { signal: AbortSignal.timeout(patienceMs) });
  socket.write(text);
  return String((await answer)[0]);
}

describe('the TCP proxy', () => {
  it('passes, delays, hangs and goes on, and cuts', async () => {
    const { port } = await startEcho();
    const proxy = await startTcpProxy({ port });
    cleanups.push(() => proxy.close());
    const socket = await open(proxy.port);
    expect(await echo(socket, 'one')).toBe('one');
    proxy.setDelay(60);
    const start = performance.now();
    expect(await echo(socket, 'two', 2000)).toBe('two');
    expect(performance.now() - start).toBeGreaterThan(100);
    proxy.setDelay(0);
    await proxy.setMode('hang');
    await expect(echo(socket, 'three')).rejects.toThrow(/abort/i);
    const held = once(socket, 'data');
    await proxy.setMode('pass');
    expect(String((await held)[0])).toBe('three');
    expect([proxy.open(), proxy.accepted()]).toEqual([1, 1]);
    const broken = once(socket, 'error');
    proxy.cut();
    expect(await broken).toMatchObject([{ code: 'ECONNRESET' }]);
    await eventually('the pair is gone', () => proxy.open() === 0);
  });

  it('refuses new connections while open ones live on, and listens again', async () => {
    const { port } = await startEcho();
    const proxy = await startTcpProxy({ port });
    cleanups.push(() => proxy.close());
    const socket = await open(proxy.port);
    await proxy.setMode('refuse');
    await expect(open(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await echo(socket, 'still')).toBe('still');
    await proxy.setMode('pass');
    expect(await echo(await open(proxy.port), 'again')).toBe('again');
  });

  it('leaves clients on half-open connections that nobody will ever answer', async () => {
    const { port, sockets } = await startEcho();
    const proxy = await startTcpProxy({ port });
    cleanups.push(() => proxy.close());
    const socket = await open(proxy.port);
    expect(await echo(socket, 'one')).toBe('one');
    await proxy.setMode('half-open');
    await expect(echo(socket, 'two')).rejects.toThrow(/abort/i);
    await eventually('the server lost the connection', () => [...sockets].every((each) => each.destroyed));
    await proxy.setMode('pass');
    await expect(echo(socket, 'three')).rejects.toThrow(/abort/i);
    expect([socket.destroyed, socket.readableEnded]).toEqual([false, false]);
    expect(await echo(await open(proxy.port), 'new')).toBe('new');
  });
});

describe('the HTTPS proxy', () => {
  async function startTarget() {
    const seen: string[] = [];
    const server = http.createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      if (request.url === '/stream') {
        response.write('first');
        return;
      }
      request.pipe(response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  it('counts requests and cuts the n-th before it reaches the server or before its answer leaves', async () => {
    const target = await startTarget();
    const proxy = await startHttpProxy(target.url, {
      before: ({ n }) => (n === 2 ? 'cut' : undefined),
      after: ({ n }) => (n === 3 ? 'cut' : undefined),
    });
    cleanups.push(() => proxy.close());
    const dispatcher = new Agent({ connect: { ca: proxy.ca } });
    cleanups.push(() => dispatcher.destroy());
    const send = (path: string) => fetch(`${proxy.url}${path}`, { method: 'POST', body: path, dispatcher });
    expect(await (await send('/1')).text()).toBe('/1');
    await expect(send('/2')).rejects.toThrow();
    await expect(send('/3')).rejects.toThrow();
    expect(await (await send('/4')).text()).toBe('/4');
    expect(target.seen).toEqual(['POST /1', 'POST /3', 'POST /4']);
    expect(proxy.seen().map(({ n, path }) => [n, path])).toEqual([
      [1, '/1'],
      [2, '/2'],
      [3, '/3'],
      [4, '/4'],
    ]);
    proxy.reset();
    expect(proxy.count()).toBe(0);
    await expect(fetch(`${proxy.url}/untrusted`)).rejects.toThrow();
  });

  it('forwards to a TLS server that it trusts by the given authority, and streams as it flows', async () => {
    const target = await startTarget();
    const inner = await startHttpProxy(target.url);
    cleanups.push(() => inner.close());
    const outer = await startHttpProxy(inner.url, { targetCa: inner.ca, tls: false });
    cleanups.push(() => outer.close());
    const response = await fetch(`${outer.url}/stream`);
    const reader = response.body?.getReader();
    const chunk = await reader?.read();
    expect(Buffer.from(chunk?.value ?? []).toString()).toBe('first');
    await reader?.cancel();
    expect(inner.count()).toBe(1);
  });
});

describe('the gRPC proxy in front of etcd', () => {
  it('counts unary calls only, lets watches flow, and loses the n-th call or its answer', async (ctx) => {
    needServer(ctx, 'etcd');
    const etcd = await startEtcd();
    cleanups.push(() => etcd.stop());
    const proxy = await startGrpcProxy(etcd.url);
    cleanups.push(() => proxy.close());
    // A new client for each fault: after a broken connection etcd3's breaker refuses calls for five seconds.
    const newClient = () => {
      const made = new Etcd3({ hosts: [proxy.url] });
      cleanups.push(() => made.close());
      return made;
    };
    const client = newClient();
    const direct = new Etcd3({ hosts: etcd.hosts });
    cleanups.push(() => direct.close());

    const watcher = await client.watch().prefix('a').create();
    const changes: string[] = [];
    watcher.on('put', (entry) => changes.push(`${entry.key}=${entry.value}`));
    await client.put('a1').value('x');
    expect(await client.get('a1').string()).toBe('x');
    await eventually('the watch shows the change', () => changes.includes('a1=x'));
    expect(proxy.seen().map(({ n, path }) => `${n} ${path}`)).toEqual([
      '1 /etcdserverpb.KV/Put',
      '2 /etcdserverpb.KV/Range',
    ]);

    proxy.setHooks({ before: () => 'cut' });
    await expect(newClient().put('a2').value('x')).rejects.toThrow();
    expect(await direct.get('a2').string()).toBeNull();
    proxy.setHooks({ after: () => 'cut' });
    await expect(newClient().put('a3').value('x')).rejects.toThrow();
    expect(await direct.get('a3').string()).toBe('x');
    proxy.setHooks({});
    const lease = newClient().lease(5);
    await lease.put('leased').value('x');
    await lease.revoke();
    expect(await direct.get('leased').string()).toBeNull();
  });

  it('passes the server’s errors on and hides nothing when it is gone', async (ctx) => {
    needServer(ctx, 'etcd');
    const etcd = await startEtcd({ args: ['--max-request-bytes', '1024'] });
    cleanups.push(() => etcd.stop());
    const proxy = await startGrpcProxy(etcd.url);
    cleanups.push(() => proxy.close());
    const client = new Etcd3({ hosts: [proxy.url] });
    cleanups.push(() => client.close());
    await expect(client.put('big').value('x'.repeat(5000))).rejects.toThrow(/too large/);
    const many = await Promise.all(Array.from({ length: 200 }, (_, n) => client.put(`k${n}`).value('v')));
    expect(many).toHaveLength(200);
    expect(await client.getAll().prefix('k').keys()).toHaveLength(200);
    await etcd.kill9();
    await expect(client.get('k1').string()).rejects.toThrow();
  });
});
