/** Operations at Google: how far they are, how they ended, in words. Pure. */
import type { Observation } from '../../core/ports/engine.ts';
import { oneLine, scrub } from '../scrub.ts';
import type { Place } from './api.ts';
import type { OperationAnswer } from './wire.ts';

/** The handle of an operation: its location and its name. What Google calls `selfLink` names another path for zones and cannot be asked. */
export function handleOf(location: string, operation: OperationAnswer): string {
  return `${location}/${operation.name}`;
}

export function readHandle(handle: string | undefined): { location: string; name: string } | null {
  const found = /^([a-z0-9-]+)\/([\w.-]+)$/.exec(handle ?? '');
  return found?.[1] && found[2] ? { location: found[1], name: found[2] } : null;
}

/** Whether an operation is about this cluster or one of its pools; the project in its link is a number, and zones have a path of their own. */
export function isAbout({ location, name }: Place, operation: OperationAnswer): boolean {
  const found = /\/(?:zones|locations)\/([^/]+)\/clusters\/([^/]+)/.exec(operation.targetLink);
  return found?.[1] === location && found[2] === name;
}

export function isRunning(operation: OperationAnswer): boolean {
  return operation.status !== 'DONE';
}

/** An operation that is DONE may have failed: then it says why. */
export function failureOf(operation: OperationAnswer): string | null {
  if (isRunning(operation)) return null;
  const { error, statusMessage, clusterConditions, nodepoolConditions } = operation;
  if (error && (error.message || error.code)) return error.message || `Google's error code ${error.code}`;
  if (statusMessage) return statusMessage;
  if (!error && clusterConditions.length === 0 && nodepoolConditions.length === 0) return null;
  return [...clusterConditions, ...nodepoolConditions].find((each) => each.message)?.message ?? null;
}

export function outcomeOf(operation: OperationAnswer): NonNullable<Observation['outcome']> {
  if (isRunning(operation)) return 'running';
  return failureOf(operation) === null ? 'done' : 'failed';
}

/** The newest by its start, of those that pass. */
export function newest(
  operations: OperationAnswer[],
  passes: (operation: OperationAnswer) => boolean,
): OperationAnswer | undefined {
  return operations.filter(passes).toSorted((a, b) => b.startTime.localeCompare(a.startTime))[0];
}

interface Stage {
  name: string;
  done: number;
  total: number;
}

/** Metrics come as pairs, `X` and `X_TOTAL`; upgrades of nodes count `NODES_DONE` (or `NODES_COMPLETE`) of `NODES_TOTAL`. */
function stagesOf(operation: OperationAnswer): Stage[] {
  const metrics = new Map(
    (operation.progress?.metrics ?? []).flatMap(({ name, intValue }) =>
      intValue !== null && Number.isFinite(intValue) ? [[name, intValue] as const] : [],
    ),
  );
  return [...metrics].flatMap(([key, total]) => {
    const name = /^(.+)_TOTAL$/.exec(key)?.[1];
    if (name === undefined || total <= 0) return [];
    const done = metrics.get(name) ?? metrics.get(`${name}_DONE`) ?? metrics.get(`${name}_COMPLETE`) ?? 0;
    return [{ name, done: Math.min(done, total), total }];
  });
}

/** The stages of a create and where each begins and ends of a hundred; most of the time goes into the second. */
const createStages: Record<string, [number, number]> = {
  CLUSTER_CONFIGURING: [0, 20],
  CLUSTER_DEPLOYING: [20, 85],
  CLUSTER_HEALTHCHECKING: [85, 99],
};

/** 0 to 99; undefined when Google gives no basis. Only the end is 100, which these numbers never reach by themselves. */
export function percentOf(operation: OperationAnswer): number | undefined {
  const stages = stagesOf(operation);
  if (operation.operationType === 'CREATE_CLUSTER') {
    if (stages.length === 0) return operation.status === 'PENDING' ? 0 : undefined;
    // Stages overlap, and their sum only grows where a later one that is missing yet counts as nothing.
    const sum = stages.reduce((whole, { name, done, total }) => {
      const span = createStages[name];
      return span ? whole + ((span[1] - span[0]) * done) / total : whole;
    }, 0);
    return Math.round(sum);
  }
  const total = stages.reduce((sum, stage) => sum + stage.total, 0);
  if (total === 0) return undefined;
  return Math.min(99, Math.round((100 * stages.reduce((sum, stage) => sum + stage.done, 0)) / total));
}

/** What goes on, in Google's words. */
export function stepOf(operation: OperationAnswer): string {
  if (operation.status === 'ABORTING') return 'Google is cancelling it';
  if (operation.detail) return oneLine(operation.detail, [], 80);
  const stage = stagesOf(operation).find(({ done, total }) => done < total) ?? stagesOf(operation).at(-1);
  const what = words(stage?.name ?? operation.operationType) || target(operation);
  return stage ? `${what}: ${stage.done} of ${stage.total}` : what;
}

/** `UPGRADE_NODES` as "Upgrade nodes". */
function words(name: string): string {
  const text = name.toLowerCase().replaceAll('_', ' ').trim();
  return text ? oneLine(text.charAt(0).toUpperCase() + text.slice(1), [], 60) : '';
}

/** Resizing a pool has no type (recorded), and what is resized is in its link. */
function target(operation: OperationAnswer): string {
  const pool = /\/nodePools\/([^/]+)/.exec(operation.targetLink)?.[1];
  return pool ? `Changing the node pool ${oneLine(pool, [], 40)}` : 'Changing the cluster';
}

/** One operation as lines for a file. */
export function tell(operation: OperationAnswer, secrets: readonly string[]): string {
  const { startTime, endTime, name, operationType, status, error } = operation;
  const what = operationType || target(operation);
  const lines = [`${startTime || 'no time'} ${what} ${status} ${name}`];
  for (const { name: metric, intValue } of operation.progress?.metrics ?? []) {
    if (intValue !== null) lines.push(`  ${metric}: ${intValue}`);
  }
  if (operation.detail) lines.push(`  ${operation.detail}`);
  const failure = failureOf(operation);
  if (failure !== null) lines.push(`  failed: ${failure}${error?.code ? ` (code ${error.code})` : ''}`);
  for (const each of [...operation.clusterConditions, ...operation.nodepoolConditions]) {
    lines.push(`  condition ${each.code || each.canonicalCode}: ${each.message}`);
  }
  if (endTime) lines.push(`${endTime} ${what} ended`);
  return lines.map((line) => scrub(line, secrets)).join('\n');
}
