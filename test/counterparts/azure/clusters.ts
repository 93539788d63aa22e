import { randomBytes, randomUUID } from 'node:crypto';
import type { KubeApi, KubeBackend } from '../../engines/harness.ts';
import { resolveVersion, sizes, upgradesOf } from './catalog.ts';
import { type Asked, gateway, provider } from './wire.ts';

export type Json = Record<string, unknown>;

/** A node pool's `properties`, as far as the counterpart reckons with them. */
export interface Pool extends Json {
  name: string;
  count: number;
  vmSize: string;
  mode: string;
  provisioningState: string;
  powerState: { code: string };
  orchestratorVersion: string;
  currentOrchestratorVersion: string;
  enableAutoScaling?: boolean;
  minCount?: number | undefined;
  maxCount?: number | undefined;
  eTag: string;
}

export interface Cluster {
  name: string;
  /** How it is named in paths, in small letters. */
  key: string;
  group: string;
  location: string;
  tags: Record<string, string>;
  sku: Json;
  identity: Json;
  eTag: string;
  createdBy: string;
  createdAt: string;
  /** `properties` apart from the ones below. */
  rest: Json;
  provisioningState: string;
  powerState: string;
  kubernetesVersion: string;
  pools: Pool[];
  error: Json | null;
  token: string;
  clientKey: string;
  kube: KubeApi | null;
}

/** What an operation does to its cluster when it ends. */
interface Operation {
  id: string;
  cluster: Cluster;
  startTime: number;
  endsAt: number;
  stalled: boolean;
  status: 'InProgress' | 'Succeeded' | 'Failed' | 'Canceled';
  error: Json | null;
  endTime: number | null;
  /** Has to be there before it can end well. */
  ready: () => boolean;
  done(): void;
  failed(): void;
}

/** Faults of what Azure does after it has answered. */
export interface Troubles {
  stall: boolean;
  failCreates: string | null;
  failUpdates: string | null;
  noQuota: boolean;
}

export interface WorldOptions {
  createMs: number;
  kube?: KubeBackend | undefined;
  createdBy: string;
}

/** The clusters of a subscription and what goes on with them. */
export interface World {
  readonly troubles: Troubles;
  /** Lets what stalled go on. */
  resume(): void;
  /** Carries out what time has brought. */
  settle(): void;
  find(group: string, name: string): Cluster | undefined;
  inGroup(group: string): Cluster[];
  /** Clusters of this name that were ever made. */
  made(name: string): number;
  put(
    group: string,
    name: string,
    body: Json,
    asked: Asked,
  ): { cluster: Cluster; operation: Operation; isNew: boolean };
  putPool(
    cluster: Cluster,
    name: string,
    body: Json,
    asked: Asked,
  ): { pool: Pool; operation: Operation; isNew: boolean };
  tag(cluster: Cluster, tags: Record<string, string>, asked: Asked): Operation;
  power(cluster: Cluster, on: boolean): Operation;
  abort(cluster: Cluster): Operation;
  remove(cluster: Cluster): Operation;
  operation(id: string): Operation | undefined;
  /** Makes a running cluster as somebody else's tool would. */
  makeRunning(group: string, name: string, change?: (cluster: Cluster) => void): Cluster;
  secrets(): string[];
}

/** How long each kind of operation takes, as a share of a create. */
const shares = { create: 1, delete: 0.3, change: 0.4, tag: 0.1 };

