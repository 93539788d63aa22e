import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { EngineClient, Observation, Target } from '../../src/core/ports/engine.ts';
import { refusals } from '../counterparts/google/errors.ts';
import type { GoogleServer } from '../counterparts/google/index.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import { type GkeHarness, openGkeHarness } from './gke-harness.ts';

let harness: GkeHarness;
let google: GoogleServer;
let client: EngineClient;
let counter = 0;

beforeAll(async () => {
  harness = await openGkeHarness({ createMs: 150 });
  google = harness.google;
  client = await harness.engine.connect(harness.params);
});
afterAll(async () => {
  await client?.close();
  await harness?.close();
});
beforeEach(async () => {
  await harness.faults.clear();
  google.signIn.setAccount('enabled');
  google.signIn.setSkew(0);
});

function aTarget(spec: Record<string, unknown> = harness.spec): Target {
  counter += 1;
  return { org: 'default', cluster: `c${counter}`, externalName: `kq-own-${counter}`, spec };
}

async function reach(target: Target, state: Observation['state']): Promise<Observation> {
  return eventually(
    `${target.externalName} is ${state}`,
    async () => {
      const seen = await client.observe(target, callFor());
      return seen.state === state ? seen : null;
    },
    { timeoutMs: 5_000, everyMs: 20 },
  );
}

async function running(spec?: Record<string, unknown>): Promise<Target> {
  const target = aTarget(spec);
  await client.create(target, target.spec, callFor());
  await reach(target, 'running');
  return target;
}

/** Asks for the change until there is nothing left to do; the paths of what was sent, in order. */
async function drive(target: Target, update: Parameters<EngineClient['update']>[1]): Promise<string[]> {
  const from = google.seen.length;
  for (let step = 0; step < 10; step += 1) {
    const operation = await client.update(target, update, callFor());
    if (!operation) {
      return google.seen
        .slice(from)
        .filter((line) => !line.startsWith('GET'))
        .map((line) => line.replace(/.*\/clusters\/[^/:]+/, '').replace(/^$/, 'cluster'));
    }
    await reach({ ...target, operation: operation.id }, 'running');
  }
  throw new Error('the update never ends');
}

