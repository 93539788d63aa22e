/**
 * Nodes that are dead are replaced, and nodes that nobody wants are removed: one after the other, each closed for new pods and drained as far as
 * it answers, then its machine retired by the provider, then its Node object removed. The machine goes first: while it may still run, a second
 * pod of a StatefulSet must not be started for the one on it.
 */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { ClusterUpdate } from '../../core/ports/engine.ts';
import type { WorkStep } from '../../core/ports/work.ts';
import { formatDuration } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import {
  type DrainForeseen,
  type DrainNode,
  drainStep,
  foreseeDrain,
  podName,
  readNode,
  readNodes,
  removeNode,
  setCordon,
  some,
} from '../drain/index.ts';
import { isControlPlane, poolOf } from '../drain/pods.ts';
import type { Talk, WorkOperation } from '../operation.ts';
import { stateOf, theNode } from './node-cordon.ts';
import { drainDetail, drainWarnings, lateFault, lookMs, openElsewhere, refuseLosses } from './node-drain.ts';
import { type NodeProgress, RepairProgress } from './node-repair-progress.ts';

const Input = z.object({
  /** One node, dead or not; absent: all that are dead. */
  node: z.string().min(1).optional(),
  /** How long a node has to be not ready until it counts as dead, in milliseconds. */
  afterMs: z.number().int().positive(),
  /** How long each may take to drain, in milliseconds. */
  withinMs: z.number().int().positive(),
  /** Replaced by another, or gone for good. */
  by: z.enum(['replace', 'remove']),
  /** The provider can retire the machine of a chosen node. */
  retires: z.boolean(),
  /** What to do where it cannot, in words. */
  instead: z.string(),
  /** Also a node that is ready, and pods that are lost with it. */
  force: z.boolean(),
  /** Most nodes at once. */
  most: z.number().int().positive().optional(),
});
type Input = z.infer<typeof Input>;

/** Nodes that a plan looks at closely; each takes several requests. */
const mostShown = 8;
/** How long a new node may take to become ready, in milliseconds. */
const newNodeMs = 20 * 60_000;
/** How long the budgets of a silent node's pods are waited for: they do not run any more, and are not disturbed by what follows. */
const silentBudgetMs = 60_000;

/** Nodes that have not been ready for so long, the control plane's left out: who removes one of these may lose the cluster. */
export function deadAmong(nodes: readonly DrainNode[], now: number, afterMs: number): DrainNode[] {
  return nodes.filter(
    ({ ready, since, labels }) => ready !== 'True' && now - since >= afterMs && !isControlPlane(labels),
  );
}

async function chosen(talk: Talk, input: Input): Promise<{ all: DrainNode[]; due: DrainNode[] }> {
  const all = await readNodes(talk);
  if (input.node === undefined) {
    const due = deadAmong(all, talk.now(), input.afterMs).sort((a, b) => a.since - b.since);
    return { all, due: due.slice(0, input.most ?? due.length) };
  }
  const node = all.find(({ name }) => name === input.node) ?? (await theNode(talk, input.node));
  if (isControlPlane(node.labels)) {
    throw new Fault(
      'unsupported',
      `Node ${node.name} carries the control plane, which KQueen does not replace or remove.`,
      {
        field: 'node',
        next: 'Have it looked after where the cluster was made.',
      },
    );
  }
  if (input.by === 'replace' && node.ready === 'True' && !input.force) {
    throw new Fault('conflict', `Node ${node.name} is ready, so there is nothing to repair.`, {
      field: 'node',
      next: 'To replace it all the same, ask with force=yes.',
    });
  }
  return { all, due: [node] };
}

function stepsOf(input: Input): string[] {
  const last = input.by === 'replace' ? 'Wait for the new node' : 'Remove it from the cluster';
  if (!input.retires && input.by === 'replace') return ['Close and drain the node'];
  return ['Close and drain the node', ...(input.retires ? ['Retire its machine'] : []), last];
}

