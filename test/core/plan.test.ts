import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asFault, backoffMs, Fault } from '../../src/core/errors.ts';
import { healthDiffers, healthRecord, verdictOf } from '../../src/core/health.ts';
import { type CreateInput, costText, hashOf, planCreate, planDelete } from '../../src/core/plan.ts';
import type { Caller } from '../../src/core/policy.ts';
import type { ClusterHealth } from '../../src/core/ports/kube.ts';
import type { Provisioner } from '../../src/core/records.ts';
import { sandbox } from '../../src/engines/sandbox/index.ts';
import { sampleCluster } from '../store/parts.ts';

const member: Caller = { person: 'slack:T1:dev', name: 'Dev', role: 'member', org: 'default' };
const provisioner: Provisioner = {
  v: 1,
  id: 'p1',
  org: 'default',
  name: 'lab',
  engine: 'sandbox',
  params: {},
  secretFields: ['token'],
  paramsVersion: 'v1',
  state: 'OK',
  message: 'ok',
  facts: [],
  createdBy: 'x',
  createdAt: 1,
};
const priced = {
  ...sandbox,
  price: (_spec: unknown, prices: unknown) => ({ perHour: Number(prices), currency: 'USD', excludes: [] }),
};
const input: CreateInput = {
  name: 'dev-1',
  provisioner,
  engine: priced,
  spec: { region: 'eu', version: '1.34.2', size: 'small', nodes: 3 },
  purpose: 'development',
  owner: { person: 'slack:T1:dev', name: 'Dev' },
  labels: { team: 'data' },
  options: { choices: {}, prices: 0.2, at: 1 },
};

describe('hashes', () => {
  test('do not depend on the order of keys, nor on what is absent', () => {
    expect(hashOf({ a: 1, b: { c: [1, 2], d: undefined } })).toBe(hashOf({ b: { c: [1, 2] }, a: 1 }));
  });

  test('tell different values apart', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        fc.pre(JSON.stringify(a) !== JSON.stringify(b));
        const sorted = (value: unknown): string =>
          JSON.stringify(value, (_key, inner: unknown) =>
            inner && typeof inner === 'object' && !Array.isArray(inner)
              ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1)))
              : inner,
          );
        fc.pre(sorted(a) !== sorted(b));
        expect(hashOf(a)).not.toBe(hashOf(b));
      }),
    );
  });
});

describe('the plan of a creation', () => {
  test('says what, where, who, what it costs and who decides', () => {
    const plan = planCreate(input, member);
    expect(plan.facts).toEqual([
      { label: 'Cluster', value: 'dev-1, a development cluster' },
      { label: 'Where', value: 'lab (KQueen sandbox)' },
      { label: 'What', value: '3 × small in eu, Kubernetes 1.34.2' },
      { label: 'Owner', value: 'Dev' },
      { label: 'Labels', value: 'team=data' },
    ]);
    expect(costText(plan)).toBe('$0.20 an hour, about $146 a month');
    expect(plan.cost).toMatchObject({ perHour: 0.2, perMonth: 146 });
    expect(plan.approval.needed).toBe(true);
    expect(plan.notice).toMatch(/sandbox/i);
  });

  test('is unknown in its cost rather than free when the provider is silent', () => {
    const plan = planCreate({ ...input, options: null }, member);
    expect(plan.cost).toBeNull();
    expect(costText(plan)).toBe('Unknown: the provider did not tell its prices in time.');
    const unpriced = planCreate({ ...input, engine: { ...priced, price: () => null } }, member);
    expect(costText(unpriced)).toBe('Unknown: the provider lists no price for this.');
    expect(costText({ cost: null })).toBe('Unknown.');
  });

  test.each<[string, CreateInput, Caller]>([
    ['name', { ...input, name: 'dev-2' }, member],
    ['provisioner', { ...input, provisioner: { ...provisioner, id: 'p2' } }, member],
    ['its parameters', { ...input, provisioner: { ...provisioner, paramsVersion: 'v2' } }, member],
    ['spec', { ...input, spec: { ...input.spec, nodes: 4 } }, member],
    ['purpose', { ...input, purpose: 'test' }, member],
    ['owner', { ...input, owner: { person: 'slack:T1:x', name: 'Dev' } }, member],
    ['labels', { ...input, labels: {} }, member],
    ['price', { ...input, options: { choices: {}, prices: 0.3, at: 1 } }, member],
    ['price known or not', { ...input, options: null }, member],
    ['approval', input, { ...member, role: 'admin' }],
  ])('another %s is another plan', (_what, other, caller) => {
    expect(planCreate(other, caller).hash).not.toBe(planCreate(input, member).hash);
  });

  test('when it was read at the provider makes no other plan', () => {
    const later = { ...input, options: { choices: {}, prices: 0.2, at: 99 } };
    expect(planCreate(later, member)).toEqual(planCreate(input, member));
  });
});

