/** Whether pods fit onto nodes, as the scheduler filters; and which nodes belong to which pool. Pure. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodesFor, place, spaceOf, tolerates, whyNot } from '../../src/kube/autoscale/fit.ts';
import { nodesByPool } from '../../src/kube/autoscale/pools.ts';
import { type NodeShape, type PodShape, shapeOfNode, shapeOfPod } from '../../src/kube/autoscale/shapes.ts';

const node = (change: Partial<NodeShape> = {}): NodeShape => ({
  ...{ name: 'n1', labels: {}, taints: [], cordoned: false, ready: true, others: {}, since: 0, keep: false },
  allocatable: { cpu: 2, memory: 4e9, pods: 10 },
  ...change,
});
const pod = (change: Partial<PodShape> = {}, cpu = 1): PodShape => ({
  ...{ namespace: 'shop', name: 'web', node: '', others: {}, nodeSelector: {}, terms: [], tolerations: [], claims: [] },
  ...{
    between: false,
    controller: 'ReplicaSet',
    mirror: false,
    local: false,
    labels: {},
    safeToEvict: '',
    priority: 0,
  },
  ...{ requests: { cpu, memory: 1e9, pods: 1 }, why: '' },
  ...change,
});
const why = (one: PodShape, on: NodeShape, beside: PodShape[] = []) => whyNot(one, spaceOf(on, beside));

describe('one pod and one node', () => {
  test.each<[string, PodShape, NodeShape, PodShape[], RegExp | null]>([
    ['room', pod(), node(), [pod()], null],
    ['no CPU', pod({}, 1.5), node(), [pod()], /more CPU/],
    ['no memory', pod({ requests: { cpu: 0, memory: 5e9, pods: 1 } }), node(), [], /more memory/],
    ['no place', pod({}, 0), node({ allocatable: { cpu: 2, memory: 4e9, pods: 1 } }), [pod({}, 0)], /one more pod/],
    ['a GPU', pod({ others: { 'nvidia.com/gpu': 1 } }), node(), [], /more nvidia\.com\/gpu/],
    ['a GPU there', pod({ others: { 'nvidia.com/gpu': 1 } }), node({ others: { 'nvidia.com/gpu': 1 } }), [], null],
    ['selector', pod({ nodeSelector: { disk: 'ssd' } }), node(), [], /other labels/],
    ['selector met', pod({ nodeSelector: { disk: 'ssd' } }), node({ labels: { disk: 'ssd' } }), [], null],
    [
      'taint',
      pod(),
      node({ taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] }),
      [],
      /does not tolerate gpu/,
    ],
    ['a taint that only prefers', pod(), node({ taints: [{ key: 'gpu', effect: 'PreferNoSchedule' }] }), [], null],
  ])('%s', (_about, one, on, beside, says) => {
    const said = why(one, on, beside);
    if (says === null) expect(said).toBeNull();
    else expect(said).toMatch(says);
  });

  test.each<[string, object, Record<string, string>, boolean]>([
    ['In', { key: 'zone', operator: 'In', values: ['a', 'b'] }, { zone: 'b' }, true],
    ['In, without', { key: 'zone', operator: 'In', values: ['a'] }, {}, false],
    ['NotIn, without', { key: 'zone', operator: 'NotIn', values: ['a'] }, {}, true],
    ['Exists', { key: 'zone', operator: 'Exists' }, { zone: '' }, true],
    ['DoesNotExist', { key: 'zone', operator: 'DoesNotExist' }, { zone: 'a' }, false],
    ['Gt', { key: 'cores', operator: 'Gt', values: ['4'] }, { cores: '8' }, true],
    ['Lt', { key: 'cores', operator: 'Lt', values: ['4'] }, { cores: '8' }, false],
    ['of a later Kubernetes', { key: 'cores', operator: 'Near', values: ['4'] }, { cores: '4' }, false],
  ])('affinity %s', (_about, expression, labels, fits) => {
    const terms = [{ matchExpressions: [expression as { key: string; operator: string }] }];
    expect(why(pod({ terms }), node({ labels })) === null).toBe(fits);
  });

  test('one of several terms is enough; an empty one means no node', () => {
    const ssd = { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] };
    expect(why(pod({ terms: [{}, ssd] }), node({ labels: { disk: 'ssd' } }))).toBeNull();
    expect(why(pod({ terms: [{}] }), node())).toMatch(/other labels/);
  });

  test('tolerations as Kubernetes reads them', () => {
    const taint = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };
    expect(tolerates({ operator: 'Exists' }, taint)).toBe(true);
    expect(tolerates({ key: 'gpu', operator: 'Exists' }, taint)).toBe(true);
    expect(tolerates({ key: 'gpu', value: 'yes' }, taint)).toBe(true);
    expect(tolerates({ key: 'gpu', operator: 'Equal', value: 'no' }, taint)).toBe(false);
    expect(tolerates({ key: 'gpu', operator: 'Exists', effect: 'NoExecute' }, taint)).toBe(false);
    expect(tolerates({ value: 'yes' }, taint)).toBe(false);
  });
});

test('how many nodes pods need: never fewer than their sum, never more than there are pods, and they fit then', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(sizes, (eighths) => {
      const pods = eighths.map((eighth, at) =>
        pod({ name: `p${at}`, requests: { cpu: eighth / 4, memory: 1, pods: 1 } }),
      );
      const fresh = () => spaceOf(node(), []);
      const nodes = nodesFor(pods, fresh, 100);
      const sum = pods.reduce((total, { requests }) => total + requests.cpu, 0);
      expect(nodes).toBeGreaterThanOrEqual(Math.ceil(sum / 2));
      expect(nodes).toBeLessThanOrEqual(pods.length);
      expect(nodesFor(pods, fresh, 2)).toBeLessThanOrEqual(2);
      const spaces = Array.from({ length: pods.length }, fresh);
      expect(place(pods, spaces)).toEqual([]);
      for (const { free } of spaces) expect(free.cpu).toBeGreaterThanOrEqual(0);
    }),
  );
});

test('nodes and their pools: by label, by being the only ones left, or not known', () => {
  const labelled = (name: string, pool: string) => node({ name, labels: { 'cloud.google.com/gke-nodepool': pool } });
  const plain = (name: string) => node({ name });
  const master = node({ name: 'm', labels: { 'node-role.kubernetes.io/control-plane': '' } });
  const names = (nodes: NodeShape[], all: string[]) =>
    Object.fromEntries([...nodesByPool(nodes, all)].map(([pool, each]) => [pool, each.map(({ name }) => name)]));
  expect(names([labelled('a', 'one'), labelled('b', 'two'), master], ['one', 'two'])).toEqual({
    one: ['a'],
    two: ['b'],
  });
  expect(names([plain('a'), plain('b'), master], ['workers'])).toEqual({ workers: ['a', 'b'] });
  expect(names([labelled('g', 'gateways'), plain('a')], ['workers', 'gateways'])).toEqual({
    gateways: ['g'],
    workers: ['a'],
  });
  expect(names([plain('a'), plain('b')], ['one', 'two'])).toEqual({});
  expect(names([labelled('a', 'one')], ['one', 'two'])).toEqual({ one: ['a'], two: [] });
});

describe('shapes', () => {
  const spec = { containers: [{ name: 'main', resources: { requests: { cpu: '250m', 'nvidia.com/gpu': '2' } } }] };

  test('what has ended asks for nothing; what waits says since when', () => {
    expect(shapeOfPod({ spec, status: { phase: 'Succeeded' } })).toBeNull();
    const lastTransitionTime = new Date('2026-11-21T14:00:00Z');
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime };
    const seen = shapeOfPod({ spec, status: { phase: 'Pending', conditions: [condition] } });
    expect(seen).toMatchObject({ unschedulableSince: lastTransitionTime.getTime(), others: { 'nvidia.com/gpu': 2 } });
    // Held back on purpose is not waiting for a node.
    const gated = shapeOfPod({ spec, status: { conditions: [{ ...condition, reason: 'SchedulingGated' }] } });
    expect(gated?.unschedulableSince).toBeUndefined();
  });

  test('what a pod keeps on its node', () => {
    const volumes = (...all: object[]) => shapeOfPod({ spec: { ...spec, volumes: all as { name: string }[] } });
    expect(volumes({ name: 'a', emptyDir: {} })?.local).toBe(true);
    expect(volumes({ name: 'a', emptyDir: { medium: 'Memory' } })?.local).toBe(false);
    expect(volumes({ name: 'a', hostPath: { path: '/var' } })?.local).toBe(true);
    expect(volumes({ name: 'a', persistentVolumeClaim: { claimName: 'data' } })?.claims).toEqual(['data']);
  });

  test('a node without anything said is neither ready nor large', () => {
    expect(shapeOfNode({})).toMatchObject({ ready: false, allocatable: { cpu: 0, memory: 0, pods: 0 }, keep: false });
  });
});