/** Replaces dead nodes, or one that is named, or removes one for good. */
export const repairNodes: WorkOperation = {
  op: 'node.repair',

  async plan(talk, { input: given }) {
    const input = Input.parse(given);
    const { all, due } = await chosen(talk, input);
    const dead = deadAmong(all, talk.now(), input.afterMs);
    const seen: DrainForeseen[] = [];
    for (const node of due.slice(0, mostShown)) {
      const each = await foreseeDrain(talk, node.name);
      if (each) seen.push(each);
    }
    // What is on a dead node is lost or not whatever is done now; on one that answers it is this work that would lose it.
    for (const each of seen) if (each.node.ready === 'True') refuseLosses(each, input.force);
    const facts = seen.map(({ node, goes }) => {
      const pool = poolOf(node.labels);
      const stands = `${stateOf(node)} for ${formatDuration(Math.max(0, talk.now() - node.since))}`;
      const more = [`${count(goes.length, 'pod')} to move`, ...(pool ? [`pool ${pool.name}`] : [])];
      return { label: 'Node', value: `${node.name}: ${[stands, ...more].join('; ')}` };
    });
    const outage = dead.length * 3 > all.length && all.length > 1;
    const moves = seen.reduce((sum, { goes }) => sum + goes.length, 0);
    return {
      steps: stepsOf(input),
      facts: [
        ...facts,
        ...(due.length > seen.length ? [{ label: 'And', value: count(due.length - seen.length, 'more node') }] : []),
        { label: 'Then', value: thenText(input) },
      ],
      disturbs:
        moves === 0
          ? 'Nobody: nothing is on it that could move.'
          : `Whoever uses the ${count(moves, 'pod')} that move: each is made anew on another node.`,
      warnings: await warningsOf(talk, input, { seen, outage, dead: dead.length, all: all.length }),
      detail: seen.map((each) => `Node ${each.node.name}\n${drainDetail(each)}`).join('\n'),
      rests: {
        ...{ by: input.by, nodes: due.map(({ uid, ready }) => `${uid} ${ready}`) },
        ...{ dead: dead.map(({ name }) => name), all: all.length },
      },
      ...(due.length === 0
        ? { nothing: `No node has been out of service for ${formatDuration(input.afterMs)} or longer.` }
        : {}),
    };
  },

  async step(talk, { input: given, progress: left }) {
    const input = Input.parse(given);
    const progress = { since: talk.now(), ...RepairProgress.parse(left) };
    if (!progress.nodes) return begin(talk, input, progress);
    const current = progress.nodes.find(({ phase }) => phase !== 'done');
    if (!current) return finished(input, progress);
    switch (current.phase) {
      case 'drain':
        return drain(talk, input, progress, current);
      case 'remove':
        return remove(talk, input, progress, current);
      default:
        return await arrive(talk, input, progress, current);
    }
  },
};

function thenText(input: Input): string {
  if (input.by === 'remove')
    return input.retires
      ? 'the provider takes its machine away, and the pool is smaller by one'
      : 'its Node object is removed';
  return input.retires
    ? 'the provider puts another machine in its place'
    : 'it stays cordoned, for a person to replace it';
}

async function warningsOf(
  talk: Talk,
  input: Input,
  { seen, outage, dead, all }: { seen: DrainForeseen[]; outage: boolean; dead: number; all: number },
): Promise<string[]> {
  const warnings: string[] = [];
  if (outage)
    warnings.push(
      `${dead} of ${all} nodes are out of service: that looks like an outage of a network or a zone rather than broken machines. Replacing them may make it worse.`,
    );
  if (!input.retires) {
    warnings.push(
      input.by === 'replace'
        ? `KQueen cannot have the machine replaced: it stops after the drain. ${input.instead}`
        : 'KQueen cannot take the machine away. Turn it off before: while it runs, its pods run beside those that replace them.',
    );
  }
  for (const each of seen) {
    const others = await openElsewhere(talk, each.node.name);
    // That the kubelet is silent, and that a replacement helps, is why this is done at all.
    warnings.push(...drainWarnings(each, others).filter((line) => !line.startsWith('The kubelet')));
  }
  return [...new Set(warnings)].slice(0, 20);
}

/** Which nodes it is about is found once and kept, so that another that dies meanwhile is another repair. */
async function begin(talk: Talk, input: Input, before: RepairProgress): Promise<WorkStep> {
  const { all, due } = await chosen(talk, input);
  const pools = new Map<string, number>();
  for (const { labels } of all) {
    const pool = poolOf(labels);
    if (pool) pools.set(pool.name, (pools.get(pool.name) ?? 0) + 1);
  }
  const free = all.filter(({ labels }) => !poolOf(labels) && !isControlPlane(labels)).length;
  const nodes = due.map((node): NodeProgress => {
    const pool = poolOf(node.labels)?.name;
    const { name, uid, since } = node;
    return {
      ...{ name, uid, since, phase: 'drain', drain: {} },
      ...(pool === undefined ? {} : { pool }),
      size: pool === undefined ? free : (pools.get(pool) ?? 1),
    };
  });
  const progress = { ...before, nodes, since: talk.now() };
  const names = nodes.map(({ name }) => name);
  const note = names.length === 0 ? 'Every node is back.' : `It is about ${some(names)}.`;
  return { state: 'again', progress, at: 0, note };
}

