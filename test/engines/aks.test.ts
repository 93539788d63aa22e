import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { aks } from '../../src/engines/aks/index.ts';
import { type Azure, openAzure } from '../counterparts/azure/index.ts';
import { provider } from '../counterparts/azure/wire.ts';
import { startHttpProxy } from '../proxy.ts';
import { eventually } from '../servers.ts';
import { openAksHarness } from './aks-harness.ts';
import { callFor, faultOf } from './calls.ts';
import { engineConformance } from './conformance.ts';
import { drive, over } from './drive.ts';

engineConformance({ name: 'aks', open: openAksHarness });

const spec = { location: 'westeurope', version: '1.33.6', size: 'Standard_D2s_v5', nodes: 2 };

describe('the AKS engine at an Azure of its own', () => {
  let azure: Azure;
  let client: EngineClient;
  let counter = 0;

  const paramsOf = (more: Record<string, unknown> = {}) => ({
    tenantId: azure.tenantId,
    clientId: azure.clientId,
    clientSecret: azure.clientSecret,
    subscriptionId: azure.subscriptionId,
    resourceGroup: azure.resourceGroup,
    resourceManagerEndpoint: `https://127.0.0.1:${azure.managerPort}`,
    authorityHost: `https://127.0.0.1:${azure.authorityPort}`,
    caBundle: azure.ca,
    ...more,
  });

  beforeAll(async () => {
    azure = await openAzure({ createMs: 300 });
    client = await aks.connect(paramsOf());
  });
  afterEach(() => azure.clear());
  afterAll(async () => {
    await client.close();
    await azure.close();
  });

  function aTarget(wanted: Record<string, unknown> = spec): Target {
    counter += 1;
    return { org: 'default', cluster: `c${counter}`, externalName: `kq-own-${counter}`, spec: wanted };
  }

  async function running(wanted: Record<string, unknown> = spec): Promise<Target> {
    const target = aTarget(wanted);
    const { id } = await client.create(target, wanted, callFor());
    await over(client, { ...target, operation: id }, 10_000);
    return target;
  }

  const clusterOf = (target: Target) => {
    const found = azure.world.find(azure.resourceGroup, target.externalName);
    if (!found) throw new Error(`there is no cluster ${target.externalName}`);
    return found;
  };
  const lastBody = () => azure.bodies().at(-1);

  it('asks for the whole cluster in one request that makes nothing over', async () => {
    const wanted = {
      ...spec,
      tier: 'Premium',
      autoscaleMin: 1,
      autoscaleMax: 4,
      userNodes: 3,
      userSize: 'Standard_D4s_v5',
      osDiskGb: 100,
      zones: '1,2',
      networkPolicy: 'cilium',
      podCidr: '10.240.0.0/16',
      serviceCidr: '192.168.0.0/20',
      privateCluster: true,
      tags: { 'cost-center': '42' },
    };
    const target = aTarget(wanted);
    await client.create(target, wanted, callFor());
    const sent = lastBody();
    expect(sent?.headers['if-none-match']).toBe('*');
    const pool = { type: 'VirtualMachineScaleSets', osType: 'Linux', osDiskSizeGB: 100, availabilityZones: ['1', '2'] };
    expect(sent?.body).toEqual({
      location: 'westeurope',
      tags: { 'cost-center': '42', 'kqueen-cluster': target.cluster, 'kqueen-org': 'default' },
      sku: { name: 'Base', tier: 'Premium' },
      identity: { type: 'SystemAssigned' },
      properties: {
        kubernetesVersion: '1.33.6',
        supportPlan: 'AKSLongTermSupport',
        dnsPrefix: target.externalName,
        enableRBAC: true,
        agentPoolProfiles: [
          {
            ...pool,
            name: 'system',
            mode: 'System',
            vmSize: 'Standard_D2s_v5',
            count: 2,
            enableAutoScaling: true,
            minCount: 1,
            maxCount: 4,
          },
          { ...pool, name: 'user', mode: 'User', vmSize: 'Standard_D4s_v5', count: 3 },
        ],
        networkProfile: {
          networkPlugin: 'azure',
          networkPluginMode: 'overlay',
          networkPolicy: 'cilium',
          networkDataplane: 'cilium',
          loadBalancerSku: 'standard',
          podCidr: '10.240.0.0/16',
          serviceCidr: '192.168.0.0/20',
          dnsServiceIP: '192.168.0.10',
        },
        apiServerAccessProfile: { enablePrivateCluster: true },
      },
    });
  });

  it('goes on with an operation in another process, without a second PUT and without a secret in its handle', async () => {
    const target = aTarget();
    const { id } = await client.create(target, spec, callFor());
    expect(id.length).toBeLessThan(16 * 1024);
    expect(azure.secrets().filter((secret) => id.includes(secret))).toEqual([]);
    const writes = azure.counts().writes;
    const other = await aks.connect(paramsOf());
    const seen = await over(other, { ...target, operation: id }, 10_000);
    expect(seen).toMatchObject({ state: 'running', outcome: 'done' });
    // A second create, as after a crash before the handle was saved.
    expect((await other.create(target, spec, callFor())).id).toContain(target.externalName);
    await other.close();
    expect(azure.counts().writes).toBe(writes);
    expect(azure.world.made(target.externalName)).toBe(1);
  });

  it('keeps the reason of a failed create, and names what it left and where', async () => {
    azure.world.troubles.failCreates =
      'VMSSAgentPoolReconciler retry failed: Category: ClientError; SubCode: QuotaExceeded; OrginalError: Code="QuotaExceeded" Message="Operation could not be completed as it results in exceeding approved standardDSv5Family Cores quota." Target="".';
    const target = aTarget();
    const { id } = await client.create(target, spec, callFor());
    const seen = await over(client, { ...target, operation: id }, 10_000);
    expect(seen).toMatchObject({
      state: 'error',
      outcome: 'failed',
      message: 'Operation could not be completed as it results in exceeding approved standardDSv5Family Cores quota.',
    });
    expect(seen.leftovers?.join()).toContain(`MC_kqueen-test_${target.externalName}_westeurope`);
    expect(seen.notes?.join()).toContain('bills separately');
    // Without the handle the cluster itself tells.
    const other = await aks.connect(paramsOf());
    const later = await other.observe(target, callFor());
    await other.close();
    expect(later).toMatchObject({ state: 'error', message: seen.message });
    expect(await client.log({ ...target, operation: id }, callFor())).toMatch(
      /Operation \(create\):.*QuotaExceeded.*Cluster:/s,
    );
  });

  it('sends the whole cluster back for an upgrade, but what Azure measured, and only if nobody changed it', async () => {
    const target = await running({ ...spec, userNodes: 1 });
    const before = structuredClone(clusterOf(target).rest);
    expect(await drive(client, target, { version: '1.34' }, 10_000)).toBe(3);
    const puts = azure
      .bodies()
      .filter(({ request }) => request.startsWith('PUT') && request.includes(`/${target.externalName}`));
    expect(puts.slice(1).map(({ request }) => request.split('/').slice(-2).join('/'))).toEqual([
      `managedClusters/${target.externalName}`,
      'agentPools/system',
      'agentPools/user',
    ]);
    expect(puts.slice(1).every(({ headers }) => headers['if-match'] !== undefined)).toBe(true);
    expect(JSON.stringify(puts.slice(1))).not.toContain('nodeImageVersion');
    expect(clusterOf(target).rest).toEqual(before);
    const seen = await client.observe(target, callFor());
    expect(seen).toMatchObject({ version: '1.34.2', pools: [{ version: '1.34.2' }, { version: '1.34.2' }] });
    // Changed between the look and the PUT.
    azure.set('writes', {
      kind: 'refuse',
      refusal: () => provider(409, 'EtagMismatch', 'Operation is not allowed: Another operation is in progress'),
    });
    const fault = await faultOf(client.update(target, { version: '1.35.0' }, callFor()));
    expect(fault).toMatchObject({ kind: 'conflict', retryable: true, outcomeUnknown: false });
    expect(fault.message).toContain('somebody else');
  });

  it('skips no minor version and goes back to none', async () => {
    const target = await running();
    for (const version of ['1.35.0', '1.32.9', '1.33.5']) {
      expect(await faultOf(client.update(target, { version }, callFor()))).toMatchObject({
        kind: 'bad-input',
        field: 'version',
      });
    }
    const offered = await client.upgrades(target, callFor());
    expect(offered.map(({ value }) => value)).toEqual(['1.34.2', '1.34.1']);
    await drive(client, target, { version: '1.34.2' }, 10_000);
    expect((await client.upgrades(target, callFor()))[0]).toMatchObject({
      value: '1.35.0',
      note: expect.stringContaining('preview'),
    });
  });

  it('leaves the number of nodes to the autoscaler while that is on', async () => {
    const target = await running({ ...spec, autoscaleMin: 1, autoscaleMax: 3 });
    const fault = await faultOf(client.update(target, { nodes: 3 }, callFor()));
    expect(fault).toMatchObject({ kind: 'bad-input', field: 'nodes' });
    expect(fault.next).toContain('cluster autoscale');
    await drive(client, target, { autoscale: { min: 3, max: 6 } }, 10_000);
    expect((await client.observe(target, callFor())).pools?.[0]).toMatchObject({
      nodes: 3,
      autoscale: { min: 3, max: 6 },
    });
    await drive(client, target, { autoscale: null, nodes: 4 }, 10_000);
    expect(await client.observe(target, callFor())).toMatchObject({ nodes: 4 });
    expect(await faultOf(client.update(target, { nodes: 0 }, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'nodes',
    });
  });

  it('scales the pool that is meant', async () => {
    const target = await running({ ...spec, userNodes: 1 });
    await drive(client, target, { pool: 'user', nodes: 0 }, 10_000);
    expect((await client.observe(target, callFor())).pools).toMatchObject([{ nodes: 2 }, { name: 'user', nodes: 0 }]);
  });

  it('changes nothing of a stopped cluster but its power', async () => {
    const target = await running();
    await drive(client, target, { power: 'off' }, 10_000);
    const seen = await client.observe(target, callFor());
    expect(seen.state).toBe('stopped');
    expect(seen.notes?.join()).toContain('stopped');
    for (const each of [
      () => client.update(target, { nodes: 3 }, callFor()),
      () => client.kubeconfig(target, callFor()),
    ]) {
      const fault = await faultOf(each());
      expect(fault).toMatchObject({ kind: 'conflict', retryable: false });
      expect(fault.next).toContain('cluster start');
    }
    await client.delete(target, callFor());
  });

  it('ends the create first where Azure takes no delete in its middle', async () => {
    azure.world.troubles.stall = true;
    const target = aTarget();
    await client.create(target, spec, callFor());
    let refusals = 0;
    azure.set('writes', {
      kind: 'refuse',
      refusal: () => {
        refusals += 1;
        // The delete alone is refused; what comes after it passes.
        azure.clear();
        return provider(
          409,
          'OperationNotAllowed',
          'Operation is not allowed: Another operation (Creating) is in progress.',
        );
      },
    });
    expect(await faultOf(client.delete(target, callFor()))).toMatchObject({ kind: 'conflict', retryable: true });
    expect(refusals).toBe(1);
    expect(azure.bodies().at(-1)?.request).toMatch(/^POST .*\/abort$/);
    await eventually('the delete is taken', async () => {
      try {
        await client.delete(target, callFor());
      } catch (thrown) {
        expect(thrown).toMatchObject({ kind: 'conflict', retryable: true });
      }
      return (await client.observe(target, callFor())).state === 'absent';
    });
  });

  it('gets a new token when the present one is refused', async () => {
    const target = await running();
    azure.expireTokens();
    expect(await client.observe(target, callFor())).toMatchObject({ state: 'running' });
  });

  it('signs in where local accounts are disabled, as itself and as people', async () => {
    const target = await running();
    const cluster = clusterOf(target);
    cluster.rest.disableLocalAccounts = true;
    const closed = await faultOf(client.kubeconfig(target, callFor()));
    expect(closed).toMatchObject({ kind: 'not-allowed', whose: 'admin' });
    expect(closed.message).toContain('Local accounts');
    expect(await client.signIn(target, callFor())).toBeNull();
    cluster.rest.aadProfile = { managed: true, enableAzureRBAC: true };
    azure.expireTokens();
    const given = azure.secrets();
    const kubeconfig = parse(await client.kubeconfig(target, callFor())) as { users: { user: { token: string } }[] };
    const [, payload = ''] = kubeconfig.users[0]?.user.token.split('.') ?? [];
    expect(Buffer.from(payload, 'base64url').toString()).toContain('6dae42f8-4368-4678-94ff-3960e28e3630');
    expect(given).not.toContain(kubeconfig.users[0]?.user.token);
    const way = await client.signIn(target, callFor());
    expect(way?.kubeconfig).toContain('kubelogin');
    expect(way?.needs).toContain('kubelogin');
  });

  it('lists every page, with owners', async () => {
    for (let n = 0; n < 12; n += 1) {
      azure.world.makeRunning(azure.resourceGroup, `other-${n}`, (cluster) => {
        cluster.tags = n % 2 === 0 ? { Owner: `person-${n}` } : {};
      });
    }
    const listed = await client.list(callFor());
    expect(listed.filter(({ externalName }) => externalName.startsWith('other-'))).toHaveLength(12);
    expect(listed.find(({ externalName }) => externalName === 'other-4')).toMatchObject({
      owner: 'person-4',
      where: 'westeurope',
      spec: { systemPool: 'nodepool1', nodes: 2, networkPlugin: 'azure-overlay' },
    });
    // Who made it, as Azure noted.
    expect(listed.find(({ externalName }) => externalName === 'other-5')?.owner).toBe(azure.clientId);
  });

  it('offers what the subscription has, in its location', async () => {
    const { choices } = await client.options({ location: 'eastus' }, callFor());
    expect(choices.location?.map(({ value }) => value)).toEqual(['westeurope', 'eastus', 'northeurope']);
    expect(choices.version?.[0]).toMatchObject({ value: '1.33.6' });
    expect(choices.version?.find(({ value }) => value === '1.32.9')?.note).toContain('Premium');
    expect(choices.size?.map(({ value }) => value)).toEqual([
      'Standard_D2s_v5',
      'Standard_B2als_v2',
      'Standard_D4s_v5',
      'Standard_E4s_v5',
    ]);
    expect(choices.userSize).toEqual(choices.size);
    expect(azure.seen().at(-1)).toMatch(/skus|kubernetesVersions|locations|ContainerService/);
    const elsewhere = await aks.connect(paramsOf({ defaultLocation: 'northeurope' }));
    expect((await elsewhere.options({}, callFor())).choices.location?.[0]).toMatchObject({
      value: 'northeurope',
      label: 'North Europe',
    });
    await elsewhere.close();
  });

  it('offers less to a role on the resource group alone, and still something', async () => {
    azure.forbid(/^Microsoft\.(Compute|Resources\/subscriptions\/(locations|providers)|ContainerService\/locations)/);
    expect((await client.options({}, callFor())).choices).toEqual({
      location: [{ value: 'westeurope', label: 'westeurope' }],
    });
    expect((await client.check(callFor())).state).toBe('OK');
  });

  it('names in its check what is wrong with the provisioner, and the field', async () => {
    const checked = async (more: Record<string, unknown>) => {
      const other = await aks.connect(paramsOf(more));
      const result = await other.check(callFor());
      await other.close();
      return result;
    };
    const none = '00000000-0000-4000-8000-000000000000';
    for (const [more, field, words] of [
      [{ clientSecret: 'a-wrong-secret' }, 'clientSecret', 'does not accept'],
      [{ clientSecret: azure.expiredSecret }, 'clientSecret', 'expired'],
      [{ clientId: none }, 'clientId', 'does not know the application'],
      [{ tenantId: none }, 'tenantId', 'directory'],
      [{ subscriptionId: none }, 'subscriptionId', 'subscription'],
      [{ resourceGroup: 'nowhere' }, 'resourceGroup', 'nowhere'],
    ] as const) {
      const result = await checked(more);
      expect(result, field).toMatchObject({ state: 'Error', field });
      expect(result.message, field).toContain(words);
    }
    azure.grant(['*/read']);
    const reader = await client.check(callFor());
    expect(reader).toMatchObject({ state: 'Error', field: 'clientId' });
    expect(reader.message).toContain('Microsoft.ContainerService/managedClusters/write');
    expect(reader.message).not.toContain('managedClusters/read');
    azure.grant(null);
    expect((await client.check(callFor())).state).toBe('OK');
  });

  it('tells machine sizes, versions and capacity apart, in short', async () => {
    const long = await faultOf(client.create(aTarget(), { ...spec, size: 'Standard_M128s' }, callFor()));
    expect(long).toMatchObject({ kind: 'bad-input', field: 'size' });
    expect(long.message.length).toBeLessThan(120);
    const user = { ...spec, userNodes: 1, userSize: 'Standard_M128s' };
    expect(await faultOf(client.create(aTarget(), user, callFor()))).toMatchObject({
      kind: 'bad-input',
      field: 'userSize',
    });
  });

  it('works behind fronts that have other names and addresses than what is behind them', async () => {
    const origin = (port: number) => `https://127.0.0.1:${port}`;
    const manager = await startHttpProxy(origin(azure.managerPort), { targetCa: azure.ca });
    const authority = await startHttpProxy(origin(azure.authorityPort), { targetCa: azure.ca });
    const behind = await aks.connect(
      paramsOf({
        resourceManagerEndpoint: manager.url,
        authorityHost: authority.url,
        // Without Azure's own: a request past the fronts would be refused.
        caBundle: manager.ca + authority.ca,
      }),
    );
    const target = aTarget();
    const { id } = await behind.create(target, spec, callFor());
    expect(await over(behind, { ...target, operation: id }, 10_000)).toMatchObject({
      state: 'running',
      outcome: 'done',
    });
    expect((await behind.list(callFor())).length).toBeGreaterThan(5);
    await behind.close();
    await manager.close();
    await authority.close();
  });
});
