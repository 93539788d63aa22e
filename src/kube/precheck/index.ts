/** What is looked at before a cluster is upgraded. It never says that an upgrade is safe: it says what it saw and what it could not. */
import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { asFault, Fault } from '../../core/errors.ts';
import { type NodeShape, type PodShape, shapeOfNode, shapeOfPod } from '../autoscale/shapes.ts';
import { certificateFindings } from '../check/certificates.ts';
import { type Finding, type Seen, seen, worstFindings } from '../check/findings.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { openLoads, readNodeLoads } from '../views/nodes.ts';
import { eachPod } from '../views/pods.ts';
import { type Aim, minorNumber } from './aim.ts';
import { requestedApis, writtenApis } from './apis.ts';
import { blockingBudgets, singleReplicas } from './budgets.ts';
import { endOfAim, loosePods, skewedNodes, tightNodes, unreadyNodes } from './nodes.ts';
import { deafWebhooks, storedVersions } from './webhooks.ts';

/** Everything that the pre-checks found. */
export interface Precheck {
  aim: Aim;
  /** Worst first, alike ones as one. */
  found: Finding[];
  /** Names of the looks that were taken whole. */
  looked: string[];
  /** What could not be looked at and why, in sentences. */
  unseen: string[];
}

/** Each look may take so long, in milliseconds, or what is left of the call. */
const lookMs = 8_000;

/** Looks at the cluster with an upgrade to `target` in mind (or '' for the next minor version). `server` is its URL. Throws when not even its version can be read. */
export async function precheck(
  talk: Talk,
  given: { cluster: string; target: string; server: string },
): Promise<Precheck> {
  const version = plain((await talk.client.version.getCode()).gitVersion, 60);
  const now = minorNumber(version);
  const aimed = given.target === '' ? null : minorNumber(given.target);
  const aim: Aim = {
    ...{ cluster: given.cluster, target: given.target, now },
    minor: aimed ?? (now === null ? null : now + 1),
  };
  const looks: [string, () => Promise<Finding[] | Seen>][] = [
    ['deprecated APIs that are asked for', () => requestedApis(talk, aim)],
    ['API versions of manifests', () => writtenApis(talk, aim)],
    ['PodDisruptionBudgets', () => blockingBudgets(talk, aim)],
    ['single replicas', () => singleReplicas(talk, aim)],
    ['webhooks', () => deafWebhooks(talk, aim)],
    ['stored versions of custom resources', () => storedVersions(talk)],
    ['certificates', () => certificateFindings(talk, given.server)],
    ['nodes and pods', () => nodesAndPods(talk, aim)],
  ];
  const taken = await Promise.all(looks.map(([what, look]) => lookAt(talk, what, look)));
  return {
    aim,
    found: worstFindings([...endOfAim(aim, talk.now()), ...taken.flatMap(({ found }) => found)]),
    looked: looks.flatMap(([what], at) => (taken[at]?.unseen === undefined ? [what] : [])),
    unseen: taken.flatMap(({ unseen }) => unseen ?? []),
  };
}

/** One look within its time; what it says cannot be seen goes along. */
async function lookAt(talk: Talk, what: string, look: () => Promise<Finding[] | Seen>): Promise<Seen> {
  let also: string | undefined;
  const left = Math.max(200, Math.min(lookMs, talk.call.deadline - Date.now() - 300));
  const taken = await seen(what.charAt(0).toUpperCase() + what.slice(1), async () => {
    const answer = await within(left, look());
    if (Array.isArray(answer)) return answer;
    also = answer.unseen;
    return answer.found;
  });
  const unseen = taken.unseen ?? also;
  return { found: taken.found, ...(unseen === undefined ? {} : { unseen }) };
}

/** The look's answer, or a Fault when it takes longer; every other error becomes a Fault as well, so that it costs this look alone. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const seconds = Math.round(ms / 100) / 10;
    timer = setTimeout(() => reject(new Fault('unreachable', `it took longer than ${seconds} s.`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } catch (thrown) {
    throw asFault(thrown, 'the answer could not be read.');
  } finally {
    clearTimeout(timer);
    // What comes after its time is of no interest.
    work.catch(() => null);
  }
}

async function nodesAndPods(talk: Talk, aim: Aim): Promise<Finding[]> {
  const loads = openLoads();
  const pods: PodShape[] = [];
  await eachPod(talk, '', (pod: V1Pod) => {
    loads.add(pod);
    const shape = shapeOfPod(pod);
    if (shape) pods.push(shape);
  });
  const nodes = await readNodeLoads(talk, loads);
  const shapes: NodeShape[] = nodes.map(({ node }: { node: V1Node }) => shapeOfNode(node));
  return [
    ...unreadyNodes(nodes, aim),
    ...skewedNodes(nodes, aim),
    ...loosePods(pods, aim),
    ...tightNodes(shapes, pods, aim),
  ];
}
