import { inspect } from 'node:util';
import { expect } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { CheckResult, Target } from '../../src/core/ports/engine.ts';
import { eventually } from '../servers.ts';
import { callFor } from './calls.ts';
import { secretsOf } from './conformance-adopt.ts';
import { everyCall, outcomeOf } from './conformance-errors.ts';
import type { Harness, Suite } from './harness.ts';
import { type FaultName, type OperationName, operations } from './rules.ts';
import { wrongCertificates } from './wrong-certificates.ts';

/** Calls that change something, and so can have an outcome that is not known. */
const changing: readonly OperationName[] = ['create', 'update', 'delete', 'adopt', 'release'];

/** What one fault is like. */
interface Meeting {
  /** Shows the fault; gives words that every Fault then has to have, such as the permission that is missing. */
  begin(harness: Harness): Promise<string | undefined> | undefined;
  /** Parameters of the client that meets it; by default those that work, and the client has signed in before. */
  params?(harness: Harness): Promise<Record<string, unknown>>;
  /** Whether a change may have taken effect. Then each call that changes something has a cluster of its own. */
  mayHappen: boolean;
  /** How long each call has, in milliseconds (default 10 s). */
  ms?: number;
  /** What the Fault has to be like. */
  fault: Record<string, unknown>;
  check: CheckResult['state'];
}

const unreachable = { kind: 'unreachable', retryable: true };
const never = { outcomeUnknown: false };
const refused = { kind: 'not-allowed', retryable: false, whose: 'admin', ...never };

const meetings: Record<Exclude<FaultName, 'lost-answer' | 'certificate'>, Meeting> = {
  credentials: {
    begin: () => undefined,
    params: async ({ badParams }) => badParams,
    mayHappen: false,
    fault: refused,
    check: 'Error',
  },
  permission: {
    begin: ({ faults }) => hook(faults.forbid, 'forbid')(),
    mayHappen: false,
    fault: refused,
    check: 'Error',
  },
  rate: {
    begin: ({ faults }) => faults.limitRate(42).then(() => undefined),
    mayHappen: false,
    fault: { kind: 'rate-limited', retryable: true, retryAfterMs: 42_000, ...never },
    check: 'Unreachable',
  },
  'server-error': {
    begin: ({ faults }) => hook(faults.serverError, 'serverError')().then(() => undefined),
    mayHappen: true,
    fault: unreachable,
    check: 'Unreachable',
  },
  'cut-answer': {
    begin: ({ faults }) => hook(faults.cutAnswer, 'cutAnswer')().then(() => undefined),
    mayHappen: true,
    fault: unreachable,
    check: 'Unreachable',
  },
  hang: {
    begin: ({ faults }) => faults.hang().then(() => undefined),
    mayHappen: true,
    ms: 300,
    fault: unreachable,
    check: 'Unreachable',
  },
  refused: {
    begin: ({ faults }) => faults.refuse().then(() => undefined),
    // A new client: a request on a connection that is cut under it may have arrived.
    params: async ({ params }) => params,
    mayHappen: false,
    fault: { ...unreachable, ...never },
    check: 'Unreachable',
  },
  'web-page': {
    begin: ({ faults }) => faults.webPage().then(() => undefined),
    mayHappen: true,
    fault: { kind: 'unreachable' },
    check: 'Unreachable',
  },
};

function hook<T>(given: T | undefined, name: string): T {
  if (!given) throw new Error(`the harness has no ${name}; give a reason in skip`);
  return given;
}

/** Every call of the contract under every fault: the right kind, whether to repeat it, whether it may have happened, and no secret in it. */
export function faultRules(suite: Suite): void {
  for (const [id, meeting] of Object.entries(meetings) as [keyof typeof meetings, Meeting][]) {
    suite.fault(id, async () => (suite.skip[id] ? allCells(suite.skip[id]) : meet(suite, id, meeting)));
  }

  suite.fault('certificate', async () => {
    const reason = suite.skip.certificate;
    if (reason) return allCells(reason);
    const wrong = await wrongCertificates(suite.harness);
    try {
      return await meet(suite, 'certificate', {
        begin: () => Promise.resolve('certificate'),
        params: async () => wrong.params,
        mayHappen: false,
        fault: { ...unreachable, whose: 'admin', ...never },
        check: 'Unreachable',
      });
    } finally {
      await wrong.close();
    }
  });

  suite.fault('lost-answer', async () =>
    suite.skip['lost-answer'] ? allCells(suite.skip['lost-answer']) : lose(suite),
  );
}

