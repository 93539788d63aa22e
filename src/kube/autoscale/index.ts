/**
 * Looks whether node pools are too small or too large, by what pods ask for. What it does not compute: rules between pods (affinity, spreading), what a
 * new node has that none of its pool has now, and resources that pods use without asking for them.
 */
import type { V1Node } from '@kubernetes/client-node';
import type { PoolSight, ScalingSight, ScalingWish } from '../../core/ports/scaling.ts';
import { eachObject } from '../client.ts';
import { plain } from '../faults.ts';
import type { Talk } from '../operation.ts';
import { eachPod } from '../views/pods.ts';
import { matches, nodesFor, place, type Space, spaceOf, whyNot } from './fit.ts';
import { nodesByPool } from './pools.ts';
import { type Budget, moves, readBudgets, whyKept } from './removable.ts';
import { type NodeShape, type PodShape, shapeOfNode, shapeOfPod } from './shapes.ts';
import { openVolumes, type VolumeNeeds } from './volumes.ts';

/** Most nodes that are tried for removal in one look, and names in what is told. */
const most = { tried: 20, names: 5 };
/** A pod of less priority than this waits on purpose: no node is made for it, as the cluster autoscaler has it. */
const leastPriority = -10;
/** Taints that the state of a node makes, and that a new node has only for a moment. */
const passing =
  /^(?:node\.kubernetes\.io|node\.cloudprovider\.kubernetes\.io|ToBeDeletedByClusterAutoscaler|DeletionCandidateOfClusterAutoscaler)/;

/** The pods and nodes of a cluster, folded. */
interface World {
  nodes: NodeShape[];
  pods: PodShape[];
  byNode: Map<string, PodShape[]>;
}

/** What the pools need, or could do without. Throws when nodes or pods cannot be read: then nothing can be said. */
export async function scalingSight(talk: Talk, wish: ScalingWish): Promise<ScalingSight> {
  const world = await readWorld(talk);
  const volumesOf = openVolumes(talk);
  const waiting = await waitingPods(talk, world, wish, volumesOf);
  const byPool = nodesByPool(world.nodes, wish.all);
  const budgets = await readBudgets(talk);
  const helped = new Set<PodShape>();
  const pools: PoolSight[] = [];
  for (const pool of wish.pools) {
    const nodes = byPool.get(pool);
    pools.push(
      nodes === undefined
        ? { ...blank(pool), unknown: `The nodes carry no label that says which of them are of ${pool}.` }
        : {
            ...blank(pool),
            nodes: nodes.map(({ name }) => name),
            ...needsOf(pool, nodes, world, waiting, wish, helped),
            ...(await idleOf(nodes, world, budgets, wish, volumesOf)),
          },
    );
  }
  const helpless = waiting.filter(({ pod }) => !helped.has(pod));
  return {
    at: talk.now(),
    pools,
    helpless: {
      pods: helpless.length,
      some: helpless.slice(0, most.names).map(({ pod, needs }) => ({
        pod: nameOf(pod),
        why: 'never' in needs ? needs.never : (templateWhy(pod, byPool, wish, world) ?? plain(pod.why, 160)),
      })),
    },
  };
}

/**
 * Why a node that was closed to be removed is needed all the same, as a sentence; null when it is not. The same as `scalingSight` says of nodes that
 * are open, asked once more when nothing can come to it any more.
 */
export async function whyNeeded(talk: Talk, name: string, wish: ScalingWish): Promise<string | null> {
  const closed = await readWorld(talk);
  const node = closed.nodes.find((each) => each.name === name);
  if (!node) return null;
  if (!node.ready) return 'it is not ready any more.';
  const world: World = {
    ...closed,
    nodes: closed.nodes.map((each) => (each === node ? { ...each, cordoned: false } : each)),
  };
  const open = world.nodes.find((each) => each.name === name);
  const volumesOf = openVolumes(talk);
  const waiting = await waitingPods(talk, closed, { ...wish, waitMs: 0 }, volumesOf);
  const others = closed.nodes.filter((each) => each !== node);
  const helped = open ? needsOf(name, [open], world, waiting, wish, new Set()).waiting : null;
  if (helped && helped.pods > 0 && others.length > 0) {
    return `${helped.some.slice(0, 3).join(', ')} ${helped.pods === 1 ? 'waits' : 'wait'} for a node.`;
  }
  const { idle, kept } = await idleOf(open ? [open] : [], world, await readBudgets(talk), wish, volumesOf);
  if (idle.length > 0) return null;
  return kept[0] ? `it ${kept[0].why}.` : 'more of it is asked for than before.';
}

function blank(pool: string): PoolSight {
  return { pool, nodes: [], waiting: { pods: 0, some: [], since: 0, needs: 0 }, idle: [], kept: [] };
}

function nameOf({ namespace, name }: PodShape): string {
  return plain(`${namespace}/${name}`, 120);
}

async function readWorld(talk: Talk): Promise<World> {
  const nodes: NodeShape[] = [];
  const pods: PodShape[] = [];
  await eachObject(
    (page) => talk.client.core.listNode(page),
    (node: V1Node) => nodes.push(shapeOfNode(node)),
  );
  await eachPod(talk, '', (pod) => {
    const shape = shapeOfPod(pod);
    if (shape) pods.push(shape);
  });
  return { nodes, pods, byNode: Map.groupBy(pods, ({ node }) => node) };
}

/** A pod that waits for a node, with what its volumes ask for. */
interface Waiting {
  pod: PodShape;
  needs: VolumeNeeds;
}

