import { z } from 'zod';
import { type Button, type Card, plainCard } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { boundsText, gatewaysOf, poolsOf } from '../plan-change.ts';
import { gatewayMark } from '../ports/engine.ts';
import { field } from '../schema.ts';
import { count } from '../words.ts';
import { type Changeable, type ChangeWords, change, changeable } from './cluster-change.ts';
import { wantedNodes } from './cluster-scale.ts';
import { clusterField, toCaller } from './common.ts';

const gating: ChangeWords = {
  ...{ kind: 'cluster.gateways', capability: 'gateways', done: 'given gateway nodes', going: 'changed' },
  button: 'Set them',
};

/** Most gateway nodes where neither the pool nor the engine says. */
const usualMost = 10;

/** Sets how many nodes there are for what lets traffic in. */
export const clusterGateways: Command = {
  name: 'cluster gateways',
  aliases: ['cluster gateway'],
  summary: 'Nodes apart for what lets traffic in',
  examples: ['cluster gateways dev-1', 'cluster gateways dev-1 2', 'cluster gateways dev-1 +1'],
  group: 'Nodes',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    nodes: field(
      z
        .string()
        .trim()
        .regex(/^[+-]?\d{1,5}$/, 'Write a number, or how many more or fewer: 2, +1, -1.')
        .optional(),
      { label: 'Gateway nodes', help: 'How many there are to be, or +1 and -1; 0 removes the pool.', order: 2 },
    ),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'nodes'],
  words: { to: 'nodes' },
  async run(context, values) {
    const on = await changeable(context, values.cluster ?? '', gating);
    const { now, most, autoscale } = poolOf(on);
    if (values.nodes === undefined) return toCaller(gatewaysCard(on, now, most));
    if (autoscale) {
      throw new Fault(
        'conflict',
        `The provider itself scales ${gatewayMark.value}, between ${boundsText(autoscale)}.`,
        {
          next: `Change its bounds with cluster autoscale ${on.cluster.name} pool=${gatewayMark.value}, or turn that off.`,
        },
      );
    }
    const nodes = wantedNodes(values.nodes, now);
    if (nodes < 0) throw new Fault('bad-input', nothingToRemove(now, -nodes), { field: 'nodes' });
    if (nodes > most) {
      throw new Fault('bad-input', `The maximum number of gateway nodes is ${most}; ${nodes} is more.`, {
        field: 'nodes',
      });
    }
    if (nodes === now && !on.cluster.openJob) {
      const has = now === 0 ? 'no gateway nodes' : count(now, 'gateway node');
      return toCaller(plainCard('Nothing to change', `Cluster ${on.cluster.name} has ${has} already.`));
    }
    const line = lineOf(clusterGateways, { cluster: on.cluster.name, nodes: String(nodes) });
    return change(context, on, gating, { update: { gateways: nodes }, line, plan: values.plan });
  },
};

function nothingToRemove(now: number, missing: number): string {
  if (now === 0) return 'No gateway nodes that can be removed: there are none.';
  return `No gateway nodes that can be removed beyond the ${now} that are there; ${count(missing, 'node')} too many.`;
}

function poolOf({ cluster, engine }: Changeable) {
  const pool = poolsOf(cluster, engine).find(({ name }) => name === gatewayMark.value);
  return {
    now: gatewaysOf(cluster, engine),
    most: pool?.bounds?.max ?? engine.mostGateways ?? usualMost,
    autoscale: pool?.autoscale,
  };
}

function gatewaysCard({ cluster }: Changeable, now: number, most: number): Card {
  const of = (nodes: string) => lineOf(clusterGateways, { cluster: cluster.name, nodes });
  const buttons: Button[] = [
    ...(now > 0 ? [{ label: '−1', command: of('-1') }] : []),
    ...(now < most ? [{ label: '+1', command: of('+1') }] : []),
    ...(now > 0 ? [{ label: 'Remove all', command: of('0') }] : []),
  ];
  const has = now === 0 ? 'no gateway nodes' : count(now, 'gateway node');
  const mark = `${gatewayMark.key}=${gatewayMark.value}`;
  const text =
    now === 0
      ? `Cluster ${cluster.name} has none: what lets traffic in runs among everything else. Up to ${most} nodes can be set apart for it.`
      : `They carry the label and the taint \`${mark}\`: what lets traffic in has to select the one and tolerate the other. Up to ${most}.`;
  return { ...plainCard(`${cluster.name}: ${has}`, text), buttons };
}
