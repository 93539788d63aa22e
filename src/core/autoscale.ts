/** KQueen's own autoscaling: what a rule makes of what was seen. Pure. */
import type { NodePool } from './ports/engine.ts';
import type { PoolSight, ScalingSight } from './ports/scaling.ts';
import type { Autoscale, Job, ScalingRule } from './records.ts';
import { endedStates } from './records.ts';
import { count } from './words.ts';

/** Its times, in milliseconds, and how far it goes at once. */
export const scalingTimes = {
  /** After nodes were added, until more are. */
  afterUpMs: 3 * 60_000,
  /** After nodes were added or one was removed, until one is removed. */
  beforeDownMs: 10 * 60_000,
  /** After a change that failed, until the next. */
  afterFailureMs: 10 * 60_000,
  /** Without a look for so long, what was seen before proves nothing. */
  blindMs: 5 * 60_000,
  /** The alert that a pool is full is over when nothing more has been needed for so long. */
  fullMs: 10 * 60_000,
  /** Most nodes that are added at once. */
  most: 3,
};

/** What a rule is set to when nothing else is said. */
export const ruleDefaults = { waitMs: 30_000, use: 0.5, idleMs: 10 * 60_000 };

/** What is to be done: one thing at a time. */
export type ScalingAct = {
  pool: string;
  /** Nodes of the pool by the provider, and after it. */
  from: number;
  to: number;
  /** Why, for the plan and the thread. */
  why: string;
  /** The node that goes; absent: nodes are added. */
  node?: string;
};

export interface ScalingLook {
  /** Rules by pool. */
  rules: Readonly<Record<string, ScalingRule>>;
  /** The pools by the provider's last word. */
  pools: readonly NodePool[];
  /** Whether the provider can remove the machine of one chosen node. */
  retires: boolean;
  seen: ScalingSight;
  before: Autoscale;
  /** The last jobs of the rules, while they are kept. */
  upJob?: Job | undefined;
  downJob?: Job | undefined;
  now: number;
}

export interface ScalingVerdict {
  /** What is remembered; the act's job is added by who makes it. */
  after: Autoscale;
  act: ScalingAct | null;
  /** Told once: the pool is full, and more is needed. */
  alert?: { pool: string; title: string; text: string };
}

/** A cluster with rules of which nothing has been seen yet. */
export function newAutoscale(org: string, cluster: string, now: number): Autoscale {
  return { v: 1, id: cluster, org, at: now, pools: {}, said: [] };
}

/** What is done, and what is said. */
export function decideScaling(look: ScalingLook): ScalingVerdict {
  const { rules, pools, seen, before, now } = look;
  const trusted = now - before.at <= scalingTimes.blindMs;
  const verdict: ScalingVerdict = { after: { ...before, at: now, pools: {} }, act: null };
  const said: string[] = [];
  const down: { sight: PoolSight; pool: NodePool; rule: ScalingRule; idle: Record<string, number> }[] = [];
  const rest = resting(look);
  for (const name of Object.keys(rules).sort()) {
    const rule = rules[name];
    const pool = pools.find((each) => each.name === name);
    const sight = seen.pools.find((each) => each.pool === name);
    const known = before.pools[name];
    if (!rule || !pool || !sight) {
      said.push(`There is no node pool ${name} any more, so its rule does nothing.`);
      continue;
    }
    const idle: Record<string, number> = {};
    for (const { node } of sight.idle) idle[node] = (trusted ? known?.idle[node] : undefined) ?? now;
    const full = known?.full && now - known.full.seen < scalingTimes.fullMs ? known.full : undefined;
    verdict.after.pools[name] = { idle, ...(full ? { full } : {}) };
    if (pool.autoscale) {
      said.push(`The provider scales ${name} itself now, so KQueen leaves it alone.`);
      continue;
    }
    if (verdict.act === null) {
      const grown = grow({ name, rule, pool, sight, rest, verdict, now });
      if (grown) said.push(grown);
    }
    if (sight.unknown) said.push(sight.unknown);
    else down.push({ sight, pool, rule, idle });
  }
  const waits = seen.pools.some(({ waiting }) => waiting.pods > 0);
  if (verdict.act === null && !waits)
    for (const each of down) if (verdict.act === null) said.push(...shrink(look, each, rest, verdict));
  if (seen.helpless.pods > 0) said.push(helpless(seen));
  verdict.after.said = remembered(before.said, said, now);
  return verdict;
}

/** What the rules wait for after their last changes: until when, and why. */
interface Rest {
  up: { until: number; why: string };
  down: { until: number; why: string };
}

function resting({ upJob, downJob, before, now }: ScalingLook): Rest {
  const endOf = (job: Job | undefined, at: number | undefined): number | undefined => (job ? (job.endedAt ?? now) : at);
  const lastUp = endOf(upJob, before.up?.at);
  const lastDown = endOf(downJob, before.down?.at);
  const failed = [upJob, downJob].flatMap((job) => (job && isFailed(job) ? [job.endedAt ?? now] : []));
  const fault = failed.length === 0 ? 0 : Math.max(...failed) + scalingTimes.afterFailureMs;
  const up = lastUp === undefined ? 0 : lastUp + scalingTimes.afterUpMs;
  const changed = Math.max(lastUp ?? -Infinity, lastDown ?? -Infinity);
  const down = Number.isFinite(changed) ? changed + scalingTimes.beforeDownMs : 0;
  const why = 'its last change failed';
  return {
    up: fault > up ? { until: fault, why } : { until: up, why: 'nodes were added lately' },
    down: fault > down ? { until: fault, why } : { until: down, why: 'the cluster was scaled lately' },
  };
}

