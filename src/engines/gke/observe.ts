import { Fault } from '../../core/errors.ts';
import type { Call, Observation, Target } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import type { Api, Place } from './api.ts';
import { findCluster } from './find.ts';
import type { Google } from './google.ts';
import {
  failureOf,
  handleOf,
  isAbout,
  isRunning,
  newest,
  outcomeOf,
  percentOf,
  readHandle,
  stepOf,
  tell,
} from './operations.ts';
import { complaints, observationOf } from './seen.ts';
import type { ClusterAnswer, OperationAnswer } from './wire.ts';

/** The operation of a handle; null when Google has forgotten it. */
async function namedOperation(api: Api, handle: string | undefined, call: Call): Promise<OperationAnswer | null> {
  const read = readHandle(handle);
  if (!read) return null;
  try {
    return await api.operation(read.location, read.name, call);
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'not-found' && thrown.whose !== 'admin') return null;
    throw thrown;
  }
}

/** The operations of a cluster, as far as Google remembers them. */
export async function operationsOf(api: Api, place: Place, call: Call): Promise<OperationAnswer[]> {
  return (await api.operations(place.location, call)).filter((each) => isAbout(place, each));
}

/** What is there now: one read of the cluster and, where something is under way or has failed, one of its operation. */
export async function observe(
  google: Google,
  api: Api,
  target: Target,
  place: Place,
  call: Call,
): Promise<Observation> {
  const [cluster, named] = await Promise.all([
    findCluster(api, place, call),
    namedOperation(api, target.operation, call),
  ]);
  if (!cluster) return absent(google, place, named);
  const seen = observationOf(cluster, target, google.project);
  if (named) seen.outcome = outcomeOf(named);
  if (named && seen.outcome === 'failed') addFailure(google, seen, named);
  if (!seen.mine) return seen;
  const operation =
    named && (isRunning(named) || seen.state === 'running')
      ? named
      : await currentOperation(api, place, seen, named, call);
  if (operation && isRunning(operation)) addProgress(seen, place, operation);
  if (seen.state === 'error') addError(google, seen, cluster, place, operation ?? named);
  return seen;
}

/** The operation that has the cluster in its hands, or that broke it; null while it simply runs. */
async function currentOperation(
  api: Api,
  place: Place,
  seen: Observation,
  named: OperationAnswer | null,
  call: Call,
): Promise<OperationAnswer | null> {
  if (seen.state === 'running' || seen.state === 'unknown') return null;
  // What the caller asked about has just ended, and Google shows the cluster a little later.
  if (named && seen.state !== 'error') return null;
  if (named && failureOf(named) !== null) return named;
  const all = await operationsOf(api, place, call);
  return newest(all, isRunning) ?? newest(all, (each) => failureOf(each) !== null) ?? null;
}

function addProgress(seen: Observation, place: Place, operation: OperationAnswer): void {
  seen.operation = handleOf(place.location, operation);
  seen.step = stepOf(operation);
  const percent = percentOf(operation);
  if (percent !== undefined) seen.percent = percent;
  if (seen.state !== 'running') return;
  if (operation.operationType === 'CREATE_CLUSTER') seen.state = 'creating';
  else if (operation.operationType === 'DELETE_CLUSTER') seen.state = 'deleting';
  else seen.state = 'updating';
}

function addFailure(google: Google, seen: Observation, operation: OperationAnswer): void {
  seen.message = oneLine(failureOf(operation) ?? '', google.secrets);
  seen.detail = tell(operation, google.secrets);
}

/** Why the cluster is broken, and what is left of it. */
function addError(
  google: Google,
  seen: Observation,
  cluster: ClusterAnswer,
  place: Place,
  operation: OperationAnswer | null,
): void {
  const failure = operation ? failureOf(operation) : null;
  const lines = complaints(cluster);
  seen.message = oneLine(failure ?? lines[0] ?? 'Google does not say why.', google.secrets);
  seen.detail = [
    `Cluster ${place.name} in ${place.location}: ${cluster.status}`,
    ...lines.map((line) => `  ${oneLine(line, google.secrets, 2_000)}`),
    ...(operation ? [tell(operation, google.secrets)] : []),
  ].join('\n');
  if (operation?.operationType !== 'CREATE_CLUSTER') return;
  seen.leftovers = [
    `cluster ${place.name} in ${place.location}`,
    ...cluster.nodePools.map((pool) => `node pool ${pool.name} with its machines and disks`),
  ];
}

/** No such cluster; while its create or delete still runs, Google has only not shown it yet, or not ended with it. */
function absent(google: Google, place: Place, named: OperationAnswer | null): Observation {
  if (!named) return { state: 'absent', mine: true };
  const seen: Observation = { state: 'absent', mine: true, outcome: outcomeOf(named) };
  if (isRunning(named) && isAbout(place, named)) {
    if (named.operationType === 'CREATE_CLUSTER') seen.state = 'creating';
    if (named.operationType === 'DELETE_CLUSTER') seen.state = 'deleting';
    if (seen.state !== 'absent') addProgress(seen, place, named);
  }
  if (seen.outcome === 'failed') addFailure(google, seen, named);
  return seen;
}
