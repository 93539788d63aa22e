/** What a rule makes of what was seen: pure, with the time in numbers. */
import { describe, expect, test } from 'vitest';
import { decideScaling, newAutoscale, ruleDefaults, type ScalingLook, scalingTimes } from '../../src/core/autoscale.ts';
import type { PoolSight } from '../../src/core/ports/scaling.ts';
import type { Autoscale, Job, ScalingRule } from '../../src/core/records.ts';

const now = Date.parse('2026-11-21T14:05:00Z');
const minute = 60_000;

const rule = (change: Partial<ScalingRule> = {}): ScalingRule => ({
  ...{ min: 1, max: 5, ...ruleDefaults, by: 'slack:T1:grace', byName: 'Grace', at: now },
  place: { chat: 'slack', workspace: 'T1', conversation: 'C1' },
  ...change,
});

const pool = (change: Partial<PoolSight> = {}): PoolSight => ({
  ...{ pool: 'workers', nodes: ['n1', 'n2'], idle: [], kept: [] },
  waiting: { pods: 0, some: [], since: 0, needs: 0 },
  ...change,
});
const waiting = (needs: number, pods = needs) => ({ pods, some: ['shop/web-1'], since: now - minute, needs });
const idle = (node = 'n2', pods = 0) => [{ node, use: 0.1, pods }];

interface Change extends Partial<Omit<ScalingLook, 'seen'>> {
  seen?: PoolSight;
  nodes?: number;
  helpless?: ScalingLook['seen']['helpless'];
}

function decide({ seen = pool(), nodes = 2, helpless = { pods: 0, some: [] }, ...change }: Change = {}) {
  return decideScaling({
    ...{ rules: { workers: rule() }, pools: [{ name: 'workers', nodes }], retires: true },
    ...{ before: newAutoscale('default', 'c1', now - 30_000), now },
    ...change,
    seen: { at: now, pools: [seen], helpless },
  });
}

/** What was remembered when the node had been little used since then. */
const idleSince = (since: number, change: Partial<Autoscale> = {}): Autoscale => ({
  ...newAutoscale('default', 'c1', now - 30_000),
  pools: { workers: { idle: { n2: since } } },
  ...change,
});
const job = (state: Job['state'], endedAt?: number): Job =>
  ({ state, ...(endedAt === undefined ? {} : { endedAt }) }) as Job;

describe('more nodes', () => {
  test('as many as are needed, and at most three at once', () => {
    expect(decide({ seen: pool({ waiting: waiting(1) }) }).act).toMatchObject({ from: 2, to: 3 });
    expect(decide({ seen: pool({ waiting: waiting(9) }), rules: { workers: rule({ max: 20 }) } }).act).toMatchObject({
      to: 2 + scalingTimes.most,
    });
  });

  test('never past the bound; what that leaves waiting is told once, and again only after it was over', () => {
    expect(decide({ seen: pool({ waiting: waiting(3) }), rules: { workers: rule({ max: 3 }) } }).act?.to).toBe(3);
    const full = { seen: pool({ waiting: waiting(1) }), rules: { workers: rule({ max: 2 }) } };
    const first = decide(full);
    expect(first.act).toBeNull();
    expect(first.alert?.text).toMatch(/1 pod waits for a node of workers since 14:04 UTC .* of 2 that it may have/);
    const second = decide({ ...full, before: first.after, now: now + 30_000 });
    expect(second.alert).toBeUndefined();
    // Over for less than it takes: still the same.
    const calm = decide({ ...full, seen: pool(), before: second.after, now: now + minute });
    expect(decide({ ...full, before: calm.after, now: now + 2 * minute }).alert).toBeUndefined();
    const after = { ...calm.after, at: now + scalingTimes.fullMs + 2 * minute };
    expect(decide({ ...full, before: after, now: after.at + 30_000 }).alert).toBeDefined();
  });

  test('nodes that are still coming count', () => {
    const seen = pool({ waiting: waiting(1), nodes: ['n1', 'n2'] });
    const coming = decide({ seen, nodes: 3 });
    expect(coming.act).toBeNull();
    expect(coming.after.said.at(-1)?.text).toMatch(/1 node is on the way/);
    expect(decide({ seen: pool({ waiting: waiting(2) }), nodes: 3 }).act?.to).toBe(4);
  });

  test('a pause after the last, counted from its end; a longer one after a failure', () => {
    const seen = pool({ waiting: waiting(1) });
    const upJob = job('Succeeded', now - scalingTimes.afterUpMs + 1_000);
    const paused = decide({ seen, upJob });
    expect(paused.act).toBeNull();
    expect(paused.after.said.at(-1)?.text).toMatch(
      /waits until 14:05 UTC with workers, because nodes were added lately/,
    );
    expect(decide({ seen, upJob: job('Succeeded', now - scalingTimes.afterUpMs) }).act).not.toBeNull();
    const failed = decide({ seen, upJob: job('Failed', now - scalingTimes.afterUpMs - 1) });
    expect(failed.act).toBeNull();
    expect(failed.after.said.at(-1)?.text).toMatch(/because its last change failed/);
    expect(decide({ seen, upJob: job('Failed', now - scalingTimes.afterFailureMs) }).act).not.toBeNull();
    // A job whose record is gone has left its time.
    const before = {
      ...newAutoscale('default', 'c1', now - 1),
      up: { job: 'j', at: now - 1_000, pool: 'workers', to: 2 },
    };
    expect(decide({ seen, before }).act).toBeNull();
  });

  test('fewer than declared are made up for, without any pod that waits', () => {
    expect(decide({ nodes: 2, rules: { workers: rule({ min: 3 }) } }).act).toMatchObject({ to: 3, from: 2 });
  });
});