/** Makes every call while the fault is shown and looks at what comes of it. */
async function meet(suite: Suite, id: FaultName, meeting: Meeting): Promise<Record<OperationName, string>> {
  const { harness } = suite;
  const targets = await targetsFor(suite, meeting.mayHappen);
  const client = await harness.engine.connect((await meeting.params?.(harness)) ?? harness.params);
  const silent = await callsOfNobody(suite, targets);
  if (!meeting.params) await client.observe(suite.aTarget(), callFor());
  const secrets = await secretsOf(harness);
  const writes = await harness.writes();
  const words = await meeting.begin(harness);

  const cells = allCells(null);
  const problems: string[] = [];
  let unknown = 0;
  await Promise.all(
    everyCall(harness, client, (operation) => targets[operation]).map(async ([operation, ask]) => {
      const skipped = suite.skip[`${operation}/${id}`];
      cells[operation] = skipped ?? 'ok';
      if (skipped) return;
      const begun = performance.now();
      const outcome = await outcomeOf(ask(callFor(meeting.ms ?? 10_000)));
      const took = performance.now() - begun;
      if (outcome instanceof Fault && outcome.outcomeUnknown) unknown += 1;
      if (silent.has(operation) && !(outcome instanceof Error)) {
        cells[operation] = 'it asks nobody';
        return;
      }
      try {
        if (meeting.ms !== undefined) expect(took).toBeLessThan(meeting.ms + 1_500);
        look(operation, outcome, meeting, words);
        const emitted = inspect(outcome, { depth: 12, maxStringLength: null, maxArrayLength: null });
        expect(secrets.filter((secret) => emitted.includes(secret)).map((secret) => `${secret.slice(0, 4)}…`)).toEqual(
          [],
        );
      } catch (thrown) {
        problems.push(
          `${operation}: ${describe(outcome)}\n${thrown instanceof Error ? thrown.message : String(thrown)}`,
        );
      }
    }),
  );
  await client.close();
  await harness.faults.clear();
  // What arrived and may have been done is never called undone.
  const arrived = (await harness.writes()) - writes;
  if (meeting.mayHappen && arrived > unknown) {
    problems.push(`${arrived} changes arrived, and only ${unknown} Faults say that they may have taken effect`);
  }
  if (problems.length > 0) throw new Error(`${id}:\n${problems.join('\n\n')}`);
  return cells;
}

