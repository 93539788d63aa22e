import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Fault } from '../../src/core/errors.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { Call, Engine, EngineClient, Observation, Target } from '../../src/core/ports/engine.ts';
import { type Log, silentLog } from '../../src/core/ports/log.ts';
import { field } from '../../src/core/schema.ts';
import { openHttp } from '../../src/engines/http.ts';
import { all, type EnginesOptions, type OpenEngines, openEngines } from '../../src/engines/index.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf, realClock } from './calls.ts';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

const target: Target = { org: 'default', cluster: 'c1', externalName: 'kq-c1', spec: {} };

/** An engine for a provider that has nothing but one address; it speaks to it over the shared HTTP helper. */
function plainEngine(name = 'plain', behave: (client: EngineClient) => EngineClient = (client) => client): Engine {
  return {
    name,
    title: 'Plain provider',
    docs: 'https://example.com',
    capabilities: {
      create: true,
      delete: true,
      scale: false,
      upgrade: false,
      autoscale: false,
      power: false,
      percent: false,
      cancel: true,
      list: false,
      adopt: false,
      log: false,
      addons: false,
      networkPolicy: false,
      gateways: false,
      retire: false,
    },
    instead: {},
    provisioner: z.object({ url: field(z.string(), { label: 'URL' }) }),
    cluster: z.object({ size: field(z.string(), { label: 'Size' }) }),
    price: () => null,
    describe: () => 'plain',
    nodes: () => 1,
    pools: () => [{ name: 'default', nodes: 1 }],
    after: (spec) => spec,
    async connect(params) {
      const http = openHttp({
        base: String(params.url),
        provider: 'the plain provider',
        authorize: () => ({}),
        secrets: [],
        caBundle: String(params.ca),
      });
      const get = async (path: string, call: Call) => (await http.send({ path }, call)).body as Observation;
      return behave({
        observe: (one, call) => get(`/observe/${one.cluster}`, call),
        create: async (_one, _spec, call) =>
          (await http.send({ method: 'POST', path: '/' }, call)).body as { id: string },
        update: async () => ({ id: 'u' }),
        delete: async () => null,
        kubeconfig: async () => '',
        list: async () => [],
        adopt: async () => null,
        release: async () => null,
        signIn: async () => null,
        upgrades: async () => [],
        log: async () => null,
        check: async (call) => {
          await get('/check', call);
          return { state: 'OK', message: '', facts: [] };
        },
        options: async () => ({ choices: {}, prices: null, at: 0 }),
        close: () => http.close(),
      });
    },
  };
}

let server: ScriptedServer | undefined;
let engines: OpenEngines | undefined;
afterEach(async () => {
  await engines?.close();
  await server?.close();
  server = undefined;
  engines = undefined;
});

async function start(
  options: Partial<EnginesOptions> = {},
): Promise<{ engines: OpenEngines; params: Record<string, unknown> }> {
  server = await startScriptedServer();
  engines = openEngines({ log: silentLog, clock: realClock, engines: [plainEngine()], ...options });
  return { engines, params: { url: server.url, ca: server.ca } };
}

describe('which engines there are', () => {
  it('lists every engine, or only the allowed ones', () => {
    const open = openEngines({ log: silentLog, clock: realClock });
    expect(open.all().map((engine) => engine.name)).toEqual(all.map((engine) => engine.name));
    const some = openEngines({
      log: silentLog,
      clock: realClock,
      engines: [plainEngine('a'), plainEngine('b')],
      allowed: ['b'],
    });
    expect(some.all().map((engine) => engine.name)).toEqual(['b']);
    expect(some.get('a')).toBeUndefined();
  });

  it('refuses a client of an engine that is not allowed or does not exist', async () => {
    const open = openEngines({ log: silentLog, clock: realClock, allowed: [] });
    const refused = await faultOf(open.client('sandbox', 'p', '1', () => ({})));
    expect(refused).toMatchObject({ kind: 'unsupported', whose: 'admin' });
    expect(refused.message).toContain('not allowed');
    expect((await faultOf(open.client('fog', 'p', '1', () => ({})))).message).toContain('no engine "fog"');
  });

  it('names an allowed engine that does not exist', () => {
    expect(() => openEngines({ log: silentLog, clock: realClock, allowed: ['sandbox', 'fog'] })).toThrow(/"fog"/);
  });
});

