import { afterAll, beforeAll, beforeEach, describe, it } from 'vitest';
import type { EngineClient } from '../../src/core/ports/engine.ts';
import { eventually } from '../servers.ts';
import { callFor } from './calls.ts';
import { declaredRules } from './conformance-declared.ts';
import { errorRules } from './conformance-errors.ts';
import { lifecycleRules } from './conformance-lifecycle.ts';
import type { Harness, Suite } from './harness.ts';
import { rules, type Skips } from './rules.ts';

/** Runs the suite that every engine must pass; `skip` names what this one cannot have, with the reason. */
export function engineConformance(options: {
  name: string;
  open(): Promise<Harness>;
  skip?: Skips;
  /** How long a create or delete may take at the provider of the test, in milliseconds (default 20 s). */
  patienceMs?: number;
}): void {
  const patienceMs = options.patienceMs ?? 20_000;

  describe(`engine ${options.name}`, () => {
    let harness: Harness | undefined;
    let client: EngineClient | undefined;
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
            const reason = options.skip?.[id] ?? (unable?.(suite.harness.engine) || undefined);
            if (reason !== undefined) {
              console.warn(`skipped: engine ${options.name}, ${id}: ${reason}`);
              ctx.skip(reason);
            }
            await test();
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
      async reach(target, state) {
        return eventually(
          `${target.externalName} is ${state}`,
          async () => {
            const seen = await suite.client.observe(target, callFor());
            if (seen.state === 'error' && state !== 'error') throw new Error(`failed: ${seen.message}`);
            return seen.state === state ? seen : null;
          },
          { timeoutMs: patienceMs, everyMs: 50 },
        );
      },
      async running() {
        const target = suite.aTarget();
        await suite.client.create(target, suite.harness.spec, callFor());
        await suite.reach(target, 'running');
        return target;
      },
    };

    lifecycleRules(suite);
    errorRules(suite);
    declaredRules(suite);
  });
}
