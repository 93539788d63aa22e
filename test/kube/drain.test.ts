/** Draining nodes: what goes, what stays, what budgets and finalizers do to it, and nodes that are silent or gone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Work, WorkStep } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { callFor, faultOf, realClock } from '../engines/calls.ts';
import { eventually } from '../servers.ts';
import { at, type BothCluster, deskOf, itemsOf, SERVERS } from './both.ts';

const image = 'registry.k8s.io/pause:3.10';
const merge = 'application/merge-patch+json';

describe.each(SERVERS)('drain on $name', ({ skipped, open }) => {
  let cluster: BothCluster;
  let kube: Kube;
  let space = '';
  let nodes: string[] = [];
  beforeAll(async () => {
    if (skipped !== null) return;
    cluster = await open();
    kube = openKube({ log: silentLog, clock: realClock });
    nodes = itemsOf(await cluster.call('GET', '/api/v1/nodes')).map((node) => String(at(node, 'metadata.name')));
  }, 120_000);
  afterAll(async () => {
    await kube?.close();
    await cluster?.close();
  });
  const desk = deskOf(
    () => cluster,
    () => space,
  );
  const test = (name: string, run: () => Promise<void>) =>
    it.skipIf(skipped !== null)(name, { timeout: 90_000 }, async () => {
      space = await cluster.namespace();
      for (const node of nodes) await patchNode(node, { spec: { unschedulable: null } });
      await run();
      await cluster.call('DELETE', `/api/v1/namespaces/${space}`);
    });

  const patchNode = (node: string, body: object) =>
    cluster.call('PATCH', `/api/v1/nodes/${node}`, { body, type: merge });
  const plan = (node: string, force = false, withinMs = 60_000) =>
    kube.plan(cluster.kubeconfig, { op: 'node.drain', input: { node, force, withinMs } }, callFor(15_000));
  /** Steps as a job makes them; a Fault is thrown. */
  async function drain(
    node: string,
    options: { force?: boolean; withinMs?: number; each?: (step: WorkStep) => Promise<void> | void } = {},
  ): Promise<WorkStep> {
    const work: Work = {
      op: 'node.drain',
      input: { node, force: options.force ?? false, withinMs: options.withinMs ?? 60_000 },
      progress: {},
    };
    for (;;) {
      const step = await kube.work(cluster.kubeconfig, work, callFor(15_000));
      // What is kept between two steps is JSON, as the store keeps it.
      work.progress = JSON.parse(JSON.stringify(step.progress)) as Record<string, unknown>;
      await options.each?.(step);
      if (step.state === 'done') return step;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }
  const cordoned = async (node: string) => at(await desk.read(`/api/v1/nodes/${node}`), 'spec.unschedulable') === true;

  /** A Deployment whose pods are all ready, some of them on this node. */
  async function deploy(name: string, replicas: number, more: object = {}, node?: string): Promise<void> {
    const others = nodes.filter((each) => each !== node);
    if (node !== undefined) for (const each of others) await patchNode(each, { spec: { unschedulable: true } });
    await desk.make(desk.group('apps/v1', 'deployments'), {
      metadata: { name },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image }], ...more },
        },
      },
    });
    await desk.settled(`${desk.group('apps/v1', 'deployments')}/${name}`, 'status.readyReplicas', replicas);
    if (node !== undefined) for (const each of others) await patchNode(each, { spec: { unschedulable: null } });
  }
  async function budget(name: string, minAvailable: number): Promise<void> {
    await desk.make(desk.group('policy/v1', 'poddisruptionbudgets'), {
      metadata: { name },
      spec: { minAvailable, selector: { matchLabels: { app: name } } },
    });
    await eventually('the budget has been counted', async () => {
      const seen = await desk.read(`${desk.group('policy/v1', 'poddisruptionbudgets')}/${name}`);
      return at(seen, 'status.desiredHealthy') === minAvailable && Number(at(seen, 'status.currentHealthy')) > 0;
    });
  }
  const nodesOf = async (app: string) =>
    (await desk.pods(app))
      .filter((pod) => at(pod, 'metadata.deletionTimestamp') === undefined)
      .map((pod) => String(at(pod, 'spec.nodeName')));

  test('moves the pods of a node, leaves those of DaemonSets alone, and leaves it cordoned', async () => {
    const [node = ''] = nodes;
    await deploy('web', 3, {}, node);
    await desk.make(desk.group('apps/v1', 'daemonsets'), {
      metadata: { name: 'agent' },
      spec: {
        selector: { matchLabels: { app: 'agent' } },
        template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'main', image }] } },
      },
    });
    await desk.settled(`${desk.group('apps/v1', 'daemonsets')}/agent`, 'status.numberReady', nodes.length);
    const seen = await plan(node, true);
    expect(seen.nothing).toBeUndefined();
    expect(seen.detail).toMatch(/- Pod \S+\/web-\S+ of ReplicaSet web-/);
    expect(seen.detail).toMatch(/= Pod \S+\/agent-\S+ stays: of DaemonSet agent/);
    expect(seen.warnings.join(' ')).toMatch(/stays cordoned afterwards/);
    const before = itemsOf(await cluster.call('GET', `${desk.core('pods')}?fieldSelector=spec.nodeName%3D${node}`));
    const done = await drain(node, { force: true });
    expect(done.note).toMatch(/Nothing is left on .* stays cordoned/);
    expect(await cordoned(node)).toBe(true);
    expect(await nodesOf('web')).not.toContain(node);
    const agent = before.find((pod) => at(pod, 'metadata.labels.app') === 'agent');
    const still = await desk.read(desk.core(`pods/${String(at(agent, 'metadata.name'))}`));
    expect(at(still, 'metadata.uid')).toBe(at(agent, 'metadata.uid'));
    // Asked once more there is nothing left to do.
    expect((await plan(node)).nothing).toMatch(/is cordoned, and nothing is on it/);
  });

  test('respects a disruption budget, names it with its numbers, and goes on when it allows', async () => {
    const [, node = ''] = nodes;
    await deploy('shop', 2, {}, node);
    await budget('shop', 2);
    const seen = await plan(node);
    expect(seen.warnings.join(' ')).toMatch(
      /Not allowed now: PodDisruptionBudget shop needs 2 healthy pods and has 2 \(\S+\/shop-\S+.*it needs all 2 of its pods, so it never allows one to go/,
    );
    let blocked = 0;
    const done = await drain(node, {
      async each(step) {
        if (!/not allowed yet: PodDisruptionBudget shop needs 2 healthy pods and has 2/.test(step.note)) return;
        expect(await nodesOf('shop')).toEqual([node, node]);
        blocked += 1;
        if (blocked === 2)
          await desk.merge(`${desk.group('policy/v1', 'poddisruptionbudgets')}/shop`, { spec: { minAvailable: 1 } });
      },
    });
    expect(blocked).toBeGreaterThanOrEqual(2);
    expect(done.state).toBe('done');
    expect(await nodesOf('shop')).not.toContain(node);
  });

  test('a budget that never allows it ends the drain in time, with its name; nothing was evicted and the node stays cordoned', async () => {
    const [, , node = ''] = nodes;
    await deploy('stuck', 1, {}, node);
    await budget('stuck', 1);
    const fault = await faultOf(drain(node, { withinMs: 1_000 }));
    expect(fault).toMatchObject({ kind: 'conflict', retryable: false });
    expect(fault.message).toMatch(/1 pod did not leave .* within 1 s: not allowed: PodDisruptionBudget stuck needs 1/);
    expect(fault.next).toMatch(/stays cordoned. Press Retry .* or Uncordon/);
    expect(await nodesOf('stuck')).toEqual([node]);
    expect(await cordoned(node)).toBe(true);
  });

  test('pods that nothing makes anew and data in emptyDir volumes need force, and are named', async () => {
    const [node = ''] = nodes;
    await desk.make(desk.core('pods'), {
      metadata: { name: 'alone' },
      spec: { nodeName: node, terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image }] },
    });
    await deploy('cache', 1, { volumes: [{ name: 'scratch', emptyDir: {} }] }, node);
    const fault = await faultOf(plan(node));
    expect(fault).toMatchObject({ kind: 'conflict', field: 'force' });
    expect(fault.message).toMatch(new RegExp(`${space}/alone would be gone for good`));
    expect(fault.message).toMatch(new RegExp(`${space}/cache-\\S+ would lose what is in emptyDir`));
    const forced = await plan(node, true);
    expect(forced.warnings).toContain(`Pod ${space}/alone is gone for good: nothing makes it anew.`);
    expect(forced.warnings.join(' ')).toMatch(/loses what is in its emptyDir scratch/);
    // A drain that was not told so leaves such pods, whoever put them there after the plan.
    const kept = await faultOf(drain(node, { withinMs: 1_000 }));
    expect(kept.message).toMatch(/would be lost, which needs force=yes/);
    expect((await cluster.call('GET', desk.core('pods/alone'))).status).toBe(200);
    await drain(node, { force: true });
    expect((await cluster.call('GET', desk.core('pods/alone'))).status).toBe(404);
  });

  test('a pod that a finalizer holds is named with it', async () => {
    const [node = ''] = nodes;
    await desk.make(desk.core('pods'), {
      metadata: { name: 'held', finalizers: ['example.com/keep'] },
      spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image }] },
    });
    const fault = await faultOf(drain(node, { force: true, withinMs: 12_000 }));
    expect(fault.message).toMatch(/held is held by its finalizer example.com\/keep/);
    await cluster.call('PATCH', desk.core('pods/held'), { body: { metadata: { finalizers: null } }, type: merge });
    await drain(node, { force: true });
  });

  test('a StatefulSet is told, and its new pod of the same name is not evicted for the old one', async () => {
    const [node = ''] = nodes;
    for (const each of nodes.slice(1)) await patchNode(each, { spec: { unschedulable: true } });
    await desk.make(desk.group('apps/v1', 'statefulsets'), {
      metadata: { name: 'db' },
      spec: {
        serviceName: 'db',
        replicas: 1,
        selector: { matchLabels: { app: 'db' } },
        template: {
          metadata: { labels: { app: 'db' } },
          spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image }] },
        },
      },
    });
    await desk.settled(`${desk.group('apps/v1', 'statefulsets')}/db`, 'status.readyReplicas', 1);
    const alone = await plan(node, true);
    expect(alone.warnings.join(' ')).toMatch(/No other node takes pods/);
    for (const each of nodes.slice(1)) await patchNode(each, { spec: { unschedulable: null } });
    expect((await plan(node, true)).warnings.join(' ')).toMatch(/StatefulSet db in \S+ is away until/);
    await drain(node, { force: true });
    await desk.settled(`${desk.group('apps/v1', 'statefulsets')}/db`, 'status.readyReplicas', 1);
    expect(await nodesOf('db')).not.toContain(node);
  });

  test('cordon and uncordon, told apart from what is so already; a node that is not there is answered with those that are', async () => {
    const [node = ''] = nodes;
    const cordon = (on: boolean, name = node) =>
      kube.plan(cluster.kubeconfig, { op: 'node.cordon', input: { node: name, on } }, callFor());
    const set = (on: boolean) =>
      kube.work(cluster.kubeconfig, { op: 'node.cordon', input: { node, on }, progress: {} }, callFor());
    expect((await cordon(false)).nothing).toBe(`Node ${node} takes pods already.`);
    expect(await set(true)).toMatchObject({ state: 'done', note: `Node ${node} takes no new pods.` });
    expect(await cordoned(node)).toBe(true);
    expect((await cordon(true)).nothing).toBe(`Node ${node} is cordoned already.`);
    await set(false);
    expect(await cordoned(node)).toBe(false);
    const fault = await faultOf(cordon(true, 'nobody'));
    expect(fault).toMatchObject({ kind: 'not-found', message: 'The cluster has no node nobody.' });
    expect(fault.next).toContain(node);
  });

  test('a node that somebody removes in the middle ends the drain', async () => {
    const name = `extra-${space}`;
    await desk.make('/api/v1/nodes', { metadata: { name } });
    await desk.make(desk.core('pods'), {
      metadata: { name: 'guest', finalizers: ['example.com/keep'] },
      spec: { nodeName: name, terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image }] },
    });
    let steps = 0;
    const done = await drain(name, {
      force: true,
      async each() {
        steps += 1;
        if (steps === 2) await cluster.call('DELETE', `/api/v1/nodes/${name}`);
      },
    });
    expect(done.note).toMatch(/is gone: somebody or something else has removed it/);
    await cluster.call('PATCH', desk.core('pods/guest'), { body: { metadata: { finalizers: null } }, type: merge });
  });

  test('the list of nodes shows state, cordons and taints, with buttons for who may', async () => {
    const [node = ''] = nodes;
    await patchNode(node, {
      spec: { unschedulable: true, taints: [{ key: 'team', value: 'web', effect: 'NoSchedule' }] },
    });
    const look = (change: string) =>
      kube.look(cluster.kubeconfig, 'node-list', { cluster: 'dev-1', change, repair: 'yes' }, callFor(15_000));
    const seen = await look('yes');
    expect(seen.text).toBe(`${nodes.length} nodes: all ready, 1 cordoned.`);
    const rows = seen.parts.flatMap((part) => (part.part === 'rows' ? part.rows : []));
    const row = rows.find(({ text }) => text.includes(`*${node}*`));
    expect(row?.text).toMatch(/Ready: Cordoned for .*; .*version 1\.34/);
    expect(row?.note).toMatch(
      /pods \d+ of \d+; CPU .* requested, limits .*; memory .* requested, .*taints team=web:NoSchedule/,
    );
    expect(row?.buttons?.map(({ label }) => label)).toEqual(['Uncordon', 'Drain']);
    expect((await look('')).parts.flatMap((part) => (part.part === 'rows' ? part.rows : []))[0]?.buttons).toEqual([]);
    await patchNode(node, { spec: { unschedulable: null, taints: null } });
  });

  // Last, since the node does not come back.
  test('pods on a node whose kubelet is silent cannot end there, which is said with what to do', async () => {
    const node = nodes.at(-1) ?? '';
    // What other tests and the cluster itself have there would only take its time.
    await drain(node, { force: true });
    await patchNode(node, { spec: { unschedulable: null } });
    await deploy('lost', 1, {}, node);
    await patchNode(node, { metadata: { annotations: { 'sandbox.kqueen.io/dead': 'true' } } });
    await eventually(
      'the node is silent',
      async () => {
        const conditions = at(await desk.read(`/api/v1/nodes/${node}`), 'status.conditions');
        return (conditions as { type: string; status: string }[]).some(
          ({ type, status }) => type === 'Ready' && status === 'Unknown',
        );
      },
      { timeoutMs: 60_000 },
    );
    expect((await plan(node, true)).warnings.join(' ')).toMatch(
      /kubelet of .* is silent: pods that are deleted cannot end/,
    );
    const fault = await faultOf(drain(node, { force: true }));
    expect(fault.message).toMatch(/The kubelet of .* is silent, so 1 pod cannot end there: \S+\/lost-/);
    expect(fault.next).toMatch(/press Replace/);
    await eventually('another pod is ready elsewhere', async () => {
      const there = await nodesOf('lost');
      return there.length === 1 && there[0] !== node;
    });
  });
});
