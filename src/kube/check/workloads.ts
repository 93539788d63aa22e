/** Workloads that lack replicas, jobs that failed, and volume claims that wait. */
import type { V1PersistentVolumeClaim } from '@kubernetes/client-node';
import { formatLine } from '../../core/line.ts';
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import { standingOf } from '../apply/rollout.ts';
import { eachObject } from '../client.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { lastSeen } from '../views/events.ts';
import { eachListed, listPath } from '../views/pages.ts';
import { deploymentProblem, ranks } from '../workloads.ts';
import { type Finding, findingRanks } from './findings.ts';
import { type Asker, get } from './pods.ts';

/** How long a claim may wait before it counts, in milliseconds. */
const patienceMs = 120_000;
/** How long ago a job may have failed to be of interest, in milliseconds. */
const jobsMs = 86_400_000;

/** Deployments, StatefulSets and DaemonSets with fewer replicas than they want. */
export async function shortWorkloads(talk: Talk, { cluster }: Asker): Promise<Finding[]> {
  const found: Finding[] = [];
  const short = (kind: string, namespace: string, name: string, why: string, rank: number) =>
    found.push({
      ...{ rank, level: 'now', about: `${kind} ${namespace}/${name}`, why, alike: `${kind}/${namespace}/${name}` },
      echo: true,
      next: [get('Events', cluster, 'events', namespace), get('Pods', cluster, 'pods', namespace)],
    });
  await eachObject(
    (page) => talk.client.apps.listDeploymentForAllNamespaces(page),
    (each) => {
      const problem = deploymentProblem(each);
      if (problem) short('Deployment', problem.namespace, problem.name, problem.reason, problem.rank);
    },
  );
  for (const [kind, plural] of [
    ['StatefulSet', 'statefulsets'],
    ['DaemonSet', 'daemonsets'],
  ] as const) {
    await eachListed(talk, listPath('apps/v1', plural, ''), (object) => {
      const standing = standingOf(kind, object);
      if (!standing || standing.ready >= standing.wanted) return;
      const { namespace, name } = objectAt(object, 'metadata');
      const rank = ranks.replicas + (standing.ready === 0 ? 0 : 1);
      short(kind, String(namespace), String(name), `${standing.ready} of ${standing.wanted} ready`, rank);
    });
  }
  return found;
}

/** Jobs that gave up in the last day; of a CronJob's only the newest counts. */
export async function failedJobs(talk: Talk, asker: Asker): Promise<Finding[]> {
  const newest = new Map<string, { at: number; job: JsonObject }>();
  await eachListed(talk, listPath('batch/v1', 'jobs', ''), (job) => {
    const metadata = objectAt(job, 'metadata');
    const [owner] = listAt(metadata, 'ownerReferences').filter(isObject);
    const at = Date.parse(String(metadata.creationTimestamp)) || 0;
    const key = String(owner?.kind === 'CronJob' ? owner.uid : metadata.uid);
    // A run under way says nothing yet.
    const ended = listAt(job, 'status', 'conditions').length > 0;
    if (ended && at >= (newest.get(key)?.at ?? 0)) newest.set(key, { at, job });
  });
  return [...newest.values()].flatMap(({ at, job }): Finding[] => {
    const standing = standingOf('Job', job);
    if (standing?.is !== 'failed' || talk.now() - at > jobsMs) return [];
    const { name, namespace } = objectAt(job, 'metadata');
    const where = { cluster: asker.cluster, app: String(name), namespace: String(namespace) };
    const log = { label: 'Logs', command: formatLine('app logs', ['cluster', 'app'], where) };
    return [
      {
        ...{ rank: ranks.failed, level: 'now', about: `Job ${String(namespace)}/${String(name)}` },
        why: `failed: ${standing.why ?? 'it gave up'}`,
        alike: `Job/${String(namespace)}/${String(name)}`,
        next: [...(asker.logs ? [log] : []), get('Events', asker.cluster, 'events', String(namespace))],
      },
    ];
  });
}

