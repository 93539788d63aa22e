import { expect } from 'vitest';
import { fieldsOf, secretKeys } from '../../src/core/schema.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import type { Suite } from './harness.ts';

/** Capabilities whose lack has to be explained, because people ask for them. */
const peopleAskFor = [
  'create',
  'delete',
  'scale',
  'upgrade',
  'autoscale',
  'power',
  'list',
  'adopt',
  'log',
  'retire',
  'addons',
  'networkPolicy',
  'gateways',
] as const;

/** What an engine says of itself: choices, checks, prices, schemas; and that it leaves nothing open. */
export function declaredRules(suite: Suite): void {
  const { rule } = suite;

  rule('options-live', async () => {
    const before = Date.now();
    const options = await suite.client.options({}, callFor());
    expect(options.at).toBeGreaterThanOrEqual(before);
    const live = fieldsOf(suite.harness.engine.cluster)
      .filter((field) => field.kind === 'choice' && !field.choices)
      .map((field) => field.key);
    expect(Object.keys(options.choices).sort()).toEqual(live.sort());
    for (const [key, choices] of Object.entries(options.choices)) {
      expect(choices.length, key).toBeGreaterThan(0);
      expect(new Set(choices.map((choice) => choice.value)).size, key).toBe(choices.length);
      expect(choices.every((choice) => choice.value && choice.label)).toBe(true);
      if (suite.harness.spec[key] !== undefined) {
        expect(choices.map((choice) => choice.value)).toContain(suite.harness.spec[key]);
      }
    }
    expect(JSON.parse(JSON.stringify(options.prices))).toEqual(options.prices);
  });

  rule('check-states', async () => {
    const good = await suite.client.check(callFor());
    expect(good).toMatchObject({ state: 'OK' });
    expect(good.facts.length).toBeGreaterThan(0);
    const refused = await suite.harness.engine.connect(suite.harness.badParams);
    const bad = await refused.check(callFor());
    await refused.close();
    expect(bad.state).toBe('Error');
    await suite.harness.faults.refuse();
    const unreachable = await suite.client.check(callFor());
    expect(unreachable.state).toBe('Unreachable');
    for (const each of [bad, unreachable]) {
      expect(each.message).toBeTruthy();
      expect(each.next).toBeTruthy();
      if (each.field) expect(Object.keys(suite.harness.engine.provisioner.shape)).toContain(each.field);
    }
  });

  rule('check-place', async () => {
    const { engine, nowhereParams, badParams } = suite.harness;
    if (!nowhereParams) throw new Error('the harness has no nowhereParams; give a reason in skip');
    const refused = await engine.connect(badParams);
    const credentials = await refused.check(callFor());
    await refused.close();
    const nowhere = await engine.connect(nowhereParams);
    const place = await nowhere.check(callFor());
    expect(place.state).toBe('Error');
    expect(place.next).toBeTruthy();
    expect(place.message).not.toBe(credentials.message);
    // A cluster is not gone because the place where it should be is not there.
    for (const each of [
      () => nowhere.observe(suite.aTarget(), callFor()),
      () => nowhere.delete(suite.aTarget(), callFor()),
    ]) {
      const fault = await faultOf(each());
      expect(['not-found', 'not-allowed']).toContain(fault.kind);
      expect(fault).toMatchObject({ whose: 'admin', retryable: false });
    }
    await nowhere.close();
  });

  rule('engine-instead', async () => {
    const { capabilities, instead, title } = suite.harness.engine;
    for (const wanted of peopleAskFor) {
      const words = instead[wanted];
      if (capabilities[wanted]) expect(words, wanted).toBeUndefined();
      else expect(words, wanted).toMatch(/^[A-Z].{15,}\.$/s);
    }
    const target = suite.aTarget();
    const missing: [boolean, () => Promise<unknown>][] = [
      [capabilities.create, () => suite.client.create(target, suite.harness.spec, callFor())],
      [capabilities.delete, () => suite.client.delete(target, callFor())],
      [capabilities.adopt, () => suite.client.adopt(target, callFor())],
      [capabilities.adopt, () => suite.client.release(target, callFor())],
      [capabilities.list, () => suite.client.list(callFor())],
      [capabilities.log, () => suite.client.log(target, callFor())],
      [capabilities.scale, () => suite.client.update(target, { nodes: 2 }, callFor())],
      [capabilities.upgrade, () => suite.client.update(target, { version: '1.99.0' }, callFor())],
      [capabilities.autoscale, () => suite.client.update(target, { autoscale: { min: 1, max: 3 } }, callFor())],
      [capabilities.power, () => suite.client.update(target, { power: 'off' }, callFor())],
      [
        capabilities.retire,
        () => suite.client.update(target, { nodes: 2, retire: { node: 'n-1', before: Date.now() } }, callFor()),
      ],
    ];
    missing.push(
      [capabilities.addons, () => suite.client.update(target, { addons: { some: true } }, callFor())],
      [capabilities.networkPolicy, () => suite.client.update(target, { networkPolicy: true }, callFor())],
      [capabilities.gateways, () => suite.client.update(target, { gateways: 1 }, callFor())],
    );
    for (const [has, call] of missing) {
      if (has) continue;
      const fault = await faultOf(call());
      expect(fault).toMatchObject({ kind: 'unsupported', retryable: false });
      expect(fault.message).toContain(title);
    }
  });

  rule('price-golden', async () => {
    const { engine, spec } = suite.harness;
    const { prices } = await suite.client.options({}, callFor());
    const price = engine.price(spec, prices);
    if (suite.harness.price === null) expect(price).toBeNull();
    else expect(price).toMatchObject(suite.harness.price);
    for (const broken of [null, undefined, {}, [], 'text', { regions: 'x' }]) {
      expect(engine.price(spec, broken)).toBeNull();
    }
    expect(engine.price({}, prices)).toBeNull();
  });

  rule('schema-apart', async () => {
    const provisioner = Object.keys(suite.harness.engine.provisioner.shape);
    const cluster = Object.keys(suite.harness.engine.cluster.shape);
    expect(cluster.filter((key) => provisioner.includes(key))).toEqual([]);
  });

  rule('schema-secrets', async () => {
    const { engine, params, badParams } = suite.harness;
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
    expect(engine.cluster.safeParse(suite.harness.spec).success).toBe(true);
  });

  rule('schema-pure', async () => {
    const { engine, spec } = suite.harness;
    expect(engine.name).toMatch(/^[a-z][a-z0-9-]*$/);
    expect(engine.title).toBeTruthy();
    expect(engine.describe(spec)).toBe(engine.describe({ ...spec }));
    expect(engine.describe(spec)).toContain(String(engine.nodes(spec)));
    expect(engine.describe(spec)).not.toMatch(/undefined|null|\n/);
    expect(engine.nodes(spec)).toBeGreaterThan(0);
    const pools = engine.pools(spec);
    expect(pools.length).toBeGreaterThan(0);
    expect(pools.reduce((sum, pool) => sum + pool.nodes, 0)).toBe(engine.nodes(spec));
    const kept = JSON.stringify(spec);
    const { capabilities } = engine;
    const { nodes, version } = suite.harness.update;
    if (capabilities.scale) {
      expect(engine.pools(engine.after(spec, { nodes }))[0]?.nodes).toBe(nodes);
      expect(() => engine.after(spec, { nodes: -1 })).toThrow(expect.objectContaining({ kind: 'bad-input' }));
    }
    if (capabilities.upgrade) expect(engine.describe(engine.after(spec, { version }))).toContain(version);
    expect(engine.after(spec, {})).toEqual(engine.cluster.parse(spec));
    expect(JSON.stringify(spec)).toBe(kept);
  });

  rule('close-sockets', async () => {
    const other = await suite.harness.engine.connect(suite.harness.params);
    const before = suite.harness.openConnections();
    await Promise.all([
      other.check(callFor()),
      other.options({}, callFor()),
      other.observe(suite.aTarget(), callFor()),
    ]);
    expect(suite.harness.openConnections()).toBeGreaterThan(before);
    await suite.harness.faults.hang();
    const hanging = faultOf(other.options({}, callFor(20_000)));
    const begun = performance.now();
    await other.close();
    expect((await hanging).kind).toBe('unreachable');
    await eventually('no connection is left', () => suite.harness.openConnections() <= before);
    // Idle connections end by themselves some time; closing has to be what ends them.
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
}
