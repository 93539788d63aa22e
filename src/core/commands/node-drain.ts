import { z } from 'zod';
import { type Card, plainCard } from '../card.ts';
import { type Answer, type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField, toCaller } from './common.ts';
import { forceField, isYes, nodeField, planField, retiring, withinField, withinOf } from './node-fields.ts';

/** What a job may take beyond the drain itself, in milliseconds: a cluster that does not answer is waited for. */
const slackMs = 600_000;

/** Moves the pods of a node elsewhere. */
export const nodeDrain: Command = {
  name: 'node drain',
  summary: 'Move the pods of a node elsewhere and keep new ones off it',
  examples: ['node drain dev-1 dev-1-node-2', 'node drain dev-1 dev-1-node-2 timeout=30m force=yes'],
  group: 'Nodes',
  policy: 'cluster:update',
  changes: true,
  args: z.object({ cluster: clusterField, node: nodeField, timeout: withinField, force: forceField, plan: planField }),
  positional: ['cluster', 'node'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { node = '', plan, timeout } = values;
    const force = isYes(values.force);
    const withinMs = withinOf(values);
    const named = { cluster: found.record.name, node, ...(timeout ? { timeout } : {}) };
    const line = lineOf(nodeDrain, { ...named, ...(force ? { force: 'yes' } : {}) });
    const wish = { op: 'node.drain', title: `Drain node ${node} of`, button: 'Drain it', plan, line };
    return orForced(
      () => work(context, found, { ...wish, input: { node, force, withinMs }, allowedMs: withinMs + slackMs }),
      { label: 'Drain it all the same', command: lineOf(nodeDrain, { ...named, force: 'yes' }) },
    );
  },
};

/** Takes a node and its machine out of a cluster for good. */
export const nodeRemove: Command = {
  name: 'node remove',
  aliases: ['node delete'],
  summary: 'Drain a node and take it out of the cluster for good',
  examples: ['node remove dev-1 dev-1-node-2', 'node remove dev-1 dev-1-node-2 force=yes'],
  group: 'Nodes',
  policy: 'cluster:update',
  changes: true,
  args: z.object({ cluster: clusterField, node: nodeField, timeout: withinField, force: forceField, plan: planField }),
  positional: ['cluster', 'node'],
  async run(context, values) {
    const found = await workable(context, values.cluster ?? '');
    const { node = '', plan, timeout } = values;
    const force = isYes(values.force);
    const withinMs = withinOf(values);
    const named = { cluster: found.record.name, node, ...(timeout ? { timeout } : {}) };
    const line = lineOf(nodeRemove, { ...named, ...(force ? { force: 'yes' } : {}) });
    const input = { node, afterMs: 600_000, withinMs, by: 'remove', force, ...retiring(context, found.record) };
    const wish = { op: 'node.repair', title: `Remove node ${node} from`, button: 'Remove it', plan, line };
    return orForced(() => work(context, found, { ...wish, input, allowedMs: withinMs + 3 * slackMs }), {
      label: 'Remove it all the same',
      command: lineOf(nodeRemove, { ...named, force: 'yes' }),
    });
  },
};

/** The answer, or, where something would be lost, what that is with a button for who agrees to it. */
export async function orForced(
  ask: () => Promise<Answer>,
  button: { label: string; command: string },
): Promise<Answer> {
  try {
    return await ask();
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.field === 'force')) throw thrown;
    const card: Card = plainCard('That would lose something', `${thrown.message} ${thrown.next ?? ''}`.trim(), 'warn', [
      { ...button, style: 'danger' },
    ]);
    return toCaller(card);
  }
}
