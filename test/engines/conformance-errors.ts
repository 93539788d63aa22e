import { expect } from 'vitest';
import type { Call, Target } from '../../src/core/ports/engine.ts';
import { secretKeys } from '../../src/core/schema.ts';
import { callFor, faultOf } from './calls.ts';
import type { Suite } from './harness.ts';

/** What goes wrong, and how every call ends in time. */
export function errorRules(suite: Suite): void {
  const { rule } = suite;

  rule('error-credentials', async () => {
    const refused = await suite.harness.engine.connect(suite.harness.badParams);
    const target = suite.aTarget();
    for (const each of [
      () => refused.create(target, suite.harness.spec, callFor()),
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
    await suite.harness.faults.exhaustQuota();
    const target = suite.aTarget();
    const fault = await faultOf(suite.client.create(target, suite.harness.spec, callFor()));
    expect(fault).toMatchObject({ kind: 'quota', retryable: false, outcomeUnknown: false });
    expect(fault.next).toBeTruthy();
    expect((await suite.client.observe(target, callFor())).state).toBe('absent');
  });

  rule('error-input', async () => {
    const target = suite.aTarget();
    const fault = await faultOf(suite.client.create(target, suite.harness.badSpec.spec, callFor()));
    expect(fault).toMatchObject({ kind: 'bad-input', retryable: false, field: suite.harness.badSpec.field });
    expect((await suite.client.observe(target, callFor())).state).toBe('absent');
  });

  rule('error-rate', async () => {
    await suite.harness.faults.limitRate(42);
    for (const each of [
      () => suite.client.create(suite.aTarget(), suite.harness.spec, callFor()),
      () => suite.client.observe(suite.aTarget(), callFor()),
    ]) {
      expect(await faultOf(each())).toMatchObject({ kind: 'rate-limited', retryAfterMs: 42_000, retryable: true });
    }
  });

  rule('error-unreachable', async () => {
    await suite.harness.faults.refuse();
    // A new client: a request on a connection that is cut under it may have arrived.
    const fresh = await suite.harness.engine.connect(suite.harness.params);
    const target = suite.aTarget();
    for (const each of [
      () => fresh.create(target, suite.harness.spec, callFor()),
      () => fresh.observe(target, callFor()),
      () => fresh.delete(target, callFor()),
    ]) {
      expect(await faultOf(each())).toMatchObject({ kind: 'unreachable', retryable: true, outcomeUnknown: false });
    }
    await fresh.close();
  });

  rule('error-strange', async () => {
    const target = await suite.running();
    await suite.harness.faults.webPage();
    expect(await faultOf(suite.client.observe(target, callFor()))).toMatchObject({ kind: 'unreachable' });
    expect((await faultOf(suite.client.kubeconfig(target, callFor()))).message).toMatch(/web page/);
    expect(await faultOf(suite.client.delete(target, callFor()))).toMatchObject({ kind: 'unreachable' });
    await suite.harness.faults.clear();
    expect((await suite.client.observe(target, callFor())).state).toBe('running');
  });

  rule('error-secrets', async () => {
    const secrets = secretKeys(suite.harness.engine.provisioner).flatMap((key) => [
      String(suite.harness.params[key]),
      String(suite.harness.badParams[key]),
    ]);
    const refused = await suite.harness.engine.connect(suite.harness.badParams);
    const faults = [
      await faultOf(refused.create(suite.aTarget(), suite.harness.spec, callFor())),
      await faultOf(suite.client.create(suite.aTarget(), suite.harness.badSpec.spec, callFor())),
    ];
    await suite.harness.faults.webPage();
    faults.push(await faultOf(suite.client.observe(suite.aTarget(), callFor())));
    await refused.close();
    for (const fault of faults) {
      const emitted = [fault.message, fault.next, fault.detail, fault.stack].join('\n');
      for (const secret of secrets) expect(emitted).not.toContain(secret);
    }
  });

  rule('call-deadline', async () => {
    await suite.harness.faults.hang();
    const target = suite.aTarget();
    for (const [name, each] of everyCall(suite, target)) {
      const begun = performance.now();
      const outcome = await outcomeOf(each(callFor(300)));
      expect(performance.now() - begun, name).toBeLessThan(1_500);
      expect(outcome, name).toMatchObject(
        name === 'check' ? { state: 'Unreachable' } : { kind: 'unreachable', retryable: true },
      );
      if (name === 'create') expect(outcome).toMatchObject({ outcomeUnknown: true });
    }
    expect(await faultOf(suite.client.create(target, suite.harness.spec, callFor(-1)))).toMatchObject({
      outcomeUnknown: false,
    });
  });

  rule('call-abort', async () => {
    await suite.harness.faults.hang();
    for (const [name, each] of everyCall(suite, suite.aTarget())) {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 50);
      const begun = performance.now();
      expect((await faultOf(each(callFor(20_000, stop.signal)))).kind, name).toBe('unreachable');
      expect(performance.now() - begun, name).toBeLessThan(1_500);
    }
  });
}

function everyCall(suite: Suite, target: Target): [string, (call: Call) => Promise<unknown>][] {
  const all: [string, (call: Call) => Promise<unknown>][] = [
    ['observe', (call) => suite.client.observe(target, call)],
    ['create', (call) => suite.client.create(target, suite.harness.spec, call)],
    ['delete', (call) => suite.client.delete(target, call)],
    ['kubeconfig', (call) => suite.client.kubeconfig(target, call)],
    ['options', (call) => suite.client.options({}, call)],
    ['check', (call) => suite.client.check(call)],
  ];
  const { capabilities } = suite.harness.engine;
  if (capabilities.list) all.push(['list', (call) => suite.client.list(call)]);
  if (capabilities.scale) all.push(['update', (call) => suite.client.update(target, { nodes: 2 }, call)]);
  return all;
}

async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  return work.catch((thrown: unknown) => thrown);
}
