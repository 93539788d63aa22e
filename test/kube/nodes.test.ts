/** Repairing and removing nodes through the cluster's own API; what the provider does in between is done by the test. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Kube } from '../../src/core/ports/kube.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Work, WorkStep } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { callFor, faultOf, realClock } from '../engines/calls.ts';
import { eventually } from '../servers.ts';
import { at, type BothCluster, itemsOf, SERVERS } from './both.ts';

const merge = 'application/merge-patch+json';
const trouble = 'sandbox.kqueen.io/not-ready';

describe.each(SERVERS)('nodes on $name', ({ skipped, open }) => {
  let cluster: BothCluster;
  let kube: Kube;
  let number = 0;
  beforeAll(async () => {
    if (skipped !== null) return;
    cluster = await open();
    kube = openKube({ log: silentLog, clock: realClock });
  }, 120_000);
  afterAll(async () => {
    await kube?.close();
    await cluster?.close();
  });
  afterEach(async () => {
    if (skipped !== null) return;
    for (const node of await nodes())
      if (node.startsWith('extra-')) await cluster.call('DELETE', `/api/v1/nodes/${node}`);
  });
  const test = (name: string, run: () => Promise<void>) => it.skipIf(skipped !== null)(name, { timeout: 60_000 }, run);
  const nodes = async () =>
    itemsOf(await cluster.call('GET', '/api/v1/nodes')).map((node) => String(at(node, 'metadata.name')));
  const read = async (node: string) => (await cluster.call('GET', `/api/v1/nodes/${node}`)).body;
  const readyOf = async (node: string) => {
    const conditions = at(await read(node), 'status.conditions');
    const all = (Array.isArray(conditions) ? conditions : []) as { type: string; status: string }[];
    return all.find(({ type }) => type === 'Ready')?.status;
  };
  /** A machine of its own that joins the cluster. */
  async function join(labels: Record<string, string> = {}): Promise<string> {
    number += 1;
    const name = `extra-${number}`;
    const made = await cluster.call('POST', '/api/v1/nodes', { body: { metadata: { name, labels } } });
    expect(made.status, made.text).toBe(201);
    await eventually(`${name} is ready`, async () => (await readyOf(name)) === 'True');
    return name;
  }
  async function breakDown(node: string): Promise<void> {
    const body = { metadata: { annotations: { [trouble]: 'true' } } };
    await cluster.call('PATCH', `/api/v1/nodes/${node}`, { body, type: merge });
    await eventually(`${node} is not ready`, async () => (await readyOf(node)) === 'False');
  }
  const inputOf = (more: Record<string, unknown>) => ({
    ...{ afterMs: 600_000, withinMs: 30_000, by: 'replace', retires: true, instead: '', force: false },
    ...more,
  });
  const plan = (more: Record<string, unknown>) =>
    kube.plan(cluster.kubeconfig, { op: 'node.repair', input: inputOf(more) }, callFor(15_000));
  async function work(more: Record<string, unknown>, provider?: (step: WorkStep) => Promise<void>): Promise<WorkStep> {
    const asked: Work = { op: 'node.repair', input: inputOf(more), progress: {} };
    for (;;) {
      const step = await kube.work(cluster.kubeconfig, asked, callFor(15_000));
      asked.progress = JSON.parse(JSON.stringify(step.progress)) as Record<string, unknown>;
      if (step.provider) await provider?.(step);
      if (step.state === 'done') return step;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  test('a node whose provider takes its Node object along is replaced by the one that comes, told apart by the cluster alone', async () => {
    const pool = { 'cloud.google.com/gke-nodepool': 'web' };
    const mate = await join(pool);
    const victim = await join(pool);
    await breakDown(victim);
    const since = (await plan({ node: victim })).facts.find(({ label }) => label === 'Node')?.value;
    expect(since).toMatch(new RegExp(`^${victim}: NOT ready for .*; 0 pods to move; pool web$`));
    const asked: unknown[] = [];
    let successor = '';
    const done = await work({ node: victim }, async ({ provider }) => {
      asked.push(provider);
      expect(at(await read(victim), 'spec.unschedulable')).toBe(true);
      await cluster.call('DELETE', `/api/v1/nodes/${victim}`);
      // Within the same second as others may be: which one is new cannot be told from the time alone.
      successor = await join(pool);
    });
    expect(asked).toEqual([{ pool: 'web', nodes: 2, retire: { node: victim, before: expect.any(Number) } }]);
    // The provider is asked once, and what it has made before the Node object was looked for counts as well as what comes later.
    expect(done.note).toBe(`Replaced: ${victim}.`);
    expect(done.result).toEqual([{ label: `Node ${victim}`, value: `replaced by ${successor}` }]);
    expect(await nodes()).not.toContain(victim);
    expect(await readyOf(mate)).toBe('True');
  });

  test('a node that comes back under its own name and Node object is opened again', async () => {
    const victim = await join();
    await breakDown(victim);
    const uid = at(await read(victim), 'metadata.uid');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const done = await work({ node: victim }, async () => {
      const body = { metadata: { annotations: { [trouble]: null } } };
      await cluster.call('PATCH', `/api/v1/nodes/${victim}`, { body, type: merge });
      await eventually('it is back', async () => (await readyOf(victim)) === 'True');
    });
    expect(done.note).toBe(`Replaced: ${victim}.`);
    expect(at(await read(victim), 'metadata.uid')).toBe(uid);
    expect(at(await read(victim), 'spec.unschedulable') ?? false).toBe(false);
  });

  test('where the provider cannot, a repair stops after the drain with what to do, and a removal takes the Node object away', async () => {
    const instead = 'Have the machine replaced where the cluster was made.';
    const victim = await join();
    await breakDown(victim);
    const how = { retires: false, instead };
    const seen = await plan({ node: victim, ...how });
    expect(seen.steps).toEqual(['Close and drain the node']);
    expect(seen.warnings).toContain(`KQueen cannot have the machine replaced: it stops after the drain. ${instead}`);
    const none = async () => {
      throw new Error('the provider is asked');
    };
    const done = await work({ node: victim, ...how }, none);
    expect(done.note).toBe(`Cordoned and drained as far as it answers: ${victim}. ${instead}`);
    expect(at(await read(victim), 'spec.unschedulable')).toBe(true);
    const removal = await plan({ node: victim, by: 'remove', ...how });
    expect(removal.warnings.join(' ')).toMatch(/Turn it off before/);
    expect((await work({ node: victim, by: 'remove', ...how }, none)).note).toBe(`Removed: ${victim}.`);
    expect(await nodes()).not.toContain(victim);
  });

  test('nodes of a control plane and nodes that are ready are not touched, and several dead ones are an outage', async () => {
    const head = await join({ 'node-role.kubernetes.io/control-plane': '' });
    expect((await faultOf(plan({ node: head, by: 'remove' }))).message).toMatch(/carries the control plane/);
    await breakDown(head);
    expect((await plan({ afterMs: 1 })).nothing).toMatch(/No node has been out of service/);
    const others: string[] = [];
    for (let count = 0; count < 3; count += 1) others.push(await join());
    expect((await faultOf(plan({ node: others[0] }))).message).toMatch(/is ready, so there is nothing to repair/);
    for (const node of others) await breakDown(node);
    const seen = await plan({ afterMs: 1 });
    expect(seen.warnings[0]).toMatch(/3 of 7 nodes are out of service: that looks like an outage/);
    expect(seen.rests).toMatchObject({ dead: others, all: 7 });
  });
});
