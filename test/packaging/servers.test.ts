import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { eventually, findServer, needServer, startEtcd, startRedis } from '../servers.ts';

async function etcdCall(url: string, path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/v3/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(1000),
  });
  return (await response.json()) as Record<string, unknown>;
}

describe('etcd for tests', () => {
  it('keeps its keys over kill -9 and restart, hangs while paused, and leaves nothing behind', async (ctx) => {
    needServer(ctx, 'etcd');
    const etcd = await startEtcd();
    const key = Buffer.from('a').toString('base64');
    await etcdCall(etcd.url, 'kv/put', { key, value: Buffer.from('b').toString('base64') });
    const before = etcd.pid;
    await etcd.kill9();
    expect(etcd.pid).toBeNull();
    await expect(etcdCall(etcd.url, 'kv/range', { key })).rejects.toThrow();
    await etcd.restart();
    expect(etcd.pid).not.toBe(before);
    expect(await etcdCall(etcd.url, 'kv/range', { key })).toMatchObject({ count: '1' });
    etcd.pause();
    await expect(etcdCall(etcd.url, 'kv/range', { key })).rejects.toThrow(/timeout/);
    etcd.resume();
    await eventually('etcd answers again', () => etcdCall(etcd.url, 'kv/range', { key }));
    const pid = etcd.pid ?? 0;
    await etcd.stop();
    await etcd.stop();
    expect(existsSync(etcd.dir)).toBe(false);
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });

  it('shows the program’s own words when it cannot start', async (ctx) => {
    needServer(ctx, 'etcd');
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`kqueen-etcd-${process.pid}-`));
    await expect(startEtcd({ args: ['--no-such-flag'] })).rejects.toThrow(/no-such-flag/);
    expect(folders()).toEqual([]);
  });
});

describe('Redis for tests', () => {
  it('keeps acknowledged writes over kill -9, asks for its password and never evicts', async (ctx) => {
    needServer(ctx, 'redis-server');
    const server = await startRedis({ password: 'p@ss/word' });
    const client = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    // Errors while the server is down are the point of the test; the client reconnects.
    client.on('error', (error) => expect(error).toBeInstanceOf(Error));
    try {
      await client.set('a', 'b');
      expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
      await server.kill9();
      await server.restart();
      expect(await client.get('a')).toBe('b');
    } finally {
      client.disconnect();
      await server.stop();
    }
    expect(existsSync(server.dir)).toBe(false);
  });
});

describe('a missing server', () => {
  it('is null, skips with its reason, and fails where everything must be installed', () => {
    expect(findServer('no-such-program' as 'etcd')).toBeNull();
    const reasons: (string | undefined)[] = [];
    const ctx = {
      skip: ((reason?: string) => reasons.push(reason)) as never,
    };
    const before = process.env.KQUEEN_CI;
    try {
      delete process.env.KQUEEN_CI;
      needServer(ctx, 'no-such-program' as 'etcd');
      expect(reasons).toEqual(['not installed here: no-such-program']);
      process.env.KQUEEN_CI = '1';
      expect(() => needServer(ctx, 'no-such-program' as 'etcd')).toThrow('not installed here: no-such-program');
    } finally {
      if (before === undefined) delete process.env.KQUEEN_CI;
      else process.env.KQUEEN_CI = before;
    }
  });
});
