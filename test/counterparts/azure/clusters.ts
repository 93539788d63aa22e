import { randomUUID } from 'node:crypto';
import { upgradesOf } from './catalog.ts';
import { checkPool, checkTag, keyOf, newCluster, poolOf, refuseStopped, versionOf } from './rules.ts';
import type { Cluster, Json, Machines, Operation, Pool, Troubles, World, WorldOptions } from './types.ts';
import { provider } from './wire.ts';

/** How long each kind of operation takes, as a share of a create. */
const shares = { create: 1, delete: 0.3, change: 0.4, tag: 0.1 };

export function openWorld(options: WorldOptions): World {
  const clusters = new Map<string, Cluster>();
  const operations = new Map<string, Operation>();
  const making = new Map<string, number>();
  const secrets: string[] = [];
  const fleets = new WeakMap<Pool, Machines>();
  const troubles: Troubles = { stall: false, failCreates: null, failUpdates: null, noQuota: false };

  /** A pool's machines, brought to its count: new ones get new numbers, and the newest goes first. */
  function machinesOf(pool: Pool): Machines {
    const fleet = fleets.get(pool) ?? { next: 0, names: [] };
    fleets.set(pool, fleet);
    while (fleet.names.length < pool.count) {
      fleet.names.push(`aks-${pool.name}-12345678-vmss${fleet.next.toString(36).padStart(6, '0')}`);
      fleet.next += 1;
    }
    fleet.names.length = pool.count;
    return fleet;
  }

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

  function make(group: string, name: string, body: Json): Cluster {
    const cluster = newCluster(group, name, body, { noQuota: troubles.noQuota, createdBy: options.createdBy });
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

  function scaleKube(cluster: Cluster): void {
    options.kube?.scale(cluster.name, nodesOf(cluster)).catch((error: unknown) => {
      cluster.error = { code: 'InternalError', message: String(error) };
    });
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
        const operation = change(cluster, 'Updating', [pool], () => scaleKube(cluster));
        return { pool, operation, isNew: true };
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
        scaleKube(cluster);
      });
      return { pool: known, operation, isNew: false };
    },

    removePool(cluster, pool) {
      refuseBusy(cluster);
      refuseStopped(cluster);
      if (pool.mode === 'System' && cluster.pools.filter((each) => each.mode === 'System').length === 1) {
        throw provider(400, 'OperationNotAllowed', 'There has to be at least one system agent pool.');
      }
      const operation = change(cluster, 'Updating', [pool], () => {
        cluster.pools = cluster.pools.filter((each) => each !== pool);
        scaleKube(cluster);
      });
      pool.provisioningState = 'Deleting';
      return operation;
    },

    machines: (pool) => [...machinesOf(pool).names],

    deleteMachines(cluster, pool, names) {
      refuseBusy(cluster);
      refuseStopped(cluster);
      const fleet = machinesOf(pool);
      const strange = names.find((each) => !fleet.names.includes(each));
      if (names.length === 0 || strange !== undefined) {
        throw provider(400, 'InvalidParameter', `The machine ${strange ?? ''} is not in the agent pool ${pool.name}.`);
      }
      return change(cluster, 'Updating', [pool], () => {
        fleet.names = fleet.names.filter((each) => !names.includes(each));
        pool.count = fleet.names.length;
        scaleKube(cluster);
      });
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
