import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterUpdate, Engine, EngineClient, Observation, Target } from '../../src/core/ports/engine.ts';
import { fieldsOf, secretKeys } from '../../src/core/schema.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { type Rule, rules } from './rules.ts';

/** Faults that the provider, or something before it, shows on demand. All of them end with `clear`. */
export interface Faults {
  /** The next create is carried out and its answer is lost. */
  loseCreateAnswer(): Promise<void>;
  /** Creates fail half-way with this sentence. */
  failCreates(message: string): Promise<void>;
  /** Operations stop where they are, until `clear`. */
  stall(): Promise<void>;
  /** The quota is used up. */
  exhaustQuota(): Promise<void>;
  /** Every request is refused with a rate limit and this wait. */
  limitRate(seconds: number): Promise<void>;
  /** No request is answered. */
  hang(): Promise<void>;
  /** Nothing listens any more. */
  refuse(): Promise<void>;
  /** Every request is answered with 200 and a web page. */
  webPage(): Promise<void>;
  /** Parameters of a front before the provider, which shows running clusters in a state that no version of the provider has. */
  strangeState(): Promise<Record<string, unknown>>;
  clear(): Promise<void>;
}

/** One engine with its provider, ready to be tried. */
export interface Harness {
  engine: Engine;
  /** Parameters that work. */
  params: Record<string, unknown>;
  /** The same with credentials that the provider refuses. */
  badParams: Record<string, unknown>;
  /** A cluster that can be had. */
  spec: Record<string, unknown>;
  /** A spec that the provider refuses, and the field it is about. */
  badSpec: { spec: Record<string, unknown>; field: string };
  /** A change that a running cluster of `spec` can take. */
  update: Required<ClusterUpdate>;
  /** What `spec` costs per hour by the prices of the provider's documentation, and in what. */
  price: { perHour: number; currency: string } | null;
  /** Makes a cluster of this name at the provider as somebody else would. */
  makeForeign(externalName: string): Promise<void>;
  /** Requests that could change something, as the provider counted them. */
  writes(): Promise<number>;
  /** Clusters of this name that were ever made. */
  made(externalName: string): Promise<number>;
  /** Connections from the engine that are open now, as the provider's side sees them. */
  openConnections(): number;
  faults: Faults;
  close(): Promise<void>;
}

