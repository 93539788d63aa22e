import type {
  Call,
  Choice,
  ExternalCluster,
  ExternalState,
  Observation,
  ProviderAddon,
  Target,
} from '../../core/ports/engine.ts';
import type { Http } from '../http.ts';
import { oneLine, scrub } from '../scrub.ts';
import { poolsOf } from './pools.ts';
import { type CatalogAnswer, type ClusterAnswer, EventsAnswer, OperationAnswer, readAnswer } from './wire.ts';

/** Labels on everything this engine makes. */
export const clusterLabel = 'kqueen-cluster';
export const orgLabel = 'kqueen-org';

const states: Record<string, ExternalState> = {
  PROVISIONING: 'creating',
  RUNNING: 'running',
  RECONCILING: 'updating',
  STOPPING: 'deleting',
  ERROR: 'error',
};

const outcomes: Record<string, 'running' | 'done' | 'failed'> = {
  pending: 'running',
  running: 'running',
  done: 'done',
  failed: 'failed',
};

/** The state for a status of the provider; one that it did not have when this was written is `unknown`, never a guess. */
export function stateOf(status: string): ExternalState {
  return (Object.hasOwn(states, status) ? states[status] : undefined) ?? 'unknown';
}

/** Where the cluster of the target is, below the provider's address. */
export function pathOf(target: Target): string {
  return `/v1/clusters/${encodeURIComponent(target.externalName)}`;
}

/** Whether these labels are the mark of the target. */
export function isMine(labels: Record<string, string>, target: Target): boolean {
  return labels[clusterLabel] === target.cluster && labels[orgLabel] === target.org;
}

/** What the provider's own record of a cluster tells. */
export function observationOf(found: ClusterAnswer, target: Target): Observation {
  const seen: Observation = {
    state: stateOf(found.status),
    mine: isMine(found.labels, target),
    version: found.version,
    nodes: found.nodes + found.gateways,
    pools: poolsOf(found),
    addons: found.addons.map(addonOf),
    networkPolicy: found.networkPolicy,
    region: found.region,
    externalId: found.id,
  };
  if (seen.state === 'unknown') seen.step = oneLine(found.status, [], 60);
  if (found.endpoint) seen.endpoint = found.endpoint;
  if (found.operation) seen.operation = found.operation;
  return seen;
}

/** How the target's operation and the present one stand, and why the last one failed. */
export async function progressOf(
  http: Http,
  found: ClusterAnswer,
  target: Target,
  secrets: readonly string[],
  call: Call,
): Promise<Partial<Observation>> {
  const state = stateOf(found.status);
  const more: Partial<Observation> = {};
  const asked = target.operation ? await operationOf(http, target.operation, call) : null;
  if (asked) {
    const outcome = outcomes[asked.status];
    if (outcome) more.outcome = outcome;
    if (asked.error) more.message = oneLine(asked.error.message, secrets);
  }
  if (!found.operation || state === 'running' || state === 'unknown') return more;
  const present = found.operation === target.operation ? asked : await operationOf(http, found.operation, call);
  if (typeof present?.percent === 'number') more.percent = Math.min(100, Math.max(0, present.percent));
  if (present?.step) more.step = oneLine(present.step, secrets, 80);
  if (state !== 'error') return more;
  more.message = oneLine(present?.error?.message || found.statusMessage || 'The provider does not say why.', secrets);
  const history = await eventsOf(http, found, secrets, call);
  if (history !== '') more.detail = history;
  return more;
}

/** The operation of an id, or null when the provider does not know it any more. */
async function operationOf(http: Http, id: string, call: Call): Promise<OperationAnswer | null> {
  const answer = await http.send({ path: `/v1/operations/${encodeURIComponent(id)}` }, call);
  return answer.status === 404 ? null : readAnswer(OperationAnswer, answer.body);
}

/** Longest text of what happened, in characters; the end of it counts. */
const longestHistory = 1024 * 1024;

/** What happened to a cluster, a line an event, without secrets. */
export async function eventsOf(
  http: Http,
  found: ClusterAnswer,
  secrets: readonly string[],
  call: Call,
): Promise<string> {
  const answer = await http.send({ path: `/v1/clusters/${encodeURIComponent(found.name)}/events` }, call);
  if (answer.status === 404) return '';
  const { events } = readAnswer(EventsAnswer, answer.body);
  return events
    .map((event) => scrub(`${event.at} ${event.type} ${event.message}`, secrets))
    .join('\n')
    .slice(-longestHistory);
}

/** The versions on offer that are newer than `from`, by one minor at most: Kubernetes skips none. The newest that is supported comes first. */
export function upgradesOf(catalog: CatalogAnswer, from: string): Choice[] {
  const minor = minorOf(from);
  return catalog.versions
    .filter(({ version }) => newer(version, from) && minorOf(version) <= minor + 1)
    .toSorted(
      (a, b) =>
        Number(b.status === 'supported') - Number(a.status === 'supported') || (newer(a.version, b.version) ? -1 : 1),
    )
    .map(({ version, status, endOfLife }) => ({
      value: version,
      label: version,
      note: `${oneLine(status)} until ${oneLine(endOfLife)}`,
    }));
}

function minorOf(version: string): number {
  return Number(version.split('.')[1]);
}

function newer(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) > 0;
}

/** A cluster as a list shows it, with the parameters that adopting it takes. */
export function externalOf(found: ClusterAnswer): ExternalCluster {
  const seen: ExternalCluster = {
    externalName: found.name,
    state: stateOf(found.status),
    version: found.version,
    nodes: found.nodes + found.gateways,
    pools: poolsOf(found),
    where: found.region,
    externalId: found.id,
    spec: {
      ...{ region: found.region, version: found.version, size: found.size, nodes: found.nodes },
      ...(found.gateways > 0 ? { gateways: found.gateways } : {}),
      ...(found.networkPolicy ? { networkPolicy: true } : {}),
    },
  };
  const { [clusterLabel]: cluster, [orgLabel]: org, owner } = found.labels;
  if (cluster) seen.cluster = cluster;
  if (org) seen.org = org;
  if (owner) seen.owner = oneLine(owner, [], 80);
  return seen;
}

function addonOf({ name, title, note, on }: ClusterAnswer['addons'][number]): ProviderAddon {
  return { name, title: oneLine(title, [], 80), on, ...(note ? { note: oneLine(note, [], 200) } : {}) };
}