describe('connections', () => {
  it('are kept by provisioner and replaced with its parameters', async () => {
    const { engines: open, params } = await start();
    let asked = 0;
    const read = () => {
      asked += 1;
      return params;
    };
    const first = await open.client('plain', 'p', '1', read);
    await first.check(callFor());
    await (await open.client('plain', 'p', '1', read)).check(callFor());
    expect(asked).toBe(1);
    const second = await open.client('plain', 'p', '2', read);
    await second.check(callFor());
    expect(asked).toBe(2);
    await eventually('the old connection is closed', () => server?.connections().open === 1);
    await first.check(callFor());
    await eventually('a client that outlived its connection leaves none', () => server?.connections().open === 1);
  });

  it('end their calls before they are replaced', async () => {
    const { engines: open, params } = await start();
    let finish = () => {};
    server?.answer((_request, response) => {
      finish = () => json(response, 200, { state: 'running' });
    });
    const old = await open.client('plain', 'p', '1', () => params);
    const running = old.check(callFor());
    await eventually('the call arrived', () => server?.seen.length === 1);
    await open.client('plain', 'p', '2', () => params);
    finish();
    expect((await running).state).toBe('OK');
    await eventually('the old connection is closed', () => server?.connections().open === 0);
  });

  it('are closed when idle, by the clock that is handed in, and come back', async () => {
    let now = Date.now();
    let wake = () => {};
    const clock: Clock = {
      now: () => now,
      sleep: (_ms, signal) =>
        new Promise((resolve, reject) => {
          wake = resolve;
          signal?.addEventListener('abort', () => reject(signal.reason));
        }),
    };
    const { engines: open, params } = await start({ clock, idleMs: 60_000 });
    const client = await open.client('plain', 'p', '1', () => params);
    const call = () => ({ signal: new AbortController().signal, deadline: now + 5_000 });
    await client.check(call());
    expect(server?.connections().open).toBe(1);
    now += 59_000;
    wake();
    await client.check(call());
    expect(server?.connections().open).toBeGreaterThan(0);
    const before = server?.connections().accepted ?? 0;
    await eventually('asleep again', () => wake);
    now += 61_000;
    await eventually('closed', () => {
      wake();
      return server?.connections().open === 0;
    });
    await client.check(call());
    expect(server?.connections().accepted).toBe(before + 1);
  });

  it('tries to connect again after a failed connect', async () => {
    const { engines: open, params } = await start();
    let fail = true;
    const client = await open.client('plain', 'p', '1', () => {
      if (fail) throw new Fault('internal', 'The secret could not be opened.');
      return params;
    });
    expect((await faultOf(client.check(callFor()))).message).toBe('The secret could not be opened.');
    fail = false;
    expect((await client.check(callFor())).state).toBe('OK');
  });

  it('refuses calls after close', async () => {
    const { engines: open, params } = await start();
    await open.close();
    expect(await faultOf(open.client('plain', 'p', '1', () => params))).toMatchObject({ kind: 'internal' });
  });
});