/** Most claims whose events are read. */
const mostClaims = 5;

/** Conditions of a claim that tell of something wrong, or of something that waits (PersistentVolumeClaimConditionType in k8s.io/api/core/v1). */
const claimConditions: Record<string, { level: Finding['level']; why: string }> = {
  ControllerResizeError: { level: 'now', why: 'its volume could not be made larger' },
  NodeResizeError: { level: 'now', why: 'its file system could not be made larger' },
  ModifyVolumeError: { level: 'now', why: 'its volume could not be changed' },
  FileSystemResizePending: {
    level: 'soon',
    why: 'its volume is larger already, and its file system grows once its pod starts again',
  },
};

function claimFindings(claim: V1PersistentVolumeClaim, cluster: string): Finding[] {
  const { namespace = '', name = '' } = claim.metadata ?? {};
  return (claim.status?.conditions ?? []).flatMap(({ type, status, message }): Finding[] => {
    const known = claimConditions[type];
    if (!known || status !== 'True') return [];
    const { level, why } = known;
    return [
      {
        ...{ rank: level === 'now' ? findingRanks.claim : findingRanks.soon, level },
        about: `Volume claim ${namespace}/${name}`,
        why: level === 'now' && message ? `${why}: ${plain(message, 200)}` : why,
        alike: `claim/${namespace}/${name}/${type}`,
        next: [get('Volumes', cluster, 'volumes', namespace), get('Events', cluster, 'events', namespace)],
      },
    ];
  });
}

/**
 * Volume claims without a volume, with what the provisioner of volumes says, and those whose volume could not be changed as it was asked for. A claim that
 * waits for its first pod is as it should be.
 */
export async function waitingClaims(talk: Talk, { cluster }: Asker): Promise<Finding[]> {
  const waiting: { namespace: string; name: string; lost: boolean; at: number; wants: string }[] = [];
  const found: Finding[] = [];
  await eachObject(
    (page) => talk.client.core.listPersistentVolumeClaimForAllNamespaces(page),
    (claim) => {
      const { metadata, spec, status } = claim;
      found.push(...claimFindings(claim, cluster));
      if (status?.phase === 'Bound' || metadata?.deletionTimestamp) return;
      const at = metadata?.creationTimestamp?.getTime() ?? 0;
      const wants = `${spec?.resources?.requests?.storage ?? 'a volume'} of class ${spec?.storageClassName || 'none'}`;
      const lost = status?.phase === 'Lost';
      waiting.push({ namespace: metadata?.namespace ?? '', name: metadata?.name ?? '', lost, at, wants });
    },
  );
  for (const [index, { namespace, name, lost, at, wants }] of waiting.entries()) {
    const said = index < mostClaims ? await lastEvent(talk, namespace, name) : undefined;
    if (said?.reason === 'WaitForFirstConsumer' && !lost) continue;
    if (!lost && said?.type !== 'Warning' && talk.now() - at < patienceMs) continue;
    const why = lost ? 'its volume is lost' : `waits for ${wants}`;
    found.push({
      ...{ rank: findingRanks.claim, level: 'now', about: `Volume claim ${namespace}/${name}` },
      why: said ? `${why}: ${plain(`${said.reason} ${said.message}`, 200)}` : why,
      alike: `claim/${namespace}/${name}`,
      next: [get('Volumes', cluster, 'volumes', namespace), get('Events', cluster, 'events', namespace)],
    });
  }
  return found;
}

async function lastEvent(
  { client }: Talk,
  namespace: string,
  name: string,
): Promise<{ type: string; reason: string; message: string } | undefined> {
  const fieldSelector = `involvedObject.kind=PersistentVolumeClaim,involvedObject.name=${name}`;
  const { items } = await client.core.listNamespacedEvent({ namespace, fieldSelector, limit: 50 });
  const [last] = items.sort((a, b) => lastSeen(b) - lastSeen(a));
  return last && { type: last.type ?? '', reason: last.reason ?? '', message: last.message ?? '' };
}
