/** The clusters of one project at this Google and what is done to them. */

import { makeTestCertificate } from '../../certificate.ts';
import type { KubeBackend } from '../../engines/harness.ts';
import { type KubeFront, openKubeFront } from '../kube.ts';
import { isZonal, offeredIn, resolveVersion } from './catalog.ts';
import {
  type Cluster,
  checkAutoscaling,
  type Message,
  makeCluster,
  makeFingerprint,
  makePool,
  nodesOf,
  object,
  type Pool,
} from './cluster.ts';
import { refusals } from './errors.ts';
import { resizeGroups } from './machines.ts';
import { beginOperation, type Course, type Operation, resume, settle } from './operations.ts';
import { compareVersions } from './versions.ts';

export interface WorldOptions {
  project: string;
  /** How long a create takes, in milliseconds; other operations take less. */
  createMs: number;
  kube?: KubeBackend;
  /** Whether an access token lets in at a cluster's API. */
  accepts(token: string): boolean;
}

/** What goes wrong with operations that begin now. */
export interface Troubles {
  createFailure: string | null;
  updateFailure: string | null;
  stall: boolean;
  quota: boolean;
}

export interface World {
  troubles: Troubles;
  clusters(location: string): Cluster[];
  cluster(location: string, name: string): Cluster;
  create(location: string, asked: Message): Operation;
  remove(location: string, name: string): Operation;
  update(location: string, name: string, update: Message): Operation;
  setLabels(location: string, name: string, labels: Record<string, string>, fingerprint: string): Operation;
  pool(location: string, name: string, pool: string): Pool;
  upgradePool(location: string, name: string, pool: string, version: string): Operation;
  setSize(location: string, name: string, pool: string, count: number): Operation;
  setAutoscaling(location: string, name: string, pool: string, autoscaling: Message): Operation;
  setNetworkPolicy(location: string, name: string, policy: Message): Operation;
  createPool(location: string, name: string, asked: Message): Operation;
  removePool(location: string, name: string, pool: string): Operation;
  operation(location: string, name: string): Operation;
  operations(location: string): Operation[];
  cancel(location: string, name: string): void;
  /** Clusters of this name that were ever made. */
  made(name: string): number;
  /** A running cluster, as if it had been made long ago. */
  place(location: string, asked: Message): Cluster;
  /** Lets what stalled go on. */
  resume(): void;
  close(): Promise<void>;
}

const key = (location: string, name: string) => `${location}/${name}`;

/** What a create counts (recorded): it ends with the last stage one short of its total. */
const createStages: [string, number][] = [
  ['CLUSTER_CONFIGURING', 8],
  ['CLUSTER_DEPLOYING', 12],
  ['CLUSTER_HEALTHCHECKING', 2],
];