function look(operation: OperationName, outcome: unknown, meeting: Meeting, words: string | undefined): void {
  if (operation === 'check') {
    const result = outcome as CheckResult;
    expect(result).toMatchObject({ state: meeting.check, message: expect.stringMatching(/.\.$/s), facts: [] });
    expect(result.next).toBeTruthy();
    if (words) expect(`${result.message} ${result.next}`).toContain(words);
    return;
  }
  expect(outcome).toBeInstanceOf(Fault);
  const fault = outcome as Fault;
  expect(fault).toMatchObject(meeting.fault);
  expect(fault.next).toBeTruthy();
  expect(fault.message).not.toMatch(/\n|undefined|\[object/);
  if (words) expect(`${fault.message} ${fault.next}`).toContain(words);
  if (!changing.includes(operation)) expect(fault.outcomeUnknown).toBe(false);
}

/** Changes that are carried out while nobody hears of it: said to be unknown, seen by looking, and made once. */
async function lose(suite: Suite): Promise<Record<OperationName, string>> {
  const { harness } = suite;
  const targets = await targetsFor(suite, true);
  const client = await harness.engine.connect(harness.params);
  await client.observe(suite.aTarget(), callFor());
  await hook(harness.faults.loseAnswers, 'loseAnswers')();
  const cells = allCells('it changes nothing');
  for (const operation of changing) cells[operation] = lacking;
  const asked = everyCall(harness, client, (operation) => targets[operation]).filter(([name]) =>
    changing.includes(name),
  );
  await Promise.all(
    asked.map(async ([operation, ask]) => {
      const skipped = suite.skip[`${operation}/lost-answer`];
      cells[operation] = skipped ?? 'ok';
      if (skipped) return;
      const outcome = await outcomeOf(ask(callFor()));
      expect(outcome, operation).toMatchObject({ ...unreachable, outcomeUnknown: true });
    }),
  );
  await harness.faults.clear();
  const seen = (operation: OperationName) => client.observe(targets[operation], callFor());
  const wait = { timeoutMs: suite.patienceMs };
  const looks: Partial<Record<OperationName, () => Promise<unknown>>> = {
    async create() {
      expect(['creating', 'running']).toContain((await seen('create')).state);
      await client.create(targets.create, harness.spec, callFor());
      await suite.reach(targets.create, 'running');
      expect(await harness.made(targets.create.externalName)).toBe(1);
    },
    async update() {
      const { capabilities } = harness.engine;
      const { nodes, version } = harness.update;
      await suite.drive(targets.update, capabilities.scale ? { nodes } : { version });
      expect(await seen('update')).toMatchObject(capabilities.scale ? { nodes } : { version });
    },
    delete: () => eventually('the cluster is gone', async () => (await seen('delete')).state === 'absent', wait),
    adopt: () => eventually('the cluster is adopted', async () => (await seen('adopt')).mine, wait),
    release: () => eventually('the cluster is released', async () => !(await seen('release')).mine, wait),
  };
  await Promise.all(asked.map(([operation]) => cells[operation] === 'ok' && looks[operation]?.()));
  await client.close();
  return cells;
}

const lacking = 'the engine has no such call';

function allCells(reason: string | null): Record<OperationName, string> {
  return Object.fromEntries(operations.map((each) => [each, reason ?? lacking])) as Record<OperationName, string>;
}

/** The clusters that the calls of one fault are about: the shared one, or for changes that may happen one for each. */
async function targetsFor(suite: Suite, apart: boolean): Promise<Record<OperationName, Target>> {
  const { capabilities } = suite.harness.engine;
  const shared = await suite.shared();
  const targets = Object.fromEntries(operations.map((each) => [each, shared])) as Record<OperationName, Target>;
  if (capabilities.create) targets.create = suite.aTarget();
  if (!apart) return targets;
  const own = async (operation: OperationName, has: boolean, made: () => Promise<Target>) => {
    if (has) targets[operation] = await made();
  };
  await Promise.all([
    own('update', capabilities.scale || capabilities.upgrade, suite.running),
    own('delete', capabilities.delete, suite.running),
    own('release', capabilities.adopt, suite.running),
    own('adopt', capabilities.adopt, suite.foreign),
  ]);
  return targets;
}

/** Reads that do not ask the provider at all, and so cannot meet its faults. */
async function callsOfNobody(suite: Suite, targets: Record<OperationName, Target>): Promise<Set<OperationName>> {
  const silent = new Set<OperationName>();
  const client = await suite.harness.engine.connect(suite.harness.params);
  await client.observe(suite.aTarget(), callFor());
  for (const [operation, ask] of everyCall(suite.harness, client, () => targets.observe)) {
    if (changing.includes(operation) || operation === 'observe') continue;
    const before = await suite.harness.requests();
    await ask(callFor());
    if ((await suite.harness.requests()) === before) silent.add(operation);
  }
  await client.close();
  return silent;
}

function describe(outcome: unknown): string {
  if (outcome instanceof Fault) {
    const { kind, message, next, retryable, whose, outcomeUnknown, retryAfterMs, detail } = outcome;
    return inspect({ kind, message, next, retryable, whose, outcomeUnknown, retryAfterMs, detail }, { depth: 3 });
  }
  return inspect(outcome, { depth: 2 });
}
