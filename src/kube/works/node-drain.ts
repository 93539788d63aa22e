import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';
import { count } from '../../core/words.ts';
import {
  type DrainForeseen,
  DrainProgress,
  type DrainStep,
  drainStep,
  foreseeDrain,
  podName,
  readNodes,
  some,
} from '../drain/index.ts';
import type { Talk, WorkOperation } from '../operation.ts';
import { stateOf, theNode } from './node-cordon.ts';

const Input = z.object({
  node: z.string().min(1),
  /** Also pods that are lost with it. */
  force: z.boolean(),
  /** How long it may take, in milliseconds. */
  withinMs: z.number().int().positive(),
});

const steps = ['Close the node for new pods', 'Move its pods'];

/** How often the pods of a node are looked at, in milliseconds. */
export const lookMs = 2_000;

/** Moves the pods of a node elsewhere, as their PodDisruptionBudgets allow. The node stays closed for new pods. */
export const drainNodeWork: WorkOperation = {
  op: 'node.drain',

  async plan(talk, { input: given }) {
    const { node: name, force, withinMs } = Input.parse(given);
    await theNode(talk, name);
    const seen = await foreseeDrain(talk, name);
    if (!seen) throw new Fault('not-found', `Node ${name} has just gone.`, { field: 'node' });
    refuseLosses(seen, force);
    const others = await openElsewhere(talk, name);
    return {
      steps,
      facts: [
        { label: 'Node', value: `${name}, ${stateOf(seen.node)}` },
        ...drainFacts(seen),
        { label: 'At most', value: formatDuration(withinMs) },
      ],
      disturbs: disturbed(seen),
      detail: drainDetail(seen),
      warnings: [
        ...drainWarnings(seen, others),
        'The node stays cordoned afterwards, until somebody presses Uncordon.',
      ],
      rests: drainRests(seen),
      ...(seen.goes.length === 0 && seen.node.cordoned
        ? { nothing: `Node ${name} is cordoned, and nothing is on it that could go.` }
        : {}),
    };
  },

  async step(talk, { input: given, progress: left }) {
    const { node, force, withinMs } = Input.parse(given);
    const step = await drainStep(talk, { node, force }, DrainProgress.parse(left));
    const done = (note: string) => ({
      ...{ state: 'done' as const, progress: step.progress, at: 1, percent: 100, note },
      result: [{ label: 'Moved', value: count(step.progress.total ?? 0, 'pod') }],
    });
    if (step.is === 'gone') return done(`${step.note} Nothing is left to be drained.`);
    if (step.is === 'done') return done(`${step.note} It stays cordoned until somebody presses Uncordon.`);
    if (step.is === 'silent') throw silentFault(node, step);
    if (talk.now() - (step.progress.since ?? 0) > withinMs) throw lateFault(node, step, withinMs);
    return { state: 'wait', ms: lookMs, progress: step.progress, at: 1, percent: step.percent, note: step.note };
  },
};

/** Throws when pods would be lost and nobody has said that they may be. */
export function refuseLosses({ node, need }: Pick<DrainForeseen, 'node' | 'need'>, force: boolean): void {
  const { unmanaged, emptyDir } = need;
  if (force || (unmanaged.length === 0 && emptyDir.length === 0)) return;
  const parts = [
    ...(unmanaged.length > 0
      ? [
          `${some(unmanaged.map(podName))} would be gone for good, since nothing makes ${unmanaged.length === 1 ? 'it' : 'them'} anew`,
        ]
      : []),
    ...(emptyDir.length > 0 ? [`${some(emptyDir.map(podName))} would lose what is in emptyDir volumes`] : []),
  ];
  throw new Fault('conflict', `Draining ${node.name} would lose something: ${parts.join('; ')}.`, {
    field: 'force',
    whose: 'caller',
    next: 'Save what is needed, then ask with force=yes.',
  });
}

/** What goes and what stays, as facts. */
export function drainFacts({ goes, stays }: DrainForeseen): { label: string; value: string }[] {
  const daemons = stays.filter(({ fate }) => fate === 'daemon').length;
  const statics = stays.length - daemons;
  const left = [...(daemons > 0 ? [`${daemons} of DaemonSets`] : []), ...(statics > 0 ? [`${statics} static`] : [])];
  return [
    { label: 'Pods to move', value: String(goes.length) },
    ...(left.length > 0 ? [{ label: 'Left alone', value: left.join(', ') }] : []),
  ];
}

