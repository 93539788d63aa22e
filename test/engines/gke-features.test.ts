/** Gateways, network policies and add-ons at Google: which requests are sent in which order, and what is refused before any is. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterUpdate, EngineClient, Target } from '../../src/core/ports/engine.ts';
import { gke } from '../../src/engines/gke/index.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { over } from './drive.ts';
import { type GkeHarness, openGkeHarness } from './gke-harness.ts';

let harness: GkeHarness;
let client: EngineClient;
let counter = 0;

beforeAll(async () => {
  harness = await openGkeHarness({ createMs: 100 });
  client = await harness.engine.connect(harness.params);
});
afterAll(async () => {
  await client?.close();
  await harness?.close();
});

async function running(spec: Record<string, unknown> = harness.spec): Promise<Target> {
  counter += 1;
  const target = { org: 'default', cluster: `c${counter}`, externalName: `kq-feature-${counter}`, spec };
  const operation = await client.create(target, spec, callFor());
  await over(client, { ...target, operation: operation.id }, 5_000);
  return target;
}

/** Asks for the change until there is nothing left to do; the paths of what was sent, in order. */
async function drive(target: Target, update: ClusterUpdate): Promise<string[]> {
  const from = harness.google.seen.length;
  for (let step = 0; step < 6; step += 1) {
    const operation = await client.update(target, update, callFor());
    if (!operation) {
      const sent = harness.google.seen.slice(from).filter((line) => !line.startsWith('GET'));
      return sent.map((line) => line.replace(/\/v1\S*\/clusters\/[^/:]+/, '') || 'cluster');
    }
    expect(await over(client, { ...target, operation: operation.id }, 5_000)).toMatchObject({ outcome: 'done' });
  }
  throw new Error('the update never ends');
}

const world = ({ externalName }: Target) => harness.google.world.cluster('europe-west3-a', externalName);
const alike = { location: 'europe-west3', releaseChannel: 'REGULAR', version: '1.33.6-gke.1130000' };

describe('gateways', () => {
  it('are a pool like the first with a label and a taint, that goes at 0', async () => {
    const target = await running();
    expect(await drive(target, { gateways: 1 })).toEqual(['POST /nodePools']);
    const [first, pool] = world(target).pools;
    expect(pool).toMatchObject({
      ...{ name: 'gateways', count: 1, management: { autoRepair: true, autoUpgrade: true } },
      config: {
        ...{ machineType: first?.config.machineType, oauthScopes: first?.config.oauthScopes },
        labels: { 'kqueen-pool': 'gateways' },
        taints: [{ key: 'kqueen-pool', value: 'gateways', effect: 'NO_SCHEDULE' }],
      },
    });
    expect(await drive(target, { gateways: 3 })).toEqual(['POST /nodePools/gateways:setSize']);
    expect(await drive(target, { gateways: 0 })).toEqual(['DELETE /nodePools/gateways']);
    expect(await drive(target, { gateways: 0 })).toEqual([]);
  });

  it('leave a pool of that name alone that is none of KQueen’s', async () => {
    const target = await running();
    harness.google.world.createPool('europe-west3-a', target.externalName, {
      name: 'gateways',
      initialNodeCount: 1,
      config: { machineType: 'e2-standard-2' },
      management: { autoUpgrade: true },
    });
    await eventually('their pool is there', () => world(target).pools.every(({ status }) => status === 'RUNNING'));
    const fault = await faultOf(client.update(target, { gateways: 2 }, callFor()));
    expect(fault).toMatchObject({ kind: 'conflict', retryable: false });
    expect(fault.message).toContain("none of KQueen's");
  });

  it('come by the zones of a region, and never to Autopilot', async () => {
    const regional = { ...alike, nodes: 3 };
    const target = await running(regional);
    expect((await faultOf(client.update(target, { gateways: 2 }, callFor()))).message).toMatch(/a multiple of 3/);
    expect(() => gke.after(regional, { gateways: 2 })).toThrow(/a multiple of 3/);
    expect(await drive(target, { gateways: 3 })).toEqual(['POST /nodePools']);
    expect(gke.pools(gke.after(regional, { gateways: 3 }))).toMatchObject([
      { name: 'default-pool', nodes: 3 },
      { name: 'gateways', nodes: 3 },
    ]);
    const autopilot = { ...alike, autopilot: true };
    expect(() => gke.after(autopilot, { gateways: 3 })).toThrow(/Autopilot/);
    const alone = await running(autopilot);
    expect((await faultOf(client.update(alone, { gateways: 3 }, callFor()))).message).toMatch(/Autopilot/);
  });

  it('are described and counted, and leave the spec as it was when they go', () => {
    const more = gke.after(harness.spec, { gateways: 2 });
    expect(gke.describe(more)).toMatch(/^2 × e2-standard-2 and 2 × e2-standard-2 in/);
    expect(gke.nodes(more)).toBe(4);
    expect(gke.nodes(gke.after(more, { nodes: 4 }))).toBe(6);
    expect(gke.pools(gke.after(more, { gateways: 0 }))).toEqual(gke.pools(harness.spec));
  });
});

