import type { ManagedCluster } from '@azure/arm-containerservice';
import { Fault } from '../../core/errors.ts';
import type { Call, EngineClient, ExternalCluster, Operation, Options, Target } from '../../core/ports/engine.ts';
import { type Budget, openBudget } from '../budget.ts';
import { readSpec } from '../fields.ts';
import { readPriceList } from '../price-list.ts';
import { oneLine, scrub } from '../scrub.ts';
import { azureCode, openArm } from './arm.ts';
import { bodyOf, specOf } from './body.ts';
import { checkAzure, groupLocation } from './check.ts';
import { locationChoices, sizeChoices, versionChoices } from './choices.ts';
import { adminKubeconfig, entraSignIn } from './kubeconfig.ts';
import { observationOf, withOperation } from './observation.ts';
import { handleFor, handleOf, type Poller, readHandle, standingOf } from './operations.ts';
import { retireStep } from './retire.ts';
import { AksCluster, type AksProvisioner } from './schema.ts';
import { clusterTag, isMine, nodePool, orgTag, pools, stateOf, stepOf, tagOf, versionOf } from './states.ts';
import { ifMatch, nextStep } from './update.ts';
import { upgradeChoices } from './upgrades.ts';

/** Handles that are remembered, for looks that bring none. */
const mostRemembered = 1_000;

/** Clusters that a list may have: an endless one is cut off there. */
const mostListed = 20_000;

