/** The plan of setting or taking away a rule by which KQueen itself scales a pool. */
import { hashOf } from './plan.ts';
import { boundsText, poolsOf } from './plan-change.ts';
import { approvalFor, type Caller } from './policy.ts';
import type { Engine } from './ports/engine.ts';
import type { Cluster, Job, Plan, ScalingRule } from './records.ts';
import { formatDuration } from './units.ts';

/** "2 to 6 nodes; up after …". */
export function ruleText(rule: ScalingRule): string {
  const waits = `up when a pod has waited for ${formatDuration(rule.waitMs)}`;
  const idles = `down when less than ${Math.round(100 * rule.use)} % of a node is asked for, for ${formatDuration(rule.idleMs)}`;
  return `${boundsText(rule)}; ${waits}, ${idles}`;
}

/** What the rule will do, and who decides: a rule that may make the cluster larger than it is asks like growing it does. */
export function planScaling(
  cluster: Cluster,
  engine: Engine | undefined,
  { pool, rule }: NonNullable<Job['scaling']>,
  caller: Caller,
): Plan {
  const before = cluster.scaling?.[pool];
  const there = engine && poolsOf(cluster, engine).find(({ name }) => name === pool);
  const most = Math.max(before?.max ?? 0, there?.nodes ?? 0);
  const action = rule && rule.max > most ? 'cluster.grow' : 'cluster.change';
  const approval = approvalFor(action, caller, cluster.purpose);
  const retires = engine?.capabilities.retire === true;
  const warnings = [
    ...(rule && !retires
      ? [
          'The provider cannot be told which machine is to go, so KQueen only adds nodes: a node that it emptied might not be the one that is removed.',
        ]
      : []),
    ...(rule && there && there.nodes > rule.max
      ? [`${pool} has ${there.nodes} nodes now, more than ${rule.max}: none is removed for that alone.`]
      : []),
  ];
  const plan: Omit<Plan, 'hash'> = {
    title: `Set autoscaling of cluster ${cluster.name}`,
    facts: [
      { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster of ${cluster.ownerName}` },
      {
        label: `Autoscaling of ${pool}`,
        value: `${before ? ruleText(before) : 'none'} → ${rule ? ruleText(rule) : 'none'}`,
      },
      {
        label: 'Who scales',
        value: rule ? 'KQueen itself, since the provider has no autoscaler here' : 'nobody but people',
      },
    ],
    disturbs: rule
      ? 'Nobody now. From then on KQueen adds nodes for pods that wait, and empties and removes nodes that are little used: what runs there is moved as its PodDisruptionBudgets allow. Each change is told here.'
      : 'Nobody: the nodes that are there stay.',
    cost: null,
    costNote: rule ? `It costs what its nodes cost: at most ${rule.max} of them in ${pool}.` : 'As now.',
    approval,
    ...(warnings.length > 0 ? { warnings } : {}),
    ...(engine?.notice ? { notice: engine.notice } : {}),
  };
  const asked = rule && [rule.min, rule.max, rule.waitMs, rule.use, rule.idleMs];
  const was = before && [before.min, before.max, before.waitMs, before.use, before.idleMs];
  const rests = {
    ...{ action: 'cluster.autoscale', cluster: cluster.id, purpose: cluster.purpose, pool },
    ...{ asked, was: was ?? null, approval: approval.needed, retires },
  };
  return { ...plan, hash: hashOf(rests) };
}