/** Runs the suite that every engine must pass; `skip` names rules that this one cannot have, with the reason. */
export function engineConformance(options: {
  name: string;
  open(): Promise<Harness>;
  skip?: Partial<Record<Rule, string>>;
  /** How long a create or delete may take at the provider of the test, in milliseconds. */
  patienceMs?: number;
}): void {
  const patienceMs = options.patienceMs ?? 20_000;

  describe(`engine ${options.name}`, () => {
    let harness: Harness;
    let client: EngineClient;
    let counter = 0;

    beforeAll(async () => {
      harness = await options.open();
      client = await harness.engine.connect(harness.params);
    });
    afterAll(async () => {
      await client?.close();
      await harness?.close();
    });
    beforeEach(async () => {
      await harness.faults.clear();
    });

    function rule(id: Rule, test: () => Promise<void>, able?: (engine: Engine) => string | false): void {
      it(
        rules[id],
        async (ctx) => {
          const reason = options.skip?.[id] ?? (able?.(harness.engine) || undefined);
          if (reason !== undefined) {
            console.warn(`skipped: engine ${options.name}, ${id}: ${reason}`);
            ctx.skip(reason);
          }
          await test();
        },
        patienceMs * 3,
      );
    }

    function aTarget(): Target {
      counter += 1;
      return { org: 'default', cluster: `id${counter}`, externalName: `kq-conformance-${counter}` };
    }

    async function reach(target: Target, state: Observation['state']): Promise<Observation> {
      return eventually(
        `${target.externalName} is ${state}`,
        async () => {
          const seen = await client.observe(target, callFor());
          if (seen.state === 'error' && state !== 'error') throw new Error(`failed: ${seen.message}`);
          return seen.state === state ? seen : null;
        },
        { timeoutMs: patienceMs, everyMs: 50 },
      );
    }

    async function running(): Promise<Target> {
      const target = aTarget();
      await client.create(target, harness.spec, callFor());
      await reach(target, 'running');
      return target;
    }

    rule('observe-absent', async () => {
      expect(await client.observe(aTarget(), callFor())).toMatchObject({ state: 'absent', mine: true });
    });

    rule('observe-reads', async () => {
      const target = await running();
      const before = await harness.writes();
      for (const each of [target, aTarget()]) await client.observe(each, callFor());
      await client.check(callFor());
      await client.options(callFor());
      if (harness.engine.capabilities.list) await client.list(callFor());
      await client.kubeconfig(target, callFor());
      expect(await harness.writes()).toBe(before);
    });

    rule('observe-progress', async () => {
      const target = aTarget();
      const operation = await client.create(target, harness.spec, callFor());
      expect(operation.id).not.toBe('');
      const first = await client.observe(target, callFor());
      expect(first).toMatchObject({ state: 'creating', mine: true, operation: operation.id });
      const shown: Observation[] = [first];
      const last = await eventually(
        'the cluster runs',
        async () => {
          const seen = await client.observe({ ...target, operation: operation.id }, callFor());
          shown.push(seen);
          return seen.state === 'running' ? seen : null;
        },
        { timeoutMs: patienceMs, everyMs: 20 },
      );
      expect(shown.every((seen) => seen.state === 'creating' || seen.state === 'running')).toBe(true);
      expect(last.endpoint).toMatch(/^https:\/\//);
      expect(last.version).toBeTruthy();
      expect(last.nodes).toBe(harness.engine.nodes(harness.spec));
      if (!harness.engine.capabilities.percent) return;
      const percents = shown.filter((seen) => seen.state === 'creating').map((seen) => seen.percent ?? Number.NaN);
      expect(percents.every((percent) => percent >= 0 && percent <= 100)).toBe(true);
      expect([...percents].sort((a, b) => a - b)).toEqual(percents);
      expect(shown.some((seen) => seen.step)).toBe(true);
    });

    rule('observe-unknown', async () => {
      const target = await running();
      const strange = await harness.engine.connect(await harness.faults.strangeState());
      expect(await strange.observe(target, callFor())).toMatchObject({ state: 'unknown', mine: true });
      await strange.close();
    });

    rule('observe-failed', async () => {
      await harness.faults.failCreates('The disks of this zone are full.');
      const target = aTarget();
      await client.create(target, harness.spec, callFor());
      const seen = await reach(target, 'error');
      expect(seen.message).toContain('The disks of this zone are full.');
      expect(seen.message).not.toContain('\n');
      expect(seen.detail?.length ?? 0).toBeGreaterThan(seen.message?.length ?? 0);
      await client.delete(target, callFor());
    });

    rule('create-repeat', async () => {
      const target = aTarget();
      const [first, second] = await Promise.all([
        client.create(target, harness.spec, callFor()),
        client.create(target, harness.spec, callFor()),
      ]);
      expect(second.id).toBe(first.id);
      await reach(target, 'running');
      await client.create(target, harness.spec, callFor());
      expect(await harness.made(target.externalName)).toBe(1);
    });

    rule('create-lost', async () => {
      const target = aTarget();
      await harness.faults.loseCreateAnswer();
      const fault = await faultOf(client.create(target, harness.spec, callFor()));
      expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: true, retryable: true });
      const seen = await client.observe(target, callFor());
      expect(seen).toMatchObject({ state: 'creating', mine: true });
      expect((await client.create(target, harness.spec, callFor())).id).toBe(seen.operation);
      expect(await harness.made(target.externalName)).toBe(1);
    });

    rule('create-foreign', async () => {
      const target = aTarget();
      await harness.makeForeign(target.externalName);
      const before = await client.observe(target, callFor());
      expect(before.mine).toBe(false);
      expect(before.state).not.toBe('absent');
      const work = [
        () => client.create(target, harness.spec, callFor()),
        () => client.update(target, { nodes: 2 }, callFor()),
        () => client.delete(target, callFor()),
        () => client.kubeconfig(target, callFor()),
      ];
      for (const each of work) {
        expect(await faultOf(each())).toMatchObject({ kind: 'conflict', retryable: false });
      }
      // The same id in another organisation is another cluster.
      const own = await running();
      expect((await client.observe({ ...own, org: 'elsewhere' }, callFor())).mine).toBe(false);
      expect((await faultOf(client.delete({ ...own, org: 'elsewhere' }, callFor()))).kind).toBe('conflict');
      expect((await client.observe(own, callFor())).state).toBe('running');
      expect(await harness.made(target.externalName)).toBe(1);
      expect((await client.observe(target, callFor())).state).not.toBe('deleting');
    });

    rule(
      'update-change',
      async () => {
        const target = await running();
        const { capabilities } = harness.engine;
        const change: ClusterUpdate = {};
        if (capabilities.scale) change.nodes = harness.update.nodes;
        if (capabilities.upgrade) change.version = harness.update.version;
        const operation = await client.update(target, change, callFor());
        expect(await client.observe(target, callFor())).toMatchObject({ state: 'updating', operation: operation.id });
        // What is not there yet comes later, so whoever repeats is told to wait.
        expect(await faultOf(client.update(target, change, callFor()))).toMatchObject({
          kind: 'conflict',
          retryable: true,
        });
        expect(await reach(target, 'running')).toMatchObject(change);
      },
      ({ capabilities }) => !capabilities.scale && !capabilities.upgrade && 'it changes no running cluster',
    );

    rule(
      'update-absent',
      async () => {
        expect((await faultOf(client.update(aTarget(), { nodes: 2 }, callFor()))).kind).toBe('not-found');
      },
      ({ capabilities }) => !capabilities.scale && !capabilities.upgrade && 'it changes no running cluster',
    );

    rule('delete-gone', async () => {
      const target = await running();
      const operation = await client.delete(target, callFor());
      expect(operation?.id).toBeTruthy();
      await reach(target, 'absent');
    });

    rule('delete-absent', async () => {
      expect(await client.delete(aTarget(), callFor())).toBeNull();
    });

    rule('delete-repeat', async () => {
      const target = await running();
      const first = await client.delete(target, callFor());
      const second = await client.delete(target, callFor());
      expect(second?.id ?? first?.id).toBe(first?.id);
      await reach(target, 'absent');
      expect(await client.delete(target, callFor())).toBeNull();
    });

    rule(
      'delete-cancels',
      async () => {
        const target = aTarget();
        await harness.faults.stall();
        await client.create(target, harness.spec, callFor());
        expect((await client.observe(target, callFor())).state).toBe('creating');
        await client.delete(target, callFor());
        await harness.faults.clear();
        await reach(target, 'absent');
      },
      ({ capabilities }) => !capabilities.cancel && 'it cannot stop a create',
    );

    rule('kubeconfig-running', async () => {
      const target = aTarget();
      expect((await faultOf(client.kubeconfig(target, callFor()))).kind).toBe('not-found');
      await harness.faults.stall();
      await client.create(target, harness.spec, callFor());
      expect(await faultOf(client.kubeconfig(target, callFor()))).toMatchObject({ kind: 'conflict', retryable: true });
      await harness.faults.clear();
      const seen = await reach(target, 'running');
      const kubeconfig = await client.kubeconfig(target, callFor());
      expect(kubeconfig).toContain('kind: Config');
      expect(kubeconfig).toContain(seen.endpoint);
    });

    rule(
      'list-all',
      async () => {
        const target = await running();
        const foreign = aTarget();
        await harness.makeForeign(foreign.externalName);
        const all = await client.list(callFor());
        expect(all.find((each) => each.externalName === target.externalName)).toMatchObject({
          cluster: target.cluster,
          state: 'running',
        });
        const other = all.find((each) => each.externalName === foreign.externalName);
        expect(other).toBeDefined();
        expect(other?.cluster).toBeUndefined();
      },
      ({ capabilities }) => !capabilities.list && 'it lists nothing',
    );

    rule('error-credentials', async () => {
      const refused = await harness.engine.connect(harness.badParams);
      const target = aTarget();
      for (const each of [
        () => refused.create(target, harness.spec, callFor()),
        () => refused.observe(target, callFor()),
        () => refused.delete(target, callFor()),
      ]) {
        const fault = await faultOf(each());
        expect(fault).toMatchObject({ kind: 'not-allowed', retryable: false, whose: 'admin', outcomeUnknown: false });
        expect(fault.next).toBeTruthy();
      }
      await refused.close();
    });

    rule('error-quota', async () => {
      await harness.faults.exhaustQuota();
      const target = aTarget();
      const fault = await faultOf(client.create(target, harness.spec, callFor()));
      expect(fault).toMatchObject({ kind: 'quota', retryable: false, outcomeUnknown: false });
      expect(fault.next).toBeTruthy();
      expect((await client.observe(target, callFor())).state).toBe('absent');
    });

    rule('error-input', async () => {
      const target = aTarget();
      const fault = await faultOf(client.create(target, harness.badSpec.spec, callFor()));
      expect(fault).toMatchObject({ kind: 'bad-input', retryable: false, field: harness.badSpec.field });
      expect((await client.observe(target, callFor())).state).toBe('absent');
    });

    rule('error-rate', async () => {
      await harness.faults.limitRate(42);
      for (const each of [
        () => client.create(aTarget(), harness.spec, callFor()),
        () => client.observe(aTarget(), callFor()),
      ]) {
        expect(await faultOf(each())).toMatchObject({ kind: 'rate-limited', retryAfterMs: 42_000, retryable: true });
      }
    });

    rule('error-unreachable', async () => {
      await harness.faults.refuse();
      // A new client: a request on a connection that is cut under it may have arrived.
      const fresh = await harness.engine.connect(harness.params);
      const target = aTarget();
      for (const each of [
        () => fresh.create(target, harness.spec, callFor()),
        () => fresh.observe(target, callFor()),
        () => fresh.delete(target, callFor()),
      ]) {
        expect(await faultOf(each())).toMatchObject({ kind: 'unreachable', retryable: true, outcomeUnknown: false });
      }
      await fresh.close();
    });

    rule('error-strange', async () => {
      const target = await running();
      await harness.faults.webPage();
      expect(await faultOf(client.observe(target, callFor()))).toMatchObject({ kind: 'unreachable' });
      expect((await faultOf(client.kubeconfig(target, callFor()))).message).toMatch(/web page/);
      expect(await faultOf(client.delete(target, callFor()))).toMatchObject({ kind: 'unreachable' });
      await harness.faults.clear();
      expect((await client.observe(target, callFor())).state).toBe('running');
    });

    rule('error-secrets', async () => {
      const secrets = secretKeys(harness.engine.provisioner).flatMap((key) => [
        String(harness.params[key]),
        String(harness.badParams[key]),
      ]);
      const refused = await harness.engine.connect(harness.badParams);
      const faults = [
        await faultOf(refused.create(aTarget(), harness.spec, callFor())),
        await faultOf(client.create(aTarget(), harness.badSpec.spec, callFor())),
      ];
      await harness.faults.webPage();
      faults.push(await faultOf(client.observe(aTarget(), callFor())));
      await refused.close();
      for (const fault of faults) {
        const emitted = [fault.message, fault.next, fault.detail, fault.stack].join('\n');
        for (const secret of secrets) expect(emitted).not.toContain(secret);
      }
    });

    rule('call-deadline', async () => {
      await harness.faults.hang();
      const target = aTarget();
      for (const [name, each] of everyCall(target)) {
        const begun = performance.now();
        const outcome = await outcomeOf(each(callFor(300)));
        expect(performance.now() - begun, name).toBeLessThan(1_500);
        expect(outcome, name).toMatchObject(
          name === 'check' ? { state: 'Unreachable' } : { kind: 'unreachable', retryable: true },
        );
        if (name === 'create') expect(outcome).toMatchObject({ outcomeUnknown: true });
      }
      expect(await faultOf(client.create(target, harness.spec, callFor(-1)))).toMatchObject({ outcomeUnknown: false });
    });

    rule('call-abort', async () => {
      await harness.faults.hang();
      for (const [name, each] of everyCall(aTarget())) {
        const stop = new AbortController();
        setTimeout(() => stop.abort(), 50);
        const begun = performance.now();
        expect((await faultOf(each(callFor(20_000, stop.signal)))).kind, name).toBe('unreachable');
        expect(performance.now() - begun, name).toBeLessThan(1_500);
      }
    });

    function everyCall(target: Target): [string, (call: ReturnType<typeof callFor>) => Promise<unknown>][] {
      const all: [string, (call: ReturnType<typeof callFor>) => Promise<unknown>][] = [
        ['observe', (call) => client.observe(target, call)],
        ['create', (call) => client.create(target, harness.spec, call)],
        ['delete', (call) => client.delete(target, call)],
        ['kubeconfig', (call) => client.kubeconfig(target, call)],
        ['options', (call) => client.options(call)],
        ['check', (call) => client.check(call)],
      ];
      const { capabilities } = harness.engine;
      if (capabilities.list) all.push(['list', (call) => client.list(call)]);
      if (capabilities.scale) all.push(['update', (call) => client.update(target, { nodes: 2 }, call)]);
      return all;
    }

    rule('options-live', async () => {
      const before = Date.now();
      const options = await client.options(callFor());
      expect(options.at).toBeGreaterThanOrEqual(before);
      const live = fieldsOf(harness.engine.cluster)
        .filter((field) => field.kind === 'choice' && !field.choices)
        .map((field) => field.key);
      expect(Object.keys(options.choices).sort()).toEqual(live.sort());
      for (const [key, choices] of Object.entries(options.choices)) {
        expect(choices.length, key).toBeGreaterThan(0);
        expect(new Set(choices.map((choice) => choice.value)).size, key).toBe(choices.length);
        expect(choices.every((choice) => choice.value && choice.label)).toBe(true);
        if (harness.spec[key] !== undefined) {
          expect(choices.map((choice) => choice.value)).toContain(harness.spec[key]);
        }
      }
      expect(JSON.parse(JSON.stringify(options.prices))).toEqual(options.prices);
    });

    rule('check-states', async () => {
      const good = await client.check(callFor());
      expect(good).toMatchObject({ state: 'OK' });
      expect(good.facts.length).toBeGreaterThan(0);
      const refused = await harness.engine.connect(harness.badParams);
      const bad = await refused.check(callFor());
      await refused.close();
      expect(bad.state).toBe('Error');
      await harness.faults.refuse();
      const unreachable = await client.check(callFor());
      expect(unreachable.state).toBe('Unreachable');
      for (const each of [bad, unreachable]) {
        expect(each.message).toBeTruthy();
        expect(each.next).toBeTruthy();
      }
    });

    rule('price-golden', async () => {
      const { engine, spec } = harness;
      const { prices } = await client.options(callFor());
      const price = engine.price(spec, prices);
      if (harness.price === null) expect(price).toBeNull();
      else expect(price).toMatchObject(harness.price);
      for (const broken of [null, undefined, {}, [], 'text', { regions: 'x' }]) {
        expect(engine.price(spec, broken)).toBeNull();
      }
      expect(engine.price({}, prices)).toBeNull();
    });

    rule('schema-apart', async () => {
      const provisioner = Object.keys(harness.engine.provisioner.shape);
      const cluster = Object.keys(harness.engine.cluster.shape);
      expect(cluster.filter((key) => provisioner.includes(key))).toEqual([]);
    });

    rule('schema-secrets', async () => {
      const { engine, params, badParams } = harness;
      const secrets = secretKeys(engine.provisioner);
      // What has to be wrong for the provider to refuse is a secret.
      const differ = Object.keys(params).filter((key) => params[key] !== badParams[key]);
      expect(secrets).toEqual(expect.arrayContaining(differ));
      expect(differ.length).toBeGreaterThan(0);
      expect(secretKeys(engine.cluster)).toEqual([]);
      for (const schema of [engine.provisioner, engine.cluster]) {
        for (const field of fieldsOf(schema)) expect(field.label, field.key).not.toBe(field.key);
      }
      expect(engine.provisioner.safeParse(params).success).toBe(true);
      expect(engine.cluster.safeParse(harness.spec).success).toBe(true);
    });

    rule('schema-pure', async () => {
      const { engine, spec } = harness;
      expect(engine.name).toMatch(/^[a-z][a-z0-9-]*$/);
      expect(engine.title).toBeTruthy();
      expect(engine.describe(spec)).toBe(engine.describe({ ...spec }));
      expect(engine.describe(spec)).toContain(String(engine.nodes(spec)));
      expect(engine.describe(spec)).not.toMatch(/undefined|null|\n/);
      expect(engine.nodes(spec)).toBeGreaterThan(0);
    });

    rule('close-sockets', async () => {
      const other = await harness.engine.connect(harness.params);
      const before = harness.openConnections();
      await Promise.all([other.check(callFor()), other.options(callFor()), other.observe(aTarget(), callFor())]);
      expect(harness.openConnections()).toBeGreaterThan(before);
      await harness.faults.hang();
      const hanging = faultOf(other.options(callFor(20_000)));
      await other.close();
      expect((await hanging).kind).toBe('unreachable');
      await eventually('no connection is left', () => harness.openConnections() <= before);
    });
  });
}

async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  return work.catch((thrown: unknown) => thrown);
}
