import { z } from 'zod';
import { type Card, plainCard } from '../card.ts';
import type { Command } from '../command.ts';
import { Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import { poolsOf } from '../plan-change.ts';
import type { Observation } from '../ports/engine.ts';
import { field } from '../schema.ts';
import { type Changeable, type ChangeWords, change, changeable } from './cluster-change.ts';
import { seenNow } from './cluster-seen.ts';
import { clusterField, toCaller } from './common.ts';

const switching: ChangeWords = {
  ...{ kind: 'cluster.netpol', capability: 'networkPolicy', done: 'changed in that', going: 'changed' },
  button: 'Change it',
};

/** Fewest nodes with which network policies are turned on: their agents need room, and a cluster of one node none to move to. */
const leastNodes = 2;

/** Turns the enforcement of network policies on or off. */
export const clusterNetpol: Command = {
  name: 'cluster netpol',
  aliases: ['cluster networkpolicy', 'cluster network-policy'],
  summary: 'Enforce network policies, or not',
  examples: ['cluster netpol dev-1', 'cluster netpol dev-1 on', 'cluster netpol dev-1 off'],
  group: 'Network and images',
  policy: 'cluster:update',
  changes: true,
  args: z.object({
    cluster: clusterField,
    mode: field(z.enum(['on', 'off']).optional(), { label: 'On or off', order: 2 }),
    plan: field(z.string().optional(), { label: 'Plan', order: 99 }),
  }),
  positional: ['cluster', 'mode'],
  async run(context, values) {
    const on = await changeable(context, values.cluster ?? '', switching);
    const seen = on.cluster.openJob ? null : await seenNow(context, on.cluster);
    if (values.mode === undefined) return toCaller(stateCard(on, seen));
    const wanted = values.mode === 'on';
    if (seen?.networkPolicy === wanted) {
      const text = `Cluster ${on.cluster.name} ${wanted ? 'enforces' : 'does not enforce'} network policies already.`;
      return toCaller(plainCard('Nothing to change', text));
    }
    if (seen?.networkPolicyFixed) throw new Fault('unsupported', seen.networkPolicyFixed);
    if (wanted) demandNodes(on);
    const line = netpolLine(on.cluster.name, wanted);
    return change(context, on, switching, { update: { networkPolicy: wanted }, line, plan: values.plan });
  },
};

/** The canonical line; the word is named, since alone `on` means where something is. */
export function netpolLine(cluster: string, on: boolean): string {
  return formatLine('cluster netpol', ['cluster'], { cluster, mode: on ? 'on' : 'off' });
}

function demandNodes({ cluster, engine }: Changeable): void {
  const pools = poolsOf(cluster, engine);
  const nodes = pools.reduce((sum, pool) => sum + Math.max(pool.nodes, pool.autoscale?.min ?? 0), 0);
  // Where the provider alone decides on nodes, there are as many as are needed.
  if (pools.length === 0 || nodes >= leastNodes) return;
  throw new Fault(
    'bad-input',
    `Network policies need at least ${leastNodes} nodes, and cluster ${cluster.name} has ${nodes}.`,
    { field: 'mode', next: `Add a node first: cluster scale ${cluster.name} +1.` },
  );
}

function stateCard({ cluster }: Changeable, seen: Observation | null): Card {
  const enforced = seen?.networkPolicy;
  const says =
    enforced === undefined
      ? 'Its provider does not tell whether it enforces network policies.'
      : enforced
        ? 'It enforces network policies: what NetworkPolicy objects do not allow is kept out.'
        : 'It does not enforce network policies: NetworkPolicy objects are kept and have no effect.';
  const free = !seen?.networkPolicyFixed;
  const card = plainCard(
    `Network policies of ${cluster.name}`,
    [says, seen?.networkPolicyFixed].filter(Boolean).join(' '),
  );
  return {
    ...card,
    buttons: [
      ...(free && enforced !== true ? [{ label: 'Turn on', command: netpolLine(cluster.name, true) }] : []),
      ...(free && enforced !== false ? [{ label: 'Turn off', command: netpolLine(cluster.name, false) }] : []),
    ],
  };
}
