import { Fault } from '../../core/errors.ts';
import type { Call, EngineClient, Operation, Target } from '../../core/ports/engine.ts';
import { readSpec } from '../fields.ts';
import { cannot } from '../unsupported.ts';
import { type Api, openApi, type Place } from './api.ts';
import { clusterBody } from './body.ts';
import { checkProject } from './check.ts';
import { readOptions, upgradeChoices } from './choices.ts';
import { findCluster, findOwn, foreign, gone, placeOf } from './find.ts';
import { type Google, openGoogle } from './google.ts';
import { kubeconfigFor, pluginUser } from './kubeconfig.ts';
import { isMarked, isMine, marksOf, unmarked } from './labels.ts';
import { openMachines } from './machines.ts';
import { observe, operationsOf } from './observe.ts';
import { handleOf, isRunning, newest, tell } from './operations.ts';
import { kubeconfigMs } from './pure.ts';
import { googleErrorOf } from './refusals.ts';
import { machineStanding, readMachineHandle, retireMachine, withMachine } from './retire.ts';
import { GkeCluster, type GkeProvisioner } from './schema.ts';
import { externalOf, locationOf, stateOf } from './seen.ts';
import { updateCluster } from './update.ts';
import type { ClusterAnswer } from './wire.ts';

const longestLog = 1024 * 1024;

/** Opens the connection to one project. */
export async function openGkeClient(params: GkeProvisioner): Promise<EngineClient> {
  const google = await openGoogle(params);
  const api = openApi(google);
  const usual = params.defaultLocation;
  const place = (target: Target) => placeOf(target, usual);

  async function own(target: Target, call: Call): Promise<ClusterAnswer> {
    const found = await findOwn(api, target, place(target), call);
    if (!found) throw gone(place(target));
    return found;
  }

  return {
    async observe(target, call) {
      const { operation, ...rest } = target;
      const machine = readMachineHandle(operation);
      if (!machine) return observe(google, api, target, place(target), call);
      const [seen, standing] = await Promise.all([
        observe(google, api, rest, place(target), call),
        machineStanding(openMachines(google), machine, call),
      ]);
      return withMachine(seen, standing, google.secrets);
    },

    async create(target, spec, call) {
      const wish = readSpec(GkeCluster, spec);
      const where: Place = { location: wish.location, name: target.externalName };
      try {
        const begun = await api.create(wish.location, clusterBody(target, wish), call);
        return { id: handleOf(wish.location, begun) };
      } catch (thrown) {
        if (!(thrown instanceof Fault) || thrown.kind !== 'conflict') throw thrown;
        return adoptCreate(api, target, where, call, thrown);
      }
    },

    async update(target, update, call) {
      if (update.power !== undefined) cannot('Google Kubernetes Engine', 'stop or start');
      const cluster = await own(target, call);
      const { retire } = update;
      if (retire) return retireMachine(api, openMachines(google), place(target), cluster, { ...update, retire }, call);
      return updateCluster(api, place(target), cluster, update, call);
    },

    delete: async (target, call) => deleteCluster(api, target, place(target), call),

    async adopt(target, call) {
      const where = place(target);
      const found = await findCluster(api, where, call);
      if (!found) throw gone(where);
      if (isMine(found.resourceLabels, target)) return null;
      if (isMarked(found.resourceLabels)) throw foreign(where);
      return label(api, where, found, { ...found.resourceLabels, ...marksOf(target) }, call);
    },

    async release(target, call) {
      const where = place(target);
      const found = await findCluster(api, where, call);
      if (!found || !isMarked(found.resourceLabels)) return null;
      if (!isMine(found.resourceLabels, target)) throw foreign(where);
      return label(api, where, found, unmarked(found.resourceLabels), call);
    },

    async kubeconfig(target, call) {
      const cluster = await own(target, call);
      // Refuses before a token is made for nothing.
      kubeconfigFor(cluster, place(target), google.project, {});
      const token = await google.token(call, kubeconfigMs);
      return kubeconfigFor(cluster, place(target), google.project, { token });
    },

    async signIn(target, call) {
      const kubeconfig = kubeconfigFor(await own(target, call), place(target), google.project, pluginUser);
      return {
        kubeconfig,
        needs: `Install the Google Cloud CLI with its gke-gcloud-auth-plugin and run gcloud auth login; your Google account needs the role Kubernetes Engine Developer (roles/container.developer) in the project ${google.project}.`,
      };
    },

    async upgrades(target, call) {
      const where = place(target);
      const cluster = await own(target, call);
      const [config, ends] = await Promise.all([
        api.serverConfig(where.location, call),
        endOfSupport(api, where, cluster, call),
      ]);
      return upgradeChoices(cluster, config, ends);
    },

    log: async (target, call) => readLog(google, api, target, place(target), call),

    async list(call) {
      // A location that Google cannot ask at the moment is left out by Google itself; `check` names it.
      const { clusters } = await api.list('-', call);
      return clusters.map((each) => externalOf(each, google.project));
    },

    check: (call) => checkProject(google, api, usual, call),
    options: (given, call) => readOptions(google, api, given, { location: usual, prices: params.prices }, call),
    close: () => google.close(),
  };
}