describe('fewer nodes', () => {
  test('only after it has been so for long enough, without a gap in what was seen', () => {
    const seen = pool({ idle: idle() });
    expect(decide({ seen, before: idleSince(now - 9 * minute) }).act).toBeNull();
    const due = decide({ seen, before: idleSince(now - 10 * minute) });
    expect(due.act).toMatchObject({ node: 'n2', from: 2, to: 1 });
    expect(due.act?.why).toMatch(/^n2 is little used \(10 %\) since 13:55 UTC, and nothing on it has to move\.$/);
    const blind = idleSince(now - 60 * minute, { at: now - scalingTimes.blindMs - 1 });
    expect(decide({ seen, before: blind }).act).toBeNull();
    expect(decide({ seen, before: blind }).after.pools.workers?.idle).toEqual({ n2: now });
    // Busy once in between: it begins anew.
    const busy = decide({ before: idleSince(now - 60 * minute) });
    expect(busy.after.pools.workers?.idle).toEqual({});
  });

  test('not below the bound, not while pods wait, not while nodes come or are missing', () => {
    const seen = pool({ idle: idle() });
    const before = idleSince(now - 60 * minute);
    expect(decide({ seen, before, rules: { workers: rule({ min: 2 }) } }).act).toBeNull();
    expect(
      decide({ seen: pool({ idle: idle(), waiting: waiting(1) }), before, rules: { workers: rule({ max: 2 }) } }).act,
    ).toBeNull();
    expect(decide({ seen, before, nodes: 3 }).act).toBeNull();
  });

  test('a pause after any change of a rule', () => {
    const seen = pool({ idle: idle() });
    const before = idleSince(now - 60 * minute);
    for (const which of ['upJob', 'downJob'] as const) {
      const lately = { [which]: job('Succeeded', now - scalingTimes.beforeDownMs + minute) };
      const paused = decide({ seen, before, ...lately });
      expect(paused.act).toBeNull();
      expect(paused.after.said.at(-1)?.text).toMatch(/because the cluster was scaled lately/);
      expect(decide({ seen, before, [which]: job('Succeeded', now - scalingTimes.beforeDownMs) }).act).not.toBeNull();
    }
  });

  test('where no machine can be chosen it says so and only adds', () => {
    const verdict = decide({ seen: pool({ idle: idle() }), before: idleSince(now - 60 * minute), retires: false });
    expect(verdict.act).toBeNull();
    expect(verdict.after.said.at(-1)?.text).toMatch(/cannot be told which machine is to go, so KQueen only adds nodes/);
  });

  test('what stays is said with its reason, once', () => {
    const seen = pool({ kept: [{ node: 'n1', why: 'has shop/db-0, which keeps data on the node' }] });
    const first = decide({ seen });
    expect(first.after.said.map(({ text }) => text)).toEqual([
      'n1 is little used and stays: it has shop/db-0, which keeps data on the node.',
    ]);
    expect(decide({ seen, before: first.after, now: now + 30_000 }).after.said).toHaveLength(1);
  });
});

test('a pool that is gone, that the provider scales, or of which nothing is known is left alone', () => {
  const says = (change: Change) => decide(change).after.said.at(-1)?.text;
  expect(says({ pools: [] })).toMatch(/no node pool workers any more/);
  const byProvider = [{ name: 'workers', nodes: 2, autoscale: { min: 1, max: 3 } }];
  expect(says({ pools: byProvider, seen: pool({ waiting: waiting(1) }) })).toMatch(/provider scales workers itself/);
  expect(says({ seen: pool({ unknown: 'The nodes carry no label.' }) })).toBe('The nodes carry no label.');
  const helpless = { pods: 2, some: [{ pod: 'shop/big', why: 'it asks for more CPU than there is room for' }] };
  expect(says({ helpless })).toBe(
    'No new node would help shop/big that waits: it asks for more CPU than there is room for. And 1 more.',
  );
});
