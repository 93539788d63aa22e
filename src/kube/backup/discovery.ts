/** What a cluster's API serves: every resource once, in the version that its group prefers. */
import { asFault, Fault } from '../../core/errors.ts';
import { isObject, listAt, objectAt } from '../apply/manifests.ts';
import { inParallel } from '../apply/set.ts';
import type { Talk } from '../operation.ts';

/** A resource as a cluster serves it. */
export interface Served {
  /** '' for the core group. */
  group: string;
  version: string;
  plural: string;
  kind: string;
  namespaced: boolean;
}

export interface Discovered {
  /** Those that can be listed and read. */
  resources: Served[];
  /** Groups whose own server does not answer, such as `metrics.k8s.io`. */
  silent: string[];
}

/** The form since 1.26 (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery); older servers answer in theirs. */
const aggregated = ['v2', 'v2beta1']
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .concat('application/json')
  .join(',');

/** `/api/v1`, `/apis/apps/v1`. */
export function baseOf({ group, version }: Pick<Served, 'group' | 'version'>): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
}

/** `v1`, `apps/v1`. */
export function apiVersionOf({ group, version }: Pick<Served, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `pods`, `deployments.apps`. */
export function resourceName({ group, plural }: Pick<Served, 'group' | 'plural'>): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/** Everything that a cluster serves. */
export async function discover(talk: Talk): Promise<Discovered> {
  const found: Discovered = { resources: [], silent: [] };
  const seen = new Set<string>();
  const take = (served: Served, verbs: unknown[]): void => {
    const name = resourceName(served);
    if (seen.has(name) || served.plural.includes('/') || !verbs.includes('list') || !verbs.includes('get')) return;
    seen.add(name);
    found.resources.push(served);
  };
  for (const root of ['/api', '/apis']) {
    const answer = await talk.raw({ method: 'GET', path: root, accept: aggregated });
    if (answer.kind === 'APIGroupDiscoveryList') takeAggregated(answer, take, found.silent);
    else await takeLegacy(talk, root, answer, take, found.silent);
  }
  return found;
}

type Take = (served: Served, verbs: unknown[]) => void;

function takeAggregated(answer: unknown, take: Take, silent: string[]): void {
  for (const item of listAt(answer, 'items')) {
    const group = String(objectAt(item, 'metadata').name ?? '');
    const versions = listAt(item, 'versions').filter(isObject);
    if (versions.length > 0 && versions.every((each) => each.freshness === 'Stale' && !each.resources))
      silent.push(group);
    for (const each of versions) {
      const version = String(each.version ?? '');
      for (const resource of listAt(each, 'resources').filter(isObject)) {
        const kind = String(objectAt(resource, 'responseKind').kind ?? '');
        const served = { group, version, plural: String(resource.resource ?? ''), kind };
        take({ ...served, namespaced: resource.scope === 'Namespaced' }, listAt(resource, 'verbs'));
      }
    }
  }
}

async function takeLegacy(talk: Talk, root: string, answer: unknown, take: Take, silent: string[]): Promise<void> {
  const wanted: { group: string; version: string }[] = [];
  if (root === '/api') {
    for (const version of listAt(answer, 'versions')) wanted.push({ group: '', version: String(version) });
  } else {
    for (const each of listAt(answer, 'groups').filter(isObject)) {
      const group = String(each.name ?? '');
      const preferred = String(objectAt(each, 'preferredVersion').version ?? '');
      const versions = listAt(each, 'versions').flatMap((one) => (isObject(one) ? [String(one.version ?? '')] : []));
      const inOrder = [...versions].sort((a, b) => Number(b === preferred) - Number(a === preferred));
      wanted.push(...inOrder.map((version) => ({ group, version })));
    }
  }
  const lists = await inParallel(wanted, 4, async (each) => {
    try {
      return await talk.raw({ method: 'GET', path: baseOf(each) });
    } catch (thrown) {
      // A group of an API server of its own that is down hides that group alone.
      const fault = asFault(thrown);
      if (each.group === '' || !(fault.kind === 'not-found' || statusOf(fault) >= 500)) throw fault;
      return null;
    }
  });
  for (const [at, list] of lists.entries()) {
    const each = wanted[at];
    if (!each) continue;
    if (list === null && !silent.includes(each.group)) silent.push(each.group);
    for (const resource of listAt(list, 'resources').filter(isObject)) {
      const served = { ...each, plural: String(resource.name ?? ''), kind: String(resource.kind ?? '') };
      take({ ...served, namespaced: resource.namespaced === true }, listAt(resource, 'verbs'));
    }
  }
}

/** The HTTP status that a Fault of a cluster's API stands for; 0 when there was no answer. */
export function statusOf(thrown: unknown): number {
  if (!(thrown instanceof Fault)) return 0;
  return Number(/^HTTP (\d+)/.exec(thrown.detail ?? '')?.[1] ?? 0);
}
