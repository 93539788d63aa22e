import { expect } from 'vitest';
import type { ClusterUpdate, Observation } from '../../src/core/ports/engine.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import type { Suite } from './harness.ts';

/** What becomes of a cluster: observe, create, update, delete, kubeconfig, list. */
export function lifecycleRules(suite: Suite): void {
  const { rule } = suite;

  rule('observe-absent', async () => {
    expect(await suite.client.observe(suite.aTarget(), callFor())).toMatchObject({ state: 'absent', mine: true });
  });

  rule('observe-reads', async () => {
    const target = await suite.running();
    const before = await suite.harness.writes();
    for (const each of [target, suite.aTarget()]) await suite.client.observe(each, callFor());
    await suite.client.check(callFor());
    await suite.client.options({}, callFor());
    if (suite.harness.engine.capabilities.list) await suite.client.list(callFor());
    await suite.client.kubeconfig(target, callFor());
    expect(await suite.harness.writes()).toBe(before);
  });

  rule('observe-progress', async () => {
    const target = suite.aTarget();
    const operation = await suite.client.create(target, suite.harness.spec, callFor());
    expect(operation.id).not.toBe('');
    const first = await suite.client.observe(target, callFor());
    expect(first).toMatchObject({ state: 'creating', mine: true, operation: operation.id });
    const shown: Observation[] = [first];
    const last = await eventually(
      'the cluster runs',
      async () => {
        const seen = await suite.client.observe({ ...target, operation: operation.id }, callFor());
        shown.push(seen);
        return seen.state === 'running' ? seen : null;
      },
      { timeoutMs: suite.patienceMs, everyMs: 20 },
    );
    expect(shown.every((seen) => seen.state === 'creating' || seen.state === 'running')).toBe(true);
    expect(last.endpoint).toMatch(/^https:\/\//);
    expect(last.version).toBeTruthy();
    expect(last.nodes).toBe(suite.harness.engine.nodes(suite.harness.spec));
    if (!suite.harness.engine.capabilities.percent) return;
    const percents = shown.filter((seen) => seen.state === 'creating').map((seen) => seen.percent ?? Number.NaN);
    expect(percents.every((percent) => percent >= 0 && percent <= 100)).toBe(true);
    expect([...percents].sort((a, b) => a - b)).toEqual(percents);
    expect(shown.some((seen) => seen.step)).toBe(true);
  });

  rule('observe-unknown', async () => {
    const target = await suite.running();
    const strange = await suite.harness.engine.connect(await suite.harness.faults.strangeState());
    expect(await strange.observe(target, callFor())).toMatchObject({ state: 'unknown', mine: true });
    await strange.close();
  });

  rule('observe-failed', async () => {
    await suite.harness.faults.failCreates('The disks of this zone are full.');
    const target = suite.aTarget();
    await suite.client.create(target, suite.harness.spec, callFor());
    const seen = await suite.reach(target, 'error');
    expect(seen.message).toContain('The disks of this zone are full.');
    expect(seen.message).not.toContain('\n');
    expect(seen.detail?.length ?? 0).toBeGreaterThan(seen.message?.length ?? 0);
    await suite.client.delete(target, callFor());
  });

  rule('create-repeat', async () => {
    const target = suite.aTarget();
    const [first, second] = await Promise.all([
      suite.client.create(target, suite.harness.spec, callFor()),
      suite.client.create(target, suite.harness.spec, callFor()),
    ]);
    expect(second.id).toBe(first.id);
    await suite.reach(target, 'running');
    await suite.client.create(target, suite.harness.spec, callFor());
    expect(await suite.harness.made(target.externalName)).toBe(1);
  });

  rule('create-lost', async () => {
    const target = suite.aTarget();
    await suite.harness.faults.loseCreateAnswer();
    const fault = await faultOf(suite.client.create(target, suite.harness.spec, callFor()));
    expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: true, retryable: true });
    const seen = await suite.client.observe(target, callFor());
    expect(seen).toMatchObject({ state: 'creating', mine: true });
    expect((await suite.client.create(target, suite.harness.spec, callFor())).id).toBe(seen.operation);
    expect(await suite.harness.made(target.externalName)).toBe(1);
  });

  rule('create-foreign', async () => {
    const target = suite.aTarget();
    await suite.harness.makeForeign(target.externalName);
    const before = await suite.client.observe(target, callFor());
    expect(before.mine).toBe(false);
    expect(before.state).not.toBe('absent');
    const work = [
      () => suite.client.create(target, suite.harness.spec, callFor()),
      () => suite.client.update(target, { nodes: 2 }, callFor()),
      () => suite.client.delete(target, callFor()),
      () => suite.client.kubeconfig(target, callFor()),
    ];
    for (const each of work) {
      expect(await faultOf(each())).toMatchObject({ kind: 'conflict', retryable: false });
    }
    // The same id in another organisation is another cluster.
    const own = await suite.running();
    expect((await suite.client.observe({ ...own, org: 'elsewhere' }, callFor())).mine).toBe(false);
    expect((await faultOf(suite.client.delete({ ...own, org: 'elsewhere' }, callFor()))).kind).toBe('conflict');
    expect((await suite.client.observe(own, callFor())).state).toBe('running');
    expect(await suite.harness.made(target.externalName)).toBe(1);
    expect((await suite.client.observe(target, callFor())).state).not.toBe('deleting');
  });

  rule(
    'update-nodes',
    async () => {
      const target = await suite.running();
      const { capabilities } = suite.harness.engine;
      const change: ClusterUpdate = {};
      if (capabilities.scale) change.nodes = suite.harness.update.nodes;
      if (capabilities.upgrade) change.version = suite.harness.update.version;
      const operation = await suite.client.update(target, change, callFor());
      expect(await suite.client.observe(target, callFor())).toMatchObject({
        state: 'updating',
        operation: operation?.id,
      });
      // What is not there yet comes later, so whoever repeats is told to wait.
      expect(await faultOf(suite.client.update(target, change, callFor()))).toMatchObject({
        kind: 'conflict',
        retryable: true,
      });
      expect(await suite.reach(target, 'running')).toMatchObject(change);
    },
    ({ capabilities }) => !capabilities.scale && !capabilities.upgrade && 'it changes no running cluster',
  );

  rule(
    'update-absent',
    async () => {
      expect((await faultOf(suite.client.update(suite.aTarget(), { nodes: 2 }, callFor()))).kind).toBe('not-found');
    },
    ({ capabilities }) => !capabilities.scale && !capabilities.upgrade && 'it changes no running cluster',
  );

  rule('delete-gone', async () => {
    const target = await suite.running();
    const operation = await suite.client.delete(target, callFor());
    expect(operation?.id).toBeTruthy();
    await suite.reach(target, 'absent');
  });

  rule('delete-absent', async () => {
    expect(await suite.client.delete(suite.aTarget(), callFor())).toBeNull();
  });

  rule('delete-repeat', async () => {
    const target = await suite.running();
    const first = await suite.client.delete(target, callFor());
    const second = await suite.client.delete(target, callFor());
    expect(second?.id ?? first?.id).toBe(first?.id);
    await suite.reach(target, 'absent');
    expect(await suite.client.delete(target, callFor())).toBeNull();
  });

  rule(
    'delete-cancels',
    async () => {
      const target = suite.aTarget();
      await suite.harness.faults.stall();
      await suite.client.create(target, suite.harness.spec, callFor());
      expect((await suite.client.observe(target, callFor())).state).toBe('creating');
      await suite.client.delete(target, callFor());
      await suite.harness.faults.clear();
      await suite.reach(target, 'absent');
    },
    ({ capabilities }) => !capabilities.cancel && 'it cannot stop a create',
  );

  rule('kubeconfig-running', async () => {
    const target = suite.aTarget();
    expect((await faultOf(suite.client.kubeconfig(target, callFor()))).kind).toBe('not-found');
    await suite.harness.faults.stall();
    await suite.client.create(target, suite.harness.spec, callFor());
    expect(await faultOf(suite.client.kubeconfig(target, callFor()))).toMatchObject({
      kind: 'conflict',
      retryable: true,
    });
    await suite.harness.faults.clear();
    const seen = await suite.reach(target, 'running');
    const kubeconfig = await suite.client.kubeconfig(target, callFor());
    expect(kubeconfig).toContain('kind: Config');
    expect(kubeconfig).toContain(seen.endpoint);
  });

  rule(
    'list-all',
    async () => {
      const target = await suite.running();
      const foreign = suite.aTarget();
      await suite.harness.makeForeign(foreign.externalName);
      const all = await suite.client.list(callFor());
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
}