/** Opens the connections to one resource group at Azure. */
export function openAksClient(params: AksProvisioner): EngineClient {
  const arm = openArm(params);
  const group = params.resourceGroup;
  const clusters = arm.aks.managedClusters;
  const changing = new Map<string, Budget>();
  /** The last operation that this client began, by cluster; after a restart the job's own handle or the cluster's state takes its place. */
  const remembered = new Map<string, string>();

  /** The cluster of the target's name, whoever made it, or null when there surely is none. */
  async function find(target: Target, call: Call): Promise<ManagedCluster | null> {
    try {
      const found = await arm.read(call, () => clusters.get(group, target.externalName));
      if (typeof found.name !== 'string' || typeof found.location !== 'string') throw strangeShape();
      return found;
    } catch (thrown) {
      const answer = azureCode(thrown);
      if (answer?.status !== 404) throw thrown;
      if (/^(ResourceNotFound|NotFound)$/i.test(answer.code)) return null;
      if (/^(ResourceGroupNotFound|SubscriptionNotFound)$/i.test(answer.code)) throw thrown;
      throw notAzure(thrown);
    }
  }

  /** The cluster if it is this target's own; null when there is none; a Fault when it is somebody else's. */
  async function findOwn(target: Target, call: Call): Promise<ManagedCluster | null> {
    const found = await find(target, call);
    if (found && !isMine(found, target)) throw foreign(target);
    return found;
  }

  async function own(target: Target, call: Call): Promise<ManagedCluster> {
    const found = await findOwn(target, call);
    if (!found) throw gone(target);
    return found;
  }

  /** One change of a cluster at a time: of two creates at once, the second finds what the first one began. */
  async function alone<T>(target: Target, call: Call, work: () => Promise<T>): Promise<T> {
    const name = target.externalName;
    const place = changing.get(name) ?? openBudget(1);
    changing.set(name, place);
    try {
      return await place.run(call.signal, work);
    } finally {
      if (place.idle()) changing.delete(name);
    }
  }

  function remember(target: Target, operation: Operation): Operation {
    remembered.delete(target.externalName);
    remembered.set(target.externalName, operation.id);
    const [oldest] = remembered.keys();
    if (remembered.size > mostRemembered && oldest !== undefined) remembered.delete(oldest);
    return operation;
  }

  /** The handle of what goes on at the cluster: the one that was given out for it, else one that says as much as its state. */
  function handleAt(target: Target, found: ManagedCluster): string {
    const derived = handleFor(found, target.externalName);
    const known = remembered.get(target.externalName);
    const expected = readHandle(derived, target.externalName)?.act;
    const act = readHandle(known, target.externalName)?.act;
    // What Azure calls creating or deleting is surely no other operation.
    const fits =
      expected === 'create' || expected === 'delete' ? act === expected : act !== 'create' && act !== 'delete';
    return known && fits ? known : derived;
  }

  function begin(target: Target, call: Call, act: 'create' | 'delete' | 'tag', send: () => Poller): Promise<Operation> {
    return arm
      .write(call, () => handleOf(send(), target.externalName, act))
      .then((operation) => remember(target, operation));
  }

  return {
    async observe(target, call) {
      const name = target.externalName;
      const given = readHandle(target.operation, name);
      const handle = given ?? readHandle(remembered.get(name), name);
      // The operation first: what the cluster says after it is over is the end of it.
      const standing = handle ? await standingOf(arm, handle, call) : null;
      const found = await find(target, call);
      if (!found) {
        remembered.delete(name);
        return { state: 'absent', mine: true, ...(given?.act === 'delete' ? { outcome: 'done' as const } : {}) };
      }
      const seen = observationOf(found, target);
      if (!seen.mine) return seen;
      const settled = seen.state === 'running' || seen.state === 'stopped';
      if (!settled && seen.state !== 'error') seen.operation = handleAt(target, found);
      if (settled && !given && standing?.status !== 'running') {
        // What it was about is over, and the next look need not know of it.
        remembered.delete(name);
        return seen;
      }
      return withOperation(seen, found, handle, standing, given !== null);
    },

    async create(target, spec, call) {
      const wish = readSpec(AksCluster, spec);
      return alone(target, call, async () => {
        const found = await find(target, call);
        if (found) return adoptCreate(target, found);
        const body = bodyOf(target, wish);
        try {
          return await begin(target, call, 'create', () =>
            clusters.createOrUpdate(group, target.externalName, body, { ifNoneMatch: '*' }),
          );
        } catch (thrown) {
          const status = azureCode(thrown)?.status;
          // Somebody was faster: an earlier request of ours, or another's.
          const made = status === 409 || status === 412 ? await find(target, call) : null;
          if (made) return adoptCreate(target, made);
          throw aboutUserPool(thrown, wish);
        }
      });
    },

    update(target, update, call) {
      return alone(target, call, async () => {
        const found = await own(target, call);
        const { retire } = update;
        const step = retire
          ? await retireStep(arm, group, found, target.externalName, { ...update, retire }, call)
          : nextStep(found, target.externalName, update);
        return step ? remember(target, await step.send(arm, group, call)) : null;
      });
    },

    delete(target, call) {
      return alone(target, call, async () => {
        const found = await findOwn(target, call);
        if (!found) return null;
        if (stateOf(found) === 'deleting') return { id: handleAt(target, found) };
        try {
          return await begin(target, call, 'delete', () => clusters.delete(group, target.externalName));
        } catch (thrown) {
          if (azureCode(thrown)?.status === 404) return (await findOwn(target, call)) ? Promise.reject(thrown) : null;
          if (stateOf(found) === 'creating' && thrown instanceof Fault && thrown.kind === 'conflict') {
            // Azure does not take a delete in the middle of this create: ending the create makes room for it.
            await arm.write(call, () => clusters.abortLatestOperation(group, target.externalName).submitted());
          }
          throw thrown;
        }
      });
    },

    adopt(target, call) {
      return alone(target, call, async () => {
        const found = await find(target, call);
        if (!found) throw gone(target);
        if (isMine(found, target)) return null;
        if (tagOf(found, clusterTag) !== undefined) throw foreign(target);
        refuseBusy(found);
        const tags = { ...found.tags, [clusterTag]: target.cluster, [orgTag]: target.org };
        return begin(target, call, 'tag', () =>
          clusters.updateTags(group, target.externalName, { tags }, ifMatch(found.eTag)),
        );
      });
    },

    release(target, call) {
      return alone(target, call, async () => {
        const found = await find(target, call);
        if (!found || tagOf(found, clusterTag) === undefined) return null;
        if (!isMine(found, target)) throw foreign(target);
        refuseBusy(found);
        const kept = Object.entries(found.tags ?? {}).filter(
          ([key]) => ![clusterTag, orgTag].includes(key.toLowerCase()),
        );
        return begin(target, call, 'tag', () =>
          clusters.updateTags(group, target.externalName, { tags: Object.fromEntries(kept) }, ifMatch(found.eTag)),
        );
      });
    },

    async kubeconfig(target, call) {
      return adminKubeconfig(arm, group, await own(target, call), target.externalName, call);
    },

    async signIn(target, call) {
      return entraSignIn(arm, group, await own(target, call), target.externalName, call);
    },

    async upgrades(target, call) {
      const found = await own(target, call);
      return upgradeChoices(arm, found, target.externalName, call);
    },

    async log(target, call) {
      const found = await findOwn(target, call);
      const handle = readHandle(target.operation, target.externalName);
      const standing = handle ? await standingOf(arm, handle, call) : null;
      if (!found && !standing?.detail) return null;
      const parts: string[] = [];
      if (standing?.detail) parts.push(`Operation (${handle?.act}):`, standing.detail);
      if (found) parts.push('Cluster:', scrub(JSON.stringify(storyOf(found), null, 2), arm.secrets));
      return parts.join('\n');
    },

    list(call) {
      return arm.read(call, async () => {
        const all: ExternalCluster[] = [];
        for await (const found of clusters.listByResourceGroup(group)) {
          all.push(externalOf(found));
          if (all.length >= mostListed) break;
        }
        return all;
      });
    },

    check: (call) => checkAzure(arm, params, call),

    async options(given, call) {
      const first = params.defaultLocation ?? (await groupLocation(arm, call));
      const location = /^[a-z0-9]{2,40}$/.test(given.location ?? '') ? (given.location ?? first) : first;
      const [locations, versions, sizes] = await Promise.all([
        locationChoices(arm, first, call),
        versionChoices(arm, location, call),
        sizeChoices(arm, location, call),
      ]);
      const choices: Options['choices'] = { location: locations };
      if (versions?.length) choices.version = versions;
      if (sizes?.length) Object.assign(choices, { size: sizes, userSize: sizes });
      return { choices, prices: readPriceList(params.prices), at: Date.now() };
    },

    close: () => arm.close(),
  };

  /** The name is taken: by what an earlier, unanswered create of ours made, or by somebody else's cluster. */
  function adoptCreate(target: Target, found: ManagedCluster): Operation {
    if (!isMine(found, target)) throw foreign(target);
    if (stateOf(found) === 'deleting') {
      throw new Fault('conflict', `The earlier cluster ${target.externalName} is still being deleted.`, {
        retryable: true,
        next: 'KQueen tries again by itself.',
      });
    }
    return { id: handleAt(target, found) };
  }
}