/** The progress with this node as it is now. */
function withNode(progress: RepairProgress, node: NodeProgress, now: number): RepairProgress {
  const nodes = (progress.nodes ?? []).map((each) => (each.uid === node.uid ? node : each));
  return { ...progress, nodes, since: now };
}

async function drain(talk: Talk, input: Input, progress: RepairProgress, node: NodeProgress): Promise<WorkStep> {
  const now = talk.now();
  const before = await readNode(talk, node.name);
  const back = before !== null && before.uid === node.uid && before.ready === 'True';
  if (back && input.by === 'replace' && !input.force) {
    // It was cordoned for this, unless somebody else had done it before.
    if (before.cordoned && node.drain.wasCordoned === false) await setCordon(talk, node.name, false);
    const note = `Node ${node.name} is ready again, so it stays as it is.`;
    return { state: 'again', progress: withNode(progress, { ...node, phase: 'done', end: 'back' }, now), at: 0, note };
  }
  // The pods of a silent node do not run any more: what they would lose, they have lost.
  const force = input.force || before?.ready !== 'True';
  const step = await drainStep(
    talk,
    { node: node.name, force },
    { ...node.drain, since: progress.since, uid: node.uid },
  );
  const { since: _since, ...kept } = step.progress;
  const next: NodeProgress = { ...node, drain: kept };
  const lines = step.blocked.length > 0 ? step.blocked.map((line) => `Not allowed yet on ${node.name}: ${line}.`) : [];
  const spent = now - (progress.since ?? now);
  const silent = step.node?.ready === 'Unknown';
  // On a silent node a pod that is ending never ends, and one that is not allowed to go has gone already.
  const hopeless = silent && step.left.every(({ endsAt }) => endsAt !== undefined || spent > silentBudgetMs);
  const over = step.is === 'done' || step.is === 'gone' || step.is === 'silent' || hopeless;
  if (!over) {
    if (step.node && spent > input.withinMs) throw lateFault(node.name, step, input.withinMs);
    const same = { ...progress, nodes: (progress.nodes ?? []).map((each) => (each.uid === node.uid ? next : each)) };
    return {
      state: 'wait',
      ms: lookMs,
      progress: same,
      at: 0,
      percent: Math.floor(step.percent / 2),
      note: step.note,
      lines,
    };
  }
  if (step.is === 'gone') {
    // Whoever removed it may have meant to: another machine is for a person to ask for.
    const gone = withNode(progress, { ...next, phase: 'done', end: 'gone' }, now);
    return { state: 'again', progress: gone, at: 0, note: step.note, lines };
  }
  const stay =
    step.left.length > 0
      ? ` ${count(step.left.length, 'pod')} cannot end there, since its kubelet is silent: ${some(step.left.map(podName))}.`
      : '';
  if (!input.retires && input.by === 'replace') {
    const done = withNode(progress, { ...next, phase: 'done', end: 'drained' }, now);
    return {
      state: 'again',
      progress: done,
      at: 0,
      note: `Node ${node.name} is drained as far as it answers.${stay}`,
      lines,
    };
  }
  // Whoever is there before the provider is asked is not the new node, which may have joined by the time the provider says that it is done.
  const known = (await readNodes(talk)).filter(({ uid }) => uid !== node.uid);
  const newest = known.reduce((latest, { madeAt }) => Math.max(latest, madeAt), 0);
  const peers = known.filter(({ madeAt }) => madeAt >= newest).map(({ uid }) => uid);
  // Told to the provider with the next step; without one the Node object goes at once.
  const after = withNode(progress, { ...next, phase: 'remove', newest, peers: peers.slice(0, 100) }, now);
  const at = 1;
  const note = `Node ${node.name} is drained as far as it answers.${stay}`;
  if (!input.retires) return { state: 'again', progress: after, at, percent: 50, note, lines };
  return { state: 'again', progress: after, at, percent: 50, note, lines, provider: retireOf(input, node) };
}

