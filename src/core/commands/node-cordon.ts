import { z } from 'zod';
import { type Command, type Context, lineOf } from '../command.ts';
import { work, workable } from './cluster-work.ts';
import { clusterField } from './common.ts';
import { nodeField, planField } from './node-fields.ts';

const args = z.object({ cluster: clusterField, node: nodeField, plan: planField });

async function set(context: Context, values: Record<string, string>, on: boolean) {
  const found = await workable(context, values.cluster ?? '');
  const { node = '', plan } = values;
  return work(context, found, {
    ...{ op: 'node.cordon', title: `${on ? 'Cordon' : 'Uncordon'} node ${node} of`, plan },
    button: on ? 'Cordon it' : 'Uncordon it',
    input: { node, on },
    line: lineOf(on ? nodeCordon : nodeUncordon, { cluster: found.record.name, node }),
  });
}

/** Closes a node for new pods. */
export const nodeCordon: Command = {
  name: 'node cordon',
  summary: 'Close a node for new pods; those on it stay',
  examples: ['node cordon dev-1 dev-1-node-2'],
  group: 'Nodes',
  policy: 'cluster:update',
  changes: true,
  args,
  positional: ['cluster', 'node'],
  run: (context, values) => set(context, values, true),
};

/** Opens a node for new pods again. */
export const nodeUncordon: Command = {
  name: 'node uncordon',
  summary: 'Open a node for new pods again',
  examples: ['node uncordon dev-1 dev-1-node-2'],
  group: 'Nodes',
  policy: 'cluster:update',
  changes: true,
  args,
  positional: ['cluster', 'node'],
  run: (context, values) => set(context, values, false),
};
