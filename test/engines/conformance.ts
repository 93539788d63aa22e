import { afterAll, beforeAll, beforeEach, describe, it } from 'vitest';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { eventually } from '../servers.ts';
import { callFor } from './calls.ts';
import { adoptRules } from './conformance-adopt.ts';
import { declaredRules } from './conformance-declared.ts';
import { errorRules } from './conformance-errors.ts';
import { faultRules } from './conformance-faults.ts';
import { lifecycleRules } from './conformance-lifecycle.ts';
import { updateRules } from './conformance-update.ts';
import { drive, runsOrFails } from './drive.ts';
import type { Harness, Suite } from './harness.ts';
import { checkMatrix, type Matrix } from './matrix.ts';
import { faults, rules, type Skips } from './rules.ts';

/** Runs the suite that every engine must pass; `skip` names what this one cannot have, with the reason. */
export function engineConformance(options: {
  name: string;
  open(): Promise<Harness>;
  skip?: Skips;
  /** How long a create or delete may take at the provider of the test, in milliseconds (default 20 s). */
  patienceMs?: number;
}): void {
  const patienceMs = options.patienceMs ?? 20_000;
  const skip = options.skip ?? {};
  const results: Matrix = { rules: {}, faults: {} };

  describe(`engine ${options.name}`, () => {
    let harness: Harness | undefined;
    let client: EngineClient | undefined;
    let shared: Promise<Target> | undefined;
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
      await harness?.faults.clear();
    });

    const suite: Suite = {
      patienceMs,
      skip,
      get harness() {
        if (!harness) throw new Error('the harness is not open');
        return harness;
      },
      get client() {
        if (!client) throw new Error('the engine is not connected');
        return client;
      },
      rule(id, test, unable) {
        it(
          rules[id],
          async (ctx) => {
            const reason = skip[id] ?? (unable?.(suite.harness) || undefined);
            if (reason !== undefined) {
              console.warn(`skipped: engine ${options.name}, ${id}: ${reason}`);
              results.rules[id] = reason;
              ctx.skip(reason);
            }
            await test();
            results.rules[id] = 'ok';
          },
          patienceMs * 3,
        );
      },
      fault(id, test) {
        it(
          `meets ${faults[id]} in every call`,
          async () => {
            results.faults[id] = await test();
          },
          patienceMs * 3,
        );
      },
      aTarget() {
        counter += 1;
        return {
          org: 'default',
          cluster: `id${counter}`,
          externalName: `kq-conformance-${counter}`,
          spec: suite.harness.spec,
        };
      },
      async begin(target) {
        const operation = await suite.client.create(target, suite.harness.spec, callFor());
        return { ...target, operation: operation.id };
      },
      async reach(target, state) {
        return eventually(
          `${target.externalName} is ${state}`,
          async () => {
            const seen = await suite.client.observe(target, callFor());
            if (state !== 'error') runsOrFails(seen);
            return seen.state === state ? seen : null;
          },
          { timeoutMs: patienceMs, everyMs: 50 },
        );
      },
      async running() {
        if (suite.harness.existing) return suite.harness.existing();
        const begun = await suite.begin(suite.aTarget());
        const seen = await suite.reach(begun, 'running');
        return seen.externalId ? { ...begun, externalId: seen.externalId } : begun;
      },
      shared() {
        shared ??= suite.running();
        return shared;
      },
      async foreign() {
        const target = suite.aTarget();
        await suite.harness.makeForeign(target.externalName);
        return eventually(
          'the foreign cluster runs',
          async () => {
            const listed = (await suite.client.list(callFor())).find((each) =>
              each.externalName.includes(target.externalName),
            );
            if (listed?.state !== 'running') return null;
            const { externalName, externalId, spec } = listed;
            return { ...target, externalName, spec: spec ?? {}, ...(externalId ? { externalId } : {}) };
          },
          { timeoutMs: patienceMs, everyMs: 50 },
        );
      },
      drive: (target, update) => drive(suite.client, target, update, patienceMs),
    };

    lifecycleRules(suite);
    updateRules(suite);
    adoptRules(suite);
    errorRules(suite);
    declaredRules(suite);
    faultRules(suite);

    it('is what the matrix of engines says of it', (ctx) => {
      const problem = checkMatrix(options.name, results);
      if (problem === 'incomplete') ctx.skip('not every rule and every fault was run and passed');
      if (problem !== null) throw new Error(problem);
    });
  });
}
