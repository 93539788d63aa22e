import { expect } from 'vitest';
import { type ClusterUpdate, gatewayMark } from '../../src/core/ports/engine.ts';
import { callFor, faultOf } from './calls.ts';
import { over } from './drive.ts';
import type { Harness, Suite } from './harness.ts';

const changesNone = ({ engine: { capabilities } }: Harness) =>
  !capabilities.scale && !capabilities.upgrade && 'it changes no running cluster';
const scalesNone = ({ engine }: Harness) => !engine.capabilities.scale && 'it cannot scale';
const upgradesNone = ({ engine }: Harness) => !engine.capabilities.upgrade && 'it cannot upgrade';

/** What a running cluster of the harness can be changed to. */
function changeOf({ engine: { capabilities }, update }: Harness): ClusterUpdate {
  return capabilities.scale ? { nodes: update.nodes } : { version: update.version };
}

/** Changes of a running cluster, one at a time and step by step. */
export function updateRules(suite: Suite): void {
  const { rule } = suite;

  rule(
    'update-nodes',
    async () => {
      const target = await suite.running();
      const { nodes } = suite.harness.update;
      await suite.harness.faults.stall();
      const operation = await suite.client.update(target, { nodes }, callFor());
      expect(operation?.id).toBeTruthy();
      const changing = { ...target, operation: operation?.id ?? '' };
      expect(await suite.client.observe(changing, callFor())).toMatchObject({ state: 'updating', outcome: 'running' });
      // What is not there yet comes later, so whoever repeats is told to wait.
      expect(await faultOf(suite.client.update(target, { nodes }, callFor()))).toMatchObject({
        kind: 'conflict',
        retryable: true,
      });
      await suite.harness.faults.clear();
      expect(await over(suite.client, changing, suite.patienceMs)).toMatchObject({ outcome: 'done' });
      await suite.drive(target, { nodes });
      const seen = await suite.client.observe(target, callFor());
      expect(seen).toMatchObject({ state: 'running', nodes });
      if (seen.pools) expect(seen.pools.reduce((sum, pool) => sum + pool.nodes, 0)).toBe(nodes);
      // Fewer again, without a stop on the way.
      const before = suite.harness.engine.nodes(suite.harness.spec);
      expect(await suite.drive(target, { nodes: before })).toBeGreaterThan(0);
      expect(await suite.client.observe(target, callFor())).toMatchObject({ state: 'running', nodes: before });
    },
    scalesNone,
  );

  rule(
    'update-version',
    async () => {
      const target = await suite.running();
      const { version } = suite.harness.update;
      expect((await suite.client.observe(target, callFor())).version).not.toBe(version);
      expect(await suite.drive(target, { version })).toBeGreaterThan(0);
      const seen = await suite.client.observe(target, callFor());
      expect(seen).toMatchObject({ state: 'running', version });
      for (const pool of seen.pools ?? []) expect(pool.version ?? version, pool.name).toBe(version);
    },
    upgradesNone,
  );

  rule(
    'update-null',
    async () => {
      const target = await suite.shared();
      const { capabilities } = suite.harness.engine;
      const seen = await suite.client.observe(target, callFor());
      const before = await suite.harness.writes();
      if (capabilities.scale && seen.nodes !== undefined) {
        expect(await suite.client.update(target, { nodes: seen.nodes }, callFor())).toBeNull();
      }
      if (capabilities.upgrade && seen.version !== undefined) {
        expect(await suite.client.update(target, { version: seen.version }, callFor())).toBeNull();
      }
      expect(await suite.harness.writes()).toBe(before);
    },
    changesNone,
  );

  rule(
    'update-pool',
    async () => {
      const target = await suite.shared();
      const before = await suite.harness.writes();
      const { nodes } = suite.harness.update;
      const fault = await faultOf(suite.client.update(target, { pool: 'no-such-pool', nodes }, callFor()));
      expect(['bad-input', 'not-found']).toContain(fault.kind);
      expect(fault.retryable).toBe(false);
      expect(fault.message).toContain('no-such-pool');
      expect(await suite.harness.writes()).toBe(before);
    },
    scalesNone,
  );

  rule(
    'update-autoscale',
    async () => {
      const target = await suite.running();
      const nodes = suite.harness.engine.nodes(suite.harness.spec);
      const autoscale = { min: Math.max(1, nodes - 1), max: nodes + 1 };
      expect(await suite.drive(target, { autoscale })).toBeGreaterThan(0);
      expect((await suite.client.observe(target, callFor())).pools?.[0]).toMatchObject({ autoscale });
      expect(await suite.client.update(target, { autoscale }, callFor())).toBeNull();
      expect(await suite.drive(target, { autoscale: null })).toBeGreaterThan(0);
      expect((await suite.client.observe(target, callFor())).pools?.[0]?.autoscale).toBeUndefined();
    },
    ({ engine }) => !engine.capabilities.autoscale && 'it sets no autoscaler',
  );

  rule(
    'update-power',
    async () => {
      const target = await suite.running();
      expect(await suite.drive(target, { power: 'off' })).toBeGreaterThan(0);
      expect((await suite.client.observe(target, callFor())).state).toBe('stopped');
      expect(await suite.client.update(target, { power: 'off' }, callFor())).toBeNull();
      expect(await suite.drive(target, { power: 'on' })).toBeGreaterThan(0);
      expect((await suite.client.observe(target, callFor())).state).toBe('running');
    },
    ({ engine }) => !engine.capabilities.power && 'it cannot stop a cluster',
  );

  rule(
    'update-gateways',
    async () => {
      const target = await suite.running();
      const { engine, spec } = suite.harness;
      const before = engine.nodes(spec);
      const there = async () => {
        const { pools = [], nodes } = await suite.client.observe(target, callFor());
        return { gateways: pools.find(({ name }) => name === gatewayMark.value)?.nodes ?? 0, nodes };
      };
      expect(await suite.client.update(target, { gateways: (await there()).gateways }, callFor())).toBeNull();
      for (const gateways of [1, 2, 0]) {
        const after = engine.after(spec, { gateways });
        expect(engine.nodes(after), `${gateways} gateways`).toBe(before + gateways);
        expect(await suite.drive(target, { gateways })).toBeGreaterThan(0);
        expect(await there()).toEqual({ gateways, nodes: before + gateways });
        expect(await suite.client.update(target, { gateways }, callFor())).toBeNull();
      }
    },
    ({ engine }) => !engine.capabilities.gateways && 'it makes no gateway nodes',
  );

  rule(
    'update-policy',
    async () => {
      const target = await suite.running();
      for (const networkPolicy of [true, false]) {
        expect(await suite.drive(target, { networkPolicy })).toBeGreaterThan(0);
        expect(await suite.client.observe(target, callFor())).toMatchObject({ state: 'running', networkPolicy });
        expect(await suite.client.update(target, { networkPolicy }, callFor())).toBeNull();
      }
    },
    ({ engine }) => !engine.capabilities.networkPolicy && 'it turns no network policies on or off',
  );

  rule(
    'update-addons',
    async () => {
      const target = await suite.running();
      const name = suite.harness.update.addon ?? '';
      const addons = async () => (await suite.client.observe(target, callFor())).addons ?? [];
      const first = await addons();
      expect(first.find((each) => each.name === name)).toMatchObject({ on: false });
      expect(new Set(first.map((each) => each.name)).size).toBe(first.length);
      for (const each of first) expect(each.title, each.name).toMatch(/^[A-Z]/);
      for (const on of [true, false]) {
        expect(await suite.drive(target, { addons: { [name]: on } })).toBeGreaterThan(0);
        // Those that are not named stay.
        expect(await addons()).toEqual(first.map((each) => (each.name === name ? { ...each, on } : each)));
        expect(await suite.client.update(target, { addons: { [name]: on } }, callFor())).toBeNull();
      }
      const before = await suite.harness.writes();
      const fault = await faultOf(suite.client.update(target, { addons: { 'no-such-thing': true } }, callFor()));
      expect(fault).toMatchObject({ kind: 'bad-input', field: 'addon', retryable: false });
      expect(fault.message).toContain('no-such-thing');
      expect(fault.next).toContain(name);
      expect(await suite.harness.writes()).toBe(before);
    },
    ({ engine }) => !engine.capabilities.addons && 'its provider has no add-ons of its own',
  );

  rule(
    'update-retire',
    async () => {
      const target = await suite.running();
      const { harness, client } = suite;
      const machines = async () => (await harness.machines?.(target)) ?? [];
      const before = await machines();
      const [first, last] = [before[0], before.at(-1)];
      if (!first || !last || before.length < 2) throw new Error('the harness shows no machines; give a reason in skip');
      const replace: ClusterUpdate = {
        ...(first.pool === undefined ? {} : { pool: first.pool }),
        nodes: before.length,
        retire: { node: first.node, before: Date.now() },
      };
      expect(await suite.drive(target, replace)).toBeGreaterThan(0);
      const after = await machines();
      expect(after).toHaveLength(before.length);
      expect(after.map(({ id }) => id)).not.toContain(first.id);
      for (const { id } of before.slice(1)) expect(after.map((each) => each.id)).toContain(id);
      // The one that came under the same name, or under another, is not taken for the old one.
      const writes = await harness.writes();
      expect(await client.update(target, replace, callFor())).toBeNull();
      expect(await harness.writes()).toBe(writes);
      // Nothing is made smaller by another than the one that was meant.
      const strange: ClusterUpdate = {
        ...replace,
        nodes: before.length - 1,
        retire: { node: 'no-such-node', before: Date.now() },
      };
      expect(['bad-input', 'not-found']).toContain((await faultOf(client.update(target, strange, callFor()))).kind);
      const nodes = before.length - 1;
      const remove: ClusterUpdate = { ...replace, nodes, retire: { node: last.node, before: Date.now() } };
      expect(await suite.drive(target, remove)).toBeGreaterThan(0);
      const left = await machines();
      expect(left.map(({ id }) => id)).toEqual(after.map(({ id }) => id).filter((id) => id !== last.id));
      expect(await client.observe(target, callFor())).toMatchObject({ state: 'running', nodes });
      expect(await client.update(target, remove, callFor())).toBeNull();
    },
    ({ engine }) => !engine.capabilities.retire && 'it retires no single machines',
  );

  rule(
    'update-failed',
    async () => {
      const target = await suite.running();
      const { failUpdates } = suite.harness.faults;
      if (!failUpdates) throw new Error('the harness has no failUpdates; give a reason in skip');
      await failUpdates('The disks of this zone are full.');
      const operation = await suite.client.update(target, changeOf(suite.harness), callFor());
      expect(operation?.id).toBeTruthy();
      const seen = await over(suite.client, { ...target, operation: operation?.id ?? '' }, suite.patienceMs);
      expect(seen).toMatchObject({ outcome: 'failed', mine: true });
      expect(seen.state).not.toBe('absent');
      expect(seen.message).toContain('The disks of this zone are full.');
      expect(seen.message).not.toContain('\n');
    },
    changesNone,
  );

  rule(
    'update-absent',
    async () => {
      const fault = await faultOf(suite.client.update(suite.aTarget(), changeOf(suite.harness), callFor()));
      expect(fault.kind).toBe('not-found');
    },
    changesNone,
  );

  rule(
    'upgrades-newer',
    async () => {
      const target = await suite.shared();
      const { version = '' } = await suite.client.observe(target, callFor());
      const offered = (await suite.client.upgrades(target, callFor())).map(({ value }) => value);
      expect(offered).toContain(suite.harness.update.version);
      expect(new Set(offered).size).toBe(offered.length);
      for (const each of offered) expect(each.localeCompare(version, 'en', { numeric: true }), each).toBe(1);
      expect((await faultOf(suite.client.upgrades(suite.aTarget(), callFor()))).kind).toBe('not-found');
    },
    upgradesNone,
  );
}
