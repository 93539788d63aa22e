import { z } from 'zod';
import { type Field, plainCard } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { boundsText, poolNamed, poolsOf } from '../plan-change.ts';
import type { NodePool } from '../ports/engine.ts';
import type { Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { count } from '../words.ts';
import { type Changeable, type ChangeWords, change, changeable, changeForm } from './cluster-change.ts';
import { clusterField, toCaller } from './common.ts';

/** The hash of the plan that was seen. */
export const planField = field(z.string().optional(), { label: 'Plan', order: 99 });
/** One of a cluster's node pools. */
export const poolField = field(z.string().trim().optional(), {
  label: 'Node pool',
  help: 'Which of its pools; may be left out when there is one.',
  order: 3,
});

const scaling: ChangeWords = {
  ...{ kind: 'cluster.scale', capability: 'scale', done: 'scaled', going: 'scaled', button: 'Scale it' },
};

/** Changes the number of nodes of a pool. */
export const clusterScale: Command = {
  name: 'cluster scale',
  aliases: ['cluster resize'],
  summary: 'More or fewer nodes',
  examples: ['cluster scale dev-1 nodes=5', 'cluster scale dev-1 nodes=+1 pool=workers'],
  group: 'Nodes',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    nodes: field(
      z
        .string()
        .trim()
        .regex(/^[+-]?\d{1,5}$/, 'Write a number, or how many more or fewer: 5, +1, -1.')
        .optional(),
      {
        label: 'Nodes',
        help: 'How many there are to be, or how many more (+1) or fewer (-1).',
        example: '5',
        order: 2,
      },
    ),
    pool: poolField,
    plan: planField,
  }),
  positional: ['cluster', 'nodes'],
  words: { to: 'nodes' },
  async run(context, values) {
    const on = await changeable(context, values.cluster ?? '', scaling);
    const pools = poolsOf(on.cluster, on.engine);
    if (values.nodes === undefined || (pools.length > 1 && values.pool === undefined)) {
      return scaleForm(context, on, pools, values);
    }
    const pool = poolNamed(pools, values.pool);
    if (pool.autoscale) {
      throw new Fault(
        'conflict',
        `The provider itself scales ${pool.name}, between ${boundsText(pool.autoscale)}, and would undo it.`,
        { field: 'pool', next: 'Change its bounds with cluster autoscale, or turn that off.' },
      );
    }
    const nodes = wantedNodes(values.nodes, pool.nodes);
    checkBounds(pool, nodes, 'nodes');
    refuseOutside(on.cluster, pool.name, nodes);
    if (nodes === pool.nodes && !on.cluster.openJob) {
      return toCaller(plainCard('Nothing to change', `${pool.name} has ${count(nodes, 'node')} already.`));
    }
    const named = pools.length > 1 ? { pool: pool.name } : {};
    const line = lineOf(clusterScale, { cluster: on.cluster.name, nodes: String(nodes), ...named });
    return change(context, on, scaling, { update: { ...named, nodes }, line, plan: values.plan });
  },
};

/** `5`, or `+1` and `-1` from what there is now. */
export function wantedNodes(typed: string, now: number): number {
  const amount = Number(typed);
  return /^[+-]/.test(typed) ? now + amount : amount;
}

/** Throws for a number of nodes that KQueen's own rule for the pool would not leave so. */
function refuseOutside({ name, scaling }: Cluster, pool: string, nodes: number): void {
  const rule = scaling?.[pool];
  if (!rule || (nodes >= rule.min && nodes <= rule.max)) return;
  throw new Fault('conflict', `KQueen itself scales ${pool}, between ${boundsText(rule)}, and ${nodes} is outside.`, {
    field: 'nodes',
    next: `Change the rule with cluster autoscale ${name}, or turn that off.`,
  });
}

/** Throws for a number of nodes that the pool does not take. */
export function checkBounds({ name, bounds }: NodePool, nodes: number, key: string): void {
  const min = bounds?.min ?? 0;
  const max = bounds?.max ?? Number.POSITIVE_INFINITY;
  if (nodes >= min && nodes <= max) return;
  const range = bounds ? `${min} to ${count(max, 'node')}` : `at least ${min}`;
  throw new Fault('bad-input', `${nodes} is not possible: ${name} takes ${range}.`, { field: key });
}

/** A pool in a line: how many nodes, of which size, scaled by whom. */
export function poolLine(pool: NodePool): string {
  const more = [pool.size, pool.autoscale ? `scaled by the provider, ${boundsText(pool.autoscale)}` : undefined];
  return `*${pool.name}*: ${[count(pool.nodes, 'node'), ...more].filter(Boolean).join(', ')}`;
}

/** The choice of a pool, where there are several. */
export function poolChoice(pools: readonly NodePool[], value: string | undefined): Field[] {
  if (pools.length < 2) return [];
  const choices = pools.map((pool) => ({ value: pool.name, label: pool.name, note: count(pool.nodes, 'node') }));
  return [
    {
      ...{ key: 'pool', label: 'Node pool', kind: 'choice' as const, required: true, choices },
      ...(value === undefined ? {} : { value }),
    },
  ];
}

function scaleForm(
  context: Context,
  on: Changeable,
  pools: readonly NodePool[],
  values: Record<string, string>,
): Promise<Answer> {
  const only = pools.length === 1 ? pools[0] : undefined;
  const nodes = values.nodes ?? (only && String(only.nodes));
  return changeForm(context, on, {
    title: `Scale cluster ${on.cluster.name}`.slice(0, 60),
    command: lineOf(clusterScale, { cluster: on.cluster.name }),
    submit: 'Show the plan',
    intro: pools.map(poolLine).join('\n'),
    fields: [
      ...poolChoice(pools, values.pool),
      {
        ...{ key: 'nodes', label: 'Nodes', kind: 'text', required: true },
        help: only?.bounds
          ? `${only.bounds.min} to ${only.bounds.max}, or +1 and -1.`
          : 'How many there are to be, or +1 and -1.',
        ...(nodes === undefined ? {} : { value: nodes }),
      },
    ],
    private: false,
  });
}
