/** The plan of a change of a running cluster: what is before and after it, whom it disturbs, what it costs, who decides. */
import { Fault } from './errors.ts';
import { costOf, hashOf } from './plan.ts';
import { type ApprovedAction, approvalFor, type Caller } from './policy.ts';
import {
  type ClusterUpdate,
  type Engine,
  gatewayMark,
  type NodePool,
  type Options,
  type Preview,
} from './ports/engine.ts';
import type { Cluster, Job, JobKindName, Plan } from './records.ts';
import { count } from './words.ts';

/** Kinds of jobs that carry an update. */
export const changeKinds = [
  'cluster.scale',
  'cluster.autoscale',
  'cluster.upgrade',
  'cluster.stop',
  'cluster.start',
  'cluster.netpol',
  'cluster.gateways',
] as const satisfies JobKindName[];
export type ChangeKind = (typeof changeKinds)[number];

/** Whether a kind of job changes a cluster that stays. */
export function isChange(kind: JobKindName): kind is ChangeKind {
  return (changeKinds as readonly string[]).includes(kind);
}

export interface ChangeInput {
  kind: ChangeKind;
  cluster: Cluster;
  engine: Engine;
  update: ClusterUpdate;
  /** Null when the provider did not answer in time. */
  options: Options | null;
  /** What is worth knowing of the new version. */
  note?: string;
  /** What the provider's own dry run says, where it has one. */
  preview?: Preview | null;
  /** What a look into the cluster before the change found. */
  checks?: Checks | null;
}

/** A look into a cluster before it is changed: the whole of it in a sentence or two, and what is worth knowing, worst first. */
export interface Checks {
  summary: string;
  warnings: string[];
}

/** The pools of a cluster: those that its parameters ask for, with what the provider last showed of them. */
export function poolsOf(cluster: Cluster, engine: Engine): NodePool[] {
  const asked = engine.pools(cluster.spec);
  const seen = cluster.pools ?? [];
  const known = asked.map((pool) => {
    const there = seen.find(({ name }) => name === pool.name);
    return there ? merged(pool, there) : pool;
  });
  const others = seen.filter(({ name }) => !asked.some((pool) => pool.name === name));
  return [...known, ...others.map((pool) => merged({ name: pool.name, nodes: pool.nodes }, pool))];
}

function merged(pool: NodePool, there: NonNullable<Cluster['pools']>[number]): NodePool {
  const { nodes, size, version, bounds, autoscale } = there;
  const { autoscale: _asked, ...rest } = pool;
  return {
    ...rest,
    nodes,
    ...(size === undefined ? {} : { size }),
    ...(version === undefined ? {} : { version }),
    ...(bounds === undefined ? {} : { bounds }),
    // The provider's word on its autoscaler is later than what was asked for.
    ...(autoscale === undefined ? {} : { autoscale }),
  };
}

/** The pool that a change is about. Throws when there is none of that name. */
export function poolNamed(pools: readonly NodePool[], name: string | undefined): NodePool {
  const found = name === undefined ? pools[0] : pools.find((pool) => pool.name === name);
  if (found) return found;
  throw new Fault('bad-input', name ? `There is no node pool ${name}.` : 'It has no node pool that can be changed.', {
    field: 'pool',
    ...(pools.length > 0 ? { next: `There are: ${pools.map((pool) => pool.name).join(', ')}.` } : {}),
  });
}

/** "2 to 6 nodes", or "no autoscaling". */
export function boundsText(autoscale: NodePool['autoscale'] | null): string {
  return autoscale ? `${autoscale.min} to ${count(autoscale.max, 'node')}` : 'no autoscaling';
}

/** Hash of the parameters that a change starts from. */
export function baseOf(cluster: Cluster): string {
  return hashOf(cluster.spec);
}

