/** Autoscaling by KQueen itself, as a person sets it and asks about it. */
import { ruleDefaults } from '../autoscale.ts';
import { type Button, plainCard, type Row } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import { hasKubeconfig } from '../connect.ts';
import { Fault } from '../errors.ts';
import { formatLine } from '../line.ts';
import { hashOf } from '../plan.ts';
import { planScaling, ruleText } from '../plan-scaling.ts';
import type { Change } from '../ports/store.ts';
import type { Cluster, Job, ScalingRule } from '../records.ts';
import { proposalCard } from '../views/plan.ts';
import { jobName, stamp } from '../words.ts';
import type { Changeable } from './cluster-change.ts';
import { busyFault, movedFault, newJob, repeatAnswer, toCaller, withApproval } from './common.ts';

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
      return repeatAnswer({ effect: `You have asked for this already; it is job ${jobName(open)}.`, job: open.id });
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
  const id = context.newId(8);
  const { org, name } = cluster;
  let job: Job = {
    ...newJob(context, {
      ...{ id, kind: 'cluster.autoscale', cluster: cluster.id, clusterName: name, provisioner: cluster.provisioner },
      ...{ engine: cluster.engine, nodes: cluster.nodes, plan, command: line },
    }),
    scaling: change,
  };
  const changes: Change[] = [];
  if (plan.approval.needed) {
    const waiting = withApproval(context, job);
    job = waiting.job;
    changes.push(waiting.change);
  }
  changes.push(
    { op: 'put', ref: { kind: 'job', org, id }, record: job, if: 0 },
    { op: 'put', ref: found.ref, record: { ...cluster, openJob: id }, if: found.revision },
  );
  const says = plan.approval.needed
    ? `${plan.title} is asked for; an ${plan.approval.role} decides.`
    : `${plan.title}: it is being set.`;
  const effect = { action: 'cluster.autoscale', outcome: 'requested' as const, subject: name, says, job: id };
  const done = await context.effect(changes, effect);
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) throw movedFault(`Cluster ${name}`);
  context.tick(job);
  const card = plainCard(plan.title, `${says} Its message here shows how it goes.`, 'busy');
  return { ...toCaller({ ...card, footer: `Job ${jobName(job)}` }), receipt: true };
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
