import { z } from 'zod';
import type { Button, Card, Row } from '../card.ts';
import { type Command, lineOf } from '../command.ts';
import { engineAt } from '../engine-at.ts';
import { formatLine } from '../line.ts';
import { gatewaysOf, poolsOf } from '../plan-change.ts';
import { atLeast } from '../policy.ts';
import { type Engine, gatewayMark, type NodePool } from '../ports/engine.ts';
import type { Cluster } from '../records.ts';
import { count } from '../words.ts';
import { clusterGateways } from './cluster-gateways.ts';
import { clusterScale, poolLine } from './cluster-scale.ts';
import { clusterField, seeCluster, toCaller } from './common.ts';

/** The node pools of a cluster, each with one node more or fewer at a click. */
export const clusterPools: Command = {
  name: 'cluster pools',
  aliases: ['cluster nodepools'],
  summary: 'The node pools of a cluster, each to be scaled',
  examples: ['cluster pools dev-1'],
  group: 'Nodes',
  policy: 'cluster:get',
  changes: false,
  args: z.object({ cluster: clusterField }),
  positional: ['cluster'],
  async run(context, values) {
    const cluster = await seeCluster(context, values.cluster ?? '');
    const { caller } = context;
    const may = cluster.owner === caller.person || atLeast(caller.role, 'admin');
    return toCaller(poolsCard(cluster, engineAt(context, cluster), may));
  },
};

function poolsCard(cluster: Cluster, engine: Engine | undefined, may: boolean): Card {
  const pools = engine ? poolsOf(cluster, engine) : [];
  const free = may && engine !== undefined && !cluster.readOnly && !cluster.openJob && cluster.phase === 'Ready';
  const rows: Row[] = pools.map((pool) => ({
    text: poolLine(pool),
    ...(free && engine.capabilities.scale ? { buttons: stepsOf(cluster, pool, pools.length > 1) } : {}),
  }));
  const text = `Cluster ${cluster.name} has ${count(pools.length, 'node pool')}.`;
  const gateways = free && engine.capabilities.gateways && gatewaysOf(cluster, engine) === 0;
  const add: Button = {
    label: 'Add a gateway',
    command: lineOf(clusterGateways, { cluster: cluster.name, nodes: '+1' }),
  };
  return {
    ...{ title: `Node pools of ${cluster.name}`, tone: 'plain', text },
    parts: rows.length > 0 ? [{ part: 'rows', rows }] : [{ part: 'text', text }],
    buttons: [
      ...(gateways ? [add] : []),
      { label: 'Show', command: formatLine('cluster show', ['cluster'], { cluster: cluster.name }) },
    ],
  };
}

/** One fewer and one more, as far as the pool's bounds go; nothing where the provider scales by itself. */
function stepsOf(cluster: Cluster, pool: NodePool, several: boolean): Button[] {
  if (pool.autoscale) return [];
  const { min = 0, max = Number.POSITIVE_INFINITY } = pool.bounds ?? {};
  const of = (nodes: string) =>
    pool.name === gatewayMark.value
      ? lineOf(clusterGateways, { cluster: cluster.name, nodes })
      : lineOf(clusterScale, { cluster: cluster.name, nodes, ...(several ? { pool: pool.name } : {}) });
  return [
    ...(pool.nodes > min ? [{ label: '−1', command: of('-1') }] : []),
    ...(pool.nodes < max ? [{ label: '+1', command: of('+1') }] : []),
  ];
}