/** Pods that have found no node for long enough, and that would fit onto none of those that are there: the scheduler is only slow with the others. */
async function waitingPods(
  talk: Talk,
  world: World,
  { waitMs }: ScalingWish,
  volumesOf: (pod: PodShape) => Promise<VolumeNeeds>,
): Promise<Waiting[]> {
  const now = talk.now();
  const due = world.pods.filter(
    ({ unschedulableSince, priority }) =>
      unschedulableSince !== undefined && now - unschedulableSince >= waitMs && priority >= leastPriority,
  );
  const free = world.nodes.filter(usable).map((node) => spaceOf(node, world.byNode.get(node.name) ?? []));
  const simple = due.filter(({ between, claims }) => !between && claims.length === 0);
  const fits = new Set(simple);
  for (const pod of place(simple, free)) fits.delete(pod);
  const waiting: Waiting[] = [];
  for (const pod of due) if (!fits.has(pod)) waiting.push({ pod, needs: await volumesOf(pod) });
  return waiting;
}

function usable({ ready, cordoned }: NodeShape): boolean {
  return ready && !cordoned;
}

/** An empty node as the provider would make it: like one that is there, with what DaemonSets and the kubelet put on each. */
function templateOf(nodes: readonly NodeShape[], world: World): (() => Space) | null {
  // Nodes of one pool are alike; where they are not, the smallest promises least.
  const open = nodes.filter(usable);
  const [like] = (open.length > 0 ? open : nodes).toSorted((a, b) => a.allocatable.cpu - b.allocatable.cpu);
  if (!like) return null;
  // What differs between them, such as a zone, cannot be promised of the next.
  const common = Object.entries(like.labels).filter(
    ([key, value]) => key !== 'kubernetes.io/hostname' && nodes.every((node) => node.labels[key] === value),
  );
  const node: NodeShape = {
    ...like,
    ...{ name: '', labels: Object.fromEntries(common), cordoned: false, ready: true },
    taints: like.taints.filter(({ key }) => !passing.test(key)),
  };
  const own = (world.byNode.get(like.name) ?? []).filter((pod) => !moves(pod));
  return () => spaceOf(node, own);
}

function reached(needs: VolumeNeeds, { node }: Space): boolean {
  return 'terms' in needs && needs.terms.every((any) => any.some((term) => matches(term, node)));
}

function needsOf(
  pool: string,
  nodes: readonly NodeShape[],
  world: World,
  waiting: readonly Waiting[],
  wish: ScalingWish,
  helped: Set<PodShape>,
): Pick<PoolSight, 'waiting' | 'unknown'> {
  const template = templateOf(nodes, world);
  const none = { pods: 0, some: [], since: 0, needs: 0 };
  if (!template) {
    const unknown = `${pool} has no node now, so KQueen cannot tell what one would offer; scale it to one node first.`;
    return { waiting: none, unknown };
  }
  const empty = template();
  const pods = waiting
    .filter(({ pod, needs }) => !helped.has(pod) && reached(needs, empty) && whyNot(pod, empty) === null)
    .map(({ pod }) => pod);
  if (pods.length === 0) return { waiting: none };
  for (const pod of pods) helped.add(pod);
  const oldest = pods.toSorted((a, b) => (a.unschedulableSince ?? 0) - (b.unschedulableSince ?? 0));
  return {
    waiting: {
      pods: pods.length,
      some: oldest.slice(0, most.names).map(nameOf),
      since: oldest[0]?.unschedulableSince ?? 0,
      needs: nodesFor(pods, template, wish.most),
    },
  };
}

/** Why no new node would help the pod, by the first pool. */
function templateWhy(
  pod: PodShape,
  byPool: ReadonlyMap<string, NodeShape[]>,
  { pools }: ScalingWish,
  world: World,
): string | null {
  for (const pool of pools) {
    const template = templateOf(byPool.get(pool) ?? [], world);
    const why = template && whyNot(pod, template());
    if (why) return `it ${why}, also on a new node of ${pool}`;
  }
  return null;
}

/** The share of a node that is asked for: of CPU or of memory, whichever is more. */
function useOf({ allocatable }: NodeShape, pods: readonly PodShape[]): number {
  const sum = (key: 'cpu' | 'memory') => pods.reduce((total, { requests }) => total + requests[key], 0);
  const share = (key: 'cpu' | 'memory') => (allocatable[key] > 0 ? sum(key) / allocatable[key] : 1);
  return Math.round(1_000 * Math.max(share('cpu'), share('memory'))) / 1_000;
}

async function idleOf(
  nodes: readonly NodeShape[],
  world: World,
  budgets: readonly Budget[],
  { use }: ScalingWish,
  volumesOf: (pod: PodShape) => Promise<VolumeNeeds>,
): Promise<Pick<PoolSight, 'idle' | 'kept'>> {
  const on = (node: NodeShape) => world.byNode.get(node.name) ?? [];
  const little = nodes
    .filter(usable)
    .map((node) => ({ node, part: useOf(node, on(node)) }))
    .filter(({ part }) => part < use)
    .sort((a, b) => a.part - b.part);
  const idle: PoolSight['idle'] = [];
  const kept: PoolSight['kept'] = [];
  for (const { node, part } of little.slice(0, most.tried)) {
    const pods = on(node);
    const volumes = new Map<PodShape, VolumeNeeds>();
    for (const pod of pods.filter(moves)) volumes.set(pod, await volumesOf(pod));
    const others = world.nodes.filter((other) => other !== node && usable(other));
    const spaces = others.map((other) => spaceOf(other, on(other)));
    const why = whyKept(node, pods, { budgets, volumes, others: spaces });
    if (why === null) idle.push({ node: node.name, use: part, pods: pods.filter(moves).length });
    else kept.push({ node: node.name, why: plain(why, 240) });
  }
  return { idle, kept: kept.slice(0, most.names) };
}