function isFailed({ state }: Job): boolean {
  return endedStates.includes(state) && state !== 'Succeeded';
}

interface Growing {
  name: string;
  rule: ScalingRule;
  pool: NodePool;
  sight: PoolSight;
  rest: Rest;
  verdict: ScalingVerdict;
  now: number;
}

/** Sets the act where nodes are to be added; what is said of it otherwise. */
function grow({ name, rule, pool, sight, rest, verdict, now }: Growing): string | null {
  const { nodes } = pool;
  const kept = verdict.after.pools[name];
  if (nodes < rule.min) {
    if (now < rest.up.until) return waitsFor(name, 'fewer nodes than declared are there', rest.up, now);
    const why = `${name} has ${count(nodes, 'node')}, fewer than the ${rule.min} declared.`;
    verdict.act = { pool: name, from: nodes, to: Math.min(rule.min, nodes + scalingTimes.most), why };
    return why;
  }
  const { waiting } = sight;
  if (waiting.needs === 0) return null;
  const who = `${count(waiting.pods, 'pod')} ${waiting.pods === 1 ? 'waits' : 'wait'} for a node of ${name} since ${clockText(waiting.since)} (${some(waiting.some, waiting.pods)})`;
  const coming = Math.max(0, nodes - sight.nodes.length);
  const needs = waiting.needs - coming;
  if (needs <= 0) return `${who}; ${count(coming, 'node')} ${coming === 1 ? 'is' : 'are'} on the way.`;
  const to = Math.min(rule.max, nodes + Math.min(needs, scalingTimes.most));
  if (to <= nodes) {
    const title = `${name} has as many nodes as it may have`;
    const text = `${who}, and ${name} has ${count(nodes, 'node')}, of ${rule.max} that it may have.`;
    if (kept) {
      if (!kept.full) verdict.alert = { pool: name, title, text };
      kept.full = { since: kept.full?.since ?? now, seen: now };
    }
    return text;
  }
  if (now < rest.up.until) return waitsFor(name, who, rest.up, now);
  const why = `${who}; ${count(to - nodes, 'more node')} would hold ${to - nodes < needs ? 'some of them' : 'them'}.`;
  verdict.act = { pool: name, from: nodes, to, why };
  return why;
}

/** Sets the act where a node is to go; what is said of it otherwise. */
function shrink(
  { retires, now }: ScalingLook,
  { sight, pool, rule, idle }: { sight: PoolSight; pool: NodePool; rule: ScalingRule; idle: Record<string, number> },
  rest: Rest,
  verdict: ScalingVerdict,
): string[] {
  const { name, nodes } = pool;
  const kept = sight.kept.slice(0, 3).map(({ node, why }) => `${node} is little used and stays: it ${why}.`);
  const [least] = sight.idle;
  if (!least || nodes <= rule.min) return kept;
  if (!retires) {
    const text = `${least.node} is little used, but the provider cannot be told which machine is to go, so KQueen only adds nodes to ${name}.`;
    return [text];
  }
  // Nodes that are still coming, or that are gone in the cluster alone: which is which is not known.
  if (sight.nodes.length !== nodes) return kept;
  const due = sight.idle.filter(({ node }) => now - (idle[node] ?? now) >= rule.idleMs);
  const [first] = due;
  if (!first) return kept;
  const use = `${first.node} is little used (${Math.round(100 * first.use)} %) since ${clockText(idle[first.node] ?? now)}`;
  if (now < rest.down.until) return [...kept, waitsFor(name, use, rest.down, now)];
  const where =
    first.pods === 0 ? 'nothing on it has to move' : `${count(first.pods, 'pod')} on it would find room on the others`;
  const why = `${use}, and ${where}.`;
  verdict.act = { pool: name, from: nodes, to: nodes - 1, why, node: first.node };
  return [why];
}

function waitsFor(name: string, what: string, { until, why }: Rest['up'], now: number): string {
  return `${what}; KQueen waits until ${clockText(Math.max(until, now))} with ${name}, because ${why}.`;
}

function helpless({ helpless: { pods, some: named } }: ScalingSight): string {
  const [first] = named;
  const more = pods > 1 ? ` And ${pods - 1} more.` : '';
  return `No new node would help ${first?.pod ?? 'a pod'} that waits: ${first?.why ?? 'its reason is not known'}.${more}`;
}

function some(names: readonly string[], all: number): string {
  const shown = names.slice(0, 3).join(', ');
  return all > 3 ? `${shown} and ${all - 3} more` : shown;
}

/** `14:05 UTC`. */
function clockText(at: number): string {
  return `${new Date(at).toISOString().slice(11, 16)} UTC`;
}

/** What was said, with what is new: the same is not said again while it was among the last. */
function remembered(before: Autoscale['said'], said: readonly string[], now: number): Autoscale['said'] {
  const last = new Set(before.slice(-8).map(({ text }) => text));
  const fresh = said.filter((text) => !last.has(text)).map((text) => ({ at: now, text: text.slice(0, 600) }));
  return [...before, ...fresh].slice(-30);
}
