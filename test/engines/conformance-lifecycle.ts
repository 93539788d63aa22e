import { expect } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { Observation } from '../../src/core/ports/engine.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import type { Harness, Suite } from './harness.ts';

/** Why an engine that makes no clusters cannot have a rule about making them. */
const makesNone = ({ engine }: Harness) => !engine.capabilities.create && 'it creates no clusters';

/** What becomes of a cluster: observe, create, delete, kubeconfig, list. */
export function lifecycleRules(suite: Suite): void {
  const { rule } = suite;

  rule('observe-absent', async () => {
    expect(await suite.client.observe(suite.aTarget(), callFor())).toMatchObject({ state: 'absent', mine: true });
  });

  rule('observe-reads', async () => {
    const target = await suite.shared();
    const { capabilities } = suite.harness.engine;
    const before = await suite.harness.writes();
    for (const each of [target, suite.aTarget()]) await suite.client.observe(each, callFor());
    await suite.client.check(callFor());
    await suite.client.options({}, callFor());
    await suite.client.kubeconfig(target, callFor());
    await suite.client.signIn(target, callFor());
    if (capabilities.list) await suite.client.list(callFor());
    if (capabilities.log) await suite.client.log(target, callFor());
    if (capabilities.upgrade) await suite.client.upgrades(target, callFor());
    expect(await suite.harness.writes()).toBe(before);
  });

  rule(
    'observe-progress',
    async () => {
      const target = await suite.begin(suite.aTarget());
      expect(target.operation).toBeTruthy();
      const first = await suite.client.observe(target, callFor());
      expect(first).toMatchObject({ state: 'creating', mine: true });
      const shown: Observation[] = [first];
      const last = await eventually(
        'the cluster runs',
        async () => {
          const seen = await suite.client.observe(target, callFor());
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
    },
    makesNone,
  );

  rule('observe-unknown', async () => {
    const target = await suite.shared();
    const strange = await suite.harness.engine.connect(await suite.harness.faults.strangeState());
    expect(await strange.observe(target, callFor())).toMatchObject({ state: 'unknown', mine: true });
    await strange.close();
  });

  rule(
    'observe-failed',
    async () => {
      await suite.harness.faults.failCreates('The disks of this zone are full.');
      const target = await suite.begin(suite.aTarget());
      const seen = await suite.reach(target, 'error');
      expect(seen.message).toContain('The disks of this zone are full.');
      expect(seen.message).not.toContain('\n');
      expect(seen.detail?.length ?? 0).toBeGreaterThan(seen.message?.length ?? 0);
      await suite.client.delete(target, callFor());
    },
    makesNone,
  );

  rule(
    'create-repeat',
    async () => {
      const target = suite.aTarget();
      const first = await suite.client.create(target, suite.harness.spec, callFor());
      const second = await suite.client.create(target, suite.harness.spec, callFor());
      for (const each of [first, second]) expect(each.id).toBeTruthy();
      const running = { ...target, operation: second.id };
      await suite.reach(running, 'running');
      await suite.client.create(target, suite.harness.spec, callFor());
      expect(await suite.harness.made(target.externalName)).toBe(1);
    },
    makesNone,
  );

  rule(
    'create-twice',
    async () => {
      const target = suite.aTarget();
      const ends = await Promise.allSettled([
        suite.client.create(target, suite.harness.spec, callFor()),
        suite.client.create(target, suite.harness.spec, callFor()),
      ]);
      expect(ends.some(({ status }) => status === 'fulfilled')).toBe(true);
      for (const end of ends) {
        if (end.status === 'fulfilled') expect(end.value.id).toBeTruthy();
        else expect(end.reason).toMatchObject({ kind: 'conflict', retryable: true });
      }
      await suite.reach(target, 'running');
      expect(await suite.harness.made(target.externalName)).toBe(1);
    },
    makesNone,
  );

  rule(
    'create-lost',
    async () => {
      const target = suite.aTarget();
      await suite.harness.faults.loseCreateAnswer();
      const fault = await faultOf(suite.client.create(target, suite.harness.spec, callFor()));
      expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: true, retryable: true });
      const seen = await suite.client.observe(target, callFor());
      expect(seen).toMatchObject({ state: 'creating', mine: true });
      expect((await suite.client.create(target, suite.harness.spec, callFor())).id).toBeTruthy();
      await suite.reach(target, 'running');
      expect(await suite.harness.made(target.externalName)).toBe(1);
    },
    makesNone,
  );

  rule(
    'create-foreign',
    async () => {
      const target = suite.aTarget();
      await suite.harness.makeForeign(target.externalName);
      const before = await suite.client.observe(target, callFor());
      expect(before.mine).toBe(false);
      expect(before.state).not.toBe('absent');
      const { capabilities } = suite.harness.engine;
      const work = [
        () => suite.client.create(target, suite.harness.spec, callFor()),
        () => suite.client.delete(target, callFor()),
        () => suite.client.kubeconfig(target, callFor()),
      ];
      if (capabilities.scale) work.push(() => suite.client.update(target, { nodes: 2 }, callFor()) as Promise<never>);
      for (const each of work) {
        expect(await faultOf(each())).toMatchObject({ kind: 'conflict', retryable: false });
      }
      // The same id in another organisation is another cluster.
      const own = await suite.shared();
      expect((await suite.client.observe({ ...own, org: 'elsewhere' }, callFor())).mine).toBe(false);
      expect((await faultOf(suite.client.delete({ ...own, org: 'elsewhere' }, callFor()))).kind).toBe('conflict');
      expect((await suite.client.observe(own, callFor())).state).toBe('running');
      expect(await suite.harness.made(target.externalName)).toBe(1);
      expect((await suite.client.observe(target, callFor())).state).not.toBe('deleting');
    },
    makesNone,
  );

  rule(
    'outcome-create',
    async () => {
      await suite.harness.faults.stall();
      const target = await suite.begin(suite.aTarget());
      expect((await suite.client.observe(target, callFor())).outcome).toBe('running');
      await suite.harness.faults.clear();
      await eventually(
        'the operation is done',
        async () => {
          const seen = await suite.client.observe(target, callFor());
          return seen.state === 'running' && seen.outcome === 'done';
        },
        { timeoutMs: suite.patienceMs },
      );
    },
    makesNone,
  );

  rule('poll-reads', async () => {
    const target = await suite.shared();
    await suite.client.observe(target, callFor());
    const before = await suite.harness.requests();
    await suite.client.observe(target, callFor());
    const asked = (await suite.harness.requests()) - before;
    expect(asked).toBeLessThanOrEqual(suite.harness.readsPerObserve ?? 3);
  });

  rule(
    'delete-gone',
    async () => {
      const target = await suite.running();
      const operation = await suite.client.delete(target, callFor());
      expect(operation?.id).toBeTruthy();
      await suite.reach({ ...target, operation: operation?.id ?? '' }, 'absent');
    },
    ({ engine }) => !engine.capabilities.delete && 'it deletes no clusters',
  );

  rule(
    'delete-absent',
    async () => {
      expect(await suite.client.delete(suite.aTarget(), callFor())).toBeNull();
    },
    ({ engine }) => !engine.capabilities.delete && 'it deletes no clusters',
  );

  rule(
    'delete-repeat',
    async () => {
      const target = await suite.running();
      const first = await suite.client.delete(target, callFor());
      try {
        await suite.client.delete(target, callFor());
      } catch (thrown) {
        // A provider may refuse a second delete while the first one runs; that passes by itself.
        if (!(thrown instanceof Fault)) throw thrown;
        expect(thrown).toMatchObject({ kind: 'conflict', retryable: true });
      }
      await suite.reach(first ? { ...target, operation: first.id } : target, 'absent');
      expect(await suite.client.delete(target, callFor())).toBeNull();
    },
    ({ engine }) => !engine.capabilities.delete && 'it deletes no clusters',
  );

  rule(
    'delete-cancels',
    async () => {
      await suite.harness.faults.stall();
      const target = await suite.begin(suite.aTarget());
      expect((await suite.client.observe(target, callFor())).state).toBe('creating');
      const operation = await suite.client.delete(target, callFor());
      await suite.harness.faults.clear();
      await suite.reach(operation ? { ...target, operation: operation.id } : target, 'absent');
    },
    ({ engine }) => !engine.capabilities.cancel && 'it cannot stop a create',
  );

  rule(
    'kubeconfig-running',
    async () => {
      expect((await faultOf(suite.client.kubeconfig(suite.aTarget(), callFor()))).kind).toBe('not-found');
      await suite.harness.faults.stall();
      const target = await suite.begin(suite.aTarget());
      expect(await faultOf(suite.client.kubeconfig(target, callFor()))).toMatchObject({
        kind: 'conflict',
        retryable: true,
      });
      await suite.harness.faults.clear();
      const seen = await suite.reach(target, 'running');
      const kubeconfig = await suite.client.kubeconfig(target, callFor());
      expect(kubeconfig).toContain('kind: Config');
      expect(kubeconfig).toContain(seen.endpoint);
    },
    makesNone,
  );

  rule(
    'list-all',
    async () => {
      const target = await suite.shared();
      const foreign = suite.aTarget();
      await suite.harness.makeForeign(foreign.externalName);
      const all = await suite.client.list(callFor());
      expect(all.find((each) => each.cluster === target.cluster)).toMatchObject({
        org: target.org,
        externalName: target.externalName,
        state: 'running',
      });
      const other = all.find((each) => each.externalName.includes(foreign.externalName));
      expect(other).toBeDefined();
      expect(other?.cluster).toBeUndefined();
    },
    ({ engine }) => !engine.capabilities.list && 'it lists nothing',
  );
}
