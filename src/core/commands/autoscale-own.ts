/** Autoscaling by KQueen itself, as a person sets it and asks about it. */

import { ruleDefaults } from '../autoscale.ts';
import { type Button, plainCard, type Row } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import { hasKubeconfig } from '../connect.ts';
import { Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import { hashOf } from '../plan.ts';
import { planScaling, ruleText } from '../plan-scaling.ts';
import type { Cluster, Job, ScalingRule } from '../records.ts';
import { proposalCard } from '../views/plan.ts';
import { stamp } from '../words.ts';
import { askedAlready, begin } from './begin.ts';
import type { Changeable } from './cluster-change.ts';
import { busyFault, newJob, toCaller } from './common.ts';

/** What is asked for; `wanted` null takes the rule away. */
interface OwnWish {
  pool: string;
  wanted: { min: number; max: number } | null;
  values: Record<string, string>;
  line: string;
}

/** Shows the plan of a rule, or, when it is the one that was seen or somebody else decides, asks for the job that sets it. */
export async function ownAutoscale(context: Context, on: Changeable, wish: OwnWish): Promise<Answer> {
  const { found, cluster, engine, open } = on;
  const { pool, wanted, values, line } = wish;
  if (wanted && !hasKubeconfig(cluster, context.engines)) {
    throw new Fault('conflict', `KQueen has no way into ${cluster.name}, so it cannot tell what its pods wait for.`);
  }
  const rule = wanted && ruleOf(context, wanted, values);
  const change: NonNullable<Job['scaling']> = { pool, rule };
  if (cluster.openJob) {
    const same = open?.scaling?.pool === pool && hashOf(amounts(open.scaling.rule)) === hashOf(amounts(rule));
    if (same && open.requestedBy === context.caller.person) {
      return askedAlready(open);
    }
    throw await busyFault(context, cluster);
  }
  const before = cluster.scaling?.[pool] ?? null;
  if (hashOf(amounts(before)) === hashOf(amounts(rule))) {
    const text = rule ? `KQueen keeps ${pool} so already: ${ruleText(rule)}.` : `KQueen does not scale ${pool}.`;
    return toCaller(plainCard('Nothing to change', text));
  }
  const plan = planScaling(cluster, engine, change, context.caller);
  if (!plan.approval.needed && values.plan !== plan.hash) {
    return toCaller(
      proposalCard(plan, { line, button: rule ? 'Set it' : 'Turn it off', moved: values.plan !== undefined }),
    );
  }
  const { id: of, name: clusterName, provisioner, nodes } = cluster;
  const job: Job = {
    ...newJob(context, {
      ...{ id: context.newId(8), kind: 'cluster.autoscale', cluster: of, clusterName, provisioner },
      ...{ engine: cluster.engine, nodes, plan, command: line },
    }),
    scaling: change,
  };
  return begin(context, found, { job, begins: `${plan.title}: it is being set.` });
}

function ruleOf(
  { caller, now, place }: Context,
  wanted: { min: number; max: number },
  { use, idle, wait }: Record<string, string>,
): ScalingRule {
  return {
    ...wanted,
    use: use ? Number(use) / 100 : ruleDefaults.use,
    idleMs: idle ? Number(idle) * 60_000 : ruleDefaults.idleMs,
    waitMs: wait ? Number(wait) * 1_000 : ruleDefaults.waitMs,
    ...{ by: caller.person, byName: caller.name, at: now, place },
  };
}

/** What of a rule is asked for, without who and when. */
function amounts(rule: ScalingRule | null): unknown {
  return rule && [rule.min, rule.max, rule.use, rule.idleMs, rule.waitMs];
}

/** What the rules of a cluster are, and what was decided lately. */
export function scalingCard(context: Context, cluster: Cluster, own: boolean): Answer {
  const rules = Object.entries(cluster.scaling ?? {});
  const of = (more: Record<string, string>) =>
    formatLine('cluster autoscale', ['cluster', 'mode'], { cluster: cluster.name, ...more });
  if (rules.length === 0) {
    const text = own
      ? `KQueen does not scale ${cluster.name}. Say between how many nodes it may: ${of({ min: '1', max: '3' })}.`
      : `KQueen itself does not scale ${cluster.name}.`;
    const set: Button[] = own ? [{ label: 'Set bounds', command: of({}) }] : [];
    return toCaller(plainCard(`Autoscaling of ${cluster.name}`, text, 'plain', set));
  }
  const seen = context.cache.get({ kind: 'autoscale', org: cluster.org, id: cluster.id });
  const rows: Row[] = rules.map(([pool, rule]) => ({
    text: `*${pool}*: ${ruleText(rule)}`,
    note: `Set by ${rule.byName}, ${stamp(rule.at, context.zone)}`,
    buttons: [{ label: 'Turn off', command: of({ mode: 'off', ...(rules.length > 1 ? { pool } : {}) }) }],
  }));
  const said = (seen?.said ?? []).slice(-12).map(({ at, text }) => `${stamp(at, context.zone)} ${text}`);
  const text = seen
    ? `KQueen looked last at ${stamp(seen.at, context.zone)}.`
    : 'KQueen has not looked yet; it does so twice a minute.';
  return toCaller({
    ...plainCard(`Autoscaling of ${cluster.name}`, text),
    parts: [
      { part: 'rows', rows },
      { part: 'text', text },
      ...(said.length > 0 ? [{ part: 'code' as const, text: said.join('\n') }] : []),
    ],
    buttons: [{ label: 'Change', command: of({}) }],
  });
}
