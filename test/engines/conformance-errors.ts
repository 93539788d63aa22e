import { expect } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { Call, EngineClient, Target } from '../../src/core/ports/engine.ts';
import { callFor, faultOf } from './calls.ts';
import { secretsOf } from './conformance-adopt.ts';
import type { Harness, Suite } from './harness.ts';
import { type OperationName, operations } from './rules.ts';

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
    const secrets = await secretsOf(suite.harness);
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
    const target = suite.aTarget();
    const before = await suite.harness.requests();
    for (const [name, each] of everyCall(suite.harness, suite.client, () => target)) {
      const outcome = await outcomeOf(each(callFor(-1)));
      if (asksNobody.includes(name) && !(outcome instanceof Fault)) continue;
      expect(outcome, name).toMatchObject(
        name === 'check' ? { state: 'Unreachable' } : { kind: 'unreachable', retryable: true, outcomeUnknown: false },
      );
    }
    expect(await suite.harness.requests()).toBe(before);
  });

  rule('call-abort', async () => {
    await suite.harness.faults.hang();
    const target = suite.aTarget();
    for (const [name, each] of everyCall(suite.harness, suite.client, () => target)) {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 50);
      const begun = performance.now();
      const outcome = await outcomeOf(each(callFor(20_000, stop.signal)));
      expect(performance.now() - begun, name).toBeLessThan(1_500);
      if (asksNobody.includes(name) && !(outcome instanceof Fault)) continue;
      expect(outcome, name).toMatchObject({ kind: 'unreachable' });
    }
  });
}

/** Calls that an engine may answer without its provider. */
const asksNobody: OperationName[] = ['signIn'];

/** Every call that the engine has, each with the target that is given for it. */
export function everyCall(
  { engine, spec, update }: Harness,
  client: EngineClient,
  targetOf: (operation: OperationName) => Target,
): [OperationName, (call: Call) => Promise<unknown>][] {
  const { capabilities } = engine;
  const change = capabilities.scale ? { nodes: update.nodes } : { version: update.version };
  const calls: Record<OperationName, ((call: Call) => Promise<unknown>) | false> = {
    observe: (call) => client.observe(targetOf('observe'), call),
    create: capabilities.create && ((call) => client.create(targetOf('create'), spec, call)),
    update: (capabilities.scale || capabilities.upgrade) && ((call) => client.update(targetOf('update'), change, call)),
    delete: capabilities.delete && ((call) => client.delete(targetOf('delete'), call)),
    adopt: capabilities.adopt && ((call) => client.adopt(targetOf('adopt'), call)),
    release: capabilities.adopt && ((call) => client.release(targetOf('release'), call)),
    kubeconfig: (call) => client.kubeconfig(targetOf('kubeconfig'), call),
    signIn: (call) => client.signIn(targetOf('signIn'), call),
    upgrades: capabilities.upgrade && ((call) => client.upgrades(targetOf('upgrades'), call)),
    log: capabilities.log && ((call) => client.log(targetOf('log'), call)),
    list: capabilities.list && ((call) => client.list(call)),
    check: (call) => client.check(call),
    options: (call) => client.options({}, call),
  };
  return operations.flatMap((name) => {
    const each = calls[name];
    return each ? [[name, each] as [OperationName, (call: Call) => Promise<unknown>]] : [];
  });
}

/** What a call gives, whether it is thrown or returned. */
export async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  return work.catch((thrown: unknown) => thrown);
}
