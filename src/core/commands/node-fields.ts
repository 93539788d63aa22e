/** Fields that commands about single nodes share. */
import { z } from 'zod';
import type { Context } from '../command.ts';
import { engineAt } from '../engine-at.ts';
import { Fault } from '../errors.ts';
import type { Cluster } from '../records.ts';
import { field } from '../schema.ts';
import { formatDuration, parseDuration } from '../units.ts';

/** A node by its name. */
export const nodeField = field(
  z
    .string()
    .trim()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'Use the name of a node, as node list shows it.'),
  { label: 'Node', help: 'As node list shows it.', example: 'web-1-node-2', order: 2 },
);

/** How long pods have for leaving a node. */
export const withinField = field(z.string().trim().optional(), {
  label: 'At most',
  help: 'How long moving its pods may take, such as 10m (the default) or 1h.',
  example: '10m',
  order: 10,
});

/** Agreement to what is lost. */
export const forceField = field(z.boolean().optional(), {
  label: 'Also what is lost',
  help: 'Also pods that nothing makes anew, and those with data in emptyDir volumes.',
  order: 11,
});

/** The hash of the plan that was seen. */
export const planField = field(z.string().optional(), { label: 'Plan', order: 99 });

/** Whether a toggle is on, as it comes from a line or a form. */
export function isYes(value: string | undefined): boolean {
  return /^(yes|true|on)$/i.test(value ?? '');
}

/** A duration that a person wrote, in milliseconds, between two bounds; the default when nothing is written. */
export function durationOf(
  text: string | undefined,
  what: { field: string; usual: number; least: number; most: number },
): number {
  if (text === undefined || text.trim() === '') return what.usual;
  const ms = parseDuration(text);
  if (ms === null || ms < what.least || ms > what.most) {
    const between = `${formatDuration(what.least)} and ${formatDuration(what.most)}`;
    throw new Fault('bad-input', `Write a time between ${between}, such as 10m or 1h.`, { field: what.field });
  }
  return ms;
}

/** How long a drain may take, in milliseconds. */
export function withinOf(values: Record<string, string>): number {
  return durationOf(values.timeout, { field: 'timeout', usual: 600_000, least: 10_000, most: 6 * 3_600_000 });
}

/** Whether the cluster's engine can retire a chosen machine, and what to do where it cannot. */
export function retiring(context: Context, cluster: Cluster): { retires: boolean; instead: string } {
  const engine = engineAt(context, cluster);
  const retires = engine?.capabilities.retire === true;
  const why = engine?.instead.retire ?? 'Have the machine replaced where the cluster was made.';
  return { retires, instead: retires ? '' : why };
}

/** How long a node has to be out of service. */
export const afterField = field(z.string().trim().optional(), {
  label: 'Out of service for',
  help: 'How long a node has to be not ready until it counts as dead, such as 10m (the default).',
  example: '10m',
  order: 3,
});

/** Reads `after`, in milliseconds. Ten minutes is what GKE's auto-repair waits, and what Cluster API's health checks usually do. */
export function afterOf(values: Record<string, string>): number {
  return durationOf(values.after, { field: 'after', usual: 600_000, least: 60_000, most: 86_400_000 });
}
