import type { ExternalState, Observation } from '../../core/ports/engine.ts';
import type { Stack } from './wire.ts';

/** A stack's status is an action and how it stands, such as UPDATE_IN_PROGRESS (heat/engine/stack.py, ACTIONS and STATUSES). */
export interface Status {
  action: string;
  status: 'IN_PROGRESS' | 'COMPLETE' | 'FAILED' | '';
}

export function statusOf(text: string): Status {
  const found = /^([A-Z_]+?)_(IN_PROGRESS|COMPLETE|FAILED)$/.exec(text);
  if (!found) return { action: text, status: '' };
  return { action: found[1] ?? '', status: (found[2] ?? '') as Status['status'] };
}

const states: Record<string, Record<string, ExternalState>> = {
  INIT: { IN_PROGRESS: 'creating', COMPLETE: 'creating', FAILED: 'error' },
  CREATE: { IN_PROGRESS: 'creating', COMPLETE: 'running', FAILED: 'error' },
  ADOPT: { IN_PROGRESS: 'creating', COMPLETE: 'running', FAILED: 'error' },
  UPDATE: { IN_PROGRESS: 'updating', COMPLETE: 'running', FAILED: 'running' },
  ROLLBACK: { IN_PROGRESS: 'updating', COMPLETE: 'running', FAILED: 'running' },
  CHECK: { IN_PROGRESS: 'updating', COMPLETE: 'running', FAILED: 'running' },
  SNAPSHOT: { IN_PROGRESS: 'updating', COMPLETE: 'running', FAILED: 'running' },
  RESTORE: { IN_PROGRESS: 'updating', COMPLETE: 'running', FAILED: 'error' },
  SUSPEND: { IN_PROGRESS: 'updating', COMPLETE: 'stopped', FAILED: 'error' },
  RESUME: { IN_PROGRESS: 'updating', COMPLETE: 'running', FAILED: 'error' },
  DELETE: { IN_PROGRESS: 'deleting', COMPLETE: 'absent', FAILED: 'error' },
};

/**
 * The state of a stack; a status that Heat did not have when this was written is `unknown`, never a guess. Where a change failed the cluster
 * is said to run; the caller has to look whether there ever was one (`neverRan`).
 */
export function stateOf(text: string): ExternalState {
  const { action, status } = statusOf(text);
  const row = Object.hasOwn(states, action) ? states[action] : undefined;
  return (row && Object.hasOwn(row, status) ? row[status] : undefined) ?? 'unknown';
}

/**
 * Whether this status leaves open if there is a cluster at all: a create that is rolled back ends in ROLLBACK_COMPLETE with nothing left, a
 * failed create that is updated in UPDATE_FAILED.
 */
export function mayBeEmpty(text: string): boolean {
  const { action, status } = statusOf(text);
  return action === 'ROLLBACK' || (action === 'UPDATE' && status === 'FAILED');
}

/** What was begun at a stack: enough to tell later how it stands, although Heat has no record of operations. */
export interface Handle {
  action: 'CREATE' | 'UPDATE' | 'SUSPEND' | 'RESUME' | 'DELETE';
  stack: string;
  /** `updated_time` of the stack when the update had begun, which Heat sets for each anew; or `later` and the one from before it. */
  since?: string;
}

/** Before a time: any later one. */
export const later = '>';

export function writeHandle(handle: Handle): string {
  return [handle.action, handle.stack, handle.since].filter((each) => each !== undefined).join('/');
}

export function readHandle(text: string | undefined): Handle | null {
  const [action = '', stack = '', since] = (text ?? '').split('/');
  if (!/^(CREATE|UPDATE|SUSPEND|RESUME|DELETE)$/.test(action) || stack === '') return null;
  return { action: action as Handle['action'], stack, ...(since === undefined ? {} : { since }) };
}

/** The operation that runs at a stack or was its last, by looking alone; `empty` says that there never was a cluster in it. */
export function handleOf(stack: Stack, empty: boolean): Handle | null {
  const { action, status } = statusOf(stack.stack_status);
  if (status === '') return null;
  switch (action) {
    case 'INIT':
    case 'CREATE':
    case 'ADOPT':
      return { action: 'CREATE', stack: stack.id };
    case 'ROLLBACK':
      return empty
        ? { action: 'CREATE', stack: stack.id }
        : { action: 'UPDATE', stack: stack.id, since: stack.updated_time ?? '' };
    case 'UPDATE':
      return { action: 'UPDATE', stack: stack.id, since: stack.updated_time ?? '' };
    case 'SUSPEND':
    case 'RESUME':
    case 'DELETE':
      return { action, stack: stack.id };
    default:
      return null;
  }
}

/** How the operation of a handle stands; undefined when another one has come since, so that Heat no longer tells. */
export function outcomeOf(handle: Handle, stack: Stack, empty: boolean): Observation['outcome'] {
  if (handle.stack !== stack.id) return undefined;
  const { action, status } = statusOf(stack.stack_status);
  const now = handleOf(stack, empty);
  if (!now || now.action !== handle.action) {
    // Whatever came after a create came after its end.
    return handle.action === 'CREATE' && status !== '' && action !== 'DELETE' ? 'done' : undefined;
  }
  // A roll-back has a time of its own, later than that of the update it takes back.
  if (action !== 'ROLLBACK' && handle.since !== undefined && !isSame(handle.since, now.since ?? '')) return undefined;
  if (status === 'IN_PROGRESS') return 'running';
  return action === 'ROLLBACK' || status === 'FAILED' ? 'failed' : 'done';
}

function isSame(since: string, updated: string): boolean {
  return since.startsWith(later) ? updated > since.slice(later.length) : updated === since;
}
