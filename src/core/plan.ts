/** Plans: what a change will do, shown before it is done, bound to a hash of what it rests on. */
import { createHash } from 'node:crypto';
import { approvalFor, type Caller } from './policy.ts';
import type { Engine, Options, Price } from './ports/engine.ts';
import type { Cluster, Health, Plan, Provisioner } from './records.ts';
import { formatMoney, hoursPerMonth } from './units.ts';
import { count } from './words.ts';

/** A short hash of any plain value; keys are sorted, so that equal values give equal hashes. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 12);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return `{${entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`)
      .join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** "$0.20 an hour, about $146 a month", with what it was before a change, or what is said instead. */
export function costText({ cost, costBefore, costNote }: Pick<Plan, 'cost' | 'costBefore' | 'costNote'>): string {
  if (!cost) return costNote ?? 'Unknown.';
  const { perHour, perMonth, currency } = cost;
  const now = `${formatMoney(perHour, currency)} an hour, about ${formatMoney(perMonth, currency)} a month`;
  const said = costNote ? `${now}. ${costNote}` : now;
  if (!costBefore) return said;
  if (costBefore.currency === currency && costBefore.perHour === perHour) return `${said}, as before`;
  return `${formatMoney(costBefore.perHour, costBefore.currency)} → ${formatMoney(perHour, currency)} an hour, about ${formatMoney(costBefore.perMonth, costBefore.currency)} → ${formatMoney(perMonth, currency)} a month${costNote ? `. ${costNote}` : ''}`;
}

export function costOf(price: Price | null): Plan['cost'] {
  if (!price) return null;
  return {
    perHour: price.perHour,
    perMonth: Math.round(price.perHour * hoursPerMonth * 100) / 100,
    currency: price.currency,
    excludes: price.excludes,
  };
}

export interface CreateInput {
  name: string;
  provisioner: Provisioner;
  engine: Engine;
  spec: Record<string, unknown>;
  purpose: string;
  owner: { person: string; name: string };
  labels: Record<string, string>;
  /** Null when the provider did not answer in time. */
  options: Options | null;
}

/** The plan of a creation. The price is part of the hash: an approver agrees to what they saw. */
export function planCreate(input: CreateInput, caller: Caller): Plan {
  const { engine, provisioner, spec } = input;
  const price = input.options ? engine.price(spec, input.options.prices) : null;
  const cost = costOf(price);
  const approval = approvalFor('cluster.create', caller, input.purpose);
  const facts = [
    { label: 'Cluster', value: `${input.name}, a ${input.purpose} cluster` },
    { label: 'Where', value: `${provisioner.name} (${engine.title})` },
    { label: 'What', value: engine.describe(spec) },
    { label: 'Owner', value: input.owner.name },
  ];
  const labels = Object.entries(input.labels).map(([key, value]) => `${key}=${value}`);
  if (labels.length > 0) facts.push({ label: 'Labels', value: labels.join(', ') });
  const plan: Omit<Plan, 'hash'> = {
    title: `Create cluster ${input.name}`,
    facts,
    disturbs: 'Nobody: it is new.',
    cost,
    approval,
  };
  if (!cost)
    plan.costNote = input.options
      ? 'Unknown: the provider lists no price for this.'
      : 'Unknown: the provider did not tell its prices in time.';
  if (engine.notice) plan.notice = engine.notice;
  const rests = {
    action: 'cluster.create',
    name: input.name,
    provisioner: provisioner.id,
    params: provisioner.paramsVersion,
    spec,
    purpose: input.purpose,
    owner: input.owner.person,
    labels: input.labels,
    cost: cost?.perHour ?? null,
    approval: approval.needed,
  };
  return { ...plan, hash: hashOf(rests) };
}

/** The plan of a deletion: what dies. */
export function planDelete(
  cluster: Cluster,
  engine: Engine | undefined,
  health: DyingCounts | undefined,
  caller: Caller,
): Plan {
  const approval = approvalFor('cluster.delete', caller, cluster.purpose);
  const facts = [
    { label: 'Cluster', value: `${cluster.name}, a ${cluster.purpose} cluster of ${cluster.ownerName}` },
    {
      label: 'Where',
      value: `${cluster.provisionerName} (${engine?.title ?? cluster.engine}), there named ${cluster.externalName}`,
    },
    { label: 'What', value: cluster.summary },
  ];
  if (health) {
    facts.push({
      label: 'What dies',
      value: `${count(health.nodes, 'node')}, ${count(health.deployments, 'deployment')}, ${count(health.pods, 'pod')}, and everything stored in it`,
    });
  } else {
    facts.push({ label: 'What dies', value: 'Everything in it. KQueen has not seen what that is.' });
  }
  const plan: Omit<Plan, 'hash'> = {
    title: `Delete cluster ${cluster.name}`,
    facts,
    disturbs: 'Everybody who uses it. It cannot be undone.',
    cost: null,
    costNote: 'It ends with the cluster.',
    approval,
  };
  if (engine?.notice) plan.notice = engine.notice;
  return {
    ...plan,
    hash: hashOf({
      action: 'cluster.delete',
      cluster: cluster.id,
      phase: cluster.phase,
      purpose: cluster.purpose,
      approval: approval.needed,
    }),
  };
}

export interface DyingCounts {
  nodes: number;
  deployments: number;
  pods: number;
}

/** The counts of a health record that a deletion's plan shows. */
export function dyingOf(health: Health): DyingCounts {
  return { nodes: health.nodes, deployments: health.deployments.total, pods: health.pods.total };
}