export function openWorld(options: WorldOptions): World {
  const { project, createMs, kube } = options;
  const clusters = new Map<string, Cluster>();
  const operations = new Map<string, Operation>();
  const everMade = new Map<string, number>();
  const fronts = new Map<string, KubeFront>();
  const authority = makeTestCertificate().ca;
  const troubles: Troubles = { createFailure: null, updateFailure: null, stall: false, quota: false };
  let addresses = 0;

  function settleAll(): void {
    for (const operation of operations.values()) settle(operation);
  }

  function cluster(location: string, name: string): Cluster {
    settleAll();
    const found = clusters.get(key(location, name));
    if (!found) throw refusals.notFound(`projects/${project}/locations/${location}/clusters/${name}`);
    return found;
  }

  function runningOn(found: Cluster): Operation | undefined {
    return [...operations.values()].find(
      (each) => each.ended === null && each.cluster === found.name && each.location === found.location,
    );
  }

  /** Another change while one runs is 400 FAILED_PRECONDITION, in one of several wordings (seen in public logs of terraform and gcloud). */
  function free(location: string, name: string): Cluster {
    const found = cluster(location, name);
    const running = runningOn(found);
    if (running?.type === 'CREATE_CLUSTER') {
      throw refusals.precondition(
        `Operation ${running.name} is currently creating cluster ${name}. Please wait and try again once it is done.`,
      );
    }
    if (running?.type.startsWith('UPGRADE')) {
      throw refusals.precondition(
        `Operation ${running.name} is currently upgrading cluster ${name}. Please wait and try again once it is done.`,
      );
    }
    if (running) throw refusals.precondition(`Cluster is running incompatible operation ${running.name}.`);
    return found;
  }

  function poolOf(found: Cluster, name: string): Pool {
    const pool = found.pools.find((each) => each.name === name);
    if (pool) return pool;
    throw refusals.notFound(`projects/${project}/locations/${found.location}/clusters/${found.name}/nodePools/${name}`);
  }

  function begin(
    found: Cluster,
    type: string,
    course: Partial<Course> & Pick<Course, 'done'>,
    pool?: string,
  ): Operation {
    const under = isZonal(found.location) ? 'zones' : 'locations';
    const target = `${under}/${found.location}/clusters/${found.name}`;
    const operation = beginOperation({
      type,
      location: found.location,
      cluster: found.name,
      target: pool ? `${target}/nodePools/${pool}` : target,
      ms: createMs * 0.6,
      stages: [],
      stalled: false,
      failure: null,
      failed() {
        found.status = 'RUNNING';
        for (const each of found.pools) each.status = 'RUNNING';
      },
      ...course,
    });
    operations.set(operation.name, operation);
    return operation;
  }

  /** A change of a running cluster, which is RECONCILING meanwhile. */
  function change(found: Cluster, type: string, done: () => void, pool?: Pool, nodes?: number): Operation {
    found.status = 'RECONCILING';
    if (pool) pool.status = 'RECONCILING';
    const finish = () => {
      done();
      found.status = 'RUNNING';
      if (pool) pool.status = 'RUNNING';
    };
    const stages: [string, number][] = nodes ? [['NODES', nodes]] : [];
    const trouble = { stalled: troubles.stall, failure: troubles.updateFailure };
    return begin(found, type, { done: finish, stages, ...trouble }, pool?.name);
  }

  /** The address and authority of a cluster's API; with a backend, a real one behind a front that knows this Google's tokens. */
  async function openApi(found: Cluster): Promise<void> {
    if (!kube) {
      addresses += 1;
      // RFC 5737: addresses that lead nowhere.
      found.endpoint = `203.0.113.${(addresses % 250) + 1}`;
      found.ca = Buffer.from(authority).toString('base64');
      return;
    }
    const api = await kube.open(found.name, nodesOf(found));
    const front = await openKubeFront(api, options.accepts);
    fronts.set(key(found.location, found.name), front);
    found.endpoint = `127.0.0.1:${front.port}`;
    found.ca = Buffer.from(front.ca).toString('base64');
  }

  function breakCluster(found: Cluster, message: string): void {
    const code = /resources available|stockout/i.test(message) ? 'GCE_STOCKOUT' : 'UNKNOWN';
    found.status = 'ERROR';
    found.statusMessage = message;
    found.conditions = [{ code, canonicalCode: code === 'UNKNOWN' ? 'INTERNAL' : 'RESOURCE_EXHAUSTED', message }];
    for (const pool of found.pools) pool.status = 'ERROR';
  }

  async function forget(found: Cluster): Promise<void> {
    const place = key(found.location, found.name);
    clusters.delete(place);
    const front = fronts.get(place);
    fronts.delete(place);
    await front?.close();
    await kube?.remove(found.name);
  }

  function add(location: string, asked: Message): Cluster {
    settleAll();
    const found = makeCluster(location, asked);
    if (clusters.has(key(location, found.name))) {
      throw refusals.alreadyExists(`projects/${project}/locations/${location}/clusters/${found.name}`);
    }
    if (troubles.quota) throw refusals.quota(project);
    clusters.set(key(location, found.name), found);
    everMade.set(found.name, (everMade.get(found.name) ?? 0) + 1);
    return found;
  }

  function upgradeMaster(found: Cluster, wanted: string): Operation {
    const version = resolveVersion(wanted, offeredIn(found.channel));
    if (!version) throw refusals.badRequest(`Master version "${wanted}" is unsupported.`);
    if (compareVersions(version, found.version) <= 0) {
      throw refusals.badRequest(
        `Master cannot be upgraded to "${version}": specified version is not newer than the current version "${found.version}".`,
      );
    }
    if (Number(version.split('.')[1]) > Number(found.version.split('.')[1]) + 1) {
      throw refusals.badRequest(
        `Master cannot be upgraded to "${version}": cannot upgrade the master more than one minor version at a time.`,
      );
    }
    return change(found, 'UPGRADE_MASTER', () => {
      found.version = version;
    });
  }

  /** An operation that ends when the cluster's own API has the nodes. */
  function awaiting(operation: Operation, work: () => Promise<unknown> | undefined): Operation {
    const needs = work();
    if (!needs) return operation;
    operation.ready = false;
    needs.then(
      () => {
        operation.ready = true;
      },
      (error: unknown) => {
        operation.failure = String(error);
      },
    );
    return operation;
  }

  function calicoReady(found: Cluster): boolean {
    return object(object(found.asked.addonsConfig).networkPolicyConfig).disabled === false;
  }

  function changeAddons(found: Cluster, wanted: Message): Operation {
    const calico = object(wanted.networkPolicyConfig);
    if (calico.disabled === true && object(found.asked.networkPolicy).enabled === true) {
      throw refusals.badRequest('Network policy must be disabled on nodes before disabling the addon.');
    }
    return change(found, 'UPDATE_CLUSTER', () => {
      found.asked.addonsConfig = { ...object(found.asked.addonsConfig), ...wanted };
    });
  }

  return {
    troubles,
    clusters(location) {
      settleAll();
      return [...clusters.values()].filter((each) => location === '-' || each.location === location);
    },
    cluster,
    create(location, asked) {
      const found = add(location, asked);
      return begin(found, 'CREATE_CLUSTER', {
        ms: createMs,
        stages: createStages,
        stalled: troubles.stall,
        failure: troubles.createFailure,
        needs: openApi(found),
        done() {
          found.status = 'RUNNING';
          for (const pool of found.pools) pool.status = 'RUNNING';
        },
        failed: (message) => breakCluster(found, message),
      });
    },
    remove(location, name) {
      const found = free(location, name);
      found.status = 'STOPPING';
      let gone: Promise<void> = Promise.resolve();
      return begin(found, 'DELETE_CLUSTER', {
        done() {
          gone = forget(found);
          gone.catch((error: unknown) => console.error('a cluster could not be forgotten', error));
        },
      });
    },
    update(location, name, update) {
      // Recorded: "Must specify a field to update."; v1.d.ts: "Exactly one update can be applied to a cluster with each request".
      const fields = Object.keys(update);
      if (fields.length === 0) throw refusals.badRequest('Must specify a field to update.');
      if (fields.length > 1)
        throw refusals.badRequest('Exactly one update can be applied to a cluster with each request.');
      const found = free(location, name);
      if (typeof update.desiredMasterVersion === 'string') return upgradeMaster(found, update.desiredMasterVersion);
      if (update.desiredAddonsConfig) return changeAddons(found, object(update.desiredAddonsConfig));
      throw refusals.badRequest(`This Google knows no update of ${fields[0]}.`);
    },
    setNetworkPolicy(location, name, policy) {
      const found = free(location, name);
      // The reference of gcloud container clusters update: the add-on is enabled first, and disabled last.
      if (policy.enabled === true && !calicoReady(found)) {
        throw refusals.badRequest('Network policy addon must be enabled before enabling network policy on nodes.');
      }
      return change(found, 'UPDATE_CLUSTER', () => {
        found.asked.networkPolicy = policy.enabled === true ? policy : {};
      });
    },
    createPool(location, name, asked) {
      const found = free(location, name);
      if (found.autopilot) throw refusals.badRequest('Autopilot clusters do not support mutating node pools.');
      const pool = makePool(asked, found.version, found.locations, found.channel);
      if (found.pools.some((each) => each.name === pool.name)) {
        throw refusals.alreadyExists(
          `projects/${project}/locations/${location}/clusters/${name}/nodePools/${pool.name}`,
        );
      }
      if (troubles.quota) throw refusals.quota(project);
      found.pools.push(pool);
      return awaiting(
        change(found, 'CREATE_NODE_POOL', () => undefined, pool),
        () => kube?.scale(name, nodesOf(found)),
      );
    },
    removePool(location, name, poolName) {
      const found = free(location, name);
      const pool = poolOf(found, poolName);
      const operation = change(
        found,
        'DELETE_NODE_POOL',
        () => {
          found.pools = found.pools.filter((each) => each !== pool);
        },
        pool,
      );
      pool.status = 'STOPPING';
      return awaiting(operation, () => kube?.scale(name, nodesOf(found) - pool.count * pool.locations.length));
    },
    setLabels(location, name, labels, fingerprint) {
      const found = free(location, name);
      // Recorded: a wrong fingerprint is 400 FAILED_PRECONDITION.
      if (fingerprint !== found.fingerprint)
        throw refusals.precondition('Labels could not be set due to fingerprint mismatch.');
      return begin(found, 'SET_LABELS', {
        ms: createMs * 0.2,
        failure: troubles.updateFailure,
        done() {
          found.labels = { ...labels };
          found.fingerprint = makeFingerprint();
        },
      });
    },
    pool: (location, name, pool) => poolOf(cluster(location, name), pool),
    upgradePool(location, name, poolName, wanted) {
      const found = free(location, name);
      const pool = poolOf(found, poolName);
      const version = wanted === '-' ? found.version : resolveVersion(wanted, offeredIn(found.channel));
      if (!version) throw refusals.badRequest(`Node version "${wanted}" is unsupported.`);
      if (compareVersions(version, found.version) > 0) {
        throw refusals.badRequest(
          `Node version "${version}" must not be greater than the master version "${found.version}".`,
        );
      }
      const finish = () => {
        pool.version = version;
      };
      return change(found, 'UPGRADE_NODES', finish, pool, pool.count * pool.locations.length);
    },
    setSize(location, name, poolName, count) {
      const found = free(location, name);
      const pool = poolOf(found, poolName);
      if (!Number.isInteger(count) || count < 0 || count > 1_000) {
        throw refusals.badRequest(`Invalid value for field "node_count": "${count}".`);
      }
      if (troubles.quota && count > pool.count) throw refusals.quota(project);
      const operation = change(
        found,
        // Recorded: this operation has no type.
        '',
        () => {
          pool.count = count;
          resizeGroups(found, pool, count);
        },
        pool,
      );
      return awaiting(operation, () =>
        kube?.scale(name, nodesOf(found) + (count - pool.count) * pool.locations.length),
      );
    },
    setAutoscaling(location, name, poolName, autoscaling) {
      const found = free(location, name);
      const pool = poolOf(found, poolName);
      checkAutoscaling(autoscaling);
      const finish = () => {
        pool.autoscaling = object(autoscaling).enabled === true ? autoscaling : null;
      };
      return change(found, 'UPDATE_CLUSTER', finish, pool);
    },
    operation(location, name) {
      settleAll();
      const found = operations.get(name);
      if (found?.location === location) return found;
      throw refusals.notFound(`projects/${project}/locations/${location}/operations/${name}`);
    },
    operations(location) {
      settleAll();
      return [...operations.values()].filter((each) => location === '-' || each.location === location);
    },
    cancel(location, name) {
      const found = this.operation(location, name);
      // "Only node pool upgrade operations support cancellation" (reference of gcloud container operations cancel).
      if (found.type !== 'UPGRADE_NODES')
        throw refusals.badRequest(`Operation ${name} of type ${found.type} cannot be cancelled.`);
      if (found.ended !== null) throw refusals.precondition(`Operation ${name} is already done.`);
      found.cancelled = true;
    },
    made: (name) => everMade.get(name) ?? 0,
    place(location, asked) {
      const found = add(location, asked);
      found.status = 'RUNNING';
      for (const pool of found.pools) pool.status = 'RUNNING';
      openApi(found).catch((error: unknown) => console.error('a cluster has no API', error));
      return found;
    },
    resume() {
      for (const operation of operations.values()) resume(operation);
    },
    async close() {
      await Promise.all([...fronts.values()].map((front) => front.close()));
    },
  };
}
