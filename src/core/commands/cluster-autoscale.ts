import { z } from 'zod';
import { type Field, plainCard } from '../card.ts';
import { type Answer, type Command, type Context, lineOf } from '../command.ts';
import { engineAt } from '../engine-at.ts';
import { Fault } from '../errors.ts';
import { boundsText, poolNamed, poolsOf } from '../plan-change.ts';
import type { ClusterUpdate, NodePool } from '../ports/engine.ts';
import { field } from '../schema.ts';
import { ownAutoscale, scalingCard } from './autoscale-own.ts';
import { type Changeable, type ChangeWords, change, changeable, changeForm } from './cluster-change.ts';
import { checkBounds, planField, poolChoice, poolField, poolLine } from './cluster-scale.ts';
import { clusterField, demand, findCluster, toCaller } from './common.ts';

const autoscaling: ChangeWords = {
  ...{ kind: 'cluster.autoscale', capability: 'autoscale', done: 'autoscaled', going: 'changed', button: 'Set it' },
};

const boundField = (label: string, order: number) =>
  field(z.number().int().min(0).max(10_000).optional(), { label, order });

/** Lets the provider, or where it has no autoscaler KQueen itself, scale a pool between two bounds, or no longer. */
export const clusterAutoscale: Command = {
  name: 'cluster autoscale',
  aliases: ['cluster autoscaling'],
  summary: 'Scale by itself between two bounds, or not',
  examples: [
    'cluster autoscale dev-1 min=2 max=6',
    'cluster autoscale dev-1 min=2 max=6 use=40 idle=20',
    'cluster autoscale dev-1 off pool=workers',
    'cluster autoscale dev-1 why',
  ],
  group: 'Nodes',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    mode: field(z.enum(['on', 'off', 'why']).optional(), {
      label: 'On, off or why',
      help: 'With why it shows what was decided lately, and changes nothing.',
      order: 2,
    }),
    min: boundField('At least', 3),
    max: boundField('At most', 4),
    pool: poolField,
    use: field(z.number().int().min(1).max(95).optional(), {
      label: 'Little used below (%)',
      help: 'Where KQueen itself scales: a node may go when less of it is asked for. 50 when left out.',
      order: 6,
    }),
    idle: field(z.number().int().min(1).max(1_440).optional(), {
      label: 'For so many minutes',
      help: 'Where KQueen itself scales: for how long that has to have been so. 10 when left out.',
      order: 7,
    }),
    wait: field(z.number().int().min(10).max(3_600).optional(), {
      label: 'Pods wait at least (seconds)',
      help: 'Where KQueen itself scales: how long a pod has to have found no node. 30 when left out.',
      order: 8,
    }),
    plan: planField,
  }),
  positional: ['cluster', 'mode'],
  async run(context, values) {
    const { record } = await findCluster(context, values.cluster ?? '');
    const can = engineAt(context, record)?.capabilities;
    const own = can !== undefined && !can.autoscale && can.scale;
    if (values.mode === 'why') {
      demand(context, 'cluster:update', [record.owner]);
      return scalingCard(context, record, own);
    }
    // By its own loop KQueen scales what can be scaled at all.
    const words: ChangeWords = own ? { ...autoscaling, capability: 'scale' } : autoscaling;
    const on = await changeable(context, values.cluster ?? '', words);
    const pools = poolsOf(on.cluster, on.engine);
    const off = values.mode === 'off';
    const rules = Object.keys(on.cluster.scaling ?? {});
    const [onlyRule] = rules.length === 1 ? rules : [];
    const named = values.pool ?? (own && off ? onlyRule : undefined);
    const bounded = values.min !== undefined && values.max !== undefined;
    if ((!off && !bounded) || (pools.length > 1 && named === undefined)) {
      return autoscaleForm(context, on, pools, values);
    }
    // A rule for a pool that is gone can still be taken away.
    const pool =
      own && off && named !== undefined && rules.includes(named) ? { name: named, nodes: 0 } : poolNamed(pools, named);
    const wanted = off ? null : { min: Number(values.min), max: Number(values.max) };
    if (wanted) {
      if (wanted.min > wanted.max) {
        throw new Fault('bad-input', `At least ${wanted.min} and at most ${wanted.max} do not go together.`, {
          field: 'max',
        });
      }
      checkBounds(pool, wanted.max, 'max');
      if (own) checkBounds(pool, wanted.min, 'min');
    }
    const several = pools.length > 1 ? { pool: pool.name } : {};
    const bounds = wanted ? { min: String(wanted.min), max: String(wanted.max) } : { mode: 'off' };
    const { use = '', idle = '', wait = '' } = off ? {} : values;
    const more = own ? { use, idle, wait } : {};
    const line = lineOf(clusterAutoscale, { cluster: on.cluster.name, ...bounds, ...several, ...more });
    if (own) return ownAutoscale(context, on, { pool: pool.name, wanted, values, line });
    if (boundsText(pool.autoscale) === boundsText(wanted) && !on.cluster.openJob) {
      return toCaller(plainCard('Nothing to change', `${pool.name} has ${boundsText(wanted)} already.`));
    }
    const update: ClusterUpdate = { ...several, autoscale: wanted };
    return change(context, on, words, { update, line, plan: values.plan });
  },
};

function autoscaleForm(
  context: Context,
  on: Changeable,
  pools: readonly NodePool[],
  values: Record<string, string>,
): Promise<Answer> {
  const only = pools.length === 1 ? pools[0] : undefined;
  const set = only && (only.autoscale ?? on.cluster.scaling?.[only.name]);
  const number = (key: 'min' | 'max', label: string): Field => {
    const value = values[key] ?? (set ? String(set[key]) : undefined);
    return { key, label, kind: 'number', required: true, ...(value === undefined ? {} : { value }) };
  };
  const off = values.mode === 'off';
  return changeForm(context, on, {
    title: `Autoscaling of cluster ${on.cluster.name}`.slice(0, 60),
    command: lineOf(clusterAutoscale, { cluster: on.cluster.name, ...(off ? { mode: 'off' } : {}) }),
    submit: 'Show the plan',
    intro: pools.map(poolLine).join('\n'),
    fields: [
      ...poolChoice(pools, values.pool),
      ...(off ? [] : [number('min', 'At least this many nodes'), number('max', 'At most this many nodes')]),
    ],
    private: false,
  });
}
