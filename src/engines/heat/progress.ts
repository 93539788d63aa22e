import { oneLine, scrub } from '../scrub.ts';
import { statusOf } from './states.ts';
import type { Resource, Stack } from './wire.ts';

/** A resource with those that it is made of, when it is a nested stack. */
interface Branch {
  resource: Resource;
  children: Branch[];
}

/** A resource that is not complete counts at most this much, however complete what it is made of. */
const unfinished = 0.9;

/** What the resources of a stack say about the action that runs. */
export interface Progress {
  percent?: number;
  step?: string;
}

/**
 * How far a create or an update is. Every resource at the top counts the same, one that is made of others as much as those: so the share only
 * grows while nested stacks come to light one after another. INIT_COMPLETE is "not begun", whatever the word says.
 */
export function progressOf(stack: Stack, resources: Resource[], secrets: readonly string[]): Progress {
  const { action } = statusOf(stack.stack_status);
  const tops = treeOf(stack, resources);
  const progress: Progress = {};
  const step = stepOf(resources, stack, secrets);
  if (step) progress.step = step;
  if (action === 'CREATE' || action === 'INIT') progress.percent = percentOf(tops);
  if (action === 'UPDATE') {
    // What the update leaves as it is tells nothing about how far it is.
    const since = stack.updated_time ?? '';
    const touched = tops.filter(
      ({ resource }) =>
        statusOf(resource.resource_status).status === 'IN_PROGRESS' || (resource.updated_time ?? '') >= since,
    );
    progress.percent = percentOf(touched);
  }
  return progress;
}

function percentOf(branches: Branch[]): number {
  // The stack is complete only when Heat says so.
  return branches.length === 0 ? 0 : Math.min(99, Math.floor(100 * mean(branches)));
}

function mean(branches: Branch[]): number {
  return branches.reduce((sum, each) => sum + shareOf(each), 0) / branches.length;
}

function shareOf({ resource, children }: Branch): number {
  const { action, status } = statusOf(resource.resource_status);
  if (status === 'COMPLETE' && action !== 'INIT') return 1;
  return children.length === 0 ? 0 : unfinished * mean(children);
}

/** Nested stacks are joined to the resource that they are by the links of both. */
function treeOf(stack: Stack, resources: Resource[]): Branch[] {
  const branches = resources.map((resource): Branch => ({ resource, children: [] }));
  const owners = new Map<string, Branch>();
  for (const branch of branches) {
    const nested = linkId(branch.resource, 'nested');
    if (nested) owners.set(nested, branch);
  }
  const tops: Branch[] = [];
  for (const branch of branches) {
    const home = linkId(branch.resource, 'stack');
    const owner = home && home !== stack.id ? owners.get(home) : undefined;
    if (owner && owner !== branch) owner.children.push(branch);
    else if (!home || home === stack.id) tops.push(branch);
  }
  return tops;
}

/** The id of the stack in `…/stacks/NAME/ID`. */
function linkId(entry: Pick<Resource, 'links'>, rel: string): string | undefined {
  const href = entry.links.find((link) => link.rel === rel)?.href;
  return /\/stacks\/[^/]+\/([^/?]+)/.exec(href ?? '')?.[1];
}

const doing: Record<string, string> = {
  CREATE: 'Creating',
  UPDATE: 'Changing',
  DELETE: 'Deleting',
  ROLLBACK: 'Rolling back',
  SUSPEND: 'Suspending',
  RESUME: 'Resuming',
  CHECK: 'Checking',
};

/** What Heat is at: the resources in progress, the deepest first, since the others only wait for them. */
function stepOf(resources: Resource[], stack: Stack, secrets: readonly string[]): string | undefined {
  const { action } = statusOf(stack.stack_status);
  const running = resources.filter((each) => statusOf(each.resource_status).status === 'IN_PROGRESS');
  const homes = new Set(running.map((each) => linkId(each, 'stack')));
  const leaves = running.filter((each) => !homes.has(linkId(each, 'nested') ?? ''));
  const names = [...new Set(leaves.map((each) => pathOf(each)))];
  if (names.length === 0) return undefined;
  const verb = doing[action] ?? oneLine(action, [], 20);
  const more = names.length > 2 ? ` and ${names.length - 2} more` : '';
  return oneLine(`${verb} ${names.slice(0, 2).join(', ')}${more}`, secrets, 80);
}

/** `workers/0` for the first of a group: its own name says nothing. */
function pathOf(resource: Resource): string {
  const nestedName = /\/stacks\/([^/]+)\//.exec(resource.links.find((link) => link.rel === 'stack')?.href ?? '')?.[1];
  const group = /-([^-]+)-[a-z0-9]{12}$/.exec(nestedName ?? '')?.[1];
  return group && /^\d+$/.test(resource.resource_name) ? `${group}/${resource.resource_name}` : resource.resource_name;
}

/** Why a stack failed: the words of the resource that did, without the chain of those that failed with it. */
export function failureOf(
  stack: Stack,
  resources: Resource[],
  secrets: readonly string[],
): { message: string; detail: string } {
  const failed = resources.filter((each) => statusOf(each.resource_status).status === 'FAILED');
  const leaf = failed.find((each) => linkId(each, 'nested') === undefined && useful(each.resource_status_reason));
  const reason = useful(stack.stack_status_reason);
  // The name comes last: `token: …` would be taken for a secret.
  const own = leaf ? `${shorten(leaf.resource_status_reason ?? '')} (${pathOf(leaf)})` : '';
  // A time-out says nothing of what it waited for.
  const waited = failed
    .map((each) => pathOf(each))
    .slice(0, 3)
    .join(', ');
  const timedOut = /^timed out$/i.test(reason ?? '');
  const message = timedOut
    ? `Timed out${waited ? ` while working on ${waited}` : ''}.`
    : own || shorten(reason ?? '') || 'Heat does not say why.';
  const lines = [
    `${stack.stack_status}: ${stack.stack_status_reason ?? ''}`,
    ...resources
      .toSorted((a, b) => (a.updated_time ?? '').localeCompare(b.updated_time ?? ''))
      .map((each) =>
        `${each.updated_time ?? ''} ${each.resource_status} ${pathOf(each)} (${each.resource_type}) ${each.resource_status_reason ?? ''}`.trimEnd(),
      ),
  ];
  return { message: oneLine(message, secrets), detail: scrub(lines.join('\n'), secrets) };
}

function useful(reason: string | null | undefined): string | null {
  const text = reason?.trim() ?? '';
  return text === '' || text === 'state changed' ? null : text;
}

/** Heat puts before the words of a resource where it stands in the tree and the class of the exception. */
export function shorten(reason: string): string {
  return reason
    .replace(/^(Resource \w+ failed: )+/, '')
    .replace(/^(\w+(Error|Exception|Failure|InError)|Conflict|Forbidden|BadRequest|NotFound): /, '')
    .replace(/^(resources(\[\d+\]|\.[\w-]+)\.?)+: /, '')
    .trim();
}

/** What a failed create has left behind: every resource at the top that was begun, by name and kind. */
export function leftoversOf(stack: Stack, resources: Resource[]): string[] {
  return treeOf(stack, resources)
    .map(({ resource }) => resource)
    .filter((each) => {
      const { action, status } = statusOf(each.resource_status);
      return action !== 'INIT' && !(action === 'DELETE' && status === 'COMPLETE') && Boolean(each.physical_resource_id);
    })
    .map((each) => oneLine(`${each.resource_name} (${each.resource_type})`, [], 120));
}
