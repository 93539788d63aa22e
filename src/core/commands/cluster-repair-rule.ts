/** `cluster repair <cluster> auto on|off`: the rule by which dead nodes are replaced without being asked for. */
import type { Button, Card } from '../card.ts';
import { plainCard } from '../card.ts';
import { type Answer, type Context, lineOf } from '../command.ts';
import { Fault } from '../errors.ts';
import { atLeast } from '../policy.ts';
import type { Change, Stored } from '../ports/store.ts';
import type { Cluster, RepairRule } from '../records.ts';
import { begunLately } from '../repair-rule.ts';
import { formatDuration } from '../units.ts';
import { ago, count } from '../words.ts';
import { demand, findCluster, movedFault, toCaller } from './common.ts';
import { afterOf, retiring } from './node-fields.ts';

/** Most replacements an hour that a rule may allow, and what it allows unless told otherwise. */
const limits = { most: 20, usual: 1 };

const repairLine = { name: 'cluster repair', positional: ['cluster', 'node', 'mode'] };

/** Reads `2`, `2/h`. */
function limitOf(text: string | undefined): number {
  if (text === undefined || text.trim() === '') return limits.usual;
  const found = /^(\d{1,3})\s*(?:\/\s*h(?:our)?)?$/i.exec(text.trim());
  const limit = Number(found?.[1]);
  if (!found || limit < 1 || limit > limits.most) {
    throw new Fault('bad-input', `Write how many nodes an hour may be replaced, 1 to ${limits.most}, such as 2/h.`, {
      field: 'limit',
    });
  }
  return limit;
}

/** Sets, takes away or shows the rule. */
export async function repairRule(context: Context, values: Record<string, string>): Promise<Answer> {
  const found = await findCluster(context, values.cluster ?? '');
  const cluster = found.record;
  const ref = { kind: 'repairrule', org: cluster.org, id: cluster.id } as const;
  const held = await context.store.get(ref);
  const mode = values.mode ?? '';
  if (mode === '') return shown(context, cluster, held?.record);
  demand(context, 'cluster:update', [cluster.owner]);
  if (mode === 'off') return switchedOff(context, cluster, held);
  if (cluster.readOnly) throw new Fault('unsupported', `KQueen only looks at cluster ${cluster.name}.`);
  const { retires, instead } = retiring(context, cluster);
  if (!retires) {
    throw new Fault('unsupported', `Nodes of ${cluster.name} cannot be replaced by a rule. ${instead}`, {
      next: `For one node: cluster repair ${cluster.name} <node> cordons and drains it.`,
    });
  }
  if (cluster.purpose === 'production' && !atLeast(context.caller.role, 'admin')) {
    throw new Fault('not-allowed', 'For a production cluster an admin sets what happens without being asked for.', {
      next: 'Ask an admin to do it.',
    });
  }
  const rule: RepairRule = {
    ...{ v: 1, id: cluster.id, org: cluster.org, limit: limitOf(values.limit), afterMs: afterOf(values) },
    ...{ by: context.caller.person, byName: context.caller.name, at: context.now, place: context.place },
    begun: held?.record.begun ?? [],
  };
  const says = `${ruleText(rule)} It was set by ${rule.byName}.`;
  const change: Change = { op: 'put', ref, record: rule, if: held?.revision ?? 0 };
  await effect(context, cluster, change, says);
  const text = `${ruleText(rule)} What it does is told here, as jobs of KQueen's own.`;
  return toCaller(plainCard(`${cluster.name} repairs itself`, text, 'good', [off(cluster), nodesOf(cluster)]));
}

function ruleText({ limit, afterMs }: RepairRule): string {
  return `Nodes that are out of service for ${formatDuration(afterMs)} are replaced by themselves, ${count(limit, 'node')} an hour at most, never when more than a third of all nodes is out of service.`;
}

async function effect(context: Context, cluster: Cluster, change: Change, says: string): Promise<void> {
  const action = { action: 'cluster.repair.rule', outcome: 'done' as const, subject: cluster.name, says };
  const done = await context.effect([change], action);
  if (done.ok === 'repeat') return;
  if (!done.ok) throw movedFault('The rule');
}

async function switchedOff(
  context: Context,
  cluster: Cluster,
  held: Stored<'repairrule'> | undefined,
): Promise<Answer> {
  const says = `Nodes of ${cluster.name} are no longer replaced by themselves.`;
  if (!held) return toCaller(plainCard('Nothing to change', `${cluster.name} has no repair rule.`));
  const change: Change = { op: 'delete', ref: held.ref, if: held.revision };
  await effect(context, cluster, change, says);
  const running = cluster.openJob ? ' A repair that has begun goes on.' : '';
  return toCaller(plainCard('Repair rule off', `${says}${running}`, 'plain', [nodesOf(cluster)]));
}

function shown(context: Context, cluster: Cluster, rule: RepairRule | undefined): Answer {
  if (!rule) {
    const text = `Nodes of ${cluster.name} are not replaced by themselves. cluster repair ${cluster.name} auto on changes that.`;
    const on: Button = { label: 'Turn it on', command: lineOf(repairLine, { ...named(cluster), mode: 'on' }) };
    return toCaller(plainCard('No repair rule', text, 'plain', [on, nodesOf(cluster)]));
  }
  const last = rule.begun.at(-1);
  const card: Card = {
    ...plainCard(`Repair rule of ${cluster.name}`, ruleText(rule), 'plain', [off(cluster), nodesOf(cluster)]),
  };
  card.parts.push({
    part: 'facts',
    facts: [
      { label: 'Set by', value: `${rule.byName}, ${ago(context.now - rule.at)}` },
      { label: 'In the last hour', value: `${begunLately(rule, context.now)} of ${rule.limit}` },
      ...(last ? [{ label: 'Last repair', value: `job #${last.job}, ${ago(context.now - last.at)}` }] : []),
      ...(rule.said
        ? [{ label: 'Last decision', value: `${rule.said.text} (${ago(context.now - rule.said.at)})` }]
        : []),
    ],
  });
  return toCaller(card);
}

function named(cluster: Cluster): Record<string, string> {
  return { cluster: cluster.name, node: 'auto' };
}

function off(cluster: Cluster): Button {
  return { label: 'Turn it off', command: lineOf(repairLine, { ...named(cluster), mode: 'off' }) };
}

function nodesOf(cluster: Cluster): Button {
  return { label: 'Nodes', command: lineOf({ name: 'node list', positional: ['cluster'] }, { cluster: cluster.name }) };
}
