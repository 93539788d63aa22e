/**
 * Makes a pool smaller by one chosen node: it is closed, looked at once more, emptied, then its machine goes, then its Node object. Whenever it turns out
 * that the node is needed, or cannot be emptied in time, it is opened again: a rule must not leave closed nodes behind.
 */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { WorkStep } from '../../core/ports/work.ts';
import { formatDuration } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import { whyNeeded } from '../autoscale/index.ts';
import { DrainProgress, drainStep, readNode, removeNode, setCordon } from '../drain/index.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const Input = z.object({
  node: z.string().min(1),
  pool: z.string().min(1),
  /** Every pool of the cluster. */
  all: z.array(z.string()),
  /** Nodes of the pool at the provider before. */
  size: z.number().int().positive(),
  waitMs: z.number().int().nonnegative(),
  use: z.number(),
  /** How long emptying may take, in milliseconds. */
  withinMs: z.number().int().positive(),
});
type Input = z.infer<typeof Input>;

const Progress = z.object({
  phase: z.enum(['close', 'look', 'drain', 'gone']).optional(),
  uid: z.string().optional(),
  /** When the machine was there for certain, by the cluster's clock. */
  seen: z.number().optional(),
  since: z.number().optional(),
  drain: DrainProgress.optional(),
});
type Progress = z.infer<typeof Progress>;

const steps = ['Close the node', 'Look once more', 'Empty it', 'Retire its machine'];

/** Takes one little-used node out of a pool. */
export const scaleDown: WorkOperation = {
  op: 'node.scale-down',

  async plan(talk, { input: given }) {
    const input = Input.parse(given);
    const node = await readNode(talk, input.node);
    if (!node) throw new Fault('not-found', `The cluster has no node ${input.node}.`, { field: 'node' });
    return {
      steps,
      facts: [
        { label: 'Node', value: input.node },
        { label: `Nodes of ${input.pool}`, value: `${input.size} → ${input.size - 1}` },
      ],
      disturbs: 'Whoever uses the pods that move: each ends there and is made anew on another node.',
      warnings: [],
      rests: { uid: node.uid },
    };
  },

  async step(talk, { input: given, progress: left }) {
    const input = Input.parse(given);
    const progress = Progress.parse(left);
    switch (progress.phase) {
      case undefined:
        return begin(talk, input);
      case 'close':
        return close(talk, input, progress);
      case 'look':
        return look(talk, input, progress);
      case 'drain':
        return drain(talk, input, progress);
      default:
        return remove(talk, input, progress);
    }
  },
};

function over(progress: Progress, at: number, note: string): WorkStep {
  return { state: 'done', progress, at, percent: 100, note };
}

/** Saved before the node is closed: whoever finds it closed afterwards knows that it was not somebody else. */
async function begin(talk: Talk, { node: name }: Input): Promise<WorkStep> {
  const node = await readNode(talk, name);
  if (!node) return over({}, 0, `Node ${name} is gone already.`);
  if (node.cordoned) return over({}, 0, `Somebody has cordoned ${name}, so it is left to them.`);
  const progress: Progress = { phase: 'close', uid: node.uid, seen: Math.max(node.since, node.madeAt) };
  return { state: 'again', progress, at: 0, note: `Node ${name} is to go.` };
}

async function close(talk: Talk, { node: name }: Input, progress: Progress): Promise<WorkStep> {
  const there = await setCordon(talk, name, true);
  if (!there) return over(progress, 0, `Node ${name} is gone already.`);
  const next: Progress = { ...progress, phase: 'look', since: talk.now() };
  return { state: 'again', progress: next, at: 1, note: `Node ${name} takes no new pods.` };
}

/** The node is closed, so that nothing comes to it any more: what is seen now holds. */
async function look(talk: Talk, input: Input, progress: Progress): Promise<WorkStep> {
  const { node, pool, all, waitMs, use } = input;
  const why = await whyNeeded(talk, node, { pools: [pool], all, waitMs, use, most: 1 });
  if (why !== null) {
    await setCordon(talk, node, false);
    return over(progress, 1, `Node ${node} stays: ${why} It takes pods again.`);
  }
  const note = `What runs on ${node} finds room on the others.`;
  return { state: 'again', progress: { ...progress, phase: 'drain', since: talk.now() }, at: 2, note };
}

async function drain(talk: Talk, input: Input, progress: Progress): Promise<WorkStep> {
  const { node, pool, size, withinMs } = input;
  const uid = progress.uid === undefined ? {} : { uid: progress.uid };
  // What would be lost was looked at when the node was closed, and nothing has come since.
  const step = await drainStep(talk, { node, force: true }, { ...progress.drain, ...uid });
  const next: Progress = { ...progress, drain: step.progress };
  if (step.is === 'gone') return { state: 'again', progress: { ...next, phase: 'gone' }, at: 3, note: step.note };
  if (step.is === 'done') {
    const note = `Node ${node} is empty; its machine goes.`;
    const provider = {
      ...(input.all.length > 1 ? { pool } : {}),
      nodes: size - 1,
      // By the cluster's clock, which tells whole seconds.
      retire: { node, before: (progress.seen ?? talk.now()) + 1_000 },
    };
    return { state: 'again', progress: { ...next, phase: 'gone' }, at: 3, percent: 70, note, provider };
  }
  const spent = talk.now() - (progress.since ?? talk.now());
  if (spent > withinMs || step.is === 'silent') {
    await setCordon(talk, node, false);
    const why = [...step.blocked, ...step.stuck].slice(0, 3).join('; ');
    throw new Fault(
      'conflict',
      `${count(step.left.length, 'pod')} did not leave ${node} within ${formatDuration(withinMs)}${why === '' ? '' : `: ${why}`}. It stays, and takes pods again.`,
      {
        whose: 'caller',
        retryable: false,
        next: 'KQueen looks again later; the pods that have moved stay where they are.',
      },
    );
  }
  return { state: 'wait', ms: 2_000, progress: next, at: 2, percent: Math.floor(step.percent / 2), note: step.note };
}

/** Where the provider does not take the Node object away with the machine, it is done here. */
async function remove(talk: Talk, { node, pool, size }: Input, progress: Progress): Promise<WorkStep> {
  if (progress.uid !== undefined) await removeNode(talk, node, progress.uid);
  return {
    ...over(progress, 3, `Node ${node} is gone; ${pool} has ${count(size - 1, 'node')} now.`),
    result: [{ label: `Nodes of ${pool}`, value: `${size} → ${size - 1}` }],
  };
}
