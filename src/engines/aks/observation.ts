import type { ManagedCluster } from '@azure/arm-containerservice';
import type { Observation, Target } from '../../core/ports/engine.ts';
import { oneLine, scrub } from '../scrub.ts';
import { addonsOf } from './addons.ts';
import { type AzureError, readError, reasonOf } from './meanings.ts';
import { enforces, fixedPolicy } from './network-policy.ts';
import type { Handle, Standing } from './operations.ts';
import { endedBadly, endpointOf, isMine, nodePool, pools, stateOf, stepOf, stopped, versionOf } from './states.ts';

/** What the cluster says by itself. */
export function observationOf(found: ManagedCluster, target: Target): Observation {
  const seen: Observation = {
    state: stateOf(found),
    mine: isMine(found, target),
    region: found.location,
    pools: pools(found).map(nodePool),
  };
  seen.nodes = (seen.pools ?? []).reduce((sum, pool) => sum + pool.nodes, 0);
  const version = versionOf(found);
  const endpoint = endpointOf(found);
  if (version) seen.version = version;
  if (endpoint) seen.endpoint = endpoint;
  if (found.id) seen.externalId = found.id;
  if (['creating', 'updating', 'deleting', 'unknown'].includes(seen.state)) seen.step = oneLine(stepOf(found), [], 100);
  seen.addons = addonsOf(found);
  seen.networkPolicy = enforces(found);
  const fixed = fixedPolicy(found);
  if (fixed) seen.networkPolicyFixed = fixed;
  const notes = notesOf(found);
  if (notes.length > 0) seen.notes = notes;
  if (endedBadly(found)) {
    const error = ownError(found);
    const reason = error ? reasonOf(error) : '';
    seen.message = oneLine(reason || defaultReason(found));
    if (error) seen.detail = scrub(JSON.stringify(error, null, 2));
  }
  return seen;
}

/**
 * The same with what its operation says. The cluster has the last word (a create that "failed" may come up all the same), but while the
 * operation runs, nothing is over, and of a change that failed the cluster itself may show no sign.
 */
export function withOperation(
  seen: Observation,
  found: ManagedCluster,
  handle: Handle | null,
  standing: Standing | null,
  asked: boolean,
): Observation {
  if (!handle || !standing) return seen;
  const result = { ...seen };
  const outcome = outcomeOf(seen, found, handle, standing);
  if (asked) result.outcome = outcome;
  const settled = seen.state === 'running' || seen.state === 'stopped';
  if (standing.status === 'running' && settled) {
    result.state = handle.act === 'create' ? 'creating' : handle.act === 'delete' ? 'deleting' : 'updating';
    result.step = words[handle.act];
    result.operation = JSON.stringify(handle);
  }
  const changes = handle.act !== 'create' && handle.act !== 'delete';
  if (standing.status === 'failed' && outcome === 'failed') {
    result.message = standing.message ?? seen.message ?? defaultReason(found);
    if (standing.detail) result.detail = standing.detail;
    // A change that failed leaves the cluster as it was, or nearly so.
    if (changes && seen.state === 'error') result.state = stopped(found) ? 'stopped' : 'running';
  }
  if (result.state === 'error' && !changes) result.leftovers = leftoversOf(found);
  return result;
}

function outcomeOf(
  { state }: Observation,
  found: ManagedCluster,
  handle: Handle,
  { status }: Standing,
): NonNullable<Observation['outcome']> {
  if (status === 'running') return 'running';
  const settled = state === 'running' || state === 'stopped';
  // The end of a delete is that there is nothing any more.
  if (handle.act === 'delete') return status === 'failed' || state === 'error' ? 'failed' : 'running';
  if (status === 'failed') return handle.act === 'create' && settled && !endedBadly(found) ? 'done' : 'failed';
  if (state === 'error') return 'failed';
  if (status === 'done' && (settled || handle.act !== 'create')) return 'done';
  // Azure does not tell, so that the cluster itself has to.
  if (!settled) return 'running';
  return endedBadly(found) ? 'failed' : 'done';
}

/** What an operation that the cluster does not show yet is about. */
const words: Record<Handle['act'], string> = {
  create: 'Creating',
  delete: 'Deleting',
  change: 'Updating',
  upgrade: 'Upgrading',
  scale: 'Scaling',
  stop: 'Stopping',
  start: 'Starting',
  tag: 'Updating tags',
};

function defaultReason(found: ManagedCluster): string {
  return /^cancel/i.test(found.provisioningState ?? '')
    ? 'The last operation was cancelled at Azure.'
    : 'Azure does not say why.';
}

/** The error that the cluster or one of its pools keeps of its last failure. */
function ownError(found: ManagedCluster): AzureError | null {
  const all = [found.status?.provisioningError, ...pools(found).map((pool) => pool.status?.provisioningError)];
  for (const each of all) {
    const error = readError(each);
    if (error) return error;
  }
  return null;
}

function notesOf(found: ManagedCluster): string[] {
  const notes: string[] = [];
  if (found.nodeResourceGroup) {
    notes.push(
      `Its machines, disks and addresses are in the resource group ${found.nodeResourceGroup}, which Azure bills separately.`,
    );
  }
  if (stateOf(found) === 'stopped') {
    notes.push('It is stopped: machines cost nothing, disks and addresses still do.');
  }
  if (found.apiServerAccessProfile?.enablePrivateCluster) {
    notes.push('It is private: its API is reachable from its virtual network only.');
  }
  if (endedBadly(found) && stateOf(found) === 'running') {
    notes.push('It runs, but Azure marks its last change as failed.');
  }
  return notes;
}

function leftoversOf(found: ManagedCluster): string[] {
  const left = [`cluster ${found.name}`];
  if (found.nodeResourceGroup)
    left.push(`resource group ${found.nodeResourceGroup} with machines, disks and addresses`);
  return left;
}