describe('the plan of a deletion', () => {
  test('says what dies, or that it is not known', () => {
    const cluster = sampleCluster('c1');
    const seen = planDelete(cluster, sandbox, { nodes: 3, deployments: 2, pods: 9 }, member);
    expect(JSON.stringify(seen.facts)).toContain('3 nodes, 2 deployments, 9 pods');
    const unseen = planDelete(cluster, undefined, undefined, member);
    expect(JSON.stringify(unseen.facts)).toContain('has not seen');
    expect(unseen.disturbs).toContain('cannot be undone');
  });
});

describe('faults', () => {
  test('anything thrown becomes one; its own words go to the detail', () => {
    expect(asFault(new Error('hunter2'))).toMatchObject({
      kind: 'internal',
      detail: expect.stringContaining('hunter2'),
    });
    expect(asFault(new Error('hunter2')).message).not.toContain('hunter2');
    expect(asFault('text').detail).toBe('text');
    const fault = new Fault('quota', 'Full.');
    expect(asFault(fault)).toBe(fault);
    expect([fault.whose, fault.retryable]).toEqual(['admin', false]);
  });

  test('waits double, spread by a fifth, up to the most; what the other side asks for wins', () => {
    const fault = new Fault('unreachable', 'x');
    expect([1, 2, 3, 10, 1_000].map((attempt) => backoffMs(fault, attempt, 0.5))).toEqual([
      1_000, 2_000, 4_000, 60_000, 60_000,
    ]);
    expect([backoffMs(fault, 1, 0), backoffMs(fault, 1, 0.999)]).toEqual([800, 1_200]);
    expect(backoffMs(new Fault('rate-limited', 'x', { retryAfterMs: 7_000 }), 9, 0)).toBe(7_000);
    expect(backoffMs(new Fault('rate-limited', 'x', { retryAfterMs: 1e9 }), 1, 0)).toBe(900_000);
  });
});

describe('health', () => {
  const look = (change: Partial<ClusterHealth> = {}): ClusterHealth => ({
    at: 100,
    conditions: [
      { type: 'APIServerAvailable', status: 'True', reason: 'Ok', message: 'yes', since: 100 },
      { type: 'EveryNodeReady', status: 'True', reason: 'Ok', message: 'yes', since: 100 },
    ],
    nodes: [],
    pods: { total: 1, running: 1 },
    deployments: { total: 1, available: 1 },
    namespaces: 1,
    services: 1,
    problems: [],
    ...change,
  });
  const withStatus = (type: string, status: 'True' | 'False' | 'Unknown', at = 200): ClusterHealth =>
    look({
      at,
      conditions: look().conditions.map((each) => ({ ...each, since: at, ...(each.type === type ? { status } : {}) })),
    });

  // honest-state: Unknown is not OK.
  test('unknown is not healthy', () => {
    expect(verdictOf(look())).toBe('Healthy');
    expect(verdictOf(withStatus('EveryNodeReady', 'False'))).toBe('Degraded');
    expect(verdictOf(withStatus('EveryNodeReady', 'Unknown'))).toBe('Degraded');
    expect(verdictOf(withStatus('APIServerAvailable', 'Unknown'))).toBe('Unreachable');
    expect(verdictOf(look({ conditions: [] }))).toBe('Unreachable');
  });

  test('a condition keeps the time since when it stands, and changes are counted', () => {
    const first = healthRecord('default', 'c', look(), undefined);
    const same = healthRecord('default', 'c', withStatus('x', 'True', 200), first);
    expect(same.conditions.map(({ since }) => since)).toEqual([100, 100]);
    expect([same.since, same.changes]).toEqual([100, 0]);
    expect(healthDiffers(first, same)).toBe(false);
    const worse = healthRecord('default', 'c', withStatus('EveryNodeReady', 'False', 300), same);
    expect(worse.conditions.map(({ since }) => since)).toEqual([100, 300]);
    expect([worse.since, worse.changes, worse.verdict]).toEqual([300, 1, 'Degraded']);
    expect(healthDiffers(same, worse)).toBe(true);
    expect(healthDiffers(undefined, first)).toBe(true);
  });
});