/** What the provider is asked for. `since` is by the cluster's clock, and lies between the making of the old machine and that of a new one. */
function retireOf(input: Input, node: NodeProgress): ClusterUpdate {
  return {
    ...(node.pool === undefined ? {} : { pool: node.pool }),
    nodes: input.by === 'replace' ? node.size : node.size - 1,
    // Its clock shows whole seconds alone.
    retire: { node: node.name, before: node.since + 999 },
  };
}

/** The machine is retired: the Node object goes, unless it stands for the new machine of the same name already. */
async function remove(talk: Talk, input: Input, progress: RepairProgress, node: NodeProgress): Promise<WorkStep> {
  const now = talk.now();
  const all = await readNodes(talk);
  const old = all.find(({ uid }) => uid === node.uid);
  const anew = old !== undefined && old.ready === 'True' && old.since > node.since;
  if (anew && input.by === 'replace') {
    await setCordon(talk, old.name, false);
    const done = withNode(progress, { ...node, phase: 'done', end: 'replaced', successor: old.name }, now);
    return {
      state: 'again',
      progress: done,
      at: 2,
      note: `Node ${old.name} runs on a new machine and takes pods again.`,
    };
  }
  const removed = old ? await removeNode(talk, old.name, old.uid) : false;
  const note = removed
    ? `Node ${node.name} is removed from the cluster.`
    : `Node ${node.name} had gone from the cluster already.`;
  if (input.by === 'remove' || !input.retires) {
    const done = withNode(progress, { ...node, phase: 'done', end: 'removed' }, now);
    return { state: 'again', progress: done, at: stepsOf(input).length - 1, note };
  }
  const next: NodeProgress = { ...node, phase: 'arrive' };
  return { state: 'again', progress: withNode(progress, next, now), at: 2, percent: 75, note };
}

async function arrive(talk: Talk, input: Input, progress: RepairProgress, node: NodeProgress): Promise<WorkStep> {
  const now = talk.now();
  const { newest = 0, peers = [] } = node;
  const taken = (progress.nodes ?? []).map(({ successor }) => successor);
  const fresh = (await readNodes(talk)).filter(
    ({ uid, madeAt, name }) =>
      uid !== node.uid &&
      (name === node.name || madeAt > newest || (madeAt === newest && !peers.includes(uid))) &&
      !taken.includes(name),
  );
  const ready = fresh.find((each) => each.ready === 'True');
  if (ready) {
    const done = withNode(progress, { ...node, phase: 'done', end: 'replaced', successor: ready.name }, now);
    return {
      state: 'again',
      progress: done,
      at: stepsOf(input).length - 1,
      note: `Node ${ready.name} is ready in place of ${node.name}.`,
    };
  }
  if (now - (progress.since ?? now) > newNodeMs) {
    throw new Fault(
      'conflict',
      `The machine of ${node.name} is replaced, yet no new node became ready within ${formatDuration(newNodeMs)}.`,
      {
        whose: 'provider',
        retryable: false,
        next: 'Look at the provider whether the new machine started, then press Retry to go on waiting.',
      },
    );
  }
  const [seen] = fresh;
  const note = seen
    ? `Node ${seen.name} is there and not ready yet.`
    : `Waiting for the new node in place of ${node.name}.`;
  return { state: 'wait', ms: lookMs, progress, at: stepsOf(input).length - 1, percent: 85, note };
}

function finished(input: Input, progress: RepairProgress): WorkStep {
  const nodes = progress.nodes ?? [];
  const named = (end: NodeProgress['end']) => nodes.filter((each) => each.end === end).map(({ name }) => name);
  const parts: string[] = [];
  const say = (end: NodeProgress['end'], words: (names: string) => string) => {
    const names = named(end);
    if (names.length > 0) parts.push(words(some(names)));
  };
  say('replaced', (names) => `Replaced: ${names}.`);
  say('removed', (names) => `Removed: ${names}.`);
  say('back', (names) => `Ready again by itself: ${names}.`);
  say('gone', (names) => `Gone already: ${names}.`);
  say('drained', (names) => `Cordoned and drained as far as it answers: ${names}. ${input.instead}`);
  const note = parts.length > 0 ? parts.join(' ') : 'Every node was back before anything was done.';
  return { state: 'done', progress, at: stepsOf(input).length - 1, percent: 100, note, result: resultOf(nodes) };
}

function resultOf(nodes: readonly NodeProgress[]): { label: string; value: string }[] {
  return nodes.map(({ name, end, successor }) => ({
    label: `Node ${name}`,
    value: end === 'replaced' && successor !== undefined ? `replaced by ${successor}` : (end ?? ''),
  }));
}