describe('calls', () => {
  it('observes one cluster one at a time, and different ones together', async () => {
    const { engines: open, params } = await start();
    const running = new Map<string, number>();
    let most = 0;
    let mostOfOne = 0;
    server?.answer((request, response) => {
      running.set(request.path, (running.get(request.path) ?? 0) + 1);
      mostOfOne = Math.max(mostOfOne, running.get(request.path) ?? 0);
      most = Math.max(
        most,
        [...running.values()].reduce((sum, each) => sum + each, 0),
      );
      setTimeout(() => {
        running.set(request.path, (running.get(request.path) ?? 0) - 1);
        json(response, 200, { state: 'running', mine: true });
      }, 20);
    });
    const client = await open.client('plain', 'p', '1', () => params);
    await Promise.all(
      ['c1', 'c1', 'c1', 'c2', 'c3'].map((cluster) => client.observe({ ...target, cluster }, callFor())),
    );
    expect(mostOfOne).toBe(1);
    expect(most).toBeGreaterThan(1);
    expect(server?.seen).toHaveLength(5);
  });

  it('keeps to the number of calls at once, and whoever cannot wait is told so', async () => {
    const { engines: open, params } = await start({ concurrency: 2 });
    server?.answer(() => undefined);
    const client = await open.client('plain', 'p', '1', () => params);
    const hanging = [client.check(callFor(600)), client.check(callFor(600))].map(faultOf);
    const late = await faultOf(client.create(target, {}, callFor(200)));
    expect(late).toMatchObject({ kind: 'rate-limited', outcomeUnknown: false, retryable: true });
    expect(server?.seen).toHaveLength(2);
    await Promise.all(hanging);
  });

  it('gives a place that was given up to the next in line', async () => {
    const { engines: open, params } = await start({ concurrency: 1 });
    server?.answer((_request, response) => setTimeout(() => json(response, 200, {}), 60));
    const client = await open.client('plain', 'p', '1', () => params);
    const first = client.check(callFor());
    const given = faultOf(client.check(callFor(20)));
    const third = client.check(callFor());
    expect((await given).kind).toBe('rate-limited');
    await Promise.all([first, third]);
    expect(server?.seen).toHaveLength(2);
    await client.check(callFor());
  });

  it('end at their deadline even when the engine ignores it', async () => {
    const deaf = plainEngine('plain', (client) => ({
      ...client,
      create: () => new Promise(() => undefined),
      observe: () => new Promise(() => undefined),
    }));
    const { engines: open, params } = await start({ engines: [deaf] });
    const client = await open.client('plain', 'p', '1', () => params);
    const begun = performance.now();
    const [create, observe] = await Promise.all([
      faultOf(client.create(target, {}, callFor(150))),
      faultOf(client.observe(target, callFor(150))),
    ]);
    expect(performance.now() - begun).toBeLessThan(800);
    expect(create).toMatchObject({ kind: 'unreachable', outcomeUnknown: true });
    expect(observe).toMatchObject({ kind: 'unreachable', outcomeUnknown: false });
    expect((await faultOf(client.create(target, {}, callFor(-1)))).outcomeUnknown).toBe(false);
  });

  it('turn whatever an engine throws into a Fault, and tell it to the log alone', async () => {
    const lines: { fields: Record<string, unknown>; message: string }[] = [];
    const log: Log = {
      ...silentLog,
      error: (fields, message) => lines.push({ fields, message }),
      child: () => log,
    };
    const broken = plainEngine('plain', (client) => ({
      ...client,
      list: () => Promise.reject(new TypeError('undefined is not a function')),
    }));
    const { engines: open, params } = await start({ engines: [broken], log });
    const fault = await faultOf((await open.client('plain', 'p', '1', () => params)).list(callFor()));
    expect(fault.kind).toBe('internal');
    expect(fault.message).not.toContain('undefined is not');
    expect(lines).toHaveLength(1);
    expect(String(lines[0]?.fields.detail)).toContain('undefined is not a function');
  });

  it('tells the hook of every call', async () => {
    const calls: unknown[][] = [];
    const { engines: open, params } = await start({ onCall: (...call) => calls.push(call) });
    const client = await open.client('plain', 'p', '1', () => params);
    await client.check(callFor());
    server?.answer((_request, response) => json(response, 403, {}));
    await faultOf(client.create(target, {}, callFor()));
    expect(calls).toEqual([
      ['plain', 'check', 'ok', expect.any(Number)],
      ['plain', 'create', 'not-allowed', expect.any(Number)],
    ]);
  });
});
