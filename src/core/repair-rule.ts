/** What the rule that replaces dead nodes makes of what is seen: how many now, or why none. Pure. */
import type { Job, RepairRule } from './records.ts';
import { formatDuration } from './units.ts';
import { count } from './words.ts';

const hourMs = 3_600_000;
/** After a repair that failed the rule waits so long, in milliseconds: what made it fail seldom passes at once. */
const pauseMs = 1_800_000;
/** What holds the rule back is told anew after so long, in milliseconds. */
const remindMs = 86_400_000;

/** What is seen of a cluster. */
export interface RepairSight {
  rule: RepairRule;
  /** Names of nodes that are dead by the rule's own measure, and how many nodes there are. */
  dead: readonly string[];
  all: number;
  /** The last job that the rule has begun. */
  last?: Pick<Job, 'id' | 'state' | 'endedAt'> | undefined;
  now: number;
}

export interface RepairVerdict {
  /** The rule with what was seen and said; the same object when nothing is new. */
  rule: RepairRule;
  /** So many nodes are to be replaced now. */
  replace?: { most: number; why: string };
  /** Told once where the rule was set. */
  alert?: { title: string; text: string };
}

/** How many replacements the rule has begun within the last hour. */
export function begunLately({ begun }: RepairRule, now: number): number {
  return begun.filter(({ at }) => now - at < hourMs).reduce((sum, { nodes }) => sum + nodes, 0);
}

/** Decides. More than a third of the nodes at once is an outage, which new machines do not end: a person is told instead. */
export function decideRepair({ rule, dead, all, last, now }: RepairSight): RepairVerdict {
  const names = `${dead.slice(0, 5).join(', ')}${dead.length > 5 ? ` and ${dead.length - 5} more` : ''}`;
  const are = dead.length === 1 ? 'nodes is' : 'nodes are';
  if (dead.length === 0) {
    const { told: _told, ...rest } = rule;
    return { rule: rule.told ? rest : rule };
  }
  const found = `${dead.length} of ${all} ${are} out of service for ${formatDuration(rule.afterMs)} or longer: ${names}.`;
  if (dead.length * 3 > all) {
    return told(rule, now, `outage ${[...dead].sort().join()}`, {
      title: 'too many nodes are out of service to replace them',
      text: `${found} More than a third of them at once looks like an outage of a network or a zone, so none is replaced by itself.`,
    });
  }
  const failed = last?.state === 'Failed' && now - (last.endedAt ?? now) < pauseMs;
  if (failed) {
    return told(rule, now, `failed ${last.id}`, {
      title: 'the last repair failed',
      text: `${found} The last repair by the rule failed (job #${last.id}), so it waits ${formatDuration(pauseMs)} before the next.`,
    });
  }
  const left = rule.limit - begunLately(rule, now);
  if (left <= 0) {
    return told(rule, now, `limit ${[...dead].sort().join()}`, {
      title: 'the limit of repairs is reached',
      text: `${found} The rule allows ${count(rule.limit, 'replacement')} an hour, and as many were begun in the last one.`,
    });
  }
  const most = Math.min(left, dead.length);
  const rest =
    dead.length > most ? ` ${count(most, 'replacement')} now, since the rule allows ${rule.limit} an hour.` : '';
  const why = `${found}${rest}`;
  const { told: _told, ...free } = rule;
  return { rule: { ...free, said: { at: now, text: why } }, replace: { most, why } };
}

function told(rule: RepairRule, now: number, key: string, alert: { title: string; text: string }): RepairVerdict {
  const said = { at: now, text: alert.text };
  if (rule.told?.key === key && now - rule.told.at < remindMs) {
    return rule.said?.text === alert.text ? { rule } : { rule: { ...rule, said } };
  }
  return { rule: { ...rule, told: { key, at: now }, said }, alert };
}