/** A machine size that Azure refuses may be that of the second pool. */
function aboutUserPool(thrown: unknown, { size, userSize }: AksCluster): unknown {
  if (!(thrown instanceof Fault) || thrown.field !== 'size' || !userSize || userSize === size) return thrown;
  if (!thrown.message.includes(userSize)) return thrown;
  const { kind, message, whose, retryable, detail, next } = thrown;
  return new Fault(kind, message, {
    whose,
    retryable,
    field: 'userSize',
    ...(detail ? { detail } : {}),
    ...(next ? { next } : {}),
  });
}

/** What Azure tells of a cluster's making, without what is only configuration. */
function storyOf(found: ManagedCluster): unknown {
  return {
    name: found.name,
    location: found.location,
    provisioningState: found.provisioningState,
    powerState: found.powerState?.code,
    kubernetesVersion: versionOf(found),
    nodeResourceGroup: found.nodeResourceGroup,
    createdAt: found.systemData?.createdAt,
    lastModifiedAt: found.systemData?.lastModifiedAt,
    error: found.status?.provisioningError,
    pools: pools(found).map((pool) => ({
      name: pool.name,
      provisioningState: pool.provisioningState,
      powerState: pool.powerState?.code,
      count: pool.count,
      vmSize: pool.vmSize,
      version: pool.currentOrchestratorVersion ?? pool.orchestratorVersion,
      error: pool.status?.provisioningError,
    })),
  };
}

function externalOf(found: ManagedCluster): ExternalCluster {
  const made: ExternalCluster = {
    externalName: found.name ?? '',
    state: stateOf(found),
    where: found.location,
    spec: specOf(found),
    pools: pools(found).map(nodePool),
  };
  made.nodes = (made.pools ?? []).reduce((sum, pool) => sum + pool.nodes, 0);
  const version = versionOf(found);
  const cluster = tagOf(found, clusterTag);
  const org = tagOf(found, orgTag);
  const owner = ownerOf(found);
  if (version) made.version = version;
  if (cluster) made.cluster = cluster;
  if (org) made.org = org;
  if (owner) made.owner = oneLine(owner, [], 80);
  if (found.id) made.externalId = found.id;
  return made;
}

/** Tags that people name an owner with; else who made it, as Azure itself noted. */
function ownerOf(found: ManagedCluster): string | undefined {
  for (const name of ['owner', 'kqueen-owner', 'created-by', 'createdby', 'creator', 'contact', 'team']) {
    const value = tagOf(found, name);
    if (value) return value;
  }
  return found.systemData?.createdBy;
}

function refuseBusy(found: ManagedCluster): void {
  const state = stateOf(found);
  if (state === 'running' || state === 'stopped' || state === 'error') return;
  throw new Fault('conflict', `Azure is busy with the cluster: ${stepOf(found)}.`, {
    whose: 'provider',
    retryable: true,
    next: 'Nothing to do: KQueen tries again by itself.',
  });
}

function foreign(target: Target): Fault {
  return new Fault('conflict', `Azure has a cluster ${target.externalName} already, and it is not this one.`, {
    whose: 'admin',
    retryable: false,
    next: 'Choose another name, or have that cluster removed at Azure.',
  });
}

function gone(target: Target): Fault {
  return new Fault('not-found', `Azure has no cluster ${target.externalName}.`, {
    whose: 'provider',
    next: 'Look at it with `cluster check`.',
  });
}

function strangeShape(): Fault {
  return new Fault('internal', 'Azure described the cluster in a shape that KQueen does not know.', {
    whose: 'provider',
  });
}

/** A "not found" that is none of the resource manager's own must not be read as "gone". */
function notAzure(thrown: unknown): Fault {
  const detail = thrown instanceof Fault ? thrown.detail : undefined;
  return new Fault('unreachable', 'The resource manager endpoint of the provisioner is not one of Azure.', {
    whose: 'admin',
    next: 'Ask an admin to check the resource manager endpoint with `provisioner edit`.',
    ...(detail ? { detail } : {}),
  });
}