describe('network policies', () => {
  it('take two steps on and two steps off, in the order that Google asks for', async () => {
    const target = await running();
    expect(await drive(target, { networkPolicy: true })).toEqual(['PUT ', 'POST :setNetworkPolicy']);
    expect(await client.observe(target, callFor())).toMatchObject({ networkPolicy: true });
    expect(await drive(target, { networkPolicy: false })).toEqual(['POST :setNetworkPolicy', 'PUT ']);
    expect(await drive(target, { networkPolicy: false })).toEqual([]);
  });

  it('go on from the step that a crash has left', async () => {
    const target = await running();
    const first = await client.update(target, { networkPolicy: true }, callFor());
    await over(client, { ...target, operation: first?.id ?? '' }, 5_000);
    expect(await client.observe(target, callFor())).toMatchObject({ networkPolicy: false });
    expect(await drive(target, { networkPolicy: true })).toEqual(['POST :setNetworkPolicy']);
  });

  it('are always on with Dataplane V2, which is said', async () => {
    const target = await running({ ...harness.spec, networkPolicy: 'dataplane-v2' });
    expect(await client.observe(target, callFor())).toMatchObject({
      networkPolicy: true,
      networkPolicyFixed: expect.stringMatching(/cannot be told not to/) as string,
    });
    expect(await drive(target, { networkPolicy: true })).toEqual([]);
    const fault = await faultOf(client.update(target, { networkPolicy: false }, callFor()));
    expect(fault).toMatchObject({ kind: 'unsupported', retryable: false });
    expect(() => gke.after(target.spec, { networkPolicy: false })).toThrow(/cannot be told not to/);
  });

  it('can be chosen when a cluster is made', async () => {
    const target = await running({ ...harness.spec, networkPolicy: 'calico' });
    expect(await client.observe(target, callFor())).toMatchObject({ networkPolicy: true });
    expect(gke.after(harness.spec, { networkPolicy: true })).toMatchObject({ networkPolicy: 'calico' });
    expect(() => gke.after({ ...harness.spec, nodes: 1 }, { networkPolicy: true })).toThrow(/two nodes/);
  });
});

describe('add-ons', () => {
  it('go in one request, each told as Google wants it', async () => {
    const target = await running();
    expect(await drive(target, { addons: { 'http-load-balancing': false, 'gcs-fuse': true } })).toEqual(['PUT ']);
    expect(world(target).asked.addonsConfig).toMatchObject({
      ...{ httpLoadBalancing: { disabled: true }, gcsFuseCsiDriverConfig: { enabled: true } },
    });
    const { addons = [] } = await client.observe(target, callFor());
    expect(Object.fromEntries(addons.map(({ name, on }) => [name, on]))).toMatchObject({
      ...{ 'http-load-balancing': false, 'gcs-fuse': true, 'horizontal-pod-autoscaling': true, backup: false },
    });
  });

  it('are kept in the list of the spec, from what Google chooses by itself', () => {
    const addons = (spec: Record<string, unknown>, wanted: Record<string, boolean>) =>
      gke.after(spec, { addons: wanted }).addons;
    expect(addons(harness.spec, { 'dns-cache': true })).toBe(
      'http-load-balancing,horizontal-pod-autoscaling,persistent-disk,dns-cache',
    );
    expect(addons({ ...harness.spec, addons: 'dns-cache' }, { 'dns-cache': false })).toBe('none');
    expect(() => addons(harness.spec, { coffee: true })).toThrow(/GKE has no add-on coffee/);
    expect(() => addons({ ...alike, autopilot: true }, { 'dns-cache': true })).toThrow(/Autopilot/);
  });
});