/** The plan of a change. Throws `bad-input` with the field for a value that cannot be. */
export function planChange(input: ChangeInput, caller: Caller): Plan {
  const { kind, cluster, engine, update } = input;
  const after = engine.after(cluster.spec, update);
  const pool = update.nodes === undefined && update.autoscale === undefined ? undefined : poolFor(input);
  const approval = approvalFor(actionOf(input, pool), caller, cluster.purpose);
  const facts = [
    { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster of ${cluster.ownerName}` },
    { label: 'Where', value: `${cluster.provisionerName} (${engine.title})` },
    ...changeFacts(input, pool),
  ];
  const [was, is] = [cluster.summary, engine.describe(after)];
  if (was !== is) facts.push({ label: 'After it', value: is });
  if (input.checks) facts.push({ label: 'Pre-checks', value: input.checks.summary });
  const touched = input.preview ? previewText(input.preview) : '';
  if (touched !== '') facts.push({ label: 'At the provider', value: touched });
  const plan: Omit<Plan, 'hash'> = {
    title: titleOf(kind, cluster.name),
    facts,
    disturbs: disturbance(input, pool),
    ...costs(input, after),
    approval,
  };
  if (engine.notice) plan.notice = engine.notice;
  const replaced = input.preview?.replaced ?? [];
  const warnings = [
    ...(replaced.length > 0
      ? [`The provider would remove ${replaced.slice(0, 10).join(', ')} and make it anew; what is on it is lost.`]
      : []),
    ...(input.checks?.warnings ?? []),
  ];
  if (warnings.length > 0) plan.warnings = warnings;
  const rests = {
    action: kind,
    cluster: cluster.id,
    purpose: cluster.purpose,
    spec: cluster.spec,
    update,
    stopped: cluster.stopped ?? false,
    cost: plan.cost?.perHour ?? null,
    approval: approval.needed,
  };
  return { ...plan, hash: hashOf(rests) };
}

/** "adds worker-4; changes workers". */
function previewText({ added, updated, replaced, removed }: Preview): string {
  const some = (what: string, names: string[]) =>
    names.length === 0
      ? []
      : [`${what} ${names.slice(0, 6).join(', ')}${names.length > 6 ? ` and ${names.length - 6} more` : ''}`];
  return [
    ...some('replaces', replaced),
    ...some('removes', removed),
    ...some('changes', updated),
    ...some('adds', added),
  ].join('; ');
}

function poolFor({ cluster, engine, update }: ChangeInput): NodePool {
  return poolNamed(poolsOf(cluster, engine), update.pool);
}

/** "Scale cluster", before the name of the cluster. */
export const changeTitles: Record<ChangeKind, string> = {
  'cluster.scale': 'Scale cluster',
  'cluster.autoscale': 'Set autoscaling of cluster',
  'cluster.upgrade': 'Upgrade cluster',
  'cluster.stop': 'Stop cluster',
  'cluster.start': 'Start cluster',
  'cluster.netpol': 'Change network policies of cluster',
  'cluster.gateways': 'Set the gateways of cluster',
};

function titleOf(kind: ChangeKind, name: string): string {
  return `${changeTitles[kind]} ${name}`;
}

/** The gateway nodes that there are. */
export function gatewaysOf(cluster: Cluster, engine: Engine): number {
  return poolsOf(cluster, engine).find(({ name }) => name === gatewayMark.value)?.nodes ?? 0;
}

function actionOf({ cluster, engine, update }: ChangeInput, pool: NodePool | undefined): ApprovedAction {
  if (update.gateways !== undefined && update.gateways > gatewaysOf(cluster, engine)) return 'cluster.grow';
  const most = pool?.autoscale?.max ?? pool?.nodes ?? 0;
  if (update.nodes !== undefined && update.nodes > (pool?.nodes ?? 0)) return 'cluster.grow';
  if (update.autoscale && update.autoscale.max > most) return 'cluster.grow';
  return 'cluster.change';
}

function changeFacts(input: ChangeInput, pool: NodePool | undefined): Plan['facts'] {
  const { cluster, engine, update, note } = input;
  if (update.gateways !== undefined) {
    return [{ label: 'Gateway nodes', value: `${gatewaysOf(cluster, engine)} → ${update.gateways}` }];
  }
  if (update.networkPolicy !== undefined) {
    const words = update.networkPolicy ? 'not enforced → enforced' : 'enforced → not enforced';
    return [{ label: 'Network policies', value: words }];
  }
  if (update.nodes !== undefined && pool) {
    return [{ label: `Nodes of ${pool.name}`, value: `${pool.nodes} → ${update.nodes}` }];
  }
  if (update.autoscale !== undefined && pool) {
    return [
      {
        label: `Autoscaling of ${pool.name}`,
        value: `${boundsText(pool.autoscale)} → ${boundsText(update.autoscale)}`,
      },
    ];
  }
  if (update.version !== undefined) {
    return [
      { label: 'Kubernetes', value: `${cluster.version ?? String(cluster.spec.version ?? '?')} → ${update.version}` },
      ...(note ? [{ label: 'Support', value: note }] : []),
    ];
  }
  return [{ label: 'State', value: update.power === 'off' ? 'running → stopped' : 'stopped → running' }];
}

function disturbance({ cluster, engine, update }: ChangeInput, pool: NodePool | undefined): string {
  if (update.gateways !== undefined) {
    return update.gateways > gatewaysOf(cluster, engine)
      ? 'Nobody: nodes are added, and what lets traffic in may go there.'
      : 'Whoever comes in through the gateway nodes that go: their connections end, and what ran there needs another place.';
  }
  if (update.networkPolicy !== undefined) {
    return update.networkPolicy
      ? 'Everybody, where NetworkPolicy objects exist already: what they do not allow is kept out from then on. Some providers replace all nodes for it.'
      : 'Nobody is kept out any more: every pod may talk to every other. Some providers replace all nodes for it.';
  }
  if (update.nodes !== undefined) {
    return update.nodes > (pool?.nodes ?? 0)
      ? 'Nobody: nodes are added.'
      : 'What runs on the nodes that go: it is moved to the others, as far as there is room.';
  }
  if (update.autoscale !== undefined) {
    return update.autoscale
      ? 'Nobody now; from then on the provider adds and removes nodes by itself between the two.'
      : 'Nobody: the nodes that are there stay.';
  }
  if (update.version !== undefined) {
    return 'Everybody who uses it, for a while: its API pauses, and every node is replaced, so that what runs in one copy only is interrupted. It cannot be taken back.';
  }
  return update.power === 'off'
    ? 'Everybody who uses it: nothing in it runs until it is started again.'
    : 'Nobody: it comes back as it was.';
}

function costs(input: ChangeInput, after: Record<string, unknown>): Pick<Plan, 'cost' | 'costBefore' | 'costNote'> {
  const { cluster, engine, update, options } = input;
  if (update.power === 'off') {
    return {
      cost: null,
      costNote: 'Its nodes cost nothing while it is stopped; disks, addresses and the control plane may go on costing.',
    };
  }
  if (update.networkPolicy !== undefined) {
    return { cost: null, costNote: 'As many nodes as before; the price list says nothing of what else it may cost.' };
  }
  if (!options) return { cost: null, costNote: 'Unknown: the provider did not tell its prices in time.' };
  const most = update.autoscale ? atMost(input) : after;
  const cost = most && costOf(engine.price(most, options.prices));
  if (!cost) return { cost: null, costNote: 'Unknown: the provider lists no price for this.' };
  if (update.power === 'on') return { cost, costNote: 'It costs this again from when it is started.' };
  const before = costOf(engine.price(cluster.spec, options.prices));
  return {
    cost,
    ...(before
      ? { costBefore: { perHour: before.perHour, perMonth: before.perMonth, currency: before.currency } }
      : {}),
    ...(update.autoscale ? { costNote: 'That is with as many nodes as it may have.' } : {}),
  };
}

/** The parameters with as many nodes as the autoscaler may make; null when the engine does not take so many at once. */
function atMost({ cluster, engine, update }: ChangeInput): Record<string, unknown> | null {
  const nodes = update.autoscale?.max ?? 0;
  try {
    return engine.after(cluster.spec, { ...(update.pool ? { pool: update.pool } : {}), nodes, autoscale: null });
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.kind === 'bad-input') return null;
    throw thrown;
  }
}

/** The update of a job as the engine contract has it, without what is absent. */
export function updateOf(update: NonNullable<Job['update']>): ClusterUpdate {
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined));
}