describe('creating on GKE', () => {
  it('spreads a regional cluster over three zones and counts all of them', async () => {
    const target = await running({ location: 'europe-west3', nodes: 6 });
    expect(google.lastCreate()).toMatchObject({
      cluster: {
        nodePools: [{ initialNodeCount: 2 }],
        resourceLabels: { 'kqueen-cluster': target.cluster, 'kqueen-org': 'default' },
      },
    });
    expect(await client.observe(target, callFor())).toMatchObject({
      nodes: 6,
      region: 'europe-west3',
      pools: [{ name: 'default-pool', nodes: 6 }],
    });
    expect(await drive(target, { nodes: 9 })).toEqual(['/nodePools/default-pool:setSize']);
    expect((await client.observe(target, callFor())).nodes).toBe(9);
    expect(await faultOf(client.update(target, { nodes: 10 }, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'nodes',
    });
  });

  it('asks for everything that the form can say', async () => {
    const target = await running({
      location: 'europe-west3',
      releaseChannel: 'none',
      version: '1.34',
      machineType: 'e2-standard-4',
      nodes: 2,
      nodeZones: 'europe-west3-a,europe-west3-b',
      autoscaleMin: 2,
      autoscaleMax: 8,
      diskGb: 50,
      diskType: 'pd-ssd',
      spot: true,
      nodeServiceAccount: 'nodes@my-project.iam.gserviceaccount.com',
      maxPodsPerNode: 32,
      network: 'net-1',
      subnetwork: 'sub-1',
      clusterCidr: '10.8.0.0/14',
      servicesCidr: '/22',
      privateNodes: true,
      networkPolicy: 'calico',
      addons: 'dns-cache,http-load-balancing',
      maintenanceStart: '03:00',
    });
    expect(google.lastCreate()).toMatchObject({
      cluster: {
        releaseChannel: { channel: 'UNSPECIFIED' },
        initialClusterVersion: '1.34',
        locations: ['europe-west3-a', 'europe-west3-b'],
        network: 'net-1',
        subnetwork: 'sub-1',
        ipAllocationPolicy: { useIpAliases: true, clusterIpv4CidrBlock: '10.8.0.0/14', servicesIpv4CidrBlock: '/22' },
        networkPolicy: { enabled: true, provider: 'CALICO' },
        networkConfig: { defaultEnablePrivateNodes: true },
        addonsConfig: {
          dnsCacheConfig: { enabled: true },
          httpLoadBalancing: { disabled: false },
          horizontalPodAutoscaling: { disabled: true },
          networkPolicyConfig: { disabled: false },
        },
        maintenancePolicy: { window: { dailyMaintenanceWindow: { startTime: '03:00' } } },
        defaultMaxPodsConstraint: { maxPodsPerNode: '32' },
        nodePools: [
          {
            initialNodeCount: 1,
            management: { autoUpgrade: false },
            autoscaling: { enabled: true, totalMinNodeCount: 2, totalMaxNodeCount: 8 },
            config: {
              machineType: 'e2-standard-4',
              diskSizeGb: 50,
              diskType: 'pd-ssd',
              spot: true,
              serviceAccount: 'nodes@my-project.iam.gserviceaccount.com',
            },
          },
        ],
      },
    });
    const seen = await client.observe(target, callFor());
    expect(seen.version).toMatch(/^1\.34\.3/);
    expect(seen.pools).toEqual([expect.objectContaining({ autoscale: { min: 2, max: 8 } })]);
    const listed = (await client.list(callFor())).find((each) => each.externalName === target.externalName);
    expect(listed?.spec).toMatchObject({
      location: 'europe-west3',
      releaseChannel: 'none',
      nodeZones: 'europe-west3-a,europe-west3-b',
      spot: true,
      autoscaleMax: 8,
    });
  });

  it('makes Autopilot clusters without a word about nodes', async () => {
    const target = await running({ location: 'europe-west4', autopilot: true });
    const body = google.lastCreate() as { cluster: Record<string, unknown> };
    expect(body.cluster.autopilot).toEqual({ enabled: true });
    expect(body.cluster.nodePools).toBeUndefined();
    const seen = await client.observe(target, callFor());
    expect(seen).toMatchObject({ state: 'running', nodes: 2 });
    expect(seen.pools).toBeUndefined();
    expect(await faultOf(client.update(target, { nodes: 3 }, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'nodes',
    });
    expect(await drive(target, { version: '1.34.2-gke.1042000' })).toEqual(['cluster']);
  });

  it('sends nothing for a spec that cannot be', async () => {
    const before = google.counts.all;
    expect(await faultOf(client.create(aTarget(), { location: 'europe-west3', nodes: 4 }, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'nodes',
    });
    expect(google.counts.all).toBe(before);
  });

  it('says what a failed create left behind, and deletes it', async () => {
    google.world.troubles.createFailure =
      "The zone 'europe-west3-a' does not have enough resources available (stockout).";
    const target = aTarget();
    const operation = await client.create(target, harness.spec, callFor());
    await reach(target, 'error');
    const seen = await client.observe({ ...target, operation: operation.id }, callFor());
    expect(seen).toMatchObject({ state: 'error', outcome: 'failed', mine: true });
    expect(seen.message).toContain('does not have enough resources');
    expect(seen.leftovers).toEqual([
      `cluster ${target.externalName} in europe-west3-a`,
      'node pool default-pool with its machines and disks',
    ]);
    expect(seen.detail).toContain('GCE_STOCKOUT');
    expect(seen.detail).toContain('CREATE_CLUSTER');
    expect(seen.notes?.join()).toContain('costs money');
    // The same create again does not pretend to go on.
    expect((await client.create(target, harness.spec, callFor())).id).toBe(operation.id);
    await client.delete(target, callFor());
    await reach(target, 'absent');
  });

  it('names an operation by place and name, and asks for it under locations', async () => {
    const target = aTarget();
    const { id } = await client.create(target, harness.spec, callFor());
    expect(id).toMatch(/^europe-west3-a\/operation-[\w-]+$/);
    await client.observe({ ...target, operation: id }, callFor());
    expect(
      google.seen.some(
        (line) => line === `GET /v1/projects/${google.project}/locations/europe-west3-a/operations/${id.split('/')[1]}`,
      ),
    ).toBe(true);
    await reach(target, 'running');
    // A handle that Google has forgotten says nothing and breaks nothing.
    const forgotten = await client.observe({ ...target, operation: 'europe-west3-a/operation-0' }, callFor());
    expect(forgotten).toMatchObject({ state: 'running' });
    expect(forgotten.outcome).toBeUndefined();
  });
});

describe('changing on GKE', () => {
  it('upgrades the control plane, then each pool, and sizes last', async () => {
    const target = await running();
    expect(await drive(target, { version: '1.34', nodes: 3 })).toEqual([
      'cluster',
      '/nodePools/default-pool',
      '/nodePools/default-pool:setSize',
    ]);
    expect(await client.observe(target, callFor())).toMatchObject({
      version: '1.34.2-gke.1042000',
      nodes: 3,
      pools: [{ version: '1.34.2-gke.1042000' }],
    });
    expect(await faultOf(client.update(target, { version: '1.33' }, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'version',
    });
    expect(await client.upgrades(target, callFor())).toEqual([]);
  });

  it('offers upgrades of the channel, one minor on, with the end of support', async () => {
    const target = await running();
    expect(await client.upgrades(target, callFor())).toEqual([
      expect.objectContaining({
        value: '1.34.2-gke.1042000',
        note: expect.stringContaining('Google upgrades to it') as string,
      }),
    ]);
    const free = await running({ ...harness.spec, releaseChannel: 'none', version: '1.33.5-gke.1201000' });
    const offered = await client.upgrades(free, callFor());
    expect(offered.map((choice) => choice.value)).toEqual(
      expect.arrayContaining(['1.33.6-gke.1130000', '1.34.3-gke.1051003']),
    );
    expect(offered.map((choice) => choice.value)).not.toContain('1.35.1-gke.1005000');
    expect(offered.find((choice) => choice.value.startsWith('1.33'))?.note).toContain('supported until 2027-04-30');
  });

  it('refuses to size a pool that scales by itself, and turns that off first when asked to', async () => {
    const target = await running();
    expect(await drive(target, { autoscale: { min: 1, max: 5 } })).toEqual(['/nodePools/default-pool:setAutoscaling']);
    const fault = await faultOf(client.update(target, { nodes: 4 }, callFor()));
    expect(fault).toMatchObject({ kind: 'bad-input', field: 'nodes' });
    expect(fault.next).toContain('turn autoscaling off');
    expect(await drive(target, { autoscale: null, nodes: 4 })).toEqual([
      '/nodePools/default-pool:setAutoscaling',
      '/nodePools/default-pool:setSize',
    ]);
    expect(await drive(target, { nodes: 0 })).toEqual(['/nodePools/default-pool:setSize']);
    expect((await client.observe(target, callFor())).nodes).toBe(0);
  });

  it('waits for a change that somebody else has begun', async () => {
    const target = await running();
    google.world.troubles.stall = true;
    const other = google.world.setSize('europe-west3-a', target.externalName, 'default-pool', 5);
    expect(await faultOf(client.update(target, { nodes: 4 }, callFor()))).toMatchObject({
      kind: 'conflict',
      retryable: true,
    });
    const seen = await client.observe(target, callFor());
    expect(seen).toMatchObject({ state: 'updating', operation: `europe-west3-a/${other.name}` });
    expect(await faultOf(client.delete(target, callFor()))).toMatchObject({ kind: 'conflict', retryable: true });
    await harness.faults.clear();
    await reach(target, 'running');
  });

  it('shows how far an upgrade of nodes is, and cancels it for a deletion', async () => {
    const target = await running();
    const master = await client.update(target, { version: '1.34.2-gke.1042000' }, callFor());
    await reach({ ...target, operation: master?.id ?? '' }, 'running');
    google.world.troubles.stall = true;
    const nodes = await client.update(target, { version: '1.34.2-gke.1042000' }, callFor());
    const upgrading = { ...target, operation: nodes?.id ?? '' };
    const seen = await eventually('half of the nodes are done', async () => {
      const now = await client.observe(upgrading, callFor());
      return now.percent === 50 ? now : null;
    });
    expect(seen).toMatchObject({ state: 'updating', outcome: 'running', step: 'Nodes: 1 of 2' });
    expect(await faultOf(client.delete(target, callFor()))).toMatchObject({
      kind: 'conflict',
      retryable: true,
      message: expect.stringContaining('upgrade nodes') as string,
    });
    await reach(target, 'running');
    expect((await client.observe(upgrading, callFor())).outcome).toBe('failed');
    expect(await client.delete(target, callFor())).not.toBeNull();
    await reach(target, 'absent');
  });

  it('does not delete what is being made, and says that it passes', async () => {
    const target = aTarget();
    google.world.troubles.stall = true;
    await client.create(target, harness.spec, callFor());
    const fault = await faultOf(client.delete(target, callFor()));
    expect(fault).toMatchObject({ kind: 'conflict', retryable: true });
    expect(fault.message).toContain('create cluster');
    await harness.faults.clear();
    await reach(target, 'running');
  });

  it('sets labels by their fingerprint, and says that a lost race passes', async () => {
    await harness.makeForeign('somebodys-cluster');
    const target = { ...aTarget(), externalName: 'somebodys-cluster' };
    const [won, lost] = await Promise.allSettled([
      client.adopt(target, callFor()),
      client.adopt({ ...target, cluster: 'other' }, callFor()),
    ]);
    expect([won.status, lost.status].sort()).toEqual(['fulfilled', 'rejected']);
    const winner = won.status === 'fulfilled' ? target : { ...target, cluster: 'other' };
    await eventually('it is marked', async () => (await client.observe(winner, callFor())).mine);
    const all = await client.list(callFor());
    const listed = all.find((each) => each.externalName === 'somebodys-cluster');
    expect(listed).toMatchObject({
      owner: 'somebody-else',
      cluster: winner.cluster,
      org: 'default',
      where: 'europe-west3-a',
    });
    expect(google.world.cluster('europe-west3-a', 'somebodys-cluster').labels.owner).toBe('somebody-else');
  });
});

describe('reading from Google', () => {
  it('believes that a cluster is gone only when Google says so of this cluster', async () => {
    // A project that is not there is not an absent cluster.
    const nowhere = await harness.engine.connect(harness.nowhereParams ?? {});
    for (const fault of [
      await faultOf(nowhere.observe(aTarget(), callFor())),
      await faultOf(nowhere.delete(aTarget(), callFor())),
    ]) {
      expect(fault).toMatchObject({ kind: 'not-found', whose: 'admin' });
    }
    await nowhere.close();
    google.weather.refusal = () => refusals.notFound('something else altogether');
    expect((await faultOf(client.observe(aTarget(), callFor()))).kind).toBe('not-found');
    expect((await faultOf(client.delete(aTarget(), callFor()))).kind).toBe('not-found');
  });

  it('lists all locations, and names zones that do not answer', async () => {
    await running({ location: 'us-central1-a' });
    google.gaps.missingZones = ['us-central1-f'];
    expect((await client.list(callFor())).some((each) => each.where === 'us-central1-a')).toBe(true);
    const check = await client.check(callFor());
    expect(check.state).toBe('OK');
    expect(check.facts.map((fact) => fact.label)).toEqual([
      'Project',
      'Service account',
      'Clusters',
      'Location',
      'Default version',
      'Zones that do not answer',
    ]);
  });

  it('offers every page of locations and machines, what is usual first', async () => {
    const { choices } = await client.options({}, callFor());
    expect(choices.location?.[0]?.value).toBe('europe-west3-a');
    expect(choices.location).toHaveLength(13);
    expect(choices.location).toContainEqual({ value: 'us-central1', label: 'us-central1', note: 'region, 4 zones' });
    expect(choices.machineType?.[0]).toEqual({
      value: 'e2-standard-2',
      label: 'e2-standard-2: 2 CPUs, 8 GB',
      note: '0.067 USD per node and hour',
    });
    expect(choices.machineType).toHaveLength(8);
    expect(choices.version?.[0]).toEqual({ value: '1.33.6-gke.1130000', label: '1.33.6-gke.1130000', note: 'default' });
    const rapid = await client.options({ location: 'us-central1', releaseChannel: 'RAPID' }, callFor());
    expect(rapid.choices.version?.map((choice) => choice.value)).toEqual(['1.34.3-gke.1051003', '1.35.1-gke.1005000']);
    expect(google.seen.at(-1)).toContain('/zones/us-central1-a/machineTypes');
    const free = await client.options({ releaseChannel: 'none' }, callFor());
    expect(free.choices.version).toHaveLength(6);
  });

  it('offers what it may read when the compute API is closed to it', async () => {
    for (const refusal of [
      () => refusals.apiDisabled(google.project, 'compute.googleapis.com', 'Compute Engine API'),
      () => refusals.missingPermission('compute.zones.list', google.project),
    ]) {
      google.weather.computeRefusal = refusal;
      const { choices } = await client.options({}, callFor());
      expect(Object.keys(choices)).toEqual(['version']);
    }
    google.weather.computeRefusal = () => refusals.internal();
    expect((await faultOf(client.options({}, callFor()))).kind).toBe('unreachable');
  });

  it('tells of the fields of a place that does not exist', async () => {
    expect(await faultOf(client.options({ location: 'mars-north1' }, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'location',
    });
    expect(await faultOf(client.observe({ ...aTarget({}), spec: { location: '../..' } }, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'location',
    });
  });
});

describe('signing in to Google', () => {
  it('says what is wrong with the account, and whose it is', async () => {
    const states: [() => void, RegExp][] = [
      [() => google.signIn.setAccount('disabled'), /enable the service account/],
      [() => google.signIn.setAccount('deleted'), /was deleted/],
      [() => google.signIn.setSkew(3 * 3_600_000), /clock/],
      [() => google.signIn.setSkew(-3 * 3_600_000), /clock/],
    ];
    for (const [spoil, next] of states) {
      google.signIn.setAccount('enabled');
      google.signIn.setSkew(0);
      spoil();
      const fresh = await harness.engine.connect(harness.params);
      const check = await fresh.check(callFor());
      expect(check.state).toBe('Error');
      expect(check.next).toMatch(next);
      expect(await faultOf(fresh.create(aTarget(), harness.spec, callFor()))).toMatchObject({
        kind: 'not-allowed',
        outcomeUnknown: false,
      });
      await fresh.close();
    }
  });

  it('names the API that is off and the project that is not there in a check', async () => {
    google.weather.refusal = () => refusals.apiDisabled(google.project);
    expect(await client.check(callFor())).toMatchObject({
      state: 'Error',
      next: expect.stringContaining('gcloud services enable') as string,
    });
  });

  it('gets one token for many calls, and a new one when Google refuses it', async () => {
    const fresh = await harness.engine.connect(harness.params);
    const before = google.counts.tokens;
    await Promise.all([fresh.list(callFor()), fresh.options({}, callFor()), fresh.observe(aTarget(), callFor())]);
    expect(google.counts.tokens).toBe(before + 1);
    google.signIn.revoke();
    expect((await fresh.check(callFor())).state).toBe('OK');
    await fresh.options({}, callFor());
    expect(google.counts.tokens).toBe(before + 2);
    google.signIn.revoke();
    await fresh.options({}, callFor());
    expect(google.counts.tokens).toBe(before + 3);
    await fresh.close();
  });

  it('lets nobody wait for a sign-in that hangs, and begins anew afterwards', async () => {
    const fresh = await harness.engine.connect(harness.params);
    await harness.faults.hang();
    const fault = await faultOf(fresh.create(aTarget(), harness.spec, callFor(200)));
    expect(fault).toMatchObject({ kind: 'unreachable', outcomeUnknown: false });
    await harness.faults.clear();
    expect((await fresh.check(callFor())).state).toBe('OK');
    await fresh.close();
  });

  it('hands out a token that is good for most of an hour', async () => {
    const target = await running();
    const fresh = await harness.engine.connect(harness.params);
    google.signIn.setLife(40 * 60_000);
    await fresh.list(callFor());
    google.signIn.setLife(3_599_000);
    const issued = google.signIn.issued().length;
    const kubeconfig = parse(await fresh.kubeconfig(target, callFor())) as {
      users: { user: { token: string } }[];
      clusters: { cluster: Record<string, string> }[];
    };
    expect(google.signIn.issued()).toHaveLength(issued + 1);
    expect(kubeconfig.users[0]?.user.token).toBe(google.signIn.issued().at(-1));
    expect(
      Buffer.from(kubeconfig.clusters[0]?.cluster['certificate-authority-data'] ?? '', 'base64').toString(),
    ).toContain('BEGIN CERTIFICATE');
    // It is good enough for the next, too.
    await fresh.kubeconfig(target, callFor());
    expect(google.signIn.issued()).toHaveLength(issued + 1);
    const signIn = await fresh.signIn(target, callFor());
    expect(parse(signIn?.kubeconfig ?? '')).toMatchObject({
      users: [
        {
          user: {
            exec: {
              command: 'gke-gcloud-auth-plugin',
              apiVersion: 'client.authentication.k8s.io/v1beta1',
              provideClusterInfo: true,
            },
          },
        },
      ],
    });
    await fresh.close();
  });

  it('signs in at an address without a path as well', async () => {
    const fresh = await harness.engine.connect({ ...harness.params, tokenUrl: harness.params.apiEndpoint });
    expect((await fresh.check(callFor())).state).toBe('OK');
    await fresh.close();
  });
});