function disturbed({ goes }: DrainForeseen): string {
  const running = goes.filter(({ finished }) => !finished);
  if (running.length === 0) return 'Nobody: nothing runs there that has to move.';
  return running.length === 1
    ? 'Whoever uses the pod that moves: it ends there and is made anew elsewhere.'
    : `Whoever uses the ${running.length} pods that move: each ends there and is made anew elsewhere.`;
}

/** How many other nodes take pods. */
export async function openElsewhere(talk: Talk, name: string): Promise<number> {
  return (await readNodes(talk)).filter((each) => each.name !== name && each.ready === 'True' && !each.cordoned).length;
}

/** What is worth knowing before a drain, worst first. */
export function drainWarnings({ node, goes, need, blocked }: DrainForeseen, others: number): string[] {
  const sets = [
    ...new Set(
      goes
        .filter(({ owner }) => owner.startsWith('StatefulSet '))
        .map(({ namespace, owner }) => `${owner} in ${namespace}`),
    ),
  ];
  const held = goes.filter(({ finalizers, endsAt }) => finalizers.length > 0 || endsAt !== undefined);
  return [
    ...(others === 0 && goes.length > 0
      ? ['No other node takes pods, so those that move stay pending until one does.']
      : []),
    ...(node.ready === 'Unknown'
      ? [
          `The kubelet of ${node.name} is silent: pods that are deleted cannot end there. They stay until the node answers or is replaced (cluster repair).`,
        ]
      : []),
    ...need.unmanaged.map((pod) => `Pod ${podName(pod)} is gone for good: nothing makes it anew.`),
    ...need.emptyDir.map(
      (pod) => `Pod ${podName(pod)} loses what is in its emptyDir ${pod.emptyDirs.slice(0, 3).join(', ')}.`,
    ),
    ...blocked.map((line) => `Not allowed now: ${line}. It is tried again until the time is over.`),
    ...sets.map((line) => `${line} is away until its pod has ended here and started elsewhere, with its volume.`),
    ...(held.length > 0 ? [`Ending already or held by finalizers: ${some(held.map(podName))}.`] : []),
  ].slice(0, 20);
}

/** The pods by what becomes of them. */
export function drainDetail({ goes, stays }: DrainForeseen): string {
  const lines = [
    ...goes.map(
      (pod) => `- Pod ${podName(pod)}${pod.owner === '' ? '' : ` of ${pod.owner}`}${pod.finished ? ', finished' : ''}`,
    ),
    ...stays.map((pod) => `= Pod ${podName(pod)} stays: ${pod.fate === 'daemon' ? `of ${pod.owner}` : 'static'}`),
  ];
  return lines.slice(0, 120).join('\n');
}

/** What a plan to drain rests on: pods come and go by themselves, while what could be lost and who it belongs to does not. */
export function drainRests({ node, goes, need }: DrainForeseen): unknown {
  const names = (all: readonly { namespace: string; name: string }[]) => all.map(podName).sort();
  return {
    ...{ uid: node.uid, silent: node.ready === 'Unknown' },
    ...{ owners: [...new Set(goes.map(({ namespace, owner }) => `${namespace}/${owner}`))].sort() },
    ...{ unmanaged: names(need.unmanaged), emptyDir: names(need.emptyDir) },
  };
}

function silentFault(node: string, step: DrainStep): Fault {
  const pods = some(step.left.map(podName));
  return new Fault(
    'conflict',
    `The kubelet of ${node} is silent, so ${count(step.left.length, 'pod')} cannot end there: ${pods}.`,
    {
      whose: 'provider',
      retryable: false,
      next: 'They go when the node answers again, or when it is replaced: press Replace. The node stays cordoned.',
    },
  );
}

/** The end of a drain whose time is over, with what keeps it. */
export function lateFault(node: string, step: DrainStep, withinMs: number): Fault {
  const why = [...step.blocked.map((line) => `not allowed: ${line}`), ...step.stuck];
  const rest = why.length > 0 ? why.join('; ') : some(step.left.map(podName));
  return new Fault(
    'conflict',
    `${count(step.left.length, 'pod')} did not leave ${node} within ${formatDuration(withinMs)}: ${rest}.`,
    {
      whose: 'caller',
      retryable: false,
      next: 'What has moved stays moved, and the node stays cordoned. Press Retry once the rest may go, or Uncordon.',
    },
  );
}