/** The name is taken: by what an earlier, unanswered create of ours made, or by somebody else's cluster. */
async function adoptCreate(api: Api, target: Target, place: Place, call: Call, refusal: Fault): Promise<Operation> {
  const found = await findOwn(api, target, place, call);
  if (!found) {
    // Refused for another reason than the name, or gone between the two answers: then the next try makes it.
    if (googleErrorOf(refusal)?.status !== 'ALREADY_EXISTS') throw refusal;
    throw new Fault('conflict', refusal.message, { retryable: true, next: 'KQueen tries again by itself.' });
  }
  if (stateOf(found.status) === 'deleting') {
    throw new Fault('conflict', `The earlier cluster ${place.name} is still being deleted.`, {
      retryable: true,
      next: 'KQueen tries again by itself.',
    });
  }
  const all = await operationsOf(api, place, call);
  const made = newest(all, isRunning) ?? newest(all, (each) => each.operationType === 'CREATE_CLUSTER');
  return { id: made ? handleOf(place.location, made) : '' };
}

async function deleteCluster(api: Api, target: Target, place: Place, call: Call): Promise<Operation | null> {
  const found = await findOwn(api, target, place, call);
  if (!found) return null;
  if (stateOf(found.status) === 'deleting') return runningDelete(api, place, call);
  try {
    return { id: handleOf(place.location, await api.delete(place, call)) };
  } catch (thrown) {
    const error = googleErrorOf(thrown);
    if (error?.status === 'NOT_FOUND' && (await findCluster(api, place, call)) === null) return null;
    if (!(thrown instanceof Fault) || thrown.kind !== 'conflict') throw thrown;
    throw await makeWay(api, place, call, thrown);
  }
}

async function runningDelete(api: Api, place: Place, call: Call): Promise<Operation | null> {
  const running = newest(await operationsOf(api, place, call), isRunning);
  return running ? { id: handleOf(place.location, running) } : null;
}

/**
 * Google deletes nothing while another operation runs. An upgrade of nodes can take hours and can be cancelled, so that is asked for; all else is
 * waited for, by a conflict that passes.
 */
async function makeWay(api: Api, place: Place, call: Call, refusal: Fault): Promise<Fault> {
  const running = newest(await operationsOf(api, place, call), isRunning);
  if (!running) return refusal;
  const what = running.operationType.toLowerCase().replaceAll('_', ' ') || 'a change';
  if (running.operationType === 'UPGRADE_NODES' && running.status !== 'ABORTING') {
    try {
      await api.cancel(place.location, running.name, call);
    } catch (thrown) {
      // It is best effort at Google, too: past a point an upgrade only ends by itself.
      if (!(thrown instanceof Fault) || thrown.kind === 'unreachable' || thrown.kind === 'rate-limited') throw thrown;
    }
  }
  return new Fault(
    'conflict',
    `Google deletes the cluster ${place.name} only when its running operation (${what}) has ended.`,
    {
      retryable: true,
      next: 'KQueen tries again by itself.',
      ...(refusal.detail ? { detail: refusal.detail } : {}),
    },
  );
}

/** Sets all labels; the fingerprint makes Google refuse when somebody changed them meanwhile, which a repeat mends. */
async function label(
  api: Api,
  place: Place,
  cluster: ClusterAnswer,
  labels: Record<string, string>,
  call: Call,
): Promise<Operation> {
  return { id: handleOf(place.location, await api.setLabels(place, labels, cluster.labelFingerprint, call)) };
}

/** When the standard support of the cluster's minor ends, where Google tells. */
async function endOfSupport(
  api: Api,
  place: Place,
  cluster: ClusterAnswer,
  call: Call,
): Promise<{ version: string; on: string } | null> {
  try {
    const { endOfStandardSupportTimestamp: at } = await api.upgradeInfo(place, call);
    const on = /^\d{4}-\d\d(-\d\d)?/.exec(at)?.[0];
    return on ? { version: cluster.currentMasterVersion, on } : null;
  } catch (thrown) {
    // A note that is missing is no reason to offer nothing.
    if (thrown instanceof Fault && thrown.kind !== 'unreachable' && thrown.kind !== 'rate-limited') return null;
    throw thrown;
  }
}

/** Every operation of the cluster that Google remembers, the oldest first. */
async function readLog(google: Google, api: Api, target: Target, place: Place, call: Call): Promise<string | null> {
  const found = await findOwn(api, target, place, call);
  if (!found) return null;
  const all = await operationsOf(api, place, call);
  const lines = all
    .toSorted((a, b) => a.startTime.localeCompare(b.startTime))
    .map((each) => tell(each, google.secrets));
  if (lines.length === 0) return null;
  const text = [`Cluster ${place.name} in ${locationOf(found)}: ${found.status}`, ...lines].join('\n');
  return text.length > longestLog ? text.slice(-longestLog) : text;
}
