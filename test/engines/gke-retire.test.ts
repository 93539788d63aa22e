import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterUpdate, EngineClient, Target } from '../../src/core/ports/engine.ts';
import { refusals } from '../counterparts/google/errors.ts';
import type { GoogleServer } from '../counterparts/google/index.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { drive, over } from './drive.ts';
import { type GkeHarness, openGkeHarness } from './gke-harness.ts';

let harness: GkeHarness;
let google: GoogleServer;
let client: EngineClient;
let counter = 0;

beforeAll(async () => {
  harness = await openGkeHarness({ createMs: 300 });
  google = harness.google;
  client = await harness.engine.connect(harness.params);
});
afterAll(async () => {
  await client?.close();
  await harness?.close();
});
beforeEach(() => harness.faults.clear());

async function running(spec: Record<string, unknown> = harness.spec): Promise<Target> {
  counter += 1;
  const target = { org: 'default', cluster: `c${counter}`, externalName: `kq-retire-${counter}`, spec };
  const { id } = await client.create(target, spec, callFor());
  await over(client, { ...target, operation: id }, 10_000);
  return target;
}

async function machines(target: Target): Promise<{ node: string; id: string }[]> {
  return (await harness.machines?.(target)) ?? [];
}

/** The node that is retired and the update that does it, with so many nodes afterwards. */
async function retiring(target: Target, nodes: number): Promise<{ node: string; update: ClusterUpdate }> {
  const node = (await machines(target)).at(-1)?.node ?? '';
  return { node, update: { pool: 'default-pool', nodes, retire: { node, before: Date.now() } } };
}

/** What changed something at Google since then, as the last piece of its path. */
function sent(from: number): string[] {
  return google.seen
    .slice(from)
    .filter((line) => !line.startsWith('GET') && !line.endsWith('/listManagedInstances'))
    .map((line) => line.replace(/.*\//, ''));
}

describe('retiring machines of GKE', () => {
  it('recreates a machine under its name, says so meanwhile, and is over only when its group has done it', async () => {
    const target = await running();
    const before = await machines(target);
    const from = google.seen.length;
    const { node, update } = await retiring(target, 2);
    const operation = await client.update(target, update, callFor());
    const going = { ...target, operation: operation?.id ?? '' };
    expect(await client.observe(going, callFor())).toMatchObject({
      ...{ state: 'updating', outcome: 'running', operation: operation?.id },
      step: expect.stringContaining(node),
    });
    const seen = await eventually('the group recreates', async () => {
      const { step } = await client.observe(going, callFor());
      return step?.includes('recreating') ? step : null;
    });
    expect(seen).toBe(`Google is recreating the machine ${node}`);
    expect(await faultOf(client.update(target, update, callFor()))).toMatchObject({
      kind: 'conflict',
      retryable: true,
    });
    expect(await over(client, going, 5_000)).toMatchObject({ state: 'running', outcome: 'done' });
    const after = await machines(target);
    expect(after.map((each) => each.node)).toEqual(before.map((each) => each.node));
    expect(after.find((each) => each.node === node)?.id).not.toBe(before.find((each) => each.node === node)?.id);
    expect(await client.update(target, update, callFor())).toBeNull();
    expect(sent(from)).toEqual(['recreateInstances']);
  });

  it('asks for the same when an answer was lost, which Google takes for one request', async () => {
    const target = await running({ ...harness.spec, nodes: 3 });
    const before = await machines(target);
    const { node, update } = await retiring(target, 2);
    await harness.faults.loseAnswers?.();
    expect(await faultOf(client.update(target, update, callFor()))).toMatchObject({ outcomeUnknown: true });
    await harness.faults.clear();
    await drive(client, target, update, 10_000);
    expect((await machines(target)).map((each) => each.id)).toEqual(
      before.filter((each) => each.node !== node).map((each) => each.id),
    );
  });

  it('deletes the machine and tells GKE the size that its group has then', async () => {
    const target = await running({ ...harness.spec, nodes: 3 });
    const from = google.seen.length;
    const { update } = await retiring(target, 2);
    expect(await drive(client, target, update, 10_000)).toBe(2);
    expect(sent(from)).toEqual(['deleteInstances', 'default-pool:setSize']);
    expect(await machines(target)).toHaveLength(2);
    expect(await client.observe(target, callFor())).toMatchObject({ nodes: 2 });
  });

  it('takes none out of a pool over several zones, and replaces there all the same', async () => {
    const target = await running({ location: 'europe-west3', nodes: 6 });
    const from = google.seen.length;
    const { update } = await retiring(target, 5);
    const fault = await faultOf(client.update(target, update, callFor()));
    expect(fault).toMatchObject({ kind: 'bad-input', field: 'nodes', retryable: false });
    expect(fault.message).toContain('3 zones');
    expect(fault.next).toContain('cluster repair');
    expect(sent(from)).toEqual([]);
    expect(await drive(client, target, { ...update, nodes: 6 }, 10_000)).toBe(1);
    expect(sent(from)).toEqual(['recreateInstances']);
  });

  it("leaves the size to Google's autoscaler where that has the pool", async () => {
    const target = await running({ ...harness.spec, nodes: undefined, autoscaleMin: 2, autoscaleMax: 4 });
    const before = await machines(target);
    const from = google.seen.length;
    const { node, update } = await retiring(target, before.length - 1);
    expect(await drive(client, target, update, 10_000)).toBe(1);
    expect(sent(from)).toEqual(['deleteInstances']);
    expect(await machines(target)).toEqual(before.filter((each) => each.node !== node));
  });

  it('lets none go where more than one would have to', async () => {
    const target = await running({ ...harness.spec, nodes: 4 });
    const from = google.seen.length;
    const { update } = await retiring(target, 2);
    expect(await faultOf(client.update(target, update, callFor()))).toMatchObject({
      kind: 'conflict',
      retryable: false,
    });
    expect(sent(from)).toEqual([]);
  });

  it('says why Google did not do it', async () => {
    const target = await running();
    const { update } = await retiring(target, 2);
    await harness.faults.failUpdates?.('The zone has no such disks.');
    const operation = await client.update(target, update, callFor());
    expect(await over(client, { ...target, operation: operation?.id ?? '' }, 5_000)).toMatchObject({
      ...{ state: 'running', outcome: 'failed', message: 'The zone has no such disks.' },
    });
  });

  it('names the permission that is missing, whose it is to give, and the role', async () => {
    const target = await running();
    const { update } = await retiring(target, 2);
    google.weather.computeRefusal = () =>
      refusals.missingPermission('compute.instanceGroupManagers.update', google.project);
    const fault = await faultOf(client.update(target, update, callFor()));
    expect(fault).toMatchObject({ kind: 'not-allowed', whose: 'admin', retryable: false });
    expect(fault.message).toContain('compute.instanceGroupManagers.update');
    expect(fault.next).toContain('roles/compute.instanceAdmin.v1');
  });
});