export function openWorld(options: WorldOptions): World {
  const clusters = new Map<string, Cluster>();
  const operations = new Map<string, Operation>();
  const making = new Map<string, number>();
  const secrets: string[] = [];
  const troubles: Troubles = { stall: false, failCreates: null, failUpdates: null, noQuota: false };

  const keyOf = (group: string, name: string) => `${group}/${name}`.toLowerCase();

  function begin(
    cluster: Cluster,
    share: number,
    fault: string | null,
    ends: { ready?: () => boolean; done(): void; failed?(): void },
  ): Operation {
    const now = Date.now();
    const operation: Operation = {
      id: randomUUID(),
      cluster,
      startTime: now,
      endsAt: now + options.createMs * share,
      // Only what has not ended by itself at once can stop half-way.
      stalled: troubles.stall && share >= shares.change,
      status: 'InProgress',
      error: null,
      endTime: null,
      ready: ends.ready ?? (() => true),
      done: ends.done,
      failed: ends.failed ?? (() => undefined),
    };
    if (fault !== null) {
      operation.error = {
        code: 'CreateVMSSAgentPoolFailed',
        message: `${fault} Please see https://aka.ms/aks/troubleshooting for details.`,
        details: null,
      };
    }
    operations.set(operation.id, operation);
    return operation;
  }

  function settle(): void {
    for (const operation of operations.values()) {
      if (operation.status !== 'InProgress' || operation.stalled || Date.now() < operation.endsAt) continue;
      if (operation.error) {
        operation.failed();
        end(operation, 'Failed');
      } else if (operation.ready()) {
        operation.done();
        end(operation, 'Succeeded');
      }
    }
  }

  function end(operation: Operation, status: Operation['status']): void {
    operation.status = status;
    operation.endTime = Date.now();
    operation.cluster.eTag = randomUUID();
  }

  function running(cluster: Cluster): Operation | undefined {
    return [...operations.values()].find((each) => each.cluster === cluster && each.status === 'InProgress');
  }

  function refuseBusy(cluster: Cluster): void {
    if (!running(cluster)) return;
    // As quoted in Azure/terraform-azurerm-avm-ptn-aks-production#25.
    throw provider(
      409,
      'OperationNotAllowed',
      `Operation is not allowed: Another operation (${cluster.provisioningState}) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details`,
    );
  }

  function refuseStopped(cluster: Cluster): void {
    if (cluster.powerState === 'Running') return;
    throw provider(
      400,
      'BadRequest',
      'Managed Cluster is in stopped state, no operations except for start are allowed.',
    );
  }

  function checkTag(eTag: string, asked: Asked): void {
    const wanted = asked.headers['if-match'];
    if (wanted === undefined || wanted === eTag || wanted === '*') return;
    // As quoted in Azure/terraform-azurerm-aks#604.
    throw provider(
      409,
      'EtagMismatch',
      'Operation is not allowed: Another operation is in progress',
      'PutManagedClusterAndComponents_FailedPrecondition',
    );
  }

  function checkPool(pool: Json, location: string): void {
    const name = String(pool.name ?? '');
    if (!/^[a-z][a-z0-9]{0,11}$/.test(name)) {
      throw provider(
        400,
        'InvalidParameter',
        `The value of parameter agentPool.name is invalid. Error details: The name ${name} is not valid.`,
      );
    }
    const size = sizes.find((each) => each.name === pool.vmSize);
    if (!size || size.restricted) {
      const allowed = sizes.filter((each) => !each.restricted).map((each) => each.name.toLowerCase());
      throw provider(
        400,
        'BadRequest',
        `The VM size of ${String(pool.vmSize)} is not allowed in your subscription in location '${location}'. The available VM sizes are '${allowed.join(',')}'. For more details, please visit https://aka.ms/cpu-quota`,
      );
    }
    const count = Number(pool.count ?? 1);
    const least = pool.mode === 'System' ? 1 : 0;
    if (!Number.isInteger(count) || count < least || count > 1_000) {
      throw provider(
        400,
        'InvalidParameter',
        `The value of parameter agentPool.count is invalid. Error details: ${count} is not between ${least} and 1000.`,
      );
    }
    if (pool.enableAutoScaling && (count < Number(pool.minCount) || count > Number(pool.maxCount))) {
      throw provider(
        400,
        'InvalidParameter',
        'The value of parameter agentPool.count is not between minCount and maxCount.',
      );
    }
  }

  function versionOf(wanted: unknown, name: string): string {
    const version = resolveVersion(typeof wanted === 'string' ? wanted : undefined);
    if (version) return version;
    throw provider(
      400,
      'K8sVersionNotSupported',
      `Managed cluster ${name} is on version ${String(wanted)} which is not supported in this region. Please use [az aks get-versions] command to get the supported version list in this region. For more information, please check https://aka.ms/supported-version-list`,
    );
  }

  function poolOf(profile: Json, version: string): Pool {
    const { eTag: _eTag, provisioningState: _state, currentOrchestratorVersion: _current, ...given } = profile;
    return {
      osDiskSizeGB: 128,
      osDiskType: 'Managed',
      maxPods: 250,
      type: 'VirtualMachineScaleSets',
      osType: 'Linux',
      osSKU: 'Ubuntu',
      ...given,
      name: String(profile.name),
      count: Number(profile.count ?? 1),
      vmSize: String(profile.vmSize),
      mode: String(profile.mode ?? 'User'),
      provisioningState: 'Creating',
      powerState: { code: 'Running' },
      orchestratorVersion: String(profile.orchestratorVersion ?? version),
      currentOrchestratorVersion: version,
      nodeImageVersion: 'AKSUbuntu-2204gen2containerd-202609.01.0',
      eTag: randomUUID(),
    };
  }

  function make(group: string, name: string, body: Json): Cluster {
    const properties = (body.properties ?? {}) as Json;
    const location = String(body.location ?? '');
    if (location === '')
      throw gateway(400, 'LocationRequired', 'The location property is required for this definition.');
    const version = versionOf(properties.kubernetesVersion, name);
    const profiles = (properties.agentPoolProfiles ?? []) as Json[];
    if (!profiles.some((pool) => pool.mode === 'System')) {
      throw provider(400, 'BadRequest', 'Must define at least one system pool.');
    }
    for (const pool of profiles) checkPool(pool, location);
    if (troubles.noQuota) {
      const wanted = profiles.reduce((sum, pool) => sum + Number(pool.count ?? 1) * 2, 0);
      throw provider(
        400,
        'ErrCode_InsufficientVCPUQuota',
        `Insufficient regional vcpu quota left for location ${location}. left regional vcpu quota 0, requested quota ${wanted}. If you want to increase the quota, please follow this instruction: https://docs.microsoft.com/en-us/azure/azure-portal/supportability/regional-quota-requests.`,
      );
    }
    const { kubernetesVersion: _version, agentPoolProfiles: _pools, ...rest } = properties;
    const suffix = randomBytes(4).toString('hex');
    const cluster: Cluster = {
      name,
      key: keyOf(group, name),
      group,
      location,
      tags: { ...((body.tags ?? {}) as Record<string, string>) },
      sku: { name: 'Base', tier: 'Free', ...((body.sku ?? {}) as Json) },
      identity: { ...((body.identity ?? {}) as Json), principalId: randomUUID(), tenantId: randomUUID() },
      eTag: randomUUID(),
      createdBy: options.createdBy,
      createdAt: new Date().toISOString(),
      rest: {
        ...rest,
        fqdn: `${String(properties.dnsPrefix ?? name)}-${suffix}.hcp.${location}.azmk8s.io`,
        azurePortalFQDN: `${String(properties.dnsPrefix ?? name)}-${suffix}.portal.hcp.${location}.azmk8s.io`,
        nodeResourceGroup: `MC_${group}_${name}_${location}`,
        maxAgentPools: 100,
        servicePrincipalProfile: { clientId: 'msi' },
        networkProfile: {
          podCidr: '10.244.0.0/16',
          serviceCidr: '10.0.0.0/16',
          dnsServiceIP: '10.0.0.10',
          outboundType: 'loadBalancer',
          ipFamilies: ['IPv4'],
          ...((properties.networkProfile ?? {}) as Json),
        },
      },
      provisioningState: 'Creating',
      powerState: 'Running',
      kubernetesVersion: version,
      pools: profiles.map((profile) => poolOf(profile, version)),
      error: null,
      token: randomBytes(64).toString('hex'),
      clientKey: randomBytes(120).toString('base64'),
      kube: null,
    };
    clusters.set(cluster.key, cluster);
    making.set(name, (making.get(name) ?? 0) + 1);
    secrets.push(cluster.token, cluster.clientKey);
    return cluster;
  }

  function openKube(cluster: Cluster): void {
    options.kube?.open(cluster.name, nodesOf(cluster)).then(
      (api) => {
        cluster.kube = api;
        secrets.push(api.token);
      },
      (error: unknown) => {
        cluster.error = { code: 'InternalError', message: String(error) };
      },
    );
  }

  function settled(cluster: Cluster): void {
    cluster.provisioningState = 'Succeeded';
    cluster.error = null;
    for (const pool of cluster.pools) pool.provisioningState = 'Succeeded';
  }

  function broken(cluster: Cluster, operation: () => Operation, pools: readonly Pool[]): void {
    cluster.provisioningState = 'Failed';
    cluster.error = operation().error;
    for (const pool of pools) pool.provisioningState = 'Failed';
  }

  /** A change of a cluster that is there: `change` is carried out at its end. */
  function change(
    cluster: Cluster,
    state: string,
    pools: readonly Pool[],
    act: () => void,
    share = shares.change,
  ): Operation {
    cluster.provisioningState = state;
    for (const pool of pools) pool.provisioningState = state;
    const operation: Operation = begin(cluster, share, share === shares.tag ? null : troubles.failUpdates, {
      done() {
        act();
        settled(cluster);
      },
      failed: () => broken(cluster, () => operation, pools),
    });
    return operation;
  }

  const world: World = {
    troubles,
    resume() {
      for (const operation of operations.values()) {
        if (!operation.stalled) continue;
        operation.stalled = false;
        operation.endsAt = Date.now() + options.createMs / 4;
      }
    },
    settle,
    find: (group, name) => clusters.get(keyOf(group, name)),
    inGroup: (group) => [...clusters.values()].filter((each) => each.group.toLowerCase() === group.toLowerCase()),
    made: (name) => making.get(name) ?? 0,

    put(group, name, body, asked) {
      const known = clusters.get(keyOf(group, name));
      if (!known) {
        if (asked.headers['if-match'] !== undefined)
          throw provider(412, 'PreconditionFailed', 'The cluster does not exist.');
        const cluster = make(group, name, body);
        if (options.kube) openKube(cluster);
        const operation: Operation = begin(cluster, shares.create, troubles.failCreates, {
          ready: () => !options.kube || cluster.kube !== null,
          done: () => settled(cluster),
          failed: () => broken(cluster, () => operation, cluster.pools),
        });
        return { cluster, operation, isNew: true };
      }
      if (asked.headers['if-none-match'] === '*') {
        throw provider(412, 'PreconditionFailed', `The managed cluster ${name} exists already.`);
      }
      checkTag(known.eTag, asked);
      refuseBusy(known);
      refuseStopped(known);
      const properties = (body.properties ?? {}) as Json;
      const wanted = versionOf(properties.kubernetesVersion ?? known.kubernetesVersion, name);
      if (
        wanted !== known.kubernetesVersion &&
        !upgradesOf(known.kubernetesVersion).some((each) => each.kubernetesVersion === wanted)
      ) {
        throw provider(
          400,
          'OperationNotAllowed',
          `Upgrading Kubernetes version ${known.kubernetesVersion} to ${wanted} is not allowed. Available upgrades: [${upgradesOf(known.kubernetesVersion).map((each) => each.kubernetesVersion)}]. See https://aka.ms/aks-supported-k8s-ver for version details.`,
        );
      }
      // The PUT replaces: what it leaves out is gone.
      for (const pool of (properties.agentPoolProfiles ?? []) as Json[]) checkPool(pool, known.location);
      const state = wanted === known.kubernetesVersion ? 'Updating' : 'Upgrading';
      const operation = change(known, state, [], () => {
        known.kubernetesVersion = wanted;
        known.tags = { ...((body.tags ?? {}) as Record<string, string>) };
        const { kubernetesVersion: _version, agentPoolProfiles: _pools, ...rest } = properties;
        const { fqdn, azurePortalFQDN, nodeResourceGroup, maxAgentPools } = known.rest;
        known.rest = { ...rest, fqdn, azurePortalFQDN, nodeResourceGroup, maxAgentPools };
      });
      return { cluster: known, operation, isNew: false };
    },

    putPool(cluster, name, body, asked) {
      const properties = (body.properties ?? {}) as Json;
      const known = cluster.pools.find((each) => each.name === name);
      checkTag(known?.eTag ?? '', asked);
      refuseBusy(cluster);
      refuseStopped(cluster);
      const wanted = { ...properties, name, mode: properties.mode ?? known?.mode };
      checkPool(wanted, cluster.location);
      if (!known) {
        const pool = poolOf(wanted, cluster.kubernetesVersion);
        cluster.pools.push(pool);
        return { pool, operation: change(cluster, 'Updating', [pool], () => undefined), isNew: true };
      }
      const version = versionOf(properties.orchestratorVersion ?? known.orchestratorVersion, cluster.name);
      if (version.localeCompare(cluster.kubernetesVersion, 'en', { numeric: true }) > 0) {
        throw provider(
          400,
          'NodePoolMcVersionIncompatible',
          `Node pool version ${version} and control plane version ${cluster.kubernetesVersion} are incompatible.`,
        );
      }
      // Sending back an old image with another version asks for a rollback (models of @azure/arm-containerservice 25.5).
      if (properties.nodeImageVersion !== undefined) {
        throw provider(
          400,
          'InvalidParameter',
          'The value of parameter agentPool.nodeImageVersion is not one of recentlyUsedVersions.',
        );
      }
      const autoscaled = known.enableAutoScaling === true && properties.enableAutoScaling === true;
      const sameBounds = properties.minCount === known.minCount && properties.maxCount === known.maxCount;
      if (autoscaled && sameBounds && Number(properties.count) !== known.count) {
        throw provider(400, 'BadRequest', 'Cannot change the count of an agent pool that is scaled automatically.');
      }
      const state = version !== known.currentOrchestratorVersion ? 'Upgrading' : 'Scaling';
      const operation = change(cluster, state, [known], () => {
        Object.assign(known, {
          count: Number(properties.count ?? known.count),
          enableAutoScaling: properties.enableAutoScaling === true,
          minCount: properties.enableAutoScaling ? properties.minCount : undefined,
          maxCount: properties.enableAutoScaling ? properties.maxCount : undefined,
          orchestratorVersion: version,
          currentOrchestratorVersion: version,
          eTag: randomUUID(),
        });
        if (options.kube) {
          options.kube.scale(cluster.name, nodesOf(cluster)).catch((error: unknown) => {
            cluster.error = { code: 'InternalError', message: String(error) };
          });
        }
      });
      return { pool: known, operation, isNew: false };
    },

    tag(cluster, tags, asked) {
      checkTag(cluster.eTag, asked);
      refuseBusy(cluster);
      return change(cluster, 'Updating', [], () => (cluster.tags = { ...tags }), shares.tag);
    },

    power(cluster, on) {
      refuseBusy(cluster);
      return change(cluster, on ? 'Starting' : 'Stopping', [], () => {
        cluster.powerState = on ? 'Running' : 'Stopped';
        for (const pool of cluster.pools) pool.powerState = { code: cluster.powerState };
      });
    },

    abort(cluster) {
      const current = running(cluster);
      if (!current) throw provider(409, 'OperationNotAllowed', 'There is no operation to abort.');
      preempt(current);
      return change(cluster, 'Canceling', [], () => {
        cluster.provisioningState = 'Canceled';
      });
    },

    remove(cluster) {
      const current = running(cluster);
      if (current && cluster.provisioningState === 'Deleting') return current;
      if (current) preempt(current);
      cluster.provisioningState = 'Deleting';
      for (const pool of cluster.pools) pool.provisioningState = 'Deleting';
      return begin(cluster, shares.delete, null, {
        done() {
          if (clusters.get(cluster.key) === cluster) clusters.delete(cluster.key);
          options.kube?.remove(cluster.name).catch((error: unknown) => {
            cluster.error = { code: 'InternalError', message: String(error) };
          });
        },
      });
    },

    operation: (id) => operations.get(id),

    makeRunning(group, name, alter) {
      const cluster = make(group, name, {
        location: 'westeurope',
        identity: { type: 'SystemAssigned' },
        properties: {
          dnsPrefix: name,
          enableRBAC: true,
          agentPoolProfiles: [{ name: 'nodepool1', mode: 'System', count: 2, vmSize: 'Standard_D2s_v5' }],
          networkProfile: { networkPlugin: 'azure', networkPluginMode: 'overlay' },
        },
      });
      settled(cluster);
      alter?.(cluster);
      if (options.kube) openKube(cluster);
      return cluster;
    },
    secrets: () => [...secrets],
  };
  return world;

  function preempt(operation: Operation): void {
    operation.error = {
      code: 'OperationPreempted',
      message: 'The operation has been preempted by a more recent operation.',
    };
    end(operation, 'Canceled');
  }
}

function nodesOf(cluster: Cluster): number {
  return cluster.pools.reduce((sum, pool) => sum + pool.count, 0);
}
