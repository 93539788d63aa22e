import type { V1Deployment, V1Node, V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { addAmounts, podRequests, readAmounts } from '../../src/kube/amounts.ts';
import { nodeHealth } from '../../src/kube/probe.ts';
import { deploymentProblem, type Found, podProblem, worstFirst } from '../../src/kube/workloads.ts';

const now = Date.parse('2026-03-01T10:00:00Z');

function pod(status: V1Pod['status'], metadata: Partial<NonNullable<V1Pod['metadata']>> = {}): V1Pod {
  return {
    metadata: { name: 'p', namespace: 'shop', creationTimestamp: new Date(now - 600_000), ...metadata },
    status: status ?? {},
  };
}

function waiting(reason: string, more: { message?: string; restarts?: number } = {}): V1Pod['status'] {
  const state = { waiting: { reason, ...(more.message ? { message: more.message } : {}) } };
  return {
    phase: 'Running',
    containerStatuses: [
      { name: 'main', image: 'i', imageID: '', ready: false, restartCount: more.restarts ?? 0, state },
    ],
  };
}

describe('amounts', () => {
  it.each([
    [
      { cpu: '1900m', memory: '7.5Gi', pods: '110' },
      { cpu: 1.9, memory: 8_053_063_680, pods: 110 },
    ],
    [
      { cpu: '2', memory: '128974848', pods: '2k' },
      { cpu: 2, memory: 128_974_848, pods: 2_000 },
    ],
    [
      { cpu: '250u', memory: '1e3' },
      { cpu: 0.00025, memory: 1_000, pods: 0 },
    ],
    [
      { cpu: 'much', memory: '' },
      { cpu: 0, memory: 0, pods: 0 },
    ],
    [undefined, { cpu: 0, memory: 0, pods: 0 }],
  ])('reads %j', (quantities, amounts) => {
    expect(readAmounts(quantities as Record<string, string> | undefined)).toEqual(amounts);
  });

  it('adds without binary fractions', () => {
    const tenth = { cpu: 0.1, memory: 1, pods: 1 };
    expect(addAmounts(addAmounts(tenth, tenth), tenth)).toEqual({ cpu: 0.3, memory: 3, pods: 3 });
  });

  it('counts what a pod holds as the scheduler does', () => {
    const container = (cpu: string, restartPolicy?: string) => ({
      name: 'c',
      resources: { requests: { cpu, memory: '1Mi' } },
      ...(restartPolicy ? { restartPolicy } : {}),
    });
    const cpu = (spec: V1Pod['spec']) => podRequests({ ...(spec ? { spec } : {}) }).cpu;
    expect(cpu({ containers: [container('100m'), container('200m')] })).toBe(0.3);
    expect(cpu({ containers: [container('100m')], initContainers: [container('1')] })).toBe(1);
    expect(cpu({ containers: [container('100m')], initContainers: [container('50m', 'Always')] })).toBe(0.15);
    expect(
      cpu({ containers: [container('100m')], initContainers: [container('50m', 'Always'), container('500m')] }),
    ).toBe(0.55);
    expect(cpu({ containers: [container('100m')], overhead: { cpu: '20m' } })).toBe(0.12);
    expect(cpu({ containers: [{ name: 'c', resources: { limits: { cpu: '300m' } } }] })).toBe(0.3);
    expect(podRequests({})).toEqual({ cpu: 0, memory: 0, pods: 1 });
  });
});

describe('what is wrong with a pod', () => {
  it.each<[string, V1Pod, string | null]>([
    ['nothing when it runs', pod({ phase: 'Running' }), null],
    ['nothing when it is done', pod({ phase: 'Succeeded' }), null],
    ['nothing when it goes', pod(waiting('CrashLoopBackOff'), { deletionTimestamp: new Date(now) }), null],
    ['a crash loop', pod(waiting('CrashLoopBackOff', { restarts: 12 })), 'CrashLoopBackOff, 12 restarts'],
    ['one restart', pod(waiting('CrashLoopBackOff', { restarts: 1 })), 'CrashLoopBackOff, 1 restart'],
    [
      'an image that is not there',
      pod(waiting('ImagePullBackOff', { message: 'Back-off pulling "x"\nsecond line' })),
      'ImagePullBackOff: Back-off pulling "x" second line',
    ],
    [
      'a missing secret',
      pod(waiting('CreateContainerConfigError', { message: 'secret "x" not found' })),
      'CreateContainerConfigError: secret "x" not found',
    ],
    [
      'nowhere to run',
      pod({
        phase: 'Pending',
        conditions: [
          { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available' },
        ],
      }),
      'Pending: Unschedulable: 0/3 nodes are available',
    ],
    [
      'nothing when it has just been made',
      pod({ phase: 'Pending' }, { creationTimestamp: new Date(now - 1_000) }),
      null,
    ],
    ['an unending start', pod({ ...waiting('ContainerCreating'), phase: 'Pending' }), 'Pending: ContainerCreating'],
    ['an eviction', pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory' }), 'Evicted: low on memory'],
    [
      "nothing when it is a job's failed try",
      pod({ phase: 'Failed' }, { ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'u' }] }),
      null,
    ],
  ])('%s', (_name, given, reason) => {
    expect(podProblem(given, now)?.reason ?? null).toBe(reason);
  });

  it('leaves no credential and no direction override in what it quotes', () => {
    const message = 'pull from https://x with password=hunter2hunter2 \u202egnp.exe';
    const reason = podProblem(pod(waiting('ErrImagePull', { message })), now)?.reason ?? '';
    expect(reason).not.toContain('hunter2');
    expect(reason).not.toContain('\u202e');
  });
});

describe('what is wrong with a Deployment', () => {
  const deployment = (replicas: number | undefined, available: number, generations = [1, 1]): V1Deployment => ({
    metadata: { name: 'web', namespace: 'shop', generation: generations[0] ?? 1 },
    spec: { ...(replicas === undefined ? {} : { replicas }), selector: {}, template: {} },
    status: { availableReplicas: available, observedGeneration: generations[1] ?? 1 },
  });

  it('is that it lacks replicas', () => {
    expect(deploymentProblem(deployment(3, 3))).toBeNull();
    expect(deploymentProblem(deployment(0, 0))).toBeNull();
    expect(deploymentProblem(deployment(undefined, 1))).toBeNull();
    expect(deploymentProblem(deployment(3, 1))?.reason).toBe('1 of 3 available');
    expect(deploymentProblem(deployment(3, 3, [2, 1]))?.reason).toBe('2 of 3 available');
  });
});

describe('problems', () => {
  const found = (name: string, rank: number, alike = name): Found => ({
    kind: 'Pod',
    namespace: 'n',
    name,
    reason: 'bad',
    rank,
    alike,
  });

  it('are worst first, alike ones on one line, and no more than asked for', () => {
    const all = [found('c', 5), found('a', 1), found('b1', 2, 'b'), found('b2', 2, 'b'), found('b3', 2, 'b')];
    expect(worstFirst(all, 20).map((each) => `${each.name} ${each.reason}`)).toEqual([
      'a bad',
      'b1 bad, and 2 more like it',
      'c bad',
    ]);
    expect(
      worstFirst(
        Array.from({ length: 500 }, (_, n) => found(`p${n}`, 1)),
        20,
      ),
    ).toHaveLength(20);
  });
});

describe('a node', () => {
  const node = (conditions: [string, string, string?][], unschedulable = false): V1Node => ({
    metadata: { name: 'n1' },
    spec: { unschedulable },
    status: {
      conditions: conditions.map(([type, status, reason]) => ({ type, status, ...(reason ? { reason } : {}) })),
    },
  });

  it('is ready only when it says so', () => {
    expect(nodeHealth(node([['Ready', 'True']]))).toMatchObject({ ready: true, problems: [] });
    expect(nodeHealth(node([['Ready', 'Unknown', 'NodeStatusUnknown']]))).toMatchObject({
      ready: false,
      problems: ['NodeStatusUnknown'],
    });
    expect(nodeHealth(node([]))).toMatchObject({ ready: false, problems: ['NoReadyCondition'] });
  });

  it('may be ready and have problems', () => {
    const seen = nodeHealth(
      node(
        [
          ['Ready', 'True'],
          ['MemoryPressure', 'True'],
          ['DiskPressure', 'False'],
        ],
        true,
      ),
    );
    expect(seen).toMatchObject({ ready: true, problems: ['MemoryPressure', 'Cordoned'] });
  });
});
